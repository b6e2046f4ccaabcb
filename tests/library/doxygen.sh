#!/usr/bin/env bash
# Every public function, type and field is documented: Doxygen has no warning. Its manual pages: one for each function, set by groff
# without a warning.
#     doxygen.sh SOURCE CMAKE VERSION
set -euo pipefail
command -v doxygen >/dev/null || { echo "SKIP: library_doxygen: no doxygen"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$1"
{ cat docs/Doxyfile; echo "OUTPUT_DIRECTORY = $work"; } >"$work/Doxyfile"
if ! doxygen "$work/Doxyfile" >"$work/out" 2>&1; then
    echo "FAIL  the API is documented without warnings"
    sed 's/^/      /' "$work/out"
    exit 1
fi
[ -s "$work/html/session_8h.html" ] || { echo "FAIL  the headers were found"; exit 1; }
for function in $(sed -n 's/^PERPLEX_API .*[ *]\(px_[a-z_]*\)(.*/\1/p' include/perplex/*.h); do
    grep -rqs ">$function<\|$function *(" "$work/html" || { echo "FAIL  $function is in the documentation"; exit 1; }
done
echo "ok    the API is documented without warnings"

cd /
"$2" -DDOXYGEN="$(command -v doxygen)" -DSOURCE="$1" -DWORK="$work/pages" -DOUT="$work/man3" -DVERSION="$3" -P "$1/cmake/api_pages.cmake"
for function in perplex perplex_model $(sed -n 's/^PERPLEX_API .*[ *]\(px_[a-z_]*\)(.*/\1/p' "$1"/include/perplex/*.h); do
    [ -s "$work/man3/$function.3" ] || { echo "FAIL  there is a manual page $function(3)"; exit 1; }
done
grep -q "^\.TH \"perplex\" 3 \"\" \"perplex $3\"" "$work/man3/perplex.3" || { echo "FAIL  perplex(3) has the version"; exit 1; }
[ -z "$(find "$work/man3" ! -name 'perplex*.3' ! -name 'px_*.3' -type f)" ] || { echo "FAIL  all pages have names of perplex"; exit 1; }
if command -v groff >/dev/null; then
    cd "$work"
    for page in man3/*.3; do
        groff -man -Tascii -ww "$page" >"$work/set" 2>"$work/warnings"
        if [ -s "$work/warnings" ] || [ ! -s "$work/set" ]; then
            echo "FAIL  $page is set without a warning"
            head -n 3 "$work/warnings"
            exit 1
        fi
    done
else echo "SKIP: library_doxygen: no groff: the manual pages were not set"; fi
echo "ok    every function has a manual page"
