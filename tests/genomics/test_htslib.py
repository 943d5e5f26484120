"""What htslib, through pysam, asks of those who call it."""

from __future__ import annotations

from pathlib import Path

import pysam
import pytest

from mifm_kipoi.genomics.htslib import Definition, is_sorted, parse_definition, quiet, reason


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


@pytest.mark.parametrize(
    ("line", "name", "kind"),
    [
        (b'##INFO=<ID=DP,Number=1,Type=Integer,Description="x, > y">', b"INFO/DP", b"Integer"),
        (b'##FORMAT=<ID=GP,Number=G,Type=Float,Description="\xfc">', b"FORMAT/GP", b"Float"),
        (b'##INFO=<ID=f\xfcr,Number=0,Type=Flag,Description="x">', b"INFO/f\xfcr", b"Flag"),
        # htslib takes a type that it does not know for text.
        (b'##INFO=<ID=DP,Number=1,Type=Int,Description="x">', b"INFO/DP", b"String"),
        (b'##FILTER=<ID=q10,Description="x">', b"FILTER/q10", b""),
        (b'##FILTER=<ID=PASS,Description="x">', b"", b""),
        (b"##contig=<ID=HLA-A*01:01,length=35>", b"contig/HLA-A*01:01", b""),
        (b"##source=x", b"", b""),
    ],
)
def test_definitions(line: bytes, name: bytes, kind: bytes) -> None:
    assert parse_definition(line) == Definition(line, name, kind)


@pytest.mark.parametrize(
    "line", [b'##INFO=<ID=DP,Number=1,Type=Integer,Description="a "b" c">', b"##INFO=ID=DP,Number=1", b"##x"]
)
def test_what_htslib_cannot_parse(line: bytes) -> None:
    assert parse_definition(line) is None


def test_a_definition_without_an_end_gets_one() -> None:
    """htslib would take the next lines for its end, and lose them."""
    line = b'##INFO=<ID=DP,Number=1,Type=Integer,Description="x'
    assert parse_definition(line) == Definition(line + b'">', b"INFO/DP", b"Integer")
