import dataclasses

import pytest

from tests.training.bag_tables import make_dataset
from training.data.loci import loci


def bag(*sites: int, chrom: str = "1") -> tuple[int, str, list]:
    return 1, "test", [(chrom, site, "A", "C") for site in sites]


@pytest.mark.parametrize(
    ("bags", "expected"),
    [
        # 1000 and 1511 have windows in common, 1511 and 2023 have none.
        ([(1000,), (2023,), (1511,)], [0, 1, 0]),
        # The second one lies within the first, and the third one overlaps with the first alone.
        ([(1000, 9000), (2000,), (9500,)], [0, 0, 0]),
        ([(5000,), (1000, 9000)], [0, 0]),
    ],
)
def test_bags_whose_windows_overlap_are_one_locus(bags: list[tuple[int, ...]], expected: list[int]) -> None:
    assert loci(make_dataset([bag(*sites) for sites in bags])).tolist() == expected


def test_bags_of_one_block_are_one_locus() -> None:
    """Its signals may lie apart; bags that overlap with either are at the locus too."""
    sites = [(5000, 6000), (60000,), (30000,), (60100,), (90000,), (90000,)]
    made = make_dataset([bag(*own, chrom="9") for own in sites[:5]] + [bag(*sites[5])])
    blocks = made.bags.assign(block=["a", "a", "b", "c", "d", "d"])
    # The last one is on another chromosome, which comes first; its block has a name of chromosome 9.
    assert loci(dataclasses.replace(made, bags=blocks)).tolist() == [1, 1, 2, 1, 3, 0]


def test_chromosomes_are_loci_of_their_own() -> None:
    dataset = make_dataset([bag(1000, chrom=chrom) for chrom in ("2", "1", "2")])
    assert loci(dataset).tolist() == [1, 0, 1]
