# The door at the root: `snakemake --cores 8` makes every export of every session.
include: "workflow/Snakefile"


rule everything:
    default_target: True
    input:
        rules.all.input,
    message:
        "Every export of every session is made"
