#!/usr/bin/env bash
# Sixty trainings that get a signal at a random moment; bench/signals.sh does thousands.   signals.sh PERPLEX JSON_GET SOURCE
SOURCE=$3
. "$(dirname "$0")/../cli/lib.sh"
make_text text.txt 400
bash "$SOURCE/bench/signals.sh" "$PERPLEX" text.txt --count 3 --hidden "32 256" --seed "${PERPLEX_TEST_SEED:-$$}" >"$OUT" 2>"$ERR"
status=$?
cat "$OUT"
done_with "all end with status 75 and go on as if nothing had been (seed ${PERPLEX_TEST_SEED:-$$})" 0
must "sixty of them" test "$(grep -c ': 3 of 3 ended with 75 and 3 of these' "$OUT")" = 20
finish
