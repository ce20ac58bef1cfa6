#!/usr/bin/env bash
# lint.sh [CHECK...]: what the compiler does not enforce. Without arguments all checks are made.
#
#     layers    a file of src/ includes its own layer or lower ones; a method sees position.h and libc only
#     owners    a library's header is included by the one file that owns the library
#     memory    malloc and its family are called in arena.c only
#     names     no method's name in src/
#     format    clang-format
#     warnings  gcc and clang, with the Makefile's flags and -Werror
#     tidy      clang-tidy (.clang-tidy)
#     cppcheck  cppcheck (tests/cppcheck.supp)
#     lengths   no file above 450 lines
#     modes     what begins with #! may be run
#
# Every finding is printed with its place. Run by `make lint`; tests/test_lint.sh shows that each check bites.
set -u
shopt -s nullglob
cd "${LINT_ROOT:-$(dirname "$0")/..}" || exit 1

# Layers from the bottom up: a file may include its own line and the lines above it.
LAYERS=(
    "base signals arena units file escape command rng hash paths scan filetype json fields lanes ranks revision"
    "position"
    "profile ops tile bf16 linear product" # beside these, methods/*.c
    "attention attention_work attention_options attention_head attention_terms attention_vectors attention_tiles attention_rows model pass step optim data documents batches machine"
    "checkpoint session train evaluate"
    "requests adaptive allocation config axes plan crowd scaling label holder contents store schema statement record reference merge speed"
    "folder lock missing scratch delivery task queue submit collect sweep worker child progress catalog export stats table curves gnuplot figure figure_length figure_position figure_bias figure_loss claims verdict html page gallery plot status paper sheet facts pivot check merge report bench revisit frame series analyse analysis extrapolate contrast cost early findings"
    "arguments launch cluster main"
)
declare -A OWNER=(
    [cblas.h]=src/ops.c
    [dnnl.h]=src/bf16.c
    [cJSON.h]=src/json.c
    [sqlite3.h]=src/store.c
    [mpi.h]=src/ranks.c
    [openssl]=src/hash.c
    [cmocka.h]=tests
)
LIBC="assert complex ctype errno float inttypes iso646 limits math stdalign stdarg stdbool stddef stdint stdio stdlib string tgmath"
LONGEST=450

flags=$(make -s flags)
jobs=$(nproc)
sources=(src/*.c methods/*.c tests/*.c)
headers=(src/*.h tests/*.h)
found=0

say() {
    printf '%s\n' "$*"
    found=1
}

# quiet COMMAND...: its output in one piece; fails if it fails or says anything.
quiet() {
    local output
    output=$("$@" 2>&1) && [ -z "$output" ] && return
    printf '%s: %s\n' "${!#}" "${output:-failed}"
    return 1
}
export -f quiet

# each COMMAND...: runs "COMMAND FILE" for every C file, several at a time.
each() {
    printf '%s\0' "${sources[@]}" | xargs -0 -r -P "$jobs" -n 1 bash -c 'quiet "$@"' each "$@" || found=1
}

# The code of a file without comments and strings: "FILE:LINE:CODE" per line.
code() {
    gcc -fpreprocessed -dD -E "$1" 2>/dev/null |
        awk -v file="$1" '/^# [0-9]+ "/ { line = $2; next } { print file ":" line++ ":" $0 }' |
        sed -E 's/"([^"\\]|\\.)*"/""/g'
}

layer_of() { # layer_of FILE: its number, from its name; figure_x.c belongs to figure
    local name i word
    name=$(basename "$1")
    name=${name%.*}
    name=${name%%_*}
    for i in "${!LAYERS[@]}"; do
        for word in ${LAYERS[i]}; do
            [ "$word" != "$name" ] || { echo "$i"; return; }
        done
    done
    return 1
}

check_layers() {
    local file header own other
    for file in src/*.[ch]; do
        own=$(layer_of "$file") || { say "$file: belongs to no layer; enter it in tests/lint.sh"; continue; }
        # shellcheck disable=SC2086 # the flags are words
        for header in $(gcc $flags -MM "$file" 2>&1 | tr -d '\\' | tr ' ' '\n' | grep '\.h$'); do
            other=$(layer_of "$header") || continue
            [ "$other" -le "$own" ] || say "$file: layer $own includes $header of layer $other; arrows point down only"
        done
    done
    for file in methods/*; do
        [[ $file == *.c ]] || say "$file: methods/ holds one .c file per method and nothing else"
        while IFS= read -r header; do
            [[ $header == *'"position.h"'* ]] && continue
            [[ $header =~ \<([a-z0-9]+)\.h\> && " $LIBC " == *" ${BASH_REMATCH[1]} "* ]] && continue
            say "$file:$header: a method sees position.h and libc only"
        done < <(grep -n '^ *# *include' "$file")
    done
}

check_owners() {
    local header place
    for header in "${!OWNER[@]}"; do
        while IFS= read -r place; do
            [[ $place == "${OWNER[$header]}"* ]] || say "$place: $header belongs to ${OWNER[$header]}"
        done < <(grep -nE "^ *# *include.*\\b${header/./\\.}" "${sources[@]}" "${headers[@]}" /dev/null | grep -v '^tests/')
    done
}

check_memory() {
    local file place
    for file in src/*.[ch] methods/*; do
        [ "$file" != src/arena.c ] || continue
        while IFS= read -r place; do
            say "$place: memory comes from an arena (arena.h)"
        done < <(code "$file" | grep -E '\b(malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|strn?dup|v?asprintf)\b')
    done
}

# Names that are words, too, stand in quotes where they are names ("shape" is also a key of safetensors).
WORDS="none pi shape learned randomised cape"
check_names() {
    local file name pattern
    for file in methods/*.c; do
        name=$(basename "$file" .c)
        pattern="(^|[^a-z0-9])$name([^a-z0-9]|\$)"
        [[ " $WORDS " != *" $name "* ]] || pattern="\"$name\""
        while IFS= read -r place; do
            say "$place  <- src/ names no method ($name)"
        done < <(grep -niE "$pattern" src/*.[ch] /dev/null | grep -v 'src/checkpoint.c:.*json_.*"shape"')
    done
}

check_format() {
    clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}" || found=1
}

check_warnings() {
    # shellcheck disable=SC2086
    each gcc $flags -Itests -Werror -c -o /dev/null
    # shellcheck disable=SC2086
    each clang $flags -Itests -Werror -fsyntax-only
}

# On standard error clang-tidy only counts what it does not show. The analyser follows paths up to NODES states in a
# function: its own 225,000 take four times as long.
export NODES=${NODES:-20000}
tidy() {
    clang-tidy --quiet "${!#}" -- "${@:1:$#-1}" -Xclang -analyzer-config -Xclang max-nodes="$NODES" 2>/dev/null
}
export -f tidy

check_tidy() {
    # shellcheck disable=SC2086
    each tidy $flags -Itests
}

check_cppcheck() {
    local output
    output=$(cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,style,performance,portability -j "$jobs" \
        --library=tests/cppcheck.cfg --suppressions-list=tests/cppcheck.supp --inline-suppr -D_GNU_SOURCE -D__GNUC__ -Isrc -Itests \
        --template='{file}:{line}: {severity}: {message} [{id}]' src methods tests 2>&1) && [ -z "$output" ] ||
        say "$output"
}

check_lengths() {
    local file lines
    for file in src/*.[ch] methods/*; do
        lines=$(wc -l <"$file")
        [ "$lines" -le $LONGEST ] || say "$file: $lines lines; split it (at most $LONGEST)"
    done
}

check_modes() {
    local file
    for file in .ci/* tests/*.sh tests/*.py plots/* results/*/*.sh; do
        [ ! -f "$file" ] || [ -x "$file" ] || [ "$(head -c 2 "$file")" != "#!" ] || say "$file: chmod +x $file"
    done
}

checks=("$@")
[ $# != 0 ] || mapfile -t checks < <(declare -F | sed -n 's/^declare -f check_//p')
for check in "${checks[@]}"; do
    declare -F "check_$check" >/dev/null || { echo "lint.sh: no check is called '$check'" >&2; exit 2; }
    "check_$check"
done
[ $found = 0 ] || { echo "lint failed"; exit 1; }
echo "lint passed"
