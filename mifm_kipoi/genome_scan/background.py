"""``mifm genome background`` from files to files: how the scores of weights are spread over a genome."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mifm_kipoi.conventions import MAX_N_FRACTION, WINDOW
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.background import Background, LogitCounts
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import EMBEDDED, NO_LICENCE, Weights, find_weights, load_weights, save_weights
from mifm_kipoi.sequence.contig_blocks import ContigBlock, contig_blocks
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, written_whole
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

TABLE = ".npz"
"""Ending of an output that is the background alone, as this package has those of the known weights."""

WEIGHTS = ".safetensors"
"""Ending of an output that is the weights with their background."""


@dataclasses.dataclass(frozen=True)
class BackgroundRun:
    """Over which positions to measure the scores of which weights, and where to keep that.

    All positions count that :func:`mifm_kipoi.cut_windows` makes reference windows of.

    Parameters
    ----------
    fasta : path-like
        Reference genome, plain or bgzip.
    weights : str or path-like
        See :func:`mifm_kipoi.load_weights`.
    output : path-like, optional
        Ends in ``.safetensors`` (the weights with their background) or ``.npz`` (the background alone). By
        default the file of the weights is replaced by one that has it too.
    contigs : sequence of str
        By any of their names; all of the FASTA by default.
    name : str, optional
        What the background is of, in words, for reports: by default the FASTA's name and the contigs.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    threads : int, optional
        That scan side by side, a block of positions each; by default the CPUs that this process may use.

    Raises
    ------
    OptionError
        When the output has another ending, or would have to be the embedded weights.
    """

    fasta: str | os.PathLike[str]
    weights: str | os.PathLike[str] = EMBEDDED
    output: str | os.PathLike[str] | None = None
    contigs: Sequence[str] = ()
    name: str | None = None
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.output is None and _is_embedded(self.weights):
            raise OptionError(
                "the embedded weights are part of the package and are not replaced; name an output, such as "
                "-o mine.safetensors"
            )
        if self.output is not None and Path(self.output).suffix not in (WEIGHTS, TABLE):
            raise OptionError(f"the output is {self.output}; expected a name in {WEIGHTS} or {TABLE}")

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> BackgroundResult:
        """Scan, count and write.

        Parameters
        ----------
        on_progress : callable, optional
            Receives after each block the positions that are done, those without a window included, and which
            fraction of the contigs' that is.

        Returns
        -------
        BackgroundResult

        Raises
        ------
        MIFMError
            When an input cannot be read, no position can be scored, or the output cannot be written.
        """
        path = find_weights(self.weights)
        if self.output is None and path.is_symlink():
            raise OptionError(f"{path} is a link, and nothing is written through it; name an output with -o")
        output = path if self.output is None else Path(self.output)
        check_outputs([output], [self.fasta] if self.output is None else [self.fasta, path])
        genome = Genome(self.fasta)
        weights = load_weights(self.weights)
        contigs = genome.select(self.contigs or None)
        window = weights.config.window
        if window > WINDOW:
            raise InputError(f"the network of {path} reads windows of {window} bp; expected at most {WINDOW}")
        scan = Scan(weights.model().to(find_device(self.device)), path=path)
        counts = LogitCounts()
        blocks = _scorable_blocks(genome, contigs)
        length = sum(contigs.values())
        before = dict(zip(contigs, itertools.accumulate(contigs.values(), initial=0), strict=False))
        for block, logits in scan.logits_of(blocks, self.threads or usable_cpus()):
            counts.add(logits[block.scorable])
            if on_progress:
                done = before[block.contig] + block.end
                on_progress(done, done / length)
        if on_progress:
            # What comes last may have had no window.
            on_progress(length, 1.0)
        if not counts.total:
            raise InputError(
                f"no position of {', '.join(contigs)} of {self.fasta} has a window that can be scored"
            )
        source = {
            "name": self.name or f"{genome.path.name}: {', '.join(contigs)}",
            "fasta": described(genome.path),
            "contigs": contigs,
            "max_n_fraction": MAX_N_FRACTION,
            "weights": weights.identity,
            "scan": scan.identity,
            "mifm_kipoi": __version__,
        }
        background = counts.background(source)
        self._write(output, weights, background)
        return BackgroundResult(output, background)

    @staticmethod
    def _write(output: Path, weights: Weights, background: Background) -> None:
        if output.suffix == WEIGHTS:
            # The note beside the embedded weights does not go with a copy of them.
            licence = {} if weights.licence == NO_LICENCE else {"licence": weights.licence}
            save_weights(output, weights.model(), {**licence, **weights.provenance}, background)
            return
        with written_whole(output) as temporary:
            temporary.write_bytes(background.to_bytes())


@dataclasses.dataclass(frozen=True)
class BackgroundResult:
    """A background that was measured.

    Parameters
    ----------
    output : Path
        The file that has it.
    background : Background
        How the logits are spread.
    """

    output: Path
    background: Background


def _is_embedded(weights: str | os.PathLike[str]) -> bool:
    """Whether weights are those of the package, by name or by path."""
    packaged = find_weights(EMBEDDED)
    return os.fspath(weights) == EMBEDDED or (os.path.exists(weights) and packaged.samefile(weights))


def _scorable_blocks(genome: Genome, contigs: Iterable[str]) -> Iterator[ContigBlock]:
    """The blocks that have positions with a window."""
    for contig in contigs:
        yield from (block for block in contig_blocks(genome, contig) if block.scorable.any())
