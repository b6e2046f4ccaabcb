#!/usr/bin/env bash
# Every command in another language: the files that it writes and what it prints are the same to the byte, and so are the batch scripts' tables.
#     locale.sh PERPLEX JSON_GET PERPLEX_SOURCE PROJECT
SOURCE=$3
PROJECT=$4
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/locales.sh"
make_text text.txt 1500
head -n 3 text.txt >lines.txt
printf 's a 0.3 s\ns b 0.7 t\nt a 1/2 s\nt b 0.5 t\n' >source.txt
cat >old.json <<'END'
{"format": "perplex-bench", "version": 1, "commit": "a", "date": "2026-01-02", "complete": true, "machine": {"processor": "one"}, "cases": [
 {"name": "case", "tokens_per_s": 1000.5, "share_of_peak": 0.505, "spread": 0.015, "rounds": 9}]}
END
sed 's/0\.505/0.705/' old.json >new.json

# step NAME ARGS...: the program, its output kept in NAME.out; a line "NAME STATUS" tells what became of it.
step() {
    local name=$1
    shift
    "$PERPLEX" "$@" >"$name.out" 2>"$name.err" </dev/null
    echo "$name $?"
}

# What differs from run to run in any language: times, speeds (and so the width of their column), the name of the process, the folder.
steady() {
    sed -E -i -e 's/[0-9.,]+k? tokens?\/s/SPEED/g; s/ +[0-9,]+ +([0-9,]+ +1 ×)/ SPEED \1/' \
        -e 's#/[^" ]*/here/[^/" ]+/##g' \
        -e 's/"(tokens_per_s|seconds|created|date|time)": ?("[^"]*"|[^,}]*)/"\1":X/g' \
        -e 's/([0-9]+ h )?([0-9]+ min )?[0-9.]+ s( ago)?\b/TIME/g; s/[0-9]+ h [0-9]+ min/TIME/g' \
        -e 's/ {2,}/  /g; s/ +$//' "$@"
}

everything() {
    step train train --data ../text.txt --run run "${TINY[@]}" --lr 0.0125 --dropout-output 0.125 --reset-probability 0.05 --no-tensorboard
    step config train --config run/config --run again --max-steps 3 --no-report --no-tensorboard --json
    step resume train --resume again --max-steps 5 --no-report --no-tensorboard
    step dry-run train --data ../text.txt --run dry "${TINY[@]}" --dry-run
    step eval eval --model run --data ../lines.txt
    step eval-json eval --split-of run test --json --per-token per-token
    step eval-lines eval --model run --data ../lines.txt --lines
    step sample sample --model run --length 60 --temperature 0.75 --top-p 0.95
    step sample-json sample --model run --length 20 --temperature 0.75 --json
    step tokenize tokenize --data ../text.txt --level word --out words.tok
    step export export --model run --out exported
    step import import exported/model.safetensors --vocab exported/model.json --out imported.safetensors
    step import-json import exported/model.safetensors --vocab exported/model.json --out again.safetensors --json
    step eval-imported eval --model imported.safetensors --data ../lines.txt --json
    step completion completion bash
    step completion-man completion man
    step completion-zsh completion zsh
    step info info run/best.safetensors
    step info-json info run/best.safetensors --json
    step ngram ngram --order 3 --split-of run test --model run
    step ngram-json ngram --order 3 --data ../text.txt --split 0.75,0.125,0.125 --json
    step inspect inspect --model run --data ../lines.txt --gradient-lags 4
    step inspect-json inspect --model run --data ../lines.txt --gradient-lags 4 --json
    step construct construct --automaton ../source.txt --out made.safetensors
    step eval-made eval --model made.safetensors --data letters --json
    step compare bench --compare ../old.json ../new.json
    step refused train --data ../text.txt --run none --lr 0.5x
    step shares train --data ../text.txt --run none --split 0.9,0.25
    "$SOURCE" ../source.txt --symbols 300 >letters.again 2>letters.err
    echo "source $?"
    step eval-letters eval --model made.safetensors --data letters.again
    step bench bench --preset smoke --out bench
    step report report run --out page.html
    step runs runs .
    bash "$PROJECT/slurm/results.sh" sweep >results.out 2>results.err
    echo "results $?"
    (px_home=$PROJECT/slurm; . "$PROJECT/slurm/common.sh"; px_result run) >common.out 2>common.err
    echo "common $?"
}

in_locale() {
    mkdir "$1"
    cd "$1" || exit 1
    printf 'abababbbaab' >letters
    mkdir sweep
    echo '--lr 0.5' >sweep/a.flags
    echo '--lr 0.25' >sweep/b.flags
    mkdir sweep/a sweep/b
    echo '{"event":"end","step":5,"best_valid_loss":1.75,"test_perplexity_zero":5.125}' >sweep/a/metrics.jsonl
    echo '{"event":"end","step":5,"best_valid_loss":1.25,"test_perplexity_zero":4.125}' >sweep/b/metrics.jsonl
    LC_ALL=$2 LANG=$2 LC_NUMERIC=$2 everything >statuses 2>&1
    cd ..
    steady "$1"/*.out "$1"/*.err "$1"/run/config "$1"/run/metrics.jsonl "$1"/again/metrics.jsonl "$1"/exported/model.json
}

in_locale C C
must "in the C locale every command works: $(grep -vE ' 0$| 3$|refused 2|shares 2' C/statuses | tr '\n' ' ')" \
    test -z "$(grep -vE '^(refused|shares) 2$|^compare 0$| 0$' C/statuses)"
must "there are numbers with a point in it all" grep -q '0\.0125' C/run/config
for locale in "${LOCALES[@]}"; do
    in_locale "$locale" "$locale"
    must "$locale: every command ends as in C" diff C/statuses "$locale/statuses"
    for file in C/*.out C/*.err C/run/config C/run/metrics.jsonl C/again/metrics.jsonl C/exported/model.json C/per-token; do
        case $file in C/bench.*) continue ;; esac # measured; looked at below
        must "$locale: ${file#C/} is the same" diff "$file" "$locale/${file#C/}"
    done
    for file in made.safetensors imported.safetensors words.tok letters.again; do must "$locale: $file has the same bytes" cmp "C/$file" "$locale/$file"; done
    for model in run/best run/last again/last exported/model; do must "$locale: $model has the same weights" same_tensors "C/$model.safetensors" "$locale/$model.safetensors"; done
    must "$locale: the benchmark's files are JSON and tables with points" "$JSON_GET" "$locale/bench/bench.json" cases.0.share_of_peak
    must "$locale: no number of its tables has a comma" test -z "$(grep -hoE '[0-9],[0-9]{1,2}\b' "$locale/bench/bench.md" "$locale/bench.out")"
    must "$locale: the page's drawings have points" test -z "$(grep -oE ' (x|y|x1|cx|cy|d)="[^"]*[0-9],[0-9]' "$locale/page.html" | head -n 3)"
    must "$locale: and lie where they lie in C" diff <(grep -oE 'data-[xy]="[^"]*"' C/page.html | head -n 4) <(grep -oE 'data-[xy]="[^"]*"' "$locale/page.html" | head -n 4)
done
finish
