"""Drawn genomes and variants: windows equal those of a slow, obvious implementation, base by base."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from mifm_kipoi.conventions import Status
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval
from mifm_kipoi.genomics.variants import Variant, read_variants
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import cut_interval_windows, cut_windows, stream_windows
from tests.builders import vcf_text, write_fasta

Contigs = dict[str, str]

FAST = settings(max_examples=120, deadline=None)
"""No deadline: how long a draw takes says more about the machine than about the code."""

REASONS_OF_SYMBOLS = {
    ".": "missing_alt",
    "*": "spanning_deletion",
    "<*>": "symbolic_alt",
    "<DEL>": "symbolic_alt",
    "<INS:ME:ALU>": "symbolic_alt",
    "A[2:9[": "breakend",
    "]chr1:9]A": "breakend",
    "T.": "breakend",
    ".C": "breakend",
}

SYMBOLS = [*REASONS_OF_SYMBOLS, "R", "AN", "NN"]
"""ALTs that have no windows."""


# Draws


@st.composite
def genomes(draw: st.DrawFn) -> Contigs:
    """One to three contigs of 1 to 1,500 bases: upper and lower case, runs of N, IUPAC symbols."""
    names = draw(
        st.lists(st.sampled_from(["1", "chr2", "chrM", "HLA*01"]), min_size=1, max_size=3, unique=True)
    )
    contigs = {}
    for name in names:
        length = draw(
            st.one_of(st.integers(600, 1500), st.integers(1, 600), st.sampled_from([255, 256, 512]))
        )
        generator = random.Random(draw(st.integers(0, 2**16)))
        alphabet = draw(st.sampled_from(["ACGT", "ACGTacgt", "ACGTacgt" * 20 + "NRYn"]))
        bases = "".join(generator.choices(alphabet, k=length))
        start, run = draw(st.integers(0, 1500)), draw(st.sampled_from([0, 0, 5, 51, 52, 300]))
        contigs[name] = (bases[:start] + "N" * run + bases[start + run :])[:length]
    return contigs


@st.composite
def records(draw: st.DrawFn, contigs: Contigs) -> Variant:
    """A variant of any kind: anywhere on a contig, at its edges, past it, or on none."""
    name = draw(st.sampled_from(list(contigs)))
    bases = contigs[name].upper()
    edges = [0, 1, 2, 255, 256, 257, len(bases) - 256, len(bases) - 1, len(bases), len(bases) + 1]
    pos = draw(
        st.one_of(st.integers(0, len(bases) + 3), st.sampled_from([edge for edge in edges if edge >= 0]))
    )
    size = draw(st.sampled_from([1, 1, 1, 2, 5, 300, 600]))
    ref = bases[max(pos - 1, 0) : max(pos - 1, 0) + size] or "A"
    kind = draw(st.sampled_from(["right"] * 8 + ["wrong", "past the end"]))
    if kind == "wrong":
        ref = ref.translate(str.maketrans("ACGT", "CGTA"))
    if kind == "past the end":
        ref = bases[max(pos - 1, 0) :] + "A"
    bases_of_alt = st.text("ACGT", min_size=1, max_size=4)
    long_alt = st.integers(250, 400).map(lambda length: "ACGGT" * (length // 5))
    alt = draw(st.one_of(bases_of_alt, bases_of_alt, bases_of_alt, long_alt, st.sampled_from(SYMBOLS)))
    other_name = {"1": "chr1", "chr2": "2", "chrM": "MT"}.get(name, name)
    chrom = draw(st.sampled_from([name] * 4 + [other_name] * 3 + ["absent"]))
    return Variant(chrom, pos, draw(st.sampled_from([".", "rs1"])), ref, alt)


@st.composite
def genomes_and_records(draw: st.DrawFn) -> tuple[Contigs, list[Variant]]:
    """Records in no order, some of them twice."""
    contigs = draw(genomes())
    variants = draw(st.lists(records(contigs), max_size=8))
    if variants:
        variants += draw(st.lists(st.sampled_from(variants), max_size=3))
    return contigs, variants


# The slow, obvious implementation


def base_at(contig: str, position: int) -> str:
    """The base at a 0-based position: A, C, G, T, or N for anything else and outside the contig."""
    if position < 0 or position >= len(contig):
        return "N"
    base = contig[position].upper()
    return base if base in ("A", "C", "G", "T") else "N"


def contig_of(contigs: Contigs, chrom: str) -> str | None:
    """The drawn genomes have no contig under two names."""
    for name in (chrom, "chr" + chrom, chrom[3:] if chrom[:3] == "chr" else chrom):
        if name in contigs:
            return contigs[name]
    return contigs.get("chrM") if chrom == "MT" else None


def slow_windows(variant: Variant, contig: str) -> tuple[str, str]:
    """Edit the contig, then read 512 bases of either from 255 before the variant."""
    at = variant.pos - 1
    edited = contig[:at] + variant.alt + contig[at + len(variant.ref) :]
    ref = "".join(base_at(contig, position) for position in range(at - 255, at + 257))
    alt = "".join(base_at(edited, position) for position in range(at - 255, at + 257))
    return ref, alt


def slow_row(variant: Variant, contigs: Contigs, fraction: float) -> tuple[str, str, str]:
    """Status and windows of one variant; windows of N where there are none."""
    contig = contig_of(contigs, variant.chrom)
    status = slow_reason(variant, contig)
    if status == "ok":
        assert contig is not None
        ref, alt = slow_windows(variant, contig)
        if max(ref.count("N"), alt.count("N")) <= fraction * 512:
            return "ok", ref, alt
        status = "too_many_n"
    return status, "N" * 512, "N" * 512


def slow_reason(variant: Variant, contig: str | None) -> str:
    """Why there can be no windows, whatever they hold."""
    if variant.alt in REASONS_OF_SYMBOLS:
        return REASONS_OF_SYMBOLS[variant.alt]
    if set(variant.ref + variant.alt) - set("ACGT"):
        return "non_acgt_allele"
    if contig is None:
        return "contig_not_in_fasta"
    if variant.pos < 1 or variant.pos + len(variant.ref) - 1 > len(contig):
        return "position_outside_contig"
    if any(contig[variant.pos - 1 + i].upper() != base for i, base in enumerate(variant.ref)):
        return "ref_mismatch"
    return "ok"


def text(codes: np.ndarray) -> str:
    return "".join("ACGTN"[code] for code in codes)


# Properties


@settings(FAST, max_examples=300)
@given(
    drawn=genomes_and_records(),
    line=st.sampled_from([1, 7, 60, 5000]),
    fraction=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)
def test_windows_are_those_of_the_slow_implementation(
    drawn: tuple[Contigs, list[Variant]], line: int, fraction: float
) -> None:
    contigs, variants = drawn
    with tempfile.TemporaryDirectory() as folder:
        genome = Genome(write_fasta(Path(folder) / "genome.fa", contigs, line))
        found = cut_windows(variants, genome, fraction)
    assert len(found) == len(variants)
    rows = zip(found.status, map(text, found.ref), map(text, found.alt), strict=True)
    for variant, row in zip(variants, rows, strict=True):
        event(row[0])
        assert row == slow_row(variant, contigs, fraction)


@FAST
@given(drawn=genomes_and_records())
def test_files_and_streams_lose_nothing(drawn: tuple[Contigs, list[Variant]]) -> None:
    """From a VCF file through the stream: every record in its order, with the windows that it has alone."""
    contigs, variants = drawn
    written = [(variant.chrom, variant.pos, variant.ref, variant.alt) for variant in variants]
    with tempfile.TemporaryDirectory() as folder:
        genome = Genome(write_fasta(Path(folder) / "genome.fa", contigs))
        vcf = Path(folder) / "variants.vcf"
        vcf.write_text(vcf_text(written, {"1": 1500}))
        chunks = list(stream_windows(read_variants(vcf), genome, max_mismatch_fraction=1.0))
    assert len(chunks) == min(len(variants), 1)
    for chunk in chunks:
        found = [(variant.chrom, variant.pos, variant.ref, variant.alt) for variant in chunk.variants]
        assert found == written
        assert [status.value for status in chunk.status] == [
            slow_row(variant, contigs, 0.1)[0] for variant in variants
        ]


@FAST
@given(contigs=genomes(), start=st.integers(-700, 1600), length=st.integers(1, 1200))
def test_interval_windows(contigs: Contigs, start: int, length: int) -> None:
    """As many bases of an interval lie left of its centre as right of it, or one fewer."""
    name, contig = next(iter(contigs.items()))
    with tempfile.TemporaryDirectory() as folder:
        genome = Genome(write_fasta(Path(folder) / "genome.fa", contigs))
        codes, status = cut_interval_windows([Interval(name, start, start + length, ".")], genome, 1.0)
    left = 0
    while left + 1 <= length - 1 - (left + 1):
        left += 1
    centre = start + left
    if 0 <= centre < len(contig):
        expected = "".join(base_at(contig, position) for position in range(centre - 255, centre + 257))
        assert (status, text(codes[0])) == ([Status.OK], expected)
    else:
        assert (status, text(codes[0])) == ([Status.POSITION_OUTSIDE_CONTIG], "N" * 512)


@FAST
@given(bases=st.text("ACGTacgtNnRY-", max_size=600))
def test_one_hot_windows_can_be_read_back(bases: str) -> None:
    one_hot = encoding.one_hot(encoding.codes(np.frombuffer(bases.encode(), dtype=np.uint8)))
    assert one_hot.shape == (4, len(bases))
    back = [
        "".join(letter for letter, value in zip("ACGT", column, strict=True) if value) for column in one_hot.T
    ]
    assert back == [base.upper() if base.upper() in "ACGT" else "" for base in bases]
    assert set(np.unique(one_hot)) <= {0.0, 1.0}


@FAST
@given(bases=st.text("ACGTN", max_size=600))
def test_reverse_complement(bases: str) -> None:
    """Twice is identity; once is what str.translate makes of the text, and mirrors both axes of one-hot."""
    codes = np.array(["ACGTN".index(base) for base in bases], dtype=np.uint8)
    other = encoding.reverse_complement(codes)
    np.testing.assert_array_equal(encoding.reverse_complement(other), codes)
    assert text(other) == bases.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    np.testing.assert_array_equal(encoding.one_hot(other), encoding.one_hot(codes)[::-1, ::-1])


@FAST
@given(drawn=genomes_and_records())
def test_swapped_alleles_swap_the_windows(drawn: tuple[Contigs, list[Variant]]) -> None:
    """With the alternative contig as genome, REF and ALT exchanged give the same two windows, exchanged."""
    contigs, variants = drawn
    for variant in variants:
        if slow_row(variant, contigs, 1.0)[0] != "ok":
            continue
        contig = contig_of(contigs, variant.chrom)
        at = variant.pos - 1
        edited = contig[:at] + variant.alt + contig[at + len(variant.ref) :]
        with tempfile.TemporaryDirectory() as folder:
            names = {"there": contig, "back": edited}
            genome = Genome(write_fasta(Path(folder) / "genome.fa", names))
            there = Variant("there", variant.pos, ".", variant.ref, variant.alt)
            back = Variant("back", variant.pos, ".", variant.alt, variant.ref)
            found = cut_windows([there, back], genome, 1.0)
        assert found.status == [Status.OK, Status.OK]
        np.testing.assert_array_equal(found.ref, found.alt[::-1])
