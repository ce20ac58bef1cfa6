# shellcheck shell=bash
# Sourced by lint.sh: checks what src/ includes, allocates and names. lint_structure.awk reads the sources, without a
# compiler.

# The folders of src/, lowest first: a folder uses itself and the ones before it. src/README.md describes the folders.
ORDER="base sys math position attention model tasks tokenizers data train experiment store run slurm analysis report cli"
# Folders of plug-ins: each file defines one entry of a generated registry, as in methods/. They can have any number of
# files, and their options can have the names of methods.
PLUGINS="tasks"
# Analyses and reports read results from databases and never run anything.
APART="analysis>run analysis>slurm report>run report>slurm"
# Library headers, and the only folder that includes each.
OWNERS="cblas.h=math dnnl.h=math cJSON.h=base sqlite3.h=store mpi.h=sys openssl=base pcre2.h=tokenizers utf8proc.h=tokenizers"
# Files that may call malloc and its family: the arenas, and code that passes memory to libraries that free it.
ALLOCATORS="base"

structure() { # structure CHECK FILE...: prints the findings
    local output
    output=$(awk -v check="$1" -v order="$ORDER" -v owners="$OWNERS" -v apart="$APART" -v plugins="$PLUGINS" -v allocators="$ALLOCATORS" \
        -v methods="$(basename -a -s .c methods/*.c 2>/dev/null | tr '\n' ' ')" -f "$structure.awk" "${@:2}" 2>&1) &&
        [ -z "$output" ] || { say "$output"; found=1; }
}

check_layers() {
    local file
    for file in src/*.[ch]; do say "$file: belongs in a folder of src/"; done
    for file in methods/*; do
        [[ $file == *.c || $file == methods/README.md ]] ||
            say "$file: methods/ holds one .c file per method and README.md, nothing else"
    done
    structure layers src/*/*.[ch] methods/*.c
}

check_memory() {
    structure memory src/*/*.[ch] methods/*.c
}

check_names() {
    structure names src/*/*.[ch]
}
