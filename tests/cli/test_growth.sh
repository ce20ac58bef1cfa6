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
plan_key() { "$POSLAB" plan e2e.json --json "$@" >planned; sql :memory: "SELECT json_extract(readfile('planned'), '\$.points[0].key')"; }
check "a block of all layers is no growth" is "$(plan_key)" plan_key --set 'sweep={"method":["'$one'"],"train.growth.block":[3]}'
check "run" try 0 run e2e.json --db whole/x.db
key=$(sql whole/x.db "SELECT key FROM run WHERE method = '$one' AND json_extract(config, '\$.train.growth') = '$growth'")
weights() { sha256sum <"$1/e2e/$key/model.safetensors"; }
numbers whole/x.db | grep "^$key" >wanted
ended_alike() {
    try 0 run one.json --db "$1/x.db" --retry failed && [ "$(weights "$1")" = "$(weights whole)" ] &&
        diff <(numbers "$1/x.db") wanted
}
