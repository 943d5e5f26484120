import gzip
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.genetics.clumping import (
    clump,
    clump_genotypes,
    squared_correlation,
    squared_correlation_of_counts,
)
from mifm_kipoi.genetics.genotypes import MISSING, GenotypeError
from tests.genetics.filesets import write_bed

CLUMPING = ("p1", "p2", "r2", "kb")


def table_of(p_values: dict[str, float]) -> pd.DataFrame:
    with np.errstate(divide="ignore"):
        return pd.DataFrame({"id": list(p_values), "log_p": np.log(list(p_values.values()))})


def as_lists(found: pd.DataFrame) -> list[list[str]]:
    """The members of each clump, the lead variant first."""
    assert found.groupby("clump")["lead"].apply(lambda lead: lead.tolist()[0] and lead.sum() == 1).all()
    return [rows["id"].tolist() for _, rows in found.groupby("clump")]


# A slow reference: expectation and maximisation from many starts instead of a cubic, one pair at a time.


def slow_r2(one: list[float], two: list[float], male: list[bool]) -> float:
    known = {(a, b): 0.0 for a in (0, 1) for b in (0, 1)}
    double = 0
    for a, b, haploid in zip(one, two, male, strict=True):
        if np.isnan(a) or np.isnan(b) or (haploid and 1 in (a, b)):
            continue
        if a == b == 1:
            double += 1
            continue
        haplotypes = [(a // 2, b // 2), ((a + 1) // 2, (b + 1) // 2)]
        for haplotype in haplotypes[: 1 if haploid else 2]:
            known[haplotype] += 1
    total = sum(known.values()) + 2 * double
    best, r2 = -np.inf, np.nan
    for start in (0.0, 0.01, 0.4, 0.6, 0.99, 1.0):
        fraction = start
        for _ in range(600):
            f = {
                key: (number + double * (fraction if key[0] == key[1] else 1 - fraction)) / max(total, 1)
                for key, number in known.items()
            }
            cis, trans = f[0, 0] * f[1, 1], f[0, 1] * f[1, 0]
            fraction = cis / (cis + trans) if cis + trans else fraction
        likelihood = double * np.log(cis + trans) if double else 0.0
        likelihood += sum(number * np.log(f[key]) for key, number in known.items() if number)
        if likelihood > best + 1e-9:
            p, q = f[0, 0] + f[0, 1], f[0, 0] + f[1, 0]
            best = likelihood
            both = 1e-9 < p < 1 - 1e-9 and 1e-9 < q < 1 - 1e-9
            r2 = (f[0, 0] - p * q) ** 2 / (p * (1 - p) * q * (1 - q)) if both else np.nan
    return r2


def slow_clumps(
    p_values: dict[str, float], genotypes: Any, pos: Any, male: list[bool], p1: float, p2: float, r2: float,
    kb: float,
) -> list[list[str]]:  # fmt: skip
    columns = {f"s{row}": [float(x) for x in genotypes[:, row]] for row in range(genotypes.shape[1])}
    place = {f"s{row}": int(where) for row, where in enumerate(pos)}
    left = sorted((name for name in columns if name in p_values), key=lambda name: p_values[name])
    clumps = []
    while left and p_values[left[0]] <= p1:
        lead = left[0]
        linked = [
            name
            for name in left[1:]
            if abs(place[name] - place[lead]) < kb * 1000 and slow_r2(columns[lead], columns[name], male) > r2
        ]
        members = [name for name in columns if name in linked and p_values[name] < p2]
        clumps.append([lead, *members])
        left = [name for name in left[1:] if name not in linked]
    return clumps


def drawn(seed: int, samples: int = 25, variants: int = 22) -> tuple[Any, Any, dict[str, float]]:
    """Genotypes of mosaics of a few ancestors, missing at places; p-values with ties, some unknown."""
    random = np.random.default_rng(seed)
    ancestors = random.integers(0, 2, (3, variants))
    haplotypes = ancestors[random.integers(0, 3, 2 * samples)] ^ (
        random.random((2 * samples, variants)) < 0.08
    )
    genotypes = (haplotypes[::2] + haplotypes[1::2]).astype(float)
    genotypes[random.random(genotypes.shape) < 0.1] = np.nan
    pos = np.sort(random.integers(1, 300, variants)) * 1000
    p_values = {f"s{row}": round(float(random.random()) ** 2, 2) for row in range(variants)}
    names = list(random.permutation(list(p_values))[: variants - 3])
    return genotypes, pos, {name: p_values[name] for name in names}


@pytest.mark.parametrize("chrom", ["7", "23"])
@pytest.mark.parametrize("seed", range(3))
def test_clumps_equal_those_of_a_slow_reference(tmp_path: Path, seed: int, chrom: str) -> None:
    genotypes, pos, p_values = drawn(seed)
    sex = np.random.default_rng(seed).integers(0, 3, len(genotypes))
    child = np.arange(len(genotypes)) % 5 == 4
    prefix = write_bed(
        tmp_path / "drawn", genotypes, pos, chrom, sex=sex, father=np.where(child, "i0", "0").tolist()
    )
    options = dict(zip(CLUMPING, (0.5, 0.8, 0.2137, 100), strict=True))
    male = [chrom == "23" and value == 1 for value in sex[~child]]
    found = clump(table_of(p_values), [prefix], **options, match="id")
    expected = slow_clumps(p_values, genotypes[~child], pos, male, **options)
    assert as_lists(found) == expected
    assert max(map(len, expected)) > 2
    columns = {f"s{row}": list(genotypes[~child, row]) for row in range(len(pos))}
    leads = found.loc[found["lead"]].set_index("clump")["id"]
    slow = [
        1.0 if row.lead else slow_r2(columns[leads[row.clump]], columns[row.id], male)
        for row in found.itertuples()
    ]
    # Expectation and maximisation stops short of the root, by more where the likelihood is flat.
    np.testing.assert_allclose(found["r2"], slow, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_clumps_equal_those_of_plink(tmp_path: Path, seed: int) -> None:
    program = shutil.which("plink1.9")
    if program is None:
        pytest.skip("plink1.9 is not installed")
    genotypes, pos, p_values = drawn(100 + seed, samples=40, variants=60)
    prefix = write_bed(tmp_path / "drawn", genotypes, pos)
    report = tmp_path / "report.txt"
    pd.DataFrame({"SNP": list(p_values), "P": list(p_values.values())}).to_csv(report, sep=" ", index=False)
    values = dict(zip(CLUMPING, (0.3, 0.7, 0.1137, 50), strict=True))
    options = [word for name, value in values.items() for word in (f"--clump-{name}", str(value))]
    subprocess.run(
        [program, "--bfile", prefix, "--clump", report, *options, "--out", prefix],
        check=True,
        capture_output=True,
    )
    expected = clumps_of_plink(Path(f"{prefix}.clumped").read_text())
    assert as_lists(clump(table_of(p_values), [prefix], **values, match="id")) == expected


@pytest.mark.parametrize("chrom", ["7", "X"])
def test_clumps_of_genotypes_in_memory_are_those_of_files(tmp_path: Path, chrom: str) -> None:
    genotypes, pos, p_values = drawn(11, samples=40, variants=60)
    sex = np.random.default_rng(11).integers(0, 3, len(genotypes))
    prefix = write_bed(tmp_path / "drawn", genotypes, pos, chrom, sex=sex)
    options = dict(zip(CLUMPING, (0.3, 0.7, 0.1137, 50), strict=True))
    expected = clump(table_of(p_values), [prefix], **options, match="id")
    names = [f"s{row}" for row in range(len(pos))]
    known = table_of(p_values).set_index("id")["log_p"]
    table = pd.DataFrame({"chrom": chrom, "pos": pos, "log_p": known.reindex(names).to_numpy()})
    hard = np.where(np.isnan(genotypes), MISSING, genotypes).astype(np.int8).T
    found = clump_genotypes(table, hard, sex == 1, **options)
    assert [names[row] for row in found["row"]] == expected["id"].tolist()
    assert found["lead"].tolist() == expected["lead"].tolist()
    np.testing.assert_array_equal(found["r2"], expected["r2"])
    none = table.assign(log_p=np.log(0.9))
    assert len(clump_genotypes(none, hard, sex == 1, **options)) == 0
    with pytest.raises(ValueError, match="2 chromosomes"):
        clump_genotypes(table.assign(chrom=["1", "2"] * 30), hard, sex == 1, **options)


def clumps_of_plink(text: str) -> list[list[str]]:
    rows = [line.split() for line in text.splitlines()[1:] if line.strip()]
    members = [[] if row[11] == "NONE" else row[11].removesuffix("(1)").split("(1),") for row in rows]
    return [[row[2], *others] for row, others in zip(rows, members, strict=True)]


@pytest.mark.reference
def test_real_clumps_equal_those_of_plink(reference_data: Path) -> None:
    folder = reference_data / "data"
    table = pd.read_csv(folder / "clumping/chr1_20_21Mb.sumstats.tsv.gz", sep="\t", dtype={"CHR": str})
    table.columns = pd.Index(["id", "chrom", "pos", "effect_allele", "other_allele", "beta", "p_value"])
    table["log_p"] = np.log(table["p_value"])
    prefix = str(folder / "genotypes/eur1000G_subset/1000G.subset.1")
    absent: list[int] = []
    found = clump(table, [prefix], p1=1, p2=1, r2=0.1, kb=250, match="id", absent=absent)
    text = gzip.decompress((folder / "clumping/expected_clumps.plink19.txt.gz").read_bytes()).decode()
    expected = clumps_of_plink(text)
    assert len(expected) == 381
    assert as_lists(found) == expected
    assert len(absent) == 3

    # The three variants have other identifiers in the genotypes, and are found there by their alleles.
    absent.clear()
    found = clump(table, [prefix], p1=1, p2=1, r2=0.1, kb=250, absent=absent)
    assert not absent
    # As PLINK takes only those with p < p2, those with p = 1 can be no members.
    assert (table["p_value"].drop(found["row"]) == 1).all()
    absent = {"rs12123390", "rs10753499", "rs4372223"}
    assert [sorted(set(names) - absent) for names in as_lists(found)] == [sorted(names) for names in expected]


def test_correlations_by_hand() -> None:
    # Haplotypes 00, 10 and 11 with frequencies 1/2, 1/6 and 1/3: D = 1/2 - 1/2 * 2/3 = 1/6,
    # r2 = (1/36) / (1/4 * 2/9) = 1/2.
    one, two = [0, 0, 0, 2, 2, 2], [0, 0, 0, 0, 2, 2]
    # Both monomorphic and all missing have none; twice heterozygous alone is cis or trans: r2 is 1.
    others = [two, [2 - x for x in two], [1] * 6, [MISSING] * 6, one]
    found = squared_correlation(np.array(one, dtype=np.int8), np.array(others, dtype=np.int8))
    np.testing.assert_allclose(found, [0.5, 0.5, 0.0, np.nan, 1.0], atol=1e-12)
    counts = np.zeros((2, 3, 3))
    counts[0, 1, 1] = 4
    counts[1, 0, 1] = 4
    np.testing.assert_allclose(squared_correlation_of_counts(counts), [1.0, np.nan], atol=1e-12)


def test_members_are_nearer_than_the_limit(tmp_path: Path) -> None:
    genotypes = np.tile([[0.0], [1.0], [2.0]], (1, 5))
    prefix = write_bed(tmp_path / "edges", genotypes, [1, 2, 1001, 2000, 2001])
    p_values = dict(zip((f"s{row}" for row in range(5)), (0.5, 0.5, 0.001, 0.2, 0.01), strict=True))
    found = clump(table_of(p_values), [prefix], p1=0.6, p2=0.6, r2=0.5, kb=1, match="id")
    assert as_lists(found) == [["s2", "s1", "s3"], ["s4"], ["s0"]]
    found = clump(table_of(p_values), [prefix], p1=0.005, p2=0.5, r2=0.5, kb=1, match="id")
    assert as_lists(found) == [["s2", "s3"]]
    assert len(clump(table_of(p_values), [prefix], p1=1e-8, p2=0.5, r2=0.5, kb=1, match="id")) == 0


def test_variants_are_found_by_place_and_alleles_in_either_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    genotypes = np.tile([[0.0], [1.0], [2.0]], (1, 3))
    prefixes = [
        write_bed(tmp_path / "first", genotypes, [10, 20, 20], "2", allele_2=["C", "G", "CT"]),
        write_bed(tmp_path / "second", genotypes, [10, 20, 30], "X"),
    ]
    rows = [
        ("a", "chr2", 10, "a", "C", 0.1),
        ("b", "chr2", 20, "CT", "A", 0.01),
        ("c", "chr2", 20, "A", "T", 0.01),
        ("d", "23", 20, "C", "A", 0.01),
        ("e", "chr3", 20, "C", "A", 0.01),
    ]
    table = pd.DataFrame(rows, columns=["id", "chrom", "pos", "effect_allele", "other_allele", "p_value"])
    table["log_p"] = np.log(table["p_value"])
    absent: list[int] = []
    found = clump(table, prefixes, p1=1, p2=1, r2=0.5, kb=1, absent=absent)
    assert found[["clump", "row", "lead"]].to_numpy().tolist() == [[1, 1, True], [1, 0, False], [2, 3, True]]
    assert absent == [2, 4]
    assert "no variants on 3 (1 variants of the table)" in caplog.text


def test_p_values_too_small_for_a_number_have_an_order(tmp_path: Path) -> None:
    genotypes = np.tile([[0.0], [1.0], [2.0]], (1, 4))
    prefix = write_bed(tmp_path / "linked", genotypes, [1, 2, 3, 4])
    log_p = [-800.0, -2300.0, -np.inf, -np.inf]
    table = pd.DataFrame({"id": [f"s{row}" for row in range(4)], "log_p": log_p, "z": [40, -67, 68, -90.0]})
    options = {"p1": 5e-8, "p2": 1e-5, "r2": 0.5, "kb": 1, "match": "id"}
    assert as_lists(clump(table[:2], [prefix], **options)) == [["s1", "s0"]]
    assert as_lists(clump(table, [prefix], **options)) == [["s3", "s0", "s1", "s2"]]


def test_what_is_refused(tmp_path: Path) -> None:
    genotypes = np.tile([[0.0], [1.0], [2.0]], (1, 2))
    options = dict(zip(CLUMPING, (0.5, 0.5, 0.5, 1), strict=True))
    table = table_of({"s0": 0.1, "s1": 0.2})
    twice = [write_bed(tmp_path / name, genotypes, [1, 2]) for name in ("one", "two")]
    with pytest.raises(GenotypeError, match=r"s0 occurs more than once in the \.bim files"):
        clump(table, twice, **options, match="id")
    with pytest.raises(GenotypeError, match="s0 occurs more than once in the table"):
        clump(pd.concat([table, table]), twice[:1], **options, match="id")
    other = write_bed(tmp_path / "other", genotypes, [1, 2], sid=["s1", "s2"])
    first = write_bed(tmp_path / "first", genotypes[:, :1], [1])
    with pytest.raises(GenotypeError, match="chromosome 1 is in 2 filesets"):
        clump(table, [first, other], **options, match="id")
    with pytest.raises(ValueError, match=r"p2 is 0\.1, less than p1, 0\.5"):
        clump(table, twice[:1], p1=0.5, p2=0.1, r2=0.1, kb=1)


def test_25_of_plink_is_x_with_two_haplotypes_in_males(tmp_path: Path) -> None:
    genotypes = np.array([[0.0, 0.0], [1, 1], [2, 2], [1, 1], [1, 1], [0, 0]])
    table = pd.DataFrame({"chrom": "X", "pos": [1000, 2000], "effect_allele": "A", "other_allele": "G"})
    table["log_p"] = [-20.0, -10.0]
    found = {}
    for chrom in ("23", "25"):
        prefix = write_bed(tmp_path / chrom, genotypes, [1000, 2000], chrom, sex=np.ones(6, dtype=int))
        alleles = pd.read_csv(f"{prefix}.bim", sep=r"\s+", header=None)[[4, 5]].iloc[0].tolist()
        one = table.assign(effect_allele=alleles[0], other_allele=alleles[1], id=["a", "b"])
        found[chrom] = as_lists(clump(one, [prefix], p1=0.1, p2=0.1, r2=0.5, kb=100))
    assert found == {"23": [["a", "b"]], "25": [["a", "b"]]}
