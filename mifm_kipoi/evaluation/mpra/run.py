"""``mifm evaluate mpra`` from files to files: scores against saturation mutagenesis."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.baselines.run import ModelRun
from mifm_kipoi.baselines.specs import Spec, require_all
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.mpra.correlations import BLOCK_BP, Options, correlate, series_of, summarise
from mifm_kipoi.evaluation.mpra.elements import (
    Element,
    find_elements,
    n_fractions,
    own_sequences,
    write_own_genome,
)
from mifm_kipoi.evaluation.mpra.records import CONTROL, Evaluated, Source
from mifm_kipoi.evaluation.mpra.scores import LocatedRows, control_scores, model_scores
from mifm_kipoi.evaluation.mpra.table import MIN_BARCODES, Measurements, lifted, read_measurements
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.liftover import LiftOver
from mifm_kipoi.support.files import check_outputs, made_folder, require_file, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

# Readers of tables with tabs take quotes as they are.
_AS_TEXT: Any = {"sep": "\t", "index": False, "float_format": "%.10g", "quoting": csv.QUOTE_NONE}


_TABLES = ("scores.tsv.gz", "elements.tsv", "summary.tsv", "evaluation.json")


@dataclasses.dataclass(frozen=True)
class MPRAResult:
    """An evaluation and its files.

    Parameters
    ----------
    evaluated : Evaluated
        Measurements, scores and correlations.
    files : list of Path
        All that were written.
    """

    evaluated: Evaluated
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """How many effects were evaluated, and how many have each score, as lines of text."""
        return _summary(self.evaluated)


@dataclasses.dataclass(frozen=True)
class MPRARun(ModelRun):
    """What to evaluate, and where to write it.

    Parameters
    ----------
    table : Path
        Of measured effects (:func:`mifm_kipoi.evaluation.mpra.table.read_measurements`).
    folder : Path
        Of the outputs; made where it is missing.
    specs : sequence of Spec
        The models.
    fasta : Path, optional
        Genome of the table's release, or of that of the lift-over; without it windows hold the element
        alone, and N around it.
    min_barcodes : int
        Effects of fewer barcodes are not evaluated.
    options : Options
        Of the correlations.
    lift_over : Path, optional
        A chain file that takes the table to the build of ``fasta``.
    compute, threads, max_mismatch_fraction, progress
        See :class:`mifm_kipoi.baselines.run.ModelRun`; the alleles of the table are compared with the genome.
    """

    table: Path
    folder: Path
    specs: Sequence[Spec]
    fasta: Path | None = None
    min_barcodes: int = MIN_BARCODES
    options: Options = dataclasses.field(default_factory=Options)
    lift_over: Path | None = None

    def __post_init__(self) -> None:
        if self.lift_over is not None and self.fasta is None:
            raise OptionError("--lift-over takes the table to the build of a genome; name it with --fasta")
        if any(spec.label == CONTROL for spec in self.specs):
            raise OptionError(
                f"a model has the label {CONTROL!r}, which is that of the controls; give it another"
            )

    def run(self, on_progress: Callable[[str], None] | None = None) -> MPRAResult:
        """Read, score, correlate, draw, write.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each model that has scored.

        Raises
        ------
        MissingModelsError
            When models are not available; nothing is scored.
        MIFMError
            When an input cannot be read, a package is missing, or an output cannot be written.
        """
        from mifm_kipoi.evaluation.mpra.report import write_report

        # What is bound to fail fails before anything is scored.
        needed("matplotlib", "plot")
        needed("scipy.stats", "evaluation")
        require_all(self.specs)
        inputs = [self.table, self.fasta, *(path for spec in self.specs for path in spec.files())]
        check_outputs([self.folder / name for name in (*_TABLES, "report.md", "report.html")], inputs)
        measurements = read_measurements(self.table, self.min_barcodes, self.options.max_p is not None)
        if self.lift_over is not None:
            require_file(self.lift_over)
            measurements = lifted(measurements, LiftOver(self.lift_over))
        made_folder(self.folder)
        self.set_threads()
        evaluated = self._evaluated(measurements, on_progress or (lambda _: None))
        files = [*write_tables(evaluated, self.folder), *write_report(evaluated, self.folder)]
        return MPRAResult(evaluated, files)

    def _evaluated(self, measurements: Measurements, on_progress: Callable[[str], None]) -> Evaluated:
        elements = find_elements(measurements)
        if not elements:
            raise InputError(f"{self.table} has no SNV and no deletion of one base to evaluate")
        with self._located(measurements, elements) as (located, sequences):
            sources: list[Source] = []
            for spec in self.specs:
                sources += model_scores(spec.label, spec.open(self.compute), located, self.progress)
                on_progress(f"{spec.label}: scored")
        generator = np.random.default_rng(self.options.seed)
        sources.append(control_scores(measurements.rows, elements, generator))
        by_element = correlate(measurements.rows, elements, series_of(sources), self.options)
        return Evaluated(
            measurements,
            list(located.elements),
            sources,
            by_element,
            summarise(by_element),
            n_fractions(sequences) if sequences else None,
            self._provenance(sources),
        )

    @contextlib.contextmanager
    def _located(
        self, measurements: Measurements, elements: list[Element]
    ) -> Iterator[tuple[LocatedRows, list[str]]]:
        """The rows with their genome, and the elements' own sequences where these are the genome."""
        if self.fasta is not None:
            genome = Genome(self.fasta)
            yield LocatedRows(measurements.rows, elements, genome, False, self.max_mismatch_fraction), []
            return
        sequences = own_sequences(measurements, elements)
        with tempfile.TemporaryDirectory(prefix="mifm-mpra-") as folder:
            path = Path(folder) / "elements.fa"
            placed = write_own_genome(elements, sequences, path)
            genome = Genome(path)
            yield LocatedRows(measurements.rows, placed, genome, True, self.max_mismatch_fraction), sequences

    def _provenance(self, sources: Sequence[Source]) -> dict[str, Any]:
        inputs = {"table": self.table, "fasta": self.fasta, "lift_over": self.lift_over}
        declared = {source.label: source.declaration for source in sources if source.declaration}
        return {
            "mifm_kipoi": __version__,
            **{name: path and described(path) for name, path in inputs.items()},
            "models": [str(spec) for spec in self.specs],
            "min_barcodes": self.min_barcodes,
            "max_mismatch_fraction": self.max_mismatch_fraction,
            **dataclasses.asdict(self.options),
            "stretch": BLOCK_BP,
            "device": self.compute.device,
            "declarations": {label: declaration.to_dict() for label, declaration in declared.items()},
        }


def write_tables(evaluated: Evaluated, folder: Path) -> list[Path]:
    """Write ``scores.tsv.gz``, ``elements.tsv``, ``summary.tsv`` and ``evaluation.json``.

    Raises
    ------
    InputError
        When a column of the table has the name of a column of scores.
    OutputError
        When a file cannot be written.
    """
    paths = [folder / name for name in _TABLES]
    text = score_table(evaluated.measurements, evaluated.sources).to_csv(**_AS_TEXT)
    with written_whole(paths[0]) as temporary:
        # Without the time, the same scores give the same file.
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))
    for path, table in zip(paths[1:3], (evaluated.by_element, evaluated.summary), strict=True):
        with written_whole(path) as temporary:
            table.to_csv(temporary, **_AS_TEXT)
    with written_whole(paths[3]) as temporary:
        temporary.write_text(json.dumps(evaluated.made_by, indent=1) + "\n")
    return paths


def score_table(measurements: Measurements, sources: Sequence[Source]) -> pd.DataFrame:
    """All rows of the table as they were, then ``kind``, ``measured`` and the scores with their statuses.

    Raises
    ------
    InputError
        When a column of the table has the name of one that follows.
    """
    columns: dict[str, Any] = {name: measurements.rows[name] for name in ("kind", "measured")}
    for source in sources:
        columns |= {source.column(name): values for name, values in source.columns.items()}
        columns[source.status_column] = source.status
    taken = sorted(set(columns) & set(measurements.original.columns))
    if taken:
        raise InputError(
            f"{measurements.path} has columns that the output would have twice: {', '.join(taken)}; "
            "rename them"
        )
    return pd.concat([measurements.original, pd.DataFrame(columns)], axis=1)


def _summary(evaluated: Evaluated) -> list[str]:
    rows = evaluated.measurements.rows
    counts = rows["measured"].value_counts()
    lines = [
        f"{len(rows):,} rows of {len(evaluated.elements)} elements: "
        + ", ".join(f"{number:,} {reason}" for reason, number in counts.items())
    ]
    for source in evaluated.sources[:-1]:
        reasons = pd.Series(source.status).value_counts()
        names = ", ".join(source.column(score.name) for score in source.scores)
        lines.append(f"{names}: " + ", ".join(f"{number:,} {reason}" for reason, number in reasons.items()))
    if evaluated.unknown is not None:
        lines.append(
            "without --fasta the elements alone were read, and N around them: these are other scores than "
            "those in the genome"
        )
    return lines
