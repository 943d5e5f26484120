"""PIPs of CAUSALdb2: the largest of each tool, against groups by pandas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.baselines.tables.finemapping import TOOLS
from mifm_kipoi.errors import InputError
from tests.baselines.tables.lookups import (
    as_variants,
    looked_up,
    opened,
    random_variants,
    variants,
    write_text,
)

COLUMNS = [
    *("chr", "bp", "rsid", "maf", "ea", "nea", "beta", "se", "p", "zscore", "cojo_beta", "cojo_se", "cojo_p"),
    *TOOLS,
    *("meta_id", "block_id", "tool", "lead_snp", "primary"),
]


def causaldb(places: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """Rows in CAUSALdb2's columns, a tenth of the PIPs failed."""
    generator = np.random.default_rng(seed)
    table = pd.DataFrame("", index=range(len(places)), columns=COLUMNS)
    exchanged = generator.random(len(places)) < 0.5
    table[["chr", "bp"]] = places[["chrom", "pos"]].to_numpy()
    table["ea"] = np.where(exchanged, places["ref"], places["alt"])
    table["nea"] = np.where(exchanged, places["alt"], places["ref"])
    for tool in TOOLS:
        pips = generator.uniform(size=len(places)).round(4)
        table[tool] = np.where(generator.random(len(places)) < 0.1, -1.0, pips)
    return table


def write_rows(path: Path, table: pd.DataFrame) -> Path:
    return write_text(path, table.to_csv(sep="," if ".csv" in path.name else "\t", index=False))


@pytest.mark.parametrize("name", ["t.csv.gz", "t.txt.gz", "t.tsv"])
def test_are_the_largest_of_each_tool(tmp_path: Path, name: str) -> None:
    asked = random_variants(np.random.default_rng(2), 100)
    places = asked[:80].sample(300, replace=True, random_state=1).reset_index(drop=True)
    table = causaldb(places)
    path = write_rows(tmp_path / name, table)
    status, columns = looked_up(f"causaldb:{path}", as_variants(asked))
    assert list(columns) == [f"pip_{tool}" for tool in TOOLS]
    held = pd.concat([places, table[list(TOOLS)].replace(-1, np.nan)], axis=1)
    # The pair has no order, so that an insertion and the deletion of the same bases are one.
    held["pair"] = [tuple(sorted(pair)) for pair in zip(held["ref"], held["alt"], strict=True)]
    largest = held.groupby(["chrom", "pos", "pair"])[list(TOOLS)].max()
    for number, row in enumerate(asked.itertuples()):
        key = (row.chrom, row.pos, tuple(sorted((row.ref, row.alt))))
        expected = largest.loc[key].tolist() if key in largest.index else None
        if expected is None:
            assert status[number] != "ok" or len(row.ref) == len(row.alt) == 1
        else:
            np.testing.assert_array_equal([columns[f"pip_{tool}"][number] for tool in TOOLS], expected)


def test_one_tool_alone(tmp_path: Path) -> None:
    table = causaldb(
        pd.DataFrame([("1", 5, "A", "C"), ("1", 6, "A", "C")], columns=["chrom", "pos", "ref", "alt"])
    )
    table[list(TOOLS)] = 0.25
    table["susie"] = [-1, 0.5]
    path = write_rows(tmp_path / "a:b.csv", table)
    asked = variants([("1", 5, "A", "C"), ("1", 6, "A", "C"), ("1", 6, "A", "G"), ("1", 7, "A", "G")])
    status, columns = looked_up(f"causaldb:{path}:susie", asked)
    assert status == ["value_missing", "ok", "alleles_differ", "not_in_table"]
    np.testing.assert_array_equal(columns["pip_susie"], [np.nan, 0.5, np.nan, np.nan])
    status, columns = looked_up(f"causaldb:{path}", asked)
    assert status[:2] == ["ok", "ok"]
    assert np.isnan(columns["pip_susie"][0])
    assert columns["pip_abf"][:2] == [0.25, 0.25]


@pytest.mark.parametrize(("pip", "expected"), [(1.0009, 1.0), (1 + 5e-7, 1.0), (1.0, 1.0), (0.0, 0.0)])
def test_rounding_above_one_is_cut(tmp_path: Path, pip: float, expected: float) -> None:
    table = causaldb(pd.DataFrame([("1", 5, "A", "C")], columns=["chrom", "pos", "ref", "alt"])).assign(
        abf=pip
    )
    path = write_rows(tmp_path / "t.csv", table)
    assert looked_up(f"causaldb:{path}:abf", variants([("1", 5, "A", "C")]))[1]["pip_abf"] == [expected]


@pytest.mark.parametrize("pip", [1.0011, -0.5, -2, "inf", "x"])
def test_other_numbers_are_refused(tmp_path: Path, pip: object) -> None:
    places = pd.DataFrame([("1", pos, "A", "C") for pos in (5, 6, 7)], columns=["chrom", "pos", "ref", "alt"])
    table = causaldb(places).astype({"paintor": object})
    table.loc[1, "paintor"] = pip
    path = write_rows(tmp_path / "t.csv", table)
    with pytest.raises(InputError, match=rf"line 3 of .*: paintor is '{pip}'; expected a"):
        opened(f"causaldb:{path}")
    opened(f"causaldb:{path}:abf")


def test_the_table_and_the_tool_must_exist(tmp_path: Path) -> None:
    table = causaldb(pd.DataFrame([("1", 5, "A", "C")], columns=["chrom", "pos", "ref", "alt"]))
    path = write_rows(tmp_path / "t.csv", table)
    with pytest.raises(InputError, match="no PIPs of 'sushi'; expected one of abf, finemap"):
        opened(f"causaldb:{path}:sushi")
    with pytest.raises(InputError, match="cannot read"):
        opened(f"causaldb:{tmp_path / 'none.csv'}")
    path = write_rows(tmp_path / "t.csv", table.drop(columns=["nea", "susie"]))
    with pytest.raises(InputError, match="has no column nea, susie; it has chr, bp"):
        opened(f"causaldb:{path}")


def test_declare_what_they_are(tmp_path: Path) -> None:
    table = causaldb(pd.DataFrame([("1", 5, "A", "C")], columns=["chrom", "pos", "ref", "alt"]))
    path = write_rows(tmp_path / "t.csv", table)
    declared = opened(f"causaldb:{path}").declaration
    assert all(one.ranks for one in declared.scores)
    assert len(declared.scores) == 7
    assert "trained" in declared.leakage
    assert set(declared.provenance) == {"file", "sha256"}


@pytest.mark.reference
def test_real_rows(reference_data: Path) -> None:
    path = reference_data / "data" / "finemapping" / "causaldb2_AD.csv.gz"
    table = pd.read_csv(path, dtype={"chr": str})
    rows = variants(zip(table["chr"], table["bp"], table["nea"], table["ea"], strict=True))
    status, columns = looked_up(f"causaldb:{path}", rows)
    assert set(status) == {"ok"}
    table["first"], table["second"] = np.sort(table[["ea", "nea"]].to_numpy(), axis=1).T
    for tool in TOOLS:
        known = table[tool].replace(-1, np.nan)
        largest = known.groupby([table["chr"], table["bp"], table["first"], table["second"]]).transform("max")
        np.testing.assert_array_equal(columns[f"pip_{tool}"], np.minimum(largest, 1))
