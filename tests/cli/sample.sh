#!/usr/bin/env bash
# Sampling through the program.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
tiny_model model
tiny_model words --level word --embed 12
tiny_model letters --level char --normalise letters

bytes_of() { wc -c <"$OUT"; }
run sample --model model --prompt 'the king' --length 200 --seed 5
done_with "a text can be made" 0
cp "$OUT" first.out
must "bytes: the prompt and as many bytes as asked for" test "$(bytes_of)" = 208
must "the text begins with the prompt" grep -q '^the king' "$OUT"
must "nothing else is printed" test ! -s "$ERR"
run sample --model model --prompt 'the king' --length 200 --seed 5
must "the same seed gives the same text" cmp first.out "$OUT"
run sample --model model --prompt 'the king' --length 200 --seed 6
must "another seed gives another text" test "$(cksum <first.out)" != "$(cksum <"$OUT")"
run sample --model model --prompt 'the king' --length 200 --seed 5 --no-echo
must "--no-echo leaves the prompt out" test "the king$(cat "$OUT")" = "$(cat first.out)"
run sample --model model --prompt 'the king' --length 200 --seed 5 --device reference
must "the reference engine makes the same text" cmp first.out "$OUT"
run sample --model model --prompt 'the king' --length 100 --seed 5
must "a shorter text is the beginning of a longer one" test "$(cat "$OUT")" = "$(head -c 108 first.out)"
printf 'the king' >prompt.txt
run sample --model model --prompt-file prompt.txt --length 200 --seed 5
must "a prompt can come from a file" cmp first.out "$OUT"
run_with prompt.txt sample --model model --prompt-file - --length 200 --seed 5
must "a prompt can come from standard input" cmp first.out "$OUT"
run sample --model model --length 50 --seed 1
must "no prompt is needed" test "$(bytes_of)" = 50
run sample --model model --length 0 --prompt 'the king'
must "length 0 gives the prompt" test "$(cat "$OUT")" = 'the king'

# ---- how tokens are chosen
run sample --model model --prompt 'the ' --length 60 --greedy --seed 1
cp "$OUT" greedy.out
run sample --model model --prompt 'the ' --length 60 --greedy --seed 2
must "--greedy does not depend on the seed" cmp greedy.out "$OUT"
run sample --model model --prompt 'the ' --length 60 --top-k 1 --seed 3
must "--top-k 1 is greedy" cmp greedy.out "$OUT"
run sample --model model --prompt 'the ' --length 60 --top-p 1e-9 --seed 4
must "a tiny --top-p is greedy" cmp greedy.out "$OUT"
run sample --model model --prompt 'the ' --length 60 --temperature 0.001 --seed 4
must "a temperature near 0 is greedy" cmp greedy.out "$OUT"

# ---- stop
run sample --model model --prompt 'the king' --length 200 --seed 5 --stop 'the'
must "--stop ends the text before the stop text" test "$(cat "$OUT"; printf x)" = "$(awk -v RS='\001' '{ rest = substr($0, 9); at = index(rest, "the"); printf "%sx", at ? "the king" substr(rest, 1, at - 1) : $0 }' first.out)"
run sample --model model --prompt 'the' --length 200 --seed 5 --stop 'zzz'
must "a stop text that does not come changes nothing" test "$(bytes_of)" = 203

# ---- several texts
run sample --model model --prompt 'the king' --length 200 --seed 5 --count 3 --json
done_with "several texts can be made at once" 0
must "--json is one JSON object" is_json
must "the first of several is the text made alone" test "$(json texts.0.text; printf x)" = "$(tail -c +9 first.out; printf '\nx')"
must "the others differ from it" test "$(json texts.1.text)" != "$(json texts.0.text)"
must "token counts are given" test "$(json texts.2.tokens)" = 200
run sample --model model --prompt 'the king' --length 20 --seed 5 --count 3
must "several texts follow each other under headings" test "$(grep -c '^--- . of 3 ---$' "$OUT")" = 3

# ---- levels
run sample --model words --prompt 'the king' --length 40 --seed 5
done_with "words can be made" 0
must "words have single spaces between them" test -z "$(grep -E '  |^ | $' "$OUT")"
must "<eos> is a line end" test "$(wc -l <"$OUT")" -ge 1
must "words are those of the text" test -z "$(tr -s ' \n' '\n\n' <"$OUT" | grep -vxF -f <(tr -s ' \n' '\n\n' <text.txt | sort -u) | grep .)"
run sample --model letters --prompt 'The KING!' --length 30 --seed 5
must "a prompt is normalised as the training text was" grep -q '^the king ' "$OUT"
refuses "an unknown word is named" 2 "word 'wizard'" sample --model words --prompt 'the wizard' --length 5
run sample --model words --prompt 'the wizard' --length 5 --unk-ok
done_with "--unk-ok reads it as <unk>" 0
must "the unknown word is shown as <unk>" grep -q 'the <unk>' "$OUT"
refuses "an unknown character is named" 2 "character 'Q'" sample --model model --prompt 'Queen' --length 5
printf 'naïve café\ncafé naïve\n%.0s' $(seq 200) >accents.txt
run train --data accents.txt --level char --run accents --hidden 16 --max-steps 60 --batch 4 --threads 1
run sample --model accents --prompt 'naïve' --length 80 --seed 1
must "characters beyond ASCII come out as UTF-8" iconv -f UTF-8 -t UTF-8 "$OUT"
refuses "an unknown character beyond ASCII is named" 2 "'ß'" sample --model accents --prompt 'naïveß' --length 5
finish
