"""Scans of a genome: what they write, against scores of single variants; parts, kills, and look-up."""

from __future__ import annotations

import gzip
import json
import pickle
import random
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pysam
import pytest
import torch

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, MissingPackageError, OptionError
from mifm_kipoi.genome_scan import formats
from mifm_kipoi.genome_scan.merge import merge
from mifm_kipoi.genome_scan.readers import open_genome_scores
from mifm_kipoi.genome_scan.run import GenomeRun
from mifm_kipoi.network.background import Background
from mifm_kipoi.network.weights import load_weights, save_weights
from mifm_kipoi.scoring.scorer import ScoringOptions, score_variants
from tests.builders import random_network, write_fasta, write_vcf
from tests.genome_scan import SMALL

BASES = "ACGT"

SIZES = {"chr1": 9000, "tiny": 120, "chr2": 4500}
"""Lengths of the contigs."""


@pytest.fixture(scope="module")
def contigs() -> dict[str, str]:
    generator = random.Random(7)
    first = "".join(generator.choices("ACGTacgt", k=9000))
    first = first[:5000] + "N" * 700 + first[5700:6000] + "NRY" + first[6003:]
    return {"chr1": first, "tiny": "ACGT" * 30, "chr2": "".join(generator.choices(BASES, k=4500))}


@pytest.fixture(scope="module")
def fasta(contigs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", contigs)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, random_network(SMALL), {"test": True})
    return str(path)


def scan(fasta: Path, weights: str, folder: Path, name: str = "x", **options: Any) -> GenomeRun:
    outputs = (folder / f"{name}.bw", folder / f"{name}.tsv.gz")
    # One block a segment, so that there are several.
    return GenomeRun(fasta, outputs, weights, segment_blocks=1, **options)


@pytest.fixture(scope="module")
def scanned(fasta: Path, weights: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scanned")
    torch.set_num_threads(3)
    scan(fasta, weights, folder, alleles=True).run()
    assert torch.get_num_threads() == 3
    return folder


@pytest.fixture(scope="module")
def scored(
    contigs: dict[str, str], fasta: Path, weights: str, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    """All SNVs of all positions, by ``mifm score``."""
    records = [
        (contig, place + 1, base.upper(), other)
        for contig, bases in contigs.items()
        for place, base in enumerate(bases)
        for other in BASES
        if base.upper() in BASES and other != base.upper()
    ]
    lengths = {name: len(bases) for name, bases in contigs.items()}
    vcf = write_vcf(tmp_path_factory.mktemp("variants") / "all.vcf", records, lengths)
    return score_variants(vcf, fasta, ScoringOptions((weights,)))


def track(path: Path, contig: str, start: int, end: int) -> npt.NDArray[np.float64]:
    """Values of a bigWig file, read by another program."""
    with pytest.importorskip("pyBigWig", reason="pyBigWig is not installed").open(str(path)) as file:
        return np.asarray(file.values(contig, start, end))


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype={"chrom": str})


def test_the_table_is_what_single_variants_score(scanned: Path, scored: pd.DataFrame) -> None:
    ok = scored[scored.status == "ok"]
    once = ok.drop_duplicates(["chrom", "pos"])
    rows = table(scanned / "x.tsv.gz")
    assert (
        rows[["chrom", "pos", "ref"]].to_numpy().tolist() == once[["chrom", "pos", "ref"]].to_numpy().tolist()
    )
    np.testing.assert_allclose(rows.mifm_logit_ref, once.mifm_logit_ref, atol=1e-5)
    np.testing.assert_allclose(rows.mifm_ref, once.mifm_ref, atol=2e-6)
    assert rows.mifm_phred.isna().all()
    by_base = rows.set_index(["chrom", "pos"])
    for base in BASES:
        of_base = ok[ok.alt == base].set_index(["chrom", "pos"])
        np.testing.assert_allclose(
            by_base.loc[of_base.index, f"mifm_logit_{base}"], of_base.mifm_logit_alt, atol=1e-5
        )
        of_ref = rows[rows.ref == base]
        assert (of_ref[f"mifm_logit_{base}"] == of_ref.mifm_logit_ref).all()


def test_tabix_finds_the_rows(scanned: Path) -> None:
    with pysam.TabixFile(str(scanned / "x.tsv.gz")) as file:
        assert [line.split("\t")[1] for line in file.fetch("chr2", 1000, 1003)] == ["1001", "1002", "1003"]


def test_the_track_has_the_scores_of_the_table(scanned: Path, contigs: dict[str, str]) -> None:
    rows = table(scanned / "x.tsv.gz")
    for contig, bases in contigs.items():
        expected = np.full(len(bases), np.nan)
        of_contig = rows[rows.chrom == contig]
        expected[of_contig.pos - 1] = of_contig.mifm_ref
        np.testing.assert_allclose(track(scanned / "x.bw", contig, 0, len(bases)), expected, atol=6e-7)


def test_the_manifest_says_what_was_scanned(scanned: Path) -> None:
    manifest = json.loads((scanned / "x.tsv.gz.json").read_text())
    rows = table(scanned / "x.tsv.gz")
    assert manifest["kind"] == "genome scan"
    assert manifest["rows"] == len(rows) == manifest["status"]["scored"]
    assert sum(manifest["status"].values()) == 9000 + 120 + 4500
    assert manifest["index"] == "x.tsv.gz.tbi"


def test_look_up(scanned: Path, scored: pd.DataFrame) -> None:
    once = scored.drop_duplicates(["chrom", "pos"])
    for name in ("x.bw", "x.tsv.gz"):
        # As it is sent to another process.
        scores = pickle.loads(pickle.dumps(open_genome_scores(scanned / name)))
        scores.verify()
        assert scores.is_whole
        assert scores.weights["name"] == "small"
        # Not in their order.
        for contig, rows in once.sample(frac=1, random_state=1).groupby("chrom"):
            logits = scores.look_up(contig, rows.pos.to_numpy() - 1)
            np.testing.assert_allclose(logits[:, 0], rows.mifm_logit_ref, atol=1e-5)
        assert np.isnan(scores.fetch("other", 0, 10)).all()
        assert np.isnan(scores.fetch("chr2", 4400, 5000)[-500:]).all()
    assert scores.has_alternatives
    rows = scored[(scored.chrom == "chr1") & (scored.status == "ok")]
    logits = scores.look_up("chr1", rows.pos.to_numpy() - 1)
    columns = np.array([1 + BASES.index(alt) for alt in rows.alt])
    np.testing.assert_allclose(logits[np.arange(len(rows)), columns], rows.mifm_logit_alt, atol=1e-5)


def test_regions_and_contigs_change_no_number(
    scanned: Path, fasta: Path, weights: str, tmp_path: Path
) -> None:
    bed = tmp_path / "some.bed"
    bed.write_text("1\t4000\t4200\nchr1\t4150\t4300\nchr2\t0\t600\ntiny\t0\t120\n")
    scan(fasta, weights, tmp_path, regions=bed, contigs=("chr1", "tiny"), alleles=True, threads=2).run()
    rows = table(tmp_path / "x.tsv.gz")
    assert rows.pos.tolist() == list(range(4001, 4301))
    whole = table(scanned / "x.tsv.gz")
    pd.testing.assert_frame_equal(
        rows, whole[(whole.chrom == "chr1") & whole.pos.between(4001, 4300)].reset_index(drop=True)
    )
    scores = open_genome_scores(tmp_path / "x.bw")
    assert not scores.is_whole
    assert np.flatnonzero(~np.isnan(scores.fetch("chr1", 0, 9000)[:, 0])).tolist() == list(range(4000, 4300))


@pytest.mark.parametrize("parts", [2, 8])
def test_parts_make_the_whole(fasta: Path, weights: str, scanned: Path, tmp_path: Path, parts: int) -> None:
    for part in range(1, parts + 1):
        scan(fasta, weights, tmp_path, f"{part}", alleles=True, shard=(part, parts), threads=part).run()
    for name in ("bw", "tsv.gz"):
        pieces = [tmp_path / f"{part}.{name}" for part in range(parts, 0, -1)]
        assert main(["merge", *map(str, pieces), "-o", str(tmp_path / f"all.{name}")]) == 0
        assert (tmp_path / f"all.{name}").read_bytes() == (scanned / f"x.{name}").read_bytes()
        assert open_genome_scores(tmp_path / f"all.{name}").is_whole
        with pytest.raises(InputError, match=f"missing: part 1 of {parts}"):
            merge(pieces[:-1], tmp_path / f"some.{name}")
    assert (tmp_path / "all.tsv.gz.tbi").read_bytes() == (scanned / "x.tsv.gz.tbi").read_bytes()


def test_ranks_and_the_layout_of_cadd(scanned: Path, fasta: Path, weights: str, tmp_path: Path) -> None:
    plain = table(scanned / "x.tsv.gz")
    descending = np.sort(plain.mifm_logit_ref.to_numpy(np.float32))[::-1].copy()
    source = {"name": "all of it", "weights": load_weights(weights).identity}
    background = Background(np.arange(1, len(descending) + 1), descending, source)
    path = tmp_path / "ranked.safetensors"
    save_weights(path, random_network(SMALL), {"test": True}, background)
    scan(fasta, str(path), tmp_path, track="mifm_phred").run()
    rows = table(tmp_path / "x.tsv.gz")
    pd.testing.assert_frame_equal(rows.iloc[:, :5], plain.iloc[:, :5])
    GenomeRun(fasta, (tmp_path / "logits.bw",), str(path), track="mifm_logit_ref").run()
    logits = {contig: track(tmp_path / "logits.bw", contig, 0, size) for contig, size in SIZES.items()}
    exact = [logits[contig][pos - 1] for contig, pos in zip(rows.chrom, rows.pos, strict=True)]
    np.testing.assert_allclose(rows.mifm_percentile, background.percentile(np.array(exact)), atol=6e-4)
    np.testing.assert_allclose(rows.mifm_phred, background.phred(np.array(exact)), atol=6e-4)
    phred = track(tmp_path / "x.bw", "chr2", 0, 4500)
    of_contig = rows[rows.chrom == "chr2"]
    np.testing.assert_allclose(phred[of_contig.pos - 1], of_contig.mifm_phred, atol=6e-4)
    with pytest.raises(InputError, match="holds mifm_phred, of which no score can be had"):
        open_genome_scores(tmp_path / "x.bw")

    GenomeRun(fasta, (tmp_path / "snvs.tsv.gz",), str(path), snvs=True).run()
    snvs = pd.read_csv(tmp_path / "snvs.tsv.gz", sep="\t", skiprows=1)
    assert list(snvs.columns) == ["#Chrom", "Pos", "Ref", "Alt", "RawScore", "PHRED"]
    assert len(snvs) == 3 * len(rows)
    once = snvs[::3].reset_index(drop=True)
    assert (once[["#Chrom", "Pos", "Ref"]].to_numpy() == rows[["chrom", "pos", "ref"]].to_numpy()).all()
    np.testing.assert_array_equal(once[["RawScore", "PHRED"]], rows[["mifm_ref", "mifm_phred"]])
    others = {base: [other for other in BASES if other != base] for base in BASES}
    assert snvs.Alt.tolist() == [other for base in once.Ref for other in others[base]]
    with pysam.TabixFile(str(tmp_path / "snvs.tsv.gz")) as file:
        assert len(file.header) == 2
        assert len(list(file.fetch("chr2", 1000, 1002))) == 6
    with pytest.raises(InputError, match="the columns of CADD, with rounded scores"):
        open_genome_scores(tmp_path / "snvs.tsv.gz")


class Killed(BaseException):
    """As nothing that the program expects."""


@pytest.mark.parametrize("after", [0, 1, 3, 6, 7])
def test_a_run_that_was_killed_goes_on(
    fasta: Path, weights: str, scanned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    run = scan(fasta, weights, tmp_path, alleles=True)
    appended = []
    original = formats.Table.joined

    def killed(self: formats.Table, parts: list[bytes]) -> bytes:
        if len(appended) == after:
            raise Killed
        appended.append(1)
        return original(self, parts)

    with monkeypatch.context() as patch:
        if after < 6:
            patch.setattr(formats.Table, "joined", killed)
        else:
            # While the files get their names, the first of them or the second.
            form = formats.Track if after == 6 else formats.PositionTable
            finish = form.finish

            def killed_late(grown: Path, folder: Path) -> Any:
                finish(grown, folder)
                raise Killed

            patch.setattr(form, "finish", staticmethod(killed_late))
        with pytest.raises(Killed):
            run.run()
    assert not (tmp_path / "x.tsv.gz").exists()
    if after != 7:
        with pytest.raises(InputError, match="left from a run that did not end; add --resume"):
            run.run()
    scan(fasta, weights, tmp_path, alleles=True, resume=True).run()
    for name in ("x.bw", "x.tsv.gz", "x.tsv.gz.tbi"):
        assert (tmp_path / name).read_bytes() == (scanned / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in scanned.iterdir())


def test_other_options_do_not_go_on(
    fasta: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(formats.Table, "finish", staticmethod(killed))
        with pytest.raises(Killed):
            GenomeRun(fasta, (tmp_path / "x.tsv.gz",), weights).run()
    with pytest.raises(InputError, match=r"options\.alleles was False and is True"):
        GenomeRun(fasta, (tmp_path / "x.tsv.gz",), weights, alleles=True, resume=True).run()


def test_a_finished_run_is_left(scanned: Path, fasta: Path, weights: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in scanned.iterdir()}
    result = scan(fasta, weights, scanned, alleles=True, resume=True).run()
    assert {path: path.stat().st_mtime_ns for path in scanned.iterdir()} == before
    assert set(result.written) == set(before)


@pytest.mark.parametrize(
    ("outputs", "options", "message"),
    [
        (["x.txt"], {}, r"x\.txt ends in no known format.*\.bw.*\.tsv\.gz"),
        (["x.bw", "y.bw"], {}, "of the same format"),
        ([], {}, "no output is named"),
        (["x.bw"], {"alleles": True}, "alleles needs a table"),
        (["x.tsv.gz"], {"alleles": True, "snvs": True}, "exclude each other"),
        (["x.tsv.gz"], {"snvs": True}, "have no background.*mifm genome background"),
        (["x.bw"], {"track": "mifm_phred"}, "no mifm_phred to write.*mifm genome background"),
        (["x.tsv.gz"], {"contigs": ("chr9",)}, "has no contig chr9; it has chr1, tiny, chr2"),
        (["x.bw"], {"track": "mifm_alt"}, "'mifm_alt'; expected one of mifm_ref"),
        (["x.bw"], {"shard": (3, 2)}, "3/2"),
    ],
)
def test_options_that_cannot_be(
    fasta: Path, weights: str, tmp_path: Path, outputs: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        GenomeRun(fasta, tuple(tmp_path / name for name in outputs), weights, **options).run()
    assert not list(tmp_path.iterdir())


def test_a_scan_without_any_score_is_an_error(
    fasta: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["genome", str(fasta), "-o", str(tmp_path / "x.bw"), "--weights", weights, "--contigs", "tiny"]
    assert main(words) == 1
    assert re.search(r"no position of .* has a window with at most 0\.1 of N", capsys.readouterr().err)


def test_files_for_browsers(fasta: Path, weights: str, tmp_path: Path) -> None:
    words = ["genome", str(fasta), "-o", str(tmp_path / "x.bw"), "--weights", weights, "--igv-session"]
    assert main([*words, "--ucsc-hub", "hg19", "--contigs", "chr2"]) == 0
    session = ET.parse(tmp_path / "x.bw.igv.xml").getroot()
    assert (tmp_path / session.attrib["genome"]).samefile(fasta)
    # The first position with a window that has at most a tenth of N.
    assert session.attrib["locus"] == "chr2:205-4500"
    assert [each.attrib["path"] for each in session.iter("Resource")] == ["x.bw"]
    axis = next(session.iter("DataRange")).attrib
    scores = track(tmp_path / "x.bw", "chr2", 0, 4500)
    assert float(axis["minimum"]) == 0
    assert float(axis["maximum"]) == pytest.approx(np.nanmax(scores), rel=1e-5)
    web = json.loads((tmp_path / "x.bw.igv.json").read_text())
    assert (tmp_path / web["reference"]["fastaURL"]).samefile(fasta)
    assert (tmp_path / web["reference"]["indexURL"]).is_file()
    assert (tmp_path / web["tracks"][0]["url"]).is_file()
    assert web["locus"] == session.attrib["locus"]
    hub = (tmp_path / "x.bw.hub.txt").read_text()
    assert "\ngenome hg19\n" in hub
    assert "\nbigDataUrl x.bw\n" in hub
    with pytest.raises(OptionError, match=r"add a \.bw"):
        GenomeRun(fasta, (tmp_path / "y.tsv.gz",), weights, igv_session=True)


def test_a_track_is_looked_up_with_pybigwig(scanned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyBigWig", None)
    with pytest.raises(MissingPackageError, match=r"pyBigWig .*pip install '\.\[tracks\]'"):
        open_genome_scores(scanned / "x.bw")


def test_a_damaged_file_is_not_looked_up(scanned: Path, tmp_path: Path) -> None:
    for name in ("x.bw", "x.tsv.gz"):
        (tmp_path / name).write_bytes((scanned / name).read_bytes())
        with pytest.raises(InputError, match=f"no manifest {name}.json of 'mifm genome'"):
            open_genome_scores(tmp_path / name)
        (tmp_path / f"{name}.json").write_bytes((scanned / f"{name}.json").read_bytes())
        (tmp_path / name).write_bytes((scanned / name).read_bytes()[:-1])
        with pytest.raises(InputError, match=r"has \d+ bytes, not \d+"):
            open_genome_scores(tmp_path / name)


def test_the_genome_may_stand_behind_the_outputs(
    fasta: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["genome", "--weights", weights, "--contigs", "chr2", "-o", str(tmp_path / "x.bw")]
    assert main([*words, str(fasta)]) == 0
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "required: fasta" in capsys.readouterr().err


def test_the_command(fasta: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "genome",
        str(fasta),
        "-o",
        str(tmp_path / "y.bw"),
        str(tmp_path / "y.tsv.gz"),
        "--weights",
        weights,
    ]
    assert main([*words, "--contigs", "chr2,tiny", "--track", "mifm_logit_ref", "--no-progress"]) == 0
    said = capsys.readouterr().out
    assert "positions/s" in said
    assert f"{tmp_path / 'y.tsv.gz.tbi'}" in said
    rows = table(tmp_path / "y.tsv.gz")
    assert set(rows.chrom) == {"chr2"}
    expected = rows.mifm_logit_ref[rows.pos.between(2001, 2010)]
    values = track(tmp_path / "y.bw", "chr2", 2000, 2010)
    np.testing.assert_allclose(values, expected, atol=6e-7)
    assert gzip.decompress((tmp_path / "y.tsv.gz").read_bytes()).startswith(b"chrom\tpos\tref\tmifm_ref\t")
