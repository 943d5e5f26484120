"""The outputs of the evaluations, read from their folders."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.support.files import require_file


@dataclasses.dataclass(frozen=True)
class Training:
    """What ``python -m training run`` made.

    Parameters
    ----------
    counts : dict
        Bags and instances of each split.
    members : list of dict
        Seed, epoch, metrics and verdict of each network.
    pearson : float, optional
        Correlation of the logits of two members, averaged over pairs.
    agreement : dict
        How the student compares with the members.
    verdicts : list of dict
        What the student has learnt, by validation bags and then by test bags.
    warnings : list of str
        What speaks against using the student.
    """

    counts: dict[str, dict[str, int]]
    members: list[dict[str, Any]]
    pearson: float | None
    agreement: dict[str, Any]
    verdicts: list[dict[str, Any]]
    warnings: list[str]


@dataclasses.dataclass(frozen=True)
class Enrichment:
    """What ``mifm evaluate enrichment`` made: ``enrichment.tsv``, ``trends.tsv`` and the manifest."""

    rows: pd.DataFrame
    trends: pd.DataFrame
    manifest: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Motifs:
    """What ``mifm evaluate motifs`` made: ``patterns.tsv``, ``factors.tsv``, ``counts.tsv``, the manifest."""

    patterns: pd.DataFrame
    factors: pd.DataFrame
    counts: pd.DataFrame
    manifest: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class MotifSwap:
    """What ``mifm evaluate motif-swap`` made; without tables where there was nothing to swap.

    Parameters
    ----------
    why : str
        How the patterns were chosen, or why there are none; empty where it is not known.
    scores, differences : pandas.DataFrame, optional
        ``swaps.tsv``, ``differences.tsv``.
    """

    why: str
    scores: pd.DataFrame | None
    differences: pd.DataFrame | None


@dataclasses.dataclass(frozen=True)
class Polygenic:
    """What ``mifm pgs run`` made, or ``mifm pgs evaluate`` in the same form."""

    summary: pd.DataFrame
    performance: pd.DataFrame
    comparisons: pd.DataFrame
    scenarios: pd.DataFrame
    random: pd.DataFrame
    manifest: dict[str, Any]

    @property
    def method(self) -> str:
        """The method that is compared with the others."""
        return str(self.manifest["method"])


@dataclasses.dataclass(frozen=True)
class Joint:
    """What ``mifm evaluate joint`` made: ``filters.tsv`` and the manifest."""

    filters: pd.DataFrame
    manifest: dict[str, Any]


def read_training(folder: Path) -> Training:
    """Read the folder of ``python -m training run``, or of its steps in the same form.

    Parameters
    ----------
    folder : Path
        With ``data/``, ``members/ensemble.json`` and ``student/student.safetensors``.

    Raises
    ------
    InputError
        When something is not there, or not of this version.
    WeightsError
        When the student's weights cannot be read.
    """
    from mifm_kipoi.network.weights import load_weights

    bags = table_of(folder / "data" / "bags.parquet", ("split", "label", "size"), texts=("split",))
    counts = {}
    for split, own in bags.groupby("split", sort=False):
        positive = own["label"] == 1
        counts[str(split)] = {
            "positive_bags": int(positive.sum()),
            "positive_instances": int(own.loc[positive, "size"].sum()),
            "negative_bags": int((~positive).sum()),
            "negative_instances": int(own.loc[~positive, "size"].sum()),
        }
    ensemble = manifest_of(folder / "members", "ensemble.json")
    student = folder / "student" / "student.safetensors"
    provenance = load_weights(student).provenance
    try:
        verdicts = list(provenance["verdicts"])
        warnings = [text for verdict in verdicts for text in verdict["warnings"]]
        return Training(
            counts, ensemble["members"], ensemble["pearson"], provenance["agreement"], verdicts, warnings
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{student} or members/ensemble.json has no {error}; expected those of a training run"
        ) from None


def read_enrichment(folder: Path) -> Enrichment:
    """Read the folder of ``mifm evaluate enrichment``; see :func:`read_training`."""
    needed = ("score", "label", "within", "quantile", "odds_ratio", "odds_ratio_all", "p_value_family")
    rows = table_of(folder / "enrichment.tsv", needed, texts=("score", "label", "within", "kind"))
    trends = table_of(
        folder / "trends.tsv", ("score", "label", "odds_ratio"), texts=("score", "label", "within", "kind")
    )
    return Enrichment(rows, trends, manifest_of(folder))


def read_motifs(folder: Path) -> Motifs:
    """Read the folder of ``mifm evaluate motifs``; see :func:`read_training`."""
    texts = (
        "pattern",
        "sign",
        "factor",
        "network",
        "names",
        "matched",
        "flat",
        "consensus",
        "motif",
        "strand",
    )
    return Motifs(
        table_of(folder / "patterns.tsv", ("pattern", "sign", "seqlets"), texts),
        table_of(folder / "factors.tsv", ("sign", "factor", "patterns", "seqlets", "q_value"), texts),
        table_of(folder / "counts.tsv", ("network", "sign", "patterns", "matched"), ("network", "sign")),
        manifest_of(folder),
    )


def read_motif_swap(folder: Path) -> MotifSwap:
    """Read the folder of ``mifm evaluate motif-swap``; see :func:`read_training`.

    A ``choice.json`` in it may say how the patterns were chosen, or why there are none to swap.
    """
    choice = folder / "choice.json"
    why = str(manifest_of(folder, choice.name).get("why", "")) if choice.exists() else ""
    if choice.exists() and not (folder / "swaps.tsv").exists():
        return MotifSwap(why, None, None)
    texts = ("motif", "replaced", "inserted", "unrelated", "strand", "difference")
    return MotifSwap(
        why,
        table_of(folder / "swaps.tsv", ("replaced", "inserted", "score_original", "score_swapped"), texts),
        table_of(folder / "differences.tsv", ("replaced", "inserted", "difference", "mean"), texts),
    )


def read_polygenic(folder: Path) -> Polygenic:
    """Read the folder of ``mifm pgs run``, or of ``mifm pgs evaluate``; see :func:`read_training`."""
    if (folder / "evaluate").is_dir():
        folder = folder / "evaluate"
    texts = (
        "by", "baseline", "ancestry", "setting", "kind", "trait", "method", "study", "status", "score",
        "verdict", "baseline_setting", "baseline_score", "test", "dropped",
    )  # fmt: skip
    return Polygenic(
        table_of(folder / "summary.tsv", ("by", "wins", "losses", "comparisons"), texts),
        table_of(folder / "performance.tsv", ("trait", "ancestry", "method", "r2"), texts),
        table_of(folder / "comparisons.tsv", ("trait", "ancestry", "baseline", "verdict"), texts),
        table_of(folder / "scenarios.tsv", ("trait", "ancestry", "people"), texts),
        table_of(folder / "random.tsv", ("trait", "ancestry", "method", "r2"), texts),
        manifest_of(folder),
    )


def read_joint(folder: Path) -> Joint:
    """Read the folder of ``mifm evaluate joint``; see :func:`read_training`."""
    needed = ("scope", "level", "model", "variants", "significant")
    filters = table_of(folder / "filters.tsv", needed, texts=("scope", "which", "level", "model"))
    return Joint(filters, manifest_of(folder))


def read_times(folder: Path) -> pd.DataFrame:
    """Times of the steps of a Snakemake workflow.

    Parameters
    ----------
    folder : Path
        Files of its ``benchmark`` directives.

    Returns
    -------
    pandas.DataFrame
        ``step, seconds, cpu_seconds, megabytes``, in the order in which they ended; numbers are NaN where
        Snakemake did not measure them.
    """
    rows = []
    for path in sorted(folder.rglob("*.tsv"), key=lambda path: path.stat().st_mtime):
        table = table_of(path, ("s", "max_rss", "cpu_time"), ("h:m:s",))
        step = path.relative_to(folder).with_suffix("").as_posix()
        rows.append((step, table["s"].sum(), table["cpu_time"].sum(min_count=1), table["max_rss"].max()))
    return pd.DataFrame(rows, columns=["step", "seconds", "cpu_seconds", "megabytes"])


def manifest_of(folder: Path, name: str = "evaluation.json") -> dict[str, Any]:
    """A manifest, which an evaluation writes last.

    Raises
    ------
    InputError
        When it is not there, or damaged.
    """
    path = folder / name
    require_file(path)
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"cannot read {path}: {error}; make the evaluation again") from error
    return content


def table_of(path: Path, needed: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    """A table that an evaluation wrote.

    Parameters
    ----------
    path : Path
    needed : sequence of str
        Columns that it must have.
    texts : sequence of str
        Columns of text, empty where a value is missing; all others become numbers, NaN where one is missing.

    Raises
    ------
    InputError
        When it cannot be read, or lacks a column.
    """
    table = TableFile.of(path)
    if missing := [name for name in needed if name not in table.columns]:
        raise InputError(
            f"{path} has no column {missing[0]}; expected the table of an evaluation of this version"
        )
    parts = [batch.frame() for batch in table.batches()]
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(table.columns))
    for name in frame.columns:
        if name in texts:
            frame[name] = frame[name].fillna("").astype(str)
        else:
            frame[name] = pd.to_numeric(frame[name], errors="coerce")
    return frame
