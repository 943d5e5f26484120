"""``mifm pgs score``: what becomes of files that fit, fit in part, or do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.polygenic.application import PgsScoreResult, PgsScoreRun
from tests.genetics.filesets import write_bed

PEOPLE = 12
GENOTYPES = np.random.default_rng(1).integers(0, 3, (PEOPLE, 6)).astype("float32")
POS = (1000, 2000, 3000, 4000, 5000, 6000)
ALLELES = {"allele_1": ["A", "A", "C", "G", "A", "C"], "allele_2": ["G", "C", "T", "T", "T", "G"]}
"""The last two are A/T and C/G."""

HEADER = "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight"
ROWS = [
    "s0\t1\t1000\tA\tG\t0.5",
    "s1\t1\t2000\tC\tA\t-1",
    "s2\t1\t3000\tC\tT\t0.25",
    "s3\t1\t4000\tT\tG\t2",
]


@pytest.fixture
def genotypes(tmp_path: Path) -> str:
    return write_bed(tmp_path / "g", GENOTYPES, POS, **ALLELES)


def write(path: Path, rows: list[str], build: str = "", header: str = HEADER) -> Path:
    path.write_text("\n".join([*([f"#genome_build={build}"] if build else []), header, *rows]) + "\n")
    return path


def score(
    tmp_path: Path, genotypes: str, *files: Path, **options: object
) -> tuple[PgsScoreResult, pd.DataFrame]:
    result = PgsScoreRun((Path(genotypes),), tmp_path / "out", tuple(files), **options).run()  # type: ignore[arg-type]
    return result, pd.read_csv(tmp_path / "out" / "sample_scores.tsv.gz", sep="\t")


def expected(weights: dict[int, float]) -> np.ndarray:
    """Sum of weights times copies of allele 1, by the variant; a negative number ``~v`` is allele 2 of v."""
    copies = {row: GENOTYPES[:, row] if row >= 0 else 2 - GENOTYPES[:, ~row] for row in weights}
    return sum(weight * copies[row] for row, weight in weights.items())  # type: ignore[return-value]


def test_scores_of_people(tmp_path: Path, genotypes: str) -> None:
    path = write(tmp_path / "score.txt", ROWS)
    result, people = score(tmp_path, genotypes, path)
    assert people.columns.tolist() == ["family", "sample", "score"]
    assert people["sample"].tolist() == [f"i{row}" for row in range(PEOPLE)]
    np.testing.assert_allclose(people["score"], expected({0: 0.5, ~1: -1, 2: 0.25, ~3: 2}), atol=1e-12)
    (row,) = result.matching.to_dict("records")
    assert (row["status"], row["rows"], row["matched"], row["effect_allele_counted"]) == ("ok", 4, 4, 2)
    variants = pd.read_csv(tmp_path / "out" / "variants.tsv.gz", sep="\t")
    assert variants["line"].tolist() == [2, 3, 4, 5]
    assert variants["counts"].tolist() == ["effect_allele", "other_allele", "effect_allele", "other_allele"]
    np.testing.assert_allclose(variants["frequency"], [
        expected({row: 0.5}).mean() for row in (0, ~1, 2, ~3)
    ], atol=6e-7)  # fmt: skip
    manifest = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert manifest["genotypes"]["people"] == PEOPLE
    assert [file["name"] for file in manifest["genotypes"]["files"]] == ["g.bed", "g.bim", "g.fam"]
    assert manifest["scores"]["score"]["file"]["name"] == "score.txt"
    assert result.files[-1].name == "scores.json"
    assert "4 of 4 variants matched" in result.summary[1]
    assert not result.cautions


def test_alleles_in_the_other_order_with_the_opposite_weight_shift_the_score_alone(
    tmp_path: Path, genotypes: str
) -> None:
    there = write(tmp_path / "there.txt", ROWS)
    exchanged = [row.split("\t") for row in ROWS]
    back = write(
        tmp_path / "back.txt",
        ["\t".join([*row[:3], row[4], row[3], str(-float(row[5]))]) for row in exchanged],
    )
    _, people = score(tmp_path, genotypes, there, back)
    difference = people["there"] - people["back"]
    np.testing.assert_allclose(difference, 2 * (0.5 - 1 + 0.25 + 2), atol=1e-12)


def test_exchanged_columns_are_seen_by_frequencies(tmp_path: Path) -> None:
    skewed = GENOTYPES.copy()
    skewed[:, :4] = np.minimum(skewed[:, :4], 1) * (np.arange(PEOPLE)[:, None] % 3 == 0)
    prefix = write_bed(tmp_path / "skewed", skewed, POS, **ALLELES)
    seen = skewed.mean(axis=0) / 2
    rows, exchanged = [], []
    for row in range(4):
        first, second = ALLELES["allele_1"][row], ALLELES["allele_2"][row]
        rows.append(f"s{row}\t1\t{POS[row]}\t{first}\t{second}\t1\t{seen[row]}")
        exchanged.append(f"s{row}\t1\t{POS[row]}\t{second}\t{first}\t1\t{seen[row]}")
    header = f"{HEADER}\tallelefrequency_effect"
    right = write(tmp_path / "right.txt", rows, header=header)
    wrong = write(tmp_path / "wrong.txt", exchanged, header=header)
    result, _ = score(tmp_path, prefix, right, wrong)
    (caution,) = result.cautions
    assert caution.startswith("wrong: most stated frequencies")


def test_the_other_strand_and_what_it_means_for_ambiguous_variants(tmp_path: Path, genotypes: str) -> None:
    ambiguous = ["s4\t1\t5000\tA\tT\t4", "s5\t1\t6000\tC\tG\t8"]
    same = write(tmp_path / "same.txt", [*ROWS[:2], *ambiguous])
    other = write(tmp_path / "other.txt", ["s0\t1\t1000\tT\tC\t0.5", "s1\t1\t2000\tG\tT\t-1", *ambiguous])
    alone = write(tmp_path / "alone.txt", ambiguous)
    result, people = score(tmp_path, genotypes, same, other, alone)
    with_them, without = expected({0: 0.5, ~1: -1, 4: 4, 5: 8}), expected({0: 0.5, ~1: -1})
    np.testing.assert_allclose(people["same"], with_them, atol=1e-12)
    np.testing.assert_allclose(people["other"], without, atol=1e-12)
    assert "alone" not in people
    table = result.matching.set_index("score")
    assert table["other_strand"].to_dict() == {"same": 0, "other": 2, "alone": 0}
    assert table["ambiguous"].to_dict() == {"same": 0, "other": 2, "alone": 2}
    assert table["ambiguous_kept"].to_dict() == {"same": 2, "other": 0, "alone": 0}
    assert any("4 A/T and C/G variants are left out" in caution for caution in result.cautions)
    _, kept = score(tmp_path, genotypes, same, other, alone, ambiguous="keep")
    np.testing.assert_allclose(kept["alone"], expected({4: 4, 5: 8}), atol=1e-12)
    np.testing.assert_allclose(kept["other"], with_them, atol=1e-12)
    _, dropped = score(tmp_path, genotypes, same, ambiguous="drop")
    np.testing.assert_allclose(dropped["same"], without, atol=1e-12)


def test_each_row_has_its_reason(tmp_path: Path, genotypes: str) -> None:
    columns = ["is_haplotype", "dosage_0_weight", "dosage_1_weight", "dosage_2_weight"]
    rows = [
        f"{ROWS[0]}\t\t\t\t",
        "s1\t1\t2000\tA\tG\t1\t\t\t\t",
        "x\t1\t2001\tA\tG\t1\t\t\t\t",
        "s2\t1\t3001\tC\tT\t1\t\t\t\t",
        "s3\t1\t4000\tT\tG\t\t\t0\t1\t1",
        "s3\t1\t4000\tT\tG\t\t\t\t\t",
        "HLA\t6\t1;2\tA;B\t\t1\tTrue\t\t\t",
        "\t\t\tA\tG\t1\t\t\t\t",
        "s0\t1\t1000\tG\tA\t1\t\t\t\t",
        "s0\t1\t1000\tD\tI\t1\t\t\t\t",
    ]
    path = write(tmp_path / "score.txt", rows, header="\t".join([HEADER, *columns]))
    result, people = score(tmp_path, genotypes, path)
    variants = pd.read_csv(tmp_path / "out" / "variants.tsv.gz", sep="\t")
    assert variants["outcome"].tolist() == [
        "matched", "other_alleles", "not_in_genotypes", "other_position", "dosage_weights", "weight_missing",
        "complex", "no_place", "repeated", "not_bases",
    ]  # fmt: skip
    np.testing.assert_allclose(people["score"], expected({0: 0.5}), atol=1e-12)
    (row,) = result.matching.to_dict("records")
    assert row["matched"] + sum(row[name] for name in set(variants["outcome"]) - {"matched"}) == row["rows"]
    assert row["status"] == "low_overlap"
    assert result.cautions == ["score matches in 1 of its 10 variants: computed all the same"]


def test_without_matches_or_with_too_few_there_is_no_score(tmp_path: Path, genotypes: str) -> None:
    good = write(tmp_path / "good.txt", ROWS)
    none = write(tmp_path / "none.txt", ["a\t2\t1000\tA\tG\t1"])
    few = write(tmp_path / "few.txt", [ROWS[0], "a\t2\t1000\tA\tG\t1", "b\t2\t1001\tA\tG\t1"])
    result, people = score(tmp_path, genotypes, good, none, few, min_overlap=0.5)
    assert people.columns.tolist() == ["family", "sample", "good"]
    assert result.matching["status"].tolist() == ["ok", "no_matches", "below_min_overlap"]
    with pytest.raises(InputError, match="no score can be computed: none matches in 0 of its 1"):
        score(tmp_path, genotypes, none)
    # Nothing of the run before is left.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["matching.tsv", "variants.tsv.gz"]
    assert pd.read_csv(tmp_path / "out" / "matching.tsv", sep="\t")["not_in_genotypes"].tolist() == [1]


def test_another_build_is_refused_by_what_is_stated_or_by_names(tmp_path: Path, genotypes: str) -> None:
    stated = write(tmp_path / "stated.txt", ROWS, build="GRCh37")
    moved = [row.replace("000\t", "500\t") for row in ROWS]
    by_names = write(tmp_path / "by_names.txt", moved)
    good = write(tmp_path / "good.txt", ROWS, build="hg38")
    result, people = score(tmp_path, genotypes, stated, by_names, good, build="GRCh38")
    assert people.columns.tolist() == ["family", "sample", "good"]
    assert result.matching["status"].tolist() == ["other_build", "other_build", "ok"]
    assert "stated is not computed: it is of GRCh37, and the genotypes are of GRCh38" in result.cautions[1]
    assert (
        "these have 4 at other positions, such as s0, which it has at 1:1500, at 1000" in result.cautions[2]
    )
    result, _ = score(tmp_path, genotypes, stated)
    assert "do not state their genome build" in result.cautions[0]


CHAIN = """\
chain 1000 1 249250621 + 0 10000 1 248956422 + 500 10500 1
10000

chain 900 1 249250621 + 20000 20100 1 248956422 - 0 100 2
100

"""


def test_lift_over_takes_positions_to_the_build_of_the_genotypes(tmp_path: Path, genotypes: str) -> None:
    pytest.importorskip("liftover")
    (tmp_path / "a.chain").write_text(CHAIN)
    (tmp_path / "back.chain").write_text(
        CHAIN.replace("249250621", "?").replace("248956422", "249250621").replace("?", "248956422")
    )
    moved = [row.replace("000\t", "_\t") for row in ROWS]
    rows = [row.replace("_", "000") for row in moved]
    old = [
        "s0\t1\t500\tA\tG\t0.5",
        "s1\t1\t1500\tC\tA\t-1",
        "s2\t1\t2500\tC\tT\t0.25",
        "s9\t1\t15000\tA\tG\t1",
    ]
    path = write(tmp_path / "old.txt", old, build="GRCh37")
    new = write(tmp_path / "new.txt", rows, build="GRCh38")
    chains = (tmp_path / "back.chain", tmp_path / "a.chain")
    result, people = score(tmp_path, genotypes, path, new, lift_over=chains[1:])
    np.testing.assert_allclose(people["old"], expected({0: 0.5, ~1: -1, 2: 0.25}), atol=1e-12)
    assert result.matching["lifted"].tolist() == [1, 0]
    assert result.matching["genotype_build"].tolist() == ["GRCh38", "GRCh38"]
    assert result.matching["lost_in_lift_over"].tolist() == [1, 0]
    # The chain file that goes the other way is not taken.
    result, _ = score(tmp_path, genotypes, path, new, lift_over=chains[:1], build="GRCh38")
    assert result.matching["status"].tolist() == ["other_build", "ok"]
    assert "back.chain leads from GRCh38 to GRCh37" in result.cautions[0]


def test_names_folders_and_options(tmp_path: Path, genotypes: str) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    for name in ("b.v1.txt", "a.tsv"):
        write(folder / name, ROWS)
    _, people = score(tmp_path, genotypes, folder)
    assert people.columns.tolist() == ["family", "sample", "a", "b.v1"]
    other = write(tmp_path / "a.txt", ROWS)
    for files, options, message in (
        ((folder, other), {}, "both be the score 'a'"),
        ((), {}, "no scoring file is named"),
        ((other,), {"build": "mm10"}, "--build is 'mm10'"),
        ((other,), {"min_overlap": 2.0}, "--min-overlap is 2"),
        ((write(tmp_path / "sample.txt", ROWS),), {}, "'sample', a column of people"),
    ):
        with pytest.raises(OptionError, match=message):
            score(tmp_path, genotypes, *files, **options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no scoring file"):
        score(tmp_path, genotypes, tmp_path / "empty")


def test_quotes_are_letters(tmp_path: Path) -> None:
    prefix = write_bed(tmp_path / "g", GENOTYPES, POS, **ALLELES, iid=[f'i"{row}' for row in range(PEOPLE)])
    path = write(tmp_path / 'a"b.txt', ['x"y\t1\t1000\tA\tG\t0.5', *ROWS[1:]])
    score(tmp_path, prefix, path)
    found = {}
    for name in ("sample_scores.tsv.gz", "variants.tsv.gz"):
        table = TableFile.of(tmp_path / "out" / name)
        found[name] = pd.concat(batch.frame() for batch in table.batches())
    people, variants = found.values()
    assert people["sample"].tolist() == [f'i"{row}' for row in range(PEOPLE)]
    weights = {0: 0.5, ~1: -1, 2: 0.25, ~3: 2}
    np.testing.assert_allclose(people['a"b'].astype(float), expected(weights), atol=1e-12)
    assert variants["id"].tolist() == ['x"y', "s1", "s2", "s3"]
    assert variants["weight"].astype(float).tolist() == [0.5, -1, 0.25, 2]


def test_parquet_has_the_same_and_the_other_form_goes(tmp_path: Path, genotypes: str) -> None:
    path = write(tmp_path / "score.txt", ROWS)
    _, people = score(tmp_path, genotypes, path)
    PgsScoreRun((Path(genotypes),), tmp_path / "out", (path,), parquet=True).run()
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out" / "sample_scores.parquet").astype({"family": int}),
        people,
        check_dtype=False,
    )
    assert not (tmp_path / "out" / "sample_scores.tsv.gz").exists()


def test_genotypes_that_nobody_has(tmp_path: Path) -> None:
    genotypes = GENOTYPES.copy()
    genotypes[:, 1] = np.nan
    prefix = write_bed(tmp_path / "g", genotypes, POS, **ALLELES)
    path, alone = write(tmp_path / "score.txt", ROWS), write(tmp_path / "alone.txt", ROWS[1:2])
    result, people = score(tmp_path, prefix, path, alone)
    np.testing.assert_allclose(people["score"], expected({0: 0.5, 2: 0.25, ~3: 2}), atol=1e-12)
    assert people.columns.tolist() == ["family", "sample", "score"]
    assert result.matching["all_missing"].tolist() == [1, 1]
    assert result.matching["status"].tolist() == ["ok", "no_matches"]


def test_rows_that_nobody_has_genotypes_of_do_not_count_as_matches(tmp_path: Path) -> None:
    genotypes = GENOTYPES.copy()
    genotypes[:, 1] = np.nan
    prefix = write_bed(tmp_path / "g", genotypes, POS, **ALLELES)
    half, most = write(tmp_path / "half.txt", ROWS[:2]), write(tmp_path / "most.txt", ROWS)
    result, people = score(tmp_path, prefix, half, most)
    assert result.matching["fraction"].tolist() == [0.5, 0.75]
    assert result.matching["status"].tolist() == ["low_overlap", "ok"]
    assert result.cautions == ["half matches in 1 of its 2 variants: computed all the same"]
    np.testing.assert_allclose(people["half"], expected({0: 0.5}), atol=1e-12)
    result, people = score(tmp_path, prefix, half, most, min_overlap=0.6)
    assert result.matching["status"].tolist() == ["below_min_overlap", "ok"]
    assert people.columns.tolist() == ["family", "sample", "most"]
    np.testing.assert_allclose(people["most"], expected({0: 0.5, 2: 0.25, ~3: 2}), atol=1e-12)
    with pytest.raises(InputError, match="no score can be computed: half matches in 1 of its 2 variants"):
        score(tmp_path, prefix, half, min_overlap=0.6)
    assert not (tmp_path / "out" / "sample_scores.tsv.gz").exists()


def test_frequencies_of_a_file(tmp_path: Path) -> None:
    genotypes = GENOTYPES.copy()
    genotypes[0, :4] = np.nan
    prefix = write_bed(tmp_path / "g", genotypes, POS, **ALLELES)
    path = write(tmp_path / "score.txt", ROWS)
    table = tmp_path / "frequencies.tsv"
    table.write_text(
        "chrom\tpos\teffect_allele\tother_allele\teffect_allele_frequency\n1\t1000\tA\tG\t0.3\n1\t2000\tA\tC\t0.2\n"
        "1\t3000\tT\tC\t0.9\n1\t3000\tT\tC\t0.1\n2\t1000\tA\tG\t0.4\n"
    )
    _, people = score(tmp_path, prefix, path, frequencies=table)
    last = 2 - genotypes[1:, 3].mean()
    assert people["score"][0] == pytest.approx(2 * (0.5 * 0.3 - 1 * 0.8 + 0.25 * 0.1) + 2 * last)
    table.write_text("chrom\tpos\teffect_allele\tother_allele\teffect_allele_frequency\n1\t1000\tA\tG\t1.3\n")
    with pytest.raises(InputError, match=r"line 2 of .*1\.3"):
        score(tmp_path, prefix, path, frequencies=table)
    table.write_text("chrom\tpos\teffect_allele\tother_allele\tx\n1\t1000\tA\tG\t1.3\n")
    with pytest.raises(InputError, match="no column of frequencies"):
        score(tmp_path, prefix, path, frequencies=table)


def test_the_command(tmp_path: Path, genotypes: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "list.txt"
    path.write_text("SNP A1 W\ns0 A 0.5\ns1 C -1\nnone A 1\n")
    out = tmp_path / "out"
    arguments = ["pgs", "score", str(path), "-g", genotypes, "-o", str(out)]
    assert main([*arguments, "--columns", "beta=W", "--progress"]) == 0
    captured = capsys.readouterr()
    assert "list  low_overlap  2 of 3 variants matched" in captured.out
    assert "1 scoring files: 3 different variants" in captured.err
    people = pd.read_csv(out / "sample_scores.tsv.gz", sep="\t")
    np.testing.assert_allclose(people["list"], expected({0: 0.5, ~1: -1}), atol=1e-12)
    assert (out / "report.html").read_text().count("list") >= 1
    assert main(arguments) == 1
    assert "has no column of weights" in capsys.readouterr().err
    path.write_text("SNP A1 W\nnone A 1\n")
    assert main([*arguments, "--columns", "beta=W"]) == 1
    assert "no score can be computed" in capsys.readouterr().err


@pytest.mark.reference
def test_real_scores_and_real_genotypes_of_another_build(tmp_path: Path, reference_data: Path) -> None:
    pytest.importorskip("liftover")
    data = reference_data / "data"
    files = (data / "pgs" / "PGS001229_22.txt", data / "pgs" / "PGS000001_hmPOS_GRCh37.txt")
    run = PgsScoreRun(
        (data / "pgs" / "1000G_tiny.GRCh38.vcf.gz",), tmp_path, files, build="GRCh38",
        lift_over=(data / "liftover" / "hg19ToHg38.over.chain.gz",),
    )  # fmt: skip
    result = run.run()
    table = result.matching.set_index("score")
    assert table["rows"].to_dict() == {"PGS001229_22": 835, "PGS000001_hmPOS_GRCh37": 77}
    assert table["matched"].to_dict() == {"PGS001229_22": 13, "PGS000001_hmPOS_GRCh37": 0}
    assert table["status"].to_dict() == {
        "PGS001229_22": "low_overlap",
        "PGS000001_hmPOS_GRCh37": "no_matches",
    }
    people = pd.read_csv(tmp_path / "sample_scores.tsv.gz", sep="\t")
    assert people.shape == (3202, 3)
    assert people["PGS001229_22"].std() > 0
