"""Fine-mapping by SuSiE (Wang et al. 2020; from summary statistics, Zou et al. 2022), through pysusie."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import numpy.typing as npt

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

    Raises
    ------
    ImportError
        Without pysusie.
    """
    from pysusie import susie_rss

    varying = np.flatnonzero(np.diag(ld) > 0)
    if not varying.size:
        return None
    weights = np.ones(z.size) if prior is None else prior
    weights = weights[varying] / weights[varying].sum()
    with warnings.catch_warnings():
        # Of the iterations that do not suffice; 'converged' says it too.
        warnings.simplefilter("ignore")
        try:
            fit = susie_rss(
                z=z[varying], R=ld[np.ix_(varying, varying)], n=sample_size, L=min(effects, varying.size),
                prior_weights=weights, coverage=COVERAGE, min_abs_corr=PURITY,
                # Purity over all pairs of a set, not over a random sample of them.
                n_purity=varying.size,
            )  # fmt: skip
        except ValueError:
            return None
    if not fit["converged"]:
        return None
    pip = np.zeros(z.size)
    pip[varying] = fit["pip"]
    return SusieFit(pip, tuple(varying[np.asarray(members)] for members in fit["sets"]["cs"] or ()))
