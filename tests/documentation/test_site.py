"""The site: built with every warning an error, complete, and readable without a network."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import mifm_kipoi
from mifm_kipoi import cli
from tests.documentation.blocks import blocks_of
from tests.documentation.blocks import pages as sources
from training import __main__ as training_command

pytest.importorskip("mkdocs", reason="needs the extra 'docs'")

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """Where a page points to, what it loads, and which anchors it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in {"img", "script", "source", "iframe"} and "src" in values:
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_links_anchors_and_images_exist(pages):
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links start from the root of a server
            continue
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = (
                pages[target].anchors if parts.fragment and target in pages else {unquote(parts.fragment)}
            )
            if not target.is_file() or unquote(parts.fragment) not in anchors:
                broken.append(f"{path}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_the_network(site, pages):
    loaded = [link for page in pages.values() for link in page.loaded if urlsplit(link).netloc]
    sheets = (path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    fonts = [link for sheet in sheets for link in re.findall(r"url\(\s*['\"]?(https?:[^)]*)", sheet)]
    assert (loaded, fonts) == ([], [])


def test_search_works_from_the_files_alone(site, pages):
    text = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("var __index = "))
    found = {entry["location"].split("#")[0] for entry in index["docs"]}
    assert found >= {"index.html", "tasks/rank.html", "reference/commands/mifm-rank.html"}
    assert any("iframe-worker" in link for link in pages[site / "index.html"].loaded)


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for command in action.choices.values():
            yield from _commands(command)


@pytest.mark.parametrize("parser", [cli.build_parser(), training_command._parser()], ids=["mifm", "training"])
def test_every_command_has_a_page_with_all_of_its_options(site, parser):
    for command in _commands(parser):
        name = command.prog.removeprefix("python -m ").replace(" ", "-")
        text = (site / "reference" / "commands" / f"{name}.html").read_text(encoding="utf-8")
        shown = {
            option
            for action in command._actions
            if action.help != argparse.SUPPRESS
            for option in action.option_strings
        }
        assert {option for option in shown if f"<code>{option}" not in text} == set(), command.prog


def test_every_public_name_has_its_docstring_on_a_page(pages):
    anchors = set().union(*(page.anchors for path, page in pages.items() if path.parent.name == "api"))
    public = {f"mifm_kipoi.{module}.{name}" for name, module in mifm_kipoi._EXPORTS.items()}
    assert public - anchors == set()


def _imports() -> Iterator[tuple[str, str]]:
    """Where a page or notebook uses a name of the package's rooms, and the name with its module."""
    texts = [
        (str(block), block.text)
        for path in sources()
        for block in blocks_of(path)
        if block.language == "python"
    ]
    texts += [(path.name, path.read_text(encoding="utf-8")) for path in ROOT.glob("docs/notebooks/*.py")]
    for where, text in texts:
        nodes = list(ast.walk(ast.parse(text)))
        for node in nodes:
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("mifm_kipoi"):
                continue
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if not (ROOT / f"{name.replace('.', '/')}.py").is_file():
                    yield where, name
                    continue
                for used in nodes:  # of a module, what is used of it
                    if isinstance(used, ast.Attribute) and ast.unparse(used.value) == alias.name:
                        yield where, f"{name}.{used.attr}"


def test_names_that_pages_import_have_their_docstrings_on_a_page(pages):
    anchors = set().union(*(page.anchors for path, page in pages.items() if path.parent.name == "api"))
    anchors |= {f"mifm_kipoi.{name}" for name in mifm_kipoi._EXPORTS}  # the test above
    imports = list(_imports())
    assert len(imports) > 20
    assert [f"{where}: {name}" for where, name in imports if name not in anchors] == []


def test_links_of_the_readme_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    local = [link.split("#")[0] for link in links if not urlsplit(link).scheme]
    assert [link for link in local if link and not (ROOT / link).exists()] == []
