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
from collections.abc import Callable, Iterable
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

_NO_FREQUENCY = 0.05
"""Stands in for an unknown minor allele frequency in FINEMAP's files, where effects are z-scores: it is not
used with ``--std-effects``, but the column must have a number."""

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


class _Writer:
    """Files that grow by a locus at a time."""

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

    def add(self, locus: LocusResult) -> None:
        """Write what there is of a locus."""
        variants = locus.variants
        study = self._names.of("", locus.study)
        ids = _ids(variants)
        frequency = variants["frequency"].to_numpy(np.float64)
        maf = np.minimum(frequency, 1 - frequency)
        self._polyfun(f"{POLYFUN}/{study}.snpvar.gz", locus, ids, maf)
        self._append(
            f"{SUSIER}/{study}.prior_weights.tsv.gz",
            pd.DataFrame(
                {
                    **{name: variants[name] for name in ("locus", "chrom", "pos", "id", "ref", "alt", "z")},
                    "n": variants["sample_size"],
                    "prior_weights": variants["prior"],
                }
            ),
        )
        self._finemap(study, locus, ids, maf)
        self._sets(locus, ids)
        self._training(locus, maf)

    def _polyfun(
        self, name: str, locus: LocusResult, ids: pd.Series[str], maf: npt.NDArray[np.float64]
    ) -> None:
        variants = locus.variants
        number = _chromosome_number(str(locus.record["chrom"]))
        if not number:
            self._without[
                "chromosomes that are not 1 to 22, X or Y are not in PolyFun's files: variants"
            ] += len(variants)
            return
        table = pd.DataFrame(
            {
                "CHR": number, "SNP": ids, "BP": variants["pos"], "A1": variants["alt"],
                "A2": variants["ref"], "SNPVAR": variants["prior"] * len(variants), "MAF": maf,
                "N": variants["sample_size"], "Z": variants["z"], "P": variants["p_value"],
            }
        )[list(POLYFUN_COLUMNS)]  # fmt: skip
        new = self._overlaps.new(locus)
        if not new.all():
            self._without[
                "loci of a study overlap, and PolyFun refuses a variant twice, so that its files have the "
                "prior of the first of them: variants left out of the others"
            ] += int((~new).sum())
        self._append(name, table[new])

    def _finemap(
        self, study: str, locus: LocusResult, ids: pd.Series[str], maf: npt.NDArray[np.float64]
    ) -> None:
        variants = locus.variants
        beta, error = variants["beta"], variants["standard_error"]
        if not (np.isfinite(maf) & np.isfinite(beta) & (error > 0)).all():
            self._without[
                "FINEMAP's files have z-scores in place of effects, and 0.05 in place of frequencies, where "
                "a locus lacks them (run it with --std-effects): loci"
            ] += 1
            beta, error = variants["z"], pd.Series(1.0, index=variants.index)
            maf = np.full(len(variants), _NO_FREQUENCY)
        table = pd.DataFrame(
            {
                "rsid": ids, "chromosome": variants["chrom"], "position": variants["pos"],
                "allele1": variants["alt"], "allele2": variants["ref"], "maf": maf, "beta": beta, "se": error,
                "prob": variants["prior"],
            }
        )[list(FINEMAP_COLUMNS)]  # fmt: skip
        stem = self._names.of(study, f"{study}.{locus.locus}")
        table.to_csv(
            self._folder / FINEMAP / f"{stem}.z", sep=" ", index=False, float_format=_DIGITS,
            lineterminator="\n",
        )  # fmt: skip
        self._begun[f"{FINEMAP}/{stem}.z"] = None
        size = float(str(locus.record["n"]))
        if np.isfinite(size):
            self._masters[study].append((stem, f"{size:.0f}"))

    def _sets(self, locus: LocusResult, ids: pd.Series[str]) -> None:
        variants, sets = locus.variants, locus.sets
        prior = SCORE if self._scored else FLAT
        own = sets[sets["prior"] == prior].set_index("set")
        rows = variants["set"].isin(own.index)
        number = variants["set"][rows]
        chosen = variants[rows]
        self._append(
            SETS,
            pd.DataFrame(
                {
                    "study": chosen["study"], "locus": chosen["locus"], "credible_set": number,
                    "chromosome": chosen["chrom"].replace(dict(CHROMOSOME_NUMBERS)),
                    "base_pair_location": chosen["pos"], "effect_allele": chosen["alt"],
                    "other_allele": chosen["ref"], "beta": chosen["beta"],
                    "standard_error": chosen["standard_error"],
                    "effect_allele_frequency": chosen["frequency"], "p_value": chosen["p_value"],
                    "neg_log_10_p_value": chosen["neg_log10_p"], "variant_id": ids[rows],
                    "n": chosen["sample_size"], "pip": chosen["pip"], "pip_flat_prior": chosen["pip_flat"],
                    "prior": chosen["prior"], "credible_set_size": number.map(own["size"]),
                    "credible_set_coverage": number.map(own["coverage"]),
                    "credible_set_log10_bf": number.map(own["log10_bf"]),
                    "credible_set_min_abs_corr": number.map(own["min_abs_corr"]),
                }
            ).sort_values(["credible_set", "pip"], ascending=[True, False], kind="stable")[list(SET_COLUMNS)],
        )  # fmt: skip

    def _training(self, locus: LocusResult, maf: npt.NDArray[np.float64]) -> None:
        """The sets of the flat prior; the signal of most evidence is the primary one of its block."""
        variants = locus.variants.assign(maf=maf)
        sets = locus.sets[locus.sets["prior"] == FLAT].sort_values("log10_bf", ascending=False, kind="stable")
        for rank, number in enumerate(sets["set"]):
            chosen = variants[variants["set_flat"] == number]
            self._append(
                f"{TRAINING}/{TRAINING_TABLE}",
                pd.DataFrame(
                    {
                        "study": chosen["study"],
                        # A third signal is not the second one: each has a block of its own.
                        "block": locus.locus if rank < 2 else f"{locus.locus}:signal {rank + 1}",
                        "primary": int(rank == 0), "chrom": chosen["chrom"], "pos": chosen["pos"],
                        "id": chosen["id"], "effect_allele": chosen["alt"], "other_allele": chosen["ref"],
                        "beta": chosen["beta"], "standard_error": chosen["standard_error"],
                        "z": chosen["z"], "neg_log10_p": chosen["neg_log10_p"], "maf": chosen["maf"],
                        "n": chosen["sample_size"], "pip": chosen["pip_flat"],
                    }
                ),
            )  # fmt: skip

    def finish(self) -> list[str]:
        """Write what is known at the end; the names of all files."""
        for study, loci in self._masters.items():
            lines = ["z;ld;snp;config;cred;log;n_samples"]
            for stem, size in loci:
                lines.append(
                    ";".join(
                        [*(f"{stem}.{end}" for end in ("z", "ld", "snp", "config", "cred", "log")), size]
                    )
                )
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
        return (f"{what}: {count:,}" for what, count in self._without.items())

    def _append(self, name: str, table: pd.DataFrame) -> None:
        """Rows behind those that a file has; a member of its own, so that no file stays open."""
        if not len(table):
            return
        text = table.to_csv(
            sep="\t", index=False, header=name not in self._begun, float_format=_DIGITS, lineterminator="\n"
        )
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

    def new(self, locus: LocusResult) -> npt.NDArray[np.bool_]:
        """Of each variant, whether it was in none: shape (variants,)."""
        variants = locus.variants
        # Alleles in either order are one variant to PolyFun.
        ref, alt = variants["ref"], variants["alt"]
        alleles = (ref + ":" + alt).where(ref < alt, alt + ":" + ref)
        texts = (variants["pos"].astype(str) + ":" + alleles).to_numpy(object)
        keys = pd.util.hash_array(texts, categorize=False)
        start, end = int(variants["pos"].min()), int(variants["pos"].max())
        earlier = self._seen.setdefault((locus.study, str(locus.record["chrom"])), [])
        new = ~pd.Series(keys).duplicated().to_numpy()
        for low, high, others in earlier:
            if low <= end and start <= high:
                new &= ~np.isin(keys, others)
        earlier.append((start, end, keys))
        return np.asarray(new)


def _ids(variants: pd.DataFrame) -> pd.Series[str]:
    """Names without blanks, for programs that part columns by them; ``chrom:pos:ref:alt`` where unknown."""
    names = variants["id"].str.replace(r"\s+", "_", regex=True)
    parts = [variants[name].astype(str) for name in ("chrom", "pos", "ref", "alt")]
    place = parts[0] + ":" + parts[1] + ":" + parts[2] + ":" + parts[3]
    usable = (names != MISSING) & (names != "") & ~names.duplicated(keep=False)
    return names.where(usable, place)


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
