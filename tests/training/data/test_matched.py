"""Matched negative bags: their size and place by construction, and that they are like the sets they match."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.support.configuration import ConfigurationError
from tests.builders import write_fasta
from training.configuration import read_configuration
from training.data.associated import AssociatedPositions
from training.data.credible_sets import CredibleSetsConfig
from training.data.matched import MatchedNegatives, _in_blocks, _nearest, composition, matched_negatives
from training.data.negatives import NegativesConfig
from training.data.prepare import DataConfig, prepare
from training.data.report import render
from training.data.splits import SplitsConfig

LENGTH = 200_000
SPACING = 50


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Genome, Path, pd.DataFrame]:
    """Contigs 1 and 2, whose halves differ in GC; SNVs every 50 bp with random frequencies and LD scores."""
    folder = tmp_path_factory.mktemp("world")
    generator = np.random.default_rng(0)
    contigs, rows = {}, []
    for contig in ("1", "2"):
        half = LENGTH // 2
        poor = generator.choice(list("ACGT"), half, p=[0.3, 0.2, 0.2, 0.3])
        rich = generator.choice(list("ACGT"), half, p=[0.2, 0.3, 0.3, 0.2])
        contigs[contig] = "".join(np.concatenate([poor, rich]))
        for pos in range(1000, LENGTH - 1000, SPACING):
            ref = contigs[contig][pos - 1]
            rows.append((contig, pos, ref, "A" if ref != "A" else "C", *generator.random(2).round(4)))
    table = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "frequency", "ld"])
    lines = [
        f"{row.chrom}\t{row.pos}\t.\t{row.ref}\t{row.alt}\t.\t.\tAF={row.frequency};L2={row.ld}"
        for row in table.itertuples()
    ]
    head = ["##fileformat=VCFv4.2", "##contig=<ID=1>", "##contig=<ID=2>"]
    head.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    (folder / "common.vcf").write_text("\n".join([*head, *lines]) + "\n")
    return Genome(write_fasta(folder / "genome.fa", contigs)), folder / "common.vcf", table


def associated_at(table: pd.DataFrame) -> AssociatedPositions:
    places = AssociatedPositions()
    places.add(*(table[name].to_numpy(kind) for name, kind in (
        ("chrom", object), ("pos", np.int64), ("ref", object), ("alt", object),
    )))  # fmt: skip
    return places


def drawn(
    world: tuple[Genome, Path, pd.DataFrame], members: pd.DataFrame, sets: list[int], **options: Any
) -> MatchedNegatives:
    genome, vcf, _ = world
    splits = options.pop("splits", SplitsConfig((), ()))
    associated = options.pop("associated", associated_at(members))
    blocks = options.pop("blocks", None)
    config = NegativesConfig((str(vcf),), bags="matched", **options)
    return matched_negatives(
        config, members, members, np.array(sets), splits, 528, genome, associated, "", blocks
    )


def test_bags_have_the_size_of_their_set_and_no_associated_position_within(
    world: tuple[Genome, Path, pd.DataFrame],
) -> None:
    table = world[2]
    members = table.iloc[100:160]
    sets = [0] * 10 + [1] * 1 + [2] * 49
    # Associated positions cut both contigs to pieces of 40 to 200 candidates; some are between candidates.
    generator = np.random.default_rng(1)
    more = table.iloc[np.cumsum(generator.integers(40, 200, 60))]
    places = pd.concat([members, more, more.assign(pos=more["pos"] + 7).iloc[::2]])
    made = drawn(world, members, sets, associated=associated_at(places))
    assert made.instances.groupby("set").size().tolist() == [10, 1, 49]
    assert made.matching["sets"] == made.matching["bags"] == 3
    taken = set(zip(places["chrom"], places["pos"], strict=True))
    for _, bag in made.instances.groupby("set"):
        (chrom,) = bag["chrom"].unique()
        assert bag["pos"].is_monotonic_increasing
        within = range(int(bag["pos"].min()), int(bag["pos"].max()) + 1)
        assert not [pos for pos in within if (chrom, pos) in taken]
    assert not made.instances.duplicated(["chrom", "pos"]).any()


def test_bags_are_in_the_split_of_their_set_and_off_its_borders(
    world: tuple[Genome, Path, pd.DataFrame],
) -> None:
    table = world[2]
    splits = SplitsConfig(("1:50001-100000",), ("2",))
    held = table[(table["chrom"] == "1") & table["pos"].between(60_000, 62_000)]
    train = table[(table["chrom"] == "1") & table["pos"].between(120_000, 122_000)]
    test = table[(table["chrom"] == "2") & table["pos"].between(60_000, 62_000)]
    members = pd.concat([held.iloc[:20], train.iloc[:20], test.iloc[:20]] * 5)
    sets = np.repeat(np.arange(15), 20).tolist()
    made = drawn(world, members, sets, splits=splits)
    assert made.matching["bags"] == 15
    chrom, pos = made.instances["chrom"], made.instances["pos"]
    of_split = made.instances["set"] % 3
    inside = (chrom == "1") & (pos >= 50_001 + 264) & (pos <= 100_000 - 263)
    outside = (chrom == "1") & ((pos <= 50_000 - 263) | (pos >= 100_001 + 264))
    assert inside[of_split == 0].all()
    assert outside[of_split == 1].all()
    assert (chrom[of_split == 2] == "2").all()


def test_negatives_are_more_like_the_sets_than_the_candidates_are(
    world: tuple[Genome, Path, pd.DataFrame],
) -> None:
    table = world[2]
    maf = np.minimum(table["frequency"], 1 - table["frequency"])
    # Of contig 1, rich in GC, with high frequencies and LD scores.
    rich = table[(table["chrom"] == "1") & (table["pos"] > 110_000) & (maf > 0.35) & (table["ld"] > 0.6)]
    members = rich.iloc[:120].assign(ref=rich["alt"], alt=rich["ref"])  # alleles in the other order
    made = drawn(world, members, np.repeat(np.arange(12), 10).tolist(), ld_score="L2")
    features = {one["feature"]: one for one in made.matching["features"]}
    assert list(features) == ["maf", "gc", "cpg", "ld_score"]
    for name, one in features.items():
        before = abs(one["candidates"] - one["positives"]) / one["sd"]
        after = abs(one["negatives"] - one["positives"]) / one["sd"]
        assert one["known"] == 120
        assert before > 0.3
        assert after < 0.5 * before, name
    # What is said of the negatives can be had from the files.
    found = made.instances.merge(table, on=["chrom", "pos", "ref", "alt"])
    assert len(found) == 120
    own = np.minimum(found["frequency"], 1 - found["frequency"])
    assert features["maf"]["negatives"] == pytest.approx(own.mean())
    assert features["ld_score"]["negatives"] == pytest.approx(found["ld"].mean())
    again = drawn(world, members, np.repeat(np.arange(12), 10).tolist(), ld_score="L2")
    pd.testing.assert_frame_equal(again.instances, made.instances)
    other = drawn(world, members, np.repeat(np.arange(12), 10).tolist(), ld_score="L2", seed=2)
    assert not other.instances.equals(made.instances)
    # Without an LD score there is nothing to match on.
    without = drawn(world, members, np.repeat(np.arange(12), 10).tolist())
    assert [one["feature"] for one in without.matching["features"]] == ["maf", "gc", "cpg"]


def test_sets_that_fit_nowhere_are_left_out(world: tuple[Genome, Path, pd.DataFrame]) -> None:
    table = world[2]
    members = table.iloc[0:60]
    # Every 30th variant is associated: no region has 40 candidates.
    places = associated_at(pd.concat([members, table.iloc[::30]]))
    made = drawn(world, members, [0] * 40 + [1] * 20, associated=places)
    assert made.instances["set"].unique().tolist() == [1]
    assert (made.matching["sets"], made.matching["bags"]) == (2, 1)
    with pytest.raises(InputError, match=r"no matched negatives .* and no set of 1 fits into one"):
        drawn(world, members.iloc[:40], [0] * 40, associated=places)


def test_bags_lie_outside_of_blocks_and_their_margin(world: tuple[Genome, Path, pd.DataFrame]) -> None:
    """Two blocks of 60 kb whose rows are 6 kb apart: between the rows are enough candidates for a bag."""
    table = world[2]
    one = table[table["chrom"] == "1"]
    members = pd.concat([one.iloc[400:1601:120], one.iloc[2400:3601:120]])
    sets = [0] * 11 + [1] * 11
    low, high = (members["pos"].iloc[[first, last]].tolist() for first, last in ((0, 10), (11, 21)))
    assert (low, high) == ([21_000, 81_000], [121_000, 181_000])

    def inside(made: MatchedNegatives, margin: int) -> int:
        chrom, pos = made.instances["chrom"], made.instances["pos"]
        spans = [pos.between(first - margin, last + margin) for first, last in (low, high)]
        return int(((chrom == "1") & (spans[0] | spans[1])).sum())

    splits = SplitsConfig((), ("2",))  # so that all negatives come from contig 1
    blocks = members.assign(bag=sets)[["bag", "chrom", "pos"]]
    free = [
        drawn(world, members, sets, splits=splits, blocks=blocks, block_margin=None, seed=s) for s in range(5)
    ]
    assert sum(inside(made, 0) for made in free) > 0
    assert {made.matching["in_blocks"] for made in free} == {0}
    for seed in range(5):
        made = drawn(world, members, sets, splits=splits, blocks=blocks, seed=seed)
        assert made.matching["bags"] == 2
        assert inside(made, 10_000) == 0
    # All but the 22 rows themselves.
    within = one["pos"].between(11_000, 91_000) | one["pos"].between(111_000, 191_000)
    common = one["frequency"].between(0.01, 0.99) & ~one.index.isin(members.index)
    assert made.matching["in_blocks"] == int((within & common).sum()) > 3000
    assert made.matching["candidates"] == free[0].matching["candidates"] - made.matching["in_blocks"]
    with pytest.raises(InputError, match=r"all [0-9,]+ common .*block_margin, 90000 bp.*null"):
        drawn(world, members, sets, splits=SplitsConfig((), ("2",)), blocks=blocks, block_margin=90_000)


def test_a_block_does_not_span_a_gap_of_more_than_a_megabase() -> None:
    blocks = pd.DataFrame({"bag": [0, 0, 0, 1, 1], "chrom": "1", "pos": [100, 900, 2_000_900, 500, 1_500]})
    pos = [89, 90, 910, 911, 1_510, 1_511, 1_000_000, 2_000_889, 2_000_890, 2_000_910, 2_000_911]
    candidates = pd.DataFrame({"chrom": "chr1", "pos": pos})
    found = _in_blocks(candidates, blocks, 10)
    assert found.tolist() == [False, True, True, True, True, False, False, False, True, True, False]


def test_unknown_features_are_no_match() -> None:
    """Half of the candidates lack the second feature; they are chosen as if it were two variances away."""
    generator = np.random.default_rng(5)
    values = generator.normal(size=(4000, 2))
    values[::2, 1] = np.nan
    wanted = generator.normal(size=(100, 2))
    _, found = _nearest(wanted, values, generator)
    assert len(set(found.tolist())) == 100
    assert np.isnan(values[found, 1]).mean() < 0.1
    # In what is not known of the wanted no candidate is better than another.
    wanted[:, 1] = np.nan
    _, found = _nearest(wanted, values, generator)
    assert 0.3 < np.isnan(values[found, 1]).mean() < 0.7
    # (1 - 0)^2 + 2 against 1.5^2 + 0.5^2: a candidate near in one feature is no longer the nearest.
    distance, found = _nearest(np.zeros((1, 2)), np.array([[1, np.nan], [1.5, 0.5]]), generator)
    assert (distance, found.tolist()) == (2.5, [1])


def test_what_the_negatives_lack_is_reported(
    world: tuple[Genome, Path, pd.DataFrame], tmp_path: Path
) -> None:
    """Of the candidates near enough to be drawn none has an LD score."""
    genome, vcf, table = world
    lines = [
        line if line.startswith("#") or int(line.split("\t")[1]) <= 21_000 else line.split(";L2=")[0]
        for line in vcf.read_text().splitlines()
    ]
    (tmp_path / "common.vcf").write_text("\n".join(lines) + "\n")
    members = table.iloc[:401:10]
    made = drawn((genome, tmp_path / "common.vcf", table), members, [0] * 41, ld_score="L2")
    assert made.matching["lacking"] == {"ld_score": 41}
    assert drawn(world, members, [0] * 41, ld_score="L2").matching["lacking"] == {}


def test_a_data_set_with_matched_bags(world: tuple[Genome, Path, pd.DataFrame], tmp_path: Path) -> None:
    """Through the whole of it: studies, a study without a lead variant, refused rows, splits."""
    genome, vcf, table = world
    generator = np.random.default_rng(3)
    rows = []
    for block, first in enumerate(range(100, 7800, 700)):
        for study in range(3):
            start = first + int(generator.integers(0, 20))
            for row in table.iloc[start : start + int(generator.integers(12, 25))].itertuples():
                # The last study has no lead variant; one row in ten is refused.
                p_value = 1e-9 if study < 2 else 1e-5
                alt = "I" if generator.random() < 0.1 else row.alt
                rows.append(f"{row.chrom}\t{row.pos}\t{alt}\t{row.ref}\tb{block}\ts{study}\t{p_value}\t0.2")
    header = "chr\tpos\tea\toa\tblock\tstudy\tp\tpip"
    (tmp_path / "sets.tsv").write_text("\n".join([header, *rows]) + "\n")
    columns = {
        "chrom": "chr", "pos": "pos", "effect_allele": "ea", "other_allele": "oa", "block": "block",
        "study": "study", "p_value": "p", "pip": "pip",
    }  # fmt: skip
    config = DataConfig(
        credible_sets=CredibleSetsConfig(str(tmp_path / "sets.tsv"), "table", columns),
        negatives=NegativesConfig((str(vcf),), bags="matched", matched_per_bag=2),
        splits=SplitsConfig(("1:100001-200000",), ("2:1-100000",)),
    )
    made = prepare(str(genome.path), config)
    positive = made.bags["label"] == 1
    assert (made.bags["studies"][positive] == 2).all()
    assert made.manifest["report"]["variants"]["studies_of_bags_above_lead_p_value"] == 11
    # Each study of each positive bag has a negative bag of its size in the same split.
    split = made.bags["split"][made.studies["bag"]].to_numpy()
    sizes = sorted(zip(split, made.studies["size"], strict=True))
    assert sorted(zip(made.bags["split"][~positive], made.bags["size"][~positive], strict=True)) == sizes
    assert {*made.bags["split"][~positive]} == {"train", "validation", "test"}
    # Associated is each row of the table, whatever became of it.
    places = pd.read_csv(tmp_path / "sets.tsv", sep="\t", dtype={"chr": str})
    taken = set(zip(places["chr"], places["pos"], strict=True))
    instances = made.instances.assign(label=made.bags["label"].to_numpy()[made.instances["bag"]])
    negatives = instances[instances["label"] == 0]
    assert made.manifest["report"]["matching"]["in_blocks"] > 0
    of_blocks = instances[instances["label"] == 1].groupby(["bag", "chrom"])["pos"].agg(["min", "max"])
    for (_, chrom), low, high in of_blocks.itertuples():
        near = negatives["pos"].between(low - 10_000, high + 10_000) & (negatives["chrom"] == chrom)
        assert not near.any()
    for _, bag in negatives.groupby("bag"):
        chrom, low, high = bag["chrom"].iloc[0], bag["pos"].min(), bag["pos"].max()
        assert not [pos for one, pos in taken if one == chrom and low <= pos <= high]
    assert negatives[["p_value", "z", "pip", "log_bf"]].isna().all(axis=None)
    assert "variants of one region without associated positions" in render(made.manifest)


def test_composition_of_windows_by_hand(tmp_path: Path) -> None:
    # Of 512 bases from 0-based 44 to 555, with the variant at index 255: 100 times CG, then T.
    sequence = "A" * 44 + "CG" * 100 + "T" * 1000
    genome = Genome(write_fasta(tmp_path / "genome.fa", {"1": sequence}))
    gc, cpg = composition(genome, "1", np.array([44 + 256, 44 + 257, 900]))
    assert gc.tolist() == [200 / 512, 199 / 512, 0]
    assert cpg.tolist() == [100 / 512, 99 / 512, 0]


def test_options(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="block_margin is -1; expected 0 bp or more, or null"):
        NegativesConfig(("a.vcf",), block_margin=-1)
    with pytest.raises(ValueError, match="matched_per_bag is 0; expected 1 or more"):
        NegativesConfig(("a.vcf",), matched_per_bag=0)
    path = tmp_path / "negatives.yaml"
    path.write_text("{vcf: [a.vcf], bags: double}\n")
    with pytest.raises(ConfigurationError, match="bags"):
        read_configuration(path, NegativesConfig)
