"""``kipoi-veff``: the commands of kipoi_veff, with MIFM as the model.

``kipoi-veff score_variants MIFM -i in.vcf -o out.vcf --dataloader_args '{"fasta_file": "hg19.fa"}'``
takes the arguments of kipoi_veff (the commands that ``kipoi veff`` had) and runs its engine. ``MIFM``
and ``MIFM/published`` stand for their sequence models and need no ``--source``; another MIFM sequence
model can be named with the ``--source`` that has it. It differs from kipoi_veff in this:

- Every record of the input is in the output, in its order, its other fields unchanged
  (:class:`mifm_kipoi.kipoi.bridges.annotation.AnnotatedVcf` has the layout). kipoi_veff leaves out what it
  does not score and writes neither FORMAT nor samples.
- Each ALT that makes an SNV is scored, not the first alone. Everything else has no score:
  ``MIFM_STATUS`` is ``not_an_snv``, or the status that ``kipoi predict`` gives.
- REF is compared with the FASTA, and the run ends when more than a few differ, as that of
  ``kipoi predict`` does; kipoi_veff writes the VCF's REF into the window. ``max_mismatch_fraction`` and
  ``max_n_fraction`` among the ``--dataloader_args`` set the limits.
- With ``--restriction_bed``, an SNV is scored when its window of 512 bp, ``[pos - 256, pos + 256)``
  cut at the contig's ends, lies within one region (regions that touch are one); kipoi_veff moves the
  window away from the variant, for which MIFM has no score.
- The input may be unsorted, BCF, or in a folder that cannot be written to, but not a pipe, for it is read
  twice; ``-o`` may end in ``.gz``, for bgzip; files get their names when they are complete; ``--debug``
  shows tracebacks.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW, Status
from mifm_kipoi.errors import MissingPackageError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import Variant, VariantFile, read_variants
from mifm_kipoi.kipoi import compatibility
from mifm_kipoi.kipoi.bridges import mutation_maps
from mifm_kipoi.kipoi.bridges.annotation import AnnotatedVcf, open_vcf
from mifm_kipoi.kipoi.bridges.engines import (
    MODELS,
    BridgeError,
    DataloaderArguments,
    Reason,
    Unsupported,
    put_models_in_place,
    select_snvs,
    summary,
    temporary_folder,
    write_snvs,
)
from mifm_kipoi.kipoi.models import SequenceModel
from mifm_kipoi.sequence.windows import stream_windows
from mifm_kipoi.support.files import check_outputs, require_file, with_home, written_whole
from mifm_kipoi.support.guard import guarded_without_options

PROGRAM = "kipoi-veff"

_FILES = {
    "score_variants": (("-o", "--output_vcf"), ("-e", "--extra_output")),
    "create_mutation_map": (("-r", "--regions_file"),),
    "plot_mutation_map": (("-f", "--input_file"), ("-o", "--output")),
}
"""Arguments without which kipoi_veff cannot do its work, although it does not require them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of kipoi_veff; return 0 when done, 1 on an error (2, usage, exits)."""
    return guarded_without_options(PROGRAM, arguments, _run)


def _run(arguments: list[str]) -> None:
    try:
        arguments = [with_home(word) for word in arguments]
        cli = _kipoi_veff()
        _check_arguments(arguments, cli)
        mutation_maps.prepare(arguments[0] if arguments else "")
        cli.cli_main(arguments[0] if arguments else None, arguments)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"kipoi_veff, or something that it needs, is not installed ({error}); install it with: make veff"
        ) from error


def _kipoi_veff() -> Any:
    """Import kipoi_veff and put what is MIFM's in the place of what is its own, in this process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import kipoi_veff
    import kipoi_veff.cli
    import kipoi_veff.mutation_map
    import kipoi_veff.snv_predict

    compatibility.mend_kipoi_veff()
    put_models_in_place()
    for module in (kipoi_veff.snv_predict, kipoi_veff.mutation_map):
        module.BedWriter = _BedWriter
    for module in (kipoi_veff.cli, kipoi_veff.snv_predict):
        module.get_scoring_fns = _scoring_functions
    # The windows of all SNVs are given, so that the engine never looks a region up in the VCF.
    kipoi_veff.snv_predict.ensure_tabixed_vcf = str
    kipoi_veff.score_variants = _score_variants
    mutation_maps.put_in_place()
    return kipoi_veff.cli


def _check_arguments(arguments: Sequence[str], cli: Any) -> None:
    """End with a message where kipoi_veff would fail without one, or leave an argument out."""
    if not arguments or arguments[0].startswith("-"):
        return
    command, *rest = arguments
    if command not in cli.command_functions:
        cli.parser.error(
            f"there is no command {command!r}; expected one of {', '.join(cli.command_functions)}"
        )
    if {"-h", "--help"} & set(rest):
        return
    parser = argparse.ArgumentParser(f"{PROGRAM} {command}", add_help=False)
    for names in (("--dataloader",), *_FILES[command]):
        parser.add_argument(*names)
    parser.add_argument("--singularity", action="store_true")
    given = vars(parser.parse_known_args(rest)[0])
    if given["dataloader"] is not None:
        raise BridgeError("--dataloader cannot be used: MIFM's windows are those of its own dataloader")
    if given["singularity"]:
        raise BridgeError("--singularity cannot be used: there is no container with MIFM")
    if command == "score_variants" and given["output_vcf"] is given["extra_output"] is None:
        parser.error("give -o/--output_vcf, -e/--extra_output or both")
    if command == "create_mutation_map" and not str(given["regions_file"]).endswith(mutation_maps.REGIONS):
        parser.error(f"give -r/--regions_file, a file in {', '.join(mutation_maps.REGIONS)}")
    if command == "plot_mutation_map" and None in (given["input_file"], given["output"]):
        parser.error("give both -f/--input_file and -o/--output")


class _BedWriter:
    """Writes the windows for the dataloader; kipoi_veff's own changes the names of contigs.

    Parameters
    ----------
    output_fname : str
        The BED file.
    """

    def __init__(self, output_fname: str) -> None:
        self._file = Path(output_fname).open("w", encoding="utf-8")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> _BedWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append_interval(self, chrom: str, start: int, end: int, id: object) -> None:  # noqa: A002
        """Write ``[start - 1, end)`` (0-based) as kipoi_veff gives it: 1-based, with both ends."""
        self._file.write(f"{chrom}\t{start - 1}\t{end}\t{id}\n")


def _scoring_functions(
    model: Any, names: Sequence[str], arguments: Iterable[Any] | None = None
) -> dict[str, Any]:
    """Make the scoring functions; unknown names, which kipoi_veff passes over, are errors."""
    from kipoi_veff.cli import parse_json_file_str
    from kipoi_veff.scores import get_avail_scoring_fns, get_scoring_fns

    _check_model(model)
    available = get_avail_scoring_fns(model)[2]
    unknown = [name for name in names if name not in available and list(names) != ["all"]]
    if unknown:
        raise BridgeError(
            f"there is no score {', '.join(unknown)}; expected some of {', '.join(available)}, or all"
        )
    given = [parse_json_file_str(text) if isinstance(text, str) else text for text in arguments or []]
    functions: dict[str, Any] = get_scoring_fns(model, list(names), given)
    return functions


def _check_model(model: Any) -> None:
    if not isinstance(model, SequenceModel):
        raise BridgeError(
            f"the model {model.name} of the source {model.source_name} is not a MIFM sequence model; "
            f"expected {' or '.join(MODELS)} without --source (for other models: python -m kipoi_veff)"
        )


def _score_variants(
    model: Any,
    dl_args: dict[str, Any] | None,
    input_vcf: str,
    *,
    output_vcf: str | None = None,
    output_writers: Sequence[Any] = (),
    restriction_bed: str | None = None,
    seq_length: int | None = None,
    std_var_id: bool = False,
    **engine: Any,
) -> None:
    """Stand in for ``kipoi_veff.score_variants``, which its command line calls.

    The engine gets the SNVs in a file of their own and hands its scores to an AnnotatedVcf.
    """
    from kipoi_veff.utils.io import SyncPredictonsWriter

    require_file(input_vcf)
    options = DataloaderArguments.read(dl_args)
    if output_vcf is not None:
        check_outputs([output_vcf], [input_vcf, options.fasta_file, restriction_bed])
    scores = list(_scoring_functions(model, engine["scores"], engine["score_kwargs"]))
    outputs = list(model.schema.targets.column_labels)
    _check_engine_options(seq_length, engine, outputs)
    if output_vcf is not None and Path(output_vcf).suffix == ".bcf":
        raise BridgeError(f"cannot write {output_vcf}: expected a name in .vcf or .vcf.gz")
    model.name = _short_name(model)
    genome = Genome(options.fasta_file)
    chunks = stream_windows(
        read_variants(input_vcf), genome, options.max_n_fraction, options.max_mismatch_fraction
    )
    refuse = None if restriction_bed is None else _Restriction(Regions(restriction_bed, genome), genome)
    with temporary_folder() as folder:
        vcf = folder / "snvs.vcf"
        reasons = write_snvs(select_snvs(chunks, refuse), genome, vcf)
        engine |= {"dl_args": {"fasta_file": str(genome.path), "max_n_fraction": options.max_n_fraction}}
        if output_vcf is None:
            _run_engine(model, vcf, reasons, engine, list(output_writers))
        else:
            prefix = SyncPredictonsWriter(model).info_tag_prefix
            compressed = Path(output_vcf).suffix in (".gz", ".bgz")
            with (
                VariantFile(input_vcf, lines=True) as source,
                written_whole(output_vcf) as temporary,
                open_vcf(temporary, compressed) as target,
            ):
                out = AnnotatedVcf(
                    source,
                    target,
                    reasons,
                    prefix=prefix,
                    scores=scores,
                    outputs=outputs,
                    standard_ids=std_var_id,
                )
                _run_engine(model, vcf, reasons, engine, [out, *output_writers])
                out.finish()
    print(f"{PROGRAM}: {summary(reasons)}", file=sys.stderr)  # noqa: T201 - the command line speaks


def _short_name(model: Any) -> str:
    """Name the model in INFO as the user does; a model that is given as a folder, by that folder."""
    if model.source_name != "dir":
        name: str = model.name.removesuffix("/sequence")
        return name
    folder = Path(model.source_dir).resolve()
    return folder.parent.name if folder.name == "sequence" else folder.name


def _check_engine_options(seq_length: int | None, engine: dict[str, Any], outputs: Sequence[str]) -> None:
    if seq_length not in (None, WINDOW):
        raise BridgeError(f"--seq_length {seq_length} cannot be used: the windows of MIFM have {WINDOW} bp")
    if engine["batch_size"] < 1:
        raise BridgeError(f"--batch_size is {engine['batch_size']}; expected a positive number")
    unknown = [name for name in engine["model_outputs"] or [] if name not in (*outputs, *range(len(outputs)))]
    if unknown:
        raise BridgeError(f"there is no model output {unknown[0]}; expected {', '.join(outputs)}, or 0")


def _run_engine(
    model: Any, vcf: Path, reasons: Sequence[Reason], engine: dict[str, Any], writers: list[Any]
) -> None:
    from kipoi_veff import snv_predict

    if Status.OK in reasons:
        snv_predict.score_variants(model, input_vcf=str(vcf), output_writers=writers, **engine)


class _Restriction:
    """Refuses SNVs whose window is not within a region.

    Parameters
    ----------
    regions : Regions
        Of the restriction BED file, merged.
    genome : Genome
        For the lengths of contigs: windows are cut at their ends.
    """

    def __init__(self, regions: Regions, genome: Genome) -> None:
        self._regions = regions
        self._genome = genome

    def __call__(self, variant: Variant) -> Reason | None:
        contig = self._genome.find_contig(variant.chrom)
        assert contig is not None, "only variants on a contig of the FASTA have a window"
        start = variant.pos - 1 - VARIANT_INDEX
        end = min(start + WINDOW, self._genome.contigs[contig])
        if self._regions.cover(variant.chrom, max(start, 0), end):
            return None
        return Unsupported.OUTSIDE_RESTRICTION_BED


if __name__ == "__main__":
    sys.exit(main())
