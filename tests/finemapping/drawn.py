"""A few loci of fine-mapping that are drawn, in the tables of ``mifm finemap``: one causal variant each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mifm_kipoi.finemapping.credible_sets import in_credible_set
from mifm_kipoi.finemapping.records import (
    FINE_MAPPED,
    FLAT,
    LOCI,
    LOCUS_TYPES,
    PRIOR,
    PRIOR_TYPES,
    REFUSED,
    SCORE,
    SET_TYPES,
    SETS,
    VARIANT_TYPES,
    VARIANTS,
    LocusResult,
    Method,
    empty,
    typed,
)
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor
from mifm_kipoi.statistics.normal import log_p_of_z

PEOPLE = 5000


def write_folder(folder: Path, loci: Sequence[LocusResult]) -> Path:
    """A folder as ``mifm finemap`` writes it, without a manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    fine_mapped = [locus for locus in loci if locus.is_fine_mapped]
    chroms = sorted({str(locus.record["chrom"]) for locus in loci})
    prior = pd.DataFrame(
        {
            "study": "all", "chrom": chroms, "feature": "score",
            "coefficient": 1.5, "signals": len(fine_mapped), "gain": 0.25, "held_out_gain": 0.2,
            "reason": "fitted",
        }
    )  # fmt: skip
    tables = {
        VARIANTS: pd.concat([locus.variants for locus in fine_mapped]),
        SETS: pd.concat([locus.sets for locus in fine_mapped]),
        LOCI: typed(pd.DataFrame([locus.record for locus in loci]), LOCUS_TYPES),
        PRIOR: typed(prior, PRIOR_TYPES),
    }
    for name, table in tables.items():
        table.to_csv(folder / name, sep="\t", index=False, lineterminator="\n")
    return folder


def keys_of(variants: pd.DataFrame) -> pd.Series:
    """``chrom:pos:ref:alt`` of each row."""
    parts = [variants[name].astype(str) for name in ("chrom", "pos", "ref", "alt")]
    return parts[0] + ":" + parts[1] + ":" + parts[2] + ":" + parts[3]


def drawn_locus(
    study: str, chrom: str, start: int, size: int = 60, seed: int = 1, slope: float = 1.5, name: str = ""
) -> LocusResult:
    """A locus whose causal variant is likelier to be of a high score, with its posterior under one effect.

    Parameters
    ----------
    study, chrom, name
        Of the locus; its name is by default its first position.
    start : int
        Position of the first variant.
    size : int
        Variants.
    seed : int
        Of the draw.
    slope : float
        Of the prior.
    """
    random = np.random.default_rng(seed)
    pos = start + np.cumsum(random.integers(20, 900, size))
    # A variant's correlation with another falls with the number between.
    lag = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    ld = 0.93**lag
    score = random.normal(size=size)
    weights = np.exp(slope * score - np.logaddexp.reduce(slope * score))
    causal = int(random.choice(size, p=weights))
    z = np.linalg.cholesky(ld + 1e-9 * np.eye(size)) @ random.normal(size=size) + 7.0 * ld[causal]
    frequency = random.uniform(0.05, 0.5, size)
    standard_error = 1 / np.sqrt(2 * PEOPLE * frequency * (1 - frequency))
    log_bf = log_bayes_factor(z, standard_error**2, 0.15**2)
    log_p = log_p_of_z(z)
    lead = int(np.argmin(log_p))
    bases = np.array(list("ACGT"))
    ref = random.integers(0, 4, size)
    variants = pd.DataFrame(
        {
            "study": study, "locus": name or f"{chrom}:{start}", "chrom": chrom, "pos": pos,
            "id": [f"rs{seed}{number:04d}" for number in range(size)],
            "ref": bases[ref], "alt": bases[(ref + random.integers(1, 4, size)) % 4],
            "beta": z * standard_error, "standard_error": standard_error, "z": z,
            "p_value": np.exp(log_p), "neg_log10_p": -log_p / np.log(10), "frequency": frequency,
            "sample_size": float(PEOPLE), "r2": ld[lead] ** 2, "outlier": "", "score": score,
            "prior": weights,
        }
    )  # fmt: skip
    sets = []
    bag = np.zeros(size, dtype=np.int64)
    for prior, log_prior, pip, number in (
        (FLAT, np.zeros(size), "pip_flat", "set_flat"), (SCORE, np.log(weights), "pip", "set"),
    ):  # fmt: skip
        joint = log_bf + log_prior
        variants[pip] = np.exp(joint - np.logaddexp.reduce(joint))
        chosen = in_credible_set(variants[pip].to_numpy(), bag)
        variants[number] = chosen.astype(np.int64)
        members = np.flatnonzero(chosen)[np.argsort(-variants[pip].to_numpy()[chosen], kind="stable")]
        within = np.abs(ld[np.ix_(members, members)])
        keys = keys_of(variants).to_numpy()
        sets.append(
            {
                "study": study, "locus": variants["locus"].iloc[0], "prior": prior, "set": 1, "chrom": chrom,
                "start": pos[members].min(), "end": pos[members].max(), "size": len(members),
                "coverage": variants[pip].to_numpy()[members].sum(), "min_abs_corr": within.min(),
                "mean_abs_corr": within.mean(), "median_abs_corr": np.median(within),
                "log10_bf": (np.logaddexp.reduce(joint) - np.logaddexp.reduce(log_prior)) / np.log(10),
                "lead": keys[members[0]], "lead_pip": variants[pip].iloc[members[0]],
                "members": ",".join(keys[members]),
            }
        )  # fmt: skip
    keys = keys_of(variants)
    top = int(variants["pip"].to_numpy().argmax())
    record = {
        "study": study, "locus": variants["locus"].iloc[0], "chrom": chrom, "start": int(pos[0]),
        "end": int(pos[-1]), "status": FINE_MAPPED, "reason": "", "method": str(Method.SUMMARY),
        "variants_in_study": size + 2, "variants": size, "scored": size, "n": float(PEOPLE),
        "lead": keys[lead],
        "lead_neg_log10_p": float(variants["neg_log10_p"].iloc[lead]), "lambda": 0.001, "flipped": 0,
        "outliers": 0, "suspicious": "", "seen": "", "converged": "yes", "sets_flat": 1, "sets": 1,
        "causal_flat": 1.0, "causal": 1.0, "top": keys[top], "top_pip": float(variants["pip"].iloc[top]),
        "prior_gain": 0.3,
    }  # fmt: skip
    return LocusResult(record, typed(variants, VARIANT_TYPES), typed(pd.DataFrame(sets), SET_TYPES))


def refused_locus(study: str, chrom: str, start: int) -> LocusResult:
    """A locus that is not fine-mapped, because its z do not fit its LD."""
    record = dict.fromkeys(LOCUS_TYPES, 0) | {
        "study": study, "locus": f"{chrom}:{start}", "chrom": chrom, "start": start, "end": start + 1000,
        "status": REFUSED, "reason": "z do not fit R", "method": str(Method.SUMMARY), "lead": "",
        "lead_neg_log10_p": 9.0, "lambda": 0.7, "suspicious": "", "seen": "", "converged": "", "top": "",
        "top_pip": float("nan"), "prior_gain": float("nan"),
    }  # fmt: skip
    return LocusResult(record, empty(VARIANT_TYPES), empty(SET_TYPES))
