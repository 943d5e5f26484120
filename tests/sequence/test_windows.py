"""Windows of variants and intervals, put together by hand from the parts of small genomes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval
from mifm_kipoi.genomics.variants import Variant, read_variants
from mifm_kipoi.sequence import windows as windows_module
from mifm_kipoi.sequence.windows import (
    ReferenceCheck,
    VariantWindows,
    allele_status,
    check_beginning,
    cut_interval_windows,
    cut_windows,
    stream_windows,
)
from tests.builders import write_fasta


def random_bases(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


LEFT, RIGHT = random_bases(300, seed=1), random_bases(600, seed=2)
REF = "GATTACA"
"""The contig ``1`` is LEFT + REF + RIGHT: REF is at 1-based position 301."""


def snv(chrom: str, pos: int, ref: str, alt: str) -> Variant:
    return Variant(chrom, pos, ".", ref, alt)


def bases(codes: np.ndarray) -> str:
    """The text of a coded window."""
    return "".join("ACGTN"[code] for code in codes)


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    contigs = {
        "1": LEFT + REF + RIGHT,
        "chr2": (LEFT + REF + RIGHT).lower(),
        "end": LEFT + REF,
        "short": "ACGTACGTAC",
        "chrM": random_bases(700, seed=3),
        "iupac": "A" * 300 + "R" + "C" * 300,
    }
    return Genome(write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", contigs))


def cut_one(genome: Genome, variant: Variant, **options: float) -> tuple[Status, str, str]:
    """Status, reference and alternative window of one variant."""
    found = cut_windows([variant], genome, **options)
    assert found.ref.shape == found.alt.shape == (1, 512)
    assert found.ref.dtype == found.alt.dtype == np.uint8
    return found.status[0], bases(found.ref[0]), bases(found.alt[0])


class TestCutWindows:
    """The variant is at index 255; the alternative window keeps the left flank."""

    REF_WINDOW = LEFT[45:] + REF + RIGHT[:250]

    @pytest.mark.parametrize(
        ("ref", "alt", "alt_window"),
        [
            pytest.param("G", "C", LEFT[45:] + "C" + "ATTACA" + RIGHT[:250], id="snv"),
            pytest.param("GATT", "CCTG", LEFT[45:] + "CCTG" + "ACA" + RIGHT[:250], id="mnv"),
            pytest.param("G", "GTT", LEFT[45:] + "GTT" + "ATTACA" + RIGHT[:248], id="insertion"),
            pytest.param("GATTA", "G", LEFT[45:] + "G" + "CA" + RIGHT[:254], id="deletion"),
            pytest.param("GATTACA", "TC", LEFT[45:] + "TC" + RIGHT[:255], id="complex"),
            pytest.param("G", "G", LEFT[45:] + REF + RIGHT[:250], id="no change"),
            pytest.param("G", "G" + "T" * 255, LEFT[45:] + "G" + "T" * 255 + "A", id="ALT of 256 bp"),
            pytest.param("G", "G" + "T" * 256, LEFT[45:] + "G" + "T" * 256, id="ALT of 257 bp"),
            pytest.param("G", "G" + "T" * 255 + "AC", LEFT[45:] + "G" + "T" * 255 + "A", id="ALT of 258 bp"),
            pytest.param("G", "G" + "T" * 900, LEFT[45:] + "G" + "T" * 256, id="ALT of 901 bp"),
            pytest.param(
                REF + RIGHT[:300], "G", LEFT[45:] + "G" + RIGHT[300:556], id="deletion beyond the window"
            ),
            pytest.param(
                REF + RIGHT[:500], "G", LEFT[45:] + "G" + RIGHT[500:] + "N" * 156, id="deletion near the end"
            ),
        ],
    )
    @pytest.mark.parametrize("chrom", ["1", "chr1", "chr2", "2"])
    def test_literals(self, genome: Genome, chrom: str, ref: str, alt: str, alt_window: str) -> None:
        windows = cut_one(genome, snv(chrom, 301, ref, alt), max_n_fraction=0.5)
        assert windows == (Status.OK, self.REF_WINDOW, alt_window)

    def test_the_base_at_index_255(self, genome: Genome) -> None:
        """The window is 0-based [pos - 256, pos + 256)."""
        contig = LEFT + REF + RIGHT
        for pos in (256, 257, 300, 400, 651):
            ref = contig[pos - 1]
            alt = "A" if ref != "A" else "C"
            status, ref_window, alt_window = cut_one(genome, snv("1", pos, ref, alt))
            assert (status, ref_window) == (Status.OK, contig[pos - 256 : pos + 256])
            assert (ref_window[255], alt_window[255]) == (ref, alt)
            assert (alt_window[:255], alt_window[256:]) == (ref_window[:255], ref_window[256:])

    def test_first_base_of_a_contig(self, genome: Genome) -> None:
        first, rest = LEFT[0], LEFT[1:257]
        alt = "A" if first != "A" else "C"
        windows = cut_one(genome, snv("1", 1, first, alt), max_n_fraction=0.5)
        assert windows == (Status.OK, "N" * 255 + first + rest, "N" * 255 + alt + rest)

    def test_last_base_of_a_contig(self, genome: Genome) -> None:
        before = (LEFT + "GATTAC")[-255:]
        windows = cut_one(genome, snv("end", 307, "A", "C"), max_n_fraction=0.5)
        assert windows == (Status.OK, before + "A" + "N" * 256, before + "C" + "N" * 256)

    def test_deletion_of_the_end_of_a_contig(self, genome: Genome) -> None:
        windows = cut_one(genome, snv("end", 301, REF, "G"), max_n_fraction=0.5)
        assert windows == (Status.OK, LEFT[45:] + REF + "N" * 250, LEFT[45:] + "G" + "N" * 256)

    def test_insertion_at_the_end_of_a_contig(self, genome: Genome) -> None:
        before = (LEFT + "GATTAC")[-255:]
        windows = cut_one(genome, snv("end", 307, "A", "ATT"), max_n_fraction=0.5)
        assert windows == (Status.OK, before + "A" + "N" * 256, before + "ATT" + "N" * 254)

    def test_codes_that_are_no_base_count_as_n(self, genome: Genome) -> None:
        ref_window = "A" * 254 + "N" + "C" * 257
        windows = cut_one(genome, snv("iupac", 302, "C", "T"))
        assert windows == (Status.OK, ref_window, "A" * 254 + "NT" + "C" * 256)

    def test_no_variants(self, genome: Genome) -> None:
        found = cut_windows([], genome)
        assert (len(found), found.status) == (0, [])
        assert found.ref.shape == found.alt.shape == (0, 512)

    def test_slices(self, genome: Genome) -> None:
        variants = [snv("1", 301, "G", alt) for alt in ("A", "C", "T", "*")]
        found = cut_windows(variants, genome)
        part = found[1:4]
        assert (len(found), len(part)) == (4, 3)
        assert part.variants == variants[1:4]
        assert part.status == [Status.OK, Status.OK, Status.SPANNING_DELETION]
        assert [bases(window)[255] for window in part.ref] == ["G", "G", "N"]
        assert [bases(window)[255] for window in part.alt] == ["C", "T", "N"]


REASONS = [
    (snv("1", 301, "G", "C"), Status.OK),
    (snv("1", 301, "G", "."), Status.MISSING_ALT),
    (snv("1", 301, "G", ""), Status.MISSING_ALT),
    (snv("1", 301, "G", "*"), Status.SPANNING_DELETION),
    (snv("1", 301, "G", "<*>"), Status.SYMBOLIC_ALT),
    (snv("1", 301, "G", "<DEL>"), Status.SYMBOLIC_ALT),
    (snv("1", 301, "G", "<DUP:TANDEM>"), Status.SYMBOLIC_ALT),
    (snv("1", 301, "G", "<NON_REF>"), Status.SYMBOLIC_ALT),
    (snv("1", 301, "G", "G[2:100["), Status.BREAKEND),
    (snv("1", 301, "G", "G]2:100]"), Status.BREAKEND),
    (snv("1", 301, "G", "[<ctg1>:100[G"), Status.BREAKEND),
    (snv("1", 301, "G", "]2:100]G"), Status.BREAKEND),
    (snv("1", 301, "G", "G."), Status.BREAKEND),
    (snv("1", 301, "G", ".G"), Status.BREAKEND),
    (snv("1", 301, "G", "R"), Status.NON_ACGT_ALLELE),
    (snv("1", 301, "G", "GN"), Status.NON_ACGT_ALLELE),
    (snv("iupac", 301, "R", "A"), Status.NON_ACGT_ALLELE),
    (snv("1", 301, ".", "A"), Status.NON_ACGT_ALLELE),
    (snv(".", 0, "G", "C"), Status.POSITION_UNKNOWN),
    (snv(".", 0, ".", "."), Status.POSITION_UNKNOWN),
    (snv("3", 301, "G", "C"), Status.CONTIG_NOT_IN_FASTA),
    (snv("CHR1", 301, "G", "C"), Status.CONTIG_NOT_IN_FASTA),
    (snv("1", 0, "G", "C"), Status.POSITION_OUTSIDE_CONTIG),
    (snv("1", 908, "G", "C"), Status.POSITION_OUTSIDE_CONTIG),
    (snv("end", 301, "GATTACAG", "G"), Status.POSITION_OUTSIDE_CONTIG),
    (snv("end", 301, "GATTACA", "G"), Status.TOO_MANY_N),
    (snv("1", 301, "C", "G"), Status.REF_MISMATCH),
    (snv("1", 301, "GATTACC", "G"), Status.REF_MISMATCH),
    (snv("iupac", 301, "A", "G"), Status.REF_MISMATCH),
    (snv("short", 5, "A", "G"), Status.TOO_MANY_N),
    # What the alleles say comes before what the genome says.
    (snv("3", 301, "G", "<DEL>"), Status.SYMBOLIC_ALT),
    (snv("1", 301, "C", "."), Status.MISSING_ALT),
]


class TestStatus:
    """Why a variant has no windows."""

    @pytest.mark.parametrize(("variant", "status"), REASONS)
    def test_reasons(self, genome: Genome, variant: Variant, status: Status) -> None:
        found, ref_window, alt_window = cut_one(genome, variant)
        assert found is status
        if status is not Status.OK:
            assert ref_window == alt_window == "N" * 512

    def test_every_status_is_above(self) -> None:
        assert {status for _, status in REASONS} == set(Status)

    def test_alleles_alone(self) -> None:
        of_alleles = {
            Status.MISSING_ALT,
            Status.SPANNING_DELETION,
            Status.SYMBOLIC_ALT,
            Status.BREAKEND,
            Status.NON_ACGT_ALLELE,
        }
        for variant, status in REASONS:
            if status is not Status.POSITION_UNKNOWN:
                assert allele_status(variant) is (status if status in of_alleles else Status.OK)

    def test_reasons_do_not_disturb_their_neighbours(self, genome: Genome) -> None:
        """One row per variant, in their order, each as if it were alone."""
        variants = [variant for variant, _ in REASONS]
        found = cut_windows(variants, genome)
        assert found.variants == variants
        assert found.status == [status for _, status in REASONS]
        for row, variant in enumerate(variants):
            alone = (found.status[row], bases(found.ref[row]), bases(found.alt[row]))
            assert alone == cut_one(genome, variant)

    def test_names_that_files_show(self) -> None:
        assert [status.value for status in Status] == [
            "ok",
            "missing_alt",
            "spanning_deletion",
            "symbolic_alt",
            "breakend",
            "non_acgt_allele",
            "contig_not_in_fasta",
            "position_outside_contig",
            "ref_mismatch",
            "too_many_n",
            "position_unknown",
        ]

    def test_the_example_shows_every_status(self, example: Path) -> None:
        variants = list(read_variants(example / "variants.vcf"))
        found = cut_windows(variants, Genome(example / "genome.fa"))
        # A record of VCF has a position; a row of a list may have none.
        assert set(found.status) == set(Status) - {Status.POSITION_UNKNOWN}


class TestUnknownShare:
    """At most a tenth of a window may be N: 51 of 512."""

    @pytest.fixture
    def make(self, tmp_path: Path):
        def genome_with(unknown: int, behind: str = "A" * 600) -> Genome:
            """A contig with N just before 0-based 600, which is a G."""
            contig = "C" * (600 - unknown) + "N" * unknown + "G" + behind
            return Genome(write_fasta(tmp_path / "x.fa", {"1": contig}))

        return genome_with

    @pytest.mark.parametrize(
        ("behind", "status"), [(1, Status.OK), (2, Status.TOO_MANY_N), (600, Status.TOO_MANY_N)]
    )
    def test_of_both_windows(self, make, behind: int, status: Status) -> None:
        """50 N before the variant and one behind it are allowed."""
        genome = make(50, behind="N" * behind + "A" * 600)
        assert cut_windows([snv("1", 601, "G", "T")], genome).status == [status]

    def test_of_the_alternative_window_alone(self, make) -> None:
        """A deletion draws N into the alternative window: 50 before, and up to two behind."""
        genome = make(50, behind="A" * 256 + "NN" + "A" * 300)
        assert cut_windows([snv("1", 601, "G", "T")], genome).status == [Status.OK]
        assert cut_windows([snv("1", 601, "GA", "G")], genome).status == [Status.OK]
        assert cut_windows([snv("1", 601, "GAA", "G")], genome).status == [Status.TOO_MANY_N]

    def test_of_the_reference_window_alone(self, make) -> None:
        """An insertion pushes N out of the alternative window."""
        genome = make(50, behind="A" * 254 + "NN" + "A" * 300)
        assert cut_windows([snv("1", 601, "G", "GTTTT")], genome).status == [Status.TOO_MANY_N]

    @pytest.mark.parametrize(
        ("unknown", "fraction", "status"),
        [
            (0, 0.0, Status.OK),
            (1, 0.0, Status.TOO_MANY_N),
            (51, 0.1, Status.OK),
            (52, 0.1, Status.TOO_MANY_N),
            (128, 0.25, Status.OK),
            (129, 0.25, Status.TOO_MANY_N),
            (255, 1.0, Status.OK),
        ],
    )
    def test_another_share(self, make, unknown: int, fraction: float, status: Status) -> None:
        genome = make(unknown)
        assert cut_windows([snv("1", 601, "G", "T")], genome, max_n_fraction=fraction).status == [status]
        (streamed,) = stream_windows([snv("1", 601, "G", "T")], genome, max_n_fraction=fraction)
        assert streamed.status == [status]
        _, of_interval = cut_interval_windows([Interval("1", 600, 601, ".")], genome, max_n_fraction=fraction)
        assert of_interval == [status]

    def test_short_contigs(self, tmp_path: Path) -> None:
        """A contig needs 461 bases in the window."""
        genome = Genome(write_fasta(tmp_path / "x.fa", {"461": "A" * 461, "460": "A" * 460}))
        found = cut_windows([snv("461", 230, "A", "C"), snv("460", 230, "A", "C")], genome)
        assert found.status == [Status.OK, Status.TOO_MANY_N]


class TestReferenceCheck:
    """A run ends when too many REF alleles differ from the FASTA."""

    @pytest.fixture
    def genome(self, tmp_path: Path) -> Genome:
        """A contig of A, so that REF A is right and REF C is wrong."""
        return Genome(write_fasta(tmp_path / "a.fa", {"1": "A" * 11_000}))

    @staticmethod
    def variants(pattern: Iterable[bool]) -> list[Variant]:
        """One variant per entry, its REF right or wrong."""
        return [
            Variant("1", 301 + row, f"v{row}", "A" if right else "C", "G")
            for row, right in enumerate(pattern)
        ]

    @staticmethod
    def statuses(chunks: Iterable[VariantWindows]) -> list[Status]:
        return [status for chunk in chunks for status in chunk.status]

    def test_five_may_differ_in_any_file(self, genome: Genome) -> None:
        assert self.statuses(stream_windows(self.variants([False] * 5), genome)) == [Status.REF_MISMATCH] * 5

    @pytest.mark.parametrize("chunk", [1, 3, 7, 20, 8192])
    def test_six_of_few_end_the_run(self, genome: Genome, chunk: int) -> None:
        variants = self.variants([True, False, True] * 5 + [False] + [True] * 4)
        with pytest.raises(ReferenceMismatchError, match=r"6 of \d+ REF alleles differ from .*a\.fa"):
            self.statuses(stream_windows(variants, genome, chunk_size=chunk))

    def test_what_the_message_says(self, genome: Genome) -> None:
        variants = self.variants([False, True, True, False, True] * 4)
        with pytest.raises(ReferenceMismatchError, match="8 of 20 REF alleles differ from") as caught:
            list(stream_windows(variants, genome))
        message = str(caught.value)
        for part in (
            f"differ from {genome.path}: 1:301 has REF C, the FASTA A; 1:304 has REF C, the FASTA A; ",
            "1:306 has REF C, the FASTA A. Expected at most 1.0%",
            "another genome build, or REF and ALT are swapped",
            "Use the FASTA of the variants' build (or fix REF with bcftools norm --check-ref)",
            "max_mismatch_fraction, the option --max-mismatch-fraction (1 turns the check off)",
        ):
            assert part in message

    def test_long_alleles_are_shown_in_part(self, genome: Genome) -> None:
        variants = [snv("1", 301, "C" * 50, "C")] * 6
        with pytest.raises(ReferenceMismatchError, match=r"has REF C{20}, the FASTA A{20};"):
            list(stream_windows(variants, genome))

    @pytest.mark.parametrize("first", [0, 5_000, 9_994])
    def test_six_in_ten_thousand_are_let_through(self, genome: Genome, first: int) -> None:
        pattern = np.ones(10_000, dtype=bool)
        pattern[first : first + 6] = False
        found = self.statuses(stream_windows(self.variants(pattern), genome))
        assert found == [Status.OK if right else Status.REF_MISMATCH for right in pattern]

    @pytest.mark.parametrize("chunk", [1, 100, 8192])
    def test_six_spread_over_a_thousand_are_let_through(self, genome: Genome, chunk: int) -> None:
        """A fraction of 0.6 %, and never above 1 % once there are more than five."""
        pattern = [row % 166 != 165 for row in range(1000)]
        assert pattern.count(False) == 6
        found = self.statuses(stream_windows(self.variants(pattern), genome, chunk_size=chunk))
        assert found == [Status.OK if right else Status.REF_MISMATCH for right in pattern]

    @pytest.mark.parametrize(("wrong", "ends"), [(10, False), (11, True)])
    def test_one_percent_is_the_limit(self, genome: Genome, wrong: int, ends: bool) -> None:
        variants = self.variants([True] * (1000 - wrong) + [False] * wrong)
        if ends:
            with pytest.raises(ReferenceMismatchError, match="11 of 1000 REF alleles differ"):
                list(stream_windows(variants, genome))
        else:
            assert self.statuses(stream_windows(variants, genome)).count(Status.REF_MISMATCH) == 10

    @pytest.mark.parametrize(("fraction", "ends"), [(0.0, True), (0.29, True), (0.3, False), (1.0, False)])
    def test_another_share(self, genome: Genome, fraction: float, ends: bool) -> None:
        variants = self.variants([True] * 14 + [False] * 6)
        if ends:
            with pytest.raises(ReferenceMismatchError, match="6 of 20 REF alleles differ"):
                list(stream_windows(variants, genome, max_mismatch_fraction=fraction))
        else:
            assert len(self.statuses(stream_windows(variants, genome, max_mismatch_fraction=fraction))) == 20

    def test_one_turns_the_check_off(self, genome: Genome) -> None:
        chunks = stream_windows(self.variants([False] * 100), genome, max_mismatch_fraction=1.0)
        assert self.statuses(chunks) == [Status.REF_MISMATCH] * 100

    def test_only_compared_alleles_count(self, genome: Genome) -> None:
        """Variants whose REF is never looked at do not dilute the mismatches."""
        skipped = [snv("1", 301, "A", "<DEL>"), snv("2", 301, "A", "C"), snv("1", 99_999, "A", "C")]
        variants = skipped * 1000 + self.variants([False] * 6)
        with pytest.raises(ReferenceMismatchError, match="6 of 6 REF alleles differ"):
            list(stream_windows(variants, genome))

    def test_before_the_chunk_is_handed_out(self, genome: Genome) -> None:
        variants = self.variants([True] * 10 + [False] * 10 + [True] * 10)
        chunks = stream_windows(variants, genome, chunk_size=10)
        assert next(chunks).status == [Status.OK] * 10
        with pytest.raises(ReferenceMismatchError, match="10 of 20 REF alleles differ"):
            next(chunks)

    def test_the_statuses_of_an_earlier_part_count(self, genome: Genome) -> None:
        """A run that goes on judges all of its rows; what was never compared is left out."""
        earlier = {"ok": 590, "too_many_n": 5, "ref_mismatch": 5, "symbolic_alt": 1000}
        check = ReferenceCheck(genome, 0.01, earlier)
        assert (check.compared, check.mismatches) == (600, 5)
        check.add(self.variants([False, True]), [Status.REF_MISMATCH, Status.OK])
        assert (check.compared, check.mismatches) == (602, 6)
        with pytest.raises(ReferenceMismatchError, match=r"7 of 603 REF .* has REF C, the FASTA A; 1:301"):
            check.add(self.variants([False]), ["ref_mismatch"])
        assert earlier["ref_mismatch"] == 5

    def test_few_alleles_need_not_be_judged(self, genome: Genome) -> None:
        check = ReferenceCheck(genome, 0.01, at_least=12)
        check.add(self.variants([False] * 11), [Status.REF_MISMATCH] * 11)
        with pytest.raises(ReferenceMismatchError, match="11 of 12 REF alleles differ"):
            check.add(self.variants([True]), [Status.OK])

    def test_the_beginning_of_a_file(self, genome: Genome) -> None:
        """As many as are asked for are read; N around a variant is no matter there."""
        rest = iter(self.variants([True] * 20 + [False] * 10))
        check_beginning(rest, genome, 0.01, count=20)
        assert len(list(rest)) == 10
        with pytest.raises(ReferenceMismatchError, match="6 of 26 REF alleles differ"):
            check_beginning(self.variants([True] * 20 + [False] * 10), genome, 0.01, count=26)


class TestStreamWindows:
    """Chunks hold what one cut would."""

    @pytest.mark.parametrize("chunk", [1, 4, len(REASONS), 8192])
    def test_nothing_is_dropped(self, genome: Genome, chunk: int) -> None:
        variants = [variant for variant, _ in REASONS]
        chunks = list(stream_windows(iter(variants), genome, chunk_size=chunk))
        assert [len(part) for part in chunks[:-1]] == [chunk] * (len(chunks) - 1)
        assert [variant for part in chunks for variant in part.variants] == variants
        assert [status for part in chunks for status in part.status] == [status for _, status in REASONS]
        whole = cut_windows(variants, genome)
        np.testing.assert_array_equal(np.concatenate([part.ref for part in chunks]), whole.ref)
        np.testing.assert_array_equal(np.concatenate([part.alt for part in chunks]), whole.alt)

    def test_long_alleles_end_a_chunk(self, genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(windows_module, "CHUNK_BYTES", 100)
        variants = [snv("1", 301, "G", "C" * length) for length in (1, 1, 98, 1, 99, 150, 1)]
        chunks = list(stream_windows(variants, genome))
        assert [len(part) for part in chunks] == [3, 2, 1, 1]
        assert [variant for part in chunks for variant in part.variants] == variants

    def test_no_variants(self, genome: Genome) -> None:
        assert list(stream_windows([], genome)) == []

    def test_reads_no_further_than_a_chunk(self, genome: Genome) -> None:
        rest = iter([snv("1", 301, "G", "C")] * 10)
        next(stream_windows(rest, genome, chunk_size=4))
        assert len(list(rest)) == 6


class TestCutIntervalWindows:
    """The centre of an interval is at index 255."""

    CONTIG = LEFT + REF + RIGHT

    @pytest.mark.parametrize(
        ("start", "end", "window_start"),
        [
            pytest.param(300, 301, 45, id="1 bp"),
            pytest.param(300, 302, 45, id="2 bp"),
            pytest.param(300, 303, 46, id="3 bp"),
            pytest.param(300, 304, 46, id="4 bp"),
            pytest.param(100, 611, 100, id="511 bp"),
            pytest.param(100, 612, 100, id="512 bp"),
            pytest.param(100, 613, 101, id="513 bp"),
            pytest.param(0, 907, 198, id="the contig"),
            pytest.param(300, 1500, 644, id="over the end"),
        ],
    )
    def test_centres(self, genome: Genome, start: int, end: int, window_start: int) -> None:
        codes, status = cut_interval_windows([Interval("1", start, end, ".")], genome, 0.5)
        expected = self.CONTIG[window_start : window_start + 512].ljust(512, "N")
        assert (bases(codes[0]), status) == (expected, [Status.OK])

    def test_centre_at_the_first_and_the_last_base(self, genome: Genome) -> None:
        intervals = [Interval("1", 0, 1, "."), Interval("end", 306, 307, ".")]
        codes, status = cut_interval_windows(intervals, genome, 0.5)
        assert status == [Status.OK, Status.OK]
        assert bases(codes[0]) == "N" * 255 + self.CONTIG[:257]
        assert bases(codes[1]) == (LEFT + REF)[-256:] + "N" * 256

    def test_start_below_zero(self, genome: Genome) -> None:
        codes, status = cut_interval_windows([Interval("1", -100, 412, ".")], genome, 0.5)
        assert (bases(codes[0]), status) == ("N" * 100 + self.CONTIG[:412], [Status.OK])

    def test_soft_masked_bases_and_other_names(self, genome: Genome) -> None:
        codes, status = cut_interval_windows([Interval("2", 100, 612, ".")], genome)
        assert (bases(codes[0]), status) == (self.CONTIG[100:612], [Status.OK])

    @pytest.mark.parametrize(
        ("interval", "status"),
        [
            (Interval("1", -1, 0, "."), Status.POSITION_OUTSIDE_CONTIG),
            (Interval("1", -300, 212, "."), Status.POSITION_OUTSIDE_CONTIG),
            (Interval("1", 907, 908, "."), Status.POSITION_OUTSIDE_CONTIG),
            (Interval("1", 300, 1600, "."), Status.POSITION_OUTSIDE_CONTIG),
            (Interval("3", 300, 301, "."), Status.CONTIG_NOT_IN_FASTA),
            (Interval("short", 5, 6, "."), Status.TOO_MANY_N),
        ],
    )
    def test_reasons(self, genome: Genome, interval: Interval, status: Status) -> None:
        good = Interval("1", 100, 612, ".")
        codes, found = cut_interval_windows([good, interval, good], genome)
        assert found == [Status.OK, status, Status.OK]
        expected = [self.CONTIG[100:612], "N" * 512, self.CONTIG[100:612]]
        assert [bases(window) for window in codes] == expected

    def test_no_intervals(self, genome: Genome) -> None:
        codes, status = cut_interval_windows([], genome)
        assert (codes.shape, codes.dtype, status) == ((0, 512), np.uint8, [])
