"""Association of variants with traits in people's genotypes: ``mifm gwas``."""

from mifm_kipoi.association.cohort import Cohort, Selection, read_cohort
from mifm_kipoi.association.filters import Filters
from mifm_kipoi.association.models import NullModel, linear_model, logistic_model
from mifm_kipoi.association.run import GwasResult, GwasRun
from mifm_kipoi.association.scan import Associations, Scan

__all__ = [
    "Associations",
    "Cohort",
    "Filters",
    "GwasResult",
    "GwasRun",
    "NullModel",
    "Scan",
    "Selection",
    "linear_model",
    "logistic_model",
    "read_cohort",
]
