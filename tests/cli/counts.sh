#!/usr/bin/env bash
# What is counted and of what: <unk>, perplexity of known tokens and per word, a token file's own level and vocabulary, texts with
# nothing to score, and words of the greatest length.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
sed 's/river/<unk>/' text.txt >holes.txt
holes=$(grep -o '<unk>' holes.txt | wc -l)

# ---- a literal <unk> is unknown
run tokenize --data holes.txt --level word --json
must "tokenize counts <unk>" test "$(json unknown)" = "$holes"
run tokenize --data holes.txt --level word --out holes.tok --json
must "and where it writes" test "$(json unknown)" = "$holes"
run tokenize --data holes.txt --level word --limit-tokens 100 --out short.tok --json
must "of what is read alone" test "$(json unknown)" = "$(sed 's/$/ EOS/' holes.txt | tr -s ' \n' '\n' | head -n 100 | grep -c '^<unk>$')"
run tokenize --data holes.txt --level char --json
must "of characters it is five" test "$(json unknown)" = 0
tiny_model gaps --level word --embed 8
mv text.txt whole.txt
cp holes.txt text.txt
tiny_model holes --level word --embed 8
mv whole.txt text.txt
printf 'the <unk> went\nthe wizard saw the king\n' >few.txt
run eval --model holes --data few.txt --json --per-token tokens.tsv
must "eval counts the literal and the word that is lacking" test "$(json unknown)" = 2
expected=$(awk -F '\t' '$1 != "<unk>" { s += $2; n++ } END { printf "%.9g", exp(-s / n) }' tokens.tsv)
must "perplexity without them" near "$(json perplexity_known)" "$expected" 1e-6
must "a model that was trained on <unk> has nothing noted" test ! -s "$ERR"
run eval --model holes --lines --data few.txt --json
must "lines count them too" test "$(json unknown)" = 2
printf 'the <unk> went\n' >line.txt
printf '\nthe <unk> went\n' >framed.txt
run eval --model holes --data framed.txt --json
expected=$(json perplexity_known)
run eval --model holes --lines --data line.txt --json
must "and give the perplexity without them" near "$(json perplexity_known)" "$expected" 1e-6
must "which is not that with them" less "$(json perplexity_known)" "$(json perplexity)"
run eval --model holes --lines --data few.txt
must "which people are told" grep -q '(2 unknown), perplexity .* without <unk>$' "$ERR"
run tokenize --data few.txt --vocabulary holes --out few.tok
run eval --model holes --data few.tok --json
must "and a token file" test "$(json unknown)" = 2
run eval --model holes --data few.txt
must "people are told" grep -q '^known tokens  perplexity .*without the 2' "$OUT"
for lines in '' --lines; do
    # shellcheck disable=SC2086
    run eval --model gaps $lines --data few.txt
    must "a model that never saw <unk>: a note (eval $lines)" grep -q '^note: the model has never seen <unk>, which stands for 2 tokens' "$ERR"
done
# the same when it is trained
for count in 1 2; do
    cp text.txt once.txt
    echo 'the wizard went' >>once.txt
    run train --data once.txt --valid few.txt --run count-$count "${TINY[@]:0:6}" --max-steps 2 --level word --min-count $count
    grep -c '^warning: the training text has no <unk>.*--min-count 2 trains it$' "$OUT" >warned-$count
done
must "a training is told that its validation text has unknown tokens and its own none" test "$(cat warned-1)" = 1
must "but not where rare words are <unk>" test "$(cat warned-2)" = 0
run sample --model holes --prompt 'the <unk>' --length 3
done_with "a prompt may hold <unk>" 0
refuses "but no word that is lacking" 2 "lacks the word 'wizard'" sample --model holes --prompt 'the wizard' --length 3

# ---- perplexity per word
tiny_model bytes
tiny_model chars --level char
{ cat few.txt; printf 'na\xc3\xafve\xe2\x80\x83word'; } >wide.txt
for model in bytes chars; do
    run eval --model $model --data few.txt --json
    must "$model: words and line ends" test "$(json words)" = $(($(wc -w <few.txt) + $(wc -l <few.txt)))
    expected=$(awk -v l="$(json loss)" -v n="$(json tokens)" -v w="$(json words)" 'BEGIN { printf "%.12g", exp(l * n / w) }')
    must "$model: perplexity per word" near "$(json perplexity_per_word)" "$expected" 1e-9
done
run train --data wide.txt text.txt --run wide --split 1,0,0 --hidden 8 --max-steps 2 --threads 1
run eval --model wide --data wide.txt --json
must "white space of three bytes parts words" test "$(json words)" = $(($(wc -w <few.txt) + $(wc -l <few.txt) + 2))
run eval --model chars --data few.txt
must "people are told of words" grep -q '^per word      perplexity .* of 10 words and line ends' "$OUT"
run eval --model holes --data few.txt --json
must "a model of words has them already" test -z "$(json words 2>/dev/null)"

# ---- a token file's level and vocabulary
run tokenize --data text.txt --level word --out words.tok
run train --data words.tok --run own "${TINY[@]}"
must "the corpus is one of words" grep -q '^corpus: .*(words)' "$OUT"
must "so says the configuration" grep -qx 'level = word' own/config
must "its vocabulary saw the validation text, which is said" grep -q '^warning: .*--vocabulary-from' "$OUT"
run export --model own --out own.safetensors
must "so says the card" test "$("$JSON_GET" own.json settings.level)" = word
refuses "another level is refused" 2 '--level char: words.tok is a token file of level word' train --data words.tok --level char --run new
refuses "by ngram" 2 '--level byte: words.tok is a token file' ngram --data words.tok --level byte
refuses "by bench" 2 '--level byte: words.tok is a token file' bench --data words.tok --level byte --hidden 8
run train --data words.tok --level word --run same "${TINY[@]}"
done_with "the same level may be said" 0
sed 's/^level = word/level = byte/' own/config >older.config
run train --config older.config --run again
done_with "a configuration of an earlier version is read as it was meant" 0
must "with the same result" same_tensors own/best.safetensors again/best.safetensors
run train --resume own --max-steps 130
done_with "a run on a token file goes on" 0
head -n 1200 text.txt >train.txt
printf 'the wizard went\n' >>text.txt
run tokenize --data text.txt --vocabulary-from train.txt --level word --out alone.tok --json
must "--vocabulary-from knows that text's words alone" test "$(json unknown)" = 1
head -n 600 train.txt >one.txt
tail -n +601 train.txt >two.txt
printf 'wizard\n' >three.txt
run tokenize --data text.txt --vocabulary-from one.txt two.txt --level word --out pieces.tok
must "several files are as one" cmp pieces.tok alone.tok
run tokenize --data text.txt --vocabulary-from one.txt two.txt --vocabulary-from three.txt --level word --json
must "and add up" test "$(json unknown)" = 0
refuses "--out does not take one of them" 2 'two.txt' tokenize --data text.txt --vocabulary-from one.txt two.txt --out two.txt
run train --data alone.tok --run alone "${TINY[@]}"
must "and nothing is said" bash -c '! grep -q vocabulary-from "$1"' - "$OUT"
run tokenize --data train.txt --level word --out train.tok
run train --data train.tok --valid alone.tok --run pair --hidden 8 --max-steps 2 --threads 1
done_with "it fits the token file of that text" 0
refuses "two vocabularies" 2 'give one of them' tokenize --data text.txt --vocabulary own --vocabulary-from train.txt
refuses "a vocabulary of nothing" 2 'none.txt' tokenize --data text.txt --vocabulary-from none.txt

# ---- nothing to score
printf '123 ... 456\n' >numbers.txt
printf '\n\n\n' >blank.txt
tiny_model letters --level char --normalise letters
tiny_model bylines --level char --normalise letters-by-line
for normalise in letters letters-by-line; do
    for level in byte char word; do
        refuses "$level, $normalise: tokenize of a text without letters" 2 'numbers.txt: its 12 bytes hold no letters' tokenize --data numbers.txt --level $level --normalise $normalise
    done
    refuses "$normalise: train" 2 'numbers.txt: its 12 bytes hold no letters' train --data numbers.txt --level char --normalise $normalise --run new
done
for model in letters bylines; do
    refuses "$model: eval" 2 'numbers.txt: ' eval --model $model --data numbers.txt
    run eval --model $model --lines --data blank.txt --json
    must "$model: lines never give nan" bash -c '! grep -q "nan\|null" "$1"' - "$OUT"
done
tr '\n' ' ' <text.txt >endless.txt
run train --data endless.txt --run endless "${TINY[@]}"
run eval --model endless --lines --data blank.txt
done_with "lines without a token to score are an error" 2
must "that says so" grep -q '^perplex: blank.txt: its 3 lines hold no token to score' "$ERR"

# ---- the longest words
for i in 1 2 3; do
    head -c 65536 /dev/zero | tr '\0' "$i"
    printf ' a b\n'
done >pattern.txt
for i in $(seq 1 20); do cat pattern.txt; done >long.txt
run train --data long.txt --level word --run long --hidden 8 --batch 2 --steps 5 --max-steps 30 --valid-every 10 --threads 1 --split 0.6,0.2,0.2
done_with "words of 65,536 bytes are trained on" 0
must "the log has a line of more than half a megabyte" awk 'length > 524288 { n++ } END { exit !n }' long/metrics.jsonl
run report long
done_with "report reads what train wrote" 0
run runs .
must "and so does runs" grep -q '^[./]*long ' "$OUT"
finish
