#!/usr/bin/env bash
# The GPU rounds: one command each on a bare machine with an NVIDIA GPU, the CUDA toolkit, CMake and Python (PyTorch for the peers).
#
#   bench/gpu.sh right OUT [PART...]   builds for the GPU at hand and asks whether all is right: every test of kernels and engine, the
#                                      device functions beside their plain C++ twins, compute-sanitizer, resuming, two ranks
#   bench/gpu.sh speed OUT [PART...]   builds, and times kernel by kernel and variant by variant, whole steps (perplex bench), and the
#                                      size from which the GPU is worth it
#   bench/gpu.sh peers OUT [PART...]   builds, and measures beside PyTorch: eager, in a CUDA graph, compiled
#
# A part that fails does not stop the others; OUT/summary.json and the last lines say what passed, failed or was skipped, and why.
# A round ends within PERPLEX_GPU_SECONDS [530]: what no time is left for is skipped, and listed as that. Rounds share a build folder:
# on a machine that is kept, the second builds nothing.
#
#   PERPLEX_GPU_DEBS   a folder of .deb files to unpack (not install) for the libraries of the host part: libcjson-dev and
#                      libcjson1, libutf8proc-dev and libutf8proc2 or 3, libxxhash-dev and libxxhash0, libcmocka-dev and libcmocka0
#   PERPLEX_GPU_BUILD  the build folder [build/gpu]
#   PERPLEX_GPU_DEVICE [cuda:0]
#   PERPLEX_TORCH_PYTHON  an interpreter with PyTorch [python3]
#
# OUT gets summary.json and logs.tar.gz; of `right` precision.json; of `speed` kernels.json, bench.json, decoding.json and crossover.json; of `peers`
# peers-fp32.json, peers-tf32.json, peers-bf16.json and targets.json (each speed target: met, missed or not measured).
set -u
export LC_ALL=C # numbers with a point, whatever the user's language

usage() {
    sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p}' "$0"
}

case "${1:-}" in
    "" | -h | --help)
        usage
        [ -n "${1:-}" ]
        exit $(($? * 2))
        ;;
esac

round=$1
case $round in
    right | speed | peers) ;;
    *)
        echo "gpu.sh: $round: no such round; there are right, speed and peers (--help)" >&2
        exit 2
        ;;
esac
[ -n "${2:-}" ] || { echo "gpu.sh: $round: a folder for the results is missing (--help)" >&2; exit 2; }
out=$2
shift 2
wanted=" $* "
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
build=${PERPLEX_GPU_BUILD:-$root/build/gpu}
device=${PERPLEX_GPU_DEVICE:-cuda:0}
python=${PERPLEX_TORCH_PYTHON:-python3}
limit=${PERPLEX_GPU_SECONDS:-530}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
mkdir -p "$build"
cores=$(nproc)
rows="" # of summary.json
failures=0
cd "$root" || exit 2

# ---- parts -----------------------------------------------------------------------------------------------------------

# Text as a JSON string.
quote() {
    printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\010\013-\037' | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

# note NAME STATUS SECONDS REASON: one row, and a line to the terminal.
note() {
    printf '%-28s %-8s %5s s  %s\n' "$1" "$2" "$3" "$4"
    rows="$rows${rows:+,
}  {\"part\": $(quote "$1"), \"status\": \"$2\", \"seconds\": $3, \"reason\": $(quote "$4")}"
    if [ "$2" = failed ]; then failures=$((failures + 1)); fi
}

# part NAME SECONDS COMMAND...: runs it under that limit and what is left of the whole; its output goes to a log. A command that
# ends with 77 was skipped, and its last line says why.
part() {
    local name=$1 most=$2 left start status took reason
    shift 2
    if [ "$wanted" != "  " ] && [ "${wanted#* "$name" }" = "$wanted" ]; then return 0; fi
    left=$((limit - SECONDS))
    if [ "$left" -lt 5 ]; then
        note "$name" skipped 0 "no time left of $limit s"
        return 0
    fi
    if [ "$most" -gt "$left" ]; then most=$left; fi
    start=$SECONDS
    timeout -k 5 "$most" "$@" >"$logs/$name.log" 2>&1
    status=$?
    took=$((SECONDS - start))
    reason=$(grep -av '^[[:space:]]*$' "$logs/$name.log" | tail -n 1 | cut -c 1-300)
    case $status in
        0) note "$name" passed "$took" "" ;;
        77) note "$name" skipped "$took" "$reason" ;;
        124 | 137) note "$name" failed "$took" "not done after $most s" ;;
        *) note "$name" failed "$took" "exit $status: $reason" ;;
    esac
    return 0
}

skip() {
    echo "SKIP: $*"
    exit 77
}

# ---- what runs -------------------------------------------------------------------------------------------------------

machine() {
    nvidia-smi || skip "no nvidia-smi; is there a GPU?"
    nvidia-smi -q -d CLOCK,POWER,PERFORMANCE
    lscpu
    nvcc --version
    cmake --version
}

# The host part's libraries, unpacked into the build folder.
unpack() {
    [ -n "${PERPLEX_GPU_DEBS:-}" ] || skip "PERPLEX_GPU_DEBS names no folder: the libraries of this machine are used"
    local deb found=0
    for deb in "$PERPLEX_GPU_DEBS"/*.deb; do
        [ -e "$deb" ] || continue
        dpkg -x "$deb" "$build/libraries" || return 1
        found=$((found + 1))
    done
    echo "unpacked $found packages"
    [ "$found" -gt 0 ]
}

compile() {
    cmake -S "$root" -B "$build/tree" -DCMAKE_BUILD_TYPE=Release -DPERPLEX_CUDA=ON -DPERPLEX_CUDA_NATIVE=ON \
        -DCMAKE_PREFIX_PATH="$build/libraries/usr" || return 1
    # the tests of the simulator belong to machines without a GPU
    local targets="perplex perplex_cuda"
    case $round in
        right) targets="$targets test_cuda_kernels_gpu test_cuda_conformance kernel_cases_gpu test_parity test_evaluation test_update test_state test_dropout test_precision test_drift" ;;
        speed) targets="$targets kernel_cases_gpu" ;;
    esac
    # shellcheck disable=SC2086 # a list of targets
    cmake --build "$build/tree" -j "$cores" --target $targets
}

program=$build/tree/perplex
tests=$build/tree/tests

devices() {
    "$program" info --devices
    "$program" info --devices --json
}

conformance() {
    "$tests/test_cuda_conformance"
}

kernels() {
    "$tests/test_cuda_kernels_gpu"
}

# Every variant of every kernel on one list of cases, each in a process of its own, checked; `kernel_speeds` times them.
cases() {
    "$root/bench/kernels.sh" "$tests/kernel_cases_gpu"
}

kernel_speeds() {
    "$tests/kernel_cases_gpu" --time --json >"$out/kernels.json"
}

# One of the programs that hold an engine to the reference.
engine() {
    "$tests/test_$1" "$device"
}

sanitizer() {
    command -v compute-sanitizer >/dev/null || skip "no compute-sanitizer in PATH"
    compute-sanitizer --tool "$1" --error-exitcode 1 "$tests/test_cuda_kernels_gpu" || return 1
    # plain launches: each kernel is then named by its own phase
    PERPLEX_CUDA_GRAPHS=0 compute-sanitizer --tool "$1" --error-exitcode 1 "$tests/test_parity" "$device" "step: *two layers*"
}

# Speed targets: h = 512 and 1024, T = 64, n from 1 to 256; in each precision.
measure() {
    "$program" bench --json --device "$device" --sweep hidden=512,1024 --sweep batch=1,16,64,128,256 --sweep steps=64 --sweep vocab=28,10000 \
        --sweep precision=fp32,tf32,bf16 >"$out/bench.json"
}

# The same steps with each variant of the recurrence by name: what `auto` should have chosen.
variants() {
    local variant
    for variant in step fused grid persistent; do
        "$program" bench --json --device "$device" --recurrence "$variant" --sweep hidden=128,256,512 --sweep batch=1,32 --sweep steps=64 \
            --sweep vocab=28 --sweep precision=fp32,bf16 >"$logs/variants-$variant.json" && continue
        [ "$variant" = persistent ] || return 1
        echo "persistent: not on this GPU" # it needs clusters of blocks
        return 0
    done
    # slower is a finding, not a failure
    "$program" bench --compare "$logs/variants-step.json" "$logs/variants-fused.json" || true
    "$program" bench --compare "$logs/variants-step.json" "$logs/variants-grid.json" || true
    "$program" bench --compare "$logs/variants-step.json" "$logs/variants-persistent.json" || true
}

# Windows on the chip with as many streams as come in waves: by clusters of up to 8 and of up to 32.
variants_wide() {
    local variant
    for variant in step persistent wide; do
        "$program" bench --json --device "$device" --recurrence "$variant" --sweep hidden=512,1024 --sweep batch=64,128,256 --steps 64 --vocab 28 \
            --precision bf16 >"$logs/variants-wide-$variant.json" && continue
        [ "$variant" != step ] || return 1
        skip "$variant: not on this GPU"
    done
    "$program" bench --compare "$logs/variants-wide-step.json" "$logs/variants-wide-persistent.json" || true
    "$program" bench --compare "$logs/variants-wide-persistent.json" "$logs/variants-wide-wide.json" || true
}

# The same for cells with gates, as wide as fit on the chip.
variants_gates() {
    local cell variant
    for cell in gru lstm; do
        for variant in step persistent; do
            "$program" bench --json --device "$device" --cell "$cell" --recurrence "$variant" --sweep hidden=256,512 --sweep batch=1,32 --steps 64 \
                --vocab 28 --precision bf16 >"$logs/variants-$cell-$variant.json" && continue
            [ "$variant" = persistent ] || return 1
            skip "persistent: not on this GPU"
        done
        "$program" bench --compare "$logs/variants-$cell-step.json" "$logs/variants-$cell-persistent.json" || true
    done
}

# The same steps with kernels that come to the device while the one before them ends.
dependent_launches() {
    local dependent variant
    for variant in step persistent; do
        for dependent in 0 1 0 1; do # in turns; the last of each are compared
            PERPLEX_CUDA_DEPENDENT_LAUNCHES=$dependent "$program" bench --json --device "$device" --recurrence "$variant" --hidden 512 \
                --sweep batch=1,32 --steps 35 --vocab 28 --sweep precision=fp32,bf16 --case-seconds 0.5 >"$logs/dependent-$variant-$dependent.json" ||
                skip "$variant: not on this GPU"
        done
        "$program" bench --compare "$logs/dependent-$variant-0.json" "$logs/dependent-$variant-1.json" || true
    done
}

# Three layers side by side, and one after the other: whether `auto` should take a wavefront for few streams.
wavefront() {
    local steps
    for steps in off 8 16; do
        "$program" bench --json --device "$device" --recurrence persistent --wavefront "$steps" --layers 3 --hidden 512 --steps 64 --sweep batch=1,16,64 \
            --vocab 28 --precision bf16 >"$logs/wavefront-$steps.json" || skip "persistent: not on this GPU"
    done
    "$program" bench --compare "$logs/wavefront-off.json" "$logs/wavefront-8.json" || true
    "$program" bench --compare "$logs/wavefront-off.json" "$logs/wavefront-16.json" || true
}

# Sampling as the engine does it, a text and many at once, and as it was before the device drew: the host reads every token's
# probabilities.
decoding() {
    "$program" bench --json --device "$device" --work decode,next --hidden 512 --vocab 64 --sweep batch=1,256 --sweep precision=fp32,bf16 >"$out/decoding.json"
}

# The output layer's products by both libraries: whether `auto` should take cuBLASLt.
products() {
    local precision library
    for precision in bf16 tf32 fp32; do
        for library in cublas cublaslt; do
            "$program" bench --json --device "$device" --work head --products "$library" --precision "$precision" --hidden 512 --batch 32 --steps 64 \
                --sweep vocab=10000,33278 --case-seconds 1 >"$logs/products-$precision-$library.json" || return 1
        done
        "$program" bench --compare "$logs/products-$precision-cublas.json" "$logs/products-$precision-cublaslt.json" || true
    done
}

# The GPU beside the CPU engine of the same machine: the ratio, and the size from which it is worth it.
crossover() {
    "$program" bench --json --device "cpu,$device" --sweep hidden=64,256,1024 --sweep batch=32 --sweep steps=35 --sweep vocab=28 >"$out/crossover.json"
}

peers() {
    [ -f bench/peers/run.py ] || skip "bench/peers/run.py is not there"
    "$python" -c 'import torch; assert torch.cuda.is_available()' || skip "$python has no PyTorch that sees a GPU"
    local chip=
    [ "$1" = bf16 ] && chip=,gru-chip,lstm-chip # 512 units fit on the chip in bf16 alone
    # compiling takes half a minute each: that variant joins where $2 says, the one in a CUDA graph everywhere
    "$python" bench/peers/run.py --perplex "$program" --torch-python "$python" --device "$device" --precision "$1" --threads 1 --rounds 3 --seconds 0.3 \
        --cases chars,chars-256,wide,one-stream,gpu-512-32,gpu-512-64,gpu-512-128,gpu-512-256,gpu-1024-32,gpu-1024-128,gru,lstm$chip \
        --variants rnn,rnn-graph,rnn-compile --compile-cases "$2" --out "$logs/peers-$1"
    local status=$?
    cp "$logs/peers-$1/peers.json" "$out/peers-$1.json"
    return $status
}

# Each speed target by itself, from what the peers' parts have measured; one that is missed or was not measured fails the part.
targets() {
    "$python" - "$out/targets.json" "$out" <<'END'
import json, os, sys
wanted = {(p, f"gpu-{h}-{n}") for p in ("fp32", "tf32", "bf16") for h, ns in ((512, (32, 64, 128, 256)), (1024, (32, 128))) for n in ns}
rows = []
for precision in ("fp32", "tf32", "bf16"):
    path = os.path.join(sys.argv[2], f"peers-{precision}.json")
    if os.path.exists(path):
        with open(path) as stream:
            rows += [{"precision": precision, **row} for row in json.load(stream)["targets"]]
seen = {(row["precision"], row["case"]) for row in rows}
for precision, case in sorted(wanted - seen):
    rows.append({"precision": precision, "case": case, "measured": None, "passed": None, "reason": "not measured in this round"})
with open(sys.argv[1], "w") as stream:
    json.dump({"targets": rows}, stream, indent=1)
for row in rows:
    word = {True: "met", False: "missed", None: "not measured"}[row["passed"]]
    print(row["precision"], row["case"], row.get("what", ""), row.get("aimed_at", ""), row["measured"], word, row.get("reason", ""))
missed = sum(row["passed"] is False for row in rows)
unknown = sum(row["passed"] is None for row in rows)
print(f"{len(rows) - missed - unknown} of {len(rows)} targets met, {missed} missed, {unknown} not measured")
sys.exit(missed + unknown > 0)
END
}

# Two ranks by the real NCCL, with the losses of one rank. NCCL takes no two ranks on one GPU, unless they say that they are of two hosts
# (NCCL_HOSTID): they then meet through the network's loopback.
ranks() {
    local pids="" r status=0 gpus
    gpus=$(nvidia-smi --list-gpus | wc -l)
    training_text
    train "$logs/one-rank" --device "$device" --max-steps 20 --log-every 1 || return 1
    rm -rf "$logs/two-ranks"
    for r in 0 1; do
        NCCL_HOSTID=gpu-round-$r RANK=$r WORLD_SIZE=2 LOCAL_RANK=$((r % gpus)) PERPLEX_JOB=gpu-round-$$ PERPLEX_BOOTSTRAP_DIR=$logs/meet "$program" train --data "$logs/text" --level byte \
            --split 0.9,0.1,0 --hidden 256 --batch 64 --steps 64 --optimizer adam --lr 0.002 --clip 1 --seed 1 --run "$logs/two-ranks" --device cuda \
            --max-steps 20 --log-every 1 --bootstrap file --bootstrap-timeout 40 --rank-timeout 40 >"$logs/rank-$r.log" 2>&1 &
        pids="$pids $!"
    done
    for r in $pids; do wait "$r" || status=$?; done
    cat "$logs"/rank-?.log
    if [ "$status" -ne 0 ]; then
        if grep -q "NCCL cannot be loaded" "$logs"/rank-?.log; then skip "no libnccl.so.2"; fi
        if grep -qi "duplicate gpu" "$logs"/rank-?.log; then skip "one GPU: NCCL takes no two ranks on it"; fi
        return 1
    fi
    "$python" - "$logs/one-rank/metrics.jsonl" "$logs/two-ranks/metrics.jsonl" <<'END'
import json, sys
one, two = ([row["loss"] for row in map(json.loads, open(path)) if row.get("event") == "train"] for path in sys.argv[1:])
worst = max(abs(a - b) / a for a, b in zip(one, two))
print(f"{len(two)} steps of 2 ranks, losses within {worst:.1e} of one rank")
sys.exit(len(one) != len(two) or len(one) < 20 or worst > 1e-4)
END
}

# This project's own sources as a text of bytes: always there.
training_text() {
    find "$root/host" "$root/kernels" "$root/tests" \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cpp' \) -print | LC_ALL=C sort |
        xargs cat >"$logs/text"
}

train() {
    local run=$1
    shift
    rm -rf "$run"
    "$program" train --data "$logs/text" --level byte --split 0.9,0.1,0 --hidden 256 --batch 64 --steps 64 --optimizer adam --lr 0.002 --clip 1 \
        --seed 1 --run "$run" "$@"
}

# The same training in each precision: perplexities within 1 % of fp32's.
precision() {
    local kind list=""
    training_text
    for kind in fp32 tf32 bf16; do
        train "$logs/run-$kind" --device "$device" --precision "$kind" --max-steps 1500 || return 1
        "$program" eval --model "$logs/run-$kind/best.safetensors" --split-of "$logs/run-$kind" valid --json >"$logs/$kind.json" || return 1
        list="$list $logs/$kind.json"
    done
    # shellcheck disable=SC2086 # a list of files
    "$python" - "$out/precision.json" $list <<'END'
import json, sys
perplexity = {}
for path in sys.argv[2:]:
    with open(path) as stream:
        perplexity[path.rsplit("/", 1)[1][:-5]] = json.load(stream)["perplexity"]
with open(sys.argv[1], "w") as stream:
    json.dump({"steps": 1500, "perplexity": perplexity}, stream, indent=1)
worst = max(abs(p / perplexity["fp32"] - 1) for p in perplexity.values())
print("perplexities", perplexity, "largest difference %.2f %%" % (100 * worst))
sys.exit(worst > 0.01)
END
}

# A run that was stopped and resumed is bitwise the run that was not; and its checkpoint goes to the CPU engine and back.
resume() {
    training_text
    train "$logs/whole" --device "$device" --max-steps 60 --checkpoint-every 20 || return 1
    train "$logs/parts" --device "$device" --max-steps 30 --schedule-steps 60 --checkpoint-every 20 || return 1
    "$program" train --resume "$logs/parts" --max-steps 60 || return 1
    "$python" - "$logs/whole/last.safetensors" "$logs/parts/last.safetensors" <<'END' || return 1
import json, struct, sys
def tensors(path):
    data = open(path, "rb").read()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    return {name: data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]] for name, t in header.items() if name != "__metadata__"}
whole, parts = map(tensors, sys.argv[1:])
different = [name for name in whole if whole[name] != parts.get(name)]
print("tensors that differ after resuming:", different or "none", "of", len(whole))
sys.exit(bool(different) or whole.keys() != parts.keys())
END
    "$program" eval --model "$logs/whole/last.safetensors" --split-of "$logs/whole" valid --device cpu --json || return 1
    "$program" eval --model "$logs/whole/last.safetensors" --split-of "$logs/whole" valid --device "$device" --json || return 1
    "$program" train --resume "$logs/parts" --device cpu --max-steps 64 || return 1
    "$program" train --resume "$logs/parts" --device "$device" --max-steps 68 || return 1
    "$program" sample --model "$logs/parts/last.safetensors" --device "$device" --prompt "static int" --length 100 --seed 1
}

# What Nsight Systems sees of the kernels: for the step's time beside the sum of its kernels'.
kernel_times() {
    command -v nsys >/dev/null || skip "no nsys in PATH"
    training_text
    nsys profile --force-overwrite true --cuda-graph-trace=node -o "$logs/profile" "$program" train --data "$logs/text" --level byte --hidden 512 --batch 64 \
        --steps 64 --max-steps 50 --device "$device" --run "$logs/profiled" || skip "nsys may not profile here: $(tail -n 1 "$logs/kernel_times.log")"
    nsys stats --report cuda_gpu_kern_sum,nvtx_sum "$logs/profile.nsys-rep"
}

# ---- the rounds ------------------------------------------------------------------------------------------------------

export -f machine unpack compile devices conformance kernels cases kernel_speeds engine sanitizer measure variants dependent_launches variants_wide variants_gates wavefront decoding products crossover peers targets ranks training_text train precision resume kernel_times skip
export round root out build device python logs cores program tests
libraries=$build/libraries/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} LIBRARY_PATH=$libraries${LIBRARY_PATH:+:$LIBRARY_PATH}
export PERPLEX_CUDA_MODULE=$build/tree/perplex-cuda.so
if [ -d /usr/local/cuda/bin ]; then PATH=$PATH:/usr/local/cuda/bin; fi

echo "perplex on a GPU, $round: results go to $out"
part machine 30 bash -c machine
part unpack 30 bash -c unpack
part build 240 bash -c compile

round_right() {
    part devices 20 bash -c devices
    part conformance 30 bash -c conformance
    part kernels 60 bash -c kernels
    part cases 60 bash -c cases
    for name in parity evaluation update state dropout; do
        part "$name" 60 bash -c "engine $name"
    done
    part parity_fused 60 env PERPLEX_TEST_RECURRENCE=fused bash -c "engine parity"
    part parity_persistent 90 env PERPLEX_TEST_RECURRENCE=persistent bash -c "engine parity"
    part parity_grid 90 env PERPLEX_TEST_RECURRENCE=grid bash -c "engine parity"
    part parity_wavefront 60 env PERPLEX_TEST_WAVEFRONT=2 bash -c "engine parity"
    part parity_dependent 60 env PERPLEX_CUDA_DEPENDENT_LAUNCHES=1 bash -c "engine parity"
    part parity_dependent_persistent 60 env PERPLEX_CUDA_DEPENDENT_LAUNCHES=1 PERPLEX_TEST_RECURRENCE=persistent bash -c "engine parity"
    part state_dependent 60 env PERPLEX_CUDA_DEPENDENT_LAUNCHES=1 bash -c "engine state"
    part parity_cublaslt 60 env PERPLEX_TEST_PRODUCTS=cublaslt bash -c "engine parity"
    part low_precision 60 bash -c "engine precision"
    part low_precision_wide 60 env PERPLEX_TEST_RECURRENCE=wide bash -c "engine precision"
    part resume 60 bash -c resume
    part ranks 60 bash -c ranks
    part precision 60 bash -c precision
    part memcheck 60 bash -c "sanitizer memcheck"
    part racecheck 60 bash -c "sanitizer racecheck"
    part drift 60 bash -c "engine drift"
}

round_speed() {
    part kernel_speeds 120 bash -c kernel_speeds
    part measure 150 bash -c measure
    part variants 60 bash -c variants
    part dependent_launches 60 bash -c dependent_launches
    part variants_wide 40 bash -c variants_wide
    part variants_gates 40 bash -c variants_gates
    part wavefront 20 bash -c wavefront
    part decoding 20 bash -c decoding
    part products 25 bash -c products
    part crossover 90 bash -c crossover
    part kernel_times 60 bash -c kernel_times
}

round_peers() {
    part peers_bf16 140 bash -c "peers bf16 gpu-512-32"
    part peers_fp32 140 bash -c "peers fp32 gpu-512-32"
    part peers_tf32 120 bash -c "peers tf32 gpu-512-32"
    part targets 10 bash -c targets
}

"round_$round"

commit=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1)
printf '{"round": "%s", "commit": %s, "gpu": %s, "date": "%s", "seconds": %d, "failed": %d, "parts": [\n%s\n]}\n' "$round" "$(quote "$commit")" "$(quote "${gpu:-none}")" \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$SECONDS" "$failures" "$rows" >"$out/summary.json"
rm -f "$logs/text"
tar -C "$logs" --exclude='*.safetensors' --exclude='*.nsys-rep' --exclude='*.sqlite' -czf "$out/logs.tar.gz" .
echo "$failures failed; $out/summary.json"
[ "$failures" -eq 0 ]
