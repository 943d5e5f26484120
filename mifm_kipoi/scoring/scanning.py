"""Which variants are scored by a scan of their sequence, and which by windows of their own.

A scan (:mod:`mifm_kipoi.network.scan`) computes the logits of all positions of a region together, so it is
the cheaper way where variants stand close to each other. Consecutive records in one block of 4,096 positions
are a run, and the cheaper way is chosen for each run from its own variants. What a row gets, therefore, does
not depend on where a file is cut into chunks or shards, as long as they end where runs end.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import CHUNK, WINDOW
from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genetics.variant_lists import VariantList
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import Record, Variant, VariantFile, in_regions
from mifm_kipoi.sequence.contig_blocks import BLOCK

START = 2e6
"""What loading a scan costs, in microseconds."""

_LOOKED_AT = 4 * CHUNK
_JUDGED = CHUNK
_TEXT_BYTES = 1 << 26
"""Records, variants and bytes of text at the beginning of an input by which it is judged."""

_WORTH = 0.05
"""Part of the time of windows that the scan must save at the beginning of an input."""


@dataclasses.dataclass(frozen=True)
class Costs:
    """What the two ways cost on one thread, in microseconds; only the ratios matter.

    Parameters
    ----------
    window : float
        A reference window.
    pair : float
        An alternative of one base, by its window, where the reference window is there.
    position : float
        A position of a scan.
    substitution : float
        An alternative of one base in a scan.
    """

    window: float
    pair: float
    position: float
    substitution: float

    def of_windows(self, positions: int, substitutions: int) -> float:
        """Cost of SNVs, some of them at one position, in windows of their own."""
        return positions * self.window + substitutions * self.pair

    def of_scan(self, span: int, substitutions: int) -> float:
        """Cost of SNVs in a scan of so many positions, for which their surroundings are computed too."""
        return (span + WINDOW) * self.position + substitutions * self.substitution


COSTS = {
    "numba": Costs(window=130, pair=32, position=1.3, substitution=11),
    "pytorch": Costs(window=130, pair=32, position=5.3, substitution=18),
}
"""By the engine of the scan: those that give the CPU times of :class:`mifm_kipoi.scoring.scorer.Scorer` with
a variant every 4 to 100 bp (``python -m benchmarks.speed.dense``)."""


@dataclasses.dataclass(frozen=True)
class ScanRule:
    """How runs are chosen that are scanned.

    Parameters
    ----------
    costs : Costs
        Of the engine.
    always : bool
        Scan every run, whatever it costs.
    identity : dict of plain JSON types
        What the numbers of a scan depend on.
    """

    costs: Costs
    always: bool
    identity: dict[str, Any]

    def scans(self, starts: npt.NDArray[np.int64], substitutions: int) -> bool:
        """Whether a run is scanned.

        Parameters
        ----------
        starts : numpy.ndarray of int64, shape (n,)
            0-based positions of the variants of the run that have windows; one at least.
        substitutions : int
            SNVs among them. Of other variants the alternative has a window of its own either way.
        """
        span = int(starts.max() - starts.min()) + 1
        positions = len(np.unique(starts))
        return self.always or self.costs.of_scan(span, substitutions) < self.costs.of_windows(
            positions, substitutions
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types, for manifests."""
        return {**self.identity, "always": self.always, "costs": dataclasses.asdict(self.costs)}


def block_of(variant: Variant) -> tuple[str, int]:
    """The contig and the number of the block in which a variant stands."""
    return variant.chrom, variant.start // BLOCK


def pays(open_file: Callable[[], VariantFile | VariantList], regions: Regions | None, costs: Costs) -> bool:
    """Whether an input is large and dense enough that loading the scan pays.

    It depends on the input and the regions alone, and is cheap: the beginning of the input says what the
    scan saves for each record, and where that is much, it is seen whether there are as many records as save
    what loading costs. What is wrong with the input is left to those who read it.

    Parameters
    ----------
    open_file : callable
        Opens the input at its beginning; called up to two times.
    regions : Regions, optional
        As :func:`mifm_kipoi.scoring.records.read_chunks` takes them.
    costs : Costs
        Of the engine.
    """
    by_windows, saved, records = 0.0, 0.0, 0
    with open_file() as file:
        for length, positions, substitutions, span in _judged_runs(_beginning(file), regions):
            records += length
            if positions:
                windows = costs.of_windows(positions, substitutions)
                by_windows += windows
                saved += max(0.0, windows - costs.of_scan(span, substitutions))
    if not saved or saved < _WORTH * by_windows:
        return False
    enough = math.ceil(START * records / saved)
    try:
        with open_file() as file:
            return file.skip(enough) == enough
    except MIFMError:
        return False


def _beginning(file: VariantFile | VariantList) -> Iterator[Record]:
    """The first records, up to one that cannot be read."""
    records = itertools.islice(file, _LOOKED_AT)
    while file.text_bytes < _TEXT_BYTES:
        try:
            yield next(records)
        except (MIFMError, StopIteration):
            return


def _judged_runs(records: Iterator[Record], regions: Regions | None) -> Iterator[tuple[int, int, int, int]]:
    """Records of each run, and the distinct positions, SNVs and span of those in the regions."""
    judged = 0
    for _, grouped in itertools.groupby(records, lambda record: block_of(record.variants[0])):
        run = list(grouped)
        kept = [record for record in run if regions is None or in_regions(record, regions)]
        starts = {record.variants[0].start for record in kept}
        snvs = sum(variant.is_snv for record in kept for variant in record.variants)
        yield len(run), len(starts), snvs, max(starts) - min(starts) + 1 if starts else 0
        judged += sum(len(record.variants) for record in kept)
        if judged >= _JUDGED:
            return


def runs_of(variants: Sequence[Variant]) -> list[int]:
    """Lengths of the runs of variants, where nothing else is known of them."""
    return [len(list(run)) for _, run in itertools.groupby(variants, block_of)]
