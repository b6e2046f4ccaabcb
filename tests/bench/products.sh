#!/usr/bin/env bash
# bench/peers/products: it builds from this tree, every contender's products agree with a plain loop, and a short run fills both files.
# products.sh BUILD_FOLDER
set -uo pipefail
built=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "FAIL  $*"
    tail -n 20 "$work/log"
    exit 1
}
cmake -S "$here/bench/peers" -B "$built" >"$work/log" 2>&1 ||
    if grep -q "was not found: apt-get" "$work/log"; then echo "SKIP: bench_products: cJSON or utf8proc is not installed"; exit 77; else fail "configuring"; fi
cmake --build "$built" --target products >"$work/log" 2>&1 || fail "building"
"$built/products" --check >"$work/log" 2>&1 || fail "a product differs from a plain loop"
grep -q "^perplex baseline agrees" "$work/log" || fail "perplex's own products were not checked"
cat "$work/log"
"$built/products" --small --threads 1 --rounds 1 --json "$work/json" --markdown "$work/md" >"$work/log" 2>&1 || fail "measuring"
[ "$(grep -c '^| step, forward | 32, [0-9]*, [0-9]* | 1 |' "$work/md")" = 3 ] || fail "the table lacks the steps of three widths"
grep -q '^| baseline | 1 | ' "$work/md" || fail "the table lacks the register tile"
grep -q '"format":[[:space:]]*"perplex-products"' "$work/json" || fail "the JSON does not say what it is"
"$built/products" --rounds 0 >"$work/log" 2>&1
[ $? = 2 ] || fail "--rounds 0 is not refused"
echo "ok    products"
