"""What networks predict for the instances and bags of a data set, and how well."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import exactly
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.statistics.ranking import Curve
from training.data.dataset import DataSet
from training.mil.batches import Batch, Epoch
from training.mil.genome_tensor import GenomeTensor
from training.mil.layout import BagLayout
from training.mil.objective import Instances, Objective

_CHUNK_SIZE = 1024
"""Windows that are scored together."""

_Floats = npt.NDArray[np.floating]
_Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Part:
    """The bags of one split, made ready: what the loss reads of every instance, on the genome's device.

    Parameters
    ----------
    bags : pandas.DataFrame
        One row per bag, see :data:`training.data.dataset.BAG_COLUMNS`.
    offsets : torch.Tensor of int64, shape (n,)
        Where the instances lie in the genome, from
        :meth:`training.mil.genome_tensor.GenomeTensor.offsets`.
    log_bf, pip : torch.Tensor of float32, shape (n,)
        Log Bayes factors and PIPs of the instances; NaN where the table has none.
    """

    bags: pd.DataFrame
    offsets: torch.Tensor
    log_bf: torch.Tensor
    pip: torch.Tensor

    @classmethod
    def of(cls, dataset: DataSet, genome: GenomeTensor) -> Part:
        """All bags of a data set; raises what :meth:`GenomeTensor.offsets` does."""
        offsets = genome.offsets(dataset.instances)
        log_bf, pip = (
            torch.from_numpy(dataset.instances[name].to_numpy(np.float32, copy=True)).to(offsets.device)
            for name in ("log_bf", "pip")
        )
        return cls(dataset.bags, offsets, log_bf, pip)

    def to(self, device: torch.device | str) -> Part:
        """The same on another device."""
        return Part(self.bags, *(x.to(device) for x in (self.offsets, self.log_bf, self.pip)))


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a network predicts for bags, and how well.

    Parameters
    ----------
    loss : float
        Over all bags together; NaN without bags.
    auroc, auprc : float
        Of the bags' scores against their labels; NaN where all bags are of one class.
    logits : torch.Tensor of float32, shape (n,)
        Logits of the instances, in the order of the batches.
    bag_logits : torch.Tensor of float32, shape (m,)
        Logits of the bags, in the order of the batches.
    """

    loss: float
    auroc: float
    auprc: float
    logits: torch.Tensor
    bag_logits: torch.Tensor

    @classmethod
    def of_nothing(cls) -> Evaluation:
        """The evaluation of no bags."""
        return cls(math.nan, math.nan, math.nan, torch.empty(0), torch.empty(0))


def forward_bags(
    network: MIFM, objective: Objective, genome: GenomeTensor, part: Part, batch: Batch
) -> tuple[Instances, BagLayout]:
    """Run the network on the windows of a batch.

    Parameters
    ----------
    network : MIFM
        With 5 channels it reads the variant token.
    objective : Objective
        It says whether the features are kept.
    genome : GenomeTensor
        The contigs of the instances.
    part : Part
        The bags that the batch is drawn from.
    batch : Batch
        Rows of ``part``.

    Returns
    -------
    instances : Instances
        What the objective reads.
    layout : BagLayout
        The bag of each instance.
    """
    config = network.config
    windows = genome.cut(
        part.offsets[batch.rows], config.window, batch.shifts, batch.reverse, token=config.channels == 5
    )
    bins = network.bins(windows)[:, :, config.variant_bin : config.variant_bin + 1]
    features = network.features(bins)
    logits = network.head(features)[:, 0, 0].float()
    kept = features[:, :, 0] if objective.needs_features else None
    instances = Instances(logits, kept, part.log_bf[batch.rows], part.pip[batch.rows])
    return instances, BagLayout(batch.bag, len(batch.bags))


def evaluate(
    network: MIFM, objective: Objective, genome: GenomeTensor, part: Part, batches: Epoch
) -> Evaluation:
    """Score bags with the network as in inference, and compare with their labels.

    Parameters
    ----------
    network, objective : MIFM, Objective
        Left in the mode in which they came.
    genome : GenomeTensor
        The contigs of the instances.
    part : Part
        The bags of a split.
    batches : Epoch
        Which of these bags, and in what order; everything on one device.
    """
    modes = network.training, objective.training
    network.eval()
    objective.eval()
    try:
        with torch.inference_mode():
            parts = [forward_bags(network, objective, genome, part, batch)[0] for batch in batches]
            if not parts:
                return Evaluation.of_nothing()
            whole = _joined(parts)
            first = np.repeat([0, *batches.bag_ends[:-1]], np.diff(batches.instance_ends, prepend=0))
            bag = batches.whole.bag + torch.from_numpy(first).to(batches.whole.bag)
            labels = batches.whole.labels
            layout = BagLayout(bag, len(labels))
            bag_logits = objective.bag_logits(whole, layout).float()
            loss = float(objective(whole, layout, labels))
    finally:
        network.train(modes[0])
        objective.train(modes[1])
    return Evaluation(loss, *_areas(bag_logits, labels), whole.logits, bag_logits)


def _joined(parts: Sequence[Instances]) -> Instances:
    def join(name: str) -> torch.Tensor | None:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else torch.cat(values)

    logits = torch.cat([part.logits for part in parts])
    return Instances(logits, join("features"), join("log_bf"), join("pip"))


def _areas(bag_logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """AUROC and AUPRC (average precision), NaN where they are not defined."""
    positive = labels.cpu().numpy() > 0
    if positive.all() or not positive.any() or not torch.isfinite(bag_logits).all():
        return math.nan, math.nan
    # In float32 all large logits would have one probability, 1.
    precision, auroc = Curve(torch.sigmoid(bag_logits.cpu().double()).numpy(), positive).areas()
    return float(auroc), float(precision)


def genome_of(dataset: DataSet, genome: Genome | GenomeTensor, margin: int) -> GenomeTensor:
    """The contigs of a data set in memory.

    Parameters
    ----------
    dataset : DataSet
        Its contigs are read.
    genome : Genome or GenomeTensor
        The FASTA file; a genome that is in memory already is returned as it is.
    margin : int
        Bases beyond the ends of contigs, see :class:`training.mil.genome_tensor.GenomeTensor`.
    """
    if isinstance(genome, GenomeTensor):
        return genome
    return GenomeTensor.read(genome, dataset.instances["chrom"].unique().tolist(), margin)


def used_instances(dataset: DataSet, max_bag_size: int) -> DataSet:
    """The data set with the first ``max_bag_size`` instances of each bag only."""
    rank = dataset.instances.groupby("bag").cumcount()
    return dataset.of_instances((rank < max_bag_size).to_numpy())


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
            logits = [
                network(genome.cut(chunk, config.window, token=config.channels == 5)).float().cpu()
                for chunk in torch.split(offsets, _CHUNK_SIZE)
                if len(chunk)
            ]
    finally:
        network.train(mode)
    return torch.cat([torch.empty(0), *logits]).double().numpy()


def probabilities(logits: _Floats) -> npt.NDArray[np.float64]:
    """The logistic function, without overflow."""
    return torch.from_numpy(np.asarray(logits, dtype=np.float64)).sigmoid().numpy()


def mean_logits(logits: Sequence[_Floats]) -> npt.NDArray[np.float64]:
    """Logits of the mean probability of several networks.

    Parameters
    ----------
    logits : sequence of numpy.ndarray, each of shape (n,)
        Logits of each network.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    many = torch.from_numpy(np.stack(list(logits)).astype(np.float64))
    log = torch.nn.functional.logsigmoid
    # log p and log (1 - p) of the mean; the number of networks cancels.
    return (torch.logsumexp(log(many), 0) - torch.logsumexp(log(-many), 0)).numpy()


def highest_rows(values: _Floats, bag: _Indices) -> _Indices:
    """The row of the highest value of each bag, the first among equal ones.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        Values of the instances, such as logits.
    bag : numpy.ndarray of int64, shape (n,)
        The bag of each instance, rising from 0 without gaps.

    Returns
    -------
    numpy.ndarray of int64, one per bag
    """
    order = np.lexsort((-values, bag))
    return order[np.unique(bag[order], return_index=True)[1]]
