#include "run/worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/atomic_file.h"
#include "sys/mpi.h"
#include "sys/process.h"
#include "math/blas.h"
#include "math/nn_ops.h"

_Noreturn static void become_worker(const char *program, const char *folder, int output, int threads,
                                    pid_t parent) {
    char count[16];
    snprintf(count, sizeof count, "%d", threads);
    blas_one_thread_environment();
    mpi_leave();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(EXIT_SYSTEM); /* the parent died before prctl */
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input >= 0) dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execl(program, "poslab", "worker", "--threads", count, folder, (char *)NULL);
    dprintf(STDERR_FILENO, "cannot start '%s': %s\n", program, strerror(errno));
    _exit(EXIT_SYSTEM);
}

bool worker_process_start(WorkerProcess *child, const char *program, const char *folder, int threads,
                          Error *err) {
    int ends[2];
    char path[4096];
    snprintf(path, sizeof path, "%s/log.txt", folder);
    *child = (WorkerProcess){.log = file_open(path, O_WRONLY | O_APPEND | O_CLOEXEC, err)};
    if (child->log < 0) return false;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        error_system(err, "cannot make a pipe");
        close(child->log);
        return false;
    }
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid == 0) become_worker(program, folder, ends[1], threads, parent);
    close(ends[1]);
    child->pipe = ends[0];
    if (child->pid > 0) return true;
    error_system(err, "cannot start a process");
    close(ends[0]);
    close(child->log);
    return false;
}

static void end_line(WorkerProcess *child, bool (*take)(void *, const char *), void *user) {
    child->line[child->used] = '\0';
    if (child->used && !take(user, child->line)) {
        memcpy(child->tail[child->lines++ % WORKER_PROCESS_TAIL], child->line, child->used + 1);
        child->line[child->used] = '\n';
        /* Errors are ignored, because a run does not depend on its log. */
        atomic_file_write_all(child->log, child->line, child->used + 1);
    }
    child->used = 0;
}

bool worker_process_read(WorkerProcess *child, bool (*take)(void *user, const char *line), void *user) {
    char bytes[4096];
    ssize_t got = read(child->pipe, bytes, sizeof bytes);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] == '\n' || child->used == WORKER_PROCESS_LINE - 1) end_line(child, take, user);
        if (bytes[i] != '\n') child->line[child->used++] = bytes[i];
    }
    if (got == 0) end_line(child, take, user);
    return got > 0;
}

int worker_process_wait(WorkerProcess *child, int *signal) {
    int status = process_wait(child->pid);
    close(child->pipe);
    close(child->log);
    child->pid = 0;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const char *worker_process_reason(const WorkerProcess *child, int code, int signal, Arena *arena) {
    const char *text = code >= 0 ? arena_format(arena, "exit code %d", code)
                                 : arena_format(arena, "killed by signal %d (%s)", signal, strsignal(signal));
    int first = child->lines > WORKER_PROCESS_TAIL ? child->lines - WORKER_PROCESS_TAIL : 0;
    for (int i = first; i < child->lines; i++)
        text = arena_format(arena, "%s%s%s", text, i == first ? ": " : " | ",
                            child->tail[i % WORKER_PROCESS_TAIL]);
    return text;
}
