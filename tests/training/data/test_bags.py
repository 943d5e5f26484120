"""Bags, against contents worked out by hand and a union in plain Python."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, ReferenceMismatchError
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS
from mifm_kipoi.genomics.genome import Genome
from tests.builders import write_fasta
from training.data.bags import Bags, make_bags

START = 300
"""1-based position of the bases below on contig 1, where windows are whole."""


@pytest.fixture
def genome(tmp_path):
    bases = "ACGT" * 200
    around = bases[: START - 1] + "CAACGT" + bases[START + 5 :]
    return Genome(write_fasta(tmp_path / "genome.fa", {"1": around, "2": "N" * 400 + "ACGT" * 100}))


def associations(*rows: dict[str, object]) -> pd.DataFrame:
    low = {
        "chrom": "1", "pos": START, "effect_allele": "G", "other_allele": "C", "id": ".", "p_value": 0.5,
        "z": 1.0, "pip": np.nan, "log_bf": np.nan, "block": "b", "signal": "all", "study": "s",
    }  # fmt: skip
    table = pd.DataFrame([{**low, **row} for row in rows])
    with np.errstate(divide="ignore"):
        of_p_value = np.log(table["p_value"])
    table["log_p"] = table["log_p"].fillna(of_p_value) if "log_p" in table else of_p_value
    return table.astype(ASSOCIATION_COLUMNS)


def members(made, *columns):
    names = made.bags.set_index("bag")
    return [
        (names["block"][row.bag], names["signal"][row.bag], *(getattr(row, name) for name in columns))
        for row in made.instances.itertuples()
    ]


def test_a_variant_of_several_studies_is_one_instance(genome):
    table = associations(
        {"study": "one", "p_value": 0.01, "z": 2.5, "log_bf": 1.0, "pip": 0.1, "id": "rs1"},
        # The same variant with the other effect allele: its z counts for C.
        {
            "study": "two",
            "p_value": 0.001,
            "z": -3.0,
            "log_bf": 3.0,
            "effect_allele": "C",
            "other_allele": "G",
        },
        {"study": "two", "p_value": 0.2, "z": 1.0, "log_bf": 9.0, "pip": 0.7},
        {"study": "one", "pos": START + 1, "effect_allele": "A", "other_allele": "T", "p_value": 0.0001},
        {"study": "one", "signal": "secondary"},
    )
    made = make_bags([table], genome)
    assert members(made, "pos", "ref", "alt", "p_value", "z", "id") == [
        ("b", "secondary", START, "C", "G", 0.5, 1.0, "."),
        ("b", "all", START + 1, "A", "T", 0.0001, -1.0, "."),
        ("b", "all", START, "C", "G", 0.001, 3.0, "."),
    ]
    united = made.instances.iloc[-1]
    assert (united["log_bf"], united["pip"]) == (3.0, np.float32(0.7))
    assert made.bags.set_index("signal")["studies"].to_dict() == {"all": 2, "secondary": 1}
    # Five rows, three instances: one repeats study two, one unites study one and two.
    assert {name: made.counts[name] for name in made.counts if name.startswith("rows")} == {
        "rows": 5, "rows_repeated_within_study": 1, "rows_united_over_studies": 1,
    }  # fmt: skip
    assert (made.counts["studies"], made.counts["blocks"], made.counts["variants"]) == (2, 1, 2)


@pytest.mark.parametrize(
    ("pos", "effect", "other", "ref", "alt"),
    [
        # The FASTA has CAACGT from START on.
        (START, "G", "C", "C", "G"),
        (START, "C", "G", "C", "G"),
        (START, "C", "CAA", "CAA", "C"),  # both are there: the other allele is REF
        (START, "CAA", "C", "C", "CAA"),
        (START, "CT", "C", "C", "CT"),
        (START + 1, "AAC", "TTTT", "AAC", "TTTT"),
    ],
)
def test_ref_is_the_allele_of_the_fasta(genome, pos, effect, other, ref, alt):
    row = {"pos": pos, "effect_allele": effect, "other_allele": other, "z": 2.0}
    made = make_bags([associations(row)], genome)
    assert members(made, "ref", "alt", "z") == [("b", "all", ref, alt, 2.0 if alt == effect else -2.0)]
    assert made.counts["orientation"] == {"ok": 1}
    assert made.counts["variants_with_both_alleles_in_fasta"] == (other + effect in ("CAAC", "CCAA"))
    pd.testing.assert_frame_equal(
        made.variants, pd.DataFrame({"chrom": ["1"], "pos": [pos], "ref": [ref], "alt": [alt]})
    )


def test_what_the_fasta_lacks_is_left_out_and_counted(genome):
    made = make_bags(
        [
            associations(
                {},
                {"pos": START + 1, "effect_allele": "G", "other_allele": "T"},  # the FASTA has A
                {"pos": 801},
                # 250 bases before it are past the contig's start, more than a tenth of the window.
                {"pos": 6, "effect_allele": "C", "other_allele": "A"},
                {"chrom": "2", "pos": 401, "effect_allele": "C", "other_allele": "A", "block": "c"},
                {"chrom": "17", "block": "d"},
                {"chrom": "chr1", "block": "e"},
            )
        ],
        genome,
    )
    assert made.counts["orientation"] == {
        "ok": 1, "ref_mismatch": 1, "position_outside_contig": 1, "too_many_n": 2, "contig_not_in_fasta": 1,
    }  # fmt: skip
    assert made.counts["contigs_not_in_fasta"] == ["17"]
    assert members(made, "chrom", "pos") == [("b", "all", "1", START), ("e", "all", "1", START)]
    assert made.bags["block"].tolist() == ["b", "c", "d", "e"]


def test_without_a_fasta_alt_is_the_effect_allele():
    made = make_bags([associations({"effect_allele": "C", "other_allele": "G", "z": 2.0})], None)
    assert members(made, "ref", "alt", "z") == [("b", "all", "G", "C", 2.0)]
    assert "orientation" not in made.counts


def test_instances_are_sorted_by_p_value_then_z_then_place():
    made = make_bags(
        [
            associations(
                {"pos": 1, "p_value": np.nan, "z": 9.0},
                {"pos": 2, "p_value": 0.0, "z": -40.0},
                {"pos": 3, "p_value": 0.0, "z": 50.0},
                {"pos": 5, "p_value": 0.3, "z": np.nan},
                {"pos": 4, "p_value": 0.3, "z": np.nan},
                {"pos": 6, "p_value": 0.3, "z": 1.0},
                {"pos": 7, "p_value": np.nan, "z": -10.0},
                {"pos": 8, "p_value": 0.0, "log_p": -800.0, "z": 60.0},
                {"pos": 9, "p_value": 0.0, "log_p": -900.0, "z": 45.0},
            )
        ],
        None,
    )
    assert made.instances["pos"].tolist() == [3, 2, 9, 8, 6, 4, 5, 7, 1]


def test_neither_chunks_nor_the_buffer_matter():
    generator = np.random.default_rng(0)
    number = 3000
    table = associations(*({} for _ in range(number)))
    pairs = np.array([("A", "C"), ("C", "A"), ("A", "CT"), ("G", "T")])[generator.integers(0, 4, number)]
    table = table.assign(
        pos=generator.integers(1, 60, number),
        effect_allele=pairs[:, 0],
        other_allele=pairs[:, 1],
        id=generator.choice(["rs1", "rs2", "."], number),
        log_p=generator.choice([-2.0, -1.0, -np.inf, np.nan], number),
        z=generator.choice([1.0, -1.0, 2.0, np.nan], number),
        pip=generator.choice([0.1, 0.2, np.nan], number),
        block=generator.choice(["x", "y"], number),
        signal=generator.choice(["primary", "secondary"], number),
        study=generator.choice(["s", "t", "u"], number),
    ).astype(ASSOCIATION_COLUMNS)
    whole = make_bags([table], None)
    for size, buffer in ((1000, 1), (30, 300), (250, 1 << 20)):
        parts = [table.iloc[start : start + size] for start in range(0, number, size)]
        made = make_bags(parts, None, buffer=buffer)
        assert made.counts == whole.counts
        pd.testing.assert_frame_equal(made.bags, whole.bags)
        pd.testing.assert_frame_equal(made.instances, whole.instances)
    # A table that pandas has put together from two holds its text in two arrays.
    halves = pd.concat([table.iloc[: number // 2], table.iloc[number // 2 :]])
    pd.testing.assert_frame_equal(make_bags([halves], None).instances, whole.instances)
    # In plain Python, the row that counts of each variant in each bag, and the repeated rows.
    best: dict[tuple[object, ...], tuple[object, ...]] = {}
    of_study: dict[tuple[object, ...], dict[tuple[object, ...], Any]] = {}
    for row in table.itertuples():
        key = (row.block, row.signal, row.pos, frozenset((row.effect_allele, row.other_allele)))
        log_p = 1.0 if np.isnan(row.log_p) else row.log_p
        rank = (log_p, 1.0 if np.isnan(row.z) else -abs(row.z))
        if key not in best or rank < best[key][0]:
            best[key] = (rank, row.effect_allele, row.id)
        own = of_study.setdefault((row.block, row.signal, row.study), {})
        sign = 1 if row.effect_allele < row.other_allele else -1
        pips = [row.pip] if key not in own else [row.pip, own[key][2]]
        pip = np.fmax.reduce(pips)
        if key not in own or rank < own[key][0]:
            own[key] = (rank, sign * row.z, pip)
        own[key] = (*own[key][:2], pip)
    expected = {(*key[:3], *sorted(key[3]), alt, name) for key, (_, alt, name) in best.items()}
    found = {
        (block, signal, pos, *sorted((ref, alt)), alt, name)
        for block, signal, pos, ref, alt, name in members(whole, "pos", "ref", "alt", "id")
    }
    assert found == expected
    assert whole.counts["rows_repeated_within_study"] == number - sum(map(len, of_study.values()))
    check_studies(whole, of_study)
    made = make_bags([table.iloc[:1700], table.iloc[1700:]], None, buffer=100)
    check_studies(made, of_study)


def check_studies(made: Bags, expected: dict[tuple[object, ...], dict[tuple[object, ...], Any]]) -> None:
    """The rows of each study, in the order of a data set, are those of plain Python."""
    instances, bags = made.instances, made.bags.set_index("bag")
    studies, evidence = made.studies.tables(np.arange(len(instances)), instances["bag"].to_numpy())
    found = [(bags["block"][row.bag], bags["signal"][row.bag], row.study) for row in studies.itertuples()]
    assert len(found) == len(set(found)) == len(expected)
    assert studies[["bag", "study"]].values.tolist() == sorted(studies[["bag", "study"]].values.tolist())
    of_row = instances.iloc[evidence["instance"]]
    starts = (studies["size"].cumsum() - studies["size"]).tolist()
    for key, start, size in zip(found, starts, studies["size"].tolist(), strict=True):
        part, rows = evidence.iloc[start : start + size], of_row.iloc[start : start + size]
        own = {}
        for one, row in zip(part.itertuples(), rows.itertuples(), strict=True):
            variant = (*key[:2], row.pos, frozenset((row.ref, row.alt)))
            log_p = 1.0 if np.isnan(one.log_p) else one.log_p
            rank = (log_p, 1.0 if np.isnan(one.z) else -abs(one.z))
            own[variant] = (rank, one.z * (1 if row.alt < row.ref else -1), one.pip)
        ranks = [rank for rank, _, _ in own.values()]
        assert ranks == sorted(ranks)
        assert own.keys() == expected[key].keys()
        for variant, (rank, z, pip) in expected[key].items():
            assert own[variant][0] == rank
            np.testing.assert_allclose(own[variant][1:], (z, pip), rtol=1e-6)


def test_a_study_without_a_lead_variant_is_left_out_of_the_bag() -> None:
    table = associations(
        {"study": "one", "p_value": 1e-9, "pos": 1},
        {"study": "one", "p_value": 0.1, "pos": 2},
        {"study": "two", "p_value": 5e-8, "pos": 2, "pip": 0.5},
        {"study": "weak", "p_value": 1e-7, "pos": 2, "pip": 0.9},
        {"study": "weak", "p_value": 1e-3, "pos": 3},
        # The study counts where it has a lead variant, signal by signal.
        {"study": "weak", "p_value": 1e-20, "pos": 2, "signal": "secondary"},
        {"study": "unknown", "p_value": np.nan, "pos": 4},
    )
    made = make_bags([table], None, lead_p_value=5e-8)
    assert members(made, "pos", "pip") == [
        ("b", "secondary", 2, pytest.approx(np.nan, nan_ok=True)),
        ("b", "all", 1, pytest.approx(np.nan, nan_ok=True)),
        ("b", "all", 2, 0.5),
        ("b", "all", 4, pytest.approx(np.nan, nan_ok=True)),
    ]
    names = ("studies_of_bags_above_lead_p_value", "rows_of_studies_above_lead_p_value")
    assert [made.counts[name] for name in names] == [1, 2]
    assert made.counts["studies_of_bags_without_a_p_value"] == 1
    assert made.counts["rows_united_over_studies"] == 1
    assert made.bags.set_index("signal")["studies"].to_dict() == {"all": 3, "secondary": 1}
    assert made.variants["pos"].tolist() == [1, 2, 4]
    every = make_bags([table], None)
    assert every.instances["pos"].tolist() == [2, 1, 2, 3, 4]
    assert names[0] not in every.counts
    with pytest.raises(InputError, match="no study has a p-value up to lead_p_value, 1e-30, in any of 2 bag"):
        make_bags([table[:6]], None, lead_p_value=1e-30)


def test_names_of_variants_are_kept_whatever_they_are() -> None:
    names = ["rs1", "rs2200000000", "rs3600000000", "rs99999999999", "rs01", "1:5_A_G", "rs", ".", "RS7"]
    rows = ({"pos": pos, "id": name, "p_value": 0.1 * pos} for pos, name in enumerate(names, start=1))
    assert make_bags([associations(*rows)], None).instances["id"].tolist() == names


def test_a_block_on_two_contigs_is_refused():
    with pytest.raises(InputError, match="block 'b' has variants on the contigs 1 and 2"):
        make_bags([associations({}, {"chrom": "2"})], None)


def test_no_associations_are_an_error():
    with pytest.raises(InputError, match="no associations"):
        make_bags([], None)


def test_another_genome_build_is_noticed(genome):
    # Of 60 variants seven have no allele of the FASTA, ACGT again and again: more than a tenth.
    bases = "ACGT" * 20
    rows = [
        {
            "pos": 321 + at,
            "effect_allele": bases[(at + 1) % 4],
            "other_allele": bases[(at + (2 if at < 7 else 0)) % 4],
        }
        for at in range(60)
    ]
    with pytest.raises(ReferenceMismatchError, match=r"7 of 60 variants .*1:321 [CG]/[CG]"):
        make_bags([associations(*rows)], genome)
    made = make_bags([associations(*rows)], genome, max_mismatch_fraction=0.12)
    assert made.counts["orientation"] == {"ok": 53, "ref_mismatch": 7}
