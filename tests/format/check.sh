#!/usr/bin/env bash
# scripts/check.sh in a tree of two files: a mistake is found and named, one that the baseline has is let through, one more of its
# kind is not.
#     check.sh SOURCE
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{scripts,include/perplex,host,kernels,examples,datasets/sources}
cp "$1/scripts/check.sh" "$work/scripts"
cp "$1/.clang-tidy" "$work"
cd "$work"
git init -q .
: >include/perplex/part.h
: >scripts/check.baseline
cat >host/part.c <<'END'
int part(int i);
int part(int i)
{
    int few[2] = {0, 1};
    return i ? few[0] : few[2];
}
END
git add -A

failures=0
# expect TOOL STATUS PATTERN WHAT
expect() {
    local status=0
    scripts/check.sh --only "$1" >out 2>&1 || status=$?
    if [ $status = "$2" ] && grep -q "$3" out; then echo "ok    $1: $4"; else
        failures=$((failures + 1))
        echo "FAIL  $1: $4: status $status"
        sed 's/^/      /' out
    fi
}
ran=0
for tool in cppcheck clang-tidy; do
    status=0
    scripts/check.sh --only $tool >out 2>&1 || status=$?
    [ $status != 77 ] || { cat out; continue; }
    ran=1
    : >scripts/check.baseline
    expect $tool 1 'host/part.c' "a new finding is named"
    scripts/check.sh --only $tool --baseline >/dev/null 2>&1
    expect $tool 0 'no new findings' "one that is known is let through"
    sed 's/part(int i)/other(int i)/' host/part.c >host/other.c
    git add host/other.c
    expect $tool 1 'host/other.c' "the same mistake in another file is not"
    git rm -q -f host/other.c
done
[ $ran = 1 ] || exit 77
exit $failures
