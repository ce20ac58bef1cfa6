#!/usr/bin/env bash
# deletions.sh [METHOD]...: tests that the tree builds and passes without the file of each of these methods (default:
# all).
#
# It uses a copy of the tree with its objects: for each deletion only the registry is compiled, and all programs are
# linked. With nothing deleted, no test may be skipped for lack of a method; otherwise a misspelt name would skip a
# test for ever. Without a method of the CORE, which most tests name, all programs and the end-to-end test run;
# without another one, all programs except the long ones, which name no methods, and the laws of two methods.
set -u
CORE=" sinusoidal rotary t5 alibi none "
LONG=" test_methods test_laws test_model test_attention "
here=$(cd "$(dirname "$0")" && pwd)
here=${here%/tests*}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD SANITIZE CFLAGS LDFLAGS
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 CMOCKA_MESSAGE_OUTPUT=tap
cp -a "$here"/{Makefile,README.md,src,methods,tests,configs,plots,results,build} "$tree" && cd "$tree" || exit 1
[ $# != 0 ] || set -- $(basename -s .c methods/*.c)
others=$(basename -s .c methods/*.c)

# run COMMAND...: prints nothing if it passes; its output is in the file out.
run() {
    "$@" >out 2>&1 && ! grep '^not ok' out | grep -qv '# SKIP' && return
    echo "not ok - without $method: $*"
    grep -vE '^(ok|    #)' out | tail -20
    failed=1
}

deleted=0 failed=0
for method in "" "$@"; do
    failed_before=$failed core=0 skipped=0
    [[ "$CORE" != *" $method "* ]] || core=1
    [ -z "$method" ] || { [ -e "methods/$method.c" ] && mv "methods/$method.c" away; } || { echo "no method '$method'"; exit 2; }
    run make -s -j"$(nproc)" build-tests
    for name in $(basename -s .c tests/*/test_*.c); do # ignores programs of an older build
        [ $core = 1 ] && [ $name != test_methods ] || [[ "$LONG" != *" $name "* ]] || continue
        run "build/tests/$name"
        skipped=$((skipped + $(grep -c "^# skipped" out)))
    done
    [ -z "$method" ] || for other in $(grep -vx "$method" <<<"$others" | shuf -n 2 --random-source=<(yes "$method")); do
        run build/tests/test_methods "$other"
    done
    [ $core = 0 ] || run bash tests/cli/e2e.sh
    if [ -z "$method" ]; then
        [ $skipped = 0 ] || { echo "not ok - with all methods present, tests are skipped"; failed=1; }
    else
        mv away "methods/$method.c"
        deleted=$((deleted + 1))
    fi
    [ $failed != "$failed_before" ] || echo "ok - without '$method': $skipped tests skipped"
done
[ $failed = 0 ] && [ $deleted = $# ]
