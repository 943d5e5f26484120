"""Genotypes of VCF and BCF: each form of a field, real genotypes as other programs read them, and damage."""

import gzip
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genetics.genotypes import GenotypeError, open_genotypes

HEADER = (
    "##fileformat=VCFv4.3\n##contig=<ID=chr1,length=248956422>\n##contig=<ID=chrX,length=156040895>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">\n'
    '##FORMAT=<ID=HDS,Number=.,Type=Float,Description="Dosages of haplotypes">\n'
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
)
NAN = float("nan")


def vcf_of(*records: tuple[str, str, str], samples: str = "abcd") -> str:
    """A VCF file of ALT, FORMAT and the samples' columns, with blanks between, of each record."""
    lines = [HEADER + "".join(f"\t{name}" for name in samples)]
    for number, (alternatives, keys, columns) in enumerate(records):
        fields = ["chr1", str(10 + number), ".", "a", alternatives, ".", ".", ".", keys, *columns.split(" ")]
        lines.append("\t".join(fields))
    return "\n".join(lines) + "\n"


def dosages_of(folder: Path, text: str, samples: list[int] | None = None) -> np.ndarray:
    path = folder / "g.vcf"
    path.write_text(text)
    return np.concatenate([block.dosages for block in open_genotypes(path).blocks(samples=samples)])


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (("C", "GT", "0/1 1|1 ./. 0/0"), [[1, 2, NAN, 0]]),
        (("C", "GT", "0 1 . 1|0"), [[0, 2, NAN, 1]]),
        (("C", "GT", "./1 1|. .|. 1/1"), [[NAN, NAN, NAN, 2]]),
        (("C", "GT", "/0|1 |1|1 0/1 0"), [[1, 2, 1, 0]]),
        (("C", "GT:GQ", "0/1:30 1/1 ./.:. 0:7"), [[1, 2, NAN, 0]]),
        (("C,G,T", "GT", "0/1 1/2 2|3 3"), [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 2]]),
        ((",".join(f"{'G' * n}C" for n in range(11)), "GT", "0/10 11/11 1/1 ./10"), [
            [0, 0, 2, NAN], *[[0, 0, 0, NAN]] * 8, [1, 0, 0, NAN], [0, 2, 0, NAN],
        ]),
        ((".", "GT", "0/0 0/0 ./. 0"), [[0, 0, NAN, 0]]),
        (("C", "GT:DS", "0/1:1.1 1/1:1.75 ./.:. 0/0:2e-1"), [[1.1, 1.75, NAN, 0.2]]),
        (("C", "DS", "0 2 . 0.25"), [[0, 2, NAN, 0.25]]),
        (("C", "DS:GT", "1.1:0/1 .:1/1 .:./. 0.2"), [[1.1, 2, NAN, 0.2]]),
        (("C", "GT:DS", "0/1 1/1:. 0/0:0.1 1:0.9"), [[1, 2, 0.1, 1.8]]),
        (("C,G", "GT:DS", "0/1:1,0.5 1/2:0.9,1.1 ./.:.,. 0/0:."), [[1, 0.9, NAN, 0], [0.5, 1.1, NAN, 0]]),
        (("C", "GT:HDS", "0|1:0.1,0.8 1|1:1,0.9 .|.:. 1:0.7"), [[0.9, 1.9, NAN, 1.4]]),
        (("C", "GQ:GT:HDS:DS", "1:0|1:0.1,0.8:0.5 2:1|1 3:.|.:.,.:. 4:0|0:0,0:0"), [[0.5, 2, NAN, 0]]),
    ],
)  # fmt: skip
def test_every_form_of_genotypes_and_dosages(
    tmp_path: Path, record: tuple[str, str, str], expected: list[list[float]]
) -> None:
    text = vcf_of(record, ("C", "GT", "0/0 0/1 1/1 ./."))
    dosages = dosages_of(tmp_path, text)
    assert dosages.dtype == np.float32
    np.testing.assert_allclose(dosages, [*expected, [0, 1, 2, NAN]], rtol=1e-7)
    np.testing.assert_array_equal(dosages_of(tmp_path, text, [3, 0, 1]), dosages[:, [3, 0, 1]])


def test_variants_people_and_build(tmp_path: Path) -> None:
    (tmp_path / "g.vcf").write_text(vcf_of(("c,<DEL>", "GT", "0/0 0/1 2/1 ./."), ("T", "GT", "0 1 0 1")))
    genotypes = open_genotypes(tmp_path / "g.vcf")
    assert genotypes.samples.to_dict("list") == {
        "family": ["0"] * 4, "sample": list("abcd"), "sex": ["0"] * 4, "founder": [True] * 4,
    }  # fmt: skip
    expected = [
        [0, "1", 10, ".", "C", "A", "other"], [1, "1", 10, ".", "<DEL>", "A", "other"],
        [2, "1", 11, ".", "T", "A", "other"],
    ]  # fmt: skip
    (block,), (variants,) = genotypes.blocks(), genotypes.variants()
    assert block.variants.to_numpy().tolist() == variants.to_numpy().tolist() == expected
    assert (genotypes.build, genotypes.variant_count, genotypes.hard_calls) == ("GRCh38", None, False)
    (block,) = genotypes.blocks(lambda chunk: chunk["row"].isin([1, 2]))
    np.testing.assert_array_equal(block.dosages, [[0, 0, 1, NAN], [0, 2, 0, 2]])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (("C", "GT", "0/1 0/1 0/1"), "line 9 has 12 columns instead of 13"),
        (("C", "GT", "0/1 0/1 0/1 0/1 1/1"), "line 9 has 14 columns instead of 13"),
        (("C", "GT", "0/1 0/x 0/1 0/1"), "damaged at chr1:10: a genotype is '0/x'"),
        (("C", "GT", "0/1 0/0/1 0/1 0/1"), "a genotype is '0/0/1'"),
        (("C", "GT", "0/1 0/1:7 0/1 0/1"), "a sample has '0/1:7'; expected GT"),
        (("C", "GT", "0/1 0/2 0/1 0/1"), "an allele beyond the 1 of ALT"),
        (("C", "GT:DS", "0/1:1 0/1:x 0/1 0/1"), "DS has something that is not a number"),
        (("C", "GT:DS", "0/1:1 0/1:2.5 0/1 0/1"), "a dosage is 2.5; expected 0 to 2"),
        (("C", "GT:DS", "0/1:1 0/1:-1 0/1 0/1"), "a dosage is -1; expected 0 to 2"),
        (("C", "DS", f"1 {'1' * 40} 0 0"), "DS has 40 characters"),
        (("C", "GQ", "1 1 0 0"), "FORMAT is 'GQ'; expected GT, DS or HDS"),
    ],
)
def test_damaged_records(tmp_path: Path, record: tuple[str, str, str], message: str) -> None:
    with pytest.raises(MIFMError, match=message):
        dosages_of(tmp_path, vcf_of(record))


def test_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "sites.vcf").write_text(
        "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    )
    with pytest.raises(GenotypeError, match=r"sites\.vcf has no samples"):
        open_genotypes(tmp_path / "sites.vcf")
    text = vcf_of(*[("C", "GT", "0/1 0/1 1/1 ./.")] * 50).encode()
    (tmp_path / "cut.vcf.gz").write_bytes(gzip.compress(text)[:-20])
    with pytest.raises(MIFMError, match=r"cannot read .*cut\.vcf\.gz"):
        list(open_genotypes(tmp_path / "cut.vcf.gz").blocks())
    with pytest.raises(MIFMError, match=r"cannot read .*none\.vcf"):
        open_genotypes(tmp_path / "none.vcf")
    os.mkfifo(tmp_path / "pipe.vcf")
    with pytest.raises(MIFMError, match="is a pipe and must be read twice"):
        open_genotypes(tmp_path / "pipe.vcf")


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_bcf_is_the_same_as_its_vcf(tmp_path: Path) -> None:
    text = vcf_of(
        ("C,G", "GT:DS", "0/1:1,0.5 1/2:0.9,1.1 ./.:.,. 0/0:."), ("C", "GT", "0 1/1 . 0|1"),
        ("C", "GT:HDS", "0|1:0.1,0.8 1|1:1,0.9 .|.:. 1:0.7"),
    )  # fmt: skip
    expected = dosages_of(tmp_path, text)
    subprocess.run(["bcftools", "view", "-Ob", "-o", "g.bcf", "g.vcf"], cwd=tmp_path, check=True)
    genotypes = open_genotypes(tmp_path / "g.bcf")
    (block,) = genotypes.blocks()
    np.testing.assert_allclose(block.dosages, expected, rtol=1e-6)
    pd.testing.assert_frame_equal(block.variants, next(open_genotypes(tmp_path / "g.vcf").variants()))
    pd.testing.assert_frame_equal(block.variants, next(genotypes.variants()))
    damaged = (tmp_path / "g.bcf").read_bytes()[:-40]
    (tmp_path / "cut.bcf").write_bytes(damaged)
    with pytest.raises(MIFMError, match="truncated"):
        open_genotypes(tmp_path / "cut.bcf")


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_real_genotypes_of_vcf_are_those_of_cyvcf2_and_of_plink_2(
    reference_data: Path, tmp_path: Path
) -> None:
    from cyvcf2 import VCF

    path = reference_data / "data/pgs/1000G_tiny.GRCh38.vcf.gz"
    genotypes = open_genotypes(path)
    dosages = np.concatenate([block.dosages for block in genotypes.blocks(size=100)])
    variants = pd.concat(genotypes.variants())
    assert dosages.shape == (1004, 3202)
    rows = [(record.CHROM, record.POS, record.ALT[0], record.REF) for record in VCF(str(path))]
    assert variants[["chrom", "pos", "counted", "other"]].to_numpy().tolist() == [list(row) for row in rows]
    # 0, 1 and 3 are the numbers of ALT alleles from 0 to 2, and 2 is missing.
    types = np.stack([record.gt_types.copy() for record in VCF(str(path))])
    np.testing.assert_array_equal(dosages, np.array([0, 1, NAN, 2])[types])
    subprocess.run(
        ["plink2", "--vcf", str(path), "--make-pgen", "--out", "g", "--threads", "1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    converted = open_genotypes(tmp_path / "g.pgen")
    (block,) = converted.blocks()
    np.testing.assert_array_equal(block.dosages, dosages)
    pd.testing.assert_frame_equal(block.variants, variants)
    assert converted.samples["sample"].tolist() == genotypes.samples["sample"].tolist()


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_haploid_dosages_are_those_of_plink_2(tmp_path: Path) -> None:
    lines = vcf_of(("C", "GT:DS", "0:0.1 1:0.8 0|1:1.1 1|1:1.9"), ("C", "GT", "0 1 0|1 ."))
    (tmp_path / "g.vcf").write_text(lines.replace("\nchr1\t1", "\nchrX\t500000"))
    (tmp_path / "sex.psam").write_text("#IID\tSEX\na\t1\nb\t1\nc\t2\nd\t2\n")
    subprocess.run(
        ["plink2", "--vcf", "g.vcf", "dosage=DS", "--psam", "sex.psam", "--make-pgen", "--out", "g"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (mine,), (theirs,) = (open_genotypes(tmp_path / name).blocks() for name in ("g.vcf", "g.pgen"))
    np.testing.assert_allclose(mine.dosages[0], [0.2, 1.6, 1.1, 1.9], rtol=1e-6)
    # PLINK's dosages are multiples of 2^-14.
    np.testing.assert_allclose(theirs.dosages, mine.dosages, atol=2**-14)
    assert set(mine.variants["chrom"]) == {"X"}


ALLELES = st.sampled_from(["0", "0", "1", "1", "2", ".", "10", "x", "", "-1", "01"])
GENOTYPES = st.one_of(
    st.tuples(ALLELES, st.sampled_from("/|"), ALLELES).map("".join),
    ALLELES,
    st.sampled_from(["0/1/1", "0/", "|1|1", "0:1", "0 1", "/", "0//1"]),
)
NUMBERS = st.sampled_from(
    ["0", "1", "2", "0.25", "1e-1", ".", "", "nan", "2.5", "-1", "inf", "x", "1_0", "+1", "1.", "0x1"]
)


def slowly(keys: str, columns: list[str], alternatives: int, allele: int) -> list[float]:
    """Dosages one person at a time, by what the documents say; ValueError where something is malformed."""

    def number(text: str) -> float:
        if text in ("", "."):
            return NAN
        if text.lower() == "nan":
            return NAN
        if not re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", text):
            raise ValueError(text)
        if not 0 <= float(text) <= 2:
            raise ValueError(text)
        return float(text)

    dosages = []
    for column in columns:
        if column.count(":") >= len(keys.split(":")):
            raise ValueError(column)
        fields = dict(zip(keys.split(":"), column.split(":"), strict=False))
        known, haploid = NAN, False
        if "GT" in fields:
            alleles = re.split(r"[/|]", fields["GT"].lstrip("/|"))
            if len(alleles) > 2 or not all(re.fullmatch(r"[0-9]+|\.", one) for one in alleles):
                raise ValueError(fields["GT"])
            if any(one != "." and int(one) > alternatives for one in alleles):
                raise ValueError(fields["GT"])
            haploid = len(alleles) == 1
            copies = sum(one != "." and int(one) == allele for one in alleles)
            known = NAN if "." in alleles else 2 * copies / len(alleles)
        dosage = known
        if "DS" in keys.split(":"):
            values = fields.get("DS", "").split(",") if alternatives > 1 else [fields.get("DS", "")]
            dosage = number(values[allele - 1]) if len(values) >= allele else NAN
            dosage *= 2 if haploid else 1
            if dosage > 2:
                raise ValueError(column)
        dosages.append(known if np.isnan(dosage) else dosage)
    return dosages


@settings(max_examples=300, deadline=None)
@given(
    keys=st.sampled_from(["GT", "GT:DS", "DS", "DS:GT", "GQ:GT:DS"]),
    columns=st.lists(st.tuples(GENOTYPES, NUMBERS, NUMBERS, st.integers(0, 3)), min_size=1, max_size=6),
    alternatives=st.integers(1, 2),
)
def test_any_columns_are_read_as_the_documents_say_or_refused(
    keys: str, columns: list[tuple[str, str, str, int]], alternatives: int
) -> None:
    texts = []
    for genotype, first, second, left_out in columns:
        values = {"GT": genotype, "DS": first if alternatives == 1 else f"{first},{second}", "GQ": "7"}
        parts = [values[key] for key in keys.split(":")]
        texts.append(":".join(parts[: max(1, len(parts) - (left_out == 0))]))
    names = [f"s{number}" for number in range(len(texts))]
    header = "\t".join([HEADER, *names])
    record = "\t".join(["chr1", "10", ".", "A", "C,G"[: 2 * alternatives - 1], ".", ".", ".", keys, *texts])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.vcf"
        path.write_text(f"{header}\n{record}\n")
        try:
            expected = [slowly(keys, texts, alternatives, allele) for allele in range(1, alternatives + 1)]
        except ValueError:
            with pytest.raises(GenotypeError):
                list(open_genotypes(path).blocks())
            return
        (block,) = open_genotypes(path).blocks()
        np.testing.assert_allclose(block.dosages, expected, rtol=1e-6)
