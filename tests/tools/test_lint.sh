#!/usr/bin/env bash
# Shows that every check of lint.sh bites: a small copy of the tree passes, and each of these spoilt ones fails with
# a message that names the spoilt file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
here=${here%/tests*}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0 number=0

mkdir -p "$tree"/{src,methods,tests}
cd "$here"
cp Makefile .clang-format .clang-tidy "$tree"
cp tests/{,tools/}lint.sh tests/{,tools/}cppcheck.* "$tree/tests" 2>/dev/null || true
cp src/{base,arena,rng,position}.[ch] src/{json,fields,hash,checkpoint}.h "$tree/src"
cp methods/*.c "$tree/methods"
touch "$tree"/methods/{alibi,none}.c # they may be deleted
export LINT_ROOT=$tree

result() { # result STATUS NAME
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; failed=1; fi
}

# spoil CHECK FILE TITLE: appends standard input to a file, expects the check to fail and to name it; undoes it.
spoil() {
    local status=1 message
    cd "$tree"
    [ ! -e "$2" ] || cp "$2" saved
    cat >>"$2"
    if message=$(tests/lint.sh "$1" 2>&1); then
        echo "# lint.sh $1 accepts it"
    elif ! grep -q "$2" <<<"$message"; then
        echo "# lint.sh $1 does not name $2:"
        sed 's/^/#   /' <<<"$message"
    else
        status=0
    fi
    if [ -e saved ]; then mv saved "$2"; else rm "$2"; fi
    result $status "$1: $3"
}

status=0
message=$("$tree/tests/lint.sh" layers owners memory names links lengths modes cppcheck 2>&1) || status=1
[ $status = 0 ] || sed 's/^/# /' <<<"$message"
result $status "an unspoilt tree passes"

spoil layers src/rng.c "an include of a higher layer" <<<'#include "position.h"'
spoil layers src/arena.h "the same in a header" <<<'#include "checkpoint.h"'
spoil layers src/stray.c "a file in no layer" <<<'int stray;'
spoil layers methods/none.c "a method that sees the core" <<<'#include "hash.h"'
spoil layers methods/none.c "a method that sees a library" <<<'#include <cblas.h>'
spoil layers methods/helper.h "a header among the methods" <<<'int helper;'
spoil owners src/rng.c "cblas.h outside ops" <<<'#include <cblas.h>'
spoil owners src/base.h "cJSON.h outside json" <<<'#include <cjson/cJSON.h>'
spoil owners src/rng.c "sqlite3.h outside store" <<<'#  include "sqlite3.h"'
spoil owners methods/none.c "libcrypto outside hash" <<<'#include <openssl/sha.h>'
spoil modes tests/stray.sh "a script that cannot be run" <<<'#!/bin/sh'
spoil memory src/rng.c "malloc outside arena" <<<'void *taken(void) { return malloc(1); }'
spoil memory src/base.h "free in a header" <<<'static inline void give(void *p) { free(p); }'
spoil memory methods/none.c "a function pointer to calloc" <<<'void *(*take)(size_t, size_t) = calloc;'
spoil memory src/base.c "strdup" <<<'char *copy(const char *s) { return strdup(s); }'
spoil names src/rng.c "a method's name" <<<'extern int method_alibi;'
spoil names src/base.h "in capitals, in a comment" <<<'/* as ALiBi does */'
spoil names src/base.c "the control's name" <<<'static const char *control = "none";'
spoil format src/rng.c "a line out of format" <<<'int  spaced ;'
spoil warnings src/rng.c "an unused variable" <<<'static int unused;'
spoil clang src/rng.c "what clang warns of" <<<'int same(int a); int same(int a) { if ((a == 1)) return 1; return 0; }'
spoil links src/README.md "a link that leads nowhere" <<<'See [the core](core.h#anchor).'
spoil links README.md "the same in a table" <<<'| [here](#there) | [x](https://x.org/y) | [gone](methods/gone.c) |'
spoil cppcheck src/base.c "an array out of bounds" <<<'int beyond(void) { int a[2] = {0, 0}; return a[2]; }'
spoil tidy src/base.c "a null pointer followed" <<<'int follow(int a); int follow(int a) { int *p = 0; if (a) p = &a; return *p; }'
spoil lengths src/rng.c "a file too long" < <(yes '' | head -450)

exit $failed
