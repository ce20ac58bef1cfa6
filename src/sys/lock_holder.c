#include "sys/lock_holder.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

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
