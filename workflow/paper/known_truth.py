"""What the paper's evaluations need of a simulated cohort beside its files.

python known_truth.py COHORT OUT

OUT gets ``scores.tsv.gz`` (a score that knows the rule), ``scoring_files/`` (the true effects of each trait
as polygenic scores, which bound all others) and ``targets.bed`` (the people of the three populations).
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from benchmarks.polygenic import inputs
from mifm_kipoi.support.files import made_folder, written_whole
from mifm_kipoi.support.guard import guarded


def write(cohort: Path, out: Path) -> None:
    """Write the files; the fileset comes last.

    Parameters
    ----------
    cohort : Path
        Output of ``python -m benchmarks cohort``.
    out : Path
    """
    made_folder(out)
    with written_whole(out / "scores.tsv.gz") as temporary:
        inputs.scores_table(cohort, {}, out, 1).to_csv(temporary, sep="\t", index=False, compression="gzip")
    inputs.write_truth(cohort, out / "scoring_files")
    inputs.merge_targets(cohort, out / "targets")


def main() -> int:
    """Run; 0 when done, 1 on an error of input."""
    parser = argparse.ArgumentParser(description="Write the truth of a simulated cohort.")
    parser.add_argument("cohort", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return guarded("known_truth.py", False, lambda: write(options.cohort, options.out))


if __name__ == "__main__":
    sys.exit(main())
