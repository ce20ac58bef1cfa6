#!/usr/bin/env bash
# Running runs are shown by status and figures; a log tells the time, what is left and the results; what comes next.
. "$(dirname "$0")/../tools/shell.sh"
unset MAKEFLAGS
write_texts
label() { "$POSLAB" methods --format md | awk -F ' *[|] *' -v name="\`$1\`" '$2 == name { print $3 }'; }
write_config
sed -e 's/"e2e"/"long"/' -e 's/1920/1600/' -e 's/64, "opt/16, "opt/' -e 's/"length": 16/"checkpoint": 1e-6, &/' e2e.json >long.json

# updates FILE COUNT: it has the updates 1 .. COUNT, each once, all with the time.
updates() {
    python3 - "$@" <<'END'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert [line["step"] for line in lines] == list(range(1, int(sys.argv[2]) + 1)), [line["step"] for line in lines]
assert all(a["seconds"] < b["seconds"] for a, b in zip(lines, lines[1:]))
END
}

# as_stored DB FOLDER: every line of train.jsonl has the loss, rate and norm that the database has.
as_stored() {
    python3 - "$@" <<'END'
import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("SELECT run, step, loss, rate, norm FROM train_log").fetchall()
assert rows
for run in {row[0] for row in rows}:
    lines = [json.loads(line) for line in open(f"{sys.argv[2]}/{run}/train.jsonl")]
    for line, row in zip(lines, sorted(row for row in rows if row[0] == run), strict=True):
        for name, value in zip(("step", "loss", "rate", "norm"), row[1:]):
            assert abs(line[name] - value) <= 1e-8 * abs(value), (line, row)
END
}

# --- the log of a sweep ---

check "run" try 0 run e2e.json
stamp='^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} '
timed() { ! grep -E 'start  |done  | % ' err | grep -vE "$stamp"; }
check "each event of a log has a time" timed
check "done has a result, and what is left of all runs" grep -qE "${stamp}done    $one L=16 seed=1  perplexity [0-9.]+ at 16  \(1 of 4; all: [0-9ms]+ left\)" err
check "the last has nothing left" grep -qE "done    .*\(4 of 4\)" err
stored=$(sql results/e2e.db "SELECT printf('%.2f', perplexity) FROM curve WHERE method = '$one' AND seed = 1
    AND train_length = 16 AND eval_length = 16 AND protocol = 'nonoverlapping'")
check "it is the stored perplexity" says err "$one L=16 seed=1  perplexity $stored at 16"
check "what comes next" diff <(tail -5 err) - <<END
4 of 4 runs are done, in results/e2e.db
Next:
  poslab table results/e2e.db
  poslab plot results/e2e.db
  poslab report results/e2e.db
END
check "and again if nothing is to do" try 0 run e2e.json
check "with the commands" says err "nothing to do: 4 of 4 runs are done, in results/e2e.db" "  poslab plot results/e2e.db"
check "not with -q" try 0 run e2e.json -q
check "which prints nothing" test ! -s err
sed 's/"e2e"/"other"/' e2e.json >other.json
check "a second experiment in a database with a space" try 0 run e2e.json --db 'a b.db'
check "next" try 0 run other.json --db 'a b.db'
check "names the experiment, quoted for a shell" says err "  poslab plot 'a b.db' --experiment other"
check "this command works" bash -c "cd '$PWD' && ${POSLAB} table 'a b.db' --experiment other >/dev/null"
check "train.jsonl is what the database has" as_stored results/e2e.db results/e2e
check "a worker prints no commands" try 0 worker "$(dirname "$(ls results/e2e/*/config.json | head -1)")"
check "but progress" lacks out "Next"

# --- a running run ---

set -m
"$POSLAB" run long.json >log 2>&1 </dev/null &
runner=$!
set +m
halted() { # the worker is stopped after its first updates
    mapfile -t workers < <(children $runner)
    [ ${#workers[@]} = 1 ] && kill -STOP "${workers[@]}" && exists "results/long/*/state.safetensors" &&
        [ "$(cat results/long/*/train.jsonl | wc -l)" -gt 2 ] && return
    kill -CONT "${workers[@]}" 2>/dev/null
    return 1
}
check "a run is stopped in its training" eventually 120 halted
log=$(ls results/long/*/train.jsonl)
step=$(tail -1 "$log" | sed 's/^{"step":\([0-9]*\),.*/\1/')
check "status" try 3 status results/long.db
check "shows step, share, loss, speed and time left" grep -qE \
    " running   .*: step $step of 100 \($step %\), loss [0-9.]+, [0-9]+ tokens/s, [0-9.]+ (s|min) left" out
check "status as JSON" try 3 status results/long.db --json
check "has the same" is "$step|100|1" :memory: "SELECT json_extract(value, '$.progress.step'), json_extract(value, '$.progress.steps'),
    json_extract(value, '$.progress.loss') > 0 AND json_extract(value, '$.progress.seconds_left') > 0
    FROM json_each(readfile('out'), '\$[0].points') WHERE json_extract(value, '$.status') = 'running'"
check "status as CSV" try 3 status results/long.db --format csv
check "too" says out ",progress_step,"
check "an old line is told" touch -d '1 hour ago' "$log"
check "as such" bash -c "'$POSLAB' status results/long.db | grep -q 'no update for'"
if command -v gnuplot >/dev/null; then
    check "the figure loss" try 0 plot results/long.db --figure loss -o loss.svg
    check "has the running run" grep -qE "^[0-9.]+ [0-9.]+" loss.dat
fi
check "--watch" bash -c "timeout 3 '$POSLAB' status results/long.db --watch=0.2 >watched; [ \$? = 124 ]"
check "prints again" test "$(grep -c "^long: 4 runs" watched)" -gt 2
check "a wrong interval" try 2 status results/long.db --watch=0
check "is refused" says err "--watch"

# --- resumed ---

kill -KILL $runner "${workers[@]}"
{ wait $runner; } 2>/dev/null
interrupted() { # the worker ends a moment after the signal
    try 3 status results/long.db &&
        grep -qE " running .*\($step %\), loss [0-9.]+; interrupted, .poslab run. resumes it" out
}
check "status says that no worker has the run" eventually 10 interrupted
printf '{"step":' >>"$log" # a torn line
check "resume" try 0 run long.json
resumed() {
    local each
    for each in results/long/*/train.jsonl; do updates "$each" 100 || return; done
}
check "each update has one line" resumed
check "with the numbers of the database" as_stored results/long.db results/long
check "--watch ends when nothing is left" try 0 status results/long.db --watch=0.1
check "after one output" test "$(grep -c "^long: 4 runs" out)" = 1
rm results/long/*/train.jsonl
check "without the files status" try 0 status results/long.db
check "and figures are the same" try 0 table results/long.db

# --- tables on a terminal ---

if command -v script >/dev/null; then
    check "one more length for one method" try 0 eval results/e2e.db --method $two --lengths 48
    check "table" try 0 table results/e2e.db
    check "stays one table" test "$(grep -c '^method' out)" = 1
    check "with - for what is missing" grep -qE "^$(label $one) .* - " out
    on_terminal 50 200 table results/e2e.db
    check "a wide terminal" diff shown out
    on_terminal 50 40 table results/e2e.db
    check "a narrow one" test "$(wc -L <shown)" -le 40
    check "has constant columns in the caption" says shown "trained at: 16"
    unset COLUMNS
    COLUMNS=30 on_terminal 50 200 table results/e2e.db
    check "COLUMNS precedes the terminal" test "$(wc -L <shown)" -le 30
    check "columns wrap into blocks" test "$(grep -c '^method' shown)" -gt 1
    COLUMNS=30 "$POSLAB" table results/e2e.db >piped
    check "no wrapping without a terminal" diff piped out
else
    result 0 "terminal # SKIP no script"
fi
check "latex --bare" try 0 table results/e2e.db --format latex --bare
check "is only the tabular" diff <(sed -n '1s/{.*//p; $p' out | tr -d '\n') <(printf '\\begin\\end{tabular}')
check "without title and notes" lacks out caption signature minipage setbox usepackage
check "--bare is for latex" try 2 table results/e2e.db --bare
check "and says so" says err "--bare needs --format latex"
done_testing
