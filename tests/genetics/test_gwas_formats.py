"""The tables of programs and databases, each in its real layout, against one truth: the effect of ALT."""

import gzip
import io
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS

TRUTH = [
    # chrom, pos, id, ref, alt, effect of alt, its standard error, frequency of alt
    ("1", 1000, "rs1", "A", "G", 0.25, 0.05, 0.25),
    ("1", 2000, "rs2", "C", "T", -0.5, 0.0625, 0.75),
    ("2", 3000, "rs3", "G", "GTA", 0.125, 0.25, 0.5),
    ("22", 4000, "rs4", "TCA", "T", -0.375, 0.03125, 0.125),
    ("X", 5000, "rs5", "A", "T", 0.75, 0.25, 0.375),
    ("X", 6000, "rs6", "G", "C", -0.0625, 0.125, 0.0625),
]
"""One variant a row: SNVs, also such that look alike on both strands, an insertion and a deletion."""

N = 20000


class Row:
    """A variant with its numbers, those of REF where it is ``flipped``."""

    def __init__(self, truth, flipped=False):
        self.chrom, self.pos, self.id, self.ref, self.alt, beta, self.se, frequency = truth
        self.number = "23" if self.chrom == "X" else self.chrom
        self.effect, self.other = (self.ref, self.alt) if flipped else (self.alt, self.ref)
        self.beta = -beta if flipped else beta
        self.frequency = 1 - frequency if flipped else frequency
        self.z = self.beta / self.se
        self.ln_p = math.log(2) + float(norm.logsf(abs(self.z)))
        self.p, self.mlogp, self.ratio = math.exp(self.ln_p), -self.ln_p / math.log(10), math.exp(self.beta)


ALT = [Row(truth) for truth in TRUTH]
EITHER = [Row(truth, flipped=number % 2 == 1) for number, truth in enumerate(TRUTH)]
"""Of programs that give the effect of ALT always, and of those whose effect allele is now ALT, now REF."""


def _table(header, rows, line, separator="\t"):
    names = header.split()
    written = [[str(value) for value in line(row)] for row in rows]
    assert all(len(fields) == len(names) for fields in written)
    return "".join(separator.join(fields) + "\n" for fields in (names, *written))


def gwas_ssf():
    return _table(
        "chromosome base_pair_location effect_allele other_allele beta standard_error "
        "effect_allele_frequency p_value rsid n",
        EITHER,
        lambda r: (r.number, r.pos, r.effect, r.other, r.beta, r.se, r.frequency, r.p, r.id, N),
    )


def gwas_ssf_of_odds_ratios():
    return _table(
        "chromosome base_pair_location effect_allele other_allele odds_ratio standard_error "
        "effect_allele_frequency neg_log_10_p_value variant_id ci_upper",
        EITHER,
        lambda r: (r.number, r.pos, r.effect, r.other, r.ratio, r.se, "#NA", r.mlogp, "v", "#NA"),
    )


def plink1_linear():
    rows = [row for r in EITHER for row in ((r, "ADD", r.beta, r.z, r.p), (r, "AGE", 9, 90, 1e-99))]
    return _table(
        " CHR SNP BP A1 TEST NMISS BETA STAT P ",
        rows,
        lambda r: (r[0].number, r[0].id, r[0].pos, r[0].effect, r[1], N, *r[2:]),
        "   ",
    )


def plink1_logistic():
    return _table(
        "CHR SNP BP A1 TEST NMISS OR SE L95 U95 STAT P",
        EITHER,
        lambda r: (r.number, r.id, r.pos, r.effect, "ADD", N, r.ratio, r.se, 0, 9, r.z, r.p),
        "  ",
    )


def plink1_assoc():
    return _table(
        "CHR SNP BP A1 F_A F_U A2 CHISQ P OR SE L95 U95",
        EITHER,
        lambda r: (r.number, r.id, r.pos, r.effect, 0.5, 0.5, r.other, r.z**2, r.p, r.ratio, r.se, 0, 9),
        "  ",
    )


def plink2_linear():
    rows = [row for r in EITHER for row in ((r, "ADD", r.beta, r.se, r.z, r.p), (r, "AGE", 9, 1, 9, 1e-99))]
    return _table(
        "#CHROM POS ID REF ALT A1 TEST OBS_CT BETA SE T_STAT P ERRCODE",
        rows,
        lambda r: (r[0].chrom, r[0].pos, r[0].id, r[0].ref, r[0].alt, r[0].effect, r[1], N, *r[2:], "."),
    )


def plink2_logistic():
    return _table(
        "#CHROM POS ID REF ALT PROVISIONAL_REF? A1 OMITTED A1_FREQ FIRTH? TEST OBS_CT OR LOG(OR)_SE Z_STAT "
        "LOG10_P ERRCODE",
        EITHER,
        lambda r: (
            r.chrom, r.pos, r.id, r.ref, f"{r.alt},CCC", "N", r.effect, r.other, r.frequency, "N", "ADD", N,
            r.ratio, r.se, r.z, r.mlogp, ".",
        ),
    )  # fmt: skip


def regenie():
    rows = [row for r in ALT for row in ((r, "ADD", r.beta, r.se, r.mlogp), (r, "ADD-INT_SNP", 9, 1, 99))]
    return "##MASKS=<M1=x>\n" + _table(
        "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ INFO N TEST BETA SE CHISQ LOG10P EXTRA",
        rows,
        lambda r: (
            r[0].number, r[0].pos, r[0].id, r[0].other, r[0].effect, r[0].frequency, 1, N,
            *r[1:4], 4, r[4], "NA",
        ),
        " ",
    )  # fmt: skip


def regenie_of_two_traits():
    return _table(
        "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ N TEST BETA.Y1 SE.Y1 CHISQ.Y1 LOG10P.Y1 BETA.Y2 SE.Y2 "
        "CHISQ.Y2 LOG10P.Y2 EXTRA",
        ALT,
        lambda r: (
            r.number, r.pos, r.id, r.other, r.effect, r.frequency, N, "ADD", 9, 1, 81, 20, r.beta, r.se, 4,
            r.mlogp, "NA",
        ),
        " ",
    )  # fmt: skip


def saige():
    return _table(
        "CHR POS MarkerID Allele1 Allele2 AC_Allele2 AF_Allele2 MissingRate BETA SE Tstat var p.value "
        "p.value.NA Is.SPA AF_case AF_ctrl N_case N_ctrl",
        EITHER,
        lambda r: (
            r.chrom, r.pos, r.id, r.other, r.effect, 100, r.frequency, 0, r.beta, r.se, 4000.5, 33, r.p, 0.5,
            "true", 0.1, 0.1, 10, 20,
        ),
    )  # fmt: skip


def bolt():
    return _table(
        "SNP CHR BP GENPOS ALLELE1 ALLELE0 A1FREQ F_MISS CHISQ_LINREG P_LINREG BETA SE CHISQ_BOLT_LMM_INF "
        "P_BOLT_LMM_INF CHISQ_BOLT_LMM P_BOLT_LMM",
        EITHER,
        lambda r: (
            r.id, r.number, r.pos, 0.4, r.effect, r.other, r.frequency, 0, 1, 0.5, r.beta, r.se,
            1, 0.5, 1, r.p,
        ),
    )  # fmt: skip


def gemma():
    return _table(
        "chr rs ps n_miss allele1 allele0 af beta se logl_H1 l_remle p_wald",
        EITHER,
        lambda r: (r.number, r.id, r.pos, 0, r.effect, r.other, r.frequency, r.beta, r.se, -700, 1.05, r.p),
    )


def fastgwa():
    return _table(
        "CHR SNP POS A1 A2 N AF1 BETA SE P",
        EITHER,
        lambda r: (r.number, r.id, r.pos, r.effect, r.other, N, r.frequency, r.beta, r.se, r.p),
    )


def fastgwa_glmm():
    return _table(
        "CHR SNP POS A1 A2 N AF1 T SE_T P_noSPA BETA SE P CONVERGE",
        EITHER,
        lambda r: (
            r.number,
            r.id,
            r.pos,
            r.effect,
            r.other,
            N,
            r.frequency,
            400,
            30,
            0.5,
            r.beta,
            r.se,
            r.p,
            1,
        ),
    )


def finngen():
    return _table(
        "#chrom pos ref alt rsids nearest_genes pval mlogp beta sebeta af_alt af_alt_cases af_alt_controls",
        ALT,
        lambda r: (
            r.number,
            r.pos,
            r.ref,
            r.alt,
            r.id,
            "GENE",
            r.p,
            r.mlogp,
            r.beta,
            r.se,
            r.frequency,
            0.1,
            0.1,
        ),
    )


def pan_ukb():
    return _table(
        "chr pos ref alt af_meta_hq beta_meta_hq se_meta_hq neglog10_pval_meta_hq af_AFR beta_AFR se_AFR "
        "neglog10_pval_AFR low_confidence_AFR",
        ALT,
        lambda r: (r.chrom, r.pos, r.ref, r.alt, 0.5, 9, 1, 9, r.frequency, r.beta, r.se, r.mlogp, "false"),
    )


def pan_ukb_of_2020():
    return _table(
        "chr pos ref alt af_cases_EUR af_controls_EUR beta_EUR se_EUR pval_EUR low_confidence_EUR",
        ALT,
        lambda r: (r.chrom, r.pos, r.ref, r.alt, 0.5, 0.5, r.beta, r.se, r.ln_p, "false"),
    )


def neale():
    return _table(
        "variant minor_allele minor_AF low_confidence_variant n_complete_samples AC ytx beta se tstat pval",
        ALT,
        lambda r: (
            f"{r.chrom}:{r.pos}:{r.ref}:{r.alt}", r.ref, min(r.frequency, 1 - r.frequency), "false", N,
            5, 0.5, r.beta, r.se, r.z, r.p,
        ),
    )  # fmt: skip


def metal():
    return _table(
        "MarkerName Allele1 Allele2 Freq1 FreqSE Effect StdErr P-value Direction",
        EITHER,
        lambda r: (r.id, r.effect.lower(), r.other.lower(), r.frequency, 0, r.beta, r.se, r.p, "++-"),
    )


def metal_with_places():
    return _table(
        "MarkerName Allele1 Allele2 Effect StdErr log(P) Direction",
        EITHER,
        lambda r: (
            f"chr{r.chrom}:{r.pos}:{r.ref}:{r.alt}", r.effect.lower(), r.other.lower(), r.beta,
            r.se, -r.mlogp, "++-",
        ),
    )  # fmt: skip


def metal_of_z():
    return _table(
        "MarkerName Allele1 Allele2 Weight Zscore P-value Direction",
        EITHER,
        lambda r: (r.id, r.effect.lower(), r.other.lower(), N, r.z, r.p, "++-"),
    )


def ldsc():
    return _table("SNP A1 A2 Z N", EITHER, lambda r: (r.id, r.effect, r.other, r.z, N))


def prscs():
    return _table("SNP A1 A2 BETA P", EITHER, lambda r: (r.id, r.effect, r.other, r.beta, r.p))


def prscs_of_odds_ratios():
    return _table("SNP A1 A2 OR SE", EITHER, lambda r: (r.id, r.effect, r.other, r.ratio, r.se))


def gwas_vcf():
    head = "##fileformat=VCFv4.2\n" + "".join(
        f'##FORMAT=<ID={name},Number=A,Type=Float,Description="{name}">\n'
        for name in ("ES", "SE", "LP", "AF", "SS")
    )
    return head + _table(
        "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT other mine",
        ALT,
        lambda r: (
            r.chrom, r.pos, r.id, r.ref, r.alt, ".", "PASS", ".", "ES:SE:LP:AF:SS", "9:1:9:0.5:7",
            f"{r.beta}:{r.se}:{r.mlogp}:{r.frequency}:{N}",
        ),
    )  # fmt: skip


def causaldb():
    return _table(
        "chr bp rsid maf ea nea beta se p zscore cojo_beta cojo_se cojo_p abf finemap paintor caviarbf susie "
        "polyfun_finemap polyfun_susie meta_id block_id tool lead_snp primary",
        EITHER,
        lambda r: (
            r.chrom, r.pos, r.id, 0.1, r.effect, r.other, r.beta, r.se, r.p, r.z, *[""] * 3, *[0.5] * 7, "F9",
            7, 127, "rs1", 1,
        ),
    )  # fmt: skip


CASES = [
    (gwas_ssf, "gwas-ssf", {}),
    (gwas_ssf_of_odds_ratios, "gwas-ssf", {}),
    (plink1_linear, "plink1", {"positions": "bim"}),
    (plink1_logistic, "plink1", {"positions": "vcf"}),
    (plink1_assoc, "plink1", {}),
    (plink2_linear, "plink2", {}),
    (plink2_logistic, "plink2", {}),
    (regenie, "regenie", {}),
    (regenie_of_two_traits, "regenie", {"phenotype": "Y2"}),
    (saige, "saige", {}),
    (bolt, "bolt", {}),
    (gemma, "gemma", {}),
    (fastgwa, "fastgwa", {}),
    (fastgwa_glmm, "fastgwa", {}),
    (finngen, "finngen", {}),
    (pan_ukb, "pan-ukb", {"population": "AFR"}),
    (pan_ukb_of_2020, "pan-ukb", {"population": "EUR"}),
    (neale, "neale", {}),
    (metal, "metal", {"positions": "bim"}),
    (metal_with_places, "metal", {}),
    (metal_of_z, "metal", {"positions": "vcf"}),
    (ldsc, "ldsc", {"positions": "bim"}),
    (prscs, "prscs", {"positions": "bim"}),
    (prscs_of_odds_ratios, "prscs", {"positions": "vcf"}),
    (gwas_vcf, "gwas-vcf", {"phenotype": "mine"}),
    (causaldb, "causaldb", {}),
]

WITHOUT_BETA = (metal_of_z, ldsc)


@pytest.fixture
def positions(tmp_path):
    """The truth as a .bim and as a VCF file."""
    bim, vcf = tmp_path / "p.bim", tmp_path / "p.vcf"
    bim.write_text("".join(f"{r.number}\t{r.id}\t0\t{r.pos}\t{r.alt}\t{r.ref}\n" for r in ALT))
    vcf.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        + "".join(f"{r.chrom}\t{r.pos}\t{r.id}\t{r.ref}\t{r.alt}\t.\t.\t.\n" for r in ALT)
    )
    return {"bim": str(bim), "vcf": str(vcf)}


def _options(options, positions):
    return {**options, **({"positions": positions[options["positions"]]} if "positions" in options else {})}


def _rows(table):
    """What the reader says of each row, as the effect of ALT."""
    rows = []
    for batch in table.batches():
        for i in range(len(batch)):
            assert batch.reason[i] == ""
            ref, alt = next(row[3:5] for row in TRUTH if row[1] == batch.pos[i])
            sign = 1 if batch.effect_allele[i] == alt else -1
            assert {batch.effect_allele[i], batch.other_allele[i]} == {ref, alt}
            rows.append(
                (batch.chrom[i], batch.pos[i], sign * batch.beta[i], sign * batch.z[i], batch.log_p[i])
            )
    return rows


@pytest.mark.parametrize(("write", "name", "options"), CASES, ids=[case[0].__name__ for case in CASES])
@pytest.mark.parametrize("asked", ["auto", "named"])
def test_the_sign_of_alt(tmp_path, positions, write, name, options, asked):
    path = tmp_path / "gwas.txt"
    path.write_text(write())
    table = AssociationTable(
        str(path), format="auto" if asked == "auto" else name, **_options(options, positions)
    )
    assert table.layout.format == name
    found = _rows(table)
    assert [row[:2] for row in found] == [(row.chrom, row.pos) for row in ALT]
    beta, z, log_p = (np.array(values, dtype=float) for values in list(zip(*found, strict=True))[2:])
    if write not in WITHOUT_BETA:
        np.testing.assert_allclose(beta, [row.beta for row in ALT], rtol=1e-9)
    np.testing.assert_allclose(z, [row.z for row in ALT], rtol=1e-6)
    np.testing.assert_allclose(log_p, [row.ln_p for row in ALT], rtol=1e-6)


@pytest.mark.parametrize("write", [gwas_ssf, bolt, regenie, finngen, neale])
@pytest.mark.parametrize("kind", ["csv", "semicolons", "gz", "parquet", "numbers"])
def test_the_same_table_in_other_files(tmp_path, write, kind):
    text = write()
    plain, path = tmp_path / "plain.txt", tmp_path / "other"
    plain.write_text(text)
    rows = [line.replace("\t", " ").split() for line in text.splitlines() if not line.startswith("##")]
    if kind in ("csv", "semicolons"):
        separator = "," if kind == "csv" else ";"
        path.write_text("".join(separator.join(row) + "\n" for row in rows))
    elif kind == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        frame = pd.DataFrame(rows[1:], columns=rows[0])
        if kind == "numbers":
            frame = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
        frame.to_parquet(path)
    assert _rows(AssociationTable(str(path))) == _rows(AssociationTable(str(plain)))


def test_every_format_is_here():
    assert {name for _, name, _ in CASES} == set(GWAS_FORMATS)


@pytest.mark.parametrize("write", [ldsc, prscs, metal, plink1_linear])
def test_tables_that_need_positions_say_so(tmp_path, write):
    path = tmp_path / "gwas.txt"
    path.write_text(write())
    with pytest.raises(InputError, match="positions"):
        list(AssociationTable(str(path)).batches())
