"""From tables to a Kipoi model: data set, ensemble, student and export, each made once."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifm_kipoi.errors import InputError, MIFMError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.support.files import sha256_of, written_whole
from mifm_kipoi.version import __version__
from training.configuration import ConfigurationError, differences, to_plain
from training.data.dataset import MANIFEST, DataSet, read_dataset, write_dataset
from training.data.prepare import prepare
from training.data.report import render
from training.distillation import distil
from training.export import export
from training.fitting.config import PLACE
from training.fitting.ensemble import REPORT, fit_ensemble
from training.fitting.fit import WEIGHTS as MEMBER

if TYPE_CHECKING:
    from training.recipe import Recipe

STEPS = "steps.json"
"""What each step was made of, and checksums of what it made."""

SUMMARY = "summary.json"
"""What the run has found."""

COMPLETE = "was complete"

_NAMED = 5
"""Differences that an error names."""


class RunError(MIFMError):
    """A folder that holds another run."""


def run(recipe: Recipe, out: str | os.PathLike[str], device: str = "auto") -> dict[str, Any]:
    """Make everything that is not there yet.

    A step that is complete, of the same inputs and settings, is not made again; the steps themselves go on
    where they were interrupted.

    Parameters
    ----------
    recipe : Recipe
        Its sections but ``finetune``.
    out : path-like
        Folder, made where missing: ``data``, ``members``, ``student``, ``model`` (the Kipoi model),
        :data:`STEPS` and :data:`SUMMARY`.
    device : str
        Of the distillation; that of the fits is ``fit.accelerator``.

    Returns
    -------
    dict of plain JSON types
        The summary: ``steps``, ``counts`` of the data set, ``ensemble`` and ``agreement`` of the student
        with it, and ``model``, the folder.

    Raises
    ------
    RunError
        When ``out`` holds a run of other inputs or settings.
    MIFMError
        As of the steps.
    """
    if not recipe.fasta:
        raise ConfigurationError("fasta is missing: name a FASTA file, such as --set fasta=genome.fa.gz")
    if recipe.distil.source != "bags":
        raise ConfigurationError("distil.source is sequence; a run distils on bags")
    steps = _Steps(Path(out))
    dataset = steps.data(recipe)
    data_set = dataset.checksums()
    settings = {key: value for key, value in to_plain(recipe.fit).items() if key not in (*PLACE, "seed")}
    members, student, model = (steps.out / name for name in ("members", "student", "model"))
    genome = Genome(recipe.fasta)
    steps.make(
        "ensemble",
        {
            "data_set": data_set, "network": recipe.network.to_dict(), "fit": settings,
            "ensemble": to_plain(recipe.ensemble),
        },
        lambda: fit_ensemble(dataset, genome, recipe.network, recipe.fit, recipe.ensemble, members),
        lambda: [members / REPORT, *(members / f"member-{seed}" / MEMBER for seed in recipe.ensemble.seeds)],
    )  # fmt: skip
    teachers = [load_weights(members / f"member-{seed}" / MEMBER) for seed in recipe.ensemble.seeds]
    steps.make(
        "distil",
        {
            "data_set": data_set, "teachers": [teacher.sha256 for teacher in teachers],
            "student": recipe.student.to_dict(), "distil": to_plain(recipe.distil.bags),
        },
        lambda: distil.distil_bags(
            teachers, dataset, genome, recipe.student, recipe.distil.bags, student, device=device
        ),
        lambda: [student / distil.WEIGHTS],
    )  # fmt: skip
    taught = load_weights(student / distil.WEIGHTS)
    steps.make(
        "export",
        {"weights": taught.sha256, "export": to_plain(recipe.export)},
        lambda: export(taught, model, recipe.export),
        # Not the texts, which their author may edit.
        lambda: [model / f"{recipe.export.name}.safetensors"],
    )
    summary = {
        "steps": steps.done,
        "counts": dataset.counts(),
        "ensemble": json.loads((members / REPORT).read_text()),
        "agreement": taught.provenance["agreement"],
        "model": str(model),
    }
    with written_whole(steps.out / SUMMARY) as path:
        path.write_text(json.dumps(summary, indent=1) + "\n")
    return summary


class _Steps:
    """The steps of a run, and what is known of them from before."""

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out = out
        self.done: dict[str, str] = {}
        try:
            self._known: dict[str, Any] = json.loads((out / STEPS).read_text())
        except FileNotFoundError:
            self._known = {}
        except (OSError, ValueError) as error:
            raise RunError(
                f"cannot read {out / STEPS}: {error}; delete it to make the steps again"
            ) from error

    def data(self, recipe: Recipe) -> DataSet:
        """The data set, made where it is not there."""
        folder = self.out / "data"
        if (folder / MANIFEST).exists():
            dataset = read_dataset(folder)
            self._refuse("data", _data_identity(dataset.manifest), _wanted(recipe, dataset.manifest))
            self._say("data", COMPLETE)
            return dataset
        began = time.monotonic()
        made = prepare(recipe.fasta, recipe.data)
        write_dataset(folder, made)
        with written_whole(folder / "report.md") as path:
            path.write_text(render(made.manifest))
        self._say("data", f"{time.monotonic() - began:.1f} s")
        return read_dataset(folder)

    def make(
        self,
        name: str,
        inputs: Mapping[str, Any],
        work: Callable[[], object],
        outputs: Callable[[], list[Path]],
    ) -> None:
        """Do a step, unless what it makes is there and was made of the same."""
        identity = {"version": __version__, **inputs}
        known = self._known.get(name)
        if known is not None:
            self._refuse(name, known["inputs"], identity)
            if all(_is_as(self.out / file, sha256) for file, sha256 in known["outputs"].items()):
                self._say(name, COMPLETE)
                return
        began = time.monotonic()
        work()
        made = {str(path.relative_to(self.out)): sha256_of(path) for path in outputs()}
        self._known[name] = {"inputs": identity, "outputs": made}
        with written_whole(self.out / STEPS) as path:
            path.write_text(json.dumps(self._known, indent=1) + "\n")
        self._say(name, f"{time.monotonic() - began:.1f} s")

    def _say(self, name: str, what: str) -> None:
        self.done[name] = what
        logging.info("%s: %s", name, what)

    def _refuse(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        found = differences(dict(old), dict(new))
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise RunError(
                f"the step {name} in {self.out} was made of other inputs: {'; '.join(found[:_NAMED])}{more}; "
                "name another folder, or delete this one"
            )


def _is_as(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _data_identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": manifest.get("version"),
        "configuration": manifest.get("configuration"),
        "inputs": {entry["path"]: entry["sha256"] for entry in manifest.get("inputs", [])},
    }


def _wanted(recipe: Recipe, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the data set's manifest must say of its inputs if it were made now."""
    inputs: dict[str, str | None] = {}
    for path in _data_identity(manifest)["inputs"]:
        try:
            inputs[path] = sha256_of(path)
        except InputError:
            inputs[path] = None
    configuration = {"fasta": recipe.fasta, "data": to_plain(recipe.data)}
    return {"version": __version__, "configuration": configuration, "inputs": inputs}


def lines(summary: Mapping[str, Any]) -> list[str]:
    """The summary in words."""
    found = []
    for split, counts in summary["counts"].items():
        found.append(
            f"{split}: {counts['positive_bags']:,} positive bags of {counts['positive_instances']:,} "
            f"instances, {counts['negative_bags']:,} negative ones"
        )
    for member in summary["ensemble"]["members"]:
        metrics = member["metrics"]
        shown = [
            f"{key.removeprefix('validation_')} {_shown(metrics[f'validation_{key}'])}" for key in _METRICS
        ]
        found.append(f"member {member['seed']}: epoch {member['epoch']}, {', '.join(shown)}")
    found.append(f"mean of the members: auroc {_shown(summary['ensemble']['mean']['validation_auroc'])}")
    agreement = ", ".join(f"{key} {_shown(value)}" for key, value in summary["agreement"].items())
    found.append(f"student: {agreement}")
    steps = ", ".join(f"{name} {what}" for name, what in summary["steps"].items())
    return [*found, f"steps: {steps}", f"the Kipoi model is {summary['model']}"]


_METRICS = ("loss", "auroc", "auprc")


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
