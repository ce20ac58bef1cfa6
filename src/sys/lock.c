#include "sys/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sys/atomic_file.h"

enum { LOCK_WAIT_TENTHS = 30 }; /* workers of a killed parent end within it */

/* Checked first, so that no lock file is created for a path that cannot be a database. */
static bool can_be_database(const char *database, Error *err) {
    struct stat status;
    size_t size = strlen(database);
    if (!size) return error_set(err, EXIT_USAGE, "--db: the database name is empty");
    if (database[size - 1] == '/' || (stat(database, &status) == 0 && !S_ISREG(status.st_mode)))
        return error_set(err, EXIT_USAGE, "database '%s' is not a regular file", database);
    return true;
}

int lock_database(const char *database, Arena *arena, Error *err) {
    char target[PATH_MAX]; /* one lock for all links to a database */
    const char *path = arena_format(arena, "%s.lock", realpath(database, target) ? target : database);
    int file = can_be_database(database, err) ? file_open(path, O_RDWR, err) : -1;
    if (file < 0) return -1;
    char holder[128] = "";
    for (int i = 0; flock(file, LOCK_EX | LOCK_NB) != 0; i++) {
        if (i < LOCK_WAIT_TENTHS && errno == EWOULDBLOCK) {
            usleep(100000);
            continue;
        }
        if (errno != EWOULDBLOCK)
            error_system(err, "cannot lock '%s'", path);
        else {
            ssize_t got = pread(file, holder, sizeof holder - 1, 0);
            holder[got > 0 ? got : 0] = '\0';
            error_set(err, EXIT_SYSTEM,
                      "database '%s' is in use by %s; wait for it to end, or use another database (--db)",
                      database, *holder ? holder : "another process");
        }
        close(file);
        return -1;
    }
    char host[64] = "?";
    gethostname(host, sizeof host - 1);
    const char *me = arena_format(arena, "process %d on %s", (int)getpid(), host);
    if (ftruncate(file, 0) != 0 || !atomic_file_write_all(file, me, strlen(me))) {
        error_system(err, "cannot write '%s'", path);
        close(file);
        return -1;
    }
    return file;
}

const char *lock_holder_of(const char *path, Arena *arena) {
    struct stat file;
    FILE *locks = stat(path, &file) == 0 ? fopen("/proc/locks", "re") : NULL;
    const char *holder = "";
    char line[256];
    while (locks && !*holder && fgets(line, sizeof line, locks)) {
        int process;
        unsigned device_major, device_minor;
        unsigned long long inode;
        if (sscanf(line, "%*d: %*s %*s %*s %d %x:%x:%llu", &process, &device_major, &device_minor, &inode) !=
            4)
            continue;
        if (inode != file.st_ino || process == getpid() || device_major != major(file.st_dev) ||
            device_minor != minor(file.st_dev))
            continue;
        char name[64] = "unknown";
        FILE *comm = fopen(arena_format(arena, "/proc/%d/comm", process), "re");
        if (comm && fgets(name, sizeof name, comm)) name[strcspn(name, "\n")] = '\0';
        if (comm) fclose(comm);
        holder = arena_format(arena, " (process %d, %s)", process, name);
    }
    if (locks) fclose(locks);
    return holder;
}
