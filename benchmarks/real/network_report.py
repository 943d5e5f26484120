"""What is measured of a network, as Markdown, tables and JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.real.published_network import BLOCK_BP, Scales, Signature, Tensor, first_proportion
from mifm_kipoi.reports.page import Section, Table, decimal, markdown, signed, with_interval
from mifm_kipoi.statistics.estimates import Estimate, Values
from mifm_kipoi.support.files import written_whole

REPORT, TENSORS, SIGNATURES, FIGURES = (
    "network.md", "network.tensors.tsv", "network.signatures.tsv", "network.json",
)  # fmt: skip

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Of the scores that the report has."""

MEASURES = {
    "deviation": "SD of logits",
    "one_off": "one base off",
    "reverse": "other strand",
    "alternative": "other allele",
    "delta": "median |change| / SD",
}
"""Fields of a signature and their titles."""

_UNLIKELY = 0.05
"""Of p-values: below, weights are called different from the initial distribution."""


def write(
    folder: Path,
    facts: Mapping[str, Any],
    tensors: Sequence[Tensor],
    scales: Sequence[Scales],
    signatures: Sequence[Signature],
    scores: Values,
) -> str:
    """Write the four files; returns the Markdown.

    Parameters
    ----------
    folder : Path
        Must exist.
    facts : mapping of plain JSON types
        What was measured: weights, genome, contig.
    tensors, scales, signatures, scores
        From :func:`benchmarks.real.published_network.compare`.
    """
    sections = [_steps(scales), _weights(tensors), _signature(facts, signatures), _scores(scores)]
    text = markdown("A network beside untrained ones", sections)
    rows = [
        {"network": each.name}
        | {
            f"{name}{end}": getattr(getattr(each, name), field)
            for name in MEASURES
            for end, field in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        for each in signatures
    ]
    tables = {TENSORS: [dataclasses.asdict(each) for each in tensors], SIGNATURES: rows}
    for name, table in tables.items():
        with written_whole(folder / name) as temporary:
            pd.DataFrame(table).to_csv(temporary, sep="\t", index=False)
    figures = {
        **facts,
        "steps": sorted({each.steps for each in scales}),
        "tensors": tables[TENSORS],
        "scales": [dataclasses.asdict(each) for each in scales],
        "signatures": [_without_nan(row) for row in rows],
        "score_quantiles": {str(q): float(np.quantile(scores, q)) for q in QUANTILES},
        "score_mean": float(scores.mean()),
    }
    for name, content in ((FIGURES, json.dumps(figures, indent=1) + "\n"), (REPORT, text)):
        with written_whole(folder / name) as temporary:
            temporary.write_text(content)
    return text


def _without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()
    }


def _steps(scales: Sequence[Scales]) -> Section:
    steps = sorted({each.steps for each in scales})
    counted = f"{steps[0]:,}" if len(steps) == 1 else f"between {steps[0]:,} and {steps[-1]:,}"
    table = Table(
        ("layer", "channels", "RMS of scale - 1", "largest"),
        tuple(
            (each.name, str(each.channels), f"{each.root_mean_square:.4f}", f"{each.largest:.4f}")
            for each in scales
        ),
    )
    return Section(
        "Training steps and batch normalisation",
        (f"Batch normalisation counted **{counted} training steps**. Its scales begin at 1.", table),
    )


def _weights(tensors: Sequence[Tensor]) -> Section:
    moved = [each for each in tensors if each.p_value < _UNLIKELY]
    table = Table(
        ("tensor", "numbers", "largest / b", "Kolmogorov-Smirnov p"),
        tuple((each.name, f"{each.values:,}", f"{each.largest:.3f}", _p(each.p_value)) for each in tensors),
    )
    return Section(
        "Weights beside their initial distribution",
        (
            f"Of {len(tensors)} tensors, {len(tensors) - len(moved)} cannot be told from PyTorch's initial "
            f"distribution U(-b, b), b = 1 / sqrt(fan in), at p < {_UNLIKELY}. The test sees changes of the "
            "distribution, not of single weights: a weight that left (-b, b) was moved by training.",
            table,
        ),
    )


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def _signature(facts: Mapping[str, Any], signatures: Sequence[Signature]) -> Section:
    def written(measured: Estimate) -> str:
        return with_interval(signed, measured.value, measured.low, measured.high)

    table = Table(
        ("network", *MEASURES.values()),
        tuple((each.name, *(written(getattr(each, name)) for name in MEASURES)) for each in signatures),
    )
    return Section(
        "What the logits react to",
        (
            f"{facts['positions']:,} random positions of contig {facts['contig']}; 95 % intervals "
            f"resample blocks of {BLOCK_BP // 1000} kb. One base off, other strand and other allele are "
            "Spearman correlations with the logits of the reference windows. The untrained networks have "
            "random weights, and in batch normalisation the statistics of such windows.",
            table,
        ),
    )


def _scores(scores: Values) -> Section:
    rows = [(f"quantile {q:g}", *_with_q(float(np.quantile(scores, q)))) for q in QUANTILES]
    table = Table(("", "score s", "q", "1 in"), (*rows, ("mean", *_with_q(float(scores.mean())))))
    return Section(
        "Scores",
        (
            "q = s / (100 - 99 s) is the proportion of such windows that were the teachers' first of their "
            "bag, had the published student learnt its labels perfectly. It is not a probability of "
            "causality, and holds for no other network.",
            table,
        ),
    )


def _with_q(score: float) -> tuple[str, str, str]:
    q = float(first_proportion(score))
    return decimal(score), f"{q:.4f}", f"{1 / q:,.0f}"
