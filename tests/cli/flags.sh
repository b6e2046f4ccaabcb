#!/usr/bin/env bash
# Messages and flags: a hint names only flags that its command has, flags without effect are said, names that cannot be kept are refused
# before any work.
. "$(dirname "$0")/lib.sh"
make_text text.txt 400
tiny_model model --max-steps 20 --level char

# ---- hints, by command (refuses looks at the flags of every hint, in every script)
printf 'the king\377saw\n' >latin.txt
refuses "train: what is not UTF-8 can be read as bytes" 2 'not UTF-8 \(0xff\); use --level byte or --invalid replace$' train --data latin.txt --run no --level char
refuses "eval: the level is the model's" 2 'not UTF-8 \(0xff\); use --invalid replace$' eval --model model --data latin.txt
refuses "inspect: so it is there" 2 'not UTF-8 \(0xff\)' inspect --model model --data latin.txt
refuses "ngram has --level" 2 'use --level byte or --invalid replace$' ngram --data latin.txt --level char
head -c 70000 /dev/zero | tr '\0' a >long.txt
refuses "tokenize: a word that is too long" 2 'more than 65536 bytes; use --level char or byte$' tokenize --data long.txt --level word
PERPLEX_CUDA_MODULE=/nowhere refuses "a device that is not there" 2 'or use --device cpu$' sample --model model --device cuda
for command in train eval sample tokenize info report runs inspect ngram construct export import bench average top; do
    "$PERPLEX" $command --help >/dev/null 2>&1 || continue
    refuses "$command: a flag of no command" 2 "--no-such-flag: no such flag of $command" $command --no-such-flag
done

# ---- flags without effect
# idle FLAG REASON ARGS...: a line says so, and only one.
idle() {
    local flag=$1 reason=$2
    shift 2
    rm -rf idle
    run train --data text.txt --run idle --hidden 8 --batch 4 --steps 8 --max-steps 4 --warmup-steps 0 --threads 1 --no-report "$@"
    done_with "$flag: trains" 0
    must "$flag: that it has no effect is said" grep -qE -e "^warning: $flag.*$reason" "$OUT"
    must "$flag: and nothing else" test "$(grep -c '^warning: ' "$OUT")" = 1
}
idle '--dropout-between 0.3' 'one layer' --dropout-between 0.3
idle '--momentum 0.5' '--optimizer momentum' --momentum 0.5
idle '--beta1 0.8' 'adam' --beta1 0.8 --optimizer sgd
idle '--lr-factor 0.5' '--schedule step and plateau' --lr-factor 0.5 --schedule constant
idle '--average-from 2' '--average from' --average-from 2
idle '--split 0.9,0.05,0.05' 'all of --data is trained on' --split 0.9,0.05,0.05 --valid text.txt --test text.txt
idle 'the last share of --split, 0.05' '--split 0.95,0.05,0 trains on it' --test text.txt
idle '--invalid replace' 'bytes are read as they are' --invalid replace
idle '--warmup-steps 4' 'rises to the end' --warmup-steps 4
idle '--vocabulary-from text' 'for --init-from' --vocabulary-from text
idle '--init-scale 2' 'gives all weights' --hidden 24 --init-from model --init-scale 2
idle '--init-recurrent same' 'gives these weights' --hidden 24 --init-from model --init-recurrent same
idle '--init-gain 2' 'gives these weights' --hidden 24 --init-from model --init-gain 2
run train --data text.txt --run short --hidden 8 --batch 4 --steps 8 --max-steps 4 --threads 1 --no-report
must "the default of --warmup-steps is not held against a short trial" test ! "$(grep -c 'rises to the end' "$OUT" "$ERR" | grep -v ':0')"
idle '--reset-probability 0.1' 'random' --partition random --reset-probability 0.1
run train --config idle/config --run again
must "what a run's own file holds is not asked" test -z "$(grep '^warning: ' "$OUT")"
run train --data text.txt --run works --hidden 8 --layers 2 --max-steps 4 --warmup-steps 2 --threads 1 --dropout-between 0.3 --optimizer momentum --momentum 0.5 --no-report
must "flags that have an effect are not spoken of" test -z "$(grep '^warning: ' "$OUT")"

run train --data text.txt --run margin --hidden 8 --max-steps 2 --threads 1 --no-report --time-margin 5m --time-limit none
must "a margin of no limit is said to be idle" grep -q '^note: --time-margin 5m has no effect: there is no time limit' "$ERR"

# ---- eval, tokenize, info, ngram
refuses "n-grams alone run on no device" 2 '--device: is for a network; name one by --model' ngram --data text.txt --device cpu
refuses "nor with threads" 2 '--threads: is for a network; name one by --model' ngram --data text.txt --threads 2
run eval --model model --data text.txt --dynamic 0.01 --steps 9
must "eval: --steps has no effect beside --dynamic" grep -q '^note: --steps has no effect: .*--dynamic-steps' "$ERR"
run eval --model model --data text.txt --lines --steps 9
must "nor beside --lines" grep -q '^note: --steps has no effect: ' "$ERR"
run eval --model model --data text.txt --steps 9
must "else nothing is said" test ! -s "$ERR"
refuses "eval: --lines of a part of a run" 2 '--lines and --split-of: .*--data FILE' eval --split-of model test --lines --data text.txt
refuses "tokenize: a level that is not the vocabulary's" 2 '--level word: model has tokens of level char' tokenize --data text.txt --vocabulary model --level word
refuses "nor another normalisation" 2 '--normalise letters: model has tokens of level char, normalise none' tokenize --data text.txt --vocabulary model --normalise letters
refuses "a given vocabulary is not cut" 2 '--max-vocab: .*--vocabulary model' tokenize --data text.txt --vocabulary model --max-vocab 9
refuses "nor by counts" 2 '--min-count: .*--vocabulary model' tokenize --data text.txt --vocabulary model --min-count 2
run tokenize --data text.txt --vocabulary model --level char
done_with "its own level may be named" 0
refuses "info: of a model or of devices" 2 '--devices and model: give one of them' info model --devices

# ---- sample
run sample --model model --length 60 --greedy
cp "$OUT" greedy.out
run sample --model model --length 60 --temperature 0
done_with "--temperature 0 is accepted" 0
must "--temperature 0 is greedy" cmp greedy.out "$OUT"
must "and there is nothing to say" test ! -s "$ERR"
run sample --model model --length 60 --temperature 0 --top-k 3 --top-p 0.5 --count 2
must "beside it --top-k is said to be idle" grep -q '^note: --top-k has no effect beside --temperature 0$' "$ERR"
must "so is --top-p" grep -q '^note: --top-p ' "$ERR"
must "and that the texts are the same" grep -q '^note: .*all 2 texts are the same' "$ERR"

# ---- names that are not UTF-8
odd=$(printf 'odd\377name')
cp text.txt "$odd.txt"
for flag in data valid test run; do
    given=(--data text.txt --run new --valid text.txt --test text.txt --max-steps 200 "--$flag" "$odd.txt")
    [ $flag != run ] || given=(--data text.txt --run "$odd" --max-steps 200)
    refuses "--$flag: a name that is not UTF-8 is refused before any work" 2 "--$flag .*: not UTF-8.*rename it" train "${given[@]}" --hidden 8
    must "--$flag: nothing was read" test ! -s "$OUT"
done
run eval --model model --data "$odd.txt"
done_with "eval reads a text of such a name" 0
run tokenize --data "$odd.txt" --out "$odd.tokens"
done_with "tokenize reads and writes them" 0

# ---- the norm of the last gradient that was finite
run train --data text.txt --run wild "${TINY[@]}" --optimizer sgd --lr 1e6 --clip 0 --nonlinearity relu --warmup-steps 0
done_with "a loss that is not finite ends the run" 1
grep '"reason":"not finite"' wild/metrics.jsonl >"$OUT"
must "the last finite norm is a finite number" is_number "$(json last_finite_grad_norm)"
run train --data text.txt --run wilder "${TINY[@]}" --init normal --init-scale 100 --init-recurrent same --clip 0 --nonlinearity relu --steps 200
done_with "nor is that of the first step" 1
grep '"reason":"not finite"' wilder/metrics.jsonl >"$OUT"
must "there was no finite norm: none is given" test -z "$(json last_finite_grad_norm)" -a "$(json step)" = 1
finish
