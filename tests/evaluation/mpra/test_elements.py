"""Elements, their own sequence, and their exchanges as variants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.mpra.elements import (
    Element,
    as_variants,
    find_elements,
    n_fractions,
    own_sequences,
    write_own_genome,
)
from mifm_kipoi.evaluation.mpra.table import Measurements, read_measurements
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from tests.builders import write_fasta
from tests.evaluation.mpra.mpra_tables import Row, row, write_table

#         pos 10 11 12 13 14
ELEMENT = "A  C  C  .  T".replace(" ", "")
ROWS = [
    row("chr7", 12, "C", "-"),
    row("chr7", 11, "C", "A"),
    row("chr7", 11, "C", "-"),
    row("chr7", 10, "A", "-"),
    row("chr7", 10, "A", "T"),
    row("chr7", 14, "T", "-"),
    row("chr7", 14, "T", "G"),
    row("chr7", 10, "A", "TT"),
    row("chr7", 500_000, "ACG", "-"),
]


def measured(tmp_path: Path, rows: list[Row]) -> Measurements:
    return read_measurements(write_table(tmp_path / "t.tsv", rows))


def test_the_elements_own_sequence(tmp_path: Path) -> None:
    table = measured(tmp_path, [*ROWS, row("X", 5, "G", "A", element="other")])
    elements = find_elements(table)
    assert elements == [Element("E", "7", 9, 14, "7"), Element("other", "X", 4, 5, "X")]
    assert own_sequences(table, elements) == ["ACCNT", "G"]
    assert elements[0].middle == 12
    placed = write_own_genome(elements, own_sequences(table, elements), tmp_path / "own.fa")
    assert placed[0] == Element("E", "7", 9, 14, "element_1", 9)
    genome = Genome(tmp_path / "own.fa")
    assert genome.contigs == {"element_1": 5, "element_2": 1}
    assert genome.fetch("element_1", -1, 6).tobytes() == b"NACCNTN"


def test_deletions_are_anchored_on_the_base_before_in_the_element(tmp_path: Path) -> None:
    table = measured(tmp_path, ROWS)
    elements = find_elements(table)
    placed = write_own_genome(elements, own_sequences(table, elements), tmp_path / "own.fa")
    variants, status = as_variants(table.rows, placed, Genome(tmp_path / "own.fa"))
    assert variants == [
        Variant("element_1", 2, ".", "CC", "C"),
        Variant("element_1", 2, ".", "C", "A"),
        Variant("element_1", 1, ".", "AC", "A"),
        None,  # nothing is known before the element
        Variant("element_1", 1, ".", "A", "T"),
        None,  # nor before a base behind a gap
        Variant("element_1", 5, ".", "T", "G"),
        None,
        None,
    ]
    assert status == [
        "ok", "ok", "ok", "no_base_before", "ok", "no_base_before", "ok", "not_snv_or_deletion",
        "not_snv_or_deletion",
    ]  # fmt: skip


def test_deletions_are_anchored_on_the_base_before_in_the_genome(tmp_path: Path) -> None:
    table = measured(tmp_path, ROWS)
    # Positions    123456789 10 to 14
    genome = Genome(write_fasta(tmp_path / "g.fa", {"7": "TTTTTTTTG" + "ACCGT" + "AAAA"}))
    variants, status = as_variants(table.rows, find_elements(table), genome)
    assert variants[0] == Variant("7", 11, ".", "CC", "C")
    assert variants[1] == Variant("7", 11, ".", "C", "A")
    assert variants[3] == Variant("7", 9, ".", "GA", "G")
    assert variants[5] == Variant("7", 13, ".", "GT", "G")
    assert status[3] == status[5] == "ok"
    elsewhere = Genome(write_fasta(tmp_path / "h.fa", {"8": "ACGT"}))
    variants, status = as_variants(table.rows, find_elements(table), elsewhere)
    assert variants[0] is None
    assert status[0] == "contig_not_in_fasta"


@pytest.mark.parametrize("last", ["C", "N"])
def test_what_lies_behind_the_end_of_the_contig(tmp_path: Path, last: str) -> None:
    rows = [row("chr7", pos, "A", alt) for pos in (4, 5, 6, 7) for alt in "-G"]
    table = measured(tmp_path, rows)
    genome = Genome(write_fasta(tmp_path / "g.fa", {"7": "GTCA" + last}))
    variants, status = as_variants(table.rows, find_elements(table), genome)
    # Those of exchanges are looked at when windows are cut.
    assert status[1::2] == ["ok"] * 4
    assert status[::2] == ["ok", "ok", "position_outside_contig", "position_outside_contig"]
    assert variants[::2] == [
        Variant("7", 3, ".", "CA", "C"), Variant("7", 4, ".", "AA", "A"), None, None,
    ]  # fmt: skip


def test_two_bases_at_one_position(tmp_path: Path) -> None:
    table = measured(tmp_path, [*ROWS, row("chr7", 11, "G", "T")])
    with pytest.raises(InputError, match=r"t\.tsv: Ref of element E at 7:11 is C and G; expected one base"):
        own_sequences(table, find_elements(table))


def test_an_element_that_spans_too_much(tmp_path: Path) -> None:
    table = measured(tmp_path, [*ROWS, row("chr7", 200_010, "G", "T")])
    with pytest.raises(InputError, match="element E lie on 7:10-200010; expected a regulatory element"):
        find_elements(table)


def test_shares_of_n() -> None:
    sequences = ["ACGTN" * 3, "A" * 700]
    padded = ["N" * 600 + sequence + "N" * 600 for sequence in sequences]
    naive = [
        text[place - 255 : place + 257].count("N") / 512
        for text in padded
        for place in range(600, len(text) - 600)
    ]
    np.testing.assert_allclose(n_fractions(sequences), naive, atol=1e-12)
