#!/usr/bin/env bash
# kill -9 at random moments, also while a checkpoint is written; the last job ends as the uninterrupted run. Third argument: how many times.
. "$(dirname "$0")/memory_disk.sh"
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/runs.sh"
wanted=$3
make_text text.txt 1500
# a checkpoint every other step: most moments lie in one
FLAGS=(--hidden 160 --layers 2 --batch 8 --steps 12 --max-steps 240 --log-every 5 --checkpoint-every 2 --valid-every 60 --keep 3 --threads 1
    --split 0.8,0.1,0.1 --dropout 0.2 --reset-probability 0.05)
begun=${EPOCHREALTIME/[.,]/}
job whole "${FLAGS[@]}"
took=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000)) # ms
done_with "the uninterrupted run" 0

RANDOM=${PERPLEX_TEST_SEED:-$$}
echo "      seed of the moments: ${PERPLEX_TEST_SEED:-$$}; the uninterrupted run took $took ms"
killed=0
runs=0
while [ "$killed" -lt "$wanted" ] && [ $runs -lt $((5 * wanted)) ]; do
    runs=$((runs + 1))
    rm -rf cut
    for ((jobs = 0; jobs < 12 && killed < wanted; jobs++)); do
        job cut "${FLAGS[@]}" & # the program is the child of this one
        waiting=$!
        moment=$(((RANDOM * 32768 + RANDOM) % (took / 4 + 20)))
        sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
        program=$(pgrep -P "$waiting" | head -n 1)
        if [ -n "$program" ] && kill -9 "$program" 2>/dev/null; then killed=$((killed + 1)); fi
        wait "$waiting"
    done
    job cut "${FLAGS[@]}"
    done_with "run $runs: after $killed kills in all it goes on to its end" 0
    must "run $runs: it has the files, weights and metrics of the uninterrupted run" same_run whole/run cut/run
done
must "it was killed $wanted times" test "$killed" -ge "$wanted"
finish
