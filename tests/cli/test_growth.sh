#!/usr/bin/env bash
# test_growth.sh: runs whose model grows. Killed while the updates at the borders of stages are saved, they end with the
# same numbers and weights. plan, status, tables, figures and exported batches show the stages.
. "$(dirname "$0")/../tools/shell.sh"
build_shim
write_texts
growth='{"block":1,"alpha":1,"place":"middle","state":"copy"}' # of 10 updates: 2, 3 and 5
write_config -e 's/1920/640/' -e 's/"layers": 2/"layers": 3/' -e 's/"length": 16/"checkpoint": 1e-6, &/' \
    -e "s/\"train.seed\": \[1, 2\]/\"train.growth\": [{}, $growth]/"
sed -e "s/\"sweep.*/\"method\": \"$one\"/" -e "s/\"checkpoint\"/\"growth\": $growth, &/" e2e.json >one.json

check "plan" try 0 plan e2e.json
check "shows the settings" says out "$one L=16 seed=1 growth=absent " "$one L=16 seed=1 growth=1:1:middle:copy "
check "and the layers of stages" grep -qE "$two L=16 seed=1 growth=1:1:middle:copy .* 16 +2 +3 +5 " out
check "a block of all layers" try 0 plan e2e.json --set 'train.growth={"block":3}' --set "sweep={\"method\":[\"$one\"]}"
check "is no growth" says out "$("$POSLAB" plan e2e.json --json | sed -n 's/.*"key": "\(.*\)".*/\1/p;T;q')"
check "run" try 0 run e2e.json --db whole/x.db
whole "$(sql whole/x.db "SELECT key FROM run WHERE method = '$one' AND json_extract(config, '\$.train.growth') = '$growth'")"
# A worker changes files 56 times for each update.
check "killed in the last update of the first stage" killed 90 2 1
check "killed in the first update of the second stage" killed 146 3 2

# Stopped in the first update of the last stage, and killed then.
strike 314 stop stopped
"${struck[@]}" >out 2>err </dev/null &
runner=$!
shows() { "$POSLAB" status stopped/x.db "$@" >shown; [ -s shown ] && says shown "$text"; }
text='step 6 of 10 (60 %), stage 3 of 3 (length 16, 3 of 3 layers), loss'
check "status shows the stage" eventually 30 shows
mapfile -t workers < <(children $runner)
kill -KILL "${workers[@]}"
wait $runner
check "killed in the first update of the last stage" ended_alike stopped
check "and resumed at the border" says "stopped/e2e/$key/log.txt" "resuming from step 5 of 10" "stage 3 of 3: length 16, 3 of 3 layers to step 10"

check "table" try 0 table whole/x.db
check "shows the stages" says out "growth=1:1:middle:copy" \
    "Trained in stages: layers 1 to update 2, 2 to 5, 3 to 10 ($(sql whole/x.db "SELECT group_concat(label || ' growth=1:1:middle:copy', ', ')
    FROM (SELECT label FROM run WHERE config LIKE '%growth%' ORDER BY rowid)"))."
check "as settings that are shown" lacks out "not shown"
check "the best growth" try 0 table whole/x.db --best train.growth
check "leaves one row of each method" lacks out "growth=1:1"
check "the runs that grow" try 0 table whole/x.db --where train.growth=1:1:middle:copy
check "are found by their setting" says out "Trained in stages"
check "the others" try 0 table whole/x.db --where train.growth=
check "have no note" lacks out "Trained in stages"
check "check" try 0 check whole/x.db
check "batches do not depend on growth" try 0 export whole/x.db "$key" batches --batches 4
check "and are divided by stages" says batches '"batches":{"dtype":"I32","shape":[8,17]' '"batches.2":{"dtype":"I32","shape":[8,17]'
plain=$(sql whole/x.db "SELECT key FROM run WHERE method = '$one' AND key != '$key'")
check "as a whole" try 0 export whole/x.db "$plain" plain --batches 4
check "they are the same" cmp <(tail -c $((16 * 17 * 4)) batches) <(tail -c $((16 * 17 * 4)) plain)
if command -v gnuplot >/dev/null; then
    check "the figure loss" try 0 plot whole/x.db --figure loss -o loss.svg --script
    check "says what a mark is" says loss.svg "trained at 16 (+: end of a stage)"
    check "and has two on each of two lines" test "$(grep -c '"mark_x": ' loss.py)" = 4
fi
# The first accuracy suffices, and the model is whole from update 168 of 500 on.
cat >early.json <<'END'
{ "name": "early", "data": { "task": { "name": "parity", "size": [1, 2] } }, "model": { "layers": 2, "heads": 2, "width": 16, "ffn": 32 },
  "method": "none", "train": { "length": 3, "tokens": 48000, "tokens_per_step": 96, "optimizer": { "lr": 0.01 },
                               "until": { "exact": 0.001, "updates": 10 }, "growth": { "block": 1 } },
  "evaluate": { "task": { "sizes": [1, 2], "examples": 20 } } }
END
check "a task" try 0 run early.json --db early.db
check "is not learnt before the model is whole" is 170 early.db "SELECT until_step FROM run"
sed -i 's/"growth"/"from": "0123456789abcdef", &/' one.json
check "growth and a run that is continued" try 2 plan one.json
check "are refused" says err "'train.growth' starts with one block"
done_testing
