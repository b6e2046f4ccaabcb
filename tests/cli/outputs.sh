#!/usr/bin/env bash
# Nothing is written over what is read, over a file of a run, or over a file of somebody's own; - is standard output for texts alone.
SOURCE=$3
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
tiny_model model
M=model/best.safetensors
"$PERPLEX" export --model model --out torch.safetensors >"$OUT" 2>"$ERR" </dev/null
head -n 50 text.txt >short.txt
printf 'hidden = 8\n' >settings
printf 'a x 1 a\n' >automaton

# ---- over an input, whatever it is called
ln -s text.txt soft
ln text.txt hard
for name in text.txt ./text.txt soft hard; do
    refuses "tokenize: $name is the text itself" 2 'is read here' tokenize --data text.txt --out $name
    refuses "eval: $name is the text itself" 2 'is read here' eval --model model --data text.txt --per-token $name
done
rm soft hard
refuses "tokenize: one of several texts" 2 'is read here' tokenize --data short.txt text.txt --out text.txt
refuses "import: its own file" 2 'is read here' import torch.safetensors --out torch.safetensors
refuses "import: its list of tokens" 2 'is read here' import torch.safetensors --vocab torch.json --out torch.json
refuses "construct: its automaton" 2 'is read here' construct --automaton automaton --out automaton
refuses "export: the model itself" 2 'is read here' export --model $M --out $M
ln -s ../model/best.safetensors model/alias.safetensors
refuses "export: the model by another name" 2 'is read here' export --model model --out model/alias.safetensors
rm model/alias.safetensors
echo 'my own' >model/model.json
refuses "export: into a run's folder" 2 '--out model: a run, .*give another folder' export --model model --out model
must "a file of somebody's own there is left" test "$(cat model/model.json)" = 'my own'
must "and nothing is written beside it" test ! -e model/model.safetensors
rm model/model.json
cp torch.json card.json
refuses "export: a card in the place of the settings that are read" 2 'no such flag|is read here' export --model model --out card.safetensors --config card.json
rm card.json
refuses "a configuration file" 2 'is read here' tokenize --config settings --data text.txt --out settings
refuses "a vocabulary" 2 'is read here' tokenize --data text.txt --vocabulary $M --out $M
refuses "eval: the model" 2 'is read here' eval --model $M --data text.txt --per-token $M
refuses "eval: the model of a run" 2 'is read here' eval --model model --data text.txt --per-token $M
refuses "eval: the run's log" 2 'is read here' eval --split-of model test --per-token model/metrics.jsonl
refuses "eval: the text behind the run" 2 'is read here' eval --split-of model test --per-token text.txt
refuses "report: the text behind the run" 2 'is read here' report model --out text.txt
refuses_with short.txt "what standard input comes from" 2 'standard input comes from' eval --model model --data - --per-token short.txt
if "$PERPLEX" bench --help >/dev/null 2>&1; then
    refuses "bench: the text" 2 'is read here' bench --data text.txt --export text.txt
    mkdir -p measured/plots
    cp text.txt measured/bench.md
    cp text.txt measured/plots/phases.gp
    refuses "bench: a text that lies where the result goes" 2 'is read here' bench --data measured/bench.md --out measured
    refuses "bench: a text that lies where a plot goes" 2 'is read here' bench --data measured/plots/phases.gp --out measured
    refuses "bench: into a run's folder" 2 '--out model: a run, .*give another folder' bench --out model
    refuses "bench: a folder cannot be standard output" 2 'standard output' bench --out -
    rm -r measured
fi
run tokenize --data short.txt --out short.tok
run tokenize --data text.txt --out short.tok
done_with "what is not read may be replaced" 0

# ---- over a file of a run
for name in config metrics.jsonl last.safetensors best.safetensors checkpoint-000000100.safetensors report.html lock; do
    refuses "a run's $name is no place for tokens" 2 'is read here|its own files' tokenize --data short.txt --out model/$name
done
ln -s model/config link
refuses "nor is a link to one" 2 'its own files' tokenize --data short.txt --out link
rm link
refuses "report: the run's log" 2 'is read here' report model --out model/metrics.jsonl
refuses "report: the run's model" 2 'is read here' report model --out $M
tiny_model other --max-steps 5
refuses "report: the page of another run" 2 'its own files' report model --out other/report.html
refuses "report: the page of one of several" 2 'is read here' report model other --out other/report.html
run report model --out model/report.html
done_with "report: its own page may be given by name" 0
run eval --model model --data short.txt --per-token model/scores.tsv
run eval --model model --data short.txt --per-token model/scores.tsv
done_with "what else lies in a run's folder may be replaced" 0
rm model/scores.tsv

# ---- standard output
refuses "a token file is no text" 2 'standard output' tokenize --data text.txt --out -
refuses "a model is no text" 2 'standard output' import torch.safetensors --vocab torch.json --out -
refuses "a constructed model is none" 2 'standard output' construct --cycle 'a b' --out -
refuses "an exported one is none" 2 'standard output' export --model model --out -
refuses "a run needs a folder" 2 'run -' train --data text.txt --run -
run eval --model model --data short.txt --per-token tokens.tsv
run eval --model model --data short.txt --per-token -
done_with "--per-token - is standard output" 0
must "with the same lines" cmp "$OUT" tokens.tsv
must "the result is then on standard error" grep -q '^perplexity' "$ERR"
refuses "--per-token - and --json want the same place" 2 'standard output' eval --model model --data short.txt --per-token - --json
cp tokens.tsv before.tsv
"$PERPLEX" eval --model model --data short.txt --per-token tokens.tsv >>tokens.tsv 2>"$ERR" </dev/null
status=$?
done_with "a file that standard output goes to is refused" 2
must "and left" cmp tokens.tsv before.tsv
"$PERPLEX" eval --model model --data short.txt --per-token /dev/stdout 2>"$ERR" </dev/null | cat >"$OUT"
must "/dev/stdout is written as it is" grep -q '^perplexity' "$OUT"
run report model --out -
done_with "report --out - is standard output" 0
must "with the page alone" test "$(tail -n 1 "$OUT")" = '</html>'
must "no file is called -" test ! -e -

# ---- a file of somebody's own
SHORT=(--hidden 24 --batch 8 --steps 16 --max-steps 3 --log-every 20 --threads 1 --split 0.8,0.1,0.1)
own() { rm -rf mine; mkdir mine; echo 'my own notes' | tee "mine/$1" mine/notes.txt >"$WORK/own"; }
for name in config metrics.jsonl lock best.safetensors last.safetensors best.before-end.safetensors; do
    own $name
    refuses "a new run leaves somebody's $name" 2 "mine.*(another|move it|--resume)" train --data text.txt --run mine "${SHORT[@]}"
done
own config
cp model/config mine/config
refuses "a new run leaves settings that were put there" 2 'mine/config: not of a run' train --data text.txt --run mine "${SHORT[@]}"
refuses "or are read by it" 2 'is read here' train --config mine/config --run mine "${SHORT[@]}"
rm mine/config
cp text.txt mine/metrics.jsonl
refuses "or a text that it is trained on" 2 'is read here' train --data mine/metrics.jsonl --run mine "${SHORT[@]}"
own report.html
run train --data text.txt --run mine "${SHORT[@]}"
done_with "a training ends where somebody's report.html is" 0
must "it says that no report was written, and why" grep -q 'no report was written: mine/report.html: not a page of perplex' "$ERR"
must "and leaves it" cmp mine/report.html "$WORK/own"
must "and whatever else is there" cmp mine/notes.txt "$WORK/own"
refuses "perplex report leaves it" 2 'mine/report.html: not a page of perplex' report mine
refuses "by name, too" 2 'mine/report.html: not a page of perplex' report mine --out mine/report.html
run report mine --out page.html
done_with "the page can go elsewhere" 0
echo '# my settings' >mine/config
echo 'hidden = 24' >>mine/config
cp mine/config "$WORK/config"
run train --resume mine --max-steps 5
done_with "a run goes on where its config is somebody's own" 0
must "it says so" grep -q 'mine/config is not as perplex writes it' "$OUT"
must "and leaves it" cmp mine/config "$WORK/config"
for name in metrics.jsonl best.safetensors lock; do
    cp -r model copy
    echo 'my own notes' >copy/$name
    refuses "a resumed run leaves somebody's $name" 2 "copy/$name: " train --resume copy --max-steps 200
    rm -r copy
done
cp -r model copy
cp other/best.safetensors copy/best.safetensors
run train --resume copy --max-steps 130
done_with "a model of the same run in its place is a model of the run" 0
tiny_model third --hidden 25 --max-steps 5
cp -r model copy2
cp third/best.safetensors copy2/best.safetensors
refuses "a resumed run leaves the model of another" 2 'copy2/best.safetensors: not a model of this run' train --resume copy2 --max-steps 200

# ---- no way round in a circle
cp -r model lost
rm lost/last.safetensors
refuses "without a last checkpoint there is no going on, and a way out is said" 2 'no last.safetensors.*another folder.*moved away' train --resume lost
refuses "a new run there says what to move" 2 'best.safetensors.*move it away' train --data text.txt --run lost "${SHORT[@]}"
mkdir kept
mv lost/best.safetensors kept
refuses "the log of the old run is not lost either" 2 'metrics.jsonl: the log of a run.*move it away' train --data text.txt --run lost "${SHORT[@]}"
mv lost/metrics.jsonl lost/config kept
run train --data text.txt --run lost "${SHORT[@]}"
done_with "when they are away, a new run starts there" 0

# ---- perplex-source
printf 'a x 1 a\n' >automaton
"$SOURCE" automaton --symbols 5 --out automaton >"$OUT" 2>"$ERR"
status=$?
done_with "perplex-source does not write over its source" 2
must "which is left" test "$(cat automaton)" = 'a x 1 a'
"$SOURCE" automaton --symbols 5 --out - >"$OUT" 2>"$ERR"
must "perplex-source --out - is standard output" test "$(cat "$OUT")" = xxxxx
finish
