"""Joint tests of clumps that p-values or scores filter, beside random filters: our form, and the paper's."""

if "joint" in CONFIG:
    _JOINT = {
        "joint": {key: value for key, value in CONFIG["joint"].items() if key != "as_in_paper"},
        "joint-as-in-paper": {**CONFIG["joint"], **CONFIG["joint"]["as_in_paper"], "as_in_paper": True},
    }

    def joint_arguments(form):
        """Options of a form, by the names that the command has for them."""
        section = _JOINT[form]
        return words(
            *options(
                section, "genotypes", "people", "traits", "covariates", "categorical", "binary", "quantitative",
                "missing_codes", "keep", "columns", "selection", "second_genotypes", "second_people", "second_keep", "held_out",
                "draws", "as_in_paper",
            ),
            *(word for trait, path in section["gwas"].items() for word in ("--gwas", f"{trait}={path}")),
            *section["options"],
        )

    def joint_files(form):
        """All files that a form reads; of PLINK filesets that which the option names."""
        section = _JOINT[form]
        keys = ("genotypes", "people", "keep", "second_genotypes", "second_people", "second_keep", "gwas")
        return files(*(section.get(key) for key in keys))

    rule joint:
        input:
            scores=f"{OUT}/comparisons/{CONFIG['joint']['comparison']}/scores.parquet",
            tables=lambda wildcards: joint_files(wildcards.form),
        output:
            manifest=f"{OUT}/{{form}}/evaluation.json",
            filters=f"{OUT}/{{form}}/filters.tsv",
        params:
            arguments=lambda wildcards: joint_arguments(wildcards.form),
        log:
            f"{LOGS}/{{form}}.log",
        benchmark:
            f"{BENCHMARKS}/{{form}}.tsv"
        wildcard_constraints:
            form="joint|joint-as-in-paper",
        threads: 4
        resources:
            mem_mb=16000,
            runtime=1440,
        shell:
            "{MIFM} evaluate joint {input.scores:q} -o {OUT:q}/{wildcards.form} {params.arguments} >> {log:q} 2>&1"
