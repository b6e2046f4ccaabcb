#!/usr/bin/env bash
# Which learning rate is best at which width and depth: trains every combination of the lists below for a few hundred
# steps and prints one line of tab-separated values for each, best validation perplexity last.
#   learning_rates.sh PERPLEX OUT FLAGS...      FLAGS: the text and whatever else all runs share
# WIDTHS, DEPTHS, RATES and SCALINGS are lists; THREADS how many each training has; SCHEDULE (constant) is the same for all and not
# in OUT. A line that OUT holds is not run again.
#   WIDTHS="64 128" DEPTHS="1 2" RATES="1e-3 2e-3" bench/learning_rates.sh build/perplex bytes.tsv --data tinyshakespeare.txt
set -euo pipefail
perplex=$1 out=$2
shift 2
widths=${WIDTHS:-64 128 256 512} depths=${DEPTHS:-1 2 4} rates=${RATES:-5e-4 1e-3 2e-3 4e-3 8e-3}
scalings=${SCALINGS:-none mup} schedule=${SCHEDULE:-constant} steps=${STEPS:-400}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -s "$out" ] || printf 'scaling\thidden\tlayers\trate\tsteps\tperplexity\n' >"$out"
for layers in $depths; do
    for hidden in $widths; do
        for rate in $rates; do
            for scaling in $scalings; do
                key=$(printf '%s\t%s\t%s\t%s\t%s' "$scaling" "$hidden" "$layers" "$rate" "$steps")
                ! grep -qF "$key"$'\t' "$out" || continue
                rm -rf "$work/run"
                "$perplex" train "$@" --hidden "$hidden" --layers "$layers" --lr "$rate" --lr-scaling "$scaling" \
                    --schedule "$schedule" --max-steps "$steps" --threads "${THREADS:-1}" --no-report --no-tensorboard \
                    --run "$work/run" --json >"$work/result" 2>"$work/log" || echo '{"best_valid_perplexity": "inf"}' >"$work/result"
                # the last evaluation's: how far it came, whether or not it was better once
                perplexity=$(grep '"event":"valid"' "$work/run/metrics.jsonl" | tail -n 1 | grep -oE '"valid_perplexity":[^,]*' | cut -d: -f2)
                printf '%s\t%s\n' "$key" "${perplexity:-inf}" | tee -a "$out"
            done
        done
    done
done
