from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.sequence.encoding import NO_BASE, codes, one_hot, reverse_complement, with_variant_token
from mifm_kipoi.sequence.windows import cut_windows
from tests.builders import TINY, random_network, write_fasta
from training.data.dataset import DataSetError
from training.mil.genome_tensor import Alleles, GenomeTensor

CONTIGS = {"1": "ACGTTGCANNAC" * 80, "chr2": "GATTACAGGT" * 90, "unused": "T" * 500}


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    generator = np.random.default_rng(0)
    contigs = dict(CONTIGS, random="".join(generator.choice(list("ACGTacgtN"), 3000)))
    return Genome(write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", contigs))


def table(genome: Genome, sites: list[tuple[str, int]]) -> pd.DataFrame:
    """Variants at sites, with the REF that the FASTA has and any ALT."""
    refs = [chr(genome.fetch(genome.find_contig(chrom) or "", pos - 1, pos)[0]) for chrom, pos in sites]
    rows = [
        (chrom, pos, ref, "A" if ref != "A" else "C") for (chrom, pos), ref in zip(sites, refs, strict=True)
    ]
    return pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt"])


def test_contigs_are_apart_and_bordered_by_no_base(genome: Genome) -> None:
    tensor = GenomeTensor.read(genome, ["2", "1", "chr1"], margin=70)
    first, second = tensor.starts["1"], tensor.starts["chr2"]
    assert tensor.codes.dtype == torch.uint8
    assert list(tensor.starts) == ["1", "chr2"]
    assert (first, second) == (70, 70 + 960 + 70)
    assert tensor.codes.numel() == 70 + 960 + 70 + 900 + 70
    for gap in (slice(0, 70), slice(second - 70, second), slice(-70, None)):
        assert (tensor.codes[gap] == NO_BASE).all()
    assert tensor.codes[first : first + 10].tolist() == [0, 1, 2, 3, 3, 2, 1, 0, 4, 4]


def test_offsets_are_of_the_first_base_of_ref(genome: Genome) -> None:
    tensor = GenomeTensor.read(genome, ["1", "2"], margin=64)
    instances = pd.DataFrame(
        [("2", 4, "TACAG", "T"), ("1", 1, "A", "G"), ("1", 960, "C", "CA"), ("chr2", 900, "T", "A")],
        columns=["chrom", "pos", "ref", "alt"],
    )
    expected = [64 + 960 + 64 + 3, 64, 64 + 959, 64 + 960 + 64 + 899]
    assert tensor.offsets(instances).tolist() == expected
    assert tensor.offsets(instances.iloc[::-1]).tolist() == expected[::-1]


@pytest.mark.parametrize(
    ("row", "error", "match"),
    [
        (("1", 2, "A", "G"), ReferenceMismatchError, r"REF of 1 of 2 variants differs .* 1:2 A>G"),
        (("2", 4, "TACAC", "T"), ReferenceMismatchError, r"2:4 TACAC>T"),
        (("1", 959, "ACG", "A"), ReferenceMismatchError, r"1:959 ACG>A"),
        (("1", 5, "", "A"), ReferenceMismatchError, r"1:5 >A"),
        (("1", 0, "A", "G"), DataSetError, r"1 of 2 variants lie outside their contig, such as 1:0 A>G"),
        (("1", 961, "A", "G"), DataSetError, r"1:961 A>G"),
        (("unused", 3, "T", "G"), DataSetError, r"on 'unused'; the genome in memory has 1, chr2"),
    ],
)
def test_variants_that_do_not_fit_the_genome(
    genome: Genome, row: tuple[str, int, str, str], error: type[Exception], match: str
) -> None:
    tensor = GenomeTensor.read(genome, ["1", "2"], margin=64)
    instances = pd.DataFrame([("1", 1, "A", "G"), row], columns=["chrom", "pos", "ref", "alt"])
    with pytest.raises(error, match=match):
        tensor.offsets(instances)


def test_a_contig_that_the_fasta_lacks(genome: Genome) -> None:
    with pytest.raises(DataSetError, match=r"variants on '7', which .*genome.fa lacks; it has 1, chr2"):
        GenomeTensor.read(genome, ["1", "7"], margin=64)


def expected_window(
    genome: Genome, chrom: str, pos: int, window: int, shift: int, reverse: bool
) -> npt.NDArray[np.uint8]:
    """Cut base by base from a string padded with N: the variant's base at ``window // 2 - 1 - shift``."""
    contig = genome.find_contig(chrom) or ""
    bases = "N" * 2000 + genome.fetch(contig, 0, genome.contigs[contig]).tobytes().decode() + "N" * 2000
    at, index = 2000 + pos - 1, window // 2 - 1 - shift
    if not reverse:
        text = bases[at - index : at - index + window]
    else:
        complement = {"A": "T", "C": "G", "G": "C", "T": "A"}
        text = "".join(complement.get(bases[at + index - step], "N") for step in range(window))
    return codes(np.frombuffer(text.encode(), dtype=np.uint8))


@given(data=st.data())
def test_windows_are_those_of_a_cut_base_by_base(genome: Genome, data: st.DataObject) -> None:
    window = data.draw(st.sampled_from([64, 70, 512]))
    size = data.draw(st.integers(1, 5))
    sites = [
        data.draw(st.sampled_from([("1", 960), ("2", 900), ("random", 3000)]).flatmap(
            lambda contig: st.tuples(st.just(contig[0]), st.integers(1, contig[1]))
        ))
        for _ in range(size)
    ]  # fmt: skip
    shifts = data.draw(st.none() | st.lists(st.integers(-8, 8), min_size=size, max_size=size))
    reverse = data.draw(st.none() | st.lists(st.booleans(), min_size=size, max_size=size))
    token = data.draw(st.booleans())
    tensor = GenomeTensor.read(genome, {chrom for chrom, _ in sites}, margin=window + 8)
    found = tensor.cut(
        tensor.offsets(table(genome, sites)),
        window,
        None if shifts is None else torch.tensor(shifts),
        None if reverse is None else torch.tensor(reverse),
        token,
    )
    assert found.shape == (size, 4 + token, window)
    for row, (chrom, pos) in enumerate(sites):
        shift = shifts[row] if shifts else 0
        expected = one_hot(expected_window(genome, chrom, pos, window, shift, bool(reverse and reverse[row])))
        if token:
            expected = with_variant_token(expected, window // 2 - 1 - shift)
        np.testing.assert_array_equal(found[row].numpy(), expected)


def test_windows_are_those_of_the_package(genome: Genome) -> None:
    sites = [("1", 1), ("1", 480), ("1", 960), ("2", 3), ("2", 900), ("random", 1500)]
    instances = table(genome, sites)
    tensor = GenomeTensor.read(genome, instances["chrom"], margin=512)
    variants = [Variant("chr" + row.chrom, row.pos, ".", row.ref, row.alt) for row in instances.itertuples()]
    windows = cut_windows(variants, genome, max_n_fraction=1.0)
    scored = windows.ref.min(1) < NO_BASE
    assert scored.sum() >= 4
    predictor = Predictor(random_network(MIFMConfig(channels=5)))
    expected = predictor.one_hot(torch.from_numpy(windows.ref)).transpose(1, 2)
    found = tensor.cut(tensor.offsets(instances), 512, token=True)
    assert torch.equal(found[scored], expected[scored])
    assert found.stride() == expected.stride()
    plain = tensor.cut(tensor.offsets(instances), 512)
    assert torch.equal(plain[scored], torch.from_numpy(one_hot(windows.ref[scored])))


def test_the_other_strand_has_the_variant_where_this_one_has_it(genome: Genome) -> None:
    # The package's reverse complement of 512 puts index 255 at 256; cut one base further it is at 255.
    sites = [("random", 700), ("2", 450)]
    tensor = GenomeTensor.read(genome, ["random", "2"], margin=512)
    offsets = tensor.offsets(table(genome, sites))
    found = tensor.cut(offsets, 512, reverse=torch.tensor([True, True]))
    windows = [genome.fetch(genome.find_contig(chrom) or "", pos - 257, pos + 255) for chrom, pos in sites]
    expected = one_hot(reverse_complement(codes(np.stack(windows))))
    np.testing.assert_array_equal(found.numpy(), expected)
    ref = tensor.cut(offsets, 512)[:, :, 255]
    assert torch.equal(found[:, :, 255], ref.flip(1))


def test_a_toy_network_sees_the_base_at_its_index(genome: Genome) -> None:
    # Ones for the variant's base, A to T, and tens for the base before it.
    weights = torch.zeros(4, TINY.window)
    weights[:, TINY.variant_index] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    weights[:, TINY.variant_index - 1] = torch.tensor([10.0, 20.0, 30.0, 40.0])
    tensor = GenomeTensor.read(genome, ["2"], margin=TINY.window)
    # GATTACAGGT from 101: TT up to 104, on the other strand TA; CA up to 107, on the other strand CT.
    offsets = tensor.offsets(table(genome, [("2", 104), ("2", 107)]))
    for row, expected in enumerate(([44.0, 41.0], [21.0, 24.0])):
        windows = tensor.cut(offsets[[row, row]], TINY.window, reverse=torch.tensor([False, True]))
        assert (windows * weights).sum((1, 2)).tolist() == expected


def test_a_window_longer_than_the_margin(genome: Genome) -> None:
    tensor = GenomeTensor.read(genome, ["1"], margin=64)
    with pytest.raises(ValueError, match="windows have 70 bp; expected at most the margin, 64"):
        tensor.cut(torch.tensor([100]), 70)


def expected_alt(
    genome: Genome, variant: Variant, window: int, shift: int, reverse: bool
) -> npt.NDArray[np.uint8]:
    """Cut from a string in which ALT stands in the place of REF, base by base."""
    contig = genome.find_contig(variant.chrom) or ""
    whole = genome.fetch(contig, 0, genome.contigs[contig]).tobytes().decode()
    first = variant.pos - 1
    bases = "N" * 2000 + whole[:first] + variant.alt + whole[first + len(variant.ref) :] + "N" * 2000
    at, index = 2000 + first, window // 2 - 1 - shift
    if not reverse:
        text = bases[at - index : at - index + window]
    else:
        complement = {"A": "T", "C": "G", "G": "C", "T": "A"}
        text = "".join(complement.get(bases[at + index - step].upper(), "N") for step in range(window))
    return codes(np.frombuffer(text.encode(), dtype=np.uint8))


def draw_variants(genome: Genome, data: st.DataObject) -> list[Variant]:
    """SNVs, insertions, deletions and substitutions anywhere on contigs, longer than a window too."""
    variants = []
    for _ in range(data.draw(st.integers(1, 4))):
        chrom, length = data.draw(st.sampled_from([("1", 960), ("2", 900), ("random", 3000)]))
        pos = data.draw(st.integers(1, length))
        end = min(length, pos - 1 + data.draw(st.sampled_from([1, 1, 2, 5, 90])))
        ref = genome.fetch(genome.find_contig(chrom) or "", pos - 1, end).tobytes().decode().upper()
        alt = data.draw(st.text("ACGT", min_size=1, max_size=6) | st.just("ACGGT" * 20))
        variants.append(Variant(chrom, pos, ".", ref, alt))
    return variants


@given(data=st.data())
@settings(deadline=None)
def test_windows_of_alt_are_those_of_the_changed_genome(genome: Genome, data: st.DataObject) -> None:
    variants = draw_variants(genome, data)
    window, size = data.draw(st.sampled_from([64, 70])), len(variants)
    shifts = data.draw(st.none() | st.lists(st.integers(-8, 8), min_size=size, max_size=size))
    reverse = data.draw(st.none() | st.lists(st.booleans(), min_size=size, max_size=size))
    instances = pd.DataFrame(
        [(v.chrom, v.pos, v.ref, v.alt) for v in variants], columns=["chrom", "pos", "ref", "alt"]
    )
    tensor = GenomeTensor.read(genome, instances["chrom"], margin=window + 8)
    alleles = Alleles.of(instances)
    order = torch.tensor(data.draw(st.permutations(range(size))))
    found = tensor.cut(
        tensor.offsets(instances)[order],
        window,
        None if shifts is None else torch.tensor(shifts),
        None if reverse is None else torch.tensor(reverse),
        alleles=alleles[order],
    )
    for row, number in enumerate(order.tolist()):
        turned = bool(reverse and reverse[row])
        expected = expected_alt(genome, variants[number], window, shifts[row] if shifts else 0, turned)
        np.testing.assert_array_equal(found[row].numpy(), one_hot(expected))


@given(data=st.data())
@settings(deadline=None)
def test_windows_of_alt_are_those_of_the_package(genome: Genome, data: st.DataObject) -> None:
    variants = draw_variants(genome, data)
    instances = pd.DataFrame(
        [(v.chrom, v.pos, v.ref, v.alt) for v in variants], columns=["chrom", "pos", "ref", "alt"]
    )
    tensor = GenomeTensor.read(genome, instances["chrom"], margin=512)
    windows = cut_windows(variants, genome, max_n_fraction=1.0)
    found = tensor.cut(tensor.offsets(instances), 512, alleles=Alleles.of(instances))
    for row, status in enumerate(windows.status):
        if status == "ok":
            np.testing.assert_array_equal(found[row].numpy(), one_hot(windows.alt[row]))
        else:
            # An N in REF is as unknown in the data set; the package refuses it.
            assert "N" in variants[row].ref


def test_a_checksum_is_that_of_the_bases_of_its_contigs(genome: Genome, tmp_path: Path) -> None:
    one = GenomeTensor.read(genome, ["1", "2", "random"], margin=64)
    other = GenomeTensor.read(genome, ["2", "1"], margin=512)
    assert one.checksum(["1", "2"]) == other.checksum(["chr2", "1"])
    assert one.checksum(["1"]) != one.checksum(["2"]) != one.checksum(["1", "2"])
    changed = dict(CONTIGS, chr2="C" + CONTIGS["chr2"][1:])
    masked = Genome(write_fasta(tmp_path / "masked.fa", changed))
    assert GenomeTensor.read(masked, ["1", "2"], margin=64).checksum(["1", "2"]) != one.checksum(["1", "2"])
    assert GenomeTensor.read(masked, ["1", "2"], margin=64).checksum(["1"]) == one.checksum(["1"])
