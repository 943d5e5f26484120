"""The figures of the report: each takes a table of results and gives a figure."""

from __future__ import annotations

import dataclasses
import itertools
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mifm_kipoi.reports.drawing import ACCENT, COLOURS, GREY, SLATE, WIDTH, shortened, styled

GROUPS = {
    "pooling": "Poolings",
    "setting": "Other settings",
    "curve": "Fewer bags, more windows",
    "combination": "Combinations of networks",
    "control": "Controls",
    "prior": "ABF with the model as prior",
    "baseline": "Baselines",
}
"""Groups of arms, and what the report calls them."""

KINDS = {
    "causal": "causal",
    "no_cofactor": "no co-factor",
    "repressor": "repressor",
    "uninformative_base": "free base",
    "near_motif": "near motif",
    "background": "background",
    "other_trait": "another trait's",
    "informative": "gate closed",
    "other_allele+gate": "other allele",
    "other_allele": "other allele, closed",
    "free+gate": "free base",
    "free": "free base, closed",
    "beside+gate": "beside motif",
    "beside": "beside, closed",
    "absent+gate": "co-factor alone",
    "absent": "no site",
}
"""Kinds of variants of both designs, in their order, and what the report calls them."""

_BEST = (COLOURS[0], COLOURS[2], COLOURS[4])
_FIXED = {"max": COLOURS[3], "abf": COLOURS[1], "lowest_p": "#444444", "random": GREY, "oracle": COLOURS[7]}
_PRIOR, _COMBINATION = ACCENT, COLOURS[5]
_OTHERS = {
    "pooling": SLATE, "setting": SLATE, "curve": SLATE, "combination": "#A08FBE", "control": "#9A9483",
    "prior": "#DDA17E", "baseline": GREY,
}  # fmt: skip
_MARKERS = {
    "pooling": "o",
    "setting": "v",
    "curve": "<",
    "combination": "s",
    "control": "^",
    "prior": "D",
    "baseline": "X",
}
_DASHES = {"lowest_p": "--", "random": ":", "oracle": "-."}


@dataclasses.dataclass(frozen=True)
class Arms:
    """The arms, in their order, and which of them stand out.

    Parameters
    ----------
    labels, groups : mapping of str to str
        Of all arms.
    poolings : tuple of str
        The poolings, the best on validation genealogies first.
    best, best_prior : str or None
        The trained model that is the best on validation genealogies, and ABF with it as prior.
    """

    labels: Mapping[str, str]
    groups: Mapping[str, str]
    poolings: tuple[str, ...] = ()
    best: str | None = None
    best_prior: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """Arms of figures in which only a few can be distinguished."""
        chosen = (*self.poolings[:3], "max", self.best_prior, "abf", "lowest_p", "random")
        return tuple(dict.fromkeys(arm for arm in chosen if arm in self.labels))

    def colour(self, arm: str) -> str:
        """The colour of an arm, the same in every figure."""
        if arm in self.poolings[:3]:
            return _BEST[self.poolings.index(arm)]
        if arm == self.best_prior:
            return _PRIOR
        if arm == self.best:
            return _COMBINATION
        return _FIXED.get(arm, _OTHERS[self.groups[arm]])

    def by_group(self) -> Iterator[tuple[str, list[str]]]:
        """Runs of arms of one group: its name, and the arms."""
        for group, arms in itertools.groupby(self.labels, key=lambda arm: self.groups[arm]):
            yield GROUPS[group], list(arms)

    def of(self, table: pd.DataFrame) -> list[str]:
        """The arms of a table."""
        present = set(table["arm"])
        return [arm for arm in self.labels if arm in present]


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), layout="constrained")


@styled()
def overview(arms: Arms, metrics: pd.DataFrame, seeds: pd.DataFrame | None) -> Figure:
    """Top-1 accuracy and AUPRC of all arms, their intervals and, as small dots, single networks."""
    heights: dict[str, float] = {}
    ticks: list[tuple[float, str, bool]] = []
    y = 0.0
    for name, members in arms.by_group():
        ticks.append((y, name, True))
        for arm in members:
            y += 1
            heights[arm] = y
            ticks.append((y, _wrapped(arms.labels[arm]), False))
        y += 1.4
    figure = _figure(0.21 * y + 0.9)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (metric, title) in zip(
        panels, (("top_1", "Causal variant ranked first (top-1)"), ("auprc", "AUPRC")), strict=True
    ):
        rows = metrics[metrics["metric"] == metric].set_index("arm")
        for arm in ("random", "lowest_p"):
            if arm in rows.index:
                axes.axvline(
                    rows.loc[arm, "value"], color=arms.colour(arm), linestyle=_DASHES[arm], linewidth=0.9
                )
        if seeds is not None:
            dots = seeds[seeds["metric"] == metric]
            axes.scatter(
                dots["value"], [heights[arm] + 0.28 for arm in dots["arm"]], s=7, linewidths=0, alpha=0.75,
                c=[arms.colour(arm) for arm in dots["arm"]],
            )  # fmt: skip
        for arm, row in rows.iterrows():
            _interval(axes, row, heights[str(arm)], arms.colour(str(arm)), _MARKERS[arms.groups[str(arm)]])
        axes.set(xlim=(-0.02, 1.03), title=title)
        axes.grid(axis="x", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks([tick[0] for tick in ticks], [tick[1] for tick in ticks])
    for label, (_, _, heading) in zip(panels[0].get_yticklabels(), ticks, strict=True):
        label.set_fontweight("bold" if heading else "normal")
    panels[0].set_ylim(y - 0.6, -0.8)
    return figure


def _interval(axes: Axes, row: pd.Series, y: float, colour: str, marker: str) -> None:
    axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(row["value"], y, marker, color=colour, markersize=5.5, markeredgewidth=0)


@styled()
def by_size(arms: Arms, table: pd.DataFrame) -> Figure:
    """Top-1 accuracy over the number of variants of a bag."""
    figure = _figure(3.9)
    axes = figure.subplots()
    bins = table[["size_low", "size_high", "bags"]].drop_duplicates("size_low").sort_values("size_low")
    ends = []
    shown = [arm for arm in arms.lines if arm in set(table["arm"]) and arm != arms.best_prior]
    for number, arm in enumerate(shown):
        rows = table[table["arm"] == arm].sort_values("size_low")
        x = bins["size_low"].searchsorted(rows["size_low"]) + 0.05 * (number - (len(shown) - 1) / 2)
        axes.vlines(x, rows["low"], rows["high"], color=arms.colour(arm), linewidth=0.8, alpha=0.7)
        axes.plot(
            x, rows["value"], _DASHES.get(arm, "-"), color=arms.colour(arm), marker="o", markersize=3.5,
            linewidth=1.3,
        )  # fmt: skip
        ends.append((float(x[-1]), float(rows["value"].iloc[-1]), arm))
    labels = [
        f"{_size(row.size_low, row.size_high)}\n({row.bags:,.0f} bags)"
        for row in bins.itertuples(index=False)
    ]
    axes.set_xticks(range(len(bins)), labels)
    axes.set(
        ylim=(0, 1.02), xlim=(-0.4, len(bins) - 0.6), xlabel="variants of the bag", ylabel="top-1 accuracy"
    )
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    _label_ends(axes, arms, ends)
    return figure


def _size(low: float, high: float) -> str:
    if not math.isfinite(high):
        return f"{low:.0f} and more"
    return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"


def _label_ends(axes: Axes, arms: Arms, ends: Sequence[tuple[float, float, str]]) -> None:
    """Name lines at their right ends, names moved apart where they would overlap."""
    low, high = axes.get_ylim()
    ordered = sorted(ends, key=lambda end: end[1])
    step = 0.056 * (high - low)
    heights = [end[1] for end in ordered]
    for index in range(1, len(heights)):
        heights[index] = max(heights[index], heights[index - 1] + step)
    top = high + step
    for index in reversed(range(len(heights))):
        top = min(top - step, heights[index])
        heights[index] = top
    for (x, y, arm), height in zip(ordered, heights, strict=True):
        colour = arms.colour(arm)
        leader = {
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 0.5,
            "shrinkA": 1,
            "shrinkB": 3,
            "relpos": (0, 0.5),
        }
        axes.annotate(
            arms.labels[arm], (x, y), (1.04, height), textcoords=axes.get_yaxis_transform(), va="center",
            color=colour, fontsize=8, annotation_clip=False, arrowprops=leader,
        )  # fmt: skip


@styled()
def precision_recall(arms: Arms, table: pd.DataFrame, auprc: Mapping[str, float]) -> Figure:
    """Precision over recall; the key is in the order of the areas."""
    figure = _figure(4.2)
    axes = figure.subplots()
    shown = [arm for arm in arms.lines if arm in set(table["arm"])]
    for arm in sorted(shown, key=lambda arm: -auprc.get(arm, 0)):
        rows = table[table["arm"] == arm].sort_values("recall", kind="stable")
        area = f"{auprc[arm]:.3f}  " if arm in auprc else ""
        axes.plot(
            rows["recall"], rows["precision"], _DASHES.get(arm, "-"), color=arms.colour(arm),
            label=f"{area}{arms.labels[arm]}",
        )  # fmt: skip
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.grid(color="0.92", linewidth=0.6)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, title="AUPRC  arm", alignment="left",
        borderaxespad=0,
    )  # fmt: skip
    return figure


@styled()
def power(arms: Arms, table: pd.DataFrame) -> Figure:
    """Power over the false discovery rate."""
    figure = _figure(3.9)
    axes = figure.subplots()
    ends = []
    for arm in (arm for arm in arms.lines if arm in set(table["arm"])):
        rows = table[table["arm"] == arm].sort_values("fdr")
        axes.plot(rows["fdr"], rows["power"], _DASHES.get(arm, "-"), color=arms.colour(arm))
        ends.append((float(rows["fdr"].iloc[-1]), float(rows["power"].iloc[-1]), arm))
    axes.set(xlim=(0, table["fdr"].max()), ylim=(0, 1.02), xlabel="false discovery rate", ylabel="power")
    axes.grid(color="0.92", linewidth=0.6)
    _label_ends(axes, arms, ends)
    return figure


@styled()
def calibration(arms: Arms, table: pd.DataFrame) -> Figure:
    """Fraction of causal variants over the PIP, and how many variants have such a PIP."""
    shown = arms.of(table)
    columns = min(len(shown), 3)
    lines = math.ceil(len(shown) / columns)
    figure = _figure(3.4 * lines)
    grid = figure.subplots(
        2 * lines, columns, squeeze=False, sharex=True, sharey="row",
        gridspec_kw={"height_ratios": (3, 1) * lines},
    )  # fmt: skip
    for number, arm in enumerate(shown):
        line, column = divmod(number, columns)
        upper, lower = grid[2 * line, column], grid[2 * line + 1, column]
        rows = table[(table["arm"] == arm) & (table["count"] > 0)]
        colour = arms.colour(arm)
        upper.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
        upper.vlines(rows["predicted"], rows["low"], rows["high"], color=colour, linewidth=1.1)
        upper.plot(rows["predicted"], rows["observed"], "o", color=colour, markersize=4)
        upper.set(ylim=(-0.03, 1.03), xlim=(-0.03, 1.03))
        upper.set_title(shortened(arms.labels[arm], 30), fontsize=8)
        lower.bar(
            rows["bin_low"], rows["count"], rows["bin_high"] - rows["bin_low"], align="edge", color=colour,
            edgecolor="white", alpha=0.7,
        )  # fmt: skip
        lower.set(yscale="log", ylim=(0.5, table["count"].max() * 2), xlabel="PIP")
        lower.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
        if column == 0:
            upper.set_ylabel("fraction causal")
            lower.set_ylabel("variants")
    for number in range(len(shown), lines * columns):
        line, column = divmod(number, columns)
        grid[2 * line, column].set_axis_off()
        grid[2 * line + 1, column].set_axis_off()
    return figure


@styled()
def learning_curves(arms: Arms, table: pd.DataFrame) -> Figure:
    """Validation top-1 accuracy, and the losses, over the windows seen; a line for each network."""
    shown = arms.of(table)
    columns = min(len(shown), 4)
    lines = math.ceil(len(shown) / columns)
    height = 2.1 * lines + 0.4
    figure = Figure(figsize=(WIDTH, height))
    grid = figure.add_gridspec(
        lines, columns, left=0.09, right=0.99, top=1 - 0.25 / height, bottom=0.55 / height, wspace=0.34,
        hspace=0.32,
    )  # fmt: skip
    for number, arm in enumerate(shown):
        upper, lower = (
            grid[number].subgridspec(2, 1, hspace=0.12, height_ratios=(1.3, 1)).subplots(sharex=True)
        )
        colour = arms.colour(arm)
        for _, rows in table[table["arm"] == arm].groupby("seed"):
            seen = rows["windows"] / 1e6
            upper.plot(seen, rows["validation_top_1"], color=colour, linewidth=1)
            lower.plot(seen, rows["train_loss"], color=colour, linewidth=0.8, alpha=0.6)
            lower.plot(seen, rows["validation_loss"], ":", color=colour, linewidth=1.2)
        upper.set(ylim=(0, 1.03), xlim=(0, table["windows"].max() / 1e6))
        upper.set_title(shortened(arms.labels[arm], 25), fontsize=8)
        upper.grid(axis="y", color="0.92", linewidth=0.6)
        lower.locator_params(axis="y", nbins=3, prune="upper")
        if number % columns == 0:
            for axes, name in ((upper, "top-1"), (lower, "loss")):
                axes.set_ylabel(name)
                axes.yaxis.set_label_coords(-0.41, 0.5)
    figure.supxlabel("training windows seen, millions", fontsize=8.5, y=0.08 / height)
    return figure


def _wrapped(label: str) -> str:
    return textwrap.fill(label, 34, break_long_words=False)


@styled()
def decoys(arms: Arms, table: pd.DataFrame) -> Figure:
    """Kinds of the variants that come first, for every arm; logits of the kinds, for the best."""
    shown = arms.of(table)
    fractions = table.pivot_table(index="arm", columns="kind", values="first_share", aggfunc="first")
    kinds = [kind for kind in KINDS if kind in set(table["kind"])]
    fractions = fractions.reindex(index=shown, columns=kinds)
    logits = table[table["arm"] == arms.best].set_index("kind").reindex(kinds)
    with_logits = bool(logits["median_logit"].notna().any())
    figure = _figure(0.24 * len(shown) + 1.3)
    panels = figure.subplots(1, 1 + with_logits, squeeze=False, width_ratios=(3, 2)[: 1 + with_logits])[0]
    heat = panels[0]
    heat.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), fraction in np.ndenumerate(fractions.to_numpy(dtype=float)):
        if math.isfinite(fraction):
            text = f"{100 * fraction:.0f}" if fraction == 0 or fraction >= 0.095 else f"{100 * fraction:.1f}"
            colour = "white" if fraction > 0.55 else "0.15"
            heat.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
    names = [KINDS[kind] for kind in kinds]
    heat.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    heat.set_yticks(range(len(shown)), [_wrapped(arms.labels[arm]) for arm in shown])
    heat.tick_params(length=0)
    heat.spines[:].set_visible(False)
    heat.set_title("Kind of the variant ranked first, % of bags")
    if with_logits and arms.best is not None:
        axes, colour = panels[1], arms.colour(arms.best)
        axes.vlines(range(len(names)), logits["q25"], logits["q75"], color=colour, linewidth=3, alpha=0.5)
        axes.plot(range(len(names)), logits["median_logit"], "o", color=colour, markersize=5)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set(ylabel="logit")
        axes.set_title(f"Logits, {shortened(arms.labels[arms.best], 28)}")
        axes.grid(axis="y", color="0.92", linewidth=0.6)
    return figure


@styled()
def attribution(arms: Arms, table: pd.DataFrame, arm: str) -> Figure:
    """Change of the logit of an arm when a base of a motif is substituted."""
    rows = table[table["arm"] == arm]
    motifs = list(dict.fromkeys(rows["motif"]))
    columns = min(len(motifs), 3)
    lines = math.ceil(len(motifs) / columns)
    figure = _figure(1.75 * lines + 0.3)
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for axes, motif in itertools.zip_longest(grid.flat, motifs):
        if motif is None:
            axes.set_axis_off()
            continue
        bases = rows[rows["motif"] == motif].sort_values("offset")
        colours = np.where(bases["informative"] == 1, arms.colour(arm), "#B9C0C6")
        axes.bar(bases["offset"], bases["effect"], 0.82, color=colours)
        axes.axhline(bases["background"].mean(), color="black", linewidth=0.8, linestyle="--")
        axes.set_xticks(bases["offset"], bases["base"], family="monospace")
        axes.tick_params(axis="x", length=0)
        axes.set_title(str(motif).replace("_", " "))
    figure.supylabel("mean |change of the logit|", fontsize=8.5)
    return figure
