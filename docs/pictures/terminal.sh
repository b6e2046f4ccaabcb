#!/usr/bin/env bash
# Text of a terminal as a picture: reads lines, writes SVG in the colours of the reader's page. The README's is made so, in the
# folder of a training that quickstart.sh has made:
#   (echo '$ perplex train --data kjv.txt --run runs/book'; tail -n 8 LOG) | docs/pictures/terminal.sh >docs/pictures/training.svg
set -euo pipefail
awk '
    { gsub(/&/, "\\&amp;"); gsub(/</, "\\&lt;"); gsub(/>/, "\\&gt;"); line[NR] = $0; if (length($0) > widest) widest = length($0) }
    END {
        width = widest * 7.25 + 32; height = NR * 18 + 46
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"perplex in a terminal\">\n", width, height
        print "<style>rect{fill:#f6f8fa;stroke:#d0d7de}circle{fill:#d0d7de}text{font:12px ui-monospace,monospace;fill:#1f2328;white-space:pre}"
        print ".p{fill:#0969da}@media(prefers-color-scheme:dark){rect{fill:#161b22;stroke:#30363d}circle{fill:#30363d}text{fill:#e6edf3}.p{fill:#58a6ff}}</style>"
        printf "<rect x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", width - 1, height - 1
        for (i = 0; i < 3; i++) printf "<circle cx=\"%d\" cy=\"16\" r=\"5\"/>\n", 18 + 16 * i
        for (i = 1; i <= NR; i++)
            printf "<text x=\"16\" y=\"%d\"%s>%s</text>\n", 26 + 18 * i, line[i] ~ /^\$ / ? " class=\"p\"" : "", line[i]
        print "</svg>"
    }'
