#!/usr/bin/env bash
# readme_keys.sh POSLAB <README >README: the tables between the marks `<!-- keys: SECTION -->` and `<!-- end of keys -->`
# are those of `poslab manual keys SECTION`.
awk -v poslab="$1" '
    /^<!-- end of keys/ { inside = 0 }
    !inside
    /^<!-- keys:/ {
        section = $3 == "-->" ? "" : $3
        command = "\"" poslab "\" manual keys \"" section "\""
        while ((command | getline line) > 0) print line
        if (close(command) != 0) exit 1
        inside = 1
    }'
