"""The four models of the group, through Kipoi's own commands, from the checkout."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

import mifm_kipoi
from mifm_kipoi.kipoi.sources import GROUP
from tests.conftest import Run
from tests.kipoi.predictions import PERCENTILES, SCORES, VARIANT_COLUMNS, arguments, predictions

MODELS = ["MIFM", "MIFM/sequence", "MIFM/published", "MIFM/published/sequence"]


def test_root_is_the_packaged_model(root: Path) -> None:
    for name in ("model.yaml", "dataloader.yaml", "dataloader.py"):
        assert (root / name).read_bytes() == (GROUP / "MIFM" / name).read_bytes()


def test_the_group_holds_four_models() -> None:
    found = {str(path.parent.relative_to(GROUP)) for path in GROUP.rglob("model.yaml")}
    assert found == set(MODELS)


@pytest.mark.parametrize("variant", ["", "sequence/"])
def test_published_differs_only_in_its_weights(variant: str) -> None:
    embedded, published = (
        yaml.safe_load((GROUP / folder / variant / "model.yaml").read_text())
        for folder in ("MIFM", "MIFM/published")
    )
    assert (embedded["args"], published["args"]) == ({"weights": "embedded"}, {"weights": "published"})
    differing = {key for key in embedded | published if embedded.get(key) != published.get(key)}
    assert differing == {"args", "info", "test"}
    for name in ("dataloader.yaml", "dataloader.py"):
        assert (GROUP / "MIFM" / variant / name).read_bytes() == (
            GROUP / "MIFM/published" / variant / name
        ).read_bytes()


def test_versions_agree() -> None:
    for path in GROUP.rglob("model.yaml"):
        assert yaml.safe_load(path.read_text())["info"]["version"] == mifm_kipoi.__version__


@pytest.mark.parametrize("model", MODELS[:2])
def test_kipoi_test_compares_numbers(run: Run, model: str) -> None:
    done = run("kipoi", "test", ".", "--source=dir", cwd=GROUP / model)
    assert "All predictions match" in done.stdout
    assert "not compatible" not in done.stdout
    assert "false for key" not in done.stdout + done.stderr


def test_kipoi_test_from_the_root(run: Run, root: Path) -> None:
    assert "All predictions match" in run("kipoi", "test", ".", "--source=dir", cwd=root).stdout


@pytest.mark.parametrize(
    ("model", "output", "difference"),
    [("MIFM", name, 0.001) for name in SCORES] + [("MIFM", "mifm_alt", 0.5), ("MIFM/sequence", "", 0.001)],
)
def test_kipoi_test_notices_other_numbers(
    run: Run, packaged_example: Path, tmp_path: Path, model: str, output: str, difference: float
) -> None:
    """One number of one output; Kipoi's own comparison looks at no output in full."""
    other = tmp_path / "other.h5"
    other.write_bytes((packaged_example / f"{model.replace('/', '-')}.h5").read_bytes())
    with h5py.File(other, "r+") as file:
        scores = file["preds"][output] if output else file["preds"]
        row = np.flatnonzero(~np.isnan(scores[()].ravel()))[-1]
        scores[row] += difference
    done = run("kipoi", "test", ".", "--source=dir", "-e", other, cwd=GROUP / model, check=False)
    assert done.returncode == 1
    assert "don't match" in done.stdout + done.stderr
    assert (output or "predictions") in (done.stdout + done.stderr).rpartition("Exception:")[2]


def test_predict_takes_former_names_of_arguments(run: Run, example: Path, tmp_path: Path) -> None:
    """Kipoi leaves arguments out, with a warning, that a dataloader does not list."""
    out = tmp_path / "out.tsv"
    limits = {"max_unknown_share": 0.5, "max_mismatch_share": 1}
    command = ("kipoi", "predict", GROUP / "MIFM", "--source=dir", "-m", "-o", out)
    done = run(*command, "--dataloader_args", arguments(example, **limits))
    assert "not used" not in done.stdout + done.stderr
    table = predictions(out)
    assert table.loc[(table["chrom"] == "1") & table["pos"].isin([1, 6000]), "status"].tolist() == [
        "ok",
        "ok",
    ]


@pytest.mark.parametrize("model", MODELS[2:])
def test_published_says_how_to_get_it(run: Run, model: str) -> None:
    done = run("kipoi", "test", ".", "--source=dir", cwd=GROUP / model, check=False)
    assert done.returncode == 1
    assert re.search(
        r"mifm weights fetch published.*mifm weights import a7a0q7ar\.ckpt", done.stderr, re.DOTALL
    )


def test_predict_writes_the_same_to_every_format(run: Run, root: Path, example: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / f"out.{suffix}" for suffix in ("tsv", "h5", "parquet")]
    run(
        "kipoi",
        "predict",
        ".",
        "--source=dir",
        "--dataloader_args",
        arguments(example),
        "-m",
        "-o",
        *outputs,
        cwd=root,
    )
    table = predictions(outputs[0])
    parquet = pd.read_parquet(outputs[2])
    with h5py.File(outputs[1]) as file:
        for name in (*VARIANT_COLUMNS, "status"):
            column = f"metadata/variant/{name}"
            values = file[column][()]
            stored = (
                values.astype(str)
                if values.dtype.kind in "iu"
                else np.array([item.decode() for item in values])
            )
            assert stored.tolist() == table[name].astype(str).tolist() == parquet[column].astype(str).tolist()
        for name in SCORES:
            np.testing.assert_allclose(file[f"preds/{name}"][()], table[name], atol=1e-6)
            np.testing.assert_allclose(parquet[f"preds/{name}"], table[name], atol=1e-6)


TYPES = {"O": "text", "S": "text", "U": "text", "i": "integer", "f": "number"}
"""Kinds of the types of columns."""


def test_predict_of_odd_text_and_of_nothing(run: Run, example: Path, tmp_path: Path) -> None:
    """Bytes that are not UTF-8 stay in TSV and are U+FFFD elsewhere; without variants there are no rows."""
    header = [line for line in (example / "variants.vcf").read_bytes().splitlines(True) if line[:1] == b"#"]
    empty, odd = tmp_path / "empty.vcf", tmp_path / "odd.vcf"
    empty.write_bytes(b"".join(header))
    odd.write_bytes(b"".join([*header, b"chr1\t1000\th\xf6\0\tN\t<DEL>\t.\t.\t.\n"]))
    schemas = []
    for vcf in (empty, odd):
        outputs = [tmp_path / f"{vcf.stem}.{suffix}" for suffix in ("tsv", "h5", "parquet")]
        command = ["--source=dir", "--dataloader_args", arguments(example, vcf), "-m", "-o", *outputs]
        run("kipoi", "predict", GROUP / "MIFM", *command)
        header_line, *rows = outputs[0].read_bytes().splitlines()
        parquet = pq.read_table(outputs[2])
        assert header_line.decode().split("\t") == parquet.column_names
        with h5py.File(outputs[1]) as file:
            kinds = {name: TYPES[file[name].dtype.kind] for name in parquet.column_names}
            stored = [name.decode() for name in file["metadata/variant/id"]]
        ids = parquet["metadata/variant/id"].to_pylist()
        assert stored == [name.replace("\0", "\ufffd") for name in ids]
        assert len(rows) == len(ids) == (vcf is odd)
        schemas.append((kinds, parquet.schema.remove_metadata()))
    assert ids == ["h\ufffd\0"]
    assert b"h\xf6\0" in rows[0].split(b"\t")
    assert schemas[0] == schemas[1]
    kinds, _ = schemas[0]
    assert kinds["metadata/variant/pos"] == "integer"
    assert kinds["metadata/variant/id"] == "text"
    assert kinds["preds/mifm_ref"] == "number"


def test_predict_equals_python(run: Run, root: Path, example: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    run(
        "kipoi", "predict", ".", "--source=dir", "--dataloader_args", arguments(example), "--batch_size", "7",
        "-n", "2", "-m", "-o", out, cwd=root,
    )  # fmt: skip
    table = predictions(out)
    network = mifm_kipoi.load_model()
    variants = list(mifm_kipoi.read_variants(example / "variants.vcf"))
    windows = mifm_kipoi.cut_windows(variants, mifm_kipoi.Genome(example / "genome.fa"))
    ref, alt = (mifm_kipoi.logits(network, mifm_kipoi.one_hot(codes)) for codes in (windows.ref, windows.alt))
    background = mifm_kipoi.load_weights().background
    assert background is not None
    expected = {
        **mifm_kipoi.variant_scores(ref, alt),
        "mifm_percentile": background.percentile(ref),
        "mifm_phred": background.phred(ref),
    }
    scored = np.array([status == "ok" for status in windows.status])
    assert table["status"].tolist() == [status.value for status in windows.status]
    assert table["chrom"].tolist() == [variant.chrom for variant in variants]
    assert table["alt"].tolist() == [variant.alt for variant in variants]
    for name, tolerance in (*dict.fromkeys(SCORES, 1e-6).items(), *dict.fromkeys(PERCENTILES, 1e-4).items()):
        np.testing.assert_allclose(table[name][scored], expected[name][scored], atol=tolerance)
        assert table[name][~scored].isna().all()
    assert 0 < scored.sum() < len(table)


def test_predict_of_the_sequence_model(run: Run, example: Path, tmp_path: Path) -> None:
    """An interval of one base and one of 512 bp around it, and the variant model, give one score."""
    out, variants_out = tmp_path / "out.tsv", tmp_path / "variants.tsv"
    model = GROUP / "MIFM" / "sequence"
    files = {"intervals_file": str(example / "intervals.bed"), "fasta_file": str(example / "genome.fa")}
    run("kipoi", "predict", model, "--source=dir", "--dataloader_args", json.dumps(files), "-m", "-o", out)
    table = pd.read_csv(out, sep="\t").set_index("metadata/ranges/id")
    assert table.loc["window", "preds/0"] == pytest.approx(table.loc["one_base", "preds/0"], abs=1e-7)
    assert table.loc["n", "metadata/status"] == "too_many_n"
    assert np.isnan(table.loc["n", "preds/0"])

    base = mifm_kipoi.Genome(example / "genome.fa").fetch("chr1", 1255, 1256).tobytes().decode()
    vcf = tmp_path / "one.vcf"
    vcf.write_text(
        f"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t1256\t.\t{base}\t"
        f"{'A' if base != 'A' else 'C'}\t.\t.\t.\n"
    )
    run(
        "kipoi",
        "predict",
        GROUP / "MIFM",
        "--source=dir",
        "--dataloader_args",
        arguments(example, vcf),
        "-m",
        "-o",
        variants_out,
    )
    assert predictions(variants_out)["mifm_ref"][0] == pytest.approx(
        table.loc["one_base", "preds/0"], abs=1e-6
    )


def test_predict_within_regions(run: Run, root: Path, example: Path, tmp_path: Path) -> None:
    bed, out = tmp_path / "regions.bed", tmp_path / "out.tsv"
    bed.write_text("chr1\t2999\t3000\nchr1\t3099\t3100\n")
    run(
        "kipoi", "predict", ".", "--source=dir", "-m", "-o", out,
        "--dataloader_args", arguments(example, regions_file=str(bed)), cwd=root,
    )  # fmt: skip
    assert predictions(out)["pos"].tolist() == [3000, 3000, 3000, 3100]
    bed.write_text("7\t1\t2\n")
    done = run(
        "kipoi", "predict", ".", "--source=dir", "-m", "-o", out,
        "--dataloader_args", arguments(example, regions_file=str(bed)), cwd=root,
    )  # fmt: skip
    assert len(predictions(out)) == 0
    assert re.search(r"mifm_kipoi: warning: .* has none of the contigs of .*regions\.bed \(7\)", done.stderr)
    assert re.search(r"mifm_kipoi: warning: no record of .*variants\.vcf overlaps a region", done.stderr)


def test_predict_refuses_another_build(run: Run, root: Path, example: Path, tmp_path: Path) -> None:
    """Every position moved by one base: the wrong scores that nobody would notice."""
    moved, out = tmp_path / "moved.vcf", tmp_path / "out.tsv"
    lines = [line.split("\t") for line in (example / "variants.vcf").read_text().splitlines()]
    moved.write_text(
        "".join(
            "\t".join(
                [line[0], str(int(line[1]) + 1), *line[2:]] if len(line) > 1 and line[1].isdigit() else line
            )
            + "\n"
            for line in lines
        )
    )
    command = ("kipoi", "predict", ".", "--source=dir", "-m", "-o", out)
    done = run(*command, "--dataloader_args", arguments(example, moved), cwd=root, check=False)
    assert done.returncode == 1
    assert "another genome build" in done.stderr
    assert not out.exists()
    run(*command, "--dataloader_args", arguments(example, moved, max_mismatch_fraction=1), cwd=root)
    assert (predictions(out)["status"] == "ref_mismatch").sum() > 5


@pytest.mark.parametrize("model", MODELS)
def test_info(run: Run, model: str) -> None:
    done = run("kipoi", "info", ".", "--source=dir", cwd=GROUP / model)
    assert "fasta_file" in done.stdout
    assert "10.1371/journal.pgen.1012208" in done.stdout


@pytest.mark.parametrize("model", MODELS[:2])
def test_get_example_then_predict_and_preproc(run: Run, tmp_path: Path, model: str) -> None:
    folder = GROUP / model
    done = run("kipoi", "get-example", folder, "--source=dir", "-o", tmp_path / "example", cwd=tmp_path)
    given = json.loads(done.stdout.strip().splitlines()[-1])
    assert all(Path(tmp_path, path).is_file() for path in given.values())
    out, windows = tmp_path / "out.tsv", tmp_path / "windows.h5"
    run(
        "kipoi",
        "predict",
        folder,
        "--source=dir",
        "--dataloader_args",
        json.dumps(given),
        "-m",
        "-o",
        out,
        cwd=tmp_path,
    )
    run(
        "kipoi",
        "preproc",
        folder,
        "--source=dir",
        "--dataloader_args",
        json.dumps(given),
        "-m",
        "-o",
        windows,
        cwd=tmp_path,
    )
    with h5py.File(windows) as file:
        inputs = file["inputs/ref"] if model == "MIFM" else file["inputs"]
        assert inputs.shape == (len(pd.read_csv(out, sep="\t")), 512, 4)
