# HDF5 in four styles.
rule export_hdf5:
    input:
        session=session_file,
    output:
        file=update(places.result("hdf5_ragged").replace("ragged", "{style}")),
        receipt=places.RECEIPT.replace("{format}", "hdf5_{style}"),
    log:
        "logs/hdf5_{style}/{session}.log",
    benchmark:
        "work/benchmarks/hdf5_{style}/{session}.tsv"
    group:
        cluster_job
    conda:
        "../envs/spikelab.yaml"
    threads: 1
    resources:
        mem_mb=export_mem_mb("hdf5_{style}"),
        runtime=export_runtime,
    params:
        export=hdf5_options,
    message:
        "Exporting session {wildcards.session} to HDF5, style {wildcards.style}"
    script:
        "../scripts/export.py"


rule hdf5_ragged:
    input:
        PLAN.targets("hdf5_ragged"),
    message:
        "Every session is there as hdf5_ragged"


rule hdf5_raster:
    input:
        PLAN.targets("hdf5_raster"),
    message:
        "Every session is there as hdf5_raster"


rule hdf5_group:
    input:
        PLAN.targets("hdf5_group"),
    message:
        "Every session is there as hdf5_group"


rule hdf5_paired:
    input:
        PLAN.targets("hdf5_paired"),
    message:
        "Every session is there as hdf5_paired"
