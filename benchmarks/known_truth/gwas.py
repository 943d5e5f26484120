"""Summary statistics of a GWAS of any size from a sample's LD, and the signals in them."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.known_truth.sizes import Simulation
from mifm_kipoi.finemapping.prior import uniform_pips
from mifm_kipoi.statistics.bayes_factors import PRIOR_VARIANCE, log_bayes_factor

GENOME_WIDE = 5e-8
"""A signal's lead variant has a p-value below this."""

COLLINEAR = 0.9
"""A variant with a higher r2 to a lead variant leads no signal of its own, as in GCTA-COJO."""

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Signal:
    """One association signal of a locus.

    Parameters
    ----------
    lead : int
        The lead variant: that of the lowest p-value given the leads before it.
    members : numpy.ndarray of int64
        The variants that are reported for it, in the order of the locus.
    z, standard_error : numpy.ndarray of float64, shape (sites,)
        Of the signal: marginal for the first one, given the leads of all others for the rest. The standard
        error is that of the effect of an allele on a trait of variance 1.
    pip : numpy.ndarray of float64, shape (sites,)
        Posterior probabilities under one effect at this signal, by Wakefield's Bayes factors.
    """

    lead: int
    members: npt.NDArray[np.int64]
    z: Values
    standard_error: Values
    pip: Values

    @property
    def p_value(self) -> Values:
        """Two-sided, of z: (sites,)."""
        return p_value(self.z)


def p_value(z: Values) -> Values:
    """Two-sided p-values of z-scores."""
    values: Values = 2 * stats.norm.sf(np.abs(z))
    return values


def standard_error(z: Values, frequency: Values, sample_size: int) -> Values:
    """Of the marginal effect of an allele on a trait of variance 1: ``1 / sqrt(2 f (1 - f) (n + z^2))``."""
    values: Values = 1 / np.sqrt(2 * frequency * (1 - frequency) * (sample_size + z**2))
    return values


def standardised(dosages: npt.NDArray[np.uint8]) -> Values:
    """Dosages with mean 0 and variance 1 over the sample, all 0 where they do not vary: (sites, diploids)."""
    values = dosages - dosages.mean(axis=1, keepdims=True)
    deviation = values.std(axis=1, keepdims=True)
    values: Values = values / np.where(deviation > 0, deviation, 1)
    return values


def correlations(genotypes: Values) -> Values:
    """LD as correlation, of :func:`standardised` genotypes: (sites, diploids) -> (sites, sites)."""
    values: Values = genotypes @ genotypes.T / genotypes.shape[1]
    return values


def draw_z(genotypes: Values, effects: Values, sample_size: float, generator: np.random.Generator) -> Values:
    """Draw z-scores: normal with mean ``sqrt(n) R b`` and covariance R (Zhu & Stephens 2017, eq. 2.5).

    Noise of independent individuals, weighted by their genotypes, has covariance R whatever its rank.

    Parameters
    ----------
    genotypes : numpy.ndarray of float64, shape (sites, diploids)
        See :func:`standardised`; R is their correlation.
    effects : numpy.ndarray of float64, shape (sites,)
        b: of one standard deviation of a genotype on a trait of variance 1.
    sample_size : float
        n, or n p (1 - p) with a fraction p of cases and effects that are log odds ratios; it has nothing to
        do with the diploids.
    generator : numpy.random.Generator
        Draws the noise.

    Returns
    -------
    numpy.ndarray of float64, shape (sites,)
    """
    diploids = genotypes.shape[1]
    noise = generator.standard_normal(diploids) / np.sqrt(diploids)
    mean = np.sqrt(sample_size) * (genotypes.T @ effects) / diploids
    values: Values = genotypes @ (mean + noise)
    return values


def find_signals(z: Values, frequency: Values, ld: Values, simulation: Simulation) -> list[Signal]:
    """Find signals one after the other, each given the leads of those before, and report their members.

    Parameters
    ----------
    z : numpy.ndarray of float64, shape (sites,)
        Marginal z-scores.
    frequency : numpy.ndarray of float64, shape (sites,)
        Frequency of one of the two alleles of each site.
    ld : numpy.ndarray of float64, shape (sites, sites)
        Correlations, of the GWAS's sample or of a reference panel; 0 for variants that do not vary there.
    simulation : Simulation
        Its ``sample_size``, ``causal_counts`` (no more signals than these), ``member_p_value`` and
        ``member_r2``.

    Returns
    -------
    list of Signal
        In the order of their discovery; empty where nothing reaches 5e-8.
    """
    leads = find_leads(z, ld, len(simulation.causal_counts))
    marginal = standard_error(z, frequency, simulation.sample_size)
    signals = []
    for number, lead in enumerate(leads):
        others = leads[:number] + leads[number + 1 :] if number else []
        given, left = conditional(z, ld, others)
        error = marginal / np.sqrt(left)
        signal = Signal(lead, np.empty(0, dtype=np.int64), given, error, pips(given, error))
        near = (signal.p_value <= simulation.member_p_value) & (ld[:, lead] ** 2 >= simulation.member_r2)
        signals.append(dataclasses.replace(signal, members=np.flatnonzero(near)))
    return signals


def find_leads(z: Values, ld: Values, count: int, collinear: float = COLLINEAR) -> list[int]:
    """The lead variants of signals, each the one of the lowest p-value given those before it.

    Parameters
    ----------
    z : numpy.ndarray of float64, shape (sites,)
        Marginal z-scores.
    ld : numpy.ndarray of float64, shape (sites, sites)
        Correlations; 0 for variants that do not vary in the sample that they are from.
    count : int
        No more than these.
    collinear : float
        A variant with a higher r2 to a lead leads no signal of its own.

    Returns
    -------
    list of int
        Empty where nothing reaches 5e-8.
    """
    threshold = stats.norm.isf(GENOME_WIDE / 2)
    leads: list[int] = []
    # What does not vary in a reference panel has no LD there, and leads nothing.
    varying = np.diag(ld) > 0
    for _ in range(count):
        given = np.where(varying, conditional(z, ld, leads)[0], 0)
        given = np.where((ld[:, leads] ** 2 > collinear).any(axis=1), 0, given)
        lead = int(np.abs(given).argmax())
        if abs(given[lead]) < threshold:
            break
        leads.append(lead)
    return leads


def conditional(z: Values, ld: Values, leads: list[int], least: float = 1e-3) -> tuple[Values, Values]:
    """z-scores given some variants, from summary statistics (Yang et al. 2012, Nat Genet 44:369).

    Parameters
    ----------
    z : numpy.ndarray of float64, shape (sites,)
        Marginal z-scores.
    ld : numpy.ndarray of float64, shape (sites, sites)
        Correlations of the variants.
    leads : list of int
        Sites of the variants that are given.
    least : float
        Variants of whose variance the leads leave less have no z-score: errors of the LD are too large there.

    Returns
    -------
    z : numpy.ndarray of float64, shape (sites,)
        0 where the leads explain all of a variant.
    left : numpy.ndarray of float64, shape (sites,)
        Share of each variant's variance that the leads do not explain, at least ``least``.
    """
    if not leads:
        return z, np.ones_like(z)
    weights = np.linalg.solve(ld[np.ix_(leads, leads)], ld[leads]).T
    left = 1 - (weights * ld[:, leads]).sum(axis=1)
    known = left > least
    left = np.where(known, left, least)
    return np.where(known, (z - weights @ z[leads]) / np.sqrt(left), 0.0), left


def pips(z: Values, standard_error: Values, prior_variance: float = PRIOR_VARIANCE) -> Values:
    """Posterior inclusion probabilities under one effect among all variants, each as likely beforehand.

    Parameters
    ----------
    z, standard_error : numpy.ndarray of float64, shape (sites,)
        NaN for variants that a study does not have.
    prior_variance : float
        Of effects, in squared units of the standard errors.

    Returns
    -------
    numpy.ndarray of float64, shape (sites,)
        0 where z is NaN.
    """
    log_bf = log_bayes_factor(z, standard_error**2, prior_variance)
    return uniform_pips(np.where(np.isfinite(z), log_bf, -np.inf), np.zeros(len(z), dtype=np.int64))
