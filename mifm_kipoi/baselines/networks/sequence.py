"""Sequence networks with many tracks: effects of variants on every track, and scores from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

from mifm_kipoi.baselines.networks.background import Background
from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Evidence, Score
from mifm_kipoi.conventions import CHUNK, MAX_N_FRACTION, Status
from mifm_kipoi.errors import InputError, MIFMError, OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.network.inference import exactly, find_device
from mifm_kipoi.scoring.records import ScoredVariants
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import VariantWindows, cut_windows, variant_index
from mifm_kipoi.support.provenance import differences

LONG_WINDOW = 10_000
"""Windows longer than this have the limit on N of :data:`LONG_MAX_N_FRACTION`."""

LONG_MAX_N_FRACTION = 0.5
"""Largest fraction of N in a long window that is scored: what lies near the variant decides, and the
pipelines of such models pad the ends of contigs themselves."""

TRACKS_LEAKAGE = (
    "trained on measured tracks of the reference genome, on nearly all of its regions; it has seen no "
    "variants and no labels of benchmarks"
)
"""Of networks that were trained on the genome's tracks."""

_NUMBERS_PER_PIECE = 1 << 21
"""Bases of windows, or tracks of variants, per piece: little memory, and at most minutes of work on CPUs."""

_BASES_PER_BATCH = {"cpu": 1 << 17, "cuda": 1 << 19}
"""Bases that a network reads per batch by default, by type of device."""


class NetworkError(MIFMError):
    """A network whose output is not finite or has an unexpected layout."""


class Reader(Protocol):
    """A model as this module sees it: it reads windows and gives a number for each track."""

    window: int
    """Length of the windows in base pairs."""

    bins: int
    """Bins over which the numbers of a track are summed; 1 where the model has none."""

    tracks: int
    """Numbers for each window."""

    device: str
    """Type of the device, or words where the model chooses for itself."""

    def __call__(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """What the model gives for windows.

        Parameters
        ----------
        codes : numpy.ndarray of uint8, shape (n, window)
            From :func:`mifm_kipoi.sequence.encoding.codes`.

        Returns
        -------
        numpy.ndarray of float64, shape (n, tracks)
            Summed over the bins.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What a model declares about itself, for its :class:`Declaration`.

    Parameters
    ----------
    name : str
        Of the model.
    scale : str
        What one number of a track is.
    citation : str
        The publication to cite.
    leakage : str
        How labels of common benchmarks may have entered the model.
    weights : dict of plain JSON types
        Checksums and settings that decide the numbers.
    libraries : dict of plain JSON types
        Versions, and where the weights came from.
    """

    name: str
    scale: str
    citation: str
    leakage: str = ""
    weights: dict[str, Any]
    libraries: dict[str, Any]


class SequenceBaseline:
    """Scores of variants from the effects of the alternative allele on every track of a model.

    The effect on a track is the sum over its bins of the alternative window less that of the reference
    window; sums and differences are made in float64, the effects kept in float32.

    Parameters
    ----------
    reader : Reader
        The model.
    info : ModelInfo
        What it declares about itself.
    background : Background, optional
        Mean and standard deviation of each track's effects over common variants.
    """

    def __init__(self, reader: Reader, info: ModelInfo, background: Background | None = None) -> None:
        self._reader = reader
        self._info = info
        self._background = background
        long = reader.window > LONG_WINDOW
        self._max_n_fraction = LONG_MAX_N_FRACTION if long else MAX_N_FRACTION
        self.chunk_size = min(CHUNK, max(1, _NUMBERS_PER_PIECE // max(reader.window, reader.tracks)))

    @property
    def device(self) -> str:
        """Where the model computes."""
        return self._reader.device

    @property
    def tracks(self) -> int:
        """Outputs of the model."""
        return self._reader.tracks

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the effects; a background fits when it was made with the same."""
        window, scale = self._reader.window, self._info.scale
        return {"name": self._info.name, "window": window, "scale": scale, **self._info.weights}

    @property
    def declaration(self) -> Declaration:
        """What it declares about itself."""
        info, reader = self._info, self._reader
        number = f"sum over its {reader.bins} bins" if reader.bins > 1 else "number"
        scores = [
            Score("max_abs_delta", "largest |effect| of the tracks", evidence=Evidence.SEQUENCE),
            Score(
                "strongest_delta",
                "effect on the track where |effect| is largest",
                ranks=False,
                signed=True,
                evidence=Evidence.SEQUENCE,
            ),
        ]
        provenance: dict[str, Any] = {"weights": info.weights, "libraries": info.libraries}
        if self._background is not None:
            meaning = (
                "largest |(effect - mean) / sd| of the tracks, with the mean and sd of each over "
                f"{self._background.count:,} variants"
            )
            scores.insert(0, Score("max_abs_delta_normalised", meaning, evidence=Evidence.SEQUENCE))
            provenance["background_sha256"] = self._background.sha256
        return Declaration(
            name=info.name,
            scores=tuple(scores),
            alleles=(
                "reference and alternative window; the left flank is kept; at most "
                f"{self._max_n_fraction:.0%} of either is N"
            ),
            formula=(
                f"effect on a track: {number} of the alternative window, less that of the reference window; "
                f"{info.scale}"
            ),
            citation=info.citation,
            window=reader.window,
            variant_index=variant_index(reader.window),
            tracks=reader.tracks,
            provenance=provenance,
            leakage=info.leakage,
        )

    def with_background(self, background: Background) -> SequenceBaseline:
        """The same model, its effects normalised.

        Parameters
        ----------
        background : Background
            From :func:`mifm_kipoi.baselines.networks.background.read_background`.

        Raises
        ------
        InputError
            When the background was made with other weights, another window or another scale, or no track's
            effects differ between its variants.
        """
        differing = differences(background.identity["model"], self.identity)
        if not differing and background.mean.shape != (self.tracks,):
            differing = [f"tracks was {background.mean.size} and is {self.tracks}"]
        if differing:
            raise InputError(
                f"the background {background.path} was made with another model than {self._info.name}: "
                f"{'; '.join(differing)}; make one with the same weights and window"
            )
        if not (background.sd > 0).any():
            raise InputError(
                f"the background {background.path} has no track whose effects differ between its "
                f"{background.count} variants; make one from more variants"
            )
        return SequenceBaseline(self._reader, self._info, background)

    def effects(
        self, variants: Sequence[Variant], genome: Genome
    ) -> tuple[list[Status], npt.NDArray[np.float32]]:
        """The effects of variants on every track.

        Parameters
        ----------
        variants : sequence of Variant, length n
            Any variants; those that cannot be scored get a status.
        genome : Genome
            Gives the reference sequence.

        Returns
        -------
        status : list of Status, length n
        effects : numpy.ndarray of float32, shape (n, tracks)
            NaN where the status is not ok.

        Raises
        ------
        NetworkError
            When the model gives numbers that are not finite for a variant.
        """
        every = np.full((len(variants), self.tracks), np.nan, dtype=np.float32)
        statuses: list[Status] = []
        for status, rows, effects in self._pieces(variants, genome):
            statuses += status
            every[rows] = effects
        return statuses, every

    def score(self, variants: Sequence[Variant], genome: Genome) -> ScoredVariants:
        """See :meth:`mifm_kipoi.baselines.protocol.Baseline.score`."""
        columns = {name: np.full(len(variants), np.nan) for name in self.declaration.columns}
        statuses: list[Status] = []
        for status, rows, effects in self._pieces(variants, genome):
            statuses += status
            for name, values in self._scores(effects.astype(np.float64)).items():
                columns[name][rows] = values
        return ScoredVariants(variants, statuses, columns)

    def _scores(self, effects: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
        """Columns of shape (n,) from effects of shape (n, tracks)."""
        every = np.arange(len(effects))
        strongest = np.abs(effects).argmax(axis=1)
        delta = effects[every, strongest]
        columns = {"max_abs_delta": np.abs(delta), "strongest_delta": delta}
        if self._background is not None:
            used = self._background.sd > 0
            mean, sd = self._background.mean[used], self._background.sd[used]
            columns["max_abs_delta_normalised"] = np.abs((effects[:, used] - mean) / sd).max(axis=1)
        return columns

    def _pieces(
        self, variants: Sequence[Variant], genome: Genome
    ) -> Iterator[tuple[list[Status], npt.NDArray[np.intp], npt.NDArray[np.float32]]]:
        """Runs of variants small enough for memory: statuses, rows with effects, their effects."""
        for start in range(0, len(variants), self.chunk_size):
            piece = variants[start : start + self.chunk_size]
            windows = cut_windows(piece, genome, self._max_n_fraction, window=self._reader.window)
            rows = np.flatnonzero([reason is Status.OK for reason in windows.status])
            yield windows.status, start + rows, self._effects(windows, rows, genome)

    def _effects(
        self, windows: VariantWindows, rows: npt.NDArray[np.intp], genome: Genome
    ) -> npt.NDArray[np.float32]:
        """Effects of the rows that have windows; each reference window is read once."""
        if not rows.size:
            return np.empty((0, self.tracks), dtype=np.float32)
        variants = [windows.variants[row] for row in rows]
        loci = [(genome.find_contig(variant.chrom), variant.pos) for variant in variants]
        order = {locus: number for number, locus in enumerate(dict.fromkeys(loci))}
        owners = np.array([order[locus] for locus in loci])
        firsts = rows[np.unique(owners, return_index=True)[1]]
        values = self._reader(np.concatenate([windows.ref[firsts], windows.alt[rows]]))
        with np.errstate(invalid="ignore", over="ignore"):
            differences = values[len(firsts) :] - values[owners]
            effects: npt.NDArray[np.float32] = differences.astype(np.float32)
        broken = np.flatnonzero(~np.isfinite(effects).all(axis=1))
        if broken.size:
            variant = variants[broken[0]]
            tracks = np.count_nonzero(~np.isfinite(effects[broken[0]]))
            raise NetworkError(
                f"{self._info.name} gives numbers that are not finite for {variant.chrom}:{variant.pos} "
                f"{variant.ref} > {variant.alt} on {tracks} of {self.tracks} tracks; its weights are most "
                "likely damaged"
            )
        return effects


class TorchReader:
    """A PyTorch network as a :class:`Reader`.

    Parameters
    ----------
    network : torch.nn.Module
        In any state; it is put into evaluation mode and onto the device.
    forward : callable
        From the network and one-hot windows, float32 of shape (n, window, 4), channels A, C, G, T and zeros
        for N, to (n, bins, tracks) or (n, tracks).
    window : int
        Length of the windows in base pairs.
    compute : ComputeOptions
        Where and how it computes.

    Raises
    ------
    OptionError
        When the network cannot read windows of this length, or there is no such device.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        forward: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
        window: int,
        compute: ComputeOptions,
    ) -> None:
        self._network = network.eval()
        self._forward = forward
        self.window = window
        self.bins, self.tracks = self._sizes()
        self._device = find_device(compute.device)
        self.device = self._device.type
        self._network.to(self._device)
        per_batch = _BASES_PER_BATCH.get(self._device.type, _BASES_PER_BATCH["cpu"])
        self._batch_size = compute.batch_size or max(1, per_batch // window)
        self._bases = torch.eye(encoding.NO_BASE + 1, encoding.NO_BASE, device=self._device)

    def _sizes(self) -> tuple[int, int]:
        """Bins and tracks, from a run that computes shapes alone."""
        tensors = [*self._network.named_parameters(), *self._network.named_buffers()]
        shapes = {name: tensor.detach().to("meta") for name, tensor in tensors}
        try:
            with torch.inference_mode():
                outputs = torch.func.functional_call(
                    _Forward(self._network, self._forward),
                    {f"network.{name}": tensor for name, tensor in shapes.items()},
                    (torch.empty(1, self.window, encoding.NO_BASE, device="meta"),),
                    # Where modules have two names, PyTorch would not put their tensors back.
                    tie_weights=False,
                )
            bins, tracks = _with_bins(outputs).shape[1:]
        # Layers differ in the error that they raise when nothing is left of their input.
        except (RuntimeError, ValueError) as error:
            raise OptionError(f"the network cannot read windows of {self.window:,} bp: {error}") from error
        if bins < 1:
            raise OptionError(f"windows of {self.window:,} bp leave the network no bin; expected longer ones")
        return bins, tracks

    def __call__(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """See :class:`Reader`."""
        sums = np.empty((len(codes), self.tracks))
        with exactly():
            for start in range(0, len(codes), self._batch_size):
                batch = torch.from_numpy(codes[start : start + self._batch_size]).to(self._device)
                outputs = _with_bins(self._forward(self._network, F.embedding(batch.int(), self._bases)))
                if outputs.shape != (len(batch), self.bins, self.tracks):
                    raise NetworkError(
                        f"the network gave {tuple(outputs.shape)} numbers for {len(batch)} windows; expected "
                        f"{(len(batch), self.bins, self.tracks)}"
                    )
                sums[start : start + len(batch)] = outputs.sum(1, dtype=torch.float64).cpu().numpy()
        return sums


class _Forward(torch.nn.Module):
    """The network and what is done with it, as one module."""

    def __init__(
        self,
        network: torch.nn.Module,
        forward: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
    ) -> None:
        super().__init__()
        self.network = network
        self._apply_to = forward

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self._apply_to(self.network, windows)


def _with_bins(outputs: torch.Tensor) -> torch.Tensor:
    """(n, bins, tracks), from this or from (n, tracks)."""
    if outputs.dim() not in (2, 3):
        raise ValueError(
            f"the network gave numbers of shape {tuple(outputs.shape)}; expected two or three axes"
        )
    return outputs[:, None] if outputs.dim() == 2 else outputs
