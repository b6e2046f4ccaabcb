#!/usr/bin/env bash
# A training killed at its k-th call that changes files, for many k (die_at.c), and the job after it sometimes too: the next one always
# ends as if nothing had happened. Arguments after the usual two: the library, and how many k (or all).
. "$(dirname "$0")/memory_disk.sh"
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/runs.sh"
library=$3
points=$4
make_text text.txt 120
FLAGS=(--hidden 8 --batch 4 --steps 8 --max-steps 14 --log-every 3 --checkpoint-every 4 --valid-every 6 --keep 2 --threads 1 --split 0.7,0.15,0.15
    --dropout 0.2 --reset-probability 0.2)

PRELOAD=$library PERPLEX_DIE_COUNT=$WORK/count job whole "${FLAGS[@]}"
done_with "the uninterrupted run" 0
total=$(cat "$WORK/count" 2>/dev/null || echo 0)
must "it changes files at more than 100 places" test "$total" -gt 100
[ "$total" -gt 100 ] || finish
[ "$points" = all ] && points=$total
stride=$((total / points))
[ $stride -ge 1 ] || stride=1

tried=0
failed=0
for ((k = 1; k <= total; k += stride)); do
    rm -rf cut
    PRELOAD=$library PERPLEX_DIE_AT=$k job cut "${FLAGS[@]}"
    first=$status
    second=none
    if [ $((tried % 2)) = 1 ]; then
        PRELOAD=$library PERPLEX_DIE_AT=$((k * 7 % total + 1)) job cut "${FLAGS[@]}"
        second=$status
    fi
    job cut "${FLAGS[@]}"
    tried=$((tried + 1))
    if [ "$first" != 137 ] || { [ "$second" != none ] && [ "$second" != 137 ] && [ "$second" != 0 ]; } || [ "$status" != 0 ] ||
        ! same_run whole/run cut/run >"$WORK/differs" 2>&1; then
        failed=$((failed + 1))
        fail "killed at call $k of $total (then: $second), it ends as the uninterrupted run" "$(head -n 5 "$WORK/differs")" "$(ls -a cut/run)"
        [ $failed -lt 5 ] || break
    fi
done
must "killed at $tried places of $total, every run ends as the uninterrupted one" test $failed = 0
finish
