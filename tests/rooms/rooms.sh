#!/bin/bash
# rooms.sh SOURCE LINKS PATHS CC: that no target can include a private header of another room. PATHS has a line for each target: its name, its
# folder, the folders of its include path; LINKS holds each room's public headers.
set -u
source=$1 links=$2 paths=$3 cc=$4 failed=0 seen=0
fail() {
    echo "rooms: $*"
    failed=1
}

# Of the source tree a target's include path holds its own folder and include/ alone: everything else comes through links.
while read -r room folder list; do
    seen=$((seen + 1))
    while read -r place; do
        case $place in
            "" | "$folder" | "$source/include") ;;
            "$source"/host* | "$source"/kernels* | "$source"/datasets*) fail "$room: $place is on its include path, private headers and all" ;;
        esac
    done < <(tr ':' '\n' <<<"$list")
done <"$paths"
[ "$seen" -gt 10 ] || fail "only $seen targets were looked at"

# No file reaches around the include path into another folder; a cell's file may name the list that it is in.
while IFS= read -r line; do
    [[ $line == *host/model/cells/maths.h:*'"../cells.h"'* ]] || fail "an include that climbs: $line"
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include "\.\./' "$source/host" --include='*.[ch]')

# A public header finds all that it includes among public headers: it compiles for whoever sees no more.
public=$(find -L "$links" -maxdepth 1 -mindepth 1 -type d -printf '-I%p ')
others=$(cut -d' ' -f3- "$paths" | tr ':' '\n' | sort -u | grep -vF -e "$source" -e "$links" | sed 's/^/-idirafter /' | tr '\n' ' ')
compiles() {
    # shellcheck disable=SC2086
    echo "#include \"$1\"" | "$cc" -std=gnu11 -D_GNU_SOURCE -fsyntax-only -I"$source/include" $public $others -x c - 2>&1
}
for header in "$links"/*/*.h; do
    case $header in */optimizer_step.h | */draw_maths.h) continue ;; esac # the text of functions, not declarations
    compiles "$header" || fail "$header does not compile on its own, from public headers alone"
done
[ -f "$source/host/train/run.h" ] && compiles run.h >/dev/null && fail "host/train/run.h, a private header, is found from outside"
exit $failed
