"""Genes of a GTF: where they lie, and which are near a position."""

from __future__ import annotations

import collections
import dataclasses
import gzip
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.text_files import is_gzip

_ATTRIBUTE = re.compile(r'([^\s;"]+)[ \t]+(?:"([^"]*)"|([^";\s]+))')
"""``gene_name "TERT"`` of a GTF."""

_GFF3_ATTRIBUTE = re.compile(r"(?:^|;)[ \t]*([^=;\s]+)=([^;]*)")
"""``Name=TERT`` of GFF3."""

_PARTS = ("gene", "transcript", "exon")

_CODING = "protein_coding"


@dataclasses.dataclass(frozen=True)
class Feature:
    """A line of a GTF.

    Parameters
    ----------
    contig : str
        Key of the contig (:func:`mifm_kipoi.genomics.contigs.contig_key`).
    kind : str
        The third field, such as ``gene``, ``transcript`` or ``exon``.
    start, end : int
        0-based half-open.
    strand : str
        ``+``, ``-`` or ``.``.
    text : str
        The attributes, as they are written.
    """

    contig: str
    kind: str
    start: int
    end: int
    strand: str
    text: str

    @property
    def first(self) -> int:
        """The 0-based position at which it begins, by its strand."""
        return self.end - 1 if self.strand == "-" else self.start

    def attributes(self) -> dict[str, str]:
        """Names and values; of a name that occurs several times the first."""
        found: dict[str, str] = {}
        if "=" in self.text.partition('"')[0]:
            for name, value in _GFF3_ATTRIBUTE.findall(self.text):
                found.setdefault(name, value)
        else:
            for name, quoted, bare in _ATTRIBUTE.findall(self.text):
                found.setdefault(name, quoted or bare)
        return found


def read_features(path: Path, kinds: Collection[str]) -> Iterator[Feature]:
    """Lines of a GTF of some kinds, in the order of the file.

    Parameters
    ----------
    path : Path
        GTF, plain, gzip or bgzip.
    kinds : collection of str
        The third fields that are wanted; lines of others are not looked at.

    Raises
    ------
    InputError
        When the file cannot be read, or the start and the end of a line are not whole numbers.
    """
    number = 0
    try:
        with gzip.open(path, "rt") if is_gzip(path) else path.open() as file:
            for number, line in enumerate(file, start=1):  # noqa: B007 - the errors below name it
                fields = line.rstrip("\r\n").split("\t", 8)
                if line.startswith("#") or len(fields) < 8 or fields[2] not in kinds:
                    continue
                yield Feature(
                    contig_key(fields[0]), fields[2], int(fields[3]) - 1, int(fields[4]), fields[6],
                    fields[8] if len(fields) > 8 else "",
                )  # fmt: skip
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path} after line {number}: {reason}; expected a GTF") from error
    except ValueError as error:
        raise InputError(
            f"line {number} of {path} is not GTF ({error}); expected whole numbers as start and end"
        ) from error


@dataclasses.dataclass(frozen=True)
class Gene:
    """A gene.

    Parameters
    ----------
    name : str
        Its name, or its identifier where it has none.
    start, end : int
        0-based half-open.
    strand : str
        ``+``, ``-`` or ``.``.
    coding : bool
        Whether it is protein-coding; also where the GTF does not say what it is.
    exons : tuple of (int, int)
        Of all of its transcripts, joined where they overlap, by position; 0-based half-open.
    """

    name: str
    start: int
    end: int
    strand: str
    coding: bool = True
    exons: tuple[tuple[int, int], ...] = ()

    def distance(self, pos: int) -> int:
        """Bases between the gene and a 1-based position; 0 inside of it."""
        return max(self.start - (pos - 1), pos - self.end, 0)


@dataclasses.dataclass(frozen=True)
class Genes:
    """Genes of a genome.

    Parameters
    ----------
    by_contig : mapping of str to tuple of Gene
        By the key of the contig, in the order of their starts.
    """

    by_contig: Mapping[str, tuple[Gene, ...]]

    def of_region(self, chrom: str, start: int, end: int) -> list[Gene]:
        """The genes that overlap a region.

        Parameters
        ----------
        chrom : str
            By any of its names.
        start, end : int
            1-based, both inside.
        """
        genes = self.by_contig.get(contig_key(chrom), ())
        return [gene for gene in genes if gene.start < end and gene.end >= start]

    def nearest(self, chrom: str, pos: int, most_bp: int = 1_000_000) -> tuple[Gene, int] | None:
        """The protein-coding gene nearest to a position, and the bases between; of several, the first.

        Parameters
        ----------
        chrom : str
            By any of its names.
        pos : int
            1-based.
        most_bp : int
            Genes that are further away do not count.
        """
        genes = [gene for gene in self.by_contig.get(contig_key(chrom), ()) if gene.coding]
        if not genes:
            return None
        gene = min(genes, key=lambda each: each.distance(pos))
        distance = gene.distance(pos)
        return (gene, distance) if distance <= most_bp else None


def read_genes(path: Path) -> Genes:
    """The genes of a GTF.

    A gene is what the lines with its ``gene_id`` span: those of genes, transcripts and exons. Pseudogenes and
    genes of RNA are not coding; where a GTF has no ``gene_type`` or ``gene_biotype``, all are taken to be.

    Parameters
    ----------
    path : Path
        GTF of GENCODE, Ensembl, RefSeq or another source, plain or gzip. Of GFF3 the lines of genes are read,
        and those of transcripts and exons that name their gene.

    Raises
    ------
    InputError
        When it cannot be read, or has no gene.
    """
    spans: dict[tuple[str, str], list[int]] = {}
    names: dict[tuple[str, str], tuple[str, str, bool]] = {}
    exons: dict[tuple[str, str], list[tuple[int, int]]] = collections.defaultdict(list)
    for feature in read_features(path, _PARTS):
        attributes = feature.attributes()
        gene = attributes.get("gene_id") or attributes.get("gene", "")
        if feature.kind == "gene":
            gene = gene or attributes.get("ID", "")
        if not gene:
            continue
        key = (feature.contig, gene)
        span = spans.setdefault(key, [feature.start, feature.end])
        span[0], span[1] = min(span[0], feature.start), max(span[1], feature.end)
        name = attributes.get("gene_name") or attributes.get("Name") or attributes.get("gene") or gene
        kind = attributes.get("gene_type") or attributes.get("gene_biotype") or _CODING
        names.setdefault(key, (name, feature.strand, kind == _CODING))
        if feature.kind == "exon":
            exons[key].append((feature.start, feature.end))
    if not spans:
        raise _no_gene(path)
    by_contig: dict[str, list[Gene]] = collections.defaultdict(list)
    for key, (start, end) in spans.items():
        name, strand, coding = names[key]
        by_contig[key[0]].append(Gene(name, start, end, strand, coding, _joined(exons[key])))
    return Genes(
        {
            contig: tuple(sorted(genes, key=lambda gene: (gene.start, gene.end, gene.name)))
            for contig, genes in by_contig.items()
        }
    )


def check_genes(path: Path) -> None:
    """Refuse what is not a GTF before work that needs it much later; one line of a gene is read.

    Parameters
    ----------
    path : Path
        As of :func:`read_genes`.

    Raises
    ------
    InputError
        As of :func:`read_genes`, but for what is wrong behind the first gene.
    """
    if next(read_features(path, _PARTS), None) is None:
        raise _no_gene(path)


def _no_gene(path: Path) -> InputError:
    return InputError(
        f"{path} has no gene; expected a GTF whose lines of kind gene, transcript or exon have a gene_id"
    )


def _joined(intervals: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Intervals by position, joined where they overlap or touch."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)
