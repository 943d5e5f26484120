"""``mifm finemap`` on a small study of known truth: its tables, other ways to them, and resuming."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.comparison.score_tables import ScoreTable
from mifm_kipoi.example import write_example
from mifm_kipoi.finemapping import records
from mifm_kipoi.finemapping.loci import LocusRule
from mifm_kipoi.finemapping.records import LocusResult
from mifm_kipoi.finemapping.run import MIN_LOG_BF, FinemapResult, FinemapRun
from mifm_kipoi.finemapping.susie import SusieOptions, fit_summary
from mifm_kipoi.genetics.genotypes import open_genotypes
from mifm_kipoi.genetics.study_sources import StudySource

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
