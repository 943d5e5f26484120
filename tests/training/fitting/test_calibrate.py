import copy
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mifm_kipoi.network.model import MIFM
from tests.builders import random_network
from tests.training.bag_tables import Planted, plant
from tests.training.conftest import MEMBER, Fitting
from training.data.dataset import Split
from training.fitting.calibrate import (
    HIGHEST_LOGIT,
    LARGEST_SLOPE_ALONE,
    LEAST_SLOPE,
    Calibration,
    calibrate,
    largest_slope,
)
from training.fitting.config import FitConfig
from training.fitting.predictions import Validation, evaluate, instance_logits
from training.mil.genome_tensor import GenomeTensor
from training.mil.objective import Objective, ObjectiveConfig, PoolingName


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant(tmp_path_factory.mktemp("planted"), bags=60)


def made(
    planted: Planted, pooling: PoolingName = "single_effect", negatives: int = 2, **settings: object
) -> tuple[Objective, GenomeTensor, Validation]:
    """Loss, genome and training bags, as a fit has them."""
    config = FitConfig(
        objective=ObjectiveConfig(pooling=pooling, **settings), negatives_per_bag=negatives, accelerator="cpu"
    )  # type: ignore[arg-type]
    genome = GenomeTensor.read(planted.genome, ["1"], 64)
    bags = Validation.of(planted.dataset.part(Split.TRAIN), genome, config)
    return Objective(config.objective, MEMBER.head_channels).eval(), genome, bags


def changed(network: MIFM, slope: float, offset: float) -> MIFM:
    return Calibration(slope, offset, math.nan, math.nan).of(network)


def test_slope_and_offset_are_folded_into_the_head(planted: Planted) -> None:
    network = random_network(MEMBER)
    before = copy.deepcopy(network.state_dict())
    genome = GenomeTensor.read(planted.genome, ["1"], 64)
    offsets = genome.offsets(planted.dataset.instances.head(20))
    np.testing.assert_allclose(
        instance_logits(changed(network, 2.5, -3.0), genome, offsets),
        2.5 * instance_logits(network, genome, offsets) - 3,
        atol=1e-5,
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_offset_of_a_constant_network_in_closed_form(planted: Planted) -> None:
    """45 positive and 90 negative bags whose highest logit is one number: its odds are 1 to 2."""
    network = random_network(MEMBER)
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.constant_(network.head.bias, 0.25)
    objective, genome, bags = made(planted, "max", class_weight="none")
    found = calibrate(network, objective, genome, bags)
    assert found.slope * 0.25 + found.offset == pytest.approx(math.log(1 / 2), abs=1e-4)
    assert found.loss == pytest.approx(-(math.log(1 / 3) + 2 * math.log(2 / 3)) / 3, abs=1e-6)


@pytest.mark.parametrize("pooling", ["single_effect", "susie_em", "noisy_or", "max", "log_sum_exp"])
def test_no_other_numbers_have_a_lower_loss(planted: Planted, pooling: PoolingName) -> None:
    network = random_network(MEMBER)
    objective, genome, bags = made(planted, pooling)
    found = calibrate(network, objective, genome, bags)

    def loss(slope: float, offset: float) -> float:
        return evaluate(changed(network, slope, offset), objective, genome, bags).loss

    best = loss(found.slope, found.offset)
    assert found.loss == pytest.approx(best, abs=1e-5)
    assert found.loss_before == pytest.approx(loss(1, 0), abs=1e-5)
    others = [(found.slope * factor, found.offset) for factor in (0.8, 1.25) if found.slope > LEAST_SLOPE]
    for slope, offset in [*others, (found.slope, found.offset - 0.2), (found.slope, found.offset + 0.2)]:
        assert loss(slope, offset) > best


def test_scale_and_level_of_the_start_do_not_matter(fitting: Fitting) -> None:
    network = fitting.ensemble.members[0].network
    objective, genome, bags = made(fitting.planted, "noisy_or")
    found = calibrate(network, objective, genome, bags)
    again = calibrate(changed(network, 0.25, 4.0), objective, genome, bags)
    # How steep the best slope is hardly matters where nearly all bags are told apart.
    assert again.slope == pytest.approx(4 * found.slope, rel=0.1)
    assert again.loss == pytest.approx(found.loss, abs=1e-6)
    assert found.slope > 0.5
    assert again.loss_before > found.loss_before + 0.5


def test_bags_that_do_not_follow_the_logits(fitting: Fitting) -> None:
    """Of a member turned upside down the order is of no use; the offset still is."""
    network = fitting.ensemble.members[0].network
    objective, genome, bags = made(fitting.planted, "noisy_or")
    found = calibrate(changed(network, -1.0, 0.0), objective, genome, bags)
    assert found.slope == pytest.approx(LEAST_SLOPE)
    assert found.loss < found.loss_before
    assert "the least: the bags do not follow the order" in found.in_words()


@pytest.mark.parametrize("start", [0.0, 3.0, 8.0])
@pytest.mark.parametrize("pooling", ["single_effect", "susie_em", "noisy_or", "max"])
def test_without_negative_bags_scores_stay_distinct(
    planted: Planted, pooling: PoolingName, start: float
) -> None:
    """Nothing holds the level of the logits down, so that it stays; the slope saturates no score."""
    network = changed(random_network(MEMBER), 20, start)
    objective, genome, bags = made(planted, pooling, negatives=0)
    found = calibrate(network, objective, genome, bags)
    assert found.offset == 0
    assert LEAST_SLOPE <= found.slope <= found.largest <= LARGEST_SLOPE_ALONE
    assert found.loss <= found.loss_before
    part = planted.dataset.part(Split.TRAIN)
    offsets = genome.offsets(part.instances[part.instances["bag"].map(part.bags["label"]) == 1])
    before, after = (instance_logits(one, genome, offsets) for one in (network, found.of(network)))
    np.testing.assert_allclose(after, found.slope * before, atol=1e-4)
    scores = (1 / (1 + np.exp(-after))).astype(np.float32)
    assert np.unique(scores).size > 0.9 * np.unique(before).size
    shown = found.in_words()
    assert f"of {LEAST_SLOPE:g} to {found.largest:g}, offset 0: there are no negative bags" in shown


def test_the_largest_slope_without_negative_bags() -> None:
    assert largest_slope(-5) == largest_slope(0) == largest_slope(1) == LARGEST_SLOPE_ALONE
    assert largest_slope(4) == HIGHEST_LOGIT / 4
    assert largest_slope(15) == 1


def test_attention_has_no_slope_and_offset(planted: Planted) -> None:
    objective, genome, bags = made(planted, "gated_attention")
    with pytest.raises(ValueError, match="gated_attention reads features"):
        calibrate(random_network(MEMBER), objective, genome, bags)


def test_the_networks_mode_stays(planted: Planted, tmp_path: Path) -> None:
    objective, genome, bags = made(planted, "noisy_or")
    network = random_network(dataclasses.replace(MEMBER, dropout=0.5)).train()
    first = calibrate(network, objective, genome, bags)
    assert network.training
    # As in inference: no dropout.
    assert first == calibrate(network.eval(), objective, genome, bags)
