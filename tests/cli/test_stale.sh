#!/usr/bin/env bash
# test_stale.sh: runs whose method's file was edited after their training, here by another hash in the database. Only
# they are trained again, and everything that shows their numbers says that they are stale.
. "$(dirname "$0")/../tools/shell.sh"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again

write_texts
write_config
db=results/e2e.db
check "four runs of two methods" try 0 run e2e.json -q -j 2
check "each has the hash of its method's file" is 4 $db "SELECT count(*) FROM run WHERE method_files GLOB method || ':????????????'"
check "and one of the shared sources" is "1|4" $db "SELECT count(DISTINCT shared_sources), count(shared_sources) FROM run"
check "nothing is stale" try 0 status $db
check "and nothing says so" lacks out stale
check "a plan says nothing" try 0 plan e2e.json
check "of it" lacks out stale
sql $db .dump >before
label=$(sql $db "SELECT label FROM run WHERE method = '$one' LIMIT 1")

edited() { # edited DB: as if the file of the first method was edited
    sql "$1" "UPDATE run SET method_files = method || ':0123456789ab' WHERE method = '$one'"
}
edited $db
numbers $db >numbers
check "status" try 3 status $db
check "counts them, and lists them" says out "4 done; 12 of 12 evaluations; 2 stale" "stale, the file of its method was edited"
check "status as JSON" try 3 status $db --json
check "has their number" is 2 :memory: "SELECT json_extract(CAST(readfile('out') AS TEXT), '\$[0].stale')"
check "and marks them" is 2 :memory: "SELECT sum(json_extract(value, '\$.stale'))
    FROM json_each(CAST(readfile('out') AS TEXT), '\$[0].points')"
check "plan" try 0 plan e2e.json
check "counts them" says out "2 of 4 runs in the database are stale"
check "plan as JSON" try 0 plan e2e.json --json
check "counts them, too" is 2 :memory: "SELECT json_extract(CAST(readfile('out') AS TEXT), '\$.stale')"
check "plan for another database" try 0 plan e2e.json --db other.db
check "does not" lacks out stale
check "table" try 0 table $db
check "marks them" says out "†" "†: stale ($label trained at 16)"
two_label=$(sql $db "SELECT label FROM run WHERE method = '$two' LIMIT 1")
check "and no others" test "$(grep -F "$two_label" out | grep -c †)" = 0
check "each of their numbers" test "$(grep -o '[0-9] †' out | wc -l)" = 3
check "table as Markdown" try 0 table $db -f md
check "has the mark and the note" says out "†" "stale ("
check "table as LaTeX" try 0 table $db -f latex
check "has them, too" says out '$\dagger$: stale ('
check "an analysis" try 0 analyse $db curves
check "has the note" says out "stale ($label trained at 16)"
check "a figure" try 0 plot $db -o figure.svg
check "names them in its title" says figure.svg "stale: $label trained at 16"
check "and in its data" says figure.dat "# stale: $label trained at 16"
check "a report" try 0 report $db -o report.html
check "has the note" says report.html "stale ($label trained at 16)" "†"
check "nothing of this writes" diff numbers <(numbers $db)

check "eval leaves them out" try 0 eval $db --lengths 24
check "and says so" says err "2 of 4 runs are stale" "left out"
check "others are evaluated" is "2|$two" $db "SELECT count(*), group_concat(DISTINCT method) FROM evaluation JOIN run ON run = key
    WHERE length = 24"
sql $db "DELETE FROM evaluation_window WHERE evaluation IN (SELECT id FROM evaluation WHERE length = 24);
    DELETE FROM position_loss WHERE evaluation IN (SELECT id FROM evaluation WHERE length = 24);
    DELETE FROM evaluation WHERE length = 24; DELETE FROM request WHERE length = 24"
check "what is to be done" try 0 run e2e.json -n
check "is them, with training" says out "train, then 3 evaluations" "2 of 4 runs to do" "2 of 4 runs are stale"
check "and not done" diff numbers <(numbers $db)
check "only failed runs" try 0 run e2e.json --retry failed
check "are none" diff numbers <(numbers $db)
sql $db "UPDATE run SET train_seconds = 99"
check "run" try 0 run e2e.json -j 2
check "says it" says err "2 of 4 runs are stale" "retrained" "4 of 4 runs are done"
check "trains them again" is "2|$two" $db "SELECT count(*), group_concat(DISTINCT method) FROM run WHERE train_seconds = 99"
check "to the same numbers" diff numbers <(numbers $db)
check "nothing is stale any more" try 0 status $db
check "in no word" lacks out stale

check "another database is not touched" try 0 run e2e.json -q --db other/x.db
edited $db
check "and not flagged" try 0 status other/x.db
check "at all" lacks out stale
sql $db "UPDATE run SET method_files = NULL, shared_sources = NULL"
check "runs of older databases" try 0 status $db
check "are not stale" lacks out stale

# A sweep that is killed while it retrains loses nothing but the runs that it had begun.
edited $db
"$POSLAB" run e2e.json >out 2>err </dev/null &
pid=$!
check "one of the runs is retrained" eventually 60 is 1 $db "SELECT count(*) > 0 FROM run WHERE method_files IS NULL"
kill -9 $pid
wait $pid 2>/dev/null
check "the database is sound" eventually 20 try 0 check $db
check "and the same command resumes" eventually 20 try 0 run e2e.json -j 2
check "to the same numbers" diff numbers <(numbers $db)
check "of the new file" is 4 $db "SELECT count(*) FROM run WHERE coalesce(method_files, '') NOT LIKE '%0123456789ab'"

# A variant by the second method: its evaluations depend on its own file, too.
check "evaluations by a variant" try 0 eval $db --method $one --variant $two -q
check "have the hash of the method that was evaluated" is "6|6" $db "SELECT count(*), sum(method_files GLOB '$two:????????????')
    FROM evaluation WHERE variant <> ''"
check "the others, of the run's" is 0 $db "SELECT count(*) FROM evaluation e JOIN run r ON r.key = e.run
    WHERE variant = '' AND e.method_files <> r.method_files"
numbers $db >numbers
sql $db "UPDATE evaluation SET method_files = '$two:0123456789ab', seconds = 99 WHERE variant <> ''"
sql $db "UPDATE run SET train_seconds = 99"
check "after an edit, status" try 3 status $db
check "counts them" says out "4 done; 18 of 18 evaluations; 6 stale evaluations" "3 evaluations are stale: the file of their"
check "status as JSON" try 3 status $db --json
check "has them" is "6|3" :memory: "SELECT json_extract(value, '\$.stale_evaluations'),
    json_extract(value, '\$.points[0].stale_evaluations') FROM json_each(CAST(readfile('out') AS TEXT))"
check "runs" try 0 runs $db -f csv
check "marks their runs" is 2 :memory: "SELECT (length(t) - length(replace(t, ',done,1,', ',done,,'))) FROM
    (SELECT CAST(readfile('out') AS TEXT) AS t)"
check "a plan" try 0 plan e2e.json
check "has none of the variant" lacks out stale
check "table" try 0 table $db
check "marks them" says out "†: stale ($label [$two] trained at 16)"
check "and no others" test "$(grep -c '[0-9] †' out)" = 1
check "run" try 0 run e2e.json
check "has nothing to do for evaluations that its config does not request" says err "nothing to do"
check "eval" try 0 eval $db --method $one --variant $two
check "says it" says err "6 evaluations are stale: the file of their method was edited; repeated"
check "repeats them, without training" is "0|4" $db "SELECT (SELECT count(*) FROM evaluation WHERE seconds = 99),
    (SELECT count(*) FROM run WHERE train_seconds = 99)"
check "to the same numbers" diff numbers <(numbers $db)
check "nothing is stale any more" try 0 status $db
check "now" lacks out stale
check "a sound database" try 0 check $db
with_variant() { sed "s/\"evaluate\": {/& \"variants\": [{\"name\": \"$two\", \"method\": \"$two\"}],/" e2e.json; }
with_variant >variant.json
check "a config that requests them" try 0 run variant.json -q --set name=e2e -n
sql $db "UPDATE evaluation SET method_files = '$two:0123456789ab' WHERE variant <> '' AND length = 16"
check "plan of it" try 0 plan variant.json --set name=e2e
check "counts them" says out "2 evaluations in the database are stale"
check "without them" try 0 run variant.json --set name=e2e --retry missing
check "they are kept" says err "2 evaluations are stale: the file of their method was edited; kept (--retry missing)"
check "run" try 0 run variant.json --set name=e2e
check "repeats them" says err "2 evaluations are stale" "repeated"
check "and trains nothing" is 4 $db "SELECT count(*) FROM run WHERE train_seconds = 99"

# Long lists of stale runs are cut.
check "two methods at two lengths" try 0 run e2e.json -q --db many.db --set train.tokens=256 --set sweep.train.length='[8, 16]' \
    --set sweep.train.seed='[1]'
sql many.db "UPDATE run SET method_files = method || ':0123456789ab'"
check "all stale" try 0 table many.db
check "are named up to three" says out "stale ($label trained at 8; $label trained at 16; $two_label trained at 8 and 1 more)"
check "also in figures" try 0 plot many.db -o many.svg
check "there" says many.dat "# stale: $label trained at 8; $label trained at 16; $two_label trained at 8 and 1 more"
done_testing
