"""What a run keeps: the log, the best epoch, and a checkpoint that another run can go on from."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L  # noqa: N812 - its usual name
import pandas as pd
import torch

from mifm_kipoi.network.weights import save_weights
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.progress import Progress
from training.configuration import differences
from training.fitting.fit import CHECKPOINT, EPOCHS, LOG, FitError

if TYPE_CHECKING:
    from training.fitting.member import Member
    from training.mil.batches import Batch

COLUMNS = {
    "epoch": "int64",
    "step": "int64",
    "learning_rate": "float64",
    "train_loss": "float64",
    "validation_loss": "float64",
    "validation_auroc": "float64",
    "validation_auprc": "float64",
    "windows": "int64",
    "seconds": "float64",
}
"""Of the log. ``epoch`` counts from 0; ``step`` is the steps since the beginning; ``learning_rate`` that of
the last step; ``train_loss`` the mean over the epoch's steps, before each; ``windows`` and ``seconds`` those
of the epoch's training, in this process."""

_FORMAT = "mifm-checkpoint/1"


def read_checkpoint(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """A checkpoint of this very run, or None where there is none.

    Raises
    ------
    FitError
        When it cannot be read, or is of another run.
    """
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        known = found["format"] == _FORMAT
    # A damaged file can fail in any way inside torch.load.
    except Exception as error:
        raise FitError(
            f"cannot read the checkpoint {path}: it is damaged, or no checkpoint of this program; delete it "
            "to begin from the start"
        ) from error
    if not known:
        raise FitError(f"{path} is a checkpoint of the format {found['format']!r}; expected {_FORMAT}")
    differing = differences(found["identity"], dict(identity))
    if differing:
        raise FitError(
            f"{path} is of another run: {'; '.join(differing[:5])}; go on with what it was begun with, or "
            "name another folder"
        )
    return found


class Record(L.Callback):
    """Keeps what a run has found, at the end of every epoch.

    Parameters
    ----------
    member : Member
    out : Path
        Folder of the checkpoint and the log.
    identity : mapping of plain JSON types
        What the run is; another run cannot go on from its checkpoint.
    checkpoint : dict, optional
        From :func:`read_checkpoint`.
    show : bool, optional
        See :class:`mifm_kipoi.support.progress.Progress`.
    """

    def __init__(
        self,
        member: Member,
        out: Path,
        identity: Mapping[str, Any],
        checkpoint: dict[str, Any] | None,
        show: bool | None,
    ) -> None:
        self._member = member
        self._out = out
        self._identity = dict(identity)
        self._show = show
        self._loaded = checkpoint
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        self._windows = self._epoch_windows = self._checked = 0
        self._began = 0.0
        if checkpoint is not None:
            self.rows, self.best = checkpoint["rows"], checkpoint["best"]
            member.network.load_state_dict(checkpoint["network"])
            member.objective.load_state_dict(checkpoint["objective"])
            member.first_epoch = len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether all epochs are done, or enough without a better one."""
        config, done = self._member.config, len(self.rows)
        waited = done - 1 - self.best.get("epoch", done)
        return done >= config.epochs or 0 < config.patience <= waited

    def history(self) -> pd.DataFrame:
        """The log so far."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS)).astype(COLUMNS)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on where the checkpoint was written."""
        self._progress = Progress("windows", self._show if trainer.is_global_zero else False)
        if self._loaded is not None:
            trainer.optimizers[0].load_state_dict(self._loaded["optimiser"])
            trainer.precision_plugin.load_state_dict(self._loaded["precision"])
            self._loaded = None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count from 0."""
        self._epoch_windows = self._checked = 0
        self._began = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Show progress, and now and then look at the loss."""
        self._epoch_windows += len(batch.rows)
        self._windows += len(batch.rows)
        steps, member = self._member.steps_per_epoch, self._member
        done = trainer.current_epoch * steps + batch_idx + 1
        self._progress.update(self._windows, done / ((member.config.epochs - member.first_epoch) * steps))
        if (batch_idx + 1) % member.config.log_every == 0:
            self._look(trainer, batch_idx + 1)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Evaluate, and write the checkpoint and the log."""
        member = self._member
        if self._checked < member.steps_per_epoch:
            self._look(trainer, member.steps_per_epoch)
        loss = member.mean_loss(0, member.steps_per_epoch)
        seconds = time.monotonic() - self._began
        found = member.validate()
        self.rows.append(
            {
                "epoch": member.epoch,
                "step": (member.epoch + 1) * member.steps_per_epoch,
                "learning_rate": member.rate,
                "train_loss": loss,
                "validation_loss": found.loss,
                "validation_auroc": found.auroc,
                "validation_auprc": found.auprc,
                "windows": self._epoch_windows,
                "seconds": round(seconds, 3),
            }
        )
        self._keep_best()
        if trainer.is_global_zero:
            self._write(trainer)
        if self.complete:
            trainer.should_stop = True

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Leave the line of the progress."""
        if hasattr(self, "_progress"):
            self._progress.close()

    def _look(self, trainer: L.Trainer, end: int) -> None:
        mean = self._member.mean_loss(self._checked, end)
        if trainer.logger is not None:
            step = self._member.epoch * self._member.steps_per_epoch + end
            trainer.logger.log_metrics({"loss": mean, "learning_rate": self._member.rate}, step)
        self._checked = end

    def _keep_best(self) -> None:
        """Compare the last row with the best one; of two equal ones the first is kept."""
        monitor, row = self._member.config.monitor, self.rows[-1]
        sign = -1.0 if monitor == "loss" else 1.0
        value = float(row["epoch"]) if monitor == "last" else sign * row[f"validation_{monitor}"]
        if math.isnan(value):
            raise FitError(
                f"the validation {monitor} is not a number at epoch {int(row['epoch'])}, though there are "
                "bags of both classes: the logits are not finite; lower fit.learning_rate"
            )
        if not self.best or value > self.best["value"]:
            self.best = {
                "epoch": int(row["epoch"]),
                "value": value,
                "network": copy.deepcopy(self._member.network.state_dict()),
                "objective": copy.deepcopy(self._member.objective.state_dict()),
            }

    def _write(self, trainer: L.Trainer) -> None:
        state = {
            "format": _FORMAT,
            "identity": self._identity,
            "rows": self.rows,
            "best": self.best,
            "network": self._member.network.state_dict(),
            "objective": self._member.objective.state_dict(),
            "optimiser": trainer.optimizers[0].state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
        }
        if self._member.config.keep_epochs:
            self._keep_epoch()
        with written_whole(self._out / CHECKPOINT) as path:
            torch.save(state, path)
        self.write_log()
        if trainer.logger is not None:
            known = {key: value for key, value in self.rows[-1].items() if not math.isnan(value)}
            trainer.logger.log_metrics(known, int(known["step"]))

    def _keep_epoch(self) -> None:
        epoch = len(self.rows) - 1
        (self._out / EPOCHS).mkdir(exist_ok=True)
        provenance = {"command": "python -m training fit", **self._identity, "epoch": epoch}
        save_weights(self._out / EPOCHS / f"epoch-{epoch}.safetensors", self._member.network, provenance)

    def write_log(self) -> None:
        """Write the log anew."""
        with written_whole(self._out / LOG) as path:
            self.history().to_csv(path, index=False)
