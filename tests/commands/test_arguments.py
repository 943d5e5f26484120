"""Lists, former spellings and limits of arguments."""

import re
from pathlib import Path

import pytest

from mifm_kipoi import cli
from mifm_kipoi.commands.arguments import (
    CommandParser,
    add_former_spelling,
    add_limits,
    add_list,
    add_max_mismatch_fraction,
)


@pytest.fixture
def parser() -> CommandParser:
    """Two files, a list with a default, one without and one that must be given."""
    parser = CommandParser(prog="score")
    parser.add_argument("variants")
    parser.add_argument("fasta")
    parser.add_argument("-o", "--output")
    add_list(parser, "--weights", "NAME", "names", ["embedded"])
    add_list(parser, "--held-out", "CHROM", "chromosomes")
    return parser


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        ("v.vcf g.fa", ["embedded"]),
        ("v.vcf g.fa --weights a", ["a"]),
        ("--weights a,b v.vcf g.fa -o x", ["a", "b"]),
        ("--weights a v.vcf g.fa -o x", ["a"]),
        ("v.vcf --weights a g.fa", ["a"]),
        ("--weights a v.vcf g.fa --weights b,c -o x", ["a", "b", "c"]),
        ("--weights=a,b v.vcf g.fa", ["a", "b"]),
        ("--weights a,,b, v.vcf g.fa", ["a", "b"]),
        ("--weights embedded v.vcf g.fa --weights embedded", ["embedded", "embedded"]),
    ],
)
def test_lists_take_commas_and_repeats_and_leave_the_files(
    parser: CommandParser, capsys: pytest.CaptureFixture[str], words: str, weights: list[str]
) -> None:
    options = parser.parse_args(words.split())
    assert (options.variants, options.fasta, options.weights) == ("v.vcf", "g.fa", weights)
    assert options.held_out is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", ["v.vcf g.fa --weights a b c", "v.vcf g.fa --weights a b c -o x"])
def test_words_behind_the_files_still_join_a_list_with_a_warning(
    parser: CommandParser, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    options = parser.parse_args(words.split())
    assert (options.variants, options.fasta, options.weights) == ("v.vcf", "g.fa", ["a", "b", "c"])
    assert capsys.readouterr().err.count("--weights a,b,c") == 1


def test_words_behind_two_lists_join_both(parser: CommandParser) -> None:
    options = parser.parse_args(["v.vcf", "g.fa", "--weights", "a", "b", "--held-out", "9", "10", "-o", "x"])
    assert (options.weights, options.held_out) == (["a", "b"], ["9", "10"])


def test_an_abbreviation_stands_for_the_present_spelling(capsys: pytest.CaptureFixture[str]) -> None:
    parser = CommandParser(prog="score")
    add_limits(parser)
    assert parser.parse_args(["--max-mismatch", "0.5"]).max_mismatch_fraction == 0.5
    assert capsys.readouterr().err == ""
    assert parser.parse_args(["--max-unk", "0.5"]).max_n_fraction == 0.5
    assert "--max-n-fraction" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--weights a b v.vcf g.fa", "unrecognized arguments: g.fa .*--weights or --held-out .* commas"),
        ("v.vcf g.fa other --weights a", "unrecognized arguments: other "),
        ("--weights , v.vcf g.fa", "--weights: ',' has no entry"),
        ("v.vcf g.fa --weights", "--weights: expected one argument"),
        ("v.vcf g.fa --weights a b --none", "unrecognized arguments: b --none "),
    ],
)
def test_what_is_no_list(
    parser: CommandParser, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(words.split())
    assert re.search(message, capsys.readouterr().err)


def test_the_default_of_a_list_is_not_changed(parser: CommandParser) -> None:
    parser.parse_args(["v.vcf", "g.fa", "--weights", "a", "--weights", "b"])
    assert parser.parse_args(["v.vcf", "g.fa"]).weights == ["embedded"]


def test_former_spellings_work_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    parser = CommandParser(prog="score")
    add_limits(parser)
    limits = parser.parse_args(["--max-unknown-share", "0.5", "--max-mismatch-share=0.25"])
    assert (limits.max_n_fraction, limits.max_mismatch_fraction) == (0.5, 0.25)
    assert capsys.readouterr().err.splitlines() == [
        "score: warning: --max-unknown-share is now --max-n-fraction; the old spelling goes away in the next "
        "version",
        "score: warning: --max-mismatch-share is now --max-mismatch-fraction; the old spelling goes away in "
        "the next version",
    ]
    limits = parser.parse_args([])
    assert (limits.max_n_fraction, limits.max_mismatch_fraction) == (0.1, 0.01)
    assert capsys.readouterr().err == ""
    assert "share" not in parser.format_help()
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--max-unknown-share", "2"])
    assert "2 is not a fraction from 0 to 1" in capsys.readouterr().err


def test_a_former_spelling_of_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    parser = CommandParser(prog="ranking")
    parser.add_argument("scores")
    columns = add_list(parser, "--columns", "COLUMN", "columns", [], dest="wanted")
    add_former_spelling(parser, "--scores", columns)
    options = parser.parse_args(["--scores", "a,b", "table.tsv", "--columns", "c"])
    assert (options.scores, options.wanted) == ("table.tsv", ["a", "b", "c"])
    assert "--scores is now --columns" in capsys.readouterr().err
    options = parser.parse_args(["table.tsv", "--scores", "a", "b"])
    assert (options.scores, options.wanted) == ("table.tsv", ["a", "b"])


def test_help_says_what_is_compared() -> None:
    parser = CommandParser()
    add_max_mismatch_fraction(parser, "Ref", "genome")
    assert "fraction of Ref that may differ from the genome (default: 0.01" in " ".join(
        parser.format_help().split()
    )


@pytest.mark.parametrize(
    "words",
    [
        ["score", "v.vcf", "none.fa", "-o", "x.tsv", "--max-unknown-share", "0.5"],
        ["mutagenesis", "none.fa", "--vcf", "v.vcf", "-o", "x.h5", "--max-unknown-share", "0.5"],
        ["compare", "none.vcf", "g.fa", "--models", "mifm", "-o", "x", "--max-mismatch-share", "0.5"],
        ["evaluate", "mpra", "none.tsv", "-o", "x", "--max-mismatch-share", "0.5"],
    ],
)
def test_every_command_knows_the_former_spellings(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They get past the options, to the input that is not there."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 1
    err = capsys.readouterr().err
    assert "goes away in the next version" in err
    assert "none." in err
