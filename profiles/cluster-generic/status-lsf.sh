#!/bin/sh
# What became of an LSF job: success, running or failed.
case $(bjobs -noheader -o stat "$1" 2>&1) in
    DONE*) echo success ;;
    EXIT* | ZOMBI* | *"is not found"*) echo failed ;;
    *) echo running ;;
esac
