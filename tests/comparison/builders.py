"""Comparisons made up in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.baselines.protocol import Declaration, Evidence, Score
from mifm_kipoi.comparison.blocks import equal_blocks
from mifm_kipoi.comparison.records import Comparison, Model

Scores = Mapping[str, Mapping[str, Sequence[float] | npt.NDArray[np.float64]]]
"""Labels of models, their columns, and the scores."""


def declaration(columns: Sequence[str], ranks: Sequence[str] | None = None, **known: Any) -> Declaration:
    """What a model with these columns says of itself; all columns rank unless some are named."""
    scores = tuple(
        Score(name, f"{name}, made up", ranks is None or name in ranks, evidence=_evidence(name))
        for name in columns
    )
    defaults: dict[str, Any] = {
        "name": "a model that was made up",
        "alleles": "reference and alternative window",
        "formula": "drawn at random",
        "citation": "none (2026)",
    }
    return Declaration(scores=scores, **{**defaults, **known})


def _evidence(name: str) -> Evidence:
    if "pip" in name.split("_"):
        return Evidence.PIP
    return Evidence.ASSOCIATION if name.endswith("_p") else Evidence.SEQUENCE


def comparison(
    scores: Scores,
    *,
    chrom: Sequence[str] | None = None,
    pos: Sequence[int] | npt.NDArray[np.int64] | None = None,
    block: Sequence[int] | npt.NDArray[np.int64] | None = None,
    status: Mapping[str, Sequence[str]] | None = None,
    ranks: Mapping[str, Sequence[str]] | None = None,
    declarations: Mapping[str, Declaration] | None = None,
    seconds: Mapping[str, float] | None = None,
    peak: Mapping[str, int] | None = None,
    device: Mapping[str, str] | None = None,
) -> Comparison:
    """Models with these scores; without blocks, variants are in regions of 100 kb.

    A variant without any score of a model has the status ``not_in_table``.
    """
    size = len(next(iter(next(iter(scores.values())).values())))
    positions = np.arange(1, size + 1) * 1000 if pos is None else np.asarray(pos)
    table = pd.DataFrame(
        {
            "chrom": ["20"] * size if chrom is None else list(chrom),
            "pos": positions.astype(np.int64),
            "id": [f"rs{number}" for number in range(1, size + 1)],
            "ref": ["A"] * size,
            "alt": ["C"] * size,
        }
    )
    models = []
    columns: dict[str, Any] = {}
    for label, own in scores.items():
        columns |= {f"{label}.{name}": np.asarray(values, dtype=np.float64) for name, values in own.items()}
        absent = np.isnan(np.stack([columns[f"{label}.{name}"] for name in own])).all(axis=0)
        columns[f"{label}.status"] = (status or {}).get(label, np.where(absent, "not_in_table", "ok"))
        models.append(
            Model(
                label=label,
                spec=f"{label}=table:{label}.tsv",
                kind="table",
                declaration=(declarations or {}).get(label)
                or declaration(list(own), (ranks or {}).get(label)),
                seconds=(seconds or {}).get(label, 2.0),
                peak_bytes=(peak or {}).get(label, 3 << 28),
                device=(device or {}).get(label, "cpu"),
            )
        )
    table = pd.concat([table, pd.DataFrame(columns)], axis=1)
    if block is None:
        block, names = equal_blocks(table["chrom"], table["pos"])
        return Comparison(table, tuple(models), block, names, "regions of 100 kb", {"version": "0.0"})
    numbers = np.asarray(block, dtype=np.int64)
    spans = [table.loc[numbers == number] for number in range(numbers.max(initial=-1) + 1)]
    names = tuple(
        f"{rows['chrom'].iloc[0]}:{rows['pos'].min()}-{rows['pos'].max()}"
        if len(rows)
        else f"empty:1-{number}"
        for number, rows in enumerate(spans, start=1)
    )
    return Comparison(table, tuple(models), numbers, names, "blocks of the test", {"version": "0.0"})


def realistic(size: int = 29_000, seed: int = 4) -> Comparison:
    """Twelve scores of seven models as real ones are spread: skewed, tied, missing; two agree well."""
    generator = np.random.default_rng(seed)
    pos = np.sort(generator.integers(1_000_000, 2_000_000, size))
    shared = generator.normal(size=size)

    def mixed(weight: float) -> npt.NDArray[np.float64]:
        own: npt.NDArray[np.float64] = generator.normal(size=size)
        return weight * shared + float(np.sqrt(1 - weight**2)) * own

    def without(values: npt.NDArray[np.float64], fraction: float) -> npt.NDArray[np.float64]:
        return np.where(generator.random(size) < fraction, np.nan, values)

    mifm = 1 / (1 + np.exp(-(1.5 * mixed(0.8) - 1)))
    published = np.clip(mifm + 0.08 * generator.normal(size=size), 1e-4, 1 - 1e-4)
    enformer = np.exp(1.4 * mixed(0.6) - 3)
    distance = np.abs(pos - 1_432_000)
    neg_log10_p = generator.exponential(0.43, size) + 22 * np.exp(-((distance / 30_000) ** 2)) * (
        generator.random(size) < 0.3
    )
    pip = np.where(neg_log10_p > 14, generator.beta(0.3, 3, size), 0.0)
    in_study = generator.random(size) < 0.16
    scores: dict[str, dict[str, npt.NDArray[np.float64]]] = {
        "mifm": {
            "mifm_ref": mifm,
            "mifm_delta": 0.1 * mixed(0.1),
            "mifm_abs_delta": np.abs(0.1 * mixed(0.2)),
        },
        "published": {"mifm_ref": published, "mifm_abs_delta": np.abs(0.1 * mixed(0.2))},
        "enformer": {"sad_max": without(enformer, 0.03), "sad_l2": without(3 * enformer**0.8, 0.03)},
        "basenji2": {"sad_max": without(np.exp(1.1 * mixed(0.55) - 2), 0.01)},
        "cadd": {"phred": without(np.exp(0.7 * mixed(0.3) + 1).round(1), 0.12)},
        "pvalue": {
            "one_minus_p": np.where(in_study, 1 - 10**-neg_log10_p, np.nan),
            "neg_log10_p": np.where(in_study, neg_log10_p, np.nan),
        },
        "causaldb": {
            "pip_susie": np.where(in_study, np.round(pip, 3), np.nan),
            "pip_finemap": np.where(in_study, np.clip(pip + 0.02 * (pip > 0) * mixed(0), 0, 1), np.nan),
        },
    }
    cited = (
        "Avsec Z and others (2021) Effective gene expression prediction from sequence. Nat Methods 18: 1196"
    )
    enformer_says = declaration(
        list(scores["enformer"]), name="Enformer", window=196_608, variant_index=98_303, tracks=5313,
        formula="largest |log2(1 + alt) - log2(1 + ref)| of all tracks, both strands", citation=cited,
        provenance={"weights_sha256": "0123456789abcdef" * 4, "enformer_pytorch": "0.8.11"},
        leakage="trained on functional genomics of all chromosomes; no labels of GWAS",
    )  # fmt: skip
    return comparison(
        scores, pos=pos, ranks={"mifm": ["mifm_ref", "mifm_abs_delta"], "pvalue": ["one_minus_p"]},
        declarations={"enformer": enformer_says}, device={"enformer": "cuda"},
        seconds={"mifm": 41.3, "published": 44.9, "enformer": 8123.0, "basenji2": 3011.7, "cadd": 4.1},
        peak={"enformer": 9 << 30, "cadd": 0},
    )  # fmt: skip
