# %% [markdown]
# # Models side by side
#
# Which of several scores finds causal variants? This notebook scores the same variants with several models, adds
# two controls, and evaluates all of them against labels. The study is the one of `mifm example`, whose causal
# variants are known; with data of your own, labels come from fine-mapping or measurements.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image

import mifm_kipoi
from mifm_kipoi.example import write_example
from mifm_kipoi.reports import drawing

study = Path("study")
write_example(study)
plt.rcParams.update(drawing.style())

# %% [markdown]
# ## A control of one's own
#
# Any table with `chrom, pos, ref, alt` and a column takes part. GC content is the control that no score of sequence
# should be without: much of what looks like a finding is GC.

# %%
genome = mifm_kipoi.Genome(study / "genome.fa")
variants = pd.read_csv(study / "labels.tsv", sep="\t", dtype={"chrom": str})
windows = [genome.fetch(row.chrom, row.pos - 1 - 64, row.pos - 1 + 64) for row in variants.itertuples()]
is_gc = np.isin(windows, list(b"GC"))
controls = variants[["chrom", "pos", "ref", "alt"]].assign(
    gc=is_gc.mean(axis=1), random=np.random.default_rng(1).random(len(variants))
)
controls.to_csv("controls.tsv", sep="\t", index=False)
controls.head(3)

# %% [markdown]
# ## Compare
#
# `embedded` are the weights that come with the package, taught on real sequence; `trained` come with the study and
# know its rule; `p_value` is the association with one trait. Enformer, Borzoi, CADD and Kipoi's models are named in
# the same way where you have them ([comparing](../tasks/comparing.md)).

# %% language="bash"
# mifm compare study/variants.vcf.gz study/genome.fa -o compared \
#     --models embedded=mifm,trained=mifm:study/trained.safetensors \
#     --models p_value=pvalue:study/gwas/q2.tsv.gz,gc=table:controls.tsv:gc,random=table:controls.tsv:random \
#     > compare.log 2>&1
# grep variants compare.log

# %% [markdown]
# How far do they agree? Rank correlations of the primary scores, with intervals over blocks of the genome:

# %%
Image("compared/figures/correlations.png")

# %% [markdown]
# ## Evaluate
#
# 27 of 1,263 variants are causal, so the area under the precision-recall curve of a score that knows nothing is
# 0.027 on average. Intervals are bootstraps over regions, because variants in LD are not independent.

# %% language="bash"
# mifm evaluate ranking compared/scores.parquet --labels study/labels.tsv -o ranking > ranking.log 2>&1
# grep -v written ranking.log

# %%
metrics = pd.read_csv("ranking/metrics.tsv", sep="\t")
metrics = metrics[(metrics["stratum"] == "all") & (metrics["rows"] == "common")]
names = {
    "trained.mifm_ref": "trained",
    "p_value.neg_log10_p": "p-value",
    "embedded.mifm_ref": "embedded",
    "gc.gc": "GC content",
    "random.random": "random",
}
figure, panels = plt.subplots(1, 2, figsize=(8, 2.2), sharey=True, layout="constrained")
for panel, metric in zip(panels, ("auroc", "auprc"), strict=True):
    chosen = metrics[metrics["metric"] == metric].set_index("score").loc[list(names)]
    bars = np.abs(chosen[["low", "high"]].to_numpy().T - chosen["value"].to_numpy())
    panel.errorbar(chosen["value"], range(len(names)), xerr=bars, fmt="o", color=drawing.COLOURS[0])
    panel.axvline(chosen["chance"].iloc[0], color=drawing.GREY, linestyle="--", linewidth=1)
    panel.set_xlabel(metric.upper())
panels[0].set_yticks(range(len(names)), list(names.values()))
panels[0].invert_yaxis()
# %% [markdown]
# The dashed line is chance. The trained network stands far above it, and the embedded weights do not: they were never
# taught the rule of this simulated genome. The p-value knows the trait and the LD, but not which of the variants in LD
# is causal, and is a third, different kind of evidence: what it and a score know together is the subject of
# [the notebook before](2-study.md).
#
# Whether two scores differ is not read off intervals that overlap, but off paired differences on the same resamples:

# %%
paired = pd.read_csv("ranking/paired.tsv", sep="\t")
paired = paired[(paired["stratum"] == "all") & (paired["metric"] == "auroc")]
shown = paired[paired[["first", "second"]].isin(list(names)).all(axis=1)]
shown[["first", "second", "difference", "low", "high", "p_value"]].round(3)

# %% [markdown]
# What the numbers do not say: 27 causal variants are few, the trained weights know this rule because they were trained
# on it (elsewhere), and on real data nobody knows the labels. `ranking/report.html` has such cautions for the scores
# that it is given ([evaluate against labels](../tasks/evaluating.md)).
