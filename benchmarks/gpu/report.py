"""The figures of a run as Markdown, with what was not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.gpu.equality import TOLERANCE
from mifm_kipoi.reports.page import Section, Table, decimal, digits, markdown, with_interval

_SKIPPED = ("not_run", "error")


def report(figures: Mapping[str, Any]) -> str:
    """The report.

    Parameters
    ----------
    figures : mapping
        Those of :class:`benchmarks.gpu.record.Record`.
    """
    parts = figures["parts"]
    sections = [_summary(figures)]
    if equality := _made(parts.get("equality", {})):
        sections.append(_equality(equality))
    if speed := _made(parts.get("speed", {})):
        sections.append(_speed(speed))
    if parts.get("arms"):
        sections.append(_arms(parts["arms"]))
    missing = [
        (f"{part}: {name}", made[key])
        for part, measurements in parts.items()
        for name, made in measurements.items()
        for key in _SKIPPED
        if key in made
    ]
    if missing:
        sections.append(
            Section("Not measured", (Table(("measurement", "why"), tuple(missing), numbers=False),))
        )
    return markdown("What a device computes, and how fast", sections)


def _made(measurements: Mapping[str, Any]) -> dict[str, Any]:
    return {name: made for name, made in measurements.items() if not any(key in made for key in _SKIPPED)}


def _summary(figures: Mapping[str, Any]) -> Section:
    rows = [(name, str(figures[name])) for name in ("device", "torch", "python", "mifm_kipoi", "minutes")]
    rows += [("seconds used", f"{figures.get('seconds_used', 0):.0f}")]
    note = ["A rehearsal with tiny sizes: its rates say nothing."] if figures["tiny"] else []
    return Section("Run", (*note, Table(("", ""), tuple(rows), numbers=False)))


def _equality(made: Mapping[str, Any]) -> Section:
    def write(value: float) -> str:
        return f"{value:.1e}"

    rows: list[tuple[str, ...]] = []
    for name, each in made.items():
        rows.append((name,))
        for way, measured in each.items():
            if isinstance(measured, Mapping):
                told = "; ".join(
                    f"{key.replace('_', ' ')} {write(value) if isinstance(value, float) else _written(value)}"
                    for key, value in measured.items()
                )
                rows.append((way, told))
        if "largest_difference" in each:
            rows.append(("fp32", write(each["largest_difference"])))
        rows.append(("equal within 1e-5", "yes" if each["equal"] else "no"))
    return Section(
        "Equality with the CPU",
        (
            "Largest differences from the CPU in float32: of logits; of the loss of a step; and of its "
            f"gradients, over the largest gradient. {TOLERANCE:g} counts as equal, in float32 alone.",
            Table(("", "largest differences"), tuple(rows), numbers=False),
        ),
    )


def _speed(made: Mapping[str, Any]) -> Section:
    rows: list[tuple[str, ...]] = []
    for name, each in made.items():
        rows.append((name,))
        rows += [(key, value) for key, value in _rates(each)]
    return Section("Speed", (Table(("", "figure"), tuple(rows)),))


def _rates(each: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in each.items():
        name = f"{before}{str(key).replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _rates(value, f"{name}: ")
        elif key != "seconds":
            yield name, _written(value)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return digits(value) if isinstance(value, float) else str(value)


def _arms(made: Mapping[str, Any]) -> Section:
    rows = []
    for name, each in made.items():
        if "top_1" in each:
            top = each["top_1"]
            shown = with_interval(
                decimal,
                top["value"],
                *(float("nan") if top[end] is None else top[end] for end in ("low", "high")),
            )
            trained = (
                f"{each['windows']:,}" + ("" if each["complete"] else ", stopped")
                if "windows" in each
                else ""
            )
            rate = digits(each["windows_per_s"]) if "windows_per_s" in each else ""
            rows.append((name, trained, rate, shown))
    verdict = made.get("verdict", {}).get("text", "")
    return Section(
        "Arms with known truth",
        (
            *([verdict] if verdict else []),
            "Top-1 accuracy: the fraction of test bags with a causal variant in which one comes first.",
            Table(("arm", "training windows", "windows a second", "top-1"), tuple(rows)),
        ),
    )
