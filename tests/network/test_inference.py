"""Running a network in batches: rows do not depend on their neighbours."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mifm_kipoi.errors import WeightsError
from mifm_kipoi.mutagenesis.mutate import substitution_logits
from mifm_kipoi.network import inference
from mifm_kipoi.network.inference import Predictor, exactly, logits
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.partial import PartialNetwork
from mifm_kipoi.sequence import encoding
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


def random_codes(count: int, seed: int = 0) -> np.ndarray:
    """Coded windows of the tiny network, shape (count, 64)."""
    return np.random.default_rng(seed).integers(0, 5, size=(count, TINY.window)).astype(np.uint8)


def random_windows(count: int, seed: int = 0) -> np.ndarray:
    """One-hot windows of the tiny network, shape (count, 4, 64)."""
    return encoding.one_hot(random_codes(count, seed))


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


def test_weights_that_overflow() -> None:
    """Each number is finite, so that only what comes out tells."""
    network = random_network(TINY)
    network.state_dict()["stem.0.weight"].fill_(3e38)
    predictor, windows = Predictor(network, path="own.safetensors"), random_codes(3)
    for call in (
        lambda: predictor.logits(windows),
        lambda: predictor.variant_logits(windows, windows),
        lambda: substitution_logits(predictor, windows),
    ):
        with pytest.raises(WeightsError, match=r"the weights own\.safetensors give numbers that are not"):
            call()


def test_windows_of_n_are_scored(network: MIFM) -> None:
    """All zeros are no NaN."""
    assert np.isfinite(logits(network, np.zeros((1, 4, TINY.window), dtype=np.float32))).all()


def test_only_windows_that_cannot_be_scored(network: MIFM) -> None:
    windows = np.full((5, 4, TINY.window), np.nan, dtype=np.float32)
    assert np.isnan(logits(network, windows)).tolist() == [True] * 5


def test_the_network_runs_on_windows_that_can_be_scored_only(
    network: MIFM, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = random_windows(10)
    windows[[2, 3, 9]] = np.nan
    seen: list[torch.Tensor] = []
    levels = PartialNetwork.levels
    monkeypatch.setattr(PartialNetwork, "levels", lambda self, x: seen.append(x) or levels(self, x))
    logits(network, windows)
    np.testing.assert_array_equal(torch.cat(seen).numpy().swapaxes(1, 2), windows[[0, 1, 4, 5, 6, 7, 8]])


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


def test_codes_are_the_same_windows(network: MIFM) -> None:
    codes = random_codes(300)
    np.testing.assert_array_equal(logits(network, codes), logits(network, encoding.one_hot(codes)))


def test_codes_of_a_network_with_the_variant_token() -> None:
    """The token stands at the variant's base, whatever its base is."""
    network = random_network(dataclasses.replace(TINY, channels=5))
    codes = random_codes(20)
    windows = encoding.with_variant_token(encoding.one_hot(codes), TINY.variant_index)
    expected = expected_logits(network, windows)
    np.testing.assert_allclose(logits(network, codes), expected, atol=1e-6)
    np.testing.assert_array_equal(logits(network, encoding.one_hot(codes)), logits(network, codes))
    np.testing.assert_array_equal(logits(network, windows), logits(network, codes))
    other = codes.copy()
    other[:, TINY.variant_index] = 2
    ref, alt = Predictor(network).variant_logits(codes, other)
    np.testing.assert_allclose(ref, expected, atol=1e-6)
    np.testing.assert_allclose(alt, ref, atol=1e-6)


class TestVariantLogits:
    """Pairs of windows; two separate calls are the reference."""

    @staticmethod
    def pairs(kind: str, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
        """Coded pairs: substitutions of the variant's base, other changes, shared reference windows."""
        ref = random_codes(count)
        generator = np.random.default_rng(7)
        if "shared" in kind:
            ref = np.repeat(ref[::4], 4, axis=0)
        alt = ref.copy()
        alt[:, TINY.variant_index] = (ref[:, TINY.variant_index] + generator.integers(1, 4, count)) % 4
        if "indels" in kind:
            alt[::3, TINY.variant_index :] = random_codes(len(alt[::3]), seed=8)[:, TINY.variant_index :]
        if "equal" in kind:
            alt[5:9] = ref[5:9]
        if "elsewhere" in kind:
            alt[:, TINY.variant_index + 1] = (ref[:, TINY.variant_index + 1] + 1) % 4
        return ref, alt

    @pytest.mark.parametrize(
        "kind", ["plain", "indels", "shared", "shared indels", "equal", "shared equal indels", "elsewhere"]
    )
    @pytest.mark.parametrize("batch", [1, 3, 256])
    @pytest.mark.parametrize("form", ["codes", "one-hot"])
    def test_are_those_of_each_window(
        self, network: MIFM, kind: str, batch: int, form: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inference, "_BATCH", batch)
        pair = self.pairs(kind)
        expected = [expected_logits(network, encoding.one_hot(codes)) for codes in pair]
        given = pair if form == "codes" else tuple(encoding.one_hot(codes) for codes in pair)
        found = Predictor(network).variant_logits(*given)
        assert [logit.dtype for logit in found] == [np.float32, np.float32]
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_on_the_published_sizes(self) -> None:
        network = random_network(MIFMConfig())
        ref = np.random.default_rng(0).integers(0, 4, (30, 512)).astype(np.uint8)
        alt = ref.copy()
        alt[:20, 255] = (alt[:20, 255] + 1) % 4
        alt[20:, 255:] = ref[20:, 200:457]
        expected = [expected_logits(network, encoding.one_hot(codes)) for codes in (ref, alt)]
        np.testing.assert_allclose(Predictor(network).variant_logits(ref, alt), expected, atol=2e-6)

    def test_rows_without_a_window(self, network: MIFM) -> None:
        """NaN in either window gives NaN for both, and nothing for the neighbours."""
        ref, alt = (encoding.one_hot(codes) for codes in self.pairs("shared indels"))
        expected = np.array([expected_logits(network, windows) for windows in (ref, alt)])
        ref[[0, 1, 7]] = np.nan
        alt[[1, 7, 20, 39]] = np.nan
        expected[:, [0, 1, 7, 20, 39]] = np.nan
        np.testing.assert_allclose(Predictor(network).variant_logits(ref, alt), expected, atol=1e-6)

    def test_what_is_shared_is_computed_once(self, network: MIFM, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[int] = []
        levels = PartialNetwork.levels
        monkeypatch.setattr(PartialNetwork, "levels", lambda self, x: seen.append(len(x)) or levels(self, x))
        predictor = Predictor(network)
        predictor.variant_logits(*self.pairs("plain"))
        predictor.variant_logits(*self.pairs("shared"))
        predictor.variant_logits(*self.pairs("indels"))
        assert seen == [40, 10, 40 + 14]

    def test_no_pairs(self, network: MIFM) -> None:
        none = np.empty((0, 4, TINY.window), dtype=np.float32)
        assert [logit.shape for logit in Predictor(network).variant_logits(none, none)] == [(0,), (0,)]

    def test_windows_of_two_kinds(self, network: MIFM) -> None:
        ref, alt = self.pairs("plain")
        with pytest.raises(ValueError, match=r"ref is uint8 of shape \(40, 64\) and alt uint8 of \(39, 64\)"):
            Predictor(network).variant_logits(ref, alt[1:])
        with pytest.raises(ValueError, match="expected two of a kind"):
            Predictor(network).variant_logits(ref, alt.astype(np.float32))


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


def test_tensorfloat32_is_off_while_any_thread_computes_and_as_before_then() -> None:
    assert torch.backends.cudnn.allow_tf32
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with exactly():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with exactly():
        thread.start()
        inside.wait()
    # This thread was first to enter and to leave.
    assert not torch.backends.cudnn.allow_tf32
    leave.set()
    thread.join()
    assert torch.backends.cudnn.allow_tf32
