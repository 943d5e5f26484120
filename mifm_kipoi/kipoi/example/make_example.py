"""Cut the packaged example from a GRCh37 FASTA and the sites of 1000 Genomes, phase 3.

    python mifm_kipoi/kipoi/example/make_example.py GRCh37.fa.gz SITES.vcf.gz

GRCh37.fa.gz is the assembly, plain or compressed with bgzip; its chromosome 20 suffices. SITES.vcf.gz is the
release's file of chromosome 20 or of all chromosomes, with genotypes or without:
https://ftp.1000genomes.ebi.ac.uk/vol1/ftp/release/20130502/. The expected values (*.h5) are made from the
example by Kipoi itself, with the embedded weights. README.md beside this script says where the locus lies,
why it is this one, and on what terms the files may be used.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
from Bio import bgzf

from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.genome import Genome

HERE = Path(__file__).parent
CONTIG, START, END = "20", 1_890_000, 1_950_000
"""The locus, 0-based half-open, on GRCh37."""

CONTIG_LENGTH = 63_025_520
FLANK = 512
"""Bases kept on either side, so that the windows of all positions of the locus are those of GRCh37."""

LINE = 60
"""Bases a line of the FASTA."""

PACKED = 64
"""Rows of the expected values that are compressed together."""

MIN_FREQUENCY = 0.01
FREQUENCIES = ("AF", "EAS_AF", "AMR_AF", "AFR_AF", "EUR_AF", "SAS_AF")

_POPULATIONS = {
    "EAS": "East Asian", "AMR": "American", "AFR": "African", "EUR": "European", "SAS": "South Asian",
}  # fmt: skip
VCF_HEADER = "\n".join(
    [
        "##fileformat=VCFv4.2",
        "##source=1000 Genomes Project, phase 3, release 20130502: the sites of "
        f"{CONTIG}:{START + 1}-{END} with an allele frequency of {MIN_FREQUENCY} to {1 - MIN_FREQUENCY}",
        "##cut_by=mifm_kipoi/kipoi/example/make_example.py",
        "##reference=GRCh37",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        f"##contig=<ID={CONTIG},assembly=b37,length={CONTIG_LENGTH}>",
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">',
        *(
            f'##INFO=<ID={short}_AF,Number=A,Type=Float,Description="Allele frequency, {name} samples">'
            for short, name in _POPULATIONS.items()
        ),
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
    ]
)

INTERVALS = (
    (1_920_604, 1_920_605, "rs6045561"),
    (1_920_349, 1_920_861, "rs6045561_window"),
    (1_930_896, 1_930_897, "rs4411786"),
    (1_800_000, 1_800_001, "masked"),
)
"""One base, the window that has it at index 255, another base, and one where the FASTA has N."""


def masked_contig(genome: Genome) -> bytes:
    """The contig to the end of the locus and its flank, N before them."""
    contig = genome.find_contig(CONTIG)
    if contig is None:
        sys.exit(f"{genome.path} has no contig {CONTIG} or chr{CONTIG}")
    bases = genome.fetch(contig, START - FLANK, END + FLANK).tobytes()
    if b"N" in bases:
        sys.exit(f"{genome.path} has N in {contig}:{START + 1}-{END}; expected GRCh37")
    return b"N" * (START - FLANK) + bases


def common_sites(path: Path) -> Iterator[str]:
    """Records of the locus with a common allele, without genotypes and other INFO than frequencies."""
    with gzip.open(path, "rt") as file:
        for line in file:
            if line.startswith("#"):
                continue
            chrom, pos, *fields = line.split("\t", 8)[:8]
            if contig_key(chrom) != CONTIG or int(pos) <= START:
                continue
            if int(pos) > END:
                break
            *fields, info = fields
            values = dict(field.split("=", 1) for field in info.strip().split(";") if "=" in field)
            if any(MIN_FREQUENCY <= float(af) <= 1 - MIN_FREQUENCY for af in values["AF"].split(",")):
                kept = ";".join(f"{name}={values[name]}" for name in FREQUENCIES)
                yield "\t".join([CONTIG, pos, *fields, kept]) + "\n"


def expected_values(model: str, path: Path) -> None:
    """Let Kipoi write what it predicts, and pack it: close windows have much in common."""
    whole = path.with_suffix(".whole.h5")
    folder = HERE.parent / "group" / model
    kipoi = [sys.executable, "-m", "kipoi", "test", ".", "--source=dir", "-o", str(whole)]
    subprocess.run(kipoi, cwd=folder, check=True)  # noqa: S603 - no shell
    with h5py.File(whole) as source, h5py.File(path, "w") as packed:

        def pack(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if isinstance(item, h5py.Dataset):
                chunks = (min(PACKED, len(item)), *item.shape[1:])
                packed.create_dataset(
                    name, data=item[()], chunks=chunks, shuffle=True, compression="gzip", compression_opts=9
                )

        source.visititems(pack)
    whole.unlink()


def main() -> None:
    """Write genome.fa.gz with its indices, variants.vcf and intervals.bed, then the expected values."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fasta", type=Path)
    parser.add_argument("sites", type=Path)
    options = parser.parse_args()
    bases = masked_contig(Genome(options.fasta))
    for name in ("genome.fa.gz", "genome.fa.gz.fai", "genome.fa.gz.gzi", "MIFM.h5", "MIFM-sequence.h5"):
        (HERE / name).unlink(missing_ok=True)
    packed = bgzf.BgzfWriter(str(HERE / "genome.fa.gz"), compresslevel=9)  # type: ignore[no-untyped-call]
    with packed as file:
        file.write(f">{CONTIG} GRCh37, N outside {START - FLANK + 1}-{END + FLANK}\n".encode())
        for start in range(0, len(bases), LINE):
            file.write(bases[start : start + LINE] + b"\n")
    Genome(HERE / "genome.fa.gz")  # makes the indices
    (HERE / "variants.vcf").write_text(VCF_HEADER + "".join(common_sites(options.sites)))
    (HERE / "intervals.bed").write_text(
        "".join(f"{CONTIG}\t{start}\t{end}\t{name}\n" for start, end, name in INTERVALS)
    )
    for model, expected in {"MIFM": "MIFM.h5", "MIFM/sequence": "MIFM-sequence.h5"}.items():
        expected_values(model, HERE / expected)


if __name__ == "__main__":
    main()
