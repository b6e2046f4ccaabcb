#!/usr/bin/env bash
# tinyshakespeare in bytes, 90 % to train on: perplexity at most 4.70 on the last 5 % (an interpolated Kneser-Ney 7-gram of the same
# text has 4.854), at most 4.60 with dynamic evaluation. Its time is reported, not judged: machines differ.
. "$(dirname "$0")/golden.sh"
need_corpus tinyshakespeare.txt
run train --data "$CORPUS" --run small --json --level byte --split 0.9,0.05,0.05 --cell lstm --hidden 256 --layers 2 --dropout 0.25 \
    --dropout-weight 0.15 --lr 8e-3 --steps 64 --epochs 8 --seed 1 --threads "$(threads_at_most 2)"
done_with "the training ends" 0
echo "      $(json tokens) tokens in $(json seconds) s"
run eval --split-of small test --json
echo "      perplexity $(json perplexity) on the last 5 %"
must "perplexity at most 4.70 on the last 5 %" less "$(json perplexity)" 4.70
run eval --split-of small test --dynamic auto --json
echo "      perplexity $(json perplexity) on the last 5 %, learning from it as it goes"
must "perplexity at most 4.60 with dynamic evaluation" less "$(json perplexity)" 4.60
finish
