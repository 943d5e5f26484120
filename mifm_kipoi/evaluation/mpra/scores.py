"""Scores of the substitutions of elements: of models, of MIFM's attributions, and of controls."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from mifm_kipoi.baselines.mifm import MIFMBaseline
from mifm_kipoi.baselines.protocol import Baseline, Evidence, Score
from mifm_kipoi.conventions import MAX_N_FRACTION, WINDOW, Status
from mifm_kipoi.evaluation.mpra.elements import Element, as_variants
from mifm_kipoi.evaluation.mpra.records import CONTROL, DISTANCE, Source
from mifm_kipoi.evaluation.mpra.table import NO_VARIANT, Kind, Measured
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.mutagenesis.mutate import Score as Effect
from mifm_kipoi.mutagenesis.mutate import mutate
from mifm_kipoi.mutagenesis.targets import Centre, Target
from mifm_kipoi.network.inference import Predictor, find_device
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import ReferenceCheck
from mifm_kipoi.support.progress import Progress

ATTRIBUTION = Score(
    "attribution",
    "change of the logit of a window that is not centred on the substitution, but on the element, or on the "
    "nearest of the windows that are tiled over it",
    ranks=False,
    signed=True,
    evidence=Evidence.SEQUENCE,
)

RANDOM = Score("random", "a uniform random number", evidence=Evidence.ANNOTATION)

NOT_A_SUBSTITUTION = "not_an_exchange"
"""Status of attributions of deletions, which substitute no base."""


@dataclasses.dataclass(frozen=True)
class LocatedRows:
    """The rows of the table, and the genome in which they are scored.

    Parameters
    ----------
    rows : pandas.DataFrame, n rows
        :attr:`mifm_kipoi.evaluation.mpra.table.Measurements.rows`.
    elements : sequence of Element
        Those of the rows, located on the genome.
    genome : Genome
        Has the contigs of the elements.
    alone : bool
        Whether the genome consists of the elements only, without the sequence around them.
    max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.
    """

    rows: pd.DataFrame
    elements: Sequence[Element]
    genome: Genome
    alone: bool
    max_mismatch_fraction: float

    @property
    def max_n_fraction(self) -> float:
        """Largest fraction of N in windows that MIFM reads: any, where the genome is the elements only."""
        return 1.0 if self.alone else MAX_N_FRACTION


def model_scores(
    label: str, baseline: Baseline, located: LocatedRows, show: bool | None = None
) -> Iterator[Source]:
    """Scores of a model, and its attributions where it is a MIFM with windows of 512 bp.

    Where the genome is the elements only, the limit on N in windows is lifted for MIFM; other models follow
    their own rule, and those that read no sequence are asked for the positions of the table.

    Parameters
    ----------
    label : str
        Name of the model, with which its columns begin.
    baseline : Baseline
        The model.
    located : LocatedRows
        The rows and their genome.
    show : bool, optional
        Whether to show progress; by default where standard error is a terminal.

    Raises
    ------
    ReferenceMismatchError
        When too many bases of the table differ from the genome.
    """
    if isinstance(baseline, MIFMBaseline) and located.alone:
        baseline = baseline.with_max_n_fraction(located.max_n_fraction)
    declaration = baseline.declaration
    columns = {name: np.full(len(located.rows), np.nan) for name in declaration.columns}
    variants, status = as_variants(located.rows, located.elements, located.genome)
    rows = [row for row, variant in enumerate(variants) if variant is not None]
    asked = [variant for variant in variants if variant is not None]
    if declaration.window is None:
        asked = _on_chromosomes(asked, located.elements)
    check = ReferenceCheck(located.genome, located.max_mismatch_fraction)
    with contextlib.closing(Progress(f"variants of {label}", show)) as progress:
        for first in range(0, len(asked), baseline.chunk_size):
            part = slice(first, first + baseline.chunk_size)
            scored = baseline.score(asked[part], located.genome)
            if not located.alone:
                check.add(scored.variants, scored.status)
            for name, values in columns.items():
                values[rows[part]] = scored.columns[name]
            for row, reason in zip(rows[part], scored.status, strict=True):
                status[row] = str(reason)
            done = first + len(scored.status)
            progress.update(done, done / len(asked))
    yield Source(label, declaration.scores, columns, status, f"{label}.status", declaration)
    if isinstance(baseline, MIFMBaseline) and declaration.window == WINDOW:
        yield _attributions(label, baseline, located)


def _on_chromosomes(variants: Sequence[Variant], elements: Sequence[Element]) -> list[Variant]:
    """Variants as they are on the contigs of the table."""
    by_contig = {element.contig: element for element in elements}
    return [
        dataclasses.replace(
            variant,
            chrom=by_contig[variant.chrom].chrom,
            pos=variant.pos + by_contig[variant.chrom].offset,
        )
        for variant in variants
    ]


def tiles(length: int, reach: int) -> list[tuple[int, int, int]]:
    """Parts of an element, each with the centre of the window in which its bases are substituted.

    Parameters
    ----------
    length : int
        Of the element.
    reach : int
        How many bases from its centre a window reads on either side.

    Returns
    -------
    list of (int, int, int)
        First base, the one behind the last, and the centre, from 0: as few parts as ``reach`` allows,
        of lengths as equal as can be.
    """
    number = -(-length // (2 * reach + 1))
    bounds = [length * index // number for index in range(number + 1)]
    return [(start, end, start + (end - start - 1) // 2) for start, end in itertools.pairwise(bounds)]


def _attributions(label: str, baseline: MIFMBaseline, located: LocatedRows) -> Source:
    changes, reasons = _substitutions(baseline, located)
    rows = located.rows[["element", "pos", "ref", "alt", "kind", "measured"]]
    values = np.full(len(rows), np.nan)
    status: list[str] = []
    for row, (name, pos, ref, alt, kind, measured) in enumerate(rows.itertuples(index=False)):
        reason = str(measured)
        if measured not in NO_VARIANT:
            reason = NOT_A_SUBSTITUTION if kind == Kind.DELETION else reasons[name, pos]
            if reason == Status.OK and (name, pos, ref, alt) not in changes:
                reason = str(Status.REF_MISMATCH)
            elif reason == Status.OK:
                values[row] = changes[name, pos, ref, alt]
        status.append(reason)
    column = f"{label}.{ATTRIBUTION.name}_status"
    return Source(label, (ATTRIBUTION,), {ATTRIBUTION.name: values}, status, column, baseline.declaration)


def _substitutions(
    baseline: MIFMBaseline, located: LocatedRows
) -> tuple[dict[tuple[str, int, str, str], float], dict[tuple[str, int], str]]:
    """Changes of the logit by element, 1-based position, REF and ALT; statuses by element and position."""
    device = find_device(baseline.compute.device)
    weights, batch_size = baseline.weights, baseline.compute.batch_size
    predictor = Predictor(weights.model().to(device), batch_size, path=weights.path)
    read_from, read_to = predictor.network.receptive_field
    centre = baseline.weights.config.variant_index
    reach = min(centre - read_from, read_to - 1 - centre)
    targets = [
        Target(number, element.name, element.contig, low + start, low + end, low + middle, Status.OK)
        for number, element in enumerate(located.elements)
        for low in (element.start - element.offset,)
        for start, end, middle in tiles(len(element), reach)
    ]
    changes: dict[tuple[str, int, str, str], float] = {}
    reasons: dict[tuple[str, int], str] = {}
    for effects in mutate(targets, located.genome, predictor, Centre.VARIANT, located.max_n_fraction):
        target = effects.target
        element = located.elements[target.number]
        # Where the whole window has no score, there are no positions.
        span = range(target.start + element.offset + 1, target.end + element.offset + 1)
        statuses = effects.status or [target.status] * len(span)
        reasons |= {(element.name, pos): str(reason) for pos, reason in zip(span, statuses, strict=True)}
        bases = effects.ref.tobytes().decode()
        for pos, base, of_alts in zip(span, bases, effects.scores()[Effect.LOGIT].tolist(), strict=False):
            changes |= {
                (element.name, pos, base, alt): change
                for alt, change in zip(encoding.BASES, of_alts, strict=True)
            }
    return changes, reasons


def control_scores(rows: pd.DataFrame, elements: Sequence[Element], generator: np.random.Generator) -> Source:
    """Controls that do not read the sequence.

    Rows of elements without a substitution or deletion of one base, which have no middle, have none, nor do
    rows that a lift-over lost.
    """
    middles = {element.name: element.middle for element in elements}
    middle = rows["element"].map(middles).to_numpy(dtype=float)
    lost = rows["measured"].isin([Measured.LOST, Measured.AMBIGUOUS]).to_numpy()
    placed = np.isfinite(middle) & ~lost
    columns = {
        DISTANCE.name: np.where(placed, -np.abs(rows["pos"].to_numpy(dtype=float) - middle), np.nan),
        RANDOM.name: np.where(placed, generator.uniform(size=len(rows)), np.nan),
    }
    status = [
        str(Status.OK if known else measured if gone else Measured.OTHER_KIND)
        for known, gone, measured in zip(placed, lost, rows["measured"], strict=True)
    ]
    return Source(CONTROL, (DISTANCE, RANDOM), columns, status, f"{CONTROL}.status")
