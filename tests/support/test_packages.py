"""What is said about packages that are not installed."""

import importlib.metadata

import pytest

from mifm_kipoi.errors import MissingPackageError
from mifm_kipoi.support.packages import _DISTRIBUTIONS, check_installed, needed


def test_what_is_said_of_a_package_that_is_missing() -> None:
    message = (
        "^the package no_such is not installed; in a checkout: make install, or pip install '.\\[extra\\]'; "
        "the package alone: pip install no_such$"
    )
    with pytest.raises(MissingPackageError, match=message):
        needed("no_such.part", "extra")
    with pytest.raises(MissingPackageError, match=message):
        check_installed(("json", "no_such"), "extra")


@pytest.mark.parametrize(("imported", "name"), _DISTRIBUTIONS.items())
def test_names_to_install_are_those_of_the_packages(imported: str, name: str) -> None:
    assert name in importlib.metadata.packages_distributions()[imported]
