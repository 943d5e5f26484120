"""Credible sets of the discovery sample's own GWAS, in CAUSALdb2's columns."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.cohort.sizes import TRAITS, Trait
from benchmarks.known_truth.files import CREDIBLE_SET_COLUMNS, NO_PIP, TOOL_BITS
from benchmarks.known_truth.gwas import GENOME_WIDE
from benchmarks.known_truth.metrics import credible_set
from benchmarks.known_truth.studies import META_COLUMNS, QUANTITATIVE_PRIOR_VARIANCE
from benchmarks.known_truth.susie import SusieFit, susie
from mifm_kipoi.association import Associations
from mifm_kipoi.finemapping.prior import uniform_pips
from mifm_kipoi.statistics.bayes_factors import PRIOR_VARIANCE, log_bayes_factor

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Hit:
    """A locus with an association of a trait that is significant genome-wide.

    Parameters
    ----------
    trait : Trait
        Which one.
    locus : int
        From 0.
    variants : pandas.DataFrame
        ``chrom, pos, id, ref, alt`` of the locus.
    frequency : numpy.ndarray of float64, shape (sites,)
        Of ALT in the discovery sample.
    associations : Associations
        Of all its variants.
    ld : numpy.ndarray of float64, shape (sites, sites)
        Correlations in the discovery sample.
    sample_size : int
        Of it.
    trait_variance : float
        Of the phenotype, for the prior of a quantitative trait.
    effects : int
        L of SuSiE.
    """

    trait: Trait
    locus: int
    variants: pd.DataFrame
    frequency: Values
    associations: Associations
    ld: Values
    sample_size: int
    trait_variance: float
    effects: int


def is_hit(associations: Associations) -> bool:
    """Whether any variant is significant genome-wide."""
    return bool(np.nanmin(associations.log_p) < np.log(GENOME_WIDE))


def credible_set_rows(hits: Sequence[Hit], jobs: int) -> pd.DataFrame:
    """Rows of all hits, those in the 95 % set of one effect by Bayes factors, or in one of SuSiE's.

    The block is the locus, from 1; all are primary signals. ``abf`` is the posterior of one effect over all
    variants of the locus (Wakefield 2009); ``susie`` has the LD of the GWAS's own sample; -1 where the fit
    failed, and for other tools.

    Parameters
    ----------
    hits : sequence of Hit
        In the order of the rows.
    jobs : int
        Processes of SuSiE; with one, all is done in this one.
    """
    if jobs == 1 or len(hits) < 2:
        fits = [_fit(hit) for hit in hits]
    else:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
            fits = list(pool.map(_fit, hits, chunksize=4))
    parts = [_rows(hit, fit) for hit, fit in zip(hits, fits, strict=True)]
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(CREDIBLE_SET_COLUMNS))


def meta_table(sample_size: int, cases: dict[str, int]) -> pd.DataFrame:
    """The traits in the columns of CAUSALdb's ``meta.txt``, each a study of the discovery sample.

    Parameters
    ----------
    sample_size : int
        Of the discovery sample.
    cases : dict of str to int
        Of each binary trait.
    """
    rows = [
        {
            "meta_id": trait.name,
            "trait": trait.name,
            "sample_size": sample_size,
            "n_case": cases.get(trait.name),
            "n_control": sample_size - cases[trait.name] if trait.name in cases else None,
            "popu": "EUR",
        }
        for trait in TRAITS
    ]
    table = pd.DataFrame(rows, columns=list(META_COLUMNS))
    return table.astype({"n_case": "Int64", "n_control": "Int64"})


def _fit(hit: Hit) -> SusieFit | None:
    return susie(np.nan_to_num(hit.associations.statistic), hit.ld, hit.sample_size, hit.effects)


def _rows(hit: Hit, fit: SusieFit | None) -> pd.DataFrame:
    own, variants = hit.associations, hit.variants
    prior = (
        QUANTITATIVE_PRIOR_VARIANCE * hit.trait_variance if hit.trait.prevalence is None else PRIOR_VARIANCE
    )
    log_bf = np.nan_to_num(log_bayes_factor(own.statistic, own.standard_error**2, prior), nan=-np.inf)
    abf = uniform_pips(log_bf, np.zeros(len(log_bf), dtype=np.int64))
    tool = np.zeros(len(variants), dtype=np.int64)
    tool[credible_set(abf)] += TOOL_BITS["abf"]
    if fit is not None:
        tool += fit.in_set * TOOL_BITS["susie"]
    rows = np.flatnonzero(tool)
    missing = np.full(rows.size, np.nan)
    columns = {
        "chr": variants["chrom"].to_numpy()[rows],
        "bp": variants["pos"].to_numpy()[rows],
        "rsid": variants["id"].to_numpy()[rows],
        "maf": np.minimum(hit.frequency, 1 - hit.frequency)[rows],
        "ea": variants["alt"].to_numpy()[rows],
        "nea": variants["ref"].to_numpy()[rows],
        "beta": own.beta[rows],
        "se": own.standard_error[rows],
        "p": np.exp(own.log_p[rows]),
        "zscore": own.statistic[rows],
        "cojo_beta": missing,
        "cojo_se": missing,
        "cojo_p": missing,
        **dict.fromkeys(TOOL_BITS, NO_PIP),
        "abf": abf[rows],
        "meta_id": hit.trait.name,
        "block_id": hit.locus + 1,
        "tool": tool[rows],
        "lead_snp": variants["id"].iloc[int(np.nanargmin(own.log_p))],
        "primary": 1,
    }
    if fit is not None:
        columns["susie"] = fit.pip[rows]
    return pd.DataFrame(columns, columns=list(CREDIBLE_SET_COLUMNS))
