#!/usr/bin/env bash
# The batch scripts without a Slurm: they are clean, split lines without evaluating them, and collect results. Third argument: the
# project's folder.
source_folder=$3
. "$(dirname "$0")/../cli/lib.sh"
status=0
if command -v shellcheck >/dev/null; then
    must "shellcheck finds nothing in the batch scripts" bash -c "cd '$source_folder' && shellcheck -x slurm/*.sbatch slurm/*.sh"
    must "nor in the cluster of the tests" bash -c "cd '$source_folder' && shellcheck tests/slurm/cluster.sh"
else
    skip slurm_scripts "shellcheck is not installed"
fi
for script in "$source_folder"/slurm/*.sbatch; do
    must "${script##*/} can be run" test -x "$script"
    must "${script##*/} is bash" bash -n "$script"
    must "${script##*/} asks for the signal before the limit" grep -q '^#SBATCH .*--signal=USR2@' "$script"
    must "${script##*/} appends to its output when it is restarted" grep -q '^#SBATCH .*--open-mode=append' "$script"
done

# in_common COMMAND...: with the functions of common.sh
# shellcheck disable=SC2016
in_common() { bash -c 'px_home=$1; . "$1/common.sh"; shift; "$@"' in_common "$source_folder/slurm" "$@" >"$OUT" 2>"$ERR"; }
# shellcheck disable=SC2016
split() { bash -c 'px_home=$1; . "$1/common.sh"; px_split "$2"; printf "[%s]" "${px_split_arguments[@]}"' split "$source_folder/slurm" "$1" 2>"$ERR"; }

must "a line is split at blanks" test "$(split '--hidden 256   --lr 0.001')" = '[--hidden][256][--lr][0.001]'
must "quotation marks group" test "$(split "--data 'a b.txt' --reset-at \"<e o>\" --test ''")" = '[--data][a b.txt][--reset-at][<e o>][--test][]'
# shellcheck disable=SC2016
must "nothing is evaluated" test "$(split '--data $HOME/$(touch x) --run `touch x`;touch x *')" = '[--data][$HOME/$(touch][x)][--run][`touch][x`;touch][x][*]'
must "a mark that is not closed is an error" test "$(split '--data "a b')" = ''
must "which is said" grep -q 'not closed' "$ERR"
must "nothing was made" test -z "$(ls)"

printf '# comment\n\n--hidden 1\n   --hidden 2  \n--hidden 3' >lines
in_common px_sweep_lines lines
must "a file of flag lines: comments and empty lines are no elements, a last line needs no end" test "$(tr '\n' '|' <"$OUT")" = '--hidden 1|--hidden 2|--hidden 3|'
printf 'hidden = 1 2\n\n# c\n lr=0.1   0.2 0.3 \nseed = 7\n' >grid
in_common px_sweep_lines grid
must "a grid: all combinations, the last line fastest" test "$(tr '\n' '|' <"$OUT")" = \
    '--hidden 1 --lr 0.1 --seed 7|--hidden 1 --lr 0.2 --seed 7|--hidden 1 --lr 0.3 --seed 7|--hidden 2 --lr 0.1 --seed 7|--hidden 2 --lr 0.2 --seed 7|--hidden 2 --lr 0.3 --seed 7|'
for wrong in 'hidden = 1\n--lr 2' '--lr 2\nhidden = 1' 'hidden 1' 'hidden =' '' '# only'; do
    # shellcheck disable=SC2059
    printf -- "$wrong\n" >wrong
    in_common px_sweep_lines wrong
    status=$?
    done_with "a sweep file '$wrong' is refused" 2
done
in_common px_sweep_lines none
status=$?
done_with "a sweep file that is not there is refused" 2
must "array.sbatch --count counts on a login node" test "$("$source_folder/slurm/array.sbatch" --count grid)" = 6

in_common px_flag run --data x --run a --run=b
must "the last value of a flag counts" test "$(cat "$OUT")" = b
in_common px_flag run --data x
status=$?
done_with "a flag that was not given has none" 1

# ---- results
mkdir -p sweep/001 sweep/002 sweep/003
echo '--lr 1' >sweep/001.flags
echo '--lr 2' >sweep/002.flags
echo '--lr 3' >sweep/003.flags
echo '--lr 4' >sweep/004.flags
echo '--lr 5' >sweep/005.flags
echo 2 >sweep/005.failed
echo '{"event":"end","step":9,"best_valid_loss":2,"test_perplexity_zero":8.5}' >sweep/001/metrics.jsonl
printf '{"event":"valid","step":3,"valid_loss":1.5}\n{"event":"valid","step":6,"valid_loss":1.25}\n{"event":"train","step":7}\n' >sweep/002/metrics.jsonl
touch sweep/002/lock
echo '{"event":"stop","step":4,"reason":"time limit"}' >sweep/003/metrics.jsonl
"$source_folder/slurm/results.sh" sweep >"$OUT" 2>"$ERR"
status=$?
done_with "results are collected" 0
must "sorted by validation perplexity, each with its state and flags" test "$(cut -f 1-4,6 "$OUT" | tr '\t\n' ',|')" = \
    'validation,test,state,step,flags|3.4903,-,running,7,--lr 2|7.3891,8.5000,ended,9,--lr 1|-,-,stopped,4,--lr 3|-,-,waiting,-,--lr 4|-,-,failed,-,--lr 5|'
finish
