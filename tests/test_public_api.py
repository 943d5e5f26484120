"""The public API: what is exported, and that type checkers see the real types."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mifm_kipoi

SCRIPT = """
import mifm_kipoi as mifm

def use(
    scoring: mifm.ScoringRun, comparison: mifm.ComparisonRun, ranking: mifm.RankingRun, mpra: mifm.MPRARun,
    mutagenesis: mifm.MutagenesisRun, rank: mifm.RankRun, explain: mifm.ExplainRun,
) -> None:
    for variant in mifm.read_variants("x.vcf"):
        reveal_type(variant)  # Variant
        reveal_type(variant.key)  # str
        reveal_type(variant.is_snv)  # bool
    reveal_type(mifm.load_model())  # MIFM
    reveal_type(mifm.Genome("x.fa").contigs)  # dict[str, int]
    reveal_type(mifm.WINDOW)  # int
    reveal_type(scoring.run())  # ScoringResult
    reveal_type(comparison.run())  # ComparisonResult
    reveal_type(ranking.run())  # RankingResult
    reveal_type(mpra.run())  # MPRAResult
    reveal_type(mutagenesis.run())  # MutagenesisResult
    reveal_type(rank.run())  # RankResult
    reveal_type(explain.run())  # ExplainResult

wrong: int = mifm.Variant("1", 1, ".", "A", "C").key  # error: assignment
mifm.Variant("1", "1", ".", "A", "C")  # error: arg-type
mifm.no_such_name  # error: attr-defined
"""


def test_imports_for_type_checkers_are_those_at_run_time() -> None:
    """Each name comes from one module, by its own name, and is what that module has."""
    tree = ast.parse(Path(mifm_kipoi.__file__).read_text())
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    imports = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.name == alias.asname
            imports[alias.name] = node.module
    assert imports == {name: f"mifm_kipoi.{module}" for name, module in mifm_kipoi._EXPORTS.items()}
    for name, module in imports.items():
        assert getattr(mifm_kipoi, name) is getattr(importlib.import_module(str(module)), name)
    assert set(dir(mifm_kipoi)) == {"__version__", *imports}


def test_a_name_that_is_not_exported() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        mifm_kipoi.no_such_name  # noqa: B018


@pytest.mark.slow
def test_type_checkers_see_real_types(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    # The cache is that of 'make lint', without which all of the package is checked once more.
    command = [sys.executable, "-m", "mypy", "--config-file", root / "pyproject.toml", script]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    found = {}
    for line in done.stdout.splitlines():
        if match := re.match(r'.*script\.py:(\d+): note: Revealed type is "(.*)"', line):
            found[int(match[1])] = re.sub(r"\b\w+\.", "", match[2])
        elif match := re.match(r".*script\.py:(\d+): error: .*\[(.*)\]", line):
            found[int(match[1])] = f"error: {match[2]}"
    expected = {
        number: line.partition("  # ")[2]
        for number, line in enumerate(SCRIPT.splitlines(), start=1)
        if "  # " in line
    }
    assert found == expected, done.stdout + done.stderr
