"""``mifm rank`` from files to files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.explanation.ranking.candidates import (
    SCORE,
    Candidates,
    Scoring,
    Source,
    TableOptions,
)
from mifm_kipoi.explanation.ranking.loci import LocusRule
from mifm_kipoi.explanation.ranking.ranked import (
    COLUMNS,
    LOCUS_COLUMNS,
    Ranked,
    agreement,
    loci_table,
    rank_variants,
)
from mifm_kipoi.explanation.ranking.report import ReportOptions, report, shown_regions
from mifm_kipoi.explanation.ranking.tracks import LONGEST, ContigLengths, Tracks
from mifm_kipoi.finemapping.leakage import Leakage, ScoredBy, read_leakage
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import STANDARD_INPUT
from mifm_kipoi.network.training_sets import training_sets
from mifm_kipoi.network.weights import EMBEDDED, Weights, load_weights
from mifm_kipoi.reports.page import FOLDER, write_page
from mifm_kipoi.reports.regional import percentile_lines
from mifm_kipoi.scoring.run import read_manifest
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, locked, made_folder, require_file, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

MANIFEST = "rank.json"
TABLE, LOCI = "ranked.tsv", "loci.tsv"

_PERCENTILES = (50, 99)
"""Percentiles that figures show."""

_DIGITS = "%.7g"
_FIGURE = re.compile(r"locus_[0-9]{4,}\.png")


@dataclasses.dataclass(frozen=True)
class RankResult:
    """Ranked variants and their files.

    Parameters
    ----------
    ranked : Ranked
        Variants and loci.
    files : list of Path
        All that were written, the manifest last.
    seconds : float
        Time that it took.
    """

    ranked: Ranked
    files: list[Path]
    seconds: float

    @property
    def summary(self) -> list[str]:
        """What was found, in lines of text."""
        table = self.ranked.table
        lines = [
            f"{len(table):,} variants in {len(self.ranked.loci):,} loci, "
            f"{int(table[SCORE].notna().sum()):,} with a MIFM score"
        ]
        if (one := agreement(self.ranked)) is not None:
            lines.append(
                f"{100 * one.above.value:.0f} % of a locus' other variants score higher than the study's "
                f"best (50 % by chance; {one.regions} regions)"
            )
        if (found := self.ranked.posteriors) is not None:
            lines.append(f"slope of the score as a prior: {found.slopes[1]:.3g} ({found.reason})")
        return [*lines, f"{self.seconds:.1f} s"]

    def check_any_scored(self) -> None:
        """Refuse a run without any score, whose files say why.

        Raises
        ------
        InputError
            When no variant has one.
        """
        table = self.ranked.table
        if not table[SCORE].notna().any():
            counts = table["status"].value_counts()
            reasons = ", ".join(f"{count} {status}" for status, count in counts.items())
            raise InputError(
                f"no variant has a MIFM score ({reasons}); expected a FASTA of the variants' genome build, "
                "with their contigs"
            )


@dataclasses.dataclass(frozen=True)
class RankRun:
    """What to rank.

    Parameters
    ----------
    variants : Path
        VCF or BCF file, or any table of variants: a list, summary statistics, fine-mapping, or an output of
        ``mifm score``, whose scores count.
    folder : Path
        Of the outputs; made where it is missing.
    fasta : Path, optional
        Reference genome; needed where the input has no scores. With it, figures have the score of every
        position.
    weights : str
        Name or path of the weights that scores are computed with.
    by : tuple of str
        Columns of the table that divide it into loci, besides those of studies, which always do.
    blocks : Path, optional
        LD blocks: a BED file, or a table with the columns chr, start, stop and pop.
    blocks_population : str
        Whose blocks of such a table count.
    gap_bp : int, optional
        Loci by distance: more base pairs than this are between two of them.
    gwas : str
        Another table with p-values, effects or PIPs of the variants, ``FILE[:NAME=VALUE...]``, joined by
        position and alleles.
    pip : str
        The column of PIPs of the table, or another table that has them, as of ``gwas``.
    score : str
        The column, or INFO tag, of the scores in the input.
    slope : float, optional
        Of the score as a prior; by default it is estimated from these data, and may be 0.
    table : TableOptions
        How a table is read.
    positions : Path, optional
        VCF or .bim file that knows the names of a list without positions.
    top : int
        Variants of each locus by score in the page.
    figures : int
        Loci with a figure, those that come first by the study.
    tracks : bool
        Whether figures show the score of every position, where there is a genome.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    threads : int, optional
        Threads; by default the CPUs that this process may use.
    max_n_fraction, max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.
    """

    variants: Path
    folder: Path
    fasta: Path | None = None
    weights: str = EMBEDDED
    by: tuple[str, ...] = ()
    blocks: Path | None = None
    blocks_population: str = ""
    gap_bp: int | None = None
    gwas: str = ""
    pip: str = ""
    score: str = ""
    slope: float | None = None
    table: TableOptions = dataclasses.field(default_factory=TableOptions)
    positions: Path | None = None
    top: int = 5
    figures: int = 30
    tracks: bool = True
    device: str = "auto"
    threads: int | None = None
    max_n_fraction: float = MAX_N_FRACTION
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION

    def run(self, on_progress: Callable[[str], None] | None = None) -> RankResult:
        """Read, score, rank, draw and write.

        The folder gets ``ranked.tsv``, ``loci.tsv``, ``report.html``, ``report.md``, ``figures/`` and, last,
        ``rank.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, a package is missing or an output cannot be
            written.
        """
        began = time.monotonic()
        on_progress = on_progress or (lambda _: None)
        source, rule = self._source(), self._rule()
        self._check(source)
        genome = None if self.fasta is None else Genome(self.fasta)
        weights = None if genome is None else load_weights(self.weights)
        scoring = None
        if weights is not None:
            self._set_threads()
            scoring = Scoring(
                weights, self.device, max_n_fraction=self.max_n_fraction,
                max_mismatch_fraction=self.max_mismatch_fraction,
            )  # fmt: skip
        candidates = source.read(genome, scoring)
        on_progress(f"{len(candidates.table):,} variants read{' and scored' if candidates.scored else ''}")
        ranked = rank_variants(candidates, rule, self.slope)
        on_progress(f"{len(ranked.loci):,} loci: {ranked.loci.are}")
        tracks: Tracks | None = None
        notes: list[str] = []
        if genome is not None and weights is not None and self.tracks:
            tracks, notes = self._tracks(ranked, genome, weights, on_progress)
        with locked(made_folder(self.folder)):
            files = self._write(ranked, source, weights, genome, tracks, tuple(notes))
        return RankResult(ranked, files, time.monotonic() - began)

    def _tracks(
        self, ranked: Ranked, genome: Genome, weights: Weights, on_progress: Callable[[str], None]
    ) -> tuple[Tracks | None, list[str]]:
        """The scanned regions of the figures, and what to say where they have none."""
        tracks = Tracks(genome, weights, self.max_n_fraction, self.threads or usable_cpus())
        if differs := tracks.difference(ranked.candidates):
            return None, [differs]
        regions = shown_regions(ranked, self.figures, ContigLengths(genome))
        positions = tracks.scan(regions.values())
        on_progress(f"{positions:,} positions of the regions of the figures scored")
        if any(end - start >= LONGEST for _, start, end in regions.values()):
            return tracks, [
                f"regions of {LONGEST / 1e6:g} Mb or more are drawn without the score of every position"
            ]
        return tracks, []

    def _source(self) -> Source:
        return Source(self.variants, self.table, self.by, self.score, self.pip, self.gwas, self.positions)

    def _rule(self) -> LocusRule:
        if self.by and (self.blocks is not None or self.gap_bp is not None):
            raise OptionError(
                "loci are given by columns and by blocks or distance; leave out --by or the other"
            )
        return LocusRule(self.blocks, self.blocks_population, self.gap_bp)

    def _check(self, source: Source) -> None:
        """Find what is bound to fail before any work."""
        needed("matplotlib", "plot")
        if self.slope is not None and not 0 <= self.slope < math.inf:
            raise OptionError(f"slope is {self.slope}; expected 0 or more")
        if str(self.variants) == STANDARD_INPUT or not self.variants.is_file():
            raise InputError(
                f"{self.variants} is not a file; expected VCF, BCF or a table of variants, in a file that "
                "can be read again"
            )
        inputs = [*source.files(), *filter(None, [self.fasta, self.blocks])]
        for path in inputs:
            require_file(path)
        names = (TABLE, LOCI, "report.md", "report.html", MANIFEST)
        check_outputs([self.folder / name for name in names], inputs)

    def _set_threads(self) -> None:
        import torch

        torch.set_num_threads(self.threads or usable_cpus())

    def _write(
        self,
        ranked: Ranked,
        source: Source,
        weights: Weights | None,
        genome: Genome | None,
        tracks: Tracks | None,
        notes: tuple[str, ...],
    ) -> list[Path]:
        scores, name, of = self._scores_are(ranked.candidates, weights)
        # Scores of the input may be of other weights than those of the tracks.
        own = weights is not None and (ranked.candidates.scored or tracks is not None)
        background = weights.background if weights is not None and own else None
        provenance = self._provenance(ranked, source, weights)
        leakage = self._leakage(ranked.candidates, weights)
        options = ReportOptions(
            input=self.variants.name,
            scores_are=scores,
            weights=name,
            leakage=leakage,
            tables=tuple((one["name"], one["sha256"]) for one in provenance["inputs"]),
            background=of or (background.name if background else ""),
            lines=percentile_lines(background, _PERCENTILES),
            top=self.top,
            figures=self.figures,
            settings=_shown(provenance),
            notes=notes,
        )
        lengths = None if genome is None else ContigLengths(genome)
        title, sections = report(ranked, options, lengths, None if tracks is None else tracks.of)
        self._forget()
        files = [
            _write_table(ranked.table, COLUMNS, self.folder / TABLE),
            _write_table(loci_table(ranked), LOCUS_COLUMNS, self.folder / LOCI),
            *write_page(self.folder, title, sections),
        ]
        manifest = {
            **provenance,
            "leakage": leakage.to_dict(),
            "files": [str(path.relative_to(self.folder)) for path in files],
        }
        with written_whole(self.folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(manifest, indent=1) + "\n")
        return [*files, self.folder / MANIFEST]

    def _forget(self) -> None:
        """Remove the manifest of an earlier run, and the figures that it names."""
        path = self.folder / MANIFEST
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            for name in json.loads(path.read_text())["files"]:
                if str(name).startswith(f"{FOLDER}/") and _FIGURE.fullmatch(Path(name).name):
                    (self.folder / FOLDER / Path(name).name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _scores_are(self, candidates: Candidates, weights: Weights | None) -> tuple[str, str, str]:
        """Where the scores come from in words, the name of their weights, and of what percentiles are."""
        if candidates.scored:
            assert weights is not None
            of = weights.background.name if weights.background else ""
            return f"computed with the weights {weights.name}", weights.name, of
        column = str(candidates.provenance["scores"])
        words = f"read from {column} of the input"
        own = _weights_of(self.variants, column)
        if own is None:
            return words, "", ""
        background = own.get("background") or {}
        return f"{words}, by the weights {own['name']}", str(own["name"]), str(background.get("name", ""))

    def _leakage(self, candidates: Candidates, weights: Weights | None) -> Leakage:
        """What the weights of the scores have seen, by themselves or by the manifest of the input."""
        if candidates.scored and weights is not None:
            return Leakage(weights.name, (ScoredBy(weights.name, training_sets(weights)),))
        if _weights_of(self.variants, str(candidates.provenance["scores"])) is None:
            return Leakage()
        return read_leakage(self.variants)

    def _provenance(self, ranked: Ranked, source: Source, weights: Weights | None) -> dict[str, Any]:
        found = ranked.posteriors
        return {
            "mifm_kipoi": __version__,
            "inputs": [described(path) for path in source.files()],
            "fasta": None if self.fasta is None else described(self.fasta),
            "blocks": None if self.blocks is None else described(self.blocks),
            "weights": None if weights is None else {"name": weights.name, **weights.identity},
            "loci": {"are": ranked.loci.are, "number": len(ranked.loci)},
            "options": {
                "by": list(self.by), "blocks_population": self.blocks_population, "gap_bp": self.gap_bp,
                "gwas": self.gwas, "pip": self.pip, "score": self.score, "slope": self.slope,
                **dataclasses.asdict(self.table), "max_n_fraction": self.max_n_fraction,
            },
            "table": ranked.candidates.provenance,
            "rows": {"ranked": len(ranked.table), "repeated": ranked.repeated},
            "status": {
                str(status): int(count)
                for status, count in ranked.table["status"].value_counts().items()
            },
            "posteriors": None if found is None else {
                "slope": list(found.slopes), "from": str(found.reason), "regions": found.regions,
                "gain": _plain(dataclasses.asdict(found.gain)), "fitted": _plain(found.fitted),
            },
        }  # fmt: skip


def _plain(value: Any) -> Any:
    """Numbers that JSON can hold."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What of the manifest the page shows."""
    options = {
        name: value for name, value in provenance["options"].items() if value not in (None, "", [], {}, False)
    }
    table = provenance["table"]
    shown: dict[str, Any] = {
        "mifm kipoi": provenance["mifm_kipoi"],
        "inputs": [f"{one['name']} ({one['sha256'][:12]})" for one in provenance["inputs"]],
    }
    for name in ("fasta", "blocks"):
        if provenance[name]:
            shown[name] = f"{provenance[name]['name']} ({provenance[name]['sha256'][:12]})"
    if provenance["weights"]:
        shown["weights"] = f"{provenance['weights']['name']} ({provenance['weights']['tensors_sha256'][:12]})"
    shown |= {"options": options}
    if "columns" in table:
        shown["columns"] = dict(table["columns"])
    return shown


def _weights_of(variants: Path, column: str) -> dict[str, Any] | None:
    """The weights of a column of an output of ``mifm score``, as its manifest has them, if it does."""
    every = read_manifest(variants).get("weights")
    named = [one for one in every or () if isinstance(one, dict) and "name" in one]
    own = [one for one in named if column.lower().endswith(f"_{one['name']}".lower())]
    return named[0] if len(named) == 1 else own[0] if own else None


def _write_table(table: pd.DataFrame, columns: tuple[str, ...], path: Path) -> Path:
    """A table as TSV; whole numbers without a point, missing ones empty."""
    written = table[list(columns)].copy()
    for name in written.columns:
        values = written[name]
        if values.dtype == np.float64 and _is_whole(name):
            written[name] = values.astype("Int64")
    with written_whole(path) as temporary:
        written.to_csv(temporary, sep="\t", index=False, float_format=_DIGITS)
    return path


def _is_whole(name: str) -> bool:
    return name in ("locus", "rank") or name.endswith("_rank") or "abf_set" in name
