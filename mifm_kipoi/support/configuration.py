"""Typed configuration: YAML files and settings are read into nested dataclasses; unknown keys are errors."""

from __future__ import annotations

import dataclasses
import enum
import logging
import math
import os
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.files import with_home
from mifm_kipoi.support.text import did_you_mean

log = logging.getLogger(__name__)

T = TypeVar("T")

_KINDS = {str: "text", Path: "a path", int: "a whole number", float: "a number", bool: "true or false"}
"""Types of values in words."""


class ConfigurationError(InputError):
    """A configuration that cannot be used."""


def read_configuration(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    cls: type[T],
    settings: Sequence[str] = (),
    shipped: Path | None = None,
    former: Mapping[str, str] | None = None,
    fixed: Mapping[str, Mapping[str, Any]] | None = None,
) -> T:
    """Read YAML files into a dataclass; later files override earlier ones.

    Parameters
    ----------
    paths : path-like or sequence of path-like
        YAML mappings of field names to values, or names of shipped configurations; fields that are left out
        keep their defaults. Two mappings under one key are merged; anything else is replaced. A text that
        begins with ``~/`` is a path in the home folder.
    cls : type
        A dataclass whose fields are bool, int, float, str, Path, enumerations, literals, other such
        dataclasses, tuples or mappings from str of these, one of these or None, or one or several. Where
        only some keys of a nested dataclass are given, the others are as in the default of its field.
    settings : sequence of str
        ``KEY=VALUE``, which override the files: the key with dots between its levels, the value in YAML.
    shipped : Path, optional
        Folder of configurations that come with the package; each can be given by its name alone.
    former : mapping of str to str, optional
        Former names of fields, at any level, and those that stand for them now; they are read with a warning.
    fixed : mapping of str to mapping of str to object, optional
        For a section, the values of keys that the caller sets, as YAML has them. They are for sections that
        are given, which must not have these keys.

    Returns
    -------
    instance of ``cls``
        The configuration.

    Raises
    ------
    ConfigurationError
        When a file cannot be read, a key is unknown, a value has another type, or a dataclass refuses its
        values; the message names the key.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    values: dict[str, Any] = {}
    for path in paths:
        values = _merged(values, _with_new_names(_read(_find(path, shipped), shipped), former or {}))
    for setting in settings:
        values = _merged(values, _with_new_names(_setting(setting), former or {}))
    source = " with ".join([", ".join(map(str, paths)), *settings])
    for section, own in (fixed or {}).items():
        given = values.get(section)
        if isinstance(given, dict):
            if refused := sorted(own.keys() & given.keys()):
                raise ConfigurationError(
                    f"{source}: {section}.{refused[0]} is set by the command; leave it out"
                )
            values = {**values, section: {**given, **own}}
    config: T = _build(cls, values, source, "")
    return config


def to_plain(config: Any) -> Any:
    """A configuration as plain JSON types, for manifests and provenance.

    Parameters
    ----------
    config : dataclass instance, mapping, sequence, enumeration or plain value
        A configuration, or the value of one of its fields.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {field.name: to_plain(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {key: to_plain(value) for key, value in config.items()}
    if isinstance(config, tuple | list):
        return [to_plain(value) for value in config]
    if isinstance(config, Path):
        return str(config)
    return config.value if isinstance(config, enum.Enum) else config


def check_least(config: object, **smallest: float) -> None:
    """Check that numbers of a configuration are not too small.

    Parameters
    ----------
    config : object
        The configuration.
    **smallest : float
        The smallest value that is allowed for a field, by its name.

    Raises
    ------
    ValueError
        When a number is smaller or NaN; the message names its field.
    """
    for name, least in smallest.items():
        if not getattr(config, name) >= least:
            raise ValueError(f"{name} is {getattr(config, name)}; expected {least} or more")


def _find(path: str | os.PathLike[str], shipped: Path | None) -> Path:
    if shipped is None or Path(path).is_file():
        return Path(path)
    named = shipped / f"{os.fspath(path)}.yaml"
    return named if named.parent == shipped and named.exists() else Path(path)


def _shown(value: Any) -> str:
    """A value as YAML has it, in one line."""
    if isinstance(value, str):
        return repr(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _read(path: Path, shipped: Path | None) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        names = ", ".join(sorted(file.stem for file in shipped.glob("*.yaml"))) if shipped else ""
        raise ConfigurationError(
            f"cannot read the configuration {path}: {error.strerror or error}; "
            f"expected a YAML file{names and f', or one of {names}'}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} holds {_shown(values)[:50]}; expected a mapping of keys to values")
    return values


def _setting(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigurationError(f"{text!r} is not a setting; expected KEY=VALUE, such as fit.seed=2")
    try:
        nested = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the value of {text!r} is not YAML: {error}") from error
    for name in reversed(key.split(".")):
        nested = {name: nested}
    return typing.cast(dict[str, Any], nested)


def _with_new_names(values: dict[str, Any], former: Mapping[str, str]) -> dict[str, Any]:
    """The values with former keys replaced by those that stand for them now, with a warning."""
    renamed = {}
    for key, value in values.items():
        if key in former:
            log.warning("%s is now %s; the old key goes away in the next version", key, former[key])
        new = former.get(key, key)
        renamed[new] = _with_new_names(value, former) if isinstance(value, dict) else value
    return renamed


def _merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = _merged(merged[key], value)  # noqa: PLW2901 - what is kept under the key
        merged[key] = value
    return merged


def _build(cls: type[T], values: Mapping[Any, Any], source: str, prefix: str, default: T | None = None) -> T:
    """The dataclass with these values; missing ones are those of ``default``, or else of the class."""
    kinds = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type] # by callers
    for key in values:
        if key not in fields:
            raise ConfigurationError(
                f"unknown key {f'{prefix}{key}'!r} in {source}; known are {', '.join(sorted(fields))}"
                f"{did_you_mean(key, fields)}"
            )
    known = {name: _default(field, default) for name, field in fields.items()}
    for name, value in known.items():
        if value is dataclasses.MISSING and name not in values:
            raise ConfigurationError(f"{prefix}{name} is missing in {source}")
    try:
        given = {
            key: _typed(f"{prefix}{key}", value, kinds[key], source, known[key])
            for key, value in values.items()
        }
        return cls(**{**known, **given})
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{source}: {error}") from error


def _default(field: dataclasses.Field[Any], whole: Any) -> Any:
    """The value of a field that is not given; MISSING where it is required."""
    if whole is not None:
        return getattr(whole, field.name)
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _typed(  # noqa: PLR0911 - one for each kind
    key: str, value: Any, expected: Any, source: str, default: Any = None
) -> Any:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (types.UnionType, typing.Union):
        kinds = [kind for kind in arguments if kind is not type(None)]
        if value is None and len(kinds) < len(arguments):
            return None
        # A list where one value or several may stand.
        several = [kind for kind in kinds if typing.get_origin(kind) is tuple and isinstance(value, list)]
        return _typed(key, value, (several or kinds)[0], source, default)
    if origin is Literal or (isinstance(expected, type) and issubclass(expected, enum.Enum)):
        known = arguments if origin is Literal else tuple(member.value for member in expected)
        if value not in known:
            raise TypeError(f"{key} is {_shown(value)}; expected one of {', '.join(map(str, known))}")
        return value if origin is Literal else expected(value)
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{key} is {_shown(value)}; expected a list")
        return tuple(_typed(f"{key}[{row}]", item, arguments[0], source) for row, item in enumerate(value))
    if origin in (dict, Mapping):
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise TypeError(f"{key} is {_shown(value)}; expected a mapping of names to values")
        return {name: _typed(f"{key}.{name}", item, arguments[1], source) for name, item in value.items()}
    if dataclasses.is_dataclass(expected):
        if not isinstance(value, dict):
            raise TypeError(f"{key} is {_shown(value)}; expected a mapping of keys to values")
        kind = typing.cast(type, expected)
        return _build(kind, value, source, f"{key}.", default if isinstance(default, kind) else None)
    return _typed_scalar(key, value, expected)


def _typed_scalar(key: str, value: Any, expected: Any) -> Any:
    if expected is float and (type(value) is int or _is_power_of_ten(value)):
        return float(value)
    text = expected in (str, Path)
    if type(value) is not (str if text else expected):
        hint = f", in quotes: '{value}'" if text and type(value) in (int, float) else ""
        raise TypeError(f"{key} is {_shown(value)}; expected {_KINDS.get(expected, expected.__name__)}{hint}")
    # The shell leaves ~ as it is in KEY=~/file, and there is none for a file.
    return expected(with_home(value)) if text else value


def _is_power_of_ten(value: Any) -> bool:
    """Whether the value is a number such as 1e-3, which YAML 1.1 reads as text."""
    return isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]+[eE][-+]?[0-9]+", value) is not None
