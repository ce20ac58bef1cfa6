#!/usr/bin/env bash
# run.sh COMMAND...: runs shell commands that test something, and counts.
#
# A cmocka program counts its tests (TAP lines: "ok 1 - name", "not ok 2 - name"); so does a shell script that prints
# such lines. A command without them is one test, passed if it exits with 0. A command that fails without a failed
# test (it crashed, could not start, or took longer than LIMIT) is one failed test. What failed is shown; the last
# line is the sum.
set -u
limit=${LIMIT:-20m}
export CMOCKA_MESSAGE_OUTPUT=tap
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 # the tests' matrices are small; workers set their own
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed=0 failed=0 skipped=0

for command; do
    start=$SECONDS
    timeout -k 10 "$limit" bash -c "$command" >"$output" 2>&1 </dev/null
    status=$?
    skip=$(grep -cE '^(not )?ok\b.*# SKIP' "$output")
    bad=$(grep -E '^not ok\b' "$output" | grep -vc '# SKIP')
    good=$(grep -E '^ok\b' "$output" | grep -vc '# SKIP')
    [ $((good + bad + skip)) != 0 ] || [ $status != 0 ] || good=1
    if [ $status != 0 ] && [ "$bad" = 0 ]; then
        bad=1
        echo "exit status $status" >>"$output"
    fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skip))
    result="$good passed"
    [ "$skip" = 0 ] || result="$result, $skip skipped"
    [ "$bad" = 0 ] || result="$result, $bad FAILED"
    echo "$command: $result ($((SECONDS - start)) s)"
    [ "$bad" = 0 ] || sed 's/^/    /' "$output"
done

summary="$passed passed, $failed failed"
[ $skipped = 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ $failed = 0 ] && [ $passed != 0 ]
