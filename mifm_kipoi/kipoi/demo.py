"""Score variants with ``kipoi predict``, rank them, and show the locus of the first ones."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genome_scan.region import region_logits
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.loci import Locus, locus_name
from mifm_kipoi.kipoi.sources import GROUP
from mifm_kipoi.network.background import Background
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import Weights, load_weights
from mifm_kipoi.reports.drawing import WIDTH, png, styled
from mifm_kipoi.reports.regional import Mark, Panel, Track, percentile_lines, regional_view
from mifm_kipoi.scoring.scores import PERCENTILES, SCORES, probability
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, require_file, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described, differences
from mifm_kipoi.support.text import as_unicode

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EXAMPLE = Path(__file__).parent / "example"
_COLUMNS = ("chrom", "pos", "id", "ref", "alt")
_SCORES = (*SCORES, *PERCENTILES)
_PRINTED = ("chrom", "pos", "id", "ref", "alt", "mifm_ref", *PERCENTILES, "status")
_LONGEST_ALLELE = 12

_LOCUS = (
    "The example: common variants of 1000 Genomes in 20:1,890,001-1,950,000 (GRCh37), at SIRPA; its sources: "
    "mifm_kipoi/kipoi/example/README.md"
)

WIDEST = 250_000
"""Base pairs between the first and the last variant that are shown whole."""

AROUND = 30_000
"""Base pairs on either side of the first variant that are shown where the variants lie farther apart."""

MARKED = 6
"""Variants that the figure names."""

_LINES = (50, 90, 99, 99.9)
"""Percentiles at which the figure has a line."""

_TEXT_WIDTH, _TEXT_LINE = 118, 0.145
"""Characters of a line of text, and its inches beneath the figure."""

_FILES = ("ranked.tsv", "ranked.png", "inputs.json")
"""What a run writes: the table, the figure, and what identifies its input files."""


class DemoError(MIFMError):
    """``kipoi predict`` did not succeed, or the folder has results of other inputs."""


def run(vcf: str | None, fasta: str | None, output: Path, top: int) -> list[str]:
    """Score, rank and draw.

    Parameters
    ----------
    vcf, fasta : str or None
        The user's files; the packaged example for None.
    output : Path
        Folder that receives ``ranked.tsv`` (every row, by descending ``mifm_ref``, rows without a
        score last), ``ranked.png`` and ``inputs.json`` (names and checksums of the input files).
    top : int
        Variants in the printed table.

    Returns
    -------
    list of str
        What to print: the table, the counts of statuses, what the score is and is not, and the command for
        the user's own files.

    Raises
    ------
    DemoError
        When ``kipoi predict`` fails, or the folder has results of other inputs.
    MissingPackageError
        When matplotlib is not installed.
    """
    needed("matplotlib", "plot")
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
    weights = load_weights()
    output.mkdir(parents=True, exist_ok=True)
    with written_whole(inputs) as temporary:
        temporary.write_text(json.dumps(identity, indent=1) + "\n")
    with written_whole(scores) as temporary:
        ranked.to_csv(temporary, sep="\t", index=False, na_rep="nan", errors="surrogateescape")
    with written_whole(picture) as temporary:
        temporary.write_bytes(png(draw(ranked, Genome(genome), weights, "" if own else " of GRCh37")))
    counts = ", ".join(f"{count} {status}" for status, count in ranked["status"].value_counts().items())
    arguments = json.dumps({"vcf_file": "YOUR.vcf.gz", "fasta_file": "YOUR.fa"})
    return [
        table(ranked.head(top)),
        "",
        f"{len(ranked)} rows ({counts})",
        f"written: {scores}, {picture}, {inputs}",
        *([] if own else [_LOCUS]),
        "",
        *(line for text in meaning(weights.background) for line in textwrap.wrap(text, _TEXT_WIDTH)),
        "",
        "Your own files:",
        "  make demo VCF=YOUR.vcf.gz FASTA=YOUR.fa OUT=FOLDER",
        "or, after 'mifm register',",
        f"  kipoi predict MIFM --source=mifm --dataloader_args='{arguments}' --batch_size 512 -m -o out.tsv",
    ]


def meaning(background: Background | None) -> list[str]:
    """What the score is, and what it is not: two paragraphs.

    Parameters
    ----------
    background : Background or None
        Of the weights.
    """
    among = (
        " mifm_percentile is the part, in %, of the positions of real sequence "
        f"({background.name}) that score lower; mifm_phred 20 is the top 1 %, 30 the top 0.1 %."
        if background
        else ""
    )
    return [
        "mifm_ref is the MIFM score: a number from 0 to 1 for a position, made from the 512 bp around it "
        f"and meant to rank the variants of a locus.{among}",
        "It is not a probability of causality (0.5 stands for about 1 in 100), knows neither trait nor LD, "
        "and is the same for all alleles of a position. A high percentile says that the score is unusual, "
        "not that the variant is causal: on the data at hand the published model's score showed no "
        "relation to what was measured (docs/results/model-card.md).",
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
    """Rows by descending ``mifm_ref``, ties in the order of the file, those without a score last."""
    order = scored.sort_values("mifm_ref", ascending=False, kind="stable", na_position="last")
    return order.reset_index(drop=True)


def _short(allele: str) -> str:
    return allele if len(allele) <= _LONGEST_ALLELE else f"{allele[: _LONGEST_ALLELE - 1]}…"


def table(ranked: pd.DataFrame) -> str:
    """A readable table with aligned columns.

    Parameters
    ----------
    ranked : pandas.DataFrame
        The first rows of :func:`rank`.
    """
    texts = {name: ranked[name].map(as_unicode) for name in ("chrom", "id", "ref", "alt")}
    texts |= {name: texts[name].map(_short) for name in ("ref", "alt")}
    shown = ranked.assign(**texts)[list(_PRINTED)]
    shown.insert(0, "rank", range(1, len(shown) + 1))
    digits = {"mifm_ref": 3, "mifm_percentile": 2, "mifm_phred": 1}
    formats = {name: f"{{:.{number}f}}".format for name, number in digits.items()}
    return str(shown.to_string(index=False, na_rep="-", formatters=formats))


def shown_locus(ranked: pd.DataFrame) -> Locus | None:
    """The region that the figure shows, 1-based with both ends inside.

    On the contig of the first in rank, from the first to the last variant with a score where they lie within
    :data:`WIDEST`, else :data:`AROUND` on either side of the first in rank, as far as there are variants.
    None where no variant has a score.

    Parameters
    ----------
    ranked : pandas.DataFrame
        As from :func:`rank`.
    """
    scored = ranked[ranked["mifm_ref"].notna()]
    if scored.empty:
        return None
    chrom, pos = str(scored.iloc[0]["chrom"]), int(scored.iloc[0]["pos"])
    positions = scored.loc[scored["chrom"] == chrom, "pos"]
    start, end = int(positions.min()), int(positions.max())
    if end - start > WIDEST:
        start, end = max(start, pos - AROUND), min(end, pos + AROUND)
    return chrom, start, end


def draw(ranked: pd.DataFrame, genome: Genome, weights: Weights, build: str = "") -> Figure:
    """The locus: variants by position, the first in rank named, the scores of every position beneath.

    Parameters
    ----------
    ranked : pandas.DataFrame
        As from :func:`rank`.
    genome : Genome
        Of the variants.
    weights : Weights
        That gave the scores.
    build : str
        What the text adds to the locus, such as `` of GRCh37``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    locus = shown_locus(ranked)
    if locus is None:
        return _drawn_text("No variant has a score.")
    chrom, start, end = locus
    contig = genome.find_contig(chrom) or chrom
    inside = ranked["mifm_ref"].notna() & (ranked["chrom"] == chrom) & ranked["pos"].between(start, end)
    rows = ranked[inside].assign(rank=np.flatnonzero(inside) + 1).reset_index(drop=True)
    # Numba would take longer to start than a locus takes.
    scan = Scan(weights.model(), engine="pytorch", path=str(weights.path))
    track = probability(region_logits(genome, contig, start - 1, end, scan, threads=usable_cpus()))
    high = float(np.nanmax(track))
    background = weights.background
    lines = percentile_lines(background, _LINES)
    named = rows.drop_duplicates("pos").head(MARKED).sort_values("pos")
    figure = regional_view(
        rows.assign(**{name: rows[name].map(as_unicode) for name in ("chrom", "id", "ref", "alt")}),
        locus,
        [Panel("MIFM score of variants", (("MIFM", "mifm_ref"),), True, lines, high)],
        [Mark(int(row), (_said(rows.loc[row]),)) for row in named.index.to_numpy()],
        [Track("MIFM score of every position", start - 1, track, lines)],
    )
    at_first = track[rows["pos"].to_numpy(np.int64)[0] - start]
    shown = (
        f"{locus_name(locus)}{build}: {len(rows):,} alternative alleles. Of its {np.isfinite(track).sum():,} "
        f"positions, {np.count_nonzero(track >= at_first):,} score at least as high as the "
        "highest-ranked variant."
    )
    among = f" Dashed: percentiles of {background.name}." if background else ""
    _add_text(figure, [shown + among, *meaning(background)])
    return figure


def _said(row: pd.Series[Any]) -> str:
    """Rank and scores of a variant, for the figure's key."""
    text = f"rank {row['rank']}: score {row['mifm_ref']:.3f}"
    return text if np.isnan(row["mifm_percentile"]) else f"{text}, percentile {row['mifm_percentile']:.2f}"


@styled()
def _drawn_text(text: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 1), layout="constrained")
    figure.text(0.02, 0.5, text)
    return figure


def _add_text(figure: Figure, paragraphs: list[str]) -> None:
    """Text beneath the figure, which becomes as much higher."""
    lines = [line for text in paragraphs for line in textwrap.wrap(text, _TEXT_WIDTH)]
    width, height = figure.get_size_inches()
    added = _TEXT_LINE * (len(lines) + 1)
    figure.set_size_inches(width, height + added)
    below = added / (height + added)
    figure.set_layout_engine("constrained", rect=(0, below, 1, 1 - below))
    with styled():
        figure.text(0.015, below * 0.97, "\n".join(lines), va="top", fontsize=7.5, linespacing=1.35)
