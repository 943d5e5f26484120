"""Enformer's published effects: the largest over tracks, against whole arrays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.baselines.tables import enformer_sad
from mifm_kipoi.errors import InputError
from tests.baselines.tables.lookups import as_variants, looked_up, opened, random_variants, variants

TRACKS = 11


def write_sad(path: Path, table: pd.DataFrame, effects: np.ndarray, **changed: Any) -> Path:
    """A file as basenji_sad.py writes it; ``changed`` datasets replace its own, None leaves one out."""
    datasets = {name: table[column].to_numpy().astype("S") for name, column in
                {"chr": "chrom", "ref": "ref", "alt": "alt"}.items()}  # fmt: skip
    datasets |= {
        "snp": np.array([f"rs{number}" for number in range(len(table))], "S"),
        "pos": table["pos"].to_numpy(np.uint32),
        "target_ids": np.array([f"ENCFF{number}" for number in range(effects.shape[1])], "S"),
        "target_labels": np.array(["DNASE:cell"] * effects.shape[1], "S"),
        "SAD": effects.astype(np.float16),
        "SAR": np.full_like(effects, 99, dtype=np.float16),
        **changed,
    }
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            if values is not None:
                file.create_dataset(name, data=values)
    return path


@pytest.fixture
def table() -> pd.DataFrame:
    """SNVs of distinct places, and of distinct pairs of alleles."""
    found = random_variants(np.random.default_rng(1), 300).drop_duplicates(["chrom", "pos"])
    return found.reset_index(drop=True)


@pytest.fixture
def effects(table: pd.DataFrame) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(len(table), TRACKS)).astype(np.float16)


@pytest.mark.parametrize(("near", "most"), [(8, 1 << 25), (0, 1 << 25), (1000, 2 * TRACKS * 7)])
@pytest.mark.parametrize("prefix", ["", "chr"])
def test_are_the_largest_over_the_tracks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: pd.DataFrame, effects: np.ndarray,
    near: int, most: int, prefix: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(enformer_sad, "_NEAR", near)
    monkeypatch.setattr(enformer_sad, "_MOST_BYTES", most)
    shuffled = np.random.default_rng(3).permutation(len(table))
    held = table.iloc[shuffled].assign(chrom=prefix + table["chrom"].iloc[shuffled])
    path = write_sad(tmp_path / "sad.h5", held, effects[shuffled])
    asked = np.random.default_rng(4).permutation(len(table))[:120]
    status, columns = looked_up(f"enformer-sad:{path}", as_variants(table.iloc[asked]))
    assert set(status) == {"ok"}
    assert columns["max_abs_sad"] == [max(abs(float(value)) for value in effects[number]) for number in asked]


def test_alleles_have_no_order_and_reasons_are_given(tmp_path: Path) -> None:
    pairs = {5: ["CA"], 6: ["GT"], 8: ["AC"], 9: ["AC", "CA"], 10: ["AC", "AG"], 11: ["AC"], 12: ["AC"]}
    rows = [("1", pos, *pair) for pos, found in pairs.items() for pair in found]
    rows.insert(2, ("1", 7, "A", "AC"))
    held = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt"])
    effects = np.array(
        [[-3, 1], [1, 2], [4, 0], [5, 0], [6, 0], [7, 0], [8, 0], [9, 0], [np.nan, 1], [-np.inf, 1]]
    )
    path = write_sad(tmp_path / "sad.h5", held, effects)
    alts = {5: "C", 6: "C", 8: "G", 9: "C", 10: "G", 11: "C", 12: "C", 13: "C"}
    asked = [*(("1", pos, "A", alt) for pos, alt in alts.items()), ("2", 5, "A", "C")]
    asked.insert(2, ("1", 7, "AC", "A"))
    status, columns = looked_up(f"enformer-sad:{path}", variants(asked))
    assert status == [
        *("ok", "ok", "ok", "alleles_differ", "conflicting_rows", "ok"),
        *("value_missing", "value_missing", "not_in_table", "not_in_table"),
    ]
    np.testing.assert_array_equal(
        columns["max_abs_sad"], [3, 2, 4, np.nan, np.nan, 9, np.nan, np.nan, np.nan, np.nan]
    )


def test_a_folder_has_a_file_for_each_chromosome(
    tmp_path: Path, table: pd.DataFrame, effects: np.ndarray
) -> None:
    for chrom in ("1", "2"):
        own = (table["chrom"] == chrom).to_numpy()
        write_sad(tmp_path / f"1000G.MAF_threshold=0.005.{chrom}.h5", table[own], effects[own])
    (tmp_path / "readme.txt").write_text("no data")
    baseline = opened(f"enformer-sad:{tmp_path}")
    _, columns = looked_up(f"enformer-sad:{tmp_path}", as_variants(table))
    np.testing.assert_array_equal(columns["max_abs_sad"], np.abs(effects).max(axis=1))
    declared = baseline.declaration
    assert declared.tracks == TRACKS
    assert list(declared.provenance["files"]) == [f"1000G.MAF_threshold=0.005.{chrom}.h5" for chrom in "12"]
    assert looked_up(f"enformer-sad:{tmp_path}", [])[0] == []


def test_the_content_of_each_file_tells_it(tmp_path: Path, table: pd.DataFrame, effects: np.ndarray) -> None:
    path = write_sad(tmp_path / "sad.h5", table, effects)
    size, found = path.stat().st_size, opened(f"enformer-sad:{path}").declaration.provenance
    assert found["files"] == {"sad.h5": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}
    assert json.loads(json.dumps(found)) == found
    write_sad(path, table, effects + np.float16(1))
    assert path.stat().st_size == size
    assert opened(f"enformer-sad:{path}").declaration.provenance != found


def test_texts_may_be_of_any_length(tmp_path: Path, table: pd.DataFrame, effects: np.ndarray) -> None:
    texts = {"chr": "chrom", "ref": "ref", "alt": "alt"}
    changed = {name: table[column].to_numpy().astype(object) for name, column in texts.items()}
    path = write_sad(tmp_path / "sad.h5", table, effects, **changed)
    _, columns = looked_up(f"enformer-sad:{path}", as_variants(table))
    np.testing.assert_array_equal(columns["max_abs_sad"], np.abs(effects).max(axis=1))


def test_other_files_are_refused(tmp_path: Path, table: pd.DataFrame, effects: np.ndarray) -> None:
    path = tmp_path / "sad.h5"
    with pytest.raises(InputError, match="cannot read"):
        opened(f"enformer-sad:{path}")
    path.write_text("text")
    with pytest.raises(InputError, match="cannot read"):
        opened(f"enformer-sad:{path}")
    write_sad(path, table, effects, alt=None, SAD=None)
    with pytest.raises(InputError, match="has no dataset alt, SAD; it has SAR, chr"):
        opened(f"enformer-sad:{path}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no file that ends in \.h5"):
        opened(f"enformer-sad:{tmp_path / 'empty'}")
    write_sad(tmp_path / "a.h5", table, effects)
    write_sad(path, table, effects, target_ids=np.array([b"other"] * TRACKS))
    with pytest.raises(InputError, match=r"sad\.h5 has other target_ids than .*a\.h5"):
        opened(f"enformer-sad:{tmp_path}")


@pytest.mark.parametrize("name", ["SAD", "SAD.T", "ref", "target_ids", "pos"])
def test_other_shapes_and_kinds_are_refused(
    tmp_path: Path, table: pd.DataFrame, effects: np.ndarray, name: str
) -> None:
    changed = {
        "SAD": {"SAD": effects.astype(np.int32)},
        "SAD.T": {"SAD": effects.T},
        "ref": {"ref": np.array([b"A"] * (len(table) - 1))},
        "target_ids": {"target_ids": np.array([b"A"] * (TRACKS - 1))},
        "pos": {"pos": table["pos"].to_numpy(np.float64)},
    }[name]
    path = write_sad(tmp_path / "sad.h5", table, effects, **changed)
    with pytest.raises(InputError, match="has datasets of shapes"):
        opened(f"enformer-sad:{path}")
