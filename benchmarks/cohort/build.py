"""Make a cohort, once, and write its files."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.cohort import files
from benchmarks.cohort.components import components, independent
from benchmarks.cohort.credible_sets import Hit, credible_set_rows, is_hit, meta_table
from benchmarks.cohort.effects import Effects, add, base_effect, draw_effects
from benchmarks.cohort.gwas import COMPONENT_COLUMNS, SampleGwas
from benchmarks.cohort.parts import Parts
from benchmarks.cohort.phenotypes import HEADER, Architecture, covariates, phenotypes
from benchmarks.cohort.readme import TEMPLATE, readme
from benchmarks.cohort.sizes import DISCOVERY, REPLICATION, TRAITS, Cohort
from benchmarks.known_truth import motifs, silencers
from benchmarks.known_truth.sources import code_of
from benchmarks.known_truth.states import write_states
from benchmarks.known_truth.steps import BenchmarkError
from mifm_kipoi.support.files import sha256_of
from mifm_kipoi.support.provenance import differences

MANIFEST = "cohort.json"
"""What made the files; written last, so that a folder with it is complete."""

README = "README.md"
FASTA, VARIANTS, MOTIFS, BLOCKS = "genome.fa", "variants.vcf.gz", "motifs.meme", "ld_blocks.txt"
GENOTYPES, STATISTICS = "genotypes", "summary_statistics"
PHENOTYPES, COVARIATES = "phenotypes.tsv", "covariates.tsv"
CREDIBLE_SETS, META = "credible_sets.txt.gz", "meta.txt"
STATES, SILENCERS = "states", "silencers/Homo_sapiens.bed"
TRUTH, HIDDEN, GENETIC_VALUES = "truth/variants.parquet", "truth/hidden.tsv", "truth/genetic_values.tsv.gz"
CELL_LINES = 8

_CODE = (
    "benchmarks.cohort",
    *(
        f"benchmarks.known_truth.{name}" for name in (
            "affinity", "factorial", "files", "genealogies", "gwas", "loci", "metrics", "motifs", "rule",
            "sequences", "silencers", "sizes", "states", "streams", "studies", "study_loci", "susie",
        )
    ),
    *(
        f"mifm_kipoi.{name}" for name in (
            "association.models", "association.scan", "conventions", "finemapping.groups",
            "finemapping.prior", "finemapping.susie", "genetics.gwas_ssf", "sequence.encoding",
            "statistics.bayes_factors", "statistics.single_effects",
        )
    ),
)  # fmt: skip
"""Modules that the files of a cohort depend on."""


def build(cohort: Cohort, out: Path, jobs: int = 1) -> Path:
    """Make a cohort in a folder, unless it is there.

    An interrupted run is continued: loci that were drawn are kept in ``OUT.partial``.

    Parameters
    ----------
    cohort : Cohort
        All settings.
    out : Path
        The folder; see the ``README.md`` in it.
    jobs : int
        Processes.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    BenchmarkError
        When the folder holds anything else, also a cohort of other settings or made by other code.
    """
    identity = json.loads(json.dumps(_identity(cohort)))
    if (out / MANIFEST).exists():
        known = json.loads((out / MANIFEST).read_text())
        changes = differences({name: known.get(name) for name in identity}, identity)
        if changes:
            raise BenchmarkError(
                f"{out} holds another cohort: {'; '.join(changes[:5])}; name another --out, or remove it"
            )
        logging.info("the cohort is in %s already", out)
        return out
    if out.exists() and any(out.iterdir()):
        raise BenchmarkError(f"{out} holds other files; name an empty or a new folder")
    growing = out.with_name(f"{out.name}.partial")
    begun = growing / MANIFEST
    if not begun.exists() or json.loads(begun.read_text()) != identity:
        shutil.rmtree(growing, ignore_errors=True)
        growing.mkdir(parents=True)
        begun.write_text(json.dumps(identity))
    started = time.perf_counter()
    parts = Parts(cohort, growing / "loci")
    parts.draw(jobs)
    logging.info("drew %d loci in %.0f s", cohort.loci, time.perf_counter() - started)
    folder = growing / "files"
    shutil.rmtree(folder, ignore_errors=True)
    counts = _write(cohort, parts, folder, jobs)
    made = {
        str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
    (folder / MANIFEST).write_text(
        json.dumps({**identity, "counts": counts, "sha256": made}, indent=1) + "\n"
    )
    folder.replace(out)
    shutil.rmtree(growing)
    logging.info("the cohort is in %s, made in %.0f s", out, time.perf_counter() - started)
    return out


def _identity(cohort: Cohort) -> dict[str, Any]:
    packages = {name: version(name) for name in ("msprime", "numpy", "scipy")}
    return {
        "cohort": dataclasses.asdict(cohort),
        "packages": packages,
        "code": code_of(*_CODE),
        "readme": sha256_of(TEMPLATE),
    }


def _write(cohort: Cohort, parts: Parts, folder: Path, jobs: int) -> dict[str, Any]:
    """All files but the manifest; gives counts."""
    for name in (GENOTYPES, STATISTICS, "truth"):
        (folder / name).mkdir(parents=True)
    people = covariates(cohort)
    base = base_effect(parts.changes(), cohort)
    truths, hidden, twins = [], [], 0
    effects: list[Effects] = []
    genetic = {name: np.zeros((len(TRAITS), size)) for name, size in cohort.samples.items()}
    chosen: dict[str, list[npt.NDArray[np.uint8]]] = {name: [] for name in cohort.samples}
    axes_of = [name for name in cohort.samples if name.endswith("_target")]
    with files.SequenceFile(folder / FASTA, cohort) as fasta:
        for locus in parts:
            effects.append(draw_effects(cohort, locus, base))
            truths.append(files.truth_table(cohort, locus, effects[-1]))
            if locus.driver:
                hidden.append(files.hidden_row(locus, effects[-1]))
            add(genetic, effects[-1].genetic_values(locus))
            for name, sites in chosen.items():
                sites.append(locus.dosages[name][independent(locus.dosages[axes_of[0]])])
            twins += locus.twins
            fasta.write(locus)
    truth = pd.concat(truths, ignore_index=True)
    together = {name: np.concatenate(sites) for name, sites in chosen.items()}
    axes = components(together, axes_of)
    of_people = np.concatenate([axes[name] for name in cohort.samples])
    people[COMPONENT_COLUMNS] = np.round(of_people, 6)
    traits, architecture = phenotypes(cohort, people, genetic)
    files.write_table(folder / COVARIATES, people)
    files.write_table(folder / PHENOTYPES, traits)
    truth.to_parquet(folder / TRUTH, index=False)
    columns = ["locus", *(name for name in truth if str(name).startswith(("effect_", "af_")))]
    files.write_table(folder / HIDDEN, pd.DataFrame(hidden, columns=columns))
    values = np.concatenate([genetic[name] for name in cohort.samples], axis=1)
    of_traits = {trait.name: np.round(each, 6) for trait, each in zip(TRAITS, values, strict=True)}
    files.write_table(folder / GENETIC_VALUES, people[HEADER].assign(**of_traits))
    files.write_vcf(folder / VARIANTS, cohort, truth)
    files.write_blocks(folder / BLOCKS, cohort)
    (folder / MOTIFS).write_text(motifs.meme(motifs.draw_motifs(cohort.rule)))
    lengths = {str(contig + 1): cohort.contig_length for contig in range(cohort.contigs)}
    write_states(truth, folder / STATES, cohort.seed, lengths, CELL_LINES)
    silencers.write_silencers(truth, folder / SILENCERS, cohort.seed, cohort.contig_length)
    hits = _associate(cohort, parts, folder, people, traits, truth)
    files.write_table(folder / CREDIBLE_SETS, credible_set_rows(hits, jobs))
    counts = _counts(truth, twins, architecture, hits, len(hidden), together[DISCOVERY].shape[0])
    (folder / README).write_text(readme(cohort, counts, CELL_LINES, silencers.ODDS_RATIO))
    return counts


def _associate(
    cohort: Cohort,
    parts: Parts,
    folder: Path,
    people: pd.DataFrame,
    traits: pd.DataFrame,
    truth: pd.DataFrame,
) -> list[Hit]:
    """Write genotypes and the GWAS of both samples; gives the hits of the discovery sample."""
    discovery, replication = (SampleGwas(name, people, traits) for name in (DISCOVERY, REPLICATION))
    files.write_table(folder / META, meta_table(discovery.size, discovery.cases))
    by_locus = dict(iter(truth.groupby("locus")))
    hits = []
    with files.genotype_files(folder / GENOTYPES, truth, people) as beds:
        for locus in parts:
            files.write_genotypes(beds, locus)
            variants = by_locus[locus.number]
            replication.add(variants, locus.dosages[REPLICATION])
            found = discovery.add(variants, locus.dosages[DISCOVERY])
            significant = [trait for trait in TRAITS if is_hit(found[trait.name])]
            if not significant:
                continue
            ld = files.standardised_ld(locus.dosages[DISCOVERY])
            frequency = locus.dosages[DISCOVERY].mean(axis=1) / 2
            hits += [
                Hit(
                    trait, locus.number, variants, frequency, found[trait.name], ld, discovery.size,
                    discovery.variance[trait.name], cohort.effects,
                )
                for trait in significant
            ]  # fmt: skip
    discovery.write(folder / STATISTICS)
    replication.write(folder / STATISTICS)
    return sorted(hits, key=lambda hit: (TRAITS.index(hit.trait), hit.locus))


def _counts(
    truth: pd.DataFrame,
    twins: int,
    architecture: Architecture,
    hits: list[Hit],
    hidden: int,
    independent_variants: int,
) -> dict[str, Any]:
    return {
        "variants": len(truth),
        "variants_left_out_as_twins": twins,
        "causal_variants": int(truth["causal"].sum()),
        "loci_with_a_hidden_causal_variant": hidden,
        "variants_of_components": independent_variants,
        "traits": {
            trait.name: {
                "heritability": round(float(heritability), 4),
                "causal_variants": int((truth[f"effect_{trait.name}"] != 0).sum()),
                "loci_with_hits": sum(hit.trait == trait for hit in hits),
                **({"prevalence": prevalence} if prevalence else {}),
            }
            for trait, heritability, prevalence in zip(
                TRAITS, architecture.heritability, architecture.prevalence, strict=True
            )
        },
    }
