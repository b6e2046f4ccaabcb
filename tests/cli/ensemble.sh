#!/usr/bin/env bash
# Several models: the mean of their weights (average), and of their probabilities (eval --model A B).
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
make_text other.txt 200
tiny_model a
tiny_model b --seed 2
tiny_model wide --hidden 25
tiny_model words --level word --embed 0

# ---- the mean of probabilities
for model in a b; do
    run eval --model $model --data other.txt --json --per-token "$model.tsv"
    eval "loss_$model=$(json loss)"
done
run eval --model a --model b --data other.txt --json --per-token both.tsv
done_with "a text can be scored by two models" 0
paste a.tsv b.tsv both.tsv | awk -F '\t' '{ p = (exp($2) + exp($4)) / 2; d = log(p) - $6; if (d < 0) d = -d; if (d > 1e-6 || $1 != $5) bad = 1 } END { exit bad || NR < 1000 }'
status=$?
done_with "every token has the mean of their probabilities" 0
must "the loss is that of the mean" near "$(awk -F '\t' '{ s += $2 } END { printf "%.17g", -s / NR }' both.tsv)" "$(json loss)" 1e-6
# shellcheck disable=SC2154
must "each has its own figure" test "$(json models.0.loss) $(json models.1.loss)" = "$loss_a $loss_b"
must "two seeds together are better than they are on average" less "$(json loss)" "$(awk -v a="$loss_a" -v b="$loss_b" 'BEGIN { printf "%.17g", (a + b) / 2 }')"
loss=$(json loss)
run eval --model a b --data other.txt --json
must "--model takes both at once" test "$(json loss)" = "$loss"
run eval --model a a --data other.txt --json
must "a model twice is that model" near "$(json loss)" "$loss_a" 1e-9
run eval --model a b --data other.txt
must "people see the names and figures" test "$(grep -c '^alone  ' "$OUT")" = 2
run eval --model a b --data other.txt --dynamic 0.03 --json
must "each can learn by itself" less "$(json loss)" "$loss"
refuses "another vocabulary" 2 '--model words: its vocabulary is not that of a' eval --model a words --data other.txt
refuses "lines by several" 2 '--lines and several models' eval --model a b --data other.txt --lines
refuses "several streams" 2 '--model: .*one stream' eval --model a b --data other.txt --batch 4

# ---- the mean of weights
run average a a --out same.safetensors
done_with "two models have a mean" 0
run eval --model same.safetensors --data other.txt --json
must "that of a model and itself is that model" test "$(json loss)" = "$loss_a"
run train --data text.txt --run still --init-from a --max-steps 20 --lr 0.002 --threads 1
run average a still --out mean.safetensors --json
must "--json says of how many" test "$(json models)" = 2
for model in a still mean.safetensors; do
    run export --model $model --out "${model%.safetensors}.weights.safetensors"
done
floats() { tensors "$1" | od -An -v -w4 -t f4; }
paste <(floats a.weights.safetensors) <(floats still.weights.safetensors) <(floats mean.weights.safetensors) |
    awk '{ d = ($1 + $2) / 2 - $3; if (d < 0) d = -d; if (d > 1e-6) bad = 1; moved += $1 != $2 } END { exit bad || NR < 1000 || moved < 500 }'
status=$?
done_with "every weight is the mean of two" 0
run average a still b --out three.safetensors
done_with "three have one too" 0
run train --data text.txt --run from-mean --init-from mean.safetensors --max-steps 1 --threads 1
done_with "a run can begin from a mean" 0
refuses "other sizes" 2 'wide: hidden is 25, and that of a is 24' average a wide --out no.safetensors
refuses "another vocabulary has no mean" 2 'words: its vocabulary' average a words --out no.safetensors
refuses "one model" 2 'give two models or more' average a --out no.safetensors
refuses "nowhere to write" 2 'give --out' average a b
refuses "over one of them" 2 'best.safetensors' average a/best.safetensors b --out a/best.safetensors
refuses "a text" 2 'other.txt' average a other.txt --out no.safetensors
finish
