"""Scores of variants from tables, such as that of ``mifm compare``, for the variants of studies."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.baselines.protocol import Declaration, Score, evidence_of_column
from mifm_kipoi.baselines.tables.looked_up import UNORDERED, LookedUp
from mifm_kipoi.baselines.tables.variant_columns import TableVariants, VariantColumns, find_variant_columns
from mifm_kipoi.baselines.tables.variant_rows import RowsBuilder, agreed
from mifm_kipoi.comparison.records import Model
from mifm_kipoi.conventions import CHUNK
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.columns import column_named
from mifm_kipoi.genomics.contigs import ContigNames
from mifm_kipoi.genomics.tables import OnProgress, TableFile
from mifm_kipoi.genomics.variants import Variant

COMPARISON = "comparison.json"
"""What ``mifm compare`` writes beside its table of scores."""

MIFM = "mifm_ref"
"""The column that is used of a table without a comparison, where none is named: MIFM's score."""

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class ScoreTable:
    """A table of scores and the columns that are methods.

    Parameters
    ----------
    path : Path
        Text or Parquet, with the variant of each row; of the genome build of the studies.
    columns : tuple of str
        In which higher is chosen; ``NAME=COLUMN`` gives the method a name of its own. By default the primary
        score of each model, where ``mifm compare`` made the table, else :data:`MIFM`.
    lower : tuple of str
        In which lower is chosen.
    magnitude : tuple of str
        In which larger magnitude is chosen, such as signed differences between alleles.
    """

    path: Path
    columns: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    magnitude: tuple[str, ...] = ()

    def methods(self) -> dict[str, tuple[str, str]]:
        """The column of each method, and which of its values count: ``higher``, ``lower`` or ``magnitude``.

        Raises
        ------
        MIFMError
            When the table cannot be read, lacks a column, or no column is known to be a score.
        """
        file = TableFile.of(self.path)
        found: dict[str, tuple[str, str]] = {}
        named = [(text, "higher") for text in self.columns or ()]
        named += [(text, "lower") for text in self.lower] + [(text, "magnitude") for text in self.magnitude]
        for text, direction in named or self._by_default(file):
            name, equals, column = text.partition("=")
            column = column if equals else text
            own = column_named(file.columns, column)
            if not own:
                raise OptionError(
                    f"{self.path} has no column {column!r}; its columns are {', '.join(file.columns)}"
                )
            if name in found:
                raise OptionError(
                    f"{self.path}: two methods have the name {name}; give one another (NAME=COLUMN)"
                )
            found[name if equals else text] = (own, direction)
        return found

    def files(self) -> list[Path]:
        """All files that are read for it."""
        manifest = self.path.parent / COMPARISON
        return [self.path, *([manifest] if not self._named and manifest.is_file() else [])]

    @property
    def _named(self) -> bool:
        return bool(self.columns or self.lower or self.magnitude)

    def _by_default(self, file: TableFile) -> list[tuple[str, str]]:
        manifest = self.path.parent / COMPARISON
        if manifest.is_file():
            try:
                models = [Model.from_dict(one) for one in json.loads(manifest.read_text())["models"]]
            except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
                raise InputError(
                    f"{manifest} does not describe models as 'mifm compare' does ({type(error).__name__}: "
                    f"{error}); expected the file that it wrote together with the scores"
                ) from error
            primary = [(model.label, model.ranking[0]) for model in models if model.ranking]
            own = [(f"{label}={column}", "higher") for label, column in primary if column in file.columns]
            if own:
                return own
        own_score = column_named(file.columns, MIFM)
        if own_score:
            return [(f"mifm={own_score}", "higher")]
        raise OptionError(
            f"{self.path} has neither {COMPARISON} of 'mifm compare' beside it, nor a column {MIFM}; name "
            f"the columns that are scores of its {', '.join(file.columns)}"
        )


@dataclasses.dataclass(frozen=True)
class JoinedScores:
    """Scores of members.

    Parameters
    ----------
    values : dict of str to numpy.ndarray of float64, shape (members,)
        By method, higher is chosen; NaN where a variant has none.
    sources : dict of str to str
        Table and column of each method, in words.
    statuses : dict of str to (dict of str to int)
        Of each table, how many variants have a row, or why not.
    notes : list of str
        What a user must know, a sentence each.
    """

    values: dict[str, Values]
    sources: dict[str, str]
    statuses: dict[str, dict[str, int]]
    notes: list[str]


def join_scores(
    tables: Sequence[ScoreTable], members: pd.DataFrame, on_progress: OnProgress | None = None
) -> JoinedScores:
    """Find the scores of members: by contig, position and the pair of alleles, SNVs on either strand.

    Of a table only rows at positions of members are held.

    Parameters
    ----------
    tables : sequence of ScoreTable
        The tables; a variant that one has several times must have the same scores in each row.
    members : pandas.DataFrame
        ``chrom``, ``pos``, ``effect_allele``, ``other_allele``.
    on_progress : callable, optional
        See :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.

    Raises
    ------
    MIFMError
        When a table cannot be read, is of another genome build, or two have a method of the same name.
    """
    keys = [members[name].to_numpy() for name in ("chrom", "pos", "other_allele", "effect_allele")]
    row_of, unique = pd.factorize(pd.MultiIndex.from_arrays(keys), sort=True)
    variants = [Variant(chrom, int(pos), ".", other, effect) for chrom, pos, other, effect in unique]
    values: dict[str, Values] = {}
    sources: dict[str, str] = {}
    statuses: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    for table in tables:
        methods = table.methods()
        if taken := sorted(set(methods) & set(values)):
            raise OptionError(
                f"two tables of scores have the method {', '.join(taken)}; give one another name "
                "(NAME=COLUMN)"
            )
        looked_up, contigs = _read(
            table.path, [column for column, _ in methods.values()], unique, on_progress
        )
        parts = [looked_up.score(variants[start : start + CHUNK]) for start in range(0, len(variants), CHUNK)]
        status = pd.Series([str(one) for part in parts for one in part.status], dtype="str")
        statuses[str(table.path)] = {str(name): int(number) for name, number in status.value_counts().items()}
        if not (status == "ok").any():
            reasons = ", ".join(f"{number:,} {name}" for name, number in statuses[str(table.path)].items())
            raise InputError(
                f"{table.path} has a score of none of the {len(variants):,} variants ({reasons}); expected "
                "rows of the studies' genome build, with 1-based positions. Score the studies' variants "
                "('mifm compare'), or lift the studies over (lift_over)"
            )
        if strange := contigs.unmatched(members["chrom"].unique(), "the studies"):
            notes.append(strange)
        for number, (name, (column, direction)) in enumerate(methods.items()):
            own = np.concatenate([part.columns[str(number)] for part in parts])[row_of]
            values[name] = {"higher": own, "lower": -own}.get(direction, np.abs(own))
            words = {"higher": "", "lower": ", lower first", "magnitude": ", larger magnitude first"}
            sources[name] = f"{column} of {table.path.name}{words[direction]}"
    return JoinedScores(values, sources, statuses, notes)


def _read(
    path: Path, columns: Sequence[str], wanted: pd.Index[Any], on_progress: OnProgress | None
) -> tuple[LookedUp, ContigNames]:
    """The rows of a table at positions that are wanted."""
    file = TableFile.of(path)
    place: VariantColumns = find_variant_columns(file)
    builder, contigs = RowsBuilder(len(columns), ordered=False), ContigNames(str(path))
    chroms = {name: number for number, name in enumerate(wanted.get_level_values(0).unique())}
    loci = np.unique(
        (wanted.get_level_values(0).map(chroms).to_numpy(np.int64) << 32)
        + wanted.get_level_values(1).to_numpy(np.int64)
    )
    for batch in file.batches(list(dict.fromkeys((*place.columns, *columns))), on_progress=on_progress):
        variants = place.rows(batch)
        keys = contigs.keys(pd.Series(variants.chrom.to_pandas(), dtype="str"))
        contig = keys.map(chroms).fillna(-1).to_numpy(np.int64)
        there = variants.known & (contig >= 0) & np.isin((contig << 32) + variants.pos, loci)
        if there.any():
            some = batch.filter(there)
            own = place.rows(some)
            builder.add(
                TableVariants(own.chrom, own.pos, own.first, own.second, own.known),
                np.column_stack([some.numbers(column) for column in columns]),
            )
    scores = tuple(
        # By numbers: two methods may be of one column.
        Score(str(number), f"the column {column}", evidence=evidence_of_column(column))
        for number, column in enumerate(columns)
    )
    declaration = Declaration(
        name=path.name,
        scores=scores,
        alleles=UNORDERED,
        formula="as it stands",
        citation="none: a table of the user",
    )
    return LookedUp(path, builder.done(), agreed, declaration), contigs
