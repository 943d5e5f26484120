"""Kipoi models: through their own dataloaders, places and alleles, layouts of outputs, what is refused."""

from __future__ import annotations

import logging
import logging.config
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import kipoi.config
import kipoi.sources
import numpy as np
import pytest

from mifm_kipoi.baselines.mifm import MIFMBaseline
from mifm_kipoi.baselines.networks import kipoi_models
from mifm_kipoi.baselines.networks.background import Background
from mifm_kipoi.baselines.networks.sequence import NetworkError
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.errors import InputError, MissingPackageError, OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.kipoi.sources import GROUP
from tests.baselines.networks.toy_networks import (
    BASES,
    CPU,
    check_notices_shift,
    check_toy_effects,
    make_genome,
    place_weights,
    slice_windows,
    some_variants,
)

WINDOW = 150

SEQ = "kipoiseq.dataloaders.SeqIntervalDl"
STRING = "kipoiseq.dataloaders.StringSeqIntervalDl"

TRACKS = f"""\
places = np.sin(1 + 0.37 * np.arange({WINDOW}) ** 2)
bases = np.array({BASES.tolist()})
return places @ x.astype(float) @ bases
"""
"""The body of a model whose effects :func:`toy_effect` knows."""

Make = Callable[..., str]
Genomes = tuple[Genome, dict[str, str]]


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genomes:
    return make_genome(tmp_path_factory.mktemp("genome"), 3_000)


@pytest.fixture
def variants(genome: Genomes) -> list[Variant]:
    return some_variants(genome[1]["1"], range(1_000, 1_012))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A folder of a model: ``predict_on_batch(x)`` has the body; gives the argument for open_kipoi."""

    def write(
        body: str = TRACKS,
        dataloader: str = SEQ,
        args: str = f"{{auto_resize_len: {WINDOW}}}",
        shape: str = f"({WINDOW}, 4)",
        imports: str = "",
        name: str = "toy",
        own: str = "",
        arguments: Sequence[str] = ("intervals_file", "fasta_file"),
    ) -> str:
        folder = tmp_path / name
        folder.mkdir()
        code = (
            f"import numpy as np\nfrom kipoi.model import BaseModel\n{imports}\n\n\nclass Toy(BaseModel):\n"
        )
        code += "    def predict_on_batch(self, x):\n" + textwrap.indent(body, " " * 8)
        (folder / "model.py").write_text(code)
        loader = f"defined_as: {dataloader}\n  default_args: {args}" if not own else "."
        (folder / "model.yaml").write_text(
            "defined_as: model.Toy\nargs: {}\n"
            f"default_dataloader: {loader if own else chr(10) + '  ' + loader}\n"
            "info: {authors: [{name: nobody}], doc: a toy, trained_on: nothing}\n"
            f"schema:\n  inputs: {{name: seq, shape: {shape!r}, special_type: DNASeq, doc: x}}\n"
            "  targets: {name: y, shape: '(3, )', doc: y}\n"
        )
        if own:
            (folder / "dataloader.py").write_text(own)
            described = "".join(f"  {key}: {{doc: x}}\n" for key in arguments)
            (folder / "dataloader.yaml").write_text(
                f"type: Dataset\ndefined_as: dataloader.Windows\nargs:\n{described}"
                "info: {authors: [{name: nobody}], doc: x}\n"
                "output_schema: {inputs: {name: seq, shape: '(None, 4)', doc: x}}\n"
            )
        return f"{folder}@dir"

    return write


OWN = """\
from pathlib import Path

import numpy as np
from kipoi.data import Dataset
from kipoi.metadata import GenomicRanges


class Windows(Dataset):
    def __init__(self, intervals_file, fasta_file):
        words = Path(fasta_file).read_text().split()
        self.rows = [(name[1:], window) for name, window in zip(words[::2], words[1::2])]
        CHANGE

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        name, window = self.rows[row]
        x = np.array([[base == letter for letter in "ACGT"] for base in window], dtype=float)
        return {"inputs": x, "metadata": {"ranges": GenomicRanges(name, 0, len(window), str(row))}}
"""


@pytest.mark.parametrize(
    ("dataloader", "args", "body"),
    [
        (SEQ, f"{{auto_resize_len: {WINDOW}}}", TRACKS),
        (SEQ, "{auto_resize_len: null}", TRACKS),
        (SEQ, f"{{auto_resize_len: {WINDOW}, use_strand: true, num_chr_fasta: true}}", TRACKS),
        (SEQ, f"{{auto_resize_len: {WINDOW}, alphabet: TGCA}}", "x = x[..., ::-1]\n" + TRACKS),
        (SEQ, f"{{auto_resize_len: {WINDOW}, alphabet_axis: 0}}", "x = x.swapaxes(1, 2)\n" + TRACKS),
        (
            STRING,
            f"{{auto_resize_len: {WINDOW}}}",
            "x = np.array([[[b == l for l in 'ACGT'] for b in str(w)] for w in x])\n" + TRACKS,
        ),
    ],
    ids=["auto_resize_len", "length from the schema", "strand", "other order", "other axis", "strings"],
)
def test_alleles_are_in_their_place(
    monkeypatch: pytest.MonkeyPatch,
    make: Make,
    genome: Genomes,
    variants: list[Variant],
    dataloader: str,
    args: str,
    body: str,
) -> None:
    baseline = kipoi_models.open_kipoi(make(body, dataloader, args), CPU)
    declared = baseline.declaration
    assert (declared.window, declared.variant_index, declared.tracks) == (WINDOW, 74, 3)
    check_toy_effects(baseline, genome[0], genome[1]["1"], variants, WINDOW)
    check_notices_shift(monkeypatch, baseline, genome[0], genome[1]["1"], variants, WINDOW)


@pytest.mark.parametrize(
    ("body", "tracks"),
    [
        ("return np.stack([y, -2 * y[:, ::-1]], axis=1)", "y - 2 * y[:, ::-1]"),
        ("return y[:, 1]", "y[:, [1]]"),
        ("return {'b': y[:, :1], 'a': y[:, 1:]}", "y[:, [1, 2, 0]]"),
        ("return [y[:, 2], y[:, :2]]", "y[:, [2, 0, 1]]"),
        ("return y.tolist()", None),
        ("return y[:, :, None, None]", None),
        ("return {'a': y, 'b': np.stack([y, y], axis=1)}", None),
    ],
    ids=["bins", "one number", "dict", "list", "lists of numbers", "four axes", "bins that differ"],
)
def test_layouts_of_outputs(
    make: Make, genome: Genomes, variants: list[Variant], body: str, tracks: str | None
) -> None:
    argument = make(TRACKS.replace("return", "y =") + body)
    if tracks is None:
        with pytest.raises(NetworkError, match=r"the Kipoi model .*toy (failed|gave numbers for)"):
            kipoi_models.open_kipoi(argument, CPU)
        return
    found = kipoi_models.open_kipoi(argument, CPU).effects(variants, genome[0])[1]
    plain = make(name="plain")
    y = kipoi_models.open_kipoi(plain, CPU).effects(variants, genome[0])[1]
    np.testing.assert_allclose(found, eval(tracks, {"y": y}), rtol=1e-5, atol=1e-5)


PROBABILITY = TRACKS.replace("return", "y =") + "return 1 / (1 + np.exp(-y / 10))"


def test_logits(make: Make, genome: Genomes, variants: list[Variant]) -> None:
    """The logit of a logistic function of y is y."""
    argument = make(PROBABILITY)
    baseline = kipoi_models.open_kipoi(f"{argument}:logit", CPU)
    y = kipoi_models.open_kipoi(make(name="plain"), CPU).effects(variants, genome[0])[1]
    np.testing.assert_allclose(baseline.effects(variants, genome[0])[1], y / 10, rtol=1e-5, atol=1e-6)
    assert "logits" in baseline.declaration.formula
    difference = kipoi_models.open_kipoi(f"{argument}:diff", CPU)
    assert difference.identity != baseline.identity
    with pytest.raises(OptionError, match="have no logits; use the function diff"):
        kipoi_models.open_kipoi(make(name="other") + ":logit", CPU)


def test_logits_of_certain_outputs(make: Make, genome: Genomes, variants: list[Variant]) -> None:
    """0 and 1 have no logits; they are taken for the nearest numbers that have."""
    argument = make(f"return (x[:, {(WINDOW - 1) // 2}, :1] > 0).astype(np.float32)")
    snvs = [variant for variant in variants if len(variant.ref) == len(variant.alt) == 1]
    _, effects = kipoi_models.open_kipoi(f"{argument}:logit", CPU).effects(snvs, genome[0])
    largest = 2 * np.log(2.0**24 - 1)
    expected = [largest * ((variant.alt == "A") - (variant.ref == "A")) for variant in snvs]
    assert {0, largest, -largest} == set(expected)
    np.testing.assert_allclose(effects[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("function", ["diff", "logit"])
def test_functions_are_those_of_kipoi_veff(
    monkeypatch: pytest.MonkeyPatch, make: Make, genome: Genomes, variants: list[Variant], function: str
) -> None:
    # Imported for the first time, it would disable all loggers that there are.
    monkeypatch.setattr(logging.config, "fileConfig", lambda *_: None)
    scores = pytest.importorskip("kipoi_veff.scores")
    _, effects = kipoi_models.open_kipoi(f"{make(PROBABILITY)}:{function}", CPU).effects(variants, genome[0])
    pairs = [slice_windows(genome[1]["1"], variant, WINDOW) for variant in variants]
    sides = []
    for side in (0, 1):
        x = np.array([[[base == letter for letter in "ACGT"] for base in pair[side]] for pair in pairs])
        sides.append(1 / (1 + np.exp(-(place_weights(WINDOW) @ x.astype(float) @ BASES) / 10)))
    expected = scores.scoring_options[function]()(*sides)
    np.testing.assert_allclose(effects, expected, rtol=1e-5, atol=1e-6)


def test_batches_do_not_matter(make: Make, genome: Genomes, variants: list[Variant]) -> None:
    argument = make()
    found = [kipoi_models.open_kipoi(argument, ComputeOptions("cpu", size)) for size in (1, 4, 1_000)]
    effects = [baseline.effects(variants, genome[0])[1] for baseline in found]
    np.testing.assert_allclose(effects[0], effects[1], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(effects[0], effects[2], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("named", [True, False])
def test_equals_mifm(monkeypatch: pytest.MonkeyPatch, genome: Genomes, named: bool) -> None:
    """The packaged model for one window, by its name in a source and by its folder."""
    monkeypatch.setattr(kipoi.config, "_MODEL_SOURCES", dict(kipoi.config.model_sources()))
    kipoi.config.add_source("here", kipoi.sources.LocalSource(str(GROUP)))
    argument = "MIFM/sequence@here" if named else f"{GROUP / 'MIFM' / 'sequence'}@dir"
    bases = genome[1]["1"]
    variants = some_variants(bases, range(1_000, 1_030))
    variants += [Variant("1", 30, ".", bases[29], "A" if bases[29] != "A" else "C")]
    mifm = MIFMBaseline(compute=CPU).score(variants, genome[0])
    found = kipoi_models.open_kipoi(argument, CPU).score(variants, genome[0])
    assert list(found.status) == list(mifm.status)
    assert found.status[-1] == "too_many_n"
    np.testing.assert_allclose(found.columns["strongest_delta"], mifm.columns["mifm_delta"], atol=1e-6)
    ref, alt = mifm.columns["mifm_ref"], mifm.columns["mifm_alt"]
    logit = kipoi_models.open_kipoi(f"{argument}:logit", CPU).score(variants, genome[0])
    expected = np.log(alt / (1 - alt)) - np.log(ref / (1 - ref))
    np.testing.assert_allclose(logit.columns["strongest_delta"], expected, atol=1e-4)


def test_models_with_modules_of_the_same_name(
    monkeypatch: pytest.MonkeyPatch, make: Make, genome: Genomes, variants: list[Variant]
) -> None:
    """An interactive Python imports from the current folder, which for Kipoi is the model's."""
    monkeypatch.syspath_prepend("")
    first = kipoi_models.open_kipoi(make(), CPU)
    second = kipoi_models.open_kipoi(make(TRACKS.replace("return ", "return 3 * "), name="second"), CPU)
    one, other = (baseline.effects(variants, genome[0])[1] for baseline in (first, second))
    np.testing.assert_allclose(other, 3 * one, rtol=1e-5)
    assert "model" not in sys.modules


def test_standard_output_and_folder_are_left_alone(
    capfd: pytest.CaptureFixture[str], make: Make, genome: Genomes, variants: list[Variant]
) -> None:
    noise = "import os, sys\nprint('python')\nos.system('echo program')"
    before = Path.cwd()
    baseline = kipoi_models.open_kipoi(make("print('called')\n" + TRACKS, imports=noise), CPU)
    baseline.score(variants, genome[0])
    output = capfd.readouterr()
    assert output.out == ""
    assert {"python", "program", "called"} <= set(output.err.split())
    assert Path.cwd() == before
    print("again")  # noqa: T201
    os.system("echo program")
    assert capfd.readouterr().out.split() == ["again", "program"]


def test_nan_is_an_error(make: Make, genome: Genomes, variants: list[Variant]) -> None:
    argument = make(TRACKS.replace("return", "y =") + "return np.where(np.arange(3) == 1, np.nan, y)")
    with pytest.raises(NetworkError, match=r"Kipoi model toy .* not finite for 1:1000 . > ."):
        kipoi_models.open_kipoi(argument, CPU).score(variants, genome[0])


def test_dataloaders_of_a_models_own(make: Make, genome: Genomes, variants: list[Variant]) -> None:
    baseline = kipoi_models.open_kipoi(make(own=OWN.replace("CHANGE", "")), CPU)
    check_toy_effects(baseline, genome[0], genome[1]["1"], variants, WINDOW)


def test_dataloaders_that_take_chr_off_names(make: Make, genome: Genomes, variants: list[Variant]) -> None:
    """The names of windows are not those of the user's genome, so there is nothing to take off."""
    own = OWN.replace("fasta_file):", "fasta_file, num_chr_fasta=True):").replace(
        "CHANGE", "assert not num_chr_fasta, 'contig 1 is not in the FASTA file'"
    )
    argument = make(own=own, arguments=("intervals_file", "fasta_file", "num_chr_fasta"))
    baseline = kipoi_models.open_kipoi(argument, CPU)
    check_toy_effects(baseline, genome[0], genome[1]["1"], variants, WINDOW)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ("self.rows.reverse()", InputError, "reads other windows than it is given"),
        ("self.rows = [(n, w[1:]) for n, w in self.rows]", InputError, "one of 149 bp in place of 150"),
        ("self.rows = self.rows[:-1]", NetworkError, "gave numbers for"),
        ("raise KeyError('chr1')", InputError, r"cannot read windows of 150 bp .* KeyError\('chr1'\)"),
    ],
)
def test_dataloaders_that_read_something_else(
    make: Make, genome: Genomes, variants: list[Variant], change: str, error: type[Exception], message: str
) -> None:
    argument = make(own=OWN.replace("CHANGE", change))
    with pytest.raises(error, match=message):
        kipoi_models.open_kipoi(argument, CPU).score(variants, genome[0])


SILENT = OWN.replace(', "metadata": {"ranges": GenomicRanges(name, 0, len(window), str(row))}', "")
"""A dataloader that does not say which windows it gives."""


def test_dataloaders_that_do_not_say_what_they_read(
    make: Make, genome: Genomes, variants: list[Variant]
) -> None:
    assert "GenomicRanges(name" not in SILENT
    baseline = kipoi_models.open_kipoi(make(own=SILENT.replace("CHANGE", "")), CPU)
    check_toy_effects(baseline, genome[0], genome[1]["1"], variants, WINDOW)


@pytest.mark.parametrize(
    "change",
    [
        "self.rows.reverse()",
        "self.rows = self.rows[1:] + self.rows[:1]",
        "self.rows[1::2], self.rows[:-1:2] = self.rows[:-1:2], self.rows[1::2]",
        "self.rows[2:] = self.rows[2:][::-1]",
        "self.rows = sorted(self.rows, key=lambda row: row[1])",
        "self.rows = [(n, self.rows[0][1]) for n, w in self.rows]",
    ],
    ids=["reversed", "shifted", "pairs exchanged", "after the first batch", "sorted", "the first for all"],
)
@pytest.mark.parametrize("batch_size", [1, 64])
def test_dataloaders_that_exchange_windows(make: Make, change: str, batch_size: int) -> None:
    """Without their ranges, their outputs tell."""
    argument = make(own=SILENT.replace("CHANGE", change))
    with pytest.raises(InputError, match=r"for 5 windows together than for each alone: .* in another order"):
        kipoi_models.open_kipoi(argument, ComputeOptions("cpu", batch_size))


def test_models_whose_outputs_depend_on_the_batch(
    make: Make, genome: Genomes, variants: list[Variant]
) -> None:
    argument = make(TRACKS.replace("return", "y =") + "return y + 0.01 * y.mean(axis=0)")
    with pytest.raises(InputError, match="makes of a window depends on the batch; expected each by itself"):
        kipoi_models.open_kipoi(argument, CPU)
    # Alone in its batch each window has its own numbers.
    baseline = kipoi_models.open_kipoi(argument, ComputeOptions("cpu", 1))
    np.testing.assert_allclose(
        baseline.effects(variants, genome[0])[1],
        1.01 * kipoi_models.open_kipoi(make(name="plain"), CPU).effects(variants, genome[0])[1],
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip


def test_rounding_is_no_dependence_on_the_batch(make: Make) -> None:
    """Numbers of float32 that differ in their last digits by the batch, and tracks that are constant."""
    noise = "(1 + (2e-7 if len(x) > 1 else 0))"
    body = TRACKS.replace("return", "y =") + f"return (1e4 + np.stack([y[:, 0], 0 * y[:, 0]], 1)) * {noise}"
    assert kipoi_models.open_kipoi(make(body), CPU).tracks == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gtf_file", "fasta_file"), "does not take intervals_file; expected one that reads"),
        (("intervals_file", "fasta_file", "gtf_file"), "also needs gtf_file; expected one that reads"),
    ],
)
def test_dataloaders_that_need_more(make: Make, arguments: tuple[str, ...], message: str) -> None:
    own = OWN.replace("CHANGE", "").replace("intervals_file, fasta_file", ", ".join(arguments))
    with pytest.raises(InputError, match=message):
        kipoi_models.open_kipoi(make(own=own, arguments=arguments), CPU)


def test_windows_of_no_known_length(make: Make) -> None:
    argument = make(args="{auto_resize_len: null}", shape="(None, 4)")
    with pytest.raises(InputError, match=r"cannot tell the length of the windows .* no auto_resize_len"):
        kipoi_models.open_kipoi(argument, CPU)


def test_packages_that_are_missing(make: Make) -> None:
    with pytest.raises(
        MissingPackageError, match=r"needs the package nosuchpackage, .* pip install nosuchpackage"
    ):
        kipoi_models.open_kipoi(make(imports="import nosuchpackage.part"), CPU)
    with pytest.raises(InputError, match=r"cannot get the model .*broken"):
        kipoi_models.open_kipoi(make(imports="raise ValueError('broken')", name="other"), CPU)


def test_a_model_that_fails(make: Make) -> None:
    with pytest.raises(NetworkError, match=r"Kipoi model .*toy failed: ValueError\('no'\)"):
        kipoi_models.open_kipoi(make("raise ValueError('no')"), CPU)


def test_names(make: Make) -> None:
    argument = make()
    with pytest.raises(OptionError, match=r"'max' in .* expected one of diff, logit"):
        kipoi_models.open_kipoi(f"{argument}:max", CPU)
    with pytest.raises(OptionError, match="Kipoi has no source 'nowhere'; expected one of"):
        kipoi_models.open_kipoi("DeepSEA/predict@nowhere", CPU)
    with pytest.raises(InputError, match=r"there is no folder '/nowhere'; expected one with a model\.yaml"):
        kipoi_models.open_kipoi("/nowhere@dir", CPU)
    assert kipoi_models._split("a/b") == ("a/b", "kipoi", "diff")
    assert kipoi_models._split("a/b@c:logit") == ("a/b", "c", "logit")
    assert kipoi_models._split("/d:1/b@2/m@dir") == ("/d:1/b@2/m", "dir", "diff")


def test_made_by(make: Make, tmp_path: Path) -> None:
    """Other code is another model; another place is the same."""
    argument = make()
    first = kipoi_models.open_kipoi(argument, CPU).identity
    assert {"model.py", "model.yaml"} <= set(first["files"])
    (tmp_path / "moved").mkdir()
    (tmp_path / "toy").rename(tmp_path / "moved" / "toy")
    moved = f"{tmp_path / 'moved' / 'toy'}@dir"
    assert kipoi_models.open_kipoi(moved, CPU).identity == first
    code = tmp_path / "moved" / "toy" / "model.py"
    code.write_text(code.read_text() + "# changed\n")
    assert kipoi_models.open_kipoi(moved, CPU).identity != first
    # Beginnings of names of files, as TensorFlow has them, are no files.
    assert kipoi_models._inside("/a/b/downloaded/model.ckpt", Path("/a/b")) == "downloaded/model.ckpt"
    assert [kipoi_models._inside(value, Path("/a/b")) for value in ("/a/bc", 3)] == ["/a/bc", 3]


@pytest.mark.parametrize(
    "name",
    ["w.npy", "files/deep/w.npy", "linked/w.npy", "downloaded/model_files/weights/1",
     "downloaded/dataloader_files/scale/1"],
)  # fmt: skip
def test_every_file_of_a_model_counts(make: Make, tmp_path: Path, name: str) -> None:
    """The code of a model may read any of them."""
    argument = make()
    folder, elsewhere = tmp_path / "toy", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file.with_suffix(".npy"), np.arange(3))
    file.with_suffix(".npy").rename(file)
    first = kipoi_models.open_kipoi(argument, CPU).identity
    assert name in first["files"]
    assert kipoi_models.open_kipoi(argument, CPU).identity == first
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert kipoi_models.open_kipoi(argument, CPU).identity != first


@pytest.mark.parametrize(
    "name", ["__pycache__/x", "files/__pycache__/x", ".git/x", ".x", "downloaded/example_files/x"]
)
def test_files_that_no_model_reads_do_not_count(make: Make, tmp_path: Path, name: str) -> None:
    argument = make()
    first = kipoi_models.open_kipoi(argument, CPU).identity
    file = tmp_path / "toy" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    assert kipoi_models.open_kipoi(argument, CPU).identity == first


def test_the_code_of_a_dataloader_elsewhere_counts(make: Make, tmp_path: Path) -> None:
    argument = make(own=OWN.replace("CHANGE", ""))
    (tmp_path / "shared").mkdir()
    for name in ("dataloader.py", "dataloader.yaml"):
        (tmp_path / "toy" / name).rename(tmp_path / "shared" / name)
    described = tmp_path / "toy" / "model.yaml"
    described.write_text(
        described.read_text().replace("default_dataloader: .", "default_dataloader: ../shared")
    )
    first = kipoi_models.open_kipoi(argument, CPU).identity
    code = tmp_path / "shared" / "dataloader.py"
    code.write_text(code.read_text() + "# changed\n")
    assert kipoi_models.open_kipoi(argument, CPU).identity != first


def test_models_of_a_group_do_not_change_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What Kipoi downloads for one of them lies in the folder of all."""
    group = tmp_path / "group"
    group.mkdir()
    (group / "model.py").write_text(
        "import numpy as np\nfrom kipoi.model import BaseModel\n\n\nclass Toy(BaseModel):\n"
        "    def __init__(self, weights):\n        pass\n\n"
        "    def predict_on_batch(self, x):\n" + textwrap.indent(TRACKS, " " * 8)
    )
    (group / "models.tsv").write_text("model\none\ntwo\n")
    (group / "model-template.yaml").write_text(
        "defined_as: model.Toy\n"
        f"args:\n  weights: downloaded/model_files/{{{{ model }}}}/w\n"
        f"default_dataloader: {{defined_as: {SEQ}, default_args: {{auto_resize_len: {WINDOW}}}}}\n"
        "info: {authors: [{name: nobody}], doc: a toy}\n"
        f"schema:\n  inputs: {{name: seq, shape: '({WINDOW}, 4)', special_type: DNASeq, doc: x}}\n"
        "  targets: {name: y, shape: '(3, )', doc: y}\n"
    )
    for name in ("one", "two"):
        file = group / "downloaded" / "model_files" / name / "w"
        file.parent.mkdir(parents=True)
        file.write_text("first")
    monkeypatch.setattr(kipoi.config, "_MODEL_SOURCES", dict(kipoi.config.model_sources()))
    kipoi.config.add_source("here", kipoi.sources.LocalSource(str(tmp_path)))
    first = [kipoi_models.open_kipoi(f"group/{name}@here", CPU).identity for name in ("one", "two")]
    (group / "downloaded" / "model_files" / "two" / "w").write_text("other")
    again = [kipoi_models.open_kipoi(f"group/{name}@here", CPU).identity for name in ("one", "two")]
    assert [one == other for one, other in zip(first, again, strict=True)] == [True, False]


def test_a_background_fitted_with_other_weights_is_refused(make: Make, tmp_path: Path) -> None:
    """Weights that the model's own code reads decide its scores."""
    weights = tmp_path / "toy" / "files" / "w.npy"
    argument = make(TRACKS.replace("return ", f"return np.load({str(weights)!r}) * "))
    weights.parent.mkdir()
    np.save(weights, np.float64(1))
    first = kipoi_models.open_kipoi(argument, CPU)
    moments = Background(Path("b"), np.zeros(3), np.ones(3), 9, 0, {"model": first.identity}, "0")
    first.with_background(moments)
    np.save(weights, np.float64(2))
    with pytest.raises(InputError, match=r"another model than Kipoi model toy: files\.files/w\.npy was"):
        kipoi_models.open_kipoi(argument, CPU).with_background(moments)


def test_the_device_is_the_models_choice(make: Make) -> None:
    baseline = kipoi_models.open_kipoi(make(), CPU)
    libraries = baseline.declaration.provenance["libraries"]
    assert libraries["device"] == baseline.device == "the model's own choice"


def test_kipoi_does_not_warn_of_fields_that_it_does_not_know(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    argument = make(own=OWN.replace("CHANGE", ""))
    described = tmp_path / "toy" / "dataloader.yaml"
    described.write_text(described.read_text() + "nosuchfield: 1\n")
    kipoi_loggers = [logging.getLogger(name) for name in ("kipoi", "kipoi_utils")]
    before = [logger.level for logger in kipoi_loggers]
    caplog.set_level(logging.WARNING)
    kipoi.get_dataloader_factory(str(tmp_path / "toy"), "dir")
    assert "Unrecognized fields for DataLoaderDescription" in caplog.text
    caplog.clear()
    kipoi_models.open_kipoi(argument, CPU)
    assert caplog.text == ""
    with pytest.raises(InputError, match="cannot get the model"):
        kipoi_models.open_kipoi(make(imports="raise ValueError('broken')", name="other"), CPU)
    assert [logger.level for logger in kipoi_loggers] == before
