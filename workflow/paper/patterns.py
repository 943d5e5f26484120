"""Which patterns are swapped: options of 'mifm evaluate motif-swap' for what 'mifm evaluate motifs' found.

python patterns.py patterns.tsv --output CHOICE.json [--factors A,B] [--patterns NAME,NAME] [--most N]

Prints the options, nothing where the patterns are all of one sign. CHOICE.json says what was chosen, and why.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.commands.arguments import positive, say

SIGNS = ("positive", "negative")


def choose(
    table: pd.DataFrame, factors: list[str], patterns: list[str], most: int
) -> tuple[list[str], dict[str, Any]]:
    """Options, and what they mean.

    Parameters
    ----------
    table : pandas.DataFrame
        ``patterns.tsv``.
    factors, patterns : list of str
        Those that were asked for; empty for all.
    most : int
        Patterns of each sign where no factor has both.
    """
    if patterns:
        return ["--patterns", ",".join(patterns)], {"patterns": patterns, "why": "named"}
    matched = table[table["matched"].astype(str) == "True"]
    both = [
        str(factor)
        for factor, own in matched.groupby("factor")
        if set(own["sign"]) == set(SIGNS) and (not factors or factor in factors)
    ]
    if both:
        why = "factors with patterns of both signs"
        return ["--factors", ",".join(both)], {"factors": both, "why": why}
    by_sign = [
        table[table["sign"] == sign]
        .sort_values("seqlets", ascending=False, kind="stable")["pattern"]
        .head(most)
        for sign in SIGNS
    ]
    wanted = f"of {', '.join(factors)}" if factors else "of a factor"
    if any(not len(names) for names in by_sign):
        lacking = " and ".join(sign for sign, names in zip(SIGNS, by_sign, strict=True) if not len(names))
        return [], {"why": f"there are no {lacking} patterns"}
    names = [str(name) for one in by_sign for name in one]
    why = f"there are no patterns of both signs {wanted}; those of most seqlets of each sign"
    return ["--patterns", ",".join(names)], {"patterns": names, "why": why}


def main() -> int:
    """Print the options."""
    parser = argparse.ArgumentParser(description="Choose the patterns that are swapped.")
    parser.add_argument("table", type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--factors", type=lambda text: text.split(","), default=[])
    parser.add_argument("--patterns", type=lambda text: text.split(","), default=[])
    parser.add_argument("--most", type=positive, default=3)
    options = parser.parse_args()
    table = pd.read_csv(options.table, sep="\t")
    chosen, meaning = choose(table, options.factors, options.patterns, options.most)
    options.output.write_text(json.dumps(meaning, indent=1) + "\n")
    say(" ".join(chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
