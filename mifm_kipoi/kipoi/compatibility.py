"""Mend, inside Kipoi and its tools alone, what their last releases lost to newer libraries."""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


def _vstack(arrays: Iterable[npt.ArrayLike]) -> npt.NDArray[Any]:
    """Stack the arrays of any iterable; numpy's own takes sequences only."""
    return np.vstack(list(arrays))


_REMOVED_FROM_NUMPY: dict[str, Any] = {
    "ComplexWarning": np.exceptions.ComplexWarning,
    "in1d": np.isin,
    "int": int,
    "object": object,
    "str": str,
    "string_": np.bytes_,
    "unicode_": np.str_,
    "vstack": _vstack,
}


class NumpyWithRemovedNames(types.ModuleType):
    """numpy as a module of an older library sees it; numpy itself stays as it is."""

    def __init__(self) -> None:
        super().__init__("numpy")

    def __getattr__(self, name: str) -> Any:
        if name in _REMOVED_FROM_NUMPY:
            return _REMOVED_FROM_NUMPY[name]
        return getattr(np, name)


def mend_hdf5_writer() -> None:
    """Let Kipoi's HDF5 writer, which uses names that numpy 2 removed, work again."""
    import kipoi.writers

    kipoi.writers.np = NumpyWithRemovedNames()


def mend_kipoi_test() -> None:
    """Let ``kipoi test`` compare every output with the expected one.

    Kipoi's own comparison takes the first array that agrees for one that does not, says "false for key",
    and neither fails nor looks at the others.
    """
    import kipoi.cli.main

    kipoi.cli.main.compare_numpy_dict = check_predictions


def check_predictions(observed: Any, expected: Any, exact: bool = False, decimal: int = 7) -> bool:
    """Compare the predictions of a batch with what was expected.

    Parameters
    ----------
    observed, expected : array, or dict or list of such
        Predictions; NaN equals NaN.
    exact : bool
        Without any difference.
    decimal : int
        Otherwise: decimal places that must agree.

    Returns
    -------
    bool
        True, always.

    Raises
    ------
    AssertionError
        When anything differs; the message names the output.
    """
    _check_predictions(observed, expected, "predictions", 0.0 if exact else 1.5 * 10.0**-decimal)
    return True


def _check_predictions(observed: Any, expected: Any, name: str, atol: float) -> None:
    if isinstance(observed, dict) and isinstance(expected, dict):
        if set(observed) != set(expected):
            raise AssertionError(f"{name} are {', '.join(observed)}; expected {', '.join(expected)}")
        for key in expected:
            _check_predictions(observed[key], expected[key], str(key), atol)
    elif isinstance(observed, list) and isinstance(expected, list):
        if len(observed) != len(expected):
            raise AssertionError(f"{name} has {len(observed)} entries; expected {len(expected)}")
        for number, pair in enumerate(zip(observed, expected, strict=True)):
            _check_predictions(*pair, f"{name}[{number}]", atol)
    else:
        np.testing.assert_allclose(observed, expected, rtol=0, atol=atol, err_msg=name)


def mend_kipoi_veff() -> None:
    """Let kipoi_veff score variants and make mutation maps."""
    for name in ("snv_predict", "utils.dna_reshapers", "utils.mutators"):
        vars(importlib.import_module(f"kipoi_veff.{name}"))["np"] = NumpyWithRemovedNames()


def mend_mutation_map_files() -> None:
    """Let deepdish, which keeps kipoi_veff's mutation maps, be imported, write and read."""
    for name in ("scipy.sparse", "tables"):
        importlib.import_module(name)
    with _removed_names_while_importing():
        importlib.import_module("deepdish")


def mend_mutation_map_plots() -> None:
    """Let kipoi_veff's letters, made when their module is imported, be made and drawn."""
    for name in ("shapely.affinity", "shapely.wkt"):
        importlib.import_module(name)
    vars(importlib.import_module("descartes.patch"))["asarray"] = _coordinates
    with _removed_names_while_importing():
        importlib.import_module("kipoi_veff.external.concise.seqplotting_deps")


def _coordinates(ring: Any) -> npt.NDArray[Any]:
    """Turn the ring of a polygon into an array, shape (n, 2); shapely's rings no longer are one."""
    return np.asarray(ring.coords)


@contextlib.contextmanager
def _removed_names_while_importing() -> Iterator[None]:
    """Give modules that use removed names while they are imported a numpy that has them.

    What these modules import in turn has to be imported before, so that it keeps the real one.
    """
    real = sys.modules["numpy"]
    sys.modules["numpy"] = NumpyWithRemovedNames()
    try:
        yield
    finally:
        sys.modules["numpy"] = real
