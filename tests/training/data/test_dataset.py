"""The tables of a data set: what they must agree on, parts of them, and how they are written and read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.data.dataset import (
    BAG_COLUMNS,
    EVIDENCE_COLUMNS,
    INSTANCE_COLUMNS,
    MANIFEST,
    STUDY_COLUMNS,
    DataSet,
    DataSetError,
    Split,
    read_dataset,
    write_dataset,
)


def frame(columns: dict[str, str], rows: list[tuple[object, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


@pytest.fixture
def dataset() -> DataSet:
    """Bag 0 (train) of two studies and three variants, 1 (validation) of one study, 2 (train) negative."""
    bags = frame(
        BAG_COLUMNS,
        [
            (0, "a", "primary", 1, "train", "1", 3, 2),
            (1, "b", "primary", 1, "validation", "11", 2, 1),
            (2, "1:9:A:C", "all", 0, "train", "1", 1, 0),
        ],
    )
    instances = frame(
        INSTANCE_COLUMNS,
        [
            (0, "1", 10, "A", "C", "rs1", 1e-9, 6.0, 0.5, 12.0),
            (0, "1", 20, "A", "C", "rs2", 1e-8, 5.5, 0.9, 10.0),
            (0, "1", 30, "A", "C", "rs3", 1e-7, 5.0, 0.1, 8.0),
            (1, "11", 10, "A", "C", "rs4", 1e-9, 6.0, 0.5, 12.0),
            (1, "11", 20, "A", "C", "rs5", 1e-8, 5.5, 0.5, 10.0),
            (2, "1", 9, "A", "C", "rs6", np.nan, np.nan, np.nan, np.nan),
        ],
    )
    studies = frame(STUDY_COLUMNS, [(0, "s", 2, 0.75), (0, "t", 2, 0.75), (1, "s", 2, 1.0)])
    evidence = frame(
        EVIDENCE_COLUMNS,
        [
            (0, 0, -20.0, 6.0, 12.0, 0.5),
            (0, 2, -10.0, 4.0, 6.0, 0.1),
            (1, 1, -18.0, 5.5, 10.0, 0.9),
            (1, 2, -16.0, 5.0, 8.0, 0.1),
            (2, 3, -20.0, 6.0, 12.0, 0.5),
            (2, 4, -18.0, 5.5, 10.0, 0.5),
        ],
    )
    return DataSet(bags, instances, studies, evidence, {"version": "1"})


def test_a_part_is_numbered_anew_in_all_tables(dataset: DataSet) -> None:
    part = dataset.part(Split.VALIDATION)
    assert part.bags[["bag", "block"]].values.tolist() == [[0, "b"]]
    assert part.instances[["bag", "id"]].values.tolist() == [[0, "rs4"], [0, "rs5"]]
    assert part.studies.values.tolist() == [[0, "s", 2, 1.0]]
    assert part.evidence[["study", "instance"]].values.tolist() == [[0, 0], [0, 1]]
    train = dataset.part(Split.TRAIN)
    assert train.bags["block"].tolist() == ["a", "1:9:A:C"]
    assert train.instances["bag"].tolist() == [0, 0, 0, 1]
    for name, columns in (("bags", BAG_COLUMNS), ("studies", STUDY_COLUMNS), ("evidence", EVIDENCE_COLUMNS)):
        assert getattr(train, name).dtypes.astype(str).to_dict() == columns
    empty = dataset.part(Split.TEST)
    assert [len(table) for table in (empty.bags, empty.instances, empty.studies, empty.evidence)] == [0] * 4
    assert dataset.counts() == {
        "train": {
            "positive_bags": 1, "negative_bags": 1, "positive_instances": 3, "negative_instances": 1,
            "studies_of_bags": 2,
        },
        "validation": {
            "positive_bags": 1, "negative_bags": 0, "positive_instances": 2, "negative_instances": 0,
            "studies_of_bags": 1,
        },
    }  # fmt: skip


def test_some_instances_take_their_evidence_with_them(dataset: DataSet) -> None:
    found = dataset.of_instances(np.array([True, False, False, True, True, False]))
    # Study t has no variant left in bag 0, and the negative bag none.
    assert found.bags[["bag", "size"]].values.tolist() == [[0, 1], [1, 2]]
    assert found.studies.values.tolist() == [[0, "s", 1, 0.75], [1, "s", 2, 1.0]]
    assert found.evidence[["study", "instance", "log_p"]].values.tolist() == [
        [0, 0, -20.0], [1, 1, -20.0], [1, 2, -18.0],
    ]  # fmt: skip


def test_a_united_data_set_has_one_study_with_the_statistics_of_its_instances(dataset: DataSet) -> None:
    instances = dataset.instances.assign(p_value=[0.0, np.nan, 0.5, 1e-3, 1e-3, np.nan])
    instances["z"] = np.array([40, 1, 0.5, 3.0, -3.5, np.nan], dtype=np.float32)
    found = DataSet.of_united(dataset.bags, instances, {})
    assert found.studies.values.tolist() == [[0, "united", 3, 1.0], [1, "united", 2, 1.0]]
    # By log p, then the z furthest from 0; without a p-value last. p = 0 has the logarithm that z gives it.
    assert found.evidence["instance"].tolist() == [0, 2, 1, 4, 3]
    assert found.evidence["log_p"].tolist() == pytest.approx(
        [-803.9153, np.log(0.5), np.nan, np.log(1e-3), np.log(1e-3)], rel=1e-6, nan_ok=True
    )
    assert found.evidence["z"].tolist() == [40, 0.5, 1, -3.5, 3]
    assert found.evidence["log_bf"].tolist() == [12, 8, 10, 10, 12]
    assert found.evidence.dtypes.astype(str).to_dict() == EVIDENCE_COLUMNS
    assert found.studies.dtypes.astype(str).to_dict() == STUDY_COLUMNS


def test_what_does_not_fit_together_is_an_error(dataset: DataSet) -> None:
    def replaced(**tables: pd.DataFrame) -> DataSet:
        names = ("bags", "instances", "studies", "evidence")
        return DataSet(*(tables.get(name, getattr(dataset, name)) for name in names), {})

    studies, evidence = dataset.studies, dataset.evidence
    with pytest.raises(DataSetError, match="columns of studies are bag, study, size; expected bag, study"):
        replaced(studies=studies.drop(columns="weight"))
    with pytest.raises(DataSetError, match="not those of all positive bags"):
        replaced(studies=studies.assign(bag=[0, 0, 2]))
    with pytest.raises(DataSetError, match="not those of all positive bags"):
        replaced(studies=studies.assign(bag=[1, 0, 0]))
    with pytest.raises(DataSetError, match="sizes of the studies differ"):
        replaced(studies=studies.assign(size=[2, 3, 1]))
    with pytest.raises(DataSetError, match="not in order"):
        replaced(evidence=evidence.assign(study=[0, 1, 0, 1, 2, 2]))
    for rows in ([0, 2, 1, 2, 3, 1], [0, 2, 1, 2, 3, 6], [-1, 2, 1, 2, 3, 4]):
        with pytest.raises(DataSetError, match="not in its bag"):
            replaced(evidence=evidence.assign(instance=rows))
    with pytest.raises(DataSetError, match="sizes of the bags differ"):
        replaced(bags=dataset.bags.assign(size=[2, 2, 2]))


def test_a_data_set_is_read_as_it_was_written(dataset: DataSet, tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", dataset)
    found = read_dataset(tmp_path / "set")
    for name in ("bags", "instances", "studies", "evidence"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(dataset, name))
    assert found.checksums() == dataset.checksums()
    assert {*found.checksums()} == {"bags", "instances", "studies", "evidence"}
    other = dataset.evidence.assign(z=dataset.evidence["z"] + 1)
    changed = DataSet(dataset.bags, dataset.instances, dataset.studies, other, {})
    assert [name for name, one in changed.checksums().items() if one != dataset.checksums()[name]] == [
        "evidence"
    ]
    (tmp_path / "set" / "evidence.parquet").write_bytes(b"")
    with pytest.raises(DataSetError, match=r"evidence\.parquet has changed since manifest\.json"):
        read_dataset(tmp_path / "set")


def test_a_folder_of_an_older_version_has_to_be_made_again(dataset: DataSet, tmp_path: Path) -> None:
    write_dataset(tmp_path, dataset)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    for name in ("studies", "evidence"):
        (tmp_path / f"{name}.parquet").unlink()
        del manifest["tables"][f"{name}.parquet"]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DataSetError, match=r"has no studies.parquet, evidence.parquet: .* make .* again"):
        read_dataset(tmp_path)
