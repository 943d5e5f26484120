"""Files that are written whole, folders that are locked, and checksums."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mifm_kipoi.errors import InputError, OutputError
from mifm_kipoi.support.files import locked, made_folder, sha256_of, writing, written_whole


def test_a_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".tsv")
    assert path.read_text() == "new"
    assert os.stat(path).st_mode & 0o777 == 0o644
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


def test_folders_are_made_with_those_above(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert made_folder(folder) == folder
    assert made_folder(folder).is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot make the folder .*file/c: Not a directory"):
        made_folder(tmp_path / "file" / "c")


def test_a_folder_is_locked_against_other_processes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mifm_kipoi.support.files import locked\n"
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
