#!/usr/bin/env bash
# Commands that only read and count show how far they are on a terminal, and are quiet in pipes; colours go where they are not
# wanted. A terminal is made by script (util-linux). The text comes late, so that there is something to show: more of it than a pipe
# holds, so that the program has begun to read, and the rest more than a second after that.
. "$(dirname "$0")/lib.sh"
script --version 2>/dev/null | grep -q util-linux || { skip cli_progress "no script of util-linux"; exit 77; }
unset NO_COLOR
escape=$'\033'

tiny_model model
make_text late.txt 3000
make_text long.txt 10000

# on_terminal ENVIRONMENT ARGS...: the program on a terminal, with $text coming late; what the terminal got is in $OUT.
text=late.txt
on_terminal() {
    local environment=$1
    shift
    printf '#!/bin/bash\n{ head -c 80000 %s; sleep 1.3; tail -c +80001 %s; } | env %s %q %s\n' "$text" "$text" "$environment" "$PERPLEX" "$*" >typed.sh
    script -qefc 'bash typed.sh' /dev/null </dev/null >"$OUT" 2>"$ERR"
    status=$?
}
# late ARGS...: the same without a terminal.
late() {
    { head -c 80000 late.txt; sleep 1.3; tail -c +80001 late.txt; } | TERM=xterm "$PERPLEX" "$@" >"$OUT" 2>"$ERR"
    status=$?
}
has() { grep -qaF -e "$1" "$OUT"; }
has_not() { ! has "$1"; }

tokenize='tokenize --data - --level word'
evaluate='eval --model model --data - --device reference' # takes its time
lines='eval --model model --data - --lines --json'

on_terminal TERM=xterm "$tokenize"
done_with "tokenize works on a terminal" 0
must "tokenize says what it reads and how much of it" grep -qaE 'standard input +[0-9]+ %' "$OUT"
must "the line is removed in the end" has $'\r'"$escape[K"
must "and is coloured" has "$escape[36m"
must "the result comes after it" bash -c 'tail -n 2 "$1" | grep -qa "most frequent"' - "$OUT"
on_terminal 'TERM=xterm NO_COLOR=1' "$tokenize"
must "NO_COLOR: still there" grep -qaE 'standard input +[0-9]+ %' "$OUT"
must "NO_COLOR: not coloured" bash -c '! grep -qaP "\x1b\[[0-9;]*m" "$1"' - "$OUT"
on_terminal 'TERM=xterm NO_COLOR=' "$tokenize"
must "an empty NO_COLOR asks for nothing" has "$escape[36m"
on_terminal TERM=dumb "$tokenize"
must "a terminal that cannot remove a line gets none" has_not ' %'

on_terminal 'TERM=xterm OMPI_COMM_WORLD_SIZE=1' "$tokenize"
must "the terminal that mpirun makes gets none, as it may end in a file" has_not ' %'

text=long.txt # scoring it takes longer than a line stays
on_terminal TERM=xterm "$evaluate"
done_with "eval works on a terminal" 0
must "eval shows how much it has scored" grep -qaE 'scoring +[0-9]+ %' "$OUT"
on_terminal 'TERM=xterm NO_COLOR=yes' "$evaluate"
must "eval: NO_COLOR" bash -c '! grep -qaP "\x1b\[[0-9;]*m" "$1"' - "$OUT"
text=late.txt
on_terminal TERM=xterm "$lines"
must "eval --lines shows how many lines" grep -qaE 'scoring +[0-9,]+ lines' "$OUT"

for command in "$tokenize" "$evaluate" "$lines"; do
    # shellcheck disable=SC2086
    late $command
    done_with "in a pipe: perplex $command" 0
    if [ "$command" = "$lines" ]; then continue; fi
    must "nothing on standard error" test ! -s "$ERR"
    must "no control characters on standard output" bash -c '! grep -qaP "[\x1b\r]" "$1"' - "$OUT"
done
must "--lines: no progress in a pipe" bash -c '! grep -q scoring "$1"' - "$ERR"
finish
