#!/usr/bin/env bash
# perplex runs: states, order, JSON, colours, and folders that hold no run or a damaged one.
. "$(dirname "$0")/../cli/lib.sh"
make_text text.txt 1500
mkdir -p all/deep
run train --data text.txt --run all/run2 "${TINY[@]}" --no-report
run train --data text.txt --run all/run10 "${TINY[@]}" --no-report --hidden 40
run train --data text.txt --run all/deep/failed "${TINY[@]}" --no-report --optimizer sgd --lr 1e6 --clip 0 --nonlinearity relu --schedule constant --warmup-steps 0
LONG=(--hidden 48 --batch 8 --steps 16 --max-steps 1000000 --log-every 20 --valid-every 100 --threads 1 --split 0.8,0.1,0.1 --no-report)
# start RUN: trains for ever; job is its process, which has written a line and evaluated.
start() {
    "$PERPLEX" train --data text.txt --run "$1" "${LONG[@]}" >/dev/null 2>"$ERR" </dev/null &
    job=$!
    wait_for grep -q '"event":"valid"' "$1/metrics.jsonl"
}
start all/stopped
kill -TERM $job
wait $job
start all/killed
kill -KILL $job
wait $job 2>/dev/null
start all/live

# state_of RUN, value_of RUN NAME: of the last JSON output.
value_of() {
    local i
    for i in $(seq 0 20); do
        [ "$(json runs.$i.run)" = "$1" ] && json "runs.$i.$2" && return
    done
    return 1
}
run runs all --json
done_with "runs ends with status 0" 0
must "--json is one JSON object" is_json
must "a run that trains is running" test "$(value_of all/live state)" = running
must "one that reached its end is finished" test "$(value_of all/run2 state)" = finished
must "one that was asked to stop is stopped" test "$(value_of all/stopped state)" = stopped
must "and says why" test "$(value_of all/stopped reason)" = "asked to stop"
must "one that was killed is stopped, too: it can be resumed" test "$(value_of all/killed state)" = stopped
must "and says so" test "$(value_of all/killed reason)" = killed
must "one whose loss was not finite has failed, and folders are searched" test "$(value_of all/deep/failed state)" = failed
must "steps are counted" test "$(value_of all/run2 steps)" = 120
must "the best perplexity is there" less 1 "$(value_of all/run2 best_valid_perplexity)"
# among_speeds RUN VALUE: it is not below all speeds that the run's metrics have, nor above them.
among_speeds() {
    grep '"event":"train"' "$1/metrics.jsonl" | grep -oE '"tokens_per_s":[^,}]*' | cut -d: -f2 |
        awk -v is="$2" 'NR == 1 { low = high = $1 } { if ($1 < low) low = $1; if ($1 > high) high = $1 } END { exit !(NR && low <= is && is <= high) }'
}
must "so is the speed" among_speeds all/run2 "$(value_of all/run2 tokens_per_s)"
must "so is the size" test "$(value_of all/run10 parameters)" -gt "$(value_of all/run2 parameters)"
must "so are the bytes" less 10000 "$(value_of all/run2 bytes)"
must "so is the device" test "$(value_of all/run2 device)" = cpu
must "looking does not hinder a run" kill -0 $job
kill -TERM $job
wait $job
live=$?
must "a run that was looked at ends as any other" test $live = 75
run runs all --json
must "it is no longer running then" test "$(value_of all/live state)" = stopped

# ---- order
names() { tail -n +2 "$OUT" | awk '{ print $1 }' | tr '\n' ' '; }
run runs all
must "by name, numbers as numbers" test "$(names)" = "all/deep/failed all/killed all/live all/run2 all/run10 all/stopped "
must "a table has its titles" grep -qE '^run +state +steps +perplexity +tokens/s' "$OUT"
must "a table in a pipe has no colours" test -z "$(tr -d '\n -~\200-\377' <"$OUT")"
run runs all --sort state
must "by state" test "$(tail -n +2 "$OUT" | awk '{ print $2 }' | uniq | tr '\n' ' ')" = "stopped finished failed "
run runs all --sort steps
must "by steps, the most first" test "$(tail -n 1 "$OUT" | awk '{ print $1 }')" = all/deep/failed
run runs all --sort parameters --json
falls() { for i in 0 1 2 3 4; do [ "$(json runs.$i.parameters)" -ge "$(json runs.$((i + 1)).parameters)" ] || return 1; done; }
must "by parameters, the largest first" falls
run runs all --sort perplexity --json
rises() { for i in 0 1 2 3; do less "$(json runs.$((i + 1)).best_valid_perplexity)" "$(json runs.$i.best_valid_perplexity)" && return 1; done; test "$(json runs.5.run)" = all/deep/failed; }
must "by perplexity, the lowest first, none last" rises
run runs all --sort time
must "by time, the latest first" test "$(names | cut -d ' ' -f 1)" = all/live

# ---- a terminal, where there is a program that makes one
if command -v script >/dev/null 2>&1; then
    env -u NO_COLOR TERM=xterm script -qec "'$PERPLEX' runs all" /dev/null >"$OUT" 2>"$ERR" </dev/null
    must "a terminal has colours" grep -q "$(printf '\033\[32m')finished" "$OUT"
    env NO_COLOR=1 TERM=xterm script -qec "'$PERPLEX' runs all" /dev/null >"$OUT" 2>"$ERR" </dev/null
    must "with NO_COLOR it has none" test "$(grep -c "$(printf '\033')" "$OUT")" = 0
else
    skip "report_runs on a terminal" "the program script (bsdutils) is not there"
fi

# ---- what is no run, or a damaged one
mkdir -p odd/none odd/bad odd/pipe odd/link
echo '{"event":' >odd/bad/metrics.jsonl
cp -r all/run2 odd/good
cp all/run2/config odd/bad/config
cp all/run2/config odd/pipe/config
mkfifo odd/pipe/metrics.jsonl
ln -s .. odd/link/up
printf '{"event":"start","step":0}\n' >"odd/link/metrics.jsonl"
run runs odd --json
done_with "damaged runs do not hide the others" 0
must "the good one is there" test "$(value_of odd/good state)" = finished
must "a damaged one is unreadable" test "$(value_of odd/bad state)" = unreadable
must "and says what is wrong" grep -q 'odd/bad/metrics.jsonl' <<<"$(value_of odd/bad error)"
must "a pipe is not waited for" test "$(value_of odd/pipe state)" = unreadable
must "a folder without metrics is no run" test "$(value_of odd/none state)" = ""
run runs odd
must "the table, too, says what is wrong" grep -q '^odd/pipe/metrics.jsonl: not a regular file' "$OUT"
mkdir bare
run runs bare
done_with "a folder without runs is no error" 0
must "it says so" grep -q 'no runs in bare' "$OUT"
(cd all && "$PERPLEX" runs) >"$OUT" 2>"$ERR"
must "without a folder it looks here" grep -q '^./run2 ' "$OUT"
refuses "a folder that is not there" 2 'nowhere: No such file' runs nowhere
refuses "a file" 2 'not a folder' runs text.txt
refuses "an unknown order" 2 'did you mean steps' runs all --sort stepz
finish
