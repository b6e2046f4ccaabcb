#!/usr/bin/env bash
# TensorBoard event files: read back by a reader of our own, held against metrics.jsonl, stopped and resumed, and left out.
# events.sh PERPLEX JSON_GET EVENT_DUMP BUILT_IN
. "$(dirname "$0")/../cli/lib.sh"
EVENT_DUMP=$3
BUILT_IN=$4
make_text text.txt 1500
same() { [ -s "$1" ] && [ -s "$2" ] && cmp "$1" "$2"; }
events_of() { ls "$1" | grep '^events\.out\.tfevents\.' | sort; }

if [ "$BUILT_IN" != 1 ]; then
    run train --data text.txt --run none "${TINY[@]}"
    done_with "without protobuf-c and ISA-L a training goes on" 0
    must "it writes no event file" test -z "$(events_of none)"
    refuses "asking for event files that are not built in is an error" 2 'libisal-dev' train --data text.txt --run asked "${TINY[@]}" --tensorboard
    echo "SKIP: report_events: this perplex was built without protobuf-c or ISA-L"
    finish
fi

# dump RUN [FLAGS]: every event of a run, in the order of its files' names.
dump() {
    local run=$1 files=() file
    shift
    for file in $(events_of "$run"); do files+=("$run/$file"); done
    "$EVENT_DUMP" "$@" "${files[@]}"
}
LONG=(--hidden 32 --batch 8 --steps 16 --max-steps 2000 --log-every 50 --valid-every 200 --threads 1 --split 0.8,0.1,0.1 --lr 0.003 --no-report)

# ---- a run, against its metrics.jsonl
run train --data text.txt --run whole "${LONG[@]}"
done_with "a training with event files" 0
must "it wrote one event file" test "$(events_of whole | wc -l)" = 1
dump whole >"$WORK/whole" 2>"$ERR"
status=$?
done_with "every frame and CRC holds, every message can be read" 0
must "the file begins with its version" test "$(head -n 1 "$WORK/whole")" = "version brain.Event:2"

# scalars TAG: step and value, as the event file has them. lines EVENT FIELD: the same of metrics.jsonl, as 32-bit floats print.
scalars() { awk -v tag="$1" '$1 == "scalar" && $3 == tag { print $2, $4 }' "$WORK/whole"; }
logged() {
    grep "\"event\":\"$1\"" whole/metrics.jsonl | sed -E "s/.*\"step\":([0-9]+).*\"$2\":([-+0-9.e]+).*/\1 \2/"
}
same_curve() {
    [ -s "$1" ] && paste -d ' ' "$1" "$2" | awk '{ d = $2 - $4; if (d < 0) d = -d; s = $4 < 0 ? -$4 : $4; if (NF != 4 || $1 != $3 || d > 1e-5 * s + 1e-12) exit 1 }'
}
curve() { scalars "$3" >"$WORK/a"; logged "$1" "$2" >"$WORK/b"; same_curve "$WORK/a" "$WORK/b"; }
must "loss/train has each train line's loss" curve train loss loss/train
must "perplexity/train has each train line's perplexity" curve train perplexity perplexity/train
must "learning_rate has each train line's rate" curve train learning_rate learning_rate
must "gradient_norm has each train line's norm" curve train grad_norm gradient_norm
must "tokens_per_s has each train line's speed" curve train tokens_per_s tokens_per_s
must "loss/validation has each evaluation's loss" curve valid valid_loss loss/validation
must "perplexity/validation has each evaluation's perplexity" curve valid valid_perplexity perplexity/validation
must "perplexity/test has the test text's" curve end test_perplexity_zero perplexity/test
must "every sample line is a text" test "$(grep -c '"event":"sample"' whole/metrics.jsonl)" = "$(grep -c '^text [0-9]* sample text ' "$WORK/whole")"
must "there are ten of them" test "$(grep -c '^text [0-9]* sample text ' "$WORK/whole")" = 10
must "the settings are a text" grep -q '^text 0 settings text ' "$WORK/whole"
must "every evaluation has a histogram of W_hh with all its weights" test "$(grep -c '^histogram [0-9]* weights/rnn.weight_hh_l0 1024 ' "$WORK/whole")" = 10
must "every evaluation has a histogram of activations" test "$(grep -c '^histogram [0-9]* activations/layer_0 ' "$WORK/whole")" = 10
within_one() { grep -q activations/layer_0 "$WORK/whole" && awk '$3 == "activations/layer_0" && ($6 < -1 || $7 > 1 || $6 >= $7) { exit 1 }' "$WORK/whole"; }
must "activations of tanh units lie between -1 and 1" within_one
share() { scalars saturated/layer_0 | awk '$2 < 0 || $2 > 1 { bad = 1 } END { exit bad || NR != 10 }'; }
must "the share of saturated units is a share" share

# ---- a reader of another house
if [ -n "${PERPLEX_PYTHON:-}" ] && "$PERPLEX_PYTHON" -c 'import tensorboard' 2>/dev/null; then
    "$PERPLEX_PYTHON" - whole >"$WORK/tb" 2>"$ERR" <<'PYTHON'
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
a.Reload()
for e in a.Scalars("loss/train"):
    print(e.step, "%.6g" % e.value)
print(len(a.Histograms("weights/rnn.weight_hh_l0")), len(a.Tensors("sample")), file=sys.stderr)
PYTHON
    status=$?
    done_with "TensorBoard's own reader reads the file" 0
    scalars loss/train >"$WORK/a"
    must "it sees the same curve" same "$WORK/tb" "$WORK/a"
    must "it sees histograms and texts" grep -q '^10 10$' "$ERR"
else
    skip "report_events with TensorBoard's reader" "PERPLEX_PYTHON names no Python that has tensorboard"
fi

# ---- looked at or not: the same training
run train --data text.txt --run blind "${LONG[@]}" --no-tensorboard
must "--no-tensorboard writes no event file" test -z "$(events_of blind)"
tensors() { tail -c +$((9 + $(od -An -tu8 -N 8 "$1"))) "$1"; }
timeless() { sed -E 's/"(tokens_per_s|seconds)":[^,}]*//g' "$1"; }
for name in whole blind; do
    tensors $name/last.safetensors >"$WORK/$name.tensors"
    timeless $name/metrics.jsonl >"$WORK/$name.metrics"
done
must "a training that is looked at has the bits of one that is not" same "$WORK/whole.tensors" "$WORK/blind.tensors"
must "its metrics are the same, too" same "$WORK/whole.metrics" "$WORK/blind.metrics"

# ---- live, stopped, resumed
# half_way RUN SIGNAL: trains, and signals behind step 400 and before 800, when twelve lines of losses were written. What was there of events
# just before is in live.
export EVENT_DUMP
export -f dump events_of
half_way() {
    held 'step 400: validation' "wait_for has_lines $1/metrics.jsonl '\"event\":\"train\"' 12; wait_for dump $1 >'$WORK/live'; kill -$2 \$HELD" \
        train --data text.txt --run "$1" "${LONG[@]}"
}
half_way cut TERM
must "the file of a run that is still training can be read to its end: it shows the curve so far" grep -q '^scalar 200 loss/validation ' "$WORK/live"
done_with "the run was stopped half-way" 75
run train --resume cut
done_with "and resumed" 0
must "each job has a file of its own" test "$(events_of cut | wc -l)" = 2
dump cut >"$WORK/cut" 2>"$ERR"
must "the second begins with a session start at the resumed step" grep -qE '^start [0-9]+$' "$WORK/cut"
dump cut --purge | grep -v -e ' tokens_per_s ' -e ' settings ' >"$WORK/cut"
dump whole --purge | grep -v -e ' tokens_per_s ' -e ' settings ' >"$WORK/whole"
must "what a reader keeps is what the uninterrupted run has: no gap, no double" same "$WORK/cut" "$WORK/whole"
run train --resume cut --max-steps 2150
done_with "a finished run is made longer" 0
dump cut --purge >"$WORK/cut"
must "what stood behind its end is dropped" test "$(grep -c '^scalar 2000 loss/validation ' "$WORK/cut")" = 1
no_doubles() { [ -s "$WORK/cut" ] && [ -z "$(awk '$1 != "text" || $3 != "settings" { print $1, $2, $3 }' "$WORK/cut" | sort | uniq -d)" ]; }
must "no value stands there twice" no_doubles

# ---- killed in the middle of everything: what it wrote behind the checkpoint does not count
half_way killed KILL
run train --resume killed
done_with "a killed run is resumed" 0
dump killed --purge | grep -v -e ' tokens_per_s ' -e ' settings ' >"$WORK/cut"
must "its curve, too, is that of the uninterrupted run" same "$WORK/cut" "$WORK/whole"

# ---- back to a checkpoint
run train --data text.txt --run back --hidden 24 --batch 8 --steps 16 --max-steps 60 --log-every 5 --threads 1 --no-report --optimizer sgd --lr 1e6 --clip 0 \
    --nonlinearity relu --on-nan rollback --rollback-factor 1e-4 --schedule constant --warmup-steps 0
done_with "a run that goes back to its checkpoint ends well" 0
must "it went back" grep -q '"event":"rollback"' back/metrics.jsonl
dump back >"$WORK/back" 2>"$ERR"
must "the event file has a session start there" grep -q '^start 1$' "$WORK/back"

# ---- nothing that goes wrong here ends a training
mkdir -p full && ln -s /dev/full full/events.out.tfevents.9999999998.x
run train --data text.txt --run full "${TINY[@]}" --no-report
done_with "foreign event files in the folder do not matter" 0
finish
