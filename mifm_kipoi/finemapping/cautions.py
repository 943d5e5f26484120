"""What a reader must know before trusting what was fine-mapped."""

from __future__ import annotations

import pandas as pd

from mifm_kipoi.finemapping.leakage import Leakage
from mifm_kipoi.finemapping.records import FINE_MAPPED, Method, Tables
from mifm_kipoi.finemapping.tables import LEAD_LEFT_OUT

_MUCH = 0.02
"""Fraction of the variants of loci that may be left out without a caution."""


def cautions_of(tables: Tables, method: Method, leakage: Leakage | None) -> list[str]:
    """Cautions of a run, the gravest first.

    Parameters
    ----------
    tables : Tables
        Loci, credible sets and prior; the prior has no rows where nothing could make one.
    method : Method
        How loci were fitted.
    leakage : Leakage, optional
        What the scores have seen; none without scores.

    Returns
    -------
    list of str
        Sentences without full stop.
    """
    cautions: list[str] = []
    loci = tables.loci
    mapped = loci[loci["status"] == FINE_MAPPED]
    if leakage is not None:
        known = zip(mapped["study"], mapped["chrom"], mapped["seen"], strict=True)
        cautions += leakage.cautions(known)
    refused = len(loci) - len(mapped)
    if refused:
        cautions.append(f"{refused:,} of {len(loci):,} loci are not fine-mapped; loci.tsv says why")
    cautions += _left_out(mapped)
    doubtful = int((mapped["suspicious"] != "").sum())
    if doubtful:
        cautions.append(
            f"in {doubtful:,} of {len(mapped):,} loci LD speaks against the z of some variants "
            "(loci.tsv: suspicious)"
        )
    if method is Method.ONE_EFFECT:
        cautions.append(
            "each locus is taken to have one causal variant; where it has several, PIPs and sets are of "
            "the strongest signal, and can be wrong"
        )
    if (mapped["converged"] == "no").any():
        cautions.append(f"{int((mapped['converged'] == 'no').sum()):,} fits did not converge")
    if method is Method.SUMMARY and mapped["n"].isna().any():
        cautions.append("sample sizes are not known, so that z is not adjusted for what variants explain")
    if len(tables.prior) and (tables.prior["reason"] != "fitted").all():
        cautions.append("no prior was found to help, so that all are flat (prior.tsv says why)")
    return cautions


def _left_out(mapped: pd.DataFrame) -> list[str]:
    """What to know where variants of the studies are left out."""
    lost = int(mapped["variants_in_study"].sum() - mapped["variants"].sum())
    every = int(mapped["variants_in_study"].sum())
    cautions = []
    leads = int(mapped["suspicious"].str.contains(LEAD_LEFT_OUT, regex=False).sum())
    if leads:
        cautions.append(
            f"in {leads:,} of {len(mapped):,} loci a variant of the lowest p-values is left out, as it "
            "has no LD or z: a causal variant that is not there makes others look causal (loci.tsv: "
            "suspicious)"
        )
    if lost > _MUCH * every:
        cautions.append(
            f"{lost:,} of {every:,} variants of the loci are left out, as they have no LD or z "
            "(finemap.json: notes)"
        )
    return cautions
