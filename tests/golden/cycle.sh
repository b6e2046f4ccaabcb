#!/usr/bin/env bash
# A finite cycle of words, each of which tells the next, is learned exactly: perplexity 1.00. And a model of it goes on with it.
. "$(dirname "$0")/golden.sh"
for _ in $(seq 400); do echo "one two three four five six seven"; done >cycle.txt
run train --data cycle.txt --level word --run cycle --hidden 24 --batch 4 --steps 10 --max-steps 1500 --lr 0.01 --lr-scaling none --threads 1 --json
done_with "a cycle can be trained on" 0
run eval --split-of cycle test --json
must "its perplexity is 1.00 to two decimals" test "$(printf '%.2f' "$(json perplexity)")" = 1.00
must "its perplexity is not below 1" test "$(awk -v p="$(json perplexity)" 'BEGIN { print (p >= 1) }')" = 1
run sample --model cycle --prompt 'one two' --length 14 --seed 3
must "the model goes on with the cycle" test "$(tr '\n' ' ' <"$OUT")" = 'one two three four five six seven one two three four five six seven '
finish
