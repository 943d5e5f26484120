"""Loci of the design ``real`` that no simulation for training has, in the files that fine-mapping reads."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import gzip
import io
import logging
import multiprocessing
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.cohort.build import BLOCKS, FASTA, GENOTYPES, STATISTICS, TRUTH, VARIANTS
from benchmarks.known_truth import files, genealogies
from benchmarks.known_truth.evaluation_files import write_panel, write_summary_statistics
from benchmarks.known_truth.sizes import DISCOVERY, REFERENCE_PANEL, SIMULATIONS, Simulation
from benchmarks.known_truth.sources import code_of
from benchmarks.known_truth.steps import once
from benchmarks.known_truth.studies import Study, draw_studies
from benchmarks.known_truth.study_files import truth_table
from benchmarks.known_truth.study_loci import StudyLocus, draw_locus
from mifm_kipoi.sequence.encoding import BASES
from mifm_kipoi.support.progress import Progress

FIRST = 100_000
"""Number of the first genealogy: no size of the design has as many, so that no network has seen any."""

SAMPLES = {"in": DISCOVERY, "out": REFERENCE_PANEL}
"""Genotypes that LD is computed of: of the studies' own sample, and of as many others of its population."""

_BASES = np.frombuffer(BASES.encode(), dtype=np.uint8)

_CODE = (
    "benchmarks.finemapping.loci",
    *(
        f"benchmarks.known_truth.{name}" for name in (
            "affinity", "evaluation_files", "factorial", "files", "genealogies", "gwas", "loci", "motifs",
            "sequences", "streams", "studies", "study_files", "study_loci",
        )
    ),
    "mifm_kipoi.genetics.gwas_ssf",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TestLoci:
    """Loci to fine-map, and the four largest studies.

    Parameters
    ----------
    contigs, of_contig : int
        How many contigs, at most 22, and loci on each.
    rule : Simulation
        Of the design ``real``: its seed gives motifs and studies, which are those that networks were trained
        on; its genealogies are numbered from 0, those of the test loci from :data:`FIRST`.
    """

    contigs: int = 20
    of_contig: int = 80
    rule: Simulation = SIMULATIONS["real"]["small"]

    __test__ = False  # not a test of pytest

    @property
    def simulation(self) -> Simulation:
        """The settings with this number of loci and contigs."""
        return dataclasses.replace(
            self.rule, genealogies=self.contigs * self.of_contig, contigs=self.contigs, redraws=1
        )

    def studies(self) -> list[Study]:
        """The largest study of each trait, all of the same sample."""
        largest: dict[int, Study] = {}
        for study in draw_studies(self.rule):
            largest.setdefault(study.trait, study)
        return list(largest.values())

    def write(self, out: Path, jobs: int = 1) -> Path:
        """Write the files, unless they are there.

        Parameters
        ----------
        out : Path
            Gets the files of a cohort that fine-mapping needs, by the same names: ``genome.fa``,
            ``variants.vcf.gz``, ``ld_blocks.txt`` (a block for each locus), ``truth/variants.parquet``,
            ``summary_statistics/STUDY.tsv.gz``, and ``genotypes/in.bed`` and ``out.bed``, of
            :data:`SAMPLES`.
        jobs : int
            Processes; the files do not depend on it.

        Returns
        -------
        Path
            ``out``.
        """
        made_of = {
            "loci": dataclasses.asdict(self),
            "first": FIRST,
            "packages": {name: version(name) for name in ("msprime", "numpy")},
            "code": code_of(*_CODE),
        }
        once(out, made_of, lambda: self._write(out, jobs))
        return out

    def _write(self, out: Path, jobs: int) -> None:
        simulation, studies = self.simulation, self.studies()
        growing = out / "contigs"
        shutil.rmtree(growing, ignore_errors=True)
        (out / TRUTH).parent.mkdir(exist_ok=True)
        progress = Progress("contigs")
        truths, z = [], []
        with (
            (out / FASTA).open("wb") as fasta,
            # Without a time, so that equal runs give equal files.
            gzip.GzipFile(out / VARIANTS, "wb", compresslevel=4, mtime=0) as compressed,
            io.TextIOWrapper(compressed, "ascii") as vcf,
        ):
            vcf.write(files.vcf_header(simulation))
            for number, drawn in enumerate(self._draw(growing, jobs), start=1):
                fasta.write(f">{number}\n".encode())
                for line in drawn.sequence.reshape(-1, 100):
                    fasta.write(_BASES[line].tobytes() + b"\n")
                vcf.writelines(files.vcf_lines(drawn.truth, simulation))
                truths.append(drawn.truth)
                z.append(drawn.z)
                progress.update(number, number / self.contigs)
        progress.close()
        truth = pd.concat(truths, ignore_index=True)
        truth.to_parquet(out / TRUTH, index=False)
        statistics = growing / "statistics.parquet"
        by_study = np.concatenate(z, axis=1)
        pd.DataFrame({study.name: row for study, row in zip(studies, by_study, strict=True)}).to_parquet(
            statistics
        )
        write_summary_statistics(studies, truth, statistics, out / STATISTICS)
        for name, sample in SAMPLES.items():
            write_panel(growing / sample, out / GENOTYPES / name, self.contigs)
        (out / BLOCKS).write_text(self._blocks())
        shutil.rmtree(growing)
        logging.info("%d loci, %d variants, %d of them causal", len(truth["locus"].unique()), len(truth),
                     int(truth["causal"].sum()))  # fmt: skip

    def _draw(self, genotypes: Path, jobs: int) -> Iterator[_Contig]:
        arguments = [(self, contig, genotypes) for contig in range(self.contigs)]
        if jobs == 1:
            yield from map(_draw_contig, arguments)
            return
        # Not forked: the parent may run threads.
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
            yield from pool.map(_draw_contig, arguments)

    def _blocks(self) -> str:
        """A block for each locus, in the format of CAUSALdb's table."""
        length = self.rule.length
        rows = [
            f"{contig + 1}\t{place * length}\t{(place + 1) * length}\tEUR"
            for contig in range(self.contigs)
            for place in range(self.of_contig)
        ]
        return "\n".join(["chr\tstart\tstop\tpop", *rows]) + "\n"


@dataclasses.dataclass(frozen=True)
class _Contig:
    """What is written of a contig: codes of its bases, the truth, z of each study as (studies, variants)."""

    sequence: npt.NDArray[np.uint8]
    truth: pd.DataFrame
    z: npt.NDArray[np.float64]


def _draw_contig(arguments: tuple[TestLoci, int, Path]) -> _Contig:
    loci, contig, genotypes = arguments
    simulation = loci.simulation
    every = draw_studies(simulation)
    largest = [every.index(study) for study in loci.studies()]
    drawn = []
    for place in range(loci.of_contig):
        number = FIRST + contig * loci.of_contig + place
        one = draw_locus(simulation, every, genealogies.simulate(simulation, number), number)
        # Where the files have it, whatever its number.
        drawn.append(dataclasses.replace(one, contig=contig, start=place * simulation.length))
    truth = pd.concat([_truth(one, simulation) for one in drawn], ignore_index=True)
    files.write_genotypes(genotypes, drawn, truth)
    sequence = np.concatenate([one.locus.sequence for one in drawn])
    return _Contig(sequence, truth, np.concatenate([one.z[largest] for one in drawn], axis=1))


def _truth(drawn: StudyLocus, simulation: Simulation) -> pd.DataFrame:
    """The truth of a locus, and ``hidden_K``, the effect on trait K of the variant that is in no file."""
    hidden = drawn.driver if drawn.driver is not None else np.zeros(len(drawn.effects))
    return truth_table(drawn, simulation).assign(
        **{f"hidden_{trait + 1}": each for trait, each in enumerate(hidden)}
    )
