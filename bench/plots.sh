#!/usr/bin/env bash
# Draws the README's plots, bench/plots/*.svg, from saved results: one file, or several whose devices belong on one page.
#   bench/plots.sh RESULT.json ...      for example bench/results/DATE-PROCESSOR/standard/bench.json
# Needs gnuplot (apt-get install gnuplot-nox). PERPLEX names the program [build/perplex].
set -euo pipefail
cd "$(dirname "$0")/.."

program=${PERPLEX:-build/perplex}
case "${1:-}" in
    "" | -*) sed -n '2,4p' "$0"; [ "${1:-}" = --help ] || [ "${1:-}" = -h ] || exit 2; exit 0 ;;
esac
[ -x "$program" ] || { echo "plots.sh: $program is not there; ./quickstart.sh builds it, or set PERPLEX" >&2; exit 2; }
"$program" bench --plot "$@" --out bench
rm -f bench/plots/*.gp # they can be had again with bench --plot
ls bench/plots/*.svg
