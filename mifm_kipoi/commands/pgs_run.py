"""``mifm pgs run``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import note, say


def add_pgs_run(parser: argparse.ArgumentParser) -> None:
    """``mifm pgs run``."""
    parser.description = (
        "Build polygenic scores of studies, apply them to genotypes, evaluate them by ancestry, and write "
        "one report, all from one configuration. A step that was done with the same options and files is "
        "not done again."
    )
    parser.add_argument(
        "--config", required=True, action="append", metavar="YAML",
        help="sections build, score, ancestry and evaluate, whose keys are the options of 'mifm pgs build', "
        "'score', 'ancestry' and 'evaluate'; repeated, later files override earlier ones",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of all outputs")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="over the configuration, such as build.top=[1]; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )
    parser.set_defaults(run=_pgs_run)


def _pgs_run(options: argparse.Namespace) -> None:
    from mifm_kipoi.polygenic.study.run import PgsStudyRun

    run = PgsStudyRun(tuple(map(Path, options.config)), Path(options.output), tuple(options.set))
    result = run.run(note(options.progress))
    evaluated = result.evaluation.texts if result.evaluation is not None else []
    say(*evaluated, *result.summary, f"written: {', '.join(map(str, result.files))}")
