"""``mifm evaluate motifs``."""

from __future__ import annotations

import argparse
from pathlib import Path

from mifm_kipoi.commands.arguments import add_list, not_negative, positive, say


def add_motifs(parser: argparse.ArgumentParser) -> None:
    """``mifm evaluate motifs``."""
    parser.description = (
        "Find patterns in the attributions of a network (TF-MoDISco), and the known motifs that they "
        "resemble (TOMTOM), beside what an untrained network of the same sizes gives. Writes tables, hits as "
        "BED, patterns in MEME's format, logos and one page."
    )
    parser.add_argument("attributions", help="file of 'mifm attribute'")
    add_list(parser, "--motifs", "FILE", "known motifs in MEME's format, such as HOCOMOCO's", required=True)
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    add_list(
        parser,
        "--null",
        "FILE",
        "attributions of the same windows by untrained networks ('mifm attribute --untrained SEED')",
        default=(),
    )
    group = parser.add_argument_group("search")
    group.add_argument(
        "--seqlets", type=positive, metavar="N",
        help="seqlets of each sign, at most (default: 2000; 200000 in the paper)",
    )  # fmt: skip
    group.add_argument(
        "--windows", type=positive, metavar="N", help="windows, at most, drawn at random (default: 20000)"
    )
    group.add_argument(
        "--as-in-paper", action="store_true", help="200,000 seqlets of each sign, of all windows"
    )
    group.add_argument(
        "--seed", type=not_negative, default=0, metavar="N",
        help="of the order of the windows (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--repeat", action="store_true",
        help="search a second time, with the windows in another order, to see which patterns come again",
    )  # fmt: skip
    group.add_argument(
        "--resume", action="store_true",
        help="take the patterns that a run of the same attributions and options has left in DIR",
    )  # fmt: skip
    group.add_argument(
        "--threads", type=positive, metavar="N",
        help="of TF-MoDISco and TOMTOM (default: the CPUs that this process may use)",
    )  # fmt: skip
    parser.set_defaults(run=_motifs, fail=parser.error)


def _motifs(options: argparse.Namespace) -> None:
    if options.as_in_paper and (options.seqlets or options.windows):
        options.fail("--as-in-paper sets --seqlets and --windows; leave them out")

    from mifm_kipoi.evaluation.motifs.discovery import PAPER_SEQLETS, DiscoveryOptions
    from mifm_kipoi.evaluation.motifs.run import MotifsRun

    if options.as_in_paper:
        discovery = DiscoveryOptions(PAPER_SEQLETS, None, options.seed)
    else:
        default = DiscoveryOptions()
        discovery = DiscoveryOptions(
            options.seqlets or default.seqlets, options.windows or default.windows, options.seed
        )
    run = MotifsRun(
        attributions=Path(options.attributions),
        motifs=tuple(map(Path, options.motifs)),
        folder=Path(options.output),
        nulls=tuple(map(Path, options.null)),
        options=discovery,
        repeat=options.repeat,
        resume=options.resume,
        threads=options.threads,
    )
    result = run.run(say)
    say(*result.summary, *result.cautions, f"written: {', '.join(map(str, result.files))}")
