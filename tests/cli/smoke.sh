#!/usr/bin/env bash
# smoke.sh: the end-to-end test in short: every command once, on a model as small as can be. For slow builds: make
# test runs it under valgrind, where all of e2e.sh takes many minutes (make valgrind).
set -u
program=$(realpath "${POSLAB:-./poslab}")
root=$(cd "$(dirname "$0")" && pwd)
root=${root%/tests*}
fixtures=$root/tests/fixtures template=$root/plots/curves.gp papers=$root/results/paper
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$home" || exit 1
failed=0 number=0

check() { # check CODE ARGUMENT...: poslab must exit with this code
    local wanted=$1 got name
    shift
    name="poslab $*"
    name=${name//"$template"/curves.gp}
    name=${name//"$papers"\//}
    "$program" "$@" >out 2>&1 </dev/null
    got=$?
    number=$((number + 1))
    [ $got != "$wanted" ] || { echo "ok $number - $name"; return; }
    echo "not ok $number - $name: exit code $got instead of $wanted"
    sed 's/^/    # /' out
    failed=1
}

mkdir text
awk 'BEGIN { for (i = 0; i < 700; i++) printf "%s ", substr("the cat sat on a mat", 1 + i * i % 5 * 4, 4) }' >text/1.txt
sed -e 's/"width": 32/"width": 16/' -e 's/1920/256/' -e 's/500/100/' -e 's/, "train.seed": \[1, 2\]//' \
    "$fixtures/e2e.json" >e2e.json
"$program" methods alibi >out 2>&1 || sed -i s/alibi/kerple/ e2e.json # a deleted file
"$program" methods sinusoidal >out 2>&1 || sed -i s/sinusoidal/rotary/ e2e.json
cp "$fixtures/e2e.json" bad.json
echo x >>bad.json

check 0 plan e2e.json
check 0 run e2e.json -j 2
check 0 run e2e.json
check 0 run e2e.json --set 'evaluate.multiples=[1,6]'
check 0 status results/e2e.db
check 0 table results/e2e.db -f csv
check 0 plot results/e2e.db --template "$template" -o e2e.svg
check 0 table results/e2e.db
check 0 table results/e2e.db --json
check 0 bench e2e.json --rounds 1 --db results/e2e.db
check 0 reference results/e2e.db "$papers"/*.csv
check 0 eval results/e2e.db --lengths 24 -q
for what in curves matrix short-long cost early positions claims claim-points; do
    check 0 analyse results/e2e.db $what
done
check 0 analyse results/e2e.db compare --baseline "$(sed 's/.*"method": \["\([a-z]*\)".*/\1/;t;d' e2e.json)" --resamples 100
check 0 report results/e2e.db --claims "$papers/claims.json" -o e2e.html
check 0 check results/e2e.db
check 0 merge merged.db results/e2e.db
check 0 methods
check 0 methods "$(sed 's/.*"method": \["\([a-z]*\)".*/\1/;t;d' e2e.json)"
key=$(basename "$(ls -d results/e2e/*/ | head -1)")
check 0 export results/e2e.db "$key" weights.safetensors
check 0 export --initial results/e2e.db "$key" initial.safetensors
check 0 export --batches 2 results/e2e.db "$key" batches.safetensors
check 2 run bad.json
check 2 plan e2e.json --set train.lenght=64
check 2 run e2e.json --set 'data.files=["absent"]'
exit $failed
