"""``kipoi-veff2``: the command of kipoi-veff2, with MIFM as the model.

``kipoi-veff2 in.vcf in.fa out.tsv -m MIFM -s diff -s logit`` takes the arguments of
``kipoi_veff2_predict`` and runs its engine. It differs from that command in this:

- Every ALT of the input has a row in the output, in the order of the input, with a column
  ``MIFM_STATUS``. kipoi-veff2 takes the first ALT of a record.
- SNVs are scored whose window of 512 bp, ``[pos - 256, pos + 256)``, is within the contig. Other rows
  have empty scores: the status is ``not_an_snv`` (kipoi-veff2 keeps the right flank of an insertion,
  MIFM the left one), ``window_over_contig_end`` (where kipoi-veff2 fails), or the status that
  ``kipoi predict`` gives.
- REF is compared with the FASTA, and the run ends when more than a few differ, as that of
  ``kipoi predict`` does; ``--max-mismatch-fraction`` and ``--max-n-fraction`` set the limits.
- Contigs are found with and without ``chr``; lower-case bases of the FASTA count as bases.
- A score that does not exist is an error; kipoi-veff2 takes ``diff`` instead.
- The output gets its name when it is complete; ``--debug`` shows tracebacks.
"""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION, MAX_N_FRACTION, VARIANT_INDEX, WINDOW, Status
from mifm_kipoi.errors import MissingPackageError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant, read_variants
from mifm_kipoi.kipoi.bridges.engines import (
    MODELS,
    STATUS,
    BridgeError,
    Reason,
    Unsupported,
    put_models_in_place,
    select_snvs,
    summary,
    temporary_folder,
    window_over_contig_end,
    write_snvs,
)
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.windows import stream_windows
from mifm_kipoi.support.files import check_outputs, require_file, with_home, written_whole
from mifm_kipoi.support.guard import guarded_without_options

PROGRAM = "kipoi-veff2"

_VARIANT_COLUMNS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run kipoi-veff2's command; return 0 when done, 1 on an error (2, usage, exits)."""
    return guarded_without_options(PROGRAM, arguments, _run)


def _run(arguments: list[str]) -> None:
    try:
        command = _command()
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"kipoi-veff2, or something that it needs, is not installed ({error}); install it with: "
            "pip install git+https://github.com/kipoi/kipoi-veff2"
        ) from error
    command.main(args=[with_home(word) for word in arguments], prog_name=PROGRAM)


def _command() -> Any:
    """Import kipoi-veff2's command and put what is MIFM's in it, in this process."""
    import click
    from kipoi_veff2 import cli, variant_centered

    put_models_in_place()
    group = MODELS[0]
    variant_centered.MODEL_GROUPS.add(group)
    variant_centered.VARIANT_CENTERED_MODEL_GROUP_CONFIGS[group] = {
        "required_sequence_length": WINDOW,
        "transform": _one_hot,
    }
    engine = variant_centered.score_variants
    limits: dict[str, float] = {}

    def score(config: Any, vcf: str, fasta: str, output: str, scores: list[dict[str, Any]]) -> None:
        if config.required_sequence_length != WINDOW:
            length = config.required_sequence_length
            raise BridgeError(f"--seq-length {length} cannot be used: the windows of MIFM have {WINDOW} bp")
        scores = scores or [config.default_scoring_function]
        columns = config.get_column_labels(scores)
        _score(
            lambda part, out: engine(config, part, fasta, out, scores), vcf, fasta, output, columns, **limits
        )

    def keep(_: Any, parameter: Any, value: float) -> None:
        limits[parameter.name] = value

    variant_centered.score_variants = score
    command = cli.score_variants
    for name, default in (
        ("max-mismatch-fraction", MAX_MISMATCH_FRACTION),
        ("max-n-fraction", MAX_N_FRACTION),
    ):
        text = f"See 'kipoi predict' of MIFM (default {default})."
        option = click.Option(
            [f"--{name}"], type=float, default=default, expose_value=False, callback=keep, help=text
        )
        command.params.append(option)
    for parameter in command.params:
        if parameter.name == "scoring_function":
            parameter.callback = _all_known(parameter.callback)
    return command


def _all_known(find: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Make an error of scores that do not exist, which kipoi-veff2 passes over."""
    import click

    def callback(context: Any, parameter: Any, names: Sequence[str]) -> list[Any]:
        functions = find(context, parameter, names)
        if len(functions) != len(names):
            known = {function["name"] for function in functions}
            unknown = [name for name in names if name.rpartition(".")[2] not in known]
            raise click.BadParameter(f"there is no score {', '.join(unknown)}.")
        return functions

    return callback


def _one_hot(sequence: str) -> npt.NDArray[np.float32]:
    """Encode a window as the model wants it: str of length 512 -> shape (512, 4)."""
    if len(sequence) != WINDOW:
        raise RuntimeError(f"kipoi-veff2 gave a window of {len(sequence)} bp; expected {WINDOW}")
    codes = encoding.codes(np.frombuffer(sequence.upper().encode("ascii"), dtype=np.uint8)[np.newaxis])
    window: npt.NDArray[np.float32] = encoding.one_hot(codes)[0].T
    return window


def _score(
    engine: Callable[[str, str], None],
    vcf: str,
    fasta: str,
    output: str,
    columns: Sequence[str],
    **limits: float,
) -> None:
    """Give the engine the SNVs in a file of their own, and merge what it writes with the rest.

    Parameters
    ----------
    engine : callable
        Writes a table of the scores of one VCF file's records.
    vcf, fasta, output : str
        Files of the user.
    columns : sequence of str
        Names of the columns that the engine writes.
    **limits : float
        ``max_n_fraction`` and ``max_mismatch_fraction`` of
        :func:`mifm_kipoi.sequence.windows.stream_windows`.
    """
    require_file(vcf)
    genome = Genome(fasta)

    def refuse(variant: Variant) -> Reason | None:
        over = window_over_contig_end(variant, genome, -VARIANT_INDEX, WINDOW - VARIANT_INDEX)
        return Unsupported.WINDOW_OVER_CONTIG_END if over else None

    check_outputs([output], [vcf, fasta])
    with temporary_folder() as folder:
        snvs, scores = folder / "snvs.vcf", folder / "scores.tsv"
        chunks = stream_windows(read_variants(vcf), genome, **limits)  # type: ignore[arg-type] # of the two fractions
        reasons = write_snvs(select_snvs(chunks, refuse), genome, snvs, fasta_names=True)
        if Status.OK in reasons:
            engine(str(snvs), str(scores))
        else:
            scores.write_text("\t".join(columns) + "\n")
        with written_whole(output) as temporary:
            _merge(vcf, reasons, scores, temporary, columns)
    print(f"{PROGRAM}: {summary(reasons)}", file=sys.stderr)  # noqa: T201 - the command line speaks


def _merge(vcf: str, reasons: Sequence[Reason], scores: Path, output: Path, columns: Sequence[str]) -> None:
    """Write one row for each ALT, with the scores of those that have some."""
    with (
        scores.open(newline="", encoding="utf-8") as file,
        # Identifiers keep their bytes.
        output.open("w", newline="", encoding="utf-8", errors="surrogateescape") as out,
    ):
        rows = csv.reader(file, delimiter="\t")
        if next(rows) != list(columns):
            raise RuntimeError(f"kipoi-veff2 wrote other columns than {', '.join(columns)}")
        table = csv.writer(out, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        table.writerow([*columns, STATUS])
        for variant, reason in zip(read_variants(vcf), reasons, strict=True):
            scored = reason is Status.OK
            values = _scores_of(variant, rows) if scored else [""] * (len(columns) - _VARIANT_COLUMNS)
            table.writerow([*dataclasses.astuple(variant), *values, reason])
        if next(rows, None) is not None:
            raise RuntimeError("kipoi-veff2 gave more scores than it was asked for")


def _scores_of(variant: Variant, rows: Iterator[list[str]]) -> list[str]:
    row = next(rows, None)
    if row is None or row[1] != str(variant.pos) or row[3:_VARIANT_COLUMNS] != [variant.ref, variant.alt]:
        raise RuntimeError(f"kipoi-veff2 gave {row} instead of the scores of {variant}")
    return row[_VARIANT_COLUMNS:]


if __name__ == "__main__":
    sys.exit(main())
