#!/usr/bin/env bash
# Builds perplex with warnings as errors and tests it; with --sanitize once more under sanitizers. What was skipped or left out, and why,
# is listed at the end, before ctest's summary.
set -euo pipefail
cd "$(dirname "$0")"

NEEDED=(cmake make cc c++ cjson utf8proc xxhash cmocka) # names of scripts/packages.tsv

usage() {
    cat <<'END'
usage: ./test.sh [--sanitize] [--full] [--fuzz SECONDS] [--no-install] [-R REGEX]
Builds into build/ and runs the tests: some six minutes on two cores, the build included.

  --sanitize    before that the same into build/sanitize, under the address and undefined-behaviour sanitizers, the CUDA kernels on the
                CPU under the thread sanitizer too and with faults planted in them, the library under the thread
                sanitizer, and all with Clang, readers under libFuzzer; and tests of a quarter of a minute or more that shorter ones of their kind stand for otherwise:
                60 signals, failing memory and files, a Slurm, an mpirun, the manual's commands, a browser's pictures, more of
                the simulated GPU (some twenty minutes more); tests of what the program does that pass there are not run once more
                without sanitizers
  --full        the longer tests too: trainings, other compilers, other machines (tens of minutes)
  --fuzz SECONDS  that alone: each reader of files under libFuzzer for so long, with Clang, in build/clang
  --no-install  install nothing; say what is missing and stop
  -R REGEX      only tests whose name matches
PERPLEX_TEST_SLURM=1 tests the batch scripts under a Slurm of their own, as root, where this machine has none (slurm/README.md).
PERPLEX_DATASETS names the folder with corpora; without it ../shared/datasets is tried. A test whose corpus is missing is
skipped, and listed.
END
}

full=0
sanitize=0
fuzz=
PERPLEX_INSTALL=1
select=()
while [ $# -gt 0 ]; do
    case "$1" in
        --full) full=1 ;;
        --sanitize) sanitize=1 ;;
        --fuzz) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "test.sh: --fuzz needs a number of seconds" >&2; exit 2; }
            fuzz=$2; shift ;;
        --no-install) PERPLEX_INSTALL=0 ;;
        -R) [ $# -gt 1 ] || { echo "test.sh: -R needs a pattern" >&2; exit 2; }
            select=(-R "$2"); shift ;;
        --help | -h) usage; exit 0 ;;
        *) echo "test.sh: $1: no such flag; --help lists them" >&2; exit 2 ;;
    esac
    shift
done

. ./scripts/setup.sh
px_install "${NEEDED[@]}"
if [ $sanitize = 1 ] || [ -n "$fuzz" ]; then px_install_optional "Clang and libFuzzer" clang; fi
if [ -n "$fuzz" ]; then
    exec ./tests/fuzz/libfuzzer.sh . build/clang cmake "$fuzz"
fi
px_install_optional "the tests in other languages" locales
px_install_optional "the screenshots of report.html" chromium
px_install_optional "event files for TensorBoard" protobuf-c isa-l
px_install_optional "texts compressed by gzip and zstd" zlib zstd
px_install_optional "what is drawn in a terminal, and its test" ncurses tmux
px_install_optional "the tests of manual page, documentation, pkg-config file and zsh completion" groff doxygen pkg-config zsh
[ $full = 0 ] || px_install_optional "the tests of packages in bare roots" debootstrap lintian
[ "${PERPLEX_TEST_SLURM:-0}" != 1 ] || [ "$(id -u)" != 0 ] || px_install_slurm
if [ -z "${PERPLEX_DATASETS:-}" ] && [ -d ../shared/datasets ]; then
    PERPLEX_DATASETS=$(cd ../shared/datasets && pwd)
    export PERPLEX_DATASETS
fi

# run_tests FOLDER EXCLUDED-LABELS [EXCLUDED-NAMES]: ctest's whole output goes to FOLDER/test-output.txt too.
run_tests() {
    local folder=$1 exclude=()
    [ -z "$2" ] || exclude+=(-LE "$2")
    [ -z "${3:-}" ] || exclude+=(-E "$3")
    echo "== tests in $folder"
    # one test more than processors: some only wait for a while
    ctest --test-dir "$folder" --output-on-failure --no-tests=ignore -j $(($(px_cores) + 1)) "${exclude[@]}" "${select[@]}" 2>&1 |
        tee "$folder/test-output.txt"
}

# Tests of what a program does, not of what the compiler's optimiser makes of arithmetic: once is enough.
PASSED_ONCE='(cli|jobs|report|fuzz|bench|cuda)_'
# Of these the ones that passed in FOLDER, as a pattern.
passed_once() {
    sed -nE "s/^.* Test +#[0-9]+: +($PASSED_ONCE[^ ]+) \\.+ +Passed .*/\\1/p" "$1/test-output.txt" | paste -sd '|' | sed -E 's/(.+)/^(\1)$/'
}

# Every line "SKIP: what: why" that a test printed.
list_skips() {
    local log
    for log in "$@"; do
        [ -f "$log" ] && grep -aE '^(SKIP|[^ ]* *SKIP)[: ]' "$log" | sort -u
    done | sort -u || true
}

# What has one of the labels $1, by name.
list_left_out() {
    ctest --test-dir build -N -L "$1" "${select[@]}" 2>/dev/null | sed -nE 's/^ *Test +#[0-9]+: //p' | paste -sd ' ' | fold -s -w 120
}

status=0
if [ $full = 1 ]; then labels=""; elif [ $sanitize = 1 ]; then labels="full"; else labels="full|long"; fi
[ $sanitize = 1 ] || labels=${labels:+$labels|}sanitizers
if [ $sanitize = 1 ]; then kernels=ON; else kernels=OFF; fi
logs=(build/Testing/Temporary/LastTest.log)

px_build build -DPERPLEX_TESTS=ON -DPERPLEX_WERROR=ON -DPERPLEX_SANITIZED_KERNELS=$kernels
if [ $sanitize = 1 ]; then
    logs+=(build/sanitize/Testing/Temporary/LastTest.log)
    # Sanitizers first, so that the plain run's summary stands at the end.
    px_build build/sanitize -DPERPLEX_TESTS=ON -DPERPLEX_WERROR=ON -DPERPLEX_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo
    ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
        run_tests build/sanitize "full|unsanitized" || status=1
    [ $status = 0 ] || echo "== FAILED under sanitizers: see above and build/sanitize/test-output.txt"
fi
once=
[ $sanitize = 0 ] || once=$(passed_once build/sanitize)
run_tests build "$labels" "$once" || status=1

skips=$(list_skips "${logs[@]}")
if [ -n "$skips" ]; then
    echo
    echo "== SKIPPED, not passed:"
    echo "$skips"
fi
echo
if [ $full = 0 ]; then
    echo "== left out, too long for every time (--full runs them):"
    list_left_out full
fi
if [ -n "$once" ]; then echo "== not run again without sanitizers, under which they passed: $(tr -dc '|' <<<"$once" | wc -c | awk '{ print $1 + 1 }') tests ($PASSED_ONCE)"; fi
if [ $sanitize = 0 ]; then
    echo "== left out: the sanitizers, faults planted in kernels, and the longer ones of some kinds (--sanitize runs them):"
    [ $full = 1 ] || list_left_out long
fi
[ $status = 0 ] || echo "== FAILED"
[ $sanitize = 0 ] || echo "with sanitizers: $(grep -aE 'tests passed|tests failed' build/sanitize/test-output.txt | tail -n 1)"
grep -aE 'tests passed|tests failed' build/test-output.txt | tail -n 1
exit $status
