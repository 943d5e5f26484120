"""``mifm pgs ancestry``."""

from __future__ import annotations

import argparse
import typing
from pathlib import Path

from mifm_kipoi.commands.arguments import fraction, not_negative, note, positive, say


def add_pgs_ancestry(parser: argparse.ArgumentParser) -> None:
    """``mifm pgs ancestry``."""
    parser.description = (
        "Label people by ancestry: place them on the principal components of a labelled reference panel, "
        "without shrinkage, and give them the group of the panel's people near them, with probabilities. "
        "Held-out people of the panel say how often that is right."
    )
    parser.add_argument(
        "genotypes", nargs="+",
        help="genotypes of the people: PLINK 1, PLINK 2, VCF or BCF; several files of the same people, such "
        "as one per chromosome, belong together",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    group = parser.add_argument_group("reference panel")
    group.add_argument(
        "--reference", nargs="+", required=True, metavar="FILE",
        help="its genotypes, of the genome build of GENOTYPES",
    )  # fmt: skip
    group.add_argument(
        "--labels", required=True, metavar="TABLE", help="its people and their labels, such as a .psam file"
    )
    group.add_argument(
        "--label", default="ancestry", metavar="COLUMN", help="column of labels (default: %(default)s)"
    )
    group.add_argument(
        "--everyone", action="store_true",
        help="use people of the panel who have parents in it, too (default: founders)",
    )  # fmt: skip
    group = parser.add_argument_group("axes")
    group.add_argument(
        "--components", type=positive, default=10, metavar="N", help="axes that count (default: %(default)s)"
    )
    group.add_argument(
        "--min-maf", type=fraction, default=0.01, metavar="F",
        help="lowest frequency of a variant's rarer allele in the panel (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--min-call-rate", type=fraction, default=0.95, metavar="F",
        help="lowest fraction of people with a variant's genotype (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--max-r2", type=fraction, default=0.2, metavar="R2",
        help="highest squared correlation of two variants of the axes (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--window-kb", type=float, default=500, metavar="KB",
        help="within this distance (default: %(default)s)",
    )  # fmt: skip
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--method", choices=("knn", "centroid"), default="knn",
        help="knn: the most frequent group among the nearest people; centroid: the group with the nearest "
        "mean (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--neighbours", type=positive, default=20, metavar="N",
        help="people of the panel that count as near (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--min-probability", type=fraction, default=0.75, metavar="P",
        help="lowest probability of a label (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--max-isolation", type=float, default=2.0, metavar="X",
        help="farthest from the panel's people, in units of the edge of the group (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--folds", type=positive, default=5, metavar="N",
        help="of the panel's people, each labelled by the others (default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--seed", type=not_negative, default=1, metavar="N", help="of the folds (default: 1)")
    group = parser.add_argument_group("run")
    group.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="that decode genotypes (default: 1)"
    )
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )
    parser.set_defaults(run=_ancestry)


def _ancestry(options: argparse.Namespace) -> None:
    from mifm_kipoi.genetics.ancestry import AssignmentOptions, AxesOptions, Method
    from mifm_kipoi.polygenic.ancestry.run import PgsAncestryRun

    run = PgsAncestryRun(
        genotypes=tuple(map(Path, options.genotypes)),
        reference=tuple(map(Path, options.reference)),
        labels=Path(options.labels),
        folder=Path(options.output),
        label=options.label,
        axes=AxesOptions(
            options.components, options.min_maf, options.min_call_rate, options.max_r2, options.window_kb
        ),
        assignment=AssignmentOptions(
            typing.cast("Method", options.method), options.neighbours, options.min_probability,
            options.max_isolation,
        ),
        everyone=options.everyone,
        folds=options.folds,
        seed=options.seed,
        threads=options.threads,
    )  # fmt: skip
    result = run.run(note(options.progress))
    say(*result.summary, *result.findings.cautions(), f"written: {', '.join(map(str, result.files))}")
