"""The study that comes with the package: a small cohort, its files named and cut as its users need them."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from bed_reader import open_bed, to_bed
from scipy.stats import norm

from benchmarks.cohort.build import (
    BLOCKS,
    COVARIATES,
    CREDIBLE_SETS,
    FASTA,
    GENOTYPES,
    META,
    MOTIFS,
    PHENOTYPES,
    SILENCERS,
    STATES,
    STATISTICS,
    TRUTH,
    VARIANTS,
    build,
)
from benchmarks.cohort.sizes import DISCOVERY, REPLICATION, Cohort
from benchmarks.known_truth.affinity import Rule, windows_at
from benchmarks.known_truth.rule import REACH
from mifm_kipoi.example.unpack import STUDY
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.sequence.encoding import BASES
from mifm_kipoi.support.files import written_whole

TEMPLATE = Path(__file__).with_name("example.md.jinja")
"""Of the page in the folder that says what its files are."""

POPULATIONS = ("CEU", "YRI", "CHB")

COHORT = Cohort(
    24,
    12,
    40_000,
    {
        DISCOVERY: 3_000,
        REPLICATION: 1_500,
        **{f"{population}_target": 250 for population in POPULATIONS},
        **{f"{population}_panel": 100 for population in POPULATIONS},
    },
    0.02,
    seed=2,
)
"""Twelve contigs, so that recipes which hold out chromosomes 9 to 12 have something to hold out."""

TRAIT_NAMES = {"q1": "q1", "q2": "q2", "b4": "b1"}
"""Traits of the cohort that the study has, and their names in it."""

FILESETS = {
    "discovery": [DISCOVERY],
    "replication": [REPLICATION],
    "target": [f"{population}_target" for population in POPULATIONS],
    "panel": [f"{population}_panel" for population in POPULATIONS],
}
"""Samples of each file of genotypes."""

CELL_LINES = 3

ELEMENTS, ELEMENT_LENGTH = 4, 300
"""Of the reporter assay: each lies around a causal variant."""

WEIGHTS = "trained.safetensors"


def make(weights: Path, path: Path = STUDY) -> dict[str, Any]:
    """Simulate the study and write the archive that the package has.

    Parameters
    ----------
    weights : Path
        Of a network that was trained on a simulation with the same rule, such as
        ``arms/windows_x4/seed-1/member.safetensors`` of ``python -m benchmarks known-truth``.
    path : Path
        The archive.

    Returns
    -------
    dict
        Counts, as the study's page states them.
    """
    with tempfile.TemporaryDirectory() as folder:
        cohort = build(COHORT, Path(folder) / "cohort")
        members = dict(_members(cohort, Path(folder)))
        members[WEIGHTS] = weights.read_bytes()
    truth = pd.read_csv(io.BytesIO(members["truth.tsv.gz"]), sep="\t")
    counts = {
        "variants": len(truth),
        "causal": int(truth["causal"].sum()),
        "acting": {name: int((truth[f"effect_{name}"] != 0).sum()) for name in TRAIT_NAMES.values()},
        "regions": _regions_with_hits(members),
    }
    template = jinja2.Template(
        TEMPLATE.read_text(), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    people = [f"{sum(COHORT.samples[sample] for sample in samples):,}" for samples in FILESETS.values()]
    text = template.render(cohort=COHORT, counts=counts, people=people, elements=ELEMENTS)
    members["README.md"] = text.encode()
    with written_whole(path) as temporary:
        temporary.write_bytes(_archive(members))
    return counts


def _archive(members: Mapping[str, bytes]) -> bytes:
    """A tar archive in xz, of the same bytes for the same members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            entry = tarfile.TarInfo(name)
            entry.size = len(members[name])
            archive.addfile(entry, io.BytesIO(members[name]))
    return lzma.compress(stream.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def _members(cohort: Path, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Names and uncompressed contents of all files but the page and the weights."""
    for source, name in (
        (FASTA, "genome.fa"),
        (BLOCKS, BLOCKS),
        (MOTIFS, MOTIFS),
        (SILENCERS, "silencers.bed"),
    ):
        yield name, (cohort / source).read_bytes()
    covariates = pd.read_csv(cohort / COVARIATES, sep="\t")
    traits = pd.read_csv(cohort / PHENOTYPES, sep="\t")
    left_out = [name for name in traits if name[0] in "qb" and name not in TRAIT_NAMES]
    yield "covariates.tsv", _table(covariates)
    yield "phenotypes.tsv", _table(traits.drop(columns=left_out).rename(columns=TRAIT_NAMES))
    for study, sample in (("gwas", DISCOVERY), ("replication", REPLICATION)):
        for trait, name in TRAIT_NAMES.items():
            source = cohort / STATISTICS / f"{sample}.{trait}.tsv.gz"
            yield f"{study}/{name}.tsv.gz", _text(source)
            described = source.with_name(f"{source.name}-meta.yaml").read_text()
            yield f"{study}/{name}.tsv.gz-meta.yaml", described.replace(f"[{trait}]", f"[{name}]").encode()
    for source, compressed in ((CREDIBLE_SETS, True), (META, False)):
        rows = pd.read_csv(cohort / source, sep="\t", dtype=str, keep_default_na=False)
        rows = rows[rows["meta_id"].isin(TRAIT_NAMES)].replace({"meta_id": TRAIT_NAMES})
        if not compressed:
            rows = rows.replace({"trait": TRAIT_NAMES})
        yield source, _table(rows)
    for number in range(1, CELL_LINES + 1):
        name = f"E{number:03d}_GenoSTAN_nb_20_states.bed.gz"
        yield f"states/{name}", _text(cohort / STATES / name)
    yield from _genotypes(cohort / GENOTYPES, scratch)
    truth = pd.read_parquet(cohort / TRUTH)
    others = [name for name in truth if name.startswith("effect_") and name[7:] not in TRAIT_NAMES]
    others += [name for name in truth if name.startswith("af_")]
    known = truth.drop(columns=others).rename(
        columns={f"effect_{trait}": f"effect_{name}" for trait, name in TRAIT_NAMES.items()}
    )
    yield "variants.vcf.gz", _text(cohort / VARIANTS)
    yield "truth.tsv.gz", _table(known.round(6))
    labels = known[["chrom", "pos", "ref", "alt"]].assign(
        label=known["causal"].astype(int), locus=known["locus"] + 1
    )
    yield "labels.tsv", _table(labels)
    yield "known_effects.txt.gz", _scoring_file(known)
    yield "genes.gtf.gz", _genes()
    yield "mpra.tsv.gz", _assay(known, Genome(cohort / FASTA))


def _genotypes(source: Path, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """PLINK 1 filesets, the samples of each one behind the other."""
    for name, samples in FILESETS.items():
        beds = [open_bed(source / f"{sample}.bed") for sample in samples]
        properties = {
            **{
                key: beds[0].properties[key]
                for key in ("chromosome", "sid", "bp_position", "allele_1", "allele_2")
            },
            **{key: np.concatenate([bed.properties[key] for bed in beds]) for key in ("fid", "iid", "sex")},
        }
        path = scratch / f"{name}.bed"
        to_bed(path, np.concatenate([bed.read(dtype="int8") for bed in beds]), properties=properties)
        for suffix in (".bed", ".bim", ".fam"):
            yield f"genotypes/{name}{suffix}", path.with_suffix(suffix).read_bytes()


def _scoring_file(known: pd.DataFrame) -> bytes:
    """The true effects on q1 as a scoring file of the PGS Catalog."""
    acting = known[known["effect_q1"] != 0]
    rows = pd.DataFrame(
        {
            "rsID": acting["id"], "chr_name": acting["chrom"], "chr_position": acting["pos"],
            "effect_allele": acting["alt"], "other_allele": acting["ref"],
            "effect_weight": acting["effect_q1"],
        }
    )  # fmt: skip
    header = [
        "###PGS CATALOG SCORING FILE", "#format_version=2.0", "#pgs_id=NA", "#pgs_name=known_effects",
        "#trait_reported=q1", "#weight_type=beta", "#genome_build=NR", f"#variants_number={len(rows)}",
    ]  # fmt: skip
    return "\n".join([*header, ""]).encode() + _table(rows)


def _genes() -> bytes:
    """One gene with its exons in each region, where chance puts them: ``GENE1`` and so on."""
    generator = np.random.default_rng([COHORT.seed, 1])
    lines = ["#!genome-build simulated"]
    for number in range(COHORT.loci):
        contig, place = divmod(number, COHORT.loci_of_contig)
        length = int(generator.integers(4_000, 16_000))
        start = place * COHORT.length + int(generator.integers(1_000, COHORT.length - length - 1_000)) + 1
        strand = generator.choice(["+", "-"])
        inner = np.sort(
            generator.choice(np.arange(200, length - 400, 400), 2 * int(generator.integers(1, 4)), False)
        )
        exons = list(zip([0, *inner[1::2]], [*(inner[::2] + 150), length - 1], strict=True))
        names = f'gene_id "SIMG{number + 1:05d}"; gene_name "GENE{number + 1}"; gene_type "protein_coding";'
        transcript = f'{names} transcript_id "SIMT{number + 1:05d}";'
        spans = [("gene", 0, length - 1, names), ("transcript", 0, length - 1, transcript)]
        spans += [("exon", int(first), int(last), transcript) for first, last in exons]
        lines += [
            f"{contig + 1}\tsimulated\t{kind}\t{start + first}\t{start + last}\t.\t{strand}\t.\t{attributes}"
            for kind, first, last, attributes in spans
        ]
    return ("\n".join(lines) + "\n").encode()


def _assay(known: pd.DataFrame, genome: Genome) -> bytes:
    """Saturation mutagenesis of elements around causal variants, in the columns of Kircher et al.

    The effect of a substitution is its change of affinity where the rule makes it causal, and noise whose
    deviation is the smaller the more barcodes it has.
    """
    generator = np.random.default_rng([COHORT.seed, 2])
    rule = Rule.of(COHORT.simulation)
    letters = np.array(list(BASES))
    causal = known[known["causal"]].sort_values("change", key=np.abs, ascending=False)
    parts = []
    for number, row in enumerate(causal.drop_duplicates("locus").head(ELEMENTS).itertuples(), start=1):
        begin = (int(row.locus) % COHORT.loci_of_contig) * COHORT.length
        text = genome.fetch(str(row.chrom), begin, begin + COHORT.length).tobytes().decode()
        sequence = np.array([BASES.index(base) for base in text], dtype=np.uint8)
        first = int(row.pos) - 1 - begin - ELEMENT_LENGTH // 2
        positions = np.arange(first, first + ELEMENT_LENGTH)
        judged = rule.judge(windows_at(sequence, positions), REACH)
        at, to = np.nonzero(np.arange(len(BASES)) != sequence[positions][:, None])
        effect = np.where(judged.causal, judged.change, 0.0)[at, to]
        barcodes = generator.integers(5, 60, at.size)
        error = 0.6 / np.sqrt(barcodes)
        measured = effect + error * generator.standard_normal(at.size)
        parts.append(
            pd.DataFrame(
                {
                    "Chromosome": row.chrom, "Position": begin + positions[at] + 1,
                    "Ref": letters[sequence[positions[at]]], "Alt": letters[to],
                    "Tags": barcodes, "Value": measured.round(2),
                    "P-Value": [f"{p:.2g}" for p in 2 * norm.sf(np.abs(measured / error))],
                    "Element": f"element{number}",
                }
            )
        )  # fmt: skip
    return _table(pd.concat(parts))


def _regions_with_hits(members: Mapping[str, bytes]) -> dict[str, int]:
    rows = pd.read_csv(io.BytesIO(members[CREDIBLE_SETS]), sep="\t")
    return {
        name: int(rows.loc[rows["meta_id"] == name, "block_id"].nunique()) for name in TRAIT_NAMES.values()
    }


def _text(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def _table(table: pd.DataFrame) -> bytes:
    return table.to_csv(sep="\t", index=False).encode()
