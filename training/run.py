"""From tables to a Kipoi model: data set, ensemble, student and export, each made once."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import InputError, MIFMError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.support.configuration import ConfigurationError, to_plain
from mifm_kipoi.support.files import sha256_of, written_whole
from mifm_kipoi.support.provenance import differences
from mifm_kipoi.version import __version__
from training.data.dataset import MANIFEST, DataSet, read_dataset, write_dataset
from training.data.prepare import prepare
from training.data.report import write_report
from training.distillation.config import STUDENT
from training.distillation.distil import Agreement, Distil
from training.export import Export
from training.fitting.config import ENSEMBLE_REPORT, MEMBER, NOT_IN_IDENTITY
from training.fitting.ensemble import Ensemble
from training.fitting.verdict import VERDICTS, Verdict, conclusion
from training.recipe import Recipe

STEPS = "steps.json"
"""The inputs of each step, and checksums of its outputs."""

SUMMARY = "summary.json"
"""The results of the run, as of :class:`RunSummary`."""

COMPLETE = "was complete"

_NAMED = 5
"""Differences that an error names."""

_Progress = Callable[[int, float], None] | None


class RunError(MIFMError):
    """A folder that holds another run."""


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """The results of a run.

    Parameters
    ----------
    steps : dict of str to str
        For each step the time that it took, or that it was complete before.
    counts : dict of str to dict of str to int
        Bags and instances of each split, see :meth:`training.data.dataset.DataSet.counts`.
    ensemble : dict of plain JSON types
        Metrics of the members, see :class:`training.fitting.ensemble.FittedEnsemble`.
    agreement : dict of str to float or None
        How the student compares with the members, see :class:`training.distillation.distil.Agreement`.
    verdicts : list of dict of plain JSON types
        What the student has learnt, by validation bags and then by test bags, see
        :class:`training.fitting.verdict.Verdict`; those of the members are in ``ensemble``.
    warnings : list of str
        What speaks against using the student; empty where nothing does.
    model : str
        Folder of the Kipoi model.
    """

    steps: dict[str, str]
    counts: dict[str, dict[str, int]]
    ensemble: dict[str, Any]
    agreement: dict[str, float | None]
    verdicts: list[dict[str, Any]]
    warnings: list[str]
    model: str

    def lines(self) -> list[str]:
        """The summary in words; :attr:`warnings` are apart."""
        shown = [
            f"{split}: {counts['positive_bags']:,} positive bags of {counts['positive_instances']:,} "
            f"instances, {counts['negative_bags']:,} negative bags"
            for split, counts in self.counts.items()
        ]
        for member in self.ensemble["members"]:
            loss = _shown(member["metrics"]["validation_loss"])
            shown.append(
                f"member {member['seed']}: epoch {member['epoch']} kept (from 0), validation loss {loss}"
            )
            if member["verdict"]:
                shown.append(Verdict.from_dict(member["verdict"]).brief())
        shown.append(Verdict.from_dict(self.ensemble["mean"]["verdict"]).brief())
        correlation = self.ensemble["pearson"]
        if correlation is not None:
            shown.append(f"logits of two members for one instance: Pearson {correlation:.4f} on average")
        shown.append(Agreement.from_dict(self.agreement).in_words())
        for verdict in self.verdicts:
            shown += Verdict.from_dict(verdict).lines()
        return [
            *shown,
            f"steps: {', '.join(f'{name} {state}' for name, state in self.steps.items())}",
            f"the Kipoi model is {self.model}",
        ]


@dataclasses.dataclass(frozen=True)
class Run:
    """All steps from tables to a Kipoi model.

    A step that is complete, with the same inputs and settings, is kept; a step that was interrupted resumes.

    Parameters
    ----------
    recipe : Recipe
        All its sections but ``finetune``.
    out : path-like
        Folder, made where missing: ``data``, ``members``, ``student``, ``model`` (the Kipoi model),
        :data:`STEPS` and :data:`SUMMARY`.
    device : str
        Device of the distillation; that of the fits is ``fit.accelerator``.
    """

    recipe: Recipe
    out: str | os.PathLike[str]
    device: str = "auto"

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> RunSummary:
        """Make everything that is not there yet.

        Parameters
        ----------
        on_progress : callable, optional
            Called after each training step with the windows so far and the fraction of the steps, of the
            ensemble and then of the distillation.

        Raises
        ------
        ConfigurationError
            When the recipe names no FASTA, or distils on sequence.
        RunError
            When ``out`` holds a run with other inputs or settings.
        MIFMError
            As of the steps.
        """
        recipe = self.recipe
        if not recipe.fasta:
            raise ConfigurationError("fasta is missing: name a FASTA file, such as --set fasta=genome.fa.gz")
        if recipe.ensemble.leave_out:
            raise ConfigurationError(
                "ensemble.leave_out is set, and a run distils one student, which would know all chromosomes; "
                "run 'python -m training ensemble --leave-out' on its data, or set it to 0"
            )
        if recipe.distil.source != "bags":
            raise ConfigurationError("distil.source is sequence; a run distils on bags")
        steps = _Steps(Path(self.out))
        dataset = steps.data(recipe)
        data_set = dataset.checksums()
        settings = {
            key: value for key, value in to_plain(recipe.fit).items() if key not in (*NOT_IN_IDENTITY, "seed")
        }
        members, student, model = (steps.out / name for name in ("members", "student", "model"))
        fitted = [members / f"member-{seed}" / MEMBER for seed in recipe.ensemble.seeds]
        genome = Genome(recipe.fasta)
        steps.make(
            "ensemble",
            {
                "data_set": data_set, "network": recipe.network.to_dict(), "fit": settings,
                "ensemble": to_plain(recipe.ensemble),
            },
            Ensemble(dataset, genome, recipe.network, recipe.fit, recipe.ensemble, members).run,
            [members / ENSEMBLE_REPORT, *fitted],
            on_progress,
        )  # fmt: skip
        teachers = [load_weights(path) for path in fitted]
        steps.make(
            "distil",
            {
                "data_set": data_set, "teachers": [teacher.sha256 for teacher in teachers],
                "student": recipe.student.to_dict(), "distil": to_plain(recipe.distil.bags),
            },
            Distil(
                teachers, genome, recipe.student, recipe.distil, student, dataset, device=self.device
            ).run,
            [student / STUDENT],
            on_progress,
        )  # fmt: skip
        taught = load_weights(student / STUDENT)
        steps.make(
            "export",
            {"weights": taught.sha256, "export": to_plain(recipe.export)},
            Export(taught, model, recipe.export).run,
            # Not the texts, which their author may edit.
            [model / f"{recipe.export.name}.safetensors"],
            on_progress,
        )
        report = json.loads((members / ENSEMBLE_REPORT).read_text())
        judged = taught.provenance[VERDICTS]
        summary = RunSummary(
            steps.done, dataset.counts(), report, taught.provenance["agreement"], judged,
            list(conclusion([Verdict.from_dict(one) for one in judged])), str(model),
        )  # fmt: skip
        with written_whole(steps.out / SUMMARY) as path:
            path.write_text(json.dumps(dataclasses.asdict(summary), indent=1) + "\n")
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
            self._note("data", COMPLETE)
            return dataset
        began = time.monotonic()
        made = prepare(recipe.fasta, recipe.data)
        write_dataset(folder, made)
        write_report(folder, made.manifest)
        self._note("data", f"{time.monotonic() - began:.1f} s")
        return read_dataset(folder)

    def make(
        self,
        name: str,
        inputs: Mapping[str, Any],
        run: Callable[[_Progress], object],
        outputs: list[Path],
        on_progress: _Progress,
    ) -> None:
        """Run a step, unless its outputs are there and were made from the same inputs."""
        identity = {"version": __version__, **inputs}
        known = self._known.get(name)
        if known is not None:
            self._refuse(name, known["inputs"], identity)
            if all(_is_unchanged(self.out / file, sha256) for file, sha256 in known["outputs"].items()):
                self._note(name, COMPLETE)
                return
        began = time.monotonic()
        run(on_progress)
        made = {str(path.relative_to(self.out)): sha256_of(path) for path in outputs}
        self._known[name] = {"inputs": identity, "outputs": made}
        with written_whole(self.out / STEPS) as path:
            path.write_text(json.dumps(self._known, indent=1) + "\n")
        self._note(name, f"{time.monotonic() - began:.1f} s")

    def _note(self, name: str, state: str) -> None:
        self.done[name] = state
        logging.info("%s: %s", name, state)

    def _refuse(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Raise an error where a step on disk was made from something else."""
        if differing := differences(old, new):
            more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
            raise RunError(
                f"the step {name} in {self.out} was made from other inputs or settings: "
                f"{'; '.join(differing[:_NAMED])}{more}; name another folder, or delete this one"
            )


def _is_unchanged(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _data_identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": manifest.get("version"),
        "configuration": manifest.get("configuration"),
        "inputs": {entry["path"]: entry["sha256"] for entry in manifest.get("inputs", [])},
    }


def _wanted(recipe: Recipe, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that the data set's manifest would have if it were made now."""
    inputs: dict[str, str | None] = {}
    for path in _data_identity(manifest)["inputs"]:
        try:
            inputs[path] = sha256_of(path)
        except InputError:
            inputs[path] = None
    configuration = {"fasta": recipe.fasta, "data": to_plain(recipe.data)}
    return {"version": __version__, "configuration": configuration, "inputs": inputs}


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
