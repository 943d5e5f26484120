"""The structure of a report, how it writes numbers, and its forms: Markdown and an HTML page in one file."""

from __future__ import annotations

import base64
import dataclasses
import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifm_kipoi.support.files import made_folder, written_whole

if TYPE_CHECKING:
    from markupsafe import Markup

FOLDER = "figures"
"""Where the Markdown has its figures."""


class Link(str):
    """Text that leads to another page of the same report: a cell of a table, or of the line above all.

    Parameters
    ----------
    text : str
        What is shown.
    href : str
        Relative address of the page.
    """

    href: str

    def __new__(cls, text: str, href: str) -> Link:
        """A link of a text to a page."""
        link = super().__new__(cls, text)
        link.href = href
        return link


@dataclasses.dataclass(frozen=True)
class Table:
    """A table whose first column names the rows; a cell can be a :class:`Link`.

    Parameters
    ----------
    header : tuple of str
        Titles of the columns.
    rows : tuple of tuple of str
        A row with a single cell is the heading of those that follow.
    numbers : bool
        Align the columns after the first to the right.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: bool = True


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure.

    Parameters
    ----------
    name : str
        Of the file, without its suffix.
    png : bytes
        The PNG file.
    caption : str
        How to read it.
    finding : str
        What it shows, in numbers; may be empty.
    svg : bytes
        The same as SVG, which the page shows in its place; may be empty.
    """

    name: str
    png: bytes
    caption: str
    finding: str = ""
    svg: bytes = b""


@dataclasses.dataclass(frozen=True)
class Image:
    """A figure in both of its forms, as what draws it gives it.

    Parameters
    ----------
    png, svg : bytes
        The files.
    """

    png: bytes
    svg: bytes


@dataclasses.dataclass(frozen=True)
class Fact:
    """A number that stands out.

    Parameters
    ----------
    name : str
        What it is.
    value : str
        The number.
    note : str
        What it means, in a few words; may be empty.
    percent : float, optional
        From 0 to 100: drawn as a bar beneath.
    """

    name: str
    value: str
    note: str = ""
    percent: float | None = None


@dataclasses.dataclass(frozen=True)
class Facts:
    """Numbers side by side, large."""

    facts: tuple[Fact, ...]


@dataclasses.dataclass(frozen=True)
class Tile:
    """What one page is about: a small figure with a few numbers, which leads to it.

    Parameters
    ----------
    title : Link
        Heading, and the page.
    svg : bytes
        The figure.
    facts : tuple of Fact
        Beneath the heading.
    note : str
        Beneath the figure; may be empty.
    """

    title: Link
    svg: bytes
    facts: tuple[Fact, ...]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Tiles:
    """Tiles side by side, as many as fit."""

    tiles: tuple[Tile, ...]


Block = str | Table | Picture | Facts | Tiles
"""A paragraph, a table, a figure, numbers that stand out, or ways to other pages. Text may hold
``**strong**`` words; all else is taken literally."""


@dataclasses.dataclass(frozen=True)
class Section:
    """A titled part of the report."""

    title: str
    blocks: tuple[Block, ...]


def percent(value: float) -> str:
    """A fraction in percent, without the sign ``%``."""
    return f"{100 * value:.1f}"


def decimal(value: float) -> str:
    """A fraction as a decimal number."""
    return f"{value:.3f}"


def points(value: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


def signed(value: float, decimals: int = 2) -> str:
    """A correlation, with a minus sign where it is negative and never as minus zero; ``none`` for NaN."""
    if not math.isfinite(value):
        return "none"
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def with_interval(write: Callable[[float], str], value: float, low: float, high: float) -> str:
    """A value and its interval; the interval is left out where an end is not finite."""
    known = math.isfinite(low) and math.isfinite(high)
    return write(value) + (f" ({write(low)} to {write(high)})" if known else "")


def digits(value: float, most: int = 3) -> str:
    """A quantity with ``most`` significant digits, without an exponent."""
    if value <= 0:
        return "0"
    # The exponent of the rounded value: that of 9.999 is one.
    rounded, exponent = f"{value:.{most - 1}e}".split("e")
    return f"{float(f'{rounded}e{exponent}'):,.{max(most - 1 - int(exponent), 0)}f}"


def count(value: float) -> str:
    """A count; empty when it is zero."""
    return f"{value:,.0f}" if value > 0 else ""


def listed(texts: Iterable[str]) -> str:
    """Items, which may hold commas, in one line."""
    return "; ".join(texts)


def settings_table(settings: Mapping[str, Any]) -> Table:
    """Nested settings as a table; those of the outermost mappings stand below the mapping's name.

    Empty mappings have no row.
    """
    outermost = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    rows: list[tuple[str, ...]] = [*settings_rows(outermost)]
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += [(_words(name),), *settings_rows(value)]
    return Table(("setting", "value"), tuple(rows), numbers=False)


def settings_rows(settings: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows of name and value; the names of inner ones begin with those of the outer."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += settings_rows(value, f"{before}{_words(name)}: ")
        else:
            rows.append((before + _words(name), _setting(value)))
    return rows


def _setting(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_setting(item) for item in value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def _words(name: str) -> str:
    return name if "." in name else name.replace("_", " ")


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The report as Markdown."""
    parts = [f"# {_plain(title)}"]
    for section in sections:
        parts += [f"## {_plain(section.title)}", *(_markdown_block(block) for block in section.blocks)]
    return "\n\n".join(parts) + "\n"


def _markdown_block(block: Block) -> str:
    if isinstance(block, str):
        return _plain(block)
    if isinstance(block, Picture):
        image = f"![{_words(block.name)}]({FOLDER}/{block.name}.png)"
        return "\n\n".join(filter(None, (image, _plain(block.caption), _plain(block.finding))))
    if isinstance(block, Facts):
        return "\n".join(f"- {_fact(fact)}" for fact in block.facts)
    if isinstance(block, Tiles):
        return "\n".join(
            f"- {_cell(tile.title)}: " + "; ".join(map(_fact, tile.facts)) for tile in block.tiles
        )
    width = len(block.header)
    lines = [
        block.header,
        ("---",) + ("---:" if block.numbers else "---",) * (width - 1),
        *((f"**{row[0]}**",) + ("",) * (width - 1) if len(row) == 1 else row for row in block.rows),
    ]
    return "\n".join(
        "| " + " | ".join(_cell(cell).replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def _fact(fact: Fact) -> str:
    return f"{_plain(fact.name)}: **{_plain(fact.value)}**" + (f" ({_plain(fact.note)})" if fact.note else "")


def _cell(text: str) -> str:
    """A cell, or a link."""
    return f"[{_plain(text)}]({text.href})" if isinstance(text, Link) else _plain(text)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, strong words excepted."""
    return re.sub(r"([\\`\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")


def page(title: str, sections: Sequence[Section], links: Sequence[Link] = ()) -> str:
    """The report as an HTML page in one file, figures included.

    Parameters
    ----------
    title : str
        Of the report.
    sections : sequence of Section
        The first is the summary, which stands out.
    links : sequence of Link
        To other pages, above all.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "anchor": _anchor, "base64": _base64, "marked": _marked, "unbroken": _unbroken, "words": _words,
    }  # fmt: skip
    template = Path(__file__).with_name("page.html.jinja").read_text("utf-8")
    return environment.from_string(template).render(title=title, sections=sections, links=links)


def write_page(folder: Path, title: str, sections: Sequence[Section]) -> list[Path]:
    """Write the report: ``figures/*.png``, ``report.md`` and ``report.html``, which opens without a network.

    Parameters
    ----------
    folder : Path
        Must exist; files of these names are replaced.
    title : str
        Of the report.
    sections : sequence of Section
        The first is the summary, which stands out.

    Returns
    -------
    list of Path
        The files, those of figures first.

    Raises
    ------
    OutputError
        When one cannot be written.
    """
    pictures = [block for section in sections for block in section.blocks if isinstance(block, Picture)]
    contents = {f"{FOLDER}/{picture.name}.png": picture.png for picture in pictures}
    contents |= {f"{FOLDER}/{picture.name}.svg": picture.svg for picture in pictures if picture.svg}
    contents |= {
        "report.md": markdown(title, sections).encode(),
        "report.html": page(title, sections).encode(),
    }
    if pictures:
        made_folder(folder / FOLDER)
    for name, content in contents.items():
        with written_whole(folder / name) as temporary:
            temporary.write_bytes(content)
    return [folder / name for name in contents]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _unbroken(text: str) -> str:
    """A cell whose line may end before an interval or a p-value, and not inside."""
    return re.sub(r"\([^)]*\)| = ", lambda part: part[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def _marked(text: str) -> Markup:
    """Text as HTML, strong words included; no line ends before a percent sign."""
    from markupsafe import Markup

    escaped = html.escape(text).replace(" %", "\N{NO-BREAK SPACE}%")
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escaped)
    return Markup(strong)  # noqa: S704 - escaped above


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
