"""The benchmark of fine-mapping: its loci, its numbers by hand, and a whole small run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed

import mifm_kipoi.network
from benchmarks.__main__ import main
from benchmarks.finemapping.experiment import Experiment
from benchmarks.finemapping.fits import Mapped, StudyLoci
from benchmarks.finemapping.loci import FIRST, TestLoci
from benchmarks.finemapping.measure import Arm, Measures, arm_of
from benchmarks.known_truth import genealogies
from benchmarks.known_truth.gwas import correlations, standardised
from benchmarks.known_truth.sizes import SIMULATIONS
from benchmarks.known_truth.study_loci import draw_locus
from mifm_kipoi.comparison.score_tables import ScoreTable
from mifm_kipoi.finemapping.fitting import LocusFit
from mifm_kipoi.finemapping.loci import LocusRule
from mifm_kipoi.finemapping.run import FinemapRun
from mifm_kipoi.finemapping.susie import CredibleSet
from mifm_kipoi.genetics.study_sources import StudySource
from mifm_kipoi.sequence.encoding import BASES

LOCI = TestLoci(contigs=4, of_contig=5, rule=SIMULATIONS["real"]["smoke"])

VARIANT = ["chrom", "pos", "ref", "alt"]


@pytest.fixture(scope="module")
def loci(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of ``LOCI``."""
    return LOCI.write(tmp_path_factory.mktemp("finemapping") / "loci")


def test_loci_are_those_of_the_design_with_numbers_that_no_simulation_has(loci: Path) -> None:
    truth = pd.read_parquet(loci / "truth" / "variants.parquet")
    assert sorted(truth["locus"].unique()) == list(range(FIRST, FIRST + 20))
    assert all(one.genealogies < FIRST for one in SIMULATIONS["real"].values())
    number = FIRST + 7
    own = truth[truth["locus"] == number]
    drawn = draw_locus(
        LOCI.rule, LOCI.studies(), genealogies.simulate(LOCI.rule, number), number
    )  # z of other studies are drawn behind those of these
    assert own["pos"].tolist() == (2 * LOCI.rule.length + drawn.sites.positions + 1).tolist()
    assert (own["chrom"] == "2").all()
    assert own["causal"].tolist() == drawn.locus.causal.tolist()
    lines = (loci / "genome.fa").read_text().split(">")[2].split("\n", 1)[1].replace("\n", "")
    assert "".join(lines[pos - 1] for pos in own["pos"]) == "".join(own["ref"])
    assert len(lines) == LOCI.simulation.contig_length
    assert set(own["ref"]) <= set(BASES)


def test_ld_in_sample_is_that_of_the_statistics(loci: Path) -> None:
    """z of neighbours in LD agree; genotypes of the other sample are of other people at the same variants."""
    truth = pd.read_parquet(loci / "truth" / "variants.parquet")
    own, other = (open_bed(loci / "genotypes" / f"{name}.bed") for name in ("in", "out"))
    assert own.sid.tolist() == other.sid.tolist() == truth["id"].tolist()
    assert own.iid_count == 400
    assert other.iid_count == 200
    dosages = own.read(dtype="int8").T
    assert dosages.mean(axis=1) / 2 == pytest.approx(truth["af_CEU"].to_numpy())
    study = pd.read_csv(loci / "summary_statistics" / "T1S01.tsv.gz", sep="\t").set_index("variant_id")
    z = (study["beta"] / study["standard_error"]).reindex(truth["id"]).to_numpy()
    rows = np.flatnonzero((truth["locus"] == FIRST).to_numpy() & np.isfinite(z))
    r = correlations(standardised(dosages[rows]))
    first, second = np.nonzero(np.triu(r > 1 - 1e-9, 1))
    assert len(first)
    assert z[rows][first] == pytest.approx(z[rows][second], abs=0.05)


def test_loci_do_not_depend_on_who_draws_them(loci: Path, tmp_path: Path) -> None:
    few = TestLoci(contigs=3, of_contig=5, rule=LOCI.rule).write(tmp_path / "few")
    own, other = (pd.read_parquet(folder / "truth" / "variants.parquet") for folder in (loci, few))
    columns = [*VARIANT, "effect_1", "score_optimal", "af_CEU_reference"]
    pd.testing.assert_frame_equal(own.loc[: len(other) - 1, columns], other[columns])


def arm(pips: list[list[float]], sets: list[tuple[int, int, bool]]) -> Arm:
    """Loci of three variants, of which the first is causal; in the third locus none of the study's is."""
    rows = [
        ("T1S01", locus, pip, place == 0 and locus != 2, locus != 2)
        for locus, own in enumerate(pips)
        for place, pip in enumerate(own)
    ]
    columns = ["study", "locus", "pip", "causal", "tested"]
    variants = pd.DataFrame(rows, columns=columns)
    table = pd.DataFrame(
        [("T1S01", locus, size, 0.9, covered, locus != 2) for locus, size, covered in sets],
        columns=["study", "locus", "size", "purity", "covered", "tested"],
    )
    return Arm(variants, table)


def test_measures_by_hand() -> None:
    flat = arm(
        [[0.96, 0.0, 0.0], [0.5, 0.3, 0.2], [0.97, 0.0, 0.0], [0.3, 0.99, 0.0], [0.6, 0.0, 0.0], [0.2] * 3],
        [(0, 1, True), (1, 3, True), (2, 1, False), (3, 1, False), (4, 2, True), (5, 3, True)],
    )
    prior = arm(
        [[0.99, 0.0, 0.0], [0.98, 0.0, 0.0], [0.5, 0.5, 0.0], [0.97, 0.9, 0.0], [0.6, 0.0, 0.0], [0.2] * 3],
        [(0, 1, True), (1, 1, True), (2, 2, False), (3, 2, True), (4, 2, True), (5, 3, True)],
    )
    table = Measures(np.arange(6), {"flat": flat, "score": prior}).table()
    table = table.set_index(["arm", "loci", "measure"])
    value = table["value"]
    assert value["flat", "all", "true"] == 1
    assert value["flat", "all", "false"] == 2
    assert value["flat", "tested", "fdr"] == 0.5
    assert value["flat", "all", "power"] == pytest.approx(1 / 5)
    assert value["flat", "all", "coverage"] == pytest.approx(4 / 6)
    assert value["flat", "tested", "size"] == pytest.approx(10 / 5)
    assert value["flat", "tested", "single"] == pytest.approx(2 / 5)
    assert value["flat", "all", "median_size"] == 1
    # Its highest PIP is a false one, so that no threshold has an FDR of 0.05.
    assert value["flat", "tested", "power_at_fdr_0.05"] == 0
    assert value["score", "tested", "true"] == 3
    assert value["score", "tested", "power_at_fdr_0.05"] == pytest.approx(3 / 5)
    assert value["score", "tested", "median_size"] == 2
    assert table["over_flat"]["score", "tested", "true"] == 3
    assert table["over_flat"]["score", "tested", "size"] == pytest.approx(9 / 10)
    ratio = table.loc[("flat", "all", "coverage")]
    assert ratio["over_flat"] == 1
    assert ratio["low"] < 4 / 6 < ratio["high"]


def test_bins_of_pips_have_their_fractions() -> None:
    pips = [[0.95, 0.05, 0.0]] * 6
    one = arm(pips, [(0, 1, True)])
    table = Measures(np.arange(6), {"flat": one}).calibration()
    last = table[(table["loci"] == "all") & (table["bin_low"] == 0.9)].iloc[0]
    assert last["count"] == 6
    assert last["observed"] == pytest.approx(5 / 6)
    tested = table[(table["loci"] == "tested") & (table["bin_low"] == 0.9)].iloc[0]
    assert tested["observed"] == 1


def test_a_locus_is_tested_where_the_study_has_all_that_acts() -> None:
    truth = pd.DataFrame(
        {
            "locus": [5, 5, 6, 6], "effect_1": [0.1, 0.2, 0.0, 0.3], "hidden_1": [0, 0, 0.2, 0.2],
            "effect_2": [0.0, 0.4, 0.0, 0.0], "hidden_2": [0.0] * 4,
        }
    )  # fmt: skip
    one_set = CredibleSet(0, np.array([0]), 0.97, 1.0, 1.0, 1.0)

    def mapped(study: str, locus: int, *variants: int) -> Mapped:
        none = np.empty(0)
        fit = LocusFit(
            0, "fine-mapped", "", none.astype(bool), np.full(len(variants), 0.5), none, none, none,
            (one_set,), True, none, none.astype(object),
        )  # fmt: skip
        return Mapped(study, locus, "1", np.array(variants), fit)

    loci = [
        mapped("T1S01", 5, 0, 1), mapped("T1S01", 5, 0), mapped("T1S01", 6, 3), mapped("T2S01", 5, 0, 1),
        mapped("T2S01", 5, 0),
    ]  # fmt: skip
    found = arm_of(loci, truth)
    assert found.sets["tested"].tolist() == [True, False, False, True, False]
    assert found.sets["covered"].tolist() == [True, True, True, False, False]
    assert found.variants["causal"].tolist() == [True, True, True, True, False, True, False]
    assert found.variants["locus"].tolist() == [5, 5, 5, 6, 5, 5, 5]


@pytest.mark.parametrize(("genotypes", "in_sample"), [("in", True), ("out", False)])
def test_fits_are_those_of_the_command(loci: Path, tmp_path: Path, genotypes: str, in_sample: bool) -> None:
    truth = pd.read_parquet(loci / "truth" / "variants.parquet")
    scores = truth[VARIANT].assign(score=truth["score_reference"])
    scores.to_csv(tmp_path / "scores.tsv", sep="\t", index=False)
    FinemapRun(
        tmp_path / "out",
        studies=tuple(
            StudySource(path, name=path.name[:5])
            for path in sorted((loci / "summary_statistics").glob("*.gz"))
        ),
        genotypes=(loci / "genotypes" / f"{genotypes}.bed",),
        ld_sample="in" if in_sample else "out",
        loci=LocusRule(loci / "ld_blocks.txt", "EUR"),
        scores=ScoreTable(tmp_path / "scores.tsv", ("score",)),
        processes=1,
    ).run()
    table = pd.read_csv(tmp_path / "out" / "variants.tsv.gz", sep="\t").set_index(["study", "id"])
    own = StudyLoci(loci, truth, genotypes, in_sample, 1)
    flat = own.flat()
    mapped, prior = own.with_prior(flat, truth["score_reference"].to_numpy())
    assert sum(len(one.variants) for one in flat) == len(table)
    assert not prior.whole.flat
    for before, after in zip(flat, mapped, strict=True):
        rows = table.loc[[(before.study, name) for name in truth["id"].iloc[before.variants]]]
        assert before.fit.pip == pytest.approx(rows["pip_flat"].to_numpy(), abs=1e-6)
        assert after.fit.pip == pytest.approx(rows["pip"].to_numpy(), abs=1e-6)


@pytest.mark.slow
def test_a_small_run_shows_what_the_rule_is_worth(loci: Path, tmp_path: Path) -> None:
    weights = Path(mifm_kipoi.network.__file__).with_name("embedded.safetensors")
    said: list[str] = []
    experiment = Experiment(loci, {"published": (weights,)}, tmp_path)
    lines = experiment.run(said.append)
    assert len(lines) == 6 + 2 + 2
    assert len(said) == 6 + 2 + 2
    table = pd.read_csv(tmp_path / "in-sample" / "measures.tsv", sep="\t")
    own = table[table["loci"] == "tested"]
    true = own[own["measure"] == "true"].set_index("arm")["value"]
    assert list(true.index) == [
        "flat", "published", "shuffled", "inverted", "oracle_reference", "oracle",
    ]  # fmt: skip
    assert true["oracle"] > true["flat"]
    size = own[own["measure"] == "size"].set_index("arm")["value"]
    assert size["oracle"] < size["flat"]
    scores = pd.read_csv(tmp_path / "scores" / "scores.tsv.gz", sep="\t")
    # Variants at the ends of contigs have no window.
    known = scores["published"].dropna()
    assert len(known) > len(scores) - 20
    assert np.sort(scores["shuffled"].dropna()) == pytest.approx(np.sort(known))
    assert (scores["inverted"] + scores["published"]).dropna().to_numpy() == pytest.approx(1)
    priors = pd.read_csv(tmp_path / "in-sample" / "prior.tsv", sep="\t")
    assert set(priors["prior"]) == set(true.index) - {"flat"}
    # Complete settings are not done again.
    assert experiment.run(said.append) == lines
    assert len(said) == 6 + 2 + 2


def test_weights_need_a_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["finemap", "--weights", "member.safetensors", "--out", str(tmp_path / "out")]) == 2
    assert "expected NAME=FILE" in capsys.readouterr().err
