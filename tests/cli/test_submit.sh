#!/usr/bin/env bash
# test_submit.sh: submit, status and collect with stubs for Slurm: sbatch records its arguments, squeue prints a file,
# scontrol prints MaxArraySize. (tests/cli/cluster.sh uses a real Slurm.)
. "$(dirname "$0")/../tools/shell.sh"
export TMPDIR=$home/tmp PATH=$home/bin:$PATH

mkdir bin text tmp
cat >bin/sbatch <<'END'
#!/bin/bash
jobs=$(($(cat jobs.count 2>/dev/null || echo 100) + 1))
echo $jobs >jobs.count
printf '%s\n' "$@" >sbatch.$jobs
[ ! -e full ] || { printf 'Welcome.\nsbatch: error: no room\n' >&2; exit 1; }
[ ! -e talks ] || printf 'Welcome to the cluster.\n12 nodes are down\n'
[ -e silent ] || echo "$jobs"
[ ! -e talks ] || printf '\nYour budget: 7 hours\n'
END
cat >bin/squeue <<'END'
#!/bin/bash
printf '%s\n' "$@" >squeue.arguments
[ ! -e refuse ] || { echo "slurm_load_jobs error: no controller" >&2; exit 1; }
[ ! -e talks ] || printf 'Welcome to the cluster.\n101 is a number\n'
cat queue 2>/dev/null
true
END
printf '#!/bin/bash\necho "Configuration data"\necho "MaxArraySize            = 4"\n' >bin/scontrol
chmod +x bin/*
write_texts
write_config
database=results/e2e.db

allocation='{"partition": "p,q", "account": "a.b@c", "constraint": "x", "time": "1-02:03:04", "memory": "4G", "threads": 2, "warning": 90}'
check "submit -n" try 0 submit e2e.json -n --set cluster="$allocation" --limit 7 --partition other
check "has what config and flags say" says out "--partition=other" "--account=a.b@c" "--constraint=x" "--time=1-02:03:04" \
    "--mem=4G" "--cpus-per-task=2" "--signal=B:USR1@90" "--array=1-3%7" "--array=1-1%7"
check "is a script" bash -n out
check "that takes the threads from the allocation" says out 'export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} OPENBLAS_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}'
check "and writes nothing" test ! -e results
check "with ranks" try 0 submit e2e.json -n --set cluster.ranks=8
check "and may have lost their code" says out "in '1 75' | '1 0')"
check "mpirun starts them, and binds none to a core" says out "--ntasks=8" 'mpirun --bind-to none "$program" worker'
refused() { # refused NAME VALUE: the text is refused, since it cannot be in a line of a script
    check "cluster.$1 = $2" try 2 submit e2e.json -n --set "cluster.$1=$2"
    check "is named" says err "'cluster.$1' must be"
}
refused partition '"a b"'
refused account '"$(reboot)"'
refused time '"1\n#SBATCH -x"'
refused memory '"4G;"'
refused constraint '"-x"'
refused threads 0
check "an unknown member" try 2 submit e2e.json -n --set cluster.partitoin=x
check "is named with the nearest" says err "did you mean 'cluster.partition'"
check "what cannot be swept" try 2 plan e2e.json --set sweep.cluster.time='["1"]'
check "plan does not mind the section" try 0 plan e2e.json --set cluster.time='"1"' --json

touch talks
check "submit where sbatch and squeue greet" try 0 submit e2e.json
check "knows the numbers of its jobs" says out "submitted job 101: 3 runs" "submitted job 102: 1 run"
check "in two arrays" test -e sbatch.101 -a -e sbatch.102 -a ! -e sbatch.103
check "with a copy of the program" cmp results/e2e/cluster/1/program "$(command -v "$POSLAB")"
check "a manifest line is JSON" test "$(sqlite3 :memory: "SELECT json_valid('$(sed -n 1p results/e2e/cluster/1/manifest)')")" = 1
queue() { printf '%-32s%-32s%-32s%-32s\n' "$@" >queue; }
queue 101 1 PENDING 0 101 2 RUNNING 0 101 3 PENDING 1 102 1 RUNNING 2
check "status" try 3 status $database
check "shows all states" says out "task 101_1 is pending" "task 101_2 is running" "task 101_3 is requeued" "task 102_1 is running"
check "asked for this user's" says squeue.arguments "--user=$(id -u)"
check "submit again" try 0 submit e2e.json
rm talks
check "has nothing to submit" says out "4 runs are already submitted" "nothing to submit"
touch refuse
check "status without an answer" try 3 status $database
check "knows nothing" says out "task 101_1 is unknown"
check "submit without an answer" try 5 submit e2e.json
rm refuse

manifest=results/e2e/cluster/1/manifest
task() { # task LINE: runs it as the script does
    SLURM_ARRAY_TASK_ID=$1 SLURM_JOB_ID=1 bash results/e2e/cluster/1/task.sh "$POSLAB" $manifest 0 \
        >>"results/e2e/cluster/1/log/101_$1.log" 2>&1
}
check "a task" task 1
check "leaves its result" test -n "$(compgen -G 'results/e2e/*/result.db')"
check "collect while it is in the queue" try 3 collect e2e.json
check "says so" says out "collected 1 result; 1 of 4 runs are complete, 2 running, 1 requeued"
check "the file stays" test -n "$(compgen -G 'results/e2e/*/result.db')"
check "once more" try 3 collect $database
check "nothing changes" says out "collected 1 result; 1 of 4 runs are complete"
check "the task again" task 1
check "has nothing to do" says results/e2e/cluster/1/log/101_1.log "nothing is missing"
: >queue
task 2
echo "slurmstepd: error: out of memory" >>results/e2e/cluster/1/log/101_3.log
check "status" try 3 status $database
check "one is delivered, one lost with its last words" says out "task 101_2 is delivered" "task 101_3 is lost: slurmstepd: error: out of memory"
log=results/e2e/cluster/1/log/101_3.log
last_words() { # last_words TEXT: the last message of the task is this
    "$POSLAB" status $database >out 2>err
    says out "task 101_3 is lost: $1"
}
printf '%s\n' "note run x" "mpirun noticed that rank 1 exited on signal 9 (Killed)." "--------------------------------" "   " >>$log
check "a rule is no last word" last_words "mpirun noticed that rank 1 exited on signal 9 (Killed)."
printf '%s\n' "note run x" "poslab: no such corpus" "-----" "mpirun detected that" "  Exit code:    2" "-----" >>$log
check "what poslab said last is one, whatever mpirun adds" last_words "poslab: no such corpus"
printf '%s\n' "slurmstepd: error: out of memory" >>$log
check "unless Slurm has said more" last_words "slurmstepd: error: out of memory"
printf '%s\n' "note run x" "step 1" >>$log
check "and only of the last attempt" last_words "step 1"
echo "slurmstepd: error: out of memory" >>$log
check "status --json" try 3 status $database --json
check "has the state" says out '"state":' '"lost"'
check "collect" try 1 collect e2e.json
check "counts the lost" says out "2 of 4 runs are complete, 2 lost"
check "result files go" test -z "$(compgen -G 'results/e2e/*/result.db')"
printf 'no database' >"$(dirname "$(compgen -G 'results/e2e/*/model.safetensors' | head -1)")/result.db"
check "a damaged result" try 1 collect e2e.json
check "is named" says err "is damaged"

# A task that is warned after its first steps exits with 75, and the script requeues it.
printf '#!/bin/bash\necho "$@" >>requeued\n' >bin/scontrol
sed -e 's/1920/6400000/' -e 's/"e2e"/"slow"/' -e 's/"length": 16/"checkpoint": 1e-6, &/' e2e.json >slow.json
check "submit a slow one" try 0 submit slow.json
manifest=results/slow/cluster/1/manifest
SLURM_ARRAY_TASK_ID=1 SLURM_JOB_ID=77 bash results/slow/cluster/1/task.sh "$POSLAB" $manifest 0 >log 2>&1 &
script=$!
for i in $(seq 600); do
    compgen -G 'results/slow/*/state.safetensors' >/dev/null && break
    sleep 0.1
done
check "its log is written line by line" says log "note run"
kill -USR1 $script
wait $script
check "warned, it ends with 75" test $? = 75
check "asks for another turn" says requeued "requeue 77"
SLURM_ARRAY_TASK_ID=1 SLURM_JOB_ID=77 bash results/slow/cluster/1/task.sh "$POSLAB" $manifest 0 >log 2>&1 &
script=$!
for i in $(seq 600); do
    grep -q 'resuming from step' log && break
    sleep 0.1
done
sleep 0.5
kill -TERM $script
wait $script
check "cancelled, it ends with 75, too" test $? = 75
check "but does not ask" test "$(grep -c "^requeue" requeued)" = 1
check "it had resumed from its state" says log "resuming from step"

rm -rf results/e2e/cluster/1/log
check "submit what is lost" try 0 submit e2e.json
line=0
while [ $line -lt 2 ]; do
    line=$((line + 1))
    check "its task $line" "$POSLAB" worker --task $line results/e2e/cluster/2/manifest
done
check "no such line" try 2 worker --task 3 results/e2e/cluster/2/manifest
check "collect the rest" try 0 collect e2e.json
check "run has nothing to do" try 0 run e2e.json
check "and here it gives" try 0 run e2e.json -q --db here/x.db
check "the same numbers" same_numbers $database here/x.db
check "no folder is left on the local disk" test -z "$(ls tmp)"

sql $database "UPDATE run SET method_files = method || ':0123456789ab', train_seconds = 99 WHERE method = '$one'"
check "collect with stale runs" try 3 collect e2e.json
check "says how many" says out "2 of 4 runs are complete, 2 stale"
check "stale runs are submitted" try 0 submit e2e.json
check "but no others" says out ": 2 runs"
for line in 1 2; do check "stale run $line" "$POSLAB" worker --task $line results/e2e/cluster/3/manifest; done
check "collect them" try 0 collect e2e.json
check "they are of the new file" is 0 $database "SELECT count(*) FROM run WHERE method_files LIKE '%0123456789ab' OR train_seconds = 99"
check "with all evaluations" same_numbers $database here/x.db

sed "s/\"evaluate\": {/& \"variants\": [{\"name\": \"$two\", \"method\": \"$two\"}],/" e2e.json >variant.json
check "evaluations by a variant" try 0 run variant.json -q --db $database
numbers $database >numbers
sql $database "UPDATE evaluation SET method_files = '$two:0123456789ab', seconds = 99 WHERE variant <> '' AND length = 16
    AND run IN (SELECT key FROM run WHERE method = '$one'); UPDATE run SET train_seconds = 99"
check "of which two are stale" try 3 collect variant.json
check "are not complete" says out "collected 0 results; 2 of 4 runs are complete, 2 stale"
check "status" try 3 status $database
check "says it, too" says out "2 stale evaluations" "1 evaluation is stale: the file of its method was edited; \`run\` repeats it"
check "and no task is lost" lacks out lost
check "submit" try 0 submit variant.json
check "submits these" says out ": 2 runs"
for line in 1 2; do check "task $line" "$POSLAB" worker --task $line results/e2e/cluster/4/manifest; done
check "collect, again" try 0 collect variant.json
check "has the evaluations" says out "collected 2 results; 4 of 4 runs are complete"
check "of the present file, without training" is "0|4" $database "SELECT (SELECT count(*) FROM evaluation WHERE seconds = 99
    OR method_files LIKE '%0123456789ab'), (SELECT count(*) FROM run WHERE train_seconds = 99)"
check "with the same numbers" diff numbers <(numbers $database)

touch full
check "sbatch refuses" try 5 submit e2e.json --set train.seed=9
check "what it said is shown" says err "sbatch: sbatch: error: no room"
rm full
touch silent
check "sbatch without a number" try 5 submit e2e.json --set train.seed=9
check "says what to do" says err "sbatch printed no job number: ''" "scancel"
done_testing
