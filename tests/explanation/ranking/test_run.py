"""``mifm rank`` from files to files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.explanation.ranking.ranked import COLUMNS, LOCUS_COLUMNS
from mifm_kipoi.explanation.ranking.run import RankRun
from mifm_kipoi.explanation.ranking.tracks import Tracks
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.training_sets import KEY, TrainingSet
from mifm_kipoi.network.weights import load_weights, save_weights
from mifm_kipoi.scoring.scorer import score_variants
from tests.builders import write_vcf
from tests.explanation.ranking.builders import genome, other

POSITIONS = (600, 640, 700, 1500, 2300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome, its variants as VCF, and as a table of fine-mapping."""
    path = tmp_path_factory.mktemp("rank")
    _, contigs = genome(path / "genome.fa")
    bases = contigs["1"]
    records = [("1", pos, bases[pos - 1], other(bases[pos - 1])) for pos in POSITIONS]
    write_vcf(path / "variants.vcf", records)
    rows = [
        f"{chrom}\t{pos}\t{ref}\t{alt}\t{pip}\t{p}\tT\t{block}"
        for (chrom, pos, ref, alt), pip, p, block in zip(
            records, (0.1, 0.7, 0.2, 0.6, 0.4), (1e-8, 1e-9, 1e-7, 1e-5, 1e-4), (1, 1, 1, 2, 2), strict=True
        )
    ]
    header = "chrom\tpos\tref\talt\tpip\tp_value\ttrait\tblock"
    (path / "fm.tsv").write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_table_of_fine_mapping(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["rank", str(folder / "fm.tsv"), str(folder / "genome.fa"), "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "5 variants in 2 loci, 5 with a MIFM score" in printed
    names = ("ranked.tsv", "loci.tsv", "report.md", "report.html", "rank.json")
    written = ", ".join(str(out / name) for name in names)
    assert printed.splitlines()[-1] == f"written: {written}, and 2 figures in {out / 'figures'}"
    table = pd.read_csv(out / "ranked.tsv", sep="\t", dtype={"chrom": str})
    assert list(table.columns) == list(COLUMNS)
    assert table["locus"].tolist() == [1, 1, 1, 2, 2]
    assert table["rank"].tolist() == [1, 2, 3, 1, 2]
    assert table.groupby("locus")["mifm_ref"].apply(lambda scores: scores.is_monotonic_decreasing).all()
    assert table["locus_name"].iloc[0] == "T, block 1, 1:600-700"
    scores = score_variants(folder / "variants.vcf", folder / "genome.fa").set_index("pos")
    expected = scores.loc[table["pos"], "mifm_ref"]
    np.testing.assert_allclose(table["mifm_ref"], expected, rtol=1e-6)
    loci = pd.read_csv(out / "loci.tsv", sep="\t")
    assert list(loci.columns) == list(LOCUS_COLUMNS)
    assert loci["top_pip_pip"].tolist() == [0.7, 0.6]
    page, text = (out / "report.html").read_text(), (out / "report.md").read_text()
    for words in ("not a probability of causality", "T, block 2, 1:1,500-2,300", "data:image/png;base64"):
        assert words in page
    # Where there are no effects, there are no posteriors, and no words about them.
    assert "ABF" not in text
    assert sorted(path.name for path in (out / "figures").iterdir()) == ["locus_0001.png", "locus_0002.png"]
    manifest = json.loads((out / "rank.json").read_text())
    assert manifest["loci"]["number"] == 2
    assert manifest["inputs"][0]["name"] == "fm.tsv"
    assert manifest["weights"]["tensors_sha256"] == load_weights().sha256
    figures = {f"figures/locus_000{number}.png" for number in (1, 2)}
    assert set(manifest["files"]) == {"ranked.tsv", "loci.tsv", "report.md", "report.html", *figures}


def _first_table(report: Path) -> list[list[str]]:
    """The rows of the first table of a report in Markdown."""
    section = report.read_text().split("\n## ")[2]
    assert section.startswith("Top variants")
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_top_variants_of_all_loci_come_first(folder: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(folder / "fm.tsv", sep="\t").assign(beta=[0.1, 0.2, 0.1, 0.1, 0.1], se=0.02)
    rows.to_csv(tmp_path / "gwas.tsv", sep="\t", index=False)
    plain = RankRun(tmp_path / "gwas.tsv", tmp_path / "a", folder / "genome.fa", tracks=False).run()
    by_score = plain.ranked.table.sort_values("mifm_ref", ascending=False)
    shown = _first_table(tmp_path / "a" / "report.md")
    assert [row[3] for row in shown] == [f"{score:.3f}" for score in by_score["mifm_ref"]]
    assert [row[1] for row in shown] == [f"{locus:.0f}" for locus in by_score["locus"]]
    # Where the score changes the posterior, that decides.
    given = RankRun(tmp_path / "gwas.tsv", tmp_path / "b", folder / "genome.fa", slope=3.0, tracks=False)
    by_posterior = given.run().ranked.table.sort_values("abf_pip_with_score", ascending=False)
    shown = _first_table(tmp_path / "b" / "report.md")
    assert [row[3] for row in shown] == [f"{score:.3f}" for score in by_posterior["mifm_ref"]]


def test_a_variant_of_several_loci_stands_once_among_the_top_variants(folder: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(folder / "fm.tsv", sep="\t")
    again = rows.iloc[:3].assign(trait="U", pip=[0.9, 0.05, 0.05])
    pd.concat([rows, again]).to_csv(tmp_path / "two.tsv", sep="\t", index=False)
    ranked = RankRun(tmp_path / "two.tsv", tmp_path / "out", folder / "genome.fa", tracks=False).run().ranked
    assert len(ranked.table) == 8
    by_pip = ranked.table.sort_values("pip", ascending=False).drop_duplicates("pos")
    expected = by_pip.sort_values("mifm_ref", ascending=False)
    shown = _first_table(tmp_path / "out" / "report.md")
    assert [row[4] for row in shown] == [f"{score:.3f}" for score in expected["mifm_ref"]]
    assert [row[1] for row in shown] == [f"{locus:.0f}" for locus in expected["locus"]]
    assert [row[2] for row in shown] == ["2" if pos < 1000 else "1" for pos in expected["pos"]]
    text = " ".join((tmp_path / "out" / "report.md").read_text().split())
    assert "The 5 variants of all loci that have the highest MIFM score. Each stands here once" in text


@pytest.mark.parametrize(
    ("trained_on", "caution"),
    [
        (None, "mine.safetensors were trained on the chromosomes of 2 of 2 loci. If they were"),
        (TrainingSet(train=("1",), studies=("other",)), "of 2 of 2 loci, by other tables"),
        (TrainingSet(train=("1",), studies=("fm",)), "trained on this very table, on the chromosomes of 2"),
        (TrainingSet(train=("2",), validation=("1",)), "chose which epoch"),
        (TrainingSet(train=("2",), studies=("fm",)), ""),
    ],
)
def test_weights_that_were_trained_on_the_table(
    folder: Path, tmp_path: Path, trained_on: TrainingSet | None, caution: str
) -> None:
    provenance = {} if trained_on is None else {KEY: [trained_on.to_dict()]}
    save_weights(tmp_path / "mine.safetensors", load_weights().model(), provenance)
    out = tmp_path / "out"
    RankRun(
        folder / "fm.tsv", out, folder / "genome.fa", weights=str(tmp_path / "mine.safetensors"), tracks=False
    ).run()
    summary = " ".join((out / "report.md").read_text().split("\n## ")[1].split())
    assert ("**Caution:**" in summary, caution in summary) == (bool(caution), True)
    (scored_by,) = json.loads((out / "rank.json").read_text())["leakage"]["weights"]
    assert scored_by["name"].endswith("mine.safetensors")


def test_figures_of_an_earlier_run_go_and_other_files_stay(folder: Path, tmp_path: Path) -> None:
    RankRun(folder / "fm.tsv", tmp_path, folder / "genome.fa").run()
    (tmp_path / "figures" / "locus_0009.png").write_bytes(b"mine")
    RankRun(folder / "variants.vcf", tmp_path, folder / "genome.fa", tracks=False).run()
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "locus_0001.png",
        "locus_0009.png",
    ]


def test_scores_of_the_input_need_no_genome_and_without_scores_one_is_needed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = tmp_path / "scored.tsv"
    assert main(["score", str(folder / "variants.vcf"), str(folder / "genome.fa"), "-o", str(scored)]) == 0
    assert main(["rank", str(scored), "-o", str(tmp_path / "a")]) == 0
    assert (
        main(["rank", str(folder / "variants.vcf"), str(folder / "genome.fa"), "-o", str(tmp_path / "b")])
        == 0
    )
    read, computed = (
        pd.read_csv(tmp_path / name / "ranked.tsv", sep="\t").drop(columns="mifm_logit_ref") for name in "ab"
    )
    pd.testing.assert_frame_equal(read, computed, rtol=1e-5)
    assert "of the input, by the weights embedded" in (tmp_path / "a" / "report.md").read_text()
    capsys.readouterr()
    assert main(["rank", str(folder / "variants.vcf"), "-o", str(tmp_path / "c")]) == 1
    assert re.search(r"^mifm: .*no FASTA is given", capsys.readouterr().err)
    assert not (tmp_path / "c").exists()


def test_scores_of_other_weights_have_no_track_beside_them(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.tsv"
    own.write_text("chrom\tpos\tref\talt\tmifm_ref\n1\t600\tA\tG\t0.001\n1\t700\tA\tG\t0.999\n")
    result = RankRun(own, tmp_path / "out", folder / "genome.fa").run()
    text = (tmp_path / "out" / "report.md").read_text()
    assert "are not those of the weights embedded on this FASTA (1:600 has 0.0010" in text
    assert "score of every position, with rings" not in text
    assert result.ranked.table["mifm_ref"].tolist() == [0.999, 0.001]


def test_a_track_has_the_scores_of_the_variants(folder: Path) -> None:
    scores = score_variants(folder / "variants.vcf", folder / "genome.fa")
    tracks = Tracks(Genome(folder / "genome.fa"), load_weights())
    assert tracks.scan([("chr1", 500, 1600), ("1", 1400, 2400), ("9", 1, 5), ("1", 1, 9_000_000)]) == 1901
    track = tracks.of(("1", 550, 2350))
    assert track is not None
    np.testing.assert_allclose(track.at(scores["pos"].to_numpy()), scores["mifm_ref"], atol=2e-6)
    assert tracks.of(("9", 1, 5)) is None
    assert tracks.of(("1", 1, 9_000_000)) is None


def test_effects_give_posteriors_and_few_loci_are_said_to_be_few(folder: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(folder / "fm.tsv", sep="\t").assign(beta=[0.1, 0.2, 0.1, 0.1, 0.1], se=0.02)
    rows.to_csv(tmp_path / "gwas.tsv", sep="\t", index=False)
    result = RankRun(tmp_path / "gwas.tsv", tmp_path / "out", folder / "genome.fa", tracks=False).run()
    table = result.ranked.table
    np.testing.assert_allclose(table.groupby("locus")["abf_pip"].sum(), 1)
    np.testing.assert_array_equal(table["abf_pip"], table["abf_pip_with_score"])
    text = (tmp_path / "out" / "report.md").read_text()
    assert "cannot be estimated from these data" in text
    assert "there are 2 separate regions with" in " ".join(text.split())
    given = RankRun(
        tmp_path / "gwas.tsv", tmp_path / "b", folder / "genome.fa", slope=3.0, tracks=False
    ).run()
    assert (given.ranked.table["abf_pip"] != given.ranked.table["abf_pip_with_score"]).any()
    assert "has the slope that was given, 3;" in (tmp_path / "b" / "report.md").read_text()


def test_a_run_without_any_score_says_why(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_vcf(tmp_path / "v.vcf", [("7", 5, "A", "G")])
    assert (
        main(["rank", str(tmp_path / "v.vcf"), str(folder / "genome.fa"), "-o", str(tmp_path / "out")]) == 1
    )
    assert "no variant has a MIFM score (1 contig_not_in_fasta)" in capsys.readouterr().err
    assert (tmp_path / "out" / "ranked.tsv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--slope", "-1"], "slope is -1.0; expected 0 or more"),
        (["--by", "block", "--gap", "5"], "leave out --by or the other"),
        (["--columns", "pip"], "expected FIELD=COLUMN"),
    ],
)
def test_impossible_options(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    arguments = [
        "rank",
        str(folder / "fm.tsv"),
        str(folder / "genome.fa"),
        "-o",
        str(tmp_path / "out"),
        *options,
    ]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_input_is_not_written_over(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "ranked.tsv"
    own.write_bytes((folder / "fm.tsv").read_bytes())
    assert main(["rank", str(own), str(folder / "genome.fa"), "-o", str(tmp_path)]) == 2
    assert "would replace the input" in capsys.readouterr().err
    assert own.read_bytes() == (folder / "fm.tsv").read_bytes()
