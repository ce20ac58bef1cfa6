#!/usr/bin/env bash
# test_mpi.sh: one run on several ranks, if poslab is built with MPI and mpirun is installed.
#
# N ranks of one thread must compute the same bits as N threads of one process. Evaluations have the same bits for any
# number of ranks; training agrees up to rounding for different numbers. After the death of a rank the run resumes
# from its last state.
. "$(dirname "$0")/../tools/shell.sh"

# The mpirun of the MPI that the program is built with; Debian may have several.
case $(ldd "$POSLAB" 2>/dev/null) in
*libmpich.so* | *libmpi.so.12*) name=mpich stranger=OMPI_COMM_WORLD_SIZE ;;
*libmpi.so*) name=openmpi stranger=PMI_SIZE ;;
*) name= ;;
esac
mpirun=$(command -v "mpirun.$name" || command -v mpirun)
if [ -z "$name" ] || [ -z "$mpirun" ]; then
    result 0 "ranks # SKIP built without MPI, or no mpirun"
    done_testing
fi
export OMPI_MCA_btl_vader_single_copy_mechanism=none # avoids a warning if ptrace is not allowed
export OMPI_MCA_mpi_yield_when_idle=1 # a rank that waits leaves the processor to the others
mpi=(timeout -k 5 400 "$mpirun")
if [ $name = openmpi ]; then
    mpi+=(--oversubscribe)
    [ "$(id -u)" != 0 ] || mpi+=(--allow-run-as-root)
fi

mkdir text bin
printf '#!/bin/bash\necho 7\n' >bin/sbatch
printf '#!/bin/bash\n' | tee bin/squeue >bin/scontrol
chmod +x bin/*
write_texts
write_config -e 's/\[1, 2\] }/[1] }/' -e 's/1920/960/'

run() { # run RANKS ARGUMENT...
    local ranks=$1
    shift
    "${mpi[@]}" -np "$ranks" "$POSLAB" run "$@" >out 2>err </dev/null
}

near() { # near DB DB: final losses agree to rounding
    [ "$(sqlite3 :memory: "ATTACH '$1' AS a; ATTACH '$2' AS b; SELECT count(*) > 0 AND max(abs(x.final_loss - y.final_loss)) < 1e-4
        FROM a.run x JOIN b.run y USING (key)")" = 1 ]
}

for n in 1 2 3 5; do # an update has four sequences, so that a fifth rank is idle
    check "$n ranks" run $n e2e.json --db "$n/x.db"
    check "$n threads" "$POSLAB" run e2e.json -q --db "$n-threads/x.db" --threads $n
    check "compute the same as $n ranks, bit for bit" same_numbers "$n/x.db" "$n-threads/x.db"
    check "and nearly the same as one" near 1/x.db "$n/x.db"
    check "how many there were is stored" test "$(sqlite3 "$n/x.db" "SELECT DISTINCT ranks FROM run")" = $n
done
check "3 ranks again" run 3 e2e.json -q --db again/x.db
check "compute the same, bit for bit" same_numbers 3/x.db again/x.db
# In the first stage an update has two sequences, so that a third rank is idle until the second stage.
stages='train.stages=[{"length":32,"share":0.3},{"length":8,"share":0.3}]'
check "3 ranks in stages" run 3 e2e.json -q --db staged/x.db --set "$stages"
check "3 threads" "$POSLAB" run e2e.json -q --db staged-threads/x.db --threads 3 --set "$stages"
check "compute the same, bit for bit, in stages" same_numbers staged/x.db staged-threads/x.db
growth='train.growth={"block":1}' # a cache is emptied when the model grows
check "3 ranks with growth" run 3 e2e.json -q --db grown/x.db --set "$growth" --set train.cache=24
check "3 threads with growth" "$POSLAB" run e2e.json -q --db grown-threads/x.db --threads 3 --set "$growth" --set train.cache=24
check "compute the same, bit for bit, with growth" same_numbers grown/x.db grown-threads/x.db
cached='evaluate.protocols=["cached","token"]'
check "3 ranks with a cache" run 3 e2e.json -q --db cached/x.db --set train.cache=24 --set "$cached"
check "3 threads with a cache" "$POSLAB" run e2e.json -q --db cached-threads/x.db --threads 3 --set train.cache=24 --set "$cached"
check "compute the same, bit for bit, with a cache" same_numbers cached/x.db cached-threads/x.db
from='sweep=[{"method":["'$one'"],"train.length":[32],"train.from":[{"method":"'$one'"}]},{"method":["'$one'"]}]'
check "3 ranks continue a run" run 3 e2e.json -q --db continued/x.db --set "$from"
check "3 threads" "$POSLAB" run e2e.json -q --db continued-threads/x.db --threads 3 --set "$from"
check "compute the same, bit for bit, after that" same_numbers continued/x.db continued-threads/x.db
check "ranks and threads together" run 2 e2e.json -q --db mixed/x.db --threads 2
check "nearly the same" near 1/x.db mixed/x.db

# The same weights are evaluated at more lengths by one process and by three.
cp -r 1 e1 && cp -r 1 e3
check "evaluation by one" "$POSLAB" eval e1/x.db --lengths 8,24,48 --protocol strided:0.25 -q
check "evaluation by three ranks" "${mpi[@]}" -np 3 "$POSLAB" eval e3/x.db --lengths 8,24,48 --protocol strided:0.25 -q
check "gives the same bits" same_numbers e1/x.db e3/x.db

# Tasks: rows with different numbers of targets, a finite set, an early end, positions that are drawn or given.
cat >task.json <<'END'
{ "name": "task",
  "data": { "task": { "name": "sort", "size": [1, 5], "numbers": 9, "examples": 2000, "hint": { "name": "count", "share": 0.3 } } },
  "model": { "layers": 2, "heads": 2, "width": 16, "ffn": 32, "max_tokens_in_flight": 60 },
  "train": { "length": 13, "tokens": 13000, "tokens_per_step": 143, "checkpoint": 0, "until": { "exact": 0.001, "updates": 40 } },
  "evaluate": { "task": { "sizes": [2, 6], "examples": 37 } },
  "sweep": { "method": ["METHODS"] } }
END
methods=none
for method in rotary randomised; do ! has $method || methods="$methods\", \"$method"; done
sed -i "s/METHODS/$methods/" task.json
for n in 1 2 3; do
    check "a task on $n ranks" run $n task.json --db "task$n/x.db"
    check "and on $n threads" "$POSLAB" run task.json -q --db "task$n-threads/x.db" --threads $n
    check "compute the same, bit for bit" same_numbers "task$n/x.db" "task$n-threads/x.db"
done
cp -r task1 task1-one && cp -r task1 task1-three
check "evaluation of a task by one" "$POSLAB" eval task1-one/x.db --sizes 1,9 --examples 50 --hint fill -q
check "evaluation of a task by three ranks" "${mpi[@]}" -np 3 "$POSLAB" eval task1-three/x.db --sizes 1,9 --examples 50 --hint fill -q
check "gives the same examples, bit for bit" same_numbers task1-one/x.db task1-three/x.db
check "of which there are as many as asked for" is "50 50" task1-three/x.db "SELECT min(n) || ' ' || max(n) FROM
    (SELECT count(*) AS n FROM task_example k JOIN evaluation e ON e.id = k.evaluation WHERE split = 'fill' GROUP BY e.id)"

# One of three ranks is killed during a longer run, with a cache, of which each rank has a part. Its environment has the rank number from mpirun.
sed -e 's/"e2e"/"long"/' -e 's/960/64000/' -e "s/, \"$two\"//" \
    -e 's/"length": 16/"checkpoint": 1e-6, "cache": 24, &/' e2e.json >long.json
second_rank() {
    local pid
    for pid in $(grep -lsF "HOME_OF_TEST=$home" /proc/[0-9]*/environ | cut -d / -f 3); do
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qE '^(OMPI_COMM_WORLD_RANK|PMI_RANK)=1$' && echo "$pid" && return
    done
    return 1
}
HOME_OF_TEST=$home "${mpi[@]}" -np 3 "$POSLAB" run long.json --db killed/x.db >out 2>err </dev/null &
job=$!
eventually 60 exists 'killed/long/*/state.safetensors'
victim=$(second_rank)
check "a run of three ranks saves its state" test -n "$victim"
kill -KILL "$victim"
wait $job 2>/dev/null
check "one killed: the others end" test $? != 0
check "with a message that says so" grep -qiE 'killed|signal 9|KILLED BY SIGNAL' out err
check "none is left" test -z "$(grep -lsF "HOME_OF_TEST=$home" /proc/[0-9]*/environ)"
check "it resumes from its state" run 3 long.json --db killed/x.db --set train.checkpoint=60
check "and says so" grep -q 'resuming from step' err
check "the same run, not interrupted" run 3 long.json -q --db whole/x.db --set train.checkpoint=60
check "has the same numbers, bit for bit" same_numbers killed/x.db whole/x.db

if "${mpi[@]}" -np 2 "$POSLAB" run e2e.json -q --db jobs/x.db -j 2 >out 2>err; then got=0; else got=$?; fi
check "ranks and --jobs are not for each other" test $got = 2
check "and it says so" grep -q 'leave out --jobs' err
if "${mpi[@]}" -np 2 "$POSLAB" run e2e.json -q --db most/x.db --threads 257 >out 2>err; then got=0; else got=$?; fi
check "more threads than there may be" test $got = 2
check "and it says so, once" test "$(grep -c 'threads takes a whole number from 1 to 256' err)" = 1
check "started by the mpirun of another MPI it does not do all runs twice" test "$(env $stranger=2 "$POSLAB" run e2e.json -q --db other/x.db >out 2>err
    echo $?)" = 2
check "and says so" grep -q "another MPI's mpirun" err
# A manifest that exists only on the node of one rank.
check "a task" test "$(PATH=$home/bin:$PATH "$POSLAB" submit e2e.json --db task/x.db >out 2>err; echo $?)" = 0
manifest=task/e2e/cluster/1/manifest
check "without its manifest on another node ends all ranks" test "$(timeout 60 "${mpi[@]}" -np 1 "$POSLAB" worker --task 1 $manifest : \
    -np 1 "$POSLAB" worker --task 1 nowhere >out 2>err; echo $?)" = 5
check "and says why" grep -q "cannot read manifest 'nowhere'" err
sed -e 's/"long"/"slow"/' -e 's/64000/6400000/' long.json >slow.json
check "a longer task" test "$(PATH=$home/bin:$PATH "$POSLAB" submit slow.json --db slow/x.db >out 2>err; echo $?)" = 0
"${mpi[@]}" -np 2 "$POSLAB" worker --task 1 slow/slow/cluster/1/manifest >out 2>err </dev/null &
job=$!
eventually 60 exists 'slow/slow/*/state.safetensors'
pkill -USR1 -P $job mpirun
wait $job
code=$?
check "warned, it saves its state" grep -q 'stopped at step' err
[ $name != mpich ] || [ $code != 0 ] || code=75 # it may lose an exit code (pmodels/mpich issue 7057), which the batch script handles
check "and ends with 75" test $code = 75
check "a config that is not there ends all ranks" test "$("${mpi[@]}" -np 2 "$POSLAB" run nowhere.json >out 2>err; echo $?)" = 2
done_testing
