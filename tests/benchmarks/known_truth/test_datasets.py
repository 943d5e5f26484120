"""Data sets that controls change, the variants that are looked at, and how data sets are made."""

import collections
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from benchmarks.known_truth import datasets
from benchmarks.known_truth.arms import DataName
from benchmarks.known_truth.datasets import (
    dealt,
    every_member,
    fewer,
    held_out_variants,
    labelled,
    make_dataset,
    merged_negatives,
    shown_kind,
    shuffled,
    write_held_out_vcf,
)
from benchmarks.known_truth.simulate import MANIFEST, META, TRUTH
from benchmarks.known_truth.sizes import Simulation
from benchmarks.known_truth.steps import BenchmarkError
from mifm_kipoi import read_variants
from tests.training import bag_tables as bags
from tests.training.bag_tables import Variant
from training.configuration import read_configuration
from training.data.dataset import BAG_COLUMNS, INSTANCE_COLUMNS, DataSet, read_dataset, write_dataset
from training.data.splits import assign_splits
from training.recipe import Recipe

PLACES = ["chrom", "pos", "ref", "alt", "id"]
STATISTICS = ["bag", "p_value", "z", "pip", "log_bf"]


def variants(chrom: str, first: int, count: int) -> list[Variant]:
    return [(chrom, first + 10 * number, "ACGT"[number % 4], "CGTA"[number % 4]) for number in range(count)]


def build() -> DataSet:
    """Bags of each split and label; a variant of one contig is in two bags of training."""
    made = bags.make_dataset(
        [
            (1, "train", variants("1", 1000, 6)),
            (0, "train", variants("1", 5000, 1)),
            (1, "test", variants("10", 1000, 4)),
            (1, "train", variants("1", 1030, 5)),
            (0, "test", variants("10", 5000, 1)),
            (1, "validation", variants("9", 1000, 3)),
            (0, "validation", variants("9", 5000, 2)),
            (1, "test", variants("2", 7000, 2)),
            (1, "validation", variants("9", 3000, 1)),
        ]
    )
    names = ("v" + made.instances["chrom"] + "_" + made.instances["pos"].astype(str)).tolist()
    generator = np.random.default_rng(1)
    numbers = {name: generator.normal(size=len(names)).astype("float32") for name in ("z", "pip", "log_bf")}
    return DataSet.of_united(made.bags, made.instances.assign(id=names, **numbers), made.manifest)


@pytest.fixture
def dataset() -> DataSet:
    return build()


def check_types(found: DataSet) -> None:
    """A data set says itself whether columns and sizes are right; types it leaves to its makers."""
    for table, columns in ((found.bags, BAG_COLUMNS), (found.instances, INSTANCE_COLUMNS)):
        assert {name: str(kind) for name, kind in table.dtypes.items()} == columns


def splits_of(found: DataSet) -> pd.Series:
    return found.bags["split"].iloc[found.instances["bag"].to_numpy()].reset_index(drop=True)


def multiset(table: pd.DataFrame) -> collections.Counter[tuple[object, ...]]:
    return collections.Counter(table[PLACES].itertuples(index=False, name=None))


def test_each_member_has_a_bag_of_its_own(dataset: DataSet) -> None:
    found = every_member(dataset)
    check_types(found)
    expected = []
    for bag in dataset.bags.itertuples():
        alone = bag.label == 1 and bag.split != "test"
        sizes = [1] * bag.size if alone else [bag.size]
        expected += [(bag.block, bag.signal, bag.label, bag.split, bag.chrom, size) for size in sizes]
    columns = ["block", "signal", "label", "split", "chrom", "size"]
    assert list(found.bags[columns].itertuples(index=False, name=None)) == expected
    assert found.bags["size"].tolist() == [*[1] * 7, 4, *[1] * 5, 1, *[1] * 3, 2, 2, 1]
    assert found.manifest == dataset.manifest


def test_members_stay_in_their_order(dataset: DataSet) -> None:
    found = every_member(dataset)
    rest = [name for name in INSTANCE_COLUMNS if name != "bag"]
    pd.testing.assert_frame_equal(found.instances[rest], dataset.instances[rest])
    assert splits_of(found).tolist() == splits_of(dataset).tolist()
    for part in ("train", "validation"):
        positive = found.bags[(found.bags["label"] == 1) & (found.bags["split"] == part)]
        assert (positive["size"] == 1).all()


def test_test_bags_stay_whole(dataset: DataSet) -> None:
    for found in (every_member(dataset), shuffled(dataset)):
        test, usual = (one.bags[one.bags["split"] == "test"] for one in (found, dataset))
        rest = [name for name in BAG_COLUMNS if name != "bag"]
        pd.testing.assert_frame_equal(test[rest].reset_index(drop=True), usual[rest].reset_index(drop=True))
        for one, other in zip(test["bag"], usual["bag"], strict=True):
            mine = found.instances[found.instances["bag"] == one].drop(columns="bag")
            theirs = dataset.instances[dataset.instances["bag"] == other].drop(columns="bag")
            pd.testing.assert_frame_equal(mine.reset_index(drop=True), theirs.reset_index(drop=True))


def test_dealing_keeps_the_variants_of_each_split(dataset: DataSet) -> None:
    found = shuffled(dataset)
    check_types(found)
    pd.testing.assert_frame_equal(found.bags, dataset.bags)
    pd.testing.assert_frame_equal(found.instances[STATISTICS], dataset.instances[STATISTICS])
    split = splits_of(dataset)
    for part in ("train", "validation", "test"):
        assert multiset(found.instances[split == part]) == multiset(dataset.instances[split == part])
    assert found.manifest == dataset.manifest


def test_dealing_moves_most_variants_and_the_seed_decides(dataset: DataSet) -> None:
    first, again, other = (shuffled(dataset, seed).instances for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    assert (first["id"] != dataset.instances["id"]).mean() > 0.4
    assert (first["id"].str[1:] == first["chrom"] + "_" + first["pos"].astype(str)).all()


def test_every_place_is_as_likely(dataset: DataSet) -> None:
    """The first variant of training, over seeds: twelve places."""
    rows = splits_of(dataset) == "train"
    names = [shuffled(dataset, seed).instances["id"][rows].tolist() for seed in range(360)]
    counts = np.bincount([one.index("v1_1000") for one in names], minlength=12)
    assert counts.size == 12
    assert ((counts - 30) ** 2 / 30).sum() < 31.3  # 99.9 % of chi-squared with 11 degrees of freedom


def test_the_given_data_set_stays(dataset: DataSet) -> None:
    every_member(dataset), shuffled(dataset)
    before = build()
    pd.testing.assert_frame_equal(dataset.bags, before.bags)
    pd.testing.assert_frame_equal(dataset.instances, before.instances)


def bag_contents(found: DataSet) -> pd.Series:
    return found.instances.groupby("bag")["id"].apply(lambda ids: tuple(sorted(ids)))


def test_evidence_is_dealt_anew_within_bags_alone(dataset: DataSet) -> None:
    found = dealt(dataset)
    check_types(found)
    for one, other in (
        (found.bags, dataset.bags), (found.studies, dataset.studies), (found.evidence, dataset.evidence),
        (found.instances[STATISTICS], dataset.instances[STATISTICS]),
        (bag_contents(found), bag_contents(dataset)),
    ):  # fmt: skip
        assert one.equals(other)
    moved = (found.instances["id"] != dataset.instances["id"]).to_numpy()
    bags = dataset.bags.loc[dataset.instances["bag"], ["label", "split"]].reset_index(drop=True)
    dealt_rows = ((bags["label"] == 1) & (bags["split"] != "test")).to_numpy()
    assert moved[dealt_rows].mean() > 0.5
    assert not moved[~dealt_rows].any()


def test_each_variant_is_as_likely_to_have_the_evidence_of_any_other(dataset: DataSet) -> None:
    """The first of six variants of a bag, over seeds."""
    names = [dealt(dataset, seed).instances["id"][:6].tolist() for seed in range(300)]
    counts = np.bincount([one.index("v1_1000") for one in names], minlength=6)
    assert ((counts - 50) ** 2 / 50).sum() < 20.5  # 99.9 % of chi-squared with 5 degrees of freedom


def test_fewer_blocks_keep_the_other_splits(dataset: DataSet) -> None:
    found = fewer(dataset, 2)
    for label, before in ((1, 2), (0, 1)):
        own, usual = (
            (one.bags["label"] == label) & (one.bags["split"] == "train") for one in (found, dataset)
        )
        assert (usual.sum(), own.sum()) == (before, max(1, before // 2))
    rest = ["block", "label", "split", "size"]
    kept, held = (one.bags[one.bags["split"] != "train"][rest] for one in (found, dataset))
    assert kept.values.tolist() == held.values.tolist()


def test_merged_negatives_have_the_sizes_of_positive_bags(dataset: DataSet) -> None:
    """Of each split; where it has too few negative variants, the bag has them all."""
    found = merged_negatives(dataset)
    check_types(found)
    for split in ("train", "validation", "test"):
        own = found.bags[found.bags["split"] == split]
        negatives = own[own["label"] == 0]
        variants_left = dataset.bags[(dataset.bags["split"] == split) & (dataset.bags["label"] == 0)]["size"]
        sizes = own["size"][own["label"] == 1].clip(upper=variants_left.sum())
        assert negatives["size"].tolist() == sizes.tolist()
        drawn = found.instances[found.instances["bag"].isin(negatives["bag"])]
        known = dataset.instances[dataset.instances["bag"].isin(variants_left.index)]
        assert set(drawn["id"]) <= set(known["id"])
        assert not drawn.duplicated(["bag", "id"]).any()
    positives = found.instances["bag"] < (found.bags["label"] == 1).sum()
    kept = dataset.instances["bag"].map(dataset.bags["label"]) == 1
    assert found.instances["id"][positives].tolist() == dataset.instances["id"][kept].tolist()


@pytest.mark.parametrize("change", [every_member, shuffled, dealt, merged_negatives])
def test_changed_data_sets_are_written_and_read(
    change: Callable[[DataSet], DataSet], dataset: DataSet, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "main", dataset)
    made = change(read_dataset(tmp_path / "main"))
    write_dataset(tmp_path / "changed", made)
    assert read_dataset(tmp_path / "changed").checksums() == change(dataset).checksums()


@pytest.fixture
def simulated(dataset: DataSet, tmp_path: Path) -> Path:
    """A folder of a simulation with the truth and nothing else; the truth has variants of no bag, too."""
    folder = tmp_path / "simulated"
    folder.mkdir()
    found = dataset.instances[PLACES].drop_duplicates().sort_values(["chrom", "pos"], ignore_index=True)
    more = found.assign(pos=found["pos"] + 1, id="none")
    truth = pd.concat([found, more], ignore_index=True)
    truth = truth.assign(
        locus=truth["pos"] // 1000, genealogy=truth["chrom"].astype(int), redraw=0,
        kind=np.where(truth["pos"] % 30 == 0, "causal", "background"), causal=truth["pos"] % 30 == 0,
        effect=0.0,
    )  # fmt: skip
    truth.to_parquet(folder / TRUTH, index=False)
    (folder / MANIFEST).write_text("{}\n")
    return folder


def test_held_out_variants_are_those_of_positive_bags(
    dataset: DataSet, simulated: Path, tmp_path: Path
) -> None:
    """Of one study, each bag is its own; the last one has a single variant."""
    write_dataset(tmp_path / "main", dataset)
    found = held_out_variants(tmp_path / "main", simulated)
    assert found["united"].tolist() == [2] * 4 + [5] * 3 + [7] * 2
    assert found["bag"].tolist() == [0] * 4 + [1] * 3 + [2] * 2
    assert found["split"].tolist() == ["test"] * 4 + ["validation"] * 3 + ["test"] * 2
    assert found["size"].tolist() == [4] * 4 + [3] * 3 + [2] * 2
    own = dataset.instances.iloc[found["instance"]].reset_index(drop=True)
    columns = [*PLACES, "z", "log_bf", "pip"]
    pd.testing.assert_frame_equal(found[columns], own[columns])
    assert set(found["instance"]) == set(np.flatnonzero(dataset.instances["bag"].isin([2, 5, 7])))
    assert (found["causal"] == (found["pos"] % 30 == 0)).all()
    assert (found["kind"] == np.where(found["causal"], "causal", "background")).all()
    assert found["genealogy"].astype(str).tolist() == found["chrom"].tolist()
    assert found["causal"].dtype == bool
    assert {"locus", "redraw", "signal", "block"} <= {*found.columns}


FOUR_STUDIES = MappingProxyType(
    {"small": slice(3), "large": slice(1, None), "single": slice(1), "other": slice(2, None)}
)


def with_studies(dataset: DataSet, size: int = 4, seen: Mapping[str, slice] = FOUR_STUDIES) -> DataSet:
    """The positive bag of a size, a test bag of four variants, with the variants that each study sees."""
    (bag,) = dataset.bags.index[(dataset.bags["size"] == size) & (dataset.bags["label"] == 1)]
    rows = np.flatnonzero(dataset.instances["bag"] == bag)
    own = {name: rows[those] for name, those in seen.items()}
    studies, parts = [], []
    for row in dataset.studies.itertuples(index=False):
        mine = dataset.evidence[dataset.evidence["study"] == dataset.studies["bag"].tolist().index(row.bag)]
        if row.bag != bag:
            studies.append(row._asdict())
            parts.append(mine.assign(study=len(studies) - 1))
            continue
        for number, (name, kept) in enumerate(own.items()):
            studies.append(row._asdict() | {"study": name, "size": len(kept)})
            some = mine[mine["instance"].isin(kept)].assign(study=len(studies) - 1)
            parts.append(some.assign(log_bf=np.float32(number)))
    return dataclasses.replace(
        dataset,
        bags=dataset.bags.assign(studies=dataset.bags["studies"].where(dataset.bags.index != bag, len(own))),
        studies=pd.DataFrame(studies).astype(dataset.studies.dtypes.to_dict()),
        evidence=pd.concat(parts, ignore_index=True).astype(dataset.evidence.dtypes.to_dict()),
    )


def test_the_largest_study_of_a_trait_stands_for_all(
    dataset: DataSet, simulated: Path, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "main", with_studies(dataset))
    traits = {"small": 1, "large": 1, "single": 2, "other": 3, "united": 1}
    sizes = {"small": 1000, "large": 2000, "single": 9000, "other": 10, "united": 1}
    lines = [f"{name}\ttrait_{trait}\t{sizes[name]}\tAFR" for name, trait in traits.items()]
    (simulated / META).write_text("\n".join(["meta_id\ttrait\tsample_size\tpopu", *lines]) + "\n")
    truth = pd.read_parquet(simulated / TRUTH)
    # Causal for the third trait alone, where causal at all.
    scores = dict.fromkeys(("score_optimal", "score_reference", "score_masked"), 0.5)
    truth = truth.assign(trait_causal=np.where(truth["causal"], 4, 0), **scores)
    truth["kind"] = truth["kind"].where(truth["causal"], "free+cofactor")
    truth.to_parquet(simulated / TRUTH)
    found = held_out_variants(tmp_path / "main", simulated)
    (bag,) = with_studies(dataset).bags.index[with_studies(dataset).bags["studies"] == 4]
    own = found[found["united"] == bag]
    assert own.groupby("bag")["study"].unique().map(list).tolist() == [["large"], ["other"]]
    assert own["log_bf"].tolist() == [1.0] * 3 + [3.0] * 2
    assert own["size"].tolist() == [3] * 3 + [2] * 2
    assert own["studies"].tolist() == [2] * 3 + [1] * 2
    assert (own["population"] == "AFR").all()
    known = own["pos"] % 30 == 0
    assert known.any()
    assert (own["causal"] == (known & (own["trait"] == "trait_3"))).all()
    expected = np.where(own["causal"], "causal", np.where(known, "other_trait", "free+gate"))
    assert own["kind"].tolist() == expected.tolist()


LABELLED = {"a": slice(1, None), "b": slice(2, 5), "c": slice(3)}
"""Of a training bag of six variants: two are causal for the trait of a, one of them for that of b."""


@pytest.fixture
def of_traits(dataset: DataSet, simulated: Path) -> DataSet:
    """Bags with studies of three traits; the last one, of validation, is causal for none of its studies'."""
    traits = {"a": 1, "b": 2, "c": 3, "united": 1}
    lines = [f"{name}\ttrait_{trait}\t10\tEUR" for name, trait in traits.items()]
    (simulated / META).write_text("\n".join(["meta_id\ttrait\tsample_size\tpopu", *lines]) + "\n")
    truth = pd.read_parquet(simulated / TRUTH)
    causal_for = np.select([truth["pos"] == 1020, truth["pos"] == 3000], [0b011, 0b010], 0b001)
    scores = dict.fromkeys(("score_optimal", "score_reference", "score_masked"), 0.5)
    truth = truth.assign(trait_causal=np.where(truth["causal"], causal_for, 0), **scores)
    truth.to_parquet(simulated / TRUTH)
    return with_studies(dataset, 6, LABELLED)


def test_labels_are_those_of_the_trait_of_each_study(of_traits: DataSet, simulated: Path) -> None:
    found = labelled(of_traits, simulated)
    check_types(found)
    bag = found.evidence["study"].map(found.studies["bag"])
    rows = found.evidence[bag == 0].assign(
        study=lambda own: own["study"].map(found.studies["study"]),
        pos=lambda own: own["instance"].map(found.instances["pos"]),
    )
    pips = rows.pivot(index="pos", columns="study", values="pip")
    assert pips.columns.tolist() == ["a", "b"]
    assert pips["a"].to_dict() == {1010: 0, 1020: 0.5, 1030: 0, 1040: 0, 1050: 0.5}
    assert pips["b"].dropna().to_dict() == {1020: 1, 1030: 0, 1040: 0}
    np.testing.assert_allclose(rows["log_bf"], np.where(rows["pip"] > 0, np.log(1e6), 0), rtol=1e-6)
    # Their posteriors overlap by the root of one half.
    own = found.studies[found.studies["bag"] == 0]
    np.testing.assert_allclose(own["weight"], 1 / (1 + np.sqrt(0.5)), rtol=1e-4)
    assert (found.bags["studies"][0], own["size"].tolist()) == (2, [5, 3])
    of_bag = found.instances[found.instances["bag"] == 0].set_index("pos")["pip"]
    assert of_bag.to_dict() == {1010: 0, 1020: 1, 1030: 0, 1040: 0, 1050: 0.5}


def test_what_has_no_causal_variant_is_left_out_but_not_of_the_test(
    of_traits: DataSet, simulated: Path
) -> None:
    found = labelled(of_traits, simulated)
    assert found.bags["size"].tolist() == [5, 1, 4, 5, 1, 3, 2, 2]
    assert found.bags["label"].tolist() == [1, 0, 1, 1, 0, 1, 0, 1]
    # Statistics of the GWAS stay.
    keys = ["chrom", "pos", "ref", "alt", "bag"]
    columns = ["chrom", "pos", "ref", "alt", "log_p", "z", "study"]
    before, after = (
        one.evidence.assign(
            bag=lambda rows, one=one: rows["study"].map(one.studies["bag"]),
            study=lambda rows, one=one: rows["study"].map(one.studies["study"]),
            **{name: one.instances[name].to_numpy()[one.evidence["instance"]] for name in keys[:4]},
        )
        for one in (of_traits, found)
    )
    stays = (before["study"] != "c") & (before["bag"] < 8)
    pd.testing.assert_frame_equal(before[stays][columns].reset_index(drop=True), after[columns])
    for kept in (
        (found.bags["label"] == 0).to_numpy(),
        (found.bags["split"] == "test").to_numpy(),
    ):
        numbers = np.flatnonzero(kept)
        own, usual = (one.instances[one.instances["bag"].isin(numbers)] for one in (found, of_traits))
        pd.testing.assert_frame_equal(own.reset_index(drop=True), usual.reset_index(drop=True))
        mine, theirs = (part[part["bag"].isin(numbers)] for part in (after, before))
        names = ["log_bf", "pip", "z"]
        pd.testing.assert_frame_equal(
            mine[names].reset_index(drop=True), theirs[names].reset_index(drop=True)
        )
    tested = found.studies["bag"].isin(np.flatnonzero(found.bags["split"] == "test"))
    assert found.studies["weight"][tested].tolist() == [1, 1]


def test_a_weaker_study_does_not_stand_for_one_that_resolved_the_signal(
    dataset: DataSet, simulated: Path, tmp_path: Path
) -> None:
    """The largest study of trait_1 lists a single variant, so that the bag has nothing to rank."""
    write_dataset(tmp_path / "main", with_studies(dataset))
    sizes = {"small": 1000, "large": 2000, "single": 9000, "other": 10, "united": 1}
    lines = [f"{name}\ttrait_1\t{size}\tEUR" for name, size in sizes.items()]
    (simulated / META).write_text("\n".join(["meta_id\ttrait\tsample_size\tpopu", *lines]) + "\n")
    (bag,) = with_studies(dataset).bags.index[with_studies(dataset).bags["studies"] == 4]
    ranked, listed = (held_out_variants(tmp_path / "main", simulated, smallest) for smallest in (2, 1))
    assert bag not in set(ranked["united"])
    own = listed[listed["united"] == bag]
    assert own["study"].tolist() == ["single"]
    assert own["studies"].tolist() == [4]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("absent", "absent"),
        ("absent+cofactor", "absent+gate"),
        ("beside+cofactor+repressor", "beside"),
        ("free+repressor", "free"),
        ("causal", "causal"),
    ],
)
def test_a_kind_says_whether_the_gate_is_open(kind: str, shown: str) -> None:
    assert shown_kind(kind) == shown
    assert shown in datasets.REAL_KINDS


def test_a_study_that_no_file_describes_is_an_error(
    dataset: DataSet, simulated: Path, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "main", dataset)
    (simulated / META).write_text("meta_id\ttrait\tsample_size\tpopu\n7\ttrait_1\t10\tEUR\n")
    with pytest.raises(BenchmarkError, match=r"4 studies of .* are not in .*meta\.txt"):
        held_out_variants(tmp_path / "main", simulated)


def test_the_held_out_vcf_is_sorted_and_has_each_variant_once(
    dataset: DataSet, simulated: Path, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "main", dataset)
    table = held_out_variants(tmp_path / "main", simulated)
    table = pd.concat([table, table.iloc[:3], table.assign(alt="N").iloc[5:6]]).sample(frac=1, random_state=1)
    write_held_out_vcf(table, tmp_path / "a.vcf")
    found = [
        (variant.chrom, variant.pos, variant.ref, variant.alt, variant.id)
        for variant in read_variants(tmp_path / "a.vcf")
    ]
    assert {*found} == {*table[["chrom", "pos", "ref", "alt", "id"]].itertuples(index=False, name=None)}
    assert len({*found}) == len(found) == 10
    places = [(int(chrom), pos) for chrom, pos, *_ in found]
    assert places == sorted(places)
    assert places[0] == (2, 7000)
    header = [line for line in (tmp_path / "a.vcf").read_text().splitlines() if line.startswith("##contig")]
    assert header == ["##contig=<ID=2>", "##contig=<ID=9>", "##contig=<ID=10>"]


class Commands:
    """In place of commands in processes of their own: keeps their words, and writes a data set."""

    def __init__(self) -> None:
        self.words: list[list[str]] = []

    def __call__(self, module: str, arguments: Sequence[str | Path], log: Path) -> None:
        assert module == "training"
        words = [str(argument) for argument in arguments]
        self.words.append(words)
        folder = Path(words[words.index("--out") + 1])
        assert log.parent == folder
        write_dataset(folder, build())


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    made = Commands()
    monkeypatch.setattr(datasets, "run_module", made)
    return made


EIGHT = Simulation(genealogies=16, contigs=8, redraws=1, length=1000, diploids={})
"""Of eight contigs, one of them for validation and two for test."""

RECIPE = Path(datasets.__file__).parent / "recipes" / "clear-smoke.yaml"


@pytest.mark.parametrize(
    ("name", "fasta", "table"),
    [
        ("main", "genome.fa", "credible_sets.txt.gz"),
        ("masked", "genome.masked.fa", "credible_sets.txt.gz"),
        ("reference_ld", "genome.fa", "credible_sets.reference_ld.txt.gz"),
    ],
)
def test_the_command_that_makes_a_data_set(
    name: DataName, fasta: str, table: str, commands: Commands, simulated: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        folder = make_dataset(name, EIGHT, simulated, RECIPE, tmp_path)
        assert folder == tmp_path / "data" / name
    (words,) = commands.words
    assert words[:6] == ["data", "--config", str(RECIPE), "--out", str(folder), "--set"]
    found = read_configuration(RECIPE, Recipe, words[6:])
    assert found.fasta == str(simulated / fasta)
    assert found.data.credible_sets.path == str(simulated / table)
    assert [*found.data.negatives.vcf] == [str(simulated / "variants.vcf.gz")]
    sites = pd.DataFrame({"chrom": [str(contig) for contig in range(1, 9)], "pos": 5000, "start": 4999})
    own = sites.assign(bag=range(len(sites)), block="", ref="A", alt="C")
    counts = collections.Counter(assign_splits(own[["bag", "block", "chrom"]], own, found.data.splits))
    assert counts == {"train": 5, "validation": 1, "test": 2}


@pytest.mark.parametrize(
    ("name", "change"), [("every_member", every_member), ("shuffled", shuffled), ("dealt", dealt)]
)
def test_changed_data_sets_are_made_of_the_main_one(
    name: DataName, change: Callable[[DataSet], DataSet], commands: Commands, simulated: Path, tmp_path: Path
) -> None:
    folder = make_dataset(name, EIGHT, simulated, RECIPE, tmp_path)
    assert read_dataset(folder).checksums() == change(build()).checksums()
    (words,) = commands.words
    assert Path(words[words.index("--out") + 1]) == tmp_path / "data" / "main"
    changed = (folder / "manifest.json").stat().st_mtime_ns
    make_dataset(name, EIGHT, simulated, RECIPE, tmp_path)
    assert (folder / "manifest.json").stat().st_mtime_ns == changed
    assert len(commands.words) == 1


def test_labels_are_of_the_simulation(commands: Commands, simulated: Path, tmp_path: Path) -> None:
    """Of one study and no traits, too."""
    folder = make_dataset("labelled", EIGHT, simulated, RECIPE, tmp_path)
    found = read_dataset(folder)
    assert found.checksums() == labelled(build(), simulated).checksums()
    known = found.evidence["instance"].map(found.instances["pos"]) % 30 == 0
    splits = found.evidence["instance"].map(found.instances["bag"]).map(found.bags["split"])
    assert ((found.evidence["log_bf"] > 13) == known)[splits != "test"].all()


@pytest.mark.parametrize("name", ["main", "shuffled"])
def test_a_data_set_of_other_code_is_an_error(
    name: DataName, commands: Commands, simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(name, EIGHT, simulated, RECIPE, tmp_path)
    monkeypatch.setattr(datasets, "code_of", lambda *names: "".join(names))
    with pytest.raises(BenchmarkError, match="was made of other settings: code was"):
        make_dataset(name, EIGHT, simulated, RECIPE, tmp_path)
    assert len(commands.words) == 1


def test_another_simulation_or_recipe_is_an_error(
    commands: Commands, simulated: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.read_text())
    make_dataset("main", EIGHT, simulated, recipe, tmp_path)
    recipe.write_text(RECIPE.read_text() + "# changed\n")
    with pytest.raises(BenchmarkError, match="main was made of other settings: recipe was"):
        make_dataset("main", EIGHT, simulated, recipe, tmp_path)
    recipe.write_text(RECIPE.read_text())
    (simulated / MANIFEST).write_text(json.dumps({"seed": 2}))
    with pytest.raises(BenchmarkError, match="main was made of other settings: simulation was"):
        make_dataset("main", EIGHT, simulated, recipe, tmp_path)
    assert len(commands.words) == 1
