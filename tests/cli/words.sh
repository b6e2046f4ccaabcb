#!/usr/bin/env bash
# What a word is: what Python's str.split leaves, for every character that splits there and some that do not.
. "$(dirname "$0")/lib.sh"

# words NAME TEXT COUNT: TEXT (for printf) holds that many words.
words() {
    # shellcheck disable=SC2059
    printf "$2" >text.txt
    run tokenize --level word --data text.txt --json
    must "$1" test "$(json tokens)" = "$3"
}
# tab, vertical tab, form feed, carriage return; U+001C to U+001F, space; U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000
for code in '\x09' '\x0b' '\x0c' '\x0d' '\x1c' '\x1d' '\x1e' '\x1f' ' ' '\xc2\x85' '\xc2\xa0' '\xe1\x9a\x80' '\xe2\x80\x80' '\xe2\x80\x85' '\xe2\x80\x8a' \
    '\xe2\x80\xa8' '\xe2\x80\xa9' '\xe2\x80\xaf' '\xe2\x81\x9f' '\xe3\x80\x80'; do
    words "$code splits" "one${code}two" 2
done
# U+001B, U+007F, U+200B (a space of no width), U+2060, U+FEFF inside a text, U+180E
for code in '\x1b' '\x7f' '\xe2\x80\x8b' '\xe2\x81\xa0' '\xef\xbb\xbf' '\xe1\xa0\x8e'; do
    words "$code does not" "one${code}two" 1
done
words "a line end is a token of its own" 'one\ntwo' 3

if command -v python3 >/dev/null; then
    python3 - <<'END' >all.txt
import sys
sys.stdout.reconfigure(encoding="utf-8", newline="")
for code in list(range(1, 0x10)) + list(range(0x10, 0xD800)) + list(range(0xE000, 0x30000)):
    if code != 10: sys.stdout.write("a" + chr(code) + "b ")
END
    expected=$(python3 -c 'print(len(open("all.txt", encoding="utf-8", newline="").read().split()))')
    run tokenize --level word --data all.txt --json
    must "over all characters there are as many words as Python has" test "$(json tokens)" = "$expected"
else skip "words as Python has them" "there is no python3"; fi
finish
