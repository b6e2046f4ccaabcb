#!/usr/bin/env bash
# What stands in files and paths is shown on a terminal, never obeyed: escape sequences in names of files, tensors and cases, in keys and values.
#     terminal.sh PERPLEX JSON_GET PERPLEX_SOURCE
SOURCE=$3
. "$(dirname "$0")/lib.sh"
BAD=$'\033]0;pwn\007\033[31mX'
# harmless NAME [SHOWN]: the last run printed no control character, and SHOWN somewhere.
harmless() {
    if LC_ALL=C grep -aqP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]' "$OUT" "$ERR"; then
        fail "$1: a terminal obeys nothing of it" "$(cat -v "$OUT" "$ERR" | head -c 600)"
    elif [ -n "${2:-}" ] && ! cat "$OUT" "$ERR" | grep -qF -e "$2"; then fail "$1: it is shown" "want $2"; else ok "$1"; fi
}
shown='\x1b]0;pwn\x07\x1b[31mX'

# safetensors FILE HEADER DATA-BYTES
safetensors() {
    local length=${#2}
    { printf "\\x$(printf %x $((length % 256)))\\x$(printf %x $((length / 256)))\0\0\0\0\0\0%s" "$2"; head -c "$3" /dev/zero; } >"$1"
}
safetensors tensor.safetensors '{"\u001b]0;pwn\u0007\u001b[31mX": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}' 4
printf '["a", "b"]' >list.json
run import tensor.safetensors --vocab list.json --out imported.safetensors
done_with "a tensor with an escape sequence in its name is refused" 2
harmless "a tensor's name" 'pwn'
safetensors twice.safetensors '{"a\u009b31m": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}, "a\u009b31m": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}' 4
run import twice.safetensors --vocab list.json --out imported.safetensors
harmless "a tensor's name with the one-character sequence" '\xc2\x9b31m'

printf 'hidden = %s\n' "$BAD" >value.config
run train --config value.config --data list.json --run none
done_with "such a value is refused" 2
harmless "a configuration's value" "$shown"
printf '%s = 5\n' "$BAD" >key.config
run train --config key.config --data list.json --run none
harmless "a configuration's key" "$shown"
printf 'data = \xe2\x80\xaetxt.exe\n' >turned.config
run train --config turned.config --run none
harmless "writing that is turned round" '\xe2\x80\xae'
run train --data $'late\xe9' --run none
harmless "a path that is not UTF-8" 'late\xe9'
run train --data "Größe.txt" --run none
must "other letters stay as they are" grep -q 'Größe.txt' "$ERR"
run "$BAD"
harmless "a command" "$shown"
run train "--$BAD" 1
harmless "a flag" 'pwn'
printf 's %s 0.25 s\ns b 0.5 s\n' "$BAD" >machine.txt
run construct --automaton machine.txt --out made.safetensors
harmless "an automaton"
printf '%s a 0.25 s\n' "$BAD" >machine.txt
run construct --automaton machine.txt --out made.safetensors
harmless "an automaton's state" 'pwn'
"$SOURCE" "$BAD" >"$OUT" 2>"$ERR"
harmless "a source's name" "$shown"

json='{"format": "perplex-bench", "version": 1, "commit": "@", "date": "@", "machine": {"processor": "@"}, "cases": [{"name": "@", "work": "train", "device": "@", "device_text": "@",
 "precision": "fp32", "batch": 1, "hidden": 8, "steps": 2, "step_s": 1, "tokens_per_s": 1, "spread": 0, "rounds": 5, "phases": {}, "share_of_peak": 0.5, "gflops": 1, "peak_gflops": 2, "copy_gb_s": 1,
 "flops_per_step": 10, "bytes_per_step": 10}], "peaks": [{"device": "@", "precision": "fp32", "threads": 1, "gflops": 2, "copy_gb_s": 1}]}'
printf '%s' "${json//@/\\u001b]0;pwn\\u0007\\u001b[31mX}" >bench.json
run bench --compare bench.json bench.json
done_with "two results can be compared" 0
harmless "a result's commit, date, processor and cases" "$shown"
printf '%s' "${json//@/cpu\`touch pwned\`\\u001b[31m\\\" . system(\\\"touch pwned\\\")}" >bench.json
run bench --plot bench.json --out plots
harmless "plots of such a result"
must "the plots' scripts were written" test -s plots/plots/phases.gp
must "they hold no command" test -z "$(grep -l '`\|" \. system' plots/plots/*.gp)"
must "and none was run" test ! -e pwned

# ---- everything about a run whose name and text have such names
mkdir work
make_text "work/text$BAD.txt" 400
cd work || exit 1
text="text$BAD.txt" run="run$BAD"
run train --data "$text" --run "$run" "${TINY[@]}" --max-steps 12
done_with "a text and a run may have any name" 0
harmless "train" "$shown"
for command in "info $run" "eval --split-of $run test" "eval --model $run --data $text" "inspect --model $run --data $text --gradient-lags 4 --positions 64" \
    "report $run" "runs ." "tokenize --data $text --out tok$BAD" "info tok$BAD" "export --model $run --out out$BAD" "ngram --order 2 --data $text" \
    "ngram --order 2 --split-of $run test --model $run" "train --resume $run" "train --data $text --run $run" "eval --model $run/no --data $text" \
    "train --data $text --run other$BAD --dry-run" "sample --model nothing$BAD"; do
    # shellcheck disable=SC2086 # the names have no space
    run $command
    harmless "$(printf %s "${command%% *}" | cat -v): $(printf %s "$command" | cut -c 1-40 | cat -v)"
done
finish
