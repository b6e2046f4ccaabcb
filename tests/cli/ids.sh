#!/usr/bin/env bash
# Texts that other tools have cut: raw ids with a list of tokens become token files, which are trained on, scored and joined to text.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
head -n 200 text.txt >part.txt

# put16 FILE, put32 FILE: the numbers of standard input, one a line, little-endian.
bytes_of() { awk -v k="$1" '{ for (i = 0; i < k; i++) { printf "\\0%03o", $1 % 256; $1 = int($1 / 256) } }'; }
put() { printf %b "$(bytes_of "$2")" >"$1"; }
put16() { put "$1" 2; }
put32() { put "$1" 4; }
# header MAGIC VERSION COUNT: llm.c's, 256 int32
header() { printf %b "$({ printf '%s\n' "$@"; yes 0 | head -n $((256 - $#)); } | bytes_of 4)"; }

# ---- characters: the token file of their ids is the one of the text
fold -w 1 text.txt | sort -u | grep . >characters.txt
{ printf '["\\n"'; while IFS= read -r c; do printf ',"%s"' "$c"; done <characters.txt; printf ']'; } >characters.json
character_ids() { # FILE
    awk 'NR == FNR { id[$0] = NR; next } { for (i = 1; i <= length($0); i++) print id[substr($0, i, 1)]; print 0 }' characters.txt "$1"
}
character_ids text.txt >ids.txt
put16 ids.bin <ids.txt
put32 wide.bin <ids.txt
run tokenize --data text.txt --level char --out text.tok
run tokenize --ids ids.bin --tokens characters.json --out ids.tok --json
done_with "ids of 2 bytes are read" 0
must "the token file of characters' ids is the one of their text" cmp text.tok ids.tok
must "and says so in JSON" test "$(json tokens)" = "$(stat -c %s text.txt)"
run tokenize --ids wide.bin --tokens characters.json --id-bytes 4 --out wide.tok
must "so is that of ids of 4 bytes" cmp text.tok wide.tok
{ header 20240520 1 "$(wc -l <ids.txt)"; cat ids.bin; } >llmc.bin
{ header 20240801 7 "$(wc -l <ids.txt)"; cat wide.bin; } >llama.bin
for file in llmc llama; do
    run tokenize --ids $file.bin --tokens characters.json --out $file.tok
    must "and of a file with llm.c's header: $file" cmp text.tok $file.tok
done
head -c 2000 ids.bin >first.bin
tail -c +2001 ids.bin >second.bin
run tokenize --ids first.bin second.bin --tokens characters.json --out parts.tok
must "several files follow one another" cmp text.tok parts.tok
character_ids part.txt | put16 part.bin
run tokenize --data part.txt --vocabulary text.tok --out part.tok
run tokenize --ids part.bin --tokens characters.json --vocabulary text.tok --out part-ids.tok
must "another text's ids get the vocabulary that is asked for" cmp part.tok part-ids.tok
run tokenize --ids ids.bin --tokens characters.json --limit-tokens 100 --json
must "--limit-tokens cuts" test "$(json tokens)" = 100

# ---- what is refused
I=(tokenize --ids ids.bin --tokens)
refuses "ids without their tokens" 2 'give --tokens LIST' tokenize --ids ids.bin
refuses "tokens without ids" 2 '--tokens: says something of ids' tokenize --data text.txt --tokens characters.json
refuses "ids and a text" 2 '--data: of a text' "${I[@]}" characters.json --data text.txt
refuses "a bound of the vocabulary" 2 '--max-vocab: of a text' "${I[@]}" characters.json --max-vocab 5
echo '["a","b","c","d","e"]' >short.json
refuses "a list that is too short" 2 'token [0-9]+ has id [0-9]+, and the list of tokens has 5' "${I[@]}" short.json
refuses "4 bytes read as 2" 2 'every second id of 2 bytes is 0.*--id-bytes 4' tokenize --ids wide.bin --tokens characters.json
{ cat ids.bin; printf x; } >odd.bin
refuses "half an id" 2 'no whole number of ids' tokenize --ids odd.bin --tokens characters.json
head -c 5000 llmc.bin >cut.bin
refuses "a file that is cut short" 2 'cut.bin: its header says [0-9]+ ids of 2 bytes, and 3976 bytes follow' tokenize --ids cut.bin --tokens characters.json
{ header 20240520 9 1; printf '\0\0'; } >later.bin
refuses "a version to come" 2 'ids of llm.c, version 9' tokenize --ids later.bin --tokens characters.json
{ header 20240522 1 1; printf '\0\0'; } >questions.bin
refuses "questions with their answers" 2 'not a text of ids' tokenize --ids questions.bin --tokens characters.json
refuses "a width that the header denies" 2 'the header of llmc.bin says 2' tokenize --ids llmc.bin --tokens characters.json --id-bytes 4
: >empty.bin
refuses "a token file of perplex is no file of ids" 2 'text.tok: a token file of perplex already' tokenize --ids text.tok --tokens characters.json
{ printf '\223NUMPY\001\000v\000'; head -c 118 /dev/zero | tr '\0' ' '; cat ids.bin; } >ids.npy
refuses "nor is an array with numpy's header" 2 'ids.npy: an array of numpy.*tofile' tokenize --ids ids.npy --tokens characters.json
{ gzip -c ids.bin; printf '\0'; } >even.gz
head -c $(($(stat -c %s even.gz) / 2 * 2)) even.gz >ids.gz
refuses "nor is a compressed file" 2 'ids.gz: a compressed file.*gzip -dc' tokenize --ids ids.gz --tokens characters.json
refuses "no ids" 2 'empty.bin: empty' tokenize --ids empty.bin --tokens characters.json
refuses "3 bytes" 2 'an id has 2 or 4 bytes' "${I[@]}" characters.json --id-bytes 3
refuses "the list is not written over" 2 'is read here' "${I[@]}" characters.json --out characters.json
refuses "nor are the ids" 2 'is read here' "${I[@]}" characters.json --out ids.bin

# ---- pieces. Each word is its first two letters, with the space before it, and its other letters one by one; a line ends with </s>, or
# with GPT-2's line end.
pieces() { # SPACE LINE-END FILE
    awk -v space="$1" -v end="$2" '{ for (i = 1; i <= NF; i++) {
            print (i > 1 || space != "\xc4\xa0" ? space : "") substr($i, 1, 2)
            for (k = 3; k <= length($i); k++) print substr($i, k, 1)
        } print end }' "$3"
}
# numbered LIST: ids of the pieces of standard input
numbered() { awk 'NR == FNR { sub(/\t.*/, ""); id[$0] = NR - 1; next } { print id[$0] }' "$1" -; }
pieces $'\xe2\x96\x81' '</s>' text.txt >sp.txt
{ printf '<unk>\t0\n<s>\t0\n</s>\t0\n'; sort -u sp.txt | grep -v '^</s>$' | awk '{ printf "%s\t-%d.5\n", $0, NR }'; printf '<0x%02X>\t-99\n' {0..255}; } >sp.vocab
numbered sp.vocab <sp.txt | put16 sp.bin
pieces $'\xc4\xa0' $'\xc4\x8a' text.txt >gpt2.txt
{ printf '{'; sort -u gpt2.txt | awk '{ printf "\"%s\": %d, ", $0, NR - 1 } END { printf "\"\xc4\xa0\": %d, \"<|endoftext|>\": %d}", NR, NR + 1 }'; } >vocab.json
sort -u gpt2.txt >gpt2.list
numbered gpt2.list <gpt2.txt | put32 gpt2.bin

run tokenize --ids sp.bin --tokens sp.vocab --out sp.tok --json
done_with "SentencePiece's pieces are read" 0
must "none of them is unknown" test "$(json unknown)" = 0
must "their text has the text's bytes" test "$(json text_bytes)" = "$(stat -c %s text.txt)"
must "scores are not part of pieces" test "$(json vocabulary)" = "$(wc -l <sp.vocab)"
run info sp.tok --json
must "the level is told by their spelling" test "$(json vocabulary.level)" = sentencepiece
run tokenize --ids gpt2.bin --tokens vocab.json --id-bytes 4 --out gpt2.tok --json
done_with "GPT-2's pieces are read" 0
must "their text has the text's bytes, too" test "$(json text_bytes)" = "$(stat -c %s text.txt)"
run info gpt2.tok --json
must "and their spelling tells their level" test "$(json vocabulary.level)" = byte-bpe

# llm.c's tokenizer: the same pieces, as bytes
{
    header 20240328 2 "$(($(wc -l <gpt2.list) + 2))" "$(($(wc -l <gpt2.list) + 1))"
    { cat gpt2.list; printf '\xc4\xa0\n<|endoftext|>\n'; } | sed 's/\xc4\xa0/ /g; s/\xc4\x8a/@/g' | while IFS= read -r piece; do
        printf '%b%s' "\\0$(printf %03o ${#piece})" "$piece"
    done | tr @ '\n'
} >tokenizer.bin
run tokenize --ids gpt2.bin --tokens tokenizer.bin --id-bytes 4 --out llmc-gpt2.tok
done_with "llm.c's tokenizer is a list of tokens" 0
must "its bytes are GPT-2's spelling" cmp gpt2.tok llmc-gpt2.tok
head -c 1060 tokenizer.bin >broken.bin
refuses "a tokenizer that is cut short" 2 'broken.bin: the file ends in token [0-9]+ of' tokenize --ids gpt2.bin --tokens broken.bin --id-bytes 4

words=$(($(wc -w <part.txt) + $(wc -l <part.txt)))
for kind in sp gpt2; do
    if [ $kind = sp ]; then list=sp.vocab width=2 space=$'\xe2\x96\x81' end='</s>'; else list=vocab.json width=4 space=$'\xc4\xa0' end=$'\xc4\x8a'; fi
    pieces "$space" "$end" part.txt | numbered "$([ $kind = sp ] && echo sp.vocab || echo gpt2.list)" | put part-$kind.bin $width
    run tokenize --ids part-$kind.bin --tokens $list --id-bytes $width --vocabulary $kind.tok --out part-$kind.tok
    run train --data $kind.tok --run $kind "${TINY[@]}" --max-steps 300 --embed 8
    done_with "$kind: pieces are trained on" 0
    run eval --model $kind --data part-$kind.tok --json
    done_with "$kind: and scored" 0
    loss=$(json loss) tokens=$(json tokens)
    must "$kind: words and line ends are those of the text" test "$(json words)" = "$words"
    must "$kind: perplexity per word is of the same probability" near "$(json perplexity_per_word)" "$(awk -v l="$loss" -v n="$tokens" -v w="$words" 'BEGIN { printf "%.12g", exp(l * n / w) }')" 1e-9
    must "$kind: bits per byte are of the text's bytes but for the first piece" near "$(json nats_per_byte)" "$(awk -v l="$loss" -v n="$tokens" -v b="$(stat -c %s part.txt)" 'BEGIN { printf "%.12g", l * n / (b - 2) }')" 1e-9
    must "$kind: and so is the perplexity per byte" near "$(json perplexity_per_byte)" "$(awk -v n="$(json nats_per_byte)" 'BEGIN { printf "%.12g", exp(n) }')" 1e-9
    run eval --split-of $kind test --json
    must "$kind: a part of a run has words, too" less 0 "$(json words)"
    must "$kind: and bytes" less 0 "$(json nats_per_byte)"
    head -n 1 part.txt | tr -d '\n' >line.txt
    run sample --model $kind --prompt-file line.txt --length 0
    must "$kind: a prompt is cut and joined again" cmp "$OUT" line.txt
    run sample --model $kind --prompt 'the great' --length 400
    must "$kind: what is sampled is text" grep -q 'the [a-z]* ' "$OUT"
    if LC_ALL=C grep -q "$space\|$end" "$OUT"; then fail "$kind: no piece's spelling is left"; else ok "$kind: no piece's spelling is left"; fi
    must "$kind: lines end" less 1 "$(wc -l <"$OUT")"
    refuses "$kind: a text is not scored" 2 'cut by the tool that made them; give a token file' eval --model $kind --data part.txt
    refuses "$kind: nor are its lines" 2 '--lines: lines of text' eval --model $kind --data part.txt --lines
    run report $kind
    done_with "$kind: a run has a report" 0
done
run sample --model sp --prompt $'caf\xc3\xa9' --length 0
must "what is no piece becomes bytes" test "$(cat "$OUT")" = $'caf\xc3\xa9'
run sample --model sp --prompt $'the  end\n' --length 0
must "spaces and line ends, too" test "$(cat "$OUT"; echo .)" = $'the  end\n.'
refuses "GPT-2's pieces may lack a byte" 2 'lacks the piece|lacks the character' sample --model gpt2 --prompt 'QQ' --length 1
run train --data gpt2.tok --run unsaid --hidden 8 --batch 4 --steps 8 --max-steps 2 --threads 1 --no-report
must "a tool's list of pieces is not said to be made of this text" bash -c '! grep -q vocabulary-from "$1"' - "$OUT"
refuses "text is not read as pieces" 2 'text.txt: a text, and pieces' train --data text.txt --level sentencepiece --run none
refuses "pieces are not normalised here" 2 '--normalise letters: pieces' tokenize --ids sp.bin --tokens sp.vocab --normalise letters
finish
