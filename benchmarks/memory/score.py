"""Memory of ``mifm score`` on files of two sizes, which should be the same.

    python -m benchmarks.memory.score --fasta GENOME.fa

The files hold one SNV of each base of the genome, from where its first windows are whole. The network has
windows of 512 bp as the published one, but few channels, so that ten million variants take minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mifm_kipoi import MIFM, WINDOW, Genome, MIFMConfig, __version__
from mifm_kipoi.network.weights import save_weights

SMALL = MIFMConfig(
    stem_channels=2, stem_kernel=3, tower_channels=(2, 2, 2, 2), tower_kernel=3, dilations=(), head_channels=2
)

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"

OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}

BLOCK_BP = 1 << 16

_LAUNCHER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory.score", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--fasta", required=True, help="a genome with as many bases")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 10_000_000], help="numbers of SNVs")
    parser.add_argument("--suffix", default="tsv", help="format of the output (default: tsv)")
    parser.add_argument("--out", default="benchmarks/memory/score.json", help="where to write the figures")
    options = parser.parse_args(arguments)
    figures = {"mifm_kipoi": __version__, "suffix": options.suffix, "peak_mb": {}}
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "small.safetensors")
        save_weights(weights, MIFM(SMALL), {"provenance": "benchmarks.memory.score"})
        for size in options.sizes:
            vcf = Path(folder, f"{size}.vcf")
            with vcf.open("w") as file:
                file.write(HEADER)
                file.writelines(itertools.islice(snv_lines(Genome(options.fasta)), size))
            command = [sys.executable, "-m", "mifm_kipoi.cli", "score", vcf, options.fasta]
            command += ["-o", f"{vcf}.{options.suffix}", "--weights", weights, "--threads", "1"]
            figures["peak_mb"][str(size)] = round(peak_bytes([str(word) for word in command]) / 1e6, 1)
            print(f"{size} SNVs: {figures['peak_mb'][str(size)]} MB")
    Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")


def snv_lines(genome: Genome) -> Iterator[str]:
    """Lines of a VCF with one SNV of each base."""
    for contig, length in genome.contigs.items():
        for start in range(WINDOW // 2, length, BLOCK_BP):
            bases = genome.fetch(contig, start, min(start + BLOCK_BP, length)).tobytes().decode()
            for pos, base in enumerate(bases, start=start + 1):
                if base in OTHER:
                    yield f"{contig}\t{pos}\t.\t{base}\t{OTHER[base]}\t.\t.\t.\n"


def peak_bytes(command: Sequence[str]) -> int:
    """The most memory that a process holds at one time."""
    # A process begins with the peak of the one that started it: this one's must not count.
    launched = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, *command], stdout=subprocess.PIPE, text=True, check=False
    )
    if launched.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {launched.returncode}")
    # In bytes on macOS, in KiB elsewhere.
    return int(launched.stdout) * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
