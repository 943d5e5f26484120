"""Make of weights a folder that is a Kipoi model by itself, with a model card.

The folder holds the weights, ready for ``mifm weights import``, and two models like those of the packaged
group: in the folder itself variants in, in its folder ``sequence`` single windows in. Each has a file of
expected values for ``kipoi test``, computed here without Kipoi.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import yaml

import mifm_kipoi.kipoi
from mifm_kipoi.encoding import one_hot
from mifm_kipoi.errors import MIFMError, OutputError
from mifm_kipoi.genome import Genome
from mifm_kipoi.inference import Predictor
from mifm_kipoi.intervals import read_intervals
from mifm_kipoi.scores import probability, variant_scores
from mifm_kipoi.variants import read_variants
from mifm_kipoi.version import __version__
from mifm_kipoi.weights import EMBEDDED, PUBLISHED, Weights, load_weights, save_weights
from mifm_kipoi.windows import WINDOW, Status, cut_interval_windows, cut_windows
from training.dataset import DataSet
from training.model_card import NOT_STATED, model_card

_PACKAGED = Path(mifm_kipoi.kipoi.__file__).parent
_EXAMPLE = _PACKAGED / "example"
_EXPECTED = "expected.h5"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

CARD = "model-card.md"
"""What the weights are, for people."""


class ExportError(MIFMError):
    """Weights that cannot be made a Kipoi model."""


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What only the one who exports knows.

    Parameters
    ----------
    name : str
        Of the weights and the model: letters, digits, '.', '_' and '-'.
    licence : str
        Of the weights, in the words that the model card and model.yaml are to state.
    authors : tuple of str
        Who made the weights.
    """

    name: str = "mifm-trained"
    licence: str = ""
    authors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in (EMBEDDED, PUBLISHED):
            raise ValueError(
                f"export.name is {self.name!r}; expected letters, digits, '.', '_' and '-', and neither "
                f"{EMBEDDED!r} nor {PUBLISHED!r}"
            )


def export(
    weights: Weights, config: ExportConfig, out: str | os.PathLike[str], dataset: DataSet | None = None
) -> Path:
    """Write the folder, which gets its name when it is complete.

    Parameters
    ----------
    weights : Weights
        With windows of 512 bp; with 5 channels, the model puts the variant token into the windows.
    config : ExportConfig
    out : path-like
        The folder; nothing may be there yet.
    dataset : DataSet, optional
        That which the weights were made of: its counts and inputs are then in the model card.

    Returns
    -------
    Path
        The weights in the folder.

    Raises
    ------
    ExportError
        When the network cannot be used with Kipoi, or the data set is another than that of the weights.
    OutputError
        When the folder exists or cannot be written.
    """
    if weights.config.window != WINDOW:
        raise ExportError(
            f"{weights.name} reads windows of {weights.config.window} bp; the Kipoi models cut {WINDOW} bp: "
            f"fit with network.window={WINDOW}"
        )
    provenance = _provenance(weights, config, dataset)
    if not config.licence:
        logging.warning("no licence is stated for %s; give export.licence to state one", config.name)
    out = Path(out)
    if out.exists():
        raise OutputError(f"{out} exists; name a folder that does not")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
            made = Path(temporary) / "model"
            _write(made, weights, config, provenance)
            made.rename(out)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error
    return out / f"{config.name}.safetensors"


def _provenance(weights: Weights, config: ExportConfig, dataset: DataSet | None) -> dict[str, Any]:
    """That of the weights, with the licence, the authors and the data set."""
    found = {**weights.provenance, "licence": config.licence or NOT_STATED, "authors": list(config.authors)}
    if dataset is not None:
        known = weights.provenance.get("data_set")
        sums = dataset.checksums()
        if not isinstance(known, dict) or any(known.get(name) != value for name, value in sums.items()):
            raise ExportError(
                f"{weights.name} was not made of this data set: "
                f"{'their checksums differ' if known else 'it names none'}; give the one that it was fitted "
                "to, or none"
            )
        found["data_set"] = dataset.facts()
    return found


def _write(folder: Path, weights: Weights, config: ExportConfig, provenance: Mapping[str, Any]) -> None:
    (folder / "sequence").mkdir(parents=True)
    path = folder / f"{config.name}.safetensors"
    save_weights(path, weights.model(), provenance)
    saved = load_weights(path)
    (folder / CARD).write_text(model_card(config.name, saved))
    for place, expected in (("", expected_variants(saved)), ("sequence", expected_windows(saved))):
        packaged = _PACKAGED / "group" / "MIFM" / place
        for name in ("dataloader.yaml", "dataloader.py"):
            shutil.copyfile(packaged / name, folder / place / name)
        text = _model_yaml(packaged / "model.yaml", place, config, weights)
        (folder / place / "model.yaml").write_text(text)
        with h5py.File(folder / place / _EXPECTED, "w") as file:
            for key, values in expected.items():
                file.create_dataset(key, data=values, compression="gzip")


def _model_yaml(packaged: Path, place: str, config: ExportConfig, weights: Weights) -> str:
    """The packaged model's description, with these weights in it."""
    described = yaml.safe_load(packaged.read_text())
    described["args"] = {"weights": f"{'../' if place else ''}{config.name}.safetensors"}
    info = described["info"]
    what = str(info["doc"]).partition(" Weights:")[0]
    token = (
        " The network reads the variant token in place of the variant's base, so that mifm_alt of an SNV is "
        "mifm_ref."
        if weights.config.channels > 4
        else ""
    )
    info["doc"] = f"{what}{token} Weights: {config.name}; see {CARD}."
    info["name"] = "/".join([config.name, place]).rstrip("/")
    # Kipoi wants at least one author.
    info["authors"] = [{"name": name} for name in config.authors or (NOT_STATED,)]
    info["license"] = config.licence or NOT_STATED
    info["trained_on"] = f"see {CARD}"
    info["version"] = __version__
    described["test"]["expect"] = _EXPECTED
    return yaml.safe_dump(described, sort_keys=False, width=110)


def expected_variants(weights: Weights) -> dict[str, npt.NDArray[np.float32]]:
    """Windows of the packaged example's variants, and the scores of their reference and alternative.

    Returns
    -------
    dict of str to numpy.ndarray of float32
        As Kipoi's HDF5 files name them: ``inputs/ref`` and ``inputs/alt``, shape (n, 512, 4), and
        ``preds/NAME``, shape (n,), of every score. NaN where a variant has no windows.
    """
    variants = list(read_variants(_EXAMPLE / "variants.vcf"))
    windows = cut_windows(variants, Genome(_EXAMPLE / "genome.fa"))
    rows = [row for row, status in enumerate(windows.status) if status is Status.OK]
    logits = np.full((2, len(variants)), np.nan, dtype=np.float32)
    predictor = Predictor(weights.model())
    for logit, codes in zip(logits, (windows.ref, windows.alt), strict=True):
        logit[rows] = predictor.logits(codes[rows])
    return {
        "inputs/ref": _inputs(windows.ref, rows),
        "inputs/alt": _inputs(windows.alt, rows),
        **{f"preds/{name}": values for name, values in variant_scores(*logits).items()},
    }


def expected_windows(weights: Weights) -> dict[str, npt.NDArray[np.float32]]:
    """Windows of the packaged example's intervals, and their scores.

    Returns
    -------
    dict of str to numpy.ndarray of float32
        ``inputs``, shape (n, 512, 4), and ``preds``, shape (n, 1); NaN where an interval has no window.
    """
    intervals = list(read_intervals(_EXAMPLE / "intervals.bed"))
    codes, statuses = cut_interval_windows(intervals, Genome(_EXAMPLE / "genome.fa"))
    rows = [row for row, status in enumerate(statuses) if status is Status.OK]
    logits = np.full(len(intervals), np.nan, dtype=np.float32)
    logits[rows] = Predictor(weights.model()).logits(codes[rows])
    return {"inputs": _inputs(codes, rows), "preds": probability(logits)[:, np.newaxis]}


def _inputs(codes: npt.NDArray[np.uint8], rows: list[int]) -> npt.NDArray[np.float32]:
    """One-hot windows in Kipoi's layout, (n, 512) -> (n, 512, 4), NaN but for ``rows``."""
    found = np.full((*codes.shape, 4), np.nan, dtype=np.float32)
    found[rows] = one_hot(codes[rows]).transpose(0, 2, 1)
    return found
