#!/usr/bin/env bash
# perplex import: weights that are no numbers, lists whose entries no text gives, JSON that is cut off: each is refused by name and place.
#     exchange_refused.sh PERPLEX JSON_GET FOREIGN_MODEL
FOREIGN=$3
. "$(dirname "$0")/../cli/lib.sh"
printf 'cd efd c\n' >text.txt
{ printf ' \n<unk>\n'; printf '%s\n' {c..z}; } >list.txt

# ---- weights. The last tensor is decoder.bias [26], the one before decoder.weight [26,7].
# put OCTAL-BYTES OFFSET-FROM-END
# shellcheck disable=SC2059
put() { printf "$1" | dd of=foreign.safetensors bs=1 seek=$(($(stat -c %s foreign.safetensors) - $2)) conv=notrunc status=none; }
NAN='\0\0\300\177' INF='\0\0\200\177' MINUS='\0\0\200\377'
not_imported() { refuses "$1" 2 "foreign.safetensors: tensor $2: value $3 is $4, " import foreign.safetensors --out imported.safetensors --vocab list.txt; }
fresh() { "$FOREIGN" foreign.safetensors text.txt "$@" >/dev/null; }
fresh; put "$NAN" 4; not_imported "a NaN among the output biases" decoder.bias 25 '-?nan'
fresh; put "$INF" 104; not_imported "+inf among the output biases" decoder.bias 0 inf
fresh; put "$NAN" 108; not_imported "a NaN in the output layer" decoder.weight 181 '-?nan'
fresh; put "$INF" 112; not_imported "+inf in the output layer" decoder.weight 180 inf
fresh; put "$MINUS" 832; not_imported "-inf in the output layer" decoder.weight 0 -inf
fresh; put "$MINUS" 836; not_imported "-inf in a bias of the recurrent layer" rnn.bias_hh_l0 6 -inf
fresh dtype=F16; put '\0\374' 54; not_imported "-inf in fp16" decoder.weight 181 -inf
fresh dtype=F64; put '\0\0\0\0\0\0\360\177' 8; not_imported "+inf in fp64" decoder.bias 25 inf
fresh; for at in 836 864; do put '\377\377\177\177' $at; done
not_imported "two biases whose sum fp32 does not hold" rnn.bias_ih_l0 6 inf
fresh; put "$MINUS" 4
run import foreign.safetensors --out never.safetensors --vocab list.txt
done_with "-inf among the output biases is a token that never comes" 0
run eval --model never.safetensors --data text.txt --json
must "and texts without it are scored" is_number "$(json loss)"
printf "cz" >last.txt
run eval --model never.safetensors --data last.txt --json
must "where it comes the perplexity is infinite" test "$(json perplexity)" = inf
refuses "weights of another program given as a model" 2 "foreign.safetensors: weights without .*perplex import FILE --vocab" eval --model foreign.safetensors --data text.txt

# ---- lists
fresh
# list NAME PATTERN FILE FLAGS...
list() {
    local name=$1 pattern=$2 file=$3
    shift 3
    refuses "$name" 2 "$file: $pattern" import foreign.safetensors --out imported.safetensors --vocab "$file" "$@"
}
sed 's/^ $/b/' list.txt >words.txt
{ head -n 25 words.txt; echo 'the 3'; } >counts.txt
list "a list with counts" 'line 26: "the 3" is no token of level word: white space.*counts' counts.txt
{ head -n 25 list.txt; echo; } >empty.txt
list "an empty line" 'line 26: "" is no token of level char: an empty token' empty.txt
{ head -n 25 words.txt; echo 'two words'; } >two.txt
list "two words" 'line 26: "two words"' two.txt --level word
list "two words among characters" 'line 26: "two words" is no token of level char: not one character' two.txt --level char
list "words among bytes" 'line 2: "<unk>"|line 26: "two words" is no token of level byte: not one byte' two.txt --level byte
printf '[" ", "<unk>"' >quoted.json
for c in {c..y}; do printf ', "%s"' "$c" >>quoted.json; done
{ cat quoted.json; printf ', ""]'; } >none.json
list "an empty text in JSON" 'entry 25: ""' none.json
{ cat quoted.json; printf ', "\\u0000"]'; } >nul.json
run import foreign.safetensors --out nul.safetensors --vocab nul.json
done_with "the character U+0000 is a token" 0
{ cat quoted.json; printf ', "\\\\u0000"]'; } >escape.json
list "and its escape, escaped, is six characters" 'entry 25: "\\\\+u0000"' escape.json --level char
{ cat quoted.json; printf ', "c"]'; } >again.json
list "an entry twice" 'entry 25: "c" stands here again, after entry 2' again.json
{ head -n 25 words.txt; printf '\f\n'; } >feed.txt
list "white space as a word" 'line 26: .*no token of level word.*--eos' feed.txt --level word

# ---- JSON that is not whole
printf '[1,' >cut.json
list "a cut list" 'line 1: JSON that is cut off' cut.json
printf '[\n"a",\n"b",\n"c' >cut2.json
list "a list cut in a text" 'line 4: JSON that is cut off' cut2.json
{ cat quoted.json; } >nameless
list "a cut list of any name" 'line 1: JSON that is cut off' nameless
printf '{\n"a": 0,\n"b": x\n}' >wrong.json
list "wrong JSON" 'line 3: not JSON' wrong.json
{ printf '[\n]\n'; sed -n '3,26p' list.txt; } >brackets.txt
run import foreign.safetensors --out brackets.safetensors --vocab brackets.txt
done_with "a list of lines may begin with a bracket" 0
{ printf '\xef\xbb\xbf'; cat list.txt; } >marked.txt
run import foreign.safetensors --out marked.safetensors --vocab marked.txt
done_with "a byte order mark before a list is passed over" 0
run import foreign.safetensors --out plain.safetensors --vocab list.txt
must "and is no part of its first token" cmp marked.safetensors plain.safetensors
{ printf '\xef\xbb\xbf'; cat quoted.json; printf ', "z"]'; } >marked.json
run import foreign.safetensors --out json.safetensors --vocab marked.json
must "nor of JSON" cmp json.safetensors plain.safetensors
iconv -f UTF-8 -t UTF-16 list.txt >wide.txt
list "a list in UTF-16" 'UTF-16LE.*iconv' wide.txt
finish
