#!/usr/bin/env bash
# tinyshakespeare in bytes, 90 % to train on: perplexity below 4.85 on the last 5 % (an interpolated Kneser-Ney 7-gram of the same
# text has 4.854). Its time is reported, not judged: machines differ.
. "$(dirname "$0")/golden.sh"
need_corpus tinyshakespeare.txt
run train --data "$CORPUS" --run small --json --level byte --split 0.9,0.05,0.05 --hidden 320 --layers 3 --dropout-output 0.25 --dropout-between 0.15 \
    --lr 1e-3 --batch 32 --steps 35 --epochs 30 --seed 1 --threads "$(threads_at_most 2)"
done_with "the training ends" 0
echo "      $(json tokens) tokens in $(json seconds) s"
run eval --split-of small test --json
echo "      perplexity $(json perplexity) on the last 5 %"
must "perplexity below 4.85 on the last 5 %" less "$(json perplexity)" 4.85
finish
