"""Templates of reports: sections, paragraphs, tables, figures, and values that are text alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pytest

from mifm_kipoi.reports.page import Picture, Section, Table
from mifm_kipoi.reports.prose import paragraphs, rendered

TABLE = Table(("a", "b"), (("c", "d"),))


def template(folder: Path, text: str) -> Path:
    path = folder / "report.md.jinja"
    path.write_text(text)
    return path


def test_a_report_has_the_sections_of_its_template(tmp_path: Path) -> None:
    path = template(
        tmp_path,
        """{# not shown #}
# A report of {{ what }}

## Summary
{% if few %}
**Few:** {{ number | thousands }}
variants.

{% endif %}
Second {{ fraction | percent }} %.

{{ table }}
{% if absent %}

## Nothing
{{ missing }}
{% endif %}

## Figures

{% call figure("one") %}
How to
read {{ what }}.

What it says.

And more.
{% endcall %}
{{ table }}
""",
    )
    values = {"what": "scores", "few": True, "number": 1234, "fraction": 0.5, "table": TABLE, "absent": False}
    title, sections = rendered(path, values, {"one": lambda: b"png", "other": lambda: 1 / 0})  # type: ignore[return-value,dict-item]
    assert title == "A report of scores"
    assert sections == [
        Section("Summary", ("**Few:** 1,234 variants.", "Second 50.0 %.", TABLE)),
        Section("Figures", (Picture("one", b"png", "How to read scores.", "What it says. And more."), TABLE)),
    ]


@pytest.mark.parametrize(
    "value", ["## Not a section", "# no title", "a\n\n## b", "\ue0010\ue001", "{{ table }}"]
)
def test_values_are_text_without_structure(tmp_path: Path, value: str) -> None:
    path = template(
        tmp_path, "# T\n\n## S {{ value }}\n{{ value }}\n\n{{ value }} {{ value }}\n\n{{ table }}"
    )
    _, sections = rendered(path, {"value": value, "table": TABLE})
    shown = " ".join(value.translate({0xE001: None}).split())
    assert sections == [Section(f"S {shown}", (shown, f"{shown} {shown}", TABLE))]


def test_paragraphs_alone(tmp_path: Path) -> None:
    path = template(tmp_path, "{% for name in names %}\n{{ name }} is\nshort\n\n{% endfor %}\n")
    assert paragraphs(path, {"names": ["a", "# b\n\nc"]}) == ["a is short", "# b c is short"]
    assert paragraphs(path, {"names": []}) == []


@pytest.mark.parametrize(
    ("text", "values", "error"),
    [
        ("# T\n\n## S\n{{ absent }}", {}, jinja2.UndefinedError),
        ("# T\n\n## S\n{% if x %}", {"x": 1}, jinja2.TemplateSyntaxError),
        ("# T\n\ntext", {}, ValueError),
    ],
)
def test_wrong_templates_are_errors(
    tmp_path: Path, text: str, values: Mapping[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"absent|endif|before its first section"):
        rendered(template(tmp_path, text), values)
