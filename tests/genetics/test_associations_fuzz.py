"""Tables of GWAS programs with defects drawn at random: every row is kept, or refused with a reason.

``MIFM_FUZZ_SEED`` (default 0) draws other tables; a failure names the case and shows its text.
"""

from __future__ import annotations

import collections
import gzip
import math
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from mifm_kipoi.genetics.associations import AssociationRows, AssociationTable
from mifm_kipoi.genetics.row_counts import RowCounts
from tests.builders import write_fasta
from tests.genetics import test_gwas_formats as formats
from training.data.negatives import NegativesConfig
from training.data.prepare import DataConfig, prepare
from training.data.splits import SplitsConfig
from training.data.summary_statistics import LDBlocksConfig, SummaryStatisticsConfig

SEED = os.environ.get("MIFM_FUZZ_SEED", "0")


class Program(NamedTuple):
    """A program's writer, what its columns are, and what 25 is in its tables, where that is known."""

    write: Callable[[], str]
    columns: str
    twenty_five: str = ""


PROGRAMS = [
    Program(
        formats.gwas_ssf,
        "chrom=chromosome pos=base_pair_location effect=effect_allele other=other_allele beta=beta "
        "error=standard_error p=p_value frequency=effect_allele_frequency",
        "M",
    ),
    Program(
        formats.plink1_assoc,
        "chrom=CHR pos=BP effect=A1 other=A2 ratio=OR error=SE p=P",
        "X",
    ),
    Program(
        formats.plink2_linear,
        "chrom=#CHROM pos=POS effect=A1 beta=BETA error=SE p=P",
        "X",
    ),
    Program(
        formats.plink2_logistic,
        "chrom=#CHROM pos=POS effect=A1 other=OMITTED ratio=OR error=LOG(OR)_SE mlogp=LOG10_P "
        "frequency=A1_FREQ",
        "X",
    ),
    Program(
        formats.regenie,
        "chrom=CHROM pos=GENPOS effect=ALLELE1 other=ALLELE0 beta=BETA error=SE mlogp=LOG10P "
        "frequency=A1FREQ",
        "X",
    ),
    Program(
        formats.saige,
        "chrom=CHR pos=POS effect=Allele2 other=Allele1 beta=BETA error=SE p=p.value frequency=AF_Allele2",
    ),
    Program(
        formats.bolt,
        "chrom=CHR pos=BP effect=ALLELE1 other=ALLELE0 beta=BETA error=SE p=P_BOLT_LMM frequency=A1FREQ",
        "X",
    ),
    Program(
        formats.gemma,
        "chrom=chr pos=ps effect=allele1 other=allele0 beta=beta error=se p=p_wald frequency=af",
        "X",
    ),
    Program(
        formats.fastgwa,
        "chrom=CHR pos=POS effect=A1 other=A2 beta=BETA error=SE p=P frequency=AF1",
        "X",
    ),
    Program(
        formats.finngen,
        "chrom=#chrom pos=pos effect=alt other=ref beta=beta error=sebeta frequency=af_alt",
    ),
    Program(
        formats.pan_ukb,
        "chrom=chr pos=pos effect=alt other=ref beta=beta_AFR error=se_AFR mlogp=neglog10_pval_AFR "
        "frequency=af_AFR",
    ),
    Program(
        formats.causaldb,
        "chrom=chr pos=bp effect=ea other=nea beta=beta error=se p=p",
    ),
]
PRESETS = {write: (preset, options) for write, preset, options in formats.CASES}
OF_ALT = (formats.finngen, formats.pan_ukb, formats.regenie)

REFUSED = {
    "chrom": ["NA", "", "."],
    "pos": ["NA", "0", "1.5", "x", "99999999999", "-7"],
    "effect": ["I", "-", ".", "<DEL>", "N", "NA"],
    "other": ["D", "-", "A,C", "NA"],
    "beta": ["high", "inf", "1_0"],
    "ratio": ["high", "inf", "0"],
    "error": ["0", "x", "inf"],
    "p": ["NA", "null", "high", "#NA"],
    "mlogp": ["NA", "high", "-"],
    "frequency": ["x", "-0.5"],
}
"""What makes a row unusable, by field."""

HARMLESS = {
    "chrom": ["chr{}", "CHR{}", "{}.0", "0{}", "25"],
    "pos": ["{}.0", "{}e0"],
    "effect": ["lower"],
    "beta": ["NA"],
    "error": ["NA", "nan"],
    "p": ["0", "1e-400"],
    "mlogp": ["inf", "400"],
    "frequency": ["#NA"],
}


class Drawn(NamedTuple):
    """A row of a table: what it says, what was done to it, and whether it must be refused."""

    truth: formats.Row
    field: str
    value: str
    refused: bool


def draw_truth(rng: random.Random, count: int, chroms: tuple[str, ...]) -> list[tuple]:
    """Variants at positions where the contig ``ACGT`` again and again has REF; some are associated."""
    truth = []
    for number, pos in enumerate(sorted(rng.sample(range(1000, 3000), count))):
        ref = "ACGT"[(pos - 1) % 4]
        alt = rng.choice(["ACGT".replace(ref, "")[rng.randrange(3)], ref + rng.choice("ACGT")])
        error = rng.choice([0.0625, 0.125])
        effect = rng.choice([1, -1]) * error * rng.choice([rng.uniform(0.1, 2), rng.uniform(6, 12)])
        chrom, frequency = rng.choice(chroms), rng.choice([0.25, 0.5])
        truth.append((chrom, pos, f"rs{number}", ref, alt, effect, error, frequency))
    return truth


def draw(rng: random.Random, program: Program, truth: list[tuple]) -> tuple[bytes, dict[int, Drawn]]:
    """A table with defects in some rows, and what is expected of each of its lines."""
    formats.ALT[:] = map(formats.Row, truth)
    formats.EITHER[:] = [formats.Row(row, rng.random() < 0.5) for row in truth]
    text = program.write()
    before = [line for line in text.splitlines() if line.startswith("##")]
    lines = [line.split("\t") if "\t" in text else line.split() for line in text.splitlines()[len(before) :]]
    header, rows = lines[0], lines[1:]
    columns = dict(one.split("=") for one in program.columns.split())
    fields = {field: header.index(name) for field, name in columns.items()}
    mark = rng.choice(["\t", "\t", ",", ";", "white"]) if program.write != formats.plink2_logistic else "\t"
    own = {row.pos: row for row in (formats.ALT if program.write in OF_ALT else formats.EITHER)}
    test = header.index("TEST") if "TEST" in header else None
    expected: list[Drawn | None] = []
    for row in rows:
        one = own[int(row[fields["pos"]])]
        if test is not None and row[test] != "ADD":
            expected.append(None)
            continue
        field, value, refused = "", "", False
        if rng.random() < 0.3:
            refused = rng.random() < 0.5
            field = rng.choice([field for field in (REFUSED if refused else HARMLESS) if field in fields])
            value = rng.choice((REFUSED if refused else HARMLESS)[field])
            chrom = row[fields["chrom"]]
            if value == "25":
                refused = not program.twenty_five
            elif field == "chrom" and not refused:
                value = value.format(chrom) if chrom.isdigit() else f"chr{chrom}"
            elif field == "pos":
                value = value.format(row[fields[field]])
            elif value == "lower":
                value = row[fields[field]].lower()
            if mark == "white" and not value:
                value = "NA"
            row[fields[field]] = value
        expected.append(Drawn(one, field, value, refused))
    quoted = mark in "\twhite" and rng.random() < 0.3 and not header[0].startswith("#")
    return written(rng, [*before], header, rows, mark, quoted, expected)


def written(
    rng: random.Random, before: list[str], header: list[str], rows: list[list[str]], mark: str, quoted: bool,
    expected: list[Drawn | None],
) -> tuple[bytes, dict[int, Drawn]]:  # fmt: skip
    def field(text: str) -> str:
        if mark == "white":
            return text or "NA"
        if mark in ",;" and mark in text:
            text = f'"{text}"'
        return f"{rng.choice(['', '', '', ' '])}{text}{rng.choice(['', '', '', ' '])}"

    def line(fields: list[str]) -> str:
        fields = [f'"{text}"' if quoted else text for text in fields]
        return (rng.choice([" ", "  "]) if mark == "white" else mark).join(map(field, fields))

    if not header[0].startswith("#"):
        before = rng.sample([*before, "##made by x", "# a comment", ""], rng.randrange(3))
    lines, places = [*before, line(header)], {}
    for row, one in zip(rows, expected, strict=True):
        if rng.random() < 0.02:
            lines.append("")
        lines.append(line(row))
        if one is not None:
            places[len(lines)] = one
    content = (rng.choice(["\n", "\r\n"]).join(lines) + "\n").encode()
    return gzip.compress(content, 1) if rng.random() < 0.3 else content, places


def check_row(program: Program, rows: AssociationRows, i: int, drawn: Drawn) -> None:
    """One row against the truth, as far as nothing was done to it."""
    one, field = drawn.truth, drawn.field
    assert (rows.reason[i] != "") == drawn.refused, (rows.reason[i], drawn)
    if not (field == "chrom" and drawn.refused):
        assert rows.chrom[i] == (program.twenty_five if drawn.value == "25" else one.chrom), drawn
    if not (field == "pos" and drawn.refused):
        assert rows.pos[i] == one.pos, drawn
    if field not in ("effect", "other") or not drawn.refused:
        assert (rows.effect_allele[i], rows.other_allele[i]) == (one.effect, one.other), drawn
    if field not in ("beta", "ratio"):
        assert math.isclose(rows.beta[i], one.beta, rel_tol=1e-6), drawn
    # Of a p-value that is too small for a number, z says how small it is.
    if field not in ("p", "mlogp") or drawn.value in ("0", "inf"):
        assert math.isclose(rows.log_p[i], one.ln_p, rel_tol=1e-6), drawn
    elif not drawn.refused:
        assert rows.log_p[i] < -700, drawn


def check(path: Path, rng: random.Random, program: Program) -> None:
    content, expected = draw(rng, program, draw_truth(rng, 60, ("1", "2", "22", "X")))
    path.write_bytes(content)
    counts = RowCounts()
    preset, options = PRESETS[program.write]
    table = AssociationTable(str(path), rng.choice(["auto", preset]), **options)
    limit = rng.choice([None, 1e-5])
    seen: collections.Counter[int] = collections.Counter()
    for rows in table.batches(max_p_value=limit, counts=counts, block_bytes=rng.choice([200, 2000, None])):
        for i, line in enumerate(rows.lines.tolist()):
            seen[line] += 1
            check_row(program, rows, i, expected[line])
    low = {
        line for line, one in expected.items()
        if limit is None or one.field in ("p", "mlogp") or one.truth.ln_p <= math.log(limit)
    }  # fmt: skip
    assert set(seen) == low
    assert set(seen.values()) <= {1}
    refused = sum(expected[line].refused for line in low)
    assert counts.refused.total() == refused
    assert (counts.kept, counts.above) == (len(low) - refused, len(expected) - len(low))


@pytest.fixture(params=PROGRAMS, ids=[program.write.__name__ for program in PROGRAMS])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program, whose writer will write what is drawn."""
    for name in ("ALT", "EITHER"):
        monkeypatch.setattr(formats, name, [])
    chosen: Program = request.param
    return chosen


def test_every_row_is_kept_or_refused_with_a_reason(tmp_path: Path, program: Program) -> None:
    for number in range(8):
        rng = random.Random(f"{SEED} {program.write.__name__} {number}")
        try:
            check(tmp_path / "gwas", rng, program)
        except Exception as error:
            text = (tmp_path / "gwas").read_bytes()
            text = gzip.decompress(text) if text.startswith(b"\x1f\x8b") else text
            pytest.fail(f"case {number}, seed {SEED}: {error!r}\n{text.decode()}")


def test_no_place_that_a_program_associates_is_a_negative(tmp_path: Path, program: Program) -> None:
    rng = random.Random(f"{SEED} negatives {program.write.__name__}")
    content, expected = draw(rng, program, draw_truth(rng, 200, ("1",)))
    (tmp_path / "gwas").write_bytes(content)
    (tmp_path / "blocks").write_text("chr start stop pop\n1 0 4000 EUR\n")
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for pos in range(950, 3050):
        ref, alt = "ACGT"[(pos - 1) % 4], "CGTA"[(pos - 1) % 4]
        lines.append(f"1\t{pos}\t.\t{ref}\t{alt}\t.\t.\tAF=0.3")
    (tmp_path / "common.vcf").write_text("\n".join(lines) + "\n")
    fasta = write_fasta(tmp_path / "genome.fa", {"1": "ACGT" * 1000})
    preset, options = PRESETS[program.write]
    gwas = SummaryStatisticsConfig(
        str(tmp_path / "gwas"), format=preset, ld_blocks=LDBlocksConfig(str(tmp_path / "blocks")), **options
    )
    common = NegativesConfig((str(tmp_path / "common.vcf"),))
    made = prepare(str(fasta), DataConfig(None, gwas, common, SplitsConfig((), ()), min_bag_size=1))
    negative = made.instances["bag"].isin(made.bags["bag"][made.bags["label"] == 0])
    negatives = set(made.instances["pos"][negative])
    associated = {
        one.truth.pos for one in expected.values()
        if not (one.field in ("chrom", "pos") and one.refused) and one.value != "25"
        and (one.field in ("p", "mlogp") or one.truth.ln_p <= math.log(1e-5))
    }  # fmt: skip
    assert len(associated) > 50
    assert len(negatives) > 500
    assert not negatives & associated
