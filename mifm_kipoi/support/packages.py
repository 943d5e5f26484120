"""Optional packages: imported where they are needed, with the command that installs them."""

from __future__ import annotations

import importlib
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


def missing_package(package: str, extra: str) -> MissingPackageError:
    """The error that says how a package is installed."""
    return MissingPackageError(
        f"the package {package} is not installed; install it with: pip install 'mifm-kipoi[{extra}]'"
    )
