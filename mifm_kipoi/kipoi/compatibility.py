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
    """Give modules that are imported within, and that use removed names at once, a numpy that has them.

    What these modules import in turn has to be imported before, so that it keeps the real one.
    """
    real = sys.modules["numpy"]
    sys.modules["numpy"] = NumpyWithRemovedNames()
    try:
        yield
    finally:
        sys.modules["numpy"] = real
