"""Read the authors' checkpoint, a pickle of a whole module, without executing its pickle.

The pickle names classes and functions that Python would import and call. Here every name is looked
up in a fixed list: containers and plain types are themselves, tensors are rebuilt by the code below,
the modules of the authors' network become inert records, and any other name is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.errors import WeightsError
from mifm_kipoi.network.model import MIFM, MIFMConfig

_MOST_BYTES = 16 * 2**20
"""Of a checkpoint, and of all that is read of it; that of this network has 0.2 MB."""

_MOST_AXES = 4
"""Of a tensor."""

_MOST_PICKLE_BYTES = 2**20
"""Of the pickle, whose every step is looked at; that of this network has 0.1 MB."""

_MOST_ENTRIES = 10_000
"""Modules, parameters and buffers under all their names; the authors' network has some thousand."""

_INERT = {
    "src.models": {
        "Basenji2DilatedResidualBlock",
        "Basenji2ResConvTower",
        "ConvBlock",
        "Cropping1d",
        "DeepVEP",
        "ResidualDilatedConvBlock",
    },
    "torch": {"device", "float32"},
    "torch.distributed._shard.sharded_tensor": {"pre_load_state_dict_hook", "state_dict_hook"},
    "torch.nn.modules.activation": {"GELU"},
    "torch.nn.modules.batchnorm": {"BatchNorm1d"},
    "torch.nn.modules.container": {"Sequential"},
    "torch.nn.modules.conv": {"Conv1d"},
    "torch.nn.modules.flatten": {"Flatten"},
    "torch.nn.modules.linear": {"Identity", "Linear"},
    "torch.nn.modules.module": {"_WrappedHook"},
    "torch.nn.modules.pooling": {"MaxPool1d"},
}

_RENAMINGS = (
    (re.compile(r"stem\.0\."), "stem.0."),
    (re.compile(r"stem\.1\.conv1d_block\."), "stem.1.branch."),
    (re.compile(r"tower\.tower\.(\d)\.0\.conv1d_block\."), r"tower.\1.0."),
    (re.compile(r"tower\.tower\.(\d)\.1\.conv1d_block\."), r"tower.\1.1.branch."),
    (re.compile(r"dilated_\w+\.\w+\.(\d)\.conv1d_block_1\.conv1d_block\."), r"dilated.\1.branch.0."),
    (re.compile(r"dilated_\w+\.\w+\.(\d)\.conv1d_block_2\.conv1d_block\."), r"dilated.\1.branch.1."),
    (re.compile(r"pointwise\.conv1d_block\."), "features."),
    (re.compile(r"head\.0\."), "head."),
)
"""The authors' names of the network's stages, and ours. Their module holds every tensor three
times, tied; the names that none of these begins are the other two."""


class _Record:
    """What is left of an object of a class that is not imported: its state."""

    def __init__(self, *_: object, **__: object) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.state = state


_Pickle: Any = pickle._Unpickler
"""The one in Python, whose steps can be checked."""


class _Unpickler(_Pickle):  # type: ignore[misc]
    """An unpickler that resolves only the names of the fixed lists above.

    Keys and arguments are plain text and numbers: the text or the hash of tuples in tuples that share their
    parts takes for ever.
    """

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(_Pickle.dispatch)

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        self._parts = _Parts(archive)
        content = self._parts.read(f"{root}/data.pkl")
        if len(content) > _MOST_PICKLE_BYTES:
            raise pickle.UnpicklingError(f"its pickle has {len(content)} bytes")
        _check_memo(content)
        super().__init__(io.BytesIO(content))
        self._root = root
        self._storages: dict[str, npt.NDArray[Any]] = {}

    def _load_setitem(self) -> None:
        _check_plain(self.stack[-2:-1])
        super().load_setitem()

    def _load_setitems(self) -> None:
        _check_plain(self.stack[0::2])
        super().load_setitems()

    def _load_dict(self) -> None:
        _check_plain(self.stack[0::2])
        super().load_dict()

    def _load_needless(self) -> None:
        raise pickle.UnpicklingError("it holds sets or makes objects in a way that no MIFM checkpoint needs")

    def _load_build(self) -> None:
        if not isinstance(self.stack[-2], _Record | OrderedDict):
            raise pickle.UnpicklingError("it gives a state to something other than a module")
        super().load_build()

    def _load_reduce(self) -> None:
        function, arguments = self.stack[-2:]
        if function in (set, dict, OrderedDict):
            items = [item for argument in arguments for item in argument]
            if function is not set:
                items = [item[0] if isinstance(item, list | tuple) and item else item for item in items]
            _check_plain(items)
        super().load_reduce()

    dispatch[pickle.SETITEM[0]] = _load_setitem
    dispatch[pickle.SETITEMS[0]] = _load_setitems
    dispatch[pickle.DICT[0]] = _load_dict
    dispatch[pickle.REDUCE[0]] = _load_reduce
    dispatch[pickle.BUILD[0]] = _load_build
    for _code in (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.INST, pickle.OBJ):
        dispatch[_code[0]] = _load_needless

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if name in _INERT.get(module, ()):
            return type(name, (_Record,), {})
        raise pickle.UnpicklingError(f"it asks to run {module}.{name}, which no MIFM checkpoint needs")

    def persistent_load(self, pid: Any) -> npt.NDArray[Any]:
        """The values of a storage, which all its tensors share."""
        kind, dtype, key, _, count = pid
        if (
            kind != "storage"
            or not isinstance(dtype, np.dtype)
            or not _is_plain(key)
            or type(count) is not int
        ):
            raise pickle.UnpicklingError("it refers to something other than a tensor's storage")
        if not re.fullmatch(r"[0-9]{1,9}", str(key)):
            raise pickle.UnpicklingError("it refers to something other than a tensor's storage")
        name = f"{self._root}/data/{key}"
        if name not in self._storages:
            self._storages[name] = np.frombuffer(self._parts.read(name), np.uint8)
        content = self._storages[name]
        if content.nbytes != count * dtype.itemsize:
            raise pickle.UnpicklingError(
                f"storage {key} holds {content.nbytes // dtype.itemsize} values; expected {count}"
            )
        return content.view(dtype)


class _Parts:
    """The parts of an archive, together no larger than a checkpoint.

    Parameters
    ----------
    archive : zipfile.ZipFile
        The archive.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._left = _MOST_BYTES

    def read(self, name: str) -> bytes:
        """The bytes of a part."""
        info = self._archive.getinfo(name)
        self._left -= info.file_size
        if self._left < 0:
            raise pickle.UnpicklingError(f"with {name} it would take more than {_MOST_BYTES} bytes")
        return self._archive.read(info)


def _is_plain(value: object) -> bool:
    return type(value) in (str, int, bool, type(None)) and not (type(value) is int and abs(value) >= 2**63)


def _check_plain(keys: Iterable[object]) -> None:
    """Refuse keys whose hash may take for ever."""
    for key in keys:
        if not _is_plain(key):
            raise pickle.UnpicklingError("a key of a dictionary is neither text nor a number")


def _check_memo(content: bytes) -> None:
    """Refuse a pickle that numbers an object so high that Python would make room for billions of them."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise pickle.UnpicklingError(f"it gives an object the number {argument}, and holds fewer bytes")


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> npt.NDArray[Any]:
    """A contiguous array from its storage; any other layout is refused."""
    if not isinstance(storage, np.ndarray) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise pickle.UnpicklingError("a tensor is malformed")
    if len(size) > _MOST_AXES:
        raise pickle.UnpicklingError(f"a tensor has {len(size)} axes; expected at most {_MOST_AXES}")
    if not all(type(n) is int and 0 <= n <= _MOST_BYTES for n in (offset, *size)):
        raise pickle.UnpicklingError("a tensor is malformed")
    contiguous = [math.prod(size[axis + 1 :]) for axis in range(len(size))]
    if any(step != want for step, want, n in zip(stride, contiguous, size, strict=True) if n > 1):
        raise pickle.UnpicklingError("a tensor is not contiguous")
    count = math.prod(size)
    if offset + count > storage.size:
        raise pickle.UnpicklingError("a tensor reaches past the end of its storage")
    # Not a copy: the same storage may have many tensors.
    view: npt.NDArray[Any] = storage[offset : offset + count].reshape(size)
    return view


def _rebuild_parameter(tensor: Any, *_: object) -> Any:
    return tensor


_KNOWN = {
    ("__builtin__", "set"): set,
    ("collections", "OrderedDict"): OrderedDict,
    ("pytorch_lightning.utilities.parsing", "AttributeDict"): dict,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
}
"""What the names of plain types and of the parts of tensors stand for."""


def _tensors(root: Any) -> dict[str, npt.NDArray[Any]]:
    """The parameters and buffers of a module and its children under dotted names.

    Each module is visited once under each name that the network's stages have; the authors' module holds
    every tensor three times. A module in itself, or modules that share parts so that there are ever more
    names, are refused.
    """
    tensors: dict[str, npt.NDArray[Any]] = {}
    waiting: list[tuple[str, Any]] = [("", root)]
    met = 0
    while waiting:
        prefix, record = waiting.pop()
        if not isinstance(record, _Record):
            raise pickle.UnpicklingError(f"{prefix[:50] or 'the root'} is not a module")
        # One that the pickle gives no state has none.
        state = getattr(record, "state", {})
        parts = {name: state.get(name, {}) for name in ("_parameters", "_buffers", "_modules")}
        if not all(isinstance(part, dict) for part in parts.values()):
            raise pickle.UnpicklingError("a module is malformed")
        met += 1 + sum(map(len, parts.values()))
        if met > _MOST_ENTRIES:
            raise pickle.UnpicklingError(f"it has more than {_MOST_ENTRIES} modules and tensors")
        if not all(isinstance(name, str) and len(name) < 100 for part in parts.values() for name in part):
            raise pickle.UnpicklingError("a module has names that are not short texts")
        for name, value in (*parts["_parameters"].items(), *parts["_buffers"].items()):
            if isinstance(value, np.ndarray):
                tensors[prefix + name] = value
        waiting += [
            (f"{prefix}{name}.", child) for name, child in parts["_modules"].items() if child is not None
        ]
    return tensors


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The authors' checkpoint as a state of :class:`mifm_kipoi.network.model.MIFM` of the default sizes.

    Raises
    ------
    WeightsError
        When the file is not such a checkpoint, is damaged, or asks to run code.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise pickle.UnpicklingError(f"it has {size} bytes; expected at most {_MOST_BYTES}")
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise pickle.UnpicklingError("it holds no data.pkl, so it is not a PyTorch checkpoint")
            tensors = _tensors(_Unpickler(archive, pickles[0].removesuffix("/data.pkl")).load())
        return _renamed(tensors)
    # A damaged or hostile pickle can fail in any way; whatever it raises is the file's fault.
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
        raise WeightsError(
            f"refused to read {path} as the authors' checkpoint: {str(error)[:300] or type(error).__name__}; "
            "expected their a7a0q7ar.ckpt"
        ) from error


def _renamed(tensors: dict[str, npt.NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Tensors under our names, checked against the shapes of the network."""
    state: dict[str, torch.Tensor] = {}
    for name, values in tensors.items():
        for pattern, replacement in _RENAMINGS:
            if pattern.match(name):
                state[pattern.sub(replacement, name, count=1)] = torch.from_numpy(values.copy())
    expected = MIFM(MIFMConfig()).state_dict()
    if state.keys() != expected.keys():
        different = sorted(state.keys() ^ expected.keys())
        raise pickle.UnpicklingError(
            f"its tensors are not those of MIFM (first of {len(different)}: {different[0]})"
        )
    # The authors' head is a linear layer, ours the same as a convolution of width one.
    state["head.weight"] = state["head.weight"].unsqueeze(-1)
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise pickle.UnpicklingError(
                f"{name} has shape {tuple(tensor.shape)}; expected {tuple(expected[name].shape)}"
            )
    return state
