"""Write with each writer of the project on ever fuller disks: ``python -m tests.support.full_disk``.

Each writer writes once without a limit, then with less and less room. An error must be one of this package,
and whatever has its final name then must be as it was without a limit.

Arguments: the name of a writer, a folder (on a small disk of its own, or anywhere), and what is limited:
``disk`` (the room of the disk) or ``size`` (the size of a file, which needs no disk of its own).
"""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genomics.genome import Genome

HERE = Path(os.environ.get("MIFM_FULL_DISK_INPUTS", "."))
LENGTH = 3000
STEPS = 9


def _effects() -> Any:
    from mifm_kipoi.mutagenesis.mutate import Effects
    from mifm_kipoi.mutagenesis.targets import Target

    random = np.random.default_rng(1)
    for number in range(1, 6):
        start = number * LENGTH
        target = Target(number, "x", "1", start, start + LENGTH, None, Status.OK)
        ref = np.frombuffer(b"ACGT" * (LENGTH // 4), np.uint8)
        alt = random.normal(size=(LENGTH, 4)).astype(np.float32)
        alt[np.arange(LENGTH), np.arange(LENGTH) % 4] = np.nan
        logit = random.normal(size=LENGTH).astype(np.float32)
        for half in (slice(0, LENGTH // 2), slice(LENGTH // 2, LENGTH)):
            status = [Status.OK] * (LENGTH // 2)
            yield Effects(target, start + half.start, ref[half], status, logit[half], alt[half])


def _mutagenesis(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        from mifm_kipoi.mutagenesis.files import written

        with written(folder / name, {"a": "b"}, row_group=2000) as sink:
            for effects in _effects():
                sink.add(effects)

    return write


def _tracks(folder: Path) -> None:
    from mifm_kipoi.mutagenesis.targets import Centre
    from mifm_kipoi.mutagenesis.tracks import written_tracks

    with written_tracks(folder / "out", Genome(HERE / "genome.fa"), Centre.POSITION) as sink:
        for effects in _effects():
            sink.add(effects)


def _figures(folder: Path) -> None:
    from mifm_kipoi.mutagenesis.mutate import Effects
    from mifm_kipoi.mutagenesis.plot import drawn
    from mifm_kipoi.mutagenesis.targets import Centre

    with drawn(folder / "out.png", Centre.POSITION) as sink:
        for effects in list(_effects())[::4]:
            target = dataclasses.replace(effects.target, end=effects.start + 60)
            parts = (effects.ref[:60], effects.status[:60], effects.ref_logit[:60], effects.alt_logit[:60])
            sink.add(Effects(target, effects.start, *parts))


def _map(folder: Path) -> None:
    from mifm_kipoi.kipoi import compatibility
    from mifm_kipoi.kipoi.bridges.mutation_maps import _SavedWhole

    compatibility.mend_mutation_map_files()
    import deepdish

    class Maps:
        def save_to_file(self, path: str) -> None:
            values = np.random.default_rng(1).normal(size=(4, 5000))
            deepdish.io.save(path, {"_list_0": {"seq": {"diff": values, "chrom": "1"}}})

    _SavedWhole(Maps()).save_to_file(folder / "map.h5")


def _weights(folder: Path) -> None:
    import torch

    from mifm_kipoi.network.model import MIFM
    from mifm_kipoi.network.weights import save_weights

    torch.manual_seed(1)
    save_weights(folder / "w.safetensors", MIFM(), {})


def _moments(folder: Path) -> None:
    from mifm_kipoi.baselines.networks.background import write_moments

    write_moments(folder / "m.safetensors", {"mean": np.arange(9000.0)}, {})


def _checkpoint(folder: Path) -> None:
    import torch

    from training.checkpoints import write_checkpoint

    write_checkpoint(folder / "last.ckpt", {"network": {"weight": torch.arange(20000.0)}, "rows": [1]})


def _data_set(folder: Path) -> None:
    import pandas as pd

    from training.data.dataset import BAG_COLUMNS, INSTANCE_COLUMNS, DataSet, write_dataset

    rows = 4000
    text = [f"rs{number}" for number in range(rows)]
    instances = pd.DataFrame(dict.fromkeys(INSTANCE_COLUMNS, text))
    for name, kind in INSTANCE_COLUMNS.items():
        if kind != "str":
            instances[name] = np.arange(rows).astype(kind)
    bags = pd.DataFrame(dict.fromkeys(BAG_COLUMNS, text))
    for name, kind in BAG_COLUMNS.items():
        if kind != "str":
            bags[name] = (np.arange(rows) % 2 if name == "label" else np.ones(rows)).astype(kind)
    bags["bag"] = np.arange(rows)
    write_dataset(folder, DataSet.of_united(bags, instances, {"version": "1"}))


def _joined(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mifm_kipoi.baselines.protocol import Declaration, Evidence, Score
    from mifm_kipoi.comparison.joined import write_joined
    from mifm_kipoi.comparison.records import Model

    table = HERE / "scores.parquet"
    rows = 20000
    numbers = np.random.default_rng(1).normal(size=rows)
    columns = {name: ["x"] * rows for name in ("chrom", "id", "ref", "alt", "status")}
    if not table.exists():
        pq.write_table(pa.table({**columns, "pos": np.arange(rows), "score": numbers}), table)
    declaration = Declaration("a", (Score("score", "a score", evidence=Evidence.SEQUENCE),), "", "", "")
    write_joined([Model("a", "a", "table", declaration, 1.0, 1, "cpu")], [table], folder, {}, rows=1000)


def _scores(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        from mifm_kipoi.scoring.run import ScoringRun

        try:
            ScoringRun(
                str(HERE / "x.vcf"), HERE / "genome.fa", folder / name, threads=1, chunk_size=300
            ).run()
        except MIFMError:
            # A run may leave what another goes on with.
            for end in (".partial", ".partial.json"):
                Path(f"{folder / name}{end}").unlink(missing_ok=True)
            raise

    return write


WRITERS: dict[str, Callable[[Path], None]] = {
    "mutagenesis.parquet": _mutagenesis("out.parquet"),
    "mutagenesis.h5": _mutagenesis("out.h5"),
    "tracks": _tracks,
    "figures": _figures,
    "mutation_map": _map,
    "weights": _weights,
    "moments": _moments,
    "checkpoint": _checkpoint,
    "data_set": _data_set,
    "joined": _joined,
    **{
        f"scores.{end}": _scores(f"out.{end}") for end in ("tsv", "tsv.gz", "vcf", "vcf.gz", "bcf", "parquet")
    },
}


def contents(folder: Path) -> dict[str, bytes]:
    """What has its final name; manifests hold times."""
    return {
        path.name: path.read_bytes() if path.suffix != ".json" else b""
        for path in folder.iterdir()
        if path.name != "filler"
    }


class Limit:
    """Room for some bytes alone."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._filler = folder / "filler"
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def set(self, room: int) -> None:
        if self._kind == "size":
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, self._limits[1]))
            return
        state = os.statvfs(self._filler.parent)
        self._filler.write_bytes(bytes(max(state.f_bavail * state.f_frsize - room, 0)))

    def lift(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)
        self._filler.unlink(missing_ok=True)


def main(name: str, folder: Path, kind: str) -> None:
    """Write with ever more room; print how often it failed."""
    write = WRITERS[name]
    write(folder)
    whole = contents(folder)
    limit, failed = Limit(kind, folder), 0
    most = max(map(len, whole.values())) if kind == "size" else sum(map(len, whole.values()))
    for step in range(STEPS):
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        limit.set(most * step // STEPS)
        try:
            write(folder)
        except MIFMError as error:
            limit.lift()
            failed += 1
            text = str(error)
            assert "disk" in text or "space" in text or "too large" in text, text
        else:
            limit.lift()
            assert contents(folder).keys() == whole.keys(), contents(folder).keys()
        for key, content in contents(folder).items():
            assert content == whole[key], f"{key} differs with room for {most * step // STEPS} bytes"
    print(failed)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
