"""Baselines by the names that users give them: ``[LABEL=]KIND[:ARGUMENT]``."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

from mifm_kipoi.baselines.kinds import KINDS
from mifm_kipoi.baselines.protocol import Baseline, ComputeOptions
from mifm_kipoi.errors import OptionError
from mifm_kipoi.support.packages import missing_package

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")


@dataclasses.dataclass(frozen=True)
class Spec:
    """One baseline as it was asked for.

    Parameters
    ----------
    label : str
        Its name in tables and files.
    kind : str
        A key of :data:`mifm_kipoi.baselines.kinds.KINDS`.
    argument : str
        What follows the colon; may be empty.
    """

    label: str
    kind: str
    argument: str

    def files(self) -> list[Path]:
        """The files and folders that the argument names, as far as they exist."""
        words = self.argument.split(":")
        paths = (Path(":".join(words[:count])) for count in range(1, len(words) + 1))
        return [path for path in paths if path.name and path.exists()]

    def check(self) -> None:
        """Find out, without importing anything, whether what the baseline needs is installed.

        Raises
        ------
        MissingPackageError
            When it is not.
        """
        package = KINDS[self.kind].package
        if package and importlib.util.find_spec(package) is None:
            raise missing_package(package, self.kind)

    def open(self, compute: ComputeOptions | None = None) -> Baseline:
        """Read what the baseline needs, such as its weights.

        Raises
        ------
        MIFMError
            When something is missing or cannot be read.
        """
        module, function = KINDS[self.kind].place.split(":")
        found = importlib.import_module(f"mifm_kipoi.baselines.{module}")
        baseline: Baseline = getattr(found, function)(self.argument, compute or ComputeOptions())
        return baseline

    def __str__(self) -> str:
        return f"{self.label}={self.kind}" + (f":{self.argument}" if self.argument else "")


def parse_specs(texts: Sequence[str]) -> list[Spec]:
    """Baselines from the words of ``--models``.

    Parameters
    ----------
    texts : sequence of str
        Each ``[LABEL=]KIND[:ARGUMENT]``, or several of these with commas between them.

    Returns
    -------
    list of Spec
        With different labels. Without a label of its own a baseline has that of its kind, or the last part
        of its argument where the kind is a table, a Kipoi model or weights.

    Raises
    ------
    OptionError
        When one is not understood, or two have the same label.
    """
    specs = [_parse(text) for words in texts for text in words.split(",") if text]
    if not specs:
        raise OptionError("no models are named; expected one or more, such as --models mifm,published")
    labels = [spec.label.lower() for spec in specs]
    for spec in specs:
        if labels.count(spec.label.lower()) > 1:
            raise OptionError(f"two models have the label {spec.label!r}; name them, as in A={spec.kind}:...")
    return specs


def _parse(text: str) -> Spec:
    named = re.match(rf"({_LABEL.pattern})=(.*)", text)
    label, rest = (named[1], named[2]) if named else ("", text)
    kind, _, argument = rest.partition(":")
    if kind not in KINDS:
        raise OptionError(f"{kind!r} in {text!r} is no kind of model; expected one of {', '.join(KINDS)}")
    form = KINDS[kind].argument
    if argument and not form:
        raise OptionError(f"{text!r} has an argument; expected {kind} alone")
    if form and not form.startswith("[") and not argument:
        raise OptionError(f"{text!r} has no argument; expected {kind}:{form}")
    return Spec(label or _label(kind, argument), kind, argument)


def _label(kind: str, argument: str) -> str:
    last = {
        "mifm": re.sub(r"\.safetensors$", "", argument).rpartition("/")[2],
        "table": argument.rpartition(":")[2],
        "kipoi": argument.partition("@")[0].partition(":")[0],
        "causaldb": argument.rpartition(":")[2] if ":" in argument else "",
    }.get(kind, "")
    return re.sub(r"[^A-Za-z0-9_+-]+", "-", last).strip("-_+") or kind
