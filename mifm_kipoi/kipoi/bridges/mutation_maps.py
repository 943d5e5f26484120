"""Mutation maps of kipoi_veff: which windows get one, and files that are whole.

A mutation map has an effect for every substitution of one base in a window: how the score of the position
at base 255 of the window changes with it. kipoi_veff makes one for each SNV of a
VCF file, or for the windows of 512 bp that follow each other from the start of each region of a BED
file. Its maps cannot hold N, so windows with N, over a contig's end for instance, have none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.conventions import WINDOW, Status
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval, read_intervals
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.kipoi import compatibility
from mifm_kipoi.kipoi.bridges.engines import (
    BridgeError,
    DataloaderArguments,
    Reason,
    counts,
    select_snvs,
    temporary_folder,
    write_snvs,
)
from mifm_kipoi.kipoi.dataloaders import IntervalDataloader
from mifm_kipoi.sequence.windows import cut_interval_windows, stream_windows
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.text import as_unicode

REGIONS = (".vcf", ".vcf.gz", ".bed")
"""Endings of the files that say where to make maps."""

_MOST_WINDOWS = 512
"""Windows of a batch that kipoi_veff can turn into text."""


class _GivenIntervals(IntervalDataloader):
    """The dataloader, for windows that kipoi_veff takes as they are instead of asking for its own."""

    postprocessing = {}  # noqa: RUF012 - kipoi_veff reads a dict


class _SavedWhole:
    """A mutation map whose file gets its name when it is complete.

    Parameters
    ----------
    maps : kipoi_veff.MutationMapPlotter
        What kipoi_veff made of the windows.
    """

    def __init__(self, maps: Any) -> None:
        self._maps = maps

    def save_to_file(self, path: str | os.PathLike[str]) -> None:
        """Write the HDF5 file that ``plot_mutation_map`` reads."""
        writer: Any = importlib.import_module("deepdish.io.hdf5io")
        tables = _TablesInMemory(writer.tables)
        writer.tables = tables
        try:
            self._maps.save_to_file(os.fspath(path))
        finally:
            writer.tables = tables.real
        with written_whole(path) as temporary:
            temporary.write_bytes(tables.image)


class _TablesInMemory:
    """PyTables for deepdish, which writes a file into memory: HDF5 hides that a disk is full.

    Parameters
    ----------
    real : module
        PyTables.
    """

    def __init__(self, real: Any) -> None:
        self.real = real
        self.image = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @contextlib.contextmanager
    def open_file(self, path: str, mode: str) -> Iterator[Any]:
        """Open a file whose content is :attr:`image` in the end."""
        with self.real.open_file(path, mode, driver="H5FD_CORE", driver_core_backing_store=0) as file:
            yield file
            file.flush()
            self.image = file.get_file_image()


def put_in_place() -> None:
    """Stand in for what kipoi_veff's command line calls to make and to read maps, in this process."""
    import kipoi_veff.mutation_map
    import kipoi_veff.utils.generic

    engine = kipoi_veff.mutation_map._generate_mutation_map
    plot = kipoi_veff.mutation_map.MutationMapPlotter.plot_mutmap

    def make(model: Any, dataloader: Any, **options: Any) -> _SavedWhole:
        return _SavedWhole(_make(engine, model, dataloader, **options))

    def find_and_plot(maps: Any, *keys: Any, **options: Any) -> Any:
        _check_keys(maps.mutation_map, keys)
        return plot(maps, *keys, **options)

    kipoi_veff.mutation_map._generate_mutation_map = make
    kipoi_veff.mutation_map.MutationMapPlotter.plot_mutmap = find_and_plot


def prepare(command: str) -> None:
    """Mend what a command needs beyond scores.

    Parameters
    ----------
    command : str
        Of kipoi_veff.
    """
    if command != "score_variants":
        compatibility.mend_mutation_map_files()
    if command == "plot_mutation_map":
        compatibility.mend_mutation_map_plots()


def _check_keys(maps: Any, keys: Sequence[Any]) -> None:
    """Follow the entry, the input, the score and the output into the map; say which is not there."""
    names = ("--input_entry", "--model_seq_input", "--scoring_key", "--model_output")
    for name, key in zip(names, keys, strict=True):
        known = range(len(maps)) if isinstance(maps, list) else list(maps)
        if key not in known:
            shown = f"0 to {len(known) - 1}" if isinstance(known, range) else ", ".join(known)
            raise BridgeError(f"the mutation map has no {name} {key}; expected {shown}")
        maps = maps[key]


def _make(engine: Callable[..., Any], model: Any, dataloader: Any, **options: Any) -> Any:
    """Give kipoi_veff the windows that it can map, in a file of their own."""
    for to_region in ("vcf_to_region", "bed_to_region"):
        region = options.get(to_region)
        if region is not None and region.seq_length != WINDOW:
            raise BridgeError(
                f"--seq_length {region.seq_length} cannot be used: the windows of MIFM have {WINDOW} bp"
            )
    arguments = DataloaderArguments.read(options["dataloader_args"])
    genome = Genome(arguments.fasta_file)
    options["dataloader_args"] = {"fasta_file": str(genome.path)}
    options["batch_size"] = min(options["batch_size"], _MOST_WINDOWS)
    with temporary_folder() as folder:
        if options["bed_fpath"] is not None:
            dataloader = _GivenIntervals
            options["dataloader_args"]["intervals_file"] = str(folder / "windows.bed")
            _write_windows(Path(options["bed_fpath"]), genome, folder / "windows.bed")
            options |= {"bed_fpath": None, "bed_to_region": None}
        else:
            variants = Path(options["vcf_fpath"])
            options["vcf_fpath"] = str(folder / "snvs.vcf")
            _write_positions(variants, genome, folder / "snvs.vcf", arguments.max_mismatch_fraction)
        return engine(model, dataloader, **options)


def _write_windows(bed: Path, genome: Genome, path: Path) -> None:
    """Write the windows of a BED file's regions that can be mapped."""
    tiles = [
        Interval(region.chrom, start, start + WINDOW, region.id)
        for region in read_intervals(bed)
        for start in range(region.start, region.end, WINDOW)
    ]
    _, status = cut_interval_windows(tiles, genome, max_n_fraction=0.0)
    mapped = [tile for tile, reason in zip(tiles, status, strict=True) if reason is Status.OK]
    _report([f"{tile.chrom}:{tile.start + 1}-{tile.end}" for tile in mapped], status)
    lines = (f"{tile.chrom}\t{tile.start}\t{tile.end}\t{as_unicode(tile.id)}\n" for tile in mapped)
    path.write_text("".join(lines))


def _write_positions(vcf: Path, genome: Genome, path: Path, max_mismatch_fraction: float) -> None:
    """Write the SNVs of a VCF file that can be mapped, the ALTs of a position in one record."""
    chunks = stream_windows(read_variants(vcf), genome, 0.0, max_mismatch_fraction)
    selected = list(select_snvs(chunks))
    mapped = []
    for _, alleles in itertools.groupby(
        (variant for variant, reason in selected if reason is Status.OK),
        key=lambda variant: (variant.chrom, variant.pos, variant.ref),
    ):
        first, *others = alleles
        alts = dict.fromkeys([first.alt, *(other.alt for other in others)])
        mapped.append(dataclasses.replace(first, alt=",".join(alts)))
    shown = [f"{variant.chrom}:{variant.pos} {variant.ref}>{variant.alt}" for variant in mapped]
    _report(shown, [reason for _, reason in selected])
    write_snvs(((variant, Status.OK) for variant in mapped), genome, path)


def _report(mapped: Sequence[str], reasons: Sequence[Reason]) -> None:
    """Say which entries the map will have, and for which reasons it lacks others.

    Raises
    ------
    BridgeError
        When it would have none.
    """
    rest = counts(reasons)
    if not mapped:
        raise BridgeError(f"nothing can be mapped: {rest or 'the file is empty'}; expected windows without N")
    lines = [f"entry {number}: {name}" for number, name in enumerate(mapped)]
    print(*lines, *([f"not mapped: {rest}"] if rest else []), sep="\n", file=sys.stderr)  # noqa: T201
