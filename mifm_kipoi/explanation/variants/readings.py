"""What the network reads around variants: contributions of the bases of both alleles, and substitutions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.attribution.mutations import Mutagenesis
from mifm_kipoi.conventions import MAX_N_FRACTION, Status
from mifm_kipoi.explanation.variants.alignment import NOTHING, Alignment, on_columns
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.mutagenesis.mutate import substitution_logits
from mifm_kipoi.network.attribution import DeepLift, observed
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import VariantWindows, cut_windows

METHODS = ("deeplift", "ism")
"""How contributions are computed: DeepLIFT against shuffled windows, or in-silico mutagenesis."""

_LETTERS = np.array([*encoding.BASES, "N"])

Numbers = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Allele:
    """One allele of a variant on the columns of its alignment.

    Parameters
    ----------
    codes : numpy.ndarray of uint8, shape (window,)
        The whole window.
    logit : float
        Of the window.
    contributions : numpy.ndarray of float32, shape (span,)
        Of the bases to the logit; NaN in columns that the allele leaves open.
    bases : str
        A letter for each column, ``-`` where it is open.
    method : str
        Of :data:`METHODS`.
    delta : float
        By how much all contributions of the window miss the logit less that of the references; NaN where
        they need not add up.
    """

    codes: npt.NDArray[np.uint8]
    logit: float
    contributions: Numbers
    bases: str
    method: str
    delta: float


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the network reads around one variant.

    Parameters
    ----------
    variant : Variant
        It has windows.
    alignment : Alignment
        Of its alleles.
    ref, alt : Allele
        The alleles.
    effects : numpy.ndarray of float32, shape (span, 4)
        Change of the logit when a base of the reference window is replaced by A, C, G or T: 0 for the base
        that is there, NaN in columns that REF leaves open or that have N.
    """

    variant: Variant
    alignment: Alignment
    ref: Allele
    alt: Allele
    effects: Numbers

    @property
    def change(self) -> float:
        """The logit of ALT less that of REF."""
        return self.alt.logit - self.ref.logit

    @property
    def larger_than(self) -> float:
        """The fraction of the shown SNVs of other bases that change the logit less; NaN without any."""
        outside = np.ones(len(self.effects), dtype=bool)
        outside[slice(*self.alignment.allele)] = False
        others = self.effects[outside]
        known = np.array([letter in encoding.BASES for letter in self.ref.bases])[outside]
        sizes = np.sort(np.abs(others[known]), axis=1)[:, 1:]
        return float(np.mean(sizes < abs(self.change))) if sizes.size else float("nan")


def read_variants(
    variants: Sequence[Variant],
    genome: Genome,
    predictor: Predictor,
    deep_lift: DeepLift | None,
    span: int,
    max_n_fraction: float = MAX_N_FRACTION,
    on_progress: Callable[[int], None] | None = None,
    chunk: int = 8,
) -> list[Reading]:
    """Read around variants.

    Parameters
    ----------
    variants : sequence of Variant
        Each has windows.
    genome : Genome
        Reference genome.
    predictor : Predictor
        Of the network, with windows of 512 bases.
    deep_lift : DeepLift, optional
        Gives the contributions; in-silico mutagenesis does without it, and where a window has N.
    span : int
        Columns that are kept.
    max_n_fraction : float
        See :func:`mifm_kipoi.cut_windows`.
    on_progress : callable, optional
        Gets how many variants are done.
    chunk : int
        Variants that are computed together.

    Raises
    ------
    ValueError
        When a variant has no windows.
    """
    readings: list[Reading] = []
    for first in range(0, len(variants), chunk):
        part = variants[first : first + chunk]
        windows = cut_windows(part, genome, max_n_fraction)
        for variant, status in zip(part, windows.status, strict=True):
            if status is not Status.OK:
                raise ValueError(f"{variant} has no windows: {status}")
        alignments = [Alignment.of(variant, span) for variant in part]
        shown = np.zeros(windows.ref.shape, dtype=bool)
        for row, alignment in enumerate(alignments):
            shown[row, alignment.ref[alignment.ref != NOTHING]] = True
        codes = np.concatenate([windows.ref, windows.alt])
        logits = np.concatenate(predictor.variant_logits(windows.ref, windows.alt))
        contributions, methods, deltas = _contributions(windows, predictor, deep_lift)
        ref_logit, substituted = substitution_logits(predictor, windows.ref, shown)
        effects = substituted - ref_logit[:, None, None]
        for row, (variant, alignment) in enumerate(zip(part, alignments, strict=True)):
            alleles = [
                Allele(
                    codes[number],
                    float(logits[number]),
                    on_columns(contributions[number], indices),
                    _bases(codes[number], indices),
                    methods[number],
                    float(deltas[number]),
                )
                for number, indices in ((row, alignment.ref), (row + len(part), alignment.alt))
            ]
            own = on_columns(effects[row], alignment.ref)
            known = np.array([encoding.BASES.find(letter) for letter in alleles[0].bases])
            columns = np.flatnonzero(known >= 0)
            own[columns, known[columns]] = 0
            ref, alt = alleles
            readings.append(Reading(variant, alignment, ref, alt, own))
        if on_progress:
            on_progress(len(readings))
    return readings


def _contributions(
    windows: VariantWindows, predictor: Predictor, deep_lift: DeepLift | None
) -> tuple[Numbers, list[str], Numbers]:
    """Contributions in the reference windows, then in the others, with the method and the delta of each."""
    codes = np.concatenate([windows.ref, windows.alt])
    known = np.all([(each != encoding.NO_BASE).all(axis=1) for each in (windows.ref, windows.alt)], axis=0)
    lifted = np.tile(known & (deep_lift is not None), 2)
    contributions = np.zeros(codes.shape, dtype=np.float32)
    deltas = np.full(len(codes), np.nan, dtype=np.float32)
    rows = np.flatnonzero(lifted)
    if deep_lift is not None and len(rows):
        # Both alleles are compared with the same shuffles: else all of their differences would be noise.
        found = deep_lift(codes[rows], np.tile(windows.ref, (2, 1))[rows])
        contributions[rows] = observed(found.hypothetical, codes[rows])
        deltas[rows] = found.delta
    rows = np.flatnonzero(~lifted)
    if len(rows):
        found = Mutagenesis(predictor)(codes[rows])
        contributions[rows] = observed(found.hypothetical, codes[rows])
    return contributions, [METHODS[0] if row else METHODS[1] for row in lifted.tolist()], deltas


def _bases(codes: npt.NDArray[np.uint8], indices: npt.NDArray[np.int64]) -> str:
    letters = np.where(indices == NOTHING, "-", _LETTERS[codes[np.clip(indices, 0, None)]])
    return "".join(letters.tolist())
