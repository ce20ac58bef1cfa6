#!/usr/bin/env bash
# test_continued.sh: runs that continue others (train.from). Killed between parent and child, and inside the child, they
# end with the same numbers and weights. A child follows its parent: if that fails, is retrained or has lost its weights.
# Several workers begin with the longest.
. "$(dirname "$0")/../tools/shell.sh"
build_shim
write_texts
write_config -e 's/1920/640/' -e 's/"length": 16/"checkpoint": 1e-6, &/' -e 's/"multiples": [^]]*\]/"lengths": [16, 32]/'
child='"train.length": [32], "train.tokens": [320], "train.from": [{"method": "ONE"}]'
# The children precede their parents in the config. Of each seed, one is itself continued.
edit() { # edit SWEEP FILE
    sed -e "s/\"sweep.*/\"sweep\": $1/" -e "s/ONE/$one/g" e2e.json >"$2"
}
sweep="[{\"method\": [\"ONE\"], \"train.seed\": [1, 2], $child, \"train.frozen\": [[], [\"layers.*.ffn.*\"]]}, {\"method\": [\"ONE\"], \"train.seed\": [1], \"train.length\": [8], \"train.from\": [{\"train.length\": 32, \"train.frozen\": [\"layers.*.ffn.*\"], \"train.from\": {\"method\": \"ONE\"}}]}, {\"method\": [\"ONE\"], \"train.seed\": [1, 2]}]"
edit "$sweep" all.json
edit "[{\"method\": [\"ONE\"], \"train.seed\": [1], $child}, {\"method\": [\"ONE\"], \"train.seed\": [1]}]" two.json

check "schema" try 0 help config --schema
check "of train.from" is '^[0-9a-f]{16}$' :memory: "SELECT json_extract(CAST(readfile('out') AS TEXT), '\$.\"\$defs\".\"train.from\".anyOf[0].pattern')"
check "plan" try 0 plan all.json
check "shows which run another continues" grep -qE "^$one L=32 seed=2 frozen=.*  $one L=16 seed=2 .*[0-9a-f]{16}\$" out
check "plan --json" try 0 plan all.json --json
check "as well" is 5 :memory: "SELECT json_array_length(CAST(readfile('out') AS TEXT), '\$.continued')"
check "run" try 0 run all.json --db whole/x.db -j 3
check "check" try 0 check whole/x.db
check "trains each parent once" is 7 whole/x.db "SELECT count(*) FROM train_log WHERE step = 1"
check "and its children from its weights" is 1 whole/x.db "SELECT max(c.loss) < min(p.loss) FROM train_log c
    JOIN run r ON r.key = c.run AND r.train_length = 32 JOIN run q ON q.key = json_extract(r.config, '\$.train.from')
    JOIN train_log p ON p.run = q.key AND p.step = 1 WHERE c.step = 1"
check "the files of both methods are stored" is 4 whole/x.db "SELECT count(*) FROM run WHERE train_length = 32 AND method_files = '$one:' || substr(method_files, length('$one:') + 1, 12) || ' ' || (SELECT method_files FROM run WHERE train_length = 16)"
check "table" try 0 table whole/x.db
check "says what was continued" says out "Trained on from $(sql whole/x.db "SELECT DISTINCT label FROM run") L=16 ("
check "and does not list the keys" lacks out "train.from" "$(sql whole/x.db "SELECT max(key) FROM run WHERE train_length = 16")"
cp -r whole evaluated
check "eval" try 0 eval evaluated/x.db --lengths 64
check "evaluates all runs" is 7 evaluated/x.db "SELECT count(*) FROM evaluation WHERE length = 64"
check "series do not depend on the parents' keys" is 2 whole/x.db "SELECT count(DISTINCT variant) FROM point JOIN run ON run.key = point.run WHERE train_length = 32"
check "again" try 0 run all.json --db whole/x.db
check "nothing is missing" says err "nothing to do: 7 of 7 runs are done"

# Two workers take the longest first, and of a chain its beginning; one worker takes the config's order.
edit "[{\"method\": [\"ONE\"], \"train.tokens\": [640, 1280, 320]}, {\"method\": [\"ONE\"], \"train.length\": [32], \"train.tokens\": [2560], \"train.from\": [{\"train.length\": 16, \"train.tokens\": 320}]}]" order.json
begun() { sed -n 's/.* start .*\(L=[^ ]*\).* tokens=\([0-9]*\).*/\1 \2/p' err | head "-$1" | paste -sd,; }
check "two workers" try 0 run order.json --db order/x.db -j 2
check "begin with the longest" [ "$(begun 2)" = "L=16 320,L=16 1280" ]
rm -r order
check "one worker" try 0 run order.json --db order/x.db
check "follows the config" [ "$(begun 4)" = "L=16 640,L=16 1280,L=16 320,L=32 2560" ]

parent=$(sql whole/x.db "SELECT key FROM run WHERE train_length = 16 AND seed = 1")
key=$(sql whole/x.db "SELECT key FROM run WHERE train_length = 32 AND seed = 1 AND json_extract(config, '\$.train.frozen') IS NULL")
numbers whole/x.db | grep -E "^($key|$parent)" >wanted
ended_alike() {
    try 0 run two.json --db "$1/x.db" && [ "$(weights "$1")" = "$(weights whole)" ] &&
        diff <(numbers "$1/x.db" | grep -E "^($key|$parent)") wanted
}

check "eval of a child without its parent" try 0 eval evaluated/x.db --run "$key" --lengths 48
check "evaluates it" is "$key" evaluated/x.db "SELECT group_concat(run) FROM evaluation WHERE length = 48"
tensors() { tail -c +$((9 + $(od -An -tu8 -N8 "$1"))) "$1" | sha256sum; }
cp -r whole away
rm "away/e2e/$key/model.safetensors"
check "a child whose weights are lost" try 0 run two.json --db away/x.db --set 'evaluate.lengths=[16,32,48]'
check "is trained again for a new length" [ "$(tensors "away/e2e/$key/model.safetensors")" = "$(tensors "whole/e2e/$key/model.safetensors")" ]
printf damaged >"away/e2e/$key/model.safetensors"
check "as is one whose weights are damaged" try 0 run two.json --db away/x.db --set 'evaluate.lengths=[16,32,48,64]'
check "from the same parent" [ "$(tensors "away/e2e/$key/model.safetensors")" = "$(tensors "whole/e2e/$key/model.safetensors")" ]

# killed PLACE FOLDER FILE [OPTION]...: the worker is killed at its PLACE-th change of a file; the second worker counts on
killed() {
    rm -f counter
    env "LD_PRELOAD=$home/shim.so" "TORTURE_COUNTER=$home/counter" TORTURE_ROLE=worker TORTURE_ACTION=kill "TORTURE_AT=$1" \
        "$POSLAB" run two.json --db "$2/x.db" "${@:4}" >out 2>err </dev/null
    [ -e "$2/e2e/$parent/$3" ] && [ ! -e "$2/e2e/$key/model.safetensors" ]
}
check "killed in the parent" killed 200 a state.safetensors
check "which fails with the child" is "failed|failed" a/x.db "SELECT group_concat(status, '|') FROM run"
check "whose reason is the parent" is "'train.from': run $parent, which it continues, failed (see \`poslab status\`); rerun the command to retry both" \
    a/x.db "SELECT reason FROM run WHERE key = '$key'"
names_parent() { try 3 status a/x.db && says out "(continues $parent)" && try 0 runs a/x.db --format csv && says out ",$parent"; }
check "status and runs name the parent" names_parent
check "both end alike" ended_alike a
cp -r a again
sql again/x.db "UPDATE run SET shared_sources = 'other' WHERE key = '$parent'"
check "killed in the parent that is retrained" killed 200 again state.safetensors --retry changed
check "the child of the old parent is gone" is 0 again/x.db "SELECT count(*) FROM train_log WHERE run = '$key'"
check "and both end alike" ended_alike again
# The worker of the parent makes 460 changes, that of the child then 42 for each of its five updates.
for place in 560 650; do
    check "killed in the child, place $place" killed $place "c$place" model.safetensors
    check "has made some updates" test "$(wc -l <"c$place/e2e/$key/train.jsonl")" = $(((place - 500) / 42))
    check "ends alike" ended_alike "c$place"
done

# Between the parent and the child.
check "the parent alone" try 0 run two.json --db between/x.db --set exclude='[{"train.length": 32}]'
check "then the child" ended_alike between
check "starts with its weights" says "between/e2e/$key/log.txt" "note starting with the weights of run $parent"

# By key, in another experiment of the same database.
edit "{\"method\": [\"ONE\"], \"train.seed\": [1], \"train.length\": [32], \"train.tokens\": [320], \"train.from\": [\"$parent\"]}" key.json
check "by key" try 0 run key.json --db between/x.db --set name=other
check "is the same run" is 2 between/x.db "SELECT count(*) FROM run"
check "elsewhere" try 1 run key.json --db elsewhere/x.db
check "the run is not there" says err "'train.from': run $parent, which it continues, is not trained; train it in this database first"

# Weights that are lost, and a parent that is retrained.
cp -r whole lost
rm -r "lost/e2e/$parent/model.safetensors" "lost/e2e/$key"
sql lost/x.db "UPDATE run SET status = 'pending', steps = NULL WHERE key = '$key'; DELETE FROM evaluation WHERE run = '$key'; DELETE FROM train_log WHERE run = '$key'"
check "a parent without weights" try 0 run two.json --db lost/x.db -n
check "is trained again" says out "2 of 2 runs to do"
check "and its child ends alike" ended_alike lost
sql lost/x.db "UPDATE run SET method_files = '$one:000000000000' WHERE key = '$parent'"
check "a stale parent" try 0 run two.json --db lost/x.db -n
check "is retrained with its child" says out "2 of 2 runs to do"
check "which ends alike" ended_alike lost

check "prune keeps the parents of points" try 0 prune between/x.db -n
check "of another experiment" try 0 run key.json --db between/x.db --set name=e2e
check "prune" try 0 prune between/x.db -n
check "has nothing to delete" says out "nothing to delete"

# A parent that diverges, and the initial weights.
check "a parent that diverges" try 1 run two.json --db diverged/x.db --set train.optimizer.lr=100 --set train.optimizer.decay=10 --set train.tokens=4000
check "has a child that fails" is 1 diverged/x.db "SELECT group_concat(status || ' ' || coalesce(reason, ''), '|') LIKE 'diverged %|failed ''train.from'': run %, which it continues, diverged; correct its options'
    FROM (SELECT status, reason FROM run ORDER BY train_length)"
check "export --initial" try 0 export whole/x.db "$key" initial --initial
check "of the child" try 0 export whole/x.db "$parent" trained
check "are the parent's" test "$(tensors initial)" = "$(tensors trained)"

# With sbatch a child waits for the task of its parent.
mkdir bin
printf '#!/bin/bash\nn=$(($(cat jobs 2>/dev/null || echo 100) + 1))\necho $n | tee jobs\nprintf "%%s\\n" "$@" >sbatch.$n\n' >bin/sbatch
printf '#!/bin/bash\ncat queue 2>/dev/null\ntrue\n' >bin/squeue
printf '#!/bin/bash\n' >bin/scontrol
chmod +x bin/*
PATH=$home/bin:$PATH
check "submit -n" try 0 submit all.json --db slurm/x.db -n
check "shows what waits for what" says out "--array=1-2 " "--dependency=afterok:JOB1_1 --kill-on-invalid-dep=yes" "--dependency=afterok:JOB1_2 " "--dependency=afterok:JOB2_2 "
check "submit" try 0 submit all.json --db slurm/x.db
check "the parents first" lacks sbatch.101 dependency
check "then the children of each" says sbatch.102 "--array=1-2" "--dependency=afterok:101_1"
check "of the second" says sbatch.103 "--array=1-2" "--dependency=afterok:101_2"
check "and of a child" says sbatch.104 "--array=1-1" "--dependency=afterok:102_2"
for line in 1 2 3 4 5 6 7; do
    check "task $line" slurm/e2e/cluster/1/program worker --task $line slurm/e2e/cluster/1/manifest
done
check "collect" try 0 collect all.json --db slurm/x.db
check "has the numbers of run" same_numbers slurm/x.db whole/x.db
printf '%-32s%-32s%-32s%-32s\n' 101 1 PENDING 0 101 2 PENDING 0 >queue
cp -r whole held && rm -r held/e2e && mkdir -p held/e2e && cp -r slurm/e2e/cluster held/e2e
sql held/x.db "UPDATE run SET status = 'pending', steps = NULL"
check "submit where the parents are submitted" try 0 submit all.json --db held/x.db
check "waits for these" says sbatch.105 "--dependency=afterok:101_1"
rm queue

# Mistakes.
refused() { # refused NAME TEXT ARGUMENT...
    check "$1" try 2 plan "${@:3}"
    check "is refused" says err "$2"
}
refused "a parent that is not in the sweep" "matches no point of the experiment that has the same seed; correct the values, add the point to 'sweep', or give the key of a run" \
    two.json --set 'sweep.train.from=[{"train.length": 64}]'
refused "two parents" "matches several points, for example $one L=16 seed=1 and $one L=24 seed=1; add a path whose values differ" \
    two.json --set "sweep=[{\"method\": [\"$one\"], $(sed "s/ONE/$one/" <<<"$child")}, {\"method\": [\"$one\"], \"train.length\": [16, 24], \"train.tokens_per_step\": [48]}]"
refused "a circle" "'train.from': $one L=16 seed=1 continues itself; name a point that does not continue it" \
    two.json --set "sweep=[{\"method\": [\"$one\"], \"train.from\": [{\"train.from\": {}}]}]"
refused "another shape" "'train.from': tensor 'embedding.weight' of $one L=32 seed=1 differs from $one L=16 seed=1, which it continues" \
    two.json --set "sweep=[{\"method\": [\"$one\"], \"model.width\": [64], $(sed "s/ONE/$one/" <<<"$child")}, {\"method\": [\"$one\"]}]"
refused "no key" "'train.from' must be the key of a run (16 hexadecimal digits), or values by path of a point of the experiment, as {\"method\": \"rotary\"}, got \"ab\"" \
    key.json --set 'sweep.train.from=["ab"]'
refused "a name without a tensor" "'train.frozen': no tensor has the name 'layers.0.norm1.weigth'; did you mean 'layers.0.norm1.weight'?" \
    two.json --set 'train.frozen=["layers.0.norm1.weigth"]'
refused "all tensors" "'train.frozen' names all tensors; leave one to train" two.json --set 'train.frozen=["*"]'
done_testing
