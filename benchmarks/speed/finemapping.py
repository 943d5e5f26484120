"""Loci fine-mapped by SuSiE: one beside pysusie and susieR, and many in processes.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.speed.finemapping

Loci are simulated: haplotypes of 2,000 people in LD, three causal variants, z of 50,000 people. What is
measured is what a locus needs once its z and LD are in memory: the fit, and the diagnostics, most of whose
time goes into the eigenvalues of LD. ``susieR`` is timed where Rscript and the package are installed, pysusie
where it is; both get the same z, LD and prior weights, and the largest differences of PIPs are noted.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.speed import measuring
from mifm_kipoi.finemapping.diagnostics import diagnose
from mifm_kipoi.finemapping.susie import fit_summary

Values = npt.NDArray[np.float64]

PEOPLE, PANEL = 50_000, 2_000

_SUSIER = """\
suppressMessages(library(susieR))
p <- {p}
z <- readBin("{folder}/z", "double", p)
R <- matrix(readBin("{folder}/R", "double", p * p), p)
weights <- readBin("{folder}/weights", "double", p)
run <- function(i) system.time(fit <<- susie_rss(z, R, n = {n}, prior_weights = weights))["elapsed"]
seconds <- sapply(seq_len({repeats}), run)
writeBin(as.double(fit$pip), "{folder}/pip")
cat(median(seconds))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.finemapping", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--variants",
        type=int,
        nargs="+",
        default=[1000, 4000],
        help="of a locus that is timed by itself (default: %(default)s)",
    )
    parser.add_argument("--loci", type=int, default=100, help="of the many (default: %(default)s)")
    parser.add_argument(
        "--locus-variants", type=int, default=1000, help="of each of the many (default: %(default)s)"
    )
    measuring.add_arguments(parser, "finemapping", 3)
    measuring.report(parser.parse_args(arguments), measure, table)


def locus(p: int, seed: int) -> tuple[Values, Values, Values]:
    """z, LD and prior weights of a locus."""
    rng = np.random.default_rng([2, seed])
    haplotypes = rng.random((2 * PANEL, p), dtype=np.float32) < rng.uniform(0.05, 0.5, p)
    for variant in range(1, p):
        # Recombination between some neighbours, little between others.
        kept = rng.random(2 * PANEL) < (0.3 if rng.random() < 0.02 else 0.97)
        haplotypes[kept, variant] = haplotypes[kept, variant - 1]
    dosages = haplotypes[::2].astype(np.float64) + haplotypes[1::2]
    R = np.corrcoef(dosages, rowvar=False)
    effects = np.zeros(p)
    effects[rng.choice(p, 3, replace=False)] = 0.03, -0.04, 0.05
    # Of z with this LD: R b sqrt(n), and errors correlated by R.
    noise = rng.normal(size=PANEL) @ (dosages - dosages.mean(axis=0)) / dosages.std(axis=0) / np.sqrt(PANEL)
    weights = rng.gamma(0.5, size=p) + 0.01
    return R @ effects * np.sqrt(PEOPLE) + noise, R, weights


def one_locus(p: int, repeats: int) -> measuring.Figures:
    """Seconds of a locus by each package, and differences of PIPs."""
    z, R, weights = locus(p, 0)
    ways = {
        "fit": lambda: fit_summary(z, R, PEOPLE, weights),
        "diagnose": lambda: diagnose(z, R, PEOPLE),
    }
    if importlib.util.find_spec("pysusie"):
        import pysusie

        ways["pysusie"] = lambda: pysusie.susie_rss(z, R, PEOPLE, prior_weights=weights)
    seconds, results = measuring.median_seconds(ways, repeats)
    mine = results["fit"].pip
    figures: measuring.Figures = {
        "variants": p,
        **{f"{name}_seconds": round(value, 3) for name, value in seconds.items()},
    }
    if "pysusie" in results:
        figures["pysusie_difference"] = float(f"{np.abs(mine - results['pysusie']['pip']).max():.1e}")
    other = susier(z, R, weights, repeats)
    if other is not None:
        figures["susier_seconds"] = round(other[0], 3)
        figures["susier_difference"] = float(f"{np.abs(mine - other[1]).max():.1e}")
    return figures


def susier(z: Values, ld: Values, weights: Values, repeats: int) -> tuple[float, Values] | None:
    """Seconds and PIPs of susieR; None where it is not installed."""
    if not shutil.which("Rscript"):
        return None
    if subprocess.run(["Rscript", "-e", "library(susieR)"], capture_output=True, check=False).returncode:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, values in (("z", z), ("R", ld), ("weights", weights)):
            values.tofile(Path(folder) / name)
        script = _SUSIER.format(p=z.size, folder=folder, n=PEOPLE, repeats=repeats)
        done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
        return float(done.stdout), np.fromfile(Path(folder) / "pip")


def many_locus(seed_and_p: tuple[int, int]) -> tuple[float, float, int]:
    """CPU seconds of the fit and of the diagnostics of one of many loci, and its sets."""
    seed, p = seed_and_p
    z, R, weights = locus(p, seed)
    began = time.process_time()
    fit = fit_summary(z, R, PEOPLE, weights)
    fitted = time.process_time()
    diagnose(z, R, PEOPLE)
    return fitted - began, time.process_time() - fitted, len(fit.sets)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Figures of single loci and of many."""
    single = [one_locus(p, options.repeats) for p in options.variants]
    tasks = [(seed, options.locus_variants) for seed in range(1, options.loci + 1)]
    with multiprocessing.get_context("spawn").Pool(options.threads) as pool:
        done = pool.map(many_locus, tasks, chunksize=1)
    fit, diagnosed = (sum(part) for part in list(zip(*done, strict=True))[:2])
    return {
        "single": single,
        "loci": options.loci,
        "locus_variants": options.locus_variants,
        "fit_cpu_seconds": round(fit, 1),
        "diagnose_cpu_seconds": round(diagnosed, 1),
        "sets": sum(sets for _, _, sets in done),
    }


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""

    def cell(row: measuring.Figures, name: str) -> str:
        return str(row.get(name, ""))

    columns = (
        "variants", "fit_seconds", "diagnose_seconds", "susier_seconds", "pysusie_seconds",
        "susier_difference", "pysusie_difference",
    )  # fmt: skip
    rows = ["| " + " | ".join(cell(row, name) for name in columns) + " |" for row in figures["single"]]
    return "\n".join(
        [
            "| variants | fit, s | diagnostics, s | susieR, s | pysusie, s | PIPs off susieR | off pysusie |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            "{loci} loci of {locus_variants:,} variants, three causal variants each: {fit_cpu_seconds} CPU "
            "seconds of fits, {diagnose_cpu_seconds} of diagnostics; {sets} credible sets".format(**figures),
        ]
    )


if __name__ == "__main__":
    main()
