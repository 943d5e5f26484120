"""From tables to a validated data set, and a report on every row."""

from __future__ import annotations

import dataclasses
import logging
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import WINDOW, Status
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.row_counts import RowCounts
from mifm_kipoi.genomics.contigs import build_of, build_of_lengths, contig_key
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.support.checksums import remembered_sha256
from mifm_kipoi.support.configuration import ConfigurationError, check_least, to_plain
from mifm_kipoi.support.files import require_file
from mifm_kipoi.support.progress import Progress
from mifm_kipoi.version import __version__
from training.data.associated import AssociatedPositions
from training.data.bags import MAX_MISMATCH_FRACTION, Bags, make_bags
from training.data.credible_sets import CredibleSetsConfig, read_credible_sets
from training.data.dataset import BAG_COLUMNS, INSTANCE_COLUMNS, DataSet, Split
from training.data.effects import EffectCounts
from training.data.matched import MatchedNegatives, matched_negatives
from training.data.negatives import NegativesConfig, find_negatives
from training.data.report import counts_in_words
from training.data.splits import (
    SplitsConfig,
    assign_splits,
    check_no_overlap,
    drop_border_instances,
    split_indices,
)
from training.data.summary_statistics import SummaryStatisticsConfig, read_summary_statistics

log = logging.getLogger(__name__)

NO_REFERENCE, REFERENCE = "not checked", "checked"

POSITIVE, NEGATIVE = 1, 0

LARGEST_BAG = 127
"""Training uses at most this many instances of a bag at a time."""

HELD_OUT_WINDOW = WINDOW + 2 * 8
"""Length in bp of the region around a variant that no other split may overlap: the window, and 8 bp on either
side, by which the recipes shift it. Bases of REF but the first come on top (:mod:`training.data.splits`)."""

_ADVICE = {
    Status.CONTIG_NOT_IN_FASTA: "Use a FASTA with the contigs of the table",
    Status.POSITION_OUTSIDE_CONTIG: "The positions are beyond the ends of the FASTA's contigs: use the whole "
    "genome, of the table's build",
    Status.REF_MISMATCH: "Use the FASTA of the table's genome build",
    Status.TOO_MANY_N: "Use a FASTA without masked bases, of the table's genome build",
}
"""What to do when most variants cannot be used for a reason."""


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What a data set is made of; either credible sets or summary statistics.

    Parameters
    ----------
    credible_sets : CredibleSetsConfig, optional
        A table of credible sets, whose blocks and signals are the positive bags.
    summary_statistics : SummaryStatisticsConfig, optional
        Summary statistics of a GWAS, whose LD blocks or clumps are the positive bags.
    negatives : NegativesConfig, optional
        Where common variants come from, each of which is a negative bag; without it there are none.
    splits : SplitsConfig
        Which regions are held out for validation and test.
    min_bag_size : int
        Positive bags with fewer instances are left out, after signals are separated and all filters applied.
    max_mismatch_fraction : float
        When more than five variants, and more than this fraction of those on contigs of the FASTA, have no
        allele of the FASTA, the table is taken to be of another genome build; 1 turns the check off.
    """

    credible_sets: CredibleSetsConfig | None = None
    summary_statistics: SummaryStatisticsConfig | None = None
    negatives: NegativesConfig | None = None
    splits: SplitsConfig = dataclasses.field(default_factory=SplitsConfig)
    min_bag_size: int = 1
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION

    def __post_init__(self) -> None:
        check_least(self, min_bag_size=1)
        if not 0 <= self.max_mismatch_fraction <= 1:
            raise ValueError(f"max_mismatch_fraction is {self.max_mismatch_fraction}; expected 0 to 1")


@dataclasses.dataclass(frozen=True)
class _Tables:
    """Bags without sizes, and their instances, on the way to a data set.

    Parameters
    ----------
    bags : pandas.DataFrame
        One row per bag: :data:`training.data.dataset.BAG_COLUMNS` without ``split`` and ``size``.
    instances : pandas.DataFrame
        One row per variant of a bag: :data:`training.data.dataset.INSTANCE_COLUMNS`, and ``row``, that of a
        positive in :attr:`training.data.bags.Bags.instances`.
    """

    bags: pd.DataFrame
    instances: pd.DataFrame


def prepare(fasta: str, config: DataConfig) -> DataSet:
    """Make a data set from tables.

    Parameters
    ----------
    fasta : str
        Path of the reference genome, against which every variant is checked; empty for no check.
    config : DataConfig
        The tables, and what is done with them.

    Returns
    -------
    DataSet
        Positive bags by genomic position, then negative ones. ``manifest["report"]`` says what became of
        every row (:func:`training.data.report.render`).

    Raises
    ------
    ConfigurationError
        When the configuration has no source of positives, or two.
    MIFMError
        When an input cannot be read, or no positive bag is left.
    """
    if (config.credible_sets is None) == (config.summary_statistics is None):
        given = "both" if config.credible_sets else "neither"
        raise ConfigurationError(
            f"data has {given} of credible_sets and summary_statistics; expected one of them, such as "
            "data: {credible_sets: {path: credible_set.txt.gz}}"
        )
    genome = Genome(fasta) if fasta else None
    # Before hours of work on the tables.
    inputs = _inputs(config, fasta)
    counts = RowCounts()
    associated = AssociatedPositions()
    effects = EffectCounts()
    rows = _associations(config, genome, counts, associated, effects)
    lead_p_value = config.credible_sets.lead_p_value if config.credible_sets else None
    made = make_bags(rows, genome, _max_mismatch_fraction(config), lead_p_value)
    effects.warn()
    report: dict[str, Any] = {
        "source": counts.to_dict(),
        "examples": {reason: [str(one) for one in some] for reason, some in counts.examples.items()},
        "notes": counts.notes,
        "associated": dict(associated.counts()),
        "effects": effects.to_dict(),
        "variants": made.counts,
    }
    tables, report["filters"] = _positives(made, config)
    if config.negatives is not None:
        if associated.rows_without_place:
            log.warning(
                "%d associated rows have no place that can be read: their variants cannot be kept out of the "
                "negatives",
                associated.rows_without_place,
            )
        build = _build(config, genome, counts)
        if config.negatives.bags == "matched":
            matched = _matched(config, tables, made, genome, associated, build)
            report["negatives"], report["matching"] = dict(matched.counts), matched.matching
            bag, negatives = matched.instances["set"].to_numpy(), matched.instances
        else:
            negatives, negative_counts = find_negatives(
                config.negatives, made.variants, genome, associated, build
            )
            negatives, crossing = drop_border_instances(negatives, config.splits, HELD_OUT_WINDOW)
            report["negatives"] = {**negative_counts, "over_the_border_of_a_split": crossing}
            bag = np.arange(len(negatives))
        tables = _with_negatives(tables, negatives, bag)
    tables, report["filters"]["bags_in_several_splits"] = _split(tables, config)
    report["associated"]["in_no_bag"] = _in_no_bag(counts, made, report["filters"])
    check_no_overlap(tables.bags, tables.instances, HELD_OUT_WINDOW)
    _warn_without_validation(tables.bags)
    dataset = _dataset(tables, made)
    _warn_without_bayes_factors(dataset, config)
    report["bags"] = _bag_counts(dataset)
    manifest = {
        "command": "python -m training data",
        "version": __version__,
        "packages": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "pandas", "pyarrow")},
        },
        "configuration": {"fasta": fasta, "data": to_plain(config)},
        "inputs": [{"path": path, "sha256": checksum} for path, checksum in inputs.items()],
        "reference": REFERENCE if genome else NO_REFERENCE,
        "report": report,
    }
    return dataclasses.replace(dataset, manifest=manifest)


def _inputs(config: DataConfig, fasta: str) -> dict[str, str]:
    """Checksums of the input files, by path."""
    names = [fasta] if fasta else []
    source = _source(config)
    names += [source.path, *([source.lift_over] if source.lift_over else [])]
    if config.credible_sets is not None and config.credible_sets.meta:
        names.append(config.credible_sets.meta)
    if config.summary_statistics is not None:
        names += [config.summary_statistics.positions] if config.summary_statistics.positions else []
        blocks, clumping = config.summary_statistics.ld_blocks, config.summary_statistics.clumping
        names += [blocks.path] if blocks else []
        for prefix in clumping.genotypes if clumping else ():
            names += [f"{prefix}{ending}" for ending in (".bed", ".bim", ".fam")]
    names += config.negatives.vcf if config.negatives else ()
    for name in names:
        require_file(name)
    checksums = {}
    with Progress("checksums of inputs") as progress:
        for number, name in enumerate(dict.fromkeys(names), start=1):
            checksums[name] = remembered_sha256(name)
            progress.update(number)
    return checksums


def _source(config: DataConfig) -> CredibleSetsConfig | SummaryStatisticsConfig:
    """The one source of positives."""
    source = config.credible_sets or config.summary_statistics
    assert source is not None
    return source


def _max_mismatch_fraction(config: DataConfig) -> float:
    """The limit, which a user who insists on an implausible table does not want."""
    return 1.0 if _source(config).allow_implausible else config.max_mismatch_fraction


def _associations(
    config: DataConfig,
    genome: Genome | None,
    counts: RowCounts,
    associated: AssociatedPositions,
    effects: EffectCounts,
) -> Iterator[pd.DataFrame]:
    """The rows of the configured source, and a word on the console on what became of them."""
    progress = Progress("rows")
    try:
        if config.credible_sets is not None:
            yield from read_credible_sets(
                config.credible_sets, counts, progress.update, associated=associated, effects=effects
            )
        elif config.summary_statistics is not None:
            yield from read_summary_statistics(
                config.summary_statistics, counts, progress.update, associated=associated, effects=effects
            )
        if genome is not None:
            _check_contigs(genome, counts)
    finally:
        progress.close()
        if counts.read:
            log.info("%s: %s", _source(config).path, counts.in_words())


def _check_contigs(genome: Genome, counts: RowCounts) -> None:
    """Warn of contigs that the FASTA lacks.

    Raises
    ------
    InputError
        When the table names its contigs by accessions of another build.
    """
    counts.contigs.check(genome.contigs, genome.path)
    keys = {contig_key(name) for name in counts.contigs.rows}
    known = [key for key in keys if genome.find_contig(key) is not None]
    if strange := counts.contigs.unmatched(known, f"the FASTA {genome.path}"):
        counts.note(strange)


def _build(config: DataConfig, genome: Genome | None, counts: RowCounts) -> str:
    """The build of the FASTA, or else of the table, by their contigs; empty where these do not say it."""
    stated = {build_of(name) for name in counts.contigs.rows} - {""}
    of_table = stated.pop() if stated and not _source(config).lift_over else ""
    return (build_of_lengths(genome.contigs) if genome is not None else "") or of_table


def _positives(made: Bags, config: DataConfig) -> tuple[_Tables, dict[str, Any]]:
    """The positive bags that are large enough after all filters, and counts of what was left out."""
    numbered = made.instances.assign(row=np.arange(len(made.instances)))
    instances, crossing = drop_border_instances(numbered, config.splits, HELD_OUT_WINDOW)
    bags = made.bags.assign(label=POSITIVE)
    size = instances.groupby("bag").size().reindex(bags["bag"], fill_value=0).to_numpy()
    kept = size >= config.min_bag_size
    if not kept.any():
        raise InputError(_no_positive_bag(made, crossing, int(size.max()), config.min_bag_size))
    counts = {
        "positive_bags_before": _per_signal(bags),
        "positive_instances_before": len(made.instances),
        "instances_over_the_border_of_a_split": crossing,
        "empty_bags": int((size == 0).sum()),
        "bags_smaller_than_min_bag_size": int(((size > 0) & ~kept).sum()),
        "instances_of_these": int(size[~kept].sum()),
        "positive_bags_after": _per_signal(bags[kept]),
    }
    bags = bags[kept]
    return _Tables(bags, instances[instances["bag"].isin(bags["bag"])]), counts


def _in_no_bag(counts: RowCounts, made: Bags, filters: Mapping[str, Any]) -> dict[str, int]:
    """What the table associates and no bag holds, by reason."""
    statuses: Mapping[str, int] = made.counts.get("orientation", {})
    by_reason = {
        **{
            f"{reason} (rows)": number
            for reasons in (counts.refused, counts.left_out)
            for reason, number in reasons.most_common()
        },
        **{f"{name} (variants)": number for name, number in statuses.items() if name != Status.OK},
        "over the border of a split (instances)": filters["instances_over_the_border_of_a_split"],
        "in a bag that is too small (instances)": filters["instances_of_these"],
        "in several splits (bags)": filters["bags_in_several_splits"]["positive"],
    }
    return {reason: number for reason, number in by_reason.items() if number}


def _no_positive_bag(made: Bags, crossing: int, largest: int, min_bag_size: int) -> str:
    """Why no positive bag is left, and what to do about the most frequent reason."""
    statuses: dict[str, int] = made.counts.get("orientation", {})
    reasons = {name: number for name, number in statuses.items() if name != Status.OK}
    message = f"no positive bag has {min_bag_size} instances or more; the largest has {largest}. "
    if reasons:
        message += f"Of {made.counts['variants']:,} variants {counts_in_words(reasons)}. "
    if absent := made.counts.get("contigs_not_in_fasta"):
        message += f"The FASTA lacks the contigs {', '.join(absent[:5])}{' ...' if absent[5:] else ''}. "
    if crossing:
        message += f"{crossing:,} instances were dropped at the borders of data.splits. "
    if sum(reasons.values()) * 2 > made.counts["variants"]:
        return message + _ADVICE[Status(max(reasons, key=lambda name: reasons[name]))]
    if crossing * 2 > len(made.instances):
        return message + "Choose other regions in data.splits"
    return message + "Lower data.min_bag_size"


def _warn_without_bayes_factors(dataset: DataSet, config: DataConfig) -> None:
    """Say it now, not after hours, if ``fit`` would leave studies out for want of Bayes factors."""
    missing = dataset.evidence["log_bf"].isna()
    if missing.any():
        log.warning(
            "no Bayes factor (log_bf) can be computed for %d of %d rows of studies, and fit leaves out the "
            "%d of %d studies of signals that have such rows unless another fit.objective.pooling is chosen. "
            "To compute it, name %s",
            int(missing.sum()),
            len(missing),
            dataset.evidence["study"][missing].nunique(),
            len(dataset.studies),
            "z or beta, and standard_error, or maf and sample_size, in data.credible_sets"
            if config.credible_sets
            else "beta and standard_error, or z, a frequency and sample_size, in data.summary_statistics",
        )


def _warn_without_validation(bags: pd.DataFrame) -> None:
    """Say it now if ``fit`` would have nothing to monitor."""
    if not (bags["split"] == Split.VALIDATION.value).any():
        log.warning(
            "there are no bags for validation, and fit refuses such a data set unless fit.monitor=last; "
            "choose other regions in data.splits.validation"
        )


def _matched(
    config: DataConfig,
    tables: _Tables,
    made: Bags,
    genome: Genome | None,
    associated: AssociatedPositions,
    build: str,
) -> MatchedNegatives:
    """Negative bags for studies of the positive bags that lie in one split."""
    assert config.negatives is not None
    instances = tables.instances
    split = split_indices(instances, config.splits, HELD_OUT_WINDOW)
    by_bag = pd.Series(split).groupby(instances["bag"].to_numpy())
    whole = instances["bag"].isin(by_bag.min().index[by_bag.min() == by_bag.max()]).to_numpy()
    generator = np.random.default_rng(config.negatives.seed)
    rows, sets = made.studies.draw(
        instances["row"].to_numpy()[whole],
        instances["bag"].to_numpy()[whole],
        config.negatives.matched_per_bag,
        generator,
    )
    return matched_negatives(
        config.negatives,
        made.variants,
        made.instances.iloc[rows],
        sets,
        config.splits,
        HELD_OUT_WINDOW,
        genome,
        associated,
        build,
        made.instances[["bag", "chrom", "pos"]],
    )


def _with_negatives(
    positives: _Tables, negatives: pd.DataFrame, bag_of_negative: npt.NDArray[np.int64]
) -> _Tables:
    """The positive bags, followed by the bags of the negatives, which are in order of these bags."""
    _, codes = np.unique(bag_of_negative, return_inverse=True)
    numbers = codes + positives.bags["bag"].max() + 1
    firsts = np.flatnonzero(np.diff(codes, prepend=-1))
    first, last = negatives.iloc[firsts], negatives.iloc[np.append(firsts[1:], len(negatives)) - 1]
    names = first["chrom"] + ":" + first["pos"].astype(str)
    alone = names + ":" + first["ref"] + ":" + first["alt"]
    several = names + "-" + last["pos"].astype(str).to_numpy()
    sizes = np.diff(np.append(firsts, len(negatives)))
    bags = pd.DataFrame(
        {
            "bag": numbers[firsts],
            "block": alone.where(sizes == 1, several).to_numpy(),
            "signal": "all",
            "chrom": first["chrom"].to_numpy(),
            "studies": 0,
            "label": NEGATIVE,
        }
    )
    instances = negatives.assign(bag=numbers, p_value=np.nan, z=np.nan, pip=np.nan, log_bf=np.nan)
    instances = instances.astype(INSTANCE_COLUMNS)[list(INSTANCE_COLUMNS)].assign(row=-1)
    return _Tables(
        pd.concat([positives.bags, bags], ignore_index=True),
        pd.concat([positives.instances, instances], ignore_index=True),
    )


def _split(tables: _Tables, config: DataConfig) -> tuple[_Tables, dict[str, int]]:
    """Assign splits and number the bags by label and position; bags in several splits are left out.

    Returns the tables, the bags with splits and sizes, and the numbers of bags that were left out.
    """
    splits = assign_splits(tables.bags, tables.instances, config.splits, HELD_OUT_WINDOW)
    whole = splits.notna()
    label = tables.bags["label"]
    several = {
        "positive": int((~whole & (label == POSITIVE)).sum()),
        "negative": int((~whole & (label == NEGATIVE)).sum()),
    }
    bags = tables.bags.assign(split=splits)[whole]
    by_bag = tables.instances.groupby("bag")["pos"]
    bags = bags.assign(size=by_bag.size().reindex(bags["bag"]).to_numpy())
    order = np.lexsort(
        (
            pd.factorize(bags["block"], sort=True)[0],
            bags["signal"].map({"primary": 0, "all": 0, "secondary": 1}).to_numpy(),
            by_bag.min().reindex(bags["bag"]).to_numpy(),
            _contig_order(bags["chrom"]),
            -bags["label"].to_numpy(),
        )
    )
    bags = bags.iloc[order]
    numbers = pd.Series(np.arange(len(bags)), index=bags["bag"].to_numpy())
    instances = tables.instances[tables.instances["bag"].isin(bags["bag"])]
    instances = instances.assign(bag=instances["bag"].map(numbers))
    # Stable: the order within bags stays.
    instances = instances.sort_values("bag", kind="stable", ignore_index=True)
    bags = bags.assign(bag=numbers.to_numpy()).reset_index(drop=True)
    return _Tables(bags.astype(BAG_COLUMNS)[list(BAG_COLUMNS)], instances), several


def _dataset(tables: _Tables, made: Bags) -> DataSet:
    """The data set, without a manifest, of bags and instances in their order; positives come first."""
    positives = tables.instances[tables.instances["row"] >= 0]
    studies, evidence = made.studies.tables(positives["row"].to_numpy(), positives["bag"].to_numpy())
    # Of a study the border of a split can have taken all variants.
    number = np.bincount(studies["bag"], minlength=len(tables.bags))
    bags = tables.bags.assign(studies=number).astype(BAG_COLUMNS)
    instances = tables.instances[list(INSTANCE_COLUMNS)].astype(INSTANCE_COLUMNS)
    return DataSet(bags, instances, studies, evidence, {})


def _contig_order(chroms: pd.Series[str]) -> npt.NDArray[np.int64]:
    """Ranks of contigs: numbered ones first, in the order of their numbers, then the others by name."""
    keys = {chrom: contig_key(chrom).removeprefix("chr") for chrom in chroms.unique()}
    ordered = sorted(
        keys,
        key=lambda chrom: (
            not keys[chrom].isdigit(),
            int(keys[chrom]) if keys[chrom].isdigit() else 0,
            keys[chrom],
        ),
    )
    return chroms.map({chrom: number for number, chrom in enumerate(ordered)}).to_numpy(np.int64)


def _per_signal(bags: pd.DataFrame) -> dict[str, int]:
    return {str(signal): int(number) for signal, number in bags["signal"].value_counts().sort_index().items()}


def _bag_counts(dataset: DataSet) -> dict[str, Any]:
    """The contents of the data set in numbers."""
    bags, instances, studies = dataset.bags, dataset.instances, dataset.studies
    positive = bags[bags["label"] == POSITIVE]
    of_positives = instances[instances["bag"] < len(positive)]
    in_bags = of_positives.groupby(["chrom", "pos", "ref", "alt"]).size()
    quantiles = positive["size"].quantile([0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
    table = bags.groupby(["split", "label"], as_index=False)["size"].agg(["count", "sum"])
    return {
        "per_split_and_label": [
            {"split": str(split), "label": int(label), "bags": int(number), "instances": int(total)}
            for split, label, number, total in table.itertuples(index=False)
        ],
        "positive_bags": _per_signal(positive),
        "positive_bag_size_quantiles": {f"{level:.2f}": float(size) for level, size in quantiles.items()},
        f"positive_bags_larger_than_{LARGEST_BAG}": int((positive["size"] > LARGEST_BAG).sum()),
        "positive_variants": len(in_bags),
        "positive_variants_in_several_bags": int((in_bags > 1).sum()),
        "studies_per_positive_bag_median": float(positive["studies"].median()),
        "studies": int(studies["study"].nunique()),
        "studies_of_positive_bags": len(studies),
        "variants_of_studies": len(dataset.evidence),
        "sum_of_weights_of_studies": round(float(studies["weight"].sum()), 1),
    }
