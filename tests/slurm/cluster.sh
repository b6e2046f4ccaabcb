#!/usr/bin/env bash
# A Slurm of its own on one machine: munge, slurmctld and two virtual nodes, as root, with sockets, keys and folders below DIR alone.
#   cluster.sh check      says why it cannot be done here (status 77)
#   cluster.sh up DIR     starts it; then SLURM_CONF=DIR/slurm.conf
#   cluster.sh down DIR   cancels all jobs and stops it; harmless where nothing runs
# It never touches a configured site (a slurm.conf of the system, a running slurmd), and never starts or enables a daemon of the system.
set -u

cannot() {
    echo "$1"
    exit 77
}

check() {
    local tool
    [ "$(id -u)" = 0 ] || cannot "only root can run slurmd"
    for tool in munged slurmctld slurmd sbatch srun scontrol squeue sinfo scancel; do
        command -v $tool >/dev/null || cannot "$tool is not installed (slurm-wlm, munge)"
    done
    # Debian's packages make an empty /etc/slurm
    for tool in /etc/slurm/slurm.conf /etc/slurm-llnl/slurm.conf; do
        [ ! -e $tool ] || cannot "this machine has a Slurm of its own ($tool)"
    done
    for tool in slurmd slurmctld slurmdbd; do
        ! pgrep -x $tool >/dev/null || cannot "a $tool runs on this machine"
    done
    [ -z "${SLURM_JOB_ID:-}" ] || cannot "this is a Slurm job itself"
}

write_configuration() {
    local folder=$1 host port gpu
    host=$(hostname -s)
    port=$((20000 + $$ % 10000))
    cat >"$folder/slurm.conf" <<END
ClusterName=perplex-test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# a requeued job waits until its old credentials have expired: two minutes unless they do so sooner
AuthInfo=socket=$folder/munge/socket,cred_expire=5
SlurmctldPort=$port
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
TmpFS=$folder/tmp-%n
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=1
MailProg=/bin/true
MpiDefault=none
# the nodes have four cores each, whatever this machine has
SlurmdParameters=config_overrides
# what can never run is refused instead of waiting for ever
EnforcePartLimits=ALL
ReturnToService=2
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=n[1-2] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=4 RealMemory=500 Gres=gpu:2 State=UNKNOWN
PartitionName=low  Nodes=n[1-2] Default=YES PriorityTier=1 GraceTime=20 MaxTime=60 State=UP
PartitionName=high Nodes=n[1-2] PriorityTier=10 PreemptMode=OFF MaxTime=60 State=UP
END
    for gpu in 0 1; do
        [ -e "$folder/gpu$gpu" ] || mknod "$folder/gpu$gpu" c 1 3 2>/dev/null || ln -s /dev/null "$folder/gpu$gpu"
    done
    echo "Name=gpu File=$folder/gpu[0-1]" >"$folder/gres.conf"
}

up() {
    local folder=$1 try
    mkdir -p "$folder"/{munge,state,spool-n1,spool-n2,tmp-n1,tmp-n2}
    chmod 755 "$folder" "$folder/munge" # munge refuses a socket in a folder that others cannot reach
    chmod 1777 "$folder"/tmp-n?
    [ -f "$folder/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
    munged -f --socket="$folder/munge/socket" --key-file="$folder/munge/key" --log-file="$folder/munge/log" \
        --pid-file="$folder/munge/pid" --seed-file="$folder/munge/seed" || return 1
    write_configuration "$folder"
    export SLURM_CONF=$folder/slurm.conf
    if ! slurmctld || ! slurmd -N n1 || ! slurmd -N n2; then return 1; fi
    for try in $(seq 3000); do
        [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | wc -l)" = 2 ] && return 0
        sleep 0.1
    done
    sinfo -N >&2
    tail -n 20 "$folder"/*.log >&2
    return 1
}

# Jobs first: slurmd does not end them when it ends.
down() {
    local folder=$1 file process jobs try
    export SLURM_CONF=$folder/slurm.conf
    if [ -f "$folder/slurmctld.pid" ] && kill -0 "$(cat "$folder/slurmctld.pid")" 2>/dev/null; then
        for try in $(seq 60); do
            jobs=$(timeout 10 squeue -h -o %A 2>/dev/null | sort -u) || break
            [ -n "$jobs" ] || break
            # shellcheck disable=SC2086
            timeout 10 scancel $jobs 2>/dev/null
            # shellcheck disable=SC2086
            [ "$try" -lt 8 ] || timeout 10 scancel -f -s KILL $jobs 2>/dev/null
            sleep 0.25
        done
    fi
    for file in "$folder"/slurmd-n1.pid "$folder"/slurmd-n2.pid "$folder/slurmctld.pid" "$folder/munge/pid"; do
        [ -f "$file" ] || continue
        process=$(cat "$file")
        kill "$process" 2>/dev/null || continue
        for try in $(seq 50); do
            kill -0 "$process" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$process" 2>/dev/null
    done
    return 0
}

case "${1:-}" in
    check) check ;;
    up) check && up "$(realpath -m "$2")" ;;
    down) down "$(realpath -m "$2")" ;;
    *) echo "usage: $0 check | up DIR | down DIR" >&2; exit 2 ;;
esac
