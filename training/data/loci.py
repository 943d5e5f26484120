"""Loci: bags that are not independent of each other, and are drawn, or left out, together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mifm_kipoi.conventions import WINDOW
from training.data.dataset import DataSet


def loci(dataset: DataSet) -> npt.NDArray[np.int64]:
    """Numbers of the loci that bags are at.

    Bags of one block are at one locus: its signals are not independent, though their variants may lie apart.
    So are bags whose windows overlap, whatever the names of their blocks: traits have blocks of their own at
    the same variants. So are all bags that such pairs link.

    Parameters
    ----------
    dataset : DataSet
        Its bags reach from their first to their last window.

    Returns
    -------
    numpy.ndarray of int64, shape (bags,)
        From 0, in the order of chromosomes and of the first window of each.
    """
    half = WINDOW // 2
    by_bag = dataset.instances.groupby("bag")["pos"]
    spans = pd.DataFrame(
        {
            "chrom": dataset.bags["chrom"].to_numpy(),
            "start": by_bag.min().to_numpy() - half,
            "end": by_bag.max().to_numpy() + half,
        }
    ).sort_values(["chrom", "start"], kind="stable")
    reached = spans.groupby("chrom")["end"].cummax().shift(fill_value=0)
    begins = (spans["chrom"] != spans["chrom"].shift()) | (spans["start"] >= reached)
    overlapping = np.cumsum(begins.to_numpy()) - 1
    bags = dataset.bags.iloc[spans.index]
    block = bags.groupby(["chrom", "block"], sort=False).ngroup().to_numpy()
    # Stretches and blocks are the nodes of a graph; a bag links its own two.
    stretches, blocks = (int(ends.max(initial=-1)) + 1 for ends in (overlapping, block))
    nodes = stretches + blocks
    links = coo_array((np.ones(len(spans)), (overlapping, stretches + block)), shape=(nodes, nodes))
    _, component = connected_components(links, directed=False)
    numbers = np.empty(len(spans), dtype=np.int64)
    numbers[spans.index.to_numpy()] = pd.factorize(component[overlapping])[0]
    return numbers
