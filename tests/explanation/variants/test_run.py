"""``mifm explain`` from files to files."""

from __future__ import annotations

import html.parser
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, MissingPackageError, OptionError
from mifm_kipoi.explanation.variants.run import ExplainResult, ExplainRun
from mifm_kipoi.scoring.scorer import score_variants
from tests.builders import write_fasta, write_vcf

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

BASES = "".join(np.random.default_rng(11).choice(list("ACGT"), 3000))


def other(pos: int) -> str:
    return "A" if BASES[pos - 1] != "A" else "C"


RECORDS = [
    ("1", 600, BASES[599], other(600)),
    ("1", 900, BASES[899:902], BASES[899]),
    ("1", 1200, BASES[1199], f"{BASES[1199]}GG"),
    ("1", 1500, BASES[1499], other(1500)),
    ("1", 20, "T" if BASES[19] != "T" else "G", "A"),
]
MOTIFS = (
    """MEME version 4

ALPHABET= ACGT

MOTIF EVERYWHERE
letter-probability matrix: alength= 4 w= 4
"""
    + "0.97 0.01 0.01 0.01\n0.01 0.97 0.01 0.01\n0.97 0.01 0.01 0.01\n0.01 0.01 0.97 0.01\n"
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("explain")
    (folder / "motifs.meme").write_text(MOTIFS)
    return {
        "variants": write_vcf(folder / "v.vcf", RECORDS),
        "fasta": write_fasta(folder / "g.fa", {"1": BASES}),
        "motifs": folder / "motifs.meme",
    }


def explained(inputs: dict[str, Path], folder: Path, **options: Any) -> ExplainResult:
    settings: dict[str, Any] = {"method": "ism", "span": 40, "threads": 1, "max_mismatch_fraction": 1.0}
    return ExplainRun(inputs["variants"], inputs["fasta"], folder, **{**settings, **options}).run()


@pytest.fixture(scope="module")
def result(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> ExplainResult:
    pytest.importorskip("memelite", reason="memelite is not installed")
    folder = tmp_path_factory.mktemp("out")
    return explained(inputs, folder, motifs=(inputs["motifs"],), threshold=0.1)


class Page(html.parser.HTMLParser):
    """Addresses and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.hrefs, self.sources, self.text = path, [], [], ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        values = dict(attributes)
        self.hrefs += [values["href"]] if "href" in values else []
        self.sources += [values["src"]] if "src" in values else []

    def handle_data(self, data: str) -> None:
        self.text += data


def test_scores_are_those_of_mifm_score(result: ExplainResult, inputs: dict[str, Path]) -> None:
    table = pd.read_csv(result.files[0].with_name("explained.tsv"), sep="\t", dtype={"chrom": "str"})
    scores = score_variants(inputs["variants"], inputs["fasta"]).set_index("pos").drop(20)
    assert sorted(table["pos"]) == [600, 900, 1200, 1500]
    assert table["mifm_ref"].is_monotonic_decreasing
    own = table.set_index("pos").loc[scores.index]
    for name in ("mifm_ref", "mifm_delta", "mifm_logit_alt", "mifm_percentile"):
        np.testing.assert_allclose(own[name], scores[name], atol=2e-4 if "percentile" in name else 1e-5)
    assert result.choice.without["status"].tolist() == ["ref_mismatch"]


def test_pages_lead_to_each_other_and_load_nothing(result: ExplainResult) -> None:
    index = Page(result.files[0])
    folder = index.path.parent
    table = pd.read_csv(folder / "explained.tsv", sep="\t")
    pages = table["page"].tolist()
    assert len(pages) == 4
    assert set(pages) <= set(index.hrefs)
    assert "ref_mismatch" in index.text
    for number, name in enumerate(pages):
        page = Page(folder / name)
        for href in page.hrefs:
            if not href.startswith("#"):
                assert (page.path.parent / href).resolve().is_file()
        neighbours = [f"{Path(pages[at]).name}" for at in (number - 1, number + 1) if 0 <= at < 4]
        assert {"../index.html", *neighbours} <= set(page.hrefs)
        assert f"{table['mifm_ref'][number]:.3f}" in page.text
        assert len(page.sources) == 2
        for source in (*page.sources, *index.sources):
            assert re.match(r"data:image/(svg\+xml|png);base64,", source)
    assert len(index.sources) == 4


def test_numbers_of_the_figures_are_in_a_table(result: ExplainResult) -> None:
    folder = result.files[0].parent
    table = pd.read_csv(folder / "positions.tsv", sep="\t", keep_default_na=False, dtype="str")
    assert len(table) == 4 * 40
    for each in result.explained:
        part = table[table["pos"] == str(each.reading.variant.pos)]
        assert "".join(part["ref_base"]) == each.reading.ref.bases
        positions = [int(pos) for pos in part["position"] if pos]
        assert "".join(part["ref_base"]).replace("-", "") == BASES[positions[0] - 1 : positions[-1]]
        contributions = pd.to_numeric(part["alt_contribution"]).to_numpy()
        np.testing.assert_allclose(contributions, each.reading.alt.contributions, rtol=1e-5)


def test_columns_outside_the_contig_have_no_position(inputs: dict[str, Path], tmp_path: Path) -> None:
    records = [("1", pos, BASES[pos - 1], other(pos)) for pos in (5, len(BASES) - 4)]
    ends = {**inputs, "variants": write_vcf(tmp_path / "ends.vcf", records)}
    result = explained(ends, tmp_path / "out", max_n_fraction=0.6, tracks=False)
    table = pd.read_csv(
        result.files[0].with_name("positions.tsv"), sep="\t", keep_default_na=False, dtype="str"
    )
    first, last = (table[table["pos"] == str(pos)] for _, pos, *_ in records)
    assert [pos for pos in first["position"] if pos] == [str(pos) for pos in range(1, len(first) - 14)]
    assert set(last["position"][last["ref_base"] == "N"]) == {""}
    assert [pos for pos in last["position"] if pos][-1] == str(len(BASES))


def test_motif_hits_are_in_a_table(result: ExplainResult) -> None:
    table = pd.read_csv(result.files[0].with_name("motif_hits.tsv"), sep="\t")
    assert len(table) == sum(len(each.hits or ()) for each in result.explained) > 0
    backwards = str.maketrans("ACGT", "TGCA")
    for row in table[(table["over_variant"] == 0) & (table["strand"] == "+")].itertuples():
        assert sum(a == b for a, b in zip(BASES[row.start : row.end], "ACAG", strict=True)) >= 3
    for row in table[(table["over_variant"] == 0) & (table["strand"] == "-")].itertuples():
        bases = BASES[row.start : row.end][::-1].translate(backwards)
        assert sum(a == b for a, b in zip(bases, "ACAG", strict=True)) >= 3


def test_files_are_the_same_again_and_those_of_an_earlier_run_go(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    first = explained(inputs, tmp_path / "out", most=2, tracks=False)
    contents = {path: path.read_bytes() for path in first.files}
    assert {
        path: path.read_bytes() for path in explained(inputs, tmp_path / "out", most=2, tracks=False).files
    } == contents
    (tmp_path / "out" / "variants" / "mine.html").write_text("mine")
    one = explained(inputs, tmp_path / "out", names=("v1",), tracks=False)
    assert len(one.explained) == 1
    left = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {path.relative_to(tmp_path / "out") for path in one.files} | {Path("variants/mine.html")}
    manifest = json.loads((tmp_path / "out" / "explain.json").read_text())
    assert manifest["options"]["names"] == ["v1"]
    assert manifest["weights"]["name"] == "embedded"
    assert set(manifest["files"]) | {"explain.json"} == {
        str(path.relative_to(tmp_path / "out")) for path in one.files
    }


def test_neighbours_have_what_a_study_says(inputs: dict[str, Path], tmp_path: Path) -> None:
    rows = [f"{chrom}\t{pos}\t{ref}\t{alt}\t{p}\t{pip}\n" for (chrom, pos, ref, alt), p, pip in zip(
        RECORDS[:4], (1e-9, 1e-3, 0.5, 1e-12), (0.2, 0.01, 0.0, 0.7), strict=True)]  # fmt: skip
    table = tmp_path / "study.tsv"
    table.write_text("chrom\tpos\tref\talt\tp_value\tpip\n" + "".join(rows))
    result = explained({**inputs, "variants": table}, tmp_path / "out", names=("1:600",), tracks=False)
    (page,) = (tmp_path / "out" / "variants").glob("*.html")
    text = Page(page).text
    assert "0.200" in text
    assert "1e\N{MINUS SIGN}12" in text
    assert len(result.explained) == 1
    # All four are its neighbours.
    assert {
        row["pos"] for row in pd.read_csv(tmp_path / "out" / "explained.tsv", sep="\t").to_dict("records")
    } == {600}
    assert all(f"{pos:,}" in text for pos in (600, 900, 1200, 1500))


def test_of_a_study_with_scores_the_fasta_says_which_allele_is_ref(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    scores = score_variants(inputs["variants"], inputs["fasta"]).set_index("pos")
    scores = scores[
        (scores["ref"].str.len() == 1) & (scores["alt"].str.len() == 1) & (scores["status"] == "ok")
    ]
    rows = [f"1\t{pos}\t{row.ref}\t{row.alt}\t0.1\t{row.mifm_ref}\n" for pos, row in scores.iterrows()]
    # An allele that the FASTA does not have there, with a score all the same.
    base = BASES[1099]
    neither = [other for other in "ACGT" if other != base]
    rows.append(f"1\t1100\t{neither[0]}\t{neither[1]}\t0.1\t0.01\n")
    table = tmp_path / "study.tsv"
    table.write_text("chrom\tpos\teffect_allele\tother_allele\tp_value\tmifm_ref\n" + "".join(rows))
    result = explained({**inputs, "variants": table}, tmp_path / "out", tracks=False)
    for each in result.explained:
        own = scores.loc[each.reading.variant.pos]
        assert (each.reading.variant.ref, each.reading.variant.alt) == (own["ref"], own["alt"])
    assert {each.reading.variant.pos for each in result.explained} == set(scores.index)
    assert len(scores) > 1
    assert result.choice.without["status"].tolist() == ["ref_mismatch"]


def test_deep_lift_adds_up(inputs: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("tangermeme", reason="tangermeme is not installed")
    result = explained(inputs, tmp_path / "out", method="deeplift", references=3, names=("v1",), tracks=False)
    (one,) = result.explained
    assert one.reading.ref.method == one.reading.alt.method == "deeplift"
    assert max(one.reading.ref.delta, one.reading.alt.delta) < 1e-4


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "guess"}, OptionError, "method is 'guess'"),
        ({"span": 15}, OptionError, "span is 15; expected 16 to 256"),
        ({"threshold": 0.0}, OptionError, "threshold is 0.0"),
        ({"most": 0}, OptionError, "most is 0"),
        ({"names": ("rs0",)}, OptionError, "no variant rs0"),
        ({"loci": (("2", 1, 9),)}, OptionError, "no variant in the locus 2:1-9"),
        ({"names": ("v5",)}, InputError, "1 ref_mismatch"),
        ({"motifs": (Path("nothing.meme"),)}, InputError, "nothing.meme"),
    ],
)
def test_what_is_impossible_is_said(
    inputs: dict[str, Path], tmp_path: Path, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        explained(inputs, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_scores_of_other_weights_are_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    table = score_variants(inputs["variants"], inputs["fasta"])
    table["mifm_ref"] = 0.9
    path = tmp_path / "scores.tsv"
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match="not those of the weights embedded"):
        explained({**inputs, "variants": path}, tmp_path / "out")


def test_tangermeme_is_named_where_it_is_missing(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tangermeme.deep_lift_shap", None)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[interpretation\]'"):
        explained(inputs, tmp_path / "out", method="deeplift")


def test_the_command(inputs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "explain", inputs["variants"], inputs["fasta"], "-o", tmp_path / "out", "--locus", "1:500-1,000",
        "--only", "v4,v3", "--most", "3", "--method", "ism", "--span", "32", "--no-tracks", "--threads", "1",
        "--max-mismatch-fraction", "1",
    ]  # fmt: skip
    arguments = [str(word) for word in arguments]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "3 variants explained" in said
    assert "1 variants of lower scores have no page" in said
    assert f"written: {tmp_path / 'out' / 'index.html'}" in said
    with pytest.raises(SystemExit) as error:
        main([*arguments[:5], "--method", "guess"])
    assert error.value.code == 2
    assert main([*arguments[:5], "--locus", "1:9"]) == 2
    assert "'1:9' is not a locus" in capsys.readouterr().err
