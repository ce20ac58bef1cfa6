#!/usr/bin/env bash
# test_pager.sh: a pager shows output that is longer or wider than the terminal; exit codes and signals are right.
. "$(dirname "$0")/../tools/shell.sh"
command -v script >/dev/null || { result 0 "terminal # SKIP no script"; done_testing; }
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 GOTO_NUM_THREADS=1 # otherwise poslab executes itself again
unset COLUMNS LINES LESS PAGER POSLAB_PAGER
mkdir temporary bin
export TMPDIR=$home/temporary PATH=$home/bin:$PATH

pager() { # pager LINE...: the program `less` from now on
    printf '%s\n' '#!/bin/sh' "$@" >bin/less
    chmod +x bin/less
}
list=(methods --format csv)
"$POSLAB" "${list[@]}" >whole
lines=$(wc -l <whole) width=$(wc -L <whole)

# shellcheck disable=SC2016 # the pager expands them
pager 'echo "LESS=$LESS"' cat
check "output that fits" on_terminal $((lines + 1)) "$width" "${list[@]}"
check "is printed" diff shown whole
check "longer output" on_terminal "$lines" "$width" "${list[@]}"
check "is shown by less" diff shown <(echo LESS=FRSX; cat whole)
check "wider output" on_terminal $((lines + 1)) $((width - 1)) "${list[@]}"
check "too" diff shown <(echo LESS=FRSX; cat whole)
LESS=M on_terminal 5 300 "${list[@]}"
check "LESS stays as it is" says shown LESS=M
PAGER='head -n 1 | tr a-z A-Z' on_terminal 5 300 "${list[@]}"
check "PAGER is a command of the shell" diff shown <(head -n 1 whole | tr a-z A-Z)
PAGER=less POSLAB_PAGER='echo mine' on_terminal 5 300 "${list[@]}"
check "POSLAB_PAGER precedes it" diff shown <(echo mine)
for none in '' cat; do
    POSLAB_PAGER=$none on_terminal 5 300 "${list[@]}"
    check "POSLAB_PAGER='$none' is none" diff shown whole
done
check "--no-pager" on_terminal 5 300 "${list[@]}" --no-pager
check "is none" diff shown whole
check "without a terminal" try 0 "${list[@]}"
check "there is none" diff out whole
PAGER=none/pager check "a pager that does not exist is no error" on_terminal 5 300 "${list[@]}"
check "the output is printed" diff <(tail -n "$lines" shown) whole
printf '#!/bin/sh\nPATH=/none exec "%s" "$@"\n' "$POSLAB" >bin/poslab
chmod +x bin/poslab
POSLAB=$home/bin/poslab check "nor is a missing less" on_terminal 5 300 "${list[@]}"
check "with the same output" diff shown whole

# --- exit codes, signals ---

write_texts
write_config -e 's/1920/64/; s/\[1, 2\]/[1]/'
check "a run" try 0 run e2e.json -q
sql results/e2e.db "DELETE FROM position_loss; DELETE FROM evaluation_window; DELETE FROM evaluation"
code() { # code CODE: the exit code of a command that has work left
    on_terminal 3 300 status results/e2e.db
    [ $? = "$1" ] || { cat shown; return 1; }
}
check "the exit code is that of the command" code 3
pager 'exit 1'
check "whatever the pager returns" code 3
pager 'trap "echo still here" INT' 'kill -INT 0' 'head -n 1'
check "Ctrl-C is for the pager" code 3
check "which can continue" says shown "still here" "e2e: "
pager 'kill -INT 0' cat
check "or end, and the command with it" code 130
pager 'kill -TERM $PPID' 'exec sleep 60'
check "SIGTERM ends both" code 143
check "and no file is left" test -z "$(ls -A temporary)"
done_testing
