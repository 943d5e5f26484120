"""Effects by place in the motif, of exchanges whose effects are known by their position."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.known_truth import rule
from benchmarks.known_truth.attribution import FAR, effects_by_motif
from mifm_kipoi import Genome, Variant
from mifm_kipoi.conventions import Status
from mifm_kipoi.mutagenesis.files import written
from mifm_kipoi.mutagenesis.mutate import Effects
from mifm_kipoi.mutagenesis.targets import Centre, variant_targets
from mifm_kipoi.sequence.encoding import BASES, codes
from tests.benchmarks.known_truth.conftest import CAUSAL, COFACTOR
from tests.builders import write_fasta

MOTIF, OTHER, WITH_COFACTOR = "TGACGGTCAGCTGA", "CCATTGGGAGATGC", "TTGCAGAATGCGGT"
"""The first two causal motifs and the co-factor, with G at their free bases; each has 14."""

PLACE, COFACTOR_PLACE = 401, 431
"""Where they begin, 1-based."""

LENGTH = 800

FREE = (5, 9)

Effect = Callable[[int], float]


def sequence(pieces: Mapping[int, str], length: int = LENGTH) -> str:
    """Pieces at their 1-based places in a run of A, in which there is no motif."""
    text = ["A"] * length
    for start, piece in pieces.items():
        text[start - 1 : start - 1 + len(piece)] = piece
    assert len(text) == length
    return "".join(text)


def by_place(position: int) -> float:
    """Another effect at each position, exact as float32."""
    return position / 8


def exchanges(
    path: Path, bases: str, centres: Sequence[int], effect: Effect = by_place, chrom: str = "1"
) -> Path:
    """The table that ``mifm mutagenesis --centre variant`` writes, of windows cut to their contig.

    The three exchanges of a position have half, once and one and a half times its effect, not all of
    one sign.
    """
    rows = [
        (
            number, f"v{centre}", chrom, max(centre - 256, 0), min(centre + 256, len(bases)), centre, pos,
            bases[pos - 1], alt, "ok", effect(pos) * factor,
        )
        for number, centre in enumerate(centres, start=1)
        for pos in range(max(centre - 255, 1), min(centre + 256, len(bases)) + 1)
        for alt, factor in zip(BASES.replace(bases[pos - 1], ""), (0.5, -1, -1.5), strict=True)
    ]  # fmt: skip
    columns = ["region", "id", "chrom", "start", "end", "centre", "pos", "ref", "alt", "status"]
    table = pd.DataFrame(rows, columns=[*columns, "mifm_logit_delta"])
    table.astype({"mifm_logit_delta": "float32"}).to_parquet(path, index=False)
    return path


def found_in(
    folder: Path, pieces: Mapping[int, str], centres: Sequence[int], effect: Effect = by_place
) -> pd.DataFrame:
    bases = sequence(pieces)
    fasta = write_fasta(folder / "genome.fa", {"1": bases})
    return effects_by_motif(exchanges(folder / "exchanges.parquet", bases, centres, effect), fasta)


BOTH = {PLACE: MOTIF, COFACTOR_PLACE: WITH_COFACTOR}


@pytest.mark.parametrize("offset", [0, 7, 13])
def test_each_offset_has_the_effect_of_its_position(tmp_path: Path, offset: int) -> None:
    """Of a variant anywhere in the motif, and another in it."""
    found = found_in(tmp_path, BOTH, [PLACE + offset, PLACE + 3])
    assert found["motif"].tolist() == ["causal_1"] * 14 + ["cofactor"] * 14
    for motif, start, bases in (("causal_1", PLACE, CAUSAL[0]), ("cofactor", COFACTOR_PLACE, COFACTOR)):
        rows = found[found["motif"] == motif]
        assert rows["offset"].tolist() == list(range(14))
        assert rows["effect"].tolist() == [by_place(start + place) for place in range(14)]
        assert "".join(rows["base"]) == bases
        assert tuple(np.flatnonzero(rows["informative"] == 0)) == FREE
        assert {*rows["informative"]} == {0, 1}
    columns = ["motif", "offset", "base", "informative", "effect", "background"]
    assert found.columns.tolist() == columns


def test_one_base_stands_out(tmp_path: Path) -> None:
    """The effect of one position is at one offset, of the motif or of the co-factor."""
    for place, motif, offset in ((PLACE + 4, "causal_1", 4), (COFACTOR_PLACE + 13, "cofactor", 13)):
        found = found_in(
            tmp_path, BOTH, [PLACE, PLACE + 3], lambda position, place=place: 1.0 * (position == place)
        )
        (row,) = found[found["effect"] > 0].itertuples()
        assert (row.motif, row.offset, row.effect) == (motif, offset, 1)
        assert found["background"].tolist() == [0] * 28


def test_effects_have_no_sign(tmp_path: Path) -> None:
    up = found_in(tmp_path, BOTH, [PLACE])
    pd.testing.assert_frame_equal(up, found_in(tmp_path, BOTH, [PLACE], lambda position: -by_place(position)))


def test_the_background_is_far_from_both_motifs(tmp_path: Path) -> None:
    """Motif and co-factor are at 401 to 444; the first base that counts has twenty others between."""
    assert FAR == 20
    near, window = range(PLACE - 20, 445 + 20), range(PLACE + 1 - 255, PLACE + 1 + 257)
    far = [position for position in window if position not in near]
    found = found_in(tmp_path, BOTH, [PLACE + 1])
    assert found["background"].tolist() == pytest.approx([np.mean([by_place(one) for one in far])] * 28)
    inside = found_in(tmp_path, BOTH, [PLACE + 1], lambda position: 1.0 * (position in near))
    assert inside["background"].tolist() == [0] * 28
    for border in (near[0] - 1, near[-1] + 1):
        outside = found_in(tmp_path, BOTH, [PLACE + 1], lambda position, one=border: 1.0 * (position == one))
        assert outside["background"].tolist() == pytest.approx([1 / len(far)] * 28)


def test_between_motifs_far_apart_is_background(tmp_path: Path) -> None:
    """The co-factor ends at 461, 60 from the variant; from 435 to 427 it is twenty from either."""
    found = found_in(
        tmp_path, {PLACE: MOTIF, 448: WITH_COFACTOR}, [PLACE], lambda position: 1.0 * (415 <= position <= 447)
    )
    assert found["background"].tolist() == [0] * 28
    apart = {PLACE - 59: WITH_COFACTOR, PLACE: MOTIF}
    found = found_in(tmp_path, apart, [PLACE], lambda position: 1.0 * (355 < position < 401))
    # From 376 to 380 there are twenty bases or more to the co-factor's end and to the motif.
    assert found["background"].tolist() == pytest.approx([5 / (512 - (59 + 14 + 40 - 5))] * 28)


@pytest.mark.parametrize(("start", "there"), [(448, True), (449, False), (341, True), (340, False)])
def test_the_cofactor_is_that_within_reach(tmp_path: Path, start: int, there: bool) -> None:
    """From 448 on it ends at 461, which is 60 from the variant at 401."""
    bases = sequence({PLACE: MOTIF, start: WITH_COFACTOR})
    (kind,) = rule.classify(codes(np.frombuffer(bases.encode(), np.uint8)), np.array([PLACE - 1]))
    assert (kind is rule.Kind.CAUSAL) is there
    found = found_in(tmp_path, {PLACE: MOTIF, start: WITH_COFACTOR}, [PLACE])
    assert {*found["motif"]} == ({"causal_1", "cofactor"} if there else {"causal_1"})


@pytest.mark.parametrize("offset", [-1, *FREE, 14])
def test_the_motif_counts_that_the_variant_is_over(tmp_path: Path, offset: int) -> None:
    """A motif beside the variant, or with a free base at it, is not what makes it causal."""
    found = found_in(tmp_path, BOTH, [PLACE + offset])
    assert {*found["motif"]} == {"cofactor"}


def test_another_motif_nearby_does_not_count(tmp_path: Path) -> None:
    found = found_in(tmp_path, {**BOTH, PLACE + 14: OTHER}, [PLACE + 2, PLACE + 6])
    assert {*found["motif"]} == {"causal_1", "cofactor"}


def test_the_mean_is_over_variants(tmp_path: Path) -> None:
    """Two places of one motif, and one of another: each variant has the effects of its own place."""
    pieces = {201: MOTIF, 231: WITH_COFACTOR, 601: MOTIF, 631: WITH_COFACTOR, 415: OTHER}
    table = found_in(tmp_path, pieces, [203, 204, 603, 604, 418, 419])
    found = table.set_index(["motif", "offset"])["effect"]
    for offset in range(14):
        assert found["causal_1", offset] == by_place(401 + offset)
        assert found["cofactor", offset] == by_place(431 + offset)
        assert found["causal_2", offset] == by_place(415 + offset)


def test_positions_outside_of_the_contig_are_left_out(tmp_path: Path) -> None:
    """A motif at the very beginning; there is no window to its left, and the co-factor follows it."""
    found = found_in(tmp_path, {1: MOTIF, 15: WITH_COFACTOR}, [1, 2])
    assert found["effect"].tolist() == [by_place(1 + place) for place in range(28)]
    far = [
        *(by_place(position) for position in range(49, 1 + 257)),
        *(by_place(position) for position in range(49, 2 + 257)),
    ]
    assert found["background"].tolist() == pytest.approx([np.mean(far)] * 28)


def test_offsets_without_exchanges_are_left_out_of_the_mean(tmp_path: Path) -> None:
    """Few bases on either side of the variants were exchanged: none has the whole motif."""
    bases = sequence(BOTH)
    fasta = write_fasta(tmp_path / "genome.fa", {"1": bases})
    path = exchanges(tmp_path / "a.parquet", bases, [PLACE + offset for offset in (2, 4, 8, 10)])
    table = pd.read_parquet(path)
    table[(table["pos"] - table["centre"]).abs() <= 4].to_parquet(path)
    found = effects_by_motif(path, fasta)
    rows = found[found["motif"] == "causal_1"]
    assert rows["effect"].tolist() == [by_place(PLACE + place) for place in range(14)]
    assert found[found["motif"] == "cofactor"]["effect"].isna().all()
    assert found["background"].isna().all()


def test_rows_without_a_score_do_not_count(tmp_path: Path) -> None:
    """A region without a score, and a position without a base, have one row each and no alternative."""
    bases = sequence(BOTH)
    fasta = write_fasta(tmp_path / "genome.fa", {"1": bases})
    path = exchanges(tmp_path / "a.parquet", bases, [PLACE, PLACE + 1])
    usual = effects_by_motif(path, fasta)
    table = pd.read_parquet(path)
    nothing = table.iloc[:1].assign(alt=None, mifm_logit_delta=np.float32("nan"))
    more = [
        nothing.assign(chrom="no such", centre=7, pos=None, status="contig_not_found"),
        nothing.assign(centre=PLACE, pos=700, status="non_acgt_allele"),
    ]
    columns = {"pos": "Int64", "alt": "str"}
    pd.concat([one.astype(columns) for one in (table, *more)]).to_parquet(path, index=False)
    pd.testing.assert_frame_equal(effects_by_motif(path, fasta), usual)


def test_contigs_are_kept_apart(tmp_path: Path) -> None:
    """The same centre on two contigs, with other motifs there."""
    texts = {"1": sequence(BOTH), "2": sequence({PLACE - 2: OTHER, COFACTOR_PLACE: WITH_COFACTOR})}
    fasta = write_fasta(tmp_path / "genome.fa", texts)
    tables = [
        pd.read_parquet(
            exchanges(
                tmp_path / "a.parquet", bases, [PLACE, PLACE + 1],
                lambda position, chrom=chrom: by_place(position) * int(chrom), chrom,
            )
        )
        for chrom, bases in texts.items()
    ]  # fmt: skip
    pd.concat(tables).to_parquet(tmp_path / "a.parquet")
    found = effects_by_motif(tmp_path / "a.parquet", fasta).set_index(["motif", "offset"])["effect"]
    for offset in range(14):
        assert found["causal_1", offset] == by_place(PLACE + offset)
        assert found["causal_2", offset] == 2 * by_place(PLACE - 2 + offset)
        assert found["cofactor", offset] == 1.5 * by_place(COFACTOR_PLACE + offset)


def test_files_of_the_command(tmp_path: Path) -> None:
    """Positions are those of the command: effects that it writes are at the offsets of the same bases."""
    bases = sequence(BOTH)
    genome = Genome(write_fasta(tmp_path / "genome.fa", {"1": bases}))
    variants = [Variant("1", PLACE + offset, "v", bases[PLACE + offset - 1], "A") for offset in (0, 3)]
    with written(tmp_path / "a.parquet", {"made by": "a test"}) as sink:
        for target in variant_targets(variants, genome, Centre.VARIANT):
            ref = genome.fetch("1", target.start, target.end)
            places = np.arange(target.start, target.end, dtype=np.float32)
            logits = np.repeat(by_place(places + 1)[:, None], 4, axis=1)
            logits[np.arange(len(ref)), codes(ref)] = np.nan
            same = np.zeros(len(ref), dtype=np.float32)
            sink.add(Effects(target, target.start, ref, [Status.OK] * len(ref), same, logits))
    found = effects_by_motif(tmp_path / "a.parquet", genome.path)
    expected = [by_place(start + offset) for start in (PLACE, COFACTOR_PLACE) for offset in range(14)]
    assert found["effect"].tolist() == expected
    assert found["motif"].tolist() == ["causal_1"] * 14 + ["cofactor"] * 14
