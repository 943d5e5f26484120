# %% [markdown]
# # A locus, from VCF to explanation
#
# 426 common variants, with 440 alternative alleles, lie in 60 kb at the end of *SIRPA*. This notebook scores
# them, ranks them, and looks at what the network reads around one of them. Sequence and variants are real (GRCh37, 1000 Genomes) and come with
# the package, as do the weights, which were taught the scores of the published network.

# %%
from pathlib import Path

from IPython.display import Image

import mifm_kipoi
from mifm_kipoi.example import write_example

write_example(Path("study"))
variants, genome = Path("study/locus/variants.vcf"), Path("study/locus/genome.fa.gz")

# %% [markdown]
# ## Score
#
# Each alternative allele has a row. `mifm_ref` is the MIFM score of the paper, from the 512 bases around the
# variant; it reads the reference alone, so alleles of one position have the same. `mifm_delta` is an extension:
# the score with the alternative allele less that with the reference.

# %%
scores = mifm_kipoi.score_variants(variants, genome)
scores.head()

# %% [markdown]
# A row that cannot be scored keeps its place and says why in `status`. Here all can: the reference alleles are
# those of the FASTA, and no window leaves the sequence.

# %%
assert (scores["status"] == "ok").all()
scores[["mifm_ref", "mifm_alt", "mifm_delta"]].describe().loc[["count", "mean", "min", "50%", "max"]]

# %% [markdown]
# ## Rank
#
# A score says little by itself. `RankRun` places it among the positions of real sequence (the percentile), ranks
# the variants of each locus, and draws the locus with the score of every position.

# %%
ranking = mifm_kipoi.RankRun(variants, Path("ranked"), fasta=genome).run()
ranked = ranking.ranked.table
ranked.loc[ranked["rank"] <= 6, ["rank", "id", "pos", "ref", "alt", "mifm_ref", "mifm_percentile"]]

# %%
Image("ranked/figures/locus_0001.png")

# %% [markdown]
# The same things are on a page, `ranked/report.html`, with the tables of a study's p-values and PIPs beside them
# where you give one (`gwas=`, `pip=`): [rank the variants of a locus](../tasks/rank.md).
#
# ## What fine-mapping says here
#
# Fine-mapping of UK Biobank's blood traits ([Ulirsch et al. 2019](https://doi.org/10.1038/s41588-019-0362-6)) has
# three associations at this locus. These are the variants of the highest posterior probability, with their rank
# by score:

# %%
first = {
    "rs6045561": "mean platelet volume",
    "rs4630833": "lymphocyte count",
    "rs4411786": "platelet count",
}
known = ranked[ranked["id"].isin(first)]
known.assign(trait=known["id"].map(first))[["trait", "id", "rank", "mifm_ref", "mifm_percentile"]]

# %% [markdown]
# One of them is among the ten highest of the 440, one is in the middle. That is no evidence for or against the
# score: three variants are far too few, and the locus was not drawn at random. On the real data that were looked
# at, no relation between the score and fine-mapping was seen ([model card](../results/model-card.md)).
#
# ## Explain
#
# What does the network read around rs6045561? `ExplainRun` compares the logit with those of all single
# substitutions around the variant (`method="ism"`; DeepLIFT is the default, with `pip install
# '.[interpretation]'`), for both alleles.

# %%
explained = mifm_kipoi.ExplainRun(
    variants, genome, Path("explained"), names=("rs6045561",), method="ism", span=96
).run()
Image(next(path for path in explained.files if path.name.endswith(".sequence.png")))

# %% [markdown]
# From the top: what each base of the reference and of the alternative allele contributes, their difference, and
# how the logit changes by every substitution (the frame is the variant). Letters that stand out are what the
# network reads, not what the cell does: an untrained network has letters that stand out as well
# ([what MIFM has learnt](../tasks/interpreting.md)).
#
# The change by the allele itself, and where it lies among the changes by other substitutions nearby:

# %%
variant = scores.loc[scores["id"] == "rs6045561"].iloc[0]
deltas = scores.loc[scores["ref"].str.len() == scores["alt"].str.len(), "mifm_delta"].abs()
print(f"score with {variant.ref}: {variant.mifm_ref:.3f}, with {variant.alt}: {variant.mifm_alt:.3f}")
print(f"{(deltas < abs(variant.mifm_delta)).mean():.0%} of the SNVs here change it less")

# %% [markdown]
# A page for each variant, with motifs where you give a MEME file, is in `explained/`:
# [explain variants](../tasks/explain.md).
