"""The published model's scores, made with the authors' own code, are met by ours."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi import Genome, Variant, cut_windows, logits, one_hot, variant_scores
from mifm_kipoi.kipoi.sources import GROUP
from mifm_kipoi.network.weights import import_weights
from tests.conftest import Run
from tests.kipoi.predictions import predictions

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def expected(reference_data: Path) -> pd.DataFrame:
    with gzip.open(reference_data / "published" / "expected_scores.chr20.tsv.gz", "rt") as file:
        return pd.read_csv(file, sep="\t", dtype={"chrom": str}, na_filter=False)


def test_python(
    expected: pd.DataFrame, reference_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    network = import_weights(reference_data / "published" / "a7a0q7ar.ckpt").model()
    genome = Genome(reference_data / "data" / "genome" / "GRCh37.mini.fa.gz")
    variants = [Variant(row.chrom, row.pos, row.id, row.ref, row.alt) for row in expected.itertuples()]
    indels = sum(len(variant.ref) != len(variant.alt) for variant in variants)
    assert (len(variants), indels) == (3000, 98)
    windows = cut_windows(variants, genome)
    assert {str(status) for status in windows.status} == {"ok"}
    ref, alt = (logits(network, one_hot(codes)) for codes in (windows.ref, windows.alt))
    np.testing.assert_allclose(ref, expected["ref_logit"], atol=5e-5)
    np.testing.assert_allclose(alt, expected["alt_logit"], atol=5e-5)
    scores = variant_scores(ref, alt)
    np.testing.assert_allclose(scores["mifm_ref"], expected["ref_score"], atol=1e-5)
    np.testing.assert_allclose(scores["mifm_alt"], expected["alt_score"], atol=1e-5)


@pytest.mark.slow
def test_kipoi_predict_on_all_records(
    expected: pd.DataFrame, reference_data: Path, run: Run, tmp_path: Path
) -> None:
    """28,998 records of 1000 Genomes: a row per ALT, scored or with a reason, equal to the golden file."""
    run("mifm_kipoi.cli", "weights", "import", reference_data / "published" / "a7a0q7ar.ckpt")
    vcf = reference_data / "data" / "variants" / "1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    out = tmp_path / "out.tsv"
    files = {
        "vcf_file": str(vcf),
        "fasta_file": str(reference_data / "data" / "genome" / "GRCh37.mini.fa.gz"),
    }
    run(
        "kipoi", "predict", GROUP / "MIFM" / "published", "--source=dir", "--dataloader_args",
        json.dumps(files), "--batch_size", "512", "-m", "-o", out,
    )  # fmt: skip
    table = predictions(out)
    with gzip.open(vcf, "rt") as file:
        records = [line.split("\t")[:5] for line in file if not line.startswith("#")]
    rows = [
        (chrom, int(pos), name, ref, alt)
        for chrom, pos, name, ref, alts in records
        for alt in alts.split(",")
    ]
    assert len(records) == 28_998
    assert list(table[["chrom", "pos", "id", "ref", "alt"]].itertuples(index=False, name=None)) == rows
    scored = table["status"] == "ok"
    assert table[["mifm_ref", "mifm_alt", "mifm_delta"]].notna().all(axis=1).equals(scored)
    symbolic = table["alt"].str.startswith("<")
    assert table["status"].eq("symbolic_alt").equals(symbolic)
    # The genome ends at base 2,000,000, and a tenth of a window is 51 bases.
    near_the_end = table["pos"] + 256 > 2_000_000 + 51
    assert table["status"].eq("too_many_n").equals(near_the_end)
    assert scored.equals(~symbolic & ~near_the_end)
    key = ["chrom", "pos", "id", "ref", "alt"]
    both = expected.merge(table, on=key, validate="one_to_one")
    assert len(both) == len(expected)
    np.testing.assert_allclose(both["mifm_ref"], both["ref_score"], atol=1e-5)
    np.testing.assert_allclose(both["mifm_alt"], both["alt_score"], atol=1e-5)
