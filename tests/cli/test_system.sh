#!/usr/bin/env bash
# test_system.sh: sweeps under ignored signals, limits on memory, files and threads, and with symbolic links.
. "$(dirname "$0")/../tools/shell.sh"

# limited "LIMIT" CODE ARGUMENT...: try under a limit of ulimit; a command that hangs is ended after a minute.
limited() {
    local limit=$1 code=$2 got
    shift 2
    # shellcheck disable=SC2086 # option and number
    (ulimit $limit; unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS GOTO_NUM_THREADS; exec timeout 60 "$POSLAB" "$@") >out 2>err </dev/null
    got=$?
    [ $got = "$code" ] || { echo "exit code $got instead of $code"; return 1; }
}

write_texts
write_config

# --- the kernels of the BLAS ---

# blas_core [CORE]: the kernels that a bench uses, under this OPENBLAS_CORETYPE.
blas_core() {
    (unset OPENBLAS_CORETYPE; [ -z "${1:-}" ] || export OPENBLAS_CORETYPE=$1
    "$POSLAB" bench --lengths 16 --methods none --rounds 1 --json 2>&1 | sed -n 's/.*"blas".* core \([A-Za-z]*\).*/\1/p')
}
if grep -qw avx2 /proc/cpuinfo; then
    check "a processor with AVX2 does not get kernels without it" test "$(blas_core)" != Prescott
    check "OPENBLAS_CORETYPE is respected" test "$(blas_core Prescott)" = Prescott
fi

# --- threads ---

for command in "run e2e.json" "eval x.db" "plan e2e.json" "worker folder" "bench"; do
    # shellcheck disable=SC2086 # words
    check "$command: too many threads" try 2 $command --threads 257
    check "are refused with the one limit" says err "--threads takes a whole number from 1 to 256, got '257'"
done
check "a task's threads have it, too" try 2 plan e2e.json --set cluster.threads=257
check "it is named" says err "'cluster.threads' must be" 256
deep=(--set model.width=2048 --set model.heads=4 --set model.ffn=8192 --set model.layers=12 --set model.max_tokens_in_flight=64
    --set train.length=16 --set train.tokens_per_step=4096 --set evaluate.tokens=64 --set evaluate.multiples=[1])
check "gradients of 256 threads, which no machine here holds" try 2 run e2e.json -n "${deep[@]}" --threads 256
check "are refused, with the remedy" says err "to train, the machine has" "or lower --threads"
check "plan --threads" try 0 plan e2e.json "${deep[@]}" --threads 256 -j 4
check "says the same" says out "\`run\` refuses it: config 'e2e.json': " "lower --threads" "4 runs at a time need up to"

# --- memory ---

check "no room for the libraries of four threads" limited "-v 500000" 5 run e2e.json -q --threads 4 --db v/x.db
check "is said, with the remedy" says err "leaves nothing for 4 threads" "lower --threads"
check "room for one" limited "-v 500000" 0 run e2e.json -q --db v/x.db

# --- open files, sizes of files ---

check "more workers than files may be open" limited "-n 64" 2 run e2e.json --db n/x.db -j 60 --set sweep.train.seed="[$(seq -s , 30)]"
check "are refused up front" says err "60 runs at a time need 152 open files, the limit (ulimit -n) is 64; make --jobs at most 16"
check "as many as there is room for" limited "-n 64" 0 run e2e.json -q --db n/x.db -j 4
check "a soft limit is raised" limited "-S -n 36" 0 run e2e.json -q --db s/x.db -j 4
check "a file that may not grow" limited "-f 120" 5 run e2e.json -q --db f/x.db
check "is an error with a message" says err "File too large"
check "as is a database" limited "-f 4" 5 run e2e.json -q --db g/x.db
check "of that name" says err "database 'g/x.db'"

# --- links and names ---

cp v/x.db victim.db
ln -s victim.db y.db.lock
check "a lock that links to a database" try 5 run e2e.json -q --db y.db
check "is refused" says err "cannot write 'y.db.lock': it is not a regular file"
check "and the database is as it was" cmp v/x.db victim.db
ln -s v/x.db link.db
check "a database in use, named by a link" test 5 = "$(flock v/x.db.lock "$POSLAB" run e2e.json -q --db link.db >out 2>err </dev/null; echo $?)"
check "is refused" says err "database 'link.db' is in use"
check "a database without a name" try 2 run e2e.json -q --db ''
check "leaves no lock" test ! -e .lock
check "merge of what is not there" try 2 merge new.db nowhere.db
check "leaves nothing" test ! -e new.db
check "nor after others" try 2 merge new.db victim.db nowhere.db
check "which are not there either" test ! -e new.db
check "merge into a file that may not grow" limited "-f 4" 5 merge new.db victim.db
check "leaves nothing" test ! -e new.db
check "merge into a database" try 2 merge victim.db nowhere.db
check "leaves it as it was" cmp v/x.db victim.db

# --- signals ---

sed -e 's/"e2e"/"long"/' -e 's/1920/12800/' -e 's/"length": 16/"checkpoint": 1000, &/' e2e.json >long.json
start() { # start DB: starts a run in the background; $runner is its process
    "$POSLAB" run long.json --db "$1" --set sweep.train.seed='[1]' >out 2>err </dev/null &
    runner=$!
}
worker() { grep -lsE "^PPid:[[:space:]]*$runner\$" /proc/[0-9]*/status | cut -d / -f 3; }
hangup_is() { # hangup_is MASK: waits until SIGHUP, the lowest bit, is in the signal mask MASK of $worker
    for i in $(seq 600); do
        worker=$(worker) && tr '\0' ' ' <"/proc/$worker/cmdline" | grep -q '^poslab worker' &&
            grep -qsE "^$1:.*[13579bdf]\$" "/proc/$worker/status" && return
        sleep 0.02
    done
    return 1
}

trap '' HUP INT USR1 TERM # as under nohup
start ignored/x.db
check "a run whose signals are ignored" hangup_is SigIgn
for signal in HUP INT USR1 TERM; do kill -$signal $runner "$worker"; done
wait $runner
check "runs to its end" test $? = 0
check "and all is there" test "$(sqlite3 ignored/x.db "SELECT count(*) FROM run WHERE status = 'done'")" = 2
trap - HUP USR1 TERM

check "children whose end is ignored" test 5 = "$(
    ulimit -f 120
    env --ignore-signal=CHLD "$POSLAB" run e2e.json -q --db child/x.db 2>&1 >/dev/null </dev/null | cat >err
    echo "${PIPESTATUS[0]}"
)"
check "have exit codes nevertheless" says err "exit code 5" "File too large"

start hung/x.db
check "a run whose worker handles a hang-up" hangup_is SigCgt
kill -HUP $runner "$worker" # as a closing terminal does
wait $runner
check "is stopped by one" test $? = 3
check "says how to continue" says err "to resume:"
check "has saved its state" test -n "$(compgen -G 'hung/long/*/state.safetensors')"
check "and is pending" test "$(sqlite3 hung/x.db "SELECT count(*) > 0 FROM run WHERE status = 'pending'")" = 1
done_testing
