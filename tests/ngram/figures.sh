#!/usr/bin/env bash
# Perplexities of public texts, computed by other programs (KenLM's estimation for WikiText-2), are reproduced to 0.1 %.
. "$(dirname "$0")/../golden/golden.sh"
SPLIT=(--split "0.9,0.05,0.05")

# figure NAME PART WANT FLAGS...
figure() {
    local name=$1 part=$2 want=$3
    shift 3
    run ngram --json "$@"
    done_with "$name ends with status 0" 0
    must "$name: $part perplexity $want, here $(json "$part.perplexity")" near "$(json "$part.perplexity")" "$want" 0.001
}

case $3 in
timemachine)
    need_corpus timemachine.txt
    letters=(--data "$CORPUS" --level char --normalise letters-by-line "${SPLIT[@]}")
    figure "time machine, unigram" test 16.94 --order 1 "${letters[@]}"
    figure "time machine, 5-gram" test 4.436 --order 5 "${letters[@]}"
    figure "time machine, 7-gram" test 4.218 --order 7 "${letters[@]}"
    ;;
tinyshakespeare)
    need_corpus tinyshakespeare.txt
    figure "tinyshakespeare, unigram" test 28.85 --order 1 --data "$CORPUS" "${SPLIT[@]}"
    figure "tinyshakespeare, 5-gram" test 5.050 --order 5 --data "$CORPUS" "${SPLIT[@]}"
    must "tinyshakespeare, 5-gram: middle 5 %: 4.494, here $(json valid.perplexity)" near "$(json valid.perplexity)" 4.494 0.001
    figure "tinyshakespeare, 7-gram" test 4.853 --order 7 --data "$CORPUS" "${SPLIT[@]}"
    ;;
kjv)
    if [ -z "${PERPLEX_DATASETS:-}" ] || [ ! -f "$PERPLEX_DATASETS/kjv.txt" ]; then
        "$SOURCE_DIR/datasets/get.sh" kjv "$WORK" >/dev/null 2>&1 && PERPLEX_DATASETS=$WORK
    fi
    need_corpus kjv.txt
    figure "King James, 5-gram" test 3.658 --order 5 --data "$CORPUS" "${SPLIT[@]}"
    ulimit -v 400000
    figure "King James, 9-gram in 400 MB" test 3.269 --order 9 --data "$CORPUS" "${SPLIT[@]}"
    ;;
wikitext2)
    need_corpus wikitext2/train.txt
    words=(--level word --data "$CORPUS" --valid "${CORPUS%train.txt}valid.txt" --test "${CORPUS%train.txt}test.txt")
    figure "WikiText-2, unigram" valid 965.1 --order 1 "${words[@]}"
    must "WikiText-2, unigram: test perplexity 911.7, here $(json test.perplexity)" near "$(json test.perplexity)" 911.7 0.001
    figure "WikiText-2, 3-gram" valid 242.3 --order 3 "${words[@]}"
    must "WikiText-2, 3-gram: test perplexity 226.1, here $(json test.perplexity)" near "$(json test.perplexity)" 226.1 0.001
    ulimit -v 400000
    figure "WikiText-2, 5-gram in 400 MB" valid 234.9 --order 5 "${words[@]}"
    must "WikiText-2, 5-gram: test perplexity 220.1, here $(json test.perplexity)" near "$(json test.perplexity)" 220.1 0.001
    ;;
*) echo "no such text: $3" >&2; exit 2 ;;
esac
finish
