#!/usr/bin/env bash
# What a new run begins with where flags are left out, and what it says of a training that does not learn.
. "$(dirname "$0")/lib.sh"

# A text of letters and words that has more to learn than how often each comes.
awk 'BEGIN { for (i = 0; i < 900; i++) printf "one two three four five %s six seven\n", i % 3 ? "and" : "or" }' >text.txt
SMALL=(--data text.txt --batch 8 --steps 10 --threads 1 --no-report --no-tensorboard)

# says TEXT COUNT: the last run said it so often.
says() { [ "$(grep -c -e "$1" "$OUT")" = "$2" ]; }
valid_loss() { grep '"event":"valid"' "$1/metrics.jsonl" | tail -n 1 | grep -o '"valid_loss":[^,]*' | cut -d: -f2; }
has() { grep -qx -e "$2" "$1/config"; }

run train "${SMALL[@]}" --hidden 24 --max-steps 120 --valid-every 40 --run learns
done_with "a training that learns" 0
must "says nothing of the kind" says warning 0

run train "${SMALL[@]}" --hidden 24 --max-steps 120 --valid-every 30 --lr 1e-9 --run stands
done_with "a training that does not learn ends all the same" 0
must "it is said once to be no better than single tokens, and what to change" says \
    'warning: no better than the frequencies of single tokens (validation perplexity .*, unigram .*); try a third of --lr 1e-09' 1
run train "${SMALL[@]}" --hidden 24 --max-steps 30 --valid-every 30 --lr 1e-9 --run once
must "but not after one evaluation" says 'no better' 0

run train "${SMALL[@]}" --hidden 24 --layers 2 --max-steps 40 --valid-every 10 --init uniform --init-scale 1e-3 \
    --init-recurrent same --lr 1e-9 --run silent
must "hidden values that carry nothing are said, of the first such layer, once" says \
    'warning: layer 1: hidden values of rms .* carry almost nothing; use --init fan-in, or a larger --init-scale' 1
run train "${SMALL[@]}" --hidden 24 --max-steps 40 --valid-every 10 --init-scale 60 --lr 1e-9 --run loud
must "saturated ones too, where the model is no better than single tokens" says \
    'warning: layer 1: [0-9]* % of the hidden values are saturated .* no better than .*; lower --lr or --init-scale' 1
must "metrics.jsonl has it" grep -q '^{"event":"warning","step":10,"kind":"saturated","text":"layer 1: ' loud/metrics.jsonl
run report loud --out loud.html
must "and the report" grep -q '<p class="note">Step 10: layer 1: [0-9]* % of the hidden values are saturated' loud.html
run train "${SMALL[@]}" --hidden 24 --max-steps 200 --valid-every 200 --init-scale 60 --lr 0.02 --clip 0 --run saturated
must "not where it has learned all the same" says 'are saturated' 0
run inspect --model saturated --data text.txt --json
must "which it is, too: more than 60 % of its values are saturated" less 0.6 "$(json layers.0.saturated)"
run train "${SMALL[@]}" --hidden 24 --layers 2 --max-steps 20 --valid-every 10 --init-scale 0 --init-recurrent same --run dead
must "a layer of zeros is said" says 'warning: layer 1: hidden values of rms 0 carry almost nothing' 1
held 'step 20: validation' 'kill -INT $HELD' train "${SMALL[@]}" --hidden 24 --max-steps 60 --valid-every 10 --init-scale 60 --lr 1e-9 --run parts
run train --resume parts --no-report --no-tensorboard
run train "${SMALL[@]}" --hidden 24 --max-steps 60 --valid-every 10 --init-scale 60 --lr 1e-9 --run whole
must "once in a run: a resumed one has said it" same_metrics parts/metrics.jsonl whole/metrics.jsonl
run train "${SMALL[@]}" --hidden 24 --max-steps 40 --valid-every 10 --init-scale 60 --cell relu --lr 1e-9 --run relu
must "a ReLU's are never called so" says 'are saturated' 0

# embeddings
TINY=("${SMALL[@]}" --max-steps 1)
run train "${TINY[@]}" --hidden 24 --level word --run words
must "words have an embedding of the power of two at or below h" has words 'embed = 16'
run train "${TINY[@]}" --hidden 600 --level word --limit-tokens 900 --run wide
must "of at most 512" has wide 'embed = 512'
run train "${TINY[@]}" --hidden 24 --level word --tied --run tied
must "which may be tied" has tied 'embed = 16'
run train "${TINY[@]}" --hidden 24 --level word --embed 0 --run one-hot
must "--embed 0 is one-hot" has one-hot 'embed = 0'
run tokenize --data text.txt --level word --out text.tokens
run train --data text.tokens "${TINY[@]:2}" --hidden 24 --run tokens
must "words of a token file have one, too" has tokens 'embed = 16'
for level in byte char; do
    run train "${TINY[@]}" --hidden 24 --level $level --run $level
    must "$level: one-hot" has $level 'embed = 0'
done
run train --config words/config --run again
must "a run's configuration repeats it" test "$(valid_loss again)" = "$(valid_loss words)"

# what was written for 0.1.0 (what it wrote itself: earlier.sh)
printf 'init = uniform\nhidden = 24\n' >old.config
run train --config old.config "${SMALL[@]}" --max-steps 4 --valid-every 4 --run old
must "a file that names an old way to initialise and no scaling means one rate" has old 'lr-scaling = none'
echo 'nonlinearity = relu' >older.config
run train --config older.config "${SMALL[@]}" --hidden 24 --max-steps 4 --valid-every 4 --run older
must "the cell's old name marks a file of 0.1.0: its initial weights" has older 'init = uniform'
must "and its rate" has older 'lr-scaling = none'
printf 'init = fan-in\nhidden = 24\n' >newer.config
run train --config newer.config "${SMALL[@]}" --max-steps 4 --valid-every 4 --run newer
must "a file that names a new way to initialise is none" has newer 'lr-scaling = mup'

# rates by tensor
must "new runs scale their rates" has learns 'lr-scaling = mup'
refuses "a resumed run keeps its scaling" 2 '--lr-scaling none: the run was started with .mup.' train --resume learns --lr-scaling none
run train "${SMALL[@]}" --hidden 128 --layers 2 --dry-run --json
must "a dry run has the factor of every tensor" grep -q '"rnn.weight_hh_l1":2[,}]' "$OUT"
run train "${SMALL[@]}" --hidden 128 --layers 2 --dry-run
must "and its rate" grep -qE '^ +0.004: rnn.weight_ih_l0 rnn.bias_ih_l0|^rates +0.004: rnn.weight_ih_l0 rnn.weight_hh_l0' "$OUT"

# an LSTM begins at twice the rate
run train "${SMALL[@]}" --cell lstm --hidden 24 --max-steps 2 --valid-every 2 --run lstm
must "an LSTM's default rate is twice a tanh layer's" has lstm 'lr = 0.004'
run train "${SMALL[@]}" --cell lstm --hidden 24 --max-steps 2 --valid-every 2 --lr-scaling none --run lstm-none
must "but not where rates do not follow widths" has lstm-none 'lr = 0.002'
run train "${SMALL[@]}" --init-from lstm --max-steps 2 --valid-every 2 --run lstm-on
must "and it follows the cell of a model to begin with" has lstm-on 'lr = 0.004'
finish
