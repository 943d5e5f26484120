"""Tests of the scan of a genome."""

from mifm_kipoi.network.model import MIFMConfig

SMALL = MIFMConfig(
    stem_channels=4, stem_kernel=15, tower_channels=(6, 6, 6, 6), dilations=(2, 3), head_channels=8
)
"""A network of windows of 512 bases, small enough for tests."""
