#!/usr/bin/env bash
# From a fresh clone to a language model of the King James Bible: installs what is missing (Debian, Ubuntu; elsewhere, and without
# root, it says what that is and how it is called), builds, trains for a few minutes on the CPU or one on a GPU, prints the perplexity
# on text that was never seen, and a page that the model wrote.
set -euo pipefail
cd "$(dirname "$0")"

# What is trained: change it here, and nowhere else. (--quick has its own, for tests.)
TRAIN_FLAGS=(--cell gru --hidden 192 --layers 2 --batch 32 --steps 35 --epochs 3 --optimizer adam --lr 2e-3 --clip 1
             --schedule cosine --split "0.9,0.05,0.05" --seed 1)
# And where there is a GPU, in about a minute of an H200: sized by estimate (docs/manual/training.md), not yet measured on a GPU.
GPU_FLAGS=(--cell lstm --hidden 512 --layers 2 --dropout 0.2 --batch 64 --steps 64 --epochs 14 --optimizer adam
           --lr 6e-3 --clip 1 --schedule cosine --split "0.9,0.05,0.05" --seed 1)
QUICK_FLAGS=(--hidden 64 --batch 32 --steps 35 --max-steps 60 --limit-tokens 200000 --split "0.9,0.05,0.05" --seed 1)

NEEDED=(cmake make cc cjson utf8proc xxhash) # names of scripts/packages.tsv

usage() {
    cat <<'END'
usage: ./quickstart.sh [--quick] [--cpu] [--text FILE] [--no-install]
Builds into build/, trains a language model of the King James Bible, evaluates it on the last 5 % and lets it write a page. With
a GPU and the CUDA toolkit (nvcc in PATH) it trains a larger model there. What is missing is installed from Debian's or Ubuntu's
packages (as root or through sudo, after saying what). Elsewhere, and without root, everything must be there; what is not is named,
with its packages for Debian, Fedora, Arch and conda.

  --quick       a tiny model and a few seconds of training: shows that everything works
  --cpu         train on the CPU although there is a GPU
  --text FILE   another text than the Bible, which comes from Debian's packages
  --no-install  install nothing; say what is missing and stop
CMAKE_PREFIX_PATH names folders with libraries of your own; those of an active conda environment are found.
PERPLEX_DATASETS names a folder that may already hold kjv.txt; otherwise the text is made in datasets/data.
END
}

quick=0
cpu=0
text=
PERPLEX_INSTALL=1
while [ $# -gt 0 ]; do
    case "$1" in
        --quick) quick=1 ;;
        --cpu) cpu=1 ;;
        --text) [ -f "${2:-}" ] || { echo "quickstart.sh: --text needs a file; ${2:-none} is not one" >&2; exit 2; }
            text=$2; shift ;;
        --no-install) PERPLEX_INSTALL=0 ;;
        --help | -h) usage; exit 0 ;;
        *) echo "quickstart.sh: $1: no such flag; --help lists them" >&2; exit 2 ;;
    esac
    shift
done

. ./scripts/setup.sh
seconds() { date +%s; }
started=$(seconds)

[ -n "$text" ] || NEEDED+=(bible)
px_install "${NEEDED[@]}"
px_install_optional "event files for TensorBoard" protobuf-c isa-l
px_install_optional "texts compressed by gzip and zstd" zlib zstd
px_install_optional "perplex train --live and perplex top" ncurses
kernels=(-DPERPLEX_CUDA=AUTO)
if [ $cpu = 1 ]; then
    kernels=(-DPERPLEX_CUDA=OFF)
elif [ -e /dev/nvidia0 ]; then # for this GPU alone: for all that there are they take minutes
    kernels+=(-DPERPLEX_CUDA_NATIVE=ON)
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader -i 0 2>/dev/null | tr -d .) || capability=
    if [[ $capability =~ ^[0-9]+$ ]] && [ "$capability" -lt 75 ]; then
        echo "the GPU has compute capability below 7.5, for which no kernels are built: training on the CPU"
        kernels=(-DPERPLEX_CUDA=OFF)
    fi
fi
px_build build -DPERPLEX_TESTS=OFF "${kernels[@]}"

# The major number of the first GPU's compute capability; nothing where none works, and why not where there should be one.
gpu_capability() {
    local devices
    devices=$(build/perplex info --devices)
    sed -nE 's/^cuda:0 .*, capability ([0-9]+)\..*/\1/p' <<<"$devices"
    if [ -e /dev/nvidia0 ]; then grep '^no GPU:' <<<"$devices" >&2 || true; fi
}
capability=

prompt=() # a text of the user's may lack the letters of any prompt of ours
if [ -z "$text" ]; then
    prompt=(--prompt "And it came to pass, ")
    echo "== the King James Bible"
    text=$(./datasets/get.sh kjv)
fi

echo "== training"
name=$(basename "$text")
run=runs/${name%.*}-$(date +%Y%m%d-%H%M%S)
flags=("${TRAIN_FLAGS[@]}")
[ $cpu = 1 ] || capability=$(gpu_capability)
[ -z "$capability" ] || flags=("${GPU_FLAGS[@]}")
[ $quick = 0 ] || flags=("${QUICK_FLAGS[@]}")
[ -z "$capability" ] || flags+=(--device cuda)
[ "${capability:-0}" -lt 8 ] || flags+=(--precision bf16)
mkdir -p runs
echo "build/perplex train --data $text --run $run ${flags[*]}"
training=$(seconds)
status=0
build/perplex train --data "$text" --run "$run" "${flags[@]}" || status=$?
if [ $status = 75 ]; then
    echo "stopped; go on with: build/perplex train --resume $run"
    exit 75
elif [ $status != 0 ]; then
    exit $status
fi
trained=$(seconds)

echo "== perplexity on the last 5 %, which the model has never seen"
build/perplex eval --split-of "$run" test

echo "== a page by the model"
build/perplex sample --model "$run" "${prompt[@]}" --length 1500 --temperature 0.8 --seed 1
echo
echo "== done in $(($(seconds) - started)) s, $((trained - training)) s of them training"
echo "model:       $run/best.safetensors"
echo "settings:    $run/config          (repeat: build/perplex train --config $run/config --run NEW)"
echo "measures:    $run/metrics.jsonl"
echo "text:        $text"
echo "write more:  build/perplex sample --model $run --length 1000 --seed 2"
