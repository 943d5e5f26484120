"""``mifm finemap`` from files to files.

In four steps. Every locus is fitted with the flat prior; from what that says of all loci the coefficients of
the prior are fitted, for each chromosome without its own loci; every locus is fitted with its prior; tables
are written. What is fitted of a locus is stored at once, so that a run that was ended goes on where it was.
"""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.association.cohort import Selection
from mifm_kipoi.association.filters import Filters
from mifm_kipoi.comparison.score_tables import JoinedScores, ScoreTable, join_scores
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.finemapping import records
from mifm_kipoi.finemapping.cautions import cautions_of
from mifm_kipoi.finemapping.exports import FOLDER as EXPORTS
from mifm_kipoi.finemapping.exports import write_exports
from mifm_kipoi.finemapping.fitting import Job, LocusFit, fit_locus, refused
from mifm_kipoi.finemapping.leakage import Leakage, read_leakage
from mifm_kipoi.finemapping.linkage import (
    GenotypeLinkage,
    Linkage,
    LocusLD,
    NoLinkage,
    PeopleLinkage,
    founders_of,
)
from mifm_kipoi.finemapping.loci import LocusRule, numbered
from mifm_kipoi.finemapping.matrices import MatrixLinkage, MatrixSource
from mifm_kipoi.finemapping.people import PeopleStudies, covariates_of
from mifm_kipoi.finemapping.prior_weights import FittedPrior, LocusEvidence, fit_prior_weights, to_feature
from mifm_kipoi.finemapping.records import FINE_MAPPED, Method
from mifm_kipoi.finemapping.report import INDEX, MOST_PAGES, PAGES, PageOptions, write_pages
from mifm_kipoi.finemapping.store import FLAT_FITS, PRIOR_FITS, FitStore
from mifm_kipoi.finemapping.studies import ROWS, StudyReader, once, read_studies
from mifm_kipoi.finemapping.susie import SusieOptions
from mifm_kipoi.finemapping.tables import (
    Columns,
    Fitted,
    LocusRows,
    no_rows,
    set_table,
    variant_table,
)
from mifm_kipoi.genetics.genotypes import Genotypes, open_genotypes
from mifm_kipoi.genetics.study_sources import StudySource
from mifm_kipoi.genomics.contigs import build_named
from mifm_kipoi.genomics.genes import check_genes
from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import (
    check_outputs,
    locked,
    made_folder,
    require_file,
    write_json,
    writing,
    written_whole,
)
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.processes import unordered_map
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

Flags = npt.NDArray[np.bool_]

IN_SAMPLE, OUT_OF_SAMPLE = "in", "out"
LD_SAMPLES: Mapping[str, str] = {
    IN_SAMPLE: "LD is that of the people of the studies: several effects",
    OUT_OF_SAMPLE: "LD is that of other people: one effect, of whose set LD gives the purity",
}
"""Whose LD genotypes and matrices have."""

TOGETHER, EACH = "together", "each"
PRIORS: Mapping[str, str] = {
    TOGETHER: "one prior, fitted to the loci of all studies",
    EACH: "a prior for each study, fitted to its own loci",
}
"""What loci a prior is fitted to."""

MOST_VARIANTS = 10_000
"""Variants of a locus with LD beyond which it is refused: a matrix of 10,000 has 800 MB."""

MIN_LOG_BF = 1.0
"""Evidence of an effect, ln of its Bayes factor, below which it does not count. susieR counts all: each adds
PIPs with a sum of 1, as the prior has them, so that unassociated variants of small loci, or of high prior
weights, get high ones. On simulated loci with flat, good and wrong weights 1 has the smallest squared error
of PIPs, of 0.1 to 3, and the variants above 0.95 are the same."""

WORK = "work"
"""The folder of what is fitted of each locus, until the tables are complete."""

_OUTPUTS = (
    records.VARIANTS, records.SETS, records.LOCI, records.PRIOR, records.MANIFEST, WORK, EXPORTS, INDEX,
    PAGES,
)  # fmt: skip

_ROWS = 50_000
"""Rows of variants that are made text together."""

_EVERY = 0.1
"""Fraction of the loci after which progress is said again."""


@dataclasses.dataclass(frozen=True)
class FinemapResult:
    """What was fine-mapped, and its files.

    Parameters
    ----------
    folder : Path
        The outputs; :func:`mifm_kipoi.finemapping.records.loci_of` reads the variants of its loci.
    tables : Tables
        Loci, credible sets and prior.
    cautions : list of str
        What a reader must know before trusting it, the gravest first.
    notes : list of str
        What became of rows, people and variants.
    files : list of Path
        All that were written, the manifest last.
    """

    folder: Path
    tables: records.Tables
    cautions: list[str]
    notes: list[str]
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """How many loci, sets and variants with high PIPs there are, with and without the prior."""
        loci, sets = self.tables.loci, self.tables.sets
        mapped = loci[loci["status"] == FINE_MAPPED]
        lines = [
            f"{len(mapped):,} of {len(loci):,} loci of {loci['study'].nunique():,} studies are fine-mapped, "
            f"with {int(mapped['variants'].sum()):,} variants"
        ]
        lines += [
            f"{number:,} loci: {reason}"
            for reason, number in loci.loc[loci["status"] != FINE_MAPPED, "reason"].value_counts().items()
        ]
        for prior, words in ((records.FLAT, "flat prior"), (records.SCORE, "prior of the score")):
            own = sets[sets["prior"] == prior]
            if len(own):
                lines.append(
                    f"{words}: {len(own):,} credible sets, of {own['size'].median():g} variants in the "
                    f"median; {int((own['size'] == 1).sum()):,} of one"
                )
        return lines


@dataclasses.dataclass(frozen=True)
class FinemapRun:
    """What to fine-map.

    Parameters
    ----------
    folder : Path
        Of the outputs; made where it is missing.
    studies : tuple of StudySource
        Tables of GWAS, or of credible sets.
    people : Selection, optional
        In the place of studies: traits of the people of ``genotypes``. With studies, without traits: LD is
        that of what the covariates leave of dosages, as it must be where covariates of a study, such as
        principal components, explain variants.
    genotypes : tuple of Path
        PLINK, VCF or BCF, for LD.
    keep : Path, optional
        Of genotypes without traits, whose LD counts: a table of people; by default all founders.
    matrices : tuple of MatrixSource
        LD as matrices, in the place of genotypes.
    ld_sample : str
        A key of :data:`LD_SAMPLES`.
    loci : LocusRule, optional
        By default the loci that tables name; else, of matrices, what each has; else what is near associated
        variants.
    scores : ScoreTable, optional
        The score that makes the prior, one column. Without it, and without annotations, the prior is flat.
    annotations : tuple of ScoreTable
        Further features of the prior, whose coefficients may have any sign.
    weights : tuple of str
        Those that made the scores, where the table's manifest does not say: files or names, by which it is
        known what they were trained on.
    prior : str
        A key of :data:`PRIORS`.
    susie : SusieOptions
        By default as susieR but for :data:`MIN_LOG_BF`.
    filters : Filters
        Of people: which variants count.
    most_variants : int
        Loci with LD of more variants are refused.
    processes : int, optional
        That fit loci side by side; by default as many as there are CPUs.
    pages : int
        Loci that get an HTML page, those of the highest PIPs; with 0 there is no index either.
    genes : Path, optional
        GTF of the genes that pages show.
    """

    folder: Path
    studies: tuple[StudySource, ...] = ()
    people: Selection | None = None
    genotypes: tuple[Path, ...] = ()
    keep: Path | None = None
    matrices: tuple[MatrixSource, ...] = ()
    ld_sample: str = OUT_OF_SAMPLE
    loci: LocusRule | None = None
    scores: ScoreTable | None = None
    annotations: tuple[ScoreTable, ...] = ()
    weights: tuple[str, ...] = ()
    prior: str = TOGETHER
    susie: SusieOptions = dataclasses.field(default_factory=lambda: SusieOptions(min_log_bf=MIN_LOG_BF))
    filters: Filters = dataclasses.field(default_factory=Filters)
    most_variants: int = MOST_VARIANTS
    processes: int | None = None
    pages: int = MOST_PAGES
    genes: Path | None = None

    def run(self, on_progress: Callable[[str], None] | None = None) -> FinemapResult:
        """Read, fit and write.

        The folder gets ``variants.tsv.gz``, ``credible_sets.tsv``, ``loci.tsv``, ``prior.tsv``, ``exports``
        (:mod:`mifm_kipoi.finemapping.exports`), ``index.html`` with ``loci/*.html`` and, last,
        ``finemap.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, there is no locus, a package is not
            installed or an output cannot be written.
        """
        needed("scipy", "finemapping")
        if self.pages:
            needed("matplotlib", "plot")
        self._check()
        say = on_progress or (lambda _: None)
        with locked(made_folder(self.folder)):
            return _Work(self, say).done()

    @property
    def method(self) -> Method:
        """How loci are fine-mapped."""
        if self.people is not None and self.people.traits:
            return Method.INDIVIDUAL
        has_ld = bool(self.genotypes or self.matrices)
        return Method.SUMMARY if has_ld and self.ld_sample == IN_SAMPLE else Method.ONE_EFFECT

    @property
    def has_features(self) -> bool:
        """Whether there is anything to make a prior of."""
        return self.scores is not None or bool(self.annotations)

    def inputs(self) -> list[Path]:
        """All files that are read, but for genotypes and matrices."""
        files = [path for source in self.studies for path in source.files()]
        tables = [*([self.scores] if self.scores else []), *self.annotations]
        files += [path for table in tables for path in table.files()]
        files += [path for path in (self.keep,) if path is not None]
        if self.people is not None:
            files += [*self.people.tables, *([self.people.keep] if self.people.keep else [])]
        return [*files, *(self.loci.files() if self.loci else [])]

    def _check(self) -> None:
        has_traits = self.people is not None and bool(self.people.traits)
        if bool(self.studies) == has_traits:
            raise OptionError(
                "expected tables of studies, or people with traits (--people, --traits), and not both; of "
                "people whose GWAS you have, either will do"
            )
        if (
            self.studies
            and self.people is not None
            and not (self.people.covariates or self.people.categorical)
        ):
            raise OptionError("people are named beside studies, and no covariates; name them (--covariates)")
        self._check_linkage()
        for name, choice, known in (
            ("LD sample", self.ld_sample, LD_SAMPLES), ("prior", self.prior, PRIORS),
        ):  # fmt: skip
            if choice not in known:
                raise OptionError(f"the {name} is {choice!r}; expected {' or '.join(known)}")
        for name, value in (("variants", self.most_variants), ("processes", self.processes)):
            if value is not None and value < 1:
                raise OptionError(f"the most {name} are {value}; expected 1 or more")
        self.filters.check()
        inputs = [*self.inputs(), *(path for one in self.matrices for path in one.files())]
        if self.genes is not None:
            check_genes(self.genes)
            inputs.append(self.genes)
        for path in inputs:
            require_file(path)
        check_outputs([self.folder / name for name in _OUTPUTS], inputs)

    def _check_linkage(self) -> None:
        """Genotypes, matrices, whose they are, and people fit together."""
        if self.people is not None and not self.genotypes:
            raise OptionError("people are named, and no genotypes are; name them (--genotypes)")
        if self.genotypes and self.matrices:
            raise OptionError("LD is that of genotypes or of matrices; leave out one of them")
        if self.matrices and self.people is not None:
            raise OptionError("of people, LD is that of their genotypes; leave matrices out")
        if self.studies and self.ld_sample == IN_SAMPLE and not (self.genotypes or self.matrices):
            raise OptionError(
                "LD is said to be that of the people of the studies (--ld-sample in), and no LD is given; "
                "name genotypes (--genotypes) or matrices (--ld-matrix), or leave --ld-sample out"
            )
        if self.keep is not None and not self.genotypes:
            raise OptionError("a list of people whose LD counts needs genotypes; name them (--genotypes)")


class _Work:
    """The steps of a run."""

    def __init__(self, run: FinemapRun, say: Callable[[str], None]) -> None:
        self._run, self._say = run, say
        self._notes: list[str] = []
        self._genotypes: Genotypes | None = None
        if run.genotypes:
            self._genotypes = open_genotypes(list(run.genotypes), usable_cpus())
        self._store = FitStore(run.folder / WORK)
        self._leakage = self._read_leakage()
        self._checksums: dict[str, str] = {}
        self._processes = run.processes or usable_cpus()

    def done(self) -> FinemapResult:
        """All steps."""
        run = self._run
        provenance = self._provenance()
        self._read()
        self._attach_features()
        linkage = self._linkage()
        slices = list(self._slices.values())
        self._say(f"{len(self._loci):,} loci, {len(self._rows):,} rows of variants")
        if not len(self._rows):
            raise InputError(
                f"the studies have no variant in the {len(self._loci):,} loci ({self._loci_are}); expected "
                "loci of their genome build"
            )
        self._notes += linkage.attach(self._rows, slices, self._places)
        (run.folder / records.MANIFEST).unlink(missing_ok=True)
        if self._store.begin(provenance):
            self._say("goes on with what an earlier run has left")
        self._fit(linkage, FLAT_FITS, None)
        priors = self._priors()
        if priors is not None:
            self._fit(linkage, PRIOR_FITS, priors)
        tables, files = self._write(priors)
        exported = write_exports(run.folder)
        self._notes += exported.notes
        files += exported.files
        cautions = cautions_of(tables, run.method, self._leakage if run.scores is not None else None)
        if run.pages:
            self._say("tables are written; drawing pages")
            files += write_pages(run.folder, self._page_options(tables, provenance, cautions))
        manifest = {
            **provenance, "loci_are": self._loci_are, "notes": self._notes, "pages": run.pages,
            "genes": run.genes and described(run.genes),
            "cautions": cautions,
            "leakage": self._leakage.to_dict(),
            "files": [str(path.relative_to(run.folder)) for path in files],
        }  # fmt: skip
        path = run.folder / records.MANIFEST
        write_json(path, manifest)
        self._store.remove()
        return FinemapResult(run.folder, tables, manifest["cautions"], self._notes, [*files, path])

    # Inputs

    def _read_leakage(self) -> Leakage:
        run = self._run
        named = [(one.path, column) for one in run.annotations for column, _ in one.methods().values()]
        if run.scores is None:
            return read_leakage(None, annotations=named)
        columns = [column for column, _ in run.scores.methods().values()]
        # Several are an error that is told later, with all of their names.
        return read_leakage(run.scores.path, run.weights, columns[0] if len(columns) == 1 else "", named)

    def _provenance(self) -> dict[str, Any]:
        run = self._run
        genotypes = self._genotypes.files if self._genotypes is not None else ()
        options = [
            {
                field.name: getattr(source, field.name)
                for field in dataclasses.fields(source)
                if field.name not in ("path", "positions", "lift_over", "meta")
            }
            for source in run.studies
        ]
        people = None
        if run.people is not None:
            people = {
                field.name: getattr(run.people, field.name)
                for field in dataclasses.fields(run.people)
                if field.name not in ("tables", "keep")
            }
        return {
            "mifm_kipoi": __version__,
            "studies": [described(source.path) for source in run.studies],
            "study_options": _plain(options),
            "people": _plain(people),
            "inputs": [described(path) for path in run.inputs()],
            "genotypes": [described(path) for path in genotypes],
            "matrices": [described(path) for one in run.matrices for path in one.files()],
            "matrix_columns": [dict(one.columns) for one in run.matrices],
            "scores": self._describe_scores(),
            "annotations": [
                _plain(dataclasses.asdict(one) | {"path": one.path.name}) for one in run.annotations
            ],
            "method": str(run.method),
            "ld_sample": run.ld_sample,
            "loci": run.loci.in_words() if run.loci else "by default",
            "locus_rule": _plain(run.loci and dataclasses.asdict(run.loci)),
            "weights": list(run.weights),
            "prior": run.prior,
            "susie": dataclasses.asdict(run.susie),
            "filters": dataclasses.asdict(run.filters) if run.method is Method.INDIVIDUAL else None,
            "most_variants": run.most_variants,
        }

    def _describe_scores(self) -> dict[str, Any] | None:
        scores = self._run.scores
        if scores is None:
            return None
        methods = scores.methods()
        if len(methods) != 1:
            raise OptionError(
                f"{scores.path} has the scores {', '.join(methods)}; name the one that makes the prior "
                "(--score)"
            )
        [(column, direction)] = methods.values()
        return {**described(scores.path), "path": str(scores.path), "column": column, "direction": direction}

    def _read(self) -> None:
        """Loci and the rows of studies in them."""
        if self._run.people is not None and self._run.people.traits:
            loci, rows = self._read_people(self._run.people)
        else:
            loci, rows = self._read_tables()
        rows, repeated = once(rows, ("number",))
        if repeated:
            self._notes.append(
                f"{repeated:,} rows repeat a variant of their locus; that of the lowest p counts"
            )
        self._loci, self._rows = loci, rows
        # Of many thousand loci, rows of a frame would cost more than fits.
        self._columns = {name: rows[name].to_numpy() for name in ROWS}
        self._places = list(zip(loci["chrom"], loci["start"], loci["end"], strict=True))
        self._studies, self._chroms = loci["study"].tolist(), loci["chrom"].tolist()
        number = rows["number"].to_numpy(np.int64)
        starts = np.searchsorted(number, np.arange(len(loci) + 1))
        self._slices = {
            one: np.arange(starts[one], starts[one + 1], dtype=np.int64) for one in range(len(loci))
        }

    def _read_people(self, selection: Selection) -> tuple[pd.DataFrame, pd.DataFrame]:
        assert self._genotypes is not None
        self._people = PeopleStudies(selection, self._genotypes, self._run.filters)
        self._notes += self._people.notes
        rule = self._run.loci or LocusRule()
        self._loci_are = rule.in_words()
        loci = rule.loci(self._people.studies, self._people.leads)
        return loci, self._people.rows(numbered(loci), loci)

    def _read_tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        run = self._run
        directed = bool(run.genotypes or run.matrices)
        read = read_studies(run.studies, directed, run.loci, run.matrices)
        self._loci_are = read.loci_are
        self._notes += read.notes
        self._checksums = read.checksums
        return read.loci, read.rows

    def _attach_features(self) -> None:
        """The score and annotations of each row."""
        run = self._run
        tables = [*([run.scores] if run.scores else []), *run.annotations]
        self._names: tuple[str, ...] = ()
        self._features = self._raw = np.empty((len(self._rows), 0))
        if not tables:
            return
        variants = self._rows.rename(columns={"ref": "other_allele", "alt": "effect_allele"})
        joined: JoinedScores = join_scores(tables, variants)
        self._names = tuple(joined.values)
        self._raw = np.column_stack(list(joined.values.values()))
        self._features = self._raw.copy()
        if run.scores is not None:
            self._features[:, 0], scale = to_feature(self._raw[:, 0])
            self._notes.append(f"{self._names[0]} enters the prior {scale}")
            without = int(np.isnan(self._raw[:, 0]).sum())
            if without:
                self._notes.append(
                    f"{without:,} of {len(self._raw):,} rows have no {self._names[0]}; they count as the "
                    "mean of their locus"
                )

    def _linkage(self) -> Linkage:
        run = self._run
        if run.method is Method.INDIVIDUAL:
            assert self._genotypes is not None
            return PeopleLinkage(self._genotypes, self._people.samples, self._people.models)
        if self._genotypes is not None:
            for source in run.studies:
                build = StudyReader(source, directed=True).build
                if self._genotypes.build and build_named(build) not in ("", self._genotypes.build):
                    raise InputError(
                        f"{', '.join(map(str, run.genotypes))} is of {self._genotypes.build} by its header, "
                        f"and {source.path} of {build}; use genotypes of that build, or lift the study over "
                        "(lift_over)"
                    )
            if run.people is not None:
                samples, design, notes = covariates_of(run.people, self._genotypes)
                self._notes += notes
                return GenotypeLinkage(self._genotypes, samples, design)
            return GenotypeLinkage(self._genotypes, founders_of(self._genotypes, run.keep))
        if run.matrices:
            return MatrixLinkage(run.matrices)
        return NoLinkage()

    # Fits

    def _fit(self, linkage: Linkage, stage: str, priors: _Priors | None) -> None:
        """Fit what is not stored yet, and store it."""
        store = self._store
        every = [number for number in self._slices if len(self._slices[number])]
        if priors is not None:
            every = [number for number in every if self._needs_prior(number, priors)]
        left = frozenset(number for number in every if not store.has(stage, number))
        total, done = len(every), len(every) - len(left)
        said = done
        words = "flat prior" if priors is None else "prior of the score"

        def jobs() -> Iterator[Job]:
            for ld in linkage.loci(left):
                job = self._job(ld, priors)
                if isinstance(job, LocusFit):
                    store.keep(stage, job)
                else:
                    yield job

        for fit in unordered_map(fit_locus, jobs(), self._processes):
            if priors is None and fit.status == FINE_MAPPED and not fit.kept.all():
                usable = store.usable(fit.number)
                usable[usable] = fit.kept
                store.keep_usable(fit.number, usable)
            store.keep(stage, fit)
            done += 1
            if done - said >= max(1, _EVERY * total):
                said = done
                self._say(f"{words}: {done:,} of {total:,} loci")
        self._say(f"{words}: {total:,} loci are fitted")

    def _needs_prior(self, number: int, priors: _Priors) -> bool:
        prior = priors.of(self._studies[number]).of(self._chroms[number])
        return not prior.flat and self._store.fit(FLAT_FITS, number).status == FINE_MAPPED

    def _job(self, ld: LocusLD, priors: _Priors | None) -> Job | LocusFit:
        rows = self._rows_of(ld.number)
        size = len(rows["z"])
        method = self._run.method
        # One effect needs no LD: rows without it count, too.
        counted = np.ones(size, dtype=bool) if method is Method.ONE_EFFECT else ld.usable
        if priors is None:
            usable = counted & self._has_numbers(rows, method, ld)
            self._store.keep_usable(ld.number, usable)
        else:
            usable = self._store.usable(ld.number)
        if not usable.any():
            reasons = pd.Series(ld.reason[ld.reason != ""]).value_counts()
            why = reasons.index[0] if len(reasons) else "z or Bayes factors are missing"
            return refused(ld.number, f"none of {size:,} variants can be used: {why}")
        if ld.R is not None and usable.sum() > self._run.most_variants:
            return refused(
                ld.number,
                f"{int(usable.sum()):,} variants are more than {self._run.most_variants:,}, the most of a "
                "locus with LD; divide it (--blocks, --window), or allow more (--most-variants)",
            )
        weights = None
        if priors is not None:
            features = self._features[self._slices[ld.number]][usable]
            prior = priors.of(self._studies[ld.number])
            weights = np.zeros(size)
            weights[usable] = prior.weights(self._chroms[ld.number], features)
        job = Job(
            number=ld.number,
            method=method,
            z=rows["z"][counted],
            log_bf=rows["log_bf"][counted],
            log_p=rows["log_p"][counted],
            with_ld=ld.usable[counted],
            n=_n_of(rows["sample_size"][usable]),
            R=ld.R,
            products=ld.products,
            prior_weights=None if weights is None else weights[counted],
            options=self._run.susie,
            check=priors is None and method is not Method.INDIVIDUAL,
        )
        return job.take(usable[counted])

    @staticmethod
    def _has_numbers(rows: Columns, method: Method, ld: LocusLD) -> Flags:
        needed_column = "log_bf" if method is Method.ONE_EFFECT and ld.R is None else "z"
        return np.isfinite(rows[needed_column])

    def _rows_of(self, number: int) -> Columns:
        first = self._slices[number]
        own = slice(first[0], first[-1] + 1) if len(first) else slice(0, 0)
        return {name: values[own] for name, values in self._columns.items()}

    def _priors(self) -> _Priors | None:
        """Priors of the studies, fitted to what the flat prior says; none without features."""
        if not self._run.has_features:
            return None
        evidence: dict[str, list[LocusEvidence]] = {}
        for number, rows in self._slices.items():
            if not len(rows):
                continue
            fit = self._store.fit(FLAT_FITS, number)
            if fit.status != FINE_MAPPED:
                continue
            effects = sorted({one.effect for one in fit.sets})
            study = records.ALL if self._run.prior == TOGETHER else self._studies[number]
            evidence.setdefault(study, []).append(
                LocusEvidence(
                    self._chroms[number], self._features[rows][self._store.usable(number)],
                    fit.log_bf_variable[effects],
                )
            )  # fmt: skip
        scores = int(self._run.scores is not None)
        fitted = {study: fit_prior_weights(own, self._names, scores) for study, own in evidence.items()}
        for study, prior in fitted.items():
            own = len({one.chromosome for one in evidence[study] if len(one.log_bf)})
            self._say(f"prior of {study}: fitted to {prior.whole.signals:,} signals on {own:,} chromosomes")
        return _Priors(fitted, self._run.prior == TOGETHER)

    # Outputs

    def _write(self, priors: _Priors | None) -> tuple[records.Tables, list[Path]]:
        folder = self._run.folder
        every: list[LocusRows] = []
        waiting: list[LocusRows] = []
        annotations = self._names[int(self._run.scores is not None) :]
        path = folder / records.VARIANTS
        with (
            written_whole(path) as temporary,
            writing(path),
            gzip.open(temporary, "wt", compresslevel=6) as file,
        ):
            _append(variant_table([], annotations), file, header=True)
            for one in self._results(priors):
                every.append(dataclasses.replace(one, variants={}))
                waiting.append(one)
                if sum(len(each.variants.get("pip", ())) for each in waiting) >= _ROWS:
                    _append(variant_table(waiting, annotations), file)
                    waiting = []
            _append(variant_table(waiting, annotations), file)
        tables = records.Tables(
            records.typed(pd.DataFrame([one.record for one in every]), records.LOCUS_TYPES),
            set_table(every),
            records.empty(records.PRIOR_TYPES) if priors is None else priors.table(),
        )
        files = [path]
        for name, table in (
            (records.SETS, tables.sets), (records.LOCI, tables.loci), (records.PRIOR, tables.prior),
        ):  # fmt: skip
            with written_whole(folder / name) as temporary, writing(folder / name):
                table.to_csv(temporary, sep="\t", index=False, float_format="%.10g")
            files.append(folder / name)
        return tables, files

    def _results(self, priors: _Priors | None) -> Iterator[LocusRows]:
        method = str(self._run.method)
        has_score = self._run.scores is not None
        for number, locus in enumerate(self._loci.to_dict("records")):
            named = {str(name): value for name, value in locus.items()}
            own = self._slices[number]
            if not len(own):
                yield no_rows(named, "the study has no variant there")
                continue
            flat, usable, rows = (
                self._store.fit(FLAT_FITS, number),
                self._store.usable(number),
                self._rows_of(number),
            )
            final, size = None, int(usable.sum())
            weights = np.full(size, 1 / max(size, 1))
            if priors is not None and flat.status == FINE_MAPPED:
                final = flat
                if self._store.has(PRIOR_FITS, number):
                    final = self._store.fit(PRIOR_FITS, number)
                    prior = priors.of(self._studies[number])
                    weights = prior.weights(self._chroms[number], self._features[own][usable])
            raw = self._raw[own][usable]
            score = raw[:, 0] if has_score else np.full(size, np.nan)
            n = _n_of(rows["sample_size"][usable])
            annotations = zip(self._names[int(has_score) :], raw[:, int(has_score) :].T, strict=True)
            yield Fitted(
                named, rows, usable, method, np.nan if n is None else n, flat, final, weights, score,
                dict(annotations), self._seen(named),
            ).in_tables()  # fmt: skip

    def _page_options(
        self, tables: records.Tables, provenance: Mapping[str, Any], cautions: Sequence[str]
    ) -> PageOptions:
        studies = sorted(tables.loci["study"].unique())
        title = ", ".join(studies[:3]) if len(studies) <= 3 else f"{len(studies):,} studies"
        shown = {
            "mifm kipoi": __version__,
            **{
                name: ", ".join(each["name"] for each in provenance[name])
                for name in ("studies", "genotypes", "matrices", "inputs")
            },
            "LD sample": provenance["ld_sample"],
            "loci": provenance["loci"],
            "score": provenance["scores"]["column"] if provenance["scores"] else "",
            "weights": ", ".join(self._run.weights),
            "prior": PRIORS[self._run.prior] if self._run.has_features else "flat",
            "genes": self._run.genes.name if self._run.genes else "",
            "SuSiE": dataclasses.asdict(self._run.susie),
        }
        return PageOptions(
            title, self._leakage, self._run.genes, self._run.pages,
            {name: value for name, value in shown.items() if value}, cautions, self._notes,
        )  # fmt: skip

    def _seen(self, locus: Mapping[str, object]) -> str:
        study = str(locus["study"])
        return self._leakage.seen(study, str(locus["chrom"]), self._checksums.get(study, ""))


@dataclasses.dataclass(frozen=True)
class _Priors:
    """The prior of each study.

    Parameters
    ----------
    fitted : dict of str to FittedPrior
        By study, or one of all.
    together : bool
        Whether it is one of all.
    """

    fitted: dict[str, FittedPrior]
    together: bool

    def of(self, study: str) -> FittedPrior:
        """That of a study."""
        return self.fitted[records.ALL if self.together else study]

    def table(self) -> pd.DataFrame:
        """As ``prior.tsv``."""
        parts = [prior.table().assign(study=study) for study, prior in self.fitted.items()]
        if not parts:
            return records.empty(records.PRIOR_TYPES)
        return records.typed(pd.concat(parts, ignore_index=True), records.PRIOR_TYPES)


def _n_of(sizes: Values) -> float | None:
    """The median sample size; none where it is not known."""
    known = sizes[sizes > 0]
    return float(np.median(known)) if len(known) else None


def _append(table: pd.DataFrame, file: IO[str], header: bool = False) -> None:
    table.to_csv(file, sep="\t", index=False, header=header, float_format="%.10g")


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value
