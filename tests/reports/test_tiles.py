"""Numbers that stand out, links between pages, and figures as SVG."""

from __future__ import annotations

import base64
from pathlib import Path

from mifm_kipoi.reports import prose
from mifm_kipoi.reports.page import (
    Fact,
    Facts,
    Image,
    Link,
    Picture,
    Section,
    Table,
    Tile,
    Tiles,
    markdown,
    page,
    write_page,
)
from tests.reports.test_page import PNG, Elements

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
LINK = Link("rs1 <A>", "variants/1.html")
FACTS = Facts((Fact("score", "0.5"), Fact("percentile", "97.1", "PHRED 15 & more", 97.1)))
TILES = Tiles((Tile(LINK, SVG, (Fact("PIP", "0.9"),), "a note"),))


def test_facts_are_a_list_of_terms_with_bars() -> None:
    found = Elements(page("T", [Section("S", (FACTS,))])).found
    assert ["".join(words) for tag, _, words in found if tag == "dt"] == ["score", "percentile"]
    assert ["".join(words) for tag, _, words in found if tag == "b"] == ["0.5", "97.1"]
    bars = [attributes["style"] for tag, attributes, _ in found if tag == "span" and "style" in attributes]
    assert bars == ["width: 97.1%"]
    assert markdown("T", [Section("S", (FACTS,))]).splitlines()[-2:] == [
        "- score: **0.5**", "- percentile: **97.1** (PHRED 15 &amp; more)",
    ]  # fmt: skip


def test_tiles_lead_to_their_pages() -> None:
    found = Elements(page("T", [Section("S", (TILES,))])).found
    links = [(attributes["href"], "".join(words)) for tag, attributes, words in found if tag == "a"]
    assert ("variants/1.html", "rs1 <A>") in links
    (source,) = [attributes["src"] for tag, attributes, _ in found if tag == "img"]
    assert base64.b64decode(source.removeprefix("data:image/svg+xml;base64,")) == SVG
    assert "- [rs1 &lt;A>](variants/1.html): PIP: **0.9**" in markdown("T", [Section("S", (TILES,))])


def test_cells_and_pages_are_linked() -> None:
    table = Table(("variant", "score"), ((LINK, "1"),))
    text = page("T", [Section("S", (table,))], [Link("all", "../index.html")])
    links = [attributes["href"] for tag, attributes, _ in Elements(text).found if tag == "a"]
    assert links == ["../index.html", "variants/1.html"]
    assert "| [rs1 &lt;A>](variants/1.html) | 1 |" in markdown("T", [Section("S", (table,))])


def test_a_figure_is_shown_as_svg_and_written_in_both_forms(tmp_path: Path) -> None:
    sections = [Section("S", (Picture("one", PNG, "How.", "", SVG), Picture("two", PNG, "How.")))]
    sources = [
        attributes["src"] for tag, attributes, _ in Elements(page("T", sections)).found if tag == "img"
    ]
    assert [source[: source.index(";")] for source in sources] == ["data:image/svg+xml", "data:image/png"]
    files = write_page(tmp_path, "T", sections)
    names = {str(path.relative_to(tmp_path)) for path in files}
    assert names == {"figures/one.png", "figures/two.png", "figures/one.svg", "report.md", "report.html"}
    assert (tmp_path / "figures" / "one.svg").read_bytes() == SVG


def test_templates_hold_facts_tiles_and_figures_in_both_forms(tmp_path: Path) -> None:
    template = tmp_path / "t.md.jinja"
    template.write_text(
        '# T\n\n## S\n\n{{ facts }}\n\n{{ tiles }}\n\n{% call figure("f") %}\nHow.\n{% endcall %}\n'
    )
    _, (section,) = prose.rendered(template, {"facts": FACTS, "tiles": TILES}, {"f": lambda: Image(PNG, SVG)})
    assert section.blocks == (FACTS, TILES, Picture("f", PNG, "How.", "", SVG))
