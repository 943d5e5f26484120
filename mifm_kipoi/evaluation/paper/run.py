"""``mifm evaluate paper`` from folders to a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import OptionError
from mifm_kipoi.evaluation.paper import results
from mifm_kipoi.support.files import check_outputs, made_folder, write_json
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described
from mifm_kipoi.version import __version__

SECTIONS = ("training", "enrichment", "motifs", "motif_swap", "polygenic", "joint", "joint_as_in_paper")
"""What a page may show."""

_MANIFESTS = {
    "training": ("student/student.safetensors",),
    "motif_swap": ("evaluation.json", "choice.json"),
}
"""Files that identify what a folder holds, where it is not ``evaluation.json``; the first that is there."""


@dataclasses.dataclass(frozen=True)
class PaperResult:
    """A page.

    Parameters
    ----------
    summary : list of str
        A line an evaluation: what the paper reports, what was found, and the control.
    cautions : list of str
        What a reader must know before trusting it.
    files : list of Path
        All that were written.
    """

    summary: list[str]
    cautions: list[str]
    files: list[Path]


@dataclasses.dataclass(frozen=True)
class PaperRun:
    """Which evaluations are shown, and where the page is written.

    Parameters
    ----------
    folder : Path
        Of the outputs; made where it is missing.
    training : Path, optional
        Folder of ``python -m training run``.
    enrichment, motifs, motif_swap, polygenic : Path, optional
        Folders of ``mifm evaluate enrichment``, ``motifs`` and ``motif-swap``, and of ``mifm pgs run``.
    joint, joint_as_in_paper : Path, optional
        Folders of ``mifm evaluate joint``, with ``--as-in-paper`` and without.
    times : Path, optional
        Files of the ``benchmark`` directives of a Snakemake workflow: what each step took.
    """

    folder: Path
    training: Path | None = None
    enrichment: Path | None = None
    motifs: Path | None = None
    motif_swap: Path | None = None
    polygenic: Path | None = None
    joint: Path | None = None
    joint_as_in_paper: Path | None = None
    times: Path | None = None

    def run(self, on_progress: Callable[[str], None] | None = None) -> PaperResult:
        """Read the evaluations and write the page.

        Parameters
        ----------
        on_progress : callable, optional
            Gets a line of text for each section.

        Raises
        ------
        OptionError
            When no evaluation is named.
        InputError
            When a folder does not hold what it should.
        OutputError
            When a file cannot be written.
        """
        from mifm_kipoi.evaluation.paper.report import Page

        needed("matplotlib", "plot")
        folders: dict[str, Path] = {
            name: folder for name in SECTIONS if (folder := getattr(self, name)) is not None
        }
        if not folders:
            raise OptionError("name the folder of at least one evaluation, such as --enrichment DIR")
        check_outputs(
            [self.folder / name for name in ("report.md", "report.html", "evaluation.json")],
            [folder / name for folder in folders.values() for name in ("report.html", "evaluation.json")],
        )
        readers: dict[str, Callable[[Path], Any]] = {
            "training": results.read_training,
            "enrichment": results.read_enrichment,
            "motifs": results.read_motifs,
            "motif_swap": results.read_motif_swap,
            "polygenic": results.read_polygenic,
            "joint": results.read_joint,
            "joint_as_in_paper": results.read_joint,
        }
        read: dict[str, Any] = {}
        for name, folder in folders.items():
            (on_progress or (lambda _: None))(f"reading {folder}")
            read[name] = readers[name](folder)
        inputs = {name: described(_manifest(name, folder)) for name, folder in folders.items()}
        times = None if self.times is None else results.read_times(self.times)
        page = Page(**read, times=times, inputs=inputs)
        made_folder(self.folder)
        files = page.write(self.folder)
        manifest = self.folder / "evaluation.json"
        write_json(
            manifest,
            {"mifm_kipoi": __version__, "inputs": inputs, "summary": page.summary, "cautions": page.cautions},
        )
        return PaperResult(page.summary, page.cautions, [*files, manifest])


def _manifest(name: str, folder: Path) -> Path:
    names = _MANIFESTS.get(name, ("evaluation.json",))
    if name == "polygenic" and (folder / "evaluate").is_dir():
        folder = folder / "evaluate"
    return next((folder / one for one in names if (folder / one).exists()), folder / names[0])
