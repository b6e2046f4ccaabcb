#!/usr/bin/env bash
# Dynamic evaluation: eval --dynamic, and in mixtures of ngram. The formulas are judged in unit/dynamic_test.c.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
# other words from the same letters: there is something to learn
sed 's/great/small/g; s/king/night/g; s/went/held/g' text.txt | head -n 300 >other.txt
tiny_model model
run eval --model model --data other.txt --json
static=$(json loss)
static_test=$(run eval --split-of model test --json; json perplexity)
before=$(cksum model/best.safetensors)

# ---- a rate
run eval --model model --data other.txt --dynamic 0.3 --json --per-token tokens.tsv
done_with "a text is scored and learned from" 0
must "with a rate that suits it, better than without" less "$(json loss)" "$static"
must "what was used is said" test "$(json dynamic.method) $(json dynamic.steps) $(json dynamic.clip)" = "sgd 20 1"
must "tokens have the log-probabilities of that loss" near "$(awk -F '\t' '{ s += $2 } END { printf "%.17g", -s / NR }' tokens.tsv)" "$(json loss)" 1e-6
loss=$(json loss)
run eval --model model --data other.txt --dynamic 0.3 --json
must "again the same, to the last digit" test "$(json loss)" = "$loss"
run eval --model model --data other.txt --dynamic 0.3 --json --threads 2
must "with two threads too" test "$(json loss)" = "$loss"
run eval --model model --data other.txt --dynamic 0.3 --json --device reference
must "the reference engine gives nearly the same" near "$(json loss)" "$loss" 1e-5
must "the model's file is untouched" test "$(cksum model/best.safetensors)" = "$before"
run eval --model model --data other.txt --dynamic 0 --json
must "a rate of 0 is no dynamic evaluation" near "$(json loss)" "$static" 1e-6
head -c 21 other.txt >window.txt
run eval --model model --data window.txt --dynamic 0.3 --json
first=$(json loss)
run eval --model model --data window.txt --json
must "a window is scored before it is learned from" near "$(json loss)" "$first" 1e-7
run eval --model model --data other.txt --dynamic 0.3 --dynamic-steps 7 --json
must "--dynamic-steps says how many tokens" test "$(json dynamic.steps)" = 7

# ---- rms
run eval --model model --data other.txt --dynamic 0.004 --dynamic-method rms --train-text text.txt --json
must "steps scaled by the gradients' rms learn as well" less "$(json loss)" "$static"
rms=$(json loss)
run eval --model model --data other.txt --dynamic 0.004 --dynamic-method rms --train-text text.txt --dynamic-decay 1 --json
must "a decay of 1 leads back to the trained weights" less "$rms" "$(json loss)"
run eval --split-of model test --dynamic 0.004 --dynamic-method rms --json
done_with "the run's own text is measured where there is one" 0
must "and people see what was used" bash -c '"$1" eval --split-of model test --dynamic 0.004 --dynamic-method rms 2>/dev/null | grep -q "^dynamic       rms, rate 0.004, decay 0.001, every 20 tokens$"' - "$PERPLEX"

# ---- auto
run eval --split-of model test --dynamic auto --json
done_with "auto chooses a rate" 0
must "better on the validation text" less "$(json dynamic.chosen_perplexity)" "$(json dynamic.static_perplexity)"
must "and on the text that is scored" less "$(json perplexity)" "$static_test"
rate=$(json dynamic.rate)
perplexity=$(json perplexity)
run eval --split-of model test --dynamic "$rate" --json
must "the rate that it names gives that result" near "$(json perplexity)" "$perplexity" 1e-9
run eval --model model --data other.txt --valid text.txt --dynamic auto --dynamic-method rms --train-text text.txt --json
done_with "auto with texts of one's own, rate and decay" 0
must "a decay is named" is_number "$(json dynamic.decay)"
run eval --split-of model valid --dynamic auto --json
must "choosing on the text that is scored is said" grep -q '^note: --dynamic auto chooses on the validation part' "$ERR"

# ---- in a mixture with n-grams
run ngram --order 1 --split-of model test --model model --json
mixed=$(json mixed_perplexity)
run ngram --order 1 --split-of model test --model model --dynamic "$rate" --json
must "the network of a mixture can learn" near "$(json network_perplexity)" "$perplexity" 1e-6
must "and the mixture is better for it" less "$(json mixed_perplexity)" "$mixed"
must "what was used is said there too" near "$(json dynamic.rate)" "$rate" 1e-9

# ---- refused
refuses "no rate" 2 '--dynamic none: not accepted' eval --model model --data other.txt --dynamic none
refuses "a negative rate" 2 '--dynamic -1: not accepted' eval --model model --data other.txt --dynamic=-1
refuses "another method" 2 '--dynamic-method adam: not accepted; it takes sgd or rms' eval --model model --data other.txt --dynamic 1 --dynamic-method adam
refuses "a method alone" 2 '--dynamic-method: is for dynamic' eval --model model --data other.txt --dynamic-method rms
refuses "a decay of sgd" 2 '--dynamic-decay: is for --dynamic-method rms' eval --model model --data other.txt --dynamic 1 --dynamic-decay 0.1
refuses "auto without a validation text" 2 'chooses on a validation text; give --valid' eval --model model --data other.txt --dynamic auto
refuses "rms without a training text" 2 'give --train-text' eval --model model --data other.txt --dynamic 1 --dynamic-method rms
refuses "a training text for nothing" 2 '--train-text: is what' eval --model model --data other.txt --train-text text.txt
refuses "several streams" 2 '--dynamic: .*one stream' eval --model model --data other.txt --dynamic 1 --batch 4
refuses "lines" 2 '--lines and --dynamic' eval --model model --data other.txt --dynamic 1 --lines
refuses "a rate without end" 1 'give a lower rate' eval --model model --data other.txt --dynamic 1e300 --dynamic-method rms --train-text text.txt
refuses "n-grams alone" 2 '--dynamic: is for a network' ngram --data text.txt --dynamic 1
finish
