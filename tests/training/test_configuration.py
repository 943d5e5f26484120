import dataclasses
from pathlib import Path

import pytest

from mifm_kipoi.support.configuration import ConfigurationError
from training.configuration import read_configuration
from training.recipe import Recipe


def test_a_file_that_is_missing_is_named_with_the_shipped_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read the configuration nowhere.*embedded"):
        read_configuration("nowhere", Recipe)


def test_members_keep_the_variant_token_when_something_else_is_set() -> None:
    network = read_configuration([], Recipe, ["network.stem_channels=8"]).network
    assert network == dataclasses.replace(Recipe().network, stem_channels=8)
    assert network.channels == 5


def test_a_folder_does_not_hide_a_shipped_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the one that a run of it was written into."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke").mkdir()
    assert read_configuration("smoke", Recipe).export.name == "mifm-smoke"
