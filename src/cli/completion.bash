# bash completion of poslab, printed by `poslab completion bash`
_poslab() {
    local program=${1/#~\//$HOME/} word=${COMP_WORDS[COMP_CWORD]#=}
    mapfile -t COMPREPLY < <(
        "$program" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1)
    if [[ ${COMPREPLY[*]: -1} == '<files>' ]]; then
        unset 'COMPREPLY[-1]'
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames 2>/dev/null
    fi
}
complete -F _poslab poslab
