"""The numbers: the network on each window, alone, is the reference."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import OptionError, ReferenceMismatchError, WeightsError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import VariantFile, read_variants
from mifm_kipoi.network.background import LogitCounts
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.weights import load_model, load_weights, save_weights
from mifm_kipoi.scoring.records import ScoredVariants, read_chunks
from mifm_kipoi.scoring.scorer import Scorer, ScoringOptions, iter_scores, score_variants
from mifm_kipoi.scoring.scores import LOGITS, PERCENTILES, SCORES, probability
from mifm_kipoi.scoring.workers import score_chunks
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import cut_windows
from tests.builders import TINY, random_network, write_fasta, write_vcf


@pytest.fixture(scope="module")
def files(example: Path) -> tuple[Path, Path]:
    """The example, with every status."""
    return example / "variants.vcf", example / "genome.fa"


@pytest.fixture
def other_weights(tmp_path: Path) -> str:
    """A file of random weights of the published sizes."""
    path = tmp_path / "other.safetensors"
    save_weights(path, random_network(seed=5), {})
    return str(path)


def expected_logits(weights: str, codes: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return load_model(weights)(torch.tensor(encoding.one_hot(codes).copy())).numpy()


def test_are_those_of_the_network_on_each_window(files: tuple[Path, Path]) -> None:
    variants = list(read_variants(files[0]))
    windows = cut_windows(variants, Genome(files[1]))
    found = score_variants(*files)
    assert found.columns.tolist() == [
        *("chrom", "pos", "id", "ref", "alt"),
        *("mifm_ref", "mifm_alt", "mifm_delta", "mifm_logit_ref", "mifm_logit_alt"),
        *("mifm_percentile", "mifm_phred", "status"),
    ]
    assert found["status"].tolist() == [reason.value for reason in windows.status]
    assert found[["chrom", "pos", "id", "ref", "alt"]].apply(tuple, axis=1).tolist() == [
        (v.chrom, v.pos, v.id, v.ref, v.alt) for v in variants
    ]
    ok = found["status"] == "ok"
    assert 30 < ok.sum() < len(found)
    for side, codes in (("ref", windows.ref), ("alt", windows.alt)):
        logit = expected_logits("embedded", codes)
        np.testing.assert_allclose(found[f"mifm_logit_{side}"][ok], logit[ok], atol=1e-5)
        np.testing.assert_allclose(found[f"mifm_{side}"][ok], probability(logit)[ok], atol=1e-6)
    np.testing.assert_allclose(found["mifm_delta"], found["mifm_alt"] - found["mifm_ref"], atol=1e-7)
    assert found.loc[~ok, "mifm_ref":"mifm_phred"].isna().all(axis=None)


def test_what_scores_mean_is_by_the_background_of_the_weights(
    files: tuple[Path, Path], other_weights: str, tmp_path: Path
) -> None:
    """Against logits that are known one by one: 100 (1 - f) and -10 log10(f)."""
    found = score_variants(*files, ScoringOptions(weights=(other_weights,)))
    assert found[["mifm_percentile", "mifm_phred"]].isna().all(axis=None)
    ok = found["status"] == "ok"
    logits = found["mifm_logit_ref"][ok].to_numpy()
    counts = LogitCounts()
    counts.add(np.concatenate([logits, np.linspace(-3, 3, 1000)]).astype(np.float32))
    weights = load_weights(other_weights)
    background = counts.background({"name": "a test", "weights": weights.identity})
    path = tmp_path / "with.safetensors"
    save_weights(path, weights.model(), weights.provenance, background)
    found = score_variants(*files, ScoringOptions(weights=(str(path),)))
    total = len(logits) + 1000
    for logit, percentile, phred in found.loc[
        ok, ["mifm_logit_ref", "mifm_percentile", "mifm_phred"]
    ].itertuples(index=False):
        low = float(logit) - 1e-5
        f = (np.sum(logits >= low) + np.sum(np.linspace(-3, 3, 1000).astype(np.float32) >= low)) / total
        assert percentile == pytest.approx(100 * (1 - f), abs=2e-5)
        assert phred == pytest.approx(-10 * np.log10(f), abs=2e-5)
    assert found.loc[~ok, ["mifm_percentile", "mifm_phred"]].isna().all(axis=None)


def test_several_weights_have_their_own_columns(files: tuple[Path, Path], other_weights: str) -> None:
    both = score_variants(*files, ScoringOptions(weights=("embedded", other_weights)))
    for weights, label in (("embedded", "embedded"), (other_weights, "other")):
        alone = score_variants(*files, ScoringOptions(weights=(weights,)))
        for name in (*SCORES, *LOGITS, *PERCENTILES):
            np.testing.assert_array_equal(both[f"{name}_{label}"], alone[name])
    assert (both["mifm_ref_embedded"] - both["mifm_ref_other"]).abs().max() > 1e-3


@pytest.mark.parametrize(("reverse_complement", "shift"), [(True, 0), (False, 2), (True, 2)])
def test_averages(files: tuple[Path, Path], reverse_complement: bool, shift: int) -> None:
    options = ScoringOptions(reverse_complement=reverse_complement, shift=shift)
    found = score_variants(*files, options)
    plain = score_variants(*files)
    names = ("mifm_ref", "mifm_alt", "mifm_delta", "mifm_logit_ref", "mifm_logit_alt")
    for name in names:
        np.testing.assert_allclose(found[name], plain[name], atol=1e-6)
    check_averages(found, files, options)


def check_averages(found: pd.DataFrame, files: tuple[Path, Path], options: ScoringOptions) -> None:
    """Each view is cut from the text of the haplotype, base by base."""
    variants, genome = list(read_variants(files[0])), Genome(files[1])
    (weights,), shifts = options.weights, range(-options.shift, options.shift + 1)
    window = load_model(weights).config.window
    index = window // 2 - 1
    for row in np.flatnonzero(found["status"] == "ok"):
        variant = variants[row]
        contig = genome.find_contig(variant.chrom)
        assert contig is not None
        start = variant.pos - 1
        left = genome.fetch(contig, start - 400, start).tobytes().decode()
        right = (
            genome.fetch(contig, start + len(variant.ref), start + len(variant.ref) + 600).tobytes().decode()
        )
        means = []
        for allele in (variant.ref, variant.alt):
            text = left + allele + right
            views = [text[400 - index + s :][:window] for s in shifts]
            if options.reverse_complement:
                backwards = text[::-1].translate(str.maketrans("ACGT", "TGCA"))
                # The first base of the allele, seen from the other end.
                place = len(text) - 1 - 400
                views += [backwards[place - index + s :][:window] for s in shifts]
            codes = encoding.codes(np.array([np.frombuffer(view.encode(), np.uint8) for view in views]))
            means.append(probability(expected_logits(weights, codes)).mean())
        ending = "_averaged" if options.averages else ""
        np.testing.assert_allclose(found.loc[row, f"mifm_ref{ending}"], means[0], atol=2e-6)
        np.testing.assert_allclose(found.loc[row, f"mifm_alt{ending}"], means[1], atol=2e-6)
        np.testing.assert_allclose(found.loc[row, f"mifm_delta{ending}"], means[1] - means[0], atol=2e-6)


@pytest.mark.parametrize(("reverse_complement", "shift"), [(False, 0), (True, 2)])
def test_networks_of_shorter_windows(
    files: tuple[Path, Path], tmp_path: Path, reverse_complement: bool, shift: int
) -> None:
    path = str(tmp_path / "short.safetensors")
    save_weights(path, random_network(TINY, seed=3), {})
    options = ScoringOptions((path,), reverse_complement, shift)
    found = score_variants(*files, options)
    assert found["status"].tolist() == score_variants(*files)["status"].tolist()
    check_averages(found, files, options)


@pytest.mark.parametrize(("window", "shift"), [(1024, 0), (64, 32)])
def test_networks_whose_windows_are_too_long_or_too_short(
    files: tuple[Path, Path], tmp_path: Path, window: int, shift: int
) -> None:
    path = str(tmp_path / "other.safetensors")
    save_weights(path, random_network(dataclasses.replace(TINY, window=window)), {})
    with pytest.raises(OptionError, match=f"reads windows of {window} bp; expected at most 512, and at"):
        score_variants(*files, ScoringOptions((path,), shift=shift))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_do_not_depend_on_chunks_and_batches(files: tuple[Path, Path], chunk: int) -> None:
    expected = score_variants(*files)
    for batch_size in (1, 5):
        found = score_variants(*files, batch_size=batch_size, chunk_size=chunk)
        assert found["status"].equals(expected["status"])
        for name in ("mifm_ref", "mifm_alt", "mifm_delta"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-6)


def test_workers_give_the_same_in_the_same_order(files: tuple[Path, Path]) -> None:
    make_scorer = functools.partial(Scorer, Genome(files[1]), ScoringOptions())
    results: list[list[ScoredVariants]] = []
    for workers in (0, 2):
        with VariantFile(files[0]) as file:
            chunks = score_chunks(read_chunks(file, chunk_size=5), make_scorer, workers, threads=1)
            results.append([scored for _, scored in chunks])
    assert len(results[0]) == len(results[1]) > 5
    for alone, together in zip(*results, strict=True):
        assert alone.variants == together.variants
        assert alone.status == together.status
        for name, values in alone.columns.items():
            np.testing.assert_allclose(together.columns[name], values, atol=1e-6)


def test_a_file_without_variants(tmp_path: Path, files: tuple[Path, Path]) -> None:
    found = score_variants(write_vcf(tmp_path / "none.vcf", []), files[1])
    assert len(found) == 0
    assert found.columns[-1] == "status"


def test_regions(tmp_path: Path, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    """A record is scored when its REF overlaps a region."""
    pytest.importorskip("pybedtools")
    everything = score_variants(*files)
    bed = tmp_path / "regions.bed"
    bed.write_text("1\t2000\t3000\n")
    found = score_variants(*files, regions=bed)
    inside = (everything["chrom"] == "1") & everything["pos"].between(2001, 3000)
    assert found["pos"].tolist() == everything["pos"][inside].tolist()
    assert caplog.messages == []
    bed.write_text("chr1\t1\t2\n")
    assert len(score_variants(*files, regions=bed)) == 0
    (message,) = caplog.messages
    assert "no record of" in message


def test_another_build_ends_the_run(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "x.fa", {"1": "A" * 2000})
    vcf = write_vcf(tmp_path / "x.vcf", [("1", pos, "C", "G") for pos in range(600, 610)])
    with pytest.raises(ReferenceMismatchError, match="10 of 10 REF alleles differ"):
        list(iter_scores(vcf, fasta))
    scored = list(iter_scores(vcf, fasta, ScoringOptions(max_mismatch_fraction=1)))
    assert scored[0].status == [Status.REF_MISMATCH] * 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": ()}, "no weights are named"),
        ({"weights": ("a", "a")}, "weights a, a are not distinguished"),
        ({"weights": ("x/a.safetensors", "y/a.safetensors")}, "are not distinguished by their names"),
        ({"shift": -1}, "shift is -1; expected 0 to 255"),
        ({"shift": 256}, "shift is 256"),
        ({"max_n_fraction": 1.5}, "max_n_fraction is 1.5; expected a fraction"),
        ({"max_mismatch_fraction": -0.1}, "max_mismatch_fraction is -0.1"),
        ({"precision": "fp8"}, "precision is 'fp8'; expected one of fp32, bf16, fp16"),
    ],
)
def test_impossible_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ScoringOptions(**options)  # type: ignore[arg-type]


def test_an_unknown_device(files: tuple[Path, Path]) -> None:
    with pytest.raises(OptionError, match="no device 'abacus'"):
        score_variants(*files, device="abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_short_formats_need_a_gpu(files: tuple[Path, Path]) -> None:
    with pytest.raises(OptionError, match="precision bf16 needs a GPU; the device is cpu"):
        score_variants(*files, ScoringOptions(precision="bf16"))


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.1), ("fp16", 0.01)])
def test_short_formats_are_near(files: tuple[Path, Path], precision: str, tolerance: float) -> None:
    """Of probabilities; and they are other numbers, or nothing would be gained."""
    windows = cut_windows(list(read_variants(files[0])), Genome(files[1]))
    exact, short = (
        Predictor(load_model(), precision=name).variant_logits(windows.ref, windows.alt)
        for name in ("fp32", precision)
    )
    differences = np.abs(probability(np.array(exact)) - probability(np.array(short)))
    assert 1e-6 < differences.max() < tolerance


def test_scores_that_are_not_finite_are_an_error(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Never a row with status ok and no number."""
    network = random_network(seed=5)
    with torch.no_grad():
        network.stem[0].weight.fill_(3e38)
    path = tmp_path / "large.safetensors"
    save_weights(path, network, {})
    with pytest.raises(WeightsError, match=r"the weights .*large\.safetensors give numbers that are not"):
        score_variants(*files, ScoringOptions(weights=(str(path),)))
