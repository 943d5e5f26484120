"""The page; its words are in the template."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.paper import figures, published
from mifm_kipoi.evaluation.paper.results import (
    Enrichment,
    Joint,
    Motifs,
    MotifSwap,
    Polygenic,
    Training,
)
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Table, with_interval, write_page

CONTROL = "untrained"
"""Scores and networks whose names hold this have learnt nothing."""

_REPORT = Path(__file__).with_name("report.md.jinja")
_NONE = "\N{EM DASH}"
_MOST_FACTORS = 20
_MOST_METHODS = 20
_SIGNS = ("positive", "negative")
_AS_IN_PAPER, _SELECTED_IN_OTHERS = "as in the paper", "selected in others"

Row = Mapping[Hashable, Any]


@dataclasses.dataclass(frozen=True)
class Page:
    """Everything that the page shows; what was not done is None.

    Parameters
    ----------
    training, enrichment, motifs, motif_swap, polygenic, joint, joint_as_in_paper
        See :mod:`mifm_kipoi.evaluation.paper.results`.
    times : pandas.DataFrame, optional
        Of :func:`mifm_kipoi.evaluation.paper.results.read_times`.
    inputs : mapping of str to mapping
        Name and checksum of the manifest of each evaluation.
    """

    training: Training | None = None
    enrichment: Enrichment | None = None
    motifs: Motifs | None = None
    motif_swap: MotifSwap | None = None
    polygenic: Polygenic | None = None
    joint: Joint | None = None
    joint_as_in_paper: Joint | None = None
    times: pd.DataFrame | None = None
    inputs: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def scores(self) -> tuple[str, str]:
        """Of the enrichment: the network's score, and the control, empty where there is none."""
        assert self.enrichment is not None
        return _main_and_control(list(dict.fromkeys(self.enrichment.rows["score"])))

    @functools.cached_property
    def answers(self) -> list[tuple[str, str, str, str]]:
        """A line an evaluation: its name, what the paper reports, what was found here, the control."""
        parts: tuple[tuple[object, Callable[[], tuple[str, str, str, str]]], ...] = (
            (self.enrichment, self._of_enrichment),
            (self.motifs, self._of_motifs),
            (self.motif_swap and self.motif_swap.scores is not None, self._of_swap),
            (self.polygenic, self._of_polygenic),
            (self.joint_as_in_paper, lambda: self._of_joint(self.joint_as_in_paper, _AS_IN_PAPER)),
            (self.joint, lambda: self._of_joint(self.joint, _SELECTED_IN_OTHERS)),
        )
        return [answer() for done, answer in parts if done]

    @property
    def summary(self) -> list[str]:
        """The answers as lines of text."""
        return [
            f"{name}: the paper {paper}; here {here}" + ("" if control == _NONE else f"; {control}")
            for name, paper, here, control in self.answers
        ]

    @functools.cached_property
    def learnt(self) -> list[str]:
        """What speaks against using the network, without full stops."""
        warnings = [] if self.training is None else self.training.warnings
        return list(dict.fromkeys(text.rstrip(".") for text in warnings))

    @property
    def cautions(self) -> list[str]:
        """What a reader must know before trusting the numbers, without full stops."""
        parts = {
            "enrichment": self.enrichment, "motifs": self.motifs, "polygenic scores": self.polygenic,
            "joint tests": self.joint, "joint tests as in the paper": self.joint_as_in_paper,
        }  # fmt: skip
        return self.learnt + [f"{name}: {text}" for name, one in parts.items() for text in _cautions(one)]

    def write(self, folder: Path) -> list[Path]:
        """Write ``report.html``, which holds its figures, ``report.md`` and ``figures/``.

        Parameters
        ----------
        folder : Path
            Must exist.

        Raises
        ------
        MissingPackageError
            When matplotlib is not installed.
        OutputError
            When a file cannot be written.
        """
        title, sections = prose.rendered(_REPORT, self._values(), self._figures())
        return write_page(folder, title, sections)

    def _values(self) -> dict[str, Any]:
        return {
            "citation": published.CITATION,
            "answers": Table(("", "the paper", "here", "control"), tuple(self.answers), numbers=False)
            if self.answers
            else None,
            "cautions": self.learnt,
            "training": self._training(),
            "enrichment": self._enrichment(),
            "motifs": self._motifs(),
            "swap": self._swap(),
            "polygenic": self._polygenic(),
            "joint": self._joint_tables(),
            "not_done": [
                name
                for name, one in (
                    ("enrichment", self.enrichment), ("motifs", self.motifs), ("motif swap", self.motif_swap),
                    ("polygenic scores", self.polygenic), ("joint tests", self.joint),
                )
                if one is None
            ],
            "times": self._times(),
            "inputs": Table(
                ("evaluation", "manifest", "sha256"),
                tuple(
                    (name.replace("_", " "), one["name"], one["sha256"]) for name, one in self.inputs.items()
                ),
                numbers=False,
            ),
        }  # fmt: skip

    def _figures(self) -> prose.Figures:
        drawn: dict[str, Callable[[], bytes]] = {}
        if self.enrichment is not None:
            rows, (score, control) = self.enrichment.rows, self.scores
            drawn["enrichment"] = lambda: png(figures.enrichment(rows, score, control))
        if self._pooled:
            drawn["swap"] = lambda: png(figures.swaps(self._pooled))
        if self.polygenic is not None:
            drawn["verdicts"] = lambda: png(figures.verdicts(self._verdicts()))
            means, methods = self._means()
            bound = str(self.polygenic.manifest.get("bound") or "")
            drawn["explained"] = lambda: png(
                figures.explained(means, methods, self.polygenic.method if self.polygenic else "", bound)
            )
        if self._forms:
            drawn["joint"] = lambda: png(figures.joint(self._forms))
        return drawn

    # Training

    def _training(self) -> dict[str, Any] | None:
        training = self.training
        if training is None:
            return None
        counts = tuple(
            (
                split,
                *(
                    f"{one[name]:,}"
                    for name in ("positive_bags", "positive_instances", "negative_bags", "negative_instances")
                ),
            )
            for split, one in training.counts.items()
        )
        members = tuple(
            (
                str(member["seed"]),
                str(member["epoch"]),
                _number(member["metrics"].get("validation_loss"), 4),
                *_measured(member["verdict"]),
            )
            for member in training.members
        )
        student = tuple(
            (f"student, {one['split']} bags", "", "", *_measured(one)) for one in training.verdicts
        )
        return {
            "counts": Table(("split", "positive bags", "instances", "negative bags", "instances"), counts),
            "networks": Table(
                (
                    "seed",
                    "epoch kept",
                    "loss",
                    "gain in likelihood, nats",
                    "PIP of the first variant, less the mean",
                ),
                (*members, *student),
            ),
            "pearson": "" if training.pearson is None else _number(training.pearson, 2),
            "student_pearson": _number(training.agreement.get("pearson"), 2),
            "same_top": _number(training.agreement.get("same_top"), 2),
        }

    # Enrichment

    def _odds(self, score: str, label: str, within: str = "", last: bool = True) -> Row | None:
        assert self.enrichment is not None
        rows = self.enrichment.rows
        own = rows[(rows["score"] == score) & (rows["label"] == label) & (rows["within"] == within)]
        return None if own.empty else own.sort_values("quantile").iloc[-1 if last else 0].to_dict()

    def _of_enrichment(self) -> tuple[str, str, str, str]:
        score, control = self.scores
        row = self._odds(score, "enhancer")
        paper = "odds ratios of enhancers up to 1.10, against all"
        if row is None:
            return "Enrichment", paper, "no group named enhancer", _NONE
        here = f"{row['odds_ratio_all']:.2f} against all; {_interval(row, 'odds_ratio')} against the rest"
        null = self._odds(control, "enhancer") if control else None
        return (
            "Enrichment (Fig 2)", paper, here,
            _NONE if null is None else f"untrained network: {_interval(null, 'odds_ratio')} against the rest",
        )  # fmt: skip

    def _enrichment(self) -> dict[str, Any] | None:
        if self.enrichment is None:
            return None
        score, control = self.scores
        rows = []
        for one in published.ODDS_RATIOS:
            here, low = (
                self._odds(score, one.label, one.within),
                self._odds(score, one.label, one.within, last=False),
            )
            if here is None or low is None:
                continue
            null = self._odds(control, one.label, one.within) if control else None
            rows.append(
                (
                    f"{one.label} within {one.within}" if one.within else one.label,
                    _reported(one),
                    f"{_number(low['odds_ratio_all'], 2)} to {_number(here['odds_ratio_all'], 2)}",
                    _interval(here, "odds_ratio"),
                    _p(here["p_value_family"]),
                    _NONE if null is None else _interval(null, "odds_ratio"),
                )
            )
        table = self.enrichment.rows
        ends = sorted(set(table.loc[table["score"] == score, "quantile"]))
        header = (
            "", "the paper, against all", "here, against all", "here, against the rest", "p of the family",
            "untrained, against the rest",
        )  # fmt: skip
        variants = table.loc[table["within"] == "", "variants"]
        return {
            "table": Table(header, tuple(rows)) if rows else None,
            "figure": bool(rows),
            "first": f"{ends[0]:g}", "last": f"{ends[-1]:g}",
            "variants": int(variants.max()) if len(variants) else 0,
            "control": control,
            "cautions": _cautions(self.enrichment),
        }  # fmt: skip

    # Motifs

    def _counts(self) -> list[tuple[str, dict[str, Row]]]:
        assert self.motifs is not None
        return [
            (str(network), {str(row["sign"]): row for row in own.to_dict("records")})
            for network, own in self.motifs.counts.groupby("network", sort=False)
        ]

    def _of_motifs(self) -> tuple[str, str, str, str]:
        (_, here), *nulls = self._counts()
        total, matched = sum(published.PATTERNS.values()), sum(published.MATCHED.values())

        def of(counts: Mapping[str, Row]) -> str:
            like = sum(int(row["matched"]) for row in counts.values())
            return f"{like} of {sum(int(row['patterns']) for row in counts.values())}"

        control = f"untrained networks: {', '.join(of(counts) for _, counts in nulls)}" if nulls else _NONE
        return (
            "Motifs (Table 1)", f"{matched} of {total} patterns are like a known motif",
            f"{of(here)}", control,
        )  # fmt: skip

    def _motifs(self) -> dict[str, Any] | None:
        if self.motifs is None:
            return None
        rows = [
            (
                figures.PAPER,
                *(str(published.PATTERNS[sign]) for sign in _SIGNS),
                *(str(published.MATCHED[sign]) for sign in _SIGNS),
                *(f"{published.MEDIAN_SEQLETS[sign]:,}" for sign in _SIGNS),
            )
        ]
        for network, counts in self._counts():
            cells = [network]
            for name in ("patterns", "matched", "median_seqlets"):
                cells += [_number(counts[sign][name] if sign in counts else None, 0) for sign in _SIGNS]
            rows.append(tuple(cells))
        header = (
            "network", "positive patterns", "negative", "like a motif: positive", "negative",
            "median seqlets: positive", "negative",
        )  # fmt: skip
        factors = self.motifs.factors
        shown: list[tuple[str, ...]] = []
        for sign in _SIGNS:
            own = factors[factors["sign"] == sign].sort_values("seqlets", ascending=False, kind="stable")
            if len(own):
                shown.append((sign,))
            shown += [
                (
                    str(row["factor"]), f"{row['patterns']:.0f}", f"{row['seqlets']:,.0f}",
                    f"{row['sites']:,.0f}", _p(row["q_value"]),
                )
                for row in own.head(_MOST_FACTORS).to_dict("records")
            ]  # fmt: skip
        return {
            "counts": Table(header, tuple(rows)),
            "factors": Table(("factor", "patterns", "seqlets", "sites", "lowest q"), tuple(shown))
            if shown
            else None,
            "most": _MOST_FACTORS,
            "controls": len(self._counts()) - 1,
            "cautions": _cautions(self.motifs),
        }

    # Motif swap

    @functools.cached_property
    def _pooled(self) -> dict[str, Row]:
        """By the sign of the patterns that are replaced: the row of all of them, of the first motif."""
        if self.motif_swap is None or self.motif_swap.scores is None:
            return {}
        scores = self.motif_swap.scores
        found: dict[str, Row] = {}
        for sign in _SIGNS:
            own = scores[scores["replaced"].str.contains(sign)]
            pooled = own[own["inserted"] == "all"]
            chosen = pooled if len(pooled) else own
            if len(chosen):
                found[sign] = chosen.iloc[0].to_dict()
        return found

    def _beyond(self, row: Row, difference: str) -> Row | None:
        assert self.motif_swap is not None
        assert self.motif_swap.differences is not None
        table = self.motif_swap.differences
        own = table[
            (table["motif"] == row["motif"]) & (table["replaced"] == row["replaced"])
            & (table["inserted"] == row["inserted"]) & (table["difference"] == difference)
        ]  # fmt: skip
        return None if own.empty else own.iloc[0].to_dict()

    def _of_swap(self) -> tuple[str, str, str, str]:
        paper = "; ".join(f"{one.before:.2f} to {one.after:.2f}" for one in published.SWAPS.values())
        here = "; ".join(
            f"{row['score_original']:.2f} to {row['score_swapped']:.2f}" for row in self._pooled.values()
        )
        control = "; ".join(
            f"{row['score_original']:.2f} to {row['score_random']:.2f}" for row in self._pooled.values()
        )
        return (
            "Motif swap (Fig 3)", f"positive patterns replaced, then negative: {paper}", here,
            f"as many random bases: {control}",
        )  # fmt: skip

    def _swap(self) -> dict[str, Any] | None:
        if self.motif_swap is None:
            return None
        rows = []
        for sign, row in self._pooled.items():
            reported = published.SWAPS[sign]
            random, other = (self._beyond(row, name) for name in ("swapped - random", "swapped - unrelated"))
            rows += [
                (
                    f"{sign}, {figures.PAPER}", f"{reported.before:.2f} ({reported.before_sd:.2f})",
                    f"{reported.after:.2f} ({reported.after_sd:.2f})", "", "", "", "", "",
                ),
                (
                    f"{sign}, here", *(_with_sd(row, kind) for kind in ("original", *figures.EDITS)),
                    *(
                        _NONE
                        if one is None or not math.isfinite(one["mean"])
                        else f"{_interval(one, 'mean')}, p {_p(one['p_holm'])}"
                        for one in (random, other)
                    ),
                ),
            ]  # fmt: skip
        header = (
            "replaced", "as it is", "swapped", "random bases", "unrelated pattern", "own consensus",
            "logit beyond random bases", "beyond the unrelated pattern",
        )  # fmt: skip
        motifs = {str(row["motif"]) for row in self._pooled.values()} - {""}
        return {
            "table": Table(header, tuple(rows)) if rows else None,
            "why": self.motif_swap.why,
            "motif": ", ".join(sorted(motifs)),
            "seqlets": {sign: f"{row['seqlets']:.0f}" for sign, row in self._pooled.items()},
        }

    # Polygenic scores

    def _by(self, name: str) -> pd.DataFrame:
        assert self.polygenic is not None
        return self.polygenic.summary[self.polygenic.summary["by"] == name]

    def _verdicts(self) -> list[tuple[str, float, float, bool]]:
        rows = [
            (f"{figures.PAPER}, {name}", wins, losses, True)
            for name, (wins, losses) in published.WINS.items()
        ]
        for by, label in (
            ("all", "all"),
            ("ancestry", "{ancestry}"),
            ("baseline", "against {baseline}"),
        ):
            rows += [
                (
                    f"here, {label.format_map({str(key): _method(value) for key, value in row.items()})}",
                    float(row["win_fraction"]), float(row["loss_fraction"]), False,
                )
                for row in self._by(by).to_dict("records")
            ]  # fmt: skip
        return rows

    def _means(self) -> tuple[pd.DataFrame, list[str]]:
        """Mean R2 by method and ancestry, and the methods from high to low.

        Of the first setting, and of methods that have a single one.
        """
        assert self.polygenic is not None
        table = self.polygenic.performance
        table = table[table["status"] == "fitted"]
        if (table["kind"] == "quantitative").any():
            table = table[table["kind"] == "quantitative"]
        first = table.loc[table["method"] == self.polygenic.method, "setting"]
        setting = str(first.iloc[0]) if len(first) else ""
        alone = table.groupby("method")["setting"].transform("nunique") == 1
        kept = table[(table["setting"] == setting) | alone]
        # Means of different methods are of the same traits and ancestries.
        each = kept.pivot_table(index=["trait", "ancestry"], columns="method", values="r2").dropna()
        if len(each):
            shared = pd.MultiIndex.from_frame(kept[["trait", "ancestry"]]).isin(each.index)
            kept = kept[shared]
        means = kept.groupby(["method", "ancestry"])[["r2"]].mean().reset_index()
        order = means.groupby("method")["r2"].mean().sort_values(ascending=False)
        return means, [str(name) for name in order.index[:_MOST_METHODS]]

    def _of_polygenic(self) -> tuple[str, str, str, str]:
        assert self.polygenic is not None
        wins, losses = published.WINS["all"]
        every = self._by("all").iloc[0]
        here = (
            f"{100 * every['win_fraction']:.0f} % won, {100 * every['loss_fraction']:.0f} % lost of "
            f"{every['comparisons']:,.0f}"
        )
        null = self._by("baseline")
        null = null[null["baseline"].str.contains(CONTROL)]
        control = _NONE
        if len(null):
            row = null.iloc[0].to_dict()
            control = (
                f"against the untrained network: {100 * row['win_fraction']:.0f} % won, "
                f"{100 * row['loss_fraction']:.0f} % lost"
            )
        return (
            "Polygenic scores (Fig 4)",
            f"{100 * wins:.0f} % of comparisons won, {100 * losses:.0f} % lost",
            here,
            control,
        )  # fmt: skip

    def _polygenic(self) -> dict[str, Any] | None:
        if self.polygenic is None:
            return None
        baselines = tuple(
            (
                _method(row["baseline"]), f"{row['comparisons']:,.0f}", f"{row['wins']:,.0f}",
                f"{row['losses']:,.0f}",
                _interval(_in_percent(row), "mean_difference"),
                _p(row["p_value"]),
            )
            for row in self._by("baseline").to_dict("records")
        )  # fmt: skip
        means, methods = self._means()
        table = means.pivot_table(index="method", columns="ancestry", values="r2").reindex(methods)
        explained = tuple(
            (_method(method), *(_number(100 * value, 2) for value in values))
            for method, values in zip(table.index, table.to_numpy(np.float64), strict=True)
        )
        scenarios = tuple(
            (
                str(row["trait"]), str(row["ancestry"]), f"{row['people']:,.0f}",
                _number(row.get("cases"), 0),
                _number(100 * float(row["covariates_r2"]), 1) if "covariates_r2" in row else _NONE,
                *(self._r2(str(row["trait"]), str(row["ancestry"]), name) for name in self._shown_methods),
            )
            for row in self.polygenic.scenarios.to_dict("records")
            if row["status"] == "evaluated"
        )  # fmt: skip
        random = self.polygenic.random
        above = int((random["p_value"] < 0.05).sum()) if "p_value" in random else 0
        return {
            "method": self.polygenic.method,
            "bound": self.polygenic.manifest.get("bound") or "",
            "baselines": Table(
                ("against", "comparisons", "won", "lost", "mean difference of R2, %", "p"), baselines
            ),
            "explained": Table(("picks by", *(str(name) for name in table.columns)), explained),
            "scenarios": Table(
                (
                    "trait", "ancestry", "people", "cases", "R2 of covariates, %",
                    *map(_method, self._shown_methods),
                ),
                scenarios,
            ),
            "random_tests": len(random),
            "random_above": above,
            "cautions": _cautions(self.polygenic),
            "mean_r2": ", ".join(f"{name} {value:.3f}" for name, value in published.MEAN_R2.items()),
        }  # fmt: skip

    @functools.cached_property
    def _shown_methods(self) -> tuple[str, ...]:
        """Of Table S2: the method, the best others, the control and the bound."""
        assert self.polygenic is not None
        _, methods = self._means()
        wanted = [self.polygenic.method, *methods[:4], *(name for name in methods if CONTROL in name)]
        return tuple(name for name in dict.fromkeys(wanted) if name in methods)[:7]

    def _r2(self, trait: str, ancestry: str, method: str) -> str:
        assert self.polygenic is not None
        table = self.polygenic.performance
        own = table[(table["trait"] == trait) & (table["ancestry"] == ancestry) & (table["method"] == method)]
        return _number(None if own.empty else 100 * float(own["r2"].iloc[0]), 2)

    # Joint tests

    @functools.cached_property
    def _forms(self) -> dict[str, pd.DataFrame]:
        forms = {_AS_IN_PAPER: self.joint_as_in_paper, _SELECTED_IN_OTHERS: self.joint}
        return {title: _nominal(one) for title, one in forms.items() if one is not None}

    def _of_joint(self, one: Joint | None, form: str) -> tuple[str, str, str, str]:
        assert one is not None
        rows = _nominal(one)
        names = [str(name) for name in rows["model"] if name not in ("all", "p")]
        main, null = _main_and_control(names)
        every = float(rows.loc[rows["model"] == "all", "significant"].iloc[0])
        reported = published.SIGNIFICANT
        paper = f"{reported['filtered']} significant, {reported['before']} without the filter"
        title = f"Joint tests, {form} (Fig 5)"
        if not main:
            return title, paper, f"{every:.0f} without a filter", _NONE
        records: dict[str, Row] = {str(row["model"]): row for row in rows.to_dict("records")}
        row = records[main]
        control = f"random filters of its size: {_random(row)}, p {_p(row['significant_matched_p'])}"
        if null:
            control += f"; untrained network: {records[null]['significant']:.0f}"
        return title, paper, f"{row['significant']:.0f}, {every:.0f} without the filter", control

    def _joint_tables(self) -> dict[str, Any] | None:
        if not self._forms:
            return None
        rows: list[tuple[str, ...]] = [
            (figures.PAPER,),
            ("without the filter", "", str(published.SIGNIFICANT["before"]), "", "", "", ""),
            ("filtered by MIFM's score", "", str(published.SIGNIFICANT["filtered"]), "", "", "", ""),
        ]
        for title, table in self._forms.items():
            rows.append((f"here, {title}",))
            for row in table.to_dict("records"):
                control = pd.notna(row.get("significant_matched"))
                rows.append(
                    (
                        "all variants" if row["model"] == "all" else str(row["model"]),
                        f"{row['variants']:,.0f}", f"{row['significant']:,.0f}",
                        _random(row) if control else "",
                        _p(row["significant_matched_p"]) if control else "",
                        f"{row['secondary']:,.0f}", _number(row.get("replicated"), 0),
                    )
                )  # fmt: skip
        header = (
            "filter",
            "variants",
            "p < 0.05",
            "random filters of its size",
            "p",
            "of them secondary",
            "replicated",
        )
        return {
            "table": Table(header, tuple(rows)),
            "cautions": list(dict.fromkeys([*_cautions(self.joint), *_cautions(self.joint_as_in_paper)])),
        }

    # The run

    def _times(self) -> Table | None:
        if self.times is None or self.times.empty:
            return None
        rows = [
            (
                str(row["step"]),
                _minutes(row["seconds"]),
                _minutes(row["cpu_seconds"]),
                _number(row["megabytes"], 0),
            )
            for row in self.times.to_dict("records")
        ]
        total = self.times[["seconds", "cpu_seconds"]].sum()
        rows.append(("all steps", _minutes(total["seconds"]), _minutes(total["cpu_seconds"]), ""))
        return Table(("step", "minutes", "of CPU time", "memory, MB"), tuple(rows))


def _main_and_control(names: Sequence[str]) -> tuple[str, str]:
    """The first name that is of no control, and the first that is; empty where there is none."""
    main = next((name for name in names if CONTROL not in name), "")
    return main, next((name for name in names if CONTROL in name), "")


def _method(name: object) -> str:
    """The name of a method, in words where it has others than its own."""
    return "all members" if name == "all" else str(name)


def _in_percent(row: Row) -> Row:
    """A mean difference and its interval."""
    return {name: 100 * float(row[name]) for name in ("mean_difference", "low", "high")}


def _cautions(one: Enrichment | Motifs | Polygenic | Joint | None) -> list[str]:
    """Those of the report of an evaluation, without full stops."""
    return [] if one is None else [str(text).rstrip(".") for text in one.manifest.get("cautions", [])]


def _nominal(one: Joint) -> pd.DataFrame:
    rows = one.filters
    return rows[(rows["scope"] == "all") & (rows["level"] == "nominal")]


def _random(row: Row) -> str:
    """What random filters of the size of one find: the mean, and the middle 95 %."""
    ends = (row["significant_matched_low"], row["significant_matched_high"])
    return with_interval(lambda value: f"{value:.0f}", row["significant_matched"], *ends)


def _measured(verdict: Mapping[str, Any] | None) -> tuple[str, str]:
    """Gain in likelihood and in PIP with their intervals, of a verdict as plain JSON types."""
    if not verdict:
        return _NONE, _NONE
    cells = []
    for name in ("gain", "pip_gain"):
        one = verdict["measures"][name]
        ends = [math.nan if one[end] is None else float(one[end]) for end in ("low", "high")]
        cells.append(
            _NONE
            if one["value"] is None
            else with_interval(lambda value: f"{value:+.3f}", float(one["value"]), *ends)
        )
    return cells[0], cells[1]


def _reported(one: published.OddsRatio) -> str:
    if one.last is None:
        return "not significant"
    return f"{one.last:.2f}" if one.first is None else f"{one.first:.2f} to {one.last:.2f}"


def _interval(row: Row, name: str, decimals: int = 2) -> str:
    value, low, high = (float(row[key]) for key in (name, "low", "high"))
    if not math.isfinite(value):
        return _NONE
    return with_interval(lambda number: f"{number:.{decimals}f}", value, low, high)


def _with_sd(row: Row, kind: str) -> str:
    value, sd = float(row[f"score_{kind}"]), float(row[f"sd_{kind}"])
    return f"{value:.2f} ({sd:.2f})" if math.isfinite(sd) else _number(value, 2)


def _number(value: Any, decimals: int) -> str:
    return _NONE if value is None or not math.isfinite(float(value)) else f"{float(value):,.{decimals}f}"


def _p(value: Any) -> str:
    return f"{float(value):.2g}" if value is not None and math.isfinite(float(value)) else _NONE


def _minutes(seconds: float) -> str:
    return _NONE if not math.isfinite(seconds) else f"{seconds / 60:.1f}"
