"""Labels to test scores by: variants of high PIP, each with those of low PIP that lie nearest in its bag.

A network that was trained on a data set can be tested on the bags that were held out: does it put a variant
that fine-mapping is sure of before its neighbours that fine-mapping rules out? Neighbours of the same bag
have much the same genes and composition of sequence, so that what lies at the variants themselves has to tell
them apart. A variant at the position of a positive one, such as another of its alleles, is no negative: both
have the same reference window, so that its scores cannot tell them apart.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from mifm_kipoi.errors import OptionError
from training.data.dataset import DataSet
from training.data.loci import loci

COLUMNS = ("chrom", "pos", "ref", "alt", "label", "match_group", "locus", "pip", "lead_proximity")
"""Of the table of labels: the variant (``pos`` 1-based), 1 or 0, the positive variant that it belongs to, its
locus (:func:`training.data.loci.loci`, as ``chrom:first-last``, positions), its highest PIP, and minus the
distance in bp to the variant of lowest p of its bag, NaN where the bag has neither p nor z."""

_POSITION = ["chrom", "pos"]
_VARIANT = [*_POSITION, "ref", "alt"]


@dataclasses.dataclass(frozen=True)
class Labels:
    """Labelled variants.

    Parameters
    ----------
    table : pandas.DataFrame
        With :data:`COLUMNS`; each variant once, groups one after the other, the positive variant first.
    positives : int
        Positive variants of the bags, also those without any negative one beside them, which are left out.
    """

    table: pd.DataFrame
    positives: int


def matched_labels(
    dataset: DataSet, positive: float = 0.9, negative: float = 0.01, matched: int = 9
) -> Labels:
    """Positive variants, and the negative ones that are nearest to each.

    Parameters
    ----------
    dataset : DataSet
        The bags to test on, such as those of the test split. A variant counts with its highest PIP of all
        bags and studies.
    positive, negative : float
        PIPs above the first are positive, below the second negative, unless they are at the position of a
        positive one; variants without a PIP are neither.
    matched : int
        Negative variants of the same bag for each positive one, at most; a variant belongs to one group only.

    Raises
    ------
    OptionError
        Unless 0 < ``negative`` <= ``positive`` < 1 and ``matched`` is 1 or more.
    """
    if not 0 < negative <= positive < 1:
        raise OptionError(
            f"PIPs above {positive:g} would be positive and those below {negative:g} negative; expected "
            "0 < negative <= positive < 1"
        )
    if matched < 1:
        raise OptionError(f"matched is {matched}; expected 1 or more negative variants for each positive one")
    positive_bags = (dataset.bags["label"] == 1).to_numpy()
    dataset = dataset.of_instances(positive_bags[dataset.instances["bag"].to_numpy()])
    rows = dataset.instances.assign(locus=_named_loci(dataset))
    lead = rows.groupby("bag")["pos"].transform("first")
    known = rows["p_value"].notna() | rows["z"].notna()
    # Without p and z the first variant of a bag is merely the leftmost.
    known = known.groupby(rows["bag"]).transform("any")
    rows["lead_proximity"] = -(rows["pos"] - lead).abs().where(known)
    rows["pip"] = rows.groupby(_VARIANT, sort=False)["pip"].transform("max")
    pip = rows["pip"].to_numpy(np.float64)
    first = ~rows.duplicated(_VARIANT).to_numpy()
    wanted = rows[(pip > positive) & first]
    taken = pd.MultiIndex.from_frame(rows[_POSITION]).isin(pd.MultiIndex.from_frame(wanted[_POSITION]))
    candidates = rows[(pip < negative) & first & ~taken]
    by_bag = dict(list(candidates.groupby("bag")))
    groups: list[pd.DataFrame] = []
    used: set[int] = set()
    for index, variant in wanted.iterrows():
        near = by_bag.get(variant["bag"], candidates.iloc[:0])
        near = near[~near.index.isin(used)]
        order = np.argsort(np.abs(near["pos"].to_numpy() - variant["pos"]), kind="stable")[:matched]
        if order.size:
            chosen = near.index[order]
            used.update(chosen)
            group = rows.loc[[index, *chosen]]
            label = np.arange(len(group)) == 0
            groups.append(group.assign(label=label.astype(int), match_group=len(groups)))
    table = pd.concat(groups) if groups else rows.iloc[:0].assign(label=0, match_group=0)
    return Labels(table[list(COLUMNS)].reset_index(drop=True), len(wanted))


def _named_loci(dataset: DataSet) -> pd.Series[str]:
    """The locus of each instance, by its first and last position."""
    number = loci(dataset)[dataset.instances["bag"].to_numpy()]
    by_locus = dataset.instances.groupby(number)
    first, last = by_locus["pos"].transform("min"), by_locus["pos"].transform("max")
    named: pd.Series[str] = (
        dataset.instances["chrom"].astype(str) + ":" + first.astype(str) + "-" + last.astype(str)
    )
    return named
