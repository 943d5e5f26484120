"""The Kipoi dataloaders: variants or intervals in, batches of one-hot windows out.

Both stream: the windows of a batch are cut together, in the order of the file and in constant memory. Kipoi's
``num_workers`` has no effect, since cutting windows takes a tenth of the time of the network.
"""

from __future__ import annotations

import itertools
import shutil
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kipoi.data
import kipoi.specs
import numpy as np
import numpy.typing as npt
from kipoi.metadata import GenomicRanges

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION, VARIANT_INDEX, WINDOW, Status
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions, on_known_contigs, read_intervals
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.kipoi.compatibility import mend_writers, show_warnings
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import VariantWindows, cut_interval_windows, cut_windows, stream_windows
from mifm_kipoi.support.files import require_file

_HERE = Path(__file__).parent
_EXAMPLE = _HERE / "example"

Batch = dict[str, Any]

FORMER_NAMES = {"max_unknown_share": "max_n_fraction", "max_mismatch_share": "max_mismatch_fraction"}
"""Arguments by the names that they had in earlier versions."""


def current_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a dataloader under their current names.

    Parameters
    ----------
    given : mapping
        Arguments by names; a former name is taken with a ``FutureWarning``.

    Returns
    -------
    dict
        The same arguments in the same order.
    """
    for name in given:
        if name in FORMER_NAMES:
            warnings.warn(
                f"the dataloader's argument {name} is now {FORMER_NAMES[name]}; the old name goes away in "
                "the next version",
                FutureWarning,
                stacklevel=3,
            )
    return {FORMER_NAMES.get(name, name): value for name, value in given.items()}


class _StreamingDataloader(kipoi.data.SampleIterator):  # type: ignore[misc]  # kipoi has no types
    """Kipoi's iterator of samples, made from an iterator of whole batches.

    Parameters
    ----------
    path : str
        The file that is streamed.
    """

    def __init__(self, path: str) -> None:
        mend_writers()
        show_warnings()
        self._path = path
        self._was_read = False

    def _batches(self, batch_size: int) -> Iterator[Batch]:
        """Batches of samples, at least one, which may be empty."""
        raise NotImplementedError

    def _read(self, batch_size: int) -> Iterator[Batch]:
        if self._was_read:
            require_file(self._path)
        self._was_read = True
        return self._batches(batch_size)

    def batch_iter(self, batch_size: int = 32, **_: Any) -> Iterator[Batch]:
        """Batches of ``batch_size`` samples, the last one smaller; of an empty file, one without samples."""
        return self._read(batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._read(1):
            if len(batch["metadata"]["ranges"].start):
                yield _first(batch)

    def __next__(self) -> Batch:
        if not hasattr(self, "_samples"):
            self._samples = iter(self)
        return next(self._samples)

    @classmethod
    def download_example(
        cls, output_dir: str, absolute_path: bool = False, dry_run: bool = False
    ) -> dict[str, str]:
        """Copy the packaged example for ``kipoi get-example``; give the arguments that name it."""
        folder = Path(output_dir)
        copies = {name: folder / Path(arg.example).name for name, arg in _examples(cls)}
        if not dry_run:
            folder.mkdir(parents=True, exist_ok=True)
            for name, arg in _examples(cls):
                shutil.copy(arg.example, copies[name])
        return {name: str(path.absolute() if absolute_path else path) for name, path in copies.items()}


def _examples(cls: Any) -> list[tuple[str, Any]]:
    return [(name, arg) for name, arg in cls.args.items() if isinstance(arg.example, str)]


def _first(batch: Any) -> Any:
    """The first sample of a batch, in the batch's nesting."""
    if isinstance(batch, GenomicRanges):
        return GenomicRanges.from_dict({key: values[0] for key, values in batch.items()})
    if isinstance(batch, dict):
        return {key: _first(values) for key, values in batch.items()}
    return batch[0]


def _described(cls: type[_StreamingDataloader], folder: str) -> None:
    """Describe a class to Kipoi by the dataloader.yaml of a model of the group."""
    description = kipoi.specs.DataLoaderDescription.load(str(_HERE / "group" / folder / "dataloader.yaml"))
    for name, file in {
        "vcf_file": "variants.vcf",
        "intervals_file": "intervals.bed",
        "fasta_file": "genome.fa.gz",
    }.items():
        if name in description.args:
            description.args[name].example = str(_EXAMPLE / file)
    cls._add_description_factory(description)


def _one_hot_windows(codes: npt.NDArray[np.uint8], status: list[Status]) -> npt.NDArray[np.float32]:
    """One-hot windows in Kipoi's layout, (n, 512) -> (n, 512, 4), NaN where there is no window."""
    windows = encoding.one_hot(codes).transpose(0, 2, 1)
    windows[[row for row, reason in enumerate(status) if reason is not Status.OK]] = np.nan
    return windows


def _absolute(path: str) -> str:
    """Kipoi changes folders between making a dataloader and reading from it."""
    return str(Path(path).expanduser().absolute())


def _texts(texts: Iterable[str]) -> npt.NDArray[np.object_]:
    """Text for metadata; not of fixed width, which one long allele would give to all rows."""
    return np.array(list(texts), dtype=object)


class VariantDataloader(_StreamingDataloader):
    """Reference and alternative windows of the variants of a VCF or BCF file, one sample per ALT.

    Parameters
    ----------
    vcf_file : str
        VCF (plain, gzip, bgzip) or BCF file.
    fasta_file : str
        Reference genome, plain or bgzip.
    regions_file : str, optional
        BED file; only variants that overlap its regions are scored.
    max_n_fraction : float
        Largest fraction of N in a window that is scored.
    max_mismatch_fraction : float
        Largest fraction of REF alleles that may differ from the FASTA; 1 turns the check off.
    max_unknown_share, max_mismatch_share : float, optional
        Former names of these two, accepted with a warning.
    """

    def __init__(
        self,
        vcf_file: str,
        fasta_file: str,
        regions_file: str | None = None,
        max_n_fraction: float = MAX_N_FRACTION,
        max_mismatch_fraction: float = MAX_MISMATCH_FRACTION,
        max_unknown_share: float | None = None,
        max_mismatch_share: float | None = None,
    ) -> None:
        super().__init__(_absolute(vcf_file))
        limits = {"max_n_fraction": max_n_fraction, "max_mismatch_fraction": max_mismatch_fraction}
        former = {"max_unknown_share": max_unknown_share, "max_mismatch_share": max_mismatch_share}
        limits |= current_names({name: value for name, value in former.items() if value is not None})
        self.vcf_file = self._path
        self.genome = Genome(_absolute(fasta_file))
        self.regions = Regions(_absolute(regions_file), self.genome) if regions_file else None
        self.max_n_fraction = float(limits["max_n_fraction"])
        self.max_mismatch_fraction = float(limits["max_mismatch_fraction"])

    def _batches(self, batch_size: int) -> Iterator[Batch]:
        chunks = stream_windows(
            read_variants(self.vcf_file, self.regions),
            self.genome,
            self.max_n_fraction,
            self.max_mismatch_fraction,
        )
        empty = True
        for chunk in chunks:
            for start in range(0, len(chunk), batch_size):
                yield _variant_batch(chunk[start : start + batch_size])
                empty = False
        if empty:
            yield _variant_batch(cut_windows([], self.genome))


def _variant_batch(windows: VariantWindows) -> Batch:
    variants = windows.variants
    chrom = _texts(variant.chrom for variant in variants)
    pos = np.array([variant.pos for variant in variants], dtype=np.int64)
    ids = _texts(variant.id for variant in variants)
    start = pos - 1 - VARIANT_INDEX
    return {
        "inputs": {
            "ref": _one_hot_windows(windows.ref, windows.status),
            "alt": _one_hot_windows(windows.alt, windows.status),
        },
        "metadata": {
            "ranges": _ranges(chrom, start, ids),
            "variant": {
                "chrom": chrom,
                "pos": pos,
                "id": ids,
                "ref": _texts(variant.ref for variant in variants),
                "alt": _texts(variant.alt for variant in variants),
                "status": _texts(status.value for status in windows.status),
            },
        },
    }


def _ranges(chrom: npt.NDArray[Any], start: npt.NDArray[np.int64], ids: npt.NDArray[Any]) -> GenomicRanges:
    """The windows' intervals, 0-based half-open; not cut at the start of a contig."""
    return GenomicRanges(chr=chrom, start=start, end=start + WINDOW, id=ids, strand=_texts("*" * len(chrom)))


class IntervalDataloader(_StreamingDataloader):
    """One window per interval of a BED file, its centre at index 255.

    The centre of ``[start, end)`` is base ``start + (end - start - 1) // 2``: an interval of 512 bp is
    the window itself, and the one base of an interval of 1 bp is at index 255.

    Parameters
    ----------
    intervals_file : str
        BED file of three or more columns; the fourth, where there is one, becomes the id.
    fasta_file : str
        Reference genome, plain or bgzip.
    max_n_fraction : float
        Largest fraction of N in a window that is scored.
    max_unknown_share : float, optional
        Former name of ``max_n_fraction``, accepted with a warning.
    """

    # kipoi_veff writes the windows that it wants to the file of this argument.
    postprocessing = {"variant_effects": types.SimpleNamespace(bed_input=["intervals_file"])}  # noqa: RUF012

    def __init__(
        self,
        intervals_file: str,
        fasta_file: str,
        max_n_fraction: float = MAX_N_FRACTION,
        max_unknown_share: float | None = None,
    ) -> None:
        super().__init__(_absolute(intervals_file))
        if max_unknown_share is not None:
            (max_n_fraction,) = current_names({"max_unknown_share": max_unknown_share}).values()
        self.intervals_file = self._path
        self.genome = Genome(_absolute(fasta_file))
        self.max_n_fraction = float(max_n_fraction)

    def _batches(self, batch_size: int) -> Iterator[Batch]:
        path = self.intervals_file
        intervals = on_known_contigs(read_intervals(path), self.genome, path)
        empty = True
        while (batch := list(itertools.islice(intervals, batch_size))) or empty:
            empty = False
            codes, status = cut_interval_windows(batch, self.genome, self.max_n_fraction)
            centre = np.array(
                [interval.start + (interval.end - interval.start - 1) // 2 for interval in batch],
                dtype=np.int64,
            )
            yield {
                "inputs": _one_hot_windows(codes, status),
                "metadata": {
                    "ranges": _ranges(
                        _texts(interval.chrom for interval in batch),
                        centre - VARIANT_INDEX,
                        _texts(interval.id for interval in batch),
                    ),
                    "status": _texts(reason.value for reason in status),
                },
            }


_described(VariantDataloader, "MIFM")
_described(IntervalDataloader, "MIFM/sequence")
