"""Valid files of every format, small enough that most of their bytes matter."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
from collections import OrderedDict
from pathlib import Path

import torch
from Bio import bgzf
from torch import nn

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.model import MIFM

BASES = "".join(random.Random(0).choices("ACGTacgtN", [9, 9, 9, 9, 2, 2, 2, 2, 1], k=3000))

FASTA = b"".join(
    f">{name}{rest}\n".encode()
    + b"".join(BASES[at : min(at + 60, end)].encode() + b"\n" for at in range(start, end, 60))
    for name, rest, start, end in [
        ("1", "", 0, 1500),
        ("chr2", " of a test", 1500, 1507),
        ("HLA*01", "\tx", 1520, 1640),
        ("MT", "", 1700, 2800),
    ]
)

_RECORDS = [
    ("1", 300, "rs1", "A", "G", "AC=1;AN=2"),
    ("1", 300, ".", "AC", "A,<DEL>,T", "AC=1,1,1"),
    ("1", 1200, "x;y", "N", "*", "."),
    ("chr2", 3, ".", "A", ".", "DB"),
    ("HLA*01", 60, "long", "ACGTACGTACGTACGTACGT", "A", "NOTE=text"),
    ("MT", 0, ".", "N", "N[1:5[,]1:7]N", "AF=0.5,0.25"),
    ("MT", 900, ".", "G", "GATTACA,<*>", "AC=300,70000"),
]

_HEADER = (
    "##fileformat=VCFv4.2\n"
    '##FILTER=<ID=PASS,Description="All, filters">\n'
    '##contig=<ID=1,length=1500,note="a, b">\n##contig=<ID=chr2,length=7>\n'
    "##contig=<ID=HLA*01>\n##contig=<ID=MT,length=1100>\n"
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="x">\n##INFO=<ID=AN,Number=1,Type=Integer,Description="x">\n'
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="x">\n##INFO=<ID=NOTE,Number=1,Type=String,Description="x">\n'
    '##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
)


def vcf(samples: int) -> bytes:
    """A VCF with some samples."""
    header = _HEADER + "".join(["\tFORMAT", *(f"\tS{number}" for number in range(samples))][: samples + 1])
    lines = [header if samples else _HEADER]
    for number, (chrom, pos, name, ref, alt, info) in enumerate(_RECORDS):
        line = f"{chrom}\t{pos}\t{name}\t{ref}\t{alt}\t{number * 7 or '.'}\tPASS\t{info}"
        lines.append(line + ("\tGT:DP" + f"\t0/1:{number * 100}" * samples if samples else ""))
    return ("\n".join(lines) + "\n").encode()


BED = (
    b"# comment\ntrack name=x\n1\t10\t20\n1\t15\t40\tname\t0\t+\nchr2\t0\t7\nMT\t100\t101\tx\n"
    b"1\t1200\t1300\n1\t40\t50\nMT\t90\t700\n"
)


def packed(content: bytes, block: int = 200) -> bytes:
    """Bytes compressed with bgzip, in many small blocks."""
    file = io.BytesIO()
    writer = bgzf.BgzfWriter(fileobj=file)
    for at in range(0, len(content), block):
        writer.write(content[at : at + block])
        writer.flush()
    # What close() does, which would take the bytes away.
    file.write(bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000"))
    return file.getvalue()


def bcf(content: bytes) -> bytes:
    """The decompressed BCF of a VCF; needs bcftools."""
    done = subprocess.run(["bcftools", "view", "-Ou"], input=content, capture_output=True, check=True)
    return gzip.decompress(done.stdout) if done.stdout[:2] == b"\x1f\x8b" else done.stdout


def index(folder: Path, content: bytes, name: str) -> dict[str, bytes]:
    """The files of an index of a FASTA file, by their endings."""
    folder.mkdir()
    path = folder / name
    path.write_bytes(content)
    Genome(path)
    return {made.name.removeprefix(name): made.read_bytes() for made in folder.glob(f"{name}.*")}


_NAMES = [
    ("stem.1.branch.", "stem.1.conv1d_block."),
    *((f"tower.{n}.0.", f"tower.tower.{n}.0.conv1d_block.") for n in range(4)),
    *((f"tower.{n}.1.branch.", f"tower.tower.{n}.1.conv1d_block.") for n in range(4)),
    *(
        (f"dilated.{n}.branch.{m}.", f"dilated_x.y.{n}.conv1d_block_{m + 1}.conv1d_block.")
        for n in range(2)
        for m in range(2)
    ),
    ("features.", "pointwise.conv1d_block."),
    ("head.", "head.0."),
]
"""Our names of the network's stages, and the authors'."""


def checkpoint(network: MIFM) -> bytes:
    """A network in the format of the authors' checkpoint."""
    root = nn.Sequential()
    for name, tensor in network.state_dict().items():
        theirs = next((name.replace(a, b, 1) for a, b in _NAMES if name.startswith(a)), name)
        *stages, leaf = theirs.split(".")
        module: nn.Module = root
        for stage in stages:
            if stage not in module._modules:
                module.add_module(stage, nn.Sequential())
            module = module._modules[stage]
        value = tensor.squeeze(-1) if name == "head.weight" else tensor
        module.register_buffer(leaf, value.clone())
    assert isinstance(root._buffers, (dict, OrderedDict))
    file = io.BytesIO()
    torch.save(root, file)
    return file.getvalue()
