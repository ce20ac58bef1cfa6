/* shim: a library preloaded into poslab by tests/faults/torture.sh; counts the calls that change files and
 * makes one of them fail.
 *
 * Counted are write, pwrite, fsync, fdatasync, ftruncate, rename and unlink of files, open with O_CREAT,
 * mkdir, and fflush and fclose of streams on files (writes inside stdio are not intercepted; the program has
 * only stdout and gnuplot's script as such streams), in all processes of one role (TORTURE_ROLE: runner or
 * worker), in a counter shared through the file TORTURE_COUNTER. At call number TORTURE_AT the process is
 * killed (TORTURE_ACTION=kill) or stopped (stop), or the call fails (ENOSPC, EIO); with TORTURE_FOREVER=1 all
 * later calls fail, too. unlink never fails.
 *
 * Independent of the role, TORTURE_LOG names a file to which each write, fsync and rename of files, each
 * mkdir, and each creation of a file for appending adds a line: the process, the call, and the absolute
 * paths, separated by tabs (tests/cli/test_publish.sh).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long *counter; /* NULL: another role, or not enabled */
static long at;
static int error; /* errno of the failure; 0: the signal */
static int deadly = SIGKILL;
static bool forever;
static int log_file = -1; /* the file TORTURE_LOG */

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static bool has_role(const char *role) {
    char line[256] = "";
    int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, line, sizeof line - 1) <= 0) return false;
    close(file);
    bool worker = strcmp(line + strlen(line) + 1, "worker") == 0;
    return worker == (strcmp(role, "worker") == 0);
}

/* Writes one line with one system call that this shim does not count. */
static void log_line(const char *call, const char *path, const char *other) {
    char line[3 * PATH_MAX];
    int saved = errno, size;
    size = snprintf(line, sizeof line, "%d\t%s\t%s\t%s\n", (int)getpid(), call, path, other);
    if (size < (int)sizeof line && syscall(SYS_write, log_file, line, size) != size) _exit(99);
    errno = saved;
}

static void log_descriptor(const char *call, int file) {
    char link[64], path[PATH_MAX];
    if (log_file < 0) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    if (*path == '/') log_line(call, path, ""); /* not a pipe */
}

static const char *whole(const char *path, char buffer[2 * PATH_MAX]) {
    char here[PATH_MAX];
    if (*path == '/' || !getcwd(here, sizeof here)) return path;
    snprintf(buffer, 2 * PATH_MAX, "%s/%s", here, strncmp(path, "./", 2) ? path : path + 2);
    return buffer;
}

static void log_rename(const char *from, const char *to) {
    char whole_from[2 * PATH_MAX], whole_to[2 * PATH_MAX];
    if (log_file >= 0) log_line("rename", whole(from, whole_from), whole(to, whole_to));
}

static void log_path(const char *call, const char *path) {
    char whole_path[2 * PATH_MAX];
    if (log_file >= 0) log_line(call, whole(path, whole_path), "");
}

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("TORTURE_LOG");
    if (log) log_file = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    const char *path = getenv("TORTURE_COUNTER"), *role = getenv("TORTURE_ROLE"),
               *action = getenv("TORTURE_ACTION");
    if (!path || !role || !has_role(role)) return;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0 || ftruncate(file, sizeof *counter) != 0) return;
    void *shared = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared == MAP_FAILED) return;
    at = number("TORTURE_AT");
    forever = number("TORTURE_FOREVER");
    error = !action ? 0 : strcmp(action, "ENOSPC") == 0 ? ENOSPC : strcmp(action, "EIO") == 0 ? EIO : 0;
    if (action && strcmp(action, "stop") == 0) deadly = SIGSTOP;
    counter = shared;
}

/* Counts a call; returns whether it must fail. */
static bool struck(bool may_fail) {
    if (!counter) return false;
    long now = atomic_fetch_add(counter, 1) + 1;
    if (!at || now < at || (now > at && !forever)) return false;
    if (!error) kill(getpid(), deadly);
    if (!may_fail) return false;
    errno = error;
    return true;
}

/* Pipes and terminals are not tested. */
static bool is_file(int file) {
    return counter && lseek(file, 0, SEEK_CUR) >= 0;
}

#define REAL(name, ...)                                                                                      \
    static __typeof__(name) *real;                                                                           \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);                                           \
    return real(__VA_ARGS__)

ssize_t write(int file, const void *bytes, size_t size) {
    if (is_file(file) && struck(true)) return -1;
    log_descriptor("write", file);
    REAL(write, file, bytes, size);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t place) {
    if (struck(true)) return -1;
    log_descriptor("write", file);
    REAL(pwrite, file, bytes, size, place);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t place) {
    if (struck(true)) return -1;
    log_descriptor("write", file);
    REAL(pwrite64, file, bytes, size, place);
}
int fsync(int file) {
    if (struck(true)) return -1;
    log_descriptor("sync", file);
    REAL(fsync, file);
}
int fdatasync(int file) {
    if (struck(true)) return -1;
    log_descriptor("sync", file);
    REAL(fdatasync, file);
}
int ftruncate(int file, off_t size) {
    if (struck(true)) return -1;
    REAL(ftruncate, file, size);
}
int ftruncate64(int file, off64_t size) {
    if (struck(true)) return -1;
    REAL(ftruncate64, file, size);
}
int rename(const char *from, const char *to) {
    if (struck(true)) return -1;
    static int (*real)(const char *, const char *);
    if (!real) real = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    int code = real(from, to);
    if (code == 0) log_rename(from, to);
    return code;
}
int unlink(const char *path) {
    if (struck(false)) return -1;
    REAL(unlink, path);
}
int mkdir(const char *path, mode_t mode) {
    if (struck(true)) return -1;
    static int (*real)(const char *, mode_t);
    if (!real) real = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");
    int code = real(path, mode);
    if (code == 0) log_path("make", path);
    return code;
}

/* A file that is created for appending never gets its name by a rename, so it is logged. */
static void log_append(const char *path, int flags) {
    if (log_file >= 0 && (flags & O_CREAT) && (flags & O_APPEND) && access(path, F_OK) != 0)
        log_path("make", path);
}

#define REAL_OPEN(name)                                                                                      \
    mode_t mode = 0;                                                                                         \
    if (flags & O_CREAT) {                                                                                   \
        va_list rest;                                                                                        \
        va_start(rest, flags);                                                                               \
        mode = va_arg(rest, mode_t);                                                                         \
        va_end(rest);                                                                                        \
        if (struck(true)) return -1;                                                                         \
    }                                                                                                        \
    log_append(path, flags);                                                                                 \
    REAL(name, path, flags, mode)

int open(const char *path, int flags, ...) {
    REAL_OPEN(open);
}
int open64(const char *path, int flags, ...) {
    REAL_OPEN(open64);
}

/* Data that cannot be written is lost, as at the end of a process. */
static bool stream_struck(FILE *stream) {
    if (!stream || stream == stderr || !is_file(fileno(stream)) || !struck(true)) return false;
    int saved = errno;
    __fpurge(stream);
    errno = saved;
    return true;
}
int fflush(FILE *stream) {
    if (stream_struck(stream)) return EOF;
    REAL(fflush, stream);
}
int fclose(FILE *stream) {
    static int (*real)(FILE *);
    if (!real) real = (int (*)(FILE *))dlsym(RTLD_NEXT, "fclose");
    bool lost = stream_struck(stream);
    int saved = errno, code = real(stream);
    if (lost) errno = saved;
    return lost ? EOF : code;
}
