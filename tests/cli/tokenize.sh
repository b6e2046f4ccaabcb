#!/usr/bin/env bash
# Tokenising and looking into files through the program.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500

run tokenize --data text.txt --level byte --json
done_with "bytes can be counted" 0
must "--json is one JSON object" is_json
must "every byte is a token" test "$(json tokens)" = "$(stat -c %s text.txt)"
must "the vocabulary is the distinct bytes and <unk>" test "$(json vocabulary)" = $(($(fold -w 1 text.txt | sort -u | grep -c .) + 2))
must "nothing is unknown" test "$(json unknown)" = 0
run tokenize --data text.txt --level word --json
must "words: white space cuts, and each line has an <eos>" test "$(json tokens)" = $(($(wc -w <text.txt) + $(wc -l <text.txt)))
must "the vocabulary is the distinct words, <eos> and <unk>" test "$(json vocabulary)" = $(($(tr -s ' ' '\n' <text.txt | sort -u | grep -c .) + 2))
run tokenize --data text.txt --level word --max-vocab 5 --json
must "--max-vocab counts <unk>" test "$(json vocabulary)" = 5
must "tokens outside are counted as unknown" less 0 "$(json unknown)"
run tokenize --data text.txt --level word --limit-tokens 100 --json
must "--limit-tokens cuts" test "$(json tokens)" = 100
run_with text.txt tokenize --data - --level word --json
must "standard input is read" test "$(json tokens)" = $(($(wc -w <text.txt) + $(wc -l <text.txt)))
run tokenize --data text.txt --level word
must "people see the most frequent tokens" grep -q 'the 3,000' "$OUT"

run tokenize --data text.txt --level word --out words.tok --json
done_with "a token file can be written" 0
must "no unfinished copy is left" test "$(ls words.tok*)" = words.tok
tokens=$(json tokens)
run info words.tok --json
must "info reads the token file" test "$(json tokens)" = "$tokens"
must "info gives its level" test "$(json vocabulary.level)" = word
run info words.tok
must "info of a token file for people" grep -q 'token file' "$OUT"
run tokenize --data text.txt --level word --out again.tok
must "the same text gives the same file" cmp words.tok again.tok
mkdir a b
(cd a && "$PERPLEX" train --data ../text.txt --level word --run run "${TINY[@]}") >"$OUT" 2>"$ERR" </dev/null
(cd b && "$PERPLEX" train --data ../words.tok --run run "${TINY[@]}") >"$OUT" 2>"$ERR" </dev/null
status=$?
done_with "a token file can be trained on" 0
head -n 100 text.txt >part.txt
run tokenize --data part.txt --vocabulary words.tok --out part.tok --json
must "a token file's vocabulary serves another text" test "$(json unknown)" = 0
run train --data words.tok --valid part.tok --run with-valid "${TINY[@]}"
done_with "token files can be trained and validated on" 0

tiny_model model --embed 8 --tied
run info model --json
done_with "a model can be looked into" 0
must "info --json is one JSON object" is_json
must "info gives the configuration" test "$(json configuration.hidden)" = 24
must "info gives the output dimension" test "$(json dimensions.output)" = "$(json vocabulary.size)"
must "info gives the tensors by name" grep -q '"rnn.weight_hh_l0"' "$OUT"
must "info gives the step" less 0 "$(json step)"
sum_of_tensors() { grep -o '"shape":[^}]*' "$OUT" | grep -o '"count":[0-9]*' | awk -F: '{ s += $2 } END { print s }'; }
must "tensors add up to the parameters" test "$(sum_of_tensors)" = "$(json parameters)"
run info model/last.safetensors
must "info for people shows the configuration" grep -q 'hidden = 24' "$OUT"
run info --devices --json
must "info --devices lists the cpu" test "$(json devices.0.name)" = cpu
run info --devices
must "info --devices for people" grep -q '^cpu' "$OUT"
finish
