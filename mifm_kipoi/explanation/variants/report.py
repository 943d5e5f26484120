"""The pages: one of each variant, and the index; the words are in the templates beside."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.motifs.known import Motif
from mifm_kipoi.explanation.ranking.ranked import WITHOUT, Ranked
from mifm_kipoi.explanation.variants.figures import sequence_figure, small_figure
from mifm_kipoi.explanation.variants.motif_hits import Hit, expected_by_chance
from mifm_kipoi.explanation.variants.neighbours import (
    REACH,
    locus_figure,
    neighbours_table,
    rank_note,
    region_of,
)
from mifm_kipoi.explanation.variants.readings import METHODS, Reading
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.network.background import Background
from mifm_kipoi.network.weights import EMBEDDED, PUBLISHED
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png, svg
from mifm_kipoi.reports.page import (
    Fact,
    Facts,
    Image,
    Link,
    Section,
    Table,
    Tile,
    Tiles,
    digits,
    settings_table,
)
from mifm_kipoi.reports.regional import Track
from mifm_kipoi.reports.wording import (
    described,
    p_text,
    percentile_text,
    pip_text,
    score_text,
    signed_text,
)
from mifm_kipoi.scoring.scores import background_columns, variant_scores

PAGES = "variants"
"""The folder of the pages, beside that of the figures."""

INDEX = "index.html"

MOST_HITS = 12
"""Motif hits in the table of a page."""

_VARIANT = Path(__file__).with_name("variant.md.jinja")
_INDEX = Path(__file__).with_name("index.md.jinja")

_MINUS = "\N{MINUS SIGN}"


@dataclasses.dataclass(frozen=True)
class Explained:
    """A variant that gets a page.

    Parameters
    ----------
    row : int
        Of the table of ranked variants.
    reading : Reading
        What the network reads.
    hits : list of Hit, optional
        Motifs over and beside it; None where none were looked for.
    stem : str
        Of the names of its files.
    background : Background, optional
        Of the weights.
    """

    row: int
    reading: Reading
    hits: list[Hit] | None
    stem: str
    background: Background | None

    @property
    def numbers(self) -> dict[str, float]:
        """Scores, logits and percentiles, by the names of their columns."""
        ref, alt = (np.array([allele.logit], np.float32) for allele in (self.reading.ref, self.reading.alt))
        columns = {
            **variant_scores(ref, alt),
            "mifm_logit_ref": ref,
            "mifm_logit_alt": alt,
            **background_columns(self.background, ref),
        }
        return {name: float(values[0]) for name, values in columns.items()}

    def over(self, *kinds: str) -> list[Hit]:
        """The hits over the variant, of some kinds."""
        return [hit for hit in self.hits or () if hit.over_variant and hit.kind in kinds]


@dataclasses.dataclass(frozen=True)
class PageOptions:
    """What all pages say.

    Parameters
    ----------
    input : str
        Name of the file of variants.
    weights : str
        Name of the weights.
    background : str
        Whose positions percentiles are among; empty without.
    lines : tuple of (float, str)
        Scores of percentiles, and what stands at them in figures of loci.
    references : int
        Shuffles of each window.
    motifs : sequence of Motif, optional
        Those that were looked for.
    motif_file : str
        Names of their files.
    threshold : float
        Of their p-values.
    settings : mapping of str to plain types
        Inputs and options, as the index shows them.
    provenance : mapping of str to plain types
        The same for the manifest.
    notes : tuple of str
        On inputs, each without its full stop.
    """

    input: str
    weights: str
    background: str
    lines: tuple[tuple[float, str], ...]
    references: int
    motifs: Sequence[Motif] | None
    motif_file: str
    threshold: float
    settings: Mapping[str, Any]
    provenance: Mapping[str, Any]
    notes: tuple[str, ...]


Figures = dict[str, Image | bytes]
"""Figures by the names of their files without the ending, as PNG or as both PNG and SVG."""


def variant_page(
    explained: Explained,
    ranked: Ranked,
    options: PageOptions,
    pages: Mapping[int, str],
    length: int,
    track_of: Callable[[Locus], Track | None],
) -> tuple[str, list[Section], Figures]:
    """The title, the sections and the figures of the page of a variant.

    Parameters
    ----------
    explained : Explained
        The variant.
    ranked : Ranked
        All variants.
    options : PageOptions
        What all pages say.
    pages : mapping of int to str
        The pages of rows that have one, by their names.
    length : int
        Of the contig.
    track_of : callable
        Gives the score of every position of a region.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    row, reading = ranked.table.iloc[explained.row], explained.reading
    sequence, locus = f"{explained.stem}.sequence", f"{explained.stem}.locus"
    figures: Figures = {}
    placed = not math.isnan(row["locus"])
    region = region_of(ranked, explained.row, length) if placed else None

    def of_sequence() -> Image:
        figure = sequence_figure(reading, explained.hits)
        figures[sequence] = image = Image(png(figure), svg(figure))
        return image

    def of_locus() -> bytes:
        assert region is not None
        track = track_of(region)
        figures[locus] = content = png(locus_figure(ranked, explained.row, region, track, options.lines))
        return content

    motifs = options.motifs or ()
    over = explained.over("lost", "gained", "both")
    values = {
        "title": described(row),
        "name": described(row),
        "facts": Facts(tuple(facts_of(explained, ranked))),
        "words": _words(explained, options.background),
        "sequence": sequence,
        "locus": locus,
        "columns": f"The {reading.alignment.span} bases"
        if reading.alignment.ref_length == reading.alignment.alt_length
        else f"{reading.alignment.span} columns",
        "minus": _MINUS,
        "snv": reading.variant.is_snv,
        "deeplift": reading.ref.method == METHODS[0],
        "references": options.references,
        "delta": "" if math.isnan(reading.ref.delta) else f"{max(reading.ref.delta, reading.alt.delta):.0e}",
        "sequence_finding": _sequence_words(reading),
        "motifs": explained.hits is not None,
        "motif_count": len(motifs),
        "motif_file": options.motif_file,
        "threshold": f"{options.threshold:g}",
        "by_chance": digits(expected_by_chance(reading, motifs, True, options.threshold), 2),
        "hits_table": _hits_table(reading, over[:MOST_HITS]) if over else "",
        "more_hits": max(len(over) - MOST_HITS, 0),
        "locus_name": ranked.loci.name(int(row["locus"]) - 1) if placed else "",
        "locus_caption": _locus_caption(ranked, row, region, track_of) if region is not None else "",
        "neighbours": neighbours_table(ranked, explained.row, pages) if placed else "",
        "percentiles": explained.background is not None,
        "background": options.background,
        "shipped": options.weights if options.weights in (EMBEDDED, PUBLISHED) else "",
    }
    title, sections = prose.rendered(_VARIANT, values, {sequence: of_sequence, locus: of_locus})
    return title, sections, figures


def facts_of(explained: Explained, ranked: Ranked) -> list[Fact]:
    """The numbers that stand out, the score first."""
    row, numbers = ranked.table.iloc[explained.row], explained.numbers
    facts = [Fact("MIFM score", score_text(numbers["mifm_ref"]), "of the reference sequence, from 0 to 1")]
    percentile = numbers["mifm_percentile"]
    if not math.isnan(percentile):
        note = f"PHRED {numbers['mifm_phred']:.1f}"
        facts.append(Fact("percentile", percentile_text(percentile), note, percentile))
    facts.append(
        Fact(
            "change by the allele", signed_text(numbers["mifm_delta"]),
            f"{score_text(numbers['mifm_alt'])} with {_short(explained.reading.variant.alt)}; "
            f"logit {signed_text(explained.reading.change, 2)}",
        )
    )  # fmt: skip
    rank, _ = rank_note(ranked, explained.row)
    if rank:
        facts.append(Fact("rank by score", rank, "in its locus"))
    if not math.isnan(row["pip"]):
        facts.append(Fact("PIP", pip_text(row["pip"]), _rank_of(row["pip_rank"]), 100 * float(row["pip"])))
    elif not math.isnan(row[WITHOUT]):
        facts.append(Fact("ABF posterior", pip_text(row[WITHOUT]), "", 100 * float(row[WITHOUT])))
    if not math.isnan(row["neg_log10_p"]):
        facts.append(Fact("p-value", p_text(row["p_value"]), _rank_of(row["p_rank"])))
    return facts


def _rank_of(rank: float) -> str:
    return "" if math.isnan(rank) else f"no. {rank:.0f} of the locus"


def _short(allele: str) -> str:
    return allele if len(allele) <= 6 else f"{len(allele)} bases"


def _words(explained: Explained, background: str) -> str:
    """What the numbers say, in a few sentences."""
    numbers, reading = explained.numbers, explained.reading
    words = []
    if not math.isnan(percentile := numbers["mifm_percentile"]):
        above = 100 - percentile
        words.append(
            f"{'Less than 0.01' if above < 0.01 else digits(above, 2)} % of real positions "
            f"({background}) score as high or higher."
        )
    larger = reading.larger_than
    if not math.isnan(larger):
        direction = "raises" if reading.change > 0 else "lowers"
        words.append(
            f"ALT {direction} the logit by {abs(reading.change):.2f}, more than {100 * larger:.0f} % of the "
            "SNVs of the other bases shown would change it."
        )
    if explained.hits is not None:
        for kind, verb in (("lost", "loses"), ("gained", "gains")):
            factors = list(dict.fromkeys(hit.motif.factor for hit in explained.over(kind)))
            if factors:
                more = f" and {len(factors) - 3} more" if len(factors) > 3 else ""
                words.append(f"ALT {verb} hits of {', '.join(factors[:3])}{more}.")
    return " ".join(words)


def _sequence_words(reading: Reading) -> str:
    """Where the contributions are, in numbers."""
    total = {
        name: float(np.nansum(allele.contributions))
        for name, allele in (("REF", reading.ref), ("ALT", reading.alt))
    }
    effects = np.abs(np.nan_to_num(reading.effects))
    column, base = np.unravel_index(int(effects.argmax()), effects.shape)
    pos = int(reading.alignment.positions[column])
    words = " and ".join(f"{signed_text(value, 2)} ({name})" for name, value in total.items())
    return (
        f"The bases shown contribute {words} in all. Of the SNVs shown, "
        f"{reading.ref.bases[column]}>{'ACGT'[base]} at {pos:,} changes the logit most "
        f"({signed_text(float(reading.effects[column, base]), 2)})."
    )


def _locus_caption(
    ranked: Ranked, row: pd.Series[Any], region: Locus, track_of: Callable[[Locus], Track | None]
) -> str:
    words = "Letters mark this variant, that of the highest score and those that come first by the study"
    _, start, end = ranked.loci.places[int(row["locus"]) - 1]
    if max(int(row["pos"]) - start, end - int(row["pos"])) > REACH:
        words = f"Shown are {REACH / 1000:g} kb to either side. {words}, where they lie within"
    if track_of(region) is not None:
        words += "; the lowest panel is the score of every position, with rings at the marked variants"
    return f"{words}."


def _hits_table(reading: Reading, hits: Sequence[Hit]) -> Table:
    rows = []
    for hit in hits:
        positions = reading.alignment.positions[slice(*hit.columns)]
        covered = positions[positions > 0]
        where = f"{covered[0]:,}\N{EN DASH}{covered[-1]:,}" if len(covered) else "inside ALT"
        rows.append(
            (
                _motif(hit.motif),
                f"{where} {'+' if hit.strand == '+' else _MINUS}",
                {"lost": "REF alone", "gained": "ALT alone", "both": "both"}[hit.kind],
                _score(hit.ref_score, hit.ref_p), _score(hit.alt_score, hit.alt_p),
                signed_text(hit.ref_contribution, 2), signed_text(hit.alt_contribution, 2),
            )
        )  # fmt: skip
    header = ("motif", "place", "fits", "score REF (p)", "score ALT (p)", "contribution REF", "ALT")
    return Table(header, tuple(rows))


def _motif(motif: Motif) -> str:
    return motif.name if motif.factor == motif.name else f"{motif.factor} ({motif.name})"


def _score(score: float, p: float) -> str:
    if math.isnan(score):
        return ""
    text = f"{score:.1f}".replace("-", _MINUS)
    return text if math.isnan(p) else f"{text} ({p:.1g})".replace("-", _MINUS)


def index_page(
    all_explained: Sequence[Explained],
    ranked: Ranked,
    options: PageOptions,
    asked: int,
    without: pd.DataFrame,
) -> tuple[str, list[Section]]:
    """The title and the sections of the index.

    Parameters
    ----------
    all_explained : sequence of Explained
        In the order of the pages.
    ranked : Ranked
        All variants.
    options : PageOptions
        What all pages say.
    asked : int
        Variants with a score that were asked for.
    without : pandas.DataFrame
        Those without: ``chrom, pos, id, ref, alt, status``.
    """
    tiles, rows = [], []
    for each in all_explained:
        row = ranked.table.iloc[each.row]
        link = Link(described(row), f"{PAGES}/{each.stem}.html")
        facts = facts_of(each, ranked)
        tiles.append(Tile(link, svg(small_figure(each.reading)), _few(facts), _note(each)))
        numbers = each.numbers
        rank, _ = rank_note(ranked, each.row)
        rows.append(
            (
                link, score_text(numbers["mifm_ref"]), percentile_text(numbers["mifm_percentile"]),
                signed_text(numbers["mifm_delta"]), rank, pip_text(row["pip"]), p_text(row["p_value"]),
                pip_text(row[WITHOUT]), ", ".join(_factors(each)),
            )
        )  # fmt: skip
    header = ("variant", "MIFM", "percentile", "change", "rank", "PIP", "p", "ABF", "motifs lost or gained")
    kept = [number for number in range(len(header)) if number == 0 or any(row[number] for row in rows)]
    table = Table(
        tuple(header[number] for number in kept), tuple(tuple(row[number] for number in kept) for row in rows)
    )
    values = {
        "input": options.input,
        "shown": len(all_explained),
        "asked": asked,
        "weights": options.weights,
        "motifs": options.motifs is not None,
        "motif_file": options.motif_file,
        "tiles": Tiles(tuple(tiles)),
        "table": table,
        "without": _without_table(without) if len(without) else "",
        "notes": list(options.notes),
        "settings": settings_table(options.settings),
    }
    return prose.rendered(_INDEX, values)


_SHORT_NAMES = {
    "MIFM score": "MIFM", "change by the allele": "change", "p-value": "p", "ABF posterior": "ABF",
}  # fmt: skip


def _few(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts of a tile, without notes: four numbers side by side at most."""
    names = [fact.name for fact in facts]
    left_out = {"rank by score", "p-value"} if {"PIP", "ABF posterior"} & set(names) else {"rank by score"}
    shown = [fact for fact in facts if fact.name not in left_out]
    return tuple(
        Fact(
            _SHORT_NAMES.get(fact.name, fact.name), fact.value,
            percent=fact.percent if fact.name == "percentile" else None,
        )
        for fact in shown
    )  # fmt: skip


def _factors(explained: Explained) -> list[str]:
    lost, gained = (
        list(dict.fromkeys(hit.motif.factor for hit in explained.over(kind)))[:2]
        for kind in ("lost", "gained")
    )
    return [*(f"{_MINUS}{factor}" for factor in lost), *(f"+{factor}" for factor in gained)]


def _note(explained: Explained) -> str:
    factors = _factors(explained)
    return f"motifs: {', '.join(factors)}" if factors else ""


_MOST_WITHOUT = 50


def _without_table(without: pd.DataFrame) -> Table:
    rows = [(described(row), str(row["status"])) for _, row in without.head(_MOST_WITHOUT).iterrows()]
    if len(without) > _MOST_WITHOUT:
        rows.append((f"and {len(without) - _MOST_WITHOUT:,} more", ""))
    return Table(("variant", "status"), tuple(rows), numbers=False)


def explained_table(all_explained: Sequence[Explained], ranked: Ranked) -> pd.DataFrame:
    """A row for each variant with a page.

    Parameters
    ----------
    all_explained : sequence of Explained
        The variants.
    ranked : Ranked
        All variants.

    Returns
    -------
    pandas.DataFrame
        Place and alleles, scores, ``larger_than`` (:attr:`Reading.larger_than`), what a study says, the
        locus, motifs, and the page.
    """
    rows = []
    for each in all_explained:
        row = ranked.table.iloc[each.row]
        motifs = {
            f"motifs_{kind}": ",".join(dict.fromkeys(hit.motif.name for hit in each.over(kind)))
            for kind in ("lost", "gained", "both")
        }
        rows.append(
            {
                **{name: row[name] for name in ("chrom", "pos", "id", "ref", "alt")},
                **each.numbers,
                "larger_than": each.reading.larger_than,
                **{name: row[name] for name in ("rank", "pip", "p_value", WITHOUT, "locus_name")},
                **motifs,
                "page": f"{PAGES}/{each.stem}.html",
            }
        )
    return pd.DataFrame(rows)


def hits_table(all_explained: Sequence[Explained]) -> pd.DataFrame:
    """A row for each motif hit of each variant, places 0-based half-open on the reference."""
    columns = (
        "chrom", "pos", "id", "ref", "alt", "motif", "strand", "start", "end", "over_variant", "fits",
        "score_ref", "score_alt", "p_ref", "p_alt", "contribution_ref", "contribution_alt",
    )  # fmt: skip
    rows = []
    for each in all_explained:
        variant, positions = each.reading.variant, each.reading.alignment.positions
        for hit in each.hits or ():
            covered = positions[slice(*hit.columns)]
            covered = covered[covered > 0]
            start, end = (covered[0] - 1, covered[-1]) if len(covered) else (variant.end, variant.end)
            rows.append(
                (
                    variant.chrom, variant.pos, variant.id, variant.ref, variant.alt,
                    hit.motif.name, hit.strand, start, end, int(hit.over_variant),
                    {"lost": "ref", "gained": "alt", "both": "both"}[hit.kind],
                    hit.ref_score, hit.alt_score, hit.ref_p, hit.alt_p, hit.ref_contribution,
                    hit.alt_contribution,
                )
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(columns))


def columns_table(all_explained: Sequence[Explained], lengths: Mapping[str, int]) -> pd.DataFrame:
    """A row for each column shown of each variant: the numbers of the figures.

    Parameters
    ----------
    all_explained : sequence of Explained
        The variants.
    lengths : mapping of str to int
        Of their contigs.

    Returns
    -------
    pandas.DataFrame
        The variant; ``position`` (1-based, empty in an insertion and outside the contig); the bases of both
        alleles and their contributions; the change of the logit with A, C, G and T in the reference window.
    """
    parts = []
    for each in all_explained:
        reading = each.reading
        variant, positions = reading.variant, reading.alignment.positions
        outside = (positions < 1) | (positions > lengths[variant.chrom])
        part = {
            **{name: getattr(variant, name) for name in ("chrom", "pos", "id", "ref", "alt")},
            "position": pd.Series(positions, dtype="Int64").mask(outside),
            "ref_base": list(reading.ref.bases),
            "alt_base": list(reading.alt.bases),
            "ref_contribution": reading.ref.contributions,
            "alt_contribution": reading.alt.contributions,
        }
        part |= {f"change_{base}": reading.effects[:, number] for number, base in enumerate("ACGT")}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)
