#!/usr/bin/env bash
# The products of a training step alone (m, n, k of every product of `perplex bench --preset quick`): perplex's for each instruction set of this
# processor, oneDNN's and OpenBLAS's, in one run, into bench/results/DATE-PROCESSOR/ (products.json, products.md). A library that is not installed
# is left out. Give it a quiet machine: a minute on 2 cores. Every argument goes on to the program (--threads 1,2 --rounds N --small).
set -euo pipefail
export LC_ALL=C # numbers with a point, whatever the user's language
cd "$(dirname "$0")/.."

built=${PERPLEX_PEERS_BUILD:-build/peers}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { cmake -S bench/peers -B "$built" && cmake --build "$built" --target products; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    exit 1
fi
# shellcheck source=bench/label.sh
. bench/label.sh
folder=bench/results/$(date -u +%F)-$(px_machine_label)
mkdir -p "$folder"
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
"$built/products" --commit "$commit" --json "$folder/products.json" --markdown "$folder/products.md" "$@"
echo "$folder/products.md" >&2
