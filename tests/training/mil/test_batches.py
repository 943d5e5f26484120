from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.bag_tables import make_dataset
from tests.training.study_tables import random_studies, with_studies
from training.data.dataset import DataSet, DataSetError, Split
from training.mil.batches import Batch, Epoch, Sampler, in_order
from training.mil.evidence import Evidence, EvidenceKind
from training.mil.studies import StudyDraws

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
    """Fifteen of seven, in steps of 3 or 6, of which none has one twice."""
    for bags_per_batch in (1, 2):
        epoch = Sampler.of(dataset(), bags_per_batch=bags_per_batch, negatives_per_bag=3).epoch(4)
        counts = np.bincount(bags_of(epoch))
        assert counts[:5].tolist() == [1] * 5
        assert sorted(counts[5:]) == [2] * 6 + [3]
        for batch in epoch:
            bags = batch.bags.tolist()
            assert len(set(bags)) == len(bags) == 4 * batch.labels.sum()


def test_a_batch_has_no_negative_bag_twice() -> None:
    """Of 15 that a batch of five bags would have there are 7."""
    (batch,) = Sampler.of(dataset(), bags_per_batch=32, negatives_per_bag=3).epoch(4)
    assert sorted(batch.bags.tolist()) == list(range(12))


@pytest.mark.parametrize("kind", ["lowest_p", "per_study"])
def test_windows_of_negative_bags_are_bounded(kind: EvidenceKind) -> None:
    """Bags of 4: a third reaches 10 windows, and the others of eight are left out; the first always comes."""
    bags = [(1, "train", [("1", 10 * bag + row, "A", "C") for row in range(3)]) for bag in range(4)]
    bags += [(0, "train", [("2", 10 * bag + row, "A", "C") for row in range(4)]) for bag in range(40)]
    for max_windows, used in ((10, 3), (8, 2), (1, 1)):
        sampler = Sampler.of(
            make_dataset(bags), kind, bags_per_batch=2, negatives_per_bag=8, max_windows=max_windows
        )
        for batch in sampler.epoch(0):
            assert int((batch.labels == 0).sum()) == 2 * used
            assert len(batch.rows) == 2 * 3 + 2 * used * 4


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


def epoch_bag_by_bag(data: DataSet, number: int, **options: Any) -> list[dict[str, list[int]]]:
    """The batches of united bags, drawn bag by bag with plain loops, as they were before bags had studies."""
    sampler = Sampler.of(data, **options)
    labels, sizes = data.bags["label"].to_numpy(), data.bags["size"].to_numpy()
    starts = np.cumsum(sizes) - sizes
    common = np.random.default_rng([sampler.seed, number])
    order = common.permutation(np.flatnonzero(labels == 1))
    known, negatives = np.flatnonzero(labels == 0), []
    while len(negatives) < sampler.negatives_per_bag * order.size:
        begun = len(negatives) % (sampler.bags_per_batch * sampler.negatives_per_bag)
        had, anew = negatives[len(negatives) - begun :], common.permutation(known).tolist()
        negatives += [bag for bag in anew if bag not in had] + [bag for bag in anew if bag in had]
    generator = np.random.default_rng([sampler.seed, number, 1])
    rows_of = [list(range(start, start + size)) for start, size in zip(starts, sizes, strict=True)]
    if sampler.bag_sample == "random":
        keys = generator.random(sizes.sum())
        rows_of = [sorted(rows, key=keys.__getitem__) for rows in rows_of]
    batches: list[dict[str, list[int]]] = []
    for start in range(0, order.size, sampler.bags_per_batch):
        step = order[start : start + sampler.bags_per_batch].tolist()
        first = start * sampler.negatives_per_bag
        drawn = negatives[first : first + len(step) * sampler.negatives_per_bag]
        bags = step + list(dict.fromkeys(drawn))
        kept = [rows_of[bag][: sampler.max_bag_size] for bag in bags]
        batches.append(
            {
                "bags": bags,
                "rows": [row for rows in kept for row in rows],
                "group": [number for number, rows in enumerate(kept) for _ in rows],
                "labels": labels[bags].tolist(),
            }
        )
    count = sum(len(batch["rows"]) for batch in batches)
    shifts = generator.integers(-sampler.max_shift, sampler.max_shift, count, endpoint=True).tolist()
    reverse = (generator.random(count) < 0.5).tolist()
    for batch in batches:
        size = len(batch["rows"])
        batch["shifts"], shifts = shifts[:size], shifts[size:]
        batch["reverse"], reverse = reverse[:size], reverse[size:]
    return batches


@pytest.mark.parametrize("bag_sample", ["p_value", "random"])
@pytest.mark.parametrize("bags_per_batch", [2, 5])
def test_united_bags_are_drawn_as_ever(bag_sample: str, bags_per_batch: int) -> None:
    """Bit for bit, so that a fit with lowest_p has the losses that it had before bags had studies."""
    options = {
        "seed": 3, "bags_per_batch": bags_per_batch, "negatives_per_bag": 2, "max_bag_size": 4,
        "bag_sample": bag_sample, "max_shift": 8, "reverse_complement": True,
    }  # fmt: skip
    for data in (dataset(), random_studies(4, negatives=3)):
        for number in (0, 5):
            epoch = Sampler.of(data, **options).epoch(number)
            expected = epoch_bag_by_bag(data, number, **options)
            assert len(epoch) == len(expected)
            for batch, known in zip(epoch, expected, strict=True):
                assert {name: getattr(batch, name).tolist() for name in known} == known
                assert batch.window.tolist() == list(range(len(batch.rows)))
                assert batch.evidence.tolist() == batch.rows.tolist()


def test_one_study_a_bag_is_drawn_as_the_united_bag() -> None:
    options: dict[str, Any] = {"bags_per_batch": 2, "max_shift": 8, "reverse_complement": True}
    united, studies = (
        Sampler.of(dataset(), kind, **options).epoch(2).whole for kind in ("lowest_p", "per_study")
    )
    for field in dataclasses.fields(Batch):
        if field.name != "evidence":
            assert torch.equal(getattr(united, field.name), getattr(studies, field.name)), field.name
    evidence = Evidence.of(dataset(), "per_study")
    assert evidence.instance[studies.evidence].tolist() == united.rows.tolist()


@given(seed=st.integers(0, 10_000), max_windows=st.integers(1, 20), world=st.sampled_from([1, 1, 2]))
@settings(deadline=None, max_examples=30)
def test_studies_are_whole_and_share_their_windows(seed: int, max_windows: int, world: int) -> None:
    data = random_studies(seed)
    evidence = Evidence.of(data, "per_study")
    sampler = Sampler(
        evidence, "per_study", seed=seed, bags_per_batch=2, negatives_per_bag=2, max_windows=max_windows,
        max_shift=4, world=world, rank=world - 1,
    )  # fmt: skip
    owner = data.instances["bag"].to_numpy()
    inclusion = StudyDraws(evidence, max_windows).inclusion
    epoch = sampler.epoch(1)
    assert len(epoch) == sampler.steps
    seen = []
    for batch in epoch:
        instance = evidence.instance[batch.evidence.numpy()]
        np.testing.assert_array_equal(batch.rows[batch.window].numpy(), instance)
        np.testing.assert_array_equal(np.unique(batch.window), np.arange(len(batch.rows)))
        group = batch.group.numpy()
        assert np.diff(group, prepend=-1).min() >= 0
        of_group = evidence.group[batch.evidence.numpy()]
        for number in range(len(batch.bags)):
            (study,) = set(of_group[group == number].tolist())
            first = int(evidence.start[study])
            rows = batch.evidence.numpy()[group == number].tolist()
            assert rows == list(range(first, first + int(evidence.size[study])))
            assert evidence.bag[study] == batch.bags[number]
            assert evidence.label[study] == batch.labels[number]
        for bag in set(batch.bags[batch.labels > 0].tolist()):
            mine = np.flatnonzero(batch.bags.numpy() == bag)
            windows = batch.rows.numpy()[owner[batch.rows.numpy()] == bag]
            assert len(set(windows)) == len(windows)
            studies = [of_group[group == number][0] for number in mine]
            assert len(set(studies)) == len(studies)
            unions = [set(), *(set() for _ in studies)]
            for place, study in enumerate(studies):
                first = evidence.start[study]
                unions[place + 1] = unions[place] | {*evidence.instance[first : first + evidence.size[study]]}
            # Drawn one after the other until the union is large enough, or none is left.
            assert all(len(union) < max_windows for union in unions[:-1])
            assert len(unions[-1]) >= max_windows or len(studies) == (evidence.bag == bag).sum()
            expected = evidence.weight[studies] / inclusion[studies]
            np.testing.assert_array_equal(batch.weights[mine].numpy(), expected.astype(np.float32))
            assert batch.fractions[mine].sum().item() == pytest.approx(1)
            seen.append(bag)
        negative = batch.labels == 0
        assert (batch.weights[negative] == 1).all()
        assert (batch.fractions[negative] == 1).all()
    positives = np.flatnonzero(data.bags["label"] == 1).tolist()
    assert sorted(seen) == positives if world == 1 else len(seen) == -(-len(positives) // world)
    again = sampler.epoch(1).whole
    assert all(
        torch.equal(getattr(again, field.name), getattr(epoch.whole, field.name))
        for field in dataclasses.fields(Batch)
    )


def test_a_study_is_drawn_whatever_its_size() -> None:
    """One of 40 rows and nine of 4, apart from each other: each is as often the first, or the second."""
    variants = [("1", 1 + pos, "A", "C") for pos in range(76)]
    studies = [(1.0, list(range(40)), [0.0] * 40)]
    studies += [(1.0, list(range(40 + 4 * k, 44 + 4 * k)), [0.0] * 4) for k in range(9)]
    data = with_studies(make_dataset([(1, "train", variants)]), [studies])
    sampler = Sampler.of(data, "per_study", negatives_per_bag=0, max_windows=5)
    evidence = sampler.evidence
    counts, first = np.zeros(10), 0
    for number in range(2000):
        drawn = np.unique(evidence.group[sampler.epoch(number).whole.evidence.numpy()])
        counts[drawn] += 1
        first += int(drawn.size == 1)
    # The large one alone suffices where it comes first; after a small one any other is drawn.
    assert counts.sum() == 2 * 2000 - first
    # Drawn first with 1/10, or second after one of the small ones, 9/10 x 1/9: standard deviation 18.
    assert counts[0] == pytest.approx(2000 * 0.2, abs=90)
    assert np.abs(counts[1:] - 2000 * (0.1 + 0.8 / 9)).max() < 90


def test_the_expected_weight_of_a_study_is_its_own() -> None:
    """Over all 120 orders of five studies, of 1 to 6 rows that overlap, and a step of 7 windows."""
    variants = [("1", 1 + pos, "A", "C") for pos in range(14)]
    rows = [[0, 1, 2, 3, 4, 5], [4, 5, 6, 7], [8, 9, 10], [9, 10], [11]]
    studies = [(0.2 + 0.1 * k, own, [0.0] * len(own)) for k, own in enumerate(rows)]
    alone = [(1.0, [0, 1, 2, 3], [0.0] * 4), (0.4, [4, 5], [0.0] * 2)]
    bags = [(1, "train", variants), (1, "train", variants[:6])]
    evidence = Evidence.of(with_studies(make_dataset(bags), [studies, alone]), "per_study")
    orders = list(itertools.permutations(range(5)))
    drawn = np.zeros(5)
    for order in orders:
        union: set[int] = set()
        for study in order:
            if len(union) < 7:
                drawn[study] += 1
                union |= set(rows[study])
    exact = drawn / len(orders)
    assert exact.max() - exact.min() > 0.1
    found = StudyDraws(evidence, 7).inclusion
    # From 400 orders: a standard deviation of 0.025 at most.
    np.testing.assert_allclose(found[:5], exact, atol=0.09)
    # The other bag has 6 instances: nothing is left out, and the weights are those of the studies.
    assert found[5:].tolist() == [1, 1]
    sampler = Sampler(evidence, "per_study", negatives_per_bag=0, max_windows=7)
    totals, epochs = np.zeros(7), 3000
    for number in range(epochs):
        whole = sampler.epoch(number).whole
        first = np.flatnonzero(np.diff(whole.group.numpy(), prepend=-1))
        groups = evidence.group[whole.evidence.numpy()[first]]
        totals[groups] += whole.weights.double().numpy()
        others = groups >= 5
        np.testing.assert_array_equal(
            whole.weights.numpy()[others], evidence.weight[groups[others]].astype(np.float32)
        )
    relative = totals / epochs / evidence.weight
    np.testing.assert_allclose(relative[:5], exact / found[:5], atol=0.07)
    np.testing.assert_allclose(relative, 1, atol=0.25)


def test_bags_without_a_group_are_not_drawn_and_have_windows_in_evaluation() -> None:
    data = dataset()
    log_bf = data.evidence["log_bf"].copy()
    log_bf.iloc[4] = np.nan
    lacking = dataclasses.replace(data, evidence=data.evidence.assign(log_bf=log_bf))
    evidence = Evidence.of(lacking, "per_study", needs=["log_bf"])
    assert evidence.left_out == 1
    assert evidence.bag_label.tolist() == [1, -1, 1, 1, 1] + [0] * 7
    whole = Sampler(evidence, "per_study", negatives_per_bag=1).epoch(0).whole
    assert sorted(whole.bags[whole.labels > 0].tolist()) == [0, 2, 3, 4]
    # Bag 1 alone in the first batch.
    epoch = in_order(evidence, max_windows=1, bags=np.array([1, 0, 5]))
    assert [batch.rows.tolist() for batch in epoch] == [[3, 4, 5, 6, 7], [0, 1, 2], [19]]
    assert [batch.bags.tolist() for batch in epoch] == [[], [0], [5]]
    assert [len(batch.evidence) for batch in epoch] == [0, 3, 1]


def test_evaluation_has_all_studies_and_all_windows() -> None:
    data = random_studies(5)
    evidence = Evidence.of(data, "per_study", rows="lead")
    epoch = in_order(evidence, max_windows=9)
    assert epoch.whole.rows.tolist() == list(range(len(data.instances)))
    assert epoch.whole.evidence.tolist() == list(range(evidence.instance.size))
    assert epoch.whole.bags.tolist() == evidence.bag.tolist()
    totals = np.bincount(evidence.bag, evidence.weight)
    found = np.bincount(epoch.whole.bags.numpy(), epoch.whole.weights.double().numpy())
    np.testing.assert_allclose(found, totals, rtol=1e-6)
    for batch in epoch:
        instance = evidence.instance[batch.evidence.numpy()]
        np.testing.assert_array_equal(batch.rows[batch.window].numpy(), instance)
