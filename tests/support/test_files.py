"""Files that are written whole, folders that are locked, and checksums."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, OptionError, OutputError
from mifm_kipoi.support import files
from mifm_kipoi.support.files import (
    check_outputs,
    locked,
    made_folder,
    sha256_of,
    with_home,
    write_table,
    writing,
    written_whole,
)


def test_a_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert (temporary.parent.parent, temporary.suffix) == (tmp_path, ".tsv")
        assert temporary.parent.stat().st_mode & 0o777 == 0o700
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o077, 0o002, 0o022])
def test_files_have_the_mode_that_the_umask_asks_for(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "out.tsv"
    before = os.umask(umask)
    try:
        with written_whole(path) as temporary:
            temporary.write_text("genotypes")
            # As some libraries do.
            temporary.chmod(0o600)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_file_that_does_not_pass_its_check_gets_no_name(tmp_path: Path) -> None:
    def check(path: Path) -> None:
        raise OutputError(f"{path.read_text()} is not whole")

    with (
        pytest.raises(OutputError, match="half is not whole"),
        written_whole(tmp_path / "out", check) as temporary,
    ):
        temporary.write_text("half")
    assert list(tmp_path.iterdir()) == []


_KILLED = """
import os, signal, sys
from pathlib import Path
from mifm_kipoi.support import files
step, calls = int(sys.argv[2]), 0
def counted(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
for name in ("mkdir", "open", "unlink", "rmdir", "scandir", "fsync", "close"):
    setattr(os, name, counted(getattr(os, name)))
files.fcntl.flock = counted(files.fcntl.flock)
with files.written_whole(sys.argv[1]) as temporary:
    temporary.write_text("new")
    temporary.with_name("second").mkdir()
    (temporary.with_name("second") / "file").touch()
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    endings = []
    for step in range(1, 100):
        command = [sys.executable, "-c", _KILLED, str(path), str(step)]
        endings.append(subprocess.run(command, check=False).returncode)
        if endings[-1] == 0:
            break
        assert not path.exists() or path.read_text() == "new"
        with written_whole(path) as temporary:
            temporary.write_text("next")
        assert [entry.name for entry in tmp_path.iterdir()] == ["out.tsv"]
        path.unlink()
    assert len(endings) > 8
    assert set(endings[:-1]) == {-9}


def test_nothing_that_another_made_is_removed_from_beside_a_file(tmp_path: Path) -> None:
    strangers = [tmp_path / f".out.mifm-{number}" for number in range(4)]
    strangers[0].write_text("a file")
    strangers[1].symlink_to(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("kept")
    for folder in strangers[2:]:
        folder.mkdir()
        (folder / "notes").write_text("kept")
    # A mark that is a link is not a mark.
    (strangers[3] / files.OWNER).symlink_to(tmp_path / "other" / "notes")
    before = sorted(tmp_path.rglob("*"))
    with written_whole(tmp_path / "out") as temporary:
        assert temporary.parent.name == ".out.mifm-4"
        temporary.write_text("new")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "out"])


def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with written_whole(path) as first:
        code = "import sys; from mifm_kipoi.support.files import *\nwith {}: pass"
        whole = [sys.executable, "-c", code.format("written_whole(sys.argv[1]) as t: t.touch()\nif 1"), path]
        assert subprocess.run(whole, check=False).returncode == 0
        alone = [sys.executable, "-c", code.format("workspace(sys.argv[1], alone=True)"), path]
        done = subprocess.run(alone, capture_output=True, text=True, check=False)
        assert f"another process is writing {path}; wait for its end" in done.stderr
        first.write_text("first")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text("old")

    def fails() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise ValueError("the rest is lost")

    with pytest.raises(ValueError, match="the rest is lost"):
        fails()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"out\.tsv: .*No space left"), written_whole(tmp_path / "out.tsv"):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_folders_are_not_made_for_a_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"none/out\.tsv: No such file"),
        written_whole(tmp_path / "none" / "out.tsv"),
    ):
        pass


def test_a_pipe_is_written_itself(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with written_whole(pipe) as given:
        assert given == pipe
        given.write_text("text")
    reader.join()
    assert read == ["text"]
    assert pipe.is_fifo()


@pytest.mark.parametrize("kind", ["same", "symlink", "hard link", "other path"])
def test_an_input_is_not_an_output(tmp_path: Path, kind: str) -> None:
    given, output = tmp_path / "in.vcf", tmp_path / "out.tsv"
    given.write_text("input")
    if kind == "same":
        output = given
    elif kind == "symlink":
        output.symlink_to(given)
    elif kind == "hard link":
        output.hardlink_to(given)
    else:
        output = tmp_path / "." / ".." / tmp_path.name / "in.vcf"
    free, missing = tmp_path / "free", tmp_path / "missing"
    check_outputs([free], [given, None, missing])
    with pytest.raises(OptionError, match=r"would replace the input .*in\.vcf"):
        check_outputs([free, output], [missing, None, given])


def test_an_input_is_not_in_a_folder_of_outputs(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.parquet").touch()
    (tmp_path / "link.parquet").symlink_to(tmp_path / "models" / "mine.parquet")
    with pytest.raises(OptionError, match=r"link\.parquet lies in .*models"):
        check_outputs([tmp_path / "models"], [tmp_path / "link.parquet"])


def test_folders_are_made_with_those_above(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert made_folder(folder) == folder
    assert made_folder(folder).is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot make the folder .*file/c: Not a directory"):
        made_folder(tmp_path / "file" / "c")


def test_a_folder_is_locked_against_other_processes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mifm_kipoi.support.files import check_outputs, locked\n"
        "with locked(Path(sys.argv[1])): pass"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert f"another process is writing into {tmp_path}" in done.stderr
    assert subprocess.run(command, check=False).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_says_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write out: Disk quota exceeded"), writing("out"):
        raise OSError(122, "Disk quota exceeded")


def test_checksums(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 10**6)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(b"abc" * 10**6).hexdigest()
    with pytest.raises(InputError, match=r"none: No such file"):
        sha256_of(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~", "/h"), ("~/g.fa", "/h/g.fa"), ("--fasta=~/g.fa", "--fasta=/h/g.fa"),
        ("table:~/t.tsv:PIP", "table:/h/t.tsv:PIP"), ("A=cadd:~/c.gz", "A=cadd:/h/c.gz"),
        ("abf:~/g.txt:positions=~/p.bim", "abf:/h/g.txt:positions=/h/p.bim"),
        ("embedded,~/w.safetensors", "embedded,/h/w.safetensors"),
        ("data.negatives.vcf=[~/a.vcf, ~/b.vcf]", "data.negatives.vcf=[/h/a.vcf, /h/b.vcf]"),
        ("/data/a~/b", "/data/a~/b"), ("x=~", "x=~"), ("a~b", "a~b"), ("~nobody.here/x", "~nobody.here/x"),
    ],
)  # fmt: skip
def test_the_home_folder(monkeypatch: pytest.MonkeyPatch, text: str, expected: str) -> None:
    monkeypatch.setenv("HOME", "/h")
    assert with_home(text) == expected


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    files.write_json(path, {"a": [1, 2]})
    assert path.read_text() == '{\n "a": [\n  1,\n  2\n ]\n}\n'
    with pytest.raises(TypeError, match="not JSON serializable"):
        files.write_json(path, {"a": object()})
    assert path.read_text().startswith('{\n "a": [')
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]
    with pytest.raises(OutputError, match="absent"):
        files.write_json(tmp_path / "absent" / "x.json", {})


def test_tables_as_text(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1 / 3, np.nan], "b": ["x", None], "n": [123456789, 2]}, index=[5, 6])
    path = write_table(tmp_path / "t.tsv", table)
    assert path.read_text() == "a\tb\tn\n0.333333\tx\t123456789\n\t\t2\n"
    every_digit = write_table(path, table, digits=None).read_text().splitlines()[1]
    assert every_digit == "0.3333333333333333\tx\t123456789"
    with pytest.raises(OutputError, match="cannot write"):
        write_table(tmp_path / "none" / "t.tsv", table)
