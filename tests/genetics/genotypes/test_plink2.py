"""PLINK 2 files: dosages, alleles and people as PLINK 2 itself has them, and what is refused."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.genotypes import GenotypeError, open_genotypes

pytest.importorskip("pgenlib")
needs_plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")


def plink2(folder: Path, *arguments: str) -> None:
    command = ["plink2", *map(str, arguments), "--threads", "1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def all_dosages(path: object, samples: Sequence[int] | None = None) -> np.ndarray:
    return np.concatenate([block.dosages for block in open_genotypes(path).blocks(samples=samples)])


def write_pgen(folder: Path, dosages: np.ndarray, psam: str, pvar: str, nonref_flags: object = False) -> Path:
    """A fileset whose variants all have two alleles; rows of ``dosages`` are variants."""
    import pgenlib

    prefix = folder / "g"
    with pgenlib.PgenWriter(
        bytes(prefix.with_suffix(".pgen")), dosages.shape[1], variant_ct=len(dosages),
        nonref_flags=nonref_flags, dosage_present=True,
    ) as writer:  # fmt: skip
        for row in dosages:
            writer.append_dosages(np.where(np.isnan(row), -9, row).astype(np.float32))
    prefix.with_suffix(".psam").write_text(psam)
    prefix.with_suffix(".pvar").write_text(pvar)
    return prefix


DOSAGES = np.array([[0, 1.25, 2], [np.nan, 0.5, 1], [2, 2, 0]])
PSAM = "#FID\tIID\tPAT\tMAT\tSEX\nf\ta\t0\t0\t1\nf\tb\ta\t0\tF\n0\tc\t0\t0\tNA\n"
PVAR = (
    "##contig=<ID=1,length=249250621>\n##contig=<ID=chrX,length=155270560>\n#CHROM\tPOS\tID\tREF\tALT\n"
    "chr1\t5\trs1\ta\tG\nchr1\t7\t.\tAT\tA\n25\t9\tx\tC\t0\n"
)


def test_variants_people_and_dosages(tmp_path: Path) -> None:
    genotypes = open_genotypes(write_pgen(tmp_path, DOSAGES, PSAM, PVAR))
    assert genotypes.samples.to_dict("list") == {
        "family": ["f", "f", "0"], "sample": ["a", "b", "c"], "sex": ["1", "2", "0"],
        "founder": [True, False, True],
    }  # fmt: skip
    (block,) = genotypes.blocks()
    np.testing.assert_array_equal(block.dosages, DOSAGES)
    expected = [
        [0, "1", 5, "rs1", "G", "A", "other"], [1, "1", 7, ".", "A", "AT", "other"],
        [2, "X", 9, "x", ".", "C", "other"],
    ]  # fmt: skip
    assert block.variants.to_numpy().tolist() == expected
    assert next(genotypes.variants()).to_numpy().tolist() == expected
    assert (genotypes.build, genotypes.variant_count, genotypes.hard_calls) == ("GRCh37", 3, False)
    for suffix in (".pgen", ".pvar", ".psam"):
        np.testing.assert_array_equal(all_dosages(tmp_path / f"g{suffix}", [2, 0]), DOSAGES[:, [2, 0]])


def test_files_without_headers_are_those_of_plink_1(tmp_path: Path) -> None:
    prefix = write_pgen(tmp_path, DOSAGES, "f a 0 0 1 -9\nf b 0 0 2 1.5\nf c a b 2 -9\n", "")
    prefix.with_suffix(".pvar").write_text("1 rs1 0 5 G a\n1 . 0.1 7 A AT\n23 x 0 9 T C\n")
    genotypes = open_genotypes(prefix)
    (block,) = genotypes.blocks()
    assert block.variants[["chrom", "pos", "id", "counted", "other"]].to_numpy().tolist() == [
        ["1", 5, "rs1", "G", "A"], ["1", 7, ".", "A", "AT"], ["X", 9, "x", "T", "C"],
    ]  # fmt: skip
    assert genotypes.samples["sample"].tolist() == ["a", "b", "c"]
    assert genotypes.samples["founder"].tolist() == [True, True, False]


def test_a_psam_file_of_names_alone(tmp_path: Path) -> None:
    write_pgen(tmp_path, DOSAGES, "#IID\nanna\nben\ncem\n", PVAR)
    assert open_genotypes(tmp_path / "g").samples["sample"].tolist() == ["anna", "ben", "cem"]


@needs_plink2
def test_multiallelic_variants_and_provisional_ref_alleles(tmp_path: Path) -> None:
    (tmp_path / "m.vcf").write_text(
        '##fileformat=VCFv4.3\n##contig=<ID=1>\n##INFO=<ID=PR,Number=0,Type=Flag,Description="Provisional">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td\n"
        "1\t9\tone\tA\tC\t.\t.\t.\tGT\t0/1\t1/1\t0/0\t./.\n"
        "1\t10\tthree\tA\tC,G,T\t.\t.\t.\tGT\t0/1\t1/2\t./.\t3/3\n"
        "1\t11\tlast\tA\tC\t.\t.\tPR\tGT\t1/1\t0/1\t./.\t0/0\n"
    )
    plink2(tmp_path, "--vcf", "m.vcf", "--make-pgen", "vzs", "--out", "m")
    assert not (tmp_path / "m.pvar").exists()
    genotypes = open_genotypes(tmp_path / "m.pgen")
    (block,) = genotypes.blocks()
    assert block.variants[["id", "counted"]].to_numpy().tolist() == [
        ["one", "C"], ["three", "C"], ["three", "G"], ["three", "T"], ["last", "C"],
    ]  # fmt: skip
    expected = np.array(
        [[1, 2, 0, np.nan], [1, 1, np.nan, 0], [0, 1, np.nan, 0], [0, 0, np.nan, 2], [2, 1, np.nan, 0]]
    )
    np.testing.assert_array_equal(block.dosages, expected)
    assert block.variants["ref"].tolist() == ["other"] * 4 + [""]
    assert genotypes.variant_count == 5
    some = open_genotypes(tmp_path / "m").blocks(lambda chunk: chunk["row"].isin([2, 3]), [3, 1])
    np.testing.assert_array_equal(next(some).dosages, expected[[2, 3]][:, [3, 1]])


@needs_plink2
def test_real_genotypes_are_those_that_plink_2_exports(reference_data: Path, tmp_path: Path) -> None:
    source = reference_data / "data/genotypes/eur1000G_subset/1000G.subset.22"
    plink2(tmp_path, "--bfile", str(source), "--make-pgen", "--out", "g")
    plink2(tmp_path, "--pfile", "g", "--export", "A", "--out", "g")
    exported = pd.read_csv(tmp_path / "g.raw", sep="\t").iloc[:, 6:].to_numpy().T
    # It counts REF.
    for path in (source, tmp_path / "g"):
        np.testing.assert_array_equal(all_dosages(path), 2 - exported)
    converted, original = open_genotypes(tmp_path / "g"), open_genotypes(source)
    pd.testing.assert_frame_equal(
        pd.concat(converted.variants()), pd.concat(original.variants()), check_dtype=False
    )
    pd.testing.assert_frame_equal(converted.samples, original.samples)


@needs_plink2
def test_which_ref_alleles_of_many_variants_are_provisional(tmp_path: Path) -> None:
    # More than one group of 65,536.
    provisional = np.random.default_rng(1).random(70_001) < 0.3
    rows = (
        f"1\t{row + 1}\t.\tA\tC{',G' * (row % 3 == 0)}\t.\t.\t{'PR' if flag else '.'}\tGT\t0/1\t{row % 2}/1\n"
        for row, flag in enumerate(provisional)
    )
    (tmp_path / "g.vcf").write_text(
        '##fileformat=VCFv4.3\n##contig=<ID=1>\n##INFO=<ID=PR,Number=0,Type=Flag,Description="Provisional">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n" + "".join(rows)
    )
    plink2(tmp_path, "--vcf", "g.vcf", "--make-pgen", "--out", "g")
    variants = pd.concat(open_genotypes(tmp_path / "g.pgen").variants()).drop_duplicates("pos")
    np.testing.assert_array_equal(variants["ref"] == "", provisional)


def test_info_says_which_ref_alleles_are_provisional(tmp_path: Path) -> None:
    prefix = write_pgen(tmp_path, DOSAGES, PSAM, "", nonref_flags=None)
    prefix.with_suffix(".pvar").write_text(
        "#CHROM\tPOS\tID\tREF\tALT\tINFO\n1\t5\ta\tA\tG\tPR\n1\t7\tb\tA\tC\tXPR\n1\t8\tc\tA\tC\tAC=1;PR;AN=2\n"
    )
    assert next(open_genotypes(prefix).variants())["ref"].tolist() == ["", "other", ""]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize(
    ("suffix", "change", "message"),
    [
        (".pgen", Path.unlink, r"cannot read .*g\.pgen: No such file"),
        (".pvar", Path.unlink, r"cannot read .*g\.pvar"),
        (".psam", Path.unlink, r"cannot read .*g\.psam"),
        (".pgen", cut, r"cannot read .*g\.pgen: .* Expected 3 variants"),
        (".pgen", lambda path: path.write_bytes(b""), "starts with nothing, not with 6c 1b"),
        (".pgen", lambda path: path.write_text("chrom pos id and more"), "starts with 63 68 72, not with"),
        (
            ".psam",
            lambda path: path.write_text(PSAM + "0\td\t0\t0\t1\n"),
            r"Expected 3 variants .* 4 samples",
        ),
        (".pvar", lambda path: path.write_text(PVAR + "1\t9\ty\tA\tC\n"), "Expected 4 variants .* 3 samples"),
        (".pvar", lambda path: path.write_text(PVAR + "1\t9.5\ty\tA\tC\n"), r"line 7 .*POS is '9\.5'"),
        (".pvar", lambda path: path.write_text(PVAR + "1\t9\ty\tA\n"), "line 7 .*g.pvar has 4 fields"),
        (".pvar", lambda path: path.write_text(PVAR.replace("\tALT", "\tMORE")), "has no column ALT"),
        (".psam", lambda path: path.write_text(PSAM.replace("IID", "NAME")), "has no column IID"),
    ],
)
def test_damaged_files(tmp_path: Path, suffix: str, change: Callable[[Path], object], message: str) -> None:
    prefix = write_pgen(tmp_path, DOSAGES, PSAM, PVAR)
    assert len(all_dosages(prefix)) == 3
    change(prefix.with_suffix(suffix))
    with pytest.raises(InputError, match=message):
        all_dosages(tmp_path / "g.pgen")


def test_a_prefix_of_two_filesets_is_refused(tmp_path: Path) -> None:
    write_pgen(tmp_path, DOSAGES, PSAM, PVAR)
    (tmp_path / "g.bed").write_bytes(b"")
    with pytest.raises(GenotypeError, match=r"g\.bed and of .*g\.pgen; name one of them"):
        open_genotypes(tmp_path / "g")
