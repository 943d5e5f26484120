"""Negatives: common variants near positives that the table of associations does not have."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import logging
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd

from mifm_kipoi.conventions import CHUNK, MAX_MISMATCH_FRACTION, Status
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import build_of, contig_key
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Record, Variant, VariantFile
from mifm_kipoi.genomics.vcf_text import MISSING, split_record
from mifm_kipoi.sequence.windows import ReferenceCheck, allele_status, cut_windows
from mifm_kipoi.support.progress import Progress
from training.data.associated import AssociatedPositions
from training.data.report import counts_in_words

log = logging.getLogger(__name__)

NEGATIVE_COLUMNS = {"chrom": "str", "pos": "int64", "ref": "str", "alt": "str", "id": "str"}
"""One row per negative, in the order of the files: names and pandas types of the columns. ``chrom`` is the
contig's name among the positives, ``pos`` is 1-based, ``id`` is ``.`` where unknown."""

READ, KEPT = "read", "kept"
TOO_FAR = "too_far"
FILTERED = "filtered"
NO_FREQUENCY = "no_frequency"
RARE = "rare"
IS_POSITIVE = "is_positive"
AT_POSITIVE = "at_position_of_positive"
AT_ASSOCIATED = "at_position_of_associated_row"
AT_NEGATIVE = "at_position_of_negative"

_PASSED = (b"PASS", MISSING, b"")

_RENEW_EVERY = 10_000
_LOG_EVERY = 10_000_000


@dataclasses.dataclass(frozen=True)
class NegativesConfig:
    """Where negatives come from.

    Parameters
    ----------
    vcf : tuple of str
        VCF (plain, gzip or bgzip) or BCF files with allele frequencies, such as one per chromosome; they
        are read from start to end and need no index.
    frequency : str
        INFO tag with one frequency per ALT, such as AF or EUR_AF; or two tags, such as AC/AN: the count of
        each ALT and the number of alleles.
    min_maf : float
        Smallest minor allele frequency, from 0 to 0.5.
    max_distance : int
        Largest distance to the position of a positive, in base pairs, of single negatives.
    max_mismatch_fraction : float
        When more than five REF alleles, and more than this fraction of those compared, differ from the
        FASTA, the files are taken to be of another genome build; 1 turns the check off.
    bags : str
        ``single``: each negative is a bag, as in the paper. ``matched``: bags of the size of a study's set
        in a positive bag, of variants of one region without associated positions, which are like those of
        the set in frequency, composition of the window and LD score (:mod:`training.data.matched`).
    matched_per_bag : int
        Matched bags for each positive bag, each for another study where it has so many.
    ld_score : str
        INFO tag with the LD score of a variant (or one of each ALT), by which matched negatives are chosen as
        well; empty where there is none.
    block_margin : int, optional
        Matched bags lie outside the blocks of positive bags, from the first to the last position of each
        block and signal and so many base pairs on either side; None excludes only associated positions.
    seed : int
        Of the random choices of matched bags.
    """

    vcf: tuple[str, ...]
    frequency: str = "AF"
    min_maf: float = 0.01
    max_distance: int = 128
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    bags: Literal["single", "matched"] = "single"
    matched_per_bag: int = 1
    ld_score: str = ""
    block_margin: int | None = 10_000
    seed: int = 1

    def __post_init__(self) -> None:
        if self.matched_per_bag < 1:
            raise ValueError(f"matched_per_bag is {self.matched_per_bag}; expected 1 or more bags")
        if self.block_margin is not None and self.block_margin < 0:
            raise ValueError(f"block_margin is {self.block_margin}; expected 0 bp or more, or null")
        if not self.vcf:
            raise ValueError("vcf is empty; expected VCF files to take negatives from")
        if not 1 <= len(self.frequency.split("/")) <= 2 or not all(self.frequency.split("/")):
            raise ValueError(f"frequency is {self.frequency!r}; expected an INFO tag, or two such as AC/AN")
        if not 0 <= self.min_maf <= 0.5:
            raise ValueError(f"min_maf is {self.min_maf}; expected a frequency from 0 to 0.5")
        if self.max_distance < 1:
            raise ValueError(f"max_distance is {self.max_distance}; expected 1 or more base pairs")
        if not 0 <= self.max_mismatch_fraction <= 1:
            raise ValueError(f"max_mismatch_fraction is {self.max_mismatch_fraction}; expected 0 to 1")


def find_negatives(
    config: NegativesConfig,
    positives: pd.DataFrame,
    genome: Genome | None = None,
    associated: AssociatedPositions | None = None,
    build: str = "",
) -> tuple[pd.DataFrame, Counter[str]]:
    """Common variants near positives, read from VCF files in bounded memory.

    The network is given the reference window of a variant and its centre, not its alleles. So no negative is
    at the position of a positive, or of a row that the tables associate and that was refused, whatever the
    alleles, and only the first negative of a position is kept.

    Parameters
    ----------
    config : NegativesConfig
        The VCF files, and which of their variants are negatives.
    positives : pandas.DataFrame
        With ``chrom``, ``pos`` (1-based), ``ref`` and ``alt``; contigs may have other names than in the VCF
        files, such as 1 and chr1.
    genome : Genome, optional
        Where given, REF must be its bases, and at most a tenth of a window may be N.
    associated : AssociatedPositions, optional
        Positions of all rows that the tables associate, also of those that gave no positive.
    build : str
        The genome build, as :func:`mifm_kipoi.genomics.contigs.build_of` names it, where it is known.

    Returns
    -------
    negatives : pandas.DataFrame
        One row per negative, with :data:`NEGATIVE_COLUMNS`.
    counts : collections.Counter
        ALT alleles: those ``read``, those ``kept``, and the others under the first reason that holds:
        ``too_far`` from any positive, ``filtered`` (FILTER is neither PASS nor missing), the
        :class:`mifm_kipoi.Status` of alleles that are not bases, ``no_frequency`` (or one that is not a
        number from 0 to 1, or not one per ALT), ``rare``, ``is_positive``, ``at_position_of_positive``,
        ``at_position_of_associated_row``, the :class:`mifm_kipoi.Status` of a window that the FASTA does not
        allow, ``at_position_of_negative``.

    Raises
    ------
    VariantFileError
        When a file cannot be read.
    ReferenceMismatchError
        When REF differs from the FASTA more often than ``max_mismatch_fraction`` allows.
    InputError
        When no negative is left, or contigs are accessions of another build.
    """
    counts: Counter[str] = Counter()
    places = AssociatedPositions() if associated is None else associated
    found = accepted_variants(config, positives, genome, places, build, counts, config.max_distance)
    parts = [
        pd.DataFrame(
            [
                (each.variant.chrom, each.variant.pos, each.variant.ref, each.variant.alt, each.variant.id)
                for each in some
            ],
            columns=list(NEGATIVE_COLUMNS),
        ).astype(NEGATIVE_COLUMNS)
        for some in found
    ]
    log.info("negatives: %s", counts_in_words(counts))
    if not counts[KEPT]:
        raise InputError(
            f"no negatives are left of {', '.join(config.vcf)}: {counts_in_words(counts)}. Expected variants "
            f"with INFO/{config.frequency}, within {config.max_distance} bp of positives, of the same genome "
            "build"
        )
    return pd.concat(parts, ignore_index=True), counts


@dataclasses.dataclass(frozen=True)
class CommonVariant:
    """A variant of the VCF files.

    Parameters
    ----------
    variant : Variant
        Its contig is named as among the positives.
    frequency : float
        Of ALT, from 0 to 1.
    ld_score : float
        NaN where unknown.
    """

    variant: Variant
    frequency: float
    ld_score: float = math.nan


def accepted_variants(
    config: NegativesConfig,
    positives: pd.DataFrame,
    genome: Genome | None,
    associated: AssociatedPositions,
    build: str,
    counts: Counter[str],
    max_distance: int | None,
    of_positives: list[CommonVariant] | None = None,
) -> Iterator[list[CommonVariant]]:
    """Variants that can be negatives, some at a time, the first of each position only.

    Parameters
    ----------
    config, positives, genome, associated, build
        As of :func:`find_negatives`.
    counts : collections.Counter
        Receives the numbers of alleles by reason.
    max_distance : int, optional
        Largest distance to a positive in base pairs; None for no limit on the contigs of positives.
    of_positives : list, optional
        Receives the variants of the files that are positives, common or not.

    Raises
    ------
    VariantFileError, ReferenceMismatchError, InputError
        As of :func:`find_negatives`.
    """
    known = _Positives(positives)
    taken: set[tuple[str, int]] = set()
    check = None if genome is None else ReferenceCheck(genome, config.max_mismatch_fraction)
    candidates = _candidates(config, known, associated, build, counts, max_distance, of_positives)
    while chunk := list(itertools.islice(candidates, CHUNK)):
        kept = []
        statuses = _window_status([each.variant for each in chunk], genome, check)
        for each, status in zip(chunk, statuses, strict=True):
            key = (each.variant.chrom, each.variant.pos)
            reason = AT_NEGATIVE if status is Status.OK and key in taken else status.value
            if reason == Status.OK:
                taken.add(key)
                kept.append(each)
            counts[KEPT if reason == Status.OK else reason] += 1
        yield kept


class _Positives:
    """Positions and alleles of the positives, by contig.

    Parameters
    ----------
    positives : pandas.DataFrame
        As for :func:`find_negatives`.
    """

    def __init__(self, positives: pd.DataFrame) -> None:
        chroms = {chrom: contig_key(chrom) for chrom in positives["chrom"].unique()}
        self.names = {key: chrom for chrom, key in reversed(chroms.items())}
        self._positions: dict[str, list[int]] = {}
        self._alleles: dict[str, list[tuple[str, str]]] = {}
        for key, rows in positives.groupby(positives["chrom"].map(chroms)):
            ordered = rows.sort_values("pos")
            self._positions[self.names[key]] = ordered["pos"].tolist()
            self._alleles[self.names[key]] = list(zip(ordered["ref"], ordered["alt"], strict=True))

    def near(self, chrom: str, pos: int, distance: int) -> bool:
        """Whether a positive on the contig, named as among the positives, is within the distance in bp."""
        positions = self._positions[chrom]
        index = bisect.bisect_left(positions, pos - distance)
        return index < len(positions) and positions[index] <= pos + distance

    def at(self, chrom: str, variant: Variant) -> str | None:
        """The reason if the variant is a positive, or at the position of one; otherwise None."""
        positions = self._positions[chrom]
        first, last = (side(positions, variant.pos) for side in (bisect.bisect_left, bisect.bisect_right))
        if first == last:
            return None
        alleles = {variant.ref, variant.alt}
        same = any(set(pair) == alleles for pair in self._alleles[chrom][first:last])
        return IS_POSITIVE if same else AT_POSITIVE


def _candidates(
    config: NegativesConfig,
    positives: _Positives,
    associated: AssociatedPositions,
    build: str,
    counts: Counter[str],
    max_distance: int | None,
    of_positives: list[CommonVariant] | None,
) -> Iterator[CommonVariant]:
    """Variants that pass all checks without the FASTA, on contigs named as among the positives."""
    names: dict[str, str | None] = {}
    for path in config.vcf:
        with VariantFile(path, lines=True) as file, Progress(f"records of {Path(path).name}") as progress:
            for number, record in enumerate(file, start=1):
                if number % _RENEW_EVERY == 0:
                    progress.update(number, file.fraction_read)
                if number % _LOG_EVERY == 0:
                    log.info("%s: %d records", path, number)
                first = record.variants[0]
                counts[READ] += len(record.variants)
                if first.chrom not in names:
                    stated = build_of(first.chrom)
                    if stated and build and stated != build:
                        raise InputError(
                            f"{path} has the contig {first.chrom}, which is of {stated}; expected {build}, "
                            "as of the positives. Use a VCF file of their build"
                        )
                    names[first.chrom] = positives.names.get(contig_key(first.chrom))
                chrom = names[first.chrom]
                if chrom is None or (
                    max_distance is not None and not positives.near(chrom, first.pos, max_distance)
                ):
                    counts[TOO_FAR] += len(record.variants)
                else:
                    yield from _common(record, chrom, config, positives, associated, counts, of_positives)


def _common(
    record: Record,
    chrom: str,
    config: NegativesConfig,
    positives: _Positives,
    associated: AssociatedPositions,
    counts: Counter[str],
    of_positives: list[CommonVariant] | None,
) -> Iterator[CommonVariant]:
    """The common alleles of a record that are neither positives nor associated otherwise."""
    fields = split_record(record.line)
    filtered = fields[6] not in _PASSED
    frequencies = _frequencies(fields[7], config.frequency, len(record.variants))
    scores = _ld_scores(fields[7], config.ld_score, len(record.variants))
    for variant, frequency, score in zip(record.variants, frequencies, scores, strict=True):
        status = allele_status(variant)
        if of_positives is not None and frequency is not None and positives.at(chrom, variant) == IS_POSITIVE:
            own = dataclasses.replace(variant, chrom=chrom)
            of_positives.append(CommonVariant(own, frequency, score))
        if filtered:
            reason: str | None = FILTERED
        elif status is not Status.OK:
            reason = status.value
        elif frequency is None:
            reason = NO_FREQUENCY
        elif not config.min_maf <= frequency <= 1 - config.min_maf:
            reason = RARE
        else:
            reason = positives.at(chrom, variant)
            if reason is None and associated.holds(chrom, variant.pos, variant.ref, variant.alt):
                reason = AT_ASSOCIATED
        if reason is None:
            assert frequency is not None  # it has been a reason
            yield CommonVariant(dataclasses.replace(variant, chrom=chrom), frequency, score)
        else:
            counts[reason] += 1


def _frequencies(info: bytes, tags: str, alts: int) -> list[float | None]:
    """The frequency of each ALT; None where INFO does not have it."""
    entries = dict(entry.partition(b"=")[::2] for entry in info.split(b";"))
    tag, _, number_tag = tags.partition("/")
    values = [_number(value) for value in entries.get(tag.encode(), b"").split(b",")]
    if len(values) != alts:
        return [None] * alts
    if number_tag:
        number = _number(entries.get(number_tag.encode(), b""))
        values = [value / number if value is not None and number else None for value in values]
    return [value if value is not None and 0 <= value <= 1 else None for value in values]


def _ld_scores(info: bytes, tag: str, alts: int) -> list[float]:
    """The LD score of each ALT; NaN where INFO does not have it."""
    if not tag:
        return [math.nan] * alts
    entries = dict(entry.partition(b"=")[::2] for entry in info.split(b";"))
    values = [_number(value) for value in entries.get(tag.encode(), b"").split(b",")]
    values = values * alts if len(values) == 1 else values
    if len(values) != alts:
        return [math.nan] * alts
    return [math.nan if value is None else value for value in values]


def _number(text: bytes) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _window_status(
    variants: list[Variant], genome: Genome | None, check: ReferenceCheck | None
) -> list[Status]:
    """The status of each variant's window; ok for all without a FASTA."""
    if genome is None or check is None:
        return [Status.OK] * len(variants)
    status = cut_windows(variants, genome).status
    check.add(variants, status)
    return status
