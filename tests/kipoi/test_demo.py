"""``mifm demo``: the order of the table, the figure, and results of other inputs."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from mifm_kipoi import score_variants
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.kipoi import demo
from mifm_kipoi.kipoi.demo import DemoError
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.scoring.scores import PERCENTILES, SCORES
from tests.builders import write_fasta, write_vcf


def scored() -> pd.DataFrame:
    columns = ["chrom", "pos", "id", "ref", "alt", *SCORES, *PERCENTILES, "status"]
    rows = [
        ("1", 5, "a", "A", "C", 0.2, 0.3, 0.1, 40, 2.2, "ok"),
        ("1", 6, "b", "A", "<DEL>", *[float("nan")] * 5, "symbolic_alt"),
        ("1", 7, "c", "A", "C", 0.4, 0.3, -0.1, 99.123, 20.57, "ok"),
        ("1", 8, "d", "A" * 13, "C", 0.2, 0.0, -0.2, 40, 2.2, "ok"),
    ]
    return pd.DataFrame(rows, columns=columns)


def test_rank_leaves_ties_in_the_order_of_the_file() -> None:
    assert demo.rank(scored())["id"].tolist() == ["c", "a", "d", "b"]


def test_table_cuts_long_alleles_and_leaves_extensions_out() -> None:
    lines = demo.table(demo.rank(scored())).splitlines()
    assert lines[1].split() == ["1", "1", "7", "c", "A", "C", "0.400", "99.12", "20.6", "ok"]
    assert lines[3].split() == ["3", "1", "8", "d", "A" * 11 + "…", "C", "0.200", "40.00", "2.2", "ok"]
    assert lines[4].split()[-4:] == ["-", "-", "-", "symbolic_alt"]


@pytest.mark.parametrize(
    ("chrom", "pos", "expected"),
    [
        (["1", "1", "1"], [900, 500, 700], ("1", 500, 900)),
        (["1", "1", "1"], [900_000, 500, 910_000], ("1", 870_000, 910_000)),
        (["2", "1", "2"], [900_000, 500, 900_700], ("2", 900_000, 900_700)),
    ],
    ids=["close", "far apart", "two contigs"],
)
def test_the_locus_that_is_shown(chrom: list[str], pos: list[int], expected: tuple[str, int, int]) -> None:
    table = pd.DataFrame({"chrom": chrom, "pos": pos, "mifm_ref": [0.5, 0.4, 0.3]})
    assert demo.shown_locus(table) == expected
    assert demo.shown_locus(table.assign(mifm_ref=float("nan"))) is None


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


def test_the_track_and_the_variants_have_the_same_scores(packaged_example: Path) -> None:
    """What Kipoi predicts at a variant, the scan has at its position."""
    weights = load_weights()
    files = packaged_example / "variants.vcf", packaged_example / "genome.fa.gz"
    ranked = demo.rank(score_variants(*files))
    figure = demo.draw(ranked, Genome(files[1]), weights, " of GRCh37")
    *_, track = figure.axes
    (named,) = (part for part in track.collections if len(part.get_offsets()) == demo.MARKED)
    pos = np.rint(np.asarray(named.get_offsets())[:, 0] * 1e6).astype(int)
    scores = ranked.drop_duplicates("pos").set_index("pos")["mifm_ref"]
    assert set(pos) == set(scores.index[: demo.MARKED])
    np.testing.assert_allclose(np.asarray(named.get_offsets())[:, 1], scores[pos], atol=1e-5)
    assert [text.get_text() for text in track.texts if "%" in text.get_text()] == [
        "50 %", "90 %", "99 %", "99.9 %",
    ]  # fmt: skip
    (text,) = (text.get_text() for text in figure.texts)
    assert text.startswith(
        "20:1,890,088-1,949,940 of GRCh37: 440 alternative alleles. Of its 59,853 positions, "
    )
    assert "not a probability of causality" in text


def test_weights_without_a_background(tmp_path: Path) -> None:
    weights = dataclasses.replace(load_weights(), background=None)
    genome = Genome(write_fasta(tmp_path / "x.fa", {"chr1": "ACGT" * 200}))
    ranked = demo.rank(scored().assign(mifm_percentile=float("nan"), pos=[400, 401, 402, 403]))
    figure = demo.draw(ranked, genome, weights)
    _, panel, track = figure.axes
    assert not [text for axes in (panel, track) for text in axes.texts if "%" in text.get_text()]
    assert "percentile" not in figure.axes[0].texts[1].get_text()
    nothing = demo.draw(ranked[ranked["mifm_ref"].isna()], genome, weights)
    assert [text.get_text() for text in nothing.texts] == ["No variant has a score."]


def test_results_of_other_inputs_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "predict", lambda vcf, fasta: scored())
    monkeypatch.setattr(demo, "draw", lambda *_: Figure())
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
