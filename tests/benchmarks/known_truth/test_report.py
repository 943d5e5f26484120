"""The report says what the tables say, in both of its forms."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.known_truth import plots
from benchmarks.known_truth.report import write_report
from benchmarks.known_truth.results import COLUMNS, Results, read

ARMS = [
    ("max", "pooling", "Max", "The highest logit.", 2, 1000, 60, 0.41, 0.02),
    ("noisy_or", "pooling", "Noisy <or>", "Not all are | absent.", 2, 1000, 90, 0.95, 0.02),
    ("shuffled_labels", "control", "Shuffled labels", "Nothing to learn.", 2, 1000, 60, 0.06, 0.02),
    ("noisy_or+abf", "prior", "Noisy-or + ABF", "A prior.", 2, 1000, 90, 0.97, 0.02),
    ("lowest_p", "baseline", "Lowest p", "The GWAS.", 0, 0, 0, "", ""),
    ("abf", "baseline", "ABF", "Fine-mapping.", 0, 0, 0, "", ""),
    ("random", "baseline", "Random", "Any.", 0, 0, 0, "", ""),
    ("oracle", "baseline", "Oracle", "Knows the rule.", 0, 0, 0, "", ""),
]
METRICS = [
    ("max", "top_1", 0.43, 0.4, 0.46),
    ("noisy_or", "top_1", 0.9681, 0.957, 0.979),
    ("noisy_or", "top_5", 0.99, 0.98, 1),
    ("noisy_or", "auprc", 0.9754, 0.961, 0.985),
    ("shuffled_labels", "top_1", 0.07, 0.05, 0.09),
    ("noisy_or+abf", "top_1", 0.98, 0.97, 0.99),
    ("noisy_or+abf", "auprc", 0.991, "", ""),
    ("lowest_p", "top_1", 0.7, "", ""),
    ("abf", "top_1", 0.715, "", ""),
    ("abf", "pips_per_bag", 1, "", ""),
    ("abf", "causal_per_bag", 0.812, "", ""),
    ("abf", "calibration_error", 0.01, "", ""),
    ("abf", "calibration_error_above_0.1", 0.214, "", ""),
    ("abf", "auprc", 0.62, "", ""),
    ("random", "top_1", 0.06, "", ""),
    ("oracle", "top_1", 1, "", ""),
]
KINDS = ("causal", "no_cofactor", "repressor", "uninformative_base", "near_motif", "background")
OTHERS = {
    "seeds": [("max", seed, "top_1", 0.4 + 0.01 * seed) for seed in range(2)],
    "top_1_by_size": [
        (arm, low, low + 8, 50, value, value - 0.03, value + 0.03)
        for arm, value in (("noisy_or", 0.94), ("random", 0.1))
        for low in (2, 11)
    ],
    "precision_recall": [("noisy_or", recall / 4, 1 - recall / 20) for recall in range(5)],
    "calibration": [("abf", 0, 0.1, 900, 0.01, 0.012, 0, 0.02), ("abf", 0.9, 1, 40, 0.95, 0.8, 0.7, 0.9)],
    "power": [("noisy_or", 0.05, 0.8), ("noisy_or", 0.2, 0.9)],
    "top_1_by_studies": [
        (arm, low, low + 2, 50, value, value - 0.03, value + 0.03)
        for arm, value in (("noisy_or", 0.94), ("random", 0.1))
        for low in (1, 4)
    ],
    "learning_curves": [
        ("noisy_or", 1, epoch, 500 * epoch, 0.5, 0.6, 0.1 * epoch, 0.3 * epoch, 0.2 * epoch)
        for epoch in (1, 2, 3)
    ],
    "monitors": [
        ("noisy_or", 1, "loss", 2, 0.8, 0.5),
        ("max", 1, "loss", 3, 0.4, 0.2),
        ("noisy_or", 1, "last", 3, 0.9, 0.6),
        ("shuffled_labels", 1, "loss", 1, 0.05, 0.04),
    ],
    "kinds": [
        ("noisy_or", kind, 9, fraction, -number, -number - 1, 1 - number)
        for number, (kind, fraction) in enumerate(zip(KINDS, (0.9681, 0.004, 0.0279, 0, 0, 0), strict=True))
    ],
    "attribution": [
        ("noisy_or", "causal_1", offset, base, int(base != "N"), 0.1 if base == "N" else 3, 0.05)
        for offset, base in enumerate("TGNC")
    ],
    "differences": [
        ("noisy_or", "lowest_p", "top_1", 0.268, 0.25, 0.29),
        ("lowest_p", "abf", "top_1", -0.015, -0.03, 0),
        ("noisy_or+abf", "abf", "top_1", 0.265, 0.24, 0.28),
    ],
    "ratios": [
        ("noisy_or+abf", "abf", metric, value, value - 0.1, value + 0.1)
        for metric, value in (("top_1", 1.37), ("top_1_all", 1.2), ("auprc", 1.6))
    ],
    "credible_sets": [("abf", 40, 0.91, 0.88, 0.94, 6.4, 3, 0.97)],
}


def write(folder: Path, name: str, rows: Iterable[Sequence[object]]) -> None:
    lines = [COLUMNS[name], *rows]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.tsv").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))


@pytest.fixture
def smallest(tmp_path: Path) -> Path:
    """Arms and their metrics, and nothing else."""
    folder = tmp_path / "results"
    write(folder, "arms", ARMS)
    write(folder, "metrics", METRICS)
    return folder


@pytest.fixture
def results(smallest: Path) -> Path:
    for name, rows in OTHERS.items():
        write(smallest, name, rows)
    (smallest / "settings.json").write_text(
        '{"version": "1.2", "simulation": {"loci": 1440, "r2": [0.1, 0.2]}}'
    )
    return smallest


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.*)$", text, flags=re.MULTILINE)


def test_the_answer_names_the_best_model_its_baselines_and_what_a_prior_adds(
    smallest: Path, tmp_path: Path
) -> None:
    write_report(smallest, tmp_path / "out")
    answer = (tmp_path / "out" / "report.md").read_text().split("## All arms")[0]
    assert "Noisy &lt;or>, ranks a causal variant first in 96.8 % (95 % interval 95.7 to 97.9)" in answer
    assert "its AUPRC is 0.975 (95 % interval 0.961 to 0.985)" in answer
    assert "It was chosen from 2 models on validation genealogies, by AUPRC as the prior of ABF." in answer
    assert "Lowest p 70.0 %; ABF 71.5 %; Random 6.0 %; Oracle 100.0 %" in answer
    assert "ABF goes from 71.5 % to 98.0 % (95 % interval 97.0 to 99.0)**, +26.5 points" in answer
    assert "its AUPRC goes from 0.620 to 0.991" in answer
    assert "from Max 43.0 % to Noisy &lt;or> 96.8 %" in answer
    assert "Shuffled labels 7.0 %" in answer


def test_the_table_has_every_arm_below_its_group(smallest: Path, tmp_path: Path) -> None:
    write_report(smallest, tmp_path / "out")
    lines = (tmp_path / "out" / "report.md").read_text().splitlines()
    start = lines.index("| **Poolings** |  |  |  |  |  |  |  |")
    assert lines[start + 1 : start + 4] == [
        "| Max | 43.0 (40.0 to 46.0) |  |  |  | 2 | 1,000 | 1.0 |",
        "| Noisy &lt;or> | 96.8 (95.7 to 97.9) | 99.0 (98.0 to 100.0) | 0.975 (0.961 to 0.985) |  | 2 "
        "| 1,000 | 1.5 |",
        "| **Controls** |  |  |  |  |  |  |  |",
    ]
    assert "| Oracle | 100.0 |  |  |  |  |  |  |" in lines
    assert r"| Noisy &lt;or> | Not all are \| absent. |" in lines


def test_without_a_table_its_section_and_figure_are_left_out(smallest: Path, tmp_path: Path) -> None:
    write(smallest, "power", [])
    (smallest / "kinds.tsv").touch()
    write_report(smallest, tmp_path / "out")
    assert headings((tmp_path / "out" / "report.md").read_text()) == [
        "The answer",
        "All arms",
        "How it was made",
    ]
    assert [path.name for path in (tmp_path / "out" / "figures").iterdir()] == ["overview.png"]


def test_both_forms_have_the_same_sections_and_figures(results: Path, tmp_path: Path) -> None:
    write_report(results, tmp_path / "out")
    text, page = ((tmp_path / "out" / name).read_text() for name in ("report.md", "report.html"))
    assert re.findall("<h2>(.*?)</h2>", page.replace("\xa0", " ")) == headings(text)
    figures = re.findall(r"\]\(figures/(.*)\.png\)", text)
    assert re.findall('<figure id="(.*?)"', page) == figures
    assert {path.stem for path in (tmp_path / "out" / "figures").iterdir()} == set(figures)
    assert set(figures) == {
        "overview", "top_1_by_size", "precision_recall", "power", "decoys", "attribution", "calibration",
        "learning_curves",
    }  # fmt: skip


def test_the_sentences_below_figures_have_the_numbers(results: Path, tmp_path: Path) -> None:
    write_report(results, tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text()
    assert "In the largest bags top-1 is: Noisy &lt;or> 94.0 %; Random 10.0 %." in text
    assert "Noisy &lt;or>: repressor (2.8 % of bags)." in text
    assert "Mean change: 3.00 at informative bases, 0.10 at free ones, 0.05 elsewhere." in text
    assert "ABF: of 40 variants with a PIP from 0.9 on, 80.0 % are causal; their mean PIP is 0.95." in text
    assert (
        "Over those of ABF its top-1 is 1.37 (1.27 to 1.47) times, and its AUPRC 1.60 (1.50 to 1.70)" in text
    )
    assert (
        "| Noisy-or + ABF | 1.37 (1.27 to 1.47) | 1.20 (1.10 to 1.30) | 1.60 (1.50 to 1.70) | 0.970 | 0.020 |"
        in text
    )
    assert "| arm | 1-3 studies (50 bags) | 4-6 studies (50 bags) |" in text
    assert "| Random | 10.0 (7.0 to 13.0) | 10.0 (7.0 to 13.0) |" in text
    assert "| ABF | 1.000 | 0.812 | 0.214 | 0.010 |" in text
    assert "| ABF | 40 | 91.0 (88.0 to 94.0) | 6.4 | 3 | 0.97 |" in text
    assert "| 0.975 (0.961 to 0.985) | +26.8 (+25.0 to +29.0) | 2 |" in text
    assert "(95 % interval 97.0 to 99.0)**, +26.5 (+24.0 to +28.0) points" in text
    assert "After the last epoch, lowest to highest network: Noisy &lt;or> 90.0-90.0 %." in text
    # Controls do not count.
    assert "| loss | 2 | 2.5 | 60.0 | 0.350 |\n| last | 1 | 3.0 | 90.0 | 0.600 |" in text
    assert "| **simulation** |  |\n| loci | 1,440 |\n| r2 | 0.1, 0.2 |" in text


def test_the_page_needs_nothing_else_and_escapes_text(results: Path, tmp_path: Path) -> None:
    write_report(results, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert not re.search(r"https?://|url\(|@import|<link", page)
    assert set(re.findall('src="([^,"]*)', page)) == {"data:image/png;base64"}
    assert "Noisy &lt;or&gt;" in page
    assert "<or>" not in page


def test_the_same_tables_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_report(results, tmp_path / name)
    for path in ("report.md", "report.html", "figures/overview.png"):
        assert (tmp_path / "first" / path).read_bytes() == (tmp_path / "second" / path).read_bytes()


def test_the_names_of_lines_do_not_overlap(results: Path) -> None:
    found = Results(read(results), {})
    table = found.tables["power"]
    near = table.assign(arm="max", power=table["power"] + 0.001)
    axes = plots.power(found.arms, pd.concat([table, near])).axes[0]
    first, second = sorted(text.xyann[1] for text in axes.texts)
    assert second - first > 0.05


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("power", "arm\tfdr\nmax\t0.1\n", "has no columns power; expected arm, fdr, power"),
        ("power", "arm\tfdr\tpower\nmin\t0.1\t0.5\n", r"power\.tsv has arms that arms\.tsv lacks: min"),
        ("metrics", "", r"no rows in metrics\.tsv"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    smallest: Path, tmp_path: Path, name: str, content: str, message: str
) -> None:
    (smallest / f"{name}.tsv").write_text(content)
    with pytest.raises(ValueError, match=message):
        write_report(smallest, tmp_path / "out")


def test_the_best_is_chosen_on_validation_bags(smallest: Path, tmp_path: Path) -> None:
    """Max is named where it is better there, though not on the test bags."""
    rows = [(*row[:-2], 0.99, 0) if row[0] == "max" else row for row in ARMS]
    write(smallest, "arms", rows)
    write_report(smallest, tmp_path / "out")
    assert "**The best model, Max, ranks" in (tmp_path / "out" / "report.md").read_text()


def test_an_unknown_group_is_refused(smallest: Path, tmp_path: Path) -> None:
    write(smallest, "arms", [*ARMS, ("new", "novel", "New", "", 1, 1, 1, "", "")])
    with pytest.raises(ValueError, match=r"the groups novel; expected pooling"):
        write_report(smallest, tmp_path / "out")
