"""Scores of labelled variants, and what the models declare."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.baselines.protocol import Declaration, Evidence, evidence_of_column
from mifm_kipoi.comparison.records import kind_of
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.ranking.labels import Labels
from mifm_kipoi.evaluation.ranking.variant_tables import VARIANT, VariantTable, variant_keys
from mifm_kipoi.genomics.contigs import contig_key

MANIFEST = "comparison.json"
"""What ``mifm compare`` writes beside the table of scores."""

MIFM = "mifm_ref"
"""The score of the tables of ``mifm score``, which ranks unless others are named."""

STATUS = "status"
"""Of a model's columns that which says why a variant has no score."""

NOT_IN_TABLE = "no row of the variant"
"""Why a labelled variant has no score when the table of scores lacks it."""

NO_VALUE = "no value"
"""Why it has none when the table has an empty field, and no status."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A model of a comparison, as it declared itself.

    Parameters
    ----------
    label : str
        Begins the names of its columns.
    name : str
        Name of the model.
    ranking : tuple of str
        Its columns in which higher is more likely causal.
    held_out : tuple of str
        Chromosomes, by :func:`mifm_kipoi.genomics.contigs.contig_key`.
    leakage : str
        What the model may have seen in training, in words.
    evidence : mapping of str to Evidence
        Of each of its columns.
    kind : str
        A key of :data:`mifm_kipoi.baselines.specs.KINDS`; empty where that is not known.
    trained_on : tuple of str
        sha256 of the tables of associations that it was trained on, where they are known.
    """

    label: str
    name: str
    ranking: tuple[str, ...]
    held_out: tuple[str, ...]
    leakage: str
    evidence: Mapping[str, Evidence]
    kind: str = ""
    trained_on: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The columns that are evaluated.

    Parameters
    ----------
    columns : tuple of str
        Their names.
    lower : frozenset of str
        Those in which lower is more likely causal.
    undeclared : tuple of str
        Those that were asked for although their model says that they do not rank.
    sources : tuple of Source
        The models of these columns that declared themselves.
    """

    columns: tuple[str, ...]
    lower: frozenset[str]
    undeclared: tuple[str, ...]
    sources: tuple[Source, ...]

    def source(self, column: str) -> Source | None:
        """The model of a column, where it declared itself."""
        return next((one for one in self.sources if column.startswith(f"{one.label}.")), None)

    def evidence(self, column: str) -> Evidence:
        """What a column is computed from, as its model declares; of other columns, as their names say."""
        source = self.source(column)
        declared = source.evidence.get(column) if source else None
        return declared or evidence_of_column(column)


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of labelled variants.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each labelled variant, in their order; float64, higher is more likely causal, NaN where
        there is no score.
    absent : dict of str to (dict of str to int)
        Of each column, how many labelled variants have no score, by the reason.
    rows : int
        Of the file of scores.
    not_found : int
        Labelled variants without a row.
    swapped : int
        Those of them that have a row with REF and ALT swapped.
    strange_contigs : tuple of str
        Contigs of labelled variants on which the file has no row.
    repeated : int
        Rows of labelled variants that have another row, with the same scores; each variant counts once.
    """

    table: pd.DataFrame
    absent: dict[str, dict[str, int]]
    rows: int
    not_found: int
    swapped: int
    strange_contigs: tuple[str, ...]
    repeated: int


def read_sources(scores: Path) -> tuple[Source, ...]:
    """The models that ``comparison.json`` beside a table of scores tells of; none where it is missing.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    path = scores.parent / MANIFEST
    if not path.is_file():
        return ()
    try:
        manifest = json.loads(path.read_text())
        return tuple(_source(model) for model in manifest["models"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} does not describe models as 'mifm compare' does ({type(error).__name__}: {error}); "
            "expected the file that it wrote together with the scores"
        ) from error


def _source(model: dict[str, Any]) -> Source:
    label, declaration = str(model["label"]), Declaration.from_dict(model["declaration"])
    return Source(
        label=label,
        name=declaration.name,
        ranking=tuple(f"{label}.{name}" for name in declaration.ranking),
        held_out=tuple(contig_key(chrom) for chrom in declaration.held_out),
        leakage=declaration.leakage,
        # A label says what an anonymous column is, too.
        evidence={
            column: evidence_of_column(column) if score.evidence is Evidence.ANNOTATION else score.evidence
            for score in declaration.scores
            for column in (f"{label}.{score.name}",)
        },
        kind=kind_of(model),
        trained_on=tuple(map(str, dict(declaration.provenance.get("trained_on", {})).values())),
    )


def choose_columns(scores: Path, columns: Sequence[str], lower: Sequence[str]) -> Chosen:
    """Decide which columns of a table are evaluated.

    Parameters
    ----------
    scores : Path
        The table of scores.
    columns : sequence of str
        In which higher is more likely causal; when empty, those that the models of a comparison say rank, or
        else :data:`MIFM`.
    lower : sequence of str
        In which lower is more likely causal.

    Raises
    ------
    InputError
        When the table or its manifest cannot be read.
    OptionError
        When a column is not there, or is named as both, or none is known to rank.
    """
    names = VariantTable.of(scores).columns
    sources = tuple(one for one in read_sources(scores) if any(n.startswith(f"{one.label}.") for n in names))
    both = set(columns) & set(lower)
    if both:
        raise OptionError(f"{', '.join(sorted(both))} cannot be in --columns and in --lower; name each once")
    for name in (*columns, *lower):
        if name not in names or name in VARIANT:
            raise OptionError(f"{scores} has no scores {name!r}; its columns are {', '.join(names)}")
    declared = [name for source in sources for name in source.ranking if name in names]
    usual = [MIFM] if MIFM in names and not lower else []
    chosen = tuple(dict.fromkeys((*(columns or declared or usual), *lower)))
    if not chosen:
        raise OptionError(
            f"{scores} has no column {MIFM}, and no {MANIFEST} of 'mifm compare' that says which columns "
            "rank variants; name them with --columns, or with --lower where lower is more likely causal: "
            f"{', '.join(names)}"
        )
    own = tuple(one for one in sources if any(name.startswith(f"{one.label}.") for name in chosen))
    owned = [name for name in columns if any(name.startswith(f"{one.label}.") for one in own)]
    return Chosen(chosen, frozenset(lower), tuple(name for name in owned if name not in declared), own)


def read_scores(path: Path, chosen: Chosen, labels: Labels, of_labels: bool = False) -> Scores:
    """Find the scores of labelled variants: those with the same contig, position, REF and ALT.

    Parameters
    ----------
    path : Path
        The table of scores.
    chosen : Chosen
        Its columns that are evaluated.
    labels : Labels
        The labelled variants.
    of_labels : bool
        The file is that of the labels: of a variant with several rows the one counts that its label is of.

    Raises
    ------
    InputError
        When the table cannot be read, no labelled variant is in it, or rows of one have different scores.
    """
    wanted = labels.table.index
    swapped = _swapped(labels.table)
    file = VariantTable.of(path)
    status = [name for one in chosen.sources if (name := f"{one.label}.{STATUS}") in file.columns]
    parts, rows = [], 0
    seen_swapped: set[str] = set()
    contigs: set[str] = set()
    for variants, batch in file.batches((*chosen.columns, *status)):
        rows += len(batch)
        key = variant_keys(variants)
        contigs.update(variants["chrom"].unique())
        seen_swapped.update(key[key.isin(swapped)])
        labelled = variants.index.isin(labels.table["row"]) if of_labels else key.isin(wanted).to_numpy()
        some = batch.filter(labelled)
        columns = {name: some.numbers(name) for name in chosen.columns}
        texts = {name: some.frame([name])[name].to_numpy() for name in status}
        parts.append(pd.DataFrame(columns | texts, index=pd.Index(key[labelled])))
    every_row = pd.concat(parts)
    scores = _once(every_row, chosen.columns, path)
    missing = ~wanted.isin(scores.index)
    with_swapped = int(swapped[missing].isin(seen_swapped).sum())
    if missing.all():
        raise InputError(_no_variant(path, labels, with_swapped))
    table = scores.reindex(wanted)
    reasons = {name: _reasons(table, name, chosen.source(name), missing) for name in chosen.columns}
    signed = table[list(chosen.columns)].astype(np.float64)
    signed[list(chosen.lower)] *= -1
    strange = tuple(name for name in labels.table["chrom"].unique() if name not in contigs)
    repeated = len(every_row) - len(scores)
    return Scores(signed, reasons, rows, int(missing.sum()), with_swapped, strange, repeated)


def _swapped(table: pd.DataFrame) -> pd.Index:
    """The keys of variants with REF and ALT swapped."""
    return pd.Index(variant_keys(table.assign(ref=table["alt"], alt=table["ref"])))


def _once(scores: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    """Each variant of the index once; it may have several rows when they agree."""
    values = scores[list(columns)].reset_index(drop=True)
    # By numbers, for columns may have any name.
    alike = pd.concat([scores.index.to_frame(index=False), values], axis=1, ignore_index=True)
    scores = scores[~alike.duplicated().to_numpy()]
    repeated = scores.index.duplicated(keep=False)
    if repeated.any():
        raise InputError(
            f"{path} has several rows of {scores.index[repeated][0]} with different scores; expected one "
            "score for each variant"
        )
    return scores


def _reasons(
    table: pd.DataFrame, column: str, source: Source | None, missing: npt.NDArray[np.bool_]
) -> dict[str, int]:
    without = table[column].isna().to_numpy() & ~missing
    status = f"{source.label}.{STATUS}" if source else ""
    texts = table[status] if status in table else pd.Series(NO_VALUE, table.index)
    counts = texts[without].fillna(NO_VALUE).astype(str).value_counts()
    reasons = {str(reason): int(count) for reason, count in counts.items()}
    return reasons | ({NOT_IN_TABLE: int(missing.sum())} if missing.any() else {})


def _no_variant(path: Path, labels: Labels, swapped: int) -> str:
    first = labels.table.index[0]
    hint = (
        f"{swapped} are there with REF and ALT swapped"
        if swapped
        else "both must be of one genome build, with 1-based positions and alleles of the forward strand"
    )
    return f"{path} has none of the {len(labels.table)} labelled variants, such as {first}; {hint}"
