#!/usr/bin/env bash
# libperplex in a program whose timers interrupt it all the time.   timer.sh PERPLEX JSON_GET PROBE SIGNALS
PROBE=$3
SIGNALS=$4
. "$(dirname "$0")/../cli/lib.sh"
make_text text.txt 1500
tail -n 100 text.txt >other.txt
for flags in "--hidden 96 --embed 24 --level char" "--hidden 64 --layers 2 --level byte"; do
    # shellcheck disable=SC2086
    run train --data text.txt --run model --max-steps 10 --batch 8 --steps 16 --no-report --no-tensorboard $flags
    "$PROBE" model/last.safetensors other.txt "$SIGNALS" >"$OUT" 2>"$ERR"
    status=$?
    done_with "$flags: under $SIGNALS signals results are those of before: $(cat "$OUT")" 0
    rm -rf model
done
finish
