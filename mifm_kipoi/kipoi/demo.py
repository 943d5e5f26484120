"""Score variants with ``kipoi predict``, rank them and plot the first ones."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.kipoi.sources import GROUP
from mifm_kipoi.reports.drawing import COLOURS, png, styled
from mifm_kipoi.support.files import check_outputs, require_file, written_whole
from mifm_kipoi.support.provenance import described, differences
from mifm_kipoi.support.text import as_unicode

_EXAMPLE = Path(__file__).parent / "example"
_COLUMNS = ("chrom", "pos", "id", "ref", "alt")
_SCORES = ("mifm_ref", "mifm_alt", "mifm_delta")
_LONGEST_ALLELE = 12


_LOCUS = (
    "The example: common variants of 1000 Genomes in 20:1,890,001-1,950,000 (GRCh37), at SIRPA; see "
    "mifm_kipoi/kipoi/example/README.md"
)

_FILES = ("ranked.tsv", "ranked.png", "inputs.json")
"""What a run writes: the table, the plot, and what identifies its input files."""


class DemoError(MIFMError):
    """``kipoi predict`` did not succeed, or the folder has results of other inputs."""


def run(vcf: str | None, fasta: str | None, output: Path, top: int) -> list[str]:
    """Score, rank and plot.

    Parameters
    ----------
    vcf, fasta : str or None
        The user's files; the packaged example for None.
    output : Path
        Folder that receives ``ranked.tsv`` (every row, by descending ``mifm_ref``, rows without a
        score last), ``ranked.png`` and ``inputs.json`` (names and checksums of the input files).
    top : int
        Variants in the printed table and in the plot.

    Returns
    -------
    list of str
        What to print: the table, the counts of statuses, and the command for the user's own files.

    Raises
    ------
    DemoError
        When ``kipoi predict`` fails, or the folder has results of other inputs.
    """
    own = vcf is not None
    variants = Path(vcf) if vcf else _EXAMPLE / "variants.vcf"
    genome = Path(fasta) if fasta else _EXAMPLE / "genome.fa.gz"
    scores, picture, inputs = (output / name for name in _FILES)
    check_outputs([scores, picture, inputs], [variants, genome])
    for path in (variants, genome):
        require_file(path)
    identity = {
        name: described(path) for name, path in (("variants", variants), ("fasta", genome)) if path.is_file()
    }
    _check_same_inputs(output, identity)
    ranked = rank(predict(variants, genome))
    output.mkdir(parents=True, exist_ok=True)
    with written_whole(inputs) as temporary:
        temporary.write_text(json.dumps(identity, indent=1) + "\n")
    with written_whole(scores) as temporary:
        ranked.to_csv(temporary, sep="\t", index=False, na_rep="nan", errors="surrogateescape")
    plot(ranked.head(top), picture)
    counts = ", ".join(f"{count} {status}" for status, count in ranked["status"].value_counts().items())
    arguments = json.dumps({"vcf_file": "YOUR.vcf.gz", "fasta_file": "YOUR.fa"})
    return [
        table(ranked.head(top)),
        "",
        f"{len(ranked)} rows ({counts})",
        f"written: {scores}, {picture}, {inputs}",
        *([] if own else [_LOCUS]),
        "",
        "Your own files:",
        "  make demo VCF=YOUR.vcf.gz FASTA=YOUR.fa OUT=FOLDER",
        "or, after 'mifm register',",
        f"  kipoi predict MIFM --source=mifm --dataloader_args='{arguments}' --batch_size 512 -m -o out.tsv",
    ]


def _check_same_inputs(output: Path, identity: dict[str, dict[str, str]]) -> None:
    """Refuse to write over results that were made of other files."""
    scores, _, inputs = (output / name for name in _FILES)
    if not scores.exists():
        return
    try:
        changed = differences(json.loads(inputs.read_text()), identity)
    except (OSError, ValueError):
        changed = ["its input files are not known"]
    if changed:
        raise DemoError(
            f"{output} has the results of another run ({'; '.join(changed)}); name another folder with "
            f"-o/--output (make demo ... OUT=FOLDER), or delete {scores}"
        )


def predict(vcf: Path, fasta: Path) -> pd.DataFrame:
    """The table of ``kipoi predict`` on the packaged model, its columns under their short names.

    Raises
    ------
    DemoError
        When it fails; the message is that of its error.
    """
    arguments = json.dumps({"vcf_file": str(vcf.absolute()), "fasta_file": str(fasta.absolute())})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.tsv"
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "kipoi",
            "predict",
            str(GROUP / "MIFM"),
            "--source=dir",
        ]
        command += ["--dataloader_args", arguments, "--batch_size", "512", "-m", "-o", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        if done.returncode:
            raise DemoError(_reason(done.stderr))
        scores = {f"preds/{name}": name for name in _SCORES}
        names = {f"metadata/variant/{name}": name for name in (*_COLUMNS, "status")} | scores
        table = pd.read_csv(
            out,
            sep="\t",
            lineterminator="\n",
            usecols=list(names),
            # Text stays as it is, also 007, 1e5, NA, true, and bytes that are not UTF-8.
            dtype={column: float if column in scores else object for column in names}
            | {"metadata/variant/pos": int},
            keep_default_na=False,
            na_values={column: [""] for column in scores},
            encoding_errors="surrogateescape",
        )
    if table.empty:
        raise DemoError(f"{vcf} has no variant")
    return table.rename(columns=names)[[*_COLUMNS, *_SCORES, "status"]]


def _reason(messages: str) -> str:
    """The error that ended Kipoi, without its traceback and the name of its class."""
    lines = messages.strip().splitlines() or ["no message"]
    name, _, message = lines[-1].partition(": ")
    return message if name.startswith("mifm_kipoi.") else f"kipoi predict failed: {lines[-1]}"


def rank(scored: pd.DataFrame) -> pd.DataFrame:
    """Rows by descending ``mifm_ref``, ties by the size of ``mifm_delta``, those without a score last."""
    order = scored.assign(size=scored["mifm_delta"].abs())
    order = order.sort_values(["mifm_ref", "size"], ascending=False, kind="stable", na_position="last")
    return order.drop(columns="size").reset_index(drop=True)


def _short(allele: str) -> str:
    return allele if len(allele) <= _LONGEST_ALLELE else f"{allele[: _LONGEST_ALLELE - 1]}…"


def table(ranked: pd.DataFrame) -> str:
    """A readable table with aligned columns."""
    texts = {name: ranked[name].map(as_unicode) for name in ("chrom", "id", "ref", "alt")}
    texts |= {name: texts[name].map(_short) for name in ("ref", "alt")}
    shown = ranked.assign(**texts)
    shown.insert(0, "rank", range(1, len(shown) + 1))
    return str(shown.to_string(index=False, na_rep="-", float_format="{:.3f}".format))


@styled()
def plot(ranked: pd.DataFrame, path: Path) -> None:
    """Reference and alternative score of each variant, as a PNG.

    Parameters
    ----------
    ranked : pandas.DataFrame
        The first rows of :func:`rank`.
    path : Path
        The PNG file.
    """
    from matplotlib.figure import Figure

    scored = ranked[ranked["mifm_ref"].notna()].iloc[::-1]
    rows = range(len(scored))
    figure = Figure(figsize=(6.4, 1.2 + 0.28 * len(scored)), layout="constrained")
    axes = figure.subplots()
    axes.hlines(rows, scored["mifm_ref"], scored["mifm_alt"], color="0.7", zorder=1)
    axes.scatter(scored["mifm_ref"], rows, color=COLOURS[0], label="reference (the MIFM score)", zorder=2)
    axes.scatter(scored["mifm_alt"], rows, color="white", edgecolor=COLOURS[1], label="alternative", zorder=3)
    labels = [
        as_unicode(f"{row.chrom}:{row.pos} {_short(str(row.ref))}>{_short(str(row.alt))}")
        for row in scored.itertuples()
    ]
    axes.set_yticks(rows, labels)
    axes.set_xlim(0, 1)
    axes.set_xlabel("MIFM score, from 0 to 1 (not a probability of causality)")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0)
    with written_whole(path) as temporary:
        temporary.write_bytes(png(figure))
