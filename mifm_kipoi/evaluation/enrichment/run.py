"""``mifm evaluate enrichment`` from files to files."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.enrichment import covariates as covariates_of
from mifm_kipoi.evaluation.enrichment.annot import write_annot
from mifm_kipoi.evaluation.enrichment.annotations import (
    AUTOSOMES,
    GROUP,
    SILENCER,
    STATE,
    Annotated,
    Annotation,
    Label,
    Sites,
    annotate,
)
from mifm_kipoi.evaluation.enrichment.measure import Measured, Options, Subset, measure, thresholds_of
from mifm_kipoi.evaluation.enrichment.report import Result, write_report
from mifm_kipoi.evaluation.enrichment.variants import BLOCK_BP, Variants, read_variants
from mifm_kipoi.evaluation.ranking.score_tables import Chosen, choose_columns
from mifm_kipoi.evaluation.ranking.variant_tables import VARIANT, VariantTable
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.liftover import LiftOver, LiftStatus
from mifm_kipoi.reports.page import with_interval
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.files import (
    check_outputs,
    made_folder,
    require_file,
    write_json,
    write_table,
)
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

_OUTPUTS = ("enrichment.tsv", "trends.tsv", "report.md", "report.html", "evaluation.json")

PUBLISHED_SUBSETS: Mapping[str, tuple[str, ...]] = {
    "repressed": ("enhancer", SILENCER),
    "repressed-enhancer": ("enhancer",),
    "enhancer": (SILENCER,),
}
"""Labels that were measured among the variants of a group, in the published tables A to E."""


@dataclasses.dataclass(frozen=True)
class EnrichmentResult:
    """What was measured, and its files.

    Parameters
    ----------
    measured : Measured
        All odds ratios and trends.
    cautions : list of str
        What a reader must know before trusting it, the gravest first.
    files : list of Path
        All that were written, the manifest last.
    """

    measured: Measured
    cautions: list[str]
    files: list[Path]

    @property
    def summary(self) -> list[str]:
        """The trend of every group and region as lines of text."""
        trends = self.measured.trends
        shown = trends[(trends["kind"] != STATE) & (trends["within"] == "")]
        lines = ["odds ratio for each standard deviation of the score, with its 95 % interval:"]
        for row in (shown if len(shown) else trends).to_dict("records"):
            number = with_interval(lambda value: f"{value:.3f}", row["odds_ratio"], row["low"], row["high"])
            lines.append(f"{row['score']}  {row['label']}  {number}")
        return lines


@dataclasses.dataclass(frozen=True)
class EnrichmentRun:
    """What to evaluate.

    Parameters
    ----------
    scores : Path
        Table of variants and scores.
    folder : Path
        Of the outputs; made where it is missing.
    annotations : tuple of Annotation
        At least one, each with a name of its own.
    columns, lower : tuple of str
        See :func:`mifm_kipoi.evaluation.ranking.score_tables.choose_columns`.
    options : Options
        Quantiles, shifts, seed.
    ld_blocks : Path, optional
        Table of LD blocks; without one, blocks are ``block_bp`` long.
    population : str
        Whose blocks of that table.
    block_bp : int
        Length of physical blocks.
    within : tuple of str, optional
        Labels, among whose variants the groups and regions are measured; by default those of
        :data:`PUBLISHED_SUBSETS` that there are.
    covariates : tuple of str
        Columns of the table that odds ratios are adjusted for.
    fasta : Path, optional
        Genome of the variants; its GC and CpG around them are covariates then.
    starts : Path, optional
        GTF or BED of transcription start sites, the distance to which is a covariate then.
    as_in_paper : bool
        Take the end of intervals, silencers and the first figure as published.
    with_annot : bool
        Write the annotations for LD score regression.
    threads : int, optional
        That read annotations; by default the CPUs that the process may use.
    """

    scores: Path
    folder: Path
    annotations: tuple[Annotation, ...]
    columns: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    options: Options = dataclasses.field(default_factory=Options)
    ld_blocks: Path | None = None
    population: str = "EUR"
    block_bp: int = BLOCK_BP
    within: tuple[str, ...] | None = None
    covariates: tuple[str, ...] = ()
    fasta: Path | None = None
    starts: Path | None = None
    as_in_paper: bool = False
    with_annot: bool = False
    threads: int | None = None

    def run(self, on_progress: Callable[[str], None] | None = None) -> EnrichmentResult:
        """Read, measure and write.

        The folder gets ``enrichment.tsv``, ``trends.tsv``, ``report.html``, ``report.md``, ``figures/``,
        ``annot/`` where it is wanted, and, last, ``evaluation.json``.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each step that is done.

        Raises
        ------
        MIFMError
            When an option is impossible, an input cannot be read, matplotlib or scipy is not installed or an
            output cannot be written.
        """
        needed("matplotlib", "plot")
        needed("scipy", "evaluation")
        on_progress = on_progress or (lambda _: None)
        self._check()
        chosen = self._chosen()
        variants = read_variants(self.scores, chosen, self.covariates, self.with_annot)
        on_progress(f"{self.scores}: {len(variants):,} variants with scores")
        # Before annotations are read: it refuses scores that select nothing.
        highest = {
            name: max(thresholds_of(name, score, self.options.quantiles).values())
            for name, score in variants.scores.items()
        }
        block, outside = variants.blocks(self.ld_blocks, self.population, self.block_bp)
        annotated, lifted = self._annotated(variants, on_progress)
        covariates = self._covariates(variants)
        subsets = _subsets(annotated, self.within)
        measured = measure(variants.scores, annotated, block, covariates, subsets, self.options, on_progress)
        measured = _as_in_the_table(measured, chosen)
        provenance = self._provenance(chosen, variants, annotated, lifted, measured, outside, covariates)
        made_folder(self.folder)
        files = [
            self._write_table("enrichment", measured.enrichment),
            self._write_table("trends", measured.trends),
        ]
        if self.with_annot:
            files += write_annot(variants, annotated, highest, self.folder)
        result = Result(chosen, variants, annotated, lifted, measured, self.as_in_paper, outside, provenance)
        files += write_report(result, self.folder)
        files.append(self._write_manifest({**provenance, "notes": result.cautions}))
        return EnrichmentResult(measured, result.cautions, files)

    def _check(self) -> None:
        names = [one.name for one in self.annotations]
        if not names:
            raise OptionError("no annotation is named; give --states, --silencers or --bed")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OptionError(
                f"several annotations have the name {', '.join(twice)}; give each its own: NAME=FILE"
            )
        for quantile in self.options.quantiles:
            if not 0 < quantile < 1:
                raise OptionError(
                    f"--quantiles has {quantile:g}; expected numbers between 0 and 1, without these"
                )
        inputs = [self.scores, *(path for one in self.annotations for path in one.paths)]
        inputs += [path for path in (self.ld_blocks, self.fasta, self.starts) if path is not None]
        inputs += [one.chain for one in self.annotations if one.chain is not None]
        check_outputs([self.folder / name for name in _OUTPUTS], inputs)
        for path in (self.scores, self.ld_blocks, *(one.chain for one in self.annotations)):
            if path is not None:
                require_file(path)

    def _chosen(self) -> Chosen:
        table = VariantTable.of(self.scores)
        chosen = choose_columns(self.scores, self.columns, self.lower)
        for name in self.covariates:
            if name not in table.columns or name in VARIANT:
                raise OptionError(
                    f"{self.scores} has no covariate {name!r}; its columns are {', '.join(table.columns)}"
                )
            if name in chosen.columns:
                raise OptionError(f"{name!r} is a score and a covariate; name it as one of them")
        return chosen

    def _annotated(
        self, variants: Variants, on_progress: Callable[[str], None]
    ) -> tuple[list[Annotated], dict[str, dict[str, int]]]:
        """The labels of all annotations, and what lift-overs did, by the name of the annotation."""
        threads = self.threads or usable_cpus()
        here = Sites(variants.contig, variants.contigs, variants.pos)
        places: dict[Path, tuple[Sites, dict[str, int]]] = {}
        annotated, lifted = [], {}
        for one in self.annotations:
            sites = here
            if one.chain is not None:
                if one.chain not in places:
                    places[one.chain] = _lifted(variants, one.chain)
                sites, lifted[one.name] = places[one.chain]
            labels = annotate(one, sites, threads, self.as_in_paper, on_progress)
            if self.as_in_paper and one.name == SILENCER:
                autosomal = np.isin(variants.contig, [
                    code for code, name in enumerate(variants.contigs) if name in AUTOSOMES
                ])  # fmt: skip
                labels = dataclasses.replace(labels, known=labels.known & autosomal)
            annotated.append(labels)
        return _told_apart(annotated), lifted

    def _covariates(self, variants: Variants) -> dict[str, npt.NDArray[np.float64]]:
        covariates = dict(variants.covariates)
        where = (variants.contigs, variants.contig, variants.pos)
        if self.fasta is not None:
            covariates |= covariates_of.composition(Genome(self.fasta), *where)
        if self.starts is not None:
            covariates[covariates_of.TSS] = covariates_of.distance_to_start(
                covariates_of.read_starts(self.starts), *where
            )
        if covariates:
            known = ~np.isnan(list(covariates.values())).any(axis=0)
            if not known.any():
                lacking = [name for name, values in covariates.items() if np.isnan(values).all()]
                raise InputError(
                    f"no variant has all covariates; {', '.join(lacking) or 'each'} is missing throughout: "
                    "are the files of the build of the variants?"
                )
        return covariates

    def _provenance(
        self,
        chosen: Chosen,
        variants: Variants,
        annotated: Sequence[Annotated],
        lifted: Mapping[str, Mapping[str, int]],
        measured: Measured,
        outside: int,
        covariates: Mapping[str, npt.NDArray[np.float64]],
    ) -> dict[str, Any]:
        files = {
            one.annotation.name: {
                "files": [described(path) for path in one.annotation.paths],
                "min_tracks": one.annotation.min_tracks,
                "groups": {name: list(states) for name, states in one.annotation.groups.items()},
                "lift_over": one.annotation.chain and described(one.annotation.chain),
                "intervals": one.intervals,
                "variants": int(one.known.sum()),
                "lifted": dict(lifted[one.annotation.name]) if one.annotation.name in lifted else None,
            }
            for one in annotated
        }
        return {
            "mifm_kipoi": __version__,
            "scores": described(self.scores),
            "evaluated": list(chosen.columns),
            "lower_is_better": sorted(chosen.lower),
            "annotations": files,
            "as_in_paper": self.as_in_paper,
            "quantiles": list(self.options.quantiles),
            "blocks": {
                "table": self.ld_blocks and described(self.ld_blocks),
                "population": self.population if self.ld_blocks else None,
                "physical_bp": self.block_bp,
                "with_variants": measured.blocks,
                "variants_outside_of_ld_blocks": outside,
            },
            "covariates": {
                name: {"missing": int(np.isnan(values).sum())} for name, values in covariates.items()
            },
            "fasta": str(self.fasta.name) if self.fasta else None,
            "starts": self.starts and described(self.starts),
            "shifts": self.options.shifts,
            "seed": self.options.seed,
            "counts": variants.counts | {"variants": len(variants)},
        }

    def _write_table(self, name: str, table: pd.DataFrame) -> Path:
        shown = table.dropna(axis="columns", how="all") if len(table) else table
        return write_table(self.folder / f"{name}.tsv", shown)

    def _write_manifest(self, manifest: dict[str, Any]) -> Path:
        path = self.folder / "evaluation.json"
        write_json(path, manifest)
        return path


def _as_in_the_table(measured: Measured, chosen: Chosen) -> Measured:
    """Thresholds as in the table of scores: those of scores where lower is better were negated."""
    rows = measured.enrichment
    lower = rows["score"].isin(chosen.lower)
    threshold = rows["threshold"].where(~lower, -rows["threshold"])
    return dataclasses.replace(measured, enrichment=rows.assign(threshold=threshold))


def _told_apart(annotated: Sequence[Annotated]) -> list[Annotated]:
    """Labels of a name that several annotations have get that of their annotation before it."""
    rows = collections.Counter(label.name for one in annotated for label in one.labels)
    return [
        dataclasses.replace(
            one,
            labels=tuple(
                dataclasses.replace(label, name=f"{label.annotation}: {label.name}")
                if rows[label.name] > 1
                else label
                for label in one.labels
            ),
        )
        for one in annotated
    ]


def _lifted(variants: Variants, chain: Path) -> tuple[Sites, dict[str, int]]:
    """Where the variants lie in another build, and how many do not."""
    lifted = LiftOver(chain).lift(variants.chrom.to_numpy(object), variants.pos)
    names = {name: contig_key(name) for name in dict.fromkeys(lifted.chrom) if name}
    contigs = list(dict.fromkeys(names.values()))
    code = {name: contigs.index(key) for name, key in names.items()} | {"": -1}
    contig = np.array([code[name] for name in lifted.chrom], dtype=np.int64)
    counts = lifted.counts()
    return Sites(contig, contigs, lifted.pos), {
        status.value: counts[status] for status in (LiftStatus.LOST, LiftStatus.AMBIGUOUS)
    }


def _subsets(annotated: Sequence[Annotated], within: Sequence[str] | None) -> list[Subset]:
    """The labels that are measured among the variants of another."""
    labels = [label for one in annotated for label in one.labels]
    coarse = [label for label in labels if label.kind != STATE]
    by_name: dict[str, Label] = {}
    for label in [*labels, *(one for one in labels if one.kind == GROUP)]:
        by_name[label.name] = label
    if within is None:
        published = {
            name: [by_name[other] for other in others if other in by_name]
            for name, others in PUBLISHED_SUBSETS.items()
            if name in by_name
        }
        return [Subset(by_name[name], tuple(others)) for name, others in published.items() if others]
    unknown = [name for name in within if name not in by_name]
    if unknown:
        raise OptionError(f"--within names {', '.join(unknown)}; the labels are {', '.join(by_name)}")
    return [
        Subset(by_name[name], tuple(label for label in coarse if label != by_name[name])) for name in within
    ]
