#!/usr/bin/env bash
# An installation in a clean prefix is whole: programs are built against it outside the tree, by pkg-config and by CMake, and run;
# the manual page and the completions say what the program says; the CUDA module is looked for where it is installed.
#     install.sh PERPLEX JSON_GET SOURCE BUILD CMAKE CC LIBDIR
SOURCE=$3
BUILD=$4
CMAKE=$5
CC=$6
LIBDIR=$7
. "$(dirname "$0")/../cli/lib.sh"
prefix=$WORK/prefix
export LC_ALL=C

attempt() { "$@" >"$OUT" 2>"$ERR"; status=$?; }

attempt "$CMAKE" --install "$BUILD" --prefix "$prefix"
done_with "everything is installed into a clean prefix" 0
for file in bin/perplex "$LIBDIR/libperplex.so" include/perplex/perplex.h "$LIBDIR/pkgconfig/perplex.pc" "$LIBDIR/cmake/perplex/perplexConfig.cmake" \
            share/man/man1/perplex.1 share/bash-completion/completions/perplex share/zsh/site-functions/_perplex share/doc/perplex/examples/continue_line.c; do
    must "installed: $file" test -s "$prefix/$file"
done
if command -v doxygen >/dev/null; then must "installed: the manual pages of libperplex" test -s "$prefix/share/man/man3/perplex.3" -a -s "$prefix/share/man/man3/px_model_open.3"
else skip library_install "no doxygen: libperplex has no manual pages"; fi
must "nothing in the files for other builds names the build or the source" \
    bash -c '! grep -rlF -e "$1" -e "$2" "$3/pkgconfig" "$3/cmake"' - "$BUILD" "$SOURCE" "$prefix/$LIBDIR"
# moved: nothing may depend on where it was installed
mv "$prefix" "$WORK/elsewhere"
prefix=$WORK/elsewhere

PERPLEX=$prefix/bin/perplex
tiny_model model
line='the great king went'
attempt "$PERPLEX" eval --model model --data <(printf '%s\n' "$line") --lines
score=$(awk '{ printf "%.4f", $1 }' "$OUT")

example() { # NAME PROGRAM
    attempt env LD_LIBRARY_PATH="$prefix/$LIBDIR" "$2" model "$line"
    must "$1: the example scores the line as the program does" grep -qE "^ *$score  nats for the whole line of 20 tokens" "$OUT"
    must "$1: and continues it" grep -q "^$line|" "$OUT"
}
cp "$prefix/share/doc/perplex/examples/continue_line.c" .
must "the example has fewer than 60 lines" test "$(wc -l <continue_line.c)" -lt 60

if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_PATH=$prefix/$LIBDIR/pkgconfig
    # shellcheck disable=SC2046
    attempt "$CC" -std=c11 -Wall -Wextra -pedantic -Werror continue_line.c $(pkg-config --cflags --libs perplex) -o by-pkg-config
    done_with "the example builds by pkg-config, without a warning" 0
    example pkg-config ./by-pkg-config
    if [ -f "$prefix/$LIBDIR/libperplex.a" ]; then
        # shellcheck disable=SC2046
        attempt "$CC" continue_line.c -I"$prefix/include" "$prefix/$LIBDIR/libperplex.a" $(pkg-config --static --libs-only-l --libs-only-other perplex | sed 's/-lperplex//') -o static
        done_with "the example builds with the static library" 0
        example static ./static
    else skip library_install "no static library in this build"; fi
else skip library_install "no pkg-config"; fi

mkdir project
cp continue_line.c project
cat >project/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.18)
project(example LANGUAGES C CXX)
find_package(perplex VERSION EXACT REQUIRED)
add_executable(continue_line continue_line.c)
target_link_libraries(continue_line PRIVATE perplex::perplex)
file(WRITE ${CMAKE_BINARY_DIR}/version.cpp "#include <perplex/perplex.h>\nint main() { return px_version()[0] == '0' ? 0 : 1; }\n")
add_executable(version ${CMAKE_BINARY_DIR}/version.cpp)
target_link_libraries(version PRIVATE perplex::perplex)
END
sed -i "s/perplex VERSION/perplex $("$PERPLEX" --version | awk '{ print $2; exit }')/" project/CMakeLists.txt
attempt "$CMAKE" -S project -B project/build -DCMAKE_PREFIX_PATH="$prefix"
done_with "find_package finds it" 0
attempt "$CMAKE" --build project/build
done_with "the example builds by CMake, and a C++ program too" 0
example CMake project/build/continue_line
must "a C++ program runs with it" project/build/version

# ---- the CUDA module: a file in its place is tried, by program and library
if [ ! -e "$prefix/$LIBDIR/perplex/perplex-cuda.so" ]; then
    mkdir -p "$prefix/$LIBDIR/perplex"
    echo 'int nothing_of_perplex;' >none.c
    "$CC" -shared -fPIC none.c -o "$prefix/$LIBDIR/perplex/perplex-cuda.so"
    refuses "the program finds the module's place" 2 "$LIBDIR/perplex/perplex-cuda.so: is the CUDA engine of another build" eval --model model --data text.txt --device cuda
    cat >cuda.c <<'END'
#include <perplex/perplex.h>
#include <stdio.h>
int main(void)
{
    px_model *model;
    px_session *session;
    px_session_options options = {.device = "cuda"};
    if (px_model_open("model", &model) != PX_OK) return 1;
    px_status status = px_session_create(model, &options, &session);
    puts(px_error_message());
    px_model_close(model);
    return status == PX_ERR_DEVICE ? 0 : 1;
}
END
    "$CC" cuda.c -I"$prefix/include" -L"$prefix/$LIBDIR" -lperplex -o cuda
    attempt env LD_LIBRARY_PATH="$prefix/$LIBDIR" ./cuda
    must "the library finds it too" grep -q "$LIBDIR/perplex/perplex-cuda.so: is the CUDA engine of another build" "$OUT"
fi

# ---- the manual page: every command and flag that --help lists
if command -v groff >/dev/null; then
    attempt groff -man -Tascii -ww "$prefix/share/man/man1/perplex.1"
    must "the manual page is set without a warning" test ! -s "$ERR"
    sed -e 's/\x1b\[[0-9;]*m//g' -e 's/.\x08//g' "$OUT" >page
    commands=$("$PERPLEX" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -v perplex)
    must "several commands are listed" test "$(wc -l <<<"$commands")" -gt 6
    for command in $commands; do
        missing=
        grep -q "perplex $command" page || missing=$command
        for flag in $("$PERPLEX" "$command" --help | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p'); do
            grep -qe "$flag" page || missing="$missing $flag"
        done
        must "the page has $command and its flags ($missing)" test -z "$missing"
    done
else skip library_install "no groff: the manual page was not set"; fi

# ---- completions
cat >complete.sh <<'END'
. "$1/share/bash-completion/completions/perplex"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
compopt() { :; }
_perplex
printf '%s\n' "${COMPREPLY[@]}"
END
completes() { # NAME WANTED WORDS...
    local name=$1 wanted=$2
    shift 2
    attempt bash complete.sh "$prefix" "$@"
    must "bash: $name" grep -qxe "$wanted" "$OUT"
}
completes "a command" sample perplex sam
completes "a command after help" sample perplex help sam
completes "a flag" --temperature perplex sample --temp
completes "a setting of the table" --hidden perplex train --hid
completes "the other side of a switch" --no-json perplex eval --no-
completes "a choice" letters-by-line perplex train --normalise letters-
completes "a device" reference perplex eval --device r
completes "a file" text.txt perplex train --data te
attempt bash complete.sh "$prefix" perplex train --hidden ''
must "bash: a number is not completed" test -z "$(cat "$OUT")"
must "the hidden command stays hidden" bash -c '! "$1" --help | grep -q completion' - "$PERPLEX"
refuses "another shell" 2 "give bash, zsh or man" completion fish
if command -v zsh >/dev/null; then
    must "zsh reads its completion" zsh -n "$prefix/share/zsh/site-functions/_perplex"
    # _arguments itself judges the descriptions; it needs a completion's context, which a pseudo-terminal gives
    cat >try.zsh <<'END'
zmodload zsh/zpty
zpty -b shell "TERM=dumb zsh -f -i"
# says what came after what was typed, as soon as the pattern is in it
typeset seen part
await() {
    seen=
    for i in {1..6000}; do
        while zpty -r -t shell part; do seen+=$part; done
        [[ $seen == *$1* ]] && return
        sleep 0.1
    done
}
zpty -w shell "PS1=; fpath=($1/share/zsh/site-functions \$fpath); autoload -U compinit; compinit -u -d $PWD/zcompdump; bindkey '^I' complete-word"
zpty -w shell 'echo rea"dy"'
await ready
zpty -w -n shell $'perplex train --norm\t'
await --normalise
print -r -- $seen
zpty -w -n shell $' letters-\t'
await letters-by-line
print -r -- $seen
END
    attempt timeout 900 zsh -f try.zsh "$prefix"
    must "zsh completes a flag" grep -qa -e '--normalise' "$OUT"
    must "zsh completes its choice" grep -qa -e 'letters-by-line' "$OUT"
else skip library_install "no zsh: its completion was not tried"; fi
finish
