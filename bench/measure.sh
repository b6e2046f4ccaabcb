#!/usr/bin/env bash
# Measures presets on this machine and keeps the results where the README shows them: bench/results/DATE-PROCESSOR/PRESET/
# with bench.json, bench.csv, bench.md and plots. Give it a quiet machine; what is noisy is marked in the result.
#   bench/measure.sh [--device LIST] [--label NAME] [preset ...]      presets: quick seed-chapter standard full [the first three]
set -euo pipefail
export LC_ALL=C # numbers with a point, whatever the user's language
cd "$(dirname "$0")/.."

device=cpu
label=""
presets=()
while [ $# -gt 0 ]; do
    case "$1" in
        --device) [ $# -gt 1 ] || { echo "measure.sh: --device needs a list" >&2; exit 2; }
            device=$2; shift ;;
        --label) [ $# -gt 1 ] || { echo "measure.sh: --label needs a name" >&2; exit 2; }
            label=$2; shift ;;
        --help | -h) sed -n '2,4p' "$0"; exit 0 ;;
        -*) echo "measure.sh: $1: no such flag; --help says what there is" >&2; exit 2 ;;
        *) presets+=("$1") ;;
    esac
    shift
done
[ ${#presets[@]} -gt 0 ] || presets=(quick seed-chapter standard)

program=${PERPLEX:-build/perplex}
[ -x "$program" ] || { echo "measure.sh: $program is not there; ./quickstart.sh builds it, or set PERPLEX" >&2; exit 2; }
# shellcheck source=bench/label.sh
. bench/label.sh
folder=bench/results/$(date -u +%F)-${label:-$(px_machine_label)}
mkdir -p "$folder"
for preset in "${presets[@]}"; do
    echo "== $preset into $folder/$preset" >&2
    "$program" bench --preset "$preset" --device "$device" --out "$folder/$preset"
done
