"""Means and standard deviations of effects: against numpy, resumed, and of other models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mifm_kipoi.baselines.mifm import MIFMBaseline
from mifm_kipoi.baselines.networks.background import read_background
from mifm_kipoi.baselines.networks.sequence import SequenceBaseline
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.baselines.specs import MissingModelsError, Spec
from mifm_kipoi.comparison.backgrounds import BackgroundRun, fit_background
from mifm_kipoi.errors import InputError, OptionError, ReferenceMismatchError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant, read_variants
from mifm_kipoi.support.progress import Progress
from tests.baselines.networks.toy_networks import (
    CPU,
    Convolutions,
    baseline_of,
    info,
    make_genome,
    toy_baseline,
)
from tests.builders import write_vcf

WINDOW = 64
SPEC = Spec("toy", "enformer", "toy")


@dataclasses.dataclass
class Given:
    """Files, and the model that a Spec opens."""

    folder: Path
    vcf: Path
    fasta: Path
    baseline: SequenceBaseline

    def fit(self, name: str = "b.safetensors", **more: object) -> object:
        return fit_background(SPEC, CPU, self.vcf, self.fasta, self.folder / name, **more)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    genome, contigs = make_genome(tmp_path, 1_000)
    bases = contigs["1"]
    records = [
        ("1", pos, bases[pos - 1], "ACGT"["GTAC".index(bases[pos - 1])]) for pos in range(100, 900, 13)
    ]
    records += [
        ("1", 900, bases[899], "<DEL>"),
        ("9", 1, "A", "C"),
        ("1", 901, bases[900], bases[900] + "AC"),
    ]
    vcf = write_vcf(tmp_path / "common.vcf", records)
    baseline = baseline_of(Convolutions(), WINDOW)
    baseline.chunk_size = 10
    given = Given(tmp_path, vcf, genome.path, baseline)
    monkeypatch.setattr(Spec, "open", lambda spec, compute: given.baseline)
    return given


def test_moments_are_those_of_numpy(given: Given) -> None:
    found = given.fit()
    variants = list(read_variants(given.vcf))
    status, effects = given.baseline.effects(variants, Genome(given.fasta))
    scored = effects[[reason == "ok" for reason in status]].astype(np.float64)
    assert (found.count, found.left_out) == (len(scored), 2)
    np.testing.assert_allclose(found.mean, scored.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.sd, scored.std(axis=0, ddof=0), rtol=1e-10)
    again = read_background(given.folder / "b.safetensors")
    assert dataclasses.replace(again, mean=found.mean, sd=found.sd) == found
    np.testing.assert_array_equal(again.mean, found.mean)
    normalised = given.baseline.with_background(again).score(variants, Genome(given.fasta))
    expected = np.abs((scored - scored.mean(0)) / scored.std(0)).max(1)
    values = normalised.columns["max_abs_delta_normalised"]
    np.testing.assert_allclose(values[~np.isnan(values)], expected, rtol=1e-8)
    assert not list(given.folder.glob("*.partial"))


def test_moments_far_from_zero(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of squares would lose the spread: effects of a million, give or take one."""
    rng = np.random.default_rng(0)
    table = {pos: 1e6 + rng.integers(-8, 8, 5) / 4 for pos in range(1_000)}

    def effects(self: object, variants: Sequence[Variant], genome: Genome) -> object:
        status, found = original(self, variants, genome)
        found[:] = np.array([table[variant.pos] for variant in variants]).reshape(-1, 5)
        return status, found

    original = SequenceBaseline.effects
    monkeypatch.setattr(SequenceBaseline, "effects", effects)
    found = given.fit()
    variants = [
        variant for variant in read_variants(given.vcf) if variant.alt != "<DEL>" and variant.chrom == "1"
    ]
    expected = np.array([table[variant.pos] for variant in variants])
    np.testing.assert_allclose(found.sd, expected.std(0), rtol=1e-9)


@pytest.mark.parametrize("fail_at", [0, 1, 3, 6])
def test_an_interrupted_run_goes_on(given: Given, monkeypatch: pytest.MonkeyPatch, fail_at: int) -> None:
    given.fit("whole.safetensors")
    calls = []
    original = SequenceBaseline.effects

    def effects(self: SequenceBaseline, variants: Sequence[Variant], genome: Genome) -> object:
        calls.append(len(variants))
        if len(calls) == fail_at + 1:
            raise KeyboardInterrupt
        return original(self, variants, genome)

    monkeypatch.setattr(SequenceBaseline, "effects", effects)
    with pytest.raises(KeyboardInterrupt):
        given.fit()
    assert (given.folder / "b.safetensors.partial").exists() == (fail_at > 0)
    assert not (given.folder / "b.safetensors").exists()
    before = len(calls)
    given.fit()
    total = len(list(read_variants(given.vcf)))
    assert sum(calls[before:]) == total - 10 * fail_at
    assert (given.folder / "b.safetensors").read_bytes() == (given.folder / "whole.safetensors").read_bytes()
    assert not (given.folder / "b.safetensors.partial").exists()


def test_a_run_of_other_inputs_does_not_go_on(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    original = SequenceBaseline.effects
    calls = []

    def effects(self: SequenceBaseline, variants: Sequence[Variant], genome: Genome) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, variants, genome)

    with monkeypatch.context() as patch:
        patch.setattr(SequenceBaseline, "effects", effects)
        with pytest.raises(KeyboardInterrupt):
            given.fit()
    text = given.vcf.read_text()
    given.vcf.write_text(text.replace("\tv3\t", "\tv03\t"))
    with pytest.raises(
        InputError, match=r"another run: variants_sha256 was .*delete .*partial to start again"
    ):
        given.fit()
    given.vcf.write_text(text)
    own, given.baseline = given.baseline, baseline_of(Convolutions(), WINDOW + 2)
    with pytest.raises(InputError, match=r"another run: model\.window was 64 and is 66"):
        given.fit()
    given.baseline = own
    (given.folder / "b.safetensors.partial").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"cannot be read; delete .*partial"):
        given.fit()


def test_a_finished_one_is_kept(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    first = given.fit()
    with monkeypatch.context() as patch:
        patch.setattr(SequenceBaseline, "effects", None)
        assert given.fit().sha256 == first.sha256
    given.baseline = baseline_of(Convolutions(), WINDOW + 2)
    with pytest.raises(InputError, match=r"is of another run: model\.window was 64 and is 66"):
        given.fit()


def test_a_background_of_other_weights_is_refused(given: Given) -> None:
    found = given.fit()
    other = SequenceBaseline(
        given.baseline._reader, dataclasses.replace(info(), weights={"weights_sha256": "1"})
    )
    with pytest.raises(InputError, match=r"made with another model than Toy: weights_sha256 was 0 and is 1"):
        other.with_background(found)
    newer = dataclasses.replace(info(), libraries={"torch": "newer"})
    assert SequenceBaseline(given.baseline._reader, newer).with_background(found).score([], None) is not None


@pytest.mark.parametrize("records", [0, 1])
def test_too_few_variants(given: Given, records: int) -> None:
    bases = Genome(given.fasta).fetch("1", 499, 500).tobytes().decode()
    kept = [("1", 500, bases, "A" if bases != "A" else "C")][:records]
    write_vcf(given.vcf, [*kept, ("1", 501, "A", "<DEL>")])
    with pytest.raises(
        InputError, match=f"{records} of {records + 1} variants of .* have effects; expected two"
    ):
        given.fit()
    assert not list(given.folder.glob("b.*"))


def test_another_build_is_noticed(given: Given) -> None:
    records = [(v.chrom, v.pos + 1, v.ref, v.alt) for v in read_variants(given.vcf)]
    write_vcf(given.vcf, records)
    with pytest.raises(ReferenceMismatchError, match="REF alleles differ"):
        given.fit()
    assert given.fit(max_mismatch_fraction=1.0).left_out > 10


def test_progress_and_other_models(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    progress = Progress("variants", show=False)
    monkeypatch.setattr(progress, "update", lambda count, fraction: seen.append(count))
    given.fit(progress=progress)
    assert seen[0] == 10
    assert seen == sorted(seen)
    assert seen[-1] == len(list(read_variants(given.vcf)))
    monkeypatch.setattr(Spec, "open", lambda spec, compute: MIFMBaseline(compute=ComputeOptions("cpu")))
    with pytest.raises(OptionError, match="toy=enformer:toy is not a sequence network"):
        given.fit("other")


def test_files_that_are_no_background(tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    with pytest.raises(InputError, match="cannot read"):
        read_background(path)
    path.write_bytes(b"no safetensors")
    with pytest.raises(InputError, match="cannot read"):
        read_background(path)
    save_file({"mean": np.zeros(3)}, path)
    with pytest.raises(InputError, match=r"cannot read .* as a background"):
        read_background(path)


def test_damaged_numbers(given: Given) -> None:
    given.fit()
    path = given.folder / "b.safetensors"
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        metadata, mean, sd = file.metadata(), file.get_tensor("mean"), file.get_tensor("sd")
    for broken in (
        {"mean": mean, "sd": -sd},
        {"mean": mean * np.nan, "sd": sd},
        {"mean": mean[:2], "sd": sd},
    ):
        save_file(broken, path, metadata=metadata)
        with pytest.raises(InputError, match="is damaged"):
            read_background(path)
    save_file({"mean": mean}, path, metadata=metadata)
    with pytest.raises(InputError, match="is not a background"):
        read_background(path)


def test_a_track_without_spread_is_left_out(given: Given) -> None:
    given.baseline = toy_baseline(WINDOW)
    given.baseline._reader._network.bases[:, 1] = 0.5
    found = given.fit()
    assert (found.sd == 0).tolist() == [False, True, False]
    scored = given.baseline.with_background(found).score(
        list(read_variants(given.vcf))[:5], Genome(given.fasta)
    )
    assert np.isfinite(scored.columns["max_abs_delta_normalised"]).all()


def test_backgrounds_of_several_networks(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spec, "find", lambda spec: None)
    specs = [SPEC, Spec("other", "enformer", "toy")]
    lines: list[str] = []
    run = BackgroundRun(given.vcf, given.fasta, specs, given.folder / "new", compute=CPU, threads=1)
    first, second = run.run(lines.append)
    assert first.path == given.folder / "new" / "toy.safetensors"
    assert (second.count, second.left_out) == (first.count, first.left_out)
    assert [line.split(": ")[0] for line in lines] == [str(first.path), str(second.path)]
    assert f"5 tracks over {first.count} variants" in lines[0]


def test_a_network_that_is_missing_ends_it_before_any_is_fitted(given: Given) -> None:
    specs = [SPEC, Spec("other", "enformer", "nowhere")]
    with pytest.raises(MissingModelsError, match="2 models are not available"):
        BackgroundRun(given.vcf, given.fasta, specs, given.folder / "new").run()
    assert not (given.folder / "new").exists()
