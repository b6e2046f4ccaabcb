#!/usr/bin/env bash
# The Time Machine as its readers of Dive into Deep Learning count it: letters both ways, words, minimum counts.
. "$(dirname "$0")/golden.sh"
need_corpus timemachine.txt

counts() { run tokenize --data "$CORPUS" --json "$@"; }
counts --level char --normalise letters
must "letters over the whole text: 173,428 characters" test "$(json tokens)" = 173428
must "letters over the whole text: 28 symbols with <unk>" test "$(json vocabulary)" = 28
counts --level byte --normalise letters
must "bytes and characters agree on letters" test "$(json tokens)" = 173428
counts --level char --normalise letters-by-line
must "letters line by line: 170,580 characters" test "$(json tokens)" = 170580
must "letters line by line: 28 symbols with <unk>" test "$(json vocabulary)" = 28
counts --level word --normalise letters-by-line
must "words: 32,775 without line ends" test "$(json tokens)" = 32775
must "words: 4,580 entries with <unk>" test "$(json vocabulary)" = 4580
for pair in 2:2183 3:1420 5:825 10:400; do
    counts --level word --normalise letters-by-line --min-count "${pair%:*}"
    must "words seen at least ${pair%:*} times: ${pair#*:} with <unk>" test "$(json vocabulary)" = "${pair#*:}"
done
run tokenize --data "$CORPUS" --level word --normalise letters-by-line
must "the most frequent words, in order" grep -qF 'the 2,261, i 1,267, and 1,245, of 1,155, a 816, to 695, was 552, in 541, that 443, my 440' "$OUT"
finish
