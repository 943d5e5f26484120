from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.bag_tables import make_dataset
from training.data.dataset import DataSet, DataSetError, Split
from training.mil.batches import Batch, Epoch, Sampler, in_order
from training.mil.evidence import Evidence

SIZES = (3, 5, 1, 4, 6)
"""Of five positive bags; seven negatives of one instance follow."""


def dataset(sizes: tuple[int, ...] = SIZES, negatives: int = 7) -> DataSet:
    bags = [
        (1, "train", [("1", 100 * bag + row, "A", "C") for row in range(n)]) for bag, n in enumerate(sizes)
    ]
    return make_dataset(bags + [(0, "train", [("2", 5 + row, "A", "C")]) for row in range(negatives)])


def bags_of(epoch: Epoch) -> list[int]:
    return epoch.whole.bags.tolist()


def assert_sound(epoch: Epoch, data: DataSet, largest: int) -> None:
    """Every batch's instances belong to its bags, each once, as many as there may be."""
    owner = data.instances["bag"].to_numpy()
    assert len(list(epoch)) == len(epoch)
    for batch in epoch:
        np.testing.assert_array_equal(owner[batch.rows.numpy()], batch.bags[batch.group].numpy())
        assert batch.group.tolist() == sorted(batch.group.tolist())
        assert batch.window.tolist() == list(range(len(batch.rows)))
        assert batch.evidence.tolist() == batch.rows.tolist()
        sizes = data.bags["size"].to_numpy()[batch.bags.numpy()]
        assert torch.bincount(batch.group).tolist() == np.minimum(sizes, largest).tolist()
        for bag in range(len(batch.bags)):
            rows = batch.rows[batch.group == bag].tolist()
            assert len(set(rows)) == len(rows)
        assert batch.labels.tolist() == data.bags["label"].to_numpy()[batch.bags.numpy()].tolist()
        assert batch.weights.tolist() == batch.fractions.tolist() == [1.0] * len(batch.bags)


def test_every_positive_bag_comes_once_with_its_negatives() -> None:
    data = dataset()
    sampler = Sampler.of(data, bags_per_batch=2, negatives_per_bag=1, max_bag_size=4)
    epoch = sampler.epoch(0)
    assert_sound(epoch, data, 4)
    assert len(epoch) == sampler.steps == 3
    assert [batch.labels.tolist() for batch in epoch] == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0]]
    positives = [bag for bag in bags_of(epoch) if bag < 5]
    negatives = [bag for bag in bags_of(epoch) if bag >= 5]
    assert sorted(positives) == [0, 1, 2, 3, 4]
    assert len(set(negatives)) == len(negatives) == 5


def test_all_negatives_come_before_any_comes_again() -> None:
    epoch = Sampler.of(dataset(), bags_per_batch=32, negatives_per_bag=3).epoch(4)
    counts = np.bincount(bags_of(epoch))
    assert counts[:5].tolist() == [1] * 5
    assert sorted(counts[5:]) == [2] * 6 + [3]


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    def drawn(seed: int, number: int) -> tuple[list[int], ...]:
        whole = Sampler.of(
            dataset(), seed=seed, bag_sample="random", max_bag_size=3, max_shift=8, reverse_complement=True
        ).epoch(number).whole  # fmt: skip
        return whole.bags.tolist(), whole.rows.tolist(), whole.shifts.tolist(), whole.reverse.tolist()

    assert drawn(1, 3) == drawn(1, 3)
    for other in (drawn(2, 3), drawn(1, 4)):
        assert all(one != two for one, two in zip(drawn(1, 3), other, strict=True))


def test_by_p_value_the_first_instances_are_used() -> None:
    data = dataset((5,), 1)
    epoch = Sampler.of(data, max_bag_size=3).epoch(0)
    assert epoch.whole.rows.tolist() == [0, 1, 2, 5]


def test_at_random_every_instance_is_used_as_often() -> None:
    sampler = Sampler.of(dataset((6, 2), 1), max_bag_size=3, negatives_per_bag=0, bag_sample="random")
    rows = np.concatenate([sampler.epoch(number).whole.rows.numpy() for number in range(400)])
    counts = np.bincount(rows, minlength=8)
    assert counts.sum() == 400 * 5
    assert counts[6:].tolist() == [400, 400]
    # Of 400 draws of 3 in 6: standard deviation 10.
    assert np.abs(counts[:6] - 200).max() < 50
    assert_sound(sampler.epoch(0), dataset((6, 2), 1), 3)


def test_shifts_and_strands() -> None:
    sampler = Sampler.of(dataset((100, 100)), max_shift=2, reverse_complement=True)
    whole = sampler.epoch(0).whole
    assert set(whole.shifts.tolist()) == {-2, -1, 0, 1, 2}
    assert 60 < int(whole.reverse.sum()) < 140
    plain = Sampler.of(dataset((100, 100))).epoch(0).whole
    assert not plain.shifts.any()
    assert not plain.reverse.any()


@pytest.mark.parametrize("world", [2, 3, 7])
def test_processes_share_the_bags(world: int) -> None:
    data = dataset()
    whole = Sampler.of(data, bags_per_batch=2, negatives_per_bag=1).epoch(2)
    samplers = [
        Sampler.of(data, bags_per_batch=2, negatives_per_bag=1, rank=rank, world=world, max_shift=8)
        for rank in range(world)
    ]
    shares = [sampler.epoch(2) for sampler in samplers]
    fraction = -(-5 // world)
    for sampler, epoch in zip(samplers, shares, strict=True):
        assert_sound(epoch, data, 127)
        assert len(epoch) == sampler.steps == -(-fraction // 2)
        assert epoch.whole.labels.sum() == fraction
    positives = [bag for epoch in shares for bag in bags_of(epoch) if bag < 5]
    assert set(positives) == {0, 1, 2, 3, 4}
    assert len(positives) == fraction * world
    order = [bag for bag in bags_of(whole) if bag < 5]
    assert [bag for bag in bags_of(shares[1]) if bag < 5] == [
        order[place % 5] for place in range(1, fraction * world, world)
    ]
    if world == 2:
        negatives = [bag for epoch in shares for bag in bags_of(epoch) if bag >= 5]
        assert len(set(negatives)) == len(negatives) == 6


def test_bags_in_order_fill_batches_by_their_instances() -> None:
    data = dataset()
    evidence = Evidence.of(data)
    epoch = in_order(evidence, max_windows=8)
    assert_sound(epoch, data, 127)
    assert bags_of(epoch) == list(range(12))
    assert [batch.bags.tolist() for batch in epoch] == [[0, 1], [2, 3], [4, 5, 6], [7, 8, 9, 10, 11]]
    some = in_order(evidence, max_windows=1, bags=np.array([4, 7, 1]))
    assert [batch.bags.tolist() for batch in some] == [[4], [7], [1]]
    assert some[0].rows.tolist() == [13, 14, 15, 16, 17, 18]
    # What the loss does not read has a window all the same.
    part = in_order(evidence, max_bag_size=4, bags=np.array([4, 7, 1]))
    assert part.whole.rows.tolist() == [13, 14, 15, 16, 17, 18, 21, 3, 4, 5, 6, 7]
    assert part.whole.window.tolist() == [0, 1, 2, 3, 6, 7, 8, 9, 10]
    assert part.whole.evidence.tolist() == [13, 14, 15, 16, 21, 3, 4, 5, 6]


def test_no_bags_in_order() -> None:
    assert list(in_order(Evidence.of(dataset().part(Split.TEST)))) == []


def test_an_epoch_moves_as_a_whole() -> None:
    epoch = Sampler.of(dataset()).epoch(0)
    moved = epoch.to("meta")
    batch = moved[0]
    assert isinstance(batch, Batch)
    assert batch.rows.device.type == batch.labels.device.type == batch.reverse.device.type == "meta"
    with pytest.raises(IndexError, match="batch 1 of 1"):
        epoch[1]


@pytest.mark.parametrize(
    ("sizes", "negatives", "match"),
    [((), 3, "0 positive and 3 negative"), ((2,), 0, "1 positive and 0 negative")],
)
def test_a_class_is_missing(sizes: tuple[int, ...], negatives: int, match: str) -> None:
    with pytest.raises(DataSetError, match=match):
        Sampler.of(dataset(sizes, negatives))


def test_without_negatives_where_none_are_asked_for() -> None:
    assert Sampler.of(dataset((2, 2), 0), negatives_per_bag=0).epoch(0).whole.labels.tolist() == [1, 1]
