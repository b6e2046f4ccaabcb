#!/usr/bin/env bash
# The real libnccl, where one is at hand: real_nccl.sh TOOL. Without a GPU it makes ids, and says clearly that it cannot do more.
# It is looked for in PERPLEX_NCCL, in the packages of PERPLEX_PYTHON (PyPI's nvidia-nccl-cu13 or -cu12), and where the loader looks.
set -u
tool=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset NCCL_ALGO NCCL_PROTO
export PERPLEX_BOOTSTRAP_DIR=$work/meet PERPLEX_JOB=real
if [ -z "${PERPLEX_NCCL:-}" ] && [ -n "${PERPLEX_PYTHON:-}" ]; then
    found=$("$PERPLEX_PYTHON" -c 'import nvidia.nccl, os; print(os.path.join(list(nvidia.nccl.__path__)[0], "lib", "libnccl.so.2"))' 2>/dev/null)
    [ -e "$found" ] && export PERPLEX_NCCL=$found
fi
fail() {
    echo "FAIL  $*"
    cut -c 1-500 "$work"/*.out "$work"/*.err | sed 's/^/      | /'
    exit 1
}

for r in 0 1; do
    (RANK=$r WORLD_SIZE=2 "$tool" file 20 nccl >"$work/$r.out" 2>"$work/$r.err"; echo $? >"$work/$r.status") &
done
wait
if grep -q "NCCL cannot be loaded" "$work/0.err"; then
    echo "SKIP: the real NCCL: none found; pip install nvidia-nccl-cu13 for PERPLEX_PYTHON, or name a libnccl.so.2 in PERPLEX_NCCL"
    exit 77
fi
[ "$(cat "$work"/[01].out | sed -n 's/^rank . got //p' | sort -u | wc -l)" = 1 ] || fail "both ranks do not have the same id"
echo "ok    the real NCCL makes an id without a GPU, and the bootstrap hands it on"
if [ -e /dev/nvidia0 ]; then
    # two ranks on one GPU: NCCL refuses with its own words, or sums where there are two
    grep -q -e "summed" -e "error after" "$work/0.out" "$work/0.err" || fail "neither a sum nor an error"
    exit 0
fi
for r in 0 1; do
    [ "$(cat "$work/$r.status")" = 2 ] || fail "rank $r: status $(cat "$work/$r.status"), not 2"
    grep -q "ncclCommInitRankConfig: " "$work/$r.err" || fail "rank $r does not say what failed"
done
sed 's/^/      | /' "$work/0.err"
echo "ok    without a GPU it is said that ncclCommInitRankConfig fails, and why"
