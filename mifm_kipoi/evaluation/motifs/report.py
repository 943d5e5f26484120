"""The report of an evaluation of motifs; the words are in the template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.motifs import plots
from mifm_kipoi.evaluation.motifs.findings import MAX_Q, order_of
from mifm_kipoi.evaluation.motifs.known import FEW_MOTIFS
from mifm_kipoi.evaluation.motifs.patterns import FLAT_BITS, FREE_BITS, SIGNS, TRIMMED
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Table, decimal, listed, percent, settings_table, write_page
from mifm_kipoi.support.provenance import differences

if TYPE_CHECKING:
    from mifm_kipoi.evaluation.motifs.run import Evaluated, Network

_REPORT = Path(__file__).with_name("report.md.jinja")

_ROWS = 40
"""Patterns or factors of a table on the page; the files have all."""

_SAME_SITES = 0.8
"""Fraction of seqlets at places of their own below which the report says that sites are counted often."""

_LARGE_DELTA = 0.01
"""Convergence delta, in standard deviations of the logit, from which on it is named."""

_METHODS = {"deeplift": "DeepLIFT", "ism": "in-silico mutagenesis"}


def cautions_of(evaluated: Evaluated) -> list[str]:
    """What a reader must know before trusting the numbers, without full stops."""
    network = evaluated.network
    attributions = network.discovery.attributions
    cautions = []
    if not evaluated.nulls:
        cautions.append(
            "there is no null: attributions of an untrained network ('mifm attribute --untrained SEED', then "
            "--null) say how many patterns and matches come without training"
        )
    for null in evaluated.nulls:
        cautions += _unlike(network, null)
    if len(evaluated.motifs) < FEW_MOTIFS:
        cautions.append(
            f"there are {len(evaluated.motifs)} known motifs; with fewer than {FEW_MOTIFS}, TOMTOM's "
            "p-values depend on which they are. Add a database to them"
        )
    seqlets, sites = network.patterns["seqlets"].sum(), network.patterns["sites"].sum()
    if seqlets and sites < _SAME_SITES * seqlets:
        cautions.append(
            f"the {seqlets:,} seqlets lie at {sites:,} places: windows overlap, and one place counts several "
            "times. 'mifm attribute --min-distance 512' takes windows that do not"
        )
    if same := [one.sign for one in evaluated.agreements if one.same_seqlets]:
        cautions.append(
            f"the second search had the same {' and '.join(same)} seqlets as the first, for the windows have "
            "no more: that it finds the same says nothing. Take more windows, or a smaller --seqlets"
        )
    delta = attributions.delta[~np.isnan(attributions.delta)]
    spread = float(np.std(attributions.logit))
    if delta.size and delta.max() > _LARGE_DELTA * spread:
        cautions.append(
            f"contributions miss the difference of logits by up to {delta.max():.2g}, where logits have a "
            f"standard deviation of {spread:.2g}"
        )
    return cautions


def _unlike(network: Network, null: Network) -> list[str]:
    """In what the null is not a null."""
    own, other = (each.discovery.attributions.provenance for each in (network, null))
    cautions = []
    if other["untrained"] is None:
        cautions.append(f"{null.name}, which is taken for a null, has trained weights")
    same = ("attribution", "fasta", "variants", "intervals", "sample")
    changed = differences({key: own[key] for key in same}, {key: other[key] for key in same})
    if own["weights"]["configuration"] != other["weights"]["configuration"]:
        changed.append("the networks have other sizes")
    if changed:
        cautions.append(f"{null.name} is of other windows or another method: {'; '.join(changed)}")
    return cautions


def write_report(evaluated: Evaluated, cautions: Sequence[str], folder: Path) -> list[Path]:
    """Write ``report.html``, which holds its figures, ``report.md`` and ``figures/``.

    Parameters
    ----------
    evaluated : Evaluated
        What was found.
    cautions : sequence of str
        From :func:`cautions_of`.
    folder : Path
        Must exist.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    OutputError
        When a file cannot be written.
    """
    title, sections = prose.rendered(_REPORT, _values(evaluated, cautions), _figures(evaluated))
    return write_page(folder, title, sections)


def _values(evaluated: Evaluated, cautions: Sequence[str]) -> dict[str, Any]:
    network = evaluated.network
    attributions = network.discovery.attributions
    method = attributions.provenance["attribution"]
    modisco = network.discovery.provenance["modisco"]
    start, end = attributions.support
    return {
        "windows": network.discovery.windows,
        "network": network.name,
        "method": _METHODS[method["method"]],
        "motifs": len(evaluated.motifs),
        "max_q": MAX_Q,
        "nulls": len(evaluated.nulls),
        "counts": _counts(evaluated),
        "cautions": cautions,
        "count_table": _count_table(evaluated),
        "agreements": _agreement_table(evaluated) if evaluated.agreements else None,
        "alike": network_alike(),
        "factors": _factor_table(network) if len(network.factors) else None,
        "logos": [_logo_values(network, sign) for sign in SIGNS],
        "method_text": _method_text(method),
        "start": start,
        "end": end,
        "window": attributions.window,
        "modisco": modisco["version"],
        "seqlets": modisco["max_seqlets_per_metacluster"],
        "trimmed": TRIMMED,
        "free_bits": FREE_BITS,
        "flat_bits": FLAT_BITS,
        "settings": settings_table(_settings(evaluated)),
    }


def network_alike() -> float:
    """From which similarity on two patterns are the same."""
    from mifm_kipoi.evaluation.motifs.run import ALIKE

    return ALIKE


def _figures(evaluated: Evaluated) -> prose.Figures:
    network = evaluated.network
    motifs = {motif.name: motif for motif in evaluated.motifs}
    figures = {
        f"{sign}_patterns": lambda sign=sign: png(
            plots.logos(_ordered(network, sign)[: plots.MOST], network.patterns, motifs)
        )
        for sign in SIGNS
    }
    both = (network, *evaluated.nulls)
    return {
        **figures,
        "beside_null": lambda: png(plots.beside_null({each.name: each.counts for each in both})),
    }


def _ordered(network: Network, sign: str) -> list[Any]:
    return order_of(network.discovery.of_sign(sign), network.patterns)


def _counts(evaluated: Evaluated) -> list[dict[str, Any]]:
    counts = []
    for number, one in enumerate(evaluated.network.counts):
        nulls = [null.counts[number] for null in evaluated.nulls]
        counts.append(
            {
                "sign": one.sign,
                "patterns": one.patterns,
                "matched": one.matched,
                "factors": one.factors,
                "null_patterns": _range([null.patterns for null in nulls]),
                "null_matched": _range([null.matched for null in nulls]),
            }
        )
    return counts


def _range(values: Sequence[int]) -> str:
    if not values:
        return ""
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _count_table(evaluated: Evaluated) -> Table:
    rows: list[tuple[str, ...]] = []
    for number, sign in enumerate(SIGNS):
        rows.append((sign.capitalize(),))
        for network in (evaluated.network, *evaluated.nulls):
            one = network.counts[number]
            rows.append(
                (
                    network.name,
                    str(one.patterns),
                    str(one.matched),
                    str(one.factors),
                    str(one.flat),
                    f"{one.seqlets:,}",
                    _median(one.median_seqlets),
                    _median(one.median_sites),
                )
            )
    header = (
        "network", "patterns", "like a motif", "factors", "flat", "seqlets", "seqlets, median",
        "sites, median",
    )  # fmt: skip
    return Table(header, tuple(rows))


def _median(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.0f}"


def _agreement_table(evaluated: Evaluated) -> Table:
    rows = tuple(
        (
            one.sign,
            str(one.ones),
            str(one.others),
            str(one.pairs),
            "none" if math.isnan(one.patterns) else decimal(one.patterns),
            "none" if math.isnan(one.factors) else decimal(one.factors),
        )
        for one in evaluated.agreements
    )
    header = ("sign", "patterns", "again", "the same", "Jaccard index of patterns", "of factors")
    return Table(header, rows)


def _factor_table(network: Network) -> Table:
    rows = tuple(
        (
            str(row.factor),
            str(row.sign),
            str(row.patterns),
            f"{row.seqlets:,}",
            f"{row.sites:,}",
            f"{row.q_value:.2g}",
        )
        for row in network.factors.head(_ROWS).itertuples()
    )
    return Table(("factor", "sign", "patterns", "seqlets", "sites", "lowest q"), rows)


def _logo_values(network: Network, sign: str) -> dict[str, Any]:
    ordered = _ordered(network, sign)
    rows = network.patterns.set_index("pattern")
    return {
        "sign": sign,
        "name": f"{sign}_patterns",
        "all": len(ordered),
        "shown": min(len(ordered), plots.MOST),
        "table": _pattern_rows([(each.name, rows.loc[each.name]) for each in ordered[:_ROWS]]),
    }


def _pattern_rows(rows: Sequence[tuple[str, Any]]) -> Table:
    cells = tuple(
        (
            name,
            f"{row['seqlets']:,}",
            f"{row['sites']:,}",
            f"{percent(row['forward'])} %",
            f"{row['distance']:,.0f}",
            str(row["consensus"]),
            f"{row['bits']:.1f}",
            "flat"
            if row["flat"] or pd.isna(row["q_value"])
            else f"{row['factor']}, q = {row['q_value']:.2g}",
        )
        for name, row in rows
    )
    header = (
        "pattern", "seqlets", "sites", "forward strand", "distance to the centre (bp)", "consensus", "bits",
        "best motif",
    )  # fmt: skip
    return Table(header, cells)


def _method_text(method: dict[str, Any]) -> str:
    if method["method"] == "deeplift":
        return (
            f"DeepLIFT (tangermeme {method['tangermeme']}) compared each window with {method['references']} "
            "dinucleotide shuffles of it; the contributions of its bases add up to its logit less the mean "
            "logit of the shuffles."
        )
    return "The contribution of a base is the logit of the window less the mean over the four bases there."


def _settings(evaluated: Evaluated) -> dict[str, object]:
    provenance = evaluated.provenance
    made_of = provenance["made_of"]
    inputs = {name: made_of[name]["name"] for name in ("fasta", "variants", "intervals") if made_of[name]}
    return {
        "mifm_kipoi": provenance["mifm_kipoi"],
        "weights": made_of["weights"]["name"],
        "tensors_sha256": made_of["weights"]["tensors_sha256"],
        **inputs,
        "attributions": provenance["attributions"],
        "known motifs": listed(each["name"] for each in provenance["motifs"]),
        "windows searched": provenance["windows"],
        "seed of their order": provenance["discovery"]["seed"],
    }
