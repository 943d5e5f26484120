"""``mifm pgs run``: build, score, label, evaluate and report, from one configuration."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.people_tables import PeopleTable
from mifm_kipoi.polygenic.ancestry.run import LABEL, TABLE, PgsAncestryRun
from mifm_kipoi.polygenic.application.run import PgsScoreRun
from mifm_kipoi.polygenic.building.run import PgsBuildRun
from mifm_kipoi.polygenic.evaluation.run import PgsEvaluateResult, PgsEvaluateRun
from mifm_kipoi.polygenic.study.report import Steps, write_report
from mifm_kipoi.polygenic.study.steps import Step, check_inputs, made_of
from mifm_kipoi.support.configuration import read_configuration
from mifm_kipoi.support.files import locked, made_folder
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

BUILD, SCORE, ANCESTRY, EVALUATE = "build", "score", "ancestry", "evaluate"
"""Steps, their sections of the configuration, and their folders."""

BUILT = "scores.tsv"
"""Of the folder of the first step: a row for each scoring file."""

MATCHING = "matching.tsv"
"""Of the folder of the second step: a row for each score."""

SAMPLE_SCORES = ("sample_scores.tsv.gz", "sample_scores.parquet")
"""Of the folder of the second step: one or the other."""

REPORT = ("report.html", "report.md")
"""Of the study."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class PgsStudy:
    """The configuration of a study.

    Parameters
    ----------
    score : PgsScoreRun
        Genotypes, and how scores are applied to them.
    build : PgsBuildRun, optional
        Studies and scores of variants, and how polygenic scores are built of them.
    ancestry : PgsAncestryRun, optional
        A reference panel, which gives the people of the genotypes labels of ancestry.
    evaluate : PgsEvaluateRun, optional
        People, and how scores are evaluated; without it, the study ends with scores of people.
    scoring_files : tuple of Path
        Further polygenic scores, such as those of the PGS Catalog.
    """

    score: PgsScoreRun
    build: PgsBuildRun | None = None
    ancestry: PgsAncestryRun | None = None
    evaluate: PgsEvaluateRun | None = None
    scoring_files: tuple[Path, ...] = ()


@dataclasses.dataclass(frozen=True)
class PgsStudyResult:
    """What was made.

    Parameters
    ----------
    steps : dict of str to str
        By step, why it was done; empty where what was there is what it would make.
    evaluation : PgsEvaluateResult or None
        Of the last step, where it was done now.
    files : list of Path
        The report.
    """

    steps: dict[str, str]
    evaluation: PgsEvaluateResult | None
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """The steps as lines of text."""
        return [
            f"{name}: {f'done ({reason})' if reason else 'as it was, nothing has changed'}"
            for name, reason in self.steps.items()
        ]


@dataclasses.dataclass(frozen=True)
class PgsStudyRun:
    """Where a study is made, and of what.

    Parameters
    ----------
    configurations : tuple of Path
        YAML files with the keys of :class:`PgsStudy`; those of later files override those of earlier ones.
        Paths in them are relative to the working folder.
    folder : Path
        Of all outputs; made where it is missing.
    settings : tuple of str
        ``KEY=VALUE``, which override the files, such as ``build.top=[1]``.
    """

    configurations: tuple[Path, ...]
    folder: Path
    settings: tuple[str, ...] = ()

    def run(self, on_progress: Callable[[str], None] | None = None) -> PgsStudyResult:
        """Do the steps that are not done, or were made of something else.

        The folder gets ``build/``, ``score/``, ``ancestry/`` and ``evaluate/`` with the outputs of ``mifm pgs
        build``, ``mifm pgs score``, ``mifm pgs ancestry`` and ``mifm pgs evaluate``, and one report of all of
        them as ``report.html`` and ``report.md``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When the configuration is wrong, an input cannot be used or an output cannot be written.
        """
        on_progress = on_progress or log.info
        study = self.study()
        made_folder(self.folder)
        with locked(self.folder):
            return self._done(study, on_progress)

    def study(self) -> PgsStudy:
        """The configuration, read and checked: all files that it names are there, and people can be read.

        Raises
        ------
        ConfigurationError
            When it cannot be read, or a key or a value is wrong.
        InputError
            When a file does not exist, or the tables of people lack what is named.
        """
        fixed: dict[str, dict[str, Any]] = {
            BUILD: {"folder": str(self.folder / BUILD)},
            SCORE: {"folder": str(self.folder / SCORE), "scores": []},
            ANCESTRY: {"folder": str(self.folder / ANCESTRY), "genotypes": []},
            EVALUATE: {"folder": str(self.folder / EVALUATE), "scores": []},
        }
        study = read_configuration(self.configurations, PgsStudy, self.settings, fixed=fixed)
        if study.build is None and not study.scoring_files:
            raise OptionError(
                "the configuration has neither build nor scoring_files: no score to apply; give studies in a "
                "section build, or scoring_files: [PATH, ...]"
            )
        if study.build is not None and study.evaluate is not None and study.evaluate.score_table is not None:
            raise OptionError("evaluate.score_table is that of the section build; leave it out")
        _check_labels(study)
        for name in (BUILD, SCORE, ANCESTRY, EVALUATE):
            if (section := getattr(study, name)) is not None:
                check_inputs(section, name)
        check_inputs(study.scoring_files, "scoring_files")
        if study.evaluate is not None:
            # Their errors would come hours later, where genotypes are large.
            study.evaluate.read_people()
        return study

    def _done(self, study: PgsStudy, on_progress: Callable[[str], None]) -> PgsStudyResult:
        reasons: dict[str, str] = {}
        results: list[PgsEvaluateResult] = []

        def do(name: str, options: Any, work: Callable[[], Iterable[Path]], **more: Any) -> None:
            step = Step(self.folder / name, made_of(options, mifm_kipoi=__version__, **more))
            reasons[name] = step.reason()
            on_progress(f"{name}: {reasons[name] or 'nothing has changed'}")
            if reasons[name]:
                step.end(work())

        if (build := study.build) is not None:
            do(BUILD, build, lambda: build.run(on_progress).files)
        score = dataclasses.replace(study.score, scores=(*self._built(study), *study.scoring_files))
        do(SCORE, score, lambda: score.run(on_progress).files)
        if study.ancestry is not None:
            ancestry = dataclasses.replace(study.ancestry, genotypes=study.score.genotypes)
            do(ANCESTRY, ancestry, lambda: ancestry.run(on_progress).files)
        if study.evaluate is None:
            report = write_report(self.folder, self._steps(study), None)
        else:
            evaluate = self._evaluate(study)

            def evaluated() -> list[Path]:
                results.append(evaluate.run(on_progress))
                return [*results[0].files, *write_report(self.folder, self._steps(study), results[0])]

            # The report shows what the earlier steps say, too.
            do(EVALUATE, evaluate, evaluated, shown=[described(path) for path in self._shown(study)])
            report = [self.folder / name for name in REPORT]
        return PgsStudyResult(reasons, results[0] if results else None, report)

    def _built(self, study: PgsStudy) -> list[Path]:
        """The scoring files of the first step."""
        if study.build is None:
            return []
        table = pd.read_csv(self.folder / BUILD / BUILT, sep="\t", dtype=str, keep_default_na=False)
        return [self.folder / BUILD / name for name in table["file"]]

    def _evaluate(self, study: PgsStudy) -> PgsEvaluateRun:
        """The last step, of what the others wrote."""
        assert study.evaluate is not None
        (scores,) = (
            path for path in (self.folder / SCORE / name for name in SAMPLE_SCORES) if path.is_file()
        )
        table = self.folder / BUILD / BUILT if study.build is not None else study.evaluate.score_table
        evaluate = dataclasses.replace(study.evaluate, scores=(scores,), score_table=table)
        if study.ancestry is None:
            return evaluate
        # After the others: what they have, such as components, counts.
        people = (*evaluate.people, self.folder / ANCESTRY / TABLE)
        return dataclasses.replace(evaluate, people=people, ancestry=LABEL)

    def _shown(self, study: PgsStudy) -> list[Path]:
        built = [self.folder / BUILD / BUILT] if study.build is not None else []
        return [*built, self.folder / SCORE / MATCHING]

    def _steps(self, study: PgsStudy) -> Steps:
        """What the report shows of the steps before the last."""
        tables = [pd.read_csv(path, sep="\t") for path in self._shown(study)]
        pages = {"people": f"{EVALUATE}/report.html"} if study.evaluate is not None else {}
        if study.ancestry is not None:
            pages = {"ancestry": f"{ANCESTRY}/report.html", **pages}
        if study.build is not None:
            pages = {"scores": f"{BUILD}/report.html", **pages}
        return Steps(tables[0] if study.build is not None else None, tables[-1], pages)


def _check_labels(study: PgsStudy) -> None:
    """Refuse two sources of labels of ancestry."""
    if study.ancestry is None or study.evaluate is None:
        return
    if study.evaluate.ancestry:
        raise OptionError("evaluate.ancestry is that of the section ancestry; leave one of them out")
    for path in study.evaluate.people:
        if path.is_file() and PeopleTable.of(path, study.evaluate.columns).column(LABEL) is not None:
            raise OptionError(
                f"{path} has a column {LABEL}, and so has what the section ancestry gives; leave one of them "
                "out"
            )
