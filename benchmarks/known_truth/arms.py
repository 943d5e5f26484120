"""The arms of the benchmark: what is trained, on what, and what is made of it."""

from __future__ import annotations

import dataclasses
from typing import Literal

Group = Literal["pooling", "setting", "curve", "combination", "control", "baseline", "prior"]
DataName = Literal[
    "main", "single", "united", "every_member", "shuffled", "dealt", "masked", "reference_ld",
    "half", "quarter", "labelled",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to score variants.

    Parameters
    ----------
    name, label, description : str
        Name in tables and options, label in figures, and what it is in words.
    group : str
        Part of the report's table that it belongs to.
    pooling : str
        Of the networks that are fitted; empty for that of the recipe.
    data : str
        The data set that they are fitted to:

        - ``main``: bags of the simulated table, and the recipe's negative bags; in the design ``real``
          these are matched: of the sizes of studies' sets, of variants like theirs;
        - ``single``: negative bags of one variant; ``united``: of the sizes of whole bags;
        - ``every_member``: each member of a positive bag is a positive bag of its own;
        - ``shuffled``: the variants of each split are permuted among bags, whose sizes and labels stay;
        - ``dealt``: the variants of each positive bag are permuted, so that each has the evidence of another;
        - ``masked``: a genome in which the centre of the window says nothing;
        - ``reference_ld``: signals by the LD of a reference panel;
        - ``half``, ``quarter``: so many of the training bags;
        - ``labelled``: of the design ``real``, the evidence of each study is the truth for its trait.
    settings : tuple of str
        Over the recipe's, as of ``--set``.
    start : str
        The arm whose network it fine-tunes; empty for random weights.
    student : str
        ``mean`` or ``arg_max``: a student of all members of the default arm.
    ensemble : bool
        Whether it is the mean of the probabilities of all members of the default arm.
    both_alleles : bool
        Whether the score is ``(f_ref + f_alt) / 2 + |f_alt - f_ref|``, as it was trained, and not f_ref.
    """

    name: str
    group: Group
    label: str
    description: str
    pooling: str = ""
    data: DataName = "main"
    settings: tuple[str, ...] = ()
    start: str = ""
    student: Literal["", "mean", "arg_max"] = ""
    ensemble: bool = False
    both_alleles: bool = False

    @property
    def fitted(self) -> bool:
        """Whether a network is fitted for it from random weights."""
        return self.group not in ("baseline", "prior") and not (self.student or self.ensemble or self.start)


CLEAR_POOLINGS = (
    Arm("max", "pooling", "max", "the paper's: the largest logit of the bag", "max"),
    Arm("noisy_or", "pooling", "noisy-or", "1 - prod(1 - p)", "noisy_or"),
    Arm(
        "single_effect", "pooling", "single effect (SER)", "one causal variant, Bayes factors",
        "single_effect",
    ),
    Arm("susie_em", "pooling", "SuSiE-EM", "one causal variant, PIPs of the table", "susie_em"),
    Arm("isr", "pooling", "ISR", "sum of odds", "isr"),
    Arm("log_sum_exp", "pooling", "log-sum-exp, r 5", "between mean and maximum of logits", "log_sum_exp"),
    Arm("generalised_mean", "pooling", "generalised mean, r 5", "on probabilities", "generalised_mean"),
    Arm("top_k_mean", "pooling", "top 3", "mean of the three largest logits", "top_k_mean"),
    Arm("gated_attention", "pooling", "gated attention", "Ilse et al. 2018", "gated_attention"),
    Arm(
        "additive_attention", "pooling", "additive attention", "after Javed et al. 2022",
        "additive_attention",
    ),
    Arm(
        "every_member_positive", "pooling", "every member positive",
        "each variant of a positive bag is labelled 1", "max", "every_member",
    ),
)  # fmt: skip

_CLEAR_SETTINGS = (
    Arm(
        "noisy_or_10", "setting", "noisy-or, 10 of lowest p", "bags of at most ten variants", "noisy_or",
        settings=("fit.max_bag_size=10",),
    ),
    Arm(
        "max_10", "setting", "max, 10 of lowest p", "bags of at most ten variants", "max",
        settings=("fit.max_bag_size=10",),
    ),
    Arm(
        "max_from_single_effect", "setting", "max, begun from SER", "the network of SER goes on under max",
        "max",
        settings=(
            "finetune.statistics=updated", "finetune.fit.epochs=4", "finetune.fit.bags_per_batch=4",
            "finetune.fit.negatives_per_bag=8", "finetune.fit.learning_rate=0.001",
            "finetune.fit.max_shift=8",
        ),
        start="single_effect",
    ),
)  # fmt: skip

_COMBINATIONS = (
    Arm("ensemble", "combination", "ensemble", "mean probability of all members", ensemble=True),
    Arm("student_mean", "combination", "student, mean", "taught the members' mean", student="mean"),
    Arm("student_arg_max", "combination", "student, arg max", "taught the bags' best", student="arg_max"),
)

_CLEAR_CONTROLS = (
    Arm("shuffled_labels", "control", "shuffled labels", "variants dealt anew to bags", data="shuffled"),
    Arm("masked_centre", "control", "masked centre", "14 bp on either side drawn anew", data="masked"),
    Arm(
        "reference_ld", "control", "LD of 300 others", "signals found with a reference panel",
        data="reference_ld",
    ),
)  # fmt: skip

CLEAR = (*CLEAR_POOLINGS, *_CLEAR_SETTINGS, *_COMBINATIONS, *_CLEAR_CONTROLS)
"""The arms of the design ``clear``: the variants of a signal are one bag, of one study."""

_UNITED = "fit.evidence=lowest_p"
_SETS = "fit.credible_set=0.95"
_EIGHT_NEGATIVES = "fit.negatives_per_bag=8"
"""Where negative bags have one variant."""


def _tempered(tau: float) -> Arm:
    return Arm(
        f"per_study_tau_{tau}", "pooling", f"per study, tau {tau}",
        f"Bayes factors to the power of {tau} in training", settings=(f"fit.objective.temper={tau}",),
    )  # fmt: skip


def _on_sets(pooling: str, label: str) -> Arm:
    return Arm(
        f"{pooling}_sets", "pooling", f"{label}, 95 % sets", "bags are each study's own 95 % sets", pooling,
        settings=(_SETS,),
    )  # fmt: skip


def _on_bags(pooling: str, label: str) -> tuple[Arm, Arm]:
    """On the paper's bags."""
    description = "all variants of a signal, of all studies, are one bag"
    return (
        Arm(
            f"{pooling}_bags", "pooling", f"{label}, united bags, single negatives",
            f"{description}; negative bags of one variant", pooling, "single", (_UNITED, _EIGHT_NEGATIVES),
        ),
        Arm(
            f"{pooling}_bags_matched", "pooling", f"{label}, united bags",
            f"{description}; negative bags of their sizes", pooling, "united", (_UNITED,),
        ),
    )  # fmt: skip


REAL_POOLINGS = (
    Arm(
        "per_study", "pooling", "per study (SER)",
        "one causal variant for each study, with the study's own Bayes factors; matched negative bags",
    ),
    Arm(
        "per_study_single", "pooling", "per study, single negatives", "negative bags of one variant",
        data="single", settings=(_EIGHT_NEGATIVES,),
    ),
    _tempered(0.5),
    _tempered(0.25),
    Arm(
        "lowest_p_row", "pooling", "row of lowest p (SER)",
        "one causal variant for all studies; of each variant the row of lowest p", data="united",
        settings=(_UNITED,),
    ),
    Arm(
        "lowest_p_row_single", "pooling", "row of lowest p, single negatives",
        "as the row of lowest p; negative bags of one variant", data="single",
        settings=(_UNITED, _EIGHT_NEGATIVES),
    ),
    Arm(
        "susie_em", "pooling", "SuSiE-EM, per study", "one causal variant for each study, PIPs of the table",
        "susie_em",
    ),
    *_on_bags("max", "max"),
    *_on_bags("noisy_or", "noisy-or"),
    _on_sets("max", "max"),
    _on_sets("noisy_or", "noisy-or"),
    _on_sets("isr", "ISR"),
    _on_sets("log_sum_exp", "log-sum-exp, r 5"),
    _on_sets("generalised_mean", "generalised mean, r 5"),
    _on_sets("top_k_mean", "top 3"),
    _on_sets("gated_attention", "gated attention"),
    _on_sets("additive_attention", "additive attention"),
)  # fmt: skip
"""Each on the recipe's settings; all of the same number of training windows, up to rounding."""

_REAL_SETTINGS = (
    Arm(
        "alleles_both", "setting", "both alleles", "(f_ref + f_alt) / 2 + |f_alt - f_ref|",
        settings=("network.channels=4", "fit.alleles=both"), both_alleles=True,
    ),
    Arm(
        "one_strand", "setting", "one strand", "no reverse complements in training",
        settings=("fit.reverse_complement=false",),
    ),
    Arm(
        "shifts_8", "setting", "shifts of up to 8 bp", "windows are shifted at random, as the paper's",
        settings=("fit.max_shift=8",),
    ),
    Arm(
        "weight_decay_0.01", "setting", "weight decay 0.01", "of AdamW",
        settings=("fit.weight_decay=0.01",),
    ),
    Arm(
        "rate_0.001", "setting", "learning rate 0.001", "a third of the recipe's",
        settings=("fit.learning_rate=0.001",),
    ),
    Arm(
        "rate_0.01", "setting", "learning rate 0.01", "three times the recipe's",
        settings=("fit.learning_rate=0.01",),
    ),
)  # fmt: skip

_REAL_CURVES = (
    Arm("quarter_of_bags", "curve", "a quarter of the bags", "as many windows", data="quarter"),
    Arm("half_of_bags", "curve", "half of the bags", "as many windows", data="half"),
    *(
        Arm(
            f"windows_x{times}",
            "curve",
            f"{times} times the windows",
            f"{times} times the epochs of the recipe",
            settings=(f"fit.epochs=x{times}",),
        )
        for times in (2, 4)
    ),
)

_REAL_CONTROLS = (
    Arm(
        "dealt_anew", "control", "Bayes factors dealt anew",
        "per study, the variants of each positive bag permuted: what is left is which bags are positive",
        data="dealt",
    ),
    Arm(
        "lead_only", "control", "lead variants only",
        "the lead variant of each study against single negatives, cross-entropy", "max", "single",
        ("fit.rows=lead", _EIGHT_NEGATIVES),
    ),
    Arm("shuffled_labels", "control", "shuffled", "per study, variants dealt to all bags", data="shuffled"),
    Arm(
        "masked_centre", "control", "masked centre", "per study, the centre 14 bp of another variant",
        data="masked",
    ),
    Arm(
        "true_labels", "control", "true labels",
        "per study, the evidence of each study is which variants are causal for its trait: what these "
        "windows can teach this network where the evidence is no limit",
        data="labelled",
    ),
)  # fmt: skip

REAL = (*REAL_POOLINGS, *_REAL_SETTINGS, *_REAL_CURVES, *_COMBINATIONS, *_REAL_CONTROLS)
"""The arms of the design ``real``: several studies see a signal, each with its own evidence."""

LOWEST_P = Arm("lowest_p", "baseline", "lowest p-value", "the GWAS alone")
ABF = Arm("abf", "baseline", "ABF", "PIP under one effect, uniform prior")
RANDOM = Arm("random", "baseline", "random", "chance, in closed form")
ORACLE = Arm("oracle", "baseline", "oracle", "the rule, applied to the windows of the FASTA")
OPTIMAL = Arm("oracle", "baseline", "oracle", "knows the rule and both alleles")
REFERENCE_OPTIMAL = Arm(
    "reference_optimal", "baseline", "optimal, reference window",
    "knows the rule and the window of the reference allele: the limit of a score of this window",
)  # fmt: skip
MASKED_OPTIMAL = Arm(
    "masked_optimal", "baseline", "optimal, masked centre",
    "knows the rule, and the window without its centre: what the control may reach",
)  # fmt: skip
