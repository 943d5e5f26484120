"""The rule of the design ``real``, against literals and against plain Python."""

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.known_truth.affinity import PLACES, Judged, Rule, windows_at
from benchmarks.known_truth.factorial import make_locus
from benchmarks.known_truth.motifs import BACKGROUND, Motif
from benchmarks.known_truth.sizes import SIMULATIONS
from mifm_kipoi.sequence.encoding import reverse_complement

SIMULATION = SIMULATIONS["real"]["small"]

HIGH, LOW = 0.97, 0.01


def certain(name: str, bases: str, threshold_fraction: float) -> Motif:
    """A motif of nearly certain bases, N for free ones; its threshold as fraction of the best score."""
    columns = tuple(
        tuple(0.25 if base == "N" else HIGH if base == each else LOW for each in "ACGT") for base in bases
    )
    motif = Motif(name, columns, 0.0)
    return Motif(name, columns, threshold_fraction * motif.highest)


MOTIF, COFACTOR, REPRESSOR = "TGACNCGA", "GGGCGGAA", "CATATGCC"
RULE = Rule(
    (certain("causal_1", MOTIF, 0.6),), certain("cofactor", COFACTOR, 0.9),
    certain("repressor", REPRESSOR, 0.9), 0.2,
)  # fmt: skip
CENTRE = 63


def turned(text: str) -> str:
    return text[::-1].translate(str.maketrans("ACGT", "TGCA"))


def window(parts: dict[int, str]) -> npt.NDArray[np.uint8]:
    """128 bp of A and of texts that begin at places given relative to the variant."""
    letters = ["A"] * 128
    for start, text in parts.items():
        letters[CENTRE + start : CENTRE + start + len(text)] = text
    return np.array(["ACGTN".index(base) for base in letters], dtype=np.uint8)


def judge(parts: dict[int, str]) -> Judged:
    return RULE.judge(window(parts)[None], CENTRE)


def allele(base: str) -> npt.NDArray[np.uint8]:
    return np.array(["ACGT".index(base)], dtype=np.uint8)


def kind(parts: dict[int, str], alternative: str) -> str:
    reference = window(parts)[CENTRE : CENTRE + 1]
    return judge(parts).kinds(reference, allele(alternative))[0]


OVER = {-2: MOTIF.replace("N", "G"), 20: COFACTOR}


def test_a_loss_with_the_cofactor_is_causal() -> None:
    """The variant is the third base of the motif, A: any other loses log2(0.97 / 0.01) bits, but for GC."""
    judged = judge(OVER)
    assert judged.causal.tolist() == [[False, True, True, True]]
    motif = RULE.causal[0]
    scale = motif.highest - motif.threshold
    lost = {
        base: np.log2(HIGH / BACKGROUND[0]) - np.log2(LOW / BACKGROUND["ACGT".index(base)]) for base in "CGT"
    }
    full = sum(max(np.log2(HIGH / BACKGROUND["ACGT".index(base)]), 0) for base in MOTIF if base != "N")
    # The free base is drawn as G, whose 0.25 is more than the background's.
    at_reference = (full + np.log2(0.25 / BACKGROUND[2]) - motif.threshold) / scale
    for base, bits in lost.items():
        expected = -min(at_reference, bits / scale)
        assert judged.change_to(allele(base))[0] == pytest.approx(expected, abs=1e-4)
        assert judged.score_optimal(allele(base))[0] == pytest.approx(-expected, abs=1e-4)
    assert judged.score_reference()[0] == 1.0
    assert kind(OVER, "C") == "causal"


def test_a_gain_is_as_large_as_the_loss_the_other_way() -> None:
    broken = {**OVER, 0: "C"}
    there, back = judge(OVER).change_to(allele("C"))[0], judge(broken).change_to(allele("A"))[0]
    assert back == pytest.approx(-there, abs=1e-6)
    assert back > 0
    assert kind(broken, "A") == "causal"
    assert judge(broken).score_reference()[0] == pytest.approx(1 / 3)
    assert judge(broken).score_optimal(allele("G"))[0] == 0
    assert kind(broken, "G") == "other_allele+cofactor"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({-2: "TGACGCGA"}, "informative"),
        ({**OVER, -30: REPRESSOR}, "informative+cofactor+repressor"),
        ({**OVER, -30: turned(REPRESSOR)}, "informative+cofactor+repressor"),
        ({-2: "TGACGCGA", -30: REPRESSOR}, "informative+repressor"),
        ({-2: "TGACGCGA", 20: turned(COFACTOR)}, "causal"),
        ({-5: turned("TGACGCGA"), 20: COFACTOR}, "causal"),
        ({-4: "TGACGCGA", 20: COFACTOR}, "free+cofactor"),
        ({1: "TGACGCGA", 20: COFACTOR}, "beside+cofactor"),
        ({53: "TGACGCGA", 20: COFACTOR}, "beside+cofactor"),
        ({54: "TGACGCGA", 20: COFACTOR}, "absent+cofactor"),
        ({-60: "TGACGCGA"}, "beside"),
        ({-61: "TGACGCGA"}, "absent"),
        ({-2: "TGACGCGA", 53: COFACTOR}, "causal"),
        ({-2: "TGACGCGA", 54: COFACTOR}, "informative"),
        ({-2: "TGACGCGA", -60: COFACTOR}, "causal"),
        ({-2: "TGACGCGA", -61: COFACTOR}, "informative"),
        ({**OVER, -61: REPRESSOR}, "causal"),
        ({}, "absent"),
    ],
)  # fmt: skip
def test_kinds(parts: dict[int, str], expected: str) -> None:
    """By the allele C (over a free base, T); the borders are those of 60 bp on either side."""
    assert kind(parts, "T" if expected.startswith("free") else "C") == expected


def test_a_cofactor_that_covers_the_variant_does_not_count() -> None:
    """Both alleles have the sites that do."""
    rule = Rule((certain("causal_1", "AAAA", 0.5),), RULE.cofactor, RULE.repressor, 0.2)
    covering = window({-3: COFACTOR})
    beside = window({1: COFACTOR})
    assert rule.judge(np.stack([covering, beside]), CENTRE).cofactor.tolist() == [False, True]


def test_no_base_is_no_site() -> None:
    parts = {**OVER, 24: "N"}
    assert kind(parts, "C") == "informative"


def test_windows_that_end_within_reach() -> None:
    whole = window(OVER)
    cut = whole[CENTRE - 10 : CENTRE + 40]
    assert RULE.judge(cut[None], 10).causal.tolist() == [[False, True, True, True]]
    assert RULE.judge(whole[None, : CENTRE + 26], CENTRE).cofactor.tolist() == [False]


def test_what_stays_visible_when_the_centre_says_nothing() -> None:
    parts = [
        {}, {20: COFACTOR}, {20: COFACTOR, -30: REPRESSOR}, {20: COFACTOR, 40: "TGACGCGA"},
        {20: COFACTOR, -2: "TGACGCGA"},
    ]  # fmt: skip
    seen = RULE.visible(np.stack([window(each) for each in parts]), CENTRE)
    # The best sequence of the co-factor is a tenth of its score above the threshold.
    steps = 1 + int(0.1 * RULE.cofactor.highest)
    assert seen.tolist() == [0, 4 * steps, 4 * steps + 2, 4 * steps + 1, 4 * steps]


def slow(rule: Rule, text: str, position: int, alternative: str) -> tuple[float, bool]:
    """Change of affinity and whether causal, from the description, one placement after the other."""

    def score(motif: Motif, word: str) -> float:
        return sum(
            float(np.log2(column["ACGT".index(base)] / BACKGROUND["ACGT".index(base)]))
            for column, base in zip(motif.probabilities, word, strict=True)
        )

    def affinity(motif: Motif, word: str) -> float:
        best = sum(
            max(float(np.log2(chance / BACKGROUND[base])) for base, chance in enumerate(column))
            for column in motif.probabilities
        )
        return min(1.0, max(0.0, (score(motif, word) - motif.threshold) / (best - motif.threshold)))

    def beside(motif: Motif) -> bool:
        starts = range(position - 60, position + 61 - motif.width + 1)
        words = [text[at : at + motif.width] for at in starts if not at <= position < at + motif.width]
        return any(score(motif, each) >= motif.threshold for word in words for each in (word, turned(word)))

    other = text[:position] + alternative + text[position + 1 :]
    largest = 0.0
    for motif in rule.causal:
        for at in range(position - motif.width + 1, position + 1):
            before, after = text[at : at + motif.width], other[at : at + motif.width]
            for one, two in ((before, after), (turned(before), turned(after))):
                change = affinity(motif, two) - affinity(motif, one)
                largest = change if abs(change) > abs(largest) else largest
    causal = abs(largest) >= rule.min_change and beside(rule.cofactor) and not beside(rule.repressor)
    return largest, causal


def test_the_rule_against_plain_python() -> None:
    rule = Rule.of(SIMULATION)
    positions = np.arange(300, 49_700, 350)
    locus = make_locus(SIMULATION, positions, 2, np.random.default_rng(4))
    text = "".join("ACGT"[code] for code in locus.sequence)
    causal = locus.judged.causal
    chosen = np.flatnonzero(causal.any(axis=1) | (locus.judged.change != 0).any(axis=1))[:30]
    assert causal[chosen].any()
    for row in chosen.tolist():
        expected = [slow(rule, text, int(positions[row]), base) for base in "ACGT"]
        np.testing.assert_allclose(locus.judged.change[row], [each[0] for each in expected], atol=1e-4)
        assert causal[row].tolist() == [each[1] for each in expected]
        # The optimal scorers, by what they stand for.
        reference = locus.sequence[positions[row]]
        others = [each for base, each in enumerate(expected) if base != reference]
        assert locus.score_reference[row] == pytest.approx(np.mean([each[1] for each in others]))
        change, is_causal = expected[locus.alternative[row]]
        assert locus.score_optimal[row] == pytest.approx(abs(change) if is_causal else 0, abs=1e-4)


def test_the_other_strand_has_the_same_rule() -> None:
    rule = Rule.of(SIMULATION)
    positions = np.arange(300, 49_700, 350)
    locus = make_locus(SIMULATION, positions, 2, np.random.default_rng(5))
    windows = windows_at(locus.sequence, positions)
    here, there = rule.judge(windows, 60), rule.judge(reverse_complement(windows), 60)
    np.testing.assert_allclose(here.change, there.change[:, ::-1], atol=1e-5)
    for name in ("cofactor", "repressor", "beside"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    np.testing.assert_array_equal(here.causal, there.causal[:, ::-1])


def test_kinds_are_of_the_places() -> None:
    locus = make_locus(SIMULATION, np.arange(300, 49_700, 200), 1, np.random.default_rng(6))
    assert {each.split("+")[0] for each in locus.kinds} <= {*PLACES, "causal"}
    assert [each == "causal" for each in locus.kinds] == locus.causal.tolist()
