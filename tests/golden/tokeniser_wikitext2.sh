#!/usr/bin/env bash
# WikiText-2 as its readers count it: words, <eos> after every line.
. "$(dirname "$0")/golden.sh"
need_corpus wikitext2/train.txt
folder=$(dirname "$CORPUS")

run tokenize --data "$folder/train.txt" --level word --out train.tok --json
must "2,088,628 tokens to train on" test "$(json tokens)" = 2088628
must "33,278 entries" test "$(json vocabulary)" = 33278
must "54,625 of them unknown, as the text has them" test "$(json unknown)" = 54625
run tokenize --data "$folder/valid.txt" --vocabulary train.tok --json
must "217,646 tokens to validate on" test "$(json tokens)" = 217646
must "11,718 of them unknown" test "$(json unknown)" = 11718
run tokenize --data "$folder/test.txt" --vocabulary train.tok --json
must "245,569 tokens to test on" test "$(json tokens)" = 245569
must "15,218 of these unknown" test "$(json unknown)" = 15218
run tokenize --data "$folder/train.txt" --level word
must "the most frequent words, in order" grep -qF 'the 113,161, , 99,913, . 73,388, of 56,889, and 50,603, in 39,453, to 39,190, <eos> 36,718, a 34,237' "$OUT"
finish
