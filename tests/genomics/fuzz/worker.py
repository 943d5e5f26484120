"""A process that reads damaged files, so that a crash or an endless loop ends it and not the tests."""

from __future__ import annotations

import contextlib
import gc
import io
import multiprocessing
import os
import resource
import sys
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

MEMORY = 4 << 30
"""Bytes of address space that a case may ask for."""

Answer = tuple[str, Any]
"""``read`` and what was read, ``refused`` and the message, or ``failed`` and what happened."""


class Worker:
    """Runs cases in another process, which is started anew when a case ends it.

    Parameters
    ----------
    limit : float
        Seconds that a case may take.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._process: Any = None

    def __call__(self, kind: str, path: Path, **options: Any) -> Answer:
        """Have a file read."""
        if self._process is None:
            self._start()
        self._connection.send((kind, path, options))
        try:
            if self._connection.poll(self._limit):
                answer: Answer = self._connection.recv()
                return answer
            reason = f"no answer within {self._limit:g} s"
        except EOFError:
            self._process.join(10)
            reason = f"the process ended with {self._process.exitcode}"
        self.stop()
        return "failed", reason

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        assert self._connection.poll(120), "the process did not start"
        self._connection.recv()

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(connection: Connection) -> None:
    import torch

    from mifm_kipoi.errors import MIFMError

    torch.set_num_threads(1)
    hidden: list[str] = []
    sys.unraisablehook = lambda problem: hidden.append(f"unraisable {problem.exc_value!r}")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("error")
    gc.collect()
    gc.freeze()
    connection.send("ready")
    while True:
        try:
            kind, path, options = connection.recv()
        except EOFError:
            return
        answer: Answer
        try:
            answer = "read", _READERS[kind](path, **options)
        except MIFMError as error:
            answer = "refused", str(error)
            del error
        except BaseException:
            answer = "failed", traceback.format_exc()
        gc.collect()
        gc.freeze()
        if hidden:
            answer = "failed", "\n".join(hidden)
            hidden.clear()
        connection.send(answer)


def _variants(path: Path, genome: Path) -> list[tuple[str, int, str, str]]:
    """Rows of a VCF or BCF file, which must all come through the stream of windows too."""
    from mifm_kipoi.genomics.genome import Genome
    from mifm_kipoi.genomics.variants import read_variants
    from mifm_kipoi.sequence.windows import stream_windows

    variants = list(read_variants(path))
    chunks = list(stream_windows(variants, Genome(genome), max_mismatch_fraction=1.0))
    assert [variant for chunk in chunks for variant in chunk.variants] == variants
    return [(variant.chrom, variant.pos, variant.ref, variant.alt) for variant in variants]


def _intervals(path: Path, genome: Path) -> list[tuple[str, int, int]]:
    """Rows of a BED file, which must all have a window or a reason."""
    from mifm_kipoi.genomics.genome import Genome
    from mifm_kipoi.genomics.intervals import read_intervals
    from mifm_kipoi.sequence.windows import cut_interval_windows

    intervals = list(read_intervals(path))
    if intervals:
        codes, status = cut_interval_windows(intervals, Genome(genome))
        assert len(codes) == len(status) == len(intervals)
    return [(interval.chrom, interval.start, interval.end) for interval in intervals]


def _regions(path: Path) -> dict[str, list[tuple[int, int]]]:
    from mifm_kipoi.genomics.intervals import Regions

    regions = Regions(path)
    return {chrom: list(zip(starts, ends, strict=True)) for chrom, (starts, ends) in regions._merged.items()}


def _genome(path: Path, block: int, vcf: Path) -> dict[str, bytes]:
    """All bases, read in blocks of some size; windows of variants are cut as well."""
    from mifm_kipoi.genomics import genome as module
    from mifm_kipoi.genomics.variants import read_variants
    from mifm_kipoi.sequence.windows import stream_windows

    module._BLOCK = block
    try:
        genome = module.Genome(path)
        contigs = {name: genome.fetch(name, 0, size).tobytes() for name, size in genome.contigs.items()}
        variants = list(read_variants(vcf))
        chunks = stream_windows(variants, genome, max_mismatch_fraction=1.0)
        assert sum(len(chunk) for chunk in chunks) == len(variants)
    finally:
        module._BLOCK = 1 << 16
    return contigs


def _command(path: Path, command: str, data: Path) -> tuple[int, str, str]:
    """Exit code and output of ``mifm weights``."""
    from mifm_kipoi.cli import main

    os.environ["XDG_DATA_HOME"] = str(data)
    arguments = ["weights", command, str(path)] + (["--name", "fuzzed"] if command == "import" else [])
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


_READERS: dict[str, Callable[..., Any]] = {
    "variants": _variants,
    "intervals": _intervals,
    "regions": _regions,
    "genome": _genome,
    "command": _command,
}
