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
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.errors import WeightsError
from mifm_kipoi.network.model import MIFM, MIFMConfig

_MAX_MEMBER_BYTES = 64 * 2**20
"""A checkpoint of this network holds 0.2 MB; a member this large is something else."""

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


class _Unpickler(pickle.Unpickler):
    """An unpickler that resolves only the names of the fixed lists above."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        content = _member(archive, f"{root}/data.pkl")
        _check_memo(content)
        super().__init__(io.BytesIO(content))
        self._archive = archive
        self._root = root

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if name in _INERT.get(module, ()):
            return type(name, (_Record,), {})
        raise pickle.UnpicklingError(f"it asks to run {module}.{name}, which no MIFM checkpoint needs")

    def persistent_load(self, pid: Any) -> npt.NDArray[Any]:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not str(key).isdigit():
            raise pickle.UnpicklingError("it refers to something other than a tensor's storage")
        values = np.frombuffer(_member(self._archive, f"{self._root}/data/{key}"), dtype=dtype)
        if values.size != count:
            raise pickle.UnpicklingError(f"storage {key} holds {values.size} values; expected {count}")
        return values


def _check_memo(content: bytes) -> None:
    """Refuse a pickle that numbers an object so high that Python would make room for billions of them."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise pickle.UnpicklingError(f"it gives an object the number {argument}, and holds fewer bytes")


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> npt.NDArray[Any]:
    """A contiguous array from its storage; any other layout is refused."""
    if not isinstance(storage, np.ndarray) or not all(type(n) is int and n >= 0 for n in (offset, *size)):
        raise pickle.UnpicklingError("a tensor is malformed")
    contiguous = [math.prod(size[axis + 1 :]) for axis in range(len(size))]
    if any(step != want for step, want, n in zip(stride, contiguous, size, strict=True) if n > 1):
        raise pickle.UnpicklingError("a tensor is not contiguous")
    count = math.prod(size)
    if offset + count > storage.size:
        raise pickle.UnpicklingError("a tensor reaches past the end of its storage")
    return np.array(storage[offset : offset + count].reshape(size))


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


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > _MAX_MEMBER_BYTES:
        raise pickle.UnpicklingError(f"{name} would take {info.file_size} bytes")
    return archive.read(info)


def _tensors(record: Any, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """The parameters and buffers of a module and its children under dotted names."""
    if not isinstance(record, _Record):
        raise pickle.UnpicklingError(f"{prefix or 'the root'} is not a module")
    tensors: dict[str, npt.NDArray[Any]] = {}
    for group in ("_parameters", "_buffers"):
        for name, value in record.state.get(group, {}).items():
            if isinstance(value, np.ndarray):
                tensors[prefix + name] = value
    for name, child in record.state.get("_modules", {}).items():
        if child is not None:
            tensors.update(_tensors(child, f"{prefix}{name}."))
    return tensors


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The authors' checkpoint as a state of :class:`mifm_kipoi.network.model.MIFM` of the default sizes.

    Raises
    ------
    WeightsError
        When the file is not such a checkpoint, is damaged, or asks to run code.
    """
    try:
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
            f"refused to read {path} as the authors' checkpoint: {str(error) or type(error).__name__}; "
            "expected their a7a0q7ar.ckpt"
        ) from error


def _renamed(tensors: dict[str, npt.NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Tensors under our names, checked against the shapes of the network."""
    state: dict[str, torch.Tensor] = {}
    for name, values in tensors.items():
        for pattern, replacement in _RENAMINGS:
            if pattern.match(name):
                state[pattern.sub(replacement, name, count=1)] = torch.from_numpy(values)
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
