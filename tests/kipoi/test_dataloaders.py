"""The dataloaders within the process, as Kipoi's Python interface uses them."""

import os
from pathlib import Path

import numpy as np
import pytest
from kipoi.metadata import GenomicRanges

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION
from mifm_kipoi.errors import GenomeError, InputError, IntervalFileError, ReferenceMismatchError
from mifm_kipoi.kipoi.dataloaders import IntervalDataloader, VariantDataloader
from tests.builders import piped, write_fasta, write_vcf

BASES = "ACGT"


@pytest.fixture
def genome(tmp_path: Path) -> tuple[Path, str]:
    sequence = "".join(np.random.default_rng(0).choice(list(BASES), 3000))
    return write_fasta(tmp_path / "genome.fa", {"chr1": sequence}), sequence


def other(base: str) -> str:
    return BASES[(BASES.index(base) + 1) % 4]


def snvs(sequence: str, positions: range) -> list[tuple[str, int, str, str]]:
    return [("1", pos, sequence[pos - 1], other(sequence[pos - 1])) for pos in positions]


def decoded(window: np.ndarray) -> str:
    """A one-hot window (512, 4) as text."""
    return "".join(BASES[row.argmax()] if row.any() else "N" for row in window)


def test_one_hot_windows_and_metadata(genome: tuple[Path, str], tmp_path: Path) -> None:
    fasta, sequence = genome
    vcf = write_vcf(tmp_path / "in.vcf", snvs(sequence, range(1000, 1003)))
    (batch,) = VariantDataloader(str(vcf), str(fasta)).batch_iter(batch_size=32)
    ref, alt = batch["inputs"]["ref"], batch["inputs"]["alt"]
    assert ref.shape == alt.shape == (3, 512, 4)
    assert ref.dtype == np.float32
    for row, pos in enumerate(range(1000, 1003)):
        expected = sequence[pos - 256 : pos + 256]
        assert decoded(ref[row]) == expected
        assert decoded(alt[row]) == expected[:255] + other(sequence[pos - 1]) + expected[256:]
    ranges = batch["metadata"]["ranges"]
    assert isinstance(ranges, GenomicRanges)
    assert ranges["start"].tolist() == [744, 745, 746]
    assert ranges["end"].tolist() == [1256, 1257, 1258]
    assert ranges["chr"].tolist() == ["1", "1", "1"]
    assert ranges["id"].tolist() == ["v1", "v2", "v3"]
    assert batch["metadata"]["variant"]["status"].tolist() == ["ok"] * 3
    assert VariantDataloader.get_output_schema().compatible_with_batch(batch)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_batches_hold_all_rows_in_order(genome: tuple[Path, str], tmp_path: Path, batch_size: int) -> None:
    fasta, sequence = genome
    vcf = write_vcf(tmp_path / "in.vcf", snvs(sequence, range(1000, 1010)))
    batches = list(VariantDataloader(str(vcf), str(fasta)).batch_iter(batch_size=batch_size, num_workers=2))
    sizes = [len(batch["inputs"]["ref"]) for batch in batches]
    assert sizes == [min(batch_size, 10 - start) for start in range(0, 10, batch_size)]
    assert np.concatenate([batch["metadata"]["variant"]["pos"] for batch in batches]).tolist() == list(
        range(1000, 1010)
    )


def test_samples_and_load_all(genome: tuple[Path, str], tmp_path: Path) -> None:
    fasta, sequence = genome
    dataloader = VariantDataloader(
        str(write_vcf(tmp_path / "in.vcf", snvs(sequence, range(1000, 1004)))), str(fasta)
    )
    first = next(dataloader)
    assert first["inputs"]["ref"].shape == (512, 4)
    assert (first["metadata"]["variant"]["pos"], first["metadata"]["ranges"]["start"]) == (1000, 744)
    assert next(dataloader)["metadata"]["variant"]["pos"] == 1001
    assert [sample["metadata"]["variant"]["pos"] for sample in dataloader] == [1000, 1001, 1002, 1003]
    assert dataloader.load_all(batch_size=3)["inputs"]["alt"].shape == (4, 512, 4)


def test_rows_without_a_window_are_nan(genome: tuple[Path, str], tmp_path: Path) -> None:
    fasta, sequence = genome
    records = [*snvs(sequence, range(1000, 1001)), ("1", 1001, sequence[1000], "<DEL>"), ("7", 5, "A", "C")]
    (batch,) = VariantDataloader(str(write_vcf(tmp_path / "in.vcf", records)), str(fasta)).batch_iter()
    missing = np.isnan(batch["inputs"]["ref"]).all(axis=(1, 2)) & np.isnan(batch["inputs"]["alt"]).all(
        axis=(1, 2)
    )
    assert missing.tolist() == [False, True, True]
    assert not np.isnan(batch["inputs"]["ref"][0]).any()


def test_limits_are_passed_on(genome: tuple[Path, str], tmp_path: Path) -> None:
    fasta, sequence = genome
    edge = write_vcf(tmp_path / "edge.vcf", snvs(sequence, range(10, 11)))
    for fraction, status in ((0.1, "too_many_n"), (0.5, "ok")):
        (batch,) = VariantDataloader(str(edge), str(fasta), max_n_fraction=fraction).batch_iter()
        assert batch["metadata"]["variant"]["status"].tolist() == [status]
    wrong = [("1", pos, other(ref), ref) for _, pos, ref, _ in snvs(sequence, range(1000, 1020))]
    moved = str(write_vcf(tmp_path / "moved.vcf", wrong))
    with pytest.raises(ReferenceMismatchError, match="20 of 20 REF alleles differ"):
        list(VariantDataloader(moved, str(fasta)).batch_iter())
    (batch,) = VariantDataloader(moved, str(fasta), max_mismatch_fraction=1).batch_iter()
    assert set(batch["metadata"]["variant"]["status"]) == {"ref_mismatch"}


def test_former_names_of_arguments(genome: tuple[Path, str], tmp_path: Path) -> None:
    """Kipoi leaves out what the description does not list, so it lists them."""
    fasta, sequence = genome
    vcf = str(write_vcf(tmp_path / "in.vcf", snvs(sequence, range(10, 11))))
    for name in ("max_unknown_share", "max_mismatch_share"):
        assert VariantDataloader.args[name].optional
    with pytest.warns(FutureWarning, match="max_unknown_share is now max_n_fraction"):
        dataloader = VariantDataloader(vcf, str(fasta), max_unknown_share=0.5)
    assert (dataloader.max_n_fraction, dataloader.max_mismatch_fraction) == (0.5, MAX_MISMATCH_FRACTION)
    with pytest.warns(FutureWarning, match="max_mismatch_share is now max_mismatch_fraction"):
        dataloader = VariantDataloader(vcf, str(fasta), max_mismatch_share=1)
    assert (dataloader.max_n_fraction, dataloader.max_mismatch_fraction) == (MAX_N_FRACTION, 1.0)
    bed = tmp_path / "in.bed"
    bed.write_text("1\t9\t10\n")
    assert IntervalDataloader.args["max_unknown_share"].optional
    with pytest.warns(FutureWarning, match="max_unknown_share is now max_n_fraction"):
        (batch,) = IntervalDataloader(str(bed), str(fasta), max_unknown_share=0.5).batch_iter()
    assert batch["metadata"]["status"].tolist() == ["ok"]


def test_input_is_looked_at_before_any_output(genome: tuple[Path, str], tmp_path: Path) -> None:
    vcf = write_vcf(tmp_path / "in.vcf", snvs(genome[1], range(1000, 1001)))
    with pytest.raises(GenomeError, match=r"cannot read the FASTA file .*none.fa"):
        VariantDataloader(str(vcf), str(tmp_path / "none.fa"))
    with pytest.raises(IntervalFileError, match=r"cannot read the BED file .*none.bed"):
        VariantDataloader(str(vcf), str(genome[0]), regions_file=str(tmp_path / "none.bed"))


def test_relative_paths_survive_a_change_of_folder(
    genome: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_vcf(tmp_path / "in.vcf", snvs(genome[1], range(1000, 1002)))
    monkeypatch.chdir(tmp_path)
    dataloader = VariantDataloader("in.vcf", "genome.fa")
    os.chdir("/")
    assert len(list(dataloader.batch_iter(batch_size=1))) == 2


def test_intervals_are_centred_at_index_255(genome: tuple[Path, str], tmp_path: Path) -> None:
    fasta, sequence = genome
    bed = tmp_path / "in.bed"
    # One base; 512 bp; even and odd lengths; over the start, as kipoi_veff writes it.
    bed.write_text(
        "1\t1000\t1001\tone\n1\t745\t1257\tall\n1\t999\t1003\teven\n1\t999\t1002\todd\nchr1\t-5\t507\tstart\n"
    )
    (batch,) = IntervalDataloader(str(bed), str(fasta), max_n_fraction=0.5).batch_iter()
    assert [decoded(window) for window in batch["inputs"]] == [
        *[sequence[745:1257]] * 4,
        "N" * 5 + sequence[:507],
    ]
    assert batch["metadata"]["ranges"]["start"].tolist() == [745, 745, 745, 745, -5]
    assert batch["metadata"]["ranges"]["id"].tolist() == ["one", "all", "even", "odd", "start"]
    assert IntervalDataloader.get_output_schema().compatible_with_batch(batch)


def test_what_can_be_read_only_once_is_read_once(genome: tuple[Path, str], tmp_path: Path) -> None:
    fasta, sequence = genome
    text = write_vcf(tmp_path / "in.vcf", snvs(sequence, range(1000, 1010))).read_bytes()
    with piped(text, tmp_path / "pipe.vcf") as pipe:
        variants = VariantDataloader(str(pipe), str(fasta))
        assert sum(len(batch["inputs"]["ref"]) for batch in variants.batch_iter(batch_size=3)) == 10
    with piped(b"1\t1000\t1001\n" * 2000, tmp_path / "pipe.bed") as pipe:
        intervals = IntervalDataloader(str(pipe), str(fasta))
        assert sum(len(batch["inputs"]) for batch in intervals.batch_iter(batch_size=512)) == 2000
    for dataloader in (variants, intervals):
        with pytest.raises(InputError, match=r"pipe\.(vcf|bed) is a pipe and must be read twice"):
            dataloader.batch_iter()


def test_text_is_not_as_wide_as_the_longest_allele(genome: tuple[Path, str], tmp_path: Path) -> None:
    """One deletion of 1 Mb among 512 rows made arrays of 2 GB."""
    fasta, sequence = genome
    records = [("1", 1000, "A" * 100_000, "A"), *snvs(sequence, range(1001, 1101))]
    vcf = write_vcf(tmp_path / "in.vcf", records)
    batch, *rest = VariantDataloader(str(vcf), str(fasta)).batch_iter(batch_size=512)
    bed = tmp_path / "in.bed"
    bed.write_text("1\t1000\t1001\t" + "x" * 100_000 + "\n1\t1000\t1001\n")
    interval_batch, *_ = IntervalDataloader(str(bed), str(fasta)).batch_iter()
    assert not rest
    for metadata in (batch["metadata"], interval_batch["metadata"]):
        assert max(array.nbytes for array in leaves(metadata).values()) <= 8 * 101
    assert VariantDataloader.get_output_schema().compatible_with_batch(batch)


def test_an_empty_file_gives_one_empty_batch(genome: tuple[Path, str], tmp_path: Path) -> None:
    """So that what is written has its columns."""
    fasta, sequence = genome
    full = write_vcf(tmp_path / "in.vcf", snvs(sequence, range(1000, 1002)))
    empty = write_vcf(tmp_path / "empty.vcf", [])
    bed, no_bed = tmp_path / "in.bed", tmp_path / "empty.bed"
    bed.write_text("1\t1000\t1001\n")
    no_bed.write_text("")
    for loader, some, none in ((VariantDataloader, full, empty), (IntervalDataloader, bed, no_bed)):
        (filled,) = loader(str(some), str(fasta)).batch_iter()
        (nothing,) = loader(str(none), str(fasta)).batch_iter()
        assert types(nothing) == types(filled)
        assert sizes(nothing) == {0}
        assert list(loader(str(none), str(fasta))) == []
        assert loader.get_output_schema().compatible_with_batch(nothing)


def leaves(batch: object, name: str = "") -> dict[str, np.ndarray]:
    """The arrays of a nested batch."""
    if isinstance(batch, np.ndarray):
        return {name: batch}
    return {key: array for inner in batch for key, array in leaves(batch[inner], f"{name}/{inner}").items()}


def types(batch: object) -> dict[str, np.dtype]:
    return {name: array.dtype for name, array in leaves(batch).items()}


def sizes(batch: object) -> set[int]:
    return {len(array) for array in leaves(batch).values()}


def test_the_home_folder_in_paths(
    genome: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_vcf(tmp_path / "in.vcf", snvs(genome[1], range(1000, 1002)))
    assert sum(1 for _ in VariantDataloader("~/in.vcf", f"~/{genome[0].name}")) == 2
