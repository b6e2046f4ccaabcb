#!/usr/bin/env bash
# Every public function, type and field is documented: Doxygen has no warning.
#     doxygen.sh SOURCE
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
