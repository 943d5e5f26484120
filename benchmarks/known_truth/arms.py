"""The arms of the benchmark: what is trained, on what, and what is made of it."""

from __future__ import annotations

import dataclasses
from typing import Literal

Group = Literal["pooling", "setting", "combination", "control", "baseline", "prior"]
DataName = Literal["main", "every_member", "shuffled", "masked", "reference_ld"]


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
        Of the networks that are fitted; empty for the benchmark's default pooling.
    data : str
        The data set that they are fitted to:

        - ``main``: bags of the simulated table;
        - ``every_member``: each member of a positive bag is a positive bag of its own;
        - ``shuffled``: the variants of each split are permuted among bags, whose sizes and labels stay;
        - ``masked``: a genome in which the surroundings of all variants are random;
        - ``reference_ld``: signals by the LD of a reference panel.
    settings : tuple of str
        Over the recipe's, as of ``--set``.
    start : str
        The arm whose network it fine-tunes; empty for random weights.
    student : str
        ``mean`` or ``arg_max``: a student of all members of the default pooling.
    ensemble : bool
        Whether it is the mean of the probabilities of all members of the default pooling.
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

    @property
    def fitted(self) -> bool:
        """Whether a network is fitted for it from random weights."""
        return not (self.student or self.ensemble or self.start)


POOLINGS = (
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

SETTINGS = (
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

COMBINATIONS = (
    Arm("ensemble", "combination", "ensemble", "mean probability of all members", ensemble=True),
    Arm("student_mean", "combination", "student, mean", "taught the members' mean", student="mean"),
    Arm("student_arg_max", "combination", "student, arg max", "taught the bags' best", student="arg_max"),
)

CONTROLS = (
    Arm("shuffled_labels", "control", "shuffled labels", "variants dealt anew to bags", data="shuffled"),
    Arm("masked_centre", "control", "masked centre", "14 bp on either side drawn anew", data="masked"),
    Arm(
        "reference_ld", "control", "LD of 300 others", "signals found with a reference panel",
        data="reference_ld",
    ),
)  # fmt: skip

BASELINES = (
    Arm("lowest_p", "baseline", "lowest p-value", "the GWAS alone"),
    Arm("abf", "baseline", "ABF", "PIP under one effect, uniform prior"),
    Arm("random", "baseline", "random", "chance, in closed form"),
    Arm("oracle", "baseline", "oracle", "the rule, applied to the windows of the FASTA"),
)

TRAINED = (*POOLINGS, *SETTINGS, *COMBINATIONS, *CONTROLS)
