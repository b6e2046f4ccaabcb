#!/usr/bin/env bash
# Draws the plots of saved results again, as SVG for light and dark pages: plots/ beside the first of them. The README shows those of bench/results.
#   bench/plots.sh RESULT.json [RESULT.json ...]     several: the devices of all on one page (a CPU's result and a GPU's)
# Needs gnuplot (apt-get install gnuplot-nox). PERPLEX names the program [build/perplex].
set -euo pipefail

case "${1:-}" in
    -h | --help) sed -n '2,4p' "$0"; exit 0 ;;
    "" | -*) sed -n '2,4p' "$0" >&2; exit 2 ;;
esac
program=${PERPLEX:-$(dirname "$0")/../build/perplex}
[ -x "$program" ] || { echo "plots.sh: $program is not there; ./quickstart.sh builds it, or set PERPLEX" >&2; exit 2; }
"$program" bench --plot "$@" --out "$(dirname "$1")"
