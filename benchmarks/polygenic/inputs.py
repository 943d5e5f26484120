"""What ``mifm pgs run`` takes, made of the files of a cohort (``python -m benchmarks cohort``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from bed_reader import open_bed, to_bed

from benchmarks.cohort.sizes import TRAITS
from mifm_kipoi.polygenic.scoring_files import write_scoring_file
from mifm_kipoi.scoring.run import ScoringRun
from mifm_kipoi.scoring.scorer import ScoringOptions
from mifm_kipoi.support.files import made_folder, written_whole

VARIANT = ["chrom", "pos", "ref", "alt"]
TARGETS = ("CEU", "YRI", "CHB")
"""Populations of the people that scores are applied to."""

ORACLE = "truth"
"""Method of the scores that have the true effects of all causal variants that are in the files."""


def scores_table(
    cohort: Path, networks: Mapping[str, Sequence[Path]], out: Path, threads: int
) -> pd.DataFrame:
    """The cohort's variants with scores that know the rule, and those of networks.

    Parameters
    ----------
    cohort : Path
        Folder of the cohort.
    networks : mapping of str to sequence of Path
        Weights by the name of the column; of several, the mean logit is taken.
    out : Path
        Folder of the outputs of ``mifm score``.
    threads : int
        Of the networks.

    Returns
    -------
    pandas.DataFrame
        ``chrom, pos, ref, alt``, a column for each network (the score of the reference window), and
        ``oracle``, the change of affinity of variants that the rule makes causal, else 0.
    """
    truth = pd.read_parquet(cohort / "truth" / "variants.parquet")
    table = truth[VARIANT].copy()
    for name, weights in networks.items():
        logits = [
            _logits(cohort, path, made_folder(out) / f"{name}.{number}.tsv.gz", threads)
            for number, path in enumerate(weights, start=1)
        ]
        merged = [table[VARIANT].merge(one, on=VARIANT, how="left", validate="1:1") for one in logits]
        mean = np.mean([one["mifm_logit_ref"].to_numpy(np.float64) for one in merged], axis=0)
        table[name] = 1 / (1 + np.exp(-mean))
    table["oracle"] = truth["score_optimal"].to_numpy(np.float64)
    return table


def _logits(cohort: Path, weights: Path, output: Path, threads: int) -> pd.DataFrame:
    run = ScoringRun(
        str(cohort / "variants.vcf.gz"), cohort / "genome.fa", output, ScoringOptions((str(weights),)),
        threads=threads, resume=True,
    )  # fmt: skip
    run.run()
    return pd.read_csv(output, sep="\t", dtype={"chrom": str})


def write_truth(cohort: Path, folder: Path) -> list[Path]:
    """Scoring files with the true effects of each trait, which bound all others from above.

    Parameters
    ----------
    cohort : Path
        Folder of the cohort.
    folder : Path
        Gets ``truth.TRAIT.txt.gz``.
    """
    truth = pd.read_parquet(cohort / "truth" / "variants.parquet")
    made_folder(folder)
    files = []
    for trait in TRAITS:
        own = truth[truth[f"effect_{trait.name}"] != 0]
        rows = pd.DataFrame(
            {
                "chrom": own["chrom"], "pos": own["pos"], "id": own["id"], "effect_allele": own["alt"],
                "other_allele": own["ref"], "weight": own[f"effect_{trait.name}"],
            }
        )  # fmt: skip
        path = folder / f"{ORACLE}.{trait.name}.txt.gz"
        header = {"weight_type": "true effect of one copy"}
        write_scoring_file(
            path, rows, name=f"{ORACLE}.{trait.name}", trait=trait.name, build="", header=header
        )
        files.append(path)
    return files


def merge_targets(cohort: Path, prefix: Path) -> None:
    """One fileset of the people of all target samples, who are in three in the cohort.

    Parameters
    ----------
    cohort : Path
        Folder of the cohort.
    prefix : Path
        Of the ``.bed``, ``.bim`` and ``.fam`` that are written.
    """
    files = [open_bed(cohort / "genotypes" / f"{name}_target.bed") for name in TARGETS]
    first = files[0]
    for file in files[1:]:
        for field in ("sid", "chromosome", "bp_position", "allele_1", "allele_2"):
            if not np.array_equal(getattr(first, field), getattr(file, field)):
                raise ValueError(f"{file.filepath} has another {field} than {first.filepath}")
    genotypes: npt.NDArray[np.int8] = np.concatenate([file.read(dtype="int8") for file in files])
    people = {
        field: np.concatenate([getattr(file, field) for file in files]) for field in ("fid", "iid", "sex")
    }
    variants = {
        field: getattr(first, field) for field in ("chromosome", "sid", "bp_position", "allele_1", "allele_2")
    }
    made_folder(prefix.parent)
    # The .bed is written last: what has one is complete.
    with written_whole(prefix.with_suffix(".bed")) as temporary:
        to_bed(
            temporary, genotypes, properties=people | variants,
            fam_filepath=prefix.with_suffix(".fam"), bim_filepath=prefix.with_suffix(".bim"),
        )  # fmt: skip
