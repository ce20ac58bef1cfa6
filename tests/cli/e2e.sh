#!/usr/bin/env bash
# e2e.sh: tests all commands, on small texts in a temporary folder.
#
# POSLAB names the program; it may be a wrapper that runs it under valgrind. Nothing depends on speed: a run that is
# to be killed saves its state after every step, and its worker is stopped once that state exists.
. "$(dirname "$0")/../tools/shell.sh"
plots=$root/plots

sound() { # sound DB: no damage, no dangling references, no run in the status running
    is ok "$1" 'PRAGMA integrity_check' && is '' "$1" 'PRAGMA foreign_key_check' &&
        is 0 "$1" "SELECT count(*) FROM run WHERE status = 'running'"
}

gone() { # gone PID...: ended, or a zombie
    local pid
    for pid; do ! grep -sqE '^State:[[:space:]]*[^ZX]' "/proc/$pid/status" || return 1; done
}

# start DB [ARGUMENT...]: starts a run in the background that saves its state after every step; $runner is its process.
start() {
    local db=$1
    shift
    set -m # otherwise the shell makes background jobs ignore SIGINT
    "$POSLAB" run long.json --db "$db" "$@" >out 2>err </dev/null &
    runner=$!
    set +m
}

# Waits until a worker of $runner is stopped during training; $workers are all its workers.
halted() {
    mapfile -t workers < <(children $runner)
    kill -STOP "${workers[@]}" 2>/dev/null || return
    exists "$1/long/*/state.safetensors" && ! gone "${workers[@]}" && return
    kill -CONT "${workers[@]}" 2>/dev/null
    return 1
}

await() { # await [SIGNAL]...: sends signals to $runner and returns its exit code, without bash's messages
    local signal
    { for signal; do kill "$signal" $runner; done; wait $runner; } 2>/dev/null
}

# --- texts and configs ---

write_texts
label() { "$POSLAB" methods --format md | awk -F ' *[|] *' -v name="\`$1\`" '$2 == name { print $3 }'; }
write_config
control=none
has $control || control=$two
# The same with longer runs; train.checkpoint is not part of a run's key.
sed -e 's/"e2e"/"long"/' -e 's/1920/1600/' -e 's/64, "opt/16, "opt/' -e 's/"length": 16/"checkpoint": 1e-6, &/' e2e.json >long.json

# --- plan, run, run again ---

check "plan" try 0 plan e2e.json
check "plan names every point" says out "$one L=16 seed=1" "$one L=16 seed=2" "$two L=16 seed=1" \
    "$two L=16 seed=2"
check "plan --json" try 0 plan e2e.json --json
check "plan prints JSON" is_json out
check "plan writes nothing" test ! -e results
paper=$root/configs/paper/wikitext103.json
check "plan of the paper's experiments, without its corpus" try 0 plan "$paper" --set "sweep.method=[\"$two\"]"
check "it counts the paper's parameters and says what is missing" says out "246933504" \
    "\`run\` refuses it" "no such file"
check "run refuses it" try 2 run "$paper" --set "sweep.method=[\"$two\"]"
check "and says the same" says err "no such file"
check "run --dry-run" try 0 run e2e.json --dry-run
check "a dry run says what is missing" says out "4 of 4 runs to do" "train, then 3 evaluations"
check "a dry run writes nothing" test ! -e results

db=results/e2e.db
check "run -j 2" try 0 run e2e.json -j 2
check "plain progress" says err "start   $one L=16 seed=1" "done    $two L=16 seed=2" "4 of 4 runs are done"
check "progress is not for stdout" test ! -s out
check "four runs are done" is 4 $db "SELECT count(*) FROM run WHERE status = 'done'"
check "every step is logged" is 120 $db "SELECT count(*) FROM train_log"
check "one worker at a time" try 0 run e2e.json -q --db single/x.db
check "computes the same as two, bit for bit" same_numbers single/x.db $db
check "a run that diverges is an outcome, with exit code 0" try 0 run e2e.json -q --db diverged/x.db --set method=$one \
    --set train.seed=1 --set train.optimizer.lr=100 --set train.optimizer.decay=10
check "and stored as such" is "diverged|1" diverged/x.db "SELECT status, reason LIKE '%step % of 30' FROM run"
check "its table says so" try 0 table diverged/x.db
check "in its row" says out diverged
check "every target at every length" is "12|500|500" $db "SELECT count(*), min(tokens), max(tokens) FROM evaluation"
check "the curve view" is 12 $db "SELECT count(*) FROM curve WHERE abs(perplexity - exp(nll / tokens)) < 1e-9"
check "it learns" is 1 $db "SELECT max(final_loss) < 4 FROM run"
check "provenance" is 0 $db "SELECT count(*) FROM run WHERE host IS NULL OR blas IS NULL OR peak_bytes IS NULL"
check "the database is sound" sound $db
check "only what is needed stays in a run folder" test -z "$(find results/e2e -name 'state*' -o -name 'result.db*' -o -name '*.tmp')"

sql $db .dump >before
: >text/empty.txt
check "plan with an empty file" try 0 plan e2e.json
check "says that it is skipped" says out "1 empty file skipped"
check "run again" try 0 run e2e.json -j 2
check "says it, too" says err "corpus: 1 empty file skipped"
check "nothing to do" says err "nothing to do: 4 of 4 runs are done"
rm text/empty.txt
check "run again leaves the database as it is" diff before <(sql $db .dump)

numbers $db >before
key=$(sql $db "SELECT max(key) FROM run")
check "a run of other shared sources" sql $db "UPDATE run SET shared_sources = 'other' WHERE key = '$key'"
check "is left as it is" try 0 run e2e.json -q
check "but named, with the remedy" says err "1 of 4 runs were trained by other sources" "--retry changed"
check "what it would retrain" try 0 run e2e.json --retry changed -n
check "is that run, with training" says out "$key" "train, then" "1 of 4 runs to do"
check "retrained" try 0 run e2e.json -q --retry changed
check "it is of these sources" is 1 $db "SELECT count(DISTINCT shared_sources) FROM run"
check "nobody is named any more" test ! -s err
check "and the numbers are the same" diff before <(numbers $db)

numbers $db | grep -v '|64|' >before
seconds=$(sql $db "SELECT group_concat(train_seconds) FROM run")
check "an evaluation length is added" try 0 run e2e.json -q --set 'evaluate.multiples=[1,2,8]'
check "quiet" test ! -s err
check "only the new length is evaluated" is "16|4" $db "SELECT count(*), sum(length = 128) FROM evaluation"
check "nothing is trained again" test "$(sql $db "SELECT group_concat(train_seconds) FROM run")" = "$seconds"
check "nothing else has changed" diff before <(numbers $db | grep -v '|128|' | grep -v '|64|')

key=$(sql $db "SELECT min(key) FROM run WHERE method = '$one'")
folder=results/e2e/$key
truncate -s -1 "$folder/model.safetensors"
rm results/e2e/"$(sql $db "SELECT max(key) FROM run WHERE method = '$one'")"/model.safetensors
numbers $db | grep -v '|256|' >before
check "weights that are lost are trained again" try 0 run e2e.json -j 2 --set 'evaluate.multiples=[1,16]'
check "and damaged ones, with a note" says "$folder/log.txt" "training again"
check "to the same numbers" diff before <(numbers $db | grep -v '|256|')
check "the database is still sound" sound $db

# --- killed, stopped, failed ---

check "an uninterrupted run, for comparison" try 0 run long.json -q -j 2 --db whole/x.db

start killed/x.db -j 2
check "states are saved" eventually 120 halted killed
await -KILL
check "workers die with their parent" eventually 120 gone "${workers[@]}"
check "a killed run is unfinished" is 1 killed/x.db "SELECT count(*) < 4 FROM run WHERE status = 'done'"
check "and resumes" try 0 run long.json --db killed/x.db -j 2
check "from its state" says err "resuming from step"
check "to the same numbers, bit for bit" same_numbers whole/x.db killed/x.db
check "and the same weights" diff -rq -x log.txt -x train.jsonl -x requests.json whole/long killed/long
check "the database is sound after a kill" sound killed/x.db

start stopped/x.db
check "states are saved again" eventually 120 halted stopped
kill -INT $runner
check "SIGINT stops it" eventually 120 says err "stopping"
kill -CONT "${workers[@]}"
await
check "SIGINT: exit code 3" test $? = 3
check "and how to continue" says err "to resume: poslab run long.json --db stopped/x.db"
left=$(sql stopped/x.db "SELECT count(*) FROM run WHERE status = 'pending'")
check "the run is pending" test "$left" -gt 0
folder=$(dirname stopped/long/*/state.safetensors)
export OPENBLAS_NUM_THREADS=1 # as `run` sets it
check "a worker started by hand" try 0 worker "$folder"
check "prints progress" grep -qE '^step 100 100 [0-9.]+ [0-9.]+$' out
check "and leaves a result file" test -e "$folder/result.db"
check "run takes it over" try 0 run long.json --db stopped/x.db
check "without doing it again" test "$(grep -c " start  " err)" = $((left - 1))
check "to the same numbers once more" same_numbers whole/x.db stopped/x.db

start twice/x.db -j 2
check "states are saved for the third time" eventually 120 halted twice
await -TERM -INT
check "SIGTERM, then SIGINT: exit code 3" test $? = 3
check "no worker is left" gone "${workers[@]}"

start failed/x.db -j 2
check "states are saved for the last time" eventually 120 halted failed
kill -KILL "${workers[0]}"
kill -CONT "${workers[@]}" 2>/dev/null
await
check "a killed worker: exit code 1" test $? = 1
check "costs its own run only" is "3|1" failed/x.db \
    "SELECT sum(status = 'done'), sum(status = 'failed') FROM run"
check "and leaves a reason" is 1 failed/x.db \
    "SELECT reason LIKE 'killed by signal 9%' FROM run WHERE status = 'failed'"
check "status shows it, and exits with 3" try 3 status failed/x.db
check "with the reason" says out "killed by signal 9"
check "the failed run is repeated" try 0 run long.json --db failed/x.db
check "to the same numbers yet again" same_numbers whole/x.db failed/x.db

key=$(sql $db "SELECT max(key) FROM run WHERE method = '$two'")
mkdir -p broken/e2e/"$key"/model.safetensors/full
check "a run that cannot write its weights fails" try 5 run e2e.json -j 2 --db broken/x.db
check "with its last words" is "exit code 5" broken/x.db \
    "SELECT substr(reason, 1, 11) FROM run WHERE status = 'failed' AND reason LIKE '%model.safetensors%'"
check "the others are done" is 3 broken/x.db "SELECT count(*) FROM run WHERE status = 'done'"

exec 9>>results/e2e.db.lock
flock 9
check "a second run on the same database" try 5 run e2e.json
check "says who has it" says err "'results/e2e.db' is in use by process"
exec 9>&-

# --- tables, figures and exports ---

check "table" try 0 table $db
check "table has rows and lengths" says out "$(label $one)" "$(label $two)" 16x
check "table --format md" try 0 table $db --format md
check "table --format csv" try 0 table $db --format csv
check "csv has a line per evaluation" test "$(wc -l <out)" -ge 8
check "table --format latex" try 0 table $db --format latex
check "latex has rows" says out 'begin{tabular}' "$(label $one)"
check "table of one's own choice" try 0 table $db --rows eval_length --columns method --where seed=1 --ratio
check "it has methods as columns" says out "training length, by method" "$(label $one)"
check "table --json" try 0 table $db --json
check "table prints JSON" is_json out
check "status" try 0 status $db
check "status --json" try 0 status $db --json
check "status prints JSON" is_json out
check "methods" try 0 methods
names=$(sed 1,2d out | cut -d ' ' -f 1)
for name in $names; do check "methods $name" try 0 methods "$name"; done
check "methods as markdown" try 0 methods --format md
check "it is a table" says out "| \`$one\` | $(label $one) | distance\\_bias | shift-invariant, prefix-stable, isometry | "
check "at most one method, the control, does nothing" test "$(awk -F '|' 'NR > 2 && $4 ~ /^ *(limit)? *$/ { print $2 }' out | tr -d ' `')" = \
    "$(has none && echo none)"
mkdir -p results/methods && printf 'phase,method,length,time_ratio_median\ntrain,%s,64,1\ntrain,%s,64,1.234\n' $control $one >results/methods/cost.csv
check "methods with their cost" try 0 methods
check "the cost is there" says out "train 64" 1.23
echo "train,$one" >>results/methods/cost.csv
check "a damaged cost" try 2 methods
check "it is named with its line" says err "'results/methods/cost.csv', line 4: expected phase,method,length,ratio"
rm -r results/methods
check "methods in no format" try 2 methods --format xml
check "methods --json" try 0 methods --json
check "methods prints JSON" is_json out

if command -v gnuplot >/dev/null; then
    cp -r "$plots" . && rm -f plots/*.svg
    check "plot" try 0 plot $db -o x.svg
    check "the figure is SVG" says x.svg "<svg" "</svg>"
    check "plot --figure bias" try 0 plot $db --figure bias -o b.svg
    check "report" try 0 report $db -o r.html
    check "the report is whole" says r.html "<!DOCTYPE html>" "The answer" "<svg" "</html>"
else
    echo "ok - plot # SKIP no gnuplot"
fi

key=$(sql $db "SELECT key FROM run WHERE method = '$one' AND seed = 1")
other=$(sql $db "SELECT key FROM run WHERE method = '$two' AND seed = 1")
check "export" try 0 export $db "$key" weights
check "exported weights are the run's" cmp weights results/e2e/"$key"/model.safetensors
check "with the names of the format" says weights embedding.weight layers.1.attention.qkv.bias norm.weight
check "export --initial" try 0 export $db "$key" initial --initial
check "initial weights are others" test "$(cmp -s weights initial; echo $?)" = 1
check "export --batches" try 0 export $db "$key" a --batches 3
check "of another method" try 0 export $db "$other" b --batches 3
check "methods see the same batches" cmp <(tail -c $((3 * 4 * 17 * 4)) a) <(tail -c $((3 * 4 * 17 * 4)) b)
check "export --tokens" try 0 export $db "$key" c --tokens valid
check "an unknown run" try 2 export $db xyz c
check "no run at all" try 2 export $db "" c

# --- more evaluations of trained runs ---

trained() { # all values that training changes
    sql $db "SELECT key, status, train_seconds, revision, steps FROM run ORDER BY key"
}
trained >before
count=$(sql $db "SELECT count(*) FROM evaluation")
check "eval adds lengths and protocols" try 0 eval $db --lengths 24,40 --protocol strided:0.25 --protocol last_n:100 -j 2
check "eval trains nothing" cmp before <(trained)
check "and evaluates all of it" is $((count + 16)) $db "SELECT count(*) FROM evaluation"
check "counts are what was asked for" is "100|500" $db \
    "SELECT min(tokens), max(tokens) FROM evaluation WHERE protocol IN ('strided', 'last_n')"
check "a mistake in --lengths" try 2 eval $db --lengths 24,,40
check "names the option" says err "--lengths takes numbers separated by commas, got '24,,40'"
for option in --lengths=x --multiples=1, --targets=0x10 --protocol=strided:0x8 --protocol=last_n:nan --split=vlaid; do
    check "a mistake in ${option%=*}" try 2 eval $db $option
    check "names it" says err "${option#*=}"
done
check "eval again" try 0 eval $db --lengths 24,40 --protocol strided:0.25,last_n:100
check "repeats nothing" says err "nothing to do"
check "tables show it" try 0 table $db
check "under its protocols" says out "strided 0.25 L" "last_n 0.125 L"
check "of one run, on another split" try 0 eval e2e.json --run "$(sql $db "SELECT min(key) FROM run")" --split test
check "that one alone" is 1 $db "SELECT count(DISTINCT run) FROM evaluation WHERE split = 'test'"
count=$(sql $db "SELECT count(*) FROM outcome WHERE protocol <> 'nonoverlapping' OR split = 'test'")
check "run again after eval" try 0 run e2e.json -q
check "keeps what eval added" is "$count" $db \
    "SELECT count(*) FROM outcome WHERE protocol <> 'nonoverlapping' OR split = 'test'"
check "an unknown run to evaluate" try 2 eval $db --run xyz
check "a protocol that is none" try 2 eval $db --protocol strided:x
for what in plan run; do
    check "a length beyond the targets: $what" try 2 $what e2e.json --set evaluate.lengths='[16,501]'
    check "names the remedy" says err "'evaluate.tokens' must be at least 501 for evaluation at length 501, got 500"
    check "more targets than there are: $what" try 2 $what e2e.json --set evaluate.tokens=1e9
    check "names it, too" says err "'evaluate.tokens' must be at most" "got 1000000000"
done
check "eval of a length beyond the targets" try 2 eval $db --lengths 501
check "says so" says err "experiment 'e2e': 'evaluate.tokens' must be at least 501"
check "eval of a length beyond the split" try 2 eval $db --lengths 1000000 --targets 0
check "says what there is" says err "evaluation at length 1000000 needs 1000000 targets, the valid split has"
check "eval on more targets than there are" try 2 eval $db --targets 1000000000
for format in text csv json; do
    check "a condition that nothing fulfils: $format" try 2 table $db --where seed=99 --format $format
    check "names the values" says err "--where seed=99: no evaluation has this 'seed'; it has '1', '2'"
    check "and prints nothing" test ! -s out
done
check "more targets than the split has" try 2 eval $db --protocol last_n:99999999
check "says what to lower" says err "lower 'targets'"

mv results/e2e elsewhere
check "eval without weights" try 1 eval $db --lengths 48
check "leaves the runs as they are" cmp before <(trained)
rm -rf results/e2e
mv elsewhere results/e2e

# --- changed after training ---

cp -r results changed
other=changed/e2e.db
key=$(sql $other "SELECT min(key) FROM run WHERE method = '$two'")
swap=$control wide=t5 # a method that $two can be changed to, and one that it cannot
[ $swap != $two ] || swap=rotary
has $wide || wide=kerple
here="run = '$key' AND length = 32 AND protocol = 'nonoverlapping' AND split = 'valid'"
echo '[{"name": "near", "attention": {"window": 8}}, {"name": "warm", "attention": {"temperature": 1.5}}]' >changes.json
sinks='{"name": "near + sinks", "attention": {"window": 8, "sinks": 2}}'
check "eval of variants: a method, JSON, a file" try 0 eval $other --run "$key" --lengths 24,32 \
    --variant $swap --variant "$sinks" --variant changes.json
check "each at each length, besides as trained" is 10 $other \
    "SELECT count(*) FROM evaluation WHERE ${here/= 32/IN (24, 32)}"
check "variants have numbers of their own" is 5 $other "SELECT count(DISTINCT nll_sum) FROM evaluation WHERE $here"
sql $other "SELECT variant_options FROM evaluation WHERE $here AND variant = '$swap'" >options
check "and options, as they were given" says options "{\"method\":{\"name\":\"$swap\""
check "variants train nothing" cmp before <(db=$other && trained)
check "one of them again" try 0 eval $other --run "$key" --lengths 32 --variant $swap
check "repeats nothing" says err "nothing to do"
check "tables tell them apart" try 0 table $other
check "by their names" says out "[$swap]" "[near + sinks]" "[near]" "[warm]"
check "a name that is taken" try 2 eval $other --variant "{\"name\": \"$swap\", \"attention\": {\"window\": 4}}"
check "says by what" says err "experiment 'e2e' has a variant '$swap' already, with {\"method\":"
check "two of one name" try 2 eval $other --variant $swap --variant $swap
check "a variant that learns other tensors" try 2 eval $other --variant $wide
sed -e 's/"e2e"/"mixed"/' -e "s/\"$one\"/\"$wide\"/" -e 's/1920/64/' e2e.json >mixed.json
check "more runs, with other tensors" try 0 run mixed.json -q
key=$(sql results/mixed.db "SELECT min(key) FROM run WHERE method = '$two'")
check "keep no variant from a chosen run" try 0 eval mixed.json --run "$key" --lengths 16 --variant $swap
check "which has it" is 1 results/mixed.db "SELECT count(*) FROM evaluation WHERE variant = '$swap'"
check "nor from those of a method" try 0 eval mixed.json --method $two --variant $swap
check "which all have it" is 2 results/mixed.db "SELECT count(DISTINCT run) FROM evaluation WHERE variant = '$swap'"
check "a method that no run has" try 2 eval mixed.json --method $two,absent
check "is named" says err "no run of method 'absent'"
check "nor has the run that is named" try 2 eval mixed.json --method $wide --run "$key"
check "not chosen, they do" try 2 eval mixed.json --variant $swap
check "says which run" says err "$wide L=16 seed=1" "differs from the trained model"
check "a variant that is not a method" try 2 eval $other --variant ${swap}e
check "names the nearest" says err "did you mean '$swap'"
check "a variant in broken JSON" try 2 eval $other --variant '{"name": '
check "says where" says err "--variant"
check "a file of variants that is not there" try 2 eval $other --variant absent.json
if command -v gnuplot >/dev/null; then
    warm() { echo "{\"name\": \"at $1\", \"attention\": {\"temperature\": $1}}"; }
    check "two methods in seven ways" try 0 run e2e.json -q --db many.db --set name=many --set sweep.train.seed='[1]' \
        --set "evaluate.variants=[$(warm 1.1), $(warm 1.2), $(warm 1.3), $(warm 1.4), $(warm 1.5), $(warm 1.6)]"
    check "a figure of more lines than a panel has" try 0 plot many.db -o many.svg
    check "has them in parts" says many.svg "1 of 2" "2 of 2" "$(label $one) [at 1.6]" "$(label $two) [at 1.6]"
    check "the first line is in each" test "$(grep -c "^# $(label $one);" many.dat)" = 2
    check "the others in one" test "$(grep -c "^# $(label $two)" many.dat)" = 7
fi
sed 's/"multiples"/"variants": [{"name": "warm", "attention": {"temperature": 2}}], "multiples"/' e2e.json >warm.json
check "a config that says otherwise" try 0 run warm.json --db $other --set name=e2e -q
check "wins over what eval added" is 2 $other \
    "SELECT DISTINCT variant_options ->> '\$.attention.temperature' FROM request WHERE variant = 'warm'"
check "and leaves the others" is "2 2 2" $other \
    "SELECT group_concat(n, ' ') FROM (SELECT count(*) AS n FROM request WHERE added AND variant IN
        ('$swap', 'near', 'near + sinks')
        GROUP BY variant)"

# --- lengths beyond a method's limit ---

if has learned; then
    check "a method with a limit" try 0 run e2e.json -q --db limited.db --set name=limited --set sweep.method='["learned"]' \
        --set sweep.train.seed='[1]'
    check "its refusal is an outcome" is "done beyond_limit beyond_limit" limited.db \
        "SELECT group_concat(outcome, ' ') FROM (SELECT outcome FROM outcome ORDER BY eval_length)"
    for format in text md csv latex; do
        check "in the $format table" try 0 table limited.db --format $format
        check "it says so" grep -qE '>limit|beyond_limit|textgreater' out
    done
    check "in the curves" try 0 analyse limited.db curves
    check "too" says out ">limit"
    if command -v gnuplot >/dev/null; then
        check "and in the figure" try 0 plot limited.db -o limited.svg
        check "next to its name" says limited.svg "Learned (not beyond 16)"
    fi
fi

for what in curves matrix cost early positions short-long claims claim-points; do
    check "analyse $what" try 0 analyse $db $what
done
check "analyse compare" try 0 analyse $db compare --baseline $two --format csv
check "has intervals" says out ",nats_low," ",p_holm"
check "analyse what there is not" try 2 analyse $db curvse
printf 'method,train_length,eval_length,stride,perplexity\n%s,512,512,512,20\n%s,512,1024,1024,19\n' $one $one >paper.csv
check "reference" try 0 reference $db paper.csv
check "curves --paper" try 0 analyse $db curves --paper
check "shows both" says out "Press et al." "here"

cp $db copy-of.db
check "check finds nothing wrong" try 0 check $db
check "merging a copy of itself" try 0 merge copy-of.db $db
check "changes no number" same_numbers copy-of.db $db
rm -f copy-of.db

check "bench" try 0 bench e2e.json --rounds 1 --threads 2 --methods $one --json
check "is JSON" is_json out
check "bench as text" try 0 bench e2e.json --rounds 1 --phase evaluate --lengths 8,24
check "has every method" says out $one $control "T = 24" "of BLAS" "of peak" "peak of FMA" "bf16 "
check "bench of more than fits into memory" try 2 bench e2e.json --methods $one \
    --lengths "$(printf '16777216,%.0s' {1..15})16777216"
check "says what to lower" says err "reduce --methods or --lengths"
check "bench into a database" try 0 bench e2e.json --rounds 1 --methods $one,$two --db $db
check "keeps it there" is $([ $control = none ] && echo 6 || echo 4) $db "SELECT count(*) FROM bench_result" # with the control
check "analyse cost" try 0 analyse $db cost --format csv
check "shows it" says out "bench of 20"
check "bench of an unknown precision" try 2 bench e2e.json --precision fp16
check "says which there are" says err "--precision takes 'fp32' or 'bf16', got 'fp16'"
check "bench as CSV" try 0 bench e2e.json --rounds 1 --phase evaluate --lengths 8 --methods $one,$control --format csv
check "it has a row for each" says out "evaluate,$one,8," "evaluate,$control,8," "evaluate,$control,8,1,1,1,"
check "bench as JSON by --format, too" try 0 bench e2e.json --rounds 1 --phase evaluate --lengths 8 --methods $one --format json
check "is JSON, too" is_json out
check "bench in no format" try 2 bench e2e.json --format xml
check "bench of an unknown method" try 2 bench e2e.json --methods ${one}x
check "with a suggestion" says err "did you mean '$one'"

check "a run says what its machine offers" is ok $db "SELECT 'ok' FROM run WHERE json_extract(machine, '$.cores') >= 1 LIMIT 1"

# --- precision ---

# Without oneDNN, or on a CPU without bf16 (simulated by an environment variable of oneDNN), bf16 is refused before
# any work.
export DNNL_MAX_CPU_ISA=AVX2 ONEDNN_MAX_CPU_ISA=AVX2
check "training in bf16 if unavailable" try 2 run e2e.json --db bf16/x.db --set train.precision=bf16
check "is refused by name" says err "config 'e2e.json': 'train.precision' cannot be \"bf16\": "
check "evaluation in bf16 if unavailable" try 2 run e2e.json --db bf16/x.db --set evaluate.precision=bf16
check "is refused by name" says err "config 'e2e.json': 'evaluate.precision' cannot be \"bf16\": "
check "nothing was trained" is 0 bf16/x.db "SELECT count(*) FROM run WHERE status <> 'pending'"
check "bench, too" try 2 bench e2e.json --rounds 1 --precision fp32,bf16
check "is refused by name" says err "bench: '--precision' cannot be \"bf16\": "
unset DNNL_MAX_CPU_ISA ONEDNN_MAX_CPU_ISA
if "$POSLAB" bench e2e.json --rounds 1 --precision bf16 --methods $one >out 2>err; then
    runs=$(sql $db "SELECT count(*) FROM run")
    check "evaluation in bf16" try 0 run e2e.json --set evaluate.precision=bf16
    check "trains nothing again" is "$runs" $db "SELECT count(*) FROM run"
    check "is stored as such" is 1 $db "SELECT count(*) > 0 FROM evaluation WHERE precision = 'bf16'"
    check "training in bf16" try 0 run e2e.json -q --db bf16/x.db --set train.precision=bf16 --set method=$one
    check "training in float32 as well" try 0 run e2e.json -q --db bf16/x.db --set method=$one
    check "is another run" is 2 bf16/x.db "SELECT count(DISTINCT json_extract(config, '$.train.precision')) FROM run"
else
    echo "skipped: $(cat err)"
fi

# --- mistakes ---

printf 'no database' >file.db
cp file.db copy.db
check "a file that is not a database" try 4 status file.db
check "is left untouched" cmp file.db copy.db
check "run does not write into it either" try 4 run e2e.json --db file.db
check "and leaves it untouched" cmp file.db copy.db
: >empty.db # as left by a process that dies while it creates a database
check "an empty file is a run's to fill" try 0 run e2e.json -n --db empty.db
check "a dry run says so, too" says out "4 of 4 runs to do"
check "and leaves it" test ! -s empty.db
check "a run does it" try 0 run e2e.json -q --db empty.db --set "method=$one" --set train.seed=1
check "a missing database" try 2 table missing.db
check "a missing config" try 2 run missing.json
check "says its name" says err missing.json
mistake() { # mistake NAME SET TEXT
    check "$1" try 2 run e2e.json --set "$2"
    check "$1: the message" says err "e2e.json" "$3"
}
mistake "an unknown key" train.lenght=8 "length"
mistake "a value out of range" train.tokens=-1 "train.tokens"
mistake "a wrong type" model.layers=two "model.layers"
mistake "an unknown method" sweep.method="[\"${one}x\"]" "did you mean '$one'"
mistake "rules across options" model.width=30 "model.width"
mistake "a step that is no multiple" train.tokens_per_step=65 "train.tokens_per_step"
mistake "a corpus that is not there" data.files='["nowhere/*"]' "nowhere"
mistake "a length beyond the corpus" train.length=9999999 "train.length"
mistake "a name that leaves the folder" name=../x "name"
echo '{"name": "e2e", "name": "e2e"}' >bad.json
check "a duplicate key" try 2 run bad.json
echo '{' >bad.json
check "half a config" try 2 run bad.json
check "an unknown command" try 2 rnu e2e.json
check "with a suggestion" says err "did you mean 'run'"
check "an unknown option" try 2 run --jbos 2 e2e.json
check "with a suggestion, too" says err "did you mean '--jobs'"
check "a number that is none" try 2 run -j two e2e.json
check "a missing word" try 2 table
check "an unknown format" try 2 table $db --format xyz
check "help" try 0 --help
check "lists the commands" says out run plan status table plot report methods export worker eval analyse reference
check "help of a command" try 0 run --help
check "lists its options" says out --jobs --set --db
check "version" try 0 --version
# shellcheck disable=SC2016 # expanded by the other shell
check "standard output that cannot be written" bash -c '"$0" methods >/dev/full 2>err; [ $? = 5 ]' "$POSLAB"
check "is one error" test "$(wc -l <err)" = 1

if command -v script >/dev/null; then
    TERM=xterm script -qec "'$POSLAB' run e2e.json -j 2 --db screen/x.db" shown </dev/null >/dev/null 2>&1
    check "bars on a terminal" says shown "[####################]" "[....................]" "4 of 4 runs are done" $'\033[32m'
    NO_COLOR=1 TERM=xterm script -qec "'$POSLAB' run e2e.json --db screen/y.db" shown </dev/null >/dev/null 2>&1
    check "without colour" test -z "$(grep -F $'\033[32m' shown)"
else
    result 0 "terminal # SKIP no script"
fi

done_testing
