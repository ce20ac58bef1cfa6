/* fuzz_safetensors: reads safetensors files. The checksum refuses nearly all inputs, but only after all other
 * checks.
 */
#include "train/safetensors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Error err = {0};
    SafetensorsFile file;
    Arena *arena = arena_new(0);
    if (!safetensors_read(fuzz_file(data, size), &file, arena, &err)) fuzz_refused(&err, EXIT_DAMAGED);
    arena_free(arena);
    return 0;
}
