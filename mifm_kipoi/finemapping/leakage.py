"""Whether the scores of a prior know the loci that they are a prior of."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.network.training_sets import KEY, Seen, TrainingSet, most_seen, training_sets
from mifm_kipoi.reports import prose
from mifm_kipoi.support.checksums import remembered_sha256

_CAUTIONS = Path(__file__).with_name("leakage.md.jinja")

_MOST_NAMED = 6


@dataclasses.dataclass(frozen=True)
class ScoredBy:
    """Weights that gave scores.

    Parameters
    ----------
    name : str
        Of the weights.
    sets : tuple of TrainingSet
        What they were trained on.
    chromosomes : tuple of str, optional
        Keys of the contigs that they scored; None for all.
    """

    name: str
    sets: tuple[TrainingSet, ...]
    chromosomes: tuple[str, ...] | None = None

    def scored(self, chrom: str) -> bool:
        """Whether they gave the scores of a chromosome."""
        return self.chromosomes is None or contig_key(chrom) in self.chromosomes


@dataclasses.dataclass(frozen=True)
class Leakage:
    """What the scores of a prior have seen.

    Parameters
    ----------
    scores : str
        Name of the table of scores; empty without scores.
    weights : tuple of ScoredBy
        Those that made them; none where the table does not say, as with scores of others.
    changed : bool
        Whether the table is another than its manifest was written with, which then says nothing.
    """

    scores: str = ""
    weights: tuple[ScoredBy, ...] = ()
    changed: bool = False

    def seen(self, study: str, chrom: str, sha256: str = "") -> str:
        """What the scores have seen of the loci of a study on a chromosome.

        Parameters
        ----------
        study, chrom, sha256
            As of :meth:`mifm_kipoi.network.training_sets.TrainingSet.seen`.

        Returns
        -------
        str
            A :class:`mifm_kipoi.network.training_sets.Seen`; empty without scores.
        """
        if not self.scores:
            return ""
        kinds = [
            each.seen(study, chrom, sha256)
            for weights in self.weights
            if weights.scored(chrom)
            for each in weights.sets
        ]
        if self.changed:
            kinds.append(Seen.UNKNOWN)
        return str(most_seen(kinds) if kinds else Seen.UNKNOWN)

    def cautions(self, loci: Iterable[tuple[str, str, str]]) -> list[str]:
        """What a reader must know, each without its last full stop.

        Parameters
        ----------
        loci : iterable of (str, str, str)
            Study, chromosome and what :meth:`seen` says, of each locus that is fine-mapped.
        """
        counts: collections.Counter[str] = collections.Counter()
        chromosomes: dict[str, dict[str, None]] = collections.defaultdict(dict)
        studies: dict[str, None] = {}
        for study, chrom, seen in loci:
            counts[seen] += 1
            chromosomes[seen][chrom] = None
            if seen == Seen.STUDY:
                studies[study] = None
        sources = dict.fromkeys(each.source for one in self.weights for each in one.sets if each.source)
        found = prose.paragraphs(
            _CAUTIONS,
            {
                "counts": {str(kind): counts[kind] for kind in Seen},
                "chromosomes": {str(kind): _chromosomes(chromosomes[kind]) for kind in Seen},
                "studies": _few(studies),
                "weights": _few(one.name for one in self.weights),
                "known": bool(self.weights),
                "changed": self.changed,
                "sources": "; ".join(sources),
                "scores": self.scores,
                "total": counts.total(),
            },
        )
        return [text.removesuffix(".") for text in found]

    def to_dict(self) -> dict[str, Any]:
        """For a manifest: which weights, and what they were trained on, but for names of many studies."""
        return {
            "scores": self.scores,
            "weights": [
                {
                    "name": one.name,
                    "chromosomes": None if one.chromosomes is None else list(one.chromosomes),
                    KEY: [
                        each.to_dict() | {"studies": None if each.studies is None else len(each.studies)}
                        for each in one.sets
                    ],
                }
                for one in self.weights
            ],
        }


def read_leakage(
    scores: Path | None,
    weights: Sequence[str] = (),
    column: str = "",
    annotations: Iterable[tuple[Path, str]] = (),
) -> Leakage:
    """What the scores of a prior have seen: by the weights that are named, else by manifests beside tables.

    Parameters
    ----------
    scores : Path, optional
        The table; ``mifm score`` and ``python -m training score-left-out`` write ``TABLE.json`` beside it.
    weights : sequence of str
        Names or files of the weights that made the scores, where that does not say it.
    column : str
        The score; where the table has those of several weights, its name ends in that of its own.
    annotations : iterable of (Path, str)
        Tables and columns of annotations, which may be scores too: those whose manifest names weights count.

    Raises
    ------
    InputError
        When a manifest cannot be read.
    WeightsError
        When weights cannot be loaded.
    """
    found = Leakage()
    if scores is not None and weights:
        from mifm_kipoi.network.weights import load_weights

        loaded = ((name, load_weights(name)) for name in weights)
        found = Leakage(scores.name, tuple(ScoredBy(name, training_sets(one)) for name, one in loaded))
    elif scores is not None:
        found = _of_table(scores, column)
    for path, name in dict.fromkeys(annotations):
        own = _of_table(path, name)
        if own.weights or own.changed:
            found = Leakage(
                found.scores or own.scores,
                tuple(dict.fromkeys((*found.weights, *own.weights))),
                found.changed or own.changed,
            )
    return found


def _of_table(scores: Path, column: str) -> Leakage:
    """What the manifest beside a table says of a column."""
    manifest = scores.with_name(f"{scores.name}.json")
    if not manifest.is_file():
        return Leakage(scores.name)
    try:
        noted = json.loads(manifest.read_text())
        found = _of_manifest(noted)
        output = noted.get("output", {}).get("sha256")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"cannot read {manifest}: {error}; expected what was written with {scores.name}, or move it away"
        ) from error
    if output and output != remembered_sha256(scores):
        return Leakage(scores.name, changed=True)
    own = [one for one in found if column.endswith(f"_{one.name}")]
    return Leakage(scores.name, (max(own, key=lambda one: len(one.name)),) if own else found)


def _of_manifest(noted: Mapping[str, Any]) -> tuple[ScoredBy, ...]:
    """The weights that a manifest names; older ones do not say what they were trained on."""
    found = []
    for one in noted.get("weights", ()):
        sets = tuple(map(TrainingSet.from_dict, noted.get(KEY, {}).get(one["name"], ()))) or (TrainingSet(),)
        chromosomes = one.get("chromosomes")
        found.append(
            ScoredBy(
                str(one["name"]), sets, None if chromosomes is None else tuple(map(contig_key, chromosomes))
            )
        )
    return tuple(found)


def _chromosomes(names: Collection[str]) -> str:
    return f"{'chromosome' if len(names) == 1 else 'chromosomes'} {_few(names)}"


def _few(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
