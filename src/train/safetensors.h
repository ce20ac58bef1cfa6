/* safetensors: tensors in safetensors files, with a checksum.
 *
 * The format (huggingface.co/docs/safetensors): 8 bytes little-endian header length, a JSON header with
 * dtype, shape and data_offsets per tensor and string pairs in `__metadata__`, then the data. A checksum
 * (SHA-256 over the header with the checksum's digits as zeros, then the data) is in the metadata under
 * "sha256". Files are written by sys/atomic_file.h, so they are complete or absent; reading refuses damaged
 * files.
 */
#ifndef POSLAB_TRAIN_SAFETENSORS_H
#define POSLAB_TRAIN_SAFETENSORS_H

#include "base/arena.h"
#include "base/options.h"

typedef enum SafetensorsType { SAFETENSORS_F32, SAFETENSORS_I32 } SafetensorsType;

typedef struct SafetensorsTensor {
    const char *name;
    SafetensorsType type;
    int rank;
    int64_t dims[2];
    void *data; /* row-major; after reading, owned by the arena */
} SafetensorsTensor;

typedef struct SafetensorsFile {
    SafetensorsTensor *tensors;
    int count;
    Json *metadata; /* object of strings */
} SafetensorsFile;

bool safetensors_write(const char *path, const SafetensorsFile *file, Error *err);

/* Reads and verifies a file; its contents are owned by the arena. A file that is truncated, or has a wrong
   checksum, invalid offsets or another dtype, is EXIT_DAMAGED; a missing file is EXIT_SYSTEM. */
bool safetensors_read(const char *path, SafetensorsFile *file, Arena *arena, Error *err);

/* Reads a file of another program, which has no checksum: tensors of F32 in the order of their offsets, as
   the library safetensors writes them. What is wrong with it is EXIT_USAGE, and names the tensor. */
bool safetensors_read_foreign(const char *path, SafetensorsFile *file, Arena *arena, Error *err);

/* The same of the weights of run `key`, which their metadata names; other weights are EXIT_DAMAGED. */
bool safetensors_read_weights(const char *path, const char *key, SafetensorsFile *file, Arena *arena,
                              Error *err);

/* Find a tensor by name; NULL if absent. safetensors_next searches from index *next on, then from the
   beginning, and sets *next to the index after the tensor found, so that a loop over names in the file's
   order compares each name once. */
const SafetensorsTensor *safetensors_find(const SafetensorsFile *file, const char *name);
const SafetensorsTensor *safetensors_next(const SafetensorsFile *file, const char *name, int *next);

#endif
