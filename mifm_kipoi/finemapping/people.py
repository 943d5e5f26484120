"""Studies that are made here: genotypes and traits of the same people, by linear regression."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.association.cohort import Selection, kept_people
from mifm_kipoi.association.filters import Filters
from mifm_kipoi.association.models import NullModel, linear_model
from mifm_kipoi.association.scan import Scan
from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.studies import LOWEST_LOG_P, ROWS
from mifm_kipoi.genetics.genotypes import Genotypes
from mifm_kipoi.genetics.people_tables import read_people
from mifm_kipoi.statistics.bayes_factors import Trait as Kind
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor, prior_variances
from mifm_kipoi.statistics.normal import normal_scores

Flags = npt.NDArray[np.bool_]


def covariates_of(
    selection: Selection, genotypes: Genotypes
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], list[str]]:
    """The covariates of people with genotypes, for LD of what these leave of dosages.

    Parameters
    ----------
    selection : Selection
        Which people and covariates; traits do not count.
    genotypes : Genotypes
        Of these people.

    Returns
    -------
    samples : numpy.ndarray of int64, shape (n,)
        Rows in the genotypes of the people who have all covariates.
    design : numpy.ndarray of float64, shape (n, c)
        Of full rank, the constant among its columns.
    notes : list of str
        What became of people and covariates.

    Raises
    ------
    MIFMError
        When a table cannot be read, a column is missing, or nobody is left.
    """
    people = read_people(
        selection.tables, (), selection.covariates, selection.categorical, columns=selection.columns,
        missing_codes=selection.missing_codes,
    )  # fmt: skip
    aligned = people.aligned(genotypes.samples)
    notes = [*people.notes, *aligned.notes]
    aligned = kept_people(aligned, selection.keep, genotypes.samples, notes)
    complete = aligned.people.complete()
    if not complete.any():
        raise InputError(f"nobody of the {len(complete):,} people with genotypes has all covariates")
    if not complete.all():
        notes.append(f"{int((~complete).sum()):,} of {len(complete):,} people lack a covariate")
    design = aligned.people.design(complete)
    notes += [f"the covariate {text} is left out" for text in design.dropped]
    return aligned.samples[complete], design.matrix, notes


class PeopleStudies:
    """Traits of people with genotypes: one study each.

    Linear regression and SuSiE are of the same model, whatever the trait: that of a trait with cases and
    controls is a linear one of 0 and 1.

    Parameters
    ----------
    selection : Selection
        Which people, traits and covariates.
    genotypes : Genotypes
        Of these people.
    filters : Filters
        Which variants count.

    Attributes
    ----------
    models : list of NullModel
        One a trait.
    samples : numpy.ndarray of int64
        Rows of the people in the genotypes.
    notes : list of str
        What became of people and covariates.

    Raises
    ------
    MIFMError
        When a table cannot be read, a column is missing, or nobody is left.
    """

    def __init__(self, selection: Selection, genotypes: Genotypes, filters: Filters) -> None:
        self._genotypes, self._filters = genotypes, filters
        people = read_people(
            selection.tables, selection.traits, selection.covariates, selection.categorical,
            binary=selection.binary, quantitative=selection.quantitative, columns=selection.columns,
            missing_codes=selection.missing_codes,
        )  # fmt: skip
        aligned = people.aligned(genotypes.samples)
        self.notes = [*people.notes, *aligned.notes]
        aligned = kept_people(aligned, selection.keep, genotypes.samples, self.notes)
        complete = aligned.people.complete()
        known = {name: complete & aligned.people.traits[name].known for name in selection.traits}
        for name, who in known.items():
            if not who.any():
                raise InputError(
                    f"nobody of the {len(complete):,} people with genotypes has the trait {name} and all "
                    "covariates"
                )
        analysed = np.any(list(known.values()), axis=0)
        self.models: list[NullModel] = []
        self._binary: dict[str, float] = {}
        for name, who in known.items():
            trait = aligned.people.traits[name]
            design = aligned.people.design(who)
            self.notes += [f"{name}: the covariate {text} is left out" for text in design.dropped]
            values = trait.values[who]
            if selection.inverse_normal and not trait.binary:
                values = normal_scores(values)
            if trait.binary:
                self._binary[name] = float(values.mean())
                self.notes.append(f"{name} has cases and controls; SuSiE's model of it is linear")
            self.models.append(linear_model(name, who[analysed], values, design.matrix))
        self.samples = aligned.samples[analysed]
        sex = genotypes.samples["sex"].to_numpy(dtype=object)[self.samples]
        self._male, self._female = sex == "1", sex == "2"

    @property
    def studies(self) -> tuple[str, ...]:
        """Names of the traits."""
        return tuple(model.name for model in self.models)

    def leads(self, max_p_value: float) -> pd.DataFrame:
        """Variants with p-values up to a limit: study, chrom, pos, log_p."""
        limit = np.log(max_p_value)
        parts = [
            rows.loc[rows["log_p"] <= limit, ["study", "chrom", "pos", "log_p"]] for rows in self._rows(None)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["study"])

    def rows(self, choose: Callable[[pd.DataFrame], pd.DataFrame], places: pd.DataFrame) -> pd.DataFrame:
        """Rows of variants in some places (:data:`mifm_kipoi.finemapping.studies.ROWS`) that are chosen.

        Parameters
        ----------
        choose : callable
            Is given rows and returns those that are kept.
        places : pandas.DataFrame
            ``chrom``, ``start``, ``end`` (1-based, both inside): others are not read.
        """
        intervals = {
            str(chrom): own[["start", "end"]].to_numpy(np.int64) for chrom, own in places.groupby("chrom")
        }

        def near(chunk: pd.DataFrame) -> Flags:
            wanted = np.zeros(len(chunk), dtype=bool)
            chrom, pos = chunk["chrom"].to_numpy(object), chunk["pos"].to_numpy(np.int64)
            for name in set(chrom.tolist()) & set(intervals):
                for start, end in intervals[name].tolist():
                    wanted |= (chrom == name) & (pos >= start) & (pos <= end)
            return wanted

        parts = [choose(rows) for rows in self._rows(near)]
        empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in ROWS.items()})
        return pd.concat([part for part in parts if len(part)] or [choose(empty)], ignore_index=True)

    def _rows(self, near: Callable[[pd.DataFrame], Flags] | None) -> Iterator[pd.DataFrame]:
        scan = Scan(self.models)
        for block in self._genotypes.blocks(near, self.samples):
            genotyped, associations = scan.test(block.dosages)
            reasons, _ = self._filters.reasons(
                block.variants, block.dosages, genotyped, self._male, self._female, block.hard_calls
            )
            kept: Flags = reasons == ""
            variants = block.variants[kept]
            counted, other = (variants[name].to_numpy(object) for name in ("counted", "other"))
            swapped = (variants["ref"] == variants["counted"]).to_numpy(bool)
            sign = np.where(swapped, -1.0, 1.0)
            for model, found in zip(self.models, associations, strict=True):
                own = found.take(kept)
                variance = own.standard_error**2
                w = self._prior_variance(model)
                frequency = np.where(swapped, 1 - own.frequency, own.frequency)
                frame = pd.DataFrame(
                    {
                        "study": model.name,
                        "chrom": variants["chrom"].to_numpy(object),
                        "pos": variants["pos"].to_numpy(np.int64),
                        "id": variants["id"].where(variants["id"] != ".", "").to_numpy(object),
                        "ref": np.where(swapped, counted, other),
                        "alt": np.where(swapped, other, counted),
                        "beta": sign * own.beta,
                        "standard_error": own.standard_error,
                        "z": sign * own.statistic,
                        "log_p": np.maximum(own.log_p, LOWEST_LOG_P),
                        "frequency": frequency,
                        "folded": False,
                        "sample_size": own.observed.astype(np.float64),
                        "log_bf": log_bayes_factor(own.statistic, variance, w),
                        "prior_variance": w,
                        "block": "",
                    }
                )
                yield frame[~np.isnan(own.statistic)]

    def _prior_variance(self, model: NullModel) -> float:
        cases = self._binary.get(model.name)
        kind = Kind.QUANTITATIVE if cases is None else Kind.CASE_CONTROL
        variance = float(model.residuals @ model.residuals) / model.size
        fraction = np.nan if cases is None else cases
        return float(prior_variances(np.array([kind]), np.array([variance]), np.array([fraction]))[0])
