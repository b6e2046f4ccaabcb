#!/usr/bin/env bash
# The King James Bible in bytes, with quickstart.sh's settings: perplexity at most 3.35 on the last 5 %, in at most 5 minutes of
# training on 2 cores (reported, not judged: machines differ).
. "$(dirname "$0")/golden.sh"
need_corpus kjv.txt
flags=$(sed -n '/^TRAIN_FLAGS=(/,/)$/p' "$SOURCE_DIR/quickstart.sh")
eval "$flags"
# shellcheck disable=SC2153
run train --data "$CORPUS" --run kjv "${TRAIN_FLAGS[@]}" --threads "$(threads_at_most 2)" --json
done_with "the training of quickstart.sh ends" 0
echo "      $(json tokens) tokens in $(json seconds) s"
run eval --split-of kjv test --json
echo "      perplexity $(json perplexity) on the last 5 %"
must "perplexity at most 3.35 on the last 5 %" less "$(json perplexity)" 3.35
finish
