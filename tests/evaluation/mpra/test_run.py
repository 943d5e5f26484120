"""``mifm evaluate mpra``: correlations of elements, their means, and the files."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Evidence, Score
from mifm_kipoi.baselines.specs import Spec, parse_specs
from mifm_kipoi.commands.mpra import add_mpra
from mifm_kipoi.errors import InputError, OptionError, OutputError
from mifm_kipoi.evaluation.mpra.correlations import Options, correlate, series_of, summarise
from mifm_kipoi.evaluation.mpra.elements import find_elements
from mifm_kipoi.evaluation.mpra.records import Source
from mifm_kipoi.evaluation.mpra.run import MPRARun
from mifm_kipoi.evaluation.mpra.scores import control_scores
from mifm_kipoi.evaluation.mpra.table import Measurements, read_measurements
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.scoring.records import ScoredVariants
from tests.builders import write_fasta
from tests.evaluation.mpra.mpra_tables import HEADER, Row, all_rows, bases, row, write_table

SCORES = (
    Score("rank", "higher is more likely", evidence=Evidence.SEQUENCE),
    Score("effect", "with a sign", ranks=False, signed=True, evidence=Evidence.SEQUENCE),
    Score("extra", "neither", ranks=False, evidence=Evidence.SEQUENCE),
)


def source(
    values: Sequence[float], held_out: tuple[str, ...] = (), sizes: Sequence[float] | None = None
) -> Source:
    effect = np.array(values, dtype=float)
    columns = {"rank": np.array(effect**3 if sizes is None else sizes, dtype=float), "effect": effect}
    declaration = Declaration("toy", SCORES, "none", "none", "none", held_out=held_out)
    columns["extra"] = np.zeros(len(effect))
    return Source("toy", SCORES, columns, ["ok"] * len(effect), "toy.status", declaration)


def table(folder: Path, rows: Sequence[Row]) -> Measurements:
    return read_measurements(write_table(folder / "t.tsv", rows))


def evaluated(found: Measurements, toy: Source, options: Options | None = None) -> pd.DataFrame:
    elements = find_elements(found)
    sources = [toy, control_scores(found.rows, elements, np.random.default_rng(1))]
    return correlate(found.rows, elements, series_of(sources), options or Options(resamples=200))


def one(found: pd.DataFrame, **values: object) -> pd.Series:
    chosen = found[np.logical_and.reduce([found[name] == value for name, value in values.items()])]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_which_columns_are_held_against_what() -> None:
    names = [(each.name, str(each.question)) for each in series_of([source([1, -2, 3])])]
    assert names == [("toy.rank", "size"), ("toy.effect", "direction"), ("|toy.effect|", "size")]
    # A size that is a score of its own is not there twice.
    same = source([1, -2, np.nan], sizes=[1, 2, np.nan])
    assert [each.name for each in series_of([same])] == ["toy.rank", "toy.effect"]


@pytest.mark.parametrize("sign", [1, -1])
def test_planted_scores_correlate_fully(tmp_path: Path, sign: int) -> None:
    rows = all_rows("1", 100, bases(30, 3))
    found = table(tmp_path, rows)
    coefficients = found.rows["coefficient"].to_numpy()
    result = evaluated(found, source(2.5 * sign * coefficients))
    for kind in ("snv", "deletion"):
        direction = one(result, kind=kind, score="toy.effect", question="direction")
        size = one(result, kind=kind, score="|toy.effect|")
        assert direction["spearman"] == pytest.approx(sign, abs=1e-12)
        assert direction["pearson"] == pytest.approx(sign, abs=1e-12)
        assert size["spearman"] == pytest.approx(1, abs=1e-12)
        assert size["pearson"] == pytest.approx(1, abs=1e-12)
        assert np.isnan(direction["difference"])


def test_correlations_are_those_of_scipy_on_the_rows_that_count(tmp_path: Path) -> None:
    rows = [*all_rows("1", 100, bases(25, 3), "E"), *all_rows("chr10", 7, bases(18, 4), "F", seed=1)]
    rows = [(*cells[:4], 5 if place % 11 == 0 else 50, *cells[5:]) for place, cells in enumerate(rows)]
    rows.append(row("1", 110, "AC", "-", element="E"))
    found = table(tmp_path, rows)
    random = np.random.default_rng(9)
    effect, rank = random.normal(size=(2, len(rows)))
    effect[::13] = np.nan
    toy = source(effect, held_out=("10",), sizes=rank)
    result = evaluated(found, toy, Options(resamples=100, max_p=0.4))
    frame = pd.DataFrame(rows, columns=HEADER).assign(effect=effect, rank=rank)
    frame["c"] = frame["Coefficient"].astype(float)
    frame["middle"] = frame.groupby("Element")["Pos"].transform(lambda pos: (pos.min() + pos.max()) / 2)
    frame["near"] = -(frame["Pos"] - frame["middle"]).abs()
    measured = {
        ("toy.rank", "size"): lambda part: (part["c"].abs(), part["rank"]),
        ("|toy.effect|", "size"): lambda part: (part["c"].abs(), part["effect"].abs()),
        ("toy.effect", "direction"): lambda part: (part["c"], part["effect"]),
        ("control.distance_to_centre", "size"): lambda part: (part["c"].abs(), part["near"]),
    }
    for element in ("E", "F"):
        for kind in ("snv", "deletion"):
            for stratum in ("all", "p<=0.4"):
                part = frame[(frame["Element"] == element) & (frame["Barcodes"] >= 10)]
                part = part[(part["Alt"] == "-") == (kind == "deletion")]
                part = part[part["Ref"].str.len() == 1]
                if stratum != "all":
                    part = part[part["pValue"].astype(float) <= 0.4]
                for (name, question), pick in measured.items():
                    whole = part
                    part_of = part.dropna(subset=["effect"]) if "effect" in name else part
                    x, y = pick(part_of)
                    got = one(
                        result, element=element, kind=kind, stratum=stratum, score=name, question=question
                    )
                    assert got["rows"] == len(part_of)
                    assert got["unscored"] == len(whole) - len(part_of)
                    assert got["positions"] == part_of["Pos"].nunique()
                    rho = scipy.stats.spearmanr(x, y).statistic
                    assert got["spearman"] == pytest.approx(rho, abs=1e-9)
                    assert got["pearson"] == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-9)
                    assert got["held_out"] == (element == "F" and "toy" in name)
                    if question == "size" and name.startswith(("toy", "|toy")):
                        near = scipy.stats.spearmanr(part_of["c"].abs(), part_of["near"]).statistic
                        shared = scipy.stats.spearmanr(y, part_of["near"]).statistic
                        given = (rho - near * shared) / np.sqrt((1 - near**2) * (1 - shared**2))
                        assert got["difference"] == pytest.approx(rho - near, abs=1e-9)
                        assert got["partial"] == pytest.approx(given, abs=1e-9)


def test_means_are_over_elements(tmp_path: Path) -> None:
    rows: list[Row] = []
    for number, (chrom, length) in enumerate((("1", 20), ("10", 15), ("X", 260), ("3", 6))):
        rows += all_rows(chrom, 50, bases(length, number), f"E{number}", seed=number)
    found = table(tmp_path, rows)
    toy = source(np.random.default_rng(2).normal(size=len(rows)), held_out=("chr10", "9"))
    result = evaluated(found, toy)
    summary = summarise(result)
    chosen = result[(result["kind"] == "snv") & (result["score"] == "toy.rank")].set_index("element")
    # Of six bases there is a correlation, but no part in the mean; an interval needs five blocks of 50 bp.
    assert chosen["spearman"].notna().all()
    assert chosen["spearman_low"].notna().tolist() == [False, False, True, False]
    members = {"all": ["E0", "E1", "E2"], "held_out": ["E1"], "not_held_out": ["E0", "E2"]}
    for group, names in members.items():
        got = one(summary, kind="snv", score="toy.rank", question="size", group=group)
        assert got["elements"] == len(names)
        for measure in ("spearman", "pearson", "partial", "difference"):
            values = chosen.loc[names, measure]
            assert got[measure] == pytest.approx(values.mean(), abs=1e-12)
            if len(names) > 1:
                low, high = scipy.stats.t.interval(
                    0.95, len(names) - 1, values.mean(), scipy.stats.sem(values)
                )
                most = 2 if measure == "difference" else 1
                expected = (max(low, -most), min(high, most))
                assert (got[f"{measure}_low"], got[f"{measure}_high"]) == pytest.approx(expected, abs=1e-12)
            else:
                assert np.isnan(got[f"{measure}_low"])
    controls = summary[summary["label"] == "control"]
    assert set(controls["group"]) == {"all"}


def test_an_element_of_the_fewest_positions_counts(tmp_path: Path) -> None:
    rows = [
        *all_rows("1", 100, bases(10, 1), "ten", deletions=False),
        *all_rows("2", 100, bases(9, 2), "nine", seed=1, deletions=False),
    ]
    toy = source(np.random.default_rng(2).normal(size=len(rows)))
    result = evaluated(table(tmp_path, rows), toy)
    of_score = {"kind": "snv", "score": "toy.rank", "question": "size"}
    ten, nine = (one(result, element=name, **of_score) for name in ("ten", "nine"))
    assert (ten["positions"], nine["positions"]) == (10, 9)
    assert np.isfinite([ten["spearman"], nine["spearman"]]).all()
    mean = one(summarise(result), **of_score)
    assert (mean["elements"], mean["spearman"]) == (1, ten["spearman"])


def test_draws_depend_on_the_seed_and_the_element_alone(tmp_path: Path) -> None:
    first, second = all_rows("1", 100, bases(230, 3), "E"), all_rows("2", 100, bases(30, 4), "F", seed=5)
    effect = np.random.default_rng(1).normal(size=len(first))

    def interval(rows: Sequence[Row], values: Sequence[float], seed: int) -> tuple[float, float]:
        result = evaluated(table(tmp_path, rows), source(values), Options(200, seed))
        got = one(result, element="E", kind="snv", score="toy.rank")
        return float(got["spearman_low"]), float(got["spearman_high"])

    alone = interval(first, effect, 1)
    assert np.isfinite(alone).all()
    assert interval(first, effect, 1) == alone
    assert interval([*second, *first], [*range(len(second)), *effect], 1) == alone
    assert interval(first, effect, 2) != alone


def mpra_run(folder: Path, path: Path, **options: object) -> MPRARun:
    given = {"specs": parse_specs(["mifm"]), "options": Options(resamples=50), "threads": 1}
    return MPRARun(table=path, folder=folder, compute=ComputeOptions("cpu"), **(given | options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Row], list[str]]:
    """A table, the outputs without a genome, the rows, and what was said."""
    folder = tmp_path_factory.mktemp("mpra")
    rows = [
        *all_rows("10", 1000, bases(40, 1), "one"),
        *all_rows("2", 90, bases(14, 2), "two", seed=4),
        row("2", 95, "ACGT", "-", element="two"),
        row("2", 96, "N", "A", "NA", element="two"),
    ]
    path = write_table(folder / "table.tsv.gz", rows)
    said = mpra_run(folder / "out", path, options=Options(resamples=50, max_p=0.5)).run().summary
    return path, folder / "out", rows, said


def test_a_table_of_another_build(tmp_path: Path) -> None:
    """The other build has 300 bases more before the element, and lacks one base of it."""
    pytest.importorskip("liftover")
    genome = bases(1500, 3)
    old = write_fasta(tmp_path / "old.fa", {"chr10": genome})
    new = write_fasta(tmp_path / "new.fa", {"10": bases(300, 4) + genome})
    path = write_table(tmp_path / "t.tsv", all_rows("10", 701, genome[700:730], "one"))
    chain = tmp_path / "a.chain"
    chain.write_text("chain 9 chr10 1500 + 0 1500 chr10 1800 + 300 1800 1\n709\t1\t1\n790\n\n")
    mpra_run(tmp_path / "there", path, fasta=old).run()
    said = mpra_run(tmp_path / "here", path, fasta=new, lift_over=chain).run().summary
    there, here = (pd.read_csv(tmp_path / name / "scores.tsv.gz", sep="\t") for name in ("there", "here"))
    lost = there["Pos"].eq(710)
    assert (
        here.loc[lost, ["measured", "mifm.status", "control.status"]].eq("lost_in_lift_over").all(axis=None)
    )
    assert here.loc[lost, ["mifm.mifm_ref", "control.distance_to_centre"]].isna().all(axis=None)
    names = ["Pos", "measured", "mifm.status", "mifm.mifm_ref", "mifm.mifm_delta", "mifm.attribution"]
    pd.testing.assert_frame_equal(here.loc[~lost, names], there.loc[~lost, names], atol=1e-4)
    assert "4 lost_in_lift_over" in "\n".join(said)
    with pytest.raises(OptionError, match="name it with --fasta"):
        mpra_run(tmp_path / "none", path, lift_over=chain)


def test_nothing_is_lost(small: tuple[Path, Path, list[Row], list[str]]) -> None:
    path, out, rows, said = small
    scores = pd.read_csv(out / "scores.tsv.gz", sep="\t", dtype=str, na_filter=False)
    assert scores[list(HEADER)].to_numpy().tolist() == [[str(cell) for cell in cells] for cells in rows]
    assert scores["mifm.status"].value_counts().to_dict() == {
        "ok": len(rows) - 4, "no_base_before": 2, "not_snv_or_deletion": 1, "non_acgt_allele": 1,
    }  # fmt: skip
    assert scores["measured"].iloc[-2:].tolist() == ["not_snv_or_deletion", "non_acgt_allele"]
    assert (scores.loc[scores["mifm.status"] != "ok", "mifm.mifm_ref"] == "").all()
    assert (scores.loc[scores["mifm.status"] == "ok", "mifm.mifm_ref"] != "").all()
    assert set(scores.loc[scores["kind"] == "snv", "mifm.attribution_status"]) == {"ok", "non_acgt_allele"}
    assert "without --fasta the elements alone were read" in " ".join(said)
    elements = pd.read_csv(out / "elements.tsv", sep="\t")
    assert set(elements["stratum"]) == {"all", "p<=0.5"}
    assert set(elements["kind"]) == {"snv", "deletion"}
    summary = pd.read_csv(out / "summary.tsv", sep="\t")
    assert set(summary["score"]) == {
        "mifm.mifm_ref", "mifm.mifm_abs_delta", "mifm.mifm_delta", "mifm.attribution", "|mifm.attribution|",
        "control.distance_to_centre", "control.random",
    }  # fmt: skip
    manifest = json.loads((out / "evaluation.json").read_text())
    assert manifest["table"] == {
        "name": "table.tsv.gz",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert manifest["fasta"] is None
    assert manifest["stretch"] == 50
    assert manifest["models"] == ["mifm=mifm"]
    assert (
        manifest["min_barcodes"],
        manifest["resamples"],
        manifest["seed"],
        manifest["max_p"],
    ) == (10, 50, 1, 0.5)
    assert manifest["declarations"]["mifm"]["held_out"] == ["9", "10"]
    assert manifest["declarations"]["mifm"]["made_by"]["max_n_fraction"] == 1.0


def test_the_report(small: tuple[Path, Path, list[Row], list[str]]) -> None:
    _, out, _, _ = small
    page, text = (out / "report.html").read_text(), (out / "report.md").read_text()
    for found in (page, text):
        assert "No genome was given" in found
        assert "one (chromosome 10)" in found
        assert "trained on credible sets of CAUSALdb2" in found
        assert "few_barcodes are effects of fewer than 10 barcodes" in found
    assert len(page) < 5e6
    names = re.findall(r"\((figures/[a-z_0-9]+\.png)\)", text)
    assert names == [
        "figures/correlations_size.png", "figures/correlations_direction.png", "figures/element_1.png",
        "figures/element_2.png",
    ]  # fmt: skip
    pictures = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert [base64.b64decode(picture) for picture in pictures] == [
        (out / name).read_bytes() for name in names
    ]


def test_the_same_again(small: tuple[Path, Path, list[Row], list[str]], tmp_path: Path) -> None:
    path, out, _, _ = small
    mpra_run(tmp_path / "again", path, options=Options(resamples=50, max_p=0.5)).run()
    for name in ("scores.tsv.gz", "elements.tsv", "summary.tsv", "report.html", "evaluation.json"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_effects_made_of_scores_are_found_with_a_genome(tmp_path: Path) -> None:
    contig = bases(1200, 8)
    fasta = write_fasta(tmp_path / "genome.fa", {"chr9": contig})
    rows = [
        each
        for place in (601, 641, 681)
        for each in all_rows("9", place, contig[place - 1 : place + 39], f"made{place}", deletions=False)
    ]
    path = write_table(tmp_path / "t.tsv", rows)
    mpra_run(tmp_path / "first", path, fasta=fasta).run()
    scores = pd.read_csv(tmp_path / "first" / "scores.tsv.gz", sep="\t")
    for sign, column in ((1, "mifm.mifm_delta"), (-1, "mifm.attribution")):
        made = [
            (*cells[:7], repr(float(sign * value)), *cells[8:])
            for cells, value in zip(rows, scores[column], strict=True)
        ]
        folder = tmp_path / f"{sign}"
        said = mpra_run(folder, write_table(tmp_path / "made.tsv", made), fasta=fasta).run().summary
        assert "without --fasta" not in " ".join(said)
        elements = pd.read_csv(folder / "elements.tsv", sep="\t")
        for place in (601, 641, 681):
            of_one = {"element": f"made{place}", "kind": "snv", "score": column, "question": "direction"}
            direction = one(elements, **of_one)
            assert (direction["spearman"], direction["pearson"]) == pytest.approx((sign, sign), abs=1e-9)
    report = (folder / "report.md").read_text()
    assert "No genome was given" not in report
    assert "**|mifm.attribution|: the correlation with the size of measured effects is above that" in report
    assert "## Deletions" not in report
    assert json.loads((folder / "evaluation.json").read_text())["fasta"]["name"] == "genome.fa"


@dataclasses.dataclass(frozen=True)
class NoScores(Spec):
    """A model that scores nothing."""

    chunk_size = 100

    @property
    def declaration(self) -> Declaration:
        return Declaration("nothing", SCORES, "none", "none", "nobody", window=100_000)

    def check(self) -> None:
        """Needs nothing."""

    def open(self, compute: ComputeOptions | None = None) -> NoScores:  # type: ignore[override]
        return self

    def score(self, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:
        missing = np.full(len(variants), np.nan)
        return ScoredVariants(
            variants, ["too_many_n"] * len(variants), {score.name: missing for score in SCORES}
        )


def test_a_model_without_scores_is_said_to_have_none(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.tsv", all_rows("1", 100, bases(12, 1)))
    mpra_run(tmp_path / "out", path, specs=[NoScores("big", "mifm", "")]).run()
    report = (tmp_path / "out" / "report.md").read_text()
    assert "big.rank is absent; |big.effect| is absent" in report
    assert "There is no verdict. big.rank: no substitution that is evaluated has the score;" in report
    assert re.search(r"\| too_many_n \| 47 \|", report)


@pytest.mark.parametrize("separator", ["\t", ","])
def test_quotes_come_out_as_they_went_in(tmp_path: Path, separator: str) -> None:
    notes = ('"', 'the "core"', "5'", '""', "a\\b") * 8
    rows = all_rows("1", 100, bases(12, 1), 'E"1', deletions=False)
    noted = [(*cells, note) for cells, note in zip(rows, notes, strict=False)]
    if separator == ",":
        noted = [tuple('"' + str(cell).replace('"', '""') + '"' for cell in cells) for cells in noted]
    path = write_table(tmp_path / "t.csv", noted, (*HEADER, "note"), separator)
    mpra_run(tmp_path / "out", path).run()
    lines = gzip.decompress((tmp_path / "out" / "scores.tsv.gz").read_bytes()).decode().splitlines()
    place = lines[0].split("\t").index("note")
    assert [line.split("\t")[place] for line in lines[1:]] == list(notes[: len(rows)])
    assert (tmp_path / "out" / "elements.tsv").read_text().splitlines()[1].startswith('E"1\t1\t')


def test_overlapping_elements_are_named(tmp_path: Path) -> None:
    sequence = bases(30, 1)
    rows = [
        *all_rows("1", 100, sequence[:20], "left", deletions=False),
        *all_rows("chr1", 115, sequence[15:], "right", deletions=False),
        *all_rows("1", 130, sequence[:12], "behind", deletions=False),
    ]
    mpra_run(tmp_path / "out", write_table(tmp_path / "t.tsv", rows)).run()
    assert (
        "intervals of means are too narrow: left and right." in (tmp_path / "out" / "report.md").read_text()
    )


def test_what_cannot_be_done(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.tsv", [row("1", 5, "A", "CC")])
    with pytest.raises(OptionError, match="a model has the label 'control'"):
        mpra_run(tmp_path / "out", path, specs=parse_specs(["control=mifm"]))
    with pytest.raises(InputError, match="has no SNV and no deletion of one base"):
        mpra_run(tmp_path / "out", path).run()
    taken = write_table(tmp_path / "u.tsv", all_rows("1", 5, "ACGT"), (*HEADER[:6], "kind", *HEADER[7:]))
    with pytest.raises(InputError, match="columns that the output would have twice: kind; rename"):
        mpra_run(tmp_path / "out", taken).run()
    with pytest.raises(OutputError, match="cannot make the folder"):
        mpra_run(path / "out", path).run()


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mifm_kipoi.support.progress.Progress._INTERVAL", 0)
    parser = argparse.ArgumentParser()
    add_mpra(parser)
    path = write_table(tmp_path / "t.tsv", all_rows("1", 100, bases(12, 1)))
    out = tmp_path / "out"
    words = (
        f"{path} -o {out} --models a=mifm --min-barcodes 60 --resamples 20 --threads 1 --device cpu".split()
    )
    options = parser.parse_args(words)
    run: Callable[[argparse.Namespace], None] = options.run
    run(options)
    printed = capsys.readouterr()
    assert "48 rows of 1 elements: 48 few_barcodes" in printed.out
    assert printed.err == ""
    report = (out / "report.md").read_text()
    assert "There is no verdict. a.mifm_ref: no effect of a substitution is evaluated" in report
    assert "No score correlates" not in report
    scores = pd.read_csv(out / "scores.tsv.gz", sep="\t")
    assert scores["a.mifm_ref"].notna().sum() == 47
    assert (pd.read_csv(out / "elements.tsv", sep="\t")["rows"] == 0).all()
    options = parser.parse_args([*words, "--progress"])
    options.run(options)
    assert "47 variants of a, " in capsys.readouterr().err


@pytest.mark.reference
def test_the_table_of_kircher(reference_data: Path, tmp_path: Path) -> None:
    path = reference_data / "data" / "mpra" / "kircher_satmut_GRCh37.tsv.gz"
    mpra_run(tmp_path / "out", path).run()
    summary = pd.read_csv(tmp_path / "out" / "summary.tsv", sep="\t")
    chosen = summary[(summary["kind"] == "snv") & (summary["group"] == "all")].set_index("score")["spearman"]
    assert chosen["control.distance_to_centre"] == pytest.approx(0.197, abs=0.002)
    assert abs(chosen["control.random"]) < 0.02
    assert chosen["mifm.mifm_ref"] == pytest.approx(0.017, abs=0.002)
