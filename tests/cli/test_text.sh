#!/usr/bin/env bash
# test_text.sh: environment variables, closed pipes, exit codes, control characters in arguments, and installation
# into folders with unusual names.
# shellcheck disable=SC2016 # not expanded by this shell
. "$(dirname "$0")/../tools/shell.sh"
export TMPDIR=$home/tmp
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES POSIXLY_CORRECT PREFIX DESTDIR
mkdir tmp
ln -s "$root/plots" plots

seq 1 3000 >corpus.txt
cat >x.json <<'END'
{ "name": "x", "data": { "files": ["corpus.txt"], "split": { "valid": 0.25, "test": 0.25 } }, "method": "none",
  "model": { "layers": 1, "heads": 2, "width": 16, "ffn": 16 },
  "train": { "length": 16, "tokens": 96, "tokens_per_step": 32 }, "evaluate": { "tokens": 64, "multiples": [1, 2] } }
END
db=x.db

# --- exit codes ---

check "a run" try 0 run x.json -q --db $db
check "status of what is complete" try 0 status $db
sqlite3 $db "UPDATE run SET status = 'diverged', reason = 'x'; DELETE FROM evaluation_window; DELETE FROM position_loss; DELETE FROM evaluation"
check "a diverged run is an outcome: nothing is left to do, exit code 0" try 0 run x.json -q --db $db
check "status: nothing is left to do" try 0 status $db
sqlite3 $db "UPDATE run SET status = 'pending'"
check "status: work is left" try 3 status $db
check "and in JSON" try 3 status $db --json
check "a run again" try 0 run x.json -q --db $db
sqlite3 $db "DELETE FROM evaluation_window; DELETE FROM position_loss; DELETE FROM evaluation"
check "status: evaluations are left" try 3 status $db
check "they are made" try 0 run x.json -q --db $db

# --- closed pipes ---

unread() { # unread STATUS COMMAND...: its exit status and no message if its output is a closed pipe
    local status=$1
    shift
    mkfifo pipe
    exec 8<>pipe 9>pipe 8>&-
    "$@" >&9 2>err
    local got=$?
    exec 9>&-
    rm pipe
    [ $got = "$status" ] && [ ! -s err ] && return
    echo "status $got: $(cat err)"
    return 1
}
for command in "table $db" "table $db --format csv" "status $db" "analyse $db curves" "methods" "plan x.json" "--help" \
    "table --help" "methods --format md" "check $db"; do
    # shellcheck disable=SC2086 # words
    check "$command into a closed pipe" unread 141 "$POSLAB" $command
done
check "where SIGPIPE is ignored it is an error" bash -c "(trap '' PIPE; sleep 0.3; '$POSLAB' methods) 2>err | true; grep -q 'Broken pipe' err"

# --- the environment ---

check "options behind words with POSIXLY_CORRECT" env POSIXLY_CORRECT=1 "$POSLAB" table $db --format md
check "as the README has them" env POSIXLY_CORRECT=1 "$POSLAB" run x.json -q --db $db --set train.seed=1
check "a word behind --" try 2 status -- --json
check "is a word" grep -qF -- "--json" err

"$POSLAB" plot $db -o plain.svg >/dev/null
plot_with() { # plot_with VARIABLE=VALUE: the drawing is the same as without it
    env "$@" "$POSLAB" plot $db -o with.svg 2>err && cmp plain.svg with.svg && [ ! -s err ]
}
mkdir gnu
echo 'this is no command' >gnu/.gnuplot
cp gnu/.gnuplot gnu/gnuplotrc
for variable in GNUTERM=x11 GNUTERM=nonsense GNUPLOT_LIB=/nonexistent GNUPLOT_DEFAULT_GDFONT=/no/font GDFONTPATH=/nonexistent \
    GNUPLOT_FONTPATH=/nonexistent GNUPLOT_PS_DIR=/nonexistent GNUHELP=/nonexistent HOME="$home/gnu" XDG_CONFIG_HOME="$home/gnu" \
    LC_ALL=C LC_ALL=de_DE.UTF-8 LANG=tr_TR; do
    check "plot with $variable" plot_with "$variable"
done
with_term() { env GNUTERM=nonsense "$POSLAB" report $db -o r.html && grep -q '<svg viewBox' r.html && ! grep -q 'could be drawn' r.html; }
check "the report with GNUTERM" with_term

# --- a failed plot leaves no files ---

echo 'error here' >spoilt.gp
leaves_nothing() { # leaves_nothing ARGUMENT...
    ! "$POSLAB" plot $db "$@" || return 1
    ! ls | grep '^left'
}
touch style.gp
check "a spoilt template" leaves_nothing -o left.svg --template spoilt.gp
check "no template" leaves_nothing -o left.svg --template none.gp
check "no gnuplot" env PATH=/nonexistent /bin/bash -c '! "$0" plot x.db -o left.svg 2>/dev/null && [ ! -e left.dat ] && [ ! -e left.svg ]' "$POSLAB"
check "nothing to draw" leaves_nothing -o left.svg --figure paper
echo before >kept.dat
check "data that were there" bash -c '! "$0" plot x.db -o kept.svg --template spoilt.gp && [ "$(cat kept.dat)" = before ]' "$POSLAB"

# --- control characters ---

evil=$'a\e[31m\x07\xc2\x9b31m\xff\xe2\x80\xaeb\nc'
obeys() { # contains a control character other than the last line feed
    [ "$(tr -d '\n' <"$1" | LC_ALL=C tr -d '\040-\176\200-\377')" ] || LC_ALL=C grep -q $'\xc2[\x80-\x9f]\|\xe2\x80\xae' "$1" || [ "$(wc -l <"$1")" -gt "$2" ]
}
harmless() { # harmless ARGUMENT...: an error in one line
    ! "$POSLAB" "$@" >out 2>err </dev/null && [ -s err ] && ! obeys err 1 && ! obeys out 0 && return
    cat -v err out
    return 1
}
for command in run plan status table plot report analyse eval reference check merge methods export bench submit collect worker; do
    case $command in
    analyse | merge) words=("$evil" "$evil") ;;
    export) words=("$evil" "$evil" "$evil") ;;
    reference) words=($db "$evil") ;;
    *) words=("$evil") ;;
    esac
    check "$command EVIL" harmless "$command" "${words[@]}"
    check "$command --EVIL" harmless "$command" "--$evil"
done
check "EVIL" harmless "$evil"
for option in format experiment where rows columns; do check "table --$option EVIL" harmless table $db "--$option" "$evil"; done
check "analyse DB EVIL" harmless analyse $db "$evil"
check "analyse --baseline EVIL" harmless analyse $db compare --baseline "$evil"
check "plot --figure EVIL" harmless plot $db --figure "$evil"
check "run --set EVIL" harmless run x.json --set "train.length=\"$evil\""
check "eval --variant EVIL" harmless eval $db --variant "$evil"

# Names in a config: in texts, in JSON and in batch scripts.
file=$'c\xc2\x9b\xe2\x80\xae.txt'
cp corpus.txt "$file"
sed 's/"method": "none"/"sweep": { "method": ["none"], "data.files": [["corpus.txt"], ["c\\u009b\\u202e.txt"]] }/; s/"data": { "files": [^]]*],/"data": {/' \
    x.json >evil.json
harmless_output() { # harmless_output ARGUMENT...
    "$POSLAB" "$@" >out 2>err </dev/null && [ -s out ] && ! obeys out 1000 && ! obeys err 1000 && return
    cat -v err out
    return 1
}
check "plan" harmless_output plan evil.json
check "plan --json" harmless_output plan evil.json --json
check "run --dry-run" harmless_output run evil.json --dry-run
mkdir fake
printf '#!/bin/sh\nexit 0\n' >fake/scontrol
chmod +x fake/scontrol
PATH=$home/fake:$PATH check "submit --dry-run" harmless_output submit evil.json --dry-run
check "a script's lines are options, comments and commands" bash -n out

# --- installation into folders with unusual names ---

install_at() { # install_at DESTDIR PREFIX
    local to=$home/$1 files
    mkdir -p "$to"
    make -C "$root" install DESTDIR="$to" PREFIX="${2//\$/\$\$}" || return 1
    [ -x "$to$2/bin/poslab" ] && [ -f "$to$2/share/poslab/plots/curves.gp" ] && [ -f "$to$2/share/man/man1/poslab.1" ] || return 1
    "$POSLAB" completion bash | cmp - "$to$2/share/bash-completion/completions/poslab" || return 1
    "$POSLAB" completion zsh | cmp - "$to$2/share/zsh/site-functions/_poslab" || return 1
    "$POSLAB" completion fish | cmp - "$to$2/share/fish/vendor_completions.d/poslab.fish" || return 1
    make -C "$root" uninstall DESTDIR="$to" PREFIX="${2//\$/\$\$}" || return 1
    files=$(find "$to" -type f)
    [ ! "$files" ] || { echo "$files"; return 1; }
}
if [ "$POSLAB" = "$root/poslab" ]; then
    echo mine >my
    mkdir -p share/poslab bin && echo mine >share/poslab/mine
    check "install to a PREFIX with a space" install_at root "/my prefix"
    check "with quotes and signs" install_at 'my ro"ot' "/it's; \`x\` \$y & z"
    check "nothing of others is removed" grep -q mine my share/poslab/mine
fi
done_testing
