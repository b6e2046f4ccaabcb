#!/usr/bin/env bash
# Every C, C++ and CUDA file of the tree stands as .clang-format says. Versions of clang-format differ in their results: another one than
# the tree's is a SKIP.
#     format.sh SOURCE
set -eu
cd "$1"
wanted=14
tool=
for name in clang-format-$wanted clang-format; do
    if command -v $name >/dev/null && $name --version | grep -q "version $wanted\."; then tool=$name && break; fi
done
[ -n "$tool" ] || { echo "SKIP: no clang-format of version $wanted (Debian 12: clang-format)"; exit 77; }
git rev-parse --is-inside-work-tree >/dev/null 2>&1 || { echo "SKIP: not a git clone: which files are the tree's is not known"; exit 77; }
git ls-files -z '*.c' '*.h' '*.cpp' '*.cu' '*.cuh' >"${TMPDIR:-/tmp}/perplex-format.$$"
trap 'rm -f "${TMPDIR:-/tmp}/perplex-format.$$"' EXIT
files=$(tr -cd '\0' <"${TMPDIR:-/tmp}/perplex-format.$$" | wc -c)
[ "$files" -gt 100 ] || { echo "FAIL: git names only $files files"; exit 1; }
xargs -0 -n 40 -P 2 "$tool" --dry-run --Werror <"${TMPDIR:-/tmp}/perplex-format.$$" || { echo "FAIL: git clang-format puts it right"; exit 1; }
echo "ok    $files files"
