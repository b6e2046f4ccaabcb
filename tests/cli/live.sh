#!/usr/bin/env bash
# perplex train --live and perplex top, as a person sees them: in a terminal of 80 columns and 24 rows, and in one that changes its size.
# The terminal is tmux. Nothing of it reaches the training, and where nothing can be drawn there are lines.
#     live.sh PERPLEX JSON_GET TERMINFO     (1: built with ncurses)
. "$(dirname "$0")/lib.sh"
TERMINFO=$3
make_text text.txt 1500
SHORT=(--data text.txt --hidden 24 --batch 8 --steps 16 --max-steps 300 --log-every 10 --valid-every 50 --threads 1 --split 0.8,0.1,0.1 --seed 7)
LONG=(--data text.txt --hidden 24 --batch 8 --steps 16 --max-steps 900000000 --log-every 10 --valid-every 50 --threads 1 --split 0.8,0.1,0.1)

# ---- no terminal: lines, and the same results
run train "${SHORT[@]}" --run lines
cp "$OUT" "$WORK/lines"
run train "${SHORT[@]}" --run live --live
done_with "--live without a terminal" 0
without_figures() { sed -E 's/ in [0-9].*; training/; training/; s/(lines|live)\/best/RUN\/best/' "$1" | grep -v tokens/s; }
must "it says what it says without --live" cmp <(without_figures "$WORK/lines") <(without_figures "$OUT" | sed 's/run live/run lines/')
must "nothing in it moves a cursor" test "$(tr -dc '\033\r' <"$OUT" | wc -c)" = 0
must "the weights are the same" same_tensors lines/best.safetensors live/best.safetensors
run top .
done_with "top without a terminal prints a table" 0
must "with a row for each run" test "$(grep -cE '^\./(lines|live) +finished +300 +100 % ' "$OUT")" = 2
mkdir empty
run top empty
done_with "top of a folder without runs" 0
refuses "top of a folder that is not there" 2 'nowhere' top nowhere
refuses "top takes no time between looks that is none" 2 '--every 0' top --every 0

command -v tmux >/dev/null || { skip cli_live "no tmux (Debian: tmux): no screen was read"; finish; }
[ "$TERMINFO" = 1 ] || { skip cli_live "built without ncurses: nothing is drawn"; finish; }

# ---- terminals: terminal NAME COMMAND starts one of 80 by 24; its screen is then read into $SCREEN
TMUX_SERVER=(tmux -u -f /dev/null -S "$WORK/tmux")
unset TMUX
SCREEN=$WORK/screen
trap '"${TMUX_SERVER[@]}" kill-server 2>/dev/null; rm -rf "$WORK"' EXIT
terminal() { "${TMUX_SERVER[@]}" new-session -d -s "$1" -x 80 -y 24 "$2; echo ended with \$?; exec cat"; }
look() { "${TMUX_SERVER[@]}" capture-pane -p -t "$1" >"$SCREEN" 2>/dev/null; }
shows() { look "$1" && grep -qE -e "$2" "$SCREEN"; }
shows_not() { look "$1" && ! grep -qE -e "$2" "$SCREEN"; }
widest() { awk '{ if (length > m) m = length } END { print m + 0 }' "$SCREEN"; }
wider_than_80() { look "$1" && [ "$(widest)" -gt 80 ]; }
last_row() { look "$1" && sed -n "${2}p" "$SCREEN" | grep -q "$3"; }
quoted() { printf '%q ' "$PERPLEX" "$@"; }
sees() { must "$1" wait_for shows "$2" "$3"; cp "$SCREEN" "$OUT"; }

terminal long "$(quoted train "${LONG[@]}" --run long --live)"
sees "the run is named" long '^perplex train  long'
sees "how far it is: epochs and steps" long 'epoch [0-9]+.* step [0-9,]+/900,000,000 +\[[#.]+\] +[0-9]+ %'
sees "the loss of training" long '^training +loss [0-9.]+ +perplexity [0-9.]+'
sees "that of validation, and the best" long '^validation +loss [0-9.]+ +perplexity [0-9.]+ +best [0-9.]+ at step [0-9,]+'
sees "speed, and the time that is left" long '^speed +[0-9,]+ tokens/s +for .* left'
sees "the update" long '^update +learning rate [0-9.e-]+ +gradient norm [0-9.e-]+'
sees "the curve of training" long '\|.*\.'
sees "and that of validation" long '\|.*o'
sees "the last sample" long '^sample at step [0-9,]+'
sees "the last of what was said" long 'epoch [0-9]+, step [0-9,]+: validation loss'
must "it keeps to 80 columns" test "$(widest)" -le 80
must "and to the screen: the name is in the first row, once" test "$(grep -n 'perplex train  long' "$SCREEN" | cut -d : -f 1)" = 1
step=$(grep -oE 'step [0-9,]+/' "$SCREEN" | tr -dc 0-9)
later() { look long && [ "$(grep -oE 'step [0-9,]+/' "$SCREEN" | tr -dc 0-9)" -gt "$step" ]; }
must "it is redrawn in place" wait_for later
must "the name is in the first row still" test "$(grep -n 'perplex train  long' "$SCREEN" | cut -d : -f 1)" = 1

"${TMUX_SERVER[@]}" resize-window -t long -x 120 -y 40
must "a wider window is filled" wait_for wider_than_80 long
must "a higher one too" wait_for last_row long 40 'validation loss'
"${TMUX_SERVER[@]}" resize-window -t long -x 40 -y 10
must "a small one shows the numbers" wait_for last_row long 3 '^training '
"${TMUX_SERVER[@]}" resize-window -t long -x 80 -y 24
must "back again" wait_for last_row long 24 'validation loss'
must "with 80 columns" test "$(widest)" -le 80

# ---- top beside it
terminal top "$(quoted top . --every 0.2)"
sees "top counts the runs" top '^perplex top \. +3 runs, 1 training'
sees "a row for the run that trains" top '^\./long +running +[0-9,]+ +[0-9]+ % +[0-9.]+ +[0-9.]+ +[0-9,]+ '
sees "and for one that is done" top '^\./lines +finished +300 +100 % '
sees "its curves" top '\|.*\.'
sees "its last sample" top '^sample at step'
must "top keeps to 80 columns" test "$(widest)" -le 80
"${TMUX_SERVER[@]}" send-keys -t long C-c
sees "Ctrl-C stops the training with a checkpoint" long 'stopped at step [0-9,]+ with a checkpoint'
sees "with status 75" long 'ended with 75'
must "the screen is given back" shows_not long '^update '
sees "top sees that it stopped" top '^\./long +stopped'
"${TMUX_SERVER[@]}" send-keys -t top C-c
sees "Ctrl-C ends top" top 'ended with 0'
must "its screen is given back" shows_not top '^perplex top'

# ---- the end of a run, and terminals on which nothing can be drawn
terminal short "$(quoted train "${SHORT[@]}" --run drawn --live)"
sees "a run that was drawn ends" short 'ended with 0'
sees "its lines stand there afterwards" short '^epoch [0-9]+, step 300: validation loss'
sees "and its result" short '^test: perplexity'
must "the weights are those of the run that was not drawn" same_tensors lines/best.safetensors drawn/best.safetensors
must "and the checkpoint's" same_tensors lines/last.safetensors drawn/last.safetensors
mkdir -p wild/run
cp lines/config lines/last.safetensors lines/best.safetensors wild/run
sed -E 's/"loss":[0-9.e+-]+/"loss":1e20/; s/"valid_loss":[0-9.e+-]+/"valid_loss":1e308/' lines/metrics.jsonl >wild/run/metrics.jsonl
terminal wild "$(quoted top wild)"
sees "losses without measure are drawn, too" wild '^ *1e\+300\|'
sees "in the chart" wild '\|.*\.'
terminal dumb "TERM=dumb $(quoted train "${SHORT[@]}" --run dumb --live)"
sees "where TERM is dumb there are lines" dumb '^epoch [0-9]+, step 300: validation loss'
must "and nothing is drawn" shows_not dumb '^update '
finish
