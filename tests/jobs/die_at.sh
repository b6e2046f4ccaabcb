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

# ---- the same for more steps after the end. What a person does next depends on whether the last checkpoint knows of them
# extend NAME: as job does it
extend() {
    { (
        [ -z "${PRELOAD:-}" ] || export LD_PRELOAD=$PRELOAD
        exec "$PERPLEX" train --resume "$1/run" --extend-steps 12 --lr 0.003 "${PLAIN[@]}"
    ) >"$OUT" 2>"$ERR" </dev/null; } 2>/dev/null
    status=$?
}
is_extended() { "$PERPLEX" info "$1/run/last.safetensors" --json >"$OUT" && [ "$(json configuration.schedule-from)" = 14 ]; }
rm -f "$WORK/count"
cp -r whole longer
PRELOAD=$library PERPLEX_DIE_COUNT=$WORK/count extend longer
done_with "the uninterrupted extension" 0
total=$(cat "$WORK/count" 2>/dev/null || echo 0)
must "it changes files at more than 50 places" test "$total" -gt 50
[ "$4" = all ] && stride=1 || stride=$((2 * total / points))
tried=0
failed=0
for ((k = 1; k <= total - stride; k += stride)); do
    rm -rf cut
    cp -r whole cut
    PRELOAD=$library PERPLEX_DIE_AT=$k extend cut
    first=$status
    if is_extended cut; then run train --resume cut/run "${PLAIN[@]}"; else extend cut; fi
    tried=$((tried + 1))
    if [ "$first" != 137 ] || [ "$status" != 0 ] || ! same_run longer/run cut/run >"$WORK/differs" 2>&1; then
        failed=$((failed + 1))
        fail "killed at call $k of $total, the extension ends as the uninterrupted one" "$(head -n 5 "$WORK/differs")" "$(ls -a cut/run)"
        [ $failed -lt 5 ] || break
    fi
done
must "killed at $tried places of $total, every extension ends as the uninterrupted one" test $failed = 0
finish
