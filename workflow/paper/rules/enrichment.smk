"""Which chromatin states and silencers hold variants with high scores."""

if "enrichment" in CONFIG:
    _ENRICHMENT = CONFIG["enrichment"]

    def score_columns():
        """The scores of reference windows: of the network, the untrained one, and other weights."""
        names = ["student", "untrained", *(Path(name).stem for name in CONFIG["scores"]["weights"])]
        return [f"mifm_ref_{name}" for name in names]

    rule enrichment:
        input:
            scores=SCORES,
            fasta=FASTA,
            tables=files(*(_ENRICHMENT.get(key) for key in ("states", "silencers", "bed", "lift_over", "ld_blocks"))),
        output:
            manifest=f"{OUT}/enrichment/evaluation.json",
            table=f"{OUT}/enrichment/enrichment.tsv",
            trends=f"{OUT}/enrichment/trends.tsv",
        params:
            arguments=words(
                "--columns", score_columns(),
                *options(_ENRICHMENT, "states", "silencers", "ld_blocks", "population", "as_in_paper"),
                *(word for path in _ENRICHMENT["bed"] for word in ("--bed", path)),
                *(
                    word
                    for name, chain in _ENRICHMENT["lift_over"].items()
                    for word in ("--lift-over", f"{name}={chain}")
                ),
                *_ENRICHMENT["options"],
            ),
        log:
            f"{LOGS}/enrichment.log",
        benchmark:
            f"{BENCHMARKS}/enrichment.tsv"
        threads: 4
        resources:
            mem_mb=8000,
            runtime=240,
        shell:
            "{MIFM} evaluate enrichment {input.scores:q} -o {OUT:q}/enrichment --fasta {input.fasta:q} "
            "{params.arguments} --threads {threads} >> {log:q} 2>&1"
