/* fuzz: shared code of the fuzz targets.
 *
 * libFuzzer calls LLVMFuzzerTestOneInput with one input after another. A target passes it to a reader of
 * files, which must accept it or refuse it with a message, without accesses out of bounds.
 */
#ifndef POSLAB_FUZZ_H
#define POSLAB_FUZZ_H

#include "base/arena.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the input to a file in memory and returns its path, which is the same for all inputs. */
static inline const char *fuzz_file(const uint8_t *data, size_t size) {
    static char path[64];
    static int file = -1;
    if (file < 0) {
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size) abort();
    return path;
}

/* A refusal must have a one-line message and an exit code that the reader documents. */
static inline void fuzz_refused(const Error *err, ExitCode code) {
    if (err->code != code || !*err->text || strstr(err->text, "\n\n")) {
        fprintf(stderr, "code %d: '%s'\n", err->code, err->text);
        abort();
    }
}

#endif
