"""Chromatin states and silencers: formats, and the odds ratios that the manifest states."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from benchmarks.known_truth import silencers, states

LENGTHS = {"1": 2_000_000, "2": 1_999_950, "10": 2_000_000}


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    parts = []
    for chrom, length in LENGTHS.items():
        pos = np.sort(generator.choice(np.arange(6, length), 8000, replace=False))
        # At both ends, and side by side.
        pos[:3], pos[-1] = (1, 2, 3), length
        parts.append(pd.DataFrame({"chrom": chrom, "pos": pos}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(causal=generator.random(len(table)) < 0.2)


@pytest.fixture(scope="module")
def folder(truth: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("states")
    states.write_states(truth, folder, seed=1, lengths=LENGTHS, cell_lines=6)
    return folder


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", header=None, names=["chrom", "start", "end", "state"])


def states_of(path: Path, truth: pd.DataFrame) -> npt.NDArray[np.object_]:
    """The state of each variant."""
    table, found = read(path), []
    for chrom, own in truth.groupby("chrom", sort=False):
        part = table[table["chrom"] == f"chr{chrom}"]
        row = np.searchsorted(part["start"].to_numpy(), own["pos"].to_numpy() - 1, side="right") - 1
        found.append(part["state"].to_numpy()[row])
    return np.concatenate(found)


def test_the_files_are_segmentations_of_all_contigs(folder: Path) -> None:
    files = sorted(path.name for path in folder.glob("*.bed.gz"))
    assert files == [f"E00{number}_GenoSTAN_nb_20_states.bed.gz" for number in range(1, 7)]
    for name in files:
        table = read(folder / name)
        assert set(table["state"]) == set(states.FREQUENCIES)
        assert table["chrom"].unique().tolist() == ["chr1", "chr2", "chr10"]
        for chrom, part in table.groupby("chrom"):
            assert part["start"].iloc[0] == 0
            assert part["end"].iloc[-1] == LENGTHS[str(chrom).removeprefix("chr")]
            assert (part["start"].to_numpy()[1:] == part["end"].to_numpy()[:-1]).all()
            assert (part["end"] > part["start"]).all()
            assert (part["state"].to_numpy()[1:] != part["state"].to_numpy()[:-1]).all()


def test_the_20_states_and_the_127_cell_lines() -> None:
    assert len(states.FREQUENCIES) == 20
    assert sum(states.FREQUENCIES.values()) == pytest.approx(1)
    assert len(states.CELL_LINES) == 127
    assert {"E060", "E064"}.isdisjoint(states.CELL_LINES)
    assert (states.CELL_LINES[0], states.CELL_LINES[-1]) == ("E001", "E129")


def test_causal_variants_have_states_with_the_odds_ratios_of_the_manifest(
    folder: Path, truth: pd.DataFrame
) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    drawn = np.array([states_of(path, truth) for path in sorted(folder.glob("*.bed.gz"))])
    causal = truth["causal"].to_numpy()
    misses = 0
    for state, ratios in manifest["odds_ratios"].items():
        for name, inside in (
            ("each", drawn[0] == state),
            ("at_least_1", (drawn == state).any(axis=0)),
            ("at_least_5", (drawn == state).sum(axis=0) >= 5),
        ):
            table = pd.crosstab(causal, inside).to_numpy() + 0.5
            found = np.log(table[1, 1] * table[0, 0] / (table[0, 1] * table[1, 0]))
            # Neighbours share segments: over seeds, deviations are 1.25 times those of independent variants.
            error = 1.25 * np.sqrt((1 / table).sum())
            assert abs(found - np.log(ratios[name])) < 4.5 * error, (state, name)
            misses += abs(found - np.log(ratios[name])) > 1.96 * error
    assert misses < 12
    assert manifest["odds_ratios"]["Enh.6"]["each"] == pytest.approx(4)
    assert manifest["odds_ratios"]["Elon.7"]["each"] == pytest.approx(1)
    assert manifest["frequencies_of_causal_variants"][states.BALANCE] > 0.05


def test_one_seed_gives_one_set(folder: Path, truth: pd.DataFrame, tmp_path: Path) -> None:
    states.write_states(truth, tmp_path / "same", seed=1, lengths=LENGTHS, cell_lines=6)
    states.write_states(truth, tmp_path / "other", seed=2, lengths=LENGTHS, cell_lines=6)
    name = "E003_GenoSTAN_nb_20_states.bed.gz"
    assert (folder / name).read_bytes() == (tmp_path / "same" / name).read_bytes()
    assert (folder / name).read_bytes() != (tmp_path / "other" / name).read_bytes()
    with pytest.raises(ValueError, match="128 cell lines"):
        states.write_states(truth, tmp_path, seed=1, lengths=LENGTHS, cell_lines=128)


def test_intervals_hold_one_variant() -> None:
    start, end = states.alone(np.array([0, 1, 5, 900, 1000, 1999]), 2000, 200)
    assert start.tolist() == [0, 1, 3, 800, 950, 1899]
    assert end.tolist() == [1, 3, 105, 950, 1100, 2000]


def test_silencers(truth: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "Homo_sapiens.bed"
    silencers.write_silencers(truth, path, seed=1, length=2_000_000)
    assert path.read_text().startswith("chr1\t")
    table = pd.read_csv(path, sep="\t", header=None, names=list(silencers.COLUMNS))
    assert len(table.columns) == 10
    assert not table.isna().any(axis=None)
    assert table["silencerID"].is_unique
    assert (table["size"] == table["end"] - table["start"]).all()
    inside = np.zeros(len(truth), dtype=bool)
    for chrom, part in table.groupby("chr"):
        own = np.flatnonzero(truth["chrom"] == chrom.removeprefix("chr"))
        pos0 = truth["pos"].to_numpy()[own] - 1
        first, behind = np.searchsorted(pos0, part["start"]), np.searchsorted(pos0, part["end"])
        assert ((behind - first) == 1).all()
        inside[own[first]] = True
    counts = pd.crosstab(truth["causal"], inside).to_numpy()
    found = np.log(counts[1, 1] * counts[0, 0] / (counts[0, 1] * counts[1, 0]))
    assert abs(found - np.log(2.5)) < 4 * np.sqrt((1 / counts).sum())
    assert counts[0, 1] / counts[0].sum() == pytest.approx(0.05, abs=0.006)
