"""Whether the z of a locus can be those of variants with its LD, and which of them cannot."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.mixtures import mixture_weights
from mifm_kipoi.statistics.normal import log_p_of_z
from mifm_kipoi.support.packages import needed

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

ROUNDING = 1e-4
"""By how much numbers of a matrix of correlations may differ from what they should be."""

FLIP_LOG_RATIO, FLIP_Z = 2.0, 2.0
"""A variant counts as having the other allele's z beyond both (susieR's rule for ``kriging_rss``)."""

SLALOM_R2, SLALOM_LOG10_P = 0.6, 4.0
"""A variant counts as an outlier beyond both: of r2 with the lead, and of -log10 p of DENTIST-S (Kanai et al.
2022, Cell Genomics 2:100210)."""

MISFIT = 0.1
"""Lambda beyond which several effects must not be fitted. Measured on 40 simulated loci of about 141
variants, three traits of 20,000 people: 0.072 at most with their own LD and 0.083 with that of 500 others of
the same population; at signals, a median of 0.23 and 0.35 with that of two other continents, where SuSiE
gives 4 sets too many beyond this limit and 0.3 within; 0.95 or more with z of the wrong variants. What is
left with their own LD is the study's covariates: where principal components explain variants of a locus, LD
is that of dosages less covariates."""

NEGATIVE_EIGENVALUE = 0.02
"""Eigenvalues of R below minus this, times sqrt(p), are not rounding. The smallest of 1,200 real variants is
-0.009 sqrt(p) with two decimals, -0.005 and -0.012 with 1 % and 5 % of dosages missing pair by pair."""


def adjusted_z(z: npt.NDArray[np.floating], n: float) -> Values:
    """Adjust z for what the variant explains of the trait: ``z sqrt((n - 1) / (z^2 + n - 2))``.

    Marginal correlations with the trait, times ``sqrt(n - 1)`` (Zou et al. 2022, PLoS Genet 18: e1010299).

    Parameters
    ----------
    z : numpy.ndarray of float, shape (p,)
        Effects over their standard errors; NaN where missing.
    n : float
        People, more than 2.

    Returns
    -------
    numpy.ndarray of float64, shape (p,)
    """
    values = np.asarray(z, dtype=np.float64)
    return np.asarray(values * np.sqrt((n - 1) / (values**2 + n - 2)))


def correlation_fault(matrix: Values, tolerance: float = ROUNDING) -> str:
    """What keeps a matrix from being one of correlations, but for its eigenvalues.

    Parameters
    ----------
    matrix : numpy.ndarray of float, shape (p, p)
    tolerance : float
        By how much numbers may differ from what they should be.

    Returns
    -------
    str
        The fault, with where it is (counted from 0) and what was expected; empty where there is none.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        return f"its shape is {matrix.shape}; expected as many rows as columns"
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        return f"row {row}, column {column} is not a finite number; leave out constant variants"
    off = np.abs(np.diag(matrix) - 1.0)
    if off.size and off.max() > tolerance:
        row = int(off.argmax())
        return f"row {row} has {matrix[row, row]:.6g} on the diagonal; expected 1"
    if matrix.size and max(float(matrix.max()), -float(matrix.min())) > 1.0 + tolerance:
        row, column = np.unravel_index(int(np.abs(matrix).argmax()), matrix.shape)
        return f"row {row}, column {column} is {matrix[row, column]:.6g}; expected numbers from -1 to 1"
    difference = np.abs(matrix - matrix.T)
    if matrix.size and difference.max() > tolerance:
        row, column = np.unravel_index(int(difference.argmax()), matrix.shape)
        return (
            f"row {row}, column {column} is {matrix[row, column]:.6g} and row {column}, column {row} "
            f"{matrix[column, row]:.6g}; expected a symmetric matrix"
        )
    return ""


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """Eigenvalues and eigenvectors of a matrix of correlations.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (p,)
        Rising; negative ones are set to 0.
    vectors : numpy.ndarray of float64, shape (p, p)
        A column each.
    smallest : float
        The smallest eigenvalue before: negative where the matrix is not positive semidefinite.
    """

    values: Values
    vectors: Values
    smallest: float

    @classmethod
    def of(cls, R: npt.NDArray[np.floating]) -> Spectrum:  # noqa: N803 - the field's name
        """Of a symmetric matrix, shape (p, p); p is 1 or more."""
        values, vectors = np.linalg.eigh(np.asarray(R, dtype=np.float64))
        # As susieR: what is smaller is rounding.
        return cls(np.where(values < 1e-8, 0.0, values), vectors, float(values[0]))


def inconsistency(z: npt.NDArray[np.floating], spectrum: Spectrum, n: float | None = None) -> float:
    """Lambda: how much of the correlations between z is not LD, from 0 to 1.

    The maximum-likelihood estimate of s in ``z ~ N(0, (1 - s) R + s I)`` (susieR's ``estimate_s_rss``): near
    0 where LD is that of the study's people, larger for LD of others, wrong alleles, or z of several studies.

    Parameters
    ----------
    z : numpy.ndarray of float, shape (p,)
        Effects over their standard errors.
    spectrum : Spectrum
        Of R.
    n : float, optional
        People of the study, for :func:`adjusted_z`.
    """
    minimize = needed("scipy.optimize", "finemapping").minimize_scalar
    statistics = np.asarray(z, dtype=np.float64) if n is None else adjusted_z(z, n)
    squares = (spectrum.vectors.T @ statistics) ** 2

    def minus_log_likelihood(s: float) -> float:
        variance = (1.0 - s) * spectrum.values + s
        return 0.5 * float((np.log(variance) + squares / variance).sum())

    return float(
        minimize(minus_log_likelihood, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-9}).x
    )


@dataclasses.dataclass(frozen=True)
class Kriging:
    """What the other z of a locus say about each; all arrays have shape (p,).

    Parameters
    ----------
    z : numpy.ndarray of float64
        The variant's own, adjusted where n is known.
    expected, variance : numpy.ndarray of float64
        Mean and variance, given the others.
    standardised : numpy.ndarray of float64
        ``(z - expected) / sqrt(variance)``.
    log_ratio : numpy.ndarray of float64
        Natural logarithm of the likelihood of -z, which is that of the other allele, over that of z.
    """

    z: Values
    expected: Values
    variance: Values
    standardised: Values
    log_ratio: Values

    def flipped(self) -> Rows:
        """Numbers of the variants whose z is most likely that of the other allele."""
        return np.flatnonzero((self.log_ratio > FLIP_LOG_RATIO) & (np.abs(self.z) > FLIP_Z)).astype(np.int64)


def kriging(
    z: npt.NDArray[np.floating], spectrum: Spectrum, n: float | None = None, s: float | None = None
) -> Kriging:
    """Expect each z from the others and LD (susieR's ``kriging_rss``).

    Parameters
    ----------
    z : numpy.ndarray of float, shape (p,)
        Effects over their standard errors.
    spectrum : Spectrum
        Of R.
    n : float, optional
        People of the study, for :func:`adjusted_z`.
    s : float, optional
        :func:`inconsistency`, which is estimated by default.
    """
    if s is None:
        s = inconsistency(z, spectrum, n)
    statistics = np.asarray(z, dtype=np.float64) if n is None else adjusted_z(z, n)
    spread = (1.0 - s) * spectrum.values + s
    weights = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    # The precision matrix P gives the conditional mean z - (P z)_j / P_jj and variance 1 / P_jj.
    variance = 1.0 / ((spectrum.vectors**2) @ weights)
    rest = spectrum.vectors @ (weights * (spectrum.vectors.T @ statistics)) * variance
    expected = statistics - rest
    deviation = np.sqrt(variance)
    standardised = rest / deviation
    # What is left has heavier tails than the normal: a mixture over scales, as susieR's.
    largest = float((standardised**2).max())
    top = 2.0 if largest < 1.0 else 2.0 * np.sqrt(largest)
    points = int(np.ceil(np.log2(top / 0.8) / np.log2(1.05)))
    grid = 1.05 ** np.arange(-points, 1) * top
    own = _log_densities(standardised, grid)
    other = _log_densities((statistics + expected) / deviation, grid)
    # So that no density is 0.
    mixture = np.log(mixture_weights(own) + 1e-15)
    return Kriging(
        statistics, expected, variance, standardised, _log_sum(other + mixture) - _log_sum(own + mixture)
    )


def _log_densities(values: Values, deviations: Values) -> Values:
    """Of normal distributions of mean 0, but for a constant: (p,), (k,) -> (p, k)."""
    ratio = values[:, np.newaxis] / deviations
    return np.asarray(-0.5 * ratio**2 - np.log(deviations))


def _log_sum(values: Values) -> Values:
    top = values.max(axis=1)
    return np.asarray(top + np.log(np.exp(values - top[:, np.newaxis]).sum(axis=1)))


@dataclasses.dataclass(frozen=True)
class LeadTest:
    """Whether z are what LD with the lead variant makes them; all arrays have shape (p,).

    Parameters
    ----------
    lead : int
        Number of the lead variant.
    chi2 : numpy.ndarray of float64
        DENTIST-S: ``(z - r z_lead)^2 / (1 - r^2)``; NaN of the lead, infinite of another variant of r2 1 with
        another z, 0 with the same.
    log10_p : numpy.ndarray of float64
        -log10 p of it, with one degree of freedom.
    in_ld, outliers : numpy.ndarray of int64, shape (k,)
        Variants of r2 over 0.6 with the lead, and those of them with -log10 p over 4.
    """

    lead: int
    chi2: Values
    log10_p: Values
    in_ld: Rows
    outliers: Rows


def dentist_s(z: npt.NDArray[np.floating], r: npt.NDArray[np.floating], lead: int) -> LeadTest:
    """Test each z against that of the lead, as if it were the only causal variant (SLALOM).

    Parameters
    ----------
    z : numpy.ndarray of float, shape (p,)
        Effects over their standard errors.
    r : numpy.ndarray of float, shape (p,)
        Correlations with the lead, by the same alleles; NaN where unknown, as is the test then.
    lead : int
        Number of the lead variant: that of the lowest p, or of the highest PIP.
    """
    statistics, with_lead = np.asarray(z, dtype=np.float64), np.asarray(r, dtype=np.float64)
    left = 1.0 - with_lead**2
    difference = (statistics - with_lead * statistics[lead]) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        chi2 = np.where(left > 0, difference / left, np.where(difference > 0, np.inf, 0.0))
    chi2[np.isnan(with_lead)] = np.nan
    chi2[lead] = np.nan
    log10_p: Values = -log_p_of_z(np.sqrt(chi2)) / np.log(10.0)
    with np.errstate(invalid="ignore"):
        in_ld = with_lead**2 > SLALOM_R2
        outliers = in_ld & (log10_p > SLALOM_LOG10_P)
    return LeadTest(
        lead,
        chi2,
        log10_p,
        np.flatnonzero(in_ld).astype(np.int64),
        np.flatnonzero(outliers).astype(np.int64),
    )


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What is to be known of a locus before several effects are fitted to its z and LD.

    Parameters
    ----------
    inconsistency : float
        Lambda (:func:`inconsistency`).
    smallest_eigenvalue : float
        Of R.
    kriging : Kriging
        What the other z say about each.
    flipped : numpy.ndarray of int64, shape (k,)
        Variants whose z is most likely that of the other allele: their alleles want checking, or they are
        left out.
    lead_test : LeadTest
        DENTIST-S with the variant of the largest absolute z.
    reason : str
        Why several effects must not be fitted; empty where they can be.
    """

    inconsistency: float
    smallest_eigenvalue: float
    kriging: Kriging
    flipped: Rows
    lead_test: LeadTest
    reason: str


def diagnose(
    z: npt.NDArray[np.floating],
    R: npt.NDArray[np.floating],  # noqa: N803 - the field's name
    n: float | None = None,
    *,
    spectrum: Spectrum | None = None,
) -> Diagnosis:
    """Whether z and LD of a locus fit each other, and which variants do not fit the others.

    Parameters
    ----------
    z : numpy.ndarray of float, shape (p,)
        Effects over their standard errors, finite; p is 1 or more.
    R : numpy.ndarray of float, shape (p, p)
        Correlations without :func:`correlation_fault`, by the same alleles.
    n : float, optional
        People of the study, for :func:`adjusted_z`.
    spectrum : Spectrum, optional
        Of R, where it is known already, such as for another trait. It is what costs: 0.3 s at 1,000 variants,
        and 8 times that at twice as many.
    """
    of_r = Spectrum.of(R) if spectrum is None else spectrum
    s = inconsistency(z, of_r, n)
    kriged = kriging(z, of_r, n, s)
    flipped = kriged.flipped()
    lead = int(np.abs(z).argmax())
    reason = ""
    limit = -NEGATIVE_EIGENVALUE * np.sqrt(len(R))
    if of_r.smallest < limit:
        reason = (
            f"R is not positive semidefinite: its smallest eigenvalue is {of_r.smallest:.3g}, expected "
            f"{limit:.3g} or more; compute all correlations from the same people, with missing dosages "
            "as means"
        )
    elif s > MISFIT:
        reason = (
            f"z do not fit LD: lambda is {s:.3g}, expected {MISFIT:g} at most; "
            + (f"{flipped.size} variants look flipped, check their alleles; or " if flipped.size else "")
            + "LD is of another population, covariates of the study (such as principal components) explain "
            "variants of the locus, z are of other variants, r is squared, or sample sizes differ between "
            "variants"
        )
    return Diagnosis(s, of_r.smallest, kriged, flipped, dentist_s(z, R[lead], lead), reason)
