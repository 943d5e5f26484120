"""``mifm pgs build`` from files to files."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.comparison.score_tables import ScoreTable, join_scores
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.study_sources import StudySource
from mifm_kipoi.genomics.contigs import build_named
from mifm_kipoi.polygenic.building.assembly import LEAD, RANDOM, Assembly, Built, Method, methods_of
from mifm_kipoi.polygenic.building.linkage import Linkage, LinkageOptions, read_linkage
from mifm_kipoi.polygenic.building.report import Findings, sections_of
from mifm_kipoi.polygenic.building.studies import Members, SignalOptions, read_members
from mifm_kipoi.polygenic.building.weights import Weighting
from mifm_kipoi.polygenic.scoring_files import write_scoring_file
from mifm_kipoi.reports.page import Section, write_page
from mifm_kipoi.support.files import (
    check_outputs,
    locked,
    made_folder,
    require_file,
    write_json,
    writing,
    written_whole,
)
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

MANIFEST = "build.json"
TABLE = "scores.tsv"
FOLDER = "scores"
"""Manifest, table and folder of the scoring files."""

SCORE_COLUMNS = (
    "name", "file", "study", "trait", "kind", "method", "source", "top", "weighting", "draw", "variants",
    "signals", "blocks", "signals_without", "left_out", "ambiguous", "genome_build",
)  # fmt: skip
"""Columns of :data:`TABLE`, a row for each score. ``draw`` is 0 but for the method ``random``;
``signals_without`` counts signals of the study that the score has no variant of, ``left_out`` picked variants
without a weight, ``ambiguous`` variants with the alleles A/T or C/G."""

_TEXTS = ("name", "file", "study", "trait", "source", "block", "signal")
"""Columns of tables that hold what users and studies call things: one line without tabs each."""

_OUTPUTS = (TABLE, "methods.tsv", "signals.tsv", "report.md", "report.html", MANIFEST)


@dataclasses.dataclass(frozen=True)
class PgsBuildResult:
    """Scores and their files.

    Parameters
    ----------
    table : pandas.DataFrame
        :data:`SCORE_COLUMNS`, a row for each score.
    members : Members
        Of all signals.
    cautions : list of str
        What a reader must know before trusting the scores.
    title, sections
        The report.
    files : list of Path
        All that were written, the manifest last.
    """

    table: pd.DataFrame
    members: Members
    cautions: list[str]
    title: str
    sections: list[Section]
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """What was built, in lines of text."""
        table, signals = self.table, self.members.signals
        studies = signals["study"].nunique()
        lines = [
            f"{len(table):,} scores of {studies:,} {'study' if studies == 1 else 'studies'}, from "
            f"{len(signals):,} signals with {len(self.members.table):,} members"
        ]
        lines += [
            f"{name}: {part['method'].nunique()} methods, {part['variants'].min():,} to "
            f"{part['variants'].max():,} variants"
            for name, part in table.groupby("study", sort=False)
        ]
        return lines


@dataclasses.dataclass(frozen=True)
class PgsBuildRun:
    """What to build.

    Parameters
    ----------
    studies : tuple of StudySource
        Tables of studies, at least one.
    folder : Path
        Of the outputs; made where it is missing.
    scores : tuple of ScoreTable
        Tables of scores of variants, each column a method.
    signals : SignalOptions
        What signals and their members are.
    methods : tuple of str
        Those that are wanted; empty for all that there are.
    top : tuple of int
        Variants that are picked of each signal; one score for each number. 0 is all of them, for methods that
        are posterior inclusion probabilities, with the weights ``pip`` and ``posterior``.
    priors : tuple of str
        Methods of tables of scores that are used as priors of Bayes factors, too: ``NAME+abf``.
    weightings : tuple of Weighting
        How they are weighted; one score for each.
    linkage : LinkageOptions, optional
        Reference panel; needed for joint weights.
    draws : int
        Of members at random, for each of ``top``; 0 for none.
    same_variants : bool
        Let all methods pick among the members that all of them have scores of, so that they differ in the
        order of variants alone.
    genome_build : str
        Of the studies, such as GRCh37, for the headers of scoring files; by default that of CAUSALdb2, else
        not stated.
    citation, license : str
        For the headers, where given.
    seed : int
        Of random draws, and of the order of variants with equal scores.
    """

    studies: tuple[StudySource, ...]
    folder: Path
    scores: tuple[ScoreTable, ...] = ()
    signals: SignalOptions = dataclasses.field(default_factory=SignalOptions)
    methods: tuple[str, ...] = ()
    top: tuple[int, ...] = (1, 5, 10)
    priors: tuple[str, ...] = ()
    weightings: tuple[Weighting, ...] = (Weighting.MEAN,)
    linkage: LinkageOptions | None = None
    draws: int = 100
    same_variants: bool = False
    genome_build: str = ""
    citation: str = ""
    license: str = ""
    seed: int = 1

    def run(self, on_progress: Callable[[str], None] | None = None) -> PgsBuildResult:
        """Read, pick, weight and write.

        The folder gets ``scores/NAME.txt.gz``, ``scores.tsv``, ``methods.tsv``, ``signals.tsv``,
        ``report.html``, ``report.md``, ``figures/`` and, last, ``build.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, a package is missing or an output cannot be
            written.
        """
        on_progress = on_progress or (lambda _: None)
        needed("matplotlib", "polygenic")
        needed("scipy", "polygenic")
        self._check()
        members = read_members(self.studies, self.signals)
        signals = members.signals
        on_progress(f"{len(signals):,} signals with {len(members.table):,} members")
        joined = join_scores(self.scores, members.table)
        names = tuple(name for name in self.methods if name != RANDOM)
        methods = methods_of(members, joined.values, joined.sources, names, self.priors)
        if self.methods and not names:
            methods = []
        shared = _scored_by_all(methods, len(members.table)) if self.same_variants else None
        if shared is not None:
            methods = [_among(method, shared) for method in methods]
        assembly = Assembly(members, self.seed)
        build = build_named(self.genome_build) or self.genome_build or members.build
        linkage = self._read_linkage(assembly, methods, build, on_progress)
        draws = self.draws if not self.methods or RANDOM in self.methods else 0
        picks, first = assembly.picks(methods, self.top)
        with locked(made_folder(self.folder)):
            self._forget()
            made_folder(self.folder / FOLDER)
            rows, files = [], []
            for one in assembly.scores(methods, self.top, self.weightings, draws, linkage, shared):
                row = self._write_score(one, members, build)
                rows.append(row)
                files.append(self.folder / row["file"])
            table = _unique_names(pd.DataFrame(rows, columns=list(SCORE_COLUMNS)))
            on_progress(f"{len(table):,} scoring files")
            given = build_named(self.genome_build)
            if given and members.build not in ("", given):
                joined.notes.append(
                    f"the studies are said to be of {given}, and CAUSALdb2 is of {members.build}: lift the "
                    "table over (lift_over), or leave the build out"
                )
            findings = Findings(
                members, table, picks, first, joined, linkage, build, self.top, self.signals.as_in_paper,
                [str(one) for one in self.weightings], draws,
                None if shared is None else int(shared.sum()),
            )  # fmt: skip
            title, sections = sections_of(findings, self._settings())
            files += [
                self._write_table(TABLE, table),
                self._write_table("methods.tsv", picks),
                self._write_table("signals.tsv", findings.signals_table()),
                *write_page(self.folder, title, sections),
            ]
            manifest = {
                **self._provenance(), "genome_build": build,
                "rows": {name: counts.to_dict() for name, counts in members.counts.items()},
                "signals": {"used": len(signals), "left_out": members.left_out},
                "score_tables": joined.statuses, "cautions": findings.cautions(),
                "files": [str(path.relative_to(self.folder)) for path in files],
            }  # fmt: skip
            path = self.folder / MANIFEST
            write_json(path, manifest)
        return PgsBuildResult(table, members, findings.cautions(), title, sections, [*files, path])

    def _check(self) -> None:
        """Find what is bound to fail before any work."""
        if not self.studies:
            raise OptionError("no study is named; expected a table of credible sets or summary statistics")
        for number in self.top:
            if number < 0:
                raise OptionError(f"top has {number}; expected numbers of variants, or 0 for all")
        for name in ("top", "weightings"):
            entries = getattr(self, name)
            if not entries or len(set(entries)) < len(entries):
                words = ", ".join(map(str, entries)) or "no entry"
                raise OptionError(f"{name} has {words}; expected at least one entry, and each once")
        if self.draws < 0:
            raise OptionError(f"draws is {self.draws}; expected 0 or more")
        joint = [str(one) for one in self.weightings if one.is_joint]
        if joint and self.linkage is None:
            raise OptionError(
                f"the weights {', '.join(joint)} need genotypes of an LD reference; name them (--ld)"
            )
        inputs = [path for source in self.studies for path in source.files()]
        inputs += [path for table in self.scores for path in table.files()]
        inputs += [path for path in (self.signals.ld_blocks,) if path is not None]
        check_outputs([self.folder / name for name in _OUTPUTS], [*inputs, *self._genotypes()])
        for path in inputs:
            require_file(path)

    def _genotypes(self) -> list[Path]:
        clumps = self.signals.clumps
        prefixes = (
            []
            if clumps is None
            else [Path(f"{prefix.removesuffix('.bed')}.bed") for prefix in clumps.genotypes]
        )
        return [*prefixes, *(self.linkage.genotypes if self.linkage else ())]

    def _read_linkage(
        self, assembly: Assembly, methods: list[Method], build: str, on_progress: Callable[[str], None]
    ) -> Linkage | None:
        if self.linkage is None or not any(one.is_joint for one in self.weightings):
            return None
        variants = assembly.variants
        wanted = np.flatnonzero(assembly.needs_linkage(methods, self.top))
        linkage = read_linkage(self.linkage, variants.iloc[wanted].reset_index(drop=True), build, on_progress)
        regions = [dataclasses.replace(one, variants=wanted[one.variants]) for one in linkage.regions]
        return dataclasses.replace(linkage, regions=regions)

    def _write_score(self, one: Built, members: Members, build: str) -> dict[str, Any]:
        """Write a scoring file; gives its row of the table."""
        own = members.signals[members.signals["study"] == one.study].iloc[0]
        header = {
            "weight_type": str(own["weight_type"]),
            **({"citation": self.citation} if self.citation else {}),
            **({"license": self.license} if self.license else {}),
            "study": one.study, "method": one.method, "picked_by": one.source, "top": one.top,
            "weighting": one.weighting, "signals": str(one.signals), "software": f"mifm-kipoi {__version__}",
            **({"draw": str(one.draw)} if one.draw else {}),
        }  # fmt: skip
        path = self.folder / FOLDER / f"{one.name}.txt.gz"
        write_scoring_file(path, one.rows, name=one.name, trait=str(own["trait"]), build=build, header=header)
        return {
            "name": one.name, "file": f"{FOLDER}/{path.name}", "study": one.study, "trait": own["trait"],
            "kind": own["kind"], "method": one.method, "source": one.source, "top": one.top,
            "weighting": one.weighting, "draw": one.draw, "variants": len(one.rows), "signals": one.signals,
            "blocks": one.blocks, "signals_without": one.signals_without, "left_out": one.left_out,
            "ambiguous": one.ambiguous, "genome_build": build or "NR",
        }  # fmt: skip

    def _write_table(self, name: str, table: pd.DataFrame) -> Path:
        path = self.folder / name
        with written_whole(path) as temporary, writing(path):
            # As all tables here are read: a quote is a letter.
            texts = {
                name: table[name].astype(str).str.split().str.join(" ") for name in _TEXTS if name in table
            }
            table.assign(**texts).to_csv(
                temporary, sep="\t", index=False, float_format="%.6g", quoting=csv.QUOTE_NONE
            )
        return path

    def _forget(self) -> None:
        """Remove the manifest of an earlier run, and the scoring files that it names."""
        path = self.folder / MANIFEST
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            for name in json.loads(path.read_text())["files"]:
                if str(name).startswith(f"{FOLDER}/") and ".." not in Path(name).parts:
                    (self.folder / name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _settings(self) -> dict[str, Any]:
        """Inputs and options for a reader; of studies, tables and signals what is not as by default."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("folder", "studies", "scores", "signals", "linkage")
        }
        fields["top"] = [str(number) if number else "all" for number in self.top]
        shown: dict[str, Any] = {
            name: _in_words(value) for name, value in fields.items() if value not in ("", ())
        }
        lists: dict[str, Sequence[StudySource | ScoreTable]] = {
            "studies": self.studies, "tables of scores": self.scores,
        }  # fmt: skip
        for name, several in lists.items():
            if several:
                shown[name] = {
                    f"{one.path.name} ({number})": _of_object(one) for number, one in enumerate(several, 1)
                }
        for name, one in (("signals", self.signals), ("LD reference", self.linkage)):
            if one is not None and (own := _differing(one)):
                shown[name] = own
        return shown

    def _provenance(self) -> dict[str, Any]:
        """Inputs and options, as plain JSON types."""
        inputs = [path for source in self.studies for path in source.files()]
        inputs += [path for table in self.scores for path in table.files()]
        inputs += [self.signals.ld_blocks] if self.signals.ld_blocks else []
        options = {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self) if field.name != "folder"
        }  # fmt: skip
        return {"mifm_kipoi": __version__, "inputs": [described(path) for path in inputs], "options": options}


def _scored_by_all(methods: Sequence[Method], members: int) -> npt.NDArray[np.bool_]:
    """The members that all methods have a score of, but for the lead, which is one of each signal."""
    known = [~np.isnan(method.values) for method in methods if method.name != LEAD]
    return np.asarray(np.all(known, axis=0) if known else np.ones(members, dtype=bool))


def _among(method: Method, members: npt.NDArray[np.bool_]) -> Method:
    """A method that picks among some members."""
    if method.name == LEAD:
        return method
    return dataclasses.replace(method, values=np.where(members, method.values, np.nan))


def _unique_names(table: pd.DataFrame) -> pd.DataFrame:
    twice = table["name"][table["name"].duplicated()]
    if len(twice):
        raise OptionError(
            f"two scores would have the name {twice.iloc[0]}: names of studies or methods differ in signs "
            "alone that names of files lack. Rename one"
        )
    return table


def _differing(one: Any) -> dict[str, Any]:
    """The fields of an object that are not as by default, in words."""
    return {
        field.name: _in_words(value)
        for field in dataclasses.fields(one)
        if (value := getattr(one, field.name)) != field.default and value not in ((), {}, "")
    }


def _of_object(one: Any) -> str:
    words = [f"{name}: {value}" for name, value in _differing(one).items() if name != "path"]
    return "; ".join(words) or "as by default"


def _in_words(value: Any) -> Any:
    """A value for a reader."""
    if isinstance(value, tuple | list):
        return ", ".join(str(_in_words(one)) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    if dataclasses.is_dataclass(value):
        return ", ".join(f"{name} {one}" for name, one in _differing(value).items())
    if isinstance(value, Path) or (isinstance(value, str) and "/" in value):
        # Folders are left out, as for all files in reports.
        return Path(value).name
    return str(value) if isinstance(value, Weighting) else value


def _plain(value: Any) -> Any:
    """Options as plain JSON types; of paths the name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Path):
        return value.name
    return str(value) if isinstance(value, Weighting) else value
