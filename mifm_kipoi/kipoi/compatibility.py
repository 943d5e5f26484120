"""Mend, inside Kipoi and its tools alone, what their last releases lost to newer libraries."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.support.text import as_unicode


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


def mend_writers() -> None:
    """Let Kipoi's writers of TSV, HDF5 and Parquet take text of any length and with any bytes.

    Kipoi's own make text as wide as the longest, and fail where bytes are not UTF-8 and on batches without
    samples. Text goes into TSV with its bytes as they were; HDF5 and Parquet hold
    :func:`mifm_kipoi.support.text.as_unicode`.
    """
    from kipoi import writers

    writers.TsvBatchWriter.batch_write = _write_tsv
    writers.HDF5BatchWriter.batch_write = _write_hdf5
    writers.ParquetFileBatchWriter.batch_write = _write_parquet


def show_warnings() -> None:
    """Let the warnings of this package appear on standard error where Kipoi's command line silences them."""
    silent = [handler.level > logging.WARNING for handler in logging.getLogger().handlers]
    own = logging.getLogger("mifm_kipoi")
    if silent and all(silent) and not own.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("mifm_kipoi: warning: %(message)s"))
        own.addHandler(handler)


def _columns(batch: Any, separator: str) -> dict[str, npt.NDArray[Any]]:
    """The columns of a nested batch by their names, in the order of Kipoi's tables; text as objects."""
    from kipoi_utils.data_utils import flatten_batch

    columns = flatten_batch(batch, nested_sep=separator)
    return {
        name: columns[name].astype(object) if columns[name].dtype.kind == "U" else columns[name]
        for name in sorted(columns)
    }


def _write_tsv(writer: Any, batch: Any) -> None:
    """Stand in for ``TsvBatchWriter.batch_write``."""
    import pandas as pd

    columns = _columns(batch, writer.nested_sep)
    table = pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})
    table.to_csv(
        writer.file_path,
        sep="\t",
        index=False,
        header=writer.first_pass,
        mode="w" if writer.first_pass else "a",
        errors="surrogateescape",
    )
    writer.first_pass = False


def _write_parquet(writer: Any, batch: Any) -> None:
    """Stand in for ``ParquetFileBatchWriter.batch_write``."""
    import pandas as pd

    columns = {
        name: pd.Series([as_unicode(str(text)) for text in values], dtype="str")
        if values.dtype == object
        else values
        for name, values in _columns(batch, writer.nested_sep).items()
    }
    table = pd.DataFrame(columns)
    writer.write_buffer.append(table)
    writer.num_rows += len(table)
    if writer.num_rows >= writer.chunk_size or not (writer.num_rows or writer.pq_writer):
        writer._flush()


def _write_hdf5(writer: Any, batch: Any) -> None:
    """Stand in for ``HDF5BatchWriter.batch_write``."""
    from kipoi_utils.external.flatten_json import flatten

    columns = {name: _storable(values) for name, values in flatten(batch, separator="/").items()}
    if writer.first_pass:
        for name, values in columns.items():
            writer.f.create_dataset(
                name,
                shape=(0, *values.shape[1:]),
                dtype=writer.string_type if values.dtype == object else values.dtype,
                maxshape=(None, *values.shape[1:]),
                compression=writer.compression,
                chunks=(writer.chunk_size, *values.shape[1:]),
            )
        writer.first_pass = False
    writer.write_buffer = [*(writer.write_buffer or []), columns]
    writer.write_buffer_size += len(next(iter(columns.values())))
    if writer.write_buffer_size >= writer.chunk_size:
        writer._flush_buffer()


def _storable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array as HDF5 takes it: text as objects, with Unicode alone."""
    if values.dtype.kind not in "OU":
        return values
    texts = [as_unicode(str(text), zero=False) for text in values.ravel()]
    return np.array(texts, dtype=object).reshape(values.shape)


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
        Otherwise: decimal places that must agree; of numbers beyond 1, such as percentiles, as many
        significant digits, for these grow with the rounding of logits.

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
        np.testing.assert_allclose(observed, expected, rtol=atol, atol=atol, err_msg=name)


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
