#!/usr/bin/env bash
# More steps for a run that has ended: --extend-steps.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
FLAGS=(--dropout 0.1 --reset-probability 0.05 --valid-every 25) # the last evaluation, of step 120, comes with the end
tiny_model base "${FLAGS[@]}"
value() { grep "\"event\":\"$2\",\"step\":$3[,}]" "$1/metrics.jsonl" | tail -n 1 >"$WORK/line"; "$JSON_GET" "$WORK/line" "$4"; }

# ---- a longer run with a seam
cp -r base longer
run train --resume longer --extend-steps 80 --lr 0.004
done_with "a run that has ended can be extended" 0
must "it says by how much" grep -q '^extended by 80 steps, to step 200: a cosine from a rate of 0.004$' "$OUT"
must "it ends so many steps further on" grep -q '^done: 200 steps' "$OUT"
must "the rate had come down to nearly nothing" less "$(value longer train 120 learning_rate)" 1e-5
must "it begins anew at --lr" near "$(value longer train 140 learning_rate)" "$(awk 'BEGIN { printf "%.9g", 0.004 * (1 + cos(3.14159265358979 * 19 / 80)) / 2 }')" 1e-6
must "and comes down again" less "$(value longer train 200 learning_rate)" 1e-5
must "metrics.jsonl has the seam" test "$(value longer extend 120 steps)" = 80
must "and its rate" near "$(value longer extend 120 learning_rate)" 0.004 1e-9
must "the weights of the seam are evaluated" near "$(value longer valid 120 valid_loss)" "$(value base valid 120 valid_loss)" 1e-12
must "the model has learned more" less "$(value longer end 200 best_valid_loss)" "$(value base end 120 best_valid_loss)"
must "the report shows the seam" bash -c 'grep -q "Extended at step 120 by 80 steps" longer/report.html && grep -q "class=\"seam-line\"" longer/report.html'
must "that of a run without one does not" bash -c '! grep -q "class=\"seam-line\"" base/report.html'
must "config says where the schedule begins" test "$(grep -cxE 'schedule-from = 120|schedule-steps = 80|max-steps = 200|epochs = 0' longer/config)" = 4

# ---- interrupted anywhere, it is the same
for at in 'extended by 80 steps' 'step 120: validation' 'step 125: validation'; do # at least two more before the end
    rm -rf parts && cp -r base parts
    held "$at" 'kill -INT $HELD' train --resume parts --extend-steps 80 --lr 0.004
    done_with "an extended run can be stopped at '$at'" 75
    refuses "its command again would extend it twice, and is refused" 2 'has not ended.*--resume parts alone' train --resume parts --extend-steps 80
    run train --resume parts
    done_with "and resumed" 0
    must "to the weights, moments and states of the one that was never stopped" same_tensors parts/last.safetensors longer/last.safetensors
    must "to its best model" same_tensors parts/best.safetensors longer/best.safetensors
    must "and to its metrics" same_metrics parts/metrics.jsonl longer/metrics.jsonl
done

# ---- again, with a warm-up, and more of the same by --max-steps
run train --resume longer --extend-steps 40 --warmup-steps 20 --lr-min 0.5
done_with "it can be extended again" 0
must "from its own rate, warming up where that is asked for" near "$(value longer train 220 learning_rate)" 0.004 1e-9
must "down to the floor that is asked for" less 0.002 "$(value longer train 240 learning_rate)"
must "both seams are there" test "$(grep -c '"event":"extend"' longer/metrics.jsonl)" = 2
must "the report shows both" test "$(grep -c 'Extended at step' longer/report.html)" = 2
run train --resume longer --max-steps 250
must "steps beyond the schedule go on at its end" near "$(value longer train 250 learning_rate)" 0.002 1e-9

# ---- the best model stays the best, whatever the end of the run was
tiny_model early --epochs 0 --max-steps 0 --early-stop 1 --valid-every 10 --lr 3 --optimizer sgd --schedule constant
cp early/best.safetensors kept
run train --resume early --extend-steps 20 --lr 1e-9
done_with "a run that stopped early can be extended" 0
must "an extension that is no better leaves its best model" same_tensors early/best.safetensors kept

# ---- what the end evaluated does not count in the steps that follow: 150 is the first that is no better, 200 the second
tiny_model waits --early-stop 2 --valid-every 50 --lr 10 --optimizer sgd --schedule constant
must "the end of that run is no best" test "$(value waits end 120 best_step)" -lt 120
run train --resume waits --extend-steps 300 --lr 1e-9
must "early stopping begins anew at the seam" grep -q '^done: 200 steps' "$OUT"

# ---- refused
refuses "a new run by the configuration of an extended one" 2 'schedule-from 200: .*--schedule-from 0' train --config longer/config --run copy
refuses "another length beside it" 2 '--max-steps 300: --extend-steps says' train --resume base --extend-steps 10 --max-steps 300
refuses "what no resumed run may change" 2 '--hidden 12' train --resume base --extend-steps 10 --hidden 12
refuses "without a run" 2 '--resume DIR' train --data text.txt --run new --extend-steps 10
refuses "with --resume auto" 2 '--resume DIR' train --data text.txt --run base --resume auto --extend-steps 10
refuses "no steps" 2 '--extend-steps 0' train --resume base --extend-steps 0
finish
