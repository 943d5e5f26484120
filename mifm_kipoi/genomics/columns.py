"""Names under which tables of a GWAS, and others with a row for each variant, have their columns."""

from __future__ import annotations

from collections.abc import Sequence

ALIASES = {
    "chrom": ("chromosome", "chrom", "chr", "#chrom", "#chr"),
    "pos": ("base_pair_location", "pos", "bp", "position"),
    "effect_allele": ("effect_allele", "ea", "a1", "allele1"),
    "other_allele": ("other_allele", "nea", "non_effect_allele", "a2", "a0", "allele0"),
    "beta": ("beta", "b"),
    "odds_ratio": ("odds_ratio", "or"),
    "hazard_ratio": ("hazard_ratio", "hr"),
    "standard_error": ("standard_error", "se"),
    "z": ("z", "zscore", "z_score"),
    "p_value": ("p_value", "p", "p.value", "p-value", "pvalue", "pval"),
    "neg_log_10_p_value": ("neg_log_10_p_value", "mlog10p", "mlogp"),
    "id": ("rsid", "variant_id", "snp", "id", "markername"),
}
"""Lower-case names of columns. ``standard_error`` is that of beta or of the logarithm of the ratio.
``allele1`` goes with ``allele0`` (BOLT-LMM, REGENIE): with ``allele2`` programs differ in which is the effect
allele. ``genpos`` is a genetic position to BOLT-LMM and base pairs to REGENIE, so it is not here."""

EFFECTS = ("beta", "odds_ratio", "hazard_ratio")
"""Fields that hold an effect; the first that a table has is used."""


def columns_named(header: Sequence[str], aliases: Sequence[str]) -> list[str]:
    """Columns whose lower-case names are among the aliases.

    Parameters
    ----------
    header : sequence of str
        The columns of a table.
    aliases : sequence of str
        Lower-case names.

    Returns
    -------
    list of str
        In the order of the aliases.
    """
    names = [name for name in header if name.lower() in aliases]
    return sorted(names, key=lambda name: aliases.index(name.lower()))
