"""Polygenic scores of the variants that each model prefers, applied to people and evaluated by ancestry."""

if "polygenic" in CONFIG:
    _POLYGENIC = CONFIG["polygenic"]
    _COMPARED = f"{OUT}/comparisons/{_POLYGENIC['comparison']}/scores.parquet"

    def study_configuration():
        """That of 'mifm pgs run', with the comparison as scores."""
        study = {name: dict(section) if isinstance(section, dict) else section
                 for name, section in _POLYGENIC["study"].items()}
        study["build"] = {**study["build"], "scores": [{"path": _COMPARED}, *study["build"].get("scores", [])]}
        return study

    rule study:
        output:
            f"{OUT}/polygenic/study.yaml",
        params:
            study=study_configuration(),
        run:
            with open(output[0], "w") as file:
                yaml.safe_dump(params.study, file, sort_keys=False, width=100)

    # Each step of 'mifm pgs run' is kept as long as nothing that it depends on has changed.
    rule polygenic:
        input:
            study=rules.study.output,
            scores=_COMPARED,
            tables=[path for path in _strings(_POLYGENIC["study"]) if "/" in path],
        output:
            manifest=f"{OUT}/polygenic/study/evaluate/evaluation.json",
            summary=f"{OUT}/polygenic/study/evaluate/summary.tsv",
            performance=f"{OUT}/polygenic/study/evaluate/performance.tsv",
        params:
            study=study_configuration(),
        log:
            f"{LOGS}/polygenic.log",
        benchmark:
            f"{BENCHMARKS}/polygenic.tsv"
        threads: 8
        resources:
            mem_mb=16000,
            runtime=2880,
        shell:
            "{MIFM} pgs run --config {input.study:q} -o {OUT:q}/polygenic/study --no-progress >> {log:q} 2>&1"
