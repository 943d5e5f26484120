"""The folder for a bare machine: what is in it, and what the path that it runs imports."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu import arms, prepare
from mifm_kipoi.errors import InputError, OutputError

FORBIDDEN = (
    "kipoi", "kipoi_utils", "kipoi_conda", "kipoi_veff", "kipoi_veff2", "kipoiseq", "cyvcf2", "pysam",
    "pyfaidx", "pybedtools", "Bio", "h5py", "bed_reader", "platformdirs", "tensorboard", "matplotlib",
    "msprime", "tskit",
)  # fmt: skip
"""What a bare machine lacks, and is not carried."""

CHECK = """
import importlib.util, sys
import lightning, torchmetrics, pandas  # what these import where it is there is not ours
before = set(sys.modules)

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in set(sys.argv[1].split(",")) and name.split(".")[0] not in before:
            raise ModuleNotFoundError(f"{name} is forbidden", name=name)

sys.meta_path.insert(0, Forbidden())
import benchmarks.__main__
import benchmarks.gpu.parts, benchmarks.gpu.report
import mifm_kipoi.scoring.scorer, mifm_kipoi.mutagenesis.mutate, training.fitting.ensemble
from mifm_kipoi import load_model
load_model()
print("imported")
"""


def test_the_path_imports_none_of_the_forbidden_packages(root: Path) -> None:
    words = [sys.executable, "-W", "ignore", "-c", CHECK, ",".join(FORBIDDEN)]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("imported\n"), done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "six-1.17.0-py2.py3-none-any.whl",
        "platformdirs-4.14.7-py3-none-any.whl",
        "safetensors-0.8.0-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "numpy-2.4.6-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        "x-1.0-1-py3-none-any.whl",
    ],
)
def test_wheels_that_run_there(name: str) -> None:
    prepare.check_wheel(name)


@pytest.mark.parametrize(
    "name",
    [
        "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl",
        "safetensors-0.8.0-cp310-abi3-musllinux_1_2_x86_64.whl",
        "safetensors-0.8.0-cp310-abi3-manylinux_2_17_aarch64.whl",
        "safetensors-0.8.0-cp310-abi3-macosx_11_0_arm64.whl",
        "six-1.17.0.tar.gz",
    ],
)
def test_wheels_that_do_not(name: str) -> None:
    with pytest.raises(InputError, match=r"is not a wheel for Python 3\.12"):
        prepare.check_wheel(name)


def test_the_source_runs_from_its_folder(tmp_path: Path, packed: Path) -> None:
    """``run.py`` unpacks the wheels of packages that are not installed, and no others."""
    folder = tmp_path / "prepared"
    prepare.copy_source(folder / "source")
    assert not list((folder / "source").rglob("*.pyc"))
    (folder / "wheels").mkdir()
    for name in ("carried_package", "json"):
        with zipfile.ZipFile(folder / "wheels" / f"{name}.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", "raise SystemExit(f'{__name__} was imported')")
    wheels = {name: f"{name}.whl" for name in ("carried_package", "json")}
    (folder / "wheels" / "wheels.json").write_text(json.dumps(wheels))
    (folder / "run.py").write_text(Path(prepare.__file__).with_name("run_prepared.py").read_text())
    words = [sys.executable, "-W", "ignore", str(folder / "run.py"), "--help"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("carried_package is not installed: using carried_package.whl\nusage:")


def test_another_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(OutputError, match="was not made by --prepare"):
        prepare.prepare(tmp_path, None, "small")
    assert (tmp_path / "mine").exists()


def test_a_folder_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "download_wheels", lambda folder: None)
    monkeypatch.setattr(prepare, "MAX_MEGABYTES", 0.1)
    with pytest.raises(OutputError, match=r"expected at most 0\.1: choose a smaller --size"):
        prepare.prepare(tmp_path / "prepared", None, "small")
    monkeypatch.setattr(prepare, "MAX_MEGABYTES", 50)
    assert prepare.prepare(tmp_path / "prepared", None, "small") < 10


def test_the_arms_of_the_benchmark() -> None:
    """Max and noisy-or, on the bags of all rows and on the 95 % set of each study."""
    made = {arm.name: arm.recipe for arm in prepare.known_arms("small")}
    assert list(made) == list(arms.NAMES)
    poolings = {name: recipe.fit.objective.pooling for name, recipe in made.items()}
    assert poolings == {
        "max_bags": "max", "max_sets": "max", "noisy_or_bags": "noisy_or", "noisy_or_sets": "noisy_or",
    }  # fmt: skip
    evidence = {name: (recipe.fit.evidence, recipe.fit.credible_set) for name, recipe in made.items()}
    assert evidence["max_bags"] == evidence["noisy_or_bags"] == ("lowest_p", None)
    assert evidence["max_sets"] == evidence["noisy_or_sets"] == ("per_study", 0.95)
