"""Training against a loader in the authors' manner, and against the bare network.

    python -m benchmarks.speed.training
    python -m benchmarks.speed.training --data DIR --fasta GENOME.fa

The same windows, those of one epoch, are trained on in these ways, interleaved and repeated; the medians
are compared:

- fit: the project's loop, by the seconds that its log has for an epoch, and the drawing of the epoch;
- loader: every window is read from the FASTA by itself, its bases are looked up one by one by Python, made
  one-hot by an embedding on the host and put into batches by PyTorch's DataLoader; then a bare step;
- bare: forward, maximum, cross-entropy, backward and AdamW on windows that are ready on the device.

Without ``--data`` genome and bags are random, see :mod:`benchmarks.speed.synthetic`; ``--scale paper`` has as
many as the paper and wants a GPU. The first two are run once more in processes of their own for the memory
that they take.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyfaidx
import torch
from torch.nn import functional
from torch.utils.data import DataLoader

from benchmarks.memory.score import peak_bytes
from benchmarks.speed import measuring, synthetic
from mifm_kipoi import MIFM, VARIANT_INDEX, WINDOW, Genome, MIFMConfig, __version__
from mifm_kipoi.support.cpus import usable_cpus
from training.commands.process import keep_freed_memory
from training.data.dataset import DataSet, Split, read_dataset, write_dataset
from training.fitting.config import FitConfig
from training.fitting.fit import Fit
from training.mil.batches import Epoch, Sampler
from training.mil.genome_tensor import GenomeTensor
from training.mil.objective import ObjectiveConfig

MEMBER = MIFMConfig(channels=5, dropout=0.5)

TOKENS = {base: token for token, base in enumerate("ACGTVN")}

PAPER_BAGS, PAPER_EPOCHS = 4_790, 100

Ready = list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
"""Of each batch its windows, the bag of each, and the labels of the bags."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    options = _parser().parse_args(arguments)
    if bool(options.data) != bool(options.fasta):
        raise SystemExit("--data and --fasta go together: a data set, and the genome that it was made with")
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    if options.scale == "paper" and not torch.cuda.is_available():
        print("No GPU: the small scale is measured, and the paper's is projected from it.\n")
        options.scale = "small"
    with tempfile.TemporaryDirectory() as folder:
        if not options.data:
            options.data, options.fasta = f"{folder}/data", f"{folder}/genome.fa"
            write_dataset(options.data, synthetic.make(synthetic.SHAPES[options.scale], Path(options.fasta)))
        setting = Setting(options, Path(folder))
        if options.only:
            setting.run(options.only)
            return
        figures = measure(setting, options.repeats)
        figures |= {"peak_mb": {name: memory(options, name) for name in ("fit", "loader")}}
    figures |= {
        "scale": options.scale,
        "repeats": options.repeats,
        "threads": options.threads,
        "workers": options.workers,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "mifm_kipoi": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    Path(options.out).write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.training", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", help="data set of 'python -m training data' (default: a random one)")
    parser.add_argument("--fasta", help="its genome")
    parser.add_argument("--scale", choices=synthetic.SHAPES, default="small", help="of the random data set")
    parser.add_argument("--bags", type=int, default=256, help="positive bags trained on (default: 256)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--workers", type=int, default=0, help="processes of the loader (default: none)")
    parser.add_argument(
        "--threads",
        type=int,
        default=usable_cpus(),
        help="threads of PyTorch (default: the CPUs that this process may use)",
    )
    parser.add_argument("--only", choices=Setting.WAYS, help="run one way once, and measure nothing")
    parser.add_argument("--out", default="benchmarks/speed/training.json", help="where to write the figures")
    return parser


class Setting:
    """What the ways share: the bags, the batches of an epoch, the genome.

    Parameters
    ----------
    options : argparse.Namespace
        Those of the command.
    folder : path
        For what ``fit`` writes.
    """

    WAYS = ("fit", "loader", "bare")

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dataset = training_bags(read_dataset(options.data), options.bags)
        self.fasta = Path(options.fasta)
        # Without validation: its windows would be more than those of the others.
        self.config = FitConfig(
            ObjectiveConfig(pooling="max"), evidence="lowest_p", monitor="last", epochs=1, bags_per_batch=32,
            negatives_per_bag=4, max_shift=8, reverse_complement=False,
        )  # fmt: skip
        self.epoch = epoch_of(self.dataset, self.config)
        self.folder = folder
        self.workers = options.workers
        self.network = MIFM(MEMBER).to(self.device).train()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-4, weight_decay=0.0, fused=True)

    @property
    def windows(self) -> int:
        """Windows of an epoch."""
        return len(self.epoch.whole.rows)

    def read_genome(self) -> GenomeTensor:
        """The genome in memory, as the project's loop has it."""
        chroms = self.dataset.instances["chrom"].unique()
        return GenomeTensor.read(Genome(self.fasta), chroms, WINDOW + self.config.max_shift)

    def fit(self, genome: GenomeTensor) -> float:
        """An epoch of the project's loop; its seconds in the log."""
        with tempfile.TemporaryDirectory(dir=self.folder) as out:
            fitted = Fit(self.dataset, genome, MEMBER, self.config, out).run()
        assert fitted.history["windows"].tolist() == [self.windows], "the loop has other windows"
        return float(fitted.history["seconds"].sum())

    def loader(self) -> Iterable[torch.Tensor]:
        """The windows of each batch, read and encoded one by one."""
        whole = self.epoch.whole
        keys = list(zip(whole.rows.tolist(), whole.shifts.tolist(), strict=True))
        ends = self.epoch.window_ends
        batches = [keys[start:end] for start, end in zip((0, *ends), ends, strict=False)]
        return DataLoader(Windows(self.fasta, self.dataset), batch_sampler=batches, num_workers=self.workers)

    def ready(self, genome: GenomeTensor) -> Ready:
        """The batches with their windows, on the device."""
        genome = genome.to(self.device)
        offsets = genome.offsets(self.dataset.instances)
        return [
            (
                genome.cut(offsets[batch.rows], WINDOW, batch.shifts, token=True),
                batch.group,
                batch.labels,
            )
            for batch in self.epoch.to(self.device)
        ]

    def train(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> None:
        """Bare steps, one for each batch."""
        for windows, bag, labels in batches:
            logits = self.network(windows.to(self.device))
            lowest = logits.new_full((len(labels),), -torch.inf)
            pooled = lowest.scatter_reduce(0, bag.to(self.device), logits, "amax")
            loss = functional.binary_cross_entropy_with_logits(pooled, labels.to(self.device))
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def train_loaded(self) -> None:
        """Bare steps on what the loader gives."""
        batches = zip(self.loader(), self.epoch, strict=True)
        self.train((windows, batch.group, batch.labels) for windows, batch in batches)

    def run(self, way: str) -> None:
        """One way, once."""
        ways: dict[str, Callable[[], object]] = {
            "fit": lambda: self.fit(self.read_genome()),
            "loader": self.train_loaded,
            "bare": lambda: self.train(self.ready(self.read_genome())),
        }
        ways[way]()


class Windows(torch.utils.data.Dataset[torch.Tensor]):
    """Windows in the authors' manner, by row of the instances and shift.

    Parameters
    ----------
    fasta : path
        The genome.
    dataset : DataSet
        Its instances are cut.
    """

    def __init__(self, fasta: Path, dataset: DataSet) -> None:
        self.fasta = fasta
        contigs = dataset.instances["chrom"].map(Genome(fasta).find_contig)
        self.loci = list(zip(contigs, dataset.instances["pos"], strict=True))
        self.file: Any = None
        one_hot = torch.cat([torch.eye(len(TOKENS) - 1), torch.zeros(1, len(TOKENS) - 1)])
        self.embedding = torch.nn.Embedding.from_pretrained(one_hot)

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        """One-hot window with the variant token, shape (5, 512)."""
        row, shift = key
        if self.file is None:
            self.file = pyfaidx.Fasta(str(self.fasta), as_raw=True, sequence_always_upper=True)
        contig, pos = self.loci[row]
        start = pos - 1 - VARIANT_INDEX + shift
        end = min(start + WINDOW, len(self.file[contig]))
        sequence = "N" * -min(start, 0) + self.file[contig][max(start, 0) : end]
        tokens = [TOKENS.get(base, TOKENS["N"]) for base in sequence.ljust(WINDOW, "N")]
        tokens[VARIANT_INDEX - shift] = TOKENS["V"]
        window: torch.Tensor = self.embedding(torch.tensor(tokens)).T
        return window


def training_bags(dataset: DataSet, bags: int) -> DataSet:
    """So many of the positive bags for training, drawn at random, and all negative ones."""
    train = dataset.part(Split.TRAIN)
    positive = np.flatnonzero(train.bags["label"] == 1)
    left_out = np.random.default_rng(1).permutation(positive)[bags:]
    marked = train.bags.copy()
    marked.loc[left_out, "split"] = Split.TEST.value
    return dataclasses.replace(train, bags=marked, manifest={}).part(Split.TRAIN)


def epoch_of(dataset: DataSet, config: FitConfig) -> Epoch:
    """The batches of the first epoch, as the project's loop draws them."""
    sampler = Sampler.of(
        dataset,
        seed=config.seed,
        bags_per_batch=config.bags_per_batch,
        negatives_per_bag=config.negatives_per_bag,
        max_bag_size=config.max_bag_size,
        max_shift=config.max_shift,
    )
    return sampler.epoch(0)


def measure(setting: Setting, repeats: int) -> measuring.Figures:
    """Windows per second of each way, their ratios, and the projection."""
    genome = setting.read_genome()
    ready = setting.ready(genome)
    loaded = next(iter(setting.loader()))
    assert torch.equal(loaded, ready[0][0].cpu()), "the loader reads other windows"
    seconds: dict[str, list[float]] = {name: [] for name in Setting.WAYS}
    setting.train(ready[:1])
    for _ in range(repeats):
        drawing = timed(lambda: epoch_of(setting.dataset, setting.config))
        seconds["fit"].append(setting.fit(genome) + drawing)
        seconds["loader"].append(timed(setting.train_loaded))
        seconds["bare"].append(timed(lambda: setting.train(ready)))
    rate = {name: setting.windows / statistics.median(values) for name, values in seconds.items()}
    paper = PAPER_BAGS * (setting.config.max_bag_size + setting.config.negatives_per_bag)
    return {
        "bags": int((setting.dataset.bags["label"] == 1).sum()),
        "batches": len(setting.epoch),
        "windows": setting.windows,
        "genome_bases": sum(genome.lengths.values()),
        **{f"{name}_per_s": round(value) for name, value in rate.items()},
        **{f"{name}_over_bare": round(value / rate["bare"], 3) for name, value in rate.items()},
        "fit_over_loader": round(rate["fit"] / rate["loader"], 2),
        "paper_windows": paper,
        "paper_hours": round(paper * PAPER_EPOCHS / rate["fit"] / 3600, 1),
    }


def timed(way: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    way()
    return time.perf_counter() - began


def memory(options: argparse.Namespace, way: str) -> float:
    """The most memory of the host that a way takes, in MB, the data set and PyTorch included."""
    words: list[Any] = [sys.executable, "-W", "ignore", "-m", "benchmarks.speed.training", "--only", way]
    for name in ("data", "fasta", "bags", "workers", "threads"):
        words += [f"--{name}", getattr(options, name)]
    return round(peak_bytes([str(word) for word in words]) / 1e6, 1)


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    rows = (
        ("the project's loop", "fit", "{peak_mb[fit]}"),
        ("loader in the authors' manner", "loader", "{peak_mb[loader]}"),
        ("bare network on ready windows", "bare", ""),
    )
    lines = [
        "{windows} windows in {batches} batches of {bags} positive bags, {genome_bases} bases, {device}, "
        "{threads} threads, {workers} workers of the loader, median of {repeats}",
        "",
        "| way | windows a second | rate / bare | memory, MB |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {text} | {{{name}_per_s}} | {{{name}_over_bare}} | {peak} |" for text, name, peak in rows),
        "",
        "The project's loop is {fit_over_loader} times as fast as the loader. At its rate, the paper's 100 "
        "epochs of 4,790 bags, {paper_windows} windows each at most, take {paper_hours} hours.",
    ]
    return "\n".join(lines).format(**figures)


if __name__ == "__main__":
    main()
