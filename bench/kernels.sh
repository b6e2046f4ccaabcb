#!/usr/bin/env bash
# Every kernel and variant by itself: checked, and timed where that is asked for.
#
#   bench/kernels.sh PROGRAM [--time] [--only WORDS]
#
# PROGRAM is kernel_cases_gpu, or kernel_cases with the simulated kernels. Each pair of kernel and variant runs in a process
# of its own under a time limit: one that hangs, or ends the CUDA context with its fault, takes no other with it. Prints the
# cases' lines, then a line for each pair that failed; exit status 1 where one did, 77 where the program finds no GPU.
#
#   --only WORDS       pairs that match this regular expression, as "window_.* persistent"
#   PERPLEX_KERNEL_SECONDS   the limit of a pair [60]
set -u
export LC_ALL=C

[ $# -ge 1 ] || {
    sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p}' "$0"
    exit 2
}
program=$1
shift
seconds=${PERPLEX_KERNEL_SECONDS:-60}
only=.
options=()
while [ $# -gt 0 ]; do
    case $1 in
        --time) options+=(--time) ;;
        --only)
            [ $# -ge 2 ] || {
                echo "--only: a regular expression is missing" >&2
                exit 2
            }
            only=$2
            shift
            ;;
        *)
            echo "$1: not known; bench/kernels.sh PROGRAM [--time] [--only WORDS]" >&2
            exit 2
            ;;
    esac
    shift
done

pairs=$("$program" --list)
status=$?
if [ "$status" -ne 0 ]; then
    echo "$pairs"
    exit "$status"
fi
failed=0
while read -r kernel variant; do
    [[ "$kernel $variant" =~ $only ]] || continue
    timeout -k 5 "$seconds" "$program" --kernel "$kernel" --variant "$variant" ${options[@]+"${options[@]}"} </dev/null
    status=$?
    [ "$status" -eq 0 ] && continue
    failed=$((failed + 1))
    case $status in
        124 | 137) echo "FAILED: $kernel $variant: not done after $seconds s" ;;
        *) echo "FAILED: $kernel $variant: exit status $status" ;;
    esac
done <<<"$pairs"
echo "$failed failed"
[ "$failed" -eq 0 ]
