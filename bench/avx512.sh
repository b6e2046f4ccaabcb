#!/usr/bin/env bash
# Everything that the CPU engine's AVX-512 column lacks, in one command on a quiet machine with AVX-512 (half an hour on 2 cores):
# the tests of every instruction set, products and register tiles alone, whole steps with every shape of the tile in turns, widths whose
# stride is a multiple of 4 KiB beside others, `quick`, the peers and the neighbours, into bench/results/DATE-PROCESSOR/; last a table of
# what was aimed at and what was reached (bench/targets.py).
#
#   bench/avx512.sh [--any] [--short]
#       --any     also on a processor without AVX-512: with the shapes that it has, to see that every step works
#       --short   short series and no peers or neighbours: two minutes
#   ROUNDS (turns of the tile shapes) [5]   PERPLEX [build/perplex]   PERPLEX_TORCH_PYTHON, PERPLEX_JAX_PYTHON (bench/README.md)
set -euo pipefail
export LC_ALL=C # numbers with a point, whatever the user's language
cd "$(dirname "$0")/.."

any="" short=""
for argument in "$@"; do
    case "$argument" in
        --any) any=1 ;;
        --short) short=1 ;;
        --help | -h) sed -n '2,11p' "$0"; exit 0 ;;
        *) echo "avx512.sh: $argument: no such flag; --help says what there is" >&2; exit 2 ;;
    esac
done
program=${PERPLEX:-build/perplex} rounds=${ROUNDS:-$([ "$short" ] && echo 1 || echo 5)} seconds=$([ "$short" ] && echo 0.3 || echo 1.2)
[ -x "$program" ] || { echo "avx512.sh: $program is not there; ./quickstart.sh builds it, or set PERPLEX" >&2; exit 2; }
runs() { PERPLEX_ISA=$1 "$program" bench --hidden 8 --vocab 8 --batch 1 --steps 2 --threads 1 --case-seconds 0.05 --json >/dev/null 2>&1; }
shapes=()
for isa in avx512 avx512-14x32 avx512-9x48 avx512-14x32-memory avx512-9x48-memory avx2 avx2-4x24; do
    if runs "$isa"; then shapes+=("$isa"); else echo "avx512.sh: $isa: not on this processor, left out" >&2; fi
done
[ ${#shapes[@]} -gt 0 ] || { echo "avx512.sh: $program runs none of these shapes here; they are of x86-64: perplex bench --preset quick measures others" >&2; exit 2; }
case " ${shapes[*]} " in
    *" avx512 "*) ;;
    *) [ "$any" ] || { echo "avx512.sh: this processor, or this build, has no AVX-512; --any goes on with: ${shapes[*]}" >&2; exit 2; } ;;
esac
# shellcheck source=bench/label.sh
. bench/label.sh
folder=bench/results/$(date -u +%F)-$(px_machine_label)
mkdir -p "$folder"
cores=$(nproc)
threads=$([ "$cores" -gt 1 ] && echo "1,$cores" || echo 1)

echo "== tests of every instruction set" >&2
if [ -f build/CTestTestfile.cmake ]; then
    ctest --test-dir build --output-on-failure -R "^($([ "$short" ] && echo tiles || echo 'parity|state|tiles|gradient'))(_|\$)" -LE long
else
    echo "avx512.sh: no tests in build/; the series below go on" >&2
fi

echo "== products and tiles alone" >&2
bench/products.sh --threads "$threads" --rounds "$rounds" ${short:+--small} || echo "avx512.sh: bench/products failed; the series below go on" >&2

echo "== whole steps, every shape of the tile in turns" >&2
# one line for each measurement; medians are taken over the turns
series=$folder/tile-shapes.tsv
printf 'shape\thidden\tvocab\tthreads\ttokens_per_s\tshare_of_peak\tcontended\n' >"$series"
# step SHAPE HIDDEN VOCAB
step() {
    local count
    for count in ${threads//,/ }; do
        PERPLEX_ISA=$1 "$program" bench --hidden "$2" --vocab "$3" --batch 32 --threads "$count" --case-seconds "$seconds" --json |
            python3 -c 'import json, sys
for c in json.load(sys.stdin)["cases"]:
    print(sys.argv[1], c["hidden"], c["vocab"], c["threads"], round(c["tokens_per_s"]), round(c["share_of_peak"], 4), int(c["contended"]), sep="\t")' "$1" >>"$series"
    done
}
for ((round = 0; round < rounds; round++)); do
    order=("${shapes[@]}")
    if ((round % 2)); then # there and back
        order=()
        for shape in "${shapes[@]}"; do order=("$shape" "${order[@]}"); done
    fi
    for shape in "${order[@]}"; do
        step "$shape" 512 28
        step "$shape" 256 28
        [ "$short" ] || step "$shape" 512 10000
    done
    # strides of 4 KiB (h = 1024) beside one that is none, with the usual tile
    [ "$short" ] || { step "${shapes[0]}" 1024 28; step "${shapes[0]}" 1040 28; }
done

echo "== quick, peers, neighbours" >&2
bench/measure.sh quick
if [ -z "$short" ]; then
    bench/peers/run.sh || echo "avx512.sh: peers failed" >&2
    bench/peers/run.sh --work evaluate --cases chars,one-stream --variants rnn,rnn-compile || echo "avx512.sh: peers of evaluation failed" >&2
    texts=$(mktemp -d)
    trap 'rm -rf "$texts"' EXIT
    if datasets/get.sh timemachine "$texts"; then bench/neighbours.sh "$program" "$texts/timemachine.txt" "$folder/neighbours.md"
    else echo "avx512.sh: no text, so no neighbours: bench/neighbours.sh PERPLEX TEXT" >&2; fi
fi
python3 bench/targets.py "$folder" >"$folder/targets.md"
cat "$folder/targets.md"
