"""Make the example of the tests: a small synthetic genome, variants with every status, and intervals.

    python tests/kipoi/example/make_example.py

The sequence is random, so its scores mean nothing. The example that is packaged is a real locus:
mifm_kipoi/kipoi/example.
"""

from __future__ import annotations

import random
from pathlib import Path

HERE = Path(__file__).parent
SEED = 20260622
LINE = 60

VCF_HEADER = """\
##fileformat=VCFv4.2
##source=tests/kipoi/example/make_example.py
##FILTER=<ID=PASS,Description="All filters passed">
##contig=<ID=1,length=6000>
##contig=<ID=2,length=1500>
##contig=<ID=MT,length=800>
##contig=<ID=GL000191.1,length=106433>
##ALT=<ID=DEL,Description="Deletion">
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">
##INFO=<ID=KIND,Number=1,Type=String,Description="What the record is an example of">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
"""


def make_genome(generator: random.Random) -> dict[str, str]:
    """Three contigs: mixed case, a run of N, and a mitochondrion by its UCSC name."""
    lengths = {"chr1": 6000, "chr2": 1500, "chrM": 800}
    genome = {name: "".join(generator.choices("ACGT", k=length)) for name, length in lengths.items()}
    chr1, chr2 = genome["chr1"], genome["chr2"]
    genome["chr1"] = chr1[:2000] + chr1[2000:2500].lower() + chr1[2500:]
    genome["chr2"] = chr2[:500] + "N" * 300 + chr2[800:810] + "N" * 300 + chr2[1110:]
    return genome


def make_records(genome: dict[str, str], generator: random.Random) -> list[tuple[str, int, str, str, str]]:
    """Records as (chrom, pos, ref, alt, kind), in the order of the contigs and positions."""

    def ref(chrom: str, pos: int, length: int = 1) -> str:
        return genome[f"chr{chrom.replace('MT', 'M')}"][pos - 1 : pos - 1 + length].upper()

    def other(base: str) -> str:
        return generator.choice([letter for letter in "ACGT" if letter != base])

    def snv(chrom: str, pos: int, kind: str = "snv") -> tuple[str, int, str, str, str]:
        return chrom, pos, ref(chrom, pos), other(ref(chrom, pos)), kind

    def wrong(base: str) -> str:
        return "A" if base != "A" else "C"

    first = ref("1", 3000)
    alleles = [letter for letter in "ACGT" if letter != first]
    records = [
        snv("1", 1, "first_base_of_a_contig"),
        snv("1", 6000, "last_base_of_a_contig"),
        *(snv("1", pos) for pos in sorted(generator.sample(range(300, 5700), 24)) if pos != 3000),
        snv("1", 2222, "soft_masked"),
        ("1", 3000, first, ",".join(alleles), "multi_allelic"),
        ("1", 3100, ref("1", 3100), f"{ref('1', 3100)}TTA", "insertion"),
        ("1", 3200, ref("1", 3200, 4), ref("1", 3200), "deletion"),
        ("1", 3300, ref("1", 3300, 3), "".join(other(base) for base in ref("1", 3300, 3)), "mnv"),
        ("1", 3400, ref("1", 3400), f"{other(ref('1', 3400))},*", "spanning_deletion"),
        ("1", 3500, ref("1", 3500), "<DEL>", "symbolic"),
        ("1", 3600, ref("1", 3600), f"{ref('1', 3600)}[2:100[", "breakend"),
        ("1", 3700, ref("1", 3700), ".", "missing_alt"),
        ("1", 3800, ref("1", 3800), "R", "iupac_alt"),
        ("1", 3900, wrong(ref("1", 3900)), "G" if wrong(ref("1", 3900)) != "G" else "T", "ref_mismatch"),
        ("1", 6001, "A", "C", "past_the_end"),
        snv("2", 805, "island_in_n"),
        snv("2", 1150, "beside_n"),
        snv("2", 1400),
        snv("MT", 400, "mitochondrion"),
        ("GL000191.1", 100, "A", "G", "contig_not_in_fasta"),
    ]
    order = {"1": 0, "2": 1, "MT": 2, "GL000191.1": 3}
    return sorted(records, key=lambda record: (order[record[0]], record[1]))


def main() -> None:
    """Write genome.fa, variants.vcf and intervals.bed beside this script."""
    generator = random.Random(SEED)
    genome = make_genome(generator)
    with (HERE / "genome.fa").open("w") as file:
        for name, bases in genome.items():
            file.write(f">{name}\n")
            file.writelines(bases[start : start + LINE] + "\n" for start in range(0, len(bases), LINE))
    with (HERE / "variants.vcf").open("w") as file:
        file.write(VCF_HEADER)
        for number, (chrom, pos, ref, alt, kind) in enumerate(make_records(genome, generator), start=1):
            file.write(f"{chrom}\t{pos}\texample{number}\t{ref}\t{alt}\t.\tPASS\tKIND={kind}\n")
    intervals = [
        "chr1\t1000\t1512\twindow",
        "chr1\t1255\t1256\tone_base",
        "chr1\t0\t1\tedge",
        "chr2\t700\t701\tn",
    ]
    (HERE / "intervals.bed").write_text("\n".join(intervals) + "\n")
    (HERE / "genome.fa.fai").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
