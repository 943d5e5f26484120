"""Effects and scores of sequence networks: places, alleles, strands, batches, statuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mifm_kipoi.baselines.networks.background import Background
from mifm_kipoi.baselines.networks.sequence import NetworkError, SequenceBaseline, TorchReader
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from tests.baselines.networks.toy_networks import (
    BASES,
    CPU,
    Convolutions,
    Toy,
    baseline_of,
    check_notices_shift,
    check_toy_effects,
    info,
    make_genome,
    place_weights,
    random_bases,
    some_variants,
    toy_baseline,
)
from tests.builders import write_fasta

WINDOW = 200


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Genome, dict[str, str]]:
    return make_genome(tmp_path_factory.mktemp("genome"), 2_000)


@pytest.mark.parametrize("window", [WINDOW, 201, 512, 7])
def test_alleles_are_in_their_place(genome: tuple[Genome, dict[str, str]], window: int) -> None:
    variants = some_variants(genome[1]["1"], range(700, 720))
    check_toy_effects(toy_baseline(window), genome[0], genome[1]["1"], variants, window)


def test_one_base_off_is_noticed(
    monkeypatch: pytest.MonkeyPatch, genome: tuple[Genome, dict[str, str]]
) -> None:
    variants = some_variants(genome[1]["1"], range(700, 720))
    check_notices_shift(monkeypatch, toy_baseline(WINDOW), genome[0], genome[1]["1"], variants, WINDOW)


@pytest.mark.parametrize(
    "fault",
    [
        lambda windows: windows.flip(1),
        lambda windows: windows.flip(1, 2),
        lambda windows: windows.flip(2),
        lambda windows: windows[..., [0, 2, 1, 3]],
        lambda windows: windows.roll(1, 1),
    ],
    ids=["reversed", "reverse complement", "complement", "C and G exchanged", "one base off"],
)
def test_other_faults_are_noticed(fault: object, genome: tuple[Genome, dict[str, str]]) -> None:
    reader = TorchReader(Toy(WINDOW), lambda net, windows: net(fault(windows)), WINDOW, CPU)
    variants = some_variants(genome[1]["1"], range(700, 720))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_toy_effects(SequenceBaseline(reader, info()), genome[0], genome[1]["1"], variants, WINDOW)


def test_insertion_and_deletion_by_hand(tmp_path: Path) -> None:
    """Windows of 5: the allele is at index 2."""
    genome = Genome(write_fasta(tmp_path / "g.fa", {"1": "AACGTTAGCA"}))
    inserted, deleted = Variant("1", 4, ".", "G", "GC"), Variant("1", 4, ".", "GT", "G")
    weights = place_weights(5)
    _, effects = toy_baseline(5).effects([inserted, deleted], genome)
    a, c, g, t = BASES
    reference = np.stack([a, c, g, t, t])
    for found, alternative in zip(effects, ([a, c, g, c, t], [a, c, g, t, a]), strict=True):
        np.testing.assert_allclose(found, weights @ (np.stack(alternative) - reference), rtol=1e-6)


def test_effects_are_alternative_less_reference(tmp_path: Path) -> None:
    genome = Genome(write_fasta(tmp_path / "g.fa", {"1": random_bases(400).replace("T", "A")}))
    pos = genome.fetch("1", 0, 400).tobytes().find(b"A", 200) + 1
    network = Toy(WINDOW)
    network.places.fill_(1.0)
    _, effects = baseline_of(network, WINDOW).effects([Variant("1", pos, ".", "A", "T")], genome)
    np.testing.assert_allclose(effects[0], BASES[3] - BASES[0], rtol=1e-6)


def test_batches_do_not_matter(genome: tuple[Genome, dict[str, str]]) -> None:
    variants = some_variants(genome[1]["1"], range(700, 760))
    network = Convolutions()
    whole = baseline_of(network, WINDOW, ComputeOptions("cpu", 1_000)).effects(variants, genome[0])[1]
    scale = float(np.abs(whole).max())
    for size, chunk_size in ((1, 1_000), (7, 1_000), (64, 5), (3, 1)):
        baseline = baseline_of(network, WINDOW, ComputeOptions("cpu", size))
        baseline.chunk_size = chunk_size
        status, effects = baseline.effects(variants, genome[0])
        assert status == ["ok"] * len(variants)
        np.testing.assert_allclose(effects, whole, rtol=1e-6, atol=2e-5 * scale)
        scores = baseline.score(variants, genome[0])
        np.testing.assert_array_equal(scores.columns["max_abs_delta"], np.abs(effects).max(1))


class Counting:
    """Counts the windows that are read."""

    window, bins, tracks = WINDOW, 1, 2

    def __init__(self) -> None:
        self.read = 0

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        self.read += len(codes)
        weighted = codes * np.arange(1, WINDOW + 1)
        return np.stack([weighted.sum(1), -weighted.sum(1)], axis=1).astype(np.float64)


def test_shared_reference_windows_are_read_once(tmp_path: Path) -> None:
    """Contigs of two names for one are two contigs where the FASTA has both."""
    bases = random_bases(600)
    genome = Genome(write_fasta(tmp_path / "g.fa", {"1": bases, "chr1": bases[::-1]}))
    reader = Counting()
    ref, other = bases[299], bases[::-1][299]
    assert ref != other
    alts = [base for base in "ACGT" if base not in (ref, other)]
    variants = [Variant("1", 300, ".", ref, alt) for alt in (*alts, other)]
    variants += [Variant("chr1", 300, ".", other, alt) for alt in alts]
    variants.insert(1, Variant("1", 301, ".", bases[300], bases[300] + "AC"))
    status, effects = SequenceBaseline(reader, info()).effects(variants, genome)
    assert status == ["ok"] * len(variants)
    assert reader.read == 3 + len(variants)
    singly = [SequenceBaseline(Counting(), info()).effects([each], genome)[1][0] for each in variants]
    np.testing.assert_array_equal(effects, singly)


def test_statuses(genome: tuple[Genome, dict[str, str]]) -> None:
    bases = genome[1]["1"]
    wrong = "A" if bases[999] != "A" else "C"
    variants = [
        Variant("1", 1000, ".", wrong, "G" if wrong != "G" else "T"),
        Variant("1", 1000, ".", bases[999], "<DEL>"),
        Variant("1", 1000, ".", bases[999], "*"),
        Variant("7", 1000, ".", "A", "C"),
        Variant("1", 9000, ".", "A", "C"),
        Variant("1", 3, ".", bases[2], "A" if bases[2] != "A" else "C"),
        Variant("chr1", 1000, ".", bases[999], wrong),
    ]
    baseline = toy_baseline(WINDOW)
    status, effects = baseline.effects(variants, genome[0])
    expected = "ref_mismatch symbolic_alt spanning_deletion contig_not_in_fasta position_outside_contig "
    assert status == [*expected.split(), "too_many_n", "ok"]
    assert np.isnan(effects[:-1]).all()
    assert np.isfinite(effects[-1]).all()
    scored = baseline.score(variants, genome[0])
    assert list(scored.status) == status
    for values in scored.columns.values():
        assert values.dtype == np.float64
        np.testing.assert_array_equal(np.isnan(values), [True] * 6 + [False])


def test_no_variants(genome: tuple[Genome, dict[str, str]]) -> None:
    status, effects = toy_baseline(WINDOW).effects([], genome[0])
    assert (status, effects.shape) == ([], (0, 3))
    assert len(toy_baseline(WINDOW).score([], genome[0])) == 0


def snv(bases: str, pos: int) -> Variant:
    return Variant("1", pos, ".", bases[pos - 1], "A" if bases[pos - 1] != "A" else "C")


@pytest.mark.parametrize(("window", "fraction", "text"), [(10_000, 0.1, "10%"), (10_002, 0.5, "50%")])
def test_windows_with_n(tmp_path: Path, window: int, fraction: float, text: str) -> None:
    """Windows of more than 10,000 bp may be half N, shorter ones a tenth."""
    allowed = int(window * fraction)
    for unknown, expected in ((allowed, "ok"), (allowed + 1, "too_many_n")):
        left = unknown // 2
        bases = "N" * left + random_bases(window - unknown) + "N" * (unknown - left)
        variant = snv(bases, (window - 1) // 2 + 1)
        genome = Genome(write_fasta(tmp_path / f"{unknown}.fa", {"1": bases}))
        baseline = toy_baseline(window)
        assert text in baseline.declaration.alleles
        assert baseline.effects([variant], genome)[0] == [expected]
        if expected == "ok":
            check_toy_effects(baseline, genome, bases, [variant], window)


def test_ends_of_contigs(tmp_path: Path) -> None:
    """Long windows over either end are padded with N."""
    bases, window = random_bases(12_000), 11_000
    genome = Genome(write_fasta(tmp_path / "g.fa", {"1": bases}))
    end = len(bases)
    variants = [snv(bases, pos) for pos in (1, 2, 500, end - 1, end)]
    variants += [
        Variant("1", 3, ".", bases[2:6], bases[2]),
        Variant("1", end - 1, ".", bases[-2:], bases[-2]),
    ]
    variants.append(Variant("1", end, ".", bases[-1], bases[-1] + "ACGTT"))
    check_toy_effects(toy_baseline(window), genome, bases, variants, window)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_finite_number_is_an_error(genome: tuple[Genome, dict[str, str]], value: float) -> None:
    network = Toy(WINDOW)
    network.bases[2, 1] = value
    variants = some_variants(genome[1]["1"], range(700, 703))
    for call in ("score", "effects"):
        with pytest.raises(NetworkError, match=r"Toy .* not finite for 1:700 . > . on 1 of 3 tracks"):
            getattr(baseline_of(network, WINDOW), call)(variants, genome[0])


def test_overflow_of_float32_is_an_error(genome: tuple[Genome, dict[str, str]]) -> None:
    network = Toy(WINDOW)
    network.bases[:, 0] *= 1e40
    with pytest.raises(NetworkError, match="numbers that are not finite for 1:700"):
        baseline_of(network, WINDOW).score(some_variants(genome[1]["1"], range(700, 703)), genome[0])


def background(mean: list[float], sd: list[float], baseline: SequenceBaseline) -> Background:
    return Background(
        Path("b"), np.array(mean), np.array(sd), 7, 0, {"model": dict(baseline.identity)}, "abc"
    )


def test_normalised_score(genome: tuple[Genome, dict[str, str]]) -> None:
    plain = toy_baseline(WINDOW)
    variants = some_variants(genome[1]["1"], range(700, 730))
    mean, sd = [0.3, -0.2, 5.0], [0.5, 2.0, 0.0]
    baseline = plain.with_background(background(mean, sd, plain))
    scores = baseline.declaration.scores
    assert [score.name for score in scores if score.ranks] == ["max_abs_delta_normalised", "max_abs_delta"]
    assert [score.name for score in scores if score.signed] == ["strongest_delta"]
    assert baseline.declaration.provenance["background_sha256"] == "abc"
    scored = baseline.score(variants, genome[0])
    assert tuple(scored.columns) == baseline.declaration.columns
    _, effects = plain.effects(variants, genome[0])
    expected = [
        max(abs((float(effect[track]) - mean[track]) / sd[track]) for track in (0, 1)) for effect in effects
    ]
    np.testing.assert_allclose(scored.columns["max_abs_delta_normalised"], expected, rtol=1e-12)
    unchanged = plain.score(variants, genome[0])
    assert tuple(unchanged.columns) == ("max_abs_delta", "strongest_delta") == plain.declaration.columns
    for name, values in unchanged.columns.items():
        np.testing.assert_array_equal(values, scored.columns[name])


def test_backgrounds_that_do_not_fit() -> None:
    baseline = toy_baseline(WINDOW)
    with pytest.raises(InputError, match="no track whose effects differ"):
        baseline.with_background(background([0, 0, 0], [0, 0, 0], baseline))
    with pytest.raises(InputError, match="tracks was 2 and is 3"):
        baseline.with_background(background([0, 0], [1, 1], baseline))
    with pytest.raises(InputError, match="another model than Toy: window was 201 and is 200"):
        baseline.with_background(background([0, 0, 0], [1, 1, 1], toy_baseline(WINDOW + 1)))
    other = background([0, 0, 0], [1, 1, 1], baseline)
    other.identity["model"]["weights_sha256"] = "1"
    with pytest.raises(InputError, match="weights_sha256 was 1 and is 0"):
        baseline.with_background(other)


def test_declaration() -> None:
    declared = toy_baseline(201).declaration
    assert (declared.window, declared.variant_index, declared.tracks) == (201, 100, 3)
    assert "sum over its 4 bins" in declared.formula
    assert declared.provenance == {"weights": {"weights_sha256": "0"}, "libraries": {"torch": "any"}}


def test_bases_that_are_none_are_zeros() -> None:
    seen = []

    def keep(network: torch.nn.Module, windows: torch.Tensor) -> torch.Tensor:
        seen.append(windows)
        return windows.sum((1, 2))[:, None]

    TorchReader(torch.nn.Identity(), keep, 5, CPU)(np.array([[3, 4, 0, 1, 2]], dtype=np.uint8))
    assert seen[-1].dtype == torch.float32
    assert seen[-1].tolist() == [[[0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]]


def test_networks_are_run_for_inference() -> None:
    network = torch.nn.Sequential(torch.nn.Dropout(0.5), Toy(WINDOW)).train()
    reader = TorchReader(network, lambda net, windows: net(windows), WINDOW, CPU)
    codes = np.zeros((1, WINDOW), dtype=np.uint8)
    np.testing.assert_array_equal(reader(codes), reader(codes))
    assert (reader.bins, reader.tracks) == (4, 3)
    assert all(buffer.device.type == "cpu" for buffer in network.buffers())


def test_other_shapes_are_an_error() -> None:
    """A network that gives other bins than it said."""
    sizes = iter([4, 3])
    reader = TorchReader(torch.nn.Identity(), lambda net, windows: windows[:, : next(sizes)], WINDOW, CPU)
    with pytest.raises(NetworkError, match=r"gave \(2, 3, 4\) numbers for 2 windows; expected \(2, 4, 4\)"):
        reader(np.zeros((2, WINDOW), dtype=np.uint8))


def test_windows_that_a_network_cannot_read() -> None:
    with pytest.raises(OptionError, match="cannot read windows of 6 bp"):
        baseline_of(Convolutions(), 6)
    with pytest.raises(OptionError, match="leave the network no bin"):
        TorchReader(torch.nn.Identity(), lambda net, windows: windows[:, 9:], 8, CPU)
    with pytest.raises(OptionError, match="no device 'abacus'"):
        toy_baseline(WINDOW, ComputeOptions("abacus"))


@pytest.mark.parametrize(
    ("window", "tracks", "chunk_size"),
    [(512, 1, 4_096), (16_513, 5_313, 127), (196_608, 5_313, 10), (524_288, 7_611, 4), (1_000, 21_907, 95)],
)
def test_a_killed_run_loses_little(window: int, tracks: int, chunk_size: int) -> None:
    reader = Counting()
    reader.window, reader.tracks = window, tracks
    assert SequenceBaseline(reader, info()).chunk_size == chunk_size
