"""``mifm pgs score`` equals ``plink2 --score`` and ``plink1.9 --score`` to the six digits that they print."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed, to_bed

from mifm_kipoi.polygenic.application import PgsScoreRun
from mifm_kipoi.polygenic.scoring_files import write_scoring_file
from tests.genetics.filesets import write_bed

needs_plink = pytest.mark.skipif(
    shutil.which("plink2") is None or shutil.which("plink1.9") is None,
    reason="plink2 or plink1.9 is not installed",
)


def run(program: str, folder: Path, *arguments: object) -> None:
    command = [program, *map(str, arguments), "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def plink_scores(program: str, folder: Path, genotypes: list[str], file: Path, *modifiers: str) -> list[str]:
    """The sums of one score as they are printed."""
    sums = ["cols=+scoresums"] if program == "plink2" else ["sum"]
    run(program, folder, *genotypes, "--score", file, 1, 2, 3, "header", *sums, *modifiers)
    if program == "plink2":
        return pd.read_csv(folder / "out.sscore", sep="\t", dtype=str).iloc[:, -1].tolist()
    return pd.read_csv(folder / "out.profile", sep=r"\s+", dtype=str)["SCORESUM"].tolist()


def assert_printed(values: pd.Series, printed: list[str]) -> None:
    """Each number, rounded to six digits, is the one that is printed."""
    assert len(values) == len(printed)
    for value, text in zip(values, printed, strict=True):
        shown = float(text)
        unit = 10.0 ** (math.floor(math.log10(abs(shown))) - 5) if shown else 1e-6
        assert abs(value - shown) <= 0.5001 * unit, (value, text)


def applied(folder: Path, scores: list[Path], genotypes: list[str | Path], **options: object) -> pd.DataFrame:
    PgsScoreRun(
        tuple(map(Path, genotypes)), folder / "scored", tuple(scores), ambiguous="keep", **options
    ).run()  # type: ignore[arg-type]
    return pd.read_csv(folder / "scored" / "sample_scores.tsv.gz", sep="\t")


def make_scores(folder: Path, bim: pd.DataFrame, seed: int) -> list[Path]:
    """Three scores of a fileset's variants, by either allele, as the catalog's files and as PLINK's lists."""
    rng = np.random.default_rng(seed)
    paths = []
    for number in range(3):
        some = bim[rng.random(len(bim)) < (0.9, 0.3, 0.02)[number]]
        first = rng.random(len(some)) < 0.5
        rows = pd.DataFrame({
            "chrom": some["chrom"].to_numpy(), "pos": some["pos"].to_numpy(), "id": some["id"].to_numpy(),
            "effect_allele": np.where(first, some["allele1"], some["allele2"]),
            "other_allele": np.where(first, some["allele2"], some["allele1"]),
            "weight": rng.normal(size=len(some)) * 10.0 ** rng.integers(-6, 2, len(some)),
        })  # fmt: skip
        path = folder / f"score{number}.txt.gz"
        write_scoring_file(path, rows, name=f"score{number}", trait="t", build="GRCh37")
        rows[["id", "effect_allele", "weight"]].to_csv(folder / f"score{number}.list", sep="\t", index=False)
        paths.append(path)
    return paths


def read_bim(prefix: str) -> pd.DataFrame:
    names = ["chrom", "id", "morgans", "pos", "allele1", "allele2"]
    return pd.read_csv(f"{prefix}.bim", sep=r"\s+", names=names, dtype={"chrom": str})


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, reference_data: Path) -> tuple[Path, str, list[Path]]:
    """Real genotypes of which 3 % are missing and some people have parents, and three scores."""
    folder = tmp_path_factory.mktemp("real")
    source = reference_data / "data" / "genotypes" / "eur1000G_subset" / "1000G.subset.1"
    rng = np.random.default_rng(1)
    with open_bed(f"{source}.bed") as bed:
        genotypes = bed.read(dtype="float32")
        properties = {name: value for name, value in bed.properties.items() if value is not None}
    genotypes[rng.random(genotypes.shape) < 0.03] = np.nan
    father = np.where(np.arange(len(genotypes)) % 10 == 3, properties["iid"][0], "0")
    to_bed(folder / "g.bed", genotypes, properties=properties | {"father": father})
    prefix = str(folder / "g")
    return folder, prefix, make_scores(folder, read_bim(prefix), 2)


@pytest.mark.reference
@needs_plink
@pytest.mark.parametrize("missing", ["mean", "zero"])
def test_real_genotypes_of_which_some_are_missing(
    real: tuple[Path, str, list[Path]], tmp_path: Path, missing: str
) -> None:
    folder, prefix, paths = real
    scores = applied(tmp_path, paths, [f"{prefix}.bed"], missing=missing)
    modifiers = ["no-mean-imputation"] if missing == "zero" else []
    for number in range(3):
        values, weights = scores[f"score{number}"], folder / f"score{number}.list"
        assert_printed(values, plink_scores("plink2", tmp_path, ["--bfile", prefix], weights, *modifiers))
        if missing == "mean":
            assert_printed(values, plink_scores("plink1.9", tmp_path, ["--bfile", prefix], weights))
            continue
        # Without imputation PLINK 1.9 prints the mean over the alleles that are not missing.
        run("plink1.9", tmp_path, "--bfile", prefix, "--score", weights, 1, 2, 3, "header", *modifiers)
        table = pd.read_csv(tmp_path / "out.profile", sep=r"\s+", dtype={"SCORE": str})
        assert_printed(values / table["CNT"], table["SCORE"].tolist())


@pytest.mark.reference
@needs_plink
@pytest.mark.parametrize(
    ("program", "name", "column"), [("plink2", "out.afreq", "ALT_FREQS"), ("plink1.9", "out.frq", "MAF")]
)
def test_stated_frequencies(
    real: tuple[Path, str, list[Path]], tmp_path: Path, program: str, name: str, column: str
) -> None:
    folder, prefix, paths = real
    rng = np.random.default_rng(3)
    run(program, tmp_path, "--bfile", prefix, "--freq")
    table = pd.read_csv(tmp_path / name, sep=r"\s+")
    table[column] = rng.random(len(table)).round(4)
    table.to_csv(tmp_path / "other", sep="\t", index=False)
    scores = applied(tmp_path, paths, [prefix], frequencies=tmp_path / "other")
    for number in range(3):
        genotypes = ["--bfile", prefix, "--read-freq", "other"]
        printed = plink_scores(program, tmp_path, genotypes, folder / f"score{number}.list")
        assert_printed(scores[f"score{number}"], printed)


@pytest.mark.reference
@needs_plink
def test_every_format_gives_the_same(real: tuple[Path, str, list[Path]], tmp_path: Path) -> None:
    _, prefix, paths = real
    expected = applied(tmp_path, paths, [prefix])
    run("plink2", tmp_path, "--bfile", prefix, "--make-pgen")
    run("plink2", tmp_path, "--bfile", prefix, "--export", "vcf-4.2", "bgz", "id-paste=iid")
    run("plink2", tmp_path, "--bfile", prefix, "--export", "bcf", "id-paste=iid")
    for name in ("out.pgen", "out.vcf.gz", "out.bcf"):
        found = applied(tmp_path, paths, [tmp_path / name])
        assert found["sample"].tolist() == expected["sample"].tolist()
        # VCF has no parents: founders, whose frequencies impute, are others.
        tolerance = 1e-12 if name == "out.pgen" else 0.02 * expected["score0"].std()
        np.testing.assert_allclose(found["score0"], expected["score0"], rtol=0, atol=tolerance)


@pytest.mark.reference
@needs_plink
def test_summary_statistics_and_real_genotypes(tmp_path: Path, reference_data: Path) -> None:
    """All 17,999 variants of five filesets, weighted by the effects of a study."""
    source = reference_data / "data" / "genotypes" / "eur1000G_subset"
    prefixes = [str(source / f"1000G.subset.{chrom}") for chrom in (1, 2, 20, 21, 22)]
    table = pd.read_csv(source / "bolt.sumstats.txt.gz", sep="\t", dtype={"CHR": str})
    studies = []
    for chrom in ("1", "2", "20", "21", "22"):
        studies.append(tmp_path / f"bolt.{chrom}.txt")
        table[table["CHR"] == chrom].to_csv(studies[-1], sep="\t", index=False)
    scores = applied(tmp_path, studies, prefixes)
    matching = pd.read_csv(tmp_path / "scored" / "matching.tsv", sep="\t")
    assert matching["matched"].sum() == 17_999
    for prefix, study in zip(prefixes, studies, strict=True):
        # PLINK finds variants by name; 33 have another one in the study.
        both = read_bim(prefix).merge(table, left_on=["chrom", "pos"], right_on=["CHR", "BP"])
        both[["id", "ALLELE1", "BETA"]].to_csv(tmp_path / "list", sep="\t", index=False)
        for program in ("plink2", "plink1.9"):
            printed = plink_scores(program, tmp_path, ["--bfile", prefix], tmp_path / "list")
            assert_printed(scores[study.stem], printed)


@needs_plink
@pytest.mark.parametrize("kind", ["dominant", "recessive"])
def test_dominant_and_recessive_effects(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(4)
    genotypes = rng.integers(0, 3, (60, 8)).astype("float32")
    prefix = write_bed(tmp_path / "g", genotypes, range(1, 9))
    effect = ["A", "C"] * 4
    names = [f"s{row}" for row in range(8)]
    (tmp_path / "list").write_text(
        "id\tallele\tw\n"
        + "".join(
            f"{name}\t{allele}\t{row + 0.5}\n"
            for row, (name, allele) in enumerate(zip(names, effect, strict=True))
        )
    )
    (tmp_path / "score.txt").write_text(
        f"rsID\teffect_allele\teffect_weight\tis_{kind}\n"
        + "".join(
            f"{name}\t{allele}\t{row + 0.5}\tTrue\n"
            for row, (name, allele) in enumerate(zip(names, effect, strict=True))
        )
    )
    scores = applied(tmp_path, [tmp_path / "score.txt"], [prefix])
    printed = plink_scores("plink2", tmp_path, ["--bfile", prefix], tmp_path / "list", kind)
    assert_printed(scores["score"], printed)


@needs_plink
def test_dosages_and_the_x_chromosome(tmp_path: Path) -> None:
    """Imputed dosages, and X with males, whose one copy counts as two, as in plink2's default model."""
    rng = np.random.default_rng(5)
    samples = [f"i{row}" for row in range(60)]
    sexes = ["1" if row % 2 else "2" for row in range(60)]
    lines = [
        "##fileformat=VCFv4.3",
        "##contig=<ID=1>",
        "##contig=<ID=X>",
        '##FORMAT=<ID=DS,Number=A,Type=Float,Description="d">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">',
    ]
    lines.append(
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples])
    )
    for row in range(6):
        dosages = [f"{value:.3f}" for value in rng.uniform(0, 2, 60)]
        lines.append("\t".join(["1", str(row + 1), f"a{row}", "A", "G", ".", ".", ".", "DS", *dosages]))
    for row in range(6):
        calls = [
            str(rng.integers(0, 2)) if sex == "1" else f"{rng.integers(0, 2)}/{rng.integers(0, 2)}"
            for sex in sexes
        ]
        calls = [
            "." if rng.random() < 0.1 and sex == "1" else call for call, sex in zip(calls, sexes, strict=True)
        ]
        lines.append("\t".join(["X", str(5_000_000 + row), f"x{row}", "A", "G", ".", ".", ".", "GT", *calls]))
    (tmp_path / "g.vcf").write_text("\n".join(lines) + "\n")
    (tmp_path / "sex.txt").write_text(
        "#IID\tSEX\n" + "".join(f"{name}\t{sex}\n" for name, sex in zip(samples, sexes, strict=True))
    )
    run(
        "plink2",
        tmp_path,
        "--vcf",
        "g.vcf",
        "dosage=DS",
        "--update-sex",
        "sex.txt",
        "--split-par",
        "b37",
        "--make-pgen",
    )
    for suffix in ("pgen", "pvar", "psam"):
        (tmp_path / f"out.{suffix}").rename(tmp_path / f"p.{suffix}")
    names = [f"{kind}{row}" for kind in "ax" for row in range(6)]
    text = "id\tallele\tw\n" + "".join(
        f"{name}\t{'AG'[row % 2]}\t{row + 0.25}\n" for row, name in enumerate(names)
    )
    (tmp_path / "list").write_text(text)
    (tmp_path / "score.txt").write_text(text.replace("id\tallele\tw", "rsid\teffect_allele\tweight"))
    scores = applied(tmp_path, [tmp_path / "score.txt"], [tmp_path / "p.pgen"])
    printed = plink_scores("plink2", tmp_path, ["--pfile", "p"], tmp_path / "list")
    assert_printed(scores["score"], printed)
