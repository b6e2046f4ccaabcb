#!/usr/bin/env bash
# The n-gram command: whose tokens are counted and scored, and mixing with a network.
PAIRED=$(cd "$(dirname "$0")/../../bench" && pwd)/paired.sh
. "$(dirname "$0")/../cli/lib.sh"
make_text text.txt 1500
make_text other.txt 120
tiny_model model
tiny_model words --level word --embed 12
bytes=$(stat -c %s text.txt)

run ngram --order 3 --data text.txt --test other.txt --json
done_with "a text can be counted and another one scored" 0
must "--json is one JSON object" is_json
must "with a test text all of --data is counted" test "$(json train_tokens)" = "$bytes"
must "every token after the first is scored" test "$(json tokens)" = $(($(stat -c %s other.txt) - 1))
must "bits are the logarithm of the perplexity" near "$(json bits_per_token)" "$(awk -v p="$(json perplexity)" 'BEGIN { printf "%.17g", log(p) / log(2) }')" 1e-9
must "standard error stays quiet in a pipe" test ! -s "$ERR"
first=$(json perplexity)
run_with other.txt ngram --order 3 --data text.txt --test - --json
must "standard input is scored as a file is" near "$(json perplexity)" "$first" 1e-12
run ngram --order 1 --data text.txt --test other.txt --json
must "a unigram model is worse than a 3-gram model" less "$first" "$(json perplexity)"
run ngram --order 3 --data text.txt --json
must "without a test text the last share is scored" test "$(json part) $(json train_tokens)" = "test $(awk -v n="$bytes" 'BEGIN { print int(n * 0.9) }')"
run ngram --order 3 --data text.txt --test other.txt --split 0.5,0.1,0.4 --json
must "--split holds where it is given" test "$(json train_tokens) $(json valid.tokens)" = "$((bytes / 2)) $((bytes * 6 / 10 - bytes / 2 - 1))"
run ngram --order 2 --data text.txt --valid other.txt --json
must "a validation text alone is what is scored" test "$(json part)" = valid
run ngram --order 3 --data text.txt --test other.txt
must "people get perplexity, bits and counts" grep -qE '^test +[0-9.]+ +[0-9.]+ +[0-9,]+ +0$' "$OUT"
run tokenize --data text.txt --out text.tok
run ngram --order 3 --data text.tok --test other.txt --json
must "a token file is counted as its text is" near "$(json perplexity)" "$first" 1e-12

# ---- lines and words
run ngram --order 3 --data text.txt --test other.txt --level word --json
must "words are counted line by line" test "$(json lines)" = true
lines=$(json perplexity)
run ngram --order 3 --data text.txt --test other.txt --level word --no-lines --json
must "--no-lines goes on across line ends" test "$(json lines)" = false
must "that makes a difference" test "$(json perplexity)" != "$lines"
printf 'the wizard went\nthe king saw dragons\n' >strange.txt
run ngram --order 3 --data text.txt --test strange.txt --level word --min-count 2 --json
must "out-of-vocabulary words are counted" test "$(json unknown)" = 2
run ngram --order 3 --data text.txt --test other.txt --lines --json
must "--lines works for bytes" test "$(json lines)" = true

# ---- with a network
run ngram --order 4 --split-of model test --model model --json
done_with "n-grams and a network can be mixed" 0
must "what the run was trained on is counted" test "$(json train_tokens)" = "$(awk -v n="$bytes" 'BEGIN { print int(n * 0.8) }')"
mixed=$(json mixed_perplexity) network=$(json network_perplexity) ngram=$(json perplexity) tokens=$(json tokens)
must "the weight comes from the validation part" test "$(json weight_from)" = valid
must "there the mixture is no worse than the network" test "$(awk -v a="$(json valid.mixed_perplexity)" -v b="$(json valid.network_perplexity)" 'BEGIN { print (a <= b * (1 + 1e-9)) }')" = 1
must "nor than the n-grams" test "$(awk -v a="$(json valid.mixed_perplexity)" -v b="$(json valid.perplexity)" 'BEGIN { print (a <= b * (1 + 1e-9)) }')" = 1
must "the weight is a share" test "$(awk -v w="$(json weight)" 'BEGIN { print (w >= 0 && w <= 1) }')" = 1
run eval --split-of model test --json
must "the network's perplexity is that of eval" near "$(json perplexity)" "$network" 1e-6
must "over the same tokens" test "$(json tokens)" = "$tokens"

# ---- token by token, beside the network's
run ngram --order 4 --split-of model test --per-token ngram.tsv --json
done_with "--per-token writes what n-grams give each token" 0
must "a line for each" test "$(wc -l <ngram.tsv)" = "$tokens"
must "they add up to the loss" near "$(awk -F '\t' '{ s -= $2 } END { printf "%.12g", s / NR }' ngram.tsv)" "$(json loss)" 1e-8
run ngram --order 4 --split-of model test --per-token -
must "- is standard output, with nothing else on it" cmp "$OUT" ngram.tsv
run eval --split-of model test --per-token network.tsv
must "eval writes the same tokens" cmp <(cut -f 1 ngram.tsv) <(cut -f 1 network.tsv)
must "a paired comparison has the perplexities of both" grep -qF \
    "perplexity $(awk -v p="$network" 'BEGIN { printf "%.2f", p }'), baseline $(awk -v p="$ngram" 'BEGIN { printf "%.2f", p }')" \
    <("$PAIRED" ngram.tsv network.tsv network.tsv)
head -n 5 network.tsv >few.tsv
must "and wants the same tokens" test "$("$PAIRED" ngram.tsv few.tsv >/dev/null 2>&1; echo $?)" = 2
refuses "--per-token - and --json want the same place" 2 'standard output' ngram --order 2 --split-of model test --per-token - --json
refuses "--per-token over the text" 2 'is read here' ngram --order 2 --data text.txt --per-token text.txt
run ngram --order 4 --split-of model valid --json
must "--split-of valid asks for the validation part" test "$(json part)" = valid
run ngram --order 4 --data text.txt --split 0.8,0.1,0.1 --json
must "a run's parts are those of its split" near "$(json perplexity)" "$ngram" 1e-12
run ngram --order 4 --data text.txt --split 0.8,0.1,0.1 --model model --json
must "--model works beside --data" near "$(json mixed_perplexity)" "$mixed" 1e-9
run ngram --order 3 --split-of words test --model words --json
must "words can be mixed too" less "$(json valid.mixed_perplexity)" 1e4
run ngram --order 3 --data text.txt --test other.txt --model words --json
must "the tokens are those of the model" test "$(json level) $(json weight_from)" = "word test"
must "a weight that was found on the test part is said to be" grep -q 'found on the test part itself' "$ERR"

# ---- wrong input
refuses "counting nothing says what to give" 2 '--data FILE' ngram
refuses "an order of 0 gives the range" 2 '--order 0: .*from 1 to 32' ngram --data text.txt --order 0
refuses "an order of 33 gives the range" 2 '--order 33' ngram --data text.txt --order 33
refuses "a missing text is named" 2 'none.txt' ngram --data none.txt
refuses "a missing test text is named" 2 'none.txt' ngram --data text.txt --test none.txt
refuses "an unknown part of a run is refused" 2 'valid or test' ngram --split-of model train
head -n 100 text.txt >short.txt
refuses "a run's texts are not mixed with others" 2 'short.txt: not the text that model was trained with' ngram --split-of model test --data short.txt
refuses "a level other than the model's is refused" 2 '--level word.*byte' ngram --data text.txt --model model --level word
refuses "a vocabulary other than the model's is refused" 2 'vocabulary is the model' ngram --data text.txt --model words --min-count 3
refuses "a file that is no model is named" 2 'text.txt' ngram --data text.txt --model text.txt
refuses "nothing to score says so" 2 'nothing is left to score' ngram --data text.txt --split 1,0,0
refuses "line ends that are no tokens are named" 2 '--lines' ngram --data text.txt --normalise letters --lines
printf 'a' >one.txt
refuses "a text of one token is too short" 2 'one.txt' ngram --data one.txt --test other.txt
printf 'ab\377' >bad.txt
refuses "invalid UTF-8 gives file and byte" 2 'bad.txt.*byte 2' ngram --data bad.txt --test other.txt --level char
finish
