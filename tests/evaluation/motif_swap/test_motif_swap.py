"""``mifm evaluate motif-swap``: edits on both strands, swaps with known effects, and the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.attribution.files import Attributions, read_attributions
from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError, WeightsError
from mifm_kipoi.evaluation.motif_swap.edits import Codes, Edit, Sites, alignment, edit_of
from mifm_kipoi.evaluation.motif_swap.run import MotifSwapRun
from mifm_kipoi.evaluation.motif_swap.swaps import (
    Group,
    Swap,
    clusters_of,
    difference_table,
    score_table,
    swapped,
    unrelated_to,
)
from mifm_kipoi.evaluation.motifs.discovery import Discovery, DiscoveryOptions, read_patterns
from mifm_kipoi.evaluation.motifs.patterns import Pattern, Seqlets
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.network.untrained import untrained
from mifm_kipoi.network.weights import load_weights, save_weights
from mifm_kipoi.sequence.encoding import reverse_complement
from tests.builders import random_network
from tests.evaluation.motifs.planted import (
    NEGATIVE,
    POSITIVE,
    SUPPORT,
    WINDOW,
    codes_of,
    write_patterns,
    write_planted,
)

for _package in ("scipy", "matplotlib"):
    pytest.importorskip(_package)

COUNT = 40


def pattern_of(bases: str, sign: str = "positive", number: int = 1, flank: int = 0) -> Pattern:
    one_hot = np.eye(4)[codes_of(bases)]
    frequencies = np.pad(0.91 * one_hot + 0.0225, ((flank, flank), (0, 0)), constant_values=0.25)
    none = np.empty(0, np.int64)
    seqlets = Seqlets(none, none, none, none.astype(bool))
    return Pattern(sign, number, frequencies, np.pad(one_hot, ((flank, flank), (0, 0))), seqlets)


def sites_of(windows: list[str], starts: list[int], reverse: list[bool], width: int, fixed: int) -> Sites:
    begin = np.array(starts)
    seqlets = Seqlets(np.arange(len(windows)), begin, begin + width, np.array(reverse))
    return Sites(np.array([codes_of(window) for window in windows]), seqlets, fixed)


def text_of(codes: Codes) -> list[str]:
    return ["".join("ACGTN"[code] for code in row) for row in codes]


def test_alignment_finds_offset_and_strand() -> None:
    one = pattern_of("GATTACAGATC").trimmed
    assert alignment(one, one) == (0, False)
    assert alignment(one, pattern_of("TACAG").trimmed) == (3, False)
    # CTGTA is the reverse complement of TACAG.
    assert alignment(one, pattern_of("CTGTA").trimmed) == (3, True)
    assert alignment(one, pattern_of("CCCGATTA").trimmed) == (-3, False)
    # A palindrome is written as it is.
    assert alignment(one, pattern_of("GAATTC").trimmed)[1] is False


def test_only_likely_bases_are_written() -> None:
    inserted = pattern_of("GATTACA")
    inserted.frequencies[2] = [0.2, 0.2, 0.2, 0.4]
    edit = edit_of(pattern_of("GATTACA", flank=4), inserted)
    assert edit.positions.tolist() == [4, 5, 7, 8, 9, 10]
    assert text_of(edit.bases[None]) == ["GATACA"]


def test_edits_follow_the_strand_and_spare_the_variant_and_what_is_outside() -> None:
    edit = Edit(np.array([-2, 0, 1, 3]), codes_of("ACGT"), -2, False)
    sites = sites_of(["TTTTTTTTTT", "TTTTTTTTTT"], [1, 4], [False, True], 4, 5)
    written = sites.written(edit.positions, edit.bases)
    # Forward: indices -1 (outside), 1, 2, 4. Reversed: 9, 7, 6, 4, complements.
    assert text_of(written) == ["TCGTTTTTTT", "TTTTATCGTT"]
    assert text_of(sites.read(edit.positions)) == ["NTTT", "AAAA"]
    spared = sites_of(["TTTTTTTTTT"] * 2, [1, 4], [False, True], 4, 2).written(edit.positions, edit.bases)
    assert text_of(spared) == ["TCTTTTTTTT", "TTTTATCGTT"]
    assert text_of(sites.written(edit.positions, sites.read(edit.positions))) == ["TTTTTTTTTT"] * 2


def test_the_base_of_the_variant_is_never_edited() -> None:
    generator = np.random.default_rng(0)
    windows = generator.integers(0, 4, (200, 512)).astype(np.uint8)
    starts = generator.integers(230, 256, 200)
    sites = Sites(windows, Seqlets(np.arange(200), starts, starts + 30, generator.random(200) < 0.5), 255)
    edit = Edit(np.arange(-20, 50), generator.integers(0, 4, 70).astype(np.uint8), -20, False)
    for edited in (sites.written(edit.positions, edit.bases), sites.substituted(edit, generator)):
        assert (edited[:, 255] == windows[:, 255]).all()
        assert ((edited != windows).sum(axis=1) > 20).all()


def test_random_substitutions_are_where_the_swap_changes_bases() -> None:
    generator = np.random.default_rng(1)
    windows = generator.integers(0, 5, (50, 64)).astype(np.uint8)
    starts = generator.integers(0, 50, 50)
    sites = Sites(windows, Seqlets(np.arange(50), starts, starts + 14, generator.random(50) < 0.5), 31)
    edit = Edit(np.arange(14), generator.integers(0, 4, 14).astype(np.uint8), 0, False)
    swapped_bases = sites.written(edit.positions, edit.bases)
    random = sites.substituted(edit, generator)
    assert ((random != windows) == (swapped_bases != windows)).all()
    assert random.max() == 4
    assert (random[windows == 4] == 4).all()


def occurrences(codes: Codes, motif: str) -> np.ndarray:
    width = len(motif)
    parts = np.lib.stride_tricks.sliding_window_view(codes, width, axis=1)
    both = (codes_of(motif), reverse_complement(codes_of(motif)))
    return sum((parts == each).all(axis=2).sum(axis=1) for each in both)


def planted_logits(codes: Codes) -> np.ndarray:
    return (2.0 * occurrences(codes, POSITIVE) - 3.0 * occurrences(codes, NEGATIVE)).astype(np.float32)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    sites = write_planted(tmp_path / "a.h5", COUNT)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        # No two of them overlap.
        file["pos"][:] = 1000 + 2 * WINDOW * np.arange(COUNT)
    np.save(tmp_path / "sites.npy", sites)
    write_patterns(tmp_path / "patterns.h5", tmp_path / "a.h5", sites, DiscoveryOptions())
    return tmp_path


def test_swaps_of_planted_motifs_have_their_effects(planted: Path) -> None:
    attributions = read_attributions(planted / "a.h5")
    patterns = read_patterns(planted / "patterns.h5", attributions).patterns
    said: list[str] = []
    group = Group("F", patterns[:1], patterns[1:])
    swaps = swapped(group, patterns, attributions, planted_logits, 3, 0, said.append)
    assert said == ["negative.1 in the place of positive.1", "positive.1 in the place of negative.1"]
    assert [swap.self_change for swap in swaps] == [0, 0]
    # A window has one of each: 2 - 3. Positive by negative: -3 - 3; negative by positive: 2 + 2.
    for swap, after, broken in zip(swaps, (-6, 4), (-3, 2), strict=True):
        assert (swap.logits["original"] == -1).all()
        assert (swap.logits["consensus"] == -1).all()
        assert (swap.logits["swapped"] == after).all()
        # A draw makes what the swap makes, now and then.
        assert (swap.logits["random"] == broken).mean() > 0.9
        assert np.isnan(swap.logits["unrelated"]).all()
        assert (swap.changed["swapped"] >= 1).all()
        assert (swap.changed["consensus"] == 0).all()
        assert np.isnan(swap.changed["unrelated"]).all()
    table = score_table(swaps)
    assert table["score_original"].tolist() == pytest.approx([1 / (1 + np.e)] * 2)
    assert table["score_swapped"].tolist() == pytest.approx([1 / (1 + np.exp(6)), 1 / (1 + np.exp(-4))])
    assert table["sd_swapped"].tolist() == pytest.approx([0, 0], abs=1e-12)
    means = difference_table(swaps).set_index(["replaced", "difference"])["mean"]
    assert means["positive.1", "swapped - random"] == pytest.approx(-6 - swaps[0].logits["random"].mean())
    assert means["negative.1", "swapped - original"] == 5


def test_tests_are_paired_clustered_and_holms(planted: Path) -> None:
    attributions = read_attributions(planted / "a.h5")
    patterns = read_patterns(planted / "patterns.h5", attributions).patterns

    def logits(codes: Codes) -> np.ndarray:
        return planted_logits(codes) + (codes == 0).sum(axis=1).astype(np.float32) / 7

    other = pattern_of("CCCCGGGGGT", "positive", 2)
    group = Group("", patterns[:1], patterns[1:])
    swaps = swapped(group, [*patterns, other], attributions, logits, 2, 0, lambda _: None)
    assert [swap.unrelated for swap in swaps] == ["positive.2", "positive.2"]
    for swap, replaced in zip(swaps, patterns, strict=True):
        codes = attributions.arrays(swap.rows)[0]
        edit = edit_of(replaced, other)
        written = Sites(codes, replaced.seqlets, attributions.centre).written(edit.positions, edit.bases)
        assert swap.changed["unrelated"].tolist() == (written != codes).sum(axis=1).tolist()
        assert swap.changed["unrelated"].mean() != swap.changed["swapped"].mean()
    table = difference_table(swaps)
    assert table["p_value"].notna().sum() == 6
    tested = table[table["p_holm"].notna()]
    assert len(tested) == 4
    assert set(tested["difference"]) == {"swapped - random", "swapped - unrelated"}
    assert (tested["p_holm"] >= tested["p_value"]).all()
    assert tested["p_holm"].min() == pytest.approx(4 * tested["p_value"].min())
    assert (tested["low"] < tested["mean"]).all()
    assert (tested["mean"] < tested["high"]).all()
    # Its own consensus changes nothing here, so that there is no interval.
    assert table["low"].isna().sum() == 2


def test_pairs_are_not_corrected_where_their_patterns_are_tested_together(planted: Path) -> None:
    attributions = read_attributions(planted / "a.h5")
    patterns = read_patterns(planted / "patterns.h5", attributions).patterns

    def logits(codes: Codes) -> np.ndarray:
        return planted_logits(codes) + (codes == 0).sum(axis=1).astype(np.float32) / 7

    group = Group("", [patterns[0], dataclasses.replace(patterns[0], number=2)], patterns[1:])
    swaps = swapped(group, [*patterns, pattern_of("CCCCGGGGGT", "positive", 3)], attributions, logits, 2, 0,
                    lambda _: None)  # fmt: skip
    table = difference_table(swaps)
    tested = table[table["p_holm"].notna()]
    assert list(zip(tested["replaced"], tested["difference"], strict=True)) == [
        ("all positive", "swapped - random"),
        ("all positive", "swapped - unrelated"),
        ("all negative", "swapped - random"),
        ("all negative", "swapped - unrelated"),
    ]
    assert tested["p_holm"].min() == pytest.approx(4 * tested["p_value"].min())
    assert table["p_value"].notna().sum() == 3 * len(swaps)
    assert swaps[-1].drawn.shape == (2, 2 * COUNT)


def test_random_substitutions_are_scored_one_by_one() -> None:
    two = np.zeros(2)
    # Odds of 1 and 3 in one draw, of 3 and 9 in the other.
    drawn = np.log([[1.0, 3], [3, 9]])
    logits = dict.fromkeys(("original", "swapped", "unrelated", "consensus"), two)
    changed = dict.fromkeys(("swapped", "unrelated", "consensus"), two)
    rows = np.arange(2)
    swap = Swap(
        "", "positive", "positive.1", "negative.1", "", 0, False, rows, rows, changed,
        {**logits, "random": drawn.mean(axis=0)}, drawn, 0,
    )  # fmt: skip
    scores = [0.5, 0.75, 0.75, 0.9]
    row = score_table([swap]).loc[0]
    assert row["score_random"] == pytest.approx(np.mean(scores))
    assert row["sd_random"] == pytest.approx(np.std(scores, ddof=1))
    # Differences are of the mean logits of the draws.
    assert swap.difference("swapped", "random") == pytest.approx(-np.log([3**0.5, 27**0.5]))


def test_clusters_are_windows_that_overlap(planted: Path) -> None:
    read = SUPPORT[1] - SUPPORT[0]
    with h5py.File(planted / "a.h5", "r+") as file:
        file["pos"][:6] = [90_000, 100, 99 + read, 98 + 2 * read, 98 + 3 * read, 90_000]
        file["chrom"][5] = "2"
    found = clusters_of(read_attributions(planted / "a.h5"))[:6]
    assert found[1] == found[2] == found[3]
    assert len({found[1], found[4], found[5]}) == 3
    assert found[0] != found[5]


def test_unrelated_patterns_are_of_the_inserted_sign_where_there_is_one() -> None:
    one, other = pattern_of(POSITIVE), pattern_of(NEGATIVE, "negative")
    group = Group("", [one], [other])
    near, far = pattern_of(NEGATIVE[:8], "negative", 2), pattern_of("AAAAAAAA", "negative", 3)
    positive = pattern_of("CCCCCCCC", "positive", 2)
    assert unrelated_to(one, other, group, [one, other, near, far, positive]) is far
    assert unrelated_to(one, other, group, [one, other, positive]) is positive
    assert unrelated_to(one, other, group, [one, other]) is None


CONFIG = MIFMConfig(
    window=WINDOW, stem_channels=4, stem_kernel=5, tower_channels=(4, 4), tower_kernel=3, dilations=(1,),
    head_channels=4,
)  # fmt: skip


@pytest.fixture
def searched(planted: Path) -> Path:
    """Attributions of real weights, patterns of them, and which motifs these resemble."""
    weights = planted / "w.safetensors"
    save_weights(weights, random_network(CONFIG), {"source": "random"})
    with h5py.File(planted / "a.h5", "r+") as file:
        provenance = json.loads(file.attrs["provenance"])
        provenance["weights"] = {"name": "w", **load_weights(weights).identity}
        file.attrs["provenance"] = json.dumps(provenance)
    write_patterns(
        planted / "patterns.h5", planted / "a.h5", np.load(planted / "sites.npy"), DiscoveryOptions()
    )
    write_pattern_table(planted, ["TF1", "TF1"])
    return planted


def write_pattern_table(folder: Path, factors: list[str]) -> None:
    columns = {
        "pattern": ["positive.1", "negative.1"], "seqlets": [COUNT] * 2, "factor": factors,
        "matched": [True] * 2,
    }  # fmt: skip
    pd.DataFrame(columns).to_csv(folder / "patterns.tsv", sep="\t", index=False)


def test_command(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "evaluate", "motif-swap", str(searched / "a.h5"), str(searched / "patterns.h5"), "-o",
        str(searched / "out"), "--weights", str(searched / "w.safetensors"), "--draws", "2", "--threads", "1",
    ]  # fmt: skip
    assert main(command) == 0
    assert "positive.1 by negative.1: score" in capsys.readouterr().out
    out = searched / "out"
    scores = pd.read_csv(out / "swaps.tsv", sep="\t")
    assert scores["motif"].tolist() == ["TF1", "TF1"]
    assert scores["self_change"].tolist() == [0, 0]
    seqlets = pd.read_csv(out / "seqlets.tsv.gz", sep="\t")
    attributions = read_attributions(searched / "a.h5")
    predictor = Predictor(load_weights(searched / "w.safetensors").model())
    rows = read_patterns(searched / "patterns.h5", attributions).patterns[0].seqlets.rows
    expected = predictor.logits(attributions.arrays(rows)[0])
    assert seqlets["logit_original"][:COUNT].to_numpy() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    page = (out / "report.html").read_text()
    for part in (
        "TF1",
        "there is no unrelated pattern",
        f"index {(WINDOW - 1) // 2}",
        "changed logits by 0 at most",
    ):
        assert part in page
    first = (out / "seqlets.tsv.gz").read_bytes()
    assert main(command) == 0
    assert (out / "seqlets.tsv.gz").read_bytes() == first


def run_of(searched: Path, **options: object) -> MotifSwapRun:
    given = {"weights": searched / "w.safetensors", "threads": 1, **options}
    return MotifSwapRun(searched / "a.h5", searched / "patterns.h5", searched / "out", **given)


def test_untrained_networks_are_made_again(searched: Path) -> None:
    with h5py.File(searched / "a.h5", "r+") as file:
        provenance = json.loads(file.attrs["provenance"])
        file.attrs["provenance"] = json.dumps({**provenance, "untrained": 3})
    sites = np.load(searched / "sites.npy")
    write_patterns(searched / "patterns.h5", searched / "a.h5", sites, DiscoveryOptions())
    result = run_of(searched, names=("positive.1", "negative.1")).run()
    assert result.evaluated.network == "untrained (seed 3)"
    attributions = read_attributions(searched / "a.h5")
    codes = attributions.arrays(np.arange(COUNT))[0]
    swap = result.evaluated.swaps[0]
    expected = Predictor(untrained(CONFIG, 3, codes)).logits(codes[swap.rows])
    assert swap.logits["original"] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_search_without_patterns_is_refused(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(path: Path, attributions: Attributions) -> Discovery:
        return dataclasses.replace(read_patterns(path, attributions), patterns=[])

    monkeypatch.setattr("mifm_kipoi.evaluation.motif_swap.run.read_patterns", nothing)
    with pytest.raises(InputError, match=r"patterns\.h5 has no patterns"):
        run_of(searched).run()


def test_what_cannot_be_swapped_is_refused(searched: Path) -> None:
    with pytest.raises(OptionError, match=r"positive\.9"):
        run_of(searched, names=("positive.9",)).run()
    with pytest.raises(OptionError, match="all positive"):
        run_of(searched, names=("positive.1",)).run()
    with pytest.raises(OptionError, match="not both"):
        run_of(searched, names=("positive.1",), factors=("TF1",))
    with pytest.raises(OptionError, match="TF9 has 0 positive and 0 negative"):
        run_of(searched, factors=("TF9",)).run()
    save_weights(searched / "x.safetensors", random_network(CONFIG, 1), {"source": "random"})
    with pytest.raises(WeightsError, match=r"x\.safetensors"):
        run_of(searched, weights=searched / "x.safetensors").run()
    write_pattern_table(searched, ["TF1", "TF2"])
    with pytest.raises(InputError, match="TF1, TF2"):
        run_of(searched).run()
    table = (searched / "patterns.tsv").read_text()
    (searched / "patterns.tsv").write_text(table.replace(str(COUNT), "7"))
    with pytest.raises(InputError, match=r"patterns\.tsv is not the table"):
        run_of(searched).run()
    with h5py.File(searched / "patterns.h5", "r+") as file:
        del file["pos_patterns"], file["neg_patterns"]
    (searched / "patterns.tsv").write_text(table.partition("\n")[0] + "\n")
    with pytest.raises(InputError, match=r"patterns\.h5 has no pattern"):
        run_of(searched).run()
