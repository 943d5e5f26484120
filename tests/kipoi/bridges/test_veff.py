"""kipoi-veff: the scores, that nothing of the input is lost, the maps, and the errors."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run
from tests.kipoi.bridges.bridge_runs import (
    ENGINE_SCORES,
    annotated,
    check_agreement,
    first_records,
    information,
    predict,
    records,
    vcf_lines,
)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("kipoi_veff") is None, reason="kipoi_veff is not installed (make veff)"
)

VEFF = "mifm_kipoi.kipoi.bridges.veff"
Score = Callable[..., subprocess.CompletedProcess[str]]


def dataloader_arguments(fasta: Path, **more: float) -> list[str]:
    return ["--dataloader_args", json.dumps({"fasta_file": str(fasta), **more})]


@pytest.fixture
def score(run: Run, example: Path) -> Score:
    """Run score_variants on the genome of the example."""

    def score_variants(vcf: Path, *options: str | Path, check: bool = True, **more: float) -> object:
        genome = dataloader_arguments(example / "genome.fa", **more)
        return run(VEFF, "score_variants", "MIFM", "-i", vcf, *options, *genome, check=check)

    return score_variants


def example_lines(example: Path) -> list[str]:
    return (example / "variants.vcf").read_text().splitlines(keepends=True)


def bcftools(*arguments: str | Path) -> str:
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    return subprocess.run(["bcftools", *arguments], capture_output=True, text=True, check=True).stdout


def test_scores_are_those_of_predict(score: Score, run: Run, example: Path, tmp_path: Path) -> None:
    vcf, out = example / "variants.vcf", tmp_path / "out.vcf"
    # Half of the window at either end of a contig is N.
    done = score(vcf, "-o", out, "-s", *ENGINE_SCORES, max_n_fraction=0.5)
    table = annotated(out)
    predicted = predict(run, vcf, example / "genome.fa", tmp_path / "out.tsv", max_n_fraction=0.5)
    scored = check_agreement(table, predicted)
    at_ends = table[table["pos"].isin([1, 6000]) & (table["chrom"] == "1")]
    assert at_ends["status"].tolist() == ["ok", "ok"]
    assert f"{scored} of {len(table)} alleles have a score; no score: 3 not_an_snv, " in done.stderr
    assert set(predicted["status"]) - {"ok"} <= set(table["status"])
    # Scores that do not differ would agree by themselves.
    assert table["DIFF"].abs().min() > 1e-4
    assert table["REF"].nunique() > 20


def test_every_record_is_kept(score: Score, example: Path, tmp_path: Path) -> None:
    vcf, out = example / "variants.vcf", tmp_path / "out.vcf"
    score(vcf, "-o", out)
    before, after = records(vcf), records(out)
    assert [fields[:7] for fields in after] == [fields[:7] for fields in before]
    for old, new in zip(before, after, strict=True):
        assert new[7].startswith(f"{old[7]};")
        added = information(new[7].removeprefix(f"{old[7]};"))
        has_score = "ok" in added["MIFM_STATUS"].split(",")
        assert set(added) == {"KV:kipoi:MIFM:rID", "MIFM_STATUS"} | (
            {"KV:kipoi:MIFM:DIFF"} if has_score else set()
        )
    header = [line for line in vcf_lines(out) if line.startswith("##") and line not in vcf_lines(vcf)]
    assert [line.split(",", 1)[0] for line in header] == [
        "##INFO=<ID=KV:kipoi:MIFM:DIFF",
        "##INFO=<ID=KV:kipoi:MIFM:rID",
        "##INFO=<ID=MIFM_STATUS",
    ]


def test_kipoi_veff_reads_its_layout(score: Score, example: Path, tmp_path: Path) -> None:
    vcf, out = tmp_path / "in.vcf", tmp_path / "out.vcf"
    # Its parser fails on records without ALT, whoever wrote them.
    vcf.write_text("".join(line for line in example_lines(example) if "KIND=missing_alt" not in line))
    score(vcf, "-o", out, "-s", "ref", "diff")
    code = (
        "import json, sys, kipoi_veff.parsers as parsers\n"
        "print(json.dumps([dict(row) for row in parsers.KipoiVCFParser(sys.argv[1])]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(out)]
    rows = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    single = [fields for fields in records(out) if "," not in fields[4]]
    table = annotated(out).set_index(["chrom", "pos"])
    read = {(row["variant_chr"], row["variant_pos"]): row for row in rows}
    assert len(read) == len(records(out))
    for chrom, pos, *_ in single:
        row, expected = read[chrom, int(pos)], table.loc[(chrom, int(pos))]
        for name in ("ref", "diff"):
            assert row[f"KV_MIFM_{name.upper()}_mifm_0"] == pytest.approx(
                expected[name.upper()], abs=0, nan_ok=True
            )


def test_bcftools_reads_the_output(score: Score, example: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.vcf.gz"
    score(example / "variants.vcf", "-o", out, "-s", "diff", "ref")
    assert len(bcftools("view", "-H", out).splitlines()) == len(records(example / "variants.vcf"))
    bcftools("index", out)
    split = tmp_path / "split.vcf"
    bcftools("norm", "-m", "-any", "-o", split, out)
    whole = annotated(out)
    pd.testing.assert_frame_equal(
        annotated(split).sort_values(["chrom", "pos", "alt"], ignore_index=True)[whole.columns],
        whole.sort_values(["chrom", "pos", "alt"], ignore_index=True),
    )


def cohort(example: Path) -> str:
    """A VCF that is unsorted, with samples, lower case, numbers of many digits and old annotation."""
    bases = "".join((example / "genome.fa").read_text().split(">")[1].split("\n")[1:])
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=q10,Description="Quality below 10">',
        "##contig=<ID=1,length=6000>",
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">',
        '##INFO=<ID=DB,Number=0,Type=Flag,Description="In dbSNP">',
        '##INFO=<ID=MIFM_STATUS,Number=1,Type=Integer,Description="Of another run">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "NA1", "NA2"]),
    ]
    for number, pos in enumerate((3000, 900, 900, 2000, 901)):
        ref = bases[pos - 1].upper()
        alts = [base for base in "ACGT" if base != ref][: 1 + number % 2]
        ref, alt = (ref.lower(), alts[0].lower()) if number == 2 else (ref, ",".join(alts))
        info = [".", "DB;AF=0.12345678901;MIFM_STATUS=3", "AF=1e-05", "DB", "AF=0.5,0.25"][number]
        quality = ["29.0", ".", "1e3", "50", "3.141592653589793"][number]
        filters = ["PASS", "q10", ".", "PASS", "q10"][number]
        genotypes = ["GT:DP", "0|1:7", "./.:."] if number != 4 else ["GT", "1/1", "0/0"]
        fields = ["1", str(pos), f"rs{number}", ref, alt, quality, filters, info]
        lines.append("\t".join([*fields, *genotypes]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("form", ["vcf", "vcf.gz", "bcf"])
def test_nothing_else_changes(score: Score, run: Run, example: Path, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    vcf, text = folder / f"in.{form}", cohort(example)
    if form == "vcf":
        vcf.write_text(text)
    else:
        plain = tmp_path / "plain.vcf"
        plain.write_text(text)
        bcftools("view", "--no-version", "-O", "z" if form == "vcf.gz" else "b", "-o", vcf, plain)
    folder.chmod(0o555)
    out = tmp_path / "out.vcf"
    score(vcf, "-o", out)
    assert [path.name for path in folder.iterdir()] == [vcf.name]
    before = vcf if form != "bcf" else tmp_path / "before.vcf"
    if form == "bcf":
        bcftools("view", "--no-version", "-o", before, vcf)
    old, new = records(before), records(out)
    assert [fields[:7] + fields[8:] for fields in new] == [fields[:7] + fields[8:] for fields in old]
    assert [information(fields[7])["MIFM_STATUS"] for fields in new] == ["ok", "ok,ok", "ok", "ok,ok", "ok"]
    assert "MIFM_STATUS=3" not in out.read_text()
    assert out.read_text().count("##INFO=<ID=MIFM_STATUS,") == 1
    if form == "vcf":
        assert [fields[7].split(";KV:")[0] for fields in new[1:]] == [
            "DB;AF=0.12345678901",
            "AF=1e-05",
            "DB",
            "AF=0.5,0.25",
        ]
    table = annotated(out)
    upper = table.assign(ref=table["ref"].str.upper(), alt=table["alt"].str.upper())
    assert check_agreement(upper, predict(run, vcf, example / "genome.fa", tmp_path / "predicted.tsv")) == 7


def test_options_of_kipoi_veff(score: Score, example: Path, tmp_path: Path) -> None:
    vcf, regions, out, extra = (tmp_path / name for name in ("in.vcf", "regions.bed", "out.vcf", "out.tsv"))
    vcf.write_text(cohort(example))
    # The window of 1:900 is [644, 1156); that of 1:901 ends one base later.
    regions.write_text("chr1\t644\t1156\n")
    score(vcf, "-o", out, "-e", extra, "-r", regions, "--std_var_id", "-l", "512", "--model_outputs", "mifm")
    table = annotated(out)
    assert table["status"].tolist() == [
        "ok" if pos == 900 else "outside_restriction_bed" for pos in table["pos"]
    ]
    assert table.loc[table["status"] != "ok", "DIFF"].isna().all()
    ref, alt = records(vcf)[0][3:5]
    assert records(out)[0][2] == f"1:3000:{ref}:['{alt}']"
    rows = pd.read_csv(extra, sep="\t", dtype={"variant_chr": str})
    assert rows["variant_id"].tolist() == ["rs1", "rs1", "rs2"]
    assert rows["preds/diff/0"].to_numpy() == pytest.approx(table["DIFF"].dropna().to_numpy(), abs=1e-7)


def test_nothing_to_score(score: Score, example: Path, tmp_path: Path) -> None:
    vcf, out = tmp_path / "in.vcf", tmp_path / "out.vcf"
    lines = example_lines(example)
    vcf.write_text("".join(line for line in lines if line.startswith("#") or "KIND=deletion" in line))
    done = score(vcf, "-o", out)
    assert "0 of 1 alleles have a score; no score: 1 not_an_snv" in done.stderr
    assert annotated(out)["status"].tolist() == ["not_an_snv"]


def test_another_genome_build_is_an_error(score: Score, example: Path, tmp_path: Path) -> None:
    vcf, out = tmp_path / "in.vcf", tmp_path / "out.vcf"
    vcf.write_text("".join(line.replace("\tA\t", "\tT\t", 1) for line in example_lines(example)))
    done = score(vcf, "-o", out, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("kipoi-veff: error: ")
    assert "REF alleles differ from" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "in.vcf"]
    score(vcf, "-o", out, max_mismatch_fraction=1.0)
    statuses = annotated(out)["status"].tolist()
    assert statuses.count("ref_mismatch") > 5
    assert len(records(out)) == len(records(vcf))


ERRORS = {
    "model": (
        ["score_variants", "Basset", "-o", "out.vcf"],
        1,
        "no model 'Basset' here; expected one of MIFM",
    ),
    "score": (["score_variants", "MIFM", "-o", "out.vcf", "-s", "diff", "dif"], 1, "there is no score dif;"),
    "length": (["score_variants", "MIFM", "-o", "out.vcf", "-l", "1000"], 1, "windows of MIFM have 512 bp"),
    "bcf": (["score_variants", "MIFM", "-o", "out.bcf"], 1, "cannot write out.bcf: expected a name in .vcf"),
    "folder": (["score_variants", "MIFM", "-o", "no/folder/out.vcf"], 1, "no/folder doesn't exist"),
    "dataloader": (
        ["score_variants", "MIFM", "-o", "o.vcf", "--dataloader", "x"],
        1,
        "--dataloader cannot be used",
    ),
    "container": (
        ["score_variants", "MIFM", "-o", "o.vcf", "--singularity"],
        1,
        "--singularity cannot be used",
    ),
    "published": (["score_variants", "MIFM/published", "-o", "out.vcf"], 1, "mifm weights fetch published"),
    "output": (["score_variants", "MIFM"], 2, "give -o/--output_vcf, -e/--extra_output or both"),
    "option": (["score_variants", "MIFM", "-o", "out.vcf", "--no-such-option"], 2, "unrecognized arguments"),
    "command": (["score_variant"], 2, "there is no command 'score_variant'; expected one of score_variants"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_one_line(run: Run, example: Path, tmp_path: Path, case: str) -> None:
    arguments, code, message = ERRORS[case]
    if len(arguments) > 1:
        arguments = [
            *arguments,
            "-i",
            str(example / "variants.vcf"),
            *dataloader_arguments(example / "genome.fa"),
        ]
    done = run(VEFF, *arguments, cwd=tmp_path, check=False)
    assert done.returncode == code
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_input_that_can_be_read_only_once(score: Score, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.vcf")
    done = score(tmp_path / "pipe.vcf", "-o", tmp_path / "out.vcf", check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("pipe.vcf is a pipe and must be read twice; save it to a file first\n")
    assert not (tmp_path / "out.vcf").exists()


@pytest.mark.parametrize("form", ["vcf", "bcf"])
def test_bytes_that_are_not_utf8_stay(score: Score, example: Path, tmp_path: Path, form: str) -> None:
    """In ID and in INFO, at an SNV that is scored."""
    lines = [line.encode() for line in example_lines(example)]
    row = next(row for row, line in enumerate(lines) if line.endswith(b"KIND=multi_allelic\n"))
    fields = lines[row].split(b"\t")
    fields[2], fields[7] = b"Sj\xf6gren", b"KIND=caf\xe9\n"
    lines[row] = b"\t".join(fields)
    vcf, out = tmp_path / "in.vcf", tmp_path / "out.vcf"
    vcf.write_bytes(b"".join(lines))
    if form == "bcf":
        bcftools("view", "-Ob", "-o", tmp_path / "in.bcf", vcf)
    score(tmp_path / f"in.{form}", "-o", out)
    (record,) = (line for line in out.read_bytes().splitlines() if b"caf\xe9" in line)
    assert record.split(b"\t")[2] == b"Sj\xf6gren"
    assert b"MIFM_STATUS=ok" in record


@pytest.mark.parametrize("arguments", ["{}", '{"fasta_file": "a.fa", "fasta": "b.fa"}'])
def test_dataloader_arguments_are_checked(run: Run, example: Path, arguments: str) -> None:
    options = ["-i", str(example / "variants.vcf"), "-o", "out.vcf", "--dataloader_args", arguments]
    done = run(VEFF, "score_variants", "MIFM", *options, check=False)
    assert done.returncode == 1
    assert "kipoi-veff: error: --dataloader_args " in done.stderr
    assert "with any of fasta_file, max_n_fraction, max_mismatch_fraction" in done.stderr


def test_debug_shows_the_traceback(run: Run, example: Path) -> None:
    options = ["-i", str(example / "variants.vcf"), "-o", "out.vcf", "--debug"]
    done = run(VEFF, "score_variants", "MIFM", *options, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_the_users_configuration_stays(score: Score, home: Path, example: Path, tmp_path: Path) -> None:
    config = home / ".kipoi" / "config.yaml"
    config.parent.mkdir()
    config.write_text("model_sources:\n  kipoi:\n    type: local\n    local_path: /nowhere\n")
    before = config.read_text()
    score(example / "variants.vcf", "-o", tmp_path / "out.vcf")
    assert config.read_text() == before
    assert sorted(path.name for path in config.parent.iterdir()) == ["config.yaml"]


@pytest.mark.slow
def test_mutation_map_of_a_variant(run: Run, score: Score, example: Path, tmp_path: Path) -> None:
    vcf, out = tmp_path / "in.vcf", tmp_path / "out.vcf"
    kept = ("KIND=multi_allelic", "KIND=first_base_of_a_contig", "KIND=ref_mismatch")
    lines = example_lines(example)
    vcf.write_text("".join(line for line in lines if line.startswith("#") or line.rstrip().endswith(kept)))
    score(vcf, "-o", out)
    genome = dataloader_arguments(example / "genome.fa")
    options = ["-r", str(vcf), "-o", "map.h5", "-s", "diff", "logit", "--batch_size", "1024"]
    done = run(VEFF, "create_mutation_map", "MIFM", *options, *genome, cwd=tmp_path)
    assert "entry 0: 1:3000 C>A,G,T\nnot mapped: 1 too_many_n, 1 ref_mismatch\n" in done.stderr

    found = read_map(tmp_path / "map.h5")
    assert (found["chrom"], found["start"], found["end"]) == ("1", 3000 - 256, 3000 + 256)
    assert found["ref_seq"][255] == "C"
    expected = annotated(out).query("pos == 3000")["DIFF"].tolist()
    assert [found["column_255"][row] for row in (0, 2, 3)] == pytest.approx(expected, abs=1e-6)
    assert found["column_255"][1] == 0

    keys = ["--model_seq_input", "seq", "--scoring_key", "diff", "--model_output", "mifm"]
    plot = ["plot_mutation_map", "-f", "map.h5", "-o", "map.png", *keys]
    region = ["--limit_region_genomic", "2970", "3030"]
    run(VEFF, *plot, "--input_entry", "0", *region, cwd=tmp_path)
    check_plot(tmp_path / "map.png")
    done = run(VEFF, *plot, "--input_entry", "1", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr == "kipoi-veff: error: the mutation map has no --input_entry 1; expected 0 to 0\n"


@pytest.mark.slow
def test_mutation_map_of_a_region(run: Run, example: Path, tmp_path: Path) -> None:
    regions = tmp_path / "regions.bed"
    regions.write_text("1\t1000\t1001\n1\t5900\t5901\n")
    genome = dataloader_arguments(example / "genome.fa")
    options = ["-r", str(regions), "-o", "map.h5", "--batch_size", "256"]
    done = run(VEFF, "create_mutation_map", "MIFM", *options, *genome, cwd=tmp_path)
    assert "entry 0: 1:1001-1512\nnot mapped: 1 position_outside_contig\n" in done.stderr
    found = read_map(tmp_path / "map.h5")
    assert (found["chrom"], found["start"], found["end"]) == ("1", 1000, 1512)
    bases = "".join((example / "genome.fa").read_text().split(">")[1].split("\n")[1:])
    assert found["ref_seq"] == bases[1000:1512].upper()


def read_map(path: Path) -> dict[str, object]:
    """What the first entry of a mutation map says of diff, read as kipoi_veff reads it."""
    code = (
        "import json, sys\n"
        "from mifm_kipoi.kipoi import compatibility\n"
        "compatibility.mend_mutation_map_files()\n"
        "from kipoi_veff.mutation_map import MutationMapPlotter\n"
        "found = MutationMapPlotter(fname=sys.argv[1]).mutation_map[0]['seq']['diff']['mifm']\n"
        "region = found['metadata_region']\n"
        "where = {'chrom': region['chr'], 'start': int(region['start']), 'end': int(region['end'])}\n"
        "column = found['mutation_map'][:, 255].tolist()\n"
        "print(json.dumps(where | {'ref_seq': str(found['ref_seq']), 'column_255': column}))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(path)]
    found: dict[str, object] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    return found


def check_plot(path: Path) -> None:
    """The heat map is red and blue, the letters of the four bases have their colours, a box is black."""
    image = pytest.importorskip("matplotlib.image").imread(path)[..., :3]
    assert image.shape == (200, 2000, 3)
    colours = {
        "green": (0, 0.5, 0),
        "blue": (0, 0, 1),
        "orange": (1, 0.65, 0),
        "red": (1, 0, 0),
        "black": (0, 0, 0),
    }
    for name, colour in colours.items():
        assert (abs(image - colour).max(axis=-1) < 0.02).sum() > 20, name
    pale = (image.max(axis=-1) > 0.99) & (image.min(axis=-1) > 0.2) & (image.min(axis=-1) < 0.9)
    assert pale.mean() > 0.05


@pytest.mark.slow
@pytest.mark.reference
def test_scores_of_1000_genomes(run: Run, reference_data: Path, tmp_path: Path) -> None:
    source = reference_data / "data/variants/1000G_phase3.chr20_1M_2M.sites.vcf.gz"
    fasta = reference_data / "data/genome/GRCh37.mini.fa.gz"
    vcf, out = first_records(source, tmp_path / "in.vcf", snvs=500), tmp_path / "out.vcf"
    options = ["-i", str(vcf), "-o", str(out), "--batch_size", "256", "-s", *ENGINE_SCORES]
    run(VEFF, "score_variants", "MIFM", *options, *dataloader_arguments(fasta))
    assert check_agreement(annotated(out), predict(run, vcf, fasta, tmp_path / "out.tsv")) >= 500
    assert [fields[:7] for fields in records(out)] == [fields[:7] for fields in records(vcf)]


@pytest.mark.reference
def test_published_weights(run: Run, reference_data: Path, example: Path, tmp_path: Path) -> None:
    checkpoint = next(reference_data.glob("published/**/a7a0q7ar.ckpt"), None)
    if checkpoint is None:
        pytest.skip(f"no published checkpoint a7a0q7ar.ckpt under {reference_data / 'published'}")
    run("mifm_kipoi.cli", "weights", "import", checkpoint)
    vcf, out = example / "variants.vcf", tmp_path / "out.vcf"
    genome = dataloader_arguments(example / "genome.fa")
    run(VEFF, "score_variants", "MIFM/published", "-i", vcf, "-o", out, "-s", "ref", "diff", *genome)
    predicted = predict(run, vcf, example / "genome.fa", tmp_path / "out.tsv", model="MIFM/published")
    assert check_agreement(annotated(out, "KV:kipoi:MIFM/published"), predicted) > 20
