#!/usr/bin/env bash
# A file system without locks (flock answers ENOLCK): the file `lock` names its owner, by host, process and start. A second job is kept out while
# the first one lives, and goes on where it was killed; the lines of metrics.jsonl stay whole. Argument after the usual two: fail_at.c's library.
. "$(dirname "$0")/../jobs/memory_disk.sh"
. "$(dirname "$0")/../cli/lib.sh"
library=$3
FLAGS=(--hidden 8 --batch 4 --steps 8 --max-steps 3000 --log-every 50 --checkpoint-every 400 --threads 1 --no-report)
make_text text.txt 200
"$PERPLEX" train --data text.txt --run whole "${FLAGS[@]}" >/dev/null
export PERPLEX_FAIL_KIND=lock PERPLEX_FAIL_AT=1 PERPLEX_FAIL_ON=1 PERPLEX_FAIL_ERRNO=37
export library PERPLEX

cat >meanwhile.sh <<'END'
cp "$1/lock" owner
LD_PRELOAD=$library "$PERPLEX" train --resume "$1" </dev/null >second.out 2>second.err
echo $? >second.status
LD_PRELOAD=$library "$PERPLEX" runs "$1" --json >runs.out 2>&1
END
# half NAME COMMAND: a training in NAME that another one meets half-way; then COMMAND.
half() {
    real=$PERPLEX
    PERPLEX=$WORK/without_locks
    held '  step ' "export PERPLEX=$real; bash meanwhile.sh $1; $2" train --data text.txt --run "$1" "${FLAGS[@]}"
    PERPLEX=$real
}
printf '#!/bin/sh\nLD_PRELOAD=%s exec %s "$@"\n' "$library" "$PERPLEX" >"$WORK/without_locks"
chmod 755 "$WORK/without_locks"

half run true
done_with "a training without locks ends" 0
must "it says that there are none" grep -q 'has no locks' "$OUT"
must "a second job was refused meanwhile" test "$(cat second.status)" = 2
must "by the name of the first" grep -qE "another job is training in this folder \(process [0-9]+ on $(uname -n), since" second.err
must "runs shows that it runs" grep -q '"state":"running"' runs.out
must "its end takes the file away" test ! -e run/lock
must "it is the run that it is with locks" same_tensors run/last.safetensors whole/last.safetensors
must "its lines too" same_metrics run/metrics.jsonl whole/metrics.jsonl

half killed 'kill -KILL $HELD'
done_with "a training that was killed" 137
must "leaves its file" test -s killed/lock
LD_PRELOAD=$library run train --resume killed
done_with "the next job takes the folder over" 0
must "and ends as if nothing had been" same_tensors killed/last.safetensors whole/last.safetensors
must "its lines too" same_metrics killed/metrics.jsonl whole/metrics.jsonl
must "and takes the file away" test ! -e killed/lock

sed 's/ on [^,]*,/ on elsewhere,/' owner >killed/lock
LD_PRELOAD=$library run train --resume killed --max-steps 3010
done_with "the owner on another machine is not known to live" 2
must "and the message says what to do" grep -q 'elsewhere.*if that job has ended, remove killed/lock' "$ERR"
sed -i 's/ job - / job 12 /' killed/lock
export SLURM_JOB_ID=12
LD_PRELOAD=$library run train --resume killed --max-steps 3010
done_with "the next turn of the same batch job goes on" 0
finish
