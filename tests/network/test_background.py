import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mifm_kipoi.errors import WeightsError
from mifm_kipoi.network import background as module
from mifm_kipoi.network.background import Background, LogitCounts, table_ranks


def made(logits: np.ndarray, parts: int = 1, **source: object) -> Background:
    counts = LogitCounts()
    for part in np.array_split(np.asarray(logits, dtype=np.float32), parts):
        counts.add(part)
    assert counts.total == len(logits)
    return counts.background({"name": "a test", **source})


def exact(logits: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The fraction as it is defined."""
    low = wanted[:, np.newaxis].astype(np.float64) - 1e-5
    return np.maximum((logits[np.newaxis] >= low).sum(axis=1), 1) / len(logits)


class TestOfFewPositions:
    """Every rank is in the table."""

    background = made(np.array([0.0, 2.0, 1.0, 1.0, -3.0]))

    @pytest.mark.parametrize(
        ("logit", "rank"), [(3, 1), (2, 1), (1.5, 1), (1, 3), (0.5, 3), (0, 4), (-3, 5), (-9, 5)]
    )
    def test_counts_positions_as_high_or_higher(self, logit: float, rank: int) -> None:
        value = np.array([logit], dtype=np.float32)
        assert self.background.fraction(value)[0] == rank / 5
        assert self.background.percentile(value)[0] == pytest.approx(100 * (1 - rank / 5))
        assert self.background.phred(value)[0] == pytest.approx(-10 * np.log10(rank / 5), abs=1e-6)

    def test_nan_stays_nan_and_shapes_stay(self) -> None:
        values = np.array([[np.nan, 1.0], [2.0, -4.0]], dtype=np.float32)
        for numbers in (self.background.percentile(values), self.background.phred(values)):
            assert numbers.dtype == np.float32
            assert np.isnan(numbers).tolist() == [[True, False], [False, False]]
        assert self.background.phred(values)[1, 1] == 0
        assert self.background.percentile(np.empty(0, dtype=np.float32)).shape == (0,)

    def test_says_what_it_is_of(self) -> None:
        assert self.background.positions == 5
        assert self.background.name == "a test"


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 30_000),
    scale=st.sampled_from([1e-3, 0.6, 30.0]),
    digits=st.sampled_from([1, 3, 9]),
    parts=st.integers(1, 7),
)
def test_bounds_hold_for_any_logits(seed: int, count: int, scale: float, digits: int, parts: int) -> None:
    """With many ties and with none."""
    generator = np.random.default_rng(seed)
    logits = np.round(generator.normal(-1, 1, count) * scale, digits).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXACT_RANKS", 64)
        patch.setattr(module, "RANK_FRACTION", 500)
        background = made(logits, parts)
        ranks = table_ranks(count)
    assert background.positions == count
    wanted = np.concatenate([generator.choice(logits, 200), generator.normal(-1, 1.5, 200) * scale])
    wanted = wanted.astype(np.float32)
    truth, found = exact(logits, wanted), background.fraction(wanted)
    top = truth * count < 64
    np.testing.assert_allclose(found[top], truth[top], rtol=1e-12)
    assert np.abs(10 * np.log10(found / truth)).max() <= 10 * np.log10(1 + 1 / 64)
    assert np.abs(found - truth).max() <= np.diff(ranks).max(initial=1) / count


def test_the_ranks_of_a_table_keep_the_stated_bounds() -> None:
    for count in (1, 4096, 4097, 100_000, 9_514_038, 3_000_000_000):
        ranks = table_ranks(count)
        assert ranks[0] == 1
        assert ranks[-1] == count
        assert (ranks[: min(count, 4096)] == np.arange(1, min(count, 4096) + 1)).all()
        # Of ranks strictly between two entries, nothing is known but that.
        between = ranks[1:] - 1
        assert (10 * np.log10(between / ranks[:-1])).max(initial=0) <= 0.017
        assert (100 * (between - ranks[:-1]) / count).max(initial=0) <= 0.01
        assert len(ranks) < 20_000


def test_more_logits_than_are_kept_keep_the_top_and_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later part may reach farther than the first, of which the bins are made."""
    monkeypatch.setattr(module, "_WHOLE", 50_000)
    monkeypatch.setattr(module, "_TOP", 8192)
    logits = np.random.default_rng(3).normal(-1, 0.6, 400_000).astype(np.float32)
    logits[300_000:300_010] += 40
    background = made(logits, 97)
    descending = np.sort(logits)[::-1]
    assert (background.logits[:4096] == descending[:4096]).all()
    wanted = descending[::7].astype(np.float64) - 1e-5
    truth = (400_000 - np.searchsorted(descending[::-1], wanted)) / 400_000
    found = background.fraction(descending[::7])
    assert np.abs(10 * np.log10(found / truth)).max() < 0.02
    assert 100 * np.abs(found - truth).max() < 0.01


def test_lines_of_figures_reach_their_percentile() -> None:
    logits = np.random.default_rng(1).normal(0, 1, 100_000).astype(np.float32)
    background = made(logits)
    for percentile in (0, 50, 90, 99, 99.9, 99.999):
        logit = background.logit(percentile)
        assert percentile - 1e-4 <= background.percentile(np.array([logit]))[0] <= percentile + 0.02
    assert background.logit(99.9999) == logits.max()


def test_is_read_back_as_it_was() -> None:
    background = made(np.random.default_rng(2).normal(0, 1, 20_000), weights={"tensors_sha256": "abc"})
    content = background.to_bytes()
    again = Background.from_bytes(content)
    assert (again.ranks == background.ranks).all()
    assert (again.logits == background.logits).all()
    assert again.source == background.source
    assert again.identity == background.identity
    assert content == again.to_bytes()
    json.dumps(background.identity)


@pytest.mark.parametrize("cut", [0, 10, 300, -10])
def test_damaged_bytes_are_an_error(cut: int) -> None:
    content = made(np.arange(1000.0)).to_bytes()
    with pytest.raises(WeightsError, match="background"):
        Background.from_bytes(content[:cut])


def test_flipped_bytes_are_an_error_or_change_nothing() -> None:
    background = made(np.random.default_rng(4).normal(0, 1, 300))
    content = background.to_bytes()
    for at in range(0, len(content), 17):
        damaged = bytearray(content)
        damaged[at] ^= 0x55
        try:
            found = Background.from_bytes(bytes(damaged))
        except WeightsError:
            continue
        assert found.identity == background.identity


@pytest.mark.parametrize(
    ("ranks", "logits", "match"),
    [
        ([1, 2], [1.0], "expected as many"),
        ([2, 3], [1.0, 0.0], "do not ascend from 1"),
        ([1, 1], [1.0, 0.0], "do not ascend from 1"),
        ([1, 2], [0.0, 1.0], "do not descend"),
        ([1, 2], [np.nan, 1.0], "not finite"),
        ([], [], "expected as many"),
    ],
)
def test_impossible_tables(ranks: list[int], logits: list[float], match: str) -> None:
    with pytest.raises(WeightsError, match=match):
        Background(np.array(ranks, dtype=np.int64), np.array(logits, dtype=np.float32), {})


def test_logits_that_have_no_rank() -> None:
    counts = LogitCounts()
    with pytest.raises(WeightsError, match="not finite"):
        counts.add(np.array([0.0, np.inf], dtype=np.float32))
    with pytest.raises(WeightsError, match="no background"):
        LogitCounts().background({})


def test_the_identity_is_that_of_the_numbers() -> None:
    one, same, other = (made(np.array([0.0, value])) for value in (1.0, 1.0, 1.5))
    assert one.identity == same.identity
    assert one.identity["sha256"] != other.identity["sha256"]
    assert hashlib.sha256(one.to_bytes()).digest() == hashlib.sha256(same.to_bytes()).digest()
