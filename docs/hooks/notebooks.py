"""Notebooks of the site: ``docs/notebooks/*.py`` (jupytext), executed at its build, as pages with outputs.

What was executed is kept in ``build/notebooks`` by the text of the notebook and of the code that it runs, so
that a second build takes no time. A cell that fails ends the build. Each has an empty folder to run in.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "docs" / "notebooks"
KEPT = ROOT / "build" / "notebooks"

INDEX = "notebooks/index.md"
TIMEOUT_S = 600
"""Of one cell."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the notebooks into the navigation, behind the page about them."""
    pages = [{_title(path): f"notebooks/{path.stem}.md"} for path in notebooks()]
    config.nav = [
        {title: [INDEX, *pages]} if target == INDEX else {title: target}
        for entry in config.nav
        for title, target in entry.items()
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of each notebook, its figures, and the executed notebook itself."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for path, notebook in zip(notebooks(), threads.map(executed, notebooks()), strict=True):
            text, figures = rendered(path.stem, notebook)
            files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
            files.append(
                File.generated(config, f"notebooks/{path.stem}.ipynb", content=nbformat.writes(notebook))
            )
            for name, content in figures.items():
                files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def notebooks() -> list[Path]:
    """The sources, in the order of their names."""
    return sorted(SOURCES.glob("*.py"))


def _title(path: Path) -> str:
    cells = jupytext.read(path).cells
    lines = (line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


def executed(path: Path) -> Any:
    """A notebook with its outputs, from what is kept where neither it nor the code has changed."""
    kept = KEPT / f"{path.stem}-{_key(path)}.ipynb"
    if kept.is_file():
        return nbformat.read(kept, as_version=4)
    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([programs, os.environ["PATH"]])}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # bed-reader draws its own progress where ipywidgets is installed, and says so where it is not.
    environment["PYTHONWARNINGS"] = "ignore:IProgress not found"
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT_S,
            coalesce_streams=True,  # programs write in pieces
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        client.execute(env=environment)
    KEPT.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}")
    nbformat.write(notebook, partial)
    partial.rename(kept)
    return notebook


def _key(path: Path) -> str:
    """What the outputs depend on: the notebook, and the code and data files of the packages."""
    return hashlib.sha256(path.read_bytes() + _code().encode()).hexdigest()[:16]


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for package in ("mifm_kipoi", "training"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def rendered(name: str, notebook: Any) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its figures by their names.

    Parameters
    ----------
    name : str
        Of the page; names of figures begin with it.
    notebook : nbformat.NotebookNode
        With outputs.
    """
    resources = {"unique_key": name, "output_files_dir": f"{name}_files"}
    text, found = MarkdownExporter().from_notebook_node(notebook, resources=resources)
    note = f"[The executed notebook]({name}.ipynb), for Jupyter."
    # Tables of pandas get the style of the site.
    text = re.sub(r"<style scoped>.*?</style>\s*", "", text, flags=re.DOTALL)
    text = text.replace('<table border="1" class="dataframe">', "<table>")
    heading, _, rest = text.lstrip().partition("\n")
    return f"{heading}\n\n{note}\n{rest}", dict(found["outputs"])
