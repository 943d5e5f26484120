"""The results of fine-mapping as other programs read them: PolyFun, susieR, FINEMAP, tables, training.

All lie in the folder ``exports`` of a run:

- ``polyfun/STUDY.snpvar.gz``: summary statistics with the column ``SNPVAR``, which PolyFun's
  ``finemapper.py`` takes as prior causal probabilities. It is the prior over that of a flat one, so that it
  means the same in every locus; it is not a heritability;
- ``susier/STUDY.prior_weights.tsv.gz``: the variants of each locus in their order, with z and
  ``prior_weights`` as ``susie_rss`` takes them;
- ``finemap/STUDY.LOCUS.z``: a locus each, with the column ``prob`` that ``--prior-snps`` reads, and
  ``finemap/STUDY.master``;
- ``credible_sets.tsv.gz``: one row a variant of a credible set, under the column names of the GWAS Catalog;
- ``training/credible_sets.tsv.gz`` and ``training/data.yaml``: what ``python -m training data`` reads. These
  are the sets of the **flat** prior: sets that scores have shaped would teach a network its own opinion.
"""

from __future__ import annotations

import collections
import dataclasses
import gzip
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.finemapping.records import FLAT, SCORE, LocusResult, Tables, loci_of, read_tables
from mifm_kipoi.genetics.gwas_ssf import CHROMOSOME_NUMBERS
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.variants import MISSING
from mifm_kipoi.support.files import made_folder, workspace, writing

FOLDER = "exports"
"""The folder of all exports, within that of the run."""

POLYFUN, SUSIER, FINEMAP, SETS, TRAINING = (
    "polyfun", "susier", "finemap", "credible_sets.tsv.gz", "training",
)  # fmt: skip

TRAINING_TABLE, TRAINING_CONFIGURATION = "credible_sets.tsv.gz", "data.yaml"

POLYFUN_COLUMNS = ("CHR", "SNP", "BP", "A1", "A2", "SNPVAR", "MAF", "N", "Z", "P")
"""Columns of PolyFun's summary statistics with priors; ``A1`` is the effect allele."""

FINEMAP_COLUMNS = ("rsid", "chromosome", "position", "allele1", "allele2", "maf", "beta", "se", "prob")
"""Columns of FINEMAP's ``.z``; effects are of ``allele1``."""

SET_COLUMNS = (
    "study", "locus", "credible_set", "chromosome", "base_pair_location", "effect_allele", "other_allele",
    "beta", "standard_error", "effect_allele_frequency", "p_value", "neg_log_10_p_value", "variant_id", "n",
    "pip", "pip_flat_prior", "prior", "credible_set_size", "credible_set_coverage", "credible_set_log10_bf",
    "credible_set_min_abs_corr",
)  # fmt: skip
"""Columns of :data:`SETS`: those of GWAS-SSF have its names."""

TRAINING_COLUMNS = {
    "chrom": "chrom", "pos": "pos", "id": "id", "effect_allele": "effect_allele",
    "other_allele": "other_allele", "beta": "beta", "standard_error": "standard_error", "z": "z",
    "neg_log_10_p_value": "neg_log10_p", "maf": "maf", "sample_size": "n", "pip": "pip", "study": "study",
    "block": "block", "primary": "primary",
}  # fmt: skip
"""Fields of ``data.credible_sets.columns``, and the columns of the table."""

_MASTER = ("z", "ld", "snp", "config", "cred", "log")
"""Files of a locus that FINEMAP's master file names: its input, and its outputs."""

_NO_FREQUENCY = 0.05
"""Stands in for an unknown minor allele frequency in FINEMAP's files, where effects are z-scores: it is not
used with ``--std-effects``, but the column must have a number."""

_NO_NUMBER = "chromosomes that are not 1 to 22, X or Y are not in PolyFun's files: variants"
_OVERLAP = (
    "loci of a study overlap, and PolyFun refuses a variant twice, so that its files have the prior of the "
    "first of them: variants left out of the others"
)
_NO_EFFECT = (
    "FINEMAP's files have z-scores in place of effects, and 0.05 in place of frequencies, where a locus "
    "lacks them (run it with --std-effects): loci"
)
"""Notes on what is not in files, before a count."""

_ROWS = 50_000
"""Rows of variants that are written together."""

_DIGITS = "%.7g"

_LONGEST_NAME = 80


@dataclasses.dataclass(frozen=True)
class Exports:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
        In the folder of the run.
    notes : tuple of str
        What is not in a file and why, each without its full stop.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_exports(folder: Path, on_progress: Callable[[int, float], None] | None = None) -> Exports:
    """Write the exports of a run, whose tables are complete; they replace those of an earlier run.

    Loci are read one after the other, so that memory does not grow with them.

    Parameters
    ----------
    folder : Path
        What ``mifm finemap`` wrote.
    on_progress : callable, optional
        Receives the loci that are done, and their fraction of all.

    Raises
    ------
    InputError
        When a table is missing or cannot be read.
    OutputError
        When a file cannot be written.
    """
    tables = read_tables(folder)
    final = folder / FOLDER
    with workspace(final) as temporary, writing(final):
        made = temporary / FOLDER
        writer = _Writer(made, tables)
        for number, locus in enumerate(loci_of(folder), start=1):
            if locus.is_fine_mapped:
                writer.add(locus)
            if on_progress:
                on_progress(number, number / len(tables.loci))
        names = writer.finish()
        if final.exists():
            final.rename(temporary / "replaced")
        made.rename(final)
    return Exports(tuple(final / name for name in names), tuple(writer.notes()))


class _Batch:
    """Loci that are written together, since a table of a few rows takes as long as one of thousands."""

    def __init__(self, loci: Sequence[LocusResult]) -> None:
        self.loci = loci
        self.variants = pd.concat([locus.variants for locus in loci], ignore_index=True)
        self.sets = pd.concat([locus.sets for locus in loci], ignore_index=True)
        sizes = np.array([len(locus.variants) for locus in loci], dtype=np.int64)
        self.ends = np.cumsum(sizes)
        self.starts = self.ends - sizes
        self.locus = np.repeat(np.arange(len(loci)), sizes)
        self.sizes = sizes[self.locus]
        frequency = self.variants["frequency"].to_numpy(np.float64)
        self.maf = np.minimum(frequency, 1 - frequency)
        parts = [self.variants[name].astype(str) for name in ("chrom", "pos", "ref", "alt")]
        self.keys = parts[0] + ":" + parts[1] + ":" + parts[2] + ":" + parts[3]
        self.ids = self._ids()

    def _ids(self) -> pd.Series[str]:
        """Names without blanks, at which programs part columns; ``chrom:pos:ref:alt`` where unknown."""
        variants = self.variants
        names = variants["id"].str.replace(r"\s+", "_", regex=True)
        twice = pd.DataFrame({"locus": self.locus, "name": names}).duplicated(keep=False)
        return names.where((names != MISSING) & (names != "") & ~twice, self.keys)

    def any_of_locus(self, flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Of each locus, whether it has a variant with a flag: shape (loci,)."""
        return np.logical_or.reduceat(flags, self.starts)

    def of_sets(self, prior: str) -> tuple[npt.NDArray[np.int64], pd.DataFrame]:
        """Variants of the sets of a prior, and their sets, row by row; a variant of two sets has two rows.

        Parameters
        ----------
        prior : str
            Of the sets.
        """
        sets = self.sets[self.sets["prior"] == prior]
        members = sets.assign(member=sets["members"].str.split(",")).explode("member")
        names = ["study", "locus"]
        rows = self.variants[names].assign(member=self.keys, row=np.arange(len(self.variants)))
        found = members.merge(rows, on=[*names, "member"], how="inner").sort_values("row", kind="stable")
        return found["row"].to_numpy(np.int64), found.reset_index(drop=True)


class _Writer:
    """Files that grow by some loci at a time."""

    def __init__(self, folder: Path, tables: Tables) -> None:
        self._folder = folder
        for name in (POLYFUN, SUSIER, FINEMAP, TRAINING):
            made_folder(folder / name)
        self._begun: dict[str, None] = {}
        self._names = _Names()
        self._overlaps = _Overlaps()
        self._without: collections.Counter[str] = collections.Counter()
        self._masters: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
        self._scored = bool((tables.sets["prior"] == SCORE).any())
        self._waiting: list[LocusResult] = []
        self._rows = 0

    def add(self, locus: LocusResult) -> None:
        """Write what there is of a locus, together with others."""
        self._waiting.append(locus)
        self._rows += len(locus.variants)
        if self._rows >= _ROWS:
            self._write()

    def _write(self) -> None:
        """Write the loci that wait."""
        if not self._waiting:
            return
        batch = _Batch(self._waiting)
        self._waiting, self._rows = [], 0
        variants = batch.variants
        for study, rows in variants.groupby("study", sort=False).indices.items():
            name = self._names.of("", str(study))
            own = variants.iloc[rows]
            weights = own[["locus", "chrom", "pos", "id", "ref", "alt", "z"]].assign(
                n=own["sample_size"], prior_weights=own["prior"]
            )
            self._append(f"{SUSIER}/{name}.prior_weights.tsv.gz", weights)
        self._polyfun(batch)
        self._finemap(batch)
        self._sets(batch)
        self._training(batch)

    def _polyfun(self, batch: _Batch) -> None:
        variants = batch.variants
        numbers = variants["chrom"].map(
            {each: _chromosome_number(each) for each in variants["chrom"].unique()}
        )
        table = pd.DataFrame(
            {
                "CHR": numbers, "SNP": batch.ids, "BP": variants["pos"], "A1": variants["alt"],
                "A2": variants["ref"], "SNPVAR": variants["prior"] * batch.sizes, "MAF": batch.maf,
                "N": variants["sample_size"], "Z": variants["z"], "P": variants["p_value"],
            }
        )[list(POLYFUN_COLUMNS)]  # fmt: skip
        numbered = (numbers != "").to_numpy()
        new = self._overlaps.new(batch)
        for words, flags in ((_NO_NUMBER, ~numbered), (_OVERLAP, numbered & ~new)):
            if flags.any():
                self._without[words] += int(flags.sum())
        kept = table[numbered & new]
        studies = variants["study"][kept.index].to_numpy()
        for study, rows in kept.groupby(studies, sort=False).indices.items():
            self._append(f"{POLYFUN}/{self._names.of('', str(study))}.snpvar.gz", kept.iloc[rows])

    def _finemap(self, batch: _Batch) -> None:
        variants = batch.variants
        beta, error = (variants[name].to_numpy(np.float64) for name in ("beta", "standard_error"))
        known = np.isfinite(batch.maf) & np.isfinite(beta) & (error > 0)
        lacking = batch.any_of_locus(~known)
        if lacking.any():
            self._without[_NO_EFFECT] += int(lacking.sum())
        of_z = lacking[batch.locus]
        table = pd.DataFrame(
            {
                "rsid": batch.ids, "chromosome": variants["chrom"], "position": variants["pos"],
                "allele1": variants["alt"], "allele2": variants["ref"],
                "maf": np.where(of_z, _NO_FREQUENCY, batch.maf), "beta": np.where(of_z, variants["z"], beta),
                "se": np.where(of_z, 1.0, error), "prob": variants["prior"],
            }
        )[list(FINEMAP_COLUMNS)]  # fmt: skip
        header, *lines = _text(table, " ").splitlines(keepends=True)
        for locus, start, end in zip(batch.loci, batch.starts, batch.ends, strict=True):
            study = self._names.of("", locus.study)
            stem = self._names.of(study, f"{study}.{locus.locus}")
            name = f"{FINEMAP}/{stem}.z"
            (self._folder / name).write_text(header + "".join(lines[start:end]))
            self._begun[name] = None
            size = float(str(locus.record["n"]))
            if np.isfinite(size):
                self._masters[study].append((stem, f"{size:.0f}"))

    def _sets(self, batch: _Batch) -> None:
        rows, sets = batch.of_sets(SCORE if self._scored else FLAT)
        chosen = batch.variants.iloc[rows].reset_index(drop=True)
        table = pd.DataFrame(
            {
                "study": chosen["study"], "locus": chosen["locus"], "credible_set": sets["set"],
                "chromosome": chosen["chrom"].replace(dict(CHROMOSOME_NUMBERS)),
                "base_pair_location": chosen["pos"], "effect_allele": chosen["alt"],
                "other_allele": chosen["ref"], "beta": chosen["beta"],
                "standard_error": chosen["standard_error"], "effect_allele_frequency": chosen["frequency"],
                "p_value": chosen["p_value"], "neg_log_10_p_value": chosen["neg_log10_p"],
                "variant_id": batch.ids.iloc[rows].to_numpy(), "n": chosen["sample_size"],
                "pip": chosen["pip"], "pip_flat_prior": chosen["pip_flat"], "prior": chosen["prior"],
                "credible_set_size": sets["size"], "credible_set_coverage": sets["coverage"],
                "credible_set_log10_bf": sets["log10_bf"], "credible_set_min_abs_corr": sets["min_abs_corr"],
            }
        )[list(SET_COLUMNS)]  # fmt: skip
        order = np.lexsort((-table["pip"], table["credible_set"], batch.locus[rows]))
        self._append(SETS, table.iloc[order])

    def _training(self, batch: _Batch) -> None:
        """The sets of the flat prior; the signal of most evidence is the primary one of its block."""
        rows, sets = batch.of_sets(FLAT)
        flat = batch.sets[batch.sets["prior"] == FLAT]
        ranks = flat.groupby(["study", "locus"])["log10_bf"].rank(method="first", ascending=False)
        ranked = flat[["study", "locus", "set"]].assign(rank=ranks.fillna(1).astype(int))
        rank = sets.merge(ranked, on=["study", "locus", "set"], how="left")["rank"].to_numpy(np.int64)
        chosen = batch.variants.iloc[rows].reset_index(drop=True)
        block = chosen["locus"]
        # A third signal is not the second one: each has a block of its own.
        block = block.where(rank <= 2, block + ":signal " + pd.Series(rank, index=block.index).astype(str))
        table = pd.DataFrame(
            {
                "study": chosen["study"], "block": block, "primary": (rank == 1).astype(int),
                "chrom": chosen["chrom"], "pos": chosen["pos"], "id": chosen["id"],
                "effect_allele": chosen["alt"], "other_allele": chosen["ref"], "beta": chosen["beta"],
                "standard_error": chosen["standard_error"], "z": chosen["z"],
                "neg_log10_p": chosen["neg_log10_p"], "maf": batch.maf[rows], "n": chosen["sample_size"],
                "pip": chosen["pip_flat"],
            }
        )  # fmt: skip
        self._append(f"{TRAINING}/{TRAINING_TABLE}", table.iloc[np.lexsort((rank, batch.locus[rows]))])

    def finish(self) -> list[str]:
        """Write what waits and what is known at the end; the names of all files."""
        self._write()
        for study, loci in self._masters.items():
            lines = [";".join([*_MASTER, "n_samples"])]
            lines += [";".join([*(f"{stem}.{end}" for end in _MASTER), size]) for stem, size in loci]
            name = f"{FINEMAP}/{study}.master"
            (self._folder / name).write_text("\n".join(lines) + "\n")
            self._begun[name] = None
        if f"{TRAINING}/{TRAINING_TABLE}" in self._begun:
            name = f"{TRAINING}/{TRAINING_CONFIGURATION}"
            (self._folder / name).write_text(_configuration())
            self._begun[name] = None
        return list(self._begun)

    def notes(self) -> Iterable[str]:
        """What is not in a file, with how much of it."""
        kinds = (_NO_NUMBER, _OVERLAP, _NO_EFFECT)
        return (f"{what}: {self._without[what]:,}" for what in kinds if self._without[what])

    def _append(self, name: str, table: pd.DataFrame) -> None:
        """Rows behind those that a file has; a member of its own, so that no file stays open."""
        if not len(table):
            return
        text = _text(table, "\t")
        if name in self._begun:
            text = text.partition("\n")[2]
        with (self._folder / name).open("ab") as file:
            # Without a time, so that equal runs give equal files.
            file.write(gzip.compress(text.encode(), compresslevel=4, mtime=0))
        self._begun[name] = None


class _Names:
    """Names of files that are made of names of studies and loci: safe, and no two the same."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def of(self, kind: str, text: str) -> str:
        """The name for a text among those of a kind."""
        if (kind, text) not in self._given:
            stem = re.sub(r"[^A-Za-z0-9._+-]+", "_", text)[:_LONGEST_NAME].strip("._") or "_"
            name, number = stem, 2
            # Some file systems do not distinguish cases.
            while name.lower() in self._taken:
                name, number = f"{stem}-{number}", number + 1
            self._taken.add(name.lower())
            self._given[kind, text] = name
        return self._given[kind, text]


class _Overlaps:
    """Which variants of a study were in an earlier locus."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], list[tuple[int, int, npt.NDArray[np.uint64]]]] = {}

    def new(self, batch: _Batch) -> npt.NDArray[np.bool_]:
        """Of each variant, whether it was in none: shape (variants,)."""
        ref, alt, pos = (batch.variants[name] for name in ("ref", "alt", "pos"))
        # Alleles in either order are one variant to PolyFun.
        alleles = (ref + ":" + alt).where(ref < alt, alt + ":" + ref)
        texts = (pos.astype(str) + ":" + alleles).to_numpy(object)
        keys = pd.util.hash_array(texts, categorize=False)
        twice = pd.DataFrame({"locus": batch.locus, "key": keys}).duplicated().to_numpy()
        new = ~twice
        positions = pos.to_numpy(np.int64)
        for locus, first, end in zip(batch.loci, batch.starts, batch.ends, strict=True):
            own = slice(first, end)
            low, high = int(positions[own].min()), int(positions[own].max())
            earlier = self._seen.setdefault((locus.study, str(locus.record["chrom"])), [])
            for left, right, others in earlier:
                if left <= high and low <= right:
                    new[own] &= ~np.isin(keys[own], others)
            earlier.append((low, high, keys[own]))
        return np.asarray(new)


def _text(table: pd.DataFrame, separator: str) -> str:
    text: str = table.to_csv(sep=separator, index=False, float_format=_DIGITS, lineterminator="\n")
    return text


def _chromosome_number(chrom: str) -> str:
    """The number by which PLINK and PolyFun know a chromosome; empty where it has none."""
    key = contig_key(chrom)
    number = {"X": "23", "Y": "24"}.get(key, key)
    return number if number.isdecimal() and 1 <= int(number) <= 24 else ""


def _configuration() -> str:
    columns = "".join(f"      {field}: {name}\n" for field, name in TRAINING_COLUMNS.items())
    return (
        "# Bags for training from the credible sets of the flat prior. In this folder, and with negatives:\n"
        "#   python -m training data --config data.yaml --set fasta=GENOME.fa --out FOLDER\n"
        "data:\n"
        "  credible_sets:\n"
        f"    path: {TRAINING_TABLE}\n"
        "    format: table\n"
        "    columns:\n"
        f"{columns}"
    )
