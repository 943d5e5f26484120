"""Correlations of scores with measured effects: within each element, and their means over elements."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.evaluation.mpra.elements import Element
from mifm_kipoi.evaluation.mpra.records import (
    ALL,
    CONTROL,
    DISTANCE,
    HELD_OUT,
    SEEN,
    Question,
    Series,
    Source,
)
from mifm_kipoi.evaluation.mpra.table import Kind, Measured
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.statistics.bootstrap import RESAMPLES, Bootstrap, Statistic
from mifm_kipoi.statistics.correlation import partial, pearson, spearman
from mifm_kipoi.statistics.estimates import Estimate, Values, estimate, mean_of_units

MEASURES = ("spearman", "pearson", "partial", "difference")
"""Estimates of a table; the last two are Spearman's correlation given the distance to the centre, and its
difference to that of the distance."""

FEWEST_POSITIONS = 10
"""Positions of an element below which it does not count in means over elements."""

BLOCK_BP = 50
"""Length of the blocks of an element that are drawn together, as neighbouring positions are alike."""

_FEWEST_ROWS = 3
_DISTANCE = f"{CONTROL}.{DISTANCE.name}"


def series_of(sources: Sequence[Source]) -> list[Series]:
    """The series that are compared with measured effects.

    With the size of effects: scores that rank, and absolute values of signed scores. With the direction of
    effects: signed scores. Absolute values that equal a score that ranks are left out.

    Parameters
    ----------
    sources : sequence of Source
        Scores of models and controls.
    """
    return [each for source in sources for each in _series_of(source)]


def _series_of(source: Source) -> Iterator[Series]:
    declared = source.declaration.held_out if source.declaration else ()
    held_out = frozenset(contig_key(chrom) for chrom in declared)
    sizes = []
    for score in source.scores:
        name, values = source.column(score.name), source.columns[score.name]
        if score.ranks and not score.signed:
            sizes.append(values)
            yield Series(source.label, name, Question.SIZE, values, held_out)
    for score in (score for score in source.scores if score.signed):
        name, values = source.column(score.name), source.columns[score.name]
        yield Series(source.label, name, Question.DIRECTION, values, held_out)
        size = np.abs(values)
        scored = bool(np.isfinite(size).any())
        if not (scored and any(np.array_equal(size, known, equal_nan=True) for known in sizes)):
            yield Series(source.label, f"|{name}|", Question.SIZE, size, held_out)


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of intervals and strata.

    Parameters
    ----------
    resamples, seed : int
        Of the bootstrap.
    max_p : float, optional
        Effects with at most this p-value are a stratum of their own.
    """

    resamples: int = RESAMPLES
    seed: int = 1
    max_p: float | None = None

    @property
    def significant(self) -> str:
        """Name of the stratum."""
        return f"p<={self.max_p:g}" if self.max_p is not None else ""


def correlate(
    rows: pd.DataFrame, elements: Sequence[Element], series: Sequence[Series], options: Options
) -> pd.DataFrame:
    """Correlations within each element.

    Parameters
    ----------
    rows : pandas.DataFrame, n rows
        :attr:`mifm_kipoi.evaluation.mpra.table.Measurements.rows`.
    elements : sequence of Element
        Regulatory elements of the table.
    series : sequence of Series
        From :func:`series_of`, with those of the controls.
    options : Options
        Of intervals and strata.

    Returns
    -------
    pandas.DataFrame
        A row for each element, kind, stratum and series: ``element, chrom, start, end`` (1-based, both
        inside), ``kind, stratum, question, label, score, held_out, rows, positions, unscored`` (effects
        without the score), and the measures with ``_low`` and ``_high``, 95 % intervals by a bootstrap over
        blocks of positions, which are too narrow.
    """
    strata = [(ALL, np.ones(len(rows), dtype=bool))]
    if options.max_p is not None:
        strata.append((options.significant, rows["p_value"].to_numpy() <= options.max_p))
    distance = next(each for each in series if each.name == _DISTANCE)
    evaluated = (rows["measured"] == Measured.OK).to_numpy()
    records = []
    for element in elements:
        inside = evaluated & (rows["element"] == element.name).to_numpy()
        for kind in (Kind.SNV, Kind.DELETION):
            of_kind = inside & (rows["kind"] == kind).to_numpy()
            for stratum, chosen in strata:
                which = np.flatnonzero(of_kind & chosen)
                keys = {
                    "element": element.name, "chrom": element.chrom, "start": element.start + 1,
                    "end": element.end, "kind": str(kind), "stratum": stratum,
                }  # fmt: skip
                seed = (options.seed, *_seed_of(f"{element.name}\t{kind}\t{stratum}"))
                part = _Part(rows, which, distance.values, options.resamples, seed)
                records += [keys | _keys(each, element) | part.row(each) for each in series]
    return pd.DataFrame(records)


def _seed_of(text: str) -> tuple[int, ...]:
    """A seed from a name, so that an element has the same draws whatever else is in the table."""
    return tuple(hashlib.sha256(text.encode()).digest()[:8])


def _keys(series: Series, element: Element) -> dict[str, object]:
    return {
        "question": str(series.question),
        "label": series.label,
        "score": series.name,
        "held_out": contig_key(element.chrom) in series.held_out,
    }


class _Part:
    """Effects of one element, kind and stratum; rows with the same scores missing share their draws."""

    def __init__(
        self,
        rows: pd.DataFrame,
        which: npt.NDArray[np.intp],
        distance: Values,
        resamples: int,
        seed: tuple[int, ...],
    ) -> None:
        part = rows.iloc[which]
        self._which = which
        self._effects = part["coefficient"].to_numpy(dtype=float)
        self._positions = part["pos"].to_numpy(dtype=np.int64)
        self._distance = distance[which]
        self._resamples, self._seed = resamples, seed
        self._draws: dict[bytes, tuple[Bootstrap, Values]] = {}

    def row(self, series: Series) -> dict[str, object]:
        """Counts and estimates of one series."""
        values = series.values[self._which]
        scored = np.isfinite(values)
        row: dict[str, object] = {
            "rows": int(scored.sum()),
            "positions": len(np.unique(self._positions[scored])),
            "unscored": int((~scored).sum()),
        }
        estimates = dict.fromkeys(MEASURES, Estimate(np.nan))
        if scored.sum() >= _FEWEST_ROWS:
            estimates |= self._estimates(series, values[scored], scored)
        for name, one in estimates.items():
            row |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        return row

    def _estimates(
        self, series: Series, values: Values, scored: npt.NDArray[np.bool_]
    ) -> dict[str, Estimate]:
        bootstrap, control = self._drawn(scored)
        effects, distance = self._effects[scored], self._distance[scored]
        given_distance = series.question is Question.SIZE and series.name != _DISTANCE
        if series.question is Question.SIZE:
            effects = np.abs(effects)

        def correlations(weights: Values) -> Values:
            numbers = [spearman(effects, values, weights), pearson(effects, values, weights)]
            return np.stack([*numbers, *([spearman(values, distance, weights)] if given_distance else [])])

        ranks, *others = _and_resampled(bootstrap, correlations)
        measures = {"spearman": ranks, "pearson": others[0]}
        if given_distance:
            measures |= {"partial": partial(ranks, control, others[1]), "difference": ranks - control}
        return {
            name: estimate(float(numbers[0]), numbers[1:], bootstrap.blocks)
            for name, numbers in measures.items()
        }

    def _drawn(self, scored: npt.NDArray[np.bool_]) -> tuple[Bootstrap, Values]:
        """Resamples of the rows with scores, and the control's correlation with the size of their effects."""
        key = scored.tobytes()
        if key not in self._draws:
            bootstrap = Bootstrap.of_circular_blocks(
                self._positions[scored], BLOCK_BP, self._seed, self._resamples
            )
            sizes, distance = np.abs(self._effects[scored]), self._distance[scored]
            control = _and_resampled(bootstrap, lambda weights: spearman(sizes, distance, weights))
            self._draws[key] = bootstrap, control
        return self._draws[key]


def _and_resampled(bootstrap: Bootstrap, statistic: Statistic) -> Values:
    """A statistic of all rows, then under each resample: shape (..., 1 + resamples)."""
    value = statistic(np.ones((bootstrap.index.size, 1)))
    return np.concatenate([value, bootstrap.resampled(statistic)], axis=-1)


def summarise(by_element: pd.DataFrame) -> pd.DataFrame:
    """Means over elements, each of them one unit.

    Parameters
    ----------
    by_element : pandas.DataFrame
        From :func:`correlate`. Elements of fewer than :data:`FEWEST_POSITIONS` positions are left out.

    Returns
    -------
    pandas.DataFrame
        A row for each kind, stratum, series and group of elements (:data:`ALL`, and for models that held out
        chromosomes :data:`HELD_OUT` and :data:`SEEN`): ``kind, stratum, question, label, score, group,
        elements``, and the measures with ``_low`` and ``_high``, Student's 95 % intervals over elements, cut
        at the largest values that are possible.
    """
    keys = ["kind", "stratum", "question", "label", "score"]
    records = []
    for key, whole in by_element.groupby(keys, sort=False):
        part = whole[whole["positions"] >= FEWEST_POSITIONS]
        groups = {ALL: part}
        if part["held_out"].any():
            groups |= {HELD_OUT: part[part["held_out"]], SEEN: part[~part["held_out"]]}
        for group, members in groups.items():
            row = dict(zip(keys, key, strict=True))
            row |= {"group": group, "elements": int(members["spearman"].notna().sum())}
            for name in MEASURES:
                mean = mean_of_units(members[name].to_numpy(dtype=float))
                # Of few elements, Student's interval can reach beyond what is possible.
                most = 2 if name == "difference" else 1
                low, high = (float(np.clip(end, -most, most)) for end in (mean.low, mean.high))
                row |= {name: mean.value, f"{name}_low": low, f"{name}_high": high}
            records.append(row)
    return pd.DataFrame(records)
