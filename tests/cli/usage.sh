#!/usr/bin/env bash
# Help, unknown flags and commands, wrong values, configuration files, and output that cannot be written.
. "$(dirname "$0")/lib.sh"

fits() { [ "$(wc -l <"$OUT")" -le "$1" ] && [ "$(awk '{ if (length > m) m = length } END { print m }' "$OUT")" -le 100 ]; }
for command in train eval sample tokenize info inspect construct ngram report runs top bench import export average completion; do
    run "$command" --help
    done_with "$command --help ends with status 0" 0
    must "$command --help fits three screens of 50 lines and 100 columns" fits 150
    must "$command --help says how it is used" grep -q "^usage: perplex $command" "$OUT"
    must "$command --help prints nothing on standard error" test ! -s "$ERR"
done
run --help
must "--help fits one screen" fits 30
for command in train eval sample tokenize info report runs bench; do must "--help lists $command" grep -q "^  $command " "$OUT"; done
run --version
must "--version gives a number" grep -qE '^perplex [0-9]+\.[0-9]+' "$OUT"
run
done_with "no command is status 2" 2

refuses "an unknown command names the nearest" 2 'trian: no such command; did you mean train' trian
refuses "a command like no other points to --help" 2 'perplex --help' xyzzy
refuses "an unknown flag names the nearest" 2 '--hiden: no such flag.*--hidden' train --hiden 3
refuses "an unknown flag of sample names the nearest of sample" 2 '--temprature.*--temperature' sample --temprature 1
refuses "a flag of another command is said to be one" 2 '--hidden: not a flag of eval' eval --hidden 3
refuses "a short flag points to the long ones" 2 'flags are long' train -h3
refuses "a flag without its value says so" 2 '--hidden: needs a value' train --hidden
refuses "a flag does not eat the next flag" 2 '--data: needs a value' train --data --run x
refuses "a stray word is refused" 2 "'text.txt'" train text.txt
refuses "a word where a number belongs is refused" 2 '--hidden many' train --data x --run y --hidden many
refuses "a number out of range gives the range" 2 '--hidden 0: .*from 1 to 65536' train --hidden 0
refuses "a fraction where a whole number belongs is refused" 2 '--batch 1.5' train --batch 1.5
refuses "nan is no learning rate" 2 '--lr nan' train --lr nan
refuses "dropout 1 is refused with its range" 2 'from 0 to 0.99' train --dropout 1.0
refuses "a wrong choice lists the choices" 2 'byte, char, word, sentencepiece or byte-bpe' train --level letter
refuses "tied without embed gives the remedy" 2 '--tied.*--embed' train --data x --run y --tied
refuses "splits above 1 are refused" 2 '--split 0.9' train --data x --run y --split 0.9,0.9
refuses "training without data says what to give" 2 '--data FILE' train --run y
refuses "training without a run folder says what to give" 2 '--run DIR' train --data x
refuses "plateau without validation says so" 2 'plateau.*validation' train --data x --run y --schedule plateau --split 1,0,0
refuses "impossible sizes are refused" 2 'batch.*steps' train --data x --run y --batch 1048576 --steps 1048576
refuses "more threads than the machine could use are refused" 2 '--threads 4096' train --data x --run y --threads 4096
refuses "sampling without a model says what to give" 2 '--model' sample
refuses "a temperature below 0 is refused" 2 '--temperature -1' sample --model x --temperature -1
refuses "top-p above 1 is refused" 2 '--top-p 1.5' sample --model x --top-p 1.5
refuses "two prompts are refused" 2 '--prompt and --prompt-file' sample --model x --prompt a --prompt-file b
refuses "an empty stop text is refused" 2 '--stop' sample --model x --stop ''
refuses "evaluation of nothing says what to give" 2 '--data FILE' eval --model x
refuses "an unknown part of a run is refused" 2 'valid or test' eval --split-of z train
refuses "half of --split-of is refused" 2 'two values' eval --split-of z
refuses "info of nothing says what to give" 2 'info' info
refuses "--resume and --run together are refused" 2 '--run' train --resume x --run y

make_text text.txt 300
printf 'hidden = 16\nlayers = many\n' >bad.conf
refuses "a wrong value in a file names file and line" 2 'bad.conf:2: --layers many' train --config bad.conf
printf '\n\nhiden = 16\n' >bad.conf
refuses "an unknown key in a file names file, line and the nearest" 2 'bad.conf:3: hiden.*hidden' train --config bad.conf
printf 'hidden 16\n' >bad.conf
refuses "a line without = names file and line" 2 "bad.conf:1: 'hidden 16'" train --config bad.conf
printf 'hidden = 16\nhidden = 17\n' >bad.conf
refuses "a key set twice names both lines" 2 'bad.conf:2: .*line 1' train --config bad.conf
printf '\357\273\277hiden = 16\r\n' >bad.conf
refuses "a byte order mark is no part of the first key" 2 'bad.conf:1: hiden: .*hidden' train --config bad.conf
refuses "a missing configuration file is named" 2 'none.conf: No such file' train --config none.conf
refuses "a folder is no configuration file" 2 '\.: ' train --config .

printf 'data = text.txt\nhidden = 16 # units\nbatch=4\nmax-steps = 5\n' >good.conf
run train --config good.conf --run one --hidden=20 --threads 1
done_with "a run can be started from a file" 0
must "flags win over the file" grep -qx 'hidden = 20' one/config
must "the file's other settings hold" grep -qx 'batch = 4' one/config
must "--max-steps alone bounds the run" grep -qx 'epochs = 0' one/config
run train --hidden 8 --run two --config good.conf --threads 1
must "flags win wherever --config stands" grep -qx 'hidden = 8' two/config
run train --config good.conf --run three --optimizer sgd --threads 1
must "a learning rate fits its optimiser where none is given" grep -qx 'lr = 1' three/config
run train --config good.conf --run four --embed 8 --tied --no-tied --threads 1
must "--no-tied takes --tied back" grep -qx 'tied = false' four/config
run tokenize --config good.conf --json
done_with "a file serves a command that does not know all its settings" 0

if [ -w /dev/full ]; then
    for arguments in "--help" "--version" "train --help" "tokenize --data text.txt --json" "tokenize --data text.txt" "info one --json" "info one" \
        "sample --model one --length 9" "sample --model one --length 9 --json" "eval --model one --data text.txt --json" "eval --model one --data text.txt --lines"; do
        # shellcheck disable=SC2086
        "$PERPLEX" $arguments >/dev/full 2>"$ERR" </dev/null
        status=$?
        : >"$OUT"
        if [ "$status" = 1 ] && grep -q '^perplex: standard output: ' "$ERR"; then
            ok "a full disk behind standard output is an error of: $arguments"
        else fail "a full disk behind standard output is an error of: $arguments"; fi
    done
else skip "a full disk behind standard output" "there is no /dev/full"; fi
"$PERPLEX" sample --model one --length 100000 2>"$ERR" </dev/null | head -c 10 >"$OUT"
status=${PIPESTATUS[0]}
must "a pipe that was closed ends sampling" test "$status" = 1
must "without a word" test ! -s "$ERR"
run train --config good.conf --run "it's \$(touch opened) a" --threads 1
# shellcheck disable=SC2016 # bash -c expands it
must "the command that is shown can be typed, whatever the folder's name" bash -c '
    name=$2; eval "set -- $(sed -n "s/^try: *perplex //p" "$1")" && [ "$3" = "$name/best.safetensors" ] && [ ! -e opened ]' - "$OUT" "it's \$(touch opened) a"
run completion --help
done_with "completion --help ends with status 0" 0
run train --config good.conf --run five --warmup-steps 2 --threads 1
mv text.txt moved.txt
refuses "a resumed run whose text was moved says how to give it" 2 'text.txt: no such file.*--data FILE' train --resume five --max-steps 6
run train --resume five --max-steps 6 --data moved.txt
done_with "which is enough" 0
must "steps after the end of a cosine schedule are said to learn nothing" grep -q 'warning: the schedule of this run ends at step 5' "$OUT"
finish
