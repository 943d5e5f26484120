"""``mifm attribute``: files against what fills them, in-silico mutagenesis against brute force."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mifm_kipoi.attribution.files import read_attributions
from mifm_kipoi.attribution.mutations import Mutagenesis
from mifm_kipoi.attribution.run import AttributionRun, Method
from mifm_kipoi.attribution.windows import (
    ChosenWindows,
    thinned,
    windows_of_intervals,
    windows_of_variants,
)
from mifm_kipoi.cli import main
from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import InputError, OptionError, OutputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.attribution import DeepLift
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.weights import save_weights
from mifm_kipoi.sequence import encoding
from tests.builders import TINY, random_network, write_fasta, write_vcf

CONTIG = "".join(random.Random(1).choices("ACGT", k=2500))
POSITIONS = [300, 301, 700, 702, 1400, 1900, 2100, 2200]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome, variants, intervals and small weights."""
    folder = tmp_path_factory.mktemp("attribution")
    bases = CONTIG[:1000] + "N" * 5 + CONTIG[1005:]
    write_fasta(folder / "genome.fa", {"1": bases, "n": "N" * 700})
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    records = [("1", pos, bases[pos - 1], other[bases[pos - 1]]) for pos in POSITIONS]
    # One at a position that is there, one whose window has N, one of another contig, one over the end.
    records += [("1", 300, bases[299], "<DEL>"), ("1", 1100, bases[1099], other[bases[1099]])]
    records += [("2", 10, "A", "C"), ("1", 2499, bases[2498], other[bases[2498]])]
    write_vcf(folder / "v.vcf", records)
    (folder / "r.bed").write_text("".join(f"1\t{pos - 1}\t{pos}\tb{pos}\n" for pos in [*POSITIONS, 1100]))
    save_weights(folder / "tiny.safetensors", random_network(TINY), {})
    return folder


def run_of(folder: Path, output: Path, **options: Any) -> AttributionRun:
    given_input = {} if "bed" in options else {"vcf": folder / "v.vcf"}
    return AttributionRun(
        folder / "genome.fa", output,
        **{"weights": folder / "tiny.safetensors", "references": 3, "threads": 1, **given_input, **options},
    )  # fmt: skip


@pytest.fixture(scope="module")
def network() -> MIFM:
    return random_network(TINY)


def window_of(pos: int) -> np.ndarray[Any, Any]:
    """The network's window around a 1-based position, by hand."""
    text = CONTIG[:1000] + "N" * 5 + CONTIG[1005:]
    start = pos - 1 - 31
    return encoding.codes(np.frombuffer(text[start : start + 64].encode(), np.uint8))


@pytest.mark.parametrize("method", ["deeplift", "ism"])
def test_the_file_has_the_contributions_of_the_windows(
    folder: Path, network: MIFM, method: str, tmp_path: Path
) -> None:
    if method == "deeplift":
        pytest.importorskip("tangermeme")
    torch.set_num_threads(3)
    result = run_of(folder, tmp_path / "a.h5", method=method).run()
    assert torch.get_num_threads() == 3
    torch.set_num_threads(1)
    assert result.status == {"symbolic_alt": 1, "contig_not_in_fasta": 1, "too_many_n": 2}
    codes = np.stack([window_of(pos) for pos in POSITIONS])
    attribute = DeepLift(network, 3) if method == "deeplift" else Mutagenesis(Predictor(network))
    expected = attribute(codes)
    read = read_attributions(tmp_path / "a.h5")
    assert read.pos.tolist() == POSITIONS
    assert read.chroms == ["1"] * len(POSITIONS)
    assert read.ids == [f"v{n + 1}" for n in range(len(POSITIONS))]
    assert (read.window, read.centre) == (64, 31)
    order = np.array([3, 0, 7])
    read_codes, hypothetical = read.arrays(order)
    np.testing.assert_array_equal(read_codes, codes[order])
    np.testing.assert_allclose(hypothetical, expected.hypothetical[order], atol=1e-6)
    np.testing.assert_allclose(read.logit, expected.logit, atol=1e-6)
    np.testing.assert_allclose(read.delta, expected.delta, atol=1e-5)
    manifest = json.loads((tmp_path / "a.h5.json").read_text())
    assert manifest["attribution"]["method"] == method
    assert manifest["support"] == list(Predictor(network).network.receptive_field)
    assert manifest["windows"] == len(POSITIONS)


def test_in_silico_mutagenesis_equals_every_substituted_window(network: MIFM) -> None:
    codes = np.stack([window_of(pos) for pos in (300, 1400)])
    got = Mutagenesis(Predictor(network))(codes).hypothetical
    for row, index in itertools.product(range(2), (0, 17, 31, 63)):
        windows = np.repeat(codes[row][None], 4, axis=0)
        windows[:, index] = np.arange(4)
        with torch.no_grad():
            logits = network(torch.from_numpy(encoding.one_hot(windows))).numpy()
        np.testing.assert_allclose(got[row, :, index], logits - logits.mean(), atol=1e-5)


def test_intervals_and_variants_at_the_same_positions_give_the_same_windows(folder: Path) -> None:
    genome = Genome(folder / "genome.fa")
    of_variants = windows_of_variants(folder / "v.vcf", genome)
    of_intervals = windows_of_intervals(folder / "r.bed", genome)
    assert of_variants.centres.tolist() == of_intervals.centres.tolist()
    assert of_intervals.ids[0] == "b300"
    assert of_intervals.status == {Status.OK: len(POSITIONS), Status.TOO_MANY_N: 1}


def test_records_at_one_position_have_one_window(folder: Path, tmp_path: Path) -> None:
    base = CONTIG[299]
    others = [each for each in "ACGT" if each != base]
    path = write_vcf(tmp_path / "v.vcf", [("1", 300, base, others[0]), ("1", 300, base, others[1])])
    windows = windows_of_variants(path, Genome(folder / "genome.fa"))
    assert (len(windows), windows.repeated) == (1, 1)


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=40, unique=True),
    st.integers(0, 60),
    st.none() | st.integers(1, 12),
    st.integers(0, 3),
)
def test_thinned_windows_are_apart(centres: list[int], distance: int, sample: int | None, seed: int) -> None:
    chroms = [str(centre % 2) for centre in centres]
    windows = ChosenWindows(chroms, ["."] * len(centres), np.array(centres), {})
    kept = thinned(windows, sample, distance, seed)
    places = list(zip(kept.chroms, kept.centres.tolist(), strict=True))
    for (chrom, centre), (other_chrom, other) in itertools.combinations(places, 2):
        assert chrom != other_chrom or abs(centre - other) >= distance
    assert kept.left_out == len(windows) - len(kept)
    rows = [centres.index(centre) for centre in kept.centres.tolist()]
    assert rows == sorted(rows)
    if sample is None or len(kept) < sample:
        # What was left out is close to one that was kept.
        for chrom, centre in set(zip(chroms, centres, strict=True)) - set(places):
            assert any(chrom == each and abs(centre - other) < distance for each, other in places)


def test_a_run_that_was_killed_goes_on_to_the_same_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tangermeme")
    monkeypatch.setattr("mifm_kipoi.attribution.run.BLOCK", 2)
    run_of(folder, tmp_path / "whole.h5").run()

    class KilledError(Exception):
        pass

    def kill(count: int, fraction: float) -> None:
        assert fraction == count / len(POSITIONS)
        if count == 4:
            raise KilledError

    path = tmp_path / "parts.h5"
    with pytest.raises(KilledError):
        run_of(folder, path).run(kill)
    assert not path.exists()
    with pytest.raises(InputError, match="resume"):
        run_of(folder, path).run()
    with pytest.raises(InputError, match=r"references was 3 and is 4"):
        run_of(folder, path, references=4, resume=True).run()
    with monkeypatch.context() as patch:
        patch.setattr("mifm_kipoi.attribution.run.find_device", lambda _: torch.device("cuda"))
        with pytest.raises(InputError, match="device was cpu and is cuda"):
            run_of(folder, path, resume=True).run()
    counts: list[int] = []
    run_of(folder, path, resume=True).run(lambda count, _: counts.append(count))
    assert counts == [6, 8]
    assert path.read_bytes() == (tmp_path / "whole.h5").read_bytes()
    # A finished file stays as it is.
    run_of(folder, path, resume=True).run(lambda *_: pytest.fail("computed again"))
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "parts.h5", "parts.h5.json", "whole.h5", "whole.h5.json",
    ]  # fmt: skip


def test_threads_do_not_change_the_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tangermeme")
    monkeypatch.setattr("mifm_kipoi.attribution.run.BLOCK", 2)
    run_of(folder, tmp_path / "one.h5").run()
    run_of(folder, tmp_path / "three.h5", threads=3).run()
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "three.h5").read_bytes()


def test_untrained_weights(folder: Path, tmp_path: Path) -> None:
    run_of(folder, tmp_path / "a.h5", method=Method.ISM).run()
    for seed in (0, 1):
        run_of(folder, tmp_path / f"null{seed}.h5", method=Method.ISM, untrained=seed).run()
    logits = [read_attributions(tmp_path / name).logit for name in ("a.h5", "null0.h5", "null1.h5")]
    assert all(np.abs(one - other).max() > 1e-3 for one, other in itertools.combinations(logits, 2))
    assert read_attributions(tmp_path / "null1.h5").provenance["untrained"] == 1


def test_what_is_impossible(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="vcf"):
        AttributionRun(folder / "genome.fa", tmp_path / "a.h5")
    with pytest.raises(OutputError, match=r"\.tsv"):
        run_of(folder, tmp_path / "a.tsv")
    with pytest.raises(OptionError, match="references is 0"):
        run_of(folder, tmp_path / "a.h5", references=0)
    (tmp_path / "n.bed").write_text("n\t300\t301\n")
    with pytest.raises(InputError, match="1 too_many_n"):
        run_of(folder, tmp_path / "a.h5", bed=tmp_path / "n.bed").run()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=r"other\.h5"):
        read_attributions(tmp_path / "other.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match=r"text\.h5"):
        read_attributions(tmp_path / "text.h5")


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "a.h5"
    arguments = [
        "attribute", str(folder / "genome.fa"), "--bed", str(folder / "r.bed"), "-o", str(output),
        "--method", "ism", "--sample", "3", "--weights", str(folder / "tiny.safetensors"), "--threads", "1",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "3 windows" in capsys.readouterr().out
    assert len(read_attributions(output)) == 3
    with pytest.raises(SystemExit, match="2"):
        main([*arguments[:5], str(tmp_path / "a.tsv")])
    assert main([*arguments[:2], "--bed", str(tmp_path / "none.bed"), "-o", str(tmp_path / "b.h5")]) == 1
    assert "none.bed" in capsys.readouterr().err
