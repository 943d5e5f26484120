"""GWAS-SSF files, read with what reads real ones."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.genetics.gwas_ssf import COLUMNS, encode, gwas_ssf, write_metadata


def a_study(count: int, seed: int = 1) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    variants = pd.DataFrame(
        {
            "chrom": "1",
            "pos": np.sort(generator.choice(np.arange(1, 100_000), count, replace=False)),
            "id": [f"v{number}" for number in range(count)],
            "other_allele": generator.choice(list("AC"), count),
            "effect_allele": generator.choice(list("GT"), count),
        }
    )
    frequency = generator.uniform(0.05, 0.95, count)
    error = 1 / np.sqrt(2 * frequency * (1 - frequency) * 40_000)
    z = generator.standard_normal(count)
    return variants, {"beta": z * error, "standard_error": error, "frequency": frequency}


def test_rows_are_those_of_the_study(tmp_path: Path) -> None:
    variants, numbers = a_study(300)
    path = tmp_path / "study.tsv.gz"
    first, second = (
        gwas_ssf(variants[part], **{key: value[part] for key, value in numbers.items()}, sample_size=40_000)
        for part in (slice(0, 100), slice(100, 300))
    )
    # Members of gzip, one behind the other.
    path.write_bytes(encode(first, header=True) + encode(second, header=False))
    read = pd.read_csv(path, sep="\t", dtype={"chromosome": str})
    assert tuple(read.columns) == COLUMNS
    assert read["variant_id"].tolist() == variants["id"].tolist()
    assert read["effect_allele"].tolist() == variants["effect_allele"].tolist()
    assert read["other_allele"].tolist() == variants["other_allele"].tolist()
    np.testing.assert_allclose(read["beta"], numbers["beta"], rtol=1e-6)
    np.testing.assert_allclose(read["effect_allele_frequency"], numbers["frequency"], rtol=1e-6)
    z = numbers["beta"] / numbers["standard_error"]
    np.testing.assert_allclose(read["p_value"], 2 * stats.norm.sf(np.abs(z)), rtol=1e-5)
    assert (read["n"] == 40_000).all()


def test_the_same_rows_give_the_same_bytes() -> None:
    variants, numbers = a_study(20)
    one, other = (encode(gwas_ssf(variants, **numbers, sample_size=10), header=True) for _ in range(2))
    assert one == other
    assert gzip.decompress(one).startswith(b"chromosome\tbase_pair_location\teffect_allele\t")


@pytest.mark.parametrize(
    ("z", "text"),
    [
        (0.0, "1"),
        (1.959963984540054, "0.05"),
        (1.6304, "0.103017"),
        (-5.451310443, "5e-8"),
        (37.0, "1.14511e-299"),
        # Smaller than any float64; by mpmath.
        (40.0, "7.31179e-350"),
    ],
)
def test_p_values_as_text(z: float, text: str) -> None:
    variants, _ = a_study(1)
    row = gwas_ssf(variants, np.array([z]), np.ones(1), np.full(1, 0.5), 100)
    assert row["p_value"].to_pylist() == [text]


def test_a_binary_trait_has_cases_and_controls() -> None:
    variants, numbers = a_study(3)
    rows = gwas_ssf(variants, **numbers, sample_size=1000, cases=200)
    assert rows.column_names == [*COLUMNS, "n_cases", "n_controls"]
    assert rows["n_cases"].to_pylist() == [200] * 3
    assert rows["n_controls"].to_pylist() == [800] * 3


def test_the_metadata_describe_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s1.tsv.gz"
    path.write_bytes(b"text")
    described = yaml.safe_load(write_metadata(path, "height", "CEU", 1000, cases=200).read_text())
    assert described["data_file_md5sum"] == "1cb251ec0d568de6a929b520c4aed8d1"
    assert described["samples"][0]["case_count"] + described["samples"][0]["control_count"] == 1000
    assert described["trait_description"] == ["height"]
    assert [each.name for each in tmp_path.iterdir() if each != path] == ["s1.tsv.gz-meta.yaml"]


def test_check_table_finds_nothing_wrong(tmp_path: Path) -> None:
    variants, numbers = a_study(2000)
    path = tmp_path / "study.tsv.gz"
    path.write_bytes(encode(gwas_ssf(variants, **numbers, sample_size=40_000, cases=9000), header=True))
    done = subprocess.run(
        [sys.executable, "-m", "mifm_kipoi.cli", "check-table", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "gwas-ssf" in done.stdout
    assert "2,000" in done.stdout


def test_letters_of_chromosomes_are_numbers_and_come_back(tmp_path: Path) -> None:
    variants, numbers = a_study(4)
    variants["chrom"] = ["22", "X", "Y", "M"]
    path = tmp_path / "study.tsv.gz"
    more = {"fit": ["linear"] * 4}
    path.write_bytes(encode(gwas_ssf(variants, **numbers, sample_size=10, more=more), header=True))
    read = pd.read_csv(path, sep="\t", dtype=str)
    assert read["chromosome"].tolist() == ["22", "23", "24", "25"]
    assert read["fit"].tolist() == ["linear"] * 4
    rows = [batch.chrom for batch in AssociationTable(str(path)).batches()]
    assert [name for each in rows for name in each] == ["22", "X", "Y", "M"]


def test_metadata_keep_names_of_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "s: 1.tsv.gz"
    path.write_bytes(b"text")
    described = yaml.safe_load(
        write_metadata(path, "a [trait]: #1", "é", 10, build="GRCh37", is_sorted=False).read_text()
    )
    assert described["trait_description"] == ["a [trait]: #1"]
    assert described["samples"][0]["sample_ancestry"] == ["é"]
    assert described["is_sorted"] is False
