"""The page of ``mifm check-table``: what it says of tables that are right, wrong or of another build."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.genetics.table_check import LANDMARKS, TableCheck, TableSummary
from mifm_kipoi.genomics.liftover import LiftOver
from mifm_kipoi.statistics.normal import log_p_of_z
from tests.builders import write_fasta

LENGTH = 20_000
BASES = "".join(np.random.default_rng(5).choice(list("ACGT"), LENGTH))
OTHER = {"A": "G", "C": "T", "G": "C", "T": "A"}

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fasta(tmp_path_factory.mktemp("genome") / "g.fa", {"chr1": BASES, "chr2": BASES})


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a table in the layout of REGENIE; ``changed`` gets each row, as a dictionary."""

    def written(
        rows: int = 2000,
        inflation: float = 1.2,
        shift: int = 0,
        changed: Callable[[int, Any], None] | None = None,
    ) -> Path:
        rng = np.random.default_rng(1)
        lines = []
        z = rng.normal(size=rows) * math.sqrt(inflation)
        for number in range(rows):
            pos = 300 + number * 9
            ref = BASES[pos - 1 + shift]
            row = {
                "CHROM": 1 + number % 2, "GENPOS": pos, "ID": f"rs{number}",
                "ALLELE0": ref, "ALLELE1": OTHER[ref], "A1FREQ": 0.3, "INFO": 1, "N": 1000, "TEST": "ADD",
                "BETA": f"{z[number] * 0.02:.8f}", "SE": 0.02, "CHISQ": 1,
                "LOG10P": f"{-log_p_of_z(z[number])[0] / math.log(10):.6f}", "EXTRA": "NA",
            }  # fmt: skip
            if changed:
                changed(number, row)
            if not lines:
                lines.append(" ".join(row))
            lines.append(" ".join(map(str, row.values())))
        path = tmp_path / "gwas.regenie"
        path.write_text("\n".join(lines) + "\n")
        return path

    return written


def checked(path: Path, fasta: Path | None = None, **options: Any) -> tuple[TableSummary, str]:
    summary = TableCheck(AssociationTable(str(path), **options), fasta).run()
    return summary, "\n".join(summary.lines())


def test_a_table_that_is_right(write: Write, fasta: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write()
    assert main(["check-table", str(path), "--fasta", str(fasta), "--no-progress"]) == 0
    page = capsys.readouterr().out
    for fact in (
        "understood as regenie: ", "GENPOS   pos: 1-based position",
        "ALLELE1 has the effect, against ALLELE0",
        "2,000 read, 2,000 can be used, 0 are refused", "1 (1,000 rows), 2 (1,000 rows)",
        "2,000 of 2,000 rows have an allele of the FASTA (100.00%)",
        "100.0% have ALLELE0 as REF, 0.0% ALLELE1",
        "sample size   1,000, in 2,000 rows", "of the effect allele: 0.3", "problems      none",
        "abf:FILE", "not used: CHISQ, EXTRA",
    ):  # fmt: skip
        assert fact in page, fact
    assert "no, not as it is" not in page


@pytest.mark.parametrize("inflation", [0.8, 1.0, 1.5])
def test_lambda(write: Write, inflation: float) -> None:
    """As of the z-scores themselves."""
    path = write(inflation=inflation)
    z = np.random.default_rng(1).normal(size=2000) * math.sqrt(inflation)
    summary, page = checked(path)
    assert summary.lambda_gc == pytest.approx(np.median(z**2) / 0.4549364, abs=2e-3)
    assert f"lambda GC {summary.lambda_gc:.3f}, of 2 chromosomes only" in page


def test_associated_rows_alone_have_no_lambda(write: Write) -> None:
    summary, page = checked(write(inflation=40))
    assert math.isnan(summary.lambda_gc)
    assert "so variants are left out" in page
    summary, page = checked(write(rows=500))
    assert math.isnan(summary.lambda_gc)
    assert "no lambda GC of fewer than 1,000 p-values" in page


def test_the_lowest_p_value(write: Write) -> None:
    def changed(number: int, row: dict[str, Any]) -> None:
        if number in (7, 8, 9):
            row.update(BETA=1 + number / 10, SE=0.02, LOG10P={7: 400, 8: "inf", 9: 400.5}[number])

    _, page = checked(write(changed=changed))
    # -log10 p = inf is as low as its z says: 1.8 / 0.02 = 90.
    assert "rs8 1:372" in page
    assert "3 of 2,000 rows are genome-wide significant" in page


def test_problems_have_examples(write: Write, fasta: Path) -> None:
    def changed(number: int, row: dict[str, Any]) -> None:
        row.update(
            {3: {"LOG10P": "NA"}, 4: {"ALLELE1": "I"}, 5: {"GENPOS": "x"}, 6: {"TEST": "DOM"}}.get(number, {})
        )

    summary, page = checked(write(changed=changed), fasta)
    assert "2,000 read, 1,996 can be used, 3 are refused" in page
    assert "1 of other tests: DOM" in page
    for reason in ("(line 5: LOG10P is 'NA')", "(line 6: ALLELE1 is 'I')", "(line 7: GENPOS is 'x')"):
        assert reason in page
    assert summary.faults == []


def test_another_build(write: Write, fasta: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(shift=4)
    assert main(["check-table", str(path), "--fasta", str(fasta)]) == 1
    out, err = capsys.readouterr()
    assert "can be used   no, not as it is" in out
    assert "where the FASTA has" in out
    assert "most likely of another genome build" in err
    assert "--lift-over" in err
    # Without a genome nobody can know.
    assert main(["check-table", str(path)]) == 0
    assert "name one with --fasta" in capsys.readouterr().out


def test_the_other_strand(write: Write, fasta: Path) -> None:
    turned = str.maketrans("ACGT", "TGCA")

    def changed(_: int, row: dict[str, Any]) -> None:
        row.update(ALLELE0=row["ALLELE0"].translate(turned), ALLELE1=row["ALLELE1"].translate(turned))

    summary, _ = checked(write(changed=changed), fasta)
    (fault,) = summary.faults
    assert "those of the other strand" in fault


def test_lifted_over(write: Write, fasta: Path, tmp_path: Path) -> None:
    pytest.importorskip("liftover")
    chain = tmp_path / "a.chain"
    size = LENGTH - 4
    chain.write_text(
        "".join(
            f"chain 9 {name} {LENGTH} + 0 {size} {name} {LENGTH} + 4 {LENGTH} 1\n{size}\n\n"
            for name in ("chr1", "chr2")
        )
    )
    summary, page = checked(write(shift=4), fasta, lift_over=str(chain))
    assert summary.faults == []
    assert "2,000 of 2,000 rows have an allele of the FASTA" in page
    (fault,) = checked(write(), fasta, lift_over=str(chain))[0].faults
    assert "most likely not the chain" in fault


def test_builds_by_known_variants(write: Write) -> None:
    names = [name for name, (chrom, *_) in LANDMARKS.items() if chrom == "1"]
    for column, build in ((1, "GRCh37"), (2, "GRCh38")):

        def changed(number: int, row: dict[str, Any], column: int = column) -> None:
            if number < len(names):
                row.update(ID=names[number], CHROM=1, GENPOS=LANDMARKS[names[number]][column])

        assert f"positions of known variants: 3 of {build}" in checked(write(changed=changed))[1]


@pytest.mark.reference
def test_the_known_variants_are_where_the_chains_take_them(reference_data: Path) -> None:
    pytest.importorskip("liftover")
    lift_over = LiftOver(reference_data / "data" / "liftover" / "hg19ToHg38.over.chain.gz")
    chrom, earlier, later = zip(*LANDMARKS.values(), strict=True)
    lifted = lift_over.lift(chrom, earlier)
    assert lifted.pos.tolist() == list(later)
    assert [name.removeprefix("chr") for name in lifted.chrom] == list(chrom)


def test_contradictions_are_listed_and_end_it(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    def changed(_: int, row: dict[str, Any]) -> None:
        row.update(SE=float(row["SE"]) * 5)

    path = write(changed=changed)
    assert main(["check-table", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "contradict each other" in out
    assert "contradict each other" in err
    assert main(["check-table", str(path), "--allow-implausible"]) == 0
    assert "contradict each other" in capsys.readouterr().out


def test_a_genome_without_the_chromosomes(write: Write, tmp_path: Path) -> None:
    other = write_fasta(tmp_path / "other.fa", {"7": BASES, "1": BASES[:100]})
    (fault,) = checked(write(), other)[0].faults
    assert "1,000 lie on other contigs, 1,000 beyond the end of one" in fault


def test_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.tsv"
    rows = "".join(f"1\t{n}\tA\tG\t0.5\t0.1\t{n % 2}\n" for n in range(1, 30))
    path.write_text("CHR\tBP\tallele1\tallele2\tP\tMAF\ttrait\n" + rows)
    assert main(["check-table", str(path)]) == 0
    page = capsys.readouterr().out
    assert "rows of several phenotypes" in page
    assert "which allele has the effect" not in page
    command = [
        "check-table",
        str(path),
        "--columns",
        "effect_allele=allele2,other_allele=allele1",
        "--phenotype",
        "1",
    ]
    assert main([*command, "--sample-size", "500"]) == 0
    page = capsys.readouterr().out
    assert "allele2 has the effect, against allele1" in page
    assert "of other phenotypes: 0" in page
    assert "sample size   500" in page
    assert main(["check-table", str(path), "--columns", "allele2"]) == 2
    assert "expected FIELD=COLUMN" in capsys.readouterr().err
    assert main(["check-table", str(path), "--columns", "effect_allele=A9"]) == 1
    assert "no column 'A9'" in capsys.readouterr().err


def test_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("CHR\tBP\tA1\tA2\tP\n")
    assert checked(path)[0].faults == ["it has no rows"]
    path.write_text("CHR\tBP\tA1\tA2\tP\n1\t5\tI\tD\t0.5\n")
    assert "none of its rows can be used" in checked(path)[0].faults


def test_what_is_not_a_table_of_variants(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("gene\tscore\nA\t1\n")
    with pytest.raises(InputError, match="has no column for"):
        checked(path)


def test_what_is_understood_of_a_table_that_lacks_positions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.sumstats"
    path.write_text("SNP\tA1\tA2\tN\tZ\nrs1\tA\tC\t500\t1.5\n")
    assert main(["check-table", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "understood as ldsc" in out
    assert "--positions" in err
    bim = tmp_path / "p.bim"
    bim.write_text("1 rs1 0 5 C A\n")
    assert main(["check-table", str(path), "--positions", str(bim)]) == 0
    assert "1 read, 1 can be used" in capsys.readouterr().out


def test_progress(write: Write) -> None:
    seen: list[tuple[int, float]] = []
    TableCheck(AssociationTable(str(write()))).run(lambda rows, fraction: seen.append((rows, fraction)))
    assert seen[-1] == (2000, 1)
