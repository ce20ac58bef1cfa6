#!/usr/bin/env bash
# Config files: extends, blocks of a sweep, what methods set, description and tags in status and report; all mistakes.
. "$(dirname "$0")/../tools/shell.sh"

seq 1 20000 >text.txt
mkdir shared
cat >shared/base.json <<'EOF'
{ "data": { "files": "text.txt" }, "model": { "layers": 1, "heads": 2, "width": 16, "ffn": 16 },
  "train": { "length": 16, "tokens": 512, "tokens_per_step": 256 }, "evaluate": { "tokens": 256 } }
EOF
cat >my.json <<'EOF'
{ "$schema": "config.schema.json", "extends": "shared/base.json", "description": "Is <this> it?", "tags": ["a, b", "c"],
  "sweep": [{ "method": ["none", { "name": "alibi", "train.optimizer.lr": 8e-3 }] },
            { "method": ["alibi"], "train.seed": [1, 2] }] }
EOF
rates() {
    try 0 run my.json -q &&
        [ "$(sqlite3 results/my.db "SELECT group_concat(method || ' ' || json_extract(config, '\$.train.optimizer.lr') || ' ' || seed, '; ')
                FROM (SELECT * FROM run r JOIN point p ON p.run = r.key ORDER BY ordinal)")" = "none 0.002 1; alibi 0.008 1; alibi 0.002 1; alibi 0.002 2" ]
}
check "a run for each point of the blocks, with what methods set" rates
notes() { # only the experiment has them
    [ "$(sqlite3 results/my.db "SELECT count(*) FROM run WHERE config LIKE '%this%'")" = 0 ] &&
        [ "$(sqlite3 results/my.db "SELECT json_extract(config, '\$.tags[1]') FROM experiment")" = c ]
}
check "description and tags are in the experiment, not in runs" notes
keys() { # the same keys without description and tags
    "$POSLAB" plan my.json --json | grep '"key": "[0-9a-f]' >with
    "$POSLAB" plan my.json --json --set description=other --set 'tags=["x"]' | grep '"key": "[0-9a-f]' >without
    cmp with without && [ "$(wc -l <with)" = 4 ]
}
check "which have the same keys" keys
status() { try 0 status results/my.db && says out "  Is <this> it?" "  tags: a, b, c"; }
check "status shows them" status
json() { try 0 status results/my.db --json && [ "$(sqlite3 :memory: "SELECT json_extract(readfile('out'), '\$[0].tags[0]')")" = "a, b" ]; }
check "status --json, too" json
report() { try 0 report results/my.db -o report.html && says report.html "Is &lt;this&gt; it?" "Tags: a, b, c"; }
check "report shows them" report
eval_alone() { mv shared gone && try 0 eval results/my.db --lengths 8 -q && mv gone shared; }
check "the database does not need the files" eval_alone

mistakes() {
    echo '{ "extends": "shared/base.json", "method": "alibi", "seed": 1, "train": { "lr": 1, "steps": 2 } }' >wrong.json
    sed -i 's/"layers": 1/"layers": 0/' shared/base.json
    try 2 plan wrong.json || return
    sed -i 's/"layers": 0/"layers": 1/' shared/base.json
    [ "$(wc -l <err)" = 4 ] && [ "$(grep -c "^poslab: config '" err)" = 4 ] &&
        says err "config 'wrong.json': unknown key 'seed'; did you mean 'train.seed'?" \
            "config 'wrong.json': unknown key 'train.lr'; did you mean 'train.optimizer.lr'?" \
            "config 'wrong.json': unknown key 'train.steps'; did you mean 'train.tokens'?" \
            "config 'shared/base.json': 'model.layers' must be in [1, 1024], got 0"
}
check "all mistakes at once, each with its file" mistakes
names() {
    echo '{ "data": { "files": "text.txt" }, "method": "rope" }' >named.json
    try 2 plan named.json && says err "unknown method 'rope'; did you mean 'rotary'?" &&
        try 2 plan named.json --set method=nope && says err "did you mean 'none'?" &&
        try 2 methods rope && says err "did you mean 'rotary'?"
}
check "other names of methods" names

done_testing
