"""What the engines kipoi_veff and kipoi-veff2 are given: the models, their arguments, the SNVs to score.

Both engines put the first ALT of a record in the place of its REF without a look at the sequence.
That is right for a single-nucleotide variant whose REF is that of the FASTA, and silently wrong
otherwise. So the engines are given a file of their own, with one record for each allele that they
score right, and the rest gets no score, with the reason.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import enum
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import kipoi.config
import kipoi.sources

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION, Status
from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genomics.contigs import contig_aliases
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.kipoi.dataloaders import current_names
from mifm_kipoi.kipoi.sources import GROUP
from mifm_kipoi.sequence.windows import VariantWindows
from mifm_kipoi.support.files import with_home
from mifm_kipoi.support.text import as_unicode

MODELS = ("MIFM", "MIFM/published")
"""Names of the models that the bridges know; each stands for its sequence model."""

STATUS = "MIFM_STATUS"
"""Name of the INFO entry and of the column that says why an allele has, or has no, score."""


class BridgeError(MIFMError):
    """A request that an engine cannot fulfil, or an engine that is not installed."""


class Unsupported(enum.StrEnum):
    """Why an allele that ``kipoi predict`` scores has no score from an engine."""

    NOT_AN_SNV = "not_an_snv"
    OUTSIDE_RESTRICTION_BED = "outside_restriction_bed"
    WINDOW_OVER_CONTIG_END = "window_over_contig_end"


Reason = Status | Unsupported
"""The status of an allele."""


class _SequenceSource(kipoi.sources.LocalSource):  # type: ignore[misc]  # kipoi has no types
    """The packaged group of models, each name standing for its sequence model."""

    def __init__(self) -> None:
        super().__init__(str(GROUP))

    def _sequence(self, model: str) -> str:
        if model.removesuffix("/sequence") not in MODELS:
            raise BridgeError(f"there is no model {model!r} here; expected one of {', '.join(MODELS)}")
        return model if model.endswith("/sequence") else f"{model}/sequence"

    def pull_model(self, model: str) -> str:
        return self.get_model_dir(model)

    def get_model_dir(self, model: str) -> str:
        folder: str = super().get_model_dir(self._sequence(model))
        return folder

    def get_model_descr(self, model: str) -> Any:
        return super().get_model_descr(self._sequence(model))

    def get_model_download_dir(self, model: str) -> str:
        folder: str = super().get_model_download_dir(self._sequence(model))
        return folder

    def get_dataloader_download_dir(self, dataloader: str) -> str:
        folder: str = super().get_dataloader_download_dir(self._sequence(dataloader))
        return folder


def put_models_in_place() -> None:
    """Make the packaged models Kipoi's own source, in this process only."""
    kipoi.config.add_source("kipoi", _SequenceSource())


@dataclasses.dataclass(frozen=True)
class DataloaderArguments:
    """What ``--dataloader_args`` may hold.

    Parameters
    ----------
    fasta_file : str
        Reference genome.
    max_n_fraction, max_mismatch_fraction : float
        See :func:`mifm_kipoi.sequence.windows.stream_windows`.
    """

    fasta_file: str
    max_n_fraction: float = MAX_N_FRACTION
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION

    @classmethod
    def read(cls, given: dict[str, Any] | None) -> DataloaderArguments:
        """Check what was given.

        Raises
        ------
        BridgeError
            When the FASTA is missing, or there is an unknown name.
        """
        given = current_names(given or {})
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = [name for name in given if name not in names]
        if unknown or "fasta_file" not in given:
            what = f"do not know {', '.join(unknown)}" if unknown else "lack the genome"
            raise BridgeError(
                f'--dataloader_args {what}; expected --dataloader_args \'{{"fasta_file": "genome.fa"}}\', '
                f"with any of {', '.join(names)}"
            )
        try:
            fractions = {name: float(given[name]) for name in names[1:] if name in given}
        except (TypeError, ValueError) as error:
            raise BridgeError(f"--dataloader_args: {error}; expected fractions from 0 to 1") from error
        return cls(with_home(str(given["fasta_file"])), **fractions)


def select_snvs(
    chunks: Iterable[VariantWindows], refuse: Callable[[Variant], Reason | None] | None = None
) -> Iterator[tuple[Variant, Reason]]:
    """Separate the alleles that an engine scores from the rest.

    Parameters
    ----------
    chunks : iterable of VariantWindows
        From :func:`mifm_kipoi.sequence.windows.stream_windows`, which checks REF.
    refuse : callable, optional
        A further reason not to score an SNV, or None.

    Yields
    ------
    tuple of Variant and Reason
        Every variant in its order; ``Status.OK`` for those to score.
    """
    for windows in chunks:
        for variant, status in zip(windows.variants, windows.status, strict=True):
            reason: Reason | None = status
            if status is Status.OK:
                if not variant.is_snv:
                    reason = Unsupported.NOT_AN_SNV
                elif refuse is not None:
                    reason = refuse(variant)
            yield variant, reason or Status.OK


def window_over_contig_end(variant: Variant, genome: Genome, start: int, end: int) -> bool:
    """Whether ``[start, end)``, relative to a variant's first base, reaches past an end of the contig."""
    contig = genome.find_contig(variant.chrom)
    assert contig is not None, "only variants on a contig of the FASTA have a window"
    return variant.start + start < 0 or variant.start + end > genome.contigs[contig]


def write_snvs(
    selected: Iterable[tuple[Variant, Reason]], genome: Genome, path: Path, fasta_names: bool = False
) -> list[Reason]:
    """Write the variants to score to a VCF file, one record each.

    Parameters
    ----------
    selected : iterable of tuple of Variant and Reason
        From :func:`select_snvs`.
    genome : Genome
        The FASTA, for the names of contigs.
    path : Path
        The VCF file.
    fasta_names : bool
        Name contigs as in the FASTA instead of as in the variant file.

    Identifiers, which the engines read as UTF-8, are as :func:`mifm_kipoi.support.text.as_unicode` has them.

    Returns
    -------
    list of Reason
        One for every variant, in their order.
    """
    names = dict.fromkeys(name for contig in genome.contigs for name in contig_aliases(contig))
    reasons = []
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("##fileformat=VCFv4.2\n")
        file.writelines(f"##contig=<ID={name}>\n" for name in names)
        file.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        for variant, reason in selected:
            reasons.append(reason)
            if reason is Status.OK:
                chrom = genome.find_contig(variant.chrom) if fasta_names else variant.chrom
                name = as_unicode(variant.id)
                file.write(f"{chrom}\t{variant.pos}\t{name}\t{variant.ref}\t{variant.alt}\t.\t.\t.\n")
    return reasons


def counts(reasons: Iterable[Reason]) -> str:
    """Count the reasons for which there is no score, the most frequent first."""
    frequencies = collections.Counter(reason for reason in reasons if reason is not Status.OK)
    return ", ".join(f"{count} {reason}" for reason, count in frequencies.most_common())


def summary(reasons: Sequence[Reason]) -> str:
    """Say how many alleles have a score, and for which reasons the others have none."""
    rest = counts(reasons)
    scored = f"{reasons.count(Status.OK)} of {len(reasons)} alleles have a score"
    return f"{scored}; no score: {rest}" if rest else scored


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for temporary files, the engines' own included, that is removed with them."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="mifm-") as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before
