"""Identifiers that hold a variant, such as ``1:24722451_C_T`` or ``chr1_1_A_T``: one rule for all readers.

An identifier has a contig, a 1-based position and two alleles, in this order:

- between the parts stands one of ``:``, ``_``, ``-``, ``/``, ``|``, ``>`` and ``,``, whichever: ``1:1:A:T``,
  ``1:1_A/T``, ``chr1-1-A-T`` and ``1_1_A_T`` are the same variant;
- alleles are letters, in either case (``*``, ``.``, ``-`` and ``<DEL>`` are read as well, though they are
  not bases);
- the genome build may follow, as in ``1_1_A_T_b37``: ``b37``, ``b38``, ``hg19``, ``hg38``, ``GRCh37`` or
  ``GRCh38``;
- contigs are names as :mod:`mifm_kipoi.genomics.contigs` has them. ``rs123:1000:A:G`` names no contig, so it
  holds no variant.

Which allele is which, or another order of the parts, is said by a pattern with fields in braces, such as
``{chrom}_{pos}_{effect_allele}_{other_allele}``. What separates two of its fields stands for any separator.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import numpy as np

from mifm_kipoi.errors import OptionError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

PARTS = ("chrom", "pos", "other_allele", "effect_allele")
"""What an identifier can hold, in the usual order: the reference allele, where there is one, comes first."""

IDENTIFIER = "{chrom}:{pos}:{other_allele}:{effect_allele}"
"""The pattern of the usual order."""

_SEPARATORS = ":_-/|>,"
_ALLELE = r"[A-Za-z]+|[*.-]|<[^>]*>"
_BUILD = r"(?:[:_-](?:b3[6-8]|hg1[89]|hg38|GRCh3[6-8]))?"
_NAMES_OF_DATABASES = r"(?i)^(?:chr)?(?:rs|ss|esv|nsv)[0-9]+$"
"""Names that stand before a position without being contigs."""


def split_identifiers(text: pa.StringArray, pattern: str = IDENTIFIER) -> dict[str, pa.StringArray]:
    """The parts of identifiers.

    Parameters
    ----------
    text : pyarrow.StringArray, length n
        The identifiers.
    pattern : str
        Fields of :data:`PARTS` in braces, with what stands between them. One that ends with the position
        takes identifiers with anything behind it, as in ``1:1000:A:G`` and ``1:1000:SNP``.

    Returns
    -------
    dict of str to pyarrow.StringArray
        The fields of the pattern; each of length n, all null where the identifier does not have the form.
        Alleles are in upper case.

    Raises
    ------
    OptionError
        When the pattern has an unknown field, or one twice.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = pc.extract_regex(pc.utf8_trim_whitespace(text), expression(pattern))
    holds = parts.is_valid()
    if "{chrom}" in pattern:
        named = pc.match_substring_regex(parts.field("chrom"), _NAMES_OF_DATABASES)
        holds = pc.and_(holds, pc.invert(pc.fill_null(named, False)))
    fields = {}
    for field in fields_of(pattern):
        values = pc.if_else(holds, parts.field(field), pa.scalar(None, pa.string()))
        fields[field] = pc.utf8_upper(values) if field.endswith("allele") else values
    return fields


def hold_variants(text: pa.StringArray, pattern: str = IDENTIFIER) -> npt.NDArray[np.bool_]:
    """Where identifiers have the form of a pattern; shape (n,)."""
    parts = next(iter(split_identifiers(text, pattern).values()))
    return np.array(parts.is_valid().to_numpy(zero_copy_only=False), dtype=bool)


def fields_of(pattern: str) -> tuple[str, ...]:
    """The fields of a pattern, in its order."""
    return tuple(re.findall(r"{(.*?)}", pattern))


@functools.cache
def expression(pattern: str) -> str:
    """The regular expression of a pattern, with a group for each of its fields.

    Parameters
    ----------
    pattern : str
        Fields of :data:`PARTS` in braces, with what stands between them.

    Raises
    ------
    OptionError
        When the pattern has an unknown field, or one twice, or none.
    """
    fields = fields_of(pattern)
    if not fields or len(set(fields)) < len(fields) or not set(fields) <= set(PARTS):
        known = ", ".join(f"{{{part}}}" for part in PARTS)
        raise OptionError(f"the pattern of identifiers is {pattern!r}; expected some of {known}, each once")
    separator = "[" + re.escape(_SEPARATORS) + "]"
    pieces = []
    for number, piece in enumerate(re.split(r"{(.*?)}", pattern)):
        if number % 2:
            kind = {"chrom": ".+?", "pos": "[0-9]{1,10}"}.get(piece, _ALLELE)
            pieces.append(f"(?P<{piece}>{kind})")
        elif len(piece) == 1 and piece in _SEPARATORS:
            pieces.append(separator)
        else:
            pieces.append(re.escape(piece))
    end = ""
    if pattern.endswith("{pos}"):
        end = f"(?:{separator}.*)?"
    elif pattern.endswith("}"):
        end = _BUILD
    return f"^{''.join(pieces)}{end}$"
