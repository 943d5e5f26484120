"""The embedded weights answer as the published model does, on sequence that they were not taught on."""

import dataclasses
from pathlib import Path

import pytest

from mifm_kipoi import Genome, load_weights
from mifm_kipoi.network.weights import import_weights
from training.distillation.fidelity import fidelity

pytestmark = [pytest.mark.reference, pytest.mark.slow]


def test_fidelity_on_held_out_sequence(
    reference_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    data = reference_data / "data"
    embedded = load_weights("embedded")
    found = fidelity(
        embedded.model(),
        import_weights(reference_data / "published" / "a7a0q7ar.ckpt").model(),
        Genome(data / "genome" / "GRCh37.mini.fa.gz"),
        ["20"],
        data / "variants" / "1000G_phase3.chr20_1M_2M.sites.vcf.gz",
        data / "finemapping" / "ukb_blood_traits.finemap.tsv.gz",
    )
    assert found.windows > 15_000
    assert found.snvs > 28_000
    assert found.window_pearson >= 0.998
    assert found.ref_pearson >= 0.998
    assert found.delta_pearson >= 0.995
    assert found.same_top >= 0.95 * found.blocks
    stated = embedded.provenance["fidelity"]
    assert dataclasses.asdict(found) == pytest.approx(stated, abs=2e-4)
