#!/usr/bin/env bash
# The scripts of slurm/ as they are, under a real slurmctld with two virtual nodes (cluster.sh). Runs where PERPLEX_TEST_SLURM=1.
# Third argument: the project's folder.
source_folder=$3
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/../jobs/memory_disk.sh"
. "$tests/../cli/lib.sh"
. "$tests/../jobs/runs.sh"
if [ "${PERPLEX_TEST_SLURM:-0}" != 1 ]; then
    skip slurm "runs only with PERPLEX_TEST_SLURM=1: it starts a Slurm of its own"
    exit 77
fi
if ! why=$("$tests/cluster.sh" check); then
    skip slurm "$why"
    exit 77
fi
status=0
begun=$SECONDS
trap '"$tests/cluster.sh" down "$WORK/cluster"; rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM HUP
# Where this script itself is killed, at a time limit for example, somebody else has to do that.
# shellcheck disable=SC2016
(setsid bash -c 'while kill -0 "$1"; do sleep 1; done; [ ! -e "$3/cluster" ] || "$2/cluster.sh" down "$3/cluster"; rm -rf "$3"' \
    guard $$ "$tests" "$WORK" </dev/null >/dev/null 2>&1 &)
if ! "$tests/cluster.sh" up "$WORK/cluster" >"$OUT" 2>"$ERR"; then
    skip slurm "slurmctld and slurmd do not come up here: $(grep -hiE 'error|fatal' "$ERR" | tail -n 1)"
    tail -n 40 "$ERR"
    exit 77
fi
export SLURM_CONF=$WORK/cluster/slurm.conf PERPLEX OMPI_MCA_btl=tcp,self PERPLEX_BOOTSTRAP_DIR=$WORK/bootstrap
ln -s "$source_folder/slurm" slurm # as in a checkout, from which jobs are submitted
make_text text.txt 1500

# Long enough to be interrupted; the checkpoints are those of the signal.
FLAGS=(--data text.txt --hidden 160 --layers 2 --batch 16 --steps 24 --max-steps 700 --log-every 10 --valid-every 250 --split 0.8,0.1,0.1
    --dropout 0.1 --reset-probability 0.05 "${PLAIN[@]}")
ENDLESS=("${FLAGS[@]}" --max-steps 100000000 --schedule-steps 700)
SHORT=("${FLAGS[@]}" --max-steps 20)

# submit SCRIPT [SBATCH FLAGS...] -- ARGS...: the job's number is in $job.
submit() {
    local script=$1 flags=()
    shift
    while [ "$1" != -- ]; do flags+=("$1"); shift; done
    shift
    job=$(sbatch --parsable --cpus-per-task=1 --time=10 "${flags[@]}" "slurm/$script" "$@" 2>"$ERR") || fail "$script is accepted" "$(cat "$ERR")"
    job=${job%%;*}
}
# in_state JOB PATTERN: its state, also after its end
state_of() { scontrol show job "$1" -o 2>/dev/null | grep -oE 'JobState=[A-Z_]+' | sort -u | cut -d = -f 2; }
in_state() { [[ $(state_of "$1") =~ ^($2)$ ]]; }
restarts() { scontrol show job "$1" -o | grep -oE 'Restarts=[0-9]+' | cut -d = -f 2; }
ended='COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY'
ends_as() { wait_for in_state "$1" "$ended" && in_state "$1" "$2"; }
trains() { grep -q '"event":"train"' "$1/metrics.jsonl"; }

# ---- what can never run is refused at once
for flags in "-p nowhere" "-N5" "--cpus-per-task=99" "-t 999" "--gres=gpu:9" "-t soon"; do
    # shellcheck disable=SC2086
    if sbatch --cpus-per-task=1 $flags slurm/cpu.sbatch --run x >"$OUT" 2>"$ERR"; then fail "sbatch $flags is rejected"; else ok "sbatch $flags is rejected"; fi
done

# ---- signal, checkpoint, requeue; a chain; cancelled ones: side by side
(exec "$PERPLEX" train "${FLAGS[@]}" --threads 1 --run "$WORK/whole") >"$WORK/whole.out" 2>&1 &
whole=$!
submit cpu.sbatch -- "${FLAGS[@]}" --run signalled
signalled=$job
submit chain.sbatch --array=1-3%1 -- "${FLAGS[@]}" --run chained
chain=$job
submit cpu.sbatch -- "${ENDLESS[@]}" --run cancelled
cancelled=$job
must "jobs train" wait_for trains signalled
scancel -s USR2 "$signalled"
wait_for trains chained && scancel -s USR2 "${chain}_1"
wait_for trains cancelled && scancel "$cancelled"
must "SIGUSR2: the job is requeued" wait_for grep -q '^perplex: requeued' perplex-"$signalled".out
must "scancel: the job stays cancelled" ends_as "$cancelled" CANCELLED
must "scancel: it has left a checkpoint" grep -q '^stopped at step [1-9].*with a checkpoint' perplex-"$cancelled".out
must "scancel: it says so" grep -q '^perplex: cancelled, .*the checkpoint is in cancelled' perplex-"$cancelled".out
wait "$whole"
status=$?
done_with "the uninterrupted run, without Slurm" 0
must "SIGUSR2: the requeued job completes" ends_as "$signalled" COMPLETED
must "SIGUSR2: it went on from its checkpoint" grep -qE '^resumed at step [1-9]' perplex-"$signalled".out
must "SIGUSR2: it was restarted once" test "$(restarts "$signalled")" = 1
must "SIGUSR2: it ends as the uninterrupted run" same_run "$WORK/whole" signalled
must "the last line is the result" grep -qE '^result: signalled: validation perplexity [0-9.]+, test perplexity [0-9.]+$' <(tail -n 1 perplex-"$signalled".out)
must "a chain: the second job goes on" wait_for grep -qE '^result: chained' perplex-"$chain".out
must "a chain: it ends as the uninterrupted run" same_run "$WORK/whole" chained
must "a chain: the jobs that are left over are taken away" wait_for in_state "${chain}_3" CANCELLED
must "a cancelled job was not put back" in_state "$cancelled" CANCELLED

# ---- preemption
submit cpu.sbatch --nodes=1 --exclusive --nodelist=n1 -- "${FLAGS[@]}" --run preempted
preempted=$job
must "a job of low priority trains" wait_for trains preempted
sbatch -p high --nodelist=n1 -n 4 -o /dev/null --wrap 'sleep 1' >/dev/null
must "preemption: the job stops with a checkpoint" wait_for grep -q '^stopped at step [1-9].*with a checkpoint' perplex-"$preempted".out

# ---- a real time limit, while the others go on: the signal comes 45 seconds before the end of one minute, or earlier
submit cpu.sbatch -p high --time=1 --signal=USR2@45 -- "${ENDLESS[@]}" --run limited
limited=$job

# ---- a sweep, with an element that fails and one that a shell would obey
cat >sweep.txt <<'END'
# a comment, and an empty line

--hidden 24 --lr 0.01
--hidden 0
--hidden 32 --lr 0.003 --reset-at "$(touch evaluated)"
  --hidden 16 --run "elsewhere`touch evaluated`; touch evaluated"
END
must "the elements of a sweep are counted" test "$(slurm/array.sbatch --count sweep.txt)" = 4
submit array.sbatch --array=1-4 -- sweep.txt sweep --data text.txt --max-steps 300 --split 0.8,0.1,0.1 "${PLAIN[@]}"
sweep=$job
printf 'hidden = 16 24\n# rates\nlr = 0.01 0.003 0.001\n' >grid.txt
must "a grid has all combinations" test "$(slurm/array.sbatch --count grid.txt)" = 6
submit array.sbatch --array=5 -- grid.txt grid --data text.txt --max-steps 30 --split 0.8,0.1,0.1 "${PLAIN[@]}"
grid=$job
must "a sweep's elements complete" ends_as "${sweep}_1" COMPLETED
must "but for the one that is wrong" ends_as "${sweep}_2" FAILED
must "an element of a grid completes" ends_as "${grid}_5" COMPLETED
must "it is the one with that number" grep -qx 'lr = 0.003' grid/005/config
must "it has its model" grep -qx 'hidden = 24' grid/005/config
ends_as "${sweep}_3" COMPLETED
ends_as "${sweep}_4" COMPLETED
must "a line of a sweep is never evaluated" test ! -e evaluated
must "quotation marks group" grep -qF 'touch evaluated)' perplex-"${sweep}"_3.out
slurm/results.sh sweep >"$OUT" 2>"$ERR"
status=$?
done_with "the results are collected" 0
must "every element has its line" test "$(wc -l <"$OUT")" = 5
must "the best one comes first" sort -c -g -k 1,1 <(sed 1d "$OUT" | grep '^[0-9]')
must "those that ended have perplexities" test "$(grep -cE $'^[0-9.]+\t[0-9.]+\tended\t300\t' "$OUT")" -ge 2
must "the one that failed is there, too" grep -qE $'^-\t-\tfailed\t.*sweep/002\t--hidden 0$' "$OUT"

# ---- GPUs, one for each task
cat >"$WORK/shows-gpu" <<END
#!/bin/sh
[ "\$1" != train ] || echo "task \$SLURM_PROCID has GPU \$CUDA_VISIBLE_DEVICES"
exec "$PERPLEX" "\$@"
END
chmod +x "$WORK/shows-gpu"
PERPLEX=$WORK/shows-gpu submit gpu.sbatch -- "${SHORT[@]}" --device cpu --run gpu
must "a job with one GPU completes" ends_as "$job" COMPLETED
must "its task sees that GPU alone" grep -qxE 'task 0 has GPU [01]' perplex-"$job".out

# ---- texts on the nodes' own disks
SLURM_TMPDIR=$WORK PERPLEX_STAGE=1 submit gpu.sbatch -- "${SHORT[@]}" --device cpu --run staged
must "a job with copied texts completes" ends_as "$job" COMPLETED
must "it read the copy" grep -q "data = $WORK/perplex-0-$job/" staged/config
must "the copy is gone afterwards" test ! -e "$WORK/perplex-0-$job"

# ---- wrong ones end at once, and are not put back
submit cpu.sbatch -- "${SHORT[@]}"
must "a job without --run fails" ends_as "$job" FAILED
must "it says what is missing" grep -q 'give --run DIR' perplex-"$job".out
PERPLEX_SLURM=$WORK/nowhere submit cpu.sbatch -- "${SHORT[@]}" --run x
must "a job that does not find common.sh fails" ends_as "$job" FAILED
must "it says how it finds it" grep -q 'set PERPLEX_SLURM' perplex-"$job".out

# ---- several tasks
if [ -e "$(dirname "$PERPLEX")/perplex-mpi.so" ] && "$PERPLEX" train --help | grep -q -- '--reduce '; then
    PERPLEX=$WORK/shows-gpu submit multi-gpu.sbatch -- "${SHORT[@]}" --device cpu --run gpus
    must "a job with two GPUs completes" ends_as "$job" COMPLETED
    must "each task sees a GPU of its own" test "$(grep -E '^task [01] has GPU [01]$' perplex-"$job".out | sort -u -k 5 | wc -l)" = 2
    (exec "$PERPLEX" train "${FLAGS[@]}" --reduce tree --threads 1 --run "$WORK/tree") >"$WORK/tree.out" 2>&1 &
    whole=$!
    SLURM_TMPDIR=$WORK PERPLEX_STAGE=1 submit multi-node.sbatch -- "${FLAGS[@]}" --reduce tree --run nodes
    nodes=$job
    must "two nodes train" wait_for trains nodes
    scancel -s USR2 "$nodes"
    must "SIGUSR2 on two nodes: the job is requeued" wait_for grep -q '^perplex: requeued' perplex-"$nodes".out
    submit multi-node.sbatch -- "${ENDLESS[@]}" --run dead
    must "two more train" wait_for trains dead
    kill -9 "$(pgrep -f -n "perplex train .*--run dead")"
    must "a rank that is killed fails the job" ends_as "$job" FAILED
    must "it is not requeued" test "$(restarts "$job")" = 0
    wait "$whole"
    status=$?
    done_with "the same in one process, uninterrupted" 0
    must "the job on two nodes completes" ends_as "$nodes" COMPLETED
    must "it ends as one process, uninterrupted" same_run "$WORK/tree" nodes
else
    skip "slurm: several tasks" "this perplex has no ranks, or no MPI (perplex-mpi.so)"
    submit cpu.sbatch -- "${ENDLESS[@]}" --run dead
    must "a job trains" wait_for trains dead
    kill -9 "$(pgrep -f -n "perplex train .*--run dead")"
    must "a task that is killed fails the job" ends_as "$job" FAILED
    must "it is not requeued" test "$(restarts "$job")" = 0
fi

# ---- what went on meanwhile
must "preemption: the job comes back and completes" ends_as "$preempted" COMPLETED
must "preemption: it ends as the uninterrupted run" same_run "$WORK/whole" preempted
must "time limit: the job stops before the end, with a checkpoint" wait_for grep -q '^stopped at step [1-9].*with a checkpoint' perplex-"$limited".out
must "time limit: it is requeued" wait_for grep -q '^perplex: requeued' perplex-"$limited".out
must "time limit: it goes on" wait_for grep -qE '^resumed at step [1-9]' perplex-"$limited".out
# its next limit may come at this very moment, and send it back into the queue instead
cancel() { scancel "$1"; sleep 2; in_state "$1" CANCELLED; }
must "time limit: it can be cancelled then" wait_for cancel "$limited"
"$tests/cluster.sh" down "$WORK/cluster"
must "nothing of the cluster runs any more" test -z "$(pgrep -f "$WORK/cluster")"
echo "      took $((SECONDS - begun)) s"
finish
