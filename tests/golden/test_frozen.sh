#!/usr/bin/env bash
# test_frozen.sh [--update]: compares outputs that must not change when code is restructured.
#
# Compares, byte for byte, with the files in tests/golden/frozen:
#
#     keys          the run keys of every config in configs/, on a corpus of fixed text
#     NAME.txt      the output of each command for the database of tests/golden/frozen.sql, in each format
#     help.txt      the help of every command
#     weights.tsv   SHA-256 of the trained weights, and the losses, of short runs. Their bits depend on the compiler, the
#                   CPU and the BLAS: each line names these, and a machine without a line of its own skips the comparison
#
# After an intended change of an output, run `test_frozen.sh --update`; the commit shows the difference.
. "$(dirname "$0")/../tools/shell.sh"
golden=$root/tests/golden/frozen
export COLUMNS=100 NO_COLOR=1
mkdir got data data/perl plots
ln -s "$root/configs" configs
ln -s "$root/results" results

# --- keys of all configs ---

# Six megabytes of generated text: the hash of the corpus is part of a run's key.
seq 1 900000 >data/perl/numbers.txt
for config in configs/*.json configs/paper/*.json; do
    echo "$config"
    "$POSLAB" plan "$config" --json 2>&1 |
        sed -nE 's/^ *"label": "(.*)",$/\1/p; s/^ *"key": "(.*)",$/\1/p' | paste -d ' ' - - | grep -v ^runs | awk '{ print $NF, $0 }' |
        sed -E 's/ [0-9a-f]{16}$//'
done >got/keys

# --- text of all commands ---

sqlite3 frozen.db <"$root/tests/golden/frozen.sql" || exit 1
"$POSLAB" reference frozen.db >/dev/null

# show ARGUMENT...: prints a command, its output, and its exit code if it failed.
show() {
    echo "\$ poslab $*"
    "$POSLAB" "$@" 2>&1 || echo "exit code $?"
    echo
}

for format in text md csv latex json; do
    for options in "" "--rows train_length,method --columns multiple" "--where protocol=nonoverlapping --ratio" \
        "--rows method,seed --columns eval_length --where train_length=16" "--paper"; do
        # shellcheck disable=SC2086 # options are words
        show table frozen.db --format $format $options
    done >got/table-$format.txt
done
for what in curves matrix compare short-long cost early positions claims claim-points; do
    formats="text md csv json"
    [ $what != positions ] || formats="text csv" # long
    for format in $formats; do
        show analyse frozen.db $what --baseline sinusoidal --format $format
    done >got/analyse-$what.txt
done
show analyse frozen.db curves --paper >>got/analyse-curves.txt
{
    show status frozen.db
    show status frozen.db --json
} >got/status.txt
{
    show methods --format text
    show methods --format md
    show methods --json
    for method in $(cd "$root/methods" && ls ./*.c | sed -E 's|^\./(.*)\.c$|\1|'); do
        show methods "$method"
        show methods "$method" --json
    done
} >got/methods.txt
for figure in curves position cost early paper loss; do
    "$POSLAB" plot frozen.db --figure $figure -o $figure.svg >plot.out 2>&1 || cat plot.out
    echo "# $figure"
    cat $figure.dat
done >got/figures.txt
"$POSLAB" report frozen.db -o report.html >report.out 2>&1 || cat report.out
perl -0pe 's/<svg.*?<\/svg>/<svg>/gs' report.html >got/report.html # drawings differ between versions of gnuplot
{
    show --help
    for command in $("$POSLAB" --help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do show "$command" --help; done
} >got/help.txt

# --- bits of short runs ---

kernels() { # of OpenBLAS, if they are others than the program itself takes
    [ "${OPENBLAS_CORETYPE:-}" = "$(unset OPENBLAS_CORETYPE; "$POSLAB" --version | sed -n 's/^BLAS: .* core //p')" ] ||
        printf %s "${OPENBLAS_CORETYPE:-}"
    echo
}
machine=$( {
    cc --version | head -1
    cc -march=native -Q --help=target 2>/dev/null | grep -E '^ *-m(arch|tune|avx|fma)'
    grep -m1 'model name' /proc/cpuinfo
    grep -m1 flags /proc/cpuinfo
    kernels
} | sha256sum | cut -c1-16)
seq 1 20000 >corpus.txt
train() { # train NAME METHOD PRECISION: a line of weights.tsv
    cat >"$1.json" <<CONFIG
{ "name": "$1", "data": { "files": ["corpus.txt"], "split": { "valid": 0.1 } },
  "model": { "layers": 2, "heads": 4, "width": 64, "ffn": 128, "dropout": 0.1 }, "method": "$2",
  "train": { "length": 48, "tokens": 9216, "tokens_per_step": 768, "precision": "$3" },
  "evaluate": { "split": "valid", "tokens": 2048, "multiples": [1, 2] } }
CONFIG
    "$POSLAB" run "$1.json" --db "$1.db" -q >run.out 2>&1 || { grep -q bf16 run.out && return || cat run.out; }
    "$POSLAB" export "$1.db" "$(sqlite3 "$1.db" 'SELECT key FROM run')" "$1.safetensors" >export.out 2>&1 || cat export.out
    # The first eight bytes are the length of the JSON header; the tensors follow it.
    printf '%s\t%s\t%s\t%s\n' "$machine $1" \
        "$(tail -c +$((9 + $(od -An -tu8 -N8 "$1.safetensors"))) "$1.safetensors" | sha256sum | cut -d ' ' -f 1)" \
        "$(sqlite3 "$1.db" 'SELECT quote(final_loss) FROM run')" \
        "$(sqlite3 "$1.db" 'SELECT group_concat(quote(nll_sum)) FROM (SELECT nll_sum FROM evaluation ORDER BY length)')"
}
{ train t5 t5 fp32; train fire fire fp32; train bf16 rotary bf16; } >weights
cut -d ' ' -f 1 "$golden/weights.tsv" 2>/dev/null | grep -qx "$machine" || unknown=1

# --- compare ---

if [ "${1:-}" = --update ]; then
    rm -f "$golden"/*.txt
    cp got/* "$golden/"
    { grep -v "^$machine " "$golden/weights.tsv" 2>/dev/null; cat weights; } | sort >weights.new
    mv weights.new "$golden/weights.tsv"
    exit
fi
for name in $(cd got && ls ./*; cd "$golden" && ls ./*); do echo "$name"; done | sort -u | grep -v weights.tsv >names
while read -r name; do
    diff "$golden/$name" "got/$name" >difference 2>&1
    result $? "frozen output $name" difference
done <names
if [ "${unknown:-}" ]; then
    result 0 "weights and losses # SKIP no line for this machine in weights.tsv"
else
    diff <(grep "^$machine " "$golden/weights.tsv") <(sort weights) >difference 2>&1
    result $? "weights and losses of short runs" difference
fi
done_testing
