"""``mifm compare`` from files to files: each model scores, then all are put side by side."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.baselines.kinds import KINDS
from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration
from mifm_kipoi.baselines.run import BaselineRun, described_inputs
from mifm_kipoi.baselines.specs import Spec
from mifm_kipoi.comparison.backgrounds import SUFFIX
from mifm_kipoi.comparison.blocks import BLOCK_BP, equal_blocks, in_blocks, read_blocks
from mifm_kipoi.comparison.joined import write_joined
from mifm_kipoi.comparison.locus import parse_locus
from mifm_kipoi.comparison.records import Comparison, Model
from mifm_kipoi.comparison.report import write_report
from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.scoring.run import check_output
from mifm_kipoi.support.files import locked, made_folder, sha256_of, written_whole
from mifm_kipoi.support.packages import needed
from mifm_kipoi.version import __version__

MANIFEST = "comparison.json"

OUTPUTS = (
    MANIFEST, "scores.parquet", "scores.tsv.gz", "coverage.tsv", "correlations.tsv", "overlap.tsv",
    "blocks.tsv", "resources.tsv", "report.md", "report.html",
)  # fmt: skip
"""Files that each run writes anew."""


@dataclasses.dataclass(frozen=True)
class ComparisonRun:
    """What to compare, on which variants.

    Parameters
    ----------
    variants, fasta : Path
        VCF or BCF file that can be read again; reference genome.
    specs : sequence of Spec
    folder : Path
        Of the outputs; made where it is missing. Models that were scored there before are not scored again.
    blocks : Path, optional
        BED file of blocks; by default regions of 100 kb.
    background : Path, optional
        Folder with moments of tracks, ``LABEL.safetensors``.
    locus : str, optional
        ``chrom:start-end`` of the regional view.
    compute : Machine
    threads : int, optional
        Threads of PyTorch; by default all cores.
    max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.
    resamples, seed : int
        Of the intervals.
    progress : bool, optional
        Show progress; by default on a terminal.
    """

    variants: Path
    fasta: Path
    specs: Sequence[Spec]
    folder: Path
    blocks: Path | None = None
    background: Path | None = None
    locus: str | None = None
    compute: ComputeOptions = dataclasses.field(default_factory=ComputeOptions)
    threads: int | None = None
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    resamples: int = 1000
    seed: int = 1
    progress: bool | None = None

    def __call__(self) -> Iterator[str]:
        """Score, join, measure, draw.

        Yields
        ------
        str
            What was done, in words, when it is done.

        Raises
        ------
        MIFMError
            When an input cannot be read, a package is missing, a model fails or an output cannot be written.
            The models that were scored are kept.
        """
        self._check()
        with locked(made_folder(self._models)):
            inputs = described_inputs(self.variants, self.fasta)
            models, tables = [], []
            for spec in self.specs:
                table = self._table(spec)
                manifest = self._run(spec, table, inputs).apart()
                models.append(model_of(spec, manifest))
                tables.append(table)
                scored = manifest["status"].get("ok", 0)
                seconds = f"{manifest['seconds']:,.1f} s"
                yield f"{spec.label}: {scored:,} of {manifest['rows']:,} variants in {seconds}"
            yield f"written: {', '.join(str(path) for path in self._put_together(models, tables, inputs))}"

    @property
    def _models(self) -> Path:
        return self.folder / "models"

    def _table(self, spec: Spec) -> Path:
        return self._models / f"{spec.label}.parquet"

    def _check(self) -> None:
        """Find what is bound to fail before hours of scoring."""
        needed("matplotlib", "plot")
        for spec in self.specs:
            spec.check()
        if self.locus:
            parse_locus(self.locus)
        if not self.variants.is_file():
            raise InputError(f"{self.variants} is no file; expected a VCF or BCF file that can be read again")
        Genome(self.fasta)
        if self.blocks:
            read_blocks(self.blocks)
        if self.background and not any(KINDS[spec.kind].tracks for spec in self.specs):
            raise OptionError(f"none of the models has tracks that {self.background} could normalise")
        inputs = [self.variants, self.fasta, *([self.blocks] if self.blocks else [])]
        for spec in self.specs:
            inputs += [*spec.files(), *filter(None, [self._background(spec)])]
        for output in (*map(self.folder.joinpath, OUTPUTS), *map(self._table, self.specs)):
            check_output(output, inputs)

    def _run(self, spec: Spec, table: Path, inputs: dict[str, Any]) -> BaselineRun:
        return BaselineRun(
            spec, self.variants, self.fasta, table, inputs, self.compute, self._background(spec),
            self.threads, self.max_mismatch_fraction, self.progress,
        )  # fmt: skip

    def _background(self, spec: Spec) -> Path | None:
        """The moments of a model's tracks, where it has tracks and a folder of moments is given."""
        if self.background is None or not KINDS[spec.kind].tracks:
            return None
        path = self.background / f"{spec.label}{SUFFIX}"
        if not path.exists():
            raise OptionError(
                f"{self.background} has no {path.name}, the moments of {spec}; have 'mifm compare "
                "background' write them, or leave --background out: normalised and raw scores do not stand "
                "side by side"
            )
        return path

    def _put_together(self, models: list[Model], tables: list[Path], inputs: dict[str, Any]) -> list[Path]:
        """Join, measure, draw; in the end the manifest, without which the folder is not complete."""
        for name in OUTPUTS:
            (self.folder / name).unlink(missing_ok=True)
        for left in (path for name in OUTPUTS for path in self.folder.glob(f".{name}.*")):
            left.unlink(missing_ok=True)
        provenance = self._provenance(inputs)
        written = write_joined(models, tables, self.folder, provenance)
        comparison = self._comparison(written[0], tuple(models), provenance)
        written += write_report(
            comparison, self.folder, locus=self.locus, seed=self.seed, resamples=self.resamples
        )
        with written_whole(self.folder / MANIFEST) as temporary:
            manifest = {**provenance, "models": [model.to_dict() for model in models]}
            temporary.write_text(json.dumps(manifest, indent=1) + "\n")
        return [*written, self.folder / MANIFEST]

    def _provenance(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "mifm_kipoi": __version__,
            **inputs,
            "blocks": self.blocks and {"name": self.blocks.name, "sha256": sha256_of(self.blocks)},
            "models": [str(spec) for spec in self.specs],
            "resamples": self.resamples,
            "seed": self.seed,
        }

    def _comparison(self, table: Path, models: tuple[Model, ...], provenance: dict[str, Any]) -> Comparison:
        joined = pd.read_parquet(table)
        if not len(joined):
            raise InputError(f"{self.variants} has no variant; expected some to compare scores of")
        if self.blocks:
            block, names = in_blocks(joined["chrom"], joined["pos"], read_blocks(self.blocks))
            blocks_are = f"regions of {self.blocks.name}"
        else:
            block, names = equal_blocks(joined["chrom"], joined["pos"])
            blocks_are = f"regions of {BLOCK_BP // 1000} kb"
        return Comparison(joined, models, block, names, blocks_are, provenance)


def model_of(spec: Spec, manifest: dict[str, Any]) -> Model:
    """A model of a comparison from the manifest of its run."""
    return Model(
        label=spec.label,
        spec=str(spec),
        kind=spec.kind,
        declaration=Declaration.from_dict(manifest["declaration"]),
        seconds=manifest["seconds"],
        peak_bytes=manifest["peak_bytes"],
        device=manifest["device"],
    )
