#!/usr/bin/env bash
# What a checkpoint costs: the same training with a checkpoint at every step and with none but the first and last, in turns; the
# difference of their whole times by the checkpoints written. One JSON object a line and a table.
#
#   bench/checkpoint.sh PERPLEX [OUT.json]      ROUNDS=3 STEPS=40 FOLDER=/where/runs/lie
set -euo pipefail
export LC_ALL=C # numbers with a point, whatever the user's language
perplex=$(realpath "${1:?usage: $0 PERPLEX [OUT.json]}")
out=${2:-checkpoint.json}
rounds=${ROUNDS:-3} steps=${STEPS:-40}
work=$(mktemp -d "${FOLDER:-${TMPDIR:-/tmp}}/checkpoint.XXXXXX")
trap 'rm -rf "$work"' EXIT
awk 'BEGIN { srand(1); for (i = 0; i < 400000; i++) printf "%c", 97 + int(26 * rand()) }' >"$work/text"

# seconds FLAGS...: the whole time of one training
seconds() {
    local begin end
    rm -rf "$work/run"
    begin=$(date +%s.%N)
    "$perplex" train --data "$work/text" --split 1,0,0 --max-steps "$steps" --schedule constant --no-report --no-tensorboard --run "$work/run" "$@" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    end=$(date +%s.%N)
    awk -v a="$begin" -v b="$end" 'BEGIN { print b - a }'
}
median() { sort -g | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }

: >"$out"
printf '| h | L | checkpoint | without | with %d more | each |\n|---|---|---|---|---|---|\n' $((steps - 1))
for size in "256 1" "512 1" "1024 2"; do
    read -r h L <<<"$size"
    : >"$work/none"
    : >"$work/every"
    for ((round = 0; round < rounds; round++)); do
        seconds --hidden "$h" --layers "$L" --batch 8 --steps 8 >>"$work/none"
        seconds --hidden "$h" --layers "$L" --batch 8 --steps 8 --checkpoint-every 1 >>"$work/every"
    done
    bytes=$(stat -c %s "$work/run/last.safetensors")
    awk -v h="$h" -v L="$L" -v bytes="$bytes" -v none="$(median <"$work/none")" -v every="$(median <"$work/every")" -v k=$((steps - 1)) -v rounds="$rounds" -v out="$out" 'BEGIN {
        ms = 1000 * (every - none) / k
        printf "| %d | %d | %.1f MB | %.2f s | %.2f s | %.1f ms, %.0f MB/s |\n", h, L, bytes / 1e6, none, every, ms, bytes / 1e3 / ms
        printf "{\"hidden\": %d, \"layers\": %d, \"bytes\": %d, \"checkpoints\": %d, \"rounds\": %d, \"seconds_without\": %.4f, \"seconds_with\": %.4f, \"milliseconds_each\": %.3f}\n", h, L, bytes, k, rounds, none, every, ms >>out
    }'
done
