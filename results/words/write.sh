#!/usr/bin/env bash
# write.sh DATABASES OUTPUT: the tables, figures and verdicts of configs/words.json.
#
# DATABASES is the folder that holds words.db, OUTPUT the one that is committed (results/words).
set -eu
database=$1/words.db output=$2 poslab=${POSLAB:-./poslab}
plain="--where protocol=nonoverlapping"

"$poslab" reference "$database" >/dev/null # the paper's numbers, for the figure
"$poslab" table "$database" --format csv >"$output/words.csv"
"$poslab" table "$database" --rows train_length,method --columns multiple $plain --format md >"$output/words.md"
"$poslab" table "$database" --rows train_length,method --columns multiple $plain --ratio --format md >"$output/ratio.md"
for what in claims claim-points early; do
    "$poslab" analyse "$database" $what --format csv >"$output/$what.csv"
done
"$poslab" analyse "$database" positions $plain --where eval_length=128 --where eval_length=256 --where eval_length=2048 \
    --where eval_length=4096 --format csv >"$output/positions.csv" # L and 16 L
for what in claims early; do
    "$poslab" analyse "$database" $what --format md >"$output/$what.md"
done
for figure in paper curves position early; do
    "$poslab" plot "$database" --figure $figure -o "$output/$figure.svg" >/dev/null
done
rm -f "$output"/*.dat # the same numbers as in the tables
