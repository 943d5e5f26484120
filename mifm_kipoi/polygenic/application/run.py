"""``mifm pgs score`` from files to files."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.genotypes import Genotypes, open_genotypes
from mifm_kipoi.genetics.matching import CODE, OUTCOMES, Outcome, candidates, match
from mifm_kipoi.genomics.contigs import build_named
from mifm_kipoi.genomics.liftover import LiftOver
from mifm_kipoi.polygenic.application.decisions import (
    LOW_OVERLAP,
    OK,
    Score,
    build_cautions,
    decided,
    note_genotypes,
    score_cautions,
)
from mifm_kipoi.polygenic.application.frequencies import read_frequencies
from mifm_kipoi.polygenic.application.outputs import (
    SCORES,
    SCORES_PARQUET,
    VARIANT_COLUMNS,
    write_scores,
    write_variants,
)
from mifm_kipoi.polygenic.application.report import report_sections
from mifm_kipoi.polygenic.application.sources import Reader, ScoreRows, scoring_paths
from mifm_kipoi.polygenic.application.sums import Entries, ScoreSums
from mifm_kipoi.reports.page import Section, write_page
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, made_folder, write_json, write_table
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

MATCHING, VARIANTS, MANIFEST = "matching.tsv", "variants.tsv.gz", "scores.json"

_OUTPUTS = (SCORES, SCORES_PARQUET, MATCHING, VARIANTS, "report.md", "report.html", MANIFEST)

_BUFFER_BYTES = 512 << 20
"""Dosages that are multiplied together: 512 MiB."""

_MOST_VARIANTS = 4096
"""Variants that are multiplied together."""

_SECONDS = 10.0
"""From one line of progress to the next."""


@dataclasses.dataclass(frozen=True)
class PgsScoreResult:
    """What was computed.

    Parameters
    ----------
    matching : pandas.DataFrame
        One row a score, as ``matching.tsv`` has it.
    cautions : list of str
        What a reader must know before using the scores.
    sections : list of Section
        The report.
    title : str
        Its title.
    files : list of Path
        All that were written, the manifest last.
    """

    matching: pd.DataFrame
    cautions: list[str]
    sections: list[Section]
    title: str
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """Match rates as lines of text."""
        computed = self.matching[self.matching["status"].isin([OK, LOW_OVERLAP])]
        lines = [f"{len(computed):,} of {len(self.matching):,} scores computed"]
        shown = self.matching.sort_values("fraction", kind="stable").head(10)
        lines += [
            f"{row['score']}  {row['status']}  {row['matched']:,} of {row['rows']:,} variants matched"
            for row in shown.to_dict("records")
        ]
        if len(self.matching) > len(shown):
            lines.append(f"and {len(self.matching) - len(shown):,} with higher match rates")
        return lines


@dataclasses.dataclass(frozen=True)
class PgsScoreRun:
    """Which scores of which people to compute.

    Parameters
    ----------
    genotypes : tuple of Path
        Files of the same people, as of :func:`mifm_kipoi.genetics.genotypes.open_genotypes`.
    folder : Path
        Of the outputs; made where it is missing.
    scores : tuple of Path
        Scoring files, or folders of them.
    build : str
        Genome build of the genotypes; by default what they state, else that to which ``lift_over`` leads.
    score_build : str
        Genome build of scoring files that do not state one; by default that of the genotypes.
    lift_over : tuple of Path
        Chain files, for scoring files of other builds.
    ambiguous : str
        Whether A/T and C/G variants count: ``auto`` as of :func:`mifm_kipoi.genetics.matching.resolve`,
        ``keep`` or ``drop``.
    missing : str
        What a missing genotype counts: ``mean``, twice the frequency of the effect allele, or ``zero``.
    frequencies : Path, optional
        File of the frequencies for that; variants without one there, and all by default, have the frequency
        in the founders of the genotypes.
    min_overlap : float
        Scores of which a smaller fraction of rows is matched are not computed.
    columns : mapping of str to str
        Columns of scoring tables by field, as of
        :func:`mifm_kipoi.polygenic.scoring_files.read_scoring_file`.
    parquet : bool
        Write people's scores as Parquet.
    threads : int, optional
        That decode genotypes and compress text; by default the CPUs that the process may use. How many
        multiply is decided by the library of linear algebra (``OPENBLAS_NUM_THREADS``).
    """

    genotypes: tuple[Path, ...]
    folder: Path
    scores: tuple[Path, ...] = ()
    build: str = ""
    score_build: str = ""
    lift_over: tuple[Path, ...] = ()
    ambiguous: Literal["auto", "keep", "drop"] = "auto"
    missing: Literal["mean", "zero"] = "mean"
    frequencies: Path | None = None
    min_overlap: float = 0.0
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    parquet: bool = False
    threads: int | None = None

    def run(self, on_progress: Callable[[str], None] | None = None) -> PgsScoreResult:
        """Read, match, add up and write.

        The folder gets ``sample_scores.tsv.gz`` (or ``.parquet``), ``matching.tsv``, ``variants.tsv.gz``,
        ``report.html``, ``report.md`` and, last, ``scores.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done, and now and then on the way.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, a package is not installed, an output
            cannot be written, or none of the scores can be computed; then the tables of the variants are
            there.
        """
        needed("scipy", "polygenic")
        on_progress = on_progress or (lambda _: None)
        paths = scoring_paths(self.scores)
        threads = self.threads or usable_cpus()
        self._check_options()
        genotypes = open_genotypes(self.genotypes, threads)
        self._check_outputs(genotypes, paths)
        chains = [LiftOver(path) for path in self.lift_over]
        build = self._genotype_build(genotypes, chains)
        reader = Reader(build, build_named(self.score_build), chains, self.columns)
        files = [reader.read(name, path) for name, path in paths.items()]
        variants = reader.variants.frame
        on_progress(f"{len(files):,} scoring files: {len(variants):,} different variants")
        read = _Counter()
        genotyped = candidates(genotypes.variants(), variants, read)
        matches = match(variants, genotyped)
        on_progress(f"genotypes: {len(genotypes):,} people, {read.number:,} variants")
        scores = [
            decided(file, matches.take(file.variant), variants, self.ambiguous, self.min_overlap)
            for file in files
        ]
        applied = [score for score in scores if score.status in (OK, LOW_OVERLAP)]
        rows = np.unique(np.concatenate([score.used for score in applied] or [np.empty(0, np.int64)]))
        genotyped = genotyped[genotyped["row"].isin(rows)].reset_index(drop=True)
        sums = self._sums(genotypes, applied, genotyped, on_progress) if applied else None
        if sums is not None:
            note_genotypes(applied, genotyped, sums)
        table = pd.DataFrame([score.row(build) for score in scores])
        cautions = [*build_cautions(files, build), *score_cautions(scores)]
        made_folder(self.folder)
        # Nothing of an earlier run may stand beside what this one finds.
        for name in _OUTPUTS:
            (self.folder / name).unlink(missing_ok=True)
        write_variants(self.folder / VARIANTS, _variant_tables(scores, variants, genotyped, sums), threads)
        write_table(self.folder / MATCHING, table)
        if sums is None or not (set(table["status"]) & {OK, LOW_OVERLAP}):
            raise InputError(
                f"no score can be computed: {'; '.join(cautions)}. What became of each variant is in "
                f"{self.folder / VARIANTS}"
            )
        names = {
            score.rows.name: row for row, score in enumerate(applied) if score.status in (OK, LOW_OVERLAP)
        }
        people = write_scores(self.folder, genotypes.samples, names, sums.finished(), self.parquet, threads)
        manifest = self._manifest(genotypes, files, read.number, build, cautions)
        title, sections = report_sections(table, cautions, manifest)
        pages = write_page(self.folder, title, sections)
        write_json(self.folder / MANIFEST, manifest)
        outputs = [people, self.folder / MATCHING, self.folder / VARIANTS, *pages, self.folder / MANIFEST]
        return PgsScoreResult(table, cautions, sections, title, outputs)

    def _check_options(self) -> None:
        for option, text in (("build", self.build), ("score-build", self.score_build)):
            if text and not build_named(text):
                raise OptionError(f"--{option} is {text!r}; expected a genome build such as GRCh37 or hg38")
        if not 0 <= self.min_overlap <= 1:
            raise OptionError(f"--min-overlap is {self.min_overlap:g}; expected a fraction from 0 to 1")

    def _check_outputs(self, genotypes: Genotypes, paths: Mapping[str, Path]) -> None:
        outputs = [self.folder / name for name in _OUTPUTS]
        inputs = [*paths.values(), *genotypes.files, *self.lift_over, self.frequencies]
        check_outputs(outputs, inputs)

    def _genotype_build(self, genotypes: Genotypes, chains: Sequence[LiftOver]) -> str:
        """The build of the genotypes, as far as anything says it."""
        named = build_named(self.build)
        if named and genotypes.build and named != genotypes.build:
            raise OptionError(
                f"--build is {named}, but {genotypes.paths[0]} is of {genotypes.build} by the lengths of its "
                "contigs; leave --build out, or name the right genotypes"
            )
        targets = {chain.builds[1] for chain in chains} - {""}
        return named or genotypes.build or (targets.pop() if len(targets) == 1 else "")

    def _sums(
        self,
        genotypes: Genotypes,
        scores: Sequence[Score],
        genotyped: pd.DataFrame,
        on_progress: Callable[[str], None],
    ) -> ScoreSums:
        """The sums of the scores that can be computed, in one pass over the genotypes."""
        rows = genotyped["row"].to_numpy(np.int64)
        people = genotypes.samples
        frequencies = None
        if self.frequencies is not None:
            frequencies = read_frequencies(self.frequencies, genotyped)
            known = int((~np.isnan(frequencies)).sum())
            on_progress(f"{self.frequencies}: frequencies of {known:,} of {len(rows):,} variants")
        sums = ScoreSums(
            _entries(scores, rows),
            len(scores),
            len(rows),
            people["founder"].to_numpy(bool),
            (people["sex"] == "1").to_numpy(bool),
            self.missing == "mean",
            frequencies,
        )
        one_x = (genotyped["chrom"] == "X").to_numpy(bool)
        done, last = 0, time.monotonic()
        for dosages in _together(genotypes, rows):
            sums.add(done, dosages, one_x[done : done + len(dosages)])
            done += len(dosages)
            if done == len(rows) or time.monotonic() - last > _SECONDS:
                on_progress(f"{done:,} of {len(rows):,} variants with weights, {len(scores):,} scores")
                last = time.monotonic()
        return sums

    def _manifest(
        self, genotypes: Genotypes, files: Sequence[ScoreRows], variants: int, build: str, cautions: list[str]
    ) -> dict[str, Any]:
        return {
            "mifm_kipoi": __version__,
            "genotypes": {
                # Checksums of a biobank's genotypes would take as long as reading them.
                "files": [
                    {"name": Path(path).name, "bytes": Path(path).stat().st_size} for path in genotypes.files
                ],
                "people": len(genotypes),
                "founders": int(genotypes.samples["founder"].sum()),
                "variants": variants,
                "build": build or None,
            },
            "scores": {
                rows.name: {
                    "file": described(rows.file.path),
                    "build": rows.file.build or None,
                    "lifted": bool(rows.lifted_from),
                    "harmonised_positions": rows.file.harmonised,
                    "trait": rows.file.header.get("trait_reported"),
                }
                for rows in files
            },
            "lift_over": [described(path) for path in self.lift_over],
            "ambiguous": self.ambiguous,
            "missing": self.missing,
            "frequencies": self.frequencies and described(self.frequencies),
            "min_overlap": self.min_overlap,
            "score_build": self.score_build or None,
            "columns": dict(self.columns),
            "notes": cautions,
        }


class _Counter:
    """Remembers the last number that it is given."""

    number = 0

    def __call__(self, number: int) -> None:
        self.number = number


def _entries(scores: Sequence[Score], rows: npt.NDArray[np.int64]) -> Entries:
    """The weights of all scores, in the order of the variants."""
    parts = []
    for number, score in enumerate(scores):
        at = score.at
        parts.append((
            np.searchsorted(rows, score.used),
            np.full(len(at), number),
            score.rows.weight[at],
            score.counted,
            score.rows.effect_type[at],
        ))  # fmt: skip
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Entries(*(column[order] for column in columns))


def _together(genotypes: Genotypes, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float32]]:
    """Dosages of some rows of the genotypes, many variants in each array, which is used again."""
    people = len(genotypes)
    size = int(min(max(_BUFFER_BYTES // (4 * people), 1), _MOST_VARIANTS, max(len(rows), 1)))
    buffer = np.empty((size, people), dtype=np.float32)

    def choose(chunk: pd.DataFrame) -> npt.NDArray[np.bool_]:
        number = chunk["row"].to_numpy(np.int64)
        some = rows[slice(*np.searchsorted(rows, [number[0], number[-1] + 1]))]
        return np.isin(number, some)

    filled = done = 0
    for block in genotypes.blocks(choose, size=size):
        start = 0
        while start < len(block.dosages):
            taken = min(size - filled, len(block.dosages) - start)
            buffer[filled : filled + taken] = block.dosages[start : start + taken]
            filled, start, done = filled + taken, start + taken, done + taken
            if filled == size:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]
    if done != len(rows):
        raise InputError(
            f"{', '.join(genotypes.paths)} gave {done:,} of {len(rows):,} variants in the second reading; "
            "did the files change meanwhile?"
        )


def _variant_tables(
    scores: Sequence[Score], variants: pd.DataFrame, genotyped: pd.DataFrame, sums: ScoreSums | None
) -> Iterator[pd.DataFrame]:
    """What became of each row of each scoring file."""
    index = pd.Index(genotyped["row"])
    names = np.array([*genotyped["id"], ""], dtype=object)
    for score in scores:
        rows, matches = score.rows, score.matches
        table = variants.iloc[rows.variant].reset_index(drop=True)
        matched = score.outcome == CODE[Outcome.MATCHED]
        place = np.where(matched, index.get_indexer(pd.Index(matches.row)), -1)
        frequency, missing = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        if sums is not None:
            known = place >= 0
            frequency[known] = sums.frequency[place[known]]
            missing[known] = sums.missing[place[known]] / sums.people
        table.insert(0, "score", rows.name)
        table.insert(1, "line", rows.line)
        yield table.assign(
            weight=rows.weight,
            outcome=np.array([outcome.value for outcome in OUTCOMES], dtype=object)[score.outcome],
            variant=names[place],
            counts=np.where(matched, np.where(matches.counted, "effect_allele", "other_allele"), ""),
            strand=np.where(matched, np.where(matches.other_strand, "other", "same"), ""),
            # Digits that say nothing are most of the file.
            frequency=np.where(matches.counted, frequency, 1 - frequency).round(6),
            missing=missing.round(6),
        )[list(VARIANT_COLUMNS)]
