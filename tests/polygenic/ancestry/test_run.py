"""``mifm pgs ancestry`` from files to files, on people of known groups."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.ancestry import AssignmentOptions, AxesOptions
from mifm_kipoi.genetics.people_tables import read_people
from mifm_kipoi.polygenic.ancestry.run import PgsAncestryRun
from tests.genetics.filesets import write_bed

PEOPLE, VARIANTS = 80, 400
"""Of each group; of both files."""

GROUPS = np.repeat(["north", "south"], PEOPLE)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A panel and genotypes of two groups with other frequencies, and the panel's labels."""
    pytest.importorskip("matplotlib")
    generator = np.random.default_rng(1)
    frequency = np.clip(
        generator.beta(2, 2, VARIANTS) + generator.normal(size=(2, VARIANTS)) * 0.15, 0.05, 0.95
    )
    pos = np.arange(1, VARIANTS + 1) * 1000
    for name in ("panel", "target"):
        genotypes = generator.binomial(2, np.repeat(frequency, PEOPLE, axis=0)).astype(float)
        genotypes[generator.random(genotypes.shape) < 0.01] = np.nan
        write_bed(
            tmp_path / name, genotypes, pos, iid=[f"{name}{row}" for row in range(2 * PEOPLE)],
            father=["panel0" if row == 5 else "0" for row in range(2 * PEOPLE)],
        )  # fmt: skip
    people = [f"panel{row}\t{group if row else 'NA'}\n" for row, group in enumerate(GROUPS)]
    (tmp_path / "labels.tsv").write_text("#IID\tgroup\n" + "".join(people) + "somebody\tnorth\n")
    return tmp_path


def run_of(folder: Path, **changes: object) -> PgsAncestryRun:
    options = {
        "genotypes": (folder / "target.bed",), "reference": (folder / "panel.bed",),
        "labels": folder / "labels.tsv", "folder": folder / "out", "label": "group",
        "axes": AxesOptions(components=3), "assignment": AssignmentOptions(neighbours=10),
    }  # fmt: skip
    return PgsAncestryRun(**(options | changes))  # type: ignore[arg-type]


def test_labels_tables_and_report(inputs: Path) -> None:
    lines: list[str] = []
    result = run_of(inputs).run(lines.append)
    table = pd.read_csv(inputs / "out/ancestry.tsv", sep="\t", keep_default_na=False)
    assert table.columns.tolist() == [
        "family", "sample", "ancestry", "nearest", "probability", "isolation", "observed", "p_north",
        "p_south", "PC1", "PC2", "PC3",
    ]  # fmt: skip
    assert table["sample"].tolist() == [f"target{row}" for row in range(2 * PEOPLE)]
    labelled = table["ancestry"] != ""
    assert labelled.mean() > 0.9
    assert (table["ancestry"] == GROUPS)[labelled].all()
    np.testing.assert_allclose(table["p_north"] + table["p_south"], 1)
    assert table["observed"].between(0.95, 1).all()
    assert result.accuracy > 0.95
    # The table is one of labels, as other commands read them.
    people = read_people([inputs / "out/ancestry.tsv"], labels=["ancestry"])
    assert people.labels["ancestry"].tolist() == table["ancestry"].tolist()
    # Without a label; with a parent.
    reference = pd.read_csv(inputs / "out/reference.tsv", sep="\t")
    assert len(reference) == 2 * PEOPLE - 2
    assert not {"panel0", "panel5"} & set(reference["sample"])
    manifest = json.loads((inputs / "out/ancestry.json").read_text())
    assert [one["name"] for one in manifest["inputs"]] == [
        "panel.bed", "panel.bim", "panel.fam", "target.bed", "target.bim", "target.fam", "labels.tsv",
    ]  # fmt: skip
    assert manifest["accuracy"] == result.accuracy
    assert manifest["options"]["neighbours"] == 10
    assert all((inputs / "out" / name).is_file() for name in manifest["files"])
    page = (inputs / "out/report.html").read_text()
    for said in (
        "1 people of labels.tsv have no genotypes in the panel", "1 people of the panel have no label",
        "1 people of the panel have parents in it",
    ):  # fmt: skip
        assert said in page
    assert any("variants for the axes" in line for line in lines)
    counts = pd.read_csv(inputs / "out/held_out.tsv", sep="\t")
    assert counts["people"].sum() == len(reference)
    variants = pd.read_csv(inputs / "out/variants.tsv", sep="\t")
    assert len(variants) == len(result.findings.panel.variants)
    assert {"counted", "frequency", "PC3"} <= set(variants.columns)


def test_the_command_and_its_errors(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["pgs", "ancestry", str(inputs / "target"), "-o", str(inputs / "out"), "--reference"]
    command += [str(inputs / "panel"), "--labels", str(inputs / "labels.tsv"), "--label"]
    assert main([*command, "group", "--components", "2", "--method", "centroid", "--everyone"]) == 0
    said = capsys.readouterr().out
    assert "160 people by" in said
    assert "north 8" in said
    assert len(pd.read_csv(inputs / "out/reference.tsv", sep="\t")) == 2 * PEOPLE - 1
    assert main([*command, "colour"]) == 2
    assert "colour" in capsys.readouterr().err
    assert main([*command, "group", "--components", "500"]) == 1
    assert "variants are left for 500 components" in capsys.readouterr().err


def test_what_cannot_be_labelled(inputs: Path) -> None:
    with pytest.raises(OptionError, match="folds is 1"):
        run_of(inputs, folds=1).run()
    (inputs / "labels.tsv").write_text(
        "#IID\tgroup\n" + "".join(f"panel{row}\tnorth\n" for row in range(2 * PEOPLE))
    )
    with pytest.raises(InputError, match="has 1 labels in column group"):
        run_of(inputs).run()
    (inputs / "out").mkdir()
    (inputs / "labels.tsv").rename(inputs / "out/ancestry.tsv")
    with pytest.raises(OptionError, match="would replace the input"):
        run_of(inputs, labels=inputs / "out/ancestry.tsv").run()


def test_groups_that_the_variants_do_not_tell_apart(inputs: Path) -> None:
    """Twelve labels at random, and the panel itself as the genotypes."""
    groups = np.random.default_rng(1).integers(10, 22, 2 * PEOPLE)
    (inputs / "labels.tsv").write_text(
        "#IID\tgroup\n" + "".join(f"panel{row}\tg{group}\n" for row, group in enumerate(groups))
    )
    result = run_of(inputs, genotypes=(inputs / "panel.bed",)).run()
    assert result.accuracy < 0.3
    page = (inputs / "out/report.md").read_text()
    for said in (
        "these variants do not tell the groups apart", "159 people have the name of one of the panel",
        "have at most 10 people in the panel, as many as count as near", "| group | nearest when held out |",
    ):  # fmt: skip
        assert said in page
    assert "| g10 |" in page
