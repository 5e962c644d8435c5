# Neurodata Without Borders, for archives.
rule export_nwb:
    input:
        session=session_file,
    output:
        file=update(places.result("nwb")),
        receipt=places.RECEIPT.replace("{format}", "nwb"),
    log:
        "logs/nwb/{session}.log",
    benchmark:
        "work/benchmarks/nwb/{session}.tsv"
    group:
        cluster_job
    conda:
        "../envs/spikelab.yaml"
    threads: 1
    resources:
        mem_mb=export_mem_mb("nwb"),
        runtime=export_runtime,
    params:
        export=PLAN.export_options("nwb"),
    message:
        "Exporting session {wildcards.session} to NWB"
    script:
        "../scripts/export.py"


rule nwb:
    input:
        PLAN.targets("nwb"),
    message:
        "Every session is there as nwb"
