#!/usr/bin/env bash
# test_tasks.sh: synthetic tasks from the command line: their list, an experiment on one, and what is refused.
. "$(dirname "$0")/../tools/shell.sh"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again

# --- tasks ---

tasks=$(sed -nE 's/^const Task ([a-z0-9_]+)_task = .*/\1/p' "$root"/src/tasks/*.c | sort)
lists_all() { try 0 tasks && [ "$(tail -n +3 out | cut -d ' ' -f 1)" = "$tasks" ]; }
check "tasks lists them all" lists_all
shows() { # shows TASK: options and three examples
    try 0 tasks "$1" && says out "size:" "hints:" && [ "$(grep -c '^      scored: .' out)" = 3 ]
}
for task in $tasks; do check "tasks $task shows three examples" shows "$task"; done
takes_options() { try 0 tasks addition --set size=3 --set order=reversed && grep -qE '^  [0-9]{3}\+[0-9]{3}=' out; }
check "--set changes the examples" takes_options
as_rows() { try 0 tasks sort --rows --examples 2 --size 3 --hint fill && [ "$(wc -l <out)" = 2 ] && says out '"targets":[null,null'; }
check "--rows prints examples with their targets" as_rows
check "the rows of all tasks follow from their questions" python3 "$root/tests/tools/task_answers.py" "$POSLAB" 20
bad_examples() {
    try 2 tasks --rows && says err "need a task" && try 2 tasks copy --hint none && says err "--hint needs --size" && try 2 tasks sort --size 2 --hint x && says err "no hint 'x'" &&
        try 2 tasks copy --size 20000 && says err "'--size' must be from 1 to 16384"
}
check "examples that there are not" bad_examples
unknown() { try 2 tasks adition && says err "did you mean 'addition'"; }
check "an unknown task is an error" unknown
skeleton() {
    sed 's/@NAME@/sample/g' "$root/src/tasks/skeleton.c.in" >sample.c &&
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only -iquote "$root/src" sample.c
}
check "the skeleton of make task compiles" skeleton

# --- an experiment ---

cat >task.json <<'END'
{ "name": "task",
  "data": { "task": { "name": "addition", "size": [1, 2], "examples": 500, "order": "reversed" } },
  "model": { "layers": 2, "heads": 2, "width": 16, "ffn": 32 },
  "train": { "length": 16, "tokens": 20480, "tokens_per_step": 256, "checkpoint": 0,
             "until": { "exact": 1, "updates": 30 } },
  "evaluate": { "task": { "sizes": [2, 3, 4], "examples": 50 },
                "variants": [{ "name": "hot", "attention": { "temperature": 2 } }] },
  "sweep": { "method": ["rotary", "none"], "train.seed": [1, 2] } }
END
check "plan" try 0 plan task.json
check "run" try 0 run task.json --db whole/x.db -j 2
check "every size of every run and variant is stored" is 24 whole/x.db "SELECT count(*) FROM accuracy WHERE examples = 50"
check "with its examples" is 1200 whole/x.db "SELECT count(*) FROM task_example"
check "accuracy is that of the examples" is 1 whole/x.db "SELECT sum(exact) = (SELECT sum(k.tokens_right = w.tokens) FROM
    task_example k JOIN evaluation_window w ON w.evaluation = k.evaluation AND w.window = k.example) FROM accuracy"
check "task and size are there" is "addition|2,3,4" whole/x.db "SELECT task || '|' || (SELECT group_concat(size) FROM
    (SELECT DISTINCT size FROM accuracy ORDER BY 1)) FROM accuracy LIMIT 1"
check "the database is sound" try 0 check whole/x.db
again() { try 0 run task.json --db whole/x.db && says err "nothing to do"; }
check "it is not run again" again
progress() { grep -qE 'exact [0-9.]+ %' err; }
first_says() { try 0 run task.json --db two/x.db --set train.seed=1 && progress; }
check "progress shows the accuracy of the trained sizes" first_says
finished_says() { grep -qE '^.*done .* exact [0-9.]+ % at 2 ' err && ! grep -q perplexity err; }
check "and the end of a run that of the largest one, no perplexity" finished_says
same() { # same SQL: two/x.db has what whole/x.db has
    [ "$(sqlite3 whole/x.db "$1")" = "$(sqlite3 two/x.db "$1")" ]
}
check "other workers find the same" same "SELECT run_key, size, exact, tokens_right, nll FROM accuracy WHERE seed = 1 ORDER BY 1, 2, eval_variant"
resumed() {
    mkdir -p cut
    for _ in 1 2 3; do timeout -s INT 0.4 "$POSLAB" run task.json --db cut/x.db --set train.seed=1 >out 2>err; done
    try 0 run task.json --db cut/x.db --set train.seed=1 && cmp two/task/*/model.safetensors cut/task/*/model.safetensors 2>/dev/null ||
        [ "$(sqlite3 two/x.db 'SELECT run_key, size, exact, nll FROM accuracy ORDER BY 1, 2, eval_variant')" = \
          "$(sqlite3 cut/x.db 'SELECT run_key, size, exact, nll FROM accuracy ORDER BY 1, 2, eval_variant')" ]
}
check "a run that is stopped and resumed finds the same" resumed
early() { # half of the parities of one and two bits are learnt soon; the end is said and stored
    cat >early.json <<'END'
{ "name": "early", "data": { "task": { "name": "parity", "size": [1, 2] } }, "model": { "layers": 1, "heads": 2, "width": 16, "ffn": 32 },
  "method": "none", "train": { "length": 3, "tokens": 48000, "tokens_per_step": 96, "optimizer": { "lr": 0.01 }, "until": { "exact": 0.5, "updates": 10 } },
  "evaluate": { "task": { "sizes": [1, 2], "examples": 20 } } }
END
    try 0 run early.json --db early.db && step=$(sqlite3 early.db "SELECT until_step FROM run WHERE until_step = steps AND until_step < 500") &&
        says err "the trained sizes are learnt; training ended at step $step of 500" && try 0 status early.db --json && says out "\"until_step\": $step"
}
check "a run that ends early says so" early
exported() {
    key=$(sqlite3 whole/x.db "SELECT min(key) FROM run")
    try 0 export whole/x.db "$key" batches.safetensors --batches 2 && grep -qa '"targets"' batches.safetensors &&
        try 2 export whole/x.db "$key" x.safetensors --tokens test && says err "task"
}
check "batches are exported with their targets" exported

# --- tables ---

rows() { try 0 table whole/x.db "$@" && cat out; }
head_marks() { rows --format md | grep -qF '| method | 2 (trained) | 3 | 4 |' && says out "exact match in percent by size, median over 2 seeds"; }
check "table has the accuracy by size, trained sizes marked" head_marks
medians() { # a database with known answers: seeds 1 and 2 of rotary answer 40 and 10 of 50 at size 2
    cp whole/x.db known.db && sqlite3 known.db "UPDATE task_example SET tokens_right = iif(example <
        (SELECT iif(seed = 1, 40, 10) FROM accuracy a WHERE a.evaluation = task_example.evaluation),
        (SELECT tokens FROM evaluation_window w WHERE (w.evaluation, w.window) = (task_example.evaluation, example)), 0)
        WHERE evaluation IN (SELECT evaluation FROM accuracy WHERE method_name = 'rotary' AND size = 2)" &&
        try 0 table known.db --where size=2 && grep -qE '^Rotary +50\.0$' out &&
        try 0 table known.db --where size=2 --rows method,seed && grep -qE '^Rotary +1 +80\.0$' out && grep -qE '^Rotary +2 +20\.0$' out
}
check "it is the median over seeds; every seed if asked" medians
wilson() { try 0 table known.db --json --where size=2 --where seed=1 --where method=rotary && python3 - <<'PY'
import json, math
row = json.load(open("out"))[0]
n, k, z = row["examples"], row["exact"], 1.959963984540054
half = z * math.sqrt(k / n * (1 - k / n) / n + z * z / (4 * n * n)) / (1 + z * z / n)
middle = (k / n + z * z / (2 * n)) / (1 + z * z / n)
assert (n, k, row["trained"], row["task"]) == (50, 40, 1, "addition")
assert abs(row["accuracy_low"] - (middle - half)) < 1e-12 and abs(row["accuracy_high"] - (middle + half)) < 1e-12
PY
}
check "json has Wilson's interval of each run" wilson
other_metrics() { rows --metric tokens --format csv >a && rows --format csv | cmp - a && rows --metric tokens && says out "targets right in percent" &&
    rows --metric nll --format latex && says out "nats per target"; }
check "other metrics" other_metrics
refused_table() { try 2 table whole/x.db --ratio && says err "is on a task" && try 2 table whole/x.db --columns multiple && says err "'size'"; }
check "perplexity ratios are refused" refused_table

task_fields() { # keys of the task and of its hint
    try 0 table whole/x.db --rows method,data.task.order,data.task.hint.name --where data.task.order=reversed --where data.task.hint.share=0 &&
        grep -qE '^Rotary +reversed +none ' out && try 2 table whole/x.db --where data.task.ordr=reversed && says err "did you mean 'data.task.order'"
}
check "keys of a task are fields" task_fields

# --- analyses ---

accuracy() { # of the known database, at its trained size 2: 80 % and 20 %; nothing beyond is known to be right
    try 0 analyse known.db accuracy && grep -qE '^Rotary +- .* 50\.0 \[20\.0, 80\.0\]' out && says out "90 % to" &&
        sqlite3 known.db "UPDATE task_example SET tokens_right = (SELECT tokens FROM evaluation_window w WHERE
            (w.evaluation, w.window) = (task_example.evaluation, example)) WHERE evaluation IN
            (SELECT evaluation FROM accuracy WHERE method_name = 'none' AND eval_variant = '' AND size < 4)" &&
        try 0 analyse known.db accuracy --json && python3 - <<'PY'
import json
rows = {(r["name"], r["size"]): r for r in json.load(open("out"))}
none, rotary = rows["None", 3], rows["Rotary", 2]
assert none["longest_90_percent"] == 3 and none["exact_low"] == 1 and none["trained"] == 0
assert abs(none["beyond"] - (1 + rows["None", 4]["exact"]) / 2) < 0.26
assert "longest_90_percent" not in rotary and (rotary["exact"], rotary["exact_low"], rotary["exact_high"]) == (0.5, 0.2, 0.8)
PY
}
check "analyse accuracy: median, lowest and highest seed, the largest size with 90 %" accuracy
two_lengths() { # rows that differ in the training length and in a setting
    try 0 run task.json --db two_lengths.db --set 'sweep={"method": ["none"], "train.length": [16, 32], "data.task.pad": [false, true]}' \
        --set train.tokens=1024 && try 0 analyse two_lengths.db accuracy && [ "$(grep -cE '^None pad=(false|true) +(16|32) ' out)" = 4 ]
}
check "analyse accuracy: two training lengths are two rows" two_lengths
paired() { # rotary minus none at size 2: 50 % - 100 %; two seeds of 50 examples
    try 0 analyse known.db compare --baseline none --json && python3 - <<'PY'
import json
row = next(r for r in json.load(open("out")) if (r["name"], r["size"]) == ("Rotary", 2))
assert (row["seeds"], row["examples"], row["baseline_exact"]) == (2, 50, 1)
assert abs(row["difference"] + 0.5) < 1e-12 and row["difference_low"] <= -0.78 and -0.25 < row["difference_high"] < 0
assert row["p"] <= row["p_holm"]
PY
}
check "analyse compare: paired differences of exact match" paired
claim() { # claim VERDICT FINDING MEMBERS: of exact match in the known database
    printf '{"claims": [{"text": "t", "quantity": "exact_gain", %s}]}' "$3" >claims.json &&
        try 0 analyse known.db claims --claims claims.json --format csv && grep -qF ",t,,$1," out && says out "$2"
}
# At size 2 (trained) none answers 100 % of both seeds, rotary 80 % and 20 %; at size 4 neither answers any.
none='"method": "none", "against": "rotary"'
check "claims: a gain at every point supports it" claim supported "None: the gain in exact match is +0.500 (+0.200 to +0.800) at size 2; the claim requires at least 0.05. The bound clearly holds (n = 2)." \
    "$none, \"to\": 1, \"at_least\": 0.05"
check "an interval on both sides of the bound leaves it open" claim undecided "at least 0.3" "$none, \"to\": 1, \"at_least\": 0.3"
check "a loss contradicts it" claim contradicted "Rotary: the gain in exact match is -0.500 (-0.800 to -0.200) at size 2" \
    '"method": "rotary", "against": "none", "to": 1, "at_least": 0.05'
check "what neither answers shows nothing" claim undecided "Nothing can be seen at size 4, where both answer less than 5 % of the examples or both more than 95 %. The point is open (n = 2)." \
    "$none, \"from\": 2, \"at_least\": 0.05"
says_why() { try 0 analyse known.db claims --claims claims.json && says out "Undecided: t None: the gain" "Nothing can be seen at size 4,"; }
check "the table says why a claim is undecided" says_why
check "several methods are the units of one point" claim undecided "Mean of 2 methods: the gain in exact match is +0.250" \
    '"method": "none,rotary", "against": "rotary", "to": 1, "at_least": 0.05'
check "values of the config choose the runs" claim "not tested" "There is no evaluation" \
    "$none, \"where\": \"data.task.order=reversed,data.task.pad=true\", \"at_least\": 0.05"
check "and those that are compared" claim supported "at size 2" \
    "$none, \"where\": \"data.task.order=reversed\", \"against_where\": \"data.task.pad=false\", \"to\": 1, \"at_least\": 0.05"
one_seed() { # has no interval
    try 0 analyse known.db claims --claims claims.json --where seed=1 --format csv && says out "None: the gain in exact match is +0.200 at size 2; the claim requires at least 0.05. The point is open (n = 1)."
}
check "one seed: a gain without an interval" one_seed
no_claims() { try 0 analyse known.db claims && says out "name a file with --claims"; }
check "the claims on text are not judged by a task" no_claims
text_only() { try 2 analyse whole/x.db curves && says err "is on the task 'addition'"; }
check "analyses of perplexity are refused" text_only

# --- figures and the report ---

if command -v gnuplot >figure.log; then
    drawn() { # a line of medians for each method and variant, and one for each seed
        try 0 plot known.db --figure accuracy -o accuracy.svg && try 0 plot known.db -o default.svg && cmp accuracy.dat default.dat &&
            [ "$(grep -c '; .*median' accuracy.dat)" = 4 ] && [ "$(grep -c ', seed ' accuracy.dat)" = 8 ] &&
            grep -A1 '^# Rotary; .*median' accuracy.dat | grep -qE '^2 50 [0-9.]+ 20 80 2$' && says accuracy.svg "exact match" ">size (digits of each number)<"
    }
    check "plot accuracy: medians and every seed" drawn
    drawn_lengths() { # a panel for each training length
        try 0 plot two_lengths.db -o lengths.svg && says lengths.svg "trained at 16" "trained at 32" &&
            [ "$(grep -c "^# None;.*, trained at [13][62], .*, median$" lengths.dat)" = 4 ] &&
            try 0 plot two_lengths.db -o one.svg --where train_length=32 && lacks one.svg "trained at" &&
            [ "$(grep -c '^# None; ' one.dat)" = 2 ]
    }
    check "plot accuracy: a panel for each training length" drawn_lengths
    no_perplexity() { try 2 plot known.db --figure cost -o x.svg && says err "is for experiments on text" &&
        try 2 plot known.db --figure position -o x.svg; }
    check "figures of perplexity are refused" no_perplexity
    loss() { try 0 plot known.db --figure loss -o loss.svg && says loss.svg "training loss (nats per target"; }
    check "the loss is per target" loss
    in_report() { try 0 report known.db -o page.html && grep -q 'Trained on sizes .* At least 90 % of the examples are answered' page.html &&
            grep -q 'on the same seeds and examples, at the largest size in training' page.html &&
        grep -q '2 (trained)' page.html && ! sed '/id="glossary"/,$d' page.html | grep -qi perplexity; }
    check "the report has the accuracy, and no perplexities" in_report
    conditions() { # of panels and sentences: short names of what differs
        try 0 plot two_lengths.db -o two.svg && says two.svg ">pad=true, trained at 32<" ">pad=false, trained at 16<" && lacks two.svg "data.task" &&
            try 0 plot two_lengths.db --where train_length=16 --where data.task.pad=true -o one.svg && says one.svg ">pad=true<" &&
            try 0 report two_lengths.db -o two.html && says two.html "of addition (pad=true, trained at 32). At least" "digits of each number"
    }
    check "panels and sentences of several settings have short names" conditions
fi

# Rows of a hint are stored and shown apart from those of the task.
cat >hints.json <<'END'
{ "name": "hints",
  "data": { "task": { "name": "sort", "size": [1, 2], "numbers": 9, "hint": { "name": "count", "share": 0.5 } } },
  "model": { "layers": 1, "heads": 1, "width": 8, "ffn": 8 }, "method": "none",
  "train": { "length": 8, "tokens": 512, "tokens_per_step": 64, "checkpoint": 0 },
  "evaluate": { "task": { "sizes": [2, 3], "examples": 20 } } }
END
hints() {
    try 0 run hints.json --db hints/x.db && try 0 eval hints/x.db --hint count -q && try 0 eval hints/x.db --hint fill -q &&
        is "none 60,none 80,count 40,count 40,fill 40,fill 40" hints/x.db \
            "SELECT group_concat(hint || ' ' || tokens) FROM (SELECT hint, tokens FROM accuracy ORDER BY evaluation)" && try 0 check hints/x.db
}
check "hints are evaluated: other rows of the same examples" hints
hints_shown() {
    try 0 table hints/x.db --where split=fill && says out "sizes=2,3 examples=20 hint=fill precision=fp32 seeds=1 " && ! says out stride &&
        try 0 table hints/x.db && says out "20 examples of sort, hint count" && try 0 table hints/x.db --json &&
        [ "$(grep -c '"hint": "fill"' out)" = 2 ] && try 0 analyse hints/x.db accuracy && says out "20 examples of sort, hint fill"
}
check "tables name the hint; signatures have sizes, examples and hint" hints_shown
apart() { # each evaluation has a panel of its own, and sizes are whole numbers
    try 0 plot hints/x.db --figure accuracy -o hints.svg && says hints.svg "20 examples of sort, hint" fill count && lacks hints.svg ">2.5<"
}
command -v gnuplot >figure.log && check "figures do not mix rows of a hint with those of the task" apart
damaged() { sqlite3 hints/x.db "UPDATE evaluation SET split = 'cout' WHERE split = 'count'" && try 4 check hints/x.db && says out "unknown split"; }
check "a hint that the task does not have is found by check" damaged

# A variant, more sizes: the trained runs are evaluated again.
more() {
    try 0 eval two/x.db --sizes 1,5 --examples 20 && is "1 20|5 20" two/x.db \
        "SELECT group_concat(s, '|') FROM (SELECT DISTINCT size || ' ' || examples AS s FROM accuracy WHERE examples = 20 ORDER BY 1)" &&
        try 2 eval two/x.db --lengths 16 && says err "'evaluate.lengths' is for text" && try 0 check two/x.db
}
check "eval adds sizes" more
planned() { try 0 plan task.json && says out "task addition, sizes 1 to 2, 500 examples, vocabulary 45" && try 0 plan task.json --json && says out '"task"'; }
check "plan describes the task" planned

# --- what is refused ---

refused() { # refused "WORDS" SETTING...: plan fails and says all the words
    local settings=() words=$1
    shift
    for setting; do settings+=(--set "$setting"); done
    try 2 plan task.json "${settings[@]}" && grep -qF -- "$words" err
}
check "a length too short for the sizes" refused "'train.length' must be at least" train.length=6 train.tokens_per_step=60
check "and the length that is needed" refused "at least 10" train.length=6 train.tokens_per_step=60
check "an alphabet larger than the vocabulary" refused "'model.vocabulary' must be at least 45" model.vocabulary=20
check "more examples than there are" refused "'data.task.examples' must be at most 10000," data.task.examples=10001
check "a size of which all examples are known" refused "'evaluate.task.sizes': at size 1" \
    'evaluate.task.sizes=[1]' 'data.task={"name": "parity", "size": [1, 6], "examples": 126}'
check "a size that the alphabet is too small for" refused ", or remove 'evaluate.task.sizes[1]'" 'evaluate.task.sizes=[1, 9]' \
    'data.task={"name": "variables", "size": [1, 6], "letters": 8}'
check "sizes that are no sizes" refused "'evaluate.task.sizes[0]' must be a whole number from 1, got -1" 'evaluate.task.sizes=[-1]'
check "no sizes" refused "'evaluate.task.sizes' must have between 1 and 1000 items" 'evaluate.task.sizes=[]'
check "no examples" refused "'evaluate.task.examples' must be in [1, 10000000], got 0" evaluate.task.examples=0
check "a hint that the task does not have" refused "'evaluate.task.hint' must be one of none" evaluate.task.hint=count
check "an early end beyond 100 %" refused "'train.until.exact' must be in [0.001, 1], got 1.5" train.until.exact=1.5
check "a size beyond the task's" refused "'evaluate.task.sizes[1]' must be from 1 to 1000" 'evaluate.task.sizes=[1, 2000]'
check "a share above 1" refused "'data.task.hint.share' must be" data.task.hint.share=1.5
check "an unknown option" refused "'data.task.oder'" data.task.oder=plain
check "files together with a task" refused "'data.files' cannot be given with 'data.task'" 'data.files=["x"]'
check "a tokenizer of text" refused "'data.tokenizer' must be \"task\"" data.tokenizer=bytes
check "lengths of text" refused "'evaluate.lengths' is for text" 'evaluate.lengths=[16]'
check "positions with a method that has none" refused "'data.task.positions' needs a method that follows positions" \
    data.task.positions=abacus method=alibi
check "positions beyond a method's limit" refused "'data.task.max_start'" data.task.positions=abacus \
    'method={"name": "learned", "rows": 50}'
follows() { try 0 plan task.json --set data.task.positions=coupled --set method=rotary; }
check "positions with a method that follows them" follows
text() {
    sed 's/"task": {.*reversed" }/"files": ["x"]/; s/"until": {[^}]*}/"seed": 1/; s/"task": { "sizes".*/"task": {} },/; /variants/d' task.json >text.json
    try 2 plan text.json && says err "'evaluate.task' needs 'data.task'"
}
check "evaluate.task without a task" text

done_testing
