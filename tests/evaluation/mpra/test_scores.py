"""Scores of the exchanges of elements, against scores and logits of the same windows made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi import load_model, score_variants
from mifm_kipoi.baselines.mifm import MIFMBaseline
from mifm_kipoi.baselines.protocol import Baseline, Declaration, Evidence, Score
from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.evaluation.mpra.elements import find_elements, own_sequences, write_own_genome
from mifm_kipoi.evaluation.mpra.records import Source
from mifm_kipoi.evaluation.mpra.scores import LocatedRows, control_scores, model_scores, tiles
from mifm_kipoi.evaluation.mpra.table import read_measurements
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.inference import logits
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.scoring.records import ScoredVariants
from mifm_kipoi.sequence import encoding
from tests.builders import TINY, random_network, write_fasta, write_vcf
from tests.evaluation.mpra.mpra_tables import Row, all_rows, bases, row, write_table

CONTIG = bases(1500, 1)
START = 500
"""1-based position of the element's first base."""

REACH = 227
"""Bases behind its centre that the network reads."""


def element(length: int) -> str:
    return CONTIG[START - 1 : START - 1 + length]


def places(
    folder: Path, rows: Sequence[Row], contigs: dict[str, str] | None, fraction: float = 0.01
) -> LocatedRows:
    """With a genome, or with the elements alone."""
    table = read_measurements(write_table(folder / "t.tsv", rows))
    elements = find_elements(table)
    if contigs is not None:
        return LocatedRows(
            table.rows, elements, Genome(write_fasta(folder / "g.fa", contigs)), False, fraction
        )
    placed = write_own_genome(elements, own_sequences(table, elements), folder / "own.fa")
    return LocatedRows(table.rows, placed, Genome(folder / "own.fa"), True, fraction)


def scored(found: LocatedRows, baseline: Baseline | None = None) -> list[Source]:
    return list(model_scores("m", baseline or MIFMBaseline(), found))


def test_with_a_genome_scores_are_those_of_the_variants(tmp_path: Path) -> None:
    rows = all_rows("chr5", START, element(12))
    model, _ = scored(places(tmp_path, rows, {"5": CONTIG}))
    records = [
        ("5", cells[1] - 1, CONTIG[cells[1] - 2] + cells[2], CONTIG[cells[1] - 2])
        if cells[3] == "-"
        else ("5", *cells[1:4])
        for cells in rows
    ]
    expected = score_variants(write_vcf(tmp_path / "v.vcf", records), tmp_path / "g.fa")
    assert model.status == ["ok"] * len(rows) == expected["status"].tolist()
    for name in ("mifm_ref", "mifm_alt", "mifm_delta"):
        np.testing.assert_allclose(model.columns[name], expected[name], atol=1e-6)


def test_elements_alone_are_scored_as_with_n_around_them(tmp_path: Path) -> None:
    own = element(330)
    rows = all_rows("chr5", START, own)[::7]
    rows = [*rows, row("chr5", START, own[0], "-"), row("chr5", START + 329, own[-1], "-")]
    rows = list({cells[1:4]: cells for cells in rows}.values())
    # The bases that have no row are not known.
    known = {cells[1] for cells in rows}
    alone = "".join(base if START + place in known else "N" for place, base in enumerate(own))
    lonely = scored(places(tmp_path, rows, None))
    around = places(tmp_path, rows, {"chr5": "N" * (START - 1) + alone + "N" * 900})
    limit = MIFMBaseline(max_n_fraction=1.0)
    expected = scored(LocatedRows(around.rows, around.elements, around.genome, True, 0.01), limit)
    for found, wanted in zip(lonely, expected, strict=True):
        assert found.scores == wanted.scores
        # The base before the element is N in the one and outside the contig in the other.
        assert found.status == wanted.status
        for name, values in found.columns.items():
            np.testing.assert_allclose(values, wanted.columns[name], atol=1e-6)
    assert lonely[0].status.count("no_base_before") > 1
    # With the limit as ever there would be no scores.
    usual = scored(around)
    assert set(usual[0].status) == {"too_many_n", "no_base_before"}
    assert set(usual[1].status) == {"too_many_n", "not_an_exchange"}
    assert np.isnan(usual[1].columns["attribution"]).all()


@pytest.mark.parametrize("length", [20, 455, 456, 600])
def test_attributions_are_those_of_windows_cut_by_hand(tmp_path: Path, length: int) -> None:
    own = element(length)
    rows = all_rows("chr5", START, own)
    _, found = scored(places(tmp_path, rows, {"chr5": CONTIG}))
    assert found.column("attribution") == "m.attribution"
    chosen = [index for index in range(0, len(rows), len(rows) // 60 or 1) if rows[index][3] != "-"]
    # One window up to 455 bp; two halves, each around its own middle, above.
    half = length // 2
    halves = [(0, length)] if length <= 2 * REACH + 1 else [(0, half), (half, length)]
    windows = []
    for index in chosen:
        _, pos, _, alt, *_ = rows[index]
        start, end = next(part for part in halves if part[0] <= pos - START < part[1])
        centre = START - 1 + start + (end - start - 1) // 2
        window = CONTIG[centre - 255 : centre + 257]
        place = pos - 1 - (centre - 255)
        windows += [window, window[:place] + alt + window[place + 1 :]]
    codes = encoding.codes(np.array([list(window.encode()) for window in windows], dtype=np.uint8))
    direct = logits(load_model(), codes)
    np.testing.assert_allclose(found.columns["attribution"][chosen], direct[1::2] - direct[::2], atol=1e-5)
    of_deletions = [index for index, cells in enumerate(rows) if cells[3] == "-"]
    assert {found.status[index] for index in of_deletions} == {"not_an_exchange"}
    assert np.isnan(found.columns["attribution"][of_deletions]).all()
    assert np.isfinite(found.columns["attribution"]).sum() == 3 * length


@pytest.mark.parametrize("length", [1, 2, 454, 455, 456, 910, 911, 5000])
def test_tiles_hold_each_base_once_within_reach_of_the_nearest_centre(length: int) -> None:
    found = tiles(length, REACH)
    assert [place for start, end, _ in found for place in range(start, end)] == list(range(length))
    centres = np.array([centre for _, _, centre in found])
    for start, end, centre in found:
        for place in (start, end - 1):
            assert abs(place - centre) <= REACH
            assert abs(place - centre) <= np.abs(centres - place).min() + 1
    assert len(found) == -(-length // 455)


def test_a_base_that_differs_from_the_genome(tmp_path: Path) -> None:
    rows = all_rows("chr5", START, element(40))
    wrong = {"A": "C", "C": "G", "G": "T", "T": "A"}[rows[10][2]]
    rows[10] = (*rows[10][:2], wrong, rows[10][2], *rows[10][4:])
    rows[11] = (*rows[11][:2], wrong, "-", *rows[11][4:])
    model, attributions = scored(places(tmp_path, rows, {"chr5": CONTIG}))
    bad = [index for index, reason in enumerate(model.status) if reason != "ok"]
    assert bad == [10, 11]
    assert model.status[10] == model.status[11] == attributions.status[10] == "ref_mismatch"
    assert np.isnan(attributions.columns["attribution"][10])
    assert attributions.status[11] == "not_an_exchange"


def test_another_genome_ends_the_run(tmp_path: Path) -> None:
    rows = all_rows("chr5", START, element(40))
    shifted = {"chr5": "A" + CONTIG}
    with pytest.raises(ReferenceMismatchError, match="REF alleles differ from"):
        scored(places(tmp_path, rows, shifted))
    assert "ref_mismatch" in scored(places(tmp_path, rows, shifted, fraction=1.0))[0].status


def test_a_contig_that_is_not_there(tmp_path: Path) -> None:
    model, attributions = scored(places(tmp_path, all_rows("chr6", START, element(3)), {"chr5": CONTIG}))
    assert set(model.status) == {"contig_not_in_fasta"}
    assert set(attributions.status) == {"contig_not_in_fasta", "not_an_exchange"}


class Fake:
    """Scores that tell what was asked for."""

    chunk_size = 5

    def __init__(self, window: int | None) -> None:
        self.asked: list[Variant] = []
        self.declaration = Declaration(
            "fake",
            (
                Score("s", "pos", signed=True, evidence=Evidence.SEQUENCE),
                Score("t", "t", evidence=Evidence.SEQUENCE),
            ),
            "none",
            "none",
            "none",
            window=window,
        )

    def score(self, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:
        assert len(variants) <= self.chunk_size
        self.asked += variants
        number = np.array([float(variant.pos) for variant in variants])
        status = ["too_many_n" if variant.alt == "A" else "ok" for variant in variants]
        number[[reason != "ok" for reason in status]] = np.nan
        return ScoredVariants(variants, status, {"s": number, "t": -number})


def test_what_other_models_are_asked(tmp_path: Path) -> None:
    rows = all_rows("chr5", START, "GCTCA")
    alone = places(tmp_path, rows, None)
    reads, looks_up = Fake(1000), Fake(None)
    (by_sequence,), (by_table,) = scored(alone, reads), scored(alone, looks_up)
    assert {variant.chrom for variant in reads.asked} == {"element_1"}
    assert {variant.chrom for variant in looks_up.asked} == {"5"}
    expected = [cells[1] - (cells[3] == "-") for cells in rows]
    for index, (cells, pos) in enumerate(zip(rows, expected, strict=True)):
        if cells[3] == "-" and cells[1] == START:
            assert by_table.status[index] == "no_base_before"
        elif cells[3] == "A":
            assert by_table.status[index] == by_sequence.status[index] == "too_many_n"
        else:
            assert by_table.columns["s"][index] == pos == -by_table.columns["t"][index]
            assert by_sequence.columns["s"][index] == pos - START + 1
            continue
        assert np.isnan(by_table.columns["s"][index])
    assert Variant("5", START, ".", "GC", "G") in looks_up.asked
    assert Variant("element_1", 1, ".", "GC", "G") in reads.asked


def test_networks_with_other_windows_have_no_attributions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    small = random_network(TINY)
    weights = dataclasses.replace(load_weights(), config=TINY, state=small.state_dict())
    monkeypatch.setattr("mifm_kipoi.baselines.mifm.load_weights", lambda name: weights)
    (only,) = scored(places(tmp_path, all_rows("chr5", START, element(5)), {"chr5": CONTIG}))
    assert set(only.status) == {"ok"}


def test_one_model_scores_another_genome_after_the_first(tmp_path: Path) -> None:
    baseline = MIFMBaseline()
    variant = [Variant("1", 600, ".", "A", "C")]
    genomes = [
        Genome(write_fasta(tmp_path / f"{seed}.fa", {"1": bases(599, seed) + "A" + bases(600, seed + 9)}))
        for seed in (1, 2)
    ]
    first, second = (baseline.score(variant, genome).columns["mifm_ref"][0] for genome in genomes)
    assert second == MIFMBaseline().score(variant, genomes[1]).columns["mifm_ref"][0] != first


def test_controls(tmp_path: Path) -> None:
    rows = [
        row("1", pos, "A", "C", element=name) for name, pos in (("E", 11), ("E", 14), ("E", 20), ("F", 3))
    ]
    table = read_measurements(write_table(tmp_path / "t.tsv", rows))
    found = control_scores(table.rows, find_elements(table), np.random.default_rng(1))
    assert found.columns["distance_to_centre"].tolist() == [-4.5, -1.5, -4.5, 0]
    assert len(set(found.columns["random"])) == 4
    assert found.status == ["ok"] * 4
    again = control_scores(table.rows, find_elements(table), np.random.default_rng(1))
    assert again.columns["random"].tolist() == found.columns["random"].tolist()


def test_controls_of_an_element_without_a_middle(tmp_path: Path) -> None:
    rows = [
        row("1", 11, "A", "C"),
        row("1", 12, "AC", "-"),
        row("1", 80, "ACGT", "-", element="F"),
    ]
    table = read_measurements(write_table(tmp_path / "t.tsv", rows))
    found = control_scores(table.rows, find_elements(table), np.random.default_rng(1))
    assert found.status == ["ok", "ok", "not_snv_or_deletion"]
    for values in found.columns.values():
        assert np.isfinite(values).tolist() == [True, True, False]


def test_progress_is_shown_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mifm_kipoi.support.progress.Progress._INTERVAL", 0)
    found = places(tmp_path, all_rows("chr5", START, element(4), deletions=False), {"chr5": CONTIG})
    list(model_scores("toy", Fake(None), found, True))
    shown = capsys.readouterr().err
    for text in ("5 variants of toy", "42%", "10 variants of toy", "83%", "12 variants of toy", "100%"):
        assert text in shown
    # Not on a terminal, by default.
    for show in (False, None):
        list(model_scores("toy", Fake(None), found, show))
        assert capsys.readouterr().err == ""
