#compdef poslab
# zsh completion of poslab, printed by `poslab completion zsh`
_poslab() {
    local -a lines
    local result=1
    lines=(${(f)"$(${~${(Q)words[1]}} complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if [[ $lines[-1] == '<files>' ]]; then
        lines[-1]=()
        _files && result=0
    fi
    lines=("${(@)lines/$'\t'/:}")
    (($#lines)) && _describe -o poslab lines && result=0
    return result
}
_poslab "$@"
