# Kilosort/Phy folders, for curation. What Snakemake declares as output it also deletes before a
# job runs and after it failed; a folder that someone curated must survive that. So the job
# declares its receipt only, and the writer itself replaces the folder or refuses to.
rule export_kilosort:
    input:
        session=session_file,
    output:
        receipt=places.RECEIPT.replace("{format}", "kilosort"),
    log:
        "logs/kilosort/{session}.log",
    benchmark:
        "work/benchmarks/kilosort/{session}.tsv"
    group:
        cluster_job
    conda:
        "../envs/spikelab.yaml"
    threads: 1
    resources:
        mem_mb=export_mem_mb("kilosort"),
        runtime=export_runtime,
    params:
        export=PLAN.export_options("kilosort"),
    message:
        "Exporting session {wildcards.session} to a Kilosort/Phy folder"
    script:
        "../scripts/export.py"


# The same for a folder that was removed since: its receipt alone would not bring it back.
use rule export_kilosort as restore_kilosort with:
    output:
        receipt=places.RESTORED.replace("{format}", "kilosort"),
    params:
        export=PLAN.export_options("kilosort"),
        last=folder_restored,


# For those who ask for the folder by its name. There is nothing to do once the receipt is there,
# and a rule that runs nothing deletes nothing.
rule kilosort_folder:
    input:
        folder_proof,
    output:
        directory(places.result("kilosort")),
    message:
        "The Kilosort/Phy folder of session {wildcards.session} is there"


rule kilosort:
    input:
        PLAN.targets("kilosort"),
    message:
        "Every session is there as kilosort"
