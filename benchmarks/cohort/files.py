"""Files of a cohort that hold variants: genotypes, sequence, sites, truth."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from bed_reader import create_bed

from benchmarks.cohort.effects import Effects
from benchmarks.cohort.loci import Locus
from benchmarks.cohort.sizes import DISCOVERY, TRAITS, Cohort
from mifm_kipoi.sequence.encoding import BASES

_LETTERS = np.array(list(BASES), dtype=object)
_BYTES = np.frombuffer(BASES.encode(), dtype=np.uint8)
_LINE = 100


def truth_table(cohort: Cohort, locus: Locus, effects: Effects) -> pd.DataFrame:
    """One row for each variant of a locus.

    ``chrom, pos`` (1-based), ``id, ref, alt``; ``locus``; ``kind`` and ``causal`` by the rule; ``change`` of
    affinity from REF to ALT; ``score_optimal, score_reference``; ``effect_TRAIT`` of one copy of ALT;
    ``af_SAMPLE`` of ALT.
    """
    contig, place = divmod(locus.number, cohort.loci_of_contig)
    return pd.DataFrame(
        {
            "chrom": str(contig + 1),
            "pos": place * cohort.length + locus.positions + 1,
            "id": [f"v{locus.number}_{position}" for position in locus.positions],
            "ref": _LETTERS[locus.sequence[locus.positions]],
            "alt": _LETTERS[locus.alternative],
            "locus": locus.number,
            "kind": locus.kinds.astype(object),
            "causal": locus.causal,
            "change": locus.change,
            "score_optimal": locus.score_optimal,
            "score_reference": locus.score_reference,
            **{f"effect_{trait.name}": each for trait, each in zip(TRAITS, effects.variants, strict=True)},
            **{f"af_{name}": dosages.mean(axis=1) / 2 for name, dosages in locus.dosages.items()},
        }
    )


def hidden_row(locus: Locus, effects: Effects) -> dict[str, object]:
    """The causal variant of a locus that is in no file: ``locus``, ``effect_TRAIT``, ``af_SAMPLE``."""
    return {
        "locus": locus.number,
        **{f"effect_{trait.name}": each for trait, each in zip(TRAITS, effects.driver, strict=True)},
        **{f"af_{name}": dosages.mean() / 2 for name, dosages in locus.driver.items()},
    }


@contextlib.contextmanager
def genotype_files(
    folder: Path, truth: pd.DataFrame, people: pd.DataFrame
) -> Iterator[Mapping[str, create_bed]]:
    """Open ``SAMPLE.bed, .bim, .fam`` of each sample, which take variant after variant; allele 1 is ALT."""
    folder.mkdir(parents=True, exist_ok=True)
    variants = {
        "chromosome": truth["chrom"].tolist(), "sid": truth["id"].tolist(),
        "bp_position": truth["pos"].tolist(),
        "allele_1": truth["alt"].tolist(), "allele_2": truth["ref"].tolist(),
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        files = {}
        for sample, own in people.groupby("sample", sort=False):
            persons = {"fid": own["FID"].tolist(), "iid": own["IID"].tolist(), "sex": own["sex"].tolist()}
            files[str(sample)] = stack.enter_context(
                create_bed(folder / f"{sample}.bed", len(own), len(truth), properties=persons | variants)
            )
        yield files


def write_genotypes(files: Mapping[str, create_bed], locus: Locus) -> None:
    """Append the variants of a locus to the files of all samples."""
    for name, dosages in locus.dosages.items():
        for row in dosages.astype(np.int8):
            files[name].write(row)


class SequenceFile:
    """A FASTA of contigs that grows by loci.

    Parameters
    ----------
    path : Path
        The file.
    cohort : Cohort
        All settings.
    """

    def __init__(self, path: Path, cohort: Cohort) -> None:
        self._file, self._cohort = path.open("wb"), cohort

    def __enter__(self) -> SequenceFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, locus: Locus) -> None:
        """Append a locus."""
        contig, place = divmod(locus.number, self._cohort.loci_of_contig)
        if not place:
            self._file.write(f">{contig + 1}\n".encode())
        letters = _BYTES[locus.sequence].tobytes()
        self._file.writelines(
            letters[start : start + _LINE] + b"\n" for start in range(0, len(letters), _LINE)
        )


def write_vcf(path: Path, cohort: Cohort, truth: pd.DataFrame) -> None:
    """All variants without genotypes, with the frequency of ALT in each sample."""
    # AF is what readers of common variants look for.
    tags = {"AF": DISCOVERY, **{f"AF_{sample}": sample for sample in cohort.samples}}
    lines = ["##fileformat=VCFv4.2", '##FILTER=<ID=PASS,Description="All filters passed">']
    lines += [f"##contig=<ID={contig + 1},length={cohort.contig_length}>" for contig in range(cohort.contigs)]
    lines += [
        f'##INFO=<ID={tag},Number=A,Type=Float,Description="Frequency of ALT in {sample}">'
        for tag, sample in tags.items()
    ]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    frequencies = [truth[f"af_{sample}"].tolist() for sample in tags.values()]
    sites = zip(truth["chrom"], truth["pos"], truth["id"], truth["ref"], truth["alt"], strict=True)
    for (chrom, pos, name, ref, alt), *values in zip(sites, *frequencies, strict=True):
        info = ";".join(f"{tag}={value:.6g}" for tag, value in zip(tags, values, strict=True))
        lines.append(f"{chrom}\t{pos}\t{name}\t{ref}\t{alt}\t.\tPASS\t{info}")
    _write_gzip(path, "\n".join(lines) + "\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A table between tabs, gzipped where its name says so; equal tables give equal files."""
    text = io.StringIO()
    table.to_csv(text, sep="\t", index=False)
    if path.suffix == ".gz":
        _write_gzip(path, text.getvalue())
    else:
        path.write_text(text.getvalue())


def write_blocks(path: Path, cohort: Cohort) -> None:
    """LD blocks in the format of CAUSALdb's table, of EUR, one for each locus: row K is block K, from 1.

    See :class:`mifm_kipoi.genetics.ld_blocks.LDBlocks`: a block holds the variants with start < pos <= stop.
    """
    rows = ["chr\tstart\tstop\tpop"]
    for number in range(cohort.loci):
        contig, place = divmod(number, cohort.loci_of_contig)
        rows.append(f"{contig + 1}\t{place * cohort.length}\t{(place + 1) * cohort.length}\tEUR")
    path.write_text("\n".join(rows) + "\n")


def standardised_ld(dosages: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Correlations of the variants of a locus in a sample: (sites, diploids) -> (sites, sites)."""
    return np.atleast_2d(np.corrcoef(dosages.astype(np.float64)))


def _write_gzip(path: Path, text: str) -> None:
    # Without a time, so that equal runs give equal files.
    path.write_bytes(gzip.compress(text.encode(), compresslevel=4, mtime=0))
