"""What htslib, through pysam, asks of those who call it."""

from __future__ import annotations

from pathlib import Path

import pysam
import pytest

from mifm_kipoi.genomics.htslib import is_sorted, quiet, reason


def test_quiet_restores_what_was_set() -> None:
    before = pysam.set_verbosity(2)
    try:
        with quiet():
            assert pysam.get_verbosity() == 0
        assert pysam.get_verbosity() == 2
        with pytest.raises(ZeroDivisionError), quiet():
            raise ZeroDivisionError
        assert pysam.get_verbosity() == 2
    finally:
        pysam.set_verbosity(before)


def test_quiet_holds_htslib_s_messages_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.vcf"
    path.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\t.\tA\tC\t.\t.\t.\n"
    )

    def read() -> str:
        with pysam.VariantFile(str(path)) as file:
            assert [record.pos for record in file] == [5]
        return capfd.readouterr().err

    assert "Contig '1' is not defined" in read()
    with quiet():
        assert read() == ""


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ("", True),
        ("1:5", True),
        ("1:5 1:5 1:6 2:1 X:9", True),
        ("2:9 1:5", True),
        ("1:6 1:5", False),
        ("1:5 2:5 1:6", False),
        ("1:10 1:9", False),
        ("1:9 1:10", True),
        ("1:0 1:0", True),
    ],
)
def test_is_sorted(places: str, expected: bool) -> None:
    lines = [b"%s\t%s\tmore\twords" % tuple(place.encode().split(b":")) for place in places.split()]
    assert is_sorted(lines) is expected


def test_reason() -> None:
    failure = "'bcftools returned with error 9: stdout=None, stderr=Error: BCF read error\\n'"
    assert reason(failure) == "Error: BCF read error"
    assert reason("killed") == "killed"
