#!/bin/sh
# The real program with --device cuda, the simulated engine loaded as its module: program_test.sh PROGRAM MODULE NVML.
# Training, resume, checkpoints between devices, and what a person is told where there is no GPU.
set -u
program=$1
export PERPLEX_CUDA_MODULE="$2"
nvml=$3 # the folder of a libnvidia-ml.so.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "FAILED: $*"
    [ ! -s "$work/out" ] || sed 's/^/    /' "$work/out"
    failures=$((failures + 1))
}
# expect STATUS WHAT COMMAND...: runs it, everything it prints goes to $work/out.
expect() {
    want=$1 what=$2
    shift 2
    "$@" >"$work/out" 2>&1
    got=$?
    [ "$got" -eq "$want" ] || fail "$what: exit status $got, not $want"
}
says() {
    grep -q -e "$1" "$work/out" || fail "$what: does not say \"$1\""
}
# shellcheck disable=SC2317 # called through expect
train() {
    "$program" train --data "$work/text" --level byte --split 0.8,0.2,0 --hidden 9 --layers 2 --embed 5 --dropout 0.3 --optimizer adam --lr 0.01 \
        --clip 1 --batch 3 --steps 7 --seed 4 "$@"
}

i=0
while [ $i -lt 60 ]; do
    echo "line $i says what $((i * i)) lines before it had not said" >>"$work/text"
    i=$((i + 1))
done

expect 0 "the list of devices" "$program" info --devices
says "cuda:0 *Simulated GPU, capability 9.0"
expect 0 "a training" train --device cuda --max-steps 12 --checkpoint-every 6 --run "$work/whole"
says "cuda:0 Simulated GPU"
expect 0 "its first half" train --device cuda --max-steps 6 --schedule-steps 12 --run "$work/parts"
expect 0 "its second half" "$program" train --resume "$work/parts" --max-steps 12
expect 0 "evaluation on the GPU" "$program" eval --model "$work/whole/last.safetensors" --data "$work/text" --json
expect 0 "the same, resumed" "$program" eval --model "$work/parts/last.safetensors" --data "$work/text" --json --per-token "$work/parts.tsv" --device cuda
expect 0 "the same, whole" "$program" eval --model "$work/whole/last.safetensors" --data "$work/text" --json --per-token "$work/whole.tsv" --device cuda
cmp -s "$work/whole.tsv" "$work/parts.tsv" || fail "a resumed training on the GPU is not bitwise the uninterrupted one"
expect 0 "a GPU's checkpoint goes on on the CPU" "$program" train --resume "$work/parts" --device cpu --max-steps 14
expect 0 "and back" "$program" train --resume "$work/parts" --device cuda --max-steps 16
expect 0 "sampling" "$program" sample --model "$work/parts/last.safetensors" --device cuda --prompt "line" --length 20 --seed 1
cp "$work/out" "$work/sampled"
expect 0 "sampling on the CPU" "$program" sample --model "$work/parts/last.safetensors" --device cpu --prompt "line" --length 20 --seed 1
cmp -s "$work/out" "$work/sampled" || fail "the same seed samples another text on the GPU"

# A model that learns from what it is scored on, and one that a run begins from
for method in sgd rms; do
    for device in cuda cpu; do
        settings="--dynamic 0.03"
        [ $method = sgd ] || settings="--dynamic 0.001 --dynamic-method rms --train-text $work/text"
        # shellcheck disable=SC2086
        expect 0 "dynamic evaluation, $method, $device" "$program" eval --model "$work/whole" --data "$work/text" $settings \
            --per-token "$work/$device.tsv" --device $device
    done
    paste "$work/cuda.tsv" "$work/cpu.tsv" | awk -F '\t' '{ d = $2 - $4; if (d < 0) d = -d; if (d > 1e-3) bad = 1 } END { exit bad || NR < 1000 }' ||
        fail "dynamic evaluation by $method gives other probabilities on the GPU"
done
expect 0 "a run from a model" train --device cuda --init-from "$work/whole" --init-moments --lr-min 1 --max-steps 3 --run "$work/from"
expect 0 "the same on the CPU" train --device cpu --init-from "$work/whole" --init-moments --lr-min 1 --max-steps 3 --run "$work/from-cpu"
for run in from from-cpu; do
    expect 0 "its probabilities" "$program" eval --model "$work/$run" --data "$work/text" --per-token "$work/$run.tsv" --device cpu
done
paste "$work/from.tsv" "$work/from-cpu.tsv" | awk -F '\t' '{ d = $2 - $4; if (d < 0) d = -d; if (d > 1e-3) bad = 1 } END { exit bad || NR < 1000 }' ||
    fail "a run from a model is another on the GPU"
expect 0 "the plan" train --device cuda --wavefront 2 --dry-run --run "$work/none"
says "recurrence step, wavefront of 2 steps"
expect 0 "a piece as long as the window" train --device cuda --wavefront 7 --dry-run --run "$work/none"
says "wavefront 7 has no effect"

# Variants of the recurrence: what auto became is kept with the run, and what a run has is what its resume takes.
grep -q "^recurrence = step" "$work/whole/config" || fail "the run does not keep what auto became"
grep -q "^wavefront = off" "$work/whole/config" || fail "the run does not keep what auto became"
expect 0 "another variant" train --device cuda --recurrence fused --max-steps 12 --checkpoint-every 6 --run "$work/fused"
says "recurrence fused"
expect 0 "its first half" train --device cuda --recurrence fused --max-steps 6 --schedule-steps 12 --run "$work/fused-parts"
expect 0 "its second half" "$program" train --resume "$work/fused-parts" --max-steps 12
says "recurrence fused"
expect 0 "the variant whole" "$program" eval --model "$work/fused/last.safetensors" --data "$work/text" --per-token "$work/whole.tsv" --device cuda
expect 0 "the variant resumed" "$program" eval --model "$work/fused-parts/last.safetensors" --data "$work/text" --per-token "$work/parts.tsv" --device cuda
cmp -s "$work/whole.tsv" "$work/parts.tsv" || fail "a resumed training with --recurrence fused is not bitwise the uninterrupted one"
expect 2 "a variant that the CPU has not" "$program" train --resume "$work/fused-parts" --device cpu --max-steps 14
says "has no --recurrence fused; it has auto, step"
expect 0 "pieces of the window on chip" train --device cuda --recurrence persistent --wavefront 3 --max-steps 12 --checkpoint-every 6 --run "$work/persistent"
says "recurrence persistent, wavefront of 3 steps"
expect 0 "its first half" train --device cuda --recurrence persistent --wavefront 3 --max-steps 6 --schedule-steps 12 --run "$work/persistent-parts"
expect 0 "its second half" "$program" train --resume "$work/persistent-parts" --max-steps 12
says "recurrence persistent, wavefront of 3 steps"
expect 0 "the window whole" "$program" eval --model "$work/persistent/last.safetensors" --data "$work/text" --per-token "$work/whole.tsv" --device cuda
expect 0 "the pieces resumed" "$program" eval --model "$work/persistent-parts/last.safetensors" --data "$work/text" --per-token "$work/parts.tsv" --device cuda
cmp -s "$work/whole.tsv" "$work/parts.tsv" || fail "a resumed training with --recurrence persistent --wavefront 3 is not bitwise the uninterrupted one"
for device in cpu cuda; do
    "$program" bench --json --device $device --work decode --hidden 8 --vocab 28 --batch 2 --case-seconds 0.05 >"$work/$device.json" 2>"$work/error" || fail "bench --work decode on $device: $(cat "$work/error")"
    tr -d '\n' <"$work/$device.json" | grep -o '"losses":[^]]*' | grep -oE '[0-9]+\.[0-9]+' >"$work/$device.losses"
done
# the slower of the two keeps fewer losses
paste "$work/cpu.losses" "$work/cuda.losses" | awk 'NF == 2 { both++; d = $1 - $2; if (d < 0) d = -d; if (d > 1e-5) bad = 1 } END { exit bad || both < 2 }' ||
    fail "decoding on the GPU has other losses than on the CPU: $(paste "$work/cpu.losses" "$work/cuda.losses")"
[ $(($(sed -nE 's/^.*"steps_per_round":[[:space:]]*([0-9]+).*$/\1/p' "$work/cuda.json") % 32)) -eq 0 ] || fail "bench does not decode as sample does, up to 32 tokens at once"
PERPLEX_FAKE_LOST_STORE=5000 expect 1 "a state that never arrives" train --device cuda --recurrence persistent --max-steps 12 --run "$work/lost"
says "recurrence_persistent_kernel (forward): block [0-9]* waited in vain at its step [0-9]* of 7 for the state"
says "recurrence step does without"
expect 2 "a wavefront on the CPU" "$program" train --resume "$work/persistent-parts" --device cpu --recurrence step --max-steps 14
says "has no --wavefront 3; use --wavefront off, or a GPU"
expect 0 "none on the CPU" "$program" train --resume "$work/persistent-parts" --device cpu --recurrence step --wavefront off --max-steps 14
expect 2 "no number of steps" train --device cuda --wavefront 0 --max-steps 2 --run "$work/none"
says "auto, off, or a whole number of steps from 1"
expect 2 "one layer" train --device cuda --wavefront 3 --layers 1 --max-steps 2 --run "$work/none"
says "takes two layers or more"
expect 0 "one that it has" "$program" train --resume "$work/fused-parts" --device cpu --recurrence step --max-steps 14
expect 2 "a variant that there is not" train --device cuda --recurrence wavefront --max-steps 2 --run "$work/none"
says "auto, step"
export PERPLEX_FAKE_MULTIPROCESSORS=8
expect 0 "the window on the grid" train --device cuda --recurrence grid --max-steps 8 --checkpoint-every 4 --run "$work/grid"
says "recurrence grid"
expect 2 "layers on the grid that it cannot hold side by side" train --device cuda --recurrence grid --wavefront 3 --layers 3 --max-steps 2 --run "$work/none"
says "3 layers on the grid side by side take 12 multiprocessors, and it has 8; use --wavefront off"
expect 0 "its first half" train --device cuda --recurrence grid --max-steps 4 --schedule-steps 8 --run "$work/grid-parts"
expect 0 "its second half" "$program" train --resume "$work/grid-parts" --max-steps 8
expect 0 "the grid whole" "$program" eval --model "$work/grid/last.safetensors" --data "$work/text" --per-token "$work/whole.tsv" --device cuda
expect 0 "the grid resumed" "$program" eval --model "$work/grid-parts/last.safetensors" --data "$work/text" --per-token "$work/parts.tsv" --device cuda
cmp -s "$work/whole.tsv" "$work/parts.tsv" || fail "a resumed training with --recurrence grid is not bitwise the uninterrupted one"
expect 2 "no tensor cores" train --device cuda --recurrence wide --max-steps 2 --run "$work/none"
says "precision tf32 or bf16"
expect 0 "wide products" train --device cuda --recurrence wide --precision bf16 --max-steps 8 --checkpoint-every 4 --run "$work/wide"
says "recurrence wide"
expect 0 "its first half" train --device cuda --recurrence wide --precision bf16 --max-steps 4 --schedule-steps 8 --run "$work/wide-parts"
expect 0 "its second half" "$program" train --resume "$work/wide-parts" --max-steps 8
expect 0 "wide whole" "$program" eval --model "$work/wide/last.safetensors" --data "$work/text" --per-token "$work/whole.tsv" --device cuda
expect 0 "wide resumed" "$program" eval --model "$work/wide-parts/last.safetensors" --data "$work/text" --per-token "$work/parts.tsv" --device cuda
cmp -s "$work/whole.tsv" "$work/parts.tsv" || fail "a resumed training with --recurrence wide is not bitwise the uninterrupted one"
unset PERPLEX_FAKE_MULTIPROCESSORS
expect 2 "too few multiprocessors" "$program" train --resume "$work/grid-parts" --max-steps 10
says "more multiprocessors than this GPU has"
expect 0 "gates on chip" train --device cuda --cell lstm --recurrence persistent --max-steps 8 --checkpoint-every 4 --run "$work/gates"
says "recurrence persistent"
expect 0 "its first half" train --device cuda --cell lstm --recurrence persistent --max-steps 4 --schedule-steps 8 --run "$work/gates-parts"
expect 0 "its second half" "$program" train --resume "$work/gates-parts" --max-steps 8
expect 0 "gates whole" "$program" eval --model "$work/gates/last.safetensors" --data "$work/text" --per-token "$work/whole.tsv" --device cuda
expect 0 "gates resumed" "$program" eval --model "$work/gates-parts/last.safetensors" --data "$work/text" --per-token "$work/parts.tsv" --device cuda
cmp -s "$work/whole.tsv" "$work/parts.tsv" || fail "a resumed LSTM with --recurrence persistent is not bitwise the uninterrupted one"
expect 2 "a variant for other cells" train --device cuda --recurrence fused --cell lstm --max-steps 2 --run "$work/none"
says "cells of one gate"

# The output layer's products through cuBLASLt: other sums, the same run in parts, and who has no such thing says so.
expect 0 "cublaslt" train --device cuda --products cublaslt --max-steps 8 --checkpoint-every 4 --run "$work/lt"
says "head by cuBLASLt"
expect 0 "its first half" train --device cuda --products cublaslt --max-steps 4 --schedule-steps 8 --run "$work/lt-parts"
expect 0 "its second half" "$program" train --resume "$work/lt-parts" --max-steps 8
says "head by cuBLASLt"
expect 0 "cublas" train --device cuda --max-steps 8 --run "$work/no-lt"
grep -q "^products = cublas$" "$work/no-lt/config" || fail "the run does not keep what auto became"
for run in lt lt-parts no-lt; do
    expect 0 "its probabilities" "$program" eval --model "$work/$run/last.safetensors" --data "$work/text" --per-token "$work/$run.tsv" --device cuda
done
cmp -s "$work/lt.tsv" "$work/lt-parts.tsv" || fail "a resumed training with --products cublaslt is not bitwise the uninterrupted one"
paste "$work/lt.tsv" "$work/no-lt.tsv" | awk -F '\t' '{ d = $2 - $4; if (d < 0) d = -d; if (d > 0) other = 1; if (d > 1e-3) bad = 1 } END { exit bad || !other || NR < 1000 }' ||
    fail "--products cublaslt trains another model, or by the same sums"
expect 2 "cublaslt on the CPU" "$program" train --resume "$work/lt-parts" --device cpu --recurrence step --max-steps 10
says "has no --products cublaslt; use --products cublas, or a GPU"
expect 2 "another output layer" train --device cuda --products cublaslt --output adaptive --cutoffs 10 --max-steps 2 --run "$work/none"
says "not for --output adaptive; use --products cublas"
PERPLEX_FAKE_LT_REFUSES=1 expect 2 "no algorithm" train --device cuda --products cublaslt --max-steps 2 --run "$work/none"
says "no algorithm for the output layer's product of [0-9]* x [0-9]* x 9 on this GPU.*use --products cublas"
expect 0 "a measurement" "$program" bench --device cuda --products cublaslt --hidden 8 --batch 2 --steps 4 --spread 0.9 --case-seconds 0.1 --json
algorithm='{"id":21,"tile":2,"stages":2,"split_k":1}'
tr -d ' \t\n' <"$work/out" | grep -qF "\"products\":\"cublaslt\",\"algorithms\":{\"logits\":$algorithm,\"d_input\":$algorithm,\"d_weights\":$algorithm}" ||
    fail "bench does not name the algorithms"

# What words have of their own, and an output layer of clusters: on both devices, and in two parts.
# words NAME FLAGS...
words() {
    name=$1
    shift
    for run in whole parts cpu; do
        case $run in whole) device=cuda last=8 ;; parts) device=cuda last=4 ;; cpu) device=cpu last=8 ;; esac
        expect 0 "$name, $run" "$program" train --data "$work/text" --level word --split 0.8,0.2,0 --hidden 9 --layers 2 --embed 5 --lr 0.02 --clip 1 \
            --batch 3 --steps 6 --seed 4 "$@" --device $device --schedule-steps 8 --max-steps $last --run "$work/$name-$run"
    done
    expect 0 "$name, its second half" "$program" train --resume "$work/$name-parts" --max-steps 8
    for run in whole parts cpu; do
        expect 0 "$name, probabilities of $run" "$program" eval --model "$work/$name-$run/last.safetensors" --data "$work/text" --per-token "$work/$run.tsv" --device cpu
    done
    cmp -s "$work/whole.tsv" "$work/parts.tsv" || fail "$name: a resumed training is not bitwise the uninterrupted one"
    paste "$work/whole.tsv" "$work/cpu.tsv" | awk -F '\t' '{ d = $2 - $4; if (d < 0) d = -d; if (d > most) most = d } END { print most, NR; exit most > 1e-4 || NR < 400 }' >"$work/out" ||
        fail "$name: another training than on the CPU: $(cat "$work/out")"
}
words regularised --steps-jitter 2 --dropout-embedding 0.2 --penalty-activation 2 --penalty-temporal 1 --tied
words adaptive --hidden 16 --output adaptive --cutoffs 10,40

# docs/recipes.md, "Bytes on a GPU", in a small form
expect 0 "the recipe for a GPU" "$program" train --data "$work/text" --run "$work/recipe" --device cuda --precision bf16 --cell lstm --hidden 16 --layers 2 \
    --dropout 0.2 --batch 8 --steps 8 --epochs 2 --lr 6e-3
says "^test: perplexity [0-9]"

expect 0 "a measurement" "$program" bench --device cuda --recurrence fused --wavefront 2 --layers 2 --hidden 8 --batch 2 --steps 4 --spread 0.9 --case-seconds 0.1 --json
tr -d ' \t\n' <"$work/out" | grep -q '"recurrence":"fused","wavefront":2,' || fail "bench does not name the variant and the wavefront"

# Energy: the stand-in for NVIDIA's library counts one joule between two looks, around so many times n T steps_per_round tokens.
bench() { "$program" bench --device cuda --hidden 8 --batch 2 --steps 4 --spread 0.9 --case-seconds 0.1 --json; }
number_of() { sed -nE "s/^.*\"$1\":[[:space:]]*([0-9.e+-]+),?\$/\1/p" "$work/out"; }
LD_LIBRARY_PATH=$nvml
export LD_LIBRARY_PATH
expect 0 "energy" bench
unset LD_LIBRARY_PATH
says '"counter":.*"NVML"'
awk -v joules="$(number_of joules_per_token)" -v steps="$(number_of steps_per_round)" \
    'BEGIN { times = 1 / (joules * 2 * 4 * steps); off = times - int(times + 0.5); exit !(times > 0.5 && off < 1e-6 && off > -1e-6) }' ||
    fail "joules per token are not those that the stand-in counted"
if ! ldconfig -p 2>/dev/null | grep -q libnvidia-ml; then
    expect 0 "no energy" bench
    says '"not_counted":.*libnvidia-ml.so.1 is not there'
    says '"joules_per_token":[[:space:]]*null'
fi

export PERPLEX_FAKE_DRIVER=0
expect 2 "cuda without a driver" train --device cuda --max-steps 2 --run "$work/none"
says "no NVIDIA driver is installed"
says "--device cpu"
[ ! -e "$work/none" ] || fail "a run folder was left behind"
expect 0 "auto without a driver" train --device auto --max-steps 2 --run "$work/auto"
unset PERPLEX_FAKE_DRIVER
expect 2 "a GPU that is not there" train --device cuda:3 --max-steps 2 --run "$work/none"
says "only 1 GPU"
PERPLEX_FAKE_MEMORY=1000000
export PERPLEX_FAKE_MEMORY
expect 1 "a GPU that is too small" train --device cuda --max-steps 2 --run "$work/none"
says "MiB asked for"
unset PERPLEX_FAKE_MEMORY
PERPLEX_CUDA_MODULE=$work/nowhere.so
expect 2 "a module that is not there" train --device cuda --max-steps 2 --run "$work/none"
says "there is no such file"
PERPLEX_CUDA_MODULE=$work/text
expect 2 "a module that is none" train --device cuda --max-steps 2 --run "$work/none"
says "cannot be loaded"
exit "$([ "$failures" -eq 0 ]; echo $?)"
