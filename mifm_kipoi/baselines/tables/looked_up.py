"""Scores that stand in a file: one baseline over any way to look variants up."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from mifm_kipoi.baselines.protocol import Declaration
from mifm_kipoi.baselines.tables.variant_rows import Combine, Lookup, Site, VariantRows
from mifm_kipoi.conventions import CHUNK
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import ContigNames
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.scoring.records import ScoredVariants
from mifm_kipoi.support.files import sha256_of

FEW_STRANGERS = 5
"""Positions at which a table may contradict the variants, however few are compared."""

MAX_STRANGE_FRACTION = 0.25
"""Fraction of the compared positions at which a table may contradict the variants. With another genome build
half or more have another reference base, or another pair of alleles; where builds agree, next to none."""

ENOUGH_SITES = 200
"""Positions after which a table is judged at each further one, so that it does not matter how variants are
divided into calls. With fewer it is judged at the end of a call."""

_WHOLE_BYTES = 1 << 30
_END_BYTES = 1 << 20

UNORDERED = "the pair of alleles in any order, SNVs on either strand"
ORDERED = "reference to alternative allele, SNVs on either strand; A/T and C/G only as they stand"
"""How alleles are compared (:func:`mifm_kipoi.genetics.alleles.allele_fit`), in words for declarations."""


class Source(Protocol):
    """Where variants are looked up."""

    def look_up(self, variants: Sequence[Variant], combine: Combine) -> Lookup:
        """Find variants; several rows of one are made one by ``combine``."""


class LookedUp:
    """Scores from a file.

    Parameters
    ----------
    path : Path
        For messages.
    source : Source
        The rows of the file.
    combine : callable
        What several rows of one variant give.
    declaration : Declaration
        Name, scores and evidence of the model.
    contigs : ContigNames, optional
        Those of the file, where all its rows were read.
    """

    chunk_size = CHUNK
    device = "cpu"

    def __init__(
        self,
        path: Path,
        source: Source,
        combine: Combine,
        declaration: Declaration,
        contigs: ContigNames | None = None,
    ) -> None:
        self._path, self._source, self._combine = path, source, combine
        self._declaration, self._contigs = declaration, contigs
        self._build = _BuildCheck(path)

    @property
    def declaration(self) -> Declaration:
        """What it declares about itself."""
        return self._declaration

    def warnings(self, genome: Genome) -> list[str]:
        """What of the file does not fit a genome: contigs that it lacks, and rows beyond their ends.

        Raises
        ------
        InputError
            When the file names its contigs by accessions of another genome build.
        """
        if self._contigs is None:
            return []
        self._contigs.check(genome.contigs, genome.path)
        warnings = [self._contigs.unmatched(genome.contigs, "the FASTA")]
        if isinstance(self._source, VariantRows):
            beyond, rows = self._source.beyond(genome.contigs)
            if beyond * 2 > rows:
                warnings.append(
                    f"{beyond:,} of {rows:,} variants of {self._path} lie beyond the ends of the FASTA's "
                    "contigs: the table is of another genome build, or the FASTA is a part of the genome"
                )
        return list(filter(None, warnings))

    def score(
        self,
        variants: Sequence[Variant],
        genome: Genome | None = None,  # noqa: ARG002 - reads none
    ) -> ScoredVariants:
        """See :meth:`mifm_kipoi.baselines.protocol.Baseline.score`; the genome is not read.

        Raises
        ------
        InputError
            When the file cannot be read, or has other reference bases than the variants, or other pairs of
            alleles where these have no order, at more than :data:`FEW_STRANGERS` of their positions and more
            than :data:`MAX_STRANGE_FRACTION` of those compared so far.
        """
        lookup = self._source.look_up(variants, self._combine)
        self._build.add(lookup.sites)
        columns = dict(zip(self._declaration.columns, lookup.values.T, strict=True))
        return ScoredVariants(variants, lookup.status, columns)


class _Comparison(NamedTuple):
    """Positions at which a table was compared with variants, those at which it differs, and the first few."""

    compared: int = 0
    strange: int = 0
    examples: tuple[Site, ...] = ()

    def plus(self, site: Site) -> _Comparison:
        """With one position more."""
        examples = (*self.examples, site)[:3] if site.other else self.examples
        return _Comparison(self.compared + 1, self.strange + bool(site.other), examples)


class _BuildCheck:
    """Whether a table is of the genome build of the variants, as far as alleles tell.

    Variants at one position that follow each other count once, and fit where one of them does: of all SNVs
    at a position, a GWAS has but one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = _Comparison()
        self._last: Site | None = None

    def add(self, sites: Iterable[Site]) -> None:
        """Take what was compared next."""
        for site in sites:
            if self._last is not None and _same_position(self._last.variant, site.variant):
                self._last = self._last if site.other else site
                continue
            if self._last is not None:
                self._before = self._before.plus(self._last)
                if self._before.compared >= ENOUGH_SITES:
                    self._judge(self._before)
            self._last = site
        if self._last is not None and self._before.compared < ENOUGH_SITES:
            self._judge(self._before.plus(self._last))

    def _judge(self, comparison: _Comparison) -> None:
        if comparison.strange <= max(FEW_STRANGERS, MAX_STRANGE_FRACTION * comparison.compared):
            return
        examples = "; ".join(
            f"{site.variant.chrom}:{site.variant.pos} has {site.own} in the variants and {site.other} in the "
            "table"
            for site in comparison.examples
        )
        raise InputError(
            f"{self._path} has other alleles than the variants at {comparison.strange} of the "
            f"{comparison.compared} positions at which they were compared so far: {examples}. The table is "
            "most likely of another genome build than the variants, or its alleles are others, or swapped. "
            "Use a table of the variants' build and alleles"
        )


def _same_position(one: Variant, other: Variant) -> bool:
    return (one.chrom, one.pos) == (other.chrom, other.pos)


def content_of(path: Path) -> dict[str, str | int]:
    """What changes with the content of a file, so that no run resumes with a changed one.

    Up to 1 GiB it is the checksum of the whole file. Larger files, such as CADD's 80 GB, would take minutes;
    of them it is the size, the time of the last change (ns since 1970) and the checksum of the first and the
    last MiB. Changes between these that leave size and time as they were are not noticed.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    try:
        status = path.stat()
        if status.st_size <= _WHOLE_BYTES:
            return {"sha256": sha256_of(path)}
        with path.open("rb") as file:
            ends = hashlib.sha256(file.read(_END_BYTES))
            file.seek(-_END_BYTES, os.SEEK_END)
            ends.update(file.read())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return {"bytes": status.st_size, "modified_ns": status.st_mtime_ns, "ends_sha256": ends.hexdigest()}
