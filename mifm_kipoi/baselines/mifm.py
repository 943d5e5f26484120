"""MIFM itself, under any weights, as one source of scores among others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Evidence, Score
from mifm_kipoi.conventions import CHUNK, MAX_N_FRACTION
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.background import Background
from mifm_kipoi.network.training_sets import Seen, most_seen, training_sets
from mifm_kipoi.network.weights import EMBEDDED, PUBLISHED, Weights, load_weights
from mifm_kipoi.scoring.records import ScoredVariants
from mifm_kipoi.scoring.scorer import Scorer, ScoringOptions
from mifm_kipoi.scoring.scores import PERCENTILES, SCORES
from mifm_kipoi.sequence.windows import variant_index

CITATION = "Rakowski A, Lippert C (2026) PLoS Genet 22(6): e1012208"


HELD_OUT = ("9", "10")
"""Chromosomes of the authors' test split, held out by intention (docs/results/model-card.md)."""

_KNOWN = (
    "trained on credible sets of CAUSALdb2; chromosomes 9 and 10 were meant to be held out, which the "
    "checkpoint cannot confirm; fine-mapped variants of all others may have been in its training bags"
)
_UNKNOWN = "the weights are your own: variants of the blocks that they were trained on do not test them"


_CHROMOSOMES = (*map(str, range(1, 23)), "X", "Y")


def held_out(weights: Weights) -> tuple[str, ...]:
    """Chromosomes that neither trained the weights nor chose their epoch; none where that is not known.

    Parameters
    ----------
    weights : Weights
        Those of this package by intention, others by their provenance.
    """
    if weights.name in (EMBEDDED, PUBLISHED):
        return HELD_OUT
    return tuple(chrom for chrom in _CHROMOSOMES if _seen(weights, chrom) is Seen.NO)


def leakage(weights: Weights) -> str:
    """Which labels the weights may have seen, in words.

    Parameters
    ----------
    weights : Weights
        Any; their provenance says it.
    """
    if weights.name in (EMBEDDED, PUBLISHED):
        return _KNOWN
    seen = {chrom: _seen(weights, chrom) for chrom in _CHROMOSOMES}
    if Seen.UNKNOWN in seen.values():
        return _UNKNOWN
    trained, chose = (
        ", ".join(chrom for chrom, kind in seen.items() if kind is wanted)
        for wanted in (Seen.CHROMOSOME, Seen.VALIDATION)
    )
    tables = dict.fromkeys(name for one in training_sets(weights) for name, _ in one.tables)
    words = f"trained on chromosomes {trained or 'none'}" + (f" of {', '.join(tables)}" if tables else "")
    return words + (f"; {chose} chose the epoch" if chose else "")


def _seen(weights: Weights, chrom: str) -> Seen:
    return most_seen([one.seen("", chrom) for one in training_sets(weights)])


class MIFMBaseline:
    """The score of the reference window, and the effect of the alternative allele on it.

    Parameters
    ----------
    weights : str
        Name or path (:func:`mifm_kipoi.load_weights`).
    compute : ComputeOptions, optional
        Where and how it computes.
    max_n_fraction : float
        Largest fraction of N in a window that is scored (:func:`mifm_kipoi.cut_windows`).
    """

    chunk_size = CHUNK

    def __init__(
        self,
        weights: str = EMBEDDED,
        compute: ComputeOptions | None = None,
        max_n_fraction: float = MAX_N_FRACTION,
    ) -> None:
        self._options = ScoringOptions(weights=(weights,), max_n_fraction=max_n_fraction)
        self._weights = load_weights(weights)
        self._compute = compute or ComputeOptions()
        self._scorer: tuple[Genome, Scorer] | None = None

    @property
    def weights(self) -> Weights:
        """The weights of the network."""
        return self._weights

    @property
    def compute(self) -> ComputeOptions:
        """Where and how it computes."""
        return self._compute

    def with_max_n_fraction(self, fraction: float) -> MIFMBaseline:
        """The same with another limit on N in windows."""
        return MIFMBaseline(self._options.weights[0], self._compute, fraction)

    @property
    def device(self) -> str:
        """The type of the device."""
        from mifm_kipoi.network.inference import find_device

        return find_device(self._compute.device).type

    @property
    def declaration(self) -> Declaration:
        """What it declares about itself."""
        window = self._weights.config.window
        fraction = self._options.max_n_fraction
        limit = {} if fraction == MAX_N_FRACTION else {"max_n_fraction": fraction}
        background = self._weights.background
        against: dict[str, Any] = {"background": background.identity} if background else {}
        if tables := {name: sha256 for one in training_sets(self._weights) for name, sha256 in one.tables}:
            against["trained_on"] = tables
        return Declaration(
            name=f"MIFM ({self._options.labels[0]})",
            scores=(
                Score(
                    "mifm_ref", "the MIFM score, 0 to 1, of the reference window", evidence=Evidence.SEQUENCE
                ),
                Score(
                    "mifm_alt",
                    "the score of the alternative window, an extension",
                    ranks=False,
                    evidence=Evidence.SEQUENCE,
                ),
                Score(
                    "mifm_delta",
                    "mifm_alt - mifm_ref, an extension",
                    ranks=False,
                    signed=True,
                    evidence=Evidence.SEQUENCE,
                ),
                Score("mifm_abs_delta", "|mifm_alt - mifm_ref|, an extension", evidence=Evidence.SEQUENCE),
                *(_among_positions(background) if background else ()),
            ),
            alleles="reference and alternative window; the left flank is kept",
            formula="sigmoid of the logit of each window",
            citation=CITATION,
            window=window,
            variant_index=variant_index(window),
            tracks=1,
            provenance={**self._weights.identity, **limit, **against},
            held_out=held_out(self._weights),
            leakage=leakage(self._weights),
        )

    def score(self, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:
        """See :meth:`mifm_kipoi.baselines.protocol.Baseline.score`."""
        if self._scorer is None or self._scorer[0] is not genome:
            device, batch_size = self._compute.device, self._compute.batch_size
            self._scorer = genome, Scorer(genome, self._options, device, batch_size, [self._weights])
        scored = self._scorer[1](variants)
        names = (*SCORES, *(PERCENTILES if self._weights.background else ()))
        columns = {name: scored.columns[name].astype(np.float64) for name in names}
        columns["mifm_abs_delta"] = np.abs(columns["mifm_delta"])
        return ScoredVariants(variants, scored.status, columns)


def _among_positions(background: Background) -> tuple[Score, ...]:
    """What ``mifm_ref`` is among the positions of a background; it ranks variants as ``mifm_ref`` does."""
    f = f"f the fraction of {background.positions:,} positions ({background.name}) that score as high"
    meanings = (f"100 (1 - f), {f}", "-10 log10(f)")
    return tuple(
        Score(name, meaning, ranks=False, evidence=Evidence.SEQUENCE)
        for name, meaning in zip(PERCENTILES, meanings, strict=True)
    )


def find_mifm(argument: str) -> None:
    """See :attr:`mifm_kipoi.baselines.specs.Kind.finder`.

    Raises
    ------
    WeightsError
        When there are no such weights.
    """
    load_weights(argument or EMBEDDED)


def find_published(argument: str) -> None:
    """As :func:`find_mifm`."""
    assert not argument
    load_weights(PUBLISHED)


def open_mifm(argument: str, compute: ComputeOptions) -> MIFMBaseline:
    """``mifm[:WEIGHTS]``."""
    return MIFMBaseline(argument or EMBEDDED, compute)


def open_published(argument: str, compute: ComputeOptions) -> MIFMBaseline:
    """``published``."""
    assert not argument
    return MIFMBaseline(PUBLISHED, compute)
