# shellcheck shell=bash
# Sourced before ../cli/lib.sh: temporary files go to a disk in memory where there is room, since waiting for a disk proves nothing here.
room=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)
if [ -w /dev/shm ] && [ "${room:-0}" -gt 500000 ]; then export TMPDIR=/dev/shm; fi
