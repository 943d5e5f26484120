"""``mifm explain`` from files to files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION, WINDOW
from mifm_kipoi.errors import InputError, OptionError, WeightsError
from mifm_kipoi.evaluation.motifs.known import Motif, read_motifs
from mifm_kipoi.explanation.ranking.candidates import Scoring, Source, TableOptions
from mifm_kipoi.explanation.ranking.loci import LocusRule
from mifm_kipoi.explanation.ranking.ranked import Ranked, rank_variants
from mifm_kipoi.explanation.ranking.tracks import ContigLengths, Tracks
from mifm_kipoi.explanation.variants.choice import Choice, choose, variant_of, with_windows
from mifm_kipoi.explanation.variants.motif_hits import THRESHOLD, find_hits
from mifm_kipoi.explanation.variants.neighbours import region_of
from mifm_kipoi.explanation.variants.readings import METHODS, read_variants
from mifm_kipoi.explanation.variants.report import (
    INDEX,
    PAGES,
    Explained,
    PageOptions,
    columns_table,
    explained_table,
    hits_table,
    index_page,
    variant_page,
)
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.genomics.variants import MISSING, STANDARD_INPUT
from mifm_kipoi.network.attribution import REFERENCES, DeepLift
from mifm_kipoi.network.inference import Predictor, find_device
from mifm_kipoi.network.weights import EMBEDDED, Weights, load_weights
from mifm_kipoi.reports.page import FOLDER, Image, Link, Section, page
from mifm_kipoi.reports.regional import Track, percentile_lines
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import check_outputs, locked, made_folder, require_file, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

MANIFEST = "explain.json"
TABLE, HITS, COLUMNS = "explained.tsv", "motif_hits.tsv", "positions.tsv"

LEAST_SPAN = 16
"""Fewest columns of a figure."""

_PERCENTILES = (50, 99)
"""Percentiles that figures of loci show."""

_DIGITS = "%.7g"
_OWN_FILE = re.compile(r"(variants|figures)/[0-9]{3,}_[A-Za-z0-9._+-]+\.(html|svg|png)")
_LONGEST_STEM = 60


@dataclasses.dataclass(frozen=True)
class ExplainResult:
    """Pages of variants.

    Parameters
    ----------
    explained : list of Explained
        The variants, in the order of their pages.
    choice : Choice
        Which were asked for.
    files : list of Path
        All that were written: the index, pages, figures and tables, the manifest last.
    seconds : float
        Time that it took.
    """

    explained: list[Explained]
    choice: Choice
    files: list[Path]
    seconds: float

    @property
    def summary(self) -> list[str]:
        """What was done, in lines of text."""
        left = self.choice.candidates - len(self.explained)
        lines = [f"{len(self.explained):,} variants explained in {self.seconds:.1f} s"]
        if left:
            lines.append(f"{left:,} variants of lower scores have no page (--most)")
        if len(self.choice.without):
            lines.append(f"{len(self.choice.without):,} variants have no score, and no page")
        return lines


@dataclasses.dataclass(frozen=True)
class ExplainRun:
    """What to explain.

    Parameters
    ----------
    variants : Path
        VCF or BCF file, or any table of variants; what ``mifm rank`` reads.
    fasta : Path
        Reference genome.
    folder : Path
        Of the outputs; made where it is missing.
    loci : tuple of Locus
        Only variants in them get a page; neighbours are all.
    names : tuple of str
        Variants that get a page: identifiers, ``chrom:pos`` or ``chrom:pos:ref:alt``.
    most : int
        Pages at most; variants of the highest scores come first.
    weights : str
        Name or path.
    method : str
        How contributions are computed: ``deeplift`` or ``ism``.
    references : int
        Shuffles of DeepLIFT.
    seed : int
        Of the shuffles.
    span : int
        Bases that are shown around a variant.
    motifs : tuple of Path
        MEME files; no motifs are looked for without.
    threshold : float
        Of the p-values of motif hits.
    blocks : Path, optional
        LD blocks, as of ``mifm rank``.
    blocks_population : str
        Whose blocks of such a table count.
    gap_bp : int, optional
        Loci by distance.
    gwas, pip : str
        Other tables of p-values, effects or PIPs, as of ``mifm rank``.
    table : TableOptions
        How a table is read.
    positions : Path, optional
        VCF or .bim file that knows the names of a list without positions.
    tracks : bool
        Whether figures of loci show the score of every position.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    threads : int, optional
        Threads; by default the CPUs that this process may use.
    max_n_fraction, max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.

    Raises
    ------
    OptionError
        When an option is impossible.
    """

    variants: Path
    fasta: Path
    folder: Path
    loci: tuple[Locus, ...] = ()
    names: tuple[str, ...] = ()
    most: int = 20
    weights: str = EMBEDDED
    method: str = METHODS[0]
    references: int = REFERENCES
    seed: int = 0
    span: int = 128
    motifs: tuple[Path, ...] = ()
    threshold: float = THRESHOLD
    blocks: Path | None = None
    blocks_population: str = ""
    gap_bp: int | None = None
    gwas: str = ""
    pip: str = ""
    table: TableOptions = dataclasses.field(default_factory=TableOptions)
    positions: Path | None = None
    tracks: bool = True
    device: str = "auto"
    threads: int | None = None
    max_n_fraction: float = MAX_N_FRACTION
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise OptionError(f"method is {self.method!r}; expected one of {', '.join(METHODS)}")
        if not LEAST_SPAN <= self.span <= WINDOW // 2:
            raise OptionError(f"span is {self.span}; expected {LEAST_SPAN} to {WINDOW // 2} bases")
        if not 0 < self.threshold < 1:
            raise OptionError(f"threshold is {self.threshold}; expected a p-value between 0 and 1")
        for name in ("most", "references"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is {getattr(self, name)}; expected 1 or more")

    def run(self, on_progress: Callable[[str], None] | None = None) -> ExplainResult:
        """Read, score, choose, compute, draw and write.

        The folder gets ``index.html``, ``variants/*.html``, ``figures/*.svg`` and ``.png``,
        ``explained.tsv``, ``positions.tsv``, ``motif_hits.tsv`` and, last, ``explain.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an input cannot be read, no variant has a score, a package is missing or an output cannot be
            written.
        """
        import torch

        began = time.monotonic()
        say = on_progress or (lambda _: None)
        source = Source(self.variants, self.table, pip=self.pip, gwas=self.gwas, positions=self.positions)
        self._check(source)
        motifs = read_motifs(self.motifs) if self.motifs else None
        torch.set_num_threads(self.threads or usable_cpus())
        genome, weights = Genome(self.fasta), load_weights(self.weights)
        if weights.config.window != WINDOW:
            raise WeightsError(
                f"the network of {weights.path} reads windows of {weights.config.window} bp; expected "
                f"{WINDOW} bp"
            )
        scoring = Scoring(
            weights, self.device, max_n_fraction=self.max_n_fraction,
            max_mismatch_fraction=self.max_mismatch_fraction,
        )  # fmt: skip
        candidates = source.read(genome, scoring)
        if not candidates.scored:
            candidates = with_windows(candidates, genome, self.max_n_fraction)
        ranked = rank_variants(
            candidates, LocusRule(self.blocks, self.blocks_population, self.gap_bp), slope=0.0
        )
        say(f"{len(candidates.table):,} variants read{' and scored' if candidates.scored else ''}")
        choice = choose(ranked, self.loci, self.names, self.most)
        tracks = Tracks(genome, weights, self.max_n_fraction, self.threads or usable_cpus())
        if differs := tracks.difference(candidates):
            raise InputError(differs.partition(", so that")[0] + "; name those of the input with --weights")
        explained = self._explain(ranked, choice, genome, weights, motifs, say)
        lengths = ContigLengths(genome)
        regions = {
            each.row: region_of(ranked, each.row, lengths[each.reading.variant.chrom]) for each in explained
        }
        if self.tracks:
            say(f"{tracks.scan(regions.values()):,} positions around them scored")
        options = self._page_options(source, ranked, weights, motifs)
        with locked(made_folder(self.folder)):
            files = self._write(explained, ranked, choice, options, lengths, tracks.of)
        return ExplainResult(explained, choice, files, time.monotonic() - began)

    def _check(self, source: Source) -> None:
        """Find what is bound to fail before any work."""
        needed("matplotlib", "plot")
        if str(self.variants) == STANDARD_INPUT or not self.variants.is_file():
            raise InputError(
                f"{self.variants} is not a file; expected VCF, BCF or a table of variants, in a file that "
                "can be read again"
            )
        inputs = [*source.files(), self.fasta, *self.motifs, *filter(None, [self.blocks])]
        for path in inputs:
            require_file(path)
        check_outputs([self.folder / name for name in (TABLE, HITS, COLUMNS, INDEX, MANIFEST)], inputs)

    def _explain(
        self,
        ranked: Ranked,
        choice: Choice,
        genome: Genome,
        weights: Weights,
        motifs: Sequence[Motif] | None,
        say: Callable[[str], None],
    ) -> list[Explained]:
        """Compute what the pages show."""
        device = find_device(self.device)
        deep_lift = None
        if self.method == METHODS[0]:
            deep_lift = DeepLift(weights.model(), self.references, self.seed, device)
        variants = [variant_of(ranked.table.iloc[row]) for row in choice.rows]
        readings = read_variants(
            variants,
            genome,
            Predictor(weights.model().to(device), path=weights.path),
            deep_lift,
            self.span,
            self.max_n_fraction,
        )
        say(f"contributions and substitutions of {len(readings):,} variants computed")
        hits = None if motifs is None else find_hits(readings, motifs, self.threshold)
        if hits is not None:
            say(f"{sum(map(len, hits)):,} motif hits")
        return [
            Explained(
                row, reading, None if hits is None else hits[number],
                _stem(number + 1, reading.variant.id, reading.variant.key), weights.background,
            )
            for number, (row, reading) in enumerate(zip(choice.rows, readings, strict=True))
        ]  # fmt: skip

    def _page_options(
        self, source: Source, ranked: Ranked, weights: Weights, motifs: Sequence[Motif] | None
    ) -> PageOptions:
        provenance = self._provenance(source, ranked, weights)
        return PageOptions(
            input=self.variants.name,
            weights=weights.name,
            background=weights.background.name if weights.background else "",
            lines=percentile_lines(weights.background, _PERCENTILES),
            references=self.references,
            motifs=motifs,
            motif_file=", ".join(path.name for path in self.motifs),
            threshold=self.threshold,
            settings=_shown(provenance),
            provenance=provenance,
            notes=ranked.candidates.notes,
        )

    def _provenance(self, source: Source, ranked: Ranked, weights: Weights) -> dict[str, Any]:
        return {
            "mifm_kipoi": __version__,
            "inputs": [described(path) for path in source.files()],
            "fasta": described(self.fasta),
            "motifs": [described(path) for path in self.motifs],
            "blocks": None if self.blocks is None else described(self.blocks),
            "weights": {"name": weights.name, **weights.identity},
            "loci": {"are": ranked.loci.are, "number": len(ranked.loci)},
            "options": {
                "loci": [list(locus) for locus in self.loci], "names": list(self.names), "most": self.most,
                "method": self.method, "references": self.references, "seed": self.seed, "span": self.span,
                "threshold": self.threshold, "gwas": self.gwas, "pip": self.pip,
                "blocks_population": self.blocks_population, "gap_bp": self.gap_bp,
                "max_n_fraction": self.max_n_fraction,
            },
        }  # fmt: skip

    def _write(
        self,
        explained: list[Explained],
        ranked: Ranked,
        choice: Choice,
        options: PageOptions,
        lengths: ContigLengths,
        track_of: Callable[[Locus], Track | None],
    ) -> list[Path]:
        self._forget()
        for name in (PAGES, FOLDER):
            made_folder(self.folder / name)
        names = {each.row: f"{each.stem}.html" for each in explained}
        pages, files = [], []
        for number, each in enumerate(explained):
            length = lengths[each.reading.variant.chrom]
            title, sections, figures = variant_page(each, ranked, options, names, length, track_of)
            links = [Link("all variants", f"../{INDEX}")]
            links += [
                Link(f"{what}: {_name(explained[other])}", names[explained[other].row])
                for what, other in (("previous", number - 1), ("next", number + 1))
                if 0 <= other < len(explained)
            ]
            pages.append(self._write_page(f"{PAGES}/{each.stem}.html", title, sections, links))
            for name, image in figures.items():
                for suffix, content in _forms(image):
                    files.append(self._put(f"{FOLDER}/{name}.{suffix}", content))
        title, sections = index_page(explained, ranked, options, choice.candidates, choice.without)
        index = self._write_page(INDEX, title, sections, [])
        tables = [(TABLE, explained_table(explained, ranked)), (COLUMNS, columns_table(explained, lengths))]
        if options.motifs is not None:
            tables.append((HITS, hits_table(explained)))
        else:
            (self.folder / HITS).unlink(missing_ok=True)
        for name, table in tables:
            text = table.to_csv(sep="\t", index=False, float_format=_DIGITS, lineterminator="\n")
            files.append(self._put(name, text.encode()))
        files = [index, *pages, *files]
        manifest = {**options.provenance, "files": [str(path.relative_to(self.folder)) for path in files]}
        return [*files, self._put(MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())]

    def _write_page(self, name: str, title: str, sections: list[Section], links: Sequence[Link]) -> Path:
        return self._put(name, page(title, sections, links).encode())

    def _put(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        with written_whole(path) as temporary:
            temporary.write_bytes(content)
        return path

    def _forget(self) -> None:
        """Remove the manifest of an earlier run, and the pages and figures that it names."""
        path = self.folder / MANIFEST
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            for name in json.loads(path.read_text())["files"]:
                if _OWN_FILE.fullmatch(str(name)):
                    (self.folder / name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _shown(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as the index shows them: names of files and weights, options that are not empty."""
    shown = {**provenance, "weights": provenance["weights"]["name"], "loci": provenance["loci"]["are"]}
    shown["fasta"] = provenance["fasta"]["name"]
    for name in ("inputs", "motifs"):
        shown[name] = ", ".join(file["name"] for file in provenance[name])
    if provenance["blocks"]:
        shown["blocks"] = provenance["blocks"]["name"]
    options = {name: value for name, value in shown.pop("options").items() if value not in ("", None, [])}
    return {name: value for name, value in shown.items() if value} | {"options": options}


def _forms(image: Image | bytes) -> list[tuple[str, bytes]]:
    return [("png", image.png), ("svg", image.svg)] if isinstance(image, Image) else [("png", image)]


def _name(explained: Explained) -> str:
    variant = explained.reading.variant
    return f"{variant.chrom}:{variant.pos}" if variant.id == MISSING else variant.id


def _stem(number: int, name: str, key: str) -> str:
    """What the names of a variant's files begin with: a number, so that no two are the same."""
    text = key if name == MISSING else f"{name}_{key}"
    return f"{number:03d}_{re.sub(r'[^A-Za-z0-9.+-]+', '_', text)[:_LONGEST_STEM]}"
