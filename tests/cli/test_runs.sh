#!/usr/bin/env bash
# test_runs.sh: `runs`, `prune`, `merge --weights`, and `export` with a selection in place of a key: what they show and
# take, and that nothing is lost: other databases, other files, busy folders, hostile names, killed processes.
. "$(dirname "$0")/../tools/shell.sh"
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again

write_texts
write_config -e 's/1920/256/; s/, 4\]/]/' -e 's/"train.seed": \[1, 2\]/"train.seed": [1, 2], "train.optimizer.lr": [0.005, 0.001]/'
check "eight runs" try 0 run e2e.json -q -j 2 --db x/x.db
db=x/x.db
key=$(sql $db "SELECT key FROM run WHERE method = '$one' AND seed = 1 LIMIT 1")
folder=x/e2e/$key

# --- runs ---

check "runs" try 0 runs $db
check "lists all" test "$(grep -c 'train.optimizer.lr=' out)" = 8
check "with their keys" says out "8 runs, run folders of" "$key"
check "runs as JSON" try 0 runs $db --json
check "has perplexities at the training length" is 8 $db "SELECT count(*) FROM json_each(CAST(readfile('out') AS TEXT)) j
    JOIN evaluation e ON e.run = j.value ->> 'run_key' AND e.length = 16
    WHERE abs((j.value ->> 'perplexity') / exp(e.nll_sum / e.tokens) - 1) < 1e-12"
check "and sizes of folders" is "$(cat "$folder"/* | wc -c)" $db "SELECT j.value ->> 'bytes'
    FROM json_each(CAST(readfile('out') AS TEXT)) j WHERE j.value ->> 'run_key' = '$key'"
check "runs of nothing" try 2 runs none.db
cp $db hostile.db
sql hostile.db "UPDATE run SET label = char(27) || '[31m' || label; UPDATE experiment SET name = '../x/e2e'"
check "runs of a hostile database" try 0 runs hostile.db
check "are escaped" test "$(grep -c "$(printf '\033')" out)" = 0

# --- export ---

check "export of one of many" try 2 export $db w.safetensors --method "$one" --seed 1
check "lists the candidates" says err "2 runs match; choose one of them" "$key" "train.optimizer.lr=0.001" "L=16 seed=1"
check "and no others" lacks err "seed=2"
check "on a line each" test "$(grep -c '^poslab: ' err)" = 3
check "and writes nothing" test ! -e w.safetensors
check "export of one" try 0 export $db w.safetensors --method "$one" --seed 1 --setting train.optimizer.lr=0.001
check "is it" cmp w.safetensors "$(sql $db "SELECT 'x/e2e/' || key FROM run JOIN point ON run = key
    WHERE method = '$one' AND seed = 1 AND variant = 'train.optimizer.lr=0.001'")/model.safetensors"
check "export of none" try 2 export $db w.safetensors --method nosuch
check "lists what there is" says err "no run matches; its runs are:" "seed=2"
check "a key works as before" try 0 export $db "$key" w2.safetensors

# --- prune ---

check "nothing is to be pruned" try 0 prune $db -n
check "of this" test "$(<out)" = "$db: nothing to delete"
check "another sweep of the same name" try 0 run e2e.json -j 2 --db x/x.db --set 'sweep.train.optimizer.lr=[0.005]'
check "says which runs it leaves" says err "4 finished runs are no longer in 'e2e'"
gone=$(sql $db "SELECT group_concat(key) FROM (SELECT key FROM run WHERE key NOT IN (SELECT run FROM point) ORDER BY 1)")
IFS=, read -ra unused <<<"$gone"
check "leaves four runs" test ${#unused[@]} = 4
numbers $db >before
find x -type f | grep -v lock | sort | xargs sha256sum >files
unchanged() { diff before <(numbers $db) && diff files <(find x -type f | grep -v lock | sort | xargs sha256sum); }
check "prune -n" try 0 prune $db -n
check "lists them, and their folders" says out "8 of 8 would be deleted" "${unused[@]}" "x/e2e/${unused[0]}"
check "and deletes nothing" unchanged

cp -r x busy && touch "x/e2e/${unused[0]}/notes.txt"
exec 9<"x/e2e/${unused[1]}" && flock 9
try 0 run e2e.json -q --db x/neighbour.db --set "sweep.train.seed=[1]" --set "sweep.train.optimizer.lr=[0.001]" --set "sweep.method=[\"$one\"]"
shared=$(sql x/neighbour.db "SELECT key FROM run")
mkdir x/e2e/0123456789abcdef x/e2e/cluster x/e2e/0123456789ABCDEF
echo 1 >x/e2e/0123456789abcdef/log.txt
ln -s "$home/text" x/e2e/fedcba9876543210
check "prune" try 0 prune $db --json
reason() { is "$2" :memory: "SELECT value ->> 'kept' FROM json_each(CAST(readfile('out') AS TEXT)) WHERE value ->> 'what' = 'folder' AND value ->> 'run_key' = '$1'"; }
for unused_key in "${unused[@]}"; do
    case $unused_key in
    "$shared") wanted="'x/neighbour.db' has its run" ;;
    "${unused[0]}") wanted="it contains another file: notes.txt" ;;
    "${unused[1]}") wanted="a worker is using it" ;;
    *) wanted= ;;
    esac
    check "folder $unused_key: ${wanted:-deleted}" reason "$unused_key" "$wanted"
    check "as it says" test "${wanted:+kept}" = "$([ ! -e "x/e2e/$unused_key" ] || echo kept)"
done
check "a folder of an unknown run is deleted" test ! -e x/e2e/0123456789abcdef
check "what has another name is not" test -d x/e2e/cluster -a -d x/e2e/0123456789ABCDEF
check "a link is not followed" test -e text/1.txt -a -L x/e2e/fedcba9876543210
check "files of the user stay" test -e "x/e2e/${unused[0]}/notes.txt" -a -e "x/e2e/${unused[0]}/model.safetensors"
check "the runs are gone" is 0 $db "SELECT count(*) FROM run WHERE key NOT IN (SELECT run FROM point)"
check "the others have all of their results" diff <(sql $db "SELECT key FROM run ORDER BY 1") \
    <(for k in $(sql $db "SELECT DISTINCT run FROM evaluation ORDER BY 1"); do echo "$k"; [ -e "x/e2e/$k/model.safetensors" ]; done)
check "the database is sound" try 0 check $db
check "the neighbour, too" try 0 check x/neighbour.db
check "run has nothing to do" try 0 run e2e.json --db x/x.db --set 'sweep.train.optimizer.lr=[0.005]'
check "at all" says err "nothing to do: 4 of 4"
exec 9<&-
rm "x/e2e/${unused[0]}/notes.txt"
check "later" try 0 prune $db
check "the rest is deleted" test "$(find x/e2e -mindepth 1 -maxdepth 1 -type d -name '[0-9a-f]*' | grep -cE '/[0-9a-f]{16}$')" = $((4 + 1))
head -c 3000 x/neighbour.db >x/damaged.db
mkdir x/e2e/0123456789abcdef
check "with a database that cannot be read" try 5 prune $db
check "nothing is deleted" says err "x/damaged.db" "whose runs may be in the same folders"
check "indeed" test -d x/e2e/0123456789abcdef
rm x/damaged.db

exec 9<x/x.db.lock && flock 9
check "a database in use" try 5 prune $db
check "is refused" says err "is in use"
exec 9<&-
check "no database" try 2 prune none.db
check "and none is made" test ! -e none.db -a ! -e none.db.lock

mkdir hostile && cp $db hostile/x.db && mkdir outside outside/0123456789abcdef && touch outside/0123456789abcdef/log.txt
sql hostile/x.db "PRAGMA foreign_keys = OFF; INSERT INTO experiment (name, config, created) VALUES ('../outside', '{}', ''), ('.', '{}', ''), ('', '{}', '');
    INSERT INTO run SELECT '../../outside', method, method_options, label, train_length, seed, parameters, position_parameters, 'pending', NULL, config, corpus_id, NULL, NULL, $(sql $db "SELECT group_concat('NULL', ', ') FROM pragma_table_info('run') WHERE cid > 13") FROM run LIMIT 1"
check "a hostile database" try 0 prune hostile/x.db
check "deletes nothing outside" test -e outside/0123456789abcdef/log.txt -a -e text/1.txt

# A process that is killed leaves what the next one deletes.
cd busy || exit 1
for after in 1 3 6 20 60; do
    rm -rf k && cp -r . ../k$after && mv ../k$after k
    (cd k && LD_PRELOAD=$home/shim.so TORTURE_COUNTER=$home/k.$after TORTURE_ROLE=prune TORTURE_ACTION=kill TORTURE_AT=$after \
        "$POSLAB" prune x.db >/dev/null 2>&1)
    check "killed at change $after, it is sound" try 0 check k/x.db
    check "and the next one" try 0 prune k/x.db
    check "completes it" is 4 k/x.db "SELECT count(*) FROM run"
    check "in the folders, too" test "$(ls k/e2e | grep -cE '^[0-9a-f]{16}$')" = 4
done
cd .. || exit 1

# --- weights ---

check "prune --weights" try 0 prune busy/x.db --weights
check "of finished runs" says out "8 of 8 deleted"
check "leaves everything else" test "$(ls busy/e2e/*/log.txt | wc -l)" = 8
check "the database is sound" try 0 check busy/x.db
check "tables are as before" try 0 table busy/x.db
busy_key=$(sql busy/x.db "SELECT min(run) FROM point")
rm "busy/e2e/$busy_key/model.safetensors.pruned"
check "weights that were lost otherwise" try 4 check busy/x.db
check "are missed" says out "checkpoint 'busy/e2e/$busy_key/model.safetensors' is missing"

mkdir all two
check "merge --weights" try 0 merge all/x.db x/x.db --weights
check "copies them" says out "weights of 4 runs copied"
same() { for k in $(sql all/x.db "SELECT run FROM point"); do cmp "all/e2e/$k/model.safetensors" "x/e2e/$k/model.safetensors" || return; done; }
check "bit by bit" same
check "they can be evaluated" try 0 eval all/x.db --lengths 24
check "again" try 0 merge all/x.db x/x.db --weights
check "copies nothing" says out "weights of 0 runs copied"
kept=$(sql x/x.db "SELECT min(run) FROM point")
cp -r x damaged && printf x | dd of="damaged/e2e/$kept/model.safetensors" bs=1 seek=5000 conv=notrunc 2>/dev/null
check "damaged weights" try 1 merge two/x.db damaged/x.db --weights
check "are named and left out" says out "weights of run $kept were not copied" "weights of 3 runs copied"
check "and not copied" test ! -e "two/e2e/$kept/model.safetensors"
rm -rf two && mkdir two && cp -r x/. other/ 2>/dev/null || cp -r x other
cp "other/e2e/$(sql x/x.db "SELECT max(run) FROM point")/model.safetensors" "other/e2e/$kept/model.safetensors"
check "weights of another run" try 1 merge two/x.db other/x.db --weights
check "are refused" says out "holds the weights of another run"
sql other/x.db "UPDATE train_log SET loss = loss + 1 WHERE run = '$kept'"
rm -rf two && mkdir two && cp x/x.db two/
check "a run that is another one here" try 1 merge two/x.db other/x.db --weights
check "keeps its weights away" test ! -e "two/e2e/$kept/model.safetensors"
sql hostile/x.db "UPDATE experiment SET name = '../away' WHERE id = 1; DELETE FROM point; DELETE FROM run WHERE key LIKE '.%'"
mkdir -p hostile/away three && cp -r x/e2e/. away 2>/dev/null
check "merge of a hostile database" try 0 merge three/x.db hostile/x.db --weights
check "writes nothing elsewhere" test "$(find three -mindepth 1 | grep -v 'three/x.db')" = ""
done_testing
