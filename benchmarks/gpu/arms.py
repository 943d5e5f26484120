"""Arms of the known-truth benchmark at sizes that want a GPU, and the verdict that was stated beforehand.

``max`` over the rows of a GWAS (p-bags) did not put causal variants first with some hundred thousand training
windows. Before it was trained on more, the rule was: if, with 15 million windows and either learning rate,
``max`` on p-bags still has a top-1 accuracy below 0.2 on test genealogies, then the claim stands that it does
not find causal variants there. The bags that the claim was made on had a chance of 0.06. Other bags have
another, of which the rule does not speak: :func:`threshold` takes 0.2 to be as far from chance to 1 there.
That was added later, before any fit with so many windows; :func:`verdict` says what the letter of the rule
comes to as well.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.gpu import processes
from benchmarks.gpu.packed import PackedGenome
from benchmarks.gpu.record import Deadline, Figures
from mifm_kipoi.errors import InputError
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.estimates import Estimate, Values
from mifm_kipoi.statistics.ranking import among_first
from mifm_kipoi.support.configuration import to_plain
from training.configuration import read_configuration
from training.data.dataset import DataSet, Split, read_dataset, write_dataset
from training.fitting.config import CHECKPOINT, FitConfig
from training.fitting.fit import Fit
from training.fitting.predictions import instance_logits

THRESHOLD, CHANCE = 0.2, 0.06
"""Top-1 accuracy below which the claim about ``max`` stands, and that of chance on the bags of the claim."""

LEARNING_RATES = (3e-3, 3e-4)

CLAIM = "max_bags"
"""The arm that the claim is about."""

NAMES = (CLAIM, "max_sets", "noisy_or_bags", "noisy_or_sets")
"""The arms of :mod:`benchmarks.known_truth.arms` that are trained, those of the claim first."""

ARMS, BASES, TABLE = "arms.json", "bases.npz", "test.parquet"
"""Files of the prepared folder: the arms, the genome, the rows that top-1 accuracy is computed on."""

KEYS = ["chrom", "pos", "ref", "alt"]

BASELINES = {"log_bf": "abf", "score_optimal": "optimal scorer", "score_reference": "optimal scorer of REF"}
"""Columns of the table that rank without a network, and their names; those that are there are evaluated."""

_CURVE = 30
"""Rows of a log that are kept."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What an arm is fitted with: the sections of that name of a recipe.

    Parameters
    ----------
    network : MIFMConfig
        Its network.
    fit : FitConfig
        How it is fitted.
    """

    network: MIFMConfig
    fit: FitConfig


@dataclasses.dataclass(frozen=True)
class PackedArm:
    """An arm that is prepared.

    Parameters
    ----------
    name : str
        Its name.
    data : str
        Name of its data set.
    recipe : Recipe
        What it is fitted with.
    """

    name: str
    data: str
    recipe: Recipe


def pack(
    folder: Path,
    datasets: Mapping[str, DataSet],
    genome: PackedGenome,
    table: pd.DataFrame,
    arms: Sequence[PackedArm],
) -> None:
    """Write data sets, the genome, the rows of test genealogies and the arms into a folder.

    Parameters
    ----------
    folder : Path
        Made where missing.
    datasets : mapping of str to DataSet
        By name.
    genome : PackedGenome
        Of all of them.
    table : pandas.DataFrame
        A row for each variant of each test bag (or study of one): ``bag``, its number; ``genealogy``;
        ``chrom, pos, ref, alt``; ``causal``; and columns of :data:`BASELINES`.
    arms : sequence of PackedArm
        In the order in which they are trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, dataset in datasets.items():
        write_dataset(folder / name, dataset)
    genome.write(folder / BASES)
    table.to_parquet(folder / TABLE, index=False)
    for arm in arms:
        # JSON is YAML.
        (folder / f"{arm.name}.yaml").write_text(json.dumps(to_plain(arm.recipe), indent=1) + "\n")
    listed = [{"name": arm.name, "data": arm.data} for arm in arms]
    (folder / ARMS).write_text(json.dumps(listed, indent=1) + "\n")


def read_arms(folder: Path) -> list[PackedArm]:
    """The arms of a prepared folder.

    Raises
    ------
    InputError
        When it has none.
    """
    try:
        listed = json.loads((folder / ARMS).read_text())
        return [
            PackedArm(each["name"], each["data"], read_configuration(folder / f"{each['name']}.yaml", Recipe))
            for each in listed
        ]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{folder} has no arms ({error}); 'python -m benchmarks gpu --prepare FOLDER --known-truth DIR' "
            "packs them"
        ) from error


class TimeIsUpError(Exception):
    """The deadline of a fit."""


def train(
    folder: str, name: str, rate: float, options: Mapping[str, Any], deadline: Deadline, out: str
) -> Figures:
    """Fit an arm at a learning rate until it has had its windows or the time is up, and evaluate it.

    Parameters
    ----------
    folder : str
        The prepared one.
    name : str
        Of the arm.
    rate : float
        Learning rate; the recipe's schedule is stretched over all epochs.
    options : mapping
        ``device``, ``threads``, and ``windows``, how many it is trained on.
    deadline : Deadline
        When the fit is stopped. The last complete epoch is evaluated then.
    out : str
        Folder of the checkpoint, which :func:`evaluate_last` reads where the process was ended.
    """
    torch.set_num_threads(options["threads"])
    device, packed = torch.device(options["device"]), Path(folder)
    arm = _arm(packed, name)
    dataset = read_dataset(packed / arm.data)
    network = arm.recipe.network
    genome = PackedGenome.read(packed / BASES).tensor(network.window + arm.recipe.fit.max_shift)
    epoch_windows = arm.recipe.fit.epoch_windows(dataset.part(Split.TRAIN))
    config = dataclasses.replace(
        arm.recipe.fit, learning_rate=rate, epochs=max(1, math.ceil(options["windows"] / epoch_windows)),
        monitor="last", patience=0, accelerator=device.type, tensorboard=False,
    )  # fmt: skip

    def on_progress(_: int, __: float) -> None:
        if deadline.over:
            raise TimeIsUpError

    try:
        fitted = Fit(dataset, genome, network, config, out).run(on_progress)
    except TimeIsUpError:
        return evaluate_last(folder, name, rate, options, out)
    return _evaluated(packed, arm, rate, fitted.network.to(device), fitted.history, complete=True)


def evaluate_last(folder: str, name: str, rate: float, options: Mapping[str, Any], out: str) -> Figures:
    """Evaluate an arm after the last complete epoch of a fit that was stopped or ended.

    Parameters
    ----------
    folder, name, rate, options, out
        As of :func:`train`.
    """
    torch.set_num_threads(options["threads"])
    packed, path = Path(folder), Path(out) / CHECKPOINT
    if not path.exists():
        return {"error": "the time was up before the end of the first epoch"}
    arm = _arm(packed, name)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    network = MIFM(arm.recipe.network)
    network.load_state_dict(checkpoint["network"])
    network.to(torch.device(options["device"])).eval()
    return _evaluated(packed, arm, rate, network, pd.DataFrame(checkpoint["rows"]), complete=False)


def _evaluated(
    packed: Path, arm: PackedArm, rate: float, network: MIFM, history: pd.DataFrame, *, complete: bool
) -> Figures:
    """The figures of a network, on whose device the rows are scored."""
    table = pd.read_parquet(packed / TABLE)
    genome = PackedGenome.read(packed / BASES).tensor(arm.recipe.network.window + arm.recipe.fit.max_shift)
    on_device = genome.to(next(network.parameters()).device)
    score = instance_logits(network, on_device, on_device.offsets(table))
    return {
        "arm": arm.name,
        "pooling": arm.recipe.fit.objective.pooling,
        "learning_rate": rate,
        "complete": complete,
        "epochs": len(history),
        "windows": int(history["windows"].sum()),
        "windows_per_s": float(history["windows"].sum() / max(history["seconds"].sum(), 1e-9)),
        "top_1": dataclasses.asdict(top_1(table, score)),
        "sd_of_logits": float(np.std(score)),
        "log": _thinned(history),
    }


def _arm(packed: Path, name: str) -> PackedArm:
    return next(each for each in read_arms(packed) if each.name == name)


def _thinned(history: pd.DataFrame) -> list[dict[str, float | None]]:
    rows = history.iloc[np.unique(np.linspace(0, len(history) - 1, min(_CURVE, len(history))).astype(int))]
    return [
        {str(key): None if math.isnan(value) else float(value) for key, value in row.items()}
        for row in rows.to_dict("records")
    ]


def top_1(table: pd.DataFrame, score: Values) -> Estimate:
    """Fraction of test bags with a causal variant in which one comes first.

    Parameters
    ----------
    table : pandas.DataFrame, n rows
        See :func:`pack`.
    score : numpy.ndarray of float64, shape (n,)
        Higher comes first; of equal ones each as often. NaN comes last.

    Returns
    -------
    Estimate
        With an interval over genealogies.
    """
    bag = pd.factorize(table["bag"])[0]
    causal = table["causal"].to_numpy(bool)
    first = among_first(np.where(np.isnan(score), -np.inf, score), bag, 1)
    hits = np.bincount(bag, first * causal)
    kept = np.bincount(bag, causal) > 0
    genealogy = table["genealogy"].groupby(bag).first().to_numpy(np.int64)
    return Bootstrap.of_clusters(genealogy[kept]).mean(hits[kept])


def baselines(table: pd.DataFrame) -> dict[str, Figures]:
    """Top-1 accuracy of the columns that rank without a network, and of chance."""
    ranked = {name: table[column] for column, name in BASELINES.items() if column in table}
    ranked["random"] = pd.Series(0.0, table.index)
    return {
        name: {"top_1": dataclasses.asdict(top_1(table, values.to_numpy(np.float64)))}
        for name, values in ranked.items()
    }


def run(
    folder: Path,
    device: torch.device,
    windows: int,
    jobs: int,
    deadline: Deadline,
    on_result: Callable[[str, Figures], None],
    *,
    reserve: float,
) -> dict[str, Figures]:
    """Train all arms of a prepared folder at each learning rate, some side by side.

    Parameters
    ----------
    folder : Path
        The prepared one.
    device : torch.device
        Of all of them.
    windows : int
        Training windows of each.
    jobs : int
        Processes side by side.
    deadline : Deadline
        When all must have ended.
    on_result : callable
        Gets the name of an arm with its learning rate and its figures, as soon as they are there.
    reserve : float
        Seconds before the deadline at which fits are stopped. In the first half they are evaluated; fits
        whose process has no result then are killed, and their last checkpoints evaluated in the second half.
    """
    runs = [(arm.name, rate) for arm in read_arms(folder) for rate in LEARNING_RATES]
    names = [f"{name}, lr {rate:g}" for name, rate in runs]
    options = {
        "device": str(device), "windows": windows, "threads": max(torch.get_num_threads() // jobs, 1),
    }  # fmt: skip
    stop = Deadline(deadline.end - reserve)
    # A process that was killed may write a last file while the folder goes.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folders = [Path(temporary) / str(number) for number in range(len(runs))]
        results = processes.run(
            train,
            [
                (str(folder), name, rate, options, stop, str(out))
                for (name, rate), out in zip(runs, folders, strict=True)
            ],
            jobs, stop, lambda number, result: on_result(names[number], result), grace=reserve / 2,
        )  # fmt: skip
        ended = [
            number
            for number, result in enumerate(results)
            if result.get("error") == processes.ENDED and (folders[number] / CHECKPOINT).exists()
        ]
        # In processes too: what held up the first ones may hold up these.
        again = processes.run(
            evaluate_last,
            [(str(folder), *runs[number], options, str(folders[number])) for number in ended],
            max(jobs, 2), deadline, grace=0,
        )  # fmt: skip
    for number, result in zip(ended, again, strict=True):
        if "top_1" in result:
            results[number] = result
            on_result(names[number], result)
    for name, result in zip(names, results, strict=True):
        if "not_run" in result:
            on_result(name, result)
    return dict(zip(names, results, strict=True))


def threshold(chance: float) -> float:
    """The top-1 accuracy below which the claim stands: ``chance + c (1 - chance)``, 0.2 at a chance of 0.06.

    Accuracy is corrected for chance as Cohen's kappa is, ``(accuracy - chance) / (1 - chance)``: 0 of random
    scores, 1 where a causal variant always comes first, and c = 0.149 at the rule's 0.2.

    Parameters
    ----------
    chance : float
        Top-1 accuracy of random scores on the same bags.
    """
    return chance + (THRESHOLD - CHANCE) / (1 - CHANCE) * (1 - chance)


def verdict(results: Mapping[str, Figures], chance: float) -> str:
    """What the rule that was stated beforehand says, for the chance of these bags and by its letter.

    Parameters
    ----------
    results : mapping of str to dict
        From :func:`run`.
    chance : float
        Top-1 accuracy of random scores.
    """
    limit = threshold(chance)
    beside = f"{limit:.2f} (the rule's {THRESHOLD}, where chance is {chance:.2f} and not {CHANCE})"
    measured = {
        name: result for name, result in results.items() if name.startswith(f"{CLAIM},") and "top_1" in result
    }
    above = _reaching(measured, limit)
    complete = [name for name, result in measured.items() if result["complete"]]
    if above:
        said = (
            f"The claim falls: {', '.join(above)} reached a top-1 accuracy of {beside} or more, so max "
            "finds causal variants in p-bags when it is trained on enough windows."
        )
    elif len(complete) == len(LEARNING_RATES):
        said = (
            "The claim stands: with all windows and either learning rate, max on p-bags has a top-1 "
            f"accuracy below {beside}."
        )
    else:
        said = (
            f"Undecided: {len(complete)} of {len(LEARNING_RATES)} runs of max on p-bags had all of their "
            f"windows, and none reached {beside}."
        )
    letter = _reaching(measured, THRESHOLD)
    if not measured or letter == above:
        return said
    return f"{said} By the letter of the rule, {THRESHOLD} whatever chance is, " + (
        f"it would fall: {', '.join(letter)} reached that." if letter else "none reached it."
    )


def _reaching(measured: Mapping[str, Figures], limit: float) -> list[str]:
    """Names of the arms with at least this top-1 accuracy."""
    return [name for name, result in measured.items() if result["top_1"]["value"] >= limit]
