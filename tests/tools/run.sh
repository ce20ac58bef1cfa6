#!/usr/bin/env bash
# run.sh COMMAND...: runs test commands, JOBS at a time, and counts their results.
#
# Programs of cmocka and shell scripts print TAP lines ("ok 1 - name", "not ok 2 - name"), which are counted. A
# command without them is one test, passed if it exits with 0. A command that fails without a failed test (it crashed,
# could not start, or took longer than LIMIT) is one failed test. Failures are printed, then the ten slowest commands;
# the last line is the total. Wall and processor time of every command are stored in TIMES (build/test-times), slowest
# first; a command that was not run keeps its line.
set -u
limit=${LIMIT:-20m}
times=${TIMES:-build/test-times}
export CMOCKA_MESSAGE_OUTPUT=tap
jobs=${JOBS:-$(nproc 2>/dev/null || echo 1)} # before the next line, because nproc uses OMP_NUM_THREADS
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 # tests use small matrices; workers set their own values
# Without it, a program that finds kernels too old for the processor executes itself again: two starts for each command.
kernels=$(./poslab --version 2>/dev/null | sed -n 's/^BLAS: .* core //p')
[ -z "$kernels" ] || export OPENBLAS_CORETYPE="${OPENBLAS_CORETYPE:-$kernels}"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0 skipped=0 finished=0
commands=("$@")

# start NUMBER: runs the command, which writes NUMBER.output and, at its end, NUMBER.status: exit status and seconds.
# NUMBER.time has the seconds of the clock, and of the processor in the program and in the kernel.
start() {
    {
        TIMEFORMAT='%R %U %S'
        { time timeout -k 10 "$limit" bash -c "${commands[$1]}" >"$folder/$1.output" 2>&1 </dev/null; } 2>"$folder/$1.time"
        echo "$? $(cut -d . -f 1 "$folder/$1.time")" >"$folder/$1.status"
    } &
}

# table: "seconds processor command" for all finished commands, slowest first.
table() {
    local number
    for number in "${!commands[@]}"; do
        [ -s "$folder/$number.status" ] || continue
        awk -v command="${commands[number]//\\/\\\\}" 'NF == 3 { printf "%8.1f %8.1f %s\n", $1, $2 + $3, command }' "$folder/$number.time"
    done | sort -rn
}

# report NUMBER: counts the results of a finished command.
report() {
    local output=$folder/$1.output command=${commands[$1]} status seconds skip bad good result
    read -r status seconds <"$folder/$1.status"
    skip=$(grep -cE '^(not )?ok\b.*# SKIP' "$output")
    bad=$(grep -E '^not ok\b' "$output" | grep -vc '# SKIP')
    good=$(grep -E '^ok\b' "$output" | grep -vc '# SKIP')
    [ $((good + bad + skip)) != 0 ] || [ "$status" != 0 ] || good=1
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        bad=1
        echo "exit status $status" >>"$output"
    fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skip))
    result="$good passed"
    [ "$skip" = 0 ] || result="$result, $skip skipped"
    [ "$bad" = 0 ] || result="$result, $bad FAILED"
    echo "$command: $result ($seconds s)"
    [ "$bad" = 0 ] || sed 's/^/    /' "$output"
}

# Results are printed in the order of the commands.
for number in "${!commands[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    start "$number"
    while [ -s "$folder/$finished.status" ]; do report $((finished++)); done
done
wait
while [ -s "$folder/$finished.status" ]; do report $((finished++)); done
[ $finished = $# ] || failed=$((failed + 1))

table >"$folder/table"
if [ -d "$(dirname "$times")" ]; then
    [ ! -e "$times" ] || awk 'NR == FNR { $1 = $2 = ""; ran[$0]; next } { line = $0; $1 = $2 = "" } !($0 in ran) { print line }' \
        "$folder/table" "$times" >"$folder/others"
    cat "$folder/table" "$folder/others" 2>/dev/null | sort -rn >"$times.new" && mv "$times.new" "$times"
fi
if [ $# -gt 1 ]; then
    echo "The slowest (seconds, of them at work, command):"
    head -10 "$folder/table"
fi

summary="$passed passed, $failed failed"
[ $skipped = 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ $failed = 0 ] && [ $passed != 0 ]
