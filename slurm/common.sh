# shellcheck shell=bash disable=SC2034,SC2154 # variables that the scripts set (px_home) or read (px_status, px_run_folder, ...)
# What the batch scripts of this folder share; they source it and call px_train. Variables that a user may set before sbatch:
#
#     PERPLEX               the program; else build/perplex beside this folder, else perplex in PATH
#     PERPLEX_SLURM         this folder; else slurm/ in the folder of submission (sbatch runs a copy of the script from elsewhere)
#     PERPLEX_STAGE=1       copies the texts to each node's own disk first (SLURM_TMPDIR, TMPDIR or /tmp)
#     PERPLEX_SRUN_MPI      what srun --mpi gets for several tasks; else pmix where srun has it
#     PERPLEX_MAX_RESTARTS  how often a job may requeue itself [100]
set -u
export LC_ALL=C # numbers with a point, whatever the user's language

px_say() { echo "perplex: $*"; }
px_refuse() {
    echo "perplex: $*" >&2
    exit 2
}

# px_flag NAME ARGS...: the value of --NAME VALUE or --NAME=VALUE, the last one given; status 1 where there is none.
px_flag() {
    local name=$1 value found=1
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            "--$name") [ $# -gt 1 ] && value=$2 && found=0 ;;
            "--$name="*) value=${1#*=} && found=0 ;;
        esac
        shift
    done
    [ $found = 0 ] && printf '%s\n' "$value"
}

# ---- the job ---------------------------------------------------------------------------------------------------------

px_find_program() {
    local place
    if [ -z "${PERPLEX:-}" ]; then
        for place in "$px_home/../build/perplex" "${SLURM_SUBMIT_DIR:-.}/build/perplex"; do
            [ -x "$place" ] && PERPLEX=$place && break
        done
    fi
    : "${PERPLEX:=$(command -v perplex)}"
    [ -x "$PERPLEX" ] || px_refuse "the program is not there: '${PERPLEX:-perplex}'; build it, or set PERPLEX to its path"
}

# srun as every step needs it: as many cores as the job has per task (srun does not take that over by itself), and one task that fails ends all.
px_srun() {
    srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" "$@"
}

# Several tasks find each other by MPI, where srun can start it (on GPUs without it too: docs/manual/gpu-ranks.md); a task alone needs none.
px_choose_mpi() {
    px_mpi=(--mpi=none)
    [ "${SLURM_NTASKS:-1}" -gt 1 ] || return 0
    if [ -n "${PERPLEX_SRUN_MPI:-}" ]; then
        px_mpi=("--mpi=$PERPLEX_SRUN_MPI")
    elif srun --mpi=list 2>&1 | grep -qw pmix; then
        px_mpi=(--mpi=pmix)
    else
        px_mpi=() # what the site has set
    fi
}

# ---- texts on the nodes' own disks --------------------------------------------------------------------------------------

# One task on each node; what it runs is this text, what it gets are arguments.
px_on_each_node() {
    srun --ntasks="${SLURM_JOB_NUM_NODES:-1}" --ntasks-per-node=1 --cpus-per-task=1 --mpi=none bash -c "$@"
}

# Copies --data, --valid and --test, and puts their new places into px_arguments.
px_stage() {
    local i name flag files=0 copies=()
    [ "${PERPLEX_STAGE:-0}" = 1 ] || return 0
    px_staged=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/perplex-$(id -u)-$SLURM_JOB_ID
    for ((i = 0; i < ${#px_arguments[@]}; i++)); do
        name=${px_arguments[i]} flag=
        case $name in
            --data | --valid | --test) files=1 && continue ;; # one or more follow
            --data=* | --valid=* | --test=*) files=0 flag=${name%%=*}= name=${name#*=} ;;
            --?*) files=0 && continue ;;
            *) [ $files = 1 ] || continue ;;
        esac
        [ -f "$name" ] || continue
        copies+=("$name" "$px_staged/$i-${name##*/}")
        px_arguments[i]=$flag$px_staged/$i-${name##*/}
    done
    [ ${#copies[@]} -gt 0 ] || return 0
    trap px_unstage EXIT
    # a copy under another name first: the tasks of nodes that share a disk may do this at the same time
    # shellcheck disable=SC2016
    px_on_each_node 'place=$1; shift
        mkdir -m 700 "$place" 2>/dev/null || [ -O "$place" ] || { echo "$place: not ours" >&2; exit 1; }
        while [ $# -gt 0 ]; do cp -- "$1" "$2.$SLURM_PROCID" && mv -- "$2.$SLURM_PROCID" "$2" || exit 1; shift 2; done' \
        stage "$px_staged" "${copies[@]}" || px_refuse "the texts cannot be copied to $px_staged on every node; leave PERPLEX_STAGE out"
    px_say "texts copied to $px_staged on ${SLURM_JOB_NUM_NODES:-1} node(s)"
}

# shellcheck disable=SC2016
px_unstage() {
    [ -z "${px_staged:-}" ] || px_on_each_node 'rm -rf -- "$1"' unstage "$px_staged"
    px_staged=
}

# ---- how it ended ---------------------------------------------------------------------------------------------------------

# The last line of a job's output: "result: RUN: validation perplexity 3.5302, test perplexity 3.4175".
px_result() {
    local line valid='' test=''
    line=$(tail -n 1 "$1/metrics.jsonl" 2>/dev/null)
    [[ $line == '{"event":"end"'* ]] || return 0
    [[ $line =~ \"best_valid_loss\":([-+0-9.e]+) ]] && valid=$(awk -v l="${BASH_REMATCH[1]}" 'BEGIN { printf "validation perplexity %.4f", exp(l) }')
    [[ $line =~ \"test_perplexity_zero\":([-+0-9.e]+) ]] && test=$(awk -v p="${BASH_REMATCH[1]}" 'BEGIN { printf "test perplexity %.4f", p }')
    echo "result: $1: $valid${valid:+${test:+, }}$test"
}

# Whether somebody ended this job by scancel. That sends TERM to this shell, too; a preemption does not.
px_was_cancelled() {
    [ "$px_term" = 1 ] || [ "$(squeue -h -j "$SLURM_JOB_ID" -o %T 2>/dev/null)" = CANCELLED ]
}

# Puts this job back into the queue, from where it comes back with the same arguments. Does not return where that works.
px_requeue() {
    local id=$SLURM_JOB_ID
    [ -z "${SLURM_ARRAY_JOB_ID:-}" ] || id=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
    if [ "${SLURM_RESTART_COUNT:-0}" -ge "${PERPLEX_MAX_RESTARTS:-100}" ]; then
        px_say "restarted ${SLURM_RESTART_COUNT} times already (PERPLEX_MAX_RESTARTS); submit it again to go on"
    elif px_unstage && scontrol requeue "$id"; then
        px_say "requeued; goes on from its checkpoint"
        sleep 120 # Slurm ends this script in a moment
    else
        px_say "this site does not let jobs requeue: submit it again to go on, or use chain.sbatch"
    fi
}

# px_run ARGS...: one training step of the job; its status is in px_status.
px_run() {
    px_term=0
    px_staged=
    px_arguments=("$@")
    trap px_on_term TERM
    export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
    px_find_program
    px_choose_mpi
    px_run_folder=$(px_flag run "$@") || px_refuse "no place for the results; give --run DIR behind the script's name"
    px_stage
    px_say "job $SLURM_JOB_ID${SLURM_ARRAY_TASK_ID:+ (element $SLURM_ARRAY_TASK_ID)} on ${SLURM_JOB_NODELIST:-?}, ${SLURM_NTASKS:-1} task(s) of ${SLURM_CPUS_PER_TASK:-1} core(s), restart ${SLURM_RESTART_COUNT:-0}"
    px_srun "${px_mpi[@]}" "$PERPLEX" train --threads "${SLURM_CPUS_PER_TASK:-1}" "${px_arguments[@]}" --resume auto
    px_status=$?
    px_unstage
}
px_on_term() { px_term=1; }

# px_train ARGS...: trains, or goes on; requeues where the run stopped with a checkpoint; the result is the last line.
px_train() {
    px_run "$@"
    [ -z "${px_after:-}" ] || "$px_after" # what a script has to do before the job may be requeued
    if [ $px_status = 75 ]; then
        if px_was_cancelled; then px_say "cancelled, or out of time; the checkpoint is in $px_run_folder: submit it again to go on"; else px_requeue; fi
    fi
    [ $px_status != 0 ] || px_result "$px_run_folder"
    exit $px_status
}

# ---- sweeps -----------------------------------------------------------------------------------------------------------------

# px_sweep_lines FILE: the elements of a sweep, a line of flags each. A file of flag lines is that already (less comments and empty lines); a
# grid has lines "setting = value value ..." and stands for all combinations, the last line's values changing fastest.
px_sweep_lines() {
    local line name values value before lines=() grid=0
    [ -r "$1" ] || px_refuse "$1: this sweep file cannot be read"
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        case $line in
            '' | '#'*) continue ;;
            --*) [ $grid = 0 ] || px_refuse "$1: '$line' among the lines of a grid" ;;
            *=*)
                [ $grid = 1 ] || [ ${#lines[@]} = 0 ] || px_refuse "$1: '$line' among lines of flags"
                [ $grid = 1 ] || lines=('')
                grid=1
                name=${line%%=*}
                read -r name <<<"$name"
                read -ra values <<<"${line#*=}"
                [ ${#values[@]} -gt 0 ] || px_refuse "$1: $name has no values"
                before=("${lines[@]}")
                lines=()
                for line in "${before[@]}"; do
                    for value in "${values[@]}"; do lines+=("$line${line:+ }--$name $value"); done
                done
                continue ;;
            *) px_refuse "$1: '$line': neither flags (--hidden 256 --lr 0.001) nor a grid's line (hidden = 128 256)" ;;
        esac
        lines+=("$line")
    done <"$1"
    [ ${#lines[@]} -gt 0 ] || px_refuse "$1: holds no element"
    printf '%s\n' "${lines[@]}"
}

# px_split LINE: its arguments into px_split_arguments. Quotation marks group, as in a shell, but nothing is evaluated.
px_split() {
    local quoted
    quoted=$(mktemp) || exit 1
    if ! printf '%s\n' "$1" | xargs -r printf '%s\0' >"$quoted"; then
        rm -f "$quoted"
        px_refuse "'$1': a quotation mark is not closed"
    fi
    mapfile -d '' -t px_split_arguments <"$quoted"
    rm -f "$quoted"
}
