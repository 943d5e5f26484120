"""Tables that are read whole say how far they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.baselines.specs import parse_specs
from mifm_kipoi.support.progress import Progress


@pytest.mark.parametrize("spec", ["table:{}:PIP", "pvalue:{}", "pip:{}", "abf:{}"])
def test_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("chrom\tpos\tea\tnea\tP\tBETA\tSE\tPIP\n1\t5\tA\tC\t0.32\t1\t1\t0.5\n")
    seen: list[tuple[int, float]] = []
    monkeypatch.setattr(Progress, "update", lambda _, rows, fraction=0.0: seen.append((rows, fraction)))
    (model,) = parse_specs([spec.format(path)])
    model.open(ComputeOptions("cpu", progress=True))
    assert seen == [(1, 1)]


def test_libraries_are_silent() -> None:
    assert not ComputeOptions().reading(Path("t.tsv")).shown
    assert ComputeOptions(progress=True).reading(Path("t.tsv")).shown
