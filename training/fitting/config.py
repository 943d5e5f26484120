"""The settings of fits, ensembles and fine-tuning, the files that they write, and their error."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.support.configuration import check_least
from training.data.dataset import DataSet, DataSetError
from training.mil.batches import BagSample, Sampler
from training.mil.evidence import Evidence, EvidenceKind, Rows
from training.mil.objective import ObjectiveConfig

MEMBER = "member.safetensors"
"""The weights of a member, written when its fit is complete."""

CHECKPOINT = "checkpoint.pt"
"""Everything that an interrupted fit resumes from: the last epoch and the best one."""

LOG = "log.csv"
"""The log of a fit: one row per epoch, the columns of :data:`LOG_COLUMNS`."""

LOG_COLUMNS = {
    "epoch": "int64",
    "step": "int64",
    "learning_rate": "float64",
    "train_loss": "float64",
    "validation_loss": "float64",
    "validation_auroc": "float64",
    "validation_auprc": "float64",
    "validation_likelihood": "float64",
    "validation_top_pip": "float64",
    "windows": "int64",
    "seconds": "float64",
}
"""Types of the log's columns. ``epoch`` counts from 0; ``step`` is the number of steps since the beginning;
``learning_rate`` that of the last step; ``train_loss`` the mean over the epoch's steps, each before its
update; those of validation are described with :class:`training.fitting.predictions.Evaluation`; ``windows``
and ``seconds`` are those of the epoch's training, in this process."""

EPOCHS = "epochs"
"""Folder of the weights of every epoch, where they are kept: ``epoch-0.safetensors`` and so on."""

TENSORBOARD = "tensorboard"
"""Folder of the log that TensorBoard reads."""

ENSEMBLE_REPORT = "ensemble.json"
"""Metrics of the members and of their mean, written when all members are complete."""

LEAVE_OUT = "leave_out.json"
"""Which members have not seen which chromosomes, written when all are complete."""

FINETUNED = "finetuned.safetensors"
"""The fine-tuned weights."""

FINETUNE_REPORT = "finetune.json"
"""How fine-tuning changed the scores."""

_GROUPS = {"per_study": "signals of studies", "lowest_p": "positive bags"}

NOT_IN_IDENTITY = ("accelerator", "log_every", "keep_epochs", "tensorboard")
"""Settings that may change when a fit is resumed, for the weights do not depend on them."""


class FitError(MIFMError):
    """A fit that cannot be done, or that went wrong."""


Precision = Literal["fp32", "bf16", "fp16"]
Schedule = Literal["exponential", "cosine", "constant"]
Monitor = Literal["likelihood", "top_pip", "auroc", "auprc", "loss", "last"]
AlleleKind = Literal["reference", "both"]


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How a member is fitted.

    Parameters
    ----------
    objective : ObjectiveConfig
        How bags are scored and what the loss is.
    seed : int
        Seed of the initial weights, of dropout, of the order of bags and of every random draw. Not negative.
    epochs : int
        Passes over the positive bags.
    bags_per_batch, negatives_per_bag : int
        Positive bags per step, and negative bags drawn with each of them; see
        :class:`training.mil.batches.Sampler`. Validation has as many negatives per positive bag, the same in
        every epoch and for every seed.
    evidence : str
        What a bag is to the pooling and the loss. ``per_study``: each study of a positive bag, with its own
        rows and statistics; the studies of a bag share their windows, and its loss is the sum of theirs by
        their weights. ``lowest_p``: all instances of the bag, each with the statistics of the study in which
        its p-value is the lowest. Bayes factors of different studies then compete, which is sound for a
        single study only.
    max_windows : int
        With ``per_study``, a step draws studies of a bag in a random order until the union of their instances
        has this size; and negative bags for it, ``negatives_per_bag`` at most, until they have; see
        :class:`training.mil.batches.Sampler`. Validation has all studies.
    max_bag_size : int
        Of ``lowest_p``: most instances of a bag that are used.
    bag_sample : str
        Of ``lowest_p``: which instances of a larger bag are used: those of lowest ``p_value``, or ``random``
        ones, drawn again in each epoch. Validation always takes those of lowest p-value.
    credible_set : float or None
        Use of each study, or of each bag with ``lowest_p``, only the credible set that holds the causal
        variant with this probability, such as 0.95, by its own Bayes factors, or by its PIPs where Bayes
        factors are missing. For poolings that do not read Bayes factors, which learn the less the larger the
        bags are. Negative bags of several instances are trimmed to such sizes.
    rows : str
        ``all``, or ``lead``: only the lead variant of each study, or bag, as a control, and one of each
        negative bag.
    alleles : str
        ``reference``: the network reads the window of REF. ``both``: it reads that of ALT as well, and the
        logit of an instance is the mean of the two plus their absolute difference
        (:func:`mifm_kipoi.scoring.scores.both_alleles_logit`). Twice the time; not with the variant token.
    max_shift : int
        Largest shift of a training window to either side, in bp.
    reverse_complement : bool
        Whether half of the training windows are replaced by their reverse complement, so that the network
        learns motifs on either strand. The published score knows one strand only.
    learning_rate, weight_decay : float
        Settings of AdamW; without decay it is Adam.
    schedule : str
        ``exponential``: the rate is multiplied by ``gamma`` after each epoch; ``cosine``: it falls to zero at
        the end; ``constant``.
    gamma : float
        Factor of the exponential schedule, in (0, 1].
    warm_up_steps : int
        Steps in which the learning rate rises linearly from zero, on top of the schedule.
    precision : str
        Number format of the activations: ``fp32`` (on GPUs too, where TensorFloat-32 is not used), ``bf16``,
        or ``fp16`` with a scaled loss, on GPUs only.
    monitor : str
        What makes an epoch the best. The highest ``likelihood`` of the evidence of validation studies with
        the scores as a prior, or ``top_pip``, the posterior probability of the variants that come first in
        their sets; both look at instances, and need Bayes factors or PIPs
        (:class:`training.fitting.measures.StudyRows`). The lowest ``loss``, or the highest ``auroc`` or
        ``auprc`` of validation bags: these mislead, the areas most, where positive bags are large and
        negative ones have one instance, since the size alone distinguishes them before anything is learnt.
        ``last`` takes the last epoch and needs no validation bags.
    patience : int
        Epochs without improvement after which the fit stops; 0 never stops early.
    deterministic : bool
        Ask PyTorch for algorithms that give the same bits every time. On a CPU, with the same number of
        threads, they do so in any case; on GPUs this costs time.
    accelerator : str
        A name that Lightning knows: auto, cpu, gpu, cuda, mps.
    devices : int
        Number of processes, each with a device, its part of the bags, and batches of ``bags_per_batch``.
    log_every : int
        Steps between two checks of the loss: it is logged, and must be finite.
    keep_epochs : bool
        Write the weights of every epoch, as ``epochs/epoch-0.safetensors`` and so on.
    tensorboard : bool
        Write the log for TensorBoard too, which must be installed.
    """

    objective: ObjectiveConfig = dataclasses.field(default_factory=ObjectiveConfig)
    seed: int = 1
    epochs: int = 10
    bags_per_batch: int = 4
    negatives_per_bag: int = 8
    evidence: EvidenceKind = "per_study"
    max_windows: int = 256
    max_bag_size: int = 127
    bag_sample: BagSample = "p_value"
    credible_set: float | None = None
    rows: Rows = "all"
    alleles: AlleleKind = "reference"
    max_shift: int = 0
    reverse_complement: bool = True
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    schedule: Schedule = "cosine"
    gamma: float = 0.9
    warm_up_steps: int = 0
    precision: Precision = "fp32"
    monitor: Monitor = "likelihood"
    patience: int = 0
    deterministic: bool = False
    accelerator: str = "auto"
    devices: int = 1
    log_every: int = 50
    keep_epochs: bool = False
    tensorboard: bool = True

    def __post_init__(self) -> None:
        check_least(
            self, seed=0, epochs=1, bags_per_batch=1, negatives_per_bag=0, max_bag_size=1, max_shift=0,
            max_windows=1, weight_decay=0, warm_up_steps=0, patience=0, devices=1, log_every=1,
        )  # fmt: skip
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}; expected a positive number")
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma is {self.gamma}; expected a number in (0, 1]")
        if self.credible_set is not None and not 0 < self.credible_set <= 1:
            raise ValueError(f"credible_set is {self.credible_set}; expected a number in (0, 1], or none")

    def read(self, dataset: DataSet) -> Evidence:
        """What the loss reads of a data set.

        Parameters
        ----------
        dataset : DataSet
            The bags of a split.

        Raises
        ------
        DataSetError
            When no positive bag has a study with the numbers that are needed.
        """
        read = Evidence.of(dataset, self.evidence, self.credible_set, self.rows, self.objective.needs)
        if read.left_out and not (read.label == 1).any():
            needed = " and ".join(self.objective.needs)
            raise DataSetError(
                f"all {read.left_out} {_GROUPS[self.evidence]} have rows without "
                f"{needed or 'a Bayes factor or a PIP'}, which fit.objective.pooling, here "
                f"{self.objective.pooling}, fit.credible_set or fit.rows needs; make the data set from a "
                "table that has it, or choose another pooling"
            )
        return read

    def sampler(self, evidence: Evidence) -> Sampler:
        """What draws the batches of a fit.

        Parameters
        ----------
        evidence : Evidence
            Of the training bags, as :meth:`read` gives it.
        """
        return Sampler(
            evidence, self.evidence, seed=self.seed, bags_per_batch=self.bags_per_batch,
            negatives_per_bag=self.negatives_per_bag, max_windows=self.max_windows,
            max_bag_size=self.max_bag_size, bag_sample=self.bag_sample, max_shift=self.max_shift,
            reverse_complement=self.reverse_complement,
        )  # fmt: skip

    def epoch_windows(self, train: DataSet) -> int:
        """Windows of the first epoch, of both alleles where both are read.

        Other epochs differ from it by the studies and negative bags that are drawn.

        Parameters
        ----------
        train : DataSet
            The training bags.
        """
        rows = len(self.sampler(self.read(train)).epoch(0).whole.rows)
        return rows * (2 if self.alleles == "both" else 1)

    def left_out(self, read: Evidence) -> str:
        """In words, which part of what :meth:`read` gives was left out; empty where nothing was."""
        if not read.left_out:
            return ""
        total = int((read.label == 1).sum()) + read.left_out
        needed = ", ".join(self.objective.needs)
        return (
            f"{read.left_out:,} of {total:,} {_GROUPS[self.evidence]} are left out: some of their rows have "
            f"no {needed or 'Bayes factors, PIPs or p-values'}, which the loss needs"
        )

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of a step.

        Parameters
        ----------
        step : int
            Number of the step since the beginning of the fit, from 0.
        steps_per_epoch : int
            Steps of an epoch.
        """
        factor = 1.0
        if self.schedule == "exponential":
            factor = self.gamma ** (step // steps_per_epoch)
        elif self.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * step / (steps_per_epoch * self.epochs)))
        warm_up = min(1.0, (step + 1) / self.warm_up_steps) if self.warm_up_steps else 1.0
        return self.learning_rate * factor * warm_up


@dataclasses.dataclass(frozen=True)
class EnsembleConfig:
    """Which members an ensemble has.

    Parameters
    ----------
    members : int
        Number of members.
    first_seed : int
        Seed of the first member; the others follow it. It replaces ``fit.seed``.
    leave_out : int
        Folds of chromosomes, 3 or more, each with ``members`` that have not seen it
        (:mod:`training.fitting.leave_out`); more than there are chromosomes leave out one at a time. 0: one
        ensemble, with the splits of the data set.
    """

    members: int = 5
    first_seed: int = 1
    leave_out: int = 0

    def __post_init__(self) -> None:
        check_least(self, members=1, first_seed=0, leave_out=0)

    @property
    def seeds(self) -> range:
        """The seeds of the members, in their order."""
        return range(self.first_seed, self.first_seed + self.members)


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """How weights are fine-tuned.

    Parameters
    ----------
    statistics : str
        What happens to the running statistics of batch normalisation. ``frozen``: they stay those of the
        weights, so that the network trains as it will be used; ``updated``: they follow the new windows. A
        single GWAS has too few windows, and too much of one kind, to estimate them again. Scale and shift are
        learnt in either case.
    calibrate : bool
        Fit a slope and an offset of the logits to the training bags before any gradient step
        (:mod:`training.fitting.calibrate`). The level of logits is that of the bags that the weights were
        trained on; the offset is decided by the negative bags of the new ones: without them it stays 0, and
        the slope alone is fitted. Attention poolings have neither.
    fit : FitConfig
        The fit itself, with defaults of its own: few epochs, a low and constant learning rate, and the last
        epoch, since a new GWAS rarely has bags to spare for validation.
    """

    statistics: Literal["frozen", "updated"] = "frozen"
    calibrate: bool = True
    fit: FitConfig = dataclasses.field(
        default_factory=lambda: FitConfig(
            epochs=5,
            bags_per_batch=32,
            negatives_per_bag=4,
            reverse_complement=False,
            learning_rate=1e-4,
            schedule="constant",
            monitor="last",
        )
    )
