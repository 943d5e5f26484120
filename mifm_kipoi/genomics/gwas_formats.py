"""The tables of GWAS programs and databases: presets of the names of their columns.

Each is from the documentation of its program. How a table is recognised by them, and what holds where none
fits, is in :mod:`mifm_kipoi.genomics.columns`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from mifm_kipoi.genomics.identifiers import IDENTIFIER


@dataclasses.dataclass(frozen=True)
class Format:
    """The table of a program or a database.

    Parameters
    ----------
    title : str
        Its name in words.
    columns : mapping of str to str
        From fields to names of columns; several, in order of preference, with ``|`` between. ``{population}``
        and ``{phenotype}`` in a name stand for what the table has there.
    marks : str
        Names by which it is recognised, separated by blanks: it has each of them, or one of several with
        ``|`` between.
    without : str
        Names that such a table does not have.
    only : bool
        Whether it has no other columns than those of its fields.
    variant : str
        Pattern of the text in the column ``variant``; see :mod:`mifm_kipoi.genomics.identifiers`.
    numbers : mapping of str to str
        What its chromosomes 25 and 26 are; empty where this is not known.
    note : str
        What else a user should know of it.
    """

    title: str
    columns: Mapping[str, str]
    marks: str
    without: str = ""
    only: bool = False
    variant: str = ""
    numbers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    note: str = ""


PLINK_NUMBERS: Mapping[str, str] = {"25": "X", "26": "MT"}
"""PLINK's 25 is XY, the pseudo-autosomal regions, at their positions on X."""

GWAS_FORMATS: Mapping[str, Format] = {
    "gwas-ssf": Format(
        "GWAS-SSF, the GWAS Catalog's format",
        {
            "chrom": "chromosome", "pos": "base_pair_location", "effect_allele": "effect_allele",
            "other_allele": "other_allele", "beta": "beta", "odds_ratio": "odds_ratio",
            "hazard_ratio": "hazard_ratio", "standard_error": "standard_error", "z": "z_score",
            "p_value": "p_value", "neg_log_10_p_value": "neg_log_10_p_value",
            "effect_allele_frequency": "effect_allele_frequency", "id": "rsid|rs_id|variant_id",
            "sample_size": "n",
        },
        "chromosome base_pair_location effect_allele other_allele p_value|neg_log_10_p_value",
        numbers={"25": "MT"},
    ),
    "plink1": Format(
        "PLINK 1.9's --assoc, --linear or --logistic",
        {
            "chrom": "CHR", "pos": "BP", "id": "SNP", "effect_allele": "A1", "other_allele": "A2",
            "beta": "BETA", "odds_ratio": "OR", "standard_error": "SE", "z": "STAT", "p_value": "P",
            "sample_size": "NMISS", "test": "TEST",
        },
        "CHR SNP BP A1 STAT|F_A|C_A P",
        numbers=PLINK_NUMBERS,
        note="A1 has the effect",
    ),
    "plink2": Format(
        "PLINK 2's --glm",
        {
            "chrom": "#CHROM", "pos": "POS", "id": "ID", "effect_allele": "A1", "other_allele": "OMITTED",
            "ref": "REF", "alt": "ALT", "beta": "BETA", "odds_ratio": "OR", "hazard_ratio": "HR",
            "standard_error": "LOG(OR)_SE|LOG(HR)_SE|SE", "z": "Z_STAT|T_STAT|Z_OR_T_STAT|T_OR_F_STAT",
            "p_value": "P", "neg_log_10_p_value": "NEG_LOG10_P|LOG10_P",
            "effect_allele_frequency": "A1_FREQ", "sample_size": "OBS_CT", "test": "TEST", "info": "MACH_R2",
        },
        "CHROM POS ID A1 OBS_CT",
        numbers=PLINK_NUMBERS,
        note="A1 has the effect, which is REF or ALT",
    ),
    "regenie": Format(
        "REGENIE",
        {
            "chrom": "CHROM", "pos": "GENPOS", "id": "ID", "effect_allele": "ALLELE1",
            "other_allele": "ALLELE0",
            "effect_allele_frequency": "A1FREQ", "info": "INFO", "sample_size": "N", "test": "TEST",
            "beta": "BETA|BETA.{phenotype}", "standard_error": "SE|SE.{phenotype}",
            "neg_log_10_p_value": "LOG10P|LOG10P.{phenotype}",
        },
        "CHROM GENPOS ID ALLELE0 ALLELE1 LOG10P|LOG10P.{phenotype}",
        numbers=PLINK_NUMBERS,
        note="ALLELE1 has the effect; GENPOS is in base pairs",
    ),
    "saige": Format(
        "SAIGE",
        {
            "chrom": "CHR", "pos": "POS", "id": "rsid|MarkerID|SNPID", "effect_allele": "Allele2",
            "other_allele": "Allele1", "effect_allele_frequency": "AF_Allele2", "info": "imputationInfo",
            "sample_size": "N", "beta": "BETA", "standard_error": "SE", "p_value": "p.value",
        },
        "CHR POS Allele1 Allele2 AF_Allele2|AC_Allele2|p.value.NA|Is.SPA p.value",
        note="Allele2 has the effect",
    ),
    "bolt": Format(
        "BOLT-LMM",
        {
            "chrom": "CHR", "pos": "BP", "id": "SNP", "effect_allele": "ALLELE1", "other_allele": "ALLELE0",
            "effect_allele_frequency": "A1FREQ", "info": "INFO", "beta": "BETA", "standard_error": "SE",
            "p_value": "P_BOLT_LMM|P_BOLT_LMM_INF",
        },
        "SNP CHR BP GENPOS ALLELE1 ALLELE0",
        numbers=PLINK_NUMBERS,
        note="ALLELE1 has the effect",
    ),
    "gemma": Format(
        "GEMMA",
        {
            "chrom": "chr", "pos": "ps", "id": "rs", "effect_allele": "allele1", "other_allele": "allele0",
            "effect_allele_frequency": "af", "sample_size": "n_obs", "beta": "beta", "standard_error": "se",
            "p_value": "p_wald|p_lrt|p_score",
        },
        "chr rs ps allele1 allele0 p_wald|p_lrt|p_score",
        numbers=PLINK_NUMBERS,
        note="allele1 has the effect",
    ),
    "fastgwa": Format(
        "GCTA's fastGWA",
        {
            "chrom": "CHR", "pos": "POS", "id": "SNP", "effect_allele": "A1", "other_allele": "A2",
            "effect_allele_frequency": "AF1", "sample_size": "N", "beta": "BETA", "standard_error": "SE",
            "p_value": "P", "info": "INFO",
        },
        "CHR SNP POS A1 A2 N AF1 BETA SE P",
        numbers=PLINK_NUMBERS,
        note="A1 has the effect",
    ),
    "finngen": Format(
        "FinnGen, or another of PheWeb",
        {
            "chrom": "chrom", "pos": "pos", "id": "rsids", "effect_allele": "alt", "other_allele": "ref",
            "effect_allele_frequency": "af_alt|af", "maf": "maf", "beta": "beta", "standard_error": "sebeta",
            "p_value": "pval", "neg_log_10_p_value": "mlogp",
        },
        "chrom pos ref alt beta sebeta pval|mlogp",
        note="ALT has the effect",
    ),
    "pan-ukb": Format(
        "Pan-UK Biobank",
        {
            "chrom": "chr", "pos": "pos", "effect_allele": "alt", "other_allele": "ref",
            "effect_allele_frequency": "af_{population}", "beta": "beta_{population}",
            "standard_error": "se_{population}", "neg_log_10_p_value": "neglog10_pval_{population}",
            "ln_p_value": "pval_{population}",
        },
        "chr pos ref alt beta_{population} se_{population} pval_{population}|neglog10_pval_{population}",
        note="ALT has the effect",
    ),
    "neale": Format(
        "the Neale lab's UK Biobank",
        {
            "variant": "variant", "id": "rsid", "maf": "minor_AF",
            "sample_size": "n_complete_samples|nCompleteSamples",
            "beta": "beta", "standard_error": "se", "z": "tstat", "p_value": "pval",
        },
        "variant n_complete_samples|nCompleteSamples ytx beta se tstat pval",
        variant=IDENTIFIER,
        note="ALT, the last part of the column variant, has the effect",
    ),
    "metal": Format(
        "METAL",
        {
            "chrom": "Chromosome", "pos": "Position", "id": "MarkerName", "effect_allele": "Allele1",
            "other_allele": "Allele2", "effect_allele_frequency": "Freq1", "sample_size": "N|Weight",
            "beta": "Effect", "standard_error": "StdErr", "z": "Zscore", "p_value": "P-value",
            "log_10_p_value": "log(P)",
        },
        "MarkerName Allele1 Allele2 Effect|Zscore P-value|log(P) Direction",
        note="Allele1 has the effect",
    ),
    "ldsc": Format(
        "LDSC's .sumstats",
        {
            "id": "SNP", "effect_allele": "A1", "other_allele": "A2", "sample_size": "N", "z": "Z",
            "effect_allele_frequency": "FRQ",
        },
        "SNP A1 A2 N Z",
        without="chromosome chr chrom bp pos position base_pair_location beta or p",
        note="A1 has the effect",
    ),
    "prscs": Format(
        "PRS-CS's input",
        {
            "id": "SNP", "effect_allele": "A1", "other_allele": "A2", "beta": "BETA", "odds_ratio": "OR",
            "standard_error": "SE", "p_value": "P",
        },
        "SNP A1 A2 BETA|OR P|SE",
        only=True,
        note="A1 has the effect",
    ),
    "gwas-vcf": Format(
        "GWAS-VCF",
        {
            "chrom": "#CHROM", "pos": "POS", "id": "ID", "effect_allele": "ALT", "other_allele": "REF",
            "beta": "ES", "standard_error": "SE", "neg_log_10_p_value": "LP|LP.{phenotype}", "z": "EZ",
            "effect_allele_frequency": "AF", "sample_size": "SS", "info": "SI",
        },
        "CHROM POS ID REF ALT ES|EZ LP",
        note="ALT has the effect",
    ),
    "causaldb": Format(
        "CAUSALdb2",
        {
            "chrom": "chr", "pos": "bp", "id": "rsid", "effect_allele": "ea", "other_allele": "nea",
            "maf": "maf", "beta": "beta", "standard_error": "se", "z": "zscore", "p_value": "p",
            "phenotype": "meta_id", "block": "block_id", "primary": "primary", "signal": "lead_snp",
            "pip": "susie", "secondary_p_value": "cojo_p", "secondary_beta": "cojo_beta",
            "secondary_standard_error": "cojo_se",
        },
        "chr bp ea nea meta_id block_id",
        note="ea has the effect",
    ),
}  # fmt: skip
"""Presets, by the name under which a user asks for them."""
