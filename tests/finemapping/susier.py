"""The oracle susieR: its fits, run here or read back from a golden file.

    python -m tests.finemapping.susier

writes ``susier.npz``, what susieR 0.12.35 gives for a simulated locus.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
GOLDEN = HERE / "susier.npz"


@functools.cache
def missing() -> str:
    """Why susieR cannot be run here; empty where it can."""
    if not shutil.which("Rscript"):
        return "Rscript is not installed"
    found = subprocess.run(
        ["Rscript", "-e", 'stopifnot(packageVersion("susieR") == "0.12.35")'],
        capture_output=True,
        check=False,
    )
    return "susieR 0.12.35 is not installed (Debian: r-cran-susier)" if found.returncode else ""


def simulated() -> dict[str, np.ndarray]:
    """A locus of 60 variants in LD, 500 people, three causal variants; three covariates; 300 other people."""
    rng = np.random.default_rng(20)
    people, others, p = 500, 300, 60
    haplotypes = rng.random((2 * (people + others), p)) < 0.3
    for variant in range(1, p):
        kept = rng.random(len(haplotypes)) < (0.2 if variant % 20 == 0 else 0.93)
        haplotypes[kept, variant] = haplotypes[kept, variant - 1]
    dosages = (haplotypes[::2] + haplotypes[1::2].astype(int)).astype(float)
    covariates = rng.normal(size=(people, 3))
    effects = np.zeros(p)
    effects[[12, 33, 49]] = 0.6, -0.5, 0.45
    trait = dosages[:people] @ effects + covariates @ [0.3, 0.0, -0.2] + rng.normal(size=people)
    return {
        "X": dosages[:people],
        "y": trait,
        "covariates": covariates,
        "reference": dosages[people:],
        "weights": rng.gamma(0.3, size=p) + 1e-6,
    }


def fits(inputs: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    """What susieR gives, with its inputs; with None, those of its data set N3finemapping."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if inputs is not None:
            for key, values in inputs.items():
                values.ravel(order="F").tofile(folder / key)
            shapes = [
                f"{key} {len(values)} {values.shape[1]}" for key, values in inputs.items() if values.ndim == 2
            ]
            (folder / "shapes.txt").write_text("\n".join(shapes) + "\n")
        done = subprocess.run(
            ["Rscript", HERE / "susier.R", folder], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        shapes = {
            key: (int(n), int(p))
            for key, n, p in (line.split() for line in (folder / "shapes.txt").read_text().splitlines())
        }
        found = {path.name: np.fromfile(path) for path in sorted(folder.iterdir()) if path.suffix != ".txt"}
    for key, shape in shapes.items():
        found[key] = found[key].reshape(shape, order="F")
    p = shapes["X"][1]
    for key in ("R", "XtX"):
        found[key] = found[key].reshape(p, p)
    for key, values in found.items():
        case, _, field = key.partition(".")
        if field in ("alpha", "lbf_variable", "mu", "mu2"):
            # A column more, where there is a null weight.
            found[key] = values.reshape(len(found[f"{case}.V"]), -1, order="F")
        elif field == "purity":
            found[key] = values.reshape(-1, 3, order="F")
        elif field == "table":
            found[key] = values.reshape(-1, 5, order="F")
    return found


@functools.cache
def n3_finemapping() -> dict[str, np.ndarray]:
    """What susieR gives for its own data set, 574 people and 1,001 variants; it takes ten seconds."""
    return fits(None)


def golden() -> dict[str, np.ndarray]:
    """What susieR gave for :func:`simulated`."""
    with np.load(GOLDEN) as file:
        return dict(file)


def main() -> None:
    """Write the golden file."""
    if missing():
        raise SystemExit(missing())
    large = {"lbf_variable", "mu", "mu2"}
    kept = {
        key: values
        for key, values in fits(simulated()).items()
        # What a few cases show.
        if key.rpartition(".")[2] not in large or key.startswith(("individual_weights", "summary_without_n"))
    }
    np.savez_compressed(GOLDEN, **kept)


if __name__ == "__main__":
    main()
