#!/usr/bin/env bash
# Is a network better than a baseline on the same text by more than chance? For each token the mean of its log-probability over the
# network's seeds, less the baseline's; then the mean of these differences and its standard error over tokens, in nats.
#   paired.sh BASELINE NETWORK...      files of --per-token: BASELINE of perplex ngram, a NETWORK for each seed of perplex eval
# Exit status 0 where the mean is above twice its standard error, 1 where it is not, 2 where the files are not of the same tokens.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: paired.sh BASELINE NETWORK..." >&2; exit 2; }
paste "$@" | awk -F '\t' '
    {
        if (NF % 2) { printf "paired.sh: line %d: a file is longer than another\n", NR >"/dev/stderr"; wrong = 1; exit }
        mean = 0
        for (i = 3; i < NF; i += 2) {
            if ($i != $1 || $(i + 1) == "") { printf "paired.sh: line %d: the files are not of the same tokens\n", NR >"/dev/stderr"; wrong = 1; exit }
            mean += $(i + 1) / (NF / 2 - 1)
        }
        baseline += $2
        network += mean
        d = mean - $2
        sum += d
        squares += d * d
    }
    END {
        if (wrong || NR < 2) exit 2
        mean = sum / NR
        error = sqrt((squares / NR - mean * mean) / (NR - 1))
        printf "%d tokens; perplexity %.2f, baseline %.2f; difference %.4f nats a token, standard error %.4f: %.1f times\n",
            NR, exp(-network / NR), exp(-baseline / NR), mean, error, mean / error
        exit !(mean > 2 * error)
    }'
