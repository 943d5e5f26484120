"""``mifm demo``: the order of the table, the plot, and results of other inputs."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib.figure
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.kipoi import demo
from mifm_kipoi.kipoi.demo import DemoError
from tests.builders import write_fasta, write_vcf


def scored() -> pd.DataFrame:
    columns = ["chrom", "pos", "id", "ref", "alt", "mifm_ref", "mifm_alt", "mifm_delta", "status"]
    rows = [
        ("1", 5, "a", "A", "C", 0.2, 0.3, 0.1, "ok"),
        ("1", 6, "b", "A", "<DEL>", float("nan"), float("nan"), float("nan"), "symbolic_alt"),
        ("1", 7, "c", "A", "C", 0.4, 0.3, -0.1, "ok"),
        ("1", 8, "d", "A" * 13, "C", 0.2, 0.0, -0.2, "ok"),
    ]
    return pd.DataFrame(rows, columns=columns)


def test_rank_breaks_ties_by_the_size_of_delta() -> None:
    assert demo.rank(scored())["id"].tolist() == ["c", "d", "a", "b"]


def test_table_cuts_long_alleles() -> None:
    lines = demo.table(demo.rank(scored())).splitlines()
    assert lines[2].split() == ["2", "1", "8", "d", "A" * 11 + "…", "C", "0.200", "0.000", "-0.200", "ok"]
    assert lines[4].split()[-4:] == ["-", "-", "-", "symbolic_alt"]


def test_text_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IDs that look like numbers, missing values or truth, and one that is not UTF-8."""
    fasta = write_fasta(tmp_path / "x.fa", {"1": "A" * 2000})
    ids = [b"007", b"1e5", b"NA", b"true", b".", b"h\xf6", b"x\ry", b"u,v;w"]
    lines = [b"1\t%d\t%s\tA\tC\t.\t.\t.\n" % (1000 + row, name) for row, name in enumerate(ids)]
    lines.append(b"1\t1100\tsymbol\tA\t<h\xf6>\t.\t.\t.\n")
    ids.append(b"symbol")
    vcf = write_vcf(tmp_path / "x.vcf", [])
    vcf.write_bytes(vcf.read_bytes() + b"".join(lines))
    said = "\n".join(demo.run(str(vcf), str(fasta), tmp_path / "out", 9))
    assert "h\ufffd" in said
    written = (tmp_path / "out" / "ranked.tsv").read_bytes().split(b"\n")[1:-1]
    assert sorted(line.split(b"\t")[2] for line in written) == sorted(ids)
    assert {line.split(b"\t")[0] for line in written} == {b"1"}


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.vcf")
    with pytest.raises(InputError, match=r"pipe\.vcf is a pipe and must be read twice; save it to a file"):
        demo.run(str(tmp_path / "pipe.vcf"), "x.fa", tmp_path / "out", 3)


def test_the_axis_names_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[matplotlib.figure.Figure] = []
    monkeypatch.setattr(demo, "png", lambda figure: drawn.append(figure) or b"")
    demo.plot(scored(), tmp_path / "x.png")
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == "MIFM score, from 0 to 1 (not a probability of causality)"
    assert len(axes.get_yticks()) == 3


def test_results_of_other_inputs_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "predict", lambda vcf, fasta: scored())
    fasta = write_fasta(tmp_path / "x.fa", {"1": "ACGT" * 10})
    vcf = write_vcf(tmp_path / "x.vcf", [("1", 5, "A", "C")])
    out = tmp_path / "out"
    demo.run(None, None, out, 3)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(before) == {"ranked.tsv", "ranked.png", "inputs.json"}
    with pytest.raises(DemoError, match=r"out has .*variants was variants.vcf and is x.vcf.*-o/--output"):
        demo.run(str(vcf), str(fasta), out, 3)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    demo.run(None, None, out, 2)

    other = tmp_path / "other"
    demo.run(str(vcf), str(fasta), other, 3)
    vcf.write_text(vcf.read_text().replace("\tv1\t", "\tv2\t"))
    with pytest.raises(DemoError, match=r"variants \(x.vcf\) has other content"):
        demo.run(str(vcf), str(fasta), other, 3)
    (other / "inputs.json").unlink()
    with pytest.raises(DemoError, match="input files are not known"):
        demo.run(str(vcf), str(fasta), other, 3)
