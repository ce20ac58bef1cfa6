# lint_structure.awk: checks the structure of src/, read from its text. Used by lint_structure.sh.
#
#     awk -v check=layers|names|memory -f lint_structure.awk FILE...     one line per finding, "FILE:LINE: message"
#
# layers: FILEs are the C files of src/, methods/ and tests/, in any order. `order` lists the folders of src/, lowest
# first; `owners` lists "HEADER=FOLDER" for library headers; `apart` lists "FOLDER>FOLDER" pairs that are forbidden
# although they point down; `plugins` lists folders with any number of modules, whose strings are not checked. names: `methods`
# lists the methods' names. memory: `allocators` lists folders and files of src/.
#
# Comments are removed, string literals are kept. A module is a .c file with its .h. Module A depends on B if it
# includes B's header, or names a function or a table that B.c defines; so a header that several modules share
# (internal.h, or one that declares functions of two files) hides no cycle.

function report(place, text) {
    print place ": " text
}

# Returns the line without comments; `open` is set if it ends inside one.
function code_of(line,    out, c, next_is, i, n, quote) {
    out = ""
    n = length(line)
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        next_is = substr(line, i + 1, 1)
        if (open) {
            if (c == "*" && next_is == "/") { open = 0; i++ }
        } else if (quote != "") {
            out = out c
            if (c == "\\") { out = out next_is; i++ }
            else if (c == quote) quote = ""
        } else if (c == "/" && next_is == "*") { open = 1; i++; out = out " " }
        else if (c == "/" && next_is == "/") break
        else { if (c == "\"" || c == "'") quote = c; out = out c }
    }
    return out
}

function without_strings(line) {
    gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
    return line
}

function folder_of(path,    part) { # src/FOLDER/FILE, else ""
    return split(path, part, "/") == 3 && part[1] == "src" ? part[2] : ""
}

function module_of(path) { # src/FOLDER/FILE.c -> FOLDER/FILE
    sub(/^src\//, "", path)
    sub(/\.[ch]$/, "", path)
    return path
}

function is_internal(module) {
    return module ~ /\/internal$/
}

function depends(from, to, place) { # the first place is kept
    if (from == to || is_internal(from) || is_internal(to) || (from, to) in edge) return
    edge[from, to] = place
    targets[from] = targets[from] " " to
    nodes[from]
    nodes[to]
}

# Checks a use of another folder's header or function: it must not point up or to a forbidden folder.
function points(from, to, place, what) {
    if (!(from in rank) || !(to in rank)) return
    if (rank[to] > rank[from]) report(place, what " of " to "/, which is above " from "/: includes point down only")
    else if ((from ">" to) in forbidden) report(place, what " of " to "/: " from "/ does not use " to "/")
}

function include_line(line, place,    name, part, header, owner) {
    if (match(line, /"[^"]*"/)) {
        name = substr(line, RSTART + 1, RLENGTH - 2)
        if (top == "tests") return
        if (top == "methods") {
            if (name !~ /^position\/(position|rotary|perceptron|features|scan)\.h$/)
                report(place, "a method includes position/position.h (or another header of services there) and libc, not " name)
            return
        }
        if (split(name, part, "/") != 2 || !(part[1] in rank)) {
            report(place, "an include is \"FOLDER/FILE.h\" with a folder of src/, not \"" name "\"")
            return
        }
        if (part[2] == "internal.h" && part[1] != folder) report(place, name " is private to " part[1] "/")
        points(folder, part[1], place, name)
        depends(module_of(FILENAME), module_of(name), place)
    } else if (match(line, /<[^>]*>/)) {
        name = substr(line, RSTART + 1, RLENGTH - 2)
        if (top == "tests") return
        for (header in owner_of) {
            owner = owner_of[header]
            if ((name == header || name ~ ("(^|/)" header "(/|$)")) && owner != folder)
                report(place, "<" name "> belongs to src/" owner "/")
        }
        if (top == "methods" && !(name in libc)) report(place, "a method includes position/position.h (or another header of services there) and libc, not <" name ">")
    }
}

# A definition with external linkage in a .c file of src/: a function or a table that begins in the first column.
function definition(line,    name) {
    if (line !~ /^[A-Za-z_]/ || line ~ /^(static|typedef|extern|struct|enum|union|return|else|goto|case|default)([^A-Za-z0-9_]|$)/) return
    if (line ~ /;[ \t]*$/ && line !~ /=/) return
    if (line ~ /^[A-Za-z_][A-Za-z0-9_ *]*[ *][A-Za-z_][A-Za-z0-9_]*\(/) {
        name = line
        sub(/\(.*/, "", name)
    } else if (line ~ /^[A-Za-z_][A-Za-z0-9_ *]*[ *][A-Za-z_][A-Za-z0-9_]*(\[[^]]*\])* =/) {
        name = line
        sub(/(\[[^]]*\])* =.*/, "", name)
    } else return
    sub(/.*[ *]/, "", name)
    defined[name] = module_of(FILENAME)
}

# Records the names that the line uses, until all definitions are known. Members (a.b, a->b) do not count.
function uses(line, place,    name, module) {
    module = module_of(FILENAME)
    gsub(/(\.|->)[ ]*[A-Za-z_][A-Za-z0-9_]*/, "", line)
    while (match(line, /[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(line, RSTART, RLENGTH)
        line = substr(line, RSTART + RLENGTH)
        if (!((module, name) in used)) used[module, name] = place
    }
}

# The function in whose argument list the text ends; "" outside of calls.
function innermost_call(text,    i, c, depth_) {
    text = without_strings(text)
    for (i = length(text); i > 0; i--) {
        c = substr(text, i, 1)
        if (c == ")") depth_++
        else if (c == "(" && depth_-- == 0) {
            text = substr(text, 1, i - 1)
            return match(text, /[A-Za-z_][A-Za-z0-9_]*$/) ? substr(text, RSTART) : ""
        }
    }
    return ""
}

# `statement` is the text of the current statement so far, over several lines.
function names_line(line, place,    literal, rest, after) {
    rest = line
    while (match(rest, /"([^"\\]|\\.)*"/)) {
        literal = substr(rest, RSTART + 1, RLENGTH - 2)
        statement = statement substr(rest, 1, RSTART - 1)
        after = substr(rest, RSTART + RLENGTH)
        # Keys are not names of methods: the key of an option's row, {"key", OPTION_..., and the key argument of a
        # json_ function.
        if (literal in method && !(statement ~ /\{$/ && after ~ /^, (OPTION|FIELD)_/) && innermost_call(statement) !~ /^json_/)
            report(place, "\"" literal "\" is a method's name; src/ names no method")
        statement = statement "\"" literal "\""
        rest = after
    }
    statement = rest ~ /[;{}][ \t]*$/ ? "" : statement rest " "
}

# Depth-first search: reports each cycle closed by a back edge, with the place of each step.
function visit(node,    list, count, i, to, at, circle) {
    state[node] = 1
    stack[++depth] = node
    count = split(targets[node], list, " ")
    for (i = 1; i <= count; i++) {
        to = list[i]
        if (state[to] == 1) {
            circle = to
            for (at = depth; stack[at] != to; at--) ;
            for (at++; at <= depth; at++) circle = circle " -> " stack[at] " (" edge[stack[at - 1], stack[at]] ")"
            report(edge[node, to], "a circle: " circle " -> " to)
        } else if (!state[to]) visit(to)
    }
    depth--
    state[node] = 2
}

BEGIN {
    count = split(order, list, " ")
    for (i = 1; i <= count; i++) rank[list[i]] = i
    count = split(owners, list, " ")
    for (i = 1; i <= count; i++) { split(list[i], pair, "="); owner_of[pair[1]] = pair[2] }
    count = split(apart, list, " ")
    for (i = 1; i <= count; i++) forbidden[list[i]]
    count = split(methods, list, " ")
    for (i = 1; i <= count; i++) method[list[i]]
    count = split(plugins, list, " ")
    for (i = 1; i <= count; i++) plugin[list[i]]
    count = split(allocators, list, " ")
    for (i = 1; i <= count; i++) allocator[list[i]]
    count = split("assert complex ctype errno float inttypes iso646 limits math stdalign stdarg stdbool stddef stdint " \
                  "stdio stdlib string tgmath", list, " ")
    for (i = 1; i <= count; i++) libc[list[i] ".h"]
}

FNR == 1 {
    open = 0
    statement = ""
    folder = folder_of(FILENAME)
    top = FILENAME
    sub(/\/.*/, "", top)
    if (check == "layers" && top == "src" && !(folder in rank))
        report(FILENAME, "is in no folder of src/'s order (tests/tools/lint_structure.sh): " order)
    if (check == "layers" && top == "src" && FILENAME ~ /\.c$/ && !(folder in plugin) && ++modules[folder] == 13)
        report(FILENAME, "is the 13th module of src/" folder "/: at most 12")
}

{
    line = code_of($0)
    if (line !~ /[^ \t]/) next
    place = FILENAME ":" FNR
    if (check == "names") { if (!(folder in plugin)) names_line(line, place); next }
    if (check == "layers" && line ~ /^[ \t]*#[ \t]*include/) { include_line(line, place); next }
    line = without_strings(line)
    if (check == "memory") {
        if (!(folder in allocator) && !(FILENAME in allocator) &&
            line ~ /(^|[^A-Za-z0-9_])(malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|strn?dup|v?asprintf)([^A-Za-z0-9_]|$)/)
            report(place, "memory comes from an arena (base/arena.h)")
        next
    }
    if (top == "src" && FILENAME ~ /\.c$/) { definition(line); uses(line, place) }
}

END {
    if (check != "layers") exit
    for (key in used) {
        split(key, part, SUBSEP)
        if (!(part[2] in defined)) continue
        split(part[1], from, "/")
        split(defined[part[2]], to, "/")
        if (from[1] != to[1]) points(from[1], to[1], used[key], part[2] "()")
        depends(part[1], defined[part[2]], used[key])
    }
    for (node in nodes) if (!state[node]) visit(node)
}
