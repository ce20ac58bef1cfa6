#!/usr/bin/env bash
# cluster.sh: tests a sweep on a real Slurm, which it starts and stops.
#
# Two nodes on the loopback interface, each with a slurmd, one controller and one munged, with their own keys,
# sockets, ports and folders, so that they do not interfere with a cluster of the machine. A small sweep runs as job
# arrays while a task is killed, one is warned and requeued, one slurmd is killed with -9 and the controller is
# restarted. Then runs of two ranks, one on each node, follow: a rank is killed, a task warned, another cancelled. The
# collected results must equal those of `poslab run`, bit for bit. Needs root. Every started process is ended by its
# number, also after failures.
. "$(dirname "$0")/../tools/shell.sh"
[ "$(id -u)" = 0 ] || { echo "cluster.sh: slurmctld, slurmd and munged are started as root; run it as root" >&2; exit 1; }
chmod 755 "$home"
export SLURM_CONF=$home/slurm.conf TMPDIR=$home/tmp
# mpirun inherits this environment through the tasks' scripts: it runs as root, and must not spin without its own core.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none # avoids a warning if ptrace is not allowed
declare -A daemon=() # name: process

# ours: all processes with this test's folder in their environment, except this one.
ours() {
    grep -lsF "SLURM_CONF=$home/" /proc/[0-9]*/environ | cut -d / -f 3 | grep -vx "$$"
}

tear_down() {
    local pid name round
    for name in "${!daemon[@]}"; do kill "${daemon[$name]}" 2>/dev/null; done
    for round in 1 2 3 4 5 6 7 8 9 10; do
        for pid in $(ours); do
            if [ "$round" -gt 2 ]; then kill -KILL "$pid" 2>/dev/null; else kill "$pid" 2>/dev/null; fi
        done
        [ -n "$(ours)" ] || break
        sleep 0.5
    done
    wait 2>/dev/null
    if [ "${KEEP:-}" ]; then echo "# kept: $home"; else rm -rf "$home"; fi
}
trap tear_down EXIT
trap 'exit 1' INT TERM HUP

# --- the cluster ---

start_munged() {
    install -d -o munge -m 755 munge
    dd if=/dev/urandom of=munge/key bs=64 count=1 2>/dev/null
    chown munge munge/key
    chmod 400 munge/key
    runuser -u munge -- /usr/sbin/munged --foreground --key-file="$home/munge/key" --socket="$home/munge/socket" \
        --pid-file="$home/munge/pid" --log-file="$home/munge/log" --seed-file="$home/munge/seed" >munge.log 2>&1 &
    daemon[munged]=$!
}

start_controller() {
    slurmctld -D >>slurmctld.out 2>&1 &
    daemon[slurmctld]=$!
}

start_node() { # start_node NAME
    slurmd -D -N "$1" >>"slurmd.$1.out" 2>&1 &
    daemon[$1]=$!
}

host=$(hostname -s)
mkdir state tmp
cat >slurm.conf <<END
ClusterName=poslab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$home/munge/socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MaxArraySize=4
ReturnToService=2
SlurmdTimeout=10
InactiveLimit=0
KillWait=5
MessageTimeout=5
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool.%n
SlurmdPidFile=$home/slurmd.%n.pid
SlurmctldPidFile=$home/slurmctld.pid
SlurmdLogFile=$home/slurmd.%n.log
SlurmctldLogFile=$home/slurmctld.log
MailProg=/bin/true
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=1 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=60 State=UP
END
echo "CgroupPlugin=cgroup/v1" >cgroup.conf

idle_nodes() {
    [ "$(sinfo --noheader --Node --format=%T | grep -c '^idle$')" = 2 ]
}

start_munged
eventually 10 test -S munge/socket || exit 1
start_controller
start_node n1
start_node n2
check "a cluster of two nodes" eventually 60 idle_nodes
if [ $failed != 0 ]; then
    tail -n 20 munge.log munge/log slurmctld.log slurmd.n1.log slurmd.n1.out 2>&1 | sed 's/^/# /'
    exit 1
fi

# --- the sweep ---

write_texts
# The config of the end-to-end test, with longer runs, more seeds, and a state saved after every step.
sed -e 's/"e2e"/"many"/' -e 's/1920/320000/' -e 's/"width": 32/"width": 64/' -e 's/\[1, 2\] }/[1, 2, 3, 4] }/' \
    -e 's/"length": 16/"checkpoint": 0.2, &/' "$fixtures/e2e.json" >many.json
database=results/many.db

# In these functions a task is one of the experiment in $database.
states() { # states: "TASK STATE" of each run that is not complete
    "$POSLAB" status $database 2>/dev/null | sed -nE 's/.*; task ([0-9]+_[0-9]+) is ([a-z]+).*/\1 \2/p'
}

in_state() { # in_state STATE [TASK]: whether such a task exists
    states | grep -qE "^${2:-[0-9_]+} $1\$"
}

# The manifest line of a task, and its run folder.
line_of() { # line_of TASK
    local job=${1%_*} index=${1#*_} jobs
    for jobs in "${database%.db}"/cluster/*/jobs; do
        awk -v job="$job" -v i="$index" '$1 == job && i <= $3 { print $2 + i; found = 1 } END { exit !found }' "$jobs" &&
            return
    done
}
folder_of() { # folder_of TASK
    sed -n "$(line_of "$1")p" "${database%.db}/cluster/1/manifest" | sed -E 's/.*"folder":"([^"]*)".*/\1/'
}

workers_of() { # workers_of TASK: its processes, one for each rank
    local line pid
    line=$(line_of "$1")
    for pid in $(ours); do
        tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qE "^[^ ]*program worker .*--task $line " && echo "$pid"
    done
}
worker_of() { # worker_of TASK: one of them
    workers_of "$1" | grep -m 1 .
}

node_of() { # node_of TASK
    squeue --noheader --array --format='%F_%K %N' | awk -v task="$1" '$1 == task { print $2 }'
}

# Sets $victim to a running task (on NODE) that has saved a state.
find_victim() { # find_victim [NODE]
    local task
    for task in $(states | sed -n 's/ running$//p'); do
        [ -z "${1:-}" ] || [ "$(node_of "$task")" = "$1" ] || continue
        [ -e "$(folder_of "$task")/state.safetensors" ] && worker_of "$task" >/dev/null && victim=$task && return
    done
    return 1
}

no_tasks() {
    [ -z "$(squeue --noheader)" ]
}

check "the sweep, here" try 0 run many.json --db local/x.db -j 2 -q
check "submit -n" try 0 submit -n many.json --time 30 --limit 5
check "prints a script" bash -n out
check "for arrays that respect MaxArraySize and the limit" test "$(grep -o -- '--array=[^ ]*' out | tr '\n' ' ')" = \
    "--array=1-3%5 --array=1-3%5 --array=1-2%5 "
check "and writes nothing" test ! -e results
check "submit" try 0 submit many.json --time 30
check "as three arrays" test "$(grep -c '^submitted job' out)" = 3
check "with one line for each run" test "$(wc -l <results/many/cluster/1/manifest)" = 8
check "status has pending tasks" in_state pending
check "and soon running ones" eventually 60 in_state running
check "submit again" try 0 submit many.json --time 30
check "leaves to the scheduler what it has" says out "nothing to submit"

check "a task saves its state" eventually 300 find_victim
killed=$victim
kill -KILL "$(worker_of "$killed")"
check "killed, it is lost" eventually 60 in_state lost "$killed"
check "with its last words" grep -q "task $killed is lost: " <("$POSLAB" status $database)

check "another one saves its state" eventually 300 find_victim
warned=$victim
scancel --batch --signal=USR1 "$warned"
check "warned, it is requeued" eventually 60 in_state requeued "$warned"
check "which leaves a state" test -e "$(folder_of "$warned")/state.safetensors"

check "collect while tasks run" try 3 collect many.json
check "says what there is to come" says out "requeued" "lost"

# The worker outlives its node's slurmd; it is stopped here, so that for a while there are two workers of the same run.
check "one on the second node saves its state" eventually 300 find_victim n2
orphan=$victim log=results/many/cluster/1/log/$victim.log
first=$(worker_of "$orphan")
kill -STOP "$first"
{
    kill -KILL "${daemon[n2]}"
    kill "${daemon[slurmctld]}"
    wait "${daemon[n2]}" "${daemon[slurmctld]}"
} 2>/dev/null # bash would print messages about killed jobs
check "without a controller status still works" try 3 status $database
check "and knows that it does not know" says out "is unknown"
check "submit does not" try 5 submit many.json
start_controller
check "the lost node's task is started again" eventually 600 grep -q "another worker is using" "$log"
check "while the first worker is still there" kill -0 "$first"
kill -CONT "$first"
check "which delivers" eventually 300 grep -q "nothing is missing" "$log"
start_node n2

check "collect while tasks run, again" try 3 collect $database
check "all tasks come to an end" eventually 600 no_tasks
check "collect" try 1 collect many.json
check "leaves the lost one" says out "7 of 8 runs are complete, 1 lost"
check "which submit takes up" try 0 submit many.json --time 30
check "alone" says out ": 1 run"
check "it ends" eventually 300 no_tasks
check "collect the last" try 0 collect many.json
check "all are complete" says out "8 of 8 runs are complete"
check "and once more" try 0 collect many.json
check "changes nothing" says out "collected 0 results; 8 of 8 runs are complete"

check "every number is that of the local run, bit for bit" same_numbers local/x.db $database
check "the database is whole" is ok $database 'PRAGMA integrity_check'
check "nothing is left running" is 8 $database "SELECT count(*) FROM run WHERE status = 'done'"
check "the killed and the warned ones resumed from their states" test \
    "$(grep -l 'resuming from step' results/many/cluster/*/log/*.log | wc -l)" -ge 2
check "no journal on the shared file system" test -z "$(find results/many -name '*-journal' -o -name '*.tmp' -o -name 'result.db')"
check "nothing in the local folders" test -z "$(ls tmp)"
check "status" try 0 status $database
check "has nothing more to say" test "$(wc -l <out)" = 1
check "run has nothing to do" try 0 run many.json

# --- two ranks, one on each node ---

# mpirun must belong to the MPI that the program is built with.
case $(ldd "$POSLAB") in
*libmpich.so* | *libmpi.so.12*) mpi=mpich ;;
*) mpi=openmpi ;;
esac
check "the program has MPI" grep -q libmpi <(ldd "$POSLAB")
mkdir bin
printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v "mpirun.$mpi" || command -v mpirun)" >bin/mpirun
chmod +x bin/mpirun
export PATH=$home/bin:$PATH
sed -e 's/"e2e"/"ranks"/' -e 's/1920/64000/' -e 's/\["alibi", "sinusoidal"\]/["alibi"]/' \
    -e 's/\[1, 2\] }/[1, 2, 3] }/' -e 's/"length": 16/"checkpoint": 0.2, &/' "$fixtures/e2e.json" >ranks.json
database=results/ranks.db

rank_of() { # rank_of PROCESS
    tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | sed -nE 's/^(OMPI_COMM_WORLD_RANK|PMI_RANK)=//p'
}
node_of_process() { # its parent was started by Slurm on the node
    tr '\0' '\n' 2>/dev/null <"/proc/$(sed -n 's/^PPid:\t//p' "/proc/$1/status")/environ" | sed -n 's/^SLURMD_NODENAME=//p'
}
cores_of() { # cores_of PROCESS: the cores on which it may run
    sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$1/status"
}
none_of() { # none_of TASK: it has no process
    [ -z "$(workers_of "$1")" ]
}
runs_again() { # runs_again TASK: releases a requeued task, which would wait two minutes
    in_state running "$1" || scontrol update JobId="$1" StartTime=now
    in_state running "$1"
}

check "two ranks, here" mpirun -np 2 "$POSLAB" run ranks.json --db local/ranks.db -q
check "two threads, here" try 0 run ranks.json --db local/threads.db --threads 2 -q
check "submit runs of two ranks" try 0 submit ranks.json --time 30 --set cluster.ranks=2
check "one saves its state" eventually 300 find_victim
killed=$victim
mapfile -t two < <(workers_of "$killed")
check "it has two processes" test ${#two[@]} = 2
check "which are two ranks" test "$(for pid in "${two[@]}"; do rank_of "$pid"; done | sort | tr '\n' ' ')" = "0 1 "
check "on two nodes" test "$(for pid in "${two[@]}"; do node_of_process "$pid"; done | sort | tr '\n' ' ')" = "n1 n2 "
check "neither bound to a core" test "$(for pid in "${two[@]}"; do cores_of "$pid"; done | sort -u)" = "$(cores_of $$)"
for pid in "${two[@]}"; do [ "$(rank_of "$pid")" = 0 ] || kill -KILL "$pid"; done
check "one rank killed, the other ends" eventually 60 none_of "$killed"
check "the task is lost" eventually 60 in_state lost "$killed"
check "with mpirun's last words" grep -qE "task $killed is lost: .*(signal 9|mpiexec|debugging)" <("$POSLAB" status $database)

check "the next saves its state" eventually 300 find_victim
warned=$victim
scancel --batch --signal=USR1 "$warned"
check "warned, it is requeued" eventually 60 in_state requeued "$warned"
check "the last one saves its state" eventually 300 find_victim
scancel "$victim"
check "cancelled, all of it ends" eventually 60 none_of "$victim"
check "and stays away" eventually 60 in_state lost "$victim"
check "the warned one runs again" eventually 60 runs_again "$warned"
check "all tasks come to an end" eventually 300 no_tasks
check "collect" try 1 collect ranks.json
check "leaves the two" says out "1 of 3 runs are complete, 2 lost"
check "which submit takes up" try 0 submit ranks.json --time 30 --set cluster.ranks=2
check "they end" eventually 300 no_tasks
check "collect the last" try 0 collect ranks.json
check "all are complete" says out "3 of 3 runs are complete"
check "every number is that of mpirun -np 2, bit for bit" same_numbers local/ranks.db $database
check "and that of two threads" same_numbers local/threads.db $database
check "all three resumed from their states" test "$(grep -l 'resuming from step' results/ranks/cluster/*/log/*.log | wc -l)" = 3
check "two ranks are stored" is 2 $database "SELECT DISTINCT ranks FROM run"
done_testing
