"""How large a cohort is, and what its traits are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from benchmarks.known_truth.sizes import SIMULATIONS, Simulation

DISCOVERY, REPLICATION = "CEU_discovery", "CEU_replication"
"""The samples with a GWAS of their own."""


def population_of(sample: str) -> str:
    """CEU, YRI or CHB: what the name of a sample begins with."""
    return sample.partition("_")[0]


@dataclasses.dataclass(frozen=True)
class Trait:
    """A trait of the cohort.

    Parameters
    ----------
    name : str
        Column of the phenotypes.
    prevalence : float, optional
        Fraction of cases in the discovery sample; none of a quantitative trait.
    """

    name: str
    prevalence: float | None = None


TRAITS = (
    Trait("q1"), Trait("q2"), Trait("q3"), Trait("q4"),
    Trait("b1", 0.1), Trait("b2", 0.2), Trait("b3", 0.3), Trait("b4", 0.5),
)  # fmt: skip
"""Four quantitative and four binary ones."""


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Everything that a cohort depends on.

    Parameters
    ----------
    loci : int
        Independent regions, each of one genealogy of its own, which no other simulation has.
    contigs : int
        Over which the loci are divided.
    length : int
        Base pairs of a locus.
    samples : mapping of str to int
        Individuals of each sample, whose name begins with its population.
    causal_variance : float
        Mean fraction of a trait's variance (of its liability, for a binary one), but for covariates, that a
        causal variant explains in the discovery sample.
    pleiotropy : float
        Probability that a causal variant acts on a trait; it acts on one at least.
    rule : Simulation
        Of the design ``real``: motifs and rule, recombination rate, numbers of causal variants, fraction of
        loci whose signal comes from a variant that is in no file, smallest frequency. Networks that were
        trained on a simulation of the same seed and constants know the rule and none of these loci.
    effects : int
        L of SuSiE.
    seed : int
        Of all random numbers but the rule's.
    """

    loci: int
    contigs: int
    length: int
    samples: Mapping[str, int]
    causal_variance: float
    pleiotropy: float = 0.5
    rule: Simulation = SIMULATIONS["real"]["small"]
    effects: int = 5
    seed: int = 1

    def __post_init__(self) -> None:
        if self.loci % self.contigs:
            raise ValueError(
                f"{self.loci} loci on {self.contigs} contigs; expected as many loci on each contig"
            )

    @property
    def simulation(self) -> Simulation:
        """The rule on loci of this length, for :func:`benchmarks.known_truth.factorial.make_locus`."""
        return dataclasses.replace(self.rule, length=self.length)

    @property
    def loci_of_contig(self) -> int:
        """Loci on each contig."""
        return self.loci // self.contigs

    @property
    def contig_length(self) -> int:
        """Base pairs of each contig: its loci, one behind the other."""
        return self.length * self.loci_of_contig


def _samples(cohort: int, target: int) -> dict[str, int]:
    return {
        DISCOVERY: cohort, REPLICATION: cohort, "CEU_target": target, "YRI_target": target,
        "CHB_target": target,
    }  # fmt: skip


SIZES = {
    "tiny": Cohort(8, 4, 30_000, _samples(600, 200), 0.05),
    # As far from 0 as in 'full': n times the variance of a causal variant is 60 in both.
    "small": Cohort(40, 10, 100_000, _samples(10_000, 2_000), 0.006),
    "full": Cohort(80, 16, 100_000, _samples(20_000, 5_000), 0.003),
}
"""By name; ``tiny`` is for tests."""
