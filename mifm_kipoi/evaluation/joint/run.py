"""``mifm evaluate joint`` from files to files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.association.cohort import kept_people
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.joint import records, summary
from mifm_kipoi.evaluation.joint.candidates import (
    LOWEST_LOG_P,
    Candidates,
    candidates_of_scan,
    candidates_of_tables,
)
from mifm_kipoi.evaluation.joint.clumps import Clump, Clumped, ClumpOptions, clumps_of
from mifm_kipoi.evaluation.joint.cohort import Cohort, clump_dosages, cohort_of, halves
from mifm_kipoi.evaluation.joint.controls import CORRECTED, NOMINAL, count_all
from mifm_kipoi.evaluation.joint.models import (
    BY_P,
    FilterOptions,
    JointTests,
    Limits,
    limits_of,
    regress_clump,
)
from mifm_kipoi.evaluation.joint.records import Evaluation, Significance
from mifm_kipoi.evaluation.joint.report import Result, write_report
from mifm_kipoi.evaluation.joint.scores import MemberScores, causal_of, read_causal, read_member_scores
from mifm_kipoi.evaluation.joint.second import Replicated, replicate_people
from mifm_kipoi.evaluation.ranking.run import held_out_by_all
from mifm_kipoi.evaluation.ranking.score_tables import Chosen, choose_columns
from mifm_kipoi.genetics.genotypes import Genotypes, open_genotypes
from mifm_kipoi.genetics.people import Aligned
from mifm_kipoi.genetics.people_tables import MISSING_CODES, read_people
from mifm_kipoi.genomics.contigs import contig_key
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

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

HALVES, OTHERS, SAME = "halves", "others", "same"
SELECTIONS: Mapping[str, str] = {
    HALVES: "one random half of the people selects, the other is tested",
    OTHERS: "the studies selected in other people than those who are tested",
    SAME: "the people who are tested also selected",
}
"""Who selects variants, and who is tested."""

_OUTPUTS = (
    "filters.tsv", "effects.tsv", "models.tsv", "clumps.tsv", "variants.tsv", "draws.tsv", "report.md",
    "report.html", "evaluation.json",
)  # fmt: skip

_SCORES = Chosen((), frozenset(), (), ())
"""Of an evaluation without scores: p alone filters."""


@dataclasses.dataclass(frozen=True)
class People:
    """A sample of people: genotypes, and tables of traits and covariates.

    Parameters
    ----------
    genotypes : tuple of Path
        PLINK 1, PLINK 2, VCF or BCF; several files have the same people.
    tables : tuple of Path
        See :func:`mifm_kipoi.genetics.people_tables.read_people`; empty where only LD is wanted.
    keep : Path, optional
        Table of those who count; by default all.
    """

    genotypes: tuple[Path, ...]
    tables: tuple[Path, ...] = ()
    keep: Path | None = None


@dataclasses.dataclass(frozen=True)
class Columns:
    """What the columns of the tables of people are.

    Parameters
    ----------
    traits, covariates, categorical, binary, quantitative
        See :func:`mifm_kipoi.genetics.people_tables.read_people`.
    names : mapping of str to str
        From names to columns.
    missing_codes : tuple of float
        Numbers that mean an unknown value.
    """

    traits: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()
    quantitative: tuple[str, ...] = ()
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing_codes: tuple[float, ...] = MISSING_CODES


@dataclasses.dataclass(frozen=True)
class JointResult:
    """What was measured, and its files.

    Parameters
    ----------
    evaluation : Evaluation
    candidates : Candidates
        Members of all clumps, to which the evaluation refers.
    filters : pandas.DataFrame
        The rows of ``filters.tsv``.
    cautions : list of str
        What a reader must know before trusting it, the gravest first.
    files : list of Path
        All that were written, the manifest last.
    """

    evaluation: Evaluation
    candidates: Candidates
    filters: pd.DataFrame
    cautions: list[str]
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """What each filter finds in all clumps, beside its controls, as lines of text."""
        lines = [f"{len(self.evaluation.tested):,} clumps of several variants"]
        whole = self.filters[self.filters["scope"] == "all"]
        for level, threshold in self.evaluation.thresholds.items():
            lines.append(f"significant with p below {threshold:.2g} ({level}):")
            for row in whole[whole["level"] == level].to_dict("records"):
                text = f"  {row['model']}  {row['significant']:,} of {row['variants']:,} variants"
                if row["model"] in self.evaluation.filters:
                    low, high = row["significant_matched_low"], row["significant_matched_high"]
                    text += (
                        f"; at random, matched on r: {row['significant_matched']:.1f} ({low:.0f} to "
                        f"{high:.0f}), "
                        f"p = {row['significant_matched_p']:.2g}"
                    )
                lines.append(text)
        return lines


@dataclasses.dataclass(frozen=True)
class JointRun:
    """What to evaluate.

    Parameters
    ----------
    folder : Path
        Of the outputs; made where it is missing.
    people : People
        Who is tested, and in halves selects; without tables of people, a reference panel for the LD of
        summary statistics.
    columns : Columns
        Of the tables; without people the traits are those of ``studies``.
    studies : mapping of str to Path
        Summary statistics of each trait; needed unless halves select.
    selection : str
        A key of :data:`SELECTIONS`.
    second : People, optional
        Another sample, in which effects are tested again.
    second_studies : mapping of str to Path
        Without people: summary statistics of another sample.
    study_options : mapping of str to object
        How studies are read (:class:`mifm_kipoi.genetics.associations.AssociationTable`).
    scores : Path, optional
        Table of scores, as for the other evaluations.
    columns_of_scores, lower : tuple of str
        See :func:`mifm_kipoi.evaluation.ranking.score_tables.choose_columns`.
    held_out : tuple of str, optional
        Chromosomes that are reported apart; by default those that every model with a declaration held out.
    clumping : ClumpOptions
    filters : FilterOptions
    tests : Significance
    draws, seed : int
        Random filters of each kind, and what they and halves depend on.
    causal : Path, optional
        Known causal variants, of simulations (:func:`mifm_kipoi.evaluation.joint.scores.read_causal`).
    """

    folder: Path
    people: People
    columns: Columns
    studies: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    selection: str = HALVES
    second: People | None = None
    second_studies: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    study_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    scores: Path | None = None
    columns_of_scores: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    held_out: tuple[str, ...] | None = None
    clumping: ClumpOptions = dataclasses.field(default_factory=ClumpOptions)
    filters: FilterOptions = dataclasses.field(default_factory=FilterOptions)
    tests: Significance = dataclasses.field(default_factory=Significance)
    draws: int = 1000
    seed: int = 1
    causal: Path | None = None

    @property
    def traits(self) -> tuple[str, ...]:
        """Of the people, or of the studies where there are none."""
        return self.columns.traits if self.people.tables else tuple(self.studies)

    def run(self, on_progress: Callable[[str], None] | None = None) -> JointResult:
        """Read, select, test and write.

        The folder gets ``filters.tsv`` (what each filter finds), ``effects.tsv``, ``models.tsv``,
        ``clumps.tsv``, ``variants.tsv``, ``draws.tsv``, ``report.html``, ``report.md``, ``figures/`` and,
        last, ``evaluation.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, nothing can be tested, a package is not
            installed or an output cannot be written.
        """
        needed("matplotlib", "plot")
        needed("scipy", "evaluation")
        on_progress = on_progress or (lambda _: None)
        self._check()
        chosen = choose_columns(self.scores, self.columns_of_scores, self.lower) if self.scores else _SCORES
        if BY_P in chosen.columns or "all" in chosen.columns or "lead" in chosen.columns:
            raise OptionError(f"{self.scores}: rename the scores all, p or lead; filters have these names")
        genotypes = open_genotypes([str(path) for path in self.people.genotypes])
        work = _Work(self, genotypes, chosen, on_progress)
        tested, second = work.test_people() if self.people.tables else work.test_studies()
        evaluation = work.evaluated(tested, second)
        return self._write(work, evaluation)

    def _check(self) -> None:
        if self.selection not in SELECTIONS:
            raise OptionError(f"selection is {self.selection!r}; expected {', '.join(SELECTIONS)}")
        if self.draws < 1:
            raise OptionError(f"draws is {self.draws}; expected 1 or more, 1000 for p-values of 0.001")
        self._check_ranges()
        if not self.traits:
            raise OptionError("there is no trait; name those of the tables of people, or give studies")
        if self.people.tables:
            unknown = sorted(set(self.studies) - set(self.traits))
            if unknown:
                raise OptionError(
                    f"studies are of {', '.join(unknown)}; the traits are {', '.join(self.traits)}"
                )
            if self.studies and self.selection == HALVES:
                raise OptionError(
                    f"selection is {HALVES}, in which p-values are those of one half of the people, and "
                    f"studies are not used; leave out --gwas, or say --selection {OTHERS} where they are of "
                    f"other people, {SAME} where they are of these"
                )
            lacking = [trait for trait in self.traits if trait not in self.studies]
            if lacking and self.selection == OTHERS:
                raise OptionError(
                    f"there is no study of {', '.join(lacking)}, and selection is {OTHERS}; give one for "
                    "each trait"
                )
            if lacking and self.studies and self.selection == SAME:
                raise OptionError(
                    f"there is no study of {', '.join(lacking)}; give one for each trait, or none, so that "
                    "p-values "
                    "are those of the people"
                )
            if self.second_studies:
                raise OptionError("second studies need no people; give genotypes of a second sample instead")
        elif self.people.keep is not None:
            raise OptionError("--keep needs --people; of a panel for LD all founders count")
        elif self.second is not None:
            raise OptionError("without people, the second sample is a second study of each trait")
        files = [*self.studies.values(), *self.second_studies.values()]
        samples = [self.people, *([self.second] if self.second else [])]
        files += [path for one in samples for path in (*one.tables, one.keep) if path is not None]
        files += [path for path in (self.scores, self.causal) if path is not None]
        for path in files:
            require_file(path)
        check_outputs([self.folder / name for name in _OUTPUTS], files)
        self.clumping.quality.check()

    def _check_ranges(self) -> None:
        clumping, filters, tests = self.clumping, self.filters, self.tests
        probability, percentile = "a number above 0 and at most 1", "a number from 0 to 100"
        for option, value, possible, expected in (
            ("p1", clumping.p1, 0 < clumping.p1 <= 1, probability),
            ("p2", clumping.p2, 0 < clumping.p2 <= 1, probability),
            ("r2", clumping.r2, 0 <= clumping.r2 <= 1, "a number from 0 to 1"),
            ("kb", clumping.kb, 0 < clumping.kb < np.inf, "a number above 0"),
            ("p-percentile", filters.p_percentile, 0 <= filters.p_percentile <= 100, percentile),
            ("score-percentile", filters.score_percentile, 0 <= filters.score_percentile <= 100, percentile),
            ("prune", filters.prune, 0 <= filters.prune <= 1, "a number from 0 to 1"),
            ("alpha", tests.alpha, 0 < tests.alpha < 1, "a number between 0 and 1"),
            ("equal-within", tests.factor, 1 < tests.factor < np.inf, "a factor above 1"),
        ):
            if not possible:
                raise OptionError(f"--{option} is {value:g}; expected {expected}")

    def _write(self, work: _Work, evaluation: Evaluation) -> JointResult:
        candidates, options = work.candidates, self.tests
        effects = records.effect_table(evaluation, candidates, options)
        scopes = records.scopes_of(evaluation, candidates, work.held_out)
        filters = records.filter_table(evaluation, scopes, effects, options)
        tables = {
            "filters": filters,
            "effects": effects,
            "models": records.model_table(evaluation),
            "clumps": records.clump_table(evaluation.tested, candidates, evaluation.filters),
            "variants": records.variant_table(evaluation, candidates, work.scores.values),
            "draws": records.draw_table(evaluation, options),
        }
        provenance = self._provenance(work, evaluation)
        selection = self.selection if self.people.tables else ""
        result = Result(
            selection, evaluation, tables, work.scores, work.chosen, work.notes, work.doubts, provenance
        )
        made_folder(self.folder)
        # What a run that fails from here on leaves has no manifest.
        (self.folder / _OUTPUTS[-1]).unlink(missing_ok=True)
        files = [self._write_table(name, table) for name, table in tables.items()]
        files += write_report(result, self.folder)
        files.append(self._write_manifest(provenance | {"cautions": result.cautions, "notes": work.notes}))
        return JointResult(evaluation, candidates, filters, result.cautions, files)

    def _provenance(self, work: _Work, evaluation: Evaluation) -> dict[str, Any]:
        return {
            "mifm_kipoi": __version__,
            "scores": described(self.scores) if self.scores else None,
            "evaluated": list(work.chosen.columns),
            "lower_is_better": sorted(work.chosen.lower),
            "traits": list(self.traits),
            "selection": SELECTIONS[self.selection] if self.people.tables else "the studies that are tested",
            "people": _described(self.people) | {"tested": work.people_tested},
            "studies": {trait: described(path) for trait, path in self.studies.items()},
            "second_sample": _described(self.second) if self.second else None,
            "second_studies": {trait: described(path) for trait, path in self.second_studies.items()},
            "covariates": [*self.columns.covariates, *self.columns.categorical],
            "clumping": dataclasses.asdict(self.clumping),
            "filters": dataclasses.asdict(self.filters),
            "tests": dataclasses.asdict(self.tests) | {
                "effects": evaluation.tests, "thresholds": evaluation.thresholds,
            },
            "held_out": list(work.held_out),
            "draws": self.draws,
            "seed": self.seed,
            "causal": described(self.causal) if self.causal else None,
            "removed_by_quality": work.removed,
            "clumps": {"all": len(evaluation.clumps), "of_several_variants": len(evaluation.tested)},
        }  # fmt: skip

    def _write_table(self, name: str, table: pd.DataFrame) -> Path:
        return write_table(self.folder / f"{name}.tsv", table, digits=10)

    def _write_manifest(self, manifest: dict[str, Any]) -> Path:
        path = self.folder / "evaluation.json"
        write_json(path, manifest)
        return path


class _Work:
    """The steps of a run, and what they leave for its tables and its report."""

    def __init__(
        self, run: JointRun, genotypes: Genotypes, chosen: Chosen, on_progress: Callable[[str], None]
    ) -> None:
        self._run, self._genotypes, self._say = run, genotypes, on_progress
        self.chosen = chosen
        self.notes: list[str] = []
        self.doubts: list[str] = []
        self.removed: dict[str, int] = {}
        self.people_tested = 0
        self.held_out = held_out_by_all(chosen)
        if run.held_out is not None:
            self.held_out = tuple(dict.fromkeys(map(contig_key, run.held_out)))
        self.candidates = Candidates(pd.DataFrame(), {}, [])
        self.clumps: list[Clump] = []
        self.scores = MemberScores({}, {})

    def test_people(self) -> tuple[list[JointTests], list[Replicated] | None]:
        """Select and test in people."""
        run = self._run
        aligned = self._aligned(run.people, self._genotypes, "people")
        second = self._second_cohort(aligned)
        size = len(aligned.people)
        half = halves(size, run.seed) if run.selection == HALVES else None
        tested_part = None if half is None else ~half
        who = "people" if half is None else "people who are tested, one half,"
        cohort = cohort_of(self._genotypes, aligned, run.traits, who, tested_part)
        self.people_tested, analysed = len(cohort.analysed), cohort.analysed
        self.notes += cohort.notes
        if half is None and run.studies:
            candidates = candidates_of_tables(
                self._genotypes, {trait: run.studies[trait] for trait in run.traits}, run.study_options,
                run.clumping.p2,
            )  # fmt: skip
        else:
            selecting = cohort
            if half is not None:
                selecting = cohort_of(
                    self._genotypes, aligned, run.traits, "people who select, one half,", half
                )
                analysed = np.union1d(analysed, selecting.analysed)
            candidates = candidates_of_scan(
                self._genotypes,
                selecting.samples,
                list(selecting.models.values()),
                run.clumping.p2,
                self._say,
            )
        clumps = self._clumped(candidates, analysed)
        limits = self._limits(clumps)
        rows = self.candidates.variants["row"].to_numpy(np.int64)
        found: dict[int, JointTests] = {}
        for number, dosages in clump_dosages(cohort, [rows[clump.members] for clump in clumps]):
            clump = clumps[number]
            found[number] = regress_clump(
                clump,
                dosages,
                cohort.models[clump.trait],
                self.scores.values,
                limits[clump.trait],
                run.filters,
            )
        self._say(f"regressions of {len(clumps):,} clumps in {len(cohort.analysed):,} people")
        tested = [found[number] for number in range(len(clumps))]
        if run.selection != HALVES and run.studies:
            self._compare_with_studies(tested)
        if second is None:
            return tested, None
        return tested, replicate_people(second, tested, self.candidates.variants, self._say)

    def test_studies(self) -> tuple[list[JointTests], list[Replicated] | None]:
        """Select and test by summary statistics."""
        run = self._run
        candidates = candidates_of_tables(self._genotypes, run.studies, run.study_options, run.clumping.p2)
        clumps = self._clumped(summary.with_effects(candidates))
        tested, correlations = summary.regress_panel(
            self._genotypes, self.candidates, clumps, self.scores.values, self._limits(clumps), run.filters
        )
        self._say(f"joint effects of {len(clumps):,} clumps")
        if not run.second_studies:
            return tested, None
        second = summary.replicate_studies(
            run.second_studies, run.study_options, tested, correlations, self.candidates.variants
        )
        return tested, second

    def evaluated(self, tested: list[JointTests], second: list[Replicated] | None) -> Evaluation:
        """Count what filters and random filters find."""
        run = self._run
        filters = (BY_P, *self.chosen.columns)
        tests = records.tests_of(tested, filters)
        thresholds = {NOMINAL: run.tests.alpha, CORRECTED: run.tests.alpha / max(tests, 1)}
        causal = None
        if run.causal is not None:
            causal = causal_of(tested, read_causal(run.causal, self.candidates.variants, run.traits))
        counts = count_all(tested, second, filters, thresholds, causal, run.draws, run.seed, self._say)
        return Evaluation(self.clumps, tested, second, filters, thresholds, tests, counts, causal)

    def _aligned(self, people: People, genotypes: Genotypes, who: str) -> Aligned:
        columns = self._run.columns
        read = read_people(
            people.tables, columns.traits, columns.covariates, columns.categorical,
            binary=columns.binary, quantitative=columns.quantitative, columns=columns.names,
            missing_codes=columns.missing_codes,
        )  # fmt: skip
        aligned = read.aligned(genotypes.samples)
        notes = [*read.notes, *aligned.notes]
        aligned = kept_people(aligned, people.keep, genotypes.samples, notes)
        # Of the same tables the same is noted of both samples.
        known = {note.split(": ", 1)[-1] for note in self.notes}
        self.notes += [f"{who}: {note}" for note in notes if note not in known]
        return aligned

    def _second_cohort(self, first: Aligned) -> Cohort | None:
        people = self._run.second
        if people is None:
            return None
        genotypes = open_genotypes([str(path) for path in people.genotypes])
        aligned = self._aligned(people, genotypes, "second sample")
        both = int((first.people.rows_of(aligned.people.ids) >= 0).sum())
        if both:
            raise InputError(
                f"{both:,} of the {len(aligned.people):,} people of the second sample are in the first, "
                "too; expected "
                "other people"
            )
        cohort = cohort_of(genotypes, aligned, self._run.traits, "people of the second sample")
        for name, model in cohort.models.items():
            trait = first.people.traits[name]
            if model.binary != trait.binary:
                raise InputError(
                    f"{name} has cases and controls in one of the samples and not in the other; say what it "
                    "is with "
                    "--binary or --quantitative"
                )
        self.notes += cohort.notes
        return cohort

    def _clumped(self, candidates: Candidates, people: Rows | None = None) -> list[Clump]:
        """Clumps of several variants, with scores of their members."""
        run = self._run
        clumped = clumps_of(self._genotypes, candidates, run.clumping, people)
        self.notes += candidates.notes
        self._set(clumped)
        several = [clump for clump in clumped.clumps if len(clump) > 1]
        one = len(clumped.clumps) - len(several)
        self._doubt_leads(several)
        self._say(
            f"{len(clumped.clumps):,} clumps of {len(self.candidates):,} variants; {one:,} of one variant "
            "alone"
        )
        if not several:
            raise InputError(self._nothing(clumped))
        if run.scores is not None:
            self.scores = read_member_scores(run.scores, self.chosen, self.candidates.variants)
        return several

    def _doubt_leads(self, clumps: Sequence[Clump]) -> None:
        """Say so where several variants of a clump have the p-value 0, so that any could be the lead."""
        count: dict[str, int] = {}
        for clump in clumps:
            if (clump.log_p == LOWEST_LOG_P).sum() > 1:
                count[clump.trait] = count.get(clump.trait, 0) + 1
        for trait, number in count.items():
            self.doubts.append(
                f"in {number:,} of the clumps of {trait} several variants have p = 0 in its study, without "
                "an effect and its standard error from which p would follow, so that which of them leads is "
                "arbitrary"
            )

    def _set(self, clumped: Clumped) -> None:
        self.candidates, self.clumps, self.removed = clumped.candidates, clumped.clumps, clumped.removed

    def _nothing(self, clumped: Clumped) -> str:
        options = self._run.clumping
        if clumped.clumps:
            return (
                f"each of the {len(clumped.clumps):,} clumps has one variant alone, so that there is "
                "nothing to test "
                f"jointly; expected variants with r2 above {options.r2:g} with a lead variant and p below "
                f"{options.p2:g}"
            )
        removed = ", ".join(f"{count:,} by {name}" for name, count in clumped.removed.items())
        lost = f"; filters of quality removed {removed}" if removed else ""
        who = (
            "in one half of the people " if self._run.people.tables and self._run.selection == HALVES else ""
        )
        return (
            f"no variant with genotypes has a p-value {who}of at most {options.p1:g}, so that there are no "
            "clumps; "
            f"--p1 sets the limit{lost}"
        )

    def _limits(self, clumps: Sequence[Clump]) -> dict[str, Limits]:
        """Percentiles over all associated variants of each trait: members of all its clumps, also of one."""
        traits = dict.fromkeys(clump.trait for clump in clumps)
        return {
            trait: limits_of(
                [clump for clump in self.clumps if clump.trait == trait],
                self.scores.values,
                self._run.filters,
            )
            for trait in traits
        }

    def _compare_with_studies(self, tested: Sequence[JointTests]) -> None:
        """Say so where effects of lead variants in people have other signs than in the studies."""
        signs: dict[str, list[bool]] = {}
        for one in tested:
            own = self.candidates.effects[one.clump.trait]["z"][one.clump.members[0]]
            mine = one.alone.coefficients[0]
            if np.isfinite(own) and np.isfinite(mine) and own != 0:
                signs.setdefault(one.clump.trait, []).append(bool(np.sign(own) != np.sign(mine)))
        for trait, other in signs.items():
            if np.mean(other) > 0.2:
                self.doubts.append(
                    f"{sum(other)} of {len(other)} lead variants of {trait} have effects of the other sign "
                    "in its study than in the people, as if alleles were swapped or the trait were another"
                )


def _described(people: People) -> dict[str, Any]:
    return {
        "genotypes": [path.name for path in people.genotypes],
        "tables": [described(path) for path in people.tables],
        "keep": people.keep and described(people.keep),
    }
