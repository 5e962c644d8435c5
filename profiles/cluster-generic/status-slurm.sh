#!/bin/sh
# What became of a Slurm job: success, running or failed.
answer=$(scontrol --oneliner show job "$1" 2>&1)
case $answer in
    *" JobState=COMPLETED "*) echo success ;;
    *" JobState=PENDING "* | *" JobState=CONFIGURING "* | *" JobState=RUNNING "* | \
        *" JobState=COMPLETING "* | *" JobState=SUSPENDED "* | *" JobState=STOPPED "* | \
        *" JobState=REQUEUED "* | *" JobState=REQUEUE_HOLD "* | *" JobState=SPECIAL_EXIT "* | \
        *" JobState=RESIZING "* | *" JobState=SIGNALING "* | *" JobState=STAGE_OUT "*)
        echo running ;;
    *" JobState="*) echo failed ;;
    # It ended so long ago that Slurm forgot it: it is made again, at worst in vain.
    *"Invalid job id"*) echo failed ;;
    # The controller does not answer: ask again later.
    *) echo running ;;
esac
