"""What weights are, for people, from what their file says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from mifm_kipoi.weights import Weights

NOT_STATED = "not stated"

_CONFIGURATION = ("fit", "distil", "finetune", "recipe")
"""Parts of a provenance that are settings."""


def model_card(name: str, weights: Weights) -> str:
    """A model card in Markdown.

    Parameters
    ----------
    name : str
        Of the exported weights.
    weights : Weights
        Everything in the card is read from their provenance and their network.
    """
    provenance, config = weights.provenance, weights.config
    parameters = sum(parameter.numel() for parameter in weights.model().parameters())
    token = config.channels > 4
    reads = f"{config.window} bp" + (
        ", with the variant token in place of the variant's base" if token else ""
    )
    parts = [
        f"# Model card: {name}",
        f"Weights of a MIFM network ({parameters:,} parameters, reads {reads}) for Kipoi and `mifm score`.",
        *_section("Made by", _facts(provenance, weights)),
        *_section("Data", _data(provenance.get("data_set"))),
        *_section("Teachers", _teachers(provenance.get("teachers"))),
        *_section("Metrics", _metrics(provenance)),
        *_section("Configuration", _configuration(provenance, weights)),
        *_section("Use", _USE.format(name=name)),
        *_section("Limits", _LIMITS + (_WITHOUT_BASE if token else "")),
        *_section("Licence", str(provenance.get("licence") or NOT_STATED)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, text: str) -> list[str]:
    return [f"## {title}", text.strip()] if text.strip() else []


def _table(head: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def _facts(provenance: Mapping[str, Any], weights: Weights) -> str:
    facts = {
        "command": f"`{provenance['command']}`" if "command" in provenance else NOT_STATED,
        "authors": ", ".join(provenance.get("authors") or [NOT_STATED]),
        "mifm-kipoi": provenance.get("mifm_kipoi", NOT_STATED),
        "torch": provenance.get("torch", NOT_STATED),
        "tensors sha256": f"`{weights.sha256}`",
    }
    return "\n".join(f"- {key}: {value}" for key, value in facts.items())


def _data(facts: Any) -> str:
    if not isinstance(facts, Mapping) or "counts" not in facts:
        return "No counts are known. What is known is under Configuration."
    columns = ("positive_bags", "positive_instances", "negative_bags", "negative_instances")
    rows = [[split, *(f"{counts[key]:,}" for key in columns)] for split, counts in facts["counts"].items()]
    table = _table(("split", *(column.replace("_", " ") for column in columns)), rows)
    manifest = facts.get("manifest") or {}
    shown = {
        key: manifest[key] for key in ("version", "reference", "configuration", "inputs") if key in manifest
    }
    return table + ("\n\n" + _yaml(shown) if shown else "")


def _teachers(teachers: Any) -> str:
    if not isinstance(teachers, list) or not teachers:
        return ""
    rows = [
        [
            teacher.get("name", NOT_STATED),
            *(_number(_metric(teacher, name)) for name in _SHOWN.values()),
            f"`{str(teacher.get('tensors_sha256'))[:12]}`",
        ]
        for teacher in teachers
    ]
    return _table(("name", *_SHOWN, "tensors sha256"), rows)


_SHOWN = {"validation loss": "validation_loss", "AUROC": "validation_auroc", "AUPRC": "validation_auprc"}


def _metric(teacher: Mapping[str, Any], name: str) -> Any:
    return (teacher.get("metrics") or {}).get(name)


def _metrics(provenance: Mapping[str, Any]) -> str:
    known: dict[str, Any] = {}
    for key in ("metrics", "agreement", "fidelity", "change"):
        values = provenance.get(key)
        if isinstance(values, Mapping):
            known |= {
                name.replace("_", " "): value
                for name, value in values.items()
                if isinstance(value, int | float) and name not in ("step", "windows", "learning_rate")
            }
    return (
        _table(("metric", "value"), [[name, _number(value)] for name, value in known.items()])
        if known
        else ""
    )


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _configuration(provenance: Mapping[str, Any], weights: Weights) -> str:
    settings = {key: provenance[key] for key in _CONFIGURATION if provenance.get(key)}
    return _yaml({"network": weights.config.to_dict(), **settings})


def _yaml(values: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(dict(values), sort_keys=False, default_flow_style=None, width=110)
    return f"```yaml\n{text.rstrip()}\n```"


_USE = """
```
kipoi test . --source=dir
kipoi predict . --source=dir -m -o out.tsv \\
    --dataloader_args='{{"vcf_file": "in.vcf.gz", "fasta_file": "genome.fa"}}'
mifm weights import {name}.safetensors
mifm score in.vcf.gz genome.fa -o out.tsv --weights {name}
```

The folder `sequence` is the same model for single windows, as kipoi-veff reads them.
"""

_LIMITS = """
Scores rank non-coding variants; they are not calibrated probabilities of causality in a locus. The metrics
are of bags, whose labels say that an association is there, not which variant causes it. Strand and position
of the window matter. What was not in the data, such as other genome builds, is untested.
"""

_WITHOUT_BASE = """
The network does not see the variant's own base: `mifm_alt` of a single-base variant is `mifm_ref`.
"""
