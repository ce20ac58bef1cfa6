#!/usr/bin/env bash
# `poslab init`: a config for a text of one's own, with an estimate and the next commands; it runs as it is.
. "$(dirname "$0")/../tools/shell.sh"

mkdir corpus
for i in 1 2 3; do seq $((i * 100000)) $((i * 100000 + 9000)) >corpus/$i.txt; done
writes() {
    try 0 init my.json --files 'corpus/*.txt' && says out "my.json: 4 runs, trained at 64 tokens, evaluated at up to 1024" \
        "estimate: " "poslab run my.json" "poslab table results/my.db"
}
check "init writes a config and prints an estimate" writes
plans() { try 0 plan my.json && says out "total of 4 runs"; }
check "which can be planned" plans
runs() { try 0 run my.json -q --set train.tokens=2048 --set evaluate.tokens=2048 && try 0 table results/my.db && says out ALiBi Rotary; }
check "and runs" runs
keeps() { cp my.json before && try 2 init my.json --files 'corpus/*.txt' && says err "'my.json' exists" && cmp my.json before; }
check "an existing file stays" keeps
short() { seq 5000 >short.txt && try 0 init short.json --files short.txt && says out "evaluated at up to 1024" && seq 500 >tiny.txt &&
    try 0 init tiny.json --files tiny.txt && says out "evaluated at up to 64" && try 0 plan tiny.json; }
check "a short text has shorter evaluations" short
chosen() { try 0 init two.json --files corpus/1.txt --files corpus/2.txt --methods alibi,none && says out "2 runs" && says two.json corpus/2.txt; }
check "files and methods of one's choice" chosen
refused() {
    try 2 init a.json && says err "--files" && try 2 init a.json --files 'nonesuch/*' && says err nonesuch &&
        try 2 init a.json --files 'corpus/*.txt' --methods rope && says err "did you mean 'rotary'?" && [ ! -e a.json ]
}
check "mistakes leave no file" refused

done_testing
