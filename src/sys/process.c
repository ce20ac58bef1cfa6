/* process: the output goes to temporary files, so that neither stream can block the other. */
#include "sys/process.h"

#include <errno.h>
#include <fcntl.h>
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

static int start(pid_t *pid, const char *const *arguments, FILE *output, FILE *error) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fileno(output), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(error), STDERR_FILENO);
    int code = posix_spawnp(pid, arguments[0], &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

bool process_run(ProcessResult *command, const char *const *arguments, Arena *arena, Error *err) {
    FILE *output = tmpfile(), *error = tmpfile();
    pid_t pid = 0;
    int status = 0, code = output && error ? start(&pid, arguments, output, error) : errno;
    *command = (ProcessResult){.code = NOT_FOUND, .output = "", .error = "not found"};
    if (!code) {
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
        command->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        command->output = take_text(output, arena);
        command->error = error_line(take_text(error, arena));
    }
    if (output) fclose(output);
    if (error) fclose(error);
    errno = code;
    return !code || code == ENOENT || error_system(err, "cannot run '%s'", arguments[0]);
}
