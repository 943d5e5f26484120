"""Score variants under one or several weights: in chunks, as named columns, one row per ALT."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import (
    CHUNK,
    FULL,
    MAX_MISMATCH_FRACTION,
    MAX_N_FRACTION,
    PRECISIONS,
    VARIANT_INDEX,
    WINDOW,
    Status,
)
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.variant_lists import open_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.weights import EMBEDDED, Weights, load_weights
from mifm_kipoi.scoring.records import ScoredVariants, read_chunks
from mifm_kipoi.scoring.scores import AVERAGED, LOGITS, SCORES, variant_scores
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import ReferenceCheck, VariantWindows, cut_windows

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class ScoringOptions:
    """What decides the numbers.

    Parameters
    ----------
    weights : tuple of str
        Names or paths; with more than one, each column ends in the name of its weights.
    reverse_complement : bool
        Average over both strands too.
    shift : int
        Average over windows that are shifted by up to this many bases to either side too.
    max_n_fraction, max_mismatch_fraction : float
        See :func:`mifm_kipoi.cut_windows` and :func:`mifm_kipoi.stream_windows`.
    precision : str
        ``fp32``, or on a GPU ``bf16`` or ``fp16``; see :class:`mifm_kipoi.Predictor`.

    Raises
    ------
    OptionError
        When a value is impossible.
    """

    weights: tuple[str, ...] = (EMBEDDED,)
    reverse_complement: bool = False
    shift: int = 0
    max_n_fraction: float = MAX_N_FRACTION
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    precision: str = FULL

    def __post_init__(self) -> None:
        if not self.weights:
            raise OptionError("no weights are named; expected one name or more")
        if len(set(self.columns)) < len(self.columns):
            raise OptionError(f"weights {', '.join(self.weights)} are not distinguished by their names")
        if not 0 <= self.shift <= VARIANT_INDEX:
            raise OptionError(f"shift is {self.shift}; expected 0 to {VARIANT_INDEX} bases")
        if self.precision not in PRECISIONS:
            raise OptionError(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        for name in ("max_n_fraction", "max_mismatch_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} is {getattr(self, name)}; expected a fraction from 0 to 1")

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the weights; of a path, the file's name without its ending."""
        return tuple(Path(name).name.removesuffix(".safetensors") for name in self.weights)

    @property
    def averages(self) -> bool:
        """Whether there are columns of averages."""
        return self.reverse_complement or self.shift > 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of numbers, in their order."""
        names = [*SCORES, *LOGITS]
        if self.averages:
            names += [f"{name}_{AVERAGED}" for name in SCORES]
        if len(self.weights) == 1:
            return tuple(names)
        return tuple(f"{name}_{label}" for label in self.labels for name in names)


class Scorer:
    """Scores chunks of variants.

    Parameters
    ----------
    genome : Genome
        Reference genome.
    options : ScoringOptions
        What decides the numbers.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    batch_size : int, optional
        Pairs of windows that the network reads together.
    weights : sequence of Weights, optional
        Those of the options, where they have been read already.
    """

    def __init__(
        self,
        genome: Genome,
        options: ScoringOptions,
        device: str = "auto",
        batch_size: int | None = None,
        weights: Sequence[Weights] | None = None,
    ) -> None:
        from mifm_kipoi.network.inference import Predictor, find_device

        self._genome = genome
        self._options = options
        torch_device = find_device(device)
        if options.precision != FULL and torch_device.type != "cuda":
            raise OptionError(f"precision {options.precision} needs a GPU; the device is {torch_device}")
        weights = weights or [load_weights(name) for name in options.weights]
        for each in weights:
            window = each.config.window
            if not 2 * (options.shift + 1) <= window <= WINDOW:
                raise OptionError(
                    f"the network of {each.path} reads windows of {window} bp; expected at most {WINDOW}, "
                    f"and at least {2 * (options.shift + 1)} for shift {options.shift}"
                )
        self._predictors = [
            Predictor(each.model().to(torch_device), batch_size, options.precision, each.path)
            for each in weights
        ]

    def __call__(self, variants: Sequence[Variant]) -> ScoredVariants:
        """Scores of variants; each has its row."""
        options = self._options
        margin = options.shift + options.reverse_complement
        windows = cut_windows(variants, self._genome, options.max_n_fraction, margin)
        rows = [row for row, reason in enumerate(windows.status) if reason is Status.OK]
        columns = {}
        for name, values in zip(options.columns, self._numbers(windows, rows), strict=True):
            columns[name] = np.full(len(variants), np.nan, dtype=np.float32)
            columns[name][rows] = values
        return ScoredVariants(variants, windows.status, columns)

    def _numbers(self, windows: VariantWindows, rows: list[int]) -> Iterator[npt.NDArray[np.float32]]:
        """The columns of numbers of the rows that have windows."""
        codes = windows.ref[rows], windows.alt[rows]
        for predictor in self._predictors:
            views = list(_views(self._options, *codes, predictor.window))
            each = [variant_scores(*(logits := predictor.variant_logits(*view))) for view in views[:1]]
            yield from each[0].values()
            yield from logits
            if self._options.averages:
                each += [variant_scores(*predictor.variant_logits(*view)) for view in views[1:]]
                for name in SCORES:
                    mean: npt.NDArray[np.float32] = np.mean([scores[name] for scores in each], axis=0)
                    yield mean


_View = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], int]
"""Reference and alternative windows, and the index of the variant's base in them."""


def _views(
    options: ScoringOptions, ref: npt.NDArray[np.uint8], alt: npt.NDArray[np.uint8], window: int
) -> Iterator[_View]:
    """The middle of the window itself, then those that it is averaged with, from windows with a margin."""
    margin = options.shift + options.reverse_complement + (WINDOW - window) // 2
    index = window // 2 - 1
    shifts = sorted(range(-options.shift, options.shift + 1), key=abs)
    for shift in shifts:
        start = margin + shift
        yield ref[:, start : start + window], alt[:, start : start + window], index - shift
    for shift in shifts if options.reverse_complement else ():
        # The base at index 256 of 512 is at 255 of the reverse complement.
        start = margin - 1 - shift
        ref_window, alt_window = (
            encoding.reverse_complement(codes[:, start : start + window]) for codes in (ref, alt)
        )
        yield ref_window, alt_window, index - shift


def iter_scores(
    variants: str | os.PathLike[str],
    fasta: str | os.PathLike[str],
    options: ScoringOptions | None = None,
    *,
    regions: str | os.PathLike[str] | None = None,
    positions: str | os.PathLike[str] | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    chunk_size: int = CHUNK,
) -> Iterator[ScoredVariants]:
    """Score the variants of a file, in chunks of some thousand and in constant memory.

    Parameters
    ----------
    variants : path-like
        VCF (plain, gzip, bgzip) or BCF file, or a table of variants
        (:mod:`mifm_kipoi.genetics.variant_lists`).
    fasta : path-like
        Reference genome, plain or bgzip.
    options : ScoringOptions, optional
        What decides the numbers; by default the scores of the embedded weights.
    regions : path-like, optional
        BED file; only variants that overlap its regions are scored.
    positions : path-like, optional
        VCF or .bim file that knows the identifiers of a table without positions.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    batch_size : int, optional
        Pairs of windows that the network reads together.
    chunk_size : int
        Variants that are read, cut and scored together.

    Yields
    ------
    ScoredVariants
        One row per ALT, in the order of the file.

    Raises
    ------
    MIFMError
        When a file cannot be read, an option is impossible, or too many REF alleles differ from the FASTA.
    """
    options = options or ScoringOptions()
    genome = Genome(fasta)
    scorer = Scorer(genome, options, device, batch_size)
    check = ReferenceCheck(genome, options.max_mismatch_fraction)
    with open_variants(variants, genome, positions=positions) as file:
        for chunk in read_chunks(file, Regions(regions, genome) if regions else None, chunk_size=chunk_size):
            scored = scorer(chunk.variants)
            check.add(scored.variants, scored.status)
            yield scored


def score_variants(
    variants: str | os.PathLike[str],
    fasta: str | os.PathLike[str],
    options: ScoringOptions | None = None,
    *,
    regions: str | os.PathLike[str] | None = None,
    positions: str | os.PathLike[str] | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    chunk_size: int = CHUNK,
) -> pd.DataFrame:
    """Score the variants of a file; see :func:`iter_scores`.

    Returns
    -------
    pandas.DataFrame
        One row per ALT, in the order of the file: ``chrom, pos, id, ref, alt``, the columns of
        :attr:`ScoringOptions.columns` and ``status``.
    """
    import pandas as pd

    chunks = iter_scores(
        variants,
        fasta,
        options,
        regions=regions,
        positions=positions,
        device=device,
        batch_size=batch_size,
        chunk_size=chunk_size,
    )
    tables = [scored.to_frame() for scored in chunks]
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
