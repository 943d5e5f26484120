"""The report of ranked variants: tables, figures and numbers; the words are in ``report.md.jinja``."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.conventions import Status
from mifm_kipoi.explanation.ranking.candidates import SCORE
from mifm_kipoi.explanation.ranking.figures import locus_figure, shown_region
from mifm_kipoi.explanation.ranking.posteriors import FOLDS, MIN_REGIONS, Posteriors
from mifm_kipoi.explanation.ranking.ranked import (
    WITH,
    WITHOUT,
    Agreement,
    Ranked,
    agreement,
    loci_table,
    strongest,
)
from mifm_kipoi.finemapping.leakage import Leakage
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.network.training_sets import Seen, most_seen
from mifm_kipoi.network.weights import EMBEDDED, PUBLISHED
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Section, Table, percent, settings_table, with_interval
from mifm_kipoi.reports.regional import Track
from mifm_kipoi.reports.wording import (
    described,
    p_text,
    percentile_text,
    pip_text,
    score_text,
    short_name,
    whole_text,
)

MOST_LOCI = 100
"""Loci in the tables of the page."""

FIRST = 10
"""Variants of the first table, of all loci."""

BY_STUDY = 3
"""Variants of a locus that the table of top variants shows for what the study says, beside those by score."""

_TEMPLATE = Path(__file__).with_name("report.md.jinja")

_FEW_REGIONS = 10

_LOCI = "in_loci"
"""Column of the number of loci that a variant is in."""

_EVIDENCE = {"pip": "highest PIP", WITHOUT: "highest ABF posterior", "neg_log10_p": "lowest p-value"}

TrackOf = Callable[[Locus], Track | None]
"""Gives the score of every position of a region; None where there is none."""


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """What a report shows, and what it says of where the scores come from.

    Parameters
    ----------
    input : str
        Name of the file.
    scores_are : str
        Where the scores come from, in words.
    weights : str
        Name of the weights; empty where it is not known.
    leakage : Leakage
        What the weights have seen; of nothing where they are not known.
    tables : tuple of (str, str)
        Names and sha256 of the tables of the study.
    background : str
        Whose positions percentiles are among.
    lines : tuple of (float, str)
        Scores of percentiles, and what stands at them in figures.
    top : int
        Variants of a locus by score.
    figures : int
        Loci with a figure.
    settings : mapping of str to plain types
        Inputs and options.
    notes : tuple of str
        On inputs and tracks, each without its full stop.
    """

    input: str
    scores_are: str
    weights: str = ""
    leakage: Leakage = dataclasses.field(default_factory=Leakage)
    tables: tuple[tuple[str, str], ...] = ()
    background: str = ""
    lines: tuple[tuple[float, str], ...] = ()
    top: int = 5
    figures: int = 30
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


def report(
    ranked: Ranked,
    options: ReportOptions,
    lengths: Mapping[str, int] | None = None,
    track_of: TrackOf | None = None,
) -> tuple[str, list[Section]]:
    """The title and the sections.

    Parameters
    ----------
    ranked : Ranked
        The variants.
    options : ReportOptions
        What is shown.
    lengths : mapping of str to int, optional
        Of contigs, at which figures end.
    track_of : callable, optional
        Gives the score of every position of a region.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    figures: dict[str, Callable[[], bytes]] = {}
    shown = []
    for number, region in shown_regions(ranked, options.figures, lengths or {}).items():
        name = f"locus_{number + 1:04d}"
        track = track_of(region) if track_of else None
        figures[name] = _drawing(ranked, number, region, track, options.lines)
        shown.append(_figure_words(ranked, number, name, track))
    return prose.rendered(_TEMPLATE, {**_values(ranked, options), "figures": shown}, figures)


def shown_regions(ranked: Ranked, figures: int, lengths: Mapping[str, int]) -> dict[int, Locus]:
    """The regions of the figures, by the numbers of their loci, from 0.

    Parameters
    ----------
    ranked : Ranked
        The variants.
    figures : int
        Loci with a figure.
    lengths : mapping of str to int
        Of contigs, at which figures end.
    """
    places = ranked.loci.places
    return {
        number: shown_region(places[number], lengths.get(places[number][0]))
        for number in strongest(ranked, figures)
    }


def _drawing(
    ranked: Ranked, number: int, region: Locus, track: Track | None, lines: tuple[tuple[float, str], ...]
) -> Callable[[], bytes]:
    tracks = () if track is None else (track,)
    return lambda: png(locus_figure(ranked, number, region, tracks, lines))


def _figure_words(ranked: Ranked, number: int, name: str, track: Track | None) -> dict[str, str]:
    row = loci_table(dataclasses.replace(ranked, table=ranked.of_locus(number))).iloc[0]
    caption = "Letters mark the variant of the highest score and those that come first by the study"
    if track is not None:
        caption += "; the lowest panel is the score of every position, with rings at the marked variants"
    words = [f"{row['top_mifm']} has the highest score ({row['top_mifm_score']:.3f})"]
    by_variant: dict[str, list[str]] = {}
    for variant, what in ((row["top_pip"], "highest PIP"), (row["lowest_p"], "lowest p-value")):
        if variant:
            by_variant.setdefault(variant, []).append(f"the {what}")
    ranks = {row["top_pip"]: row["top_pip_rank"], row["lowest_p"]: row["lowest_p_rank"]}
    words += [
        f"{variant} has {' and '.join(what)}, and {_rank_words(ranks[variant], row['scored'])} by score"
        for variant, what in by_variant.items()
    ]
    return {
        "name": name,
        "title": f"{number + 1}: {ranked.loci.name(number)}",
        "caption": f"{caption}.",
        "finding": "; ".join(words) + ".",
    }


def _rank_words(rank: float, scored: int) -> str:
    return "no place" if math.isnan(rank) else f"place {rank:.0f} of {scored}"


def _values(ranked: Ranked, options: ReportOptions) -> dict[str, Any]:
    table = ranked.table
    placed = table[table["locus"].notna()]
    agreed = agreement(ranked)
    counts = collections.Counter(table.loc[table["status"] != Status.OK, "status"])
    percentiles = ranked.has("mifm_percentile")
    shown = strongest(ranked, MOST_LOCI)
    return {
        "input": options.input,
        "variants": len(table),
        "loci": len(ranked.loci),
        "scored": int(table[SCORE].notna().sum()),
        "scores_are": options.scores_are,
        "loci_are": ranked.loci.are,
        "repeated": ranked.repeated,
        "without_place": len(table) - len(placed),
        "statuses": [f"{count:,} {status}" for status, count in counts.most_common()],
        "agreement": _agreement_words(agreed) if agreed else None,
        "posterior": _posterior_values(ranked.posteriors) if ranked.posteriors else None,
        "folds": FOLDS,
        "percentiles": percentiles,
        "background": options.background or "the background of the weights",
        "no_percentiles": "the input has none"
        if not ranked.candidates.scored
        else "the weights have no background",
        "shipped": options.weights if options.weights in (EMBEDDED, PUBLISHED) else "",
        "weights": options.weights,
        "seen": _seen(ranked, options),
        "has_pip": ranked.has("pip"),
        "has_p": ranked.has("neg_log10_p"),
        "has_abf": ranked.posteriors is not None,
        "loci_shown": len(shown),
        "loci_table": _loci_table(ranked, shown),
        "top_words": _top_words(ranked),
        "top_table": _top_table(ranked),
        "by_locus_words": _by_locus_words(ranked, options.top),
        "by_locus_table": _by_locus_table(ranked, shown, options.top),
        "notes": [*options.notes, *ranked.candidates.notes],
        "settings": settings_table(options.settings),
    }


def _seen(ranked: Ranked, options: ReportOptions) -> Mapping[str, int]:
    """Loci by what the weights have seen of them; of those of this package the page has words of its own."""
    if options.weights in (EMBEDDED, PUBLISHED):
        return collections.Counter()
    return collections.Counter(
        most_seen([Seen(options.leakage.seen(name, chrom, sha256)) for name, sha256 in options.tables])
        for chrom, _, _ in ranked.loci.places
        if options.leakage.scores
    )


def _agreement_words(one: Agreement) -> dict[str, Any]:
    ends = (float(np.clip(end, 0, 1)) for end in (one.above.low, one.above.high))
    above = with_interval(percent, one.above.value, *ends)
    value, _, interval = above.partition(" (")
    return {
        "loci": one.loci,
        "regions": one.regions,
        "above": f"{value} %" + (f" (95 % interval {interval}" if interval else ""),
        "evidence": _EVIDENCE[one.evidence],
        "same": one.same,
        "by_chance": f"{one.by_chance:.1f}",
        "few": one.regions < _FEW_REGIONS,
    }


def _posterior_values(found: Posteriors) -> dict[str, Any]:
    low, high = found.slopes
    used = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    rows = [
        ("slope that was used", used),
        ("where it comes from", str(found.reason)),
        ("loci with two scored variants or more that have effects", f"{found.loci:,}"),
        ("regions of these", f"{found.regions:,}"),
    ]
    gain = ""
    if math.isfinite(found.fitted):
        gain = with_interval(lambda value: f"{value:+.3f}", *dataclasses.astuple(found.gain))
        rows += [
            ("slope that explains all regions best", f"{found.fitted:.3g}"),
            ("mean gain of regions that it was not fitted to, nats", gain),
        ]
    return {
        "reason": found.reason.name,
        "slope": used,
        "regions": found.regions,
        "needed": MIN_REGIONS,
        "gain": gain,
        "helps": found.gain.low > 0,
        "without_logit": found.without_logit,
        "table": Table(("", ""), tuple(rows), numbers=False),
    }


def _loci_table(ranked: Ranked, shown: Sequence[int]) -> Table:
    table = {int(row["locus"]): row for row in loci_table(ranked).to_dict("records")}
    has_pip, has_p = ranked.has("pip"), ranked.has("neg_log10_p")
    with_set, changed = ranked.posteriors is not None, _is_changed(ranked)
    header = ["locus", "variants", "highest MIFM"]
    header += ["highest PIP", "rank"] if has_pip else []
    header += ["lowest p", "rank"] if has_p else []
    header += (["95 % set", "with score"] if changed else ["95 % set"]) if with_set else []
    rows = []
    for number in shown:
        row: dict[Any, Any] = table[number + 1]
        cells = [f"{number + 1}: {row['locus_name']}", f"{row['variants']:,}", short_name(row["top_mifm"])]
        cells[-1] += f" ({row['top_mifm_score']:.3f})" if row["top_mifm"] else ""
        if has_pip:
            cells += [_with(row["top_pip"], pip_text(row["top_pip_pip"])), whole_text(row["top_pip_rank"])]
        if has_p:
            cells += [_with(row["lowest_p"], p_text(row["lowest_p_value"])), whole_text(row["lowest_p_rank"])]
        if with_set:
            cells.append(whole_text(row["abf_set"]))
            cells += [whole_text(row["abf_set_with_score"])] if changed else []
        rows.append(tuple(cells))
    return Table(tuple(header), tuple(rows))


def _is_changed(ranked: Ranked) -> bool:
    """Whether the posterior with the score is another."""
    return ranked.posteriors is not None and any(ranked.posteriors.slopes)


def _top_words(ranked: Ranked) -> str:
    top = _top_rows(ranked)
    by = "posterior with the score as prior" if _is_changed(ranked) else "MIFM score"
    words = [
        f"The variant of all loci that has the highest {by}."
        if len(top) == 1
        else f"The {len(top)} variants of all loci that have the highest {by}."
    ]
    if _in_several(top):
        best = f"highest {by}" if _is_changed(ranked) else _EVIDENCE.get(ranked.evidence, "")
        where = f"for the locus in which it has the {best}" if best else "for the first of its loci"
        words.append(f'Each stands here once, {where}; "loci" says in how many it is.')
    return " ".join([*words, "Ranks, in brackets too, are those in the locus of that number."])


def _in_several(top: pd.DataFrame) -> bool:
    return bool((top[_LOCI] > 1).any())


def _top_rows(ranked: Ranked) -> pd.DataFrame:
    """The variants that come first, by the posterior where the score changes it, else by score.

    A variant of several loci, or studies, has one row: that of the highest posterior, else of what the study
    says. :data:`_LOCI` has the number of its loci.
    """
    table = ranked.table[ranked.table["locus"].notna() & ranked.table[SCORE].notna()]
    variant = [contig_keys(table["chrom"]), *(table[name] for name in ("pos", "ref", "alt"))]
    table = table.assign(**{_LOCI: table.groupby(variant)["locus"].transform("size")})
    by = [WITH, SCORE] if _is_changed(ranked) else [SCORE, *filter(None, [ranked.evidence])]
    table = table.sort_values(by, ascending=False, kind="stable")
    repeated = pd.concat(variant, axis=1).loc[table.index].duplicated()
    return table[~repeated].head(FIRST)


def _top_table(ranked: Ranked) -> Table:
    columns, top = _columns(ranked), _top_rows(ranked)
    several = _in_several(top)
    rows = []
    for _, row in top.iterrows():
        loci = (f"{row[_LOCI]}",) if several else ()
        rows.append((described(row), f"{row['locus']:.0f}", *loci, *(write(row) for _, write in columns)))
    header = ("variant", "locus", *(("loci",) if several else ()), *(name for name, _ in columns))
    return Table(header, tuple(rows))


def _by_locus_words(ranked: Ranked, top: int) -> str:
    columns = [_EVIDENCE[name] for name in ("pip", "neg_log10_p", WITHOUT) if ranked.has(name)]
    words = f"The {top} variants of each locus that rank highest by MIFM"
    if columns:
        by = columns[0].partition(" ")[2]
        words += f", and the {BY_STUDY} that come first by {by}; in brackets, the rank by {by}"
    return f"{words}. ranked.tsv has all variants."


def _columns(ranked: Ranked) -> list[tuple[str, Callable[[pd.Series[Any]], str]]]:
    """What tables show of a variant, and how it is written."""
    columns: list[tuple[str, Callable[[pd.Series[Any]], str]]] = [
        ("rank", lambda row: whole_text(row["rank"])),
        ("MIFM", lambda row: score_text(row[SCORE])),
    ]
    if ranked.has("mifm_percentile"):
        columns.append(("percentile", lambda row: percentile_text(row["mifm_percentile"])))
    if ranked.has("mifm_phred"):
        columns.append(
            ("PHRED", lambda row: "" if math.isnan(row["mifm_phred"]) else f"{row['mifm_phred']:.1f}")
        )
    if ranked.has("pip"):
        columns.append(("PIP", lambda row: _with_rank(pip_text(row["pip"]), row["pip_rank"])))
    if ranked.has("neg_log10_p"):
        rank = not ranked.has("pip")
        columns.append(
            ("p", lambda row: _with_rank(p_text(row["p_value"]), row["p_rank"] if rank else math.nan))
        )
    if ranked.posteriors is not None:
        columns.append(("ABF", lambda row: pip_text(row[WITHOUT])))
    if _is_changed(ranked):
        columns.append(("ABF with score", lambda row: pip_text(row[WITH])))
    return columns


def _by_locus_table(ranked: Ranked, shown: Sequence[int], top: int) -> Table:
    columns = _columns(ranked)
    rows: list[tuple[str, ...]] = []
    by_study = next((name for name in ("pip", "neg_log10_p", WITHOUT) if ranked.has(name)), "")
    for number in shown:
        part = ranked.of_locus(number).reset_index(drop=True)
        kept = set(range(min(top, int(part["rank"].notna().sum()))))
        if by_study:
            values = part[by_study].fillna(-np.inf).to_numpy(np.float64)
            kept |= set(
                np.argsort(-values, kind="stable")[: min(BY_STUDY, int(np.isfinite(values).sum()))].tolist()
            )
        rows.append((f"{number + 1}: {ranked.loci.name(number)} ({len(part):,} variants)",))
        for row in sorted(kept):
            one = part.iloc[row]
            rows.append((described(one), *(write(one) for _, write in columns)))
    return Table(("variant", *(name for name, _ in columns)), tuple(rows))


def _with(variant: str, number: str) -> str:
    return f"{short_name(variant)} ({number})" if variant else ""


def _with_rank(number: str, rank: float) -> str:
    return number if not number or math.isnan(rank) else f"{number} ({rank:.0f})"
