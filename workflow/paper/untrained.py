"""Weights of an untrained network: the sizes of given ones, random weights, statistics of some windows.

python untrained.py WEIGHTS VARIANTS FASTA --output FILE.safetensors [--seed N]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mifm_kipoi.attribution.windows import windows_of_variants
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.untrained import CALIBRATING, untrained
from mifm_kipoi.network.weights import load_weights, save_weights
from mifm_kipoi.support.guard import guarded


def write(weights: str, variants: Path, fasta: Path, output: Path, seed: int) -> None:
    """Write the weights.

    Parameters
    ----------
    weights : str
        Name or path of those whose sizes the network has.
    variants, fasta : Path
        The windows that give it the statistics of batch normalisation: those of the first variants.
    output : Path
    seed : int
        Of the random weights.
    """
    like = load_weights(weights)
    genome = Genome(fasta)
    windows = windows_of_variants(variants, genome)
    if not len(windows):
        raise InputError(f"no variant of {variants} has a window in {fasta}")
    codes = windows.codes(genome, slice(CALIBRATING), like.config.window)
    output.parent.mkdir(parents=True, exist_ok=True)
    save_weights(
        output,
        untrained(like.config, seed, codes),
        {"method": "untrained: random weights, a control", "seed": seed, "sizes_of": like.identity},
    )


def main() -> int:
    """Run; 0 when done, 1 on an error of input."""
    parser = argparse.ArgumentParser(description="Write weights of an untrained network.")
    parser.add_argument("weights")
    parser.add_argument("variants", type=Path)
    parser.add_argument("fasta", type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    return guarded(
        "untrained.py",
        False,
        lambda: write(options.weights, options.variants, options.fasta, options.output, options.seed),
    )


if __name__ == "__main__":
    sys.exit(main())
