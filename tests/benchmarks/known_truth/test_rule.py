import random

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import strategies as st

from benchmarks.known_truth import rule
from benchmarks.known_truth.rule import Kind
from mifm_kipoi.sequence.encoding import NO_BASE
from tests.benchmarks.known_truth.conftest import CAUSAL, COFACTOR, REPRESSOR, slow_kinds

MOTIF, WITH_COFACTOR, WITH_REPRESSOR = "TGACGGTCAGCTGA", "TTGCAGAATGCGGT", "GGCATGCTGGTCAA"
"""The first causal motif, the co-factor and the repressor, with G at their free bases; each has 14."""

INFORMATIVE, FREE = (0, 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13), (5, 9)
"""Of all motifs: offsets of the bases that matter, and of the others."""

START = 100
"""Where the causal motif begins in the sequences by hand."""


def codes(text: str) -> npt.NDArray[np.uint8]:
    return np.array(["ACGTN".index(base) for base in text], dtype=np.uint8)


def text_with(pieces: dict[int, str], length: int = 210) -> str:
    """Pieces at their places in a run of A, in which there is no motif."""
    text = ["A"] * length
    for start, piece in pieces.items():
        text[start : start + len(piece)] = piece
    assert len(text) == length
    return "".join(text)


def kind(text: str, position: int) -> str:
    (found,) = rule.classify(codes(text), np.array([position]))
    return found.value


def test_the_motifs() -> None:
    assert tuple(motif.bases for motif in rule.CAUSAL_MOTIFS) == CAUSAL
    assert (rule.COFACTOR.bases, rule.REPRESSING_MOTIF.bases) == (COFACTOR, REPRESSOR)
    assert len({motif.name for motif in rule.MOTIFS}) == len(rule.MOTIFS) == 6
    assert {motif.informative for motif in rule.MOTIFS} == {INFORMATIVE}
    assert {motif.free for motif in rule.MOTIFS} == {FREE}


def test_the_bases_of_a_motif() -> None:
    motif = rule.Motif("any", "GATANNNGCAA")
    assert motif.informative == (0, 1, 2, 3, 7, 8, 9, 10)
    assert motif.free == (4, 5, 6)


def test_finding_and_writing_a_motif() -> None:
    motif = rule.Motif("any", "ANA")
    assert np.flatnonzero(motif.find(codes("AAAACAACTA"))).tolist() == [0, 1, 3]
    assert np.flatnonzero(motif.find(codes("CAGA"))).tolist() == [1]
    assert motif.find(codes("AA")).tolist() == [False, False]
    sequence = codes("CCCCC")
    motif.write(sequence, 1)
    assert sequence.tolist() == codes("CACAC").tolist()


def test_every_informative_base_is_causal_and_no_other_is() -> None:
    text = text_with({START: MOTIF, 130: WITH_COFACTOR})
    found = {offset: kind(text, START + offset) for offset in range(-1, 15)}
    assert tuple(offset for offset, name in found.items() if name == "causal") == INFORMATIVE
    assert tuple(offset for offset, name in found.items() if name == "uninformative_base") == FREE
    assert [found[-1], found[14]] == ["near_motif"] * 2


@pytest.mark.parametrize(
    ("start", "expected"), [(147, "causal"), (148, "no_cofactor"), (40, "causal"), (39, "no_cofactor")]
)
def test_the_border_of_the_cofactor(start: int, expected: str) -> None:
    """From 147 on it ends at 160, which is 60 from the variant at 100."""
    assert kind(text_with({START: MOTIF, start: WITH_COFACTOR}), START) == expected


@pytest.mark.parametrize(
    ("start", "expected"), [(147, "repressor"), (148, "causal"), (40, "repressor"), (39, "causal")]
)
def test_the_border_of_the_repressor(start: int, expected: str) -> None:
    text = text_with({START: MOTIF, 120: WITH_COFACTOR, start: WITH_REPRESSOR})
    assert kind(text, START) == expected


@pytest.mark.parametrize(
    ("position", "expected"),
    [(160, "near_motif"), (161, "background"), (53, "near_motif"), (52, "background")],
)
def test_the_border_of_near(position: int, expected: str) -> None:
    """The motif is at 100 to 113: wholly within 60 of 160 and 53, in part of 161 and 52."""
    assert kind(text_with({START: MOTIF}), position) == expected


def test_the_repressor_does_not_matter_without_the_cofactor() -> None:
    assert kind(text_with({START: MOTIF, 130: WITH_REPRESSOR}), START) == "no_cofactor"


def test_the_cofactor_alone_makes_nothing() -> None:
    assert kind(text_with({130: WITH_COFACTOR}), 134) == "background"


@pytest.mark.parametrize("base", "ACGT")
def test_free_bases_may_be_any(base: str) -> None:
    text = text_with({START: CAUSAL[0].replace("N", base), 130: COFACTOR.replace("N", base)})
    assert kind(text, START) == "causal"


@pytest.mark.parametrize("offset", INFORMATIVE)
def test_a_motif_with_another_certain_base_is_none(offset: int) -> None:
    broken = MOTIF[:offset] + {"A": "C", "C": "G", "G": "T", "T": "A"}[MOTIF[offset]] + MOTIF[offset + 1 :]
    assert kind(text_with({START: broken, 130: WITH_COFACTOR}), START) == "background"
    assert kind(text_with({START: broken.replace("A", "N"), 130: WITH_COFACTOR}), START) == "background"


def test_a_base_informative_in_one_motif_and_free_in_another_is_informative(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two motifs that share six bases, the first from 100 and the second from 104 on."""
    motifs = rule.Motif("one", "CCATNNTAGG"), rule.Motif("other", "GATANNNGCAA")
    monkeypatch.setattr(rule, "CAUSAL_MOTIFS", motifs)
    text = text_with({START: "CCATGATAGGAGCAA", 130: WITH_COFACTOR})
    kinds = [kind(text, START + offset) for offset in range(15)]
    assert kinds == ["causal"] * 10 + ["uninformative_base"] + ["causal"] * 4


@pytest.mark.parametrize("motif", CAUSAL)
def test_the_other_strand_does_not_count(motif: str) -> None:
    filled = motif.replace("N", "T")
    turned = filled[::-1].translate(str.maketrans("ACGT", "TGCA"))
    assert kind(text_with({START: filled, 130: WITH_COFACTOR}), START) == "causal"
    assert kind(text_with({START: turned, 130: WITH_COFACTOR}), START) == "background"
    assert kind(text_with({START: filled, 130: "ACCGCATTCTGCAA"}), START) == "no_cofactor"


def test_variants_at_the_ends_of_the_sequence() -> None:
    text = MOTIF + WITH_COFACTOR + "A" * 150 + WITH_COFACTOR + MOTIF
    assert kind(text, 0) == kind(text, len(text) - 1) == "causal"
    assert kind(MOTIF + "A" * 30 + WITH_COFACTOR[:-1], 0) == "no_cofactor"
    assert kind(MOTIF[1:] + WITH_COFACTOR, 0) == kind(WITH_COFACTOR + MOTIF[:-1], 26) == "background"


def test_no_variants() -> None:
    assert rule.classify(codes(text_with({START: MOTIF})), np.empty(0, dtype=np.int64)) == []


def drawn_text(seed: int, length: int, pieces: list[tuple[str, int]]) -> str:
    """Random bases with motifs, the later ones over the earlier; each may be cut at the end."""
    generator = random.Random(seed)
    bases = generator.choices("ACGT", k=length)
    for motif, place in pieces:
        for offset, base in enumerate(motif):
            if base != "N" and place + offset < length:
                bases[place + offset] = base
    return "".join(bases)


texts = st.builds(
    drawn_text,
    st.integers(0, 2**32),
    st.integers(60, 260),
    st.lists(
        st.tuples(st.sampled_from((*CAUSAL, COFACTOR, COFACTOR, REPRESSOR)), st.integers(0, 250)),
        max_size=7,
    ),
)


@hypothesis.given(text=texts)
@hypothesis.settings(max_examples=150, deadline=None)
def test_the_rule_is_that_of_plain_python(text: str) -> None:
    positions = range(len(text))
    found = rule.classify(codes(text), np.arange(len(text)))
    assert [one.value for one in found] == slow_kinds(text, positions)


@pytest.mark.parametrize("length", [128, 512])
@hypothesis.given(text=texts)
@hypothesis.settings(max_examples=40, deadline=None)
def test_windows_have_the_kind_of_the_whole_sequence(length: int, text: str) -> None:
    index = length // 2 - 1
    padded = np.pad(codes(text), length, constant_values=NO_BASE)
    windows = np.stack(
        [padded[length + at - index : length + at - index + length] for at in range(len(text))]
    )
    found = rule.classify_windows(windows, index)
    assert [one.value for one in found] == slow_kinds(text, range(len(text)))


def test_windows_do_not_see_each_other() -> None:
    """A motif at the end of one window and its co-factor, or its other half, at the beginning of the next."""
    one, other = codes("A" * 114 + MOTIF), codes(WITH_COFACTOR + "A" * 114)
    found = rule.classify_windows(np.stack([one, other, one]), 127)
    assert found == [Kind.NO_COFACTOR, Kind.BACKGROUND, Kind.NO_COFACTOR]
    split = codes("A" * 123 + MOTIF[:5]), codes(MOTIF[5:] + "A" * 119)
    for index in (0, 127):
        assert rule.classify_windows(np.stack(split), index) == [Kind.BACKGROUND] * 2


def test_behind_a_window_is_no_base() -> None:
    """The motif's last base is A, whose code is 0."""
    cut = codes("A" * 60 + MOTIF[:-1])
    assert rule.classify_windows(np.stack([cut, cut]), 60) == [Kind.BACKGROUND] * 2
