"""Files of attributions in which motifs contribute, and of patterns as TF-MoDISco writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from mifm_kipoi.attribution.files import read_attributions, record_type, write_attributions
from mifm_kipoi.evaluation.motifs.discovery import DiscoveryOptions, identity_of
from mifm_kipoi.sequence.encoding import reverse_complement

WINDOW = 256
SUPPORT = (2, 250)

POSITIVE = "GATTACAGATC"
NEGATIVE = "CCTGTTGGCAA"

Codes = npt.NDArray[np.uint8]


def codes_of(bases: str) -> Codes:
    return np.array(["ACGT".index(base) for base in bases], np.uint8)


def write_planted(
    path: Path, count: int, seed: int = 0, untrained: int | None = None, vary: bool = False
) -> npt.NDArray[np.int64]:
    """Windows 200 bp apart with one site of each motif, on random strands.

    With ``vary`` a tenth of the bases of sites are others, and the sizes of their contributions differ.

    Returns
    -------
    numpy.ndarray of int64, shape (count, 2, 2)
        Of each window and motif where the site begins, and whether it is reversed.
    """
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 4, (count, WINDOW)).astype(np.uint8)
    hypothetical = generator.normal(0, 0.01, (count, 4, WINDOW)).astype(np.float32)
    sites = np.zeros((count, 2, 2), np.int64)
    for row in range(count):
        for number, (motif, sign) in enumerate(((POSITIVE, 1), (NEGATIVE, -1))):
            site = codes_of(motif)
            reverse = bool(generator.integers(2))
            if reverse:
                site = reverse_complement(site)
            start = int(generator.integers(30, 100)) + 100 * number
            end = start + len(site)
            codes[row, start:end] = site
            effect = np.full((4, len(site)), -0.5, np.float32)
            effect[site, np.arange(len(site))] = 0.5
            if vary:
                effect *= generator.uniform(0.5, 1.5)
                other = generator.random(len(site)) < 0.1
                codes[row, start:end][other] = generator.integers(0, 4, int(other.sum()))
            hypothetical[row, :, start:end] += sign * effect
            sites[row, number] = start, reverse
    hypothetical[:, :, : SUPPORT[0]] = 0
    hypothetical[:, :, SUPPORT[1] :] = 0
    records = np.zeros(count, record_type(WINDOW))
    records["hypothetical"] = hypothetical
    records["logit"] = generator.normal(size=count)
    provenance = {
        "weights": {"name": "planted", "tensors_sha256": "0" * 64, "configuration": {"window": WINDOW}},
        "untrained": untrained,
        "attribution": {"method": "ism"},
        "fasta": {"name": "g.fa", "sha256": "1" * 64},
        "variants": {"name": "v.vcf", "sha256": "2" * 64},
        "intervals": None,
        "sample": {"windows": None, "min_distance": 0, "seed": 0},
        "support": list(SUPPORT),
        "status": {"ok": count},
    }
    path.unlink(missing_ok=True)
    centres = 1000 + 200 * np.arange(count)
    write_attributions(path, records, iter([codes]), ["1"] * count, ["."] * count, centres, provenance)
    return sites


def write_patterns(
    path: Path, attributions: Path, sites: npt.NDArray[np.int64], options: DiscoveryOptions, flank: int = 9
) -> None:
    """The patterns that a perfect search would find: one of each sign, with random bases on either side."""
    read = read_attributions(attributions)
    rows = np.random.default_rng(0).permutation(len(read))
    codes, hypothetical = read.arrays(rows)
    with h5py.File(path, "w") as file:
        for number, group in enumerate(("pos_patterns", "neg_patterns")):
            starts = sites[rows, number, 0] - flank
            reverse = sites[rows, number, 1].astype(bool)
            length = len(POSITIVE) + 2 * flank
            one_hot = []
            contributions = []
            for row, (start, turned) in enumerate(zip(starts.tolist(), reverse.tolist(), strict=True)):
                part = np.eye(4)[codes[row, start : start + length]]
                values = part * hypothetical[row, :, start : start + length].T
                one_hot.append(part[::-1, ::-1] if turned else part)
                contributions.append(values[::-1, ::-1] if turned else values)
            pattern = file.create_group(f"{group}/pattern_0")
            pattern["sequence"] = np.mean(one_hot, axis=0)
            pattern["contrib_scores"] = np.mean(contributions, axis=0)
            seqlets = pattern.create_group("seqlets")
            seqlets["example_idx"] = np.arange(len(rows))
            # TF-MoDISco sees the support alone.
            seqlets["start"] = starts - SUPPORT[0]
            seqlets["end"] = starts - SUPPORT[0] + length
            seqlets["is_revcomp"] = reverse
        ours = file.create_group("mifm")
        ours["rows"] = rows
        ours.attrs["start"] = SUPPORT[0]
        ours.attrs["provenance"] = json.dumps(identity_of(read, options))


def write_meme(path: Path, motifs: dict[str, Any]) -> Path:
    """Motifs in MEME's format: names and consensus sequences, or matrices of shape (width, 4)."""
    lines = ["MEME version 4", "", "ALPHABET= ACGT", ""]
    for name, motif in motifs.items():
        matrix = np.eye(4)[codes_of(motif)] * 0.94 + 0.015 if isinstance(motif, str) else motif
        lines += [f"MOTIF {name}", f"letter-probability matrix: alength= 4 w= {len(matrix)} nsites= 20 E= 0"]
        lines += [" ".join(f"{value:.5f}" for value in column) for column in matrix]
        lines += [""]
    path.write_text("\n".join(lines))
    return path


def random_motifs(count: int, seed: int = 0) -> dict[str, npt.NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    return {f"R{number}": generator.dirichlet(np.full(4, 0.4), 10) for number in range(count)}
