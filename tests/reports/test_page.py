"""A report as Markdown and as an HTML page: structure, literal text, numbers."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mifm_kipoi.errors import OutputError
from mifm_kipoi.reports.page import (
    Picture,
    Section,
    Table,
    count,
    decimal,
    digits,
    listed,
    markdown,
    page,
    percent,
    points,
    settings_rows,
    settings_table,
    signed,
    with_interval,
    write_page,
)

NAN = float("nan")
PNG = b"\x89PNG bytes"
NUMBERS = Table(("score", "AUPRC"), (("all",), ("a", "0.512 (0.401 to 0.623)"), ("b|c", "0.1, p = 0.03")))
SECTIONS = [
    Section("In short", ("**Strong** words of <b>A & B</b>: 5 %.",)),
    Section("Scores & numbers", (NUMBERS, Picture("a_figure", PNG, "How to read it.", "What it shows."))),
]


class Elements(HTMLParser):
    """What a page has: tags with their attributes, and the text inside each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[tuple[str, list[str]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words: list[str] = []
        self.found.append((tag, dict(attrs), words))
        if tag not in ("meta", "img"):
            self.open.append((tag, words))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, words in self.open:
            words.append(data)

    def texts(self, tag: str) -> list[str]:
        return ["".join(words) for name, _, words in self.found if name == tag]

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.found if name == tag]


def test_markdown_is_literal_but_for_strong_words() -> None:
    assert markdown("A `title`", SECTIONS) == (
        "# A \\`title\\`\n\n"
        "## In short\n\n"
        "**Strong** words of &lt;b>A &amp; B&lt;/b>: 5 %.\n\n"
        "## Scores &amp; numbers\n\n"
        "| score | AUPRC |\n| --- | ---: |\n| **all** |  |\n| a | 0.512 (0.401 to 0.623) |\n"
        "| b\\|c | 0.1, p = 0.03 |\n\n"
        "![a figure](figures/a_figure.png)\n\nHow to read it.\n\nWhat it shows.\n"
    )


def test_a_page_has_its_sections_tables_and_figures() -> None:
    elements = Elements(page("A title", SECTIONS))
    assert elements.texts("title") == elements.texts("h1") == ["A title"]
    assert elements.texts("h2") == ["In short", "Scores & numbers"]
    assert [one["id"] for one in elements.attributes("section")] == ["in-short", "scores-numbers"]
    # The summary, which comes first, needs no link.
    assert elements.attributes("a") == [{"href": "#scores-numbers"}]
    assert elements.texts("strong") == ["Strong"]
    assert elements.texts("p")[0] == "Strong words of <b>A & B</b>: 5\N{NO-BREAK SPACE}%."
    assert elements.texts("p")[1:] == ["How to read it.", "What it shows."]
    assert elements.texts("th") == ["score", "AUPRC", "all", "a", "b|c"]
    assert [one.get("scope") for one in elements.attributes("th")] == ["col", "col", "colgroup", "row", "row"]
    assert elements.attributes("th")[2]["colspan"] == "2"
    (image,) = elements.attributes("img")
    assert image["alt"] == "a figure"
    source = image["src"] or ""
    assert source.startswith("data:image/png;base64,")
    assert base64.b64decode(source.partition(",")[2]) == PNG
    assert elements.attributes("figure") == [{"id": "a_figure"}]


def test_lines_end_before_an_interval_and_not_inside() -> None:
    cells = Elements(page("A title", SECTIONS)).texts("td")
    assert [re.split(r"(?<! ) (?! )", cell.replace("\N{NO-BREAK SPACE}", "_")) for cell in cells] == [
        ["0.512", "(0.401_to_0.623)"], ["0.1,", "p_=_0.03"],
    ]  # fmt: skip


def test_text_in_tables_and_titles_cannot_be_markup() -> None:
    bad = "<script>alert(1)</script>"
    table = Table((bad, bad), ((bad, bad), (bad,)), numbers=False)
    text = page(bad, [Section("first", ()), Section(bad, (table, Picture("x", PNG, bad, bad)))])
    elements = Elements(text)
    assert not elements.texts("script")
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 11
    assert {one["class"] for one in elements.attributes("table")} == {"text"}


def test_a_page_can_be_printed() -> None:
    """On paper there are no scroll bars and no dark colours: nothing may be cut off."""
    style = Elements(page("A title", SECTIONS)).texts("style")[0]
    printed = style.partition("@media print {")[2]
    assert ".scroll { overflow: visible; }" in printed
    assert all("screen" in rule for rule in re.findall(r"@media ([^{]*)\{", style) if rule.strip() != "print")


def test_files_of_a_report(tmp_path: Path) -> None:
    written = write_page(tmp_path, "A title", SECTIONS)
    assert [str(path.relative_to(tmp_path)) for path in written] == [
        "figures/a_figure.png", "report.md", "report.html",
    ]  # fmt: skip
    assert written[0].read_bytes() == PNG
    assert written[1].read_text() == markdown("A title", SECTIONS)
    assert written[2].read_text() == page("A title", SECTIONS)
    assert not (tmp_path / "b").exists()
    (tmp_path / "b").mkdir()
    (path,) = {one.parent for one in write_page(tmp_path / "b", "A title", SECTIONS[:1])}
    assert sorted(one.name for one in path.iterdir()) == ["report.html", "report.md"]
    with pytest.raises(OutputError, match="absent"):
        write_page(tmp_path / "absent", "A title", SECTIONS[:1])


def test_settings_as_tables() -> None:
    settings = {
        "mifm_kipoi": "0.1", "input": {"sha256": "0f", "nested": {"rows_read": 12_000}}, "seed": 1,
        "blocks": None, "paired": True, "table.tsv": ["a", 5000],
    }  # fmt: skip
    assert settings_table(settings).rows == (
        ("mifm kipoi", "0.1"), ("seed", "1"), ("blocks", "none"), ("paired", "yes"),
        ("table.tsv", "a, 5,000"), ("input",), ("sha256", "0f"), ("nested: rows read", "12,000"),
    )  # fmt: skip
    assert not settings_table(settings).numbers
    assert settings_rows({"a_b": {"c": False}}) == [("a b: c", "no")]


def test_numbers_as_text() -> None:
    assert [percent(0.1234), decimal(0.1234), points(-0.01), points(0.1234)] == [
        "12.3", "0.123", "-1.0", "+12.3",
    ]  # fmt: skip
    assert with_interval(decimal, 0.5, 0.25, 1) == "0.500 (0.250 to 1.000)"
    assert with_interval(decimal, 0.5, NAN, 1) == with_interval(decimal, 0.5, 0, float("inf")) == "0.500"
    assert [digits(value) for value in (0, 0.001234, 0.9999, 9.999, 702.4, 6245.8)] == [
        "0", "0.00123", "1.00", "10.0", "702", "6,250",
    ]  # fmt: skip
    assert digits(16.67, 2) == "17"
    assert [count(0), count(12_345)] == ["", "12,345"]
    assert listed(["a, b", "c"]) == "a, b; c"


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.123, 2, "0.12"),
        (-0.004, 2, "0.00"),
        (-0.125, 2, "\N{MINUS SIGN}0.12"),
        (NAN, 3, "none"),
        (1, 3, "1.000"),
    ],
)
def test_correlations_as_text(value: float, decimals: int, text: str) -> None:
    assert signed(value, decimals) == text
