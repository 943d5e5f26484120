"""A report as one structure, how it writes numbers, and its forms: Markdown and an HTML page in one file."""

from __future__ import annotations

import base64
import dataclasses
import html
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.support.files import made_folder, written_whole

FOLDER = "figures"
"""Where the Markdown looks for the pictures."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; its first column is text, and so are all when it is not of numbers.

    Parameters
    ----------
    header : tuple of str
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
    caption : str
        How to read it.
    finding : str
        What it shows, in numbers; may be empty.
    """

    name: str
    png: bytes
    caption: str
    finding: str = ""


Block = str | Table | Picture
"""A paragraph, a table or a figure. Text may hold ``**strong**`` words; all else is taken literally."""


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
    """A value and its interval, which is left out when it is not known."""
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
    """Nested settings as a table; those of the outermost mappings stand below the mapping's name."""
    outermost = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    rows: list[tuple[str, ...]] = [*settings_rows(outermost)]
    for name, value in settings.items():
        if isinstance(value, Mapping):
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
    width = len(block.header)
    lines = [
        block.header,
        ("---",) + ("---:" if block.numbers else "---",) * (width - 1),
        *((f"**{row[0]}**",) + ("",) * (width - 1) if len(row) == 1 else row for row in block.rows),
    ]
    return "\n".join(
        "| " + " | ".join(_plain(cell).replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, strong words excepted."""
    return re.sub(r"([\\`\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")


def page(title: str, sections: Sequence[Section]) -> str:
    """The report as an HTML page, pictures included."""
    links = "".join(
        f'<a href="#{_anchor(section.title)}">{_marked(section.title)}</a>' for section in sections[1:]
    )
    body = "\n".join(
        f'<section id="{_anchor(section.title)}">\n<h2>{_marked(section.title)}</h2>\n'
        + "\n".join(_html_block(block) for block in section.blocks)
        + "\n</section>"
        for section in sections
    )
    return _PAGE.format(title=html.escape(title), style=_STYLE, links=links, body=body)


def write_page(folder: Path, title: str, sections: Sequence[Section]) -> list[Path]:
    """Write the report: ``figures/*.png``, ``report.md`` and ``report.html``, which opens without a network.

    Parameters
    ----------
    folder : Path
        Exists; files of these names are replaced.
    title : str
    sections : sequence of Section

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        When one cannot be written.
    """
    pictures = [block for section in sections for block in section.blocks if isinstance(block, Picture)]
    contents = {f"{FOLDER}/{picture.name}.png": picture.png for picture in pictures}
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


def _html_block(block: Block) -> str:
    if isinstance(block, str):
        return f"<p>{_marked(block)}</p>"
    if isinstance(block, Picture):
        source = base64.b64encode(block.png).decode()
        texts = "".join(f"<p>{_marked(text)}</p>" for text in (block.caption, block.finding) if text)
        return (
            f'<figure id="{html.escape(block.name)}"><div class="scroll picture">'
            f'<img alt="{html.escape(_words(block.name))}" src="data:image/png;base64,{source}"></div>'
            f"<figcaption>{texts}</figcaption></figure>"
        )
    head = "".join(f'<th scope="col">{_marked(cell)}</th>' for cell in block.header)
    kind = "numbers" if block.numbers else "text"
    rows = "\n".join(_html_row(row, len(block.header)) for row in block.rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _html_row(row: tuple[str, ...], width: int) -> str:
    if len(row) == 1:
        return f'<tr class="group"><th colspan="{width}" scope="colgroup">{_marked(row[0])}</th></tr>'
    cells = "".join(f"<td>{_marked(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{_marked(row[0])}</th>{cells}</tr>'


def _marked(text: str) -> str:
    """Text as HTML, strong words included; no line ends before a percent sign."""
    text = html.escape(text).replace(" %", "&nbsp;%")
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<nav>{links}</nav>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { --ink: #1c2126; --soft: #58626b; --paper: #ffffff;
  --band: #eef2f5; --line: #d5dce1; --link: #0a5e96; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8eb; --soft: #a3adb5; --paper: #14181b;
    --band: #212930; --line: #38424a; --link: #7cc0f0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.8rem; line-height: 1.25; margin: 0 0 0.75rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 2.5rem 0 0.75rem; }
p { margin: 0 0 0.75rem; max-width: 46rem; overflow-wrap: break-word; }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; font-size: 0.875rem; }
a { color: var(--link); }
section:first-of-type { background: var(--band); border-left: 4px solid var(--link); border-radius: 4px;
  margin: 1.5rem 0; padding: 1rem 1.25rem 0.5rem; }
section:first-of-type h2 { margin-top: 0; }
section:first-of-type p { max-width: 54rem; }
.scroll { overflow-x: auto; margin: 0 0 0.75rem; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.75rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; border-bottom-width: 2px; }
tbody th { font-weight: normal; }
th[scope="row"] { min-width: 7.5rem; }
.numbers th[scope="row"] { position: sticky; left: 0; background: var(--paper); }
.numbers td, .numbers th + th { text-align: right; white-space: nowrap; }
.numbers thead th + th { white-space: normal; }
.text td { overflow-wrap: anywhere; }
tr.group th { background: var(--band); font-weight: 600; }
figure { margin: 0; }
.picture { background: #ffffff; border: 1px solid var(--line); border-radius: 6px; padding: 0.5rem; }
img { display: block; width: 100%; height: auto; min-width: 680px; }
figcaption { color: var(--soft); font-size: 0.95rem; }
figcaption p + p { color: var(--ink); }
@media (max-width: 600px) {
  main { padding: 1.25rem 0.9rem 3rem; }
  h1 { font-size: 1.4rem; }
  th, td { padding: 0.3rem 0.5rem; }
}
"""
