# Copies of the exports on S3. Each is a local, complete export first; what Snakemake knows of the
# object is its receipt. The jobs run where Snakemake runs, so that compute nodes need neither
# internet nor credentials.


rule upload_export:
    input:
        uploaded_export,
    output:
        receipt=f"results/{{session}}/{{session}}{{suffix}}{places.S3_SUFFIX}",
    log:
        f"logs/{places.UPLOAD}{{suffix}}/{{session}}.log",
    benchmark:
        f"work/benchmarks/{places.UPLOAD}{{suffix}}/{{session}}.tsv"
    wildcard_constraints:
        suffix=places.EXPORT_SUFFIX,
    localrule: True
    conda:
        "../envs/spikelab.yaml"
    threads: 1
    params:
        export=upload_options,
    message:
        "Uploading {params.export[source]}"
    script:
        "../scripts/upload.py"


rule upload:
    input:
        upload_targets,
    message:
        "Every upload is done"
