"""Fits to the evidence of studies: what is learnt, what chooses the epoch, and what is another run."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.inference import logits
from mifm_kipoi.network.weights import tensors_sha256
from mifm_kipoi.scoring.scores import both_alleles_logit
from mifm_kipoi.sequence.windows import cut_windows
from tests.builders import TINY, random_network, write_fasta
from tests.training.bag_tables import Planted, make_dataset, plant
from tests.training.study_tables import with_studies
from training.data.dataset import DataSet, Split
from training.fitting.config import CHECKPOINT, FitConfig, FitError
from training.fitting.finetune import with_frozen_statistics
from training.fitting.fit import Fit, Fitted, Member
from training.fitting.predictions import Evaluation, Validation, evaluate, instance_logits
from training.mil.genome_tensor import Alleles, GenomeTensor
from training.mil.objective import Objective, ObjectiveConfig

NETWORK = dataclasses.replace(TINY, channels=5, stem_channels=8, stem_kernel=9)

FIT = FitConfig(
    epochs=4, bags_per_batch=8, negatives_per_bag=2, max_windows=5, max_shift=4, learning_rate=0.01,
    accelerator="cpu",
)  # fmt: skip


def studied(planted: Planted, seed: int = 0, informed: bool = True) -> DataSet:
    """Two to four studies of each positive bag, of four to six of its six instances.

    Their Bayes factors are those of one effect at the instance in the motif, or at any.
    """
    generator = np.random.default_rng(seed)
    labels = planted.dataset.bags["label"].to_numpy()
    studies = []
    for causal in planted.motifs[np.flatnonzero(labels == 1)].tolist():
        effect = causal if informed else int(generator.integers(6))
        own = []
        for _ in range(int(generator.integers(2, 5))):
            members = generator.permutation(6)[: int(generator.integers(4, 7))]
            z = generator.normal(np.where(members == effect, 3.5, 0.0))
            order = np.argsort(-np.abs(z))
            log_bf = -0.5 * math.log(26) + z**2 / 2 * 25 / 26
            own.append((0.5, members[order].tolist(), log_bf[order].tolist()))
        studies.append(own)
    return with_studies(planted.dataset, studies)


@dataclasses.dataclass(frozen=True)
class Motifs(Planted):
    """With the place of the motif in every positive bag; -1 for negative bags."""

    motifs: npt.NDArray[np.int64]


def place_of_motifs(planted: Planted) -> npt.NDArray[np.int64]:
    """Where the sequence around the variants of each bag has the motif."""
    found = np.full(len(planted.dataset.bags), -1)
    for bag, rows in planted.dataset.instances.groupby("bag"):
        for place, pos in enumerate(rows["pos"]):
            if planted.genome.fetch("1", pos - 4, pos + 3).tobytes() == b"TGACTCA":
                found[int(bag)] = place
    return found


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Motifs:
    made = plant(tmp_path_factory.mktemp("planted"), bags=160)
    return Motifs(made.genome, made.dataset, made.motif_rows, place_of_motifs(made))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Motifs:
    made = plant(tmp_path_factory.mktemp("small"), bags=32)
    return Motifs(made.genome, made.dataset, made.motif_rows, place_of_motifs(made))


def top_share(planted: Planted, dataset: DataSet, fitted: Fitted) -> float:
    """How often the instance in the motif is the highest of a validation bag."""
    part = dataset.part(Split.VALIDATION)
    genome = GenomeTensor.read(planted.genome, ["1"], NETWORK.window)
    found = instance_logits(fitted.network, genome, genome.offsets(part.instances))
    owners = part.instances["bag"].to_numpy()
    best = [
        rows[found[rows].argmax()]
        for rows in (np.flatnonzero(owners == owners[row]) for row in planted.motif_rows)
    ]
    return float(np.mean(best == planted.motif_rows))


def sums(fitted: Fitted) -> str:
    return tensors_sha256(fitted.network.state_dict())


@pytest.mark.parametrize("settings", [{}, {"objective": ObjectiveConfig("noisy_or"), "credible_set": 0.95}])
def test_the_motif_is_learnt_from_studies(planted: Motifs, tmp_path: Path, settings: dict[str, Any]) -> None:
    config = dataclasses.replace(FIT, epochs=10, **settings)
    fitted = Fit(studied(planted), planted.genome, NETWORK, config, tmp_path / "out").run()
    assert top_share(planted, planted.dataset, fitted) > 0.85
    history = fitted.history
    assert fitted.epoch == history["validation_likelihood"].argmax()
    assert fitted.metrics["validation_likelihood"] > 0.3
    assert fitted.metrics["validation_top_pip"] > 0.1


def test_an_untrained_network_agrees_with_evidence_by_chance(planted: Motifs) -> None:
    dataset = studied(planted, informed=False)
    network = random_network(NETWORK)
    genome = GenomeTensor.read(planted.genome, ["1"], NETWORK.window)
    validation = Validation.of(dataset.part(Split.VALIDATION), genome, FIT)
    found = evaluate(network, Objective(FIT.objective), genome, validation)
    assert abs(found.top_pip) < 0.1
    assert 0 <= found.likelihood < 0.05


def test_one_study_a_bag_is_the_united_bag(small: Motifs, tmp_path: Path) -> None:
    """The same windows, shifts, losses and weights, bit for bit, in every pooling."""
    for pooling in ("single_effect", "max"):
        fits = [
            Fit(
                small.dataset, small.genome, NETWORK,
                dataclasses.replace(
                    FIT, objective=ObjectiveConfig(pooling), evidence=evidence, epochs=2, max_windows=100  # type: ignore[arg-type] # one of its literals
                ),
                tmp_path / pooling / evidence,
            ).run()
            for evidence in ("per_study", "lowest_p")
        ]  # fmt: skip
        assert sums(fits[0]) == sums(fits[1])
        assert fits[0].history["train_loss"].tolist() == fits[1].history["train_loss"].tolist()
        assert fits[0].metrics["validation_loss"] == fits[1].metrics["validation_loss"]


def test_what_is_drawn_of_studies_is_resumed(small: Motifs, tmp_path: Path) -> None:
    dataset = studied(small)
    whole = Fit(dataset, small.genome, NETWORK, FIT, tmp_path / "whole").run()

    def killed(windows: int, fraction: float) -> None:
        if fraction > 0.6:
            raise ZeroDivisionError("killed in the third epoch")

    with pytest.raises(ZeroDivisionError, match="third epoch"):
        Fit(dataset, small.genome, NETWORK, FIT, tmp_path / "out").run(killed)
    resumed = Fit(dataset, small.genome, NETWORK, FIT, tmp_path / "out", resume=True).run()
    assert len(resumed.history) == 4
    assert sums(resumed) == sums(whole)
    # Other studies are drawn in every epoch, so that not all have as many windows.
    assert resumed.history["windows"].nunique() > 1


@pytest.mark.parametrize("monitor", ["likelihood", "top_pip"])
def test_the_highest_measure_of_instances_chooses(
    small: Motifs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, monitor: Any
) -> None:
    values = iter([0.0, 0.2, 0.1])
    nothing = Evaluation.of_nothing()

    def validate(member: Member) -> Evaluation:
        return dataclasses.replace(nothing, **{monitor: next(values)})

    monkeypatch.setattr(Member, "validate", validate)
    config = dataclasses.replace(FIT, epochs=3, monitor=monitor)
    fitted = Fit(studied(small), small.genome, NETWORK, config, tmp_path).run()
    assert fitted.epoch == 1
    assert fitted.metrics[f"validation_{monitor}"] == 0.2


def test_measures_of_instances_do_not_depend_on_what_the_loss_reads(small: Motifs) -> None:
    dataset = studied(small).part(Split.VALIDATION)
    genome = GenomeTensor.read(small.genome, ["1"], NETWORK.window)
    network = random_network(NETWORK)
    found = []
    changes: list[dict[str, Any]] = [
        {}, {"evidence": "lowest_p", "max_bag_size": 2}, {"credible_set": 0.5}, {"rows": "lead"},
        {"objective": ObjectiveConfig("max")},
    ]  # fmt: skip
    for changed in changes:
        config = dataclasses.replace(FIT, **changed)
        one = evaluate(network, Objective(config.objective), genome, Validation.of(dataset, genome, config))
        found.append(one)
    assert len({(one.likelihood, one.top_pip) for one in found}) == 1
    assert len({one.loss for one in found}) == len(changes)
    assert len(found[1].labels) == len(dataset.bags)
    assert int(found[0].labels.sum()) == len(dataset.studies)


def test_evidence_that_is_monitored_has_to_be_there(small: Motifs, tmp_path: Path) -> None:
    nan = np.float32("nan")
    one = small.dataset
    bare = DataSet(one.bags, one.instances, one.studies, one.evidence.assign(log_bf=nan, pip=nan), {})
    config = dataclasses.replace(FIT, objective=ObjectiveConfig("max"))
    with pytest.raises(
        FitError, match=r"monitor is likelihood, and there are 8 positive .* with Bayes factors or PIPs"
    ):
        Fit(bare, small.genome, NETWORK, config, tmp_path).run()


def test_both_alleles_are_read_as_the_package_reads_them(tmp_path: Path) -> None:
    """In a fit, in its evaluation and afterwards: the two logits of mifm score, and the one formula."""
    generator = np.random.default_rng(3)
    bases = "".join(generator.choice(list("ACGT"), 4000))
    genome = Genome(write_fasta(tmp_path / "genome.fa", {"1": bases}))
    variants = []
    for number, pos in enumerate(range(200, 3800, 45)):
        ref = bases[pos - 1 : pos - 1 + (1, 1, 3)[number % 3]]
        alt = ("ACGT"[("ACGT".index(ref[0]) + 1) % 4], ref + "GATTA", ref[0])[number % 3]
        variants.append(Variant("1", pos, ".", ref, alt))
    rows = [("1", v.pos, v.ref, v.alt) for v in variants]
    made = [(1, ("train", "validation")[bag % 2], rows[8 * bag : 8 * bag + 8]) for bag in range(8)]
    made += [(0, ("train", "validation")[row % 2], [row_]) for row, row_ in enumerate(rows[64:])]
    dataset = make_dataset(made)
    network = dataclasses.replace(NETWORK, channels=4)
    config = dataclasses.replace(FIT, alleles="both", epochs=2)
    with pytest.raises(FitError, match=r"alleles is both and network\.channels is 5; expected 4"):
        Fit(dataset, genome, NETWORK, config, tmp_path / "token").run()
    fitted = Fit(dataset, genome, network, config, tmp_path / "out").run()
    reference = Fit(
        dataset, genome, network, dataclasses.replace(config, alleles="reference"), tmp_path / "ref"
    ).run()
    assert (fitted.history["windows"] == 2 * reference.history["windows"]).all()
    assert sums(fitted) != sums(reference)
    windows = cut_windows(variants, genome, window=network.window)
    expected = both_alleles_logit(*(logits(fitted.network, one) for one in (windows.ref, windows.alt)))
    assert np.abs(expected - logits(fitted.network, windows.ref)).max() > 1e-3
    held = GenomeTensor.read(genome, ["1"], network.window)
    found = instance_logits(
        fitted.network, held, held.offsets(dataset.instances), Alleles.of(dataset.instances)
    )
    np.testing.assert_allclose(found, expected, atol=2e-5)
    part = dataset.part(Split.VALIDATION)
    validation = Validation.of(part, held, dataclasses.replace(config, negatives_per_bag=100))
    evaluation = evaluate(fitted.network, fitted.objective, held, validation)
    chosen = dataset.bags["split"].to_numpy()[dataset.instances["bag"].to_numpy()] == "validation"
    np.testing.assert_allclose(evaluation.logits, expected[chosen], atol=2e-5)


def test_what_changes_the_weights_is_another_run(small: Motifs, tmp_path: Path) -> None:
    dataset = studied(small)
    config = dataclasses.replace(FIT, epochs=1)
    Fit(dataset, small.genome, NETWORK, config, tmp_path).run()
    changes: list[tuple[dict[str, Any], str]] = [
        ({"evidence": "lowest_p"}, "fit.evidence was per_study and is lowest_p"),
        ({"max_windows": 6}, "fit.max_windows was 5 and is 6"),
        ({"credible_set": 0.95}, "fit.credible_set was not set and is 0.95"),
        ({"rows": "lead"}, "fit.rows was all and is lead"),
        ({"objective": ObjectiveConfig(temper=0.5)}, "fit.objective.temper was 1.0 and is 0.5"),
        ({"monitor": "last"}, "fit.monitor was likelihood and is last"),
    ]
    for changed, match in changes:
        other = dataclasses.replace(config, **changed)
        with pytest.raises(FitError, match=f"is of another run: {match}"):
            Fit(dataset, small.genome, NETWORK, other, tmp_path, resume=True).run()
    weighted = dataclasses.replace(dataset, studies=dataset.studies.assign(weight=np.float32(1)))
    with pytest.raises(FitError, match=r"is of another run: data_set\.studies was"):
        Fit(weighted, small.genome, NETWORK, config, tmp_path, resume=True).run()
    bases = bytearray(small.genome.fetch("1", 0, small.genome.contigs["1"]).tobytes())
    # Far from all variants: what a window may read is not asked.
    bases[-1] = ord("A") if bases[-1] != ord("A") else ord("C")
    changed_genome = Genome(write_fasta(tmp_path / "other.fa", {"1": bases.decode()}))
    with pytest.raises(FitError, match=r"is of another run: genome was \w+\.\.\. and is"):
        Fit(dataset, changed_genome, NETWORK, config, tmp_path, resume=True).run()


def test_statistics_that_stay_are_another_run(small: Motifs, tmp_path: Path) -> None:
    network = random_network(NETWORK)
    config = dataclasses.replace(FIT, epochs=1)
    Fit(studied(small), small.genome, network, config, tmp_path).run()
    with pytest.raises(FitError, match="another run: frozen_statistics was False and is True"):
        Fit(
            studied(small), small.genome, with_frozen_statistics(network), config, tmp_path, resume=True
        ).run()


def test_a_checkpoint_of_an_older_version_is_refused(small: Motifs, tmp_path: Path) -> None:
    config = dataclasses.replace(FIT, epochs=1)
    Fit(studied(small), small.genome, NETWORK, config, tmp_path).run()
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    state["format"] = "mifm-checkpoint/1"
    torch.save(state, tmp_path / CHECKPOINT)
    with pytest.raises(
        FitError, match=r"of the format 'mifm-checkpoint/1'; .*another version .* another folder"
    ):
        Fit(studied(small), small.genome, NETWORK, config, tmp_path, resume=True).run()
