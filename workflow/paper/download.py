"""Download one public file: what has come stays, the next try goes on from there, and the file is checked.

python download.py ADDRESS --output FILE [--md5 MD5] [--bytes N]

FILE gets its name when it is complete; FILE.json says where it came from, when, and its checksums.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

CHUNK = 1 << 20


def fetch(address: str, part: Path) -> None:
    """Append to ``part`` what it lacks of the file at an address.

    Raises
    ------
    OSError
        When the address cannot be read, or the connection breaks.
    """
    begun = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address)  # noqa: S310 - the addresses are those of downloads.yaml
    if begun:
        request.add_header("Range", f"bytes={begun}-")
    try:
        answer = urllib.request.urlopen(request, timeout=60)  # noqa: S310 - as above
    except urllib.error.HTTPError as error:
        # All of it has come before.
        if error.code == 416 and begun:
            return
        raise
    with answer:
        # A server that does not know ranges sends the whole file.
        whole = answer.headers.get("Content-Length")
        goes_on = answer.status == 206
        with part.open("ab" if goes_on else "wb") as file:
            while block := answer.read(CHUNK):
                file.write(block)
            written = file.tell()
    expected = int(whole) + (begun if goes_on else 0) if whole is not None else written
    if written < expected:
        raise OSError(f"the connection broke after {written:,} of {expected:,} bytes")


def checksums(path: Path) -> dict[str, str]:
    """MD5, which publishers state, and SHA-256."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha256")}
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            for one in sums.values():
                one.update(block)
    return {name: one.hexdigest() for name, one in sums.items()}


def download(address: str, output: Path, md5: str = "", size: int | None = None) -> None:
    """Fetch a file, check it, and give it its name.

    Parameters
    ----------
    address : str
    output : Path
    md5 : str
        Expected; empty where it is not known.
    size : int, optional
        Expected, in bytes.

    Raises
    ------
    OSError
        When it cannot be fetched, or is not what is expected.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f"{output.name}.part")
    fetch(address, part)
    found = checksums(part)
    wrong = [
        f"{what} is {seen}, expected {expected}"
        for what, seen, expected in (("its size", part.stat().st_size, size), ("its MD5", found["md5"], md5))
        if expected and seen != expected
    ]
    if wrong:
        damaged = output.with_name(f"{output.name}.unexpected")
        part.replace(damaged)
        raise OSError(
            f"what came from {address} is not the file that is expected: {'; '.join(wrong)}. It is kept as "
            f"{damaged}: if the publisher has a new version, name it {output.name}"
        )
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    origin = {"address": address, "downloaded": when, "bytes": part.stat().st_size, **found}
    output.with_name(f"{output.name}.json").write_text(json.dumps(origin, indent=1) + "\n")
    os.replace(part, output)


def main() -> int:
    """Run; 0 when the file is there, 1 when it is not."""
    parser = argparse.ArgumentParser(description="Download one public file.")
    parser.add_argument("address")
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--md5", default="")
    parser.add_argument("--bytes", type=int)
    options = parser.parse_args()
    try:
        download(options.address, options.output, options.md5, options.bytes)
    except OSError as error:
        name = options.output.name
        sys.stderr.write(f"cannot download {name}: {error}. Without internet, put the file there yourself\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
