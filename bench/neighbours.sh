#!/usr/bin/env bash
# What becomes of a program's speed beside others on the same machine: tokens/s of a training (h=256, n=32, T=35, default threads)
# alone; of two and of three side by side; of one beside a busy loop, beside two, beside a compiler and beside a training of one thread;
# and the same for eval, ngram, bench's step and two ranks under mpirun. Each round measures all of them in turns, alone first and
# last; shares are of the mean of these two. The worst of all rounds is what counts. The machine must be quiet otherwise.
#
#   bench/neighbours.sh PERPLEX TEXT [OUT.md]      ROUNDS=10 SECONDS_EACH=6 KINDS="train eval ngram ranks"
set -u
export LC_ALL=C
perplex=$(realpath "${1:?usage: $0 PERPLEX TEXT [OUT.md]}")
text=$(realpath "${2:?usage: $0 PERPLEX TEXT [OUT.md]}")
out=${3:-/dev/stdout}
rounds=${ROUNDS:-10} seconds=${SECONDS_EACH:-6} kinds=${KINDS:-train eval ngram ranks}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cores=$(nproc)

FLAGS=(--data "$text" --hidden 256 --max-steps 1000000 --epochs 0 --log-every 20 --no-report --no-tensorboard)
rate_of_run() { awk 'match($0, /"tokens_per_s":[0-9.e+]+/) && /"event":"train"/ { s += 1 / substr($0, RSTART + 15, RLENGTH - 15); n++ } END { print n ? n / s : 0 }' "$1/metrics.jsonl"; }

# one KIND NAME: works for $seconds; its rate goes to $work/NAME.rate. Tokens/s of a training; calls of eval or ngram per second.
one() {
    local kind=$1 name=$2
    case $kind in
        train) timeout -s INT "$seconds" "$perplex" train "${FLAGS[@]}" --run "$work/$name" >/dev/null 2>&1; rate_of_run "$work/$name" >"$work/$name.rate" ;;
        thread) timeout -s INT "$seconds" "$perplex" train "${FLAGS[@]}" --threads 1 --run "$work/$name" >/dev/null 2>&1; rate_of_run "$work/$name" >"$work/$name.rate" ;;
        ranks) timeout -s INT "$seconds" mpirun -n "$cores" --bind-to none "$perplex" train "${FLAGS[@]}" --threads 1 --reduce fast --run "$work/$name" >/dev/null 2>&1
            rate_of_run "$work/$name" >"$work/$name.rate" ;;
        eval | ngram) again "$kind" >"$work/$name.rate" ;;
    esac
    rm -rf "${work:?}/$name"
}
# again KIND: the same short call again and again
again() {
    local call=(eval --model "$work/model/last.safetensors" --data "$work/part.txt") begun=${EPOCHREALTIME/[.,]/} count=0 now
    [ "$1" = eval ] || call=(ngram --order 4 --data "$work/part.txt")
    while now=${EPOCHREALTIME/[.,]/} && [ $((now - begun)) -lt $((seconds * 1000000)) ]; do
        "$perplex" "${call[@]}" >/dev/null 2>&1 || { echo 0; return; }
        count=$((count + 1))
    done
    echo "$count $((now - begun))" | awk '{ print $1 / $2 * 1e6 }'
}
busy() { timeout "$seconds" sh -c 'while :; do :; done'; }
compile() { # one compiler after another
    awk 'BEGIN { for (i = 0; i < 4000; i++) print "double f" i "(double x) { for (int k = 0; k < 9; k++) x = x * x + " i "; return x; }" }' >"$work/c.c"
    timeout "$seconds" sh -c 'while :; do cc -O2 -c -o "$0.o" "$0"; done' "$work/c.c"
}
sum() { cat "$@" | awk '{ s += $1 } END { print s + 0 }'; }

# situation KIND NAME: prints the rate of KIND, together where there are several
situation() {
    local kind=$1
    rm -f "$work"/*.rate
    case $2 in
        alone) one "$kind" a ;;
        two) one "$kind" a & one "$kind" b & wait ;;
        three) one "$kind" a & one "$kind" b & one "$kind" c & wait ;;
        loop) busy & one "$kind" a; wait ;;
        "two loops") busy & busy & one "$kind" a; wait ;;
        compiler) compile >/dev/null 2>&1 & one "$kind" a; wait ;;
        "one thread") one thread other & one "$kind" a; wait; rm -f "$work/other.rate" ;;
    esac
    sum "$work"/?.rate
}

head -c 400000 "$text" >"$work/part.txt"
"$perplex" train "${FLAGS[@]}" --max-steps 5 --run "$work/model" >/dev/null 2>&1 || { echo "neighbours.sh: no model was trained" >&2; exit 1; }
situations=(two three loop "two loops" compiler "one thread")
for kind in $kinds; do
    [ "$kind" != ranks ] || command -v mpirun >/dev/null || { echo "SKIP: ranks: no mpirun" >&2; continue; }
    for ((round = 1; round <= rounds; round++)); do
        before=$(situation "$kind" alone)
        for s in "${situations[@]}"; do echo "$kind|$s|$round|$(situation "$kind" "$s")"; done >"$work/round"
        after=$(situation "$kind" alone)
        awk -F'|' -v OFS='|' -v before="$before" -v after="$after" '{ alone = (before + after) / 2; print $0, alone, $4 / alone }' "$work/round" >>"$work/all"
    done
done
{
    echo "| program | beside | rounds | worst share of alone | median | best | alone, median |"
    echo "|---|---|---|---|---|---|---|"
    cut -d '|' -f 1,2 "$work/all" | awk '!seen[$0]++' | while IFS='|' read -r kind s; do
        awk -F'|' -v k="$kind" -v s="$s" '$1 == k && $2 == s { print $6, $5 }' "$work/all" | sort -g |
            awk -v k="$kind" -v s="$s" '{ x[NR] = $1; a[NR] = $2 } END { n = asort_free(a, NR); printf "| %s | %s | %d | %.1f %% | %.1f %% | %.1f %% | %.4g |\n", k, s, NR, 100 * x[1], 100 * (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2, 100 * x[NR], a[int((NR + 1) / 2)] }
                 function asort_free(v, n,   i, j, t) { for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t } return n }'
    done
} >"$out"
