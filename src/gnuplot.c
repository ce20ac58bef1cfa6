/* gnuplot: see gnuplot.h. */
#include "gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const gnuplot_formats[] = {"svg", "png", "pdf", NULL};

const char *gnuplot_quoted(const char *text, Arena *arena) {
    char *result = arena_alloc(arena, 2 * strlen(text) + 3, 1), *end = result;
    *end++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') *end++ = '\'';
        *end++ = (unsigned char)*text < 0x20 || *text == 0x7F ? ' ' : *text;
    }
    *end = '\'';
    return result;
}

/* The folder of a path, with its slash; "" for one without. */
static const char *folder_of(const char *path, Arena *arena) {
    const char *slash = strrchr(path, '/');
    return slash ? arena_format(arena, "%.*s", (int)(slash - path + 1), path) : "";
}

const char *gnuplot_template(const char *name, const char *beside, Arena *arena, Err *err) {
    char program[4096] = "";
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) program[0] = '\0';
    const char *folder = folder_of(program, arena);
    const char *const places[] = {
        beside ? arena_format(arena, "%s%s", folder_of(beside, arena), name) : "",
        arena_format(arena, "plots/%s", name),
        arena_format(arena, "%splots/%s", folder, name),
        arena_format(arena, "%s../share/poslab/plots/%s", folder, name),
    };
    for (int i = 0; i < COUNT_OF(places); i++)
        if (*places[i] && access(places[i], R_OK) == 0) return places[i];
    err_set(err, EXIT_SYSTEM,
            "no template plots/%s here or beside the program; `make install` puts it into share/poslab",
            name);
    return NULL;
}

static const char *unfinished_name(const char *figure, Arena *arena) {
    return arena_format(arena, "%s.tmp", figure);
}

FILE *gnuplot_begin(const char *figure, const char *format, Arena *arena, Err *err) {
    FILE *script = tmpfile();
    if (!script) {
        err_system(err, "cannot make a temporary file");
        return NULL;
    }
    fprintf(script, "figure = %s\nformat = %s\n", gnuplot_quoted(unfinished_name(figure, arena), arena),
            gnuplot_quoted(format, arena));
    return script;
}

static bool run(FILE *script, Err *err) {
    static char program[] = "gnuplot", defaults[] = "-d"; /* -d: without the user's own start-up file */
    char *const arguments[] = {program, defaults, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    pid_t pid;
    int code = posix_spawnp(&pid, program, &actions, NULL, arguments, environ), status = 0;
    posix_spawn_file_actions_destroy(&actions);
    if (code == ENOENT)
        return err_set(err, EXIT_SYSTEM,
                       "gnuplot is not installed (Debian, Ubuntu: apt install gnuplot-nox)");
    if (code) return err_set(err, EXIT_SYSTEM, "cannot start gnuplot: %s", strerror(code));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return err_system(err, "cannot wait for gnuplot");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    return err_set(err, EXIT_SYSTEM, "gnuplot failed; its message is above");
}

bool gnuplot_end(FILE *script, const char *figure, const char *template, Arena *arena, Err *err) {
    const char *unfinished = unfinished_name(figure, arena);
    fprintf(script, "load %s\n", gnuplot_quoted(template, arena));
    bool fine = fflush(script) == 0 && !ferror(script);
    if (!fine) err_system(err, "cannot write a temporary file");
    rewind(script);
    fine = fine && run(script, err);
    fclose(script);
    if (fine && rename(unfinished, figure) != 0) fine = err_system(err, "cannot write '%s'", figure);
    if (!fine) unlink(unfinished);
    return fine;
}
