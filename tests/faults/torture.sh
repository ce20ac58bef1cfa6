#!/usr/bin/env bash
# torture.sh [FULL [EVERY]]: a tiny sweep, killed or with failed writes at every place, must end with the same results.
#
# Without arguments it tests a few places, for `make test`; `make torture` passes FULL and tests every EVERYth place
# (1). A place is the n-th call that changes a file, of the runner or of its workers, as counted by shim.c. After each
# attempt the same command is repeated until it succeeds; then all losses in the database (to the last bit) and the
# weights (by cmp) must be those of an undisturbed sweep, and `poslab check` must find no problem. Loss of power is
# not tested.
. "$(dirname "$0")/../tools/shell.sh"
full=${1:-} every=${2:-1}
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again
export TMPDIR=$home RANDOM_SEED=${RANDOM_SEED:-1}
RANDOM=$RANDOM_SEED
build_shim || exit 1

write_texts 3 400
cat >tiny.json <<'END'
{ "name": "tiny", "data": { "files": ["text/*.txt"], "split": { "valid": 0.1, "test": 0.05 } },
  "model": { "layers": 1, "heads": 2, "width": 8, "ffn": 16 },
  "train": { "length": 8, "tokens": 96, "tokens_per_step": 32, "checkpoint": 1e-6 },
  "evaluate": { "tokens": 200, "multiples": [1, 2] }, "method": "alibi", "sweep": { "train.seed": [1, 2] } }
END
has alibi || sed -i s/alibi/kerple/ tiny.json # if its file is deleted
sed 's/"tokens": 96/"tokens": 6400/; s/\[1, 2\] } }/[1, 2, 3, 4, 5, 6, 7, 8] } }/; s/"tiny"/"many"/' tiny.json >many.json

bad() { # bad WHAT: reports a failure
    echo "not ok - $1"
    sed 's/^/    # /' err 2>/dev/null | tail -5
    failed=$((failed + 1))
}

run() { # run DB ARGUMENT...
    local db=$1
    shift
    "$POSLAB" run "${config:-tiny.json}" -q --db "$db" "$@" >out 2>err </dev/null
}

# same DB WHAT: compares with the undisturbed sweep of the same config.
same() {
    local folder=${1%/*} name=${config:-tiny.json}
    name=${name%.json}
    cmp -s <(numbers "$1") "$name.numbers" || { bad "$2: the numbers differ"; return; }
    (cd "$folder/$name" && sha256sum ./*/model.safetensors) | cmp -s - "$name.weights" || { bad "$2: the weights differ"; return; }
    [ -z "$(find "$folder" -name 'state*' -o -name 'result.db*' -o -name '*.tmp' -o -name '*-journal')" ] ||
        { bad "$2: something is left over"; return; }
    "$POSLAB" check "$1" >err 2>&1 || bad "$2: check finds something"
}

finish() { # finish DB WHAT: repeats the command until it succeeds; at most three times
    local i
    for i in 1 2 3; do run "$1" && break; done
    same "$1" "$2"
}

for config in tiny many; do
    config=$config.json
    [ $config = tiny.json ] || [ -n "$full" ] || continue
    run "$home/whole/x.db" -j 2 || { bad "the undisturbed sweep"; exit 1; }
    numbers whole/x.db >${config%.json}.numbers
    (cd whole/${config%.json} && sha256sum ./*/model.safetensors) >${config%.json}.weights
    rm -r whole
done
config=tiny.json

# strike ROLE ACTION AT FOREVER ARGUMENT...: runs poslab with one failing call; returns the exit code
strike() {
    local role=$1 action=$2 at=$3 forever=$4
    shift 4
    rm -f counter
    LD_PRELOAD=$home/shim.so TORTURE_COUNTER=$home/counter TORTURE_ROLE=$role TORTURE_ACTION=$action TORTURE_AT=$at \
        TORTURE_FOREVER=$forever "$POSLAB" "$@" >out 2>err </dev/null
}
hurt() { # hurt ROLE ACTION AT FOREVER DB [ARGUMENT...]: the sweep
    local db=$5
    strike "${@:1:4}" run "$config" -q --db "$db" "${@:6}"
}
count() { od -An -t d8 counter | tr -d ' '; }

declare -A calls
for role in runner worker; do
    rm -rf x
    hurt $role none 0 0 "$home/x/x.db" 2>/dev/null
    calls[$role]=$(count)
    same x/x.db "counting"
    echo "# ${calls[$role]} calls of ${role}s change files"
    [ "${calls[$role]}" -gt 50 ] || bad "the shim counts"
done

# --- the effects of a failure ---

is() { # is WANTED QUERY WHAT
    local got
    got=$(sqlite3 -batch x/x.db "$2")
    [ "$got" = "$1" ] || bad "$3: '$got' instead of '$1'"
}
exits() { # exits CODE WHAT COMMAND...
    local code=$1 what=$2 got
    shift 2
    "$@" >out 2>err </dev/null
    got=$?
    [ $got = "$code" ] || bad "$what: exit code $got instead of $code"
}

rm -rf x
hurt worker kill 40 0 "$home/x/x.db" --retries 1 || bad "--retries: exit code $?"
same x/x.db "a worker killed, with --retries 1"

rm -rf x
hurt worker kill 40 0 "$home/x/x.db"
[ $? = 1 ] || bad "a worker killed: exit code"
is "1|1" "SELECT sum(status = 'done'), sum(status = 'failed' AND reason LIKE 'killed by signal 9%') FROM run" "one failed"
exits 0 "--retry failed" run "$home/x/x.db" --retry failed
same x/x.db "--retry failed"

rm -rf x
hurt worker stop 40 0 "$home/x/x.db" --timeout 1
[ $? = 1 ] || bad "a worker that hangs: exit code"
is "1|1" "SELECT sum(status = 'done'), sum(reason LIKE 'no progress for 1 second%') FROM run" "one overdue"
finish x/x.db "a worker that hangs"

# Kills the worker at the first place at which its run has two states; sets place and state.
place=160
with_two_states() {
    for (( ; place < 300; place += 3)); do
        rm -rf x
        hurt worker kill "$place" 0 "$home/x/x.db"
        state=$(compgen -G 'x/tiny/*/state.safetensors' | head -1)
        [ -n "$state" ] && [ -e "$state.old" ] && return
    done
    bad "two generations of states"
}
for damage in flip cut both; do # leaves the older of two states, or none
    with_two_states
    [ $damage = cut ] || printf 'X' | dd of="$state" bs=1 seek=900 conv=notrunc status=none
    [ $damage = flip ] || truncate -s -1 "$state"
    [ $damage != both ] || truncate -s 20 "$state.old"
    exits 0 "a damaged state ($damage)" "$POSLAB" run tiny.json --db "$home/x/x.db"
    grep -q "trying the older state" err || bad "a damaged state ($damage) is named"
    [ $damage != both ] || grep -q "starting over" err || bad "two damaged states are named"
    same x/x.db "a damaged state ($damage)"
done

run "$home/x/x.db" --set 'sweep.train.seed=[2]' || bad "a seed removed: exit code $?"
is "1|2|4" "SELECT (SELECT count(*) FROM point), (SELECT count(*) FROM run), (SELECT count(*) FROM evaluation)" "a seed removed"
is "1" "SELECT count(DISTINCT run_key) FROM curve" "a seed removed, curves"
run "$home/x/x.db"
same x/x.db "a seed put back"

rm -rf x
hurt worker stop 40 0 "$home/x/x.db" --timeout 5 &
for ((i = 0; i < 100; i++)); do [ -s x/x.db.lock ] && break || sleep 0.05; done
exits 5 "a second run at the same time" run "$home/x/x.db"
grep -q "in use by process [0-9]" err || bad "it says who has the database"
wait $!
finish x/x.db "two runs at once"

# --- check and merge ---

cp -r x kept
model=$(ls x/tiny/*/model.safetensors | head -1)
printf 'X' | dd of="$model" bs=1 seek=700 conv=notrunc status=none
exits 4 "check of damaged weights" "$POSLAB" check x/x.db
grep -q "$model.* is damaged" out || bad "check names the weights"
rm "$model"
exits 4 "check of lost weights" "$POSLAB" check x/x.db
sqlite3 x/x.db "UPDATE evaluation_window SET tokens = tokens + 1 WHERE evaluation = 1 AND window = 0;
    UPDATE evaluation SET nll_sum = nll_sum * 1.001 WHERE id = 2; DELETE FROM train_log WHERE step = 2"
exits 4 "check of rows" "$POSLAB" check x/x.db
for word in "windows have" "not the sum of its windows" "not the sum of its positions" "2 of 3 updates"; do
    grep -q "$word" out || bad "check says '$word'"
done
exits 2 "a folder as config" "$POSLAB" run text
key=$(basename "$(dirname "$(ls kept/tiny/*/model.safetensors | tail -1)")")
cp -r kept wrong
run "$home/wrong2/x.db" --set model.width=16 || bad "a wider model"
exits 0 "weights of another model" "$POSLAB" export wrong2/x.db "$(sqlite3 wrong2/x.db 'SELECT max(key) FROM run')" wide.safetensors
# The checksum is valid and the key is made to match: only the shapes differ.
LC_ALL=C perl -0777 -e 'use Digest::SHA "sha256_hex"; my ($key, $from, $to) = @ARGV; open F, "<:raw", $from; my $all = <F>;
    my $size = unpack "Q<", $all; my ($head, $data) = (substr($all, 8, $size), substr($all, 8 + $size));
    $head =~ s/"key":"[0-9a-f]+"/"key":"$key"/; $head =~ s/"sha256":"[0-9a-f]{64}"/"sha256":"${\ ("0" x 64)}"/;
    my $sum = sha256_hex($head . $data); $head =~ s/0{64}/$sum/; open T, ">:raw", $to; print T pack("Q<", $size), $head, $data' \
    "$key" wide.safetensors "wrong/tiny/$key/model.safetensors"
exits 4 "check of the weights of another model" "$POSLAB" check wrong/x.db
grep -q "another shape" out || bad "check says that shapes differ"
exits 4 "export of the weights of another model" "$POSLAB" export wrong/x.db "$key" wide.safetensors
exits 1 "eval of the weights of another model" "$POSLAB" eval wrong/x.db --run "$key" --lengths 40
exits 0 "merge into a new database" "$POSLAB" merge merged.db kept/x.db
sqlite3 merged.db .dump >before
cmp -s <(numbers merged.db) tiny.numbers || bad "what is merged is what was there"
exits 0 "merge again" "$POSLAB" merge merged.db kept/x.db kept/x.db
exits 1 "merge of what differs" "$POSLAB" merge merged.db x/x.db
grep -q "conflict in run .* differs" out || bad "merge names the conflict"
cmp -s <(sqlite3 merged.db .dump) before || bad "merge changes what is there"
cp -r kept x2 && sqlite3 x2/x.db "UPDATE run SET status = 'failed', reason = 'x'"
exits 0 "merge of failures" "$POSLAB" merge merged.db x2/x.db
cmp -s <(sqlite3 merged.db .dump) before || bad "a failure elsewhere changes what is done here"
sqlite3 x2/x.db "PRAGMA user_version = 99"
exits 4 "merge of a newer database" "$POSLAB" merge merged.db x2/x.db
printf 'no database' >x2/y.db
exits 4 "merge of no database" "$POSLAB" merge merged.db x2/y.db
cmp -s <(sqlite3 merged.db .dump) before || bad "a refused merge changes what is there"

# --- memory ---

limited() { # limited KIB COMMAND...: limits the address space; a program that hangs is stopped
    local size=$1
    shift
    (ulimit -v "$size"; unset OPENBLAS_NUM_THREADS OMP_NUM_THREADS GOTO_NUM_THREADS; exec timeout 60 "$@")
}
exits 5 "no room for the libraries" limited 150000 "$POSLAB" plan tiny.json
grep -q "ulimit -v" err || bad "it says which limit"
exits 2 "no room for a model" limited 300000 "$POSLAB" run tiny.json -n --set model.width=4096
grep -q "needs .* to train, the machine has" err || bad "it says what is needed"
rm -rf x
exits 0 "room enough" limited 400000 "$POSLAB" run tiny.json -q --db "$home/x/x.db"
same x/x.db "under a limit"

# --- a run shared by experiments ---

rm -rf x
sed 's/"tiny"/"other"/; s/\[1, 2\] }, "method/[1, 2, 3] }, "method/' tiny.json >other.json
run "$home/x/x.db" || bad "the first of two experiments"
config=other.json
exits 0 "the second of two experiments" "$POSLAB" run other.json --db "$home/x/x.db"
exits 0 "check of two experiments" "$POSLAB" check x/x.db
is "6|2|2" "SELECT (SELECT count(*) FROM evaluation), count(*), (SELECT sum(r.finished >= r.started) FROM run r) FROM run" "shared runs"
[ "$(find x -name model.safetensors | wc -l)$(grep -c training err)" = 20 ] || bad "a shared run is trained again"
for name in tiny other; do
    "$POSLAB" eval x/x.db --experiment $name --lengths 20,24 -q >out 2>err || bad "eval of shared runs, as $name"
done
mv x/tiny x/gone
exits 0 "weights in no folder" "$POSLAB" check x/x.db
grep -q "2 trained runs have no folder here" out || bad "check counts runs without a folder"
exits 1 "eval without weights" "$POSLAB" eval x/x.db --experiment other --lengths 40
grep -q "no weights .*poslab run" err || bad "eval says that weights are gone"
mv x/gone x/tiny
config=tiny.json

# --- two valid states at every moment, once there are two ---

# two_states WHAT: checks the runs in training; `had` lists those that had two states before.
declare -A had
two_states() {
    local folder states
    for folder in x/tiny/*/; do
        [ -e "$folder/model.safetensors" ] && continue # it is trained
        states=$(find "$folder" -name 'state.safetensors' -o -name 'state.safetensors.new' -o -name 'state.safetensors.old' | wc -l)
        [ "$states" -lt 2 ] || had[$folder]=1
        [ "$states" -ge 2 ] || [ -z "${had[$folder]:-}" ] || bad "$1: only $states states"
        [ "$states" = 0 ] || "$POSLAB" check x/x.db >err 2>&1 || bad "$1: a damaged state"
    done
}
for ((k = 25; k < 45; k++)); do
    rm -rf x
    { hurt worker kill $k 0 "$home/x/x.db"; } 2>/dev/null
    two_states "worker killed at call $k"
done
[ ${#had[@]} = 1 ] || bad "two states"

# --- kills at each place; every third time a second kill during the repetition ---

places=0 doubles=0 had=()
step=$every
for role in runner worker; do
    [ -n "$full" ] || step=$((calls[$role] / 12))
    for ((k = 1; k <= calls[$role]; k += step)); do
        rm -rf x
        { hurt $role kill $k 0 "$home/x/x.db"; } 2>/dev/null
        [ $role = runner ] || two_states "worker killed at call $k"
        places=$((places + 1))
        if ((places % 3 == 0)); then
            { hurt $role kill $((k % 61 + 1)) 0 "$home/x/x.db"; } 2>/dev/null
            doubles=$((doubles + 1))
        fi
        finish x/x.db "$role killed at call $k"
    done
done
echo "# SIGKILL at $places places, $doubles of them twice"

# --- full disk, failing disk ---

starved=0 refused=0
for role in runner worker; do
    for action in ENOSPC EIO; do
        for forever in 0 1; do
            [ -n "$full" ] || step=$((calls[$role] / 3))
            for ((k = 1; k <= calls[$role]; k += step)); do
                rm -rf x
                hurt $role $action $k $forever "$home/x/x.db"
                code=$?
                what="$role, $action at call $k$([ $forever = 0 ] || echo ' and ever after')"
                starved=$((starved + 1)) refused=$((refused + (code == 5)))
                # Some calls may fail without harm (a journal's directory, a log); a failed command must report it.
                [ $code = 5 ] || [ $code = 0 ] || bad "$what: exit code $code"
                [ $code = 0 ] || grep -q '^poslab: ' err || bad "$what: no message"
                finish x/x.db "$what"
            done
        done
    done
done
echo "# ENOSPC or EIO at $starved places, $refused ended with exit code 5, the others did without"
[ $refused -gt $((starved / 2)) ] || bad "errors are reported"

# --- other commands that write ---

# writes FILE EVERY COMMAND...: each call of a command that makes FILE fails in turn. The command must exit with 5 and
# a message, or make FILE anyway (a report may note missing figures). FILE must be the old or the complete new file,
# without other files next to it.
writes() {
    local file=$1 step=$2 action forever k code what calls
    shift 2
    strike runner none 0 0 "$@" || bad "$1: exit code $?"
    calls=$(count)
    cp "$file" whole_output
    [ -n "$full" ] || step=$((calls / 3))
    for action in ENOSPC EIO kill; do
        for forever in 0 1; do
            [ $action$forever != kill1 ] || continue
            for ((k = 1; k <= calls; k += step)); do
                echo before >"$file"
                { strike runner $action $k $forever "$@"; } 2>/dev/null
                code=$?
                what="$1, $action at call $k$([ $forever = 0 ] || echo ' and ever after')"
                starved=$((starved + 1)) refused=$((refused + (code == 5)))
                case $action$code in
                *0) cmp -s "$file" whole_output || grep -q "^poslab: Not all figures" err || bad "$what: exit code 0, but not what was to be written" ;;
                kill137) ;;
                *5) grep -q '^poslab: ' err || bad "$what: no message" ;;
                *) bad "$what: exit code $code" ;;
                esac
                [ "$file" = out ] || cmp -s "$file" whole_output || [ "$(cat "$file")" = before ] ||
                    grep -q "Not all figures" "$file" || bad "$what: neither old nor new"
                [ $action = kill ] || [ ! -e "$file.tmp" ] || bad "$what: something is left over"
                rm -f "$file.tmp"
            done
        done
    done
}

# stores DB COMMAND...: each call of a command that changes copy.db, a copy of DB, fails in turn; repeating the
# command must have the same result.
stores() {
    local from=$1 action k calls step=$every
    shift
    rm -f copy.db*
    cp "$from" copy.db
    strike runner none 0 0 "$@" || bad "$1: exit code $?"
    calls=$(count)
    sqlite3 copy.db .dump >whole_output
    [ -n "$full" ] || step=$((calls / 4))
    for action in ENOSPC EIO kill; do
        for ((k = 1; k <= calls; k += step)); do
            rm -f copy.db*
            cp "$from" copy.db
            { strike runner $action $k 0 "$@"; } 2>/dev/null
            case $action$? in
            *0 | kill137) ;;
            *5) grep -q '^poslab: ' err || bad "$1, $action at call $k: no message" ;;
            *) bad "$1, $action at call $k: exit code" ;;
            esac
            exits 0 "$1 again, after $action at call $k" "$POSLAB" "$@"
            cmp -s <(sqlite3 copy.db .dump) whole_output || bad "$1, $action at call $k: not as it should be"
            starved=$((starved + 1))
        done
    done
}

rm -rf x
run "$home/x/x.db"
starved=0 refused=0
key=$(sqlite3 x/x.db 'SELECT key FROM run LIMIT 1')
writes weights.safetensors "$every" export x/x.db "$key" weights.safetensors
writes out "$every" table x/x.db --format latex
writes figure.svg "$every" plot x/x.db -o figure.svg
writes page.html $((7 * every)) report x/x.db -o page.html
"$POSLAB" run tiny.json -q --db y/y.db --set 'sweep.train.seed=[2, 3]' 2>err || bad "a database to merge"
sqlite3 version1.db <"$fixtures/version1.sql" || bad "a database of schema version 1"
stores version1.db status copy.db # upgrades it
stores x/x.db merge copy.db y/y.db
stores x/x.db reference copy.db "$root/results/paper/perplexity.csv"
echo "# other commands, ENOSPC, EIO or SIGKILL at $starved places"

# --- random times ---

if [ -n "$full" ]; then
    config=many.json kills=0
    for jobs in 1 2 8; do
        for ((round = 0; round < 5; round++)); do
            rm -rf x
            for ((i = 0; i < 40; i++)); do
                "$POSLAB" run $config -q --db "$home/x/x.db" -j $jobs 2>err &
                runner=$!
                sleep ".$(printf %02d $((RANDOM % 30 + 3)))"
                victim=$runner
                worker=$(grep -lsE "^PPid:[[:space:]]*$runner\$" /proc/[0-9]*/status | cut -d / -f 3 | head -1)
                if ((RANDOM % 2)) && [ -n "$worker" ]; then victim=$worker; fi
                { kill -KILL "$victim" && kills=$((kills + 1)); wait $runner; } 2>/dev/null && break
            done
            finish x/x.db "random kills, -j $jobs, round $round"
            [ "$(sqlite3 x/x.db 'SELECT count(*), count(DISTINCT run) FROM point')" = "8|8" ] || bad "every point exactly once"
        done
    done
    echo "# $kills kills at random times with 1, 2 and 8 workers"
fi

[ $failed = 0 ] && echo "ok - torture: ${SECONDS} s"
[ $failed = 0 ]
