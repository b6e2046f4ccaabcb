#!/usr/bin/env bash
# Every command (cases.sh) with its k-th allocation, open, read, write or other call on files failing, for many k (fail_at.c). What must hold:
# it ends (no signal, no hang); status 0 only with the result that it has when nothing fails; else status 1, or 2 for what looks like bad input,
# with one line that gives the reason; --resume never calls a whole checkpoint damaged, and after it failed the run can still be resumed.
# Arguments after the usual two: the library, a result of perplex bench, the most k of one kind for one command
# (or all), and the cases (or none: all of them).
. "$(dirname "$0")/../jobs/memory_disk.sh"
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/cases.sh"
library=$3
bench=$4
points=$5
[ "$points" = all ] && points=1000000

declare -A NUMBER=([EINTR]=4 [EIO]=5 [ENOMEM]=12 [EACCES]=13 [ENFILE]=23 [EMFILE]=24 [ENOSPC]=28 [ENOLCK]=37 [ESTALE]=116 [SHORT]=0)
declare -A REASON=([EIO]='Input/output error' [ENOMEM]='memory|Cannot allocate' [EACCES]='Permission denied' [ENFILE]='Too many open files in system'
    [EMFILE]='Too many open files' [ENOSPC]='No space left' [ENOLCK]='No locks' [ESTALE]='Stale file handle')
declare -A golden
tried_in_all=0

# with VARIABLE=VALUE... : the case's command, with the library and these settings of it.
with() { timeout -k 5 60 env LD_PRELOAD="$library" "$@" "$PERPLEX" "${args[@]}" </dev/null >"$OUT" 2>"$ERR"; status=$?; }

digest() { if declare -F "digest_$1" >/dev/null; then "digest_$1"; else standard_output; fi 2>&1; }

# What is wrong with the last run of a case, in a few words; nothing if all is well. Arguments: case, errno's name.
verdict() {
    local line
    case $status in
    0)
        # a part of a list or page that may not be read says so in its place
        [ "$(digest "$1")" = "${golden[$1]}" ] || { [ "$2" = EACCES ] && grep -q 'Permission denied' <(digest "$1"); } || echo "status 0 with another result"
        grep -q 'going on from' "$OUT" && echo "an older checkpoint was taken" ;;
    1 | 2)
        line=$(grep -vE '^(perplex: warning|note): ' "$ERR")
        [[ $2 = EINTR || $2 = SHORT ]] && echo "a call that was interrupted or cut short ended it"
        [[ $line == "perplex: "* && $line != *$'\n'* ]] || echo "status $status without one line that says why"
        grep -qE "${REASON[$2]:-.}" <<<"$line" || echo "the line does not give the reason"
        [[ $line != *damaged* && $line != *altered* ]] || echo "a whole file is called damaged"
        [ "$status" = 1 ] || [ "$2" = EACCES ] || echo "status 2 where no input is wrong" ;;
    *) echo "ended with status $status" ;;
    esac
}

# After a training failed, the next job goes on with it, or begins it, as if nothing had been.
recovers() {
    [ -e new/last.safetensors ] && args=(train --resume new --max-steps 8)
    [ -e new/last.safetensors ] || case_train
    "$PERPLEX" "${args[@]}" >"$OUT" 2>"$ERR" || { echo "afterwards: status $?"; return; }
    [ "$(digest "$1")" = "${golden[$1]}" ] || echo "afterwards it ends with another result"
}

# sweep CASE KIND ERRNO [on]: every k-th call fails; or as many as are asked for, evenly spread. on: and all after it too.
sweep() {
    local name=$1 kind=$2 errno=$3 total k stride bad=0 tried=0 wrong also=()
    [ $# -lt 4 ] || also=(PERPLEX_FAIL_ON=1)
    "case_$name"
    with PERPLEX_FAIL_KIND="$kind" PERPLEX_FAIL_COUNT="$WORK/count"
    total=$(cat "$WORK/count" 2>/dev/null || echo 0)
    stride=$(((total + points - 1) / points))
    [ $stride -ge 1 ] || stride=1
    for ((k = 1; k <= total; k += stride)); do
        "case_$name"
        with PERPLEX_FAIL_KIND="$kind" PERPLEX_FAIL_AT=$k PERPLEX_FAIL_ERRNO="${NUMBER[$errno]}" "${also[@]}"
        tried=$((tried + 1))
        wrong=$(verdict "$name" "$errno")
        if [ -z "$wrong" ] && [[ $status != 0 && ($name = train || $name = resume*) ]]; then wrong=$(recovers "$name"); fi
        [ -n "$wrong" ] || continue
        bad=$((bad + 1))
        [ $bad -gt 3 ] || fail "$name: $kind $k of $total fails with $errno${4:+, and all after it}" "$wrong"
    done
    tried_in_all=$((tried_in_all + tried))
    [ $bad != 0 ] || [ $tried = 0 ] || ok "$name: $tried of $total calls of kind $kind fail with $errno${4:+, and all after}"
}

make_given "$bench"
[ $# -lt 6 ] || CASES=("${@:6}")
for name in "${CASES[@]}"; do
    "case_$name"
    "$PERPLEX" "${args[@]}" >"$OUT" 2>"$ERR" </dev/null || { status=$?; fail "$name can be done at all" "${args[*]}"; finish; }
    golden[$name]=$(digest "$name")
done
for name in "${CASES[@]}"; do
    sweep "$name" memory ENOMEM
    sweep "$name" memory ENOMEM on
    for errno in EMFILE ENFILE ESTALE EIO EACCES EINTR; do sweep "$name" open $errno; done
    for errno in ESTALE EIO EINTR SHORT; do sweep "$name" read $errno; done
    for errno in ENOSPC EIO EINTR SHORT; do sweep "$name" write $errno; done
    for errno in ENOSPC EIO ENOMEM EACCES EINTR; do sweep "$name" file $errno; done
    for errno in EIO EINTR ENOLCK; do sweep "$name" lock $errno; done
done
must "calls failed $tried_in_all times" test $tried_in_all -gt 100
finish
