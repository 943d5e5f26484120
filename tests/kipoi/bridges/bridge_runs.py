"""Tables of kipoi predict and of the bridges to kipoi_veff and kipoi-veff2, and what must hold of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.kipoi.sources import GROUP
from tests.conftest import Run
from tests.kipoi.predictions import VARIANT_COLUMNS, predictions

ENGINE_SCORES = ("diff", "ref", "alt", "logit", "logit_ref", "logit_alt")

SCORE_COLUMNS = tuple(name.upper() for name in ENGINE_SCORES)
"""Columns of their scores; in lower case they would be those of the alleles."""

BEYOND_SNVS = ("not_an_snv", "window_over_contig_end")
"""Statuses of alleles that kipoi predict scores and an engine does not."""


def predict(run: Run, vcf: Path, fasta: Path, out: Path, model: str = "MIFM", **more: Any) -> pd.DataFrame:
    """The table of kipoi predict, one row per ALT."""
    files = {"vcf_file": str(vcf), "fasta_file": str(fasta)}
    arguments = json.dumps(files | more)
    run("kipoi", "predict", GROUP / model, "--source=dir", "--dataloader_args", arguments, "-m", "-o", out)
    return predictions(out)


def vcf_lines(path: Path) -> list[str]:
    """Lines of a VCF file, plain or gzipped, without line ends."""
    content = path.read_bytes()
    text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    return text.decode().splitlines()


def records(path: Path) -> list[list[str]]:
    """Fields of the records of a VCF file."""
    return [line.split("\t") for line in vcf_lines(path) if not line.startswith("#")]


def information(field: str) -> dict[str, str]:
    """The entries of an INFO field."""
    return dict(entry.split("=", 1) if "=" in entry else (entry, "") for entry in field.split(";"))


def annotated(path: Path, prefix: str = "KV:kipoi:MIFM") -> pd.DataFrame:
    """Scores and statuses of an annotated VCF, one row per ALT; NaN where there is no score."""
    rows = []
    for chrom, pos, name, ref, alts, _, _, info, *_ in records(path):
        entries = information(info)
        for index, alt in enumerate(alts.split(",")):
            row: dict[str, Any] = dict(zip(VARIANT_COLUMNS, (chrom, int(pos), name, ref, alt), strict=True))
            for tag, text in entries.items():
                if tag.startswith(f"{prefix}:") or tag == "MIFM_STATUS":
                    values = text.split(",")
                    assert len(values) == len(alts.split(",")), (
                        f"{tag} of {chrom}:{pos} has not one value per ALT"
                    )
                    row[tag.removeprefix(f"{prefix}:")] = values[index]
            rows.append(row)
    table = pd.DataFrame(rows).rename(columns={"MIFM_STATUS": "status"})
    for name in SCORE_COLUMNS:
        if name in table:
            table[name] = [float("nan") if value == "." else float(value) for value in table[name]]
    return table


def check_agreement(engine: pd.DataFrame, predicted: pd.DataFrame) -> int:
    """Assert that an engine's scores are those of kipoi predict, to 1e-6; give their number.

    Both have one row per ALT of the same variants, in the same order.
    """
    for column in VARIANT_COLUMNS:
        assert engine[column].tolist() == predicted[column].tolist()
    scored = (engine["status"] == "ok").to_numpy()
    same = [
        ours == theirs or (ours in BEYOND_SNVS and theirs == "ok")
        for ours, theirs in zip(engine["status"], predicted["status"], strict=True)
    ]
    assert all(same)
    snv = (
        (predicted["ref"].str.len() == 1) & (predicted["alt"].str.len() == 1) & (predicted["status"] == "ok")
    )
    over = engine["status"] == "window_over_contig_end"
    np.testing.assert_array_equal(scored, (snv & ~over).to_numpy())
    names = [name for name in SCORE_COLUMNS if name in engine]
    assert engine.loc[scored, names].notna().all(axis=None)
    assert engine.loc[~scored, names].isna().all(axis=None)
    ref, alt = (predicted.loc[scored, f"mifm_{name}"].to_numpy(float) for name in ("ref", "alt"))
    expected = {"REF": ref, "ALT": alt, "DIFF": predicted.loc[scored, "mifm_delta"].to_numpy(float)}
    for name in names:
        found = engine.loc[scored, name].to_numpy(float)
        if name.startswith("LOGIT"):
            # As probabilities: a rounding error of 1e-7 in one grows without bound in its logit. The
            # difference of two logits says which odds the alternative has, given those of the reference.
            odds = np.exp(found) * (ref / (1 - ref) if name == "LOGIT" else 1)
            found = odds / (1 + odds)
        key = {"LOGIT": "ALT", "LOGIT_REF": "REF", "LOGIT_ALT": "ALT"}.get(name, name)
        np.testing.assert_allclose(found, expected[key], rtol=0, atol=1e-6)
    return int(scored.sum())


def first_records(source: Path, out: Path, snvs: int) -> Path:
    """Write the header and the records of a VCF file up to a number of SNV records."""
    with gzip.open(source, "rt") as lines, out.open("w") as file:
        for line in lines:
            file.write(line)
            ref, alt = line.split("\t", 5)[3:5] if not line.startswith("#") else ("", "")
            snvs -= len(ref) == len(alt) == 1
            if snvs == 0:
                break
    return out
