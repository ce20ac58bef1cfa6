/* fixture: folders of tests are in memory (/dev/shm) if possible. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

Arena *arena;
static char folder[64];
static char home[4096];

int fixture_arena(void **state) {
    (void)state;
    arena = arena_new(0);
    return 0;
}

int fixture_arena_free(void **state) {
    (void)state;
    arena_free(arena);
    arena = NULL;
    return 0;
}

/* In memory, if there is space and programs can be started from it: databases are synced often. */
static const char *parent(void) {
    struct statvfs space;
    bool fits = statvfs("/dev/shm", &space) == 0 && access("/dev/shm", W_OK) == 0 &&
                !(space.f_flag & ST_NOEXEC) && (double)space.f_bavail * (double)space.f_frsize > 256e6;
    return fits ? "/dev/shm" : "/tmp";
}

int fixture_folder(void **state) {
    snprintf(folder, sizeof folder, "%s/poslab-test-XXXXXX", parent());
    if (!getcwd(home, sizeof home) || !mkdtemp(folder) || chdir(folder) != 0) return 1;
    return fixture_arena(state);
}

int fixture_folder_remove(void **state) {
    char command[sizeof folder + 16];
    fixture_arena_free(state);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir(home) != 0 || system(command) != 0;
}

const char *fixture_path(void) {
    return folder;
}

void fixture_put(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void fixture_put_text(const char *path, const char *text) {
    fixture_put(path, text, strlen(text));
}
