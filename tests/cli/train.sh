#!/usr/bin/env bash
# Training through the program: what a run folder holds, repeating, stopping and resuming, dry runs, JSON.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500

# ---- a run and its folder
tiny_model run
must "a run folder holds config, metrics.jsonl, best and last, and nothing else" \
    test "$(ls run | grep -v -e '^events.out.tfevents' -e '^report.html$' | sort | tr '\n' ' ')" = "best.safetensors config last.safetensors metrics.jsonl "
must "the end says where the model lies" grep -q 'run/best.safetensors' "$OUT"
must "the start says the size of the corpus" grep -qE 'tokens.*vocabulary' "$OUT"
must "the start says the number of parameters" grep -q 'parameters' "$OUT"
must "plain output has no control characters" test -z "$(tr -d '\n -~' <"$OUT" | tr -d '\200-\377')"

lines_are_json() { while read -r line; do echo "$line" >"$WORK/line"; "$JSON_GET" "$WORK/line" event || return 1; done <run/metrics.jsonl; }
must "every line of metrics.jsonl is one JSON object with an event" lines_are_json
field() { grep -v '"event": *"start"' run/metrics.jsonl | grep -m 1 "\"$1\"" >"$WORK/line" && "$JSON_GET" "$WORK/line" "$1"; }
for name in event step epoch tokens loss perplexity tokens_per_s grad_norm learning_rate valid_loss valid_perplexity; do
    must "metrics.jsonl has $name" field $name
done
first_loss() { grep '"loss"' run/metrics.jsonl | head -n 1 >"$WORK/line"; "$JSON_GET" "$WORK/line" loss; }
last_loss() { grep '"loss"' run/metrics.jsonl | tail -n 1 >"$WORK/line"; "$JSON_GET" "$WORK/line" loss; }
must "the loss falls" less "$(last_loss)" "$(first_loss)"

# ---- JSON
run train --data text.txt --run json --json "${TINY[@]}"
done_with "--json trains as well" 0
must "with --json standard output is one JSON object" is_json
must "the JSON says that the run is finished" test "$(json status)" = finished
must "the JSON counts the steps" test "$(json steps)" = 120
must "the JSON has the validation perplexity" less 1 "$(json best_valid_perplexity)"
must "the JSON names the best model" test -f "$(json best)"
must "everything for people goes to standard error then" grep -q 'parameters' "$ERR"

# ---- repeating a run: same seed, and from its own config
mkdir a b
(cd a && "$PERPLEX" train --data ../text.txt --run run "${TINY[@]}" --dropout 0.2 --reset-probability 0.1) >"$OUT" 2>"$ERR" </dev/null
status=$?
done_with "a run with dropout" 0
(cd b && "$PERPLEX" train --config ../a/run/config) >"$OUT" 2>"$ERR" </dev/null
status=$?
done_with "a run can be started from another run's config" 0
must "its best model is the same, bit for bit" same_tensors a/run/best.safetensors b/run/best.safetensors
must "its last checkpoint is the same, bit for bit" same_tensors a/run/last.safetensors b/run/last.safetensors
must "its config is the same" cmp a/run/config b/run/config
must "its metrics are the same but for times" same_metrics a/run/metrics.jsonl b/run/metrics.jsonl
rm -rf b && mkdir b
(cd b && "$PERPLEX" train --config ../a/run/config --seed 2) >"$OUT" 2>"$ERR" </dev/null
must "another seed gives another model" test "$(cksum <a/run/best.safetensors)" != "$(cksum <b/run/best.safetensors)"

# ---- stopped by a signal, resumed: the same bits as the run that was never stopped
LONG=(--hidden 48 --batch 8 --steps 16 --max-steps 3000 --log-every 50 --valid-every 500 --threads 1 --split 0.8,0.1,0.1 --lr 0.003 --dropout 0.1 --reset-probability 0.05)
rm -rf b && mkdir b c
(cd b && "$PERPLEX" train --data ../text.txt --run run "${LONG[@]}") >"$OUT" 2>"$ERR" </dev/null
status=$?
done_with "a longer run" 0
for signal in TERM INT USR1 USR2; do
    rm -rf c && mkdir c
    cd c || exit
    held 'step 500: validation' "kill -$signal \$HELD" train --data ../text.txt --run run "${LONG[@]}"
    cd ..
    done_with "SIG$signal stops a run with status 75" 75
    must "SIG$signal: it says how to go on" grep -q -- '--resume' "$OUT" "$ERR"
    if [ $signal = TERM ] || [ $signal = INT ]; then
        (cd c && "$PERPLEX" train --resume run) >"$OUT" 2>"$ERR" </dev/null
        status=$?
        done_with "SIG$signal: the run can be resumed" 0
        must "SIG$signal: the best model is that of the uninterrupted run, bit for bit" same_tensors b/run/best.safetensors c/run/best.safetensors
        must "SIG$signal: the last checkpoint is, too" same_tensors b/run/last.safetensors c/run/last.safetensors
        must "SIG$signal: it ends at the same position" same_position b/run/last.safetensors c/run/last.safetensors
        must "SIG$signal: the metrics are, too, but for times" same_metrics b/run/metrics.jsonl c/run/metrics.jsonl
    fi
done
(cd c && "$PERPLEX" train --resume run) >"$OUT" 2>"$ERR" </dev/null
status=$?
done_with "a stopped run is finished" 0
(cd c && "$PERPLEX" train --resume run --json) >"$OUT" 2>"$ERR" </dev/null
status=$?
done_with "resuming a finished run is no failure" 0
must "resuming a finished run says that it is finished" test "$(json status)" = finished
(cd c && "$PERPLEX" train --resume run --max-steps 3100 --threads 1 --json) >"$OUT" 2>"$ERR" </dev/null
must "a finished run can be made longer" test "$(json steps)" = 3100

# ---- a dry run
before=$(listing)
run train --data text.txt --dry-run --json "${TINY[@]}"
done_with "--dry-run needs no run folder" 0
must "--dry-run --json is one JSON object" is_json
must "--dry-run predicts the time of an epoch" less 0 "$(json seconds_per_epoch)"
must "--dry-run gives the bytes in all" less 1000 "$(json memory_bytes.total)"
must "--dry-run counts the parameters" less 500 "$(json parameters)"
must "--dry-run leaves nothing behind" test "$before" = "$(listing)"
run train --data text.txt --dry-run "${TINY[@]}"
must "--dry-run says that nothing was trained" grep -q 'nothing was trained' "$OUT"

# ---- a loss that is not finite
run train --data text.txt --run nan "${TINY[@]}" --optimizer sgd --lr 1e6 --clip 0 --nonlinearity relu
done_with "a non-finite loss is status 1" 1
must "a non-finite loss gives the step" grep -qE '^perplex: .*step [0-9]+' "$ERR"
must "a non-finite loss says what to change" grep -qE -- '--(lr|clip)' "$ERR"
must "the last good checkpoint is kept" test -f nan/last.safetensors
run info nan/last.safetensors
done_with "the last good checkpoint can be read" 0

run train --data text.txt --run huge "${TINY[@]}" --optimizer sgd --lr 1e6 --clip 0 --nonlinearity relu --layers 3 --lr-scaling none --valid-every 1
must "a validation loss that is none is said to be so" grep -q 'step 1: validation loss not a number (values overflowed); lower --lr$' "$OUT" "$ERR"
must "and not printed" test "$(cat "$OUT" "$ERR" | grep -c ' -nan')" = 0

# ---- standard input as training text
run_with text.txt train --data - --run piped "${TINY[@]}"
done_with "a text can come through a pipe" 0

# ---- the reference engine trains the same model
run train --data text.txt --run reference --device reference --hidden 12 --batch 4 --steps 8 --max-steps 20 --threads 1 --json
done_with "the reference engine trains" 0
reference=$(json train_loss)
run train --data text.txt --run cpu --device cpu --hidden 12 --batch 4 --steps 8 --max-steps 20 --threads 1 --json
must "the CPU engine's loss is the reference's" near "$(json train_loss)" "$reference" 1e-4
finish
