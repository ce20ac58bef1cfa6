#!/usr/bin/env bash
# smoke.sh: runs every command once, on a minimal model. For slow builds, in which e2e.sh takes many minutes.
. "$(dirname "$0")/../tools/shell.sh"
template=$root/plots/curves.gp papers=$root/results/paper

runs() { # runs CODE ARGUMENT...: poslab exits with this code
    local name="poslab ${*:2}"
    name=${name//"$template"/curves.gp}
    check "${name//"$papers"\//}" try "$@"
}

write_texts 1
write_config -e 's/"width": 32/"width": 16/' -e 's/1920/256/' -e 's/500/100/' -e 's/, "train.seed": \[1, 2\]//'
cp "$fixtures/e2e.json" bad.json
echo x >>bad.json

runs 0 plan e2e.json
runs 0 run e2e.json -j 2
runs 0 run e2e.json
runs 0 run e2e.json --set 'evaluate.multiples=[1,6]'
runs 0 status results/e2e.db
runs 0 table results/e2e.db -f csv
runs 0 plot results/e2e.db --template "$template" -o e2e.svg
runs 0 table results/e2e.db
runs 0 table results/e2e.db --json
runs 0 bench e2e.json --rounds 1 --db results/e2e.db
runs 0 reference results/e2e.db "$papers"/*.csv
runs 0 eval results/e2e.db --lengths 24 -q
for what in curves matrix short-long cost early positions claims claim-points; do
    runs 0 analyse results/e2e.db $what
done
runs 0 analyse results/e2e.db compare --baseline "$one" --resamples 100
runs 0 report results/e2e.db --claims "$papers/claims.json" -o e2e.html
runs 0 check results/e2e.db
runs 0 merge merged.db results/e2e.db
runs 0 methods
runs 0 methods "$one"
key=$(basename "$(ls -d results/e2e/*/ | head -1)")
runs 0 export results/e2e.db "$key" weights.safetensors
runs 0 export --initial results/e2e.db "$key" initial.safetensors
runs 0 export --batches 2 results/e2e.db "$key" batches.safetensors
runs 2 run bad.json
runs 2 plan e2e.json --set train.lenght=64
runs 2 run e2e.json --set 'data.files=["absent"]'
done_testing
