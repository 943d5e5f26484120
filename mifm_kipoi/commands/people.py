"""Options that commands about people have in common: columns of tables of people, and variants that count."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from mifm_kipoi.commands.arguments import add_list, fraction
from mifm_kipoi.errors import OptionError

_Value = TypeVar("_Value")


def add_columns_of_people(
    group: Any, traits: str, *, required: bool = True, columns: str = "--columns"
) -> None:
    """Which columns of the tables of people are what.

    Parameters
    ----------
    group : argparse group
        Of the options about people.
    traits : str
        What is done with the traits, for the help.
    required : bool
        Whether traits must be named.
    columns : str
        The option that names columns.
    """
    more = {"required": True} if required else {"default": ()}
    add_list(group, "--traits", "NAME", traits, **more)
    add_list(group, "--covariates", "NAME", "covariates, such as age,sex,PC1", default=())
    add_list(group, "--categorical", "NAME", "covariates that are categories although numbers", default=())
    add_list(group, "--binary", "NAME", "traits with cases and controls, where it is not plain", default=())
    add_list(group, "--quantitative", "NAME", "quantitative traits, where it is not plain", default=())
    add_list(
        group, columns, "NAME=COLUMN",
        "names of your own for columns, such as height=50-0.0; or a table with the columns name and column",
        default=(),
    )  # fmt: skip
    add_list(
        group, "--missing-codes", "NUMBER",
        "numbers that mean an unknown value, such as --missing-codes=-9,-1,-3 (default: -9)",
        default=("-9",),
    )  # fmt: skip


def columns_of_people(options: argparse.Namespace, columns: str = "--columns") -> dict[str, Any]:
    """The arguments of :func:`mifm_kipoi.genetics.people_tables.read_people` that these options give.

    Parameters
    ----------
    options : argparse.Namespace
        Parsed.
    columns : str
        The option that names columns.
    """
    from mifm_kipoi.genetics.people_tables import read_map

    names: dict[str, str] = {}
    for entry in getattr(options, columns.removeprefix("--").replace("-", "_")):
        names |= pairs(columns, [entry], str) if "=" in entry else read_map(entry)
    return {
        "traits": tuple(options.traits),
        "covariates": tuple(options.covariates),
        "categorical": tuple(options.categorical),
        "binary": tuple(options.binary),
        "quantitative": tuple(options.quantitative),
        "columns": names,
        "missing_codes": tuple(_number("--missing-codes", text) for text in options.missing_codes),
    }


def add_variant_filters(parser: argparse.ArgumentParser, title: str) -> None:
    """Which variants of people's genotypes count: the arguments of ``association.filters.Filters``."""
    group = parser.add_argument_group(title)
    for option, default, metavar, meaning in (
        ("--maf", 0.01, "F", "smallest minor allele frequency"),
        ("--hwe", 1e-6, "P", "smallest p-value of the exact test of Hardy-Weinberg equilibrium"),
        ("--info", 0.8, "R2", "smallest quality of imputed dosages, MaCH's r2"),
        ("--missing", 0.1, "F", "largest fraction of people without a genotype"),
    ):
        help_text = f"{meaning} (default: {default:g})"
        group.add_argument(option, type=fraction, default=default, metavar=metavar, help=help_text)


def pairs(option: str, entries: Iterable[str], of: Callable[[str], _Value]) -> dict[str, _Value]:
    """The values of ``NAME=VALUE`` by name.

    Parameters
    ----------
    option : str
        Its name, for messages.
    entries : iterable of str
        What it was given.
    of : callable
        Makes a value of its text; ``float`` for numbers.
    """
    found = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not (name and equals and value):
            raise OptionError(f"{option} has {entry!r}; expected NAME=VALUE")
        try:
            found[name] = of(value)
        except ValueError:
            raise OptionError(f"{option} has {entry!r}; expected a number after {name}=") from None
    return found


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{option} has {text!r}; expected numbers") from None
