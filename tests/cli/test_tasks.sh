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
exported() {
    key=$(sqlite3 whole/x.db "SELECT min(key) FROM run")
    try 0 export whole/x.db "$key" batches.safetensors --batches 2 && grep -qa '"targets"' batches.safetensors &&
        try 2 export whole/x.db "$key" x.safetensors --tokens test && says err "task"
}
check "batches are exported with their targets" exported

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
