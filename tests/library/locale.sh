#!/usr/bin/env bash
# libperplex in a host program that has called setlocale(): the same numbers, texts and messages in every language.
#     locale.sh PERPLEX JSON_GET PROBE
PROBE=$3
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/../cli/locales.sh"
tiny_model model --dropout-output 0.125

# probe LOCALE POINT; glibc keeps what it made of the locale's name
probe() {
    LC_ALL=$1 ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 "$PROBE" model "$2" >"$OUT" 2>"$ERR"
    status=$?
}

probe C .
done_with "a host program in the C locale opens, scores and writes" 0
cp "$OUT" wanted
must "messages have numbers with a point" grep -q '1\.5' wanted
for locale in "${LOCALES[@]}"; do
    probe "$locale" ,
    done_with "$locale: a host program opens, scores and writes, and keeps its locale" 0
    must "$locale: numbers, text and messages are those of C" cmp "$OUT" wanted
done
finish
