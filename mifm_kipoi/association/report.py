"""The report of a GWAS, and the cautions that it bears; the words are in templates."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mifm_kipoi.association import exact, plots
from mifm_kipoi.association.cohort import Cohort
from mifm_kipoi.association.filters import HWE
from mifm_kipoi.association.models import NullModel
from mifm_kipoi.association.results import GENOME_WIDE, LOCUS_BP, Result, Tested, TraitResult
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Table, settings_table, write_page

LAMBDA_RANGE = (0.9, 1.1)
"""Genomic inflation outside of which there is a caution."""

MANY_OUT_OF_EQUILIBRIUM = 0.05
"""Fraction of the variants left out for Hardy-Weinberg above which there is a caution."""

FEW_CASES = 100
"""Cases, or controls, below which there is a caution."""

_MOST_NAMED = 3
"""Variants that a caution names."""

_MOST_LOCI = 50
"""Loci of a trait that the report lists."""

_MOST_FIGURES = 24
"""Traits that have a Manhattan plot."""

_FITTED = (exact.LOGISTIC, exact.FIRTH)

_REPORT = Path(__file__).with_name("report.md.jinja")
_CAUTIONS = Path(__file__).with_name("cautions.md.jinja")


def cautions_of(
    traits: Sequence[TraitResult], tested: Tested, cohort: Cohort, left_out: Mapping[str, int]
) -> list[str]:
    """What a reader must know before trusting the numbers, the gravest first; without full stops.

    Parameters
    ----------
    traits : sequence of TraitResult
        What was found.
    tested : Tested
        Where variants lie.
    cohort : Cohort
        People and models.
    left_out : mapping of str to int
        Variants by the reason for which they were left out.
    """
    low, high = LAMBDA_RANGE
    return prose.paragraphs(
        _CAUTIONS,
        {
            "low": low,
            "high": high,
            "inflated": [f"{one.name} ({one.lambda_gc:.3f})" for one in traits if one.lambda_gc > high],
            "wholly": [(one.name, _first(one.wholly)) for one in traits if one.wholly],
            "deflated": [f"{one.name} ({one.lambda_gc:.3f})" for one in traits if one.lambda_gc < low],
            "unequal": _out_of_equilibrium(tested, left_out),
            "few": [
                (one.name, min(one.cases, one.people - one.cases))
                for one in traits
                if one.binary and min(one.cases, one.people - one.cases) < FEW_CASES
            ],
            "few_cases": FEW_CASES,
            "traits": len(traits),
            "without_covariates": not any(one.covariates for one in traits),
            "on_x": int((tested.chrom == tested.chroms.index("X")).sum()) if "X" in tested.chroms else 0,
            "unknown_sex": int((~cohort.male & ~cohort.female).sum()),
            "without_sex": [one.name for one in cohort.models if not _holds_sex(one, cohort)],
        },
    )


def _first(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{shown} and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else shown


def _out_of_equilibrium(tested: Tested, left_out: Mapping[str, int]) -> str:
    """In percent, where it is many."""
    number = left_out.get(HWE, 0)
    fraction = number / max(number + len(tested), 1)
    return f"{100 * fraction:.0f} %" if fraction > MANY_OUT_OF_EQUILIBRIUM else ""


def _holds_sex(model: NullModel, cohort: Cohort) -> bool:
    """Whether the sex of the genotype files is among the covariates, or a combination of them."""
    known = (cohort.male | cohort.female)[model.people]
    male = cohort.male[model.people][known].astype(np.float64)
    design = model.design[known]
    left = male - design @ np.linalg.lstsq(design, male, rcond=None)[0]
    return bool(known.any() and np.linalg.norm(left) <= 1e-6 * np.sqrt(known.sum()))


def write_report(result: Result, folder: Path) -> list[Path]:
    """Write ``report.html``, which holds its figures, ``report.md`` and ``figures/``.

    Parameters
    ----------
    result : Result
        The GWAS.
    folder : Path
        Must exist.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    MissingPackageError
        When matplotlib or scipy is not installed.
    OutputError
        When a file cannot be written.
    """
    title, sections = prose.rendered(_REPORT, _values(result), _figures(result))
    return write_page(folder, title, sections)


def _figures(result: Result) -> prose.Figures:
    drawn = {
        _name(number): functools.partial(_manhattan, result, number)
        for number in range(min(len(result.traits), _MOST_FIGURES))
    }
    return {**drawn, "quantiles": lambda: png(plots.quantiles(result.traits))}


def _manhattan(result: Result, number: int) -> bytes:
    return png(plots.manhattan(result.tested, result.traits[number]))


def _name(number: int) -> str:
    return f"manhattan-{number + 1}"


def _values(result: Result) -> dict[str, Any]:
    filters: Mapping[str, float] = result.provenance["filters"]
    return {
        "variants": result.variants,
        "tested": len(result.tested),
        "traits": [_trait(number, one) for number, one in enumerate(result.traits)],
        "overview": _overview(result.traits),
        "binary": any(one.binary for one in result.traits),
        "quantitative": any(not one.binary for one in result.traits),
        "cautions": result.cautions,
        "notes": result.notes,
        "left_out": _left_out(result),
        "filters": filters,
        "genome_wide": f"{GENOME_WIDE:g}",
        "locus_kb": LOCUS_BP // 1000,
        "exact_below": f"{result.provenance['exact_below']:g}",
        "inverse_normal": result.provenance["inverse_normal"],
        "settings": settings_table(
            {name: _shown(value) for name, value in result.provenance.items() if value not in (None, [], {})}
        ),
    }


def _shown(value: Any) -> Any:
    """A setting, files by their names; their checksums are in the manifest."""
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return value["name"] if isinstance(value, dict) and "sha256" in value else value


def _trait(number: int, trait: TraitResult) -> dict[str, Any]:
    loci = trait.loci
    return {
        "name": trait.name,
        "figure": _name(number) if number < _MOST_FIGURES else "",
        "loci": _loci(trait) if len(loci) else None,
        "number": len(loci),
        "hits": len(trait.hits),
        "listed": min(len(loci), _MOST_LOCI),
        "covariates": trait.covariates,
    }


def _overview(traits: Sequence[TraitResult]) -> Table:
    rows: list[tuple[str, ...]] = []
    binary = any(one.binary for one in traits)
    for one in traits:
        people = (
            f"{one.cases:,} cases, {one.people - one.cases:,} controls" if one.binary else f"{one.people:,}"
        )
        shown = "" if math.isnan(one.lambda_gc) else f"{one.lambda_gc:.3f}"
        row = (one.name, people, f"{one.tested:,}", shown, f"{len(one.hits):,}", f"{len(one.loci):,}")
        fitted = tuple(f"{one.fits.get(kind, 0):,}" if one.binary else "" for kind in _FITTED)
        rows.append(row + fitted * binary)
    header = ("trait", "people", "variants", "lambda", f"p < {GENOME_WIDE:g}", "loci")
    return Table(header + ("fitted", "by Firth") * binary, tuple(rows))


def _loci(trait: TraitResult) -> Table:
    effect = "log odds ratio" if trait.binary else "effect"
    rows = [
        (
            str(row["id"]),
            f"{row['chrom']}:{row['pos']:,}",
            str(row["effect_allele"]),
            str(row["other_allele"]),
            f"{row['frequency']:.3f}",
            f"{row['beta']:.4g}".replace("-", "\N{MINUS SIGN}"),
            f"{row['standard_error']:.3g}",
            p_value(row["log_p"]),
        )
        for row in trait.loci.head(_MOST_LOCI).to_dict("records")
    ]
    return Table(
        ("lead variant", "position", "effect allele", "other", "frequency", effect, "SE", "p"), tuple(rows)
    )


def p_value(log_p: float) -> str:
    """A p-value of two digits from its natural logarithm, however small."""
    exponent = math.floor(log_p / math.log(10))
    digits = round(10 ** (log_p / math.log(10) - exponent), 1)
    if digits >= 10:
        digits, exponent = digits / 10, exponent + 1
    return f"{digits:g}e{exponent}".replace("e0", "")


def _left_out(result: Result) -> Table | None:
    rows = [(reason, "all", f"{number:,}") for reason, number in result.left_out.items()]
    rows += [("no estimate", name, f"{number:,}") for name, number in result.no_estimate.items() if number]
    return Table(("reason", "trait", "variants"), tuple(rows)) if rows else None
