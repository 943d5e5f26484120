"""How the two alleles of a table's row fit the two of a variant, on either strand."""

from __future__ import annotations

import enum

_COMPLEMENT = str.maketrans("ACGT", "TGCA")


class Fit(enum.IntEnum):
    """How a row fits a variant at its position; the lower, the better."""

    SAME = 0
    """The alleles are those of the variant."""

    FLIPPED = 1
    """They are, on the other strand."""

    AMBIGUOUS = 2
    """They are exchanged, or on the other strand: A/T or C/G, where nothing tells which."""

    DIFFERENT = 3
    """The row is of another variant, or of the opposite direction."""


def allele_fit(
    ref: str, alt: str, first: str, second: str, *, ordered: bool, either_strand: bool = True
) -> Fit:
    """How the alleles of a row fit those of a variant at the same position.

    Alleles are compared as they stand, in upper case: nothing is trimmed or shifted, and insertions and
    deletions that are not written as in VCF (``-``, ``D``, ``I``) fit nothing. Only SNVs are looked for on
    the other strand, since the bases of a longer allele begin elsewhere there.

    Parameters
    ----------
    ref, alt : str
        Of the variant, of A, C, G and T.
    first, second : str
        Of the row: reference and alternative allele where ``ordered``.
    ordered : bool
        Whether the row says something of the change from its first allele to its second, so that it says
        nothing of the opposite change. Else it says something of the pair, such as a p-value. An insertion
        and the deletion of the same bases at one position are the same pair.
    either_strand : bool
        Whether the row may be of the other strand.

    Returns
    -------
    Fit
    """
    first, second = first.upper(), second.upper()
    if (first, second) == (ref, alt):
        return Fit.SAME
    exchanged = (second, first) == (ref, alt)
    if exchanged and not ordered:
        return Fit.SAME
    if not either_strand or len(ref) != 1 or len(alt) != 1:
        return Fit.DIFFERENT
    first, second = first.translate(_COMPLEMENT), second.translate(_COMPLEMENT)
    if (first, second) == (ref, alt):
        return Fit.AMBIGUOUS if exchanged else Fit.FLIPPED
    if not ordered and (second, first) == (ref, alt):
        return Fit.FLIPPED
    return Fit.DIFFERENT
