"""People, their scores, and the groups in which scores are evaluated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.people import People, Trait
from mifm_kipoi.genetics.people_tables import PeopleTable
from mifm_kipoi.polygenic.evaluation.methods import Score, Scores

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

EVERYONE = "all"
"""The name of the group where no label tells ancestries apart."""

_SCORE_BYTES = 1 << 31
"""Bytes of scores in memory together, beyond those of one trait: 2 GiB."""


@dataclasses.dataclass(frozen=True)
class Cohort:
    """People with scores.

    Parameters
    ----------
    people : People
        Those who have a row in every table of scores.
    rows : tuple of numpy.ndarray of int64
        Of each table of scores: the person of each of its rows, -1 for rows that do not count.
    tables : tuple of Path
        The tables of scores.
    notes : tuple of str
        Who is left out, in words.
    """

    people: People
    rows: tuple[Rows, ...]
    tables: tuple[Path, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, people: People, tables: Sequence[Path]) -> Cohort:
        """The people who are in all tables of scores.

        Raises
        ------
        InputError
            When a table cannot be read, has a person twice, or nobody has scores.
        """
        everyone = np.ones(len(people), dtype=bool)
        found, notes = [], []
        for path in tables:
            ids = pd.concat([who for who, _ in PeopleTable.of(path).batches([])], ignore_index=True)
            repeated = ids.duplicated(["family", "sample"]).to_numpy()
            if repeated.any():
                twice = ids["sample"].iloc[int(repeated.argmax())]
                raise InputError(f"{path} has {twice} more than once; expected a row for each person")
            rows = people.rows_of(ids)
            known = np.bincount(rows[rows >= 0], minlength=len(people)) > 0
            if not known.any():
                raise InputError(
                    f"none of the {len(ids):,} people of {path}, such as {ids['sample'].iloc[0]}, is among "
                    f"the {len(people):,} people of the other tables, such as {people.ids['sample'].iloc[0]}"
                )
            if (rows < 0).any():
                notes.append(
                    f"{int((rows < 0).sum()):,} of {len(ids):,} people of {path} are in no other table"
                )
            everyone &= known
            found.append(rows)
        if not everyone.any():
            raise InputError(f"nobody is in all of {', '.join(map(str, tables))}")
        if not everyone.all():
            notes.append(f"{int((~everyone).sum()):,} of {len(people):,} people have no scores")
        place = np.full(len(people) + 1, -1, dtype=np.int64)
        place[:-1][everyone] = np.arange(everyone.sum())
        return cls(people.take(everyone), tuple(place[rows] for rows in found), tuple(tables), tuple(notes))

    def read(self, scores: Scores, names: Sequence[str]) -> dict[str, Values]:
        """Some scores of everyone, float64, shape (people,); NaN where unknown.

        Raises
        ------
        InputError
            When a table cannot be read, or a score is not a number.
        """
        values = {name: np.full(len(self.people), np.nan) for name in names}
        for number, path in enumerate(self.tables):
            columns = [name for name in names if scores.table[name] == number]
            if not columns:
                continue
            done = 0
            for who, batch in PeopleTable.of(path).batches(columns):
                rows = self.rows[number][done : done + len(who)]
                done += len(who)
                for name in columns:
                    values[name][rows[rows >= 0]] = batch.finite(name)[rows >= 0]
        return values

    def by_trait(
        self, scores: Scores, traits: Sequence[str], on_progress: Callable[[str], None]
    ) -> Iterator[tuple[str, list[Score], dict[str, Values]]]:
        """The scores of one trait after another; the tables are read as seldom as memory allows.

        Yields
        ------
        trait : str
        scores : list of Score
        values : dict of str to numpy.ndarray of float64, shape (people,)
            By the name of the score.
        """
        group: list[str] = []
        names: list[str] = []
        groups = []
        for trait in traits:
            wanted = [score.name for score in scores.of_trait(trait)]
            together = list(dict.fromkeys([*names, *wanted]))
            if group and len(together) * len(self.people) * 8 > _SCORE_BYTES:
                groups.append((group, names))
                group, together = [], wanted
            group, names = [*group, trait], together
        groups.append((group, names))
        for number, (some, columns) in enumerate(groups, 1):
            values = self.read(scores, columns)
            part = f" (part {number} of {len(groups)})" if len(groups) > 1 else ""
            on_progress(f"read {len(columns):,} scores of {len(self.people):,} people{part}")
            for trait in some:
                own = scores.of_trait(trait)
                yield trait, own, {score.name: values[score.name] for score in own}


@dataclasses.dataclass(frozen=True)
class Group:
    """People in whom a trait is evaluated.

    Parameters
    ----------
    trait : Trait
        Of all people of the cohort.
    ancestry : str
        The group's name.
    rows : numpy.ndarray of int64
        Those whose trait and covariates are known.
    without_trait, without_covariates : int
        People of that ancestry whose trait is unknown, and whose covariates are.
    reason : str
        Why scores are not evaluated here, in words; empty where they are.
    """

    trait: Trait
    ancestry: str
    rows: Rows
    without_trait: int
    without_covariates: int
    reason: str = ""

    @property
    def cases(self) -> int:
        """People with a binary trait."""
        return int((self.trait.values[self.rows] == 1).sum()) if self.trait.binary else 0


def ancestries_of(people: People, label: str, wanted: Sequence[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """Which people are of each ancestry, bool, shape (people,), by name.

    Parameters
    ----------
    people : People
    label : str
        Name of the label; empty where there is one group.
    wanted : sequence of str
        Ancestries, in their order; by default all, sorted.

    Raises
    ------
    OptionError
        When nobody has a wanted ancestry.
    """
    if not label:
        if wanted:
            raise OptionError("ancestries are named, and no column of ancestries; name it, too")
        return {EVERYONE: np.ones(len(people), dtype=bool)}
    values = people.labels[label]
    present = sorted(set(values.tolist()) - {""})
    if not present:
        raise InputError(f"the label {label} is unknown for everyone who has scores")
    strange = [name for name in wanted if name not in present]
    if strange:
        raise OptionError(
            f"nobody who has scores has {label} {strange[0]!r}; it is one of {', '.join(present[:20])}"
        )
    return {name: np.asarray(values == name, dtype=bool) for name in wanted or present}


def groups_of(
    people: People,
    trait: Trait,
    ancestries: Mapping[str, npt.NDArray[np.bool_]],
    min_people: int,
    min_cases: int,
) -> list[Group]:
    """The groups of one trait, with the reason of each that is too small.

    Parameters
    ----------
    people : People
    trait : Trait
        Of these people.
    ancestries : mapping of str to numpy.ndarray of bool
        See :func:`ancestries_of`.
    min_people : int
        Fewest people of a group.
    min_cases : int
        Fewest cases, and fewest controls, of a binary trait.
    """
    complete = people.complete()
    groups = []
    for name, member in ancestries.items():
        rows = np.flatnonzero(member & trait.known & complete)
        values = trait.values[rows]
        reason = ""
        if len(rows) < min_people:
            reason = f"{len(rows):,} people, fewer than {min_people:,}"
        elif trait.binary and min(values.sum(), len(rows) - values.sum()) < min_cases:
            cases = int(values.sum())
            rarer = f"{cases:,} cases" if cases <= len(rows) / 2 else f"{len(rows) - cases:,} controls"
            reason = f"{rarer}, fewer than {min_cases:,}"
        elif len(rows) and values.min() == values.max():
            reason = "the trait is the same for all"
        groups.append(
            Group(
                trait, name, rows, int((member & ~trait.known).sum()),
                int((member & trait.known & ~complete).sum()), reason,
            )
        )  # fmt: skip
    return groups
