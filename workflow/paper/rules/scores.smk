"""Scores: of many variants in shards, as workflow/Snakefile has them, and of fewer by several models."""

# The commands of the module find their names here.
RUNNING = ""


module scoring:
    snakefile:
        "../../Snakefile"
    config:
        {
            "mifm": MIFM,
            "fasta": FASTA,
            "variants": {"variants": CONFIG["scores"]["variants"]},
            "output": f"{OUT}/scores",
            "format": "tsv.gz",
            # A table of credible sets has one row a study and variant, in no order.
            "index": False,
            "shards": CONFIG["scores"]["shards"],
            "weights": [STUDENT, NULL, *CONFIG["scores"]["weights"]],
        }


use rule check, score, merge from scoring as scores_*


SCORES = f"{OUT}/scores/variants.tsv.gz"


def models(comparison):
    """The network, the untrained one, and those of the configuration."""
    own = [f"mifm=mifm:{STUDENT}", f"untrained=mifm:{NULL}"]
    return [*own, *comparison["models"]]


rule compare:
    input:
        weights=[STUDENT, NULL],
        fasta=lambda wildcards: CONFIG["comparisons"][wildcards.name].get("fasta", FASTA),
        variants=lambda wildcards: CONFIG["comparisons"][wildcards.name]["variants"],
        tables=lambda wildcards: CONFIG["comparisons"][wildcards.name]["inputs"],
    output:
        scores=f"{OUT}/comparisons/{{name}}/scores.parquet",
        manifest=f"{OUT}/comparisons/{{name}}/comparison.json",
    params:
        models=lambda wildcards: words("--models", models(CONFIG["comparisons"][wildcards.name])),
        options=lambda wildcards: words(*CONFIG["comparisons"][wildcards.name]["options"]),
        folder=lambda wildcards: f"{OUT}/comparisons/{wildcards.name}",
    log:
        f"{LOGS}/compare/{{name}}.log",
    benchmark:
        f"{BENCHMARKS}/compare/{{name}}.tsv"
    wildcard_constraints:
        name="[^/]+",
    threads: 8
    resources:
        mem_mb=16000,
        runtime=1440,
    shell:
        "{MIFM} compare {input.variants:q} {input.fasta:q} {params.models} {params.options} "
        "-o {params.folder:q} --threads {threads} --no-progress >> {log:q} 2>&1"
