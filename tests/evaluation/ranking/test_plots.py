"""What the figures of the evaluation of rankings take literally."""

from __future__ import annotations

import dataclasses

import numpy as np

from mifm_kipoi.evaluation.ranking.plots import overview, precision_recall, roc
from mifm_kipoi.evaluation.ranking.records import ALL, COMMON, Measure
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.statistics.ranking import Curve

NAME = "a.x$_$"


def test_dollar_signs_are_no_formulas() -> None:
    """Where matplotlib reads one, an underscore without anything to lower is an error."""
    auprc = Measure(ALL, COMMON, NAME, "auprc", 0.5, 0.4, 0.6, 0.5, 0.1, np.nan, 4, 2, 4)
    measures = [auprc, dataclasses.replace(auprc, metric="auroc")]
    curves = {(ALL, NAME): Curve(np.array([1.0, 2, 3, 4]), np.array([False, True, False, True]))}
    for figure in (
        overview(measures, [NAME]),
        precision_recall(curves, measures, [NAME]),
        roc(curves, measures, [NAME]),
    ):
        assert png(figure).startswith(b"\x89PNG")
