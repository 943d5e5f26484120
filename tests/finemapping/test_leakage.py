"""Scores that know the loci that they are the prior of are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.leakage import Leakage, ScoredBy, read_leakage
from mifm_kipoi.network.training_sets import TrainingSet
from mifm_kipoi.scoring.run import ScoringRun
from tests.builders import vcf_text, write_fasta

SEEN = TrainingSet(("1", "2"), ("3",), studies=("LDL",))


def _cautions(leakage: Leakage, *loci: tuple[str, str]) -> list[str]:
    return leakage.cautions([(study, chrom, leakage.seen(study, chrom)) for study, chrom in loci])


def test_the_worst_of_all_weights_counts_on_the_chromosomes_that_they_scored() -> None:
    every = ScoredBy("a", (SEEN,))
    later = ScoredBy("b", (TrainingSet(("9",), ("1",)),), ("1", "2"))
    assert Leakage("s.tsv", (every, later)).seen("HDL", "1") == "chromosome"
    assert Leakage("s.tsv", (later,)).seen("HDL", "chr1") == "validation"
    # Weights that left a chromosome out scored it, and they alone.
    folds = Leakage(
        "s.tsv", (ScoredBy("1", (SEEN,), ("9",)), ScoredBy("2", (TrainingSet(("9",)),), ("1", "2")))
    )
    assert {chrom: folds.seen("LDL", chrom) for chrom in ("9", "1", "2")} == {"9": "no", "1": "no", "2": "no"}
    # A chromosome that no weights say they scored.
    assert folds.seen("LDL", "4") == "unknown"
    assert Leakage().seen("LDL", "1") == ""


def test_cautions_name_weights_studies_chromosomes_and_how_many_loci() -> None:
    leakage = Leakage("s.tsv", (ScoredBy("mine", (SEEN,)),))
    study, other, validation = _cautions(
        leakage, ("LDL", "1"), ("LDL", "2"), ("HDL", "2"), ("HDL", "3"), ("HDL", "9")
    )
    assert "mine were trained on the associations of LDL on chromosomes 1, 2" in study
    assert "(2 of 5 loci)" in study
    assert "trained on chromosome 2 (1 of 5 loci) with other studies" in other
    assert "was chosen by chromosome 3 (1 of 5 loci)" in validation
    assert _cautions(leakage, ("LDL", "9")) == []
    assert _cautions(Leakage(), ("LDL", "1")) == []
    (unknown,) = _cautions(Leakage("cadd.tsv.gz"), ("LDL", "1"))
    assert "cadd.tsv.gz does not say what made its scores" in unknown


def test_scores_of_mifm_say_what_their_weights_were_trained_on(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "g.fa", {"1": "ACGTTGCA" * 200})
    vcf = tmp_path / "v.vcf"
    vcf.write_text(vcf_text([("1", 801, "A", "G")]))
    scores = tmp_path / "scores.tsv"
    ScoringRun(str(vcf), fasta, scores).run()
    leakage = read_leakage(scores)
    assert [one.name for one in leakage.weights] == ["embedded"]
    assert leakage.seen("LDL", "1") == "unknown"
    (caution,) = _cautions(leakage, ("LDL", "1"))
    assert (
        "the weights embedded were trained on is not known for chromosome 1 (1 of 1 loci): GWAS of" in caution
    )
    assert read_leakage(scores, ["embedded"]).weights == leakage.weights
    # The manifest of an older version, and that of another program.
    noted = json.loads((tmp_path / "scores.tsv.json").read_text())
    del noted["trained_on"]
    (tmp_path / "scores.tsv.json").write_text(json.dumps(noted))
    assert read_leakage(scores).seen("LDL", "1") == "unknown"
    (tmp_path / "scores.tsv.json").write_text('{"weights": [3]}')
    with pytest.raises(InputError, match=r"cannot read .*scores\.tsv\.json"):
        read_leakage(scores)
    # A table that was written over does not have the scores of its manifest's weights.
    (tmp_path / "scores.tsv.json").write_text(json.dumps(noted))
    with scores.open("a") as file:
        file.write("\n")
    changed = read_leakage(scores)
    assert changed.seen("LDL", "1") == "unknown"
    (caution,) = _cautions(changed, ("LDL", "1"))
    assert "scores.tsv is not the table" in caution
    (tmp_path / "scores.tsv.json").unlink()
    assert read_leakage(scores) == Leakage("scores.tsv")
    assert read_leakage(None) == Leakage()


def test_the_weights_of_the_score_and_those_of_annotations_count(tmp_path: Path) -> None:
    sets = {"a": [TrainingSet(("1",)).to_dict()], "b_a": [TrainingSet(("2",)).to_dict()]}
    for name in ("scores.tsv", "others.tsv"):
        (tmp_path / name).write_text("chrom\n")
        noted = {"weights": [{"name": "a"}, {"name": "b_a"}], "trained_on": sets}
        (tmp_path / f"{name}.json").write_text(json.dumps(noted))
    scores, others = tmp_path / "scores.tsv", tmp_path / "others.tsv"
    assert [one.name for one in read_leakage(scores).weights] == ["a", "b_a"]
    own = read_leakage(scores, column="mifm_ref_b_a")
    assert [one.name for one in own.weights] == ["b_a"]
    assert (own.seen("LDL", "1"), own.seen("LDL", "2")) == ("no", "chromosome")
    both = read_leakage(scores, column="mifm_ref_b_a", annotations=[(others, "mifm_ref_a")])
    assert [one.name for one in both.weights] == ["b_a", "a"]
    assert both.seen("LDL", "1") == "chromosome"
    # An annotation that no weights made, such as conservation, is not asked.
    (tmp_path / "conservation.tsv").write_text("chrom\n")
    plain = read_leakage(
        scores, column="mifm_ref_b_a", annotations=[(tmp_path / "conservation.tsv", "phylop")]
    )
    assert plain == own
    alone = read_leakage(None, annotations=[(others, "mifm_ref_a")])
    assert (alone.scores, alone.seen("LDL", "1")) == ("others.tsv", "chromosome")
