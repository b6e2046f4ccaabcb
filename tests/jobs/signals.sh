#!/usr/bin/env bash
# Trainings that get a signal at a random moment, COUNT for each of five signals, one and two threads and each size of HIDDEN;
# bench/signals.sh does thousands.   signals.sh PERPLEX JSON_GET SOURCE COUNT HIDDEN
SOURCE=$3 COUNT=$4 HIDDEN=$5
. "$(dirname "$0")/../cli/lib.sh"
make_text text.txt 400
bash "$SOURCE/bench/signals.sh" "$PERPLEX" text.txt --count "$COUNT" --hidden "$HIDDEN" --seed "${PERPLEX_TEST_SEED:-$$}" >"$OUT" 2>"$ERR"
status=$?
cat "$OUT"
done_with "all end with status 75 and go on as if nothing had been (seed ${PERPLEX_TEST_SEED:-$$})" 0
read -ra sizes <<<"$HIDDEN"
must "all of them" test "$(grep -c ": $COUNT of $COUNT ended with 75 and $COUNT of these" "$OUT")" = $((10 * ${#sizes[@]}))
finish
