"""Known motifs: reading MEME files, and TOMTOM of patterns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.motifs.known import MATCHES, Motif, compare, read_motifs
from tests.evaluation.motifs.planted import POSITIVE, codes_of, random_motifs, write_meme
from tests.evaluation.motifs.test_patterns import pattern

pytest.importorskip("memelite")


@pytest.mark.parametrize(
    ("name", "factor"),
    [("GATA1_HUMAN.H11MO.0.A", "GATA1"), ("MA0035.4 GATA1", "GATA1"), ("causal_1", "causal_1")],
)
def test_names_of_factors(name: str, factor: str) -> None:
    assert Motif(name, np.full((4, 4), 0.25)).factor == factor


def test_read_motifs(tmp_path: Path) -> None:
    one = write_meme(tmp_path / "one.meme", {"A": "GATC", "B": "TTTTT"})
    other = write_meme(tmp_path / "other.meme", {"C": random_motifs(1)["R0"]})
    motifs = read_motifs([one, other])
    assert [motif.name for motif in motifs] == ["A", "B", "C"]
    assert motifs[0].matrix.shape == (4, 4)
    assert motifs[0].matrix.argmax(axis=1).tolist() == codes_of("GATC").tolist()
    np.testing.assert_allclose(motifs[2].matrix.sum(axis=1), 1)
    with pytest.raises(InputError, match="A, B"):
        read_motifs([one, one])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "has no motifs"),
        ("MOTIF A\nletter-probability matrix: w= 2\n0.5 0.5 0 0\nx\n", "cannot read"),
        ("MOTIF A\nletter-probability matrix: w= 1\n5 3 1 0\n", "motif A"),
        ("MOTIF A\nletter-probability matrix: w= 1\n1 0 0 0\nMOTIF A\nletter-probability matrix: w= 1\n"
         "0 1 0 0\n", "names"),
    ],
)  # fmt: skip
def test_damaged_motifs(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "m.meme"
    path.write_text(text)
    with pytest.raises(InputError, match=what):
        read_motifs([path])
    with pytest.raises(InputError, match="none"):
        read_motifs([tmp_path / "none.meme"])


def test_patterns_find_their_motif_at_its_offset_on_its_strand() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    motifs = [Motif(name, matrix) for name, matrix in random_motifs(60).items()]
    matrix = np.eye(4)[codes_of(POSITIVE)] * 0.94 + 0.015
    motifs.append(Motif("forward", matrix))
    turned = pattern("GATCTGTAATC", number=2)
    flat = pattern(POSITIVE, number=3)
    flat = type(flat)("positive", 3, np.full_like(flat.frequencies, 0.25), flat.contributions, flat.seqlets)
    # The pattern begins two bases before the motif.
    longer = pattern("TC" + POSITIVE, number=4)
    table = compare([pattern(POSITIVE), turned, flat, longer], motifs, 1)
    assert tuple(table.columns) == MATCHES
    assert len(table) == 3 * 61
    best = table.loc[table.groupby("pattern")["p_value"].idxmin()].set_index("pattern")
    assert best["motif"].tolist() == ["forward"] * 3
    assert best.loc["positive.1", ["strand", "offset", "overlap"]].tolist() == ["+", 0, 11]
    assert best.loc["positive.2", ["strand", "offset", "overlap"]].tolist() == ["-", 0, 11]
    assert best.loc["positive.4", ["strand", "offset", "overlap"]].tolist() == ["+", 2, 11]
    assert (best["q_value"] < 1e-3).all()
    np.testing.assert_allclose(
        table["q_value"], scipy_stats.false_discovery_control(table["p_value"]), rtol=1e-12
    )
    assert (table.loc[table["motif"] != "forward", "q_value"] > 0.05).mean() > 0.95


def test_nothing_to_compare() -> None:
    table = compare([], [Motif("A", np.full((4, 4), 0.25))], 1)
    assert tuple(table.columns) == MATCHES
    assert not len(table)
