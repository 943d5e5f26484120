"""``mifm evaluate paper``: the page has the numbers of its folders, beside the paper's and a control's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.paper.run import PaperResult, PaperRun
from mifm_kipoi.network.weights import load_model, save_weights

NOWHERE = {"within": "", "kind": "group", "annotation": "states"}


def write(folder: Path, tables: Mapping[str, list[dict[str, Any]]], **manifest: Any) -> Path:
    """The folder of an evaluation: tables, and a manifest."""
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / name, sep="\t", index=False)
    (folder / "evaluation.json").write_text(json.dumps({"mifm_kipoi": "0", **manifest}))
    return folder


@pytest.fixture
def enrichment(tmp_path: Path) -> Path:
    """Of two scores at two quantiles: enhancers, and enhancers within repressed states."""

    def row(score: str, quantile: float, ratio: float, ratio_all: float, within: str = "") -> dict[str, Any]:
        return {
            **NOWHERE, "score": score, "label": "enhancer", "within": within, "quantile": quantile,
            "variants": 4321, "odds_ratio": ratio, "low": ratio - 0.1, "high": ratio + 0.1,
            "odds_ratio_all": ratio_all, "p_value_family": 0.012,
        }  # fmt: skip

    rows = [
        row("mifm_ref_untrained", 0.1, 1.0, 1.0), row("mifm_ref_untrained", 0.9, 0.97, 0.98),
        row("mifm_ref_student", 0.1, 1.21, 1.03), row("mifm_ref_student", 0.9, 1.55, 1.44),
        row("mifm_ref_student", 0.1, 1.3, 1.1, "repressed"),
        row("mifm_ref_student", 0.9, 1.83, 1.72, "repressed"),
    ]  # fmt: skip
    trends = [{**NOWHERE, "score": "mifm_ref_student", "label": "enhancer", "odds_ratio": 1.1}]
    return write(
        tmp_path / "enrichment",
        {"enrichment.tsv": rows, "trends.tsv": trends},
        cautions=["the blocks are few"],
    )


@pytest.fixture
def motifs(tmp_path: Path) -> Path:
    """A network with 3 patterns, of which 2 are like a motif, and an untrained one with 7 and 1."""

    def counts(network: str, sign: str, patterns: int, matched: int) -> dict[str, Any]:
        return {
            "network": network, "sign": sign, "patterns": patterns, "matched": matched, "median_seqlets": 40,
        }  # fmt: skip

    return write(
        tmp_path / "motifs",
        {
            "counts.tsv": [
                counts("student", "positive", 2, 2), counts("student", "negative", 1, 0),
                counts("untrained (seed 0)", "positive", 4, 1),
                counts("untrained (seed 0)", "negative", 3, 0),
            ],
            "factors.tsv": [
                {"sign": "positive", "factor": "NFKB1", "patterns": 2, "seqlets": 1234, "sites": 99,
                 "q_value": 0.0023, "names": "positive.0, positive.1"}
            ],
            "patterns.tsv": [{"pattern": "positive.0", "sign": "positive", "seqlets": 1000}],
        },
    )  # fmt: skip


@pytest.fixture
def motif_swap(tmp_path: Path) -> Path:
    """Pairs, and all pairs together, which the page shows."""

    def row(sign: str, inserted: str, before: float, after: float, random: float) -> dict[str, Any]:
        scores = {"original": before, "swapped": after, "random": random, "unrelated": 0.5, "consensus": 0.6}
        return {
            "motif": "", "inserted": inserted,
            "replaced": f"all {sign}" if inserted == "all" else f"{sign}.0",
            "seqlets": 31, **{f"score_{kind}": value for kind, value in scores.items()},
            **{f"sd_{kind}": 0.1 for kind in scores},
        }  # fmt: skip

    rows = [
        row("positive", "negative.0", 0.9, 0.9, 0.9), row("positive", "all", 0.61, 0.42, 0.47),
        row("negative", "positive.0", 0.9, 0.9, 0.9), row("negative", "all", 0.13, 0.29, 0.31),
    ]  # fmt: skip
    differences = [
        {"motif": "", "replaced": f"all {sign}", "inserted": "all", "difference": name, "mean": mean,
         "low": mean - 0.05, "high": mean + 0.05, "p_holm": 0.034}
        for sign, mean in (("positive", -0.21), ("negative", 0.08))
        for name in ("swapped - random", "swapped - unrelated")
    ]  # fmt: skip
    return write(tmp_path / "motif-swap", {"swaps.tsv": rows, "differences.tsv": differences})


@pytest.fixture
def polygenic(tmp_path: Path) -> Path:
    """A study of two traits in one ancestry, as 'mifm pgs run' lays it out."""

    def counted(by: str, wins: int, losses: int, **names: str) -> dict[str, Any]:
        return {
            "by": by, "baseline": "", "ancestry": "", **names, "comparisons": 40, "wins": wins,
            "losses": losses, "win_fraction": wins / 40, "loss_fraction": losses / 40,
            "mean_difference": 0.0021, "low": 0.001, "high": 0.003, "p_value": 0.03,
        }  # fmt: skip

    performance = [
        {"trait": trait, "kind": kind, "ancestry": "YRI", "method": method, "setting": setting,
         "status": "fitted", "r2": r2 + (0.01 if setting == "top5.mean" else 0)}
        for trait, kind in (("q1", "quantitative"), ("b1", "binary"))
        for method, r2 in (("mifm", 0.0712), ("p", 0.0634), ("untrained", 0.05))
        for setting in ("top1.mean", "top5.mean")
    ]  # fmt: skip
    tables = {
        "summary.tsv": [
            counted("all", 10, 2),
            counted("ancestry", 9, 1, ancestry="YRI"),
            counted("baseline", 4, 1, baseline="p"),
            counted("baseline", 6, 0, baseline="untrained"),
        ],
        "performance.tsv": performance,
        "comparisons.tsv": [{"trait": "q1", "ancestry": "YRI", "baseline": "p", "verdict": "win"}],
        "scenarios.tsv": [
            {"trait": "q1", "ancestry": "YRI", "status": "evaluated", "people": 2345, "cases": None,
             "covariates_r2": 0.0456}
        ],
        "random.tsv": [
            {"trait": "q1", "ancestry": "YRI", "method": "mifm", "r2": 0.07, "p_value": p}
            for p in (0.01, 0.5)
        ],
    }  # fmt: skip
    return write(tmp_path / "study" / "evaluate", tables, method="mifm", bound=None).parent


@pytest.fixture
def joint(tmp_path: Path) -> Path:
    """80 variants without a filter, 112 with that of the network, where random filters find 108."""

    def row(model: str, significant: int, **random: float) -> dict[str, Any]:
        names = ("", "_low", "_high", "_p")
        return {
            "scope": "all", "which": "", "level": "nominal", "model": model, "variants": 300,
            "significant": significant, "secondary": 11, "replicated": 44,
            **{f"significant_matched{name}": random.get(name.strip("_") or "mean") for name in names},
        }  # fmt: skip

    rows = [
        row("all", 80),
        row("p", 101, mean=99.0, low=95, high=103, p=0.4),
        row("mifm.mifm_ref", 112, mean=108.2, low=101, high=115, p=0.17),
        row("untrained.mifm_ref", 107, mean=108.0, low=101, high=114, p=0.6),
    ]
    rows.append({**row("mifm.mifm_ref", 1), "level": "corrected"})
    return write(tmp_path / "joint", {"filters.tsv": rows})


def paper(tmp_path: Path, **folders: Path) -> tuple[PaperResult, str]:
    """The page of some evaluations: its result and Markdown."""
    result = PaperRun(folder=tmp_path / "page", **folders).run()  # type: ignore[arg-type]
    text = (tmp_path / "page" / "report.md").read_text()
    assert "nan" not in text.lower().split()
    return result, text


def test_all_evaluations(
    tmp_path: Path, enrichment: Path, motifs: Path, motif_swap: Path, polygenic: Path, joint: Path
) -> None:
    result, text = paper(
        tmp_path, enrichment=enrichment, motifs=motifs, motif_swap=motif_swap, polygenic=polygenic,
        joint=joint, joint_as_in_paper=joint,
    )  # fmt: skip
    assert result.summary == [
        "Enrichment (Fig 2): the paper odds ratios of enhancers up to 1.10, against all; "
        "here 1.44 against all; 1.55 (1.45 to 1.65) against the rest; "
        "untrained network: 0.97 (0.87 to 1.07) against the rest",
        "Motifs (Table 1): the paper 69 of 161 patterns are like a known motif; here 2 of 3; "
        "untrained networks: 1 of 7",
        "Motif swap (Fig 3): the paper positive patterns replaced, then negative: 0.54 to 0.48; "
        "0.17 to 0.20; here 0.61 to 0.42; 0.13 to 0.29; as many random bases: 0.61 to 0.47; 0.13 to 0.31",
        "Polygenic scores (Fig 4): the paper 15 % of comparisons won, 3 % lost; here 25 % won, 5 % lost of "
        "40; against the untrained network: 15 % won, 0 % lost",
        *(
            f"Joint tests, {form} (Fig 5): the paper 47 significant, 32 without the filter; here 112, "
            "80 without the filter; random filters of its size: 108 (101 to 115), p 0.17; "
            "untrained network: 107"
            for form in ("as in the paper", "selected in others")
        ),
    ]
    assert result.cautions == ["enrichment: the blocks are few"]
    assert "**Caution:** the blocks are few." in text.partition("## Enrichment")[2].partition("## Motifs")[0]
    assert "Not done" not in text
    lines = text.splitlines()
    # The paper's numbers, and ours beside them.
    assert (
        "| enhancer | 1.01 to 1.10 | 1.03 to 1.44 | 1.55 (1.45 to 1.65) | 0.012 | 0.97 (0.87 to 1.07) |"
        in lines
    )
    assert (
        "| enhancer within repressed | 1.08 | 1.10 to 1.72 | 1.83 (1.73 to 1.93) | 0.012 | \u2014 |" in lines
    )
    assert "| the paper | 67 | 94 | 20 | 49 | 1,257 | 798 |" in lines
    assert "| student | 2 | 1 | 2 | 0 | 40 | 40 |" in lines
    assert "| NFKB1 | 2 | 1,234 | 99 | 0.0023 |" in lines
    swap = "| positive, here | 0.61 (0.10) | 0.42 (0.10) | 0.47 (0.10) | 0.50 (0.10) | 0.60 (0.10) | "
    assert f"{swap}-0.21 (-0.26 to -0.16), p 0.034 | -0.21 (-0.26 to -0.16), p 0.034 |" in lines
    # Of the first setting, quantitative traits alone.
    assert "| mifm | 7.12 |" in lines
    assert "| q1 | YRI | 2,345 | \u2014 | 4.6 | 7.12 | 6.34 | 5.00 |" in lines
    assert "| untrained | 40 | 6 | 0 | 0.21 (0.10 to 0.30) | 0.03 |" in lines
    assert "(p below 0.05) in 1 of 2" in text
    assert "| mifm.mifm\\_ref | 300 | 112 | 108 (101 to 115) | 0.17 | 11 | 44 |".replace("\\", "") in lines
    page = (tmp_path / "page" / "report.html").read_text()
    for name in ("enrichment", "swap", "verdicts", "explained", "joint"):
        assert f"({Path('figures') / name}.png)" in text
    assert page.count("data:image/png;base64,") == 5
    manifest = json.loads((tmp_path / "page" / "evaluation.json").read_text())
    assert manifest["summary"] == result.summary
    assert manifest["inputs"]["polygenic"]["name"] == "evaluation.json"


def test_what_was_not_done_is_named(tmp_path: Path, motifs: Path) -> None:
    (motifs / "choice.json").write_text('{"why": "there are no negative patterns"}')
    result, text = paper(tmp_path, motif_swap=motifs, motifs=motifs)
    assert [line.split(":")[0] for line in result.summary] == ["Motifs (Table 1)"]
    assert "Nothing was swapped: there are no negative patterns." in text
    assert "Not done, for no data were given: enrichment; polygenic scores; joint tests." in text


def test_training_and_times(tmp_path: Path, motifs: Path) -> None:
    def verdict(split: str, gain: float) -> dict[str, Any]:
        measures = {
            name: {"value": value, "low": value - 0.01, "high": value + 0.01}
            for name, value in (("gain", gain), ("pip_gain", 0.034))
        }
        return {"network": "student", "split": split, "measures": measures}

    training = tmp_path / "training"
    for name in ("data", "members", "student"):
        (training / name).mkdir(parents=True)
    bags = [("train", 1, 12), ("train", 0, 1), ("train", 1, 30), ("test", 0, 5)]
    pd.DataFrame(bags, columns=["split", "label", "size"]).to_parquet(training / "data" / "bags.parquet")
    member = {
        "seed": 3, "epoch": 7, "metrics": {"validation_loss": 1.25}, "verdict": verdict("validation", 0.02),
    }  # fmt: skip
    ensemble = {"members": [member], "pearson": None}
    (training / "members" / "ensemble.json").write_text(json.dumps(ensemble))
    provenance = {
        "agreement": {"pearson": 0.876, "same_top": None},
        "verdicts": [{**verdict("test", -0.005), "warnings": ["student: nothing was learnt."]}],
    }
    save_weights(training / "student" / "student.safetensors", load_model(), provenance)
    times = tmp_path / "times"
    (times / "member").mkdir(parents=True)
    header = "s\th:m:s\tmax_rss\tcpu_time\n"
    (times / "member" / "1.tsv").write_text(f"{header}90\t0:01:30\t512.0\t150\n")
    (times / "data.tsv").write_text(f"{header}30\t0:00:30\t-\t-\n")
    result, text = paper(tmp_path, training=training, times=times)
    lines = text.splitlines()
    assert "| train | 2 | 42 | 1 | 1 |" in lines
    assert "| test | 0 | 0 | 1 | 5 |" in lines
    assert "| 3 | 7 | 1.2500 | +0.020 (+0.010 to +0.030) | +0.034 (+0.024 to +0.044) |" in lines
    assert any(line.startswith("| student, test bags |  |  | -0.005 (-0.015 to +0.005)") for line in lines)
    assert result.cautions == ["student: nothing was learnt"]
    assert "| member/1 | 1.5 | 2.5 | 512 |" in lines
    assert "| data | 0.5 | \u2014 | \u2014 |" in lines
    assert "| all steps | 2.0 | 2.5 |  |" in lines


def test_errors(tmp_path: Path, enrichment: Path, joint: Path) -> None:
    with pytest.raises(OptionError, match="--enrichment DIR"):
        PaperRun(folder=tmp_path / "page").run()
    with pytest.raises(InputError, match=r"nothing.*evaluation\.json|nothing.*enrichment\.tsv"):
        PaperRun(folder=tmp_path / "page", enrichment=tmp_path / "nothing").run()
    with pytest.raises(InputError, match=r"filters\.tsv"):
        PaperRun(folder=tmp_path / "page", joint=enrichment).run()
    # A page must not replace the report of an evaluation.
    with pytest.raises(OptionError, match="would replace the input"):
        PaperRun(folder=joint, joint=joint).run()
    rows = pd.read_csv(joint / "filters.tsv", sep="\t").drop(columns="significant")
    rows.to_csv(joint / "filters.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=r"filters\.tsv has no column significant"):
        PaperRun(folder=tmp_path / "page", joint=joint).run()
    (enrichment / "evaluation.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot read .*evaluation\.json"):
        PaperRun(folder=tmp_path / "page", enrichment=enrichment).run()
    assert not (tmp_path / "page").exists()
