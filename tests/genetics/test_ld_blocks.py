"""LD blocks, against borders by hand and the numbers of CAUSALdb2."""

from pathlib import Path

import pandas as pd
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.ld_blocks import LDBlocks
from mifm_kipoi.genomics.tables import TableFile

BLOCKS = "chr\tstart\tstop\tpop\n1\t0\t100\tAFR\n1\t0\t100\tEUR\n1\t100\t200\tEUR\n2\t50\t80\tEUR\n"


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_ld_blocks(tmp_path: Path) -> None:
    path = write(tmp_path / "blocks.tsv", BLOCKS)
    chrom = pd.Series(["1", "chr1", "1", "1", "1", "2", "2", "2", "2", "3"])
    pos = pd.Series([1, 100, 101, 200, 201, 50, 51, 80, 81, 60])
    assert LDBlocks(path, "EUR").of(chrom, pos).tolist() == [2, 2, 3, 3, 0, 0, 4, 4, 0, 0]
    assert LDBlocks(path, "AFR").of(chrom, pos).tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "header", ["CHR\tSTART\tSTOP\tPOP", "#chr\tstart\tstop\tpop", "#Chr\tStart\tStop\tPop"]
)
def test_columns_may_be_in_any_case(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "blocks.tsv", BLOCKS.replace("chr\tstart\tstop\tpop", header))
    assert LDBlocks(path, "EUR").of(pd.Series(["1", "2"]), pd.Series([100, 60])).tolist() == [2, 4]


def test_names_of_one_chromosome_are_one(tmp_path: Path) -> None:
    text = "chr\tstart\tstop\tpop\nchr1\t10\t20\tEUR\n1\t20\t30\tEUR\n1\t0\t10\tEUR\n"
    path = write(tmp_path / "blocks.tsv", text)
    assert LDBlocks(path, "EUR").of(pd.Series(["1"] * 3), pd.Series([5, 15, 25])).tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BLOCKS, "has no population 'ASN'; it has AFR, EUR"),
        ("chr\tstart\tstop\tpop\n", "has no population 'ASN'; it has "),
        ("chr\tstart\tend\tpop\n", "has no column stop; expected chr, start, stop, pop"),
        ("chr\tstart\tstop\tpop\n1\t5\tx\tASN\n", "line 2 of .*: stop is 'x'"),
        ("chr\tstart\tstop\tpop\n1\t5\t5\tASN\n", "line 2 of .*: the block is empty or overlaps"),
        ("chr\tstart\tstop\tpop\n1\t5\t7\tASN\n1\tNA\t5\tASN\n", "line 3 of .*: start is missing"),
        ("chr\tstart\tstop\tpop\n1\t5\tNA\tASN\n", "line 2 of .*: stop is missing"),
        (
            "chr\tstart\tstop\tpop\n1\t5\t9\tASN\n1\t8\t12\tASN\n",
            "line 3 of .* overlaps .* ASN",
        ),
    ],
)
def test_ld_blocks_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LDBlocks(write(tmp_path / "blocks.tsv", text), "ASN")


@pytest.mark.reference
def test_the_blocks_of_causaldb2(reference_data: Path) -> None:
    folder = reference_data / "data" / "finemapping"
    table = TableFile.of(folder / "causaldb2_AD.csv.gz")
    found = pd.concat([batch.frame() for batch in table.batches(["chr", "bp", "block_id"])])
    blocks = LDBlocks(str(folder / "causaldb_ld_blocks.txt"), "EUR")
    assert len(found) == 10_393
    numbers = blocks.of(found["chr"], found["bp"].astype(int))
    assert numbers.tolist() == found["block_id"].astype(int).tolist()
