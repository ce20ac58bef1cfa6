#!/usr/bin/env bash
# test_lint.sh: tests that every check of lint.sh finds errors: a small copy of the tree passes, and after each of
# these changes it fails with a message that names the changed file.
. "$(dirname "$0")/shell.sh"
set -e
shopt -s nullglob
tools=$root/tests/tools tree=$home

mkdir -p "$tree"/{src/base,src/position,src/train,methods,tests}
cd "$root"
cp Makefile .clang-format .clang-tidy "$tree"
cp "$tools"/{lint*,cppcheck.*} "$tree/tests"
clang=warnings # the check that runs clang
! grep -q '^check_clang' "$tools/lint.sh" || clang=clang
cp src/base/{error,arena,random}.[ch] src/base/{json,options,sha256}.h "$tree/src/base"
cp src/position/*.h "$tree/src/position"
cp src/train/safetensors.h "$tree/src/train"
cp methods/*.c "$tree/methods"
touch "$tree"/methods/{alibi,none}.c # their files may be deleted
for name in base/{arena,error,json,options,random,sha256} train/safetensors position/{encoding,features,perceptron,position,rotary,scan}; do
    echo "- [${name#*/}]($name.h): a module"
done >"$tree/src/README.md"
printf '| [%s](%s) | a folder |\n' base{,} train{,} position{,} >>"$tree/src/README.md"
export LINT_ROOT=$tree

# lint CHECK FILE: appends standard input to a file, runs the check, and restores the file; the check's output is in
# `message`.
lint() {
    local status=0
    cd "$tree"
    mkdir -p "$(dirname "$2")"
    [ ! -e "$2" ] || cp "$2" saved
    cat >>"$2"
    message=$(tests/lint.sh "$1" 2>&1) || status=1
    if [ -e saved ]; then mv saved "$2"; else rm "$2"; fi
    return $status
}

# spoil CHECK FILE TITLE: expects the check to fail and to name the file.
spoil() {
    local status=1
    if lint "$1" "$2"; then
        echo "# lint.sh $1 accepts it"
    elif ! grep -q "$2" <<<"$message"; then
        echo "# lint.sh $1 does not name $2:"
        sed 's/^/#   /' <<<"$message"
    else
        status=0
    fi
    result $status "$1: $3"
}

# accept CHECK FILE TITLE: expects the check to pass.
accept() {
    local status=0
    lint "$1" "$2" || { status=1; sed 's/^/#   /' <<<"$message"; }
    result $status "$1: $3"
}

status=0
message=$("$tree/tests/lint.sh" layers memory names words links map lengths modes cppcheck 2>&1) || status=1
[ $status = 0 ] || sed 's/^/# /' <<<"$message"
result $status "an unspoilt tree passes"

spoil layers src/base/random.c "an include that points up" <<<'#include "position/position.h"'
spoil layers src/base/arena.h "the same in a header" <<<'#include "train/safetensors.h"'
printf 'void position_up(void) {\n}\n' >"$tree/src/position/up.c"
spoil layers src/base/random.c "a function of a folder above, without its header" <<<'void up(void) { position_up(); }'
rm -f "$tree/src/position/up.c"
spoil layers src/stray.c "a file in no folder" <<<'int stray;'
spoil layers src/stray/stray.c "a file in a folder that has no place in the order" <<<'int stray;'
rm -rf "$tree/src/stray"
spoil layers src/base/random.c "an include without its folder" <<<'#include "arena.h"'
spoil layers src/analysis/stray.c "an analysis that uses what runs" <<<'#include "run/sweep.h"'
spoil layers src/report/stray.c "a report that uses Slurm" <<<'#include "slurm/submit.h"'
spoil layers src/base/error.h "a circle of headers" <<<'#include "base/arena.h"'
spoil layers src/base/error.c "a circle of functions, whatever header declares them" <<<'void circle(void) { arena_free(0); }'
spoil layers src/train/stray.c "another folder's internal.h" <<<'#include "position/internal.h"'
for i in {1..12}; do echo "int m$i;" >"$tree/src/train/m$i.c"; done
spoil layers src/train/stray.c "a thirteenth module" <<<'int stray;'
rm "$tree"/src/train/m*.c
spoil layers methods/none.c "a method that sees the core" <<<'#include "base/sha256.h"'
spoil layers methods/none.c "a method that sees a library" <<<'#include <cblas.h>'
spoil layers methods/helper.h "a header among the methods" <<<'int helper;'
spoil layers methods/notes.md "a document among the methods" <<<'notes'
accept layers methods/README.md "their README" <<<'# Methods'
spoil layers src/base/random.c "cblas.h outside math" <<<'#include <cblas.h>'
spoil layers src/train/stray.c "dnnl.h outside math" <<<'#include <dnnl.h>'
spoil layers src/position/position.h "cJSON.h outside base" <<<'#include <cjson/cJSON.h>'
spoil layers src/base/random.c "sqlite3.h outside store" <<<'#  include <sqlite3.h>'
spoil layers src/base/random.c "mpi.h outside sys" <<<'#include <mpi.h>'
spoil layers src/train/stray.c "libcrypto outside base" <<<'#include <openssl/sha.h>'
accept layers src/store/stray.c "a library in its own folder" <<<'#include <sqlite3.h>'
accept layers src/train/stray.c "an include that points down, and a name in a comment" <<<'#include "base/arena.h" /* not "run/sweep.h" */'
spoil modes tests/stray.sh "a script that cannot be run" <<<'#!/bin/sh'
spoil memory src/train/stray.c "malloc outside base" <<<'void *taken(void) { return malloc(1); }'
spoil memory src/position/position.h "free in a header" <<<'static inline void give(void *p) { free(p); }'
spoil memory methods/none.c "a function pointer to calloc" <<<'void *(*take)(size_t, size_t) = calloc;'
spoil memory src/train/stray.c "strdup" <<<'char *copy(const char *s) { return strdup(s); }'
accept memory src/train/stray.c "the word in a comment and in a string" <<<'const char *say = "free"; /* malloc() */'
spoil names src/base/error.c "a method's name as a string" <<<'static const char *control = "none";'
spoil names src/base/error.c "among others, behind a comment" <<<'const char *const some[] = {"a", /* b */ "alibi"};'
spoil names src/base/error.c "in a table" <<<'Pair f = {"alibi", 1};'
spoil names src/base/error.h "in a comparison" <<<'static inline int is(const char *s) { return json_count(s) && strcmp(s, "alibi") == 0; }'
accept names src/base/error.c "an identifier, a comment and a longer string" <<<'extern int alibi; /* "alibi" */ const char *text = "an alibi";'
accept names src/base/error.c "the key of an option and of JSON" <<<'OptionField f = {"alibi", OPTION_INT, 0}; void g(void) { json_set(o(1), "alibi", v);
    json_set(
        o, "alibi", v); }'
spoil words src/base/error.c "a stilted word in a comment" <<<'/* begins anew */'
spoil words tests/README.md "others in a document" <<<'a table beside the figure'
accept words src/base/error.c "an identifier, and a word within another" <<<'/* at the lesser side */ int beside;'
spoil links tests/README.md "a link that leads nowhere" <<<'[here](../src/base/nowhere.h)'
accept links tests/README.md "links to a file, a section and a site" <<<'[a](../src/base/error.h#x) [b](#b) [c](https://a.b/c)'
spoil map src/base/stray "a module without a line in the map" <<<'int stray;'
spoil map src/stray/stray "a folder without one" <<<'int stray;'
spoil map src/README.md "a line for a module that does not exist" <<<'- [stray](base/stray.h): nothing'
sed -i.bak '/\[arena\]/d' "$tree/src/README.md"
accept map src/README.md "a line that was missing" <<<'- [arena](base/arena.h): memory'
mv "$tree/src/README.md.bak" "$tree/src/README.md"
spoil map src/README.md "two lines for a module" <<<'- [arena](base/arena.h): again'
accept map src/base/README.md "a document of a folder" <<<"# base"
spoil format src/base/random.c "a line out of format" <<<'int  spaced ;'
spoil warnings src/base/random.c "an unused variable" <<<'static int unused;'
spoil $clang src/base/random.c "what only clang warns of" <<<'int same(int a); int same(int a) { if ((a == 1)) return 1; return 0; }'
spoil cppcheck src/base/error.c "an array out of bounds" <<<'int beyond(void) { int a[2] = {0, 0}; return a[2]; }'
spoil tidy src/base/error.c "a null pointer followed" <<<'int follow(int a); int follow(int a) { int *p = 0; if (a) p = &a; return *p; }'
spoil lengths src/base/random.c "a file too long" < <(yes '' | head -450)

done_testing
