"""What 'python -m training run' does, with the members side by side: data set, members, student, Kipoi model."""

TRAINING = f"{OUT}/training"
_TRAINING = CONFIG["training"]
SEEDS = range(1, _TRAINING["members"] + 1)


def recipe():
    """The recipe of all steps, as options."""
    table = _TRAINING["credible_sets"]
    settings = [f"fasta={FASTA}", f"data.credible_sets.path={table}"]
    if "meta" in _TRAINING:
        settings.append(f"data.credible_sets.meta={_TRAINING['meta']}")
    settings.append(f"data.negatives.vcf=[{','.join(_TRAINING['negatives'])}]")
    settings += [f"ensemble.members={_TRAINING['members']}", "ensemble.first_seed=1", *_TRAINING["set"]]
    return words("--config", *_TRAINING["recipes"], "--set", *settings)


rule data:
    input:
        fasta=FASTA,
        table=files(_TRAINING["credible_sets"], _TRAINING.get("meta"), _TRAINING["negatives"]),
        recipes=[name for name in _TRAINING["recipes"] if "/" in name],
    output:
        manifest=f"{TRAINING}/data/manifest.json",
        report=f"{TRAINING}/data/report.md",
    params:
        recipe=recipe(),
    log:
        f"{LOGS}/data.log",
    benchmark:
        f"{BENCHMARKS}/data.tsv"
    resources:
        mem_mb=8000,
        runtime=240,
    shell:
        "{PYTHON} -m training data {params.recipe} --out {TRAINING:q}/data >> {log:q} 2>&1"


# A job that was killed resumes after its last complete epoch.
rule member:
    input:
        fasta=FASTA,
        data=rules.data.output.manifest,
    output:
        f"{TRAINING}/members/member-{{seed}}/member.safetensors",
    params:
        recipe=recipe(),
        folder=lambda wildcards: f"{TRAINING}/members/member-{wildcards.seed}",
    log:
        f"{LOGS}/member/{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/member/{{seed}}.tsv"
    wildcard_constraints:
        seed=r"\d+",
    threads: 1
    resources:
        mem_mb=8000,
        runtime=2880,
    shell:
        "export OMP_NUM_THREADS={threads}; "
        "{PYTHON} -m training fit {params.recipe} fit.seed={wildcards.seed} --data {TRAINING:q}/data "
        "--out {params.folder:q} --resume >> {log:q} 2>&1"


# The members are there: this measures them, and their mean.
rule ensemble:
    input:
        fasta=FASTA,
        data=rules.data.output.manifest,
        members=expand(rules.member.output, seed=SEEDS),
    output:
        f"{TRAINING}/members/ensemble.json",
    params:
        recipe=recipe(),
    log:
        f"{LOGS}/ensemble.log",
    benchmark:
        f"{BENCHMARKS}/ensemble.tsv"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=240,
    shell:
        "export OMP_NUM_THREADS={threads}; "
        "{PYTHON} -m training ensemble {params.recipe} --data {TRAINING:q}/data --out {TRAINING:q}/members "
        ">> {log:q} 2>&1"


rule student:
    input:
        fasta=FASTA,
        data=rules.data.output.manifest,
        members=expand(rules.member.output, seed=SEEDS),
    output:
        STUDENT,
    params:
        recipe=recipe(),
    log:
        f"{LOGS}/student.log",
    benchmark:
        f"{BENCHMARKS}/student.tsv"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=1440,
    shell:
        "export OMP_NUM_THREADS={threads}; "
        "{PYTHON} -m training distil {params.recipe} --teachers {input.members:q} --data {TRAINING:q}/data "
        "--out {TRAINING:q}/student >> {log:q} 2>&1"


rule model:
    input:
        STUDENT,
    output:
        f"{TRAINING}/model/model.yaml",
    params:
        recipe=recipe(),
    log:
        f"{LOGS}/model.log",
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "rm -rf {TRAINING:q}/model && "
        "{PYTHON} -m training export {params.recipe} --weights {input:q} --out {TRAINING:q}/model >> {log:q} 2>&1"


# A control: random weights in a network of the student's sizes, with statistics of the same windows.
rule untrained:
    input:
        weights=STUDENT,
        fasta=FASTA,
        variants=CONFIG["scores"]["variants"],
    output:
        NULL,
    log:
        f"{LOGS}/untrained.log",
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "{PYTHON} {HERE:q}/untrained.py {input.weights:q} {input.variants:q} {input.fasta:q} --output {output:q} "
        ">> {log:q} 2>&1"
