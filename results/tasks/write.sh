#!/usr/bin/env bash
# write.sh DATABASES OUTPUT: the tables, figures and verdicts of configs/tasks-*.json.
#
# DATABASES is the folder that holds tasks-*.db, OUTPUT the one that is committed (results/tasks).
set -eu
databases=$1 output=$2 poslab=${POSLAB:-./poslab}
claims=$(dirname "$0")/claims

# verdicts NAME CLAIMS: the claims, and the numbers behind the verdicts, of databases/tasks-NAME.db
verdicts() {
    "$poslab" analyse "$databases/tasks-$1.db" claims --claims "$claims/$2.json" --format md >"$output/$1-claims.md"
    "$poslab" analyse "$databases/tasks-$1.db" claims --claims "$claims/$2.json" --format csv >"$output/$1-claims.csv"
    "$poslab" analyse "$databases/tasks-$1.db" claim-points --claims "$claims/$2.json" --format csv >"$output/$1-claim-points.csv"
}

for name in addition addition-longer multiplication sort sort-repeated copy mqar; do
    "$poslab" table "$databases/tasks-$name.db" --format csv >"$output/$name.csv" # every run, by size
    "$poslab" analyse "$databases/tasks-$name.db" accuracy --format md >"$output/$name.md"
done
verdicts addition addition
verdicts addition-longer addition
verdicts multiplication multiplication
verdicts sort sort
verdicts sort-repeated sort-repeated
for name in copy mqar; do
    "$poslab" analyse "$databases/tasks-$name.db" compare --baseline rotary --format md >"$output/$name-compare.md"
done

figure() { # figure NAME DATABASE OPTION...: NAME.svg, of databases/tasks-DATABASE.db
    "$poslab" plot "$databases/tasks-$2.db" --figure accuracy --width 10 -o "$output/$1.svg" "${@:3}" >/dev/null
}
figure addition-plain addition --where data.task.order=plain --legend right
figure addition-reversed addition --where data.task.order=reversed --where data.task.pad=false --where data.task.spaces=0 --legend right
figure addition-padded addition --where data.task.pad=true --legend right
figure addition-longer addition-longer
figure sort sort --where model.attention.scale=off --where train.tokens=6880000
figure sort-none sort --methods none
figure copy copy --legend right
figure mqar mqar --legend right
rm -f "$output"/*.dat # the same numbers as in the tables
