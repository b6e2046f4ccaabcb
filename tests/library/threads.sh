#!/usr/bin/env bash
# Four threads open, score, sample and close through a libperplex that is built under ThreadSanitizer, which sees every race of theirs and of their
# engines' own threads.
#     threads.sh PERPLEX JSON_GET SOURCE BUILD CMAKE C-COMPILER LAUNCHER
project=$3 build=$4/threads cmake=$5 cc=$6 launcher=${7:-}
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/../cli/lib.sh"

printf '#include <pthread.h>\nstatic void *f(void *x) { return x; }\nint main(void) { pthread_t t; return pthread_create(&t, 0, f, 0) || pthread_join(t, 0); }\n' >works.c
if ! "$cc" -fsanitize=thread works.c -o works -pthread >"$OUT" 2>"$ERR" || ! ./works >"$OUT" 2>"$ERR"; then
    skip library_threads "ThreadSanitizer does not work here: $(head -n 1 "$ERR")"
    exit 77
fi
tiny_model model --layers 2

made() {
    "$cmake" -S "$project" -B "$build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_COMPILER_LAUNCHER="$launcher" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPERPLEX_TESTS=OFF \
        -DPERPLEX_SANITIZE=thread -DPERPLEX_CUDA=OFF -DPERPLEX_MPI=OFF && "$cmake" --build "$build" --parallel "$(nproc)" --target perplex_shared &&
        "$cc" -O1 -g -fsanitize=thread -I"$project/include" "$tests/threads_probe.c" -o probe -L"$build/host/library" -lperplex -Wl,-rpath,"$build/host/library" -pthread
}
made >"$OUT" 2>"$ERR"
status=$?
done_with "libperplex can be built under ThreadSanitizer" 0
TSAN_OPTIONS=halt_on_error=0:exitcode=66 ./probe model >"$OUT" 2>"$ERR"
status=$?
done_with "four threads have one thread's results, and no race" 0
finish
