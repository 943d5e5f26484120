"""What baselines declare: written as JSON and read back, today's files and older ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mifm_kipoi.baselines.protocol import Declaration, Evidence, Score, evidence_of_column
from mifm_kipoi.comparison.records import Model

DECLARATION = Declaration(
    name="a network",
    scores=(
        Score("x", "largest effect", evidence=Evidence.SEQUENCE),
        Score("y", "an effect", ranks=False, signed=True, evidence=Evidence.ANNOTATION),
    ),
    alleles="both",
    formula="alt - ref",
    citation="none",
    window=512,
    variant_index=255,
    tracks=3,
    provenance={"sha256": "0"},
    held_out=("9", "10"),
    leakage="none",
)


def test_a_declaration_comes_back_from_json() -> None:
    plain = json.loads(json.dumps(DECLARATION.to_dict()))
    assert plain["made_by"] == {"sha256": "0"}
    assert "provenance" not in plain
    assert plain["scores"][1]["evidence"] == "annotation"
    assert Declaration.from_dict(plain) == DECLARATION
    assert DECLARATION.columns == ("x", "y")
    assert DECLARATION.ranking == ("x",)


@pytest.mark.parametrize(
    ("names", "changed", "expected"),
    [
        (("x", "p"), {}, ["sequence", "sequence"]),
        (("max_abs_sad",), {"window": None}, ["sequence"]),
        (
            ("neg_log10_p", "log_abf", "abf_pip", "pip_susie", "raw_score"),
            {"window": None, "tracks": None},
            ["association", "association", "pip", "pip", "annotation"],
        ),
    ],
)
def test_older_files_declare_no_evidence(
    names: tuple[str, ...], changed: dict[str, Any], expected: list[str]
) -> None:
    scores = [{"name": name, "meaning": "", "ranks": True, "signed": False} for name in names]
    found = Declaration.from_dict({**DECLARATION.to_dict(), **changed, "scores": scores})
    assert [str(score.evidence) for score in found.scores] == expected


@pytest.mark.parametrize("plain", [{}, {"scores": 1}, {"scores": [{"meaning": "no name"}]}, {"scores": []}])
def test_what_is_not_a_declaration(plain: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        Declaration.from_dict(plain)


def test_evidence_that_there_is_not() -> None:
    plain = DECLARATION.to_dict()
    plain["scores"][0]["evidence"] = "hearsay"
    with pytest.raises(ValueError, match="hearsay"):
        Declaration.from_dict(plain)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("pip", "PIP2", "my_pips", "susie_pip", "PP", "posterior", "polyfun"), Evidence.PIP),
        (
            ("p", "P", "p_value", "pval", "P.value", "z", "z_score", "bf", "lbf", "log10_bf", "mlog10p",
             "neg_log10_p", "abf"),
            Evidence.ASSOCIATION,
        ),
        (
            ("pipeline", "phred", "p300", "np", "raw_score", "zebra", "bfx", "deltaz2", "step", "mifm_ref"),
            Evidence.ANNOTATION,
        ),
    ],
)  # fmt: skip
def test_evidence_of_columns_by_their_names(names: tuple[str, ...], expected: Evidence) -> None:
    assert {name: evidence_of_column(name) for name in names} == dict.fromkeys(names, expected)


def test_a_model_comes_back_from_json() -> None:
    model = Model("long", "long=basenji2:w.pth:131072", "basenji2", DECLARATION, 1.5, 10, "cpu")
    plain = json.loads(json.dumps(model.to_dict()))
    assert Model.from_dict(plain) == model
    del plain["kind"]
    assert Model.from_dict(plain) == model
