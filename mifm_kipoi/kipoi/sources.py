"""Put the packaged group of models into the user's Kipoi configuration, and take it out again.

Kipoi finds models by source and name, and reads its sources from ``~/.kipoi/config.yaml``; there is
no other way to announce one. In the same folder ``mifm-registration.json`` keeps the text as it was
before, so that it can be restored exactly.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import stat
from pathlib import Path
from typing import Any

import yaml

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.support.files import workspace, written_whole

GROUP = Path(__file__).parent / "group"
"""Folder of the group MIFM, a local model source."""

SOURCE = "mifm"
ZOO = "kipoi-zoo"


class RegistrationError(MIFMError):
    """A Kipoi configuration that cannot be read or changed."""


def _config_file() -> Path:
    """The file itself, where the user keeps it elsewhere and has a link to it."""
    return (Path.home() / ".kipoi" / "config.yaml").resolve()


def _state_file() -> Path:
    return Path.home() / ".kipoi" / "mifm-registration.json"


def register(bare: bool = False) -> list[str]:
    """Add the group to the user's Kipoi configuration.

    Parameters
    ----------
    bare : bool
        Also make it Kipoi's own source, so that ``kipoi predict MIFM`` needs no ``--source``; what
        was Kipoi's own source is then named ``kipoi-zoo``, or has the next free name.

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
    state, current = _read_state(), _read(path)
    if state is not None and not state.knows(current):
        raise RegistrationError(
            f"{path} was changed since the last registration; run 'mifm unregister' first"
        )
    original, mode = (current, _mode(path)) if state is None else (state.original, state.mode)
    config = _parse(path, original if original is not None else _default_text())
    sources = config["model_sources"]
    before = dict(sources)
    ours = {"type": "local", "local_path": f"{GROUP}{os.sep}"}
    changes = [f"{path}: model source '{SOURCE}' is {GROUP}"]
    if before.get(SOURCE, ours) != ours:
        changes.append(f"{path}: your own model source '{SOURCE}' comes back with 'mifm unregister'")
    if bare:
        if "kipoi" in sources:
            zoo = _free_name(sources)
            sources[zoo] = sources["kipoi"]
            changes.append(
                f"{path}: what was the model source 'kipoi' is now '{zoo}'; use --source={zoo} for its models"
            )
        sources["kipoi"] = dict(ours)
        changes.append(f"{path}: model source 'kipoi', which Kipoi takes without --source, is {GROUP}")
    sources[SOURCE] = ours
    entries = {
        name: {"before": before.get(name), "written": entry}
        for name, entry in sources.items()
        if before.get(name) != entry
    }
    text = yaml.safe_dump(config, sort_keys=False, indent=4)
    # The state knows both texts, so that the next command goes on where this one is killed.
    _write(_state_file(), _State(original, mode, text, current, entries).to_json())
    _write(path, text, mode)
    return changes


def unregister() -> list[str]:
    """Restore the Kipoi configuration to what it was before :func:`register`, its mode included.

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
    current = _read(path)
    if current is None or state.knows(current):
        if state.original is None:
            path.unlink(missing_ok=True)
            changes = [f"{path}: removed, as it did not exist before"]
        else:
            _write(path, state.original, state.mode)
            changes = [f"{path}: restored exactly"]
    else:
        config = _parse(path, current)
        stay = state.take_out(config["model_sources"])
        _write(path, yaml.safe_dump(config, sort_keys=False, indent=4), _mode(path))
        changes = [
            f"{path}: it was changed since the registration; took out what the registration had added, and "
            "comments",
            *(f"{path}: the model source '{name}' {why}" for name, why in stay.items()),
        ]
    with workspace(_state_file()), workspace(path):
        # What a command that was killed left here is removed.
        _state_file().unlink()
    return changes


@dataclasses.dataclass(frozen=True)
class _State:
    """What a registration changes.

    Parameters
    ----------
    original : str or None
        The configuration before the first registration; None where there was none.
    mode : int or None
        Of its file.
    written : str
        The configuration with the registration.
    replaced : str or None
        What was there when it was written.
    entries : dict
        The sources that it changes: ``before``, None for none, and ``written``.
    """

    original: str | None
    mode: int | None
    written: str
    replaced: str | None = None
    entries: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def to_json(self) -> str:
        """As text."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    def knows(self, text: str | None) -> bool:
        """Whether this is the configuration at the beginning or the end of a registration."""
        return text in (self.original, self.written, self.replaced)

    def take_out(self, sources: dict[str, Any]) -> dict[str, str]:
        """Give sources their entries back; the names of those that stay as they are, and why."""
        stay = {}
        changed = [name for name, entry in self.entries.items() if sources.get(name) != entry["written"]]
        earlier = {name: self.entries[name]["before"] for name in changed if self.entries[name]["before"]}
        for name, entry in self.entries.items():
            if name in changed:
                was = f"; before the registration it was {earlier[name]}" if name in earlier else ""
                if name in sources or was:
                    stay[name] = f"was changed since, and stays{was}"
            elif entry["before"] is not None:
                sources[name] = entry["before"]
            elif entry["written"] in earlier.values():
                stay[name] = "stays, as the name that it had before was given away since"
            else:
                del sources[name]
        return stay


def _free_name(sources: dict[str, Any]) -> str:
    names = itertools.chain([ZOO], (f"{ZOO}-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in sources)


def _read_state() -> _State | None:
    text = _read(_state_file())
    if text is None:
        return None
    try:
        state = _State(**json.loads(text))
        sound = isinstance(state.written, str) and isinstance(state.entries, dict)
        sound &= all({"before", "written"} <= set(entry) for entry in state.entries.values())
    except (ValueError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise RegistrationError(f"{_state_file()} is damaged; remove it and correct {_config_file()} by hand")
    return state


def _read(path: Path) -> str | None:
    """A file's text, whatever its bytes and ends of lines; None where there is none."""
    try:
        return path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RegistrationError(f"cannot read {path}: {error.strerror or error}") from error


def _mode(path: Path) -> int | None:
    """The mode of a file that is there."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


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


def _write(path: Path, text: str, mode: int | None = None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegistrationError(f"cannot make the folder {path.parent}: {error.strerror or error}") from error
    with written_whole(path, mode=mode) as temporary:
        temporary.write_bytes(text.encode(errors="surrogateescape"))
