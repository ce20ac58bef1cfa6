#!/usr/bin/env bash
# write.sh DATABASES OUTPUT: the tables, figures and verdicts of configs/training-*.json.
#
# DATABASES is the folder that holds training-*.db, OUTPUT the one that is committed (results/training).
set -eu
databases=$1 output=$2 poslab=${POSLAB:-./poslab}
claims=$(dirname "$0")/claims

for name in staged continued cache growth; do
    database=$databases/training-$name.db
    "$poslab" table "$database" --format csv >"$output/$name.csv" # means by length
    "$poslab" table "$database" --format md >"$output/$name.md"
    "$poslab" analyse "$database" claims --claims "$claims/$name.json" --format md >"$output/$name-claims.md"
    "$poslab" analyse "$database" claims --claims "$claims/$name.json" --format csv >"$output/$name-claims.csv"
    "$poslab" analyse "$database" claim-points --claims "$claims/$name.json" --format csv >"$output/$name-claim-points.csv"
done

figure() { # figure NAME DATABASE OPTION...: NAME.svg, of databases/training-DATABASE.db
    "$poslab" plot "$databases/training-$2.db" --width 10 -o "$output/$1.svg" "${@:3}" >/dev/null
}
figure staged-loss staged --figure loss --methods sinusoidal
figure staged staged --figure curves
figure continued-untrained continued --figure curves --where train_length=64
figure continued continued --figure curves --where train_length=256
figure growth-loss growth --figure loss
rm -f "$output"/*.dat # the same numbers as in the tables
