"""Figures of a variant: what they draw, in numbers."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from mifm_kipoi.evaluation.motifs.known import Motif
from mifm_kipoi.explanation.variants.alignment import Alignment
from mifm_kipoi.explanation.variants.figures import MOST_LANES, sequence_figure, small_figure
from mifm_kipoi.explanation.variants.motif_hits import NAN, Hit
from mifm_kipoi.explanation.variants.readings import Allele, Reading
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.reports.drawing import svg
from tests.reports.letters import heights_of

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

SPAN = 40


@pytest.fixture
def reading() -> Reading:
    random = np.random.default_rng(1)
    ref = "".join(random.choice(list("ACGT"), SPAN))
    ref = f"{ref[:19]}A{ref[20:]}"
    alt = f"{ref[:19]}G{ref[20:]}"
    effects = random.normal(size=(SPAN, 4)).astype(np.float32)
    alleles = [
        Allele(
            np.zeros(512, np.uint8), 0.1, random.normal(size=SPAN).astype(np.float32), bases, "deeplift", 0.0
        )
        for bases in (ref, alt)
    ]
    variant = Variant("20", 1000, "rs1", "A", "G")
    return Reading(variant, Alignment.of(variant, SPAN), *alleles, effects)


def hit(name: str, columns: tuple[int, int], ref_p: float = 1e-5, alt_p: float = 1e-5) -> Hit:
    motif = Motif(name, np.full((columns[1] - columns[0], 4), 0.25))
    over = columns[0] <= 19 < columns[1]
    return Hit(motif, "+", columns, over, 5.0, 4.0, ref_p, alt_p, 0.1, 0.2)


def test_letters_are_as_high_as_contributions(reading: Reading) -> None:
    ref, alt, difference, cells, _ = sequence_figure(reading).axes
    for axes, allele in ((ref, reading.ref), (alt, reading.alt)):
        heights = heights_of(axes)
        assert "".join(base for _, base, _ in heights) == allele.bases
        np.testing.assert_allclose([height for _, _, height in heights], allele.contributions, atol=1e-6)
    assert ref.get_ylim() == alt.get_ylim()
    bars = [patch.get_height() for patch in difference.patches if patch.get_width() == pytest.approx(0.9)]
    np.testing.assert_allclose(bars, reading.alt.contributions - reading.ref.contributions, atol=1e-6)
    (image,) = cells.images
    np.testing.assert_allclose(image.get_array(), reading.effects.T, atol=1e-6)
    frame = [patch for patch in cells.patches if not patch.get_fill()]
    assert [patch.get_xy() for patch in frame] == [(18.5, 1.5)]


def test_ticks_are_positions_of_the_reference(reading: Reading) -> None:
    cells = sequence_figure(reading).axes[3]
    places = zip(cells.get_xticklabels(), cells.get_xticks(), strict=True)
    ticks = {label.get_text(): place for label, place in places}
    assert ticks["1,000"] == 19
    assert ticks["1,010"] == 29


def test_gaps_have_a_line_and_no_letter(reading: Reading) -> None:
    bases = f"{reading.ref.bases[:20]}--{reading.ref.bases[22:]}"
    contributions = reading.ref.contributions.copy()
    contributions[20:22] = np.nan
    gapped = dataclasses.replace(reading.ref, bases=bases, contributions=contributions)
    variant = Variant("20", 1000, "rs1", "A", "AGT")
    own = dataclasses.replace(reading, variant=variant, alignment=Alignment.of(variant, SPAN), ref=gapped)
    axes = sequence_figure(own).axes[0]
    assert [place for place, _, _ in heights_of(axes)] == [n for n in range(SPAN) if n not in (20, 21)]
    (lines,) = axes.collections
    assert len(lines.get_segments()) == 2


def test_hits_lie_in_lanes_those_over_the_variant_on_top(reading: Reading) -> None:
    lost = hit("LOST", (15, 25), alt_p=NAN)
    beside = hit("BESIDE", (26, 34))
    crowd = [hit(f"M{number}", (16, 24)) for number in range(6)]
    figure = sequence_figure(reading, [lost, *crowd, beside])
    names = {text.get_text().split()[0]: text.get_position()[1] for text in figure.axes[0].texts}
    assert {"LOST", "M0", "M1", "M2", "BESIDE"} <= set(names)
    assert "M3" not in names
    assert names["LOST"] == names["BESIDE"] < names["M0"] < names["M1"] < MOST_LANES
    assert len(figure.axes) == 6


def test_the_same_factor_at_the_same_place_is_drawn_once(reading: Reading) -> None:
    figure = sequence_figure(reading, [hit("ONE", (10, 22)), hit("ONE", (12, 24)), hit("ONE", (30, 38))])
    names = [text.get_text().split()[0] for text in figure.axes[0].texts]
    assert names.count("ONE") == 2
    texts = [text.get_text() for text in sequence_figure(reading, []).axes[0].texts]
    assert "no motif fits" in texts


def test_the_small_figure_shows_the_bases_around(reading: Reading) -> None:
    figure = small_figure(reading)
    heights = heights_of(figure.axes[0])
    assert [place for place, _, _ in heights] == list(range(4, 35))
    assert figure.axes[0].get_xlim() == (3.5, 34.5)


def test_svg_is_the_same_every_time_and_well_formed(reading: Reading) -> None:
    content = svg(sequence_figure(reading, [hit("<&>", (10, 22))]))
    assert content == svg(sequence_figure(reading, [hit("<&>", (10, 22))]))
    assert ET.fromstring(content).tag.endswith("svg")
