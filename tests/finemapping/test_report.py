"""Pages of fine-mapped loci: what they say is what the tables say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.finemapping.leakage import Leakage, ScoredBy
from mifm_kipoi.finemapping.plots import locus_figure, marks_of, summary_figure
from mifm_kipoi.finemapping.records import FLAT, SCORE, LocusResult
from mifm_kipoi.finemapping.report import PageOptions, gene_of, locus_page, write_pages
from mifm_kipoi.genomics.genes import Gene, Genes, read_genes
from mifm_kipoi.network.training_sets import TrainingSet
from mifm_kipoi.reports.page import Facts, Table
from mifm_kipoi.reports.wording import described
from tests.finemapping.drawn import drawn_locus, refused_locus, write_folder

LEAKAGE = Leakage("scores.tsv.gz", (ScoredBy("mine", (TrainingSet(("2",), ("19",), studies=("LDL",)),)),))


def _flat(locus: LocusResult) -> LocusResult:
    """The same locus with the flat prior alone."""
    variants = locus.variants.assign(
        pip=locus.variants["pip_flat"], set=locus.variants["set_flat"], prior=1 / len(locus.variants)
    )
    return LocusResult(locus.record, variants, locus.sets[locus.sets["prior"] == FLAT].reset_index(drop=True))


@pytest.fixture(scope="module")
def loci() -> list[LocusResult]:
    loci = [
        drawn_locus("LDL", "2", 1_000, seed=1), refused_locus("LDL", "3", 7_000),
        drawn_locus("HDL <c>", "19", 900_000, seed=5), drawn_locus("LDL", "7", 900, size=12, seed=3),
    ]  # fmt: skip
    for locus in loci:
        locus.record["seen"] = LEAKAGE.seen(locus.study, str(locus.record["chrom"]))
    return loci


@pytest.fixture(scope="module")
def genes(tmp_path_factory: pytest.TempPathFactory, loci: list[LocusResult]) -> Path:
    middle = int(loci[0].variants["pos"].median())
    path = tmp_path_factory.mktemp("genes") / "a.gtf"
    path.write_text(
        f'2\tx\tgene\t{middle}\t{middle + 900}\t.\t+\t.\tgene_id "APOB"; gene_type "protein_coding";\n'
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, loci: list[LocusResult], genes: Path) -> Path:
    folder = write_folder(tmp_path_factory.mktemp("run"), loci)
    seen = [
        (one.study, str(one.record["chrom"]), str(one.record["seen"])) for one in loci if one.is_fine_mapped
    ]
    cautions = ["read me", *LEAKAGE.cautions(seen)]
    options = PageOptions("two studies", LEAKAGE, genes, most=2, cautions=cautions, notes=("made by hand",))
    (folder / "loci").mkdir()
    (folder / "loci" / "009_of_before.html").touch()
    (folder / "loci" / "notes.html").touch()
    write_pages(folder, options)
    return folder


def test_loci_of_the_highest_pips_have_pages_that_lead_to_each_other(
    folder: Path, loci: list[LocusResult]
) -> None:
    mapped = sorted(
        (locus for locus in loci if locus.is_fine_mapped), key=lambda one: -one.variants["pip"].max()
    )
    pages = sorted(path.name for path in (folder / "loci").iterdir())
    # Pages of an earlier run are gone, files of others are not.
    assert pages[-1] == "notes.html"
    assert len(pages) == 3
    for page, locus in zip(pages[:2], mapped[:2], strict=True):
        text = (folder / "loci" / page).read_text()
        assert described(locus.variants.loc[locus.variants["pip"].idxmax()]).replace(">", "&gt;") in text
        assert f"{locus.variants['pip'].max():.3f}" in text
        assert f"{locus.study}, {locus.record['chrom']}:".replace("<", "&lt;").replace(">", "&gt;") in text
    index = (folder / "index.html").read_text()
    assert set(re.findall(r'href="loci/([^"]+)"', index)) == set(pages[:2])
    assert re.findall(r'href="([^"#]+)"', (folder / "loci" / pages[0]).read_text()) == [
        "../index.html",
        pages[1],
    ]
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "finemapping.png", *(page.replace(".html", ".png") for page in pages[:2]),
    }  # fmt: skip


def test_the_index_counts_loci_sets_and_variants_and_warns(folder: Path, loci: list[LocusResult]) -> None:
    text = (folder / "report.md").read_text()
    variants = pd.concat([locus.variants for locus in loci])
    flat, informed = ((variants[name] > 0.95).sum() for name in ("pip_flat", "pip"))
    assert f"PIP above 0.95: **{flat} \N{RIGHTWARDS ARROW} {informed}**" in text
    assert "**3 of 4 loci** of 2 studies are fine-mapped; the 2 of the highest PIPs have a page." in text
    assert "**Caution:** read me." in text
    assert "were trained on the associations of LDL on chromosome 2" in text
    assert "chosen by chromosome 19 (1 of 3 loci)" in text
    assert "made by hand." in text
    assert "z do not fit R" in text
    top = variants.loc[[variants["pip"].max() == pip for pip in variants["pip"]]].iloc[0]
    first = text.partition("## Variants of the highest PIP")[2].partition("| --- |")[2].splitlines()[1]
    assert described(top) in first
    assert f"{top['pip']:.3f} | {top['pip_flat']:.3f}" in first


def test_a_page_has_the_sets_of_both_priors_and_what_the_scores_have_seen(
    loci: list[LocusResult], genes: Path
) -> None:
    locus = loci[0]
    title, sections, picture = locus_page(locus, PageOptions("", LEAKAGE, genes), read_genes(genes), "001")
    assert title.startswith("LDL, 2:")
    assert picture.startswith(b"\x89PNG")
    blocks = [block for section in sections for block in section.blocks]
    words = " ".join(block for block in blocks if isinstance(block, str))
    assert "trained on the associations of LDL on chromosome 2: the prior repeats the data" in words
    (facts,) = (block for block in blocks if isinstance(block, Facts))
    assert facts.facts[0].value == f"{locus.variants['pip'].max():.3f}"
    sets, variants = (block for block in blocks if isinstance(block, Table))
    sizes = {kind: int(locus.sets.set_index("prior").loc[kind, "size"]) for kind in (SCORE, FLAT)}
    assert [row[1] for row in sets.rows if len(row) > 1] == [str(sizes[SCORE]), str(sizes[FLAT])]
    order = locus.variants.sort_values("pip", ascending=False)
    assert [row[0] for row in variants.rows][:3] == [described(row) for _, row in order.head(3).iterrows()]
    ratio = variants.header.index("prior / flat")
    top = order.iloc[0]
    assert float(variants.rows[0][ratio]) == pytest.approx(top["prior"] * len(order), rel=0.06)
    assert "APOB" in variants.rows[0][variants.header.index("gene")]


def test_without_scores_there_is_one_prior(loci: list[LocusResult], tmp_path: Path) -> None:
    locus = _flat(loci[0])
    locus.record["seen"] = ""
    _, sections, _ = locus_page(locus, PageOptions(""), None, "001")
    words = " ".join(str(block) for section in sections for block in section.blocks)
    assert "prior by scores" not in words
    both = locus.sets.assign(prior=SCORE)
    again = LocusResult(locus.record, locus.variants, pd.concat([locus.sets, both], ignore_index=True))
    (sets, _) = (
        block
        for section in locus_page(again, PageOptions(""), None, "001")[1]
        for block in section.blocks
        if isinstance(block, Table)
    )
    assert [row[0] for row in sets.rows] == ["set 1"]
    assert "Caution" not in words
    folder = write_folder(tmp_path, [locus])
    write_pages(folder, PageOptions("one study", most=0))
    text = (folder / "report.md").read_text()
    assert "\N{RIGHTWARDS ARROW}" not in text
    assert list((folder / "loci").iterdir()) == []


def test_a_variant_alone_in_its_locus_is_not_a_finding(loci: list[LocusResult], tmp_path: Path) -> None:
    alone = (
        loci[0].variants.head(1).assign(pip=1.0, pip_flat=1.0, prior=1.0, locus="alone", set=1, set_flat=1)
    )
    sets = loci[0].sets.assign(locus="alone", size=1)
    locus = LocusResult(loci[0].record | {"locus": "alone", "variants": 1, "top_pip": 1.0}, alone, sets)
    _, sections, _ = locus_page(locus, PageOptions(""), None, "001")
    assert any("one variant alone" in str(block) for block in sections[0].blocks)
    write_pages(write_folder(tmp_path, [locus, loci[0]]), PageOptions("", most=1))
    text = (tmp_path / "report.md").read_text()
    assert "1 has one variant alone" in text
    above = int((loci[0].variants["pip"] > 0.95).sum())
    assert f"\N{RIGHTWARDS ARROW} {above}**" in text.partition("PIP above")[2].partition("\n")[0]
    [page] = (tmp_path / "loci").iterdir()
    assert "2_1000" in page.name


def test_a_locus_that_is_doubtful_says_so(loci: list[LocusResult]) -> None:
    record = loci[0].record | {
        "suspicious": "3 of 9 variants differ", "flipped": 1, "converged": "no", "reason": "LD is of others",
        "variants_in_study": 100, "scored": 50, "seen": "unknown",
    }  # fmt: skip
    _, sections, _ = locus_page(
        LocusResult(record, loci[0].variants, loci[0].sets), PageOptions("", LEAKAGE), None, "001"
    )
    cautions = [block for block in sections[0].blocks if isinstance(block, str)]
    for words in (
        "3 of 9 variants differ.", "1 variant has a z of the other sign", "did not converge",
        "LD is of others.",
        "40 of the study's variants", "10 of 60 variants have no score", "not known whether the weights mine",
    ):  # fmt: skip
        assert sum(words in caution for caution in cautions) == 1, words


def test_figures_show_pips_by_set_p_by_r2_and_the_prior_over_a_flat_one(loci: list[LocusResult]) -> None:
    variants = loci[0].variants
    genes = Genes({"2": (Gene("APOB", 900, 1500, "+"),)})
    figure = locus_figure(variants, True, genes)
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes[1:]]
    assert labels == [
        "\N{MINUS SIGN}log10 p", "PIP, flat prior", "prior / flat prior (log)",
        "PIP, prior by scores", "genes",
    ]  # fmt: skip
    shown = {part.get_label(): part for part in figure.axes[4].collections}
    assert f"set 1, n {int((variants['set'] == 1).sum())}" in shown
    classes = [part.get_label() for part in figure.axes[1].collections if "n " in part.get_label()]
    assert sum(int(label.rpartition(" ")[2]) for label in classes) == len(variants)
    (mark,) = [mark for mark in marks_of(variants, True, 6) if "highest PIP" in mark.reasons]
    assert mark.row == variants["pip"].to_numpy().argmax()
    labels = [axes.get_ylabel() for axes in locus_figure(_flat(loci[0]).variants, False).axes[1:]]
    assert labels == ["\N{MINUS SIGN}log10 p", "PIP", "score"]


def test_the_summary_counts_sets_by_size_and_variants_above_thresholds() -> None:
    pips = np.array([[0.96, 0.2], [0.6, 0.97], [0.01, 0.99]])
    sizes = {FLAT: np.array([1, 3, 80]), SCORE: np.array([1, 1, 2])}
    _, middle, right = summary_figure(pips, sizes, True).axes
    heights = [[int(bar.get_height()) for bar in part] for part in middle.containers]
    assert heights == [[1, 1, 0, 0, 0, 1], [2, 1, 0, 0, 0, 0]]
    assert [[int(bar.get_height()) for bar in part] for part in right.containers] == [[2, 1, 1], [2, 2, 2]]


def test_the_gene_of_a_variant_is_that_around_it_or_the_nearest() -> None:
    genes = Genes({"2": (Gene("APOB", 900, 1500, "+"), Gene("RNA", 1590, 1600, "+", coding=False))})
    assert gene_of(genes, "chr2", 1000) == "APOB"
    assert gene_of(genes, "2", 2751) == "APOB, 1.3 kb"
    assert gene_of(genes, "3", 2751) == ""
    assert gene_of(None, "2", 1000) == ""
