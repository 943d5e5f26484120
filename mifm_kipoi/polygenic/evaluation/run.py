"""``mifm pgs evaluate`` from files to files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.people import People
from mifm_kipoi.genetics.people_tables import MISSING_CODES, read_people
from mifm_kipoi.polygenic.evaluation.inputs import Cohort, ancestries_of, groups_of
from mifm_kipoi.polygenic.evaluation.measure import (
    COMPARISON_COLUMNS,
    EVALUATED,
    PERFORMANCE_COLUMNS,
    RANDOM_COLUMNS,
    SCENARIO_COLUMNS,
    Measured,
    Options,
    measure,
)
from mifm_kipoi.polygenic.evaluation.methods import Scores, read_scores
from mifm_kipoi.polygenic.evaluation.report import Result, sections
from mifm_kipoi.polygenic.evaluation.summaries import Correction, summarised, with_verdicts
from mifm_kipoi.reports.page import Section, write_page
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

_TABLES = ("scenarios", "performance", "comparisons", "summary", "random")
_OUTPUTS = (*(f"{name}.tsv" for name in _TABLES), "report.md", "report.html", "evaluation.json")

METHOD = "mifm"
"""The method that is compared with the others where none is named."""

MIN_PEOPLE = 100
MIN_CASES = 50


@dataclasses.dataclass(frozen=True)
class PgsEvaluateResult:
    """What was measured, and its files.

    Parameters
    ----------
    scenarios, performance, comparisons, summary, random : pandas.DataFrame
        Groups of people, scores in them, the method against baselines, counts of verdicts, and random
        members; docs/tasks/pgs.md has the columns.
    cautions : list of str
        What a reader must know before trusting it, the gravest first.
    title : str
        Of the report.
    sections : list of Section
        Of the report.
    files : list of Path
        All that were written, the manifest last.
    """

    scenarios: pd.DataFrame
    performance: pd.DataFrame
    comparisons: pd.DataFrame
    summary: pd.DataFrame
    random: pd.DataFrame
    cautions: list[str]
    title: str
    sections: list[Section]
    files: list[Path]

    @property
    def texts(self) -> list[str]:
        """Wins and losses by baseline as lines of text."""
        lines = []
        for row in self.summary[self.summary["by"].isin(["all", "baseline"])].to_dict("records"):
            against = row["baseline"] or "all baselines"
            lines.append(
                f"against {against}: {row['wins']:,} wins, {row['losses']:,} losses, "
                f"{row['not_significant']:,} not significant; mean difference of R2 "
                f"{row['mean_difference']:+.4f}"
            )
        return lines


@dataclasses.dataclass(frozen=True)
class PgsEvaluateRun:
    """What to evaluate.

    Parameters
    ----------
    scores : tuple of Path
        Tables of scores, a row for each person, such as ``sample_scores.tsv.gz`` of ``mifm pgs score``.
    folder : Path
        Of the outputs; made where it is missing.
    people : tuple of Path
        Tables of traits, covariates and labels (:mod:`mifm_kipoi.genetics.people_tables`).
    traits : tuple of str
        What is predicted.
    score_table : Path, optional
        What each score is: ``scores.tsv`` of ``mifm pgs build``.
    covariates, categorical : tuple of str
        Covariates, and those that have levels.
    ancestry : str
        Column of labels of ancestry; empty for one group of all people.
    ancestries : tuple of str
        Those that are evaluated, in their order; by default all.
    binary, quantitative : tuple of str
        Traits whose kind is not to be guessed.
    columns : mapping of str to str
        From names to columns of the tables of people.
    missing_codes : tuple of float
        Numbers that mean an unknown value.
    trait_names : mapping of str to str
        From traits, or studies, of ``score_table`` to names in ``traits``, where they differ.
    method : str
        That is compared with the others.
    baselines : tuple of str
        Methods that it is compared with; by default all.
    bound : str
        A method that bounds from above, such as one that knows the causal variants: figures and tables have
        it, and no comparison.
    folds : int
        Of the cross-validation.
    seed : int
        Of folds and draws.
    min_people, min_cases : int
        Fewest people of a group, and fewest cases and controls of a binary trait.
    prevalence : mapping of str to float
        Of binary traits in the population, for R2 of liability.
    cluster : str
        Column of labels of clusters, such as families, which stay in one fold; may be empty.
    correction : {"bh", "holm"}
        Whose corrected p-values give verdicts.
    level : float
        Of significance.
    as_in_paper : bool
        Whether R2 and p-values as in the paper are wanted, too.
    """

    scores: tuple[Path, ...]
    folder: Path
    people: tuple[Path, ...]
    traits: tuple[str, ...]
    score_table: Path | None = None
    covariates: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    ancestry: str = ""
    ancestries: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()
    quantitative: tuple[str, ...] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing_codes: tuple[float, ...] = MISSING_CODES
    trait_names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    method: str = METHOD
    baselines: tuple[str, ...] = ()
    bound: str = ""
    folds: int = 5
    seed: int = 1
    min_people: int = MIN_PEOPLE
    min_cases: int = MIN_CASES
    prevalence: Mapping[str, float] = dataclasses.field(default_factory=dict)
    cluster: str = ""
    correction: Correction = "bh"
    level: float = 0.05
    as_in_paper: bool = False

    def run(self, on_progress: Callable[[str], None] | None = None) -> PgsEvaluateResult:
        """Read, measure and write.

        The folder gets ``scenarios.tsv``, ``performance.tsv``, ``comparisons.tsv``, ``summary.tsv``,
        ``random.tsv``, ``report.html``, ``report.md``, ``figures/`` and, last, ``evaluation.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, matplotlib or scipy is not installed or an
            output cannot be written.
        """
        needed("matplotlib", "polygenic")
        needed("scipy", "polygenic")
        on_progress = on_progress or (lambda _: None)
        self._check_files()
        people = self.read_people()
        scores = read_scores(self.scores, self.score_table, self.traits, self.trait_names)
        self._check_methods(scores)
        cohort = Cohort.of(people, self.scores)
        on_progress(f"{len(cohort.people):,} people with scores, {len(scores.every):,} scores")
        ancestries = ancestries_of(cohort.people, self.ancestry, self.ancestries)
        measured = self._measured(cohort, scores, ancestries, on_progress)
        unlabelled = int((cohort.people.labels[self.ancestry] == "").sum()) if self.ancestry else 0
        notes = [*people.notes, *cohort.notes, *scores.notes]
        if unlabelled:
            notes.append(f"{unlabelled:,} people with scores have no {self.ancestry}, and are in no group")
        result = self._result(measured, tuple(ancestries), scores, tuple(notes), cohort)
        if not len(result.evaluated):
            reasons = "; ".join(
                f"{row['trait']} in {row['ancestry']}: {row['status']}"
                for row in result.scenarios.head(10).to_dict("records")
            )
            raise InputError(f"no trait can be evaluated in any group of people: {reasons}")
        title, parts = sections(result)
        made_folder(self.folder)
        files = [self._write_table(name, getattr(result, name)) for name in _TABLES]
        files += write_page(self.folder, title, parts)
        files.append(self._write_manifest({**result.provenance, "notes": result.cautions}))
        return PgsEvaluateResult(
            result.scenarios,
            result.performance,
            result.comparisons,
            result.summary,
            result.random,
            result.cautions,
            title,
            parts,
            files,
        )

    def read_people(self) -> People:
        """Check all options that do not depend on scores, and read the people.

        Raises
        ------
        MIFMError
            When an option is impossible, or a table of people cannot be read or lacks what is named.
        """
        if not self.traits:
            raise OptionError("no trait is named; expected columns of the tables of people")
        both = [name for name in self.traits if name in self.covariates]
        if both:
            raise OptionError(f"{both[0]} is a trait and among the covariates; expected one or the other")
        if self.folds < 2:
            raise OptionError(f"there are {self.folds} folds; expected at least 2")
        if not 0 < self.level < 1:
            raise OptionError(
                f"the level of significance is {self.level:g}; expected a number between 0 and 1"
            )
        for name, value in self.prevalence.items():
            if name not in self.traits:
                raise OptionError(f"the prevalence of {name} is given, which is not among the traits")
            if not 0 < value < 1:
                raise OptionError(f"the prevalence of {name} is {value:g}; expected a number between 0 and 1")
        for path in self.people:
            require_file(path)
        people = read_people(
            self.people,
            self.traits,
            self.covariates,
            self.categorical,
            list(filter(None, (self.ancestry, self.cluster))),
            binary=self.binary,
            quantitative=self.quantitative,
            columns=self.columns,
            missing_codes=self.missing_codes,
        )
        wrong = [name for name in self.prevalence if not people.traits[name].binary]
        if wrong:
            raise OptionError(f"the trait {wrong[0]} is quantitative, and has no prevalence")
        return people

    def _check_files(self) -> None:
        if not self.scores:
            raise OptionError("no table of scores is given")
        inputs = [*self.scores, *self.people, *([self.score_table] if self.score_table else [])]
        for path in inputs:
            require_file(path)
        check_outputs([self.folder / name for name in _OUTPUTS], inputs)

    def _check_methods(self, scores: Scores) -> None:
        # Where the method was not chosen, its absence is a caution: R2 do not need it.
        for name in (*([self.method] if self.method != METHOD else []), self.bound, *self.baselines):
            if name and name not in scores.methods:
                raise OptionError(
                    f"no score is of the method {name!r}; they are of {', '.join(scores.methods)}"
                )

    def _measured(
        self,
        cohort: Cohort,
        scores: Scores,
        ancestries: Mapping[str, Any],
        on_progress: Callable[[str], None],
    ) -> list[Measured]:
        options = self._options
        cluster = cohort.people.labels[self.cluster] if self.cluster else None
        measured = []
        for trait, own, values in cohort.by_trait(scores, self.traits, on_progress):
            groups = groups_of(
                cohort.people, cohort.people.traits[trait], ancestries, self.min_people, self.min_cases
            )
            for group in groups:
                measured.append(measure(cohort.people, group, own, values, options, cluster))
                status = measured[-1].scenario["status"]
                done = f"{len(measured[-1].comparisons):,} comparisons" if status == EVALUATED else status
                on_progress(f"{trait}, {group.ancestry}: {len(group.rows):,} people, {done}")
        return measured

    @property
    def _options(self) -> Options:
        return Options(
            self.method,
            self.baselines,
            self.bound,
            self.folds,
            self.seed,
            dict(self.prevalence),
            self.as_in_paper,
        )

    def _result(
        self,
        measured: list[Measured],
        ancestries: tuple[str, ...],
        scores: Scores,
        notes: tuple[str, ...],
        cohort: Cohort,
    ) -> Result:
        comparisons = with_verdicts(
            pd.DataFrame([row for one in measured for row in one.comparisons], columns=COMPARISON_COLUMNS),
            self.correction,
            self.level,
        )
        return Result(
            pd.DataFrame([one.scenario for one in measured], columns=SCENARIO_COLUMNS),
            pd.DataFrame([row for one in measured for row in one.performance], columns=PERFORMANCE_COLUMNS),
            comparisons,
            summarised(comparisons),
            pd.DataFrame([row for one in measured for row in one.random], columns=RANDOM_COLUMNS),
            ancestries,
            self._options,
            self.correction,
            self.level,
            self.cluster,
            notes,
            self._provenance(scores, cohort),
        )

    def _provenance(self, scores: Scores, cohort: Cohort) -> dict[str, Any]:
        return {
            "mifm_kipoi": __version__,
            "scores": [described(path) for path in self.scores],
            "score_table": described(self.score_table) if self.score_table else None,
            "people": [described(path) for path in self.people],
            "traits": list(self.traits),
            "covariates": list(cohort.people.covariates),
            "categorical": [name for name, one in cohort.people.covariates.items() if one.categorical],
            "ancestry": self.ancestry or None,
            "ancestries": list(self.ancestries) or None,
            "columns": dict(self.columns),
            "missing_codes": list(self.missing_codes),
            "trait_names": dict(self.trait_names),
            "method": self.method,
            "baselines": list(self.baselines) or None,
            "bound": self.bound or None,
            "folds": self.folds,
            "seed": self.seed,
            "min_people": self.min_people,
            "min_cases": self.min_cases,
            "prevalence": dict(self.prevalence),
            "cluster": self.cluster or None,
            "correction": self.correction,
            "level": self.level,
            "as_in_paper": self.as_in_paper,
            "counts": {"people": len(cohort.people), "scores": len(scores.every)},
        }

    def _write_table(self, name: str, table: pd.DataFrame) -> Path:
        # Columns of the paper's forms only where they are wanted.
        shown = (
            table if self.as_in_paper else table[[one for one in table if not str(one).startswith("paper_")]]
        )
        return write_table(self.folder / f"{name}.tsv", shown)

    def _write_manifest(self, manifest: dict[str, Any]) -> Path:
        path = self.folder / "evaluation.json"
        write_json(path, manifest)
        return path
