"""``mifm evaluate motif-swap`` from files to files."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.attribution.files import Attributions, read_attributions
from mifm_kipoi.errors import InputError, OptionError, WeightsError
from mifm_kipoi.evaluation.motif_swap.edits import LEAST_PROBABILITY
from mifm_kipoi.evaluation.motif_swap.swaps import (
    DRAWS,
    EDITS,
    POOLED,
    Group,
    Swap,
    difference_table,
    score_table,
    swapped,
)
from mifm_kipoi.evaluation.motifs.discovery import Discovery, read_patterns
from mifm_kipoi.evaluation.motifs.patterns import SIGNS
from mifm_kipoi.evaluation.motifs.run import name_of
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.network.inference import Predictor, find_device
from mifm_kipoi.network.untrained import CALIBRATING, untrained
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.scoring.workers import set_threads
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, made_folder, require_file, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

PATTERN_TABLE = "patterns.tsv"
"""What ``mifm evaluate motifs`` writes beside the patterns: which motif each of them resembles."""

_OUTPUTS = ("swaps.tsv", "differences.tsv", "seqlets.tsv.gz", "evaluation.json", "report.md", "report.html")

_AS_TEXT: Any = {"sep": "\t", "index": False, "float_format": "%.6g", "quoting": csv.QUOTE_NONE}


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """An evaluation.

    Parameters
    ----------
    network : str
        Its name.
    discovery : Discovery
        The patterns.
    groups : list of Group
        What was swapped.
    swaps : list of Swap
        Of all groups.
    scores, differences : pandas.DataFrame
        See :mod:`mifm_kipoi.evaluation.motif_swap.swaps`.
    provenance : dict of plain JSON types
        Inputs and options.
    """

    network: str
    discovery: Discovery
    groups: list[Group]
    swaps: list[Swap]
    scores: pd.DataFrame
    differences: pd.DataFrame
    provenance: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class MotifSwapResult:
    """An evaluation and its files.

    Parameters
    ----------
    evaluated : Evaluated
        Swaps and their controls.
    cautions : list of str
        What a reader must know before trusting them.
    files : list of Path
        All that were written.
    """

    evaluated: Evaluated
    cautions: list[str]
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """A line a swap."""
        lines = []
        tests: Any = self.evaluated.differences.set_index(["motif", "replaced", "inserted", "difference"])
        rows: Any = self.evaluated.scores.itertuples()
        for row in rows:
            test = tests.loc[(row.motif, row.replaced, row.inserted, "swapped - random")]
            other = "patterns of the other sign" if row.inserted == POOLED else row.inserted
            lines.append(
                f"{row.replaced} by {other}: score {row.score_original:.3f} -> {row.score_swapped:.3f} "
                f"(random substitutions {row.score_random:.3f}); logit beyond random {test['mean']:+.3f}"
                + ("" if np.isnan(test["p_holm"]) else f", p (Holm) = {test['p_holm']:.2g}")
            )
        return lines


@dataclasses.dataclass(frozen=True)
class MotifSwapRun:
    """Which patterns to swap, in which windows, and where to write it.

    Parameters
    ----------
    attributions : Path
        Of ``mifm attribute``: the windows.
    patterns : Path
        ``patterns.h5`` of ``mifm evaluate motifs`` on these attributions.
    folder : Path
        Of the outputs; made where it is missing.
    weights : str or path-like, optional
        Those of the attributions, by default by the name that they had.
    factors : tuple of str
        Factors whose positive and negative patterns are swapped; by default all that have both.
    names : tuple of str
        Patterns that are swapped instead, such as ``positive.1``.
    draws : int
        Random substitutions of each window.
    seed : int
        Of them.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    threads : int, optional
        Of PyTorch; by default the CPUs that this process may use.

    Raises
    ------
    OptionError
        When the options contradict each other, or an output is an input.
    """

    attributions: Path
    patterns: Path
    folder: Path
    weights: str | os.PathLike[str] | None = None
    factors: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    draws: int = DRAWS
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.factors and self.names:
            raise OptionError("expected either factors or names of patterns, not both")
        if self.draws < 1:
            raise OptionError(f"draws is {self.draws}; expected 1 or more")
        inputs = (self.attributions, self.patterns, self.patterns.with_name(PATTERN_TABLE))
        check_outputs([self.folder / name for name in _OUTPUTS], inputs)

    def run(self, on_progress: Callable[[str], None] | None = None) -> MotifSwapResult:
        """Swap patterns, compare, draw, write.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text before each swap.

        Raises
        ------
        MIFMError
            When an input cannot be read, does not belong to another, or has no such patterns; when a package
            is missing, or an output cannot be written.
        """
        from mifm_kipoi.evaluation.motif_swap.report import cautions_of, write_report

        # What is bound to fail fails before anything is computed.
        needed("matplotlib", "plot")
        needed("scipy.stats", "evaluation")
        for path in (self.attributions, self.patterns):
            require_file(path)
        attributions = read_attributions(self.attributions)
        discovery = read_patterns(self.patterns, attributions)
        groups = self._named(discovery) if self.names else self._of_factors(discovery)
        predictor = self._predictor(attributions)
        made_folder(self.folder)
        swaps = [
            swap
            for group in groups
            for swap in swapped(
                group, discovery.patterns, attributions, predictor.logits, self.draws, self.seed,
                on_progress or (lambda _: None),
            )
        ]  # fmt: skip
        evaluated = Evaluated(
            name_of(attributions), discovery, groups, swaps, score_table(swaps), difference_table(swaps),
            self._provenance(attributions, groups),
        )  # fmt: skip
        cautions = cautions_of(evaluated)
        files = [*write_tables(evaluated, self.folder), *write_report(evaluated, cautions, self.folder)]
        manifest = self.folder / "evaluation.json"
        with written_whole(manifest) as temporary:
            temporary.write_text(json.dumps({**evaluated.provenance, "cautions": cautions}, indent=1) + "\n")
        return MotifSwapResult(evaluated, cautions, [*files, manifest])

    def _named(self, discovery: Discovery) -> list[Group]:
        known = {pattern.name: pattern for pattern in discovery.patterns}
        if missing := [name for name in self.names if name not in known]:
            raise OptionError(
                f"{self.patterns} has no pattern {missing[0]}; it has {', '.join(known) or 'none'}"
            )
        chosen = [known[name] for name in dict.fromkeys(self.names)]
        positive, negative = ([one for one in chosen if one.sign == sign] for sign in SIGNS)
        if not positive or not negative:
            raise OptionError(
                f"the patterns {', '.join(self.names)} are all {chosen[0].sign}; expected at least one of "
                "each sign"
            )
        return [Group("", positive, negative)]

    def _of_factors(self, discovery: Discovery) -> list[Group]:
        if not discovery.patterns:
            raise InputError(
                f"{self.patterns} has no patterns, so that there are none to swap; attribute more windows, "
                "and search them again"
            )
        factors = self._factors(discovery)
        groups = []
        for factor in self.factors or sorted(set(factors.values())):
            own = [pattern for pattern in discovery.patterns if factors.get(pattern.name) == factor]
            positive, negative = ([one for one in own if one.sign == sign] for sign in SIGNS)
            if positive and negative:
                groups.append(Group(factor, positive, negative))
            elif self.factors:
                raise OptionError(
                    f"{factor} has {len(positive)} positive and {len(negative)} negative patterns that "
                    "resemble its motif; expected at least one of each sign. Name patterns to swap others"
                )
        if not groups:
            names = ", ".join(sorted(set(factors.values()))) or "none at all"
            raise InputError(
                f"{self.patterns} has no factor with patterns of both signs (factors: {names}); name the "
                "patterns to swap, such as positive.1 and negative.1"
            )
        return groups

    def _factors(self, discovery: Discovery) -> dict[str, str]:
        """Of the patterns that resemble a motif, its factor."""
        table = TableFile.of(self.patterns.with_name(PATTERN_TABLE))
        columns = ("pattern", "seqlets", "factor", "matched")
        if missing := [name for name in columns if name not in table.columns]:
            raise InputError(f"{table.path} has no column {missing[0]}; expected the table of patterns")
        if not discovery.patterns:
            raise InputError(f"{self.patterns} has no pattern; 'mifm evaluate motifs' found none")
        rows = pd.concat([batch.frame(columns) for batch in table.batches(columns)], ignore_index=True)
        seqlets = {pattern.name: str(len(pattern.seqlets)) for pattern in discovery.patterns}
        if dict(zip(rows["pattern"], rows["seqlets"], strict=True)) != seqlets:
            raise InputError(f"{table.path} is not the table of the patterns in {self.patterns}")
        matched = rows[rows["matched"] == "True"]
        return dict(zip(matched["pattern"], matched["factor"], strict=True))

    def _predictor(self, attributions: Attributions) -> Predictor:
        """The network of the attributions, untrained where theirs was."""
        made_of = attributions.provenance["weights"]
        weights = load_weights(self.weights if self.weights is not None else made_of["name"])
        if weights.identity["tensors_sha256"] != made_of["tensors_sha256"]:
            raise WeightsError(
                f"the attributions in {attributions.path} are of other weights (tensors sha256 "
                f"{made_of['tensors_sha256']}) than {weights.path} ({weights.identity['tensors_sha256']})"
            )
        set_threads(self.threads or usable_cpus())
        seed = attributions.provenance["untrained"]
        if seed is None:
            model = weights.model()
        else:
            first = np.arange(min(len(attributions), CALIBRATING))
            model = untrained(weights.config, seed, attributions.arrays(first)[0])
        return Predictor(model.to(find_device(self.device)), path=weights.path)

    def _provenance(self, attributions: Attributions, groups: Sequence[Group]) -> dict[str, Any]:
        return {
            "mifm_kipoi": __version__,
            "attributions": described(self.attributions),
            "patterns": described(self.patterns),
            "made_of": attributions.provenance,
            "groups": [
                {
                    "factor": group.name,
                    **{sign: [each.name for each in getattr(group, sign)] for sign in SIGNS},
                }
                for group in groups
            ],
            "least_probability": LEAST_PROBABILITY,
            "draws": self.draws,
            "seed": self.seed,
        }


def write_tables(evaluated: Evaluated, folder: Path) -> list[Path]:
    """Write the tables: a row a swap, a row a difference, a row a swap and seqlet.

    Parameters
    ----------
    evaluated : Evaluated
        What was found.
    folder : Path
        Must exist.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    tables = {
        "swaps.tsv": evaluated.scores,
        "differences.tsv": evaluated.differences,
        "seqlets.tsv.gz": _seqlets(evaluated),
    }
    for name, table in tables.items():
        with written_whole(folder / name) as temporary:
            # The same content gives the same bytes.
            how = {"method": "gzip", "mtime": 0} if name.endswith(".gz") else None
            table.to_csv(temporary, compression=how, **_AS_TEXT)
    return [folder / name for name in tables]


def _seqlets(evaluated: Evaluated) -> pd.DataFrame:
    attributions = evaluated.discovery.attributions
    chroms = np.array(attributions.chroms, dtype=object)
    parts = []
    for swap in evaluated.swaps:
        if swap.inserted == POOLED:
            continue
        logits = {f"logit_{kind}": swap.logits[kind] for kind in ("original", *EDITS)}
        parts.append(
            pd.DataFrame(
                {
                    "motif": swap.group,
                    "replaced": swap.replaced,
                    "inserted": swap.inserted,
                    "chrom": chroms[swap.rows],
                    "pos": attributions.pos[swap.rows],
                    "cluster": swap.clusters,
                    "changed": swap.changed["swapped"],
                    "changed_unrelated": swap.changed["unrelated"],
                    "changed_consensus": swap.changed["consensus"],
                    **logits,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
