"""Optional packages: imported where they are needed, with the command that installs them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from types import ModuleType

from mifm_kipoi.errors import MissingPackageError


def needed(package: str, extra: str) -> ModuleType:
    """Import an optional package.

    Parameters
    ----------
    package : str
        What is imported.
    extra : str
        The extra of this package that brings it.

    Raises
    ------
    MissingPackageError
        When it is not installed; the message is the command that installs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".", maxsplit=1)[0]:
            raise
        raise missing_package(package, extra) from error


def check_installed(packages: Iterable[str], extra: str) -> None:
    """Make sure of several packages without importing them, which may take seconds.

    Parameters
    ----------
    packages : iterable of str
        What is imported later.
    extra : str
        The extra of this package that brings all of them.

    Raises
    ------
    MissingPackageError
        When one is not installed.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise missing_package(package, extra)


_EXTRAS = {"matplotlib": "plot", "scipy": "evaluation"}
"""Packages that modules import by themselves, and the extra that brings each."""

_DISTRIBUTIONS = {
    "basenji2_pytorch": "basenji2-pytorch",
    "bed_reader": "bed-reader",
    "borzoi_pytorch": "borzoi-pytorch",
    "enformer_pytorch": "enformer-pytorch",
    "modiscolite": "modisco-lite",
    "yaml": "PyYAML",
}
"""What is installed, where its name is not that of what is imported."""


def explained(error: ModuleNotFoundError) -> MissingPackageError | None:
    """The error that says how to install the optional package whose import has failed, or None.

    Parameters
    ----------
    error : ModuleNotFoundError
        What an import raised.
    """
    package = (error.name or "").split(".")[0]
    return missing_package(package, _EXTRAS[package]) if package in _EXTRAS else None


def missing_package(package: str, extra: str) -> MissingPackageError:
    """The error that says how a package is installed.

    Parameters
    ----------
    package : str
        What is imported.
    extra : str
        The extra of this package that brings it, and what else the command needs.
    """
    name = package.split(".", maxsplit=1)[0]
    return MissingPackageError(
        f"the package {name} is not installed; in a checkout: make install, or pip install '.[{extra}]'; the "
        f"package alone: pip install {_DISTRIBUTIONS.get(name, name)}"
    )
