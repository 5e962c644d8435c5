# Sources on S3 are downloaded once, where Snakemake runs: compute nodes need no internet. The
# whole folder is the output, because the name of the file in it is no matter of the rules; what
# was downloaded before from another URL is deleted with it.
rule fetch:
    output:
        folder=directory(places.COPIES),
        receipt=places.FETCHED,
    log:
        "logs/fetch/{session}.log",
    benchmark:
        "work/benchmarks/fetch/{session}.tsv"
    localrule: True
    conda:
        "../envs/spikelab.yaml"
    threads: 1
    params:
        source=fetch_options,
    message:
        "Downloading {params.source[url]} for session {wildcards.session}"
    script:
        "../scripts/fetch.py"
