"""What the engines are given, and what is said where they are absent."""

import os
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import OutputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.kipoi.bridges.engines import (
    BridgeError,
    DataloaderArguments,
    Reason,
    Unsupported,
    select_snvs,
    summary,
    temporary_folder,
    window_over_contig_end,
    write_snvs,
)
from mifm_kipoi.sequence.windows import stream_windows
from mifm_kipoi.support.files import written_whole
from tests.builders import write_fasta
from tests.conftest import Run


@pytest.mark.parametrize(
    ("module", "package", "remedy"),
    [
        ("veff", "kipoi_veff", "make veff"),
        ("veff2", "kipoi_veff2", "pip install git+https://github.com/kipoi/kipoi-veff2"),
    ],
)
def test_an_engine_that_is_not_installed(
    run: Run, example: Path, tmp_path: Path, module: str, package: str, remedy: str
) -> None:
    (tmp_path / package).mkdir()
    message = f"No module named '{package}'"
    (tmp_path / package / "__init__.py").write_text(f"raise ModuleNotFoundError({message!r})\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = run(f"mifm_kipoi.kipoi.bridges.{module}", "--help", check=False, PYTHONPATH=path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"kipoi-{module}: error: ")
    assert f"is not installed ({message}); install it with: {remedy}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_home_folder_in_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert DataloaderArguments.read({"fasta_file": "~/x.fa"}).fasta_file == "/home/me/x.fa"


def test_the_commands_are_installed() -> None:
    scripts = {script.name: script.value for script in entry_points(group="console_scripts")}
    assert scripts["kipoi-veff"] == "mifm_kipoi.kipoi.bridges.veff:main"
    assert scripts["kipoi-veff2"] == "mifm_kipoi.kipoi.bridges.veff2:main"


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), 2000))
    return Genome(write_fasta(tmp_path / "genome.fa", {"chr1": f"{bases[:999]}A{bases[1000:]}"}))


def variants(*alleles: tuple[str, int, str, str]) -> list[Variant]:
    return [Variant(chrom, pos, f"v{pos}", ref, alt) for chrom, pos, ref, alt in alleles]


def test_only_snvs_of_the_genome_are_written(genome: Genome, tmp_path: Path) -> None:
    given = variants(
        ("1", 1000, "A", "C"),
        ("1", 1000, "A", "CT"),
        ("1", 1000, "C", "A"),
        ("2", 1000, "A", "C"),
        ("1", 1000, "A", "*"),
        ("chr1", 1000, "A", "G"),
    )
    selected = list(select_snvs(stream_windows(given, genome)))
    expected = [
        Status.OK,
        Unsupported.NOT_AN_SNV,
        Status.REF_MISMATCH,
        Status.CONTIG_NOT_IN_FASTA,
        Status.SPANNING_DELETION,
        Status.OK,
    ]
    out = tmp_path / "snvs.vcf"
    for fasta_names, names in ((False, ["1", "chr1"]), (True, ["chr1", "chr1"])):
        assert write_snvs(selected, genome, out, fasta_names) == expected
        lines = [line.split("\t") for line in out.read_text().splitlines() if not line.startswith("##")]
        assert [line[:5] for line in lines[1:]] == [
            [name, "1000", "v1000", "A", alt] for name, alt in zip(names, "CG", strict=True)
        ]
    assert summary(expected) == (
        "2 of 6 alleles have a score; no score: 1 not_an_snv, 1 ref_mismatch, 1 contig_not_in_fasta, "
        "1 spanning_deletion"
    )


def test_a_further_reason_is_asked_for_snvs_alone(genome: Genome) -> None:
    asked = []

    def refuse(variant: Variant) -> Reason:
        asked.append(variant.alt)
        return Unsupported.OUTSIDE_RESTRICTION_BED

    chunks = stream_windows(variants(("1", 1000, "A", "C"), ("1", 1000, "A", "CT")), genome)
    reasons = [reason for _, reason in select_snvs(chunks, refuse)]
    assert reasons == [Unsupported.OUTSIDE_RESTRICTION_BED, Unsupported.NOT_AN_SNV]
    assert asked == ["C"]


@pytest.mark.parametrize(("pos", "over"), [(255, True), (256, False), (1744, False), (1745, True)])
def test_windows_over_an_end(genome: Genome, pos: int, over: bool) -> None:
    (variant,) = variants(("1", pos, "A", "C"))
    assert window_over_contig_end(variant, genome, -255, 257) is over


@pytest.mark.parametrize(
    ("start", "end", "covered"),
    [
        (100, 300, True),
        (100, 301, False),
        (99, 300, False),
        (150, 160, True),
        (350, 360, False),
        (0, 50, False),
    ],
)
def test_regions_cover(tmp_path: Path, start: int, end: int, covered: bool) -> None:
    path = tmp_path / "regions.bed"
    # The first two touch; merged they are [100, 300).
    path.write_text("chr1\t100\t200\nchr1\t200\t300\nchr1\t400\t500\n")
    regions = Regions(path)
    assert regions.cover("1", start, end) is covered
    assert not regions.cover("2", start, end)


def test_dataloader_arguments() -> None:
    assert DataloaderArguments.read(
        {"fasta_file": "a.fa", "max_mismatch_fraction": 1}
    ) == DataloaderArguments("a.fa", max_mismatch_fraction=1.0)
    with pytest.raises(BridgeError, match="--dataloader_args lack the genome"):
        DataloaderArguments.read({})
    with pytest.raises(BridgeError, match="--dataloader_args do not know fasta; expected"):
        DataloaderArguments.read({"fasta_file": "a.fa", "fasta": "b.fa"})
    with pytest.raises(BridgeError, match="could not convert string to float: 'half'"):
        DataloaderArguments.read({"fasta_file": "a.fa", "max_n_fraction": "half"})
    with pytest.warns(FutureWarning, match="max_unknown_share is now max_n_fraction"):
        read = DataloaderArguments.read({"fasta_file": "a.fa", "max_unknown_share": 0.5})
    assert read == DataloaderArguments("a.fa", max_n_fraction=0.5)


def test_files_are_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("before")

    def write(fail: bool) -> None:
        with written_whole(path) as temporary:
            temporary.write_text("after")
            assert path.read_text() == "before"
            if fail:
                raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        write(fail=True)
    assert path.read_text() == "before"
    write(fail=False)
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]
    with (
        pytest.raises(OutputError, match=r"cannot write .*/no/out\.txt: No such file or directory"),
        written_whole(tmp_path / "no" / "out.txt"),
    ):
        pass


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with written_whole(pipe) as given:
        assert given == pipe
    assert pipe.is_fifo()


def test_temporary_files_of_the_engines_go_with_the_folder() -> None:
    before = tempfile.gettempdir()
    with temporary_folder() as folder:
        Path(tempfile.mktemp()).write_text("left behind by an engine")
        assert len(list(folder.iterdir())) == 1
    assert not folder.exists()
    assert tempfile.gettempdir() == before
