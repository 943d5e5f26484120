"""Simulate, once, and write the files of real data."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import logging
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.known_truth import files, sequences, tracks
from benchmarks.known_truth.loci import draw_contig
from benchmarks.known_truth.phenotypes import Phenotypes
from benchmarks.known_truth.sizes import Simulation
from mifm_kipoi.sequence.encoding import BASES
from mifm_kipoi.statistics import bayes_factors
from mifm_kipoi.support.files import sha256_of
from mifm_kipoi.support.progress import Progress

FASTA, MASKED_FASTA = "genome.fa", "genome.masked.fa"
VARIANTS = "variants.vcf.gz"
CREDIBLE_SETS, REFERENCE_CREDIBLE_SETS = "credible_sets.txt.gz", "credible_sets.reference_ld.txt.gz"
GENOTYPES, TRACKS, MOTIFS = "genotypes", "tracks", "motifs.meme"
TRUTH = "truth.parquet"
MANIFEST = "simulation.json"
"""What made the files; written last, so that a folder with it is complete."""

_LETTERS = np.frombuffer(BASES.encode(), dtype=np.uint8)
_SOURCES = (
    "files", "genealogies", "gwas", "loci", "metrics", "phenotypes", "rule", "sequences", "simulate",
    "tracks",
)  # fmt: skip


def simulate(simulation: Simulation, folder: str | os.PathLike[str]) -> Path:
    """Write a simulation into a folder, unless it is there.

    Parameters
    ----------
    simulation : Simulation
        What to simulate.
    folder : path-like
        Each simulation has a folder of its own in it, named by a checksum of its settings.

    Returns
    -------
    Path
        The folder of this simulation:

        - ``genome.fa``, and ``genome.masked.fa``, with random bases around all variants;
        - ``variants.vcf.gz``: all variants, with frequencies of the populations;
        - ``credible_sets.txt.gz``: CAUSALdb2's columns; ``credible_sets.reference_ld.txt.gz``: the same,
          with signals by the LD of the reference panel;
        - ``genotypes/SAMPLE/CONTIG.bed, .bim, .fam``: PLINK's, and ``genotypes/SAMPLE/phenotypes.tsv``;
        - ``tracks/*.bed``: chromatin states, correlated with the truth
          (:mod:`benchmarks.known_truth.tracks`);
        - ``motifs.meme``: the motifs of the rule;
        - ``truth.parquet``: :func:`benchmarks.known_truth.files.truth_table`;
        - ``simulation.json``: what made them, counts, checksums.
    """
    identity = _identity(simulation)
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    final = Path(folder) / name
    if (final / MANIFEST).exists():
        logging.info("the simulation is in %s already", final)
        return final
    growing = final.with_name(f"{name}.partial")
    shutil.rmtree(growing, ignore_errors=True)
    growing.mkdir(parents=True)
    truth = _write(simulation, growing)
    made = {
        str(path.relative_to(growing)): sha256_of(path)
        for path in sorted(growing.rglob("*"))
        if path.is_file()
    }
    manifest = {**identity, "counts": _counts(truth), "sha256": made}
    (growing / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    growing.replace(final)
    logging.info("simulated into %s", final)
    return final


def held_out(simulation: Simulation) -> dict[str, list[str]]:
    """The contigs for validation, an eighth, and for test, the last fifth."""
    test = max(1, round(simulation.contigs / 5))
    validation = max(1, round(simulation.contigs / 8))
    names = [str(contig + 1) for contig in range(simulation.contigs)]
    return {"validation": names[-test - validation : -test], "test": names[-test:]}


def _identity(simulation: Simulation) -> dict[str, Any]:
    code = hashlib.sha256()
    for source in (*(Path(__file__).with_name(f"{name}.py") for name in _SOURCES), bayes_factors.__file__):
        code.update(Path(source).read_bytes())
    packages = {name: version(name) for name in ("msprime", "numpy", "scipy")}
    return {"simulation": dataclasses.asdict(simulation), "packages": packages, "code": code.hexdigest()}


def _write(simulation: Simulation, folder: Path) -> pd.DataFrame:
    """All files but the manifest; gives the truth."""
    loci = simulation.genealogies * simulation.redraws
    progress = Progress("loci")
    phenotypes = Phenotypes(simulation)
    truths: list[pd.DataFrame] = []
    rows: dict[str, list[pd.DataFrame]] = {CREDIBLE_SETS: [], REFERENCE_CREDIBLE_SETS: []}
    with (
        (folder / FASTA).open("wb") as fasta,
        (folder / MASKED_FASTA).open("wb") as masked,
        # Without a time, so that equal runs give equal files.
        gzip.GzipFile(folder / VARIANTS, "wb", compresslevel=4, mtime=0) as compressed,
        io.TextIOWrapper(compressed, "ascii") as vcf,
    ):
        vcf.write(files.vcf_header(simulation))
        done = 0
        for contig in range(simulation.contigs):
            for file in (fasta, masked):
                file.write(f">{contig + 1}\n".encode())
            drawn, tables = [], []
            for one in draw_contig(simulation, contig):
                generator = np.random.default_rng([simulation.seed, 2, one.number])
                hidden = sequences.mask_centres(one.locus.sequence, one.sites.positions, generator)
                for file, sequence in ((fasta, one.locus.sequence), (masked, hidden)):
                    file.write(_LETTERS[sequence].tobytes() + b"\n")
                table = files.truth_table(one, simulation)
                for name, signals in zip(rows, (one.signals, one.reference_signals), strict=True):
                    rows[name].append(files.credible_set_rows(one, table, simulation, signals))
                phenotypes.add(one)
                drawn.append(one)
                tables.append(table)
                done += 1
                progress.update(done, done / loci)
            truths.append(pd.concat(tables, ignore_index=True))
            vcf.writelines(files.vcf_lines(truths[-1], simulation))
            files.write_genotypes(folder / GENOTYPES, drawn, truths[-1])
    progress.close()
    truth = pd.concat(truths, ignore_index=True)
    truth.to_parquet(folder / TRUTH, index=False)
    for name, parts in rows.items():
        pd.concat(parts).to_csv(
            folder / name,
            sep="\t",
            index=False,
            compression={"method": "gzip", "mtime": 0, "compresslevel": 4},
        )
    phenotypes.write(folder / GENOTYPES)
    tracks.write_tracks(truth, folder / TRACKS, simulation.seed, simulation.contig_length)
    (folder / MOTIFS).write_text(files.meme())
    return truth


def _counts(truth: pd.DataFrame) -> dict[str, Any]:
    per_locus = truth.groupby("locus")["causal"].sum().value_counts().sort_index()
    return {
        "loci": int(truth["locus"].nunique()),
        "variants": len(truth),
        "kinds": {str(kind): int(number) for kind, number in truth["kind"].value_counts().items()},
        "loci_by_causal_variants": {str(number): int(loci) for number, loci in per_locus.items()},
    }
