#!/bin/sh
# What became of a PBS or Torque job: success, running or failed.
# -x shows jobs that ended; Torque, which knows no -x of this kind, shows them for a while anyway.
answer=$(qstat -x -f "$1" 2>&1) || answer=$(qstat -f "$1" 2>&1)
case $answer in
    *"job_state = F"* | *"job_state = C"*)
        case $(echo "$answer" | awk 'tolower($1) == "exit_status" { print $3 }') in
            0) echo success ;;
            *) echo failed ;;
        esac ;;
    *"Unknown Job"*) echo failed ;;
    *) echo running ;;
esac
