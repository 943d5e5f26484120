"""``mifm compare`` with five models that need no GPU, against ``mifm score`` alone.

    python -m benchmarks.speed.compare --vcf VARIANTS.vcf.gz --fasta GENOME.fa

All variants of the file are scored by MIFM, a file in CADD's format, a table, p-values and Bayes factors. The
files are made for the purpose, with random numbers for the file's SNVs. Both commands run in processes of
their own, interleaved and repeated; the medians are compared.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from benchmarks.speed import measuring


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.compare", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--vcf", required=True, help="variants")
    parser.add_argument("--fasta", required=True, help="their genome")
    measuring.add_arguments(parser, "compare", 3)
    measuring.report(parser.parse_args(arguments), measure, table)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Medians in seconds, and what they are made of."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = folder / "comparison"
        models = write_tables(options.vcf, folder)
        common = [options.vcf, options.fasta, "--threads", str(options.threads)]

        def compare() -> None:
            shutil.rmtree(out, ignore_errors=True)
            mifm("compare", *common, "--models", "mifm", *models, "-o", str(out))

        ways = {
            "compare": compare,
            "score": lambda: mifm("score", *common, "-o", str(folder / "scores.parquet")),
        }
        seconds, _ = measuring.median_seconds(ways, options.repeats)
        manifest = json.loads((out / "comparison.json").read_text())
        own = {model["label"]: model["seconds"] for model in manifest["models"]}
        return {
            "variants": len(pd.read_parquet(out / "scores.parquet", columns=["pos"])),
            "compare_s": round(seconds["compare"], 1),
            "score_s": round(seconds["score"], 1),
            "compare_over_score": round(seconds["compare"] / seconds["score"], 2),
            "models_s": own,
            "report_mb": round((out / "report.html").stat().st_size / 1e6, 2),
        }


def write_tables(vcf: str, folder: Path) -> list[str]:
    """Write a file in CADD's format, a table and summary statistics of the SNVs: models that read them."""
    snvs = pd.DataFrame(
        [(variant.chrom, variant.pos, variant.ref, variant.alt) for variant in measuring.read_snvs(vcf)],
        columns=["#Chrom", "Pos", "Ref", "Alt"],
    ).drop_duplicates()
    generator = np.random.default_rng(1)
    raw, z = generator.normal(size=(2, len(snvs)))
    cadd, own, gwas = folder / "cadd.tsv", folder / "own.tsv", folder / "gwas.tsv"
    with cadd.open("w") as file:
        file.write("## CADD GRCh37-v1.7 (numbers are random)\n")
        snvs.assign(RawScore=raw.round(6), PHRED=np.abs(raw).round(3)).to_csv(file, sep="\t", index=False)
    indexed = pysam.tabix_index(str(cadd), seq_col=0, start_col=1, end_col=1, meta_char="#", force=True)
    named = snvs.set_axis(["chrom", "pos", "ref", "alt"], axis="columns")
    named.assign(own=generator.random(len(named))).to_csv(own, sep="\t", index=False)
    p_value = np.exp(-np.abs(z))
    named.rename(columns={"ref": "other_allele", "alt": "effect_allele"}).assign(
        beta=(0.02 * z).round(6), standard_error=0.02, p_value=p_value
    ).to_csv(gwas, sep="\t", index=False)
    return [f"cadd:{indexed}", f"table:{own}:own", f"pvalue:{gwas}", f"abf:{gwas}"]


def mifm(*arguments: str) -> None:
    """Run the command in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "mifm_kipoi.cli", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    models = ", ".join(f"{label} {seconds}" for label, seconds in figures["models_s"].items())
    return "\n".join(
        (
            f"{figures['variants']} variants, {figures['threads']} threads, median of {figures['repeats']}",
            "",
            "| way | seconds | time / `mifm score` |",
            "| --- | ---: | ---: |",
            f"| `mifm compare`, five models and the report | {figures['compare_s']} | "
            f"{figures['compare_over_score']} |",
            f"| `mifm score` | {figures['score_s']} | 1.0 |",
            "",
            f"Seconds of the models' own processes, without their start: {models}. The page has "
            f"{figures['report_mb']} MB.",
        )
    )


if __name__ == "__main__":
    main()
