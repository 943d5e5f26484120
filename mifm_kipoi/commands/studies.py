"""Studies and tables of scores as words of a command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifm_kipoi.commands.arguments import add_list
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genomics.columns import FIELDS

if TYPE_CHECKING:
    from mifm_kipoi.comparison.score_tables import ScoreTable
    from mifm_kipoi.genetics.study_sources import StudySource

_TEXTS = ("format", "variant", "phenotype", "population")
_PATHS = ("positions", "lift_over")
_NUMBERS = {"n": "sample_size", "case_fraction": "case_fraction", "prior_variance": "prior_variance"}


def add_unnamed_studies(group: argparse._ActionsContainer) -> None:
    """``--studies`` (as ``only``) and ``--meta``: what is known of tables that no ``NAME=`` stands before."""
    add_list(
        group, "--studies", "ID", "of tables without NAME=, those that are used", dest="only", default=()
    )
    group.add_argument(
        "--meta", metavar="TABLE", help="CAUSALdb's meta.txt, of tables without NAME=: traits, sizes, cases"
    )


def study_of(
    text: str, only: Sequence[str] = (), meta: str | None = None, allow_implausible: bool = False
) -> StudySource:
    """A study as a command names it: ``[NAME=]FILE[:OPTION=VALUE...]``.

    Parameters
    ----------
    text : str
        The word.
    only : sequence of str
        Of a table without a name, the studies of it that are used.
    meta : str, optional
        CAUSALdb's meta.txt, of tables without a name.
    allow_implausible : bool
        Warn, and go on, where numbers contradict each other.

    Raises
    ------
    OptionError
        When an option is not known or impossible.
    """
    from mifm_kipoi.baselines.specs import with_options
    from mifm_kipoi.genetics.study_sources import StudySource

    before, equals, rest = text.partition("=")
    named = bool(equals) and not any(mark in before for mark in "/:.") and not Path(text).is_file()
    name, argument = (before, rest) if named else ("", text)
    path, own = with_options(argument)
    # variant=COLUMN names the column, variant={chrom}_{pos}... the pattern of its text.
    is_pattern = "{" in own.get("variant", "")
    texts = [key for key in _TEXTS if key in own and (key != "variant" or is_pattern)]
    given: dict[str, Any] = {key: own.pop(key) for key in texts}
    given |= {key: Path(own.pop(key)) for key in _PATHS if key in own}
    given["kind"] = own.pop("trait", "")
    for key, field in _NUMBERS.items():
        if key in own:
            given[field] = _number(key, own.pop(key), text)
    unknown = sorted(set(own) - set(FIELDS))
    if unknown:
        raise OptionError(
            f"{', '.join(unknown)} in {text!r} is not an option of a study; expected trait, "
            f"{', '.join((*_TEXTS, *_PATHS))}, {', '.join(_NUMBERS)}, or a field and its column: "
            f"{', '.join(FIELDS)}"
        )
    return StudySource(
        path=Path(path), name=name, trait=name, columns=own,
        # A table with a name is of one study.
        studies=() if name else tuple(only),
        meta=Path(meta) if meta and not name else None,
        allow_implausible=allow_implausible, **given,
    )  # fmt: skip


def _number(name: str, text: str, study: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise OptionError(f"{name} in {study!r} is {text!r}; expected a number above 0")
    return value


def score_tables_of(
    paths: Sequence[Path],
    columns: Sequence[str] = (),
    lower: Sequence[str] = (),
    magnitude: Sequence[str] = (),
) -> tuple[ScoreTable, ...]:
    """Tables of scores with the columns that are named, each of the first table that has it.

    Parameters
    ----------
    paths : sequence of Path
        The tables.
    columns, lower, magnitude : sequence of str
        ``[NAME=]COLUMN``, in which higher values, lower ones, or larger magnitudes are preferred; without
        any, each table decides (:meth:`mifm_kipoi.comparison.score_tables.ScoreTable.methods`).

    Raises
    ------
    MIFMError
        When a table cannot be read, no table has a column, or no column of a table is named.
    """
    from mifm_kipoi.comparison.score_tables import ScoreTable
    from mifm_kipoi.genomics.columns import column_named
    from mifm_kipoi.genomics.tables import TableFile

    lists = (columns, lower, magnitude)
    if not any(lists):
        return tuple(ScoreTable(path) for path in paths)
    headers = [TableFile.of(path).columns for path in paths]
    of_tables: list[tuple[list[str], ...]] = [([], [], []) for _ in paths]
    for number, names in enumerate(lists):
        for text in names:
            column = text.partition("=")[2] or text
            table = next((one for one, header in enumerate(headers) if column_named(header, column)), None)
            if table is None:
                known = "; ".join(
                    f"{path}: {', '.join(header)}" for path, header in zip(paths, headers, strict=True)
                )
                raise OptionError(f"no table of scores has the column {column!r}; theirs are {known}")
            of_tables[table][number].append(text)
    unused = [str(path) for path, parts in zip(paths, of_tables, strict=True) if not any(parts)]
    if unused:
        raise OptionError(f"no column of {', '.join(unused)} is named; name one, or leave the table out")
    return tuple(ScoreTable(path, *map(tuple, parts)) for path, parts in zip(paths, of_tables, strict=True))
