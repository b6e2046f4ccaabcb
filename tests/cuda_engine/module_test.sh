#!/bin/sh
# The CUDA module through nvcc: module_test.sh CMAKE BUILD PROGRAM. What can be known of it on a machine without a GPU.
set -u
cmake=$1 build=$2 program=$3
module=$build/perplex-cuda.so
fail() {
    echo "cuda_module: $*"
    exit 1
}
"$cmake" --build "$build" --target perplex_cuda || fail "it does not build"
symbols=$(nm -D --defined-only "$module" | awk '{ print $3 }')
[ "$symbols" = px_engine_module_open ] || fail "it exports: $symbols"
needs=$(objdump -p "$module" | awk '$1 == "NEEDED" { print $2 }')
case $needs in
    *libcuda.so*) fail "it is linked with the driver's library, which a login node lacks" ;;
    *libcudart*) fail "it needs the CUDA runtime as a library; it is to be linked in" ;;
esac
case $(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }') in
    *libcu*) fail "the program itself is linked with CUDA" ;;
esac
"$program" info --devices >"$build/tests/devices.txt" 2>&1
status=$?
cat "$build/tests/devices.txt"
if [ -e /dev/nvidia0 ]; then
    [ "$status" -eq 0 ] || fail "there is a GPU, but info --devices ends with status $status"
else
    [ "$status" -eq 2 ] || [ "$status" -eq 0 ] || fail "info --devices ends with status $status"
    grep -q "driver" "$build/tests/devices.txt" || fail "info --devices does not say that there is no driver"
fi
