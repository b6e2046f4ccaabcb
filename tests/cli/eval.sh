#!/usr/bin/env bash
# Evaluation through the program.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
make_text other.txt 120
tiny_model model
tiny_model words --level word --embed 12

run eval --model model --data other.txt --json
done_with "a text can be scored" 0
must "--json is one JSON object" is_json
loss=$(json loss)
bytes=$(stat -c %s other.txt)
must "every token after the first is scored" test "$(json tokens)" = $((bytes - 1))
must "perplexity is exp(loss)" near "$(json perplexity)" "$(awk -v l="$loss" 'BEGIN { printf "%.17g", exp(l) }')" 1e-9
must "bits are nats over ln 2" near "$(json bits_per_token)" "$(awk -v l="$loss" 'BEGIN { printf "%.17g", l / log(2) }')" 1e-9
must "at byte level bits per byte are bits per token" near "$(json bits_per_byte)" "$(json bits_per_token)" 1e-12
must "nothing was unknown" test "$(json unknown)" = 0
for steps in 1 7 64 5000; do
    run eval --model model --data other.txt --json --steps $steps
    must "one stream does not depend on --steps $steps" near "$(json loss)" "$loss" 1e-6
done
run_with other.txt eval --model model --data - --json
must "standard input is scored as a file is" near "$(json loss)" "$loss" 1e-12
run eval --model model/best.safetensors --data other.txt --json
must "a run folder stands for its best model" near "$(json loss)" "$loss" 1e-12
run eval --model model --data other.txt --json --device reference
must "the reference engine gives the same" near "$(json loss)" "$loss" 1e-5
run eval --model model --data other.txt
must "people get perplexity, bits and counts" grep -qE 'perplexity +[0-9]' "$OUT"
run eval --model model --data other.txt --batch 8 --json
must "--batch says that streams start cold" grep -q '8 streams.*cold' "$ERR"
must "--batch still scores every token" test "$(json tokens)" = $((bytes - 1))
must "--batch gives nearly the same" near "$(json loss)" "$loss" 0.1
refuses "--batch beyond the text is refused" 2 '--batch 60000' eval --model model --data other.txt --batch 60000
refuses "--per-token needs one stream" 2 '--per-token' eval --model model --data other.txt --batch 2 --per-token x.tsv

# ---- per token
run eval --model model --data other.txt --per-token tokens.tsv --json
must "--per-token writes a line for each token" test "$(wc -l <tokens.tsv)" = $((bytes - 1))
sum=$(awk -F '\t' '{ s += $2 } END { printf "%.17g", -s / NR }' tokens.tsv)
must "log-probabilities add up to the loss" near "$sum" "$loss" 1e-5
text_of() { cut -f 1 "$1" | sed 's/^\\n$/@/' | tr -d '\n' | tr '@' '\n'; }
must "tokens are those of the text" test "$(text_of tokens.tsv)" = "$(tail -c +2 other.txt)"
must "no unfinished copy is left" test "$(ls tokens.tsv*)" = tokens.tsv
run eval --model model --data other.txt --per-token /dev/null
done_with "--per-token can go to a device" 0
must "the device is still one" test -c /dev/null

# ---- a run's own parts
run eval --split-of model valid --json
done_with "a run's validation part can be scored" 0
valid=$(json loss)
grep '"valid_loss_zero"' model/metrics.jsonl | tail -n 1 >"$WORK/line"
must "it is what training reported at its end" near "$valid" "$("$JSON_GET" "$WORK/line" valid_loss_zero)" 1e-6
run eval --model model --split-of model test --json
done_with "a run's test part can be scored" 0
must "parts have the sizes of the split" test "$(json tokens)" = "$(awk -v n="$(stat -c %s text.txt)" 'BEGIN { printf "%d", n - int(n * (0.8 + 0.1)) - 1 }')"
run train --data text.txt --run whole --split 1,0,0 --hidden 8 --max-steps 3 --threads 1
refuses "a part that a run does not have is refused" 2 'no such part' eval --split-of whole valid

# ---- lines
head -n 40 other.txt >list.txt
run eval --model model --lines --data list.txt
done_with "lines can be scored" 0
must "each line gets a line" test "$(wc -l <"$OUT")" = 40
paste "$OUT" list.txt | sort >scores.forward
awk '{ line[NR] = $0 } END { for (i = NR; i; i--) print line[i] }' list.txt >reversed.txt
run eval --model model --lines --data reversed.txt
paste "$OUT" reversed.txt | sort >scores.backward
must "scores do not depend on the order of lines, bit for bit" cmp scores.forward scores.backward
head -n 1 list.txt >first.txt
run eval --model model --lines --data first.txt
must "scores do not depend on the company of a line" test "$(cat "$OUT")" = "$(grep -F "$(cat first.txt)" scores.forward | head -n 1 | cut -f 1,2)"
must "a line's characters and its end are scored" test "$(cut -f 2 "$OUT")" = "$(stat -c %s first.txt)"
{ echo; cat first.txt; } >framed.txt
run eval --model model --data framed.txt --json
whole=$(awk -v l="$(json loss)" -v n="$(json tokens)" 'BEGIN { printf "%.9g", -l * n }')
run eval --model model --lines --data first.txt
must "a line scores as it does between two line ends" near "$(cut -f 1 "$OUT")" "$whole" 1e-5
run eval --model words --lines --data list.txt --json
done_with "lines of words can be scored" 0
must "lines --json is one JSON object" is_json
must "lines --json has a score for each line" test "$(json lines)" = 40
must "a line of 7 words has 8 tokens with its end" test "$(json scores.0.tokens)" = 8
run_with list.txt eval --model words --lines --data -
must "lines are read from standard input" test "$(wc -l <"$OUT")" = 40
printf 'the king\n\nthe queen' >gaps.txt
run eval --model words --lines --data gaps.txt
must "an empty line and a last line without end count" test "$(cut -f 2 "$OUT" | tr '\n' ' ')" = '3 1 3 '

# ---- unknown words
printf 'the wizard went\nthe king saw dragons\n' >strange.txt
run eval --model words --data strange.txt --json
must "out-of-vocabulary words are counted" test "$(json unknown)" = 2
must "words and line ends are scored" test "$(json tokens)" = 8
must "per byte needs fewer bits than per word" less "$(json bits_per_byte)" "$(json bits_per_token)"

# ---- precision is the training's, not the model's
tiny_model rounded --device reference --precision bf16 --max-steps 3
run eval --model rounded --data other.txt --json
done_with "a model that was trained in bf16 is scored on a CPU" 0
rounded=$(json loss)
run eval --model rounded --data other.txt --json --device reference
must "with the loss of the reference engine" near "$(json loss)" "$rounded" 1e-5

# ---- token files
run tokenize --data other.txt --vocabulary model --out other.tok
done_with "a text can be tokenised with a model's vocabulary" 0
run eval --model model --data other.tok --json
must "a token file scores as its text does" near "$(json loss)" "$loss" 1e-12

# ---- weights that are finite, and so large that nothing can be computed from them
run train --data text.txt --run huge --hidden 8 --batch 4 --steps 8 --threads 1 --layers 3 --cell relu --optimizer sgd --lr 1e6 \
    --clip 0 --warmup-steps 0 --schedule constant --max-steps 1 --no-report --no-tensorboard
refuses "what is no number is no result" 1 'huge: gives probabilities that are no numbers' eval --model huge --data text.txt
refuses "nor in JSON" 1 'huge: gives probabilities' eval --model huge --data text.txt --json
refuses "nor a table of tokens" 1 'huge: gives probabilities' eval --model huge --data text.txt --per-token huge.tsv
refuses "nor a part of a mean" 1 'huge: gives probabilities' eval --model model huge --data text.txt
refuses "nor of a mixture" 1 'huge: gives probabilities' ngram --order 2 --data text.txt --model huge
run eval --model huge --data text.txt --lines
done_with "nor for lines" 1
must "lines that are no numbers are not printed" bash -c '! grep -q nan "$1"' - "$OUT"
finish
