"""The files of the design ``real``, contig by contig."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.known_truth import files, genealogies, gwas
from benchmarks.known_truth.affinity import Rule, windows_at
from benchmarks.known_truth.factorial import swap_centres
from benchmarks.known_truth.loci import contig_first
from benchmarks.known_truth.metrics import credible_set
from benchmarks.known_truth.motifs import Codes
from benchmarks.known_truth.rule import REACH
from benchmarks.known_truth.sizes import Simulation
from benchmarks.known_truth.streams import Stream, seeds
from benchmarks.known_truth.studies import Study, draw_studies
from benchmarks.known_truth.study_loci import StudyLocus, StudySignal, contig_signals, draw_locus


@dataclasses.dataclass(frozen=True)
class Contig:
    """What is written of a contig.

    Parameters
    ----------
    sequence, masked : numpy.ndarray of uint8, shape (length,)
        Codes, and those with the centres of variants swapped.
    truth : pandas.DataFrame
        See :func:`truth_table`; ``score_masked`` is missing.
    visible : numpy.ndarray of int64, shape (variants,)
        What the masked sequence shows of the rule: :meth:`benchmarks.known_truth.affinity.Rule.visible`.
    z : numpy.ndarray of float32, shape (studies, variants)
        Of all variants in all studies; NaN for those that a study does not have.
    credible_sets : pandas.DataFrame
        CAUSALdb2's columns.
    """

    sequence: Codes
    masked: Codes
    truth: pd.DataFrame
    visible: npt.NDArray[np.int64]
    z: npt.NDArray[np.float32]
    credible_sets: pd.DataFrame


def draw_contigs(simulation: Simulation, genotypes: Path, workers: int) -> Iterator[Contig]:
    """The contigs in their order; each depends on the seed and its number only, whoever draws it.

    Parameters
    ----------
    simulation : Simulation
        Of the design ``real``.
    genotypes : Path
        Gets ``SAMPLE/CONTIG.bed, .bim, .fam``.
    workers : int
        Processes; with one, all is done in this one.
    """
    arguments = [(simulation, contig, genotypes) for contig in range(simulation.contigs)]
    if workers == 1:
        yield from map(_draw_contig, arguments)
        return
    # Not forked: the parent may run threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(_draw_contig, arguments)


def truth_table(drawn: StudyLocus, simulation: Simulation) -> pd.DataFrame:
    """One row per variant: what it is, and why.

    Those of :func:`benchmarks.known_truth.files.variant_columns`; ``kind`` and ``causal`` by the rule;
    ``change`` of affinity from REF to ALT; ``effect_K`` of one copy of ALT on trait K; ``effect`` the
    one of the largest size; ``trait_causal``, bit K - 1 for trait K; ``score_optimal`` and
    ``score_reference``; ``af_SAMPLE`` of ALT.
    """
    acts = drawn.effects != 0
    largest = np.abs(drawn.effects).argmax(axis=0)
    return pd.DataFrame(
        {
            **files.variant_columns(drawn),
            "kind": drawn.locus.kinds,
            "causal": drawn.locus.causal,
            "change": drawn.locus.change,
            "effect": drawn.effects[largest, np.arange(len(largest))],
            **{f"effect_{trait + 1}": each for trait, each in enumerate(drawn.effects)},
            "trait_causal": (acts * (1 << np.arange(len(acts)))[:, None]).sum(axis=0),
            "score_optimal": drawn.locus.score_optimal,
            "score_reference": drawn.locus.score_reference,
            **files.frequency_columns(drawn, simulation),
        }
    )


def credible_set_rows(
    drawn: StudyLocus,
    truth: pd.DataFrame,
    studies: Sequence[Study],
    signals: Sequence[StudySignal],
    pips: Mapping[str, Sequence[npt.NDArray[np.float64]]] | None = None,
) -> pd.DataFrame:
    """Rows in CAUSALdb2's columns: the members of each signal of each study; the block is the locus, from 1.

    Parameters
    ----------
    drawn : StudyLocus
        The locus.
    truth : pandas.DataFrame
        :func:`truth_table` of it.
    studies : sequence of Study
        All.
    signals : sequence of StudySignal
        Of the locus. The PIPs of the column ``abf`` are theirs.
    pips : mapping of str to sequence of numpy.ndarray of float64, shape (sites,), optional
        PIPs of other tools by column, one array for each signal; -1 for tools that are not there.
    """
    pips = pips or {}
    parts = []
    for number, signal in enumerate(signals):
        study, rows = studies[signal.study], signal.members
        z = drawn.z[signal.study]
        frequency = drawn.sites.frequency(study.sample)
        error = study.standard_error(z[rows], frequency[rows])
        given = [np.full(rows.size, np.nan)] * 3
        if not signal.primary:
            own = signal.standard_error[rows]
            given = [signal.z[rows] * own, own, gwas.p_value(signal.z[rows])]
        tools = {"abf": signal.pip, **{tool: each[number] for tool, each in pips.items()}}
        bits = np.zeros(rows.size, dtype=np.int64)
        for tool, pip in tools.items():
            inside = np.zeros(len(truth), dtype=bool)
            inside[credible_set(np.maximum(pip, 0))] = True
            bits += inside[rows] * files.TOOL_BITS[tool]
        columns = {
            "chr": truth["chrom"].iloc[rows].to_numpy(),
            "bp": truth["pos"].to_numpy()[rows],
            "rsid": truth["id"].to_numpy()[rows],
            "maf": np.minimum(frequency, 1 - frequency)[rows],
            "ea": truth["alt"].to_numpy()[rows],
            "nea": truth["ref"].to_numpy()[rows],
            "beta": z[rows] * error,
            "se": error,
            "p": gwas.p_value(z[rows]),
            "zscore": z[rows],
            **dict(zip(("cojo_beta", "cojo_se", "cojo_p"), given, strict=True)),
            **{tool: tools[tool][rows] if tool in tools else files.NO_PIP for tool in files.TOOL_BITS},
            "meta_id": study.name,
            "block_id": drawn.number + 1,
            "tool": bits,
            "lead_snp": truth["id"].iloc[signal.lead],
            "primary": int(signal.primary),
        }
        parts.append(pd.DataFrame(columns, columns=list(files.CREDIBLE_SET_COLUMNS)))
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(files.CREDIBLE_SET_COLUMNS))


def _draw_contig(arguments: tuple[Simulation, int, Path]) -> Contig:
    simulation, contig, genotypes = arguments
    studies = draw_studies(simulation)
    first = contig_first(simulation, contig)
    count = contig_first(simulation, contig + 1) - first
    loci: list[StudyLocus] = []
    for number in range(first, first + count):
        if number % simulation.redraws == 0:
            genealogy = genealogies.simulate(simulation, number // simulation.redraws)
        loci.append(draw_locus(simulation, studies, genealogy, number))
    tables = [truth_table(drawn, simulation) for drawn in loci]
    rows = [
        credible_set_rows(drawn, table, studies, signals)
        for drawn, table, signals in zip(loci, tables, contig_signals(simulation, studies, loci), strict=True)
    ]
    truth = pd.concat(tables, ignore_index=True)
    files.write_genotypes(genotypes, loci, truth)
    sequence = np.concatenate([drawn.locus.sequence for drawn in loci])
    pos0 = truth["pos"].to_numpy(np.int64) - 1
    generator = np.random.default_rng(seeds(simulation.seed, Stream.MASKING, contig))
    masked = swap_centres(sequence, pos0, generator)
    visible = Rule.of(simulation).visible(windows_at(masked, pos0), REACH)
    z = np.concatenate([drawn.z for drawn in loci], axis=1).astype(np.float32)
    return Contig(sequence, masked, truth, visible, z, pd.concat(rows, ignore_index=True))
