# shellcheck shell=bash
# Sourced by lint.sh: what src/ may include, allocate and name. The reading is done by lint_structure.awk, without a
# compiler.

# The folders of src/, lowest first: a folder uses itself and the ones before it. This line is all that is configured;
# src/README.md says what each folder is for.
ORDER="base sys math position attention model tasks data train experiment store run slurm analysis report cli"
# Folders that hold plug-ins, like methods/: each file defines one thing for a registry that is generated. They can have any
# number of files, and options of plug-ins can be called what methods are called.
PLUGINS="tasks"
# Results are read from databases: what analyses and reports them never runs anything.
APART="analysis>run analysis>slurm report>run report>slurm"
# Libraries, by the one folder that includes their headers.
OWNERS="cblas.h=math dnnl.h=math cJSON.h=base sqlite3.h=store mpi.h=sys openssl=base"
# Where malloc and its family are called: by the arenas, and by what hands memory to libraries that free it.
ALLOCATORS="base"

structure() { # structure CHECK FILE...: prints what is wrong
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
