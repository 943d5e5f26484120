"""Scores of variants by looking them up in a file that ``mifm genome`` wrote."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mifm_kipoi.conventions import AUTO, FULL, VARIANT_INDEX, SourceStatus, Status
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genome_scan.readers import GenomeScores, open_genome_scores
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.weights import Weights
from mifm_kipoi.scoring.records import ScoredVariants
from mifm_kipoi.scoring.scorer import ScoringOptions
from mifm_kipoi.scoring.scores import background_columns, variant_scores
from mifm_kipoi.sequence.windows import cut_windows
from mifm_kipoi.support.provenance import described, differences


class GenomeSource:
    """What ``mifm score`` looks up instead of computing it; see :class:`mifm_kipoi.scoring.run.ScoreSource`.

    Parameters
    ----------
    path : path-like
        A bigWig file or a table of positions of ``mifm genome``, its manifest beside it.

    Raises
    ------
    InputError
        When it is not one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._scores = open_genome_scores(self.path)

    def check(self, options: ScoringOptions, weights: Sequence[Weights], fasta: Path) -> None:
        """Refuse to give what the file does not have.

        Parameters
        ----------
        options : ScoringOptions
            What is asked for.
        weights : sequence of Weights
            Those of the options.
        fasta : Path
            The genome of the variants.

        Raises
        ------
        InputError
            When the file is of other weights, another FASTA or another limit of N, or is damaged.
        OptionError
            When an option asks for what no such file has.
        """
        scores = self._scores
        if len(weights) > 1:
            raise OptionError(
                f"{len(weights)} weights are named, and {self.path} is of one; expected one name"
            )
        if options.averages or options.precision != FULL or options.method != AUTO:
            raise OptionError(
                f"scores are looked up in {self.path}, and nothing is computed: leave out averages over "
                "strands and shifts, the precision and the method"
            )
        identity = weights[0].identity
        if changed := differences({key: scores.weights.get(key) for key in identity}, identity):
            raise InputError(
                f"{self.path} is of the weights {scores.weights['name']}, not of {weights[0].name}: "
                f"{'; '.join(changed)}; name those weights with --weights, or compute without --scores"
            )
        if (of_fasta := described(fasta))["sha256"] != scores.fasta["sha256"]:
            raise InputError(
                f"{self.path} is of the FASTA {scores.fasta['name']} (sha256 {scores.fasta['sha256'][:12]}"
                f"...), and {fasta} has other content (sha256 {of_fasta['sha256'][:12]}...); use the FASTA "
                "that was scanned"
            )
        if scores.max_n_fraction != options.max_n_fraction:
            raise InputError(
                f"{self.path} has the positions whose windows have at most {scores.max_n_fraction:g} of N; "
                f"max_n_fraction is {options.max_n_fraction:g}, expected the same"
            )
        scores.verify()

    def scorer(self, genome: Genome, options: ScoringOptions, weights: Sequence[Weights]) -> LookUp:
        """What gives the scores of chunks of variants.

        Parameters
        ----------
        genome : Genome
            The genome of the variants.
        options : ScoringOptions
            Checked by :meth:`check`.
        weights : sequence of Weights
            Those of the options.
        """
        return LookUp(self._scores, genome, options, weights[0])


class LookUp:
    """Looks chunks of variants up; as :class:`mifm_kipoi.scoring.scorer.Scorer` computes them.

    Parameters
    ----------
    scores : GenomeScores
        The file.
    genome : Genome
        The FASTA that it is of.
    options : ScoringOptions
        The columns, and the limit of N.
    weights : Weights
        Those that it is of; their background gives the percentiles.
    """

    def __init__(
        self, scores: GenomeScores, genome: Genome, options: ScoringOptions, weights: Weights
    ) -> None:
        self._scores, self._genome, self._options = scores, genome, options
        self._background = weights.background

    def __call__(self, variants: Sequence[Variant], runs: Sequence[int] | None = None) -> ScoredVariants:  # noqa: ARG002
        """Scores of variants; each has its row.

        The status of a variant that the file has no score of is
        :attr:`mifm_kipoi.conventions.SourceStatus.NOT_IN_SCORES`; where it has that of the reference alone,
        ``ALT_NOT_IN_SCORES``.

        Parameters
        ----------
        variants : sequence of Variant, length n
            In any order.
        runs : sequence of int, optional
            Not needed here.
        """
        windows = cut_windows(variants, self._genome, self._options.max_n_fraction)
        status: list[str] = list(windows.status)
        logits = np.full((2, len(variants)), np.nan, dtype=np.float32)
        rows: dict[str, list[int]] = {}
        for row, reason in enumerate(windows.status):
            if reason is Status.OK:
                rows.setdefault(variants[row].chrom, []).append(row)
        for chrom, of_contig in rows.items():
            contig = self._genome.find_contig(chrom)
            assert contig is not None, "variants with windows are on contigs of the FASTA"
            starts = np.array([variants[row].start for row in of_contig], dtype=np.int64)
            found = self._scores.look_up(contig, starts)
            logits[0, of_contig] = found[:, 0]
            if found.shape[1] > 1:
                bases = 1 + windows.alt[of_contig, VARIANT_INDEX].astype(np.intp)
                logits[1, of_contig] = found[np.arange(len(of_contig)), bases]
                logits[1, [row for row in of_contig if not variants[row].is_snv]] = np.nan
            for row, known, both in zip(of_contig, *~np.isnan(logits[:, of_contig]), strict=True):
                if not (known and both):
                    status[row] = SourceStatus.ALT_NOT_IN_SCORES if known else SourceStatus.NOT_IN_SCORES
        ranks = background_columns(self._background, logits[0])
        values = (*variant_scores(*logits).values(), *logits, *ranks.values())
        return ScoredVariants(variants, status, dict(zip(self._options.columns, values, strict=True)))
