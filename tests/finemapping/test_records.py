"""Tables of fine-mapping that are written are read back by locus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping import records


def _rows(types: dict[str, str], size: int, **known: object) -> pd.DataFrame:
    columns = {name: [""] * size if kind == "str" else [0] * size for name, kind in types.items()}
    return records.typed(pd.DataFrame(columns | known), types)


def _write(folder: Path, variants: int) -> None:
    loci = _rows(
        dict(records.LOCUS_TYPES), 3, study="a", locus=["1:1-9", "1:10-19", "2:1-9"], variants=[2, 0, 1],
        status=[records.FINE_MAPPED, records.REFUSED, records.FINE_MAPPED],
    )  # fmt: skip
    rows = _rows(
        dict(records.VARIANT_TYPES), variants, study="a", locus=["1:1-9", "1:1-9", "2:1-9"][:variants],
        pip=[0.25, 0.75, 1.0][:variants], score=[np.nan, 0.5, 0.1][:variants],
    )  # fmt: skip
    sets = _rows(dict(records.SET_TYPES), 1, study="a", locus="2:1-9", set=1, prior=records.SCORE)
    rows[f"{records.ANNOTATION}enhancer"] = 1.0
    tables = {
        records.LOCI: loci, records.VARIANTS: rows, records.SETS: sets,
        records.PRIOR: records.empty(records.PRIOR_TYPES),
    }  # fmt: skip
    for name, table in tables.items():
        table.to_csv(folder / name, sep="\t", index=False)


def test_loci_are_read_with_their_variants_and_sets(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    first, refused, last = records.loci_of(tmp_path)
    assert first.variants["pip"].tolist() == [0.25, 0.75]
    assert np.isnan(first.variants["score"][0])
    assert first.variants[f"{records.ANNOTATION}enhancer"].tolist() == [1.0, 1.0]
    assert not refused.is_fine_mapped
    assert not len(refused.variants)
    assert (last.study, last.locus, last.sets["prior"].tolist()) == ("a", "2:1-9", ["score"])


def test_variants_that_are_missing_are_an_error(tmp_path: Path) -> None:
    _write(tmp_path, 2)
    with pytest.raises(InputError, match=r"has 0 variants of the locus a 2:1-9; expected 1"):
        list(records.loci_of(tmp_path))
    (tmp_path / records.LOCI).write_text("study\tlocus\na\t1\n")
    with pytest.raises(InputError, match=r"no column chrom, start"):
        records.read_tables(tmp_path)
