#!/usr/bin/env bash
# write.sh DATABASES OUTPUT: the tables, figures and the report of configs/reproduce*.json.
#
# DATABASES is the folder that holds reproduce*.db, OUTPUT the one that is committed (results/reproduction).
set -eu
databases=$1 output=$2 poslab=${POSLAB:-./poslab}
main=$databases/reproduce.db
mkdir -p "$output"

"$poslab" reference "$main" >/dev/null # the paper's numbers, for the figure and the report
"$poslab" table "$main" --format csv >"$output/perplexity.csv"
for protocol in nonoverlapping strided; do
    for format in md latex; do
        "$poslab" table "$main" --rows train_length,method --columns multiple --where protocol=$protocol \
            --format $format >"$output/$protocol.${format/latex/tex}"
    done
done
"$poslab" table "$main" --rows train_length,method --columns multiple --where protocol=nonoverlapping --ratio \
    --format md >"$output/ratio.md"
for what in curves cost early short-long compare; do
    "$poslab" analyse "$main" $what --baseline sinusoidal --format csv >"$output/$what.csv"
done
for what in claims claim-points; do
    "$poslab" analyse "$main" $what --format csv >"$output/$what.csv"
done
"$poslab" analyse "$main" claims --format md >"$output/claims.md"
"$poslab" analyse "$main" short-long --baseline sinusoidal --format md >"$output/short-long.md"
for what in lr buckets slopes budget; do
    "$poslab" table "$databases/reproduce-$what.db" --format md >"$output/$what.md"
done
for figure in curves paper position early cost bias loss; do
    "$poslab" plot "$main" --figure $figure -o "$output/$figure.svg"
done
rm -f "$output"/*.dat # the same numbers as in the tables
"$poslab" report "$main" -o "$output/report.html"
