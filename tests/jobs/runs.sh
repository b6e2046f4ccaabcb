# shellcheck shell=bash
# What the tests of interrupted jobs share; sourced after ../cli/lib.sh.

# Event files have other names for every job, and the page about a run has times in it.
PLAIN=(--no-tensorboard --no-report)

# same_run A B: the same files, weights, moments, positions, and metrics but for times.
same_run() {
    local file
    diff <(cd "$1" && ls) <(cd "$2" && ls) || return 1
    for file in "$1"/*.safetensors; do
        same_tensors "$file" "$2/${file##*/}" || return 1
        same_position "$file" "$2/${file##*/}" || return 1
    done
    same_metrics "$1/metrics.jsonl" "$2/metrics.jsonl"
}

# job NAME FLAGS...: a training in the folder NAME/run, so that every run has the same configuration. With the library PRELOAD and of the text TEXT, if set.
job() {
    local place=$1
    shift
    mkdir -p "$place"
    { (
        cd "$place" || exit
        [ -z "${PRELOAD:-}" ] || export LD_PRELOAD=$PRELOAD
        exec "$PERPLEX" train --data "${TEXT:-../text.txt}" --run run --resume auto "${PLAIN[@]}" "$@"
    ) >"$OUT" 2>"$ERR" </dev/null; } 2>/dev/null # without the shell's own word on who was killed
    status=$?
}
