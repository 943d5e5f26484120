"""One page of everything that was done."""


def page_inputs():
    """What the page shows, by the option that names its folder."""
    found = {"training": (f"{OUT}/training", rules.ensemble.output[0])}
    if "enrichment" in CONFIG:
        found["enrichment"] = (f"{OUT}/enrichment", rules.enrichment.output.manifest)
    if "motifs" in CONFIG:
        found["motifs"] = (f"{OUT}/motifs/found", rules.motifs.output.manifest)
        found["motif-swap"] = (f"{OUT}/motif-swap", rules.motif_swap.output[0])
    if "polygenic" in CONFIG:
        found["polygenic"] = (f"{OUT}/polygenic/study", rules.polygenic.output.manifest)
    if "joint" in CONFIG:
        for form in ("joint", "joint-as-in-paper"):
            found[form] = (f"{OUT}/{form}", f"{OUT}/{form}/evaluation.json")
    return found


rule page:
    input:
        [manifest for _, manifest in page_inputs().values()],
    output:
        html=f"{OUT}/page/report.html",
        manifest=f"{OUT}/page/evaluation.json",
    params:
        arguments=words(
            *(word for name, (folder, _) in page_inputs().items() for word in (f"--{name}", folder)),
        ),
    log:
        f"{LOGS}/page.log",
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "{MIFM} evaluate paper -o {OUT:q}/page --times {BENCHMARKS:q} {params.arguments} >> {log:q} 2>&1"
