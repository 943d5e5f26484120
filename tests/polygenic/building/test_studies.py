"""Signals of studies and their members."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.finemapping.prior import uniform_pips
from mifm_kipoi.genetics.study_sources import StudySource
from mifm_kipoi.polygenic.building.studies import Clumps, SignalOptions, read_members
from tests.genetics.filesets import write_bed
from tests.polygenic.building.tables import TWO_SIGNALS, causaldb, causaldb_row, write_table


def ids(members: pd.DataFrame, signal: int) -> list[str]:
    return sorted(members["id"][members["signal"] == signal])


def test_signals_are_those_of_the_table_and_secondary_ones_have_conditional_effects(tmp_path: Path) -> None:
    found = read_members([StudySource(causaldb(tmp_path / "t.tsv", TWO_SIGNALS))], SignalOptions())
    assert found.build == "GRCh37"
    assert found.signals["signal"].tolist() == ["primary rs1", "secondary rs5", "secondary rs6"]
    assert [ids(found.table, number) for number in range(3)] == [
        ["rs1", "rs2", "rs3"],
        ["rs2", "rs5"],
        ["rs6"],
    ]
    row = found.table.set_index(["signal", "id"]).loc[(1, "rs5")]
    assert (row["effect"], row["z"], row["marginal_effect"]) == (0.07, pytest.approx(7.0), 0.02)
    leads = found.table["id"][found.table["lead"]].tolist()
    assert leads == ["rs1", "rs5", "rs6"]
    assert found.signals["lead"].tolist() == ["1:1000:G:A", "1:1300:A:G", "1:1400:C:G"]


def test_as_in_the_paper_secondary_signals_are_one_with_marginal_effects(tmp_path: Path) -> None:
    options = SignalOptions(as_in_paper=True)
    found = read_members([StudySource(causaldb(tmp_path / "t.tsv", TWO_SIGNALS))], options)
    assert found.signals["signal"].tolist() == ["primary", "secondary"]
    assert ids(found.table, 1) == ["rs2", "rs5", "rs6"]
    assert found.table.set_index(["signal", "id"]).loc[(1, "rs5"), "effect"] == 0.02


def test_signals_without_a_low_p_value_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [*TWO_SIGNALS, causaldb_row(9_000, "rs9", "A", "C", 0.04, block=2, lead="rs9")]
    path = causaldb(tmp_path / "t.tsv", rows)
    found = read_members([StudySource(path)], SignalOptions())
    assert len(found.signals) == 3
    assert found.left_out == {"no p-value up to 5e-08": 1}
    assert found.counts[str(path)].left_out == {"signal without a lead variant": 1}
    assert len(read_members([StudySource(path)], SignalOptions(lead_p_value=None)).signals) == 4


def test_failed_pips_are_replaced_by_those_of_bayes_factors_for_the_whole_signal(tmp_path: Path) -> None:
    found = read_members([StudySource(causaldb(tmp_path / "t.tsv", TWO_SIGNALS))], SignalOptions())
    table = found.table
    assert found.without_pip == 1
    first, second = table[table["signal"] == 0], table[table["signal"] == 1]
    assert first.set_index("id")["pip"].to_dict() == {"rs1": 0.7, "rs2": 0.2, "rs3": 0.1}
    expected = uniform_pips(second["log_bf"].to_numpy(np.float64), np.zeros(2, dtype=np.int64))
    np.testing.assert_allclose(second["pip"], expected)


def test_the_column_of_pips_can_be_named(tmp_path: Path) -> None:
    path = causaldb(tmp_path / "t.tsv", TWO_SIGNALS)
    found = read_members([StudySource(path)], SignalOptions(pip="abf"))
    assert found.without_pip == 0
    assert found.table["pip"].tolist() == [0.6, 0.3, 0.1, 0.1, 0.5, 0.4]


def test_credible_sets_narrow_members(tmp_path: Path) -> None:
    path = causaldb(tmp_path / "t.tsv", TWO_SIGNALS)
    found = read_members([StudySource(path)], SignalOptions(credible_level=0.5))
    assert [ids(found.table, number) for number in range(3)] == [["rs1"], ["rs5"], ["rs6"]]
    assert found.counts[str(path)].left_out["outside the credible set"] == 3


def test_studies_are_chosen_and_named_by_the_meta_table(tmp_path: Path) -> None:
    rows = [*TWO_SIGNALS, causaldb_row(1000, "rs1", "A", "G", 0.2, study="T2")]
    path = causaldb(tmp_path / "t.tsv", rows)
    meta = write_table(
        tmp_path / "meta.txt",
        [
            {"meta_id": "T1", "trait": "Height", "sample_size": 5000, "n_case": "", "n_control": ""},
            {"meta_id": "T2", "trait": "Gout", "sample_size": 5000, "n_case": 500, "n_control": 4500},
        ],
    )
    found = read_members([StudySource(path, meta=meta)], SignalOptions())
    named = found.signals.drop_duplicates("study")[["study", "trait", "kind"]].to_numpy().tolist()
    assert named == [["T1", "Height", "quantitative"], ["T2", "Gout", "case_control"]]
    only = read_members([StudySource(path, meta=meta, studies=("T2",))], SignalOptions())
    assert only.signals["study"].tolist() == ["T2"]
    with pytest.raises(InputError, match="several tables have the study T1, T2"):
        read_members([StudySource(path), StudySource(path)], SignalOptions())


def sumstats(path: Path) -> Path:
    rows = [
        {"chrom": "1", "pos": pos, "rsid": f"s{number}", "effect_allele": "A", "other_allele": "C",
         "beta": beta,
         "standard_error": 0.01, "p_value": p, "n": 5000}
        for number, (pos, beta, p) in enumerate(
            [(100, 0.08, 1.2441921e-15), (200, 0.05, 5.733031e-7), (900, 0.07, 2.5596e-12),
             (950, 0.01, 0.3173105)]
        )
    ]  # fmt: skip
    return write_table(path, rows)


def test_summary_statistics_have_ld_blocks_as_signals(tmp_path: Path) -> None:
    blocks = write_table(
        tmp_path / "blocks.txt",
        [
            {"chr": 1, "start": 0, "stop": 500, "pop": "EUR"},
            {"chr": 1, "start": 500, "stop": 940, "pop": "EUR"},
        ],
    )
    path = sumstats(tmp_path / "gwas.tsv")
    found = read_members([StudySource(path, name="height")], SignalOptions(ld_blocks=blocks))
    assert found.signals[["study", "block", "members"]].to_numpy().tolist() == [
        ["height", "1", 2],
        ["height", "2", 1],
    ]
    assert found.counts[str(path)].above == 1


def test_summary_statistics_have_clumps_as_signals(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    one, two = random.integers(0, 3, 200), random.integers(0, 3, 200)
    near = np.where(random.random(200) < 0.05, random.integers(0, 3, 200), one)
    prefix = write_bed(tmp_path / "panel", np.column_stack([one, near, two]), [100, 200, 900])
    options = SignalOptions(clumps=Clumps((prefix,)))
    found = read_members([StudySource(sumstats(tmp_path / "gwas.tsv"))], options)
    assert found.signals["block"].tolist() == ["1:100:C:A", "1:900:C:A"]
    assert [ids(found.table, number) for number in range(2)] == [["s0", "s1"], ["s2"]]


def test_summary_statistics_without_blocks_are_an_error_that_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column of blocks.*--ld-blocks.*--clump"):
        read_members([StudySource(sumstats(tmp_path / "gwas.tsv"))], SignalOptions())


def test_z_scores_alone_give_effects_by_sample_size_and_frequency(tmp_path: Path) -> None:
    rows = [
        {"chrom": "1", "pos": 100, "effect_allele": "A", "other_allele": "C", "z": 8.0, "n": 10_000,
         "eaf": 0.2, "block": "b1"},
        {"chrom": "1", "pos": 150, "effect_allele": "A", "other_allele": "C", "z": 7.0, "n": 10_000,
         "eaf": "", "block": "b1"},
    ]  # fmt: skip
    path = write_table(tmp_path / "z.tsv", rows)
    found = read_members([StudySource(path)], SignalOptions())
    variance = 1 / (2 * 10_000 * 0.2 * 0.8)
    assert found.table["effect"].tolist() == [pytest.approx(8 * variance**0.5)]
    assert found.table["variance"].tolist() == [pytest.approx(variance)]
    assert found.table["frequency"].tolist() == [0.2]
    assert found.counts[str(path)].left_out == {"effect unknown": 1}


@pytest.mark.parametrize(
    "options",
    [
        {"lead_p_value": 0.0},
        {"credible_level": 1.5},
        {"ld_blocks": Path("b"), "clumps": Clumps(("p",))},
    ],
)
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        SignalOptions(**options)  # type: ignore[arg-type]
