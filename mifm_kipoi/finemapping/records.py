"""What ``mifm finemap`` hands on: its tables, their columns, and the loci that they are made of.

All tables are tab-separated with a header; an unknown number or text is an empty field. A locus is named by
its study and its own name together. What is written of a locus is a :class:`LocusResult`; a finished folder
is read back by :func:`read_tables`, and the variants of one locus after the other by :func:`loci_of`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.row_variants import texts_of
from mifm_kipoi.genomics.tables import TableFile

VARIANTS, SETS, LOCI, PRIOR = "variants.tsv.gz", "credible_sets.tsv", "loci.tsv", "prior.tsv"
"""Files of the tables."""

MANIFEST = "finemap.json"
"""What made them; written last, so that a folder without it is not complete."""

FLAT, SCORE = "flat", "score"
"""Priors of credible sets: every variant of a locus alike, or by scores and annotations."""

FINE_MAPPED, REFUSED, EMPTY = "fine-mapped", "refused", "empty"
"""Statuses of loci. Only those that are fine-mapped have rows in the other tables."""


class Method(enum.StrEnum):
    """How a locus is fine-mapped."""

    INDIVIDUAL = "susie, people"
    """Several effects, from genotypes and the trait of the same people (sufficient statistics)."""

    SUMMARY = "susie, z and R"
    """Several effects, from z-scores and the LD of the sample that they are of."""

    ONE_EFFECT = "one effect"
    """One effect: Bayes factors alone, as where LD is of other people, or not known."""


ANNOTATION = "annotation:"
"""Begins the names of columns of ``variants.tsv.gz`` that hold annotations."""

VARIANT_TYPES: Mapping[str, str] = {
    "study": "str",
    "locus": "str",
    "chrom": "str",
    "pos": "int64",
    "id": "str",
    "ref": "str",
    "alt": "str",
    "beta": "float64",
    "standard_error": "float64",
    "z": "float64",
    "p_value": "float64",
    "neg_log10_p": "float64",
    "frequency": "float64",
    "sample_size": "float64",
    "r2": "float64",
    "outlier": "str",
    "score": "float64",
    "prior": "float64",
    "pip_flat": "float64",
    "pip": "float64",
    "set_flat": "int64",
    "set": "int64",
}
"""Columns of ``variants.tsv.gz`` and their pandas types: one row a variant of a fine-mapped locus, by
position.

``pos`` is 1-based. ``beta``, ``z`` and ``frequency`` are of ``alt``; where the study does not say which
allele is REF, ``alt`` is its effect allele. ``r2`` is the squared correlation with the variant of the lowest
p-value, ``outlier`` says what LD speaks against the variant's z, and is empty where nothing does. ``score``
is as in its table, ``prior`` what was made of it and of annotations (columns :data:`ANNOTATION` + name,
behind the others), with a sum of 1 in a locus. ``pip_flat`` and ``set_flat`` are those of the flat prior; a
set is 0 for a variant in none, else its number in the locus."""

SET_TYPES: Mapping[str, str] = {
    "study": "str",
    "locus": "str",
    "prior": "str",
    "set": "int64",
    "chrom": "str",
    "start": "int64",
    "end": "int64",
    "size": "int64",
    "coverage": "float64",
    "min_abs_corr": "float64",
    "mean_abs_corr": "float64",
    "median_abs_corr": "float64",
    "log10_bf": "float64",
    "lead": "str",
    "lead_pip": "float64",
    "members": "str",
}
"""Columns of ``credible_sets.tsv``: one row a set and prior (:data:`FLAT` or :data:`SCORE`).

``start`` and ``end`` are the first and last position (1-based), ``coverage`` what the set holds of its
effect's probability; correlations are NaN without LD. ``lead`` is the member of the highest PIP, and
``members`` are all, by falling probability and separated by commas, as ``chrom:pos:ref:alt``."""

LOCUS_TYPES: Mapping[str, str] = {
    "study": "str",
    "locus": "str",
    "chrom": "str",
    "start": "int64",
    "end": "int64",
    "status": "str",
    "reason": "str",
    "method": "str",
    "variants_in_study": "int64",
    "variants": "int64",
    "scored": "int64",
    "n": "float64",
    "lead": "str",
    "lead_neg_log10_p": "float64",
    "lambda": "float64",
    "flipped": "int64",
    "outliers": "int64",
    "suspicious": "str",
    "seen": "str",
    "converged": "str",
    "sets_flat": "int64",
    "sets": "int64",
    "causal_flat": "float64",
    "causal": "float64",
    "top": "str",
    "top_pip": "float64",
    "prior_gain": "float64",
}
"""Columns of ``loci.tsv``: one row a locus of a study, also those that are not fine-mapped.

``start`` and ``end`` are the locus' own (1-based, both inside). ``reason`` says why a locus is not
fine-mapped, or what was done otherwise than asked for. ``variants_in_study`` are those of the study there,
``variants`` those that are fine-mapped. ``lambda`` is the fraction of z that its LD cannot explain,
``flipped`` and ``outliers`` count variants whose z contradicts their neighbours', ``suspicious`` says what
speaks against a locus as a whole. ``seen`` is what the scores of the prior know of the locus
(:class:`mifm_kipoi.network.training_sets.Seen`). ``causal`` is the sum of PIPs, ``top`` the variant of the
highest one. ``prior_gain`` is the log-likelihood of the locus' strongest effect with the prior less that of
the flat one, in nats."""

PRIOR_TYPES: Mapping[str, str] = {
    "study": "str",
    "chrom": "str",
    "feature": "str",
    "coefficient": "float64",
    "signals": "int64",
    "gain": "float64",
    "held_out_gain": "float64",
    "reason": "str",
}
"""Columns of ``prior.tsv``: one row a feature and chromosome whose loci get the prior, fitted to all others.

``study`` is :data:`ALL` where studies share a prior, and so is ``chrom`` of the fit to all chromosomes. The
feature ``null`` is the fraction of signals of which features say nothing. ``signals`` are those it was fitted
to, ``gain`` is the mean log-likelihood of one of them less that of the flat prior, in nats, ``held_out_gain``
the same of signals on chromosomes that were left out, and ``reason`` says why a prior is flat
(:mod:`mifm_kipoi.finemapping.prior_weights`)."""

ALL = "all"
"""Of studies that share a prior, and of the fit to all chromosomes."""


@dataclasses.dataclass(frozen=True)
class LocusResult:
    """A locus of a study.

    Parameters
    ----------
    record : dict of str to object
        Its row of ``loci.tsv``, by :data:`LOCUS_TYPES`.
    variants : pandas.DataFrame
        Its rows of ``variants.tsv.gz``; none where it is not fine-mapped.
    sets : pandas.DataFrame
        Its rows of ``credible_sets.tsv``.
    """

    record: dict[str, object]
    variants: pd.DataFrame
    sets: pd.DataFrame

    @property
    def study(self) -> str:
        """Of the locus."""
        return str(self.record["study"])

    @property
    def locus(self) -> str:
        """Its name within the study."""
        return str(self.record["locus"])

    @property
    def is_fine_mapped(self) -> bool:
        """Whether it has PIPs."""
        return self.record["status"] == FINE_MAPPED


@dataclasses.dataclass(frozen=True)
class Tables:
    """The tables of a finished folder but for the variants, which may be many (:func:`loci_of`).

    Parameters
    ----------
    loci, sets, prior : pandas.DataFrame
        With the columns :data:`LOCUS_TYPES`, :data:`SET_TYPES` and :data:`PRIOR_TYPES`.
    """

    loci: pd.DataFrame
    sets: pd.DataFrame
    prior: pd.DataFrame


def typed(table: pd.DataFrame, types: Mapping[str, str]) -> pd.DataFrame:
    """A table with the columns of its kind in their order and types, and any further ones behind them.

    Parameters
    ----------
    table : pandas.DataFrame
        It has all of these columns.
    types : mapping of str to str
        Such as :data:`VARIANT_TYPES`.
    """
    further = [name for name in table.columns if name not in types]
    return table[[*types, *further]].astype(dict(types))


def empty(types: Mapping[str, str]) -> pd.DataFrame:
    """A table of a kind without rows."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def read_table(path: Path, types: Mapping[str, str]) -> Iterator[pd.DataFrame]:
    """Read a table that ``mifm finemap`` wrote, some rows at a time.

    Parameters
    ----------
    path : Path
        The table.
    types : mapping of str to str
        Of its columns; further ones are numbers.

    Yields
    ------
    pandas.DataFrame

    Raises
    ------
    InputError
        When it cannot be read or lacks a column.
    """
    file = TableFile.of(path)
    lacking = [name for name in types if name not in file.columns]
    if lacking:
        raise InputError(f"{path} has no column {', '.join(lacking)}; expected a table of 'mifm finemap'")
    names = [*types, *(name for name in file.columns if name not in types)]
    for batch in file.batches(names):
        columns = {
            name: texts_of(batch, name) if types.get(name) == "str" else batch.numbers(name) for name in names
        }
        frame = pd.DataFrame(columns)
        yield typed(frame, types)


def read_tables(folder: Path) -> Tables:
    """Read the tables of a finished folder.

    Parameters
    ----------
    folder : Path
        What ``mifm finemap`` wrote.

    Raises
    ------
    InputError
        When one is missing or cannot be read.
    """
    return Tables(
        *(
            _whole(folder / name, types)
            for name, types in ((LOCI, LOCUS_TYPES), (SETS, SET_TYPES), (PRIOR, PRIOR_TYPES))
        )
    )


def loci_of(folder: Path) -> Iterator[LocusResult]:
    """Read the loci of a finished folder, in the order of ``loci.tsv``, one at a time.

    Parameters
    ----------
    folder : Path
        What ``mifm finemap`` wrote.

    Raises
    ------
    InputError
        When a table is missing, cannot be read, or does not belong to the others.
    """
    tables = read_tables(folder)
    runs = _runs(read_table(folder / VARIANTS, VARIANT_TYPES))
    held = next(runs, None)
    sets = {
        key: own.reset_index(drop=True) for key, own in tables.sets.groupby(["study", "locus"], sort=False)
    }
    no_rows, no_sets = empty(VARIANT_TYPES), empty(SET_TYPES)
    for record in tables.loci.to_dict("records"):
        key = (str(record["study"]), str(record["locus"]))
        variants, expected = no_rows, 0
        if record["status"] == FINE_MAPPED:
            expected = record["variants"]
            if held is not None and held[0] == key:
                variants, held = held[1], next(runs, None)
        if len(variants) != expected:
            raise InputError(
                f"{folder / VARIANTS} has {len(variants):,} variants of the locus {' '.join(key)}; expected "
                f"{expected:,}, as {LOCI} says"
            )
        own = {str(name): value for name, value in record.items()}
        yield LocusResult(own, variants, sets.get(key, no_sets))


def _runs(parts: Iterator[pd.DataFrame]) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Rows that follow each other and are of the same study and locus, with these."""
    key = ("", "")
    waiting: list[pd.DataFrame] = []
    for part in parts:
        study, locus = part["study"].to_numpy(object), part["locus"].to_numpy(object)
        new = (study[1:] != study[:-1]) | (locus[1:] != locus[:-1])
        starts = [0, *(np.flatnonzero(new) + 1).tolist()] if len(part) else []
        for start, end in zip(starts, [*starts[1:], len(part)], strict=False):
            own = (str(study[start]), str(locus[start]))
            if waiting and own != key:
                yield key, pd.concat(waiting, ignore_index=True)
                waiting = []
            key = own
            waiting.append(part.iloc[start:end])
    if waiting:
        yield key, pd.concat(waiting, ignore_index=True)


def _whole(path: Path, types: Mapping[str, str]) -> pd.DataFrame:
    parts = list(read_table(path, types))
    return pd.concat(parts, ignore_index=True) if parts else empty(types)
