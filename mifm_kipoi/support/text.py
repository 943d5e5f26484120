"""Text with bytes that are not UTF-8, for what holds or shows nothing but Unicode.

Files of variants and intervals are read so that such bytes stay in the text (``surrogateescape``) and are the
same again in tables of text and in VCF.
"""

from __future__ import annotations


def as_unicode(text: str) -> str:
    """Text in which each sequence of bytes that is not UTF-8 is U+FFFD, for what holds only Unicode.

    Parameters
    ----------
    text : str
        Text read with ``errors="surrogateescape"``.

    Returns
    -------
    str
        The same text where all of it is Unicode.
    """
    return text.encode(errors="surrogateescape").decode(errors="replace")
