#!/usr/bin/env bash
# report.html in headless Chromium: desktop and phone, light and dark. Pages must not be blank, nothing may stick out to the side, labels may not
# lie upon each other, and the browser may have nothing to complain of.
. "$(dirname "$0")/../cli/lib.sh"
CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$CHROMIUM" ]; then
    echo "SKIP: report_browser: no Chromium here (Debian: chromium)"
    exit 77
fi
# chrome ARGS...: what it prints is in $OUT, its complaints in $ERR.
chrome() {
    timeout 600 "$CHROMIUM" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run --user-data-dir="$WORK/profile" \
        --enable-logging=stderr "$@" >"$OUT" 2>"$ERR" </dev/null
    status=$?
}
echo '<!DOCTYPE html><title>blank</title>' >blank.html
chrome --screenshot="$WORK/blank.png" --window-size=1280,2400 "file://$PWD/blank.html"
if [ "$status" != 0 ] || [ ! -s "$WORK/blank.png" ]; then
    echo "SKIP: report_browser: Chromium does not start here (status $status): $(tail -n 1 "$ERR" | cut -c 1-160)"
    exit 77
fi

make_text text.txt 1500
LONG=(--hidden 32 --layers 2 --batch 8 --steps 16 --max-steps 800 --log-every 20 --valid-every 100 --threads 1 --split 0.8,0.1,0.1 --lr 0.003)
run train --data text.txt --run first "${LONG[@]}"
run train --data text.txt --run 'second-with-a-rather-long-name' "${LONG[@]}" --hidden 16 --max-steps 400 --no-report
run report first second-with-a-rather-long-name --out both.html
done_with "pages to look at" 0
cp first/report.html first.html

# What cannot be seen from the outside is asked from within: a copy of the page gets a script that measures it.
measured() {
    sed 's|</body>|<script>(function(){var bad=[],seen=0;document.querySelectorAll("svg.chart").forEach(function(s){if(!s.getBoundingClientRect().width)return;seen++;'\
'var t=Array.prototype.map.call(s.querySelectorAll("text"),function(e){return{b:e.getBoundingClientRect(),t:e.textContent}}),r=s.getBoundingClientRect();'\
't.forEach(function(x,i){if(x.b.left<r.left-1\|\|x.b.right>r.right+1\|\|x.b.top<r.top-1\|\|x.b.bottom>r.bottom+1)bad.push("outside: "+x.t);'\
't.slice(i+1).forEach(function(y){var w=Math.min(x.b.right,y.b.right)-Math.max(x.b.left,y.b.left),h=Math.min(x.b.bottom,y.b.bottom)-Math.max(x.b.top,y.b.top);'\
'if(w>1\&\&h>2.5)bad.push("overlap: "+x.t+" / "+y.t)})})});var d=document.documentElement,p=document.createElement("p");'\
'p.textContent="MEASURED charts="+seen+" wide="+(d.scrollWidth-d.clientWidth)+" size="+getComputedStyle(document.body).fontSize+" bad="+(bad.join("; ")\|\|"none");document.body.appendChild(p)})()</script></body>|' "$1"
}
quiet() { ! grep -E 'CONSOLE|Uncaught|Refused to' "$ERR"; }
# size FILE: "width height" of a PNG.
size() { od -An -tu1 -j 16 -N 8 "$1" | awk '{ print $1 * 16777216 + $2 * 65536 + $3 * 256 + $4, $5 * 16777216 + $6 * 65536 + $7 * 256 + $8 }'; }
blank=$(wc -c <"$WORK/blank.png")
for page in first both; do
    for width in 1280 390; do
        chrome --screenshot="$WORK/$page.$width.png" --window-size=$width,2400 "file://$PWD/$page.html"
        done_with "$page at $width: a picture" 0
        must "$page at $width: the browser has nothing to complain of" quiet
        must "$page at $width: the picture has its size" test "$(size "$WORK/$page.$width.png")" = "$width 2400"
        must "$page at $width: it is not blank" test "$(wc -c <"$WORK/$page.$width.png")" -gt $((6 * blank))
        measured $page.html >"$page.measured.html"
        chrome --dump-dom --window-size=$width,2400 "file://$PWD/$page.measured.html"
        must "$page at $width: charts are drawn" grep -qE '<p>MEASURED charts=[5-9]' "$OUT"
        must "$page at $width: nothing sticks out to the side" grep -qE '<p>MEASURED charts=[0-9]+ wide=0 ' "$OUT"
        must "$page at $width: no label lies outside or upon another ($(grep -o '<p>MEASURED[^<]*' "$OUT" | sed 's/.*bad=//' | cut -c 1-150))" grep -qE '<p>MEASURED.* bad=none' "$OUT"
    done
done
chrome --dump-dom "file://$PWD/first.html"
for id in perplexity loss course samples page surprise lags results settings; do must "the browser's page has the section $id" grep -q "<section id=\"$id\">" "$OUT"; done

# ---- several runs: a click on a title sorts, a box hides a run
clicked() { # SCRIPT: what it returns is in $OUT as SAID [...]
    { sed '/<\/body>/,$d' both.html; printf '<script>document.body.appendChild(document.createElement("p")).textContent="SAID ["+(function(){%s})()+"]"</script></body></html>\n' "$1"; } >clicked.html
    chrome --dump-dom "file://$PWD/clicked.html"
}
NAMES='var names=function(){return Array.prototype.map.call(document.querySelectorAll(".runs tbody strong"),function(e){return e.textContent.slice(0,6)}).join()};'
title() { printf 'document.querySelectorAll(".runs button")[%s].click();' "$1"; }
said() { grep -qF "<p>SAID [$1]</p>" "$OUT"; }
clicked "$NAMES return names()"
must "the best run stands first" grep -qE '<p>SAID \[(first,second|second,first)\]</p>' "$OUT"
clicked "$NAMES $(title 5) return names()"
must "a click on steps sorts by steps" said second,first
clicked "$NAMES $(title 5) $(title 5) return names()"
must "another one the other way round" said first,second
clicked "$NAMES $(title 1) return names()+document.querySelectorAll('.runs th[aria-sort=ascending]').length"
must "a click on the run sorts by name, and the title says so" said first,second1
VISIBLE='var seen=function(group){return Array.prototype.filter.call(document.querySelectorAll("svg.wide ."+group),function(e){return getComputedStyle(e).display!=="none"}).length>0};'
clicked "$VISIBLE document.querySelectorAll('.runs tbody input')[0].click();return [seen('g1'),seen('g2')]"
must "a box hides the curves of its run, and no other's" said false,true
clicked "$VISIBLE var box=document.querySelectorAll('.runs tbody input')[0];box.click();box.click();return [seen('g1'),seen('g2')]"
must "and shows them again" said true,true
clicked "$VISIBLE document.querySelector('.runs thead input').click();return [seen('g1'),seen('g2')]"
must "the box of the head hides all" said false,false
must "the browser has nothing to complain of" quiet
chrome --blink-settings=preferredColorScheme=0 --screenshot="$WORK/dark.png" --window-size=1280,2400 "file://$PWD/first.html"
done_with "in the dark: a picture" 0
must "in the dark: it is another one" test "$(cksum <"$WORK/dark.png")" != "$(cksum <"$WORK/first.1280.png")"
must "in the dark: it is not blank" test "$(wc -c <"$WORK/dark.png")" -gt $((6 * blank))
finish
