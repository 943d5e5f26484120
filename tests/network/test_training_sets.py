"""What weights were trained on, by provenances of all ages."""

from __future__ import annotations

import json

import pytest

from mifm_kipoi.network.training_sets import (
    KEY,
    Seen,
    TrainingSet,
    most_seen,
    training_sets,
    training_sets_of,
)
from mifm_kipoi.network.weights import EMBEDDED, load_weights

NOTED = TrainingSet(("1", "2", "X"), ("11",), studies=("GCST1", "LDL"), tables=(("ldl.tsv.gz", "ab" * 32),))


@pytest.mark.parametrize(
    ("study", "chrom", "sha256", "seen"),
    [
        ("LDL", "chr1", "", Seen.STUDY),
        ("ldl.regenie.gz", "01", "", Seen.STUDY),
        ("renamed", "23", "ab" * 32, Seen.STUDY),
        ("HDL", "2", "cd" * 32, Seen.CHROMOSOME),
        # Dots are part of names.
        ("ldl.v2", "2", "", Seen.CHROMOSOME),
        ("LDL.glm.linear", "2", "", Seen.STUDY),
        # The same study, but neither the chromosome nor its variants.
        ("LDL", "9", "ab" * 32, Seen.NO),
        ("LDL", "11", "", Seen.VALIDATION),
    ],
)
def test_a_study_is_seen_where_its_chromosome_was_trained_on(
    study: str, chrom: str, sha256: str, seen: Seen
) -> None:
    assert NOTED.seen(study, chrom, sha256) is seen


def test_sets_are_read_back_from_a_provenance() -> None:
    other = TrainingSet(source="known otherwise")
    noted = json.loads(json.dumps({KEY: [NOTED.to_dict(), other.to_dict()]}))
    assert training_sets_of(noted) == (NOTED, other)
    with pytest.raises(ValueError, match="is not a training set: 'studies'"):
        training_sets_of({KEY: [{"train": [], "validation": [], "held_out": []}]})


def test_of_older_weights_the_configuration_says_what_was_held_out() -> None:
    splits = {"validation": ["11", "chr12:1-5000"], "test": ["chr9"]}
    manifest = {
        "configuration": {"data": {"splits": splits}},
        "inputs": [{"path": "sets.tsv", "sha256": "ef" * 32}],
    }
    (one,) = training_sets_of({"data_set": {"bags": "0" * 64, "manifest": manifest}})
    assert [one.seen("LDL", chrom) for chrom in ("9", "11", "12", "1")] == [
        Seen.NO, Seen.VALIDATION, Seen.UNKNOWN, Seen.UNKNOWN,
    ]  # fmt: skip
    (nothing,) = training_sets_of({"data_set": {"bags": "0" * 64}})
    assert nothing.seen("LDL", "9") is Seen.UNKNOWN


def test_nothing_is_held_out_of_the_embedded_weights_for_sure() -> None:
    (one,) = training_sets(load_weights(EMBEDDED))
    assert "CAUSALdb2" in one.source
    assert one.seen("any", "9") is Seen.UNKNOWN


def test_what_was_seen_most_counts() -> None:
    assert most_seen([Seen.NO, Seen.CHROMOSOME, Seen.UNKNOWN]) is Seen.CHROMOSOME
    assert most_seen([Seen.VALIDATION, Seen.UNKNOWN]) is Seen.UNKNOWN
    assert most_seen([]) is Seen.NO
