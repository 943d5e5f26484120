"""From tables to a validated data set."""

from __future__ import annotations

import dataclasses

from training.credible_sets import CredibleSetsConfig
from training.negatives import NegativesConfig
from training.splits import SplitsConfig
from training.summary_statistics import SummaryStatisticsConfig


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What a data set is made of; either credible sets or summary statistics.

    Parameters
    ----------
    credible_sets : CredibleSetsConfig, optional
    summary_statistics : SummaryStatisticsConfig, optional
    negatives : NegativesConfig, optional
    splits : SplitsConfig
    min_bag_size : int
        Positive bags with fewer instances after the split are left out.
    """

    credible_sets: CredibleSetsConfig | None = None
    summary_statistics: SummaryStatisticsConfig | None = None
    negatives: NegativesConfig | None = None
    splits: SplitsConfig = dataclasses.field(default_factory=SplitsConfig)
    min_bag_size: int = 10
