# shellcheck shell=bash
# shell.sh: sourced by the shell scripts of tests. It makes the temporary folder $home, changes to it, and prints TAP
# lines.
#
#     POSLAB    the program under test; default: the tree's
#     root      the tree
#     fixtures  tests/fixtures
#     home      the temporary folder, removed at the end; in memory if possible, because syncs to a disk are slow
set -u
root=$(realpath "${BASH_SOURCE[0]}" | sed 's|/tests/tools/[^/]*$||')
fixtures=$root/tests/fixtures
POSLAB=$(realpath "${POSLAB:-$root/poslab}")
export LC_ALL=C POSLAB_PAGER=cat
unset NO_COLOR
number=0 failed=0

# can_run FOLDER: whether programs can be started from it and a gigabyte is free.
can_run() {
    printf '#!/bin/sh\n' >"$1/program" && chmod +x "$1/program" && "$1/program" && rm "$1/program" &&
        [ "$(df --output=avail -k "$1" | tail -1)" -gt 1000000 ]
}
if ! home=$(mktemp -d -p /dev/shm 2>/dev/null) || ! can_run "$home" 2>/dev/null; then
    rm -rf "$home"
    home=$(mktemp -d)
fi
home=$(cd "$home" && pwd -P)
trap 'rm -rf "$home"' EXIT
cd "$home" || exit 1

# --- tests ---

# result STATUS NAME [FILE...]: one test, passed if the status is 0; otherwise the files are printed.
result() {
    number=$((number + 1))
    [ "$1" != 0 ] || { echo "ok $number - $2"; return; }
    failed=1
    echo "not ok $number - $2"
    cat /dev/null "${@:3}" 2>/dev/null | cut -c1-300 | head -40 | sed 's/^/    # /'
}

# check NAME COMMAND...: one test; if it fails, its output and the last output of poslab are printed.
check() {
    "${@:2}" >"$home/check.out" 2>&1
    result $? "$1" <(printf '%q ' "${@:2}"; echo) "$home/check.out" out err
}

done_testing() { # prints the last line
    echo "1..$number"
    exit $failed
}

# on_terminal ROWS COLUMNS ARGUMENT...: runs poslab on a terminal of that size, with the output in the file shown; returns
# its exit code.
on_terminal() {
    local code size="rows $1 cols $2"
    SHELL=/bin/sh script -qec "stty $size; exec $(printf '%q ' "$POSLAB" "${@:3}")" /dev/null </dev/null >typescript
    code=$?
    tr -d '\r' <typescript >shown
    return $code
}

# try CODE ARGUMENT...: runs poslab with output to the files out and err; true if it exits with CODE.
try() {
    local code=$1 got
    shift
    "$POSLAB" "$@" >out 2>err </dev/null
    got=$?
    [ $got = "$code" ] || { echo "exit code $got instead of $code"; return 1; }
}

says() { # says FILE TEXT...: every text is in the file
    local text
    for text in "${@:2}"; do
        grep -qF -- "$text" "$1" || { echo "'$text' is not in $1"; return 1; }
    done
}

lacks() { # lacks FILE TEXT...: no text is in the file
    local text
    for text in "${@:2}"; do
        ! grep -qF -- "$text" "$1" || { echo "'$text' is in $1"; return 1; }
    done
}

exists() { # exists PATTERN: some file
    compgen -G "$1" >/dev/null
}

# eventually SECONDS COMMAND...: waits until the command is true.
eventually() {
    local end=$((SECONDS + $1))
    shift
    while [ $SECONDS -lt $end ]; do
        "$@" >/dev/null 2>&1 && return
        sleep 0.02
    done
    echo "never: $*"
    return 1
}

children() { # children PID: its running child processes
    grep -lsE "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status | cut -d / -f 3
}

# --- databases and JSON ---

sql() { # sql DB QUERY
    sqlite3 -batch "$1" "$2"
}

is() { # is WANTED DB QUERY
    local got
    got=$(sql "$2" "$3")
    [ "$got" = "$1" ] || { echo "'$got' instead of '$1': $3"; return 1; }
}

is_json() { # is_json FILE...
    local file
    for file; do
        is 1 :memory: "SELECT json_valid(CAST(readfile('$file') AS TEXT))" || return
    done
}

numbers() { # numbers DB: all results of training and evaluation, to the last bit
    sql "$1" "SELECT run, step, quote(loss), quote(norm) FROM train_log ORDER BY 1, 2;
        SELECT run, split, length, stride, tokens, windows, quote(nll_sum) FROM evaluation ORDER BY 1, 2, 3, 4;
        SELECT run, split, length, window, w.tokens, quote(w.nll_sum) FROM evaluation_window w
            JOIN evaluation e ON e.id = w.evaluation ORDER BY 1, 2, 3, 4;
        SELECT run, length, bin, first, last, p.tokens, quote(p.nll_sum) FROM position_loss p
            JOIN evaluation e ON e.id = p.evaluation ORDER BY 1, 2, 3;
        SELECT run, split, length, example, tokens_right FROM task_example k
            JOIN evaluation e ON e.id = k.evaluation ORDER BY 1, 2, 3, 4;
        SELECT key, status, steps, until_step, quote(final_loss) FROM run ORDER BY 1"
}

same_numbers() { # same_numbers DB DB
    [ -n "$(numbers "$1")" ] || { echo "no numbers"; return 1; }
    diff <(numbers "$1") <(numbers "$2") | head -5
    [ "${PIPESTATUS[0]}" = 0 ]
}

# --- inputs ---

write_texts() { # write_texts [FILES [WORDS]]: writes text/1.txt and so on, the same on every machine
    local i
    mkdir -p text
    for ((i = 1; i <= ${1:-4}; i++)); do
        awk -v seed=$i -v words="${2:-900}" 'BEGIN { srand(seed); for (i = 0; i < words; i++)
            printf "%s ", substr("the cat sat on a mat and read books of old", 1 + int(rand() * 8) * 5, 5) }' >text/$i.txt
    done
}

has() { # has METHOD: whether its file exists; it may be deleted
    "$POSLAB" methods "$1" >/dev/null 2>&1
}

# write_config [SED ARGUMENT...]: tests/fixtures/e2e.json, edited, as e2e.json. Its methods, $one and $two, are alibi
# and sinusoidal; others replace them if their files are deleted.
write_config() {
    one=alibi two=sinusoidal
    has $one || one=kerple
    has $two || two=rotary
    sed -e '' "$@" "$fixtures/e2e.json" | sed -e "s/alibi/$one/" -e "s/sinusoidal/$two/" >e2e.json
}

# as_fairseq FILE OUT [SHAPE]: the tensors of FILE as OUT; SHAPE is SQL for the shapes that its header states.
as_fairseq() {
    local size
    size=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    head -c $((8 + size)) "$1" | tail -c "$size" >header.json
    sql :memory: "
        CREATE TABLE part (ours, theirs, i, n);
        INSERT INTO part VALUES ('norm1', 'self_attn_layer_norm', 0, 1), ('norm2', 'final_layer_norm', 0, 1),
            ('attention.qkv', 'self_attn.q_proj', 0, 3), ('attention.qkv', 'self_attn.k_proj', 1, 3),
            ('attention.qkv', 'self_attn.v_proj', 2, 3), ('attention.out', 'self_attn.out_proj', 0, 1),
            ('ffn.in', 'fc1', 0, 1), ('ffn.out', 'fc2', 0, 1), ('decoder', 'decoder', 0, 1),
            ('embedding.weight', 'decoder.embed_tokens.weight', 0, 1), ('norm.', 'decoder.layer_norm.', 0, 1);
        WITH tensor AS (SELECT key, value ->> '$.shape' AS shape, value ->> '$.data_offsets[0]' AS a,
                value ->> '$.data_offsets[1]' - value ->> '$.data_offsets[0]' AS size
            FROM json_each(CAST(readfile('header.json') AS TEXT)) WHERE key <> '__metadata__'),
        renamed AS (SELECT replace(replace(key, ours, theirs), 'layers.', iif(key LIKE 'layers%', 'decoder.', '') || 'layers.')
                AS name, a + size * i / n AS a, size / n AS size, json_set(shape, '\$[0]', (shape ->> '\$[0]') / n) AS shape
            FROM tensor JOIN part ON instr(key, ours) ORDER BY 2)
        SELECT json_group_object(name, json_object('dtype', 'F32', 'shape', json(${3:-shape}),
            'data_offsets', json_array(a, a + size))) FROM renamed" | tr -d '\n' >names.json
    size=$(stat -c %s names.json)
    { printf "\\x$(printf %02x $((size % 256)))\\x$(printf %02x $((size / 256)))\0\0\0\0\0\0"; cat names.json; data "$1"; } >"$2"
}
data() { # data FILE: the numbers of a safetensors file
    tail -c +$((9 + $(od -An -tu8 -N8 "$1"))) "$1"
}

build_shim() { # builds shim.so from tests/faults/shim.c
    gcc -D_GNU_SOURCE -O1 -shared -fPIC -o shim.so "$root/tests/faults/shim.c" -ldl
}

# --- a run that is killed, against the same run in whole/x.db ---

# whole KEY: sets `key`, a run of e2e in whole/x.db that one.json describes
whole() {
    key=$1
    numbers whole/x.db | grep "^$key" >wanted
}
weights() { sha256sum <"$1/e2e/$key/model.safetensors"; }

# ended_alike FOLDER: continued to its end, the run in FOLDER/x.db has the numbers and weights of the whole one
ended_alike() {
    try 0 run one.json --db "$1/x.db" --retry failed && [ "$(weights "$1")" = "$(weights whole)" ] &&
        diff <(numbers "$1/x.db") wanted
}

# strike PLACE ACTION FOLDER: sets `struck`, the command of the run in FOLDER/x.db whose worker is killed or stopped at
# its PLACE-th change of a file
strike() {
    rm -f counter
    struck=(env "LD_PRELOAD=$home/shim.so" "TORTURE_COUNTER=$home/counter" TORTURE_ROLE=worker "TORTURE_ACTION=$2"
        "TORTURE_AT=$1" "$POSLAB" run one.json --db "$3/x.db")
}

# killed PLACE STEP FROM: killed in saving update STEP, the run resumes after update FROM and ends alike
killed() {
    strike "$1" kill "$1"
    "${struck[@]}" >out 2>err </dev/null
    [ "$(wc -l <"$1/e2e/$key/train.jsonl")" = "$2" ] || { cat "$1/e2e/$key/train.jsonl"; return 1; }
    ended_alike "$1" && says "$1/e2e/$key/log.txt" "resuming from step $3 of 10"
}
