#include "sys/pager.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/escape.h"
#include "base/text.h"
#include "sys/process.h"
#include "sys/signals.h"

enum { NOT_STARTED = 126 }; /* exit code of a shell that cannot start a program; 127: not found */

static FILE *collected; /* NULL: output is not collected */
static int terminal;    /* its descriptor while output is collected */
static volatile sig_atomic_t child, ended_by;

/* NULL: less */
static const char *chosen(void) {
    const char *own = getenv("POSLAB_PAGER");
    return own ? own : getenv("PAGER");
}

void pager_begin(void) {
    const TextScreen screen = text_screen(stdout);
    const char *pager = chosen();
    if (!screen.height || (pager && (!*pager || !strcmp(pager, "cat")))) return;
    fflush(stdout);
    FILE *file = tmpfile();
    terminal = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    if (file && terminal >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0) {
        collected = file;
        text_set_screen(screen);
        return;
    }
    if (file) fclose(file);
    if (terminal >= 0) close(terminal);
}

/* Everything that was collected. */
static char *read_collected(size_t *size, Arena *arena) {
    off_t end = fseeko(collected, 0, SEEK_END) == 0 ? ftello(collected) : 0;
    char *text = NEW(arena, end + 1, char);
    rewind(collected);
    *size = fread(text, 1, (size_t)end, collected);
    return text;
}

/* Whether no line is wider than the screen, and one is left for the prompt of the shell. */
static bool fits(const char *text, Arena *arena) {
    const TextScreen screen = text_screen(stdout);
    char *rest = arena_copy(arena, text);
    int lines = 0;
    for (const char *line; lines < screen.height && (line = strsep(&rest, "\n")) != NULL && rest; lines++)
        if (screen.width && escape_width(line) > screen.width) return false;
    return lines < screen.height;
}

static void pass_on(int signal) {
    ended_by = signal;
    if (child > 0) kill((pid_t)child, signal);
}

/* For signals that are not ignored in the pager. */
static void stay(int signal) {
    (void)signal;
}

/* Returns false if the pager cannot be started. */
static bool show(void) {
    static const int passed[] = {SIGTERM, SIGHUP, 0}, interrupts[] = {SIGINT, SIGQUIT, 0};
    const char *pager = chosen();
    const char *const arguments[] = {pager ? "sh" : "less", pager ? "-c" : NULL, pager, NULL};
    const ProcessFile input = {fileno(collected), STDIN_FILENO};
    pid_t pid;
    setenv("LESS", "FRSX", 0);
    lseek(fileno(collected), 0, SEEK_SET);
    signals_handle(passed, pass_on, 0);
    signals_handle(interrupts, stay, 0); /* Ctrl-C is for the pager */
    if (process_start(&pid, arguments, environ, &input, 1) != 0) return false;
    child = pid;
    if (ended_by) pass_on(ended_by);
    int status = process_wait(pid);
    if (!ended_by && WIFSIGNALED(status)) ended_by = WTERMSIG(status);
    return !WIFEXITED(status) || WEXITSTATUS(status) < NOT_STARTED;
}

int pager_end(void) {
    if (!collected) return 0;
    Arena *arena = arena_new(0);
    size_t size;
    fflush(stdout);
    char *text = read_collected(&size, arena);
    bool short_text = fits(text, arena);
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
    if (short_text || !show()) fwrite(text, 1, size, stdout);
    text_set_screen((TextScreen){0});
    fclose(collected);
    collected = NULL;
    arena_free(arena);
    return ended_by;
}
