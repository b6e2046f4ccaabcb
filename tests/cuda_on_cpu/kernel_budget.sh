#!/bin/sh
# The nvcc build of the kernels, warnings as errors, and what each kernel may take of a multiprocessor: kernel_budget.txt.
#
#   kernel_budget.sh ROOT WORK NVCC ARCHITECTURE...      ARCHITECTURE as in CMake: 90a-real, 120
#
# Exit: 0 within the budget, 1 not (every offender is named), 77 without nvcc.
set -u
root=$1 work=$2 nvcc=$3
shift 3
here=$root/tests/cuda_on_cpu
if ! command -v "$nvcc" >/dev/null 2>&1; then
    echo "SKIP kernel_budget: no nvcc; the CUDA toolkit is needed (put nvcc into PATH or set CUDAToolkit_ROOT)"
    exit 77
fi
rm -rf "$work"
mkdir -p "$work" || exit 1
targets=
for architecture in "$@"; do
    number=${architecture%-real}
    targets="$targets -gencode arch=compute_$number,code=sm_$number"
done
export root work nvcc targets
# two at a time: a file takes some ten seconds for all architectures
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\n' "$root"/kernels/*.cu | xargs -P 2 -n 1 sh -c '
    name=$(basename "$0" .cu)
    "$nvcc" -std=c++17 -O3 -I "$root/kernels" -I "$root/include" -I "$root/host/base" -I "$root/host/model" $targets \
        -Werror all-warnings -Xcompiler -Wall,-Wextra -Xptxas -v -c "$0" -o "$work/$name.o" >"$work/$name.log" 2>&1 ||
        { echo "$name.cu does not build without warnings:"; grep -iE "error|warning" "$work/$name.log"; touch "$work/failed"; }'
[ -e "$work/failed" ] && exit 1
cat "$work"/*.log | c++filt | awk -v budget="$here/kernel_budget.txt" -v asked="$*" '
    BEGIN {
        while ((getline line < budget) > 0) {
            if (line ~ /^#/ || line !~ /[^ ]/) continue
            split(line, word, " ")
            most[++rows] = word[1] + 0
            spilled[rows] = word[1] ~ /\+/ ? substr(word[1], index(word[1], "+") + 1) + 0 : 0
            pattern[rows] = line
            sub(/^ *[0-9+]+ +/, "", pattern[rows])
        }
    }
    /Compiling entry function/ {
        kernel = $0
        sub(/.*Compiling entry function ./, "", kernel)
        architecture = kernel
        sub(/.*for ./, "", architecture)
        sub(/.$/, "", architecture)
        sub(/. for .*/, "", kernel)
        seen[architecture]++
    }
    /bytes stack frame/ && ($1 > 0 || $5 > 0 || $9 > 0) {
        for (r = 1; r <= rows && kernel !~ pattern[r]; r++);
        if (r > rows || $1 > spilled[r]) { print "SPILLS " kernel " (" architecture "): " $0; bad++ }
        else spills++
    }
    /Used [0-9]+ registers/ {
        match($0, /Used [0-9]+/)
        registers = substr($0, RSTART + 5, RLENGTH - 5) + 0
        entries++
        for (r = 1; r <= rows && kernel !~ pattern[r]; r++);
        if (r > rows) { print "NOT IN kernel_budget.txt: " kernel; bad++; next }
        used[r] = registers > used[r] ? registers : used[r]
        if (registers > most[r]) { print "OVER: " registers " registers, " most[r] " allowed: " kernel " (" architecture ")"; bad++ }
    }
    END {
        for (r = 1; r <= rows; r++) {
            if (!used[r]) { print "kernel_budget.txt: nothing matches " pattern[r]; bad++ }
            else printf "%4d of %4d registers  %s\n", used[r], most[r], pattern[r]
        }
        count = split(asked, architectures, " ")
        for (i = 1; i <= count; i++) {
            name = architectures[i]
            sub(/-real$/, "", name)
            if (!seen["sm_" name]) { print "no kernel was compiled for sm_" name; bad++ }
        }
        if (!entries) { print "ptxas said nothing about any kernel"; bad++ }
        print entries " kernels over " count " architectures, " spills + 0 " with spills that are allowed" (bad ? "; " bad " faults" : "")
        exit bad ? 1 : 0
    }'
