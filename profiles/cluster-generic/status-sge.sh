#!/bin/sh
# What became of an SGE job: success, running or failed.
if qstat -j "$1" >/dev/null 2>&1; then
    echo running
    exit
fi
# The accounting file gets to know of a job some seconds after it ended.
for pause in 0 2 5 10; do
    sleep "$pause"
    if account=$(qacct -j "$1" 2>/dev/null); then
        bad=$(echo "$account" | awk '($1 == "failed" || $1 == "exit_status") && $2 != 0' | wc -l)
        [ "$bad" -eq 0 ] && echo success || echo failed
        exit
    fi
done
echo failed
