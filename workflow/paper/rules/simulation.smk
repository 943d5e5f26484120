"""Known truth in the place of public files and a biobank: studies to train on, and people of other loci."""

SIMULATED = f"{OUT}/simulated"
SIMULATED_TRAITS = ["q1", "q2", "q3", "q4", "b1", "b2", "b3", "b4"]

if "known_truth" in CONFIG:

    # The simulation lies in a folder that is named by a checksum of its settings; its files get fixed names.
    rule simulate_studies:
        output:
            **{
                name: f"{SIMULATED}/loci/{file}"
                for name, file in {
                    "fasta": "genome.fa", "variants": "variants.vcf.gz", "meta": "meta.txt",
                    "motifs": "motifs.meme", "truth": "truth.parquet",
                }.items()
            },
            credible_sets=f"{SIMULATED}/studies/credible_sets.txt.gz",
            silencers=f"{SIMULATED}/studies/silencers/Homo_sapiens.bed",
            states=directory(f"{SIMULATED}/studies/states"),
        params:
            size=CONFIG["known_truth"]["studies"],
        log:
            f"{LOGS}/simulate_studies.log",
        benchmark:
            f"{BENCHMARKS}/simulate_studies.tsv"
        threads: 8
        resources:
            mem_mb=4000,
            runtime=120,
        shell:
            "rm -rf {SIMULATED:q}/studies && "
            "{PYTHON} -m benchmarks evaluation-files --size {params.size} --susie none "
            "--out {SIMULATED:q}/studies --cache {SIMULATED:q}/cache --jobs {threads} >> {log:q} 2>&1 && "
            "set -- {SIMULATED:q}/cache/*/simulation.json && "
            'if [ "$#" != 1 ]; then echo "expected one simulation in {SIMULATED}/cache" >> {log:q}; exit 1; fi && '
            "for file in genome.fa variants.vcf.gz meta.txt motifs.meme truth.parquet; do "
            'ln -f "$(dirname "$1")/$file" {SIMULATED:q}/loci/ || exit 1; done'

    rule simulate_people:
        output:
            **{
                name: f"{SIMULATED}/people/{file}"
                for name, file in {
                    "manifest": "cohort.json", "fasta": "genome.fa", "variants": "variants.vcf.gz",
                    "credible_sets": "credible_sets.txt.gz", "meta": "meta.txt",
                    "phenotypes": "phenotypes.tsv", "covariates": "covariates.tsv",
                    "truth": "truth/variants.parquet",
                }.items()
            },
            genotypes=expand(
                SIMULATED + "/people/genotypes/{sample}.{kind}",
                sample=["CEU_discovery", "CEU_replication"], kind=["bed", "bim", "fam"],
            ),
            studies=expand(
                SIMULATED + "/people/summary_statistics/CEU_discovery.{trait}.tsv.gz", trait=SIMULATED_TRAITS
            ),
        params:
            size=CONFIG["known_truth"]["people"],
        log:
            f"{LOGS}/simulate_people.log",
        benchmark:
            f"{BENCHMARKS}/simulate_people.tsv"
        threads: 8
        resources:
            mem_mb=4000,
            runtime=120,
        shell:
            "rm -rf {SIMULATED:q}/people && "
            "{PYTHON} -m benchmarks cohort --size {params.size} --out {SIMULATED:q}/people --jobs {threads} "
            ">> {log:q} 2>&1"

    # The rule as scores and scoring files, and the people of the three populations in one fileset.
    rule simulate_truth:
        input:
            truth=rules.simulate_people.output.truth,
        output:
            scores=f"{SIMULATED}/truth/scores.tsv.gz",
            genotypes=f"{SIMULATED}/truth/targets.bed",
            effects=expand(
                SIMULATED + "/truth/scoring_files/truth.{trait}.txt.gz",
                trait=SIMULATED_TRAITS,
            ),
        params:
            people=f"{SIMULATED}/people",
            folder=f"{SIMULATED}/truth",
        log:
            f"{LOGS}/simulate_truth.log",
        benchmark:
            f"{BENCHMARKS}/simulate_truth.tsv"
        resources:
            mem_mb=2000,
            runtime=30,
        shell:
            "{PYTHON} {HERE:q}/known_truth.py {params.people:q} {params.folder:q} >> {log:q} 2>&1"
