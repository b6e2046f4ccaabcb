#!/usr/bin/env bash
# Perplexity over the learning rate as a picture, a curve for each width and depth, the best rate of each marked: reads lines of
# bench/learning_rates.sh (one --lr-scaling), writes SVG in the colours of the reader's page.
#   docs/pictures/rates.sh <rates.tsv >docs/pictures/rates.svg
set -euo pipefail
sort -t "$(printf '\t')" -k 2,2n -k 3,3n -k 4,4g | awk -F '\t' '
    $4 + 0 > 0 {
        name = $2 " × " $3; x = log($4 + 0) / log(2); y = $6 + 0
        if (!(name in points)) { series[++count] = name; layers[name] = $3; if (!($2 in hue)) hue[$2] = ++hues; colour[name] = hue[$2] }
        i = ++points[name]
        px[name, i] = x; py[name, i] = y
        rate[x] = $4
        if (!best[name] || y < py[name, best[name]]) best[name] = i
        if (!seen++) { left = right = x; low = high = y }
        if (x < left) left = x
        if (x > right) right = x
        if (y < low) low = y
        if (y > high) high = y
    }
    function at_x(x) { return 60 + (x - left) / (right - left) * 440 }
    function at_y(y) { return 24 + (top - y) / (top - bottom) * 240 }
    # A round distance of at most eight lines.
    function step_of(range, unit) {
        for (unit = 0.1; ; unit *= 10)
            if (range / unit <= 8) return unit
            else if (range / (2 * unit) <= 8) return 2 * unit
            else if (range / (5 * unit) <= 8) return 5 * unit
    }
    END {
        step = step_of(high - low); bottom = int(low / step) * step; top = (int(high / step) + 1) * step
        print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 316\" role=\"img\" aria-label=\"perplexity over the learning rate\">"
        print "<style>text{font:12px system-ui,sans-serif;fill:#57606a}line{stroke:#d0d7de}polyline{fill:none;stroke-width:2}.c1{stroke:#0969da;fill:#0969da}" \
            ".c2{stroke:#1a7f37;fill:#1a7f37}.c3{stroke:#bc4c00;fill:#bc4c00}.c4{stroke:#8250df;fill:#8250df}.c5{stroke:#cf222e;fill:#cf222e}polyline{fill:none!important}" \
            "@media(prefers-color-scheme:dark){text{fill:#8b949e}line{stroke:#30363d}.c1{stroke:#58a6ff;fill:#58a6ff}.c2{stroke:#3fb950;fill:#3fb950}" \
            ".c3{stroke:#f0883e;fill:#f0883e}.c4{stroke:#bc8cff;fill:#bc8cff}.c5{stroke:#ff7b72;fill:#ff7b72}}</style>"
        for (y = bottom; y <= top + 1e-9; y += step)
            printf "<line x1=\"60\" x2=\"500\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"52\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", at_y(y), at_y(y), at_y(y) + 4, y
        for (x in rate) printf "<text x=\"%.1f\" y=\"284\" text-anchor=\"middle\">%s</text>\n", at_x(x), rate[x]
        print "<text x=\"280\" y=\"306\" text-anchor=\"middle\">--lr</text><text x=\"60\" y=\"14\">validation perplexity, units × layers</text>"
        for (k = 1; k <= count; k++) {
            name = series[k]; line = ""
            for (i = 1; i <= points[name]; i++) line = line sprintf("%.1f,%.1f ", at_x(px[name, i]), at_y(py[name, i]))
            printf "<polyline class=\"c%d\" points=\"%s\"%s/>\n", colour[name], line, (layers[name] > 2 ? " stroke-dasharray=\"2 3\"" : layers[name] > 1 ? " stroke-dasharray=\"6 4\"" : "")
            i = best[name]
            printf "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n", colour[name], at_x(px[name, i]), at_y(py[name, i])
            end[k] = at_y(py[name, points[name]])
        }
        # names beside the end of each curve, from the highest on, none on another, none below the picture
        for (k = 1; k <= count; k++) {
            next_k = 0
            for (i = 1; i <= count; i++)
                if (!named[i] && (!next_k || end[i] < end[next_k])) next_k = i
            named[next_k] = 1
            order[k] = next_k
            place[k] = k > 1 && end[next_k] < place[k - 1] + 13 ? place[k - 1] + 13 : end[next_k]
        }
        for (k = count; k >= 1; k--) {
            limit = k == count ? 306 : place[k + 1] - 13
            if (place[k] > limit) place[k] = limit
        }
        for (k = 1; k <= count; k++) printf "<text x=\"506\" y=\"%.1f\">%s</text>\n", place[k] + 4, series[order[k]]
        print "</svg>"
    }'
