"""Tables of several models as one: the same rows, every digit, however each file is grouped."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mifm_kipoi.baselines.protocol import Declaration, Evidence, Score
from mifm_kipoi.comparison.joined import write_joined
from mifm_kipoi.comparison.records import Model
from mifm_kipoi.errors import InputError

ROWS = 1000


def model(label: str, *names: str) -> Model:
    scores = tuple(Score(name, name, evidence=Evidence.ANNOTATION) for name in names)
    return Model(label, label, "table", Declaration(label, scores, "", "", ""), 1.0, 0, "cpu")


def table(seed: int, *names: str) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    found = pd.DataFrame({
        "chrom": "20", "pos": np.arange(1, ROWS + 1), "id": [f"rs{row}" for row in range(ROWS)],
        "ref": "A", "alt": "<DEL>",
    })  # fmt: skip
    found.loc[3, "id"] = 'a"b'
    for name in names:
        found[name] = np.where(generator.random(ROWS) < 0.2, np.nan, np.exp(generator.normal(0, 90, ROWS)))
    return found.assign(status=np.where(found[names[0]].isna(), "not_in_table", "ok"))


def write(path: Path, rows: pd.DataFrame, group: int) -> Path:
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), path, row_group_size=group)
    return path


@pytest.mark.parametrize("batch", [1, 7, 256, 5000])
def test_all_columns_of_all_models(tmp_path: Path, batch: int) -> None:
    one, two = table(1, "x"), table(2, "y", "z")
    paths = [write(tmp_path / "one", one, 100), write(tmp_path / "two", two, 333)]
    parquet, tsv = write_joined([model("a", "x"), model("b", "y", "z")], paths, tmp_path, {"seed": 1}, batch)
    expected = one.rename(columns={"x": "a.x", "status": "a.status"})
    for name in ("y", "z", "status"):
        expected[f"b.{name}"] = two[name]
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), expected)
    assert pq.read_schema(parquet).metadata[b"mifm_kipoi"] == b'{"seed": 1}'
    read = pd.read_csv(tsv, sep="\t", dtype={"chrom": str}, quoting=csv.QUOTE_NONE)
    pd.testing.assert_frame_equal(read, expected)
    with gzip.open(tsv, "rt") as lines:
        assert next(lines) == "\t".join(expected.columns) + "\n"
        assert next(lines).startswith("20\t1\trs0\tA\t<DEL>\t")


def test_other_variants_are_refused(tmp_path: Path) -> None:
    one, two = table(1, "x"), table(2, "y")
    two.loc[900, "alt"] = "C"
    paths = [write(tmp_path / "one", one, 100), write(tmp_path / "two", two, 100)]
    with pytest.raises(InputError, match="are not of the same variants"):
        write_joined([model("a", "x"), model("b", "y")], paths, tmp_path, {})
    assert not (tmp_path / "scores.parquet").exists()


def test_fewer_variants_are_refused(tmp_path: Path) -> None:
    one, two = table(1, "x"), table(2, "y").iloc[:-1]
    paths = [write(tmp_path / "one", one, 100), write(tmp_path / "two", two, 100)]
    with pytest.raises(InputError, match="are not of the same variants"):
        write_joined([model("a", "x"), model("b", "y")], paths, tmp_path, {})
