"""The kinds of baselines, and baselines by the names that users give them: ``[LABEL=]KIND[:ARGUMENT]``.

Importing this loads no network and no reader of tables, so that the help of commands can show the kinds.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifm_kipoi.errors import InputError, MIFMError, OptionError
from mifm_kipoi.support.files import with_home
from mifm_kipoi.support.packages import missing_package
from mifm_kipoi.support.text import did_you_mean

if TYPE_CHECKING:
    from mifm_kipoi.baselines.protocol import Baseline, ComputeOptions

_OPTION = re.compile(r"(?P<file>.+):(?P<name>[A-Za-z][A-Za-z0-9_-]*)=(?P<value>[^:]*)", re.DOTALL)
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of baseline.

    Parameters
    ----------
    opener : str
        ``module:function`` in this package; the function takes the argument and a ComputeOptions.
    argument : str
        What follows the colon, as the help names it, in brackets where it may be left out; empty where
        nothing follows.
    meaning : str
        What the kind is, for the help.
    package : str
        What must be installed beside this package, if anything; the extra of this package that brings it
        has the name of the kind.
    tracks : bool
        Whether it has tracks, which a background normalises.
    finder : str
        ``module:function`` in this package; the function takes the argument and finds what the opener reads,
        in little time and memory, or raises what the opener would. Empty where there is nothing to find.
    reads_file : bool
        Whether the argument begins with the path of a file or folder.
    gwas : bool
        Whether the file is a table of a GWAS, behind which options can follow (:func:`with_options`).
    """

    opener: str
    argument: str
    meaning: str
    package: str = ""
    tracks: bool = False
    finder: str = ""
    reads_file: bool = False
    gwas: bool = False


KINDS = {
    "mifm": Kind(
        "mifm:open_mifm",
        "[WEIGHTS]",
        "MIFM, with the embedded weights or any name or path",
        finder="mifm:find_mifm",
    ),
    "published": Kind(
        "mifm:open_published", "", "MIFM with the published weights", finder="mifm:find_published"
    ),
    "enformer": Kind(
        "networks.enformer:open_enformer",
        "NAME_OR_FOLDER[:WINDOW]",
        "Enformer",
        "enformer_pytorch",
        tracks=True,
        finder="networks.enformer:find_enformer",
    ),
    "basenji2": Kind(
        "networks.basenji2:open_basenji2",
        "[FILE_OR_FOLDER][:WINDOW]",
        "Basenji2",
        "basenji2_pytorch",
        tracks=True,
        finder="networks.basenji2:find_basenji2",
    ),
    "borzoi": Kind(
        "networks.borzoi:open_borzoi",
        "NAME_OR_FOLDER[:WINDOW]",
        "Borzoi",
        "borzoi_pytorch",
        tracks=True,
        finder="networks.borzoi:find_borzoi",
    ),
    "kipoi": Kind(
        "networks.kipoi_models:open_kipoi",
        "MODEL[@SOURCE][:FUNCTION]",
        "any Kipoi model of sequence",
        tracks=True,
        finder="networks.kipoi_models:find_kipoi",
    ),
    "enformer-sad": Kind(
        "tables.enformer_sad:open_enformer_sad",
        "FILE_OR_FOLDER",
        "Enformer's published effects",
        reads_file=True,
    ),
    "cadd": Kind(
        "tables.cadd:open_cadd",
        "FILE",
        "CADD's scores of all SNVs or indels, with a tabix index",
        reads_file=True,
    ),
    "table": Kind(
        "tables.columns:open_table",
        "FILE:COLUMN",
        "a column of a table of variants, TSV, CSV or Parquet",
        reads_file=True,
    ),
    "pvalue": Kind(
        "tables.associations:open_p_values",
        "FILE[:NAME=VALUE...]",
        "1 - p of summary statistics",
        reads_file=True,
        gwas=True,
    ),
    "abf": Kind(
        "tables.associations:open_bayes_factors",
        "FILE[:NAME=VALUE...]",
        "Wakefield's Bayes factors of summary statistics",
        reads_file=True,
        gwas=True,
    ),
    "pip": Kind(
        "tables.associations:open_pips",
        "FILE[:NAME=VALUE...]",
        "PIPs of a table of fine-mapping; traits=each or highest",
        reads_file=True,
        gwas=True,
    ),
    "causaldb": Kind(
        "tables.finemapping:open_causaldb",
        "FILE[:TOOL]",
        "PIPs of CAUSALdb2's fine-mapping tools",
        reads_file=True,
    ),
}
"""Kinds of baselines by name."""


def kind_usage(name: str) -> str:
    """How a kind is asked for, as the help shows it: ``mifm[:WEIGHTS]``, ``cadd:FILE``."""
    argument = KINDS[name].argument
    if not argument:
        return name
    return f"{name}[:{argument[1:]}" if argument.startswith("[") else f"{name}:{argument}"


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

    def files(self) -> list[Path]:
        """The files and folders that the argument names, as far as they exist."""
        words = self.argument.split(":")
        paths = [Path(":".join(words[:count])) for count in range(1, len(words) + 1)]
        if KINDS[self.kind].gwas:
            name, options = with_options(self.argument)
            paths = [Path(name), *map(Path, filter(None, options.values()))]
        return [path for path in paths if path.name and path.exists()]

    def with_defaults(self, options: Mapping[str, str]) -> Spec:
        """The same with further options behind the file of a GWAS, those that it does not have itself.

        Parameters
        ----------
        options : mapping of str to str
            By their names, as :func:`with_options` gives them.

        Raises
        ------
        OptionError
            When a value has a colon, which cannot be written behind a file.
        """
        if not KINDS[self.kind].gwas:
            return self
        own = with_options(self.argument)[1]
        added = {name: value for name, value in options.items() if name not in own}
        if wrong := [value for value in added.values() if ":" in value]:
            raise OptionError(
                f"{wrong[0]!r} has a colon, which options of tables of a GWAS cannot; rename it"
            )
        words = (f":{name}={value}" for name, value in added.items())
        return dataclasses.replace(self, argument=self.argument + "".join(words))

    def find(self) -> None:
        """Find out, without opening the baseline, whether it is available.

        Raises
        ------
        MissingPackageError
            When a package that it needs is not installed.
        OptionError
            When the argument is impossible.
        MIFMError
            When its file, its weights or its model are not there.
        """
        kind = KINDS[self.kind]
        if kind.package and importlib.util.find_spec(kind.package) is None:
            raise missing_package(kind.package, self.kind)
        if kind.reads_file:
            name = with_options(self.argument)[0] if kind.gwas else self.argument
            if not (Path(name).exists() if kind.gwas else self.files()):
                raise InputError(f"there is no file {name!r}; expected {kind_usage(self.kind)}")
            for path in self.files():
                if not (path.is_file() or path.is_dir()):
                    raise InputError(f"{path} is a pipe; expected a file, which is read more than once")
        if kind.finder:
            _function(kind.finder)(self.argument)

    def open(self, compute: ComputeOptions | None = None) -> Baseline:
        """Read what the baseline needs, such as its weights.

        Parameters
        ----------
        compute : ComputeOptions, optional
            Where and how it computes.

        Raises
        ------
        MIFMError
            When something is missing or cannot be read.
        """
        from mifm_kipoi.baselines.protocol import ComputeOptions

        baseline: Baseline = _function(KINDS[self.kind].opener)(self.argument, compute or ComputeOptions())
        return baseline

    def __str__(self) -> str:
        return f"{self.label}={self.kind}" + (f":{self.argument}" if self.argument else "")


def with_options(argument: str) -> tuple[str, dict[str, str]]:
    """A file and the options behind it: ``FILE[:NAME=VALUE...]``.

    Parameters
    ----------
    argument : str
        Of a spec. A file whose own name ends like an option is one where it exists.

    Returns
    -------
    str, dict of str to str
        The file, and the options by their names, with underscores.
    """
    options: dict[str, str] = {}
    while match := _OPTION.fullmatch(argument):
        if Path(argument).exists():
            break
        argument = match["file"]
        options = {match["name"].lower().replace("-", "_"): match["value"], **options}
    return argument, options


def _function(name: str) -> Any:
    module, function = name.split(":")
    return getattr(importlib.import_module(f"mifm_kipoi.baselines.{module}"), function)


@dataclasses.dataclass(frozen=True)
class MissingModel:
    """A model that was asked for and is not available.

    Parameters
    ----------
    label, spec : str
        Its name in tables and files; how it was asked for.
    reason : str
        Why it is not available, and what to do.
    """

    label: str
    spec: str
    reason: str


class MissingModelsError(MIFMError):
    """Models that are not available: packages, weights, files or models of Kipoi that are missing.

    Parameters
    ----------
    missing : sequence of MissingModel
        One or more.
    advice : str
        What else the user can do.
    """

    def __init__(self, missing: Sequence[MissingModel], advice: str) -> None:
        super().__init__(missing, advice)
        self.missing = tuple(missing)
        self.advice = advice

    def __str__(self) -> str:
        if len(self.missing) == 1:
            (one,) = self.missing
            return f"the model {one.spec} is not available: {one.reason}. {self.advice}"
        lines = "\n".join(f"  {one.spec}: {one.reason}" for one in self.missing)
        return f"{len(self.missing)} models are not available:\n{lines}\n{self.advice}"


def find_missing(specs: Sequence[Spec]) -> list[MissingModel]:
    """Which models are not available, checked before anything is scored.

    Parameters
    ----------
    specs : sequence of Spec
        All that were asked for.

    Raises
    ------
    OptionError
        When an argument is impossible, whatever is installed.
    """
    missing = []
    for spec in specs:
        try:
            spec.find()
        except OptionError:
            raise
        except MIFMError as error:
            missing.append(MissingModel(spec.label, str(spec), str(error)))
    return missing


def require_all(specs: Sequence[Spec], advice: str = "Leave out what is not available") -> None:
    """Refuse models of which some are not available.

    Parameters
    ----------
    specs : sequence of Spec
        All that were asked for.
    advice : str
        What else the user can do.

    Raises
    ------
    MissingModelsError
        Names all that are not available.
    OptionError
        When an argument is impossible.
    """
    if missing := find_missing(specs):
        raise MissingModelsError(missing, advice)


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
    specs = [_parse(with_home(text)) for words in texts for text in words.split(",") if text]
    if not specs:
        raise OptionError("no models are named; expected one or more, such as --models mifm,published")
    labels = [spec.label.lower() for spec in specs]
    for spec in specs:
        if labels.count(spec.label.lower()) > 1:
            raise OptionError(
                f"two models have the label {spec.label!r}; give each its own, as in A={spec.kind}:..."
            )
    return specs


def _parse(text: str) -> Spec:
    named = re.match(rf"({_LABEL.pattern})=(.*)", text)
    label, rest = (named[1], named[2]) if named else ("", text)
    kind, _, argument = rest.partition(":")
    if kind not in KINDS:
        raise OptionError(
            f"{kind!r} in {text!r} is not a kind of model; expected one of {', '.join(KINDS)}"
            f"{did_you_mean(kind, KINDS)}"
        )
    form = KINDS[kind].argument
    if argument and not form:
        raise OptionError(f"{text!r} has an argument; expected only {kind}")
    if form and not form.startswith("[") and not argument:
        raise OptionError(f"{text!r} has no argument; expected {kind_usage(kind)}")
    return Spec(label or _label(kind, argument), kind, argument)


def _label(kind: str, argument: str) -> str:
    last = {
        "mifm": re.sub(r"\.safetensors$", "", argument).rpartition("/")[2],
        "table": argument.rpartition(":")[2],
        "kipoi": argument.partition("@")[0].partition(":")[0],
        "causaldb": argument.rpartition(":")[2] if ":" in argument else "",
    }.get(kind, "")
    return re.sub(r"[^A-Za-z0-9_+-]+", "-", last).strip("-_+") or kind
