"""Scores of variants by the members that have not seen their chromosomes."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.variant_lists import open_variants
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.training_sets import KEY, training_sets
from mifm_kipoi.network.weights import Weights, load_weights
from mifm_kipoi.scoring.records import ScoredVariants, read_chunks
from mifm_kipoi.scoring.scorer import Scorer, ScoringOptions
from mifm_kipoi.scoring.scores import LOGITS, both_alleles_logit, probability
from mifm_kipoi.support.files import check_outputs, write_json, writing, written_whole
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__
from training.fitting.alleles import alleles_of
from training.fitting.config import LEAVE_OUT, FitError
from training.fitting.leave_out import members_of
from training.fitting.predictions import mean_logits

SCORE = "mifm_logit"
"""The column of the mean over members, as a logit; ``mifm`` is the same from 0 to 1."""

_SUFFIX = ".tsv.gz"


@dataclasses.dataclass(frozen=True)
class LeftOutScores:
    """What is scored, by which folds.

    Parameters
    ----------
    folder : path-like
        What :class:`training.fitting.leave_out.LeaveOut` wrote.
    variants : str
        VCF, BCF or a table of variants (:mod:`mifm_kipoi.genetics.variant_lists`).
    fasta, output : Path
        Reference genome; the table of scores, ``NAME.tsv.gz``.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    """

    folder: str | os.PathLike[str]
    variants: str
    fasta: Path
    output: Path
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.output.name.endswith(_SUFFIX):
            raise OptionError(f"the name {self.output.name} does not end in {_SUFFIX}")

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> dict[str, Any]:
        """Score, and write the table and its manifest ``NAME.tsv.gz.json``.

        A variant has the logit of the mean probability of the members of the fold that its chromosome is left
        out of; of networks that read both alleles, that of :func:`both_alleles_logit`. Chromosomes that no
        fold leaves out had no bags, so that no member has seen them: those of the first fold score them.

        Parameters
        ----------
        on_progress : callable, optional
            Receives the variants so far, and the fraction of the file.

        Returns
        -------
        dict of plain JSON types
            The manifest: weights with the chromosomes that they scored and what they were trained on.

        Raises
        ------
        FitError
            When the folder is not complete.
        MIFMError
            When an input cannot be read or the output cannot be written.
        """
        folds = members_of(self.folder)
        check_outputs([self.output], [self.variants, self.fasta, Path(self.folder) / LEAVE_OUT])
        genome = Genome(self.fasta)
        weights = [[load_weights(path) for path in paths] for _, paths in folds]
        scorers = [
            [Scorer(genome, ScoringOptions(), self.device, weights=[one]) for one in own] for own in weights
        ]
        fold_of = {contig: number for number, (contigs, _) in enumerate(folds) for contig in contigs}
        statuses: collections.Counter[str] = collections.Counter()
        chromosomes: dict[int, dict[str, None]] = {number: {} for number in range(len(folds))}
        rows = 0
        with (
            open_variants(self.variants, genome, False) as file,
            written_whole(self.output) as temporary,
            writing(self.output),
            temporary.open("wb") as out,
        ):
            for chunk in read_chunks(file):
                variants = chunk.variants
                contigs = contig_keys(pd.Series([each.chrom for each in variants], dtype="str"))
                number = contigs.map(lambda contig: fold_of.get(contig, 0)).to_numpy(np.int64)
                for contig, fold in dict(zip(contigs, number, strict=True)).items():
                    chromosomes[int(fold)][contig] = None
                table = _table(variants, number, scorers, weights)
                text = table.to_csv(
                    sep="\t", index=False, header=not rows, float_format="%.7g", lineterminator="\n"
                )
                out.write(gzip.compress(text.encode(errors="surrogateescape"), compresslevel=4, mtime=0))
                rows += len(table)
                statuses.update(table["status"])
                if on_progress:
                    on_progress(rows, file.fraction_read)
        manifest = self._manifest(folds, weights, chromosomes, rows, statuses)
        write_json(self.output.with_name(f"{self.output.name}.json"), manifest)
        return manifest

    def _manifest(
        self,
        folds: Sequence[tuple[tuple[str, ...], list[Path]]],
        weights: Sequence[Sequence[Weights]],
        chromosomes: dict[int, dict[str, None]],
        rows: int,
        statuses: collections.Counter[str],
    ) -> dict[str, Any]:
        folder = Path(self.folder)
        named = {
            str(path.relative_to(folder)): (number, one)
            for number, (_, paths) in enumerate(folds)
            for path, one in zip(paths, weights[number], strict=True)
        }
        path = Path(self.variants)
        return {
            "mifm_kipoi": __version__,
            "command": "python -m training score-left-out",
            "weights": [
                {"name": name, **one.identity, "chromosomes": list(chromosomes[number])}
                for name, (number, one) in named.items()
            ],
            KEY: {name: [each.to_dict() for each in training_sets(one)] for name, (_, one) in named.items()},
            "variants": described(path) if path.is_file() else {"name": path.name, "sha256": None},
            "fasta": described(self.fasta),
            "rows": rows,
            "status": dict(statuses.most_common()),
            "output": described(self.output),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }


def _table(
    variants: Sequence[Variant],
    fold: np.typing.NDArray[np.int64],
    scorers: Sequence[Sequence[Scorer]],
    weights: Sequence[Sequence[Weights]],
) -> pd.DataFrame:
    """Rows of some variants, each with the logit of its fold's members."""
    logits = np.full(len(variants), np.nan)
    status = np.full(len(variants), str(Status.OK), dtype=object)
    for number in np.unique(fold):
        rows = np.flatnonzero(fold == number)
        own = [variants[int(row)] for row in rows]
        scored = [score(own) for score in scorers[number]]
        kinds = {alleles_of(one) for one in weights[number]}
        if len(kinds) > 1:
            raise FitError(
                f"members of a fold were fitted with fit.alleles {' and '.join(sorted(kinds))}; their logits "
                "cannot be averaged"
            )
        each = [_logit(one, "both" in kinds) for one in scored]
        known = np.isfinite(each[0])
        logits[rows[known]] = mean_logits([values[known] for values in each])
        status[rows] = [str(reason) for reason in scored[0].status]
    table = ScoredVariants(variants, status.tolist(), {SCORE: logits, "mifm": probability(logits)}).to_frame()
    return table.assign(fold=fold + 1)


def _logit(scored: ScoredVariants, both: bool) -> np.typing.NDArray[np.float64]:
    ref, alt = (scored.columns[name].astype(np.float64) for name in LOGITS)
    values: np.typing.NDArray[np.float64] = both_alleles_logit(ref, alt) if both else ref
    return values
