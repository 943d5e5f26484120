"""What is mended inside Kipoi: the comparison of ``kipoi test``."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.kipoi.compatibility import check_predictions

EXPECTED = {"a": np.array([0.1, np.nan]), "b": [np.array([0.2]), np.array([[0.3]])]}


def copy() -> dict:
    return {"a": EXPECTED["a"].copy(), "b": [array.copy() for array in EXPECTED["b"]]}


def test_the_same_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = copy()
    found["a"][0] += 1e-5
    assert check_predictions(found, EXPECTED, exact=False, decimal=4) is True
    assert check_predictions(copy(), EXPECTED, exact=True) is True
    assert check_predictions(np.array([1.0]), np.array([1.0])) is True
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("decimal", [3, 5])
def test_each_array_counts(decimal: int) -> None:
    for change, name in (
        (lambda found: found["a"], "a"),
        (lambda found: found["b"][0], r"b\[0\]"),
        (lambda found: found["b"][1], r"b\[1\]"),
    ):
        found = copy()
        change(found)[0] += 2 * 10.0**-decimal
        with pytest.raises(AssertionError, match=f"(?m)^{name}$"):
            check_predictions(found, EXPECTED, decimal=decimal)
        change(found)[0] -= 1.2 * 10.0**-decimal
        assert check_predictions(found, EXPECTED, decimal=decimal)
        with pytest.raises(AssertionError, match=f"(?m)^{name}$"):
            check_predictions(found, EXPECTED, exact=True)


def test_larger_numbers_have_as_many_digits() -> None:
    expected = np.array([99.5, 0.5])
    assert check_predictions(expected + np.array([1e-3, 0]), expected, decimal=5)
    for change in ([3e-3, 0], [0, 3e-5]):
        with pytest.raises(AssertionError, match="predictions"):
            check_predictions(expected + np.array(change), expected, decimal=5)


def test_other_outputs_are_an_error() -> None:
    with pytest.raises(AssertionError, match="predictions are a; expected a, b"):
        check_predictions({"a": EXPECTED["a"]}, EXPECTED)
    with pytest.raises(AssertionError, match="b has 1 entries; expected 2"):
        check_predictions({**copy(), "b": [np.array([0.2])]}, EXPECTED)
    with pytest.raises(AssertionError, match="nan location"):
        check_predictions({**copy(), "a": np.array([0.1, 0.2])}, EXPECTED)
