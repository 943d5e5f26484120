"""Damaged input is an error or is read whole: never a traceback, a crash, a hang or a lost row.

Every reader gets damaged, cut, spliced and random files for a bounded time, in a process of its own. What
it reads is compared with what a slow, obvious parser reads in the same bytes.

``MIFM_FUZZ_SECONDS`` (default 16, with 300 cases of a kind at most) is the time for all kinds of files
together, and ``MIFM_FUZZ_SEED`` (default 0) begins other cases. A case depends on the seed, its kind and
its number only. A failure names the three, and the folder in which its files are kept; ``MIFM_FUZZ_FIRST``
(default 0) begins at its number.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import random
import shutil
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.network.weights import save_weights
from tests.builders import TINY, random_network
from tests.genomics.fuzz import oracles, originals
from tests.genomics.fuzz.mutations import mutate
from tests.genomics.fuzz.oracles import UnreadableError
from tests.genomics.fuzz.worker import Answer, Worker

SECONDS = float(os.environ.get("MIFM_FUZZ_SECONDS", "16"))
SEED = os.environ.get("MIFM_FUZZ_SEED", "0")
CASES = 1_000_000_000 if "MIFM_FUZZ_SECONDS" in os.environ else 300
FIRST = int(os.environ.get("MIFM_FUZZ_FIRST", "0"))

LIMIT = 30.0
"""Seconds for one case, of which the slowest takes a tenth of one; the rest is for a busy machine."""

needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
needs_bedtools = pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(LIMIT)
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FASTA file, whole."""
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_bytes(originals.FASTA)
    return path


Case = Callable[[random.Random, Path], None]


def fuzz(kind: str, fraction: float, folder: Path, case: Case) -> None:
    """Run numbered cases for a share of the time, at least three."""
    end = time.monotonic() + fraction * SECONDS
    number = FIRST
    while number < FIRST + 3 or (time.monotonic() < end and number < FIRST + CASES):
        place = folder / f"case{number}"
        place.mkdir()
        try:
            case(random.Random(f"{SEED} {kind} {number}"), place)
        except Exception as error:
            pytest.fail(f"case {number} of {kind!r}, seed {SEED}, files in {place}: {error}")
        shutil.rmtree(place)
        number += 1
    logging.getLogger(__name__).warning("%s: %d cases", kind, number - FIRST)


def read(answer: Answer) -> object:
    """What was read, or None where it was refused."""
    verdict, value = answer
    assert verdict in ("read", "refused"), value
    assert verdict == "read" or len(value) > 20, f"an error that explains nothing: {value!r}"
    return value if verdict == "read" else None


def same(found: object, oracle: Callable[[bytes], object], content: bytes) -> None:
    """What was read, if anything, is what the oracle reads."""
    if found is None:
        return
    try:
        expected = oracle(oracles.unpacked(content))
    except UnreadableError as error:
        raise AssertionError(f"was read, although: {error}; as {found}") from error
    assert found == expected, f"was read as {found}; expected {expected}"


@pytest.mark.parametrize("samples", [0, 2])
def test_vcf(worker: Worker, genome: Path, tmp_path: Path, samples: int) -> None:
    whole, other = originals.vcf(samples), originals.vcf(2 - samples)
    assert read(answer_of(worker, genome, tmp_path / "x.vcf", whole)) == oracles.vcf_rows(whole)

    def case(rng: random.Random, folder: Path) -> None:
        content = mutate(rng, whole, other)
        stored = originals.packed(content) if rng.random() < 0.1 else content
        path = folder / rng.choice(["x.vcf", "x.vcf", "x.vcf.gz", "x.bcf", "x"])
        same(read(answer_of(worker, genome, path, stored)), oracles.vcf_rows, stored)

    fuzz(f"VCF with {samples} samples", 0.1, tmp_path, case)


def answer_of(worker: Worker, genome: Path, path: Path, content: bytes) -> Answer:
    path.write_bytes(content)
    return worker("variants", path, genome=genome)


@needs_bcftools
def test_compressed_variants(worker: Worker, genome: Path, tmp_path: Path) -> None:
    """Checksums guard what is compressed: it is all there, or it is refused."""
    text = originals.vcf(2)
    files = [
        originals.packed(text),
        originals.packed(text, 30),
        gzip.compress(text, mtime=0),
        originals.packed(originals.bcf(text)),
        originals.packed(originals.bcf(text), 30),
    ]
    rows = oracles.vcf_rows(text)
    for whole in files:
        assert read(answer_of(worker, genome, tmp_path / "x", whole)) == rows

    def case(rng: random.Random, folder: Path) -> None:
        content = mutate(rng, rng.choice(files), rng.choice(files))
        path = folder / "x.vcf.gz"
        found = read(answer_of(worker, genome, path, content))
        # What is repeated can be a whole block, which nothing distinguishes from one that was there before.
        if found not in (None, rows):
            is_bcf = oracles.unpacked(content)[:3] == b"BCF"
            same(found, oracles.bcf_rows if is_bcf else oracles.vcf_rows, content)

    fuzz("compressed variants", 0.15, tmp_path, case)


@needs_bcftools
def test_every_cut_of_compressed_variants(worker: Worker, genome: Path, tmp_path: Path) -> None:
    text = originals.vcf(0)
    files = {
        "VCF": originals.packed(text),
        "gzip": gzip.compress(text, mtime=0),
        "BCF": originals.packed(originals.bcf(text)),
    }
    end = time.monotonic() + 0.1 * SECONDS
    cuts = [(kind, size) for kind, whole in files.items() for size in range(len(whole))]
    random.Random(SEED).shuffle(cuts)
    for kind, size in cuts:
        if time.monotonic() > end:
            break
        found = read(answer_of(worker, genome, tmp_path / "x", files[kind][:size]))
        assert found is None, f"a {kind} file cut to {size} of {len(files[kind])} bytes was read"


@needs_bcftools
def test_bcf(worker: Worker, genome: Path, tmp_path: Path) -> None:
    """Damaged BCF without checksums is read as a parser of our own reads it, byte by byte, or is refused."""
    files = [originals.bcf(originals.vcf(samples)) for samples in (0, 2)]
    for whole in files:
        found = read(answer_of(worker, genome, tmp_path / "x", whole))
        assert found == oracles.vcf_rows(originals.vcf(0)) == oracles.bcf_rows(whole)

    def case(rng: random.Random, folder: Path) -> None:
        content = mutate(rng, rng.choice(files), rng.choice(files))
        same(read(answer_of(worker, genome, folder / "x.bcf", content)), oracles.bcf_rows, content)

    fuzz("BCF", 0.15, tmp_path, case)


def test_bed(worker: Worker, genome: Path, tmp_path: Path) -> None:
    def case(rng: random.Random, folder: Path) -> None:
        path = folder / rng.choice(["x.bed", "x.bed.gz"])
        content = mutate(rng, originals.BED, originals.vcf(0))
        if rng.random() < 0.2:
            content = mutate(rng, originals.packed(originals.BED, 50))
        path.write_bytes(content)
        same(read(worker("intervals", path, genome=genome)), oracles.bed_rows, content)

    fuzz("BED", 0.1, tmp_path, case)


@needs_bedtools
def test_regions(worker: Worker, tmp_path: Path) -> None:
    whole = originals.BED

    def merged(content: bytes) -> object:
        """Regions whose contigs have one name."""
        return oracles.merged([(contig_key(chrom), *ends) for chrom, *ends in oracles.bed_rows(content)])

    def case(rng: random.Random, folder: Path) -> None:
        path = folder / rng.choice(["x.bed", "x.bed.gz"])
        content = mutate(rng, whole, originals.vcf(0))
        path.write_bytes(content)
        found = read(worker("regions", path))
        same(found, merged, content)

    fuzz("regions", 0.1, tmp_path, case)


def test_fasta(worker: Worker, tmp_path: Path) -> None:
    """A damaged FASTA file with the index that is made of it, or with that of the original."""
    whole = originals.FASTA
    vcf = tmp_path / "x.vcf"
    vcf.write_bytes(originals.vcf(0))
    index = originals.index(tmp_path / "index", whole, "x.fa")

    def case(rng: random.Random, folder: Path) -> None:
        content = mutate(rng, whole, whole.replace(b"60", b"61")) if rng.random() < 0.8 else whole
        path = folder / rng.choice(["x.fa"] * 8 + ["x", "x.fa.gz", "x.zip"])
        path.write_bytes(content)
        if content == whole or rng.random() < 0.5:
            write_index(rng, path, index)
        found = read(worker("genome", path, block=rng.choice([50, 61, 1 << 16]), vcf=vcf))
        same(found, oracles.fasta_contigs, content)

    fuzz("FASTA", 0.15, tmp_path, case)


def write_index(rng: random.Random, path: Path, index: dict[str, bytes]) -> None:
    """Write an index that is no older than its file, now and then damaged."""
    for ending, content in index.items():
        damaged = rng.random() < 0.5
        Path(f"{path}{ending}").write_bytes(mutate(rng, content) if damaged else content)


def test_compressed_fasta(worker: Worker, tmp_path: Path) -> None:
    whole = originals.packed(originals.FASTA, 400)
    vcf = tmp_path / "x.vcf"
    vcf.write_bytes(originals.vcf(0))
    index = originals.index(tmp_path / "index", whole, "x.fa.gz")
    assert set(index) == {".fai", ".gzi"}

    def case(rng: random.Random, folder: Path) -> None:
        content = mutate(rng, whole) if rng.random() < 0.4 else whole
        path = folder / rng.choice(["x.fa.gz"] * 8 + ["x", "x.fa", "x.bgz"])
        path.write_bytes(content)
        if content == whole or rng.random() < 0.5:
            write_index(rng, path, index)
        found = read(worker("genome", path, block=rng.choice([50, 61, 1 << 16]), vcf=vcf))
        # The bits that fill the last byte of a block can change without a change of what it holds.
        if found != oracles.fasta_contigs(originals.FASTA):
            same(found, oracles.fasta_contigs, content)

    fuzz("compressed FASTA", 0.1, tmp_path, case)


def test_weights(worker: Worker, tmp_path: Path) -> None:
    """The commands give 0, or 1 with one line that says what is wrong."""
    save_weights(tmp_path / "tiny.safetensors", random_network(TINY), {"made": "by a test"})
    tensors = (tmp_path / "tiny.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", tensors)
    checkpoint = originals.checkpoint(random_network())

    def run(path: Path, content: bytes, command: str) -> int:
        path.write_bytes(content)
        answer = worker("command", path, command=command, data=path.parent / "data")
        assert answer[0] == "read", answer[1]
        code, out, err = answer[1]
        assert (code, bool(out), bool(err)) in [(0, True, False), (1, False, True)], answer[1]
        assert code == 0 or (err.startswith("mifm: error: ") and err.count("\n") == 1), err
        return int(code)

    assert run(tmp_path / "x.safetensors", tensors, "show") == 0
    assert run(tmp_path / "x.ckpt", checkpoint, "import") == 0

    def case(rng: random.Random, folder: Path) -> None:
        kind = rng.randrange(5)
        if kind == 0:
            run(folder / "x.safetensors", mutate(rng, tensors), rng.choice(["show", "import"]))
        elif kind == 1:
            header = mutate(rng, tensors[8 : 8 + length])
            content = struct.pack("<Q", len(header)) + header + tensors[8 + length :]
            run(folder / "x.safetensors", content, rng.choice(["show", "import"]))
        elif kind == 2:
            header = json.loads(tensors[8 : 8 + length])
            key = rng.choice(list(header["__metadata__"]))
            text = mutate(rng, header["__metadata__"][key].encode()).decode(errors="replace")
            header["__metadata__"][key] = text
            content = json.dumps(header).encode()
            content = struct.pack("<Q", len(content)) + content + tensors[8 + length :]
            run(folder / "x.safetensors", content, rng.choice(["show", "import"]))
        elif kind == 3:
            run(folder / "x.ckpt", mutate(rng, checkpoint), "import")
        else:
            run(folder / "x.ckpt", with_pickle(checkpoint, lambda content: mutate(rng, content)), "import")

    fuzz("weights", 0.15, tmp_path, case)


def with_pickle(checkpoint: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A checkpoint with another pickle, under a checksum of its own."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, change(content) if name.endswith("data.pkl") else content)
    return file.getvalue()
