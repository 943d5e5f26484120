"""What the network reads around variants, against the network itself."""

from __future__ import annotations

import numpy as np
import pytest

from mifm_kipoi.explanation.variants.readings import Reading, read_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.mutagenesis.mutate import substitution_logits
from mifm_kipoi.network.attribution import DeepLift, observed
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.sequence.windows import cut_windows
from tests.builders import write_fasta

BASES = "".join(np.random.default_rng(3).choice(list("ACGT"), 2000))
N_NEAR = BASES[:900] + "N" * 10 + BASES[910:]
SNV = Variant("1", 1001, "rs1", BASES[1000], "A" if BASES[1000] != "A" else "C")
INSERTION = Variant("1", 1101, "rs2", BASES[1100], BASES[1100] + "TTG")
DELETION = Variant("1", 1201, "rs3", BASES[1200:1203], BASES[1200])


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    return Genome(write_fasta(tmp_path_factory.mktemp("g") / "g.fa", {"1": BASES, "n": N_NEAR}))


@pytest.fixture(scope="module")
def network() -> MIFM:
    return load_weights().model()


@pytest.fixture(scope="module")
def readings(genome: Genome, network: MIFM) -> list[Reading]:
    pytest.importorskip("tangermeme", reason="tangermeme is not installed")
    return read_variants(
        [SNV, INSERTION, DELETION], genome, Predictor(network), DeepLift(network, 4), 64, chunk=2
    )


def test_logits_are_those_of_the_windows(readings: list[Reading], genome: Genome, network: MIFM) -> None:
    windows = cut_windows([SNV, INSERTION, DELETION], genome)
    ref, alt = Predictor(network).variant_logits(windows.ref, windows.alt)
    np.testing.assert_allclose([reading.ref.logit for reading in readings], ref, atol=1e-5)
    np.testing.assert_allclose([reading.alt.logit for reading in readings], alt, atol=1e-5)
    assert [reading.change for reading in readings] == pytest.approx((alt - ref).tolist(), abs=2e-5)


def test_contributions_of_both_alleles_are_against_the_shuffles_of_ref(
    readings: list[Reading], genome: Genome, network: MIFM
) -> None:
    windows = cut_windows([SNV, INSERTION, DELETION], genome)
    deep_lift = DeepLift(network, 4)
    expected = observed(deep_lift(windows.ref).hypothetical, windows.ref)
    of_alt = observed(deep_lift(windows.alt, windows.ref).hypothetical, windows.alt)
    for row, reading in enumerate(readings):
        for allele, values, indices in (
            (reading.ref, expected, reading.alignment.ref),
            (reading.alt, of_alt, reading.alignment.alt),
        ):
            kept = indices >= 0
            np.testing.assert_allclose(allele.contributions[kept], values[row, indices[kept]], atol=1e-6)
            assert np.isnan(allele.contributions[~kept]).all()
            assert allele.delta < 1e-4
    own = observed(deep_lift(windows.alt).hypothetical, windows.alt)
    assert np.abs(own - of_alt).max() > 1e-3


def test_bases_are_those_of_the_alleles(readings: list[Reading]) -> None:
    snv, insertion, deletion = readings
    assert snv.ref.bases == BASES[1000 - 31 : 1000 + 33]
    assert snv.alt.bases == snv.ref.bases[:31] + SNV.alt + snv.ref.bases[32:]
    assert insertion.ref.bases.replace("-", "") == BASES[1100 - 30 : 1100 + 31]
    assert insertion.ref.bases[30:34] == f"{BASES[1100]}---"
    assert insertion.alt.bases[30:34] == f"{BASES[1100]}TTG"
    assert deletion.alt.bases[deletion.alignment.allele[0] :][:3] == f"{BASES[1200]}--"


def test_substitutions_are_those_of_mutagenesis(
    readings: list[Reading], genome: Genome, network: MIFM
) -> None:
    windows = cut_windows([SNV], genome)
    ref, alt = substitution_logits(Predictor(network), windows.ref)
    expected = (alt[0] - ref[0])[readings[0].alignment.ref]
    effects = readings[0].effects
    known = ["ACGT".index(base) for base in readings[0].ref.bases]
    assert (effects[np.arange(64), known] == 0).all()
    np.testing.assert_allclose(effects[~np.isnan(expected)], expected[~np.isnan(expected)], atol=1e-6)
    # The variant itself is one of them.
    column = readings[0].alignment.allele[0]
    assert effects[column, "ACGT".index(SNV.alt)] == pytest.approx(readings[0].change, abs=2e-5)
    gaps = np.array(list(readings[1].ref.bases)) == "-"
    assert np.isnan(readings[1].effects[gaps]).all()
    assert not np.isnan(readings[1].effects[~gaps]).any()


def test_the_change_is_held_against_the_snvs_of_other_bases(readings: list[Reading]) -> None:
    reading = readings[0]
    column = reading.alignment.allele[0]
    sizes = [
        abs(reading.effects[place, base])
        for place in range(64)
        for base in range(4)
        if place != column and "ACGT"[base] != reading.ref.bases[place]
    ]
    assert len(sizes) == 63 * 3
    assert reading.larger_than == pytest.approx(np.mean([size < abs(reading.change) for size in sizes]))


def test_windows_with_n_and_runs_without_deep_lift_use_mutagenesis(genome: Genome, network: MIFM) -> None:
    pytest.importorskip("tangermeme", reason="tangermeme is not installed")
    near = Variant("n", 1001, ".", SNV.ref, SNV.alt)
    predictor = Predictor(network)
    with_n, whole = read_variants([near, SNV], genome, predictor, DeepLift(network, 2), 32)
    assert (with_n.ref.method, with_n.alt.method, whole.ref.method) == ("ism", "ism", "deeplift")
    (alone,) = read_variants([SNV], genome, predictor, None, 32)
    assert alone.ref.method == "ism"
    assert np.isnan(alone.ref.delta)
    # The base less the mean of the four there.
    np.testing.assert_allclose(alone.ref.contributions, -alone.effects.mean(axis=1), atol=1e-5)


def test_a_variant_without_windows_is_refused(genome: Genome, network: MIFM) -> None:
    wrong = Variant("1", 1001, ".", "A" if BASES[1000] != "A" else "C", "G")
    with pytest.raises(ValueError, match=r"1:1001.*ref_mismatch"):
        read_variants([wrong], genome, Predictor(network), None, 32)
