"""Exact test of Hardy-Weinberg equilibrium, for many variants together."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

Counts = npt.NDArray[np.int64]

_ROUNDING = 1e-9
"""Probabilities whose logarithms differ by less are taken for equal: those of two counts can be."""

_NEGLIGIBLE = 45.0
"""What is less likely than the observed count by a factor of e to this adds nothing to a float64."""


def log_probability(homozygous: npt.ArrayLike, heterozygous: npt.ArrayLike, other: npt.ArrayLike) -> Values:
    """Logarithm of the probability of genotype counts in equilibrium, given the counts of the alleles.

    With n people, a and b copies of the two alleles and h heterozygotes it is
    ``n! / (hom1! h! hom2!) 2^h a! b! / (2n)!``.

    Parameters
    ----------
    homozygous, heterozygous, other : array_like of int, shape (...)
        People with two copies of one allele, with one copy, and with none.

    Returns
    -------
    numpy.ndarray of float64, shape (...)
        0 where there is nobody.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    first, het, second = (np.asarray(each, dtype=np.int64) for each in (homozygous, heterozygous, other))
    people = first + het + second
    factorial = _log_factorials(int(2 * people.max(initial=0)))
    return np.asarray(
        factorial[people] - factorial[first] - factorial[het] - factorial[second] + het * math.log(2)
        + factorial[2 * first + het] + factorial[2 * second + het] - factorial[2 * people]
    )  # fmt: skip


def exact_p(homozygous: npt.ArrayLike, heterozygous: npt.ArrayLike, other: npt.ArrayLike) -> Values:
    """P-values of the exact test: of all counts of heterozygotes no more likely than the observed one.

    That is the test of PLINK (``--hardy``, without mid-p), after Wigginton, Cutler and Abecasis (2005), Am J
    Hum Genet 76:887.

    Parameters
    ----------
    homozygous, heterozygous, other : array_like of int, shape (n,)
        People with two copies of one allele, with one copy, and with none.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        1 where there is nobody, or one allele alone.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    first, het, second = (
        np.atleast_1d(np.asarray(each, dtype=np.int64)) for each in (homozygous, heterozygous, other)
    )
    rare = np.minimum(2 * first + het, 2 * second + het)
    people = first + het + second
    factorial = _log_factorials(int(2 * people.max(initial=0)))
    return np.array(
        [
            _exact_p(*each, factorial)
            for each in zip(het.tolist(), rare.tolist(), people.tolist(), strict=True)
        ]
    ).reshape(first.shape)


def below(
    homozygous: npt.ArrayLike, heterozygous: npt.ArrayLike, other: npt.ArrayLike, limit: float
) -> npt.NDArray[np.bool_]:
    """Whether p-values of the exact test are below a limit.

    The probability of the observed counts is part of the p-value: where it is no less than the limit already,
    the p-value is not computed, and that is nearly everywhere.

    Parameters
    ----------
    homozygous, heterozygous, other : array_like of int, shape (n,)
        See :func:`exact_p`.
    limit : float
        From 0 to 1.

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
    """
    counts = [np.atleast_1d(np.asarray(each, dtype=np.int64)) for each in (homozygous, heterozygous, other)]
    low = np.zeros(counts[0].shape, dtype=bool)
    if limit > 0:
        open_rows = np.flatnonzero(log_probability(*counts) < math.log(limit))
        low[open_rows] = exact_p(*(each[open_rows] for each in counts)) < limit
    return low


def _exact_p(het: int, rare: int, people: int, factorial: Values) -> float:
    if not rare:
        return 1.0
    possible = np.arange(rare % 2, rare + 1, 2)
    first, second = (rare - possible) // 2, people - (rare + possible) // 2
    logs = possible * math.log(2) - factorial[first] - factorial[possible] - factorial[second]
    logs -= logs.max()
    observed = logs[(het - rare % 2) // 2]
    all_of_them = np.exp(logs[logs > -_NEGLIGIBLE]).sum()
    extreme = logs[(logs <= observed + _ROUNDING) & (logs > observed - _NEGLIGIBLE)]
    # Relative to the observed count, so that nothing underflows before the end.
    return float(min(1.0, np.exp(observed + math.log(np.exp(extreme - observed).sum() / all_of_them))))


def _log_factorials(most: int) -> Values:
    """Logarithms of 0! to ``most``!, and perhaps beyond."""
    return _table_of_log_factorials(1 << max(most, 1).bit_length())


@functools.lru_cache(maxsize=2)
def _table_of_log_factorials(size: int) -> Values:
    return np.asarray(needed("scipy.special", "genotypes").gammaln(np.arange(size + 1) + 1.0))
