#!/usr/bin/env bash
# Dropout of the embedding's rows, penalties on outputs and windows of random lengths, through the program.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
WORDS=("${TINY[@]}" --level word --embed 12 --tied --layers 2 --dropout-embedding 0.1 --dropout 0.2 --dropout-locked
    --penalty-activation 2 --penalty-temporal 1 --steps-jitter 3 --schedule-steps 120)

run train --data text.txt --run whole "${WORDS[@]}"
done_with "all of them at once train" 0
first_loss() { grep -m 1 '"train"' "$1/metrics.jsonl" | sed -E 's/.*"loss":([0-9.e+-]+).*/\1/'; }
last_loss() { grep '"train"' "$1/metrics.jsonl" | tail -n 1 | sed -E 's/.*"loss":([0-9.e+-]+).*/\1/'; }
must "and learn" less "$(last_loss whole)" "$(first_loss whole)"
run train --data text.txt --run parts "${WORDS[@]}" --max-steps 47
run train --resume parts --max-steps 120
done_with "a run is resumed between windows of random lengths" 0
must "its weights, moments and state are those of the run that was not stopped" same_tensors whole/last.safetensors parts/last.safetensors
must "and so are its metrics" same_metrics whole/metrics.jsonl parts/metrics.jsonl
run train --data text.txt --run threads "${WORDS[@]}" --threads 2
must "threads do not change them" same_tensors whole/last.safetensors threads/last.safetensors
run train --data text.txt --run seed "${WORDS[@]}" --seed 2
if same_tensors whole/last.safetensors seed/last.safetensors; then fail "another seed is another run"; else ok "another seed is another run"; fi

# ---- each alone changes the training
run train --data text.txt --run plain "${TINY[@]}" --level word --embed 12
for flag in "dropout-embedding 0.2" "penalty-activation 5" "penalty-temporal 5" "steps-jitter 4"; do
    name=${flag% *}
    # shellcheck disable=SC2086 # a flag and its value
    run train --data text.txt --run "$name" "${TINY[@]}" --level word --embed 12 --$flag
    done_with "--$flag trains" 0
    if same_tensors plain/last.safetensors "$name/last.safetensors"; then fail "--$flag changes the weights"; else ok "--$flag changes the weights"; fi
    must "--$flag is kept with the run" grep -q "^$name = ${flag#* }" "$name/config"
done
# the first step's loss is of the same weights on the same tokens: penalties are not in it
run train --data text.txt --run none "${TINY[@]}" --max-steps 1 --log-every 1
run train --data text.txt --run penalised "${TINY[@]}" --max-steps 1 --log-every 1 --penalty-activation 1000 --penalty-temporal 1000
must "the loss is reported without penalties" test "$(first_loss none)" = "$(first_loss penalised)"
must "the gradient is with them" less "$(grep -m 1 -o '"grad_norm":[0-9.e+-]*' none/metrics.jsonl | cut -d: -f 2)" "$(grep -m 1 -o '"grad_norm":[0-9.e+-]*' penalised/metrics.jsonl | cut -d: -f 2)"
# activations shrink where they are penalised
run inspect --model penalty-activation --data text.txt --json
saturated=$(json layers.0.saturated)
run inspect --model plain --data text.txt --json
must "fewer units are saturated where outputs are penalised" less "$saturated" "$(json layers.0.saturated)"
# windows of random lengths: as many tokens an epoch, another number of steps
run train --data text.txt --run epoch "${TINY[@]}" --max-steps 0 --epochs 1 --steps-jitter 4 --json
done_with "an epoch of random lengths ends" 0
tokens=$(json tokens) steps=$(json steps)
run train --data text.txt --run alike "${TINY[@]}" --max-steps 0 --epochs 1 --json
must "it has every token once" test "$tokens" = "$(json tokens)"
must "in another number of steps" test "$steps" != "$(json steps)"
run train --data text.txt "${WORDS[@]}" --dry-run --json
done_with "a dry run knows them" 0

# ---- what is refused or has no effect
refuses "random windows are all cut alike" 2 '--steps-jitter 2: random windows' train --data text.txt --run no --steps-jitter 2 --partition random
refuses "a jitter beyond a third of the steps" 2 '--steps-jitter 6: more than a third of --steps 16' train --data text.txt --run no --steps 16 --steps-jitter 6
refuses "a negative penalty" 2 '--penalty-activation -1' train --data text.txt --run no --penalty-activation -1
refuses "all rows dropped" 2 '--dropout-embedding 1' train --data text.txt --run no --dropout-embedding 1
refuses "a resumed run keeps its windows" 2 'steps-jitter' train --resume whole --steps-jitter 1
run train --data text.txt --run one-step "${TINY[@]}" --steps 1 --max-steps 2 --penalty-temporal 1
must "a window of one step has no change to penalise, and it is said" grep -q 'penalty-temporal 1 has no effect: a window has one step' "$OUT"
finish
