"""What runs the blocks of pages finds the faults that it is there for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documentation.blocks import ROOT, Block, blocks_of, commands_of
from tests.documentation.pages import Page, PageError, check_output
from tests.preloaded import Interpreter

PAGE = """\
# A page

```bash
mkdir deep && cd deep
echo one > file.txt
```

<!-- file: config/a.yaml -->
```yaml
a: 1
```

1. In a list:

   ```python
   from pathlib import Path

   words = Path("file.txt").read_text()
   ```

```python
print(words, Path("config/a.yaml").read_text(), sep="")
```

<!-- output -->
```text
one
...
a: ...
```

<!-- not run: needs the internet: a download -->
```bash
curl -O https://example.org/x  # it's not there
mifm score x.vcf genome.fa -o scores.tsv --resume
```
"""


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    interpreter = Interpreter(["json"])
    yield interpreter
    interpreter.stop()


def run(text: str, interpreter: Interpreter, folder: Path) -> Path:
    """Run a page; gives the folder in which it began."""
    path = folder / "page.md"
    path.write_text(text)
    page = Page(interpreter, folder)
    try:
        for block in blocks_of(path):
            assert not block.fault
            page.run(block)
    finally:
        page.close()
    return folder / "work"


def test_blocks_run_in_their_order_in_one_folder_and_namespace(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    assert (run(PAGE, interpreter, tmp_path) / "deep" / "config" / "a.yaml").read_text() == "a: 1\n"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("echo one > file.txt", "cat missing.txt", r"page\.md:3 ended with 1:(?s:.*)missing\.txt"),
        ("print(words,", "print(word,", r"page\.md\", line 22(?s:.*)NameError: name 'word'"),
        ("a: ...", "b: ...", r"page\.md:26 is shown, but this was printed:\none"),
        ("--resume", "--resum-all", r"page\.md:33 cannot be parsed:(?s:.*)--resum-all"),
        ("mifm score", "mifm scor", r"page\.md:33 cannot be parsed:(?s:.*)'scor'"),
    ],
)
def test_what_a_page_gets_wrong_is_found(
    before: str, after: str, message: str, interpreter: Interpreter, tmp_path: Path
) -> None:
    assert before in PAGE
    with pytest.raises(PageError, match=message):
        run(PAGE.replace(before, after), interpreter, tmp_path)


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        (Block(Path("p.md"), 1, "", "x\n"), "the language is ''"),
        (Block(Path("p.md"), 1, "bash", "x\n", "not run", "is slow"), "'is slow'"),
        (Block(Path("p.md"), 1, "bash", "x\n", "not run", "needs hours: five members"), ""),
        (Block(Path("p.md"), 1, "bash", "x\n", "output"), "output in a block of 'bash'"),
        (Block(Path("p.md"), 1, "text", "mifm score x\n"), "commands in a block of 'text'"),
        (Block(Path("p.md"), 1, "text", "mifm score x\n", "output"), ""),
        (Block(Path("p.md"), 1, "r", "x\n"), "not run here"),
        (Block(Path("p.md"), 1, "r", "x\n", "not run", "needs the internet: susieR"), ""),
        (Block(Path("p.md"), 1, "bash", "x\n", "skipped", "why"), "the comment before it is 'skipped'"),
    ],
)
def test_marks(block: Block, fault: str) -> None:
    assert fault in block.fault
    assert bool(fault) == bool(block.fault)


def test_a_fence_that_is_not_closed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("```bash\nls\n")
    with pytest.raises(ValueError, match=r"page\.md:1: the fence is not closed"):
        list(blocks_of(tmp_path / "page.md"))


def test_output_is_compared_by_lines() -> None:
    def shown(text: str, printed: str) -> bool:
        try:
            check_output(Block(Path("p.md"), 1, "text", text, "output"), printed)
        except PageError:
            return False
        return True

    assert shown("a  \nb\n", "\na\nb \n")
    assert shown("...\nb\n", "b\n")
    assert shown("...\nb\n", "x\ny\nb\n")
    assert shown("took ... s\n", "took 1.5 s\n")
    assert not shown("a\n", "a\nb\n")
    assert not shown("a.b\n", "axb\n")
    assert not shown("took ... s\n", "took 1\n2 s\n")


def test_commands_of_a_script() -> None:
    script = """\
zcat a.gz | awk 'NR == 1 {
  print "it # is" }' > b   # a comment; with mifm score x
for i in 1 2; do mifm score v.vcf \\
    genome.fa -o $i.tsv; done && THREADS=1 python -m training run > log
python3 -m venv mifm
"""
    assert list(commands_of(script)) == [
        ["mifm", "score", "v.vcf", "genome.fa", "-o", "$i.tsv"],
        ["python", "-m", "training", "run"],
    ]


def test_the_list_of_blocks_that_are_not_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.documentation.blocks"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "docs/install.md" in done.stdout
    assert all(": needs " in line for line in done.stdout.splitlines())
