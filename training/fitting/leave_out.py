"""Members that have not seen a chromosome, for every chromosome: their scores know nothing of its loci.

Chromosomes are put into folds. Each fold has an ensemble of its own, whose bags of training are those of all
chromosomes but the fold's own and the next fold's; these last choose the epoch. The split that a data set
came with is not used, so that all of its bags are for training in all folds but two.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.support.files import write_json
from mifm_kipoi.support.provenance import differences
from training.data.dataset import DataSet, Split
from training.fitting.config import LEAVE_OUT, MEMBER, EnsembleConfig, FitConfig, FitError
from training.fitting.ensemble import Ensemble, FittedEnsemble
from training.fitting.held_out import scorer, verdicts
from training.fitting.predictions import genome_of, mean_logits
from training.fitting.verdict import Verdict
from training.mil.genome_tensor import GenomeTensor

_LEAST_FOLDS = 3
"""One to leave out, one to choose the epoch, one to train on."""


@dataclasses.dataclass(frozen=True)
class Fold:
    """Chromosomes that some members have not seen.

    Parameters
    ----------
    number : int
        From 1.
    left_out, validation : tuple of str
        Keys of contigs (:func:`mifm_kipoi.genomics.contigs.contig_key`): those that are left out, and those
        that choose the epoch.
    """

    number: int
    left_out: tuple[str, ...]
    validation: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"fold-{self.number}"

    def of(self, dataset: DataSet) -> DataSet:
        """A data set split by the fold: its chromosomes are the test.

        Parameters
        ----------
        dataset : DataSet
            Its own split is replaced.
        """
        contigs = contig_keys(dataset.bags["chrom"])
        split = pd.Series(Split.TRAIN.value, index=dataset.bags.index, dtype="str")
        split[contigs.isin(self.validation)] = Split.VALIDATION.value
        split[contigs.isin(self.left_out)] = Split.TEST.value
        return dataclasses.replace(dataset, bags=dataset.bags.assign(split=split))


def folds_of(dataset: DataSet, count: int) -> list[Fold]:
    """Folds of chromosomes with about as many instances of positive bags each.

    Parameters
    ----------
    dataset : DataSet
        Whose chromosomes with positive bags are put into folds; others are left out of none.
    count : int
        How many; no more than there are chromosomes.

    Raises
    ------
    FitError
        When there are fewer than three folds.
    """
    positive = dataset.bags[dataset.bags["label"] == 1]
    sizes = positive["size"].groupby(contig_keys(positive["chrom"]).to_numpy()).sum()
    # The largest first, each into the fold that has least; of equal ones by name, so that folds are the same.
    order = sorted(sizes.index, key=lambda contig: (-sizes[contig], contig))
    number = min(count, len(order))
    if number < _LEAST_FOLDS:
        raise FitError(
            f"chromosomes are left out in {number} folds (ensemble.leave_out is {count}, and there are "
            f"positive bags on {len(order)} chromosomes); expected {_LEAST_FOLDS} or more: one is left out, "
            "one chooses the epoch, the others are for training"
        )
    contigs: list[list[str]] = [[] for _ in range(number)]
    total = np.zeros(number)
    for contig in order:
        least = int(total.argmin())
        contigs[least].append(str(contig))
        total[least] += sizes[contig]
    return [
        Fold(place + 1, tuple(own), tuple(contigs[(place + 1) % number])) for place, own in enumerate(contigs)
    ]


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Ensembles of all folds, and what they know of the chromosomes that they have not seen.

    Parameters
    ----------
    folds : tuple of Fold
        Their chromosomes.
    ensembles : tuple of FittedEnsemble
        Theirs, in the same order.
    verdicts : tuple of Verdict
        On the mean of each fold's members, by the bags of the chromosomes that they have not seen.
    """

    folds: tuple[Fold, ...]
    ensembles: tuple[FittedEnsemble, ...]
    verdicts: tuple[Verdict, ...]


@dataclasses.dataclass(frozen=True)
class LeaveOut:
    """The fits of all folds into ``out/fold-NUMBER/member-SEED``.

    Parameters
    ----------
    dataset : DataSet
        All of its bags are used; its split is not.
    genome : Genome or GenomeTensor
        The FASTA that the data set was made with, or its contigs in memory.
    network, config, ensemble
        As of :class:`training.fitting.ensemble.Ensemble`; ``ensemble.leave_out`` is the number of folds.
    out : path-like
        Folder; made where missing.
    """

    dataset: DataSet
    genome: Genome | GenomeTensor
    network: MIFMConfig
    config: FitConfig
    ensemble: EnsembleConfig
    out: str | os.PathLike[str]

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> LeftOut:
        """Fit the members that are not complete, fold by fold, and resume those that were interrupted.

        Parameters
        ----------
        on_progress : callable, optional
            Called after each step with the training windows of this call so far and the fraction of all
            members' steps.

        Raises
        ------
        FitError
            As of :meth:`training.fitting.ensemble.Ensemble.run`; also when the chromosomes are too few.
        """
        folds = folds_of(self.dataset, self.ensemble.leave_out)
        out = Path(self.out)
        out.mkdir(parents=True, exist_ok=True)
        _check_same(out / LEAVE_OUT, folds)
        genome = genome_of(self.dataset, self.genome, self.network.window + self.config.max_shift)
        device = find_device("cpu" if self.config.accelerator == "cpu" else "auto")
        on_device = genome.to(device)
        ensembles: list[FittedEnsemble] = []
        found: list[Verdict] = []
        windows = 0
        for fold in folds:
            own = fold.of(self.dataset)
            logging.info(
                "%s of %d: chromosomes %s are left out, %s choose the epoch", fold.name, len(folds),
                ", ".join(fold.left_out), ", ".join(fold.validation),
            )  # fmt: skip
            done = windows

            def called(so_far: int, fraction: float, fold: Fold = fold, done: int = done) -> None:
                nonlocal windows
                windows = done + so_far
                if on_progress:
                    on_progress(windows, (fold.number - 1 + fraction) / len(folds))

            ensemble = Ensemble(own, genome, self.network, self.config, self.ensemble, out / fold.name)
            fitted = ensemble.run(called)
            scorers = [
                scorer(member.network.to(device), on_device, self.config.alleles) for member in fitted.members
            ]
            found += verdicts(
                f"{fold.name}, mean of members", own, [Split.TEST],
                lambda instances, scorers=scorers: mean_logits([score(instances) for score in scorers]),  # type: ignore[misc]
            )  # fmt: skip
            ensembles.append(fitted)
        write_json(out / LEAVE_OUT, {"folds": _noted(folds, ensembles, found, out)})
        return LeftOut(tuple(folds), tuple(ensembles), tuple(found))


def _noted(
    folds: Sequence[Fold], ensembles: Sequence[FittedEnsemble], found: Sequence[Verdict], out: Path
) -> list[dict[str, Any]]:
    return [
        {
            "left_out": list(fold.left_out),
            "validation": list(fold.validation),
            "members": [str(member.weights.relative_to(out)) for member in ensemble.members],
            "verdict": verdict.to_dict(),
        }
        for fold, ensemble, verdict in zip(folds, ensembles, found, strict=True)
    ]


def _check_same(path: Path, folds: Sequence[Fold]) -> None:
    """Refuse a folder whose folds have other chromosomes."""
    if not path.exists():
        return
    try:
        noted: list[Mapping[str, Any]] = json.loads(path.read_text())["folds"]
        old = [{key: fold[key] for key in ("left_out", "validation")} for fold in noted]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FitError(f"cannot read {path}: {error}; name another folder, or delete it") from error
    new = [{"left_out": fold.left_out, "validation": fold.validation} for fold in folds]
    if differing := differences({"folds": old}, {"folds": new}):
        raise FitError(
            f"the folds of {path} have other chromosomes: {'; '.join(differing[:3])}; name another folder"
        )


def members_of(folder: str | os.PathLike[str]) -> list[tuple[tuple[str, ...], list[Path]]]:
    """The members of a folder that is complete: for each fold its chromosomes and its weights.

    Parameters
    ----------
    folder : path-like
        What :class:`LeaveOut` wrote.

    Raises
    ------
    FitError
        When it is not complete, or cannot be read.
    """
    path = Path(folder) / LEAVE_OUT
    try:
        noted = json.loads(path.read_text())["folds"]
        return [(tuple(fold["left_out"]), [path.parent / name for name in fold["members"]]) for fold in noted]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FitError(
            f"cannot read {path}: {error}; expected a folder of 'python -m training ensemble --leave-out', "
            f"whose members ({MEMBER}) are complete"
        ) from error
