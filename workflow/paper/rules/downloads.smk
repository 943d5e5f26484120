"""Public files: those that are there are used as they are, others are downloaded where an address is known."""

KNOWN_FILES = yaml.safe_load(Path(HERE, "downloads.yaml").read_text())
FETCHED = {name: entry for name, entry in KNOWN_FILES.items() if "address" in entry}


def check_by_hand():
    """Name the files that are needed, are not there, and cannot be fetched, with where they come from."""
    needed = set(files(*_strings(CONFIG)))
    missing = [
        f"{DOWNLOADS}/{name} ({entry['what']}) from {entry['page']}"
        for name, entry in KNOWN_FILES.items()
        if "address" not in entry and f"{DOWNLOADS}/{name}" in needed and not Path(DOWNLOADS, name).exists()
    ]
    if missing:
        raise WorkflowError(
            "these files have no address from which a program could fetch them; download them by hand, or "
            "name others in the configuration:\n  " + "\n  ".join(missing)
        )


def _strings(value):
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _strings(item)]


check_by_hand()


# What has come is in FILE.part, which the rule must not name: the next try goes on from there.
rule download:
    output:
        f"{DOWNLOADS}/{{file}}",
    params:
        arguments=lambda wildcards: words(
            FETCHED[wildcards.file]["address"], *options(FETCHED[wildcards.file], "md5", "bytes")
        ),
    log:
        f"{LOGS}/download/{{file}}.log",
    wildcard_constraints:
        file="|".join(re.escape(name) for name in FETCHED) or "(?!)",
    resources:
        mem_mb=500,
        runtime=600,
    retries: 2
    shell:
        "{PYTHON} {HERE:q}/download.py {params.arguments} --output {output:q} >> {log:q} 2>&1"


# FASTA files are read plain or as bgzip, and UCSC's are gzip.
rule unpack:
    input:
        f"{DOWNLOADS}/{{genome}}.fa.gz",
    output:
        f"{DOWNLOADS}/{{genome}}.fa",
    log:
        f"{LOGS}/unpack/{{genome}}.log",
    resources:
        mem_mb=500,
        runtime=60,
    shell:
        "gzip --decompress --stdout {input:q} > {output:q} 2> {log:q}"
