"""The pages of fine-mapping: one of each locus, and the index; the words are in templates beside."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.finemapping.leakage import Leakage
from mifm_kipoi.finemapping.plots import PRIOR_RATIO, locus_figure, region_of, summary_figure
from mifm_kipoi.finemapping.records import (
    FINE_MAPPED,
    FLAT,
    SCORE,
    LocusResult,
    Method,
    Tables,
    loci_of,
    read_tables,
)
from mifm_kipoi.genomics.genes import Genes, read_genes
from mifm_kipoi.genomics.loci import locus_name
from mifm_kipoi.genomics.variants import MISSING
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png, shortened
from mifm_kipoi.reports.page import (
    FOLDER,
    Fact,
    Facts,
    Link,
    Section,
    Table,
    digits,
    markdown,
    page,
    settings_table,
)
from mifm_kipoi.reports.wording import described, p_text, pip_text
from mifm_kipoi.support.files import made_folder, written_whole
from mifm_kipoi.support.packages import needed

PAGES = "loci"
"""The folder of the pages of loci, beside that of the figures."""

INDEX = "index.html"

MOST_PAGES = 100
"""Loci that have a page, by default."""

HIGH_PIP = 0.95
"""PIP above which variants are counted."""

_LISTED_PIP = 0.1
"""PIP above which a variant is listed in the index."""

_DRAWN_PIP = 0.01
"""PIP above which a variant is drawn in the figure of all loci."""

_SHOWN_PIP, _LEAST_VARIANTS = 0.001, 8
"""On the page of a locus: PIP from which a variant is listed, and how many are at least."""

_MANY_ABSENT = 0.05
"""Fraction of a study's variants of a locus that may be left out without a caution."""

_MOST_VARIANTS, _MOST_LISTED, _MOST_LOCI, _MOST_POINTS = 20, 50, 500, 20_000

_OWN_FILE = re.compile(rf"({PAGES}|{FOLDER})/([0-9]{{3,}}_[A-Za-z0-9._+-]+|finemapping)\.(html|png)")
_LONGEST_STEM = 60

_LOCUS, _INDEX, _CAUTIONS = (
    Path(__file__).with_name(f"{name}.md.jinja") for name in ("locus", "index", "locus_cautions")
)

_ARROW = "\N{RIGHTWARDS ARROW}"


@dataclasses.dataclass(frozen=True)
class PageOptions:
    """What the pages say besides the tables.

    Parameters
    ----------
    title : str
        What is fine-mapped, such as the names of the studies.
    leakage : Leakage
        What the scores have seen of the loci.
    genes : Path, optional
        GTF of the genes that are drawn and named.
    most : int
        Loci that have a page: those in which a variant has the highest PIP.
    settings : mapping of str to plain types
        Inputs and options, as a table.
    cautions, notes : sequence of str
        On the whole run (those of ``leakage`` as well), and on how it was made; each without its last full
        stop.
    """

    title: str
    leakage: Leakage = dataclasses.field(default_factory=Leakage)
    genes: Path | None = None
    most: int = MOST_PAGES
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cautions: Sequence[str] = ()
    notes: Sequence[str] = ()


def write_pages(
    folder: Path, options: PageOptions, on_progress: Callable[[int, float], None] | None = None
) -> list[Path]:
    """Write the pages of a run, whose tables are complete; those of an earlier run are removed.

    Loci are read one after the other, so that memory does not grow with them.

    Parameters
    ----------
    folder : Path
        What ``mifm finemap`` wrote.
    options : PageOptions
        What the pages say besides the tables.
    on_progress : callable, optional
        Receives the pages that are written, and their fraction of all.

    Returns
    -------
    list of Path
        ``index.html``, ``report.md``, the pages and the figures.

    Raises
    ------
    InputError
        When a table or the GTF cannot be read.
    MissingPackageError
        When matplotlib is not installed.
    OutputError
        When a file cannot be written.
    """
    needed("matplotlib", "plot")
    tables = read_tables(folder)
    genes = None if options.genes is None else read_genes(options.genes)
    _forget(folder)
    for name in (PAGES, FOLDER):
        made_folder(folder / name)
    order = _order(tables.loci, options.most)
    stems = {key: _stem(number, *key) for number, key in enumerate(order, start=1)}
    summary = _Summary(tables, stems, genes)
    files = []
    for locus in loci_of(folder):
        if not locus.is_fine_mapped:
            continue
        summary.add(locus)
        key = locus.study, locus.locus
        if key in stems:
            files += _write_locus(folder, locus, options, genes, order, stems)
            if on_progress:
                on_progress(len(files) // 2, len(files) // 2 / len(order))
    title, sections, picture = _index(summary, options)
    return [
        _put(folder / INDEX, page(title, sections).encode()),
        _put(folder / "report.md", markdown(title, sections).encode()),
        *([_put(folder / FOLDER / "finemapping.png", picture)] if picture else []),
        *files,
    ]


def _order(loci: pd.DataFrame, most: int) -> list[tuple[str, str]]:
    """Study and name of the loci that get a page, those of the highest PIPs first."""
    mapped = _by_pip(loci).head(most)
    return list(zip(mapped["study"], mapped["locus"], strict=True))


def _by_pip(loci: pd.DataFrame) -> pd.DataFrame:
    """The fine-mapped loci, those of the highest PIPs first; behind them those of one variant alone."""
    mapped = loci[loci["status"] == FINE_MAPPED]
    order = ["alone", "top_pip", "lead_neg_log10_p"]
    mapped = mapped.assign(alone=mapped["variants"] == 1)
    return mapped.sort_values(order, ascending=[True, False, False], kind="stable")


def _write_locus(
    folder: Path,
    locus: LocusResult,
    options: PageOptions,
    genes: Genes | None,
    order: Sequence[tuple[str, str]],
    stems: Mapping[tuple[str, str], str],
) -> list[Path]:
    key = locus.study, locus.locus
    place = order.index(key)
    links = [Link("all loci", f"../{INDEX}")]
    links += [
        Link(f"{what}: {' '.join(order[other])}", f"{stems[order[other]]}.html")
        for what, other in (("previous", place - 1), ("next", place + 1))
        if 0 <= other < len(order)
    ]
    title, sections, picture = locus_page(locus, options, genes, stems[key])
    return [
        _put(folder / PAGES / f"{stems[key]}.html", page(title, sections, links).encode()),
        _put(folder / FOLDER / f"{stems[key]}.png", picture),
    ]


def has_prior(locus: LocusResult) -> bool:
    """Whether the prior of a locus is another than the flat one."""
    prior = locus.variants["prior"].to_numpy(np.float64)
    return bool(np.ptp(prior) > 1e-9 * prior.max(initial=0)) if len(prior) else False


def locus_page(
    locus: LocusResult, options: PageOptions, genes: Genes | None, stem: str
) -> tuple[str, list[Section], bytes]:
    """The title, the sections and the figure of the page of a locus.

    Parameters
    ----------
    locus : LocusResult
        Fine-mapped.
    options : PageOptions
        What the pages say besides the tables.
    genes : Genes, optional
        Those of ``options``.
    stem : str
        Name of the figure.
    """
    with_prior = has_prior(locus)
    record, variants = locus.record, locus.variants
    variants = variants.assign(**{PRIOR_RATIO: variants["prior"] * len(variants)})
    drawn: list[bytes] = []

    def figure() -> bytes:
        drawn.append(png(locus_figure(variants, with_prior, genes)))
        return drawn[0]

    listed = variants.sort_values(["pip", "neg_log10_p"], ascending=False, kind="stable")
    listed = listed[(listed["pip"] >= _SHOWN_PIP) | (np.arange(len(listed)) < _LEAST_VARIANTS)]
    listed = listed.head(_MOST_VARIANTS)
    values = {
        "title": f"{locus.study}, {_region(record)}",
        "facts": Facts(tuple(_facts_of(locus, with_prior))),
        "cautions": _locus_cautions(locus, options.leakage),
        "study": locus.study,
        "locus": locus.locus,
        "method": _METHODS.get(str(record["method"]), str(record["method"])),
        "one_effect": record["method"] == Method.ONE_EFFECT,
        "variants": len(variants),
        "in_study": int(str(record["variants_in_study"])),
        "with_prior": with_prior,
        "scored": bool(options.leakage.scores),
        "r2": bool(variants["r2"].notna().any()),
        "genes": genes is not None,
        "figure_name": stem,
        "shown": locus_name(region_of(variants)),
        "sets_table": _sets_table(locus, with_prior) if len(locus.sets) else "",
        "variants_table": _variants_table(listed, with_prior, genes),
        "more": max(len(variants) - len(listed), 0),
    }
    title, sections = prose.rendered(_LOCUS, values, {stem: figure})
    return title, sections, drawn[0]


_METHODS = {
    str(Method.INDIVIDUAL): "SuSiE on genotypes and trait of the same people",
    str(Method.SUMMARY): "SuSiE on z-scores and the LD of the study's people",
    str(Method.ONE_EFFECT): "Bayes factors of one causal variant, which need no LD",
}


def _region(record: Mapping[Any, Any]) -> str:
    chrom, start, end = (record[name] for name in ("chrom", "start", "end"))
    return locus_name((str(chrom), int(str(start)), int(str(end))))


def _number(record: Mapping[str, object], name: str) -> float:
    return float(str(record[name]))


def _facts_of(locus: LocusResult, with_prior: bool) -> list[Fact]:
    """The numbers that stand out, the variant of the highest PIP first."""
    variants, sets = locus.variants, locus.sets
    top = _highest(variants, "pip")
    flat = f"{pip_text(top['pip_flat'])} with a flat prior" if with_prior else ""
    facts = [
        Fact("highest PIP", pip_text(top["pip"]), described(top), 100 * float(top["pip"])),
    ]
    if flat:
        facts.append(Fact("without scores", pip_text(top["pip_flat"]), "PIP of the same variant, flat prior"))
    own = sets[sets["prior"] == (SCORE if with_prior else FLAT)]
    sizes = own["size"].tolist()
    before = sets[sets["prior"] == FLAT]["size"].tolist()
    note = f"of {_joined(sizes)} {_variants_word(sizes)}" if sizes else "no effect is localised"
    if with_prior:
        note += f"; with a flat prior {len(before)}" + (f", of {_joined(before)}" if before else "")
    facts.append(Fact("credible sets", f"{len(sizes)}", note))
    if variants["neg_log10_p"].notna().any():
        lead = _highest(variants, "neg_log10_p")
        facts.append(Fact("lowest p", _p(lead), described(lead)))
    facts.append(Fact("variants", f"{len(variants):,}", f"n {digits(_number(locus.record, 'n'))}"
                      if math.isfinite(_number(locus.record, "n")) else ""))  # fmt: skip
    return facts


def _highest(variants: pd.DataFrame, column: str) -> pd.Series[Any]:
    """The row of the highest number of a column, of equal ones the first."""
    return variants.iloc[int(np.nanargmax(variants[column].to_numpy(np.float64)))]


def _variants_word(sizes: Sequence[int]) -> str:
    return "variant" if set(sizes) == {1} else "variants"


def _joined(sizes: Sequence[int]) -> str:
    return ", ".join(f"{size:,}" for size in sizes)


def _p(row: pd.Series[Any]) -> str:
    """A p-value, by its logarithm where it is too small for a number."""
    if row["p_value"] == 0 or (math.isnan(row["p_value"]) and not math.isnan(row["neg_log10_p"])):
        exponent = math.floor(-row["neg_log10_p"])
        return f"{10 ** (-row['neg_log10_p'] - exponent):.1f}e{exponent}".replace("-", "\N{MINUS SIGN}")
    return p_text(row["p_value"])


def _locus_cautions(locus: LocusResult, leakage: Leakage) -> list[str]:
    record = locus.record
    return prose.paragraphs(
        _CAUTIONS,
        {
            "seen": record["seen"],
            "weights": ", ".join(each.name for each in leakage.weights),
            "scores": leakage.scores,
            "study": locus.study,
            "chrom": record["chrom"],
            "suspicious": record["suspicious"],
            "flipped": int(_number(record, "flipped")),
            "converged": record["converged"] != "no",
            "reason": record["reason"],
            "variants": len(locus.variants),
            "unscored": len(locus.variants) - int(_number(record, "scored")) if leakage.scores else 0,
            "absent": _absent(locus),
        },
    )


def _absent(locus: LocusResult) -> int:
    """Variants of the study that are left out of a locus, where they are many."""
    every = int(_number(locus.record, "variants_in_study"))
    absent = every - len(locus.variants)
    return absent if absent > _MANY_ABSENT * every else 0


def _sets_table(locus: LocusResult, with_prior: bool) -> Table:
    rows: list[tuple[str, ...]] = []
    by_key = _by_key(locus.variants)
    for prior, heading in ((SCORE, "prior by scores"), (FLAT, "flat prior")):
        if prior == SCORE and not with_prior:
            # The same as those of the flat prior, where there are any.
            continue
        own = locus.sets[locus.sets["prior"] == prior]
        if with_prior:
            rows.append((heading,))
        for _, one in own.iterrows():
            lead = by_key.get(one["lead"])
            rows.append(
                (
                    f"set {one['set']}", f"{one['size']:,}", f"{one['coverage']:.3f}",
                    _decimals(one["min_abs_corr"], 2), _decimals(one["log10_bf"], 1),
                    one["lead"] if lead is None else described(lead), pip_text(one["lead_pip"]),
                )
            )  # fmt: skip
        if not len(own):
            rows.append(("none", *[""] * 6))
    header = ("", "variants", "coverage", "smallest |r|", "log10 BF", "variant of the highest PIP", "PIP")
    return _without_empty(header, rows)


def _by_key(variants: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Rows by ``chrom:pos:ref:alt``."""
    keys = (
        ":".join(map(str, row)) for row in variants[["chrom", "pos", "ref", "alt"]].itertuples(index=False)
    )
    return {key: row for key, (_, row) in zip(keys, variants.iterrows(), strict=True)}


def _decimals(value: float, decimals: int) -> str:
    return "" if math.isnan(value) else f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _variants_table(listed: pd.DataFrame, with_prior: bool, genes: Genes | None) -> Table:
    columns: list[tuple[str, str, Callable[[pd.Series[Any]], str]]] = [
        ("PIP", "pip", lambda one: pip_text(one["pip"])),
        ("flat prior", "pip_flat" if with_prior else "", lambda one: pip_text(one["pip_flat"])),
        ("set", "pip", lambda one: f"{one['set']}" if one["set"] else ""),
        ("p", "neg_log10_p", _p),
        ("r\N{SUPERSCRIPT TWO}", "r2", lambda one: _decimals(one["r2"], 2)),
        ("score", "score", lambda one: _decimals(one["score"], 3)),
        ("prior / flat", PRIOR_RATIO if with_prior else "", lambda one: digits(one[PRIOR_RATIO], 2)),
        ("gene", "pip" if genes is not None else "", lambda one: gene_of(genes, one["chrom"], one["pos"])),
        ("against", "outlier", lambda one: str(one["outlier"])),
    ]
    shown = [(name, write) for name, column, write in columns if column and listed[column].notna().any()]
    rows = [(described(one), *(write(one) for _, write in shown)) for _, one in listed.iterrows()]
    return _without_empty(("variant", *(name for name, _ in shown)), rows)


def _without_empty(header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table without the columns, but the first, that are empty in all rows."""
    whole = [row for row in rows if len(row) > 1]
    kept = [place for place in range(len(header)) if not place or any(row[place] for row in whole)]
    return Table(
        tuple(header[place] for place in kept),
        tuple(row if len(row) == 1 else tuple(row[place] for place in kept) for row in rows),
    )


def gene_of(genes: Genes | None, chrom: str, pos: int) -> str:
    """The protein-coding gene that a variant is in, or the nearest with its distance; empty without genes.

    Parameters
    ----------
    genes : Genes, optional
        Of the genome.
    chrom : str
        By any name.
    pos : int
        1-based.
    """
    found = genes.nearest(chrom, pos) if genes is not None else None
    if found is None:
        return ""
    gene, distance = found
    if not distance:
        return gene.name
    return f"{gene.name}, {digits(distance / 1000, 2)} kb"


class _Summary:
    """What the index says, gathered a locus at a time."""

    def __init__(self, tables: Tables, stems: Mapping[tuple[str, str], str], genes: Genes | None) -> None:
        self.tables, self.stems, self.genes = tables, stems, genes
        self.pips: list[np.typing.NDArray[np.float64]] = []
        self.above = np.zeros(2, dtype=np.int64)
        self.variants = 0
        self.with_prior = self.alone = 0
        self.listed: list[pd.Series[Any]] = []
        self._lowest = 0.0

    def add(self, locus: LocusResult) -> None:
        """A fine-mapped locus; one variant alone has a PIP of 1 in any case, which says nothing."""
        if len(locus.variants) == 1:
            self.alone += 1
            return
        pips = locus.variants[["pip_flat", "pip"]].to_numpy(np.float64)
        self.variants += len(pips)
        self.above += (pips > HIGH_PIP).sum(axis=0)
        self.pips.append(pips[pips.max(axis=1) > _DRAWN_PIP])
        self.with_prior += has_prior(locus)
        high = locus.variants["pip"].to_numpy(np.float64)
        # Of many loci, no more than are listed in the end.
        for row in np.flatnonzero(high > max(_LISTED_PIP, self._lowest))[:_MOST_LISTED]:
            self.listed.append(locus.variants.iloc[int(row)])
        if len(self.listed) > 4 * _MOST_LISTED:
            self.listed = self._first()
            # Equal ones may come first by p.
            self._lowest = float(self.listed[-1]["pip"]) * (1 - 1e-9)

    def _first(self) -> list[pd.Series[Any]]:
        return sorted(self.listed, key=lambda one: (-one["pip"], -np.nan_to_num(one["neg_log10_p"])))[
            :_MOST_LISTED
        ]

    def variants_table(self) -> Table:
        """The variants of the highest PIP."""
        rows: list[tuple[str, ...]] = []
        for one in self._first():
            name, key = described(one), (str(one["study"]), str(one["locus"]))
            rows.append(
                (
                    Link(name, f"{PAGES}/{self.stems[key]}.html") if key in self.stems else name,
                    key[0], pip_text(one["pip"]), pip_text(one["pip_flat"]) if self.with_prior else "",
                    _p(one), _decimals(one["score"], 3), gene_of(self.genes, one["chrom"], one["pos"]),
                )
            )  # fmt: skip
        return _without_empty(("variant", "study", "PIP", "flat prior", "p", "score", "gene"), rows)

    def loci_table(self) -> Table:
        """The fine-mapped loci, those of the highest PIPs first."""
        mapped = _by_pip(self.tables.loci)
        sizes = self.tables.sets.groupby(["study", "locus", "prior"])["size"].agg(list).to_dict()
        prior = SCORE if self.with_prior else FLAT
        # What is true of all loci is a caution above.
        differs = mapped["seen"].nunique() > 1
        rows = []
        for _, one in mapped.head(_MOST_LOCI).iterrows():
            key = one["study"], one["locus"]
            name = f"{one['study']}, {_region(one.to_dict())}"
            flat = sizes.get((*key, FLAT), [])
            rows.append(
                (
                    Link(name, f"{PAGES}/{self.stems[key]}.html") if key in self.stems else name,
                    shortened(str(one["top"]), 32), pip_text(one["top_pip"]),
                    _joined(sizes.get((*key, prior), [])) or "none",
                    (_joined(flat) or "none") if self.with_prior else "",
                    f"{one['variants']:,}", _neg_log10(one["lead_neg_log10_p"]),
                    _SEEN.get(str(one["seen"]), "") if differs else "", "yes" if one["suspicious"] else "",
                )
            )  # fmt: skip
        header = (
            "locus", "variant of the highest PIP", "PIP", "sets", "flat prior", "variants", "lowest p",
            "seen by the scores", "suspicious",
        )  # fmt: skip
        return _without_empty(header, rows)


_SEEN = {
    "no": "", "": "", "validation": "chose the epoch", "unknown": "not known", "chromosome": "its chromosome",
    "study": "the study",
}  # fmt: skip


def _neg_log10(value: float) -> str:
    if math.isnan(value):
        return ""
    return _p(pd.Series({"p_value": 10**-value if value < 300 else 0.0, "neg_log10_p": value}))


def _index(summary: _Summary, options: PageOptions) -> tuple[str, list[Section], bytes]:
    tables = summary.tables
    loci = tables.loci
    mapped = loci[loci["status"] == FINE_MAPPED]
    others = loci[loci["status"] != FINE_MAPPED]
    with_prior = summary.with_prior > 0
    sizes = {
        kind: tables.sets["size"][tables.sets["prior"] == kind].to_numpy(np.int64) for kind in (FLAT, SCORE)
    }
    drawn: list[bytes] = []

    def figure() -> bytes:
        pips = np.concatenate(summary.pips) if summary.pips else np.empty((0, 2))
        drawn.append(png(summary_figure(pips[:_MOST_POINTS], sizes, with_prior)))
        return drawn[0]

    values = {
        "title": options.title,
        "facts": Facts(tuple(_index_facts(summary, mapped, sizes, with_prior))),
        "cautions": [f"{one}." for one in options.cautions],
        "mapped": len(mapped),
        "loci": len(loci),
        "studies": loci["study"].nunique(),
        "pages": len(summary.stems),
        "alone": summary.alone,
        "with_prior": with_prior,
        "scores": options.leakage.scores,
        "listed_pip": _LISTED_PIP,
        "most_listed": _MOST_LISTED,
        "variants_table": summary.variants_table() if summary.listed else "",
        "high_pip": HIGH_PIP,
        "one_effect": int((mapped["method"] == Method.ONE_EFFECT).sum()),
        "prior_table": _prior_table(tables.prior) if with_prior and len(tables.prior) else "",
        "loci_table": summary.loci_table() if len(mapped) else "",
        "most_loci": _MOST_LOCI,
        "others_table": _others_table(others) if len(others) else "",
        "others": len(others),
        "notes": [f"{note}." for note in options.notes],
        "settings": settings_table(options.settings) if options.settings else "",
    }
    title, sections = prose.rendered(_INDEX, values, {"finemapping": figure})
    return title, sections, drawn[0] if drawn else b""


def _index_facts(
    summary: _Summary,
    mapped: pd.DataFrame,
    sizes: Mapping[str, np.typing.NDArray[np.int64]],
    with_prior: bool,
) -> list[Fact]:
    def change(flat: object, informed: object) -> str:
        return f"{flat} {_ARROW} {informed}" if with_prior else f"{flat}"

    flat, informed = summary.above.tolist()
    facts = [
        Fact("loci", f"{len(mapped):,}", f"fine-mapped, of {len(summary.tables.loci):,}"),
        Fact(
            f"PIP above {HIGH_PIP:g}",
            change(flat, informed),
            f"variants; {_FLAT_TO_SCORES}" if with_prior else "variants",
        ),
        Fact(
            "credible sets",
            change(*(f"{len(sizes[kind]):,}" for kind in (FLAT, SCORE))),
            _FLAT_TO_SCORES * with_prior,
        ),
    ]
    medians = [float(np.median(sizes[kind])) if len(sizes[kind]) else math.nan for kind in (FLAT, SCORE)]
    if not math.isnan(medians[0]):
        after = "none" if math.isnan(medians[1]) else f"{medians[1]:g}"
        facts.append(Fact("variants of a set", change(f"{medians[0]:g}", after), "median"))
    return facts


_FLAT_TO_SCORES = f"flat prior {_ARROW} prior by scores"


def _prior_table(prior: pd.DataFrame) -> Table:
    """Coefficients by chromosome, a column a feature."""
    features = list(dict.fromkeys(prior["feature"]))
    rows: list[tuple[str, ...]] = []
    several = prior["study"].nunique() > 1
    for study, own in prior.groupby("study", sort=False):
        if several:
            rows.append((str(study),))
        for chrom, one in own.groupby("chrom", sort=False):
            by_feature = one.set_index("feature")["coefficient"]
            first = one.iloc[0]
            rows.append(
                (
                    "all chromosomes" if chrom == "all" else f"for chromosome {chrom}",
                    *(_decimals(float(by_feature.get(name, math.nan)), 3) for name in features),
                    f"{first['signals']:,}", _decimals(float(first["gain"]), 3),
                    _decimals(float(first["held_out_gain"]), 3), str(first["reason"]),
                )
            )  # fmt: skip
    return Table(("", *features, "signals", "gain", "on others", ""), tuple(rows))


def _others_table(others: pd.DataFrame) -> Table:
    rows = []
    for _, own in others.groupby(["study", "status", "reason"], sort=False):
        study, status, reason = own.iloc[0][["study", "status", "reason"]]
        names = own["locus"].tolist()
        more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
        rows.append(
            (f"{study}: {', '.join(map(str, names[:5]))}{more}", str(status), str(reason), f"{len(names):,}")
        )
    return Table(("loci", "status", "reason", "number"), tuple(rows), numbers=False)


def _stem(number: int, study: str, locus: str) -> str:
    """What the names of a locus's files begin with: a number, so that no two are the same."""
    text = re.sub(r"[^A-Za-z0-9.+-]+", "_", f"{study}_{locus}")[:_LONGEST_STEM].strip("_.")
    return f"{number:03d}_{text or MISSING.replace('.', 'locus')}"


def _put(path: Path, content: bytes) -> Path:
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
    return path


def _forget(folder: Path) -> None:
    """Remove the pages and figures of an earlier run."""
    for name in (PAGES, FOLDER):
        with contextlib.suppress(OSError):
            for path in (folder / name).iterdir():
                if _OWN_FILE.fullmatch(f"{name}/{path.name}"):
                    path.unlink(missing_ok=True)
