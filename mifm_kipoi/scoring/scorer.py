"""Score variants under one or several weights: in chunks, as named columns, one row per ALT."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import (
    AUTO,
    CHUNK,
    FULL,
    MAX_MISMATCH_FRACTION,
    MAX_N_FRACTION,
    METHODS,
    PRECISIONS,
    SCAN,
    VARIANT_INDEX,
    WINDOW,
    WINDOWS,
    Status,
)
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.variant_lists import VariantList, open_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import Variant, VariantFile
from mifm_kipoi.network.weights import EMBEDDED, Weights, load_weights
from mifm_kipoi.scoring.records import ScoredVariants, read_chunks
from mifm_kipoi.scoring.scanning import COSTS, ScanRule, pays, runs_of
from mifm_kipoi.scoring.scores import (
    AVERAGED,
    LOGITS,
    PERCENTILES,
    SCORES,
    background_columns,
    variant_scores,
)
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.contig_blocks import ContigBlock, cut_block
from mifm_kipoi.sequence.windows import ReferenceCheck, VariantWindows, cut_windows
from mifm_kipoi.support.threads import ordered_map

if TYPE_CHECKING:
    import pandas as pd

    from mifm_kipoi.network.inference import Predictor
    from mifm_kipoi.network.scan import Scan


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
    method : str
        One of :data:`mifm_kipoi.conventions.METHODS`: how logits are computed, which are the same but
        for rounding. ``auto`` takes the faster way.

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
    method: str = AUTO

    def __post_init__(self) -> None:
        if not self.weights:
            raise OptionError("no weights are named; expected one name or more")
        if len(set(self.columns)) < len(self.columns):
            raise OptionError(f"weights {', '.join(self.weights)} are not distinguished by their names")
        if not 0 <= self.shift <= VARIANT_INDEX:
            raise OptionError(f"shift is {self.shift}; expected 0 to {VARIANT_INDEX} bases")
        if self.precision not in PRECISIONS:
            raise OptionError(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        if self.method not in METHODS:
            raise OptionError(f"method is {self.method!r}; expected one of {', '.join(METHODS)}")
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
        names = [*SCORES, *LOGITS, *PERCENTILES]
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
    rule : ScanRule, optional
        Which runs of variants are scanned (:func:`find_rule`); none by default.
    """

    def __init__(
        self,
        genome: Genome,
        options: ScoringOptions,
        device: str = "auto",
        batch_size: int | None = None,
        weights: Sequence[Weights] | None = None,
        rule: ScanRule | None = None,
    ) -> None:
        from mifm_kipoi.network.inference import Predictor, find_device

        self._genome, self._rule = genome, rule
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
        self._weights = weights
        self._predictors = [
            Predictor(each.model().to(torch_device), batch_size, options.precision, each.path)
            for each in weights
        ]
        self._scans: list[Scan] = []

    def __call__(self, variants: Sequence[Variant], runs: Sequence[int] | None = None) -> ScoredVariants:
        """Scores of variants; each has its row.

        Parameters
        ----------
        variants : sequence of Variant, length n
            In any order.
        runs : sequence of int, optional
            How many of them belong to each run (:mod:`mifm_kipoi.scoring.scanning`).
        """
        options = self._options
        margin = options.shift + options.reverse_complement
        windows = cut_windows(variants, self._genome, options.max_n_fraction, margin)
        rows = np.flatnonzero([reason is Status.OK for reason in windows.status])
        spans = self._spans(windows, rows, runs_of(variants) if runs is None else runs) if self._rule else []
        columns = {}
        for name, values in zip(options.columns, self._numbers(windows, rows, spans), strict=True):
            columns[name] = np.full(len(variants), np.nan, dtype=np.float32)
            columns[name][rows] = values[rows]
        return ScoredVariants(variants, windows.status, columns)

    def _spans(self, windows: VariantWindows, rows: npt.NDArray[np.intp], runs: Sequence[int]) -> list[_Span]:
        """The runs that are scanned."""
        assert self._rule is not None
        variants = windows.variants
        spans = []
        for of_run in np.split(rows, np.searchsorted(rows, np.cumsum(runs[:-1]))):
            if not of_run.size:
                continue
            starts = np.array([variants[row].start for row in of_run], dtype=np.int64)
            snv = np.array([len(variants[row].ref) == 1 == len(variants[row].alt) for row in of_run])
            if self._rule.scans(starts, int(snv.sum())):
                first, contig = int(starts.min()), self._genome.find_contig(variants[of_run[0]].chrom)
                assert contig is not None, "variants with windows are on contigs of the FASTA"
                block = cut_block(self._genome, contig, first, int(starts.max()) + 1)
                order = np.argsort(starts, kind="stable")
                spans.append(_Span(block, of_run[order], (starts - first)[order], snv[order]))
        return spans

    def _numbers(
        self, windows: VariantWindows, rows: npt.NDArray[np.intp], spans: Sequence[_Span]
    ) -> Iterator[npt.NDArray[np.float32]]:
        """The columns of numbers, each of all rows; what they are of rows without windows is left open."""
        whole = np.setdiff1d(rows, np.concatenate([span.rows for span in spans])) if spans else rows
        codes = windows.ref[whole], windows.alt[whole]
        for number, predictor in enumerate(self._predictors):
            logits = np.full((2, len(windows)), np.nan, dtype=np.float32)
            views = list(_views(self._options, *codes, predictor.window))
            if self._rule is None:
                logits[:, whole] = predictor.variant_logits(*views[0])
            else:
                logits[:, whole] = _in_any_company(
                    predictor, [windows.variants[row] for row in whole], *views[0]
                )
                self._scan(number, windows, spans, logits)
            scores = variant_scores(*logits)
            yield from scores.values()
            yield from logits
            yield from background_columns(self._weights[number].background, logits[0]).values()
            if self._options.averages:
                each = [{name: values[whole] for name, values in scores.items()}]
                each += [variant_scores(*predictor.variant_logits(*view)) for view in views[1:]]
                for name in SCORES:
                    mean = np.full(len(windows), np.nan, dtype=np.float32)
                    mean[whole] = np.mean([of_view[name] for of_view in each], axis=0)
                    yield mean

    def _scan(
        self,
        number: int,
        windows: VariantWindows,
        spans: Sequence[_Span],
        logits: npt.NDArray[np.float32],
    ) -> None:
        """Fill in the logits of the rows of spans: of references and SNVs by a scan, of others by windows."""
        import torch

        from mifm_kipoi.network.scan import Scan
        from mifm_kipoi.network.scan.engines import one_thread_each

        if not spans:
            return
        if not self._scans:
            # Loading it takes as long as thousands of windows, and many inputs never need it.
            self._scans = [Scan(each.model(), path=each.path) for each in self._weights]
        scan, predictor = self._scans[number], self._predictors[number]

        def fill_in(span: _Span) -> None:
            bases = windows.alt[span.rows[span.snv], VARIANT_INDEX]
            ref, alt = scan.substituted(span.block.windows_of(scan.window), span.offsets[span.snv], bases)
            logits[0, span.rows] = ref[span.offsets]
            logits[1, span.rows[span.snv]] = alt

        threads = min(torch.get_num_threads(), len(spans))
        with one_thread_each(threads):
            collections.deque(ordered_map(fill_in, spans, threads), maxlen=0)
        others = np.concatenate([span.rows[~span.snv] for span in spans])
        margin = (WINDOW - predictor.window) // 2
        alt = windows.alt[others, margin : margin + predictor.window]
        logits[1, others] = _padded(lambda codes: (predictor.logits(codes),), alt)[0]


def _in_any_company(
    predictor: Predictor,
    variants: Sequence[Variant],
    ref: npt.NDArray[np.uint8],
    alt: npt.NDArray[np.uint8],
    index: int,
) -> npt.NDArray[np.float32]:
    """Logits of reference and alternative windows, shape (2, n), the same bits whatever else is computed.

    The kernels of PyTorch round the last rows of a batch differently, unless their number is a multiple of 16
    for each thread: so SNVs with their references, each once, and all other windows are computed apart.
    """
    logits = np.empty((2, len(variants)), dtype=np.float32)
    snv = np.array([len(variant.ref) == 1 == len(variant.alt) for variant in variants], dtype=bool)
    sites = itertools.groupby(variants, lambda variant: (variant.chrom, variant.pos))
    allele = np.array([number for _, site in sites for number, _ in enumerate(site)], dtype=np.intp)
    for number in np.unique(allele[snv]):
        rows = np.flatnonzero(snv & (allele == number))
        logits[:, rows] = _padded(
            functools.partial(predictor.variant_logits, index=index), ref[rows], alt[rows]
        )
    others = np.flatnonzero(~snv)
    for side, codes in enumerate((ref, alt)):
        logits[side, others] = _padded(lambda windows: (predictor.logits(windows),), codes[others])[0]
    return logits


def _padded(
    call: Callable[..., Sequence[npt.NDArray[np.float32]]], *codes: npt.NDArray[np.uint8]
) -> list[npt.NDArray[np.float32]]:
    """What a call gives for windows, the last of which is repeated up to such a multiple."""
    import torch

    rows = len(codes[0])
    more = -rows % (_ROWS * torch.get_num_threads()) if rows else 0
    padded = (np.concatenate([each, np.repeat(each[-1:], more, axis=0)]) for each in codes)
    return [values[:rows] for values in call(*padded)]


_ROWS = 16
"""Rows of a batch that the kernels of PyTorch compute together, on each thread."""


@dataclasses.dataclass(frozen=True)
class _Span:
    """A run of variants that is scanned.

    Parameters
    ----------
    block : ContigBlock
        From the first of their positions to the last.
    rows : numpy.ndarray of int, shape (n,)
        Of the chunk, in the order of their positions.
    offsets : numpy.ndarray of int64, shape (n,)
        Their positions in the block.
    snv : numpy.ndarray of bool, shape (n,)
        Whether one base is substituted.
    """

    block: ContigBlock
    rows: npt.NDArray[np.intp]
    offsets: npt.NDArray[np.int64]
    snv: npt.NDArray[np.bool_]


def find_rule(
    options: ScoringOptions,
    weights: Sequence[Weights],
    device: str,
    open_file: Callable[[], VariantFile | VariantList] | None,
    regions: Regions | None = None,
) -> ScanRule | None:
    """Which runs of an input are scanned: the same for all its parts.

    Parameters
    ----------
    options : ScoringOptions
        What decides the numbers.
    weights : sequence of Weights
        Those of the options.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    open_file : callable or None
        Opens the input at its beginning; None where it can be read only once.
    regions : Regions, optional
        Only variants that overlap them are scored.

    Returns
    -------
    ScanRule or None
        None where each variant gets windows of its own.

    Raises
    ------
    OptionError
        When the method is ``scan``, and another option rules it out.
    """
    from mifm_kipoi.network.scan.engines import engine_of, identity_of

    if options.method == WINDOWS:
        return None
    if reason := _why_no_scan(options, weights, device):
        if options.method == SCAN:
            raise OptionError(f"method is {SCAN}, and {reason}; expected {AUTO} or {WINDOWS}")
        return None
    engine = engine_of()
    rule = ScanRule(COSTS[engine], options.method == SCAN, identity_of(engine))
    if rule.always:
        return rule
    return rule if open_file is not None and pays(open_file, regions, rule.costs) else None


def _why_no_scan(options: ScoringOptions, weights: Sequence[Weights], device: str) -> str:
    """Why variants cannot be scanned; empty where they can."""
    from mifm_kipoi.network.inference import find_device

    if options.averages:
        return "scores are averaged over strands or shifts"
    if (kind := find_device(device).type) != "cpu":
        return f"the device is {kind}"
    for each in weights:
        if each.config.channels > encoding.NO_BASE:
            return f"the network of {each.path} reads the variant token"
    return ""


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
    weights = [load_weights(name) for name in options.weights]
    kept = Regions(regions, genome) if regions else None
    open_file = functools.partial(open_variants, variants, genome, positions=positions)
    with open_file() as file:
        again = open_file if Path(variants).is_file() else None
        rule = find_rule(options, weights, device, again, kept)
        scorer = Scorer(genome, options, device, batch_size, weights, rule)
        check = ReferenceCheck(genome, options.max_mismatch_fraction)
        for chunk in read_chunks(file, kept, chunk_size=chunk_size, whole_runs=rule is not None):
            scored = scorer(chunk.variants, chunk.runs)
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
