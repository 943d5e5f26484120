"""The command ``mifm``: parsing and messages only."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.guard import guarded
from mifm_kipoi.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 when done, 1 on an error of input or run time (2, usage, exits)."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.debug else logging.WARNING)
    return guarded("mifm", options.debug, lambda: options.run(options))


def _say(*lines: str) -> None:
    for line in lines:
        print(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mifm",
        description="Scores of causal non-coding variants from sequence (MIFM), as a Kipoi plugin.",
        epilog="The same scores come from Kipoi: kipoi predict MIFM --source=mifm, after 'mifm register'.",
    )
    parser.add_argument("--version", action="version", version=f"mifm {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and log messages")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_score(commands.add_parser("score", help="score the variants of a file, of any size"))
    _add_merge(commands.add_parser("merge", help="join the outputs of 'mifm score --shard'"))
    _add_weights(commands.add_parser("weights", help="list, show, import, fetch and verify weights"))

    command = commands.add_parser("register", help="make the models known to Kipoi as the source 'mifm'")
    command.add_argument(
        "--bare", action="store_true", help="make plain 'kipoi predict MIFM' work too, without --source=mifm"
    )
    command.set_defaults(run=_register)
    command = commands.add_parser("unregister", help="restore the Kipoi configuration")
    command.set_defaults(run=_unregister)

    command = commands.add_parser("demo", help="score variants with 'kipoi predict', rank and plot them")
    command.add_argument("vcf", nargs="?", help="VCF or BCF file (default: the packaged example)")
    command.add_argument("fasta", nargs="?", help="reference genome, FASTA")
    command.add_argument(
        "-o", "--output", default="demo", help="folder for the table and the plot (default: demo)"
    )
    command.add_argument("--top", type=_positive, default=15, help="rows to print (default: 15)")
    command.set_defaults(run=_demo, fail=command.error)
    _add_mutagenesis(
        commands.add_parser(
            "mutagenesis",
            help="scores with every base of a window or region exchanged for every other",
            description=_MUTAGENESIS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    return parser


_MUTAGENESIS = """\
Exchange every base for every other, and score each exchange (saturation mutagenesis).

--centre variant    What in the sequence supports the score of this variant? The window of 512 bp stays
                    centred on the variant, or on the centre of the interval, and its bases are exchanged.
--centre position   Which scores have all SNVs of the region? Each position in turn is the centre of its
                    own window: what the model says of each SNV, as for variants of a VCF."""


def _add_mutagenesis(command: argparse.ArgumentParser) -> None:
    command.add_argument("fasta", help="reference genome, FASTA, plain or bgzipped")
    where = command.add_mutually_exclusive_group(required=True)
    where.add_argument("--bed", help="regions: a BED file")
    where.add_argument("--vcf", help="variants: a VCF or BCF file; only REF and its surroundings matter")
    command.add_argument(
        "-o", "--output", required=True, help="a table, one row per exchange (.parquet), or arrays (.h5)"
    )
    command.add_argument(
        "--centre",
        choices=["variant", "position"],
        default="variant",
        help="what is at the centre of the window, see above (default: variant)",
    )
    command.add_argument(
        "--flank",
        metavar="BASES",
        type=_not_negative,
        help="with --vcf, bases on either side of REF to exchange (default: the whole window with --centre "
        "variant, 0 with --centre position)",
    )
    command.add_argument("--plot", metavar="FIGURE", help="a figure of each region (.png, .svg, .pdf)")
    command.add_argument("--bigwig", metavar="PREFIX", help="tracks for a genome browser: PREFIX.<track>.bw")
    command.add_argument("--weights", default="embedded", help="name or path (default: embedded)")
    command.add_argument(
        "--max-unknown-share",
        metavar="SHARE",
        type=_share,
        help="largest share of N in a window that is scored (default: 0.1)",
    )
    command.add_argument(
        "--max-mismatch-share",
        metavar="SHARE",
        type=_share,
        help="largest share of REF alleles that may differ from the FASTA (default: 0.01; 1: no check)",
    )
    command.set_defaults(run=_mutagenesis, fail=command.error)


def _not_negative(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, such as 2/8")
    return int(part), int(parts)


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Score every alternative allele of a VCF or BCF file. Nothing is dropped: what cannot be scored "
        "keeps its row, with a status that says why. The format of OUT is that of its name: .tsv, .tsv.gz, "
        ".vcf, .vcf.gz, .bcf or .parquet. OUT.json says what made it."
    )
    parser.add_argument("variants", help="VCF (plain, gzip, bgzip) or BCF file; - is standard input")
    parser.add_argument("fasta", help="reference genome, plain or bgzip")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="file of scores")
    group = parser.add_argument_group("what is scored")
    group.add_argument("--regions", metavar="BED", help="only variants that overlap these regions")
    group.add_argument(
        "--drop-samples", action="store_true", help="leave genotypes out of VCF and BCF output"
    )
    group.add_argument(
        "--shard", type=_shard, metavar="I/N", help="only part I of N; 'mifm merge' joins the parts"
    )
    group.add_argument(
        "--max-unknown-share", type=_share, default=0.1, metavar="SHARE",
        help="largest share of N in a window that is scored (default: 0.1)",
    )  # fmt: skip
    group.add_argument(
        "--max-mismatch-share", type=_share, default=0.01, metavar="SHARE",
        help="largest share of REF alleles that may differ from the FASTA (default: 0.01; 1: any)",
    )  # fmt: skip
    group = parser.add_argument_group("scores")
    group.add_argument(
        "--weights", nargs="+", default=["embedded"], metavar="NAME",
        help="names or paths; with several, columns end in their names (default: embedded)",
    )  # fmt: skip
    group.add_argument(
        "--reverse-complement", action="store_true", help="add columns averaged over both strands"
    )
    group.add_argument(
        "--shift", type=int, default=0, metavar="BASES",
        help="add columns averaged over windows shifted by up to so many bases to either side",
    )  # fmt: skip
    group = parser.add_argument_group("run")
    group.add_argument("--resume", action="store_true", help="go on with a run that was killed")
    group.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)"
    )
    group.add_argument("--batch-size", type=_positive, metavar="N", help="windows at once (default: 256)")
    group.add_argument(
        "--workers",
        type=_not_negative,
        default=0,
        metavar="N",
        help="processes that score side by side (default: 0, none)",
    )
    group.add_argument(
        "--threads", type=_positive, metavar="N",
        help="threads of each process (default: all cores; 1 with --workers)",
    )  # fmt: skip
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )
    parser.set_defaults(run=_score)


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Join the outputs of all parts of one run, in any order; their manifests must lie beside them."
    )
    parser.add_argument("parts", nargs="+", metavar="PART", help="outputs of 'mifm score --shard I/N'")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="file of the same format")
    parser.set_defaults(run=_merge)


def _score(options: argparse.Namespace) -> None:
    from mifm_kipoi.runs import ScoringRun
    from mifm_kipoi.scoring import ScoringOptions

    run = ScoringRun(
        variants=options.variants,
        fasta=Path(options.fasta),
        output=Path(options.output),
        options=ScoringOptions(
            weights=tuple(options.weights),
            reverse_complement=options.reverse_complement,
            shift=options.shift,
            max_unknown_share=options.max_unknown_share,
            max_mismatch_share=options.max_mismatch_share,
        ),
        regions=options.regions and Path(options.regions),
        drop_samples=options.drop_samples,
        shard=options.shard,
        resume=options.resume,
        device=options.device,
        batch_size=options.batch_size,
        threads=options.threads,
        workers=options.workers,
        progress=options.progress,
    )
    _say(*_summary(run(), options.output))


def _merge(options: argparse.Namespace) -> None:
    from mifm_kipoi.merging import merge

    _say(*_summary(merge([Path(part) for part in options.parts], Path(options.output)), options.output))


def _summary(manifest: dict[str, Any], output: str) -> list[str]:
    """What a run did, for people."""
    counts = ", ".join(f"{count} {status}" for status, count in manifest["status"].items())
    first, last = manifest["records"]
    lines = [f"{manifest['rows']} rows of {last - first} records: {counts or 'no variant'}"]
    lines.append(f"{manifest['seconds']:.1f} s, {manifest['rows_per_second']:,.0f} rows/s")
    files = [output, f"{output}.json"]
    if manifest["index"]:
        files.insert(1, str(Path(output).with_name(manifest["index"])))
    elif output.endswith((".gz", ".bcf")):
        lines.append("not indexed, since the variants are not sorted")
    return [*lines, f"written: {', '.join(files)}"]


def _add_weights(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser("list", help="the weights that can be used now")
    command.set_defaults(run=_weights_list)
    command = commands.add_parser("show", help="what made some weights, and their network")
    command.add_argument("name", nargs="?", default="embedded", help="name or path (default: embedded)")
    command.set_defaults(run=_weights_show)
    command = commands.add_parser("import", help="install a .safetensors file or the authors' checkpoint")
    command.add_argument("path", help="the file; a checkpoint is read without executing its pickle")
    command.add_argument("--name", help="name to install under")
    command.set_defaults(run=_weights_import)
    command = commands.add_parser("fetch", help="download the published weights")
    command.add_argument("name", choices=["published"])
    command.set_defaults(run=_weights_fetch)
    command = commands.add_parser("verify", help="check weights against their checksums")
    command.add_argument("names", nargs="*", help="names or paths (default: all)")
    command.set_defaults(run=_weights_verify)


def _weights_list(_: argparse.Namespace) -> None:
    from mifm_kipoi import weights

    for name in weights.list_weights():
        _say(f"{name}\t{weights.find_weights(name)}")
    if weights.PUBLISHED not in weights.list_weights():
        _say("published\tnot installed: mifm weights fetch published, or mifm weights import a7a0q7ar.ckpt")


def _weights_show(options: argparse.Namespace) -> None:
    from mifm_kipoi import weights

    found = weights.load_weights(options.name)
    parameters = sum(parameter.numel() for parameter in found.model().parameters())
    _say(
        f"name\t{found.name}",
        f"path\t{found.path}",
        f"parameters\t{parameters}",
        f"tensors sha256\t{found.sha256}",
        f"configuration\t{json.dumps(found.config.to_dict())}",
        f"provenance\t{json.dumps(found.provenance, indent=2)}",
    )


def _weights_import(options: argparse.Namespace) -> None:
    from mifm_kipoi import weights

    found = weights.import_weights(options.path, options.name)
    _say(f"installed {found.name} as {found.path}")


def _weights_fetch(_: argparse.Namespace) -> None:
    from mifm_kipoi import weights

    found = weights.fetch_published()
    _say(f"installed {found.name} as {found.path}")


def _weights_verify(options: argparse.Namespace) -> None:
    from mifm_kipoi import weights

    for name in options.names or weights.list_weights():
        _say(f"{name}\tok\tsha256 {weights.verify_weights(name).sha256}")


def _register(options: argparse.Namespace) -> None:
    from mifm_kipoi.kipoi import sources

    command = "kipoi predict MIFM" if options.bare else f"kipoi predict MIFM --source={sources.SOURCE}"
    _say(*sources.register(options.bare), f"now: {command} ...; undo with: mifm unregister")


def _unregister(_: argparse.Namespace) -> None:
    from mifm_kipoi.kipoi import sources

    _say(*sources.unregister())


def _demo(options: argparse.Namespace) -> None:
    from mifm_kipoi.kipoi import demo

    if (options.vcf is None) != (options.fasta is None):
        options.fail("give both a VCF and a FASTA file, or neither for the packaged example")
    _say(*demo.run(options.vcf, options.fasta, Path(options.output), options.top))


def _mutagenesis(options: argparse.Namespace) -> None:
    # Spelt out here, for the modules that define them take seconds to import.
    for option, suffixes in (("output", (".parquet", ".h5")), ("plot", (".png", ".svg", ".pdf"))):
        path = getattr(options, option)
        if path is not None and Path(path).suffix not in suffixes:
            options.fail(f"--{option} is {path!r}; expected a name that ends in {', '.join(suffixes)}")
    if options.flank is not None and options.vcf is None:
        options.fail("--flank goes with --vcf; a BED file says itself which bases to exchange")

    from mifm_kipoi import mutagenesis_run

    _say(
        *mutagenesis_run.run(
            mutagenesis_run.Request(
                fasta=options.fasta,
                bed=options.bed,
                vcf=options.vcf,
                output=options.output,
                centre=options.centre,
                flank=options.flank,
                plot=options.plot,
                bigwig=options.bigwig,
                weights=options.weights,
                **{
                    name: getattr(options, name)
                    for name in ("max_unknown_share", "max_mismatch_share")
                    if getattr(options, name) is not None
                },
            )
        )
    )


if __name__ == "__main__":
    sys.exit(main())
