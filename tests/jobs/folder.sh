#!/usr/bin/env bash
# The run folder from job to job: --resume auto, its lock, kept checkpoints, time limits, checkpoints by the clock, signals.
. "$(dirname "$0")/memory_disk.sh"
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/runs.sh"
unset SLURM_JOB_ID SLURM_JOB_END_TIME
make_text text.txt 1500
FLAGS=(--hidden 32 --batch 8 --steps 12 --max-steps 300 --log-every 20 --valid-every 100 --threads 1 --split 0.8,0.1,0.1 --dropout 0.2)
ENDLESS=("${FLAGS[@]}" --max-steps 100000000 --schedule-steps 300)

# begin NAME FLAGS...: a job in the background that trains when this returns; its process is $program, what it prints goes to NAME/out.
begin() {
    local place=$1
    shift
    mkdir -p "$place"
    (cd "$place" && exec env --default-signal=INT "$PERPLEX" train --data ../text.txt --run run --resume auto "${PLAIN[@]}" "$@") >"$place/out" 2>&1 </dev/null &
    program=$!
    wait_for grep -q '"event":"train"' "$place/run/metrics.jsonl" || fail "$place: a job in the background trains" "$(cat "$place/out")"
}

# ---- --resume auto
job whole "${FLAGS[@]}"
done_with "--resume auto starts a run" 0
job whole "${FLAGS[@]}"
done_with "--resume auto on a finished run ends with status 0" 0
must "it says that the run had already ended" grep -q 'already ended' "$OUT"
must "it shows the result again" grep -qE '^test: perplexity [0-9.]+$' "$OUT"
before=$(cksum whole/run/*)
job whole "${FLAGS[@]}" --json
must "as JSON, too" test "$(json status) $(json steps)" = "finished 300"
must "a finished run is left as it was" test "$before" = "$(cksum whole/run/*)"
job killed "${FLAGS[@]}"
rm killed/run/*.safetensors killed/run/metrics.jsonl
echo '{"event":"start","st' >killed/run/metrics.jsonl
echo x >killed/run/last.safetensors.tmp.1
job killed "${FLAGS[@]}"
done_with "a job killed before its first checkpoint is started anew" 0
must "it is then the run that was never killed" same_run whole/run killed/run
run train --data text.txt --resume auto "${FLAGS[@]}"
done_with "--resume auto without --run is status 2" 2
must "it says that --run is missing" grep -q -- '--run DIR' "$ERR"
mkdir moved
cp text.txt moved/other-name.txt
job part "${FLAGS[@]}" --time-limit 1000 --max-steps 150 --schedule-steps 300
TEXT=../moved/other-name.txt job part "${FLAGS[@]}" --schedule-steps 300
done_with "a run goes on where its text lies elsewhere" 0
must "it is the same run" same_run whole/run part/run
sed 's/king/queen/' text.txt >moved/changed.txt
job other "${FLAGS[@]}" --max-steps 150 --schedule-steps 300
job other "${FLAGS[@]}" --schedule-steps 300 --data ../moved/changed.txt
done_with "a changed text is refused" 2
job other "${FLAGS[@]}" --schedule-steps 300 --hidden 40
done_with "another model is refused" 2
must "it says that a resumed run cannot change it" grep -q -- '--hidden' "$ERR"

# ---- the lock
begin locked "${ENDLESS[@]}" --checkpoint-every 50
holder=$program
must "while a job trains, the folder has a lock" test -f locked/run/lock
job locked "${ENDLESS[@]}"
done_with "a second job in the folder is refused with status 2" 2
must "it says on which machine and by which process the folder is held" grep -qE "run: another job is training.*process $holder on $(uname -n)" "$ERR"
run train --resume locked/run
must "--resume DIR is refused, too" grep -q 'another job is training' "$ERR"
run info locked/run
done_with "looking at it needs no lock" 0
kill -9 "$holder"
wait "$holder" 2>/dev/null
must "a killed job leaves the lock's file" test -f locked/run/lock
job locked "${ENDLESS[@]}" --time-limit 2 --time-margin 1
done_with "which does not keep the next job out" 75
must "at the end of a job the lock's file is gone" test ! -e locked/run/lock
SLURM_JOB_ID=4711 SLURM_ARRAY_JOB_ID=4700 SLURM_ARRAY_TASK_ID=3 SLURM_JOB_END_TIME=$(($(date +%s) + 3600)) begin locked "${ENDLESS[@]}"
wait_for test -s locked/run/lock # metrics.jsonl has lines of the jobs before
SLURM_JOB_END_TIME='' job locked "${ENDLESS[@]}"
must "a batch job that holds the folder is named" grep -q 'Slurm job 4700_3' "$ERR"

# ---- signals
kill -INT "$program"
wait "$program"
status=$?
done_with "SIGINT ends it with status 75" 75
# It is held where it prints a result, so no step ends between the two; one that is pending swallows the next, so they go on until it is gone. The second
# evaluation is no better than the unigram level: the line that says so waits there too.
gone() { kill -INT "$1" && sleep 0.4 && grep -q '^State:.Z' "/proc/$1/status"; }
export -f gone
mkdir twice
cd twice || exit
held 'step 1: validation' 'wait_for has_lines run/metrics.jsonl "\"event\":\"valid\"" 2; wait_for gone $HELD' train --data ../text.txt --run run "${PLAIN[@]}" "${ENDLESS[@]}" --valid-every 1
cd ..
done_with "a second SIGINT ends it at once" 130
for _ in 1 2 3 4 5 6 7 8; do # on a busy machine the second may be seen so late that it is a second wish
    rm -rf once
    begin once "${ENDLESS[@]}"
    kill -INT "$program" # timeout -s INT sends it to the process, then to its group
    kill -INT "$program" 2>/dev/null
    wait "$program"
    status=$?
    [ $status = 130 ] || break
done
done_with "two SIGINT that come together are one" 75
begin closed "${ENDLESS[@]}"
kill -HUP "$program"
wait "$program"
status=$?
done_with "SIGHUP, a terminal that is closed, ends it with status 75" 75

# ---- time limits
job limit "${ENDLESS[@]}" --time-limit 0:02 --time-margin 1s
done_with "at its time limit a job ends with status 75" 75
must "it says that its time was over" grep -q 'its time was over' "$OUT"
must "it has said how long it would run" grep -qE '^time: stops with a checkpoint after 1\.0 s' "$OUT"
must "metrics.jsonl has the reason" grep -q '"reason":"time limit"' limit/run/metrics.jsonl
job limit "${FLAGS[@]}" --schedule-steps 300 --time-limit none --max-steps "$("$PERPLEX" info limit/run/last.safetensors --json | grep -oE '"step": *[0-9]+' | grep -oE '[0-9]+$')"
done_with "the run can be ended there" 0
for bad in 0 -1 x 1:2:3:4 1:60 5d 1h30 ''; do
    run train --data text.txt --run bad "${FLAGS[@]}" --time-limit="$bad"
    done_with "--time-limit '$bad' is refused" 2
done
run train --data text.txt --run bad "${FLAGS[@]}" --time-limit 10 --time-margin 10
done_with "a margin as long as the limit is refused" 2
must "nothing was started" test ! -e bad

for limit in '90 90 9' '15m 900 90' '2h 7200 120' '5:00 300 30' '1:30:00 5400 120' '2-12 216000 120' '1-00:00:30 86430 120'; do
    read -r text seconds margin <<<"$limit"
    run train --data text.txt --run "t$text" "${FLAGS[@]}" --max-steps 1 --time-limit "$text"
    must "--time-limit $text is $seconds seconds, less a margin of $margin" grep -qE "^time: .*--time-limit, $seconds seconds, less a margin of $margin\)" "$OUT"
done

# ---- the end of a Slurm job, from its environment, else from squeue
SLURM_JOB_ID=12 SLURM_JOB_END_TIME=$(($(date +%s) + 2)) job slurm "${ENDLESS[@]}"
done_with "a job stops before the end that Slurm has set" 75
must "it says whose limit that is" grep -q 'left of the Slurm job' "$OUT"
mkdir bin
printf '#!/bin/sh\necho "$@" >>squeue.log\necho "$ANSWER"\n' >bin/squeue
chmod +x bin/squeue
asks() { PATH=$PWD/bin:$PATH SLURM_JOB_ID=12 ANSWER=$1 run train --data text.txt --run "s$RANDOM$RANDOM" "${FLAGS[@]}" --max-steps 1; }
asks 1:00:00
must "without it in the environment squeue is asked" grep -qE '^time: .*left of the Slurm job, 3600 seconds' "$OUT"
must "once, for this job" test "$(cat squeue.log)" = "-h -j 12 -o %L"
asks UNLIMITED
must "a job without end has no limit" test "$status" = 0 -a -z "$(grep '^time:' "$OUT")"
printf '#!/bin/sh\nexit 1\n' >bin/squeue
asks x
must "where squeue fails there is no limit" test "$status" = 0 -a -z "$(grep '^time:' "$OUT")"
PATH=/nonexistent SLURM_JOB_ID=12 run train --data text.txt --run nosqueue "${FLAGS[@]}" --max-steps 1
done_with "where there is no squeue there is none either" 0
SLURM_PROCID=1 SLURM_STEP_ID=0 asks 1:00:00
must "of several tasks only the first one asks" test -z "$(grep '^time:' "$OUT")"

# ---- checkpoints by steps and by the clock; kept ones
job kept "${FLAGS[@]}" --checkpoint-every 50 --keep 2
must "--keep 2 leaves two older checkpoints" test "$(cd kept/run && echo checkpoint-*)" = "checkpoint-000000200.safetensors checkpoint-000000250.safetensors"
run info kept/run/checkpoint-000000250.safetensors
done_with "they are checkpoints like any other" 0
must "nothing else differs from the run without them" same_tensors whole/run/last.safetensors kept/run/last.safetensors
job own "${FLAGS[@]}" --checkpoint-every 50 --keep 2 --max-steps 50
echo mine >own/run/checkpoint-000000100.safetensors
echo mine >own/run/checkpoint-000000001.safetensors
job own "${FLAGS[@]}" --checkpoint-every 50 --keep 2
must "a file of somebody's own under a checkpoint's name stays, which is said" grep -q '^warning: .*checkpoint-000000100.safetensors is no checkpoint' "$OUT"
must "and is neither written over nor removed" test "$(cat own/run/checkpoint-000000100.safetensors own/run/checkpoint-000000001.safetensors | sort -u)" = mine
must "nor counted" test "$(cd own/run && echo checkpoint-0000002*)" = "checkpoint-000000200.safetensors checkpoint-000000250.safetensors"
cp -r kept torn
truncate -s -100 torn/run/last.safetensors
job torn "${FLAGS[@]}" --keep 2 --checkpoint-every 50
done_with "where the last checkpoint is damaged a run goes on from an older one" 0
must "it warns, and says from which" grep -qE '^warning: run/last.safetensors: .*going on from run/checkpoint-000000250' "$OUT" "$ERR"
must "the run ends the same" same_run kept/run torn/run
cp -r kept torn2
rm torn2/run/last.safetensors
truncate -s 1000 torn2/run/checkpoint-000000250.safetensors
job torn2 "${FLAGS[@]}" --keep 2 --checkpoint-every 50
done_with "or from the one before that" 0
must "the run ends the same then, too" same_run kept/run torn2/run
cp -r kept torn3
for file in torn3/run/last.safetensors torn3/run/checkpoint-*; do truncate -s 1000 "$file"; done
job torn3 "${FLAGS[@]}" --keep 2 --checkpoint-every 50
done_with "where none is whole that is said" 2
must "nothing is started over an old run" grep -q 'none of the 2 older checkpoints is whole' "$ERR"
rm torn3/run/checkpoint-*
run train --resume torn3/run
must "without older ones it says what is left to do" grep -q 'no older checkpoint to go on from: .*--init-from' "$ERR"
begin clock "${ENDLESS[@]}" --checkpoint-every 1s --valid-every 0 --epochs 0 --keep 3
wait_for test -f clock/run/checkpoint-000000000.safetensors
must "a checkpoint is written when its time has come" test -f clock/run/checkpoint-000000000.safetensors
kill -9 "$program"
wait "$program" 2>/dev/null
job clock "${ENDLESS[@]}" --checkpoint-every 1s --valid-every 0 --epochs 0 --keep 3 --time-limit 2 --time-margin 1
must "after kill -9 the run goes on from it" grep -qE '^resumed at step [1-9]' "$OUT"
end=$("$PERPLEX" info clock/run/last.safetensors --json | grep -oE '"step": *[0-9]+' | grep -oE '[0-9]+$')
job clock "${ENDLESS[@]}" --valid-every 0 --epochs 0 --max-steps "$end"
job plain "${ENDLESS[@]}" --valid-every 0 --epochs 0 --max-steps "$end"
must "and ends as a run without checkpoints by the clock" same_tensors plain/run/last.safetensors clock/run/last.safetensors
must "with the same metrics" same_metrics plain/run/metrics.jsonl clock/run/metrics.jsonl
for bad in 5x m 1.5m -1 10mm; do
    run train --data text.txt --run bad "${FLAGS[@]}" --checkpoint-every "$bad"
    done_with "--checkpoint-every $bad is refused" 2
done
run train --data text.txt --run bad "${FLAGS[@]}" --checkpoint-every 10m --on-nan rollback
done_with "checkpoints by the clock with a rollback to them are refused" 2
must "the configuration keeps the time as it was given" grep -qx 'checkpoint-every = 10m' <("$PERPLEX" train --data text.txt --run ten "${FLAGS[@]}" --max-steps 1 --checkpoint-every 600s >/dev/null; cat ten/config)
finish
