#!/bin/bash
# Steps per second of several ranks against one rank with as many threads: the same training (--reduce tree, so the same weights, which is
# checked), in turns, medians.
#
#   bench/ranks.sh PERPLEX [OUT.json]      ROUNDS=5 STEPS=30 H=512 N=64 T=35 V=10000 CORES=2
#
# One JSON object a line and a table; awk -v check=OUT.json -f bench/scaling/scaling.awk sets a prediction beside it. The machine must be quiet.
set -eu
export LC_ALL=C # numbers with a point, whatever the user's language
PERPLEX=$(realpath "${1:?usage: $0 PERPLEX [OUT.json]}")
OUT=${2:-ranks.json}
ROUNDS=${ROUNDS:-5} STEPS=${STEPS:-30} H=${H:-512} N=${N:-64} T=${T:-35} V=${V:-10000} CORES=${CORES:-2}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
awk -v v="$V" -v k=$((N * T * STEPS * 2)) 'BEGIN { srand(1); for (i = 0; i < v; i++) print "w" i; for (; i < k; i++) print "w" int(v * rand() * rand()) }' >"$WORK/text"

# once RANKS THREADS: one training; its milliseconds per step, without the first lines, go to the file of that shape.
once() {
    local name=$1x$2 launch=()
    [ "$1" = 1 ] || launch=(mpirun --bind-to none -n "$1")
    rm -rf "$WORK/run-$name"
    "${launch[@]}" "$PERPLEX" train --data "$WORK/text" --level word --split 1,0,0 --hidden "$H" --batch "$N" --steps "$T" --max-steps "$STEPS" \
        --schedule constant --log-every 5 --reduce tree --threads "$2" --no-report --no-tensorboard --run "$WORK/run-$name" >"$WORK/log" 2>&1 ||
        { cat "$WORK/log" >&2; exit 1; }
    awk -F'"tokens_per_s":' -v tokens=$((N * T)) '/"event":"train"/ && ++k > 1 { print 1000 * tokens / ($2 + 0) }' "$WORK/run-$name/metrics.jsonl" >>"$WORK/ms-$name"
}
median() { sort -g "$1" | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }
# The tensors of a checkpoint, without the text before them.
data() { tail -c +$(($(od -An -tu8 -N8 "$1" | tr -d ' ') + 9)) "$1"; }

shapes=("1 $CORES")
for ((r = 2; r <= CORES && r <= 8; r *= 2)); do shapes+=("$r $((CORES / r))"); done
for ((round = 0; round < ROUNDS; round++)); do
    for shape in "${shapes[@]}"; do
        # shellcheck disable=SC2086 # two numbers
        once $shape
    done
done
: >"$OUT"
first=
for shape in "${shapes[@]}"; do
    name=${shape/ /x}
    cmp -s <(data "$WORK/run-1x$CORES/last.safetensors") <(data "$WORK/run-$name/last.safetensors") || { echo "$name: other weights than 1x$CORES" >&2; exit 1; }
    ms=$(median "$WORK/ms-$name")
    first=${first:-$ms}
    awk -v r="${shape% *}" -v t="${shape#* }" -v ms="$ms" -v first="$first" -v h="$H" -v n="$N" -v T="$T" -v v="$V" -v k="$ROUNDS" 'BEGIN {
        printf "{\"ranks\":%d,\"threads\":%d,\"h\":%d,\"V\":%d,\"n\":%d,\"T\":%d,\"rounds\":%d,\"ms_per_step\":%.3f,\"ratio\":%.4f}\n", r, t, h, v, n, T, k, ms, first / ms }' | tee -a "$OUT"
done
