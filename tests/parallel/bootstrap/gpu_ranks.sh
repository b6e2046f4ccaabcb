#!/usr/bin/env bash
# Whole trainings of several ranks, one for each GPU: gpu_ranks.sh PROGRAM MODULE FAKE_NCCL. The engine is the simulated one and NCCL a fake
# that sums over processes; everything between them is the program's own.
set -u
program=$1
export PERPLEX_CUDA_MODULE=$2 PERPLEX_NCCL=$3 PERPLEX_FAKE_DEVICES=4
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
unset MASTER_ADDR MASTER_PORT PERPLEX_BOOTSTRAP_KEY NCCL_ALGO NCCL_PROTO SLURM_JOB_ID SLURM_STEP_ID OMPI_COMM_WORLD_SIZE PMIX_RANK PMI_RANK
export PERPLEX_BOOTSTRAP_DIR=$work/meet PX_FAKE_NCCL_DIR=$work OMP_NUM_THREADS=1 PERPLEX_JOB
cases=0 failures=0 job=0

ok() { cases=$((cases + 1)); echo "ok    $1"; }
fail() {
    cases=$((cases + 1)) failures=$((failures + 1))
    echo "FAIL  $1"
    tail -n 4 "$work"/*.out "$work"/*.err 2>/dev/null | cut -c 1-400 | sed 's/^/      | /'
}
must() {
    local name=$1
    shift
    if "$@"; then ok "$name"; else fail "$name"; fi
}

# ranks SIZE ARGS...: the program on that many ranks; their statuses are in $statuses.
ranks() {
    local size=$1 r pids="" pid
    shift
    set -- timeout 600 "$program" "$@"
    job=$((job + 1))
    PERPLEX_JOB=job-$job
    rm -f "$work"/*.out "$work"/*.err
    for ((r = 0; r < size; r++)); do
        RANK=$r WORLD_SIZE=$size LOCAL_RANK=$r PX_FAKE_NCCL_FAULT=${fault[r]:-} "$@" >"$work/$r.out" 2>"$work/$r.err" &
        pids="$pids $!"
    done
    statuses=""
    for pid in $pids; do
        wait "$pid"
        statuses="$statuses $?"
    done
}
fault=()
says() { grep -q -e "$2" "$work/$1.err" "$work/$1.out"; }

i=0
while [ $i -lt 80 ]; do
    echo "line $i says what $((i * i)) lines before it had not said" >>"$work/text"
    i=$((i + 1))
done
flags=(--data "$work/text" --level byte --split 0.8,0.2,0 --hidden 9 --layers 2 --embed 5 --dropout 0.3 --optimizer adam --lr 0.01 --clip 1 --batch 8
    --steps 7 --seed 4 --log-every 1 --device cuda --rank-timeout 3600) # longer than a run is given: what ends does not end at that
# losses DIR: the training losses of every step.
losses() { sed -n 's/.*"event": *"train".*"step": *\([0-9]*\),.*"loss": *\([0-9.]*\),.*/\1 \2/p' "$1/metrics.jsonl"; }
# near A B: the same steps, losses within 1e-5 of each other.
near() {
    [ "$(losses "$1" | wc -l)" -gt 5 ] || return 1
    paste -d ' ' <(losses "$1") <(losses "$2") | awk '{ d = $2 - $4; if ($1 != $3 || d > 1e-5 * $2 || -d > 1e-5 * $2) exit 1 }'
}

"$program" train "${flags[@]}" --max-steps 12 --run "$work/one" >"$work/one.log" 2>&1 || { cat "$work/one.log"; exit 1; }
ranks 2 train "${flags[@]}" --max-steps 12 --run "$work/two" --bootstrap file
must "two ranks train, meeting by files" test "$statuses" = " 0 0"
must "rank 0 alone speaks" test -s "$work/0.out" -a ! -s "$work/1.out"
must "each has the GPU of its number" says 0 "cuda:0 Simulated GPU"
must "NCCL is named with what is pinned" says 0 "sums over 2 GPUs: NCCL 2.29.5, algorithm Ring, protocol Simple"
must "the losses of all steps are those of one rank" near "$work/one" "$work/two"
MASTER_ADDR=127.0.0.1 MASTER_PORT=$((20000 + $$ % 20000)) ranks 2 train "${flags[@]}" --max-steps 12 --run "$work/again" --bootstrap tcp
must "two ranks train, meeting by TCP" test "$statuses" = " 0 0"
# tensors FILE: what lies behind the header, which names run and flags.
tensors() { tail -c +$((9 + $(od -An -tu8 -N8 "$1"))) "$1"; }
same_tensors() { cmp <(tensors "$1") <(tensors "$2") && [ "$(tensors "$1" | wc -c)" -gt 3000 ]; }
must "and repeat to the bit" same_tensors "$work/two/last.safetensors" "$work/again/last.safetensors"
ranks 2 train "${flags[@]}" --max-steps 12 --wavefront 3 --run "$work/wave" --bootstrap file
must "two ranks whose layers compute side by side" test "$statuses" = " 0 0"
must "have the same bits" same_tensors "$work/two/last.safetensors" "$work/wave/last.safetensors"
ranks 4 train "${flags[@]}" --max-steps 6 --schedule-steps 12 --accumulate 2 --run "$work/four" --bootstrap file
must "four ranks that accumulate" test "$statuses" = " 0 0 0 0"
ranks 2 train --resume "$work/four" --max-steps 12 --accumulate 1
must "and two that go on" test "$statuses" = " 0 0"
must "have the losses of one rank" near "$work/one" "$work/four"

PERPLEX_FAKE_DEVICES=2 ranks 3 train "${flags[@]}" --batch 9 --max-steps 2 --run "$work/none" --bootstrap file
must "more ranks than GPUs are refused" says 2 "has 2 GPUs"
must "by all" test "$statuses" = " 2 2 2"

for words in "reduce-breaks@7:socket closed" "enqueue-fails@7:connection refused" "init-fails:Duplicate GPU"; do
    fault=([1]="${words%%:*}")
    ranks 2 train "${flags[@]}" --max-steps 12 --run "$work/broken" --bootstrap file
    must "${words%%:*} on rank 1 ends both ranks" test "${statuses/ 0/}" = "$statuses"
    must "and rank 0 says why" says 0 "${words#*:}"
    rm -rf "$work/broken"
done
fault=([1]="reduce-dies@7")
ranks 2 train "${flags[@]}" --max-steps 12 --run "$work/dead" --bootstrap file
must "a rank that dies between its sums ends the other" test "$statuses" = " 1 9"
must "which says so" says 0 "the connection to rank 1 has ended"
fault=([1]="reduce-hangs@7")
ranks 2 train "${flags[@]}" --max-steps 12 --run "$work/hung" --bootstrap file --rank-timeout 2
must "a sum that hangs ends both ranks" test "$statuses" = " 1 1"
must "with a message" says 0 "within 2 s\|has failed\|no answer"

echo "$((cases - failures)) of $cases cases hold"
[ "$failures" = 0 ] && [ "$cases" -gt 15 ]
