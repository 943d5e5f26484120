"""``mifm gwas`` from files to files."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from mifm_kipoi.association import exact
from mifm_kipoi.association.cohort import Cohort, Selection, read_cohort
from mifm_kipoi.association.filters import Filters
from mifm_kipoi.association.report import cautions_of, write_report
from mifm_kipoi.association.results import GENOME_WIDE, LOCUS_BP, Result
from mifm_kipoi.association.tested import BlockTest, Collected, encode_left_out
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.genotypes import Genotypes, RefuseRepeats, open_genotypes
from mifm_kipoi.genetics.gwas_ssf import METADATA_SUFFIX, write_metadata
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, made_folder, write_json, writing, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.support.threads import ordered_map
from mifm_kipoi.version import __version__

MANIFEST = "gwas.json"
LEFT_OUT = "left_out.tsv.gz"

EXACT_BELOW = 1e-3
"""P-value of the score test below which logistic regression is fitted."""

OnProgress = Callable[[int, float], None]


@dataclasses.dataclass(frozen=True)
class GwasResult:
    """What was tested, and its files.

    Parameters
    ----------
    result : Result
        Numbers of the report.
    files : list of Path
        All that were written, the manifest last.
    """

    result: Result
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """Each trait in a line of text, and what a reader must know."""
        lines = []
        for one in self.result.traits:
            people = f"{one.people:,} people"
            if one.binary:
                people = f"{one.cases:,} cases and {one.people - one.cases:,} controls"
            shown = "" if math.isnan(one.lambda_gc) else f"; lambda {one.lambda_gc:.3f}"
            lines.append(
                f"{one.name}: {one.tested:,} variants in {people}{shown}; {_loci(len(one.loci))} with "
                f"p < {GENOME_WIDE:g}"
            )
        return [
            *lines,
            *(f"note: {note}" for note in self.result.notes),
            *(f"caution: {caution}" for caution in self.result.cautions),
        ]


@dataclasses.dataclass(frozen=True)
class GwasRun:
    """What to test.

    Parameters
    ----------
    genotypes : tuple of str
        Files, or prefixes of PLINK filesets, of the same people
        (:func:`mifm_kipoi.genetics.genotypes.open_genotypes`).
    selection : Selection
        People, traits and covariates.
    folder : Path
        Of the outputs; made where it is missing.
    filters : Filters
        Which variants are tested.
    exact_below : float
        P-value of the score test up to which a binary trait's logistic regression is fitted; 1 fits all.
    build : str
        Genome build of the genotypes, for the description of the outputs; by default what their files say.
    ancestry : str
        Of the people, for the same.
    threads : int, optional
        That compute; by default the CPUs that the process may use.
    """

    genotypes: tuple[str, ...]
    selection: Selection
    folder: Path
    filters: Filters = dataclasses.field(default_factory=Filters)
    exact_below: float = EXACT_BELOW
    build: str = ""
    ancestry: str = ""
    threads: int | None = None

    def run(self, on_progress: OnProgress | None = None) -> GwasResult:
        """Read, test and write.

        The folder gets ``TRAIT.tsv.gz`` in GWAS-SSF with a description beside it for each trait,
        ``left_out.tsv.gz``, ``report.html``, ``report.md``, ``figures/`` and, last, ``gwas.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets the number of variants that were read so far and which fraction that is, 0 where it is not
            known how many there are.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, a trait cannot be tested, a package is not
            installed or an output cannot be written.
        """
        needed("matplotlib", "plot")
        needed("scipy", "genotypes")
        threads = self.threads or usable_cpus()
        self._check_options()
        genotypes = open_genotypes(self.genotypes, threads)
        self._check_outputs(genotypes)
        cohort = read_cohort(self.selection, genotypes.samples)
        made_folder(self.folder)
        # What is there is of another run from now on.
        (self.folder / MANIFEST).unlink(missing_ok=True)
        found = self._scan(genotypes, cohort, threads, on_progress or (lambda *_: None))
        build = self.build or genotypes.build
        files = [*(self._path(model.name) for model in cohort.models), self.folder / LEFT_OUT]
        files += [self._describe(number, cohort, found, build) for number in range(len(cohort.models))]
        result = self._result(genotypes, cohort, found, build)
        files += write_report(result, self.folder)
        files.append(self._write_manifest(result))
        return GwasResult(result, files)

    def _check_options(self) -> None:
        self.filters.check()
        if not 0 <= self.exact_below <= 1:
            raise OptionError(f"--exact-below is {self.exact_below:g}; expected a p-value, from 0 to 1")
        traits = self.selection.traits
        if not traits:
            raise OptionError("no trait is named; give --traits")
        names = [self._path(trait).name for trait in traits]
        if LEFT_OUT in names:
            raise OptionError(
                f"the trait {traits[names.index(LEFT_OUT)]} would have the file {LEFT_OUT}, which is that of "
                "variants without a row; give it a name of its own: --columns NAME=COLUMN"
            )
        twice = [trait for trait, name in zip(traits, names, strict=True) if names.count(name) > 1]
        if twice:
            raise OptionError(
                f"the traits {' and '.join(twice)} would share a file; give each a name of its own: "
                "--columns NAME=COLUMN"
            )

    def _check_outputs(self, genotypes: Genotypes) -> None:
        names = [self._path(trait).name for trait in self.selection.traits]
        outputs = [LEFT_OUT, MANIFEST, "report.html", "report.md"]
        outputs += [name + end for name in names for end in ("", METADATA_SUFFIX)]
        inputs = [*self.selection.tables, self.selection.keep, *genotypes.files]
        check_outputs([self.folder / name for name in outputs], inputs)

    def _path(self, trait: str) -> Path:
        name = re.sub(r"[^\w.+-]", "_", trait)
        return self.folder / f"{name}.tsv.gz"

    def _scan(self, genotypes: Genotypes, cohort: Cohort, threads: int, on_progress: OnProgress) -> Collected:
        """Test all variants; the outputs get their names when they are whole."""
        test = BlockTest(cohort, self.filters, self.exact_below, with_info=not genotypes.hard_calls)
        found = Collected(cohort)
        total = genotypes.variant_count
        paths = [*(self._path(model.name) for model in cohort.models), self.folder / LEFT_OUT]
        with contextlib.ExitStack() as stack:
            outputs = [_opened(stack, path) for path in paths]
            _write(paths, outputs, [*test.headers, encode_left_out(None)])
            blocks = genotypes.blocks(RefuseRepeats(genotypes.paths), cohort.samples)
            for block in ordered_map(test, blocks, threads):
                _write(paths, outputs, [*(one.encoded for one in block.traits), block.left_out])
                found.add(block)
                on_progress(found.variants, found.variants / total if total else 0.0)
            found.refuse_nothing(genotypes.paths[0])
        return found

    def _describe(self, number: int, cohort: Cohort, found: Collected, build: str) -> Path:
        model = cohort.models[number]
        method = "linear regression, Student's t"
        if model.binary:
            method = (
                "score test of logistic regression with one-step effects; maximum likelihood, or Firth's, "
                f"where its p-value is at most {self.exact_below:g}"
            )
        return write_metadata(
            self._path(model.name), model.name, self.ancestry or "not stated", model.size,
            model.cases if model.binary else None, f"mifm gwas {__version__}: {method}",
            build or "not stated", found.is_sorted,
        )  # fmt: skip

    def _result(self, genotypes: Genotypes, cohort: Cohort, found: Collected, build: str) -> Result:
        traits = found.traits()
        selection = self.selection
        provenance: dict[str, Any] = {
            "mifm_kipoi": __version__,
            "genotypes": [described(path) for path in genotypes.files],
            "tables": [described(path) for path in selection.tables],
            "keep": selection.keep and described(selection.keep),
            "traits": list(selection.traits),
            "covariates": list(dict.fromkeys([*selection.covariates, *selection.categorical])),
            "categorical": list(selection.categorical),
            "binary": list(selection.binary),
            "quantitative": list(selection.quantitative),
            "columns": dict(selection.columns),
            "missing_codes": list(selection.missing_codes),
            "inverse_normal": selection.inverse_normal,
            "filters": dataclasses.asdict(self.filters),
            "exact_below": self.exact_below,
            "build": build or None,
            "ancestry": self.ancestry or None,
        }
        return Result(
            traits, found.places(), dict(found.left_out), dict(found.no_estimate), cohort.notes,
            cautions_of(traits, found.places(), cohort, found.left_out), provenance,
        )  # fmt: skip

    def _write_manifest(self, result: Result) -> Path:
        manifest = {
            **result.provenance,
            "variants": result.variants,
            "left_out": result.left_out,
            "locus_bp": LOCUS_BP,
            "results": {
                one.name: {
                    "file": self._path(one.name).name,
                    "kind": "binary" if one.binary else "quantitative",
                    "people": one.people,
                    "cases": one.cases if one.binary else None,
                    "columns": list(one.columns),
                    "rows": one.tested,
                    "no_estimate": result.no_estimate.get(one.name, 0),
                    "fits": {name: one.fits.get(name, 0) for name in _kinds(one.binary)},
                    "lambda_gc": None if math.isnan(one.lambda_gc) else round(one.lambda_gc, 4),
                    "loci": len(one.loci),
                }
                for one in result.traits
            },
            "notes": [*result.notes, *result.cautions],
        }
        path = self.folder / MANIFEST
        write_json(path, manifest)
        return path


def _loci(number: int) -> str:
    return {0: "no locus", 1: "1 locus"}.get(number, f"{number:,} loci")


def _kinds(binary: bool) -> tuple[str, ...]:
    return (exact.SCORE, exact.LOGISTIC, exact.FIRTH) if binary else (exact.LINEAR,)


def _opened(stack: contextlib.ExitStack, path: Path) -> IO[bytes]:
    temporary = stack.enter_context(written_whole(path))
    with writing(path):
        return stack.enter_context(temporary.open("wb"))


def _write(paths: list[Path], outputs: list[IO[bytes]], contents: list[bytes]) -> None:
    for path, output, content in zip(paths, outputs, contents, strict=True):
        with writing(path):
            output.write(content)
