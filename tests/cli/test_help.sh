#!/usr/bin/env bash
# `poslab help`: commands, the keys of configs, their JSON Schema, and what is written from them in configs/README.md.
. "$(dirname "$0")/../tools/shell.sh"

# --- commands ---

same_help() { # same_help COMMAND
    "$POSLAB" "$1" --help >long && "$POSLAB" help "$1" >short && cmp long short
}
for command in $("$POSLAB" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p'); do check "help $command" same_help "$command"; done
check "help alone lists the commands" bash -c "cmp <('$POSLAB' help) <('$POSLAB' --help)"
misspelt() { try 2 help tabel && says err "did you mean 'table'?"; }
check "a misspelt command" misspelt

# --- keys ---

key() { # key PATH TEXT...: one key, with these texts
    try 0 help config "$1" && [ "$(grep -c '^  [a-z$]' out)" = 1 ] && says out "${@:2}"
}
check "one key" key train.optimizer.lr "number from 1e-09 to 100" "default: 0.002" "peak learning rate"
check "a list" key evaluate.lengths "evaluation lengths in tokens" "default: the training length"
check "an item of a list" key 'evaluate.protocols[0].stride' "of strided"
check "the same without brackets" key evaluate.protocols.stride "of strided"
check "an option of a method" key method.alibi.trainable "true or false"
section() { try 0 help config train && says out train.length train.optimizer.lr train.schedule.floor && ! grep -q "^model" out; }
check "a section with its sections" section
method() { try 0 help config method.alibi && says out "Options of ALiBi" && ! grep -q train.length out; }
check "a method" method
anywhere() { try 0 help config method.base && says out "Options of Rotary" && [ "$(grep -c 'method\.base' out)" -gt 2 ]; }
check "an option that several methods have" anywhere
everything() { try 0 help config && says out extends data.files method.alibi.shape 'evaluate.variants[].attention' cluster.time; }
check "all keys" everything
refused() { # refused PATH NAME
    try 2 help config "$1" && says err "did you mean '$2'?"
}
check "a misspelt key" refused train.optimizr train.optimizer
check "a key without its section" refused lr train.optimizer.lr
check "a key under another name" refused weight_decay train.optimizer.decay
unlike() { try 2 help config zzzzzz && says err "\`poslab help config\` lists all"; }
check "a key unlike all" unlike
excess() { try 2 help plan train; }
check "a path without config" excess

# Each key that `--set` accepts is described: an unknown one is refused, and the ones described are known.
echo '{ "data": { "files": "x" }, "method": "none" }' >plain.json
known() {
    local path count=0
    for path in $("$POSLAB" help config | grep -oE '^  (data|model|train|evaluate|cluster)\.[a-z0-9_.]+'); do
        count=$((count + 1))
        if "$POSLAB" plan plain.json --set "$path=[{}]" 2>&1 | grep -F "unknown key"; then return 1; fi
    done
    [ $count -gt 50 ]
}
check "every key that is described exists" known

# --- documents ---

readme() { "$root/tests/tools/readme_keys.sh" "$POSLAB" <"$root/configs/README.md" | diff "$root/configs/README.md" -; }
check "the tables of configs/README.md are up to date (make readme-configs)" readme
sections() { # every section is in configs/README.md
    local wanted
    wanted=$("$POSLAB" manual config | sed -n 's/^\.SS //p' | grep -v top | sort)
    diff <(sed -nE 's/^<!-- keys: ([a-z].*) -->$/\1/p' "$root/configs/README.md" | sort) <(echo "$wanted")
}
check "and have all sections" sections

# --- JSON Schema ---

schema() { try 0 help config --schema && cp out schema.json && [ "$(sqlite3 :memory: "SELECT json_valid(readfile('schema.json'))")" = 1 ]; }
check "a JSON Schema is printed" schema
strict() { # of each method an object with its name and nothing unknown
    local methods
    methods=$("$POSLAB" methods --json | grep -c '^ *"name": ".*",$')
    [ "$(grep -c '"additionalProperties": false' schema.json)" -gt "$methods" ]
}
check "and admits no unknown key" strict
cat >mistakes.py <<'EOF'
import copy, glob, json, sys
import jsonschema
root = sys.argv[1]
schema = json.load(open("schema.json"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
files = glob.glob(root + "/configs/*.json") + glob.glob(root + "/configs/paper/*.json")
assert len(files) > 10, files
for file in files:
    for error in validator.iter_errors(json.load(open(file))):
        sys.exit(f"{file}: {list(error.path)}: {error.message}")
good = {"$schema": "x", "description": "d", "tags": ["a"], "data": {"files": "x"},
        "method": {"name": "alibi", "trainable": True}, "train": {"optimizer": {"lr": 1e-3}},
        "evaluate": {"protocols": ["nonoverlapping", {"name": "strided", "stride": 0.5}],
                     "variants": [{"name": "w", "attention": {"window": 8}}]},
        "sweep": [{"train.seed": [1, 2]}, {"method": [{"name": "rotary", "train.optimizer.lr": 8e-3}]}]}
assert validator.is_valid(good), list(validator.iter_errors(good))
def broken(*path_and_value):
    *path, last, value = path_and_value
    config = copy.deepcopy(good)
    at = config
    for key in path:
        at = at[key]
    at[last] = value
    assert not validator.is_valid(config), path_and_value
broken("lr", 1)
broken("train", "lr", 1)
broken("train", "length", 0)
broken("train", "length", 1.5)
broken("train", "length", "64")
broken("train", "precision", "fp8")
broken("method", "nonesuch")
broken("method", "trainabel", True)
broken("method", "trainable", 1)
broken("model", {"adaptive": {"factor": 2, "unknown": 1}})
broken("evaluate", "protocols", 1, "stride", -1)
broken("evaluate", "variants", 0, "window", 1)
broken("sweep", {"train.lenght": [1]})
broken("sweep", {"train.length": 1})
broken("sweep", {"train.length": [0]})
broken("exclude", {})
EOF
if python3 -c 'import jsonschema; jsonschema.Draft202012Validator' 2>/dev/null; then
    check "all configs are valid, and mistakes are not" python3 mistakes.py "$root"
else
    echo "ok $((number += 1)) - all configs are valid # skip python3-jsonschema is not installed"
fi

done_testing
