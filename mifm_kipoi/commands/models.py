"""Options that the commands share that run models, and what their runs make of them."""

from __future__ import annotations

import argparse
from typing import Any

from mifm_kipoi.baselines.specs import KINDS, Spec, kind_usage, parse_specs
from mifm_kipoi.commands.arguments import add_compute, add_list, positive


def add_models(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """``--models``; the help ends in the kinds that there are.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Receives the option.
    default : str, optional
        The model where none is named; without it, the option is required.
    """
    add_list(
        parser,
        "--models",
        "[LABEL=]KIND[:ARGUMENT]",
        "models" + (f" (default: {default})" if default else "") + "; the kinds are below",
        default=[default] if default else None,
        required=default is None,
    )
    width = max(len(kind_usage(name)) for name in KINDS)
    lines = [f"  {kind_usage(name):{width}}  {kind.meaning}" for name, kind in KINDS.items()]
    parser.epilog = "\n".join(["models:", *lines])


def add_gwas(parser: argparse.ArgumentParser) -> None:
    """How tables of a GWAS among the models are read, in a group of their own; beside ``--positions``."""
    group = parser.add_argument_group(
        "tables of a GWAS",
        "For all models pvalue, abf and pip. One of several can have its own behind the file, such as\n"
        "abf:gwas.tsv:format=regenie:phenotype=BMI:n=10000 or pvalue:t.tsv:effect_allele=a2:other_allele=a1",
    )
    group.add_argument(
        "--gwas-format", metavar="NAME", help="the program that made them (default: by their columns)"
    )
    group.add_argument("--phenotype", metavar="NAME", help="of several phenotypes in a table")
    group.add_argument("--population", metavar="NAME", help="of several populations in a table")
    group.add_argument(
        "--lift-over", metavar="CHAIN", help="chain file from the build of the tables to that of the FASTA"
    )
    group.add_argument(
        "--allow-implausible", action="store_true",
        help="warn, and go on, where numbers cannot be what their columns say",
    )  # fmt: skip


def specs_of(options: argparse.Namespace) -> list[Spec]:
    """The models that a command names, with the options of :func:`add_gwas`."""
    given = {
        "format": options.gwas_format,
        "phenotype": options.phenotype,
        "population": options.population,
        "positions": options.positions,
        "lift_over": options.lift_over,
        "allow_implausible": "true" if options.allow_implausible else "",
    }
    defaults = {name: value for name, value in given.items() if value}
    return [spec.with_defaults(defaults) for spec in parse_specs(options.models)]


def add_model_run(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """``--device``, ``--threads``, ``--progress`` and ``--batch-size``, in a group of their own."""
    group = parser.add_argument_group("run")
    add_compute(group)
    group.add_argument(
        "--batch-size", type=positive, metavar="N", help="windows per batch (default: what fits the model)"
    )
    return group


def model_run_options(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of :class:`mifm_kipoi.baselines.run.ModelRun` from the options of a command."""
    from mifm_kipoi.baselines.protocol import ComputeOptions

    return {
        "compute": ComputeOptions(options.device, options.batch_size, options.progress),
        "threads": options.threads,
        "max_mismatch_fraction": options.max_mismatch_fraction,
        "progress": options.progress,
    }
