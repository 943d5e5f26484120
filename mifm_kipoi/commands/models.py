"""Options that the commands share that run models, and what their runs make of them."""

from __future__ import annotations

import argparse
from typing import Any

from mifm_kipoi.baselines.specs import KINDS, kind_usage
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
        "compute": ComputeOptions(options.device, options.batch_size),
        "threads": options.threads,
        "max_mismatch_fraction": options.max_mismatch_fraction,
        "progress": options.progress,
    }
