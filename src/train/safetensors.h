/* safetensors: writing and reading safetensors files, with a checksum.
 *
 * The format (huggingface.co/docs/safetensors): the length of the header in 8 bytes, little-endian; a JSON
 * header with dtype, shape and data_offsets of each tensor and pairs of strings in `__metadata__`; the data.
 * The metadata member "sha256" is a checksum: SHA-256 of the header, with zeros for the checksum's digits,
 * and of the data. Files appear complete or not at all (sys/atomic_file.h), and damaged files are refused.
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

/* Writes a file. file->metadata may be NULL; the checksum is added to a copy of it. Names must be unique. */
bool safetensors_write(const char *path, const SafetensorsFile *file, Error *err);

/* Reads and verifies a file; its contents are owned by the arena. A file that is truncated, or has a wrong
   checksum, invalid offsets or another dtype, is EXIT_DAMAGED; a missing file is EXIT_SYSTEM. */
bool safetensors_read(const char *path, SafetensorsFile *file, Arena *arena, Error *err);

/* Reads a file of another program, which has no checksum: tensors of F32 in the order of their offsets, as
   the library safetensors writes them. Fails with EXIT_USAGE and names the tensor. */
bool safetensors_read_foreign(const char *path, SafetensorsFile *file, Arena *arena, Error *err);

/* Reads a file of trained weights. Fails with EXIT_DAMAGED if its metadata does not name run `key`. */
bool safetensors_read_weights(const char *path, const char *key, SafetensorsFile *file, Arena *arena,
                              Error *err);

/* Find a tensor by name; NULL if absent. safetensors_next searches from index *next on, then from the
   beginning, and sets *next to the index after the tensor found, so that a loop over names in the file's
   order compares each name once. */
const SafetensorsTensor *safetensors_find(const SafetensorsFile *file, const char *name);
const SafetensorsTensor *safetensors_next(const SafetensorsFile *file, const char *name, int *next);

#endif
