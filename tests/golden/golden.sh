# shellcheck shell=bash
# Shared by the golden tests: known facts and known results, through the real program. Corpora are looked for in
# PERPLEX_DATASETS, then in ../shared/datasets beside the checkout; a test without its corpus says SKIP and ends with 77.
SOURCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$SOURCE_DIR/tests/cli/lib.sh"

# need_corpus FILE: sets CORPUS to its path, or ends the test.
need_corpus() {
    local folder
    for folder in "${PERPLEX_DATASETS:-}" "$SOURCE_DIR/datasets/data" "$SOURCE_DIR/../shared/datasets"; do
        if [ -n "$folder" ] && [ -f "$folder/$1" ]; then
            CORPUS=$folder/$1
            return
        fi
    done
    echo "SKIP: $(basename "$0"): the corpus $1 is in none of PERPLEX_DATASETS, datasets/data, ../shared/datasets"
    exit 77
}

threads_at_most() { local cores; cores=$(getconf _NPROCESSORS_ONLN); [ "$cores" -lt "$1" ] && echo "$cores" || echo "$1"; }
