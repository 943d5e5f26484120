"""What networks predict for the instances and bags of a data set, and how well."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import exactly
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.scan.engines import engine_of, one_thread_each
from mifm_kipoi.scoring.scanning import COSTS, START
from mifm_kipoi.scoring.scores import both_alleles_logit
from mifm_kipoi.sequence.contig_blocks import BLOCK
from mifm_kipoi.sequence.encoding import NO_BASE
from mifm_kipoi.statistics.ranking import Curve
from mifm_kipoi.support.threads import ordered_map
from training.data.dataset import DataSet
from training.fitting.config import AlleleKind, FitConfig
from training.fitting.measures import StudyRows
from training.mil.batches import Batch, Epoch, in_order
from training.mil.evidence import Evidence
from training.mil.genome_tensor import Alleles, GenomeTensor
from training.mil.layout import BagLayout
from training.mil.objective import Instances, Objective

_CHUNK_SIZE = 1024
"""Windows that are scored together."""

_NO_SUBSTITUTIONS = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint8)

_Floats = npt.NDArray[np.floating]
_Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Part:
    """The bags of one split, made ready: what a step reads of windows and entries, on the genome's device.

    Parameters
    ----------
    bags : pandas.DataFrame
        One row per bag, see :data:`training.data.dataset.BAG_COLUMNS`.
    offsets : torch.Tensor of int64, shape (n,)
        Where the instances lie in the genome, from
        :meth:`training.mil.genome_tensor.GenomeTensor.offsets`.
    alleles : Alleles or None
        Of the instances, where windows of ALT are read too.
    log_bf, pip : torch.Tensor of float32, shape (rows,)
        Log Bayes factors and PIPs of the rows of the evidence; NaN where they are not known.
    """

    bags: pd.DataFrame
    offsets: torch.Tensor
    alleles: Alleles | None
    log_bf: torch.Tensor
    pip: torch.Tensor

    @classmethod
    def of(
        cls,
        dataset: DataSet,
        genome: GenomeTensor,
        evidence: Evidence | None = None,
        alleles: AlleleKind = "reference",
    ) -> Part:
        """All bags of a data set; raises what :meth:`GenomeTensor.offsets` does.

        Parameters
        ----------
        dataset : DataSet
            The bags.
        genome : GenomeTensor
            The contigs of their instances.
        evidence : Evidence, optional
            Of this data set; that of ``lowest_p`` by default.
        alleles : str
            ``reference``, or ``both``.
        """
        offsets = genome.offsets(dataset.instances)
        evidence = Evidence.of(dataset) if evidence is None else evidence
        both = Alleles.of(dataset.instances).to(offsets.device) if alleles == "both" else None
        log_bf, pip = (
            torch.from_numpy(values.copy()).to(offsets.device) for values in (evidence.log_bf, evidence.pip)
        )
        return cls(dataset.bags, offsets, both, log_bf, pip)

    def to(self, device: torch.device | str) -> Part:
        """The same on another device."""
        alleles = None if self.alleles is None else self.alleles.to(device)
        return Part(self.bags, self.offsets.to(device), alleles, self.log_bf.to(device), self.pip.to(device))


@dataclasses.dataclass(frozen=True)
class Validation:
    """Bags to evaluate networks on, made ready.

    Parameters
    ----------
    part : Part
        The bags of a split.
    batches : Epoch
        Which of these bags, and in what order; everything on one device.
    studies : StudyRows
        What the instance-level measures read: all rows of all studies, whatever the loss reads.
    """

    part: Part
    batches: Epoch
    studies: StudyRows

    @classmethod
    def of(
        cls, dataset: DataSet, genome: GenomeTensor, config: FitConfig, max_windows: int = 4096
    ) -> Validation:
        """The validation bags as a fit evaluates them.

        Parameters
        ----------
        dataset : DataSet
            The bags of a split.
        genome : GenomeTensor
            The contigs of their instances.
        config : FitConfig
            What the loss reads, and how many negative bags there are.
        max_windows : int
            Most windows of a batch, unless one bag has more.
        """
        evidence = config.read(dataset)
        bags = validation_bags(config, dataset)
        largest = config.max_bag_size if config.evidence == "lowest_p" else None
        studies = StudyRows.of(Evidence.of(dataset, "per_study"), bags)
        return cls(
            Part.of(dataset, genome, evidence, config.alleles),
            in_order(evidence, largest, max_windows, bags),
            studies,
        )

    def to(self, device: torch.device | str) -> Validation:
        """The same on another device."""
        return Validation(self.part.to(device), self.batches.to(device), self.studies)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a network predicts for bags, and how well.

    Parameters
    ----------
    loss : float
        Over all bags together, with Bayes factors as they are; NaN without bags.
    auroc, auprc : float
        Of the groups' scores against their labels: a group is a bag, or one study of it. NaN where all are of
        one class.
    likelihood, top_pip : float
        See :class:`training.fitting.measures.StudyRows`.
    logits : torch.Tensor of float32, shape (n,)
        Logits of the instances, in the order of the batches' windows.
    bag_logits, labels : torch.Tensor of float32, shape (g,)
        Logits and labels of the groups, in the order of the batches.
    """

    loss: float
    auroc: float
    auprc: float
    likelihood: float
    top_pip: float
    logits: torch.Tensor
    bag_logits: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def of_nothing(cls) -> Evaluation:
        """The evaluation of no bags."""
        return cls(*(math.nan,) * 5, torch.empty(0), torch.empty(0), torch.empty(0))

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers by their names: loss, auroc, auprc, likelihood and top_pip."""
        return {name: getattr(self, name) for name in METRICS}


METRICS = ("loss", "auroc", "auprc", "likelihood", "top_pip")
"""The numbers of an :class:`Evaluation`; in a log each begins with ``validation_``."""


def validation_bags(config: FitConfig, validation: DataSet) -> npt.NDArray[np.int64]:
    """The validation bags that are evaluated, the same for every seed.

    Parameters
    ----------
    config : FitConfig
        It says how many negative bags there are per positive one.
    validation : DataSet
        The validation bags.

    Returns
    -------
    numpy.ndarray of int64, rising
        All positive bags, and as many negative ones per positive bag as in training.
    """
    labels = validation.bags["label"].to_numpy(np.int64)
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    wanted = positives.size * config.negatives_per_bag if positives.size else negatives.size
    drawn = np.random.default_rng(0).permutation(negatives)[:wanted]
    return np.sort(np.concatenate([positives, drawn]))


def forward_windows(
    network: MIFM, genome: GenomeTensor, part: Part, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the network on the windows of a batch.

    Parameters
    ----------
    network : MIFM
        With 5 channels it reads the variant token.
    genome : GenomeTensor
        The contigs of the instances.
    part : Part
        The bags that the batch is drawn from; with alleles, windows of ALT are read beside those of REF.
    batch : Batch
        Rows of ``part``.

    Returns
    -------
    logits : torch.Tensor of float32, shape (n,)
        Logits of the instances; of both alleles those of
        :func:`mifm_kipoi.scoring.scores.both_alleles_logit`.
    features : torch.Tensor, shape (n, d)
        The input of the network's head; of both alleles the mean.
    """
    config, count = network.config, len(batch.rows)
    offsets, token = part.offsets[batch.rows], config.channels == NO_BASE + 1
    windows = genome.cut(offsets, config.window, batch.shifts, batch.reverse, token)
    if part.alleles is not None:
        alt = genome.cut(
            offsets, config.window, batch.shifts, batch.reverse, alleles=part.alleles[batch.rows]
        )
        windows = torch.cat([windows.transpose(1, 2), alt.transpose(1, 2)]).transpose(1, 2)
    bins = network.bins(windows)[:, :, config.variant_bin : config.variant_bin + 1]
    features = network.features(bins)
    logits = network.head(features)[:, 0, 0].float()
    if part.alleles is None:
        return logits, features[:, :, 0]
    return (
        both_alleles_logit(logits[:count], logits[count:]),
        (features[:count, :, 0] + features[count:, :, 0]) / 2,
    )


def forward_bags(
    network: MIFM, objective: Objective, genome: GenomeTensor, part: Part, batch: Batch
) -> tuple[Instances, BagLayout]:
    """What the objective reads of a batch; each window is evaluated once.

    Parameters
    ----------
    network, genome, part, batch : MIFM, GenomeTensor, Part, Batch
        See :func:`forward_windows`.
    objective : Objective
        It says whether the features are kept.

    Returns
    -------
    instances : Instances
        Of every entry.
    layout : BagLayout
        The group of each entry.
    """
    logits, features = forward_windows(network, genome, part, batch)
    return _entries(objective, logits, features, part, batch)


def _entries(
    objective: Objective, logits: torch.Tensor, features: torch.Tensor, part: Part, batch: Batch
) -> tuple[Instances, BagLayout]:
    kept = features[batch.window] if objective.needs_features else None
    instances = Instances(logits[batch.window], kept, part.log_bf[batch.evidence], part.pip[batch.evidence])
    return instances, BagLayout(batch.group, len(batch.labels))


def evaluate(network: MIFM, objective: Objective, genome: GenomeTensor, validation: Validation) -> Evaluation:
    """Score bags with the network as in inference, and compare with their labels and evidence.

    Parameters
    ----------
    network, objective : MIFM, Objective
        Left in the mode in which they came.
    genome : GenomeTensor
        The contigs of the instances.
    validation : Validation
        The bags, on the same device.
    """
    part, batches = validation.part, validation.batches
    modes = network.training, objective.training
    network.eval()
    objective.eval()
    try:
        with torch.inference_mode():
            logits, bag_logits, losses = [], [], []
            for batch in batches:
                own, features = forward_windows(network, genome, part, batch)
                instances, layout = _entries(objective, own, features, part, batch)
                logits.append(own)
                bag_logits.append(objective.bag_logits(instances, layout).float())
                losses.append(objective.bag_losses(instances, layout, batch.labels))
            if not logits:
                return Evaluation.of_nothing()
            whole, scores, labels = torch.cat(logits), torch.cat(bag_logits), batches.whole.labels
            weights = objective.weights(labels, batches.whole.weights, batches.whole.fractions)
            loss = float((torch.cat(losses) * weights).sum())
    finally:
        network.train(modes[0])
        objective.train(modes[1])
    of_instances = np.full(len(part.offsets), np.nan)
    of_instances[batches.whole.rows.cpu().numpy()] = whole.double().cpu().numpy()
    measures = (validation.studies.likelihood(of_instances), validation.studies.top_pip(of_instances))
    return Evaluation(loss, *_areas(scores, labels), *measures, whole, scores, labels)


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


def instance_logits(
    network: MIFM, genome: GenomeTensor, offsets: torch.Tensor, alleles: Alleles | None = None
) -> npt.NDArray[np.float64]:
    """Logits of instances, without shifts, on the network's own device.

    On CPUs, those that stand close together are computed by a scan of their sequence, where there are so many
    that this is faster; the numbers are the same but for rounding.

    Parameters
    ----------
    network : MIFM
        With 5 channels it reads the variant token. It is left in the mode in which it came.
    genome : GenomeTensor
        On the same device.
    offsets : torch.Tensor of int64, shape (n,)
        From :meth:`training.mil.genome_tensor.GenomeTensor.offsets`.
    alleles : Alleles of n variants, optional
        On the same device: the logits are those of both alleles
        (:func:`mifm_kipoi.scoring.scores.both_alleles_logit`); of reference windows without.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    config, mode = network.config, network.training
    network.eval()
    try:
        with exactly():
            logits = _scanned(network, genome, offsets)
            for rows in _chunks(np.flatnonzero(np.isnan(logits)), offsets.device):
                own = network(genome.cut(offsets[rows], config.window, token=config.channels == NO_BASE + 1))
                logits[rows.cpu().numpy()] = own.float().cpu().numpy()
            if alleles is None:
                return logits.astype(np.float64)
            both = []
            for rows in _chunks(np.arange(len(offsets)), offsets.device):
                cut = genome.cut(offsets[rows], config.window, alleles=alleles[rows])
                ref = torch.from_numpy(logits[rows.cpu().numpy()])
                both.append(both_alleles_logit(ref, network(cut).float().cpu()))
    finally:
        network.train(mode)
    return torch.cat([torch.empty(0), *both]).double().numpy()


def _chunks(rows: npt.NDArray[np.intp], device: torch.device) -> Iterator[torch.Tensor]:
    for start in range(0, len(rows), _CHUNK_SIZE):
        yield torch.from_numpy(rows[start : start + _CHUNK_SIZE]).to(device)


def _scanned(network: MIFM, genome: GenomeTensor, offsets: torch.Tensor) -> npt.NDArray[np.float32]:
    """Logits of instances that stand so close together that a scan is faster; NaN of the others."""
    config = network.config
    logits = np.full(len(offsets), np.nan, dtype=np.float32)
    if offsets.device.type != "cpu" or config.channels > NO_BASE:
        return logits
    places, instance = np.unique(offsets.numpy(), return_inverse=True)
    costs = COSTS[engine_of()]
    runs, saved = [], 0.0
    for run in np.split(np.arange(len(places)), np.flatnonzero(np.diff(places // BLOCK)) + 1):
        span = int(places[run[-1]] - places[run[0]]) + 1 if run.size else 0
        gain = costs.of_windows(run.size, 0) - costs.of_scan(span, 0)
        if gain > 0:
            runs.append(run)
            saved += gain
    if saved < START:
        return logits
    scan, codes, index = Scan(network), genome.codes.numpy(), config.variant_index
    of_places = np.full(len(places), np.nan, dtype=np.float32)

    def fill_in(run: _Indices) -> None:
        first, last = places[run[0]], places[run[-1]]
        # What is not finite is judged by who asked for it.
        found, _ = scan.exact(codes[first - index : last - index + config.window], *_NO_SUBSTITUTIONS)
        of_places[run] = found[places[run] - first]

    threads = min(torch.get_num_threads(), len(runs))
    with one_thread_each(threads):
        collections.deque(ordered_map(fill_in, runs, threads), maxlen=0)
    return of_places[instance]


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
