"""Which code made an output."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path


def code_of(*names: str) -> str:
    """A checksum of modules, as it is kept beside what they made.

    It is of what they do: comments, docstrings and layout do not change it. It is that of one version of
    Python, whose syntax trees may differ from another's.

    Parameters
    ----------
    names : str
        Dotted names of modules, and of packages, of which all modules count.

    Returns
    -------
    str
        SHA-256, in hexadecimal.

    Raises
    ------
    ValueError
        When there is no such module.
    """
    code = hashlib.sha256()
    for name in names:
        for module, path in _modules(name):
            code.update(f"{module}\n{_checksum(path.read_bytes())}\n".encode())
    return code.hexdigest()


_parsing = threading.Lock()
"""Python 3.11 counts the depth of syntax trees for all threads together: two at a time are a SystemError."""


@functools.cache
def _checksum(source: bytes) -> str:
    with _parsing:
        tree = ast.parse(source)
    return hashlib.sha256(ast.dump(_WithoutStrings().visit(tree)).encode()).hexdigest()


def _modules(name: str) -> Iterator[tuple[str, Path]]:
    """Names and files of a module, or of all modules of a package."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no module {name}, of whose code a checksum is asked for")
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        yield name, origin
        return
    for path in sorted(origin.parent.rglob("*.py")):
        yield f"{name}/{path.relative_to(origin.parent).as_posix()}", path


class _WithoutStrings(ast.NodeTransformer):
    """Leaves out statements that are a string and nothing else, as docstrings are."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_string = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_string else node
