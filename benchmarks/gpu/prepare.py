"""A folder with all that a bare machine lacks: wheels, the source, and data sets with their bases."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from benchmarks.gpu import arms
from benchmarks.gpu.packed import PackedGenome
from mifm_kipoi.errors import InputError, OutputError
from mifm_kipoi.genomics.genome import Genome
from training.data.dataset import DataSet, Split, read_dataset

MAX_MEGABYTES = 50
"""Of the folder."""

PYTHON = "3.12"

WHEELS = {"safetensors": "safetensors"}
"""What is carried: names of imports and of distributions. Lightning brings PyYAML and tqdm; what needs
platformdirs or Biopython is not run."""

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("mifm_kipoi", "training", "benchmarks")

_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")

_WHEEL = re.compile(r"[^-]+-[^-]+(-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl")


def prepare(folder: Path, known_truth: Path | None, size: str, cache: Path | None = None) -> float:
    """Make the folder.

    Parameters
    ----------
    folder : Path
        Must not exist, or be one that was made so.
    known_truth : Path or None
        Folder of ``python -m benchmarks known-truth --design real``, whose simulation and data sets are
        made where they are missing; None for no arms.
    size : str
        Of that benchmark.
    cache : Path, optional
        Folder of simulations; ``simulations`` in ``known_truth`` by default.

    Returns
    -------
    float
        Megabytes of the folder.

    Raises
    ------
    OutputError
        When the folder is another one, or would have more than :data:`MAX_MEGABYTES`.
    InputError
        When a wheel cannot be had.
    """
    if folder.exists() and not (folder / "run.py").exists():
        raise OutputError(f"{folder} exists and was not made by --prepare; name another folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("run_prepared.py"), folder / "run.py")
    copy_source(folder / "source")
    download_wheels(folder / "wheels")
    if known_truth is not None:
        pack_known_truth(folder / "data", known_truth, size, cache or known_truth / "simulations")
    megabytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    if megabytes > MAX_MEGABYTES:
        raise OutputError(
            f"{folder} has {megabytes:.0f} MB; expected at most {MAX_MEGABYTES}: choose a smaller --size"
        )
    return megabytes


def copy_source(folder: Path) -> None:
    """The packages with the files that belong to them."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )


def download_wheels(folder: Path) -> None:
    """The wheels of :data:`WHEELS` in the versions that are installed here, for the other machine's Python.

    Raises
    ------
    InputError
        When pip cannot get one, or it is for another platform.
    """
    folder.mkdir(parents=True)
    names = {}
    for package, distribution in WHEELS.items():
        with tempfile.TemporaryDirectory() as temporary:
            words = [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                "--python-version", PYTHON, "--implementation", "cp", "--dest", temporary,
                *(word for platform in _PLATFORMS for word in ("--platform", platform)),
                f"{distribution}=={version(distribution)}",
            ]  # fmt: skip
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            wheels = list(Path(temporary).glob("*.whl"))
            if done.returncode or len(wheels) != 1:
                raise InputError(f"pip cannot download {distribution}: {done.stderr.strip()[-300:]}")
            check_wheel(wheels[0].name)
            shutil.copy(wheels[0], folder)
            names[package] = wheels[0].name
    (folder / "wheels.json").write_text(json.dumps(names, indent=1) + "\n")


def check_wheel(name: str) -> None:
    """See that a wheel runs under Python 3.12 on Linux of x86-64.

    Raises
    ------
    InputError
        When its tags say otherwise.
    """
    tags = _WHEEL.fullmatch(name)
    pure = tags is not None and tags["platform"] == "any" and tags["python"].split(".")[-1] == "py3"
    # A stable ABI is that of its version of Python and of all later ones.
    stable = tags is not None and tags["abi"] == "abi3" and tags["python"].startswith("cp3")
    own = tags is not None and tags["abi"] == f"cp{PYTHON.replace('.', '')}"
    linux = tags is not None and "manylinux" in tags["platform"] and "x86_64" in tags["platform"]
    if not (pure or ((stable or own) and linux)):
        raise InputError(f"{name} is not a wheel for Python {PYTHON} on Linux of x86-64")


def pack_known_truth(folder: Path, known_truth: Path, size: str, cache: Path) -> None:
    """The arms of :data:`benchmarks.gpu.arms.NAMES` with their data sets and the rows of test genealogies.

    Parameters
    ----------
    folder : Path
        Where they are packed.
    known_truth, size, cache
        See :func:`prepare`.
    """
    from benchmarks.known_truth.datasets import fasta_of, held_out_variants, make_dataset
    from benchmarks.known_truth.plans import PLANS
    from benchmarks.known_truth.simulate import simulate

    plan = PLANS["real"][size]
    simulated = simulate(plan.simulation, cache)
    packed = known_arms(size)
    datasets = {
        data: read_dataset(make_dataset(data, plan.simulation, simulated, plan.recipe_path, known_truth))
        for data in sorted({arm.data for arm in packed})
    }
    table = held_out_variants(known_truth / "data" / "main", simulated)
    table = table[table["split"] == Split.TEST.value]
    columns = ["bag", "genealogy", *arms.KEYS, "causal", *(name for name in arms.BASELINES if name in table)]
    pack(folder, datasets, Genome(fasta_of("main", simulated)), table[columns], packed)


def known_arms(size: str) -> list[arms.PackedArm]:
    """The arms of :data:`benchmarks.gpu.arms.NAMES`, as the design ``real`` has them at a size."""
    from benchmarks.known_truth.plans import PLANS
    from training.configuration import read_configuration
    from training.recipe import Recipe

    plan = PLANS["real"][size]
    known = {arm.name: arm for arm in plan.known}
    packed = []
    for name in arms.NAMES:
        settings = [f"fit.objective.pooling={known[name].pooling}", *known[name].settings]
        recipe = read_configuration(plan.recipe_path, Recipe, settings)
        packed.append(arms.PackedArm(name, known[name].data, arms.Recipe(recipe.network, recipe.fit)))
    return packed


def pack(
    folder: Path,
    datasets: dict[str, DataSet],
    genome: Genome,
    table: pd.DataFrame,
    packed: list[arms.PackedArm],
) -> None:
    """Pack data sets with the surroundings of all their variants; see :func:`benchmarks.gpu.arms.pack`."""
    needed = pd.concat([dataset.instances[arms.KEYS] for dataset in datasets.values()] + [table[arms.KEYS]])
    arms.pack(folder, datasets, PackedGenome.of(genome, needed.drop_duplicates()), table, packed)
