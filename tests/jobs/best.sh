#!/usr/bin/env bash
# A best.safetensors that is missing is said, and never replaced by the last weights without a word.
. "$(dirname "$0")/memory_disk.sh"
. "$(dirname "$0")/../cli/lib.sh"
make_text text.txt 400
# Validated on letters that are rare in what is learned: the model of the first evaluation stays the best one.
awk 'BEGIN { for (i = 0; i < 300; i++) print "kkkvkk" }' >odd.txt
WORSE=(--hidden 16 --batch 8 --steps 12 --optimizer sgd --lr 0.5 --schedule constant --valid odd.txt --log-every 10 --valid-every 20 --threads 1 --warmup-steps 0)
run train --data text.txt --run whole "${WORSE[@]}" --max-steps 20
run train --resume whole --max-steps 60 --json
must "the best model is an early one" less "$(json best_step)" 60
must "the result is that of the best model" test "$(json scored)" = best

# ---- reading a run without it
cp -r whole lost
rm lost/best.safetensors
for command in 'eval --split-of lost valid' 'sample --model lost --length 3' 'info lost' 'inspect --split-of lost valid --tokens 300' 'ngram --order 2 --split-of lost valid --model lost' \
               'export --model lost --out exported' 'tokenize --data text.txt --vocabulary lost'; do
    # shellcheck disable=SC2086
    run $command
    done_with "${command%% *}: the last weights stand in" 0
    must "${command%% *}: that is said" grep -q '^note: lost holds no best.safetensors; this is its last.safetensors, of step 60' "$ERR"
done
run eval --split-of whole valid
must "where it is there nothing is said" bash -c "! grep -q best.safetensors '$ERR'"
run report lost --out page.html
must "a report says it, too" grep -q 'no best.safetensors: what follows is by its last weights, of step 60' page.html

# ---- going on without it
run train --resume lost --max-steps 80
done_with "a run without it goes on" 0
must "it says that it is missing" grep -qE '^warning: lost/best.safetensors is missing: the best model so far, of step [0-9]+' "$OUT"
must "the last weights do not become the best" test ! -e lost/best.safetensors
must "the result is said to be theirs" grep -q '^last weights: validation perplexity' "$OUT"
must "the model that is shown is the last one" grep -q '^model: lost/last.safetensors' "$OUT"
must "metrics.jsonl has it" test "$(tail -n 1 lost/metrics.jsonl | grep -c '"scored":"last"')" = 1
run report lost --out page.html
must "and the report's results" grep -q 'last weights, one stream from a zero state' page.html
run train --resume auto --run lost "${WORSE[@]}" --data text.txt --max-steps 80 --json
done_with "a run that ended so has ended" 0
must "with the last weights' result" test "$(json scored) $(json best)" = 'last '
run eval --split-of lost valid --json
must "which is that of last.safetensors" near "$(json loss)" "$("$PERPLEX" train --resume auto --run lost "${WORSE[@]}" --data text.txt --max-steps 80 --json 2>/dev/null | sed -E 's/.*"valid_loss_zero":([^,]*).*/\1/')" 1e-6
run train --resume whole --max-steps 80 --json
must "the run that has it is as before" test "$(json scored)" = best
must "and both trained the same" same_tensors whole/last.safetensors lost/last.safetensors

# ---- the last weights that are the best
run train --data text.txt --run better "${WORSE[@]/odd.txt/text.txt}" --max-steps 20
cp better/best.safetensors first.safetensors
rm better/best.safetensors
run train --resume better --max-steps 20
done_with "a best model of the last step is made again" 0
must "the same" same_tensors better/best.safetensors first.safetensors
rm better/best.safetensors
run train --resume better --max-steps 40
must "a better one takes the place of one that is lost" test -s better/best.safetensors
must "and is the best, then" grep -q '^best: step 40' "$OUT"
finish
