"""Pages of the site that are made when it is built: of every command, of the Python API, and the changelog.

MkDocs calls the functions ``on_...`` (``hooks`` in mkdocs.yml). Pages of commands come from their argparse
parsers, those of the API from docstrings (through mkdocstrings), so that neither is written twice.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Iterator, Set
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the benchmarks are not installed

import mifm_kipoi  # noqa: E402 - of the checkout that the site is built from
from benchmarks import __main__ as benchmarks_command  # noqa: E402
from mifm_kipoi import cli  # noqa: E402
from training import __main__ as training_command  # noqa: E402

COMMANDS = "reference/commands"
API = "reference/api"
CHANGELOG = "project/changelog.md"

API_PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "scoring": ("Scores of variants", ("scoring", "conventions", "errors")),
    "sequence": ("Genomes, variants and windows", ("genomics", "sequence")),
    "network": ("The network and its weights", ("network",)),
    "genome": ("Every position of a genome", ("genome_scan",)),
    "explanation": (
        "Ranking, explaining, substituting",
        ("explanation", "mutagenesis", "attribution"),
    ),
    "evaluation": ("Comparing and evaluating", ("comparison", "evaluation")),
    "polygenic": ("Polygenic scores", ("polygenic",)),
}
"""Pages of the names that ``mifm_kipoi`` exports, by the room that each is defined in: title, rooms."""

API_MORE: dict[str, tuple[str, ...]] = {
    "explanation": (
        "mifm_kipoi.mutagenesis.mutate.mutate",
        "mifm_kipoi.mutagenesis.mutate.Effects",
        "mifm_kipoi.mutagenesis.targets.Centre",
        "mifm_kipoi.mutagenesis.targets.Target",
        "mifm_kipoi.mutagenesis.targets.interval_targets",
        "mifm_kipoi.mutagenesis.targets.variant_targets",
    ),
    "evaluation": (
        "mifm_kipoi.evaluation.enrichment.annotations.Annotation",
        "mifm_kipoi.evaluation.enrichment.run.EnrichmentResult",
        "mifm_kipoi.evaluation.enrichment.run.EnrichmentRun",
        "mifm_kipoi.evaluation.joint.run.Columns",
        "mifm_kipoi.evaluation.joint.run.JointResult",
        "mifm_kipoi.evaluation.joint.run.JointRun",
        "mifm_kipoi.evaluation.joint.run.People",
    ),
}
"""What these pages have besides, for users too, and imported from where it is defined."""

API_MODULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "studies": (
        "Studies and tables of scores",
        ("mifm_kipoi.genetics.study_sources.StudySource", "mifm_kipoi.comparison.score_tables.ScoreTable"),
    ),
    "association": ("Association", ("mifm_kipoi.association",)),
    "finemapping": (
        "Fine-mapping",
        (
            "mifm_kipoi.finemapping.run.FinemapRun",
            "mifm_kipoi.finemapping.run.FinemapResult",
            "mifm_kipoi.finemapping.loci.LocusRule",
            "mifm_kipoi.finemapping.matrices.MatrixSource",
            "mifm_kipoi.finemapping.records",
            "mifm_kipoi.finemapping.susie",
            "mifm_kipoi.finemapping.diagnostics",
            "mifm_kipoi.finemapping.prior_weights",
            "mifm_kipoi.finemapping.exports",
            "mifm_kipoi.finemapping.leakage",
        ),
    ),
    "genotypes": ("Genotypes", ("mifm_kipoi.genetics.genotypes",)),
    "statistics": ("Statistics", ("mifm_kipoi.statistics.*",)),
    "baselines": ("A baseline of your own", ("mifm_kipoi.baselines.protocol", "mifm_kipoi.baselines.specs")),
    "training": (
        "Training",
        (
            "training.run",
            "training.data.prepare",
            "training.fitting.fit",
            "training.fitting.ensemble",
            "training.fitting.finetune",
            "training.distillation.distil",
            "training.export",
        ),
    ),
    "package": (
        "The example, Kipoi's models, the style of figures",
        (
            "mifm_kipoi.example.write_example",
            "mifm_kipoi.example.Example",
            "mifm_kipoi.kipoi.sources.GROUP",
            "mifm_kipoi.reports.drawing.style",
            "mifm_kipoi.reports.drawing.COLOURS",
            "mifm_kipoi.reports.drawing.ACCENT",
            "mifm_kipoi.reports.drawing.GREY",
        ),
    ),
}
"""Pages of modules, or names of them: title, what they have (``.*``: each module of a package)."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages into the navigation, behind the page of their folder."""
    pages = {
        f"{COMMANDS}/index.md": [{title: path} for path, title, _ in command_pages()],
        f"{API}/index.md": [{title: path} for path, title, _ in api_pages()],
    }
    config.nav = _with_pages(config.nav, pages)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the files of the site."""
    for path, _, text in (*command_pages(), *api_pages()):
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, CHANGELOG, content=changelog()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """List the generated pages of a folder on the page of the folder."""
    if page.file.src_uri == f"{COMMANDS}/index.md":
        return f"{markdown}\n\n{command_list()}"
    if page.file.src_uri == f"{API}/index.md":
        return (
            markdown + "\n\n" + "\n".join(f"- [{title}]({Path(path).name})" for path, title, _ in api_pages())
        )
    return markdown


def on_page_content(html: str, **_: object) -> str:
    """Sphinx's roles of docstrings as links to what has a page, and compound names of types in one piece."""
    html = re.sub(
        r":(?:mod|class|func|meth|attr|data|exc|obj):<code>~?([\w.]+)</code>",
        r'<autoref identifier="\1" optional><code>\1</code></autoref>',
        html,
    )
    return html.replace("<code>path - like</code>", "<code>path-like</code>")


def _with_pages(nav: list, pages: dict[str, list]) -> list:
    entries = []
    for entry in nav:
        if isinstance(entry, str):
            entries.append(entry)
            continue
        ((title, target),) = entry.items()
        if isinstance(target, list):
            target = _with_pages(target, pages)
        elif target in pages:
            target = [target, *pages[target]]
        entries.append({title: target})
    return entries


def changelog() -> str:
    """The changelog, with links that start from its page in place of the root of the repository."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.sub(r"\]\(docs/", "](../", text)


# Commands


def command_pages() -> Iterator[tuple[str, str, str]]:
    """A page for each command: path in the documentation, title, Markdown."""
    for parser in (cli.build_parser(), training_command._parser(), benchmarks_command._parser()):
        for command in _commands_of(parser):
            yield f"{COMMANDS}/{_file(command)}", command.prog, command_page(command)


def command_list() -> str:
    """All commands with a line each, those of ``mifm`` by task."""
    parser = cli.build_parser()
    lines = ["## `mifm`"]
    for task in cli.TASKS:
        names = {command.name.replace(" ", "-") for command in task.commands}
        lines += ["", f"### {task.name[0].upper()}{task.name[1:]}", "", *_lines_of(parser, names)]
    for others in (training_command._parser(), benchmarks_command._parser()):
        lines += ["", f"## `{others.prog}`", "", *_lines_of(others)]
    return "\n".join(lines) + "\n"


def _lines_of(parser: argparse.ArgumentParser, names: Set[str] | None = None) -> Iterator[str]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for listed in action._choices_actions:
            if names is not None and listed.dest not in names:
                continue
            command = action.choices[listed.dest]
            if any(isinstance(one, argparse._SubParsersAction) for one in command._actions):
                yield from _lines_of(command)
            else:
                yield f"- [`{command.prog}`]({_file(command)}): {_escaped(listed.help or '')}"


def _file(command: argparse.ArgumentParser) -> str:
    return command.prog.removeprefix("python -m ").replace(" ", "-") + ".md"


def _commands_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for command in dict.fromkeys(action.choices.values()):  # an alias is the same parser
            yield from _commands_of(command)


def command_page(parser: argparse.ArgumentParser) -> str:
    """Markdown of what a command's ``--help`` says."""
    formatter = parser._get_formatter()
    parts = [f"# {parser.prog}", *_paragraphs(parser.description)]
    parts.append(f"```text\n{_usage(parser)}\n```")
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if not actions:
            continue
        title = {"positional arguments": "Arguments", "options": "Options"}.get(
            group.title or "", group.title
        )
        parts.append(f"## {title[0].upper()}{title[1:]}" if title else "## Options")
        parts.extend(_paragraphs(group.description))
        named = "option" if any(action.option_strings for action in actions) else "argument"
        rows = [f"| {named} | meaning |", "| --- | --- |"]
        for action in actions:
            meaning = formatter._expand_help(action) if action.help else ""
            rows.append(f"| {_spelling(action, formatter)} | {_escaped(' '.join(meaning.split()))} |")
        parts.append("\n".join(rows))
    parts.extend(_paragraphs(parser.epilog))
    return "\n\n".join(parts) + "\n"


def _usage(parser: argparse.ArgumentParser) -> str:
    width, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "86"  # argparse asks the terminal otherwise
    try:
        return parser.format_usage().removeprefix("usage: ").strip()
    finally:
        if width is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = width


def _spelling(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    if not action.option_strings:
        return f"`{formatter._metavar_formatter(action, action.dest)(1)[0]}`"
    if action.nargs == 0:
        return ", ".join(f"`{option}`" for option in action.option_strings)
    values = formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
    return ", ".join(f"`{option} {values}`" for option in action.option_strings)


def _paragraphs(text: str | None) -> Iterator[str]:
    """Text of a parser as Markdown: what is set in columns stays as it is."""
    for paragraph in re.split(r"\n\s*\n", (text or "").strip("\n")):
        if not paragraph.strip():
            continue
        lines = paragraph.split("\n")
        if len(lines) > 1 and any(re.search(r"^\s+\S|\S {2,}\S", line) for line in lines):
            yield f"```text\n{paragraph}\n```"
        else:
            yield _escaped(paragraph)


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<|#])", r"\\\1", text)


# API


def api_pages() -> Iterator[tuple[str, str, str]]:
    """A page for each group of public names: path in the documentation, title, Markdown for mkdocstrings."""
    for name, (title, rooms) in API_PAGES.items():
        objects = [
            f"mifm_kipoi.{module}.{public}"
            for public, module in sorted(mifm_kipoi._EXPORTS.items(), key=lambda entry: entry[0].lower())
            if module.split(".")[0] in rooms
        ]
        note = "These names are imported from `mifm_kipoi` itself: `from mifm_kipoi import ...`."
        more = API_MORE.get(name, ())
        note += " The last ones are imported from their modules." if more else ""
        yield f"{API}/{name}.md", title, _api_page(title, note, [*objects, *more])
    for name, (title, modules) in API_MODULES.items():
        objects = [one for module in modules for one in _modules(module)]
        yield f"{API}/{name}.md", title, _api_page(title, "", objects)


def _modules(name: str) -> list[str]:
    if not name.endswith(".*"):
        return [name]
    package = importlib.import_module(name.removesuffix(".*"))
    (folder,) = package.__path__
    return [
        f"{package.__name__}.{path.stem}"
        for path in sorted(Path(folder).glob("*.py"))
        if not path.stem.startswith("_")
    ]


def _api_page(title: str, note: str, objects: list[str]) -> str:
    blocks = (f"::: {name}" for name in objects)
    return "\n\n".join(part for part in (f"# {title}", note, *blocks) if part) + "\n"
