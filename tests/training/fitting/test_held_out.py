import dataclasses

import numpy as np
import pandas as pd

from tests.training.bag_tables import make_dataset
from training.data.dataset import EVIDENCE_COLUMNS, STUDY_COLUMNS, DataSet, Split
from training.fitting.held_out import HeldOut, verdicts


def bag(label: int, split: str, *sites: int, chrom: str = "1") -> tuple[int, str, list]:
    return label, split, [(chrom, site, "A", "C") for site in sites]


def two_studies() -> DataSet:
    """A training bag, a negative one, and a validation bag of three variants that two studies have."""
    united = make_dataset(
        [bag(1, "train", 100, 200), bag(0, "validation", 3000), bag(1, "validation", 5000, 6000, 7000)]
    )
    studies = pd.DataFrame(
        [(0, "a", 2, 1.0), (2, "a", 3, 0.5), (2, "b", 2, 0.25)], columns=list(STUDY_COLUMNS)
    ).astype(STUDY_COLUMNS)
    evidence = pd.DataFrame(
        [
            (0, 0, -9, 6, 3, 0.9), (0, 1, -8, 5, 2, 0.1),
            (1, 4, -9, 6, 3, 0.9), (1, 3, -8, 5, 2, 0.1), (1, 5, -7, 5, 1, 0.0),
            (2, 5, -9, 6, np.nan, 0.7), (2, 3, -8, 5, 2, 0.0),
        ],
        columns=list(EVIDENCE_COLUMNS),
    ).astype(EVIDENCE_COLUMNS)  # fmt: skip
    return DataSet(united.bags, united.instances, studies, evidence, {})


def test_the_rows_of_held_out_studies() -> None:
    """The first study has Bayes factors, the second one lacks one of them and has PIPs."""
    held = HeldOut.of(two_studies(), Split.VALIDATION)
    assert held.split == "validation"
    assert held.instances["pos"].tolist() == [5000, 6000, 7000]
    rows = held.rows
    assert rows.instance.tolist() == [1, 0, 2, 2, 0]
    assert rows.study.tolist() == [0, 0, 0, 1, 1]
    # A PIP of 0 counts as 1e-6.
    np.testing.assert_allclose(rows.log_evidence, [3, 2, 1, np.log(0.7), np.log(1e-6)], rtol=1e-6)
    # In proportion to those of the data set.
    assert rows.weight[0] == 2 * rows.weight[1]
    assert rows.locus.tolist() == [0, 0]
    assert rows.led.tolist() == [True, True]


def test_a_study_without_p_and_z_has_no_lead() -> None:
    dataset = two_studies()
    second = dataset.evidence["study"] == 2
    unknown = {name: dataset.evidence[name].mask(second) for name in ("log_p", "z")}
    without = dataclasses.replace(dataset, evidence=dataset.evidence.assign(**unknown))
    assert HeldOut.of(without, Split.VALIDATION).rows.led.tolist() == [True, False]
    without = dataclasses.replace(dataset, evidence=dataset.evidence.assign(log_p=unknown["log_p"]))
    assert HeldOut.of(without, Split.VALIDATION).rows.led.tolist() == [True, True]


def test_validation_bags_alone_chose_the_epoch() -> None:
    united = make_dataset([bag(1, "validation", 5000, 6000), bag(1, "test", 50000, 60000)])
    splits = (Split.VALIDATION, Split.TEST)
    for chose in (True, False):
        found = verdicts("member 1", united, splits, lambda rows: np.zeros(len(rows)), chose_epoch=chose)
        assert [(one.split, one.chose_epoch) for one in found] == [("validation", chose), ("test", False)]


def test_a_study_without_numbers_of_its_own() -> None:
    dataset = two_studies()
    evidence = dataset.evidence.assign(pip=np.float32(np.nan))
    rows = HeldOut.of(dataclasses.replace(dataset, evidence=evidence), Split.VALIDATION).rows
    np.testing.assert_array_equal(rows.log_evidence, [3, 2, 1, np.nan, np.nan])


def test_a_split_without_positive_bags() -> None:
    held = HeldOut.of(two_studies(), Split.TEST)
    assert len(held.instances) == len(held.rows.study) == len(held.rows.weight) == 0
    verdict = held.verdict("member 1", np.zeros(0))
    assert verdict.learnt is None
    assert verdict.lines() == ["member 1, test bags: no study has two or more variants"]
