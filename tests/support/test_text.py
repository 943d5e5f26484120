"""Text with bytes that are not UTF-8."""

import pytest

from mifm_kipoi.support.text import as_unicode


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"rs1", "rs1"),
        ("für ✓".encode(), "für ✓"),
        (b"f\xfcr", "f\ufffdr"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        # The beginning of a longer sequence, which is missing.
        (b"\xe2\x9cA", "\ufffdA"),
        (b"", ""),
    ],
)
def test_as_unicode(content: bytes, expected: str) -> None:
    text = as_unicode(content.decode(errors="surrogateescape"))
    assert text == expected
    assert text.encode().decode() == text


def test_the_byte_0_ends_text_in_hdf5() -> None:
    assert as_unicode("a\0b") == "a\0b"
    assert as_unicode("a\0b", zero=False) == "a\ufffdb"
