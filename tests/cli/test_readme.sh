#!/usr/bin/env bash
# test_readme.sh: tests every README.md: its commands run, its configs are accepted, its links lead to files, and
# configs/README.md lists every key of a config with its default.
#
# Commands are the lines of ```sh blocks, configs are ```json blocks. They run in a copy of the tree, README.md first,
# then the other documents in the order of their paths. my.json is the first config of a document. ./poslab is a
# wrapper that trains tiny models (TINY below), and Slurm and MPI are stubs.
. "$(dirname "$0")/../tools/shell.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD SANITIZE CFLAGS LDFLAGS
export TMPDIR=$home/tmp PATH=$home/bin:$PATH

# Replacements of commands: pattern (a whole command) -> replacement -> reason. The first match is used.
replaced=$(
    sed '/^$/d' <<'END'
make quickstart -> make -n quickstart -> minutes; its three commands follow it in README.md
make method (.* METHODS_DIR=.*) -> make -n method \1 -> tests/cli/test_method.sh runs it
make method (.*) -> rm -f methods/foo.c configs/foo.json; make -s method \1 && sed -i 's/"foo", "alibi"/"kerple", "alibi"/' configs/foo.json -> foo is not in this program; tests/cli/test_method.sh builds it
make (.*) -> make -n \1 -> minutes, or it needs root, or it builds again
(\./poslab analyse results/foo.db .*) foo -> \1 kerple -> see above
\./poslab run configs/reproduce.json(.*) -j 2 -> ./poslab plan configs/reproduce.json\1 -> 100 runs
\./poslab bench --methods (.*) --lengths .* -> ./poslab bench --methods \1 --lengths 32,64 --rounds 1 -> seconds
\./poslab bench (.*) --precision fp32,bf16 -> ./poslab bench \1 --precision fp32 --rounds 1 -> bf16 needs a CPU that has it
\./poslab bench (.*) -> ./poslab bench \1 --methods alibi --rounds 1 -> seconds
mpirun .*(\./poslab .*) -> \1 -> it needs MPI; tests/cli/test_mpi.sh has it where it is installed
python3 ([a-z]*.py) .* -> ls \1 -> it needs PyTorch; tests/torch/torch_loader.py runs it
build/tests/(test_[a-z_]*).* -> ls tests/*/\1.c -> minutes; it may not be built
END
)
# Commands that may have another exit code than 0: on a cluster, work is left.
left='^\./poslab (status|collect) '

# --- the copy of the tree ---

mkdir -p tmp bin data/perl data/words results plots
cp -a "$root"/{Makefile,README.md,.ci,src,methods,tests,configs} .
cp -a "$root"/results/{README.md,methods,paper,reproduction,speed,tasks,words} results
cp -a "$root"/plots/{*.gp,figure.py} plots
for i in 1 2 3 4 5 6 7 8; do
    awk -v seed=$i 'BEGIN { srand(seed); for (i = 0; i < 20000; i++) printf "%s ", substr("abcdefghijklm", 1 + int(rand() * 9), 4) }' \
        >data/perl/$i.txt
    awk -v seed=$i 'BEGIN { srand(seed); for (i = 0; i < 99999; i++) printf "w%d ", rand() * 8000 }' >data/words/$i.txt
done

# TINY: options that the wrapper adds, except to `plan`.
cat >poslab <<END
#!/bin/bash
case \$1 in
run | submit) exec "$POSLAB" "\$@" --set train.tokens=1024 --set evaluate.tokens=2048 --set model.layers=1 \
    --set model.heads=2 --set model.width=16 --set model.ffn=16 ;;
esac
exec "$POSLAB" "\$@"
END
printf '#!/bin/sh\necho 1\n' >bin/sbatch
printf '#!/bin/sh\necho 1 1 RUNNING 0\n' >bin/squeue
printf '#!/bin/sh\n' >bin/scontrol
chmod +x poslab bin/*

# --- commands and configs ---

# replacement COMMAND: prints the command that is run instead.
replacement() {
    local pattern to
    while IFS= read -r line; do
        pattern=${line%% -> *} to=${line#* -> } to=${to%% -> *}
        to=${to//&/\\&}
        grep -qxE -- "$pattern" <<<"$1" || continue
        sed -E "s#^$pattern\$#$to#" <<<"$1"
        return
    done <<<"$replaced"
    echo "$1"
}

# blocks LANGUAGE FILE: the fenced blocks of a language, each ended by a line with a form feed.
blocks() {
    awk -v language="$1" '/^```/ { if (inside) print "\f"; inside = !inside && $0 == "```" language; next } inside' "$2"
}

runs() { # runs COMMAND: exit code 0, or an expected one
    bash -c "$(replacement "$1")" </dev/null
    local code=$?
    [ $code = 0 ] || { [[ $1 =~ $left ]] && [ $code = 3 ]; } && return
    echo "exit code $code of: $(replacement "$1")"
    return 1
}

shows=0
document() { # document FILE
    local config=0 command text
    while IFS= read -r -d $'\f' text; do
        config=$((config + 1))
        printf '%s\n' "$text" >config.json
        [ $config != 1 ] || cp config.json my.json
        check "$1: config $config" "$POSLAB" plan config.json
    done < <(blocks json "$1")
    while IFS= read -r command; do
        command=$(sed -E 's/(^| +)# .*//' <<<"$command")
        [ -n "$command" ] || continue
        shows=$((shows + 1))
        check "$1: $command" runs "$command"
    done < <(blocks sh "$1" | tr -d '\f')
}
mapfile -t documents < <(find . -name README.md ! -path ./README.md | sed 's|^\./||' | sort)
for file in README.md "${documents[@]}"; do document "$file"; done
check "the documents show commands" test $shows -gt 40

# --- keys of configs ---

# The keys of a config with their defaults, from the manifest of a run: "path value".
echo '{ "data": { "files": ["data/perl/*.txt"] }, "method": "none" }' >defaults.json
keys_listed() {
    "$POSLAB" submit defaults.json >/dev/null || return 1
    sqlite3 :memory: "SELECT replace(substr(fullkey, 3), '\"', ''), CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE atom END
            FROM json_tree(json_extract(readfile('results/defaults/cluster/1/manifest'), '\$.config')) WHERE type <> 'object'
                AND fullkey NOT LIKE '%[%' AND fullkey NOT IN ('\$.name', '\$.method.name')" |
        awk -F '|' 'FNR == NR { gsub(/[ `"]/, "", $2); if (NF > 3) { sub(/^ /, "", $3); gsub(/[`"]/, "", $3); is[$2] = $3 } next }
            { found++; split(is[$1], word, " ") }
            !($1 in is) { print "configs/README.md has no row for " $1; wrong = 1; next }
            $1 == "model.vocabulary" && $2 == 256 { next } # what 0 means with bytes
            $2 != "" && !(word[1] == $2 || (word[1] ~ /^[0-9]/ && word[1] + 0 == $2 + 0)) {
                print $1 " is " $2 ", configs/README.md says " is[$1]; wrong = 1 }
            END { exit wrong || found < 40 }' configs/README.md -
}
check "configs/README.md lists every key with its default" keys_listed
keys_exist() {
    local key
    for key in $(grep -ohE '^\|( `(data|model|train|evaluate|cluster)\.[a-z0-9_.]+`,?)+' configs/README.md src/slurm/README.md | grep -oE '[a-z][a-z0-9_.]+'); do
        if "$POSLAB" plan defaults.json --set "$key=[{}]" 2>&1 | grep -F "unknown key"; then return 1; fi
    done
}
check "every key that the documents list exists" keys_exist

# --- links, and the size of the first document ---

check "links" "$root/tests/tools/lint.sh" links
check "README.md has at most 130 lines of at most 110 characters" awk 'length($0) > 110 || FNR > 130 { print FNR ": " $0; wrong = 1 } END { exit wrong }' README.md

# --- how to cite, what has changed ---

# The keys that the format requires (citation-file-format.github.io, version 1.2.0), and the paper.
citable() {
    local key
    for key in cff-version message title authors references; do
        grep -q "^$key:" "$root/CITATION.cff" || { echo "CITATION.cff has no '$key'"; return 1; }
    done
    grep -q 'name: "poslab developers"' "$root/CITATION.cff" && grep -q 'arXiv:2108.12409' "$root/CITATION.cff" || return 1
    ! python3 -c 'import yaml' 2>/dev/null || python3 -c 'import sys, yaml; yaml.safe_load(open(sys.argv[1]))' "$root/CITATION.cff"
}
check "CITATION.cff has what the format requires" citable
# Every command of the program is in the changelog.
changes() {
    local command
    for command in $("$POSLAB" --help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
        [ "$command" = worker ] || [ "$command" = methods ] || [ "$command" = completion ] ||
            grep -q "\`$command[\` ]" "$root/CHANGELOG.md" || { echo "CHANGELOG.md does not have \`$command\`"; return 1; }
    done
}
check "CHANGELOG.md has every command" changes

done_testing
