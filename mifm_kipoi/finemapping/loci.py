"""Loci of studies: LD blocks, regions, windows around associated variants, or those that a table names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.blocks import read_blocks
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.ld_blocks import COLUMNS, LDBlocks
from mifm_kipoi.genomics.columns import column_named
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.loci import parse_locus
from mifm_kipoi.genomics.tables import TableFile

GENOME_WIDE = 5e-8
"""The usual limit of p-values of associations."""

WINDOW_KB = 500.0
"""Thousands of base pairs on either side of associated variants."""

LOCI: Mapping[str, str] = {"study": "str", "locus": "str", "chrom": "str", "start": "int64", "end": "int64"}
"""Columns of loci: ``start`` and ``end`` are 1-based, both inside."""

Numbers = npt.NDArray[np.int64]

FindLeads = Callable[[float], pd.DataFrame]
"""Gives the variants with p-values up to a limit: study, chrom, pos, log_p."""


@dataclasses.dataclass(frozen=True)
class LocusRule:
    """What the loci of studies are.

    Parameters
    ----------
    blocks : Path, optional
        LD blocks: BED, or a table with the columns chr, start, stop and pop. Those are loci in which a study
        has a p-value up to ``lead_p_value``.
    population : str
        Whose blocks of such a table.
    regions : tuple of str
        ``chrom:start-end``, or names of BED files: loci of each study, whatever its p-values.
    lead_p_value : float
        Highest p-value of associated variants, in (0, 1]; 1 for every block.
    window_kb : float
        Without blocks and regions, loci are what lies this near to an associated variant; those that touch
        are one.

    Raises
    ------
    OptionError
        When blocks and regions are both given, or a number is out of its range.
    """

    blocks: Path | None = None
    population: str = ""
    regions: tuple[str, ...] = ()
    lead_p_value: float = GENOME_WIDE
    window_kb: float = WINDOW_KB

    def __post_init__(self) -> None:
        if self.blocks is not None and self.regions:
            raise OptionError("loci are given by blocks and by regions; leave out one of them")
        if self.population and self.blocks is None:
            raise OptionError("the population of blocks is named, and no blocks are; name them (--blocks)")
        if not 0 < self.lead_p_value <= 1:
            raise OptionError(f"the p-value of leads is {self.lead_p_value:g}; expected a number in (0, 1]")
        if not 0 < self.window_kb < np.inf:
            raise OptionError(f"the window is {self.window_kb:g} kb; expected a number above 0")

    @property
    def is_given(self) -> bool:
        """Whether blocks or regions are."""
        return self.blocks is not None or bool(self.regions)

    def files(self) -> list[Path]:
        """All files that are read for it."""
        regions = [Path(text) for text in self.regions if _is_file(text)]
        return [*([self.blocks] if self.blocks else []), *regions]

    def in_words(self) -> str:
        """What the loci are."""
        if self.blocks is not None:
            whose = f" ({self.population})" if self.population else ""
            which = f" with p up to {self.lead_p_value:g}" if self.lead_p_value < 1 else ""
            return f"blocks of {self.blocks.name}{whose}{which}"
        if self.regions:
            return "the regions that were named"
        return f"{self.window_kb:g} kb around variants with p up to {self.lead_p_value:g}"

    def loci(self, studies: tuple[str, ...], find_leads: FindLeads) -> pd.DataFrame:
        """The loci of studies.

        Parameters
        ----------
        studies : tuple of str
            Names; empty where only the rows of their tables tell, so that every block needs a lead variant.
        find_leads : callable
            Called once at most.

        Returns
        -------
        pandas.DataFrame
            :data:`LOCI`, by study and place; those of a study do not overlap.

        Raises
        ------
        MIFMError
            When a file cannot be read, regions overlap, or there is no locus.
        """
        if self.is_given:
            places = self._places()
            if self.regions or self.lead_p_value == 1:
                named = studies or tuple(find_leads(1.0)["study"].unique())
                return _each(places, named)
            leads = find_leads(self.lead_p_value)
            number = locus_of(leads["chrom"], leads["pos"], places)
            pairs = leads.assign(place=number)[number >= 0].drop_duplicates(["study", "place"])
            loci = places.iloc[pairs["place"]].assign(study=pairs["study"].to_numpy())
            what = f"no block of {self.blocks} has a variant"
        else:
            leads = find_leads(self.lead_p_value)
            loci = _windows(leads, int(self.window_kb * 1000))
            what = "there is no variant"
        if not len(loci):
            raise InputError(
                f"{what} with p up to {self.lead_p_value:g} in the studies, so that there is no locus to "
                "fine-map; name loci (--regions), or allow higher p-values (--lead-p)"
            )
        return _ordered(loci)

    def _places(self) -> pd.DataFrame:
        if self.regions:
            return _no_overlaps(pd.concat([_region(text) for text in self.regions], ignore_index=True))
        assert self.blocks is not None
        if not is_table_of_blocks(self.blocks):
            if self.population:
                raise OptionError(f"{self.blocks} has no populations; leave out --population")
            return _of_bed(self.blocks)
        if not self.population:
            raise OptionError(
                f"{self.blocks} has the LD blocks of several populations; name one (--population EUR)"
            )
        blocks = LDBlocks(str(self.blocks), self.population).places
        return _named(blocks["chrom"], blocks["start"] + 1, blocks["stop"])


def own_loci(rows: pd.DataFrame) -> pd.DataFrame:
    """The loci of a table whose rows name them, from the first to the last variant of each.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``study``, ``block``, ``chrom``, ``pos``.

    Returns
    -------
    pandas.DataFrame
        :data:`LOCI`; the name is that of the block, with the contig where a block is on several.
    """
    groups = rows.groupby(["study", "block", "chrom"], sort=False)["pos"].agg(["min", "max"]).reset_index()
    several = groups.duplicated(["study", "block"], keep=False)
    names = groups["block"].where(~several, groups["block"] + " " + groups["chrom"])
    loci = pd.DataFrame(
        {"study": groups["study"], "locus": names, "chrom": groups["chrom"], "start": groups["min"],
         "end": groups["max"], "block": groups["block"]}
    )  # fmt: skip
    return _ordered(loci)


def locus_of(chrom: pd.Series[str], pos: pd.Series[int], places: pd.DataFrame) -> Numbers:
    """The place of each variant, of places that do not overlap.

    Parameters
    ----------
    chrom, pos : pandas.Series, shape (n,)
        Contigs by their keys, and 1-based positions.
    places : pandas.DataFrame
        ``chrom``, ``start``, ``end``.

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        Rows of ``places``, from 0; -1 outside all.
    """
    found = np.full(len(chrom), -1, dtype=np.int64)
    names, positions = chrom.to_numpy(object), pos.to_numpy(np.int64)
    of_contig = places.reset_index(drop=True).groupby("chrom", sort=False)
    for name, own_places in of_contig:
        rows = np.flatnonzero(names == name)
        own = own_places.sort_values("start")
        last = np.searchsorted(own["start"].to_numpy(), positions[rows], side="right") - 1
        inside = (last >= 0) & (positions[rows] <= own["end"].to_numpy()[last])
        found[rows] = np.where(inside, own.index.to_numpy()[last], -1)
    return found


def is_table_of_blocks(path: Path) -> bool:
    """Whether blocks are a table with populations, and not BED."""
    try:
        header = TableFile.of(path).columns
    except InputError:
        # As of a BED file without a header, whose first region is taken for one.
        return False
    return all(column_named(header, name) for name in COLUMNS)


def _is_file(text: str) -> bool:
    return Path(text).is_file()


def _region(text: str) -> pd.DataFrame:
    if _is_file(text):
        return _of_bed(Path(text))
    chrom, start, end = parse_locus(text)
    return _named(pd.Series([contig_key(chrom)]), pd.Series([start]), pd.Series([end]))


def _of_bed(path: Path) -> pd.DataFrame:
    regions = read_blocks(path)
    return _named(
        pd.Series([contig_key(one.chrom) for one in regions]),
        pd.Series([one.start + 1 for one in regions]),
        pd.Series([one.end for one in regions]),
    )


def _named(chrom: pd.Series[str], start: pd.Series[int], end: pd.Series[int]) -> pd.DataFrame:
    names = chrom + ":" + start.astype(str) + "-" + end.astype(str)
    return pd.DataFrame({"locus": names, "chrom": chrom, "start": start, "end": end})


def _no_overlaps(places: pd.DataFrame) -> pd.DataFrame:
    ordered = places.sort_values(["chrom", "start"], kind="stable")
    before = ordered.groupby("chrom")["end"].shift()
    bad = (ordered["start"] <= before).to_numpy(bool)
    if bad.any():
        second = int(np.flatnonzero(bad)[0])
        one, two = ordered["locus"].iloc[second - 1], ordered["locus"].iloc[second]
        raise InputError(f"the regions {one} and {two} overlap; expected regions that do not")
    return ordered.reset_index(drop=True)


def _each(places: pd.DataFrame, studies: tuple[str, ...]) -> pd.DataFrame:
    return _ordered(pd.concat([places.assign(study=study) for study in studies], ignore_index=True))


def _windows(leads: pd.DataFrame, window_bp: int) -> pd.DataFrame:
    """What is near a lead variant; windows that touch are one."""
    if not len(leads):
        return pd.DataFrame(columns=list(LOCI))
    rows = leads.sort_values(["study", "chrom", "pos"], kind="stable")
    new = (rows["study"] != rows["study"].shift()) | (rows["chrom"] != rows["chrom"].shift())
    new |= rows["pos"].diff() > 2 * window_bp
    groups = rows.groupby(new.cumsum().to_numpy()).agg(
        study=("study", "first"), chrom=("chrom", "first"), first=("pos", "min"), last=("pos", "max")
    )
    start, end = (groups["first"] - window_bp).clip(lower=1), groups["last"] + window_bp
    return _named(groups["chrom"], start, end).assign(study=groups["study"])


def _ordered(loci: pd.DataFrame) -> pd.DataFrame:
    loci = loci.reset_index(drop=True)
    keys = loci["chrom"].map(lambda name: (0, int(name), "") if str(name).isdecimal() else (1, 0, str(name)))
    order = loci.assign(key=keys).sort_values(["key", "start", "study", "locus"], kind="stable").index
    further = [name for name in loci.columns if name not in LOCI]
    return loci.loc[order, [*LOCI, *further]].astype(dict(LOCI)).reset_index(drop=True)


def numbered(loci: pd.DataFrame) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """What chooses the rows of variants that lie in loci, and adds the number of the locus.

    Parameters
    ----------
    loci : pandas.DataFrame
        ``study, chrom, start, end``, of a rising index.

    Returns
    -------
    callable
        Takes rows with ``study, chrom, pos`` and gives those in a locus of their study, with its ``number``.
    """
    of_study = {
        str(study): (own.index.to_numpy(np.int64), own.reset_index(drop=True))
        for study, own in loci.groupby("study")
    }

    def choose(rows: pd.DataFrame) -> pd.DataFrame:
        number = np.full(len(rows), -1, dtype=np.int64)
        studies = rows["study"].to_numpy(object)
        for study in set(studies.tolist()) & set(of_study):
            own = np.flatnonzero(studies == study)
            numbers, places = of_study[study]
            found = locus_of(rows["chrom"].iloc[own], rows["pos"].iloc[own], places)
            number[own] = np.where(found >= 0, numbers[found], -1)
        return rows.assign(number=number)[number >= 0]

    return choose
