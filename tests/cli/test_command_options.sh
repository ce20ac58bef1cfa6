#!/usr/bin/env bash
# test_command_options.sh: every option of every command has the effect described by --help. Commands and options are
# read from --help, and each must have a function here that tests it. (Options of `run` are in tests/cli/test_run.sh;
# formats and numbers have other tests.)
. "$(dirname "$0")/../tools/shell.sh"
export PATH=$home/bin:$PATH TMPDIR=$home
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again

fresh() { # fresh NAME: copies the database with its run folders
    mkdir -p "$1" && cp x/x.db "$1/" && cp -r x/e2e x/other "$1/"
}

refused() { # refused TEXT ARGUMENT...: an invalid value is refused with TEXT
    local text=$1
    shift
    try 2 "$@" && says err "$text"
}

paged() { # paged ARGUMENT...: a pager shows the output on a small terminal, but not with --no-pager
    POSLAB_PAGER='echo pager' on_terminal 1 300 "$@" && says shown pager &&
        POSLAB_PAGER='echo pager' on_terminal 1 300 "$@" --no-pager && lacks shown pager
}

# --- init, help ---

init_files() { try 0 init i1.json --files 'text/*.txt' && says i1.json text/ && refused "name the files" init i2.json; }
init_methods() { try 0 init i3.json --files 'text/*.txt' --methods "$one" && says out "1 run," && says i3.json "\"$one\""; }
help_schema() { try 0 help config --schema && is_json out && refused "usage: poslab help" help --schema; }

help_no_pager() { paged help config; }

# --- plan, status ---

plan_no_pager() { paged plan e2e.json; }
tokenize_no_pager() { paged tokenize e2e.json; }
status_no_pager() { paged status x/x.db; }
check_no_pager() { paged check x/x.db; }
runs_no_pager() { paged runs x/x.db; }

tokenize_set() { try 0 tokenize e2e.json --set data.tokenizer=words && says out "tokenizer words, vocabulary" "|books|"; }
tokenize_lines() { try 0 tokenize e2e.json --lines 1 && [ "$(grep -c '|$' out)" = 1 ]; }
tokenize_output() {
    try 0 tokenize e2e.json -o tokens.bin && try 0 tokenize e2e.json --format csv &&
        [ "$(stat -c %s tokens.bin)" = "$(awk -F, 'NR > 1 { sum += 4 * $3 } END { print sum }' out)" ]
}
tokenize_format() { try 0 tokenize e2e.json --format csv && says out "split,documents,tokens,bytes," && [ "$(wc -l <out)" = 4 ]; }
tokenize_json() { try 0 tokenize e2e.json --json && is_json out && says out '"split": "test"'; }

plan_set() { try 0 plan e2e.json --set train.seed=7 --set method="$one" && says out "$one L=16 seed=7" && lacks out "seed=1"; }
plan_json() { try 0 plan e2e.json --json && is_json out && says out '"points"'; }
plan_ranks() {
    try 0 plan e2e.json --ranks 2 --ranks 4 --json && says out '"ranks": 2' '"ranks": 4' && try 0 plan e2e.json --json &&
        lacks out '"ranks": 2' && refused "--ranks takes up to 16 whole numbers" plan e2e.json --ranks 0
}
plan_jobs() {
    try 0 plan e2e.json && lacks out "runs at a time need" && (ulimit -n 64 && try 0 plan e2e.json -j 60 \
        --set sweep.train.seed="[$(seq -s , 30)]") && says out "60 runs at a time need" &&
        refused "--jobs takes a whole number from 1" plan e2e.json -j 0
}
plan_threads() {
    local one
    try 0 plan e2e.json --json && one=$(cat out) && try 0 plan e2e.json --json --threads 8 && [ "$one" != "$(cat out)" ] &&
        refused "--threads takes a whole number from 1 to 256" plan e2e.json --threads 0
}
plan_network() {
    local slow fast
    try 0 plan e2e.json --ranks 2 --network 1 && slow=$(cat out) && try 0 plan e2e.json --ranks 2 --network 100 && fast=$(cat out) &&
        says out "100 Gbit" && [ "$slow" != "$fast" ] && refused "--network takes a whole number from 1" plan e2e.json --network 0
}
plan_format() {
    try 0 plan e2e.json --format csv && says out "label,key,parameters," && [ "$(wc -l <out)" = 5 ] &&
        try 0 plan e2e.json -f md && says out "| total of 4 runs |" && refused xml plan e2e.json --format xml
}
status_format() {
    try 0 status x/x.db --format csv && says out "experiment,run_key," && [ "$(wc -l <out)" = 6 ] &&
        try 0 status x/x.db -f md && says out "**e2e: 4 runs: 4 done" && refused xml status x/x.db --format xml
}
plan_db() {
    fresh stale && sql stale/x.db "UPDATE run SET method_files = method || ':0123456789ab'" &&
        try 0 plan e2e.json --db stale/x.db && says out "4 of 4 runs in the database are stale" && try 0 plan e2e.json &&
        lacks out stale
}
runs_format() {
    try 0 runs x/x.db --format csv && says out "run_key,experiments,method," && [ "$(wc -l <out)" = 6 ] &&
        try 0 runs x/x.db -f md && says out "x/x.db: 5 runs" && refused xml runs x/x.db --format xml
}
runs_json() { try 0 runs x/x.db --json && is_json out; }
pruned() { # pruned NAME: a copy with a run that no experiment has
    fresh "$1" && sql "$1/x.db" "DELETE FROM point WHERE experiment = 2; DELETE FROM request WHERE experiment = 2"
}
prune_format() {
    pruned prune1 && try 0 prune prune1/x.db --format csv && says out "what,run_key,name,path,bytes,kept" && [ "$(wc -l <out)" = 3 ] &&
        refused xml prune prune1/x.db --format xml
}
prune_json() { pruned prune2 && try 0 prune prune2/x.db --json && is_json out; }
prune_dry_run() {
    pruned prune3 && try 0 prune prune3/x.db --dry-run && says out "2 of 2 would be deleted" && exists "prune3/other/*/model.safetensors" &&
        is 5 prune3/x.db "SELECT count(*) FROM run"
}
prune_weights() {
    fresh prune4 && try 0 prune prune4/x.db --weights && says out "5 of 5 deleted" && ! exists "prune4/*/*/model.safetensors" &&
        exists "prune4/e2e/*/log.txt" && is 5 prune4/x.db "SELECT count(*) FROM run"
}
# Two methods, two seeds; the run is chosen before the weights are read.
import_method() { try 5 import e2e.json absent --method "$two" --seed 1 && says err "cannot open" && refused "2 runs match" import e2e.json absent --method "$two"; }
import_seed() { refused "no run matches" import e2e.json absent --seed 8 && refused "2 runs match" import e2e.json absent --seed 1; }
import_length() { refused "4 runs match" import e2e.json absent --length 16 && refused "no run matches" import e2e.json absent --length 17; }
import_set() { try 5 import e2e.json absent --set sweep.train.seed='[1]' --set method="$two" && says err "cannot open"; }
import_db() {
    try 0 export x/x.db a.st --method "$two" --seed 1 && as_fairseq a.st f.st && try 0 import e2e.json f.st --method "$two" --seed 1 --db im/x.db &&
        is 1 im/x.db "SELECT count(*) FROM run WHERE status = 'done'" && exists im/e2e/*/model.safetensors && [ ! -e results/e2e.db ]
}

merge_weights() {
    mkdir -p merged0 merged1 && try 0 merge merged0/x.db x/x.db && ! exists "merged0/e2e/*" &&
        try 0 merge merged1/x.db x/x.db --weights && says out "weights of 5 runs copied" &&
        [ "$(ls merged1/*/*/model.safetensors | wc -l)" = 5 ]
}
check_format() {
    try 0 check x/x.db --format csv && says out "kind,text" && try 0 check x/x.db -f md && says out ": 0 problems" &&
        refused xml check x/x.db --format xml
}
check_json() { try 0 check x/x.db --json && is_json out; }
status_json() { try 0 status x/x.db --json && is_json out; }
status_experiment() {
    try 0 status x/x.db && says out e2e other && try 0 status x/x.db --experiment other && says out other && lacks out e2e &&
        refused "has no experiment 'none'" status x/x.db --experiment none
}
status_watch() { # nothing is left of one experiment, so that it ends
    try 0 status x/x.db --experiment other --watch=0.1 && says out other && try 0 status x/x.db --experiment other --watch && says out other &&
        refused "--watch takes a number" status x/x.db --watch=0
}

# --- table, plot, report, analyse ---

table_no_pager() { paged table x/x.db; }
analyse_no_pager() { paged analyse x/x.db curves; }
table_json() { try 0 table x/x.db --json && is_json out; }
table_experiment() {
    try 0 table x/x.db && says out "e2e: " "other: " && try 0 table x/x.db --experiment other && says out "other: " && lacks out "e2e: " &&
        refused "has no experiment 'nosuch'" table x/x.db --experiment nosuch &&
        refused "has no experiment 'nosuch'" table x/x.db --experiment e2e,nosuch && several_experiments
}
# In one table, with a field for the experiment; each number is that of the experiment's own table.
several_experiments() {
    local row
    try 0 table x/x.db --experiment other,e2e && says out "e2e, other: perplexity" "experiment" && [ "$(grep -c perplexity out)" = 1 ] &&
        cp out both && try 0 table x/x.db --experiment other && row=$(grep -oE '[0-9]+\.[0-9]+' out | head -1) &&
        grep -E "other .*$row" both && try 0 table x/x.db --experiment other,e2e --where experiment=other && says out "other: " &&
        lacks out "e2e" && try 0 table x/x.db --experiment e2e,other -f csv && [ "$(wc -l <out)" = 11 ] && lacks out database
}
table_format() {
    try 0 table x/x.db --format csv && says out "experiment,run_key," && try 0 table x/x.db -f md && says out "|:--" &&
        try 0 table x/x.db --format latex && says out '\begin{tabular}' && try 0 table x/x.db --format text && says out "------" &&
        try 0 table x/x.db --format json && is_json out && refused "--format takes 'text', 'md', 'latex', 'csv' or 'json', got 'xml'" table x/x.db --format xml
}
table_bare() {
    try 0 table x/x.db --format latex --bare && says out '\begin{tabular}' && lacks out caption minipage setbox &&
        refused "--bare needs --format latex" table x/x.db --bare
}
table_paper() {
    cp x/x.db paper.db && refused "poslab reference" table paper.db --paper && try 0 reference paper.db reference.csv &&
        try 0 table paper.db --experiment e2e --paper && says out ", paper" && try 0 table paper.db && lacks out ", paper"
}
table_rows() { try 0 table x/x.db --experiment e2e --rows seed --columns method && says out "seed" && ! says out "params"; }
table_columns() {
    try 0 table x/x.db --experiment e2e --columns method && says out "by method" && refused "no field 'metod'" table x/x.db --columns metod
}
table_where() {
    try 0 table x/x.db --format csv --where method="$one" --where seed=1 && says out ",$one," && lacks out ",$two," &&
        [ "$(wc -l <out)" = 3 ] && try 0 table x/x.db --format csv --where seed=1 --where seed=2 --where "method=$two" &&
        [ "$(wc -l <out)" = 5 ] && refused "takes FIELD=VALUE" table x/x.db --where seed
}
swept() { # makes best.db with two learning rates
    [ -e best.db ] || { sed 's/"name": *"e2e"/"name": "best"/' e2e.json >best.json && "$POSLAB" run best.json --db best.db -q --set train.seed=1 --set method="$one" \
        --set 'sweep.train.optimizer.lr=[0.001,0.02]' --set evaluate.split=valid >/dev/null 2>&1; }
}
table_best() { swept && try 0 table best.db && says out "lr=0.001" && try 0 table best.db --best train.optimizer.lr && says out "Chosen: " && lacks out "lr=0.001"; }
plot_best() { swept && try 0 plot best.db -o best.svg --best train.optimizer.lr && says best.dat "Chosen: " && refused "does not vary" plot best.db -o v.svg --best lr; }
report_best() { swept && try 0 report best.db -o best.html --best train.optimizer.lr && says best.html "Chosen: "; }
analyse_best() { swept && try 0 analyse best.db curves --best train.optimizer.lr && says out "Chosen: " && lacks out "lr=0.001"; }
table_metric() {
    refused "--metric exact is for experiments on tasks, but 'e2e' is on text" table x/x.db --experiment e2e --metric exact &&
        refused "exact" table x/x.db --metric accurate && refused "did you mean 'exact'?" table x/x.db --metric accuracy &&
        refused "did you mean 'run'?" train e2e.json && refused "did you mean 'cost'?" analyse x/x.db speed &&
        refused "did you mean 'eval_length'?" table x/x.db --rows length
}
table_ratio() { try 0 table x/x.db --experiment e2e --ratio && says out "perplexity over that at the training length" "1.000"; }

plot_experiment() {
    try 0 plot x/x.db -o p1.svg --experiment other && says p1.svg "<svg" && refused "no experiment 'none'" plot x/x.db -o p.svg --experiment none
}
plot_format() {
    try 0 plot x/x.db --experiment e2e -o p2 --format png && [ "$(head -c 4 p2 | tail -c 3)" = PNG ] &&
        try 0 plot x/x.db --experiment e2e -o p3 -f svg && says p3 "<svg" && refused "xyz" plot x/x.db -o p --format xyz
}
plot_output() { try 0 plot x/x.db --experiment e2e --output p4.svg && says p4.svg "<svg" && says out p4.svg; }
plot_template() {
    printf 'set terminal svg\nset output figure\nplot sin(x)\n' >mine.gp
    try 0 plot x/x.db --experiment e2e -o p5.svg && cp p5.svg p6.svg && try 0 plot x/x.db --experiment e2e -o p5.svg --template mine.gp
    ! cmp -s p5.svg p6.svg && try 2 plot x/x.db -o p5.svg --template none.gp
}
named() { sql x/x.db "SELECT label FROM run WHERE method = '$1' LIMIT 1"; }
drawn() { # drawn FILE ARGUMENT...: draws the experiment e2e to a file
    try 0 plot x/x.db --experiment e2e -o "$@"
}
plot_methods() {
    drawn l1.svg --methods "$one" && says l1.dat "# $(named "$one")" && lacks l1.dat "# $(named "$two")" &&
        refused "no evaluation has this 'method'" plot x/x.db --experiment e2e -o p.svg --methods absent
}
plot_where() {
    drawn l2.svg --where eval_length=16 --where seed=1 && [ "$(grep -vc '^\(#.*\|\)$' l2.dat)" = "$(grep -c '^16 ' l2.dat)" ] &&
        refused "did you mean 'seed'" plot x/x.db -o p.svg --experiment e2e --where sed=1
}
plot_width() {
    drawn l3.svg --width 3.3 && says l3.svg 'width="316"' && refused "--width takes" plot x/x.db -o p.svg --width 0.3
}
plot_height() {
    drawn l4.svg --height 3 && says l4.svg 'height="288"' && try 5 plot x/x.db --experiment e2e -o p.svg --height 1 &&
        says err "needs a height of at least"
}
plot_font() {
    drawn l5.svg --font Times,9 && says l5.svg 'font-family="Times" font-size="12.00"' && drawn l5.svg --font 12 &&
        says l5.svg 'font-size="16.00"' && refused "from 4 to 72 points" plot x/x.db --experiment e2e -o p.svg --font Times,100
}
plot_title() { drawn l6.svg --title 'My title' && says l6.svg "My title" && lacks l6.svg "e2e: " && drawn l6.svg --title ''; }
plot_ylim() {
    drawn l7.svg --ylim 1:100000 --log y && says l7.svg '>10000<' && drawn l7.svg --ylim :7000 &&
        refused "--ylim takes LOW:HIGH" plot x/x.db --experiment e2e -o p.svg --ylim 7
}
plot_log() {
    drawn l8.svg --log xy && says l8.svg "(log scale)" && drawn l8.svg --log linear && lacks l8.svg "(log scale)" &&
        refused "cannot be logarithmic" plot x/x.db --experiment e2e -o p.svg --log y --ylim -1:5 || return
    for limits in 25:45 31:33 60:140 9:99 1:1e9 95:96; do # never a single label, and no more than fit
        drawn l8.svg --width 3.3 --log xy --ylim $limits --script &&
            perl -0ne '$n = () = /"ytics_list":\s*"([^"]*)"/ && $1 =~ /\x27[\d.e+]+\x27/g; exit !($n >= 3 && $n <= 12)' l8.py ||
            { echo "$limits: $(grep ytics l8.py)"; return 1; }
    done
    drawn l8.svg --figure loss --width 3.3 --log xy --script && says l8.py "('1' 1, '2' 2, '3' 3)"
}
plot_legend() {
    drawn l9.svg --legend off && lacks l9.svg ">$(named "$one")<" && drawn l9.svg --legend right && says l9.svg ">$(named "$one")<" &&
        refused "--legend" plot x/x.db --experiment e2e -o p.svg --legend left
}
plot_script() {
    drawn l10.svg --script && says l10.py "FIGURE = {" '"data": "l10.dat"' "matplotlib" && python3 -m py_compile l10.py &&
        drawn l11.svg && [ ! -e l11.py ]
}
plot_figure() {
    try 0 plot x/x.db --experiment e2e --figure loss -o p7.svg && says p7.svg "<svg" "loss" &&
        refused "did you mean 'loss'" plot x/x.db --figure los -o p.svg
}
report_experiment() { try 0 report x/x.db -o r1.html --experiment other && says r1.html other && lacks r1.html e2e; }
report_baseline() {
    try 0 report x/x.db -o r5.html --experiment e2e --baseline "$one" && says r5.html "Paired differences" &&
        refused "no method 'none such'" report x/x.db -o r6.html --experiment e2e --baseline "none such" && [ ! -e r6.html ]
}
report_output() { try 0 report x/x.db --output r2.html && says r2.html "</html>" && says out r2.html && [ ! -e x/x.html ]; }
report_claims() {
    printf '{"source": "S", "claims": [{"text": "T of mine", "quantity": "growth", "method": "%s", "at_most": 9}]}' "$one" >mine.json
    try 0 report x/x.db -o r3.html --claims mine.json && says r3.html "T of mine" && try 2 report x/x.db -o r4.html --claims none.json &&
        [ ! -e r4.html ]
}
analyse_json() { try 0 analyse x/x.db curves --json && is_json out; }
analyse_experiment() { try 0 analyse x/x.db curves --experiment other && says out "other: " && lacks out "e2e: "; }
analyse_where() {
    try 0 analyse x/x.db curves --format csv --experiment e2e --where method="$one" && says out ",$one," && lacks out ",$two," &&
        refused "takes FIELD=VALUE" analyse x/x.db curves --where seed
}
analyse_format() {
    try 0 analyse x/x.db curves --format csv && says out "experiment," && try 0 analyse x/x.db curves -f md && says out "|" &&
        try 0 analyse x/x.db curves --format text && says out "----" && try 2 analyse x/x.db curves --format xml
}
analyse_baseline() {
    try 0 analyse x/x.db compare --experiment e2e --baseline "$one" && cp out against && try 0 analyse x/x.db compare --experiment e2e --baseline "$two" &&
        ! cmp -s out against && refused "baseline" analyse x/x.db compare && refused "none" analyse x/x.db compare --baseline nonesuch &&
        try 0 analyse x/x.db compare "$one" --baseline "$two" --experiment e2e && cp out alone &&
        try 0 analyse x/x.db compare "$one" "$two" --baseline "$two" --experiment e2e && cmp -s out alone
}
analyse_paper() {
    cp x/x.db analysed.db && try 0 reference analysed.db reference.csv && try 0 analyse analysed.db curves --experiment e2e && cp out plain &&
        try 0 analyse analysed.db curves --experiment e2e --paper && says out "Press et al." && ! cmp -s out plain
}
analyse_resamples() {
    try 0 analyse x/x.db compare --experiment e2e --baseline "$one" --resamples 200 --format csv && cp out few &&
        try 0 analyse x/x.db compare --experiment e2e --baseline "$one" --resamples 300 --format csv && ! cmp -s out few &&
        refused "--resamples takes a whole number from 100" analyse x/x.db compare --baseline "$one" --resamples 99 &&
        refused "to 10000000, got" analyse x/x.db compare --baseline "$one" --resamples 10000001
}
analyse_block() {
    try 0 analyse x/x.db compare --experiment e2e --baseline "$one" --block 16 --format csv && cp out small &&
        try 0 analyse x/x.db compare --experiment e2e --baseline "$one" --block 250 --format csv && ! cmp -s out small &&
        refused "--block takes a whole number from 1" analyse x/x.db compare --baseline "$one" --block 0
}
analyse_claims() {
    printf '{"source": "S", "claims": [{"text": "T of mine", "quantity": "growth", "method": "%s", "at_most": 9}]}' "$one" >mine.json
    try 0 analyse x/x.db claims --experiment e2e --claims mine.json && says out "T of mine"
}

# --- eval ---

evaluated="SELECT group_concat(x, ' ') FROM (SELECT DISTINCT length || protocol || stride || split || requested || variant AS x"
evaluated+=" FROM evaluation WHERE id > 10 ORDER BY 1)"
eval_jobs() {
    fresh j && try 0 eval j/x.db --experiment e2e --lengths 24 -j 2 && [ "$(sed -n 's/^[-0-9]* [0-9:]* \(start\|done\) .*/\1/p' err | head -2 | tr -d '\n')" = startstart ]
}
eval_threads() { fresh t && try 0 eval t/x.db --experiment other --lengths 24 --threads 2 && is 2 t/x.db "SELECT threads FROM evaluation WHERE length = 24"; }
eval_dry_run() { fresh n && try 0 eval n/x.db --experiment e2e --lengths 24 --dry-run && says out "4 of 4 runs to do" "1 evaluation" && cmp n/x.db x/x.db; }
eval_quiet() { fresh q && try 0 eval q/x.db --experiment other --lengths 24 --quiet && [ ! -s err ] && is 1 q/x.db "SELECT count(*) FROM evaluation WHERE length = 24"; }
eval_hint() { fresh hint && try 2 eval hint/x.db --experiment e2e --hint count && says err "'evaluate.task' needs 'data.task'"; } # test_tasks.sh
eval_sizes() { fresh sizes && try 2 eval sizes/x.db --experiment e2e --sizes 4 && says err "'evaluate.task' needs 'data.task'"; } # test_tasks.sh
eval_examples() { fresh examples && try 2 eval examples/x.db --experiment e2e --examples 4 && says err "'evaluate.task' needs 'data.task'"; }
eval_db() { fresh d && try 0 eval other.json --db d/x.db --lengths 24 && is 1 d/x.db "SELECT count(*) FROM evaluation WHERE length = 24"; }
eval_experiment() { fresh e && try 0 eval e/x.db --experiment other --lengths 24 && is 1 e/x.db "SELECT count(*) FROM evaluation WHERE length = 24"; }
eval_lengths() { fresh l && try 0 eval l/x.db --experiment other --lengths 24 --lengths 40 && is "24nonoverlapping24valid500 40nonoverlapping40valid500" l/x.db "$evaluated"; }
eval_multiples() { fresh m && try 0 eval m/x.db --experiment other --multiples 1.5 --multiples 4 && is "24nonoverlapping24valid500 64nonoverlapping64valid500" m/x.db "$evaluated"; }
eval_protocol() {
    fresh p && try 0 eval p/x.db --experiment other --lengths 16 --protocol strided:0.25,last_n:100:8 --protocol strided:4 &&
        is "16last_n8valid100 16strided4valid500" p/x.db "$evaluated" && refused "did you mean 'strided'" eval p/x.db --protocol stridden:2
}
eval_split() { fresh s && try 0 eval s/x.db --experiment other --lengths 16 --split test && is "16nonoverlapping16test500" s/x.db "$evaluated"; }
eval_targets() { fresh g && try 0 eval g/x.db --experiment other --lengths 16 --targets 90 && is "16nonoverlapping16valid90" g/x.db "$evaluated"; }
eval_variant() {
    echo '[{"name": "near", "attention": {"window": 8}}]' >changes.json
    fresh v && try 0 eval v/x.db --experiment other --lengths 16 --variant changes.json --variant '{"name": "warm", "attention": {"temperature": 1.5}}' &&
        is "16nonoverlapping16valid500near 16nonoverlapping16valid500warm" v/x.db "$evaluated" &&
        refused "has a variant 'warm' already" eval v/x.db --experiment other --variant '{"name": "warm", "attention": {"temperature": 2}}' &&
        try 0 eval v/x.db --experiment other --lengths 24 --variant '{"name": "warm", "attention": {"temperature": 1.5}}'
}
eval_run() {
    local key
    key=$(sql x/x.db "SELECT max(run) FROM point WHERE experiment = 1")
    fresh r && try 0 eval r/x.db --experiment e2e --run "${key:0:12}" --lengths 24 && is "$key" r/x.db "SELECT group_concat(run) FROM evaluation WHERE length = 24" &&
        refused "has no run 'xyz'" eval r/x.db --experiment e2e --run "$key" --run xyz --lengths 24 &&
        refused "has no run ''" eval r/x.db --experiment e2e --run "$key," --lengths 40 && refused "has no run ''" eval r/x.db --run '' &&
        refused "has no run '${key:0:4}zzzz'" eval r/x.db --experiment e2e --run "${key:0:4}zzzz" --lengths 24
}
eval_method() {
    fresh h && try 0 eval h/x.db --experiment e2e --method "$two" --lengths 24 &&
        is "$two|2" h/x.db "SELECT method, count(*) FROM evaluation JOIN run ON run = key WHERE length = 24" &&
        refused "has no run of method 'xyz'" eval h/x.db --experiment e2e --method xyz --method "$two" --lengths 24
}

# Runs that are not trained yet are left out and unchanged.
eval_of_trained_runs() {
    fresh u && sql u/x.db "UPDATE run SET status = 'pending', steps = NULL WHERE key = (SELECT min(run) FROM point WHERE experiment = 1)" &&
        try 0 eval u/x.db --experiment e2e --lengths 24 && says err "1 of 4 runs are not trained yet and were left out" &&
        is "3|1" u/x.db "SELECT (SELECT count(*) FROM evaluation WHERE length = 24), count(*) FROM run WHERE status = 'pending'"
}

# --- methods, export, bench ---

methods_json() { try 0 methods --json && is_json out && try 0 methods "$one" --json && is_json out && says out "$one"; }
tasks_no_pager() { paged tasks; }
tasks_set() { try 0 tasks addition --set size=3 --set order=reversed && grep -qE "^  [0-9]{3}[+][0-9]{3}=" out && try 2 tasks addition --set size=0 && says err "data.task.size"; }
methods_no_pager() { paged methods; }
tasks_examples() { try 0 tasks copy --examples 7 && [ "$(grep -c '^      scored: ' out)" = 7 ]; }
tasks_size() { try 0 tasks copy --size 9 --set size=3 && grep -qE '^  [a-z]{9}[|][a-z]{9}[$]$' out && try 2 tasks copy --size 20000 && says err "'--size'"; }
tasks_hint() { try 0 tasks sort --size 3 --hint count && grep -qE '^  C .* [?] [0-9]+ # [0-9]+ [$]$' out && try 2 tasks sort --hint count && says err "needs --size"; }
tasks_rows() { try 0 tasks copy --rows --examples 2 && [ "$(wc -l <out)" = 2 ] && grep -qE '"tokens":\[1,[0-9,]+,2\],"targets":\[null,' out; }
methods_format() { try 0 methods --format md && says out "| \`$one\` |" && try 0 methods -f text && lacks out "|" && refused xml methods --format xml; }
exported() { # exported NAME OPTION...: exports a file of that run
    local name=$1
    shift
    try 0 export x/x.db "$(sql x/x.db 'SELECT min(run) FROM point WHERE experiment = 1')" "$name" "$@"
}
export_initial() { exported w && exported w0 --initial && says w0 embedding.weight && ! cmp -s w w0; }
export_batches() { exported b2 --batches 2 && exported b3 --batches 3 && says b3 '"dtype":"I32"' && [ "$(stat -c %s b3)" -gt "$(stat -c %s b2)" ]; }
export_loader() { # of a method that has a formula in PyTorch
    local key
    key=$(sql x/x.db "SELECT min(key) FROM run WHERE method IN ('alibi', 'sinusoidal', 'rotary')")
    try 0 export x/x.db "$key" wl --loader && cmp wl "x/e2e/$key/model.safetensors" && says wl.py '"wl"' "def perplexity("
}
export_tokens() { exported tv --tokens valid && exported tt --tokens train && [ "$(stat -c %s tt)" -gt "$(stat -c %s tv)" ] && try 2 export x/x.db "" t --tokens all; }
# Export needs one run with its own weights: no run, several runs, and weights of another run are refused.
export_method() { try 0 export x/x.db m.st --method "$two" --seed 1 && says m.st "$two" && refused "2 runs match" export x/x.db m.st --method "$two"; }
export_seed() { try 0 export x/x.db s.st --seed 9 && says s.st "$one" && refused "no run matches" export x/x.db s.st --seed 8; }
export_length() { try 0 export x/x.db l.st --seed 9 --length 16 && refused "no run matches" export x/x.db l.st --length 17; }
export_setting() { refused "no run matches" export x/x.db t.st --setting train.optimizer.lr=1; }
export_is_of_one_run() {
    local keys
    mapfile -t keys < <(sql x/x.db "SELECT run FROM point WHERE experiment = 1 ORDER BY 1")
    exported whole && cmp whole "x/e2e/${keys[0]}/model.safetensors" && refused "runs match; choose one of them:" export x/x.db "" f &&
        cp x/x.db ab.db && sql ab.db "UPDATE run SET key = 'ab' || rowid" && refused "runs match; choose one of them:" export ab.db ab f &&
        refused "no run matches 'xyz'; its runs are:" export x/x.db xyz f && fresh swapped &&
        cp "x/e2e/${keys[1]}/model.safetensors" "swapped/e2e/${keys[0]}/" && try 4 export swapped/x.db "${keys[0]}" f &&
        says err "holds the weights of another run" && [ ! -e f ]
}
bench() { # bench OPTION...: the shortest bench
    try 0 bench e2e.json --rounds 1 --methods "$one" --lengths 16 --phase train "$@"
}
bench_threads() { bench --threads 2 --json && is_json out && says out '"threads": 2' && bench --json && says out '"threads": 1'; }
bench_db() { cp x/x.db bench.db && bench --db bench.db && is "1" bench.db "SELECT count(DISTINCT bench) FROM bench_result" && bench && is 1 bench.db "SELECT count(*) FROM bench"; }
bench_set() { cp x/x.db bench.db && bench --db bench.db --set model.layers=1 && is 1 bench.db "SELECT json_extract(config, '\$.model.layers') FROM bench"; }
bench_json() { bench --json && is_json out; }
bench_format() { bench --format csv && says out "phase,method,length" && bench --format json && is_json out && refused xml bench e2e.json --format xml; }
bench_lengths() { bench --lengths 32 --format csv && says out ",32," && says out ",16,"; }
bench_methods() { bench --format csv && says out ",$one," && lacks out ",$two," && bench --methods "$two" --format csv && says out ",$one," ",$two,"; }
bench_phase() { bench --format csv && says out "train," && lacks out "evaluate," && bench --phase evaluate --format csv && says out "evaluate," && lacks out "train,"; }
bench_protocol() {
    try 0 bench e2e.json --rounds 1 --methods "$one" --lengths 16 --protocol token --threads 2 --format csv && says out "strided,$one,16," "token,$one,16," ",1,1,1" &&
        lacks out "evaluate," && refused "leave out --phase" bench e2e.json --protocol token --phase train
}
bench_precision() { bench --precision fp32 && refused "'fp16'" bench e2e.json --precision fp16; }
bench_rounds() { cp x/x.db bench.db && bench --rounds 2 --db bench.db && is 2 bench.db "SELECT json_extract(config, '\$.rounds') FROM bench" && refused "--rounds takes" bench --rounds 0; }

# --- submit, collect, worker ---

submit_dry_run() { try 0 submit e2e.json --dry-run --db none/x.db && says out "#!/bin/bash" && [ ! -e none ]; }
submit_db() { # % is special in sbatch's pattern for log names
    try 0 submit e2e.json --db sub%A/x.db && [ -e sub%A/x.db ] && [ -e sub%A/e2e/cluster/1/manifest ] &&
        says sbatch.arguments "sub%%A/e2e/cluster/1/log/%A_%a.log" "sub%A/e2e/cluster/1/task.sh"
}
submit_set() { try 0 submit e2e.json -n --set sweep.train.seed='[5]' && says out "2 of 2 runs are missing"; }
submit_partition() { try 0 submit e2e.json -n --partition p,q && says out "#SBATCH --partition=p,q"; }
submit_account() { try 0 submit e2e.json -n --account a.b && says out "#SBATCH --account=a.b"; }
submit_time() { try 0 submit e2e.json -n --time 1:02:03 && says out "#SBATCH --time=1:02:03"; }
submit_memory() { try 0 submit e2e.json -n --memory 3G && says out "#SBATCH --mem=3G"; }
submit_limit() { try 0 submit e2e.json -n --limit 2 && says out "--array=1-4%2"; }
submit_script() {
    echo 'echo mine' >mine.sh
    try 0 submit e2e.json --db script/x.db --script mine.sh && says script/e2e/cluster/1/task.sh "echo mine"
}
collect_db() { try 0 submit other.json --db coll/x.db && try 0 worker --task 1 coll/other/cluster/1/manifest && try 0 collect other.json --db coll/x.db && is done coll/x.db "SELECT status FROM run"; }
collect_experiment() { try 0 collect x/x.db --experiment other && says out "other: " && lacks out "e2e: "; }
worker_threads() { try 0 submit other.json --db work/x.db && try 0 worker --threads 2 --task 1 work/other/cluster/1/manifest && is 2 "$(echo work/other/*/result.db)" "SELECT threads FROM run"; }
worker_task() { try 0 submit e2e.json --db task/x.db && try 0 worker --task 2 task/e2e/cluster/1/manifest && is "$(sed -n 2p task/e2e/cluster/1/manifest | grep -o '"key":"[0-9a-f]*' | cut -d '"' -f 4 | head -1)" "$(echo task/e2e/*/result.db)" "SELECT key FROM run" && try 2 worker --task 9 task/e2e/cluster/1/manifest; }

# --- all commands ---

mkdir bin text results
cp -r "$root/plots" plots
printf '#!/bin/sh\nprintf "%%s\\n" "$@" >sbatch.arguments\necho 1\n' >bin/sbatch
printf '#!/bin/sh\n' >bin/squeue
printf '#!/bin/sh\n' >bin/scontrol
chmod +x bin/*
write_texts
write_config -e 's/1920/256/; s/, 4\]/]/; s/"test": 0.05/"test": 0.1/'
sed -e 's/"e2e"/"other"/' -e "s/\"sweep\":.*/\"method\": \"$one\", \"sweep\": { \"train.seed\": [9] }/" e2e.json >other.json
printf 'table,dataset,split,method,train_length,eval_length,stride,perplexity\n2,d,valid,%s,100,100,100,20\n2,d,valid,%s,100,200,200,30\n' \
    "$one" "$one" >reference.csv
check "runs of two experiments" try 0 run e2e.json -q --db x/x.db
check "and of the other" try 0 run other.json -q --db x/x.db

shown="run" # commands with no option except --help are included
commands=$("$POSLAB" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p')
check "poslab --help lists commands" test "$(echo "$commands" | wc -l)" -ge 16
for command in $commands; do
    [ "$command" != $shown ] || continue
    "$POSLAB" "$command" --help >listed
    check "$command --help" says listed "usage: poslab $command" "-h, --help"
    for option in $(grep -oE '^  (-., |    )--[a-z-]+' listed | grep -oE '[a-z-]+$' | sed 's/^--//'); do
        [ "$option" = help ] || check "$command --$option does what it says" "${command}_${option//-/_}"
    done
done
check "eval is of trained runs" eval_of_trained_runs
check "export is of one run" export_is_of_one_run
done_testing
