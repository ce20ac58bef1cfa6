#!/usr/bin/env bash
# test_combinations.sh: options of tables, analyses and configs that have tests of their own, here together: a config that
# extends another, with tags, blocks of a sweep and a setting of one method; --best with every command that takes it;
# several databases; conditions; stale runs.
. "$(dirname "$0")/../tools/shell.sh"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again

write_texts
write_config -e 's/1920/192/' -e 's/"multiples": \[[^]]*\]/"multiples": [1, 2]/'
lr=train.optimizer.lr
cat >both.json <<END
{ "extends": "e2e.json", "name": "both", "description": "two blocks", "tags": ["a", "b"],
  "sweep": [
    { "method": ["$one", { "name": "$two", "train.optimizer.decay": 0.1 }], "$lr": [0.001, 0.01], "train.seed": [1, 2] },
    { "method": ["$one"], "$lr": [0.03], "train.seed": [1, 2] } ] }
END
check "a plan" try 0 plan both.json
check "has the points of both blocks" says out "10 runs"
check "run" try 0 run both.json -q -j 2 --db x.db
label() { sql x.db "SELECT label FROM run WHERE method = '$1' LIMIT 1"; }
check "the description and the tags" try 0 status x.db
check "are shown" says out "two blocks" "tags: a, b"
check "the setting of one method is its alone" is "$two" x.db "SELECT group_concat(DISTINCT method) FROM run
    WHERE json_extract(config, '\$.train.optimizer.decay') = 0.1"
check "into another database, with one method" try 0 run both.json -q -j 2 --db y.db --set sweep='{"method": ["'$two'"], "'$lr'": [0.001, 0.02], "train.seed": [1, 2]}'

best() { # best DB METHOD: the value with the lowest mean perplexity at the training length on the validation split
    sql "$1" "SELECT json_extract(r.config, '\$.$lr') FROM outcome o JOIN run r ON r.key = o.run_key WHERE o.method_name = '$2'
        AND o.eval_length = o.train_length AND o.split = 'valid' AND o.outcome = 'done' GROUP BY 1 ORDER BY avg(o.perplexity) LIMIT 1"
}
chosen=$(best x.db $one) chosen_two=$(best x.db $two) chosen_y=$(best y.db $two)
check "there is a best value of each" test -n "$chosen" -a -n "$chosen_two" -a -n "$chosen_y"
column() { # column NAME: the values of a column of the JSON in the file out
    sql :memory: "SELECT group_concat(DISTINCT json_extract(value, '\$.\"$1\"')) FROM json_each(CAST(readfile('out') AS TEXT))${2:+ WHERE $2}"
}
of() { echo "coalesce(json_extract(value, '\$.method_name'), json_extract(value, '\$.method')) = '$1'"; }

check "--best of several databases, as JSON" try 0 table x.db y.db --best $lr --json
check "has the chosen value of one method" test "$(column $lr "$(of $one)")" = "$chosen"
check "and of the other in each database" test "$(column $lr "$(of $two) AND json_extract(value, '\$.database') = 'x.db'"),$(
    column $lr "$(of $two) AND json_extract(value, '\$.database') = 'y.db'")" = "$chosen_two,$chosen_y"
check "with a condition" try 0 table x.db y.db --best $lr --where method=$one --where eval_length=32
check "only that is left" test "$(grep -c "^$(label $two)" out)" = 0
check "and the note says the values" says out "$(label $one)" "lr=$chosen"
check "a condition that leaves nothing" try 2 table x.db y.db --best $lr --where method=none
for analysis in curves matrix "compare $one $two" short-long cost early positions claim-points; do
    # shellcheck disable=SC2086 # the analysis and its words
    check "analyse ${analysis%% *} --best" try 0 analyse x.db $analysis --best $lr -f csv
    check "has columns for the keys" says <(head -n 1 out) ",train.optimizer.decay,$lr"
done
check "compare as JSON" try 0 analyse x.db compare $one $two --best $lr --where eval_length=16 --json
check "has the value of the row" test "$(column $lr)" = "$chosen"
check "and of the baseline" test "$(column baseline_$lr)" = "$chosen_two"
check "report --best" try 0 report x.db --best $lr -o x.html
check "says the values" says x.html "lr=$chosen"
check "plot --best, with a condition" try 0 plot x.db --best $lr --where method=$one -o x.svg
check "has one line of the method" test "$(grep -c "^# .*$(label $one)" x.dat)" -ge 1
check "and none of the other" test "$(grep -c "^[^:]*$(label $two)" x.dat)" = 0

sql x.db "UPDATE run SET method_files = method || ':0123456789ab' WHERE method = '$one'"
check "stale runs in a joined table with --best" try 0 table x.db y.db --best $lr
check "are marked" says out "†: stale ($(label $one)"
check "and no others" test "$(grep -F "$(label $two)" out | grep -c †)" = 0
check "as they are in compare" try 0 analyse x.db compare $one $two --best $lr
check "by a note" says out "stale ($(label $one)"
done_testing
