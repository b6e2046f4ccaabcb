#!/usr/bin/env bash
# Files of earlier versions load and mean what they meant: a run that 0.1.0 itself wrote and left half-way goes on, is replayed, scored
# and sampled from, and gives the figures that 0.1.0 gave (written_by_0_1_0/README.md).
. "$(dirname "$0")/lib.sh"
OLD=$3

# The text that 0.1.0 was given; a run knows it by its hash.
awk 'BEGIN { split("and or but nor", w); for (i = 0; i < 90; i++) printf "one two %s three %s\n", w[i * i % 4 + 1], w[i % 3 + 1] }' >text.txt
# half_run DIR: what 0.1.0 left half-way, in a new folder.
half_run() {
    mkdir "$1"
    cp "$OLD/config" "$OLD/metrics.jsonl" "$1"
    local name
    for name in last best; do base64 -d "$OLD/$name.safetensors.gz.base64" | gunzip >"$1/$name.safetensors"; done
}

# The reference engine computes in double precision, in one order on every processor: on x86-64 it gives all digits that 0.1.0 gave.
# Its weights are rounded to single precision after each step, so another C library's exp, or products that are fused with sums, may
# make a last bit another one (6e-8). The CPU engine computes in single precision, in an order that depends on the instruction set, as
# 0.1.0's did: over the 80 steps it comes within 1e-6 of the reference engine.
declare -A TOLERANCE=([reference]=1e-6 [cpu]=1e-5)

# same_figures OLD NEW TOLERANCE: NEW has every line of OLD, known by event and step, with the same values, speeds and device aside.
same_figures() {
    awk -v tolerance="$3" '
    function differ(a, b,  d) {
        if (a == b) return 0
        if (a !~ /^-?[0-9]/ || b !~ /^-?[0-9]/) return 1
        d = a - b
        return (d < 0 ? -d : d) > tolerance * (b < 0 ? -b : b)
    }
    function read_line(pair, at) { # into value[name]
        split("", value)
        while (match($0, /"[a-z_]+":("[^"]*"|[^,}]*)/)) {
            pair = substr($0, RSTART, RLENGTH)
            $0 = substr($0, RSTART + RLENGTH)
            at = index(pair, ":")
            value[substr(pair, 1, at - 1)] = substr(pair, at + 1)
        }
        return value["\"event\""] " " value["\"step\""]
    }
    { line = read_line() }
    FNR == NR { lines[line] = 1; for (name in value) old[line, name] = value[name]; next }
    line in lines {
        delete lines[line]
        found++
        for (pair in old) {
            split(pair, part, SUBSEP)
            if (part[1] != line || part[2] ~ /"(tokens_per_s|seconds|device)"/) continue
            if (!(part[2] in value) || differ(value[part[2]], old[pair])) { print line, part[2], value[part[2]], "not", old[pair]; bad = 1 }
        }
    }
    END {
        for (line in lines) { print line, "is missing"; bad = 1 }
        exit bad || !found
    }' "$1" "$2"
}
has() { grep -qx -e "$2" "$1/config"; }
value_of() { sed -n "$2s/.*\"$3\":\([^,}]*\).*/\1/p" "$1"; }

for device in reference cpu; do
    half_run on-$device
    run train --resume on-$device --device $device
    done_with "$device: a run of 0.1.0 goes on" 0
    must "from where it stood" grep -qx 'resumed at step 24, epoch 1' "$OUT"
    must "and ends as 0.1.0 ended it" same_figures "$OLD/end.jsonl" on-$device/metrics.jsonl "${TOLERANCE[$device]}"
    must "its config is known to be perplex's" test "$(grep -c 'not as perplex writes it' "$OUT")" = 0
    for setting in 'cell = relu' 'init = uniform' 'lr-scaling = none' 'embed = 2'; do
        must "and says $setting from now on" has on-$device "$setting"
    done
    run eval --split-of on-$device test --device $device --json
    must "the best model scores the test text as 0.1.0's did" \
        near "$(json loss)" "$(value_of "$OLD/end.jsonl" '$' test_loss_zero)" "${TOLERANCE[$device]}"

    run train --config "$OLD/config" --data text.txt --run new-$device --device $device
    done_with "$device: a configuration of 0.1.0 is replayed" 0
    must "and gives what 0.1.0 gave" same_figures "$OLD/end.jsonl" new-$device/metrics.jsonl "${TOLERANCE[$device]}"
    for setting in 'cell = relu' 'init = uniform' 'lr-scaling = none' 'embed = 2'; do
        must "with $setting" has new-$device "$setting"
    done
done

sed 's/^nonlinearity = relu/nonlinearity = tanh/' "$OLD/config" >tanh.config
run train --config tanh.config --data text.txt --max-steps 24 --schedule-steps 80 --run tanh
run train --config "$OLD/config" --data text.txt --max-steps 24 --schedule-steps 80 --run relu
must "tanh is called so, too" has tanh 'cell = tanh'
must "it is another cell" test "$(value_of tanh/metrics.jsonl '$' best_valid_loss)" != "$(value_of relu/metrics.jsonl '$' best_valid_loss)"
run train --config tanh/config --data text.txt --run again
must "and the new file says the same" same_metrics tanh/metrics.jsonl again/metrics.jsonl
half_run renamed
cp tanh.config renamed/config
run train --resume renamed
must "a folder's config is perplex's with tanh, too" test "$(grep -c 'not as perplex writes it' "$OUT")" = 0

half_run half
for device in reference cpu; do
    run eval --model half/last.safetensors --data text.txt --device $device --json
    must "$device: a model of 0.1.0 scores a text as it did" near "$(json loss)" "$(value_of "$OLD/eval.jsonl" 1 loss)" "${TOLERANCE[$device]}"
    run eval --split-of half valid --device $device --json
    must "and the text that its run held back" near "$(json loss)" "$(value_of "$OLD/eval.jsonl" 2 loss)" "${TOLERANCE[$device]}"
    run sample --model half/last.safetensors --length 40 --seed 3 --device $device
    must "and draws the same text" cmp "$OUT" "$OLD/sample.txt"
done
refuses "a run of 0.1.0 keeps one rate for all tensors" 2 '--lr-scaling mup: the run was started with .none.' train --resume half --lr-scaling mup
finish
