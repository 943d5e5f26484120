"""The files of a simulation, in the formats of real data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from bed_reader import to_bed

from benchmarks.known_truth import gwas
from benchmarks.known_truth.genealogies import Genealogy
from benchmarks.known_truth.loci import Drawn
from benchmarks.known_truth.metrics import credible_set
from benchmarks.known_truth.rule import FREE, MOTIFS
from benchmarks.known_truth.sizes import DISCOVERY, Simulation, population_of
from benchmarks.known_truth.study_loci import StudyLocus
from mifm_kipoi.sequence.encoding import BASES

CREDIBLE_SET_COLUMNS = (
    "chr", "bp", "rsid", "maf", "ea", "nea", "beta", "se", "p", "zscore", "cojo_beta", "cojo_se", "cojo_p",
    "abf", "finemap", "paintor", "caviarbf", "susie", "polyfun_finemap", "polyfun_susie", "meta_id",
    "block_id", "tool", "lead_snp", "primary",
)  # fmt: skip
"""CAUSALdb2's columns, in its order."""

TOOL_BITS = {
    "abf": 1, "finemap": 2, "paintor": 4, "caviarbf": 8, "susie": 16, "polyfun_finemap": 32,
    "polyfun_susie": 64,
}  # fmt: skip
"""Of the column ``tool``, for each column of PIPs: set where its 95 % set has the row."""

NO_PIP = -1
"""In the column of a tool that was not run, or failed."""


class HasGenotypes(Protocol):
    """A locus of either design."""

    @property
    def contig(self) -> int:
        """From 0."""

    @property
    def sites(self) -> Genealogy:
        """Its variants."""


_LETTERS = np.array(list(BASES), dtype=object)


def variant_columns(drawn: Drawn | StudyLocus) -> dict[str, object]:
    """The columns that say which variants a locus of either design has.

    ``chrom, pos`` (1-based), ``id, ref, alt``; ``locus, genealogy, redraw``.
    """
    positions = drawn.sites.positions
    return {
        "chrom": str(drawn.contig + 1),
        "pos": drawn.start + positions + 1,
        "id": [f"v{drawn.number}_{position}" for position in positions],
        "ref": _LETTERS[drawn.locus.sequence[positions]],
        "alt": _LETTERS[drawn.locus.alternative],
        "locus": drawn.number,
        "genealogy": drawn.genealogy,
        "redraw": drawn.redraw,
    }


def frequency_columns(drawn: Drawn | StudyLocus, simulation: Simulation) -> dict[str, object]:
    """``af_SAMPLE`` of ALT, for each sample of a simulation."""
    return {f"af_{name}": drawn.sites.frequency(name) for name in simulation.diploids}


def truth_table(drawn: Drawn, simulation: Simulation) -> pd.DataFrame:
    """One row per variant: what it is, and why.

    Those of :func:`variant_columns`; ``kind`` and ``causal`` by the rule; ``effect`` of one standard
    deviation; marginal ``z``; ``af_SAMPLE`` of alt.
    """
    return pd.DataFrame(
        {
            **variant_columns(drawn),
            "kind": [kind.value for kind in drawn.locus.kinds],
            "causal": drawn.effects != 0,
            "effect": drawn.effects,
            "z": drawn.z,
            **frequency_columns(drawn, simulation),
        }
    )


def vcf_header(simulation: Simulation) -> str:
    """The header of the file of variants."""
    length = simulation.contig_length
    lines = ["##fileformat=VCFv4.2", '##FILTER=<ID=PASS,Description="All filters passed">']
    lines += [f"##contig=<ID={contig + 1},length={length}>" for contig in range(simulation.contigs)]
    lines += [
        f'##INFO=<ID={name},Number=A,Type=Float,Description="Frequency of ALT in {sample}">'
        for name, sample in (("AF", DISCOVERY), *((f"AF_{name}", name) for name in _populations(simulation)))
    ]
    return "\n".join([*lines, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]) + "\n"


def vcf_lines(truth: pd.DataFrame, simulation: Simulation) -> list[str]:
    """The records of some variants."""
    tags = [("AF", DISCOVERY), *((f"AF_{name}", name) for name in _populations(simulation))]
    columns = [truth[f"af_{sample}"].tolist() for _, sample in tags]
    variants = zip(truth["chrom"], truth["pos"], truth["id"], truth["ref"], truth["alt"], strict=True)
    return [
        f"{chrom}\t{pos}\t{name}\t{ref}\t{alt}\t.\tPASS\t"
        + ";".join(f"{tag}={value:.6g}" for (tag, _), value in zip(tags, values, strict=True))
        + "\n"
        for (chrom, pos, name, ref, alt), *values in zip(variants, *columns, strict=True)
    ]


def credible_set_rows(
    drawn: Drawn, truth: pd.DataFrame, simulation: Simulation, signals: Sequence[gwas.Signal]
) -> pd.DataFrame:
    """Rows in CAUSALdb2's columns: the members of each signal, the first one primary.

    The PIPs of the column ``abf`` are those of one effect at the signal; the other tools are missing. The
    study (``meta_id``) is the redraw, the block the locus, from 1.
    """
    parts = []
    frequency = truth[f"af_{DISCOVERY}"].to_numpy()
    marginal_error = gwas.standard_error(drawn.z, frequency, simulation.sample_size)
    marginal_p = gwas.p_value(drawn.z)
    for number, signal in enumerate(signals):
        rows = signal.members
        given = [np.full(rows.size, np.nan)] * 3
        if number:
            error = signal.standard_error[rows]
            given = [signal.z[rows] * error, error, signal.p_value[rows]]
        inside = np.zeros(len(truth), dtype=bool)
        inside[credible_set(signal.pip)] = True
        columns = [
            truth["chrom"].iloc[rows], truth["pos"].iloc[rows], truth["id"].iloc[rows],
            np.minimum(frequency, 1 - frequency)[rows], truth["alt"].iloc[rows], truth["ref"].iloc[rows],
            (drawn.z * marginal_error)[rows], marginal_error[rows], marginal_p[rows], drawn.z[rows],
            *given, signal.pip[rows], *[NO_PIP] * 6, drawn.redraw + 1, drawn.number + 1,
            np.where(inside, TOOL_BITS["abf"], 0)[rows], truth["id"].iloc[signal.lead], int(number == 0),
        ]  # fmt: skip
        parts.append(pd.DataFrame(dict(zip(CREDIBLE_SET_COLUMNS, columns, strict=True))))
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(CREDIBLE_SET_COLUMNS))


def write_genotypes(folder: Path, loci: Sequence[HasGenotypes], truth: pd.DataFrame) -> None:
    """``SAMPLE/CONTIG.bed, .bim, .fam`` of the loci of one contig; allele 1 is ALT."""
    contig = loci[0].contig + 1
    for name in loci[0].sites.dosages:
        (folder / name).mkdir(parents=True, exist_ok=True)
        dosages = np.concatenate([one.sites.dosages[name] for one in loci]).T.astype(np.int8)
        ids = [f"{name}{number}" for number in range(len(dosages))]
        properties = {
            "fid": ids, "iid": ids,
            "chromosome": truth["chrom"].tolist(), "sid": truth["id"].tolist(),
            "bp_position": truth["pos"].tolist(),
            "allele_1": truth["alt"].tolist(), "allele_2": truth["ref"].tolist(),
        }  # fmt: skip
        to_bed(folder / name / f"{contig}.bed", dosages, properties=properties, num_threads=1)


def meme() -> str:
    """The motifs of the rule in MEME's format."""
    lines = ["MEME version 4", "", f"ALPHABET= {BASES}", "", "strands: +", ""]
    for motif in MOTIFS:
        lines += [
            f"MOTIF {motif.name}",
            f"letter-probability matrix: alength= 4 w= {len(motif.bases)} nsites= 1000 E= 0",
        ]
        for base in motif.bases:
            chances = [0.25 if base == FREE else float(base == each) for each in BASES]
            lines.append(" ".join(f"{chance:.4f}" for chance in chances))
        lines.append("")
    return "\n".join(lines)


def _populations(simulation: Simulation) -> list[str]:
    return [name for name in simulation.diploids if name == population_of(name)]
