"""The report of the benchmark: how often the causal variant is found, by which model, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.known_truth import plots
from benchmarks.known_truth.results import Results, read, read_settings
from mifm_kipoi.reports import page
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Picture, Section, Table
from mifm_kipoi.support.files import made_folder

TITLE = "Is the causal variant found? Models of many poolings where the truth is known"

_QUESTION = (
    "GWAS loci were simulated in which a rule on the sequence decides which variants are causal: the variant "
    "substitutes an informative base of a causal motif, a co-factor's motif is within 60 bp, and a "
    "repressor's is not. A bag is the variants of one association signal. Models were trained on the "
    "sequences of bags and on which bags hold a signal, some also on the statistics of the GWAS; none saw "
    "which variant is causal. Here they rank the variants of genealogies that no training bag came from. "
    "Top-1 is the fraction of bags with a causal variant in which one is ranked first. ABF is the "
    "approximate Bayes factor, which is fine-mapping without sequence."
)


def write_report(results: Path, out: Path) -> None:
    """Write ``report.md``, ``report.html`` and ``figures/*.png``, the same in content.

    Parameters
    ----------
    results : Path
        Folder of the tables of :data:`benchmarks.known_truth.results.COLUMNS` and of ``settings.json``.
        What has no rows, or is absent, is left out of the report; the tables of arms and metrics are needed.
    out : Path
        Folder to write to; it is made where it is absent.

    Raises
    ------
    ValueError
        When a table lacks columns, or has arms that the table of arms lacks.
    """
    sections = _sections(Results(read(results), read_settings(results)))
    page.write_page(made_folder(out), TITLE, list(sections))


def _sections(results: Results) -> Iterator[Section]:
    """All sections, in their order; those without data are left out."""
    yield Section("The answer", tuple(filter(None, (_answer(results), _reasons(results), _QUESTION))))
    yield _all_arms(results)
    makers = {
        "top_1_by_size": _by_size, "precision_recall": _precision_recall, "power": _power, "kinds": _decoys,
        "attribution": _attribution, "calibration": _calibration, "credible_sets": _credible_sets,
        "learning_curves": _learning_curves,
    }  # fmt: skip
    for name, make in makers.items():
        if name in results.tables:
            yield make(results, results.tables[name])
    yield _making(results)


def _answer(results: Results) -> str:
    arms, best, prior = results.arms, results.arms.best, results.arms.best_prior
    sentences = []
    if best is not None:
        auprc = results.phrase(best, "auprc")
        number = len(results.in_groups("pooling", "combination"))
        sentences.append(
            f"**The {'best ' if number > 1 else ''}model, {arms.labels[best]}, ranks a causal variant first "
            f"in {results.phrase(best, 'top_1')} of the test signals that have one**"
            + (f"; its AUPRC is {auprc}." if auprc else ".")
        )
        if number > 1:
            sentences.append(f"It was chosen from {number} models on validation bags.")
    baselines = results.in_groups("baseline")
    if accuracies := results.listed(baselines, "top_1"):
        sentences.append(f"Top-1 of baselines: {accuracies}.")
    if areas := results.listed(baselines, "auprc"):
        sentences.append(f"Their AUPRC: {areas}.")
    if prior is not None and (alone := results.values("top_1").get("abf")) is not None:
        gain = results.difference(prior, "abf") or page.points(results.values("top_1")[prior] - alone)
        before, after = (results.text(arm, "auprc", interval=False) for arm in ("abf", prior))
        sentences.append(
            f"**With a model as its prior, ABF goes from {results.text('abf', 'top_1', interval=False)} % "
            f"to {results.phrase(prior, 'top_1')}**, {gain} points ({arms.labels[prior]})"
            + (f"; its AUPRC goes from {before} to {after}." if before and after else ".")
        )
    return " ".join(sentences)


def _reasons(results: Results) -> str:
    """What decides, and whether the controls behave."""
    sentences = []
    if len(poolings := results.arms.poolings) > 1:
        worst, best = (results.listed([arm], "top_1") for arm in (poolings[-1], poolings[0]))
        sentences.append(f"Between poolings top-1 goes from {worst} to {best}.")
    if controls := results.listed(results.in_groups("control"), "top_1"):
        sentences.append(f"Top-1 of controls: {controls}.")
    return " ".join(sentences)


def _all_arms(results: Results) -> Section:
    """The main table and its figure."""
    details = results.tables["arms"].set_index("arm")
    rows: list[tuple[str, ...]] = []
    for group, arms in results.arms.by_group():
        rows.append((group,))
        rows += [
            (
                results.arms.labels[arm],
                *(results.text(arm, metric) for metric in ("top_1", "top_5", "auprc")),
                results.difference(arm, "lowest_p"),
                *(page.count(details.loc[arm, column]) for column in ("members", "windows")),
                f"{seconds / 60:.1f}" if (seconds := details.loc[arm, "seconds"]) > 0 else "",
            )
            for arm in arms
        ]
    header = (
        "arm", "top-1, %", "top-5, %", "AUPRC", "top-1 less lowest p, points", "networks",
        "training windows", "training, minutes",
    )  # fmt: skip
    figure = plots.overview(results.arms, results.tables["metrics"], results.tables.get("seeds"))
    dots = "; small dots are single networks" if "seeds" in results.tables else ""
    caption = (
        f"Further right is better. Points are the values of the table, bars their 95 % intervals{dots}. "
        "The vertical lines are a random choice (dotted) and the lowest p-value (dashed)."
    )
    best = results.listed(results.arms.poolings[:3], "top_1")
    finding = f"The best three poolings by top-1: {best}." if len(results.arms.poolings) > 2 else ""
    intro = (
        "Values with 95 % intervals, by bootstrap over genealogies. Top-5 counts bags with a causal variant "
        "among the first five. Differences are of the same bags."
    )
    picture = Picture("overview", png(figure), caption, finding)
    return Section("All arms", (intro, Table(header, tuple(rows)), picture))


def _by_size(results: Results, table: pd.DataFrame) -> Section:
    caption = (
        "The larger the bag, the harder the choice: a random one falls as one over the size. Bars are "
        "95 % intervals; a model that knows the rule stays flat."
    )
    largest = table[table["size_low"] == table["size_low"].max()].set_index("arm")
    accuracies = [
        f"{results.arms.labels[arm]} {page.percent(largest.loc[arm, 'value'])} %"
        for arm in results.arms.lines
        if arm in largest.index and arm != results.arms.best_prior
    ]
    finding = f"In the largest bags top-1 is: {page.listed(accuracies)}."
    figure = plots.by_size(results.arms, table)
    return Section("Does it hold in large bags?", (Picture("top_1_by_size", png(figure), caption, finding),))


def _precision_recall(results: Results, table: pd.DataFrame) -> Section:
    caption = (
        "All variants of all test bags in one ranking. Precision is the fraction of causal variants among "
        "those above a threshold, recall the fraction of causal variants that are above it; the area "
        "under the line is the AUPRC."
    )
    figure = plots.precision_recall(results.arms, table, results.values("auprc"))
    areas = results.listed([arm for arm in results.arms.lines if arm in set(table["arm"])], "auprc")
    finding = f"AUPRC: {areas}." if areas else ""
    picture = Picture("precision_recall", png(figure), caption, finding)
    return Section("Precision and recall over all variants", (picture,))


def _power(results: Results, table: pd.DataFrame) -> Section:
    caption = (
        "Fraction of causal variants found (power) when the threshold is such that a given fraction of the "
        "variants found is not causal (false discovery rate)."
    )
    powers = results.listed(results.arms.lines, "power_at_fdr_0.1")
    finding = f"At a false discovery rate of 10 %, power is: {powers}." if powers else ""
    picture = Picture("power", png(plots.power(results.arms, table)), caption, finding)
    return Section("Power at a false discovery rate", (picture,))


def _decoys(results: Results, table: pd.DataFrame) -> Section:
    caption = (
        "Each row says which kinds of variants an arm ranks first, in percent of the bags with a "
        "causal variant; the first column is top-1. No co-factor: the variant is in a causal motif, "
        "but without a co-factor within 60 bp. Repressor: all is there, a repressor too. Free base: a "
        "base of the motif that may be any. Near motif: beside a motif. Logits, where shown: medians "
        "and quartiles."
    )
    sentences = []
    for arm in dict.fromkeys((results.arms.best, "max", "lowest_p")):
        fractions = table[(table["arm"] == arm) & (table["kind"] != "causal")].set_index("kind")[
            "first_share"
        ]
        if arm is not None and fractions.sum() > 0:
            percentage = f"{page.percent(fractions.max())} % of bags"
            sentences.append(f"{results.arms.labels[arm]}: {plots.KINDS[fractions.idxmax()]} ({percentage}).")
    finding = f"Most frequent wrong choice. {' '.join(sentences)}" if sentences else ""
    picture = Picture("decoys", png(plots.decoys(results.arms, table)), caption, finding)
    return Section("What is mistaken for causal", (picture,))


def _attribution(results: Results, table: pd.DataFrame) -> Section:
    present = results.arms.of(table)
    wished = (results.arms.best, *results.arms.poolings)
    arm = next((arm for arm in wished if arm in present), present[0])
    caption = (
        f"{results.arms.labels[arm]}: how much the logit changes, on average, when a base of a motif is "
        "substituted. A model that has learnt the rule reacts to informative bases (coloured) and not to "
        "free ones (grey, N); the dashed line is a substitution at least 20 bp from the variant's own motif "
        "and co-factor."
    )
    rows = []
    for name in present:
        its = table[table["arm"] == name]
        informative, free = (its.loc[its["informative"] == flag, "effect"].mean() for flag in (1, 0))
        rows.append((name, informative, free, its["background"].mean()))
    _, informative, free, background = next(row for row in rows if row[0] == arm)
    finding = (
        f"Mean change: {informative:.2f} at informative bases, {free:.2f} at free ones, "
        f"{background:.2f} elsewhere."
    )
    picture = Picture("attribution", png(plots.attribution(results.arms, table, arm)), caption, finding)
    header = ("arm", "informative bases", "free bases", "elsewhere")
    cells = tuple((results.arms.labels[name], *(f"{value:.2f}" for value in its)) for name, *its in rows)
    return Section(
        "Which bases the model reads", (picture, *((Table(header, cells),) if len(rows) > 1 else ()))
    )


def _calibration(results: Results, table: pd.DataFrame) -> Section:
    caption = (
        "A PIP of 0.8 should mean that 80 % of such variants are causal: points on the diagonal. Bars "
        "above are 95 % intervals; below, the number of variants in each bin, on a logarithmic scale."
    )
    sentences = []
    for arm in results.arms.of(table):
        rows = table[(table["arm"] == arm) & (table["count"] > 0)].sort_values("bin_low")
        if len(rows):
            last = rows.iloc[-1]
            sentences.append(
                f"{results.arms.labels[arm]}: of {last['count']:,.0f} variants with a PIP from "
                f"{last['bin_low']:g} on, {page.percent(last['observed'])} % are causal; their mean PIP "
                f"is {last['predicted']:.2f}."
            )
    picture = Picture(
        "calibration", png(plots.calibration(results.arms, table)), caption, " ".join(sentences)
    )
    return Section("Are the posterior probabilities right?", (picture,))


def _credible_sets(results: Results, table: pd.DataFrame) -> Section:
    rows = table.set_index("arm").loc[results.arms.of(table)]
    cells = tuple(
        (
            results.arms.labels[str(arm)],
            page.count(row["sets"]),
            page.with_interval(page.percent, row["coverage"], row["low"], row["high"]),
            f"{row['mean_size']:.1f}",
            f"{row['median_size']:g}",
            f"{row['purity']:.2f}",
        )
        for arm, row in rows.iterrows()
    )
    intro = (
        "Sets of variants whose PIPs add up to 95 %, of bags with a causal variant. Coverage is the fraction "
        "of sets that hold one, which should be at least 95 %; at that coverage, smaller is better. Purity "
        "is the smallest absolute correlation between two variants of a set, averaged over sets. Where the "
        "PIPs of a bag add up to less than 95 %, for perhaps none of it is causal, the set is the whole bag."
    )
    header = ("arm", "sets", "coverage, %", "mean size", "median size", "purity")
    return Section("95 % credible sets", (intro, Table(header, cells)))


def _learning_curves(results: Results, table: pd.DataFrame) -> Section:
    caption = (
        "Above, top-1 on the validation bags; below, the loss on training (full) and validation bags "
        "(dotted). One line per network. Losses of different arms have different scales."
    )
    last = table.sort_values("epoch").groupby(["arm", "seed"], sort=False)["validation_top_1"].last()
    spread = last.groupby("arm").agg(["min", "max"])
    texts = [
        f"{results.arms.labels[arm]} {page.percent(low)}-{page.percent(high)} %"
        for arm in dict.fromkeys((*results.arms.poolings[:3], *results.arms.poolings[-1:]))
        if arm in spread.index
        for low, high in (spread.loc[arm],)
    ]
    finding = f"After the last epoch, lowest to highest network: {page.listed(texts)}." if texts else ""
    picture = Picture("learning_curves", png(plots.learning_curves(results.arms, table)), caption, finding)
    return Section("Learning curves", (picture,))


def _making(results: Results) -> Section:
    """What the arms are, and the settings."""
    descriptions = results.tables["arms"][["label", "description"]].fillna("")
    described = list(descriptions.itertuples(index=False, name=None))
    blocks: list[page.Block] = [Table(("arm", "what it is"), tuple(described), numbers=False)]
    if results.settings:
        blocks.append(page.settings_table(results.settings))
    return Section("How it was made", tuple(blocks))
