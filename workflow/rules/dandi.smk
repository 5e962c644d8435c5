# The layout of the DANDI archive, where the configuration asks for it (nwb: layout: dandi).
rule archive_dandi:
    input:
        nwb=places.result("nwb"),
    output:
        receipt=places.RECEIPT.replace("{format}", places.DANDI),
    log:
        f"logs/{places.DANDI}/{{session}}.log",
    benchmark:
        f"work/benchmarks/{places.DANDI}/{{session}}.tsv"
    group:
        cluster_job
    conda:
        "../envs/spikelab.yaml"
    threads: 1
    resources:
        mem_mb=export_mem_mb("dandi"),
        runtime=export_runtime,
    params:
        library=PLAN.export_options("nwb")["library"],
    message:
        "Placing session {wildcards.session} in the dandiset"
    script:
        "../scripts/archive.py"


# The same for a file that was removed since: its receipt alone would not bring it back.
use rule archive_dandi as restore_dandi with:
    output:
        receipt=places.RESTORED.replace("{format}", places.DANDI),
    params:
        library=PLAN.export_options("nwb")["library"],
        last=archive_restored,
