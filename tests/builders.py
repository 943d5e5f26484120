"""Small files and networks that tests build for themselves."""

from __future__ import annotations

import contextlib
import gzip
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch

from mifm_kipoi.network.model import MIFM, MIFMConfig

TINY = MIFMConfig(
    window=64, stem_channels=4, stem_kernel=5, tower_channels=(6, 6), dilations=(2,), head_channels=8
)
"""A network of the same family, small enough for tests."""


def write_fasta(path: Path, contigs: Mapping[str, str], line: int = 60) -> Path:
    """A FASTA file with lines of equal length."""
    with path.open("w") as file:
        for name, bases in contigs.items():
            file.write(f">{name}\n")
            file.writelines(bases[start : start + line] + "\n" for start in range(0, len(bases), line))
    return path


def vcf_text(records: Iterable[tuple[str, int, str, str]], contigs: Mapping[str, int] | None = None) -> str:
    """A VCF of (chrom, pos, ref, alt) records, with ids v1, v2 ..."""
    lines = ["##fileformat=VCFv4.2"]
    records = list(records)
    lengths = contigs or dict.fromkeys((chrom for chrom, *_ in records), 1_000_000)
    lines += [f"##contig=<ID={name},length={length}>" for name, length in lengths.items()]
    lines += ["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    lines += [
        f"{chrom}\t{pos}\tv{number}\t{ref}\t{alt}\t.\t.\t."
        for number, (chrom, pos, ref, alt) in enumerate(records, start=1)
    ]
    return "\n".join(lines) + "\n"


def write_vcf(
    path: Path, records: Iterable[tuple[str, int, str, str]], contigs: Mapping[str, int] | None = None
) -> Path:
    """A VCF file, gzipped where the name ends in .gz."""
    text = vcf_text(records, contigs)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@contextlib.contextmanager
def piped(content: bytes, path: Path) -> Iterator[Path]:
    """A named pipe into which a content is written once, a part of it first."""
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as file, contextlib.suppress(BrokenPipeError):
            file.write(content[:1])
            file.write(content[1:])

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    yield path
    writer.join(timeout=60)


def random_network(config: MIFMConfig | None = None, seed: int = 0) -> MIFM:
    """A network with random weights and random statistics of batch normalisation, in evaluation mode."""
    torch.manual_seed(seed)
    network = MIFM(config or MIFMConfig())
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()
