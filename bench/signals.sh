#!/usr/bin/env bash
# How trainings end that get a signal at a random moment, and whether they go on as if nothing had been. For every signal, number of
# hidden units and number of threads COUNT trainings of a fraction of a second: one that the signal met must end with status 75, and,
# resumed, must have the weights, moments and hidden state of the one that nobody stopped, bit for bit. One line for each combination;
# status 1 where anything else happened.
set -u
usage() {
    cat <<'END'
usage: bench/signals.sh PERPLEX TEXT [--count N] [--signals "TERM INT ..."] [--hidden "32 128 ..."] [--threads "1 2"] [--seed N]
END
}
[ $# -ge 2 ] || { usage >&2; exit 2; }
perplex=$1 text=$2
shift 2
count=100 signals="TERM INT USR1 USR2 HUP" hidden="32 128 256 512" threads="1 2" RANDOM=1
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || { usage >&2; exit 2; }
    case "$1" in
        --count) count=$2 ;;
        --signals) signals=$2 ;;
        --hidden) hidden=$2 ;;
        --threads) threads=$2 ;;
        --seed) RANDOM=$2 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift 2
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
# the tensors of a checkpoint, without the header, which says when it was written
tensors() { tail -c +$((9 + $(od -An -tu8 -N 8 "$1"))) "$1"; }
# steps that take some 0.3 seconds: few at h=512
steps_for() { echo $((4000 / ($1 / 16 + 2) / ($1 / 64 + 1))); }

# train FOLDER ARGS...: `exec` and --default-signal, since a script's background jobs ignore SIGINT
train() {
    local folder=$1
    shift
    exec env --default-signal=INT,HUP "$perplex" train "$@" --run "$folder" >"$folder.out" 2>&1 </dev/null
}

failures=0
for h in $hidden; do
    for t in $threads; do
        flags=(--data "$text" --hidden "$h" --batch 16 --steps 32 --threads "$t" --max-steps "$(steps_for "$h")" --epochs 0 --schedule constant
            --valid-every 0 --log-every 5 --reset-probability 0.05 --no-report --no-tensorboard)
        begun=$(milliseconds)
        (train "$work/whole" "${flags[@]}") || { echo "signals.sh: a training alone ends with $?" >&2; cat "$work/whole.out" >&2; exit 1; }
        took=$(($(milliseconds) - begun))
        for signal in $signals; do
            stopped=0 late=0 other=0 differ=0
            while [ $((stopped + other)) -lt "$count" ] && [ $late -lt $((20 * count + 20)) ]; do
                rm -rf "$work/run"
                (train "$work/run" "${flags[@]}") &
                job=$!
                # not before it trains: until then a signal simply ends the program
                for _ in {1..3000}; do
                    [ ! -s "$work/run/metrics.jsonl" ] || break
                    sleep 0.005
                done
                sleep "$(printf '0.%03d' $((RANDOM % (took * 2 / 3 + 1) % 1000)))"
                kill -"$signal" $job 2>/dev/null
                wait $job 2>/dev/null
                status=$?
                case $status in
                    0) late=$((late + 1)); continue ;;
                    75) stopped=$((stopped + 1)) ;;
                    *) other=$((other + 1)); echo "h=$h threads=$t SIG$signal: status $status"; tail -n 3 "$work/run.out"; continue ;;
                esac
                "$perplex" train --resume "$work/run" >"$work/resumed.out" 2>&1 </dev/null || { differ=$((differ + 1)); tail -n 3 "$work/resumed.out"; continue; }
                cmp -s <(tensors "$work/whole/last.safetensors") <(tensors "$work/run/last.safetensors") || differ=$((differ + 1))
            done
            echo "h=$h threads=$t SIG$signal: $stopped of $count ended with 75 and $((stopped - differ)) of these, resumed, are the run that was never stopped; $late ended before the signal"
            [ "$stopped" = "$count" ] && [ "$differ" = 0 ] || failures=$((failures + 1))
        done
        rm -rf "$work/whole"
    done
done
[ $failures = 0 ] && echo "all as they should be"
