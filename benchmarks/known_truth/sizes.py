"""How large a simulation is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

Design = Literal["clear", "real"]

DISCOVERY, REFERENCE_PANEL = "CEU", "CEU_reference"
"""The samples whose LD the GWAS has, and others of the same population, for LD from a reference panel."""

_PANEL = "_reference"


def population_of(sample: str) -> str:
    """The population of a sample: a panel has the name of its population with ``_reference``."""
    return sample.removesuffix(_PANEL)


def panel_of(sample: str) -> str:
    """The reference panel of a sample's population."""
    return f"{population_of(sample)}{_PANEL}"


@dataclasses.dataclass(frozen=True)
class Binding:
    """Constants of the design ``real``: motifs, and what is planted at variants.

    Parameters
    ----------
    causal_motifs : int
        Motifs whose affinity causal variants change; there are a co-factor and a repressor beside them.
    causal_bits, gate_bits : tuple of float
        Lowest and highest information of the causal motifs, and of co-factor and repressor, in bits.
    widths : tuple of int
        Smallest and largest width of motifs; a site over a variant lies in the centre that masking swaps.
    site_p_value : float
        Probability that a placement on one strand of random bases is a site: what the threshold of each
        motif is derived from (FIMO's default).
    min_change : float
        Smallest change of affinity, which is between 0 and 1, of a causal variant.
    gain_fraction : float
        Of the plantings over informative bases, those at which REF is not the base of the site. A third of
        them gets the base of the site as ALT, so that gains are half of the causal variants.
    plantings_per_causal : float
        Plantings over informative bases with the co-factor and without the repressor, for each causal
        variant; the rest have another alternative allele.
    planted : float
        Fraction of the variants with room at which anything is planted.
    places : mapping of str to float
        Probabilities of where the causal motif is planted: over an informative base, over a free base,
        beside, absent. Place, co-factor and repressor are independent of each other: a full factorial.
    cofactor, repressor : float
        Probabilities of these motifs.
    """

    causal_motifs: int = 4
    causal_bits: tuple[float, float] = (11.0, 14.0)
    gate_bits: tuple[float, float] = (12.0, 14.0)
    widths: tuple[int, int] = (9, 15)
    site_p_value: float = 1e-4
    min_change: float = 0.25
    gain_fraction: float = 0.75
    plantings_per_causal: float = 2.2
    planted: float = 0.9
    places: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: {"informative": 0.3, "free": 0.2, "beside": 0.25, "absent": 0.25}
    )
    cofactor: float = 0.6
    repressor: float = 0.35


@dataclasses.dataclass(frozen=True)
class StudyDesign:
    """Constants of the design ``real``: traits and studies.

    Parameters
    ----------
    studies_per_trait : tuple of int
        How many studies each trait has.
    case_control : tuple of bool
        Whether each trait is one of cases and controls; effects are log odds ratios then.
    sample_sizes : tuple of int
        Smallest and largest n; the largest is that of one study of :data:`DISCOVERY` for each trait.
    ancestries : mapping of str to float
        Probabilities of the samples that the other studies are of.
    missing : float
        Highest fraction of variants that a study does not have, beside those that are rare in its sample.
    trait_counts : tuple of float
        Probabilities that a locus has causal variants for one, two ... traits.
    shared : float
        Probability that a causal variant acts on each trait of its locus; it acts on one at least.
    mean_z : tuple of float
        Lowest expectation, and mean of what exponentially comes on top, of the size of z in the trait's
        largest study at the causal variant of a locus with the largest change of affinity.
    genome_loci : int
        Loci, one after the other on a contig, that stand for the genome of a study: where it has no hit among
        them, the best of them is reported all the same.
    extra_rows : float
        Rows beside the 95 % set, as fraction of it: 9 % of CAUSALdb2's rows are in sets of other tools alone.
    """

    studies_per_trait: tuple[int, ...] = (1, 5, 10, 16)
    case_control: tuple[bool, ...] = (False, True, False, True)
    sample_sizes: tuple[int, int] = (80_000, 500_000)
    ancestries: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: {"CEU": 0.7, "CHB": 0.15, "YRI": 0.15}
    )
    missing: float = 0.15
    trait_counts: tuple[float, ...] = (0.5, 0.3, 0.2)
    shared: float = 0.6
    mean_z: tuple[float, float] = (5.5, 2.0)
    genome_loci: int = 20
    extra_rows: float = 0.1


@dataclasses.dataclass(frozen=True)
class Simulation:
    """Everything that a simulation depends on.

    Parameters
    ----------
    genealogies : int
        Independent regions.
    contigs : int
        Contigs over which the genealogies are divided, at most 22, for CAUSALdb's table names the sex
        chromosomes 23 to 26; splits are made of contigs: an eighth for
        validation, a fifth for test.
    redraws : int
        How often sequence and causal variants are drawn for each genealogy. A draw is a locus; the
        loci of one redraw are those of one trait.
    length : int
        Base pairs of a locus.
    diploids : mapping of str to int
        Individuals of :data:`DISCOVERY`, :data:`REFERENCE_PANEL`, YRI and CHB, and of panels of these two.
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
    recombination_rate : float
        Per base pair and generation.
    seed : int
        Of all random numbers.
    design : str
        ``clear``: certain motifs on one strand, one study, loss of function. ``real``: weight matrices, gain
        and loss, several traits and studies.
    binding, studies : Binding, StudyDesign
        Of the design ``real``; it has nothing of ``sample_size``, ``causal_variance``, ``decoy_shares``,
        ``member_p_value`` and ``heritability``.
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
    recombination_rate: float = 1e-8
    seed: int = 1
    design: Design = "clear"
    binding: Binding = Binding()
    studies: StudyDesign = StudyDesign()

    def __post_init__(self) -> None:
        if not 3 <= self.contigs <= 22 or self.genealogies % self.contigs:
            raise ValueError(
                f"{self.genealogies} genealogies on {self.contigs} contigs; expected 3 to 22 contigs, "
                "and as many genealogies on each"
            )

    @property
    def contig_length(self) -> int:
        """Base pairs of a contig: the loci of its genealogies, one behind the other."""
        return self.length * self.redraws * (self.genealogies // self.contigs)


SIMULATIONS: Mapping[Design, Mapping[str, Simulation]] = {
    "clear": {
        "smoke": Simulation(60, 12, 6, 50_000, {DISCOVERY: 500, REFERENCE_PANEL: 100, "YRI": 50, "CHB": 50}),
        "small": Simulation(
            240, 20, 6, 100_000, {DISCOVERY: 2_000, REFERENCE_PANEL: 300, "YRI": 300, "CHB": 300},
        ),
        "full": Simulation(
            3_000, 20, 4, 250_000, {DISCOVERY: 20_000, REFERENCE_PANEL: 1_000, "YRI": 5_000, "CHB": 5_000},
            sample_size=300_000, causal_variance=0.001,
        ),
    },
    # As between hotspots, where most of the genome recombines less than on average. With 2e-9 the sizes of
    # sets and their highest PIPs lie near those of CAUSALdb2's extract, in which the highest ABF PIP of a
    # primary signal has quartiles of 0.12, 0.25 and 0.53 and exceeds 0.9 in 13 % of cases, and its size has
    # quartiles of 5, 13 and 34 variants.
    "real": {
        "smoke": Simulation(
            120, 12, 1, 30_000,
            {
                DISCOVERY: 400, REFERENCE_PANEL: 200, "CHB": 150, "CHB_reference": 100,
                "YRI": 150, "YRI_reference": 100,
            },
            recombination_rate=1e-9, design="real",
        ),
        "small": Simulation(
            4_000, 20, 1, 50_000,
            {
                DISCOVERY: 1_000, REFERENCE_PANEL: 1_000, "CHB": 500, "CHB_reference": 300,
                "YRI": 500, "YRI_reference": 300,
            },
            recombination_rate=2e-9, design="real",
        ),
        "full": Simulation(
            12_000, 20, 1, 100_000,
            {
                DISCOVERY: 4_000, REFERENCE_PANEL: 2_000, "CHB": 1_000, "CHB_reference": 500,
                "YRI": 1_000, "YRI_reference": 500,
            },
            recombination_rate=2e-9, design="real",
        ),
    },
}  # fmt: skip
"""By design and size."""
