"""A data set on disk: bags of variants in Parquet files, and a manifest that says how they were made."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.errors import InputError, OutputError
from mifm_kipoi.support import read_back
from mifm_kipoi.support.files import sha256_of, written_whole

BAGS = "bags.parquet"
INSTANCES = "instances.parquet"
MANIFEST = "manifest.json"

BAG_COLUMNS = {
    "bag": "int64",
    "block": "str",
    "signal": "str",
    "label": "int8",
    "split": "str",
    "chrom": "str",
    "size": "int64",
    "studies": "int64",
}
"""One row per bag: names and pandas types of the columns. ``bag`` counts from 0 in the order of the rows;
``block`` is the LD block or locus, ``signal`` primary, secondary or all, ``label`` 1 for positive and 0 for
negative bags, ``split`` one of :class:`Split`, ``size`` the number of instances, ``studies`` the number of
studies that were united."""

INSTANCE_COLUMNS = {
    "bag": "int64",
    "chrom": "str",
    "pos": "int64",
    "ref": "str",
    "alt": "str",
    "id": "str",
    "p_value": "float64",
    "z": "float32",
    "pip": "float32",
    "log_bf": "float32",
}
"""One row per variant of a bag: names and pandas types of the columns. In each bag the variants are ordered
by rising p-value, by its logarithm where it is too small for a number (then by falling |z|, pos, ref, alt;
those without a p-value come last). ``pos`` is 1-based; ``z`` is that of ``alt``; ``pip`` is the posterior
inclusion probability that a fine-mapping tool gave; ``log_bf`` the natural logarithm of Wakefield's
approximate Bayes factor for an effect. Numbers are NaN where unknown."""


class Split(enum.StrEnum):
    """The part of the data set that a bag belongs to."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class DataSetError(InputError):
    """A data set that cannot be read, is inconsistent, or lacks what is needed of it."""


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Bags of variants, and how they were made.

    Parameters
    ----------
    bags : pandas.DataFrame
        One row per bag, with :data:`BAG_COLUMNS`.
    instances : pandas.DataFrame
        One row per variant of a bag, with :data:`INSTANCE_COLUMNS`.
    manifest : mapping of plain JSON types
        How the data set was made: version, configuration, checksums of the inputs, counts.

    Raises
    ------
    DataSetError
        When columns are missing, bags are not numbered from 0 in order, or sizes differ from the instances.
    """

    bags: pd.DataFrame
    instances: pd.DataFrame
    manifest: Mapping[str, Any]

    def __post_init__(self) -> None:
        _check_columns("bags", self.bags, BAG_COLUMNS)
        _check_columns("instances", self.instances, INSTANCE_COLUMNS)
        sizes = self.instances.groupby("bag").size().reindex(self.bags["bag"], fill_value=0)
        if self.bags["bag"].tolist() != list(range(len(self.bags))) or not (
            self.instances["bag"].is_monotonic_increasing
        ):
            raise DataSetError("bags are not numbered from 0 in the order of their rows")
        if sizes.tolist() != self.bags["size"].tolist() or sizes.sum() != len(self.instances):
            raise DataSetError("the sizes of the bags differ from their instances")

    def part(self, split: Split) -> DataSet:
        """The bags of one split, renumbered from 0."""
        bags = self.bags[self.bags["split"] == split.value]
        kept = self.instances["bag"].isin(bags["bag"])
        numbers = pd.Series(range(len(bags)), index=bags["bag"].to_numpy(), dtype="int64")
        instances = self.instances[kept].assign(bag=lambda rows: rows["bag"].map(numbers))
        return DataSet(
            bags.assign(bag=numbers.to_numpy()).reset_index(drop=True),
            instances.astype({"bag": "int64"}).reset_index(drop=True),
            self.manifest,
        )

    def checksums(self) -> dict[str, str]:
        """SHA-256 checksums of the values of the two tables, whatever the files' compression."""
        return {"bags": _checksum(self.bags), "instances": _checksum(self.instances)}

    def counts(self) -> dict[str, dict[str, int]]:
        """The numbers of positive and negative bags and of their instances, for each split that has bags."""
        counts = {}
        for split in Split:
            bags = self.bags[self.bags["split"] == split.value]
            positive = bags["label"] == 1
            if len(bags):
                counts[split.value] = {
                    "positive_bags": int(positive.sum()),
                    "negative_bags": int((~positive).sum()),
                    "positive_instances": int(bags["size"][positive].sum()),
                    "negative_instances": int(bags["size"][~positive].sum()),
                }
        return counts

    def facts(self) -> dict[str, Any]:
        """The data set's entry in the provenance of weights: checksums, counts, and the shorter manifest.

        Inputs are named without their folders, since weights are passed on to others.
        """
        manifest = {key: value for key, value in self.manifest.items() if key not in ("report", "tables")}
        paths = [Path(entry["path"]) for entry in manifest.get("inputs", ())]
        names = {str(path): path.name for path in paths}
        names |= {str(path.with_suffix("")): path.with_suffix("").name for path in paths}
        return {**self.checksums(), "counts": self.counts(), "manifest": _renamed(manifest, names)}


def write_dataset(folder: str | os.PathLike[str], dataset: DataSet) -> None:
    """Write a data set into a folder; the manifest is written last, when all else is complete.

    Parameters
    ----------
    folder : path-like
        Created if missing; a data set in it is replaced.
    dataset : DataSet
        Its manifest also gets the checksums of the two files.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    check_replaced(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, table in ((BAGS, dataset.bags), (INSTANCES, dataset.instances)):
        with written_whole(folder / name, functools.partial(read_back.parquet, rows=len(table))) as path:
            table.to_parquet(path, index=False)
    tables = {name: sha256_of(folder / name) for name in (BAGS, INSTANCES)}
    with written_whole(folder / MANIFEST) as path:
        path.write_text(json.dumps({**dataset.manifest, "tables": tables}, indent=1) + "\n")


def check_replaced(folder: str | os.PathLike[str]) -> None:
    """See that a data set would replace a data set, and not another file of the manifest's name.

    Parameters
    ----------
    folder : path-like
        Where the data set will be; it need not exist.

    Raises
    ------
    OutputError
        When the folder has another file of that name.
    """
    path = Path(folder) / MANIFEST
    if not path.exists():
        return
    try:
        sound = {"version", "tables"} <= set(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        sound = False
    if not sound:
        raise OutputError(f"{path} is not the manifest of a data set; name another folder")


def read_dataset(folder: str | os.PathLike[str]) -> DataSet:
    """Read a data set that :func:`write_dataset` wrote.

    Parameters
    ----------
    folder : path-like
        The folder of the data set.

    Raises
    ------
    DataSetError
        When a file is missing, differs from the checksum in the manifest, or lacks a column.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        tables = manifest["tables"]
        for name in (BAGS, INSTANCES):
            if tables[name] != sha256_of(folder / name):
                raise DataSetError(
                    f"{folder / name} has changed since {MANIFEST} was written; make the data set again"
                )
        return DataSet(pd.read_parquet(folder / BAGS), pd.read_parquet(folder / INSTANCES), manifest)
    except (OSError, ValueError, KeyError) as error:
        raise DataSetError(
            f"cannot read the data set {folder}: {error}; expected a folder made by 'python -m training data'"
        ) from error


def _checksum(table: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()).hexdigest()


def _renamed(values: Any, names: Mapping[str, str]) -> Any:
    """Plain JSON types, with texts replaced by their new names."""
    if isinstance(values, Mapping):
        return {key: _renamed(value, names) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_renamed(value, names) for value in values]
    return names.get(values, values) if isinstance(values, str) else values


def _check_columns(name: str, table: pd.DataFrame, columns: Mapping[str, str]) -> None:
    if list(table.columns) != list(columns):
        raise DataSetError(
            f"the columns of {name} are {', '.join(map(str, table.columns))}; expected {', '.join(columns)}"
        )
