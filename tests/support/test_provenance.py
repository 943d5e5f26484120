"""What made an output, and in what two runs differ."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.provenance import described, differences

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def test_a_file_is_its_name_and_its_content(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa"
    path.write_bytes(b">1\nACGT\n")
    found = described(path)
    assert found == {"name": "genome.fa", "sha256": hashlib.sha256(b">1\nACGT\n").hexdigest()}
    (tmp_path / "elsewhere").mkdir()
    assert described(path.rename(tmp_path / "elsewhere" / "genome.fa")) == found


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.fa: No such file"):
        described(tmp_path / "none.fa")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"seed": 1}, {"seed": 1}, []),
        ({"seed": 1}, {"seed": 2}, ["seed was 1 and is 2"]),
        ({"fit": {"epochs": 8, "seed": 1}}, {"fit": {"epochs": 9, "seed": 1}}, ["fit.epochs was 8 and is 9"]),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, ["a was 1 and is 2", "b was 1 and is 2"]),
        ({}, {"more": "x"}, ["more was not set and is x"]),
        ({"more": "x"}, {}, ["more was x and is not set"]),
        ({"arms": ["max", "or"]}, {"arms": ("max",)}, ["arms was ['max', 'or'] and is ['max']"]),
        ({"shard": [1, 2]}, {"shard": (1, 2)}, []),
        ({"shard": [1, 2]}, {"shard": (1, 3)}, ["shard was [1, 2] and is [1, 3]"]),
        ({"start": "a" * 64}, {"start": "b" * 64}, [f"start was {'a' * 12}... and is {'b' * 12}..."]),
        (1, 2, ["was 1 and is 2"]),
    ],
)
def test_differences_in_words(old: Any, new: Any, expected: list[str]) -> None:
    assert differences(old, new) == expected


def test_differences_of_files() -> None:
    old = {"vcf": {"name": "a.vcf", "sha256": "1" * 64}, "bed": None}
    assert differences(old, {**old, "vcf": {"name": "a.vcf", "sha256": "2" * 64}}) == [
        "vcf (a.vcf) has other content"
    ]
    assert differences(old, {**old, "vcf": {"name": "b.vcf", "sha256": "2" * 64}}) == [
        "vcf was a.vcf and is b.vcf"
    ]
    assert differences(old, {**old, "bed": {"name": "b.bed", "sha256": "2" * 64}}) == [
        "bed was not set and is b.bed"
    ]


def test_differences_within_lists_of_mappings() -> None:
    old = {"weights": [{"name": "a", "tensors_sha256": "1" * 64}]}
    new = {"weights": [{"name": "b", "tensors_sha256": "1" * 64}]}
    assert differences(old, new) == ["weights[0].name was a and is b"]


@given(old=PLAIN, new=PLAIN)
def test_what_json_gives_back_is_the_same_and_all_else_is_not(old: Any, new: Any) -> None:
    assert differences(json.loads(json.dumps(old)), old) == []
    assert bool(differences(old, new)) == bool(differences(new, old))
    if not isinstance(old, dict | list) or not isinstance(new, dict | list):
        assert bool(differences(old, new)) == (old != new)
