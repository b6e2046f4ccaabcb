#!/usr/bin/env bash
# Everything once more with Clang: built without a warning, the readers under libFuzzer with address- and undefined-behaviour sanitizers, and the
# program's own tests of exactness. Status 77 where there is no Clang (14 or newer) with libFuzzer.
#     libfuzzer.sh SOURCE BUILD CMAKE [SECONDS]     SECONDS for each reader; without it 2,000 inputs each. Corpora grow in BUILD/corpus.
set -euo pipefail
mkdir -p "$2"
source=$(cd "$1" && pwd) build=$(cd "$2" && pwd) cmake=$3 seconds=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset ASAN_OPTIONS UBSAN_OPTIONS

# The first Clang that can make and run such a program.
find_clang() {
    local candidate
    printf '#include <stddef.h>\nint LLVMFuzzerTestOneInput(const unsigned char *d, size_t n) { return d && n == 77 ? -1 : 0; }\n' >"$work/works.c"
    for candidate in clang $(compgen -c clang- | grep -E '^clang-[0-9]+$' | sort -t - -k 2 -rn); do
        [ "$("$candidate" -dumpversion 2>/dev/null | cut -d . -f 1)" -ge 14 ] 2>/dev/null || continue
        "$candidate" -fsanitize=fuzzer,address,undefined "$work/works.c" -o "$work/works" 2>"$work/error" && "$work/works" -runs=1 >/dev/null 2>"$work/error" || continue
        echo "$candidate"
        return
    done
}
clang=$(find_clang)
if [ -z "$clang" ]; then
    echo "SKIP: clang: no Clang from 14 on with libFuzzer: apt-get install clang libclang-rt-14-dev (or that of its version)"
    exit 77
fi

generator=()
if [ ! -f "$build/CMakeCache.txt" ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
echo "== $("$clang" --version | head -n 1)"
"$cmake" -S "$source" -B "$build" "${generator[@]}" -DCMAKE_C_COMPILER="$clang" -DCMAKE_CXX_COMPILER="${clang/clang/clang++}" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DPERPLEX_TESTS=ON -DPERPLEX_WERROR=ON -DPERPLEX_CUDA=OFF -DPERPLEX_MPI=OFF -DPERPLEX_FUZZ=ON -DPERPLEX_SANITIZE=address,undefined >"$work/cmake.log" 2>&1 ||
    { cat "$work/cmake.log"; exit 1; }
"$cmake" --build "$build" --parallel "$(nproc)" --target perplex perplex-source json_get fuzz_programs >"$work/build.log" 2>&1 ||
    { tail -n 40 "$work/build.log"; echo "FAIL  Clang builds it without a warning"; exit 1; }
echo "ok    Clang builds it without a warning"

mkdir -p "$build/corpus" "$build/crashes"

# fuzz PROGRAM: one reader, with inputs of its own.
fuzz() {
    local name=${1##*/fuzz_} corpus amount=(-runs=2000 -seed=1)
    corpus=$work/$name
    if [ -n "$seconds" ]; then corpus=$build/corpus/$name amount=("-max_total_time=$seconds"); fi
    mkdir -p "$corpus"
    if TMPDIR=$work "$1" "$corpus" "${amount[@]}" -max_len=1048576 -timeout=600 -rss_limit_mb=2560 -artifact_prefix="$build/crashes/$name-" -print_final_stats=1 >"$work/$name.log" 2>&1
    then echo "ok    $name: $(sed -nE 's/^stat::number_of_executed_units: *//p' "$work/$name.log") inputs"
    else
        tail -n 60 "$work/$name.log"
        echo "FAIL  $name: see $build/crashes; $1 FILE shows it again"
    fi
}

# exact SCRIPT: a test of the program's own exactness.
exact() {
    local log=$work/${1//\//-}.log
    if PERPLEX_SANITIZED=1 bash "$source/tests/$1" "$build/perplex" "$build/tests/json_get" "$build/perplex-source" >"$log" 2>&1; then echo "ok    tests/$1 with Clang's program"
    else
        grep -A 12 '^FAIL' "$log" || tail -n 20 "$log"
        echo "FAIL  tests/$1 with Clang's program"
    fi
}

# aside COMMAND...: runs it beside others, one for each processor, and keeps what it says in a file of its own.
said=0
aside() {
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    said=$((said + 1))
    "$@" >"$work/said-$(printf %02d $said)" 2>&1 &
}
aside exact construct/construct.sh
aside exact cli/eval.sh
for program in "$build"/tests/fuzz_*; do aside fuzz "$program"; done
wait
cat "$work"/said-*
! grep -q '^FAIL' "$work"/said-* && [ "$(grep -c '^ok' <(cat "$work"/said-*))" = $said ]
