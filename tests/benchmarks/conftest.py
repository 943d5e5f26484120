"""The tiny cohort, made once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks.cohort.build import build
from benchmarks.cohort.sizes import SIZES

# With this seed a locus has a causal variant that is in no file.
TINY = dataclasses.replace(SIZES["tiny"], seed=2)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files of ``TINY``."""
    return build(TINY, tmp_path_factory.mktemp("cohort") / "tiny")
