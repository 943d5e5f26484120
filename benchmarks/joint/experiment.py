"""The forms of joint tests on a cohort, side by side."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.cohort.sizes import TRAITS
from benchmarks.joint.type_one import type_one_errors
from mifm_kipoi.evaluation.joint.clumps import ClumpOptions
from mifm_kipoi.evaluation.joint.models import FilterOptions
from mifm_kipoi.evaluation.joint.run import HALVES, OTHERS, SAME, Columns, JointResult, JointRun, People
from mifm_kipoi.support.files import made_folder, writing, written_whole

DISCOVERY, REPLICATION = "CEU_discovery", "CEU_replication"

COVARIATES, CATEGORICAL = ("age", "sex", "PC1", "PC2", "PC3", "PC4"), ("centre", "batch")


@dataclasses.dataclass(frozen=True)
class Form:
    """One way to evaluate.

    Parameters
    ----------
    name : str
        Of its folder.
    selection : str
        Who selects.
    within_clumps : bool
        Whether filters have one size.
    prune : float
        See :class:`mifm_kipoi.evaluation.joint.models.FilterOptions`.
    """

    name: str
    selection: str
    within_clumps: bool = False
    prune: float = 0.99


FORMS = (
    Form("halves", HALVES),
    Form("halves-one-size", HALVES, within_clumps=True),
    Form("two-samples", OTHERS),
    Form("two-samples-one-size", OTHERS, within_clumps=True),
    Form("as-in-paper", SAME, prune=1.0),
)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The benchmark.

    Parameters
    ----------
    cohort : Path
        Output of ``python -m benchmarks cohort``.
    scores : Path
        Scores of its variants.
    columns : tuple of str
        Of the scores.
    folder : Path
        Of the outputs.
    traits : tuple of str
        By default all.
    draws, trials : int
        Random filters of each kind, and simulated traits for each type I error.
    clumping : ClumpOptions
        Of all forms.
    forms : tuple of str
        Names of :data:`FORMS`; type I errors are measured with the clumps of the first.
    """

    cohort: Path
    scores: Path
    columns: tuple[str, ...]
    folder: Path
    traits: tuple[str, ...] = ()
    draws: int = 1000
    trials: int = 10_000
    clumping: ClumpOptions = dataclasses.field(default_factory=ClumpOptions)
    forms: tuple[str, ...] = tuple(form.name for form in FORMS)

    def run(self, on_progress: Callable[[str], None]) -> list[str]:
        """Evaluate the forms, then measure type I errors; gives a few lines of text."""
        made_folder(self.folder)
        causal = self._causal()
        parts, lines = [], []
        first: JointResult | None = None
        forms = [form for form in FORMS if form.name in self.forms]
        for form in forms:
            begun = time.perf_counter()
            result = self._form(form, causal).run(on_progress)
            seconds = time.perf_counter() - begun
            first = first or result
            parts.append(result.filters.assign(form=form.name, seconds=round(seconds, 1)))
            lines += [f"{form.name}, {seconds:.0f} s: {result.summary[0]}", *result.summary[1:]]
        self._write("filters", pd.concat(parts, ignore_index=True))
        assert first is not None
        samples = [REPLICATION, DISCOVERY] if forms[0].selection == OTHERS else [DISCOVERY, REPLICATION]
        errors = type_one_errors(
            first.evaluation, first.candidates.variants, *map(self._genotypes, samples), self.trials,
            self.draws, on_progress,
        )  # fmt: skip
        self._write("type_one", errors)
        valid = errors[errors["valid"]]
        outside = int((~valid["inside"]).sum())
        return [*lines, f"type I errors outside their 99 % interval: {outside} of {len(valid)}"]

    def _form(self, form: Form, causal: Path) -> JointRun:
        traits = self.traits or tuple(trait.name for trait in TRAITS)
        tested = REPLICATION if form.selection == OTHERS else DISCOVERY
        studies = {
            trait: self.cohort / "summary_statistics" / f"{DISCOVERY}.{trait}.tsv.gz" for trait in traits
        }
        return JointRun(
            folder=self.folder / form.name,
            people=self._people(tested),
            columns=Columns(traits, COVARIATES, CATEGORICAL),
            studies={} if form.selection == HALVES else studies,
            selection=form.selection,
            second=None if form.selection == OTHERS else self._people(REPLICATION),
            scores=self.scores,
            columns_of_scores=self.columns,
            clumping=self.clumping,
            filters=FilterOptions(within_clumps=form.within_clumps, prune=form.prune),
            draws=self.draws,
            causal=causal,
        )

    def _genotypes(self, sample: str) -> Path:
        return self.cohort / "genotypes" / f"{sample}.bed"

    def _people(self, sample: str) -> People:
        tables = (self.cohort / "phenotypes.tsv", self.cohort / "covariates.tsv")
        return People((self._genotypes(sample),), tables)

    def _causal(self) -> Path:
        """The effects of all causal variants that are in the files."""
        truth = pd.read_parquet(self.cohort / "truth" / "variants.parquet")
        truth = truth[truth["causal"]].rename(columns=lambda name: name.removeprefix("effect_"))
        return self._write("causal", truth[["chrom", "pos", "ref", "alt", *(one.name for one in TRAITS)]])

    def _write(self, name: str, table: pd.DataFrame) -> Path:
        path = self.folder / f"{name}.tsv"
        with written_whole(path) as temporary, writing(path):
            table.to_csv(temporary, sep="\t", index=False, float_format="%.6g")
        return path
