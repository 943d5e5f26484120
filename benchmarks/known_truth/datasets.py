"""Data sets of a simulation: those of the training commands, and those that controls change."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.known_truth.arms import DataName
from benchmarks.known_truth.simulate import (
    CREDIBLE_SETS,
    FASTA,
    MANIFEST,
    MASKED_FASTA,
    REFERENCE_CREDIBLE_SETS,
    TRUTH,
    VARIANTS,
    held_out,
)
from benchmarks.known_truth.sizes import Simulation
from benchmarks.known_truth.steps import BenchmarkError, once, run_module
from mifm_kipoi.support.files import sha256_of
from training.data.dataset import DataSet, Split, read_dataset, write_dataset


def fasta_of(name: DataName, simulated: Path) -> Path:
    """The genome that a data set was made with."""
    return simulated / (MASKED_FASTA if name == "masked" else FASTA)


def make_dataset(name: DataName, simulation: Simulation, simulated: Path, recipe: Path, out: Path) -> Path:
    """Make a data set, once.

    Parameters
    ----------
    name : str
        See :class:`benchmarks.known_truth.arms.Arm`.
    simulation : Simulation
        Its seed, sizes and fractions.
    simulated : Path
        Folder of its files.
    recipe : Path
        Of all arms; its section ``data`` says what does not depend on the simulation.
    out : Path
        Gets ``data/NAME``.

    Returns
    -------
    Path
        The folder of the data set.
    """
    folder = out / "data" / name
    if name in ("every_member", "shuffled"):
        source = make_dataset("main", simulation, simulated, recipe, out)
        change = every_member if name == "every_member" else shuffled
        made_of = {"source": sha256_of(source / "manifest.json"), "change": name}
        once(folder, made_of, lambda: write_dataset(folder, change(read_dataset(source))))
        return folder
    table = simulated / (REFERENCE_CREDIBLE_SETS if name == "reference_ld" else CREDIBLE_SETS)
    parts = held_out(simulation)
    settings = [
        f"fasta={fasta_of(name, simulated)}",
        f"data.credible_sets.path={table}",
        f"data.negatives.vcf=[{simulated / VARIANTS}]",
        *(f"data.splits.{part}={json.dumps(contigs)}" for part, contigs in parts.items()),
    ]
    made_of = {"simulation": sha256_of(simulated / MANIFEST), "name": name, "recipe": recipe.read_text()}
    arguments = ["data", "--config", recipe, "--out", folder, "--set", *settings]
    once(folder, made_of, lambda: run_module("training", arguments, folder / "command.log"))
    return folder


def every_member(dataset: DataSet) -> DataSet:
    """Each member of a positive training or validation bag as a positive bag of its own."""
    bags, instances = dataset.bags, dataset.instances
    alone = (bags["label"].to_numpy() == 1) & (bags["split"].to_numpy() != Split.TEST.value)
    times = np.where(alone, bags["size"], 1)
    apart = alone[instances["bag"].to_numpy()]
    more = bags.loc[bags.index.repeat(times)].reset_index(drop=True)
    first = np.cumsum(times) - times
    numbers = first[instances["bag"].to_numpy()]
    within = instances.groupby("bag").cumcount().to_numpy()
    return DataSet.of_united(
        more.assign(bag=np.arange(len(more)), size=np.where(np.repeat(alone, times), 1, more["size"])),
        instances.assign(bag=np.where(apart, numbers + within, numbers)),
        dataset.manifest,
    )


def shuffled(dataset: DataSet, seed: int = 1) -> DataSet:
    """The variants of training and validation bags, permuted within their split.

    Sizes and labels of bags, and the statistics of their rows, stay; which variant has them is random.
    """
    instances = dataset.instances
    split = dataset.bags["split"].to_numpy()[instances["bag"].to_numpy()]
    rows = np.arange(len(instances))
    generator = np.random.default_rng(seed)
    for part in (Split.TRAIN.value, Split.VALIDATION.value):
        rows[split == part] = generator.permutation(rows[split == part])
    variant = ["chrom", "pos", "ref", "alt", "id"]
    permuted = instances[variant].iloc[rows].reset_index(drop=True)
    return dataclasses.replace(
        dataset, instances=instances.assign(**{name: permuted[name] for name in variant})
    )


def held_out_variants(dataset: Path, simulated: Path) -> pd.DataFrame:
    """The variants of positive validation and test bags, with the truth.

    Returns
    -------
    pandas.DataFrame
        One row per variant and bag: ``split, bag, size, signal`` of the bag; the columns of its instances;
        and ``locus, genealogy, redraw, kind, causal`` of the variant.
    """
    read = read_dataset(dataset)
    bags = read.bags[(read.bags["label"] == 1) & (read.bags["split"] != Split.TRAIN.value)]
    table = read.instances.merge(bags[["bag", "split", "size", "signal", "block"]], on="bag")
    truth = pd.read_parquet(simulated / TRUTH)
    keys = ["chrom", "pos", "ref", "alt"]
    columns = [*keys, "locus", "genealogy", "redraw", "kind", "causal"]
    known = table.merge(truth[columns], on=keys, how="left", validate="many_to_one")
    if missing := int(known["locus"].isna().sum()):
        raise BenchmarkError(
            f"{missing} of {len(known)} variants of {dataset} are not in {simulated / TRUTH}"
        )
    return known


def write_held_out_vcf(table: pd.DataFrame, path: Path) -> None:
    """A VCF of the variants, each once, sorted."""
    sites = table.drop_duplicates(["chrom", "pos", "ref", "alt"])
    sites = sites.assign(contig=sites["chrom"].astype(int)).sort_values(["contig", "pos"])
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={chrom}>" for chrom in sites["chrom"].unique())]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    rows = zip(sites["chrom"], sites["pos"], sites["id"], sites["ref"], sites["alt"], strict=True)
    lines += [f"{chrom}\t{pos}\t{name}\t{ref}\t{alt}\t.\t.\t." for chrom, pos, name, ref, alt in rows]
    path.write_text("\n".join(lines) + "\n")
