"""Annotations of the genome in BED files, and which variants lie in them.

An annotation is one file, or several *tracks*, such as the chromatin states of 127 cell lines. Where the
fourth column has states, a variant has each state that it has in at least ``min_tracks`` of the tracks, so
that it may have several, or none; and it is in a group of states where at least so many tracks have any of
them. A variant lies in an interval where the first base of REF does: ``start < pos <= end`` with the 0-based
start of BED.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.intervals import IntervalArrays
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.support.threads import ordered_map

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MIN_TRACKS = 5
"""Tracks in which a variant must have a state, by default; as published."""

STATE, GROUP, REGION = "state", "group", "region"
"""Kinds of labels: of the fourth column of BED files; of several of these; of a file as a whole."""

SILENCER = "silencer"
"""Name of the annotation that ``--silencers`` gives."""

AUTOSOMES = frozenset(map(str, range(1, 23)))

GENOSTAN_GROUPS: Mapping[str, tuple[str, ...]] = {
    "enhancer": ("Enh.6", "EnhW.8", "EnhWF.9"),
    "promoter": ("Prom.1", "Prom.19"),
    "repressed": ("Repr.2", "Repr.14", "ReprW.10"),
    "repressed-enhancer": ("ReprEnh.11",),
    "elongation": ("Elon.7", "ElonW.13", "ElonW.15", "Gen5'.16"),
    "low": ("Low.3", "Low.4", "Low.5", "Low.12", "Low.17", "Low.18", "Low.20"),
}
"""The six published groups of GenoSTAN's 20 states."""

_SPAN = np.int64(1 << 33)
"""More than any position: intervals of different labels are told by multiples of it."""


@dataclasses.dataclass(frozen=True)
class Annotation:
    """Which BED files are one annotation, and what of them counts.

    Parameters
    ----------
    name : str
        What reports call it.
    paths : tuple of Path
        Its tracks.
    labelled : bool
        Whether the fourth column has states; else each variant in any interval of a track is inside.
    min_tracks : int
        Tracks in which a variant must have a state, or lie.
    groups : mapping of str to tuple of str
        States that are counted together, too.
    chain : Path, optional
        Chain file that takes variants to the build of the files.
    """

    name: str
    paths: tuple[Path, ...]
    labelled: bool
    min_tracks: int
    groups: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    chain: Path | None = None

    @classmethod
    def of_states(
        cls, name: str, paths: Sequence[Path], min_tracks: int | None = None, groups: Path | None = None,
        chain: Path | None = None,
    ) -> Annotation:  # fmt: skip
        """Tracks of states: BED files, or folders of them.

        Parameters
        ----------
        name : str
            Of the annotation.
        paths : sequence of Path
            ``.bed`` and ``.bed.gz`` files; of a folder, all that it has.
        min_tracks : int, optional
            By default :data:`MIN_TRACKS`, and 1 where there are fewer tracks than that.
        groups : Path, optional
            Table of the columns ``state`` and ``group``; by default the published groups, as far as the
            tracks have their states.
        chain : Path, optional
            See :class:`Annotation`.

        Raises
        ------
        InputError, OptionError
            When there are no BED files, fewer than ``min_tracks``, or the table cannot be read.
        """
        tracks: list[Path] = []
        for path in paths:
            tracks += _files_in(path) if path.is_dir() else [path]
        if min_tracks is None:
            min_tracks = MIN_TRACKS if len(tracks) >= MIN_TRACKS else 1
        if min_tracks > len(tracks):
            raise OptionError(
                f"--min-tracks {min_tracks} is more than the {len(tracks)} tracks of {name!r}; no variant "
                "could have a state"
            )
        of_groups = GENOSTAN_GROUPS if groups is None else read_groups(groups)
        return cls(name, tuple(tracks), True, min_tracks, of_groups, chain)


def _files_in(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.name.endswith((".bed", ".bed.gz")))
    if not files:
        raise InputError(f"{folder} has no .bed or .bed.gz file; expected one for each cell line")
    return files


def read_groups(path: Path) -> dict[str, tuple[str, ...]]:
    """Groups of states, from a table of the columns ``state`` and ``group``.

    Raises
    ------
    InputError
        When the table cannot be read, or lacks a column.
    """
    table = TableFile.of(path)
    if not {"state", "group"} <= set(table.columns):
        raise InputError(f"{path} has the columns {', '.join(table.columns)}; expected state and group")
    groups: dict[str, dict[str, None]] = {}
    for batch in table.batches(["state", "group"]):
        rows = batch.frame(["state", "group"]).dropna()
        for state, group in zip(rows["state"], rows["group"], strict=True):
            groups.setdefault(group, {})[state] = None
    return {group: tuple(states) for group, states in groups.items()}


@dataclasses.dataclass(frozen=True)
class Label:
    """What a variant can lie in.

    Parameters
    ----------
    annotation : str
        Name of the annotation.
    name : str
        State, group, or again the annotation where that has no states.
    kind : str
        :data:`STATE`, :data:`GROUP` or :data:`REGION`.
    """

    annotation: str
    name: str
    kind: str


@dataclasses.dataclass(frozen=True)
class Annotated:
    """Which variants have which labels of an annotation.

    Parameters
    ----------
    annotation : Annotation
        The files.
    labels : tuple of Label
        Groups first, then states.
    inside : numpy.ndarray of bool, shape (labels, n)
        Whether a variant has a label.
    known : numpy.ndarray of bool, shape (n,)
        The variants in which the annotation is evaluated: those on contigs that its files have.
    intervals : int
        Of all files.
    unused_groups : tuple of str
        Groups none of whose states is in the files.
    """

    annotation: Annotation
    labels: tuple[Label, ...]
    inside: Flags
    known: Flags
    intervals: int
    unused_groups: tuple[str, ...] = ()


class Sites:
    """Positions of variants, sorted, to be looked up in intervals.

    Parameters
    ----------
    contig : numpy.ndarray of int64, shape (n,)
        Index in ``contigs`` of each variant; -1 where it has no place.
    contigs : sequence of str
        Keys of contigs.
    pos : numpy.ndarray of int64, shape (n,)
        1-based.
    """

    def __init__(self, contig: Rows, contigs: Sequence[str], pos: Rows) -> None:
        self.size = len(pos)
        order = np.lexsort((pos, contig))
        cuts = np.searchsorted(contig[order], np.arange(len(contigs) + 1))
        self._rows = {name: order[cuts[code] : cuts[code + 1]] for code, name in enumerate(contigs)}
        self._pos0 = {name: pos[rows] - 1 for name, rows in self._rows.items()}

    def on(self, contigs: frozenset[str]) -> Flags:
        """Which variants lie on some contigs, shape (n,)."""
        flags = np.zeros(self.size, dtype=bool)
        for name, rows in self._rows.items():
            flags[rows] = name in contigs
        return flags

    def inside(
        self, contig: str, label: Rows, start: Rows, end: Rows
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Variants of a contig in intervals, each once for every label.

        Parameters
        ----------
        contig : str
            Its key.
        label : numpy.ndarray of int64, shape (m,)
            Of each interval.
        start, end : numpy.ndarray of int64, shape (m,)
            0-based half-open, in any order; intervals of a label may overlap.

        Returns
        -------
        labels, variants : numpy.ndarray of int64, shape (pairs,)
        """
        pos0 = self._pos0.get(contig)
        if pos0 is None or not pos0.size:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        if (start[1:] < end[:-1]).any():
            label, start, end = merged(label, start, end)
        first, last = np.searchsorted(pos0, start), np.searchsorted(pos0, end)
        counts = last - first
        # All indices from first to last of each interval, one interval after the other.
        before = np.cumsum(counts) - counts
        index = np.arange(counts.sum()) + np.repeat(first - before, counts)
        return np.repeat(label, counts), self._rows[contig][index]


def merged(label: Rows, start: Rows, end: Rows) -> tuple[Rows, Rows, Rows]:
    """Intervals of one contig, those of a label that overlap or touch made one; sorted by label and start.

    Parameters
    ----------
    label, start, end : numpy.ndarray of int64, shape (m,)
        Of each interval.
    """
    order = np.lexsort((start, label))
    offset = label[order] * _SPAN
    starts, ends = start[order] + offset, np.maximum.accumulate(end[order] + offset)
    new = np.append(True, starts[1:] > ends[:-1])
    last = np.append(new[1:], True)
    return label[order][new], starts[new] - offset[new], ends[last] - offset[last]


def annotate(
    annotation: Annotation,
    sites: Sites,
    threads: int = 1,
    closed: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> Annotated:
    """Which variants have which labels of an annotation; its files are read once.

    Parameters
    ----------
    annotation : Annotation
        The files.
    sites : Sites
        Variants in the build of the files.
    threads : int
        That read files and look variants up.
    closed : bool
        Take ``start <= pos <= end`` for inside, which is one base too many, as the published figures do.
    on_progress : callable, optional
        Gets a line of text after some tracks.

    Raises
    ------
    IntervalFileError
        When a file cannot be read or is not BED.
    InputError
        When no variant lies on a contig of the files.
    """

    def read(path: Path) -> _Track:
        return _looked_up(IntervalArrays.read(path), annotation, sites, closed)

    states: dict[str, int] = {}
    counts: list[npt.NDArray[np.uint16]] = []
    of_groups = np.zeros((len(annotation.groups), sites.size), dtype=np.uint16)
    contigs: set[str] = set()
    intervals = 0
    for number, track in enumerate(ordered_map(read, annotation.paths, threads), start=1):
        for name, rows in track.states.items():
            if name not in states:
                states[name] = len(states)
                counts.append(np.zeros(sites.size, dtype=np.uint16))
            counts[states[name]][rows] += 1
        for group, rows in enumerate(track.groups):
            of_groups[group, rows] += 1
        contigs |= track.contigs
        intervals += track.intervals
        if on_progress is not None and (number % 10 == 0 or number == len(annotation.paths)):
            on_progress(f"{annotation.name}: {number} of {len(annotation.paths)} files")
    known = sites.on(frozenset(contigs))
    if not known.any():
        raise InputError(
            f"no variant lies on a contig of {annotation.name!r}, which has {', '.join(sorted(contigs)[:5])}"
            "; expected BED files of the same species, with 1 or chr1"
        )
    least = annotation.min_tracks
    used = [
        (group, row)
        for row, (group, members) in enumerate(annotation.groups.items())
        if any(state in states for state in members)
    ]
    kind = STATE if annotation.labelled else REGION
    labels = [Label(annotation.name, group, GROUP) for group, _ in used]
    ordered = sorted(states)
    labels += [Label(annotation.name, name, kind) for name in ordered]
    inside = np.empty((len(labels), sites.size), dtype=bool)
    for row, (_, group) in enumerate(used):
        np.greater_equal(of_groups[group], least, out=inside[row])
    for row, name in enumerate(ordered, start=len(used)):
        np.greater_equal(counts[states[name]], least, out=inside[row])
    unused = tuple(group for group in annotation.groups if group not in dict(used))
    return Annotated(annotation, tuple(labels), inside, known, intervals, unused)


@dataclasses.dataclass(frozen=True)
class _Track:
    """Variants in each state, and in each group, of one file."""

    states: dict[str, Rows]
    groups: list[Rows]
    contigs: frozenset[str]
    intervals: int


def _looked_up(track: IntervalArrays, annotation: Annotation, sites: Sites, closed: bool) -> _Track:
    names = track.names if annotation.labelled else (annotation.name,)
    label = track.name.astype(np.int64) if annotation.labelled else np.zeros(len(track), np.int64)
    code = {name: number for number, name in enumerate(names)}
    pairs: list[tuple[Rows, Rows]] = []
    of_groups: list[list[Rows]] = [[] for _ in annotation.groups]
    group_of = [
        np.isin(np.arange(len(names)), [code[state] for state in states if state in code])
        for states in annotation.groups.values()
    ]
    keys = [contig_key(contig) for contig in track.contigs]
    for key in dict.fromkeys(keys):
        rows = np.flatnonzero(np.isin(track.contig, [code for code, own in enumerate(keys) if own == key]))
        start, end = track.start[rows] - closed, track.end[rows]
        labels, variants = sites.inside(key, label[rows], start, end)
        pairs.append((labels, variants))
        for group, members in enumerate(group_of):
            of_group = variants[members[labels]]
            # A variant has several states of a group only where intervals overlap.
            of_groups[group].append(np.unique(of_group) if _overlap(start, end) else of_group)
    labels = np.concatenate([one for one, _ in pairs] or [np.empty(0, np.int64)])
    variants = np.concatenate([other for _, other in pairs] or [np.empty(0, np.int64)])
    # Of 16 bits the sort is one by radix, ten times as fast.
    order = np.argsort(labels.astype(np.uint16 if len(names) < 1 << 16 else np.int64), kind="stable")
    cuts = np.append(0, np.cumsum(np.bincount(labels, minlength=len(names))))
    states = {name: variants[order[cuts[i] : cuts[i + 1]]] for i, name in enumerate(names)}
    groups = [np.concatenate(parts or [np.empty(0, np.int64)]) for parts in of_groups]
    return _Track(states, groups, frozenset(keys), len(track))


def _overlap(start: Rows, end: Rows) -> bool:
    """Whether any intervals, in their order, are not one after the other."""
    return bool((start[1:] < end[:-1]).any())
