#!/usr/bin/env bash
# Sources whose entropy rate is known exactly: a trained model's bits per symbol on held-out text come within 0.5 % of the rate,
# and never below what the source itself needs for that very text by more than sampling error.
. "$(dirname "$0")/golden.sh"
SOURCE=$3
SYMBOLS=400000

# train_on NAME HIDDEN STEPS: the defaults but for size and length
train_on() { run train --data $1.txt --run $1 --hidden $2 --max-steps $3 --seed 1 --threads 1 --no-report --no-tensorboard; }

for name in golden-mean even brackets; do
    "$SOURCE" $name --symbols $SYMBOLS --seed 7 --score-from $((SYMBOLS * 95 / 100)) --out $name.txt --json >"$WORK/source.json"
    rate=$("$JSON_GET" "$WORK/source.json" bits_per_symbol)
    held_out=$("$JSON_GET" "$WORK/source.json" sample_bits)
    if [ $name = brackets ]; then train_on $name 32 2000; else train_on $name 16 600; fi
    done_with "$name: a model can be trained" 0
    run eval --split-of $name test --json
    bits=$(json bits_per_token)
    echo "      $name: rate $rate, held-out text $held_out, model $bits bits per symbol"
    # the held-out text's own code length under its source differs from the rate by sampling error, for source and model alike
    must "$name: within 0.5 % of what the source itself needs for this text" less "$bits" "$(awk -v b="$held_out" 'BEGIN { print 1.005 * b }')"
    must "$name: within 0.5 % of the rate, given that sampling error" less "$(awk -v a="$bits" -v b="$held_out" -v r="$rate" 'BEGIN { e = b > r ? b - r : r - b; print a - e }')" \
        "$(awk -v r="$rate" 'BEGIN { print 1.005 * r }')"
    must "$name: not below what the source needs, but for 0.1 % of chance" less "$(awk -v b="$held_out" 'BEGIN { print 0.999 * b }')" "$bits"
done
finish
