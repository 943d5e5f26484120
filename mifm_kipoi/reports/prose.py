"""The words of reports: Jinja2 templates of Markdown, rendered as the sections of a page.

A template holds what is written and when; the numbers, tables and figures come from Python. It begins with
``# Title``; ``## Title`` begins a section, and an empty line ends a paragraph. A value that is a
:class:`~mifm_kipoi.reports.page.Table` stands as ``{{ table }}`` between empty lines (``Facts`` and ``Tiles``
do as well), and a figure as::

    {% call figure("name") %}
    How to read it.

    What it shows, in numbers.
    {% endcall %}

Values are text without structure: no label or name can begin a section or a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mifm_kipoi.reports.page import (
    Block,
    Facts,
    Image,
    Picture,
    Section,
    Table,
    Tiles,
    count,
    decimal,
    digits,
    listed,
    percent,
    points,
    signed,
)

Figures = Mapping[str, Callable[[], bytes | Image]]
"""Names of the figures of a report, and what draws each as the bytes of a PNG file, or also as SVG."""

# Private characters, so that text of any kind can be told from structure.
_VALUE, _BLOCK = "\ue000", "\ue001"
_PRIVATE = str.maketrans(dict.fromkeys(_VALUE + _BLOCK))


def rendered(
    template: Path, values: Mapping[str, Any], figures: Figures | None = None
) -> tuple[str, list[Section]]:
    """A report from its template.

    Parameters
    ----------
    template : Path
        A text file as the module describes it.
    values : mapping of str to object
        What the template names; a name that is missing is an error.
    figures : mapping of str to callable
        Those that the template calls are drawn, the others are not.

    Returns
    -------
    title : str
    sections : list of Section
        Those that the template has under these values.

    Raises
    ------
    jinja2.TemplateError
        When the template is wrong, or names a value that is missing.
    ValueError
        When text stands before the first section.
    """
    blocks: list[Block] = []
    text = _text(template, values, blocks, figures or {})
    title, sections = "", list[tuple[str, list[Block]]]()
    for paragraph in _paragraphs(text):
        first, _, rest = paragraph.partition("\n")
        if first.startswith("# "):
            title = _plain(first[2:])
        elif first.startswith("## "):
            sections.append((_plain(first[3:]), [_plain(rest)] if rest else []))
        elif not sections:
            raise ValueError(f"{template} has text before its first section: {paragraph!r}")
        elif paragraph.startswith(_BLOCK):
            sections[-1][1].append(blocks[int(paragraph.strip(_BLOCK))])
        else:
            sections[-1][1].append(_plain(paragraph))
    return title, [Section(name, tuple(parts)) for name, parts in sections]


def paragraphs(template: Path, values: Mapping[str, Any]) -> list[str]:
    """The paragraphs of a template without sections, each a line.

    Parameters
    ----------
    template : Path
    values : mapping of str to object
        See :func:`rendered`.

    Raises
    ------
    jinja2.TemplateError
        When the template is wrong, or names a value that is missing.
    """
    return [_plain(paragraph) for paragraph in _paragraphs(_text(template, values, [], {}))]


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n[ \t]*\n", text) if part.strip()]


def _plain(text: str) -> str:
    """Text in one line, without the marks of values."""
    return " ".join(text.replace(_VALUE, "").split())


def _text(template: Path, values: Mapping[str, Any], blocks: list[Block], figures: Figures) -> str:
    """The template with its values; blocks are appended to a list, and their indices stand in the text."""
    from jinja2 import Environment, StrictUndefined

    def block(content: Block) -> str:
        blocks.append(content)
        return f"\n\n{_BLOCK}{len(blocks) - 1}{_BLOCK}\n\n"

    def value(content: object) -> str:
        if isinstance(content, Table | Facts | Tiles):
            return block(content)
        return _VALUE + " ".join(str(content).translate(_PRIVATE).split())

    def figure(name: str, caller: Callable[[], str]) -> str:
        caption, *finding = map(_plain, _paragraphs(caller()))
        image = figures[name]()
        png, svg = (image.png, image.svg) if isinstance(image, Image) else (image, b"")
        return block(Picture(name, png, caption, " ".join(finding), svg))

    environment = Environment(  # noqa: S701 - the result is text, which pages escape
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=value
    )
    environment.filters |= {
        "count": count, "decimal": decimal, "digits": digits, "listed": listed, "percent": percent,
        "points": points, "signed": signed, "thousands": lambda number: f"{number:,}",
    }  # fmt: skip
    return environment.from_string(template.read_text("utf-8")).render(figure=figure, **values)
