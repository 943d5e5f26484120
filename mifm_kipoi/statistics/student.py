"""P-values of Student's t distribution as logarithms, which do not underflow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

_SMALL = 1e-280
"""P-values below this are computed as logarithms."""

_STEPS = 10_000
_TOLERANCE = 1e-15


def log_p_of_t(t: npt.ArrayLike, freedom: npt.ArrayLike) -> Values:
    """Natural logarithms of two-sided p-values of Student's t.

    The p-value is the regularised incomplete beta function ``I_x(f / 2, 1 / 2)`` at ``x = f / (f + t^2)``.
    Where it is too small for a float64, its logarithm comes from the continued fraction of that function
    (Abramowitz and Stegun 1964, 26.5.8), by the algorithm of Lentz.

    Parameters
    ----------
    t : array_like of float, shape (...)
        Statistics.
    freedom : array_like of float, broadcast to shape (...)
        Degrees of freedom f, above 0.

    Returns
    -------
    numpy.ndarray of float64, shape (...)
        At most 0; NaN where ``t`` is or the degrees of freedom are not above 0; -inf where ``t`` is infinite.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    special = needed("scipy.special", "genotypes")
    size, freedom = np.broadcast_arrays(
        np.abs(np.asarray(t, dtype=np.float64)), np.asarray(freedom, dtype=np.float64)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.stdtr(np.where(freedom > 0, freedom, np.nan), -size)
        log_p = np.minimum(np.log(p), 0.0)
    small = (p < _SMALL) & np.isfinite(size)
    if small.any():
        log_p = np.where(small, 0.0, log_p)
        log_p[small] = _log_tail(size[small], freedom[small], special.betaln)
    return np.asarray(log_p)


def _log_tail(size: Values, freedom: Values, betaln: np.ufunc) -> Values:
    """The logarithm of a small p-value, shape (n,)."""
    a, b = freedom / 2, 0.5
    # From the smaller of t^2 / f and its inverse, so that neither 1 - x nor x is rounded away.
    with np.errstate(over="ignore"):
        ratio = size**2 / freedom
    log_x = np.where(ratio < 1, -np.log1p(ratio), -2 * np.log(size / np.sqrt(freedom)) - np.log1p(1 / ratio))
    log_rest = -np.log1p(1 / ratio)
    log_front = a * log_x + b * log_rest
    fraction = _fraction(a, b, 1 / (1 + ratio))
    return np.asarray(log_front - np.log(a) - betaln(a, b) + np.log(fraction))


def _fraction(a: Values, b: float, x: Values) -> Values:
    """``I_x(a, b) a B(a, b) / (x^a (1 - x)^b)`` where x is below (a + 1) / (a + b + 2), shape (n,)."""
    c = np.ones_like(x)
    d = 1 / (1 - (a + b) * x / (a + 1))
    value = d.copy()
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + even * d)
        c = 1 + even / c
        value *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + odd * d)
        c = 1 + odd / c
        step = c * d
        value *= step
        if np.abs(step - 1).max() < _TOLERANCE:
            return value
    # Not reached below p = 1e-280: t^2 is then large beside 1, and the fraction converges in some steps.
    raise ArithmeticError(f"a tail of Student's t does not converge with {float(np.max(a)) * 2:g} degrees")
