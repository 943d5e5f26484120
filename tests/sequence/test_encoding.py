"""Bases as codes and channels, on literals."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.sequence import encoding


def ascii_codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("latin-1"), dtype=np.uint8)


class TestCodes:
    """codes: 0 to 3 for A, C, G, T, 4 for the rest."""

    def test_literals(self) -> None:
        found = encoding.codes(ascii_codes("ACGTacgtNnRYU-* >"))
        assert found.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4]
        assert found.dtype == np.uint8

    def test_every_byte(self) -> None:
        """Eight of the 256 bytes are bases."""
        found = encoding.codes(np.arange(256, dtype=np.uint8))
        assert np.flatnonzero(found != 4).tolist() == sorted(map(ord, "ACGTacgt"))

    def test_any_shape(self) -> None:
        found = encoding.codes(ascii_codes("ACGTNA").reshape(1, 2, 3))
        assert found.tolist() == [[[0, 1, 2], [3, 4, 0]]]


class TestOneHot:
    """one_hot: channels A, C, G, T before the positions."""

    def test_literals(self) -> None:
        found = encoding.one_hot(np.array([0, 1, 2, 3, 4, 0], dtype=np.uint8))
        assert found.tolist() == [
            [1, 0, 0, 0, 0, 1],
            [0, 1, 0, 0, 0, 0],
            [0, 0, 1, 0, 0, 0],
            [0, 0, 0, 1, 0, 0],
        ]
        assert found.dtype == np.float32

    def test_batches(self) -> None:
        found = encoding.one_hot(np.array([[0, 4, 3], [1, 2, 1]], dtype=np.uint8))
        assert found.tolist() == [
            [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]],
            [[0, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 0]],
        ]

    def test_no_windows(self) -> None:
        assert encoding.one_hot(np.empty((0, 512), dtype=np.uint8)).shape == (0, 4, 512)


class TestVariantToken:
    """with_variant_token: a fifth channel in the place of the base."""

    def test_literals(self) -> None:
        windows = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]], dtype=np.float32)
        found = encoding.with_variant_token(windows, 1)
        assert found.tolist() == [[[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0]]]
        assert found.dtype == np.float32

    def test_leaves_its_input_alone(self) -> None:
        windows = np.ones((2, 4, 5), dtype=np.float32)
        encoding.with_variant_token(windows, 2)
        assert (windows == 1).all()

    @pytest.mark.parametrize("index", [0, 255, 511])
    def test_every_position_has_one_channel_at_most(self, index: int) -> None:
        codes = np.random.default_rng(0).integers(0, 4, size=(3, 512)).astype(np.uint8)
        found = encoding.with_variant_token(encoding.one_hot(codes), index)
        assert found.shape == (3, 5, 512)
        assert (found.sum(axis=1) == 1).all()
        assert found[:, 4].sum(axis=1).tolist() == [1, 1, 1]
        assert found[:, 4, index].tolist() == [1, 1, 1]


class TestReverseComplement:
    """reverse_complement: the other strand, read backwards."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("A", "T"), ("C", "G"), ("AACGTN", "NACGTT"), ("GATTACA", "TGTAATC"), ("NNA", "TNN"), ("", "")],
    )
    def test_literals(self, text: str, expected: str) -> None:
        letters = {letter: code for code, letter in enumerate("ACGTN")}
        codes = np.array([letters[letter] for letter in text], dtype=np.uint8)
        found = encoding.reverse_complement(codes)
        assert "".join("ACGTN"[code] for code in found) == expected
        assert found.dtype == np.uint8

    def test_batches(self) -> None:
        """Every window for itself: the rows stay in their order."""
        found = encoding.reverse_complement(np.array([[0, 1, 4], [3, 3, 2]], dtype=np.uint8))
        assert found.tolist() == [[4, 2, 3], [1, 0, 0]]

    def test_the_variant_moves_by_one(self) -> None:
        """Index 255 of 512 becomes index 256."""
        codes = np.full(512, encoding.NO_BASE, dtype=np.uint8)
        codes[255] = 2
        assert np.flatnonzero(encoding.reverse_complement(codes) == 1).tolist() == [256]
