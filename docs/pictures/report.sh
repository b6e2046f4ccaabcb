#!/usr/bin/env bash
# The head of a report.html as a picture: its name, its figures and its first charts, as SVG in the colours of the reader's page.
# The README's is made so, of the run of quickstart.sh:
#   docs/pictures/report.sh runs/kjv/report.html >docs/pictures/report.svg
set -euo pipefail
report=${1:?usage: report.sh REPORT.html}
css=$(dirname "$0")/../../host/report/page.css

# The page's elements, one a line.
elements=$(sed -E 's/<(svg|h1|dt|dd|small|section)/\n<\1/g; s|</svg>|&\n|g' "$report")
# texts ELEMENT: those of the first four.
texts() { awk -v tag="<$1" 'index($0, tag) == 1 && n++ < 4 { gsub(/<[^>]*>/, ""); sub(/ +$/, ""); print }' <<<"$elements"; }
drawn=$(awk '/^<svg class="chart wide"/ { inside = ++n <= 2 } inside { print } /<\/svg>/ { inside = 0 }' <<<"$elements")
boxes=$(sed -nE 's/.*viewBox="0 0 ([0-9]+ [0-9]+)".*/\1/p' <<<"$drawn")

mapfile -t names < <(texts dt)
mapfile -t values < <(texts dd)
mapfile -t heights < <(cut -d ' ' -f 2 <<<"$boxes")
title=$(sed -nE 's/^<h1[^>]*>([^<]*)<.*/\1/p' <<<"$elements")
width=$(cut -d ' ' -f 1 <<<"$boxes" | sort -n | tail -n 1)
height=110
for h in "${heights[@]}"; do height=$((height + h + 12)); done

printf '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="report.html of a run">\n<style>\n' $((width + 40)) $height
grep -E '^(:root|@media \(prefers-color-scheme:dark\)\{:root|\.chart|\.line|\.mark)' "$css"
echo '.h{font:700 19px system-ui,sans-serif;fill:var(--ink)}.n{font:12px system-ui,sans-serif;fill:var(--soft)}.v{font:600 17px system-ui,sans-serif;fill:var(--ink)}'
echo '</style>'
printf '<rect width="%d" height="%d" rx="10" style="fill:var(--card);stroke:var(--line)"/>\n' $((width + 40)) $height
printf '<text class="h" x="20" y="32">%s</text>\n' "$title"
for i in "${!names[@]}"; do
    printf '<text class="n" x="%d" y="60">%s</text><text class="v" x="%d" y="82">%s</text>\n' $((20 + i * width / 4)) "${names[i]}" $((20 + i * width / 4)) "${values[i]}"
done
top=100
i=0
while read -r line; do
    [[ $line != '<svg '* ]] || printf '<g transform="translate(20,%d)">' $top
    echo "$line"
    [[ $line != *'</svg>'* ]] || { echo '</g>'; top=$((top + heights[i] + 12)) && i=$((i + 1)); }
done <<<"$drawn"
echo '</svg>'
