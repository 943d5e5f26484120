"""CADD's files: scores by allele of the forward strand, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from tests.baselines.tables.lookups import looked_up, opened, score, variants, write_indexed, write_text

BUILD = "## CADD GRCh37-v1.7 (c) University of Washington"
COLUMNS = "#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n"


def scores(pos: int, alt: str) -> tuple[float, float]:
    return round(pos / 7 - "ACGT".index(alt), 6), float(pos % 40)


def all_snvs(bases: str, chrom: str = "20") -> str:
    """A file of CADD with every SNV of some bases, the first of which is at position 1."""
    rows = []
    for (pos, ref), alt in itertools.product(enumerate(bases, start=1), "ACGT"):
        if ref != alt:
            raw, phred = scores(pos, alt)
            rows.append(f"{chrom}\t{pos}\t{ref}\t{alt}\t{raw}\t{phred}\n")
    return f"{BUILD}\n{COLUMNS}{''.join(rows)}"


@pytest.fixture
def bases() -> str:
    return "".join(np.random.default_rng(1).choice(list("ACGT"), 2000))


def test_are_those_of_the_allele(tmp_path: Path, bases: str) -> None:
    path = write_indexed(tmp_path / "whole.tsv.gz", all_snvs(bases))
    asked = [(chrom, pos, bases[pos - 1], alt) for chrom in ("20", "chr20") for pos in (1, 2, 700, 1999, 2000)
             for alt in "ACGT" if alt != bases[pos - 1]]  # fmt: skip
    status, columns = looked_up(f"cadd:{path}", variants(asked))
    assert set(status) == {"ok"}
    expected = [scores(pos, alt) for _, pos, _, alt in asked]
    np.testing.assert_array_equal(list(zip(columns["raw_score"], columns["phred"], strict=True)), expected)


def test_of_version_1_4_are_read(tmp_path: Path) -> None:
    path = write_indexed(tmp_path / "whole.tsv.gz", all_snvs("ACGT").replace("#Chrom", "#Chr"))
    status, columns = looked_up(f"cadd:{path}", variants([("chr20", 2, "C", "T")]))
    assert status == ["ok"]
    assert (columns["raw_score"][0], columns["phred"][0]) == scores(2, "T")


def test_have_no_indels_beyond_the_file_and_no_other_strand(tmp_path: Path) -> None:
    path = write_indexed(tmp_path / "whole.tsv.gz", all_snvs("ACCA"))
    asked = variants(
        [
            ("20", 1, "A", "AC"),
            ("20", 9, "A", "C"),
            ("21", 1, "A", "C"),
            ("20", 1, "T", "G"),
            ("20", 2, "C", "<DEL>"),
        ]
    )
    status, _ = looked_up(f"cadd:{path}", asked)
    assert status == ["alleles_differ", "not_in_table", "not_in_table", "alleles_differ", "symbolic_alt"]


def test_declare_the_file(tmp_path: Path) -> None:
    baseline = opened(f"cadd:{write_indexed(tmp_path / 'whole.tsv.gz', all_snvs('ACGT'))}")
    made_by = baseline.declaration.provenance
    assert made_by["header"] == [BUILD]
    assert set(made_by) == {"header", "file", "sha256", "index_sha256"}
    assert [(one.name, one.ranks) for one in baseline.declaration.scores] == [
        ("raw_score", True),
        ("phred", False),
    ]


def test_of_another_build_are_refused(tmp_path: Path, bases: str) -> None:
    path = write_indexed(tmp_path / "whole.tsv.gz", all_snvs(bases))
    shifted = variants([("20", pos, bases[pos], "ACGT".replace(bases[pos], "")[0]) for pos in range(1, 200)])
    with pytest.raises(InputError, match="another genome build"):
        score(opened(f"cadd:{path}"), shifted)
    # The other strand is another build too.
    flip = str.maketrans("ACGT", "TGCA")
    flipped = variants([("20", pos, bases[pos - 1].translate(flip), bases[pos - 1]) for pos in range(1, 200)])
    with pytest.raises(InputError, match="another genome build"):
        score(opened(f"cadd:{path}"), flipped)


def test_need_an_index_and_the_columns(tmp_path: Path) -> None:
    plain = write_text(tmp_path / "whole.tsv.gz", all_snvs("ACGT"))
    with pytest.raises(
        InputError, match=r"gzip -dcf whole\.tsv\.gz \| bgzip > .* table:.*whole\.tsv\.gz:PHRED"
    ):
        opened(f"cadd:{plain}")
    lone = write_indexed(tmp_path / "lone.tsv.gz", all_snvs("ACGT"))
    Path(f"{lone}.tbi").unlink()
    with pytest.raises(InputError, match=r"has no index.*tabix -s1 -b2 -e2 lone\.tsv\.gz"):
        opened(f"cadd:{lone}")
    other = write_indexed(tmp_path / "other.tsv.gz", all_snvs("ACGT").replace("RawScore", "Raw"))
    with pytest.raises(InputError, match="has no column RawScore"):
        opened(f"cadd:{other}")
    with pytest.raises(InputError, match="cannot read"):
        opened(f"cadd:{tmp_path / 'none.tsv.gz'}")
