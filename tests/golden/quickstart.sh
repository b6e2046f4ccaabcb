#!/usr/bin/env bash
# quickstart.sh from a fresh copy of the checkout: builds, gets the text, trains for seconds, evaluates, writes a page.
. "$(dirname "$0")/golden.sh"
if ! command -v bible >/dev/null 2>&1; then
    need_corpus kjv.txt
fi
mkdir copy
(cd "$SOURCE_DIR" && tar -c --exclude=./build --exclude='./build-*' --exclude=./.git --exclude=./runs --exclude=./datasets/data .) | tar -x -C copy
cd copy || exit 1
./quickstart.sh --quick --no-install >"$OUT" 2>"$ERR" </dev/null
status=$?
done_with "quickstart.sh --quick succeeds in a fresh checkout" 0
must "the program is build/perplex" test -x build/perplex
must "it prints the perplexity on the last 5 %" grep -qE '^perplexity +[0-9.]+' "$OUT"
must "it prints a page that the model wrote" test "$(sed -n '/a page by the model/,/== done/p' "$OUT" | wc -c)" -ge 1500
must "it says where the model lies" grep -qE '^model: +runs/.*best.safetensors' "$OUT"
must "the model is there" test -f "$(sed -nE 's/^model: +(runs\/.*)/\1/p' "$OUT" | tail -n 1)"
must "it says the time taken" grep -qE 'done in [0-9]+ s' "$OUT"

# With a GPU it trains there; here the simulated engine is one.
SIMULATED_CUDA=${3:-}
if [ -n "$SIMULATED_CUDA" ]; then
    head -c 20000 "$0" >small.txt
    PERPLEX_CUDA_MODULE=$SIMULATED_CUDA ./quickstart.sh --quick --no-install --text small.txt >"$OUT" 2>"$ERR" </dev/null
    status=$?
    done_with "quickstart.sh --quick trains on a GPU" 0
    must "it says so, and in which precision" grep -qE '^device: cuda:0 .*bf16' "$ERR" "$OUT"
    PERPLEX_CUDA_MODULE=$SIMULATED_CUDA ./quickstart.sh --quick --cpu --no-install --text small.txt >"$OUT" 2>"$ERR" </dev/null
    status=$?
    done_with "quickstart.sh --quick --cpu trains on the CPU beside a GPU" 0
    must "it says so" grep -q '^device: cpu' "$ERR" "$OUT"
else
    echo "SKIP golden_quickstart: a GPU's recipe: no simulated CUDA engine in this build"
fi
finish
