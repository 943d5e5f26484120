"""Which variants have which labels: against bedtools, and on literals."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.enrichment.annotations import (
    GROUP,
    REGION,
    STATE,
    Annotated,
    Annotation,
    Sites,
    annotate,
    merged,
    read_groups,
)

needs_bedtools = pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")


def sites(variants: Sequence[tuple[str, int]]) -> Sites:
    contigs = list(dict.fromkeys(chrom for chrom, _ in variants))
    codes = np.array([contigs.index(chrom) for chrom, _ in variants], dtype=np.int64)
    return Sites(codes, contigs, np.array([pos for _, pos in variants], dtype=np.int64))


def bed(folder: Path, name: str, rows: Sequence[tuple[object, ...]]) -> Path:
    path = folder / name
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def members(annotated: Annotated) -> dict[str, list[int]]:
    """Variants of each label."""
    return {
        label.name: np.flatnonzero(inside).tolist()
        for label, inside in zip(annotated.labels, annotated.inside, strict=True)
    }


def test_ends_of_bed_are_0_based_and_half_open(tmp_path: Path) -> None:
    path = bed(tmp_path, "a.bed", [("chr1", 9, 12), ("1", 20, 21)])
    annotation = Annotation("peaks", (path,), labelled=False, min_tracks=1)
    where = sites([("1", pos) for pos in (9, 10, 12, 13, 20, 21, 22)])
    found = annotate(annotation, where)
    assert members(found) == {"peaks": [1, 2, 5]}
    assert [label.kind for label in found.labels] == [REGION]
    # As published, one base before the start counts as well.
    assert members(annotate(annotation, where, closed=True)) == {"peaks": [0, 1, 2, 4, 5]}


def test_states_need_enough_tracks_and_groups_count_any_of_their_states(tmp_path: Path) -> None:
    tracks = [
        [("chr1", 0, 10, "Enh.6"), ("chr1", 10, 20, "EnhW.8")],
        [("chr1", 0, 10, "EnhW.8"), ("chr1", 10, 20, "EnhW.8")],
        [("chr1", 0, 10, "Low.3"), ("chr1", 10, 20, "EnhWF.9")],
    ]
    for number, rows in enumerate(tracks):
        bed(tmp_path, f"E{number:03}.bed.gz", rows)
    where = sites([("1", 5), ("1", 15), ("2", 5)])
    found = annotate(Annotation.of_states("chromatin", [tmp_path], min_tracks=2), where)
    assert members(found) == {
        "enhancer": [0, 1], "low": [], "Enh.6": [], "EnhW.8": [1], "EnhWF.9": [], "Low.3": [],
    }  # fmt: skip
    assert [label.kind for label in found.labels] == [GROUP, GROUP, STATE, STATE, STATE, STATE]
    assert found.known.tolist() == [True, True, False]
    assert found.unused_groups == ("promoter", "repressed", "repressed-enhancer", "elongation")
    assert found.intervals == 6
    assert members(annotate(Annotation.of_states("chromatin", [tmp_path]), where))["Enh.6"] == [0]


def test_overlapping_states_of_a_track_count_once(tmp_path: Path) -> None:
    rows = [("1", 0, 10, "Enh.6"), ("1", 5, 15, "Enh.6"), ("1", 2, 8, "EnhW.8"), ("1", 0, 3, "Enh.6")]
    path = bed(tmp_path, "a.bed", rows)
    found = annotate(Annotation.of_states("s", [path, path], min_tracks=2), sites([("1", 7), ("1", 14)]))
    assert members(found) == {"enhancer": [0, 1], "Enh.6": [0, 1], "EnhW.8": [0]}
    with pytest.raises(OptionError, match="--min-tracks 3 is more than the 2 tracks of 's'"):
        Annotation.of_states("s", [path, path], min_tracks=3)


def test_groups_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "groups.tsv"
    path.write_text("state\tgroup\n1_TssA\tactive\n2_Tx\tactive\n9_Het\tsilent\n")
    assert read_groups(path) == {"active": ("1_TssA", "2_Tx"), "silent": ("9_Het",)}
    track = bed(tmp_path, "a.bed", [("1", 0, 5, "1_TssA"), ("1", 5, 9, "15_Quies")])
    found = annotate(Annotation.of_states("s", [track], groups=path), sites([("1", 1), ("1", 6)]))
    assert members(found) == {"active": [0], "15_Quies": [1], "1_TssA": [0]}
    path.write_text("state\tother\nx\ty\n")
    with pytest.raises(InputError, match="has the columns state, other; expected state and group"):
        read_groups(path)


def test_variants_on_no_contig_of_the_files_are_an_error(tmp_path: Path) -> None:
    path = bed(tmp_path, "a.bed", [("chrZ", 0, 5)])
    with pytest.raises(InputError, match="no variant lies on a contig of 'x', which has Z"):
        annotate(Annotation("x", (path,), False, 1), sites([("1", 1)]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty has no .bed or .bed.gz file"):
        Annotation.of_states("x", [tmp_path / "empty"])


INTERVAL = st.tuples(st.sampled_from("12"), st.integers(0, 60), st.integers(1, 20), st.sampled_from("ab"))


@hypothesis.given(
    st.lists(INTERVAL, min_size=1, max_size=25),
    st.lists(st.tuples(st.sampled_from("12"), st.integers(1, 80)), min_size=1, max_size=30),
)
@hypothesis.settings(
    max_examples=80, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
def test_labels_are_those_of_plain_comparison(
    tmp_path: Path, rows: list[tuple[str, int, int, str]], variants: list[tuple[str, int]]
) -> None:
    intervals = [(chrom, start, start + length, name) for chrom, start, length, name in rows]
    hypothesis.assume({chrom for chrom, *_ in intervals} & {chrom for chrom, _ in variants})
    path = bed(tmp_path, "a.bed", intervals)
    found = members(annotate(Annotation.of_states("s", [path]), sites(variants), threads=2))
    for name in {name for *_, name in intervals}:
        expected = [
            number
            for number, (chrom, pos) in enumerate(variants)
            if any(c == chrom and s < pos <= e and n == name for c, s, e, n in intervals)
        ]
        assert found[name] == expected


@needs_bedtools
def test_labels_are_those_of_bedtools(tmp_path: Path) -> None:
    import pybedtools

    generator = np.random.default_rng(1)
    pos = np.unique(generator.integers(1, 100_000, 4000))
    start = generator.integers(0, 99_000, 800)
    end = start + generator.integers(1, 400, 800)
    names = generator.choice(["a", "b", "c"], 800)
    path = bed(tmp_path, "a.bed.gz", list(zip(["chr1"] * 800, start, end, names, strict=True)))
    found = members(annotate(Annotation.of_states("s", [path]), sites([("1", int(one)) for one in pos])))
    variants = pybedtools.BedTool(
        "".join(f"chr1\t{one - 1}\t{one}\t{row}\n" for row, one in enumerate(pos)), from_string=True
    )
    for name in "abc":
        own = pybedtools.BedTool(str(path)).filter(lambda one, name=name: one.name == name).saveas()
        expected = sorted(int(one.name) for one in variants.intersect(own, u=True))
        assert found[name] == expected
    pybedtools.cleanup()


def test_merged_intervals_keep_their_labels() -> None:
    label = np.array([1, 0, 1, 1, 0])
    start, end = np.array([5, -3, 0, 20, 4]), np.array([9, 4, 6, 21, 8])
    rows = list(zip(*(each.tolist() for each in merged(label, start, end)), strict=True))
    assert rows == [(0, -3, 8), (1, 0, 9), (1, 20, 21)]
