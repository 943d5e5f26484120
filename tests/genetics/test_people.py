"""Traits, covariates and labels of people: how tables are joined, coded and turned into design matrices."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.people_tables import PeopleTable, biobank_field, read_map, read_people


def table(folder: Path, text: str, name: str = "people.tsv") -> Path:
    path = folder / name
    path.write_text(text.replace(" ", "\t"))
    return path


def test_people_of_several_tables_are_joined_by_name(tmp_path: Path) -> None:
    traits = table(tmp_path, "FID IID height asthma\n1 a 170 1\n1 b NA 2\n2 a 181.5 1\n")
    others = table(tmp_path, "#FID #IID centre age\n2 a x 40\n1 c y 50\n1 a x 60\n", "other.tsv")
    people = read_people(
        [traits, others], ["height", "asthma"], ["age", "centre"], labels=["centre"]
    )  # fmt: skip
    assert people.by_family
    assert people.ids.to_numpy().tolist() == [["1", "a"], ["1", "b"], ["2", "a"], ["1", "c"]]
    np.testing.assert_array_equal(people.traits["height"].values, [170, np.nan, 181.5, np.nan])
    asthma = people.traits["asthma"]
    assert (asthma.binary, asthma.coding, asthma.cases) == (True, "1/2", 1)
    np.testing.assert_array_equal(asthma.values, [0, 1, 0, np.nan])
    np.testing.assert_array_equal(people.covariates["age"].values, [60, np.nan, 40, 50])
    assert people.covariates["centre"].levels == ("x", "y")
    assert people.labels["centre"].tolist() == ["x", "", "x", "y"]
    assert people.complete().tolist() == [True, False, True, True]
    assert people.notes[-2:] == (
        f"1 of 4 people are not in {traits}", f"1 of 4 people are not in {others}",
    )  # fmt: skip


def test_names_alone_tell_people_apart_where_a_table_has_no_families(tmp_path: Path) -> None:
    traits = table(tmp_path, "FID IID t\na a 1\nb b 2.5\n")
    labels = table(tmp_path, "#IID pop\nb EUR\na AFR\n", "labels.tsv")
    people = read_people([traits, labels], ["t"], labels=["pop"])
    assert not people.by_family
    assert people.labels["pop"].tolist() == ["AFR", "EUR"]
    twice = table(tmp_path, "FID IID t\n1 a 1\n2 a 2.5\n", "twice.tsv")
    assert len(read_people([twice], ["t"])) == 2
    with pytest.raises(InputError, match=r"twice\.tsv has a more than once.*families \(FID\) in all tables"):
        read_people([twice, labels], ["t"], labels=["pop"])
    with pytest.raises(InputError, match=r"has a more than once; expected a row a person$"):
        read_people([table(tmp_path, "FID IID t\n1 a 1\n1 a 2.5\n", "same.tsv")], ["t"])


def test_people_are_aligned_to_samples_of_genotypes(tmp_path: Path) -> None:
    people = read_people([table(tmp_path, "FID IID t\n1 a 1.5\n1 b 2\n2 a 3\n")], ["t"])
    samples = pd.DataFrame({"family": ["2", "9", "1"], "sample": ["a", "x", "a"]})
    aligned = people.aligned(samples)
    assert aligned.people.traits["t"].values.tolist() == [3, 1.5]
    assert aligned.samples.tolist() == [0, 2]
    assert aligned.notes == (
        "1 of 3 people have no genotypes", "1 of 3 samples with genotypes are in no table",
    )  # fmt: skip
    # VCF files have no families: then the name alone must do, and does not here.
    with pytest.raises(InputError, match=r"the sample a occurs more than once in the tables"):
        people.aligned(pd.DataFrame({"family": ["0", "0"], "sample": ["a", "b"]}))
    with pytest.raises(InputError, match=r"none of the 1 samples.*such as b, .* 3 people.*1 samples agree"):
        people.aligned(pd.DataFrame({"family": ["7"], "sample": ["b"]}))


@pytest.mark.parametrize(
    ("values", "binary", "coding", "expected"),
    [
        (["0", "1", "-9"], True, "0/1", [0, 1, np.nan]),
        (["1", "2", "NA"], True, "1/2", [0, 1, np.nan]),
        (["control", "Case", "."], True, "words", [0, 1, np.nan]),
        (["TRUE", "FALSE", ""], True, "words", [1, 0, np.nan]),
        (["1", "2", "3"], False, "", [1, 2, 3]),
        (["0.5", "1", "-9"], False, "", [0.5, 1, np.nan]),
    ],
)
def test_the_kind_of_a_trait_is_guessed(
    tmp_path: Path, values: list[str], binary: bool, coding: str, expected: list[float]
) -> None:
    rows = "".join(f"p{number} {value}\n" for number, value in enumerate(values))
    trait = read_people([table(tmp_path, f"IID t\n{rows}")], ["t"]).traits["t"]
    assert (trait.binary, trait.coding) == (binary, coding)
    np.testing.assert_array_equal(trait.values, expected)


def test_a_trait_with_0_1_and_2_must_be_said_to_be_binary_or_not(tmp_path: Path) -> None:
    path = table(tmp_path, "IID t\na 0\nb 1\nc 2\nd 2\n")
    with pytest.raises(InputError, match="t has the values 0, 1 and 2"):
        read_people([path], ["t"])
    people = read_people([path], ["t"], binary=["t"])
    np.testing.assert_array_equal(people.traits["t"].values, [np.nan, 0, 1, 1])
    assert people.notes == ("t: 1 people with 0 are unknown, as 1 and 2 are controls and cases",)
    assert read_people([path], ["t"], quantitative=["t"]).traits["t"].values.tolist() == [0, 1, 2, 2]
    with pytest.raises(InputError, match=r"t is '7' for 1 people; expected 0 and 1, or 1 and 2"):
        read_people([table(tmp_path, "IID t\na 0\nb 1\nc 7\n")], ["t"], binary=["t"])


def test_negative_codes_are_not_taken_for_values_in_silence(tmp_path: Path) -> None:
    path = table(tmp_path, "IID ill drinks\na 0 2\nb 1 0\nc -3 -1\nd -1 5\n")
    with pytest.raises(
        InputError, match="ill has the values -3, -1 beside 0, 1; name those that mean unknown"
    ):
        read_people([path], ["ill"])
    known = read_people([path], ["ill"], ["drinks"], missing_codes=(-1, -3))
    np.testing.assert_array_equal(known.traits["ill"].values, [0, 1, np.nan, np.nan])
    assert known.traits["ill"].binary
    assert not [note for note in known.notes if "missing codes" in note]
    (note,) = [one for one in read_people([path], covariates=["drinks"]).notes if "missing codes" in one]
    assert note.startswith("drinks is -1 for 1 people and 0 or more for the others")


def test_missing_codes_are_the_callers(tmp_path: Path) -> None:
    path = table(tmp_path, "IID t age\na 1.5 -3\nb -9 40\nc 2 41\n")
    people = read_people([path], ["t"], ["age"], missing_codes=(-3,))
    assert people.traits["t"].values.tolist() == [1.5, -9, 2]
    np.testing.assert_array_equal(people.covariates["age"].values, [np.nan, 40, 41])


def test_covariates_are_categorical_where_said_or_without_numbers(tmp_path: Path) -> None:
    path = table(tmp_path, "IID code site age mixed\na 11 x 40.5 1\nb 12 y 41 x\nc 11 y 42 2\n")
    people = read_people([path], covariates=["code", "site", "age"])
    assert [one.categorical for one in people.covariates.values()] == [False, True, False]
    people = read_people([path], covariates=["age"], categorical=["code"])
    assert people.covariates["code"].levels == ("11", "12")
    with pytest.raises(InputError, match="mixed is 'x' for 1 people; expected a number, as others have"):
        read_people([path], covariates=["mixed"])
    many = table(tmp_path, "IID code\n" + "".join(f"p{i} {i % 3}\n" for i in range(9)), "codes.tsv")
    assert "code has 3 different values" in read_people([many], covariates=["code"]).notes[0]


def test_fields_of_the_uk_biobank_have_several_spellings(tmp_path: Path) -> None:
    spellings = ["21003-0.1", "f.21003.0.1", "p21003_i0_a1", "participant.p21003_i0_a1"]
    assert {biobank_field(one) for one in spellings} == {(21003, 0, 1)}
    assert biobank_field("p31") == biobank_field("31-0.0") == biobank_field("p31_i0") == (31, 0, 0)
    assert biobank_field("PC1") is None
    path = tmp_path / "biobank.csv"
    path.write_text("eid,p31,p21003_i0,p21003_i1,p50_i0\n1,1,40,44,170.5\n2,0,50,55,181\n")
    people = read_people(
        [path], ["height"], ["21003-1.0", "sex"], columns={"height": "f.50.0.0", "sex": "31"}
    )
    assert people.traits["height"].values.tolist() == [170.5, 181]
    assert people.traits["height"].column == "p50_i0"
    assert people.covariates["21003-1.0"].values.tolist() == [44, 55]
    assert people.covariates["sex"].values.tolist() == [1, 0]
    with pytest.raises(InputError, match=r"field 21003 has 2 columns in .*p21003_i0, p21003_i1; name one"):
        read_people([path], covariates=["21003"])
    with pytest.raises(OptionError, match=r"no table has the column 'f.1.0.0', which is called 'bmi'"):
        read_people([path], ["bmi"], columns={"bmi": "f.1.0.0"})


def test_maps_of_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "name column\nheight 50-0.0\nsample participant\n", "map.tsv")
    assert read_map(path) == {"height": "50-0.0", "sample": "participant"}
    people = read_people(
        [table(tmp_path, "participant f.50.0.0\nx 1.5\n")], ["height"], columns=read_map(path)
    )
    assert people.ids["sample"].tolist() == ["x"]
    with pytest.raises(InputError, match="maps a to x and to y"):
        read_map(table(tmp_path, "name column\na x\na y\n"))
    with pytest.raises(InputError, match="does not say who its rows are; expected a column IID"):
        PeopleTable.of(table(tmp_path, "who t\na 1\n"))


def test_design_matrices_have_full_rank(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    size = 60
    frame = pd.DataFrame({
        "IID": [f"p{i}" for i in range(size)], "age": generator.normal(50, 8, size),
        "centre": generator.choice(["a", "b", "c"], size, p=[0.2, 0.5, 0.3]), "same": 3,
    })  # fmt: skip
    frame["months"] = frame["age"] * 12 + 1
    frame["region"] = frame["centre"].map({"a": "north", "b": "south", "c": "south"})
    frame.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    people = read_people([tmp_path / "t.tsv"], covariates=["age", "centre", "same", "months", "region"])
    design = people.design()
    assert design.names == ("intercept", "age", "centre=a", "centre=c")
    assert design.covariates == ("intercept", "age", "centre", "centre")
    assert design.dropped == (
        "same (the same for all)", "months (a combination of others)",
        "region=north (a combination of others)",
    )  # fmt: skip
    np.testing.assert_allclose(
        design.matrix[:, 1], (frame["age"] - frame["age"].mean()) / frame["age"].std(ddof=0)
    )
    np.testing.assert_array_equal(design.matrix[:, 2], frame["centre"] == "a")
    rows = np.flatnonzero(frame["centre"] != "c")
    assert people.design(rows, ["centre"]).dropped == ("centre=c (nobody)",)
    assert people.design(rows, ["centre"]).names == ("intercept", "centre=a")
    # The fitted values are those of the plain coding of the same covariates.
    outcome = generator.normal(size=size)
    plain = np.column_stack([np.ones(size), frame["age"], pd.get_dummies(frame["centre"], dtype=float)])
    for matrix in (design.matrix, plain):
        fitted = matrix @ np.linalg.lstsq(matrix, outcome, rcond=None)[0]
        np.testing.assert_allclose(fitted, plain @ np.linalg.pinv(plain) @ outcome, atol=1e-10)


def test_designs_want_known_covariates(tmp_path: Path) -> None:
    people = read_people([table(tmp_path, "IID age\na 40\nb NA\nc 45\nd 50\n")], covariates=["age"])
    with pytest.raises(InputError, match="the covariate age of 1 of 4 people is unknown"):
        people.design()
    assert people.design(people.complete()).matrix.shape == (3, 2)
