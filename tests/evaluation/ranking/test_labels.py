"""Tables of labels: what is read, what is left out, what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.ranking.labels import LabelOptions, read_labels
from mifm_kipoi.evaluation.ranking.variant_tables import VariantTable
from mifm_kipoi.genomics.tables import Batch


def read(path: Path, *columns: str, block_bytes: int | None = None) -> list[tuple[pd.DataFrame, Batch]]:
    return list(VariantTable.of(path).batches(columns, block_bytes))


def write(path: Path, text: str) -> Path:
    """A table from words: columns with blanks between them."""
    separator = "," if ".csv" in path.name else "\t"
    lines = "\n".join(separator.join(line.split()) for line in text.strip().splitlines()) + "\n"
    lines = lines.replace("_EMPTY_", "")
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines)
    return path


LABELLED = """
chrom pos ref alt label
chr1  10  a   g   true
1     11  A   AT  0
chr2  10  C   T   False
X     7   G   C   1
"""


@pytest.mark.parametrize("name", ["l.tsv", "l.csv", "l.tsv.gz", "l.csv.gz", "l.txt"])
def test_text_is_read(tmp_path: Path, name: str) -> None:
    found = read_labels(write(tmp_path / name, LABELLED), LabelOptions())
    assert found.table.index.tolist() == ["1:10:A:G", "1:11:A:AT", "2:10:C:T", "X:7:G:C"]
    assert found.table["positive"].tolist() == [True, False, False, True]
    assert found.table["row"].tolist() == [2, 3, 4, 5]
    assert found.columns == {"label": "label"}
    assert not found.made_of_pips
    assert found.counts == {
        "rows": 4, "without_label": 0, "repeated": 0, "between_limits": 0, "positive": 2, "negative": 2,
    }  # fmt: skip


def test_columns_may_be_in_any_case(tmp_path: Path) -> None:
    path = write(tmp_path / "l.tsv", LABELLED.replace("chrom pos ref alt label", "#CHROM POS REF ALT LABEL"))
    assert read_labels(path, LabelOptions()).columns == {"label": "LABEL"}
    assert read_labels(path, LabelOptions(label="label")).columns == {"label": "LABEL"}


@pytest.mark.parametrize("kind", [bool, int, float, str, object])
def test_parquet_as_of_traitgym_is_read(tmp_path: Path, kind: type) -> None:
    table = pd.DataFrame(
        {
            "chrom": ["1", "1", "2"], "pos": np.array([5, 6, 5], dtype=np.int32), "ref": list("ACG"),
            "alt": list("CGT"), "label": np.array([True, False, False]).astype(kind), "tss_dist": [1, 2, 3],
            "match_group": ["1_0", "1_0", None], "consequence": ["ELS", "PLS", "x"],
        }
    )  # fmt: skip
    table.to_parquet(tmp_path / "test.parquet", index=False)
    found = read_labels(tmp_path / "test.parquet", LabelOptions())
    assert found.table["positive"].tolist() == [True, False, False]
    assert found.table["group"].fillna("-").tolist() == ["1_0", "1_0", "-"]
    assert found.table["row"].tolist() == [1, 2, 3]
    assert found.columns == {"label": "label", "group": "match_group"}


def test_columns_of_variants_are_found_by_their_usual_names(tmp_path: Path) -> None:
    path = write(tmp_path / "l.tsv", "#CHROM POS ID REF ALT causal\nchr9 5 rs1 A C 1\nchr9 6 . A C 0")
    assert read_labels(path, LabelOptions()).table.index.tolist() == ["9:5:A:C", "9:6:A:C"]


def test_the_column_of_labels_can_be_named(tmp_path: Path) -> None:
    text = "chrom pos ref alt label causal mine locus ld\n1 1 A C 1 0 0 a b\n1 2 A C 0 1 1 a c"
    path = write(tmp_path / "l.tsv", text)
    assert read_labels(path, LabelOptions()).table["positive"].tolist() == [True, False]
    found = read_labels(path, LabelOptions(label="mine", block="ld", group="locus"))
    assert found.table["positive"].tolist() == [False, True]
    assert found.table["block"].tolist() == ["b", "c"]
    assert found.table["group"].tolist() == ["a", "a"]
    assert read_labels(path, LabelOptions()).columns == {"label": "label", "block": "locus"}


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    text = "chrom pos ref alt label\n1 1 A C 1\n1 2 A C _EMPTY_\n1 3 A C NA\n1 4 A C .\n1 5 A C 0"
    found = read_labels(write(tmp_path / "l.tsv", text), LabelOptions())
    assert found.table["pos"].tolist() == [1, 5]
    assert found.counts["without_label"] == 3


PIPS = """
chrom pos ref alt pip  block
1     1   A   C   0.95 b1
1     2   A   C   0.9  b1
1     3   A   C   0.01 b1
1     4   A   C   0.005 b1
1     5   A   C   -1   b1
1     6   A   C   -1   b1
1     6   A   C   0    b2
1     7   A   C   0.001 b1
1     7   A   C   0.91 b2
1     7   A   C   0.5  b3
1     8   A   C   0.002 b1
1     8   A   C   0.5  b2
1     9   A   C   .    b1
"""


def test_pips_make_labels(tmp_path: Path) -> None:
    """Above and below, not at, the limits; the highest of several; -1 is none."""
    path = write(tmp_path / "l.tsv", PIPS)
    found = read_labels(path, LabelOptions(pip="pip"))
    assert found.made_of_pips
    assert found.table[["pos", "positive", "block", "row"]].to_numpy().tolist() == [
        [1, True, "b1", 2], [4, False, "b1", 5], [6, False, "b2", 8], [7, True, "b2", 10],
    ]  # fmt: skip
    assert found.counts == {
        "rows": 13, "without_label": 3, "repeated": 3, "between_limits": 3, "positive": 2, "negative": 2,
        "blocks": 3, "blocks_with_losses": 2,
    }  # fmt: skip
    wider = read_labels(path, LabelOptions(pip="pip", positive=0.4, negative=0.02))
    assert wider.table["pos"].tolist() == [1, 2, 3, 4, 6, 7, 8]
    assert wider.table["positive"].tolist() == [True, True, False, False, False, True, True]


def test_blocks_that_lack_variants_are_counted(tmp_path: Path) -> None:
    """Names of blocks are of a chromosome; a row outside of all blocks takes a variant from one as well."""
    text = """
    chrom pos ref alt pip  block
    1     1   A   C   0.95 a
    1     1   A   C   0.2  b
    1     1   A   C   0.1  b
    1     2   A   C   0    c
    2     2   A   C   0.99 .
    2     2   A   C   0.1  a
    2     3   A   C   0.5  c
    2     3   A   C   0.4  c
    2     3   A   C   0.4  .
    """
    counts = read_labels(write(tmp_path / "l.tsv", text), LabelOptions(pip="pip")).counts
    assert (counts["blocks"], counts["blocks_with_losses"]) == (5, 2)


@pytest.mark.parametrize("header", ["chrom pos ref alt label", "#CHROM POS REF ALT label"])
def test_chromosomes_can_be_the_blocks(tmp_path: Path, header: str) -> None:
    rows = "chr1 1 A C 1\n1 2 A C 0\n2 3 A C 0\n"
    labels = read_labels(write(tmp_path / "l.tsv", f"{header}\n{rows}"), LabelOptions(block="chrom"))
    assert labels.table["block"].tolist() == ["1", "1", "2"]


def test_names_of_chromosomes(tmp_path: Path) -> None:
    rows = "".join(f"{name}\t{pos}\tA\tC\t{pos % 2}\n" for pos, name in enumerate(NAMES, start=1))
    labels = read_labels(write(tmp_path / "l.tsv", "chrom\tpos\tref\talt\tlabel\n" + rows), LabelOptions())
    assert labels.table["chrom"].tolist() == [NAMES[name] for name in NAMES]
    for name in ("25", "chr26"):
        path = write(tmp_path / "m.tsv", f"chrom pos ref alt label\n1 1 A C 1\n{name} 2 A C 0")
        with pytest.raises(InputError, match=rf"line 3 of .*m\.tsv: chrom is '{name}'; expected X, Y or MT"):
            read_labels(path, LabelOptions())
    path = write(tmp_path / "b.tsv", "chrom pos ref alt label\nNC_000001.10 1 A C 1\nNC_000002.12 2 A C 0")
    with pytest.raises(InputError, match=r"b\.tsv has the contigs NC_000001\.10.* and NC_000002\.12"):
        read_labels(path, LabelOptions())


NAMES = {
    "23": "X",
    "chrX": "X",
    "24": "Y",
    "MT": "M",
    "chrM": "M",
    "01": "1",
    "CHR1": "1",
    "NC_000001.10": "1",
}


CHAIN = """\
chain 1000 chr1 100 + 10 30 chr2 200 - 50 70 1
20

chain 900 chr1 100 + 40 60 chr1 300 + 100 120 2
20

chain 800 chr1 100 + 50 60 chr3 300 + 0 10 3
10

"""
"""1-based: chr1 11-30 are chr2 150-131, reversed, 41-50 are chr1 101-110, 51-60 have two places."""


def test_labels_of_another_build(tmp_path: Path) -> None:
    pytest.importorskip("liftover")
    chain = tmp_path / "a.chain"
    chain.write_text(CHAIN)
    text = "chrom pos ref alt label\n1 11 A G 1\n1 41 C T 0\n1 45 AC A 0\n1 55 A C 1\n1 90 A C 1\n1 12 AC A 0"
    path = write(tmp_path / "l.tsv", text)
    labels = read_labels(path, LabelOptions(lift_over=chain))
    assert list(labels.table.index) == ["2:150:T:C", "1:101:C:T", "1:105:AC:A"]
    assert labels.table["positive"].tolist() == [True, False, False]
    assert {name: labels.counts[name] for name in ("rows", "lost", "ambiguous", "positive", "negative")} == {
        "rows": 6, "lost": 2, "ambiguous": 1, "positive": 1, "negative": 2,
    }  # fmt: skip
    path.write_text(text.replace(" ", "\t").replace("1\t11\t", "1\t95\t"))
    with pytest.raises(
        InputError, match=r"0 positive .* after the lift-over, which lost 3 rows and .* for 1;"
    ):
        read_labels(path, LabelOptions(lift_over=chain))


def test_a_pip_a_little_above_1_is_1(tmp_path: Path) -> None:
    """As of sums in single precision, and of rounded values."""
    text = "chrom pos ref alt pip\n1 1 A C 1.0008\n1 2 A C 0\n1 3 A C 1"
    path = write(tmp_path / "l.tsv", text)
    assert read_labels(path, LabelOptions(pip="pip")).table["positive"].tolist() == [True, False, True]
    with pytest.raises(InputError, match="0 positive and 1 negative"):
        read_labels(path, LabelOptions(pip="pip", positive=1))


@pytest.mark.parametrize("pip", ["1.5", "1.002", "-0.5", "-2", "high"])
def test_a_pip_that_is_none_is_refused(tmp_path: Path, pip: str) -> None:
    path = write(tmp_path / "l.tsv", f"chrom pos ref alt pip\n1 1 A C 0.99\n1 2 A C {pip}")
    with pytest.raises(InputError, match=rf"line 3 of .*l\.tsv: pip is '{pip}'; expected a"):
        read_labels(path, LabelOptions(pip="pip"))


def test_a_label_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "l.tsv", "chrom pos ref alt label\n1 1 A C 1\n1 2 A C maybe")
    with pytest.raises(InputError, match=r"line 3 of .*l\.tsv: label is 'maybe'; expected true"):
        read_labels(path, LabelOptions())


def test_labels_that_differ_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "l.tsv", "chrom pos ref alt label\n1 1 A C 1\n1 2 A C 0\nchr1 1 a c 0")
    with pytest.raises(InputError, match=r"labels 1:1:A:C both as positive and as negative \(rows 2, 4;"):
        read_labels(path, LabelOptions())


def test_labels_that_agree_count_once(tmp_path: Path) -> None:
    text = "chrom pos ref alt label block\n1 1 A C 1 x\n1 2 A C 0 x\nchr1 1 A C true y\n1 1 A G 0 x"
    found = read_labels(write(tmp_path / "l.tsv", text), LabelOptions())
    assert found.table["block"].tolist() == ["x", "x", "x"]
    assert found.counts["repeated"] == 1
    assert found.counts["positive"] == 1


@pytest.mark.parametrize("label", ["1", "0"])
def test_one_class_alone_is_refused(tmp_path: Path, label: str) -> None:
    path = write(tmp_path / "l.tsv", f"chrom pos ref alt label\n1 1 A C {label}\n1 2 A C {label}")
    with pytest.raises(
        InputError, match=r"positive and \d negative variants in 'label'; expected some of each"
    ):
        read_labels(path, LabelOptions())
    path = write(tmp_path / "l.tsv", "chrom pos ref alt pip\n1 1 A C 0.99\n1 2 A C 0.5")
    with pytest.raises(InputError, match=r"1 positive and 0 negative variants of the PIPs .* above 0\.9 and"):
        read_labels(path, LabelOptions(pip="pip"))


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path / "l.tsv", "chrom pos ref alt truth\n1 1 A C 1")
    with pytest.raises(OptionError, match=r"none of the columns label, causal; it has chrom, .* truth: name"):
        read_labels(path, LabelOptions())
    for options in (LabelOptions(label="no"), LabelOptions("truth", group="no"), LabelOptions(pip="no")):
        with pytest.raises(OptionError, match="has no column 'no'; it has chrom"):
            read_labels(path, options)


def test_options_that_exclude_each_other() -> None:
    with pytest.raises(OptionError, match="two ways to define the labels"):
        LabelOptions(label="a", pip="b")
    with pytest.raises(OptionError, match="name their column with --pip"):
        LabelOptions(positive=0.8)
    with pytest.raises(OptionError, match=r"--negative 0\.5 is above --positive 0\.4"):
        LabelOptions(pip="b", positive=0.4, negative=0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrom pos ref alt\n1 0 A C", r"line 2 of .*t\.tsv: pos is '0'; expected a whole number from 1"),
        ("chrom pos ref alt\n1 1 A C\n1 1.5 A C", r"line 3 of .* pos is '1\.5'"),
        ("chrom pos ref alt\n1 1 A C\n1 inf A C", r"line 3 of .* pos is 'inf'; expected .* to 2147483647"),
        ("chrom pos ref alt\n1 2147483648 A C", r"line 2 of .* pos is '2147483648'"),
        ("chrom pos ref alt\n1 1e300 A C", r"line 2 of .* pos is '1e300'"),
        ("chrom pos ref alt x x y y\n1 1 A C 0 1 0 1", r"more than one column x, y; expected each name once"),
        ("chrom pos POS ref alt\n1 1 2 A C", r"has the columns 'pos', 'POS', each of which could be 'pos'"),
        ("#CHROM chrom pos ref alt\n1 1 2 A C", r"has the columns '#CHROM', 'chrom'"),
        ("chrom pos ref alt\n1 x A C", r"line 2 of .* pos is 'x'"),
        ("chrom pos ref alt\n1 . A C", r"line 2 of .* pos is '\.'; expected a variant"),
        ("chrom pos ref alt\n1 1 A C\n1 2 A null", r"line 3 of .* alt is 'null'; expected a variant"),
        ("chrom pos ref alt\n1 1 A C\n1 2 NA C", r"line 3 of .* ref is 'NA'; expected a variant"),
        ("chrom pos ref alt\n1 1 A C\n_EMPTY_ 2 A C", r"line 3 of .* chrom is ''; expected a variant"),
        (
            "chrom pos ref\n1 1 A",
            r"t\.tsv has no column 'alt'; expected .* it has chrom, pos",
        ),
        ("chrom pos ref alt\n1 1 A C\n1 1 A C 5", r"line 3 of .*t\.tsv has 5 fields; expected 4"),
        ("chrom pos ref alt\n1 1 A C 5\n1 1 A C 5", r"line 2 of .*t\.tsv has 5 fields; expected 4"),
        ("chrom pos ref alt x\n1 1 A C 5\n1 1 A C", r"line 3 of .*t\.tsv has 4 fields; expected 5"),
    ],
)
def test_tables_that_are_damaged(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "t.tsv", text)
    with pytest.raises(InputError, match=message):
        read(path)


def test_no_column_that_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", "a b\n1 2")
    with pytest.raises(InputError, match=r"has no column 'chrom'; .* it has a, b"):
        read(path, "x")


def test_the_largest_position(tmp_path: Path) -> None:
    ((variants, _),) = read(write(tmp_path / "t.tsv", "chrom pos ref alt\n1 2147483647 A C"))
    assert variants["pos"].tolist() == [2147483647]


def test_two_columns_of_one_name_in_parquet(tmp_path: Path) -> None:
    names = ["chrom", "pos", "ref", "alt", "x", "x"]
    columns = [pa.array([one]) for one in ("1", 1, "A", "C", 0.5, 0.7)]
    pq.write_table(pa.Table.from_arrays(columns, names=names), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet has more than one column x; expected each name once"):
        read(tmp_path / "t.parquet", "x")


def test_quotes_mean_nothing_between_tabs(tmp_path: Path) -> None:
    """Two fields that begin with one would swallow the lines between them."""
    lines = [
        f'1\t{number}\tA\tC\t"{number}' if number in (3, 8) else f"1\t{number}\tA\tC\tx"
        for number in range(1, 13)
    ]
    (tmp_path / "t.tsv").write_text("chrom\tpos\tref\talt\tname\n" + "\n".join(lines) + "\n")
    ((variants, batch),) = read(tmp_path / "t.tsv", "name")
    assert variants["pos"].tolist() == list(range(1, 13))
    assert batch.text("name").to_pylist()[2] == '"3'
    (tmp_path / "t.csv").write_text('chrom,pos,ref,alt,name\n"1",2,A,C,"a, b"\n')
    ((_, batch),) = read(tmp_path / "t.csv", "name")
    assert batch.text("name").to_pylist() == ["a, b"]


def test_indels_may_be_written_with_a_dash(tmp_path: Path) -> None:
    ((variants, _),) = read(write(tmp_path / "t.tsv", "chrom pos ref alt\n1 2 a -\n1 3 - c"))
    assert variants[["ref", "alt"]].to_numpy().tolist() == [["A", "-"], ["-", "C"]]


@pytest.mark.parametrize("separator", ["\t", ","])
def test_blank_lines_are_counted_and_left_out(tmp_path: Path, separator: str) -> None:
    path = tmp_path / ("t.tsv" if separator == "\t" else "t.csv")
    text = "chrom pos ref alt label\n\n1 1 A C 1\n1 2 A C 0\n\n~\n1 3 A C 1\n1 x A C 0\n\n"
    path.write_text(text.replace(" ", separator).replace("~", "  "))
    for columns in (("label",), ()):
        with pytest.raises(InputError, match=r"line 8 of .* pos is 'x'"):
            read(path, *columns)
    path.write_text(path.read_text().replace("x", "4"))
    ((variants, batch),) = read(path, "label")
    assert variants.index.tolist() == batch.lines.tolist() == [3, 4, 7, 8]
    assert variants["pos"].tolist() == [1, 2, 3, 4]
    assert read_labels(path, LabelOptions()).counts["rows"] == 4


def test_rows_without_anything_that_is_read_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("chrom,pos,ref,alt,label,note\n1,1,A,C,1,\n,,,,,end\n1,2,A,C,0,\n")
    assert read_labels(path, LabelOptions()).counts["rows"] == 2
    with pytest.raises(InputError, match=r"line 3 of .* chrom is ''"):
        read(path, "note")


def test_files_that_are_not_tables(tmp_path: Path) -> None:
    for name, content in (
        ("nothing.tsv", None),
        ("a.tsv", b""),
        ("b.tsv.gz", b"text"),
        ("c.parquet", b"text"),
        ("d.tsv", b"\xff\xfe"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}"):
            read(tmp_path / name)
    whole = gzip.compress(b"chrom\tpos\tref\talt\n" + b"1\t1\tA\tC\n" * 5000)
    (tmp_path / "cut.tsv.gz").write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"cannot read .*cut\.tsv\.gz"):
        read(tmp_path / "cut.tsv.gz")


@pytest.mark.parametrize("name", ["t.tsv", "t.parquet"])
@pytest.mark.parametrize("block_bytes", [1, 100, None])
def test_parts_are_the_whole(tmp_path: Path, name: str, block_bytes: int | None) -> None:
    table = pd.DataFrame({"chrom": "1", "pos": range(1, 8), "ref": "A", "alt": "C", "x": np.arange(7) / 2})
    if name.endswith(".tsv"):
        table.to_csv(tmp_path / name, sep="\t", index=False)
    else:
        table.to_parquet(tmp_path / name)
    parts = read(tmp_path / name, "x", block_bytes=block_bytes)
    whole = pd.concat([variants for variants, _ in parts])
    assert whole["pos"].tolist() == table["pos"].tolist()
    assert np.concatenate([batch.numbers("x") for _, batch in parts]).tolist() == table["x"].tolist()
    first = 2 if name.endswith(".tsv") else 1
    assert whole.index.tolist() == list(range(first, first + 7))
    assert (len(parts) > 1) == (block_bytes is not None)


def test_an_empty_table_has_columns(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", "chrom pos ref alt label")
    pd.DataFrame({"chrom": ["1"], "pos": [1], "ref": ["A"], "alt": ["C"]})[:0].to_parquet(
        tmp_path / "t.parquet"
    )
    for name in ("t.tsv", "t.parquet"):
        ((variants, batch),) = read(tmp_path / name)
        assert variants.empty
        assert len(batch) == 0
        assert list(variants.columns) == ["chrom", "pos", "ref", "alt"]
    with pytest.raises(InputError, match="0 positive and 0 negative"):
        read_labels(tmp_path / "t.tsv", LabelOptions())
