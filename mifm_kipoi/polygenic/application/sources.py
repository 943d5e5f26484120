"""Scoring files as they are applied: their variants in the build of the genotypes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.matching import CODE, KEYS, Outcome
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.liftover import LiftOver, LiftStatus
from mifm_kipoi.polygenic.application.sums import EFFECT_TYPES
from mifm_kipoi.polygenic.scoring_files import (
    COMPLEX,
    DOSAGE_WEIGHTS,
    ScoringFile,
    read_scoring_file,
    score_name,
)

_ENDINGS = ("*.txt", "*.tsv", "*.txt.gz", "*.tsv.gz")
UNDECIDED = np.int8(-1)
"""The outcome of a row that is still to be matched."""


@dataclasses.dataclass(frozen=True)
class ScoreRows:
    """The rows of one scoring file; arrays have shape (n,).

    Parameters
    ----------
    file : ScoringFile
        Where they are from, without its rows.
    variant : numpy.ndarray of int64
        Place in the table of different variants.
    line : numpy.ndarray of int64
        Line of the file.
    weight : numpy.ndarray of float64
        For each copy of the effect allele.
    effect_frequency : numpy.ndarray of float64
        Frequency of the effect allele, as stated; NaN where it is not.
    effect_type : numpy.ndarray of int8
        Places in :data:`EFFECT_TYPES`.
    outcome : numpy.ndarray of int8
        Why a row cannot be matched at all; else :data:`UNDECIDED`.
    lifted_from : str
        The build from which positions were lifted over; empty where they were not.
    refusal : str
        Why the file cannot be applied, in words; empty where it can.
    """

    file: ScoringFile
    variant: npt.NDArray[np.int64]
    line: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    effect_frequency: npt.NDArray[np.float64]
    effect_type: npt.NDArray[np.int8]
    outcome: npt.NDArray[np.int8]
    lifted_from: str = ""
    refusal: str = ""

    def __len__(self) -> int:
        return len(self.line)

    @property
    def name(self) -> str:
        """Name of the score."""
        return self.file.name


class VariantTable:
    """The different variants of scoring files, by place, name and alleles."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int, str, str, str], int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, variants: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Places of variants in :attr:`frame`, to which those that are new are added."""
        known = self._numbers
        rows = zip(*(variants[column].tolist() for column in KEYS), strict=True)
        return np.array([known.setdefault(row, len(known)) for row in rows], dtype=np.int64)

    @property
    def frame(self) -> pd.DataFrame:
        """All of them, with :data:`mifm_kipoi.genetics.matching.KEYS`."""
        return pd.DataFrame(list(self._numbers), columns=list(KEYS)).astype(
            {column: "int64" if column == "pos" else "str" for column in KEYS}
        )


def scoring_paths(given: Iterable[Path]) -> dict[str, Path]:
    """Scoring files by the names of their scores; a folder stands for those in it.

    Raises
    ------
    InputError
        When a folder has none.
    OptionError
        When there is none, or two have the same name.
    """
    paths: dict[str, Path] = {}
    for one in given:
        found = [one]
        if one.is_dir():
            found = sorted({path for ending in _ENDINGS for path in one.glob(ending)})
            if not found:
                raise InputError(
                    f"the folder {one} has no scoring file; expected names that end with "
                    f"{', '.join(ending[1:] for ending in _ENDINGS)}"
                )
        for path in found:
            name = score_name(path)
            if name != " ".join(name.split()):
                raise OptionError(
                    f"the name of {path} has tabs, line ends or several blanks; rename the file"
                )
            if name in ("family", "sample"):
                raise OptionError(f"{path} would be the score {name!r}, a column of people; rename the file")
            if name in paths and paths[name].resolve() != path.resolve():
                raise OptionError(
                    f"{paths[name]} and {path} would both be the score {name!r}; rename one of them"
                )
            paths[name] = path
    if not paths:
        raise OptionError("no scoring file is named")
    return paths


class Reader:
    """Reads scoring files for genotypes of one build.

    Parameters
    ----------
    build : str
        That of the genotypes; empty where it is not known.
    own_build : str
        That of files that do not state one; empty for none.
    chains : sequence of LiftOver
        That may take files of another build to it.
    columns : mapping of str to str
        Columns of tables by field, as of :func:`read_scoring_file`.

    Attributes
    ----------
    variants : VariantTable
        The different variants of all files that were read.
    """

    def __init__(
        self, build: str, own_build: str, chains: Sequence[LiftOver], columns: Mapping[str, str]
    ) -> None:
        self._build, self._own, self._chains, self._columns = build, own_build, chains, columns
        self.variants = VariantTable()

    def read(self, name: str, path: Path) -> ScoreRows:
        """The rows of one file, in the build of the genotypes.

        Raises
        ------
        InputError
            When it cannot be read.
        """
        file = read_scoring_file(path, self._build, self._columns, name)
        build = file.build or self._own
        rows = file.rows
        outcome = _outcomes(rows)
        lifted_from = refusal = ""
        if build and self._build and build != self._build:
            chain = self._chain(build)
            if chain is None:
                refusal = f"it is of {build}, and the genotypes are of {self._build}{self._known_chains()}"
            else:
                rows, outcome = _lifted(rows, outcome, chain)
                lifted_from = build
        types = {name: code for code, name in enumerate(EFFECT_TYPES)}
        return ScoreRows(
            dataclasses.replace(file, rows=rows.iloc[:0], build=build),
            self.variants.numbers(rows),
            rows.index.to_numpy(np.int64),
            rows["weight"].to_numpy(np.float64),
            rows["effect_frequency"].to_numpy(np.float64),
            rows["effect_type"].map(types).fillna(0).to_numpy().astype(np.int8),
            outcome,
            lifted_from,
            refusal,
        )

    def _known_chains(self) -> str:
        """Where the chain files lead, in words."""
        leads = []
        for chain in self._chains:
            source, target = (build or "an unknown build" for build in chain.builds)
            leads.append(f"{chain.path.name} leads from {source} to {target}")
        return f" ({', '.join(leads)})" if leads else ""

    def _chain(self, build: str) -> LiftOver | None:
        """The chain file that goes from a build to that of the genotypes, or may."""
        for known in (2, 1, 0):
            for chain in self._chains:
                stated = [
                    stated for stated in zip(chain.builds, (build, self._build), strict=True) if stated[0]
                ]
                if len(stated) == known and all(one == other for one, other in stated):
                    return chain
        return None


def _outcomes(rows: pd.DataFrame) -> npt.NDArray[np.int8]:
    """Why rows cannot be matched, whatever the genotypes have."""
    outcome = np.full(len(rows), UNDECIDED)
    outcome[np.isnan(rows["weight"].to_numpy(np.float64))] = CODE[Outcome.WEIGHT_MISSING]
    outcome[(rows["effect_type"] == DOSAGE_WEIGHTS).to_numpy()] = CODE[Outcome.DOSAGE_WEIGHTS]
    outcome[(rows["effect_type"] == COMPLEX).to_numpy()] = CODE[Outcome.COMPLEX]
    return outcome


def _lifted(
    rows: pd.DataFrame, outcome: npt.NDArray[np.int8], chain: LiftOver
) -> tuple[pd.DataFrame, npt.NDArray[np.int8]]:
    """Rows in the other build; those that are not there keep their place, and have an outcome."""
    placed = np.flatnonzero((rows["pos"] > 0).to_numpy() & (outcome == UNDECIDED))
    some = rows.iloc[placed]
    lifted, effect, other = chain.lift_variants(
        some["chrom"].to_numpy(object),
        some["pos"].to_numpy(np.int64),
        some["effect_allele"],
        some["other_allele"],
    )
    chrom = contig_keys(pd.Series(lifted.chrom, dtype="str")).to_numpy(object)
    # Another chromosome is no place of the same variant, but of a copy.
    known = lifted.known & (chrom == some["chrom"].to_numpy(object))
    outcome = outcome.copy()
    ambiguous = lifted.status == LiftStatus.AMBIGUOUS
    outcome[placed[~known]] = CODE[Outcome.LOST_IN_LIFT_OVER]
    outcome[placed[ambiguous]] = CODE[Outcome.AMBIGUOUS_IN_LIFT_OVER]
    there = placed[known]
    rows = rows.copy()
    for column, values in {"pos": lifted.pos, "effect_allele": effect, "other_allele": other}.items():
        changed = rows[column].to_numpy(copy=True)
        changed[there] = values[known]
        rows[column] = pd.Series(changed, index=rows.index, dtype=rows[column].dtype)
    return rows, outcome
