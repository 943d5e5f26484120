"""What is distributed: a source archive, the wheel that is built from it, and what an installed wheel does.

Without the network: what the wheel asks for comes from the environment of the tests.
"""

import importlib.metadata
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import PACKAGED_EXAMPLE, ROOT, Run
from tests.kipoi.predictions import arguments, predictions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def distributions(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive of the checkout, and the wheel that is built from it."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    for name in names:
        if (root / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((root / name).read_bytes())
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return archive, wheel


@pytest.fixture(scope="module")
def wheel(distributions: tuple[Path, Path]) -> Path:
    """The wheel."""
    return distributions[1]


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


def test_twine_accepts_both(distributions: tuple[Path, Path]) -> None:
    check = [sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_archive_holds_what_the_package_is_made_of(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "setup.cfg", "mifm_kipoi/py.typed"} <= names


def _empty_environment(wheel: Path, folder: Path, extra: str) -> Path:
    """An environment with the wheel and what it and an extra require, linked from the one that runs."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    install = [sys.executable, "-m", "pip", "--python", folder, "install", "--no-deps", "--no-index", wheel]
    # A checkout on the path of Python would count as installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(install, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (metadata,) = importlib.metadata.distributions(name="mifm-kipoi", path=[str(site)])
    seen: set[str] = set()
    pending = [(text, extra) for text in metadata.requires or ()]
    while pending:
        text, extra_of_it = pending.pop()
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra_of_it}):
            continue
        distribution = importlib.metadata.distribution(requirement.name)
        assert requirement.specifier.contains(distribution.version, prereleases=True)
        for wanted in ["", *requirement.extras]:
            if f"{distribution.name}[{wanted}]" not in seen:
                seen.add(f"{distribution.name}[{wanted}]")
                pending += [(more, wanted) for more in distribution.requires or ()]
        for name in {path.parts[0] for path in distribution.files or () if path.parts[0] != ".."}:
            if not (site / name).exists():
                (site / name).symlink_to(distribution.locate_file(name))
    return folder / "bin"


@pytest.mark.parametrize("extra", ["", "plot"])
def test_in_an_empty_environment(wheel: Path, extra: str, tmp_path: Path, packaged_example: Path) -> None:
    """With nothing but what the metadata name: scores without extras, figures with that for them."""
    programs = _empty_environment(wheel, tmp_path / "environment", extra)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    assert run("mifm", "--version").stdout.startswith("mifm ")
    inputs = (packaged_example / "variants.vcf", packaged_example / "genome.fa.gz")
    demo = run("mifm", "demo")
    if extra:
        assert demo.returncode == 0, demo.stderr
        assert (tmp_path / "demo" / "ranked.png").stat().st_size > 0
        ranked = run("mifm", "rank", *inputs, "-o", "ranked")
        assert ranked.returncode == 0, ranked.stderr
        explain = ("mifm", "explain", *inputs, "--only", "rs6045561", "--method")
        explained = run(*explain, "ism", "-o", "explained")
        assert explained.returncode == 0, explained.stderr
        assert "pip install '.[interpretation]'" in run(*explain, "deeplift", "-o", "deeplift").stderr
        effects = tmp_path / "effects.tsv"
        effects.write_text("chromosome\tposition\tref\talt\tbeta\tse\tmifm_ref\n1\t5\tA\tC\t0.1\t0.02\t0.5\n")
        assert "pip install '.[evaluation]'" in run("mifm", "rank", effects, "-o", "posteriors").stderr
        assert "pip install '.[finemapping]'" in run("mifm", "finemap", effects, "-o", "finemapped").stderr
    else:
        assert demo.returncode == 1
        assert "pip install '.[plot]'" in demo.stderr
        scored = run("mifm", "score", *inputs, "-o", "scores.tsv")
        assert scored.returncode == 0, scored.stderr
        assert len((tmp_path / "scores.tsv").read_text().splitlines()) > 400
        assert "embedded\tok" in run("mifm", "weights", "verify").stdout
        ranked = run("mifm", "rank", *inputs, "-o", "ranked")
        assert "pip install '.[plot]'" in ranked.stderr
        training = run("python", "-m", "training", "run", "--out", "trained")
        assert "pip install '.[training]'" in training.stderr
