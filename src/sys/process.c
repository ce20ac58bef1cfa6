/* process: the output goes to temporary files, so that neither stream can block the other. */
#include "sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_FOUND = 127, OUTPUT_MAX = 1 << 26 };

/* The content of the file, up to a limit. */
static char *take_text(FILE *file, Arena *arena) {
    off_t size = fseeko(file, 0, SEEK_END) == 0 ? ftello(file) : 0;
    if (size > OUTPUT_MAX) size = OUTPUT_MAX;
    char *text = NEW(arena, size + 1, char);
    rewind(file);
    text[fread(text, 1, (size_t)size, file)] = '\0';
    return text;
}

/* The first line that contains "error", because a cluster may print a greeting first; otherwise the first
   line. */
static char *error_line(char *text) {
    char *found = strcasestr(text, "error"), *line = found ? found : text;
    while (line > text && line[-1] != '\n') line--;
    line[strcspn(line, "\n")] = '\0';
    return line;
}

int process_start(pid_t *pid, const char *const *arguments, char *const *environment,
                  const ProcessFile *files, int count) {
    static const int ignored[] = {SIGPIPE, SIGXFSZ}; /* by main */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    for (int i = 0; i < COUNT_OF(ignored); i++) sigaddset(&defaults, ignored[i]);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < count; i++) {
        if (files[i].from < 0)
            posix_spawn_file_actions_addopen(&actions, files[i].to, "/dev/null", O_RDONLY, 0);
        else
            posix_spawn_file_actions_adddup2(&actions, files[i].from, files[i].to);
    }
    int code = posix_spawnp(pid, arguments[0], &actions, &attributes, (char *const *)arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}

int process_wait(pid_t pid) {
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

bool process_run(ProcessResult *command, const char *const *arguments, Arena *arena, Error *err) {
    FILE *output = tmpfile(), *error = tmpfile();
    pid_t pid = 0;
    int code = errno;
    if (output && error) {
        const ProcessFile files[] = {
            {-1, STDIN_FILENO}, {fileno(output), STDOUT_FILENO}, {fileno(error), STDERR_FILENO}};
        code = process_start(&pid, arguments, environ, files, COUNT_OF(files));
    }
    *command = (ProcessResult){.code = NOT_FOUND, .output = "", .error = "not found"};
    if (!code) {
        int status = process_wait(pid);
        command->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        command->output = take_text(output, arena);
        command->error = error_line(take_text(error, arena));
    }
    if (output) fclose(output);
    if (error) fclose(error);
    errno = code;
    return !code || code == ENOENT || error_system(err, "cannot run '%s'", arguments[0]);
}
