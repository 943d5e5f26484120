"""How far is a network from an untrained one? Its training steps, its weights, and what its logits react to.

PyTorch draws the weights of a convolution from U(-b, b), b = 1 / sqrt(fan in), and batch normalisation
begins with scales of 1. What differs from that is what training changed. The signature (how logits change
from one base to the next, on the other strand, and with the allele) is measured beside untrained networks of
the same sizes, since an architecture alone gives one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi import Genome
from mifm_kipoi.errors import InputError
from mifm_kipoi.network.checkpoint import read_checkpoint
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.untrained import untrained
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.sequence import encoding
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.correlation import spearman
from mifm_kipoi.statistics.estimates import Estimate, Values
from mifm_kipoi.support.packages import needed

BLOCK_BP = 10_000
"""Neighbouring positions share bases; intervals resample blocks of this length."""

MATCHED = 100
"""How much more than other windows the first of a bag weighed in the published student's loss."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """Weights of one layer beside the distribution that they were drawn from.

    Parameters
    ----------
    name : str
        Of the tensor.
    values : int
        How many numbers it has.
    bound : float
        b of the initial distribution U(-b, b).
    largest : float
        The largest absolute weight, in units of b; at most 1 before training.
    p_value : float
        Kolmogorov-Smirnov test against U(-b, b), two-sided.
    """

    name: str
    values: int
    bound: float
    largest: float
    p_value: float


@dataclasses.dataclass(frozen=True)
class Scales:
    """Scales of a layer of batch normalisation, which are 1 before training.

    Parameters
    ----------
    name : str
        Of the tensor.
    channels, steps : int
        Its channels, and the training steps that it counted.
    root_mean_square, largest : float
        Of their differences from 1.
    """

    name: str
    channels: int
    steps: int
    root_mean_square: float
    largest: float


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows around positions, coded (:mod:`mifm_kipoi.sequence.encoding`).

    Parameters
    ----------
    pos : numpy.ndarray of int64, shape (n,)
        1-based, rising.
    ref, alternative, one_off, reverse : numpy.ndarray of uint8, shape (n, 512)
        With the base of the position at index 255; with another base there; with the base before it at index
        255; and the reverse complement with the position at index 255.
    """

    pos: npt.NDArray[np.int64]
    ref: npt.NDArray[np.uint8]
    alternative: npt.NDArray[np.uint8]
    one_off: npt.NDArray[np.uint8]
    reverse: npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Signature:
    """What the logits of a network react to.

    Parameters
    ----------
    name : str
        Of the network.
    deviation : Estimate
        Standard deviation of the logits over positions.
    one_off, reverse, alternative : Estimate
        Spearman correlation with the logits of the windows one base off, of the other strand, and with
        another base at the position.
    delta : Estimate
        Median absolute change of the logit with another base, over the standard deviation.
    """

    name: str
    deviation: Estimate
    one_off: Estimate
    reverse: Estimate
    alternative: Estimate
    delta: Estimate


def read_network(weights: str) -> MIFM:
    """A network of named weights, of a .safetensors file, or of the authors' checkpoint (.ckpt).

    Raises
    ------
    WeightsError
        When there are none, or they are damaged or unsafe.
    """
    if not weights.endswith(".ckpt"):
        return load_weights(weights).model()
    network = MIFM()
    network.load_state_dict(read_checkpoint(Path(weights)))
    return network.eval()


def initial_bounds(state: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """The bound b of each tensor that PyTorch draws from U(-b, b): of convolutions, and of biases of theirs.

    A bias has the bound of its convolution. That of the head is left out, since one number has no
    distribution, and the project's training sets it.
    """
    bounds = {}
    for name, values in state.items():
        if values.dim() == 3:
            bounds[name] = float(values[0].numel() ** -0.5)
            bias = name.removesuffix("weight") + "bias"
            if bias in state and state[bias].numel() > 1:
                bounds[bias] = bounds[name]
    return bounds


def tensors(state: Mapping[str, torch.Tensor]) -> list[Tensor]:
    """The tensors of convolutions beside their initial distribution, in the order of the network."""
    test = needed("scipy.stats", "evaluation").kstest
    measured = []
    for name, bound in initial_bounds(state).items():
        relative = state[name].double().numpy().ravel() / bound
        measured.append(
            Tensor(
                name, relative.size, bound, float(np.abs(relative).max()),
                float(test(relative, "uniform", (-1, 2)).pvalue),
            )
        )  # fmt: skip
    return measured


def scales(state: Mapping[str, torch.Tensor]) -> list[Scales]:
    """The layers of batch normalisation, in the order of the network."""
    measured = []
    for name, steps in state.items():
        if name.endswith("num_batches_tracked"):
            own = name.replace("num_batches_tracked", "weight")
            off = (state[own].double() - 1).numpy()
            measured.append(
                Scales(own, off.size, int(steps), float(np.sqrt(np.mean(off**2))), float(np.abs(off).max()))
            )
    return measured


def draw_windows(genome: Genome, chrom: str, count: int, seed: int = 1) -> Windows:
    """Windows around random positions of a contig.

    Parameters
    ----------
    genome : Genome
        Any build.
    chrom : str
        Contig, in any of its names.
    count : int
        How many positions.
    seed : int
        Of positions and of the other bases.

    Raises
    ------
    InputError
        When the contig is not there, or has fewer positions whose windows hold no N.
    """
    contig = genome.find_contig(chrom)
    if contig is None:
        raise InputError(f"{genome.path} has no contig {chrom!r}; it has {', '.join(genome.contigs)}")
    length, config = genome.contigs[contig], MIFMConfig()
    codes = encoding.codes(genome.fetch(contig, 0, length))
    index, window = config.variant_index, config.window
    # One base more on either side, for the windows one base off and of the other strand.
    first, last = index + 1, length - (window - index)
    unknown = np.concatenate([[0], np.cumsum(codes == encoding.NO_BASE)])
    known = [pos for pos in range(first, last) if unknown[pos - first] == unknown[pos - first + window + 2]]
    if len(known) < count:
        raise InputError(
            f"{contig} of {genome.path} has {len(known)} positions whose windows hold no N; expected {count}"
        )
    generator = np.random.default_rng(seed)
    pos0 = np.sort(generator.choice(known, count, replace=False))
    wide = np.stack([codes[start : start + window + 2] for start in pos0 - first])
    ref = wide[:, 1:-1].copy()
    alternative = ref.copy()
    alternative[:, index] = (ref[:, index] + generator.integers(1, 4, count)) % encoding.NO_BASE
    # Of the reverse complement, index 255 is index 256 of the forward window.
    return Windows(
        pos0 + 1, ref, alternative, wide[:, :-2].copy(), encoding.reverse_complement(wide[:, :-2]).copy()
    )


def signature(name: str, network: MIFM, windows: Windows) -> Signature:
    """The signature of a network, with intervals over blocks of neighbouring positions.

    Parameters
    ----------
    name : str
        Of the network.
    network : MIFM
        With four channels and windows of 512 bp.
    windows : Windows
        From :func:`draw_windows`.
    """
    predictor = Predictor(network)
    ref, alternative, one_off, reverse = (
        predictor.logits(each).astype(np.float64)
        for each in (windows.ref, windows.alternative, windows.one_off, windows.reverse)
    )
    blocks = Bootstrap.of_circular_blocks(windows.pos, BLOCK_BP)
    change = np.abs(alternative - ref)
    return Signature(
        name,
        blocks.estimate(lambda weights: standard_deviations(ref, weights)),
        *(
            blocks.estimate(lambda weights, other=other: spearman(ref, other, weights))
            for other in (one_off, reverse, alternative)
        ),
        blocks.estimate(lambda weights: medians(change, weights) / standard_deviations(ref, weights)),
    )


def standard_deviations(values: Values, weights: Values) -> Values:
    """Standard deviations of values, shape (n,), under weightings, shape (n, r): shape (r,)."""
    centred = values - values.mean()
    total = weights.sum(axis=0)
    mean = centred @ weights / total
    return np.sqrt(np.maximum(centred**2 @ weights / total - mean**2, 0))


def medians(values: Values, weights: Values) -> Values:
    """Medians (the lower one of two) of values, shape (n,), under weightings, shape (n, r): shape (r,)."""
    order = np.argsort(values)
    below = np.cumsum(weights[order], axis=0)
    return values[order][(below >= below[-1] / 2).argmax(axis=0)]


def first_proportion(score: npt.ArrayLike) -> Values:
    """``q = s / (100 - 99 s)``: how often windows of this score were the teachers' first of their bag.

    The published student minimised ``100 q (1 - s)^2 + (1 - q) s^2``, whose optimum is
    ``s = 100 q / (1 + 99 q)``.

    Parameters
    ----------
    score : array_like of float
        Scores, 0 to 1.
    """
    s = np.asarray(score, dtype=np.float64)
    return s / (MATCHED - (MATCHED - 1) * s)


def compare(
    name: str, network: MIFM, windows: Windows, seeds: Sequence[int]
) -> tuple[list[Tensor], list[Scales], list[Signature], Values]:
    """All measurements of a network, and the signature of untrained ones.

    Returns
    -------
    tensors, scales, signatures, scores
        The first signature is the network's; the scores are those of the positions.
    """
    state = network.state_dict()
    networks = {name: network}
    networks |= {f"untrained, seed {seed}": untrained(network.config, seed, windows.ref) for seed in seeds}
    signatures = [signature(each, one, windows) for each, one in networks.items()]
    scores = 1 / (1 + np.exp(-Predictor(network).logits(windows.ref).astype(np.float64)))
    return tensors(state), scales(state), signatures, scores
