"""Text that is shown: with bytes that are not UTF-8, and names that are nearly right.

Files of variants and intervals are read so that bytes that are not UTF-8 stay in the text
(``surrogateescape``) and are the same again in tables of text and in VCF.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def as_unicode(text: str, zero: bool = True) -> str:
    """Text in which each sequence of bytes that is not UTF-8 is U+FFFD, for what holds only Unicode.

    Parameters
    ----------
    text : str
        Text read with ``errors="surrogateescape"``.
    zero : bool
        Whether the byte 0, at which text ends in HDF5, may stay; else it is U+FFFD, too.

    Returns
    -------
    str
        The same text where all of it is Unicode.
    """
    unicode = text.encode(errors="surrogateescape").decode(errors="replace")
    return unicode if zero else unicode.replace("\0", "\ufffd")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most similar to one that is not known.

    Parameters
    ----------
    name : str
        What was given.
    known : iterable of str
        Names that could have been meant.

    Returns
    -------
    str or None
        One of ``known``, whatever its case; None where none is similar.
    """
    by_lower = {one.lower(): one for one in known}
    similar = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[similar[0]] if similar else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What a message about a name that is not known goes on with.

    Parameters
    ----------
    name : str
        What was given.
    known : iterable of str
        Names that could have been meant.

    Returns
    -------
    str
        Such as ``"; did you mean 'embedded'?"``, or empty where no name is similar.
    """
    similar = nearest(name, known)
    return f"; did you mean {similar!r}?" if similar else ""
