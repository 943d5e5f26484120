"""What the paper reports: Rakowski and Lippert (2026), PLoS Genetics 22(6): e1012208.

The numbers are those of its text. Those of its figures and tables follow the order of the evaluations in it.
"""

from __future__ import annotations

import dataclasses

CITATION = "Rakowski A, Lippert C (2026), PLoS Genetics 22(6): e1012208"


@dataclasses.dataclass(frozen=True)
class OddsRatio:
    """An odds ratio against all variants, over the quantiles of the score.

    Parameters
    ----------
    label : str
        Group of states, or silencer.
    within : str
        Label among whose variants it is; empty for all variants.
    first, last : float, optional
        At the lowest and the highest quantile; None where the paper calls it not significant.
    """

    label: str
    within: str
    first: float | None
    last: float | None


ODDS_RATIOS = (
    OddsRatio("repressed", "", 1.02, 1.13),
    OddsRatio("repressed-enhancer", "", 1.01, 1.13),
    OddsRatio("enhancer", "", 1.01, 1.10),
    OddsRatio("promoter", "", None, None),
    OddsRatio("elongation", "", 0.99, 0.98),
    OddsRatio("low", "", 0.98, 0.97),
    OddsRatio("enhancer", "repressed", None, 1.08),
    OddsRatio("enhancer", "repressed-enhancer", None, 1.10),
    OddsRatio("silencer", "repressed", None, 1.07),
    OddsRatio("silencer", "enhancer", None, 1.07),
)
"""Of those within a label the highest is known alone."""

PATTERNS = {"positive": 67, "negative": 94}
"""Patterns of either sign."""

MATCHED = {"positive": 20, "negative": 49}
"""Of them like a known motif."""

MEDIAN_SEQLETS = {"positive": 1257, "negative": 798}
"""Of a pattern."""


@dataclasses.dataclass(frozen=True)
class Swap:
    """Means and standard deviations of scores before and after patterns of one sign are replaced."""

    before: float
    after: float
    before_sd: float
    after_sd: float


SWAPS = {"positive": Swap(0.54, 0.48, 0.03, 0.08), "negative": Swap(0.17, 0.20, 0.08, 0.09)}
"""By the sign of the patterns that are replaced; three patterns of either sign of ARID3A."""

WINS = {"all": (0.15, 0.03), "AFR": (0.19, 0.01), "AMR": (0.09, 0.05)}
"""Fractions of comparisons of polygenic scores that were won and lost, by ancestry."""

MEAN_R2 = {"mifm": 0.042, "sei": 0.040, "cadd": 0.040}
"""Mean R2 of polygenic scores, covariates included, by what picks the variants."""

SIGNIFICANT = {"before": 32, "filtered": 47}
"""Significant variants of joint tests, without and with the filter by MIFM's score."""
