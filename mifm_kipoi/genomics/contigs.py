"""Names of chromosomes: the one rule by which two names mean the same contig, whichever file they stand in.

:func:`contig_key` gives one key for all names of a contig:

- blanks around a name, and ``chr`` before it in any case, are no part of it: ``1``, ``chr1``, ``CHR1``;
- numbers lose leading zeros and a fraction of zeros: ``01`` and ``1.0`` are 1;
- ``23`` and ``24`` are X and Y, ``x`` is X; ``XY``, ``PAR1`` and ``PAR2`` lie on X;
- ``M``, ``MT``, ``chrM`` and ``chrMT`` are the mitochondrion;
- accessions of NCBI (``NC_000001.10``, ``CM000663.1``) are the chromosome. Their version states the build
  (:func:`build_of`): a table in which it contradicts itself or the FASTA is an error (:class:`ContigNames`);
- what 25 and 26 mean depends on the program: XY and MT in PLINK, 25 is MT in the GWAS Catalog. Whoever knows
  says so (``numbers``); elsewhere they stay names of their own (:data:`UNDECIDED`), and readers of tables
  refuse their rows with that reason.

A FASTA, which has its contigs under its own names, is asked for :func:`contig_aliases`: its ``23`` is not X.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mifm_kipoi.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

UNDECIDED = ("25", "26")
"""Keys of contigs that mean different chromosomes to different programs."""

DECIDED = "X, Y or MT by name: 25 and 26 mean other chromosomes to PLINK than to the GWAS Catalog"
"""What readers without a format expect instead, in words for a message."""

_CHROMOSOMES = (*map(str, range(1, 23)), "X", "Y")
_MITOCHONDRION = ("chrM", "MT", "chrMT", "M")
_OTHER_NAMES = {"23": "X", "24": "Y", "XY": "X", "PAR1": "X", "PAR2": "X"}

_VERSIONS_GRCH37 = (10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9)
"""Versions of NC_000001 (chromosome 1) to NC_000024 (Y); those of GRCh38 are higher by one."""

_LENGTHS_IN_ORDER = {
    "GRCh37": zip((
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431,
        135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248,
        59128983, 63025520, 48129895, 51304566, 155270560, 59373566,
    ), _CHROMOSOMES, strict=True),
    "GRCh38": zip((
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717,
        133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285,
        58617616, 64444167, 46709983, 50818468, 156040895, 57227415,
    ), _CHROMOSOMES, strict=True),
}  # fmt: skip
_LENGTHS = {build: frozenset(lengths) for build, lengths in _LENGTHS_IN_ORDER.items()}
"""Lengths of chromosomes 1 to 22, X and Y."""


def _accessions() -> dict[str, tuple[str, str]]:
    """The chromosome and the build of each accession."""
    known = {"NC_012920.1": ("M", ""), "J01415.2": ("M", "")}
    for number, (chrom, version) in enumerate(zip(_CHROMOSOMES, _VERSIONS_GRCH37, strict=True)):
        for later, build in enumerate(("NCBI36", "GRCh37", "GRCh38"), start=-1):
            known[f"NC_{number + 1:06}.{version + later}"] = (chrom, build)
        known[f"CM{663 + number:06}.1"] = (chrom, "GRCh37")
        known[f"CM{663 + number:06}.2"] = (chrom, "GRCh38")
        known[f"NC_{60925 + number:06}.1"] = (chrom, "T2T-CHM13")
    return known


_ACCESSIONS = _accessions()
_ACCESSIONS_OF = collections.defaultdict[str, list[str]](list)
for _name, (_chrom, _) in _ACCESSIONS.items():
    _ACCESSIONS_OF[_chrom].append(_name)

_BUILD_NAMES = {
    name: build
    for build, names in {
        "NCBI35": "ncbi35 hg17 b35",
        "NCBI36": "ncbi36 hg18 b36",
        "GRCh37": "grch37 hg19 b37 hs37 hs37d5 37",
        "GRCh38": "grch38 hg38 b38 hs38 38",
        "T2T-CHM13": "t2t-chm13 chm13 chm13v2 chm13v2.0 hs1",
    }.items()
    for name in names.split()
}

_PREFIX = re.compile(r"^(chr|[cC][hH][rR](?!_))")
"""Ensembl has patches such as CHR_HSCHR1_1_CTG3."""

_NUMBER = re.compile(r"^0*([1-9][0-9]*)(\.0+)?$")


def contig_aliases(chrom: str) -> tuple[str, ...]:
    """The names under which a contig is looked for in a FASTA, in order of preference.

    Parameters
    ----------
    chrom : str
        Name of the contig.

    Returns
    -------
    tuple of str
        The name itself; then, for the mitochondrion, its other names; for any other contig the name with
        ``chr`` removed or added; then a chromosome's accessions. For an accession, the name of its chromosome
        without and with ``chr``, but no accession of another build.
    """
    if chrom in _ACCESSIONS:
        return (chrom, *(name for name in contig_aliases(_ACCESSIONS[chrom][0]) if name not in _ACCESSIONS))
    if chrom in _MITOCHONDRION:
        names = (chrom, *(name for name in _MITOCHONDRION if name != chrom))
        return (*names, *_ACCESSIONS_OF["M"])
    bare = chrom.removeprefix("chr")
    return (chrom, bare if bare != chrom else f"chr{chrom}", *_ACCESSIONS_OF.get(bare, ()))


def contig_key(chrom: str, numbers: Mapping[str, str] | None = None) -> str:
    """One key for all names of a contig, by which the contigs of files are compared; see the module.

    Parameters
    ----------
    chrom : str
        Name of the contig.
    numbers : mapping of str to str, optional
        What 25 and 26 mean, such as ``{"25": "X", "26": "MT"}`` for PLINK.

    Returns
    -------
    str
        ``1`` to ``22``, ``X``, ``Y`` or ``M``; for any other contig its name without ``chr``.
    """
    bare = _PREFIX.sub("", chrom.strip())
    if bare in _ACCESSIONS:
        return _ACCESSIONS[bare][0]
    number = _NUMBER.match(bare)
    bare = number[1] if number else bare
    bare = (numbers or {}).get(bare, bare)
    upper = bare.upper()
    if upper in ("M", "MT"):
        return "M"
    return _OTHER_NAMES.get(upper, upper if upper in _CHROMOSOMES else bare)


def is_chromosome(key: str) -> bool:
    """Whether a :func:`contig_key` is one of ``1`` to ``22``, ``X``, ``Y`` and ``M``."""
    return key in _CHROMOSOMES or key == "M"


def contig_keys(names: pd.Series[str], numbers: Mapping[str, str] | None = None) -> pd.Series[str]:
    """:func:`contig_key` of many names; missing names stay missing.

    Parameters
    ----------
    names : pandas.Series of str
        Names of contigs, most of them many times.
    numbers : mapping of str to str, optional
        As of :func:`contig_key`.
    """
    keys = {name: contig_key(name, numbers) for name in names.dropna().unique()}
    return names.map(keys).astype("str")


def build_of(chrom: str) -> str:
    """The build that an accession states: NCBI36, GRCh37, GRCh38 or T2T-CHM13; empty for any other name."""
    return _ACCESSIONS.get(_PREFIX.sub("", chrom.strip()), ("", ""))[1]


def build_named(text: str) -> str:
    """The build of any of its names: NCBI35, NCBI36, GRCh37, GRCh38 or T2T-CHM13.

    Parameters
    ----------
    text : str
        Such as ``hg19``, ``b37``, ``GRCh37.p13`` or ``hg38``, in either case.

    Returns
    -------
    str
        Empty for any other text, such as ``NR`` (not reported).
    """
    return _BUILD_NAMES.get(re.sub(r"\.p[0-9]+$", "", text.strip().lower()), "")


def build_of_lengths(lengths: Mapping[str, int]) -> str:
    """The build of a FASTA by the lengths of its contigs, or else by their accessions.

    Parameters
    ----------
    lengths : mapping of str to int
        Names and lengths of contigs, such as :attr:`mifm_kipoi.genomics.genome.Genome.contigs`.

    Returns
    -------
    str
        As of :func:`build_of`; empty where no chromosome has the length of one, as in a part of a genome, nor
        an accession.
    """
    found = {
        build
        for name, length in lengths.items()
        for build, known in _LENGTHS.items()
        if (length, contig_key(name)) in known
    }
    found = found or {build for name in lengths if (build := build_of(name))}
    return found.pop() if len(found) == 1 else ""


class ContigNames:
    """The contigs of one table, while it is read: their keys, their rows, and the build they state.

    Parameters
    ----------
    source : str
        What has the names, such as the path of a table, for messages.
    numbers : mapping of str to str, optional
        As of :func:`contig_key`.
    lifted : bool
        Whether positions are lifted over, so that the FASTA may be of another build.

    Attributes
    ----------
    rows : collections.Counter of str to int
        Rows of each name so far, as the table has it.
    """

    def __init__(self, source: str, numbers: Mapping[str, str] | None = None, lifted: bool = False) -> None:
        self.rows: collections.Counter[str] = collections.Counter()
        self._source, self._numbers, self._lifted = source, numbers, lifted
        self._build = self._stated_by = ""

    def keys(self, names: pd.Series[str]) -> pd.Series[str]:
        """:func:`contig_keys` of some rows, which are counted.

        Raises
        ------
        InputError
            When accessions are of another build than others.
        """
        for name, count in names.value_counts().items():
            self.rows[str(name)] += int(count)
            build = build_of(str(name))
            if build and self._build and build != self._build:
                raise InputError(
                    f"{self._source} has the contigs {self._stated_by}, which is of {self._build}, and "
                    f"{name}, which is of {build}; expected one genome build"
                )
            if build:
                self._build, self._stated_by = build, str(name)
        return contig_keys(names, self._numbers)

    def check(self, lengths: Mapping[str, int], fasta: object) -> None:
        """Compare the build that accessions state with that of a FASTA, as far as both are known.

        Parameters
        ----------
        lengths : mapping of str to int
            Names and lengths of the FASTA's contigs.
        fasta : object
            The FASTA, for messages.

        Raises
        ------
        InputError
            When they are not the same.
        """
        build = build_of_lengths(lengths) if self._build and not self._lifted else ""
        if build and build != self._build:
            raise InputError(
                f"{self._source} has the contig {self._stated_by}, which is of {self._build}, and {fasta} is "
                f"{build} by its contigs. Use the FASTA of the table's build, or lift the "
                "table over with a chain file"
            )

    def unmatched(self, known: Iterable[str], where: str) -> str:
        """A warning, in words, on contigs that another file does not have; empty where it has all.

        Parameters
        ----------
        known : iterable of str
            Names of the other file's contigs.
        where : str
            What the other file is, such as ``the FASTA``.
        """
        keys = {contig_key(name) for name in known}
        strange = {
            name: rows
            for name, rows in self.rows.most_common()
            if contig_key(name, self._numbers) not in keys
        }
        if not strange:
            return ""
        shown = ", ".join(f"{name!r} ({rows:,} rows)" for name, rows in list(strange.items())[:10])
        more = f" and {len(strange) - 10} more" if len(strange) > 10 else ""
        return (
            f"{self._source} has {sum(strange.values()):,} rows on contigs that {where} does not have: "
            f"{shown}{more}"
        )
