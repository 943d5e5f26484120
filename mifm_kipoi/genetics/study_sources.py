"""Tables of studies as users name them: the file, what it is a study of, and how it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.genetics.study_traits import StudyTraits
from mifm_kipoi.genomics.columns import column_named

_SUFFIXES = (".gz", ".bgz", ".tsv", ".csv", ".txt", ".parquet", ".vcf")


@dataclasses.dataclass(frozen=True)
class StudySource:
    """A table of one study or of several.

    Parameters
    ----------
    path : Path
        CAUSALdb2 or any other table of credible sets, or summary statistics (text, Parquet, GWAS-VCF).
    name : str
        The study, of a table without a column of studies; by default the name of the file.
    trait : str
        What it is a study of; by default as ``meta`` has it, else the name of the study.
    studies : tuple of str
        Of a table of several studies, those that are used; empty for all.
    format, columns, variant, phenotype, population, positions, lift_over, sample_size, kind, case_fraction, \
prior_variance, allow_implausible
        How the table is read: see :class:`mifm_kipoi.genetics.associations.AssociationTable`, where ``kind``
        is ``trait``.
    meta : Path, optional
        CAUSALdb's ``meta.txt``: trait, sample size, cases and controls of each study.
    """

    path: Path
    name: str = ""
    trait: str = ""
    studies: tuple[str, ...] = ()
    format: str = "auto"
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    variant: str = ""
    phenotype: str = ""
    population: str = ""
    positions: Path | None = None
    lift_over: Path | None = None
    sample_size: float | None = None
    kind: str = ""
    case_fraction: float | None = None
    prior_variance: float | None = None
    allow_implausible: bool = False
    meta: Path | None = None

    @property
    def default_name(self) -> str:
        """The study of rows that name none: name, chosen phenotype, or that of the file."""
        if self.name or self.phenotype:
            return self.name or self.phenotype
        name = self.path.name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        return name

    def table(self, pip: str = "", directed: bool = True) -> AssociationTable:
        """The table and how it is read.

        Parameters
        ----------
        pip : str
            Its column of posterior inclusion probabilities; where it is named and the table lacks it, it has
            none.
        directed : bool
            Whether it must be known which allele has the effect.

        Raises
        ------
        MIFMError
            When it cannot be read, or an option is impossible.
        """
        same = (
            "format", "variant", "phenotype", "population", "sample_size", "case_fraction", "prior_variance",
            "allow_implausible",
        )  # fmt: skip
        options: dict[str, Any] = {name: getattr(self, name) for name in same}
        options |= {name: str(getattr(self, name) or "") for name in ("positions", "lift_over")}
        columns = dict(self.columns)
        try:
            table = AssociationTable(
                str(self.path), columns=columns, trait=self.kind, directed=directed, **options
            )
            if pip:
                columns["pip"] = column_named(table.file.columns, pip)
                table = dataclasses.replace(table, columns=columns)
            study = table.layout.columns.get("phenotype", "") if not self.phenotype else ""
            if self.studies:
                if not study:
                    raise OptionError(
                        f"{self.path} has no column of studies to choose {', '.join(self.studies)} by"
                    )
                table = dataclasses.replace(table, where={study: self.studies})
            if self.meta is not None:
                if not study:
                    raise OptionError(
                        f"{self.meta} describes studies, and {self.path} has no column that names them; "
                        "leave it out, or name the column (phenotype=COLUMN)"
                    )
                table = dataclasses.replace(
                    table, study_columns=(study,), studies=StudyTraits(str(self.meta))
                )
        except ValueError as error:
            raise OptionError(f"{self.path}: {error}") from error
        return table

    def files(self) -> list[Path]:
        """All files that are read for it."""
        return [
            self.path,
            *(path for path in (self.positions, self.lift_over, self.meta) if path is not None),
        ]
