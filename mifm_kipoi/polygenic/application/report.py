"""The report of ``mifm pgs score``: how well scores and genotypes fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.genetics.matching import OUTCOMES
from mifm_kipoi.reports.page import Fact, Facts, Section, Table, percent
from mifm_kipoi.reports.prose import rendered

_MOST_ROWS = 50
"""Scores that the page lists; the table beside it has all."""

_WORDS = {
    "matched": "the genotypes have the variant, with these alleles",
    "weight_missing": "the row has no weight",
    "complex": "a haplotype, a diplotype or an interaction: no single variant to count",
    "dosage_weights": "a weight for each number of copies instead of one weight",
    "not_bases": "an allele is not of A, C, G and T",
    "no_place": "neither a position nor a name",
    "not_compared": "the file is of another genome build",
    "lost_in_lift_over": "the genotypes' build has no such place",
    "ambiguous_in_lift_over": "the genotypes' build has several such places",
    "not_in_genotypes": "no variant at the position, or of the name",
    "other_position": "the name is there at another position only",
    "other_alleles": "the position is there with other alleles",
    "ambiguous": "A/T or C/G, whose strand is not known",
    "several": "the file has no other allele, and several variants fit",
    "repeated": "another row of the file is the same variant",
    "all_missing": "no founder has a genotype",
}


def report_sections(
    table: pd.DataFrame, cautions: Sequence[str], manifest: Mapping[str, Any]
) -> tuple[str, list[Section]]:
    """The title and the sections of the report.

    Parameters
    ----------
    table : pandas.DataFrame
        As ``matching.tsv`` has it.
    cautions : sequence of str
        What a reader must know.
    manifest : mapping of str to object
        As ``scores.json`` has it.
    """
    genotypes = manifest["genotypes"]
    computed = table[table["status"].isin(["ok", "low_overlap"])]
    facts = Facts((
        Fact("scores computed", f"{len(computed):,} of {len(table):,}"),
        Fact("people", f"{genotypes['people']:,}"),
        Fact(
            "variants matched", f"{percent(table['matched'].sum() / table['rows'].sum())} %",
            "of the rows of all scoring files",
        ),
    ))  # fmt: skip
    number = {outcome.value: int(table[outcome.value].sum()) for outcome in OUTCOMES[1:]}
    number = {"matched": int(table["matched"].sum())} | number
    outcomes = Table(
        ("what became of a row", "rows", "%", "meaning"),
        tuple(
            (name, f"{rows:,}", percent(rows / table["rows"].sum()), _WORDS[name])
            for name, rows in number.items()
            if rows
        ),
        numbers=False,
    )
    lowest = table.sort_values(["fraction", "score"]).head(_MOST_ROWS)
    scores = Table(
        ("score", "status", "matched", "rows", "% of rows", "% of weight", "other strand", "lifted over"),
        tuple(
            (
                row["score"], row["status"], f"{row['matched']:,}", f"{row['rows']:,}",
                percent(row["fraction"]),
                "" if pd.isna(row["weight_fraction"]) else percent(row["weight_fraction"]),
                f"{row['other_strand']:,}", "yes" if row["lifted"] else "no",
            )
            for row in lowest.to_dict("records")
        ),
    )  # fmt: skip
    most_missing = float(computed["missing_genotypes"].max()) if len(computed) else 0.0
    values = {
        "facts": facts,
        "cautions": list(cautions),
        "outcomes": outcomes,
        "scores": scores,
        "listed": len(lowest),
        "all": len(table),
        "build": genotypes["build"],
        "missing": manifest["missing"],
        "frequencies": manifest["frequencies"] and manifest["frequencies"]["name"],
        "ambiguous": manifest["ambiguous"],
        "files": genotypes["files"],
        "missing_genotypes": percent(most_missing) if most_missing > 0 else "",
    }
    return rendered(Path(__file__).with_name("report.md.jinja"), values)
