"""``mifm evaluate ranking`` from files to files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import OptionError
from mifm_kipoi.evaluation.ranking.evaluate import evaluate
from mifm_kipoi.evaluation.ranking.labels import LabelOptions, Labels, read_labels
from mifm_kipoi.evaluation.ranking.records import (
    ALL,
    COMMON,
    METRICS,
    Difference,
    Evaluation,
    Measure,
    by_metric,
    table,
)
from mifm_kipoi.evaluation.ranking.report import Result, write_report
from mifm_kipoi.evaluation.ranking.score_tables import MANIFEST, Chosen, Scores, choose_columns, read_scores
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.reports.page import decimal, with_interval
from mifm_kipoi.statistics.bootstrap import RESAMPLES
from mifm_kipoi.support.files import (
    check_outputs,
    made_folder,
    require_file,
    write_json,
    write_table,
)
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

_OUTPUTS = ("metrics.tsv", "paired.tsv", "report.md", "report.html", "evaluation.json")


@dataclasses.dataclass(frozen=True)
class RankingResult:
    """An evaluation and its files.

    Parameters
    ----------
    evaluation : Evaluation
        All measures and differences.
    cautions : list of str
        What a reader must know before trusting it, the gravest first.
    files : list of Path
        All that were written, the manifest last.
    """

    evaluation: Evaluation
    cautions: list[str]
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """The metrics of the rows that all scores have as lines of text."""
        return _summary(self.evaluation)


@dataclasses.dataclass(frozen=True)
class RankingRun:
    """What to evaluate.

    Parameters
    ----------
    scores, labels : Path
        Tables; they may be the same.
    folder : Path
        Of the outputs; made where it is missing.
    label_options : LabelOptions
        How labels are made.
    columns, lower : tuple of str
        See :func:`mifm_kipoi.evaluation.ranking.score_tables.choose_columns`.
    held_out : tuple of str, optional
        Chromosomes to evaluate separately, too; by default those that every model with a declaration held
        out.
    resamples, seed : int
        Of the bootstrap.
    """

    scores: Path
    labels: Path
    folder: Path
    label_options: LabelOptions = dataclasses.field(default_factory=LabelOptions)
    columns: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    held_out: tuple[str, ...] | None = None
    resamples: int = RESAMPLES
    seed: int = 1

    def run(self, on_progress: Callable[[str], None] | None = None) -> RankingResult:
        """Read, measure and write.

        The folder gets ``metrics.tsv``, ``paired.tsv``, ``report.html``, ``report.md``, ``figures/`` and,
        last, ``evaluation.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, matplotlib is not installed or an output
            cannot be written.
        """
        needed("matplotlib", "plot")
        check_outputs([self.folder / name for name in _OUTPUTS], [self.scores, self.labels])
        on_progress = on_progress or (lambda _: None)
        if self.label_options.lift_over is not None:
            require_file(self.label_options.lift_over)
        labels = read_labels(self.labels, self.label_options)
        on_progress(f"{self.labels}: {len(labels.table):,} labelled variants")
        chosen = choose_columns(self.scores, self.columns, self.lower)
        same = self.scores.resolve() == self.labels.resolve()
        column = labels.columns.get("pip") or labels.columns["label"]
        if same and column in chosen.columns:
            raise OptionError(
                f"{column!r} makes the labels and is named as a score too; leave it out of the scores"
            )
        if same and self.label_options.lift_over is not None:
            raise OptionError(
                f"{self.scores} has the labels and the scores, of one build; leave --lift-over out"
            )
        scores = read_scores(self.scores, chosen, labels, of_labels=same)
        on_progress(f"{self.scores}: {scores.rows:,} rows of scores")
        held_out = held_out_by_all(chosen) if self.held_out is None else _keys(self.held_out)
        evaluation = evaluate(labels.table, scores.table, held_out, self.seed, self.resamples)
        provenance = self._provenance(labels, chosen, scores, evaluation, held_out)
        made_folder(self.folder)
        files = [
            self._write_table("metrics", evaluation.measures, Measure),
            self._write_table("paired", evaluation.differences, Difference),
        ]
        asked = self.held_out is not None
        result = Result(labels, chosen, scores, evaluation, held_out, asked, provenance)
        files += write_report(result, self.folder)
        files.append(self._write_manifest({**provenance, "notes": result.cautions}))
        return RankingResult(evaluation, result.cautions, files)

    def _provenance(
        self, labels: Labels, chosen: Chosen, scores: Scores, evaluation: Evaluation, held_out: Sequence[str]
    ) -> dict[str, Any]:
        manifest = self.scores.parent / MANIFEST
        negative, positive = self.label_options.limits
        chain = self.label_options.lift_over
        return {
            "mifm_kipoi": __version__,
            "scores": described(self.scores),
            "comparison": described(manifest) if chosen.sources else None,
            "labels": described(self.labels),
            "lift_over": chain and described(chain),
            "columns": labels.columns,
            "pip_limits": {"positive_above": positive, "negative_below": negative}
            if labels.made_of_pips
            else None,
            "evaluated": list(chosen.columns),
            "lower_is_better": sorted(chosen.lower),
            "held_out": list(held_out),
            "resampled": evaluation.resampled,
            "clusters": evaluation.clusters,
            "resamples": self.resamples,
            "seed": self.seed,
            "counts": {
                "labels": labels.counts,
                "rows_of_scores": scores.rows,
                "repeated_rows_of_scores": scores.repeated,
                "labels_without_row_of_scores": scores.not_found,
                "of_these_exchanged_alleles": scores.swapped,
                "without_score": scores.absent,
            },
            "strata": [dataclasses.asdict(one) for one in evaluation.counts],
        }

    def _write_table(
        self,
        name: str,
        records: Sequence[Measure] | Sequence[Difference],
        kind: type[Measure | Difference],
    ) -> Path:
        return write_table(self.folder / f"{name}.tsv", table(records, kind), digits=None)

    def _write_manifest(self, manifest: dict[str, Any]) -> Path:
        path = self.folder / "evaluation.json"
        write_json(path, manifest)
        return path


def held_out_by_all(chosen: Chosen) -> tuple[str, ...]:
    """The chromosomes that each model held out, of those models that declare some."""
    declared = [source.held_out for source in chosen.sources if source.held_out]
    if not declared:
        return ()
    return tuple(chrom for chrom in declared[0] if all(chrom in others for others in declared))


def _keys(chroms: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(contig_key(chrom) for chrom in chroms))


def _summary(evaluation: Evaluation) -> list[str]:
    """The metrics of the rows that all scores have as lines of text."""
    measures = evaluation.of(COMMON, ALL)
    if not measures:
        return []
    groups = by_metric(measures)
    rows = [["score", *(METRICS[metric] for metric in groups)]]
    rows += [
        [ones[0].score, *(with_interval(decimal, one.value, one.low, one.high) for one in ones)]
        for ones in zip(*groups.values(), strict=True)
    ]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        f"{measures[0].variants:,} variants that all scores have, {measures[0].positives:,} positive:",
        *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
    ]
