"""The kinds of baselines; imports nothing, so that the help of commands can show them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of baseline.

    Parameters
    ----------
    place : str
        ``module:function`` in this package; the function takes the argument and a Machine.
    argument : str
        What follows the colon, in the words of the help; in brackets what may be left out; empty where
        nothing follows.
    meaning : str
    package : str
        What must be installed beside this package, if anything; the extra of this package that brings it
        has the name of the kind.
    tracks : bool
        Whether it has tracks, which a background normalises.
    """

    place: str
    argument: str
    meaning: str
    package: str = ""
    tracks: bool = False


KINDS = {
    "mifm": Kind("mifm:open_mifm", "[WEIGHTS]", "MIFM, with the embedded weights or any name or path"),
    "published": Kind("mifm:open_published", "", "MIFM with the published weights"),
    "enformer": Kind(
        "networks.enformer:open_enformer",
        "NAME_OR_FOLDER[:WINDOW]",
        "Enformer",
        "enformer_pytorch",
        tracks=True,
    ),
    "basenji2": Kind(
        "networks.basenji2:open_basenji2",
        "[FILE_OR_FOLDER][:WINDOW]",
        "Basenji2",
        "basenji2_pytorch",
        tracks=True,
    ),
    "borzoi": Kind(
        "networks.borzoi:open_borzoi", "NAME_OR_FOLDER[:WINDOW]", "Borzoi", "borzoi_pytorch", tracks=True
    ),
    "kipoi": Kind(
        "networks.kipoi_models:open_kipoi",
        "MODEL[@SOURCE][:FUNCTION]",
        "any Kipoi model of sequence",
        tracks=True,
    ),
    "enformer-sad": Kind(
        "tables.enformer_sad:open_enformer_sad", "FILE_OR_FOLDER", "Enformer's published effects"
    ),
    "cadd": Kind("tables.cadd:open_cadd", "FILE", "CADD's scores of all SNVs or indels, with a tabix index"),
    "table": Kind("tables.columns:open_table", "FILE:COLUMN", "a column of a table, TSV or Parquet"),
    "pvalue": Kind("tables.associations:open_p_values", "FILE", "1 - p of summary statistics"),
    "abf": Kind(
        "tables.associations:open_bayes_factors", "FILE", "Wakefield's Bayes factors of summary statistics"
    ),
    "causaldb": Kind(
        "tables.finemapping:open_causaldb", "FILE[:TOOL]", "PIPs of CAUSALdb2's fine-mapping tools"
    ),
}
"""Kinds of baselines by name."""
