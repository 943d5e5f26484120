"""Export weights as a folder that is a Kipoi model: the weights, a model card, and expected predictions."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

import mifm_kipoi
from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.errors import MIFMError, OutputError
from mifm_kipoi.network.training_sets import KEY, TrainingSet, training_sets
from mifm_kipoi.network.weights import EMBEDDED, PUBLISHED, Weights, load_weights
from mifm_kipoi.support import read_back
from mifm_kipoi.support.files import workspace, writing
from training.fitting.alleles import alleles_of
from training.fitting.verdict import VERDICTS, Verdict, conclusion

CARD = "README.md"

_GROUP = Path(mifm_kipoi.__file__).parent / "kipoi" / "group" / "MIFM"

_TAGS = (
    "genomics",
    "gwas",
    "fine-mapping",
    "variant-effect-prediction",
    "multiple-instance-learning",
    "kipoi",
)

_HUB_LICENCES = (
    "mit", "apache-2.0", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0",
    "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "openrail",
)  # fmt: skip
"""Names of licences in the heads of model cards; others are "other", by their own name."""

_TAKEN = (EMBEDDED, PUBLISHED)

_MODELS = {".": "{name}.h5", "sequence": "{name}-sequence.h5"}
"""The Kipoi models of a folder, as those of the packaged group, and their expected predictions."""


class ExportError(MIFMError):
    """Weights that cannot be exported as a Kipoi model."""


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """The name and the description of exported weights.

    Parameters
    ----------
    name : str
        Letters, digits, ``.``, ``_`` and ``-``; ``mifm weights import`` installs the weights under it.
    authors : tuple of str
        Who made the weights.
    description : str
        What the weights are for, a sentence or two.
    licence : str
        The licence under which others may use them.

    Raises
    ------
    ValueError
        When the name has other characters, or is that of weights that come with the package.
    """

    name: str = "mifm-trained"
    authors: tuple[str, ...] = ()
    description: str = "A MIFM network trained with python -m training."
    licence: str = "none stated"

    def __post_init__(self) -> None:
        if self.name in _TAKEN or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise ValueError(
                f"name is {self.name!r}; expected letters, digits, '.', '_' and '-', and neither embedded "
                "nor published"
            )


@dataclasses.dataclass(frozen=True)
class Export:
    """The export of weights as a Kipoi model.

    The folder holds ``NAME.safetensors``, which ``mifm weights import`` takes, the model card ``README.md``,
    and two Kipoi models like those of the packaged group: the folder itself, which scores variants, and
    ``sequence``, which scores intervals. ``kipoi test`` compares with their predictions for the packaged
    example.

    Parameters
    ----------
    weights : Weights
        The weights that are exported.
    folder : path-like
        The Kipoi model. It gets its name when it is complete; one that is there already must be an export,
        and is replaced.
    config : ExportConfig
        Name and description.
    """

    weights: Weights
    folder: str | os.PathLike[str]
    config: ExportConfig

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> Exported:  # noqa: ARG002
        """Make the folder.

        Parameters
        ----------
        on_progress : callable, optional
            Never called: an export takes seconds.

        Raises
        ------
        ExportError
            When the network reads other windows than Kipoi gives, or Kipoi refuses the model.
        OutputError
            When the folder cannot be written, or holds something else.
        """
        weights, config, folder = self.weights, self.config, Path(self.folder).absolute()
        if weights.config.window != WINDOW:
            raise ExportError(
                f"the network of {weights.path} reads windows of {weights.config.window} bp; Kipoi models of "
                f"MIFM read {WINDOW} bp, the variant's base at index {VARIANT_INDEX}"
            )
        if folder.exists() and not ((folder / "model.yaml").is_file() and (folder / CARD).is_file()):
            raise OutputError(f"{folder} exists and is not an exported model; name another folder")
        with writing(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            # Models are found by their folder's name too, so that it is complete before it is moved.
            with workspace(folder) as temporary:
                made = temporary / folder.name
                _fill(made, weights, config)
                if folder.exists():
                    folder.rename(temporary / "replaced")
                made.rename(folder)
        return Exported(folder, folder / f"{config.name}.safetensors")


@dataclasses.dataclass(frozen=True)
class Exported:
    """An exported model.

    Parameters
    ----------
    folder : Path
        The Kipoi model.
    weights : Path
        The weights in the folder.
    """

    folder: Path
    weights: Path


def _fill(folder: Path, weights: Weights, config: ExportConfig) -> None:
    for part, expected in _MODELS.items():
        model_folder = folder / part
        model_folder.mkdir()
        for name in ("dataloader.py", "dataloader.yaml"):
            shutil.copyfile(_GROUP / part / name, model_folder / name)
        path = os.path.relpath(folder / f"{config.name}.safetensors", model_folder)
        model = _model(_GROUP / part / "model.yaml", path, expected.format(name=config.name), config)
        (model_folder / "model.yaml").write_text(yaml.safe_dump(model, sort_keys=False, allow_unicode=True))
    copy = folder / f"{config.name}.safetensors"
    shutil.copyfile(weights.path, copy)
    if load_weights(copy).identity != weights.identity:
        raise ExportError(f"{weights.path} was changed while it was exported; export it again")
    (folder / CARD).write_text(_card(weights, config))
    for part, expected in _MODELS.items():
        _expect(folder / part, folder / part / expected.format(name=config.name))


def _model(template: Path, weights: str, expected: str, config: ExportConfig) -> dict[str, Any]:
    """The packaged model's description, with other weights."""
    model: dict[str, Any] = yaml.safe_load(template.read_text())
    model["args"]["weights"] = weights
    info = model["info"]
    info["name"] = info["name"].replace("MIFM", config.name, 1)
    info["contributors"] = [{"name": name} for name in config.authors] or info["contributors"]
    info["doc"] = f"{info['doc'].split(' Weights: ')[0].strip()} {config.description}"
    info["license"] = config.licence
    info["trained_on"] = f"see {CARD}"
    model["test"]["expect"] = expected
    return model


def _expect(model: Path, path: Path) -> None:
    """Let Kipoi write what it predicts for the packaged example."""
    command = [sys.executable, "-m", "kipoi", "test", ".", "--source=dir", "-o", str(path)]
    # Kipoi keeps its configuration in the user's folder, whose sources do not matter here.
    done = subprocess.run(command, cwd=model, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or not path.is_file():
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise ExportError(f"Kipoi cannot use the exported model: {lines[-1]}")
    read_back.hdf5(path)


def _card(weights: Weights, config: ExportConfig) -> str:
    parameters = sum(parameter.numel() for parameter in weights.model().parameters())
    token = weights.config.channels > len("ACGT")
    hidden = "; a token stands for it, so that the scores of an SNV's alleles are the same" if token else ""
    rows = {
        "authors": ", ".join(config.authors) or "not stated",
        "licence": config.licence,
        "parameters": f"{parameters:,}",
        "reads": f"{weights.config.window} bp, the variant's base at index {VARIANT_INDEX} (0-based){hidden}",
        "tensors sha256": f"`{weights.sha256}`",
        "mifm_kipoi": str(weights.provenance.get("mifm_kipoi", mifm_kipoi.__version__)),
    }
    rows["trained on"] = "; ".join(dict.fromkeys(map(_trained_on, training_sets(weights))))
    if weights.background:
        rows["background"] = f"{weights.background.positions:,} positions: {weights.background.name}"
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    name = config.name
    return f"""{_front_matter(weights, config)}
# {name}

{config.description}
{_cautions(weights)}
| | |
| --- | --- |
{table}

## Use

```
mifm weights import {name}.safetensors
mifm score VARIANTS.vcf GENOME.fa -o scores.tsv --weights {name}
kipoi test . --source=dir
kipoi predict . --source=dir -o scores.tsv \\
    --dataloader_args '{{"vcf_file": "VARIANTS.vcf", "fasta_file": "GENOME.fa"}}'
```

`mifm_ref` scores each position from 0 to 1, by the {weights.config.window} bp of reference sequence around
it, to rank variants within a locus. It knows neither trait nor LD, is the same for all alleles of a position,
and is not a probability of causality. {_alleles(weights)}
{_among_positions(weights, config)}
`sequence` is the Kipoi model of single windows.

## What was learnt

{_learnt(weights)}

## Provenance

{_listed({key: value for key, value in weights.provenance.items() if key not in (VERDICTS, KEY)})}

## Configuration of the network

```json
{json.dumps(weights.config.to_dict(), indent=1)}
```
"""


def _trained_on(seen: TrainingSet) -> str:
    """Chromosomes and studies of a training set; their names are in the provenance of the file."""
    if seen.train is None:
        return seen.source or "not known"
    studies = f", {len(seen.studies):,} studies" if seen.studies else ""
    validation = f"; {', '.join(seen.validation)} chose the epoch" if seen.validation else ""
    return f"chromosomes {', '.join(seen.train)}{studies}{validation}"


def _front_matter(weights: Weights, config: ExportConfig) -> str:
    """The head of the card, which model hubs read: YAML between lines of hyphens."""
    licence = config.licence.lower()
    head: dict[str, Any] = {"library_name": "mifm-kipoi", "tags": list(_TAGS)}
    if licence in _HUB_LICENCES:
        head["license"] = licence
    elif config.licence == ExportConfig.licence:
        head["license"] = "unknown"
    else:
        head |= {"license": "other", "license_name": config.licence}
    if results := [_result(verdict) for verdict in _verdicts(weights) if verdict.measures.can_judge]:
        head["model-index"] = [{"name": config.name, "results": results}]
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=110)}---\n"


def _result(verdict: Verdict) -> dict[str, Any]:
    """A verdict as a result in the head of a card."""
    measures = verdict.measures
    bags = f"{verdict.network}, {verdict.split} bags"
    if measures.with_evidence:
        metrics = [
            ("likelihood_gain", "gain in likelihood, nats a study (chance: 0)", measures.gain),
            ("pip_gain", "PIP of the first variant less that of its set (chance: 0)", measures.pip_gain),
        ]
    else:
        metrics = [("lead_gain", "how often the lead variant is first, less chance", measures.lead_gain)]
    return {
        "task": {"type": "variant-prioritisation", "name": "ranking the variants of a GWAS signal"},
        "dataset": {
            "type": "gwas-signals",
            "name": f"{bags}: {measures.studies} studies at {measures.loci} loci",
        },
        "metrics": [
            {"type": kind, "name": name, "value": round(estimate.value, 6)}
            for kind, name, estimate in metrics
        ],
    }


def _alleles(weights: Weights) -> str:
    """What the columns of the alternative allele are, for networks that were trained with both alleles."""
    if alleles_of(weights) != "both":
        return "`mifm_alt` and `mifm_delta` are extensions without known meaning."
    return (
        "This network was trained with both alleles: rank by "
        "`mifm_kipoi.scoring.scores.both_alleles_logit` of\nthe logits of `mifm_ref` and `mifm_alt`, not by "
        "`mifm_ref` alone."
    )


def _among_positions(weights: Weights, config: ExportConfig) -> str:
    """What the percentiles are of, or how to get them."""
    if weights.background:
        return "`mifm_percentile` and `mifm_phred` say where it lies among the positions of the background."
    return (
        "`mifm_percentile` and `mifm_phred` are empty until\n"
        f"`mifm genome background GENOME.fa --weights {config.name}.safetensors` was run."
    )


def _verdicts(weights: Weights) -> list[Verdict]:
    """The verdicts on weights that were trained with held-out bags."""
    return [Verdict.from_dict(values) for values in weights.provenance.get(VERDICTS, ())]


def _cautions(weights: Weights) -> str:
    """What speaks against using the weights, as paragraphs of the card."""
    return "".join(f"\n**CAUTION: {warning}.**\n" for warning in conclusion(_verdicts(weights)))


def _learnt(weights: Weights) -> str:
    """What the weights know of held-out bags beside chance."""
    lines = [line for verdict in _verdicts(weights) for line in verdict.lines()]
    listed = "\n".join(f"- {line}" for line in lines)
    return listed or "It was not measured: the provenance of these weights has no verdict on held-out bags."


def _listed(values: Mapping[str, Any], indent: str = "") -> str:
    """A mapping as a nested list."""
    lines = []
    for key, value in values.items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            numbered = {f"{number}": item for number, item in enumerate(value, start=1)}
            lines += [f"{indent}- {key}:", _listed(numbered, f"{indent}  ")]
        elif isinstance(value, Mapping) and value:
            lines += [f"{indent}- {key}:", _listed(value, f"{indent}  ")]
        else:
            lines.append(f"{indent}- {key}: {json.dumps(value) if isinstance(value, list | dict) else value}")
    return "\n".join(lines)
