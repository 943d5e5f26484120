"""Splits, against places counted by hand and brute force over every base."""

import itertools
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.support.configuration import ConfigurationError
from training.configuration import read_configuration
from training.data.dataset import DataSetError
from training.data.splits import SplitsConfig, assign_splits, check_no_overlap, drop_border_instances


def table(*rows: tuple[int, str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bags, and their instances (bag, chrom, pos)."""
    instances = pd.DataFrame(rows, columns=["bag", "chrom", "pos"]).astype({"chrom": "str"})
    return pd.DataFrame({"bag": sorted(set(instances["bag"]))}), instances


def named(series: pd.Series) -> list[str]:
    return series.fillna("none").tolist()


def test_contigs_under_either_name() -> None:
    bags, instances = table((0, "chr11", 5), (1, "1", 700), (2, "10", 9), (3, "chr9", 1), (4, "chr12", 800))
    config = SplitsConfig(validation=("11", "12"), test=("chr9", "chr10"))
    assert named(assign_splits(bags, instances, config)) == [
        "validation", "train", "test", "test", "validation",
    ]  # fmt: skip


def test_windows_at_the_borders_of_a_region() -> None:
    """1-based 1001-2000 is [1000, 2000); a window is [pos - 256, pos + 256): pos 1256 is the first in it."""
    positions = [744, 745, 1255, 1256, 1744, 1745, 2255, 2256]
    bags, instances = table(*((number, "chr1", pos) for number, pos in enumerate(positions)))
    config = SplitsConfig(validation=(), test=("1:1,001-2,000",))
    expected = ["train", "none", "none", "test", "test", "none", "none", "train"]
    assert named(assign_splits(bags, instances, config)) == expected
    kept, dropped = drop_border_instances(instances, config)
    assert kept["pos"].tolist() == [744, 1256, 1744, 2256]
    assert kept.index.tolist() == [0, 3, 4, 7]
    assert dropped == 4
    assert drop_border_instances(instances, config, window=16)[1] == 0
    # What a window has before its contig is no other split's.
    assert drop_border_instances(table((0, "1", 5))[1], SplitsConfig((), ("1:1-900",)))[1] == 0


def test_deletions_reach_further_on_the_right() -> None:
    """The window of ALT of a deletion of 100 bases ends 100 bases behind that of REF."""
    positions = [644, 645, 744, 745]
    _, instances = table(*((number, "1", pos) for number, pos in enumerate(positions)))
    config = SplitsConfig(validation=(), test=("1:1,001-2,000",))
    deletions = instances.assign(ref="A" * 101, alt="A")
    assert drop_border_instances(deletions, config)[0]["pos"].tolist() == [644]
    insertions = instances.assign(ref="A", alt="A" * 101)
    assert drop_border_instances(insertions, config)[0]["pos"].tolist() == [644, 645, 744]


def test_a_deletion_overlaps_a_window_beyond_its_neighbour() -> None:
    """Windows of train at 1000 (to 1356 with its deletion) and 1050; that of test begins at 1300."""
    bags, instances = table((0, "1", 1000), (1, "1", 1050), (2, "1", 1562))
    bags = bags.assign(split=["train", "train", "test"])
    check_no_overlap(bags, instances)
    check_no_overlap(bags, instances.assign(ref=["A" * 51, "C", "G"]))
    with pytest.raises(DataSetError, match=r"1:1000 \(bag 0, train\) and 1:1562 \(bag 2, test\) overlap"):
        check_no_overlap(bags, instances.assign(ref=["A" * 52, "C", "G"]))


def test_bags_across_splits_and_without_instances_have_none() -> None:
    bags, instances = table((7, "11", 500), (7, "11", 900), (3, "11", 500), (3, "1", 500), (4, "1", 500))
    bags = pd.DataFrame({"bag": [7, 3, 4, 8]}, index=list("wxyz"))
    found = assign_splits(bags, instances, SplitsConfig(validation=("11",), test=()))
    assert found.to_dict() == {"w": "validation", "x": np.nan, "y": "train", "z": np.nan}
    assert found.name == "split"
    assert found.dtype == "str"


def test_no_instances_at_all() -> None:
    bags, instances = table((0, "1", 5))
    instances = instances[:0]
    config = SplitsConfig()
    assert named(assign_splits(bags, instances, config)) == ["none"]
    assert drop_border_instances(instances, config)[1] == 0
    check_no_overlap(bags.assign(split="train"), instances)


def test_a_held_out_contig_without_variants_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    bags, instances = table((0, "11", 5), (1, "9", 5), (2, "12", 5))
    with caplog.at_level(logging.WARNING):
        assign_splits(bags, instances, SplitsConfig())
    assert caplog.messages == ["no variant lies in 10, which is held out for test"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("validation: [11]", r"validation\[0\] is 11; expected text, in quotes"),
        ("validation: ['11:5']", "'11:5' is not a region"),
        ("validation: ['11:5-']", "'11:5-' is not a region"),
        ("validation: ['11:0-5']", "'11:0-5' is not a region"),
        ("validation: ['11:9-5']", "'11:9-5' is not a region"),
        ("validation: ['11:-9-5']", "is not a region"),
        ("validation: ['']", "'' is not a region"),
        ("validation: ['11 12']", "'11 12' is not a region"),
        ("{validation: ['11'], test: ['11']}", "'11' and '11' overlap"),
        ("{validation: ['11'], test: ['chr11']}", "'11' and 'chr11' overlap"),
        ("{validation: ['11'], test: ['chr11:5-9']}", "'11' and 'chr11:5-9' overlap"),
        ("{validation: ['1:1-9', '1:9-10'], test: []}", "'1:1-9' and '1:9-10' overlap"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "splits.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_configuration(path, SplitsConfig)


def test_regions_side_by_side_are_fine() -> None:
    assert len(SplitsConfig(("1:1-9",), ("1:10-20", "2")).regions()) == 3


def test_overlapping_windows_of_two_splits_are_an_error() -> None:
    bags, instances = table((0, "chr1", 1000), (1, "1", 1511), (2, "1", 2023), (3, "2", 1000))
    check_no_overlap(bags.assign(split=["train", np.nan, "test", "test"]), instances)
    check_no_overlap(bags.assign(split=["train", "train", "test", "test"]), instances)
    message = r"chr1:1000 \(bag 0, train\) and 1:1511 \(bag 1, test\) overlap \(1 windows"
    with pytest.raises(DataSetError, match=message):
        check_no_overlap(bags.assign(split=["train", "test", "test", "test"]), instances)
    with pytest.raises(DataSetError, match=r"1:1511 \(bag 1, train\) and 1:2023"):
        check_no_overlap(bags.assign(split=["train", "train", "test", "test"]), instances, window=513)


LENGTH = 60
"""Bases of each contig in the properties."""

region = st.tuples(st.sampled_from(["1", "2"]), st.integers(1, LENGTH), st.integers(1, LENGTH)).map(
    lambda found: (found[0], min(found[1:]), max(found[1:]))
)


@st.composite
def held_out(draw: st.DrawFn) -> dict[str, list[tuple[str, int, int]]]:
    """Regions of both splits that share no base."""
    found: dict[str, list[tuple[str, int, int]]] = {"validation": [], "test": []}
    taken: set[tuple[str, int]] = set()
    for chrom, first, last in draw(st.lists(region, max_size=4)):
        bases = {(chrom, base) for base in range(first, last + 1)}
        if not bases & taken:
            taken |= bases
            found[draw(st.sampled_from(["validation", "test"]))].append((chrom, first, last))
    return found


instance_rows = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["1", "chr1", "2"]), st.integers(1, LENGTH)),
    min_size=1,
    max_size=15,
)


def bases_of(chrom: str, pos: int, half: int) -> set[tuple[str, int]]:
    """1-based bases of a window [pos - half, pos + half), 0-based."""
    return {(chrom.removeprefix("chr"), base + 1) for base in range(max(pos - half, 0), pos + half)}


@given(held_out(), instance_rows, st.sampled_from([2, 8, 20]))
def test_splits_are_those_of_brute_force(
    parts: dict[str, list[tuple[str, int, int]]], rows: list[tuple[int, str, int]], window: int
) -> None:
    owner = {
        (chrom, base): (split, number)
        for split, regions in parts.items()
        for number, (chrom, first, last) in enumerate(regions)
        for base in range(first, last + 1)
    }
    splits_of: dict[int, set[str]] = {}
    for bag, chrom, pos in rows:
        owners = {owner.get(base, ("train", 0)) for base in bases_of(chrom, pos, window // 2)}
        splits_of.setdefault(bag, set()).add(owners.pop()[0] if len(owners) == 1 else "across")
    expected = [
        next(iter(found)) if len(found) == 1 and found != {"across"} else "none"
        for _, found in sorted(splits_of.items())
    ]
    config = SplitsConfig(*(tuple(f"{c}:{a}-{b}" for c, a, b in parts[name]) for name in parts))
    bags, instances = table(*rows)
    found = assign_splits(bags, instances, config, window)
    assert named(found) == expected
    check_no_overlap(bags.assign(split=found), instances, window)
    kept, dropped = drop_border_instances(instances, config, window)
    assert dropped == len(rows) - len(kept)
    assert "none" not in named(
        assign_splits(kept.assign(bag=range(len(kept))), kept.assign(bag=range(len(kept))), config, window)
    )


@given(instance_rows, st.lists(st.sampled_from(["train", "validation", "none"]), min_size=6, max_size=6))
def test_overlaps_are_those_of_brute_force(rows: list[tuple[int, str, int]], splits: list[str]) -> None:
    window = 8
    bags, instances = table(*rows)
    bags["split"] = [splits[bag] if splits[bag] != "none" else None for bag in bags["bag"]]
    overlap = any(
        bases_of(one[1], one[2] + window, 4) & bases_of(other[1], other[2] + window, 4)
        for one, other in itertools.combinations(rows, 2)
        if "none" not in {splits[one[0]], splits[other[0]]} and splits[one[0]] != splits[other[0]]
    )
    if overlap:
        with pytest.raises(DataSetError, match="overlap"):
            check_no_overlap(bags, instances, window)
    else:
        check_no_overlap(bags, instances, window)
