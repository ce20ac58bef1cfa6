#include "report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "sys/process.h"

enum { FIGURE = 9 }; /* the file descriptor to which gnuplot writes the figure */

const char *const gnuplot_formats[] = {"svg", "png", "pdf", NULL};

/* Begins with "./", because gnuplot interprets "< x" as a command and "~" as a home folder. */
const char *gnuplot_path(const char *path, Arena *arena) {
    return escape_text(ESCAPE_PATH, *path == '/' ? path : arena_format(arena, "./%s", path), arena);
}

const char *gnuplot_template(const char *name, const char *beside, Arena *arena, Error *err) {
    const char *slash = beside ? strrchr(beside, '/') : NULL;
    const char *path =
        beside ? arena_format(arena, "%.*s%s", slash ? (int)(slash - beside) + 1 : 0, beside, name) : NULL;
    if (!path || access(path, R_OK) != 0) path = file_find(arena_format(arena, "plots/%s", name), arena);
    if (path) return path;
    error_set(err, EXIT_SYSTEM,
              "no template plots/%s in the current folder or next to the program; `make install` installs it",
              name);
    return NULL;
}

FILE *gnuplot_begin(const char *format, Arena *arena, Error *err) {
    FILE *script = tmpfile();
    if (!script) {
        error_system(err, "cannot make a temporary file");
        return NULL;
    }
    fprintf(script, "set encoding utf8\nfigure = '/dev/fd/%d'\nformat = %s\n", FIGURE,
            escape_text(ESCAPE_GNUPLOT, format, arena));
    return script;
}

/* Writes a text as an expression that keeps line breaks; ESCAPE_GNUPLOT alone replaces them by spaces. */
static void put_text(FILE *script, const char *text, Arena *arena) {
    size_t size = strcspn(text, "\n");
    escape_put(ESCAPE_GNUPLOT, arena_format(arena, "%.*s", (int)size, text), script);
    if (!text[size]) return;
    fputs(".\"\\n\".", script);
    put_text(script, text + size + 1, arena);
}

/* index: 0 for a variable, otherwise the index in an array */
static void put_value(FILE *script, const char *name, int index, const Json *value, Arena *arena) {
    fputs(name, script);
    if (index) fprintf(script, "[%d]", index);
    fputs(" = ", script);
    if (json_is_number(value))
        fprintf(script, "%.17g", json_number(value, 0));
    else
        put_text(script, json_text(value, ""), arena);
    putc('\n', script);
}

static void put_list(FILE *script, const char *name, const Json *list, Arena *arena) {
    fprintf(script, "%s = %d\n", name, json_count(list));
    for (const Json *key = json_first(json_first(list)); key; key = json_next(key)) {
        int index = 0;
        fprintf(script, "array %s[%d]\n", json_name(key), json_count(list));
        for (const Json *item = json_first(list); item; item = json_next(item))
            put_value(script, json_name(key), ++index, json_get(item, json_name(key)), arena);
    }
}

void gnuplot_set(FILE *script, const Json *variables, Arena *arena) {
    for (const Json *value = json_first(variables); value; value = json_next(value))
        if (json_is_array(value))
            put_list(script, json_name(value), value, arena);
        else
            put_value(script, json_name(value), 0, value, arena);
}

/* Copies the output of gnuplot. Returns false with err set if there is none. */
static bool take_figure(FILE *out, int pipe, Error *err) {
    char bytes[65536];
    bool any = false;
    for (ssize_t got; (got = read(pipe, bytes, sizeof bytes)) != 0;) {
        if (got < 0 && errno != EINTR) return error_system(err, "cannot read what gnuplot draws");
        if (got > 0) any |= fwrite(bytes, 1, (size_t)got, out) > 0;
    }
    return any || error_set(err, EXIT_SYSTEM, "gnuplot drew nothing; its messages, if any, are above");
}

/* The environment in UTF-8, without variables that change what gnuplot draws or prevent it from drawing. */
static char **environment(Arena *arena) {
    static const char *const dropped[] = {
        "GNUTERM=",    "GNUPLOT_LIB=", "GNUPLOT_DEFAULT_GDFONT=", "GNUPLOT_FONTPATH=", "GNUPLOT_PS_DIR=",
        "GDFONTPATH=", "LC_"};
    static char locale[] = "LC_ALL=C.UTF-8";
    int count = 0, kept = 0;
    while (environ[count]) count++;
    char **variables = NEW(arena, count + 2, char *);
    for (int i = 0; i < count; i++) {
        bool keep = true;
        for (int k = 0; k < COUNT_OF(dropped); k++)
            keep &= strncmp(environ[i], dropped[k], strlen(dropped[k])) != 0;
        if (keep) variables[kept++] = environ[i];
    }
    variables[kept] = locale;
    return variables;
}

/* Executes gnuplot with the script as its input and `end` as FIGURE. */
static bool start(pid_t *pid, FILE *script, int end, char **variables, Error *err) {
    /* -d: without the user's own start-up file. */
    static const char *const arguments[] = {"gnuplot", "-d", NULL};
    const ProcessFile files[] = {{fileno(script), STDIN_FILENO},
                                 {end, FIGURE}, /* after the script, whose descriptor may be FIGURE */
                                 {STDERR_FILENO, STDOUT_FILENO}};
    int code = process_start(pid, arguments, variables, files, COUNT_OF(files));
    if (code == ENOENT)
        return error_set(err, EXIT_SYSTEM,
                         "gnuplot is not installed (Debian, Ubuntu: apt install gnuplot-nox)");
    return !code || error_set(err, EXIT_SYSTEM, "cannot start gnuplot: %s", strerror(code));
}

static bool run(FILE *out, FILE *script, Arena *arena, Error *err) {
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0) return error_system(err, "cannot make a pipe");
    bool fine = start(&pid, script, ends[1], environment(arena), err), started = fine;
    close(ends[1]);
    fine = fine && take_figure(out, ends[0], err);
    close(ends[0]);
    if (!started || process_wait(pid) == 0) return fine;
    return error_set(err, EXIT_SYSTEM, "gnuplot failed; its message is above");
}

bool gnuplot_end(FILE *script, const char *figure, const char *template, Arena *arena, Error *err) {
    AtomicFile file;
    fprintf(script, "load %s\n", gnuplot_path(template, arena));
    bool fine =
        (fflush(script) == 0 && !ferror(script)) || error_system(err, "cannot write a temporary file");
    rewind(script);
    FILE *out = fine ? atomic_file_begin(&file, figure, arena, err) : NULL;
    fine = out && atomic_file_end(&file, run(out, script, arena, err), err);
    fclose(script);
    return fine;
}
