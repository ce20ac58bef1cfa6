#!/usr/bin/env bash
# test_completion.sh: texts generated from the options of commands: help, the man page, completion for bash, zsh and
# fish. The scripts for zsh and fish are run by these shells if installed; otherwise only their text is checked.
set -u
cd "$(realpath "$0" | sed "s|\(.*\)/tests/.*|\1|")" || exit 1
POSLAB=${POSLAB:-$PWD/poslab}
tree=$PWD
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$home" || exit 1
number=0 failed=0
export LC_ALL=C PATH="${POSLAB%/*}:$PATH" # the scripts call the program

check() { # check NAME COMMAND...
    local name=$1
    shift
    number=$((number + 1))
    if "$@" >check.out 2>&1; then
        echo "ok $number - $name"
    else
        failed=1
        echo "not ok $number - $name"
        sed 's/^/# /' check.out | head -30
    fi
}

skip() { # skip NAME REASON
    number=$((number + 1))
    echo "ok $number - $1 # skip $2"
}

commands=$("$POSLAB" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p')
options_of() { # options_of COMMAND: long options
    "$POSLAB" "$1" --help | sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p'
}
for shell in bash zsh fish; do "$POSLAB" completion $shell >script.$shell || exit 1; done
mkdir folder
touch a.db a.json b.txt

# --- help and man page ---

helps() { # helps COMMAND: synopsis, sentence, options, example, exit codes
    "$POSLAB" "$1" --help >help || return
    sed -n 1p help | grep -qE "^usage: poslab $1 \[OPTION\]\.\.\. " && sed -n 3p help | grep -qE '^[A-Z].*\.$' &&
        grep -qxE "Example:" help && grep -qE "^  .*$1" help && grep -qx "Exit codes:" help && grep -qx "  0  done" help &&
        grep -qE "^  2  " help && grep -qE "^  5  " help && ! grep -nE '.{111}| $' help
}
for command in $commands; do check "$command --help" helps "$command"; done

manual() {
    "$POSLAB" manual >commands.1 && "$POSLAB" manual config >config.1 &&
        sed -e '/^@COMMANDS@$/{r commands.1' -e 'd}' -e '/^@CONFIG@$/{r config.1' -e 'd}' "$tree/src/cli/poslab.1.in" | diff "$tree/src/cli/poslab.1" - ||
        { echo "\`make man\` writes it"; return 1; }
}
check "the man page is up to date" manual
formatted() { man -l --warnings=all -Tutf8 "$tree/src/cli/poslab.1" 2>&1 >/dev/null | grep .; }
if command -v man groff >/dev/null; then
    check "and has no mistake" bash -c "! { $(declare -f formatted); tree='$tree'; formatted; }"
else
    skip "and has no mistake" "no man here"
fi

# --- bash ---

check "bash: the script is one" bash -n script.bash
# shellcheck source=/dev/null
. ./script.bash
offers() { # offers "WORDS OFFERED" WORD...: the completions of the last word, in any order
    local wanted got
    wanted=$(tr ' ' '\n' <<<"$1" | sort)
    shift
    COMP_WORDS=(poslab "$@")
    COMP_CWORD=$#
    _poslab poslab "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    got=$(printf '%s\n' "${COMPREPLY[@]}" | sort)
    [ "$got" = "$wanted" ] || { echo "offered: $got"; return 1; }
}
check "bash: commands" offers "table" tab
# shellcheck disable=SC2086 # words
check "bash: all commands" offers "$(echo $commands) --help --version" ""
for command in $commands; do
    # shellcheck disable=SC2046
    check "bash: options of $command" offers "$(echo $(options_of "$command"))" "$command" --
done
check "bash: a choice" offers "md" table a.db --format m
check "bash: of a short option" offers "text md latex csv json" table a.db -f ""
check "bash: after =" offers "json" table a.db --format = j
check "bash: right after =" offers "failed changed missing" run --retry =
check "bash: the second word" offers "claims claim-points" analyse a.db cl
check "bash: behind options, too" offers "claims claim-points" analyse --format csv --paper a.db cl
check "bash: behind --option=value, too" offers "claims claim-points" analyse --format = csv a.db cl
check "bash: a file" offers "a.db a.json" status a
check "bash: the third of several" offers "a.db a.json" merge a.db b.db a
check "bash: a file of an option" offers "b.txt" run --db b
check "bash: a method" offers "$("$POSLAB" methods --format md | awk -F '`' '/^\| `/ { print $2 }' | grep '^a' | tr '\n' ' ' | sed 's/ $//')" methods a
check "bash: commands, and help's page about configs" offers "collect completion config" help co
check "bash: sections of configs" offers "train train.growth train.optimizer train.schedule train.stages[] train.until" help config train
check "bash: shells" offers "zsh" completion z
check "bash: nothing for a number" offers "" run -j ""
check "bash: nothing for an unknown command" offers "" nonesuch x

# --- zsh and fish ---

if command -v zsh >/dev/null; then
    check "zsh: the script is one" zsh -n script.zsh
    gives() { # gives "LINES" WORD...: what the script passes to zsh's functions for the last word
        local wanted=$1 got
        shift
        got=$(zsh -fc '_describe() { print -l -- "${(@P)3}"; }; _files() { print files; }
            words=("$@") CURRENT=$#; source ./script.zsh' zsh poslab "$@")
        [ "$got" = "$wanted" ] || { echo "gave: $got"; return 1; }
    }
    check "zsh: an option with its help" gives "--format:output format" table a.db --fo
    check "zsh: after =" gives "--format=md" table a.db --format=m
    check "zsh: a method or a file" gives "files
alibi:ALiBi" eval a.db --variant ali
    check "zsh: the third of several" gives "files" merge a.db b.db ""
    check "zsh: nothing for a number" gives "" run -j ""
else
    skip "zsh: the script is one" "no zsh here"
fi
if command -v fish >/dev/null; then
    check "fish: the script is one" fish -n script.fish
    completes() { # completes WANTED LINE
        local got
        got=$(HOME=$home fish --no-config -c "source script.fish; complete -C '$2'" | cut -f 1 | sort | tr '\n' ' ')
        [ "$got" = "$1 " ] || { echo "offered: $got"; return 1; }
    }
    check "fish: commands" completes "table" "poslab tab"
    check "fish: options" completes "--format" "poslab table a.db --fo"
    check "fish: a choice" completes "md" "poslab table a.db --format m"
    check "fish: after =" completes "--format=md" "poslab table a.db --format=m"
    check "fish: a file" completes "a.db a.json" "poslab status a"
    check "fish: a method or a file" completes "alibi" "poslab eval a.db --variant ali"
    check "fish: the second word" completes "claim-points claims" "poslab analyse a.db cl"
else
    skip "fish: the script is one" "no fish here"
fi
exit $failed
