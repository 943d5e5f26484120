"""Checksums of large files: remembered, and never of another content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.support import checksums
from mifm_kipoi.support.checksums import remembered_sha256


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, in which files of ten bytes are large and every file has long been there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(checksums, "LARGE", 10)
    monkeypatch.setattr(checksums, "_SETTLED", -1.0)
    return tmp_path / "cache" / "mifm-kipoi" / "checksums"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read from start to end."""
    read: list[Path] = []
    whole = checksums.sha256_of

    def counted(path: Path) -> str:
        read.append(path)
        return whole(path)

    monkeypatch.setattr(checksums, "sha256_of", counted)
    return read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "genome.fa"
    path.write_bytes(b">1\nACGTACGT\n")
    return path


def test_a_large_file_is_read_once(path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert [remembered_sha256(path) for _ in range(3)] == [sha256(b">1\nACGTACGT\n")] * 3
    monkeypatch.chdir(path.parent)
    assert remembered_sha256("genome.fa") == sha256(b">1\nACGTACGT\n")
    assert reads == [path]


def test_a_small_file_leaves_nothing(tmp_path: Path, cache: Path, reads: list[Path]) -> None:
    small = tmp_path / "x"
    small.write_bytes(b"123456789")
    assert remembered_sha256(small) == remembered_sha256(small) == sha256(b"123456789")
    assert reads == [small, small]
    assert not cache.exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.fa: No such file"):
        remembered_sha256(tmp_path / "none.fa")


@pytest.mark.parametrize("content", [b">1\nACGTACGA\n", b">1\nACGTACGTA\n"], ids=["same size", "longer"])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_changed_file_has_another_checksum(path: Path, content: bytes, replaced: bool) -> None:
    """Also where the time of its content was set back, as by ``cp -p`` or ``touch -r``."""
    first = remembered_sha256(path)
    old = path.stat()
    if replaced:
        path.rename(path.with_suffix(".old"))
    # The system's clock of files stands still for some milliseconds.
    while True:
        path.write_bytes(content)
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
        if path.stat().st_ctime_ns != old.st_ctime_ns:
            break
    assert remembered_sha256(path) == sha256(content) != first


def test_a_file_that_was_just_changed_is_not_remembered(
    path: Path, cache: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of the file system's clock it could be changed again, and nothing would show it."""
    monkeypatch.setattr(checksums, "_SETTLED", 600.0)
    assert remembered_sha256(path) == remembered_sha256(path)
    assert reads == [path, path]
    assert not cache.exists()


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grows(path: Path) -> str:
        with path.open("ab") as file:
            file.write(b"A")
        return "0" * 64

    with monkeypatch.context() as patch:
        patch.setattr(checksums, "sha256_of", grows)
        assert remembered_sha256(path) == "0" * 64
    assert not cache.exists()
    assert remembered_sha256(path) == sha256(b">1\nACGTACGT\nA")


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'{"state": {}}', b"[" * 100_000, None]
)
def test_a_cache_that_is_garbage_is_ignored(
    path: Path, cache: Path, reads: list[Path], garbage: bytes | None
) -> None:
    expected = remembered_sha256(path)
    (note,) = cache.iterdir()
    if garbage is None:
        garbage = note.read_bytes().replace(expected.encode(), b"not a checksum")
        assert b"not a checksum" in garbage
    note.write_bytes(garbage)
    assert remembered_sha256(path) == expected
    assert remembered_sha256(path) == expected
    assert reads == [path, path]


def test_a_cache_that_cannot_be_written_is_ignored(path: Path, cache: Path, reads: list[Path]) -> None:
    cache.parent.parent.mkdir()
    cache.parent.write_text("a file where the folder should be")
    assert remembered_sha256(path) == remembered_sha256(path) == sha256(b">1\nACGTACGT\n")
    assert reads == [path, path]
    assert cache.parent.is_file()
