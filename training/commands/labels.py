"""``python -m training labels``."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.files import written_whole
from training.data.dataset import Split, read_dataset
from training.data.labels import matched_labels

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Make labels for a test of scores on held-out bags: variants of high PIP, each with the variants of low PIP of
the same bag that lie nearest to it. 'mifm compare' scores the table, 'mifm evaluate ranking' evaluates it.
"""

_EPILOG = """\
example:
  python -m training labels --data mifm/data --out labels.tsv
  mifm compare labels.tsv hg19.fa -o tested \\
    --models mine=mifm:mifm/model/mifm-trained.safetensors,published,table:labels.tsv:lead_proximity
  mifm evaluate ranking tested/scores.parquet --labels labels.tsv --held-out 9,10 -o tested/ranking
"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "labels",
        help="labels of held-out variants by their PIPs, for a test of scores",
        description=_TEXT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--data", required=True, metavar="DIR", help="data set made by 'python -m training data'"
    )
    command.add_argument(
        "--split", choices=[split.value for split in Split], default=Split.TEST.value,
        help="bags to label (default: test)",
    )  # fmt: skip
    command.add_argument("--positive", type=float, default=0.9, help="PIPs above are positive (default: 0.9)")
    command.add_argument(
        "--negative", type=float, default=0.01, help="PIPs below are negative (default: 0.01)"
    )
    command.add_argument(
        "--matched", type=int, default=9, help="negative variants for each positive one (default: 9)"
    )
    command.add_argument("--out", required=True, metavar="TSV", help="table of labels")
    command.set_defaults(run=_labels)


def _labels(options: argparse.Namespace) -> None:
    part = read_dataset(options.data).part(Split(options.split))
    labels = matched_labels(part, options.positive, options.negative, options.matched)
    groups = labels.table["match_group"].nunique()
    if not groups:
        raise InputError(
            f"of the {options.split} bags of {options.data}, {labels.positives} variants have a PIP above "
            f"{options.positive:g}, and none of these a variant of PIP below {options.negative:g} in its "
            "bag; choose other bounds with --positive and --negative, or another --split"
        )
    with written_whole(options.out) as path:
        labels.table.to_csv(path, sep="\t", index=False)
    reached = labels.table["locus"].nunique()
    logging.info(
        "%s: %d of %d variants of PIP above %g, at %d %s, with %d of PIP below %g beside them",
        options.out, groups, labels.positives, options.positive, reached,
        "locus" if reached == 1 else "loci", len(labels.table) - groups, options.negative,
    )  # fmt: skip
    if 2 * groups < labels.positives:
        logging.warning(
            "%d variants of PIP above %g have no variant of PIP below %g in their bag. A table that lists "
            "higher PIPs alone has none: --negative takes a higher bound",
            labels.positives - groups, options.positive, options.negative,
        )  # fmt: skip
