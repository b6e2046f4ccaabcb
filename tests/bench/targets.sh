#!/usr/bin/env bash
# bench/targets.py: shares of a result beside what was aimed at; the aim of two threads follows a library that reaches less.
set -euo pipefail
command -v python3 >/dev/null || { echo "SKIP: bench_targets: python3 is not installed"; exit 77; }
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL  $*"; cat "$work/out"; exit 1; }
mkdir "$work/quick"
cat >"$work/quick/bench.json" <<'END'
{"commit": "c", "date": "d", "cases": [
 {"work": "train", "batch": 32, "hidden": 512, "layers": 1, "vocab": 28, "threads": 2, "device_text": "cpu: x, avx512, 2 threads",
  "share_of_peak": 0.77, "share_of_roofline": 0.77, "contended": false, "noisy": true},
 {"work": "decode", "batch": 1, "hidden": 512, "layers": 1, "vocab": 28, "threads": 1, "device_text": "cpu: x, avx512, 1 thread",
  "share_of_peak": 0.1, "share_of_roofline": 0.71, "contended": false, "noisy": false},
 {"work": "train", "batch": 7, "hidden": 512, "layers": 1, "vocab": 28, "threads": 2, "device_text": "cpu: x, avx512, 2 threads",
  "share_of_peak": 0.5, "share_of_roofline": 0.5, "contended": false, "noisy": false}]}
END
python3 "$here/bench/targets.py" "$work" >"$work/out"
grep -qF '| 2 | 78.0 % of the peak | 77.0 % (noisy) | no |' "$work/out" || fail "the training step"
grep -qF "| 1 | 70.0 % of the weights' roofline | 71.0 % | yes |" "$work/out" || fail "decoding"
[ "$(grep -c '^| train' "$work/out")" = 1 ] || fail "a case that nothing was aimed at"
cat >"$work/products.json" <<'END'
{"products": [{"threads": 2, "contended": false, "peak_gflops": 100, "m": 1120, "n": 10000, "k": 512,
  "by": [{"name": "perplex avx512", "gflops": 99}, {"name": "oneDNN", "gflops": 75}]}]}
END
python3 "$here/bench/targets.py" "$work" >"$work/out"
grep -qF "| 2 | 72.8 % (97 % of a library's 75.0 %) | 77.0 % (noisy) | yes |" "$work/out" || fail "the library's share"
if python3 "$here/bench/targets.py" "$work/quick" >"$work/out" 2>&1; then fail "a folder without results"; fi
grep -q 'bench/measure.sh quick makes it' "$work/out" || fail "the remedy"
if "$here/bench/avx512.sh" --no-such-flag >"$work/out" 2>&1; then fail "an unknown flag"; fi
grep -q 'no such flag' "$work/out" || fail "what was wrong"
echo "ok    targets"
