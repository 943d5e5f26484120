import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.support.configuration import to_plain
from training.configuration import SHIPPED, read_configuration
from training.recipe import Recipe

NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def leaves(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def shipped(name: str) -> dict[str, Any]:
    return dict(leaves(yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())))


ROOT = Path(__file__).parents[2]
RECIPES = [*SHIPPED.glob("*.yaml"), *(ROOT / "benchmarks/known_truth/recipes").glob("*.yaml")]


class Strict(yaml.SafeLoader):
    """Refuses keys that stand twice in one mapping, of which PyYAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"{twice} in the mapping at line {node.start_mark.line + 1}"
        return super().construct_mapping(node, deep)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_key_of_a_shipped_recipe_stands_twice(path: Path) -> None:
    with path.open() as file:
        assert yaml.load(file, Strict)


def test_keys_that_stand_twice_are_found() -> None:
    with pytest.raises(AssertionError, match=r"'b'.* line 2"):
        yaml.load("a:\n  b: 1\n  b: 1\n", Strict)


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_is_one(name: str) -> None:
    recipe = read_configuration(name, Recipe)
    plain = dict(leaves(to_plain(recipe)))
    # What is written is what is read, so that no entry is lost or misread.
    for key, value in shipped(name).items():
        assert plain[key] == value, key


def test_the_recipe_of_the_defaults_spells_them_all_out() -> None:
    assert read_configuration("default", Recipe) == Recipe()
    assert shipped("default").keys() == dict(leaves(to_plain(Recipe()))).keys()


def test_the_number_of_parameters_in_the_defaults_is_right() -> None:
    stated = re.search(r"([0-9,]+) parameters", (SHIPPED / "default.yaml").read_text())
    assert stated is not None
    network = MIFM(Recipe().network)
    assert int(stated[1].replace(",", "")) == sum(x.numel() for x in network.parameters())


def test_the_recipe_of_the_paper() -> None:
    """Against the facts of the paper and of the authors' checkpoint, not against the file."""
    recipe = read_configuration("paper", Recipe)
    assert recipe.network == MIFMConfig(
        channels=5, dropout=0.5, dropout_kind="channels", dropout_place="dilated"
    )
    assert recipe.student == MIFMConfig()
    assert recipe.student == load_weights("embedded").config
    fit = recipe.fit
    assert (fit.objective.pooling, fit.objective.class_weight) == ("max", "balanced")
    assert (fit.epochs, fit.bags_per_batch, fit.max_shift) == (100, 32, 8)
    # 100 epochs at a falling rate are worth 10 at the first one.
    assert sum(fit.rate(epoch, 1) for epoch in range(fit.epochs)) == pytest.approx(10 * 1e-4, rel=1e-4)
    # The learning rate of the second epoch of three steps each: 1e-4 * 0.9.
    assert [fit.rate(step, 3) for step in (0, 2, 3)] == pytest.approx([1e-4, 1e-4, 9e-5])
    assert (fit.max_bag_size, fit.bag_sample, fit.monitor) == (127, "p_value", "last")
    assert recipe.ensemble.members == 5
    assert recipe.data.min_bag_size == 10
    # The paper has no such filter, and its code one row for each variant of all studies.
    assert recipe.data.credible_sets is not None
    assert recipe.data.credible_sets.lead_p_value is None
    assert fit.evidence == recipe.finetune.fit.evidence == "lowest_p"
    assert recipe.data.negatives is not None
    assert recipe.data.negatives.max_distance == 128
    assert recipe.data.negatives.bags == "single"
    assert recipe.data.splits.validation == ("11", "12")
    assert recipe.data.splits.test == ("9", "10")
    bags = recipe.distil.bags
    assert (bags.target, bags.positive_weight, bags.negatives_per_bag) == ("arg_max", 100, 1)
    # Steps that batch normalisation counted: 4,790 bags of 127 windows and a negative each.
    assert bags.epochs * math.ceil(4790 * (127 + 1) / bags.windows_per_batch) == 3750
    assert (bags.learning_rate, bags.gamma) == (1e-4, 0.9)


def test_every_value_of_the_paper_has_its_source() -> None:
    """But for the network's sizes and fine-tuning, of which one comment speaks for several."""
    for line in (SHIPPED / "paper.yaml").read_text().partition("finetune:")[0].splitlines():
        value = re.fullmatch(r" +(\w+): [^#]*(#.*)?", line)
        if value is not None and value[1] not in MIFMConfig.__dataclass_fields__:
            assert re.search(r"# (text|checkpoint|code|choice)", line), line


@pytest.mark.reference
def test_the_smoke_recipe_has_positives_and_negatives_in_both_splits(reference_data: Any) -> None:
    """Counted from the table itself: whole blocks of contig 1, and those of the end of contig 20."""
    import gzip

    recipe = read_configuration("smoke", Recipe)
    source = recipe.data.credible_sets
    assert source is not None
    lengths = Genome(reference_data / "data" / "genome" / "GRCh37.mini.fa.gz").contigs
    blocks: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    with gzip.open(reference_data / "data" / "finemapping" / source.path, "rt") as file:
        header = file.readline().split()
        for line in file:
            row = dict(zip(header, line.split(), strict=True))
            chrom, pos = row["CHR"], int(row["POS"])
            if pos <= lengths.get(chrom, 0):
                key = tuple(row[name] for name in source.columns["block"].split(","))
                blocks.setdefault(key, []).append((chrom, pos))
    (stretch,) = recipe.data.splits.validation
    chrom, start, end = re.split("[:-]", stretch)
    inside = [
        all(name == chrom and int(start) <= pos <= int(end) for name, pos in places)
        for places in blocks.values()
        if len(places) >= recipe.data.min_bag_size
    ]
    assert sum(inside) == 4
    assert len(inside) - sum(inside) >= 14
