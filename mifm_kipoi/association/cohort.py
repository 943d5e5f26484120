"""Who is analysed, and the model of each trait."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.association.models import Flags, NullModel, linear_model, logistic_model
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.people import Aligned, Trait
from mifm_kipoi.genetics.people_tables import MISSING_CODES, read_people
from mifm_kipoi.statistics.normal import normal_scores


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which people, traits and covariates.

    Parameters
    ----------
    tables : tuple of Path
        Of people (:mod:`mifm_kipoi.genetics.people_tables`).
    traits, covariates, categorical, binary, quantitative : tuple of str
        See :func:`mifm_kipoi.genetics.people_tables.read_people`.
    columns : mapping of str to str
        See there.
    missing_codes : tuple of float
        See there.
    keep : Path, optional
        Table of the people to analyse; by default everyone.
    inverse_normal : bool
        Replace quantitative traits by the normal scores of their ranks.
    """

    tables: tuple[Path, ...]
    traits: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()
    quantitative: tuple[str, ...] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing_codes: tuple[float, ...] = MISSING_CODES
    keep: Path | None = None
    inverse_normal: bool = False


@dataclasses.dataclass(frozen=True)
class Cohort:
    """People with genotypes and at least one trait, and the models of the traits.

    Parameters
    ----------
    samples : numpy.ndarray of int64, shape (n,)
        Their rows in the samples of the genotypes.
    male, female : numpy.ndarray of bool, shape (n,)
        By the genotype files.
    models : list of NullModel
        One a trait, over these people.
    covariates, columns : dict of str to tuple of str
        Of the design of each trait: the covariates, and its columns, the intercept first.
    notes : list of str
        What became of people and covariates, in words.
    """

    samples: npt.NDArray[np.int64]
    male: Flags
    female: Flags
    models: list[NullModel]
    covariates: dict[str, tuple[str, ...]]
    columns: dict[str, tuple[str, ...]]
    notes: list[str]


def read_cohort(selection: Selection, samples: pd.DataFrame) -> Cohort:
    """Read people and fit the regression of each trait on the covariates.

    Parameters
    ----------
    selection : Selection
        What to read.
    samples : pandas.DataFrame
        Samples of the genotypes (:attr:`mifm_kipoi.genetics.genotypes.Genotypes.samples`).

    Raises
    ------
    OptionError
        When a column is not in the tables.
    InputError
        When a table cannot be read, nobody has genotypes, or a trait cannot be tested: it is constant, has no
        cases or no controls, or too few people have it.
    """
    people = read_people(
        selection.tables, selection.traits, selection.covariates, selection.categorical,
        binary=selection.binary, quantitative=selection.quantitative, columns=selection.columns,
        missing_codes=selection.missing_codes,
    )  # fmt: skip
    aligned = people.aligned(samples)
    notes = [*people.notes, *aligned.notes]
    aligned = kept_people(aligned, selection.keep, samples, notes)
    complete = aligned.people.complete()
    if not complete.all():
        notes.append(f"{int((~complete).sum()):,} of {len(complete):,} people lack a covariate")
    known = {name: complete & aligned.people.traits[name].known for name in selection.traits}
    for name, who in known.items():
        lacking = int((complete & ~who).sum())
        if lacking:
            notes.append(f"{lacking:,} people with all covariates lack {name}")
        if not who.any():
            raise InputError(
                f"nobody of the {len(complete):,} people with genotypes has the trait {name} and all "
                "covariates"
            )
    analysed = np.any(list(known.values()), axis=0)
    models = []
    covariates: dict[str, tuple[str, ...]] = {}
    columns: dict[str, tuple[str, ...]] = {}
    for name, who in known.items():
        design = aligned.people.design(who)
        columns[name] = design.names
        covariates[name] = tuple(dict.fromkeys(design.covariates[1:]))
        notes += [f"{name}: the covariate {text} is left out" for text in design.dropped]
        models.append(
            _model(aligned.people.traits[name], who, analysed, design.matrix, selection.inverse_normal)
        )
    rows = aligned.samples[analysed]
    sex = samples["sex"].to_numpy(dtype=object)[rows]
    return Cohort(rows, sex == "1", sex == "2", models, covariates, columns, list(dict.fromkeys(notes)))


def kept_people(aligned: Aligned, keep: Path | None, samples: pd.DataFrame, notes: list[str]) -> Aligned:
    """Those of a list of people.

    Parameters
    ----------
    aligned : Aligned
        People with genotypes.
    keep : Path, optional
        Table of those who count; by default all.
    samples : pandas.DataFrame
        Samples of the genotypes.
    notes : list of str
        Receives how many of the list are not there.

    Raises
    ------
    InputError
        When the table cannot be read, or none of its people is there.
    """
    if keep is None:
        return aligned
    listed = read_people([keep])
    wanted = listed.rows_of(samples.iloc[aligned.samples]) >= 0
    if not wanted.any():
        raise InputError(
            f"none of the {len(listed):,} people of {keep} is among the {len(wanted):,} with genotypes "
            "and traits"
        )
    if wanted.sum() < len(listed):
        notes.append(
            f"{len(listed) - int(wanted.sum()):,} of the {len(listed):,} people of {keep.name} have no "
            "genotypes or no traits"
        )
    return Aligned(aligned.people.take(wanted), aligned.samples[wanted], aligned.notes)


def _model(
    trait: Trait, who: Flags, analysed: Flags, design: npt.NDArray[np.float64], inverse_normal: bool
) -> NullModel:
    values = trait.values[who]
    flags = who[analysed]
    if trait.binary:
        return logistic_model(trait.name, flags, values, design)
    if inverse_normal and values.min() < values.max():
        values = normal_scores(values)
    return linear_model(trait.name, flags, values, design)
