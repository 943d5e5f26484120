"""Typed configuration files: YAML into a frozen dataclass, unknown keys and wrong types refused."""

from __future__ import annotations

import dataclasses
import os
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mifm_kipoi.errors import MIFMError

T = TypeVar("T")


class ConfigurationError(MIFMError):
    """A configuration file that cannot be used."""


def read_configuration(path: str | os.PathLike[str], cls: type[T]) -> T:
    """Read a YAML file into a dataclass.

    Parameters
    ----------
    path : path-like
        A YAML mapping of field names to values; fields left out keep their defaults.
    cls : type
        A dataclass whose fields are int, float, str or tuples of these.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, has an unknown key or a value of another type, or the
        dataclass refuses its values; the message names the key.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the configuration {path}: {error.strerror or error}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(
            f"{path} holds {type(values).__name__}; expected a mapping of keys to values"
        )
    types = typing.get_type_hints(cls)
    fields = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type] # checked by callers
    for key in values:
        if key not in fields:
            raise ConfigurationError(f"unknown key {key!r} in {path}; known are {', '.join(sorted(fields))}")
    try:
        return cls(**{key: _typed(key, value, types[key]) for key, value in values.items()})
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _typed(key: str, value: Any, expected: Any) -> Any:
    if typing.get_origin(expected) is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{key} is {value!r}; expected a list")
        return tuple(_typed(key, item, typing.get_args(expected)[0]) for item in value)
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise TypeError(f"{key} is {value!r}; expected {expected.__name__}")
    return value
