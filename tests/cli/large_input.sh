#!/usr/bin/env bash
# Inputs that are larger than any honest one are refused, or read, in time that grows with their size and in bounded memory. What took time or memory
# by the square of the size would take hours here, or end by the limit.
#     large_input.sh PERPLEX JSON_GET PERPLEX_SOURCE
SOURCE=$3
. "$(dirname "$0")/lib.sh"
[ "${PERPLEX_SANITIZED:-0}" = 1 ] || ulimit -v 2000000 # KiB

awk 'BEGIN { for (s = 0; s < 512; s++) for (x = 0; x < 2048; x++) print s, x, 1, (s + x) % 512 }' >automaton.txt
"$SOURCE" automaton.txt >"$OUT" 2>"$ERR"
status=$?
done_with "an automaton of 1,048,576 edges that is none is refused" 2
must "by name" grep -q 'the probabilities of state 0 add up to 2048' "$ERR"
awk 'BEGIN { for (s = 0; s < 511; s++) for (x = 0; x < 64; x++) print s, x, 1 / 64, s == 510 && x == 63 ? "end" : (s * 7 + x + 1) % 511; print "end 0 1 end" }' >chain.txt
"$SOURCE" chain.txt --json >"$OUT" 2>"$ERR"
status=$?
done_with "one whose states all lead to one end is solved" 0
must "and has no choice left there" test "$(json bits_per_symbol)" = 0

awk 'BEGIN {
    printf "{\"format\":\"perplex-bench\",\"version\":1,\"cases\":["
    for (i = 0; i < 200000; i++) printf "%s{\"name\":\"%d\",\"tokens_per_s\":1,\"spread\":0,\"rounds\":5}", i ? "," : "", i
    printf "]}"
}' >results.json
run bench --compare results.json results.json
done_with "results of 200,000 cases are compared" 0
must "each with its own" grep -q '^200000 compared: 0 regressions, 0 faster, 0 too noisy to judge, 0 missing' "$OUT"
awk 'BEGIN { printf "{\"format\":\"perplex-bench\",\"version\":1,\"cases\":[0"; for (i = 0; i < 12000000; i++) printf ",0"; printf "]}" }' >values.json
run bench --compare values.json values.json
done_with "results of 12,000,000 values are refused" 2
must "for that" grep -q 'values.json: JSON of 12000005 values' "$ERR"

# header of 24 MB: {"a":[0,0,...]}
{ printf '\x09\x36\x6e\x01\0\0\0\0{"a":[0'; awk 'BEGIN { for (i = 0; i < 12000000; i++) printf ",0" }'; printf ']}'; } >values.safetensors
must "the file is as its first bytes say" test "$(($(stat -c %s values.safetensors) - 8))" = "$(od -An -tu8 -N 8 values.safetensors | tr -d ' ')"
[ "${PERPLEX_SANITIZED:-0}" = 1 ] || ulimit -v 400000
run info values.safetensors
done_with "a header of 12,000,000 values is refused" 2
must "for that, in bounded memory" grep -q 'values.safetensors: JSON of 12000003 values' "$ERR"
finish
