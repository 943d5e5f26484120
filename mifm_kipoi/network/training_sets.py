"""What weights were trained on, by their provenance: chromosomes and studies whose associations they know.

A score that was learnt from the associations of a locus is no independent evidence on the same locus. Weights
that training makes note in their provenance, under :data:`KEY`, which chromosomes and studies they have seen;
students have the sets of their teachers, fine-tuned weights those that they began with. Of older weights the
configuration of their data set says which chromosomes were held out, and of others nothing is known.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mifm_kipoi.genomics.contigs import contig_key

if TYPE_CHECKING:
    from mifm_kipoi.network.weights import Weights

KEY = "trained_on"
"""Entry of a provenance: a list, one mapping a set, as of :meth:`TrainingSet.to_dict`."""

_FILE_ENDINGS = (
    "gz", "bgz", "bgzip", "zst", "tsv", "txt", "csv", "parquet", "vcf", "bcf", "sumstats", "stats", "assoc",
    "linear", "logistic", "glm", "hybrid", "firth", "regenie", "bolt", "saige", "fastgwa", "ma", "h", "f",
    "mlma", "tab",
)  # fmt: skip
"""Of tables of GWAS."""

_PUBLISHED_SOURCE = "GWAS of CAUSALdb2, of which no chromosome can be shown to be held out"


class Seen(enum.StrEnum):
    """What weights have seen of a locus, from nothing to its own labels."""

    NO = "no"
    """Its chromosome was held out."""

    VALIDATION = "validation"
    """Its chromosome chose the epoch that was kept."""

    UNKNOWN = "unknown"
    """It is not known what the weights were trained on."""

    CHROMOSOME = "chromosome"
    """They were trained on its chromosome, by other studies."""

    STUDY = "study"
    """They were trained on its chromosome, by this study too."""


_ORDER = tuple(Seen)


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """Bags that some weights were trained on.

    Parameters
    ----------
    train, validation : tuple of str, optional
        Keys of the contigs (:func:`mifm_kipoi.genomics.contigs.contig_key`) with bags of either split; None
        where it is not known.
    held_out : tuple of str
        Where those are not known: contigs that are known to have been held out.
    studies : tuple of str, optional
        Names of the studies; None where they are not known.
    tables : tuple of (str, str)
        Names and sha256 of the tables of associations.
    source : str
        What is known besides, in words.
    """

    train: tuple[str, ...] | None = None
    validation: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    studies: tuple[str, ...] | None = None
    tables: tuple[tuple[str, str], ...] = ()
    source: str = ""

    def seen(self, study: str, chrom: str, sha256: str = "") -> Seen:
        """What was seen of the loci of a study on a chromosome.

        Parameters
        ----------
        study : str
            Its name. Names of files count as the same without their endings.
        chrom : str
            By any name.
        sha256 : str
            Of its table; a table that was trained on is the same study, whatever its name.
        """
        contig = contig_key(chrom)
        if self.train is None:
            if contig in self.held_out:
                return Seen.NO
            return Seen.VALIDATION if contig in self.validation else Seen.UNKNOWN
        if contig in self.train:
            same = sha256 and sha256 in {each for _, each in self.tables}
            named = _stem(study) in set(map(_stem, self.studies or ()))
            return Seen.STUDY if same or named else Seen.CHROMOSOME
        return Seen.VALIDATION if contig in self.validation else Seen.NO

    def to_dict(self) -> dict[str, Any]:
        """The set as plain JSON types."""
        return {
            "train": None if self.train is None else list(self.train),
            "validation": list(self.validation),
            "held_out": list(self.held_out),
            "studies": None if self.studies is None else list(self.studies),
            "tables": [{"name": name, "sha256": sha256} for name, sha256 in self.tables],
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingSet:
        """The set from plain JSON types.

        Raises
        ------
        ValueError
            When they are not those of a set.
        """
        try:
            return cls(
                None if values["train"] is None else tuple(map(str, values["train"])),
                tuple(map(str, values["validation"])),
                tuple(map(str, values["held_out"])),
                None if values["studies"] is None else tuple(map(str, values["studies"])),
                tuple((str(table["name"]), str(table["sha256"])) for table in values["tables"]),
                str(values["source"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{values!r} is not a training set: {error}") from error


def most_seen(kinds: Sequence[Seen]) -> Seen:
    """What speaks most against independence; :attr:`Seen.NO` of nothing."""
    return max(kinds, key=_ORDER.index, default=Seen.NO)


def training_sets(weights: Weights) -> tuple[TrainingSet, ...]:
    """What weights were trained on, by their provenance; of each teacher and of each start as well.

    Parameters
    ----------
    weights : Weights
        Any; nothing but their provenance is read.
    """
    return training_sets_of(weights.provenance)


def training_sets_of(provenance: Mapping[str, Any]) -> tuple[TrainingSet, ...]:
    """What weights of a provenance were trained on: one set at least, which may know nothing.

    Parameters
    ----------
    provenance : mapping of plain JSON types
        As :class:`mifm_kipoi.network.weights.Weights` have it.
    """
    if isinstance(noted := provenance.get(KEY), list) and noted:
        return tuple(map(TrainingSet.from_dict, noted))
    source = provenance.get("source") or provenance.get("teacher", {})
    if isinstance(source, Mapping) and ("citation" in source or source.get("name") == "published"):
        return (TrainingSet(source=_PUBLISHED_SOURCE),)
    return (_of_manifest(provenance.get("data_set", {})),)


def _of_manifest(data_set: Mapping[str, Any]) -> TrainingSet:
    """What the configuration of an older data set says: whole contigs that were held out."""
    try:
        data = data_set["manifest"]["configuration"]["data"]
        splits = data["splits"]
        # Regions are parts of a contig of which the rest was trained on.
        test, validation = (
            tuple(contig_key(name) for name in map(str, splits[split]) if ":" not in name)
            for split in ("test", "validation")
        )
        inputs = data_set["manifest"].get("inputs", ())
        tables = tuple((str(each["path"]), str(each["sha256"])) for each in inputs)
    except (KeyError, TypeError):
        return TrainingSet()
    return TrainingSet(None, validation, test, None, tables)


def _stem(name: str) -> str:
    """A study's name without the endings of a file, in one case; other dots are part of it."""
    stem = name.strip().casefold()
    while (parts := stem.rpartition("."))[0] and parts[2] in _FILE_ENDINGS:
        stem = parts[0]
    return stem
