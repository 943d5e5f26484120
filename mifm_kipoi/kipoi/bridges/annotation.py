"""Merge the scores of alleles back into the VCF file that they came from.

The lines of the file are kept as text, so that nothing but INFO, and on request ID, changes.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from Bio import bgzf

from mifm_kipoi.conventions import Status
from mifm_kipoi.genomics.variants import VariantFile
from mifm_kipoi.genomics.vcf_text import MISSING, put_definitions, put_info, split_record
from mifm_kipoi.kipoi.bridges.engines import (
    STATUS,
    Reason,
)

Allele = tuple[bytes, bytes, bytes, bytes]
"""CHROM, POS, REF and ALT as in a VCF file, alleles in upper case."""


@contextlib.contextmanager
def open_vcf(path: Path, compressed: bool) -> Iterator[IO[bytes]]:
    """Open a VCF file for writing, with bgzip where it is to be compressed."""
    if compressed:
        file: Any = bgzf.BgzfWriter(str(path), "wb")  # type: ignore[no-untyped-call]  # Biopython has few types
    else:
        file = path.open("wb")
    with file:
        yield file


class AnnotatedVcf:
    """Writes a VCF file with the scores that kipoi_veff hands over batch by batch.

    Every record of the original is written, in its order. Each INFO entry has one value per ALT
    (Number=A): the entries of kipoi_veff are ``<prefix>:<SCORE>``, the model's outputs joined by
    ``|``, and ``<prefix>:rID``, the name that it gave to the window; ``.`` stands for an ALT without
    a score. A record without any score has no entry ``<prefix>:<SCORE>``, and ``.`` as its ``rID``.
    ``MIFM_STATUS`` says why. Entries of the same names that the original had are replaced.

    Parameters
    ----------
    source : VariantFile
        The original VCF or BCF file, opened to keep the text of its records.
    target : binary file
        Where the annotated VCF goes.
    reasons : sequence of Reason
        One for every ALT, in the order of the original; one for a record without ALT.
    prefix : str
        Beginning of the names of the INFO entries.
    scores : sequence of str
        Names of the scores, as kipoi_veff knows them.
    outputs : sequence of str
        Names of the model's outputs.
    standard_ids : bool
        Replace every ID by ``chrom:pos:ref:['alt']``.
    """

    def __init__(
        self,
        source: VariantFile,
        target: IO[bytes],
        reasons: Sequence[Reason],
        *,
        prefix: str,
        scores: Sequence[str],
        outputs: Sequence[str],
        standard_ids: bool = False,
    ) -> None:
        self._target = target
        self._reasons = reasons
        self._scores = list(scores)
        self._standard_ids = standard_ids
        self._score_tags = [f"{prefix}:{name.upper()}".encode() for name in scores]
        self._id_tag = f"{prefix}:rID".encode()
        self._tags = {*self._score_tags, self._id_tag, STATUS.encode()}
        self._row = 0
        self._pending: collections.deque[tuple[Allele, list[bytes]]] = collections.deque()
        self._records = (record.line for record in source)
        self._write_header(source.header, outputs)
        self._advance()

    def _write_header(self, header: Sequence[bytes], outputs: Sequence[str]) -> None:
        """Write the header of the original, our lines at its end."""
        # kipoi_veff's parser takes the names of the outputs from what follows the colon.
        described = [
            (
                tag,
                f"{name} of SNVs, scored with kipoi_veff. Prediction from model outputs: {'|'.join(outputs)}",
            )
            for tag, name in zip(self._score_tags, self._scores, strict=True)
        ]
        described.append((self._id_tag, "Window that was scored: CHROM:POS:REF:ALT of its variant"))
        described.append((STATUS.encode(), "Why the ALT has a score (ok) or has none"))
        definitions = [
            b"##INFO=<ID=" + tag + f',Number=A,Type=String,Description="{description}">'.encode()
            for tag, description in described
        ]
        for line in put_definitions(header, self._tags, definitions):
            self._target.write(line + b"\n")

    def __call__(self, predictions: dict[str, Any], records: Sequence[Any], line_ids: Sequence[str]) -> None:
        """Take the scores of a batch, as kipoi_veff calls its writers.

        Parameters
        ----------
        predictions : dict of str to pandas.DataFrame, shape (n, outputs)
            Scores by name.
        records : sequence of cyvcf2.Variant, length n
            The records with one ALT each that were scored.
        line_ids : sequence of str, length n
            Names of their windows.
        """
        texts = [
            ["|".join(str(value) for value in row).encode() for row in predictions[name].to_numpy()]
            for name in self._scores
        ]
        for record, line_id, *values in zip(records, line_ids, *texts, strict=True):
            allele = (record.CHROM.encode(), b"%d" % record.POS, record.REF.encode(), record.ALT[0].encode())
            self._pending.append((allele, [*values, str(line_id).encode()]))
        self._write_complete_records()

    def finish(self) -> None:
        """Write the records after the last that has a score.

        Raises
        ------
        RuntimeError
            When kipoi_veff did not give exactly the scores that it was asked for.
        """
        self._write_complete_records()
        if self._next is not None or self._pending or self._row != len(self._reasons):
            raise RuntimeError(
                f"kipoi_veff left variants out: {self._row} of {len(self._reasons)} alleles were reached, "
                f"{len(self._pending)} scores are left over"
            )

    def _advance(self) -> None:
        """Read the next record and the reasons of its alleles."""
        line = next(self._records, None)
        self._next: tuple[list[bytes], Sequence[Reason]] | None = None
        if line is not None:
            fields = split_record(line)
            count = fields[4].count(b",") + 1
            self._next = fields, self._reasons[self._row : self._row + count]
            self._row += count

    def _write_complete_records(self) -> None:
        while self._next is not None and self._next[1].count(Status.OK) <= len(self._pending):
            self._target.write(b"\t".join(self._annotated(*self._next)) + b"\n")
            self._advance()

    def _annotated(self, fields: list[bytes], reasons: Sequence[Reason]) -> list[bytes]:
        """Add the entries of a record to its INFO; the fields after INFO are one text."""
        chrom, pos, name, ref, alts, qual, filters, info, *rest = fields
        rows = []
        for alt, reason in zip(alts.split(b","), reasons, strict=True):
            values = [MISSING] * (len(self._scores) + 1)
            if reason is Status.OK:
                allele, values = self._pending.popleft()
                if allele != (chrom, pos, ref.upper(), alt.upper()):
                    raise RuntimeError(f"kipoi_veff gave a score of {allele} instead of that of {fields[:5]}")
            rows.append(values)
        *scores, ids = (b",".join(column) for column in zip(*rows, strict=True))
        entries: list[bytes] = []
        if Status.OK in reasons:
            entries += [tag + b"=" + text for tag, text in zip(self._score_tags, scores, strict=True)]
        entries += [self._id_tag + b"=" + ids, STATUS.encode() + b"=" + ",".join(reasons).encode()]
        if self._standard_ids:
            name = b":".join([chrom, pos, ref, b"['" + alts.replace(b",", b"','") + b"']"])
        return [chrom, pos, name, ref, alts, qual, filters, put_info(info, self._tags, entries), *rest]
