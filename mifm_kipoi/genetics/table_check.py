"""One page of what a table of a GWAS is understood as: ``mifm check-table``, which a user runs first."""

from __future__ import annotations

import collections
import dataclasses
import math
import re
import statistics
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import COMPLEMENT, FEW_MISMATCHES, MAX_MISMATCH_FRACTION
from mifm_kipoi.genetics.associations import AssociationRows, AssociationTable, order_of
from mifm_kipoi.genetics.row_counts import EXAMPLES, RowCounts
from mifm_kipoi.genomics.columns import FIELDS
from mifm_kipoi.genomics.contigs import build_of_lengths
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.reference import has_alleles
from mifm_kipoi.genomics.tables import OnProgress

GENOME_WIDE = 5e-8
"""The p-value up to which an association counts as genome-wide significant."""

MEDIAN_CHI2 = 0.4549364
"""Median of chi-squared with one degree of freedom."""

MAX_REF_MISMATCH_FRACTION = 0.1
"""Fraction of rows with neither allele in the FASTA beyond which a table cannot be used with it."""

LANDMARKS = {
    "rs1801133": ("1", 11856378, 11796321), "rs11591147": ("1", 55505647, 55039974),
    "rs12740374": ("1", 109817590, 109274968), "rs4988235": ("2", 136608646, 135851076),
    "rs1801282": ("3", 12393125, 12351626), "rs1799945": ("6", 26091179, 26090951),
    "rs1800562": ("6", 26093141, 26092913), "rs13266634": ("8", 118184783, 117172544),
    "rs6983267": ("8", 128413305, 127401060), "rs7903146": ("10", 114758349, 112998590),
    "rs5219": ("11", 17409572, 17388025), "rs662799": ("11", 116663707, 116792991),
    "rs3184504": ("12", 111884608, 111446804), "rs12913832": ("15", 28365618, 28120472),
    "rs1421085": ("16", 53800954, 53767042), "rs9939609": ("16", 53820527, 53786615),
    "rs58542926": ("19", 19379549, 19268740), "rs429358": ("19", 45411941, 44908684),
    "rs7412": ("19", 45412079, 44908822), "rs738409": ("22", 44324727, 43928847),
}  # fmt: skip
"""Variants that most tables have, with their chromosome and their positions in GRCh37 and GRCh38 (dbSNP)."""

_BUILDS = ("GRCh37", "GRCh38")
_LOWEST_MEDIAN = 0.05
"""A lower median p-value is that of a table which has associated variants alone, not all."""
_FEW_CHROMOSOMES = 10
_FEWEST_FOR_LAMBDA = 1000
_BIN = 1 / 4096
_BINS = 1 << 16
"""Bins of -ln p, for its median in constant memory; what is above the last is in it."""
_LISTED = 10
_LN10 = math.log(10)
_WIDTH = 96
"""Letters of a line of the page, beside its title."""

Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class TableCheck:
    """What is looked at.

    Parameters
    ----------
    table : AssociationTable
        The table and how it is read. Contradictions within it are found and listed whether or not it allows
        them.
    fasta : Path, optional
        Reference genome, with which the alleles are compared.
    """

    table: AssociationTable
    fasta: Path | None = None

    @property
    def _table(self) -> AssociationTable:
        """The table, whose faults are all counted."""
        return dataclasses.replace(self.table, allow_implausible=True, directed=False)

    def understood(self) -> list[str]:
        """The beginning of the page, for a table that cannot be read any further.

        Raises
        ------
        InputError
            When the table cannot be read, or columns are missing or ambiguous.
        """
        return _page(self.table, _understood(self._table))

    def run(self, on_progress: OnProgress | None = None) -> TableSummary:
        """Read the table, in constant memory.

        Parameters
        ----------
        on_progress : callable, optional
            Is given the rows that were read, and the fraction of the file.

        Raises
        ------
        InputError
            When the table or the FASTA cannot be read, or columns are missing or ambiguous.
        """
        table = self._table
        counts = _Counts()
        tally = _Tally(Genome(self.fasta) if self.fasta else None)
        fields = ["z", "pip", *(["p_value"] if table.has_p_values else [])]
        for rows in table.batches(fields, counts=counts, on_progress=on_progress):
            tally.add(rows)
        return TableSummary(table, self.table.allow_implausible, self.fasta, counts, tally)


class _Counts(RowCounts):
    """Counts whose notes stand on the page, and nowhere else."""

    def note(self, text: str) -> None:
        """Remember a sentence."""
        if text not in self.notes:
            self.notes.append(text)


class _Range:
    """The lowest and the highest of some numbers, and how many there are."""

    def __init__(self) -> None:
        self.low, self.high, self.count = math.inf, -math.inf, 0

    def add(self, values: npt.NDArray[np.float64]) -> None:
        known = values[np.isfinite(values)]
        if known.size:
            self.low = min(self.low, float(known.min()))
            self.high = max(self.high, float(known.max()))
            self.count += known.size

    def __str__(self) -> str:
        low, high = (f"{one:,.0f}" if abs(one) >= 100 else f"{one:.4g}" for one in (self.low, self.high))
        return low if low == high else f"{low} to {high}"


class _Tally:
    """Counts rows as they pass."""

    def __init__(self, genome: Genome | None) -> None:
        self.genome = genome
        self.chromosomes: collections.Counter[str] = collections.Counter()
        self.sample_size, self.frequency, self.pip = _Range(), _Range(), _Range()
        self.p_values, self.high_frequencies = 0, 0
        self.significant = 0
        self.indels, self.with_effect, self.with_z = 0, 0, 0
        self.best: tuple[float, float, str] | None = None
        self.reference = _Reference()
        self.landmarks: collections.Counter[str] = collections.Counter()
        self._bins = np.zeros(_BINS, dtype=np.int64)

    def add(self, rows: AssociationRows) -> None:
        usable = np.asarray(rows.reason == "", dtype=bool)
        self.chromosomes.update(rows.chrom[usable].tolist())
        self.sample_size.add(rows.sample_size[usable])
        self.frequency.add(rows.frequency[usable])
        self.pip.add(rows.pip[usable])
        with np.errstate(invalid="ignore"):
            self.high_frequencies += int((rows.frequency[usable] > 0.5).sum())
        self.with_effect += int(np.isfinite(rows.beta[usable]).sum())
        self.with_z += int(np.isfinite(rows.z[usable]).sum())
        self._add_p_values(rows, usable)
        self._add_landmarks(rows)
        if self.genome is not None:
            self.reference.add(rows, usable, self.genome)

    def _add_p_values(self, rows: AssociationRows, usable: Flags) -> None:
        known = np.flatnonzero(usable & ~np.isnan(rows.log_p))
        if not known.size:
            return
        log_p = rows.log_p[known]
        self.p_values += known.size
        self.significant += int((log_p <= math.log(GENOME_WIDE) + 1e-12).sum())
        size = np.minimum(-log_p / _BIN, _BINS - 1).astype(np.int64)
        self._bins += np.bincount(size, minlength=_BINS)
        row = known[order_of(log_p, rows.z[known])[0]] if log_p.min() <= (self.best or (0.0,))[0] else -1
        if row >= 0:
            lowest = (float(rows.log_p[row]), -float(np.nan_to_num(abs(rows.z[row]), nan=-1.0)))
            if self.best is None or lowest < self.best[:2]:
                self.best = (*lowest, _named(rows, row))

    def _add_landmarks(self, rows: AssociationRows) -> None:
        for row in (row for row, name in enumerate(rows.id.tolist()) if name in LANDMARKS):
            chrom, *positions = LANDMARKS[rows.id[row]]
            if rows.chrom[row] == chrom:
                builds = dict(zip(positions, _BUILDS, strict=True))
                self.landmarks[builds.get(int(rows.pos[row]), "neither")] += 1

    @property
    def median_p(self) -> float:
        """The median p-value, 0 where it is below that of the last bin; NaN where there is none."""
        if not self.p_values:
            return math.nan
        middle = self.p_values / 2
        number = int(np.searchsorted(np.cumsum(self._bins), middle))
        if number >= _BINS - 1:
            return 0.0
        before = int(self._bins[:number].sum())
        return math.exp(-(number + (middle - before) / int(self._bins[number])) * _BIN)


class _Reference:
    """Which alleles the FASTA has."""

    def __init__(self) -> None:
        self.compared = self.effect = self.other = self.both = self.neither = 0
        self.other_strand = self.beyond = 0
        self.absent: collections.Counter[str] = collections.Counter()
        self.examples: list[str] = []

    def add(self, rows: AssociationRows, usable: Flags, genome: Genome) -> None:
        for name in dict.fromkeys(rows.chrom[usable].tolist()):
            on_contig = np.flatnonzero(usable & (rows.chrom == name))
            contig = genome.find_contig(name)
            if contig is None:
                self.absent[name] += len(on_contig)
                continue
            on_contig = on_contig[np.argsort(rows.pos[on_contig], kind="stable")]
            inside = rows.pos[on_contig] <= genome.contigs[contig]
            self.beyond += int((~inside).sum())
            self._compare(rows, on_contig[inside], contig, genome)

    def _compare(
        self, rows: AssociationRows, on_contig: npt.NDArray[np.int64], contig: str, genome: Genome
    ) -> None:
        alleles = rows.effect_allele[on_contig], rows.other_allele[on_contig]
        effect, other = has_alleles(genome, contig, rows.pos[on_contig], *alleles)
        self.compared += len(on_contig)
        self.both += int((effect & other).sum())
        self.effect += int((effect & ~other).sum())
        self.other += int((other & ~effect).sum())
        neither = np.flatnonzero(~(effect | other))
        self.neither += len(neither)
        if neither.size:
            places = rows.pos[on_contig[neither]]
            turned = [
                np.array([text.translate(COMPLEMENT) for text in texts[neither]], dtype=object)
                for texts in alleles
            ]
            self.other_strand += int(np.logical_or(*has_alleles(genome, contig, places, *turned)).sum())
            for row in on_contig[neither[: EXAMPLES - len(self.examples)]].tolist():
                start = int(rows.pos[row]) - 1
                base = genome.fetch(contig, start, start + 1).tobytes().decode()
                self.examples.append(f"{_named(rows, row)} where the FASTA has {base}")

    @property
    def mismatch_fraction(self) -> float:
        """Rows with neither allele in the FASTA, of those that were compared."""
        return self.neither / self.compared if self.compared else 0.0


@dataclasses.dataclass(frozen=True)
class TableSummary:
    """What a table is understood as, and what is wrong with it.

    Parameters
    ----------
    table : AssociationTable
        As it was read.
    allow_implausible : bool
        Whether the user insists on numbers that contradict each other.
    fasta : Path or None
        What the alleles were compared with.
    counts : RowCounts
        What became of the rows.
    """

    table: AssociationTable
    allow_implausible: bool
    fasta: Path | None
    counts: RowCounts
    tally: _Tally

    @property
    def lambda_gc(self) -> float:
        """Genomic inflation, the median chi-squared over 0.4549; NaN of few rows, or of associated ones."""
        median = self.tally.median_p
        if self.tally.p_values < _FEWEST_FOR_LAMBDA or not median >= _LOWEST_MEDIAN:
            return math.nan
        return statistics.NormalDist().inv_cdf(median / 2) ** 2 / MEDIAN_CHI2

    @property
    def faults(self) -> list[str]:
        """Why the table cannot be used as it is; nothing where it can."""
        counts, reference = self.counts, self.tally.reference
        faults = [] if self.allow_implausible else list(counts.contradictions)
        if not counts.read:
            faults.append("it has no rows")
        elif not counts.kept:
            faults.append("none of its rows can be used")
        if reference.neither > FEW_MISMATCHES and reference.mismatch_fraction > MAX_REF_MISMATCH_FRACTION:
            faults.append(
                f"{self.fasta} has neither allele of {reference.neither:,} of {reference.compared:,} "
                f"rows ({reference.mismatch_fraction:.1%}): {self._why_mismatches()}"
            )
        if self.fasta and counts.kept and not reference.compared:
            faults.append(
                f"none of its rows lies within a contig of {self.fasta}: {reference.absent.total():,} lie on "
                f"other contigs, {reference.beyond:,} beyond the end of one. Name the FASTA of the whole "
                "genome, of the table's build"
            )
        return faults

    def _why_mismatches(self) -> str:
        reference = self.tally.reference
        if reference.other_strand > 0.95 * reference.neither:
            return "its alleles are those of the other strand"
        if self.table.lift_over:
            return f"{self.table.lift_over} is most likely not the chain from its build to that of the FASTA"
        builds = [build for build in _BUILDS if self.tally.landmarks[build]]
        named = f" ({builds[0]}, by the positions of known variants)" if len(builds) == 1 else ""
        return (
            f"it is most likely of another genome build{named}. Use the FASTA of its build, or take it "
            "to that of the FASTA with --lift-over CHAIN"
        )

    def lines(self) -> list[str]:
        """The page."""
        return _page(self.table, self._sections())

    def _sections(self) -> Iterator[tuple[str, list[str]]]:
        yield from _understood(self.table)
        yield "alleles", list(self._alleles())
        yield "rows", list(self._rows())
        yield "chromosomes", [_ranges(self.tally.chromosomes) or "none"]
        yield "genome build", list(self._build())
        yield "p-values", list(self._p_values())
        yield "sample size", [self._sample_size()]
        yield "frequency", [self._frequency()]
        if self.tally.pip.count:
            yield "PIP", [f"{self.tally.pip.count:,} rows, {self.tally.pip}"]
        yield "problems", list(self._problems()) or ["none"]
        yield "can be used", list(self._uses())

    def _alleles(self) -> Iterator[str]:
        layout, reference = self.table.layout, self.tally.reference
        variant = layout.columns.get("variant", "")
        effect = layout.columns.get("effect_allele", f"the second allele of {variant}")
        other = layout.columns.get(
            "other_allele", f"the first allele of {variant}" if variant else "the other"
        )
        if layout.directed:
            yield f"{effect} has the effect, against {other}"
        elif self.tally.with_z:
            yield (
                "which allele has the effect is not known; where it matters, name the columns effect_allele "
                "and other_allele with --columns, or the program that made the table with --gwas-format"
            )
        if reference.compared:
            single = reference.effect + reference.other
            fractions = [some / max(single, 1) for some in (reference.other, reference.effect)]
            yield (
                f"of {single:,} rows with one allele of the FASTA, {fractions[0]:.1%} have {other} as REF, "
                f"{fractions[1]:.1%} {effect}"
            )

    def _rows(self) -> Iterator[str]:
        counts = self.counts
        yield f"{counts.read:,} read, {counts.kept:,} can be used, {counts.refused.total():,} are refused"
        for some, what in ((counts.other_tests, "tests"), (counts.other_phenotypes, "phenotypes")):
            if some:
                yield f"{some.total():,} of other {what}: {', '.join(list(some)[:_LISTED])}"

    def _build(self) -> Iterator[str]:
        reference, landmarks = self.tally.reference, self.tally.landmarks
        if landmarks:
            known = ", ".join(f"{number} of {build}" for build, number in landmarks.most_common())
            yield f"positions of known variants: {known}"
        if self.fasta is None:
            yield "alleles not compared with a genome: name one with --fasta"
            return
        assert self.tally.genome is not None, "there is a FASTA"
        build = build_of_lengths(self.tally.genome.contigs)
        yield f"compared with {self.fasta}{f' ({build})' if build else ''}"
        if reference.compared:
            matching = reference.compared - reference.neither
            yield (
                f"{matching:,} of {reference.compared:,} rows have an allele of the FASTA "
                f"({1 - reference.mismatch_fraction:.2%})"
            )
        if reference.neither:
            yield f"neither allele of {reference.neither:,}: {'; '.join(reference.examples)}"
        if reference.beyond:
            yield f"{reference.beyond:,} rows lie beyond the ends of the FASTA's contigs"
        if reference.absent:
            yield (
                f"{reference.absent.total():,} rows lie on contigs that the FASTA does not have: "
                f"{_ranges(reference.absent)}"
            )

    def _p_values(self) -> Iterator[str]:
        tally = self.tally
        if not tally.p_values:
            yield "none"
            return
        assert tally.best is not None, "there are p-values"
        yield f"lowest {_p_in_words(tally.best[0])}: {tally.best[2]}"
        yield (
            f"{tally.significant:,} of {tally.p_values:,} rows are genome-wide significant (p up to "
            f"{GENOME_WIDE:g})"
        )
        if not math.isnan(self.lambda_gc):
            some = len(tally.chromosomes)
            part = f", of {some} chromosome{'s' if some > 1 else ''} only" if some < _FEW_CHROMOSOMES else ""
            yield f"lambda GC {self.lambda_gc:.3f}{part}"
        elif tally.p_values < _FEWEST_FOR_LAMBDA:
            yield f"no lambda GC of fewer than {_FEWEST_FOR_LAMBDA:,} p-values"
        else:
            median = f"{tally.median_p:.2g}" if tally.median_p else "1e-7"
            yield f"no lambda GC: half of the p-values are below {median}, so variants are left out"

    def _sample_size(self) -> str:
        size = self.tally.sample_size
        if size.count:
            return f"{size}, in {size.count:,} rows"
        return "not known: no column has it (--sample-size N, or sample_size in a recipe, gives it)"

    def _frequency(self) -> str:
        frequency, layout = self.tally.frequency, self.table.layout
        if not frequency.count:
            return "not known: no column has it"
        whose = "of the effect allele" if "effect_allele_frequency" in layout.columns else "of either allele"
        high = self.tally.high_frequencies
        above = f", above 0.5 in {high:,} of them" if high else ""
        return f"{whose}: {frequency}, in {frequency.count:,} rows{above}"

    def _problems(self) -> Iterator[str]:
        counts = self.counts
        for reason, number in counts.refused.most_common():
            examples = "; ".join(map(str, counts.examples.get(reason, [])[:EXAMPLES]))
            yield f"{number:,} rows refused: {reason}{f' ({examples})' if examples else ''}"
        for note in counts.notes:
            yield note.removeprefix(f"{self.table.path}: ").replace(str(self.table.path), "it", 1)
        if counts.too_small:
            yield f"{counts.too_small:,} rows have a p-value of 0; they are ordered by |z|"
        reference = self.tally.reference
        if FEW_MISMATCHES < reference.neither > MAX_MISMATCH_FRACTION * reference.compared:
            yield f"neither allele of {reference.neither:,} rows is in the FASTA: {self._why_mismatches()}"
        lacking = self._lacking_for_bayes_factors()
        if self.counts.kept and self.tally.p_values and lacking:
            yield lacking

    def _lacking_for_bayes_factors(self) -> str:
        """Why rows have no Bayes factor, or nothing."""
        without = self.counts.without_log_bf
        if not without:
            return ""
        return (
            f"{without:,} of {self.counts.kept:,} rows have no Bayes factor: it needs an effect (beta, odds "
            "ratio) with its standard error or p, or z with the frequency and the sample size"
        )

    def _uses(self) -> Iterator[str]:
        """What the table can be used for."""
        if self.faults:
            yield "no, not as it is"
            return
        some = False
        for usable, what in (
            (self.tally.p_values, "lead variants, clumps, training data; mifm compare --models pvalue:FILE"),
            (
                self.tally.p_values and self.counts.without_log_bf < self.counts.kept,
                "Bayes factors (log_bf); mifm compare --models abf:FILE",
            ),
            (self.tally.pip.count, "PIPs: credible sets; mifm compare --models pip:FILE"),
            (
                self.table.layout.directed and self.tally.with_effect,
                "effects with their sign: polygenic scores, joint tests",
            ),
            (self.counts.kept, "as a list of variants: mifm score FILE FASTA"),
        ):
            if usable:
                some = True
                yield what
        if not some:
            yield "no"


def _page(table: AssociationTable, sections: Iterable[tuple[str, list[str]]]) -> list[str]:
    """The lines of a page: sections with a title, each of some texts."""
    lines = [str(table.path)]
    for title, texts in sections:
        wrapped = (line for text in texts for line in textwrap.wrap(text, _WIDTH, subsequent_indent="  "))
        lines += [f"  {'' if number else title:<14}{line}" for number, line in enumerate(wrapped)]
    return lines


def _understood(table: AssociationTable) -> list[tuple[str, list[str]]]:
    """What is known of a table by its header."""
    layout = table.layout
    width = max((len(column) for column in layout.columns.values()), default=0)
    columns = []
    for field in FIELDS:
        column = layout.columns.get(field)
        if column is None or (field == "id" and column == layout.columns.get("variant")):
            continue
        meaning = f"{FIELDS[field]}: {layout.variant}" if field == "variant" else FIELDS[field]
        columns.append(f"{column:<{width}}  {field}: {meaning}")
    left = [name for name in table.file.columns if name and name not in layout.columns.values()]
    if left:
        columns.append(f"not used: {', '.join(left[:_LISTED])}{' ...' if len(left) > _LISTED else ''}")
    return [("understood as", [f"{layout.format}: {layout.reason}"]), ("columns", columns)]


def _named(rows: AssociationRows, row: int) -> str:
    """A row as its variant, and its line."""
    name = "" if rows.id[row] == "." else f"{rows.id[row]} "
    alleles = f"{rows.effect_allele[row][:20]}/{rows.other_allele[row][:20]}"
    return f"{name}{rows.chrom[row]}:{rows.pos[row]} {alleles} (line {rows.lines[row]})"


def _p_in_words(log_p: float) -> str:
    """A p-value, however small."""
    if log_p == -math.inf:
        return "0, smaller than can be written"
    if log_p > math.log(1e-300):
        return f"{math.exp(log_p):.3g}"
    exponent = math.floor(log_p / _LN10)
    return f"{math.exp(log_p - exponent * _LN10):.3g}e{exponent}"


def _in_order(names: Iterable[str]) -> list[str]:
    """Chromosomes in the usual order."""
    return sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def _ranges(counts: collections.Counter[str]) -> str:
    """Chromosomes such as ``1-22, X``, with the rows of each where they are few."""
    names = _in_order(counts)
    if len(names) <= 3:
        return ", ".join(f"{name} ({counts[name]:,} rows)" for name in names)
    parts: list[str] = []
    for name in names:
        last = re.split("-", parts[-1]) if parts else []
        if last and name.isdecimal() and last[-1].isdecimal() and int(last[-1]) + 1 == int(name):
            parts[-1] = f"{last[0]}-{name}"
        else:
            parts.append(name)
    return ", ".join(parts[:_LISTED]) + (f" and {len(parts) - _LISTED} more" if len(parts) > _LISTED else "")
