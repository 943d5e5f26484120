"""Variants as a list: every form of table gives the records that a VCF of the same variants gives."""

from __future__ import annotations

import gzip
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError, VariantFileError
from mifm_kipoi.genetics.variant_lists import VariantList, is_list, iter_variants, open_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant, read_variants
from tests.builders import write_fasta, write_vcf

BASES = "".join(np.random.default_rng(3).choice(list("ACGT"), 3000))
BASES = BASES[:99] + "GATTTC" + BASES[105:]
"""Of each contig. Positions 100 to 105 are GATTTC."""

VARIANTS = [
    ("1", 1000, BASES[999], "A" if BASES[999] != "A" else "C"),
    ("1", 100, "G", "T"),
    ("X", 101, "A", "AG"),
    ("1", 100, "GAT", "G"),
    ("X", 105, "C", "A"),
    ("1", 103, "TTC", "AAA"),
]


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    folder = tmp_path_factory.mktemp("genome")
    return Genome(write_fasta(folder / "g.fa", {"1": BASES, "chrX": BASES, "MT": BASES}))


def written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def table_text(header: Sequence[str], rows: Sequence[Sequence[object]], separator: str = "\t") -> str:
    return "".join(separator.join(map(str, row)) + "\n" for row in [header, *rows])


def read(path: Path, genome: Genome, **options: object) -> list[tuple[str, int, str, str]]:
    return [(v.chrom, v.pos, v.ref, v.alt) for v in iter_variants(path, genome, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz", "t.csv", "t.txt"])
@pytest.mark.parametrize(
    "header",
    [
        ("chrom", "pos", "ref", "alt"),
        ("#CHROM", "POS", "REF", "ALT"),
        ("CHR", "BP", "A2", "A1"),
        ("Chromosome", "Position", "other_allele", "effect_allele"),
        ("chr", "pos", "allele1", "allele2"),
    ],
)
def test_tables(tmp_path: Path, genome: Genome, name: str, header: Sequence[str]) -> None:
    separator = {".csv": ",", ".txt": "   "}.get(Path(name).suffix, "\t")
    assert read(written(tmp_path / name, table_text(header, VARIANTS, separator)), genome) == VARIANTS


def test_alleles_in_either_order(tmp_path: Path, genome: Genome) -> None:
    variants = [row for row in VARIANTS if row[2] != "GAT"]
    rows = [
        (chrom, pos, *((ref, alt) if n % 2 else (alt.lower(), ref)))
        for n, (chrom, pos, ref, alt) in enumerate(variants)
    ]
    for header in (
        ("chrom", "pos", "ref", "alt"),
        ("chrom", "pos", "ea", "nea"),
        ("chr", "pos", "alleleA", "alleleB"),
    ):
        assert read(written(tmp_path / "t.tsv", table_text(header, rows)), genome) == variants


@pytest.mark.parametrize(
    "pattern",
    ["{}:{}:{}:{}", "{}:{}_{}_{}", "chr{}_{}_{}_{}", "{}-{}-{}-{}", "{}_{}_{}_{}_b37", "chr{}:{}:{}:{}"],
)
@pytest.mark.parametrize("header", ["", "SNP\n", "variant\n", "SNP\tP\n", "rsid,MarkerName\n"])
def test_identifiers(tmp_path: Path, genome: Genome, pattern: str, header: str) -> None:
    if "," in header:
        rows = [f"rs{n},{pattern.format(*row)}\n" for n, row in enumerate(VARIANTS)]
    else:
        rows = [pattern.format(*row) + ("\t0.5\n" if "\t" in header else "\n") for row in VARIANTS]
    path = written(tmp_path / "ids.txt", header + "".join(rows))
    named = "chr" if pattern.startswith("chr") else ""
    assert read(path, genome) == [(f"{named}{chrom}", *rest) for chrom, *rest in VARIANTS]


def test_parquet_with_one_column(tmp_path: Path, genome: Genome, positions: dict[str, Path]) -> None:
    pd.DataFrame({"variant": ["1:100:G:T"]}).to_parquet(tmp_path / "ids.parquet")
    assert read(tmp_path / "ids.parquet", genome) == [("1", 100, "G", "T")]
    pd.DataFrame({"rsid": ["rs1"]}).to_parquet(tmp_path / "names.parquet")
    assert read(tmp_path / "names.parquet", genome, positions=positions["bim"]) == [("1", 100, "G", "T")]


def test_alleles_that_only_the_identifier_has(tmp_path: Path, genome: Genome) -> None:
    rows = [(chrom, pos, f"{chrom}:{pos}_{ref}_{alt}") for chrom, pos, ref, alt in VARIANTS]
    path = written(tmp_path / "t.tsv", table_text(("CHR", "POS", "SNP"), rows))
    assert read(path, genome) == VARIANTS


def test_names_of_contigs(tmp_path: Path, genome: Genome) -> None:
    names = ["23", "chr23", "CHR1", "chr1", "X", "chrX", "chrM", "M", "7"]
    path = written(
        tmp_path / "t.tsv",
        table_text(("chrom", "pos", "ref", "alt"), [(name, 100, "G", "T") for name in names]),
    )
    variants = list(iter_variants(path, genome))
    assert [variant.chrom for variant in variants] == [
        "chrX",
        "chrX",
        "1",
        "chr1",
        "X",
        "chrX",
        "chrM",
        "M",
        "7",
    ]
    assert [genome.find_contig(variant.chrom) for variant in variants] == [
        "chrX",
        "chrX",
        "1",
        "1",
        "chrX",
        "chrX",
        "MT",
        "MT",
        None,
    ]


def test_contigs_that_the_fasta_has_twice(tmp_path: Path) -> None:
    """As in the FASTA of UCSC's hg19 with MT, whose chrM is another sequence: none is meant, as in VCF."""
    genome = Genome(write_fasta(tmp_path / "g.fa", dict.fromkeys(("chrM", "MT", "1", "chr1", "chrX"), BASES)))
    rows = [(name, 100, "G", "T") for name in ("M", "chrMT", "01", "CHR1", "MT", "chr1", "23")]
    path = written(tmp_path / "t.tsv", table_text(("chrom", "pos", "ref", "alt"), rows))
    names = [genome.find_contig(variant.chrom) for variant in iter_variants(path, genome)]
    assert names == [None, None, None, None, "MT", "chr1", "chrX"]


def test_bim(tmp_path: Path, genome: Genome) -> None:
    path = written(tmp_path / "a.bim", "1 rs1 0 100 T G\n23 . 0 101 AG A\n26 rs3 0 100 T G\n")
    assert list(iter_variants(path, genome)) == [
        Variant("1", 100, "rs1", "G", "T"),
        Variant("chrX", 101, ".", "A", "AG"),
        Variant("MT", 100, "rs3", "G", "T"),
    ]


def test_accessions_of_another_build(tmp_path: Path) -> None:
    # The length of chromosome 21 says that it is GRCh37.
    fasta = tmp_path / "g.fa"
    fasta.write_text(">21\n" + "A" * 48129895 + "\n")
    genome = Genome(fasta)
    path = written(tmp_path / "t.tsv", "chrom\tpos\tref\talt\nNC_000021.8\t100\tA\tT\n")
    assert read(path, genome) == [("NC_000021.8", 100, "A", "T")]
    path = written(tmp_path / "t.tsv", "chrom\tpos\tref\talt\nNC_000021.9\t100\tA\tT\n")
    with pytest.raises(InputError, match=r"NC_000021\.9, which is of GRCh38, and .* is GRCh37 by"):
        read(path, genome)


def test_rows_that_keep_a_status(tmp_path: Path, genome: Genome, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("1", 600, BASES[599], "A" if BASES[599] != "A" else "C", "good"),
        ("1", 100, "A", "C", "neither allele"),
        ("1", "NA", "A", "C", "no position"),
        ("", 700, "A", "C", "no contig"),
        ("1", 0, "A", "C", "zero"),
        ("1", 5000, "A", "C", "outside"),
        ("8", 100, "A", "C", "contig"),
        ("1", 600, BASES[599], "-", "deletion"),
        ("1", 600, "I", "D", "letters"),
        ("1", 600, BASES[599], "NA", "missing"),
        ("1", 600, BASES[599], "<DEL>", "symbol"),
        ("NA", "NA", "NA", "NA", "nothing"),
    ]
    path = written(tmp_path / "t.tsv", table_text(("chrom", "pos", "ref", "alt", "id"), rows))
    out = tmp_path / "out.tsv"
    assert main(["score", str(path), str(genome.path), "-o", str(out), "--no-progress"]) == 0
    scored = pd.read_csv(out, sep="\t", keep_default_na=False, dtype=str)
    assert dict(zip(scored["id"], scored["status"], strict=True)) == {
        "good": "ok", "neither_allele": "ref_mismatch", "no_position": "position_unknown",
        "no_contig": "position_unknown", "zero": "position_unknown", "outside": "position_outside_contig",
        "contig": "contig_not_in_fasta", "deletion": "non_acgt_allele", "letters": "non_acgt_allele",
        "missing": "missing_alt", "symbol": "symbolic_alt", "nothing": "position_unknown",
    }  # fmt: skip
    assert scored.loc[2, ["chrom", "pos"]].tolist() == [".", "0"]


@pytest.mark.parametrize("name", ["out.vcf.gz", "out.bcf"])
def test_rows_without_a_place_as_records(tmp_path: Path, genome: Genome, name: str) -> None:
    rows = [("1", 600, BASES[599], "A" if BASES[599] != "A" else "C"), ("NA", "NA", "A", "C")]
    path = written(tmp_path / "t.tsv", table_text(("chrom", "pos", "ref", "alt"), rows))
    out = tmp_path / name
    assert main(["score", str(path), str(genome.path), "-o", str(out), "--no-progress"]) == 0
    assert [(v.chrom, v.pos, v.ref, v.alt) for v in read_variants(out)] == [rows[0], (".", 0, "A", "C")]


def test_both_alleles_are_in_the_fasta(
    tmp_path: Path, genome: Genome, caplog: pytest.LogCaptureFixture
) -> None:
    """As of every deletion, and of this insertion: the order of the alleles says which is REF."""
    swapped = [("1", 102, "TT", "T"), ("1", 102, "T", "TT"), ("1", 100, "GAT", "G"), ("1", 100, "G", "GAA")]
    with caplog.at_level(logging.WARNING):
        path = written(tmp_path / "t.tsv", table_text(("chrom", "pos", "ref", "alt"), swapped))
        assert read(path, genome) == swapped
        assert not caplog.records
        path = written(
            tmp_path / "t.tsv", table_text(("chrom", "pos", "other_allele", "effect_allele"), swapped)
        )
        assert read(path, genome) == swapped
    (record,) = caplog.records
    assert "both alleles of 3 insertions and deletions" in record.getMessage()
    assert "REF is taken to be other_allele" in record.getMessage()


def test_several_alternative_alleles(tmp_path: Path, genome: Genome) -> None:
    path = written(tmp_path / "t.tsv", "chrom\tpos\tid\tref\talt\n1\t100\trs1\tG\tT,C\n")
    with open_variants(path, genome, lines=True) as file:
        (record,) = file
    assert record.variants == (Variant("1", 100, "rs1", "G", "T"), Variant("1", 100, "rs1", "G", "C"))
    assert record.line == b"1\t100\trs1\tG\tT,C\t.\t.\t."


def test_names_that_have_blanks(tmp_path: Path, genome: Genome) -> None:
    frame = pd.DataFrame({"chrom": ["1"], "pos": [100], "id": ["a\tb\nc d"], "ref": ["G"], "alt": ["T"]})
    frame.to_parquet(tmp_path / "t.parquet")
    (variant,) = iter_variants(tmp_path / "t.parquet", genome)
    assert variant == Variant("1", 100, "a_b_c_d", "G", "T")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrom\tpos\tref\talt\n1\t100\tG\tT\n1\tx5\tG\tT\n", r"line 3 of .*t\.tsv: pos is 'x5'"),
        ("1\t100\tG\tT\n1\t101\tA\tT\n", r"t\.tsv has no header: its first line is 1, 100, G, T"),
        ("chrom\tpos\tref\talt\n1\t100\tG\n", r"line 2 of .*t\.tsv has 3 fields"),
        ("rsid\tP\nrs1\t0.1\n", r"its variants are known by rsid alone"),
        ("rs1\nrs2\n", r"its variants are known by variant alone"),
        ("hello\n", r"begins with 'hello'"),
        ("rs1\t0.1\nrs2\t0.2\n", r"has no header: its first line is rs1, 0\.1"),
        ("gene\tscore\nABC\t1\n", r"does not name its variants: its columns are gene, score"),
        ("chrom\tpos\tbp\tref\talt\n", r"columns pos, bp could be pos; leave out or rename all but one$"),
        ("1:100:G:T\t0.5\n", r"has no header: its first line is 1:100:G:T, 0\.5"),
        ("chrom\tpos\n1\t100\n", r"has no effect allele and other allele; its columns are chrom, pos"),
    ],
)
def test_errors(tmp_path: Path, genome: Genome, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(written(tmp_path / "t.tsv", text), genome)


def test_what_is_a_list(tmp_path: Path) -> None:
    vcf = write_vcf(tmp_path / "v.vcf", VARIANTS)
    for name, content in {
        "a.txt": vcf.read_bytes(), "a.gz": gzip.compress(vcf.read_bytes()), "b.vcf": b"chrom\tpos\n",
        "utf16.txt": vcf.read_text().encode("utf-16"), "quoted.txt": b'"##fileformat=VCFv4.2"\n',
        "empty": b"",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert not is_list(tmp_path / name), name
    assert is_list(written(tmp_path / "t.tsv", "chrom\tpos\tref\talt\n"))
    assert is_list(written(tmp_path / "t.tsv.gz", "chrom\tpos\tref\talt\n"))
    assert not is_list("-")
    assert not is_list(tmp_path / "none.tsv")
    os.mkfifo(tmp_path / "pipe")
    assert not is_list(tmp_path / "pipe")


def test_a_list_that_is_cut_is_named_as_a_table(tmp_path: Path, genome: Genome) -> None:
    whole = gzip.compress(table_text(("chrom", "pos", "ref", "alt"), VARIANTS * 9).encode())
    (tmp_path / "t.tsv.gz").write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"t\.tsv\.gz"):
        read(tmp_path / "t.tsv.gz", genome)


def test_a_list_through_a_pipe(tmp_path: Path, genome: Genome) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("chrom\tpos\tref\talt\n"))
    writer.start()
    with pytest.raises(VariantFileError, match="must be a file that can be read again"):
        open_variants(pipe, genome)
    writer.join()


def test_positions_are_for_lists(tmp_path: Path, genome: Genome) -> None:
    vcf = write_vcf(tmp_path / "v.vcf", VARIANTS)
    with pytest.raises(OptionError, match="leave out --positions"):
        open_variants(vcf, genome, positions=vcf)


@pytest.fixture
def positions(tmp_path: Path) -> dict[str, Path]:
    """A VCF and a .bim of the same names; rs3 has two ALTs, rs4 is at two places."""
    vcf = tmp_path / "positions.vcf"
    rows = ["1 100 rs1 G T", "X 101 rs2 A AG", "1 105 rs3 C A,G", "1 200 rs4 A C", "1 300 rs4 A C"]
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    vcf.write_text(header + "".join("\t".join([*row.split(), ".", ".", "."]) + "\n" for row in rows))
    bim = tmp_path / "positions.bim"
    bim.write_text("1 rs1 0 100 T G\n23 rs2 0 101 AG A\n1 rs4 0 200 A C\n1 rs4 0 300 A C\n")
    return {"vcf": vcf, "bim": bim}


@pytest.mark.parametrize("header", ["", "rsid\n", "snp\tP\n"])
def test_names_alone(
    tmp_path: Path, genome: Genome, positions: dict[str, Path], header: str, caplog: pytest.LogCaptureFixture
) -> None:
    more = "\t0.5" if "\t" in header else ""
    path = written(tmp_path / "names.txt", header + "".join(f"rs{n}{more}\n" for n in (2, 1, 3, 4, 5)))
    unknown = (".", 0, ".", ".")
    variants = read(path, genome, positions=positions["vcf"])
    assert variants[:2] == [("X", 101, "A", "AG"), ("1", 100, "G", "T")]
    assert sorted(variants[2:4]) == [("1", 105, "C", "A"), ("1", 105, "C", "G")]
    assert variants[4:] == [unknown, unknown]
    assert "2 rows have names that the file of positions does not have" in caplog.text
    assert read(path, genome, positions=positions["bim"])[:3] == [
        ("X", 101, "A", "AG"), ("1", 100, "G", "T"), unknown,
    ]  # fmt: skip


@pytest.mark.parametrize("first", ["Affx-1", "rs1:100:G:T", "HLA_A_01", "1:100"])
def test_a_first_line_that_is_a_name_is_no_header(
    tmp_path: Path, genome: Genome, positions: dict[str, Path], first: str
) -> None:
    bim = positions["bim"]
    bim.write_text(f"1 {first} 0 103 T G\n{bim.read_text()}")
    path = written(tmp_path / "names.txt", f"{first}\nrs1\n")
    assert read(path, genome, positions=bim) == [("1", 103, "T", "G"), ("1", 100, "G", "T")]
    path = written(tmp_path / "ids.txt", f"{first}\n1:100:G:T\n")
    assert read(path, genome) == [(".", 0, ".", "."), ("1", 100, "G", "T")]


def test_names_that_are_not_found_have_one_status(
    tmp_path: Path, genome: Genome, positions: dict[str, Path]
) -> None:
    path, out = written(tmp_path / "names.txt", "rs1\nrs4\nrs9\n1:100\n"), tmp_path / "out.tsv"
    options = ("--positions", str(positions["bim"]), "-o", str(out), "--no-progress")
    # None has a score: rs1 is too near to the end of its contig.
    assert main(["score", str(path), str(genome.path), *options]) == 1
    assert pd.read_csv(out, sep="\t")["status"].tolist() == ["too_many_n", *["position_unknown"] * 3]


def test_columns_that_are_not_of_the_variant_may_be_unclear(tmp_path: Path, genome: Genome) -> None:
    header = ("chr", "pos", "ref", "alt", "pval", "p", "or", "odds_ratio")
    rows = [(*row, 0.1, 0.2, 1, 2) for row in VARIANTS]
    assert read(written(tmp_path / "t.tsv", table_text(header, rows)), genome) == VARIANTS
    parts = [f"{name}_{part}" for part in ("EUR", "AFR") for name in ("af", "beta", "se", "neglog10_pval")]
    rows = [(*row, *range(8)) for row in VARIANTS]
    path = written(tmp_path / "pan-ukb.tsv", table_text(("chr", "pos", "ref", "alt", *parts), rows))
    assert read(path, genome) == VARIANTS


def test_names_with_alleles(tmp_path: Path, genome: Genome, positions: dict[str, Path]) -> None:
    path = written(tmp_path / "t.tsv", "SNP\tA1\tA2\nrs3\tG\tC\nrs1\tG\tT\nrs2\tA\tAG\n")
    expected = [("1", 105, "C", "G"), ("1", 100, "G", "T"), ("X", 101, "A", "AG")]
    assert read(path, genome, positions=positions["vcf"]) == expected
    # PLINK 1.9 --linear has A1 alone.
    path = written(tmp_path / "t.tsv", "CHR\tSNP\tBP\tA1\n1\trs3\t105\tG\n1\trs1\t100\tG\n")
    assert read(path, genome, positions=positions["vcf"]) == [("1", 105, "C", "G"), ("1", 100, "G", "T")]


@pytest.mark.parametrize("block_bytes", [1, 60, None])
def test_skipping_gives_the_rest(
    tmp_path: Path, genome: Genome, monkeypatch: pytest.MonkeyPatch, block_bytes: int | None
) -> None:
    if block_bytes:
        monkeypatch.setattr("mifm_kipoi.genomics.tables.BLOCK_BYTES", block_bytes)
    rows = VARIANTS * 5
    path = written(tmp_path / "t.tsv", table_text(("chrom", "pos", "ref", "alt"), rows))
    with VariantList(path, genome) as file:
        assert file.skip() == len(rows)
        assert file.skip() == 0
        assert file.fraction_read == 1
    for start in range(len(rows) + 1):
        with VariantList(path, genome) as file:
            assert file.skip(start) == start
            assert [(v.chrom, v.pos, v.ref, v.alt) for record in file for v in record.variants] == rows[
                start:
            ]


@st.composite
def drawn(draw: st.DrawFn) -> list[tuple[str, int, str, str, bool]]:
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        pos = draw(st.integers(1, 2990))
        ref = BASES[pos - 1 : pos - 1 + draw(st.sampled_from([1, 1, 1, 2, 5]))]
        alt = draw(st.text("ACGT", min_size=1, max_size=6))
        # Where the FASTA has both alleles, their order alone says which is REF.
        swapped = draw(st.booleans()) and not BASES[pos - 1 :].startswith(alt)
        rows.append((draw(st.sampled_from(["1", "X", "chrX", "MT"])), pos, ref, alt, swapped))
    return rows


@given(rows=drawn())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_list_and_a_vcf_are_the_same_variants(
    tmp_path_factory: pytest.TempPathFactory, genome: Genome, rows: list[tuple[str, int, str, str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    vcf = write_vcf(folder / "v.vcf", [row[:4] for row in rows])
    table = [
        (f"v{n}", chrom, pos, *((alt, ref) if swapped else (ref, alt)))
        for n, (chrom, pos, ref, alt, swapped) in enumerate(rows, start=1)
    ]
    path = written(folder / "t.tsv", table_text(("id", "chrom", "pos", "a0", "a1"), table))
    assert list(iter_variants(path, genome)) == list(read_variants(vcf))


def test_mutagenesis_and_compare_take_the_same_list(tmp_path: Path, example: Path) -> None:
    rows = [
        (v.id, v.chrom, v.pos, v.ref, v.alt) for v in read_variants(example / "variants.vcf") if v.is_snv
    ][:6]
    table = written(tmp_path / "t.tsv", table_text(("id", "chrom", "pos", "a0", "a1"), rows))
    vcf = written(
        tmp_path / "v.vcf",
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        + "".join(f"{chrom}\t{pos}\t{name}\t{ref}\t{alt}\t.\t.\t.\n" for name, chrom, pos, ref, alt in rows),
    )
    fasta, frames = str(example / "genome.fa"), []
    for path in (table, vcf):
        maps, folder = tmp_path / f"{path.stem}.parquet", tmp_path / f"compared_{path.stem}"
        limits = ("--max-mismatch-fraction", "1", "--threads", "1")
        assert main(["mutagenesis", fasta, "--vcf", str(path), "--flank", "2", "-o", str(maps), *limits]) == 0
        command = [
            "compare",
            str(path),
            fasta,
            "--models",
            "mifm",
            "-o",
            str(folder),
            "--resamples",
            "5",
            *limits,
        ]
        assert main(command) == 0
        frames.append((pd.read_parquet(maps), pd.read_parquet(folder / "scores.parquet")))
    for ours, other in zip(*frames, strict=True):
        pd.testing.assert_frame_equal(ours, other)
