#!/usr/bin/env bash
# report.html without a browser: what stands in it, that a resumed run's is the uninterrupted run's, and folders and texts that mean harm.
. "$(dirname "$0")/../cli/lib.sh"
make_text text.txt 1500
LONG=(--hidden 32 --batch 8 --steps 16 --max-steps 2000 --log-every 50 --valid-every 200 --threads 1 --split 0.8,0.1,0.1 --lr 0.003 --no-tensorboard)
# part PAGE ID: a section of a page.
part() { awk -v begin="<section id=\"$2\">" 'index($0, begin) { on = 1 } on { print } on && /<\/section>/ { exit }' "$1"; }
# same_part ID A B: there, and the same in both pages but for the names of clip paths.
same_part() {
    part "$2" "$1" | sed -E 's/clip[0-9]+//g' >"$WORK/a"
    part "$3" "$1" | sed -E 's/clip[0-9]+//g' >"$WORK/b"
    [ -s "$WORK/a" ] && cmp "$WORK/a" "$WORK/b"
}

# ---- a page
run train --data text.txt --run whole "${LONG[@]}"
done_with "a training" 0
PAGE=whole/report.html
must "it ends with a report" test -s $PAGE
for id in perplexity loss course samples page surprise lags results settings; do
    must "the report has the section $id" grep -q "<section id=\"$id\">" $PAGE
done
must "nothing in it was left out" test "$(grep -c 'Not shown' $PAGE)" = 0
must "the curves show every evaluation" test "$(part $PAGE perplexity | grep -o '<circle class="mark k1"' | wc -l)" = 20 # ten, in two sizes
must "levels of uniform and unigram are drawn" test "$(part $PAGE perplexity | grep -o 'class="level-line"' | wc -l)" = 4
valid=$(grep '"event":"end"' whole/metrics.jsonl >"$WORK/line" && "$JSON_GET" "$WORK/line" best_valid_loss | awk '{ printf "%.4f", exp($1) }')
must "it shows the best validation perplexity" grep -q "<dt>validation perplexity</dt><dd>$valid<" $PAGE
must "it shows samples of several steps" test "$(part $PAGE samples | grep -c '<article>')" = 7
must "tokens are coloured" test "$(part $PAGE surprise | grep -o '<span class="u[0-7]" title' | wc -l)" -gt 500
bash "$(dirname "$0")/../../docs/pictures/report.sh" $PAGE >"$WORK/picture.svg"
must "its head becomes a picture with two charts" test "$(grep -c '<svg class="chart wide"' "$WORK/picture.svg")" = 2
must "and with its figures" grep -q ">$valid</text>" "$WORK/picture.svg"
must "the settings are a table" grep -q '<tr class="changed"><td>hidden</td><td>32</td></tr>' $PAGE
must "nothing is loaded from elsewhere" test -z "$(grep -oE '(src|href|action|data)=|url\([^#]|@import|https?:' $PAGE)"
must "a policy in its head forbids loading" grep -q "default-src 'none'" $PAGE
must "every chart has a title for those who cannot see it" test "$(grep -o '<svg ' $PAGE | wc -l)" = "$(grep -o '<svg [^>]*role="img"[^>]*><title>[^<][^<]*</title>' $PAGE | wc -l)"
must "the page ends as HTML ends" test "$(tail -n 1 $PAGE)" = "</html>"
cp $PAGE first.html
run report whole
done_with "perplex report makes it again" 0
must "it says where" test "$(cat "$OUT")" = whole/report.html
must "it is the same page" cmp $PAGE first.html
run report whole --out elsewhere.html
must "--out puts it elsewhere" cmp elsewhere.html first.html
run train --data text.txt --run quiet "${TINY[@]}" --no-report
must "--no-report leaves it out" test ! -e quiet/report.html

# ---- stopped, and killed: no gap and no double point
for signal in TERM KILL; do
    held 'step 400: validation' "wait_for has_lines $signal/metrics.jsonl '\"event\":\"train\"' 12; kill -$signal \$HELD" train --data text.txt --run $signal "${LONG[@]}"
    must "SIG$signal: it was stopped half-way" test "$(grep -c '"event":"end"' $signal/metrics.jsonl)" = 0
    run report $signal
    done_with "SIG$signal: a report of half a run" 0
    must "SIG$signal: it says that the run has stopped" grep -q 'class="pill stopped"' $signal/report.html
    run train --resume $signal
    done_with "SIG$signal: resumed" 0
    for id in perplexity loss samples page surprise lags results; do
        must "SIG$signal: the resumed run's section $id is the uninterrupted run's" same_part $id first.html $signal/report.html
    done
done

# ---- several runs
run train --data text.txt --run other "${LONG[@]}" --hidden 16 --seed 2 --max-steps 600
run report whole other quiet --out three.html
done_with "a report of several runs" 0
for id in ranking valid train norm rate speed settings samples; do must "it has the section $id" grep -q "<section id=\"$id\">" three.html; done
rank() { part three.html ranking | grep -o '<strong class="c[0-9]">[^<]*' | sed 's/.*>//' | tr '\n' ' '; }
must "the best run comes first" test "$(rank)" = "whole other quiet "
must "each run has a line" test "$(part three.html train | grep -o '<path class="line k\([012]\) g[123]"' | wc -l)" = 6
must "its rows are sorted by numbers" test "$(part three.html ranking | grep -oE '<tr data-group="g[123]">.*</tr>' | grep -cE '(<td data-sort="[0-9.e+-]*">[^<]*</td>){6}')" = 3
run train --data text.txt --run untested "${TINY[@]}" --split 0.9,0.1,0 --no-report
run report quiet untested --out untested.html
must "what is not known has no number" grep -qE '<td data-sort="">–</td>' untested.html
for group in g1 g2 g3; do must "$group: what is hidden with a run has its class" grep -qE "<path class=\"line k[012] $group\"" three.html; done
must "the samples too" test "$(part three.html samples | grep -cE '<article class="g[123]">')" -ge 1
must "a page of one run has no such script" test "$(grep -c 'table.runs' first.html)" = 0
must "it tells where settings differ" grep -qE '<tr><td>hidden</td><td>32</td><td>16</td><td>24</td></tr>' three.html
awk '{ print toupper($0) }' text.txt >upper.txt
run train --data upper.txt --level char --run upper "${TINY[@]}" --limit-tokens 20000
run report whole upper --out apart.html
must "it says where perplexities cannot be compared" grep -q 'cannot be compared' apart.html
refuses "several runs need a place" 2 '--out' report whole other
refuses "a report needs a run" 2 'perplex report RUN' report

# ---- texts, names and settings that mean harm
awk '{ print "<script>alert(" NR ")</script> & \"<img src=x onerror=alert(1)>\" </pre></section> &#60;b&#62; " $0 }' text.txt | head -n 600 >"<b>evil.txt"
run train --data "<b>evil.txt" --run '<script>alert(0)<x>' "${TINY[@]}"
done_with "a training on HTML, in a folder named as HTML" 0
EVIL='<script>alert(0)<x>/report.html'
must "it has a report" test -s "$EVIL"
must "no markup of the text got into it" test -z "$(grep -oiE '<img|<b>|alert\([0-9]*\)<[^/]|<[^>]*onerror=' "$EVIL" | head -n 3)"
must "the only script is ours" test "$(grep -o '<script' "$EVIL" | wc -l)" = 1
must "sections are closed as often as opened" test "$(grep -o '<section' "$EVIL" | wc -l)" = "$(grep -o '</section>' "$EVIL" | wc -l)"
must "the text itself is there, escaped" grep -q '&lt;' "$EVIL"
printf '\377\376\001<\200binary\n%.0s' $(seq 3000) >bytes.bin
run train --data bytes.bin --run bytes "${TINY[@]}"
done_with "a training on bytes that are no text" 0
must "its report is valid UTF-8" iconv -f UTF-8 -t UTF-8 bytes/report.html -o /dev/null
must "and has no control characters" test -z "$(tr -d '\t\n -~\200-\377' <bytes/report.html | head -c 1)"
awk '{ print "<eos> <unk> " $0 }' text.txt >words.txt
run train --data words.txt --level word --run words "${TINY[@]}"
must "a word model has coloured words" grep -q '<span class="u[0-7]" title="[^"]*">shepherd</span>' words/report.html

# ---- folders that mean harm: one clear line, and no page
fresh() { rm -rf h && cp -r quiet h; }
mkdir empty
refuses "an empty folder" 2 'empty: not a run folder' report empty
refuses "a folder that is not there" 2 'nowhere: there is no such run folder' report nowhere
refuses "a file instead of a folder" 2 'there is no such run folder' report text.txt
fresh; rm h/config
refuses "no config" 2 'h/config: there is no such file' report h
fresh; echo 'colour = blue' >>h/config
refuses "a setting that does not exist" 2 'h/config:[0-9]+: .*colour' report h
fresh; echo 'garbage' >h/metrics.jsonl
refuses "metrics that are not JSON" 2 'h/metrics.jsonl:1: not a JSON object' report h
fresh; : >h/metrics.jsonl
refuses "no metrics at all" 2 'has not begun' report h
fresh; sed -i '3s/.*/{"event":"train","step":-1}/' h/metrics.jsonl
refuses "a step below zero" 2 'metrics.jsonl:3: "step" is out of range' report h
fresh; sed -i '3s/.*/{"event":"train","step":60,"epoch":1,"tokens":5}/' h/metrics.jsonl
refuses "a line without its loss" 2 'metrics.jsonl:3: "loss" is missing' report h
fresh; head -c 40000000 /dev/zero | tr '\0' x >h/metrics.jsonl; echo >>h/metrics.jsonl
refuses "a line without end" 2 'a line of 40000000 bytes' report h
fresh; rm h/metrics.jsonl; mkfifo h/metrics.jsonl
refuses "a pipe instead of metrics" 2 'not a regular file' report h
fresh; rm h/metrics.jsonl; mkdir h/metrics.jsonl
refuses "a folder instead of metrics" 2 'not a regular file' report h
fresh; head -c -7 quiet/metrics.jsonl >h/metrics.jsonl
run report h
done_with "a last line that is still being written is left out" 0
fresh; echo '{"event":"sample","step":130,"epoch":1,"text":"</pre><script>alert(7)</script>"}' >>h/metrics.jsonl
sed -i 's/"device":"cpu"/"device":"<img src=x>"/' h/metrics.jsonl
run report h
done_with "a sample that means harm is only text" 0
must "nothing of it is markup" test -z "$(grep -oE '<img|<script>alert' h/report.html)"
fresh; head -c 1000 h/best.safetensors >h/x; mv h/x h/best.safetensors
run report h
done_with "a damaged model does not hinder the curves" 0
must "the page says why the model is not asked" grep -q 'class="note">Not shown: .*best.safetensors' h/report.html
mv text.txt away.txt
run report quiet
done_with "a text that is gone does not hinder the curves" 0
must "the page says that it is gone" grep -q 'Not shown: .*text.txt: No such file' quiet/report.html
mv away.txt text.txt
cp text.txt kept.txt
tr 'a' 'e' <kept.txt >text.txt
run report quiet
done_with "a text that has changed does not hinder the curves" 0
must "what the page lacks is said" grep -q '^note: report: without the passages of the validation text: .*text.txt: not the text' "$ERR"
must "a text that has changed is not shown as the run's, also where it is as long" grep -q 'Not shown: .*text.txt: not the text that quiet was trained with' quiet/report.html
(cat kept.txt; echo 'one more line') >text.txt
run report quiet
must "nor where it has grown" grep -q 'Not shown: .*text.txt: not the text that quiet was trained with' quiet/report.html

# ---- a report that cannot be written fails no training
mkdir -p blocked/report.html/full
run train --data text.txt --run blocked "${TINY[@]}"
done_with "a training whose report cannot be written is done all the same" 0
must "it warns" grep -q '^warning: no report was written: .*report.html' "$ERR"
refuses "perplex report itself says so with status 1" 1 'report.html' report blocked
finish
