"""What the whole package agrees on: the window, statuses of variants, limits and columns."""

from __future__ import annotations

import enum

WINDOW = 512
"""Length of a window in base pairs."""

VARIANT_INDEX = 255
"""0-based index in the window of the first base of the variant's allele."""

MAX_N_FRACTION = 0.1
"""Largest fraction of N in a window that is scored. With a tenth of a window replaced by N, scores of the
published model keep a Spearman correlation of 0.98 with those of the full window; with a quarter 0.87,
with a half 0.28 (docs/reference/conventions.md)."""

FEW_MISMATCHES = 5
"""REF alleles that may differ from the FASTA in any file, however small."""

MAX_MISMATCH_FRACTION = 0.01
"""Fraction of REF alleles that may differ from the FASTA, beyond the few."""

CHUNK = 8192
"""Variants that are read, cut and scored together."""

CHUNK_BYTES = 1 << 24
"""Text of the records that are read together: their lines where they are kept, else their alleles."""

METHODS = ("auto", "windows", "scan")
"""How logits of variants are computed: a window for each variant, a scan of the sequence between them, or the
cheaper of both. The numbers are the same but for rounding."""

AUTO, WINDOWS, SCAN = METHODS

LARGEST_POS = 2**31 - 1
"""The largest position that BAM and BCF can hold, and that any file may have."""

COMPLEMENT = str.maketrans("ACGTacgtNn", "TGCAtgcaNn")
"""For :meth:`str.translate`: each base as the other strand has it."""

FULL = "fp32"
"""The precision of the model's own numbers."""

PRECISIONS: dict[str, str | None] = {FULL: None, "bf16": "bfloat16", "fp16": "float16"}
"""Formats of activations: PyTorch's name of each, by the names that options have; None is that of the
model's own numbers."""


class Status(enum.StrEnum):
    """Why a variant has a score, or has none."""

    OK = "ok"
    MISSING_ALT = "missing_alt"
    SPANNING_DELETION = "spanning_deletion"
    SYMBOLIC_ALT = "symbolic_alt"
    BREAKEND = "breakend"
    NON_ACGT_ALLELE = "non_acgt_allele"
    CONTIG_NOT_IN_FASTA = "contig_not_in_fasta"
    POSITION_OUTSIDE_CONTIG = "position_outside_contig"
    REF_MISMATCH = "ref_mismatch"
    TOO_MANY_N = "too_many_n"
    POSITION_UNKNOWN = "position_unknown"


class SourceStatus(enum.StrEnum):
    """What scores that are looked up lack, where a variant could have them."""

    NOT_IN_SCORES = "not_in_scores"
    """The source has no score of the position."""

    ALT_NOT_IN_SCORES = "alt_not_in_scores"
    """The source has the score of the reference window, and none of the alternative."""


SCORED = (Status.OK, SourceStatus.ALT_NOT_IN_SCORES)
"""Statuses of rows that have numbers."""
