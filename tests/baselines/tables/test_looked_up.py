"""Whole tables whose alleles do not fit the variants: what is refused, and when."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.baselines.tables.looked_up import ENOUGH_SITES, FEW_STRANGERS
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.variants import Variant
from tests.baselines.tables.lookups import looked_up, opened, score, variants, write_text

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
SNVS = list(itertools.permutations("ACGT", 2))


def write_pairs(path: Path, rows: Sequence[Variant]) -> Path:
    """Summary statistics of some variants, the alternative allele first."""
    lines = [f"{one.chrom}\t{one.pos}\t{one.alt}\t{one.ref}\t0.5\n" for one in rows]
    return write_text(path, "chr\tbp\tea\tnea\tp\n" + "".join(lines))


def random_snvs(seed: int, count: int) -> list[Variant]:
    generator = np.random.default_rng(seed)
    pairs = [SNVS[number] for number in generator.integers(len(SNVS), size=count)]
    return variants(("1", pos, ref, alt) for pos, (ref, alt) in enumerate(pairs, start=1))


def test_a_table_without_order_of_another_build_is_refused(tmp_path: Path) -> None:
    asked = random_snvs(1, 1000)
    # Some of these fit by chance, swapped or on the other strand.
    path = write_pairs(tmp_path / "t.tsv", random_snvs(2, 1000))
    message = r"at 1\d\d of the 200 positions .* 1:\d+ has [ACGT]/[ACGT] in the variants and [ACGT]/[ACGT] in"
    with pytest.raises(InputError, match=message):
        looked_up(f"pvalue:{path}", asked)
    own = write_pairs(tmp_path / "u.tsv", asked)
    assert set(looked_up(f"pvalue:{own}", asked)[0]) == {"ok"}
    flipped = [dataclasses.replace(row, ref=COMPLEMENT[row.ref], alt=COMPLEMENT[row.alt]) for row in asked]
    path = write_pairs(tmp_path / "w.tsv", flipped)
    assert set(looked_up(f"pvalue:{path}", asked)[0]) == {"ok"}
    # One in five has another alternative allele, and five of five in the first call.
    other = [
        dataclasses.replace(row, alt=next(base for base in "ACGT" if base not in row.ref + row.alt))
        if number % 5 == 0 or number < FEW_STRANGERS
        else row
        for number, row in enumerate(asked)
    ]
    baseline = opened(f"pvalue:{write_pairs(tmp_path / 'v.tsv', other)}")
    for part in (asked[:FEW_STRANGERS], asked[FEW_STRANGERS:]):
        score(baseline, part)


def test_a_site_fits_where_one_of_its_variants_does(tmp_path: Path) -> None:
    held = random_snvs(1, 1000)
    path = write_pairs(tmp_path / "t.tsv", held)
    asked = [dataclasses.replace(row, alt=alt) for row in held for alt in "ACGT" if alt != row.ref]
    fitting = {(row.pos, row.alt) for row in held}
    for chunk_size in (1, 7, len(asked)):
        baseline = opened(f"pvalue:{path}")
        status = [
            reason
            for start in range(0, len(asked), chunk_size)
            for reason in score(baseline, asked[start : start + chunk_size]).status
        ]
        assert all(
            reason == "ok" for row, reason in zip(asked, status, strict=True) if (row.pos, row.alt) in fitting
        )
        assert status.count("alleles_differ") > 1500


def test_a_site_is_judged_when_all_its_variants_are_seen(tmp_path: Path) -> None:
    """A quarter of 200 are strangers, and the next site has its fitting variant in the next call."""
    held = variants([("1", pos, "A", "C") for pos in range(1, ENOUGH_SITES + 2)])
    asked = [dataclasses.replace(row, alt="G") if row.pos <= ENOUGH_SITES // 4 else row for row in held]
    first = [*asked[::-1][1:], dataclasses.replace(held[-1], alt="G")]
    baseline = opened(f"pvalue:{write_pairs(tmp_path / 't.tsv', held)}")
    score(baseline, first)
    assert score(baseline, [held[-1]]).status == ["ok"]


def test_longer_alleles_do_not_tell_the_build_of_a_table_without_order(tmp_path: Path) -> None:
    snvs = random_snvs(1, 300)
    path = write_pairs(tmp_path / "t.tsv", snvs)
    indels = [dataclasses.replace(row, alt=f"{row.ref}GG") for row in snvs]
    assert set(looked_up(f"pvalue:{path}", indels)[0]) == {"alleles_differ"}
    path = write_pairs(tmp_path / "u.tsv", indels)
    assert set(looked_up(f"pvalue:{path}", snvs)[0]) == {"alleles_differ"}
    unknown = [dataclasses.replace(row, ref="N", alt="-") for row in snvs]
    path = write_pairs(tmp_path / "v.tsv", [*unknown, *(dataclasses.replace(row, chrom="2") for row in snvs)])
    assert set(looked_up(f"pvalue:{path}", snvs)[0]) == {"alleles_differ"}


@pytest.mark.parametrize("kind", ["pvalue", "table"])
@pytest.mark.parametrize(("early", "late", "refused"), [
    (40, 0, ""), (50, 0, ""), (51, 0, "199|200"), (0, 150, "267"),
])  # fmt: skip
def test_the_judgement_does_not_depend_on_how_variants_are_divided(
    tmp_path: Path, kind: str, early: int, late: int, refused: str
) -> None:
    """Strangers stand at the end of the first 200 positions, or after them, 67 of the first 267."""
    asked = variants([("1", pos, "A", "C") for pos in range(1, 401)])
    strange = {*range(ENOUGH_SITES - early, ENOUGH_SITES), *range(ENOUGH_SITES, ENOUGH_SITES + late)}
    refs = ["G" if number in strange else "A" for number in range(len(asked))]
    if kind == "pvalue":
        held = [dataclasses.replace(row, ref=ref) for row, ref in zip(asked, refs, strict=True)]
        spec = f"pvalue:{write_pairs(tmp_path / 't.tsv', held)}"
    else:
        rows = [f"1\t{row.pos}\t{ref}\tC\t1\n" for row, ref in zip(asked, refs, strict=True)]
        text = "chrom\tpos\tref\talt\tvalue\n" + "".join(rows)
        spec = f"table:{write_text(tmp_path / 't.tsv', text)}:value"
    for chunk_size in (1, 9, 150, 200, 250, 400):
        baseline = opened(spec)
        parts = [asked[start : start + chunk_size] for start in range(0, 400, chunk_size)]
        with pytest.raises(InputError, match=f"of the ({refused}) positions") if refused else nullcontext():
            [score(baseline, part) for part in parts]
