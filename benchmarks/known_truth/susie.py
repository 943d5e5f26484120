"""Fine-mapping by SuSiE where some variants do not vary in the panel, and where fits may fail."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.susie import SusieOptions, fit_summary

EFFECTS = 5
"""L: the most effects of a locus. One of the simulations has at most three."""

COVERAGE, PURITY = 0.95, 0.5
"""Of a credible set: its probability, and the smallest |r| between two of its variants (susieR's default)."""

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class SusieFit:
    """What SuSiE makes of a locus.

    Parameters
    ----------
    pip : numpy.ndarray of float64, shape (n,)
        Posterior inclusion probabilities.
    sets : tuple of numpy.ndarray of int64
        Variants of each credible set, in the order of the fit.
    """

    pip: Values
    sets: tuple[npt.NDArray[np.int64], ...]

    @property
    def in_set(self) -> npt.NDArray[np.bool_]:
        """Whether a variant is in any set: (n,)."""
        inside = np.zeros(self.pip.size, dtype=bool)
        for members in self.sets:
            inside[members] = True
        return inside


def susie(
    z: Values, ld: Values, sample_size: int, effects: int = EFFECTS, prior: Values | None = None
) -> SusieFit | None:
    """Fit a locus.

    The residual variance is not estimated, as is advised where LD is not that of the GWAS's own sample; the
    prior variance of each effect is.

    Parameters
    ----------
    z : numpy.ndarray of float64, shape (n,)
        Marginal z-scores.
    ld : numpy.ndarray of float64, shape (n, n)
        Correlations. Variants that do not vary in the panel have LD 0 with all others, and PIP 0.
    sample_size : int
        Of the GWAS, not of the panel.
    effects : int
        L.
    prior : numpy.ndarray of float64, shape (n,), optional
        Prior weights of variants; their sum does not matter. Equal by default.

    Returns
    -------
    SusieFit or None
        None where the fit fails: z and LD contradict each other so much that the prior variance or the
        objective diverges, or a hundred iterations do not suffice.
    """
    varying = np.flatnonzero(np.diag(ld) > 0)
    if not varying.size:
        return None
    options = SusieOptions(effects=effects, coverage=COVERAGE, min_abs_corr=PURITY)
    try:
        fit = fit_summary(
            z[varying],
            ld[np.ix_(varying, varying)],
            sample_size,
            None if prior is None else prior[varying],
            options,
        )
    except InputError:
        return None
    if not fit.converged:
        return None
    pip = np.zeros(z.size)
    pip[varying] = fit.pip
    # Members in the order of the variants, as of a mask.
    return SusieFit(pip, tuple(varying[np.sort(each.members)] for each in fit.sets))
