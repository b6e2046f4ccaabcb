# shellcheck shell=bash
# A small library for tests of the real program. A test script is called with the program and json_get, and sources this:
# it is then in an empty folder of its own. Each case is named by what must hold and prints ok or FAIL; the script's last
# line is `finish`.
set -u
[ $# -ge 2 ] || { echo "usage: $0 PERPLEX JSON_GET" >&2; exit 2; }
PERPLEX=$1
JSON_GET=$2
HOLD_AT=${JSON_GET%json_get}hold_at
export OMP_NUM_THREADS=1 NO_COLOR=1 LC_ALL=C # awk and printf of this script write points in every language
unset SLURM_CPUS_PER_TASK
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
chmod 755 "$WORK"
mkdir "$WORK/here"
cd "$WORK/here" || exit 1
OUT=$WORK/out
ERR=$WORK/err
cases=0
failures=0

ok() { cases=$((cases + 1)); echo "ok    $1"; }
fail() {
    cases=$((cases + 1))
    failures=$((failures + 1))
    echo "FAIL  $1"
    shift
    [ $# -eq 0 ] || printf '      %s\n' "$@"
    echo "      status ${status:-?}; standard error:"
    head -n 12 "$ERR" 2>/dev/null | cut -c 1-300 | sed 's/^/      | /'
    echo "      standard output:"
    head -n 5 "$OUT" 2>/dev/null | cut -c 1-300 | sed 's/^/      | /'
}
skip() { echo "SKIP: $1: $2"; }
finish() {
    echo "$((cases - failures)) of $cases cases hold"
    [ "$failures" = 0 ] && [ "$cases" -gt 0 ]
    exit
}

# run ARGS...: the program with no input; its status is in $status.
run() { run_with /dev/null "$@"; }
# run_with INPUT ARGS...
run_with() {
    local input=$1
    shift
    "$PERPLEX" "$@" <"$input" >"$OUT" 2>"$ERR"
    status=$?
}

# held TEXT COMMAND ARGS...: as run, but at the first line with TEXT on standard output the program is held there while bash runs
# COMMAND, where HELD is its number (hold_at.c): so it is half-way on any machine. Functions that COMMAND needs are exported.
held() {
    local text=$1 command=$2
    shift 2
    env --default-signal=INT "$HOLD_AT" "$text" "$command" "$PERPLEX" "$@" </dev/null >"$OUT" 2>"$ERR"
    status=$?
}

. "$(dirname "${BASH_SOURCE[0]}")/wait.sh"
# has_lines FILE TEXT COUNT: so many lines of it have TEXT.
has_lines() { [ "$(grep -c -e "$2" "$1")" -ge "$3" ]; }
export -f wait_for has_lines

# must NAME COMMAND...: the command (a function, test, cmp, ...) must succeed.
must() {
    local name=$1
    shift
    if "$@" >"$WORK/must" 2>&1; then ok "$name"; else fail "$name" "failed: $*" "$(head -c 400 "$WORK/must")"; fi
}

# done_with NAME STATUS: the last run ended with that status.
done_with() { if [ "$status" = "$2" ]; then ok "$1"; else fail "$1" "want status $2"; fi; }

# refuses NAME STATUS PATTERN ARGS...: the program ends with STATUS and one line on standard error that begins with
# "perplex: " and matches PATTERN; it prints nothing else (but what a training says of its sizes) and leaves every file and
# folder here as it was.
refuses() { refuses_with /dev/null "$@"; }
refuses_with() {
    local input=$1 name=$2 want=$3 pattern=$4
    shift 4
    local before after
    before=$(listing)
    run_with "$input" "$@"
    after=$(listing)
    if [ "$status" != "$want" ]; then fail "$name" "want status $want of: perplex $*"
    elif [ "$(wc -l <"$ERR")" != 1 ]; then fail "$name" "want one line on standard error"
    elif ! grep -qE -e "^perplex: .*($pattern)" "$ERR"; then fail "$name" "want a line with: $pattern"
    elif grep -qvE '^(corpus|validation|test|model|device|warning): ' "$OUT"; then fail "$name" "want nothing on standard output"
    elif ! own_flags "$1" >"$WORK/foreign"; then fail "$name" "its hint names a flag that perplex $1 has not: $(cat "$WORK/foreign")"
    elif [ "$before" != "$after" ]; then fail "$name" "files changed:" "$(diff <(echo "$before") <(echo "$after"))"
    else ok "$name"; fi
}

# own_flags COMMAND: the hints of the last message name only flags that perplex COMMAND has; the others are printed.
own_flags() {
    local flag
    for flag in $(sed -E 's/perplex [a-z]+ [^;,]*//g' "$ERR" | grep -ao '; .*' | grep -aoE "(^| |\")--[a-z][a-z-]*" | tr -d '" ' | sort -u); do
        "$PERPLEX" "$1" --help 2>/dev/null | grep -qE -e "$flag( |\$)|--\[no-\]${flag#--}( |\$)" || { [ "$flag" = --help ] || echo "$flag"; }
    done | grep . && return 1
    return 0
}

# Every file here with size and content.
listing() { find . -mindepth 1 \( -type f -readable -exec cksum {} + \) -o \( ! -type f -print \) | sort; }

# json PATH: a value of the last run's JSON output.
json() { "$JSON_GET" "$OUT" "$1"; }
is_json() { "$JSON_GET" "$OUT" >/dev/null; }

is_number() { [[ $1 =~ ^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$ ]]; }
# near A B TOLERANCE: |A - B| <= TOLERANCE * max(1, |B|)
near() { is_number "$1" && is_number "$2" && awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; s = b < 0 ? -b : b; if (s < 1) s = 1; exit !(d <= t * s) }'; }
# less A B
less() { is_number "$1" && is_number "$2" && awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

# The tensors of a checkpoint: weights, moments, averages, hidden state. The header before them holds the length of metrics.jsonl,
# in which speeds are written with more or fewer digits.
tensors() { tail -c +$((9 + $(od -An -tu8 -N 8 "$1"))) "$1"; }
same_tensors() { [ -s "$1" ] && [ -s "$2" ] && cmp <(tensors "$1") <(tensors "$2"); }
position() { head -c $((8 + $(od -An -tu8 -N 8 "$1"))) "$1" | grep -aoE '(step|epoch|window|tokens|best_loss|epoch_loss) = [^\\]*'; }
same_position() { cmp <(position "$1") <(position "$2") && [ -n "$(position "$1")" ]; }
# metrics.jsonl without what differs from job to job.
without_times() { sed -E 's/"(tokens_per_s|seconds)": *[^,}]*//g' "$1"; }
same_metrics() { [ -s "$1" ] && [ "$(without_times "$1")" = "$(without_times "$2")" ]; }

# make_text FILE LINES: sentences of our own, always the same.
make_text() {
    awk -v lines="$2" 'BEGIN {
        split("king queen river mountain shepherd prophet child stone garden night", noun)
        split("went saw made gave kept found left held", verb)
        split("great small old bright silent good", adjective)
        seed = 12345
        for (i = 0; i < lines; i++) {
            for (k = 0; k < 5; k++) { seed = (seed * 1103 + 12347) % 65521; r[k] = seed }
            printf "the %s %s %s the %s %s\n", adjective[r[0] % 6 + 1], noun[r[1] % 10 + 1], verb[r[2] % 8 + 1],
                   adjective[r[3] % 6 + 1], noun[r[4] % 10 + 1]
        }
    }' >"$1"
}

# A tiny training that takes about a second.
TINY=(--hidden 24 --batch 8 --steps 16 --max-steps 120 --log-every 20 --threads 1 --split 0.8,0.1,0.1 --lr 0.01 --warmup-steps 10)
# tiny_model RUN [FLAGS...]: trains one on text.txt, or ends the script.
tiny_model() {
    local folder=$1
    shift
    [ -f text.txt ] || make_text text.txt 1500
    run train --data text.txt --run "$folder" "${TINY[@]}" "$@"
    if [ "$status" != 0 ]; then fail "a tiny model can be trained into $folder"; finish; fi
}
