"""Traits, covariates and labels of people, and designs of regressions.

:func:`mifm_kipoi.genetics.people_tables.read_people` reads them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.statistics.linear import Basis

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Trait:
    """A trait of people.

    Parameters
    ----------
    name : str
        As asked for.
    column : str
        Of the table.
    binary : bool
        Whether it has cases and controls.
    values : numpy.ndarray of float64, shape (n,)
        NaN where unknown; of a binary trait 1 for cases and 0 for controls.
    coding : str
        How the table writes a binary trait: ``0/1``, ``1/2`` or ``words``; empty for a quantitative one.
    """

    name: str
    column: str
    binary: bool
    values: Values
    coding: str = ""

    @property
    def known(self) -> Flags:
        """Whose trait is known; bool, shape (n,)."""
        return ~np.isnan(self.values)

    @property
    def cases(self) -> int:
        """People with the value 1 of a binary trait, 0 of a quantitative one."""
        return int((self.values == 1).sum()) if self.binary else 0

    def take(self, rows: Rows) -> Trait:
        """The trait of some people."""
        return dataclasses.replace(self, values=self.values[rows])


@dataclasses.dataclass(frozen=True)
class Covariate:
    """A covariate of people.

    Parameters
    ----------
    name : str
        As asked for.
    column : str
        Of the table.
    values : numpy.ndarray of float64, shape (n,)
        Of a continuous covariate; of a categorical one the index of the level. NaN where unknown.
    levels : tuple of str
        Of a categorical covariate, sorted; empty for a continuous one.
    """

    name: str
    column: str
    values: Values
    levels: tuple[str, ...] = ()

    @property
    def categorical(self) -> bool:
        """Whether it has levels."""
        return bool(self.levels)

    def take(self, rows: Rows) -> Covariate:
        """The covariate of some people; levels that none of them has stay known."""
        return dataclasses.replace(self, values=self.values[rows])


@dataclasses.dataclass(frozen=True)
class Design:
    """The matrix of a regression: an intercept and covariates.

    Parameters
    ----------
    matrix : numpy.ndarray of float64, shape (n, k)
        The first column is 1. Continuous covariates have mean 0 and standard deviation 1 among these people,
        which changes no fitted value and no effect of another variable; a categorical one has an indicator
        for each level but the most frequent.
    names : tuple of str
        Of the columns: ``intercept``, ``age``, ``centre=Leeds``.
    covariates : tuple of str
        The covariate of each column, ``intercept`` for the first.
    dropped : tuple of str
        What has no column among these people and why, in words.
    """

    matrix: Values
    names: tuple[str, ...]
    covariates: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Aligned:
    """People who have genotypes.

    Parameters
    ----------
    people : People
        In the order of the genotypes.
    samples : numpy.ndarray of int64, shape (n,)
        Row of each in the genotypes' samples.
    notes : tuple of str
        How many have no genotypes, and how many samples are in no table; empty where none.
    """

    people: People
    samples: Rows
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class People:
    """People with traits, covariates and labels; :func:`read_people` reads them.

    Parameters
    ----------
    ids : pandas.DataFrame
        ``family`` (``0`` where unknown) and ``sample``, a row for each person.
    traits : mapping of str to Trait
        By name.
    covariates : mapping of str to Covariate
        By name.
    labels : mapping of str to numpy.ndarray of object, shape (n,)
        Text by name of the label, such as an ancestry; empty where unknown.
    by_family : bool
        Whether family and sample together tell people apart.
    notes : tuple of str
        What was found or decided on reading, in words.
    """

    ids: pd.DataFrame
    traits: Mapping[str, Trait]
    covariates: Mapping[str, Covariate]
    labels: Mapping[str, npt.NDArray[np.object_]]
    by_family: bool
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Rows | Flags) -> People:
        """Some of the people, by 0-based rows or a mask."""
        some: Rows = np.arange(len(self))[rows]
        return dataclasses.replace(
            self,
            ids=self.ids.iloc[some].reset_index(drop=True),
            traits={name: trait.take(some) for name, trait in self.traits.items()},
            covariates={name: one.take(some) for name, one in self.covariates.items()},
            labels={name: values[some] for name, values in self.labels.items()},
        )

    def rows_of(self, ids: pd.DataFrame) -> Rows:
        """Rows of named people.

        Parameters
        ----------
        ids : pandas.DataFrame
            ``family`` and ``sample``; a family ``0`` or an empty one is unknown.

        Returns
        -------
        numpy.ndarray of int64, shape (len(ids),)
            -1 where the person is not here.

        Raises
        ------
        InputError
            When names do not tell the people of ``ids`` apart.
        """
        with_families = self.by_family and has_families(ids)
        for who, table in (("the tables", self.ids), ("the genotypes or scores", ids)):
            twice = repeated(table, with_families)
            if twice:
                raise InputError(
                    f"the sample {twice} occurs more than once in {who}; families (FID) that both have would "
                    "tell them apart"
                )
        known = pd.Index(keys_of(self.ids, with_families))
        return known.get_indexer(pd.Index(keys_of(ids, with_families))).astype(np.int64)

    def aligned(self, samples: pd.DataFrame) -> Aligned:
        """The people who are among the samples of genotypes, in their order.

        Parameters
        ----------
        samples : pandas.DataFrame
            ``family`` and ``sample``, as :attr:`Genotypes.samples` has them.

        Raises
        ------
        InputError
            When nobody is.
        """
        rows = self.rows_of(samples)
        present = np.flatnonzero(rows >= 0)
        if not len(present):
            hint = ""
            if self.by_family and has_families(samples):
                alone = int(samples["sample"].isin(set(self.ids["sample"])).sum())
                hint = f"; {alone:,} samples agree in name but not in family, so leave out FID" * bool(alone)
            raise InputError(
                f"none of the {len(samples):,} samples with genotypes, such as {example(samples)}, is among "
                f"the {len(self):,} people of the tables, such as {example(self.ids)}{hint}"
            )
        notes = []
        if len(present) < len(self):
            notes.append(f"{len(self) - len(present):,} of {len(self):,} people have no genotypes")
        if len(present) < len(samples):
            notes.append(
                f"{len(samples) - len(present):,} of {len(samples):,} samples with genotypes are in no table"
            )
        return Aligned(self.take(rows[present]), present.astype(np.int64), tuple(notes))

    def complete(self, covariates: Sequence[str] | None = None) -> Flags:
        """Whose covariates are all known; bool, shape (n,).

        Parameters
        ----------
        covariates : sequence of str, optional
            Names; by default all.
        """
        names = self.covariates if covariates is None else covariates
        known = np.ones(len(self), dtype=bool)
        for name in names:
            known &= ~np.isnan(self.covariates[name].values)
        return known

    def design(self, rows: Rows | Flags | None = None, covariates: Sequence[str] | None = None) -> Design:
        """The covariates of some people as a matrix of full rank.

        Parameters
        ----------
        rows : numpy.ndarray of int64 or bool, optional
            People, whose covariates are known (:meth:`complete`); by default all.
        covariates : sequence of str, optional
            Names; by default all, in their order.

        Returns
        -------
        Design
            Without levels that none of them has, covariates that are the same for all, and columns that are
            combinations of those before them.

        Raises
        ------
        InputError
            When a covariate of one of the people is unknown.
        """
        names = list(self.covariates) if covariates is None else list(covariates)
        size = len(self) if rows is None else (int(rows.sum()) if rows.dtype == bool else len(rows))
        columns: list[tuple[str, str, Values]] = []
        dropped: list[str] = []
        for name in names:
            one = self.covariates[name]
            values = one.values if rows is None else one.values[rows]
            if np.isnan(values).any():
                raise InputError(
                    f"the covariate {name} of {int(np.isnan(values).sum()):,} of {size:,} people is unknown; "
                    "choose those whose covariates are all known"
                )
            if not one.categorical:
                spread = values.std() if size else 0.0
                if spread <= 1e-12 * np.abs(values).max(initial=1e-300):
                    dropped.append(f"{name} (the same for all)")
                else:
                    columns.append((name, name, (values - values.mean()) / spread))
                continue
            codes = values.astype(np.int64)
            counts = np.bincount(codes, minlength=len(one.levels))
            present = np.flatnonzero(counts)
            if len(present) < 2:
                dropped.append(f"{name} (one level)")
                continue
            absent = [level for level, count in zip(one.levels, counts, strict=True) if not count]
            if absent:
                shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
                dropped.append(f"{name}={shown} (nobody)")
            reference = int(counts.argmax())
            columns += [
                (f"{name}={one.levels[level]}", name, (codes == level).astype(np.float64))
                for level in present
                if level != reference
            ]
        matrix = np.column_stack([np.ones(size), *(column for _, _, column in columns)])
        kept = np.zeros(matrix.shape[1], dtype=bool)
        kept[Basis.of(matrix).kept] = True
        titles = ["intercept", *(title for title, _, _ in columns)]
        sources = ["intercept", *(source for _, source, _ in columns)]
        dropped += [
            f"{title} (a combination of others)" for title, keep in zip(titles, kept, strict=True) if not keep
        ]
        return Design(
            matrix if kept.all() else np.ascontiguousarray(matrix[:, kept]),
            tuple(title for title, keep in zip(titles, kept, strict=True) if keep),
            tuple(source for source, keep in zip(sources, kept, strict=True) if keep),
            tuple(dropped),
        )


def has_families(ids: pd.DataFrame) -> bool:
    """Whether somebody has a family, of columns ``family`` and ``sample``."""
    return bool(len(ids)) and bool((~ids["family"].isin(["0", ""])).any())


def keys_of(ids: pd.DataFrame, by_family: bool) -> npt.NDArray[np.object_]:
    """One text a person, shape (n,): the name, with that of the family in front where families count."""
    sample = ids["sample"].to_numpy(dtype=object)
    # No name of a person or a family has a tab.
    return ids["family"].to_numpy(dtype=object) + "\t" + sample if by_family else sample


def repeated(ids: pd.DataFrame, by_family: bool) -> str:
    """Someone who occurs more than once, or nothing."""
    repeated = ids.duplicated(["family", "sample"] if by_family else ["sample"]).to_numpy()
    return str(ids["sample"].iloc[int(repeated.argmax())]) if repeated.any() else ""


def example(ids: pd.DataFrame) -> str:
    """The first person's name, for a message."""
    return str(ids["sample"].iloc[0]) if len(ids) else "nobody"
