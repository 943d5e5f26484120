"""Which scores there are: of which trait, by which method and with which setting; and which are compared.

A *method* is a rule that picks variants (``mifm``, ``p``, ``susie`` ...); a *setting* is how many it picks in
each block and how they are weighted (``top5.mean``). Methods are compared within a trait, a study and a
setting. A method with one score a study, such as the lead variant or what another program made, has no
setting to match, and is compared in all of them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.people_tables import PeopleTable
from mifm_kipoi.genomics.tables import TableFile

RANDOM = "random"
"""The method that picks a random variant of each set, in many draws."""

_OTHER_COLUMNS = ("PHENO1", "ALLELE_CT", "NAMED_ALLELE_DOSAGE_SUM")
"""Columns of PLINK 2's tables of scores that are no scores."""

_NAMED = ("name", "trait", "method")
_OPTIONAL = ("study", "top", "weighting", "draw")


@dataclasses.dataclass(frozen=True)
class Score:
    """One polygenic score.

    Parameters
    ----------
    name : str
        Its column in the table of scores.
    trait : str
        That it predicts; empty where it is tried on every trait.
    method : str
        The rule that picked its variants.
    study : str
        Whose effects are its weights; empty where nothing says so.
    top : str
        Variants of each block and signal; empty where nothing says so.
    weighting : str
        How effects became weights.
    draw : int
        Of :data:`RANDOM` members, from 1; 0 for all others.
    """

    name: str
    trait: str
    method: str
    study: str = ""
    top: str = ""
    weighting: str = ""
    draw: int = 0

    @property
    def setting(self) -> str:
        """How many variants and which weights, as ``top5.mean``; empty where nothing says so."""
        top = f"top{self.top}" if self.top and self.top != "all" else self.top
        return ".".join(filter(None, (top, self.weighting)))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two scores of the same trait and study.

    Parameters
    ----------
    score, baseline : Score
        Of the method in question, and of another.
    setting : str
        That of ``score``.
    """

    score: Score
    baseline: Score
    setting: str


@dataclasses.dataclass(frozen=True)
class Scores:
    """All scores of a run.

    Parameters
    ----------
    every : tuple of Score
        In the order of the table that describes them, then of the tables of scores.
    table : mapping of str to int
        Which table has the column of a name.
    notes : tuple of str
        What is said of scores that are in one place only.
    """

    every: tuple[Score, ...]
    table: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def methods(self) -> tuple[str, ...]:
        """Methods in their order."""
        return tuple(dict.fromkeys(score.method for score in self.every))

    def of_trait(self, trait: str) -> list[Score]:
        """Those that predict a trait, or any."""
        return [score for score in self.every if score.trait in (trait, "")]


def read_scores(
    tables: Sequence[Path], described: Path | None, traits: Sequence[str], trait_names: Mapping[str, str]
) -> Scores:
    """Which scores the tables have.

    Parameters
    ----------
    tables : sequence of Path
        A row for each person, a column for each score, as ``mifm pgs score`` writes.
    described : Path, optional
        A row for each score: ``name``, ``trait``, ``method`` and perhaps ``study``, ``top``, ``weighting``
        and ``draw``, as ``mifm pgs build`` writes. A score that it does not have is a method of its own: of
        one trait where its name ends with a point and the trait's, else of every trait.
    traits : sequence of str
        Those that are evaluated.
    trait_names : mapping of str to str
        From a trait, or a study, of ``described`` to the name of the trait here, where they differ.

    Raises
    ------
    InputError
        When a table cannot be read, two have a column of the same name, or two scores are the same in all
        that tells them apart.
    OptionError
        When no score is of any of the traits.
    """
    where: dict[str, int] = {}
    for number, path in enumerate(tables):
        for name in PeopleTable.of(path).columns:
            if name in _OTHER_COLUMNS:
                continue
            if name in where:
                raise InputError(
                    f"{tables[where[name]]} and {path} both have the score {name}; expected each in one table"
                )
            where[name] = number
    known = {} if described is None else _described(described, trait_names)
    every: list[Score] = []
    others: list[Score] = []
    notes = []
    # A name may end with a trait that is not evaluated, and is then no method of every trait.
    endings = list(dict.fromkeys([*traits, *(score.trait for score in known.values())]))
    for name in [*(name for name in known if name in where), *(name for name in where if name not in known)]:
        score = known.get(name) or _by_name(name, endings)
        (every if score.trait in ("", *traits) else others).append(score)
    absent = [name for name in known if name not in where]
    if absent:
        notes.append(
            f"{len(absent):,} of {len(known):,} scores of {described} are in no table of scores, such as "
            f"{absent[0]}"
        )
    if others:
        count = (
            "1 score is of a trait that is"
            if len(others) == 1
            else f"{len(others):,} scores are of traits that are"
        )
        notes.append(f"{count} not evaluated, such as {others[0].name} of {others[0].trait}")
    if not every:
        of = sorted({score.trait for score in known.values()})
        raise OptionError(
            f"no score is of a trait that is evaluated ({', '.join(traits)}); "
            + (f"the scores are of {', '.join(of)}" if of else "the tables have no column of scores")
        )
    unlike: dict[tuple[str, ...], Score] = {}
    for score in every:
        key = (score.trait, score.study, score.method, score.setting, str(score.draw))
        other = unlike.setdefault(key, score)
        if other is not score:
            raise InputError(
                f"{described}: {other.name} and {score.name} are the same method with the same setting; "
                "expected a method, top or weighting that tells them apart"
            )
    return Scores(tuple(every), where, tuple(notes))


def comparisons(scores: Sequence[Score], method: str) -> Iterator[Comparison]:
    """The scores of a method against those of every other one.

    Parameters
    ----------
    scores : sequence of Score
        Of one trait.
    method : str
        That is compared with the others.

    Yields
    ------
    Comparison
        With the score of the same study and setting. A method that has no such score, and only one of the
        study with that weighting or only one at all, is compared with that one. Draws of random members are
        not compared.
    """
    others = [score for score in scores if score.method not in (method, RANDOM)]
    for score in scores:
        if score.method != method:
            continue
        for baseline in dict.fromkeys(other.method for other in others):
            of_study = [
                other
                for other in others
                if other.method == baseline and (not other.study or other.study == score.study)
            ]
            for fits in (
                [other for other in of_study if other.setting == score.setting],
                [other for other in of_study if other.weighting == score.weighting],
                of_study,
            ):
                if len(fits) == 1:
                    yield Comparison(score, fits[0], score.setting)
                if fits:
                    break


def _described(path: Path, trait_names: Mapping[str, str]) -> dict[str, Score]:
    table = TableFile.of(path)
    lacking = [name for name in _NAMED if name not in table.columns]
    if lacking:
        raise InputError(
            f"{path} has no column {' and '.join(lacking)}; expected a row for each score with "
            f"{', '.join(_NAMED)} and perhaps {', '.join(_OPTIONAL)}"
        )
    wanted = [*_NAMED, *(name for name in _OPTIONAL if name in table.columns)]
    scores: dict[str, Score] = {}
    for batch in table.batches(wanted):
        batch.refuse(~batch.known("name"), "name", "the name of a score")
        batch.refuse(~batch.known("method"), "method", "the name of a method")
        draws = np.nan_to_num(batch.numbers("draw")) if "draw" in wanted else np.zeros(len(batch))
        frame = batch.frame([name for name in wanted if name != "draw"]).fillna("")
        for row, draw in zip(frame.to_dict("records"), draws, strict=True):
            values = {str(key): str(value) for key, value in row.items()}
            values["trait"] = trait_names.get(
                values.get("study", ""), trait_names.get(values["trait"], values["trait"])
            )
            score = Score(draw=int(draw), **values)
            if scores.setdefault(score.name, score) is not score:
                raise InputError(f"{path} has the score {score.name} more than once; expected a row a score")
    return scores


def _by_name(name: str, traits: Sequence[str]) -> Score:
    for trait in traits:
        method = name.removesuffix(f".{trait}")
        if method != name and method:
            return Score(name, trait, method)
    return Score(name, "", name)
