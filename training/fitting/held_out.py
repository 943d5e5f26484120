"""Networks judged by the held-out bags of a data set: its studies' evidence, its windows, and the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.network.model import MIFM
from mifm_kipoi.statistics.estimates import Values
from training.data.dataset import DataSet, Split
from training.data.loci import loci
from training.fitting.config import AlleleKind
from training.fitting.measures import log_evidence
from training.fitting.predictions import instance_logits
from training.fitting.verdict import HeldOutRows, Verdict, measure
from training.mil.evidence import Evidence
from training.mil.genome_tensor import Alleles, GenomeTensor


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The positive bags of a split, and the evidence of their studies.

    Parameters
    ----------
    split : str
        Name of the split.
    instances : pandas.DataFrame
        Instances of the positive bags, with the columns of the data set.
    rows : HeldOutRows
        The evidence; ``instance`` are rows of ``instances``.
    """

    split: str
    instances: pd.DataFrame
    rows: HeldOutRows

    @classmethod
    def of(cls, dataset: DataSet, split: Split) -> HeldOut:
        """Those of one split of a data set.

        Parameters
        ----------
        dataset : DataSet
            Of several splits. Bags at one locus (:func:`training.data.loci.loci`) count together.
        split : Split
            Which.
        """
        bag = dataset.instances["bag"].to_numpy()
        wanted = (dataset.bags["label"] == 1) & (dataset.bags["split"] == split.value)
        part = dataset.of_instances(wanted.to_numpy()[bag])
        evidence = Evidence.of(part, "per_study")
        rows = HeldOutRows(
            evidence.instance, evidence.group, log_evidence(evidence), evidence.weight,
            loci(part)[evidence.bag], _led(part, evidence),
        )  # fmt: skip
        return cls(split.value, part.instances, rows)

    def verdict(
        self, network: str, logits: Values, pearson: float | None = None, chose_epoch: bool = False
    ) -> Verdict:
        """The verdict on a network.

        Parameters
        ----------
        network : str
            Its name in the verdict.
        logits : numpy.ndarray of float64, shape (instances,)
            Of ``instances``.
        pearson : float, optional
            Of a student, with its teachers.
        chose_epoch : bool
            Whether these bags chose the network's epoch.
        """
        return Verdict(network, self.split, measure(logits, self.rows), pearson, chose_epoch)


def scorer(
    network: MIFM, genome: GenomeTensor, alleles: AlleleKind = "reference"
) -> Callable[[pd.DataFrame], Values]:
    """A function that gives the logits of a table of instances.

    Parameters
    ----------
    network : MIFM
        It is left in the mode in which it came.
    genome : GenomeTensor
        The contigs of the instances, on the network's device.
    alleles : str
        ``reference``, or ``both``, as the network was fitted.
    """

    def score(instances: pd.DataFrame) -> Values:
        offsets = genome.offsets(instances)
        both = Alleles.of(instances).to(offsets.device) if alleles == "both" else None
        return instance_logits(network, genome, offsets, both)

    return score


def verdicts(
    network: str,
    dataset: DataSet,
    splits: Iterable[Split],
    score: Callable[[pd.DataFrame], Values],
    pearson: float | None = None,
    chose_epoch: bool = False,
) -> tuple[Verdict, ...]:
    """Verdicts on a network by the held-out bags of some splits.

    Parameters
    ----------
    network : str
        Its name in the verdicts.
    dataset : DataSet
        With all splits.
    splits : iterable of Split
        Which; those without positive bags are left out, but for the first where all have none.
    score : callable
        Gives logits of instances, shape (n,), for a table of them.
    pearson : float, optional
        Of a student, with its teachers.
    chose_epoch : bool
        Whether the validation bags chose the epoch of the network, or those of its teachers.

    Returns
    -------
    tuple of Verdict, in the order of ``splits``; one at least
    """
    held = [HeldOut.of(dataset, split) for split in splits]
    used = [one for one in held if len(one.instances)] or held[:1]
    return tuple(
        one.verdict(
            network, score(one.instances), pearson, chose_epoch and one.split == Split.VALIDATION.value
        )
        for one in used
    )


def _led(dataset: DataSet, evidence: Evidence) -> npt.NDArray[np.bool_]:
    """Whether the rows of each study are ordered by p or z, so that the first one is its lead: (studies,)."""
    rows = dataset.evidence
    known = (rows["log_p"].notna() | rows["z"].notna()).to_numpy()
    led: npt.NDArray[np.bool_] = np.zeros(evidence.size.size, dtype=np.bool_)
    led[rows["study"].to_numpy(np.int64)[known]] = True
    return led
