"""Bases to numbers: codes, one-hot, the variant token and the reverse complement."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BASES = "ACGT"
"""The channels of a one-hot window, in their order."""

NO_BASE = 4
"""The code of N and of every other symbol that is not A, C, G or T: no channel is set."""

OTHER_BASES = np.array(
    [[base for base in range(NO_BASE) if base != code] for code in range(NO_BASE)], dtype=np.uint8
)
"""Codes of the three other bases of each base, in their order: uint8, shape (4, 3)."""

_CODES = np.full(256, NO_BASE, dtype=np.uint8)
for _code, _base in enumerate(BASES):
    _CODES[ord(_base)] = _CODES[ord(_base.lower())] = _code

_ONE_HOT = np.eye(NO_BASE + 1, NO_BASE, dtype=np.float32)

_COMPLEMENT = np.array([3, 2, 1, 0, NO_BASE], dtype=np.uint8)


def codes(bases: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Codes 0 to 3 for A, C, G, T in either case, 4 for anything else.

    Parameters
    ----------
    bases : numpy.ndarray of uint8, any shape
        ASCII characters.

    Returns
    -------
    numpy.ndarray of uint8, same shape
    """
    return _CODES[bases]


def one_hot(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """One-hot windows in the layout that the network reads.

    Parameters
    ----------
    codes : numpy.ndarray of uint8, shape (..., length)
        From :func:`codes`.

    Returns
    -------
    numpy.ndarray of float32, shape (..., 4, length)
        Channels in the order A, C, G, T; all zeros where the code is 4. In memory the four channels of a
        base lie side by side, which the network reads fastest.
    """
    windows: npt.NDArray[np.float32] = _ONE_HOT.take(codes, axis=0).swapaxes(-1, -2)
    return windows


def with_variant_token(windows: npt.NDArray[np.float32], index: int) -> npt.NDArray[np.float32]:
    """Replace the base at ``index`` by the variant token, a fifth channel.

    Parameters
    ----------
    windows : numpy.ndarray of float32, shape (..., 4, length)
        From :func:`one_hot`.
    index : int
        0-based position of the variant's base in the window.

    Returns
    -------
    numpy.ndarray of float32, shape (..., 5, length)
        The base channels are zero at ``index``; the fifth channel is one there and zero elsewhere.
    """
    tokenised = np.zeros((*windows.shape[:-2], NO_BASE + 1, windows.shape[-1]), dtype=np.float32)
    tokenised[..., :NO_BASE, :] = windows
    tokenised[..., index] = 0.0
    tokenised[..., NO_BASE, index] = 1.0
    return tokenised


def reverse_complement(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The other strand of coded windows, read from its own 5' end.

    Parameters
    ----------
    codes : numpy.ndarray of uint8, shape (..., length)
        From :func:`codes`; the base at index i moves to ``length - 1 - i``.

    Returns
    -------
    numpy.ndarray of uint8, same shape
    """
    complement: npt.NDArray[np.uint8] = _COMPLEMENT[codes]
    return complement[..., ::-1]
