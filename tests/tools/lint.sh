#!/usr/bin/env bash
# lint.sh [CHECK...]: checks that the compiler does not make. Without arguments all checks are made.
#
#     layers    order of includes, no cycles, private and library headers, methods
#     memory    malloc and its family are called in base/ only
#     names     no string literal in src/ is a method's name
#     words     no words of translated idiom in sources and documents: standard terms instead
#     format    clang-format
#     links     every relative link of a document leads to a file
#     map       src/README.md has one line for each folder and module of src/ (tasks excepted), and no others
#     warnings  gcc with the Makefile's flags and -Werror
#     clang     clang with the same flags
#     tidy      clang-tidy (.clang-tidy)
#     cppcheck  cppcheck (tests/tools/cppcheck.supp)
#     lengths   no source file has more than 450 lines
#     modes     files that begin with #! are executable
#
# Every finding is printed with file and line. `make lint` runs all checks, `make lint-quick` only fast ones.
# test_lint.sh tests that each check finds errors.
set -u
shopt -s nullglob extglob
structure=$(cd "$(dirname "$0")" && pwd)/lint_structure
here=$(cd "$(dirname "$0")" && pwd)
cd "${LINT_ROOT:-${here%/tests*}}" || exit 1

LONGEST=450

jobs=$(nproc)
tests=(tests/*.c tests/!(fuzz|torture)/!(shim).c)
sources=(src/*/*.c methods/*.c "${tests[@]}")
headers=(src/*/*.h tests/*.h tests/!(fuzz)/*.h)
found=0

say() {
    printf '%s\n' "$*"
    found=1
}

# quiet COMMAND...: prints its output at once; fails if the command fails or prints anything.
quiet() {
    local output
    output=$("$@" 2>&1) && [ -z "$output" ] && return
    printf '%s: %s\n' "${!#}" "${output:-failed}"
    return 1
}
export -f quiet

# each COMMAND...: runs "COMMAND FILE" for every C file, several in parallel.
each() {
    printf '%s\0' "${sources[@]}" | xargs -0 -r -P "$jobs" -n 1 bash -c 'quiet "$@"' each "$@" || found=1
}

# Each header is checked for itself, so only direct includes matter.
# shellcheck source=tests/tools/lint_structure.sh
. "$structure.sh"

# Words that are never right in technical English. The SQL of schema.h is stored in databases and cannot change.
WORDS='anew|thereof|lest|reckon(s|ed|ing)?|heed(s|ed)?|side by side|(goes|went|gone) on|what became of'
WORDS+='|beside (the|its|them|this|that|an?|ours|other|each|figures)|lies (in|at|on|behind|beside|beyond|outside)'
WORDS+='|so many (of|times|bytes|tokens|ranks|threads|first|seconds)|for so long'
WORDS+='|(?<!there )is no (JSON|poslab|database|file|folder|regular|method|whole)'
check_words() {
    local files=(src/*/* methods/* tests/*.[ch] tests/*/*.{c,h,sh,awk,py} Makefile plots/* {,configs/,results/,results/*/,tests/}README.md)
    ! grep -nHPiIs "\b($WORDS)\b" "${files[@]}" | grep -v -e '^src/store/schema[a-z_]*\.[ch]:' -e '^tests/tools/\(test_\)\?lint.sh:' ||
        found=1
}

check_format() {
    printf '%s\0' "${sources[@]}" "${headers[@]}" | xargs -0 -P "$jobs" -n 40 clang-format --dry-run -Werror || found=1
}

# [text](target): external targets, and those inside the same page, are not checked.
check_links() {
    local place file target
    while IFS= read -r place; do
        file=${place%%:*} target=${place#*](}
        target=${target%)}
        target=${target%%#*}
        [[ -z $target || $target == *:* ]] || [ -e "$(dirname "$file")/$target" ] || say "$place: $target does not exist"
    done < <(find . -name '*.md' -not -path './build/*' -not -path './.git/*' -exec grep -noHE '\]\([^) ]+\)' {} +)
}

# A folder is listed as "| [NAME](NAME) | ...", a module as "- [NAME](FOLDER/NAME.h): ...".
check_map() {
    local map=src/README.md name
    while IFS= read -r name; do say "$map: no line for src/$name"; done < <(LC_ALL=C comm -23 <(in_tree) <(in_map))
    while IFS= read -r name; do say "$map: src/$name does not exist, or has two lines"; done < <(LC_ALL=C comm -13 <(in_tree) <(in_map))
}

in_tree() {
    local name
    for name in src/*/!(*.md); do
        name=${name#src/}
        echo "${name%/*}/"
        grep -qsE '^const Task [a-z0-9_]+ = ' "src/$name" && [[ $name == *.c ]] || echo "${name%%.*}"
    done | LC_ALL=C sort -u
}

in_map() {
    sed -nE 's/^\| \[([a-z]+)\]\(\1\) \| .*/\1\//p; s/^- \[([a-z0-9_]+)\]\(([a-z]+)\/\1\.[a-z0-9.]+\): .+/\2\/\1/p' \
        "$map" | LC_ALL=C sort
}

check_warnings() {
    # shellcheck disable=SC2046 # the flags are words
    each gcc $(make -s flags) -Werror -c -o /dev/null
}

check_clang() {
    # shellcheck disable=SC2046
    each clang $(make -s flags) -Werror -fsyntax-only
}

# On standard error clang-tidy only counts suppressed warnings. The analyser explores up to NODES states per function;
# its default of 225,000 takes four times as long.
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
    for file in src/*/*.[ch] methods/*.c; do
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
