"""The wheel carries all that Kipoi needs: the same commands from an installed wheel, without the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import PACKAGED_EXAMPLE, ROOT, Run
from tests.kipoi.predictions import arguments, predictions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout, built without the network."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    for name in names:
        if (root / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((root / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel alone; its dependencies come from the environment of the tests."""
    folder = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel]
    subprocess.run(install, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_code_and_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    assert "License-File: LICENSE\n" in metadata
    assert "License-File: mifm_kipoi/network/embedded.LICENCE.txt\n" in metadata
    group = "mifm_kipoi/kipoi/group/MIFM"
    for folder in (group, f"{group}/sequence", f"{group}/published", f"{group}/published/sequence"):
        assert {f"{folder}/{name}" for name in ("model.yaml", "dataloader.yaml", "dataloader.py")} <= names
    assert {
        "mifm_kipoi/example/study.tar.xz",
        "mifm_kipoi/network/backgrounds/embedded.npz",
        "mifm_kipoi/network/backgrounds/published.npz",
        "mifm_kipoi/network/embedded.LICENCE.txt",
        "mifm_kipoi/network/embedded.safetensors",
        "mifm_kipoi/py.typed",
        *(str(path.relative_to(ROOT)) for path in (ROOT / "mifm_kipoi").rglob("*.jinja")),
        "training/configs/embedded.yaml",
    } <= names
    assert {name for name in names if name.startswith("mifm_kipoi/kipoi/example/")} == {
        f"mifm_kipoi/kipoi/example/{path.name}"
        for path in PACKAGED_EXAMPLE.iterdir()
        if path.name != "make_example.py"
    }
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mifm_kipoi", "training"}


def test_kipoi_commands_from_the_wheel(
    installed: Path, run: Run, example: Path, packaged_example: Path, tmp_path: Path
) -> None:
    where = {"PYTHONPATH": str(installed)}
    printed = run("timeit", "-n", "1", "-r", "1", "import mifm_kipoi; print(mifm_kipoi.__file__)", **where)
    assert str(installed) in printed.stdout
    group = installed / "mifm_kipoi" / "kipoi" / "group" / "MIFM"
    assert "All predictions match" in run("kipoi", "test", group, "--source=dir", **where).stdout
    run("mifm_kipoi.cli", "register", **where)
    out = tmp_path / "out.tsv"
    run(
        "kipoi", "predict", "MIFM", "--source=mifm", "--dataloader_args", arguments(example), "-n", "2",
        "--batch_size", "512", "-m", "-o", out, **where,
    )  # fmt: skip
    table = predictions(out)
    assert (table["status"] == "ok").sum() > 30
    assert "All predictions match" in run("kipoi", "test", "MIFM/sequence", "--source=mifm", **where).stdout
    for command in (["ls", "all"], ["info", "MIFM"]):
        assert "MIFM" in run("kipoi", *command, "--source=mifm", **where).stdout
    run("kipoi", "get-example", "MIFM", "--source=mifm", "-o", tmp_path / "example", **where)
    for name in ("genome.fa.gz", "variants.vcf"):
        assert (tmp_path / "example" / name).read_bytes() == (packaged_example / name).read_bytes()
    preproc = ("preproc", "MIFM", "--source=mifm", "--dataloader_args", arguments(example), "-o")
    run("kipoi", *preproc, tmp_path / "windows.h5", **where)
    assert (tmp_path / "windows.h5").stat().st_size > 0
