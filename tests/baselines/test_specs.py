"""The names of baselines: what is understood, what labels come of it, and what is refused."""

from __future__ import annotations

import importlib
import importlib.util

import pytest

from mifm_kipoi.baselines.kinds import KINDS
from mifm_kipoi.baselines.specs import Spec, parse_specs
from mifm_kipoi.errors import MissingPackageError, OptionError
from mifm_kipoi.support.packages import needed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mifm", Spec("mifm", "mifm", "")),
        ("mifm:out/own.safetensors", Spec("own", "mifm", "out/own.safetensors")),
        ("published", Spec("published", "published", "")),
        ("enformer:models/enformer:16384", Spec("enformer", "enformer", "models/enformer:16384")),
        ("basenji2", Spec("basenji2", "basenji2", "")),
        ("long=basenji2:w.pth:131072", Spec("long", "basenji2", "w.pth:131072")),
        ("kipoi:DeepSEA/beluga", Spec("DeepSEA-beluga", "kipoi", "DeepSEA/beluga")),
        ("kipoi:MIFM/sequence@mifm:logit", Spec("MIFM-sequence", "kipoi", "MIFM/sequence@mifm:logit")),
        ("cadd:whole_genome_SNVs.tsv.gz", Spec("cadd", "cadd", "whole_genome_SNVs.tsv.gz")),
        ("table:C:/scores.tsv:PHRED", Spec("PHRED", "table", "C:/scores.tsv:PHRED")),
        ("table:x.tsv:p.value", Spec("p-value", "table", "x.tsv:p.value")),
        ("causaldb:sets.txt.gz", Spec("causaldb", "causaldb", "sets.txt.gz")),
        ("causaldb:sets.txt.gz:susie", Spec("susie", "causaldb", "sets.txt.gz:susie")),
        ("p=pvalue:a=b.tsv", Spec("p", "pvalue", "a=b.tsv")),
    ],
)
def test_understood(text: str, expected: Spec) -> None:
    assert parse_specs([text]) == [expected]


def test_commas_and_spaces() -> None:
    assert [spec.label for spec in parse_specs(["mifm,published", "abf:x.tsv,"])] == [
        "mifm", "published", "abf",
    ]  # fmt: skip


def test_text_of_a_spec_is_understood_as_the_same() -> None:
    specs = parse_specs(["mifm", "a=table:x.tsv:y", "basenji2"])
    assert parse_specs([str(spec) for spec in specs]) == specs


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([","], "no models are named"),
        (["sei:x"], "'sei' in 'sei:x' is no kind of model; expected one of mifm, published"),
        (["published:x"], "has an argument; expected published alone"),
        (["cadd"], "'cadd' has no argument; expected cadd:FILE"),
        (["mifm", "mifm"], "two models have the label 'mifm'"),
        (["A=mifm", "a=published"], "two models have the label 'A'"),
        (["table:x.tsv:score", "table:y.tsv:score"], "name them, as in A=table"),
        (["../up=mifm"], "no kind of model"),
    ],
)
def test_refused(texts: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_specs(texts)


def test_every_kind_has_its_function() -> None:
    for kind in KINDS.values():
        module, function = kind.place.split(":")
        assert callable(getattr(importlib.import_module(f"mifm_kipoi.baselines.{module}"), function))


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.package])
def test_missing_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match=rf"pip install 'mifm-kipoi\[{name}\]'"):
        Spec(name, name, "x").check()


def test_needed_package() -> None:
    assert needed("json", "none").loads("1") == 1
    with pytest.raises(MissingPackageError, match=r"pip install 'mifm-kipoi\[plot\]'"):
        needed("no_such_package_at_all", "plot")


def test_needed_package_that_lacks_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is there and misses one of its own is not called missing."""

    def lacking(_: str) -> None:
        raise ModuleNotFoundError("No module named 'other'", name="other")

    monkeypatch.setattr(importlib, "import_module", lacking)
    with pytest.raises(ModuleNotFoundError, match="other"):
        needed("json", "none")
