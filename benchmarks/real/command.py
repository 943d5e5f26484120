"""``python -m benchmarks real blood-traits | kircher | published-network | placed``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.real.blood_traits import Enrichment, enrichments, read_rows, write_variants
from mifm_kipoi import Genome
from mifm_kipoi.errors import OptionError, WeightsError
from mifm_kipoi.network.weights import PUBLISHED, find_weights, tensors_sha256
from mifm_kipoi.reports.page import Section, Table, decimal, markdown, with_interval
from mifm_kipoi.support.files import made_folder, sha256_of, written_whole
from mifm_kipoi.version import __version__


def add(commands: Any) -> None:
    """The command ``real`` and its subcommands."""
    real = commands.add_parser("real", help="scores against real data")
    subcommands = real.add_subparsers(title="benchmarks", required=True, metavar="BENCHMARK")
    blood = subcommands.add_parser(
        "blood-traits", help="PIPs of blood traits in the variants that scores put first"
    )
    blood.add_argument("--table", required=True, help="ukb_blood_traits.finemap.tsv.gz")
    blood.add_argument("--fasta", required=True, help="genome of GRCh37, or some of its contigs")
    _add_common(blood)
    blood.set_defaults(run=_blood_traits)
    kircher = subcommands.add_parser(
        "kircher", help="measured effects of all substitutions in regulatory elements"
    )
    kircher.add_argument("--table", required=True, help="kircher_satmut_GRCh37.tsv.gz")
    kircher.add_argument("--fasta", help="genome; without it windows hold N around the elements")
    _add_common(kircher)
    kircher.set_defaults(run=_kircher)
    network = subcommands.add_parser(
        "published-network", help="how far a network is from an untrained one, and what its logits react to"
    )
    network.add_argument(
        "--weights",
        default=PUBLISHED,
        help="named weights, a .safetensors file, or the authors' checkpoint .ckpt (default: published)",
    )
    network.add_argument("--fasta", required=True, help="genome of GRCh37, or some of its contigs")
    network.add_argument("--contig", default="20", help="where positions are drawn (default: 20)")
    network.add_argument("--positions", type=int, default=4000, help="how many (default: 4000)")
    network.add_argument("--untrained", type=int, default=5, help="networks beside it (default: 5)")
    network.add_argument("--seed", type=int, default=1, help="of the positions (default: 1)")
    network.add_argument("--out", required=True, help="folder of the outputs")
    network.set_defaults(run=_published_network)
    placed = subcommands.add_parser(
        "placed",
        help="credible sets on simulated sequence, to rehearse training without a genome",
        description="Place a table of credible sets on random sequence: DIR gets a FASTA in which an allele "
        "of each variant stands at its position, the table with positions moved together, common variants "
        "and a recipe, ready for 'python -m training run --config default DIR/recipe.yaml'. Nothing can be "
        "learnt from random sequence, which the verdict has to say.",
    )
    placed.add_argument(
        "--table", help="credible sets in CAUSALdb2's columns, or in those that --config names"
    )
    placed.add_argument(
        "--config", nargs="+", default=[], metavar="FILE",
        help="recipes for training, of which data.credible_sets is used",
    )  # fmt: skip
    placed.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="entries that override those of the recipes, such as data.credible_sets.trait=quantitative",
    )  # fmt: skip
    placed.add_argument("--seed", type=int, default=1, help="of bases and common variants (default: 1)")
    placed.add_argument("--out", required=True, metavar="DIR", help="folder of the outputs")
    placed.set_defaults(run=_placed)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, help="folder of the outputs")
    parser.add_argument(
        "--models",
        nargs="+",
        default=["mifm", PUBLISHED],
        help="as of mifm compare (default: mifm published)",
    )


def _available(models: Sequence[str]) -> list[str]:
    """The models, without the published weights where these are not at hand."""
    try:
        find_weights(PUBLISHED)
    except WeightsError:
        print("published is left out: 'mifm weights fetch published' gets it")
        return [model for model in models if model != PUBLISHED]
    return list(models)


def _blood_traits(options: argparse.Namespace) -> None:
    from mifm_kipoi.baselines.specs import Spec, parse_specs
    from mifm_kipoi.comparison.run import ComparisonRun

    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    vcf, associations = folder / "variants.vcf", folder / "associations.tsv"
    rows = read_rows(Path(options.table), Path(options.fasta))
    variants = write_variants(rows, vcf, associations)
    specs = [*parse_specs(_available(options.models)), Spec("p_value", "pvalue", str(associations))]
    run = ComparisonRun(vcf, Path(options.fasta), specs, folder / "comparison")
    run.run(print)
    scores = pd.read_parquet(folder / "comparison" / "scores.parquet")
    manifest = json.loads((folder / "comparison" / "comparison.json").read_text())
    columns = [
        f"{model['label']}.{score['name']}"
        for model in manifest["models"]
        if model["label"] != "p_value"
        for score in model["declaration"]["scores"]
        if score["ranks"]
    ]
    measured = enrichments(rows, scores, columns)
    with written_whole(folder / "enrichment.json") as temporary:
        figures = {
            "mifm_kipoi": __version__,
            "table": {"name": Path(options.table).name, "sha256": sha256_of(options.table)},
            "fasta": {"name": Path(options.fasta).name, "sha256": sha256_of(options.fasta)},
            "blocks": int(rows["block"].nunique()),
            "places": int(rows["locus"].nunique()),
            "rows": len(rows),
            "variants": variants,
            "enrichment": [_plain(each) for each in measured],
        }
        temporary.write_text(json.dumps(figures, indent=1) + "\n")
    text = markdown("PIPs of blood traits in the variants that scores put first", [_section(rows, measured)])
    with written_whole(folder / "enrichment.md") as temporary:
        temporary.write_text(text)
    print(text)


def _plain(measured: Enrichment) -> dict[str, object]:
    """As plain JSON types, which have no NaN: null where there is no interval."""
    ratio = {name: number if math.isfinite(number) else None for name, number in vars(measured.ratio).items()}
    return {**dataclasses.asdict(measured), "ratio": ratio}


def _section(rows: pd.DataFrame, measured: Sequence[Enrichment]) -> Section:
    table = Table(
        ("score", "top", "blocks", "variants", "mean PIP of the top / of all", "permutation p"),
        tuple(
            (
                each.score, str(each.top), str(each.blocks), str(each.variants),
                with_interval(decimal, each.ratio.value, each.ratio.low, each.ratio.high),
                f"{each.p_value:.4f}",
            )
            for each in measured
        ),
    )  # fmt: skip
    return Section(
        "Enrichment",
        (
            f"{len(rows)} rows of {rows['block'].nunique()} blocks (regions of traits) at "
            f"{rows['locus'].nunique()} loci. 1 is chance. Intervals resample loci, and are too narrow with "
            "fewer than about 20; p-values permute scores between the variants of a locus. The PIPs come "
            "from the blocks' own p-values: their figure is circular and only a yardstick.",
            table,
        ),
    )


def _kircher(options: argparse.Namespace) -> None:
    from mifm_kipoi.baselines.specs import parse_specs
    from mifm_kipoi.evaluation.mpra.run import MPRARun

    run = MPRARun(
        table=Path(options.table),
        folder=Path(options.out),
        specs=parse_specs(_available(options.models)),
        fasta=options.fasta and Path(options.fasta),
    )
    print(*run.run().summary, sep="\n")


def _published_network(options: argparse.Namespace) -> None:
    from benchmarks.real import network_report, published_network

    if options.untrained < 3:
        raise OptionError(f"--untrained is {options.untrained}; expected 3 or more, to see their spread")
    network = published_network.read_network(options.weights)
    genome = Genome(options.fasta)
    windows = published_network.draw_windows(genome, options.contig, options.positions, options.seed)
    folder = made_folder(Path(options.out))
    facts = {
        "mifm_kipoi": __version__,
        "weights": Path(options.weights).name,
        "tensors_sha256": tensors_sha256(network.state_dict()),
        "fasta": {"name": genome.path.name, "sha256": sha256_of(genome.path)},
        "contig": genome.find_contig(options.contig),
        "positions": options.positions,
        "seed": options.seed,
    }
    seeds = range(options.untrained)
    measured = published_network.compare(Path(options.weights).name, network, windows, seeds)
    print(network_report.write(folder, facts, *measured))


def _placed(options: argparse.Namespace) -> None:
    from benchmarks.real.placed import Placement
    from training.configuration import read_configuration
    from training.recipe import Recipe

    # JSON's texts are YAML's.
    table = [f"data.credible_sets.path={json.dumps(options.table)}"] if options.table else []
    recipe = read_configuration(options.config, Recipe, [*options.set, *table])
    if recipe.data.credible_sets is None:
        raise OptionError("no credible sets are named: give --table, or a recipe with data.credible_sets")
    placed = Placement(recipe.data.credible_sets, Path(options.out), options.seed).run()
    print(placed.in_words(Path(options.out)))
