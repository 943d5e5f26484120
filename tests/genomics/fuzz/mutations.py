"""Ways to damage bytes."""

from __future__ import annotations

import random

TOKENS = [
    *(bytes([byte]) for byte in b"\t\n\r\0 #>,.;:_-+0159ACGTN<*[\"'"),
    b"\r\n",
    b"\n\n",
    b"\t\t",
    b"9" * 25,
    b"-1",
    b"1e5",
    b"\xff",
    "é".encode(),
    "\u0663".encode(),
    "\u2028".encode(),
    b"track",
    b"##",
]
"""Bytes that mean something in one of the formats, or look as if they did."""


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _flip(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _replace(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content))
    token = rng.choice(TOKENS)
    return content[:at] + token + content[at + len(token) :]


def _insert(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content) + 1)
    token = rng.choice([rng.choice(TOKENS), rng.randbytes(rng.choice([1, 4, 100])), bytes(8)])
    return content[:at] + token + content[at:]


def _delete(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.choice([1, 1, 2, 8, 60, 300]) :]


def _repeat(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content))
    return content[: at + rng.choice([1, 8, 100])] + content[at:]


def _lines(rng: random.Random, content: bytes) -> bytes:
    """Delete, repeat or exchange lines."""
    lines = content.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(3)
    if kind == 0:
        del lines[one]
    elif kind == 1:
        lines.insert(one, lines[other])
    else:
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _join_lines(rng: random.Random, content: bytes) -> bytes:
    """Delete one line end."""
    ends = [at for at, byte in enumerate(content) if byte == ord("\n")]
    at = rng.choice(ends or [0])
    return content[:at] + content[at + 1 :]


_ALL = [_cut, _cut, _flip, _flip, _replace, _insert, _delete, _repeat, _lines, _join_lines]


def mutate(rng: random.Random, content: bytes, other: bytes = b"") -> bytes:
    """Damage ``content`` once or a few times, now and then with a piece of ``other``."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        if not content:
            break
        if other and rng.random() < 0.1:
            content = _cut(rng, content) + other[rng.randrange(len(other) + 1) :]
        elif rng.random() < 0.02:
            content = rng.randbytes(rng.randrange(1, 300))
        else:
            content = rng.choice(_ALL)(rng, content)
    return content
