"""What networks say of the instances of a data set, and how far two of them agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import exactly
from mifm_kipoi.network.model import MIFM
from training.data.dataset import DataSet
from training.mil.batches import in_order
from training.mil.genome_tensor import GenomeTensor

_WINDOWS = 1024
"""Windows at once."""

_Floats = npt.NDArray[np.floating]
_Indices = npt.NDArray[np.int64]


def genome_of(dataset: DataSet, genome: Genome | GenomeTensor, margin: int) -> GenomeTensor:
    """The contigs of a data set in memory; a genome that is there already is given as it is."""
    if isinstance(genome, GenomeTensor):
        return genome
    return GenomeTensor.read(genome, dataset.instances["chrom"].unique().tolist(), margin)


def used_instances(dataset: DataSet, max_bag_size: int) -> DataSet:
    """The data set with the first instances of each bag only."""
    whole = in_order(dataset, max_bag_size, max_instances=len(dataset.instances)).whole
    sizes = dataset.bags["size"].clip(upper=max_bag_size)
    return DataSet(
        dataset.bags.assign(size=sizes),
        dataset.instances.iloc[whole.rows.numpy()].reset_index(drop=True),
        dataset.manifest,
    )


def instance_logits(network: MIFM, genome: GenomeTensor, offsets: torch.Tensor) -> npt.NDArray[np.float64]:
    """Logits of reference windows, without shifts, on the network's own device.

    Parameters
    ----------
    network : MIFM
        With 5 channels it reads the variant token. It is left in the mode in which it came.
    genome : GenomeTensor
        On the same device.
    offsets : torch.Tensor of int64, shape (n,)
        From :meth:`training.mil.genome_tensor.GenomeTensor.offsets`.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    config, mode = network.config, network.training
    network.eval()
    try:
        with exactly():
            found = [
                network(genome.cut(some, config.window, token=config.channels == 5)).float().cpu()
                for some in torch.split(offsets, _WINDOWS)
                if len(some)
            ]
    finally:
        network.train(mode)
    return torch.cat([torch.empty(0), *found]).double().numpy()


def probabilities(logits: _Floats) -> npt.NDArray[np.float64]:
    """The logistic function, without overflow."""
    return torch.from_numpy(np.asarray(logits, dtype=np.float64)).sigmoid().numpy()


def mean_logits(logits: Sequence[_Floats]) -> npt.NDArray[np.float64]:
    """Logits of the mean probability of several networks: n arrays of shape (m,) -> (m,)."""
    many = torch.from_numpy(np.stack(list(logits)).astype(np.float64))
    log = torch.nn.functional.logsigmoid
    # log p and log (1 - p) of the mean; the number of networks cancels.
    return (torch.logsumexp(log(many), 0) - torch.logsumexp(log(-many), 0)).numpy()


def largest(values: _Floats, bag: _Indices) -> _Indices:
    """The row of the largest value of each bag, the first of equal ones.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
    bag : numpy.ndarray of int64, shape (n,)
        Rising from 0 without gaps.
    """
    order = np.lexsort((-values, bag))
    return order[np.unique(bag[order], return_index=True)[1]]


def pearson(a: _Floats, b: _Floats) -> float:
    """Correlation; NaN for fewer than two values, or where one is constant."""
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def spearman(a: _Floats, b: _Floats) -> float:
    """Correlation of ranks."""
    return pearson(pd.Series(a).rank().to_numpy(), pd.Series(b).rank().to_numpy())


def auroc(scores: _Floats, labels: npt.NDArray[np.integer]) -> float:
    """Area under the receiver operating characteristic; NaN where there is one class only.

    The share of pairs of a positive and a negative in which the positive has the higher score, ties half.
    """
    positive = labels == 1
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = pd.Series(scores).rank().to_numpy()
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
