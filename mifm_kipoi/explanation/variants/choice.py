"""Which variants get a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import CHUNK, Status
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.explanation.ranking.candidates import Candidates
from mifm_kipoi.explanation.ranking.ranked import Ranked
from mifm_kipoi.genomics.contigs import contig_key, contig_keys
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.loci import Locus, locus_name
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.sequence.windows import cut_windows

_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Choice:
    """The variants that get a page.

    Parameters
    ----------
    rows : tuple of int
        Of :attr:`Ranked.table`, by score from the highest on; a variant of several loci has the row of the
        lowest p-value, else of the highest PIP.
    candidates : int
        Different variants that were asked for and have a score.
    without : pandas.DataFrame
        Rows that were asked for and have none: ``chrom, pos, id, ref, alt, status``.
    """

    rows: tuple[int, ...]
    candidates: int
    without: pd.DataFrame


def with_windows(candidates: Candidates, genome: Genome, max_n_fraction: float) -> Candidates:
    """Candidates with scores of their own as the FASTA has them: REF first, or a status without windows.

    A study lists effect alleles, of which any can be REF. Where the FASTA has both (some indels), they stay
    as they are.

    Parameters
    ----------
    candidates : Candidates
        Whose scores were read, and not computed.
    genome : Genome
        Reference genome.
    max_n_fraction : float
        See :func:`mifm_kipoi.cut_windows`.
    """
    table = candidates.table.copy()
    rows = np.flatnonzero((table["status"] == Status.OK).to_numpy())
    status = table["status"].to_numpy(object).copy()
    ref, alt = (table[name].to_numpy(object).copy() for name in ("ref", "alt"))
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        variants = [variant_of(table.iloc[row]) for row in part]
        turned = [dataclasses.replace(each, ref=each.alt, alt=each.ref) for each in variants]
        as_named = cut_windows(variants, genome, max_n_fraction).status
        as_turned = cut_windows(turned, genome, max_n_fraction).status
        for row, own, other in zip(part.tolist(), as_named, as_turned, strict=True):
            if own is not Status.OK and other is Status.OK:
                ref[row], alt[row] = alt[row], ref[row]
            elif own is not Status.OK:
                status[row] = str(own)
    return dataclasses.replace(candidates, table=table.assign(ref=ref, alt=alt, status=status))


def choose(ranked: Ranked, loci: Sequence[Locus] = (), names: Sequence[str] = (), most: int = 20) -> Choice:
    """Choose variants, the highest scores first: those in any locus or of any name, or all without both.

    Parameters
    ----------
    ranked : Ranked
        All variants.
    loci : sequence of Locus
        1-based, both ends inside.
    names : sequence of str
        Identifiers, ``chrom:pos`` or ``chrom:pos:ref:alt``.
    most : int
        How many get a page.

    Raises
    ------
    OptionError
        When no variant lies in a locus or has a name.
    InputError
        When none of them has a score.
    """
    table = ranked.table
    keys = contig_keys(table["chrom"]).to_numpy()
    wanted = np.full(len(table), not loci and not names)
    for locus in loci:
        inside = (keys == contig_key(locus[0])) & table["pos"].between(*locus[1:]).to_numpy()
        if not inside.any():
            raise OptionError(f"the input has no variant in the locus {locus_name(locus)}")
        wanted |= inside
    if names:
        wanted |= _of_names(table, keys, names)
    scored = (table["status"] == Status.OK).to_numpy() & table["mifm_ref"].notna().to_numpy()
    without = table.loc[wanted & ~scored, ["chrom", "pos", "id", "ref", "alt", "status"]]
    rows = np.flatnonzero(wanted & scored)
    if not len(rows):
        counts = without["status"].value_counts()
        reasons = ", ".join(f"{count} {status}" for status, count in counts.items())
        raise InputError(
            f"no variant has a MIFM score ({reasons or 'there are none'}); expected a FASTA of the variants' "
            "genome build, with their contigs"
        )
    part = table.iloc[rows]
    order = np.lexsort((-part["pip"].fillna(-1).to_numpy(), -part["neg_log10_p"].fillna(-1).to_numpy()))
    same = pd.DataFrame(
        {"chrom": keys[rows], **{name: part[name].to_numpy() for name in ("pos", "ref", "alt")}}
    )
    rows = np.sort(rows[order][~same.iloc[order].duplicated().to_numpy()])
    by_score = np.argsort(-table["mifm_logit_ref"].to_numpy(np.float64)[rows], kind="stable")
    return Choice(tuple(rows[by_score][:most].tolist()), len(rows), without.drop_duplicates())


def _of_names(
    table: pd.DataFrame, keys: npt.NDArray[np.object_], names: Sequence[str]
) -> npt.NDArray[np.bool_]:
    """Which rows have one of the names.

    Raises
    ------
    OptionError
        When a name is that of no variant.
    """
    places = pd.Series(keys) + ":" + table["pos"].astype("str").reset_index(drop=True)
    alleles = places + ":" + table["ref"].reset_index(drop=True) + ":" + table["alt"].reset_index(drop=True)
    chosen = np.zeros(len(table), dtype=bool)
    unknown = []
    for name in names:
        chrom, colon, rest = name.partition(":")
        place = f"{contig_key(chrom)}:{rest.replace(',', '')}" if colon else ""
        own = (table["id"] == name).to_numpy() | (places == place).to_numpy() | (alleles == place).to_numpy()
        if not own.any():
            unknown.append(name)
        chosen |= own
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise OptionError(
            f"the input has no variant {', '.join(unknown[:_NAMED])}{more}; expected an identifier of the "
            "input, chrom:pos or chrom:pos:ref:alt"
        )
    return chosen


def variant_of(row: pd.Series[Any]) -> Variant:
    """The variant of a row."""
    return Variant(str(row["chrom"]), int(row["pos"]), str(row["id"]), str(row["ref"]), str(row["alt"]))
