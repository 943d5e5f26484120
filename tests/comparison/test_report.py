"""The report of a comparison: its files, what they say, and figures that do not fail."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from mifm_kipoi.comparison.agreement import correlations
from mifm_kipoi.comparison.figures import correlation_matrix, rank_densities, scatter_matrix
from mifm_kipoi.comparison.locus import default_locus
from mifm_kipoi.comparison.locus_figure import locus_view
from mifm_kipoi.comparison.records import Comparison
from mifm_kipoi.comparison.report import duration, memory, report, write_report
from mifm_kipoi.comparison.results import measure
from mifm_kipoi.errors import MissingPackageError, OptionError, OutputError
from mifm_kipoi.reports import drawing
from mifm_kipoi.reports.page import Table, signed
from mifm_kipoi.reports.scale import Scale
from tests.comparison.builders import comparison, declaration, realistic

NAN = float("nan")
NAMES = [
    "coverage.tsv", "correlations.tsv", "overlap.tsv", "blocks.tsv", "resources.tsv",
    "figures/correlations.png", "figures/scatter_matrix.png", "figures/ranks.png", "figures/locus.png",
    "report.md", "report.html",
]  # fmt: skip


@pytest.fixture(scope="module")
def real() -> Comparison:
    return realistic(size=3000)


@pytest.fixture(scope="module")
def written(real: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("report") / "new" / "folder"
    files = write_report(real, folder, resamples=50)
    assert [str(path.relative_to(folder)) for path in files] == NAMES
    return folder


def test_nothing_else_is_written(written: Path) -> None:
    assert sorted(str(path.relative_to(written)) for path in written.rglob("*.*")) == sorted(NAMES)


def test_the_tables_hold_what_was_measured(written: Path, real: Comparison) -> None:
    pair = pd.read_csv(written / "correlations.tsv", sep="\t", keep_default_na=False, na_values=[""])
    wanted = correlations(real, resamples=50)
    assert list(pair.columns) == list(wanted.columns)
    numbers = wanted.select_dtypes("number").columns
    np.testing.assert_allclose(pair[numbers], wanted[numbers], rtol=6e-10)
    coverage = pd.read_csv(written / "coverage.tsv", sep="\t")
    assert list(coverage["scored"]) == [int(real.table[name].notna().sum()) for name in real.primary_scores]
    assert set(pd.read_csv(written / "overlap.tsv", sep="\t")["top"]) == {"10", "100", "1000", "1 %"}
    assert len(pd.read_csv(written / "blocks.tsv", sep="\t")) == len(pair)
    assert (written / "resources.tsv").read_text().splitlines()[5].split("\t")[4] == ""


class _Page(HTMLParser):
    """The tags of a page that open, the addresses they name, and which do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_nobody_for_anything(written: Path) -> None:
    text = (written / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert not page.tags & {"script", "link", "iframe"}
    pictures = [address for address in page.addresses if not address.startswith("#")]
    assert len(pictures) == 4
    assert all(address.startswith("data:image/png;base64,") for address in pictures)
    anchors = {address[1:] for address in page.addresses if address.startswith("#")}
    assert {"coverage", "agreement", "the-models"} <= anchors < set(page.ids)
    assert "url(" not in text
    assert len(text) < 5_000_000
    assert "<title>Scores of variants side by side</title>" in text


def test_the_first_section_has_the_main_numbers(written: Path, real: Comparison) -> None:
    text = (written / "report.md").read_text()
    first = text.split("## ")[1]
    assert first.startswith("Summary\n")
    common = int(real.table[list(real.primary_scores)].notna().all(axis=1).sum())
    assert f"**3,000 variants, 7 models; {common:,} variants" in first
    assert "mifm and published agree most: Spearman 0.9" in first
    assert "enformer 2 h 15 min" in first
    assert "Most memory: enformer, 9.66 GB" in first
    assert "Intervals are over 10 blocks at most; with so few they are too narrow." in first
    assert "Agreement is not accuracy" in first


def test_the_models_are_declared(written: Path) -> None:
    section = (written / "report.md").read_text().split("## The models")[1].split("\n## ")[0]
    for part in (
        "| **enformer** |", "196,608 bp, the allele from 0-based index 98,303 on", "5,313", "Avsec Z",
        "0123456789abcdef" * 4, "(primary score)", "(ranks)", "(does not rank)", "no labels of GWAS",
        "enformer=table:enformer.tsv",
    ):  # fmt: skip
        assert part in section
    assert section.count("| **") == 7


def test_the_pictures_of_the_markdown_exist(written: Path) -> None:
    names = re.findall(r"!\[[^]]*\]\(([^)]*)\)", (written / "report.md").read_text())
    assert sorted(names) == sorted(name for name in NAMES if name.endswith(".png"))
    for name in names:
        with Image.open(written / name) as picture:
            assert picture.width >= 1280
            assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 20


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    scores = {name: {"x": generator.integers(0, 9, 60).astype(float)} for name in "ab"}
    small = comparison(scores, block=np.arange(60) % 8)
    first, again, other = (
        write_report(small, tmp_path / name, seed=seed, resamples=20)
        for name, seed in (("one", 1), ("two", 1), ("three", 2))
    )
    for one, two in zip(first, again, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
    assert first[1].read_bytes() != other[1].read_bytes()


def test_a_wrong_locus_writes_nothing(tmp_path: Path) -> None:
    found = comparison({"a": {"x": [1.0, 2.0]}})
    with pytest.raises(OptionError, match="those of 20 lie in 20:1,000-2,000"):
        write_report(found, tmp_path / "out", locus="20:5000-6000")
    with pytest.raises(OptionError, match=r"'20' .*chrom:start-end"):
        write_report(found, tmp_path / "out", locus="20")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot make the folder .*out"):
        write_report(comparison({"a": {"x": [1.0, 2.0]}}), tmp_path / "file" / "out")


def test_without_matplotlib_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(package: str, extra: str) -> None:
        raise MissingPackageError(f"{package} of {extra}")

    monkeypatch.setattr(drawing, "needed", missing)
    with pytest.raises(MissingPackageError, match="matplotlib of plot"):
        write_report(comparison({"a": {"x": [1.0, 2.0]}}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


SMALL = {
    "one score of one variant": comparison({"a": {"x": [1.0]}}),
    "one model of two scores": comparison({"a": {"x": [1.0, 2, 3], "y": [3.0, 1, 2]}}),
    "constant, infinite and absent": comparison(
        {"a": {"x": [1.0] * 24}, "b": {"y": [1, 2, np.inf, -np.inf] * 6}, "c": {"z": [NAN] * 24}}
    ),
    "no score at all": comparison({"a": {"x": [NAN] * 4}, "b": {"y": [NAN] * 4}}),
    "outside all blocks": comparison(
        {"a": {"x": np.arange(30.0)}, "b": {"y": np.arange(30.0) ** 2}}, block=[-1] * 30
    ),
    "one model without a score": comparison({"a": {"x": [NAN] * 4, "y": [NAN] * 4}}),
    "one model alike in all variants": comparison({"a": {"x": [0.0] * 4}}),
    "POS 0": comparison({"a": {"x": [9.0, 1, 2]}, "b": {"y": [1.0, 2, 3]}}, pos=[0, 0, 7]),
    "the largest numbers": comparison(
        {
            "a": {"x": [-1.79e308, 1.79e308, *range(20)]},
            "b": {"y": [1.79e308] * 22},
            "c": {"z": [1.79e308, *np.geomspace(1e-308, 1.7e308, 21)]},
            "d": {"neg_log10_p": [1.79e308, *range(21)]},
        }
    ),
    "the smallest numbers": comparison(
        {"a": {"x": [0.0] * 20 + [5e-324, 1.0]}, "b": {"y": [0.0] * 21 + [1e-310]}, "c": {"z": [5e-324] * 22}}
    ),
    "zeros and tiny numbers": comparison(
        {"a": {"pip": [0.0] * 20 + [1e-300, 1.0]}, "b": {"neg_log10_p": [0.0] * 22}}
    ),
}


@pytest.mark.parametrize("case", SMALL)
def test_small_and_odd_comparisons_have_a_report(case: str, tmp_path: Path) -> None:
    write_report(SMALL[case], tmp_path, resamples=10)
    text = (tmp_path / "report.md").read_text()
    assert not re.search(r"\bnan\b|\binf\b", text.replace("infinite", ""))
    assert "## A locus" in text


def _sections(found: Comparison) -> dict[str, str]:
    """The texts of each section, without drawing."""
    figures = dict.fromkeys(("correlations", "scatter_matrix", "ranks", "locus"), lambda: b"")
    _, sections = report(measure(found, resamples=10), default_locus(found), figures)
    return {
        section.title: "\n".join(block if isinstance(block, str) else repr(block) for block in section.blocks)
        for section in sections
    }


def _summary(found: Comparison) -> str:
    return _sections(found)["Summary"]


def test_models_without_any_score_are_named_in_the_summary() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(2, 60))
    found = comparison(
        {"a": {"x": x}, "empty": {"e": [NAN] * 60, "f": x}, "c": {"y": y}, "out": {"z": [NAN] * 60}},
        status={"out": ["value_missing"] * 40 + ["not_in_table"] * 20}, block=np.arange(60) % 6,
    )  # fmt: skip
    text = _summary(found)
    wanted = "score of empty (other scores only: 60 variants); out (value missing: 40 variants).**"
    assert f"**No variant has a {wanted}" in text
    assert "0 variants (0.0 %) have a score of each model" in text
    assert "**a and c: Spearman" in text
    assert "No two models" not in text


def test_a_single_model_without_a_score_says_so() -> None:
    text = _summary(comparison({"a": {"x": [NAN] * 4}}))
    assert "**4 variants, one model.** Variants with a score: a 0.0 %." in text
    assert "**No variant has a score of a (not in table: 4 variants).**" in text
    assert "agree" not in text.lower()


def test_models_that_share_no_variant_say_so() -> None:
    found = comparison({"a": {"x": [1.0, 2, NAN, NAN]}, "b": {"y": [NAN, NAN, 1, 2]}})
    text = _summary(found)
    assert "**No two models have a correlation;** the table of their agreement says why." in text
    assert "No variant has a score" not in text
    assert "the variants that two models score lie in fewer than 5 blocks" in text
    assert list(correlations(found)["note"]) == ["fewer than 3 variants have both"]


def test_the_summary_gives_the_chance_of_the_table_and_marks_ties(tmp_path: Path) -> None:
    """1 % of 60 variants is one of them, which is too few to begin with; chance puts 1 in 6 in the top 10."""
    x = np.arange(60.0)
    y = np.r_[x[:40], [NAN] * 20]
    found = comparison({"a": {"x": x}, "same": {"x": x**3}, "tied": {"x": x * 0}, "few": {"y": y}})
    write_report(found, tmp_path, resamples=10)
    text = (tmp_path / "report.md").read_text()
    assert "in brackets, what chance gives): same 100.0 (17); tied 16.7* (17); few 100.0 (25). A star" in text
    assert "Of the 10 variants that a ranks highest" in text
    assert "| a, tied | 60 | 16.7* (17) | 1.7* (1.7) |" in text
    untied = _summary(comparison({"a": {"x": x}, "b": {"x": -x}}))
    assert "in brackets, what chance gives): b 0.0 (17)." in untied
    assert "A star" not in untied


@pytest.mark.parametrize(
    ("size", "top"), [(60, "10 variants"), (311, "100 variants"), (2000, "1 % of variants"), (12, "")]
)
def test_the_summary_begins_with_a_top_of_more_than_a_handful(size: int, top: str) -> None:
    x = np.arange(float(size))
    text = _summary(comparison({"a": {"x": x}, "b": {"x": -x}}))
    assert re.findall(r"Of the (.*) that a ranks highest", text) == ([top] if top else [])


def test_the_top_variants_have_the_scores_and_ranks_of_all_models() -> None:
    found = comparison(
        {"a": {"x": [0.5, 0.25, 0.5, NAN, 0.125], "second": [9.0] * 5}, "b": {"y": [1.0, 7, NAN, 1234.56, 3]},
         "empty": {"z": [NAN] * 5}}
    )  # fmt: skip
    figures = dict.fromkeys(("correlations", "scatter_matrix", "ranks", "locus"), lambda: b"")
    _, sections = report(measure(found, resamples=5), default_locus(found), figures)
    (table,) = (block for block in sections[1].blocks if isinstance(block, Table))
    assert sections[1].title == "Top variants"
    assert table.header == ("variant", "a.x", "b.y", "empty.z")
    assert table.rows == (
        ("highest by a.x",),
        ("20:1,000 A>C rs1", "0.5 (1)", "1 (4)", ""),
        ("20:3,000 A>C rs3", "0.5 (1)", "", ""),
        ("20:2,000 A>C rs2", "0.25 (3)", "7 (2)", ""),
        ("20:5,000 A>C rs5", "0.125 (4)", "3 (3)", ""),
        ("highest by b.y",),
        ("20:4,000 A>C rs4", "", "1235 (1)", ""),
        ("20:2,000 A>C rs2", "0.25 (3)", "7 (2)", ""),
        ("20:5,000 A>C rs5", "0.125 (4)", "3 (3)", ""),
        ("20:1,000 A>C rs1", "0.5 (1)", "1 (4)", ""),
    )


def test_the_caption_of_the_locus_promises_what_is_marked() -> None:
    def caption(**scores: Sequence[float]) -> str:
        given = {name: {name: values} for name, values in scores.items()}
        return _sections(comparison({"a": {"x": [1.0, 2]}, **given}))["A locus"]

    assert "highest PIP" not in caption()
    assert "p-value" not in caption(pip=[0.1, 0.2])
    assert "the variant with the highest PIP" in caption(pip=[0.1, 0.2])
    assert "the variant with the lowest p-value" in caption(neg_log10_p=[0.1, 0.2])


def test_dollar_signs_are_no_formulas(tmp_path: Path) -> None:
    """Where matplotlib reads one, an underscore without anything to lower is an error."""
    names = [f"x$_$ {n}" for n in range(3)]
    generator = np.random.default_rng(1)
    scores = {
        label: {name: generator.normal(size=60) for name in (*names, "neg_log10_p", "pip_$_$")}
        for label in ("a$_$", "b$_$")
    }
    found = comparison(scores, chrom=["HLA$_$"] * 60)
    write_report(found, tmp_path, resamples=10)
    table = correlations(found, resamples=10)
    for each in (
        correlation_matrix(found, table), scatter_matrix(found, table), rank_densities(found),
        locus_view(found, ("HLA$_$", 1, 100_000)),
    ):  # fmt: skip
        texts = [text for text in each.findobj(Text) if "$" in text.get_text()]
        assert texts
        assert not any(text.get_parse_math() for text in texts)


def test_text_of_models_is_taken_literally(tmp_path: Path) -> None:
    said = declaration(["x"], name="<b>A & B</b>", citation="a | b_c $x$ `d`")
    found = comparison({"a": {"x": [1.0, 2.0]}}, declarations={"a": said})
    write_report(found, tmp_path)
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in (tmp_path / "report.html").read_text()
    assert r"a \| b_c $x$ \`d\`" in (tmp_path / "report.md").read_text()


def test_the_headline_rows_are_named_by_models(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    found = comparison(
        {name: {"x": generator.normal(size=40), "second": generator.normal(size=40)} for name in "abc"},
        block=np.arange(40) % 8,
    )
    write_report(found, tmp_path, resamples=20)
    text = (tmp_path / "report.md").read_text()
    assert text.count("| a, b |") == 3
    assert "a.second, " not in text
    table = correlations(found, resamples=20).set_index(["model_a", "model_b"]).loc[("a.x", "b.x")]
    wanted = f"{signed(table['spearman'], 3)} ({signed(table['spearman_low'], 3)} to "
    assert wanted in next(line for line in text.splitlines() if line.startswith("| a, b |"))


def _drawn(figure: object) -> Image.Image:
    return Image.open(io.BytesIO(drawing.png(figure))).convert("RGB")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "labels",
    [
        ("mifm", "published", "t"),
        ("mifm", "finemapping_pips_susie", "p"),
        tuple(f"model_number_{number}" for number in range(10)),
        ("W" * 24, "b"),
    ],
)
def test_labels_of_the_scatter_matrix_lie_inside_the_figure(labels: tuple[str, ...]) -> None:
    generator = np.random.default_rng(1)
    found = comparison({label: {"x": np.exp(generator.normal(size=60))} for label in labels})
    figure = scatter_matrix(found, correlations(found, resamples=5))
    with drawing.styled():
        FigureCanvasAgg(figure).draw()
    names = [text for text in figure.findobj(Text) if text.get_fontweight() == "bold" and text.get_text()]
    assert len(names) == 2 * len(labels)
    for text in names:
        box = text.get_window_extent()
        assert min(box.x0, box.y0) >= 0, text.get_text()
        assert box.x1 < figure.bbox.width, text.get_text()
        assert box.y1 < figure.bbox.height, text.get_text()


def test_figures_of_ten_models_are_small() -> None:
    generator = np.random.default_rng(1)
    scores = {f"model_number_{n}": {"score": np.exp(generator.normal(size=5000))} for n in range(11)}
    found = comparison(scores, pos=np.arange(1, 5001) * 50)
    table = correlations(found, resamples=20)
    size = 0
    for figure in (
        scatter_matrix(found, table), correlation_matrix(found, table), rank_densities(found),
        locus_view(found, ("20", 1, 250_000)),
    ):  # fmt: skip
        size += len(drawing.png(figure))
    assert size * 4 / 3 < 3_000_000


def test_the_density_is_drawn_where_the_variants_are() -> None:
    x = np.linspace(0, 1, 400)
    found = comparison({"a": {"x": x}, "b": {"y": 1 - x}})
    figure = scatter_matrix(found, correlations(found, resamples=10))
    (image,) = figure.axes[0].get_images()
    counts = np.asarray(image.get_array().filled(0))  # type: ignore[union-attr]
    assert counts.sum() == 400
    # Lower rows are lower values of b, where a is high.
    assert counts[:5, -5:].sum() > 20
    assert counts[:5, :5].sum() == 0
    assert list(image.get_extent()) == [0, 1, 2, 1]
    assert image.origin == "lower"


def test_ranks_that_agree_lie_on_the_diagonal_and_ties_are_spread() -> None:
    x = np.arange(4000.0)
    found = comparison({"a": {"x": x}, "same": {"x": x**3}, "opposite": {"x": -x}, "tied": {"x": x * 0}})
    same, opposite, tied = (
        np.asarray(axes.get_images()[0].get_array()) for axes in rank_densities(found).axes[:3]
    )
    assert (np.diag(same) == 3).all()
    assert (same[~np.eye(len(same), dtype=bool)] == -3).all()
    assert (np.diag(opposite[::-1]) == 3).all()
    assert np.abs(tied).max() < 2
    assert len(same) == 10


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        (np.linspace(0, 1, 100), False),
        (np.exp(np.random.default_rng(0).normal(0, 1.4, 5000)), True),
        (np.random.default_rng(0).normal(0, 1.4, 5000), False),
        (np.exp(np.random.default_rng(0).normal(0, 1.4, 5000)) - 0.5, False),
        (np.r_[np.zeros(900), np.linspace(0.001, 1, 100)], True),
        (np.full(9, 3.0), False),
        (np.array([NAN, NAN]), False),
        (np.array([-1.79e308, 0, 1.79e308]), False),
        (np.array([0, 1.79e308]), False),
        (np.r_[np.zeros(900), np.geomspace(1e-300, 1.79e308, 100)], True),
        (np.array([1e20, 1e20]), False),
        (np.r_[np.zeros(20), 1.0], False),
        (np.r_[np.zeros(20), 5e-324], False),
        (np.r_[np.zeros(20), 5e-324, 1e-310], False),
    ],
)
def test_skewed_scores_have_a_logarithmic_axis(values: np.ndarray, logarithmic: bool) -> None:
    scale = Scale.of(values)
    assert scale.logarithmic == logarithmic
    places = scale.positions(np.r_[values[~np.isnan(values)], np.inf, -np.inf])
    assert places.min() == 0
    assert places.max() == 1
    assert scale.low < scale.high
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks(3))


def test_a_logarithmic_axis_has_zeros_at_its_lower_end() -> None:
    scale = Scale(True, 0.01, 100)
    assert scale.positions(np.array([0, 0.001, 0.01, 1, 100, 1e9])) == pytest.approx([0, 0, 0, 0.5, 1, 1])
    assert [scale.tick(value) for value in (1e-5, 0.01, 10, 2e6)] == ["1e-5", "0.01", "10", "2e6"]


def test_the_regional_view_shares_its_axis_and_shows_each_score() -> None:
    found = comparison(
        {
            "mifm": {"mifm_ref": [NAN, 0.9, 0.1, 0.3]},
            "b": {"y": [1.0, 2, 3, 4]},
            "p": {"neg_log10_p": [1.0, 9, 2, 3]},
        },
        pos=[100, 200, 300, 999],
    )
    head, *panels = locus_view(found, ("20", 50, 300)).axes
    assert [axes.get_ylabel() for axes in panels] == ["\N{MINUS SIGN}log10 p", "MIFM", "b"]
    assert len({axes.get_xlim() for axes in panels}) == 1
    low, high = panels[0].get_xlim()
    assert low < 50e-6
    assert 300e-6 < high < 999e-6
    points = [
        sorted(
            place
            for part in axes.collections
            for place in map(tuple, np.asarray(part.get_offsets()).tolist())
        )
        for axes in panels
    ]
    # Marked variants are drawn twice.
    assert set(points[1]) == {(200e-6, 0.9), (300e-6, 0.1)}
    assert set(points[2]) == {(100e-6, 1.0), (200e-6, 2.0), (300e-6, 3.0)}
    key = [text.get_text() for text in head.texts]
    assert key == [
        "A", "rs2  20:200 A>C  (mifm no. 1, lowest p)", "B", "rs3  20:300 A>C  (mifm no. 2)",
    ]  # fmt: skip
    for axes in panels:
        assert [text.get_text() for text in axes.texts] == ["A", "B"]
    dashed = [line for line in panels[0].get_lines() if line.get_linestyle() == "--"]
    assert np.asarray(dashed[0].get_ydata())[0] == pytest.approx(7.30103, abs=1e-5)


def test_letters_of_neighbours_do_not_overlap_and_absent_scores_are_grey() -> None:
    found = comparison(
        {"a": {"x": [4.0, 3.0, 2.0]}, "b": {"y": [NAN, 1.0, 1.0]}}, pos=[99_998, 99_999, 100_000]
    )
    _, first, second = locus_view(found, ("20", 1, 100_000)).axes
    places = [text.get_position()[0] for text in first.texts]
    assert (np.diff(places) > 0.017).all()
    assert max(places) <= 1
    colours = [text.get_color() for text in second.texts]
    assert colours == ["0.7", drawing.ACCENT, drawing.ACCENT]


def test_a_locus_of_one_base_is_drawn() -> None:
    found = comparison({"a": {"x": [1.0, 2.0]}}, pos=[5, 6])
    figure = locus_view(found, ("20", 5, 5))
    axes = figure.axes[1]
    points = {tuple(place) for part in axes.collections for place in np.asarray(part.get_offsets()).tolist()}
    assert points == {(5e-6, 1.0)}
    low, high = axes.get_xlim()
    assert 4e-6 < low < 5e-6 < high < 6e-6
    assert _drawn(figure).width == 1280


def test_quantities_as_text() -> None:
    assert [duration(value) for value in (0.5, 59, 60, 119.7, 3599.7, 8123)] == [
        "0.500 s", "59.0 s", "1 min 0 s", "2 min 0 s", "1 h 0 min", "2 h 15 min",
    ]  # fmt: skip
    assert [memory(value) for value in (805_306_368, 9 << 30)] == ["805 MB", "9.66 GB"]
