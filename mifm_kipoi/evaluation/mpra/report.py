"""The report of the evaluation on saturation mutagenesis: Markdown, HTML and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.evaluation.mpra import plots
from mifm_kipoi.evaluation.mpra.answer import answer, estimate
from mifm_kipoi.evaluation.mpra.correlations import BLOCK_BP, FEWEST_POSITIONS
from mifm_kipoi.evaluation.mpra.elements import Element
from mifm_kipoi.evaluation.mpra.records import (
    ALL,
    CONTROL,
    HELD_OUT,
    SEEN,
    Evaluated,
    Question,
    Source,
)
from mifm_kipoi.evaluation.mpra.table import Kind, Measured
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.reports import page
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Block, Picture, Section, Table
from mifm_kipoi.statistics.estimates import MIN_CLUSTERS

TITLE = "Scores and the measured effects of single bases in regulatory elements"

_QUESTIONS = {
    Question.SIZE: "Size of the measured effect",
    Question.DIRECTION: "Measured effect with its sign",
}


def write_report(evaluated: Evaluated, folder: Path) -> list[Path]:
    """Write ``report.html``, ``report.md`` and ``figures/*.png``, the same in content.

    Returns
    -------
    list of Path
        The figures and the two reports.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    return page.write_page(folder, TITLE, list(_sections(evaluated)))


def _sections(evaluated: Evaluated) -> Iterator[Section]:
    yield Section("The answer", (answer(evaluated.by_element, evaluated.summary), *_caveats(evaluated)))
    yield _means(evaluated)
    if evaluated.by_element["held_out"].any():
        yield _held_out(evaluated)
    if stratum := _significant(evaluated):
        text = f"Only effects with a p-value of at most {evaluated.made_by['max_p']:g}, of single exchanges."
        yield Section("Significant effects", (text, _table(evaluated.summary, Kind.SNV, stratum)))
    if (evaluated.by_element["rows"][evaluated.by_element["kind"] == Kind.DELETION] > 0).any():
        text = (
            "Deletions of one base, apart from exchanges. In VCF they stand at the base before, which is "
            "what the windows of sequence models are centred on. Attributions are of exchanges alone."
        )
        yield Section("Deletions", (text, _table(evaluated.summary, Kind.DELETION, ALL)))
    yield _elements(evaluated)
    yield _rows(evaluated)
    yield _models(evaluated)
    made_by = {name: value for name, value in evaluated.made_by.items() if name != "declarations"}
    yield Section("How it was made", (page.settings_table(made_by),))


def _significant(evaluated: Evaluated) -> str | None:
    return next((name for name in evaluated.summary["stratum"].unique() if name != ALL), None)


def _pick(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows with these values."""
    chosen = np.ones(len(table), dtype=bool)
    for name, value in values.items():
        chosen &= (table[name] == value).to_numpy()
    return table[chosen]


def _caveats(evaluated: Evaluated) -> Iterator[str]:
    if evaluated.unknown is not None:
        low, middle, high = (page.percent(float(np.quantile(evaluated.unknown, at))) for at in (0, 0.5, 1))
        yield (
            "**No genome was given.** Windows held the element alone, its sequence read off the column Ref, "
            f"and N around it: {middle} % of the 512 bp at the median position, {low} to {high} % over all. "
            "For this, and only for this, the limit on N in windows was lifted for MIFM. Scores of such "
            "windows are another thing than those in the genome: with half a window N, they keep a Spearman "
            "correlation of 0.3 to 0.8 with those of the whole, and MIFM was never shown such windows. "
            "Models other than MIFM follow their own rule on N."
        )
    yield (
        "An assay measures how an exchange changes expression from a plasmid, in one kind of cell. MIFM was "
        "trained to tell which variants are causal for traits, in any tissue; its logit rises with that and "
        "not with expression, so that a correlation with the size of effects is to be expected before one "
        "with their sign."
    )
    overlapping = _overlapping(evaluated.elements)
    if overlapping:
        yield (
            "Elements that overlap are no independent units, and intervals of means too narrow: "
            f"{overlapping}."
        )


def _overlapping(elements: list[Element]) -> str:
    names: list[str] = []
    for place, one in enumerate(elements):
        for other in elements[place + 1 :]:
            same = contig_key(one.chrom) == contig_key(other.chrom)
            if same and one.start < other.end and other.start < one.end:
                names.append(f"{one.name} and {other.name}")
    return page.listed(names)


def _means(evaluated: Evaluated) -> Section:
    blocks: list[Block] = [
        "Means of the correlations within elements, over their exchanges of single bases; each of the n "
        "elements is one unit, and 95 % intervals are over elements (Student). The distance is minus that "
        "to the centre of the element: effects tend to be larger near it. The last two columns are the "
        "correlation given the distance (partial), and the difference to that of the distance. |x| is the "
        "size of a score with a sign. Intervals are of each score alone, not corrected for their number. "
        "Pearson's correlation, and all of single elements, are in summary.tsv and elements.tsv.",
        "Attributions are of windows that stay on the element, and fall with the distance from the centre "
        "of the window, whatever the sequence: what counts is their correlation given the distance.",
        _table(evaluated.summary, Kind.SNV, ALL),
    ]
    for question, heading in _QUESTIONS.items():
        chosen = {"kind": Kind.SNV, "stratum": ALL, "question": question}
        rows = _pick(evaluated.by_element, **chosen)
        if rows.empty:
            continue
        figure = plots.correlations(rows, _pick(evaluated.summary, **chosen, group=ALL), CONTROL)
        caption = f"{heading}: Spearman's correlation within each element, read as above."
        if question is Question.SIZE:
            caption = (
                f"{heading}: Spearman's correlation within each element, with 95 % intervals by a bootstrap "
                f"over blocks of {BLOCK_BP} bp, which remain too narrow (there is none with fewer than "
                f"{MIN_CLUSTERS} blocks; elements of fewer than {FEWEST_POSITIONS} positions are not part of "
                "the mean). Diamonds are elements on chromosomes that the "
                "model held out; squares are means over elements. Controls are grey."
            )
        blocks.append(Picture(f"correlations_{question}", png(figure), caption))
    return Section("Correlations", tuple(blocks))


def _table(summary: pd.DataFrame, kind: Kind, stratum: str) -> Table:
    chosen = _pick(summary, kind=kind, stratum=stratum, group=ALL)
    chosen = chosen[chosen["elements"] > 0]
    rows: list[tuple[str, ...]] = []
    for question, heading in _QUESTIONS.items():
        part = chosen[chosen["question"] == question]
        if len(part):
            rows.append((heading,))
        rows += [
            (
                str(row["score"]),
                page.count(row["elements"]),
                *(estimate(row, name) for name in ("spearman", "partial", "difference")),
            )
            for _, row in part.iterrows()
        ]
    header = ("score", "n", "Spearman", "given the distance", "less that of the distance")
    return Table(header, tuple(rows))


def _held_out(evaluated: Evaluated) -> Section:
    by_element = _pick(evaluated.by_element, kind=Kind.SNV, stratum=ALL)
    chosen = _pick(evaluated.summary, kind=Kind.SNV, stratum=ALL)
    rows: list[tuple[str, ...]] = []
    for question, heading in _QUESTIONS.items():
        groups = chosen[(chosen["question"] == question) & (chosen["group"] != ALL)]
        if len(groups):
            rows.append((heading,))
        for score in dict.fromkeys(groups["score"]):
            cells: list[str] = [str(score)]
            for group, held_out in ((HELD_OUT, True), (SEEN, False)):
                row = _pick(groups, score=score, group=group)
                number = int(row["elements"].sum())
                if number == 1:
                    row = _pick(by_element, question=question, score=score, held_out=held_out)
                    row = row[row["spearman"].notna()]
                cells += [page.count(number), estimate(row.iloc[0], "spearman") if number else ""]
            rows.append(tuple(cells))
    seen = by_element[by_element["held_out"]].drop_duplicates("element")
    names = ", ".join(
        f"{name} ({plots.named(chrom)})" for name, chrom in zip(seen["element"], seen["chrom"], strict=True)
    )
    text = (
        f"Elements, with their chromosomes, that lie where nothing of a model was fitted or chosen: {names}. "
        "The interval of a single element is over blocks of its positions, and too narrow; that of "
        "several is over elements."
    )
    header = ("score", "held out, n", "Spearman", "others, n", "Spearman")
    return Section("Held-out chromosomes", (text, Table(header, tuple(rows))))


def _elements(evaluated: Evaluated) -> Section:
    text = (
        "Above, the measured effect of the strongest of the exchanges of each base, red where it raises "
        "expression and blue where it lowers it. Below, the scores: the mean of the exchanges of a base, or, "
        "for scores with a sign, the strongest of them, red above 0 and blue below."
    )
    pictures = (_profile(evaluated, place) for place in range(len(evaluated.elements)))
    return Section("Elements", (text, *pictures))


def _profile(evaluated: Evaluated, place: int) -> Picture:
    element = evaluated.elements[place]
    rows = evaluated.measurements.rows
    inside = ((rows["element"] == element.name) & (rows["kind"] == Kind.SNV)).to_numpy()
    positions = np.arange(element.start + 1, element.end + 1)
    effects = rows["coefficient"].where(rows["measured"] == Measured.OK).to_numpy(dtype=float)

    def over(values: npt.NDArray[np.float64], signed: bool) -> npt.NDArray[np.float64]:
        return plots.by_position(rows["pos"].to_numpy()[inside], values[inside], positions, signed)

    by_name = _pick(evaluated.by_element, element=element.name, kind=Kind.SNV, stratum=ALL)
    by_name = _pick(by_name, question=Question.SIZE)
    panels = [("measured effect, log2", over(effects, True), True)]
    for source in evaluated.sources:
        shown = _shown(source)
        if source.label == CONTROL or shown is None:
            continue
        column, name, signed = shown
        found = _pick(by_name, score=name).iloc[0]
        title = f"{source.column(column)}   (Spearman {estimate(found, 'spearman') or 'none'})"
        panels.append((title, over(source.columns[column], signed), signed))
    figure = plots.profile(element, positions, panels)
    where = f"{element.chrom}:{element.start + 1:,}-{element.end:,}"
    own = int((inside & (rows["measured"] == Measured.OK).to_numpy()).sum())
    caption = f"**{element.name}**, {where}, {len(element)} bp: {own:,} exchanges that are evaluated."
    return Picture(f"element_{place + 1}", png(figure, 110), caption)


def _shown(source: Source) -> tuple[str, str, bool] | None:
    """The score that a figure shows, if any, the name of its series, and whether it has a sign."""
    for score in source.scores:
        if score.ranks and not score.signed:
            return score.name, source.column(score.name), False
    signed = (score.name for score in source.scores if score.signed)
    return next(((name, f"|{source.column(name)}|", True) for name in signed), None)


def _rows(evaluated: Evaluated) -> Section:
    rows = evaluated.measurements.rows
    lines: list[tuple[str, ...]] = [("Measured",)]
    lines += [(str(reason), page.count(number)) for reason, number in Counter(rows["measured"]).most_common()]
    for source in evaluated.sources:
        lines.append((f"{source.status_column}",))
        lines += [(reason, page.count(number)) for reason, number in Counter(source.status).most_common()]
    least = evaluated.made_by["min_barcodes"]
    text = (
        f"All {len(rows):,} rows of the table are in scores.tsv.gz, with their scores. Evaluated are those "
        f"that are measured and scored; few_barcodes are effects of fewer than {least} barcodes."
    )
    return Section("Rows", (text, Table(("reason", "rows"), tuple(lines))))


def _models(evaluated: Evaluated) -> Section:
    lines: list[tuple[str, ...]] = []
    for source in evaluated.sources:
        declared = source.declaration
        if declared is None:
            lines.append(("Controls",))
        elif source.status_column == f"{source.label}.status":
            lines.append((f"{source.label}: {declared.name}",))
            lines += [
                ("held out", "chromosomes " + ", ".join(declared.held_out) if declared.held_out else "none"),
                ("leakage", declared.leakage or "nothing is known"),
                (
                    "windows",
                    f"{declared.window:,} bp; {declared.alleles}" if declared.window else "no sequence",
                ),
                ("source", declared.citation),
            ]
        lines += [(source.column(score.name), score.meaning) for score in source.scores]
    text = (
        "What each model says of itself. The effects measured here trained none of the MIFM weights that "
        "come with this package. Whether variants of an element are known to a model otherwise, through "
        "GWAS, fine-mapping or annotations of the same place, is what its leakage says."
    )
    return Section("Models", (text, Table(("", ""), tuple(lines), numbers=False)))
