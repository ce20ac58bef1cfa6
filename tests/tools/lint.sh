#!/usr/bin/env bash
# lint.sh [CHECK...]: what the compiler does not enforce. Without arguments all checks are made.
#
#     layers    a file of src/ includes its own layer or lower ones; a method sees position.h and libc only
#     owners    a library's header is included by the one file that owns the library
#     memory    malloc and its family are called in arena.c only
#     names     no method's name in src/
#     format    clang-format
#     links     every relative link of a document leads to a file
#     warnings  gcc, with the Makefile's flags and -Werror
#     clang     clang, likewise
#     tidy      clang-tidy (.clang-tidy)
#     cppcheck  cppcheck (tests/tools/cppcheck.supp)
#     lengths   no file above 450 lines
#     modes     what begins with #! may be run
#
# Every finding is printed with its place. Run by `make lint`, without the slow ones by `make lint-quick`;
# test_lint.sh shows that each check bites.
set -u
shopt -s nullglob extglob
here=$(cd "$(dirname "$0")" && pwd)
cd "${LINT_ROOT:-${here%/tests*}}" || exit 1

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

jobs=$(nproc)
tests=(tests/*.c tests/!(fuzz|torture)/!(shim).c)
sources=(src/*.c methods/*.c "${tests[@]}")
headers=(src/*.h tests/*.h tests/!(fuzz)/*.h)
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

declare -A LAYER_OF # of a name its layer
for layer in "${!LAYERS[@]}"; do
    for name in ${LAYERS[layer]}; do LAYER_OF[$name]=$layer; done
done

layer_of() { # layer_of FILE: sets layer to its number, from its name; figure_x.c belongs to figure
    local name=${1##*/}
    name=${name%.*}
    layer=${LAYER_OF[${name%%_*}]:-}
    [ -n "$layer" ]
}

# What a header includes is checked in that header, so that direct includes are enough.
check_layers() {
    local file header line text own
    for file in src/*.[ch]; do
        layer_of "$file" || say "$file: belongs to no layer; enter it in tests/tools/lint.sh"
    done
    while IFS=: read -r file line text; do
        layer_of "$file" || continue
        own=$layer header=${text#*\"}
        header=${header%%\"*}
        layer_of "$header" || continue
        [ "$layer" -le "$own" ] || say "$file:$line: layer $own includes $header of layer $layer; arrows point down only"
    done < <(grep -nE '^ *# *include *"' src/*.[ch] /dev/null)
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
    printf '%s\0' "${sources[@]}" "${headers[@]}" | xargs -0 -P "$jobs" -n 40 clang-format --dry-run -Werror || found=1
}

# [text](target): targets of other places, and those inside the same page, are not looked at.
check_links() {
    local place file target
    while IFS= read -r place; do
        file=${place%%:*} target=${place#*](}
        target=${target%)}
        target=${target%%#*}
        [[ -z $target || $target == *:* ]] || [ -e "$(dirname "$file")/$target" ] || say "$place: there is no $target"
    done < <(find . -name '*.md' -not -path './build/*' -not -path './.git/*' -exec grep -noHE '\]\([^) ]+\)' {} +)
}

check_warnings() {
    # shellcheck disable=SC2046 # the flags are words
    each gcc $(make -s flags) -Werror -c -o /dev/null
}

check_clang() {
    # shellcheck disable=SC2046
    each clang $(make -s flags) -Werror -fsyntax-only
}

# On standard error clang-tidy only counts what it does not show. The analyser follows paths up to NODES states in a
# function: its own 225,000 take four times as long.
export NODES=${NODES:-20000}
tidy() {
    clang-tidy --quiet "${!#}" -- "${@:1:$#-1}" -Xclang -analyzer-config -Xclang max-nodes="$NODES" 2>/dev/null
}
export -f tidy

check_tidy() {
    # shellcheck disable=SC2046
    each tidy $(make -s flags)
}

check_cppcheck() {
    local output folders=()
    mapfile -t folders < <(for file in "${tests[@]}"; do echo "-I${file%/*}"; done | sort -u)
    output=$(cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,style,performance,portability -j "$jobs" \
        --library="$here/cppcheck.cfg" --suppressions-list="$here/cppcheck.supp" --inline-suppr -D_GNU_SOURCE -D__GNUC__ -Isrc "${folders[@]}" \
        --template='{file}:{line}: {severity}: {message} [{id}]' src methods "${tests[@]}" 2>&1) && [ -z "$output" ] ||
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
    for file in .ci/* tests/*.sh tests/*.py tests/*/*.sh tests/*/*.py plots/* results/*/*.sh; do
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
