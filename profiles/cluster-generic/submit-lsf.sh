#!/bin/sh
# Hand a job to LSF and print nothing but its id: "Job <123> is submitted to ..." becomes 123.
bsub "$@" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p'
