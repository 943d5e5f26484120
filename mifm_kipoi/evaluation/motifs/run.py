"""``mifm evaluate motifs`` from files to files: patterns of attributions, and which motifs they resemble."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.attribution.files import Attributions, read_attributions
from mifm_kipoi.errors import OptionError
from mifm_kipoi.evaluation.motifs.discovery import Discovery, DiscoveryOptions, discover
from mifm_kipoi.evaluation.motifs.findings import (
    MAX_Q,
    Agreement,
    Counts,
    agreement,
    counts_of,
    factor_table,
    hits_of,
    pattern_table,
)
from mifm_kipoi.evaluation.motifs.known import Motif, compare, read_motifs
from mifm_kipoi.evaluation.motifs.patterns import SIGNS, matched_pairs
from mifm_kipoi.network.attribution import EXTRA
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, made_folder, require_file, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

ALIKE = 0.8
"""Patterns of two runs are the same from this cosine of their contributions on."""

_AS_TEXT: Any = {"sep": "\t", "index": False, "float_format": "%.6g", "quoting": csv.QUOTE_NONE}

_TABLES = ("patterns.tsv", "factors.tsv", "matches.tsv", "counts.tsv", "null_patterns.tsv")
_OTHERS = ("hits.bed", "patterns.meme", "patterns.h5", "evaluation.json", "report.md", "report.html")


@dataclasses.dataclass(frozen=True)
class Network:
    """What was found in the attributions of one network.

    Parameters
    ----------
    name : str
        Of its weights, and whether they are random.
    discovery : Discovery
        Patterns.
    hits : pandas.DataFrame
        See :func:`mifm_kipoi.evaluation.motifs.findings.hits_of`.
    matches : pandas.DataFrame
        See :func:`mifm_kipoi.evaluation.motifs.known.compare`.
    patterns, factors : pandas.DataFrame
        See :mod:`mifm_kipoi.evaluation.motifs.findings`.
    """

    name: str
    discovery: Discovery
    hits: pd.DataFrame
    matches: pd.DataFrame
    patterns: pd.DataFrame
    factors: pd.DataFrame

    @property
    def counts(self) -> list[Counts]:
        """Of each sign."""
        return counts_of(self.patterns)


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """An evaluation.

    Parameters
    ----------
    network : Network
        What is evaluated.
    nulls : list of Network
        Untrained networks.
    agreements : list of Agreement
        With a second run on the windows in another order; empty where there was none.
    motifs : list of Motif
        What patterns were compared with.
    provenance : dict of plain JSON types
        Inputs and options.
    """

    network: Network
    nulls: list[Network]
    agreements: list[Agreement]
    motifs: list[Motif]
    provenance: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class MotifsResult:
    """An evaluation and its files.

    Parameters
    ----------
    evaluated : Evaluated
        Patterns, matches and counts.
    cautions : list of str
        What a reader must know before trusting them.
    files : list of Path
        All that were written.
    """

    evaluated: Evaluated
    cautions: list[str]
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """What was found, as lines of text."""
        lines = []
        for network in (self.evaluated.network, *self.evaluated.nulls):
            parts = [
                f"{one.patterns} {one.sign} patterns, {one.matched} of them like a known motif"
                for one in network.counts
            ]
            lines.append(f"{network.name}: {'; '.join(parts)}")
        return lines


@dataclasses.dataclass(frozen=True)
class MotifsRun:
    """What to search, and where to write it.

    Parameters
    ----------
    attributions : Path
        Of ``mifm attribute``.
    motifs : tuple of Path
        MEME files of known motifs.
    folder : Path
        Of the outputs; made where it is missing.
    nulls : tuple of Path
        Attributions of the same windows by untrained networks.
    options : DiscoveryOptions
        What TF-MoDISco is given.
    repeat : bool
        Search a second time, with the windows in another order, to see how far patterns agree.
    resume : bool
        Take the patterns that a run of the same attributions and options has left in ``folder``.
    threads : int, optional
        Of TF-MoDISco and TOMTOM; by default the CPUs that this process may use.

    Raises
    ------
    OptionError
        When there are no motifs, or an output is an input.
    """

    attributions: Path
    motifs: tuple[Path, ...]
    folder: Path
    nulls: tuple[Path, ...] = ()
    options: DiscoveryOptions = dataclasses.field(default_factory=DiscoveryOptions)
    repeat: bool = False
    resume: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        if not self.motifs:
            raise OptionError("no file of known motifs is named; expected MEME files, such as HOCOMOCO's")
        names = [*_TABLES, *_OTHERS, "repeat.h5", *(f"null-{n + 1}.h5" for n in range(len(self.nulls)))]
        inputs = (self.attributions, *self.motifs, *self.nulls)
        check_outputs([self.folder / name for name in names], inputs)

    def run(self, on_progress: Callable[[str], None] | None = None) -> MotifsResult:
        """Find patterns, compare them with motifs, draw, write.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text before each search.

        Raises
        ------
        MIFMError
            When an input cannot be read, a package is missing, TF-MoDISco fails, or an output cannot be
            written.
        """
        from mifm_kipoi.evaluation.motifs.report import cautions_of, write_report

        # What is bound to fail fails before anything is searched.
        needed("matplotlib", "plot")
        needed("scipy.stats", "evaluation")
        for package in ("modiscolite", "memelite"):
            needed(package, EXTRA)
        for path in (self.attributions, *self.motifs, *self.nulls):
            require_file(path)
        motifs = read_motifs(self.motifs)
        own = read_attributions(self.attributions)
        nulls = [read_attributions(path) for path in self.nulls]
        made_folder(self.folder)
        say = on_progress or (lambda _: None)

        say(f"TF-MoDISco on {self.attributions}")
        network = self._network(own, motifs, "patterns.h5", self.options)
        found = []
        for number, each in enumerate(nulls, start=1):
            say(f"TF-MoDISco on {each.path}")
            found.append(self._network(each, motifs, f"null-{number}.h5", self.options))
        agreements = []
        if self.repeat:
            say(f"TF-MoDISco on {self.attributions}, in another order")
            another = dataclasses.replace(self.options, seed=self.options.seed + 1)
            agreements = _agreements(network, self._network(own, motifs, "repeat.h5", another))
        evaluated = Evaluated(network, found, agreements, motifs, self._provenance(network))
        cautions = cautions_of(evaluated)
        files = [*write_tables(evaluated, self.folder), *write_report(evaluated, cautions, self.folder)]
        manifest = self.folder / "evaluation.json"
        with written_whole(manifest) as temporary:
            temporary.write_text(json.dumps({**evaluated.provenance, "cautions": cautions}, indent=1) + "\n")
        return MotifsResult(evaluated, cautions, [*files, manifest])

    def _network(
        self, attributions: Attributions, motifs: Sequence[Motif], name: str, options: DiscoveryOptions
    ) -> Network:
        threads = self.threads or usable_cpus()
        discovery = discover(attributions, options, self.folder / name, threads, self.resume)
        hits = hits_of(discovery)
        matches = compare(discovery.patterns, motifs, threads)
        patterns = pattern_table(discovery, hits, matches)
        return Network(name_of(attributions), discovery, hits, matches, patterns, factor_table(patterns))

    def _provenance(self, network: Network) -> dict[str, Any]:
        return {
            "mifm_kipoi": __version__,
            "attributions": described(self.attributions),
            "made_of": network.discovery.attributions.provenance,
            "motifs": [described(path) for path in self.motifs],
            "nulls": [described(path) for path in self.nulls],
            "windows": network.discovery.windows,
            "max_q": MAX_Q,
            "discovery": network.discovery.provenance,
            "repeat": self.repeat,
        }


def name_of(attributions: Attributions) -> str:
    """The network of attributions, in words."""
    name = str(attributions.provenance["weights"]["name"])
    seed = attributions.provenance["untrained"]
    return name if seed is None else f"untrained (seed {seed})"


def _agreements(network: Network, other: Network) -> list[Agreement]:
    pairs = matched_pairs(network.discovery.patterns, other.discovery.patterns, ALIKE)
    signs = [network.discovery.patterns[one].sign for one, _, _ in pairs]
    tables = [(each.patterns, each.hits) for each in (network, other)]
    return [agreement(sign, signs.count(sign), *tables) for sign in SIGNS]


def write_tables(evaluated: Evaluated, folder: Path) -> list[Path]:
    """Write the tables, the hits as BED, and the patterns in MEME's format.

    Parameters
    ----------
    evaluated : Evaluated
        What was found.
    folder : Path
        Must exist.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    network = evaluated.network
    counts = [
        {"network": each.name, **dataclasses.asdict(one)}
        for each in (network, *evaluated.nulls)
        for one in each.counts
    ]
    nulls = [each.patterns.assign(network=each.name) for each in evaluated.nulls]
    tables = {
        "patterns.tsv": network.patterns,
        "factors.tsv": network.factors,
        "matches.tsv": _shown_matches(network.matches),
        "counts.tsv": pd.DataFrame(counts),
    }
    if nulls:
        tables["null_patterns.tsv"] = pd.concat(nulls, ignore_index=True)
    paths = []
    for name, table in tables.items():
        with written_whole(folder / name) as temporary:
            table.to_csv(temporary, **_AS_TEXT)
        paths.append(folder / name)
    with written_whole(folder / "hits.bed") as temporary:
        temporary.write_text("".join(_bed_lines(network)))
    write_meme = needed("memelite.io", EXTRA).write_meme
    with written_whole(folder / "patterns.meme") as temporary:
        write_meme(temporary, {pattern.name: pattern.trimmed.T for pattern in network.discovery.patterns})
    return [*paths, folder / "hits.bed", folder / "patterns.meme", folder / "patterns.h5"]


def _shown_matches(matches: pd.DataFrame) -> pd.DataFrame:
    """Those below the threshold, and the best of each pattern."""
    best = matches.groupby("pattern", sort=False)["p_value"].rank(method="first") == 1
    return matches[(matches["q_value"] < MAX_Q) | best].sort_values(["pattern", "p_value"], kind="stable")


def _bed_lines(network: Network) -> list[str]:
    """Six columns: the name is the pattern with the factor that it resembles, the score 0."""
    labels = {
        row.pattern: f"{row.pattern}|{row.factor}" if row.matched else str(row.pattern)
        for row in network.patterns.itertuples()
    }
    return [
        f"{row.chrom}\t{row.start}\t{row.end}\t{labels[str(row.pattern)]}\t0\t{row.strand}\n"
        for row in network.hits.itertuples()
    ]
