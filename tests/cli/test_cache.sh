#!/usr/bin/env bash
# test_cache.sh: runs that are trained with a cache. Killed while updates are saved, they end with the same numbers and
# weights. Evaluations with a cache are stored, shown and checked, and can be added later.
. "$(dirname "$0")/../tools/shell.sh"
build_shim
write_texts
write_config -e 's/1920/640/' -e 's/"tokens": 500/&, "protocols": ["nonoverlapping", "cached"]/' -e 's/"length": 16/"checkpoint": 1e-6, "cache": 24, &/'
sed -i "s/\"sweep.*/\"method\": \"$one\"/" e2e.json

check "plan" try 0 plan e2e.json
check "run" try 0 run e2e.json --db whole/x.db
key=$(sql whole/x.db "SELECT key FROM run")
check "an evaluation with a cache" is "32|16|0.5 L" whole/x.db "SELECT length, stride, stride_rule FROM request
    WHERE protocol = 'cached' ORDER BY length LIMIT 1"
check "check finds nothing wrong" try 0 check whole/x.db
check "table" try 0 table whole/x.db
check "shows both protocols" says out cached nonoverlapping
check "eval token by token" try 0 eval whole/x.db --protocol token --targets 64 --lengths 16 -q
check "and segment by segment" try 0 eval whole/x.db --protocol cached --targets 64 --lengths 16 -q
check "sees the same" is ok whole/x.db "SELECT 'ok' FROM evaluation a JOIN evaluation b USING (run, split, length, stride, requested)
    WHERE a.protocol = 'token' AND b.protocol = 'cached' AND a.requested = 64 AND abs(a.nll_sum - b.nll_sum) < 1e-4 * a.tokens LIMIT 1"
check "eval with rows" try 0 eval whole/x.db --protocol cached:8 --targets 64 --lengths 16 -q
check "has their length" is ok whole/x.db "SELECT 'ok' FROM evaluation WHERE protocol = 'cached' AND length = stride + 8 LIMIT 1"
check "bench" try 0 bench e2e.json --rounds 1 --protocol token --methods "$one" --format csv
check "has both phases" says out "strided,$one,16," "token,$one,16,"
check "bench that stores them" try 2 bench e2e.json --rounds 1 --protocol token --db x.db
check "is refused" says err "leave out --db"

losses() { sql "$1/x.db" "SELECT step, loss FROM train_log ORDER BY step"; }
losses whole >wanted
# killed PLACE STEP: the worker dies at its PLACE-th change of a file; it makes some 42 for each update; resumed after STEP
killed() {
    rm -f counter
    env "LD_PRELOAD=$home/shim.so" "TORTURE_COUNTER=$home/counter" TORTURE_ROLE=worker TORTURE_ACTION=kill \
        "TORTURE_AT=$1" "$POSLAB" run e2e.json --db "$1/x.db" >out 2>err </dev/null
    try 0 run e2e.json --db "$1/x.db" --retry failed && says "$1/e2e/$key/log.txt" "resuming from step $2 of 10" &&
        [ "$(weights "$1")" = "$(weights whole)" ] && diff <(losses "$1") wanted
}
check "killed in update 2" killed 72 1
check "killed in update 7" killed 282 6
check "more sequences than windows" try 2 plan e2e.json --set train.tokens_per_step=25600 --set train.tokens=25600
check "are refused by plan" says err "in the order of the text needs 1600 windows of 16 tokens"
done_testing
