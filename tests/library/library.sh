#!/usr/bin/env bash
# libperplex against the program: the same model gives the same numbers and the same texts through both.
#     library.sh PERPLEX JSON_GET PROBE
PROBE=$3
. "$(dirname "$0")/../cli/lib.sh"

probe() {
    "$PROBE" "$@" >"$OUT" 2>"$ERR"
    status=$?
}

probe version
must "headers, library and program are of one version" test "$(cat "$OUT")" = "$("$PERPLEX" --version | awk '{ print $2, $2; exit }')"

make_text text.txt 1500
tail -n 150 text.txt >other.txt
printf 'the great king went the old river\nking\n\nthe dragon went\n' >lines.txt
for level in byte char word; do
    flags=(--level "$level")
    [ "$level" != char ] || flags+=(--embed 8 --tied)
    [ "$level" != word ] || flags+=(--layers 2 --reset-at '<eos>')
    tiny_model "$level" "${flags[@]}"

    run eval --model "$level" --data lines.txt --lines
    cp "$OUT" wanted
    while IFS= read -r line; do probe score "$level" "$line"; cat "$OUT"; done <lines.txt >scores
    must "$level: a line's score is that of eval --lines" cmp scores wanted

    run eval --model "$level" --data other.txt --per-token per-token
    cut -f 2 per-token >wanted
    probe tokens "$level" other.txt
    must "$level: a text's log-probabilities are those of eval --per-token" cmp "$OUT" wanted

    probe text "$level" other.txt
    must "$level: tokens become the text again" cmp "$OUT" other.txt

    for prompt in 'the great ' ''; do
        run sample --model "$level" --prompt "$prompt" --seed 7 --length 60 --temperature 0.7 --no-echo
        cp "$OUT" wanted
        probe write "$level" "$prompt" 7 60
        # the program's word level begins its own part like a line
        sed 's/^ //' "$OUT" >written
        sed 's/^ //' wanted >wanted.trimmed
        must "$level: the same seed writes the same text as sample ('$prompt')" cmp written wanted.trimmed
    done

    probe facts "$level" -
    must "$level: its output layer is named" test "$(awk '{ print $5, $6 }' "$OUT")" = "$level softmax"

    probe check "$level" other.txt
    done_with "$level: pieces, next tokens, threads and errors: $(head -c 300 "$OUT")" 0
done

tiny_model adaptive --level word --embed 8 --output adaptive
probe facts adaptive -
must "an adaptive output layer is named, beside sizes" test "$(cat "$OUT")" = "8 24 1 0 word adaptive"
probe check adaptive other.txt
done_with "adaptive: pieces, next tokens, threads and errors: $(head -c 300 "$OUT")" 0
finish
