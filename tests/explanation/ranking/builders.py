"""Small genomes, tables and candidates for the tests of ranking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.explanation.ranking.candidates import NUMBERS, STATISTICS, Candidates, key_column
from tests.builders import write_fasta

NAN = float("nan")


def genome(path: Path) -> tuple[Path, dict[str, str]]:
    """A genome of two contigs, and its bases."""
    random = np.random.default_rng(7)
    contigs = {name: "".join(random.choice(list("ACGT"), 3000)) for name in ("1", "20")}
    return write_fasta(path, contigs), contigs


def other(base: str) -> str:
    """Another base."""
    return "A" if base != "A" else "C"


def candidates(
    pos: list[int], logits: list[float], chrom: list[str] | str = "1", studies: tuple[str, ...] = (),
    keys: dict[str, list[str]] | None = None, **columns: Any,
) -> Candidates:  # fmt: skip
    """Candidates with these logits; columns are statistics by name."""
    keys = keys or {}
    table = pd.DataFrame({"chrom": chrom, "pos": pos, "id": [f"v{n}" for n in range(1, len(pos) + 1)]})
    table = table.assign(ref="A", alt="G", **dict.fromkeys((*NUMBERS, *STATISTICS), np.nan))
    scores = 1 / (1 + np.exp(-np.array(logits)))
    table = table.assign(
        mifm_logit_ref=logits, mifm_ref=scores, status=np.where(np.isnan(logits), "too_many_n", "ok")
    )
    table = table.assign(**columns, **{key_column(name): values for name, values in keys.items()})
    if "p_value" in columns:
        table["neg_log10_p"] = -np.log10(table["p_value"])
    return Candidates(table, tuple(keys), studies, bool(set(keys) - set(studies)), True, (), {})
