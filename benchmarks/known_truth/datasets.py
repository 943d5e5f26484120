"""Data sets of a simulation: those of the training commands, and those that controls change."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.known_truth.arms import DataName
from benchmarks.known_truth.simulate import (
    CREDIBLE_SETS,
    FASTA,
    MANIFEST,
    MASKED_FASTA,
    META,
    REFERENCE_CREDIBLE_SETS,
    TRUTH,
    VARIANTS,
    held_out,
)
from benchmarks.known_truth.sizes import Simulation
from benchmarks.known_truth.sources import code_of
from benchmarks.known_truth.steps import BenchmarkError, once, run_module
from benchmarks.known_truth.streams import Stream, seeds
from mifm_kipoi.support.files import sha256_of
from training.data.dataset import DataSet, Split, read_dataset, write_dataset
from training.data.evidence import posteriors, study_weights

OTHER_TRAIT = "other_trait"
"""The kind of a variant that is causal, but not for the trait of the study."""

REAL_KINDS = (
    "causal", OTHER_TRAIT, "informative", "other_allele+gate", "other_allele", "free+gate", "free",
    "beside+gate", "beside", "absent+gate", "absent",
)  # fmt: skip
"""The kinds of variants of the design ``real``, as :func:`shown_kind` groups them."""

_CODE = (
    "training.data", "mifm_kipoi.genetics", "mifm_kipoi.genomics", "mifm_kipoi.sequence",
    "mifm_kipoi.statistics.bayes_factors", "mifm_kipoi.statistics.normal",
)  # fmt: skip
"""Packages and modules that decide what ``python -m training data`` writes, beside its recipe."""

_CERTAIN = np.log(1e6)
"""Logarithm of the Bayes factor that the truth stands for."""

_REAL_COLUMNS = ("trait_causal", "score_optimal", "score_reference", "score_masked")


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
        Its design, seed, sizes and fractions.
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

    Raises
    ------
    BenchmarkError
        When the folder holds a data set made of something else, or by other code.
    """
    folder = out / "data" / name
    if (change := _changes(simulated).get(name)) is not None:
        source = make_dataset("main", simulation, simulated, recipe, out)
        made_of = {
            "source": sha256_of(source / "manifest.json"),
            "change": name,
            "code": code_of(__name__, "training.data.dataset", "training.data.evidence"),
        }
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
    if simulation.design == "real":
        settings.append(f"data.credible_sets.meta={simulated / META}")
    if name == "single":
        settings.append("data.negatives.bags=single")
    made_of = {
        "simulation": sha256_of(simulated / MANIFEST),
        "name": name,
        "recipe": recipe.read_text(),
        "code": code_of(*_CODE),
    }
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
    split = dataset.bags["split"].to_numpy()[dataset.instances["bag"].to_numpy()]
    group = np.where(split == Split.TEST.value, -1, split == Split.TRAIN.value)
    return _permuted(dataset, group, seeds(seed, Stream.SHUFFLED))


def dealt(dataset: DataSet, seed: int = 1) -> DataSet:
    """The variants of each positive training or validation bag, permuted within the bag.

    Each variant has the evidence of another one of its bag, and the same one in all studies: the Bayes
    factors of a study, the rows that studies have in common, and so the weights of studies stay as they are.
    Permuting each study by itself would make studies of one signal contradict each other, which real ones
    do not. Bags keep their variants, so that what can be learnt is which bags are positive.
    """
    bag = dataset.instances["bag"].to_numpy()
    bags = dataset.bags
    dealt_bags = (bags["label"].to_numpy() == 1) & (bags["split"].to_numpy() != Split.TEST.value)
    return _permuted(dataset, np.where(dealt_bags[bag], bag, -1), seeds(seed, Stream.DEALT))


def _permuted(dataset: DataSet, group: npt.NDArray[np.int64], seed: np.random.SeedSequence) -> DataSet:
    """The variants of rows, permuted within groups; those of the group -1 stay."""
    moved = np.flatnonzero(group >= 0)
    keys = np.random.default_rng(seed).random(moved.size)
    rows = np.arange(len(group))
    rows[moved[np.argsort(group[moved], kind="stable")]] = moved[np.lexsort((keys, group[moved]))]
    variant = ["chrom", "pos", "ref", "alt", "id"]
    permuted = dataset.instances[variant].iloc[rows].reset_index(drop=True)
    instances = dataset.instances.assign(**{name: permuted[name] for name in variant})
    return dataclasses.replace(dataset, instances=instances)


def fewer(dataset: DataSet, parts: int, seed: int = 1) -> DataSet:
    """One of so many parts of the training blocks, with their fraction of the negative training bags."""
    bags, generator = dataset.bags, np.random.default_rng(seeds(seed, Stream.FEWER))
    trained = (bags["split"] == Split.TRAIN.value).to_numpy()
    left = ~trained
    for label in (0, 1):
        own = trained & (bags["label"] == label).to_numpy()
        blocks = np.sort(bags["block"][own].unique()) if label else bags["bag"][own].to_numpy()
        kept = generator.permutation(blocks)[: max(1, len(blocks) // parts)]
        left |= own & bags["block" if label else "bag"].isin(kept).to_numpy()
    return dataset.of_instances(left[dataset.instances["bag"].to_numpy()])


def merged_negatives(dataset: DataSet, seed: int = 1) -> DataSet:
    """Negative bags of the sizes of united positive bags, in place of those of the sizes of studies' sets.

    For each positive bag, negative bags of its split are merged in a random order until they have as many
    variants, each once; the last is cut. A variant may come in several of the bags made so.
    """
    bag = dataset.instances["bag"].to_numpy()
    positive = dataset.bags["label"].to_numpy() == 1
    left = dataset.of_instances(positive[bag])
    variant = pd.MultiIndex.from_frame(dataset.instances[["chrom", "pos", "ref", "alt"]]).factorize()[0]
    by_bag = dataset.instances.groupby("bag").indices
    generator = np.random.default_rng(seeds(seed, Stream.MERGED))
    bags, rows, numbers = [], [], []
    for split, own in left.bags.groupby("split", sort=False):
        known = dataset.bags[~positive & (dataset.bags["split"] == split).to_numpy()]
        for size in own["size"]:
            merged: dict[int, int] = {}
            for number in generator.permutation(known["bag"].to_numpy()):
                for row in by_bag[number]:
                    merged.setdefault(variant[row], row)
                if len(merged) >= size:
                    break
            chosen = list(merged.values())[:size]
            number = len(left.bags) + len(bags)
            rows += chosen
            numbers += [number] * len(chosen)
            bags.append({**known.iloc[0], "bag": number, "block": f"merged {number}", "size": len(chosen)})
    instances = dataset.instances.iloc[rows].assign(bag=numbers)
    return dataclasses.replace(
        left,
        bags=pd.concat([left.bags, pd.DataFrame(bags)], ignore_index=True).astype(left.bags.dtypes.to_dict()),
        instances=pd.concat([left.instances, instances], ignore_index=True),
    )


def labelled(dataset: DataSet, simulated: Path) -> DataSet:
    """The evidence of training and validation bags is the truth: which variants are causal.

    Of each study the variants that are causal for its trait have Bayes factors of 1e6 and PIPs that are
    equal and sum to 1; the others have Bayes factors of 1 and PIPs of 0. Instances have the highest of both
    over studies. Studies without a causal variant among their rows are left out, and so are variants and
    positive bags that no other study has. Weights of studies follow from their new posteriors; p-values and
    z stay, and so do negative bags and those of the test split.

    Parameters
    ----------
    dataset : DataSet
        As the training commands made it.
    simulated : Path
        Folder of its simulation.
    """
    bag_of_study = dataset.studies["bag"].to_numpy()
    in_test = (dataset.bags["split"] == Split.TEST.value).to_numpy()
    study, instance = (dataset.evidence[name].to_numpy() for name in ("study", "instance"))
    causal = _causal_rows(dataset, simulated)
    counts = np.bincount(study, weights=causal, minlength=len(dataset.studies))
    stays = ((counts > 0) | in_test[bag_of_study])[study]
    kept = (dataset.bags["label"] == 0).to_numpy()[dataset.instances["bag"].to_numpy()]
    kept[instance[stays]] = True
    # Where another study has the variant, rows of a study that is to be left out are there still.
    left = _of_studies(dataset.of_instances(kept), stays[kept[instance]])
    return _with_labels(left, causal[stays], counts[study[stays]])


def _causal_rows(dataset: DataSet, simulated: Path) -> npt.NDArray[np.bool_]:
    """Whether the variant of each row of the evidence is causal for the trait of the study."""
    traits = _described(dataset.studies, simulated)["trait"].to_numpy()
    variants = dataset.instances[["chrom", "pos", "ref", "alt"]].iloc[dataset.evidence["instance"]]
    rows = variants.reset_index(drop=True).assign(trait=traits[dataset.evidence["study"]])
    causal: npt.NDArray[np.bool_] = _with_truth(rows, simulated / TRUTH)["causal"].to_numpy(bool)
    return causal


def _of_studies(dataset: DataSet, kept: npt.NDArray[np.bool_]) -> DataSet:
    """The data set with the studies of some rows of the evidence; each positive bag keeps one at least."""
    evidence = dataset.evidence[kept].reset_index(drop=True)
    numbers, study = np.unique(evidence["study"], return_inverse=True)
    studies = dataset.studies.iloc[numbers].reset_index(drop=True)
    of_bags = np.bincount(studies["bag"], minlength=len(dataset.bags))
    return dataclasses.replace(
        dataset,
        bags=dataset.bags.assign(studies=of_bags),
        studies=studies,
        evidence=evidence.assign(study=study),
    )


def _with_labels(dataset: DataSet, causal: npt.NDArray[np.bool_], counts: npt.NDArray[np.float64]) -> DataSet:
    """Evidence that says which of its rows are causal, and how many of their study; not of test bags."""
    evidence, studies, instances = dataset.evidence, dataset.studies, dataset.instances
    in_test = (dataset.bags["split"] == Split.TEST.value).to_numpy()[studies["bag"].to_numpy()]
    study, instance = (evidence[name].to_numpy() for name in ("study", "instance"))
    given = in_test[study]
    log_bf = np.where(given, evidence["log_bf"], np.where(causal, _CERTAIN, 0)).astype(np.float32)
    with np.errstate(divide="ignore"):
        pip = np.where(given, evidence["pip"], np.where(causal, 1 / counts, 0)).astype(np.float32)
    weight = study_weights(study, instance, posteriors(study, log_bf, pip))
    changed = {}
    for name, values in (("log_bf", log_bf), ("pip", pip)):
        highest = instances[name].to_numpy(copy=True)
        own = instance[~given]
        highest[own] = -np.inf
        np.maximum.at(highest, own, values[~given])
        changed[name] = highest
    return dataclasses.replace(
        dataset,
        instances=instances.assign(**changed),
        studies=studies.assign(weight=np.where(in_test, studies["weight"], weight).astype(np.float32)),
        evidence=evidence.assign(log_bf=log_bf, pip=pip),
    )


def _changes(simulated: Path) -> Mapping[DataName, Callable[[DataSet], DataSet]]:
    """Data sets that are made of ``main``, and how."""
    return {
        "every_member": every_member,
        "shuffled": shuffled,
        "dealt": dealt,
        "half": functools.partial(fewer, parts=2),
        "quarter": functools.partial(fewer, parts=4),
        "united": merged_negatives,
        "labelled": functools.partial(labelled, simulated=simulated),
    }


def held_out_variants(dataset: Path, simulated: Path, smallest: int = 2) -> pd.DataFrame:
    """The variants of positive validation and test bags as single studies see them, with the truth.

    Of the studies of a bag that measure one trait the largest stands for all, so that a signal which ten
    studies see counts once. Where the design has one study, its bags are those of the data set.

    Parameters
    ----------
    dataset, simulated : Path
        Folders of a data set and of its simulation.
    smallest : int
        Fewest variants of the largest study for a bag to be listed; a single variant leaves nothing to rank.

    Returns
    -------
    pandas.DataFrame
        One row per study and variant. ``bag`` numbers the studies from 0: the rows of one study at one
        signal, which are ranked against each other; ``united`` is the bag of the data set, ``instance`` the
        row of its instances, ``study, trait, population, size`` the study, its trait, CAUSALdb's name of its
        population and its variants, ``studies`` the number of studies of this trait in the bag; ``split,
        signal, block`` of the bag; ``chrom, pos, ref, alt, id, z, log_bf, pip`` of the variant in the study;
        ``locus, genealogy, redraw, kind, causal`` and, in the design ``real``, ``score_optimal,
        score_reference, score_masked`` of the variant. ``causal`` is for the trait of the study; the kind of
        a variant that is causal for another trait is ``other_trait``.
    """
    read = read_dataset(dataset)
    bags = read.bags[(read.bags["label"] == 1) & (read.bags["split"] != Split.TRAIN.value)]
    studies = read.studies.reset_index(names="row").merge(bags[["bag", "split", "signal", "block"]], on="bag")
    studies = _described(studies, simulated)
    studies["studies"] = studies.groupby(["bag", "trait"])["row"].transform("size")
    ordered = studies.sort_values(["bag", "trait", "sample_size", "row"], ascending=[True, True, False, True])
    chosen = ordered.drop_duplicates(["bag", "trait"])
    chosen = chosen[chosen["size"] >= smallest].rename(columns={"bag": "united"})
    chosen = chosen.assign(bag=np.arange(len(chosen))).drop(columns=["weight", "sample_size"])
    rows = read.evidence.rename(columns={"study": "row"})[["row", "instance", "z", "log_bf", "pip"]]
    table = chosen.merge(rows, on="row").drop(columns="row")
    variant = ["chrom", "pos", "ref", "alt", "id"]
    table = pd.concat([table, read.instances[variant].iloc[table["instance"]].reset_index(drop=True)], axis=1)
    return _with_truth(table, simulated / TRUTH)


def _with_truth(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    truth = pd.read_parquet(path)
    keys = ["chrom", "pos", "ref", "alt"]
    real = "trait_causal" in truth
    columns = ["locus", "genealogy", "redraw", "kind", "causal", *(_REAL_COLUMNS if real else ())]
    known = table.merge(truth[[*keys, *columns]], on=keys, how="left", validate="many_to_one")
    if missing := int(known["locus"].isna().sum()):
        raise BenchmarkError(f"{missing} of {len(known)} variants of the data set are not in {path}")
    if real:
        bit = known["trait"].str.removeprefix("trait_").to_numpy(np.int64) - 1
        own = known["causal"] & ((known["trait_causal"].to_numpy(np.int64) >> bit) & 1 == 1)
        known["kind"] = np.where(known["causal"] & ~own, OTHER_TRAIT, known["kind"].map(shown_kind))
        known["causal"] = own
        known = known.drop(columns="trait_causal")
    return known


def shown_kind(kind: str) -> str:
    """The kind of a variant of the design ``real`` as tables group it.

    Of what is planted where, whether the gate is open is kept: the co-factor is there, the repressor is not.
    """
    place, *gates = kind.split("+")
    return f"{place}+gate" if gates == ["cofactor"] else place


def _described(studies: pd.DataFrame, simulated: Path) -> pd.DataFrame:
    """Studies of a data set with their trait, size and population."""
    known = _meta(simulated)
    unknown = {"trait": studies["study"], "sample_size": 0, "population": "EUR"}
    described = studies.assign(
        **{name: studies["study"].map(known[name]) if len(known) else unknown[name] for name in unknown}
    )
    if missing := int(described["trait"].isna().sum()):
        raise BenchmarkError(f"{missing} studies of the data set are not in {simulated / META}")
    return described


def _meta(simulated: Path) -> pd.DataFrame:
    """Trait, size and population of each study, by its name; no rows where the design has one study."""
    names = ["trait", "sample_size", "population"]
    path = simulated / META
    if not path.is_file():
        return pd.DataFrame(columns=names)
    table = pd.read_csv(path, sep="\t", dtype={"meta_id": str, "trait": str}, keep_default_na=False)
    return table.set_index("meta_id").rename(columns={"popu": "population"})[names]


def write_held_out_vcf(table: pd.DataFrame, path: Path) -> None:
    """A VCF of the variants, each once, sorted."""
    sites = table.drop_duplicates(["chrom", "pos", "ref", "alt"])
    sites = sites.assign(contig=sites["chrom"].astype(int)).sort_values(["contig", "pos"])
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={chrom}>" for chrom in sites["chrom"].unique())]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    rows = zip(sites["chrom"], sites["pos"], sites["id"], sites["ref"], sites["alt"], strict=True)
    lines += [f"{chrom}\t{pos}\t{name}\t{ref}\t{alt}\t.\t.\t." for chrom, pos, name, ref, alt in rows]
    path.write_text("\n".join(lines) + "\n")
