#!/usr/bin/env bash
# The CPU engine on ARM: emulated.sh CMAKE SOURCE FOLDER. Builds with Debian's cross-compiler, and runs the gradient and parity tests
# and a short training under qemu's emulation. Says nothing about speed.
set -euo pipefail
cmake=$1 source=$2 folder=$3
root=$folder/root
packages=(libcjson-dev libcjson1 libutf8proc-dev libutf8proc2 libutf8proc3 libxxhash-dev libxxhash0 libcmocka-dev
          libcmocka0 libgomp1 libstdc++6 libgcc-s1) # of each library the version that the distribution has

skip() {
    echo "SKIP: aarch64: $*"
    exit 77
}
for tool in aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64; do
    command -v "$tool" >/dev/null || skip "no $tool: apt-get install gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user"
done
command -v dpkg >/dev/null && dpkg --print-foreign-architectures | grep -qx arm64 ||
    skip "no packages for arm64: dpkg --add-architecture arm64; apt-get update"

mkdir -p "$folder/packages" "$root"
if [ ! -e "$root/usr/include/dnnl.h" ]; then
    wanted=()
    for package in "${packages[@]}"; do
        [ -z "$(apt-cache madison "$package:arm64" 2>/dev/null)" ] || wanted+=("$package:arm64")
    done
    (cd "$folder/packages" && apt-get -q download "${wanted[@]}") || skip "the packages for arm64 cannot be fetched"
    for package in "$folder"/packages/*.deb; do dpkg -x "$package" "$root"; done
fi

"$cmake" -S "$source" -B "$folder/build" -DCMAKE_TOOLCHAIN_FILE="$source/tests/aarch64/toolchain.cmake" -DPERPLEX_AARCH64_ROOT="$root" \
    -DCMAKE_BUILD_TYPE=Release -DPERPLEX_TESTS=ON -DPERPLEX_WERROR=ON >"$folder/configure.txt" || { cat "$folder/configure.txt"; exit 1; }
"$cmake" --build "$folder/build" -j 2 --target perplex test_gradient test_parity >"$folder/build.txt" 2>&1 || { tail -n 40 "$folder/build.txt"; exit 1; }

emulate() {
    qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$root/usr/lib/aarch64-linux-gnu:$root/lib/aarch64-linux-gnu" "$@"
}
for name in test_gradient test_parity; do
    emulate "$folder/build/tests/$name" >"$folder/$name.txt" 2>&1 || { grep -v ' OK ]\|RUN  ' "$folder/$name.txt" | tail -n 40; exit 1; }
    tail -n 2 "$folder/$name.txt"
done

# A training on a text of its own that a model of 24 units learns by heart.
for _ in $(seq 400); do printf 'the quick brown fox jumps over the lazy dog. '; done >"$folder/text"
rm -rf "$folder/run"
emulate "$folder/build/perplex" train --data "$folder/text" --hidden 24 --batch 8 --epochs 5 --lr 1e-2 --seed 1 --json --run "$folder/run" >"$folder/result.json"
cat "$folder/result.json"
perplexity=$(emulate "$folder/build/perplex" eval --model "$folder/run" --split-of "$folder/run" test --json | sed -n 's/.*"perplexity": *\([0-9.]*\).*/\1/p')
[ -n "$perplexity" ] && awk -v p="$perplexity" 'BEGIN { exit !(p >= 1 && p < 1.2) }' || { echo "aarch64: perplexity $perplexity, expected below 1.2"; exit 1; }
