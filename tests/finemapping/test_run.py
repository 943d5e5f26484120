"""``mifm finemap`` on a small study of known truth: its tables, other ways to them, and resuming."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.association.cohort import Selection
from mifm_kipoi.comparison.score_tables import ScoreTable
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.example import write_example
from mifm_kipoi.finemapping import records
from mifm_kipoi.finemapping import run as run_module
from mifm_kipoi.finemapping.fitting import Job, LocusFit, fit_locus
from mifm_kipoi.finemapping.loci import LocusRule
from mifm_kipoi.finemapping.matrices import MatrixSource
from mifm_kipoi.finemapping.records import LocusResult, Method
from mifm_kipoi.finemapping.run import MIN_LOG_BF, FinemapResult, FinemapRun
from mifm_kipoi.finemapping.susie import SusieOptions, fit_individual, fit_single_effect, fit_summary
from mifm_kipoi.genetics.genotypes import open_genotypes
from mifm_kipoi.genetics.study_sources import StudySource
from mifm_kipoi.statistics.normal import log_p_of_z

OPTIONS = SusieOptions(min_log_bf=MIN_LOG_BF)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's files."""
    folder = tmp_path_factory.mktemp("example") / "study"
    write_example(folder)
    return folder


def _run(study: Path, folder: Path, **options: object) -> FinemapRun:
    base = FinemapRun(
        folder,
        studies=tuple(StudySource(study / f"gwas/{name}.tsv.gz") for name in ("q1", "q2", "b1")),
        genotypes=(study / "genotypes/discovery.bed",),
        ld_sample="in",
        loci=LocusRule(blocks=study / "ld_blocks.txt", population="EUR"),
        scores=ScoreTable(study / "truth.tsv.gz", ("score_reference",)),
        processes=1,
        pages=0,
    )
    return dataclasses.replace(base, **options)  # type: ignore[arg-type] # options of the test


@pytest.fixture(scope="module")
def informed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> FinemapResult:
    """Three studies with LD of their people, and a score that knows the rule."""
    return _run(study, tmp_path_factory.mktemp("informed")).run()


@pytest.fixture(scope="module")
def loci(informed: FinemapResult) -> list[LocusResult]:
    """Its loci."""
    return list(records.loci_of(informed.folder))


def _variants(result: FinemapResult) -> pd.DataFrame:
    return pd.concat([one.variants for one in records.loci_of(result.folder)], ignore_index=True)


def _dosages(study: Path, locus: LocusResult) -> np.ndarray:
    """Copies of ALT of its variants, by a reading of the genotypes that is not the command's."""
    genotypes = open_genotypes([study / "genotypes/discovery.bed"])
    blocks = list(genotypes.blocks())
    variants = pd.concat([block.variants for block in blocks])
    dosages = np.concatenate([block.dosages for block in blocks]).astype(np.float64)
    own = locus.variants
    rows = []
    for chrom, pos, ref, alt in own[["chrom", "pos", "ref", "alt"]].itertuples(index=False):
        there = (variants["chrom"] == chrom) & (variants["pos"] == pos)
        alleles = variants["counted"].where(variants["counted"] == alt, variants["other"])
        there &= (alleles == alt) & variants["counted"].isin([ref, alt])
        [row] = np.flatnonzero(there.to_numpy())
        copies = dosages[row]
        rows.append(copies if variants["counted"].iloc[row] == alt else 2 - copies)
    return np.array(rows)


def test_pips_and_sets_are_those_of_susie_with_the_tables_weights(
    study: Path, loci: list[LocusResult]
) -> None:
    for locus in loci[:3]:
        rows = locus.variants
        r = np.corrcoef(_dosages(study, locus))
        n = float(rows["sample_size"].iloc[0])
        flat = fit_summary(rows["z"].to_numpy(), r, n, None, OPTIONS)
        np.testing.assert_allclose(rows["pip_flat"], flat.pip, atol=2e-6)
        fit = fit_summary(rows["z"].to_numpy(), r, n, rows["prior"].to_numpy(), OPTIONS)
        np.testing.assert_allclose(rows["pip"], fit.pip, atol=2e-6)
        own = locus.sets[locus.sets["prior"] == records.SCORE]
        names = records_names(rows)
        assert own["members"].tolist() == [",".join(names[one.members]) for one in fit.sets]
        np.testing.assert_allclose(own["min_abs_corr"], [one.min_abs_corr for one in fit.sets], atol=1e-6)
        lead = int(rows["p_value"].argmin())
        np.testing.assert_allclose(rows["r2"], r[lead] ** 2, atol=1e-6)


def records_names(rows: pd.DataFrame) -> np.ndarray:
    """``chrom:pos:ref:alt`` of rows."""
    texts = [rows[name].astype(str) for name in ("chrom", "pos", "ref", "alt")]
    return (texts[0] + ":" + texts[1] + ":" + texts[2] + ":" + texts[3]).to_numpy(object)


def test_pages_have_the_genes_and_cautions_of_the_run(
    study: Path, informed: FinemapResult, tmp_path: Path
) -> None:
    assert not (informed.folder / "index.html").exists()
    made = _run(study, tmp_path / "pages", pages=2, genes=study / "genes.gtf.gz").run()
    names = {str(path.relative_to(made.folder)) for path in made.files}
    assert {"index.html", "report.md", "figures/finemapping.png"} < names
    pages = sorted(name for name in names if name.startswith("loci/"))
    assert len(pages) == 2
    index = (made.folder / "index.html").read_text()
    assert all(f'href="{page}"' in index for page in pages)
    text = (made.folder / "report.md").read_text()
    assert all(caution in text for caution in made.cautions)
    assert len(made.cautions) == len(set(made.cautions)) > 0
    # The tables do not depend on pages.
    pd.testing.assert_frame_equal(_variants(made), _variants(informed))


Q1 = ("q1",)


def _of(study: Path, folder: Path, *names: str, **options: object) -> FinemapRun:
    """A run of some of the studies with a flat prior, on some blocks."""
    sources = tuple(StudySource(study / f"gwas/{name}.tsv.gz") for name in names)
    rule = LocusRule(regions=("5:1-40000", "6:1-40000"))
    return _run(study, folder, **{"studies": sources, "scores": None, "loci": rule, **options})


def test_matrices_give_the_same_as_genotypes(study: Path, tmp_path: Path) -> None:
    by_genotypes = _of(study, tmp_path / "g", *Q1).run()
    sources = []
    for number, locus in enumerate(records.loci_of(by_genotypes.folder)):
        r, rows = np.corrcoef(_dosages(study, locus)), locus.variants
        # Half of the matrix, as PolyFun's, and copies of the other allele for every second variant.
        sign = np.where(np.arange(len(r)) % 2, -1.0, 1.0)
        np.savez(tmp_path / f"ld{number}.npz", R=np.tril(r * np.outer(sign, sign), -1) + 0.5 * np.eye(len(r)))
        pd.DataFrame(
            {
                "rsid": rows["id"], "chromosome": rows["chrom"], "position": rows["pos"],
                "allele1": rows["alt"].where(sign > 0, rows["ref"]),
                "allele2": rows["ref"].where(sign > 0, rows["alt"]),
            }
        ).to_csv(tmp_path / f"ld{number}.gz", sep="\t", index=False, compression="gzip")  # fmt: skip
        sources.append(MatrixSource(tmp_path / f"ld{number}.npz"))
    by_matrices = _of(study, tmp_path / "m", *Q1, genotypes=(), matrices=tuple(sources)).run()
    one, two = _variants(by_genotypes), _variants(by_matrices)
    assert one["pos"].tolist() == two["pos"].tolist()
    np.testing.assert_allclose(one["pip"], two["pip"], atol=1e-6)
    # Without loci, each matrix is one.
    alone = _of(study, tmp_path / "a", *Q1, genotypes=(), matrices=tuple(sources), loci=None).run()
    assert len(alone.tables.loci) == len(sources)


def test_people_give_the_same_as_susie_of_their_genotypes(study: Path, tmp_path: Path) -> None:
    selection = Selection(
        (study / "phenotypes.tsv", study / "covariates.tsv"), ("q1", "b1"), ("age", "PC1"), ("centre",)
    )
    result = _of(
        study, tmp_path / "p", studies=(), people=selection, loci=LocusRule(regions=("5:1-40000",))
    ).run()
    people = pd.read_csv(study / "phenotypes.tsv", sep="\t").merge(
        pd.read_csv(study / "covariates.tsv", sep="\t"), on="IID"
    )
    samples = open_genotypes([study / "genotypes/discovery.bed"]).samples["sample"]
    people = people.set_index("IID").loc[samples]
    named = people[["age", "PC1", "centre"]]
    covariates = pd.get_dummies(named, columns=["centre"], drop_first=True, dtype=float).to_numpy()
    for locus in records.loci_of(result.folder):
        dosages = _dosages(study, locus).T
        trait = people[locus.study].to_numpy(float)
        fit = fit_individual(dosages, trait, options=OPTIONS, covariates=covariates)
        np.testing.assert_allclose(locus.variants["pip"], fit.pip, atol=1e-6)
        design = np.column_stack([np.ones(len(trait)), covariates, dosages[:, 0]])
        beta = np.linalg.lstsq(design, trait, rcond=None)[0][-1]
        assert locus.variants["beta"].iloc[0] == pytest.approx(beta, rel=1e-6)
    assert {locus.study for locus in records.loci_of(result.folder)} == {"q1", "b1"}


def test_a_run_that_was_ended_goes_on_and_gives_the_same(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _run(study, tmp_path / "whole").run()
    fitted: list[int] = []

    def ends(job: Job, after: int) -> LocusFit:
        if len(fitted) == after:
            raise KeyboardInterrupt
        fitted.append(job.number)
        return fit_locus(job)

    with monkeypatch.context() as patched:
        # Once while the flat prior is fitted, once with the prior of the score.
        for after in (5, 35):
            patched.setattr(run_module, "fit_locus", lambda job, after=after: ends(job, after))
            with pytest.raises(KeyboardInterrupt):
                _run(study, tmp_path / "ended").run()
        assert not (tmp_path / "ended" / records.MANIFEST).exists()
        for other in (
            _run(study, tmp_path / "ended", susie=dataclasses.replace(OPTIONS, effects=3)),
            _run(study, tmp_path / "ended", loci=LocusRule(regions=("5:1-40000",))),
        ):
            with pytest.raises(InputError, match=r"unfinished run of other inputs or options: .*"):
                other.run()
        patched.setattr(run_module, "fit_locus", lambda job: ends(job, 10_000))
        _run(study, tmp_path / "ended").run()
    loci = len(whole.tables.loci)
    assert len(fitted) == 2 * loci
    for name in (records.VARIANTS, records.SETS, records.LOCI, records.PRIOR):
        one, two = tmp_path / "whole" / name, tmp_path / "ended" / name
        opened = gzip.decompress if name.endswith(".gz") else bytes
        assert opened(one.read_bytes()) == opened(two.read_bytes())
    assert not (tmp_path / "ended/work").exists()


def test_two_processes_give_the_same_as_one(study: Path, tmp_path: Path) -> None:
    one = _of(study, tmp_path / "one", *Q1).run()
    two = _of(study, tmp_path / "two", *Q1, processes=2).run()
    pd.testing.assert_frame_equal(_variants(one), _variants(two))


def test_one_effect_without_ld_and_with_that_of_others(study: Path, tmp_path: Path) -> None:
    none = _of(study, tmp_path / "none", *Q1, genotypes=(), ld_sample="out").run()
    [source] = _of(study, tmp_path / "x", *Q1).studies
    log_bf = {
        (chrom, pos): value
        for rows in source.table().batches()
        for chrom, pos, value in zip(rows.chrom, rows.pos, rows.log_bf, strict=True)
    }
    for locus in records.loci_of(none.folder):
        own = np.array(
            [log_bf[key] for key in zip(locus.variants["chrom"], locus.variants["pos"], strict=True)]
        )
        expected = fit_single_effect(own, None, OPTIONS)
        np.testing.assert_allclose(locus.variants["pip"], expected.pip, atol=1e-9)
    # Variants that the other people lack count, too.
    panel = _without(study, tmp_path, "5:28407")
    others = _of(study, tmp_path / "others", *Q1, genotypes=(panel,), ld_sample="out").run()
    [first, _] = records.loci_of(others.folder)
    row = first.variants[first.variants["pos"] == 28407].iloc[0]
    assert row["pip"] > 0.99
    assert np.isnan(row["r2"])
    assert first.sets["min_abs_corr"].tolist() == [1.0]
    # Several effects need its LD, and its absence is said.
    inside = _of(study, tmp_path / "inside", *Q1, genotypes=(panel,)).run()
    assert "5:28407:" in inside.tables.loci["suspicious"].iloc[0]
    assert any("lowest p-values is left out" in text for text in inside.cautions)


def _without(study: Path, folder: Path, place: str) -> Path:
    """The genotypes without a variant."""
    stem = folder / "panel"
    bim = (study / "genotypes/discovery.bim").read_text().splitlines(keepends=True)
    [row] = [
        number for number, line in enumerate(bim)
        if f"{line.split()[0]}:{line.split()[3]}" == place
    ]  # fmt: skip
    people = (study / "genotypes/discovery.fam").read_text()
    size = (len(people.splitlines()) + 3) // 4
    bed = (study / "genotypes/discovery.bed").read_bytes()
    stem.with_suffix(".bim").write_text("".join(bim[:row] + bim[row + 1 :]))
    stem.with_suffix(".fam").write_text(people)
    stem.with_suffix(".bed").write_bytes(bed[: 3 + row * size] + bed[3 + (row + 1) * size :])
    return stem.with_suffix(".bed")


def _changed(study: Path, folder: Path, **changes: object) -> StudySource:
    """q1 with other columns."""
    table = pd.read_csv(study / "gwas/q1.tsv.gz", sep="\t")
    path = folder / "changed.tsv"
    table.assign(**changes).to_csv(path, sep="\t", index=False)
    return StudySource(path)


def test_a_z_of_the_other_allele_is_left_out() -> None:
    size = 80
    r = 0.9 ** np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    z = np.linalg.cholesky(r) @ np.random.default_rng(2).standard_normal(size) + 9 * r[40]
    job = Job(
        0, Method.SUMMARY, z, np.full(size, np.nan), log_p_of_z(z), 20_000.0, np.ones(size, dtype=bool), r,
        None, None, OPTIONS, True,
    )  # fmt: skip
    flipped = z.copy()
    flipped[43] *= -1
    right, found = fit_locus(job), fit_locus(dataclasses.replace(job, z=flipped))
    assert right.kept.all()
    assert (found.flipped, np.flatnonzero(~found.kept).tolist()) == (1, [43])
    np.testing.assert_allclose(found.pip, np.delete(right.pip, 43), atol=0.05)
    # One effect is fitted to all, with a mark.
    one = fit_locus(dataclasses.replace(job, z=flipped, method=Method.ONE_EFFECT))
    assert one.kept.all()
    assert one.outlier[43] != ""


def test_ld_of_other_variants_is_refused(study: Path, tmp_path: Path) -> None:
    table = pd.read_csv(study / "gwas/q1.tsv.gz", sep="\t")
    here = (table["chromosome"] == 5) & (table["base_pair_location"] <= 40000)
    beta = table["beta"].to_numpy().copy()
    beta[here] = np.random.default_rng(1).permutation(6 * beta[here])
    strange = _changed(study, tmp_path, beta=beta).path
    wrong = pd.read_csv(strange, sep="\t").drop(columns="p_value")
    wrong.to_csv(strange, sep="\t", index=False)
    refused = _of(
        study, tmp_path / "w", studies=(StudySource(strange),), loci=LocusRule(regions=("5:1-40000",))
    )
    loci = refused.run().tables.loci
    assert loci["status"].tolist() == [records.REFUSED]
    assert "z do not fit LD" in loci["reason"].iloc[0]


def test_what_cannot_be_fine_mapped_ends_with_a_reason(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no variant in the 1 loci"):
        _of(study, tmp_path / "a", *Q1, loci=LocusRule(regions=("5:900000-990000",))).run()
    with pytest.raises(InputError, match=r"p up to 1e-300 in the studies"):
        _of(study, tmp_path / "b", *Q1, loci=LocusRule(lead_p_value=1e-300)).run()
    with pytest.raises(InputError, match=r"both have the study q1"):
        _of(study, tmp_path / "c", "q1", "q1").run()
    with pytest.raises(OptionError, match=r"LD blocks of several populations"):
        _of(study, tmp_path / "d", *Q1, loci=LocusRule(blocks=study / "ld_blocks.txt")).run()
    with pytest.raises(OptionError, match=r"and not both"):
        _of(study, tmp_path / "e").run()
    with pytest.raises(OptionError, match=r"the LD sample is 'mine'; expected in or out"):
        _of(study, tmp_path / "f", *Q1, ld_sample="mine").run()
    with pytest.raises(OptionError, match=r"\(--ld-sample in\), and no LD is given"):
        _of(study, tmp_path / "f", *Q1, genotypes=()).run()
    few = _of(study, tmp_path / "g", *Q1, most_variants=10).run()
    assert few.tables.loci["reason"].str.contains("more than 10, the most").all()
    # An error before anything is fitted does not stand in the way of the next run.
    assert len(_of(study, tmp_path / "d", *Q1).run().tables.loci) == 2


def test_priors_are_of_other_chromosomes_and_shared_or_not(
    informed: FinemapResult, study: Path, tmp_path: Path
) -> None:
    together = informed.tables.prior
    assert set(together["study"]) == {"all"}
    assert {"score_reference", "null"} <= set(together["feature"])
    rows = together[(together["feature"] == "score_reference") & (together["reason"] == "fitted")]
    assert (rows["coefficient"] > 0).all()
    each = _run(study, tmp_path / "each", prior="each").run().tables.prior
    assert set(each["study"]) == {"q1", "q2", "b1"}
    manifest = json.loads((informed.folder / records.MANIFEST).read_text())
    assert manifest["scores"]["column"] == "score_reference"
    weights = _variants(informed).groupby(["study", "locus"])["prior"].sum()
    np.testing.assert_allclose(weights, 1.0, atol=1e-6)


def test_signals_of_a_table_of_credible_sets_are_loci(study: Path, tmp_path: Path) -> None:
    source = StudySource(study / "credible_sets.txt.gz", studies=("q1",), meta=study / "meta.txt")
    result = _of(study, tmp_path / "c", studies=(source,), genotypes=(), ld_sample="out", loci=None).run()
    table = pd.read_csv(study / "credible_sets.txt.gz", sep="\t")
    own = table[table["meta_id"] == "q1"]
    assert len(result.tables.loci) == len(own.groupby(["block_id", "primary", "lead_snp"]))
    assert result.tables.loci["variants"].sum() == len(own)
