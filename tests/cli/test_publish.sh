#!/usr/bin/env bash
# test_publish.sh: all files are written under a temporary name, synced and renamed, and their folder is synced. Every
# command that writes files runs under tests/faults/shim.c, which logs writes, syncs and renames. Before each rename
# the file must be synced, with no later write; after it the folder must be synced. Each file that exists at the end
# must have got its name by a rename, except those listed below. After the creation of a folder, or of a file for
# appending, the parent folder must be synced.
. "$(dirname "$0")/../tools/shell.sh"
plots=$root/plots papers=$root/results/paper
export TMPDIR=$home/tmp PATH=$home/bin:$PATH
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again

logged() { # logged CODE ARGUMENT...: poslab under the shim exits with CODE
    local code=$1
    shift
    LD_PRELOAD=$home/shim.so TORTURE_LOG=$home/calls "$POSLAB" "$@" >out 2>err </dev/null
    [ $? = "$code" ]
}

# Lists renames of files that were not synced after their last write, and created or renamed files whose folder was
# not synced before the same process wrote to another file. The log of a run, and locks, may be lost.
cat >unsynced.awk <<'END'
BEGIN { FS = "\t" }
function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
function complain() {
    for (key in open) if (split(key, part, SUBSEP) && part[1] == $1 && open[key] != $3) { print open[key] ": its folder is not synced"; delete open[key] }
}
$2 == "write" { complain(); synced[$3] = 0 }
$2 == "sync" { synced[$3] = 1; delete open[$1, $3] }
$2 == "make" && $3 !~ /\/(log.txt|train.jsonl)$/ { open[$1, folder($3)] = $3 }
$2 == "rename" {
    if (!synced[$3]) print $4 ": it is not synced before it gets its name"
    synced[$4] = synced[$3]
    open[$1, folder($4)] = $4
    renames++
}
END {
    for (key in open) print open[key] ": its folder is not synced"
    if (renames < 20) print renames + 0 " renames: the log is not whole"
}
END

# Exceptions: texts and configs of this test, databases (SQLite syncs them), locks, logs, and files that are only
# appended to. `program` is a copy that is also renamed.
published() {
    awk -F '\t' '$2 == "rename" { print $4 }' calls | sort -u >renamed
    find "$home/results" "$home/figures" "$home/tmp" -type f ! -name '*.db' ! -name '*.db.lock' ! -name log.txt ! -name train.jsonl ! -name '*.log' ! -name jobs |
        sort >there
    [ -s there ] && comm -13 renamed there >strangers && [ ! -s strangers ] && return
    echo "not renamed to:"
    cat strangers
    return 1
}

check "the shim" build_shim
mkdir bin text tmp figures
printf '#!/bin/sh\necho 1\n' >bin/sbatch
printf '#!/bin/sh\n' >bin/squeue
printf '#!/bin/sh\n' >bin/scontrol
chmod +x bin/*
write_texts 3 400
write_config -e 's/, "sinusoidal"//; s/1920/256/' -e 's/"length": 16/"checkpoint": 1e-6, &/'
sed 's/"e2e"/"later"/' e2e.json >later.json

db=results/e2e.db
check "run" logged 0 run e2e.json
check "eval" logged 0 eval $db --lengths 48
check "plot" logged 0 plot $db -o figures/curves.svg --template "$plots/curves.gp"
check "plot another format" logged 0 plot $db -o figures/curves.png --template "$plots/curves.gp"
check "report" logged 0 report $db -o figures/report.html --claims "$papers/claims.json"
key=$(sqlite3 -batch $db "SELECT min(key) FROM run")
check "export" logged 0 export $db "$key" figures/weights.safetensors
check "export of tokens" logged 0 export $db "$key" figures/tokens.safetensors --tokens valid
check "submit" logged 0 submit later.json
check "a task" logged 0 worker --task 1 results/later/cluster/1/manifest
check "the task again, with more to do" logged 0 submit later.json --set 'evaluate.multiples=[1,3]'
check "its task" logged 0 worker --task 1 results/later/cluster/2/manifest
check "collect" logged 1 collect later.json # the other run is lost
unsynced() {
    awk -f unsynced.awk calls >complaints && cat complaints && [ ! -s complaints ]
}
check "every file is synced, renamed, and its folder synced" unsynced
check "every file that is there was renamed to" published
for file in config.json requests.json model.safetensors result.db state.safetensors manifest task.sh program; do
    check "$file was published" grep -q "	rename	.*/$file\$" calls
done
for file in curves.svg curves.dat curves.png report.html weights.safetensors tokens.safetensors; do
    check "$file was published" grep -q "	rename	.*/figures/$file\$" calls
done
done_testing
