"""Which motifs the network reads, beside untrained networks, and what a pattern does in the place of another."""

if "motifs" in CONFIG:
    _MOTIFS = CONFIG["motifs"]
    NULL_SEEDS = range(_MOTIFS["nulls"])

    rule attribute:
        input:
            weights=STUDENT,
            fasta=FASTA,
            variants=_MOTIFS.get("variants", CONFIG["scores"]["variants"]),
        output:
            f"{OUT}/motifs/student.h5",
        params:
            arguments=words(*options(_MOTIFS, "sample", "min_distance")),
        log:
            f"{LOGS}/attribute/student.log",
        benchmark:
            f"{BENCHMARKS}/attribute/student.tsv"
        threads: 8
        resources:
            mem_mb=8000,
            runtime=1440,
        shell:
            "{MIFM} attribute {input.fasta:q} --vcf {input.variants:q} --weights {input.weights:q} "
            "-o {output:q} {params.arguments} --threads {threads} --resume --no-progress >> {log:q} 2>&1"

    use rule attribute as attribute_untrained with:
        output:
            f"{OUT}/motifs/untrained-{{seed}}.h5",
        params:
            arguments=lambda wildcards: words(
                *options(_MOTIFS, "sample", "min_distance"), "--untrained", wildcards.seed
            ),
        log:
            f"{LOGS}/attribute/untrained-{{seed}}.log",
        benchmark:
            f"{BENCHMARKS}/attribute/untrained-{{seed}}.tsv"
        wildcard_constraints:
            seed=r"\d+",

    rule motifs:
        input:
            attributions=rules.attribute.output,
            nulls=expand(rules.attribute_untrained.output, seed=NULL_SEEDS),
            databases=_MOTIFS["databases"],
        output:
            manifest=f"{OUT}/motifs/found/evaluation.json",
            table=f"{OUT}/motifs/found/patterns.tsv",
            factors=f"{OUT}/motifs/found/factors.tsv",
            counts=f"{OUT}/motifs/found/counts.tsv",
            patterns=f"{OUT}/motifs/found/patterns.h5",
        params:
            arguments=words(
                "--motifs", _MOTIFS["databases"],
                *option("--null", [f"{OUT}/motifs/untrained-{seed}.h5" for seed in NULL_SEEDS]),
                *options(_MOTIFS, "seqlets", "windows", "as_in_paper"),
                *_MOTIFS["options"],
            ),
        log:
            f"{LOGS}/motifs.log",
        benchmark:
            f"{BENCHMARKS}/motifs.tsv"
        threads: 8
        resources:
            mem_mb=16000,
            runtime=2880,
        shell:
            "{MIFM} evaluate motifs {input.attributions:q} -o {OUT:q}/motifs/found {params.arguments} --resume "
            "--threads {threads} >> {log:q} 2>&1"

    # The paper's swap is of a factor with patterns of both signs. Where no factor has them, those of most seqlets
    # of either sign are swapped; where there are none of a sign, the page says so.
    rule motif_swap:
        input:
            attributions=rules.attribute.output,
            patterns=rules.motifs.output.patterns,
            table=rules.motifs.output.table,
            weights=STUDENT,
        output:
            f"{OUT}/motif-swap/choice.json",
        params:
            choice=words(*options(_MOTIFS["swap"], "factors", "patterns", "most")),
        log:
            f"{LOGS}/motif_swap.log",
        benchmark:
            f"{BENCHMARKS}/motif_swap.tsv"
        threads: 4
        resources:
            mem_mb=8000,
            runtime=240,
        shell:
            "chosen=$({PYTHON} {HERE:q}/patterns.py {input.table:q} --output {output:q}.chosen {params.choice} "
            "2>> {log:q}) && "
            'if [ -n "$chosen" ]; then '
            "{MIFM} evaluate motif-swap {input.attributions:q} {input.patterns:q} -o {OUT:q}/motif-swap "
            "--weights {input.weights:q} $chosen --threads {threads} >> {log:q} 2>&1; fi && "
            "mv {output:q}.chosen {output:q}"
