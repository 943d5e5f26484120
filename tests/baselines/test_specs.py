"""The names of baselines: what is understood, what labels come of it, and what is refused."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from mifm_kipoi.baselines.specs import (
    KINDS,
    MissingModelsError,
    Spec,
    find_missing,
    kind_usage,
    parse_specs,
    require_all,
    with_options,
)
from mifm_kipoi.errors import InputError, MissingPackageError, OptionError
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
        (["sei:x"], "'sei' in 'sei:x' is not a kind of model; expected one of mifm, published"),
        (["published:x"], "has an argument; expected only published"),
        (["cadd"], "'cadd' has no argument; expected cadd:FILE"),
        (["mifm", "mifm"], "two models have the label 'mifm'"),
        (["A=mifm", "a=published"], "two models have the label 'A'"),
        (["table:x.tsv:score", "table:y.tsv:score"], "give each its own, as in A=table"),
        (["../up=mifm"], "not a kind of model"),
    ],
)
def test_refused(texts: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_specs(texts)


def test_every_kind_has_its_functions() -> None:
    for kind in KINDS.values():
        for name in filter(None, (kind.opener, kind.finder)):
            module, function = name.split(":")
            assert callable(getattr(importlib.import_module(f"mifm_kipoi.baselines.{module}"), function))
        assert bool(kind.finder) != kind.reads_file


def test_kinds_are_shown_without_heavy_imports() -> None:
    code = "import sys, mifm_kipoi.baselines.specs; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pandas", "pyarrow"} & set(done.stdout.split())


def test_usage() -> None:
    assert kind_usage("published") == "published"
    assert kind_usage("mifm") == "mifm[:WEIGHTS]"
    assert kind_usage("basenji2") == "basenji2[:FILE_OR_FOLDER][:WINDOW]"
    assert kind_usage("table") == "table:FILE:COLUMN"


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.package])
def test_missing_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match=rf"pip install '\.\[{name}\]'"):
        Spec(name, name, "x").find()


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.reads_file])
def test_missing_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    text = f"{name}:{path}" + (":column" if name == "table" else "")
    with pytest.raises(InputError, match=r"there is no file .*rows\.tsv"):
        parse_specs([text])[0].find()
    path.touch()
    parse_specs([text])[0].find()


def test_files_that_can_be_read_only_once_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.tsv")
    for text in (f"pvalue:{tmp_path}/rows.tsv:n=5", f"table:{tmp_path}/rows.tsv:column"):
        with pytest.raises(InputError, match=r"rows\.tsv is a pipe; expected a file"):
            parse_specs([text])[0].find()
    with pytest.raises(InputError, match=r"there is no file '.*none\.tsv'; expected pvalue"):
        parse_specs([f"pvalue:{tmp_path}/none.tsv:n=5"])[0].find()


def test_options_of_tables_of_a_gwas(tmp_path: Path) -> None:
    assert with_options("a.tsv") == ("a.tsv", {})
    assert with_options("a:b.tsv:format=plink2:lift-over=c") == (
        "a:b.tsv", {"format": "plink2", "lift_over": "c"},
    )  # fmt: skip
    odd = tmp_path / "a:n=1"
    odd.touch()
    assert with_options(str(odd)) == (str(odd), {})
    (spec, other) = parse_specs(["abf:t.tsv:format=bolt", "mifm"])
    defaults = {"format": "regenie", "phenotype": "BMI"}
    assert spec.with_defaults(defaults).argument == "t.tsv:format=bolt:phenotype=BMI"
    assert other.with_defaults(defaults) == other
    with pytest.raises(OptionError, match=r"'a:b\.bim' has a colon"):
        spec.with_defaults({"positions": "a:b.bim"})
    (spec,) = parse_specs([f"pvalue:{odd}:positions={odd.with_name('x.bim')}"])
    odd.with_name("x.bim").touch()
    assert spec.files() == [odd, odd.with_name("x.bim")]


def test_all_that_is_missing_is_named_together(tmp_path: Path) -> None:
    specs = parse_specs(["mifm", f"a=cadd:{tmp_path / 'no.gz'}", "b=mifm:nothing"])
    assert [model.label for model in find_missing(specs)] == ["a", "b"]
    with pytest.raises(
        MissingModelsError, match=r"2 models are not available:\n  a=cadd:.*\n  b=mifm:.*\nGo"
    ) as error:
        require_all(specs, "Go on")
    assert [model.spec for model in error.value.missing] == [str(spec) for spec in specs[1:]]
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)
    with pytest.raises(MissingModelsError, match=r"the model b=mifm:nothing is not available: .*nothing"):
        require_all(specs[2:])
    require_all(specs[:1])


def test_needed_package() -> None:
    assert needed("json", "none").loads("1") == 1
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[plot\]'"):
        needed("no_such_package_at_all", "plot")


def test_needed_package_that_lacks_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is there and misses one of its own is not called missing."""

    def lacking(_: str) -> None:
        raise ModuleNotFoundError("No module named 'other'", name="other")

    monkeypatch.setattr(importlib, "import_module", lacking)
    with pytest.raises(ModuleNotFoundError, match="other"):
        needed("json", "none")
