#!/usr/bin/env bash
# Finds mistakes without running the program: cppcheck and shellcheck, where they are installed. What scripts/check.baseline has is
# known and was looked at; anything else is printed and ends with status 1.
#   scripts/check.sh
#   scripts/check.sh --baseline   writes scripts/check.baseline anew: look at the difference before it is committed
set -euo pipefail
cd "$(dirname "$0")/.."
write=0
[ "${1:-}" != --baseline ] || write=1
baseline=scripts/check.baseline
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jobs=$(nproc 2>/dev/null || echo 2)

# A finding is "TOOL FILE RULE": lines move too often to be kept.
run_cppcheck() {
    local folders=()
    while read -r folder; do folders+=("-I$folder"); done < <(find include host kernels -name '*.h' -printf '%h\n' | sort -u)
    cppcheck -j "$jobs" --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
        '-DcJSON_ArrayForEach(item,array)=for(item=(array)->child;item;item=item->next)' \
        --template='{file}:{line}: {message} [{id}]' "${folders[@]}" host examples datasets/sources 2>&1
}

# SC2034: lib.sh of the tests reads what their scripts set. SC2054: commas inside an element are meant.
run_shellcheck() {
    git ls-files '*.sh' '*.sbatch' .ci/run | xargs shellcheck -x -S warning -e SC2034,SC2054 -f gcc 2>/dev/null || true
}

findings() {
    sed -nE "s|^([^:]+):[0-9]+:.* \[([^]]+)\]\$|$1 \1 \2|p" "$work/$1" | sort | uniq -c | awk '{ print $2, $3, $4, $1 }'
}

: >"$work/known"
: >"$work/now"
for tool in cppcheck shellcheck; do
    if ! command -v $tool >/dev/null 2>&1; then
        echo "SKIP: $tool is not installed"
        continue
    fi
    "run_$tool" >"$work/$tool"
    findings $tool >>"$work/now"
    grep "^$tool " $baseline >>"$work/known" 2>/dev/null || true
done

if [ $write = 1 ]; then
    { grep '^#' $baseline 2>/dev/null || true; cat "$work/now"; } >"$work/baseline"
    cp "$work/baseline" $baseline
    echo "$baseline: $(wc -l <"$work/now") findings"
    exit 0
fi
# More of a kind in a file than the baseline has is new; fewer are welcome.
awk 'FILENAME == ARGV[1] { known[$1 " " $2 " " $3] = $4; next } $4 > known[$1 " " $2 " " $3] { print $1, $2, $3 }' "$work/known" "$work/now" >"$work/new"
while read -r tool file rule; do
    grep -hF "$file:" "$work/$tool" | grep -F "[$rule]" | sed "s/^/$tool: /"
done <"$work/new"
if [ -s "$work/new" ]; then
    echo "new findings: correct them, or look at each and write the baseline anew (scripts/check.sh --baseline)" >&2
    exit 1
fi
echo "no new findings ($(wc -l <"$work/now") known)"
