"""``mifm weights``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from mifm_kipoi.commands.arguments import say
from mifm_kipoi.commands.tasks import Command, add_commands

if TYPE_CHECKING:
    from mifm_kipoi.network.weights import Weights


def add_weights(parser: argparse.ArgumentParser) -> None:
    """``mifm weights``."""
    parser.description = "Weights of the network: those of the package, of the authors, and your own."
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_commands(commands, _COMMANDS)


def _add_list(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_weights_list)


def _add_show(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", default="embedded", help="name or path (default: embedded)")
    command.set_defaults(run=_weights_show)


def _add_import(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", help="the file; a checkpoint is read without executing its pickle")
    command.add_argument("--name", help="name to install under")
    command.set_defaults(run=_weights_import)


def _add_fetch(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", choices=["published"])
    command.set_defaults(run=_weights_fetch)


def _add_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", nargs="*", help="names or paths (default: all)")
    command.set_defaults(run=_weights_verify)


_COMMANDS = (
    Command("list", _add_list, "the weights that can be used now", "mifm weights list"),
    Command("show", _add_show, "what made some weights, and their network", "mifm weights show embedded"),
    Command(
        "import",
        _add_import,
        "install a .safetensors file or the authors' checkpoint",
        "mifm weights import a7a0q7ar.ckpt",
    ),
    Command("fetch", _add_fetch, "download the published weights", "mifm weights fetch published"),
    Command("verify", _add_verify, "check weights against their checksums", "mifm weights verify"),
)


def _weights_list(_: argparse.Namespace) -> None:
    from mifm_kipoi.network import weights

    for name in weights.list_weights():
        say(f"{name}\t{weights.find_weights(name)}")
    if weights.PUBLISHED not in weights.list_weights():
        say("published\tnot installed: mifm weights fetch published, or mifm weights import a7a0q7ar.ckpt")


def _weights_show(options: argparse.Namespace) -> None:
    from mifm_kipoi.network import weights

    chosen = weights.load_weights(options.name)
    parameters = sum(parameter.numel() for parameter in chosen.model().parameters())
    say(
        f"name\t{chosen.name}",
        f"path\t{chosen.path}",
        f"parameters\t{parameters}",
        f"tensors sha256\t{chosen.sha256}",
        f"configuration\t{json.dumps(chosen.config.to_dict())}",
        f"provenance\t{json.dumps(chosen.provenance, indent=2)}",
        f"background\t{_background_of(chosen)}",
        f"licence\t{' '.join(chosen.licence.split())}",
    )


def _background_of(chosen: Weights) -> str:
    if chosen.background is None:
        return (
            f"none, so that percentiles are empty: mifm genome background GENOME.fa --weights {chosen.name}"
        )
    return f"{chosen.background.positions:,} positions: {chosen.background.name}"


def _weights_import(options: argparse.Namespace) -> None:
    from mifm_kipoi.network import weights

    chosen = weights.import_weights(options.path, options.name)
    say(f"installed {chosen.name} as {chosen.path}")


def _weights_fetch(_: argparse.Namespace) -> None:
    from mifm_kipoi.network import weights

    chosen = weights.fetch_published()
    say(f"installed {chosen.name} as {chosen.path}")


def _weights_verify(options: argparse.Namespace) -> None:
    from mifm_kipoi.errors import WeightsError
    from mifm_kipoi.network import weights

    damaged = []
    for name in options.names or weights.list_weights():
        try:
            say(f"{name}\tok\tsha256 {weights.verify_weights(name).sha256}")
        except WeightsError as error:
            say(f"{name}\tnot usable\t{error}")
            damaged.append(f"{name}: {error}")
    if damaged:
        raise WeightsError("; ".join(damaged))
