#!/usr/bin/env bash
# Ranks as real processes that meet over TCP, files and MPI: bootstrap.sh TOOL FAKE_NCCL. Late, missing, strange and dying ones.
set -u
tool=$1 fake=$2
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
unset MASTER_ADDR MASTER_PORT PERPLEX_JOB PERPLEX_BOOTSTRAP_KEY PERPLEX_NCCL NCCL_ALGO NCCL_PROTO SLURM_JOB_ID SLURM_STEP_ID SLURM_RESTART_COUNT \
    TORCHELASTIC_RUN_ID TORCHELASTIC_RESTART_COUNT PMIX_NAMESPACE
export PERPLEX_BOOTSTRAP_DIR=$work/meet PX_FAKE_NCCL_DIR=$work
cases=0 failures=0
# Seconds: the deadline where nobody should need one, shorter than what a rank is given before it counts as hung.
LONG=600 HUNG=900
# Where a deadline must end a wait, others still have to come before it: on a busy machine the case is tried again with a longer one.
DEADLINES="2 15 120"

ok() { cases=$((cases + 1)); echo "ok    $1"; }
fail() {
    cases=$((cases + 1)) failures=$((failures + 1))
    echo "FAIL  $1"
    tail -n 3 "$work"/*.out "$work"/*.err 2>/dev/null | cut -c 1-400 | sed 's/^/      | /'
}
must() {
    local name=$1
    shift
    if "$@"; then ok "$name"; else fail "$name"; fi
}

# A port of this machine that nobody listens on now.
next_port=$((20000 + $$ % 10000))
free_port() {
    next_port=$((next_port + 1))
    while (: <>"/dev/tcp/127.0.0.1/$next_port") 2>/dev/null; do next_port=$((next_port + 1)); done
    MASTER_PORT=$next_port
    export MASTER_PORT
}

# fresh: before each case.
fresh() {
    wait
    rm -rf "$work"/*.out "$work"/*.err "$work"/*.status
    unset MASTER_PORT PERPLEX_JOB
    export PERPLEX_JOB=job-$cases
}
# rank R SIZE WAY SECONDS [nccl]: in the background.
rank() {
    local r=$1 size=$2
    shift 2
    (
        RANK=$r WORLD_SIZE=$size timeout $HUNG "$tool" "$@" >"$work/$r.out" 2>"$work/$r.err"
        echo $? >"$work/$r.status"
    ) &
}
status() { cat "$work/$1.status"; }
says() { grep -q -e "$2" "$work/$1.err"; }
# same_id RANKS...: all ended well with the same id.
same_id() {
    local r
    for r in "$@"; do [ "$(status "$r")" = 0 ] || return 1; done
    [ "$(for r in "$@"; do sed -n 's/^rank [0-9]* got //p' "$work/$r.out"; done | sort -u | wc -l)" -eq 1 ]
}
# nothing_left: the folder has no file but the key.
nothing_left() { [ "$(ls "$work/meet")" = key ] || [ -z "$(ls "$work/meet")" ]; }
. "$(dirname "$0")/../../cli/wait.sh"
# listens: somebody listens on MASTER_PORT.
listens() { grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$MASTER_PORT") [0-9A-F]*:0000 0A " /proc/net/tcp /proc/net/tcp6; }
ended() { [ -s "$work/$1.status" ]; }

# ---- TCP ---------------------------------------------------------------------------------------------------------------------
fresh; free_port
rank 1 4 tcp $LONG; rank 2 4 tcp $LONG
sleep 0.5 # before anybody listens
rank 0 4 tcp $LONG
sleep 0.7
rank 3 4 tcp $LONG
wait
must "tcp: four ranks, some early and one late, get the id of rank 0" same_id 0 1 2 3
must "tcp: the key was made with mode 600" test "$(stat -c %a "$work/meet/key")" = 600

fresh
for r in 0 1 2; do rank $r 3 tcp $LONG; done
wait
must "tcp: a port that the system chose is found by all ranks" same_id 0 1 2
must "tcp: and its file is gone afterwards" nothing_left

fresh; free_port
rank 0 3 tcp $LONG
wait_for listens
(
    exec 3<>"/dev/tcp/127.0.0.1/$MASTER_PORT" # says nothing
    exec 4<>"/dev/tcp/127.0.0.1/$MASTER_PORT"
    head -c 400 /dev/zero >&4                  # says something else
    exec 5<>"/dev/tcp/127.0.0.1/$MASTER_PORT"
    exec 5>&-                                  # goes at once
    sleep 1.5
) 2>/dev/null &
sleep 0.3
rank 1 3 tcp $LONG; rank 2 3 tcp $LONG
wait
must "tcp: strangers hinder nobody" same_id 0 1 2

for deadline in $DEADLINES; do
    fresh; free_port
    rank 1 3 tcp $LONG; rank 0 3 tcp "$deadline"
    wait
    ! says 0 "rank 2 of 3 did not come" || break
done
must "tcp: a rank that does not come is named" says 0 "rank 2 of 3 did not come to 127.0.0.1:$MASTER_PORT within $deadline s"
must "tcp: with status 1" test "$(status 0)" = 1
must "tcp: the rank that came has the id" test "$(status 1)" = 0

fresh; free_port
rank 1 2 tcp 1
wait
must "tcp: rank 0 that does not come is named" says 1 "rank 1 of 2: no rank 0 at 127.0.0.1:$MASTER_PORT within 1 s"

head -c 32 /dev/urandom >"$work/other-key" && chmod 600 "$work/other-key"
for deadline in $DEADLINES; do
    fresh; free_port
    rank 0 2 tcp "$deadline"
    PERPLEX_BOOTSTRAP_KEY=$work/other-key rank 1 2 tcp "$deadline"
    wait
    ! says 1 "has another key" || break
done
must "tcp: a rank with another key is told so" says 1 "has another key"
must "tcp: with status 2" test "$(status 1)" = 2
must "tcp: and rank 0 says whom it refused" says 0 "1 connection was refused, the last from 127.0.0.1:[0-9]*: not the key of this job"
must "tcp: and no id went out" test ! -s "$work/1.out"

fresh; free_port
rank 0 2 tcp $LONG
wait_for listens
(RANK=0 WORLD_SIZE=2 timeout $HUNG "$tool" tcp $LONG >"$work/second.out" 2>"$work/second.err"; echo $? >"$work/second.status") &
wait_for ended second
must "tcp: a port in use ends the second rank 0 at once" says second "the port 127.0.0.1:$MASTER_PORT is in use"
rank 1 3 tcp $LONG # of a job with another number of ranks
wait_for ended 1
must "tcp: a rank that counts otherwise is told so" says 1 "another number of ranks than 3"
rank 1 2 tcp $LONG
wait
must "tcp: and the first job goes on" same_id 0 1
must "tcp: the second rank 0 ends with status 1" test "$(status second)" = 1

fresh; free_port
MASTER_ADDR=192.0.2.1 rank 0 2 tcp $LONG
chmod 644 "$work/other-key"
PERPLEX_BOOTSTRAP_KEY=$work/other-key rank 1 2 tcp $LONG
wait
must "tcp: an address of another machine is refused" says 0 "MASTER_ADDR=192.0.2.1 is no address of this machine"
must "tcp: a key that others can read is refused" says 1 "others can use it (mode 644)"

# ---- files -------------------------------------------------------------------------------------------------------------------
fresh
rank 1 4 file $LONG; rank 0 4 file $LONG; rank 2 4 file $LONG
sleep 0.7
rank 3 4 file $LONG
wait
must "file: four ranks, one late, get the id of rank 0" same_id 0 1 2 3
must "file: and leave nothing" nothing_left

# What is left of an attempt of the same name that was killed, and of an earlier restart.
fresh
unset PERPLEX_JOB
export SLURM_JOB_ID=71 SLURM_STEP_ID=0 SLURM_RESTART_COUNT=0
RANK=0 WORLD_SIZE=3 "$tool" file $LONG >/dev/null 2>&1 &
old=$!
RANK=1 WORLD_SIZE=3 "$tool" file $LONG >/dev/null 2>&1 &
old="$old $!"
wait_for test -e "$work/meet/perplex-slurm-71-0-0-rank-1"
# shellcheck disable=SC2086 # two numbers
{ kill -9 $old; wait; } 2>/dev/null
cp "$work/meet/perplex-slurm-71-0-0-rank-1" "$work/meet/perplex-slurm-71-0-0-rank-2"
must "file: a killed attempt leaves files" test -e "$work/meet/perplex-slurm-71-0-0-rank-1"
head -c 184 /dev/urandom >"$work/meet/perplex-slurm-71-0-0-id" && chmod 600 "$work/meet/perplex-slurm-71-0-0-id"
rank 0 3 file $LONG
sleep 0.5
rank 2 3 file $LONG; rank 1 3 file $LONG
wait
must "file: which do not harm the next attempt of the same name" same_id 0 1 2
must "file: and are gone" nothing_left
touch "$work/meet/perplex-slurm-71-0-0-rank-1"
export SLURM_RESTART_COUNT=1
rank 0 2 file $LONG; rank 1 2 file $LONG
wait
must "file: nor the next restart" same_id 0 1
must "file: which cleans up" nothing_left
unset SLURM_JOB_ID SLURM_STEP_ID SLURM_RESTART_COUNT

for deadline in $DEADLINES; do
    fresh
    rank 2 3 file "$deadline"; rank 0 3 file "$deadline"
    wait
    ! says 0 "rank 1 of 3 did not come" || break
done
must "file: a rank that does not come is named" says 0 "rank 1 of 3 did not come within $deadline s"
must "file: and the others say that rank 0 gave no answer" says 2 "rank 2 of 3: rank 0 gave no answer within $deadline s"
must "file: with status 1" test "$(status 0)" = 1 -a "$(status 2)" = 1
must "file: nothing is left" nothing_left

fresh
rank 0 2 mpi 5
wait
must "mpi: asked for where there is no MPI, it is said what else to do" says 0 "or --bootstrap tcp or file\|or give --bootstrap tcp or file"

fresh
unset PERPLEX_JOB
rank 0 2 auto 5
touch "$work/plain"
PERPLEX_BOOTSTRAP_DIR=$work/plain PERPLEX_JOB=x rank 1 2 file 5
wait
must "auto: without MPI, port or job it is said what to do" says 0 "export MASTER_ADDR and MASTER_PORT on every rank, or PERPLEX_JOB"
must "file: a folder that is none is refused" says 1 "not a folder"

# ---- MPI ---------------------------------------------------------------------------------------------------------------------
if ! command -v mpirun >/dev/null; then
    echo "SKIP: bootstrap by MPI: no mpirun; apt-get install openmpi-bin libopenmpi-dev"
elif [ ! -e "${PERPLEX_MPI_MODULE:-}" ]; then
    echo "SKIP: bootstrap by MPI: this build has none"
else
    fresh
    # OpenMPI does not free all that it has at its end
    ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=self,vader,tcp \
        mpirun -n 3 "$tool" mpi $LONG >"$work/mpi.out" 2>"$work/mpi.err"
    echo $? >"$work/mpi.status"
    must "mpi: three ranks get the id of rank 0" test "$(status mpi)" = 0 -a "$(sed 's/.*got //' "$work/mpi.out" | sort | uniq -c | awk '{ print $1 }')" = 3
fi

# ---- talking without MPI ------------------------------------------------------------------------------------------------------
for way in tcp file; do
    fresh; free_port
    for r in 0 1 2; do rank $r 3 $way $LONG comm; done
    wait
    must "$way: three ranks talk over connections to rank 0" test "$(cat "$work"/[012].out | grep -c talked)" = 3
    must "$way: and leave nothing" nothing_left
done
fresh
for r in 0 1 2; do rank $r 3 file $LONG comm-fails; done
wait
must "talk: a failure that rank 1 tells ends the others with its words" says 0 "rank 1 of 3 has failed: the disk is full"
must "talk: also those that have no connection to it" says 2 "rank 1 of 3 has failed: the disk is full"
fresh
for r in 0 1 2; do rank $r 3 file $LONG comm-dies; done
wait
must "talk: rank 0 sees that a rank has died" says 0 "the connection to rank 1 has ended"
must "talk: and then all others end" test "$(status 2)" = 1
must "talk: and none of them at its deadline" test "$(cat "$work"/*.err | grep -c "within $LONG s\|for $LONG s")" = 0

# ---- NCCL, the fake one --------------------------------------------------------------------------------------------------------
export PERPLEX_NCCL=$fake
fresh; free_port
export PX_FAKE_NCCL_LOG=$work/calls
for r in 0 1 2; do rank $r 3 tcp $LONG nccl; done
wait
must "nccl: three ranks sum" test "$(cat "$work"/[012].out | grep -c 'summed 5 rounds')" = 3
must "nccl: algorithm and protocol are pinned" grep -q "id algo=Ring proto=Simple" "$work/calls"
must "nccl: and they leave in order" test "$(grep -c destroy "$work/calls")" = 3 -a "$(grep -c abort "$work/calls")" = 0

export PX_TEST_STALL_S=1
for fault in reduce-hangs@3 reduce-breaks@3 enqueue-fails@3; do
    fresh
    rank 0 2 file $LONG nccl
    PX_FAKE_NCCL_FAULT=$fault rank 1 2 file $LONG nccl
    wait
    must "nccl: $fault on rank 1 ends both, with a message" test "$(status 0)" = 1 -a "$(status 1)" = 1 -a -s "$work/0.err" -a -s "$work/1.err"
done
must "nccl: the rank that is left alone says what it sees" says 0 "within [0-9]* s; another rank has ended or hangs"

fresh
PX_FAKE_NCCL_FAULT=init-hangs rank 0 1 file 1 nccl
wait
must "nccl: ranks that do not meet are an error in time" says 0 "not all ranks met within 1 s"

echo "$((cases - failures)) of $cases cases hold"
[ "$failures" = 0 ] && [ "$cases" -gt 40 ]
