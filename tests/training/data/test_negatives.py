"""Negatives, against counts by hand, brute force over cyvcf2, and bedtools."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import cyvcf2
import numpy as np
import pandas as pd
import pyfaidx
import pytest

from mifm_kipoi.errors import InputError, ReferenceMismatchError, VariantFileError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.support.configuration import ConfigurationError
from tests.builders import write_fasta
from training.configuration import read_configuration
from training.data.negatives import NEGATIVE_COLUMNS, NegativesConfig, find_negatives

Row = tuple[str, int, str, str, str, str]
"""CHROM, POS, REF, ALT, FILTER, INFO."""


def write(path: Path, rows: list[Row]) -> str:
    contigs = "".join(f"##contig=<ID={chrom}>\n" for chrom in dict.fromkeys(row[0] for row in rows))
    head = f"##fileformat=VCFv4.2\n{contigs}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    lines = (
        f"{chrom}\t{pos}\tn{number}\t{ref}\t{alt}\t.\t{passed}\t{info}\n"
        for number, (chrom, pos, ref, alt, passed, info) in enumerate(rows, start=1)
    )
    path.write_text(head + "".join(lines))
    return str(path)


def positives_at(*places: tuple[str, int, str, str]) -> pd.DataFrame:
    return pd.DataFrame(places, columns=["chrom", "pos", "ref", "alt"])


def keys(negatives: pd.DataFrame) -> list[str]:
    return [f"{row.chrom}:{row.pos}:{row.ref}:{row.alt}" for row in negatives.itertuples()]


def test_every_reason_counted_by_hand(tmp_path: Path) -> None:
    """The genome is A up to 4,000, then N: what REF should be is known without looking."""
    genome = Genome(write_fasta(tmp_path / "genome.fa", {"1": "A" * 4000 + "N" * 4000}))
    positives = positives_at(
        ("chr1", 1000, "A", "C"), ("chr1", 2000, "A", "G"), ("chr1", 4000, "A", "G"), ("chr3", 500, "A", "G")
    )
    rows: list[Row] = [
        ("1", 871, "A", "C", ".", "AF=0.5"),  # 129 before
        ("1", 872, "A", "C", ".", "AC=1;AF=0.5"),  # 128 before: kept
        ("1", 1000, "A", "C", ".", "AF=0.5"),  # a positive itself
        ("1", 1000, "A", "G", ".", "AF=0.5"),  # at a positive
        ("1", 1010, "A", "C,G", "PASS", "AF=0.009,0.99"),  # rare; kept: it is REF that has 0.01
        ("1", 1011, "A", "C", "PASS", "AF=0.991"),  # rare, folded
        ("1", 1012, "A", "C,G", "PASS", "AF=0.2,0.3"),  # kept; at the one kept just before
        ("1", 1012, "A", "AT", "PASS", "AF=0.2"),  # the same
        ("1", 1013, "A", "C", "q10", "AF=0.2"),  # filtered
        ("1", 1014, "A", "<DEL>", ".", "AF=0.2"),
        ("1", 1015, "A", "*,C", ".", "AF=0.2,0.2"),  # spanning deletion; kept
        ("1", 1016, "A", ".", ".", "AF=0.2"),  # missing ALT
        ("1", 1017, "A", "R", ".", "AF=0.2"),  # not ACGT
        ("1", 1018, "A", "C", ".", "EUR_AF=0.2"),  # no frequency
        ("1", 1019, "A", "C,G", ".", "AF=0.2"),  # one for two alleles
        ("1", 1020, "A", "C,G", ".", "AF=.,0.2"),  # no frequency; kept
        ("1", 1021, "A", "C", ".", "AF=1.2"),
        ("1", 1022, "A", "C", ".", "."),
        ("1", 1023, "T", "C", ".", "AF=0.2"),  # REF mismatch
        ("1", 2128, "AAA", "A", ".", "AF=0.2"),  # 128 behind: kept
        ("1", 2129, "A", "C", ".", "AF=0.2"),  # 129 behind
        ("1", 4000, "A", "T", ".", "AF=0.2"),  # at a positive
        ("1", 3990, "A", "T", ".", "AF=0.2"),  # 246 N in its window
        ("2", 1010, "A", "C", ".", "AF=0.2"),  # no positive there
        ("chr3", 510, "A", "C", ".", "AF=0.2"),  # no such contig in the FASTA
    ]
    config = NegativesConfig((write(tmp_path / "a.vcf", rows),))
    negatives, counts = find_negatives(config, positives, genome)
    assert keys(negatives) == [
        "chr1:872:A:C", "chr1:1010:A:G", "chr1:1012:A:C", "chr1:1015:A:C", "chr1:1020:A:G", "chr1:2128:AAA:A",
    ]  # fmt: skip
    assert negatives["id"].tolist() == ["n2", "n5", "n7", "n11", "n16", "n20"]
    assert negatives.dtypes.astype(str).to_dict() == NEGATIVE_COLUMNS
    assert counts == {
        "read": 30, "kept": 6, "too_far": 3, "is_positive": 1, "at_position_of_positive": 2, "rare": 2,
        "at_position_of_negative": 2, "filtered": 1, "symbolic_alt": 1, "spanning_deletion": 1,
        "missing_alt": 1, "non_acgt_allele": 1, "no_frequency": 6, "ref_mismatch": 1, "too_many_n": 1,
        "contig_not_in_fasta": 1,
    }  # fmt: skip
    without, counts = find_negatives(config, positives)
    assert set(keys(without)) - set(keys(negatives)) == {"chr1:1023:T:C", "chr1:3990:A:T", "chr3:510:A:C"}
    assert counts["kept"] == 9


def test_several_files_and_frequencies_of_two_tags(tmp_path: Path) -> None:
    one = write(
        tmp_path / "1.vcf",
        [("1", 100, "A", "C,G", ".", "EAS_AC=1,30;EAS_AN=100"), ("1", 101, "A", "C", ".", "EAS_AC=30")],
    )
    more: list[Row] = [
        ("chr2", 100, "A", "C", ".", "EAS_AC=0;EAS_AN=0"),
        ("chr2", 110, "A", "C", ".", "EAS_AC=2;EAS_AN=4"),
        ("chr2", 110, "A", "C", ".", "EAS_AC=2;EAS_AN=4"),
    ]
    positives = positives_at(("chr1", 99, "A", "C"), ("2", 120, "G", "A"))
    config = NegativesConfig((one, write(tmp_path / "2.vcf", more)), frequency="EAS_AC/EAS_AN", min_maf=0.05)
    negatives, counts = find_negatives(config, positives)
    assert keys(negatives) == ["chr1:100:A:G", "2:110:A:C"]
    assert counts == {"read": 6, "rare": 1, "kept": 2, "no_frequency": 2, "at_position_of_negative": 1}


@pytest.mark.parametrize("maf", [0.01, 0.05, 0.1, 0.3])
def test_the_smallest_frequency_itself_is_common(tmp_path: Path, maf: float) -> None:
    rows: list[Row] = [
        ("1", pos, "A", "C", ".", f"AF={frequency}")
        for pos, frequency in enumerate([maf, round(1 - maf, 2), maf - 1e-6, 1 - maf + 1e-6], start=100)
    ]
    config = NegativesConfig((write(tmp_path / "a.vcf", rows),), min_maf=maf)
    negatives, _ = find_negatives(config, positives_at(("1", 99, "A", "C")))
    assert negatives["pos"].tolist() == [100, 101]


def test_a_positive_with_its_alleles_exchanged_is_one(tmp_path: Path) -> None:
    """Positives that were not compared with a FASTA can have REF and ALT the other way round."""
    rows: list[Row] = [("1", 100, "A", "C", ".", "AF=0.5"), ("1", 101, "A", "C", ".", "AF=0.5")]
    config = NegativesConfig((write(tmp_path / "a.vcf", rows),))
    _, counts = find_negatives(config, positives_at(("1", 100, "G", "T"), ("1", 100, "C", "A")))
    assert counts == {"read": 2, "is_positive": 1, "kept": 1}


def test_another_genome_build_is_an_error(tmp_path: Path) -> None:
    genome = Genome(write_fasta(tmp_path / "genome.fa", {"1": "A" * 2000}))
    rows: list[Row] = [("1", pos, "AG"[pos % 2], "C", ".", "AF=0.5") for pos in range(900, 920)]
    vcf = write(tmp_path / "a.vcf", rows)
    positives = positives_at(("1", 899, "A", "C"))
    with pytest.raises(ReferenceMismatchError, match=r"10 of 20 REF alleles differ .*max_mismatch_fraction"):
        find_negatives(NegativesConfig((vcf,)), positives, genome)
    _, counts = find_negatives(NegativesConfig((vcf,), max_mismatch_fraction=1), positives, genome)
    assert counts == {"read": 20, "ref_mismatch": 10, "kept": 10}


def test_files_without_any_negative_are_an_error(tmp_path: Path) -> None:
    vcf = write(tmp_path / "a.vcf", [("1", 100, "A", "C", ".", "AF=0.5")])
    with pytest.raises(InputError, match=r"a.vcf: 1 read, 1 too_far\..*INFO/AF, within 128 bp"):
        find_negatives(NegativesConfig((vcf,)), positives_at(("2", 100, "A", "C")))
    with pytest.raises(InputError, match=r"1 read, 1 no_frequency\..*INFO/EUR_AF"):
        find_negatives(NegativesConfig((vcf,), frequency="EUR_AF"), positives_at(("1", 99, "A", "C")))
    with pytest.raises(VariantFileError, match=r"nowhere\.vcf"):
        find_negatives(NegativesConfig(("nowhere.vcf",)), positives_at(("1", 99, "A", "C")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vcf: a.vcf", "vcf is 'a.vcf'; expected a list"),
        ("vcf: []", "vcf is empty"),
        ("{vcf: [a], frequency: AC/AN/AF}", "expected an INFO tag"),
        ("{vcf: [a], frequency: AC/}", "expected an INFO tag"),
        ("{vcf: [a], min_maf: 0.6}", "min_maf is 0.6"),
        ("{vcf: [a], max_distance: 0}", "max_distance is 0"),
        ("{vcf: [a], max_mismatch_fraction: 2}", "max_mismatch_fraction is 2"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "negatives.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_configuration(path, NegativesConfig)


def brute_force(vcf: Path, fasta: Path, positives: pd.DataFrame, min_maf: float) -> tuple[list[str], int]:
    """Negatives by another reader, and a look at every positive for each variant; how many are near."""
    bases = pyfaidx.Fasta(str(fasta), sequence_always_upper=True)["20"][:].seq + 256 * "N"
    positions = positives["pos"].to_numpy()
    found: dict[int, str] = {}
    near = 0
    reader = cyvcf2.VCF(str(vcf))
    for record in reader:
        distance = int(np.abs(positions - record.POS).min())
        frequencies = record.INFO["AF"]
        near += len(record.ALT) * (distance <= 128)
        for alt, frequency in zip(record.ALT, np.atleast_1d(frequencies), strict=True):
            window = bases[record.POS - 256 : record.POS + 256]
            ref = bases[record.POS - 1 : record.POS - 1 + len(record.REF)]
            good = ref == record.REF and window.count("N") <= 51 and set(alt) <= set("ACGT")
            common = min_maf <= round(float(frequency), 6) <= 1 - min_maf
            if good and common and 0 < distance <= 128:
                found.setdefault(record.POS, f"20:{record.POS}:{record.REF}:{alt}")
    reader.close()
    return list(found.values()), near


@pytest.mark.reference
def test_real_variants_against_brute_force(reference_data: Path) -> None:
    """Every 50th site in the place of a positive: enough of them that every kind of record is near one."""
    vcf = reference_data / "data/variants/1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    fasta = reference_data / "data/genome/GRCh37.mini.fa.gz"
    sites = [(record.CHROM, record.POS, record.REF, record.ALT[0]) for record in cyvcf2.VCF(str(vcf))]
    positives = positives_at(*sites[::50])
    negatives, counts = find_negatives(NegativesConfig((str(vcf),)), positives, Genome(fasta))
    expected, near = brute_force(vcf, fasta, positives, 0.01)
    assert keys(negatives) == expected
    assert counts["kept"] == len(expected) > 500
    assert counts["read"] - counts["too_far"] == near
    assert counts["symbolic_alt"] > 0
    assert counts["at_position_of_negative"] > 0


@pytest.mark.reference
@pytest.mark.skipif(not shutil.which("bedtools") or not shutil.which("bcftools"), reason="needs both")
def test_real_variants_near_those_of_blood_traits(reference_data: Path, tmp_path: Path) -> None:
    """Numbers counted by awk of what bcftools and bedtools give."""
    vcf = reference_data / "data/variants/1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    table = pd.read_csv(reference_data / "data/finemapping/ukb_blood_traits.finemap.tsv.gz", sep="\t")
    parts = table["SNP"].str.extract(r"^(\w+):(\d+)_(\w+)_(\w+)$")
    positives = parts.set_axis(["chrom", "pos", "ref", "alt"], axis=1).astype({"pos": "int64"})
    genome = Genome(reference_data / "data/genome/GRCh37.mini.fa.gz")
    negatives, counts = find_negatives(NegativesConfig((str(vcf),)), positives, genome)
    script = r"""
    set -euo pipefail
    awk 'BEGIN{OFS="\t"} {print $1, $2 - 1, $2}' | sort -k1,1 -k2,2n -u > positives.bed
    bcftools query -f '%CHROM\t%POS\t%REF\t%ALT\t%INFO/AF\n' "$1" | awk 'BEGIN{FS=OFS="\t"}
        {n = split($4, alt, ","); split($5, af, ",")
         for (i = 1; i <= n; i++) print $1, $2 - 1, $2, alt[i], af[i]}
    ' > alleles.bed
    bedtools window -w 128 -u -a alleles.bed -b positives.bed > near.bed
    awk '$5 >= 0.01 && $5 <= 0.99' near.bed > common.bed
    bedtools intersect -v -a common.bed -b positives.bed > apart.bed
    wc -l < alleles.bed; wc -l < near.bed; wc -l < common.bed; cut -f 3 apart.bed | sort -u | wc -l
    """
    counted = subprocess.run(
        ["bash", "-c", script, "bash", str(vcf)],
        input=positives[["chrom", "pos"]].to_csv(sep="\t", header=False, index=False),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert counted == ["29144", "224", "58", "27"]
    assert counts == Counter(read=29144, too_far=29144 - 224, rare=224 - 58, is_positive=31, kept=27)
    assert set(negatives["chrom"]) == {"20"}
