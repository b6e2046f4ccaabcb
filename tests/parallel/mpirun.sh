#!/bin/bash
# Trainings by mpirun: the same weights from 1, 2 and 4 ranks and any accumulation, interrupted and resumed on another number of ranks;
# what cannot be divided is refused; a rank that dies, hangs or disagrees ends the job.
# shellcheck source=tests/cli/lib.sh disable=SC2016,SC2317
. "$(dirname "$0")/../cli/lib.sh"
command -v mpirun >/dev/null || { skip mpirun "there is no mpirun here: apt-get install openmpi-bin libopenmpi-dev"; exit 77; }
[ -e "$(dirname "$PERPLEX")/perplex-mpi.so" ] || { skip mpirun "this build has no MPI (perplex-mpi.so): apt-get install libopenmpi-dev"; exit 77; }
for name in $(env | grep -oE '^(SLURM|PMIX|PMI|OMPI)_[A-Z_]*'); do unset "$name"; done
unset RANK WORLD_SIZE LOCAL_RANK
# In a container processes may not read each other's memory; without that OpenMPI complains, and copies twice.
export OMPI_MCA_btl=vader,self OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

awk 'BEGIN { srand(3); split("the a red old ship house sees finds calls man sea king of and in with", w, " ");
             for (i = 0; i < 9000; i++) printf "%s%s", w[1 + int(rand() * rand() * 16)], (i % 11 == 10 ? ".\n" : " ") }' >text.txt
# Everything that could break equality at once: dropout of every kind, two layers, Adam, clipping that takes effect, resets, averages.
SETTINGS=(--data text.txt --hidden 40 --embed 12 --layers 2 --dropout 0.2 --dropout-input 0.1 --dropout-weight 0.1 --clip 0.3 --batch 16 --steps 9
    --reset-probability 0.05 --threads 1 --max-steps 200 --schedule-steps 200 --warmup-steps 20 --valid-every 80 --log-every 50 --average from
    --average-from 120 --no-report --no-tensorboard)

# ranks N ARGS...: perplex train on N ranks; its status is in $status.
ranks() {
    local n=$1
    shift
    timeout 1200 mpirun -n "$n" "$PERPLEX" train "$@" </dev/null >"$OUT" 2>"$ERR"
    status=$?
}
# data FILE: the tensors of a checkpoint, without the text before them (which names folders and numbers of ranks).
data() {
    local header
    header=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    tail -c +$((header + 9)) "$1"
}
same() {
    [ -s "$1/last.safetensors" ] && [ -s "$2/last.safetensors" ] && [ -s "$1/best.safetensors" ] && [ -s "$2/best.safetensors" ] || return 1
    cmp <(data "$1/last.safetensors") <(data "$2/last.safetensors") &&
        cmp <(data "$1/best.safetensors") <(data "$2/best.safetensors")
}
differ() { [ -s "$1/last.safetensors" ] && [ -s "$2/last.safetensors" ] && ! cmp -s <(data "$1/last.safetensors") <(data "$2/last.safetensors"); }
# Everything but speeds and times.
metrics() { sed -E 's/"(tokens_per_s|seconds|time)":[^,}]*,?//g' "$1/metrics.jsonl"; }
same_metrics() { [ -s "$1/metrics.jsonl" ] && diff <(metrics "$1") <(metrics "$2"); }
# The processes that a mpirun in the background, under timeout, has started.
ranks_of() { pgrep -P "$(pgrep -P "$1")"; }
says() { grep -q -- "$1" "$ERR" || grep -q -- "$1" "$OUT"; }

run train "${SETTINGS[@]}" --reduce tree --run one
done_with "one process with --reduce tree trains" 0
must "it learns: the loss falls below three quarters of what it was" awk '/"train"/ { match($0, /"loss":[0-9.]+/); l = substr($0, RSTART + 7, RLENGTH - 7); if (!first) first = l; last = l }
    END { exit !(last < 0.75 * first) }' one/metrics.jsonl
run train "${SETTINGS[@]}" --reduce tree --accumulate 4 --run one-4
must "accumulation changes no bit" same one one-4
run train "${SETTINGS[@]}" --reduce tree --seed 2 --run other
run train "${SETTINGS[@]}" --reduce tree --init-from other --init-moments --run from-other
ranks 2 "${SETTINGS[@]}" --init-from other --init-moments --run ranks-from-other
done_with "2 ranks begin from a model" 0
must "all of them from the same weights: they end with the bits of one" same from-other ranks-from-other
must "another seed gives other weights, so that equality means something" differ one other

cp -r one extended
cp -r one extended-2
run train --resume extended --extend-steps 30 --lr 0.001
ranks 2 --resume extended-2 --extend-steps 30 --lr 0.001
done_with "2 ranks extend a run that has ended" 0
must "to the bits of one" same extended extended-2
must "and its metrics" same_metrics extended extended-2

for n in 2 4; do
    ranks $n "${SETTINGS[@]}" --run "ranks-$n"
    done_with "$n ranks train, with --reduce tree unless told otherwise" 0
    must "$n ranks give the bits of one, in all of last and best" same one "ranks-$n"
    must "$n ranks write the metrics of one" same_metrics one "ranks-$n"
    must "$n ranks print one result" test "$(grep -c '^done: ' "$OUT")" = 1
done
ranks 2 "${SETTINGS[@]}" --accumulate 2 --run ranks-2-2
must "2 ranks that accumulate 2 give them too" same one ranks-2-2

WORDS=("${SETTINGS[@]}" --dropout-embedding 0.1 --penalty-activation 2 --penalty-temporal 1 --steps-jitter 2)
run train "${WORDS[@]}" --reduce tree --run words
must "windows of random lengths are another run" differ one words
ranks 2 "${WORDS[@]}" --run ranks-words
must "whose lengths, masks and penalties 2 ranks share, bit for bit" same words ranks-words

# Stopped in the middle, twice: at a step that was asked for, and by a signal to every rank wherever it finds them.
ranks 2 "${SETTINGS[@]}" --run parts --max-steps 90
ranks 4 --resume parts --max-steps 130
done_with "what 2 ranks began 4 ranks go on with" 0
run train --resume parts --max-steps 200
must "2, then 4, then 1 rank give the bits of one" same one parts
timeout 1200 mpirun -n 2 "$PERPLEX" train "${SETTINGS[@]}" --max-steps 100000000 --run signal </dev/null >"$OUT" 2>"$ERR" &
job=$!
until [ -e signal/last.safetensors ] || ! kill -0 $job 2>/dev/null; do sleep 0.01; done
for child in $(ranks_of $job); do kill -TERM "$child" 2>/dev/null; done
wait $job
status=$?
done_with "a signal ends the job with status 75" 75
longer=$(($(position signal/last.safetensors | sed -n 's/^step = //p') + 40))
run train --resume signal --accumulate 2 --max-steps $longer
run train "${SETTINGS[@]}" --reduce tree --max-steps $longer --run longer
must "and what was stopped gives the bits of one, resumed alone" same longer signal

for i in 1 2; do ranks 2 "${SETTINGS[@]}" --reduce fast --max-steps 120 --run "fast-$i"; done
done_with "2 ranks train with --reduce fast" 0
must "--reduce fast repeats to the bit" same fast-1 fast-2
run train "${SETTINGS[@]}" --reduce tree --max-steps 120 --run fast-tree
must "it is another order of adding" differ fast-1 fast-tree
must "with nearly the same loss" awk '/"train","step":100/ { match($0, /"loss":[0-9.]+/); l[++k] = substr($0, RSTART + 7, RLENGTH - 7) }
    END { d = (l[1] - l[2]) / l[1]; exit !(k == 2 && d < 0.01 && d > -0.01) }' fast-1/metrics.jsonl fast-tree/metrics.jsonl

# A loss that is not finite sends all ranks back to the same checkpoint.
WILD=("${SETTINGS[@]}" --optimizer sgd --nonlinearity relu --lr 300 --clip 0 --average none --warmup-steps 0 --schedule constant
    --schedule-steps 0 --layers 1 --embed 0 --max-steps 40 --on-nan rollback --checkpoint-every 5)
run train "${WILD[@]}" --reduce tree --run wild-1
ranks 2 "${WILD[@]}" --run wild-2
must "it does happen" grep -q '"event":"rollback"' wild-1/metrics.jsonl
must "2 ranks go back as one does, as often, and to the same weights" same_metrics wild-1 wild-2
must "to the bit" cmp <(data wild-1/last.safetensors) <(data wild-2/last.safetensors)

# What cannot be.
ranks 3 "${SETTINGS[@]}" --run no
done_with "3 ranks cannot share 8 leaves: status 2" 2
must "with the remedy" says "ranks times accumulation must divide the leaves"
ranks 2 "${SETTINGS[@]}" --run no --reduce none
done_with "--reduce none has one rank" 2
must "and says so" says "reduce none is for one rank"
ranks 2 "${SETTINGS[@]}" --run no --data nothing.txt
done_with "a text that is not there is found by all: status 2, and no waiting" 2
must "which names it" says "nothing.txt"
must "none of them left a folder" test ! -e no
run train "${SETTINGS[@]}" --reduce tree --leaves 6 --run no
done_with "6 leaves are no power of two" 2
must "and says so" says "must be a power of two"
run train "${SETTINGS[@]}" --reduce tree --leaves 8 --batch 12 --run no
done_with "8 leaves do not divide 12 streams" 2
must "and says so" says "leaves must divide the batch"
run train "${SETTINGS[@]}" --accumulate 3 --run no
done_with "3 windows do not divide 16 streams" 2
must "and says so" says "must divide the batch"

# Ranks that end the others.
timeout 1200 mpirun -n 1 "$PERPLEX" train "${SETTINGS[@]}" --check-every 10 --run differ : -n 1 "$PERPLEX" train "${SETTINGS[@]}" --lr 1e-4 --check-every 10 \
    --run differ </dev/null >"$OUT" 2>"$ERR"
status=$?
must "ranks that disagree end the job" test $status != 0
must "and say so on both of them" test "$(grep -c 'weights of rank 1 of 2 differ' "$ERR")" = 2
for signal in KILL STOP; do
    rm -rf dies
    timeout 1200 mpirun -n 2 "$PERPLEX" train "${SETTINGS[@]}" --max-steps 1000000 --rank-timeout 2 --run dies </dev/null >"$OUT" 2>"$ERR" &
    job=$!
    until grep -qs '"step":50' dies/metrics.jsonl || ! kill -0 $job 2>/dev/null; do sleep 0.05; done
    victim=$(ranks_of $job | tail -n 1)
    kill -$signal "$victim"
    wait $job
    status=$?
    must "a rank that gets SIG$signal ends the job, with a status" test $status != 0 -a $status != 124
done
must "who waits for a stopped rank says so" says "no answer from the other ranks for 2 s"

ranks 2 --ranks
must "--ranks prints what each found" test "$(grep -c 'of 2, [01] on this machine (OMPI_COMM_WORLD_RANK)' "$OUT")" = 2
# ---- a token file that is cut short under a training: the ranks end together, and go on from the last checkpoint
run tokenize --data text.txt --out text.tok
cp text.tok whole.tok
CUT=(--data text.tok --hidden 8 --batch 8 --steps 8 --max-steps 400 --log-every 100 --checkpoint-every 60 --threads 1 --no-report --no-tensorboard)
ranks 2 "${CUT[@]}" --run uncut
timeout 1200 mpirun -n 2 "$HOLD_AT" '  step ' 'truncate -s 600 text.tok' "$PERPLEX" train "${CUT[@]}" --run short </dev/null >"$OUT" 2>"$ERR"
status=$?
done_with "a text cut short ends both ranks" 1
must "and it is said how to go on" says 'became shorter while it was being read; several ranks keep no checkpoint of this step.*--resume short'
cp whole.tok text.tok
ranks 2 --resume short
done_with "with the whole file they go on" 0
must "as if nothing had been" same short uncut
finish
