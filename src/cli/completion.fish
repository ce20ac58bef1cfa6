# fish completion of poslab, printed by `poslab completion fish`
function __poslab_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    for line in ($program complete -- $words 2>/dev/null)
        if test "$line" = '<files>'
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c poslab -f -a '(__poslab_complete)'
