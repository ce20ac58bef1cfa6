#!/usr/bin/env bash
# test_run.sh: every option of `run` has the effect described by `run --help`. The options are read from there, and
# each must have a function here that tests it. tests/faults/shim.c makes a worker fail or hang. Commands that take a
# database's lock must refuse a database that another process has locked.
. "$(dirname "$0")/../tools/shell.sh"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again

# struck ACTION CODE ARGUMENT...: a run whose first worker is killed or stopped at its 40th change of a file
struck() {
    local action=$1
    shift
    rm -f counter
    LD_PRELOAD=$home/shim.so TORTURE_COUNTER=$home/counter TORTURE_ROLE=worker TORTURE_ACTION=$action TORTURE_AT=40 try "$@"
}

fresh() { # fresh NAME: copies the database in which both runs are done
    mkdir "$1" && cp whole/x.db "$1/" && cp -r whole/e2e "$1/"
}

order() { # order: one letter per run in the progress
    sed -n 's/^[-0-9]* [0-9:]* \(start\|done\) .*/\1/p' err | cut -c 1 | tr -d '\n'
}

option_jobs() {
    try 0 run e2e.json --db one/x.db --jobs 1 && [ "$(order)" = sdsd ] &&
        try 0 run e2e.json --db two/x.db --jobs 2 && [ "$(order)" = ssdd ] &&
        try 2 run e2e.json --jobs 0 && says err "--jobs takes a whole number from 1 to 1024, got '0'"
}

option_threads() {
    try 0 run e2e.json --db threads/x.db --threads 2 --set train.seed=1 && is 2 threads/x.db "SELECT threads FROM run" &&
        is 1 whole/x.db "SELECT DISTINCT threads FROM run" && try 2 run e2e.json --threads 0 &&
        says err "--threads takes a whole number from 1"
}

option_dry_run() {
    try 0 run e2e.json --db dry/x.db --dry-run && says out "2 of 2 runs to do" && [ ! -e dry ]
}

option_quiet() {
    try 0 run e2e.json --db loud/x.db && says err "start " "done " && [ ! -s out ] &&
        try 0 run e2e.json --db quiet/x.db --quiet && [ ! -s err ] && [ ! -s out ] &&
        is 2 quiet/x.db "SELECT count(*) FROM run WHERE status = 'done'"
}

option_db() {
    try 0 run e2e.json --db there/y.db && [ -e there/y.db ] && [ "$(ls there/e2e | wc -l)" = 2 ] && [ ! -e results ] &&
        try 0 run e2e.json && [ -e results/e2e.db ] && [ "$(ls results/e2e | wc -l)" = 2 ]
}

option_set() {
    try 0 run e2e.json --db set/x.db --set train.seed=7 --set 'evaluate.multiples=[1]' &&
        is "1|7|16" set/x.db "SELECT count(*), seed, length FROM run JOIN evaluation ON run = key" &&
        try 2 run e2e.json --set 'train.seed=[1,2]' && says err "'train.seed' must be a whole number" "--set sweep.train.seed=[...]" &&
        try 2 run e2e.json --set 'train.optimizer.name=["adamw","nag"]' && says err '"sweep": {"train.optimizer.name": [...]}' &&
        try 2 run e2e.json --set 'train.seed="x"' && lacks err sweep && try 2 run set/x.db &&
        says err "config 'set/x.db': this is a database, not a config (JSON)" "poslab status set/x.db" &&
        try 2 plot set/x.db whole/x.db && says err "plot takes one database; \`poslab merge NEW.db set/x.db whole/x.db\`"
}

# One run has failed, one lacks an evaluation, and a third is new.
option_retry() {
    fresh retry && sqlite3 retry/x.db "PRAGMA foreign_keys = ON;
        UPDATE run SET status = 'failed', reason = 'x', steps = NULL WHERE seed = 1;
        DELETE FROM evaluation_window; DELETE FROM position_loss; DELETE FROM evaluation" &&
        try 0 run e2e.json --db retry/x.db --retry failed --set 'sweep.train.seed=[1,2,3]' &&
        is "1 done 2,2 done 0,3 pending 0" retry/x.db "SELECT group_concat(x) FROM (SELECT seed || ' ' || status || ' ' ||
            (SELECT count(*) FROM evaluation WHERE run = key) AS x FROM run ORDER BY seed)" &&
        retry_changed && retry_missing && try 2 run e2e.json --retry all &&
        says err "--retry takes 'failed', 'changed' or 'missing', got 'all'"
}

# Runs of other shared sources, or of another revision where these are unknown, are retrained, also diverged ones,
# which are otherwise complete.
retry_changed() {
    local left="SELECT group_concat(seed) FROM run WHERE train_seconds = 99"
    fresh changed && sqlite3 changed/x.db "UPDATE run SET train_seconds = 99;
        UPDATE run SET shared_sources = 'other', status = iif(seed = 1, 'diverged', 'done') WHERE seed < 3" &&
        try 0 run e2e.json --db changed/x.db && is 1,2 changed/x.db "$left" && says err "2 of 2 runs were trained by other" &&
        sqlite3 changed/x.db "UPDATE run SET shared_sources = NULL WHERE seed = 2" &&
        try 0 run e2e.json --db changed/x.db --retry changed && is 2 changed/x.db "$left" &&
        is 2 changed/x.db "SELECT count(*) FROM run WHERE status = 'done'"
}

# Stale runs are kept; otherwise they are trained again.
retry_missing() {
    fresh stale && sqlite3 stale/x.db "UPDATE run SET train_seconds = 99;
        UPDATE run SET method_files = method || ':0123456789ab' WHERE seed = 1" &&
        try 0 run e2e.json --db stale/x.db --retry missing && is 2 stale/x.db "SELECT count(*) FROM run WHERE train_seconds = 99" &&
        says err "1 of 2 runs is stale: the file of its method was edited after the training; kept (--retry missing)" &&
        try 0 run e2e.json --db stale/x.db && is 2 stale/x.db "SELECT group_concat(seed) FROM run WHERE train_seconds = 99" &&
        says err "retrained" && same_numbers stale/x.db whole/x.db
}

option_retries() {
    struck kill 1 run e2e.json --db once/x.db && is "done,failed" once/x.db "$statuses" && says err "1 of 2 runs are done" &&
        struck kill 0 run e2e.json --db again/x.db --retries 1 && is "done,done" again/x.db "$statuses" &&
        says err "attempt 2 of 2" && always_failing
}

# A run that always fails has the configured number of attempts, and the other runs are done.
always_failing() {
    local key
    key=$(sqlite3 whole/x.db "SELECT key FROM run WHERE seed = 1")
    mkdir -p "always/e2e/$key/model.safetensors" && try 5 run e2e.json --db always/x.db --retries 2 &&
        says err "attempt 2 of 3" "attempt 3 of 3" && is "done,failed" always/x.db "$statuses" && ! grep "attempt 4" err
}
statuses="SELECT group_concat(status) FROM (SELECT status FROM run ORDER BY 1)"

option_timeout() {
    struck stop 1 run e2e.json --db hangs/x.db --timeout 1 && is "done,failed" hangs/x.db "$statuses" &&
        is "no progress for 1 seconds (--timeout): killed by signal 9 (Killed)" hangs/x.db \
            "SELECT substr(reason, 1, 70) FROM run WHERE status = 'failed'"
}

option_help() {
    try 0 run --help && says out "usage: poslab run" "--retry WHICH" && try 0 run -h e2e.json --db unborn/x.db &&
        says out "usage: poslab run" && [ ! -e unborn ]
}

# The first run cannot save its state and fails, the second is stopped: the exit code reports remaining work.
stopped() {
    local key runner i code
    key=$("$POSLAB" run long.json -n --db stopped/x.db | sed -n '1s/ .*//p')
    mkdir -p "stopped/long/$key/state.safetensors.new.tmp" || return
    "$POSLAB" run long.json --db stopped/x.db >out 2>err </dev/null &
    runner=$!
    for ((i = 0; i < 3000; i++)); do
        is failed,running stopped/x.db "$statuses" >/dev/null 2>&1 && break
        sleep 0.01
    done
    kill $runner
    wait $runner
    code=$?
    [ $code = 3 ] && is failed,pending stopped/x.db "$statuses" && says err "to resume: poslab run long.json" && return
    echo "exit code $code"
    return 1
}

# The corpus is changed while the first worker is stopped. This is an error of the user, so it is not retried. (The
# first run has a second attempt, since it was killed.)
mistake() {
    local i
    mkdir changed.text && cp text/* changed.text && sed 's/text\//changed.text\//' e2e.json >changed.json || return
    struck stop 1 run changed.json --db mistake/x.db --timeout 1 --retries 1 &
    for ((i = 0; i < 3000; i++)); do
        [ "$(od -An -t d8 counter 2>/dev/null | tr -d ' ')" != 40 ] || break
        sleep 0.01
    done
    echo more >>changed.text/1.txt
    wait $! && says err "config or corpus changed since the run was planned" && [ "$(grep -c "attempt 2 of 2" err)" = 1 ] &&
        is failed,failed mistake/x.db "$statuses"
}

# The result of a worker whose parent was killed is imported and not computed again.
orphan() {
    local key
    key=$(sqlite3 whole/x.db "SELECT key FROM run WHERE seed = 1")
    fresh orphan && sqlite3 orphan/x.db "UPDATE run SET status = 'running', steps = NULL WHERE seed = 1; DELETE FROM train_log;
        DELETE FROM evaluation_window; DELETE FROM position_loss; DELETE FROM evaluation WHERE run = '$key'" &&
        rm "orphan/e2e/$key/model.safetensors" && try 0 worker "orphan/e2e/$key" && [ -e "orphan/e2e/$key/result.db" ] &&
        try 0 run e2e.json --db orphan/x.db && says err "nothing to do: 2 of 2 runs are done" &&
        [ ! -e "orphan/e2e/$key/result.db" ] && is "done 2 4" orphan/x.db "SELECT status || ' ' || (SELECT count(*) FROM
            evaluation WHERE run = key) || ' ' || (SELECT count(*) FROM train_log WHERE run = key) FROM run WHERE seed = 1"
}

# `run`, `eval`, `submit` and `collect` in parallel: each waits three seconds and names the process that holds the lock.
locked() {
    local holder i codes=
    local -a commands=("run e2e.json --db locked/x.db" "eval locked/x.db --lengths 48" "submit e2e.json --db locked/x.db"
        "collect locked/x.db") workers=()
    fresh locked && printf 'process 123 on h' >locked/x.db.lock || return
    exec 9<>locked/x.db.lock
    flock -n 9 || return
    for i in "${!commands[@]}"; do
        # shellcheck disable=SC2086 # words
        "$POSLAB" ${commands[i]} >/dev/null 2>"said.$i" </dev/null 9<&- &
        workers+=($!)
    done
    for holder in "${workers[@]}"; do
        wait "$holder"
        codes+=$?
    done
    exec 9<&-
    [ $codes = 5555 ] || { echo "exit codes $codes"; cat said.*; return 1; }
    for i in "${!commands[@]}"; do
        says "said.$i" "database 'locked/x.db' is in use by process 123 on h" || return
    done
    try 0 run e2e.json --db locked/x.db && says locked/x.db.lock "process "
}

check "the shim" build_shim
write_texts 3 400
write_config -e 's/, "sinusoidal"//; s/1920/256/; s/, 4\]/]/' -e 's/"length": 16/"checkpoint": 1e-6, &/'
sed -e 's/"e2e"/"long"/; s/"tokens": 256/"tokens": 6400000/' e2e.json >long.json
check "two runs" try 0 run e2e.json --db whole/x.db

"$POSLAB" run --help >help
options=$(grep -oE '^  (-., |    )--[a-z-]+' help | grep -oE '[a-z-]+$' | sed 's/^--//')
check "run --help lists options" test "$(echo "$options" | wc -l)" -ge 10
for option in $options; do
    check "run --$option does what it says" "option_${option//-/_}"
done
check "a stopped sweep has work left, whatever has failed" stopped
check "a mistake is not tried again" mistake
check "what an orphan finished is taken over" orphan
check "no two commands work on one database" locked
done_testing
