# %% [markdown]
# # A GWAS, from table to credible sets
#
# From the summary statistics of a GWAS to a network of one's own, and from scores to credible sets with a prior,
# beside those without. The study is the one of `mifm example`: simulated people, with traits that known variants cause,
# so that every step can be held against the truth.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import mifm_kipoi
from mifm_kipoi.example import write_example
from mifm_kipoi.reports import drawing

plt.rcParams.update(drawing.style())
study = Path("study")
write_example(study)
pd.read_csv(study / "gwas/q2.tsv.gz", sep="\t").nsmallest(3, "p_value")

# %% [markdown]
# ## Train on the GWAS
#
# A recipe says what is read and what is held out; all else has defaults. The LD blocks with a p-value up to 5e-8
# become bags of variants of which one is causal, and variants far from them become negatives.

# %%
_ = Path("mine.yaml").write_text("""\
fasta: study/genome.fa
data:
  summary_statistics:
    path: study/gwas/q2.tsv.gz
    trait: quantitative
    ld_blocks: {path: study/ld_blocks.txt, population: EUR}
  negatives: {vcf: [study/variants.vcf.gz], max_distance: 500}
  splits: {validation: ["9", "11"], test: ["12"]}
fit: {epochs: 3}
ensemble: {members: 1}
""")
# %% language="bash"
# python -m training data --config mine.yaml --out bags > data.log 2>&1
# python -m training ensemble --config mine.yaml --data bags --out members > members.log 2>&1
# tail -n 8 data.log
# echo ...
# grep CAUTION members.log

# %% [markdown]
# Bags of label 1 are the loci. The last lines are what matters: 11 loci teach a network nothing, and with two of
# them held out it cannot even be judged. Believe such a warning. On studies of thousands of loci the same commands
# learn a rule ([which recipe, and how long it takes](../tasks/training.md)), as they did for the network that comes
# with the study: it was trained on 4,000 regions with the same rule, none of which is in this study.

# %%
trained = study / "trained.safetensors"
scoring = mifm_kipoi.ScoringRun(
    str(study / "variants.vcf.gz"),
    study / "genome.fa",
    Path("scores.tsv.gz"),
    mifm_kipoi.ScoringOptions(weights=(str(trained),)),
)
scoring.run()
scores = pd.read_csv("scores.tsv.gz", sep="\t", dtype={"chrom": str})
truth = pd.read_csv(study / "truth.tsv.gz", sep="\t", dtype={"chrom": str})
variants = ["chrom", "pos", "ref", "alt"]
scored = scores.merge(truth[[*variants, "causal"]], on=variants, validate="1:1")
scored.groupby("causal")["mifm_ref"].describe()[["count", "25%", "50%", "75%"]]

# %% [markdown]
# Causal variants score higher, but by no means all of them do. The score is a hint; how much weight it deserves is
# a question to the study.
#
# ## Fine-map with the score as a prior
#
# `FinemapRun` (`mifm finemap`) fine-maps each locus twice by SuSiE, with LD of the study's own people: with a flat
# prior, and with one proportional to exp(a f) of the score's logit f. The slope a of a chromosome is estimated from
# the loci of all others, and is 0 where the score says nothing.

# %%
from mifm_kipoi.comparison.score_tables import ScoreTable
from mifm_kipoi.finemapping.loci import LocusRule
from mifm_kipoi.finemapping.run import FinemapRun
from mifm_kipoi.genetics.study_sources import StudySource

result = FinemapRun(
    Path("finemapped"),
    studies=tuple(StudySource(study / f"gwas/{trait}.tsv.gz", name=trait) for trait in ("q1", "q2", "b1")),
    genotypes=(study / "genotypes/discovery.bed",),
    ld_sample="in",
    loci=LocusRule(blocks=study / "ld_blocks.txt", population="EUR"),
    scores=ScoreTable(Path("scores.tsv.gz"), ("mifm_ref",)),
    processes=1,
    pages=0,  # a page for each locus takes a minute
).run()
prior = result.tables.prior
prior[(prior["chrom"] == "all") & (prior["feature"] == "mifm_ref")]

# %% [markdown]
# What became of the sets, and of the variants that are causal for the trait. In some regions the causal variant is
# in no file, and another has to stand for it; they are left out here.

# %%
mapped = pd.read_csv("finemapped/variants.tsv.gz", sep="\t", dtype={"chrom": str})
mapped = mapped.merge(truth, on=variants, suffixes=("", "_true"))
mapped["is_causal"] = False
for trait in ("q1", "q2", "b1"):
    mapped.loc[mapped["study"] == trait, "is_causal"] = mapped[f"effect_{trait}"] != 0
loci = ["study", "locus"]
mapped = mapped[mapped.groupby(loci)["is_causal"].transform("any")]
sets = result.tables.sets.merge(mapped[loci].drop_duplicates())
pd.DataFrame(
    {
        name: {
            "credible sets": (sets["prior"] == kind).sum(),
            "their mean size": sets.loc[sets["prior"] == kind, "size"].mean(),
            "mean PIP of causal variants": mapped.loc[mapped["is_causal"], pip].mean(),
            "variants of PIP above 0.9": (mapped[pip] > 0.9).sum(),
            "of which causal": (mapped.loc[mapped[pip] > 0.9, "is_causal"]).sum(),
        }
        for name, kind, pip in (("flat prior", "flat", "pip_flat"), ("with the score", "score", "pip"))
    }
).round(2)

# %% [markdown]
# The sets are hardly smaller, and of the variants that the prior lifts above 0.9 one is **not** causal: a prior can be
# wrong, so look at the flat PIP beside it. So few loci say little about how much a prior helps ([on a thousand
# loci](../results/finemapping.md)). The locus at which it makes the largest difference, with the causal variant in
# orange:

# %%
gain = mapped[mapped["is_causal"]].assign(gain=lambda table: table["pip"] - table["pip_flat"])
best = gain.loc[gain["gain"].idxmax()]
locus = mapped[(mapped["study"] == best["study"]) & (mapped["locus"] == best["locus"])]
figure, panels = plt.subplots(4, 1, figsize=(8, 5.4), sharex=True, layout="constrained")
for panel, column, label in zip(
    panels,
    ("neg_log10_p", "score", "pip_flat", "pip"),
    ("-log10 p", "score", "PIP, flat", "PIP, score"),
    strict=True,
):
    panel.scatter(locus["pos"], locus[column], s=22, color=drawing.GREY)
    causal = locus[locus["is_causal"]]
    panel.scatter(causal["pos"], causal[column], s=46, color=drawing.ACCENT)
    panel.set_ylabel(label)
panels[0].set_title(f"{best['study']}, {best['locus']}")
_ = panels[-1].set_xlabel(f"position on {best['chrom']}")
# %% [markdown]
# The p-values of variants in LD are alike, and the study alone cannot tell them apart; the score can, here.
#
# ## Take it elsewhere
#
# The folder has exports for other programs: prior probabilities for PolyFun, weights for susieR, `.z` files for
# FINEMAP, and credible sets as the GWAS Catalog has them ([fine-map with a prior](../tasks/finemapping.md)).

# %%
sorted({str(path.relative_to("finemapped").parent) for path in Path("finemapped/exports").rglob("*.*")})

# %% [markdown]
# **Do not use weights as a prior of the study that they were trained on.** They have seen the answers, and PIPs
# become too sure. `finemapped/loci.tsv` says in `seen` what is known of the weights' training data:

# %%
result.tables.loci["seen"].value_counts()
