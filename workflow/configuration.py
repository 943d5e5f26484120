"""The configuration of a workflow, checked against its schema before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate


def check(config: dict[str, Any], schema: Path, example: str) -> None:
    """Fill in the defaults; name the key of a mistake, and what is wrong with its value.

    Parameters
    ----------
    config : dict
        Of Snakemake, changed in place.
    schema : Path
        JSON schema, in YAML.
    example : str
        A configuration that comes with the workflow.

    Raises
    ------
    WorkflowError
        When the configuration does not follow the schema.
    """
    try:
        validate(config, str(schema.resolve()))
    except WorkflowError as error:
        if not config:
            message = f"no configuration: name one with --configfile, see {example}"
            raise WorkflowError(message) from None
        cause = error.__cause__ or error.__context__
        if not hasattr(cause, "absolute_path"):
            raise
        where = "".join(f"{key}: " for key in cause.absolute_path)
        what = cause.message
        if cause.validator == "additionalProperties":
            known = cause.schema["properties"]
            unknown = ", ".join(str(key) for key in cause.instance if key not in known)
            what = f"unknown key {unknown}; expected {', '.join(known)}"
        raise WorkflowError(f"the configuration is wrong: {where}{what}") from None


def filled(value: Any, places: dict[str, str]) -> Any:
    """A value of the configuration in which ``{name}`` stands for a folder, in lists and mappings too.

    Parameters
    ----------
    value : plain JSON type
    places : dict of str to str
        Folders by name.
    """
    if isinstance(value, str):
        for name, place in places.items():
            value = value.replace(f"{{{name}}}", place)
        return value
    if isinstance(value, list):
        return [filled(item, places) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, places) for key, item in value.items()}
    return value
