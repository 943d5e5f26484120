"""``mifm genome background``."""

from __future__ import annotations

import argparse

from mifm_kipoi.commands.arguments import add_compute, add_list, say
from mifm_kipoi.support.progress import Progress

_DESCRIPTION = """\
Score every position of a genome, and keep with the weights how the scores are spread: what the columns
mifm_percentile and mifm_phred of 'mifm score' compare a score with. The embedded and the published weights
have theirs in the package: all positions of the first 9.9 Mb of chromosome 1 of GRCh37."""

_PERCENTILES = (50, 90, 99, 99.9, 99.99)


def add_background(parser: argparse.ArgumentParser) -> None:
    """``mifm genome background``."""
    parser.prog = "mifm genome background"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("fasta", help="reference genome, FASTA, plain or bgzip")
    parser.add_argument("--weights", default="embedded", help="name or path (default: embedded)")
    parser.add_argument(
        "-o", "--output", metavar="FILE",
        help="the weights with their background (.safetensors), or the background alone (.npz); by default "
        "the file of the weights gets it, which those of the package cannot",
    )  # fmt: skip
    add_list(parser, "--contigs", "NAME", "contigs whose positions count (default: all)", default=())
    parser.add_argument(
        "--name", metavar="TEXT",
        help="what the background is of, in words, for reports (default: the FASTA's name and the contigs)",
    )  # fmt: skip
    add_compute(parser, "threads, a block of positions each (default: the CPUs that this process may use)")
    parser.set_defaults(run=_background)


def _background(options: argparse.Namespace) -> None:
    import numpy as np

    from mifm_kipoi.genome_scan.background import BackgroundRun
    from mifm_kipoi.scoring.scores import probability

    run = BackgroundRun(
        options.fasta,
        options.weights,
        options.output,
        tuple(options.contigs),
        options.name,
        options.device,
        options.threads,
    )
    with Progress("positions", options.progress) as progress:
        result = run.run(progress.update)
    background = result.background
    logits = np.array([background.logit(percentile) for percentile in _PERCENTILES])
    say(
        f"{background.positions:,} positions: {background.name}",
        *(
            f"percentile {percentile:g}: score {score:.4f}"
            for percentile, score in zip(_PERCENTILES, probability(logits).tolist(), strict=True)
        ),
        f"written: {result.output}",
    )
