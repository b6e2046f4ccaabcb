#!/usr/bin/env bash
# An adaptive output layer through the program: cutoffs from the text or as given, kept with the run; resumed to the bit;
# losses of single tokens that add up to the text's; probabilities of every token; what is refused.
. "$(dirname "$0")/lib.sh"

make_text text.txt 400
make_text other.txt 40
SIZES=(--data text.txt --level word --output adaptive --hidden 32 --embed 8 --batch 8 --steps 10 --seed 3 --dropout 0.1
    --log-every 10 --valid-every 20 --no-report --no-tensorboard)
setting() { sed -n "s/^$2 = //p" "$1/config"; }

run train "${SIZES[@]}" --run a --max-steps 60 --threads 1
done_with "a run with an adaptive output layer is trained" 0
must "it learns" less "$(grep -o '"valid_loss": *[0-9.]*' a/metrics.jsonl | tail -n 1 | tr -dc 0-9.)" 4
must "its line says so" grep -qE '^model: .* 8-wide embeddings, adaptive output \([0-9] clusters?\);' "$OUT"
must "its cutoffs come from the text and stand in its configuration" grep -qE '^cutoffs = [0-9]+(,[0-9]+)*$' a/config
run info a
for tensor in decoder.head.weight decoder.tail.0.0.weight decoder.tail.0.1.weight; do
    must "info shows $tensor" grep -q "$tensor" "$OUT"
done
must "there is no bias and no table of all tokens" test "$(grep -cE 'decoder\.(bias|weight)' "$OUT")" = 0
run train "${SIZES[@]}" --run b --max-steps 60 --threads 2
must "two threads train the same model, bit for bit" same_tensors a/last.safetensors b/last.safetensors

# ---- stopped and resumed
held 'step 20: validation' 'kill -TERM $HELD' train "${SIZES[@]}" --run c --max-steps 60
done_with "it can be stopped" 75
run train --resume c
done_with "and resumed" 0
must "it is the run that was never stopped, bit for bit" same_tensors a/last.safetensors c/last.safetensors
refuses "a resumed run keeps its output layer" 2 'cannot change it' train --resume a --output softmax --max-steps 80
refuses "and its cutoffs" 2 'cannot change it' train --resume a --cutoffs 5 --max-steps 80

# ---- what uses it
run eval --model a --data other.txt --per-token scores --json
done_with "a text can be scored" 0
whole=$(awk -v l="$(json loss)" -v n="$(json tokens)" 'BEGIN { printf "%.9g", -l * n }')
must "losses of single tokens add up" near "$(awk -F '\t' '{ s += $2 } END { printf "%.9g", s }' scores)" "$whole" 1e-5
on_cpu=$(json loss)
run eval --model a --data other.txt --device reference --json
must "the reference engine gives the same loss" near "$on_cpu" "$(json loss)" 1e-6
head -n 6 other.txt >list.txt
run eval --model a --lines --data list.txt
cp "$OUT" together
while IFS= read -r line; do
    printf '%s\n' "$line" >one.txt
    run eval --model a --lines --data one.txt
    cat "$OUT"
done <list.txt >alone
must "a line scores the same alone and beside others, bit for bit" cmp together alone
run sample --model a --length 30 --seed 5
done_with "texts can be made" 0
run ngram --order 2 --split-of a valid --model a --json
done_with "it mixes with an n-gram model" 0
run report a --out page.html
must "its report says what it is" grep -q '1 × 32 tanh, d = 8, adaptive' page.html
run inspect --model a --data other.txt
done_with "it can be inspected" 0
run train "${SIZES[@]}" --dry-run --max-steps 60
done_with "a dry run tells its sizes" 0

run train "${SIZES[@]}" --run a --resume auto --cutoffs auto --max-steps 60 --threads 1
done_with "a second job may ask for the cutoffs as the first did" 0

run train --data other.txt --level word --init-from a --run again --max-steps 5 --batch 4 --no-report --no-tensorboard
done_with "a new run begins with its weights" 0
must "and its cutoffs" test "$(setting a cutoffs)" = "$(setting again cutoffs)"
refuses "the output layer is that of the model to begin with" 2 '--output softmax: .*a/best.safetensors.* has adaptive; leave --output out' \
    train --data other.txt --init-from a --output softmax --run no --max-steps 5
refuses "clusters belong to their vocabulary" 2 'leave --vocabulary-from out' train --data other.txt --init-from a \
    --vocabulary-from text --run e --max-steps 5

# ---- to other programs and back
run export --model a --out exported
done_with "it is exported" 0
must "the card names its output layer" test "$("$JSON_GET" exported/model.json model.output)" = adaptive
run import exported/model.safetensors --vocab exported/model.json --out back.safetensors --json
done_with "and imported" 0
must "as what it is" test "$(json output)" = adaptive
run eval --model back.safetensors --data other.txt --json
must "with the same loss" test "$(json loss)" = "$on_cpu"
tr '\n' ' ' <other.txt | tr ' ' '\n' | sort -u | grep -v '^$' | head -n 20 >short.list
refuses "a list of another length" 2 '20 tokens|20 entries|has 2' import exported/model.safetensors --vocab short.list --out no.safetensors

# ---- given cutoffs, and what is refused
run train "${SIZES[@]}" --run d --max-steps 5 --cutoffs 3,9
must "cutoffs are what was asked for" test "$(setting d cutoffs)" = 3,9
refuses "a cutoff beyond the vocabulary" 2 'cutoffs: 99999' train "${SIZES[@]}" --run e --cutoffs 3,99999
refuses "cutoffs that do not ascend" 2 'ascending' train "${SIZES[@]}" --run e --cutoffs 9,3
refuses "more clusters than the width allows" 2 'larger --hidden' train "${SIZES[@]}" --run e --cutoffs 3,6,9
refuses "a tied table" 2 'leave one of the two out' train "${SIZES[@]}" --run e --tied
refuses "a tied table of one-hot input: no embedding is asked for first" 2 'leave one of the two out' train --data text.txt --run e --output adaptive --tied
refuses "cutoffs without clusters" 2 'only --output adaptive' train --data text.txt --run e --cutoffs 5
finish
