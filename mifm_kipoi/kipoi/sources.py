"""Put the packaged group of models into the user's Kipoi configuration, and take it out again.

Kipoi finds models by source and name, and reads its sources from ``~/.kipoi/config.yaml``; there is
no other way to announce one. Beside that file ``mifm-registration.json`` keeps the text as it was
before, so that it can be restored exactly.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.support.files import written_whole

GROUP = Path(__file__).parent / "group"
"""Folder of the group MIFM, a local model source."""

SOURCE = "mifm"
ZOO = "kipoi-zoo"


class RegistrationError(MIFMError):
    """A Kipoi configuration that cannot be read or changed."""


def _config_file() -> Path:
    return Path.home() / ".kipoi" / "config.yaml"


def _state_file() -> Path:
    return _config_file().with_name("mifm-registration.json")


def register(bare: bool = False) -> list[str]:
    """Add the group to the user's Kipoi configuration.

    Parameters
    ----------
    bare : bool
        Also make it Kipoi's own source, so that ``kipoi predict MIFM`` needs no ``--source``; what
        was Kipoi's own source is then named ``kipoi-zoo``.

    Returns
    -------
    list of str
        What was changed, in words.

    Raises
    ------
    RegistrationError
        When the configuration cannot be read or written.
    """
    path = _config_file()
    original = _original_text()
    config = _parse(path, original if original is not None else _default_text())
    sources = config["model_sources"]
    ours = {"type": "local", "local_path": f"{GROUP}{os.sep}"}
    changes = [f"{path}: model source '{SOURCE}' is {GROUP}"]
    if bare:
        if "kipoi" in sources:
            sources[ZOO] = sources["kipoi"]
            changes.append(
                f"{path}: what was the model source 'kipoi' is now '{ZOO}'; use --source={ZOO} for its models"
            )
        sources["kipoi"] = dict(ours)
        changes.append(f"{path}: model source 'kipoi', which Kipoi takes without --source, is {GROUP}")
    sources[SOURCE] = ours
    text = yaml.safe_dump(config, sort_keys=False, indent=4)
    _write(_state_file(), json.dumps({"original": original, "written": text}, indent=1))
    _write(path, text)
    return changes


def unregister() -> list[str]:
    """Restore the Kipoi configuration to what it was before :func:`register`.

    Where it was changed by others since, only the entries that register wrote are taken out.

    Returns
    -------
    list of str
        What was changed, in words.

    Raises
    ------
    RegistrationError
        When the group is not registered, or the configuration cannot be read or written.
    """
    path = _config_file()
    state = _read_state()
    if state is None:
        raise RegistrationError(f"the group MIFM is not registered: there is no {_state_file()}")
    original: str | None = state["original"]
    if not path.exists() or path.read_text() == state["written"]:
        if original is None:
            path.unlink(missing_ok=True)
            changes = [f"{path}: removed, as it did not exist before"]
        else:
            _write(path, original)
            changes = [f"{path}: restored exactly"]
    else:
        config = _parse(path, path.read_text())
        sources = config["model_sources"]
        sources.pop(SOURCE, None)
        if ZOO in sources:
            sources["kipoi"] = sources.pop(ZOO)
        elif Path(sources.get("kipoi", {}).get("local_path", "")) == GROUP:
            del sources["kipoi"]
        _write(path, yaml.safe_dump(config, sort_keys=False, indent=4))
        changes = [f"{path}: it was changed since the registration; took out what the registration had added"]
    _state_file().unlink()
    return changes


def _read_state() -> dict[str, Any] | None:
    try:
        state = json.loads(_state_file().read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RegistrationError(f"cannot read {_state_file()}: {error}") from error
    if not isinstance(state, dict) or not {"original", "written"} <= state.keys():
        raise RegistrationError(f"{_state_file()} is damaged; remove it and correct {_config_file()} by hand")
    return state


def _original_text() -> str | None:
    """The configuration before any registration; None where there was none."""
    path = _config_file()
    state = _read_state()
    if state is not None and path.exists() and path.read_text() == state["written"]:
        original: str | None = state["original"]
        return original
    if state is not None:
        raise RegistrationError(
            f"{path} was changed since the last registration; run 'mifm unregister' first"
        )
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RegistrationError(f"cannot read {path}: {error.strerror}") from error


def _default_text() -> str:
    """Kipoi's own default sources, for a user who has never run it."""
    import kipoi.config

    defaults = {
        name: dict(source.get_config())
        for name, source in kipoi.config.model_sources().items()
        if name != "dir"
    }
    return yaml.safe_dump({"model_sources": defaults}, sort_keys=False)


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RegistrationError(f"{path} is not YAML: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_sources"), dict):
        raise RegistrationError(f"{path} has no mapping 'model_sources'; expected a Kipoi configuration")
    return config


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegistrationError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error
    with written_whole(path) as temporary:
        temporary.write_text(text)
