"""Principal components of ancestry from genotypes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Dosages = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

COMPONENTS = 4

MIN_MAF, MAX_R2, MOST = 0.05, 0.1, 12
"""Of variants that components are made of: smallest frequency, highest r2, how many of a locus at most."""


def independent(dosages: Dosages) -> npt.NDArray[np.int64]:
    """Choose variants of a locus, from its first one on, that are common and in little LD with each other.

    Parameters
    ----------
    dosages : numpy.ndarray of uint8, shape (sites, diploids)
        Of one sample.

    Returns
    -------
    numpy.ndarray of int64
        Rising numbers of sites.
    """
    frequency = dosages.mean(axis=1) / 2
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= MIN_MAF)
    if not common.size:
        return common
    r2 = np.atleast_2d(np.corrcoef(dosages[common].astype(np.float64))) ** 2
    chosen: list[int] = []
    for site in range(common.size):
        if len(chosen) < MOST and (r2[site, chosen] < MAX_R2).all():
            chosen.append(site)
    return common[chosen]


def components(
    dosages: Mapping[str, Dosages], reference: list[str], count: int = COMPONENTS
) -> dict[str, Values]:
    """Principal components of some samples, onto which all are projected.

    Genotypes are standardised by the frequencies of the reference samples (Price et al. 2006, Nat Genet
    38:904). The axes are the right singular vectors of the reference's matrix. Other samples are projected
    onto them, so that the largest sample does not choose the axes.

    Parameters
    ----------
    dosages : mapping of str to numpy.ndarray of uint8, shape (variants, diploids)
        Of each sample, of the same variants.
    reference : list of str
        Samples that the axes are made of.
    count : int
        How many components.

    Returns
    -------
    dict of str to numpy.ndarray of float64, shape (diploids, count)
        Of each sample, with a variance of 1 over the reference, falling in importance. The sign of an axis is
        that its largest loading is positive.
    """
    together = np.concatenate([dosages[name] for name in reference], axis=1).astype(np.float64)
    frequency = together.mean(axis=1, keepdims=True) / 2
    scale = np.sqrt(2 * frequency * (1 - frequency))
    varying = scale[:, 0] > 0
    standardised = (together - 2 * frequency)[varying] / scale[varying]
    # The singular vectors over variants, from the smaller one of the two products.
    values, vectors = np.linalg.eigh(standardised @ standardised.T)
    axes = vectors[:, np.argsort(-values)[:count]]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    spread = (axes.T @ standardised).std(axis=1)
    return {
        name: ((axes.T @ ((each - 2 * frequency)[varying] / scale[varying])) / spread[:, None]).T
        for name, each in dosages.items()
    }
