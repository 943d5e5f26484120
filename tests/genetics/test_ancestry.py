"""Axes of a panel and places on them: which variants, PLINK's components, and labels of real people."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics import ancestry
from mifm_kipoi.genetics.ancestry import AssignmentOptions, AxesOptions
from mifm_kipoi.genetics.genotypes import Genotypes, open_genotypes
from tests.genetics.filesets import write_bed


def fileset(folder: Path, name: str, variants: list[tuple[str, int, str, str]], seed: int = 1) -> Genotypes:
    dosages = np.random.default_rng(seed).integers(0, 3, size=(20, len(variants)))
    chrom, pos, counted, other = (list(column) for column in zip(*variants, strict=True))
    return open_genotypes(
        write_bed(folder / name, dosages, pos, chromosome=chrom, allele_1=counted, allele_2=other)
    )


def test_variants_that_two_sources_share(tmp_path: Path) -> None:
    panel = fileset(
        tmp_path, "panel",
        [
            ("1", 10, "A", "C"), ("1", 20, "A", "G"), ("1", 30, "T", "C"), ("1", 40, "A", "C"),
            ("2", 10, "A", "T"), ("2", 20, "C", "G"), ("2", 30, "AT", "A"), ("X", 10, "A", "C"),
            ("3", 10, "A", "C"), ("3", 10, "A", "G"), ("4", 10, "A", "C"), ("5", 10, "G", "A"),
        ],
    )  # fmt: skip
    target = fileset(
        tmp_path, "target",
        [
            ("chr5", 10, "C", "T"),  # the other strand
            ("chr1", 10, "a", "c"), ("chr1", 20, "G", "A"),  # the same; swapped
            ("chr1", 30, "G", "A"),  # swapped, on the other strand
            ("chr1", 40, "A", "T"), ("chr2", 10, "A", "T"), ("chr2", 20, "C", "G"), ("chr2", 30, "AT", "A"),
            ("chrX", 10, "A", "C"), ("chr3", 10, "A", "C"), ("chr4", 10, "A", "G"), ("chr4", 11, "A", "C"),
        ],
    )  # fmt: skip
    shared = ancestry.shared_variants(panel, target)
    assert shared.reference.tolist() == [0, 1, 2, 11]
    assert shared.target.tolist() == [1, 2, 3, 0]
    assert shared.swapped.tolist() == [False, True, True, False]
    assert list(shared.counts.values()) == [12, 6, 5, 4]


def test_builds_that_differ_are_refused(tmp_path: Path) -> None:
    variants = [("1", 10, "A", "C")]
    panel, target = fileset(tmp_path, "panel", variants), fileset(tmp_path, "target", variants)
    panel.build, target.build = "GRCh37", "GRCh38"
    with pytest.raises(InputError, match=r"GRCh37 and .*GRCh38; expected one"):
        ancestry.shared_variants(panel, target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 0}, "components is 0"), ({"min_maf": 0.6}, "min_maf is 0.6; expected 0 to 0.5"),
        ({"max_r2": -1}, "max_r2 is -1"),
    ],
)  # fmt: skip
def test_impossible_axes(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        AxesOptions(**options)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Real:
    """Unrelated people of 1000 Genomes, half of them as a panel, the others with alleles swapped."""

    panel: Genotypes
    target: Genotypes
    labels: list[str]
    true: list[str]
    folder: Path


@pytest.fixture(scope="module")
def real(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Real:
    folder = tmp_path_factory.mktemp("ancestry")
    source = open_genotypes(reference_data / "data/pgs/1000G_tiny.GRCh38.vcf.gz")
    people = pd.read_csv(reference_data / "data/pgs/1000G.psam", sep="\t", dtype=str)
    assert people["#IID"].tolist() == source.samples["sample"].tolist()
    founders = np.flatnonzero((people["PAT"] == "0") & (people["MAT"] == "0"))
    blocks = list(source.blocks(samples=founders))
    dosages = np.concatenate([block.dosages for block in blocks])
    variants = pd.concat([block.variants for block in blocks])
    halves = []
    for name, half in (("panel", slice(0, None, 2)), ("target", slice(1, None, 2))):
        swap = np.arange(len(variants)) % 3 == 1 if name == "target" else np.zeros(len(variants), dtype=bool)
        counted = np.where(swap, variants["other"], variants["counted"])
        other = np.where(swap, variants["counted"], variants["other"])
        copies = np.where(swap[:, None], 2 - dosages[:, half], dosages[:, half])
        halves.append(
            open_genotypes(
                write_bed(
                    folder / name, copies.T, variants["pos"].tolist(), chromosome=variants["chrom"].tolist(),
                    sid=variants["id"].tolist(), allele_1=counted.tolist(), allele_2=other.tolist(),
                    iid=people["#IID"].to_numpy()[founders][half].tolist(),
                )
            )
        )  # fmt: skip
    label = people["SuperPop"].to_numpy()[founders]
    return Real(halves[0], halves[1], label[::2].tolist(), label[1::2].tolist(), folder)


@pytest.fixture(scope="module")
def fitted(real: Real) -> tuple[ancestry.SharedVariants, ancestry.Panel]:
    people = np.arange(len(real.panel))
    shared = ancestry.shared_variants(real.panel, real.target)
    chosen = ancestry.choose_variants(real.panel, people, real.target, shared, AxesOptions())
    return chosen, ancestry.fit_panel(real.panel, people, real.labels, chosen, 10)


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
def test_axes_are_those_of_plink_2(
    real: Real, fitted: tuple[ancestry.SharedVariants, ancestry.Panel]
) -> None:
    _, panel = fitted
    (real.folder / "ids").write_text("\n".join(panel.variants["id"]))
    subprocess.run(
        ["plink2", "--bfile", "panel", "--extract", "ids", "--pca", "10", "--out", "pca", "--threads", "1"],
        cwd=real.folder, check=True, capture_output=True,
    )  # fmt: skip
    vectors = pd.read_csv(real.folder / "pca.eigenvec", sep="\t").filter(like="PC").to_numpy()
    values = np.loadtxt(real.folder / "pca.eigenval")
    np.testing.assert_allclose(panel.components.singular[:10] ** 2 / len(panel.variants), values, rtol=1e-4)
    mine = panel.components.vectors[:, :10]
    np.testing.assert_allclose(np.abs((mine * vectors).sum(axis=0)), 1, atol=1e-4)


def test_people_of_the_panel_are_placed_where_they_are(
    real: Real, fitted: tuple[ancestry.SharedVariants, ancestry.Panel]
) -> None:
    chosen, panel = fitted
    own = dataclasses.replace(chosen, target=chosen.reference, swapped=np.zeros_like(chosen.swapped))
    placed = ancestry.place(real.panel, own, panel)
    # Doubling one of a thousand people hardly moves the axes.
    for axis in range(2):
        assert np.corrcoef(placed.points[:, axis], panel.points[:, axis])[0, 1] > 0.999
    assert (placed.observed == 1).all()


@pytest.mark.parametrize(("method", "accuracy"), [("knn", 0.98), ("centroid", 0.96)])
def test_labels_of_real_people(
    real: Real, fitted: tuple[ancestry.SharedVariants, ancestry.Panel], method: str, accuracy: float
) -> None:
    chosen, panel = fitted
    options = AssignmentOptions(method=method)  # type: ignore[arg-type]
    placed = ancestry.place(real.target, chosen, panel)
    assigned = ancestry.assign(panel.points, panel.codes, panel.groups, placed.points, options)
    true = np.array(real.true, dtype=object)
    nearest = np.array(panel.groups, dtype=object)[assigned.nearest]
    assert (nearest == true).mean() > accuracy
    labelled = assigned.label != ""
    assert 0.9 < labelled.mean() < 1
    assert (assigned.label == true)[labelled].mean() > (nearest == true).mean()
    if method == "knn":
        # What held-out people of the panel promise.
        held_out = ancestry.held_out(panel, options, 3, 1)
        assert (held_out.nearest == panel.codes).mean() == pytest.approx((nearest == true).mean(), abs=0.01)
    # Raw products with the axes are shrunk towards the centre, places are not.
    spread = (placed.points**2).mean(axis=0) / (panel.points**2).mean(axis=0)
    np.testing.assert_allclose(spread[:4], 1, atol=0.1)


def test_missing_genotypes_do_not_move_people(
    real: Real, fitted: tuple[ancestry.SharedVariants, ancestry.Panel], tmp_path: Path
) -> None:
    chosen, panel = fitted
    blocks = list(real.target.blocks(samples=range(200)))
    dosages = np.concatenate([block.dosages for block in blocks])
    variants = pd.concat([block.variants for block in blocks])
    dosages[np.random.default_rng(1).random(dosages.shape) < 0.2] = np.nan
    fewer = open_genotypes(
        write_bed(
            tmp_path / "fewer", dosages.T, variants["pos"].tolist(), chromosome=variants["chrom"].tolist(),
            allele_1=variants["counted"].tolist(), allele_2=variants["other"].tolist(),
        )
    )  # fmt: skip
    placed, whole = ancestry.place(fewer, chosen, panel), ancestry.place(real.target, chosen, panel)
    assert placed.observed.mean() == pytest.approx(0.8, abs=0.01)
    for axis in range(2):
        slope = np.polyfit(whole.points[:200, axis], placed.points[:, axis], 1)[0]
        assert slope == pytest.approx(1, abs=0.05)
    # Nor are variants used that many people lack.
    people = np.arange(len(real.panel))
    shared = ancestry.shared_variants(real.panel, fewer)
    with pytest.raises(
        InputError, match=r"^0 variants are left for 10 components: .* 0 called in the genotypes"
    ):
        ancestry.choose_variants(real.panel, people, fewer, shared, AxesOptions())


def test_a_group_that_the_panel_lacks_is_not_noticed(
    fitted: tuple[ancestry.SharedVariants, ancestry.Panel],
) -> None:
    _, panel = fitted
    inside, outside = panel.codes != panel.groups.index("EUR"), panel.codes == panel.groups.index("EUR")
    means = panel.cross[:, inside].mean(axis=1)
    cross = panel.cross - means[:, None] - means + means[inside].mean()
    found = ancestry.principal_components(cross[np.ix_(inside, inside)], 20)
    scores = cross[np.ix_(outside, inside)] @ (found.vectors / found.singular)
    points = ancestry.projected(found, scores, np.diag(cross)[outside])[:, :10]
    groups = [group for group in panel.groups if group != "EUR"]
    codes = np.unique(panel.codes[inside], return_inverse=True)[1]
    assigned = ancestry.assign(found.scores[:, :10], codes, groups, points, AssignmentOptions())
    assert (assigned.label == "AMR").mean() > 0.9


def test_a_panel_with_too_few_people() -> None:
    with pytest.raises(InputError, match="the panel has 3 people; expected more than the 20"):
        ancestry.assign(np.zeros((3, 2)), np.zeros(3, int), ["A"], np.zeros((1, 2)), AssignmentOptions())
