"""The files of a simulation, read with what reads real data."""

import collections
import dataclasses
import gzip
import hashlib
import itertools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyfaidx
import pytest
from bed_reader import open_bed
from scipy import stats

from benchmarks.known_truth import rule, sequences, tracks
from benchmarks.known_truth.genealogies import Genealogy
from benchmarks.known_truth.loci import Drawn
from benchmarks.known_truth.phenotypes import Phenotypes
from benchmarks.known_truth.rule import Kind
from benchmarks.known_truth.sequences import Locus
from benchmarks.known_truth.simulate import held_out, simulate
from benchmarks.known_truth.sizes import Simulation
from mifm_kipoi import Genome, cut_windows, read_variants
from mifm_kipoi.conventions import Status
from mifm_kipoi.genetics.row_counts import RowCounts
from tests.benchmarks.known_truth.conftest import CAUSAL, COFACTOR, REPRESSOR, SMALL, slow_kinds
from training.data.credible_sets import CredibleSetsConfig, read_credible_sets
from training.data.splits import SplitsConfig, assign_splits, check_no_overlap

TINY = Simulation(
    genealogies=6,
    contigs=3,
    redraws=1,
    length=8000,
    diploids={"CEU": 150, "CEU_reference": 150, "YRI": 10, "CHB": 10},
    min_maf=0.05,
)
LOCI = 40
CREDIBLE_SETS = ("credible_sets.txt.gz", "credible_sets.reference_ld.txt.gz")


@pytest.fixture(scope="module")
def fasta(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, as pyfaidx writes its index beside it."""
    return Path(shutil.copy(small / "genome.fa", tmp_path_factory.mktemp("fasta")))


@pytest.fixture(scope="module")
def contigs(fasta: Path) -> dict[str, str]:
    return {name: str(record) for name, record in pyfaidx.Fasta(str(fasta)).items()}


@pytest.fixture(scope="module")
def vcf(small: Path) -> pd.DataFrame:
    """The records, with the tags of INFO as columns."""
    with gzip.open(small / "variants.vcf.gz", "rt") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("##")]
    table = pd.DataFrame(lines[1:], columns=lines[0]).astype({"POS": int})
    tags = [dict(tag.split("=") for tag in info.split(";")) for info in table["INFO"]]
    return table.join(pd.DataFrame(tags).astype(float))


@pytest.fixture(scope="module")
def truth(small: Path) -> pd.DataFrame:
    return pd.read_parquet(small / "truth.parquet")


def test_the_contigs(contigs: dict[str, str], small: Path) -> None:
    assert list(contigs) == ["1", "2", "3", "4", "5"]
    assert {len(sequence) for sequence in contigs.values()} == {8 * 20_000}
    assert set("".join(contigs.values())) == set("ACGT")
    with gzip.open(small / "variants.vcf.gz", "rt") as file:
        header = [line for line in file if line.startswith("##contig")]
    assert header == [f"##contig=<ID={name},length={len(contigs[name])}>\n" for name in contigs]


def test_ref_is_the_base_of_the_fasta(contigs: dict[str, str], vcf: pd.DataFrame) -> None:
    assert len(vcf) > 500
    bases = [contigs[chrom][pos - 1] for chrom, pos in zip(vcf["#CHROM"], vcf["POS"], strict=True)]
    assert bases == vcf["REF"].tolist()
    assert (vcf["ALT"] != vcf["REF"]).all()
    assert vcf["ALT"].isin(list("ACGT")).all()


def test_records_are_in_order_and_named_once(vcf: pd.DataFrame) -> None:
    assert vcf["#CHROM"].astype(int).is_monotonic_increasing
    assert vcf.groupby("#CHROM")["POS"].diff().dropna().gt(0).all()
    assert vcf["ID"].is_unique
    assert vcf["FILTER"].eq("PASS").all()


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_bcftools_reads_the_variants(small: Path, vcf: pd.DataFrame) -> None:
    columns = "%CHROM\t%POS\t%ID\t%REF\t%ALT\t%INFO/AF\t%INFO/AF_YRI\n"
    done = subprocess.run(
        ["bcftools", "query", "-f", columns, str(small / "variants.vcf.gz")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:5] for row in rows] == vcf.iloc[:, :5].astype(str).to_numpy().tolist()
    np.testing.assert_allclose(
        np.array([row[5:] for row in rows], float), vcf[["AF", "AF_YRI"]], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("sample", ["CEU", "YRI", "CHB", "CEU_reference"])
def test_genotypes_have_the_frequencies_of_the_variants(
    small: Path, vcf: pd.DataFrame, truth: pd.DataFrame, sample: str
) -> None:
    frequencies, places = [], []
    for contig in range(1, 6):
        with open_bed(small / "genotypes" / sample / f"{contig}.bed", num_threads=1) as bed:
            dosages = bed.read(dtype="int8", num_threads=1)
            assert set(np.unique(dosages)) <= {0, 1, 2}
            assert dosages.shape[0] == SMALL.diploids[sample]
            assert bed.iid.tolist() == [f"{sample}{number}" for number in range(len(dosages))]
            frequencies.append(dosages.sum(axis=0, dtype=int) / (2 * len(dosages)))
            places += zip(
                bed.chromosome, bed.bp_position.tolist(), bed.sid, bed.allele_1, bed.allele_2, strict=True
            )
    columns = vcf[["#CHROM", "POS", "ID", "ALT", "REF"]]
    assert [tuple(place) for place in places] == list(columns.itertuples(index=False, name=None))
    found = np.concatenate(frequencies)
    np.testing.assert_allclose(truth[f"af_{sample}"], found, atol=1e-12)
    if sample != "CEU_reference":
        np.testing.assert_allclose(vcf["AF" if sample == "CEU" else f"AF_{sample}"], found, atol=1e-6)
    if sample == "CEU":
        assert np.minimum(found, 1 - found).min() >= SMALL.min_maf


def test_phenotypes_are_of_the_same_individuals(small: Path) -> None:
    for sample, size in SMALL.diploids.items():
        table = pd.read_csv(small / "genotypes" / sample / "phenotypes.tsv", sep="\t")
        assert list(table) == ["FID", "IID", "age", "sex", "trait_1", "case_1", "trait_2", "case_2"]
        fam = pd.read_csv(small / "genotypes" / sample / "3.fam", sep=r"\s+", header=None)
        assert len(table) == size
        assert table["IID"].tolist() == fam[1].tolist()
        assert table["FID"].tolist() == fam[0].tolist()


def test_the_truth_has_the_variants(vcf: pd.DataFrame, truth: pd.DataFrame) -> None:
    columns = truth[["chrom", "pos", "id", "ref", "alt"]].itertuples(index=False, name=None)
    assert list(columns) == list(vcf.iloc[:, :5].itertuples(index=False, name=None))
    assert truth["locus"].nunique() == LOCI
    locus = (truth["chrom"].astype(int) - 1) * 8 + (truth["pos"] - 1) // 20_000
    assert locus.tolist() == truth["locus"].tolist()
    assert (locus // 2).tolist() == truth["genealogy"].tolist()
    assert (locus % 2).tolist() == truth["redraw"].tolist()
    assert (truth["effect"] != 0).tolist() == truth["causal"].tolist()


def test_the_rule_on_windows_of_the_files_gives_the_truth(
    small: Path, fasta: Path, truth: pd.DataFrame
) -> None:
    """By the rule, and by plain Python on the windows as text; a base beside variants has another truth."""
    variants = list(read_variants(small / "variants.vcf.gz"))
    windows = cut_windows(variants, Genome(fasta), max_n_fraction=0.6)
    assert set(windows.status) == {Status.OK}
    found = np.array([kind.value for kind in rule.classify_windows(windows.ref, 255)])
    assert truth["causal"].sum() > 25
    assert truth["causal"].tolist() == (found == "causal").tolist()
    # Where the reach goes over the border of two loci, a decoy's motif may lie beyond it.
    place = (truth["pos"].to_numpy() - 1) % 20_000
    inside = (place >= 60) & (place < 20_000 - 60)
    assert inside.mean() > 0.98
    assert truth["kind"][inside].tolist() == found[inside].tolist()
    letters = np.array(list("ACGTN"))
    slow = [slow_kinds("".join(letters[window]), [255])[0] for window in windows.ref]
    assert slow == found.tolist()
    for index in (254, 256):
        shifted = np.array([kind.value for kind in rule.classify_windows(windows.ref, index)])
        assert ((shifted == "causal") != truth["causal"]).sum() > 10


def test_all_kinds_are_there(truth: pd.DataFrame) -> None:
    shares = truth["kind"].value_counts() / len(truth)
    assert set(shares.index) == {kind.value for kind in Kind}
    assert shares["background"] > 0.5
    assert shares["near_motif"] == shares.drop(["background"]).max()


def test_the_masked_genome(small: Path, contigs: dict[str, str], vcf: pd.DataFrame, tmp_path: Path) -> None:
    """Differs from the other in the surroundings of variants only, and not at variants."""
    masked = pyfaidx.Fasta(shutil.copy(small / "genome.masked.fa", tmp_path))
    equal: list[bool] = []
    for name, sequence in contigs.items():
        one, other = (np.frombuffer(text.encode(), np.uint8) for text in (sequence, str(masked[name])))
        assert one.size == other.size
        pos0 = vcf.loc[vcf["#CHROM"] == name, "POS"].to_numpy() - 1
        after = np.searchsorted(pos0, np.arange(one.size))
        padded = np.concatenate([[-10_000], pos0, [10**7]])
        distance = np.minimum(padded[after + 1] - np.arange(one.size), np.arange(one.size) - padded[after])
        hidden = (distance > 0) & (distance <= sequences.MASKED)
        assert not (one != other)[~hidden].any()
        assert (one != other)[hidden].mean() == pytest.approx(0.74, abs=0.05)
        loci, hidden_of = other.reshape(8, 20_000), hidden.reshape(8, 20_000)
        for left, right in itertools.combinations(range(8), 2):
            both = hidden_of[left] & hidden_of[right]
            equal += (loci[left] == loci[right])[both].tolist()
    # Each locus has a draw of its own, so that two bases at the same place are the same by chance only.
    assert len(equal) > 5000
    assert np.mean(equal) == pytest.approx(0.26, abs=0.03)


def rows_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype={"chr": str})


@pytest.mark.parametrize("name", CREDIBLE_SETS)
def test_the_training_code_reads_all_credible_sets(small: Path, truth: pd.DataFrame, name: str) -> None:
    counts = RowCounts()
    config = CredibleSetsConfig(str(small / name), columns={"pip": "abf"})
    found = pd.concat(read_credible_sets(config, counts), ignore_index=True)
    rows = rows_of(small / name)
    assert counts.read == counts.kept == len(found) == len(rows) > 200
    assert counts.without_pip == counts.without_log_bf == 0
    # z has the digits of float32, and p falls with z squared.
    np.testing.assert_allclose(found["p_value"], 2 * stats.norm.sf(found["z"].abs()), rtol=1e-4)
    assert set(found["signal"]) == {"primary", "secondary"}
    columns = ["chrom", "pos", "effect_allele", "other_allele", "id"]
    expected = truth[["chrom", "pos", "alt", "ref", "id"]].itertuples(index=False, name=None)
    assert set(found[columns].itertuples(index=False, name=None)) <= set(expected)


@pytest.mark.parametrize("name", CREDIBLE_SETS)
def test_the_statistics_of_credible_sets(small: Path, truth: pd.DataFrame, name: str) -> None:
    rows = rows_of(small / name)
    marginal = truth.set_index("id").loc[rows["rsid"]].reset_index()
    assert rows["chr"].tolist() == marginal["chrom"].tolist()
    assert rows["bp"].tolist() == marginal["pos"].tolist()
    assert rows["meta_id"].tolist() == (marginal["redraw"] + 1).tolist()
    assert rows["block_id"].tolist() == (marginal["locus"] + 1).tolist()
    np.testing.assert_allclose(rows["zscore"], marginal["z"], rtol=1e-9)
    np.testing.assert_allclose(rows["beta"] / rows["se"], rows["zscore"], rtol=1e-9)
    np.testing.assert_allclose(rows["p"], 2 * stats.norm.sf(rows["zscore"].abs()), rtol=1e-6)
    frequency = marginal["af_CEU"]
    np.testing.assert_allclose(rows["maf"], np.minimum(frequency, 1 - frequency), rtol=1e-9)
    # The variance of a standardised trait that is left is 1 - beta^2 times that of the genotype.
    variance = 2 * frequency * (1 - frequency)
    error = np.sqrt((1 - rows["beta"] ** 2 * variance) / (150_000 * variance))
    np.testing.assert_allclose(rows["se"], error, rtol=1e-9)
    others = ["finemap", "paintor", "caviarbf", "susie", "polyfun_finemap", "polyfun_susie"]
    assert (rows[others] == -1).all(axis=None)


@pytest.mark.parametrize("name", CREDIBLE_SETS)
def test_secondary_signals_have_conditional_statistics(small: Path, name: str) -> None:
    rows = rows_of(small / name)
    given = rows[["cojo_beta", "cojo_se", "cojo_p"]]
    primary = rows["primary"] == 1
    assert set(rows["primary"]) == {0, 1}
    assert given[primary].isna().all(axis=None)
    assert given[~primary].notna().all(axis=None)
    z = (given["cojo_beta"] / given["cojo_se"])[~primary]
    np.testing.assert_allclose(given["cojo_p"][~primary], 2 * stats.norm.sf(z.abs()), rtol=1e-6)
    # What leads explain of a variant makes its effect's error larger.
    assert (given["cojo_se"] >= rows["se"])[~primary].all()


@pytest.mark.parametrize(("name", "sample"), [(CREDIBLE_SETS[0], "CEU"), (CREDIBLE_SETS[1], "CEU_reference")])
def test_signals_go_by_the_ld_of_the_genotypes(
    small: Path, truth: pd.DataFrame, name: str, sample: str
) -> None:
    """Of the GWAS's sample, and of the reference panel: who is a member, and what is left given one lead."""
    rows = rows_of(small / name)
    leads_of = rows.groupby("block_id")["lead_snp"].nunique()
    places = {}
    for contig, part in truth.groupby("chrom"):
        with open_bed(small / "genotypes" / sample / f"{contig}.bed", num_threads=1) as bed:
            dosages = bed.read(dtype="float64", num_threads=1)
        places.update(zip(part["id"], dosages.T, strict=True))
    z = truth.set_index("id")["z"]
    given = 0
    for (block, lead), signal in rows.groupby(["block_id", "lead_snp"]):
        r = np.array([np.corrcoef(places[rsid], places[lead])[0, 1] for rsid in signal["rsid"]])
        assert (r**2 >= 0.3 - 1e-9).all()
        if leads_of[block] == 2 and not signal["primary"].any():
            (first,) = rows.loc[(rows["block_id"] == block) & (rows["primary"] == 1), "lead_snp"].unique()
            r = np.array([np.corrcoef(places[rsid], places[first])[0, 1] for rsid in signal["rsid"]])
            expected = (z[signal["rsid"]].to_numpy() - r * z[first]) / np.sqrt(1 - r**2)
            np.testing.assert_allclose(signal["cojo_beta"] / signal["cojo_se"], expected, rtol=1e-6)
            given += 1
    assert given > 1


@pytest.mark.parametrize("name", CREDIBLE_SETS)
def test_the_signals_of_credible_sets(small: Path, name: str) -> None:
    rows = rows_of(small / name)
    rows["signal_p"] = rows["cojo_p"].fillna(rows["p"])
    assert rows["signal_p"].max() <= 1e-5
    assert not rows.duplicated(["block_id", "lead_snp", "rsid"]).any()
    for (_, lead), signal in rows.groupby(["block_id", "lead_snp"]):
        assert signal["primary"].nunique() == 1
        assert 0 < signal["abf"].sum() <= 1 + 1e-9
        own = signal[signal["rsid"] == lead]
        assert len(own) == 1
        # Leads that were found later, with the LD of others, may take of an earlier one's signal.
        if name == "credible_sets.txt.gz" or signal["primary"].all():
            assert own["signal_p"].item() == signal["signal_p"].min()
            assert own["signal_p"].item() < 5e-8
        chosen, rest = signal[signal["tool"] == 1], signal[signal["tool"] == 0]
        assert len(chosen) + len(rest) == len(signal)
        if len(chosen) and len(rest):
            assert chosen["abf"].min() >= rest["abf"].max()
        assert chosen["abf"].sum() - (chosen["abf"].min() if len(chosen) else 0) < 0.95
        if len(rest):
            assert chosen["abf"].sum() >= 0.95 - (1 - signal["abf"].sum())
    of_blocks = rows[rows["primary"] == 1].groupby("block_id")["lead_snp"].nunique()
    assert (of_blocks == 1).all()
    assert set(of_blocks.index) == set(rows["block_id"])


def test_the_first_lead_is_the_locus_variant_of_lowest_p_value(small: Path, truth: pd.DataFrame) -> None:
    for name in CREDIBLE_SETS:
        rows = rows_of(small / name)
        leads = rows[rows["primary"] == 1].groupby("block_id")["lead_snp"].first()
        lowest = truth.loc[truth.groupby("locus")["z"].apply(lambda z: z.abs().idxmax())]
        expected = lowest[stats.chi2.sf(lowest["z"] ** 2, 1) < 5e-8].set_index("locus")["id"]
        assert {block - 1: lead for block, lead in leads.items()} == expected.to_dict()


def test_the_motifs(small: Path) -> None:
    """The letters of the matrices, read as MEME's suite does."""
    lines = [*(small / "motifs.meme").read_text().splitlines(), ""]
    assert lines[0] == "MEME version 4"
    assert "ALPHABET= ACGT" in lines
    motifs = {}
    for number, line in enumerate(lines):
        if line.startswith("MOTIF "):
            head = dict(zip(*[iter(lines[number + 1].split()[2:])] * 2, strict=True))
            assert lines[number + 1].startswith("letter-probability matrix: ")
            width = int(head["w="])
            matrix = np.loadtxt(lines[number + 2 : number + 2 + width])
            assert head["alength="] == "4"
            assert lines[number + 2 + width] == ""
            np.testing.assert_allclose(matrix.sum(axis=1), 1)
            motifs[line.split()[1]] = "".join(
                "ACGT"[row.argmax()] if row.max() == 1 else "N" for row in matrix
            )
    assert motifs == {
        **{f"causal_{number + 1}": motif for number, motif in enumerate(CAUSAL)},
        "cofactor": COFACTOR,
        "repressor": REPRESSOR,
    }


def intervals_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(
        path, sep="\t", header=None, names=["chrom", "start", "end", "name"], dtype={"chrom": str}
    )


def variants_in(intervals: pd.DataFrame, variants: pd.DataFrame) -> tuple[list[int], set[tuple[str, int]]]:
    """How many variants each interval holds, and which are in any."""
    held: list[int] = []
    inside: set[tuple[str, int]] = set()
    for chrom, part in intervals.groupby("chrom"):
        pos0 = np.sort(variants.loc[variants["chrom"] == chrom, "pos"].to_numpy() - 1)
        first, behind = np.searchsorted(pos0, part["start"]), np.searchsorted(pos0, part["end"])
        held += (behind - first).tolist()
        inside |= {
            (str(chrom), int(pos) + 1) for at, to in zip(first, behind, strict=True) for pos in pos0[at:to]
        }
    return held, inside


def test_tracks_hold_causal_variants_with_their_odds_ratios(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    parts = []
    for chrom in ("1", "2", "10"):
        pos = np.sort(generator.choice(np.arange(1, 2_000_000), 8000, replace=False))
        # Variants at both ends, and side by side.
        pos[:4] = 1, 2, 3, 5
        parts.append(pd.DataFrame({"chrom": chrom, "pos": np.unique(pos)}))
    truth = pd.concat(parts, ignore_index=True)
    truth["causal"] = generator.random(len(truth)) < 0.1
    tracks.write_tracks(truth, tmp_path / "tracks", seed=1, length=2_000_000)
    assert {path.stem for path in (tmp_path / "tracks").iterdir()} == set(tracks.ODDS_RATIOS)
    members = {}
    for name, odds_ratio in {"enhancer": 4.0, "promoter": 2.0, "low": 1.0, "repressed": 0.5}.items():
        intervals = intervals_of(tmp_path / "tracks" / f"{name}.bed")
        assert set(intervals["name"]) == {name}
        assert (intervals["start"] >= 0).all()
        assert (intervals["end"] <= 2_000_000).all()
        assert (intervals["end"] - intervals["start"]).between(1, 200).all()
        following = intervals.groupby("chrom")["start"].shift(-1)
        assert (following.dropna() >= intervals["end"][following.notna()]).all()
        held, inside = variants_in(intervals, truth)
        assert set(held) == {1}
        members[name] = np.array(
            [place in inside for place in zip(truth["chrom"], truth["pos"], strict=True)]
        )
        table = pd.crosstab(truth["causal"], members[name]).to_numpy()
        found = np.log(table[1, 1] * table[0, 0] / (table[0, 1] * table[1, 0]))
        assert abs(found - np.log(odds_ratio)) < 4 * np.sqrt((1 / table).sum())
        assert table[0, 1] / table[0].sum() == pytest.approx(0.2, abs=0.012)
    others = ~truth["causal"].to_numpy()
    # Tracks are drawn each by itself.
    assert abs(np.corrcoef(members["enhancer"][others], members["low"][others])[0, 1]) < 4 / np.sqrt(21_000)


def test_the_tracks_of_the_files(small: Path, truth: pd.DataFrame) -> None:
    for name in tracks.ODDS_RATIOS:
        held, _ = variants_in(intervals_of(small / "tracks" / f"{name}.bed"), truth)
        assert set(held) == {1}
        assert 0.1 < len(held) / len(truth) < 0.4


SIZES = {"CEU": 20_000, "YRI": 20_000}


def drawn_by_hand(
    simulation: Simulation, number: int, effects: list[float], driver: float | None = None
) -> Drawn:
    """A locus with random genotypes, and what is needed of it for phenotypes."""
    generator = np.random.default_rng([number, 5])
    shares = {"CEU": generator.uniform(0.1, 0.9, len(effects) + 1), "YRI": np.full(len(effects) + 1, 0.3)}
    dosages = {
        name: generator.binomial(2, shares[name][:, None], (len(effects) + 1, size)).astype(np.uint8)
        for name, size in simulation.diploids.items()
    }
    sites = Genealogy(np.arange(len(effects)), {name: each[:-1] for name, each in dosages.items()})
    nothing = np.zeros(len(effects), dtype=np.uint8)
    hidden = None if driver is None else ({name: each[-1] for name, each in dosages.items()}, driver)
    locus = Locus(nothing, nothing, [])
    redraw = number % simulation.redraws
    return Drawn(number, 0, redraw, 0, 0, sites, locus, np.array(effects), np.array([]), [], [], hidden)


def genetic_values(loci: list[Drawn]) -> dict[str, npt.NDArray[np.float64]]:
    """Effects are of a deviation in CEU, and so of an allele, the same everywhere."""
    values = {name: np.zeros(size) for name, size in SIZES.items()}
    for one in loci:
        variants = [
            ({name: each[site] for name, each in one.sites.dosages.items()}, effect)
            for site, effect in enumerate(one.effects)
        ]
        for dosages, effect in variants + ([] if one.driver is None else [one.driver]):
            for name in SIZES:
                values[name] += effect / np.std(dosages["CEU"]) * dosages[name]
    return values


@pytest.mark.parametrize("heritability", [0.1, 0.3, 0.5])
def test_phenotypes_have_the_heritability(heritability: float) -> None:
    """The share of the trait's variance, but for age and sex, that a regression on genetic values explains.

    Of 20,000 its error is below 0.006.
    """
    simulation = dataclasses.replace(SMALL, diploids=SIZES, redraws=2, heritability=heritability)
    loci = [
        drawn_by_hand(simulation, 0, [0.04, 0, -0.04]),
        drawn_by_hand(simulation, 1, [0, 0.04]),
        drawn_by_hand(simulation, 2, [0, 0, 0], driver=-0.04),
        drawn_by_hand(simulation, 3, [0.04, 0.04, 0, -0.04]),
    ]
    phenotypes = Phenotypes(simulation)
    for one in loci:
        phenotypes.add(one)
    tables = phenotypes.tables()
    for trait in (0, 1):
        values = genetic_values(loci[trait::2])
        slopes = {}
        for name, table in tables.items():
            X = np.column_stack(
                [values[name], table["age"] - 55, table["sex"] == 1, np.ones(len(table))]
            ).astype(float)
            fitted, (residual,), *_ = np.linalg.lstsq(X, table[f"trait_{trait + 1}"].to_numpy())
            slopes[name] = fitted[0]
            explained, noise = np.var(fitted[0] * values[name]), residual / len(table)
            assert noise == pytest.approx(1 - heritability, rel=0.045)
            assert fitted[1] * np.std(table["age"]) == pytest.approx(0.1, abs=0.03)
            assert fitted[2] == pytest.approx(0.2, abs=0.06)
            if name == "CEU":
                assert explained / (explained + noise) == pytest.approx(heritability, abs=0.025)
                assert table[f"case_{trait + 1}"].mean() == pytest.approx(0.2, abs=0.0115)
            cases = table[f"case_{trait + 1}"] == 1
            assert values[name][cases].mean() > values[name][~cases].mean()
        assert slopes["YRI"] == pytest.approx(slopes["CEU"], rel=0.15)


def test_covariates() -> None:
    simulation = dataclasses.replace(SMALL, diploids=SIZES, redraws=1)
    phenotypes = Phenotypes(simulation)
    phenotypes.add(drawn_by_hand(simulation, 0, [0.04]))
    for table in phenotypes.tables().values():
        assert (table["age"].min(), table["age"].max()) == (40, 70)
        assert set(table["sex"]) == {1, 2}
        assert set(table["case_1"]) == {0, 1}
        assert table["IID"].is_unique


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(TINY, tmp_path_factory.mktemp("tiny"))


def contents(folder: Path) -> dict[str, bytes]:
    """The files but the manifest; gzipped ones as what they hold, as the time is in their heads."""
    return {
        str(path.relative_to(folder)): gzip.decompress(path.read_bytes())
        if path.suffix == ".gz"
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "simulation.json"
    }


def test_the_manifest(tiny: Path) -> None:
    manifest = json.loads((tiny / "simulation.json").read_text())
    sums = {
        str(path.relative_to(tiny)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tiny.rglob("*")
        if path.is_file() and path.name != "simulation.json"
    }
    assert manifest["sha256"] == sums
    assert manifest["simulation"]["length"] == 8000
    truth = pd.read_parquet(tiny / "truth.parquet")
    counts = manifest["counts"]
    assert counts["variants"] == len(truth)
    assert counts["loci"] == 6
    assert counts["kinds"] == truth["kind"].value_counts().to_dict()
    per_locus = collections.Counter(truth.groupby("locus")["causal"].sum().tolist())
    assert counts["loci_by_causal_variants"] == {str(number): loci for number, loci in per_locus.items()}
    assert list(tiny.parent.iterdir()) == [tiny]


def test_a_simulation_that_is_there_is_left_alone(tiny: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tiny.rglob("*")}
    assert simulate(TINY, tiny.parent) == tiny
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in tiny.rglob("*")} == before


def test_what_an_ended_run_left_is_replaced(tiny: Path, tmp_path: Path) -> None:
    left = tmp_path / f"{tiny.name}.partial"
    (left / "tracks").mkdir(parents=True)
    (left / "genome.fa").write_text(">1\nAC\n")
    (left / "old.txt").write_text("old")
    found = simulate(TINY, tmp_path)
    assert found == tmp_path / tiny.name
    assert not left.exists()
    assert contents(found) == contents(tiny)


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"sample_size": 140_000}, {"decoy_shares": {"repressor": 0.1}}]
)
def test_another_simulation_gets_another_folder(
    tiny: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    found = simulate(dataclasses.replace(TINY, **change), tmp_path)  # type: ignore[arg-type]
    assert found.name != tiny.name
    one, other = contents(found), contents(tiny)
    assert set(one) == set(other)
    assert one["truth.parquet"] != other["truth.parquet"]
    # Genotypes are those of the genealogies, which depend on the seed.
    assert one["genotypes/YRI/1.fam"] == other["genotypes/YRI/1.fam"]
    assert (one["genotypes/YRI/1.bed"] == other["genotypes/YRI/1.bed"]) == ("seed" not in change)


@pytest.mark.parametrize(
    ("contigs", "validation", "test"),
    [
        (5, ["4"], ["5"]),
        (10, ["8"], ["9", "10"]),
        (20, ["15", "16"], ["17", "18", "19", "20"]),
    ],
)
def test_the_contigs_that_are_held_out(contigs: int, validation: list[str], test: list[str]) -> None:
    held = held_out(dataclasses.replace(SMALL, genealogies=2 * contigs, contigs=contigs))
    assert held == {"validation": validation, "test": test}


def test_no_genealogy_is_in_two_splits(truth: pd.DataFrame) -> None:
    held = held_out(SMALL)
    instances = truth[["chrom", "pos"]].assign(bag=truth["locus"])
    bags = pd.DataFrame({"bag": sorted(truth["locus"].unique())})
    config = SplitsConfig(tuple(held["validation"]), tuple(held["test"]))
    bags["split"] = assign_splits(bags, instances, config)
    assert bags["split"].notna().all()
    check_no_overlap(bags, instances)
    genealogies = truth.groupby("locus")["genealogy"].first()
    splits = bags.groupby(genealogies.loc[bags["bag"]].to_numpy())["split"]
    assert (splits.nunique() == 1).all()
    assert (splits.size() == SMALL.redraws).all()
    assert splits.first().value_counts().to_dict() == {"train": 12, "validation": 4, "test": 4}
