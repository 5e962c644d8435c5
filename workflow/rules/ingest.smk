# Each source is read once, into one session file that every exporter reads.
rule ingest:
    input:
        source=source_files,
    output:
        session=places.SESSION_FILE,
    log:
        "logs/ingest/{session}.log",
    benchmark:
        "work/benchmarks/ingest/{session}.tsv"
    group:
        cluster_job
    conda:
        "../envs/spikelab.yaml"
    threads: 1
    resources:
        mem_mb=ingest_mem_mb,
        runtime=ingest_runtime,
    params:
        reading=reading_options,
    message:
        "Reading session {wildcards.session}"
    script:
        "../scripts/ingest.py"
