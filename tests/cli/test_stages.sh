#!/usr/bin/env bash
# test_stages.sh: runs that are trained in stages. Killed while the updates at the borders of stages are saved, they end
# with the same numbers and weights. plan, status, tables, figures and exported batches show the stages.
. "$(dirname "$0")/../tools/shell.sh"
build_shim
write_texts
stages='[{"length":8,"share":0.2},{"length":32,"share":0.5}]' # of 10 updates: 2, 5 and 3
write_config -e 's/1920/640/' -e 's/"length": 16/"checkpoint": 1e-6, &/' -e "s/\"train.seed\": \[1, 2\]/\"train.stages\": [[], $stages]/"
sed -e "s/\"sweep.*/\"method\": \"$one\"/" -e "s/\"checkpoint\"/\"stages\": $stages, &/" e2e.json >one.json

check "schema" try 0 help config --schema
check "a list of stages may be empty" is "100|" :memory: "SELECT json_extract(stages, '\$.maxItems'), json_extract(stages, '\$.minItems')
    FROM (SELECT json_extract(CAST(readfile('out') AS TEXT), '\$.\"\$defs\".train.properties.stages') AS stages)"
check "plan" try 0 plan e2e.json
check "shows the settings" says out "$one L=16 seed=1 stages=absent " "$one L=16 seed=1 stages=8:0.2,32:0.5 "
check "and the stages" grep -qE "$two L=16 seed=1 stages=8:0.2,32:0.5 .* 32 +3 +7 " out
check "run" try 0 run e2e.json --db whole/x.db
whole "$(sql whole/x.db "SELECT key FROM run WHERE method = '$one' AND json_extract(config, '\$.train.stages') = '$stages'")"
# A worker changes files 42 times for each update.
check "killed in the last update of the first stage" killed 72 2 1
check "killed in the first update of the second stage" killed 114 3 2
check "killed in the last update of the second stage" killed 282 7 6

# Stopped in the first update of the last stage, and killed then.
strike 324 stop stopped
"${struck[@]}" >out 2>err </dev/null &
runner=$!
shows() { "$POSLAB" status stopped/x.db "$@" >shown; [ -s shown ] && says shown "$text"; }
text='step 8 of 10 (80 %), stage 3 of 3 (length 16), loss'
check "status shows the stage" eventually 30 shows
text='"stage": 3'
check "also as JSON" shows --json
mapfile -t workers < <(children $runner)
kill -KILL "${workers[@]}"
wait $runner
check "killed in the first update of the last stage" ended_alike stopped
check "and resumed at the border" says "stopped/e2e/$key/log.txt" "resuming from step 7 of 10" "stage 3 of 3: length 16 to step 10"

check "table" try 0 table whole/x.db
check "shows the stages" says out "stages=8:0.2,32:0.5" \
    "Trained in stages: length 8 to update 2, 32 to 7, 16 to 10 ($(sql whole/x.db "SELECT group_concat(label || ' stages=8:0.2,32:0.5', ', ')
    FROM (SELECT label FROM run WHERE config LIKE '%stages%' ORDER BY rowid)"))."
check "one stage" try 0 table whole/x.db --where train.stages=
check "has no note" lacks out "Trained in stages"
check "analyse" try 0 analyse whole/x.db curves
check "shows them, too" says out "Trained in stages: length 8 to update 2"
check "check" try 0 check whole/x.db
check "batches of two stages" try 0 export whole/x.db "$key" batches --batches 4
check "have a tensor each" says batches '"batches":{"dtype":"I32","shape":[16,9]' '"batches.2":{"dtype":"I32","shape":[4,33]'
if command -v gnuplot >/dev/null; then
    check "the figure loss" try 0 plot whole/x.db --figure loss -o loss.svg --script
    check "says what a mark is" says loss.svg "trained at 16 (+: end of a stage)"
    check "and has two on each of two lines" test "$(grep -c '"mark_x": ' loss.py)" = 4
fi
done_testing
