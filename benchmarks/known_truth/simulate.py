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

from benchmarks.known_truth import files, motifs, sequences, tracks
from benchmarks.known_truth.loci import draw_contig
from benchmarks.known_truth.phenotypes import Phenotypes
from benchmarks.known_truth.sizes import Simulation
from benchmarks.known_truth.sources import code_of
from benchmarks.known_truth.streams import Stream, seeds
from benchmarks.known_truth.studies import draw_studies, meta_table, redraw_studies
from benchmarks.known_truth.study_files import draw_contigs
from mifm_kipoi.sequence.encoding import BASES
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import sha256_of
from mifm_kipoi.support.progress import Progress

FASTA, MASKED_FASTA = "genome.fa", "genome.masked.fa"
VARIANTS = "variants.vcf.gz"
CREDIBLE_SETS, REFERENCE_CREDIBLE_SETS = "credible_sets.txt.gz", "credible_sets.reference_ld.txt.gz"
META, STATISTICS = "meta.txt", "statistics.parquet"
GENOTYPES, TRACKS, MOTIFS = "genotypes", "tracks", "motifs.meme"
TRUTH = "truth.parquet"
MANIFEST = "simulation.json"
"""What made the files; written last, so that a folder with it is complete."""

_LETTERS = np.frombuffer(BASES.encode(), dtype=np.uint8)
_CODE = (
    *(
        f"benchmarks.known_truth.{name}" for name in (
            "affinity", "factorial", "files", "genealogies", "gwas", "loci", "metrics", "motifs",
            "phenotypes", "rule", "sequences", "simulate", "streams", "studies", "study_files", "study_loci",
            "tracks",
        )
    ),
    "mifm_kipoi.finemapping.groups", "mifm_kipoi.finemapping.prior", "mifm_kipoi.sequence.encoding",
    "mifm_kipoi.statistics.bayes_factors",
)  # fmt: skip
"""Modules that the files depend on, beside the settings."""


def simulate(simulation: Simulation, folder: str | os.PathLike[str], workers: int | None = None) -> Path:
    """Write a simulation into a folder, unless it is there.

    Parameters
    ----------
    simulation : Simulation
        What to simulate.
    folder : path-like
        Each simulation has a folder of its own in it, named by a checksum of its settings.
    workers : int, optional
        Processes that draw contigs of the design ``real``, one for each core by default; the files do not
        depend on it.

    Returns
    -------
    Path
        The folder of this simulation:

        - ``genome.fa``, and ``genome.masked.fa``, with random bases around all variants, or, in the design
          ``real``, with those of another variant;
        - ``variants.vcf.gz``: all variants, with frequencies of the populations;
        - ``credible_sets.txt.gz``: CAUSALdb2's columns; ``meta.txt``: CAUSALdb's columns, its studies;
        - ``credible_sets.reference_ld.txt.gz`` (``clear``): the same, with signals by the LD of the reference
          panel, as they always are in ``real``;
        - ``statistics.parquet`` (``real``): z-scores of all variants in each study, NaN where it does not
          have one: a column ``id`` in the order of the truth, and one of float32 for each ``meta_id``;
        - ``genotypes/SAMPLE/CONTIG.bed, .bim, .fam``: PLINK's, and (``clear``)
          ``genotypes/SAMPLE/phenotypes.tsv``;
        - ``tracks/*.bed``: chromatin states, correlated with the truth
          (:mod:`benchmarks.known_truth.tracks`);
        - ``motifs.meme``: the motifs of the rule;
        - ``truth.parquet``: :func:`benchmarks.known_truth.files.truth_table`, or
          :func:`benchmarks.known_truth.study_files.truth_table` with ``score_masked``, the fraction of causal
          variants among all that the masked genome shows the same of the rule of;
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
    if simulation.design == "real":
        truth = _write_real(simulation, growing, workers or usable_cpus())
    else:
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
    packages = {name: version(name) for name in ("msprime", "numpy", "scipy")}
    return {"simulation": dataclasses.asdict(simulation), "packages": packages, "code": code_of(*_CODE)}


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
                generator = np.random.default_rng(seeds(simulation.seed, Stream.MASKING, one.number))
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
        _write_table(pd.concat(parts), folder / name)
    phenotypes.write(folder / GENOTYPES)
    meta_table(redraw_studies(simulation)).to_csv(folder / META, sep="\t", index=False)
    tracks.write_tracks(truth, folder / TRACKS, simulation.seed, simulation.contig_length)
    (folder / MOTIFS).write_text(files.meme())
    return truth


def _write_real(simulation: Simulation, folder: Path, workers: int) -> pd.DataFrame:
    """All files of the design ``real`` but the manifest; gives the truth."""
    progress = Progress("contigs")
    truths, rows, z, visible = [], [], [], []
    with (
        (folder / FASTA).open("wb") as fasta,
        (folder / MASKED_FASTA).open("wb") as masked,
        gzip.GzipFile(folder / VARIANTS, "wb", compresslevel=4, mtime=0) as compressed,
        io.TextIOWrapper(compressed, "ascii") as vcf,
    ):
        vcf.write(files.vcf_header(simulation))
        for number, contig in enumerate(draw_contigs(simulation, folder / GENOTYPES, workers), start=1):
            for file, codes in ((fasta, contig.sequence), (masked, contig.masked)):
                file.write(f">{number}\n".encode())
                for line in codes.reshape(-1, simulation.length):
                    file.write(_LETTERS[line].tobytes() + b"\n")
            vcf.writelines(files.vcf_lines(contig.truth, simulation))
            truths.append(contig.truth)
            rows.append(contig.credible_sets)
            z.append(contig.z)
            visible.append(contig.visible)
            progress.update(number, number / simulation.contigs)
    progress.close()
    truth = pd.concat(truths, ignore_index=True)
    seen = pd.Series(np.concatenate(visible))
    truth["score_masked"] = truth["causal"].astype(float).groupby(seen).transform("mean")
    truth.to_parquet(folder / TRUTH, index=False)
    _write_table(pd.concat(rows), folder / CREDIBLE_SETS)
    studies = draw_studies(simulation)
    meta_table(studies).to_csv(folder / META, sep="\t", index=False)
    by_study = np.concatenate(z, axis=1)
    columns = {"id": truth["id"], **{study.name: row for study, row in zip(studies, by_study, strict=True)}}
    pd.DataFrame(columns).to_parquet(folder / STATISTICS, index=False)
    tracks.write_tracks(truth, folder / TRACKS, simulation.seed, simulation.contig_length)
    (folder / MOTIFS).write_text(motifs.meme(motifs.draw_motifs(simulation)))
    return truth


def _write_table(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, sep="\t", index=False, compression={"method": "gzip", "mtime": 0, "compresslevel": 4})


def _counts(truth: pd.DataFrame) -> dict[str, Any]:
    per_locus = truth.groupby("locus")["causal"].sum().value_counts().sort_index()
    return {
        "loci": int(truth["locus"].nunique()),
        "variants": len(truth),
        "kinds": {str(kind): int(number) for kind, number in truth["kind"].value_counts().items()},
        "loci_by_causal_variants": {str(number): int(loci) for number, loci in per_locus.items()},
    }
