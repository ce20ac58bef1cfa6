#!/usr/bin/env bash
# test_check.sh: `poslab check` finds no problem after a small sweep; after each of these changes by another program
# it finds the change. Values that can be computed from other columns are compared with them.
. "$(dirname "$0")/../tools/shell.sh"

write_texts 1
write_config -e 's/"width": 32/"width": 16/' -e 's/1920/256/' -e 's/500/100/' -e 's/, "train.seed": \[1, 2\]//'
"$POSLAB" run e2e.json -q >out 2>&1
"$POSLAB" bench e2e.json --rounds 1 --db results/e2e.db >out 2>&1
cp results/e2e.db whole.db
"$POSLAB" check results/e2e.db >out 2>&1
result $? "nothing is wrong with what a sweep leaves" out

# Left: the expected message of check (words on one line); right: the change.
while IFS='|' read -r expected sql; do
    cp whole.db results/e2e.db
    sqlite3 results/e2e.db "PRAGMA ignore_check_constraints = ON; $sql" >out 2>&1 || { result 1 "$sql" out; continue; }
    "$POSLAB" check results/e2e.db >out 2>&1
    code=$?
    grep -qE -- "$expected" out && [ $code = 4 ]
    result $? "$sql" out
done <<'END'
positions have 0 of 100 targets|delete from position_loss
positions have|delete from position_loss where evaluation = 1 and bin = 1
its positions are not those|update position_loss set last = last + 1 where evaluation = 1 and bin = 3
its positions are not those|update position_loss set tokens = tokens + iif(bin = 0, 1, -1) where evaluation = 1 and bin < 2
its loss is not the sum of its positions|update position_loss set nll_sum = nll_sum * 1.001 where evaluation = 1 and bin = 2
its loss is not the sum of its positions|update position_loss set nll_sum = null where evaluation = 1 and bin = 2
its loss is not the sum of its windows|update evaluation_window set nll_sum = null where evaluation = 1 and window = 0
its loss is not the sum of its windows|update evaluation_window set nll_sum = nll_sum + 0.001 where evaluation = 1 and window = 0
its loss is not the sum of its windows|update evaluation set nll_sum = null where id = 1
its loss is not the sum of its windows|update evaluation set nll_sum = nll_sum * 1.0001 where id = 1
table evaluation, row 1: 'nll_sum' must be|update evaluation set nll_sum = 9e999 where id = 1
its windows are not those|update evaluation_window set tokens = tokens + iif(window = 0, 1, -1) where evaluation = 1 and window < 2
99 targets in .* windows; its corpus gives 100|update evaluation set tokens = 99 where id = 1
windows are stored|delete from evaluation_window where evaluation = 1 and window = 1
targets in .* windows; its corpus gives|update evaluation set requested = 99 where id = 1
targets in .* windows; its corpus gives|update corpus set valid_tokens = 60, test_tokens = 60
it has numbers, although|update evaluation set status = 'beyond_limit' where id = 1
unknown protocol|update evaluation set protocol = 'other' where id = 1
the rate in the log of step . is impossible|update train_log set loss = 0, rate = 0, norm = 0
final loss is not the mean|update train_log set loss = 0
final loss is not the mean|update run set final_loss = final_loss + 0.001
final loss is not the mean|update run set final_loss = null, status = 'diverged', diverged_step = steps
the loss in the log of step . is impossible|update train_log set loss = null where step = 1
the norm in the log of step . is impossible|update train_log set norm = -1 where step = 2
the rate in the log of step . is impossible|update train_log set rate = rate * 1.01 where step = 3
'seed' is 7; its config gives 1|update run set seed = 7
'train_length' is 31; its config gives|update run set train_length = 31
'method' is other; its config gives|update run set method = 'other'
'method_options' is .*; its config gives|update run set method_options = '{"a":1}'
'parameters' is 5; its config gives|update run set parameters = 5
'position_parameters' is 5; its config gives|update run set position_parameters = 5
'seed' is 1; its config gives 7|update run set config = json_set(config, '$.train.seed', 7)
'train_length' is .*; its config gives|update run set config = json_set(config, '$.train.length', 8)
'key' is .*; its config gives|update run set config = replace(config, '"dropout":0,', '"dropout":0.5,')
'key' is .*; its config gives|update corpus set hash = 'other'
updates; its config gives|update run set steps = steps - 1
'train_tokens' is|update run set train_tokens = train_tokens - 1
'label' is .*; its config gives|update run set label = 'Other'
it was trained on 0 ranks|update run set ranks = 0
0 tokens to train on, run|update corpus set train_tokens = 0
it is done and diverged|update run set diverged_step = 2
it is diverged but not|update run set status = 'diverged'
a row refers to a missing row|delete from run where key in (select min(key) from run)
table run, row .*: 'config' must be a JSON object, got 'garbage'|update run set config = 'garbage'
table run, row .*: 'config' must be a JSON object, got ''|update run set config = ''
'name' must be|update run set config = '{}'
table run, row .*: 'parameters' must be|update run set parameters = 9223372036854775807
table bench, row 1: 'config' must be a JSON object|update bench set config = 'foreign'
a median beyond its quartiles|update bench_result set ratio_low = ratio + 1
a stride of 3|update request set stride = 3 where stride_rule = 'L' and length = 32
schema is not that of version|drop view curve
END
done_testing
