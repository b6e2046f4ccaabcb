#!/usr/bin/env bash
# The made-up cell and the optimiser of docs/extending.md: the page's blocks become files in a copy of the tree, which is built; the tests
# of gradients and of engines against each other hold for them, and they train, resume and sample.
#     extending.sh SOURCE CMAKE CC
set -eu
source=$1 cmake=$2 cc=$3
command -v ninja >/dev/null || { echo "SKIP: no ninja to build with"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/perplex-extending.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
(cd "$source" && tar -cf - --exclude=./build --exclude='./build-*' --exclude=./.git .) | tar -xf - -C "$work/tree"

# The page's C block is the cell's file.
page=$source/docs/extending.md
awk '/^```/ { if (inside) exit; inside = $0 == "```c"; next } inside' "$page" >"$work/tree/host/model/cells/leaky.h"
[ -s "$work/tree/host/model/cells/leaky.h" ] || { echo "FAIL: $page has no block of C"; exit 1; }

# Its diff blocks, whose hunks have no line numbers: lines of + go behind the line before them, lines of - away.
awk '/^```/ { inside = $0 == "```diff"; next } inside' "$page" >"$work/diff"
[ -s "$work/diff" ] || { echo "FAIL: $page has no diff"; exit 1; }
awk -v tree="$work/tree" '
    function load(file,   line) {
        count = 0
        while ((getline line < file) > 0) text[++count] = line
        close(file)
        at = 0
    }
    function save(   i) {
        if (!file) return
        for (i = 1; i <= count; i++) print text[i] >file
        close(file)
    }
    # Width of gaps aside: a page has shorter lines than the code, whose backslashes stand in column 120.
    function words(line) { gsub(/  +/, " ", line); return line }
    function find(line,   i) {
        for (i = at + 1; i <= count; i++) if (words(text[i]) == words(line)) return i
        print "FAIL: " file " has no line: " line >"/dev/stderr"
        exit 1
    }
    /^--- / { next }
    /^\+\+\+ / { save(); file = tree substr($2, 2); load(file); next }
    /^@@/ { next }
    /^ / { at = find(substr($0, 2)); next }
    /^-/ { i = find(substr($0, 2)); for (; i < count; i++) text[i] = text[i + 1]; count--; next }
    /^\+/ { for (i = ++count; i > at + 1; i--) text[i] = text[i - 1]; text[++at] = substr($0, 2) }
    END { save() }' "$work/diff"

"$cmake" -S "$work/tree" -B "$work/build" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_BUILD_TYPE=Release >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
"$cmake" --build "$work/build" --target perplex test_engine_cells test_gradient test_parity -j 2 >"$work/log" 2>&1 || { tail -20 "$work/log"; exit 1; }
cd "$work"
for test in engine_cells gradient parity; do
    if ! "$work/build/tests/test_$test" >"$work/log" 2>&1; then grep -E 'FAILED|ERROR' "$work/log"; echo "FAIL: test_$test with another cell and optimiser"; exit 1; fi
    echo "ok    test_$test with another cell and optimiser"
done
for case in 'leaky, one-hot' adagrad; do grep -q "$case" "$work/log" || { echo "FAIL: the new cases have not run: $case"; exit 1; }; done

perplex=$work/build/perplex
i=0
while [ $((i += 1)) -le 400 ]; do echo "the cat sat on the mat, and the dog lay by the log"; done >text
train() { "$perplex" train --data text --cell leaky --hidden 24 --batch 4 --steps 12 --no-report --threads 2 "$@" >log 2>&1 || { cat log; echo "FAIL: training"; exit 1; }; }
loss() { "$perplex" eval --model "$1" --data text --json | tr ',' '\n' | grep '"loss"'; }
for optimizer in adam adagrad; do
    rm -rf whole parts
    train --run whole --max-steps 60 --optimizer $optimizer
    train --run parts --max-steps 30 --schedule-steps 60 --optimizer $optimizer
    "$perplex" train --resume parts --max-steps 60 >log 2>&1 || { cat log; echo "FAIL: resuming with $optimizer"; exit 1; }
    [ "$(loss whole)" = "$(loss parts)" ] || { echo "FAIL: a resumed run with $optimizer is another run"; exit 1; }
done
grep -qx 'lr = 0.01' whole/config || { grep '^lr' whole/config; echo "FAIL: not the row's rate"; exit 1; }
"$perplex" sample --model whole --length 40 --seed 1 >/dev/null || { echo "FAIL: sampling"; exit 1; }
if "$perplex" export --model whole --out exported >log 2>&1; then echo "FAIL: export knows a cell that torch.nn does not have"; exit 1; fi
grep -q leaky log || { cat log; echo "FAIL: export does not name the cell"; exit 1; }
echo "ok    the leaky cell trains under adam and adagrad, resumes, samples; export names what it cannot do"
