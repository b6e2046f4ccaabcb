#!/usr/bin/env bash
# The inspection through the program.
. "$(dirname "$0")/../cli/lib.sh"
make_text text.txt 1500
make_text other.txt 60
tiny_model model
tiny_model deep --layers 2 --nonlinearity relu --level word --embed 8

run inspect --model model --data other.txt --gradient-lags 20 --json
done_with "a model can be inspected" 0
must "--json is one JSON object" is_json
must "standard error stays quiet in a pipe" test ! -s "$ERR"
must "every lag is there, 0 included" test "$(json gradient_lags) $("$JSON_GET" "$OUT" layers.0.norm.20 >/dev/null && echo yes)" = "20 yes"
must "and no more" test -z "$("$JSON_GET" "$OUT" layers.0.norm.21 2>/dev/null)"
must "lag 0 has a gradient" less 0 "$(json layers.0.norm.0)"
must "the spectral radius is a size" less 0 "$(json layers.0.spectral_radius)"
must "the saturated share is one" test "$(awk -v s="$(json layers.0.saturated)" 'BEGIN { print (s >= 0 && s <= 1) }')" = 1
first=$(json layers.0.norm.7)
run_with other.txt inspect --model model --data - --gradient-lags 20 --json
must "standard input is read as a file is" near "$(json layers.0.norm.7)" "$first" 1e-12

run inspect --model model --data other.txt --gradient-lags 0 --positions 1000000 --tokens 0 --json
loss=$(json loss) tokens=$(json tokens) positions=$(json positions)
run eval --model model --data other.txt --json
must "with all positions the loss is that of eval" near "$loss" "$(json loss)" 1e-6
must "over the same tokens" test "$tokens $positions" = "$(json tokens) $(json tokens)"
run inspect --model model --data other.txt --tokens 100 --gradient-lags 8 --json
must "--tokens bounds what is read" test "$(json tokens) $(json positions)" = "99 91"

run inspect --split-of deep valid --gradient-lags 12
done_with "a run's part can be inspected" 0
must "people get every layer" test "$(grep -cE '^layer [01]$' "$OUT")" = 2
must "people get lags around powers of 2, the last one too" test "$(grep -E '^ +[0-9]+ ' "$OUT" | awk '{ printf "%s ", $1 }')" = "0 1 2 4 8 12 0 1 2 4 8 12 "
must "ReLU units are said to be saturated at 0" grep -q 'H = 0' "$OUT"

refuses "inspecting without a model says what to give" 2 '--model M' inspect --data other.txt
refuses "inspecting nothing says what to give" 2 '--data FILE' inspect --model model
refuses "another text than the run's is refused" 2 'other.txt: not the text that model was trained with' inspect --data other.txt --split-of model valid
refuses "an unknown part is refused" 2 'valid or test' inspect --split-of model train
refuses "a text too short for its lags gives both" 2 'other.txt: .* too few for 4000 lags' inspect --model model --data other.txt --gradient-lags 4000
refuses "lags beyond the limit give the range" 2 '--gradient-lags 5000: .*to 4096' inspect --model model --data other.txt --gradient-lags 5000
refuses "a missing text is named" 2 'none.txt' inspect --model model --data none.txt
refuses "a file that is no model is named" 2 'other.txt' inspect --model other.txt --data other.txt
finish
