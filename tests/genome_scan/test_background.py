import hashlib
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError, WeightsError
from mifm_kipoi.genome_scan.background import BackgroundRun
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.background import Background
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.weights import find_weights, load_weights, save_weights
from mifm_kipoi.scoring.scorer import ScoringOptions, score_variants
from mifm_kipoi.sequence.contig_blocks import cut_block
from mifm_kipoi.sequence.windows import cut_windows
from tests.builders import TINY, random_network, write_fasta, write_vcf


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    generator = random.Random(8)
    bases = {name: "".join(generator.choices("ACGT", k=length)) for name, length in
             {"chr1": 1500, "chr2": 900, "tiny": 100}.items()}  # fmt: skip
    bases["chr2"] = bases["chr2"][:500] + "N" * 100 + bases["chr2"][600:]
    return write_fasta(tmp_path / "genome.fa", bases)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.safetensors"
    save_weights(path, random_network(TINY), {"made": "by a test"})
    return path


def logits_of_windows(weights: Path, fasta: Path, contigs: tuple[str, ...]) -> np.ndarray:
    """Window by window, by the code that scores variants: each position as a variant."""
    genome = Genome(fasta)
    variants = []
    for contig in contigs:
        bases = genome.fetch(contig, 0, genome.contigs[contig]).tobytes().decode()
        variants += [
            Variant(contig, number + 1, ".", base, "A" if base != "A" else "C")
            for number, base in enumerate(bases)
        ]
    windows = cut_windows(variants, genome)
    codes = windows.ref[[status == "ok" for status in windows.status]]
    read = load_weights(weights)
    start = (512 - read.config.window) // 2
    logits: np.ndarray = Predictor(read.model()).logits(codes[:, start : start + read.config.window])
    return logits


def test_all_positions_with_a_window_count(fasta: Path, own: Path, tmp_path: Path) -> None:
    out = tmp_path / "with.safetensors"
    seen: list[tuple[int, float]] = []
    result = BackgroundRun(fasta, own, out).run(lambda *progress: seen.append(progress))
    expected = np.sort(logits_of_windows(own, fasta, ("chr1", "chr2", "tiny")))[::-1]
    assert 1000 < len(expected) < 1500
    background = result.background
    assert background.positions == len(expected)
    np.testing.assert_allclose(background.logits, expected, atol=1e-5)
    assert background.source["contigs"] == {"chr1": 1500, "chr2": 900, "tiny": 100}
    assert background.source["fasta"]["sha256"] == hashlib.sha256(fasta.read_bytes()).hexdigest()
    assert background.name == "genome.fa: chr1, chr2, tiny"
    assert seen[-1] == (2500, 1.0)
    read = load_weights(out)
    assert read.background is not None
    assert read.background.identity == background.identity
    assert read.provenance["made"] == "by a test"
    assert load_weights(own).background is None


def test_contigs_by_other_names_and_a_name(fasta: Path, own: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.npz"
    BackgroundRun(fasta, own, out, ("2", "chr2"), "the second").run()
    background = Background.from_bytes(out.read_bytes())
    np.testing.assert_allclose(
        background.logits, np.sort(logits_of_windows(own, fasta, ("chr2",)))[::-1], atol=1e-5
    )
    assert background.name == "the second"
    assert background.source["contigs"] == {"chr2": 900}


def test_the_command_gives_the_columns_their_numbers(
    fasta: Path, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without -o the file of the weights gets the background; before, the columns are empty."""
    genome = Genome(fasta)
    base = genome.fetch("chr1", 699, 700).tobytes().decode()
    vcf = write_vcf(tmp_path / "in.vcf", [("chr1", 700, base, "A" if base != "A" else "C")])
    options = ScoringOptions(weights=(str(own),))
    before = score_variants(vcf, fasta, options)
    assert before[["mifm_percentile", "mifm_phred"]].isna().all(axis=None)
    assert main(["genome", "background", str(fasta), "--weights", str(own), "--contigs", "chr1"]) == 0
    said = capsys.readouterr().out
    assert f"written: {own}" in said
    assert "positions: genome.fa: chr1" in said
    after = score_variants(vcf, fasta, options)
    logits = logits_of_windows(own, fasta, ("chr1",))
    f = np.mean(logits >= after["mifm_logit_ref"][0].astype(float) - 1e-5)
    assert 0 < f < 1
    assert after["mifm_percentile"][0] == pytest.approx(100 * (1 - f), abs=0.1)
    assert after["mifm_phred"][0] == pytest.approx(-10 * np.log10(f), abs=0.05)
    pd.testing.assert_frame_equal(
        before.drop(columns=["mifm_percentile", "mifm_phred"]),
        after.drop(columns=["mifm_percentile", "mifm_phred"]),
    )


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({}, OptionError, "embedded weights are part of the package"),
        ({"weights": find_weights("embedded")}, OptionError, "embedded weights are part of the package"),
        ({"output": "new.bed"}, OptionError, r"new\.bed; expected a name in \.safetensors or \.npz"),
        (
            {"output": "new.npz", "contigs": ("chr1", "7")},
            OptionError,
            "no contig 7; it has chr1, chr2",
        ),
        ({"output": "new.npz", "contigs": ("tiny",)}, InputError, "no position of tiny"),
        ({"output": "new.npz", "weights": "nothing"}, WeightsError, "no weights named 'nothing'"),
        ({"output": "genome.npz"}, OptionError, "would replace the input"),
    ],
)
def test_errors(
    fasta: Path, tmp_path: Path, arguments: dict[str, object], error: type[Exception], match: str
) -> None:
    if arguments.get("output") == "genome.npz":
        fasta = fasta.rename(tmp_path / "genome.npz")
    if "output" in arguments:
        arguments = {**arguments, "output": tmp_path / str(arguments["output"])}
    with pytest.raises(error, match=match):
        BackgroundRun(fasta, **arguments).run()  # type: ignore[arg-type]
    assert not (tmp_path / "new.npz").exists()


@pytest.mark.reference
def test_the_packaged_backgrounds_are_those_of_real_sequence(reference_data: Path, tmp_path: Path) -> None:
    """The percentiles of positions drawn from chromosome 1 are uniform, and the FASTA is the one stated."""
    fasta = reference_data / "data" / "genome" / "GRCh37.mini.fa.gz"
    for suffix in ("", ".fai", ".gzi"):
        (tmp_path / f"{fasta.name}{suffix}").symlink_to(f"{fasta}{suffix}")
    genome = Genome(tmp_path / fasta.name)
    weights = load_weights()
    background = weights.background
    assert background is not None
    assert background.source["fasta"]["sha256"] == hashlib.sha256(fasta.read_bytes()).hexdigest()
    windows = []
    for start in np.random.default_rng(5).integers(200_000, 9_800_000, 3000).tolist():
        block = cut_block(genome, "1", start, start + 1)
        if block.scorable[0]:
            windows.append(block.codes)
    percentiles = np.sort(background.percentile(Predictor(weights.model()).logits(np.array(windows)))) / 100
    assert len(percentiles) > 2700
    uniform = (np.arange(len(percentiles)) + 0.5) / len(percentiles)
    # The limit of a Kolmogorov-Smirnov test at p = 0.01 is 1.63 / sqrt(n).
    assert np.abs(percentiles - uniform).max() < 1.63 / np.sqrt(len(percentiles))
