#!/usr/bin/env bash
# Finds mistakes without running the program: cppcheck, clang-tidy and shellcheck, where they are installed in the versions that
# scripts/check.baseline was made with (those of Debian 12). What the baseline has is known and was looked at; anything else is
# printed and ends with status 1. Status 77: none of them could run.
#   scripts/check.sh
#   scripts/check.sh --only cppcheck,shellcheck   these alone
#   scripts/check.sh --baseline                   writes the baseline anew: look at the difference before it is committed
set -euo pipefail
cd "$(dirname "$0")/.."
write=0 tools=cppcheck,clang-tidy,shellcheck
while [ $# -gt 0 ]; do
    case "$1" in
        --baseline) write=1 ;;
        --only) tools=${2:?--only needs the names of tools} && shift ;;
        *) echo "check.sh: $1: no such flag" >&2 && exit 2 ;;
    esac
    shift
done
baseline=scripts/check.baseline
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jobs=$(nproc 2>/dev/null || echo 2)

header_folders() { find include host kernels datasets/sources -name '*.h' -printf '-I%h\n' | sed 's|^-Iinclude/perplex$|-Iinclude|' | sort -u; }

# wanted TOOL: the version that the baseline is of; each has rules and mistakes of its own.
wanted() {
    case $1 in
        cppcheck) echo 'Cppcheck 2\.10' ;;
        clang-tidy) echo 'version 14\.' ;;
        shellcheck) echo 'version: 0\.9\.' ;;
    esac
}

# program_of TOOL: what to call, or nothing.
program_of() {
    local name
    for name in "$1-14" "$1"; do
        if command -v "$name" >/dev/null && "$name" --version | grep -q "$(wanted "$1")"; then echo "$name" && return; fi
    done
}

# Each run_TOOL PROGRAM prints "FILE:LINE:... [RULE]", a line for each finding.
run_cppcheck() {
    local folders
    mapfile -t folders < <(header_folders)
    "$1" -j "$jobs" --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
        '-DcJSON_ArrayForEach(item,array)=for(item=(array)->child;item;item=item->next)' \
        --template='{file}:{line}: {message} [{id}]' "${folders[@]}" host examples datasets/sources 2>&1
}

# What a build would say to the compiler, without a build: every optional part, AVX2 for the inner loops, the headers that a build makes.
compile_flags() {
    local made=$work/made package
    mkdir -p "$made"
    echo '#define PX_BUILD_ID ""' >"$made/px_build_id.h"
    echo '#define PX_COMMIT ""' >"$made/px_commit.h"
    protoc-c --c_out="$made" -Ihost/report host/report/events.proto 2>/dev/null || true
    header_folders | sed "s|^-I|-I$PWD/|"
    printf '%s\n' "-I$made" -std=gnu11 -D_GNU_SOURCE -mavx2 -mfma -DPX_HAVE_AVX2 -DPX_HAVE_AVX512 -DPERPLEX_BENCH -DPERPLEX_TENSORBOARD \
        -DPERPLEX_ZLIB -DPERPLEX_ZSTD -DPX_WITH_ZLIB=1 -DPX_WITH_ZSTD=1 -DPX_WITH_TERMINFO=1 '-DPERPLEX_LAPACK="liblapack.so.3"' \
        '-DPX_MODULE_FROM_BIN="/../lib/perplex"'
    for package in ompi-c libprotobuf-c; do pkg-config --cflags-only-I $package 2>/dev/null | tr ' ' '\n' | grep . || true; done
    [ ! -d /usr/local/cuda/include ] || echo -I/usr/local/cuda/include
}

# A file that includes what this machine lacks (CUDA's headers, MPI's) cannot be read: it is named, and left out.
run_clang-tidy() {
    compile_flags >"$work/compile_flags.txt"
    git ls-files 'host/*.c' 'examples/*.c' 'datasets/sources/*.c' |
        { xargs -P "$jobs" -n 8 "$1" --quiet -p "$work" 2>/dev/null || true; } | # its status counts what it found
        sed -nE "s|^$PWD/||; s/^([^ :]+:[0-9]+:)[0-9]+: (warning|error): (.* \[[^],]+)(,[^]]*)?\]\$/\1 \3]/p" | sort -u >"$work/tidy"
    sed -nE "s/^([^ :]+):.*('[^']*' file not found) \[clang-diagnostic-error\]\$/SKIP: clang-tidy: \1: \2/p" "$work/tidy" >&2
    grep -v 'clang-diagnostic-error' "$work/tidy" || true # what cannot be compiled at all, a build says
}

# SC2034: lib.sh of the tests reads what their scripts set. SC2054: commas inside an element are meant.
run_shellcheck() {
    git ls-files '*.sh' '*.sbatch' .ci/run | xargs "$1" -x -S warning -e SC2034,SC2054 -f gcc 2>/dev/null || true
}

# "TOOL FILE RULE HOW-MANY": lines move too often to be kept.
findings() {
    sed -nE "s|^([^:]+):[0-9]+:.* \[([^]]+)\]\$|$1 \1 \2|p" "$work/$1" | sort | uniq -c | awk '{ print $2, $3, $4, $1 }'
}

: >"$work/known"
: >"$work/now"
ran=0
for tool in ${tools//,/ }; do
    program=$(program_of "$tool")
    if [ -z "$program" ]; then
        echo "SKIP: $tool is not installed in the version that the baseline is of ($(wanted "$tool" | tr -d '\\'))"
        [ $write = 0 ] || { grep "^$tool " $baseline >>"$work/now" || true; }
        continue
    fi
    ran=1
    "run_$tool" "$program" >"$work/$tool"
    findings "$tool" >>"$work/now"
    grep "^$tool " $baseline >>"$work/known" 2>/dev/null || true
done
[ $ran = 1 ] || exit 77

if [ $write = 1 ]; then
    { grep '^#' $baseline 2>/dev/null || true; sort "$work/now"; } >"$work/baseline"
    cp "$work/baseline" $baseline
    echo "$baseline: $(wc -l <"$work/now") findings"
    exit 0
fi
# More of a kind in a file than the baseline has is new; fewer are welcome.
awk 'FILENAME == ARGV[1] { known[$1 " " $2 " " $3] = $4; next } $4 > known[$1 " " $2 " " $3] { print $1, $2, $3 }' "$work/known" "$work/now" >"$work/new"
while read -r tool file rule; do
    grep -hF "$file:" "$work/$tool" | grep -F "[$rule]" | sed "s/^/$tool: /"
done <"$work/new"
if [ -s "$work/new" ]; then
    echo "new findings: correct them, or look at each and write the baseline anew (scripts/check.sh --baseline)" >&2
    exit 1
fi
echo "no new findings ($(wc -l <"$work/now") known)"
