"""How large a simulation is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from benchmarks.known_truth.arms import TRAINED

DISCOVERY, REFERENCE_PANEL = "CEU", "CEU_reference"
"""The samples whose LD the GWAS has, and others of the same population, for LD from a reference panel."""


@dataclasses.dataclass(frozen=True)
class Simulation:
    """Everything that a simulation depends on.

    Parameters
    ----------
    genealogies : int
        Independent regions.
    contigs : int
        Contigs over which the genealogies are divided; splits are made of contigs: an eighth for
        validation, a fifth for test.
    redraws : int
        How often sequence and causal variants are drawn for each genealogy. A draw is a locus; the
        loci of one redraw are those of one trait.
    length : int
        Base pairs of a locus.
    diploids : mapping of str to int
        Individuals of :data:`DISCOVERY`, :data:`REFERENCE_PANEL`, YRI and CHB.
    min_maf : float
        Sites with a smaller frequency of the rarer allele in :data:`DISCOVERY` are left out of every file.
    sample_size : int
        Of the GWAS.
    causal_variance : float
        Fraction of the trait's variance that each causal variant explains.
    causal_counts : tuple of float
        Probabilities of one, two ... causal variants at a locus.
    absent_share : float
        Fraction of loci whose signal comes from a variant that is in no file.
    decoy_shares : mapping of str to float
        Fraction of variants that become a decoy of each class of :class:`benchmarks.known_truth.rule.Kind`.
    member_p_value, member_r2 : float
        A signal's rows are the variants up to this p-value and from this r2 with the lead variant on.
    heritability : float
        Of the phenotypes.
    seed : int
        Of all random numbers.
    """

    genealogies: int
    contigs: int
    redraws: int
    length: int
    diploids: Mapping[str, int]
    min_maf: float = 0.01
    sample_size: int = 150_000
    causal_variance: float = 0.0015
    causal_counts: tuple[float, ...] = (0.7, 0.2, 0.1)
    absent_share: float = 0.15
    decoy_shares: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: {
            "near_motif": 0.15, "uninformative_base": 0.03, "no_cofactor": 0.03, "repressor": 0.03,
        }
    )  # fmt: skip
    member_p_value: float = 1e-5
    member_r2: float = 0.3
    heritability: float = 0.3
    seed: int = 1

    def __post_init__(self) -> None:
        if self.contigs < 3 or self.genealogies % self.contigs:
            raise ValueError(
                f"{self.genealogies} genealogies on {self.contigs} contigs; expected three contigs or more, "
                "and as many genealogies on each"
            )

    @property
    def contig_length(self) -> int:
        """Base pairs of a contig: the loci of its genealogies, one behind the other."""
        return self.length * self.redraws * (self.genealogies // self.contigs)


@dataclasses.dataclass(frozen=True)
class Size:
    """A size of the benchmark.

    Parameters
    ----------
    simulation : Simulation
        What is simulated.
    recipe : str
        Name of a file in ``recipes``: what all arms are fitted with.
    arms : tuple of str
        Names of arms that are trained by default.
    pooling : str
        Of the arms that name none: the default of the recipes.
    members : int
        Networks of the default pooling that differ in their seed; other arms have one.
    """

    simulation: Simulation
    recipe: str
    arms: tuple[str, ...]
    pooling: str
    members: int


_ALL = tuple(arm.name for arm in TRAINED)
_RARE = ("generalised_mean", "additive_attention")
"""Near others, and left to --arms where there is little time."""

SIZES = {
    "smoke": Size(
        Simulation(
            60, 12, 6, 50_000, {DISCOVERY: 500, REFERENCE_PANEL: 100, "YRI": 50, "CHB": 50},
        ),
        "smoke", ("single_effect", "shuffled_labels", "masked_centre"), "single_effect", 1,
    ),
    "small": Size(
        Simulation(
            240, 24, 6, 100_000, {DISCOVERY: 2_000, REFERENCE_PANEL: 300, "YRI": 300, "CHB": 300},
        ),
        "small", tuple(name for name in _ALL if name not in _RARE), "single_effect", 3,
    ),
    "full": Size(
        Simulation(
            3_000, 150, 4, 250_000, {DISCOVERY: 20_000, REFERENCE_PANEL: 1_000, "YRI": 5_000, "CHB": 5_000},
            sample_size=300_000, causal_variance=0.001,
        ),
        "full", _ALL, "single_effect", 5,
    ),
}  # fmt: skip
