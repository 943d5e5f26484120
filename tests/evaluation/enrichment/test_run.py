"""``mifm evaluate enrichment`` from files to files: joins, universes, lift-over, outputs, errors."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.known_truth import silencers, states
from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.enrichment.annotations import Annotation
from mifm_kipoi.evaluation.enrichment.measure import Options
from mifm_kipoi.evaluation.enrichment.run import EnrichmentResult, EnrichmentRun
from tests.builders import write_fasta

LENGTHS = {"1": 4_000_000, "2": 4_000_000}
CELL_LINES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Variants of which a tenth is causal, states of 6 cell lines, silencers, LD blocks, a genome, genes."""
    folder = tmp_path_factory.mktemp("enrichment")
    generator = np.random.default_rng(1)
    parts = []
    for chrom, length in LENGTHS.items():
        pos = np.sort(generator.choice(np.arange(1, length), 12_000, replace=False))
        parts.append(pd.DataFrame({"chrom": chrom, "pos": pos}))
    truth = pd.concat(parts, ignore_index=True)
    truth["causal"] = generator.random(len(truth)) < 0.1
    states.write_states(truth, folder / "states", 1, LENGTHS, CELL_LINES)
    silencers.write_silencers(truth, folder / "silencers.bed", 1, LENGTHS["1"])
    truth["ref"], truth["alt"] = "A", "G"
    truth["id"] = [f"rs{number}" for number in range(len(truth))]
    truth["mifm_ref"] = (1.2 * truth["causal"] + generator.normal(size=len(truth))).round(4)
    truth["maf"] = generator.random(len(truth)).round(3) / 2
    truth["causal"] = truth["causal"].astype(int)
    truth.to_csv(folder / "scores.tsv", sep="\t", index=False)
    blocks = [(c, s, s + 20_000, "EUR") for c in LENGTHS for s in range(0, 3_900_000, 20_000)]
    pd.DataFrame(blocks, columns=["chr", "start", "stop", "pop"]).to_csv(folder / "blocks.tsv", sep="\t")
    (folder / "tss.bed").write_text(
        "".join(f"chr{c}\t{s}\t{s + 1}\n" for c in LENGTHS for s in range(0, 4_000_000, 90_000))
    )
    write_fasta(folder / "genome.fa", {c: "".join(generator.choice(list("ACGT"), 20_000)) for c in LENGTHS})
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Callable[..., EnrichmentResult]:
    def run(name: str, **options: object) -> EnrichmentResult:
        chosen = {
            "scores": folder / "scores.tsv",
            "folder": folder / name,
            "annotations": (
                Annotation.of_states("genostan", [folder / "states"]),
                Annotation("silencer", (folder / "silencers.bed",), False, 1),
            ),
            "block_bp": 20_000,
        }
        return EnrichmentRun(**(chosen | options)).run()  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="module")
def result(run: Callable[..., EnrichmentResult], folder: Path) -> EnrichmentResult:
    return run("out", ld_blocks=folder / "blocks.tsv", with_annot=True)


def whole(result: EnrichmentResult) -> pd.DataFrame:
    table = result.measured.enrichment
    return table[table["within"] == ""]


def test_the_truth_as_score_has_the_odds_ratios_of_the_simulation(
    run: Callable[..., EnrichmentResult], folder: Path
) -> None:
    """Within their intervals in at least 18 of 20 states; of scores that know little they are smaller."""
    found = whole(run("truth", columns=("causal", "mifm_ref")))
    manifest = json.loads((folder / "states" / "manifest.json").read_text())["odds_ratios"]
    truth = found[(found["score"] == "causal") & (found["kind"] == "state")]
    assert len(truth) == 20
    expected = truth["label"].map(lambda label: manifest[label]["at_least_5"])
    assert expected.between(truth["low"], truth["high"]).sum() >= 18
    silencer = found[(found["label"] == "silencer") & (found["score"] == "causal")].iloc[0]
    assert silencer["low"] < silencers.ODDS_RATIO < silencer["high"]
    shrunk = found.query("score == 'mifm_ref' and label == 'Enh.6' and quantile == 0.9").iloc[0]
    of_truth = truth[truth["label"] == "Enh.6"].iloc[0]
    assert 1 < shrunk["low"] < shrunk["odds_ratio"] < of_truth["odds_ratio"]


def test_files_of_a_run(result: EnrichmentResult, folder: Path) -> None:
    out = folder / "out"
    names = [str(path.relative_to(out)) for path in result.files]
    assert names == [
        "enrichment.tsv", "trends.tsv", "annot/mifm.1.annot.gz", "annot/mifm.2.annot.gz",
        "figures/groups.png",
        "figures/labels.png", "figures/subsets.png", "report.md", "report.html", "evaluation.json",
    ]  # fmt: skip
    assert all(path.is_file() for path in result.files)
    table = pd.read_csv(out / "enrichment.tsv", sep="\t", keep_default_na=False)
    assert len(table) == (6 + 20 + 1) * 9 + 4 * 9
    assert set(table["within"]) == {"", "repressed", "repressed-enhancer", "enhancer"}
    # Columns of what was not asked for are left out.
    assert "shift_p" not in table
    assert "adjusted_p" not in table
    manifest = json.loads((out / "evaluation.json").read_text())
    assert manifest["evaluated"] == ["mifm_ref"]
    assert manifest["counts"]["variants"] == 24_000
    assert len(manifest["annotations"]["genostan"]["files"]) == CELL_LINES
    assert manifest["blocks"]["table"]["name"] == "blocks.tsv"
    assert manifest["blocks"]["variants_outside_of_ld_blocks"] > 0
    report = (out / "report.md").read_text()
    assert "nothing is held fixed" in report
    assert "| label | variants | selected | expected |" in report
    assert "enhancer within repressed" in report


def test_annotations_for_ld_score_regression(result: EnrichmentResult, folder: Path) -> None:
    truth = pd.read_csv(folder / "scores.tsv", sep="\t")
    parts = [pd.read_csv(folder / "out" / "annot" / f"mifm.{c}.annot.gz", sep="\t") for c in LENGTHS]
    annot = pd.concat(parts, ignore_index=True)
    assert annot.columns[:6].tolist() == ["CHR", "BP", "SNP", "CM", "mifm_ref_selected", "genostan.enhancer"]
    assert annot["SNP"].tolist() == truth["id"].tolist()
    found = whole(result)
    enhancer = found[(found["label"] == "enhancer") & (found["quantile"] == 0.9)].iloc[0]
    both = (annot["mifm_ref_selected"] == 1) & (annot["genostan.enhancer"] == 1)
    assert int(both.sum()) == enhancer["selected_inside"]
    assert annot.iloc[:, 4:].isin([0, 1]).all(axis=None)


def test_as_in_paper_intervals_are_longer_and_the_figure_is_the_published_one(
    run: Callable[..., EnrichmentResult], result: EnrichmentResult
) -> None:
    published = run("paper", as_in_paper=True)
    assert any(path.name == "published.png" for path in published.files)
    assert any("one base too long" in caution for caution in published.cautions)
    silencer, longer = (whole(each).query("label == 'silencer'").iloc[0] for each in (result, published))
    assert longer["inside"] >= silencer["inside"]
    assert whole(published)["inside"].sum() > whole(result)["inside"].sum()


def test_covariates_and_shifts_have_columns_of_their_own(
    run: Callable[..., EnrichmentResult], folder: Path
) -> None:
    found = run(
        "adjusted", covariates=("maf",), starts=folder / "tss.bed", options=Options((0.5,), shifts=99),
        within=("silencer",),
    )  # fmt: skip
    table = pd.read_csv(folder / "adjusted" / "enrichment.tsv", sep="\t", keep_default_na=False)
    assert table[["shift_p", "adjusted_odds_ratio", "matched_odds_ratio"]].ne("").all(axis=None)
    assert (table["matched_fraction"].astype(float) > 0.99).all()
    # Nothing depends on the covariates here.
    near = np.abs(np.log(table["adjusted_odds_ratio"].astype(float) / table["odds_ratio"].astype(float)))
    assert near[table["within"] == ""].max() < 0.02
    within = table[table["within"] == "silencer"]
    assert set(within["label"]) == {
        "enhancer", "promoter", "repressed", "repressed-enhancer", "elongation", "low"
    }  # fmt: skip
    assert not any("nothing is held fixed" in caution for caution in found.cautions)
    report = (folder / "adjusted" / "report.md").read_text()
    assert "Covariates: maf, log10_tss_distance." in report
    assert "99 times the labels of each block" in report


def test_variants_outside_the_fasta_are_left_out_of_what_is_adjusted(
    run: Callable[..., EnrichmentResult], folder: Path
) -> None:
    found = run("fasta", fasta=folder / "genome.fa", options=Options((0.5,)))
    assert any("have no gc, and no part in what is adjusted" in caution for caution in found.cautions)


@pytest.mark.reference
def test_a_lift_over_moves_the_variants_of_one_annotation(
    reference_data: Path, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("liftover")
    chain = reference_data / "data" / "liftover" / "hg19ToHg38.over.chain.gz"
    # chr1:1,000,000 of GRCh37 is chr1:1,064,620 of GRCh38.
    pos = np.arange(1_000_000, 1_100_000, 50)
    generator = np.random.default_rng(1)
    table = pd.DataFrame({"chrom": "1", "pos": pos, "ref": "A", "alt": "C", "s": generator.random(len(pos))})
    table.to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    hg19, hg38 = tmp_path / "hg19.bed", tmp_path / "hg38.bed"
    hg19.write_text("chr1\t1000000\t1050000\n")
    hg38.write_text("chr1\t1064620\t1114620\n")
    code = main(
        [
            "evaluate", "enrichment", str(tmp_path / "s.tsv"), "--columns", "s", "--bed", f"old={hg19}",
            "--bed", f"new={hg38}", "--lift-over", f"new={chain}", "--block-bp", "10000",
            "-o", str(tmp_path / "out"),
        ]
    )  # fmt: skip
    assert code == 0
    found = (
        pd.read_csv(tmp_path / "out" / "enrichment.tsv", sep="\t")
        .groupby("label")[["variants", "inside"]]
        .first()
    )
    assert found.loc["new", "inside"] == found.loc["old", "inside"]
    manifest = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    lifted = manifest["annotations"]["new"]["lifted"]
    assert found.loc["new", "variants"] == len(pos) - lifted["lost"] - lifted["ambiguous"]


def test_a_variant_in_several_rows_counts_once_and_must_have_one_score(
    run: Callable[..., EnrichmentResult], folder: Path, tmp_path: Path
) -> None:
    truth = pd.read_csv(folder / "scores.tsv", sep="\t")
    again = pd.concat([truth.iloc[::-1], truth.iloc[:10], truth.iloc[:5].assign(alt="T")])
    again.loc[again.index[100], "mifm_ref"] = np.nan
    path = tmp_path / "again.tsv.gz"
    path.write_bytes(gzip.compress(again.to_csv(sep="\t", index=False).encode()))
    annotations = (Annotation("silencer", (folder / "silencers.bed",), False, 1),)
    found = run("again", scores=path, annotations=annotations)
    assert any("10 rows are of a variant that has another row" in one for one in found.cautions)
    assert any("1 variants lack a score" in one for one in found.cautions)
    assert whole(found)["variants"].unique().tolist() == [24_004]
    again.iloc[-7, again.columns.get_loc("mifm_ref")] = 5.0
    again.to_csv(tmp_path / "other.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="different mifm_ref for the same variant in lines"):
        run("other", scores=tmp_path / "other.tsv", annotations=annotations)


def test_a_threshold_is_that_of_the_table_where_lower_is_better(
    run: Callable[..., EnrichmentResult], folder: Path, tmp_path: Path
) -> None:
    truth = pd.read_csv(folder / "scores.tsv", sep="\t")
    truth["p"] = -truth["mifm_ref"]
    truth.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    found = run(
        "lower", scores=tmp_path / "p.tsv", columns=("mifm_ref",), lower=("p",), with_annot=True,
        annotations=(Annotation("silencer", (folder / "silencers.bed",), False, 1),),
    )  # fmt: skip
    table = pd.read_csv(folder / "lower" / "enrichment.tsv", sep="\t")
    high, low = (table[table["score"] == name].reset_index(drop=True) for name in ("mifm_ref", "p"))
    assert low["threshold"].tolist() == (-high["threshold"]).tolist()
    assert [(truth["p"] < each).sum() for each in low["threshold"]] == low["selected"].tolist()
    numbers = ["selected", "selected_inside", "odds_ratio", "p_value"]
    assert low[numbers].equals(high[numbers])
    parts = [pd.read_csv(path, sep="\t") for path in found.files if path.name.endswith(".annot.gz")]
    annot = pd.concat(parts)
    assert (annot["mifm_ref_selected"] == annot["p_selected"]).all()
    assert annot["p_selected"].sum() == low["selected"].iloc[-1]


def test_labels_of_few_variants_are_named(run: Callable[..., EnrichmentResult], tmp_path: Path) -> None:
    (tmp_path / "few.bed").write_text("chr1\t100000\t130000\n")
    (tmp_path / "many.bed").write_text("chr1\t0\t3000000\nchr2\t0\t1\n")
    found = run(
        "few", annotations=tuple(Annotation(n, (tmp_path / f"{n}.bed",), False, 1) for n in ("few", "many"))
    )
    rows = whole(found).query("label == 'few'")
    assert rows["expected_inside"].tolist() == pytest.approx(
        (rows["selected"] * rows["inside"] / rows["variants"]).tolist()
    )
    (caution,) = (one for one in found.cautions if "expected variants" in one)
    assert caution.startswith("1 label has fewer than 20 expected variants")
    assert "(few)" in caution


def test_a_score_without_variation_is_named_by_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = pd.read_csv(folder / "scores.tsv", sep="\t").assign(mifm_ref=0.25)
    truth.to_csv(tmp_path / "flat.tsv", sep="\t", index=False)
    bed, out = str(folder / "silencers.bed"), tmp_path / "out"
    assert main(["evaluate", "enrichment", str(tmp_path / "flat.tsv"), "--bed", bed, "-o", str(out)]) == 1
    said = capsys.readouterr().err
    assert (
        "no variant lies above a quantile of mifm_ref: 24,000 of 24,000 variants have its best value" in said
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"annotations": ()}, "no annotation is named"),
        ({"columns": ("x",)}, "has no scores 'x'"),
        ({"covariates": ("x",)}, "has no covariate 'x'"),
        ({"covariates": ("mifm_ref",)}, "'mifm_ref' is a score and a covariate"),
        ({"within": ("heaven",)}, "--within names heaven; the labels are enhancer"),
        ({"options": Options((0.5, 1.0))}, "--quantiles has 1"),
    ],
)
def test_impossible_options_are_named(
    run: Callable[..., EnrichmentResult], options: dict[str, object], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        run("error", **options)


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    code = main(
        [
            "evaluate", "enrichment", str(folder / "scores.tsv"), "--states", str(folder / "states"),
            "--silencers", str(folder / "silencers.bed"), "--bed", str(folder / "silencers.bed"),
            "--quantiles", "0.5,0.8", "--min-tracks", "3", "--block-bp", "20000", "-o", str(out),
        ]
    )  # fmt: skip
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "mifm_ref  enhancer  1." in captured.out
    assert str(out / "report.html") in captured.out
    table = pd.read_csv(out / "enrichment.tsv", sep="\t", keep_default_na=False)
    assert set(table["annotation"]) == {"states", "silencer", "silencers"}
    assert set(table["quantile"]) == {0.5, 0.8}
    code = main(
        [
            "evaluate", "enrichment", str(folder / "scores.tsv"), "--states", str(folder / "states"),
            "--lift-over", "other=x.chain", "-o", str(out),
        ]
    )  # fmt: skip
    assert code == 2
    assert "--lift-over names other; the annotations are states" in capsys.readouterr().err


def test_labels_that_two_annotations_have_are_told_apart(
    run: Callable[..., EnrichmentResult], folder: Path
) -> None:
    tracks = sorted((folder / "states").glob("*.bed.gz"))
    annotations = tuple(
        Annotation.of_states(name, paths) for name, paths in (("one", tracks[:1]), ("two", tracks[1:2]))
    )
    found = whole(run("two", annotations=annotations, options=Options((0.5,))))
    assert len(found) == 2 * 26
    assert found["label"].is_unique
    assert {"one: enhancer", "two: Enh.6"} <= set(found["label"])
