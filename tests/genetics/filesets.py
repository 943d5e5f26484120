"""PLINK filesets for tests."""

from pathlib import Path
from typing import Any

import numpy as np
from bed_reader import to_bed


def write_bed(prefix: Path, genotypes: Any, pos: Any, chrom: str = "1", **properties: Any) -> str:
    samples, variants = np.shape(genotypes)
    known = {
        "fid": ["0"] * samples,
        "iid": [f"i{row}" for row in range(samples)],
        "father": ["0"] * samples,
        "mother": ["0"] * samples,
        "sex": [0] * samples,
        "chromosome": [chrom] * variants,
        "sid": [f"s{row}" for row in range(variants)],
        "bp_position": pos,
        "allele_1": ["A"] * variants,
        "allele_2": ["C"] * variants,
    }
    to_bed(prefix.with_suffix(".bed"), np.asarray(genotypes, dtype="float32"), properties=known | properties)
    return str(prefix)
