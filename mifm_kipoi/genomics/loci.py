"""Loci: regions of a contig, as users write them."""

from __future__ import annotations

import re

from mifm_kipoi.errors import OptionError

Locus = tuple[str, int, int]
"""Contig, first and last base, 1-based, both inside."""

_LOCUS = re.compile(r"(\S+):([0-9][0-9,]{0,14})-([0-9][0-9,]{0,14})")


def parse_locus(text: str) -> Locus:
    """Read ``chrom:start-end``, 1-based with both ends inside; commas between digits are ignored.

    Parameters
    ----------
    text : str
        From an option.

    Raises
    ------
    OptionError
        When the text is not a locus, or the locus is empty.
    """
    match = _LOCUS.fullmatch(text.strip())
    if not match:
        raise OptionError(
            f"{text!r} is not a locus; expected chrom:start-end, 1-based with both ends inside, such as "
            "20:1,200,000-1,300,000"
        )
    start, end = (int(number.replace(",", "")) for number in match.groups()[1:])
    if not 1 <= start <= end:
        raise OptionError(
            f"the locus {text!r} is empty; expected a start of at least 1, and an end not below it"
        )
    return match[1], start, end


def locus_name(locus: Locus) -> str:
    """The locus as text, with commas between digits.

    Parameters
    ----------
    locus : Locus
        1-based, both ends inside.
    """
    chrom, start, end = locus
    return f"{chrom}:{start:,}-{end:,}"
