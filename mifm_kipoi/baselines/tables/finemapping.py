"""Posterior inclusion probabilities of CAUSALdb2's fine-mapping tools as scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Evidence, Score
from mifm_kipoi.baselines.tables.looked_up import UNORDERED, LookedUp
from mifm_kipoi.baselines.tables.variant_columns import VariantColumns
from mifm_kipoi.baselines.tables.variant_rows import RowsBuilder, Values, largest
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.row_numbers import read_pips
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.support.files import sha256_of

TOOLS = ("abf", "finemap", "paintor", "caviarbf", "susie", "polyfun_finemap", "polyfun_susie")
"""Columns of PIPs in CAUSALdb2's ``credible_set.txt.gz``."""

_VARIANT_COLUMNS = VariantColumns(ordered=False, chrom="chr", pos="bp", first="ea", second="nea")


def open_causaldb(argument: str, compute: ComputeOptions) -> LookedUp:
    """``causaldb:FILE[:TOOL]``: PIPs of one of :data:`TOOLS`, or of each.

    FILE has the columns of CAUSALdb2, with tabs or commas between them, plain or gzipped. Of several rows of
    a variant (studies, blocks, signals) the largest PIP of each tool counts. The table is read once; its
    different variants (not its rows) take 16 bytes of memory each and 8 for each tool, a few times that while
    it is read.

    Raises
    ------
    InputError
        When the table cannot be read, lacks a column, or has a PIP that is neither a probability nor -1.
    """
    name, _, last = argument.rpartition(":")
    path, tools = (Path(name), (last,)) if name and last in TOOLS else (Path(argument), TOOLS)
    if name and tools == TOOLS and Path(name).is_file() and not path.exists():
        raise InputError(f"CAUSALdb2 has no PIPs of {last!r}; expected one of {', '.join(TOOLS)}")
    table = TableFile.of(path)
    missing = [column for column in (*_VARIANT_COLUMNS.columns, *tools) if column not in table.columns]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(table.columns)}. Expected the "
            "table of CAUSALdb2, credible_set.txt.gz"
        )
    builder = RowsBuilder(len(tools), ordered=False, keep_largest=True)
    with compute.reading(path) as progress:
        for batch in table.batches((*_VARIANT_COLUMNS.columns, *tools), on_progress=progress.update):
            builder.add(_VARIANT_COLUMNS.rows(batch), np.column_stack([_pips(batch, tool) for tool in tools]))
    return LookedUp(
        path,
        builder.done(),
        largest,
        Declaration(
            name="CAUSALdb2" if len(tools) > 1 else f"CAUSALdb2, {tools[0]}",
            scores=tuple(
                Score(
                    f"pip_{tool}",
                    f"posterior inclusion probability of {tool}, none where it failed",
                    evidence=Evidence.PIP,
                )
                for tool in tools
            ),
            alleles=UNORDERED,
            formula="the largest PIP over the rows of a variant: studies, blocks, signals",
            citation="Wang J et al. (2020) Nucleic Acids Res 48: D807 (CAUSALdb)",
            provenance={"file": path.name, "sha256": sha256_of(path)},
            leakage=(
                "MIFM was trained on these credible sets, and labels that are made of PIPs are these scores; "
                "variants outside credible sets are not in the table"
            ),
        ),
    )


def _pips(batch: Batch, tool: str) -> Values:
    """PIPs, NaN where the tool failed."""
    pips, impossible = read_pips(batch.numbers(tool))
    batch.refuse(impossible, tool, "a probability, or -1 where the tool failed")
    return pips
