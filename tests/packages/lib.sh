# shellcheck shell=bash
# A small library for tests of what comes before the program (sourced): cases by name, a folder of their own in $WORK, the output
# of the last command in $OUT.
set -u
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
OUT=$WORK/out
cases=0
failures=0

# must NAME COMMAND...: the command must succeed.
must() {
    local name=$1
    shift
    cases=$((cases + 1))
    if "$@" >"$WORK/must" 2>&1; then
        echo "ok    $name"
        return 0
    fi
    failures=$((failures + 1))
    echo "FAIL  $name"
    { echo "failed: $*"; head -c 400 "$WORK/must"; echo; echo "output:"; tail -n 15 "$OUT"; } 2>/dev/null | sed 's/^/      /'
    return 1
}

# attempt COMMAND...: what it prints is in $OUT, its status in $status.
attempt() {
    "$@" >"$OUT" 2>&1 </dev/null
    status=$?
}
ended() { [ "$status" = "$1" ]; }
failed() { ! ended 0; }

finish() {
    echo "$((cases - failures)) of $cases cases hold"
    [ "$failures" = 0 ] && [ "$cases" -gt 0 ]
    exit
}
