"""MIFM as a Kipoi plugin: scores of non-coding variants by the sequence around them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mifm_kipoi.version import __version__

if TYPE_CHECKING:
    from mifm_kipoi.attribution.run import AttributionResult as AttributionResult
    from mifm_kipoi.attribution.run import AttributionRun as AttributionRun
    from mifm_kipoi.comparison.run import ComparisonResult as ComparisonResult
    from mifm_kipoi.comparison.run import ComparisonRun as ComparisonRun
    from mifm_kipoi.conventions import VARIANT_INDEX as VARIANT_INDEX
    from mifm_kipoi.conventions import WINDOW as WINDOW
    from mifm_kipoi.conventions import Status as Status
    from mifm_kipoi.errors import MIFMError as MIFMError
    from mifm_kipoi.evaluation.motifs.run import MotifsResult as MotifsResult
    from mifm_kipoi.evaluation.motifs.run import MotifsRun as MotifsRun
    from mifm_kipoi.evaluation.mpra.run import MPRAResult as MPRAResult
    from mifm_kipoi.evaluation.mpra.run import MPRARun as MPRARun
    from mifm_kipoi.evaluation.ranking.run import RankingResult as RankingResult
    from mifm_kipoi.evaluation.ranking.run import RankingRun as RankingRun
    from mifm_kipoi.explanation.ranking.run import RankResult as RankResult
    from mifm_kipoi.explanation.ranking.run import RankRun as RankRun
    from mifm_kipoi.explanation.variants.run import ExplainResult as ExplainResult
    from mifm_kipoi.explanation.variants.run import ExplainRun as ExplainRun
    from mifm_kipoi.genome_scan.readers import GenomeScores as GenomeScores
    from mifm_kipoi.genome_scan.readers import open_genome_scores as open_genome_scores
    from mifm_kipoi.genome_scan.run import GenomeResult as GenomeResult
    from mifm_kipoi.genome_scan.run import GenomeRun as GenomeRun
    from mifm_kipoi.genomics.genome import Genome as Genome
    from mifm_kipoi.genomics.intervals import Interval as Interval
    from mifm_kipoi.genomics.intervals import Regions as Regions
    from mifm_kipoi.genomics.intervals import read_intervals as read_intervals
    from mifm_kipoi.genomics.variants import Variant as Variant
    from mifm_kipoi.genomics.variants import read_variants as read_variants
    from mifm_kipoi.mutagenesis.run import MutagenesisResult as MutagenesisResult
    from mifm_kipoi.mutagenesis.run import MutagenesisRun as MutagenesisRun
    from mifm_kipoi.network.inference import Predictor as Predictor
    from mifm_kipoi.network.inference import logits as logits
    from mifm_kipoi.network.model import MIFM as MIFM
    from mifm_kipoi.network.model import MIFMConfig as MIFMConfig
    from mifm_kipoi.network.weights import Weights as Weights
    from mifm_kipoi.network.weights import load_model as load_model
    from mifm_kipoi.network.weights import load_weights as load_weights
    from mifm_kipoi.polygenic.ancestry.run import PgsAncestryResult as PgsAncestryResult
    from mifm_kipoi.polygenic.ancestry.run import PgsAncestryRun as PgsAncestryRun
    from mifm_kipoi.polygenic.application.run import PgsScoreResult as PgsScoreResult
    from mifm_kipoi.polygenic.application.run import PgsScoreRun as PgsScoreRun
    from mifm_kipoi.polygenic.building.run import PgsBuildResult as PgsBuildResult
    from mifm_kipoi.polygenic.building.run import PgsBuildRun as PgsBuildRun
    from mifm_kipoi.polygenic.evaluation.run import PgsEvaluateResult as PgsEvaluateResult
    from mifm_kipoi.polygenic.evaluation.run import PgsEvaluateRun as PgsEvaluateRun
    from mifm_kipoi.polygenic.study.run import PgsStudyResult as PgsStudyResult
    from mifm_kipoi.polygenic.study.run import PgsStudyRun as PgsStudyRun
    from mifm_kipoi.scoring.records import ScoredVariants as ScoredVariants
    from mifm_kipoi.scoring.run import ScoringResult as ScoringResult
    from mifm_kipoi.scoring.run import ScoringRun as ScoringRun
    from mifm_kipoi.scoring.scorer import ScoringOptions as ScoringOptions
    from mifm_kipoi.scoring.scorer import iter_scores as iter_scores
    from mifm_kipoi.scoring.scorer import score_variants as score_variants
    from mifm_kipoi.scoring.scores import variant_scores as variant_scores
    from mifm_kipoi.sequence.encoding import one_hot as one_hot
    from mifm_kipoi.sequence.windows import VariantWindows as VariantWindows
    from mifm_kipoi.sequence.windows import cut_interval_windows as cut_interval_windows
    from mifm_kipoi.sequence.windows import cut_windows as cut_windows
    from mifm_kipoi.sequence.windows import stream_windows as stream_windows

_EXPORTS = {
    "AttributionResult": "attribution.run",
    "AttributionRun": "attribution.run",
    "ComparisonResult": "comparison.run",
    "ComparisonRun": "comparison.run",
    "ExplainResult": "explanation.variants.run",
    "ExplainRun": "explanation.variants.run",
    "Genome": "genomics.genome",
    "GenomeResult": "genome_scan.run",
    "GenomeRun": "genome_scan.run",
    "GenomeScores": "genome_scan.readers",
    "Interval": "genomics.intervals",
    "MIFM": "network.model",
    "MIFMConfig": "network.model",
    "MIFMError": "errors",
    "MPRAResult": "evaluation.mpra.run",
    "MPRARun": "evaluation.mpra.run",
    "MotifsResult": "evaluation.motifs.run",
    "MotifsRun": "evaluation.motifs.run",
    "MutagenesisResult": "mutagenesis.run",
    "MutagenesisRun": "mutagenesis.run",
    "PgsAncestryResult": "polygenic.ancestry.run",
    "PgsAncestryRun": "polygenic.ancestry.run",
    "PgsBuildResult": "polygenic.building.run",
    "PgsBuildRun": "polygenic.building.run",
    "PgsEvaluateResult": "polygenic.evaluation.run",
    "PgsEvaluateRun": "polygenic.evaluation.run",
    "PgsScoreResult": "polygenic.application.run",
    "PgsScoreRun": "polygenic.application.run",
    "PgsStudyResult": "polygenic.study.run",
    "PgsStudyRun": "polygenic.study.run",
    "Predictor": "network.inference",
    "RankResult": "explanation.ranking.run",
    "RankRun": "explanation.ranking.run",
    "RankingResult": "evaluation.ranking.run",
    "RankingRun": "evaluation.ranking.run",
    "Regions": "genomics.intervals",
    "ScoredVariants": "scoring.records",
    "ScoringOptions": "scoring.scorer",
    "ScoringResult": "scoring.run",
    "ScoringRun": "scoring.run",
    "Status": "conventions",
    "VARIANT_INDEX": "conventions",
    "Variant": "genomics.variants",
    "VariantWindows": "sequence.windows",
    "WINDOW": "conventions",
    "Weights": "network.weights",
    "cut_interval_windows": "sequence.windows",
    "cut_windows": "sequence.windows",
    "iter_scores": "scoring.scorer",
    "load_model": "network.weights",
    "load_weights": "network.weights",
    "logits": "network.inference",
    "one_hot": "sequence.encoding",
    "open_genome_scores": "genome_scan.readers",
    "read_intervals": "genomics.intervals",
    "read_variants": "genomics.variants",
    "score_variants": "scoring.scorer",
    "stream_windows": "sequence.windows",
    "variant_scores": "scoring.scores",
}
"""Where each public name is defined; the imports above say the same to type checkers."""

__all__ = ["__version__", *sorted(_EXPORTS)]  # noqa: PLE0604 - names, all strings


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import on first use, so that importing the package costs nothing.

        Kipoi imports the top package alone and then reads ``kipoi.VariantModel`` and the like from it. Type
        checkers do not see this function: to them, a name that is not exported does not exist.
        """
        if name in _EXPORTS:
            return getattr(importlib.import_module(f"mifm_kipoi.{_EXPORTS[name]}"), name)
        if name == "kipoi":
            return importlib.import_module("mifm_kipoi.kipoi")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
