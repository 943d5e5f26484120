"""Compress bytes into blocks of the format of bgzip, on as many threads as the caller has."""

from __future__ import annotations

import struct
import zlib
from typing import IO

from mifm_kipoi.errors import InputError

BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends a file."""

_BLOCK = 0xFF00
"""Bytes of text of a block, as bgzip has them: what deflate may add to them fits a block, too."""

_HEAD = struct.Struct("<4BI2BH2BHH")
_TAIL = struct.Struct("<II")


def bgzf_blocks(content: bytes, level: int = 6) -> bytes:
    """Whole blocks that hold some bytes; zlib works without the lock of the interpreter.

    Parameters
    ----------
    content : bytes
        Anything; nothing gives no block, since an empty one is the end of a file.
    level : int
        Of zlib. On rows of numbers, 1 is five times as fast as 6, and its output an eighth larger.

    Returns
    -------
    bytes
        What can be appended to a file of such blocks; the file ends with :data:`BGZF_END`.
    """
    view = memoryview(content)
    return b"".join(_block(view[start : start + _BLOCK], level) for start in range(0, len(view), _BLOCK))


def _block(content: memoryview, level: int) -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = deflater.compress(content) + deflater.flush()
    size = _HEAD.size + len(body) + _TAIL.size
    head = _HEAD.pack(31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, size - 1)
    return head + body + _TAIL.pack(zlib.crc32(content), len(content))


def first_block_bytes(file: IO[bytes]) -> int:
    """How many bytes the block at the beginning of a file has.

    Raises
    ------
    InputError
        When it is not compressed with bgzip.
    """
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or head[:4] != BGZF_END[:4] or head[12:14] != BGZF_END[12:14]:
        raise InputError(f"{file.name} is not compressed with bgzip")
    return int(_HEAD.unpack(head)[-1]) + 1
