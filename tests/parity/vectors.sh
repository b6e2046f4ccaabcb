#!/usr/bin/env bash
# The loops of every cell are vectors at every instruction set: what a compiler gave up on would be right, and slow.
#     vectors.sh REGISTER OBJECT...: each px_LEVEL_CELL_forward and _backward in the objects uses REGISTER (xmm, ymm, zmm) packed.
set -eu
register=$1
shift
command -v objdump >/dev/null || { echo "SKIP: no objdump (package binutils)"; exit 77; }
objdump -d --no-show-raw-insn "$@" | awk -v register="$register" '
    /^[0-9a-f]+ <px_.*_(forward|backward)>:/ { name = $2; seen[name] = 1; next }
    /^[0-9a-f]+ <.*>:/ { name = "" }
    name && index($0, register) && $2 ~ /(mul|add|sub|div|min|max|cmp.*)[0-9]*ps$/ { packed[name]++ }
    END {
        for (name in seen) {
            count++
            printf "%s %s %d\n", (packed[name] ? "ok   " : "FAIL "), name, packed[name]
            wrong += !packed[name]
        }
        if (count < 8) { print "FAIL  found only " count + 0 " functions of cells"; wrong++ }
        exit wrong > 0
    }' || exit 1
