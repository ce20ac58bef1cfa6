#!/usr/bin/env bash
# test_table_databases.sh: one table of several databases: the same numbers as in their own tables, the database as a
# field, tests between runs of different databases, and errors.
. "$(dirname "$0")/../tools/shell.sh"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again

write_texts
write_config -e 's/1920/256/; s/, 4\]/]/'
check "two methods" try 0 run e2e.json -q -j 2 --db a/both.db
check "one of them" try 0 run e2e.json -q --db b/one.db --set "sweep.method=[\"$one\"]"
check "the other" try 0 run e2e.json -q --db c/two.db --set "sweep.method=[\"$two\"]"
numbers() { grep -oE '[0-9.]+ ± [0-9.]+' out; }

check "table of one database" try 0 table a/both.db
numbers >wanted
check "table of two" try 0 table b/one.db c/two.db
check "has the same numbers" diff wanted <(numbers)
check "in one table" test "$(grep -c 'perplexity by evaluation length' out)" = 1
check "says which" says out "b/one.db, c/two.db: perplexity" "database"
check "and signs both" says out "e2e (b/one.db): tokenizer=bytes" "e2e (c/two.db): tokenizer=bytes"
check "the best are marked alike" try 0 table a/both.db -f md
grep -oE '\*\*[0-9.]+ ± [0-9.]+\*\*' out >wanted
check "over databases" try 0 table b/one.db c/two.db -f md
check "by the same test" diff wanted <(grep -oE '\*\*[0-9.]+ ± [0-9.]+\*\*' out)
check "also there is one" test -s wanted
check "a table for each database" try 0 table b/one.db c/two.db --rows method
check "if they are not rows" says out "database: b/one.db" "database: c/two.db"
check "one of them" try 0 table b/one.db c/two.db --where database=c/two.db
check "alone" says out "$(sql c/two.db "SELECT label FROM run LIMIT 1")"
check "without the other" lacks out "$(sql b/one.db "SELECT label FROM run LIMIT 1") "
check "and its signature" lacks out "b/one.db"
check "csv" try 0 table b/one.db c/two.db -f csv
check "has the database as a column" test "$(grep -c ',database$' out) $(grep -c ',b/one.db$' out) $(grep -c ',c/two.db$' out)" = "1 4 4"
check "json, too" try 0 table b/one.db c/two.db --json
check "in each row" is "2" :memory: "SELECT count(DISTINCT value ->> 'database') FROM json_each(CAST(readfile('out') AS TEXT))"
check "the same database twice" try 0 table a/both.db a/both.db
check "an experiment that one has" try 0 table a/both.db c/two.db --experiment e2e
check "one that none has" try 2 table a/both.db c/two.db --experiment nosuch
check "is an error" says err "no database has an experiment 'nosuch'"
check "numbers of papers" try 2 table a/both.db c/two.db --paper
check "are for one" says err "--paper is for one database"
check "a database that is not there" try 2 table a/both.db none.db
check "is named" says err "none.db"
# --- runs that differ in what no experiment varies ---

check "the same methods at another rate" try 0 run e2e.json -q -j 2 --db d/fast.db --set name=fast --set train.optimizer.lr=0.5 --set "sweep.method=[\"$one\"]"
check "in one database with them" try 0 merge a/both.db d/fast.db
label=$(sql b/one.db "SELECT label FROM run LIMIT 1")
rate=$(sql b/one.db "SELECT json_extract(config, '$.train.optimizer.lr') FROM run LIMIT 1")
alone() { # rows and groups of a table differ in their names
    try 0 table a/both.db --experiment e2e,fast "$@" && says out "$label lr=$rate" "$label lr=0.5" && lacks out "$label  "
}
check "has another name where both are shown" alone
check "also without the experiment" alone --rows method
check "but not where the key is a column" try 0 table a/both.db --experiment e2e,fast --rows method,train.optimizer.lr
check "of its own" says out "$label  "
check "csv, too" try 0 table a/both.db --experiment e2e,fast -f csv
check "as a table" sqlite3 csv.db ".import --csv out rows"
check "so that grouping by method mixes nothing" is 1 csv.db \
    "SELECT max(n) FROM (SELECT count(DISTINCT \"train.optimizer.lr\") AS n FROM rows GROUP BY method)"
check "in the order of the experiments" test "$(tail -n +2 out | cut -d, -f1 | uniq | tr '\n' ' ')" = "e2e fast "
check "of two databases" try 0 table b/one.db d/fast.db
check "too" says out "$label lr=$rate" "$label lr=0.5"
check "a table for each has the names of its experiment" try 0 table a/both.db
check "which are shorter" lacks out "lr="
check "keys that differ only between methods" try 0 table c/two.db d/fast.db
check "are in a note" says out "not shown: train.optimizer.lr."
done_testing
