"""A small simulation, and the rule once more in plain Python."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.known_truth.simulate import simulate
from benchmarks.known_truth.sizes import Simulation

SMALL = Simulation(
    genealogies=20,
    contigs=5,
    redraws=2,
    length=20_000,
    diploids={"CEU": 400, "CEU_reference": 300, "YRI": 60, "CHB": 80},
    min_maf=0.03,
)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files of ``SMALL``."""
    return simulate(SMALL, tmp_path_factory.mktemp("simulations"))


CAUSAL = ("TGACGNTCANCTGA", "CCATTNGGANATGC", "GATAANCGCNTTAC", "ACGTTNACCNGGAA")
COFACTOR, REPRESSOR = "TTGCANAATNCGGT", "GGCATNCTGNTCAA"


def spans(sequence: str, motif: str) -> list[tuple[int, int]]:
    """First and last base of each place of a motif, also of those that overlap."""
    pattern = f"(?={motif.replace('N', '.')})"
    return [(found.start(), found.start() + len(motif) - 1) for found in re.finditer(pattern, sequence)]


def slow_kinds(sequence: str, positions: Iterable[int]) -> list[str]:
    """The rule, from its description: one variant after the other."""
    causal = [(motif, *span) for motif in CAUSAL for span in spans(sequence, motif)]
    cofactors, repressors = spans(sequence, COFACTOR), spans(sequence, REPRESSOR)
    kinds = []
    for position in positions:

        def in_reach(first: int, last: int, position: int = position) -> bool:
            return position - 60 <= first and last <= position + 60

        over = [motif[position - first] for motif, first, last in causal if first <= position <= last]
        cofactor = any(in_reach(*span) for span in cofactors)
        repressor = any(in_reach(*span) for span in repressors)
        if any(base != "N" for base in over):
            kinds.append(
                "no_cofactor" if not cofactor else "repressor" if repressor else "causal",
            )
        elif over:
            kinds.append("uninformative_base")
        elif any(in_reach(first, last) for _, first, last in causal):
            kinds.append("near_motif")
        else:
            kinds.append("background")
    return kinds
