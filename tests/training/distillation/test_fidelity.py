from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi import Genome
from mifm_kipoi.network.model import MIFM
from tests.builders import random_network, write_fasta, write_vcf
from training.distillation.config import DistilError
from training.distillation.fidelity import fidelity, read_blocks


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fidelity")
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), 4000))
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    records = [("20", pos, bases[pos - 1], other[bases[pos - 1]]) for pos in range(600, 3400, 7)]
    blocks = folder / "blocks.tsv"
    rows = [
        f"{trait}\t{region}\t20\t{pos}"
        for trait in "xy"
        for region in (1, 2)
        for pos in range(500 * region, 500 * region + 90, 9)
    ]
    blocks.write_text("trait\tregion\tCHR\tPOS\n" + "\n".join([*rows, "x\t3\t20\t2", "x\t4\t7\t1000"]) + "\n")
    return {
        "fasta": write_fasta(folder / "genome.fa", {"20": bases}),
        "vcf": write_vcf(folder / "variants.vcf", [*records, ("20", 3500, bases[3499:3501], bases[3499])]),
        "blocks": blocks,
    }


def compared(student: MIFM, teacher: MIFM, inputs: dict[str, Path]) -> object:
    return fidelity(student, teacher, Genome(inputs["fasta"]), ["20"], inputs["vcf"], inputs["blocks"])


def test_a_network_is_its_own_perfect_student(inputs: dict[str, Path]) -> None:
    found = compared(random_network(), random_network(), inputs)
    assert (found.windows, found.snvs, found.blocks) == (28, 400, 4)
    assert (found.window_pearson, found.ref_pearson, found.delta_pearson, found.delta_spearman) == (
        1,
        1,
        1,
        1,
    )
    assert (found.probability_error, found.same_top) == (0, 4)


def test_another_network_is_a_poor_student(inputs: dict[str, Path]) -> None:
    found = compared(random_network(seed=1), random_network(seed=2), inputs)
    assert abs(found.delta_pearson) < 0.5
    assert found.probability_error > 0.001
    assert found.same_top < 4


def test_blocks_are_the_rows_of_one_trait_and_region(inputs: dict[str, Path]) -> None:
    blocks = read_blocks(inputs["blocks"])
    assert blocks["block"].nunique() == 6
    assert blocks.groupby("block").size().tolist() == [10, 10, 10, 10, 1, 1]
    assert set(blocks["chrom"]) == {"20", "7"}


def test_a_table_without_the_columns(tmp_path: Path) -> None:
    (tmp_path / "blocks.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(DistilError, match=r"blocks\.tsv: .* no column trait, CHR, region, POS; it has a, b"):
        read_blocks(tmp_path / "blocks.tsv")
    (tmp_path / "blocks.tsv").write_text("trait\tregion\tCHR\tPOS\n")
    with pytest.raises(DistilError, match=r"blocks\.tsv: .* no rows"):
        read_blocks(tmp_path / "blocks.tsv")
    (tmp_path / "blocks.tsv").write_text("trait region CHR POS\nx 1 20 NA\nx 1 20 700\nx 2 NA 700\n")
    assert read_blocks(tmp_path / "blocks.tsv").to_dict("records") == [
        {"block": 0, "chrom": "20", "pos": 700}
    ]


def test_nothing_to_compare(inputs: dict[str, Path], tmp_path: Path) -> None:
    empty = write_vcf(tmp_path / "empty.vcf", [("20", 3500, "AC", "A")])
    with pytest.raises(DistilError, match="no single-base variant on the held-out contigs"):
        compared(random_network(), random_network(), inputs | {"vcf": empty})
    with pytest.raises(DistilError, match="there is no contig '21'"):
        fidelity(
            random_network(),
            random_network(),
            Genome(inputs["fasta"]),
            ["21"],
            inputs["vcf"],
            inputs["blocks"],
        )
