"""A table of credible sets on simulated sequence: a rehearsal of training at its scale, without a genome.

Positions are moved together, so that the sequence stays small: bases that no variant has are left out where
they are many. Within a block, and where blocks overlap, up to :data:`WITHIN_BP` of them stay between two
variants, so that windows overlap as they do in the table and nowhere else; between blocks up to
:data:`BETWEEN_BP`. Contigs keep their names, by which splits are made; but for the positions the table stays
as it is.

The sequence is of random bases, in which one allele of each variant stands at its position: the other allele,
or the effect allele where the variants beside it leave no room for the other one. Common variants, from which
negatives are made, are drawn at the density of 1000 Genomes. Nothing can be learnt from such sequence, and a
verdict has to say so.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.associations import AssociationRows
from mifm_kipoi.genetics.study_traits import COLUMNS as META_COLUMNS
from mifm_kipoi.genomics.identifiers import expression
from mifm_kipoi.genomics.tables import Batch
from mifm_kipoi.sequence.encoding import BASES
from mifm_kipoi.support.configuration import to_plain
from mifm_kipoi.support.files import made_folder, sha256_of, written_whole
from mifm_kipoi.version import __version__
from training.data.credible_sets import CredibleSetsConfig

GENOME, TABLE, META, VARIANTS, RECIPE, REPORT = (
    "genome.fa", "credible_sets.tsv.gz", "meta.txt", "variants.vcf.gz", "recipe.yaml", "placed.json",
)  # fmt: skip

WITHIN_BP = 2_000
"""Bases between two neighbouring variants of a block, at most: more than any window reaches."""

BETWEEN_BP = 50_000
"""Bases between blocks, at most: room for negative bags outside of blocks and their margins of 10 kb."""

COMMON_PER_BP = 4_526 / 1_000_000
"""SNVs of a minor allele frequency of 1 % and more per base: those of 1000 Genomes in 1 to 2 Mb of chromosome
20 of GRCh37."""

_SAMPLE_SIZE = 100_000
"""Of a study of which no row has both a standard error and a frequency."""

_LINE_BP = 80
_UNKNOWN = 4
_VARIANT = ["chrom", "pos", "first", "second"]
_LETTERS = np.frombuffer(BASES.encode(), dtype=np.uint8)
_NUMBER_OF = {base: number for number, base in enumerate(BASES)}

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ContigMap:
    """Where the positions of a contig are moved to.

    Parameters
    ----------
    old, new : numpy.ndarray of int64, shape (n,)
        Positions, 1-based and rising, before and after; between two of them positions are interpolated.
    length : int
        Of the contig that is made, in bp.
    """

    old: Integers
    new: Integers
    length: int

    def moved(self, pos: Integers) -> Integers:
        """Positions after the move, 1-based; those beyond all variants come to the outermost one."""
        moved: Integers = np.rint(np.interp(pos, self.old, self.new)).astype(np.int64)
        return moved


def contig_map(variants: pd.DataFrame, blocks: pd.DataFrame) -> ContigMap:
    """How the positions of one contig are moved together.

    Parameters
    ----------
    variants : pandas.DataFrame
        ``start`` and ``end`` of the bases of each variant, 1-based inclusive; one row or more.
    blocks : pandas.DataFrame
        ``start`` and ``end`` of each block: its first and its last variant's.
    """
    order = np.argsort(variants["start"].to_numpy(), kind="stable")
    start = variants["start"].to_numpy(np.int64)[order]
    reached = np.maximum.accumulate(variants["end"].to_numpy(np.int64)[order])
    begins = np.flatnonzero(np.r_[True, start[1:] > reached[:-1]])
    first, last = start[begins], reached[np.r_[begins[1:], len(start)] - 1]
    gap = first[1:] - last[:-1] - 1
    begun = np.searchsorted(np.sort(blocks["start"].to_numpy()), last[:-1], side="right")
    ended = np.searchsorted(np.sort(blocks["end"].to_numpy()), first[1:], side="left")
    kept = np.minimum(gap, np.where(begun > ended, WITHIN_BP, BETWEEN_BP))
    width = last - first
    new_first = BETWEEN_BP + 1 + np.r_[0, np.cumsum(width[:-1] + kept + 1)]
    old = np.stack([first, last], axis=1).ravel()
    new = np.stack([new_first, new_first + width], axis=1).ravel()
    # A variant of one base is a single knot.
    different = np.r_[True, np.diff(old) > 0]
    return ContigMap(old[different], new[different], int(new[-1]) + BETWEEN_BP)


def place_alleles(variants: pd.DataFrame, length: int) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """Bases of a contig at which one allele of each variant stands, as far as they do not exclude each other.

    Parameters
    ----------
    variants : pandas.DataFrame
        ``pos`` (1-based), and the alleles ``other_allele`` and ``effect_allele``; each variant once.
    length : int
        Of the contig, in bp.

    Returns
    -------
    bases : numpy.ndarray of uint8, shape (length,)
        Indices of :data:`mifm_kipoi.sequence.encoding.BASES`; 4 where no variant decides.
    placed : numpy.ndarray of bool, shape (n,)
        Whether an allele of the variant stands at its position.
    """
    bases = np.full(length, _UNKNOWN, dtype=np.uint8)
    placed = np.zeros(len(variants), dtype=bool)
    other, effect = variants["other_allele"].to_numpy(object), variants["effect_allele"].to_numpy(object)
    pos = variants["pos"].to_numpy(np.int64)
    # Of several substitutions of one base, the allele that they have in common is the reference.
    alleles = pd.DataFrame({"pos": np.r_[pos, pos], "allele": np.r_[other, effect]})
    times = alleles.groupby(["pos", "allele"])["pos"].transform("size").to_numpy()
    common = times[len(pos) :] > times[: len(pos)]
    lengths = np.array([len(one) for one in other])
    # Long alleles first: they fix bases that variants inside them have to fit.
    for row in np.argsort(-lengths, kind="stable"):
        alternatives = [other[row], effect[row]]
        if common[row] and lengths[row] == len(effect[row]) == 1:
            alternatives.reverse()
        for allele in alternatives:
            codes = np.array([_NUMBER_OF[base] for base in allele], dtype=np.uint8)
            there = bases[pos[row] - 1 : pos[row] - 1 + len(codes)]
            if ((there == codes) | (there == _UNKNOWN)).all():
                there[:] = codes
                placed[row] = True
                break
    return bases, placed


@dataclasses.dataclass(frozen=True)
class Placed:
    """What was made.

    Parameters
    ----------
    rows : int
        Of the table, refused ones included.
    variants : int
        Different variants (contig, position, pair of alleles) of the rows that can be read.
    without_reference : int
        Those of which neither allele stands at its position, since variants there exclude each other.
    blocks, contigs : int
        Of the rows that can be read.
    bases : int
        Of the sequence.
    common_variants : int
        In the VCF file.
    studies : int
        In the table of studies that was made; 0 where the recipe names one, or the kind of trait.
    """

    rows: int
    variants: int
    without_reference: int
    blocks: int
    contigs: int
    bases: int
    common_variants: int
    studies: int

    def in_words(self, folder: Path) -> str:
        """The result as a message."""
        lines = [
            f"{self.rows:,} rows of {self.variants:,} variants in {self.blocks:,} blocks, on "
            f"{self.bases / 1e6:.1f} Mb of random bases in {self.contigs} contigs, with "
            f"{self.common_variants:,} common SNVs between them"
        ]
        if self.without_reference:
            lines += [
                f"{self.without_reference:,} variants have neither allele in the sequence, since others at "
                "their position exclude it: the data set refuses them as ref_mismatch"
            ]
        if self.studies:
            lines += [
                f"{folder / META} is made up: {self.studies} studies of cases and as many controls, of the "
                f"size that their standard errors imply, or of {_SAMPLE_SIZE:,} people"
            ]
        lines += [f"python -m training run --config default {folder / RECIPE} --out DIR"]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Placement:
    """Place a table of credible sets on simulated sequence.

    Parameters
    ----------
    credible_sets : CredibleSetsConfig
        The table, as a recipe for training names it.
    out : Path
        Folder, made where missing: the sequence, the table with its new positions, common variants, a recipe
        that names these, and, where the table says its studies and the recipe neither ``meta`` nor ``trait``,
        a table of studies.
    seed : int
        Of the bases and the common variants.
    """

    credible_sets: CredibleSetsConfig
    out: Path
    seed: int = 1

    def run(self, on_progress: Callable[[str], None] | None = None) -> Placed:
        """Write all files.

        Parameters
        ----------
        on_progress : callable, optional
            Called with the name of each file before it is written.

        Raises
        ------
        OptionError
            When the table is to be lifted over: the sequence has no genome build.
        InputError
            When the table cannot be read or no row of it can be used.
        """
        if self.credible_sets.lift_over:
            raise OptionError("lift_over is set, and simulated sequence has no genome build; leave it out")
        say = on_progress or log.info
        folder = made_folder(self.out)
        variants, blocks, studies = self._read()
        maps = {
            str(chrom): contig_map(of_contig, blocks[blocks["chrom"] == chrom])
            for chrom, of_contig in variants.groupby("chrom", sort=False)
        }
        say(f"{GENOME} and {VARIANTS}")
        without, common = self._write_sequence(folder, variants, maps)
        say(TABLE)
        rows = self._write_table(folder / TABLE, maps)
        config = dataclasses.replace(self.credible_sets, path=str((folder / TABLE).absolute()))
        made_up = 0
        if not config.meta and not config.trait and "study" in config.named():
            say(META)
            made_up = _write_meta(folder / META, studies)
            config = dataclasses.replace(config, meta=str((folder / META).absolute()))
        elif config.meta:
            config = dataclasses.replace(config, meta=str(Path(config.meta).absolute()))
        placed = Placed(
            rows, len(variants), without, len(blocks), len(maps),
            sum(one.length for one in maps.values()), common, made_up,
        )  # fmt: skip
        self._write_recipe(folder, config)
        self._write_report(folder, placed)
        return placed

    def _batches(self) -> Iterator[AssociationRows]:
        """The rows with all columns of the table."""
        table = self.credible_sets.table()
        yield from table.batches(extra=table.file.columns, may_lack_p_value=True, others=True)

    def _read(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """The different variants, the blocks, and what is known of the sizes of studies."""
        named = self.credible_sets.named()
        absent = [name for field in ("block", "study") for name in named.get(field, ())]
        absent = [name for name in absent if name not in self.credible_sets.table().file.columns]
        if absent:
            raise InputError(
                f"{self.credible_sets.path} has no column {', '.join(absent)}; name its columns in "
                "data.credible_sets.columns of a recipe"
            )
        variants, blocks, studies = [], [], []
        for rows in self._batches():
            table = pd.DataFrame(
                {
                    "chrom": rows.chrom, "pos": rows.pos, "other_allele": rows.other_allele,
                    "effect_allele": rows.effect_allele, "block": _joined(rows.batch, named["block"]),
                    "study": _joined(rows.batch, named["study"]) if "study" in named else "",
                    "size": _implied_size(rows),
                }
            )[rows.reason == ""].dropna(subset=["block", "study"])  # fmt: skip
            swapped = table["effect_allele"] < table["other_allele"]
            table["first"] = table["effect_allele"].where(swapped, table["other_allele"])
            table["second"] = table["other_allele"].where(swapped, table["effect_allele"])
            blocks.append(table.groupby(["chrom", "block"])["pos"].agg(["min", "max"]).reset_index())
            variants.append(table.drop_duplicates(_VARIANT)[[*_VARIANT, "other_allele", "effect_allele"]])
            studies.append(table[["study", "size"]])
        every = pd.concat(variants).drop_duplicates(_VARIANT, ignore_index=True)
        if every.empty:
            raise InputError(f"{self.credible_sets.path} has no row that can be used")
        longest = np.maximum(every["other_allele"].str.len(), every["effect_allele"].str.len())
        extents = pd.concat(blocks).groupby(["chrom", "block"], as_index=False)
        return (
            every.assign(start=every["pos"], end=every["pos"] + longest - 1),
            extents.agg(start=("min", "min"), end=("max", "max")),
            pd.concat(studies).groupby("study", sort=False)["size"].median().reset_index(),
        )

    def _write_sequence(
        self, folder: Path, variants: pd.DataFrame, maps: dict[str, ContigMap]
    ) -> tuple[int, int]:
        """Write the FASTA and the VCF; the variants without a reference allele, and the common ones."""
        generator = np.random.default_rng([self.seed, 1])
        without = common = 0
        with (
            written_whole(folder / GENOME) as fasta,
            written_whole(folder / VARIANTS) as vcf,
            fasta.open("w") as sequence,
            gzip.GzipFile(vcf, "wb", compresslevel=4, mtime=0) as compressed,
        ):
            compressed.write(_vcf_header(maps).encode())
            for chrom, of_contig in variants.groupby("chrom", sort=False):
                contig = str(chrom)
                placing = maps[contig]
                moved = placing.moved(of_contig["pos"].to_numpy(np.int64))
                bases, placed = place_alleles(of_contig.assign(pos=moved), placing.length)
                without += int((~placed).sum())
                free = bases == _UNKNOWN
                bases[free] = generator.integers(0, 4, int(free.sum()), dtype=np.uint8)
                positions = np.unique(
                    generator.integers(0, placing.length, round(placing.length * COMMON_PER_BP))
                )
                # What a variant of the table may have as its alleles is left to it, be it REF or not.
                taken = np.zeros(placing.length + 1, dtype=np.int64)
                ends = moved + (of_contig["end"] - of_contig["start"]).to_numpy()
                np.add.at(taken, moved - 1, 1)
                np.add.at(taken, np.minimum(ends, placing.length), -1)
                positions = positions[np.cumsum(taken)[positions] == 0]
                common += len(positions)
                _write_contig(sequence, contig, bases)
                compressed.write(_vcf_lines(contig, positions, bases, generator).encode())
        Path(f"{folder / GENOME}.fai").unlink(missing_ok=True)
        return without, common

    def _write_table(self, path: Path, maps: dict[str, ContigMap]) -> int:
        """Write the table with its new positions; the number of its rows."""
        columns = self.credible_sets.table().file.columns
        layout = self.credible_sets.table().layout.columns
        in_identifier = "variant" in layout and "{pos}" in self.credible_sets.variant
        rows = 0
        with (
            written_whole(path) as temporary,
            gzip.GzipFile(temporary, "wb", compresslevel=4, mtime=0) as file,
        ):
            file.write(("\t".join(columns) + "\n").encode())
            for batch in self._batches():
                moved = np.array(batch.pos)
                for chrom in pd.unique(batch.chrom):
                    if chrom in maps:
                        moved[batch.chrom == chrom] = maps[chrom].moved(batch.pos[batch.chrom == chrom])
                texts = {name: batch.batch.text(name).to_pylist() for name in columns}
                if "pos" in layout:
                    texts[layout["pos"]] = _replaced(texts[layout["pos"]], batch.pos, moved)
                if in_identifier:
                    name = layout["variant"]
                    moving = functools.partial(_moved_identifier, expression(self.credible_sets.variant))
                    texts[name] = list(map(moving, texts[name], batch.pos.tolist(), moved.tolist()))
                lines = map("\t".join, zip(*(texts[name] for name in columns), strict=True))
                file.write("".join(f"{line}\n" for line in lines).encode())
                rows += len(batch)
        return rows

    def _write_recipe(self, folder: Path, config: CredibleSetsConfig) -> None:
        defaults = to_plain(CredibleSetsConfig(path=""))
        named = {key: value for key, value in to_plain(config).items() if value != defaults[key]}
        recipe = {
            "fasta": str((folder / GENOME).absolute()),
            "data": {
                "credible_sets": named,
                "negatives": {"vcf": [str((folder / VARIANTS).absolute())], "frequency": "AF"},
            },
            "export": {"name": "mifm-placed", "licence": "for tests only"},
        }
        with written_whole(folder / RECIPE) as path:
            path.write_text(
                f"# {Path(self.credible_sets.path).name} on simulated sequence: nothing can be learnt from "
                f"it.\n{yaml.safe_dump(recipe, sort_keys=False)}"
            )

    def _write_report(self, folder: Path, placed: Placed) -> None:
        facts = {
            "mifm_kipoi": __version__,
            "table": {
                "name": Path(self.credible_sets.path).name,
                "sha256": sha256_of(self.credible_sets.path),
            },
            "seed": self.seed,
            "within_bp": WITHIN_BP,
            "between_bp": BETWEEN_BP,
            **dataclasses.asdict(placed),
        }
        with written_whole(folder / REPORT) as path:
            path.write_text(json.dumps(facts, indent=1) + "\n")


def _joined(batch: Batch, names: tuple[str, ...]) -> pd.Series[str]:
    """The text of columns, joined by colons as in a data set; missing where one of them is."""
    parts = [batch.optional_text(name).to_pandas().astype("str") for name in names]
    return functools.reduce(lambda left, right: left + ":" + right, parts)


def _implied_size(rows: AssociationRows) -> npt.NDArray[np.float64]:
    """The size of a study of as many cases as controls of which a log odds ratio has such an error.

    From V = 1 / (2 n phi (1 - phi) f (1 - f)) with phi = 1/2; NaN without error and frequency.
    """
    heterozygous = rows.frequency * (1 - rows.frequency)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = 2 / (rows.standard_error**2 * heterozygous)
    return np.where(np.isfinite(size), size, np.nan)


def _replaced(texts: list[str], old: Integers, new: Integers) -> list[str]:
    """Positions as text; what cannot be read as one stays as it is."""
    return [
        str(after) if before > 0 else text
        for text, before, after in zip(texts, old.tolist(), new.tolist(), strict=True)
    ]


def _moved_identifier(pattern: str, text: str, old: int, new: int) -> str:
    """An identifier with its new position; one that does not hold the old one stays as it is."""
    match = re.match(pattern, text)
    if match is None or int(match["pos"]) != old:
        return text
    return f"{text[: match.start('pos')]}{new}{text[match.end('pos') :]}"


def _write_meta(path: Path, studies: pd.DataFrame) -> int:
    """Write studies of cases and as many controls, in CAUSALdb's columns; how many they are."""
    cases = studies["size"].fillna(_SAMPLE_SIZE).div(2).round().astype(np.int64).clip(lower=1)
    table = pd.DataFrame(
        {"meta_id": studies["study"], "sample_size": 2 * cases, "n_case": cases, "n_control": cases}
    )
    with written_whole(path) as temporary:
        table[list(META_COLUMNS)].to_csv(temporary, sep="\t", index=False)
    return len(table)


def _write_contig(file: TextIO, name: str, bases: Codes) -> None:
    letters = _LETTERS[bases]
    whole = len(letters) // _LINE_BP * _LINE_BP
    lines = np.full((whole // _LINE_BP, _LINE_BP + 1), ord("\n"), dtype=np.uint8)
    lines[:, :-1] = letters[:whole].reshape(-1, _LINE_BP)
    file.write(f">{name}\n{lines.tobytes().decode()}")
    if whole < len(letters):
        file.write(letters[whole:].tobytes().decode() + "\n")


def _vcf_header(maps: dict[str, ContigMap]) -> str:
    lines = ["##fileformat=VCFv4.2"]
    lines += [f"##contig=<ID={name},length={one.length}>" for name, one in maps.items()]
    lines += ['##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency of ALT, drawn at random">']
    return "\n".join([*lines, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]) + "\n"


def _vcf_lines(chrom: str, positions: Integers, bases: Codes, generator: np.random.Generator) -> str:
    """Records of SNVs, of which the logarithm of the minor allele frequency is uniform from 1 to 50 %."""
    ref = bases[positions]
    alt = (ref + generator.integers(1, 4, len(ref), dtype=np.uint8)) % 4
    minor = np.exp(generator.uniform(np.log(0.01), np.log(0.5), len(ref)))
    frequency = np.where(generator.random(len(ref)) < 0.5, minor, 1 - minor)
    records: list[tuple[Any, ...]] = list(
        zip((positions + 1).tolist(), ref.tolist(), alt.tolist(), frequency.tolist(), strict=True)
    )
    return "".join(
        f"{chrom}\t{pos}\t.\t{BASES[before]}\t{BASES[after]}\t.\tPASS\tAF={af:.4f}\n"
        for pos, before, after, af in records
    )
