#!/usr/bin/env bash
# Swept keys of a config are fields: in names, tables, views and comparisons; `--best` chooses among their values.
. "$(dirname "$0")/../tools/shell.sh"

ln -s "$root/plots" plots
seq 1 20000 >corpus.txt
cat >two.json <<'CONFIG'
{ "name": "two", "data": { "files": ["corpus.txt"], "split": { "valid": 0.1, "test": 0.1 } },
  "model": { "layers": 1, "heads": 2, "width": 16, "ffn": 32 },
  "train": { "length": 16, "tokens": 2048, "tokens_per_step": 256, "optimizer": { "lr": 2e-2 } },
  "evaluate": { "split": "valid", "tokens": 300, "multiples": [1, 2] },
  "sweep": { "method": ["sinusoidal", "alibi"], "train.optimizer.lr": [0.001, 0.02], "model.dropout": [0, 0.1],
             "train.seed": [1, 2] } }
CONFIG
cat >items.json <<'CONFIG'
{ "extends": "two.json", "name": "items", "sweep": {
    "method": [{ "name": "alibi", "train.optimizer.lr": 0.03 }, { "name": "rotary", "train.optimizer.lr": 0.02 }],
    "train.seed": [1, 2] } }
CONFIG
ran() { try 0 run two.json --db x.db -q && try 0 run items.json --db x.db -q; }
check "a sweep with two swept keys, and methods that set a key" ran
table() { try 0 table x.db --experiment two "$@"; }

# --- fields ---

named() { table && says out "ALiBi dropout=0 lr=0.001 " "Sinusoidal dropout=0.1 lr=0.02 " && lacks out train.optimizer; }
check "names have the last components of the paths" named
planned() { try 0 plan two.json && says out "alibi L=16 seed=1 dropout=0 lr=0.001" && try 0 status x.db --json && says out '"ALiBi dropout=0 lr=0.02"'; }
check "so have plan and status" planned
rows() { table --rows method,train.optimizer.lr,model.dropout && says out "method      lr     dropout" "ALiBi       0.001  0 " && lacks out "lr="; }
check "--rows: shown keys are not in the names" rows
columns() { table --rows method --columns train.optimizer.lr --where eval_length=16 && says out "ALiBi dropout=0.1 " "by train.optimizer.lr"; }
check "--columns" columns
where() {
    table --where train.optimizer.lr=2e-2 --where model.dropout=0.0 --format csv && [ "$(wc -l <out)" = 9 ] &&
        try 2 table x.db --where train.optimizer.lr=0.5 && says err "it has '0.001', '0.02', '0.03'" &&
        try 2 table x.db --rows lr && says err "did you mean 'train.optimizer.lr'?" &&
        try 2 table x.db --rows train.optimiser.lr && says err "did you mean 'train.optimizer.lr'?" &&
        table --rows method.layout,method && says out fairseq
}
check "--where and unknown keys" where
programs() {
    table --format csv && [ "$(head -1 out | sed 's/.*eval_precision,//')" = method_name,model.dropout,train.optimizer.lr ] &&
        says out ,fp32,alibi,0.1,0.02 "alibi dropout=0.1 lr=0.02," && [ "$(cut -d, -f3 out | sort -u | wc -l)" = 9 ] && table --json && says out '"train.optimizer.lr": 0.001' '"method": "alibi dropout=0.1 lr=0.02"' '"method_name": "alibi"' &&
        try 0 table x.db --format csv --experiment items && head -1 out | grep -q 'eval_precision,train.optimizer.lr$' &&
        try 0 table x.db --format csv && head -1 out | grep -q 'eval_precision,method_name,model.dropout,train.optimizer.lr$'
}
check "csv and json have a column for each" programs
analysed() { # csv of analyses has the names of table and of the views
    for analysis in curves matrix cost early positions "compare --baseline alibi"; do
        try 0 analyse x.db $analysis --experiment two --format csv || return 1
        rm -f csv.db && sqlite3 csv.db ".import --csv out rows" || return 1
        [ "$(sqlite3 csv.db 'SELECT max(settings), max(method_name) FROM (SELECT method_name,
            count(DISTINCT "train.optimizer.lr" || "model.dropout") AS settings FROM rows GROUP BY method)')" = "1|sinusoidal" ] ||
            { echo "$analysis"; return 1; }
    done
}
check "and so have analyses" analysed
views() {
    [ "$(sqlite3 x.db "SELECT group_concat(path || '=' || value, ' ') FROM (SELECT DISTINCT path, value FROM setting
        WHERE experiment = 'two' ORDER BY 1, 2)")" = \
        "model.dropout=0 model.dropout=0.1 train.optimizer.lr=0.001 train.optimizer.lr=0.02" ] &&
        [ "$(sqlite3 x.db "SELECT count(*) FROM setting WHERE experiment = 'items' AND path = 'train.optimizer.lr'")" = 4 ] &&
        [ "$(sqlite3 x.db "SELECT count(DISTINCT method || label || settings) FROM curve WHERE experiment = 'two'")" = 8 ]
}
check "the views setting and curve" views
grouped() { # a group by `method` has one series, whatever is swept and whichever variants were evaluated
    try 0 eval x.db --experiment items --method rotary --variant yarn --lengths 16 -q || return 1
    for view in "curve" "(SELECT *, variant AS settings, eval_variant AS variant FROM outcome)"; do
        [ "$(sqlite3 x.db "SELECT count(*) FROM (SELECT count(DISTINCT method_name || label || settings || v.variant) AS series
            FROM $view v GROUP BY experiment, method HAVING series > 1)")" = 0 ] || return 1
    done
    [ "$(sqlite3 x.db "SELECT group_concat(method) FROM (SELECT DISTINCT method FROM curve WHERE experiment = 'two' AND
        method_name = 'alibi' ORDER BY 1)")" = \
        "alibi dropout=0 lr=0.001,alibi dropout=0 lr=0.02,alibi dropout=0.1 lr=0.001,alibi dropout=0.1 lr=0.02" ] &&
        [ "$(sqlite3 x.db "SELECT group_concat(method) FROM (SELECT DISTINCT method FROM curve WHERE experiment = 'items'
            ORDER BY 1)")" = "alibi,rotary,rotary [yarn]" ]
}
check "grouping by method mixes nothing" grouped
chosen() {
    try 0 export x.db --method "alibi dropout=0.1 lr=0.02" --seed 1 chosen.safetensors && [ -s chosen.safetensors ]
}
check "export takes such a name" chosen
footnote() {
    try 0 table x.db --experiment items && says out "settings that are not shown: train.optimizer.lr." && lacks out lr= &&
        try 0 table x.db --experiment items --rows method,train.optimizer.lr && lacks out "not shown" && table && lacks out "not shown" &&
        try 0 analyse x.db compare --experiment items --baseline alibi && says out "not shown: train.optimizer.lr."
}
check "a footnote on what is not shown" footnote

# --- comparing ---

baseline() {
    try 0 analyse x.db compare --experiment two --baseline "ALiBi dropout=0 lr=0.02" --format csv && [ "$(wc -l <out)" = 15 ] &&
        try 0 analyse x.db compare --experiment two --baseline ALiBi --format csv && [ "$(wc -l <out)" = 9 ] &&
        try 2 analyse x.db compare --experiment two --baseline "ALiBi lr=1" && says err "'ALiBi dropout=0 lr=0.02'"
}
check "--baseline takes what tables print" baseline

compares() { try 0 analyse x.db compare --experiment two --resamples 200 "$@"; }
pairs() {
    compares "ALiBi dropout=0 lr=0.02" "Sinusoidal dropout=0.1 lr=0.001" --format csv && [ "$(wc -l <out)" = 3 ] &&
        [ "$(tail -n +2 out | cut -d, -f3,9 | sort -u)" = "ALiBi dropout=0 lr=0.02,Sinusoidal dropout=0.1 lr=0.001" ] &&
        compares "ALiBi dropout=0 lr=0.02" "ALiBi dropout=0 lr=0.001" "Sinusoidal dropout=0 lr=0.02" --where eval_length=32 &&
        says out family=3 "where=eval_length=32" && lacks out "not shown" &&
        compares "alibi dropout=0 lr=0.02" "Sinusoidal dropout=0.1 lr=0.001" && says out "ALiBi dropout=0 lr=0.02 " &&
        try 0 analyse x.db compare --experiment items "rotary [yarn]" rotary --where eval_length=16 && says out "Rotary [yarn]" &&
        compares "ALiBi dropout=0 lr=0.02" "ALiBi dropout=0 lr=0.001" --baseline "Sinusoidal dropout=0 lr=0.02" --where eval_length=32 &&
        says out family=2
}
check "compare A B C: all pairs, or each with --baseline" pairs
by_method() { compares alibi sinusoidal --where eval_length=16 --format csv && [ "$(wc -l <out)" = 5 ] && [ "$(cut -d, -f3 out | grep -c '^ALiBi ')" = 4 ]; }
check "methods are compared at the same settings" by_method
holm() { # of the pair alone
    compares alibi sinusoidal --where eval_length=16 --where train.optimizer.lr=0.02 --where model.dropout=0 --json &&
        perl -0ne 'exit !(/"p": ([\d.]+),\s*"p_holm": ([\d.]+)/ && $1 == $2)' out &&
        compares alibi sinusoidal --json && perl -0ne 'while (/"p": ([\d.]+),\s*"p_holm": ([\d.]+)/g) { $more++ if $2 > $1 } exit !$more' out
}
check "Holm's correction is over what was requested" holm
unfit() {
    try 2 analyse x.db compare alibi --experiment two && says err "two ROWs or more, or --baseline" &&
        try 2 analyse x.db compare alibi nonesuch --experiment two && says err "no method 'nonesuch'" &&
        try 2 analyse x.db compare alibi alibi --experiment two && says err "in common" &&
        try 2 analyse x.db curves alibi && says err "takes no ROW" &&
        try 2 analyse x.db compare alibi sinusoidal --experiment two --where eval_length=33 && says err "it has '16', '32'"
}
check "rows that cannot be compared" unfit
reported() { try 0 report x.db --experiment two --baseline alibi -o b.html && says b.html "Paired differences" "p (Holm)"; }
check "in the report" reported

# --- the best values ---

best() {
    table --best train.optimizer.lr && says out "ALiBi dropout=0.1 " "Chosen: Sinusoidal dropout=0 lr=0.02; " "on the validation split" \
        "best=train.optimizer.lr" && lacks out "lr=0.001" "not shown" &&
        table --best train.optimizer.lr,model.dropout --rows method && says out "ALiBi  " "ALiBi lr=0.02 dropout=" &&
        table --best train.optimizer.lr --where method=alibi && says out "Chosen: ALiBi dropout=0 lr=0.02; ALiBi dropout=0.1 lr=0.02."
}
check "--best leaves one value" best
lowest() {
    try 0 analyse x.db curves --experiment two --best train.optimizer.lr,model.dropout --json &&
        perl -0ne 'while (/"method": "(\w+)".*?"eval_length": (\d+).*?"perplexity": (\d+\.\d{6})/gs) { print "$1,$3\n" if $2 == 16 }' out | sort >got &&
        lowest_wanted && cmp got wanted
}
lowest_wanted() {
    sqlite3 x.db "SELECT method_name || ',' || min(mean) FROM (SELECT method_name, avg(perplexity) AS mean FROM curve
        WHERE experiment = 'two' AND eval_length = 16 GROUP BY method) GROUP BY method_name ORDER BY method_name" | sed -E 's/(\.[0-9]{6}).*/\1/' >wanted
}
check "the lowest mean at the training length" lowest
elsewhere() {
    try 0 eval x.db --experiment two --split test --lengths 16 -q && table --best train.optimizer.lr --where split=test &&
        says out "ALiBi dropout=0 " "Chosen: " && try 0 plot x.db --experiment two --best train.optimizer.lr -o a.svg && says a.dat "Chosen: " &&
        try 0 plot x.db --experiment two --figure loss --best train.optimizer.lr -o b.svg && says b.dat "# ALiBi dropout=0.1;" && lacks b.dat "# ALiBi dropout=0.1 lr" &&
        try 0 report x.db --experiment two --best train.optimizer.lr -o a.html && says a.html "Chosen: " &&
        try 0 analyse x.db claims --experiment two --best train.optimizer.lr && says out "Chosen: " &&
        try 0 analyse x.db compare --experiment two --best train.optimizer.lr,model.dropout --baseline alibi && says out "Sinusoidal  "
}
check "--best reports another split, in figures, report and analyses" elsewhere
refused() {
    try 2 table x.db --experiment two --best train.length && says err "does not vary this key; it varies model.dropout, train.optimizer.lr" &&
        sed 's/"split": "valid",/"split": "test",/; s/"two"/"test"/' two.json >test.json && try 0 run test.json --db y.db -q &&
        try 2 table y.db --best train.optimizer.lr && says err "no evaluation on the validation split at its training length" "poslab eval"
}
check "--best without a choice" refused
lost() { # a value without a perplexity of every seed
    sqlite3 x.db "UPDATE run SET status = 'failed' WHERE key = (SELECT run_key FROM curve WHERE experiment = 'two' AND method_name = 'alibi'
        AND settings = 'model.dropout=0 train.optimizer.lr=0.02' AND seed = 2);
        DELETE FROM evaluation_window WHERE evaluation IN (SELECT id FROM evaluation JOIN run ON run = key WHERE run.status = 'failed');
        DELETE FROM position_loss WHERE evaluation IN (SELECT id FROM evaluation JOIN run ON run = key WHERE run.status = 'failed');
        DELETE FROM evaluation WHERE run IN (SELECT key FROM run WHERE status = 'failed')"
    table --best train.optimizer.lr && says out "ALiBi dropout=0 lr=0.001;" "were not considered"
}
check "a value that lacks a seed is not chosen" lost
left_out() {
    sqlite3 x.db "UPDATE evaluation SET run = run, status = 'beyond_limit' WHERE run IN (SELECT key FROM run WHERE method = 'alibi' AND train_length = 16)"
    table --best train.optimizer.lr && says out "ALiBi dropout=0 left out;" && table --best train.optimizer.lr --where method=sinusoidal &&
        says out "Chosen: Sinusoidal dropout=0 lr=0.02; Sinusoidal dropout=0.1 lr=0.02." && lacks out "left out"
}
check "a method without any value is left out, and said where it is selected" left_out

done_testing
