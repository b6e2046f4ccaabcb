#!/usr/bin/env bash
# The results of a sweep in one table, sorted by validation perplexity:  slurm/results.sh DIR
# DIR is what array.sbatch was given. A line for each element, also for those that failed or have not ended yet; tabs between the columns.
set -u
export LC_ALL=C # numbers with a point, whatever the user's language
if [ $# != 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 DIR    (the folder that array.sbatch was given)" >&2
    exit 2
fi

# number NAME TEXT: the number that JSON text has under that name.
number() { [[ $2 =~ \"$1\":([-+0-9.eE]+) ]] && echo "${BASH_REMATCH[1]}"; }

element() {
    local run=${1%.flags} state=waiting valid='' step='' test='' last best
    if [ -f "$run/metrics.jsonl" ]; then
        last=$(tail -n 1 "$run/metrics.jsonl")
        step=$(number step "$last")
        case $last in
            '{"event":"end"'*) state=ended ;;
            '{"event":"stop"'*) state=stopped ;;
            *) state=running ;;
        esac
        [ $state = running ] && [ ! -e "$run/lock" ] && state=failed
        best=$(number best_valid_loss "$last") || best=$(grep '"event":"valid"' "$run/metrics.jsonl" | grep -o '"valid_loss":[-+0-9.eE]*' | cut -d : -f 2 | sort -g | head -n 1)
        [ -z "$best" ] || valid=$(awk -v l="$best" 'BEGIN { printf "%.4f", exp(l) }')
        test=$(number test_perplexity_zero "$last")
        [ -z "$test" ] || test=$(printf %.4f "$test")
    elif [ -f "$run.failed" ]; then
        state=failed
    fi
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "${valid:--}" "${test:--}" "$state" "${step:--}" "$run" "$(head -n 1 "$1")"
}

printf 'validation\ttest\tstate\tstep\trun\tflags\n'
for file in "$1"/*.flags; do
    [ -f "$file" ] && element "$file"
done | sort -t $'\t' -k 1,1g -k 5,5 | awk -F '\t' '$1 == "-" { rest = rest $0 "\n"; next } { print } END { printf "%s", rest }'
