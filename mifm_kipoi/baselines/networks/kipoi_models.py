"""Any model of Kipoi that reads windows of sequence, through its own dataloader.

The dataloader is given a small FASTA file, with a contig for each window, and a BED file of whole contigs, so
that everything that it does to a sequence is done as the authors of the model meant it. Kipoi runs the code
and unpickles the weights of a model without a check: take models from people whom you trust.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mifm_kipoi.baselines.networks import pretrained
from mifm_kipoi.baselines.networks.kipoi_reader import FUNCTIONS, KipoiReader, quiet
from mifm_kipoi.baselines.networks.sequence import ModelInfo, SequenceBaseline
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.errors import InputError, MissingPackageError, OptionError
from mifm_kipoi.scoring.workers import in_own_process
from mifm_kipoi.support.files import sha256_of

_BATCH = 64
"""Windows that a model reads per batch by default."""

_CODE = ("*.yaml", "*.yml", "*.py", "*.tsv")
"""Files beside a dataloader that say what it does."""

_DOWNLOADED = "downloaded"
"""Folder inside a model's, or that of a group of models, for what Kipoi downloads."""

_LOGGERS = ("kipoi", "kipoi_utils")


def find_kipoi(argument: str) -> None:
    """Open a model in a process of its own, the only way to see that its packages and weights are there.

    Raises
    ------
    MIFMError
        As :func:`open_kipoi` does.
    """
    in_own_process(
        functools.partial(_open_and_forget, argument),
        f"the process that opened the Kipoi model {argument} was killed, most likely for the memory it took",
    )


def _open_and_forget(argument: str) -> None:
    open_kipoi(argument, ComputeOptions())


def open_kipoi(argument: str, compute: ComputeOptions) -> SequenceBaseline:
    """``kipoi:MODEL[@SOURCE][:FUNCTION]``.

    Any file in the model's folder counts as a part of the model, which may read it: write outputs elsewhere.

    Parameters
    ----------
    argument : str
        Name of the model in a source of Kipoi's configuration, ``kipoi`` by default; with the source ``dir``
        its folder. The function is a key of :data:`mifm_kipoi.baselines.networks.kipoi_reader.FUNCTIONS`.
    compute : ComputeOptions
        How many windows are read together; the device is the model's own choice.

    Raises
    ------
    OptionError
        When there is no such function or source, or the function does not fit the outputs.
    InputError
        When there is no such model, or it does not read windows of sequence.
    MissingPackageError
        When a package that the model needs is not installed.
    NetworkError
        When the model fails.
    """
    name, source, function = _split(argument)
    model = _get_model(name, source)
    reader = KipoiReader(model, function, compute.batch_size or _BATCH)
    name = Path(model.source_dir).name if source == "dir" else name
    info = ModelInfo(
        name=f"Kipoi model {name}",
        scale=f"{FUNCTIONS[function]}, from the model's own dataloader",
        citation=str(model.info.cite_as or f"Kipoi model {name}"),
        leakage=f"trained on: {model.info.trained_on or 'its model.yaml does not say'}",
        weights=_made_of(model),
        libraries=pretrained.versions("kipoi", "kipoiseq") | {"source": source, "device": reader.device},
    )
    return SequenceBaseline(reader, info)


def _split(argument: str) -> tuple[str, str, str]:
    """Model, source and function."""
    name, colon, last = argument.rpartition(":")
    function = "diff"
    if colon and "/" not in last:
        if last not in FUNCTIONS:
            raise OptionError(
                f"{last!r} in {argument!r} is not a function; expected one of {', '.join(FUNCTIONS)}"
            )
        argument, function = name, last
    name, at, source = argument.rpartition("@")
    return (name, source, function) if at and "/" not in source else (argument, "kipoi", function)


def _get_model(name: str, source: str) -> Any:
    """A model with its default dataloader."""
    with _without_warnings():
        import kipoi
        import kipoi.config

    sources = kipoi.config.model_sources()
    if source not in sources:
        raise OptionError(f"Kipoi has no source {source!r}; expected one of {', '.join(sources)}")
    if source == "dir":
        if not Path(name).is_dir():
            raise InputError(f"there is no folder {name!r}; expected one with a model.yaml")
        name = str(Path(name).resolve())
    loaded = set(sys.modules)
    try:
        with quiet(), _without_warnings():
            model = kipoi.get_model(name, source)
    # Kipoi, git and the code of the model raise whatever they like.
    except Exception as error:
        missing = _missing_package(error)
        if missing:
            raise MissingPackageError(
                f"the Kipoi model {name} needs the package {missing}, which is not installed. Kipoi's models "
                f"do not include packages: install what its model.yaml lists, as with: pip install {missing}"
            ) from error
        reason = f"{error!r}{f', after {error.__context__!r}' if error.__context__ else ''}"
        raise InputError(
            f"cannot get the model {name!r} from Kipoi's source {source!r}: {reason}; 'kipoi ls' lists the "
            "models, and FOLDER@dir takes one from its folder"
        ) from error
    finally:
        # Models give their modules the same names: the next one must find its own.
        for module in set(sys.modules) - loaded:
            if _lies_beside_model(getattr(sys.modules[module], "__file__", None)):
                del sys.modules[module]
    if model.default_dataloader is None:
        raise InputError(f"the Kipoi model {name} has no dataloader")
    return model


def _lies_beside_model(file: str | None) -> bool:
    """Whether a module is in the folder of a model."""
    return bool(file) and any(Path(str(file)).parent.glob("model*.y*ml"))


def _missing_package(error: BaseException | None) -> str:
    """The package for want of which an import failed; empty when that was not it."""
    while isinstance(error, ImportError):
        if isinstance(error, ModuleNotFoundError) and error.name:
            return error.name.split(".", maxsplit=1)[0]
        error = error.__cause__ or error.__context__
    return ""


def _made_of(model: Any) -> dict[str, Any]:
    """Checksums of the files that a model and its dataloader may read, and the model's other arguments."""
    folder = Path(model.source_dir)
    downloads = (
        model.source.get_model_download_dir(model.name),
        model.source.get_dataloader_download_dir(model.name),
    )
    paths = [
        *_files(folder, skipped=_DOWNLOADED),
        *(path for each in downloads for path in _files(Path(each))),
    ]
    loader = Path(model.default_dataloader.source_dir)
    paths += [path for pattern in _CODE for path in sorted(loader.glob(pattern))]
    files = {os.path.relpath(path, folder): path for path in paths}
    arguments = {}
    for key, value in model.args.items():
        file = folder / value if isinstance(value, str) else None
        arguments[key] = sha256_of(file) if file and file.is_file() else _inside(value, folder)
    made = {"files": {name: sha256_of(path) for name, path in files.items()}, "arguments": arguments}
    # As it comes back from a file of JSON.
    plain: dict[str, Any] = json.loads(json.dumps(made, default=str))
    return plain


def _files(folder: Path, skipped: str = "") -> Iterator[Path]:
    """Files below a folder, behind links too; without hidden ones, compiled code and one folder in it."""
    seen = set()
    for path, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            # A link led back.
            folders.clear()
            continue
        seen.add(real)
        unwanted = {"__pycache__", skipped} if Path(path) == folder else {"__pycache__"}
        folders[:] = sorted(name for name in folders if name not in unwanted and not name.startswith("."))
        files = (Path(path, name) for name in sorted(names) if not name.startswith("."))
        yield from (file for file in files if file.is_file())


def _inside(value: object, folder: Path) -> object:
    """An argument, without the path of the model's folder."""
    inside = isinstance(value, str) and value.startswith(f"{folder}{os.sep}")
    return os.path.relpath(str(value), folder) if inside else value


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep Kipoi from warning of fields in models' files that it does not know."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(max(logger.level, logging.ERROR))
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
