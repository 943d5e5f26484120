"""``mifm compare`` from files to files: each model scores, then all are put side by side."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.baselines.run import BaselineResult, BaselineRun, FolderRun, described_inputs
from mifm_kipoi.baselines.specs import (
    KINDS,
    MissingModel,
    MissingModelsError,
    Spec,
    find_missing,
    require_all,
)
from mifm_kipoi.comparison.backgrounds import SUFFIX
from mifm_kipoi.comparison.blocks import BLOCK_BP, equal_blocks, in_blocks, read_blocks
from mifm_kipoi.comparison.joined import write_joined
from mifm_kipoi.comparison.records import Comparison, Model
from mifm_kipoi.comparison.report import write_report
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.variant_lists import open_variants
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.loci import parse_locus
from mifm_kipoi.scoring.run import check_output
from mifm_kipoi.support.files import locked, made_folder, require_file, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

MANIFEST = "comparison.json"

OUTPUTS = (
    MANIFEST, "scores.parquet", "scores.tsv.gz", "coverage.tsv", "correlations.tsv", "overlap.tsv",
    "blocks.tsv", "resources.tsv", "report.md", "report.html",
)  # fmt: skip
"""Files that each run overwrites."""


@dataclasses.dataclass(frozen=True)
class ComparisonResult:
    """A comparison and its files.

    Parameters
    ----------
    comparison : Comparison
        All scores of all models.
    files : list of Path
        All that were written into the folder, the manifest last.
    """

    comparison: Comparison
    files: list[Path]


@dataclasses.dataclass(frozen=True)
class ComparisonRun(FolderRun):
    """What to compare, on which variants.

    Models that were scored into the folder before are not scored again.

    Parameters
    ----------
    variants, fasta, specs, folder, compute, threads, max_mismatch_fraction, progress
        See :class:`mifm_kipoi.baselines.run.FolderRun`.
    blocks : Path, optional
        BED file of blocks; by default regions of 100 kb.
    background : Path, optional
        Folder with moments of tracks, ``LABEL.safetensors``.
    locus : str, optional
        ``chrom:start-end`` of the regional view, 1-based with both ends inside.
    resamples, seed : int
        Of the intervals.
    skip_missing : bool
        Compare the other models where some are not available, and name those in the report.
    """

    blocks: Path | None = None
    background: Path | None = None
    locus: str | None = None
    resamples: int = 1000
    seed: int = 1
    skip_missing: bool = False

    def run(self, on_progress: Callable[[str], None] | None = None) -> ComparisonResult:
        """Score, join, measure, draw.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each model that is left out or scored.

        Raises
        ------
        MissingModelsError
            When models are not available; with :attr:`skip_missing` when none is. Nothing is scored.
        MIFMError
            When an input cannot be read, a model fails or an output cannot be written. The models that were
            scored are kept.
        """
        on_progress = on_progress or (lambda _: None)
        self._check()
        if not self.skip_missing:
            self._check_overwritten(self.specs)
        specs, missing = self._found()
        self._check_overwritten(specs)
        for model in missing:
            on_progress(f"left out, as it is not available: {model.spec}: {model.reason}")
        with locked(made_folder(self._models)):
            inputs = described_inputs(self.variants, self.fasta, self.positions)
            results = []
            for spec in specs:
                results.append(self._model_run(spec, inputs).run_apart())
                on_progress(results[-1].summary)
            return self._put_together(specs, results, missing, inputs)

    @property
    def _models(self) -> Path:
        return self.folder / "models"

    def _table(self, spec: Spec) -> Path:
        return self._models / f"{spec.label}.parquet"

    def _check(self) -> None:
        """Find what is bound to fail before hours of scoring, but for the models."""
        needed("matplotlib", "plot")
        if self.locus:
            parse_locus(self.locus)
        if not self.variants.is_file():
            raise InputError(
                f"{self.variants} is not a file; expected VCF, BCF or a table of variants, in a file that "
                "can be read again"
            )
        # Opened before hours of scoring for what is wrong with it.
        open_variants(self.variants, Genome(self.fasta), positions=self.positions).close()
        if self.blocks:
            require_file(self.blocks)
            read_blocks(self.blocks)
        if self.background and not any(KINDS[spec.kind].tracks for spec in self.specs):
            raise OptionError(f"none of the models has tracks that {self.background} could normalise")

    def _check_overwritten(self, specs: Sequence[Spec]) -> None:
        """See that no output is an input; the moments of tracks are looked for too."""
        given = (self.variants, self.fasta, self.blocks, self.positions)
        inputs = [path for path in given if path is not None]
        for spec in specs:
            inputs += [*spec.files(), *filter(None, [self._background(spec)])]
        for output in (*map(self.folder.joinpath, OUTPUTS), *map(self._table, self.specs)):
            check_output(output, inputs)

    def _found(self) -> tuple[list[Spec], list[MissingModel]]:
        """The models that are available, and those that are not."""
        if not self.skip_missing:
            require_all(self.specs, "Compare the others with --skip-missing, or leave it out of --models")
            return list(self.specs), []
        missing = find_missing(self.specs)
        labels = {model.label for model in missing}
        specs = [spec for spec in self.specs if spec.label not in labels]
        if not specs:
            raise MissingModelsError(missing, "No model is left to compare")
        return specs, missing

    def _model_run(self, spec: Spec, inputs: dict[str, Any]) -> BaselineRun:
        return BaselineRun(
            spec, self.variants, self.fasta, self._table(spec), inputs, self._background(spec),
            positions=self.positions, compute=self.compute, threads=self.threads,
            max_mismatch_fraction=self.max_mismatch_fraction, progress=self.progress,
        )  # fmt: skip

    def _background(self, spec: Spec) -> Path | None:
        """The moments of a model's tracks, where it has tracks and a folder of moments is given."""
        if self.background is None or not KINDS[spec.kind].tracks:
            return None
        path = self.background / f"{spec.label}{SUFFIX}"
        if not path.exists():
            raise OptionError(
                f"{self.background} has no {path.name}, the moments of {spec}; write them with 'mifm "
                "compare background', or leave --background out: normalised and raw scores cannot be compared"
            )
        return path

    def _put_together(
        self,
        specs: Sequence[Spec],
        results: Sequence[BaselineResult],
        missing: Sequence[MissingModel],
        inputs: dict[str, Any],
    ) -> ComparisonResult:
        """Join, measure, draw; in the end the manifest, without which the folder is not complete."""
        for name in OUTPUTS:
            (self.folder / name).unlink(missing_ok=True)
        models = tuple(map(model_of, specs, results))
        provenance = self._provenance(specs, missing, inputs)
        files = write_joined(models, [result.output for result in results], self.folder, provenance)
        comparison = self._comparison(files[0], models, tuple(missing), provenance)
        files += write_report(
            comparison, self.folder, locus=self.locus, seed=self.seed, resamples=self.resamples
        )
        with written_whole(self.folder / MANIFEST) as temporary:
            manifest = {**comparison.provenance, "models": [model.to_dict() for model in models]}
            temporary.write_text(json.dumps(manifest, indent=1) + "\n")
        return ComparisonResult(comparison, [*files, self.folder / MANIFEST])

    def _provenance(
        self, specs: Sequence[Spec], missing: Sequence[MissingModel], inputs: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "mifm_kipoi": __version__,
            **inputs,
            "blocks": self.blocks and described(self.blocks),
            "models": [str(spec) for spec in specs],
            "skipped": [dataclasses.asdict(model) for model in missing],
            "resamples": self.resamples,
            "seed": self.seed,
        }

    def _comparison(
        self,
        table: Path,
        models: tuple[Model, ...],
        skipped: tuple[MissingModel, ...],
        provenance: dict[str, Any],
    ) -> Comparison:
        joined = pd.read_parquet(table)
        if not len(joined):
            raise InputError(f"{self.variants} has no variants to compare the scores of")
        keys = joined[["pos", "ref", "alt"]].assign(chrom=contig_keys(joined["chrom"]))
        repeated = keys.duplicated()
        joined = joined[~repeated].reset_index(drop=True)
        provenance = {**provenance, "repeated_rows": int(repeated.sum())}
        if self.blocks:
            block, names = in_blocks(joined["chrom"], joined["pos"], read_blocks(self.blocks))
            blocks_are = f"regions of {self.blocks.name}"
        else:
            block, names = equal_blocks(joined["chrom"], joined["pos"])
            blocks_are = f"regions of {BLOCK_BP // 1000} kb"
        return Comparison(joined, models, block, names, blocks_are, provenance, skipped)


def model_of(spec: Spec, result: BaselineResult) -> Model:
    """A model of a comparison from what its run gave."""
    return Model(
        label=spec.label,
        spec=str(spec),
        kind=spec.kind,
        declaration=result.declaration,
        seconds=result.seconds,
        peak_bytes=result.peak_bytes,
        device=result.device,
    )
