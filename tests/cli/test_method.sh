#!/usr/bin/env bash
# test_method.sh: adds a method as methods/README.md describes. In a copy of the tree, `make method` writes one that
# builds, passes the laws and is compared with others; a wrong sign is found; deleting the file restores the previous
# state. The table in methods/README.md is the output of `poslab methods`.
. "$(dirname "$0")/../tools/shell.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD SANITIZE CFLAGS LDFLAGS


fails() { # fails TEXT COMMAND...: it fails and prints the text
    ! "${@:2}" >"$home/said" 2>&1 && grep -qF -- "$1" "$home/said" && return
    cat "$home/said"
    return 1
}

refuses() { # refuses TEXT COMMAND...: it fails with 2 and prints the text
    "${@:2}" >"$home/said" 2>&1
    [ $? = 2 ] && grep -qF -- "$1" "$home/said" || { cat "$home/said"; return 1; }
}

cd "$root" || exit 1
# Rows may be missing or superfluous: adding or removing a method changes only one file.
up_to_date() {
    ./poslab methods --format md | awk -F '|' '
        FNR == NR { if (/^<!-- end of methods/) inside = 0
                    if (inside) row[$2] = $0
                    if (/^<!-- methods/) inside = 1
                    next }
        $2 in row { found++; if (row[$2] != $0) { print "methods/README.md: " row[$2] "\nposlab:            " $0; wrong = 1 } }
        !($2 in row) { print "not in methods/README.md: " $0 }
        END { exit wrong || found < 3 }' methods/README.md -
}
check "the table of methods/README.md is up to date (make readme-methods)" up_to_date

# Uses the existing objects, so that only new files are compiled.
cp -a Makefile .ci src methods tests configs plots poslab "$home" && mkdir -p "$home/build" "$home/results" &&
    cp -a results/paper "$home/results" &&
    find build -mindepth 1 -maxdepth 1 ! -name asan ! -name valgrind ! -name coverage ! -name fuzz ! -name torch \
        -exec cp -a -t "$home/build" {} + && cd "$home" || exit 1
before=$(find methods configs | sort)
make_method() {
    make -s method "$@"
}
tells_unconfirmed() { # every method whose file says "Not confirmed" has a note
    local file name
    for file in methods/*.c; do
        name=$(basename "$file" .c)
        [ "$(grep -c '^ \* Not confirmed: ' "$file")" = "$(./poslab methods "$name" | grep -c '^not confirmed in a source: ')" ] ||
            { echo "$name"; return 1; }
    done
}
check "what could not be confirmed in a source is printed" tells_unconfirmed
check "a name in capitals is refused" fails "begins with a letter; got 'Foo'" make_method NAME=Foo
check "a name with a blank is refused" fails "got 'a b'" make_method "NAME=a b"
check "no name is refused" fails "got ''" make_method
check "a path is refused" fails "got '../x'" make_method NAME=../x
check "a method that exists is refused" fails "methods/$(basename "$(ls methods/*.c | head -1)") is there already" \
    make_method NAME="$(basename "$(ls methods/*.c | head -1)" .c)"
check "an experiment that exists is refused" fails "configs/quickstart.json is there already" make_method NAME=quickstart
check "a string of src/ is refused" fails "'train' is a string in src/" make_method NAME=train
check "nothing was written" test "$before" = "$(find methods configs | sort)"

check "make method writes one" make_method NAME=sample_probe
check "it is laid out" clang-format --style=file:"$root/.clang-format" --dry-run -Werror methods/sample_probe.c
check "it builds" make -s -j2 poslab build/tests/test_methods
check "it obeys the laws" build/tests/test_methods sample_probe
check "laws of no method are refused" refuses "make laws NAME=foo: a name is missing; there are " make -s laws
check "laws of an unknown method are refused" refuses "no method 'sample_prob' (did you mean 'sample_probe'?); there are " \
    build/tests/test_methods sample_prob
check "and by make" fails "there is no method 'nosuch'; there are " make -s laws NAME=nosuch
check "an unknown law is refused" refuses "there is no law 'nosuch'; there are form, options, " \
    build/tests/test_methods sample_probe nosuch
check "it is among the methods" ./poslab methods sample_probe
mkdir -p data/perl
for i in 1 2 3 4 5 6 7 8; do
    awk -v n=$i 'BEGIN { srand(n); for (i = 0; i < 900; i++) printf "%s ", substr("abcdefghijklm", 1 + int(rand() * 9), 4) }' \
        >data/perl/$i.txt
done
check "its experiment runs, shortened" ./poslab run configs/sample_probe.json -q -j 2 --set train.tokens=2048 \
    --set evaluate.tokens=256 --set model.width=16 --set model.ffn=16 --set model.layers=1 --set train.length=16
compares() { # three other methods have a row each
    ./poslab analyse results/sample_probe.db compare --baseline sample_probe >compared && cat compared &&
        for label in $(./poslab methods | awk '/^(alibi|rotary|none) / { print $2 }'); do grep -q "$label" compared || return 1; done
}
check "its table compares in pairs" compares

other=$(basename "$(ls methods/*.c | head -1)" .c)
cp methods/sample_probe.c "$home/kept.c"
sed -i "s/\.name = \"sample_probe\"/.name = \"$other\"/" methods/sample_probe.c
refused="methods/sample_probe.c: the method's name must be the file's: write .name = \"sample_probe\""
check "another method's name is refused by the build" fails "$refused" make -s poslab
check "by the laws, too" fails "$refused" make -s laws NAME=sample_probe
sed '/\.citation = /d' "$home/kept.c" >methods/sample_probe.c
check "without a paper it builds" make -s -j2 poslab build/tests/test_methods
check "and is shown" ./poslab methods sample_probe
check "and the laws say so" fails "no citation with a year" build/tests/test_methods sample_probe form
mv methods/sample_probe.c methods/sample-probe.c
check "a file whose name is no name is refused by make" fails "methods/sample-probe.c: a method's file has a name of" make -s poslab
rm methods/sample-probe.c && cp "$home/kept.c" methods/sample_probe.c

sed -i 's/sum -= (double)logarithms/sum += (double)logarithms/' methods/sample_probe.c
check "with a wrong sign it still builds" make -s -j2 poslab build/tests/test_methods
reruns() {
    ./poslab run configs/sample_probe.json -q --set train.tokens=2048 --set evaluate.tokens=256 --set model.width=16 \
        --set model.ffn=16 --set model.layers=1 --set train.length=16 2>&1
}
own_runs_are_stale() { # and no others
    ./poslab status results/sample_probe.db >status
    [ $? = 3 ] && grep -q "; $(./poslab runs results/sample_probe.db -f csv | grep -c ',sample_probe,sample_probe,') stale" status &&
        ! grep " stale, " status | grep -v "$(./poslab methods | awk '/^sample_probe / { print $2 }')"
}
check "its runs are stale" own_runs_are_stale
retrains_them() { reruns | grep -q "runs* .* stale: the file of .* method was edited after the training; retrained"; }
check "they are trained again" retrains_them
check "then nothing is stale" ./poslab status results/sample_probe.db
check "the laws find a wrong sign" fails "gradient of 'slope'[0] is" build/tests/test_methods sample_probe gradient

sed -e '/\.citation = /d' -e 's/sum -= (double)logarithms/sum += (double)logarithms/' "$home/kept.c" >methods/sample_probe.c
check "with two mistakes it still builds" make -s -j2 build/tests/test_methods
check "the laws list both" fails "laws fail: form (" build/tests/test_methods --short sample_probe
check "with the first case of each" says said "form, sample_probe" "no citation with a year" "gradient, sample_probe" \
    "gradient of 'slope'[0] is" "gradient ("

cp "$home/kept.c" methods/sample_probe.c
sed -i 's/d < length; d++) bias/d <= length; d++) bias/' methods/sample_probe.c
check "with a number too many it still builds" make -s -j2 build/tests/test_methods
check "the laws say which hook writes too far" fails "distance_bias writes outside its array" build/tests/test_methods --short sample_probe

cp "$home/kept.c" methods/sample_probe.c
sed -i 's/\(static void distance_bias(.*{\)$/\1 bias = NULL;/' methods/sample_probe.c
check "with a crash it still builds" make -s -j2 build/tests/test_methods
check "and the laws say where it is" fails 'sample_probe {"slope":1}, layers 1 heads 3 width 18, 1 x 33 tokens: this crashed' \
    build/tests/test_methods --short sample_probe
sed -i 's/bias = NULL;/abort();/; s/#include <math.h>/&\n#include <stdlib.h>/' methods/sample_probe.c
check "with an abort it still builds" make -s -j2 build/tests/test_methods
check "and the laws say where" fails 'sample_probe {"slope":1}, layers 1 heads 3 width 18, 1 x 33 tokens: this crashed' \
    build/tests/test_methods --short sample_probe

rm methods/sample_probe.c configs/sample_probe.json
check "without it the tree builds" make -s -j2 poslab
check "and knows it no more" fails "there is no method 'sample_probe'" ./poslab methods sample_probe
check "its runs are not taken for damaged" refuses "'results/sample_probe.db' is intact, but this poslab lacks the methods of 3 runs" \
    ./poslab check results/sample_probe.db
check "and are told" fails "cannot be checked without methods/sample_probe.c, which is missing" \
    ./poslab check results/sample_probe.db
check "as problems" fails "results/sample_probe.db: 3 problems;" ./poslab check results/sample_probe.db

# --- a short trial, and methods in a folder of one's own ---

check "the try of no method is refused" refuses "make try NAME=foo: a name is missing; there are " make -s try
mkdir own
check "make method writes into METHODS_DIR" make_method NAME=own_probe METHODS_DIR=own
check "both files" test -s own/own_probe.c -a -s own/own_probe.json -a ! -e methods/own_probe.c
check "and not twice" fails "own/own_probe.c is there already" make_method NAME=own_probe METHODS_DIR=own
tries() {
    make -s try NAME=own_probe METHODS_DIR=own >tried 2>&1 || { cat tried; return 1; }
    says tried "22 laws" own_probe "perplexity by evaluation length" 8x
}
check "make try runs the laws and a training" tries
check "beside alibi and none" says tried "$(./poslab methods | awk '$1 == "alibi" || $1 == "none" { print $2; exit }')"
check "the program has the method" ./poslab methods own_probe
revision=$(./poslab --version)
echo '/* edited */' >>own/own_probe.c
check "an edit" make -s poslab METHODS_DIR=own
check "is another revision" test "$revision" != "$(./poslab --version)"
sed -i 's/sum -= (double)logarithms/sum += (double)logarithms/' own/own_probe.c
check "make try stops at a law" fails "gradient of 'slope'[0] is" make -s try NAME=own_probe METHODS_DIR=own
sed -i 's/sum += (double)logarithms/sum -= (double)logarithms/' own/own_probe.c
cp "methods/$other.c" own
check "a name of methods/ is refused" fails "own/$other.c: methods/ has a method of this name" make -s poslab METHODS_DIR=own
rm "own/$other.c"
check "a folder that does not exist is refused" fails "METHODS_DIR=$home/nowhere: there is no such folder" make -s poslab METHODS_DIR=nowhere
check "a path with blanks is refused" fails "must not have blanks" make -s poslab "METHODS_DIR=my own"
check "without the folder it builds" make -s poslab
check "and does not know the method" fails "there is no method 'own_probe'" ./poslab methods own_probe

# From an installed poslab, which cannot be written to; with what is built already.
check "make install" make -s install PREFIX="$home/usr"
source=$home/usr/share/poslab/source
cp -a build out && chmod -R a-w "$source"
check "an installed poslab builds it" make -s -C "$source" METHODS_DIR="$home/own" BUILD="$home/out"
check "the program has the method" out/poslab methods own_probe
check "and the others" out/poslab methods "$other"
check "its laws" make -s -C "$source" METHODS_DIR="$home/own" BUILD="$home/out" "$home/out/tests/test_methods"
check "hold" out/tests/test_methods --short own_probe
check "the revision is that of the installation" grep -qF "$(cat "$source/.revision")." <(out/poslab --version)
chmod -R u+w "$source"

done_testing
