"""Scores by a scan of the sequence: those of windows, whatever is computed together."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mifm_kipoi.cli import main
from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import VariantFile
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import load_weights, save_weights
from mifm_kipoi.scoring import scanning
from mifm_kipoi.scoring.merge import merge
from mifm_kipoi.scoring.records import next_run, read_chunks
from mifm_kipoi.scoring.run import ScoringRun
from mifm_kipoi.scoring.scanning import COSTS, Costs, ScanRule
from mifm_kipoi.scoring.scorer import Scorer, ScoringOptions, find_rule, score_variants
from mifm_kipoi.scoring.scores import PERCENTILES
from mifm_kipoi.sequence.contig_blocks import BLOCK
from tests.builders import TINY, random_network, write_fasta, write_vcf

Records = list[tuple[str, int, str, str]]

LENGTH = 3 * BLOCK + 100
"""Of a contig: three whole blocks and the beginning of another."""


@pytest.fixture(scope="module")
def contigs() -> dict[str, str]:
    """Two contigs with N at their ends and within."""
    generator = random.Random(1)
    text = "".join(generator.choices("ACGT", k=LENGTH))
    text = text[:5000] + "N" * 300 + text[5300:-20] + "N" * 20
    return {"chr1": text, "chr2": "NN" + text[2:2000]}


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory, contigs: dict[str, str]) -> Path:
    return write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", contigs)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of a small network with short windows."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, random_network(TINY, seed=3), {})
    return str(path)


def record(contigs: dict[str, str], chrom: str, pos: int, kind: int) -> tuple[str, int, str, str]:
    """A variant of the FASTA: SNVs, indels, symbols, several ALTs, a REF that differs."""
    bases = contigs[chrom]
    ref = bases[pos - 1]
    one, two = [base for base in "ACGT" if base != ref][:2]
    longer = bases[pos - 1 : pos + 3]
    alts = [one, f"{one},{two}", f"{ref}TT,{one}", "<DEL>", "*", "."]
    if kind < len(alts):
        return chrom, pos, ref, alts[kind]
    return [(chrom, pos, longer, ref), (chrom, pos, one, two), (chrom, pos, longer, f"{one}{longer[1:]}")][
        kind - len(alts)
    ]


KINDS = 9


def dense_records(contigs: dict[str, str], seed: int, every: int = 6) -> Records:
    """Sorted records, a variant every few bases of a part of each block, few in the others."""
    generator = random.Random(seed)
    places = [pos for pos in range(1, LENGTH - 8) if generator.random() < (pos // 1000 % 3 == 1) / every]
    places += generator.sample(range(1, LENGTH - 8), 30)
    records = [
        record(contigs, "chr1", pos, generator.choice([0] * 9 + [*range(KINDS)])) for pos in sorted(places)
    ]
    return records + [record(contigs, "chr2", pos, generator.randrange(KINDS)) for pos in range(1, 1990, 9)]


@pytest.fixture(scope="module")
def vcf(tmp_path_factory: pytest.TempPathFactory, contigs: dict[str, str]) -> Path:
    return write_vcf(tmp_path_factory.mktemp("variants") / "variants.vcf", dense_records(contigs, 1))


def options(weights: str, method: str, **others: Any) -> ScoringOptions:
    return ScoringOptions((weights,), method=method, max_mismatch_fraction=1, **others)


def assert_same_scores(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found.columns.tolist() == expected.columns.tolist()
    for name in expected.columns:
        if name.startswith(PERCENTILES):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-3)
        elif name.startswith("mifm"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5 if "logit" in name else 2e-6)
        else:
            assert found[name].equals(expected[name]), name


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of what is scanned while the test runs."""
    lengths: list[int] = []
    real = Scan.substituted

    def noted(self: Scan, codes: Any, rows: Any, bases: Any) -> Any:
        lengths.append(len(codes) - self.window + 1)
        return real(self, codes, rows, bases)

    monkeypatch.setattr(Scan, "substituted", noted)
    return lengths


def test_scores_are_those_of_windows(vcf: Path, fasta: Path, tiny: str, scanned: list[int]) -> None:
    expected = score_variants(vcf, fasta, options(tiny, "windows"))
    assert not scanned
    assert {"ok", "ref_mismatch", "too_many_n", "symbolic_alt", "spanning_deletion", "missing_alt"} <= set(
        expected["status"]
    )
    found = score_variants(vcf, fasta, options(tiny, "scan"))
    # Three blocks of one contig, at whose end are too many N, and one of the other.
    assert len(scanned) == 4
    assert max(scanned) <= BLOCK
    assert_same_scores(found, expected)


def test_networks_of_full_windows(tmp_path: Path, fasta: Path, contigs: dict[str, str]) -> None:
    records = [record(contigs, "chr1", pos, pos % KINDS) for pos in (1, 40, 200, 230, 260, 290)]
    records += [record(contigs, "chr1", pos, 0) for pos in range(LENGTH - 60, LENGTH - 30, 5)]
    vcf = write_vcf(tmp_path / "x.vcf", records)
    expected, found = (
        score_variants(vcf, fasta, options("embedded", method, max_n_fraction=1.0))
        for method in ("windows", "scan")
    )
    assert_same_scores(found, expected)
    assert (expected["status"] == "ok").sum() > 12


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_and_any_chunks(
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
    fasta: Path,
    contigs: dict[str, str],
    tiny: str,
) -> None:
    """Sorted or not, duplicated or not, with and without limits of N."""
    places = data.draw(
        st.lists(st.tuples(st.integers(1, LENGTH - 8), st.integers(0, KINDS - 1)), min_size=1, max_size=25)
    )
    if data.draw(st.booleans()):
        places.sort()
    vcf = write_vcf(
        tmp_path_factory.mktemp("drawn") / "x.vcf", [record(contigs, "chr1", *place) for place in places]
    )
    limit = data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    expected = score_variants(vcf, fasta, options(tiny, "windows", max_n_fraction=limit))
    chunk_size = data.draw(st.integers(1, 30))
    found = score_variants(vcf, fasta, options(tiny, "scan", max_n_fraction=limit), chunk_size=chunk_size)
    assert_same_scores(found, expected)


FAST = Costs(window=100, pair=10, position=1, substitution=5)


class TestRule:
    def test_the_cheaper_way_is_taken(self) -> None:
        rule = ScanRule(FAST, False, {})
        # 512 + 88 positions at 1 and 6 * 5, against 6 * 110; then 5 * 110.
        places = np.array([0, 20, 40, 60, 80, 87])
        assert rule.scans(places, 6)
        assert not rule.scans(places[[0, 1, 2, 3, 5]], 5)
        # The windows of alternatives at one position share the reference.
        assert not rule.scans(np.repeat(places[:4], 3), 12)
        assert ScanRule(FAST, True, {}).scans(places[:1], 1)

    def test_each_run_by_itself(
        self, tmp_path: Path, fasta: Path, contigs: dict[str, str], tiny: str, scanned: list[int]
    ) -> None:
        """The dense one is scanned, from its first variant to its last; the sparse one is not."""
        dense = [record(contigs, "chr1", pos, 0) for pos in range(300, 500)]
        sparse = [record(contigs, "chr1", pos, 0) for pos in range(BLOCK + 10, 2 * BLOCK, 1000)]
        vcf = write_vcf(tmp_path / "x.vcf", dense + sparse)
        rule = ScanRule(FAST, False, {})
        scorer = Scorer(Genome(fasta), options(tiny, "auto"), rule=rule)
        with VariantFile(vcf) as file:
            (chunk,) = read_chunks(file, whole_runs=True)
        assert chunk.runs == (200, 5)
        found = scorer(chunk.variants, chunk.runs).to_frame()
        assert scanned == [200]
        assert_same_scores(found, score_variants(vcf, fasta, options(tiny, "windows")))


class TestPays:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scanning, "START", 29_000)

    def pays(self, path: Path) -> bool:
        return scanning.pays(lambda: VariantFile(path), None, FAST)

    def test_dense_and_large_inputs(self, tmp_path: Path) -> None:
        dense = [("1", 5 * number, "A", "C") for number in range(1, 301)]
        assert self.pays(write_vcf(tmp_path / "dense.vcf", dense))
        # Each record of half of them saves less, and they would have to be twice as many.
        assert not self.pays(write_vcf(tmp_path / "small.vcf", dense[:150]))
        sparse = [("1", 500 * number, "A", "C") for number in range(1, 301)]
        assert not self.pays(write_vcf(tmp_path / "sparse.vcf", sparse))
        random.Random(1).shuffle(dense)
        far = [(chrom, pos, "A", "C") for chrom, pos in zip("12" * 150, range(1, 300), strict=False)]
        assert not self.pays(write_vcf(tmp_path / "unsorted.vcf", far * 2))

    def test_a_damaged_line_is_left_to_those_who_read_it(self, tmp_path: Path) -> None:
        vcf = write_vcf(tmp_path / "x.vcf", [("1", 5 * number, "A", "C") for number in range(1, 401)])
        text = vcf.read_text().replace("1\t1500\t", "1\tx\t")
        vcf.write_text(text)
        assert self.pays(vcf)

    def test_long_lines_end_the_look(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of files with many samples, reading costs more than scoring."""
        vcf = write_vcf(tmp_path / "x.vcf", [("1", 5 * number, "A", "C") for number in range(1, 401)])
        monkeypatch.setattr(scanning, "_TEXT_BYTES", 1000)
        read: list[VariantFile] = []

        def opened() -> VariantFile:
            read.append(VariantFile(vcf))
            return read[-1]

        scanning.pays(opened, None, FAST)
        assert 1000 <= read[0].text_bytes < 1100


def test_runs_of_records(tmp_path: Path) -> None:
    """They end with their block, or where they are as long as a chunk."""
    places = [("1", pos) for pos in (1, 2, 4096, 4097, 4098, 4099, 4100)] + [("2", 4100), ("1", 4101)]
    vcf = write_vcf(tmp_path / "x.vcf", [(chrom, pos, "A", "C,G") for chrom, pos in places])

    def chunks(size: int, start: int = 0) -> list[tuple[int, tuple[int, ...] | None]]:
        with VariantFile(vcf) as file:
            found = read_chunks(file, start=start, chunk_size=size, whole_runs=True)
            return [(chunk.read, chunk.runs) for chunk in found]

    assert chunks(100) == [(9, (6, 8, 2, 2))]
    assert chunks(7) == [(7, (6, 8)), (9, (2, 2))]
    assert chunks(5) == [(3, (6,)), (6, (6,)), (9, (2, 2, 2))]
    # Reading on at the end of a chunk gives the chunks that follow it.
    assert chunks(5, 6) == chunks(5)[2:]

    def run_behind(number: int) -> int:
        with VariantFile(vcf) as file:
            return next_run(file, number)

    assert [run_behind(number) for number in range(10)] == [0, 3, 3, 3, 7, 7, 7, 7, 8, 9]


class TestRuns:
    """Files of scores, in which the way is chosen for each run."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scanning, "START", 100)
        for engine in COSTS:
            monkeypatch.setitem(COSTS, engine, FAST)

    @pytest.fixture
    def run(self, vcf: Path, fasta: Path, tiny: str) -> Callable[..., ScoringRun]:
        def make(output: Path, method: str = "auto", **others: Any) -> ScoringRun:
            return ScoringRun(
                str(vcf), fasta, output, options(tiny, method), threads=1, chunk_size=40, **others
            )

        return make

    def test_parts_are_the_whole(
        self, tmp_path: Path, run: Callable[..., ScoringRun], scanned: list[int]
    ) -> None:
        whole = run(tmp_path / "whole.tsv").run().manifest
        assert whole["scan"]["always"] is False
        assert len(scanned) > 3
        parts = [tmp_path / f"{part}.tsv" for part in range(1, 5)]
        for part, path in enumerate(parts, start=1):
            assert run(path, shard=(part, 4)).run().manifest["scan"] == whole["scan"]
        merged = merge(parts, tmp_path / "merged.tsv").manifest
        assert (tmp_path / "merged.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
        assert merged["records"] == whole["records"]

    def test_a_run_that_goes_on(self, tmp_path: Path, run: Callable[..., ScoringRun]) -> None:
        run(tmp_path / "whole.tsv").run()

        def interrupt(rows: int, _: float) -> None:
            if rows > 100:
                raise KeyboardInterrupt

        out = tmp_path / "out.tsv"
        with pytest.raises(KeyboardInterrupt):
            run(out).run(interrupt)
        note = json.loads(Path(f"{out}.partial.json").read_text())
        assert 100 < note["records"] < 400
        with pytest.raises(InputError, match=r"is of another run: scan was .* and is not set"):
            run(out, "windows", resume=True).run()
        run(out, resume=True).run()
        assert out.read_bytes() == (tmp_path / "whole.tsv").read_bytes()

    def test_parts_of_different_ways_are_not_joined(
        self, tmp_path: Path, run: Callable[..., ScoringRun]
    ) -> None:
        run(tmp_path / "1.tsv", shard=(1, 2)).run()
        run(tmp_path / "2.tsv", "scan", shard=(2, 2)).run()
        with pytest.raises(InputError, match=r"scan\.always was False and is True"):
            merge([tmp_path / "1.tsv", tmp_path / "2.tsv"], tmp_path / "out.tsv")

    def test_workers(self, tmp_path: Path, run: Callable[..., ScoringRun]) -> None:
        for workers in (0, 2):
            run(tmp_path / f"{workers}.tsv", workers=workers).run()
        assert (tmp_path / "0.tsv").read_bytes() == (tmp_path / "2.tsv").read_bytes()

    def test_small_inputs_load_no_scan(
        self, tmp_path: Path, run: Callable[..., ScoringRun], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scanning, "START", 1e9)
        assert run(tmp_path / "x.tsv").run().manifest["scan"] is None


class TestWithoutScan:
    def rule(self, path: Path, others: ScoringOptions, device: str = "cpu") -> ScanRule | None:
        weights = [load_weights(name) for name in others.weights]
        return find_rule(others, weights, device, lambda: VariantFile(path))

    def test_averages(self, vcf: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scanning, "START", 100)
        for engine in COSTS:
            monkeypatch.setitem(COSTS, engine, FAST)
        assert self.rule(vcf, options(tiny, "auto")) is not None
        assert self.rule(vcf, options(tiny, "windows")) is None
        assert self.rule(vcf, options(tiny, "auto", shift=1)) is None
        with pytest.raises(
            OptionError, match="method is scan, and scores are averaged over strands or shifts"
        ):
            self.rule(vcf, options(tiny, "scan", reverse_complement=True))

    def test_what_can_be_read_only_once(self, tiny: str) -> None:
        weights = [load_weights(tiny)]
        assert find_rule(options(tiny, "auto"), weights, "cpu", None) is None
        forced = find_rule(options(tiny, "scan"), weights, "cpu", None)
        assert forced is not None
        assert forced.always

    def test_an_unknown_method(self) -> None:
        with pytest.raises(OptionError, match="method is 'fast'; expected one of auto, windows, scan"):
            ScoringOptions(method="fast")


def test_from_the_command_line(tmp_path: Path, vcf: Path, fasta: Path, tiny: str) -> None:
    for method in ("scan", "windows"):
        command = ["score", str(vcf), str(fasta), "-o", str(tmp_path / f"{method}.tsv"), "--weights", tiny]
        assert main([*command, "--max-mismatch-fraction", "1", "--method", method]) == 0
    found, expected = (
        pd.read_csv(tmp_path / f"{method}.tsv", sep="\t", dtype={"id": str}, comment="#")
        for method in ("scan", "windows")
    )
    assert_same_scores(found, expected)
    assert (expected["status"] == Status.OK).sum() > 100
