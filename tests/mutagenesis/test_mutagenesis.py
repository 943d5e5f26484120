"""Saturation mutagenesis against windows that are cut, changed and evaluated in full, one by one."""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mifm_kipoi.cli import main
from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import (
    IntervalFileError,
    MIFMError,
    OptionError,
    OutputError,
    ReferenceMismatchError,
    WeightsError,
)
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval, read_intervals
from mifm_kipoi.genomics.variants import Variant, read_variants
from mifm_kipoi.mutagenesis import plot as mutagenesis_plot
from mifm_kipoi.mutagenesis.files import write, written
from mifm_kipoi.mutagenesis.mutate import (
    Batches,
    Effects,
    ScanWhenDue,
    Score,
    mean_effect,
    mutate,
    strongest_effect,
    substitution_logits,
)
from mifm_kipoi.mutagenesis.run import MutagenesisResult, MutagenesisRun
from mifm_kipoi.mutagenesis.targets import Centre, Target, interval_targets, variant_targets
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import load_weights, save_weights, weights_folder
from mifm_kipoi.scoring.scanning import COSTS, Costs
from mifm_kipoi.scoring.scores import probability, variant_scores
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import cut_windows
from mifm_kipoi.support.files import made_folder
from mifm_kipoi.support.progress import Progress
from tests.builders import TINY, piped, random_network, write_fasta, write_vcf

TOLERANCE = 1e-5


def random_bases(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


CONTIGS = {
    "1": random_bases(1500, seed=1),
    "chr2": random_bases(300, seed=2) + "N" * 4 + random_bases(20, seed=3) + "R" + random_bases(600, seed=4),
    "short": random_bases(300, seed=5),
    "far": "N" * 900 + random_bases(100, seed=6),
}


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", CONTIGS)


@pytest.fixture(scope="module")
def genome(fasta: Path) -> Genome:
    return Genome(fasta)


@pytest.fixture(scope="module")
def network() -> MIFM:
    return load_weights().model()


def effects_of(
    target: Target, genome: Genome, network: MIFM, centre: Centre, fraction: float = 0.1
) -> Effects:
    """All parts of one target, put together."""
    parts = list(mutate([target], genome, Predictor(network), centre, fraction))
    assert parts[0].start == parts[0].target.start
    return Effects(
        parts[0].target,
        parts[0].start,
        np.concatenate([part.ref for part in parts]),
        [status for part in parts for status in part.status],
        np.concatenate([part.ref_logit for part in parts]),
        np.concatenate([part.alt_logit for part in parts]),
    )


def interval_effects(
    place: tuple[str, int, int], genome: Genome, network: MIFM, centre: Centre, fraction: float = 0.1
) -> Effects:
    (target,) = interval_targets([Interval(*place, "name")], genome, centre)
    return effects_of(target, genome, network, centre, fraction)


def window_text(contig: str, centre: int) -> str:
    """The 512 bases around a 0-based position, padded with N, by hand."""
    padded = "N" * 600 + CONTIGS[contig] + "N" * 600
    return padded[600 + centre - 255 : 600 + centre + 257]


def naive_logit(network: MIFM, window: str) -> float:
    codes = encoding.codes(np.frombuffer(window.encode(), dtype=np.uint8))
    with torch.no_grad():
        return float(network(torch.from_numpy(encoding.one_hot(codes[None])))[0])


def expected_effects(
    network: MIFM, contig: str, start: int, end: int, centre: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Each changed window is cut in full: at ``centre``, or, for None, at each position."""
    ref = np.full(end - start, np.nan)
    alt = np.full((end - start, 4), np.nan)
    for row, pos in enumerate(range(start, end)):
        middle = pos if centre is None else centre
        window = window_text(contig, middle)
        index = 255 + pos - middle
        if centre is not None or window[index] in "ACGT":
            ref[row] = naive_logit(network, window)
        for channel, base in enumerate("ACGT"):
            if window[index] in "ACGT" and base != window[index]:
                alt[row, channel] = naive_logit(network, window[:index] + base + window[index + 1 :])
    return ref, alt


PLACES = [
    pytest.param(("1", 700, 720), id="inside"),
    pytest.param(("chr2", 280, 330), id="with N and an ambiguity code"),
    pytest.param(("2", 290, 310), id="another contig name"),
    pytest.param(("1", 0, 12), id="the contig's start"),
    pytest.param(("1", 1490, 1500), id="the contig's end"),
    pytest.param(("short", 140, 155), id="a contig shorter than a window"),
]


class TestEffects:
    """The unchanged network on windows put together by hand is the reference."""

    @pytest.mark.parametrize("place", PLACES)
    def test_around_an_interval_they_are_those_of_every_changed_window(
        self, place: tuple[str, int, int], genome: Genome, network: MIFM
    ) -> None:
        found = interval_effects(place, genome, network, Centre.VARIANT, fraction=1.0)
        contig, start, end = genome.find_contig(place[0]), *place[1:]
        ref, alt = expected_effects(network, contig, start, end, start + (end - start - 1) // 2)
        np.testing.assert_allclose(found.ref_logit, ref, atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(found.alt_logit, alt, atol=TOLERANCE, rtol=0)

    @pytest.mark.parametrize("place", PLACES)
    def test_around_positions_they_are_those_of_every_changed_window(
        self, place: tuple[str, int, int], genome: Genome, network: MIFM
    ) -> None:
        found = interval_effects(place, genome, network, Centre.POSITION, fraction=1.0)
        ref, alt = expected_effects(network, genome.find_contig(place[0]), *place[1:], None)
        np.testing.assert_allclose(found.ref_logit, ref, atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(found.alt_logit, alt, atol=TOLERANCE, rtol=0)

    def test_of_a_whole_window_over_the_contigs_start(self, genome: Genome, network: MIFM) -> None:
        """Only bases that exist are substituted."""
        (target,) = variant_targets(
            [Variant("1", 231, "v", CONTIGS["1"][230], "N")], genome, Centre.VARIANT, max_n_fraction=1.0
        )
        assert target.status is Status.NON_ACGT_ALLELE
        alt = "A" if CONTIGS["1"][230] != "A" else "C"
        (target,) = variant_targets([Variant("1", 231, "v", CONTIGS["1"][230], alt)], genome, Centre.VARIANT)
        assert (target.start, target.end, target.centre) == (0, 230 + 257, 230)
        found = effects_of(target, genome, network, Centre.VARIANT)
        ref, alt_logit = expected_effects(network, "1", 0, 487, 230)
        np.testing.assert_allclose(found.ref_logit, ref, atol=TOLERANCE, rtol=0)
        np.testing.assert_allclose(found.alt_logit, alt_logit, atol=TOLERANCE, rtol=0)

    def test_at_positions_they_are_the_scores_of_all_snvs(self, genome: Genome, network: MIFM) -> None:
        found = interval_effects(("1", 600, 610), genome, network, Centre.POSITION).scores()
        bases = CONTIGS["1"][600:610]
        snvs = [
            Variant("1", 601 + row, ".", ref, alt)
            for row, ref in enumerate(bases)
            for alt in "ACGT"
            if alt != ref
        ]
        windows = cut_windows(snvs, genome)
        expected = variant_scores(*Predictor(network).variant_logits(windows.ref, windows.alt))
        changed = ~np.isnan(found["mifm_alt"])
        assert changed.sum() == 30
        np.testing.assert_allclose(found["mifm_alt"][changed], expected["mifm_alt"], atol=1e-6)
        np.testing.assert_allclose(found["mifm_delta"][changed], expected["mifm_delta"], atol=1e-6)
        np.testing.assert_allclose(found["mifm_ref"], expected["mifm_ref"][::3], atol=1e-6)

    def test_the_two_meanings_agree_at_the_centre_only(self, genome: Genome, network: MIFM) -> None:
        around = interval_effects(("1", 700, 705), genome, network, Centre.VARIANT).alt_logit
        each = interval_effects(("1", 700, 705), genome, network, Centre.POSITION).alt_logit
        np.testing.assert_allclose(around[2], each[2], atol=TOLERANCE, rtol=0)
        assert np.nanmax(np.abs(around[[0, 1, 3, 4]] - each[[0, 1, 3, 4]])) > 0.1

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 2**16), st.booleans(), st.integers(1, 3))
    def test_of_random_windows_of_random_networks(self, seed: int, token: bool, count: int) -> None:
        """The windows of a small network, at all of their positions, with and without a variant token."""
        config = MIFMConfig(**{**TINY.to_dict(), "channels": 5 if token else 4})
        network = random_network(config, seed)
        windows = np.random.default_rng(seed).integers(0, 5, (count, 64), dtype=np.uint8)
        where = np.random.default_rng(seed + 1).random((count, 64)) < 0.7
        ref, alt = substitution_logits(Predictor(network), windows, where)
        predictor = Predictor(network)
        np.testing.assert_allclose(ref, predictor.logits(windows), atol=TOLERANCE, rtol=0)
        chosen = where & (windows != 4)
        assert np.array_equal(
            ~np.isnan(alt), chosen[..., None] & (windows[..., None] != np.arange(4, dtype=np.uint8))
        )
        rows, indices, bases = np.nonzero(~np.isnan(alt))
        changed = windows[rows].copy()
        changed[np.arange(len(rows)), indices] = bases
        one_hot = predictor.one_hot(torch.from_numpy(changed)).transpose(1, 2)
        with torch.no_grad():
            expected = network(one_hot).numpy()
        np.testing.assert_allclose(alt[rows, indices, bases], expected, atol=TOLERANCE, rtol=0)

    def test_of_more_windows_and_positions_than_one_batch(self, genome: Genome, network: MIFM) -> None:
        intervals = [Interval("1", start, start + 3, ".") for start in range(600, 640)]
        for centre in Centre:
            once = list(
                mutate(interval_targets(intervals, genome, centre), genome, Predictor(network), centre)
            )
            assert [effects.target.number for effects in once] == list(range(1, 41))
            targets = interval_targets(intervals, genome, centre)
            again = list(mutate(targets, genome, Predictor(network), centre, batches=Batches(3, 7)))
            for one, other in zip(once, again, strict=True):
                np.testing.assert_allclose(one.alt_logit, other.alt_logit, atol=TOLERANCE)
        (target,) = interval_targets([Interval("1", 600, 610, ".")], genome, Centre.POSITION)
        batches = Batches(positions=4)
        parts = list(mutate([target], genome, Predictor(network), Centre.POSITION, batches=batches))
        assert [(part.start, len(part)) for part in parts] == [(600, 4), (604, 4), (608, 2)]

    def test_windows_of_another_length(self, network: MIFM) -> None:
        with pytest.raises(ValueError, match=r"windows have shape .*; expected \(n, 512, 4\)"):
            substitution_logits(Predictor(network), np.zeros((1, 64), np.uint8))


class TestStatuses:
    """What cannot be scored says why and is not lost."""

    @pytest.mark.parametrize("centre", list(Centre))
    @pytest.mark.parametrize(
        ("place", "status"),
        [
            (("3", 1, 5), Status.CONTIG_NOT_IN_FASTA),
            (("1", 1500, 1510), Status.POSITION_OUTSIDE_CONTIG),
            (("1", -10, 0), Status.POSITION_OUTSIDE_CONTIG),
        ],
    )
    def test_of_an_interval_without_a_place(
        self, place: tuple[str, int, int], status: Status, centre: Centre, genome: Genome, network: MIFM
    ) -> None:
        found = interval_effects(place, genome, network, centre)
        assert found.target.status is status
        assert (found.target.start, found.target.end) == place[1:]
        assert len(found) == 0

    def test_of_a_window_with_too_many_n(self, genome: Genome, network: MIFM) -> None:
        found = interval_effects(("1", 100, 110), genome, network, Centre.VARIANT)
        assert found.target.status is Status.TOO_MANY_N
        found = interval_effects(("1", 200, 210), genome, network, Centre.POSITION)
        unknown = [(255 - pos) / 512 > 0.1 for pos in range(200, 210)]
        assert any(unknown)
        assert not all(unknown)
        assert found.status == [Status.TOO_MANY_N if much else Status.OK for much in unknown]
        assert np.array_equal(np.isnan(found.ref_logit), unknown)
        assert np.array_equal(np.isnan(found.alt_logit).all(axis=1), unknown)

    @pytest.mark.parametrize("centre", list(Centre))
    def test_of_a_position_without_a_base(self, centre: Centre, genome: Genome, network: MIFM) -> None:
        found = interval_effects(("chr2", 298, 326), genome, network, centre)
        expected = [
            Status.OK if base in "ACGT" else Status.NON_ACGT_ALLELE for base in CONTIGS["chr2"][298:326]
        ]
        assert found.status == expected
        assert found.ref.tobytes().decode() == CONTIGS["chr2"][298:326]

    def test_of_records_and_their_alleles(self, genome: Genome) -> None:
        """One target for each record; it can be scored when one of its alleles can."""
        ref = CONTIGS["1"][699]
        alt, other = [base for base in "ACGT" if base != ref][:2]
        variants = [
            Variant("1", 700, "a", ref, "<DEL>"),
            Variant("1", 700, "a", ref, alt),
            Variant("1", 700, "b", ref, "*"),
            Variant("1", 700, "c", other, ref),
            Variant("1", 5000, "d", "A", "C"),
            Variant("nowhere", 5, "e", "A", "C"),
        ]
        found = list(variant_targets(variants, genome, Centre.POSITION))
        assert [(target.number, target.id, target.status.value) for target in found] == [
            (1, "a", "ok"),
            (2, "b", "spanning_deletion"),
            (3, "c", "ref_mismatch"),
            (4, "d", "position_outside_contig"),
            (5, "e", "contig_not_in_fasta"),
        ]
        assert (found[0].start, found[0].end, found[0].centre) == (699, 700, None)

    @pytest.mark.parametrize(
        ("centre", "flank", "span"),
        [
            (Centre.VARIANT, None, (699 - 255, 699 + 257)),
            (Centre.VARIANT, 10, (689, 712)),
            (Centre.VARIANT, 1000, (699 - 255, 699 + 257)),
            (Centre.POSITION, None, (699, 702)),
            (Centre.POSITION, 2, (697, 704)),
            (Centre.POSITION, 1000, (0, 1500)),
        ],
    )
    def test_the_flank_of_a_deletion(
        self, centre: Centre, flank: int | None, span: tuple[int, int], genome: Genome
    ) -> None:
        ref = CONTIGS["1"][699:702]
        (target,) = variant_targets([Variant("1", 700, "v", ref, ref[0])], genome, centre, flank)
        assert (target.start, target.end) == span

    def test_an_interval_longer_than_the_window_is_cut_to_it(self, genome: Genome) -> None:
        (target,) = interval_targets([Interval("1", 100, 1300, ".")], genome, Centre.VARIANT)
        assert target.centre == 699
        assert (target.start, target.end) == (699 - 255, 699 + 257)


def test_summaries_of_three_substitutions() -> None:
    nan = np.nan
    effects = np.array([[nan, 1, -4, 0], [2, 1, nan, 3], [nan] * 4], dtype=np.float32)
    np.testing.assert_array_equal(mean_effect(effects), np.array([-1, 2, nan], dtype=np.float32))
    np.testing.assert_array_equal(strongest_effect(effects), np.array([-4, 3, nan], dtype=np.float32))


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    path = tmp_path / "regions.bed"
    path.write_text("1\t600\t620\tfirst\nchr2\t296\t306\n9\t5\t6\tnowhere\n1\t700\t702\tpair\n")
    return path


def run_bed(fasta: Path, bed: Path, out: Path, centre: str, **options: Any) -> MutagenesisResult:
    return MutagenesisRun(fasta=fasta, bed=bed, output=out, centre=Centre(centre), **options).run()


class TestFiles:
    """What other programs read back."""

    @pytest.mark.parametrize("centre", ["variant", "position"])
    def test_the_table_has_every_substitution_and_every_reason(
        self, centre: str, tmp_path: Path, fasta: Path, bed: Path, genome: Genome, network: MIFM
    ) -> None:
        result = run_bed(fasta, bed, tmp_path / "out.parquet", centre)
        assert (result.regions, result.positions, result.substitutions) == (4, 32, 84)
        assert result.status == {"contig_not_in_fasta": 1, "non_acgt_allele": 4}
        assert result.written == (tmp_path / "out.parquet",)
        table = pq.read_table(tmp_path / "out.parquet")
        frame = table.to_pandas()
        assert len(frame) == 84 + 4 + 1
        assert frame["id"].drop_duplicates().tolist() == ["first", ".", "nowhere", "pair"]
        first = frame[frame["id"] == "first"]
        found = interval_effects(("1", 600, 620), genome, network, Centre(centre))
        changed = ~np.isnan(found.alt_logit)
        rows, channels = np.nonzero(changed)
        assert first["pos"].tolist() == (rows + 601).tolist()
        assert first["ref"].tolist() == [CONTIGS["1"][600 + row] for row in rows]
        assert first["alt"].tolist() == ["ACGT"[channel] for channel in channels]
        np.testing.assert_allclose(first["mifm_logit_alt"], found.alt_logit[changed], atol=TOLERANCE)
        np.testing.assert_allclose(first["mifm_ref"], probability(found.ref_logit)[rows], atol=TOLERANCE)
        np.testing.assert_allclose(first["mifm_delta"], first["mifm_alt"] - first["mifm_ref"], atol=1e-6)
        np.testing.assert_allclose(
            first["mifm_logit_delta"], first["mifm_logit_alt"] - first["mifm_logit_ref"], atol=1e-6
        )
        assert set(first["centre"].dropna()) == ({610} if centre == "variant" else set())
        unknown = frame[frame["status"] == "non_acgt_allele"]
        assert unknown["pos"].tolist() == [301, 302, 303, 304]
        assert unknown["ref"].tolist() == ["N"] * 4
        assert unknown["alt"].isna().all()
        lost = frame[frame["status"] == "contig_not_in_fasta"].iloc[0]
        assert (lost["chrom"], lost["start"], lost["end"], lost["region"]) == ("9", 5, 6, 3)
        assert np.isnan(lost["mifm_ref"])
        provenance = table.schema.metadata
        assert provenance[b"tensors_sha256"].decode() == load_weights().sha256
        assert provenance[b"centre"].decode() == centre

    def test_the_table_has_several_row_groups(
        self, tmp_path: Path, fasta: Path, bed: Path, genome: Genome, network: MIFM
    ) -> None:
        run_bed(fasta, bed, tmp_path / "whole.parquet", "variant")
        targets = interval_targets(read_intervals(bed), genome, Centre.VARIANT)
        with written(tmp_path / "parts.parquet", {}, row_group=20) as sink:
            write(mutate(targets, genome, Predictor(network), Centre.VARIANT), [sink])
        assert pq.ParquetFile(tmp_path / "parts.parquet").num_row_groups == 3
        parts, whole = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("parts", "whole"))
        pd.testing.assert_frame_equal(parts, whole)

    @pytest.mark.parametrize("centre", ["variant", "position"])
    def test_the_arrays_are_nan_at_the_reference_base(
        self,
        centre: str,
        tmp_path: Path,
        fasta: Path,
        bed: Path,
        genome: Genome,
        network: MIFM,
    ) -> None:
        run_bed(fasta, bed, tmp_path / "out.h5", centre, batches=Batches(positions=7))
        found = interval_effects(("1", 600, 620), genome, network, Centre(centre))
        with h5py.File(tmp_path / "out.h5") as file:
            assert list(file) == ["1", "2", "3", "4"]
            assert file.attrs["fasta"] == "genome.fa"
            assert file.attrs["tensors_sha256"] == load_weights().sha256
            group = file["1"]
            assert {name: group.attrs[name] for name in ("id", "chrom", "start", "end", "status")} == {
                "id": "first",
                "chrom": "1",
                "start": 600,
                "end": 620,
                "status": "ok",
            }
            assert group.attrs.get("centre") == (610 if centre == "variant" else None)
            assert b"".join(group["ref"][:]).decode() == CONTIGS["1"][600:620]
            for name, values in found.scores().items():
                np.testing.assert_allclose(group[name][:], values, atol=TOLERANCE)
            is_ref = group["ref"][:][:, None] == np.array([b"A", b"C", b"G", b"T"])
            assert np.array_equal(np.isnan(group["mifm_delta"][:]), is_ref)
            numbers = h5py.check_enum_dtype(file["2/status"].dtype)
            names = {number: name for name, number in numbers.items()}
            assert [names[number] for number in file["2/status"][4:6].tolist()] == ["non_acgt_allele"] * 2
            assert file["3"].attrs["status"] == "contig_not_in_fasta"
            assert file["3/mifm_delta"].shape == (0, 4)

    def test_another_suffix_is_refused(self, tmp_path: Path, fasta: Path, bed: Path) -> None:
        with pytest.raises(OutputError, match=r"its name ends in '.txt'; expected .parquet or .h5"):
            run_bed(fasta, bed, tmp_path / "out.txt", "variant")

    def test_no_half_written_file_is_left(self, tmp_path: Path, fasta: Path) -> None:
        bad = tmp_path / "bad.bed"
        bad.write_text("1\t600\t620\n1\tx\t5\n")
        for name in ("out.parquet", "out.h5"):
            with pytest.raises(IntervalFileError, match=r"line 2 of .*bad\.bed is not BED"):
                run_bed(fasta, bad, tmp_path / name, "position", plot=tmp_path / "out.png")
        assert [path.name for path in tmp_path.iterdir()] == ["bad.bed"]

    def test_a_variant_file_of_another_build_is_refused(self, tmp_path: Path, fasta: Path) -> None:
        wrong = {"A": "C", "C": "G", "G": "T", "T": "A"}
        records = [("1", pos, wrong[CONTIGS["1"][pos - 1]], CONTIGS["1"][pos - 1]) for pos in range(600, 620)]
        vcf = write_vcf(tmp_path / "wrong.vcf", records)
        run = MutagenesisRun(fasta=fasta, vcf=vcf, output=tmp_path / "out.h5")
        with pytest.raises(ReferenceMismatchError, match="20 of 20 REF alleles differ"):
            run.run()
        assert not (tmp_path / "out.h5").exists()

    def test_weights_with_another_window_are_refused(self, tmp_path: Path, fasta: Path, bed: Path) -> None:
        save_weights(tmp_path / "tiny.safetensors", random_network(TINY), {})
        with pytest.raises(WeightsError, match="reads windows of 64 bp; expected 512 bp"):
            run_bed(fasta, bed, tmp_path / "out.h5", "variant", weights=tmp_path / "tiny.safetensors")

    def test_a_run_has_one_input(self) -> None:
        with pytest.raises(ValueError, match="either bed or vcf"):
            MutagenesisRun(fasta="g.fa", output="o.h5")


@pytest.mark.parametrize("centre", ["variant", "position"])
def test_pipes_are_read_whole(tmp_path: Path, fasta: Path, centre: str) -> None:
    """Also where progress is shown, for which files are read once more."""
    text = "".join(f"1\t{600 + row % 9}\t{601 + row % 9}\n" for row in range(700))
    with piped(text.encode(), tmp_path / "pipe.bed") as pipe:
        seen: list[float] = []
        run = MutagenesisRun(fasta=fasta, bed=pipe, output=tmp_path / "out.parquet", centre=Centre(centre))
        result = run.run(lambda _, fraction: seen.append(fraction))
    assert result.regions == 700
    assert set(seen) == {0.0}


def test_regions_of_other_contigs_are_named(
    tmp_path: Path, fasta: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bed = tmp_path / "other.bed"
    bed.write_text("7\t1\t5\n8\t1\t5\n")
    result = run_bed(fasta, bed, tmp_path / "out.parquet", "position")
    assert result.status == {"contig_not_in_fasta": 2}
    (message,) = caplog.messages
    assert "has none of the contigs of" in message
    assert "(7, 8)" in message


def test_text_that_hdf5_cannot_hold(tmp_path: Path, fasta: Path) -> None:
    bed = tmp_path / "odd.bed"
    bed.write_bytes(b"1\t600\t605\ta\0b\xf6\n")
    run_bed(fasta, bed, tmp_path / "out.h5", "position")
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["1"].attrs["id"] == "a\ufffdb\ufffd"


def test_types_do_not_depend_on_rows(tmp_path: Path, fasta: Path) -> None:
    (tmp_path / "empty.bed").write_text("")
    (tmp_path / "one.bed").write_text("1\t600\t601\n")
    for name in ("empty", "one"):
        run_bed(fasta, tmp_path / f"{name}.bed", tmp_path / f"{name}.parquet", "position")
    empty, one = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("empty", "one"))
    assert (empty.num_rows, one.num_rows) == (0, 3)
    assert empty.schema == one.schema


class TestProgress:
    """Of the 20 + 10 + 1 + 2 positions of the BED file, that of an unknown contig counts as passed."""

    @staticmethod
    def followed(run: MutagenesisRun) -> list[tuple[int, str]]:
        """Positions and percent that a run has said."""
        seen: list[tuple[int, str]] = []
        run.run(lambda positions, fraction: seen.append((positions, f"{fraction:.0%}")))
        return seen

    def test_of_regions_is_the_share_of_positions(self, tmp_path: Path, fasta: Path, bed: Path) -> None:
        run = MutagenesisRun(fasta=fasta, bed=bed, output=tmp_path / "out.h5", centre=Centre.POSITION)
        assert self.followed(run) == [(20, "61%"), (30, "91%"), (30, "94%"), (32, "100%")]

    @pytest.mark.parametrize("terminal", [True, False])
    @pytest.mark.parametrize("progress", [True, False, None])
    def test_is_shown_on_a_terminal_or_when_asked_for(
        self,
        terminal: bool,
        progress: bool | None,
        tmp_path: Path,
        fasta: Path,
        bed: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(Progress, "_INTERVAL", 0)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
        asked = {True: ["--progress"], False: ["--no-progress"], None: []}[progress]
        out = tmp_path / "out.h5"
        assert main(["mutagenesis", str(fasta), "--bed", str(bed), "-o", str(out), *asked]) == 0
        printed = capsys.readouterr()
        assert ("32 positions, " in printed.err) == (terminal if progress is None else progress)
        assert printed.out.splitlines()[-1] == f"written: {out}"

    @pytest.mark.parametrize("centre", list(Centre))
    def test_of_variants_is_the_share_of_records(self, centre: Centre, tmp_path: Path, fasta: Path) -> None:
        """The second record has two ALTs, on two lines; the third is on a contig that there is not."""
        ref = {pos: CONTIGS["1"][pos - 1] for pos in (600, 610, 620)}
        others = {pos: [base for base in "ACGT" if base != ref[pos]] for pos in ref}
        lines = [
            f"1\t{pos}\t.\t{ref[pos]}\t{others[pos][number]}\t.\t.\t."
            for pos, number in ((600, 0), (610, 0), (610, 1))
        ]
        lines += ["9\t5\t.\tA\tC\t.\t.\t.", f"1\t620\t.\t{ref[620]}\t{others[620][0]}\t.\t.\t."]
        vcf = tmp_path / "x.vcf"
        vcf.write_text(
            "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "\n".join(lines) + "\n"
        )
        run = MutagenesisRun(fasta=fasta, vcf=vcf, output=tmp_path / "out.h5", centre=centre, flank=2)
        assert self.followed(run) == [(5, "25%"), (10, "50%"), (10, "75%"), (15, "100%")]


def test_the_device_and_the_threads_are_those_asked_for(tmp_path: Path, fasta: Path, bed: Path) -> None:
    before = torch.get_num_threads()
    try:
        run_bed(fasta, bed, tmp_path / "out.h5", "position", threads=3, device="cpu")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    with pytest.raises(OptionError, match="no device 'nothing'"):
        run_bed(fasta, bed, tmp_path / "other.h5", "position", device="nothing")


class TestTracks:
    """Tracks for a genome browser."""

    @pytest.fixture(autouse=True)
    def _needs_pybigwig(self) -> None:
        pytest.importorskip("pyBigWig", reason="pyBigWig is not installed")

    @pytest.fixture
    def sorted_bed(self, tmp_path: Path) -> Path:
        path = tmp_path / "sorted.bed"
        path.write_text("1\t600\t610\n1\t610\t612\n1\t700\t705\n2\t296\t306\nfar\t1\t2\n")
        return path

    def test_hold_one_value_per_position(
        self, tmp_path: Path, fasta: Path, sorted_bed: Path, genome: Genome, network: MIFM
    ) -> None:
        import pyBigWig

        result = run_bed(fasta, sorted_bed, tmp_path / "out.h5", "position", bigwig=tmp_path / "out")
        assert {path.name for path in result.written[1:]} == {path.name for path in tmp_path.glob("*.bw")}
        assert sorted(path.name for path in tmp_path.glob("*.bw")) == [
            "out.importance.bw",
            "out.mifm_ref.bw",
            "out.strongest.bw",
        ]
        scores = interval_effects(("1", 600, 612), genome, network, Centre.POSITION).scores()
        expected = {
            "mifm_ref": scores["mifm_ref"],
            "importance": -mean_effect(scores["mifm_delta"]),
            "strongest": strongest_effect(scores["mifm_delta"]),
        }
        for name, values in expected.items():
            with pyBigWig.open(str(tmp_path / f"out.{name}.bw")) as file:
                assert file.chroms() == {name: len(bases) for name, bases in CONTIGS.items()}
                np.testing.assert_allclose(file.values("1", 600, 612), values, atol=TOLERANCE)
                assert np.isnan(file.values("1", 612, 700)).all()
                has_value = ~np.isnan(file.values("chr2", 290, 310))
                assert np.flatnonzero(has_value).tolist() == [6, 7, 8, 9, 14, 15]

    def test_a_window_has_no_track_of_its_one_score(
        self, tmp_path: Path, fasta: Path, sorted_bed: Path
    ) -> None:
        run_bed(fasta, sorted_bed, tmp_path / "out.h5", "variant", bigwig=tmp_path / "out")
        names = sorted(path.name for path in tmp_path.glob("*.bw"))
        assert names == ["out.importance.bw", "out.strongest.bw"]

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (
                "1\t600\t610\ta\n1\t609\t612\tb\n",
                "b 1:610-612 begins before the end of the region before it, a 1:601-610",
            ),
            ("1\t600\t610\n1\t500\t512\n", "1:501-512 begins before the end"),
            ("2\t600\t610\n1\t500\t512\n", "1:501-512 is on a contig that the FASTA has before"),
        ],
    )
    def test_regions_that_overlap_or_are_not_sorted_are_refused(
        self, lines: str, message: str, tmp_path: Path, fasta: Path
    ) -> None:
        bed = tmp_path / "bad.bed"
        bed.write_text(lines)
        with pytest.raises(OutputError, match=message + ".*bedtools sort.*leave --bigwig out"):
            run_bed(fasta, bed, tmp_path / "out.h5", "variant", bigwig=tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["bad.bed"]

    def test_overlapping_regions_of_positions_are_written_once(self, tmp_path: Path, fasta: Path) -> None:
        import pyBigWig

        batches = Batches(positions=4)
        one, many = tmp_path / "one.bed", tmp_path / "many.bed"
        one.write_text("1\t600\t622\n")
        many.write_text("1\t600\t611\n1\t600\t603\n1\t602\t604\n1\t605\t620\n1\t619\t622\n")
        values = {}
        for bed in (one, many):
            run_bed(fasta, bed, tmp_path / "out.h5", "position", bigwig=tmp_path / bed.stem, batches=batches)
            with pyBigWig.open(str(tmp_path / f"{bed.stem}.mifm_ref.bw")) as file:
                values[bed] = file.values("1", 590, 640)
        np.testing.assert_allclose(values[many], values[one], atol=TOLERANCE)
        assert np.count_nonzero(~np.isnan(values[one])) == 22
        many.write_text("1\t605\t611\n1\t600\t609\n")
        with pytest.raises(OutputError, match="1:601-609 begins before the end of the region before it"):
            run_bed(fasta, many, tmp_path / "out.h5", "position", bigwig=tmp_path / "out")

    def test_of_nothing_that_has_a_score(self, tmp_path: Path, fasta: Path) -> None:
        import pyBigWig

        bed = tmp_path / "far.bed"
        bed.write_text("far\t1\t2\n")
        run_bed(fasta, bed, tmp_path / "out.h5", "position", bigwig=tmp_path / "out")
        with pyBigWig.open(str(tmp_path / "out.mifm_ref.bw")) as file:
            assert not file.intervals("far")


@pytest.mark.parametrize(
    ("module", "option", "name", "message"),
    [
        ("matplotlib", "plot", "out.png", r"pip install '\.\[plot\]'"),
    ],
)
def test_a_missing_package_is_named_before_anything_is_computed(
    module: str,
    option: str,
    name: str,
    message: str,
    tmp_path: Path,
    fasta: Path,
    bed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MIFMError, match=f"{module}.* is not installed; .*{message}"):
        run_bed(fasta, bed, tmp_path / "out.h5", "variant", **{option: tmp_path / name})
    assert [path.name for path in tmp_path.iterdir()] == ["regions.bed"]


class TestFigures:
    """A logo above a heat map, line by line."""

    @pytest.fixture
    def effects(self, genome: Genome, network: MIFM) -> Effects:
        return interval_effects(("chr2", 290, 320), genome, network, Centre.VARIANT)

    def test_have_a_letter_and_four_cells_per_position(self, effects: Effects) -> None:
        figure = mutagenesis_plot.draw([effects], Score.LOGIT)
        logo, heat, bar = figure.axes
        assert len(logo.patches) == 30 - 4
        (image,) = heat.images
        assert image.get_array().shape == (4, 30)
        assert image.get_clim() == pytest.approx((-image.norm.vmax, image.norm.vmax))
        assert int(np.ma.masked_invalid(image.get_array()).mask.sum()) == 4 * 4
        (dots,) = heat.lines
        assert len(dots.get_xdata()) == 26
        ref = effects.ref.tobytes().decode()
        assert all(
            ref[int(x)] == "ACGT"[int(y)] for x, y in zip(dots.get_xdata(), dots.get_ydata(), strict=True)
        )
        assert bar.get_ylabel() == "change of the logit"
        centre = logo.lines[-1]
        assert centre.get_marker() == "v"
        assert list(centre.get_xdata()) == [effects.target.centre - 290]

    def test_letters_are_as_high_as_minus_the_mean_effect(self, effects: Effects) -> None:
        figure = mutagenesis_plot.draw([effects], Score.LOGIT)
        expected = -mean_effect(effects.scores()["mifm_logit_delta"])
        expected = expected[~np.isnan(expected)]
        boxes = [patch.get_path().get_extents() for patch in figure.axes[0].patches]
        heights = [box.y1 if box.y1 > 1e-9 else box.y0 for box in boxes]
        np.testing.assert_allclose(heights, expected, atol=1e-6)

    def test_of_a_long_region_go_on_below(self, genome: Genome, network: MIFM) -> None:
        found = interval_effects(("1", 500, 800), genome, network, Centre.VARIANT)
        figure = mutagenesis_plot.draw([found], Score.LOGIT)
        assert len(figure.axes) == 2 * 3 + 1
        assert sum(len(axes.patches) for axes in figure.axes[:-1]) == 300
        ticks = [label.get_text() for axes in figure.axes[1:6:2] for label in axes.get_xticklabels()]
        assert ticks[0] == "520"
        assert ticks[-1] == "800"
        assert [line.get_marker() for line in figure.axes[2].lines] == ["None", "v"]

    @pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
    def test_are_written_for_each_region_that_has_scores(
        self, suffix: str, tmp_path: Path, fasta: Path, bed: Path
    ) -> None:
        result = run_bed(fasta, bed, tmp_path / "out.h5", "position", plot=tmp_path / f"out.{suffix}")
        assert [path.name for path in result.written] == [
            "out.h5",
            *(f"out.{number}.{suffix}" for number in (1, 2, 4)),
        ]
        assert sorted(path.name for path in tmp_path.glob(f"*.{suffix}")) == [
            f"out.{number}.{suffix}" for number in (1, 2, 4)
        ]

    def test_of_one_region_has_the_name_itself(self, tmp_path: Path, fasta: Path) -> None:
        one = tmp_path / "one.bed"
        one.write_text("1\t600\t605\nfar\t1\t2\n")
        result = run_bed(fasta, one, tmp_path / "out.h5", "variant", plot=tmp_path / "out.png")
        assert result.written == (tmp_path / "out.h5", tmp_path / "out.png")
        assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
        assert len(list(tmp_path.glob("*.png"))) == 1

    @pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
    def test_names_are_text_and_no_markup(self, tmp_path: Path, fasta: Path, suffix: str) -> None:
        """Nor is a byte that is not UTF-8 an error; it is U+FFFD in the table."""
        bed = tmp_path / "odd.bed"
        names = [b"$x_1^2$", b"<b>&amp;", b"a_b^c\\frac", b"h\xf6"]
        bed.write_bytes(
            b"".join(b"1\t%d\t%d\t%s\n" % (600 + 9 * n, 605 + 9 * n, name) for n, name in enumerate(names))
        )
        run_bed(fasta, bed, tmp_path / "out.parquet", "position", plot=tmp_path / f"out.{suffix}")
        ids = pd.read_parquet(tmp_path / "out.parquet")["id"].unique().tolist()
        assert ids == [name.decode(errors="replace") for name in names]
        assert len(list(tmp_path.glob(f"out.*.{suffix}"))) == 4

    def test_titles_are_names_as_they_are(self, effects: Effects) -> None:
        target = dataclasses.replace(effects.target, id="$x_1$ <b>")
        figure = mutagenesis_plot.draw([dataclasses.replace(effects, target=target)], Score.LOGIT)
        (title,) = (text for text in figure.texts if "<b>" in text.get_text())
        assert title.get_text().startswith("$x_1$ <b>")
        assert not title.get_parse_math()

    def test_refuse_what_fits_no_page(self, tmp_path: Path) -> None:
        fasta = write_fasta(tmp_path / "long.fa", {"1": random_bases(5000, seed=7)})
        bed = tmp_path / "long.bed"
        bed.write_text("1\t1000\t4000\n")
        with pytest.raises(
            OutputError, match="cannot plot 1:1001-4000: it has 3000 positions, expected at most"
        ):
            run_bed(fasta, bed, tmp_path / "out.h5", "position", plot=tmp_path / "out.png")
        with pytest.raises(OutputError, match=r"its name ends in '.jpg'; expected .png, .svg or .pdf"):
            run_bed(fasta, bed, tmp_path / "out.h5", "position", plot=tmp_path / "out.jpg")


@pytest.mark.reference
def test_real_variants_score_as_snvs_of_their_positions(reference_data: Path, network: MIFM) -> None:
    genome = Genome(reference_data / "data/genome/GRCh37.mini.fa.gz")
    path = reference_data / "data/variants/1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    snvs = list(_first_snvs(path, 20))
    windows = cut_windows(snvs, genome)
    _, alt_logit = Predictor(network).variant_logits(windows.ref, windows.alt)
    targets = list(variant_targets(snvs, genome, Centre.POSITION))
    found = list(mutate(targets, genome, Predictor(network), Centre.POSITION))
    of_place = {(effects.target.id, effects.start): effects for effects in found}
    for snv, expected in zip(snvs, alt_logit, strict=True):
        effects = of_place[snv.id, snv.pos - 1]
        assert effects.alt_logit[0, "ACGT".index(snv.alt)] == pytest.approx(expected, abs=TOLERANCE)


def _first_snvs(path: Path, count: int) -> Iterator[Variant]:
    for variant in read_variants(path):
        if len(variant.ref) == 1 and variant.alt in ("A", "C", "G", "T"):
            yield variant
            count -= 1
            if not count:
                return


def test_an_input_is_never_an_output(
    tmp_path: Path, fasta: Path, bed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own name or by a link, and before any work."""
    given = tmp_path / "regions.bed"
    given.write_bytes(bed.read_bytes())
    for name, option in (("out.h5", {}), ("out.png", {"plot": tmp_path / "out.png"})):
        (tmp_path / name).symlink_to(given)
        run = MutagenesisRun(fasta=fasta, bed=given, output=tmp_path / "out.h5", **option)
        with pytest.raises(OptionError, match=rf"{name} would replace the input .*regions\.bed"):
            run.run()
        (tmp_path / name).unlink()
    (tmp_path / "out.importance.bw").hardlink_to(given)
    run = MutagenesisRun(fasta=fasta, bed=given, output=tmp_path / "out.h5", bigwig=tmp_path / "out")
    with pytest.raises(OptionError, match=r"importance\.bw would replace the input"):
        run.run()
    run = MutagenesisRun(fasta=fasta, vcf="v.vcf", positions=given, output=tmp_path / "out.importance.bw")
    with pytest.raises(OptionError, match=r"importance\.bw would replace the input .*regions\.bed"):
        run.run()
    (tmp_path / "out.12.png").symlink_to(given)
    run = MutagenesisRun(fasta=fasta, bed=given, output=tmp_path / "out.h5", plot=tmp_path / "out.png")
    with pytest.raises(OptionError, match=r"out\.12\.png would replace the input"):
        run.run()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    save_weights(made_folder(weights_folder()) / "own.safetensors", random_network(), {})
    (tmp_path / "own.h5").hardlink_to(weights_folder() / "own.safetensors")
    run = MutagenesisRun(fasta=fasta, bed=given, output=tmp_path / "own.h5", weights="own")
    with pytest.raises(OptionError, match=r"own\.h5 would replace the input .*own\.safetensors"):
        run.run()
    assert given.read_bytes() == bed.read_bytes()


class TestScan:
    """All SNVs of a region by a scan of its sequence, where that is the cheaper way."""

    ALWAYS = Costs(window=1e9, pair=0, position=1, substitution=1)

    @pytest.mark.parametrize("threads", [1, 3])
    def test_effects_are_those_of_windows(self, genome: Genome, network: MIFM, threads: int) -> None:
        places = [("1", 0, 300), ("nowhere", 1, 9), ("chr2", 280, 400), ("far", 880, 1000), ("1", 1490, 1500)]
        intervals = [Interval(*place, "name") for place in places]
        found, expected = (
            list(
                mutate(
                    interval_targets(intervals, genome, Centre.POSITION),
                    genome,
                    Predictor(network),
                    Centre.POSITION,
                    batches=Batches(positions=90),
                    scan=scan,
                )
            )
            for scan in (ScanWhenDue(lambda: Scan(network), self.ALWAYS, threads), None)
        )
        assert {Status.OK, Status.TOO_MANY_N, Status.NON_ACGT_ALLELE} == {
            status for effects in expected for status in effects.status
        }
        for one, other in zip(found, expected, strict=True):
            assert (one.target, one.start, one.status) == (other.target, other.start, other.status)
            assert one.ref.tobytes() == other.ref.tobytes()
            np.testing.assert_allclose(one.ref_logit, other.ref_logit, atol=TOLERANCE, rtol=0)
            np.testing.assert_allclose(one.alt_logit, other.alt_logit, atol=TOLERANCE, rtol=0)

    def test_it_is_loaded_when_that_pays(self, network: MIFM) -> None:
        """Once as much was lost without it as loading costs, or one region alone will save that much."""
        made: list[int] = []

        def make() -> Scan:
            made.append(1)
            return Scan(network)

        # A position costs 1000 by windows, 512 positions and itself by a scan.
        costs = Costs(window=1000, pair=0, position=10, substitution=0)
        scan = ScanWhenDue(make, costs)
        assert scan.of(5, 5) is None
        saved = 1000 * 100 - 10 * 612
        for _ in range(int(2e6 // saved)):
            assert scan.of(100, 100) is None
        assert not made
        assert scan.of(100, 100) is not None
        assert scan.of(100, 100) is not None
        assert scan.of(5, 5) is None
        assert len(made) == 1
        assert ScanWhenDue(make, costs).of(100, 100_000) is not None

    def test_files_are_the_same(self, tmp_path: Path, fasta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bed = tmp_path / "long.bed"
        bed.write_text("1\t300\t600\n")
        tables = []
        for name in ("windows", "scan"):
            run_bed(fasta, bed, tmp_path / f"{name}.parquet", "position")
            tables.append(pd.read_parquet(tmp_path / f"{name}.parquet"))
            for engine in COSTS:
                monkeypatch.setitem(COSTS, engine, self.ALWAYS)
        assert len(tables[0]) == 900
        pd.testing.assert_frame_equal(*tables, atol=TOLERANCE, rtol=0)
        assert not tables[0].equals(tables[1])
