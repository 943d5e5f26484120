"""Baselines by the names that users give them: ``[LABEL=]KIND[:ARGUMENT]``."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Sequence

from mifm_kipoi.baselines.protocol import Baseline, Machine
from mifm_kipoi.errors import OptionError

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of baseline.

    Parameters
    ----------
    place : str
        ``module:function`` in this package; the function takes the argument and a Machine.
    argument : str
        What follows the colon, in the words of the help; in brackets what may be left out; empty where
        nothing follows.
    meaning : str
    """

    place: str
    argument: str
    meaning: str


KINDS = {
    "mifm": Kind("mifm:open_mifm", "[WEIGHTS]", "MIFM, with the embedded weights or any name or path"),
    "published": Kind("mifm:open_published", "", "MIFM with the published weights"),
    "enformer": Kind("enformer:open_enformer", "NAME_OR_FOLDER[:WINDOW]", "Enformer"),
    "basenji2": Kind("basenji2:open_basenji2", "[FILE_OR_FOLDER][:WINDOW]", "Basenji2"),
    "borzoi": Kind("borzoi:open_borzoi", "NAME_OR_FOLDER[:WINDOW]", "Borzoi"),
    "kipoi": Kind("kipoi_models:open_kipoi", "MODEL[@SOURCE][:SCORE]", "any Kipoi model of sequence"),
    "enformer-sad": Kind("enformer_sad:open_enformer_sad", "FILE_OR_FOLDER", "Enformer's published effects"),
    "cadd": Kind("cadd:open_cadd", "FILE", "CADD's scores of all SNVs or indels, with a tabix index"),
    "table": Kind("tables:open_table", "FILE:COLUMN", "a column of a table, TSV or Parquet"),
    "pvalue": Kind("associations:open_p_values", "FILE", "1 - p of summary statistics"),
    "abf": Kind("associations:open_bayes_factors", "FILE", "Wakefield's Bayes factors of summary statistics"),
    "causaldb": Kind("finemapping:open_causaldb", "FILE[:TOOL]", "PIPs of CAUSALdb2's fine-mapping tools"),
}
"""Kinds of baselines by name."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """One baseline as it was asked for.

    Parameters
    ----------
    label : str
        Its name in tables and files.
    kind : str
        A key of :data:`KINDS`.
    argument : str
        What follows the colon; may be empty.
    """

    label: str
    kind: str
    argument: str

    def open(self, machine: Machine | None = None) -> Baseline:
        """Read what the baseline needs, such as its weights.

        Raises
        ------
        MIFMError
            When something is missing or cannot be read.
        """
        module, function = KINDS[self.kind].place.split(":")
        found = importlib.import_module(f"mifm_kipoi.baselines.{module}")
        baseline: Baseline = getattr(found, function)(self.argument, machine or Machine())
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
