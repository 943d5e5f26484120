"""``mifm evaluate motifs``: tables and report of a saved search, and TF-MoDISco itself on planted motifs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.attribution.files import read_attributions
from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.motifs.discovery import DiscoveryOptions, discover, read_patterns
from mifm_kipoi.evaluation.motifs.run import MotifsRun
from mifm_kipoi.sequence.encoding import reverse_complement
from tests.evaluation.motifs.planted import (
    NEGATIVE,
    POSITIVE,
    codes_of,
    random_motifs,
    write_meme,
    write_patterns,
    write_planted,
)

for _package in ("modiscolite", "memelite", "matplotlib", "scipy"):
    pytest.importorskip(_package)

COUNT = 60


@pytest.fixture(scope="module")
def motifs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = {**random_motifs(60), "MA1 PLUS": POSITIVE, "MINUS_HUMAN.H11MO.0.A": NEGATIVE}
    return write_meme(tmp_path_factory.mktemp("motifs") / "known.meme", known)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with attributions, their null, and what a search has left for both."""
    folder = tmp_path / "out"
    folder.mkdir()
    options = DiscoveryOptions()
    for name, patterns, seed in (("a.h5", "patterns.h5", None), ("null.h5", "null-1.h5", 7)):
        sites = write_planted(tmp_path / name, COUNT, seed=seed or 0, untrained=seed)
        write_patterns(folder / patterns, tmp_path / name, sites, options)
        np.save(tmp_path / f"{name}.npy", sites)
    return tmp_path


def run_of(saved: Path, motifs: Path, **options: Any) -> MotifsRun:
    return MotifsRun(saved / "a.h5", (motifs,), saved / "out", **{"threads": 1, "resume": True, **options})


def test_tables_hits_and_report(saved: Path, motifs: Path) -> None:
    result = run_of(saved, motifs, nulls=(saved / "null.h5",)).run()
    folder = saved / "out"
    patterns = pd.read_csv(folder / "patterns.tsv", sep="\t").set_index("pattern")
    assert patterns["factor"].to_dict() == {"positive.1": "PLUS", "negative.1": "MINUS"}
    assert patterns["matched"].all()
    assert patterns["seqlets"].tolist() == patterns["sites"].tolist() == [COUNT, COUNT]
    assert patterns["consensus"].tolist() == [POSITIVE, NEGATIVE]
    sites = np.load(saved / "a.h5.npy")
    assert patterns.loc["positive.1", "forward"] == pytest.approx(1 - sites[:, 0, 1].mean())
    assert patterns.loc["positive.1", "contribution"] == pytest.approx(0.5 * len(POSITIVE), rel=0.02)
    middle = sites[:, 0, 0] + (len(POSITIVE) - 1) / 2
    assert patterns.loc["positive.1", "distance"] == pytest.approx(np.median(np.abs(middle - 127)))
    factors = pd.read_csv(folder / "factors.tsv", sep="\t")
    assert factors[["sign", "factor", "patterns", "seqlets"]].to_numpy().tolist() == [
        ["positive", "PLUS", 1, COUNT], ["negative", "MINUS", 1, COUNT],
    ]  # fmt: skip
    counts = pd.read_csv(folder / "counts.tsv", sep="\t")
    assert counts["network"].tolist() == ["planted"] * 2 + ["untrained (seed 7)"] * 2
    assert counts["matched"].tolist() == [1, 1, 1, 1]
    hits = [line.split("\t") for line in (folder / "hits.bed").read_text().splitlines()]
    expected = sorted(
        # The position at index 127 of window n is 1000 + 200 n, 0-based.
        [1000 + 200 * row - 127 + int(sites[row, number, 0]), row, number, bool(sites[row, number, 1])]
        for row in range(COUNT)
        for number in range(2)
    )
    assert len(hits) == len(expected)
    for hit, (start, _, number, reverse) in zip(hits, expected, strict=True):
        name = ("positive.1|PLUS", "negative.1|MINUS")[number]
        assert hit == ["1", str(start), str(start + 11), name, "0", "-" if reverse else "+"]
    page = (folder / "report.html").read_text()
    for part in ("PLUS", "MINUS", "untrained (seed 7)", "positive patterns"):
        assert part in page
    assert result.cautions == []
    assert json.loads((folder / "evaluation.json").read_text())["cautions"] == []
    assert "planted: 1 positive patterns, 1 of them like a known motif" in result.summary[0]


def test_cautions(saved: Path, motifs: Path, tmp_path: Path) -> None:
    few = write_meme(tmp_path / "few.meme", {"PLUS": POSITIVE, **random_motifs(3)})
    result = run_of(saved, few).run()
    assert len(result.cautions) == 2
    assert "no null" in result.cautions[0]
    assert "4 known motifs" in result.cautions[1]
    (saved / "out" / "patterns.h5").rename(saved / "out" / "null-1.h5")
    sites = np.load(saved / "a.h5.npy")
    write_patterns(saved / "out" / "patterns.h5", saved / "a.h5", sites, DiscoveryOptions())
    result = run_of(saved, motifs, nulls=(saved / "a.h5",)).run()
    assert ["has trained weights" in caution for caution in result.cautions] == [True]


def test_seqlets_of_overlapping_windows_are_said_to_be(saved: Path, motifs: Path) -> None:
    import h5py

    with h5py.File(saved / "a.h5", "r+") as file:
        file["pos"][:] = 1001
    sites = np.load(saved / "a.h5.npy")
    write_patterns(saved / "out" / "patterns.h5", saved / "a.h5", sites, DiscoveryOptions())
    result = run_of(saved, motifs).run()
    assert re.search(rf"the {2 * COUNT} seqlets lie at \d places", result.cautions[-1])


def test_no_patterns_at_all(saved: Path, motifs: Path) -> None:
    import h5py

    with h5py.File(saved / "out" / "patterns.h5", "r+") as file:
        del file["pos_patterns"], file["neg_patterns"]
    result = run_of(saved, motifs).run()
    assert [one.patterns for one in result.evaluated.network.counts] == [0, 0]
    assert "No pattern resembles a known motif." in (saved / "out" / "report.md").read_text()


def test_patterns_of_other_attributions_are_refused(saved: Path, motifs: Path) -> None:
    attributions = read_attributions(saved / "null.h5")
    with pytest.raises(InputError, match=r"a\.h5"):
        read_patterns(saved / "out" / "patterns.h5", attributions)
    (saved / "out" / "patterns.h5").write_text("nothing")
    with pytest.raises(InputError, match=r"patterns\.h5"):
        run_of(saved, motifs).run()
    with pytest.raises(OptionError, match="no file of known motifs"):
        MotifsRun(saved / "a.h5", (), saved / "out")
    with pytest.raises(OptionError, match=r"patterns\.h5"):
        MotifsRun(saved / "out" / "patterns.h5", (motifs,), saved / "out")


def test_attributions_of_zeros_have_no_patterns(tmp_path: Path) -> None:
    import h5py

    write_planted(tmp_path / "a.h5", 3)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["hypothetical"][:] = 0
    with pytest.raises(InputError, match=r"a\.h5 has no contribution"):
        discover(read_attributions(tmp_path / "a.h5"), DiscoveryOptions(), tmp_path / "p.h5", 1)


@pytest.mark.slow
def test_planted_motifs_are_found_again(tmp_path: Path, motifs: Path, capsys: Any) -> None:
    """TF-MoDISco itself, twice: the windows in another order give the same patterns."""
    sites = write_planted(tmp_path / "a.h5", 220, vary=True)
    arguments = [
        "evaluate", "motifs", str(tmp_path / "a.h5"), "--motifs", str(motifs), "-o", str(tmp_path / "out"),
        "--repeat", "--threads", "1",
    ]  # fmt: skip
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "positive patterns, 1 of them like a known motif" in said
    # There are fewer seqlets than are asked for.
    assert "had the same positive and negative seqlets" in said
    patterns = pd.read_csv(tmp_path / "out" / "patterns.tsv", sep="\t")
    matched = patterns[patterns["matched"]]
    assert set(zip(matched["sign"], matched["factor"], strict=True)) == {
        ("positive", "PLUS"), ("negative", "MINUS"),
    }  # fmt: skip
    # Seqlets lie where motifs were planted, and the patterns are made of their bases.
    read = read_attributions(tmp_path / "a.h5")
    discovery = read_patterns(tmp_path / "out" / "patterns.h5", read)
    codes, _ = read.arrays(np.arange(len(read)))
    for number, (sign, motif) in enumerate((("positive", POSITIVE), ("negative", NEGATIVE))):
        (pattern,) = [one for one in discovery.of_sign(sign) if len(one.seqlets) > 100]
        starts, ends = pattern.spans()
        near = np.abs((starts + ends) / 2 - sites[pattern.seqlets.rows, number, 0] - len(motif) / 2) <= 2
        assert near.mean() > 0.95
        inner = pattern.frequencies.argmax(axis=1)[slice(*pattern.span)].astype(np.uint8)
        text = "".join(map(str, inner))
        both = ("".join(map(str, each)) for each in (codes_of(motif), reverse_complement(codes_of(motif))))
        assert any(each in text or text in each for each in both)
        row, start, end, turned = (
            each[0] for each in (pattern.seqlets.rows, starts, ends, pattern.seqlets.reverse)
        )
        window = codes[row, start:end]
        oriented = reverse_complement(window) if turned else window
        assert (oriented == inner).mean() > 0.8
    report = (tmp_path / "out" / "report.md").read_text()
    assert "The same patterns again" in report
