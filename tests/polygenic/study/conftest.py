"""A small study: two traits with causal variants, their credible sets, and people of two ancestries."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

PEOPLE, BLOCKS, MEMBERS = 400, 6, 4


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``sets.tsv``, ``scores.tsv``, ``target.bed``, ``people.tsv`` in the shape of UK Biobank and
    ``study.yaml``.

    The second member of each block is causal; the column ``good`` of the scores is highest there, ``bad`` is
    lowest.
    """
    from bed_reader import to_bed

    folder = tmp_path_factory.mktemp("study")
    generator = np.random.default_rng(3)
    variants = pd.DataFrame(
        {
            "chrom": "1",
            "pos": [
                1_000_000 * block + 100 * member + 1 for block in range(BLOCKS) for member in range(MEMBERS)
            ],
            "ref": "A",
            "alt": "G",
        }
    )
    variants["id"] = [f"rs{row}" for row in range(len(variants))]
    causal = np.arange(len(variants)) % MEMBERS == 1
    dosages = generator.binomial(2, 0.4, (PEOPLE, len(variants))).astype(np.int8)
    effects = generator.choice([-0.4, 0.4], (len(variants), 2)) * causal[:, None]
    liability = dosages @ effects + generator.normal(size=(PEOPLE, 2))
    names = [f"p{row}" for row in range(PEOPLE)]
    to_bed(
        folder / "target.bed", dosages,
        properties={
            "fid": names, "iid": names, "sex": [1, 2] * (PEOPLE // 2), "chromosome": variants["chrom"],
            "sid": variants["id"], "bp_position": variants["pos"], "allele_1": variants["alt"],
            "allele_2": variants["ref"],
        },
    )  # fmt: skip
    pd.DataFrame(
        {
            "eid": names, "50-0.0": liability[:, 0],
            "41202": (liability[:, 1] > np.quantile(liability[:, 1], 0.7)).astype(int),
            "21003-0.0": generator.normal(50, 8, PEOPLE), "54-0.0": generator.choice([11001, 11002], PEOPLE),
            "ancestry": ["one", "two"] * (PEOPLE // 2),
        }
    ).to_csv(folder / "people.tsv", sep="\t", index=False)  # fmt: skip
    sets = []
    for number, trait in enumerate(("height", "disease")):
        own = variants.assign(trait=trait, block_id=np.repeat(np.arange(BLOCKS), MEMBERS) + 1)
        beta = np.where(causal, effects[:, number], np.repeat(effects[causal, number], MEMBERS) * 0.8)
        own = own.assign(beta=beta, se=0.05, p=1e-9, susie=np.where(causal, 0.7, 0.1))
        sets.append(own.rename(columns={"alt": "effect_allele", "ref": "other_allele"}))
    pd.concat(sets).to_csv(folder / "sets.tsv", sep="\t", index=False)
    good = causal + generator.uniform(0, 0.5, len(variants))
    variants.assign(good=good, bad=-good).to_csv(folder / "scores.tsv", sep="\t", index=False)
    (folder / "study.yaml").write_text(
        yaml.safe_dump(
            {
                "build": {
                    "studies": [{"path": str(folder / "sets.tsv")}],
                    "scores": [{"path": str(folder / "scores.tsv"), "columns": ["good", "bad"]}],
                    "signals": {"study_scores": ["susie"], "pip": "susie"},
                    "top": [1],
                    "draws": 3,
                },
                "score": {"genotypes": [str(folder / "target.bed")]},
                "evaluate": {
                    "people": [str(folder / "people.tsv")],
                    "columns": {
                        "height": "50-0.0",
                        "disease": "41202",
                        "age": "21003-0.0",
                        "centre": "54-0.0",
                    },
                    "traits": ["height", "disease"],
                    "covariates": ["age", "centre"],
                    "categorical": ["centre"],
                    "ancestry": "ancestry",
                    "method": "good",
                },
            }
        )
    )
    return folder
