# Pickles, for Python scripts.
rule export_pickle:
    input:
        session=session_file,
    output:
        file=update(places.result("pickle")),
        receipt=places.RECEIPT.replace("{format}", "pickle"),
    log:
        "logs/pickle/{session}.log",
    benchmark:
        "work/benchmarks/pickle/{session}.tsv"
    group:
        cluster_job
    conda:
        "../envs/spikelab.yaml"
    threads: 1
    resources:
        mem_mb=export_mem_mb("pickle"),
        runtime=export_runtime,
    params:
        export=PLAN.export_options("pickle"),
    message:
        "Exporting session {wildcards.session} to pickle"
    script:
        "../scripts/export.py"


rule pickle:
    input:
        PLAN.targets("pickle"),
    message:
        "Every session is there as pickle"
