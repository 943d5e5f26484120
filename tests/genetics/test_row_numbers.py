"""Numbers as tables write them."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.genetics.row_numbers import read_pips


@pytest.mark.parametrize(("written", "pip", "impossible"), [
    (0.0, 0.0, False), (1.0, 1.0, False), (1.001, 1.0, False), (1.0011, np.nan, True), (-1.0, np.nan, False),
    (-0.5, np.nan, True), (np.nan, np.nan, False), (np.inf, np.nan, True),
])  # fmt: skip
def test_pips(written: float, pip: float, impossible: bool) -> None:
    pips, bad = read_pips(np.array([written]))
    np.testing.assert_array_equal(pips, [pip])
    assert bad.tolist() == [impossible]
