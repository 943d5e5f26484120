"""``python -m training data``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.arguments import add_command, read_recipe
from training.data.dataset import MANIFEST, check_replaced, write_dataset
from training.data.prepare import prepare
from training.data.report import REPORT, write_report

if TYPE_CHECKING:
    from training.commands.arguments import Commands

_TEXT = """\
Make bags of variants for training from a table of credible sets (or of summary statistics).
Each block and signal of the table is a positive bag, in which each study keeps its own rows; common
variants near them that the table does not associate are negative bags of one instance (or of as many
as a study has: negatives: {bags: matched}). A recipe such as

  fasta: GRCh37.fa
  data:
    credible_sets: {path: credible_set.txt.gz}         # CAUSALdb2, whose columns are known
    negatives: {vcf: [1000G.chr1.vcf.gz], frequency: AF}
    splits: {validation: ["11", "12"], test: ["9", "10"]}
    min_bag_size: 1

For any other table, name its columns. Here an identifier holds the alleles, the minor allele
frequency and the sample size stand in for standard errors (Bayes factors need one or the other),
and the credible sets of one trait of many are chosen:

    credible_sets:
      path: blood_traits.tsv.gz
      format: table
      columns: {variant: SNP, chrom: CHR, pos: POS, pip: PP, p_value: p.value, z: ZSCORE,
                maf: MAF, study: trait, block: "trait,CHR,region"}
      variant: "{chrom}:{pos}_{other_allele}_{effect_allele}"
      sample_size: 350000
      where: {trait: MPV}

Summary statistics make bags too: LD blocks, or clumps on your genotypes, that have a variant with
p up to 5e-8. The tables of GWAS-SSF, PLINK, REGENIE, SAIGE, BOLT-LMM, FinnGen and others are
recognised by their columns; columns, format, positions and lift_over say what is not:

    summary_statistics:
      path: gwas.regenie.gz
      ld_blocks: {path: ld_blocks.txt, population: EUR}
      # or clumping: {genotypes: [chr1, chr2], r2: 0.1, kb: 250}

For several studies, meta (CAUSALdb's meta.txt) or trait: quantitative | case_control says in which
units effects are expected.

DIR gets bags.parquet, instances.parquet, studies.parquet, evidence.parquet, manifest.json
(configuration, versions, checksums, counts) and report.md, which says what became of every row. Read
it before training: refused rows, REF mismatches and dropped bags reveal a wrong column or another
genome build. Docs: docs/reference/training-data.md, docs/reference/gwas-tables.md.
"""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "data", _data, "make bags for training from credible sets or summary statistics", _TEXT
    )
    command.add_argument(
        "--out", required=True, metavar="DIR", help="folder of the data set, created if missing"
    )


def _data(options: argparse.Namespace) -> None:
    recipe = read_recipe(options)
    out = Path(options.out)
    check_replaced(out)
    dataset = prepare(recipe.fasta, recipe.data)
    write_dataset(out, dataset)
    write_report(out, dataset.manifest)
    for row in dataset.manifest["report"]["bags"]["per_split_and_label"]:
        logging.info(
            "%s, label %d: %d bags with %d instances",
            row["split"],
            row["label"],
            row["bags"],
            row["instances"],
        )
    logging.info("%s says what became of every row; %s has the same as JSON", out / REPORT, out / MANIFEST)
