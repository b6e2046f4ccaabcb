#!/usr/bin/env bash
# A token file that is cut short while a training reads it: the training ends with status 1, says why, and leaves a checkpoint of the step that
# it had reached; with the whole file again the run goes on as if nothing had been. The same for an evaluation, which just ends.
. "$(dirname "$0")/../jobs/memory_disk.sh"
. "$(dirname "$0")/../cli/lib.sh"
FLAGS=(--hidden 8 --batch 4 --steps 8 --max-steps 4000 --log-every 150 --checkpoint-every 3900 --threads 1 --lr 0.01 --no-report)
make_text text.txt 400
run tokenize --data text.txt --out text.tok
cp text.tok whole.tok
run train --data text.tok --run whole "${FLAGS[@]}" --split 0.9,0.05,0.05
done_with "the uninterrupted run" 0

# cut NAME FLAGS...: a training in NAME whose file is cut short when it has said its first line about a step.
cut() {
    local name=$1
    shift
    held '  step ' 'truncate -s 600 text.tok' train --data text.tok --run "$name" "${FLAGS[@]}" "$@"
    cp whole.tok text.tok
}

step_of_checkpoint() { position "$1/last.safetensors" | sed -n 's/^step = //p' | head -n 1; }

cut run --split 0.9,0.05,0.05
done_with "a token file cut short under a training ends it with status 1" 1
must "and it is said" grep -qE '^perplex: text\.tok: became shorter while it was being read; stopped at step [0-9]+ with a checkpoint' "$ERR"
reached=$(grep -oE 'step [0-9]+ with' "$ERR" | grep -oE '[0-9]+')
must "the checkpoint is of that step" test "$(step_of_checkpoint run)" = "${reached:-none}"
must "which is not one where a checkpoint was due" test $((${reached:-0} % 3900)) != 0
run runs . --json
must "runs knows why it ended" grep -q 'reading failed' "$OUT"
run train --resume run
done_with "with the whole file again it goes on" 0
must "as if nothing had been: best" same_tensors run/best.safetensors whole/best.safetensors
must "as if nothing had been: last" same_tensors run/last.safetensors whole/last.safetensors

# several windows a step: none of a step's text may have been computed
run train --data text.tok --run whole2 "${FLAGS[@]}" --split 0.9,0.05,0.05 --accumulate 2
cut run2 --split 0.9,0.05,0.05 --accumulate 2
done_with "the same with two windows a step" 1
run train --resume run2
must "it goes on as if nothing had been" same_tensors run2/last.safetensors whole2/last.safetensors
finish
