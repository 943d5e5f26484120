import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.network.weights import load_weights, save_weights
from mifm_kipoi.sequence.encoding import NO_BASE
from mifm_kipoi.support.configuration import ConfigurationError
from tests.builders import TINY, random_network, write_fasta
from tests.conftest import Run
from training.__main__ import main
from training.configuration import read_configuration
from training.distillation.config import DistilError, SequenceDistilConfig
from training.distillation.sequence import (
    ChunkSampler,
    LogLine,
    activations,
    distil_on_sequence,
    one_hot,
    stages,
    substitute_bases,
)
from training.recipe import Recipe

QUICK = SequenceDistilConfig(
    contigs=("1",), hint_steps=600, end_to_end_steps=300, end_to_end_learning_rate=2e-3, log_every=300
)


def random_contig(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8)


def test_the_stages_in_a_row_are_the_network() -> None:
    for config in (TINY, MIFMConfig()):
        network = random_network(config)
        x = torch.rand(2, 4, config.window)
        last = activations(network, x)[-1]
        assert torch.allclose(last[:, 0, config.variant_bin], network(x), atol=1e-5)
        held = {id(parameter) for stage in stages(network) for parameter in stage.parameters()}
        assert held == {id(parameter) for parameter in network.parameters()}


def test_a_student_learns_its_teachers_answers() -> None:
    """On sequence that it was not taught on; an untaught student is the control."""
    teacher = random_network(TINY, seed=3)
    lines: list[LogLine] = []
    student = distil_on_sequence(teacher, [random_contig(50_000)], QUICK, lines.append)
    x = one_hot(torch.from_numpy(random_contig(64 * 2000, seed=9).astype(np.int64)).reshape(2000, 64))
    with torch.inference_mode():
        taught, learnt, control = (
            network(x).numpy() for network in (teacher, student, random_network(TINY, seed=4))
        )
    assert np.corrcoef(taught, learnt)[0, 1] > 0.98
    assert np.corrcoef(taught, control)[0, 1] < 0.5
    assert [(line.stage, line.step) for line in lines] == [
        ("hints", 300), ("hints", 600), ("end-to-end", 300),
    ]  # fmt: skip
    assert lines[1].hint < lines[0].hint
    assert lines[2].logit < 0.1
    assert math.isnan(lines[0].logit)
    assert not student.training


def test_the_same_seed_gives_the_same_student() -> None:
    teacher, contigs = random_network(TINY), [random_contig(20_000)]
    short = dataclasses.replace(QUICK, hint_steps=5, end_to_end_steps=5)
    calls: list[tuple[int, float]] = []
    first, again = (
        distil_on_sequence(
            teacher, contigs, short, on_progress=lambda steps, fraction: calls.append((steps, fraction))
        ).state_dict()
        for _ in range(2)
    )
    # The steps of both stages, then of both again.
    assert calls == [(step, step / 10) for step in range(1, 11)] * 2
    other = distil_on_sequence(teacher, contigs, dataclasses.replace(short, seed=2)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_the_teacher_is_left_as_it_came() -> None:
    teacher = random_network(TINY).train()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    distil_on_sequence(
        teacher, [random_contig(20_000)], dataclasses.replace(QUICK, hint_steps=2, end_to_end_steps=2)
    )
    assert teacher.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_a_teacher_with_the_variant_token_is_refused() -> None:
    with pytest.raises(DistilError, match="5 channels: it reads the variant token"):
        distil_on_sequence(
            random_network(dataclasses.replace(TINY, channels=5)), [random_contig(20_000)], QUICK
        )


def test_chunks_have_no_n_and_do_not_cross_contigs() -> None:
    """Contigs of A and of C alone: a chunk across both would mix them, on either strand."""
    first = np.zeros(300, dtype=np.uint8)
    first[100:110] = NO_BASE
    sampler = ChunkSampler([first, np.full(200, 1, dtype=np.uint8)], 80, np.random.default_rng(0))
    chunks = sampler.draw(2000).numpy()
    assert chunks.shape == (2000, 80)
    assert (chunks != NO_BASE).all()
    assert (chunks == chunks[:, :1]).all()
    # A and its complement T, C and its complement G, all drawn.
    assert set(chunks[:, 0]) == {0, 1, 2, 3}


def test_contigs_that_are_too_short() -> None:
    with pytest.raises(DistilError, match="80 bp without N"):
        ChunkSampler([np.zeros(79, dtype=np.uint8)] * 3, 80, np.random.default_rng(0))


def test_exchanged_bases_differ_at_their_positions_alone() -> None:
    codes = torch.from_numpy(random_contig(40 * 100).astype(np.int64)).reshape(40, 100)
    positions = np.array([3, 50, 99])
    differ = substitute_bases(codes, positions, np.random.default_rng(0)) != codes
    assert differ[:, positions].all()
    assert differ.sum() == 40 * 3


def test_a_loss_that_is_not_finite_stops() -> None:
    teacher = random_network(TINY)
    with torch.no_grad():
        teacher.head.bias.fill_(math.nan)
    with pytest.raises(DistilError, match="not finite at step 1"):
        distil_on_sequence(teacher, [random_contig(20_000)], QUICK)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contigs: ['1']\nsteps: 3\n", "unknown key 'steps'.*known are chunk_bins, contigs"),
        ("contigs: ['1']\nseed: one\n", "seed is 'one'; expected a whole number"),
        ("contigs: 1\n", "contigs is 1; expected a list"),
        ("contigs: [1]\n", r"contigs\[0\] is 1; expected text, in quotes"),
        ("contigs: []\n", "contigs is empty"),
        ("contigs: ['1']\nheld_out: ['1']\n", "contigs and held_out both have"),
        ("seed: 1\n", "contigs"),
        ("- 1\n", "expected a mapping"),
        ("{", "is not YAML"),
    ],
)
def test_recipes_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_configuration(path, SequenceDistilConfig)


def test_the_recipes_of_the_embedded_weights(root: Path) -> None:
    stated = load_weights("embedded").provenance
    for name in ("embedded-3.yaml", "embedded-2.yaml", "embedded.yaml"):
        recipe = read_configuration(root / "training" / "configs" / name, Recipe).distil.sequence
        assert stated["recipe"] == json.loads(json.dumps(dataclasses.asdict(recipe))), name
        stated = stated["start"]
    assert stated is None


def test_going_on_with_a_student() -> None:
    teacher, start = random_network(TINY, seed=3), random_network(TINY, seed=4)
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    config = dataclasses.replace(QUICK, hint_steps=0, end_to_end_steps=1, end_to_end_learning_rate=1e-2)
    student = distil_on_sequence(teacher, [random_contig(20_000)], config, start=start)
    assert all(torch.equal(tensor, before[name]) for name, tensor in start.state_dict().items())
    assert not torch.equal(student.head.weight, start.head.weight)
    torch.testing.assert_close(student.head.weight, start.head.weight, atol=2e-4, rtol=0)
    with pytest.raises(DistilError, match="another size"):
        distil_on_sequence(teacher, [random_contig(20_000)], config, start=random_network(MIFMConfig()))


def test_the_command(run: Run, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bases = "".join("ACGT"[code] for code in random_contig(6000))
    fasta = write_fasta(tmp_path / "genome.fa", {"1": bases[:5000], "20": bases[5000:]})
    save_weights(tmp_path / "teacher.safetensors", random_network(TINY), {"source": {"file": "somewhere"}})
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "distil:\n  source: sequence\n  sequence: {contigs: ['1'], held_out: ['20'], hint_steps: 3, "
        "end_to_end_steps: 3, log_every: 2}\n"
    )
    teacher = tmp_path / "teacher.safetensors"
    command = ("distil", "--config", recipe, "--teacher", teacher, "--set", f"fasta={fasta}")
    run("training", *command, "--out", tmp_path / "student", cwd=root)
    student = load_weights(tmp_path / "student" / "student.safetensors")
    assert student.config == TINY
    assert student.provenance["teacher"]["source"] == {"file": "somewhere"}
    assert student.provenance["recipe"]["hint_steps"] == 3
    lines = (tmp_path / "student" / "log.csv").read_text().splitlines()
    assert lines[0].startswith("stage,step,seconds")
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["hints", "2"], ["hints", "3"], ["end-to-end", "2"], ["end-to-end", "3"],
    ]  # fmt: skip
    for setting, options, message in (
        ("distil.sequence.contigs=['2']", (), "there is no contig '2'"),
        ("distil.source=bags", (), "distil.source is bags: give --data"),
        ("distil.sequence=null", (), "distil.source is sequence, and distil.sequence is missing"),
        ("distil.source=sequence", ("--vcf", "x.vcf"), "give one --teacher, no --data"),
        ("fasta=''", (), "fasta is missing"),
    ):
        failing = (*command, setting, *options, "--out", tmp_path / "none")
        assert main(["--threads", "1", *map(str, failing)]) == 1
        shown = capsys.readouterr().err
        assert message in shown
        assert "Traceback" not in shown
    assert not (tmp_path / "none").exists()
