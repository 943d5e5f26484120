"""``mifm pgs build`` from files to files, against weights worked out by hand."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.comparison.score_tables import ScoreTable, join_scores
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.study_sources import StudySource
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.polygenic.building.linkage import LinkageOptions
from mifm_kipoi.polygenic.building.run import SCORE_COLUMNS, PgsBuildRun
from mifm_kipoi.polygenic.building.studies import SignalOptions, read_members
from mifm_kipoi.polygenic.building.weights import Weighting
from mifm_kipoi.polygenic.scoring_files import read_scoring_file
from tests.genetics.filesets import write_bed
from tests.polygenic.building.tables import TWO_SIGNALS, causaldb, causaldb_row, write_table

SCORES = [
    {"chrom": "chr1", "pos": 1000, "ref": "G", "alt": "A", "mifm_ref": 0.2},
    {"chrom": "chr1", "pos": 1100, "ref": "T", "alt": "C", "mifm_ref": 0.9},
    {"chrom": "chr1", "pos": 1200, "ref": "A", "alt": "T", "mifm_ref": 0.4},
    {"chrom": "chr1", "pos": 1300, "ref": "G", "alt": "A", "mifm_ref": 0.95},
]


def run_of(folder: Path, **options: object) -> PgsBuildRun:
    studies = (StudySource(causaldb(folder / "t.tsv", TWO_SIGNALS)),)
    scores = (ScoreTable(write_table(folder / "s.tsv", SCORES)),)
    base = PgsBuildRun(studies, folder / "out", scores, draws=0)
    return dataclasses.replace(base, **options)  # type: ignore[arg-type]


def weights(folder: Path, name: str) -> dict[tuple[int, str], float]:
    rows = read_scoring_file(folder / "out" / "scores" / f"{name}.txt.gz").rows
    return {(row.pos, row.effect_allele): row.weight for row in rows.itertuples()}


def test_each_method_picks_its_variants_and_divides_by_those_that_there_are(tmp_path: Path) -> None:
    result = run_of(tmp_path).run()
    assert list(result.table.columns) == list(SCORE_COLUMNS)
    # Of the third signal no variant has a MIFM score.
    assert weights(tmp_path, "mifm.T1.top1.mean") == {(1100, "C"): 0.09, (1300, "G"): 0.07}
    assert weights(tmp_path, "p.T1.top1.mean") == {(1000, "A"): 0.10, (1300, "G"): 0.07, (1400, "G"): 0.06}
    assert weights(tmp_path, "lead.T1.mean") == weights(tmp_path, "p.T1.top1.mean")
    # rs2 is picked in two signals: its marginal effect over 3, and its conditional one over 2.
    assert weights(tmp_path, "all.T1.mean") == pytest.approx({
        (1000, "A"): 0.10 / 3, (1100, "C"): 0.09 / 3 + 0.01 / 2, (1200, "T"): -0.08 / 3,
        (1300, "G"): 0.07 / 2,
        (1400, "G"): 0.06,
    })  # fmt: skip
    assert weights(tmp_path, "susie.T1.top1.mean") == {
        (1000, "A"): 0.10,
        (1100, "C"): 0.01,
        (1400, "G"): 0.06,
    }
    row = result.table.set_index("name").loc["mifm.T1.top5.mean"]
    assert row[["variants", "signals", "blocks", "signals_without", "ambiguous"]].tolist() == [4, 2, 1, 1, 1]


def test_as_in_the_paper_secondary_signals_are_pooled(tmp_path: Path) -> None:
    run_of(tmp_path, signals=SignalOptions(as_in_paper=True)).run()
    assert weights(tmp_path, "mifm.T1.top5.mean") == pytest.approx({
        (1000, "A"): 0.10 / 3, (1100, "C"): 0.09 / 3 + 0.09 / 2, (1200, "T"): -0.08 / 3, (1300, "G"): 0.02 / 2
    })  # fmt: skip


def test_weights_by_pips_use_those_of_the_method_where_it_is_of_such(tmp_path: Path) -> None:
    kinds = (Weighting.PIP, Weighting.POSTERIOR, Weighting.SHRUNK)
    run_of(tmp_path, weightings=kinds, top=(2, 0)).run()
    factor = 0.04 / (0.04 + 0.01**2)
    abf = weights(tmp_path, "abf.T1.top2.pip")
    assert abf[1000, "A"] == pytest.approx(0.10 * 0.6 / 0.9)
    assert abf[1100, "C"] == pytest.approx(0.09 * 0.3 / 0.9 + 0.01 * 0.1 / 0.6)
    # Not PIPs: those of the table, SuSiE's.
    assert weights(tmp_path, "p.T1.top2.pip")[1000, "A"] == pytest.approx(0.10 * 0.7 / 0.9)
    everything = weights(tmp_path, "abf.T1.all.posterior")
    assert everything[1200, "T"] == pytest.approx(-0.08 * 0.1 * factor)
    assert weights(tmp_path, "p.T1.top2.shrunk")[1000, "A"] == pytest.approx(0.05 * factor)
    assert not (tmp_path / "out" / "scores" / "p.T1.all.posterior.txt.gz").exists()
    assert not (tmp_path / "out" / "scores" / "abf.T1.all.shrunk.txt.gz").exists()


def test_random_members_are_drawn_again_with_the_seed_and_nested_in_larger_numbers(tmp_path: Path) -> None:
    result = run_of(tmp_path, methods=("random",), draws=60, top=(1, 2)).run()
    table = result.table
    assert table["method"].unique().tolist() == ["random"]
    assert sorted(table["draw"].unique()) == list(range(1, 61))
    first = [weights(tmp_path, f"random.T1.top1.mean.draw{draw:03d}") for draw in range(1, 61)]
    second = [weights(tmp_path, f"random.T1.top2.mean.draw{draw:03d}") for draw in range(1, 61)]
    assert all(set(one) <= set(two) for one, two in zip(first, second, strict=True))
    # Of three members each comes first in a third of the draws: 60 draws have a standard error of 0.06.
    assert np.mean([(1000, "A") in one for one in first]) == pytest.approx(1 / 3, abs=0.2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "scores").iterdir()}
    run_of(tmp_path, methods=("random",), draws=60, top=(1, 2)).run()
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "scores").iterdir()} == before


def test_a_run_into_the_folder_of_another_leaves_no_scores_of_it(tmp_path: Path) -> None:
    run_of(tmp_path).run()
    run_of(tmp_path, methods=("mifm",), top=(1,)).run()
    assert [path.name for path in (tmp_path / "out" / "scores").iterdir()] == ["mifm.T1.top1.mean.txt.gz"]
    manifest = json.loads((tmp_path / "out" / "build.json").read_text())
    assert manifest["files"][0] == "scores/mifm.T1.top1.mean.txt.gz"
    digest = hashlib.sha256((tmp_path / "t.tsv").read_bytes()).hexdigest()
    assert {"name": "t.tsv", "sha256": digest} in manifest["inputs"]


def test_the_same_variants_for_all_methods(tmp_path: Path) -> None:
    run_of(tmp_path, same_variants=True, methods=("p", "mifm", "abf")).run()
    # Without a MIFM score the third signal has no variant under any method.
    assert weights(tmp_path, "p.T1.top1.mean") == {(1000, "A"): 0.10, (1300, "G"): 0.07}
    # Random members are drawn among the same ones; of rs5 SuSiE has no PIP in its signal either.
    result = run_of(tmp_path, same_variants=True, draws=20).run()
    random = result.table[result.table["method"] == "random"]
    assert (random["signals"] == 2).all()
    assert not any((1400, "G") in weights(tmp_path, name) for name in random["name"])
    assert any("pick among the 4 of 6 members" in text for text in result.cautions)
    # Who has given the option is not advised to give it.
    advice = [text for text in run_of(tmp_path).run().cautions if "--same-variants" in text]
    assert any(text.startswith("mifm has scores of 83 % of the members") for text in advice)
    assert not any("--same-variants" in text for text in result.cautions)


def test_effects_of_the_other_allele_than_z_are_an_error(tmp_path: Path) -> None:
    rows = [row | {"beta": -float(str(row["beta"]))} for row in TWO_SIGNALS]
    studies = (StudySource(causaldb(tmp_path / "turned.tsv", rows)),)
    with pytest.raises(InputError, match=r"turned\.tsv: beta and zscore contradict .* 6 of 6 rows"):
        run_of(tmp_path, studies=studies).run()
    insisting = tuple(dataclasses.replace(study, allow_implausible=True) for study in studies)
    result = run_of(tmp_path, studies=insisting).run()
    assert any("beta and zscore contradict" in text for text in result.cautions)
    assert weights(tmp_path, "lead.T1.mean")[1000, "A"] == -0.10


@pytest.mark.parametrize(
    ("alleles", "score", "status"),
    [
        (("A", "G"), ("A", "G"), 0.5),
        (("A", "G"), ("G", "A"), 0.5),
        (("A", "G"), ("T", "C"), 0.5),
        (("A", "G"), ("C", "T"), 0.5),
        (("A", "T"), ("A", "T"), 0.5),
        (("A", "T"), ("T", "A"), 0.5),
        (("C", "G"), ("G", "C"), 0.5),
        (("A", "G"), ("A", "C"), None),
        (("AC", "A"), ("A", "AC"), 0.5),
        (("AC", "A"), ("GT", "T"), None),
    ],
)
def test_scores_are_of_the_pair_of_alleles_in_any_order_on_either_strand(
    tmp_path: Path, alleles: tuple[str, str], score: tuple[str, str], status: float | None
) -> None:
    rows = [causaldb_row(1000, "rs1", *alleles, 0.1), causaldb_row(5000, "rs5", "A", "G", 0.1)]
    members = read_members([StudySource(causaldb(tmp_path / "t.tsv", rows))], SignalOptions())
    table = write_table(tmp_path / "s.tsv", [
        {"chrom": "1", "pos": 1000, "ref": score[0], "alt": score[1], "mifm_ref": 0.5},
        {"chrom": "1", "pos": 5000, "ref": "G", "alt": "A", "mifm_ref": 0.7},
    ])  # fmt: skip
    found = join_scores([ScoreTable(table)], members.table).values["mifm"]
    np.testing.assert_array_equal(found, [np.nan if status is None else status, 0.7])


def test_scores_of_another_build_are_refused(tmp_path: Path) -> None:
    moved = [{**row, "pos": int(row["pos"]) + 7} for row in SCORES]  # type: ignore[call-overload]
    scores = (ScoreTable(write_table(tmp_path / "moved.tsv", moved)),)
    with pytest.raises(InputError, match="a score of none of the 5 variants"):
        run_of(tmp_path, scores=scores).run()


def test_scores_can_be_lower_or_larger_in_magnitude(tmp_path: Path) -> None:
    rows = [{**row, "rank": 1 - float(row["mifm_ref"]), "delta": -float(row["mifm_ref"])} for row in SCORES]  # type: ignore[arg-type]
    table = ScoreTable(write_table(tmp_path / "two.tsv", rows), ("m=mifm_ref",), ("low=rank",), ("delta",))
    run_of(tmp_path, scores=(table,), top=(1,)).run()
    assert (
        weights(tmp_path, "m.T1.top1.mean")
        == weights(tmp_path, "low.T1.top1.mean")
        == weights(tmp_path, "delta.T1.top1.mean")
    )


PANEL_ALLELES = [("A", "G"), ("T", "C"), ("T", "A"), ("C", "T"), ("G", "C")]
"""Counted and other allele of the panel at rs1 (as in the study), rs2 (swapped), rs3 (as in the study), rs5
(the other strand: C/T is G/A), rs6 (as in the study)."""


def test_joint_weights_are_those_of_a_regression_in_the_panel(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    shared = random.normal(size=(600, 1))
    copies = (
        (shared + random.normal(size=(600, 5)) > 0.3) * 1 + (shared + random.normal(size=(600, 5)) > 0.3)
    ).astype(np.float64)
    trait = copies @ np.array([0.2, 0, -0.1, 0.1, 0]) + random.normal(size=600)
    centred = copies - copies.mean(axis=0)
    effects = centred.T @ trait / (centred**2).sum(axis=0)
    rows = [
        causaldb_row(pos, name, effect, other, beta, 0.001)
        for (pos, name, effect, other), beta in zip(
            [
                (1000, "rs1", "A", "G"), (1100, "rs2", "C", "T"), (1200, "rs3", "T", "A"),
                (1300, "rs5", "G", "A"), (1400, "rs6", "G", "C"),
            ], effects, strict=True,
        )
    ]  # fmt: skip
    counted = copies.copy()
    counted[:, 1] = 2 - counted[:, 1]
    panel = write_bed(
        tmp_path / "panel", counted, [1000, 1100, 1200, 1300, 1400],
        allele_1=[one for one, _ in PANEL_ALLELES], allele_2=[two for _, two in PANEL_ALLELES],
    )  # fmt: skip
    studies = (StudySource(causaldb(tmp_path / "j.tsv", rows)),)
    linkage = LinkageOptions((Path(f"{panel}.bed"),))
    run_of(tmp_path, studies=studies, scores=(), weightings=(Weighting.JOINT,), linkage=linkage).run()
    expected = np.linalg.lstsq(centred, trait - trait.mean(), rcond=None)[0]
    found = weights(tmp_path, "all.T1.joint")
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-5)
    two = np.linalg.lstsq(centred[:, :2], trait - trait.mean(), rcond=None)[0]
    first = run_of(
        tmp_path, studies=(StudySource(causaldb(tmp_path / "k.tsv", rows[:2])),), scores=(),
        weightings=(Weighting.JOINT,), linkage=linkage,
    )  # fmt: skip
    first.run()
    np.testing.assert_allclose(list(weights(tmp_path, "all.T1.joint").values()), two, rtol=1e-5)


def test_joint_weights_leave_out_what_the_panel_lacks_and_say_so(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    copies = random.integers(0, 3, (200, 3)).astype(np.float64)
    copies[:, 2] = 0
    panel = write_bed(
        tmp_path / "panel", copies, [1000, 1100, 1200], allele_1=["A", "C", "T"], allele_2=["G", "T", "A"]
    )
    options = {"weightings": (Weighting.JOINT_SHRUNK,), "linkage": LinkageOptions((Path(f"{panel}.bed"),))}
    result = run_of(tmp_path, **options).run()
    assert set(weights(tmp_path, "all.T1.joint-shrunk")) == {(1000, "A"), (1100, "C")}
    assert result.table.set_index("name").loc["all.T1.joint-shrunk", "left_out"] == 3
    text = (tmp_path / "out" / "report.md").read_text()
    assert "2 variants left out: not in the LD reference" in text
    assert "1 variants left out: one allele in the LD reference" in text


def test_a_panel_of_few_people_and_joint_weights_without_one_are_refused(tmp_path: Path) -> None:
    panel = write_bed(tmp_path / "panel", np.ones((10, 1)), [1000], allele_1=["A"], allele_2=["G"])
    with pytest.raises(InputError, match="has 10 founders; expected 50"):
        run_of(tmp_path, weightings=(Weighting.JOINT,), linkage=LinkageOptions((Path(f"{panel}.bed"),))).run()
    with pytest.raises(OptionError, match="the weights joint need genotypes"):
        run_of(tmp_path, weightings=(Weighting.JOINT,)).run()


def test_scoring_files_are_read_by_the_catalogs_own_package(tmp_path: Path) -> None:
    catalog = pytest.importorskip("pgscatalog.core", reason="pgscatalog.core is not installed")
    run_of(tmp_path, citation="Someone et al. 2026", license="CC0").run()
    path = tmp_path / "out" / "scores" / "all.T1.mean.txt.gz"
    file = catalog.ScoringFile(str(path))
    assert file.genome_build.value == "GRCh37"
    variants = list(file.variants)
    assert [(str(one.chr_name), one.chr_position) for one in variants] == [
        ("1", pos) for pos in range(1000, 1401, 100)
    ]
    assert [str(one.effect_allele) for one in variants] == ["A", "C", "T", "G", "G"]
    assert [float(one.effect_weight) for one in variants] == pytest.approx(
        list(weights(tmp_path, "all.T1.mean").values())
    )
    header = read_scoring_file(path).header
    assert header["citation"] == "Someone et al. 2026"
    assert header["trait_reported"] == "T1"


def test_a_score_as_prior_multiplies_bayes_factors(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    rows, scores = [], []
    for chrom in ("1", "2", "3"):
        for block in range(12):
            causal = int(random.integers(0, 4))
            for number in range(4):
                pos = 10_000 * block + 100 * number + 1
                beta = 0.1 if number == causal else 0.098
                rows.append(
                    causaldb_row(
                        pos,
                        f"r{chrom}_{pos}",
                        "A",
                        "G",
                        beta,
                        0.01,
                        chrom=chrom,
                        block=block,
                        lead=f"l{block}",
                    )
                )
                scores.append(
                    {
                        "chrom": chrom,
                        "pos": pos,
                        "ref": "G",
                        "alt": "A",
                        "mifm_ref": 0.9 if number == causal else 0.1,
                    }
                )
    studies = (StudySource(causaldb(tmp_path / "p.tsv", rows)),)
    table = (ScoreTable(write_table(tmp_path / "p.scores.tsv", scores)),)
    result = run_of(tmp_path, studies=studies, scores=table, priors=("mifm",), top=(1,)).run()
    with_prior = {row["method"]: row for row in result.table.to_dict("records")}["mifm+abf"]
    assert with_prior["variants"] == 36
    slope = float(with_prior["source"].split("slope ")[1].split(" to ")[0])
    assert slope > 0
    assert set(weights(tmp_path, "mifm+abf.T1.top1.mean").values()) == {0.1}


def test_the_command_builds_and_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = causaldb(tmp_path / "t.tsv", TWO_SIGNALS)
    scores = write_table(tmp_path / "s.tsv", SCORES)
    words = ["pgs", "build", str(study), "-o", str(tmp_path / "out"), "--scores", str(scores), "--draws", "2"]
    assert main([*words, "--columns", "m=mifm_ref", "--top", "1,all", "--weights", "mean,pip"]) == 0
    said = capsys.readouterr().out
    assert "from 3 signals with 6 members" in said
    names = set(pd.read_csv(tmp_path / "out" / "scores.tsv", sep="\t")["name"])
    assert {"m.T1.top1.mean", "susie.T1.all.pip", "random.T1.top1.mean.draw002"} <= names
    assert main([*words, "--columns", "nothing"]) == 2
    assert "has the column 'nothing'" in capsys.readouterr().err
    assert main(["pgs", "build", f"{study}:colour=red", "-o", str(tmp_path / "out")]) == 2
    assert "colour in" in capsys.readouterr().err


def test_the_command_names_studies_and_passes_their_options(tmp_path: Path) -> None:
    blocks = write_table(tmp_path / "b.txt", [{"chr": 1, "start": 0, "stop": 5000, "pop": "EUR"}])
    rows = [
        {"chrom": 1, "pos": 100, "a1": "A", "a2": "C", "logodds": 0.2, "se": 0.02, "p": 1.5239706e-23},
        {"chrom": 1, "pos": 300, "a1": "T", "a2": "C", "logodds": 0.18, "se": 0.02, "p": 2.2571768e-19},
    ]
    path = write_table(tmp_path / "gwas.tsv", rows)
    words = f"asthma={path}:trait=case_control:n=20000:case_fraction=0.2:beta=logodds"
    arguments = [
        "pgs",
        "build",
        words,
        "--ld-blocks",
        str(blocks),
        "-o",
        str(tmp_path / "out"),
        "--draws",
        "0",
    ]
    assert main([*arguments, "--genome-build", "hg38"]) == 0
    table = pd.read_csv(tmp_path / "out" / "scores.tsv", sep="\t")
    assert set(table["trait"]) == {"asthma"}
    assert set(table["kind"]) == {"case_control"}
    file = read_scoring_file(tmp_path / "out" / table["file"][0])
    assert (file.header["weight_type"], file.build) == ("log(OR)", "GRCh38")


def test_primary_scores_of_a_comparison_are_methods_under_the_labels_of_its_models(tmp_path: Path) -> None:
    rows = [
        {**{name: row[name] for name in ("chrom", "pos", "ref", "alt")}, "id": ".",
         "abf.log_abf": row["mifm_ref"], "net.change": row["mifm_ref"], "net.status": "ok"}
        for row in SCORES
    ]  # fmt: skip
    folder = tmp_path / "compared"
    folder.mkdir()
    table = write_table(folder / "scores.tsv", rows)
    scores = {"net": ("signed", "change"), "abf": ("log_abf",)}
    models = [
        {
            "label": label, "spec": label, "kind": "table", "seconds": 1.0, "peak_bytes": 0, "device": "cpu",
            "declaration": {
                "name": label, "alleles": "", "formula": "", "citation": "",
                "scores": [
                    {"name": name, "meaning": "", "ranks": name != "signed", "signed": name == "signed",
                     "evidence": "annotation"}
                    for name in names
                ],
            },
        }
        for label, names in scores.items()
    ]  # fmt: skip
    (folder / "comparison.json").write_text(json.dumps({"models": models}))
    result = run_of(tmp_path, scores=(ScoreTable(table),), top=(1,)).run()
    sources = result.table.drop_duplicates("method").set_index("method")["source"]
    assert sources["net"] == "net.change of scores.tsv"
    # The studies have a method of that name.
    assert sources["table.abf"] == "abf.log_abf of scores.tsv"
    assert weights(tmp_path, "table_abf.T1.top1.mean") == weights(tmp_path, "net.T1.top1.mean")


def test_a_table_that_says_nothing_of_its_scores_asks_for_their_names(tmp_path: Path) -> None:
    table = write_table(tmp_path / "x.tsv", [{"chrom": 1, "pos": 1000, "ref": "G", "alt": "A", "cadd": 3.0}])
    with pytest.raises(OptionError, match=r"neither comparison.json.*nor a column mifm_ref.*cadd"):
        run_of(tmp_path, scores=(ScoreTable(table),)).run()
    with pytest.raises(OptionError, match=r"no column 'sei'"):
        run_of(tmp_path, scores=(ScoreTable(table, ("sei",)),)).run()


def test_a_table_with_a_name_goes_beside_those_that_the_meta_table_describes(tmp_path: Path) -> None:
    study = causaldb(tmp_path / "t.tsv", TWO_SIGNALS)
    meta = write_table(
        tmp_path / "meta.txt",
        [{"meta_id": "T1", "trait": 'Height "tall"', "sample_size": 5000, "n_case": "", "n_control": ""}],
    )
    rows = [
        {"chrom": 1, "pos": 100, "a1": "A", "a2": "C", "or": 1.3, "se": 0.02, "p": 2.6e-39, "block": "b1"},
        {"chrom": 1, "pos": 300, "a1": "T", "a2": "C", "or": 1.2, "se": 0.02, "p": 7.8e-20, "block": "b1"},
    ]
    other = write_table(tmp_path / "gout.tsv", rows)
    words = ["pgs", "build", str(study), f"gout={other}", "--meta", str(meta), "--studies", "T1"]
    assert main([*words, "-o", str(tmp_path / "out"), "--draws", "0"]) == 0
    (batch,) = TableFile.of(tmp_path / "out" / "scores.tsv").batches()
    table = batch.frame().drop_duplicates("study")
    assert table.set_index("study")["trait"].to_dict() == {"T1": 'Height "tall"', "gout": "gout"}
    headers = [read_scoring_file(tmp_path / "out" / file).header for file in table["file"]]
    assert [header["weight_type"] for header in headers] == ["beta", "log(OR)"]
    assert weights(tmp_path, "p.gout.top1.mean") == {(100, "A"): pytest.approx(np.log(1.3))}


def test_repeated_entries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="top has 1, 1"):
        run_of(tmp_path, top=(1, 1)).run()
