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

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OutputError
from mifm_kipoi.genetics.associations import order_of
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.network.training_sets import TrainingSet
from mifm_kipoi.statistics.normal import log_p_of_z
from mifm_kipoi.support import read_back
from mifm_kipoi.support.files import sha256_of, written_whole

BAGS = "bags.parquet"
INSTANCES = "instances.parquet"
STUDIES = "studies.parquet"
EVIDENCE = "evidence.parquet"
FILES = (BAGS, INSTANCES, STUDIES, EVIDENCE)
"""The tables of a data set, in its folder."""

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
studies that were united (0 for negative bags)."""

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
approximate Bayes factor for an effect. Numbers are NaN where unknown. Of a variant that several studies of
the bag have, the statistics are those of the study with the lowest p-value, and the PIP is the highest."""

STUDY_COLUMNS = {"bag": "int64", "study": "str", "size": "int64", "weight": "float32"}
"""One row per positive bag and study that has variants of it, ordered by ``bag``: names and pandas types of
the columns. ``size`` is the number of the study's variants in the bag; ``weight`` is such that a signal which
several studies see counts once, see :func:`training.data.evidence.study_weights`."""

EVIDENCE_COLUMNS = {
    "study": "int64",
    "instance": "int64",
    "log_p": "float32",
    "z": "float32",
    "log_bf": "float32",
    "pip": "float32",
}
"""One row per variant of a study in a bag, with the study's own statistics: names and pandas types of the
columns. ``study`` and ``instance`` are rows of these tables, from 0; ``log_p`` is the natural logarithm of
the p-value; ``z``, ``log_bf`` and ``pip`` are as in :data:`INSTANCE_COLUMNS`. Rows are ordered by study, then
rising ``log_p`` (then falling |z|, then instance; those without a p-value come last): the first row of a
study is its lead variant."""


class Split(enum.StrEnum):
    """The part of the data set that a bag belongs to."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class DataSetError(InputError):
    """A data set that cannot be read, is inconsistent, or lacks what is needed of it."""


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Bags of variants, the evidence that each study has of them, and how they were made.

    Parameters
    ----------
    bags : pandas.DataFrame
        One row per bag, with :data:`BAG_COLUMNS`.
    instances : pandas.DataFrame
        One row per variant of a bag, with :data:`INSTANCE_COLUMNS`.
    studies : pandas.DataFrame
        One row per study of a positive bag, with :data:`STUDY_COLUMNS`.
    evidence : pandas.DataFrame
        One row per variant of a study in a bag, with :data:`EVIDENCE_COLUMNS`.
    manifest : mapping of plain JSON types
        How the data set was made: version, configuration, checksums of the inputs, counts.

    Raises
    ------
    DataSetError
        When columns are missing, bags are not numbered from 0 in order, sizes differ from the instances, a
        positive bag has no study, or a study has evidence of another bag's instances.
    """

    bags: pd.DataFrame
    instances: pd.DataFrame
    studies: pd.DataFrame
    evidence: pd.DataFrame
    manifest: Mapping[str, Any]

    @classmethod
    def of_united(cls, bags: pd.DataFrame, instances: pd.DataFrame, manifest: Mapping[str, Any]) -> DataSet:
        """A data set in which each positive bag has one study, whose statistics are those of its instances.

        Parameters
        ----------
        bags, instances, manifest
            As of :class:`DataSet`.
        """
        positive = bags[bags["label"] == 1]
        studies = pd.DataFrame(
            {
                "bag": positive["bag"].to_numpy(np.int64),
                "study": "united",
                "size": positive["size"].to_numpy(np.int64),
                "weight": np.float32(1),
            }
        )
        rows = np.flatnonzero(instances["bag"].isin(positive["bag"]).to_numpy())
        of_positives = instances.iloc[rows]
        study = np.searchsorted(studies["bag"], of_positives["bag"])
        log_p = _log_p(of_positives)
        order = order_of(log_p, of_positives["z"])
        order = order[np.argsort(study[order], kind="stable")]
        evidence = pd.DataFrame(
            {
                "study": study[order],
                "instance": rows[order],
                "log_p": log_p[order],
                **{name: of_positives[name].to_numpy()[order] for name in ("z", "log_bf", "pip")},
            }
        )
        return cls(
            bags, instances, studies.astype(STUDY_COLUMNS), evidence.astype(EVIDENCE_COLUMNS), manifest
        )

    def __post_init__(self) -> None:
        _check_columns("bags", self.bags, BAG_COLUMNS)
        _check_columns("instances", self.instances, INSTANCE_COLUMNS)
        _check_columns("studies", self.studies, STUDY_COLUMNS)
        _check_columns("evidence", self.evidence, EVIDENCE_COLUMNS)
        bag = self.instances["bag"].to_numpy()
        if not np.array_equal(self.bags["bag"], np.arange(len(self.bags))) or (np.diff(bag) < 0).any():
            raise DataSetError("bags are not numbered from 0 in the order of their rows")
        if not _are_counts(self.bags["size"], bag):
            raise DataSetError("the sizes of the bags differ from their instances")
        self._check_studies(bag)

    def _check_studies(self, bag_of_instance: npt.NDArray[np.int64]) -> None:
        bag, study = self.studies["bag"].to_numpy(), self.evidence["study"].to_numpy()
        positive = np.flatnonzero(self.bags["label"] == 1)
        if (np.diff(bag) < 0).any() or not np.array_equal(np.unique(bag), positive):
            raise DataSetError("studies are not those of all positive bags, in the order of the bags")
        if (np.diff(study) < 0).any() or not _are_counts(self.studies["size"], study):
            raise DataSetError("the sizes of the studies differ from their evidence, or it is not in order")
        instance = self.evidence["instance"].to_numpy()
        within = (instance >= 0) & (instance < len(bag_of_instance))
        if not within.all() or not np.array_equal(bag_of_instance[instance], bag[study]):
            raise DataSetError("a study has evidence of instances that are not in its bag")

    def part(self, split: Split) -> DataSet:
        """The bags of one split, renumbered from 0."""
        chosen = (self.bags["split"] == split.value).to_numpy()
        return self.of_instances(chosen[self.instances["bag"].to_numpy()])

    def of_instances(self, kept: npt.NDArray[np.bool_]) -> DataSet:
        """The data set with some of the instances only, renumbered.

        Bags and studies without instances are left out. The weights of studies stay.

        Parameters
        ----------
        kept : numpy.ndarray of bool, shape (number of instances,)
            Which instances stay.
        """
        bag = self.instances["bag"].to_numpy()
        size = np.bincount(bag[kept], minlength=len(self.bags))
        with_evidence = kept[self.evidence["instance"].to_numpy()]
        study = self.evidence["study"].to_numpy()
        study_size = np.bincount(study[with_evidence], minlength=len(self.studies))
        evidence = self.evidence[with_evidence].reset_index(drop=True)
        studies = self.studies[study_size > 0].reset_index(drop=True)
        bags, instances = self.bags[size > 0].reset_index(drop=True), self.instances[kept]
        instances = instances.reset_index(drop=True)
        new_bag, new_study, new_instance = map(_numbers, (size > 0, study_size > 0, kept))
        return DataSet(
            bags.assign(bag=np.arange(len(bags)), size=size[size > 0]),
            instances.assign(bag=new_bag[instances["bag"].to_numpy()]),
            studies.assign(bag=new_bag[studies["bag"].to_numpy()], size=study_size[study_size > 0]),
            evidence.assign(
                study=new_study[evidence["study"].to_numpy()],
                instance=new_instance[evidence["instance"].to_numpy()],
            ),
            self.manifest,
        )

    def checksums(self) -> dict[str, str]:
        """SHA-256 checksums of the values of the four tables, whatever the files' compression."""
        return {
            "bags": _checksum(self.bags),
            "instances": _checksum(self.instances),
            "studies": _checksum(self.studies),
            "evidence": _checksum(self.evidence),
        }

    def counts(self) -> dict[str, dict[str, int]]:
        """The numbers of bags, of their instances, and of studies, for each split that has bags.

        A study counts once in each positive bag that it has evidence of.
        """
        counts = {}
        studies = np.bincount(self.studies["bag"].to_numpy(), minlength=len(self.bags))
        for split in Split:
            bags = self.bags[self.bags["split"] == split.value]
            positive = bags["label"] == 1
            if len(bags):
                counts[split.value] = {
                    "positive_bags": int(positive.sum()),
                    "negative_bags": int((~positive).sum()),
                    "positive_instances": int(bags["size"][positive].sum()),
                    "negative_instances": int(bags["size"][~positive].sum()),
                    "studies_of_bags": int(studies[bags["bag"].to_numpy()].sum()),
                }
        return counts

    def training_set(self) -> TrainingSet:
        """What weights that are fitted to it know: chromosomes and studies, and the tables they are of."""
        contigs = {
            split: tuple(sorted(set(contig_keys(self.bags["chrom"][self.bags["split"] == split.value]))))
            for split in (Split.TRAIN, Split.VALIDATION)
        }
        learnt = self.bags["bag"][self.bags["split"] != Split.TEST.value]
        studies = self.studies["study"][self.studies["bag"].isin(learnt)]
        data = self.manifest.get("configuration", {}).get("data", {})
        sources = [data.get(name) or {} for name in ("credible_sets", "summary_statistics")]
        paths = {source["path"] for source in sources if "path" in source}
        return TrainingSet(
            contigs[Split.TRAIN],
            contigs[Split.VALIDATION],
            studies=tuple(sorted(set(map(str, studies)))),
            tables=tuple(
                (Path(entry["path"]).name, str(entry["sha256"]))
                for entry in self.manifest.get("inputs", ())
                if entry["path"] in paths
            ),
        )

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
        Its manifest also gets the checksums of the four files.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    check_replaced(folder)
    (folder / MANIFEST).unlink(missing_ok=True)
    contents = (dataset.bags, dataset.instances, dataset.studies, dataset.evidence)
    for name, table in zip(FILES, contents, strict=True):
        with written_whole(folder / name, functools.partial(read_back.parquet, rows=len(table))) as path:
            table.to_parquet(path, index=False)
    tables = {name: sha256_of(folder / name) for name in FILES}
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
        if absent := [name for name in FILES if name not in tables]:
            raise DataSetError(
                f"{folder} has no {', '.join(absent)}: an older version made it, which did not keep studies "
                "apart; make the data set again with 'python -m training data'"
            )
        for name in FILES:
            if tables[name] != sha256_of(folder / name):
                raise DataSetError(
                    f"{folder / name} has changed since {MANIFEST} was written; make the data set again"
                )
        bags, instances, studies, evidence = (pd.read_parquet(folder / name) for name in FILES)
        return DataSet(bags, instances, studies, evidence, manifest)
    except DataSetError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise DataSetError(
            f"cannot read the data set {folder}: {error}; expected a folder made by 'python -m training data'"
        ) from error


def _are_counts(sizes: pd.Series[int], codes: npt.NDArray[np.int64]) -> bool:
    """Whether sizes are how often each number from 0 occurs."""
    if len(codes) and not 0 <= codes.min() <= codes.max() < len(sizes):
        return False
    return np.array_equal(sizes, np.bincount(codes, minlength=len(sizes)))


def _numbers(kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The new numbers of what is kept, by the old ones."""
    return np.cumsum(kept, dtype=np.int64) - 1


def _log_p(instances: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Log p; of p-values that are too small for a number that of z, else minus infinity."""
    p_value, z = instances["p_value"].to_numpy(), instances["z"].to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = np.log(p_value)
    known = (p_value == 0) & ~np.isnan(z)
    if known.any():
        log_p[known] = log_p_of_z(z[known])
    return np.asarray(log_p)


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
