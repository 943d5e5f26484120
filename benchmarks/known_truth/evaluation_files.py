"""What evaluations need of a simulation of the design ``real``, in the formats of real data.

They are made from the files of a finished simulation, which they leave as it is.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from bed_reader import create_bed, open_bed

from benchmarks.known_truth import gwas, silencers, states
from benchmarks.known_truth.files import TOOL_BITS
from benchmarks.known_truth.simulate import (
    CREDIBLE_SETS,
    GENOTYPES,
    MANIFEST,
    STATISTICS,
    TRUTH,
    held_out,
)
from benchmarks.known_truth.sizes import Simulation, panel_of
from benchmarks.known_truth.sources import code_of
from benchmarks.known_truth.steps import BenchmarkError, once
from benchmarks.known_truth.studies import Study, draw_studies, trait_name
from benchmarks.known_truth.susie import susie
from mifm_kipoi.genetics import gwas_ssf
from mifm_kipoi.support.files import sha256_of

SUMMARY_STATISTICS, PANELS, STATES = "summary_statistics", "ld_panels", "states"
SILENCERS = "silencers/Homo_sapiens.bed"

Susie = Literal["none", "largest", "all"]
"""Studies whose credible sets get PIPs of SuSiE: none, the largest of each trait, all."""

_CODE = (
    *(
        f"benchmarks.known_truth.{name}"
        for name in ("evaluation_files", "silencers", "states", "streams", "susie")
    ),
    "mifm_kipoi.finemapping.susie",
    "mifm_kipoi.genetics.gwas_ssf",
    "mifm_kipoi.statistics.single_effects",
)


@dataclasses.dataclass(frozen=True)
class EvaluationFiles:
    """Which files are written, and of what.

    Parameters
    ----------
    studies : tuple of str
        ``meta_id`` of those whose summary statistics are written; empty for all.
    susie : str
        Studies whose credible sets on test contigs get PIPs of SuSiE; ``largest`` is the largest of each
        trait, which takes a third of the time of ``all``.
    cell_lines : int
        Of the chromatin states, 127 at most.
    """

    studies: tuple[str, ...] = ()
    susie: Susie = "all"
    cell_lines: int = 8

    def write(self, simulation: Simulation, simulated: Path, out: Path, workers: int = 1) -> Path:
        """Write the files, unless they are there.

        Parameters
        ----------
        simulation : Simulation
            Of the design ``real``.
        simulated : Path
            Its folder (:func:`benchmarks.known_truth.simulate.simulate`).
        out : Path
            Gets

            - ``summary_statistics/META_ID.tsv.gz``: GWAS-SSF of all variants that a study has, with n and the
              frequency in its own sample, and a description beside each;
            - ``ld_panels/POPULATION.bed, .bim, .fam``: the reference panels, other people than the studies';
            - ``credible_sets.txt.gz``: that of the simulation, with PIPs of SuSiE on the LD of the panel in
              the column ``susie``, -1 where it was not run, or failed;
            - ``states/``, ``silencers/Homo_sapiens.bed``: :mod:`benchmarks.known_truth.states` and
              :mod:`benchmarks.known_truth.silencers`.
        workers : int
            Processes of SuSiE.

        Returns
        -------
        Path
            ``out``.

        Raises
        ------
        BenchmarkError
            When the simulation has no such study, is of the other design, or ``out`` was made of something
            else.
        """
        if simulation.design != "real":
            raise BenchmarkError(f"the design is {simulation.design!r}; expected real, which has studies")
        known = draw_studies(simulation)
        unknown = sorted(set(self.studies) - {study.name for study in known})
        if unknown:
            names = ", ".join(study.name for study in known)
            raise BenchmarkError(f"no study {', '.join(unknown)}; the simulation has {names}")
        made_of = {
            "simulation": sha256_of(simulated / MANIFEST),
            "files": dataclasses.asdict(self),
            "code": code_of(*_CODE),
        }
        once(out, made_of, lambda: self._write(simulation, known, simulated, out, workers))
        return out

    def _write(
        self, simulation: Simulation, studies: list[Study], simulated: Path, out: Path, workers: int
    ) -> None:
        truth = pd.read_parquet(simulated / TRUTH)
        chosen = [study for study in studies if not self.studies or study.name in self.studies]
        write_summary_statistics(chosen, truth, simulated / STATISTICS, out / SUMMARY_STATISTICS)
        samples = dict.fromkeys(study.sample for study in studies)
        for sample in samples:
            write_panel(simulated / GENOTYPES / panel_of(sample), out / PANELS / sample, simulation.contigs)
        lengths = {str(contig + 1): simulation.contig_length for contig in range(simulation.contigs)}
        states.write_states(truth, out / STATES, simulation.seed, lengths, self.cell_lines)
        silencers.write_silencers(truth, out / SILENCERS, simulation.seed, simulation.contig_length)
        rows = pd.read_csv(simulated / CREDIBLE_SETS, sep="\t", dtype={"chr": str})
        if self.susie != "none":
            fitted = studies if self.susie == "all" else largest(studies)
            add_susie(rows, fitted, truth, simulated, held_out(simulation)["test"], workers)
        rows.to_csv(
            out / CREDIBLE_SETS, sep="\t", index=False,
            compression={"method": "gzip", "mtime": 0, "compresslevel": 4},
        )  # fmt: skip


def largest(studies: Sequence[Study]) -> list[Study]:
    """The study of most information of each trait."""
    best: dict[int, Study] = {}
    for study in studies:
        if study.trait not in best or study.information > best[study.trait].information:
            best[study.trait] = study
    return list(best.values())


def write_summary_statistics(
    studies: Sequence[Study], truth: pd.DataFrame, statistics: Path, folder: Path
) -> None:
    """``META_ID.tsv.gz`` of each study in GWAS-SSF, and its description.

    Parameters
    ----------
    studies : sequence of Study
        Those that are written.
    truth : pandas.DataFrame
        Of all variants, with ``af_SAMPLE``.
    statistics : Path
        z-scores: a column for each ``meta_id``, in the order of the truth.
    folder : Path
        Made where missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tested = truth.rename(columns={"alt": "effect_allele", "ref": "other_allele"})
    for study in studies:
        z = pq.read_table(statistics, columns=[study.name])[study.name].to_numpy().astype(np.float64)
        has = np.isfinite(z)
        frequency = truth.loc[has, f"af_{study.sample}"].to_numpy()
        error = study.standard_error(z[has], frequency)
        rows = gwas_ssf.gwas_ssf(tested[has], z[has] * error, error, frequency, study.size, study.cases)
        path = folder / f"{study.name}.tsv.gz"
        path.write_bytes(gwas_ssf.encode(rows, header=True))
        gwas_ssf.write_metadata(path, trait_name(study.trait), study.sample, study.size, study.cases)


def write_panel(source: Path, to: Path, contigs: int) -> None:
    """Join the genotypes of all contigs, ``SOURCE/CONTIG.bed``, to one ``TO.bed, .bim, .fam``."""
    to.parent.mkdir(parents=True, exist_ok=True)
    parts = [open_bed(source / f"{contig + 1}.bed", num_threads=1) for contig in range(contigs)]
    people = {"fid": parts[0].fid.tolist(), "iid": parts[0].iid.tolist()}
    sites = {
        name: np.concatenate([getattr(part, name) for part in parts]).tolist()
        for name in ("chromosome", "sid", "bp_position", "allele_1", "allele_2")
    }
    path = to.with_name(f"{to.name}.bed")
    with create_bed(path, parts[0].iid_count, len(sites["sid"]), properties=people | sites) as written:
        for part in parts:
            for column in part.read(dtype="int8", num_threads=1).T:
                written.write(column)


def add_susie(
    rows: pd.DataFrame,
    studies: Sequence[Study],
    truth: pd.DataFrame,
    simulated: Path,
    contigs: Sequence[str],
    workers: int,
) -> None:
    """Fit SuSiE to each study and block of some contigs that has rows, and put its PIPs into them.

    Parameters
    ----------
    rows : pandas.DataFrame
        CAUSALdb2's columns; ``susie`` and ``tool`` change.
    studies : sequence of Study
        Those that are fitted.
    truth : pandas.DataFrame
        Of all variants.
    simulated : Path
        Folder of the simulation.
    contigs : sequence of str
        Names of the contigs.
    workers : int
        Processes; with one, all is done in this one.
    """
    wanted = rows[rows["chr"].isin(contigs) & rows["meta_id"].isin([study.name for study in studies])]
    pairs = {
        str(chrom): sorted(set(zip(own["meta_id"], own["block_id"], strict=True)))
        for chrom, own in wanted.groupby("chr")
    }
    fits: dict[tuple[str, int], pd.DataFrame | None] = {}
    for fitted in _contig_fits(pairs, studies, truth, simulated, workers):
        fits |= fitted
    rows["susie"] = rows["susie"].astype(np.float64)
    failed = 0
    for (meta_id, block), own in wanted.groupby(["meta_id", "block_id"]):
        fit = fits[str(meta_id), int(block)]
        if fit is None:
            failed += 1
            continue
        found = fit.loc[own["rsid"]]
        rows.loc[own.index, "susie"] = found["pip"].to_numpy()
        rows.loc[own.index, "tool"] += found["inside"].to_numpy() * TOOL_BITS["susie"]
    logging.info("SuSiE: %d of %d fits failed", failed, len(fits))


def _contig_fits(
    pairs: dict[str, list[tuple[str, int]]],
    studies: Sequence[Study],
    truth: pd.DataFrame,
    simulated: Path,
    workers: int,
) -> Iterator[dict[tuple[str, int], pd.DataFrame | None]]:
    """The fits of each contig."""
    by_name = {study.name: study for study in studies}
    z = pd.read_parquet(simulated / STATISTICS, columns=list(by_name))
    arguments = [
        (own, by_name, truth.loc[rows, ["id", "locus"]], z.loc[rows], simulated / GENOTYPES, chrom)
        for chrom, own in pairs.items()
        for rows in [np.flatnonzero(truth["chrom"] == chrom)]
    ]
    if workers == 1:
        yield from map(_fit_contig, arguments)
        return
    # Not forked: the parent may run threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(_fit_contig, arguments)


def _fit_contig(
    arguments: tuple[list[tuple[str, int]], dict[str, Study], pd.DataFrame, pd.DataFrame, Path, str],
) -> dict[tuple[str, int], pd.DataFrame | None]:
    """Of each study and block of a contig: ``pip`` and ``inside`` of its variants, None where it failed."""
    pairs, studies, variants, z, genotypes, chrom = arguments
    fits: dict[tuple[str, int], pd.DataFrame | None] = {}
    dosages: dict[str, npt.NDArray[np.uint8]] = {}
    for name, block in pairs:
        study = studies[name]
        panel = panel_of(study.sample)
        if panel not in dosages:
            with open_bed(genotypes / panel / f"{chrom}.bed", num_threads=1) as bed:
                dosages[panel] = bed.read(dtype="int8", num_threads=1).T.astype(np.uint8)
        of_block = variants["locus"].to_numpy() == block - 1
        own = np.flatnonzero(of_block & np.isfinite(z[name].to_numpy()))
        ld = gwas.correlations(gwas.standardised(dosages[panel][own]))
        # The size of a study with as many cases as controls and the same information.
        size = study.size if study.cases is None else round(4 * study.information)
        fit = susie(z[name].to_numpy()[own].astype(np.float64), ld, size)
        fits[name, block] = (
            None
            if fit is None
            else pd.DataFrame({"pip": fit.pip, "inside": fit.in_set}, index=variants["id"].to_numpy()[own])
        )
    return fits
