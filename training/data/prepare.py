"""From tables to a validated data set."""

from __future__ import annotations

import collections
import dataclasses
import logging
import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import WINDOW
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.support.files import sha256_of
from mifm_kipoi.support.progress import Progress
from mifm_kipoi.version import __version__
from training.configuration import ConfigurationError, check_least, to_plain
from training.data.bags import MAX_MISMATCH_FRACTION, Bags, make_bags
from training.data.credible_sets import CredibleSetsConfig, read_credible_sets
from training.data.dataset import BAG_COLUMNS, INSTANCE_COLUMNS, DataSet
from training.data.negatives import NegativesConfig, find_negatives
from training.data.splits import SplitsConfig, assign_splits, check_no_overlap, drop_border_instances
from training.data.summary_statistics import SummaryStatisticsConfig, read_summary_statistics

log = logging.getLogger(__name__)

NO_REFERENCE, REFERENCE = "not checked", "checked"

POSITIVE, NEGATIVE = 1, 0

LARGEST_BAG = 127
"""More instances of a bag than these are not seen at once in training."""

HELD_OUT_WINDOW = WINDOW + 2 * 8
"""Base pairs around a variant that no other split may share: the window, and 8 on either side, by which the
recipes shift it."""


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What a data set is made of; either credible sets or summary statistics.

    Parameters
    ----------
    credible_sets : CredibleSetsConfig, optional
    summary_statistics : SummaryStatisticsConfig, optional
    negatives : NegativesConfig, optional
    splits : SplitsConfig
    min_bag_size : int
        Positive bags with fewer instances, after signals are apart and all filters, are left out.
    max_mismatch_fraction : float
        When more than five variants, and more than this share of those on the FASTA, have no allele that
        it has, the table is taken for one of another genome build; 1 turns the check off.
    """

    credible_sets: CredibleSetsConfig | None = None
    summary_statistics: SummaryStatisticsConfig | None = None
    negatives: NegativesConfig | None = None
    splits: SplitsConfig = dataclasses.field(default_factory=SplitsConfig)
    min_bag_size: int = 10
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION

    def __post_init__(self) -> None:
        check_least(self, min_bag_size=1)
        if not 0 <= self.max_mismatch_fraction <= 1:
            raise ValueError(
                f"max_mismatch_fraction is {self.max_mismatch_fraction}; expected a share from 0 to 1"
            )


def prepare(fasta: str, config: DataConfig) -> DataSet:
    """Make a data set from tables.

    Parameters
    ----------
    fasta : str
        Reference genome, against which every variant is checked; empty for none.
    config : DataConfig

    Returns
    -------
    DataSet
        Positive bags by place in the genome, then negative ones. ``manifest["report"]`` tells what became
        of every row (:func:`training.data.report.render`).

    Raises
    ------
    ConfigurationError
        When there is not one source of positives.
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
    counts: collections.Counter[str] = collections.Counter()
    # Before hours of work on the tables.
    inputs = _inputs(config, fasta)
    associations = _associations(config, counts)
    made = make_bags(associations, genome, config.max_mismatch_fraction)
    report: dict[str, Any] = {"source": dict(counts), "variants": made.counts}
    bags, instances = _positives(made, config, report)
    if config.negatives is not None:
        found, negative_counts = find_negatives(config.negatives, made.variants, genome)
        report["negatives"] = dict(negative_counts)
        bags, instances = _with_negatives(bags, instances, found, config, report)
    bags, instances = _split(bags, instances, config, report)
    check_no_overlap(bags, instances, HELD_OUT_WINDOW)
    report["bags"] = _bag_counts(bags, instances)
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
    return DataSet(bags, instances, manifest)


def _inputs(config: DataConfig, fasta: str) -> dict[str, str]:
    """Checksums of the files that are read."""
    names = [fasta] if fasta else []
    source = config.credible_sets or config.summary_statistics
    names += [source.path] if source else []
    if config.summary_statistics is not None:
        blocks, clumping = config.summary_statistics.ld_blocks, config.summary_statistics.clumping
        names += [blocks.path] if blocks else []
        for prefix in clumping.genotypes if clumping else ():
            names += [f"{prefix}{ending}" for ending in (".bed", ".bim", ".fam")]
    names += config.negatives.vcf if config.negatives else ()
    return {name: sha256_of(name) for name in dict.fromkeys(names)}


def _associations(config: DataConfig, counts: collections.Counter[str]) -> Iterator[pd.DataFrame]:
    """The rows of the one source that is configured."""
    progress = Progress("rows")
    try:
        if config.credible_sets is not None:
            yield from read_credible_sets(config.credible_sets, counts, progress.update)
        elif config.summary_statistics is not None:
            yield from read_summary_statistics(config.summary_statistics, counts)
    finally:
        progress.close()


def _positives(made: Bags, config: DataConfig, report: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The positive bags that are large enough after all filters, and their instances."""
    instances, across = drop_border_instances(made.instances, config.splits, HELD_OUT_WINDOW)
    bags = made.bags.assign(label=POSITIVE)
    size = instances.groupby("bag").size().reindex(bags["bag"], fill_value=0).to_numpy()
    kept = size >= config.min_bag_size
    report["filters"] = {
        "positive_bags_before": _per_signal(bags),
        "positive_instances_before": len(made.instances),
        "instances_over_the_border_of_a_split": across,
        "empty_bags": int((size == 0).sum()),
        "bags_smaller_than_min_bag_size": int(((size > 0) & ~kept).sum()),
        "instances_of_these": int(size[~kept].sum()),
        "positive_bags_after": _per_signal(bags[kept]),
    }
    if not kept.any():
        raise InputError(
            f"no positive bag has {config.min_bag_size} instances or more: {report}. Check that the FASTA "
            "has the contigs of the table, or lower data.min_bag_size"
        )
    bags = bags[kept]
    return bags, instances[instances["bag"].isin(bags["bag"])]


def _with_negatives(
    bags: pd.DataFrame,
    instances: pd.DataFrame,
    found: pd.DataFrame,
    config: DataConfig,
    report: dict[str, Any],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bags of one negative each behind the others."""
    found, across = drop_border_instances(found, config.splits, HELD_OUT_WINDOW)
    report["negatives"]["over_the_border_of_a_split"] = across
    numbers = np.arange(len(found)) + bags["bag"].max() + 1
    block = found["chrom"] + ":" + found["pos"].astype(str) + ":" + found["ref"] + ":" + found["alt"]
    negatives = pd.DataFrame(
        {
            "bag": numbers,
            "block": block.to_numpy(),
            "signal": "all",
            "chrom": found["chrom"].to_numpy(),
            "studies": 0,
            "label": NEGATIVE,
        }
    )
    alone = found.assign(bag=numbers, p_value=np.nan, z=np.nan, pip=np.nan, log_bf=np.nan)
    alone = alone.astype(INSTANCE_COLUMNS)[list(INSTANCE_COLUMNS)]
    return (
        pd.concat([bags, negatives], ignore_index=True),
        pd.concat([instances, alone], ignore_index=True),
    )


def _split(
    bags: pd.DataFrame, instances: pd.DataFrame, config: DataConfig, report: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Assign splits, leave out what is in several, and number the bags by label and place."""
    bags = bags.assign(split=assign_splits(bags, instances, config.splits, HELD_OUT_WINDOW))
    whole = bags["split"].notna()
    report["filters"]["bags_in_several_splits"] = {
        "positive": int((~whole & (bags["label"] == POSITIVE)).sum()),
        "negative": int((~whole & (bags["label"] == NEGATIVE)).sum()),
    }
    bags = bags[whole]
    by_bag = instances.groupby("bag")["pos"]
    bags = bags.assign(size=by_bag.size().reindex(bags["bag"]).to_numpy())
    first = by_bag.min().reindex(bags["bag"]).to_numpy()
    signal = bags["signal"].map({"primary": 0, "all": 0, "secondary": 1})
    order = np.lexsort(
        (
            pd.factorize(bags["block"], sort=True)[0],
            signal.to_numpy(),
            first,
            _contig_order(bags["chrom"]),
            -bags["label"].to_numpy(),
        )
    )
    bags = bags.iloc[order]
    numbers = pd.Series(np.arange(len(bags)), index=bags["bag"].to_numpy())
    instances = instances[instances["bag"].isin(bags["bag"])]
    instances = instances.assign(bag=instances["bag"].map(numbers))
    # Stable: the order within bags stays.
    instances = instances.sort_values("bag", kind="stable", ignore_index=True)
    bags = bags.assign(bag=numbers.to_numpy()).reset_index(drop=True)
    return (
        bags.astype(BAG_COLUMNS)[list(BAG_COLUMNS)],
        instances.astype(INSTANCE_COLUMNS)[list(INSTANCE_COLUMNS)],
    )


def _contig_order(chroms: pd.Series[str]) -> npt.NDArray[np.int64]:
    """Numbers first, by size; then names."""
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


def _bag_counts(bags: pd.DataFrame, instances: pd.DataFrame) -> dict[str, Any]:
    """What is in the data set, in numbers."""
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
    }
