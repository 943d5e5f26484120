"""Text with bytes that are not UTF-8, for what holds or shows nothing but Unicode.

Files of variants and intervals are read so that such bytes stay in the text (``surrogateescape``) and are the
same again in tables of text and in VCF.
"""

from __future__ import annotations


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
