"""The scan's logits are those that the network gives of each window: the network is the reference."""

from __future__ import annotations

import functools
import importlib.util
import threading

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mifm_kipoi.errors import MissingPackageError, OptionError, WeightsError
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.partial import PartialNetwork
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.scan.engines import engine_of, identity_of
from mifm_kipoi.network.scan.program import programs_of
from mifm_kipoi.sequence.contig_blocks import BLOCK, ContigBlock
from mifm_kipoi.sequence.encoding import NO_BASE
from tests.builders import TINY
from tests.network.test_partial import CONFIGS, network_of

SMALL = [
    *CONFIGS,
    MIFMConfig(
        window=16, tower_channels=(5, 4), tower_kernel=7, stem_kernel=3, dilations=(1, 2), stem_channels=3
    ),
    MIFMConfig(
        window=64, tower_channels=(6, 5), tower_kernel=1, stem_kernel=1, dilations=(1,), dilated_kernel=1
    ),
    MIFMConfig(
        window=8, tower_channels=(3,), stem_channels=2, stem_kernel=9, tower_kernel=3, dilations=(1, 1)
    ),
    MIFMConfig(
        window=96, tower_channels=(4, 4), stem_channels=2, stem_kernel=21, dilations=(5, 3), head_channels=1
    ),
]
BASES = NO_BASE + 1
WITHOUT_NUMBA = importlib.util.find_spec("numba") is None
NUMBA = pytest.param("numba", marks=pytest.mark.skipif(WITHOUT_NUMBA, reason="numba is not installed"))
ENGINES = [NUMBA, "pytorch"]


def sequence(config: MIFMConfig, windows: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, BASES, windows + config.window - 1).astype(np.uint8)


def expected(
    model: MIFM,
    codes: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    bases: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.floating]:
    """``MIFM.forward`` of some windows, with other bases where they are given."""
    config, like = model.config, model.head.weight
    windows = np.lib.stride_tricks.sliding_window_view(codes, config.window)[rows].astype(np.int64)
    if bases is not None:
        windows[:, config.variant_index] = bases
    one_hot = torch.eye(BASES, config.channels).to(like)
    one_hot[NO_BASE] = 0
    x = one_hot[torch.from_numpy(windows)]
    if config.channels == BASES:
        x[:, config.variant_index] = torch.eye(BASES).to(like)[NO_BASE]
    with torch.no_grad():
        return model(x.transpose(1, 2)).numpy()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("config", SMALL, ids=str)
def test_every_window_and_every_substitution(config: MIFMConfig, engine: str) -> None:
    """In double precision, where an index that is missed cannot hide in the rounding."""
    model, windows = network_of(config).double(), 41
    codes = sequence(config, windows)
    rows = np.repeat(np.arange(windows), BASES)
    bases = np.tile(np.arange(BASES, dtype=np.uint8), windows)
    scan = Scan(model, engine)
    found, alt = scan.exact(codes, rows, bases)
    want = expected(model, codes, np.arange(windows))
    assert want.std() > 1e-3, "the windows are too alike to tell them apart"
    np.testing.assert_allclose(found, want, atol=1e-10, rtol=0)
    np.testing.assert_allclose(alt, expected(model, codes, rows, bases), atol=1e-10, rtol=0)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_published_sizes_in_single_precision(engine: str) -> None:
    model, windows = network_of(MIFMConfig()), 300
    codes = sequence(model.config, windows)
    rows = np.arange(0, windows, 2)
    bases = np.full(len(rows), 2, dtype=np.uint8)
    found, alt = Scan(model, engine).substituted(codes, rows, bases)
    assert found.dtype == alt.dtype == np.float32
    np.testing.assert_allclose(found, expected(model, codes, np.arange(windows)), atol=2e-5, rtol=0)
    np.testing.assert_allclose(alt, expected(model, codes, rows, bases), atol=2e-5, rtol=0)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_drawn_sequences_and_substitutions(engine: str, data: st.DataObject) -> None:
    """Runs of N, single windows, windows with several substitutions and with none."""
    runs = data.draw(
        st.lists(st.tuples(st.integers(0, NO_BASE), st.integers(1, 90)), min_size=1, max_size=30)
    )
    codes = np.concatenate([np.full(count, base, dtype=np.uint8) for base, count in runs])
    codes = np.pad(codes, (0, max(TINY.window - len(codes), 0)), constant_values=1)
    windows = len(codes) - TINY.window + 1
    rows = np.array(sorted(data.draw(st.lists(st.integers(0, windows - 1), max_size=20))), dtype=np.int64)
    bases = np.array(
        data.draw(st.lists(st.integers(0, NO_BASE), min_size=len(rows), max_size=len(rows))), dtype=np.uint8
    )
    found, alt = scan_of_model(engine).exact(codes, rows, bases)
    np.testing.assert_allclose(found, expected(MODEL, codes, np.arange(windows)), atol=1e-10, rtol=0)
    np.testing.assert_allclose(alt, expected(MODEL, codes, rows, bases), atol=1e-10, rtol=0)


MODEL = network_of(TINY).double()


@functools.cache
def scan_of_model(engine: str) -> Scan:
    return Scan(MODEL, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_more_windows_than_the_buffers_hold(engine: str) -> None:
    windows = 2 * BLOCK + 100
    codes = sequence(TINY, windows)
    rows = np.array([0, 5, BLOCK - 1, BLOCK, BLOCK, windows - 1])
    bases = np.array([0, 1, 2, 3, 0, 1], dtype=np.uint8)
    found, alt = scan_of_model(engine).exact(codes, rows, bases)
    np.testing.assert_allclose(found, expected(MODEL, codes, np.arange(windows)), atol=1e-10, rtol=0)
    np.testing.assert_allclose(alt, expected(MODEL, codes, rows, bases), atol=1e-10, rtol=0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_blocks_come_in_their_order(engine: str, threads: int) -> None:
    model = network_of(MIFMConfig(window=128, tower_channels=(6, 6)))
    scan = Scan(model, engine)
    blocks = [block_of(seed) for seed in range(7)]
    found = list(scan.logits_of(iter(blocks), threads))
    assert [block.start for block, _ in found] == [block.start for block in blocks]
    for block, logits in found:
        assert len(logits) == len(block)
        # The middle 128 of each window of 512.
        codes = block.codes[192 : len(block.codes) - 192]
        want = expected(model, codes, np.arange(len(block)))
        np.testing.assert_allclose(logits, want, atol=2e-5, rtol=0)


def block_of(seed: int) -> ContigBlock:
    codes = np.random.default_rng(seed).integers(0, 4, 200 + seed + 511).astype(np.uint8)
    return ContigBlock("1", 1000 * seed, 1000 * seed + 200 + seed, codes, np.ones(200 + seed, dtype=np.bool_))


def test_blocks_are_read_as_they_are_needed() -> None:
    ahead: list[int] = []
    blocks = (ahead.append(seed) or block_of(seed) for seed in range(9))
    scan = Scan(network_of(MIFMConfig(window=128, tower_channels=(6, 6))))
    for count, _ in enumerate(scan.logits_of(blocks, 2), start=1):
        assert len(ahead) <= count + 2


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_share_a_scan(engine: str) -> None:
    model = network_of(TINY)
    scan, results = Scan(model, engine), {}

    def work(seed: int) -> None:
        codes = sequence(TINY, 500 + seed, seed)
        rows = np.arange(0, 500, 3)
        results[seed] = [scan.substituted(codes, rows, codes[rows]) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, repeats in results.items():
        codes = sequence(TINY, 500 + seed, seed)
        rows = np.arange(0, 500, 3)
        want = expected(model, codes, np.arange(500 + seed)), expected(model, codes, rows, codes[rows])
        for repeat in repeats:
            for found, wanted in zip(repeat, want, strict=True):
                np.testing.assert_allclose(found, wanted, atol=2e-5, rtol=0)


@pytest.mark.skipif(WITHOUT_NUMBA, reason="numba is not installed")
@pytest.mark.parametrize("config", [MIFMConfig(), TINY], ids=["published", "tiny"])
def test_compiled_numbers_do_not_depend_on_what_else_is_computed(config: MIFMConfig) -> None:
    """To the last bit: parts of a sequence, and substitutions in any company."""
    scan, windows = Scan(network_of(config), "numba"), 900
    codes = sequence(config, windows)
    rows = np.repeat(np.arange(windows), 3)
    bases = np.tile(np.arange(3, dtype=np.uint8), windows)
    ref, alt = scan.substituted(codes, rows, bases)
    for start, count in ((0, 1), (1, 2), (17, 31), (5, 513), (899, 1)):
        part = codes[start : start + count + config.window - 1]
        assert (scan.logits(part) == ref[start : start + count]).all(), (start, count)
    for step in (2, 7, 100):
        assert (scan.substituted(codes, rows[::step], bases[::step])[1] == alt[::step]).all(), step
    middle = codes[300:][: 100 + config.window - 1]
    here = (rows >= 300) & (rows < 400)
    assert (scan.substituted(middle, rows[here] - 300, bases[here])[1] == alt[here]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_rounding_is_no_larger_than_that_of_the_network_itself(engine: str) -> None:
    """Against double precision, on the published sizes."""
    model, windows = network_of(MIFMConfig()), 500
    codes, rows = sequence(model.config, windows), np.arange(windows)
    bases = np.zeros(windows, dtype=np.uint8)
    found = Scan(model, engine).substituted(codes, rows, bases)
    plain = expected(model, codes, rows), expected(model, codes, rows, bases)
    model = model.double()
    exact = expected(model, codes, rows), expected(model, codes, rows, bases)
    for ours, theirs, true in zip(found, plain, exact, strict=True):
        assert np.abs(ours - true).max() < 2 * np.abs(theirs - true).max()


def test_it_needs_the_bases_that_the_network_reads_and_the_padding_left_of_them() -> None:
    model = MIFM()
    programs = programs_of(model, 1, 1)
    program = programs.reference
    assert (programs.start, programs.end) == (-3, PartialNetwork(model).receptive_field[1])
    # 21,917 for what windows share and 8,241 for what their left padding reaches.
    assert (program.multiply_adds, program.activations) == (30_158, 709)


def test_later_changes_of_the_model_do_not_matter() -> None:
    model = network_of(TINY)
    scan, codes = Scan(model), sequence(TINY, 10)
    before = scan.logits(codes)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.zero_()
    assert (scan.logits(codes) == before).all()


def test_the_engine_is_chosen_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_of("cuda") == "pytorch"
    with pytest.raises(OptionError, match="numba computes on CPUs; the network is on cuda"):
        engine_of("cuda", "numba")
    assert Scan(network_of(TINY), "pytorch").identity == identity_of("pytorch")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name != "numba" or None)
    assert engine_of() == "pytorch"
    assert Scan(network_of(TINY)).identity == {"engine": "pytorch", "version": torch.__version__}
    with pytest.raises(MissingPackageError, match=r"numba is not installed.*\.\[scan\]"):
        Scan(network_of(TINY), "numba")


@pytest.mark.skipif(WITHOUT_NUMBA, reason="numba is not installed")
def test_numba_is_taken_where_it_is_installed() -> None:
    assert engine_of() == Scan(network_of(TINY)).identity["engine"] == "numba"


def test_an_engine_that_there_is_not() -> None:
    with pytest.raises(OptionError, match=r"'jax'.*auto"):
        Scan(network_of(TINY), "jax")


def test_sequences_and_rows_that_cannot_be() -> None:
    scan, codes = Scan(network_of(TINY)), sequence(TINY, 10)
    with pytest.raises(ValueError, match=r"\(63,\).*window of 64"):
        scan.logits(codes[:63])
    with pytest.raises(ValueError, match="int64"):
        scan.logits(codes.astype(np.int64))
    for rows in ([3, 2], [-1], [10]):
        with pytest.raises(ValueError, match="windows of 0 to 9, ascending"):
            scan.substituted(codes, np.array(rows), np.zeros(len(rows), dtype=np.uint8))
    with pytest.raises(ValueError, match="1 substitutions for 2 bases"):
        scan.substituted(codes, np.array([1]), np.zeros(2, dtype=np.uint8))


def test_weights_that_give_no_numbers() -> None:
    model = network_of(TINY)
    with torch.no_grad():
        model.head.weight.fill_(torch.inf)
    with pytest.raises(WeightsError, match=r"mine\.safetensors give numbers that are not finite"):
        Scan(model, path="mine.safetensors").logits(sequence(TINY, 10))
