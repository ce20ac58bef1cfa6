#!/usr/bin/env bash
# Every command that prints a table offers the same formats, and csv and json hold the same rows.
. "$(dirname "$0")/../tools/shell.sh"
unset MAKEFLAGS
mkdir results
sqlite3 x.db <"$root/tests/golden/frozen.sql" || exit 1
sqlite3 x.db "UPDATE run SET status = 'running' WHERE key = (SELECT min(key) FROM run)"
sqlite3 x.db ".backup y.db"
for table in request point; do sqlite3 y.db "DELETE FROM $table WHERE run = (SELECT min(key) FROM run)"; done # to prune
seq 1 3000 >corpus.txt
cat >x.json <<END
{ "name": "x", "data": { "files": ["corpus.txt"], "split": { "valid": 0.25, "test": 0.25 } },
  "model": { "layers": 1, "heads": 2, "width": 16, "ffn": 16 },
  "sweep": { "method": ["$(has none && echo none || echo alibi)"], "train.length": [16, 32] },
  "train": { "tokens": 96, "tokens_per_step": 32 }, "evaluate": { "tokens": 64, "multiples": [1, 2] } }
END
method=$("$POSLAB" methods --format csv | sed -n 2p | cut -d , -f 1)

# LINE: the exit code, the place of the rows in the JSON document, and the command.
commands="0 - table x.db
0 - analyse x.db curves
0 - analyse x.db matrix
0 - analyse x.db cost
0 points plan x.json
0 - tokenize x.json
0 figures bench x.json --rounds 1 --methods $method --lengths 16 --phase train
3 0.points status x.db
0 - runs x.db
0 - methods
0 - runs x.db
0 - prune y.db -n
4 - check x.db"

for command in $("$POSLAB" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p'); do
    "$POSLAB" "$command" --help >help
    if grep -q " $command\( \|\$\)" <<<"$commands prune"; then # test_runs.sh has its rows
        check "$command offers all formats" says help "-f, --format FORMAT        output format: text, md, latex, csv or json (default text)" "--json"
    else
        check "$command prints no table" lacks help "--json"
    fi
done

# Empty fields and members that are not there are the same; numbers are compared as numbers.
same_rows() { # same_rows CSV JSON PLACE COMMAND
    python3 - "$@" <<'END'
import csv, json, re, sys
def flat(row, prefix=""):
    for key, value in row.items():
        if isinstance(value, dict):
            yield from flat(value, prefix + key + "_")
        elif isinstance(value, list):
            if not any(isinstance(item, dict) for item in value): # of a method: hooks and claims; options are no column
                yield prefix + key, ", ".join(value)
        else:
            yield prefix + key, value
def plain(value):
    if isinstance(value, str) and value.startswith("'"): # spreadsheets would take it for a formula
        value = value[1:]
    try:
        return float(value)
    except ValueError:
        return value
def rows(lines):
    return [{key: plain(value) for key, value in row if value != ""} for row in lines]
document = json.load(open(sys.argv[2]))
for key in sys.argv[3].strip("-").split("."):
    document = document[int(key) if key.isdigit() else key] if key else document
a = rows(row.items() for row in csv.DictReader(open(sys.argv[1]), strict=True))
b = rows(flat(row) for row in document)
measured = {"plan": "^seconds$", "bench": "_per_second|flops|share|ratio"}.get(sys.argv[4]) # twice
if measured:
    a, b = ([{k: v for k, v in row.items() if not re.search(measured, k)} for row in c] for c in (a, b))
if not a or a != b:
    print("\n".join(f"{x}\n{y}" for x, y in zip(a, b) if x != y), len(a), len(b))
    sys.exit(1)
END
}

while read -r code place words; do
    # shellcheck disable=SC2086 # words
    for format in text md latex csv json; do
        check "$words --format $format" try "$code" $words --format $format
        cp out "$format"
    done
    check "$words: text and Markdown" grep -qE '^(\||---)' text md
    check "$words: LaTeX names its packages first" test "$(head -1 latex)" = '% needs \usepackage{booktabs,graphicx,textcomp}'
    check "$words: as many tables as ends" test "$(grep -c '\\begin{tabular}' latex)" = "$(grep -c '\\end{tabular}' latex)"
    check "$words: JSON" is_json json
    # shellcheck disable=SC2086
    check "$words --json is the same" try "$code" $words --json
    if command -v python3 >/dev/null; then
        check "$words: csv and json have the same rows" same_rows csv json "$place" "${words%% *}"
    else
        result 0 "$words: csv and json have the same rows # SKIP no python3"
    fi
done <<<"$commands"
done_testing
