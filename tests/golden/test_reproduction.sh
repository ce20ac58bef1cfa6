#!/usr/bin/env bash
# test_reproduction.sh [--update]: results/reproduction follows from its database.
#
# The database is not in the repository. Its evaluations and swept keys are, in results/reproduction/perplexity.csv: a
# database made from them gives the same perplexity.csv, curves.csv and cells of the Markdown tables again. Windows,
# costs and the text of all other files are tested with a fixture, the database of frozen.sql changed by outcomes.sql:
# results/reproduction/write.sh must write the files in tests/golden/reproduction, byte for byte (figures without the
# drawing, which is gnuplot's). As in test_frozen.sh, last digits are those of the default build: other optimizations
# add products in another way.
. "$(dirname "$0")/../tools/shell.sh"
golden=$root/tests/golden/reproduction committed=$root/results/reproduction
export COLUMNS=100 NO_COLOR=1
ln -s "$root/plots" plots
ln -s "$root/results" results

# --- from perplexity.csv ---

sqlite3 real.db >sql.out 2>&1 <<SQL
.read $root/tests/golden/frozen.sql
$(for table in position_loss evaluation_window evaluation train_log request point run corpus experiment bench_result bench reference; do
    echo "DELETE FROM $table;"
done)
.mode csv
.import $committed/perplexity.csv rows
INSERT INTO experiment SELECT 1, experiment, '{}', '' FROM rows GROUP BY experiment;
INSERT INTO corpus SELECT 1, corpus, tokenizer, 256, 1000, 1000, 1000, 1, 1.0 FROM rows GROUP BY corpus;
INSERT INTO run (key, method, method_options, label, train_length, seed, parameters, position_parameters, status, config, corpus_id)
    SELECT run_key, method, method_options, label, train_length, seed, parameters, position_parameters, 'pending',
        json_object('train', json_object('optimizer', json_object('lr', "train.optimizer.lr" + 0.0), 'tokens', "train.tokens" + 0)), 1
    FROM rows GROUP BY run_key;
INSERT INTO point SELECT 1, dense_rank() OVER (ORDER BY first), run_key, variant
    FROM (SELECT min(rowid) AS first, run_key, variant FROM rows GROUP BY run_key);
INSERT INTO request SELECT 1, run_key, split, protocol, stride_rule, eval_length, requested, eval_precision, eval_variant, '{}', stride, 0
    FROM rows;
INSERT INTO evaluation SELECT rowid, run_key, split, protocol, eval_length, stride, requested, 'done', nll, tokens, windows, NULL, NULL,
    '', revision, '', '', '', 1, eval_precision, eval_variant, '{}' FROM rows;
DROP TABLE rows;
SQL
result $? "a database of perplexity.csv" sql.out

same() { # same FILE ARGUMENT...: the command prints the committed file
    "$POSLAB" "${@:2}" 2>&1 | diff "$committed/$1" - >difference 2>&1
    result $? "results/reproduction/$1" difference
}
same perplexity.csv table real.db --format csv
same curves.csv analyse real.db curves --baseline sinusoidal --format csv

cells() { grep '^|' | sed 's/\*\*//g'; } # which numbers are bold follows from windows
for protocol in nonoverlapping strided; do
    "$POSLAB" table real.db --rows train_length,method --columns multiple --where protocol=$protocol --format md 2>&1 | cells |
        diff <(cells <"$committed/$protocol.md") - >difference 2>&1
    result $? "cells of results/reproduction/$protocol.md" difference
done
"$POSLAB" table real.db --rows train_length,method --columns multiple --where protocol=nonoverlapping --ratio --format md 2>&1 |
    cells | diff <(cells <"$committed/ratio.md") - >difference 2>&1
result $? "cells of results/reproduction/ratio.md" difference

# --- from the fixture ---

{ cat "$root/tests/golden/frozen.sql" "$root/tests/golden/outcomes.sql"; } | sqlite3 all.db >sql.out 2>&1
result $? "the fixture" sql.out
mkdir databases got
for name in reproduce:1 reproduce-lr:2 reproduce-buckets:1 reproduce-slopes:2 reproduce-budget:1; do
    cp all.db "databases/${name%:*}.db"
    sqlite3 "databases/${name%:*}.db" "
        DELETE FROM request WHERE experiment <> ${name#*:}; DELETE FROM point WHERE experiment <> ${name#*:};
        DELETE FROM experiment WHERE id <> ${name#*:}; UPDATE experiment SET name = '${name%:*}';"
done
# It has no weights, and so no figure of biases. The data of figures are kept: write.sh removes them.
sed -e 's/ bias / /' -e '/^rm -f/d' "$committed/write.sh" >write.sh
POSLAB=$POSLAB bash write.sh databases got >out 2>&1
result $? "results/reproduction/write.sh" out
"$POSLAB" table all.db --where method=rotary --where eval_precision=fp32 >got/experiments.txt 2>&1
perl -0pi -e 's/<svg.*?<\/svg>/<svg>/gs' got/report.html
rm -f got/*.svg
if [ "${1:-}" = --update ]; then
    rm -rf "$golden"
    cp -r got "$golden"
    exit
fi
for name in $(cd got && ls; cd "$golden" && ls); do echo "$name"; done | sort -u >names
while read -r name; do
    diff "$golden/$name" "got/$name" >difference 2>&1
    result $? "of the fixture: $name" difference
done <names
done_testing
