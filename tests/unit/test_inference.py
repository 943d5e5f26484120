"""Running a network in batches: rows do not depend on their neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mifm_kipoi import encoding, inference
from mifm_kipoi.inference import logits
from mifm_kipoi.model import MIFM
from tests.builders import TINY, random_network


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take far longer than a network this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network() -> MIFM:
    return random_network(TINY, seed=3)


def random_windows(count: int, seed: int = 0) -> np.ndarray:
    """One-hot windows of the tiny network, shape (count, 4, 64)."""
    codes = np.random.default_rng(seed).integers(0, 5, size=(count, TINY.window))
    return encoding.one_hot(codes.astype(np.uint8))


def expected_logits(network: MIFM, windows: np.ndarray) -> np.ndarray:
    """Ten windows at a time, straight through the network in evaluation mode."""
    with torch.no_grad():
        rows = [network(torch.tensor(windows[row : row + 10])) for row in range(0, len(windows), 10)]
    return torch.cat(rows).numpy()


def test_are_those_of_the_network(network: MIFM) -> None:
    windows = random_windows(20)
    found = logits(network, windows)
    assert (found.shape, found.dtype) == ((20,), np.float32)
    assert found.std() > 1e-3, "the rows are too alike to tell them apart"
    np.testing.assert_allclose(found, expected_logits(network, windows), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3, 7, 256, 1000])
def test_the_size_of_the_batches_does_not_matter(
    network: MIFM, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    windows = random_windows(20)
    monkeypatch.setattr(inference, "_BATCH", batch)
    np.testing.assert_allclose(logits(network, windows), expected_logits(network, windows), atol=1e-6)


@pytest.mark.parametrize("count", [255, 256, 257, 600])
def test_around_the_size_of_a_batch(network: MIFM, count: int) -> None:
    windows = random_windows(count)
    np.testing.assert_allclose(logits(network, windows), expected_logits(network, windows), atol=1e-6)


def test_the_order_does_not_matter(network: MIFM) -> None:
    windows = random_windows(300)
    order = np.random.default_rng(1).permutation(300)
    np.testing.assert_allclose(logits(network, windows[order]), logits(network, windows)[order], atol=1e-6)


def test_windows_that_cannot_be_scored(network: MIFM, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN for them, and for the others what they have without them."""
    windows = random_windows(20)
    expected = expected_logits(network, windows)
    bad = [0, 3, 4, 5, 6, 19]
    windows[bad] = np.nan
    expected[bad] = np.nan
    for batch in (3, 256):
        monkeypatch.setattr(inference, "_BATCH", batch)
        np.testing.assert_allclose(logits(network, windows), expected, atol=1e-6)


def test_windows_of_n_are_scored(network: MIFM) -> None:
    """All zeros are no NaN."""
    assert np.isfinite(logits(network, np.zeros((1, 4, TINY.window), dtype=np.float32))).all()


def test_only_windows_that_cannot_be_scored(network: MIFM) -> None:
    windows = np.full((5, 4, TINY.window), np.nan, dtype=np.float32)
    assert np.isnan(logits(network, windows)).tolist() == [True] * 5


def test_the_network_runs_on_windows_that_can_be_scored_only(network: MIFM) -> None:
    windows = random_windows(10)
    windows[[2, 3, 9]] = np.nan
    seen: list[torch.Tensor] = []
    hook = network.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    logits(network, windows)
    hook.remove()
    np.testing.assert_array_equal(torch.cat(seen).numpy(), windows[[0, 1, 4, 5, 6, 7, 8]])


def test_no_windows(network: MIFM) -> None:
    found = logits(network, np.empty((0, 4, TINY.window), dtype=np.float32))
    assert (found.shape, found.dtype) == ((0,), np.float32)


def test_windows_in_another_layout_of_memory(network: MIFM) -> None:
    """Kipoi's windows are (n, length, channels); a transposed view of them is as good."""
    windows = random_windows(10)
    view = np.ascontiguousarray(windows.transpose(0, 2, 1)).transpose(0, 2, 1)
    assert not view.flags.c_contiguous
    np.testing.assert_array_equal(logits(network, view), logits(network, windows))


def test_read_only_windows(network: MIFM) -> None:
    windows = random_windows(10)
    expected = logits(network, windows)
    windows.flags.writeable = False
    np.testing.assert_array_equal(logits(network, windows), expected)


@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_left_as_it_came(training: bool) -> None:
    """Its mode, its statistics and its gradients; the logits are those of evaluation mode."""
    network = random_network(TINY, seed=3)
    windows = random_windows(20)
    expected = expected_logits(network, windows)
    network.train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    np.testing.assert_allclose(logits(network, windows), expected, atol=1e-6)
    assert all(module.training is training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_the_mode_comes_back_after_an_error() -> None:
    network = random_network(TINY).train()
    with pytest.raises(ValueError, match="windows have shape"):
        logits(network, np.zeros((2, 7, TINY.window), dtype=np.float32))
    assert network.training
