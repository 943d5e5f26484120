"""Data sets of whole recipes, against counts by hand and by awk."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from mifm_kipoi.errors import InputError, ReferenceMismatchError
from mifm_kipoi.support.configuration import ConfigurationError
from tests.builders import write_fasta
from training.__main__ import main
from training.configuration import read_configuration
from training.data.dataset import read_dataset
from training.data.prepare import prepare
from training.recipe import Recipe

HEADER = "SNP\tblock\tstudy\tprimary\tp\tz"
COLUMNS = {
    "variant": "SNP",
    "block": "block",
    "study": "study",
    "primary": "primary",
    "p_value": "p",
    "z": "z",
}


def prepare_recipe(recipe):
    return prepare(recipe.fasta, recipe.data)


@pytest.fixture
def small(tmp_path):
    """A recipe with three blocks; REF of ``ACGT`` again and again is A at 401, 405 ..., C at 402 ..."""
    contig = "ACGT" * 1000
    fasta = write_fasta(tmp_path / "genome.fa", {"1": contig, "2": contig, "11": contig})
    rows = [
        # Block a, primary: two variants, the first in both studies; secondary: one.
        "1:401_A_G a s 1 0.01 2.6",
        "1:401_A_G a t 1 0.001 3.3",
        "1:405_A_T a s 1 0.5 0.7",
        "1:402_C_T a s 0 0.2 1.3",
        # Block b: two variants, on the held-out contig.
        "11:801_A_C b s 1 0.01 2.6",
        "11:802_C_A b s 1 0.02 2.3",
        # Block c: two variants, of which the FASTA lacks one.
        "2:401_A_G c s 1 0.01 2.6",
        "2:401_C_G c s 1 0.02 2.3",
        # A contig that the FASTA lacks, and a row that cannot be.
        "3:401_A_G d s 1 0.01 2.6",
        "2:402_C_G c s 1 1.7 2.6",
    ]
    (tmp_path / "table.tsv").write_text("\n".join([HEADER, *(row.replace(" ", "\t") for row in rows)]) + "\n")
    # Near the first variant of block a: itself, two common ones, a rare one; one that is too far.
    records = ["401 A G 0.2", "410 C G 0.3", "411 G A 0.04", "412 T A 0.001", "700 T A 0.2"]
    vcf = "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    for record in records:
        pos, ref, alt, frequency = record.split()
        vcf += f"1\t{pos}\tn{pos}\t{ref}\t{alt}\t.\t.\tAF={frequency}\n"
    (tmp_path / "common.vcf").write_text(vcf)
    recipe = {
        "fasta": str(fasta),
        "data": {
            "credible_sets": {
                "path": str(tmp_path / "table.tsv"),
                "format": "table",
                "columns": COLUMNS,
                "lead_p_value": None,
            },
            "negatives": {"vcf": [str(tmp_path / "common.vcf")]},
            "splits": {"validation": ["11"], "test": []},
            "min_bag_size": 2,
        },
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def test_a_small_data_set_is_what_was_worked_out_by_hand(small, tmp_path):
    out = tmp_path / "out" / "set"
    assert main(["data", "--config", str(small), "--out", str(out)]) == 0
    found = read_dataset(out)
    assert found.bags.drop(columns="bag").values.tolist() == [
        ["a", "primary", 1, "train", "1", 2, 2],
        ["b", "primary", 1, "validation", "11", 2, 1],
        ["1:410:C:G", "all", 0, "train", "1", 1, 0],
        ["1:411:G:A", "all", 0, "train", "1", 1, 0],
    ]
    assert found.instances[["bag", "pos", "ref", "alt", "id"]].values.tolist() == [
        [0, 401, "A", "G", "."],
        [0, 405, "A", "T", "."],
        [1, 801, "A", "C", "."],
        [1, 802, "C", "A", "."],
        [2, 410, "C", "G", "n410"],
        [3, 411, "G", "A", "n411"],
    ]
    assert found.instances["p_value"].tolist()[:4] == [0.001, 0.5, 0.01, 0.02]
    manifest = found.manifest
    report = manifest["report"]
    assert manifest["reference"] == "checked"
    assert [Path(entry["path"]).name for entry in manifest["inputs"]] == [
        "genome.fa",
        "table.tsv",
        "common.vcf",
    ]
    assert manifest["configuration"]["data"]["min_bag_size"] == 2
    assert report["source"] == {
        "read": 10, "kept": 9, "refused: p-value out of range": 1, "kept without log_bf": 9,
        "kept without a PIP": 9,
    }  # fmt: skip
    assert report["associated"] == {
        "positions": 8, "rows": 10, "rows_without_a_readable_place": 0, "in_no_bag": {
            "p-value out of range (rows)": 1, "ref_mismatch (variants)": 1,
            "contig_not_in_fasta (variants)": 1, "in a bag that is too small (instances)": 2,
        },
    }  # fmt: skip
    assert report["variants"]["orientation"] == {"ok": 6, "ref_mismatch": 1, "contig_not_in_fasta": 1}
    assert report["variants"]["contigs_not_in_fasta"] == ["3"]
    assert report["filters"] == {
        "positive_bags_before": {"primary": 4, "secondary": 1},
        "positive_instances_before": 6,
        "instances_over_the_border_of_a_split": 0,
        "empty_bags": 1,
        "bags_smaller_than_min_bag_size": 2,
        "instances_of_these": 2,
        "positive_bags_after": {"primary": 2},
        "bags_in_several_splits": {"positive": 0, "negative": 0},
    }
    assert report["negatives"]["kept"] == 2
    assert report["bags"]["per_split_and_label"] == [
        {"split": "train", "label": 0, "bags": 2, "instances": 2},
        {"split": "train", "label": 1, "bags": 1, "instances": 2},
        {"split": "validation", "label": 1, "bags": 1, "instances": 2},
    ]
    text = (out / "report.md").read_text()
    assert "| refused: p-value out of range | 1 |" in text
    assert "- p-value out of range: line 11: p is '1.7'" in text
    assert "| primary | 4 | 2 | 2 |" in text
    assert "Contigs that the FASTA lacks: 3" in text
    assert "Held out are 11 for validation." in text


def test_windows_over_the_border_of_a_split_count_before_the_size(small):
    # Its windows reach from 145 to 660 (0-based, half-open: [145, 661)), so both instances of block a go.
    setting = "data.splits.test=['1:500-4000']"
    message = "no positive bag has 3 instances or more; the largest has 2.* 3 instances .* data.splits"
    with pytest.raises(InputError, match=message):
        prepare_recipe(read_configuration(small, Recipe, [setting, "data.min_bag_size=3"]))
    made = prepare_recipe(
        read_configuration(small, Recipe, [setting, "data.min_bag_size=1", "data.negatives=null"])
    )
    assert made.bags["block"].tolist() == ["c", "b"]
    assert made.manifest["report"]["filters"]["instances_over_the_border_of_a_split"] == 3


@pytest.mark.parametrize(
    ("rows", "facts"),
    [
        # Contigs of the small FASTA are 4,000 bp long.
        (
            ["1:4001_A_G", "2:9000_A_G", "1:401_A_G"],
            r"3 variants 2 position_outside_contig\. .*beyond the ends",
        ),
        (["3:401_A_G", "X:401_A_G"], r"2 variants 2 contig_not_in_fasta\. .* lacks the contigs 3, X\. Use"),
        (
            ["1:401_C_G", "1:405_C_G"],
            r"2 variants 2 ref_mismatch\. Use the FASTA of the table's genome build",
        ),
        (
            ["1:401_A_G", "1:405_C_G"],
            r"the largest has 1\. Of 2 variants 1 ref_mismatch\. Lower .*min_bag_size",
        ),
        (["1:401_A_G"], r"the largest has 1\. Lower data\.min_bag_size"),
    ],
)
def test_why_no_bag_is_left_is_said_in_one_line(small, tmp_path, rows, facts):
    lines = [f"{name}\t{name.split(':')[0]}\ts\t1\t0.01\t2.6" for name in rows]
    (tmp_path / "table.tsv").write_text("\n".join([HEADER, *lines]) + "\n")
    with pytest.raises(InputError, match=facts) as refused:
        prepare_recipe(read_configuration(small, Recipe))
    assert len(str(refused.value)) < 300
    assert "{" not in str(refused.value)


def test_what_became_of_the_rows_is_said_where_the_run_ends(small, tmp_path, caplog):
    caplog.set_level("INFO")
    with pytest.raises(InputError, match="no positive bag has 50"):
        prepare_recipe(read_configuration(small, Recipe, ["data.min_bag_size=50"]))
    said = (
        r"table\.tsv: 10 rows read, 9 kept, 1 refused: "
        r"p-value out of range \(1, such as line 11: p is '1\.7'\)"
    )
    assert re.search(said, caplog.text)
    assert re.search(r"1 rows on contigs that the FASTA \S+ does not have: '3' \(1 rows\)", caplog.text)


def test_accessions_of_another_build_are_an_error(small, tmp_path, monkeypatch):
    table = tmp_path / "table.tsv"
    table.write_text(table.read_text().replace("2:401", "NC_000002.11:401"))
    monkeypatch.setattr("mifm_kipoi.genomics.contigs.build_of_lengths", lambda _: "GRCh38")
    with pytest.raises(
        InputError, match=r"contig NC_000002\.11, which is of GRCh37, and .* is GRCh38 by its"
    ):
        prepare_recipe(read_configuration(small, Recipe))


def test_negatives_of_another_build_are_an_error(small, tmp_path, monkeypatch):
    vcf = tmp_path / "common.vcf"
    vcf.write_text(vcf.read_text().replace("\n1\t", "\nNC_000001.11\t"))
    assert len(prepare_recipe(read_configuration(small, Recipe)).bags) == 4
    monkeypatch.setattr("training.data.prepare.build_of_lengths", lambda _: "GRCh37")
    with pytest.raises(InputError, match=r"contig NC_000001\.11, which is of GRCh38; expected GRCh37"):
        prepare_recipe(read_configuration(small, Recipe))


def test_bags_without_validation_are_warned_of(small, caplog):
    prepare_recipe(read_configuration(small, Recipe, ["data.splits.validation=[]"]))
    assert "no bags for validation, and fit refuses" in caplog.text


def test_a_chain_file_takes_a_table_to_the_build_of_the_fasta(small, tmp_path):
    pytest.importorskip("liftover")
    # Of contig 1 of the table, 301-500 are 401-600 of the FASTA, and 801-1000 are not there.
    (tmp_path / "a.chain").write_text("chain 100 chr1 4000 + 300 500 chr1 4000 + 400 600 1\n200\n\n")
    rows = ["1:301_A_G", "1:305_T_A", "1:309_A_C", "1:901_A_G"]
    lines = [f"{name}\ta\ts\t1\t0.01\t2.6" for name in rows]
    (tmp_path / "table.tsv").write_text("\n".join([HEADER, *lines]) + "\n")
    settings = [f"data.credible_sets.lift_over={tmp_path / 'a.chain'}"]
    made = prepare_recipe(read_configuration(small, Recipe, settings))
    # REF is found out anew: the FASTA has A at 405.
    assert made.instances[["pos", "ref", "alt"]].values.tolist()[:3] == [
        [401, "A", "G"],
        [405, "A", "T"],
        [409, "A", "C"],
    ]
    assert made.instances["pos"].tolist()[3:] == [410, 411]
    report = made.manifest["report"]
    assert report["source"]["refused: lost in the lift-over"] == 1
    assert report["associated"]["rows_without_a_readable_place"] == 1
    assert [Path(entry["path"]).name for entry in made.manifest["inputs"]][2] == "a.chain"


def test_the_rows_of_one_study(small, tmp_path):
    settings = ["data.credible_sets.where={study: t}", "data.min_bag_size=1"]
    made = prepare_recipe(read_configuration(small, Recipe, settings))
    assert made.bags["block"].tolist() == ["a", "1:410:C:G", "1:411:G:A"]
    assert made.manifest["report"]["source"]["not chosen"] == 9
    assert made.manifest["report"]["associated"]["positions"] == 8
    settings[0] = "data.credible_sets.where={study: [s, t]}"
    assert len(prepare_recipe(read_configuration(small, Recipe, settings)).bags) > 3


def test_bayes_factors_that_cannot_be_computed_are_warned_of(small, tmp_path, caplog):
    prepare_recipe(read_configuration(small, Recipe))
    (warning,) = [text for text in caplog.messages if "Bayes factor" in text]
    assert "5 of 5 rows of studies" in warning
    assert "sample_size" in warning
    caplog.clear()
    table = tmp_path / "table.tsv"
    table.write_text(
        "".join(
            f"{line}\tf\n" if "SNP" in line else f"{line}\t0.3\n" for line in table.read_text().splitlines()
        )
    )
    known = ["data.credible_sets.columns.maf=f", "data.credible_sets.sample_size=1000"]
    made = prepare_recipe(read_configuration(small, Recipe, known))
    assert made.instances["log_bf"][made.instances["bag"] < 2].notna().all()
    assert not [text for text in caplog.messages if "Bayes factor" in text]


def test_a_bag_in_two_splits_is_left_out(small, tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text(table.read_text() + "1:2001_A_G\ta\ts\t1\t0.5\t0.7\n")
    made = prepare_recipe(
        read_configuration(small, Recipe, ["data.splits.test=['1:1000-4000']", "data.negatives=null"])
    )
    assert made.bags["block"].tolist() == ["b"]
    assert made.manifest["report"]["filters"]["bags_in_several_splits"] == {"positive": 1, "negative": 0}


@pytest.mark.parametrize("given", ["neither", "both"])
def test_one_source_of_positives_is_needed(small, given):
    settings = ["data.credible_sets=null"]
    if given == "both":
        settings = ["data.summary_statistics={path: table.tsv, ld_blocks: {path: table.tsv}}"]
    with pytest.raises(ConfigurationError, match=f"data has {given} of credible_sets and .*; expected one"):
        prepare_recipe(read_configuration(small, Recipe, settings))


def test_errors_are_one_line_and_codes(small, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["data", "--config", str(small), "--set", "data.min_bag_size=50", "--out", out]) == 1
    assert "error: no positive bag has 50 instances" in capsys.readouterr().err
    assert not Path(out).exists()
    with pytest.raises(SystemExit, match="2"):
        main(["data", "--config", str(small)])
    with pytest.raises(SystemExit, match="0"):
        main(["data", "--help"])
    described = capsys.readouterr().out
    assert 'block: "trait,CHR,region"' in described
    assert "maf: MAF" in described
    assert "sample_size: 350000" in described


@pytest.mark.slow
def test_memory_does_not_grow_with_rows_of_the_same_variants(tmp_path):
    """Rows of the same 5,000 variants need no more memory, be they 200,000 or 800,000."""
    block = "".join(f"1:{pos}_A_G\tb{pos % 50}\ts\t1\t0.01\t2.5\n" for pos in range(1, 5001))
    code = """
import resource, sys
from training.data.bags import make_bags
from training.data.credible_sets import CredibleSetsConfig, read_credible_sets
import json
import re
columns = json.loads(sys.argv[2])
config = CredibleSetsConfig(sys.argv[1], "table", columns)
made = make_bags(read_credible_sets(config, block_bytes=1 << 20), None, buffer=1 << 16)
print(len(made.instances), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = []
    for times in (40, 160):
        path = tmp_path / "big.tsv"
        with path.open("w") as file:
            file.write(HEADER + "\n")
            for _ in range(times):
                file.write(block)
        command = [sys.executable, "-c", code, str(path), json.dumps(COLUMNS)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        instances, peak = map(int, done.stdout.split())
        assert instances == 5000
        peaks.append(peak / 1024)
    # 600,000 rows more, of about 100 bytes each were they kept, are 60 MB.
    assert peaks[1] - peaks[0] < 30


@pytest.mark.reference
def test_the_real_causaldb2_extract(reference_data, tmp_path):
    # Counted with awk, keys $22" "$25 (bag) and $1" "$2" "lo" "hi (variant, alleles sorted as text):
    # 67 primary and 17 secondary bags of 7,172 instances; with 10 or more 48 and 17, of 7,096; larger than
    # 127 eight, the largest 2,041; 6,595 variants; 8,216 with $21 (study) in the key, so 10,393 - 8,216 =
    # 2,177 rows repeat their study, and 8,216 - 7,172 = 1,044 unite studies.
    source = reference_data / "data" / "finemapping" / "causaldb2_AD.csv.gz"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        yaml.safe_dump(
            {"data": {"credible_sets": {"path": str(source), "lead_p_value": None}, "min_bag_size": 10}}
        )
    )
    made = prepare_recipe(read_configuration(recipe, Recipe))
    report = made.manifest["report"]
    assert report["variants"] == {
        "rows": 10393, "rows_repeated_within_study": 2177, "rows_united_over_studies": 1044,
        "studies": 6, "blocks": 67, "variants": 6595,
    }  # fmt: skip
    assert report["filters"]["positive_bags_before"] == {"primary": 67, "secondary": 17}
    assert report["filters"]["positive_instances_before"] == 7172
    assert report["filters"]["positive_bags_after"] == {"primary": 48, "secondary": 17}
    assert report["bags"]["positive_bags_larger_than_127"] == 8
    assert made.bags["size"].sum() == 7096
    assert made.bags["size"].max() == 2041
    assert made.manifest["reference"] == "not checked"
    # rs429358, the first row of the table: a p-value of 2.6e-124 in one study, in others a lower one or none.
    # Each study of a bag has its own rows: those of the table, a variant once.
    rows = pd.read_csv(source, usecols=["chr", "bp", "ea", "nea", "p", "meta_id", "block_id", "primary"])
    pair = rows[["ea", "nea"]].min(axis=1) + ">" + rows[["ea", "nea"]].max(axis=1)
    rows = rows.assign(pair=pair).drop_duplicates(["meta_id", "block_id", "primary", "chr", "bp", "pair"])
    of_bag = rows.groupby(["block_id", "primary"])
    size = of_bag["bp"].transform("size") - rows.assign(
        again=rows.duplicated(["block_id", "primary", "chr", "bp", "pair"])
    ).groupby(["block_id", "primary"])["again"].transform("sum")
    rows = rows[size >= 10]
    assert len(made.evidence) == len(rows) == 8135
    assert len(made.studies) == len(rows.groupby(["block_id", "primary", "meta_id"])) == 136
    weight = made.studies["weight"]
    assert ((weight > 0) & (weight <= 1)).all()
    assert (weight[made.studies.groupby("bag")["bag"].transform("size") == 1] == 1).all()
    lead = made.instances[(made.instances["chrom"] == "19") & (made.instances["pos"] == 45411941)]
    assert lead["id"].unique().tolist() == ["rs429358"]


@pytest.mark.reference
def test_real_blood_traits_on_the_mini_genome(reference_data, tmp_path):
    # Counted with awk: rows with $4=="1" && $5+256<=9876492, or $4=="20" && $5+256<=2000000, are 291 in 14
    # blocks ($4, $7 region, trait) and 40 in 4; of ten rows or more ten on contig 1 and one on 20. Their
    # names begin with chr:pos and REF, which the FASTA has; all twelve p-values of 0 are in the table.
    fasta = tmp_path / "genome.fa.gz"
    for ending in ("", ".fai", ".gzi"):
        source = reference_data / "data" / "genome" / f"GRCh37.mini.fa.gz{ending}"
        Path(f"{fasta}{ending}").symlink_to(source)
    table = reference_data / "data" / "finemapping" / "ukb_blood_traits.finemap.tsv.gz"
    columns = {
        "variant": "SNP", "chrom": "CHR", "pos": "POS", "pip": "PP", "p_value": "p.value", "z": "ZSCORE",
        "study": "trait", "block": "trait,CHR,region",
    }  # fmt: skip
    recipe = {
        "fasta": str(fasta),
        "data": {
            "credible_sets": {
                "path": str(table),
                "format": "table",
                "columns": columns,
                "lead_p_value": None,
            },
            "splits": {"validation": [], "test": ["20"]},
            "min_bag_size": 10,
        },
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    # The FASTA is a part of a genome.
    with pytest.raises(
        ReferenceMismatchError, match=r"4,075 of 4,386 variants lie beyond the end of their contig"
    ):
        prepare_recipe(read_configuration(path, Recipe))
    recipe["data"]["max_mismatch_fraction"] = 1.0
    path.write_text(yaml.safe_dump(recipe))
    made = prepare_recipe(read_configuration(path, Recipe))
    report = made.manifest["report"]
    assert report["source"]["kept with a p-value of 0"] == 12
    assert report["filters"]["positive_bags_before"] == {"all": 2175}
    assert report["filters"]["positive_instances_before"] == 291 + 40
    assert report["filters"]["empty_bags"] == 2175 - 18
    assert made.bags["chrom"].value_counts().to_dict() == {"1": 10, "20": 1}
    assert made.bags["split"].tolist() == ["train"] * 10 + ["test"]
    rows = pd.read_csv(table, sep="\t", dtype={"CHR": str})
    names = made.instances["chrom"] + ":" + made.instances["pos"].astype(str)
    names += "_" + made.instances["ref"] + "_" + made.instances["alt"]
    as_in_table = names.isin(set(rows["SNP"]))
    # REF of the table is that of the FASTA, but for indels of which the FASTA has both alleles.
    assert (made.instances.loc[~as_in_table, ["ref", "alt"]].map(len).max(axis=1) > 1).all()
    assert (~as_in_table).sum() <= report["variants"]["variants_with_both_alleles_in_fasta"]
